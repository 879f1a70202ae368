"""Business hours: when a calendar is open, and how much of its time passes between two moments.

A calendar is open whenever the clock on the wall, in its time zone, shows a time in one of the day's
shifts. When clocks are put forward the hour that is left out is not there to be worked in; when they are
put back, a time that the clock shows twice is open twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import TypeAlias
from zoneinfo import ZoneInfo

from bot.config import CalendarSettings, Settings, shift_times
from bot.config.tickets import WEEKDAYS, public_holidays, weekdays

DAY = timedelta(days=1)
# Further ahead nothing is promised: a calendar with a minute a year would never come to an end.
HORIZON = timedelta(days=50 * 366)
# Days that a calendar keeps in mind.
MAX_KNOWN = 2000

Span: TypeAlias = tuple[datetime, datetime]
_Shift: TypeAlias = tuple[timedelta, timedelta]


def _shifts(texts: tuple[str, ...]) -> tuple[_Shift, ...]:
    """Shifts as distances from midnight."""
    found = []
    for first, last in map(shift_times, texts):
        begin, end = (timedelta(hours=moment.hour, minutes=moment.minute) for moment in (first, last))
        found.append((begin, end or DAY))
    return tuple(found)


class Calendar:
    """When people work.

    Moments that are given must know their time zone; those that are returned are in UTC.

    Args:
        settings: hours, holidays and special days; None: always open.
        zone: the time zone, where the settings name none.
    """

    def __init__(self, settings: CalendarSettings | None, zone: str) -> None:
        self.always = settings is None
        self.zone = ZoneInfo((settings.timezone if settings else "") or zone)
        self._week: dict[int, tuple[_Shift, ...]] = {}
        self._special: dict[date, tuple[_Shift, ...]] = {}
        self._closed: frozenset[str] = frozenset()
        self._country, self._subdivision = "", ""
        self._known: dict[date, tuple[Span, ...]] = {}
        if settings is not None:
            for days, shifts in settings.hours.items():
                self._week |= {WEEKDAYS.index(day): _shifts(shifts) for day in weekdays(days)}
            self._special = {day: _shifts(shifts) for day, shifts in settings.special.items()}
            holidays = settings.holidays
            self._closed = frozenset(holidays.dates)
            self._country, self._subdivision = holidays.country, holidays.subdivision

    def is_open(self, moment: datetime) -> bool:
        """Whether people work at this moment."""
        return self.always or any(begin <= moment < end for begin, end in self._open(moment.astimezone(UTC).date()))

    def next_opening(self, moment: datetime) -> datetime | None:
        """The moment itself while it is open, else when it opens next; None if not within fifty years."""
        if self.always:
            return moment.astimezone(UTC)
        return next((begin for begin, _ in self._from(moment)), None)

    def add(self, moment: datetime, seconds: float) -> datetime:
        """The first moment at which so many seconds of business time have passed.

        Nothing is further away than fifty years.
        """
        moment, left = moment.astimezone(UTC), timedelta(seconds=seconds)
        if self.always or left <= timedelta():
            return moment + max(left, timedelta())
        for begin, end in self._from(moment):
            if left <= end - begin:
                return begin + left
            left -= end - begin
        return moment + HORIZON

    def between(self, first: datetime, last: datetime) -> int:
        """Whole seconds of business time from ``first`` to ``last``; 0 if that is earlier."""
        if self.always:
            return max(0, int((last - first).total_seconds()))
        passed = timedelta()
        for begin, end in self._from(first):
            if begin >= last:
                break
            passed += min(end, last) - begin
        return int(passed.total_seconds())

    def _from(self, moment: datetime) -> Iterator[Span]:
        """The spans that are open from a moment on, in order."""
        moment = moment.astimezone(UTC)
        day, last = moment.date(), (moment + HORIZON).date()
        while day < last:
            for begin, end in self._open(day):
                if end > moment:
                    yield max(begin, moment), end
            day += DAY

    def _open(self, day: date) -> tuple[Span, ...]:
        """The spans of one day of UTC that are open, in order."""
        known = self._known.get(day)
        if known is None:
            if len(self._known) >= MAX_KNOWN:
                self._known.clear()
            known = self._known[day] = tuple(sorted(self._found(day)))
        return known

    def _found(self, day: date) -> Iterator[Span]:
        for begin, end, offset in _even(self.zone, day):
            # The clock on the wall shows these times, without a break, from ``begin`` to ``end``.
            shown, until = (moment.replace(tzinfo=None) + offset for moment in (begin, end))
            local = shown.date()
            while datetime.combine(local, time()) < until:
                midnight = datetime.combine(local, time())
                for first, last in self._of(local):
                    opens, closes = max(midnight + first, shown), min(midnight + last, until)
                    if opens < closes:
                        yield (opens - offset).replace(tzinfo=UTC), (closes - offset).replace(tzinfo=UTC)
                local += DAY

    def _of(self, day: date) -> tuple[_Shift, ...]:
        """The shifts of a day: a special day's before anything else, none on a holiday, else its weekday's."""
        if day in self._special:
            return self._special[day]
        if not self._closed.isdisjoint((day.isoformat(), day.strftime("%m-%d"))) or self._is_public_holiday(day):
            return ()
        return self._week.get(day.weekday(), ())

    def _is_public_holiday(self, day: date) -> bool:
        return bool(self._country) and day in public_holidays(self._country, self._subdivision)


@lru_cache(maxsize=4096)
def _even(zone: ZoneInfo, day: date) -> tuple[tuple[datetime, datetime, timedelta], ...]:
    """A day of UTC in parts in which the zone's clocks run evenly, each with their distance from UTC."""
    begin = datetime.combine(day, time(), UTC)
    end = begin + DAY
    first, last = _offset(zone, begin), _offset(zone, end - timedelta(seconds=1))
    if first == last:
        return ((begin, end, first),)
    before, after = begin, end
    while after - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=int((after - before).total_seconds()) // 2)
        before, after = (middle, after) if _offset(zone, middle) == first else (before, middle)
    return (begin, after, first), (after, end, last)


def _offset(zone: ZoneInfo, moment: datetime) -> timedelta:
    return moment.astimezone(zone).utcoffset() or timedelta()


@lru_cache(maxsize=64)
def _built(settings: str, zone: str) -> Calendar:
    return Calendar(CalendarSettings.model_validate_json(settings) if settings else None, zone)


def calendar_of(settings: Settings, name: str) -> Calendar:
    """A calendar of the settings by its name; always open for no name, or one that is not there any more."""
    found = settings.calendars.get(name) if name else None
    return _built(found.model_dump_json() if found is not None else "", settings.shop.timezone)
