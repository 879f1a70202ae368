"""The desk's words, numbers and times in the language of the person who looks at them."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, Literal
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel.dates import (
    format_date,
    format_datetime,
    format_skeleton,
    format_time,
    format_timedelta,
    get_datetime_format,
)
from babel.numbers import format_currency, format_decimal, format_percent

from bot.storage import now
from bot.texts import LOCALES, SOURCE_LANGUAGE, Interface, language_name

NOTHING = "–"


@lru_cache(maxsize=1)
def languages() -> tuple[str, ...]:
    """The languages that the desk itself speaks: those with a ``desk.po``."""
    return tuple(sorted(path.parents[1].name for path in LOCALES.glob("*/LC_MESSAGES/desk.po")))


@lru_cache(maxsize=32)
def interface(language: str) -> Interface:
    """The words of a language, or English where the desk does not speak it."""
    return Interface(language if language in languages() else SOURCE_LANGUAGE)


# A page that lives is drawn again at every change, mostly with the same values, and formatting one takes
# longer than everything else about it.
@lru_cache(maxsize=1024)
def _language_of(code: str, language: str) -> str:
    try:
        return language_name(code, language)
    except (UnknownLocaleError, ValueError):
        return code


@lru_cache(maxsize=16_384)
def _full(value: datetime, zone: ZoneInfo, locale: Locale) -> str:
    return format_datetime(value, "long", tzinfo=zone, locale=locale)


@lru_cache(maxsize=16_384)
def _moment(value: datetime, today: date, zone: ZoneInfo, locale: Locale) -> str:
    local = value.astimezone(zone)
    hour = format_time(local, "short", tzinfo=zone, locale=locale)
    if local.date() == today:
        return hour
    skeleton = "MMMd" if local.year == today.year else "yMMMd"
    day = format_skeleton(skeleton, local, tzinfo=zone, locale=locale)
    pattern = str(get_datetime_format("medium", locale=locale)).replace("'", "")
    return pattern.replace("{0}", hour).replace("{1}", day)


@lru_cache(maxsize=2048)
def _percent(share: float, locale: Locale) -> str:
    return format_percent(share, locale=locale)


class Words:
    """Everything that a page says, in one language; ``clock`` is in the shop's time zone."""

    def __init__(self, language: str, zone: str, clock: Callable[[], datetime] = now) -> None:
        self._interface = interface(language)
        self.language = self._interface.language
        self.locale = self._interface.locale
        self.zone = ZoneInfo(zone)
        self._clock = clock

    def __call__(self, key: str, **params: Any) -> str:
        """The words of a key of ``desk.po``."""
        return self._interface(key, **params)

    def label(self, group: str, value: str) -> str:
        """The words of ``group.value``, or the value itself where there are none, as for a new intent."""
        key = f"{group}.{value}"
        words = self._interface(key)
        return words if words != key else value.replace("_", " ")

    def channel(self, name: str) -> str:
        """A channel's name."""
        key = f"channel.{name}"
        words = self._interface(key)
        return words if words != key else name.capitalize()

    def language_of(self, code: str) -> str:
        """A language's name, or a dash for none."""
        return _language_of(code, self.language) if code else NOTHING

    def moment(self, value: datetime | None) -> str:
        """Day and time; the time alone for today, no year for this year."""
        if value is None:
            return NOTHING
        # To the minute, so that as much as possible is known already.
        return _moment(
            value.replace(second=0, microsecond=0), self._clock().astimezone(self.zone).date(), self.zone, self.locale
        )

    def full(self, value: datetime | None) -> str:
        """Day, time and time zone, for a tooltip."""
        return _full(value.replace(microsecond=0), self.zone, self.locale) if value else NOTHING

    def day(self, value: datetime | None) -> str:
        """The day alone."""
        return format_date(value.astimezone(self.zone), "medium", locale=self.locale) if value else NOTHING

    def waited(self, since: datetime) -> str:
        """How long ago something was: whole minutes, hours or days, at least one minute."""
        minutes = max(1, int((self._clock() - since).total_seconds()) // 60)
        if minutes < 60:
            return self._length(timedelta(minutes=minutes), "minute")
        if minutes < 24 * 60:
            return self._length(timedelta(hours=minutes // 60), "hour")
        return self._length(timedelta(days=minutes // (24 * 60)), "day")

    def _length(self, value: timedelta, unit: Literal["minute", "hour", "day"]) -> str:
        # No value reaches this threshold, so that Babel keeps to the unit.
        return format_timedelta(value, granularity=unit, threshold=1e9, format="short", locale=self.locale)

    def zone_name(self) -> str:
        """The name of the shop's time zone."""
        return self.zone.key

    def number(self, value: float | Decimal) -> str:
        """A number."""
        return str(format_decimal(value, locale=self.locale))

    def percent(self, share: float) -> str:
        """A share in [0, 1] as a percentage without decimals; a dash for NaN."""
        return NOTHING if math.isnan(share) else _percent(share, self.locale)

    def money(self, amount: Decimal, currency: str) -> str:
        """A sum of money."""
        return format_currency(amount, currency, locale=self.locale)

    def size(self, octets: int) -> str:
        """A file's size in the unit that fits."""
        value, unit = float(octets), "B"
        for larger in ("kB", "MB", "GB"):
            if value < 1000:
                break
            value, unit = value / 1000, larger
        return f"{format_decimal(round(value, 1), locale=self.locale)} {unit}"
