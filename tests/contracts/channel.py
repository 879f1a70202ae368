"""What the suite has to know of a channel."""

from __future__ import annotations

import contextlib
import importlib
import json
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import httpx

from bot.contracts import Address, Attachment, Inbound, Kind, LinguadeskError, Media, Outgoing, TemporaryError

_Test = TypeVar("_Test", bound=Callable[..., Any])

FIXTURES = Path(__file__).parent / "fixtures"
MEDIA = (Media("exports/box.jpg", "box.jpg", "image/jpeg"), Media("exports/data.json", "data.json", "application/json"))


@dataclass(frozen=True, slots=True)
class Seen:
    """What a customer sees of a message: its words, what can be pressed with what it carries, its files."""

    words: tuple[str, ...]
    choices: tuple[tuple[str, str], ...] = ()
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Call:
    """A request to a platform. ``definition`` names its schema, ``""`` where there is none."""

    definition: str
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fault:
    """How a platform fails, and what must become of it; ``wait`` is the least ``retry_after``, in seconds."""

    name: str
    arrange: Callable[[Any], None]
    error: type[LinguadeskError] = TemporaryError
    wait: float | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """One object that a platform sends, with what is expected of it.

    ``whole`` if only the connector as a whole understands it; ``schema`` if the platform's types have it.
    """

    name: str
    about: str
    payload: dict[str, Any]
    expected: list[dict[str, Any]]
    whole: bool
    schema: bool


class Channel(ABC):
    """One channel; a platform's, or one of the product's own web server."""

    name: ClassVar[str]
    # Where to write so that the customer of ``text`` reads it.
    address: ClassVar[Address]
    # The chat of the agents, and the setting in config.yml that names it.
    options: ClassVar[Mapping[str, Any]] = {}
    # The greatest piece of text that the platform takes, in its own measure.
    limit: ClassVar[int] = 0

    def server(self) -> AbstractAsyncContextManager[Any]:
        """The platform's side; nothing for a channel of our own."""
        return contextlib.nullcontext()

    def env(self, server: Any) -> dict[str, str]:
        """The environment that turns the channel on, receiving by HTTP."""
        return {}

    @abstractmethod
    def text(self, words: str, number: int) -> Any:
        """A customer's message as the platform sends it; the same ``number`` is the same message."""

    @abstractmethod
    async def deliver(self, client: httpx.AsyncClient, payload: Any) -> httpx.Response:
        """Bring an object as the platform does."""

    async def forge(self, client: httpx.AsyncClient, payload: Any) -> httpx.Response | None:
        """Bring it as somebody else would, without the secret; None where there is no secret."""
        return None

    async def bring(self, client: httpx.AsyncClient, raw: bytes) -> httpx.Response:
        """Bring bytes that are no object at all."""
        raise NotImplementedError

    def together(self, payloads: list[Any]) -> Any | None:
        """Several in one delivery; None where the platform brings one at a time."""
        return None

    def inbound(self, payload: Any) -> list[Inbound]:
        """The channel's pure function, for one object."""
        raise NotImplementedError

    def definition(self, payload: Any) -> str:
        """The name of the schema of what the platform sends."""
        raise NotImplementedError

    def answer(self, payload: Any, answer: httpx.Response) -> Call | None:
        """What the connector has answered, where the platform gives that a form; None where it only wants a yes."""
        return None

    def calls(self, message: Outgoing) -> list[Call]:
        """The channel's pure function the other way: the requests of each part."""
        raise NotImplementedError

    def seen(self, calls: list[Call]) -> Seen:
        """What the customer sees of them, with the platform's markup undone."""
        raise NotImplementedError

    def size(self, text: str) -> int:
        """How much of ``limit`` a text takes."""
        return len(text.encode("utf-16-le")) // 2

    def excess(self, call: Call) -> Iterator[str]:
        """What of a request the platform would refuse as too long or too many."""
        yield from ()

    def said(self, server: Any) -> list[str]:
        """What the customer of ``address`` has been sent so far."""
        return []

    def requested(self, server: Any) -> list[Call]:
        """Every request that the platform has had so far."""
        return []

    def faults(self) -> list[Fault]:
        """How the platform can fail when a text is sent."""
        return []

    def refuse_buttons(self, server: Any) -> None:
        """Let the platform refuse the buttons of the next message."""
        raise NotImplementedError

    def cut(self, server: Any, skip: int) -> None:
        """Let the platform fail once, after ``skip`` requests that succeed."""
        raise NotImplementedError

    async def settled(self, server: Any) -> None:
        """Wait until the platform has had what the connector does by itself after the start and a first message."""
        raise NotImplementedError


def channels() -> list[Channel]:
    """All that are described here."""
    package = importlib.import_module("tests.contracts")
    names = [
        item.name for item in pkgutil.iter_modules(package.__path__) if not item.name.startswith(("test_", "conftest"))
    ]
    modules = [importlib.import_module(f"tests.contracts.{name}") for name in names]
    return [module.CHANNEL for module in modules if hasattr(module, "CHANNEL")]


def asked_of(condition: Callable[[Channel], bool]) -> Callable[[_Test], _Test]:
    """Ask a test only of the channels for which something is so."""

    def mark(test: _Test) -> _Test:
        test.asked_of = condition  # type: ignore[attr-defined]
        return test

    return mark


def recorded(channel: Channel) -> list[Recorded]:
    """The objects that are kept for a channel, by name."""
    found = []
    for path in sorted((FIXTURES / channel.name).glob("*.json")):
        data = json.loads(path.read_text(encoding="utf-8"))
        found.append(
            Recorded(
                path.stem,
                data["about"],
                data["payload"],
                data["expected"],
                data.get("whole", False),
                data.get("schema", True),
            )
        )
    return found


def differences(event: Inbound, expected: Mapping[str, Any], channel: str) -> list[str]:
    """In what an event differs from what is expected of it."""
    given = {name: value for name, value in expected.items() if name not in {"address", "attachments", "payload"}}
    wrong = []
    for name in Inbound.__dataclass_fields__.keys() - {"address", "attachments", "payload"}:
        empty: Any = Kind.MESSAGE if name == "kind" else {} if name == "slots" else ""
        if complaint := _differs(getattr(event, name), given.pop(name, empty)):
            wrong.append(f"{name}: {complaint}")
    wrong += [f"{name}: there is no such field" for name in given]
    if event.address != Address(channel, **expected["address"]):
        wrong.append(f"address: {event.address}")
    if _meaning(event.payload) != _meaning(expected.get("payload", "")):
        wrong.append(f"payload: {event.payload!r} instead of {expected.get('payload', '')!r}")
    files = expected.get("attachments", [])
    if files != {"any": True}:
        if len(files) != len(event.attachments):
            wrong.append(f"attachments: {event.attachments}")
        for file, one in zip(event.attachments, files, strict=False):
            wrong += [
                f"attachments: {name}: {complaint}"
                for name in Attachment.__dataclass_fields__
                if (complaint := _differs(getattr(file, name), one[name]))
            ]
    return wrong


def _differs(value: Any, expected: Any) -> str:
    if not isinstance(expected, dict) or not expected.keys() & {"any", "some", "starts", "holds"}:
        return "" if value == expected else f"{value!r} instead of {expected!r}"
    if expected.get("some") and not value:
        return "empty"
    if not str(value).startswith(expected.get("starts", "")):
        return f"{value!r} does not start with {expected['starts']!r}"
    if expected.get("holds", "") not in str(value):
        return f"{value!r} is without {expected['holds']!r}"
    return ""


def _meaning(payload: str) -> tuple[str, Any]:
    """A payload's intent and entities, however its JSON is spaced."""
    intent, brace, rest = payload.partition("{")
    return intent, json.loads(brace + rest) if brace else {}
