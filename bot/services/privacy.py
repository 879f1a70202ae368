"""A customer's rights over their data: a copy, deletion, no more notices.

Without verification a request covers what belongs to the chat itself; with it, also the customer's
record, orders and tickets.
"""

from __future__ import annotations

import json
import secrets
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.contracts import Media
from bot.services.customers import is_verified
from bot.storage import now, signal
from bot.storage.models import (
    Conversation,
    Customer,
    FileStatus,
    Inbox,
    Message,
    OrderLineRow,
    OrderRow,
    Outbox,
    PrivacyRequest,
    StoredFile,
    Survey,
    SurveyStatus,
    Ticket,
    TicketEvent,
)

ERASED = "[erased]"


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="seconds") if moment else None


async def _conversations(session: AsyncSession, conversation: Conversation) -> list[Conversation]:
    """This chat, and for a verified customer every chat that is linked to them."""
    if not is_verified(conversation):
        return [conversation]
    linked = await session.scalars(
        select(Conversation).where(Conversation.customer_id == conversation.customer_id).order_by(Conversation.id)
    )
    return list(linked)


async def collect(session: AsyncSession, conversation: Conversation) -> dict[str, Any]:
    """Everything stored about the person who writes here, as JSON-ready data."""
    chats = await _conversations(session, conversation)
    ids = [chat.id for chat in chats]
    data: dict[str, Any] = {"created_at": _iso(now())}
    if is_verified(conversation):
        customer = await session.get_one(Customer, conversation.customer_id)
        data["customer"] = {
            "name": customer.name,
            "email": customer.email,
            "phone": customer.phone,
            "country": customer.country,
            "tier": customer.tier,
        }
        data["orders"] = [
            {
                "number": order.number,
                "status": order.status,
                "placed_at": _iso(order.placed_at),
                "total": str(order.total),
                "currency": order.currency,
                "email": order.email,
                "phone": order.phone,
                "country": order.country,
                "lines": [
                    {
                        "sku": line.sku,
                        "description": line.description,
                        "quantity": line.quantity,
                        "unit_price": str(line.unit_price),
                    }
                    for line in await session.scalars(select(OrderLineRow).where(OrderLineRow.order_id == order.id))
                ],
            }
            for order in (
                await session.scalars(select(OrderRow).where(OrderRow.customer_id == conversation.customer_id))
            ).all()
        ]
    data["conversations"] = [
        {"channel": chat.channel, "user": chat.user, "name": chat.name, "language": chat.language} for chat in chats
    ]
    data["messages"] = [
        {"at": _iso(message.created_at), "author": message.author.value, "text": message.text}
        for message in await session.scalars(
            select(Message).where(Message.conversation_id.in_(ids)).order_by(Message.id)
        )
    ]
    data["tickets"] = [
        {
            "number": ticket.number,
            "type": ticket.type.value,
            "status": ticket.status.value,
            "order": ticket.order_number,
            "description": ticket.description,
            "created_at": _iso(ticket.created_at),
        }
        for ticket in await session.scalars(select(Ticket).where(Ticket.conversation_id.in_(ids)).order_by(Ticket.id))
    ]
    data["surveys"] = [
        {"sent_at": _iso(survey.sent_at), "score": survey.score, "comment": survey.comment}
        for survey in await session.scalars(select(Survey).where(Survey.conversation_id.in_(ids)).order_by(Survey.id))
    ]
    data["files"] = [
        {"name": item.name, "mime": item.mime, "size": item.size}
        for item in await session.scalars(select(StoredFile).where(StoredFile.conversation_id.in_(ids)))
    ]
    return data


async def export(session: AsyncSession, conversation: Conversation, files_dir: Path) -> Media:
    """Write the copy of the data to a file with an unguessable name; the file to send."""
    data = await collect(session, conversation)
    folder = files_dir / "exports"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{secrets.token_urlsafe(24)}.json"
    path.write_text(json.dumps(data, ensure_ascii=False, indent=2), encoding="utf-8")
    path.chmod(0o600)
    session.add(
        PrivacyRequest(
            kind="export",
            conversation_id=conversation.id,
            customer_id=conversation.customer_id,
            completed_at=now(),
            detail={"file": f"exports/{path.name}"},
        )
    )
    return Media(f"exports/{path.name}", "my-data.json", "application/json")


async def erase(session: AsyncSession, conversation: Conversation, files_dir: Path) -> None:
    """Erase the person: texts, names, contacts, files. Orders, tickets and ratings stay without them.

    What has already been queued for sending is kept until it is sent, the answer to this very
    request among it; everything else that was said is blanked.
    """
    chats = await _conversations(session, conversation)
    ids = [chat.id for chat in chats]
    exports = await session.scalars(
        select(PrivacyRequest).where(PrivacyRequest.conversation_id.in_(ids), PrivacyRequest.kind == "export")
    )
    names = [request.detail.get("file", "") for request in exports]
    stored = await session.scalars(select(StoredFile).where(StoredFile.conversation_id.in_(ids)))
    for item in stored:
        names.append(item.path)
        item.path, item.name, item.ref, item.status = "", ERASED, "", FileStatus.FAILED
    for name in filter(None, names):
        (files_dir / name).unlink(missing_ok=True)
    quiet = {"synchronize_session": False}
    for statement in (
        update(Message).where(Message.conversation_id.in_(ids)).values(text=ERASED, parse=None),
        update(Inbox).where(Inbox.conversation_id.in_(ids), Inbox.handled_at.is_not(None)).values(event={}),
        update(Outbox)
        .where(Outbox.conversation_id.in_(ids), Outbox.sent_at.is_not(None))
        .values(body={"text": ERASED, "language": "", "buttons": [], "media": [], "quick_replies": []}),
        update(Ticket).where(Ticket.conversation_id.in_(ids)).values(description=ERASED, customer_id=None),
        update(Survey).where(Survey.conversation_id.in_(ids)).values(comment="", customer_id=None),
    ):
        await session.execute(statement.execution_options(**quiet))
    if is_verified(conversation):
        await _erase_customer(session, conversation)
    for chat in chats:
        chat.name, chat.customer_id, chat.verified_until, chat.state = "", None, None, {}
    session.add(PrivacyRequest(kind="delete", conversation_id=conversation.id, completed_at=now(), detail={}))
    signal(session, "desk")


async def _erase_customer(session: AsyncSession, conversation: Conversation) -> None:
    customer = await session.get_one(Customer, conversation.customer_id)
    customer.name = customer.email = customer.phone = ""
    customer.external_ref, customer.erased_at = None, now()
    quiet = {"synchronize_session": False}
    await session.execute(
        update(OrderRow)
        .where(OrderRow.customer_id == customer.id)
        .values(email="", phone="")
        .execution_options(**quiet)
    )
    await session.execute(
        update(Ticket)
        .where(Ticket.customer_id == customer.id)
        .values(description=ERASED, customer_id=None)
        .execution_options(**quiet)
    )
    await session.execute(
        update(TicketEvent)
        .where(TicketEvent.ticket_id.in_(select(Ticket.id).where(Ticket.conversation_id == conversation.id)))
        .values(detail={})
        .execution_options(**quiet)
    )


async def stop(session: AsyncSession, conversation: Conversation) -> None:
    """No more surveys and notices, effective at once, for the chat and a verified customer."""
    moment = now()
    conversation.surveys_stopped_at = moment
    where = Survey.conversation_id == conversation.id
    if is_verified(conversation):
        customer = await session.get_one(Customer, conversation.customer_id)
        customer.surveys_stopped_at = moment
        where = where | (Survey.customer_id == customer.id)
    await session.execute(
        update(Survey)
        .where(where, Survey.status == SurveyStatus.SCHEDULED)
        .values(status=SurveyStatus.CANCELLED)
        .execution_options(synchronize_session=False)
    )
    session.add(
        PrivacyRequest(
            kind="stop", conversation_id=conversation.id, customer_id=conversation.customer_id, completed_at=moment
        )
    )
