"""Agents' places on a platform."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from bot.contracts.replies import Media, OutButton


@dataclass(frozen=True, slots=True)
class Card:
    """What agents see of a hand-over, in words that are ready to show.

    ``lines`` are labels with values, ``messages`` the last things said, oldest first, ``status`` who
    has it. ``actions`` are buttons whose payload is a :class:`RoomAction`; none once it is over.
    """

    handoff: int
    title: str
    status: str
    lines: tuple[tuple[str, str], ...] = ()
    messages: tuple[str, ...] = ()
    actions: tuple[OutButton, ...] = ()
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Note:
    """Something to show in a room: what was said, or a word to the agents.

    ``only_for`` is the platform's id of the one agent whom it concerns, ``""`` for all; ``alert``
    asks for everybody's attention.
    """

    text: str
    media: tuple[Media, ...] = ()
    only_for: str = ""
    alert: bool = False


@dataclass(frozen=True, slots=True)
class Room:
    """Where a hand-over is shown on a platform: ids as the platform gave them, ``""`` until it has."""

    chat: str
    thread: str = ""
    card: str = ""


class AgentSpace(Protocol):
    """A platform's place for agents: one room a hand-over (a forum topic, a thread).

    Each call makes one message on the platform and raises like :meth:`Connector.send`. A connector
    that has one offers it as its attribute ``agents``; without it, or with None, it has none.
    """

    chat: str

    async def show(self, room: Room, card: Card) -> Room:
        """Bring the card up to date, or open what is missing of the room, one thing a call."""
        ...

    async def note(self, room: Room, note: Note) -> None:
        """Add something below the card."""
        ...

    async def close(self, room: Room, card: Card) -> None:
        """Show the card as it ended, and close the room as the platform can."""
        ...

    async def announce(self, note: Note) -> None:
        """Say something in the agents' chat itself, outside all rooms: words, a picture with them, one message."""
        ...


@dataclass(frozen=True, slots=True)
class RoomView:
    """What an agent's form needs to know of a room: whether the hand-over is still going on, the
    customer's language, the language of the agents' side, and ready-made replies as (name, text)."""

    going_on: bool
    language: str
    desk_language: str
    canned: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Overview:
    """What a customer's home page shows: lines in their language; ``verified`` if orders may be shown."""

    language: str
    verified: bool
    orders: tuple[str, ...] = ()
    tickets: tuple[str, ...] = ()
