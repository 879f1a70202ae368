"""Keeps what the managers' figures are counted from in step with what happens, a moment later and many at a time.

What was said is taken from the transcript up to a mark; what else has changed is noted by triggers, see
:class:`bot.storage.models.FigureChange`. Each batch is one transaction: the mark moves, and the notes go, with what was
made of them, so that a crash loses and doubles nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, insert, literal, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from bot.config import Settings
from bot.services import episodes, ticket_times
from bot.storage import Database, insert_ignore, now
from bot.storage.figures.columns import CHUNK, day_of
from bot.storage.figures.facts import FOLLOW_UPS, write_day
from bot.storage.figures.operations import AS_OF
from bot.storage.figures.results import KINDS
from bot.storage.models import (
    Episode,
    FigureChange,
    FigureColumn,
    FigureMark,
    FigureWord,
    FollowUp,
    Handoff,
    Message,
    Survey,
    Ticket,
    TicketSpan,
    TicketTime,
)

BATCH = 1000
# For the first run over an old database, and for tools.
LARGE = 20_000
# How old the mark may be that says up to when the figures are, where nothing happens.
FRESH = timedelta(minutes=1)
_LOCK = 0x4C44_0008
_SAID, _NEWEST, _HORIZON = "messages", "newest", "horizon"


async def _mark(session: AsyncSession, name: str) -> FigureMark:
    found = await session.get(FigureMark, name)
    if found is None:
        await session.execute(insert_ignore(session, FigureMark).values(name=name, value=0, at=now()))
        found = await session.get_one(FigureMark, name)
    return found


async def _settled(session: AsyncSession) -> tuple[int, datetime]:
    """Up to which id every message is there, and when that was so.

    SQLite has one writer, so that ids come in order. On PostgreSQL a lower id may be committed after a higher one:
    the newest id counts only once everyone has ended who was writing when it was seen.
    """
    moment = now()
    newest = await session.scalar(select(func.max(Message.id))) or 0
    if session.get_bind().dialect.name == "sqlite":
        return newest, moment
    seen, horizon = await _mark(session, _NEWEST), await _mark(session, _HORIZON)
    oldest, after = (
        await session.execute(
            text(
                "SELECT CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS text) AS bigint),"
                " CAST(CAST(pg_snapshot_xmax(pg_current_snapshot()) AS text) AS bigint)"
            )
        )
    ).one()
    settled = seen.value, seen.at
    if not horizon.value or oldest >= horizon.value:
        if not horizon.value:
            settled = 0, moment
        seen.value, seen.at, horizon.value = newest, moment, after
    return settled if oldest >= 0 else (0, moment)


async def is_behind(session: AsyncSession) -> bool:
    """Whether there is anything to do; cheap."""
    if await session.scalar(select(FigureChange.id).limit(1)) is not None:
        return True
    said = await session.get(FigureMark, _SAID)
    newest = await session.scalar(select(func.max(Message.id))) or 0
    if newest > (said.value if said is not None else 0):
        return True
    seen = await session.get(FigureMark, AS_OF)
    return seen is None or now() - seen.at > FRESH


async def refresh(session: AsyncSession, settings: Settings, limit: int = BATCH) -> bool:
    """Take in a batch of what has happened; whether there may be more.

    Args:
        session: a transaction that writes. On PostgreSQL only one process works at this at a time.
        settings: all settings.
        limit: at most so many changes, and so many messages.
    """
    if session.get_bind().dialect.name != "sqlite":
        if not await session.scalar(select(func.pg_try_advisory_xact_lock(_LOCK))):
            return False
    more = await _take_changes(session, settings, limit)
    said = await _mark(session, _SAID)
    settled, moment = await _settled(session)
    builder = episodes.Builder(session, settings.recognizer.threshold)
    last = await builder.take(said.value, settled, limit) if settled > said.value else None
    if last is not None:
        said.value = last
        answered = await ticket_times.unanswered(session, sorted(builder.touched.answered))
        await _write(session, await ticket_times.update_times(session, answered, settings))
        await _write_touched(session, builder.touched)
    behind = last is not None and last < settled
    if not behind and not more:
        (await _mark(session, AS_OF)).at = moment
    await session.flush()
    return more or behind


async def _write(session: AsyncSession, days: dict[str, set[date]]) -> None:
    for fact, found in days.items():
        for day in sorted(found):
            await write_day(session, fact, day)


async def _write_touched(session: AsyncSession, touched: episodes.Touched) -> None:
    for day in sorted(touched.episodes):
        await write_day(session, "episodes", day)
    for day in sorted(touched.messages):
        await episodes.write_messages(session, day)


async def _take_changes(session: AsyncSession, settings: Settings, limit: int) -> bool:
    rows = (
        await session.execute(
            select(FigureChange.id, FigureChange.fact, FigureChange.ref, FigureChange.at)
            .order_by(FigureChange.id)
            .limit(limit)
        )
    ).all()
    if not rows:
        return False
    refs: dict[str, set[int]] = defaultdict(set)
    days: dict[str, set[date]] = defaultdict(set)
    for row in rows:
        refs[row.fact].add(row.ref)
        if row.at is not None and row.fact in _COLUMNS_OF:
            for fact in _COLUMNS_OF[row.fact]:
                days[fact].add(day_of(row.at))
    await _write(session, days)
    if tickets := sorted(refs["ticket"]):
        await _write(session, await ticket_times.update_times(session, tickets, settings))
    talks = await _talks(session, Handoff.conversation_id, Handoff.id, refs["handoff"])
    talks |= await _talks(session, Ticket.conversation_id, Ticket.id, refs["ticket"]) | refs["link"]
    if talks:
        touched = episodes.Touched()
        described = await episodes.describe(session, sorted(talks), None, touched)
        await episodes.mark_returns(session, described, touched)
        await session.flush()
        await _write_touched(session, touched)
    await _each(session, [row.id for row in rows], lambda some: delete(FigureChange).where(FigureChange.id.in_(some)))
    return len(rows) == limit


_COLUMNS_OF = {"survey": KINDS, "follow_up": (FOLLOW_UPS,), "handoff": ("handoffs",)}


async def _talks(session: AsyncSession, talk: Any, key: Any, ids: Iterable[int]) -> set[int]:
    found: set[int] = set()
    wanted = sorted(ids)
    for begin in range(0, len(wanted), CHUNK):
        found |= set(await session.scalars(select(talk).where(key.in_(wanted[begin : begin + CHUNK]))))
    return found


async def _each(session: AsyncSession, ids: list[int], statement: Callable[[list[int]], Any]) -> None:
    for begin in range(0, len(ids), CHUNK):
        built = statement(ids[begin : begin + CHUNK])
        await session.execute(built.execution_options(synchronize_session=False))


async def catch_up(
    database: Database, settings: Settings, limit: int = LARGE, progress: Callable[[int], None] | None = None
) -> None:
    """Take in everything that has happened, at once. For tools and tests.

    On PostgreSQL it waits for those that are writing messages at this moment.
    """
    async with database.read() as session:
        newest = await session.scalar(select(func.max(Message.id))) or 0
    while True:
        async with database.begin() as session:
            more = await refresh(session, settings, limit)
            said = (await _mark(session, _SAID)).value
        if progress is not None:
            progress(said)
        if not more and said >= newest:
            return


async def forget(session: AsyncSession) -> None:
    """Delete everything that the figures are counted from, and note all there is as changed."""
    for table in (FigureColumn, FigureMark, FigureWord, FigureChange, TicketSpan, TicketTime, Episode):
        await session.execute(delete(table).execution_options(synchronize_session=False))
    for fact, model, at, where in (
        ("survey", Survey, Survey.delivered_at, Survey.delivered_at.is_not(None)),
        ("follow_up", FollowUp, FollowUp.created_at, FollowUp.id > 0),
        ("handoff", Handoff, Handoff.started_at, Handoff.id > 0),
        ("ticket", Ticket, Ticket.created_at, Ticket.id > 0),
    ):
        everything = select(literal(fact), model.id, at).where(where)
        await session.execute(insert(FigureChange).from_select(["fact", "ref", "at"], everything))
