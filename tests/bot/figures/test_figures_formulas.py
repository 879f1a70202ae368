"""The formulas give what their sources publish."""

from __future__ import annotations

import math
import random
from statistics import quantiles

import numpy as np
import pytest

from bot.storage.figures import formulas
from bot.storage.figures.results import Kind


def spread(kind: Kind, **counts: int) -> dict[int, int]:
    """A distribution with these ratings: ``r5=3`` is three fives."""
    scale = {"csat": range(1, 6), "nps": range(11), "ces": range(1, 8)}[kind]
    return {rating: counts.get(f"r{rating}", 0) for rating in scale}


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"), [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611),
                                        (1, 29, 0.0061, 0.1718)],
)  # fmt: skip
def test_wilson_as_newcombe_has_it(successes: int, n: int, low: float, high: float) -> None:
    """Method 3 in table I of Newcombe, Statistics in Medicine 17 (1998), to its four places."""
    found = formulas.wilson(successes, n)
    assert found[0] is not None and found[1] is not None
    assert (round(found[0], 4), round(found[1], 4)) == (low, high)


def test_wilson_at_the_ends() -> None:
    """Nothing has no interval; none and all end exactly at 0 and 1."""
    assert formulas.wilson(0, 0) == (None, None)
    low, high = formulas.wilson(29, 29)
    assert high == 1.0 and low is not None and round(low, 4) == 0.8830


def test_nps_with_its_margin() -> None:
    """Of 200: 100 promoters, 50 detractors: 25, with the standard error sqrt((.5 + .25 - .0625) / 200) = 5.863."""
    found = formulas.score_of("nps", spread("nps", r9=60, r10=40, r7=50, r0=20, r6=30), 400)
    assert found.value == 25.0 and found.low is not None and found.high is not None
    assert math.isclose(found.high - 25, 1.959964 * 5.86302, rel_tol=1e-5)
    assert math.isclose(25 - found.low, found.high - 25)
    assert found.response_rate == 0.5


def test_nps_of_a_few() -> None:
    """Below thirty ¾ is added to both sides and 3 to n: of 10 with 6 and 2, 6.75/13 and 2.75/13."""
    low, high = formulas.nps_interval(6, 2, 10)
    p, d = 6.75 / 13, 2.75 / 13
    margin = 1.959963984540054 * math.sqrt((p + d - (p - d) ** 2) / 13)
    assert low is not None and high is not None
    assert math.isclose(low, 100 * (p - d - margin)) and math.isclose(high, 100 * (p - d + margin))
    # All of one kind: without the addition the interval would have no width at all.
    low, high = formulas.nps_interval(5, 0, 5)
    assert low is not None and low < 100


def test_passives_stay_in_the_denominator() -> None:
    """Sevens and eights are neither, and count."""
    assert formulas.score_of("nps", spread("nps", r9=1, r7=1, r8=2), 4).value == 25.0


def test_ces_with_its_interval() -> None:
    """Ratings 2, 4, 4, 5, 5, 6, 7, 7: mean 5, s = 1.6903, t(7) = 2.36462."""
    found = formulas.score_of("ces", spread("ces", r2=1, r4=2, r5=2, r6=1, r7=2), 10)
    assert found.value == 5.0 and found.share == 5 / 8
    assert found.low is not None and found.high is not None
    margin = 2.364624 * 1.690309 / math.sqrt(8)
    assert math.isclose(found.high - 5, margin, rel_tol=1e-5) and math.isclose(5 - found.low, margin, rel_tol=1e-5)
    alone = formulas.score_of("ces", spread("ces", r6=1), 1)
    assert (alone.value, alone.low, alone.high) == (6.0, None, None)


def test_csat_counts_fours_and_fives() -> None:
    """A three is not good."""
    found = formulas.score_of("csat", spread("csat", r3=1, r4=1, r5=2), 8, late=1)
    assert (found.value, found.n, found.late) == (0.75, 4, 1)


def test_percentiles_are_type_seven() -> None:
    """As numpy's default, and as the standard library's inclusive quantiles, which are Hyndman and Fan's 7."""
    dice = random.Random(1)
    for size in (1, 2, 3, 10, 77):
        values = sorted(dice.randrange(10_000) for _ in range(size))
        for share in (0.5, 0.9):
            found = formulas.percentile(values, share)
            assert found is not None and math.isclose(found, float(np.percentile(values, share * 100)))
        if size > 1:
            assert math.isclose(formulas.percentile(values, 0.9) or 0, quantiles(values, n=10, method="inclusive")[8])
    assert formulas.percentile([], 0.5) is None
