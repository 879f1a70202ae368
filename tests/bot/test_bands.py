"""Bands: few false alarms on steady data, real changes found, one alert for each excursion."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from scipy import stats
from sqlalchemy import insert

from bot.config import Config
from bot.services import bands
from bot.services import figures as keeping
from bot.storage import Database
from bot.storage.models import Role, Survey, SurveyStatus
from tests.bureau import Bureau

DAYS = 4000


def test_students_quantiles() -> None:
    """The table is what it says."""
    for freedom, value in bands.STUDENT.items():
        assert value == pytest.approx(stats.t.ppf(1 - stats.norm.sf(3), freedom), rel=1e-3)


@pytest.mark.parametrize(
    ("share", "cases", "changed"),
    [(0.82, 40, 0.55), (0.95, 15, 0.5), (0.03, 200, 0.12), (0.3, 60, 0.6), (0.5, 12, 1.0)],
)
def test_steady_shares_raise_few_alarms(share: float, cases: int, changed: float) -> None:
    """Below one day in 200, with few cases and near 0 and 1 too; a day that is really another one is found."""
    dice = np.random.default_rng(7)
    sizes = dice.poisson(cases, (DAYS, bands.WEEKS + 1))
    hits = dice.binomial(sizes, share)
    found = 0
    for many, some in zip(sizes.tolist(), hits.tolist(), strict=True):
        history = list(zip(some[1:], many[1:], strict=True))
        found += bands.share_outside(some[0], many[0], history) is not None
    assert found / DAYS < 0.005
    usual = [(round(share * cases), cases)] * bands.WEEKS
    outside = bands.share_outside(round(changed * cases), cases, usual)
    assert outside is not None and outside.above == (changed > share)


def test_days_that_scatter_anyway_raise_few_alarms() -> None:
    """Where the share itself differs from week to week the limits are wider."""
    dice = np.random.default_rng(8)
    found = 0
    for _ in range(DAYS):
        shares = dice.beta(40, 10, bands.WEEKS + 1)
        some = dice.binomial(300, shares)
        found += bands.share_outside(int(some[0]), 300, [(int(hits), 300) for hits in some[1:]]) is not None
    assert found / DAYS < 0.03


@pytest.mark.parametrize("level", [3.0, 40.0, 900.0])
def test_steady_counts_raise_few_alarms(level: float) -> None:
    """Below one day in 200 for counts; many times as many, or nothing where there were many, is found."""
    dice = np.random.default_rng(9)
    counts = dice.poisson(level, (DAYS, bands.WEEKS + 1)).tolist()
    found = [row for row in counts if bands.count_outside(row[0], row[1:]) is not None]
    assert len(found) / DAYS < 0.005
    usual = [level, level + 1, level - 1, level, level + 2, level, level - 1, level + 1]
    much = bands.count_outside(level * 8, usual)
    assert much is not None and much.above
    assert (bands.count_outside(0, usual) is not None) == (level > 3)


def test_steady_times_raise_few_alarms() -> None:
    """Medians that scatter by a third: below one day in 200; ten times as long is found, a minute more is not."""
    dice = np.random.default_rng(10)
    times = (1800 * np.exp(dice.normal(0, 0.3, (5 * DAYS, bands.WEEKS + 1)))).tolist()
    assert sum(bands.time_outside(row[0], row[1:]) is not None for row in times) / (5 * DAYS) < 0.005
    usual = [1500.0, 1800.0, 2100.0, 1700.0, 1900.0, 1600.0, 2000.0, 1800.0]
    assert bands.time_outside(18_000, usual) is not None and bands.time_outside(1860, usual) is None


def test_of_too_little_nothing_is_said() -> None:
    """New shops, days with few cases, weekdays without any."""
    assert bands.share_outside(0, 9, [(40, 50)] * 8) is None
    assert bands.share_outside(0, 50, [(40, 50)] * 3 + [(0, 0)] * 5) is None
    assert bands.share_outside(0, 50, [(4, 5)] * 5) is None
    assert bands.time_outside(1000, [10, 10, 10]) is None


async def test_managers_are_told_once_for_each_excursion(any_database: Database, config: Config) -> None:
    """A bad day after eight steady weeks is one alert with a link; the second bad day, and a repeat, are none."""
    bureau = Bureau(any_database)
    await bureau.person("max", Role.MANAGER)
    await bureau.person("ana")
    bad = date(2026, 3, 11)
    settings = config.settings
    async with any_database.begin() as session:
        talk = await bureau.conversation(session)
        rows = []
        for back in range(60):
            day = bad + timedelta(days=2) - timedelta(days=back)
            at = datetime(day.year, day.month, day.day, 11, tzinfo=UTC)
            low = bad <= day <= bad + timedelta(days=1)
            for number in range(30):
                happy = number % 3 == 0 if low else number % 6 != 0
                rows.append(
                    {
                        "kind": "csat",
                        "conversation_id": talk.id,
                        "status": SurveyStatus.ANSWERED if number % 2 else SurveyStatus.EXPIRED,
                        "score": (5 if happy else 1) if number % 2 else None,
                        "sent_at": at,
                        "delivered_at": at,
                        "answered_at": at,
                    }
                )
        await session.execute(insert(Survey), rows)
    await keeping.catch_up(any_database, settings)
    told = []
    for later in range(4):
        async with any_database.begin() as session:
            told.append(await bands.look(session, bad + timedelta(days=3 + later), settings))
    assert [[(item.name, item.day) for item in found] for found in told] == [[], [("csat", bad)], [], []]
    outside = told[1][0].outside
    assert outside.value == pytest.approx(1 / 3) and not outside.above and 0.5 < outside.low < outside.high
    assert await bureau.alerts() == [("max", "alert.band.csat")]
