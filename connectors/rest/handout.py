"""Which replies a caller gets: each once, in order, none lost.

The dispatcher has nothing to push: it marks a reply as sent, which here means *available*. A call
takes what is available with a claim that ends by itself, answers, and then makes the claim final. So
a crash in between loses nothing: the next call finds the replies again. A call that is repeated
under its ``message_id`` finds its own replies, final or not, and nobody else gets them.

``Outbox.platform_id`` names the call that took a reply; ``Outbox.lease_until`` is set while that
claim is not final.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.contracts import Address, Outgoing
from bot.outbox import outgoing
from bot.storage import now, signal
from bot.storage.models import Conversation, Inbox, InboxStatus, Outbox, OutboxStatus
from connectors.rest.convert import CHANNEL

# Writing an answer takes milliseconds; who has not finished after this is gone.
CLAIM = timedelta(seconds=5)
# The length of an event's id that was made from the caller's ``message_id``; a fresh one is shorter.
DIGEST = 64


@dataclass(frozen=True, slots=True)
class Call:
    """One request: the name its replies are marked with, and the event it brought (None: it only asks).

    A ``repeatable`` call carries the caller's own id: whoever missed the answer asks for it again by that
    id, so a claim is final at once, and no other call is given the same replies after a crash.
    """

    mark: str
    address: Address
    conversation_id: int
    inbox_id: int | None = None
    repeatable: bool = False


async def find_event(session: AsyncSession, event_id: str) -> tuple[int, int] | None:
    """The inbox id and the conversation id of an event; None if it was never stored."""
    found = (
        await session.execute(
            select(Inbox.id, Inbox.conversation_id).where(Inbox.channel == CHANNEL, Inbox.external_id == event_id)
        )
    ).one_or_none()
    return (found[0], found[1]) if found else None


async def find_conversation(session: AsyncSession, address: Address) -> int | None:
    """The id of the conversation at an address; None if there is none."""
    where = (Conversation.channel == CHANNEL, Conversation.address_key == address.key)
    found: int | None = await session.scalar(select(Conversation.id).where(*where))
    return found


async def takeable(session: AsyncSession, call: Call) -> list[Outbox] | None:
    """The replies that a call may take now, in order; None when it has to wait.

    It waits while its event is not handled, while a reply to it or to an earlier event, or a notice
    ahead of one, is still on its way here, and while another call is being answered with earlier
    replies. It does not take replies to later events: those belong to the calls that brought them.
    """
    if call.inbox_id is not None:
        status = await session.scalar(select(Inbox.status).where(Inbox.id == call.inbox_id))
        if status is InboxStatus.PENDING:
            return None
    free = or_(Outbox.platform_id == "", Outbox.platform_id == call.mark, Outbox.lease_until.is_not(None))
    query = select(Outbox).where(
        Outbox.conversation_id == call.conversation_id, Outbox.status != OutboxStatus.DEAD, free
    )
    if call.inbox_id is not None:
        query = query.where(or_(Outbox.inbox_id.is_(None), Outbox.inbox_id <= call.inbox_id))
    rows = list(await session.scalars(query.order_by(Outbox.id)))
    moment = now()
    rows = await _without_repeatable(session, rows, call, moment)
    answers = [place for place, row in enumerate(rows) if row.inbox_id is not None]
    found = []
    for place, row in enumerate(rows):
        if row.status is not OutboxStatus.SENT:
            if answers and place <= answers[-1]:
                return None
            break
        if _claimed_by_another(row, call, moment):
            return None
        found.append(row)
    return found


async def _without_repeatable(session: AsyncSession, rows: list[Outbox], call: Call, moment: datetime) -> list[Outbox]:
    """Leave out what a call under its own ``message_id`` took before a crash.

    A caller who has not got an answer repeats the call and finds it again; one who has, and goes on to
    the next message, must not get it twice. Without ids nobody can repeat, so there the next call gets it.
    """
    lost = {
        row.id: int(number)
        for row in rows
        if row.platform_id != call.mark and row.lease_until is not None and row.lease_until <= moment
        for kind, _, number in [row.platform_id.partition(":")]
        if kind == "inbox" and number.isdecimal()
    }
    if not lost:
        return rows
    events = select(Inbox.id).where(Inbox.id.in_(lost.values()), func.length(Inbox.external_id) == DIGEST)
    repeatable = set(await session.scalars(events))
    return [row for row in rows if lost.get(row.id) not in repeatable]


def _claimed_by_another(row: Outbox, call: Call, moment: datetime) -> bool:
    return row.platform_id not in ("", call.mark) and row.lease_until is not None and row.lease_until > moment


async def claim(session: AsyncSession, call: Call) -> list[Outgoing] | None:
    """Take what is available, within a transaction; None when the call has to wait."""
    await session.execute(select(Conversation.id).where(Conversation.id == call.conversation_id).with_for_update())
    rows = await takeable(session, call)
    if rows is None:
        return None
    until = None if call.repeatable else now() + CLAIM
    for row in rows:
        if row.platform_id != call.mark or row.lease_until is not None:
            row.platform_id, row.lease_until = call.mark, until
    return [outgoing(row, call.address) for row in rows]


async def confirm(session: AsyncSession, call: Call, ids: Sequence[int]) -> None:
    """Make a claim final: the caller has been answered."""
    await session.execute(
        update(Outbox)
        .where(Outbox.id.in_(ids), Outbox.platform_id == call.mark)
        .values(lease_until=None)
        .execution_options(synchronize_session=False)
    )
    signal(session, f"conversation:{call.conversation_id}")
