"""The settings of surveys: ``surveys.yml``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import time
from typing import Literal, TypeAlias

from pydantic import Field, field_validator, model_validator

from bot.config.sections import Section, language_code
from bot.config.tickets import TicketKind

FILE = "surveys.yml"
Kind: TypeAlias = Literal["csat", "nps", "ces"]
Trigger: TypeAlias = Literal[
    "ticket_resolved", "conversation_closed", "bot_closed", "order_delivered", "quarterly", "manual"
]
# The lowest and the highest rating of each kind; ``feedback`` is what customers give unasked.
SCALES: Mapping[str, tuple[int, int]] = {"csat": (1, 5), "nps": (0, 10), "ces": (1, 7), "feedback": (1, 5)}
QUESTIONS: Mapping[str, str] = {
    "csat": "utter_survey_csat",
    "nps": "utter_survey_nps",
    "ces": "utter_survey_ces",
    "feedback": "utter_ask_rating",
}
_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)\s*-\s*([01]\d|2[0-3]):([0-5]\d)")
# The triggers that are about a ticket, and those whose customers a ticket may be known of.
_WITH_TYPES = ("ticket_resolved", "manual")


class Whom(Section):
    """Whom a survey is for. What is empty means all; a customer who is not known has the tier ``""``."""

    channels: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    tiers: tuple[str, ...] = ()
    types: tuple[TicketKind, ...] = ()

    @field_validator("languages")
    @classmethod
    def _languages(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(language_code, value))


class SurveyDefinition(Section):
    """One survey: what is asked, of whom, and when.

    ``delay_minutes`` pass between what triggers it and the question; for ``bot_closed`` it is how long the
    customer has been silent. ``days_after`` is for ``order_delivered``. ``reminder_hours`` after the question
    it is asked once more, 0: never. ``sampling`` is the share of customers who are asked, from 0 to 1.
    ``question`` is a key of ``domain.yml``. A low score is to be followed up within ``follow_up_hours``.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")
    kind: Kind
    trigger: Trigger
    delay_minutes: float = Field(default=0, ge=0, le=60 * 24 * 30)
    days_after: int = Field(default=3, ge=0, le=60)
    expiry_hours: float = Field(default=72, gt=0, le=24 * 90)
    reminder_hours: float = Field(default=0, ge=0)
    sampling: float = Field(default=1, ge=0, le=1)
    audience: Whom = Field(default_factory=Whom)
    question: str = ""
    follow_up_hours: float = Field(default=24, gt=0)

    @model_validator(mode="after")
    def _fits(self) -> SurveyDefinition:
        if self.reminder_hours and self.reminder_hours >= self.expiry_hours:
            raise ValueError("reminder_hours must be less than expiry_hours, or 0 for no reminder")
        if self.audience.types and self.trigger not in _WITH_TYPES:
            raise ValueError(f"audience.types belong to tickets; the trigger {self.trigger} knows none")
        if "days_after" in self.model_fields_set and self.days_after != 3 and self.trigger != "order_delivered":
            raise ValueError("days_after is for the trigger order_delivered; use delay_minutes")
        return self

    @property
    def scale(self) -> tuple[int, int]:
        """The lowest and the highest rating."""
        return SCALES[self.kind]

    @property
    def question_key(self) -> str:
        """The text key of the question."""
        return self.question or QUESTIONS[self.kind]


class LowScores(Section):
    """Up to these scores somebody follows up."""

    csat: int = Field(default=2, ge=0, le=5)
    nps: int = Field(default=6, ge=-1, le=10)
    ces: int = Field(default=3, ge=0, le=7)


def _shipped() -> tuple[SurveyDefinition, ...]:
    return (
        SurveyDefinition(name="after-ticket", kind="csat", trigger="ticket_resolved"),
        SurveyDefinition(name="after-conversation", kind="csat", trigger="conversation_closed"),
    )


class SurveySettings(Section):
    """All of ``surveys.yml``; without the file, CSAT after a ticket and after a person's conversation.

    ``cooldown_days`` lie between two surveys of one customer, of whatever kind. ``quiet_hours`` are in the
    customer's time zone, ``""``: none. Cells of fewer than ``min_cell`` answers are not broken down in reports.
    A rating may be changed for ``change_minutes``. ``quarter_days`` lie between two surveys of the trigger
    ``quarterly``, which are for customers who were heard of in the last ``active_days``.
    """

    cooldown_days: float = Field(default=14, ge=0, le=366)
    quiet_hours: str = "21:00-09:00"
    min_cell: int = Field(default=5, ge=1)
    change_minutes: float = Field(default=60, ge=0)
    quarter_days: int = Field(default=91, ge=7, le=366)
    active_days: int = Field(default=365, ge=1)
    low_scores: LowScores = Field(default_factory=LowScores)
    # So long after the customer's last message a platform takes a question; other channels at any time.
    reach_hours: dict[str, float] = Field(default_factory=lambda: {"whatsapp": 24.0})
    definitions: tuple[SurveyDefinition, ...] = Field(default_factory=_shipped)

    @field_validator("quiet_hours")
    @classmethod
    def _quiet(cls, value: str) -> str:
        if value and not _HOURS.fullmatch(value):
            raise ValueError('write two times such as "21:00-09:00", or "" for none')
        return value

    @model_validator(mode="after")
    def _names(self) -> SurveySettings:
        names = [item.name for item in self.definitions]
        if twice := next((name for name in names if names.count(name) > 1), ""):
            raise ValueError(f"two of `definitions` are called {twice!r}")
        return self

    @property
    def quiet(self) -> tuple[time, time] | None:
        """When quiet begins and ends on the customer's clock; None: never."""
        found = _HOURS.fullmatch(self.quiet_hours)
        if found is None:
            return None
        hour, minute, until, past = map(int, found.groups())
        return time(hour, minute), time(until, past)

    def named(self, name: str) -> SurveyDefinition | None:
        """The definition of a name, None where there is none (any more)."""
        return next((item for item in self.definitions if item.name == name), None)

    def of(self, trigger: Trigger) -> tuple[SurveyDefinition, ...]:
        """The definitions of a trigger, in their order."""
        return tuple(item for item in self.definitions if item.trigger == trigger)

    def is_low(self, kind: str, score: int) -> bool:
        """Whether somebody should follow up on this score; never for ratings given unasked."""
        limits: Mapping[str, int] = {
            "csat": self.low_scores.csat,
            "nps": self.low_scores.nps,
            "ces": self.low_scores.ces,
        }
        return kind in limits and score <= limits[kind]
