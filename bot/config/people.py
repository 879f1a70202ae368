"""The settings of hand-overs and of the people who take them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from bot.config.sections import Section, language_code
from bot.config.tickets import Gravity, TicketKind, WordLists


class Triggers(Section):
    """What hands a conversation over besides the customer's wish and messages that are not understood.

    ``severities``: a ticket as grave as this. ``sensitive_intents``: these, understood with a confidence
    below ``sensitive_below``. ``sentiment_below``: a message this unhappy, between -1 and 1. ``tiers``:
    verified customers of these, at a complaint or at the first message that is not understood.
    ``verification_failures``: so many failed tries in a row; 0: never. ``distress_words``: a cry for help, by
    language, written as those of :class:`bot.config.SeverityRule`.
    """

    severities: tuple[Gravity, ...] = ("critical",)
    sensitive_intents: tuple[str, ...] = ()
    sensitive_below: float = Field(default=0.5, ge=0, le=1)
    sentiment_below: float | None = Field(default=None, ge=-1, le=1)
    tiers: tuple[str, ...] = ()
    verification_failures: int = Field(default=0, ge=0)
    distress_words: WordLists = Field(default_factory=dict)


class HandoffSettings(Section):
    """Hand-overs to people."""

    timeout_minutes: int = Field(default=720, ge=1)
    # Agents' rooms are reminded of a hand-over that nobody has taken after this long, then after twice
    # as long, and so on; 0: never.
    reminder_minutes: int = Field(default=5, ge=0)
    # What nobody of a team has taken after this long goes to the next team; 0: never.
    claim_minutes: int = Field(default=10, ge=0)
    triggers: Triggers = Field(default_factory=Triggers)


class Team(Section):
    """People who take hand-overs and tickets together.

    Empty ``types``, ``languages``, ``tiers`` or ``channels`` mean all. ``members`` and ``lead`` are user
    names of the desk. ``assign``: ``pull``, members take what they want; ``round_robin``, each in turn;
    ``least_busy``, whoever has the least. ``capacity`` is how many conversations one member has at a time.
    ``calendar`` names when the team works, all the time if empty; ``next`` the team that is asked next.
    """

    name: str = Field(min_length=1, max_length=64)
    members: tuple[str, ...] = ()
    lead: str = ""
    types: tuple[TicketKind, ...] = ()
    languages: tuple[str, ...] = ()
    tiers: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    calendar: str = ""
    assign: Literal["pull", "round_robin", "least_busy"] = "pull"
    capacity: int = Field(default=5, ge=1, le=1000)
    next: str = ""

    @field_validator("languages")
    @classmethod
    def _languages(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(language_code, value))

    @field_validator("members")
    @classmethod
    def _members(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(name.strip().casefold() for name in value)

    @field_validator("lead")
    @classmethod
    def _lead(cls, value: str) -> str:
        return value.strip().casefold()
