"""What a conversation remembers between messages, and what passes between dialogue and actions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from bot.contracts import Parse, Reply


@dataclass(frozen=True, slots=True)
class ActionSpec:
    """What the dialogue must know of an action.

    ``optional`` slots can be answered with "no"; ``implied`` slots are not asked of a verified
    customer; an action that is not ``resumable`` is dropped when the customer changes the subject.
    """

    intent: str
    optional: frozenset[str] = frozenset()
    implied: frozenset[str] = frozenset()
    resumable: bool = True


@dataclass(frozen=True, slots=True)
class Task:
    """An action being prepared. A slot that is ``""`` was skipped.

    ``stale`` says that something else was said since the customer was asked to confirm: then only the
    button of that very question counts, and a typed yes has it asked again.
    """

    intent: str
    slots: dict[str, str] = field(default_factory=dict)
    asking: str = ""
    confirming: bool = False
    token: str = ""
    stale: bool = False


@dataclass(frozen=True, slots=True)
class State:
    """All that a conversation's dialogue remembers between messages; JSON-ready.

    ``about`` is the order last spoken of; ``photo`` whether a file waits for the complaint it belongs to.
    """

    task: Task | None = None
    stack: tuple[Task, ...] = ()
    failed: int = 0
    offered: bool = False
    turn: int = 0
    buttons: tuple[tuple[str, str], ...] = ()
    carried: dict[str, str] = field(default_factory=dict)
    language_chosen: bool = False
    other_language: str = ""
    about: str = ""
    photo: bool = False

    def to_json(self) -> dict[str, Any]:
        """The state as JSON-ready data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> State:
        """Read what :meth:`to_json` wrote; an empty mapping gives a fresh state."""
        if not data:
            return cls()
        return cls(
            task=Task(**data["task"]) if data["task"] else None,
            stack=tuple(Task(**item) for item in data["stack"]),
            failed=data["failed"],
            offered=data["offered"],
            turn=data["turn"],
            buttons=tuple((title, payload) for title, payload in data["buttons"]),
            carried=data["carried"],
            language_chosen=data["language_chosen"],
            other_language=data["other_language"],
            about=data["about"],
            photo=data["photo"],
        )

    def interrupted(self) -> State:
        """The state after someone else than the bot spoke: an open confirmation must be asked for anew."""
        return replace(self, task=replace(self.task, stale=True)) if self.task else self


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of the customer. ``pressed`` says that it is a button, not typed words; ``voice``
    that all it has is something spoken; ``slots`` are the fields of a form that was filled in;
    ``triggers`` what may hand the conversation over, and ``sentiment`` how it sounds, see
    :mod:`bot.handovers`."""

    parse: Parse
    pressed: bool = False
    files: int = 0
    verified: bool = False
    voice: bool = False
    slots: Mapping[str, str] = field(default_factory=dict)
    triggers: frozenset[str] = frozenset()
    sentiment: float | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """An action to run. ``decision`` is ``yes`` or ``no`` once the customer was asked to confirm."""

    intent: str
    slots: Mapping[str, str]
    decision: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """What comes next: replies, then the action to run or the slot to ask for."""

    state: State
    replies: tuple[Reply, ...] = ()
    run: Run | None = None
    ask: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an action achieved.

    Args:
        replies: what to say.
        ask: a slot that is needed (again): the action runs anew once it is filled.
        clear: slots that turned out wrong.
        silent: the replies already ask for ``ask``, so the usual question is left out.
        keep: slots to remember for the next try.
        confirm: whether the last reply asked for a yes or no.
        about: the order that was spoken of.
        start: another action to begin instead, with its slots.
        reset: forget everything that was going on (a person takes over).
    """

    replies: tuple[Reply, ...] = ()
    ask: str = ""
    silent: bool = False
    clear: tuple[str, ...] = ()
    keep: Mapping[str, str] = field(default_factory=dict)
    confirm: bool = False
    about: str = ""
    start: tuple[str, Mapping[str, str]] | None = None
    reset: bool = False
