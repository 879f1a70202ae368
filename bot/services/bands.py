"""Whether a figure has left its usual band: each day against the same weekday of the eight weeks before it.

Shares (CSAT, response rate, messages not understood) are judged as on a p-chart with limits at three sigma
(Montgomery, "Introduction to Statistical Quality Control", 7th edition, chapter 7), where the days scatter
more than chance makes them with Laney's wider limits ("Improved control charts for attributes", Quality
Engineering 14, 2002); and because three sigma mean little where few are counted, what is outside must be as
unlikely under the exact (beta-binomial) prediction. Counts and times are judged as on a chart for
individuals, by their root and their logarithm; with so few weeks the limits are those of a prediction
interval by Student's t with the same error rate (Montgomery, chapter 6; Hahn and Meeker, "Statistical
Intervals", 1991).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from urllib.parse import urlencode

from sqlalchemy.ext.asyncio import AsyncSession

from bot.config import Settings
from bot.services import alerts
from bot.storage import figures
from bot.storage.figures import days_between, params_of

WEEKS = 8
# Of fewer weeks with something in them nothing is usual yet.
LEAST_WEEKS = 4
# Of fewer cases a day's share says nothing, and a history of fewer no limit.
LEAST_CASES, LEAST_HISTORY = 10, 30
SIGMA = 3.0
# One-sided, what three sigma of a normal distribution leave out.
TAIL = 0.00135
# Student's t at that tail, by degrees of freedom.
STUDENT = {3: 9.2187, 4: 6.6201, 5: 5.5068, 6: 4.9040, 7: 4.5299}
DAY = timedelta(days=1)
# So many days after it a figure is complete: surveys are answered for three days.
COMPLETE = {"csat": 4, "response": 4, "first_response": 2, "fallback": 1, "volume": 1}


@dataclass(frozen=True, slots=True)
class Outside:
    """A value outside its usual band."""

    value: float
    low: float
    high: float

    @property
    def above(self) -> bool:
        """On which side."""
        return self.value > self.high


@dataclass(frozen=True, slots=True)
class Excursion:
    """A figure that has left its band on a day: ``name`` as in :data:`COMPLETE`; ``of`` is a language or ``""``."""

    name: str
    of: str
    day: date
    outside: Outside


def share_outside(hits: int, n: int, history: Sequence[tuple[int, int]]) -> Outside | None:
    """A day's share outside the band that the days before it make; None inside, or where nothing can be said.

    Args:
        hits: how many.
        n: of how many.
        history: the same of each day before.
    """
    known = [(some, many) for some, many in history if many]
    total = sum(many for _, many in known)
    if n < LEAST_CASES or total < LEAST_HISTORY or len(known) < LEAST_WEEKS:
        return None
    found = sum(some for some, _ in known)
    # Never quite 0 or 1, which no finite history proves.
    usual = (found + 0.5) / (total + 1)
    spread = usual * (1 - usual)
    scores = [(some / many - usual) / math.sqrt(spread / many) for some, many in known]
    wider = max(1.0, math.sqrt(sum(score * score for score in scores) / (len(scores) - 1)))
    width = SIGMA * wider * math.sqrt(spread * (1 / n + 1 / total))
    value, low, high = hits / n, max(0.0, usual - width), min(1.0, usual + width)
    if low <= value <= high or _tail(hits, n, found, total) >= TAIL:
        return None
    return Outside(value, low, high)


def _tail(hits: int, n: int, found: int, total: int) -> float:
    """How likely it is to see so many or more, or so few or fewer, whichever is less likely.

    The prediction is beta-binomial: binomial, with what the history leaves unknown of the share (Jeffreys's
    prior).
    """
    a, b = found + 0.5, total - found + 0.5

    def chance(k: int) -> float:
        choose = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
        return math.exp(choose + _beta(k + a, n - k + b) - _beta(a, b))

    return min(sum(chance(k) for k in range(hits, n + 1)), sum(chance(k) for k in range(hits + 1)))


def _beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def count_outside(value: float, history: Sequence[float]) -> Outside | None:
    """A day's count outside the band that the days before it make; None inside, or of too few days.

    It is judged by its root (Anscombe, Biometrika 35, 1948), by which counts that scatter as little as chance
    lets them have a standard deviation of 1; never by less.
    """
    return _outside_of(value, history, lambda x: 2 * math.sqrt(x + 3 / 8), lambda y: (y / 2) ** 2 - 3 / 8, 1.0)


def time_outside(value: float, history: Sequence[float]) -> Outside | None:
    """The same for a time in seconds, by its logarithm; differences of a few per cent are none."""
    return _outside_of(value, history, math.log1p, math.expm1, 0.02)


def _outside_of(
    value: float,
    history: Sequence[float],
    forth: Callable[[float], float],
    back: Callable[[float], float],
    least: float,
) -> Outside | None:
    """Outside the prediction interval of one more value, on a scale where values scatter evenly."""
    k = len(history)
    if k < LEAST_WEEKS:
        return None
    scaled = [forth(item) for item in history]
    mean = sum(scaled) / k
    scatter = max(math.sqrt(sum((item - mean) ** 2 for item in scaled) / (k - 1)), least)
    width = STUDENT[min(k - 1, max(STUDENT))] * scatter * math.sqrt(1 + 1 / k)
    low, high = back(max(forth(0.0), mean - width)), back(mean + width)
    return None if low <= value <= high else Outside(value, low, high)


def weekdays_before(day: date) -> list[date]:
    """The same weekday in the eight weeks before, the oldest first."""
    return [day - 7 * week * DAY for week in range(WEEKS, 0, -1)]


async def _scores(session: AsyncSession, day: date, zone: str) -> Mapping[str, Outside | None]:
    """CSAT and the response rate of a day."""
    f = days_between(day - 7 * WEEKS * DAY, day, zone)
    by_day = {point.start: point.score for point in await figures.trend(session, "csat", f, "day")}

    def good(one: date) -> tuple[int, int]:
        score = by_day[one]
        return sum(count for rating, count in score.distribution.items() if rating >= 4), score.n

    def answered(one: date) -> tuple[int, int]:
        return by_day[one].n, by_day[one].delivered

    days = weekdays_before(day)
    return {
        "csat": share_outside(*good(day), [good(one) for one in days]),
        "response": share_outside(*answered(day), [answered(one) for one in days]),
    }


async def _work(session: AsyncSession, day: date, zone: str) -> Mapping[str, Outside | None]:
    """The number of conversations of a day, and how long the first answer took."""
    f = days_between(day - 7 * WEEKS * DAY, day, zone)
    by_day = {point.start: point.figures for point in await figures.operations_trend(session, f, "day")}
    days = weekdays_before(day)
    # A shop that opened within the eight weeks has no usual number before that.
    began = min((one for one, work in by_day.items() if work.volume.conversations), default=day)
    counts = [float(by_day[one].volume.conversations) for one in days if one >= began]
    waits = [found for one in days if (found := by_day[one].first_response.median) is not None]
    wait = by_day[day].first_response.median
    return {
        "volume": count_outside(by_day[day].volume.conversations, counts),
        "first_response": time_outside(wait, waits) if wait is not None else None,
    }


async def _reading(session: AsyncSession, day: date, zone: str) -> Mapping[str, Outside | None]:
    """The share of messages that were not understood, by language."""
    found: dict[str, list[tuple[int, int]]] = {}
    for one in weekdays_before(day):
        for item in await figures.understanding(session, days_between(one, one, zone)):
            found.setdefault(item.language, []).append((item.fallbacks, item.messages))
    return {
        item.language: share_outside(item.fallbacks, item.messages, found.get(item.language, []))
        for item in await figures.understanding(session, days_between(day, day, zone))
        if item.language
    }


async def _outside(session: AsyncSession, name: str, day: date, zone: str) -> Mapping[str, Outside]:
    """What one figure has outside its band on a day, by language where it is told by language."""
    found: Mapping[str, Outside | None]
    if name == "fallback":
        found = await _reading(session, day, zone)
    else:
        every = await (_scores if name in ("csat", "response") else _work)(session, day, zone)
        found = {"": every[name]}
    return {of: outside for of, outside in found.items() if outside is not None}


async def excursions(session: AsyncSession, today: date, zone: str) -> list[Excursion]:
    """The figures that have just left their band: outside on the last day that is complete, and not the day before.

    Args:
        session: a transaction.
        today: the present local day.
        zone: the time zone in which days are told.
    """
    found = []
    for name, days in COMPLETE.items():
        day = today - days * DAY
        outside = await _outside(session, name, day, zone)
        before = await _outside(session, name, day - DAY, zone) if outside else {}
        for of, one in outside.items():
            same = before.get(of)
            if same is None or same.above != one.above:
                found.append(Excursion(name, of, day, one))
    return found


async def tell(session: AsyncSession, found: Sequence[Excursion], settings: Settings) -> None:
    """Tell the managers of figures that have just left their band."""
    zone = settings.shop.timezone
    who = await alerts.managers(session)
    for item in found:
        params = {"day": item.day.isoformat(), "of": item.of} | _numbers(item)
        path = f"/desk/dashboard?{urlencode(params_of(days_between(item.day, item.day, zone)))}"
        await alerts.tell(session, who, f"alert.band.{item.name}", params, path)


def _numbers(item: Excursion) -> dict[str, str]:
    """The value and its band as they are shown: percent, conversations, or minutes."""
    scale = {"volume": 1.0, "first_response": 1 / 60}.get(item.name, 100.0)
    values = {"value": item.outside.value, "low": item.outside.low, "high": item.outside.high}
    return {name: f"{value * scale:.0f}" for name, value in values.items()}
