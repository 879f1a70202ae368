"""What figures are asked of: a period in a time zone, and whose; and how that stands in a URL."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Literal, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

Bucket: TypeAlias = Literal["day", "week", "month"]
BUCKETS: tuple[Bucket, ...] = ("day", "week", "month")
Dimension: TypeAlias = Literal["channel", "language", "agent", "team", "type", "product", "country", "tier"]
DIMENSIONS: tuple[Dimension, ...] = ("channel", "language", "agent", "team", "type", "product", "country", "tier")
PERIODS = (
    "7d", "30d", "90d", "365d",
    "this_month", "last_month", "this_quarter", "last_quarter", "this_year", "last_year",
)  # fmt: skip
DEFAULT_PERIOD = "30d"
# Longer than this nobody compares; and a date that far away is a slip of the pen.
MAX_DAYS = 5 * 366
EARLIEST = date(2000, 1, 1)
MAX_VALUES, MAX_LENGTH = 50, 120
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Filters:
    """Which part of what happened is looked at.

    Args:
        since: the first moment that counts.
        until: the first moment that counts no more.
        zone: the IANA name of the time zone in which days, weeks, months and hours are told.
        channels: names of channels; here and below: none given means all of them.
        languages: codes of languages.
        agents: ids of users of the desk; 0 stands for nobody.
        teams: names of teams; ``""``, here and below, for those without one.
        types: types of tickets.
        products: products, as the tickets name them.
        countries: countries, as the customers' records name them.
        tiers: customers' tiers.

    Raises:
        ValueError: a moment has no time zone, the period ends before it begins, or no such zone is known.
    """

    since: datetime
    until: datetime
    zone: str = "UTC"
    channels: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    agents: tuple[int, ...] = ()
    teams: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    products: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()
    tiers: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.since.tzinfo is None or self.until.tzinfo is None:
            raise ValueError("a period's moments must know their time zone")
        if self.until < self.since:
            raise ValueError("a period cannot end before it begins")
        try:
            ZoneInfo(self.zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"no time zone {self.zone!r} is known") from None

    @property
    def tz(self) -> ZoneInfo:
        """The time zone."""
        return ZoneInfo(self.zone)

    def of(self, by: Dimension) -> tuple[Any, ...]:
        """The values that one dimension is narrowed to; none: all."""
        found: tuple[Any, ...] = getattr(self, _PLURALS[by])
        return found

    @property
    def narrowed(self) -> dict[Dimension, tuple[Any, ...]]:
        """The dimensions that are narrowed, with their values."""
        return {by: self.of(by) for by in DIMENSIONS if self.of(by)}

    def with_(self, **changes: Any) -> Filters:
        """The same with other values in some fields."""
        return replace(self, **changes)

    def narrowed_to(self, by: Dimension, value: Any) -> Filters:
        """The same for one value of a dimension."""
        change: dict[str, Any] = {_PLURALS[by]: (value,)}
        return replace(self, **change)

    def previous(self) -> Filters:
        """The period of the same length before this one.

        Whole calendar months (so quarters and years too) are compared with as many calendar months before
        them; whole days with as many days, whatever the clocks do meanwhile; anything else with as much time.
        """
        first, last = self.since.astimezone(self.tz), self.until.astimezone(self.tz)
        if not (_is_midnight(first, self.tz) and _is_midnight(last, self.tz)) or last <= first:
            return replace(self, since=self.since - (self.until - self.since), until=self.since)
        begin, end = first.date(), last.date()
        if begin.day == end.day == 1:
            months = (end.year - begin.year) * 12 + end.month - begin.month
            before = month_after(begin, -months)
        else:
            before = begin - (end - begin)
        return replace(self, since=midnight(before, self.tz), until=self.since)

    def days(self) -> tuple[date, date]:
        """The first and the last local day of the period."""
        last = max(self.since, self.until - timedelta(microseconds=1))
        return self.since.astimezone(self.tz).date(), last.astimezone(self.tz).date()

    def buckets(self, bucket: Bucket) -> list[tuple[date, datetime, datetime]]:
        """The period in days, weeks (from Monday, as ISO 8601 has them) or months of its zone.

        Returns:
            For each the local day it is named by (its first), and its two moments; the first and the last
            are cut off where the period begins and ends.
        """
        return list(self._buckets(bucket))

    def _buckets(self, bucket: Bucket) -> Iterator[tuple[date, datetime, datetime]]:
        day = bucket_start(self.days()[0], bucket)
        begin = self.since
        while begin < self.until:
            after = day + DAY if bucket == "day" else day + 7 * DAY if bucket == "week" else month_after(day, 1)
            end = min(midnight(after, self.tz), self.until)
            yield day, begin.astimezone(UTC), end.astimezone(UTC)
            day, begin = after, end


_PLURALS: dict[Dimension, str] = {
    "channel": "channels",
    "language": "languages",
    "agent": "agents",
    "team": "teams",
    "type": "types",
    "product": "products",
    "country": "countries",
    "tier": "tiers",
}


def midnight(day: date, tz: ZoneInfo) -> datetime:
    """The moment at which a local day begins, in UTC; where clocks skip midnight, the first there is."""
    return datetime.combine(day, time(), tz).astimezone(UTC)


def _is_midnight(moment: datetime, tz: ZoneInfo) -> bool:
    return moment.astimezone(UTC) == midnight(moment.date(), tz)


def month_after(day: date, months: int) -> date:
    """The first of the month so many months after a day's."""
    count = day.year * 12 + day.month - 1 + months
    return date(count // 12, count % 12 + 1, 1)


def bucket_start(day: date, bucket: Bucket) -> date:
    """The day by which the bucket of a day is named."""
    if bucket == "day":
        return day
    return day - day.weekday() * DAY if bucket == "week" else day.replace(day=1)


def period_days(period: str, today: date) -> tuple[date, date]:
    """The first day of a named period, and the first one after it.

    Raises:
        ValueError: there is no such period.
    """
    if period not in PERIODS:
        raise ValueError(f"no such period: {period!r}")
    if period.endswith("d"):
        return today - (int(period[:-1]) - 1) * DAY, today + DAY
    which, _, unit = period.partition("_")
    length = {"month": 1, "quarter": 3, "year": 12}[unit]
    first = today.replace(day=1, month=(today.month - 1) // length * length + 1)
    if which == "last":
        first = month_after(first, -length)
    return first, month_after(first, length)


def days_between(first: date, last: date, zone: str) -> Filters:
    """The period from the beginning of one local day to the end of another."""
    tz = ZoneInfo(zone)
    return Filters(midnight(first, tz), midnight(last + DAY, tz), zone)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a URL asks for: ``period`` is the named one or ``""``; ``problems`` are keys of messages about
    what could not be used: ``figures.period``, ``figures.dates``, ``figures.zone`` and ``figures.values``."""

    filters: Filters
    period: str
    problems: tuple[str, ...] = ()


def filters_of(params: Iterable[tuple[str, str]], zone: str, now: datetime) -> Asked:
    """Read a URL's parameters: ``from`` and ``to`` (days, both included) or ``period``; ``zone``; and the
    :data:`DIMENSIONS` (``channel``, ``agent``, …), each as often as wanted.

    What cannot be used falls back to :data:`DEFAULT_PERIOD`, the zone given here, and all values.

    Args:
        params: name and value of each, in order.
        zone: the viewer's time zone, for where the URL names none.
        now: the present moment.
    """
    given: dict[str, list[str]] = {}
    for name, value in params:
        given.setdefault(name, []).append(value)
    problems: list[str] = []
    asked_zone = given.get("zone", [""])[-1]
    if asked_zone:
        try:
            zone = ZoneInfo(asked_zone).key
        except (ZoneInfoNotFoundError, ValueError, OSError):
            problems.append("figures.zone")
    today = now.astimezone(ZoneInfo(zone)).date()
    period = given.get("period", [""])[-1]
    found = _days_of(given.get("from", [""])[-1], given.get("to", [""])[-1], today, problems)
    if found is None:
        if period and period not in PERIODS:
            problems.append("figures.period")
        period = period if period in PERIODS else DEFAULT_PERIOD
        first, after = period_days(period, today)
        found = first, after - DAY
    else:
        period = ""
    narrowed: dict[str, Any] = {}
    for by, plural in _PLURALS.items():
        values = list(dict.fromkeys(given.get(by, [])))
        usable: list[Any] = [value for value in values if len(value) <= MAX_LENGTH and "\0" not in value][:MAX_VALUES]
        if by == "agent":
            usable = [int(value) for value in usable if value.isascii() and value.isdecimal() and len(value) < 16]
        if len(usable) < len(values):
            problems.append("figures.values")
        narrowed[plural] = tuple(usable)
    filters = replace(days_between(*found, zone), **narrowed)
    return Asked(filters, period, tuple(dict.fromkeys(problems)))


def _days_of(first: str, last: str, today: date, problems: list[str]) -> tuple[date, date] | None:
    if not first and not last:
        return None
    try:
        end = date.fromisoformat(last) if last else today
        begin = date.fromisoformat(first) if first else end - 29 * DAY
    except ValueError:
        problems.append("figures.dates")
        return None
    if not EARLIEST <= begin <= end <= today + 366 * DAY or (end - begin).days > MAX_DAYS:
        problems.append("figures.dates")
        return None
    return begin, end


def params_of(filters: Filters, period: str = "") -> list[tuple[str, str]]:
    """The URL parameters that :func:`filters_of` reads the same filters from.

    Args:
        filters: a period of whole days.
        period: its name, if the link is to move on with time.
    """
    first, last = filters.days()
    params = [("period", period)] if period else [("from", first.isoformat()), ("to", last.isoformat())]
    params.append(("zone", filters.zone))
    for by, values in filters.narrowed.items():
        params += [(by, str(value)) for value in values]
    return params
