"""What is to be sent, by conversation: each is a lane that one dispatcher at a time owns by a lease."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Integer, and_, bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from bot.contracts import Address, Outgoing
from bot.outbox import outgoing
from bot.storage import now
from bot.storage.models import Conversation, Outbox, OutboxStatus, UtcDateTime

LEASE = timedelta(seconds=60)
OPEN = (OutboxStatus.PENDING, OutboxStatus.SENDING)


@dataclass(slots=True)
class Job:
    """A message to be sent, and how many of its parts have left."""

    message: Outgoing
    part: int = 0


# Built once, because building them anew takes longer than SQLite takes to answer them.
_earlier = aliased(Outbox)
_DUE = (
    select(Outbox.conversation_id)
    .where(
        Outbox.status.in_(OPEN),
        (Outbox.status == OutboxStatus.PENDING)
        | and_(Outbox.status == OutboxStatus.SENDING, Outbox.lease_until < bindparam("moment", type_=UtcDateTime)),
        Outbox.due_at <= bindparam("moment", type_=UtcDateTime),
        Outbox.channel.in_(bindparam("channels", expanding=True)),
        Outbox.conversation_id.not_in(bindparam("busy", expanding=True)),
        ~select(_earlier.id)
        .where(_earlier.conversation_id == Outbox.conversation_id, _earlier.id < Outbox.id, _earlier.status.in_(OPEN))
        .exists(),
    )
    .order_by(Outbox.id)
    .limit(bindparam("count", type_=Integer))
    .with_for_update(skip_locked=True, of=Outbox)
)
_OPEN_ONES = (
    select(
        Outbox.id,
        Outbox.conversation_id,
        Outbox.author,
        Outbox.body,
        Outbox.status,
        Outbox.parts_sent,
        Outbox.due_at,
        Outbox.lease_until,
        Conversation.channel,
        Conversation.chat,
        Conversation.user,
        Conversation.thread,
    )
    .join(Conversation, Conversation.id == Outbox.conversation_id)
    .where(Outbox.conversation_id.in_(bindparam("lanes", expanding=True)), Outbox.status.in_(OPEN))
    .order_by(Outbox.id)
)
_LEASE = (
    update(Outbox)
    .where(Outbox.id.in_(bindparam("ids", expanding=True)))
    .values(status=OutboxStatus.SENDING, lease_owner=bindparam("owner"), lease_until=bindparam("until"))
)


async def due(session: AsyncSession, channels: list[str], busy: list[int], count: int) -> list[int]:
    """At most ``count`` conversations on these channels, none of the busy ones, whose first open message
    is due and not leased."""
    values = {"moment": now(), "channels": channels, "busy": busy, "count": count}
    return list(await (await session.connection()).scalars(_DUE, values))


async def claim(session: AsyncSession, lanes: list[int], owner: str) -> dict[int, list[Job]]:
    """Lease the open messages of these lanes, up to the first that is not due."""
    if not lanes:
        return {}
    moment = now()
    connection = await session.connection()
    taken: dict[int, list[Job]] = {}
    closed: set[int] = set()
    ids = []
    for row in (await connection.execute(_OPEN_ONES, {"lanes": lanes})).all():
        lane = row.conversation_id
        held = row.status is OutboxStatus.SENDING and row.lease_until is not None and row.lease_until > moment
        if held or row.due_at > moment or lane in closed:
            closed.add(lane)
            continue
        address = Address(row.channel, row.chat, row.user, row.thread)
        taken.setdefault(lane, []).append(Job(outgoing(row, address), row.parts_sent))
        ids.append(row.id)
    if ids:
        await connection.execute(_LEASE, {"ids": ids, "owner": owner, "until": moment + LEASE})
    return taken
