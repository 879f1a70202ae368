"""Facts as columns: for each kind of fact and each day of UTC an array of numbers a column.

A dashboard asks for a few columns of very many rows. Read row by row, a million of them take seconds;
as arrays they take a hundredth of one, on both databases, and one piece of code counts them, so that both
databases answer the same to the last digit. See ``docs/adr/0008-figures-as-columns.md``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from bot.storage.database import insert_ignore
from bot.storage.models import FigureColumn, FigureWord

Array: TypeAlias = npt.NDArray[Any]
# The values of the dimensions, as columns; words stand for themselves by the ids of FigureWord, 0 for "".
WORDS = ("channel", "language", "team", "type", "product", "country", "tier")
DIMENSION_COLUMNS = (*WORDS, "agent")
_TYPES = {
    "id": "<i8",
    "at": "<u4",  # whole seconds since 1970
    "score": "i1",
    "state": "u1",
    "seconds": "<i8",
    "kept": "u1",
    "ended": "<u4",
    "outcome": "u1",
    "person": "<i8",
    "reason": "<i4",
    "author": "u1",
    "confidence": "<u2",
    "read": "u1",
    "episode": "<i8",
    "agent": "<i4",
} | dict.fromkeys(WORDS, "<i4")
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
    """Columns of all days from one to another, each as a list of a day's arrays in the order of days."""
    rows = await session.execute(
        select(FigureColumn.name, FigureColumn.data)
        .where(
            FigureColumn.fact == fact, FigureColumn.day >= first, FigureColumn.day <= last, FigureColumn.name.in_(names)
        )
        .order_by(FigureColumn.day, FigureColumn.name)
    )
    found: dict[str, list[Array]] = {name: [] for name in names}
    for name, data in rows:
        found[name].append(np.frombuffer(data, dtype=_TYPES[name]))
    return found


async def write(session: AsyncSession, fact: str, day: date, found: Mapping[str, Array]) -> None:
    """Put a day's columns in the place of those that are there; none at all for no rows."""
    if not found or not len(next(iter(found.values()))):
        await session.execute(delete(FigureColumn).where(FigureColumn.fact == fact, FigureColumn.day == day))
        return
    build: Any = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    statement = build(FigureColumn)
    statement = statement.on_conflict_do_update(
        index_elements=["fact", "day", "name"], set_={"data": statement.excluded.data}
    )
    await session.execute(
        statement,
        [
            {"fact": fact, "day": day, "name": name, "data": np.ascontiguousarray(values, _TYPES[name]).tobytes()}
            for name, values in found.items()
        ],
    )


def joined(parts: Sequence[Array], name: str) -> Array:
    """One array of many."""
    return np.concatenate(parts) if parts else np.zeros(0, dtype=_TYPES[name])


# Up to so many different numbers are told apart by a table, in one pass, and not by sorting.
_TABLE = 1 << 20


def grouped(values: Array) -> tuple[Array, Array]:
    """The different values, in order, and for each value which of them it is."""
    if not len(values):
        return values, np.zeros(0, dtype=np.int64)
    low, high = int(values.min()), int(values.max())
    if high - low >= _TABLE:
        found, places = np.unique(values, return_inverse=True)
        return found, places
    shifted = values.astype(np.int64) - low
    there = np.bincount(shifted, minlength=high - low + 1) > 0
    return np.flatnonzero(there) + low, (np.cumsum(there) - 1)[shifted]


def among(values: Array, wanted: Sequence[int]) -> Array:
    """Which values are among a few."""
    if len(wanted) > 8:
        return np.isin(values, wanted)
    mask = np.zeros(len(values), dtype=bool)
    for one in wanted:
        mask |= values == one
    return mask


def bucketed(at: Array, borders: Array) -> Array:
    """For each time the number of its bucket; ``borders`` are the beginnings of all buckets but the first."""
    if not len(at) or not len(borders):
        return np.zeros(len(at), dtype=np.int64)
    # All borders are on a full minute: so a table of minutes will do, unless somebody looks at decades.
    first, last = int(at.min()) // 60, int(at.max()) // 60
    if np.any(borders % 60) or last - first > 1 << 23:
        return np.searchsorted(borders, at.astype(np.int64), side="right")
    table: Array = np.searchsorted(borders, np.arange(first, last + 1) * 60, side="right")
    found: Array = table[at // 60 - first]
    return found


def different(values: Array) -> int:
    """How many different values there are."""
    # Sorting is faster than numpy's unique, which makes a hash table.
    ordered = np.sort(values)
    return int(np.count_nonzero(ordered[1:] != ordered[:-1])) + 1 if len(ordered) else 0
