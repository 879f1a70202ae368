"""Rooms: where agents see a hand-over on a platform, and what they are still to be told there."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.storage import signal
from bot.storage.models import Handoff, RoomRow

TOPIC = "desk"
MAX_NOTES = 50


async def find(session: AsyncSession, channel: str, chat: str, thread: str) -> RoomRow | None:
    """The room at a place of a platform, None if there is none."""
    if not thread:
        return None
    found: RoomRow | None = await session.scalar(
        select(RoomRow)
        .where(RoomRow.channel == channel, RoomRow.chat == chat, RoomRow.thread == thread)
        .order_by(RoomRow.id.desc())
        .limit(1)
    )
    return found


async def is_going_on(session: AsyncSession, room: RoomRow) -> bool:
    """Whether the room's hand-over has not ended."""
    handoff = await session.get_one(Handoff, room.handoff_id)
    return handoff.ended_at is None


async def tell(
    session: AsyncSession,
    conversation_id: int,
    key: str,
    params: dict[str, str] | None = None,
    *,
    only: tuple[str, str] | None = None,
    alert: bool = False,
    shown: int | None = None,
) -> None:
    """Have something said in the open rooms of a conversation.

    Args:
        session: the transaction that it is committed with.
        conversation_id: whose rooms.
        key: words of ``desk.po``; a parameter ``since`` (ISO 8601) becomes ``time``, how long ago that is.
        params: what stands in for the placeholders of the words.
        only: channel and platform's id of the one agent whom it concerns; None for all.
        alert: whether everybody's attention is asked for.
        shown: a message; only rooms are told in which it stands below the card already.
    """
    query = select(RoomRow).where(RoomRow.conversation_id == conversation_id, RoomRow.closed_at.is_(None))
    if only is not None:
        query = query.where(RoomRow.channel == only[0])
    for room in await session.scalars(query.with_for_update()):
        if shown is not None and not room.since < shown <= room.shown:
            continue
        note = {"key": key, "params": params or {}, "only": only[1] if only else "", "alert": alert}
        room.notes = [*room.notes, note][-MAX_NOTES:]
    signal(session, TOPIC)
