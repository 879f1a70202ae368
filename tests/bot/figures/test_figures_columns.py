"""How columns are counted and kept: each quick way equals the slow and obvious one, however wide the numbers are."""

from __future__ import annotations

import itertools
from collections import Counter
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from bot.storage import Database, figures
from bot.storage.figures import Filters, columns
from bot.storage.figures.columns import seconds_of
from bot.storage.figures.formulas import median_interval
from bot.storage.models import Conversation, FigureColumn, Survey, SurveyStatus

# Few and near, or far apart: both ways of counting are gone.
NUMBERS = st.one_of(st.integers(-3, 40), st.sampled_from((-(2**40), 0, 7, 2**31, 2**40)))
DAY = date(2026, 3, 1)


@given(st.lists(st.tuples(NUMBERS, st.integers(0, 4)), max_size=60))
def test_counting_by_value(rows: list[tuple[int, int]]) -> None:
    """How often each code occurs with each value; the different values; the first of each; how many."""
    values = np.array([value for value, _ in rows], dtype=np.int64)
    codes = np.array([code for _, code in rows], dtype=np.int8)
    expected = Counter(rows)
    numbers, counts = columns.tabled(values, codes, 5)
    assert numbers.tolist() == sorted({value for value, _ in rows})
    found = {
        (number, code): int(counts[place, code]) for place, number in enumerate(numbers.tolist()) for code in range(5)
    }
    assert {key: count for key, count in found.items() if count} == dict(expected)
    assert columns.occurring(values).tolist() == numbers.tolist() and columns.different(values) == len(numbers)
    ids, places = columns.first_of_each(values)
    everything = values.tolist()
    assert {int(one): int(place) for one, place in zip(ids, places, strict=True)} == {
        number: everything.index(number) for number in everything
    }


@given(st.lists(st.integers(0, 50), max_size=40), st.lists(st.integers(0, 50), max_size=6))
def test_parts_of_a_period(times: list[int], borders: list[int]) -> None:
    """Each time is in the part between its borders; the beginning belongs to it, the end does not."""
    at, edges = np.array(sorted(times), dtype=np.uint32), sorted(borders)
    parts = [at[part].tolist() for part in columns.parted(at, edges)]
    bounds = [-1, *edges, 51]
    expected = [[one for one in sorted(times) if low <= one < high] for low, high in itertools.pairwise(bounds)]
    assert parts == expected


@pytest.mark.parametrize("n", [6, 7, 15, 40, 99, 1000])
def test_the_medians_interval_holds_in_95_of_100(n: int) -> None:
    """Of samples of a crooked distribution at least 94 in 100 intervals contain the median that it has."""
    dice = np.random.default_rng(n)
    samples = np.sort(dice.exponential(1.0, (4000, n)), axis=1)
    inside = sum(low <= np.log(2) <= high for low, high in map(median_interval, samples))  # type: ignore[operator]
    assert 0.935 <= inside / 4000 <= 0.99
    assert median_interval(samples[0][:5]) == (None, None)


async def test_numbers_come_back_as_they_were(any_database: Database) -> None:
    """Narrow, wide and negative ones, in the order of time, in as few bytes as they need; and go when none are left."""
    count = 5
    base = seconds_of(datetime(2026, 3, 1, 8, tzinfo=UTC))
    found = {
        "at": np.array([base + 9, base + 1, base + 5, base + 1, base], dtype="<u4"),
        "team": np.array([1, 0, 127, 3, 4]),
        "product": np.array([1, 0, 128, 3, 4]),
        "agent": np.array([70_000, 0, 1, 2, 3]),
        "person": np.array([-(2**40), 2**40, 1, 2, 3]),
        "score": np.array([-1, 10, 4, 5, 6]),
    }
    async with any_database.begin() as session:
        await columns.write(session, "test", DAY, found)
    async with any_database.read() as session:
        rows = await session.execute(select(FigureColumn.name, FigureColumn.data))
        widths = {name: len(data) // count for name, data in rows}
        back = await columns.read(session, "test", DAY, DAY, ("team", "product", "agent", "person", "score"))
    assert widths == {"at": 4, "team": 1, "product": 2, "agent": 4, "person": 8, "score": 1}
    order = [4, 1, 3, 2, 0]
    assert {name: parts[0].tolist() for name, parts in back.items()} == {
        name: values[order].tolist() for name, values in found.items()
    }
    async with any_database.begin() as session:
        await columns.write(session, "test", DAY, {name: values[:0] for name, values in found.items()})
    async with any_database.read() as session:
        assert (await columns.read(session, "test", DAY, DAY, ("team",)))["at"] == []


async def test_a_day_written_meanwhile_is_read_anew(any_database: Database) -> None:
    """Between two figures of a page in a transaction that sees what is committed: all columns are of the same rows."""
    since = datetime(2026, 3, 1, tzinfo=UTC)
    f = Filters(since, since + timedelta(days=1))
    base = seconds_of(since)

    async def write(count: int) -> None:
        async with any_database.begin() as session:
            rows = np.arange(count)
            await columns.write(
                session, "responses", DAY, {"at": rows + base, "seconds": rows * 60, "team": rows % 2, "id": rows}
            )

    await write(4)
    async with any_database.read() as session:
        assert (await figures.first_response(session, f)).n == 4
        await write(8)
        # One moment: what the page has begun with, it ends with.
        assert (await figures.first_response(session, f)).n == 4
        assert (await figures.first_response(session, f.with_(teams=("",)))).n == 2
    if any_database.is_sqlite:
        return
    async with any_database.glance() as session:
        assert (await figures.first_response(session, f)).n == 8
        await write(6)
        assert (await figures.first_response(session, f.with_(teams=("",)))).n == 3
        assert (await figures.first_response(session, f)).n == 6


async def test_comments_of_one_kind(any_database: Database) -> None:
    """Newest first, of the kinds that are asked for, page by page; without a word it is no comment."""
    since = datetime(2026, 3, 1, tzinfo=UTC)
    f = Filters(since, since + timedelta(days=1))
    async with any_database.begin() as session:
        talk = Conversation(channel="web", address_key="a", chat="a", user="a", language="en")
        session.add(talk)
        await session.flush()
        for number in range(12):
            kind = ("csat", "nps", "ces")[number % 3]
            session.add(
                Survey(
                    kind=kind, conversation_id=talk.id, status=SurveyStatus.ANSWERED, score=3, channel="web",
                    delivered_at=since + timedelta(minutes=number), comment=f"{kind} {number}" if number else "",
                )
            )  # fmt: skip
    async with any_database.read() as session:
        everything = await figures.comments(session, f)
        assert [item.text for item in everything] == [
            f"{('csat', 'nps', 'ces')[number % 3]} {number}" for number in range(11, 0, -1)
        ]
        first = await figures.comments(session, f, 2, kinds=("csat",))
        assert [item.text for item in first] == ["csat 9", "csat 6"]
        rest = await figures.comments(session, f, 2, first[-1].survey_id, ("csat",))
        assert [item.text for item in rest] == ["csat 3"]
        both = await figures.comments(session, f, 3, kinds=("nps", "ces"))
        assert [item.text for item in both] == ["ces 11", "nps 10", "ces 8"]
        assert await figures.comments(session, f.with_(channels=("slack",)), kinds=("nps",)) == []
