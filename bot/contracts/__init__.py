"""Frozen types and protocols that cross a border between packages.

Everything here is plain data: no I/O, no settings, no imports from the rest of the product. A
connector turns a platform's event into an :class:`Inbound`; a recogniser turns its text into a
:class:`Parse`; an action answers with :class:`Reply` values; ``bot.texts`` renders each into an
:class:`Outgoing`, which a connector turns into the platform's payload.
"""

from __future__ import annotations

from bot.contracts.connectors import Accept, Connector, Limits
from bot.contracts.errors import ChannelDown, ChatMoved, LinguadeskError, PermanentError, TemporaryError, Unreachable
from bot.contracts.inbound import Attachment, Inbound, Kind, RoomAction
from bot.contracts.orders import Order, OrderBackend, OrderLine
from bot.contracts.people import Address, Author, Owner
from bot.contracts.replies import Button, Media, Moment, Money, OutButton, Outgoing, Param, Reply, TextKey
from bot.contracts.rooms import AgentSpace, Card, Note, Overview, Room, RoomView
from bot.contracts.translation import Translator
from bot.contracts.understanding import (
    AsksServer,
    Breaker,
    Entity,
    LanguageGuess,
    LanguageIdentifier,
    Parse,
    Recognizer,
    ServerUse,
)

__all__ = [
    "Accept",
    "Address",
    "AgentSpace",
    "AsksServer",
    "Attachment",
    "Author",
    "Breaker",
    "Button",
    "Card",
    "ChannelDown",
    "ChatMoved",
    "Connector",
    "Entity",
    "Inbound",
    "Kind",
    "LanguageGuess",
    "LanguageIdentifier",
    "Limits",
    "LinguadeskError",
    "Media",
    "Moment",
    "Money",
    "Note",
    "Order",
    "OrderBackend",
    "OrderLine",
    "OutButton",
    "Outgoing",
    "Overview",
    "Owner",
    "Param",
    "Parse",
    "PermanentError",
    "Recognizer",
    "Reply",
    "Room",
    "RoomAction",
    "RoomView",
    "ServerUse",
    "TemporaryError",
    "TextKey",
    "Translator",
    "Unreachable",
]
