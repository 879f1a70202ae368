"""How much waits at this moment, and since when: read-only queries that look at what waits and at nothing else.

Each takes the session of a read transaction. They are asked every few seconds for ever, so each finds its rows by an
index and takes as long as there is work waiting, however many years of finished work lie beside it. Only the
conversations are all counted, in an index that holds nothing but their owners.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.contracts import Owner
from bot.storage.models import (
    Conversation,
    Handoff,
    Inbox,
    InboxStatus,
    Outbox,
    OutboxStatus,
    Presence,
    Severity,
    Ticket,
    TicketStatus,
    Timer,
    TimerStatus,
    User,
    now,
)

OPEN_TICKETS = tuple(status for status in TicketStatus if status not in (TicketStatus.RESOLVED, TicketStatus.CLOSED))


@dataclass(frozen=True, slots=True)
class Waiting:
    """``count`` things wait, the oldest ``since``; ``dead`` ones were given up and wait for the operator."""

    count: int
    since: datetime | None
    dead: int


@dataclass(frozen=True, slots=True)
class Talks:
    """Conversations by who owns them; ``since`` when the longest wait for a person began."""

    owners: dict[Owner, int]
    since: datetime | None


@dataclass(frozen=True, slots=True)
class Team:
    """Users of the desk who take new work, those who are away, and those who have a conversation open at the desk."""

    available: int
    away: int
    present: int


async def _waiting(session: AsyncSession, open_ones: Select[int, datetime], dead: Select[int]) -> Waiting:
    row = (await session.execute(open_ones)).one()
    return Waiting(row[0], row[1], await session.scalar(dead) or 0)


async def outbox(session: AsyncSession) -> Waiting:
    """Messages that have not left yet, since they were written; those that are being sent are among them."""
    return await _waiting(
        session,
        select(func.count(), func.min(Outbox.created_at)).where(
            Outbox.status.in_((OutboxStatus.PENDING, OutboxStatus.SENDING))
        ),
        select(func.count()).where(Outbox.status == OutboxStatus.DEAD),
    )


async def inbox(session: AsyncSession) -> Waiting:
    """Received events that are not handled yet, since they came."""
    return await _waiting(
        session,
        select(func.count(), func.min(Inbox.received_at)).where(Inbox.status == InboxStatus.PENDING),
        select(func.count()).where(Inbox.status == InboxStatus.DEAD),
    )


async def jobs(session: AsyncSession) -> Waiting:
    """Jobs whose time has come, since it has; what is due later does not wait."""
    return await _waiting(
        session,
        select(func.count(), func.min(Timer.due_at)).where(Timer.status == TimerStatus.PENDING, Timer.due_at <= now()),
        select(func.count()).where(Timer.status == TimerStatus.DEAD),
    )


async def talks(session: AsyncSession) -> Talks:
    """Conversations by owner, and since when the customer who has waited longest waits for a person."""
    rows = await session.execute(select(Conversation.owner, func.count()).group_by(Conversation.owner))
    found = {row[0]: row[1] for row in rows}
    since = await session.scalar(
        select(func.min(Handoff.started_at)).where(Handoff.ended_at.is_(None), Handoff.claimed_at.is_(None))
    )
    return Talks({owner: found.get(owner, 0) for owner in Owner}, since)


async def open_tickets(session: AsyncSession) -> dict[Severity, int]:
    """Tickets that are neither resolved nor closed, by severity."""
    rows = await session.execute(
        select(Ticket.severity, func.count()).where(Ticket.status.in_(OPEN_TICKETS)).group_by(Ticket.severity)
    )
    found = {row[0]: row[1] for row in rows}
    return {severity: found.get(severity, 0) for severity in Severity}


async def team(session: AsyncSession) -> Team:
    """Who is there to answer."""
    there = User.away_since.is_(None)
    available, away = (
        await session.execute(
            select(func.count().filter(there), func.count().filter(~there)).select_from(User).where(User.active)
        )
    ).one()
    present = await session.scalar(select(func.count(Presence.user_id.distinct())).where(Presence.until > now()))
    return Team(available, away, present or 0)
