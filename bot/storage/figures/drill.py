"""From a figure to what is behind it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias, cast, get_args

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.contracts import Author
from bot.storage.figures import columns
from bot.storage.figures.columns import Array
from bot.storage.figures.facts import (
    ANSWERED,
    AUTHORS,
    FALLBACK,
    FOLLOW_UPS,
    LATE,
    MESSAGES,
    OUTCOMES,
    STILL_OPEN,
    UNANSWERED,
    UNREAD,
    Frame,
    load,
)
from bot.storage.figures.filters import Filters
from bot.storage.figures.operations import PARTS, PROMISES, episode_parts, local_hours, ticket_conditions
from bot.storage.figures.results import KINDS, Drilled, Kind, Page
from bot.storage.models import (
    Conversation,
    Customer,
    Episode,
    FollowUp,
    Handoff,
    Survey,
    Ticket,
    TicketSpan,
    TicketStatus,
    TicketTime,
    now,
)

Figure: TypeAlias = Literal[
    "csat",
    "nps",
    "ces",
    "follow_ups",
    "volume",
    "first_response",
    "resolution",
    "promises",
    "backlog",
    "containment",
    "understanding",
    "handoff_reasons",
    "queue_wait",
    "busiest",
]
FIGURES: tuple[Figure, ...] = get_args(Figure)
PAGE_SIZE = 50


def _refuse(figure: str, cell: str) -> ValueError:
    return ValueError(f"{figure} has no part {cell!r}")


async def drill(session: AsyncSession, figure: Figure, f: Filters, cell: str = "", page: int = 1) -> Page:
    """The surveys, tickets or conversations that a figure counts, newest first.

    Args:
        session: the transaction.
        figure: which.
        f: its filters; narrow them to reach a day of a trend or a value of a breakdown.
        cell: a part of the figure, ``""`` for all of it: for scores a rating (``"4"``), ``"late"`` or
            ``"unanswered"``; for follow-ups ``"open"``, ``"overdue"`` or an outcome; for promises ``kind:kept`` or
            ``kind:missed``; for the backlog a status; for containment a part; for understanding a language,
            or ``language:fallback``; a reason of hand-overs; for the busiest hours ``weekday:hour``.
        page: counts from 1.

    Raises:
        ValueError: the figure has no such part.
    """
    page = max(1, page)
    if figure in KINDS:
        return await _surveys(session, figure, f, cell, page)
    if figure == "follow_ups":
        return await _follow_ups(session, f, cell, page)
    if figure == "backlog":
        return await _backlog(session, f, cell, page)
    if figure in ("first_response", "resolution"):
        fact = "responses" if figure == "first_response" else "resolutions"
        frame = await load(session, fact, f, "id", "seconds")
        return await _tickets(session, frame.where(frame["seconds"] >= 0), page, "seconds")
    if figure == "promises":
        return await _promises(session, f, cell, page)
    if figure in ("handoff_reasons", "queue_wait"):
        frame = await load(session, "handoffs", f, "id", "seconds", "reason")
        if figure == "queue_wait":
            frame = frame.where(frame["seconds"] >= 0)
        elif cell:
            frame = frame.where(frame["reason"] == (await columns.codes(session, [cell]))[cell])
        return await _handoffs(session, frame, page)
    return await _talks(session, figure, f, cell, page)


def _newest(frame: Frame, page: int) -> tuple[list[int], int, int]:
    """The places of a page's rows, how many rows there are, and how many pages."""
    total, at = len(frame), frame["at"]
    last = min(page * PAGE_SIZE, total)
    # The rows are in the order of time: only those of the page's end and newer need the other order.
    begin = int(np.searchsorted(at, at[total - last])) if last else total
    order = np.lexsort((frame["id"][begin:], at[begin:]))[::-1] + begin
    places = order[(page - 1) * PAGE_SIZE : page * PAGE_SIZE]
    return [int(place) for place in places], total, max(1, -(-total // PAGE_SIZE))


async def _page(
    session: AsyncSession,
    frame: Frame,
    page: int,
    query: Callable[[Sequence[int]], Any],
    item: Callable[[Any, int], Drilled],
) -> Page:
    """A page of what a frame's rows stand for."""
    places, total, pages = await asyncio.to_thread(_newest, frame, page)
    ids = [int(frame["id"][place]) for place in places]
    rows = {row.id: row for row in await session.execute(query(ids))} if ids else {}
    found = [item(rows[number], place) for number, place in zip(ids, places, strict=True) if number in rows]
    return Page(tuple(found), total, page, pages)


_NAME = func.coalesce(func.nullif(Conversation.name, ""), Customer.name, "").label("name")


def _with_conversation(query: Any, talk: Any) -> Any:
    return query.join(Conversation, Conversation.id == talk).outerjoin(
        Customer, Customer.id == Conversation.customer_id
    )


async def _surveys(session: AsyncSession, kind: str, f: Filters, cell: str, page: int) -> Page:
    frame = await load(session, cast("Kind", kind), f, "id", "score", "state")
    if cell in ("late", "unanswered"):
        frame = frame.where(frame["state"] == (LATE if cell == "late" else UNANSWERED))
    elif cell:
        if not cell.isascii() or not cell.isdecimal() or len(cell) > 2:
            raise _refuse(kind, cell)
        frame = frame.where((frame["state"] == ANSWERED) & (frame["score"] == int(cell)))
    else:
        frame = frame.where(frame["state"] == ANSWERED)
    states = {UNANSWERED: "unanswered", ANSWERED: "answered", LATE: "late"}

    def query(ids: Sequence[int]) -> Any:
        return _with_conversation(_survey_rows(), Survey.conversation_id).where(Survey.id.in_(ids))

    def item(row: Any, place: int) -> Drilled:
        detail = {"score": row.score, "state": states[int(frame["state"][place])], "ticket": row.ticket_id}
        return Drilled("survey", row.id, row.conversation_id, row.name, row.channel, row.delivered_at, detail)

    return await _page(session, frame, page, query, item)


def _survey_rows() -> Any:
    return select(
        Survey.id,
        Survey.conversation_id,
        Survey.ticket_id,
        Survey.score,
        Survey.delivered_at,
        Survey.channel,
        _NAME,
    )


async def _counted(session: AsyncSession, query: Any, order: Sequence[Any], page: int) -> tuple[Sequence[Any], int]:
    total = await session.scalar(select(func.count()).select_from(query.subquery())) or 0
    rows = await session.execute(query.order_by(*order).limit(PAGE_SIZE).offset((page - 1) * PAGE_SIZE))
    return rows.all(), total


async def _follow_ups(session: AsyncSession, f: Filters, cell: str, page: int) -> Page:
    frame = await load(session, FOLLOW_UPS, f, "id", "outcome", "due")
    if cell in ("open", "overdue"):
        frame = frame.where(frame["outcome"] == STILL_OPEN)
        if cell == "overdue":
            frame = frame.where(frame["due"] < columns.seconds_of(now()))
    elif cell in OUTCOMES:
        frame = frame.where(frame["outcome"] == OUTCOMES.index(cell) + 1)
    elif cell:
        raise _refuse("follow_ups", cell)

    def query(ids: Sequence[int]) -> Any:
        rows = select(
            FollowUp.id,
            FollowUp.created_at,
            FollowUp.due_at,
            FollowUp.outcome,
            FollowUp.owner_id,
            Survey.id.label("survey"),
            Survey.conversation_id,
            Survey.score,
            Survey.channel,
            _NAME,
        ).join(Survey, Survey.id == FollowUp.survey_id)
        return _with_conversation(rows, Survey.conversation_id).where(FollowUp.id.in_(ids))

    def item(row: Any, _: int) -> Drilled:
        detail = {"score": row.score, "outcome": row.outcome, "due_at": row.due_at, "owner": row.owner_id}
        return Drilled("survey", row.survey, row.conversation_id, row.name, row.channel, row.created_at, detail)

    return await _page(session, frame, page, query, item)


def _ticket_rows() -> Any:
    return select(
        Ticket.id, Ticket.conversation_id, Ticket.type, Ticket.status, Ticket.created_at, Conversation.channel, _NAME
    )


async def _tickets(session: AsyncSession, frame: Frame, page: int, name: str) -> Page:
    def query(ids: Sequence[int]) -> Any:
        return _with_conversation(_ticket_rows(), Ticket.conversation_id).where(Ticket.id.in_(ids))

    def item(row: Any, place: int) -> Drilled:
        detail = {"type": row.type.value, "status": row.status.value, name: int(frame[name][place])}
        return Drilled("ticket", row.id, row.conversation_id, row.name, row.channel, row.created_at, detail)

    return await _page(session, frame, page, query, item)


async def _promises(session: AsyncSession, f: Filters, cell: str, page: int) -> Page:
    kind, _, part = cell.partition(":")
    if cell and (kind not in PROMISES or part not in ("", "kept", "missed")):
        raise _refuse("promises", cell)
    frames = [await load(session, name, f, "id", "kept") for name in PROMISES if kind in ("", name)]
    frame = Frame({name: np.concatenate([one[name] for one in frames]) for name in ("id", "at", "kept")})
    frame = frame.at(np.argsort(frame["at"], kind="stable"))
    if part:
        frame = frame.where(frame["kept"] == int(part == "kept"))
    return await _tickets(session, frame, page, "kept")


async def _backlog(session: AsyncSession, f: Filters, cell: str, page: int) -> Page:
    if cell and cell not in {status.value for status in TicketStatus}:
        raise _refuse("backlog", cell)
    moment = min(f.until, now())
    query = _with_conversation(_ticket_rows(), Ticket.conversation_id).add_columns(TicketSpan.status.label("then"))
    query = query.join(TicketSpan, TicketSpan.ticket_id == Ticket.id)
    query = query.join(TicketTime, TicketTime.ticket_id == Ticket.id)
    query = query.where(TicketSpan.until > moment, TicketSpan.since <= moment, *ticket_conditions(f))
    if cell:
        query = query.where(TicketSpan.status == cell)
    rows, total = await _counted(session, query, (Ticket.created_at.desc(), Ticket.id.desc()), page)
    found = [
        Drilled(
            "ticket",
            row.id,
            row.conversation_id,
            row.name,
            row.channel,
            row.created_at,
            {"type": row.type.value, "status": row.then},
        )
        for row in rows
    ]
    return Page(tuple(found), total, page, max(1, -(-total // PAGE_SIZE)))


async def _handoffs(session: AsyncSession, frame: Frame, page: int) -> Page:
    def query(ids: Sequence[int]) -> Any:
        rows = select(
            Handoff.id,
            Handoff.conversation_id,
            Handoff.reason,
            Handoff.started_at,
            Handoff.outcome,
            Conversation.channel,
            _NAME,
        )
        return _with_conversation(rows, Handoff.conversation_id).where(Handoff.id.in_(ids))

    def item(row: Any, place: int) -> Drilled:
        seconds = int(frame["seconds"][place])
        detail = {"reason": row.reason, "outcome": row.outcome, "seconds": seconds if seconds >= 0 else None}
        talk = row.conversation_id
        return Drilled("conversation", talk, talk, row.name, row.channel, row.started_at, detail)

    return await _page(session, frame, page, query, item)


async def _talks(session: AsyncSession, figure: str, f: Filters, cell: str, page: int) -> Page:
    """Episodes: by what became of them, or those of some messages."""
    if figure in ("volume", "containment"):
        frame, parts = await episode_parts(session, f, "id")
        if figure == "containment" and cell:
            if cell not in PARTS:
                raise _refuse(figure, cell)
            chosen = parts == PARTS[cell]
            frame, parts = frame.where(chosen), parts[chosen]
    else:
        messages = await load(session, MESSAGES, f, "episode", "author", "read", "language")
        language = cell.partition(":")[0]
        numbers = await columns.codes(session, [language])
        frame = await asyncio.to_thread(
            lambda: _last_of_each(messages, _said(figure, f, cell, messages, numbers[language]))
        )
        parts = None
    names = {number: name for name, number in PARTS.items()}

    def query(ids: Sequence[int]) -> Any:
        rows = select(
            Episode.id,
            Episode.conversation_id,
            Episode.subject,
            Episode.language,
            Episode.began_at,
            Episode.channel,
            _NAME,
        )
        return _with_conversation(rows, Episode.conversation_id).where(Episode.id.in_(ids))

    def item(row: Any, place: int) -> Drilled:
        detail = {"subject": row.subject, "language": row.language}
        if parts is not None:
            detail["part"] = names[int(parts[place])]
        talk = row.conversation_id
        return Drilled("conversation", talk, talk, row.name, row.channel, row.began_at, detail)

    return await _page(session, frame, page, query, item)


def _said(figure: str, f: Filters, cell: str, messages: Frame, number: int) -> Array:
    """Which messages a figure, or a part of it, counts; ``number`` stands for the cell's language."""
    if figure == "busiest":
        mask: Array = messages["author"] == AUTHORS.index(Author.CUSTOMER)
        if cell:
            day, _, hour = cell.partition(":")
            if not (day.isdecimal() and hour.isdecimal() and day.isascii() and hour.isascii()):
                raise _refuse(figure, cell)
            mask &= local_hours(messages["at"], f.tz) == int(day) * 24 + int(hour)
        return mask
    if figure != "understanding":
        raise ValueError(f"no such figure: {figure!r}")
    _, _, part = cell.partition(":")
    if part not in ("", "fallback"):
        raise _refuse(figure, cell)
    mask = messages["read"] == FALLBACK if part else messages["read"] != UNREAD
    if cell:
        mask &= messages["language"] == number
    return mask


def _last_of_each(messages: Frame, mask: Array) -> Frame:
    """The episodes of some messages, each with the time of its last one, in the order of these times."""
    there = np.flatnonzero(mask & (messages["episode"] > 0))
    # From the newest on, the first of each is its last.
    ids, first = columns.first_of_each(messages["episode"][there][::-1])
    at = messages["at"][there][::-1][first]
    order = np.argsort(at, kind="stable")
    return Frame({"id": ids[order], "at": at[order]})
