"""Facts as columns: for each kind of fact and each day of UTC an array of numbers a column.

A dashboard asks for a few columns of very many rows. Read row by row, a million of them take seconds;
as arrays they take a hundredth of one, on both databases, and one piece of code counts them, so that both
databases answer the same to the last digit. See ``docs/adr/0008-figures-as-columns.md``.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from sqlalchemy import and_, delete, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from bot.storage.database import insert_ignore
from bot.storage.models import FigureColumn, FigureWord

Array: TypeAlias = npt.NDArray[Any]
# The values of the dimensions, as columns; words stand for themselves by the ids of FigureWord, 0 for "".
WORDS = ("channel", "language", "team", "type", "product", "country", "tier")
DIMENSION_COLUMNS = (*WORDS, "agent")
# What a column's numbers are in memory before they are stored.
_TYPES = {
    "id": "<i8",
    "at": "<u4",  # whole seconds since 1970
    "score": "i1",
    "state": "i1",
    "seconds": "<i8",
    "kept": "i1",
    "ended": "<u4",
    "due": "<u4",
    "outcome": "i1",
    "person": "<i8",
    "reason": "<i4",
    "author": "i1",
    "confidence": "<i2",
    "read": "i1",
    "episode": "<i8",
    "agent": "<i4",
} | dict.fromkeys(WORDS, "<i4")
# Times are always stored in four bytes; everything else as narrow as a day's numbers allow, which are fewer bytes to
# read. How wide they are follows from how many times there are.
_TIMES = ("at", "ended", "due")
_WIDTHS = (1, 2, 4, 8)
EPOCH = date(1970, 1, 1)
# Parameters of one statement.
CHUNK = 500


def seconds_of(moment: datetime) -> int:
    """A moment in whole seconds since 1970, rounded down."""
    return (moment.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)


def day_of(moment: datetime) -> date:
    """The day of UTC."""
    return moment.astimezone(UTC).date()


def day_of_seconds(seconds: int) -> date:
    """The day of UTC of so many seconds since 1970."""
    return EPOCH + timedelta(days=int(seconds) // 86_400)


def array(name: str, values: Sequence[Any]) -> Array:
    """A column of values."""
    return np.array(values, dtype=_TYPES[name])


@dataclass(slots=True)
class Words:
    """The words that columns stand for, as far as they were needed. Unknown ones get numbers below zero
    that hold in this transaction only."""

    ids: dict[str, int]
    words: dict[int, str]

    @classmethod
    def of(cls, session: AsyncSession) -> Words:
        """Those of a session."""
        found: Words = session.info.setdefault("figure_words", cls({"": 0}, {0: ""}))
        return found

    def learn(self, pairs: Iterable[tuple[int, str]]) -> None:
        """Remember words with their ids."""
        for number, word in pairs:
            self.ids[word], self.words[number] = number, word


async def codes(session: AsyncSession, words: Iterable[str]) -> dict[str, int]:
    """The numbers of words, for reading."""
    known = Words.of(session)
    missing = [word for word in dict.fromkeys(words) if word not in known.ids]
    for begin in range(0, len(missing), CHUNK):
        rows = await session.execute(
            select(FigureWord.id, FigureWord.word).where(FigureWord.word.in_(missing[begin : begin + CHUNK]))
        )
        known.learn((row.id, row.word) for row in rows)
    for word in missing:
        if word not in known.ids:
            known.learn([(-len(known.ids), word)])
    return known.ids


async def words_of(session: AsyncSession, numbers: Iterable[int]) -> dict[int, str]:
    """The words that numbers stand for."""
    known = Words.of(session)
    missing = [int(number) for number in numbers if int(number) not in known.words]
    for begin in range(0, len(missing), CHUNK):
        rows = await session.execute(
            select(FigureWord.id, FigureWord.word).where(FigureWord.id.in_(missing[begin : begin + CHUNK]))
        )
        known.learn((row.id, row.word) for row in rows)
    return known.words


async def lasting_codes(session: AsyncSession, words: Iterable[str]) -> dict[str, int]:
    """The numbers of words, given to those that have none yet; in a transaction that writes."""
    known = Words.of(session)
    wanted = [word for word in dict.fromkeys(words) if known.ids.get(word, -1) < 0]
    for begin in range(0, len(wanted), CHUNK):
        some = wanted[begin : begin + CHUNK]
        await session.execute(insert_ignore(session, FigureWord), [{"word": word} for word in some])
        rows = await session.execute(select(FigureWord.id, FigureWord.word).where(FigureWord.word.in_(some)))
        known.learn((row.id, row.word) for row in rows)
    return known.ids


async def read(
    session: AsyncSession, fact: str, first: date, last: date, names: Sequence[str]
) -> dict[str, list[Array]]:
    """Columns of all days from one to another, each as a list of a day's arrays in the order of days.

    ``at`` is always among them: all are of one moment, and of the same rows.
    """
    return (await read_many(session, {fact: names}, first, last))[fact]


async def read_many(
    session: AsyncSession, wanted: Mapping[str, Sequence[str]], first: date, last: date
) -> dict[str, dict[str, list[Array]]]:
    """:func:`read` for several facts, in one statement."""
    all_of = {fact: tuple(dict.fromkeys(("at", *names))) for fact, names in wanted.items()}
    # Of the table and not of the class, which costs more than what is read.
    c = FigureColumn.__table__.c
    some = [and_(c.fact == fact, c.day >= first, c.day <= last, c.name.in_(names)) for fact, names in all_of.items()]
    found: dict[str, dict[str, list[Array]]] = {fact: {name: [] for name in names} for fact, names in all_of.items()}
    if not some:
        return found
    days: dict[tuple[str, date], dict[str, bytes]] = {}
    for fact, day, name, data in await session.execute(
        select(c.fact, c.day, c.name, c.data).where(or_(*some)).order_by(c.fact, c.day)
    ):
        days.setdefault((fact, day), {})[name] = data
    for (fact, _), stored in days.items():
        count = len(stored["at"]) // 4
        for name in all_of[fact]:
            found[fact][name].append(_unpacked(name, stored[name], count))
    return found


def _unpacked(name: str, data: bytes, count: int) -> Array:
    return np.frombuffer(data, dtype="<u4" if name in _TIMES else f"<i{len(data) // count}")


def _packed(name: str, values: Array) -> bytes:
    if name in _TIMES:
        return values.astype("<u4").tobytes()
    low, high = int(values.min()), int(values.max())
    width = next(width for width in _WIDTHS if -(1 << 8 * width - 1) <= low and high < 1 << 8 * width - 1)
    return values.astype(f"<i{width}").tobytes()


async def write(session: AsyncSession, fact: str, day: date, found: Mapping[str, Array]) -> None:
    """Put a day's columns in the place of those that are there, in the order of time; none at all for no rows."""
    if not found or not len(found["at"]):
        await session.execute(delete(FigureColumn).where(FigureColumn.fact == fact, FigureColumn.day == day))
        return
    build: Any = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    statement = build(FigureColumn)
    statement = statement.on_conflict_do_update(
        index_elements=["fact", "day", "name"], set_={"data": statement.excluded.data}
    )
    order = None if in_order(found["at"]) else np.argsort(found["at"], kind="stable")
    await session.execute(
        statement,
        [
            {"fact": fact, "day": day, "name": name, "data": _packed(name, values if order is None else values[order])}
            for name, values in found.items()
        ],
    )


def in_order(at: Array) -> bool:
    """Whether times are in their order."""
    return bool(np.all(at[1:] >= at[:-1]))


def joined(parts: Sequence[Array], name: str) -> Array:
    """One array of many."""
    return np.concatenate(parts) if parts else np.zeros(0, dtype=_TYPES[name])


# Up to so many places a table of counts has; for more, the values are sorted.
_TABLE = 1 << 22


def tabled(values: Array, codes: Array, size: int) -> tuple[Array, Array]:
    """How often each code occurs with each value: the different values, in order, and a row of counts for each.

    Args:
        values: whole numbers.
        codes: as many, from 0 on.
        size: how many codes there are.
    """
    if not len(values):
        return np.zeros(0, dtype=np.int64), np.zeros((0, size), dtype=np.int64)
    low, high = int(values.min()), int(values.max())
    if (high - low + 1) * size > _TABLE:
        found, places = np.unique(values, return_inverse=True)
        return found, np.bincount(places * size + codes, minlength=len(found) * size).reshape(-1, size)
    places = values.astype(np.int64)
    places -= low
    places *= size
    places += codes
    counts = np.bincount(places, minlength=(high - low + 1) * size).reshape(-1, size)
    there = np.flatnonzero(counts.any(axis=1))
    return there + low, counts[there]


def occurring(values: Array) -> Array:
    """The different values, in order."""
    return tabled(values, np.zeros(len(values), dtype=np.int8), 1)[0]


def among(values: Array, wanted: Sequence[int]) -> Array:
    """Which values are among a few."""
    if len(wanted) > 8:
        return np.isin(values, wanted)
    mask = np.zeros(len(values), dtype=bool)
    for one in wanted:
        mask |= values == one
    return mask


def parted(at: Array, borders: Sequence[int]) -> list[slice]:
    """Where the parts of a period are among times in their order; ``borders`` are the beginnings of all but the
    first."""
    places = [0, *np.searchsorted(at, np.array(borders, dtype=at.dtype)).tolist(), len(at)]
    return [slice(begin, end) for begin, end in itertools.pairwise(places)]


# Up to so many numbers are marked in a table rather than sorted.
_MARKED = 1 << 25


def different(values: Array) -> int:
    """How many different values there are."""
    if not len(values):
        return 0
    low, high = int(values.min()), int(values.max())
    if high - low < min(_MARKED, 64 * len(values)):
        marked = np.zeros(high - low + 1, dtype=bool)
        marked[values.astype(np.int64) - low] = True
        return int(np.count_nonzero(marked))
    # Sorting is faster than numpy's unique, which makes a hash table.
    ordered = np.sort(values)
    return int(np.count_nonzero(ordered[1:] != ordered[:-1])) + 1


def first_of_each(values: Array) -> tuple[Array, Array]:
    """The different values, and the place of the first of each."""
    if not len(values):
        return values.astype(np.int64), np.zeros(0, dtype=np.int64)
    low, high = int(values.min()), int(values.max())
    if high - low >= min(_MARKED, 64 * len(values)):
        return np.unique(values, return_index=True)
    places = np.full(high - low + 1, -1, dtype=np.int64)
    # Of those that are put in the same place the last one stays: so the first is put there last.
    places[values[::-1].astype(np.int64) - low] = np.arange(len(values))[::-1]
    found = np.flatnonzero(places >= 0)
    return found + low, places[found]
