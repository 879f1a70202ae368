"""The voice of the customer: what complaints are about over time, and which topics rise beyond the usual.

A topic is a value of a :class:`Dimension`, such as the carrier ``PostNL``. Days are those of the shop's
clock. A ticket that was merged into another one tells of the same complaint and is not counted.
"""

from __future__ import annotations

import enum
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import case, func, literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.config import TopicSettings
from bot.services import alerts, events
from bot.storage.models import Ticket, TopicFlag

MIN_CELL = 5
"""What has been counted less often is not broken down any further: it would tell of single people."""
MOST_ROWS = 50
LEAST_BEFORE = 14
"""Days of history without which nobody knows what is usual."""
SEPARATOR = " \u00d7 "
PATH = "/desk/voice"


class Dimension(enum.StrEnum):
    """What complaints are told apart by."""

    TYPE = "type"
    PRODUCT = "product"
    CARRIER = "carrier"
    COUNTRY = "country"
    LANGUAGE = "language"
    TYPE_PRODUCT = "type_product"


class Period(enum.StrEnum):
    """What is looked at: the last days, weeks or months up to now."""

    DAYS_7 = "7"
    DAYS_30 = "30"
    DAYS_90 = "90"
    WEEKS_12 = "12w"
    MONTHS_12 = "12m"


@dataclass(frozen=True, slots=True)
class Span:
    """A period as days: ``starts`` are the first days of its parts, ``end`` is the day after the last one."""

    starts: tuple[date, ...]
    end: date

    @property
    def days(self) -> int:
        """How many days the period has."""
        return (self.end - self.starts[0]).days


@dataclass(frozen=True, slots=True)
class Row:
    """How often there were complaints about a topic.

    ``value`` is the topic, with ``of`` as the type where it is one of type and product; an empty one stands
    for what is not known, None for all the others together. ``before`` is the count of the period before,
    ``series`` the counts of the period's parts; it is empty below :data:`MIN_CELL`.
    """

    value: str | None
    count: int
    before: int
    series: tuple[int, ...] = ()
    of: str = ""

    @property
    def change(self) -> float | None:
        """The change against the period before as a share of it; None where too little was counted to say."""
        return None if min(self.count, self.before) < MIN_CELL else self.count / self.before - 1


@dataclass(frozen=True, slots=True)
class Voice:
    """Complaints of a period by topic, the most frequent first; ``series`` and ``before`` are of all of them."""

    span: Span
    total: int
    before: int
    series: tuple[int, ...]
    rows: tuple[Row, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Rise:
    """More complaints about a topic than usual: so many, where so many were to be expected.

    ``p_value`` is how likely so many are by chance alone.
    """

    dimension: Dimension
    value: str
    observed: int
    expected: float
    p_value: float


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """When a day of the shop begins."""
    return datetime.combine(day, time(0), zone).astimezone(UTC)


def span_of(period: Period, today: date) -> Span:
    """The days of a period that ends with today, in parts: days, weeks (from Monday) or months."""
    end = today + timedelta(days=1)
    if period is Period.MONTHS_12:
        months = [today.year * 12 + today.month - 1 - back for back in range(11, -1, -1)]
        return Span(tuple(date(month // 12, month % 12 + 1, 1) for month in months), end)
    if period is Period.WEEKS_12:
        monday = today - timedelta(days=today.weekday())
        return Span(tuple(monday - timedelta(weeks=back) for back in range(11, -1, -1)), end)
    days = int(period.value)
    step = 1 if days <= 30 else 10
    return Span(tuple(end - timedelta(days=back) for back in range(days, 0, -step)), end)


def _columns(dimension: Dimension) -> tuple[Any, ...]:
    if dimension is Dimension.TYPE_PRODUCT:
        return (Ticket.type, Ticket.product)
    return (getattr(Ticket, dimension.value),)


def _word(value: Any) -> str:
    return value.value if isinstance(value, enum.Enum) else str(value)


async def _counts(
    session: AsyncSession, dimension: Dimension, starts: Sequence[datetime], end: datetime
) -> dict[tuple[str, ...], list[int]]:
    """How many tickets were opened between each start and the next one, by topic."""
    columns = _columns(dimension)
    later = [(Ticket.created_at >= start, literal(place)) for place, start in reversed(list(enumerate(starts)))]
    # In a subquery, so that both databases group by a column and not by an expression with parameters.
    rows = (
        select(case(*later, else_=literal(0)).label("part"), *columns)
        .where(Ticket.created_at >= starts[0], Ticket.created_at < end, Ticket.merged_into_id.is_(None))
        .subquery()
    )
    by = [rows.c[column.key] for column in columns]
    found: dict[tuple[str, ...], list[int]] = defaultdict(lambda: [0] * len(starts))
    for part, *values, count in await session.execute(
        select(rows.c.part, *by, func.count()).group_by(rows.c.part, *by)
    ):
        found[tuple(map(_word, values))][part] += count
    return dict(found)


async def voice(session: AsyncSession, dimension: Dimension, period: Period, today: date, zone: ZoneInfo) -> Voice:
    """What complaints were about in a period, and in the one before it, which has as many days."""
    span = span_of(period, today)
    starts = [midnight(span.starts[0] - timedelta(days=span.days), zone)]
    starts += [midnight(day, zone) for day in span.starts]
    found = await _counts(session, dimension, starts, midnight(span.end, zone))
    sums = [sum(parts) for parts in zip(*found.values(), strict=True)] or [0] * len(starts)
    before, *series = sums
    rows = _paired(found) if dimension is Dimension.TYPE_PRODUCT else _single(found)
    return Voice(span, sum(series), before, tuple(series), tuple(_shortened(rows)))


def _row(value: str | None, parts: Sequence[int], of: str = "") -> Row:
    before, *series = parts
    count = sum(series)
    return Row(value, count, before, tuple(series) if count >= MIN_CELL else (), of)


def _single(found: dict[tuple[str, ...], list[int]]) -> list[Row]:
    return [_row(value, parts) for (value,), parts in found.items() if any(parts[1:])]


def _paired(found: dict[tuple[str, ...], list[int]]) -> list[Row]:
    """Types broken down by product; what was counted too seldom is together in one row of its type."""
    rows: list[Row] = []
    rest: dict[str, list[int]] = {}
    for (kind, product), parts in found.items():
        if sum(parts[1:]) >= MIN_CELL:
            rows.append(_row(product, parts, kind))
        else:
            rest[kind] = [one + other for one, other in zip(parts, rest.get(kind, [0] * len(parts)), strict=True)]
    return rows + [_row(None, parts, kind) for kind, parts in rest.items() if any(parts[1:])]


def _shortened(rows: Iterable[Row]) -> list[Row]:
    """The most frequent ones, and the others in one row; what is not known comes last."""
    ordered = sorted(rows, key=lambda row: (row.value == "", -row.count, row.of, row.value or "\uffff"))
    if len(ordered) <= MOST_ROWS:
        return ordered
    kept, others = ordered[: MOST_ROWS - 1], ordered[MOST_ROWS - 1 :]
    return [*kept, Row(None, sum(row.count for row in others), sum(row.before for row in others))]


def upper_tail(count: int, trials: int, share: float) -> float:
    """The chance of at least ``count`` successes in so many trials, each with the chance ``share``.

    Args:
        count: 0 to ``trials``.
        trials: at least 0.
        share: between 0 and 1, both excluded.
    """
    # Exactly summed, outwards from the term nearest to the middle. SciPy would do; loading it costs the
    # server three seconds and 30 MB.
    if count <= 0:
        return 1.0
    odds = share / (1 - share)
    above = count > trials * share
    place = count if above else count - 1
    term = math.exp(
        math.lgamma(trials + 1)
        - math.lgamma(place + 1)
        - math.lgamma(trials - place + 1)
        + place * math.log(share)
        + (trials - place) * math.log1p(-share)
    )
    total = 0.0
    while 0 <= place <= trials and term > total * 1e-17:
        total += term
        if above:
            term *= (trials - place) / (place + 1) * odds
            place += 1
        else:
            term *= place / (trials - place + 1) / odds
            place -= 1
    return min(1.0, total) if above else max(0.0, 1.0 - total)


def found_at(p_values: Sequence[float], level: float) -> list[bool]:
    """Which of several tests found something, with at most a share of ``level`` of them wrongly, on average.

    The procedure of Benjamini and Hochberg (1995).
    """
    ordered = sorted(range(len(p_values)), key=p_values.__getitem__)
    below = [rank for rank, place in enumerate(ordered, 1) if p_values[place] <= level * rank / len(p_values)]
    found = set(ordered[: max(below, default=0)])
    return [place in found for place in range(len(p_values))]


async def _history(session: AsyncSession, begin: date, recent: date, zone: ZoneInfo) -> date:
    """From when on there were complaints to compare with: a shop that is younger than the weeks has fewer."""
    first = await session.scalar(select(func.min(Ticket.created_at)))
    return min(max(begin, first.astimezone(zone).date()), recent) if first is not None else recent


async def rises(session: AsyncSession, settings: TopicSettings, today: date, zone: ZoneInfo) -> list[Rise]:
    """The topics with more complaints in the last days than in the weeks before, beyond chance.

    Today is not over and does not count. Each topic's two counts are compared as those of two Poisson
    processes by the exact conditional test of Przyborowski and Wilenski (1940), one-sided: if nothing has
    changed, the recent count is a binomial one out of both together, with the recent days' share of all days.
    As many topics are looked at, :func:`found_at` keeps the share of false alarms below
    ``settings.significance``. A topic that could not reach ``settings.minimum`` even if all its complaints
    were recent is not looked at; given the sum of both counts, that favours neither of them.
    """
    recent = today - timedelta(days=settings.days)
    begin = await _history(session, recent - timedelta(weeks=settings.weeks), recent, zone)
    days = (recent - begin).days
    if days < max(LEAST_BEFORE, settings.days):
        return []
    starts, end = [midnight(begin, zone), midnight(recent, zone)], midnight(today, zone)
    share = settings.days / (settings.days + days)
    tested = []
    for dimension in Dimension:
        for values, (before, now_) in (await _counts(session, dimension, starts, end)).items():
            if all(values) and before + now_ >= settings.minimum:
                p_value = upper_tail(now_, before + now_, share)
                expected = before * settings.days / days
                tested.append(Rise(dimension, SEPARATOR.join(values), now_, expected, p_value))
    found = found_at([item.p_value for item in tested], settings.significance)
    risen = [item for item, yes in zip(tested, found, strict=True) if yes and item.observed >= settings.minimum]
    return sorted(risen, key=lambda item: (item.p_value, item.dimension, item.value))


async def flag(session: AsyncSession, settings: TopicSettings, today: date, zone: ZoneInfo) -> list[TopicFlag]:
    """Look for rises, record them and tell managers of new ones; these are returned.

    A topic is told of once, until it has not risen for as many days as are compared.
    """
    calm = today - timedelta(days=settings.days)
    going_on = await session.scalars(select(TopicFlag).where(TopicFlag.last_day >= calm).order_by(TopicFlag.id))
    known = {(row.dimension, row.value): row for row in going_on}
    fresh = []
    for rise in await rises(session, settings, today, zone):
        row = known.get((rise.dimension, rise.value[:120]))
        if row is None:
            row = TopicFlag(dimension=rise.dimension.value, value=rise.value[:120], day=today)
            session.add(row)
            fresh.append(row)
        row.last_day, row.observed, row.expected, row.p_value = today, rise.observed, rise.expected, rise.p_value
    if fresh:
        await session.flush()
        await alerts.tell(session, await alerts.managers(session), "alert.topics", {"count": len(fresh)}, PATH)
    for row in fresh:
        facts = {"observed": row.observed, "expected": round(row.expected, 2), "p_value": row.p_value}
        events.emit(session, "topic.risen", dimension=row.dimension, value=row.value, day=today.isoformat(), **facts)
    return fresh


async def flags(session: AsyncSession, since: date, limit: int = MOST_ROWS) -> Sequence[TopicFlag]:
    """Rises that were seen on that day or later, those that are seen last first."""
    query = select(TopicFlag).where(TopicFlag.last_day >= since)
    rows = await session.scalars(query.order_by(TopicFlag.last_day.desc(), TopicFlag.p_value).limit(limit))
    return rows.all()
