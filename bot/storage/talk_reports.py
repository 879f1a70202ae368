"""Read-only queries for one conversation: its people, its timeline, who else looks at it, what is news.

As in :mod:`bot.storage.reports`, each function takes the session of a read transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from typing import Any

from sqlalchemy import FromClause, case, func, or_, select, true
from sqlalchemy.ext.asyncio import AsyncSession

from bot.contracts import Author
from bot.storage.models import (
    Conversation,
    ConversationNote,
    Correction,
    Customer,
    FileStatus,
    Handoff,
    Message,
    Outbox,
    OutboxStatus,
    Presence,
    StoredFile,
    Ticket,
    Translation,
    User,
    now,
)

# A version looks at what was done to so many of the newest messages.
WATCHED = 200
EARLIER = 5


@dataclass(frozen=True, slots=True)
class TranscriptItem:
    """One message with what belongs to it: the bot's reading, its delivery, its files.

    ``translations`` are what it says in other languages; of a reply that was translated before it left,
    one of them is what the agent wrote. ``correction`` is what an agent says it meant, if one did.
    """

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
    translations: tuple[Translation, ...] = ()
    correction: Correction | None = None


@dataclass(frozen=True, slots=True)
class NoteItem:
    """One internal note of a conversation."""

    id: int
    agent_name: str
    text: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ConversationView:
    """A conversation with the people in it and its open hand-over."""

    conversation: Conversation
    customer: Customer | None
    handoff: Handoff | None
    agent_name: str
    offered_name: str = ""


@dataclass(frozen=True, slots=True)
class Looker:
    """Somebody else who has a conversation open."""

    user_id: int
    name: str
    writing: bool


def _newest(conversation_id: int) -> Any:
    return (
        select(Message.id)
        .where(Message.conversation_id == conversation_id)
        .order_by(Message.id.desc())
        .limit(WATCHED)
        .scalar_subquery()
    )


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
                Handoff.id,
                Handoff.agent_id,
                Handoff.team,
                Handoff.offered_to_id,
                Handoff.phone,
            )
            .outerjoin(Handoff, (Handoff.conversation_id == Conversation.id) & Handoff.ended_at.is_(None))
            .where(Conversation.id == conversation_id)
        )
    ).first()
    counted = (await session.execute(_counted(conversation_id))).one()
    return repr((tuple(state) if state else None, tuple(counted)))


def _counted(conversation_id: int) -> Any:
    """What there is in a conversation and how far it is, as one row: one question takes less than seven."""
    dead = case((Outbox.status == OutboxStatus.DEAD, 1), else_=0)
    sent = case((Outbox.status == OutboxStatus.SENT, 1), else_=0)
    files = [func.sum(case((StoredFile.status == status, 1), else_=0)) for status in FileStatus]
    newest = _newest(conversation_id)
    # What stands beside the newest messages, and comes after them: translations, corrections.
    parts = (
        select(func.max(Message.id)).where(Message.conversation_id == conversation_id),
        select(func.max(Outbox.id), func.sum(Outbox.attempts), func.sum(dead), func.sum(sent)).where(
            Outbox.conversation_id == conversation_id
        ),
        select(*files).where(StoredFile.conversation_id == conversation_id),
        select(func.max(Ticket.id), func.max(Ticket.updated_at)).where(Ticket.conversation_id == conversation_id),
        select(func.max(ConversationNote.id)).where(ConversationNote.conversation_id == conversation_id),
        select(func.max(Translation.id)).where(Translation.message_id.in_(newest)),
        select(func.max(Correction.id), func.max(Correction.created_at), func.max(Correction.reviewed_at)).where(
            Correction.message_id.in_(newest)
        ),
    )
    # Each of them is one row, so that all together are one as well.
    rows: list[FromClause] = [part.subquery() for part in parts]
    return select(*rows).select_from(reduce(lambda one, other: one.join(other, true()), rows))


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
    offered = await session.get(User, handoff.offered_to_id) if handoff and handoff.offered_to_id is not None else None
    return ConversationView(found, customer, handoff, agent.name if agent else "", offered.name if offered else "")


async def newest_message(session: AsyncSession, conversation_id: int) -> int:
    """The id of a conversation's newest message; 0 where nothing has been said."""
    newest = select(func.max(Message.id)).where(Message.conversation_id == conversation_id)
    return await session.scalar(newest) or 0


async def messages_after(session: AsyncSession, conversation_id: int, message_id: int, limit: int) -> list[int]:
    """The ids of the messages that follow one, oldest first, at most ``limit``."""
    rows = await session.scalars(
        select(Message.id)
        .where(Message.conversation_id == conversation_id, Message.id > message_id)
        .order_by(Message.id)
        .limit(limit)
    )
    return list(rows)


async def transcript(
    session: AsyncSession, conversation_id: int, limit: int = 100, before: int | None = None
) -> tuple[list[TranscriptItem], bool]:
    """The newest messages of a conversation, oldest of them first, and whether there are older ones.

    With ``before``, the newest of those that came before this message.
    """
    query = (
        select(Message, User.name, Outbox.status, Outbox.attempts, Outbox.error, Outbox.body)
        .outerjoin(User, User.id == Message.agent_id)
        .outerjoin(Outbox, Outbox.id == Message.outbox_id)
        .where(Message.conversation_id == conversation_id)
        .order_by(Message.id.desc())
        .limit(limit + 1)
    )
    if before is not None:
        query = query.where(Message.id < before)
    rows = (await session.execute(query)).all()
    more, rows = len(rows) > limit, rows[:limit]
    ids = [row[0].id for row in rows]
    files = await _files(session, conversation_id, min(ids, default=0))
    translations, corrections = await _translations(session, ids), await _corrections(session, ids)
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
                translations=tuple(translations.get(message.id, ())),
                correction=corrections.get(message.id),
            )
        )
    return items, more


async def _files(session: AsyncSession, conversation_id: int, oldest: int) -> dict[int, list[StoredFile]]:
    found: dict[int, list[StoredFile]] = {}
    where = (StoredFile.conversation_id == conversation_id, StoredFile.message_id >= oldest)
    for stored in await session.scalars(select(StoredFile).where(*where).order_by(StoredFile.id)):
        found.setdefault(stored.message_id or 0, []).append(stored)
    return found


async def _translations(session: AsyncSession, ids: Sequence[int]) -> dict[int, list[Translation]]:
    found: dict[int, list[Translation]] = {}
    for row in await session.scalars(
        select(Translation).where(Translation.message_id.in_(ids)).order_by(Translation.id)
    ):
        found.setdefault(row.message_id, []).append(row)
    return found


async def _corrections(session: AsyncSession, ids: Sequence[int]) -> dict[int, Correction]:
    rows = await session.scalars(select(Correction).where(Correction.message_id.in_(ids)).order_by(Correction.id))
    return {row.message_id: row for row in rows if row.message_id is not None}


async def notes(
    session: AsyncSession,
    conversation_id: int,
    since: datetime | None,
    limit: int,
    before: int | None = None,
) -> list[NoteItem]:
    """The newest internal notes of a conversation, oldest of them first, from a moment on.

    With ``before``, those that were written before this message was.
    """
    query = (
        select(ConversationNote, User.name)
        .outerjoin(User, User.id == ConversationNote.agent_id)
        .where(ConversationNote.conversation_id == conversation_id)
        .order_by(ConversationNote.id.desc())
        .limit(limit)
    )
    if since is not None:
        query = query.where(ConversationNote.created_at >= since)
    if before is not None:
        said = select(Message.created_at).where(Message.id == before).scalar_subquery()
        query = query.where(ConversationNote.created_at < said)
    rows = (await session.execute(query)).all()
    return [NoteItem(note.id, name or "", note.text, note.created_at) for note, name in reversed(rows)]


async def message_of(session: AsyncSession, conversation_id: int, message_id: int) -> Message | None:
    """A message, if it is one of this conversation."""
    found = await session.get(Message, message_id)
    return found if found is not None and found.conversation_id == conversation_id else None


async def answered_since(session: AsyncSession, conversation_id: int, after: int, me: int) -> str:
    """Who else of the agents has written to the customer after a message: the last one's name, or nothing."""
    found = await session.scalar(
        select(User.name)
        .join(Message, Message.agent_id == User.id)
        .where(
            Message.conversation_id == conversation_id,
            Message.id > after,
            Message.author == Author.AGENT,
            Message.agent_id != me,
        )
        .order_by(Message.id.desc())
        .limit(1)
    )
    return found or ""


async def lookers(session: AsyncSession, conversation_id: int, me: int) -> list[Looker]:
    """Who else has this conversation open at the moment, by name."""
    rows = await session.execute(
        select(Presence.user_id, User.name, Presence.writing)
        .join(User, User.id == Presence.user_id)
        .where(Presence.conversation_id == conversation_id, Presence.user_id != me, Presence.until > now())
        .order_by(User.name, User.id)
    )
    return [Looker(*row) for row in rows]


async def other_conversations(session: AsyncSession, found: Conversation) -> Sequence[Conversation]:
    """The latest other conversations of the same customer."""
    if found.customer_id is None:
        return ()
    rows = await session.scalars(
        select(Conversation)
        .where(Conversation.customer_id == found.customer_id, Conversation.id != found.id)
        .order_by(Conversation.updated_at.desc(), Conversation.id.desc())
        .limit(EARLIER)
    )
    return rows.all()


async def ended_handoffs(session: AsyncSession, conversation_id: int) -> list[tuple[Handoff, str]]:
    """The latest ended hand-overs of a conversation, each with the name of who had it, the newest first."""
    rows = await session.execute(
        select(Handoff, User.name)
        .outerjoin(User, User.id == Handoff.agent_id)
        .where(Handoff.conversation_id == conversation_id, Handoff.ended_at.is_not(None))
        .order_by(Handoff.id.desc())
        .limit(EARLIER)
    )
    return [(handoff, name or "") for handoff, name in rows]


async def colleagues(session: AsyncSession, me: int) -> list[User]:
    """The other active users of the desk who sign in to it, by name."""
    rows = await session.scalars(
        select(User).where(User.active, User.id != me, User.password_hash != "").order_by(User.name, User.id).limit(500)
    )
    return list(rows)


@dataclass(frozen=True, slots=True)
class Marks:
    """The newest of what a user may be told of: hand-over that waits for them, customer's message to them."""

    handoff: int
    message: int


def _for_me(me: int, teams: Iterable[str]) -> Any:
    return or_(Handoff.team.in_(["", *teams]), Handoff.offered_to_id == me)


async def marks(session: AsyncSession, me: int, teams: Iterable[str]) -> Marks:
    """The ids of the newest hand-over that waits for one's teams, and of the newest message in one's conversations."""
    waiting = await session.scalar(
        select(func.max(Handoff.id)).where(Handoff.ended_at.is_(None), Handoff.agent_id.is_(None), _for_me(me, teams))
    )
    newest = await session.scalar(
        select(func.max(Message.id))
        .join(Handoff, Handoff.conversation_id == Message.conversation_id)
        .where(Handoff.ended_at.is_(None), Handoff.agent_id == me, Message.author == Author.CUSTOMER)
    )
    return Marks(waiting or 0, newest or 0)


@dataclass(frozen=True, slots=True)
class News:
    """Something that a user may be told of by the browser; ``kind`` is ``waiting`` or ``message``."""

    kind: str
    id: int
    conversation_id: int
    name: str
    text: str


async def news(session: AsyncSession, me: int, teams: Iterable[str], since: Marks, limit: int = 5) -> list[News]:
    """What has come since these marks, newest first of each kind, one for each conversation."""
    names = (Conversation.id, Conversation.name, Customer.name)
    waiting = await session.execute(
        select(Handoff.id, *names)
        .join(Conversation, Conversation.id == Handoff.conversation_id)
        .outerjoin(Customer, Customer.id == Conversation.customer_id)
        .where(Handoff.ended_at.is_(None), Handoff.agent_id.is_(None), Handoff.id > since.handoff, _for_me(me, teams))
        .order_by(Handoff.id.desc())
        .limit(limit)
    )
    found = [News("waiting", row[0], row[1], row[2] or row[3] or "", "") for row in waiting]
    newest = (
        select(func.max(Message.id))
        .join(Handoff, Handoff.conversation_id == Message.conversation_id)
        .where(
            Handoff.ended_at.is_(None),
            Handoff.agent_id == me,
            Message.author == Author.CUSTOMER,
            Message.id > since.message,
        )
        .group_by(Message.conversation_id)
    )
    messages = await session.execute(
        select(Message.id, *names, Message.text)
        .join(Conversation, Conversation.id == Message.conversation_id)
        .outerjoin(Customer, Customer.id == Conversation.customer_id)
        .where(Message.id.in_(newest))
        .order_by(Message.id.desc())
        .limit(limit)
    )
    return found + [News("message", row[0], row[1], row[2] or row[3] or "", row[4][:200]) for row in messages]


async def my_queue(session: AsyncSession, me: int, teams: Iterable[str]) -> list[int]:
    """The conversations that are one's own or wait for one: those that are offered to one first, then
    one's own, then those that wait for one's teams, each oldest first."""
    offered = case((Handoff.offered_to_id == me, 0), (Handoff.agent_id == me, 1), else_=2)
    rows = await session.scalars(
        select(Handoff.conversation_id)
        .where(
            Handoff.ended_at.is_(None),
            or_(Handoff.agent_id == me, Handoff.agent_id.is_(None) & _for_me(me, teams)),
        )
        .order_by(offered, Handoff.started_at, Handoff.id)
        .limit(200)
    )
    return list(rows)
