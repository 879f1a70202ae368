"""Complaint tickets: opening, looking up, resolving; every change is recorded."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.services.customers import is_verified
from bot.services.orders import number_key
from bot.storage import now, signal
from bot.storage.models import (
    Conversation,
    OrderRow,
    Severity,
    StoredFile,
    Ticket,
    TicketEvent,
    TicketStatus,
    TicketType,
)

# A file sent this long before a complaint is taken to belong to it.
FILE_AGE = timedelta(minutes=30)
# A file sent this soon after a complaint belongs to it as well.
ALBUM_AGE = timedelta(minutes=10)
# How grave a complaint is when the customer's words do not say.
DEFAULT_SEVERITY = {
    TicketType.NOT_DELIVERED: Severity.HIGH,
    TicketType.BILLING: Severity.HIGH,
    TicketType.SERVICE: Severity.NORMAL,
}


async def record(session: AsyncSession, ticket: Ticket, actor: str, kind: str, **detail: Any) -> None:
    """Write who did what to a ticket."""
    ticket.updated_at = now()
    session.add(TicketEvent(ticket_id=ticket.id, actor=actor, kind=kind, detail=detail))
    signal(session, "desk")


async def open_ticket(
    session: AsyncSession,
    conversation: Conversation,
    *,
    kind: TicketType,
    severity: Severity | None,
    order_number: str,
    description: str,
    language: str,
) -> Ticket:
    """Open a complaint and attach the files that were sent for it.

    The order is linked only where the chat is verified for its customer; otherwise the number is
    kept in the ticket's history as the customer's claim.
    """
    order_id = None
    if order_number:
        order = await session.scalar(select(OrderRow).where(OrderRow.number_key == number_key(order_number)))
        if order is not None and is_verified(conversation) and order.customer_id == conversation.customer_id:
            order_id = order.id
    ticket = Ticket(
        conversation_id=conversation.id,
        customer_id=conversation.customer_id if is_verified(conversation) else None,
        order_id=order_id,
        order_number=order_number[:40],
        type=kind,
        severity=severity or DEFAULT_SEVERITY.get(kind, Severity.NORMAL),
        description=description,
        language=language,
    )
    session.add(ticket)
    await session.flush()
    await record(session, ticket, "customer", "opened", order_number=order_number)
    await session.execute(
        update(StoredFile)
        .where(
            StoredFile.conversation_id == conversation.id,
            StoredFile.ticket_id.is_(None),
            StoredFile.created_at > now() - FILE_AGE,
        )
        .values(ticket_id=ticket.id)
        .execution_options(synchronize_session=False)
    )
    return ticket


async def attach(session: AsyncSession, conversation: Conversation, files: Sequence[StoredFile]) -> Ticket | None:
    """Add files to the ticket that was opened here moments ago (the rest of an album); None if there is none."""
    ticket: Ticket | None = await session.scalar(
        select(Ticket)
        .where(Ticket.conversation_id == conversation.id, Ticket.created_at > now() - ALBUM_AGE)
        .order_by(Ticket.id.desc())
        .limit(1)
    )
    if ticket is not None and files:
        for item in files:
            item.ticket_id = ticket.id
        await record(session, ticket, "customer", "files", count=len(files))
    return ticket


async def visible(session: AsyncSession, conversation: Conversation, limit: int = 5) -> Sequence[Ticket]:
    """The tickets a customer may see here: of this chat, and of the customer it is verified for."""
    mine = Ticket.conversation_id == conversation.id
    if is_verified(conversation):
        mine = or_(mine, Ticket.customer_id == conversation.customer_id)
    rows = await session.scalars(select(Ticket).where(mine).order_by(Ticket.id.desc()).limit(limit))
    return rows.all()


async def find_visible(session: AsyncSession, conversation: Conversation, number: str) -> Ticket | None:
    """A ticket by its number, if the customer may see it here."""
    digits = re.sub(r"\D", "", number)[:15]
    ticket = await session.get(Ticket, int(digits)) if digits else None
    if ticket is None:
        return None
    if ticket.conversation_id == conversation.id:
        return ticket
    return ticket if is_verified(conversation) and ticket.customer_id == conversation.customer_id else None


async def set_status(session: AsyncSession, ticket: Ticket, status: TicketStatus, actor: str) -> bool:
    """Change a ticket's status; whether it was another one before."""
    if ticket.status == status:
        return False
    before, ticket.status = ticket.status, status
    ticket.resolved_at = now() if status in (TicketStatus.RESOLVED, TicketStatus.CLOSED) else None
    await record(session, ticket, actor, "status", before=before.value, after=status.value)
    return True
