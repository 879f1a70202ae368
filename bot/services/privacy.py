"""A customer's rights over their data: a copy, deletion, no more notices.

Without verification a request covers what belongs to the chat itself; with it, also the customer's
record, orders and tickets.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.contracts import Media
from bot.services import callbacks, drafts, timers
from bot.services.customers import is_verified
from bot.storage import now, signal
from bot.storage.models import (
    Conversation,
    ConversationNote,
    Correction,
    Customer,
    Draft,
    FileStatus,
    FollowUp,
    Handoff,
    Inbox,
    InboxStatus,
    Message,
    OrderLineRow,
    OrderRow,
    Outbox,
    OutboxStatus,
    PrivacyRequest,
    RoomRow,
    StoredFile,
    Survey,
    SurveyStatus,
    Ticket,
    TicketEvent,
    Translation,
)

ERASED = "[erased]"
# The requests to which a file was written, see ``detail``.
WRITTEN = ("export", "transcript")
SWEEP = "privacy_sweep"
# What was on its way when somebody was erased has this long to arrive before its copy here goes too.
SWEEP_AFTER = timedelta(minutes=10)
SWEEP_AGAIN = timedelta(hours=1)
SWEEPS = 24
BLANK = {"text": ERASED, "language": "", "buttons": [], "media": [], "quick_replies": []}
QUIET = {"synchronize_session": False}
OPEN = (OutboxStatus.PENDING, OutboxStatus.SENDING)


def erased_reference(reference: str) -> str:
    """What stands in a customer's ``external_ref`` once they are erased: enough to know them again when
    the merchant's file brings them back, and no more. It fits its column and stays unique."""
    return f"erased:{hashlib.sha256(reference.encode()).hexdigest()[:56]}"


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


def _known(conversation: Conversation) -> int | None:
    """The customer who writes here, if that is proved."""
    return conversation.customer_id if is_verified(conversation) else None


async def chats_of(session: AsyncSession, customer_id: int) -> list[Conversation]:
    """Every chat that is linked to a customer, locked; the bot and the agents wait."""
    where = Conversation.customer_id == customer_id
    return list(await session.scalars(select(Conversation).where(where).order_by(Conversation.id).with_for_update()))


async def collect(session: AsyncSession, conversation: Conversation) -> dict[str, Any]:
    """Everything stored about the person who writes here, as JSON-ready data."""
    return await collect_all(session, await _conversations(session, conversation), _known(conversation))


async def collect_all(session: AsyncSession, chats: list[Conversation], customer_id: int | None) -> dict[str, Any]:
    """Everything stored about whoever wrote in these chats, and about this customer."""
    ids = [chat.id for chat in chats]
    data: dict[str, Any] = {"created_at": _iso(now())}
    if customer_id is not None:
        customer = await session.get_one(Customer, customer_id)
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
            for order in (await session.scalars(select(OrderRow).where(OrderRow.customer_id == customer_id))).all()
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
    called = select(Handoff.phone, Handoff.started_at).where(Handoff.conversation_id.in_(ids), Handoff.phone != "")
    data["calls"] = [
        {"at": _iso(row.started_at), "phone": row.phone} for row in await session.execute(called.order_by(Handoff.id))
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


async def export_customer(session: AsyncSession, customer_id: int) -> dict[str, Any]:
    """Everything stored about a customer who asked the merchant for it, with all chats that are linked to them."""
    chats = await chats_of(session, customer_id)
    if chats:
        where, by = chats[0].id, {"by": "api"}
        asked = PrivacyRequest(
            kind="export", conversation_id=where, customer_id=customer_id, completed_at=now(), detail=by
        )
        session.add(asked)
    return await collect_all(session, chats, customer_id)


async def erase(session: AsyncSession, conversation: Conversation, files_dir: Path) -> None:
    """Erase the person: texts, names, contacts, files. Orders, tickets and ratings stay without them.

    What is queued for sending is kept until it has left, and the event that is being handled until it is
    done; :func:`sweep` blanks both afterwards. Planned surveys are not sent any more.
    """
    request = PrivacyRequest(kind="delete", conversation_id=conversation.id, completed_at=now(), detail={})
    await _erase(session, await _conversations(session, conversation), _known(conversation), request, files_dir)


async def erase_customer(session: AsyncSession, customer_id: int, files_dir: Path) -> None:
    """As :func:`erase`, for a customer who asked the merchant, with all chats that are linked to them."""
    chats = await chats_of(session, customer_id)
    where = chats[0].id if chats else None
    request = PrivacyRequest(kind="delete", conversation_id=where, completed_at=now(), detail={"by": "api"})
    await _erase(session, chats, customer_id, request, files_dir)


async def _erase(
    session: AsyncSession,
    chats: list[Conversation],
    customer_id: int | None,
    request: PrivacyRequest,
    files_dir: Path,
) -> None:
    ids = [chat.id for chat in chats]
    exports = await session.scalars(
        select(PrivacyRequest).where(PrivacyRequest.conversation_id.in_(ids), PrivacyRequest.kind.in_(WRITTEN))
    )
    names = [request.detail.get("file", "") for request in exports]
    stored = await session.scalars(select(StoredFile).where(StoredFile.conversation_id.in_(ids)).with_for_update())
    for item in stored:
        names.append(item.path)
        item.path, item.name, item.ref, item.status = "", ERASED, "", FileStatus.FAILED
    for name in filter(None, names):
        (files_dir / name).unlink(missing_ok=True)
    tickets: ColumnElement[bool] = Ticket.conversation_id.in_(ids)
    planned: ColumnElement[bool] = Survey.conversation_id.in_(ids)
    if customer_id is not None:
        tickets, planned = (
            or_(tickets, Ticket.customer_id == customer_id),
            or_(planned, Survey.customer_id == customer_id),
        )
    await _blank(session, ids)
    await _call_off(session, ids)
    theirs = list(await session.scalars(select(Ticket.id).where(tickets)))
    said = select(Message.id).where(Message.conversation_id.in_(ids))
    for statement in (
        update(Survey)
        .where(planned, Survey.status == SurveyStatus.SCHEDULED)
        .values(status=SurveyStatus.CANCELLED, reason="erased"),
        update(FollowUp).where(FollowUp.survey_id.in_(select(Survey.id).where(planned))).values(note=""),
        update(Survey).where(planned).values(comment="", customer_id=None, order_id=None, nonce=""),
        # What is learnt already is in the project's files, where a reviewer has taken out names and numbers.
        delete(Correction).where(Correction.message_id.in_(said), Correction.status != "learnt"),
        # What has come up since the request is not part of it, so these are not swept later on.
        update(RoomRow).where(RoomRow.conversation_id.in_(ids)).values(notes=[]),
        update(Handoff).where(Handoff.conversation_id.in_(ids)).values(phone="", summary={}),
        update(ConversationNote).where(ConversationNote.conversation_id.in_(ids)).values(text=ERASED),
        delete(Draft).where(Draft.place.in_([place for chat in ids for place in drafts.places(chat)])),
        delete(Draft).where(Draft.place.in_([drafts.ticket_place(item) for item in theirs])),
        # What is found first, then what belongs to it: the search index is made in that order.
        update(Ticket).where(Ticket.id.in_(theirs)).values(description=ERASED, customer_id=None),
        update(TicketEvent).where(TicketEvent.ticket_id.in_(theirs)).values(detail={}),
    ):
        await session.execute(statement.execution_options(**QUIET))
    if customer_id is not None:
        await _erase_customer(session, customer_id)
    for chat in chats:
        chat.name, chat.customer_id, chat.verified_until, chat.state = "", None, None, {}
    signal(session, "desk")
    if not chats:
        # Nothing was said, so that nothing can be on its way; that they are erased is written at the customer.
        return
    session.add(request)
    await session.flush()
    last = await session.scalar(select(func.max(Inbox.id)).where(Inbox.conversation_id.in_(ids)))
    until = await session.scalar(select(func.max(Outbox.id)).where(Outbox.conversation_id.in_(ids)))
    payload = {"conversations": ids, "request": request.id, "inbox": last or 0, "outbox": until or 0, "try": 1}
    await timers.schedule(session, SWEEP, now() + SWEEP_AFTER, payload, key=f"{SWEEP}:{request.id}:1")
    signal(session, "desk")


async def _call_off(session: AsyncSession, ids: list[int]) -> None:
    """Nobody is called back whose number is erased."""
    asked = select(Handoff.id).where(Handoff.conversation_id.in_(ids), Handoff.outcome == callbacks.CALLBACK)
    for handoff_id in await session.scalars(asked):
        await timers.cancel(session, callbacks.timer_of(handoff_id))


async def _blank(session: AsyncSession, ids: list[int], inbox: int | None = None, outbox: int | None = None) -> None:
    """Blank what was said in these conversations, up to these ids, save what is still to be handled or sent."""
    events: list[ColumnElement[bool]] = [Inbox.conversation_id.in_(ids), Inbox.status != InboxStatus.PENDING]
    letters: list[ColumnElement[bool]] = [Outbox.conversation_id.in_(ids), Outbox.status.not_in(OPEN)]
    said: list[ColumnElement[bool]] = [Message.conversation_id.in_(ids)]
    if inbox is not None and outbox is not None:
        events.append(Inbox.id <= inbox)
        letters.append(Outbox.id <= outbox)
        said.append(or_(Message.inbox_id <= inbox, Message.outbox_id <= outbox))
    for statement in (
        update(Message).where(*said).values(text=ERASED, parse=None),
        delete(Translation).where(Translation.message_id.in_(select(Message.id).where(*said))),
        update(Inbox).where(*events).values(event={}, error=""),
        update(Outbox).where(*letters).values(body=BLANK),
    ):
        await session.execute(statement.execution_options(**QUIET))


async def sweep(session: AsyncSession, payload: dict[str, Any], _: Any = None) -> None:
    """Blank what was still on its way when somebody was erased.

    What has not left yet has another hour, and after a day it is not sent any more.
    """
    ids, inbox, outbox, tried = (payload[name] for name in ("conversations", "inbox", "outbox", "try"))
    if tried >= SWEEPS:
        await session.execute(
            update(Outbox)
            .where(Outbox.conversation_id.in_(ids), Outbox.id <= outbox, Outbox.status == OutboxStatus.PENDING)
            .values(status=OutboxStatus.DEAD, error="the customer was erased before it could be sent")
            .execution_options(**QUIET)
        )
    await _blank(session, ids, inbox, outbox)
    waiting = await session.scalar(
        select(Outbox.id).where(Outbox.conversation_id.in_(ids), Outbox.id <= outbox, Outbox.status.in_(OPEN)).limit(1)
    ) or await session.scalar(
        select(Inbox.id)
        .where(Inbox.conversation_id.in_(ids), Inbox.id <= inbox, Inbox.status == InboxStatus.PENDING)
        .limit(1)
    )
    if waiting:
        again = payload | {"try": tried + 1}
        await timers.schedule(
            session, SWEEP, now() + SWEEP_AGAIN, again, key=f"{SWEEP}:{payload['request']}:{tried + 1}"
        )
    signal(session, "desk")


async def _erase_customer(session: AsyncSession, customer_id: int) -> None:
    customer = await session.get_one(Customer, customer_id)
    customer.name = customer.email = customer.phone = ""
    customer.external_ref = erased_reference(customer.external_ref) if customer.external_ref else None
    customer.erased_at = now()
    orders = update(OrderRow).where(OrderRow.customer_id == customer.id).values(email="", phone="")
    await session.execute(orders.execution_options(**QUIET))


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
        .values(status=SurveyStatus.CANCELLED, reason="stopped")
        .execution_options(**QUIET)
    )
    session.add(
        PrivacyRequest(
            kind="stop", conversation_id=conversation.id, customer_id=conversation.customer_id, completed_at=moment
        )
    )
