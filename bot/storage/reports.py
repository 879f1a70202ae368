"""Read-only queries for the desk: queues, transcripts, lists, survey breakdowns.

Each function takes the session of a read transaction and changes nothing. Lists are limited; pages
count from 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Select, case, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.contracts import Author, Owner
from bot.storage.models import (
    Conversation,
    Customer,
    Handoff,
    Message,
    Outbox,
    OutboxStatus,
    Severity,
    StoredFile,
    Survey,
    SurveyStatus,
    Ticket,
    TicketEvent,
    TicketStatus,
    TicketType,
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


@dataclass(frozen=True, slots=True)
class TranscriptItem:
    """One message with what belongs to it: the bot's reading, its delivery, its files."""

    id: int
    author: Author
    agent_name: str
    text: str
    language: str
    parse: dict[str, Any] | None
    created_at: datetime
    delivery: OutboxStatus | None = None
    attempts: int = 0
    error: str = ""
    buttons: tuple[str, ...] = ()
    media: tuple[str, ...] = ()
    files: tuple[StoredFile, ...] = ()
    # What its author did to it afterwards: ``edited``, ``deleted`` or nothing.
    change: str = ""


@dataclass(frozen=True, slots=True)
class ConversationView:
    """A conversation with the people in it and its open hand-over."""

    conversation: Conversation
    customer: Customer | None
    handoff: Handoff | None
    agent_name: str


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
    """One line of the list of tickets."""

    ticket: Ticket
    name: str


@dataclass(frozen=True, slots=True)
class TicketView:
    """A ticket with its history and files."""

    ticket: Ticket
    conversation: Conversation
    name: str
    events: tuple[TicketEvent, ...] = ()
    files: tuple[StoredFile, ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list."""

    items: tuple[Any, ...]
    number: int
    size: int
    total: int = field(default=0)

    @property
    def last(self) -> int:
        """The number of the last page, at least 1."""
        return max(1, -(-self.total // self.size))


async def user_by_id(session: AsyncSession, user_id: int) -> User | None:
    """A user of the desk, active or not."""
    return await session.get(User, user_id)


async def _excerpts(session: AsyncSession, ids: Sequence[int]) -> dict[int, str]:
    """What the customer wrote last, by conversation."""
    if not ids:
        return {}
    newest = (
        select(func.max(Message.id))
        .where(Message.conversation_id.in_(ids), Message.author == Author.CUSTOMER)
        .group_by(Message.conversation_id)
    )
    rows = await session.execute(
        select(Message.conversation_id, func.substr(Message.text, 1, EXCERPT + 1)).where(Message.id.in_(newest))
    )
    return {row[0]: row[1][:EXCERPT] + "…" if len(row[1]) > EXCERPT else row[1] for row in rows}


async def queue(session: AsyncSession) -> list[QueueItem]:
    """The open hand-overs, oldest first."""
    rows = (
        await session.execute(
            select(Handoff, Conversation, Customer.name, User.name)
            .join(Conversation, Conversation.id == Handoff.conversation_id)
            .outerjoin(Customer, Customer.id == Conversation.customer_id)
            .outerjoin(User, User.id == Handoff.agent_id)
            .where(Handoff.ended_at.is_(None))
            .order_by(Handoff.started_at, Handoff.id)
            .limit(QUEUE_LIMIT)
        )
    ).all()
    excerpts = await _excerpts(session, [row[1].id for row in rows])
    return [
        QueueItem(
            conversation_id=conversation.id,
            name=conversation.name or customer or "",
            channel=conversation.channel,
            language=conversation.language,
            reason=handoff.reason,
            started_at=handoff.started_at,
            claimed_at=handoff.claimed_at,
            agent_id=handoff.agent_id,
            agent_name=agent or "",
            excerpt=excerpts.get(conversation.id, ""),
        )
        for handoff, conversation, customer, agent in rows
    ]


async def waiting_count(session: AsyncSession) -> int:
    """How many conversations wait for a person."""
    found = await session.scalar(
        select(func.count()).select_from(Handoff).where(Handoff.ended_at.is_(None), Handoff.agent_id.is_(None))
    )
    return found or 0


async def queue_version(session: AsyncSession) -> str:
    """A text that changes whenever :func:`queue` would show something else."""
    rows = await session.execute(
        select(Handoff.id, Handoff.agent_id, Conversation.language, func.max(Message.id))
        .join(Conversation, Conversation.id == Handoff.conversation_id)
        .outerjoin(Message, Message.conversation_id == Handoff.conversation_id)
        .where(Handoff.ended_at.is_(None))
        .group_by(Handoff.id, Handoff.agent_id, Conversation.language)
        .order_by(Handoff.id)
    )
    return repr([tuple(row) for row in rows])


async def conversation_version(session: AsyncSession, conversation_id: int) -> str:
    """A text that changes whenever the view of this conversation would show something else."""
    state = (
        await session.execute(
            select(
                Conversation.owner,
                Conversation.agent_id,
                Conversation.language,
                Conversation.customer_id,
                Conversation.verified_until,
                Conversation.updated_at,
            ).where(Conversation.id == conversation_id)
        )
    ).one_or_none()
    newest = await session.scalar(select(func.max(Message.id)).where(Message.conversation_id == conversation_id))
    dead = case((Outbox.status == OutboxStatus.DEAD, 1), else_=0)
    sent = case((Outbox.status == OutboxStatus.SENT, 1), else_=0)
    delivery = (
        await session.execute(
            select(func.max(Outbox.id), func.sum(Outbox.attempts), func.sum(dead), func.sum(sent)).where(
                Outbox.conversation_id == conversation_id
            )
        )
    ).one()
    files = await session.execute(
        select(StoredFile.status, func.count())
        .where(StoredFile.conversation_id == conversation_id)
        .group_by(StoredFile.status)
        .order_by(StoredFile.status)
    )
    tickets = (
        await session.execute(
            select(func.max(Ticket.id), func.max(Ticket.updated_at)).where(Ticket.conversation_id == conversation_id)
        )
    ).one()
    parts = (tuple(state) if state else None, newest, tuple(delivery), [tuple(row) for row in files], tuple(tickets))
    return repr(parts)


async def conversation(session: AsyncSession, conversation_id: int) -> ConversationView | None:
    """A conversation with its customer, open hand-over and agent; None if there is none."""
    found = await session.get(Conversation, conversation_id)
    if found is None:
        return None
    customer = await session.get(Customer, found.customer_id) if found.customer_id is not None else None
    handoff = await session.scalar(
        select(Handoff).where(Handoff.conversation_id == conversation_id, Handoff.ended_at.is_(None))
    )
    agent = await session.get(User, handoff.agent_id) if handoff and handoff.agent_id is not None else None
    return ConversationView(found, customer, handoff, agent.name if agent else "")


async def transcript(
    session: AsyncSession, conversation_id: int, limit: int = 100
) -> tuple[list[TranscriptItem], bool]:
    """The newest messages of a conversation, oldest of them first, and whether there are older ones."""
    rows = (
        await session.execute(
            select(Message, User.name, Outbox.status, Outbox.attempts, Outbox.error, Outbox.body)
            .outerjoin(User, User.id == Message.agent_id)
            .outerjoin(Outbox, Outbox.id == Message.outbox_id)
            .where(Message.conversation_id == conversation_id)
            .order_by(Message.id.desc())
            .limit(limit + 1)
        )
    ).all()
    more, rows = len(rows) > limit, rows[:limit]
    files: dict[int, list[StoredFile]] = {}
    if rows:
        oldest = rows[-1][0].id
        for stored in await session.scalars(
            select(StoredFile)
            .where(StoredFile.conversation_id == conversation_id, StoredFile.message_id >= oldest)
            .order_by(StoredFile.id)
        ):
            files.setdefault(stored.message_id or 0, []).append(stored)
    items = []
    for message, agent, status, attempts, error, body in reversed(rows):
        body = body or {}
        titles = [str(button["title"]) for kind in ("buttons", "quick_replies") for button in body.get(kind, ())]
        items.append(
            TranscriptItem(
                id=message.id,
                author=message.author,
                agent_name=agent or "",
                text=message.text,
                language=message.language,
                parse=message.parse,
                created_at=message.created_at,
                delivery=status,
                attempts=attempts or 0,
                error=error or "",
                buttons=tuple(titles),
                media=tuple(str(item["name"]) for item in body.get("media", ())),
                files=tuple(files.get(message.id, ())),
                change=message.change,
            )
        )
    return items, more


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
    rows = await session.scalars(select(Conversation.channel).distinct().order_by(Conversation.channel))
    return list(rows)


async def _page(
    session: AsyncSession, query: Select[*tuple[Any, ...]], number: int, size: int
) -> tuple[Sequence[Any], int, int]:
    """The rows of one page, the page's number (at most the last one's), and how many rows there are."""
    total = await session.scalar(select(func.count()).select_from(query.order_by(None).subquery())) or 0
    number = min(max(1, number), max(1, -(-total // size)))
    rows = (await session.execute(query.limit(size).offset((number - 1) * size))).all()
    return rows, number, total


async def conversations(
    session: AsyncSession, *, owner: Owner | None = None, channel: str = "", page: int = 1, size: int = 25
) -> Page:
    """A page of :class:`ConversationItem`, the latest first."""
    query = (
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
        .order_by(Conversation.updated_at.desc(), Conversation.id.desc())
    )
    if owner is not None:
        query = query.where(Conversation.owner == owner)
    if channel:
        query = query.where(Conversation.channel == channel)
    rows, number, total = await _page(session, query, page, size)
    excerpts = await _excerpts(session, [row.id for row in rows])
    items = tuple(
        ConversationItem(
            id=row.id,
            name=row.name or row.customer or "",
            channel=row.channel,
            language=row.language,
            owner=row.owner,
            agent_name=row.agent or "",
            updated_at=row.updated_at,
            excerpt=excerpts.get(row.id, ""),
        )
        for row in rows
    )
    return Page(items, number, size, total)


async def tickets(
    session: AsyncSession,
    *,
    status: TicketStatus | None = None,
    kind: TicketType | None = None,
    severity: Severity | None = None,
    page: int = 1,
    size: int = 25,
) -> Page:
    """A page of :class:`TicketItem`, the latest first."""
    query = (
        select(Ticket.id, Conversation.name.label("name"), Customer.name.label("customer"))
        .join(Conversation, Conversation.id == Ticket.conversation_id)
        .outerjoin(Customer, Customer.id == Ticket.customer_id)
        .order_by(Ticket.id.desc())
    )
    if status is not None:
        query = query.where(Ticket.status == status)
    if kind is not None:
        query = query.where(Ticket.type == kind)
    if severity is not None:
        query = query.where(Ticket.severity == severity)
    rows, number, total = await _page(session, query, page, size)
    found = await session.scalars(select(Ticket).where(Ticket.id.in_([row.id for row in rows])))
    by_id = {ticket.id: ticket for ticket in found}
    return Page(tuple(TicketItem(by_id[row.id], row.customer or row.name or "") for row in rows), number, size, total)


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


async def survey_groups(session: AsyncSession, since: datetime | None = None) -> tuple[list[str], list[str]]:
    """The channels and the languages in which CSAT surveys were sent since a moment."""
    where = [Survey.kind == "csat", Survey.sent_at.is_not(None)]
    if since is not None:
        where.append(Survey.sent_at >= since)
    found = await session.scalars(select(Survey.channel).where(*where).distinct().order_by(Survey.channel))
    spoken = await session.scalars(select(Survey.language).where(*where).distinct().order_by(Survey.language))
    return list(found), list(spoken)


async def survey_comments(session: AsyncSession, since: datetime | None = None, limit: int = 20) -> Sequence[Survey]:
    """The latest answered CSAT surveys with a comment."""
    query = select(Survey).where(
        Survey.kind == "csat", Survey.status == SurveyStatus.ANSWERED, Survey.comment != "", Survey.score.is_not(None)
    )
    if since is not None:
        query = query.where(Survey.sent_at >= since)
    rows = await session.scalars(query.order_by(Survey.answered_at.desc(), Survey.id.desc()).limit(limit))
    return rows.all()
