"""Complaint tickets: opening, adding to, looking up; every change is recorded.

How a ticket goes on from there is in :mod:`bot.services.ticket_life`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.config import SeverityRule
from bot.contracts import LinguadeskError
from bot.services import events
from bot.services import severity as rules_of_severity
from bot.services.customers import is_verified
from bot.services.orders import number_key
from bot.storage import now, signal
from bot.storage.models import (
    Conversation,
    Customer,
    OrderLineRow,
    OrderRow,
    Severity,
    StoredFile,
    Ticket,
    TicketEvent,
    TicketStatus,
    TicketType,
)

SYSTEM = "system"
CUSTOMER = "customer"
# The statuses of a ticket that somebody still works on.
ACTIVE = (
    TicketStatus.NEW,
    TicketStatus.OPEN,
    TicketStatus.PENDING_CUSTOMER,
    TicketStatus.PENDING_THIRD_PARTY,
)
# So many of a customer's open tickets are compared with a new complaint.
COMPARED = 50
MAX_WORDS = 10_000

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


class TicketError(LinguadeskError):
    """The ticket does not allow this; the desk shows the reason, the words of ``ticket.failed.<reason>``."""


async def record(session: AsyncSession, ticket: Ticket, actor: str, kind: str, **detail: Any) -> None:
    """Write who did what to a ticket."""
    ticket.updated_at = now()
    entry = TicketEvent(ticket_id=ticket.id, actor=actor, kind=kind, detail=detail)
    session.add(entry)
    signal(session, "desk")
    await events.ticket_changed(session, ticket, entry)


async def raise_severity(
    session: AsyncSession,
    ticket: Ticket,
    rules: Sequence[SeverityRule],
    text: str,
    said: Severity | None = None,
    sentiment: float | None = None,
) -> None:
    """Raise a ticket's severity to what the customer's words or a rule call for; it is never lowered.

    Args:
        session: the transaction.
        ticket: a stored ticket.
        rules: the merchant's.
        text: what the customer wrote.
        said: the severity that was recognised in it, if any.
        sentiment: how it sounds, between -1 and 1; None: nobody looked.
    """
    found = await rules_of_severity.highest(session, ticket, rules, text, sentiment)
    if said is not None and rules_of_severity.RANK[said] > rules_of_severity.RANK[ticket.severity]:
        if found is None or rules_of_severity.RANK[said] >= rules_of_severity.RANK[found[0]]:
            found = said, ""
    if found is not None:
        before, (ticket.severity, rule) = ticket.severity, found
        await record(session, ticket, SYSTEM, "severity", before=before.value, after=ticket.severity.value, rule=rule)


async def open_ticket(
    session: AsyncSession,
    conversation: Conversation,
    *,
    kind: TicketType,
    severity: Severity | None,
    order_number: str,
    description: str,
    language: str,
    rules: Sequence[SeverityRule] = (),
    vouched: int | None = None,
    actor: str = CUSTOMER,
    products: Sequence[str] = (),
    sentiment: float | None = None,
) -> Ticket:
    """Open a complaint, attach the files that were sent for it, and have the rules raise its severity.

    The order is linked only where the chat is verified for its customer; otherwise the number is
    kept in the ticket's history as the customer's claim. ``vouched`` is a customer whom the merchant
    names, as good as a verified one. ``products`` are those that the customer named, ``sentiment`` is
    how their words sound.
    """
    order_id, customer_id = None, conversation.customer_id if is_verified(conversation) else vouched
    order: OrderRow | None = None
    if order_number:
        order = await session.scalar(select(OrderRow).where(OrderRow.number_key == number_key(order_number)))
        if order is not None and customer_id is not None and order.customer_id == customer_id:
            order_id = order.id
    customer = await session.get(Customer, customer_id) if customer_id is not None else None
    ticket = Ticket(
        conversation_id=conversation.id,
        customer_id=customer_id,
        order_id=order_id,
        order_number=order_number[:40],
        type=kind,
        severity=severity or DEFAULT_SEVERITY.get(kind, Severity.NORMAL),
        description=description,
        language=language,
        sentiment=sentiment,
        product=(await _product(session, order, products))[:120],
        # What an order number alone tells is counted, even where nobody has proved that it is theirs.
        carrier=order.carrier[:64] if order is not None else "",
        country=((order.country if order is not None else "") or (customer.country if customer else ""))[:64],
        tier=customer.tier if customer is not None else "",
    )
    session.add(ticket)
    await session.flush()
    await record(session, ticket, actor, "opened", order_number=order_number)
    await _take_files(session, conversation, ticket)
    await raise_severity(session, ticket, rules, description, sentiment=sentiment)
    return ticket


async def _product(session: AsyncSession, order: OrderRow | None, named: Sequence[str]) -> str:
    """What a complaint is about: the line of the order that the customer names, or its only one; else their word."""
    if order is None:
        return named[0] if named else ""
    lines = await session.scalars(
        select(OrderLineRow.description).where(OrderLineRow.order_id == order.id).order_by(OrderLineRow.position)
    )
    sold = list(lines)
    for word in named:
        folded = rules_of_severity.folded(word)
        if found := next((line for line in sold if folded in rules_of_severity.folded(line)), ""):
            return found
    return sold[0] if len(sold) == 1 else (named[0] if named else "")


async def _take_files(session: AsyncSession, conversation: Conversation, ticket: Ticket) -> int:
    """Attach the files that were sent here lately and belong to no ticket yet; how many there were."""
    result: Any = await session.execute(
        update(StoredFile)
        .where(
            StoredFile.conversation_id == conversation.id,
            StoredFile.ticket_id.is_(None),
            StoredFile.created_at > now() - FILE_AGE,
        )
        .values(ticket_id=ticket.id)
        .execution_options(synchronize_session=False)
    )
    return int(result.rowcount)


async def add(
    session: AsyncSession,
    conversation: Conversation,
    ticket: Ticket,
    words: str,
    *,
    rules: Sequence[SeverityRule] = (),
    said: Severity | None = None,
    kind: str = "added",
    sentiment: float | None = None,
) -> None:
    """Put what the customer wrote into a ticket's history, and attach the files that were sent with it.

    Args:
        session: the transaction.
        conversation: where it was written, which need not be where the ticket was opened.
        ticket: where it belongs.
        words: what was written.
        rules: those that may raise the severity.
        said: the severity that was recognised in the words.
        kind: what the history calls it: ``added`` or ``reopened``.
        sentiment: how the words sound; the worst of a ticket's is kept.
    """
    files = await _take_files(session, conversation, ticket)
    await record(session, ticket, CUSTOMER, kind, words=words, files=files, conversation=conversation.id)
    if sentiment is not None:
        ticket.sentiment = sentiment if ticket.sentiment is None else min(ticket.sentiment, sentiment)
    await raise_severity(session, ticket, rules, words, said, sentiment)


async def attach(session: AsyncSession, conversation: Conversation, files: Sequence[StoredFile]) -> Ticket | None:
    """Add files to the ticket that was opened or added to moments ago (the rest of an album); None if there is none."""
    ticket: Ticket | None = await session.scalar(
        select(Ticket)
        .join(TicketEvent, TicketEvent.ticket_id == Ticket.id)
        .where(
            _of(conversation),
            TicketEvent.kind.in_(("opened", "added", "reopened")),
            TicketEvent.actor == CUSTOMER,
            TicketEvent.at > now() - ALBUM_AGE,
        )
        .order_by(TicketEvent.id.desc())
        .limit(1)
    )
    if ticket is not None and files:
        for item in files:
            item.ticket_id = ticket.id
        await record(session, ticket, CUSTOMER, "files", count=len(files))
    return ticket


def _of(conversation: Conversation) -> ColumnElement[bool]:
    """The tickets of this chat, and of the customer it is verified for."""
    mine: ColumnElement[bool] = Ticket.conversation_id == conversation.id
    return or_(mine, Ticket.customer_id == conversation.customer_id) if is_verified(conversation) else mine


async def visible(session: AsyncSession, conversation: Conversation, limit: int = 5) -> Sequence[Ticket]:
    """The tickets a customer may see here: of this chat, and of the customer it is verified for.

    One that was merged is left out: the one that goes on in its place is there.
    """
    rows = await session.scalars(
        select(Ticket).where(_of(conversation), Ticket.merged_into_id.is_(None)).order_by(Ticket.id.desc()).limit(limit)
    )
    return rows.all()


def id_of(number: str) -> int | None:
    """The id that a ticket's number means, however it is written; None for what is no number."""
    digits = re.sub(r"\D", "", number)[:15]
    return int(digits) if digits else None


async def find_visible(session: AsyncSession, conversation: Conversation, number: str) -> Ticket | None:
    """A ticket by its number, if the customer may see it here; the one that goes on where it was merged."""
    wanted = id_of(number)
    ticket = await session.get(Ticket, wanted) if wanted is not None else None
    for _ in range(2):
        if ticket is None or not _may_see(conversation, ticket):
            return None
        if ticket.merged_into_id is None:
            break
        ticket = await session.get(Ticket, ticket.merged_into_id)
    if ticket is not None:
        # As it is now, and until what is decided by it is done: an agent may be at it in the chat where it was opened.
        await session.refresh(ticket, with_for_update=True)
    return ticket


def _may_see(conversation: Conversation, ticket: Ticket) -> bool:
    if ticket.conversation_id == conversation.id:
        return True
    return is_verified(conversation) and ticket.customer_id == conversation.customer_id


async def duplicate(
    session: AsyncSession, conversation: Conversation, kind: TicketType, order_number: str
) -> Ticket | None:
    """The newest ticket about the same order with the same type that is still worked on, of the same chat
    or customer; None if there is none, or no order was named."""
    key = number_key(order_number)
    if not key:
        return None
    rows = await session.scalars(
        select(Ticket)
        .where(_of(conversation), Ticket.type == kind, Ticket.status.in_(ACTIVE), Ticket.order_number != "")
        .order_by(Ticket.id.desc())
        .limit(COMPARED)
    )
    return next((ticket for ticket in rows if number_key(ticket.order_number) == key), None)
