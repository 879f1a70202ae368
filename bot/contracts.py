"""Frozen types and protocols that cross a border between packages.

Everything here is plain data: no I/O, no settings, no imports from the rest of the product. A
connector turns a platform's event into an :class:`Inbound`; a recogniser turns its text into a
:class:`Parse`; an action answers with :class:`Reply` values; ``bot.texts`` renders each into an
:class:`Outgoing`, which a connector turns into the platform's payload.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Protocol, TypeAlias, runtime_checkable


class Owner(StrEnum):
    """Who owns a conversation. The bot speaks only while it is :attr:`BOT`."""

    BOT = "bot"
    QUEUE = "queue"
    PERSON = "person"


class Author(StrEnum):
    """Who wrote a message of a conversation."""

    CUSTOMER = "customer"
    BOT = "bot"
    AGENT = "agent"
    SURVEY = "survey"
    NOTICE = "notice"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a conversation takes place on a platform.

    ``chat`` is the platform's id of the chat or channel, ``user`` the platform's id of the person,
    ``thread`` the platform's thread within the chat, empty where there is none. The four together
    identify one conversation.
    """

    channel: str
    chat: str
    user: str
    thread: str = ""

    @property
    def key(self) -> str:
        """One string that is equal exactly when the addresses are."""
        return json.dumps([self.chat, self.user, self.thread], ensure_ascii=False, separators=(",", ":"))


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


@dataclass(frozen=True, slots=True)
class Entity:
    """A value found in a text: ``text[start:end]`` in code points, normalised into ``value``."""

    entity: str
    value: str
    start: int
    end: int
    confidence: float = 1.0
    extractor: str = ""


@dataclass(frozen=True, slots=True)
class LanguageGuess:
    """What the language identifier thinks of one text.

    ``language`` is a configured language or ``""`` when the text says nothing about its language
    (an order number, "ok", an emoji). ``confidence`` is between 0 and 1. ``foreign`` names the
    detected language (ISO 639) when the text is clearly in one that is not configured.
    """

    language: str
    confidence: float
    foreign: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Parse:
    """What a recogniser understood: Rasa's parse shape plus the language.

    ``ranking`` holds ``(intent, confidence)`` pairs, best first, and starts with
    ``(intent, confidence)`` itself. Confidences are calibrated probabilities in [0, 1].
    """

    text: str
    intent: str
    confidence: float
    ranking: tuple[tuple[str, float], ...] = ()
    entities: tuple[Entity, ...] = ()
    language: LanguageGuess = field(default_factory=lambda: LanguageGuess("", 0.0))

    def values(self, entity: str) -> tuple[str, ...]:
        """All values of one entity, in the order of the text."""
        return tuple(item.value for item in self.entities if item.entity == entity)

    def to_rasa(self) -> dict[str, Any]:
        """The JSON that Rasa's ``POST /model/parse`` answers with, plus ``language``."""
        return {
            "text": self.text,
            "intent": {"name": self.intent or None, "confidence": self.confidence},
            "intent_ranking": [{"name": name, "confidence": score} for name, score in self.ranking],
            "entities": [
                {
                    "entity": item.entity,
                    "value": item.value,
                    "start": item.start,
                    "end": item.end,
                    "confidence_entity": item.confidence,
                    "extractor": item.extractor,
                }
                for item in self.entities
            ],
            "language": self.language.language or None,
            "language_confidence": self.language.confidence,
        }


@dataclass(frozen=True, slots=True)
class Money:
    """A sum of money; ``currency`` is ISO 4217."""

    amount: Decimal
    currency: str


@dataclass(frozen=True, slots=True)
class Moment:
    """A time as the customer's own clock shows it: weekday, day and time, the year unless it is this one.

    ``zone`` is the IANA name of the customer's time zone; where it is not known, ``""``, which stands for
    the shop's and has its name shown as well.
    """

    at: datetime
    zone: str = ""


Param: TypeAlias = "str | int | float | Decimal | datetime | date | Moment | Money | TextKey | Sequence[Param]"


@dataclass(frozen=True, slots=True)
class TextKey:
    """A parameter that is itself a text to be rendered, such as an order's status."""

    key: str
    params: Mapping[str, Param] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Button:
    """A choice under a reply. ``title`` is a text key, or literal words (a number, a name)."""

    title: TextKey | str
    payload: str


@dataclass(frozen=True, slots=True)
class Media:
    """A file to send: its path below ``Config.files_dir``, its kind and the name shown."""

    path: str
    name: str
    mime: str = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Reply:
    """What an action answers: a text key with parameters, not words.

    ``buttons`` are choices that stay under the message; ``quick_replies`` are suggestions that a
    platform may show near the keyboard instead. ``text`` carries words that are not ours to
    translate (an agent's message, a knowledge-file answer); then ``key`` is empty. ``asks`` is the
    slot that it asks for, where it does.
    """

    key: str = ""
    params: Mapping[str, Param] = field(default_factory=dict)
    buttons: tuple[Button, ...] = ()
    media: tuple[Media, ...] = ()
    quick_replies: tuple[Button, ...] = ()
    text: str = ""
    asks: str = ""


@dataclass(frozen=True, slots=True)
class OutButton:
    """A rendered button."""

    title: str
    payload: str


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A rendered message, ready for a connector. ``id`` is the outbox row's id, unique for ever.

    ``asks`` names the slot that it asks for, ``""`` if none: a platform with forms may offer one.
    ``reply_to`` is the platform's id of the customer's message that it answers, where it is known.
    """

    id: int
    address: Address
    text: str
    language: str
    author: Author = Author.BOT
    buttons: tuple[OutButton, ...] = ()
    media: tuple[Media, ...] = ()
    quick_replies: tuple[OutButton, ...] = ()
    asks: str = ""
    reply_to: str = ""

    @property
    def choices(self) -> tuple[OutButton, ...]:
        """Buttons and quick replies together, in the order a customer would count them."""
        return self.buttons + self.quick_replies


class LinguadeskError(Exception):
    """Root of this product's exceptions; its text is written for an operator."""


class TemporaryError(LinguadeskError):
    """Sending failed for now; ``retry_after`` is the platform's wish in seconds, if it has one."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ChannelDown(TemporaryError):
    """Nothing can be sent on this channel until the operator has acted (a revoked token).

    The channel rests for ``retry_after`` seconds, and no message uses up a try.
    """


class ChatMoved(TemporaryError):
    """The chat has another id now, ``chat``; the message is sent there at once."""

    def __init__(self, message: str, chat: str) -> None:
        super().__init__(message, 0.0)
        self.chat = chat


class PermanentError(LinguadeskError):
    """Sending will never work (refused, gone); the message goes to the dead letters."""


class Unreachable(PermanentError):
    """The customer has shut the bot out: nothing more is sent until they write again."""


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


class Recognizer(Protocol):
    """Intent and entity recognition."""

    async def parse(self, text: str) -> Parse:
        """Understand one message. Any text is safe; an empty one gives an empty intent."""
        ...


class LanguageIdentifier(Protocol):
    """Which language is a text in."""

    def identify(self, text: str) -> LanguageGuess:
        """Guess from the text alone; the engine weighs it against hints and history."""
        ...


class Translator(Protocol):
    """Translates between the languages of customers and agents. The text is the only thing it is given."""

    name: str

    async def translate(self, text: str, source: str, target: str) -> str:
        """A text in another language. ``source`` and ``target`` are codes as in ``config.yml``.

        Raises :class:`TemporaryError` when it may work later, :class:`PermanentError` when it never will.
        """
        ...

    async def languages(self) -> frozenset[tuple[str, str]]:
        """The pairs (source, target) that it can translate. Raises like :meth:`translate`."""
        ...

    async def close(self) -> None:
        """Close connections."""
        ...


@dataclass(frozen=True, slots=True)
class OrderLine:
    """One position of an order."""

    sku: str
    description: str
    quantity: int
    unit_price: Decimal


@dataclass(frozen=True, slots=True)
class Order:
    """An order as the desk needs it. Times are UTC; ``total`` is in ``currency``."""

    number: str
    status: str
    placed_at: datetime
    currency: str
    total: Decimal
    customer_id: int
    lines: tuple[OrderLine, ...] = ()
    country: str = ""
    email: str = ""
    phone: str = ""
    carrier: str = ""
    tracking_number: str = ""
    expected_on: date | None = None
    delivered_at: datetime | None = None
    cancelled_at: datetime | None = None


class OrderBackend(Protocol):
    """Where orders live. The default is this product's own database."""

    async def find(self, number: str) -> Order | None:
        """The order with this number, compared without case, spaces or hyphens; None if unknown."""
        ...

    async def of_customer(self, customer_id: int, limit: int = 5) -> Sequence[Order]:
        """A customer's orders, newest first."""
        ...

    async def cancel(self, number: str) -> Order:
        """Cancel; raises :class:`LinguadeskError` when the order's state does not allow it."""
        ...
