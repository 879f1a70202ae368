"""CSAT, NPS and CES, what customers wrote, and what was done about low scores."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.storage.figures import columns
from bot.storage.figures.facts import ANSWERED, LATE, Frame, load
from bot.storage.figures.filters import Bucket, Dimension, Filters
from bot.storage.figures.formulas import score_of, wilson
from bot.storage.figures.results import KINDS, SCALES, Cell, Comment, FollowUpFigures, Kind, Point, Score, ratio
from bot.storage.models import FollowUp, Survey, User, now

OUTCOMES = ("recovered", "not_recovered", "not_reached")


def _counts(kind: Kind, frame: Frame, groups: Any, size: int) -> list[Score]:
    """The scores of groups, by the number that each row has."""
    scale = SCALES[kind]
    counted = (frame["state"] == ANSWERED) & (frame["score"] >= scale.start) & (frame["score"] < scale.stop)
    place = groups[counted] * len(scale) + (frame["score"][counted].astype(np.int64) - scale.start)
    answers = np.bincount(place, minlength=size * len(scale)).reshape(size, len(scale))
    delivered = np.bincount(groups, minlength=size)
    late = np.bincount(groups[frame["state"] == LATE], minlength=size)
    return [
        score_of(
            kind,
            dict(zip(scale, map(int, answers[number]), strict=True)),
            int(delivered[number]),
            int(late[number]),
        )
        for number in range(size)
    ]


async def score(session: AsyncSession, kind: Kind, f: Filters) -> Score:
    """The score of the surveys that were delivered in the period; late answers are not counted."""
    frame = await load(session, kind, f, "score", "state")
    return _counts(kind, frame, np.zeros(len(frame), dtype=np.int64), 1)[0]


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
    frame = await load(session, kind, f, "score", "state")
    borders = np.array([columns.seconds_of(begin) for _, begin, _ in buckets[1:]], dtype=np.int64)
    groups = columns.bucketed(frame["at"], borders)
    scores = _counts(kind, frame, groups, len(buckets))
    return [Point(*bounds, found) for bounds, found in zip(buckets, scores, strict=True)]


async def breakdown(session: AsyncSession, kind: Kind, f: Filters, by: Dimension, *, min_cell: int = 5) -> list[Cell]:
    """The score by the values of a dimension, the largest first; without it where fewer than ``min_cell`` answered."""
    frame = await load(session, kind, f, "score", "state", by)
    numbers, groups = columns.grouped(frame[by])
    names = await named(session, by, numbers)
    cells = [
        Cell(*name, found.n, found.delivered, found if found.n >= max(min_cell, 1) else None)
        for name, found in zip(names, _counts(kind, frame, groups, len(numbers)), strict=True)
    ]
    return sorted(cells, key=lambda cell: (-cell.n, -cell.delivered, cell.name, str(cell.value)))


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


def follow_up_conditions(f: Filters) -> list[ColumnElement[bool]]:
    """The filters, as conditions on follow-ups, whose team is their own, and on their surveys."""
    teams = [FollowUp.team.in_(f.teams)] if f.teams else []
    return [*teams, *survey_conditions(f.with_(teams=()))]


async def comments(session: AsyncSession, f: Filters, limit: int = 50, before: int | None = None) -> list[Comment]:
    """What customers wrote, of all kinds of surveys that were delivered in the period, newest first.

    Args:
        session: the transaction.
        f: which surveys.
        limit: at most so many.
        before: the ``survey_id`` of the last one of the page before.
    """
    where = [Survey.delivered_at >= f.since, Survey.delivered_at < f.until, Survey.comment != ""]
    last = await session.get(Survey, before) if before is not None else None
    if last is not None and last.delivered_at is not None:
        older = and_(Survey.delivered_at == last.delivered_at, Survey.id < last.id)
        where.append(or_(Survey.delivered_at < last.delivered_at, older))
    found: list[Survey] = []
    for kind in KINDS:
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
    overdue = and_(FollowUp.closed_at.is_(None), FollowUp.due_at < (at or now()))
    query = select(
        func.count(),
        func.count().filter(FollowUp.closed_at.is_(None)),
        func.count().filter(overdue),
        *(func.count().filter(FollowUp.outcome == outcome) for outcome in OUTCOMES),
    ).where(FollowUp.created_at >= f.since, FollowUp.created_at < f.until)
    if f.with_(teams=()).narrowed:
        query = query.join(Survey, Survey.id == FollowUp.survey_id)
    query = query.where(*follow_up_conditions(f))
    row: Any = (await session.execute(query)).one()
    opened, still, late, recovered, lost, unreached = row
    closed = recovered + lost + unreached
    low, high = wilson(recovered, closed)
    return FollowUpFigures(opened, still, late, recovered, lost, unreached, ratio(recovered, closed), low, high)
