"""The formulas, each with its source. Nothing here knows of databases."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from bot.storage.figures.results import Duration, Kind, Score

# The quantile of the normal distribution that leaves 2.5 % above it.
Z95 = 1.959963984540054
# Below this many answers NPS has the adjusted interval.
FEW = 30


def wilson(successes: int, n: int) -> tuple[float, float] | tuple[None, None]:
    """The 95 % score interval of ``successes`` out of ``n``, without continuity correction; None for ``n`` = 0.

    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", Journal of the
    American Statistical Association 22 (1927); it is method 3 of R. G. Newcombe, "Two-sided confidence
    intervals for the single proportion", Statistics in Medicine 17 (1998).
    """
    if n == 0:
        return None, None
    share, square = successes / n, Z95 * Z95
    centre = share + square / (2 * n)
    spread = Z95 * math.sqrt(share * (1 - share) / n + square / (4 * n * n))
    scale = 1 + square / n
    low = 0.0 if successes == 0 else (centre - spread) / scale
    return low, 1.0 if successes == n else (centre + spread) / scale


def nps_interval(promoters: int, detractors: int, n: int) -> tuple[float, float] | tuple[None, None]:
    """The 95 % interval of the net promoter score, in [-100, 100]; None for ``n`` = 0.

    The score is the difference of two shares of one multinomial sample, so its standard error is
    √((p + d - (p - d)²) / n). Below :data:`FEW` answers it is the adjusted Wald interval: ¾ is added to the
    promoters and to the detractors and 3 to n; B. Rocks, "Interval estimation for the net promoter score",
    The American Statistician 70 (2016), after A. Agresti and Y. Min, Statistics in Medicine 24 (2005).
    """
    if n == 0:
        return None, None
    more, whole = (0.75, n + 3.0) if n < FEW else (0.0, float(n))
    p, d = (promoters + more) / whole, (detractors + more) / whole
    spread = Z95 * math.sqrt(max(0.0, p + d - (p - d) ** 2) / whole)
    return max(-100.0, 100 * (p - d - spread)), min(100.0, 100 * (p - d + spread))


def mean_interval(distribution: Mapping[int, int]) -> tuple[float, float] | tuple[None, None]:
    """The 95 % interval of the mean of ratings by Student's t; None for fewer than two.

    Student, "The probable error of a mean", Biometrika 6 (1908). It is not cut off at the scale's ends.
    """
    n = sum(distribution.values())
    if n < 2:
        return None, None
    # Here and not above: half a hundredth of a second that no other command should wait for.
    from scipy.special import stdtrit

    total = sum(rating * count for rating, count in distribution.items())
    squares = sum(rating * rating * count for rating, count in distribution.items())
    # In whole numbers as long as possible: then no order of adding makes a difference.
    variance = (n * squares - total * total) / (n * (n - 1))
    spread = float(stdtrit(n - 1, 0.975)) * math.sqrt(variance / n)
    return total / n - spread, total / n + spread


def score_of(kind: Kind, distribution: Mapping[int, int], delivered: int, late: int = 0) -> Score:
    """A score from how often each rating was given.

    CSAT: the share of 4 and 5. NPS: the share of 9 and 10 less that of 0 to 6, in hundredths (F. Reichheld,
    "The one number you need to grow", Harvard Business Review, December 2003). CES: the mean of 1 to 7
    (version 2.0 of the customer effort score), and the share of 5 to 7.
    """
    n = sum(distribution.values())
    if kind == "csat":
        good = distribution[4] + distribution[5]
        low, high = wilson(good, n)
        return Score(kind, good / n if n else None, n, delivered, low, high, distribution, late)
    if kind == "nps":
        promoters, detractors = distribution[9] + distribution[10], sum(distribution[rating] for rating in range(7))
        low, high = nps_interval(promoters, detractors, n)
        value = 100 * (promoters - detractors) / n if n else None
        return Score(kind, value, n, delivered, low, high, distribution, late)
    total, easy = sum(rating * count for rating, count in distribution.items()), sum(map(distribution.get, (5, 6, 7)))  # type: ignore[arg-type]
    low, high = mean_interval(distribution)
    share_low, share_high = wilson(easy, n)
    share = easy / n if n else None
    return Score(
        kind, total / n if n else None, n, delivered, low, high, distribution, late, share, share_low, share_high
    )


def percentile(ordered: Any, share: float) -> float | None:
    """A percentile of sorted whole numbers, by Hyndman and Fan's definition 7; None of nothing.

    R. J. Hyndman and Y. Fan, "Sample quantiles in statistical packages", The American Statistician 50 (1996);
    it is what ``percentile_cont`` of SQL and numpy's default compute.
    """
    count = len(ordered)
    if count == 0:
        return None
    place = (count - 1) * share
    below = math.floor(place)
    low, high = float(ordered[below]), float(ordered[min(below + 1, count - 1)])
    return low + (high - low) * (place - below)


def median_interval(ordered: Any) -> tuple[float, float] | tuple[None, None]:
    """The 95 % interval of the median between two of the sorted numbers, whatever their distribution; None for fewer
    than six, for which there is none.

    W. R. Thompson, "On confidence ranges for the median and other expectation distributions for populations of unknown
    distribution form", Annals of Mathematical Statistics 7 (1936); which numbers they are by the normal approximation
    of the binomial distribution, as in W. J. Conover, "Practical Nonparametric Statistics", 3rd edition (1999), 3.2.
    """
    count = len(ordered)
    if count < 6:
        return None, None
    below = math.floor((count + 1 - Z95 * math.sqrt(count)) / 2)
    return float(ordered[below - 1]), float(ordered[count - below])


def duration(seconds: Any) -> Duration:
    """Median with its interval, and 90th percentile of an array of seconds."""
    ordered = np.sort(seconds)
    return Duration(len(ordered), percentile(ordered, 0.5), percentile(ordered, 0.9), *median_interval(ordered))
