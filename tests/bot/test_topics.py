"""The voice of the customer: complaints by topic over time, and rises beyond the usual, on either database."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from itertools import product
from math import comb
from typing import Any
from zoneinfo import ZoneInfo

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, poisson_means_test
from sqlalchemy import func, select

from bot import jobs
from bot.config import Config, TopicSettings
from bot.domain import load_domain
from bot.jobs import topics as topic_jobs
from bot.outbox import Voice
from bot.services import topics
from bot.services.topics import Dimension, Period, found_at, midnight, upper_tail
from bot.storage import Database
from bot.storage.models import (
    Alert,
    Conversation,
    Event,
    Role,
    Severity,
    Ticket,
    TicketType,
    Timer,
    TopicFlag,
    User,
)
from bot.texts import Texts

MADRID = ZoneInfo("Europe/Madrid")
TODAY = date(2026, 4, 13)  # a Monday; the clocks went forward on 29 March
SETTINGS = TopicSettings()


async def complained(database: Database, *rows: dict[str, Any]) -> None:
    """Tickets with these columns; ``at`` is when they were opened."""
    async with database.begin() as session:
        talk = await session.scalar(select(Conversation.id).limit(1))
        if talk is None:
            conversation = Conversation(channel="web", address_key="a", chat="a", user="a")
            session.add(conversation)
            await session.flush()
            talk = conversation.id
        base = {
            "conversation_id": talk, "severity": Severity.NORMAL, "description": "x", "language": "en",
            "type": TicketType.LATE,
        }  # fmt: skip
        for row in rows:
            columns = base | {key: value for key, value in row.items() if key != "at"}
            session.add(Ticket(**columns, created_at=row["at"]))


def noon(days_ago: int, today: date = TODAY) -> datetime:
    """Noon of a day in the shop."""
    return midnight(today - timedelta(days=days_ago), MADRID) + timedelta(hours=12)


def spread(total: int, first: int, last: int, **columns: Any) -> Iterable[dict[str, Any]]:
    """So many tickets, evenly over the days from ``first`` to ``last`` days ago."""
    days = first - last + 1
    return ({"at": noon(first - number * days // total)} | columns for number in range(total))


# ---- counting


async def test_complaints_are_counted_by_topic_and_compared_with_the_period_before(any_database: Database) -> None:
    """Most frequent first, what is not known last; the days are the shop's; merged tickets are not counted twice."""
    await complained(
        any_database,
        *spread(10, 6, 0, carrier="PostNL"),
        *spread(8, 13, 7, carrier="PostNL"),
        *spread(3, 6, 0, carrier="DHL"),
        *spread(6, 13, 7, carrier="DHL"),
        *spread(4, 6, 0),
        {"at": noon(1), "carrier": "PostNL", "merged_into_id": 1},
        {"at": noon(20), "carrier": "PostNL"},
    )
    async with any_database.read() as session:
        found = await topics.voice(session, Dimension.CARRIER, Period.DAYS_7, TODAY, MADRID)
    assert (found.total, found.before, len(found.series)) == (17, 14, 7)
    assert [(row.value, row.count, row.before) for row in found.rows] == [("PostNL", 10, 8), ("DHL", 3, 6), ("", 4, 0)]
    assert found.rows[0].change == 0.25 and sum(found.rows[0].series) == 10
    # Three complaints tell of three people: no change and no course of time.
    assert found.rows[1].change is None and found.rows[1].series == ()


async def test_a_day_begins_at_the_shops_midnight(any_database: Database) -> None:
    """A minute before midnight in Madrid is the day before, whatever the day is elsewhere."""
    first = midnight(TODAY - timedelta(days=6), MADRID)
    assert first == datetime(2026, 4, 6, 22, tzinfo=UTC)
    await complained(any_database, *({"at": first + timedelta(minutes=shift)} for shift in (-1, 0, 0, 0, 0, 1440)))
    async with any_database.read() as session:
        found = await topics.voice(session, Dimension.TYPE, Period.DAYS_7, TODAY, MADRID)
    assert (found.before, found.series) == (1, (4, 1, 0, 0, 0, 0, 0))


async def test_every_view_counts_every_complaint_once(any_database: Database) -> None:
    """Whatever it is split by, and into which parts: the rows add up to all of them."""
    draw = random.Random(5)
    kinds, products = list(TicketType), ["Boots", "Kettle", ""]
    rows = [
        {
            "at": noon(draw.randrange(800)), "type": draw.choice(kinds), "product": draw.choice(products),
            "carrier": draw.choice(["DHL", ""]), "country": draw.choice(["ES", "NL"]), "language": "es",
        }
        for _ in range(300)
    ]  # fmt: skip
    await complained(any_database, *rows)
    for dimension, period in product(Dimension, Period):
        span = topics.span_of(period, TODAY)
        first = midnight(span.starts[0], MADRID)
        earlier = midnight(span.starts[0] - timedelta(days=span.days), MADRID)
        async with any_database.read() as session:
            found = await topics.voice(session, dimension, period, TODAY, MADRID)
        assert found.total == sum(row.count for row in found.rows) == sum(row["at"] >= first for row in rows)
        assert found.before == sum(earlier <= row["at"] < first for row in rows)
        assert all(sum(row.series) in (row.count, 0) for row in found.rows)
        assert sum(found.series) == found.total


def test_periods_are_whole_days_weeks_and_months() -> None:
    """Weeks begin on Monday, months on the first; the period before is as long."""
    assert topics.span_of(Period.MONTHS_12, date(2026, 1, 31)).starts[0] == date(2025, 2, 1)
    weeks = topics.span_of(Period.WEEKS_12, date(2026, 4, 15))
    assert len(weeks.starts) == 12 and weeks.starts[-1] == date(2026, 4, 13) and weeks.end == date(2026, 4, 16)
    assert [topics.span_of(item, TODAY).days for item in (Period.DAYS_7, Period.DAYS_30, Period.DAYS_90)] == [7, 30, 90]


async def test_few_complaints_are_not_broken_down(any_database: Database) -> None:
    """A type's products with fewer than five complaints stand together."""
    await complained(
        any_database,
        *spread(6, 6, 0, product="Boots"),
        *spread(4, 6, 0, product="Kettle"),
        *spread(2, 6, 0, product="Lamp"),
        *spread(4, 6, 0, product="Boots", type=TicketType.BILLING),
    )
    async with any_database.read() as session:
        found = await topics.voice(session, Dimension.TYPE_PRODUCT, Period.DAYS_7, TODAY, MADRID)
    shown = [(row.of, row.value, row.count) for row in found.rows]
    assert shown == [("late", "Boots", 6), ("late", None, 6), ("billing", None, 4)]


async def test_many_topics_are_cut_to_the_frequent_ones(any_database: Database) -> None:
    """The others are counted together, none is lost."""
    await complained(
        any_database,
        *({"at": noon(1), "product": f"P{number:02}"} for number in range(60) for _ in range(1 + number % 2)),
    )
    async with any_database.read() as session:
        found = await topics.voice(session, Dimension.PRODUCT, Period.DAYS_7, TODAY, MADRID)
    assert len(found.rows) == topics.MOST_ROWS and found.rows[-1].value is None
    assert sum(row.count for row in found.rows) == 90 == found.total


# ---- the test


def slow_tail(count: int, trials: int, share: Fraction) -> float:
    """The upper tail of the binomial distribution, in whole numbers, as it is defined."""
    terms = (comb(trials, hits) * share**hits * (1 - share) ** (trials - hits) for hits in range(count, trials + 1))
    return float(sum(terms))


@given(st.data(), st.integers(0, 200), st.integers(1, 90), st.integers(14, 728))
def test_the_tail_is_exact(data: st.DataObject, trials: int, days: int, before: int) -> None:
    """Against whole-number arithmetic, for every possible count, however long the periods are."""
    count = data.draw(st.integers(0, trials))
    share = Fraction(days, days + before)
    assert upper_tail(count, trials, float(share)) == pytest.approx(
        slow_tail(count, trials, share), rel=1e-9, abs=1e-14
    )


@given(st.data(), st.integers(0, 200_000), st.floats(0.001, 0.9))
def test_the_tail_is_that_of_scipy(data: st.DataObject, trials: int, share: float) -> None:
    """For numbers no exact reference can be waited for."""
    count = data.draw(st.integers(0, trials))
    expected = float(binom.sf(count - 1, trials, share))
    assert upper_tail(count, trials, share) == pytest.approx(expected, rel=1e-6, abs=1e-12)


def test_the_verdict_agrees_with_another_test_of_two_poisson_rates() -> None:
    """The E-test (Krishnamoorthy & Thomson 2004) is less strict: where ours is sure it is sure as well."""
    for recent, before in ((20, 40), (30, 60), (12, 8), (50, 200), (9, 56), (3, 40)):
        ours = upper_tail(recent, recent + before, 7 / 63)
        theirs = float(poisson_means_test(recent, 7, before, 56, alternative="greater").pvalue)
        assert theirs <= ours + 1e-3 and ours - theirs < 0.12, (recent, before)


@given(st.lists(st.floats(0, 1), max_size=30), st.sampled_from([0.001, 0.01, 0.05, 0.2]))
def test_many_tests_are_corrected_for(p_values: list[float], level: float) -> None:
    """Benjamini-Hochberg by its definition: the largest k with p(k) <= level * k / m, and all below it."""
    ordered = sorted(p_values)
    last = max((k for k in range(1, len(ordered) + 1) if ordered[k - 1] <= level * k / len(ordered)), default=0)
    border = ordered[last - 1] if last else -1.0
    assert found_at(p_values, level) == [p <= border for p in p_values]


# ---- rises


def test_steady_complaints_raise_few_false_alarms() -> None:
    """3,000 simulated mornings with forty steady topics: fewer of them with a false alarm than the level says."""
    draw = numpy.random.default_rng(1940)
    rates = draw.uniform(0.05, 4, 40)
    share, level, mornings = 7 / 63, 0.05, 3000
    alarms = 0
    for recent, before in zip(
        draw.poisson(7 * rates, (mornings, 40)), draw.poisson(56 * rates, (mornings, 40)), strict=True
    ):
        counts = [(int(now), int(now + earlier)) for now, earlier in zip(recent, before, strict=True)]
        alarms += any(found_at([upper_tail(now, total, share) for now, total in counts if total >= 5], level))
    assert 0 < alarms / mornings < level


async def test_a_real_rise_is_found_and_steady_topics_are_not(any_database: Database) -> None:
    """What rose is named with what was counted and what was usual; today, which is not over, does not count."""
    await complained(
        any_database,
        *spread(56, 63, 8, carrier="PostNL", country="NL"),
        *spread(7, 7, 1, carrier="PostNL", country="NL"),
        *spread(28, 63, 8, carrier="DHL", country="NL"),
        *spread(19, 7, 1, carrier="DHL", country="NL"),
        *({"at": noon(0), "carrier": "UPS"} for _ in range(30)),
    )
    async with any_database.read() as session:
        found = await topics.rises(session, SETTINGS, TODAY, MADRID)
    rise = next(item for item in found if item.dimension is Dimension.CARRIER)
    assert (rise.value, rise.observed, rise.expected) == ("DHL", 19, 3.5)
    assert rise.p_value == pytest.approx(float(binom.sf(18, 47, 1 / 9)), rel=1e-9)
    assert not any(item.value in ("PostNL", "UPS", "") for item in found)


async def test_a_rise_below_the_minimum_is_none(any_database: Database) -> None:
    """Four complaints where there were none are beyond chance and still not worth an alarm."""
    await complained(any_database, *spread(60, 63, 8), *spread(4, 7, 1, product="Kettle"))
    async with any_database.read() as session:
        assert await topics.rises(session, SETTINGS, TODAY, MADRID) == []
        less = SETTINGS.model_copy(update={"minimum": 4})
        assert "Kettle" in {item.value for item in await topics.rises(session, less, TODAY, MADRID)}


async def test_a_young_shop_has_no_usual_yet(any_database: Database) -> None:
    """A week of history compares with nothing; three weeks are compared with as the three weeks they are."""
    await complained(any_database, *spread(20, 14, 8), *spread(60, 7, 1))
    async with any_database.read() as session:
        assert await topics.rises(session, SETTINGS, TODAY, MADRID) == []
    await complained(any_database, {"at": noon(28)})
    async with any_database.read() as session:
        found = {item.dimension: item for item in await topics.rises(session, SETTINGS, TODAY, MADRID)}
    assert found[Dimension.TYPE].expected == pytest.approx(21 * 7 / 21)


# ---- flags


class Mornings:
    """A desk whose days are gone through one by one."""

    def __init__(self, database: Database, config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
        self.database = database
        shop = config.settings.shop.model_copy(update={"timezone": "Europe/Madrid"})
        self.config = replace(config, settings=config.settings.model_copy(update={"shop": shop}))
        self.time = datetime(2026, 4, 13, 5, tzinfo=UTC)
        monkeypatch.setattr(topic_jobs, "now", lambda: self.time)
        voice = Voice(Texts(load_domain(self.config.home), ("en",), self.config.settings.shop))
        self.job = jobs.handlers(jobs.Workshop(self.database, voice, {}, self.config))[topic_jobs.LOOK]

    async def look(self) -> None:
        """Do the timer that is due next, at its time, as the worker does."""
        async with self.database.begin() as session:
            timer = await session.scalar(select(Timer).where(Timer.kind == topic_jobs.LOOK).order_by(Timer.id.desc()))
            assert timer is not None
            self.time = max(self.time, timer.due_at)
            await self.job.apply(session, timer.payload, None)

    async def count(self, table: Any) -> int:
        """How many rows a table has."""
        async with self.database.read() as session:
            return int(await session.scalar(select(func.count()).select_from(table)) or 0)


async def staff(database: Database) -> None:
    """An agent and a manager."""
    async with database.begin() as session:
        for name, role in (("ana", Role.AGENT), ("maya", Role.MANAGER)):
            session.add(User(username=name, name=name, password_hash="x", role=role, language="en"))


async def test_a_rise_is_told_once_until_it_has_calmed_down(
    any_database: Database, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Managers hear of a rise on its first morning; of the next one only after a whole quiet window."""
    any_database.emits = ("topic.*",)
    mornings = Mornings(any_database, config, monkeypatch)
    await staff(any_database)
    await complained(
        any_database,
        *spread(28, 63, 8, carrier="DHL"),
        *spread(20, 6, 1, carrier="DHL"),
        # Again, six weeks later.
        *({"at": noon(-40), "carrier": "DHL"} for _ in range(40)),
    )
    async with any_database.begin() as session:
        await topic_jobs.begin_topics(session, mornings.config.settings)
    await mornings.look()
    async with any_database.read() as session:
        (alert,) = await session.scalars(select(Alert))
        told = await session.scalars(select(Event).order_by(Event.id))
        about = {(event.data["dimension"], event.data["value"]) for event in told}
    flags = await mornings.count(TopicFlag)
    assert (alert.key, alert.path, alert.params) == ("alert.topics", "/desk/voice", {"count": flags})
    assert ("carrier", "DHL") in about and len(about) == flags
    for _ in range(13):
        await mornings.look()
    assert (await mornings.count(Alert), await mornings.count(TopicFlag)) == (1, flags)
    async with any_database.read() as session:
        row = await session.scalar(select(TopicFlag).where(TopicFlag.value == "DHL"))
    assert row is not None and row.day == TODAY and row.last_day > TODAY
    for _ in range(40):
        await mornings.look()
    assert await mornings.count(Alert) == 2 and await mornings.count(TopicFlag) > flags


async def test_the_days_are_looked_at_one_by_one_and_each_once(
    any_database: Database, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At six in the morning on the shop's clock, summer and winter; begun twice it is still one; a rest is skipped."""
    mornings = Mornings(any_database, config, monkeypatch)
    mornings.time = datetime(2026, 3, 28, 4, tzinfo=UTC)
    for _ in range(2):
        async with any_database.begin() as session:
            await topic_jobs.begin_topics(session, mornings.config.settings)
    await mornings.look()
    await mornings.look()
    mornings.time = datetime(2026, 4, 20, 15, tzinfo=UTC)
    await mornings.look()
    async with any_database.read() as session:
        rows = await session.scalars(select(Timer).where(Timer.kind == topic_jobs.LOOK).order_by(Timer.id))
        due = [row.due_at for row in rows]
    assert due == [
        datetime(2026, 3, 28, 5, tzinfo=UTC),
        datetime(2026, 3, 29, 4, tzinfo=UTC),
        datetime(2026, 3, 30, 4, tzinfo=UTC),
        datetime(2026, 4, 21, 4, tzinfo=UTC),
    ]
