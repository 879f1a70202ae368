"""A platform, and its sending limits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from bot.contracts.inbound import Attachment, Inbound
from bot.contracts.replies import Outgoing


def _no_group(_chat: str) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Limits:
    """A platform's sending limits as (messages, seconds) pairs; None where it has none.

    ``is_group`` tells from a chat's id whether ``per_group`` applies to it as well.
    """

    per_chat: tuple[int, float] | None = None
    overall: tuple[int, float] | None = None
    per_group: tuple[int, float] | None = None
    is_group: Callable[[str], bool] = _no_group


class Accept(Protocol):
    """Commits events to the inbox; returns only after the commit (invariant 1)."""

    async def __call__(self, events: Sequence[Inbound]) -> Sequence[int | None]:
        """Store the events; the inbox id of each, None for one that was already known."""
        ...


@runtime_checkable
class Connector(Protocol):
    """One platform. Built by the connector package's ``create``; see ``docs/connectors.md``."""

    name: str
    limits: Limits

    async def start(self, accept: Accept) -> None:
        """Begin to receive. Must return once receiving runs; errors raise :class:`LinguadeskError`."""
        ...

    async def stop(self) -> None:
        """Stop receiving and close connections; what was accepted stays accepted."""
        ...

    def parts(self, message: Outgoing) -> int:
        """How many of the platform's messages this one takes, at least 1."""
        ...

    async def send(self, message: Outgoing, part: int = 0) -> str:
        """Deliver one part of a message and return the platform's id of it.

        What one call delivers counts as one against :class:`Limits`, and is not sent again once it
        has returned. Raises :class:`TemporaryError` or :class:`PermanentError`.
        """
        ...

    async def fetch(self, attachment: Attachment) -> bytes:
        """Download a file that came with a message. Raises like :meth:`send`."""
        ...
