"""CSAT, NPS and CES, what customers wrote, and what was done about low scores."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, and_, func, literal_column, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.storage.figures import columns
from bot.storage.figures.columns import Array
from bot.storage.figures.facts import (
    ANSWERED,
    FOLLOW_UPS,
    LATE,
    NOTHING,
    OUTCOMES,
    STILL_OPEN,
    Frame,
    load,
)
from bot.storage.figures.filters import Bucket, Dimension, Filters
from bot.storage.figures.formulas import score_of, wilson
from bot.storage.figures.results import KINDS, SCALES, Cell, Comment, FollowUpFigures, Kind, Point, Score, ratio
from bot.storage.models import Survey, User, now


@lru_cache
def _table(kind: Kind) -> Array:
    """For each score and state what an answer is counted as: its place on the scale, late, or only delivered."""
    scale = SCALES[kind]
    table = np.full((_SCORES, LATE + 1), len(scale) + 1, dtype=np.int8)
    table[:, LATE] = len(scale)
    for rating in scale:
        table[rating - NOTHING, ANSWERED] = rating - scale.start
    return table.ravel()


# As many as a score of one byte can be, from NOTHING on.
_SCORES = 129


def _counted(kind: Kind, frame: Frame) -> tuple[Array, int]:
    """What each survey is counted as, see :func:`_table`, and how many kinds of that there are."""
    key = (frame["score"].astype(np.int16) - NOTHING) * (LATE + 1) + frame["state"]
    return _table(kind)[key], len(SCALES[kind]) + 2


def _score_of(kind: Kind, counts: Array) -> Score:
    scale = SCALES[kind]
    told = [int(count) for count in counts]
    return score_of(kind, dict(zip(scale, told[: len(scale)], strict=True)), sum(told), told[len(scale)])


async def score(session: AsyncSession, kind: Kind, f: Filters) -> Score:
    """The score of the surveys that were delivered in the period; late answers are not counted."""
    return (await _slices(session, kind, f, ()))[0]


async def _slices(session: AsyncSession, kind: Kind, f: Filters, borders: Sequence[int]) -> list[Score]:
    """The scores of the parts of a period."""
    frame = await load(session, kind, f, "score", "state")

    def count() -> list[Score]:
        counted, size = _counted(kind, frame)
        return [
            _score_of(kind, np.bincount(counted[part], minlength=size)) for part in columns.parted(frame["at"], borders)
        ]

    return await asyncio.to_thread(count)


async def csat(session: AsyncSession, f: Filters) -> Score:
    """Customer satisfaction, see :func:`score`."""
    return await score(session, "csat", f)


async def nps(session: AsyncSession, f: Filters) -> Score:
    """The net promoter score, see :func:`score`."""
    return await score(session, "nps", f)


async def ces(session: AsyncSession, f: Filters) -> Score:
    """The customer effort score, see :func:`score`."""
    return await score(session, "ces", f)


async def trend(session: AsyncSession, kind: Kind, f: Filters, bucket: Bucket) -> list[Point]:
    """The score by day, week or month of the filters' zone, those without surveys included."""
    buckets = f.buckets(bucket)
    scores = await _slices(session, kind, f, [columns.seconds_of(begin) for _, begin, _ in buckets[1:]])
    return [Point(*bounds, found) for bounds, found in zip(buckets, scores, strict=True)]


async def breakdown(session: AsyncSession, kind: Kind, f: Filters, by: Dimension, *, min_cell: int = 5) -> list[Cell]:
    """The score by the values of a dimension, the largest first; without it where fewer than ``min_cell`` answered."""
    return (await breakdowns(session, kind, f, (by,), min_cell=min_cell))[by]


async def breakdowns(
    session: AsyncSession, kind: Kind, f: Filters, dimensions: Sequence[Dimension], *, min_cell: int = 5
) -> dict[Dimension, list[Cell]]:
    """:func:`breakdown` by several dimensions, whose columns are read together."""
    frame = await load(session, kind, f, "score", "state", *dimensions)

    def count() -> dict[Dimension, tuple[Array, list[Score]]]:
        counted, size = _counted(kind, frame)
        parts = {by: columns.tabled(frame[by], counted, size) for by in dimensions}
        return {by: (numbers, [_score_of(kind, row) for row in counts]) for by, (numbers, counts) in parts.items()}

    counted_by, found = await asyncio.to_thread(count), {}
    # All their words at once.
    words = {int(number) for by, (numbers, _) in counted_by.items() if by != "agent" for number in numbers}
    await columns.words_of(session, sorted(words))
    for by, (numbers, scores) in counted_by.items():
        cells = [
            Cell(*name, one.n, one.delivered, one if one.n >= max(min_cell, 1) else None)
            for name, one in zip(await named(session, by, numbers), scores, strict=True)
        ]
        found[by] = sorted(cells, key=lambda cell: (-cell.n, -cell.delivered, cell.name, str(cell.value)))
    return found


async def named(session: AsyncSession, by: Dimension, numbers: Any) -> list[tuple[str | int, str]]:
    """The values that a column's numbers stand for, and how they are read."""
    found = [int(number) for number in numbers]
    if by != "agent":
        words = await columns.words_of(session, found)
        return [(words[number], words[number]) for number in found]
    rows = await session.execute(select(User.id, User.name)) if found else ()
    people: dict[int, str] = {row.id: row.name for row in rows}
    return [(number, people.get(number, "")) for number in found]


def survey_conditions(f: Filters) -> list[ColumnElement[bool]]:
    """The filters, as conditions on surveys."""
    fields: dict[Dimension, Any] = {
        "channel": Survey.channel,
        "language": Survey.language,
        "agent": func.coalesce(Survey.agent_id, 0),
        "team": Survey.team,
        "type": Survey.ticket_type,
        "product": Survey.product,
        "country": Survey.country,
        "tier": Survey.tier,
    }
    return [fields[by].in_(values) for by, values in f.narrowed.items()]


async def comments(
    session: AsyncSession,
    f: Filters,
    limit: int = 50,
    before: int | None = None,
    kinds: Sequence[Kind] = KINDS,
) -> list[Comment]:
    """What customers wrote with the surveys that were delivered in the period, newest first.

    Args:
        session: the transaction.
        f: which surveys.
        limit: at most so many.
        before: the ``survey_id`` of the last one of the page before.
        kinds: of which kinds of surveys.
    """
    # In the statement and not a parameter of it: so the index of those that have one is used.
    written = Survey.comment != literal_column("''")
    where = [Survey.delivered_at >= f.since, Survey.delivered_at < f.until, written]
    last = await session.get(Survey, before) if before is not None else None
    if last is not None and last.delivered_at is not None:
        older = and_(Survey.delivered_at == last.delivered_at, Survey.id < last.id)
        where.append(or_(Survey.delivered_at < last.delivered_at, older))
    found: list[Survey] = []
    for kind in kinds:
        # Each kind by its own index, backwards from the newest.
        query = select(Survey).where(Survey.kind == kind, *where, *survey_conditions(f))
        rows = await session.scalars(query.order_by(Survey.delivered_at.desc(), Survey.id.desc()).limit(limit))
        found += rows
    found.sort(key=lambda row: (row.delivered_at or row.created_at, row.id), reverse=True)
    return [
        Comment(
            survey_id=row.id,
            kind=row.kind,
            score=row.score,
            text=row.comment,
            at=row.answered_at or row.delivered_at or row.created_at,
            channel=row.channel,
            language=row.language,
            team=row.team,
            agent_id=row.agent_id,
            topic=row.topic,
            sentiment=row.sentiment,
            conversation_id=row.conversation_id,
            ticket_id=row.ticket_id,
        )
        for row in found[:limit]
    ]


async def follow_ups(session: AsyncSession, f: Filters, at: datetime | None = None) -> FollowUpFigures:
    """Follow-ups that were opened in the period; overdue as of ``at``, by default now."""
    frame = await load(session, FOLLOW_UPS, f, "outcome", "due")
    moment = columns.seconds_of(at or now())

    def count() -> tuple[list[int], int]:
        counts = np.bincount(frame["outcome"], minlength=len(OUTCOMES) + 1).tolist()
        return counts, int(np.count_nonzero((frame["outcome"] == STILL_OPEN) & (frame["due"] < moment)))

    (still, recovered, lost, unreached, _), late = await asyncio.to_thread(count)
    closed = recovered + lost + unreached
    low, high = wilson(recovered, closed)
    rate = ratio(recovered, closed)
    return FollowUpFigures(len(frame), still, late, recovered, lost, unreached, rate, low, high)
