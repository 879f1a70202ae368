"""What changed most between two periods: every change measured in its own standard errors.

Shares are compared by the two-proportion z-test with pooled variance (Fleiss, Levin and Paik, "Statistical
Methods for Rates and Proportions", 3rd edition, 2003, chapter 3); CES and NPS, whose answers are taken as
-1, 0 and 1, by the statistic of Welch's test (Welch, Biometrika 34, 1947); counts by the difference of two
Poisson counts over the root of their sum (Przyborowski and Wilenski, Biometrika 31, 1940, in its normal
approximation); times by the difference of the logarithms of their medians over its standard error, that of a
median being estimated by the width of its distribution-free interval (McKean and Schrader, Communications in
Statistics: Simulation and Computation 13, 1984). With dozens of figures some pass 1.96 by chance alone: it is a
ranking and no proof, and what does not even pass that is marked.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from sqlalchemy.ext.asyncio import AsyncSession

from bot.storage import figures
from bot.storage.figures import Dimension, Duration, Filters, Score

# Of fewer the normal approximation says nothing.
LEAST = 10
SURE = 1.96
MOST = 3
BY: tuple[Dimension, ...] = ("channel", "language", "team")
Form: TypeAlias = Literal["share", "points", "mean", "count", "time"]
TIMES = ("first_response", "resolution", "queue_wait")
# A median is not known better than to a hundredth: times are measured in whole seconds.
FINEST = 0.01


@dataclass(frozen=True, slots=True)
class Change:
    """A figure now and before; ``z`` is the difference in standard errors, positive where it rose.

    ``name`` is ``csat``, ``nps``, ``ces``, ``response``, ``fallback``, ``promise``, ``escalated``, one of
    :data:`TIMES` (in seconds), or a count: ``volume``, ``messages``, ``handoffs``, ``tickets`` or ``low_scores``;
    ``by`` and ``value`` say of what part, ``""`` for the whole.
    """

    name: str
    form: Form
    before: float
    after: float
    z: float
    by: str = ""
    value: str = ""

    @property
    def clear(self) -> bool:
        """Whether it is more than chance would often make."""
        return abs(self.z) >= SURE


def of_shares(hits: int, n: int, hits_before: int, n_before: int) -> float:
    """How many standard errors two shares are apart; 0 where nothing can be said."""
    if min(n, n_before) < LEAST:
        return 0.0
    pooled = (hits + hits_before) / (n + n_before)
    error = math.sqrt(pooled * (1 - pooled) * (1 / n + 1 / n_before))
    return (hits / n - hits_before / n_before) / error if error else 0.0


def of_means(now: Mapping[int, int], before: Mapping[int, int]) -> float:
    """The same for the means of two distributions, each a count by value."""
    (mean, error, n), (mean_before, error_before, n_before) = _mean(now), _mean(before)
    error = math.sqrt(error + error_before)
    return (mean - mean_before) / error if min(n, n_before) >= LEAST and error else 0.0


def _mean(counts: Mapping[int, int]) -> tuple[float, float, int]:
    """Mean, its squared standard error, and how many there are."""
    n = sum(counts.values())
    if n < LEAST:
        return 0.0, 0.0, n
    mean = sum(value * count for value, count in counts.items()) / n
    return mean, sum(count * (value - mean) ** 2 for value, count in counts.items()) / (n - 1) / n, n


def of_counts(now: int, before: int) -> float:
    """The same for two counts over equal times."""
    return (now - before) / math.sqrt(now + before) if now + before >= LEAST else 0.0


def of_times(now: Duration, before: Duration) -> float:
    """The same for the medians of two lots of times."""
    if min(now.n, before.n) < LEAST or now.median is None or before.median is None:
        return 0.0
    error = math.hypot(_of_median(now), _of_median(before))
    return (math.log1p(now.median) - math.log1p(before.median)) / error


def _of_median(found: Duration) -> float:
    """The standard error of the logarithm of a median."""
    if found.low is None or found.high is None:
        return FINEST
    return max((math.log1p(found.high) - math.log1p(found.low)) / (2 * SURE), FINEST)


def of_scores(now: Score, before: Score, by: str = "", value: str = "") -> Iterable[Change]:
    """How a score and, for the whole, its response rate have changed."""
    if now.value is not None and before.value is not None:
        forms: dict[str, Form] = {"csat": "share", "nps": "points", "ces": "mean"}
        yield Change(now.kind, forms[now.kind], before.value, now.value, _of_score(now, before), by, value)
    if not by and now.response_rate is not None and before.response_rate is not None:
        z = of_shares(now.n, now.delivered, before.n, before.delivered)
        yield Change("response", "share", before.response_rate, now.response_rate, z, "kind", now.kind)


def _of_score(now: Score, before: Score) -> float:
    if now.kind == "csat":
        good = [sum(count for rating, count in item.distribution.items() if rating >= 4) for item in (now, before)]
        return of_shares(good[0], now.n, good[1], before.n)
    if now.kind == "nps":
        return of_means(_sides(now.distribution), _sides(before.distribution))
    return of_means(now.distribution, before.distribution)


def _sides(distribution: Mapping[int, int]) -> dict[int, int]:
    """Promoters, passives and detractors."""
    sides = {1: 0, 0: 0, -1: 0}
    for rating, count in distribution.items():
        sides[1 if rating >= 9 else 0 if rating >= 7 else -1] += count
    return sides


async def _of_surveys(session: AsyncSession, f: Filters, before: Filters, min_cell: int) -> list[Change]:
    found: list[Change] = []
    for kind in figures.KINDS:
        found += of_scores(await figures.score(session, kind, f), await figures.score(session, kind, before))
    earlier = await figures.breakdowns(session, "csat", before, BY, min_cell=min_cell)
    for by, cells in (await figures.breakdowns(session, "csat", f, BY, min_cell=min_cell)).items():
        old = {cell.value: cell.score for cell in earlier[by]}
        for cell in cells:
            was = old.get(cell.value)
            if cell.score is not None and was is not None and cell.name:
                found += of_scores(cell.score, was, by, cell.name)
    return found


async def _of_work(session: AsyncSession, f: Filters, before: Filters) -> list[Change]:
    found: list[Change] = []
    now, was = await figures.operations(session, f), await figures.operations(session, before)
    opened = await figures.follow_ups(session, f), await figures.follow_ups(session, before)
    counts = {
        "volume": (now.volume.conversations, was.volume.conversations),
        "messages": (now.volume.messages_in, was.volume.messages_in),
        "handoffs": (now.handoffs, was.handoffs),
        "tickets": (now.tickets, was.tickets),
        "low_scores": (opened[0].opened, opened[1].opened),
    }
    for name, (count, earlier) in counts.items():
        found.append(Change(name, "count", earlier, count, of_counts(count, earlier)))
    for name in TIMES:
        time, past = getattr(now, name), getattr(was, name)
        if time.median is not None and past.median is not None:
            found.append(Change(name, "time", past.median, time.median, of_times(time, past)))
    ended, old = now.containment, was.containment
    if ended.total and old.total:
        z = of_shares(ended.escalated, ended.total, old.escalated, old.total)
        shares = old.escalated / old.total, ended.escalated / ended.total
        found.append(Change("escalated", "share", *shares, z))
    kinds = {item.kind: item for item in was.promises}
    for item in now.promises:
        other = kinds.get(item.kind)
        if other is not None and item.share is not None and other.share is not None:
            z = of_shares(item.kept, item.kept + item.missed, other.kept, other.kept + other.missed)
            found.append(Change("promise", "share", other.share, item.share, z, "clock", item.kind))
    read = {item.language: item for item in await figures.understanding(session, before)}
    for one in await figures.understanding(session, f):
        same = read.get(one.language)
        if same is not None and one.fallback_rate is not None and same.fallback_rate is not None and one.language:
            z = of_shares(one.fallbacks, one.messages, same.fallbacks, same.messages)
            found.append(
                Change("fallback", "share", same.fallback_rate, one.fallback_rate, z, "language", one.language)
            )
    return found


async def most(session: AsyncSession, f: Filters, *, min_cell: int) -> list[Change]:
    """The three things that changed most against the period before, the greatest first.

    What did not change at all, or has fewer than ten cases in either period, is none of them.
    """
    before = f.previous()
    found = await _of_surveys(session, f, before, min_cell) + await _of_work(session, f, before)
    found = [item for item in found if item.z]
    return sorted(found, key=lambda item: (-abs(item.z), item.name, item.by, item.value))[:MOST]
