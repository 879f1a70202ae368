"""The desk's lists: filtered, in order, a page at a time.

A page begins after a row that is named by what the list is ordered by, not by how many rows come before
it: the four-thousandth page takes as long as the first. How many rows there are in all is counted no
further than :data:`MOST_COUNTED`. Each function takes the session of a read transaction.
"""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, Select, and_, func, literal, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from bot.contracts import Owner
from bot.storage.models import (
    Conversation,
    Customer,
    Handoff,
    Severity,
    Ticket,
    TicketClock,
    TicketStatus,
    TicketType,
    User,
    UtcDateTime,
    now,
)
from bot.storage.reports import excerpts

SIZE = 25
MOST_COUNTED = 10_000
SOON = timedelta(hours=4)
# The agent of what nobody has.
NOBODY = 0


class Sort(enum.StrEnum):
    """In which order a list stands."""

    LATEST = "latest"
    OLDEST = "oldest"
    DUE = "due"
    SEVERITY = "severity"


class Due(enum.StrEnum):
    """How it stands with a ticket's promises. ``NONE``: no clock runs."""

    MISSED = "missed"
    SOON = "soon"
    TODAY = "today"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class TicketFilter:
    """Which tickets; None: all, as with an empty channel.

    ``agent_id`` may be :data:`NOBODY`; ``today`` is the day's end;
    ``language``, ``team``, ``product``, ``carrier`` and ``country`` are those without one with ``""``;
    ``since`` and ``until`` are when tickets were opened, the latter excluded; ``merged`` is whether they were
    merged into another one.
    """

    status: TicketStatus | None = None
    type: TicketType | None = None
    severity: Severity | None = None
    language: str | None = None
    channel: str = ""
    team: str | None = None
    agent_id: int | None = None
    due: Due | None = None
    today: datetime | None = None
    product: str | None = None
    carrier: str | None = None
    country: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    merged: bool | None = None


@dataclass(frozen=True, slots=True)
class ConversationFilter:
    """Which conversations; None and empty: all. ``agent_id`` may be :data:`NOBODY`."""

    owner: Owner | None = None
    language: str = ""
    channel: str = ""
    team: str | None = None
    agent_id: int | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page begins: after (or, going ``back``, before) a row of one of the list's parts.

    Written into addresses by :meth:`text` and read by :meth:`read`.
    """

    part: int
    key: datetime | None
    id: int
    back: bool = False

    def text(self) -> str:
        """The place as a word."""
        moment = "" if self.key is None else str((self.key - _EPOCH) // timedelta(microseconds=1))
        return f"{'b' if self.back else 'a'}{self.part}.{moment}.{self.id}"

    @classmethod
    def read(cls, text: str) -> Place | None:
        """What :meth:`text` wrote; None for anything else."""
        parts = text[1:].split(".")
        numbers = [int(item) if item.isascii() and item.isdigit() and len(item) < 19 else None for item in parts]
        if text[:1] not in ("a", "b") or len(parts) != 3 or numbers[0] is None or numbers[2] is None:
            return None
        if parts[1] and (numbers[1] is None or numbers[1] > 4_000_000_000_000_000):
            return None
        key = None if numbers[1] is None else _EPOCH + timedelta(microseconds=numbers[1])
        return cls(numbers[0], key, numbers[2], text[0] == "b")


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Listed:
    """One page of a list. ``total`` is at most one more than :data:`MOST_COUNTED`."""

    items: tuple[Any, ...]
    total: int
    newer: str = ""
    older: str = ""

    @property
    def many(self) -> bool:
        """Whether there are more than were counted."""
        return self.total > MOST_COUNTED


@dataclass(frozen=True, slots=True)
class ConversationItem:
    """One line of the list of conversations."""

    id: int
    name: str
    channel: str
    language: str
    owner: Owner
    agent_name: str
    updated_at: datetime
    excerpt: str


@dataclass(frozen=True, slots=True)
class TicketItem:
    """One line of the list of tickets. ``due_at`` is the promise that comes next; ``missed``: one was not kept."""

    ticket: Ticket
    name: str
    channel: str
    agent_name: str
    due_at: datetime | None
    missed: bool


@dataclass(frozen=True, slots=True)
class _Part:
    """Rows in one order: ``query`` yields (id, key); ``key`` is None where the id alone is the order."""

    query: Select[*tuple[Any, ...]]
    id: Any
    key: Any = None
    ascending: bool = False

    def after(self, place: Place | None, back: bool, limit: int) -> Select[*tuple[Any, ...]]:
        """The rows after a place, in this order or, going back, the other way round."""
        upwards = self.ascending != back
        columns: list[ColumnElement[Any]] = [self.id] if self.key is None else [self.key, self.id]
        query = self.query.order_by(*(item.asc() if upwards else item.desc() for item in columns)).limit(limit)
        if place is None:
            return query
        if self.key is None:
            return query.where(self.id > place.id if upwards else self.id < place.id)
        reached = tuple_(literal(place.key or _EPOCH, UtcDateTime()), place.id)
        row = tuple_(self.key, self.id)
        return query.where(row > reached if upwards else row < reached)


async def _rows(
    session: AsyncSession, parts: Sequence[_Part], place: Place | None, size: int
) -> tuple[list[Place], bool, bool]:
    """The places of a page's rows, and whether there are rows before it and after it."""
    back = place is not None and place.back
    order = list(enumerate(parts))
    if back:
        order.reverse()
    found: list[Place] = []
    begun = place is None
    for number, part in order:
        here = place if place is not None and place.part == number else None
        begun = begun or here is not None
        if not begun:
            continue
        for row in await session.execute(part.after(here, back, size + 1 - len(found))):
            found.append(Place(number, row.key, row.id))
        if len(found) > size:
            break
    more, found = len(found) > size, found[:size]
    if back:
        found.reverse()
        if not more and len(found) < size:
            # Fewer than a page before it: the first page, whole.
            return await _rows(session, parts, None, size)
        return found, more, True
    return found, place is not None, more


async def _listed(session: AsyncSession, parts: Sequence[_Part], place: Place | None, size: int) -> Listed:
    found, before, after = await _rows(session, parts, place, size)
    newer = Place(found[0].part, found[0].key, found[0].id, True).text() if found and before else ""
    older = found[-1].text() if found and after else ""
    return Listed(tuple(item.id for item in found), 0, newer, older)


Lines: TypeAlias = Callable[[AsyncSession, Sequence[int]], Awaitable[Sequence[Any]]]


async def _lines(session: AsyncSession, page: Listed, lines: Lines, total: int) -> Listed:
    """A page of ids as one of lines, with the number of all."""
    return replace(page, items=tuple(await lines(session, page.items)), total=total)


async def _counted(session: AsyncSession, query: Select[*tuple[Any, ...]]) -> int:
    rows = query.order_by(None).limit(MOST_COUNTED + 1).subquery()
    return await session.scalar(select(func.count()).select_from(rows)) or 0


# ---------------------------------------------------------------- conversations


def _conversations(wanted: ConversationFilter) -> list[ColumnElement[bool]]:
    where: list[ColumnElement[bool]] = []
    if wanted.owner is not None:
        where.append(Conversation.owner == wanted.owner)
    if wanted.language:
        where.append(Conversation.language == wanted.language)
    if wanted.channel:
        where.append(Conversation.channel == wanted.channel)
    if wanted.agent_id is not None:
        if wanted.agent_id:
            where.append(Conversation.agent_id == wanted.agent_id)
        else:
            # Nearly all are nobody's: by the index of agents all of them would be put in order anew.
            where.append(func.coalesce(Conversation.agent_id, NOBODY) == NOBODY)
    if wanted.team is not None:
        # What is with a team now.
        open_ones = select(Handoff.conversation_id).where(Handoff.ended_at.is_(None), Handoff.team == wanted.team)
        where.append(Conversation.id.in_(open_ones))
    return where


async def conversation_ids(
    session: AsyncSession,
    wanted: ConversationFilter,
    sort: Sort = Sort.LATEST,
    place: Place | None = None,
    size: int = SIZE,
) -> Listed:
    """The ids of a page of conversations, by when something last happened in them. Nothing is counted."""
    query = select(Conversation.id.label("id"), Conversation.updated_at.label("key")).where(*_conversations(wanted))
    part = _Part(query, Conversation.id, Conversation.updated_at, ascending=sort is Sort.OLDEST)
    return await _listed(session, [part], place, size)


async def conversation_items(session: AsyncSession, ids: Sequence[int]) -> list[ConversationItem]:
    """The lines of these conversations, in this order."""
    rows = await session.execute(
        select(
            Conversation.id,
            Conversation.name,
            Conversation.channel,
            Conversation.language,
            Conversation.owner,
            Conversation.updated_at,
            Customer.name.label("customer"),
            User.name.label("agent"),
        )
        .outerjoin(Customer, Customer.id == Conversation.customer_id)
        .outerjoin(User, User.id == Conversation.agent_id)
        .where(Conversation.id.in_(ids))
    )
    said = await excerpts(session, ids)
    items = {
        row.id: ConversationItem(
            id=row.id,
            name=row.name or row.customer or "",
            channel=row.channel,
            language=row.language,
            owner=row.owner,
            agent_name=row.agent or "",
            updated_at=row.updated_at,
            excerpt=said.get(row.id, ""),
        )
        for row in rows
    }
    return [items[item] for item in ids if item in items]


async def count_conversations(session: AsyncSession, wanted: ConversationFilter) -> int:
    """How many conversations there are; at most one more than :data:`MOST_COUNTED`."""
    return await _counted(session, select(Conversation.id).where(*_conversations(wanted)))


async def conversations(
    session: AsyncSession,
    wanted: ConversationFilter,
    sort: Sort = Sort.LATEST,
    place: Place | None = None,
    size: int = SIZE,
) -> Listed:
    """A page of :class:`ConversationItem`."""
    page = await conversation_ids(session, wanted, sort, place, size)
    return await _lines(session, page, conversation_items, await count_conversations(session, wanted))


# ---------------------------------------------------------------- tickets


def _running(*more: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whether a clock of the ticket runs, for which this holds."""
    return (
        select(TicketClock.id)
        .where(TicketClock.ticket_id == Ticket.id, TicketClock.due_at.is_not(None), *more)
        .correlate(Ticket)
        .exists()
    )


def _due(wanted: TicketFilter) -> ColumnElement[bool]:
    moment = now()
    if wanted.due is Due.MISSED:
        late = and_(
            TicketClock.met_at.is_(None), or_(TicketClock.breached_at.is_not(None), TicketClock.due_at <= moment)
        )
        return Ticket.id.in_(select(TicketClock.ticket_id).where(late))
    if wanted.due is Due.NONE:
        return ~_running()
    until = moment + SOON if wanted.due is Due.SOON else wanted.today or moment + timedelta(days=1)
    near = select(TicketClock.ticket_id).where(TicketClock.due_at > moment, TicketClock.due_at <= until)
    return Ticket.id.in_(near)


def _tickets(wanted: TicketFilter) -> list[ColumnElement[bool]]:
    where: list[ColumnElement[bool]] = []
    if wanted.status is not None:
        where.append(Ticket.status == wanted.status)
    if wanted.type is not None:
        where.append(Ticket.type == wanted.type)
    if wanted.severity is not None:
        where.append(Ticket.severity == wanted.severity)
    if wanted.language is not None:
        where.append(Ticket.language == wanted.language)
    if wanted.channel:
        there = select(Conversation.id).where(
            Conversation.id == Ticket.conversation_id, Conversation.channel == wanted.channel
        )
        where.append(there.correlate(Ticket).exists())
    if wanted.team is not None:
        where.append(Ticket.team == wanted.team)
    if wanted.agent_id is not None:
        where.append(Ticket.agent_id.is_(None) if not wanted.agent_id else Ticket.agent_id == wanted.agent_id)
    if wanted.due is not None:
        where.append(_due(wanted))
    return where + _topic(wanted)


def _topic(wanted: TicketFilter) -> list[ColumnElement[bool]]:
    """What a ticket is about, and when it was opened."""
    columns = {Ticket.product: wanted.product, Ticket.carrier: wanted.carrier, Ticket.country: wanted.country}
    where: list[ColumnElement[bool]] = [column == value for column, value in columns.items() if value is not None]
    if wanted.since is not None:
        where.append(Ticket.created_at >= wanted.since)
    if wanted.until is not None:
        where.append(Ticket.created_at < wanted.until)
    if wanted.merged is not None:
        where.append(Ticket.merged_into_id.is_not(None) if wanted.merged else Ticket.merged_into_id.is_(None))
    return where


def _ticket_parts(wanted: TicketFilter, sort: Sort) -> list[_Part]:
    where = _tickets(wanted)
    every = select(Ticket.id.label("id"), literal(None).label("key")).where(*where)
    if sort is Sort.SEVERITY:
        grave = [item for item in reversed(Severity) if wanted.severity in (None, item)]
        return [_Part(every.where(Ticket.severity == item), Ticket.id) for item in grave]
    if sort is Sort.DUE:
        other = aliased(TicketClock)
        earlier = (
            select(other.id)
            .where(other.ticket_id == TicketClock.ticket_id, other.due_at.is_not(None))
            .where(
                or_(
                    other.due_at < TicketClock.due_at,
                    and_(other.due_at == TicketClock.due_at, other.id < TicketClock.id),
                )
            )
            .correlate(TicketClock)
            .exists()
        )
        # Each ticket once, by the clock that ends first; then those without a clock that runs.
        first = (
            select(Ticket.id.label("id"), TicketClock.due_at.label("key"))
            .join(Ticket, Ticket.id == TicketClock.ticket_id)
            .where(TicketClock.due_at.is_not(None), ~earlier, *where)
        )
        if wanted.due is Due.NONE:
            return [_Part(every, Ticket.id)]
        return [
            _Part(first, TicketClock.ticket_id, TicketClock.due_at, ascending=True),
            _Part(every.where(~_running()), Ticket.id),
        ]
    return [_Part(every, Ticket.id, ascending=sort is Sort.OLDEST)]


async def ticket_ids(
    session: AsyncSession,
    wanted: TicketFilter,
    sort: Sort = Sort.LATEST,
    place: Place | None = None,
    size: int = SIZE,
) -> Listed:
    """The ids of a page of tickets. Nothing is counted."""
    return await _listed(session, _ticket_parts(wanted, sort), place, size)


async def ticket_items(session: AsyncSession, ids: Sequence[int]) -> list[TicketItem]:
    """The lines of these tickets, in this order."""
    rows = await session.execute(
        select(
            Ticket,
            Conversation.name,
            Conversation.channel,
            Customer.name.label("customer"),
            User.name.label("agent"),
        )
        .join(Conversation, Conversation.id == Ticket.conversation_id)
        .outerjoin(Customer, Customer.id == Ticket.customer_id)
        .outerjoin(User, User.id == Ticket.agent_id)
        .where(Ticket.id.in_(ids))
    )
    moment = now()
    due: dict[int, datetime] = {}
    missed: set[int] = set()
    for clock in await session.scalars(select(TicketClock).where(TicketClock.ticket_id.in_(ids))):
        if clock.due_at is not None:
            due[clock.ticket_id] = min(clock.due_at, due.get(clock.ticket_id, clock.due_at))
        if clock.met_at is None and (clock.breached_at or (clock.due_at and clock.due_at <= moment)):
            missed.add(clock.ticket_id)
    items = {
        row.Ticket.id: TicketItem(
            row.Ticket,
            row.customer or row.name or "",
            row.channel,
            row.agent or "",
            due.get(row.Ticket.id),
            row.Ticket.id in missed,
        )
        for row in rows
    }
    return [items[item] for item in ids if item in items]


async def count_tickets(session: AsyncSession, wanted: TicketFilter) -> int:
    """How many tickets there are; at most one more than :data:`MOST_COUNTED`."""
    return await _counted(session, select(Ticket.id).where(*_tickets(wanted)))


async def tickets(
    session: AsyncSession,
    wanted: TicketFilter,
    sort: Sort = Sort.LATEST,
    place: Place | None = None,
    size: int = SIZE,
) -> Listed:
    """A page of :class:`TicketItem`."""
    page = await ticket_ids(session, wanted, sort, place, size)
    return await _lines(session, page, ticket_items, await count_tickets(session, wanted))
