"""Read-only queries for the desk: queues, transcripts, lists.

Each function takes the session of a read transaction and changes nothing. Lists are limited; pages
count from 1.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.contracts import Author
from bot.storage.models import (
    Conversation,
    Customer,
    Handoff,
    Message,
    StoredFile,
    Ticket,
    TicketEvent,
    User,
)

QUEUE_LIMIT = 500
EXCERPT = 160


@dataclass(frozen=True, slots=True)
class QueueItem:
    """One open hand-over. ``agent_id`` is None while nobody has it."""

    conversation_id: int
    name: str
    channel: str
    language: str
    reason: str
    started_at: datetime
    claimed_at: datetime | None
    agent_id: int | None
    agent_name: str
    excerpt: str
    team: str = ""
    # Whose turn it is, and where the customer wants to be called back.
    offered_to_id: int | None = None
    phone: str = ""


@dataclass(frozen=True, slots=True)
class TicketView:
    """A ticket with its history and files."""

    ticket: Ticket
    conversation: Conversation
    name: str
    events: tuple[TicketEvent, ...] = ()
    files: tuple[StoredFile, ...] = ()


async def user_by_id(session: AsyncSession, user_id: int) -> User | None:
    """A user of the desk, active or not."""
    return await session.get(User, user_id)


async def colleagues(session: AsyncSession) -> Sequence[User]:
    """Those who may sign in, by name."""
    return (await session.scalars(select(User).where(User.active).order_by(User.name, User.id))).all()


async def names_of(session: AsyncSession, ids: Collection[int]) -> dict[int, str]:
    """The names of users, active or not, by id."""
    rows = await session.execute(select(User.id, User.name).where(User.id.in_(sorted(ids)))) if ids else ()
    return {row.id: row.name for row in rows}


async def excerpts(session: AsyncSession, ids: Sequence[int]) -> dict[int, str]:
    """What the customer wrote last, by conversation."""
    if not ids:
        return {}
    # From the newest back to the first of the customer's: a few rows, however long the conversation is.
    newest = (
        select(Message.id)
        .where(Message.conversation_id == Conversation.id, Message.author == Author.CUSTOMER)
        .order_by(Message.id.desc())
        .limit(1)
        .correlate(Conversation)
        .scalar_subquery()
    )
    last = select(Conversation.id, newest.label("newest")).where(Conversation.id.in_(ids)).subquery()
    rows = await session.execute(
        select(last.c.id, func.substr(Message.text, 1, EXCERPT + 1)).join(Message, Message.id == last.c.newest)
    )
    return {row[0]: row[1][:EXCERPT] + "…" if len(row[1]) > EXCERPT else row[1] for row in rows}


async def queue(session: AsyncSession, *, user_id: int | None = None, teams: Sequence[str] = ()) -> list[QueueItem]:
    """The open hand-overs, oldest first.

    Args:
        session: the transaction.
        user_id: only those that this user has, or is offered.
        teams: only those that are with one of these teams.
    """
    query = (
        select(
            Handoff.conversation_id,
            Handoff.reason,
            Handoff.started_at,
            Handoff.claimed_at,
            Handoff.agent_id,
            Handoff.team,
            Handoff.offered_to_id,
            Handoff.phone,
            Conversation.name,
            Conversation.channel,
            Conversation.language,
            Customer.name.label("customer"),
            User.name.label("agent"),
        )
        .join(Conversation, Conversation.id == Handoff.conversation_id)
        .outerjoin(Customer, Customer.id == Conversation.customer_id)
        .outerjoin(User, User.id == Handoff.agent_id)
        .where(Handoff.ended_at.is_(None))
        .order_by(Handoff.started_at, Handoff.id)
        .limit(QUEUE_LIMIT)
    )
    if user_id is not None:
        offered = and_(Handoff.agent_id.is_(None), Handoff.offered_to_id == user_id)
        query = query.where(or_(Handoff.agent_id == user_id, offered))
    if teams:
        query = query.where(Handoff.team.in_(teams))
    rows = (await session.execute(query)).all()
    said = await excerpts(session, [row.conversation_id for row in rows])
    return [
        QueueItem(
            conversation_id=row.conversation_id,
            name=row.name or row.customer or "",
            channel=row.channel,
            language=row.language,
            reason=row.reason,
            started_at=row.started_at,
            claimed_at=row.claimed_at,
            agent_id=row.agent_id,
            agent_name=row.agent or "",
            excerpt=said.get(row.conversation_id, ""),
            team=row.team,
            offered_to_id=row.offered_to_id if row.agent_id is None else None,
            phone=row.phone,
        )
        for row in rows
    ]


async def waiting_count(session: AsyncSession) -> int:
    """How many conversations wait for a person."""
    found = await session.scalar(
        select(func.count()).select_from(Handoff).where(Handoff.ended_at.is_(None), Handoff.agent_id.is_(None))
    )
    return found or 0


async def queue_version(session: AsyncSession) -> str:
    """A text that changes whenever :func:`queue` would show something else."""
    newest = (
        select(func.max(Message.id))
        .where(Message.conversation_id == Handoff.conversation_id)
        .correlate(Handoff)
        .scalar_subquery()
    )
    rows = await session.execute(
        select(
            Handoff.id,
            Handoff.agent_id,
            Handoff.team,
            Handoff.offered_to_id,
            Handoff.phone,
            Conversation.language,
            newest,
        )
        .join(Conversation, Conversation.id == Handoff.conversation_id)
        .where(Handoff.ended_at.is_(None))
        .order_by(Handoff.id)
    )
    return repr([tuple(row) for row in rows])


async def tickets_around(session: AsyncSession, found: Conversation, limit: int = 10) -> Sequence[Ticket]:
    """The newest tickets of a conversation and of its customer."""
    where = Ticket.conversation_id == found.id
    if found.customer_id is not None:
        where = or_(where, Ticket.customer_id == found.customer_id)
    rows = await session.scalars(select(Ticket).where(where).order_by(Ticket.id.desc()).limit(limit))
    return rows.all()


async def stored_file(session: AsyncSession, file_id: int) -> StoredFile | None:
    """An attachment's row."""
    return await session.get(StoredFile, file_id)


async def channels(session: AsyncSession) -> list[str]:
    """The channels that conversations have come from, by name."""
    # From each to the next by the index: as many steps as there are channels.
    found = select(func.min(Conversation.channel).label("name")).cte("found", recursive=True)
    following = select(func.min(Conversation.channel)).where(Conversation.channel > found.c.name).scalar_subquery()
    found = found.union_all(select(following).where(found.c.name.is_not(None)))
    rows = await session.scalars(select(found.c.name).where(found.c.name.is_not(None)))
    return list(rows)


async def ticket(session: AsyncSession, ticket_id: int) -> TicketView | None:
    """A ticket with its conversation, history (oldest first) and files; None if there is none."""
    found = await session.get(Ticket, ticket_id)
    if found is None:
        return None
    talk = await session.get_one(Conversation, found.conversation_id)
    customer = await session.get(Customer, found.customer_id) if found.customer_id is not None else None
    events = await session.scalars(
        select(TicketEvent).where(TicketEvent.ticket_id == ticket_id).order_by(TicketEvent.id)
    )
    files = await session.scalars(select(StoredFile).where(StoredFile.ticket_id == ticket_id).order_by(StoredFile.id))
    name = (customer.name if customer else "") or talk.name
    return TicketView(found, talk, name, tuple(events), tuple(files))
