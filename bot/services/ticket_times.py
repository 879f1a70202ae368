"""How long tickets took, in business time, and what became of the promises about them.

The time to a first response runs from the opening to the first message of a person in the ticket's
conversation, or to the first change by a person of which the customer was told, whichever is earlier: what
fulfils the promise of a first response. The bot's own messages do not count, and what was answered once stays
answered when it is opened again. The
time to the resolution is the time in which somebody had to work on it: not while the customer was awaited, nor
while it was resolved before it was opened again. A ticket that was merged into another one is that one's.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.config import Settings
from bot.contracts import Author
from bot.services.business_hours import Calendar, calendar_of
from bot.services.clocks import target_of
from bot.services.tickets import ACTIVE
from bot.storage.figures.columns import CHUNK, day_of
from bot.storage.models import (
    ClockKind,
    Conversation,
    Customer,
    Message,
    Ticket,
    TicketClock,
    TicketEvent,
    TicketSpan,
    TicketStatus,
    TicketTime,
)

FOREVER = datetime(9999, 1, 1, tzinfo=UTC)
WORKED_ON = frozenset(ACTIVE) - {TicketStatus.PENDING_CUSTOMER}
_DAYS = (
    ("responses", "opened_at"),
    ("resolutions", "resolved_at"),
    ("first_response", "response_at"),
    ("resolution", "resolution_at"),
)


def spans_of(opened: datetime, status: TicketStatus, changes: Iterable[tuple[datetime, str, str]]) -> list[Any] | None:
    """From when to when a ticket was in which status.

    Args:
        opened: when it began.
        status: what it is now.
        changes: when its status changed, from what and to what, in order.

    Returns:
        Status, begin and end of each span; None where the changes do not tell any more (the customer was erased).
    """
    found, begin, present = [], opened, TicketStatus.NEW.value
    for at, before, after in changes:
        if not after:
            return None
        # A span ends where the next begins, even if clocks of two machines disagree.
        end = max(at, begin)
        found.append((before or present, begin, end))
        begin, present = end, after
    # What the record does not say (a row from elsewhere) is as it is now.
    found.append((status.value, begin, FOREVER))
    return found


async def update_times(session: AsyncSession, ids: Sequence[int], settings: Settings) -> dict[str, set[date]]:
    """Compute the times of tickets anew.

    Returns:
        The days whose columns change, by fact.
    """
    days: dict[str, set[date]] = defaultdict(set)
    for begin in range(0, len(ids), CHUNK):
        await _update(session, list(ids[begin : begin + CHUNK]), settings, days)
    return days


async def _update(session: AsyncSession, ids: list[int], settings: Settings, days: dict[str, set[date]]) -> None:
    old = {row.ticket_id: row for row in await session.scalars(select(TicketTime).where(TicketTime.ticket_id.in_(ids)))}
    for known_row in old.values():
        _note(known_row, days)
    rows = await session.execute(
        select(Ticket, Conversation.channel, Customer.country, Customer.tier)
        .join(Conversation, Conversation.id == Ticket.conversation_id)
        .outerjoin(Customer, Customer.id == Ticket.customer_id)
        .where(Ticket.id.in_(ids), Ticket.merged_into_id.is_(None))
    )
    found = {ticket.id: (ticket, channel, country, tier) for ticket, channel, country, tier in rows}
    changes, clocks, answers = await _changes(session, ids), await _clocks(session, ids), await _answers(session, ids)
    spans: list[dict[str, Any]] = []
    kept = [number for number in ids if number not in found]
    for number, (ticket, channel, country, tier) in found.items():
        row = old.get(number) or TicketTime(ticket_id=number)
        session.add(row)
        row.opened_at, row.channel, row.language = ticket.created_at, channel, ticket.language
        row.agent_id, row.team, row.ticket_type, row.product = (
            ticket.agent_id,
            ticket.team,
            ticket.type.value,
            ticket.product,
        )
        row.country, row.tier = ticket.country or country or row.country or "", ticket.tier or tier or row.tier or ""
        calendar = _calendar(ticket, row.tier, clocks[number], settings)
        if row.answered_at is None:
            row.answered_at = _answered(answers.get(number), clocks[number])
        if row.answered_at is not None:
            row.response_seconds = calendar.between(ticket.created_at, row.answered_at)
        _promises(row, clocks[number])
        known = spans_of(ticket.created_at, ticket.status, changes[number])
        if known is not None:
            kept.append(number)
            spans += [{"ticket_id": number, "status": s, "since": b, "until": e} for s, b, e in known if s in _OPEN]
            _resolution(row, known, calendar)
        _note(row, days)
    for number in set(old) - set(found):
        await session.delete(old[number])
    await session.execute(delete(TicketSpan).where(TicketSpan.ticket_id.in_(kept)))
    if spans:
        await session.execute(insert(TicketSpan), spans)
    await session.flush()


_OPEN = frozenset(status.value for status in ACTIVE)


def _note(row: TicketTime, days: dict[str, set[date]]) -> None:
    for fact, name in _DAYS:
        at = getattr(row, name)
        if at is not None:
            days[fact].add(day_of(at))


def _answered(wrote: datetime | None, clocks: Sequence[TicketClock]) -> datetime | None:
    """When the customer first heard of a person: by a message, or by what else met the promise."""
    met = [clock.met_at for clock in clocks if clock.kind is ClockKind.FIRST_RESPONSE]
    return min((at for at in (wrote, *met) if at is not None), default=None)


def _resolution(row: TicketTime, spans: Sequence[Any], calendar: Calendar) -> None:
    """The last resolution, and the working time up to it."""
    row.resolved_at = row.resolution_seconds = None
    if spans[-1][0] in _OPEN:
        return
    # Closing what is resolved is no resolution of its own.
    last = next((place for place in range(len(spans) - 1, -1, -1) if spans[place][0] in _OPEN), None)
    row.resolved_at = spans[last][2] if last is not None else spans[0][1]
    worked = {status.value for status in WORKED_ON}
    row.resolution_seconds = sum(calendar.between(begin, end) for status, begin, end in spans if status in worked)


def _promises(row: TicketTime, clocks: Sequence[TicketClock]) -> None:
    row.response_kept = row.response_at = row.resolution_kept = row.resolution_at = None
    for clock in clocks:
        kept = clock.breached_at is None
        at = clock.met_at if kept else clock.breached_at
        if at is None:
            continue
        if clock.kind is ClockKind.FIRST_RESPONSE:
            row.response_kept, row.response_at = kept, at
        else:
            row.resolution_kept, row.resolution_at = kept, at


def _calendar(ticket: Ticket, tier: str, clocks: Sequence[TicketClock], settings: Settings) -> Calendar:
    """Whose hours count: those of what was promised, else of its like, else its team's; else all hours."""
    if clocks:
        return calendar_of(settings, clocks[0].calendar)
    target = target_of(settings, ticket.severity, tier)
    if target is not None:
        return calendar_of(settings, target.calendar)
    team = next((team for team in settings.teams if team.name == ticket.team), None)
    return calendar_of(settings, team.calendar if team is not None else "")


async def _changes(session: AsyncSession, ids: list[int]) -> dict[int, list[tuple[datetime, str, str]]]:
    found: dict[int, list[tuple[datetime, str, str]]] = defaultdict(list)
    query = select(TicketEvent.ticket_id, TicketEvent.at, TicketEvent.detail).where(
        TicketEvent.ticket_id.in_(ids), TicketEvent.kind == "status"
    )
    for row in await session.execute(query.order_by(TicketEvent.at, TicketEvent.id)):
        # What came over with a ticket that was merged into this one was said of that one.
        if "from" not in row.detail:
            found[row.ticket_id].append((row.at, row.detail.get("before", ""), row.detail.get("after", "")))
    return found


async def _clocks(session: AsyncSession, ids: list[int]) -> dict[int, list[TicketClock]]:
    found: dict[int, list[TicketClock]] = defaultdict(list)
    rows = await session.scalars(select(TicketClock).where(TicketClock.ticket_id.in_(ids)).order_by(TicketClock.id))
    for clock in rows:
        found[clock.ticket_id].append(clock)
    return found


async def _answers(session: AsyncSession, ids: list[int]) -> dict[int, datetime]:
    """When a person first wrote after a ticket was opened."""
    query = (
        select(Ticket.id, func.min(Message.created_at).label("at"))
        .join(Message, Message.conversation_id == Ticket.conversation_id)
        .where(Ticket.id.in_(ids), Message.author == Author.AGENT, Message.created_at >= Ticket.created_at)
        .group_by(Ticket.id)
    )
    return {row.id: row.at for row in await session.execute(query)}


async def unanswered(session: AsyncSession, talks: Sequence[int]) -> list[int]:
    """The tickets of conversations that had no first answer so far."""
    found: list[int] = []
    for begin in range(0, len(talks), CHUNK):
        query = (
            select(Ticket.id)
            .outerjoin(TicketTime, TicketTime.ticket_id == Ticket.id)
            .where(Ticket.conversation_id.in_(talks[begin : begin + CHUNK]), TicketTime.answered_at.is_(None))
        )
        found += await session.scalars(query)
    return found
