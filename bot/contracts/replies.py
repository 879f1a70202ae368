"""What is answered: keys of texts with what stands in them, and the messages that they become."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import TypeAlias

from bot.contracts.people import Address, Author


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
