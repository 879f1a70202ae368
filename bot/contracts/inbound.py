"""What comes from a platform."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from bot.contracts.people import Address


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that came with a message, not yet downloaded.

    ``ref`` is what the connector needs to fetch it (a file id, a private URL, or the name of a file
    already stored under the data folder); ``size`` is in bytes, 0 where the platform does not say.
    """

    kind: str
    ref: str
    name: str = ""
    mime: str = "application/octet-stream"
    size: int = 0


class Kind(StrEnum):
    """What an event is. Only a :attr:`MESSAGE` is recognised and answered."""

    MESSAGE = "message"
    # The text of the message ``message_id`` is now ``text``.
    EDIT = "edit"
    # The customer took the message ``message_id`` back.
    DELETION = "deletion"
    # The customer put ``text``, emoji, on the message ``message_id``; empty text takes them off.
    REACTION = "reaction"
    # The customer shut the bot out, or let it in again.
    BLOCKED = "blocked"
    UNBLOCKED = "unblocked"
    # The bot was added to a group.
    JOINED = "joined"
    # The chat's id is now ``text``.
    MOVED = "moved"
    # An agent acts in a room (see AgentSpace): ``payload`` is a :class:`RoomAction`, ``text`` the words.
    AGENT = "agent"


class RoomAction(StrEnum):
    """What an agent can do from a room on a platform."""

    CLAIM = "claim"
    REPLY = "reply"
    RESOLVE = "resolve"
    BACK = "back"


@dataclass(frozen=True, slots=True)
class Inbound:
    """One event from a customer, as the engine sees it.

    ``external_id`` is the platform's own id of the event: together with the channel it is unique,
    so a repeated delivery changes nothing. ``payload`` is what a pressed button carries, in Rasa's
    form ``/intent{"entity": "value"}``; it is empty for typed text. ``locale`` is the language the
    platform says its user prefers (BCP 47), empty where it says nothing.

    ``message_id`` is the platform's id of the message within its chat, by which an edit or a
    reaction names it. Events with the same ``group`` (an album) are one message. ``slots`` are
    fields of a form that was filled in, taken as they are by the action that ``payload`` names.
    ``shown`` is what the transcript shows where that is not the text (a location, a sticker).
    """

    external_id: str
    address: Address
    text: str = ""
    payload: str = ""
    attachments: tuple[Attachment, ...] = ()
    locale: str = ""
    name: str = ""
    kind: Kind = Kind.MESSAGE
    message_id: str = ""
    group: str = ""
    slots: Mapping[str, str] = field(default_factory=dict)
    shown: str = ""

    def to_json(self) -> dict[str, Any]:
        """The event as JSON-ready data; :meth:`from_json` reverses it."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Inbound:
        """Read what :meth:`to_json` wrote."""
        return cls(
            external_id=data["external_id"],
            address=Address(**data["address"]),
            text=data["text"],
            payload=data["payload"],
            attachments=tuple(Attachment(**item) for item in data["attachments"]),
            locale=data["locale"],
            name=data["name"],
            kind=Kind(data.get("kind", Kind.MESSAGE)),
            message_id=data.get("message_id", ""),
            group=data.get("group", ""),
            slots=data.get("slots", {}),
            shown=data.get("shown", ""),
        )
