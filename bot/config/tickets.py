"""The settings of complaint tickets: severity, codes, calendars and clocks."""

from __future__ import annotations

import re
from collections.abc import Container
from datetime import date, time
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from bot.config.sections import Section, language_code, time_zone

# The types and severities of :mod:`bot.storage.models`, which this module must not import.
TicketKind = Literal[
    "damaged", "wrong_item", "missing_item", "not_delivered", "late", "quality", "service", "billing", "other"
]
Gravity = Literal["low", "normal", "high", "critical"]


def _words(value: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    for code, words in value.items():
        language_code(code)
        if not words or any(not word.strip("* ") for word in words):
            raise ValueError(f"the words of {code!r} are missing, or one of them is empty")
    return value


WordLists = Annotated[dict[str, tuple[str, ...]], AfterValidator(_words)]
"""Words by language; ``*`` at the beginning or end of one stands for any letters."""


class SeverityRule(Section):
    """What raises a ticket's severity to ``raise_to``: all the conditions that are given must hold.

    ``order_amount_at_least`` is in the order's own currency; ``words`` are looked for as whole words, by
    language, and ``*`` at a word's beginning or end stands for any letters. ``sentiment_below`` compares
    with the sentiment of what the customer wrote, between -1 (very unhappy) and 1.
    """

    name: str = Field(default="", max_length=80)
    types: tuple[TicketKind, ...] = ()
    tiers: tuple[str, ...] = ()
    order_amount_at_least: Decimal | None = Field(default=None, gt=0)
    repeat_within_days: int | None = Field(default=None, ge=1, le=3650)
    words: WordLists = Field(default_factory=dict)
    sentiment_below: float | None = Field(default=None, ge=-1, le=1)
    raise_to: Gravity

    @model_validator(mode="after")
    def _has_a_condition(self) -> SeverityRule:
        given = (self.types, self.tiers, self.order_amount_at_least, self.repeat_within_days, self.words)
        if not any(given) and self.sentiment_below is None:
            names = "types, tiers, order_amount_at_least, repeat_within_days, sentiment_below or words"
            raise ValueError(f"a rule without a condition would raise every ticket; give it {names}")
        return self


class TicketSettings(Section):
    """Complaint tickets. ``root_causes`` and ``resolutions`` are the codes that agents choose from."""

    reopen_days: int = Field(default=14, ge=1, le=3650)
    severity_rules: tuple[SeverityRule, ...] = ()
    root_causes: tuple[str, ...] = ()
    resolutions: tuple[str, ...] = ()

    @field_validator("root_causes", "resolutions")
    @classmethod
    def _codes(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for code in value:
            if not code.strip() or len(code) > 80:
                raise ValueError(f"{code!r} must have between 1 and 80 characters")
        if len(set(value)) < len(value):
            raise ValueError("the same words stand here twice")
        return value


Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[str, ...] = get_args(Weekday)
# With more of them a calendar might never be open again.
MAX_YEARLY = 180
_SHIFT = re.compile(r"(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})")


def shift_times(text: str) -> tuple[time, time]:
    """Beginning and end of a shift such as ``09:00-12:30``; an end of ``24:00`` is given as 00:00.

    Raises:
        ValueError: it is no shift, or it ends before it begins.
    """
    found = _SHIFT.fullmatch(text.strip())
    numbers = tuple(map(int, found.groups())) if found else (99, 99, 99, 99)
    first, last = numbers[0] * 60 + numbers[1], numbers[2] * 60 + numbers[3]
    if max(numbers[1], numbers[3]) > 59 or last > 24 * 60 or first >= last:
        raise ValueError(f"{text!r} is not a shift; write one such as 09:00-17:30, which ends on the same day")
    return time(*divmod(first, 60)), time(*divmod(last % (24 * 60), 60))


def _shifts(shifts: tuple[str, ...]) -> tuple[str, ...]:
    ends = 0
    for first, last in map(shift_times, shifts):
        begins = first.hour * 60 + first.minute
        if begins < ends:
            raise ValueError("the shifts of a day must be in order and must not overlap")
        ends = last.hour * 60 + last.minute or 24 * 60
    return shifts


@lru_cache(maxsize=64)
def public_holidays(country: str, subdivision: str = "") -> Container[date]:
    """The public holidays of a country, or of a part of it, in every year.

    Args:
        country: its ISO 3166 code of two letters.
        subdivision: the part's code, such as ``BY`` for Bavaria; empty for the country alone.

    Raises:
        ValueError: nothing is known of such a country, or of such a part of it.
    """
    # Here and not above: it takes a fifth of a second, and most calendars of small shops need none.
    import holidays

    try:
        found: Container[date] = holidays.country_holidays(country, subdiv=subdivision or None)
    except NotImplementedError:
        where = f"the part {subdivision!r} of {country}" if subdivision else f"the country {country!r}"
        raise ValueError(
            f"no public holidays are known of {where}; use an ISO 3166 code such as NL, with a subdivision such as "
            "BY for Bavaria in DE, or list the days under `dates`"
        ) from None
    return found


class Holidays(Section):
    """Days on which nobody works: a country's public holidays, and dates of the merchant's own.

    ``dates`` are ``2026-12-24``, or ``12-24`` for every year.
    """

    country: str = Field(default="", pattern=r"^([A-Z]{2})?$")
    subdivision: str = ""
    dates: tuple[str, ...] = ()

    @field_validator("dates", mode="before")
    @classmethod
    def _written(cls, value: Any) -> Any:
        # Without quotation marks YAML takes 2026-12-24 for a date.
        if not isinstance(value, list | tuple):
            return value
        return [item.isoformat() if isinstance(item, date) else item for item in value]

    @field_validator("country")
    @classmethod
    def _country(cls, value: str) -> str:
        if value:
            public_holidays(value)
        return value

    @field_validator("subdivision")
    @classmethod
    def _subdivision(cls, value: str, info: ValidationInfo) -> str:
        country = info.data.get("country")
        if value and country == "":
            raise ValueError("a subdivision needs its country; add `country`, for example DE")
        if value and country:
            public_holidays(country, value)
        return value

    @field_validator("dates")
    @classmethod
    def _dates(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for day in value:
            try:
                # A leap year, so that 02-29 is a day.
                date.fromisoformat(day if len(day) > 5 else f"2028-{day}")
            except ValueError:
                raise ValueError(f"{day!r} is not a date; write 2026-12-24, or 12-24 for every year") from None
        if sum(len(day) == 5 for day in value) > MAX_YEARLY:
            raise ValueError(f"more than {MAX_YEARLY} days of every year are holidays; set `hours` in another way")
        return value


class CalendarSettings(Section):
    """When people work. ``hours`` maps a weekday, or a range such as ``mon-fri``, to its shifts.

    ``special`` gives the shifts of single dates, none for a closed day. ``timezone`` is the shop's if empty.
    """

    timezone: str = ""
    hours: dict[str, tuple[str, ...]]
    holidays: Holidays = Field(default_factory=Holidays)
    special: dict[date, tuple[str, ...]] = Field(default_factory=dict)

    @field_validator("timezone")
    @classmethod
    def _timezone(cls, value: str) -> str:
        return time_zone(value) if value else value

    @field_validator("hours")
    @classmethod
    def _hours(cls, value: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        seen: set[str] = set()
        for days, shifts in value.items():
            _shifts(shifts)
            named = weekdays(days)
            if seen & set(named):
                raise ValueError(f"a day of {days!r} stands here twice")
            seen |= set(named)
        if not any(value.values()):
            raise ValueError('no hours at all; name at least one shift, for example mon-fri: ["09:00-17:30"]')
        return value

    @field_validator("special")
    @classmethod
    def _special(cls, value: dict[date, tuple[str, ...]]) -> dict[date, tuple[str, ...]]:
        for shifts in value.values():
            _shifts(shifts)
        return value


def weekdays(days: str) -> tuple[str, ...]:
    """The weekdays that ``mon`` or ``mon-fri`` names. Raises ValueError for anything else."""
    first, _, last = days.strip().lower().partition("-")
    if (
        first not in WEEKDAYS
        or (last or first) not in WEEKDAYS
        or WEEKDAYS.index(last or first) < WEEKDAYS.index(first)
    ):
        raise ValueError(f"{days!r} is not a weekday; write one of {', '.join(WEEKDAYS)}, or a range such as mon-fri")
    return WEEKDAYS[WEEKDAYS.index(first) : WEEKDAYS.index(last or first) + 1]


class Target(Section):
    """What is promised: hours to the first answer and to the solution, counted in the calendar's hours.

    A target without severities or tiers is for all of them; the first that fits counts.
    """

    severities: tuple[Gravity, ...] = ()
    tiers: tuple[str, ...] = ()
    calendar: str = ""
    first_response_hours: float | None = Field(default=None, gt=0, le=10_000)
    resolution_hours: float | None = Field(default=None, gt=0, le=10_000)


class ServiceLevels(Section):
    """Clocks of tickets. Shares are of a clock's time: agents are warned at ``warn_at``, a customer is
    told at ``tell_customer_at`` that it takes longer, before the promise is missed."""

    warn_at: float = Field(default=0.8, gt=0, lt=1)
    tell_customer_at: float = Field(default=0.9, gt=0, lt=1)
    targets: tuple[Target, ...] = ()


class TopicSettings(Section):
    """When a rise of a complaint topic is flagged: the last ``days`` against the ``weeks`` before them."""

    days: int = Field(default=7, ge=1, le=90)
    weeks: int = Field(default=8, ge=2, le=104)
    minimum: int = Field(default=5, ge=1)
    significance: float = Field(default=0.01, gt=0, lt=0.5)
