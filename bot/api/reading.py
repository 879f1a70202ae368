"""What the API shows: queries, and rows turned into its own models."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.api.problems import field
from bot.api.schemas import (
    MAX_ID,
    AgentOut,
    ClockOut,
    ConversationItem,
    ConversationOut,
    CustomerOut,
    EntryOut,
    FileOut,
    HandoffOut,
    MessageOut,
    NoteOut,
    Order,
    OrderLineOut,
    OrderOut,
    SurveyOut,
    TicketItem,
    TicketOut,
)
from bot.services import handoff, ticket_life
from bot.storage.models import (
    Conversation,
    ConversationNote,
    Customer,
    Message,
    OrderLineRow,
    OrderRow,
    Outbox,
    OutboxStatus,
    StoredFile,
    Survey,
    SurveyStatus,
    Ticket,
    TicketClock,
    TicketEvent,
    User,
)

Row = TypeVar("Row")
AROUND = 100
HISTORY = 1000


# ---------------------------------------------------------------------- pages


def cursor_of(last: int) -> str:
    """Where a page ended, as it is given to callers, who have no business reading it."""
    return base64.urlsafe_b64encode(f"after:{last}".encode()).decode().rstrip("=")


def position(cursor: str) -> int:
    """The id at which a cursor stands. Raises ApiProblem (422) for one that this API has not given."""
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode("ascii")
        name, _, digits = raw.partition(":")
        if name == "after" and digits.isascii() and digits.isdigit() and len(digits) < 17 and int(digits) <= MAX_ID:
            return int(digits)
    except (binascii.Error, ValueError):
        pass
    raise field("query.cursor", "is none that this API has given; leave it out to begin anew")


async def page(
    session: AsyncSession, query: Select[*tuple[Any, ...]], key: Any, *, order: Order, cursor: str | None, limit: int
) -> tuple[list[Any], str | None]:
    """The rows of a page, by ascending or descending ``key``, and the cursor of the next; None at the end.

    The first column of a row is what has the key, as ``id``.
    """
    if cursor is not None:
        where: ColumnElement[bool] = key < position(cursor) if order == "newest" else key > position(cursor)
        query = query.where(where)
    query = query.order_by(key.desc() if order == "newest" else key).limit(limit + 1)
    rows = list((await session.execute(query)).all())
    more, rows = len(rows) > limit, rows[:limit]
    return rows, cursor_of(rows[-1][0].id) if more else None


# ---------------------------------------------------------------------- people


async def agents_of(session: AsyncSession, ids: Iterable[int | None]) -> dict[int | None, AgentOut]:
    """Users of the desk by id."""
    wanted = {item for item in ids if item is not None}
    if not wanted:
        return {}
    rows = await session.scalars(select(User).where(User.id.in_(wanted)))
    return {row.id: AgentOut(id=row.id, username=row.username, name=row.name) for row in rows}


def customer_out(row: Customer) -> CustomerOut:
    """A customer."""
    return CustomerOut(
        id=row.id,
        # What stands there after an erasure only helps to know them again.
        external_ref=(row.external_ref or "") if row.erased_at is None else "",
        name=row.name,
        email=row.email,
        phone=row.phone,
        country=row.country,
        tier=row.tier,
        timezone=row.timezone,
        surveys_stopped_at=row.surveys_stopped_at,
        erased_at=row.erased_at,
        created_at=row.created_at,
    )


async def orders_of(session: AsyncSession, customer_id: int) -> list[OrderOut]:
    """A customer's orders, newest first."""
    query = select(OrderRow).where(OrderRow.customer_id == customer_id)
    rows = (await session.scalars(query.order_by(OrderRow.placed_at.desc(), OrderRow.id.desc()).limit(AROUND))).all()
    lines: dict[int, list[OrderLineOut]] = {row.id: [] for row in rows}
    positions = select(OrderLineRow).where(OrderLineRow.order_id.in_(lines))
    for line in await session.scalars(positions.order_by(OrderLineRow.order_id, OrderLineRow.position)):
        shown = OrderLineOut(
            sku=line.sku, description=line.description, quantity=line.quantity, unit_price=str(line.unit_price)
        )
        lines[line.order_id].append(shown)
    return [
        OrderOut(
            number=row.number,
            status=row.status,
            placed_at=row.placed_at,
            currency=row.currency,
            total=str(row.total),
            carrier=row.carrier,
            tracking_number=row.tracking_number,
            lines=lines[row.id],
        )
        for row in rows
    ]


# ---------------------------------------------------------------------- tickets

TICKETS = select(Ticket, Conversation.channel).join(Conversation, Conversation.id == Ticket.conversation_id)


def _item(row: Ticket, channel: str, people: dict[int | None, AgentOut]) -> dict[str, Any]:
    return {
        "id": row.id,
        "number": row.number,
        "conversation": row.conversation_id,
        "customer": row.customer_id,
        "channel": channel,
        "language": row.language,
        "order_number": row.order_number,
        "type": row.type,
        "severity": row.severity,
        "status": row.status,
        "team": row.team,
        "agent": people.get(row.agent_id),
        "created_at": row.created_at,
        "updated_at": row.updated_at,
        "resolved_at": row.resolved_at,
        "merged_into": row.merged_into_id,
    }


async def ticket_items(session: AsyncSession, rows: Sequence[Any]) -> list[TicketItem]:
    """Rows of :data:`TICKETS`."""
    people = await agents_of(session, (ticket.agent_id for ticket, _ in rows))
    return [TicketItem(**_item(ticket, channel, people)) for ticket, channel in rows]


async def ticket_out(session: AsyncSession, ticket_id: int) -> tuple[TicketOut, Ticket] | None:
    """A ticket with all that belongs to it, and its row; None if there is none."""
    found = (await session.execute(TICKETS.where(Ticket.id == ticket_id))).first()
    if found is None:
        return None
    row, channel = found
    history = select(TicketEvent).where(TicketEvent.ticket_id == row.id).order_by(TicketEvent.id.desc()).limit(HISTORY)
    clocks = select(TicketClock).where(TicketClock.ticket_id == row.id).order_by(TicketClock.id)
    files = select(StoredFile).where(StoredFile.ticket_id == row.id).order_by(StoredFile.id).limit(HISTORY)
    shown = TicketOut(
        **_item(row, channel, await agents_of(session, [row.agent_id])),
        description=row.description,
        root_cause=row.root_cause,
        resolution=row.resolution,
        product=row.product,
        carrier=row.carrier,
        country=row.country,
        tier=row.tier,
        allowed=list(ticket_life.allowed(row)),
        history=[
            EntryOut(id=item.id, at=item.at, actor=item.actor, kind=item.kind, detail=item.detail)
            for item in reversed((await session.scalars(history)).all())
        ],
        clocks=[
            ClockOut(
                kind=item.kind,
                target_seconds=item.target_seconds,
                due_at=item.due_at,
                met_at=item.met_at,
                breached_at=item.breached_at,
            )
            for item in await session.scalars(clocks)
        ],
        files=[
            FileOut(
                id=item.id,
                kind=item.kind,
                name=item.name,
                mime=item.mime,
                size=item.size,
                status=item.status,
                created_at=item.created_at,
            )
            for item in await session.scalars(files)
        ],
    )
    return shown, row


# ---------------------------------------------------------------------- conversations


def _talk(row: Conversation, people: dict[int | None, AgentOut]) -> dict[str, Any]:
    return {
        "id": row.id,
        "channel": row.channel,
        "name": row.name,
        "language": row.language,
        "owner": row.owner,
        "agent": people.get(row.agent_id),
        "customer": row.customer_id,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
    }


async def conversation_items(session: AsyncSession, rows: Sequence[Conversation]) -> list[ConversationItem]:
    """Conversations for a list."""
    people = await agents_of(session, (row.agent_id for row in rows))
    return [ConversationItem(**_talk(row, people)) for row in rows]


async def conversation_out(session: AsyncSession, conversation_id: int) -> ConversationOut | None:
    """A conversation with its open hand-over; None if there is none."""
    row = await session.get(Conversation, conversation_id)
    if row is None:
        return None
    turn = await handoff.current(session, row.id)
    people = await agents_of(session, [row.agent_id, turn.agent_id if turn else None])
    open_turn = None
    if turn is not None:
        open_turn = HandoffOut(
            id=turn.id,
            reason=turn.reason,
            team=turn.team,
            agent=people.get(turn.agent_id),
            started_at=turn.started_at,
            claimed_at=turn.claimed_at,
        )
    return ConversationOut(**_talk(row, people), handoff=open_turn, reachable=row.unreachable_at is None)


MESSAGES = select(Message, Outbox.status).outerjoin(Outbox, Outbox.id == Message.outbox_id)


def _message(row: Message, delivery: OutboxStatus | None, people: dict[int | None, AgentOut]) -> MessageOut:
    read = (row.parse or {}).get("intent") or {}
    return MessageOut(
        id=row.id,
        author=row.author,
        agent=people.get(row.agent_id),
        text=row.text,
        language=row.language,
        intent=str(read.get("name") or ""),
        confidence=read.get("confidence"),
        delivery=delivery,
        created_at=row.created_at,
    )


async def messages_out(session: AsyncSession, rows: Sequence[Any]) -> list[MessageOut]:
    """Rows of :data:`MESSAGES`."""
    people = await agents_of(session, (message.agent_id for message, _ in rows))
    return [_message(message, status, people) for message, status in rows]


async def note_out(session: AsyncSession, note_id: int) -> NoteOut:
    """A note of a conversation."""
    row = await session.get_one(ConversationNote, note_id)
    people = await agents_of(session, [row.agent_id])
    return NoteOut(
        id=row.id,
        conversation=row.conversation_id,
        agent=people[row.agent_id],
        text=row.text,
        created_at=row.created_at,
    )


# ---------------------------------------------------------------------- surveys


def survey_out(row: Survey, people: dict[int | None, AgentOut]) -> SurveyOut:
    """An answered survey."""
    if row.score is None or row.answered_at is None:
        raise ValueError(f"the survey {row.id} is not answered")
    return SurveyOut(
        id=row.id,
        kind=row.kind,
        conversation=row.conversation_id,
        customer=row.customer_id,
        ticket=row.ticket_id,
        agent=people.get(row.agent_id),
        channel=row.channel,
        language=row.language,
        ticket_type=row.ticket_type,
        score=row.score,
        comment=row.comment,
        status=row.status,
        late=row.status is SurveyStatus.EXPIRED,
        sent_at=row.sent_at,
        answered_at=row.answered_at,
    )
