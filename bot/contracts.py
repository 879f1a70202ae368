"""Frozen types and protocols that cross a border between packages.

Everything here is plain data: no I/O, no settings, no imports from the rest of the product. A
connector turns a platform's event into an :class:`Inbound`; a recogniser turns its text into a
:class:`Parse`; an action answers with :class:`Reply` values; ``bot.texts`` renders each into an
:class:`Outgoing`, which a connector turns into the platform's payload.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
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


@dataclass(frozen=True, slots=True)
class Inbound:
    """One event from a customer, as the engine sees it.

    ``external_id`` is the platform's own id of the event: together with the channel it is unique,
    so a repeated delivery changes nothing. ``payload`` is what a pressed button carries, in Rasa's
    form ``/intent{"entity": "value"}``; it is empty for typed text. ``locale`` is the language the
    platform says its user prefers (BCP 47), empty where it says nothing.
    """

    external_id: str
    address: Address
    text: str = ""
    payload: str = ""
    attachments: tuple[Attachment, ...] = ()
    locale: str = ""
    name: str = ""

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


Param: TypeAlias = "str | int | float | Decimal | datetime | date | Money | TextKey | Sequence[Param]"


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
    translate (an agent's message, a knowledge-file answer); then ``key`` is empty.
    """

    key: str = ""
    params: Mapping[str, Param] = field(default_factory=dict)
    buttons: tuple[Button, ...] = ()
    media: tuple[Media, ...] = ()
    quick_replies: tuple[Button, ...] = ()
    text: str = ""


@dataclass(frozen=True, slots=True)
class OutButton:
    """A rendered button."""

    title: str
    payload: str


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A rendered message, ready for a connector. ``id`` is the outbox row's id, unique for ever."""

    id: int
    address: Address
    text: str
    language: str
    author: Author = Author.BOT
    buttons: tuple[OutButton, ...] = ()
    media: tuple[Media, ...] = ()
    quick_replies: tuple[OutButton, ...] = ()

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


class PermanentError(LinguadeskError):
    """Sending will never work (blocked, refused, gone); the message goes to the dead letters."""


@dataclass(frozen=True, slots=True)
class Limits:
    """A platform's sending limits as (messages, seconds) pairs; None where it has none."""

    per_chat: tuple[int, float] | None = None
    overall: tuple[int, float] | None = None


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

    async def send(self, message: Outgoing) -> str:
        """Deliver one message and return the platform's id of it.

        Raises :class:`TemporaryError` or :class:`PermanentError`.
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
