"""Bands: few false alarms on steady data, real changes found, one alert for each excursion."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from scipy import stats
from sqlalchemy import insert, select, update

from bot.config import Config, Settings
from bot.domain import load_domain
from bot.jobs import Workshop, handlers
from bot.jobs import bands as jobs
from bot.outbox import Voice
from bot.services import bands
from bot.services import figures as keeping
from bot.storage import Database
from bot.storage.figures.operations import AS_OF
from bot.storage.models import Alert, FigureMark, Role, Survey, SurveyStatus, Timer, TimerStatus, User
from bot.texts import Texts
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


async def answered(database: Database, settings: Settings, last: date, low: set[date]) -> None:
    """Sixty days up to a last one with thirty surveys each, half of them answered; customers are unhappy on some."""
    bureau = Bureau(database)
    async with database.begin() as session:
        talk = await bureau.conversation(session)
        rows = []
        for back in range(60):
            day = last - timedelta(days=back)
            at = datetime(day.year, day.month, day.day, 11, tzinfo=UTC)
            for number in range(30):
                happy = number % 3 == 0 if day in low else number % 6 != 0
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
    await keeping.catch_up(database, settings)


BAD = date(2026, 3, 11)


async def test_an_excursion_is_found_on_its_first_day(any_database: Database, config: Config) -> None:
    """A bad day after eight steady weeks, once its surveys are complete; neither before nor on the second bad day."""
    await answered(any_database, config.settings, BAD + timedelta(days=2), {BAD, BAD + timedelta(days=1)})
    found = []
    for later in range(4):
        async with any_database.read() as session:
            zone = config.settings.shop.timezone
            found.append(await bands.excursions(session, BAD + timedelta(days=3 + later), zone))
    assert [[(item.name, item.day) for item in some] for some in found] == [[], [("csat", BAD)], [], []]
    outside = found[1][0].outside
    assert outside.value == pytest.approx(1 / 3) and not outside.above and 0.5 < outside.low < outside.high


@dataclass
class Mornings:
    """The job that looks at the bands, on mornings that are set by hand."""

    database: Database
    config: Config
    time: datetime

    async def begin(self) -> None:
        """The program starts."""
        async with self.database.begin() as session:
            await jobs.begin_bands(session, self.config.settings)

    async def until(self, moment: datetime) -> None:
        """Time passes: each timer is done when it is due."""
        voice = Voice(Texts(load_domain(self.config.home), ("en",), self.config.settings.shop))
        job = handlers(Workshop(self.database, voice, {}, self.config))[jobs.LOOK]
        assert job.prepare is not None
        while True:
            async with self.database.read() as session:
                due = await session.scalar(
                    select(Timer)
                    .where(Timer.kind == jobs.LOOK, Timer.status == TimerStatus.PENDING, Timer.due_at <= moment)
                    .order_by(Timer.due_at)
                )
            if due is None:
                break
            self.time = due.due_at
            prepared = await job.prepare(due.payload)
            async with self.database.begin() as session:
                await job.apply(session, due.payload, prepared)
                await session.execute(update(Timer).where(Timer.id == due.id).values(status=TimerStatus.DONE))
        self.time = moment


@pytest.fixture
async def mornings(any_database: Database, config: Config, monkeypatch: pytest.MonkeyPatch) -> Mornings:
    """The evening before the bad day's surveys are complete; a manager and an agent."""
    made = Mornings(any_database, config, datetime(2026, 3, 14, 20, tzinfo=UTC))
    monkeypatch.setattr(jobs, "now", lambda: made.time)
    bureau = Bureau(any_database)
    await bureau.person("max", Role.MANAGER)
    await bureau.person("ana")
    return made


async def told(database: Database) -> list[tuple[str, str, str]]:
    """Who was alerted, of what, about which day."""
    query = select(User.username, Alert).join(User, User.id == Alert.user_id).order_by(Alert.id)
    async with database.read() as session:
        return [(name, row.key, row.params["day"]) for name, row in await session.execute(query)]


async def test_managers_are_told_once_and_again_after_it_was_normal(mornings: Mornings, config: Config) -> None:
    """Two bad days are one alert, normal days none, and the next bad day after them another one; with its link."""
    low = {BAD, BAD + timedelta(days=1), BAD + timedelta(days=5)}
    await answered(mornings.database, config.settings, BAD + timedelta(days=8), low)
    # The program is started more than once in between: nothing is looked at twice.
    for day in range(15, 23):
        await mornings.begin()
        await mornings.until(datetime(2026, 3, day, 20, tzinfo=UTC))
    key = "alert.band.csat"
    assert await told(mornings.database) == [("max", key, "2026-03-11"), ("max", key, "2026-03-16")]
    async with mornings.database.read() as session:
        alert = (await session.scalars(select(Alert).order_by(Alert.id))).first()
        waiting = (await session.scalars(select(Timer).where(Timer.status == TimerStatus.PENDING))).all()
    assert alert is not None and alert.path.startswith("/desk/dashboard?from=2026-03-11&to=2026-03-11")
    assert (alert.params["value"], alert.params["of"]) == ("33", "")
    assert [timer.payload["day"] for timer in waiting] == ["2026-03-23"]


async def test_nothing_is_said_by_figures_that_are_behind(mornings: Mornings, config: Config) -> None:
    """They are waited for until they are up to date; if they never are, the next morning is another one."""
    await answered(mornings.database, config.settings, BAD + timedelta(days=2), {BAD})
    behind = datetime(2026, 3, 14, 12, tzinfo=UTC)
    async with mornings.database.begin() as session:
        await session.execute(update(FigureMark).where(FigureMark.name == AS_OF).values(at=behind))
    await mornings.begin()
    await mornings.until(datetime(2026, 3, 15, 6, tzinfo=UTC))
    assert await told(mornings.database) == []
    async with mornings.database.begin() as session:
        await session.execute(update(FigureMark).where(FigureMark.name == AS_OF).values(at=mornings.time))
    await mornings.until(datetime(2026, 3, 15, 7, tzinfo=UTC))
    assert [day for _, _, day in await told(mornings.database)] == ["2026-03-11"]
    async with mornings.database.begin() as session:
        await session.execute(update(FigureMark).where(FigureMark.name == AS_OF).values(at=behind))
    await mornings.until(datetime(2026, 3, 16, 23, tzinfo=UTC))
    async with mornings.database.read() as session:
        waiting = (await session.scalars(select(Timer).where(Timer.status == TimerStatus.PENDING))).all()
    assert len(await told(mornings.database)) == 1 and [timer.payload["day"] for timer in waiting] == ["2026-03-17"]


async def test_after_a_long_rest_only_the_present_day_is_looked_at(mornings: Mornings, config: Config) -> None:
    """What left its band while the desk was off, and came back, is no news."""
    await answered(mornings.database, config.settings, BAD + timedelta(days=8), {BAD})
    await mornings.begin()
    mornings.time = datetime(2026, 3, 20, 20, tzinfo=UTC)
    voice = Voice(Texts(load_domain(config.home), ("en",), config.settings.shop))
    job = handlers(Workshop(mornings.database, voice, {}, config))[jobs.LOOK]
    assert job.prepare is not None
    looked = await job.prepare({"day": "2026-03-15"})
    async with mornings.database.begin() as session:
        await job.apply(session, {"day": "2026-03-15"}, looked)
    assert await told(mornings.database) == []
    async with mornings.database.read() as session:
        days = {timer.payload["day"] for timer in await session.scalars(select(Timer).where(Timer.kind == jobs.LOOK))}
    assert "2026-03-21" in days
