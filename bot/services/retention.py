"""What the desk forgets by itself: what users were told and have seen, who had what open, what was announced."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.services import drafts
from bot.storage import now
from bot.storage.models import Alert, Announcement, Piece, Presence

KEEP = timedelta(days=30)
"""So long what is over is kept."""
AT_ONCE = 5000
"""So many rows of a table are deleted in one transaction, so that nobody waits long for it."""


async def tidy(session: AsyncSession) -> bool:
    """Delete what has been over for longer than :data:`KEEP`: alerts that were seen, presence, announcements
    that were made or given up. What nobody has seen or said yet stays, however old. What was written at the desk
    is known to have been sent only for as long as its page may ask, :data:`bot.services.drafts.KNOWN`.

    Returns:
        Whether there may be more of it.
    """
    old = now() - KEEP
    over: tuple[tuple[Any, ColumnElement[bool]], ...] = (
        (Alert.id, Alert.seen_at < old),
        (Announcement.id, Announcement.done_at < old),
    )
    more = False
    for column, where in over:
        ids = list(await session.scalars(select(column).where(where).order_by(column).limit(AT_ONCE)))
        gone = delete(column.class_).where(column.in_(ids), where)
        await session.execute(gone.execution_options(synchronize_session=False))
        more = more or len(ids) == AT_ONCE
    # Of these there is one for each user and conversation, short as a row can be.
    left = delete(Presence).where(Presence.until < old)
    await session.execute(left.execution_options(synchronize_session=False))
    known = delete(Piece).where(Piece.at < now() - drafts.KNOWN)
    await session.execute(known.execution_options(synchronize_session=False))
    return more
