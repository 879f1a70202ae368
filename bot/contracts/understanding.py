"""What is understood of a text, and who understands it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable


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
    ``(intent, confidence)`` itself. Confidences are calibrated probabilities in [0, 1]. ``engine`` names
    the engine that judged the words; it is empty where none was needed (a button, no words).
    """

    text: str
    intent: str
    confidence: float
    ranking: tuple[tuple[str, float], ...] = ()
    entities: tuple[Entity, ...] = ()
    language: LanguageGuess = field(default_factory=lambda: LanguageGuess("", 0.0))
    engine: str = field(default="", compare=False)

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


class Recognizer(Protocol):
    """Intent and entity recognition."""

    async def parse(self, text: str, *, language: str = "", today: date | None = None) -> Parse:
        """Understand one message. Any text is safe; an empty one gives an empty intent.

        Args:
            text: the message.
            language: the one in which the conversation is held, where there is one: it tips the balance
                for words of several languages.
            today: what relative dates refer to; None for the shop's day.
        """
        ...


class Breaker(StrEnum):
    """Whether a server is asked: always, not at all after failures, or by one message that tries it again."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


@dataclass(frozen=True, slots=True)
class ServerUse:
    """How a recogniser fares with the server that it asks, since its start.

    ``stepped_back`` counts the messages that were answered without it, by reason; the reasons are few, fixed
    words, and those that have not happened yet are there with 0.
    """

    breaker: Breaker
    stepped_back: Mapping[str, int]


@runtime_checkable
class AsksServer(Protocol):
    """A recogniser that asks a server and can do without it for a while."""

    def server_use(self) -> ServerUse:
        """How that goes; costs nothing and may be asked at any time."""
        ...


class LanguageIdentifier(Protocol):
    """Which language is a text in."""

    def identify(self, text: str) -> LanguageGuess:
        """Guess from the text alone; the engine weighs it against hints and history."""
        ...
