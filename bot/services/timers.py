"""Things due later: rows in the database, taken by the workers."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.storage import insert_ignore, signal
from bot.storage.models import Timer, TimerStatus

TOPIC = "timers"


async def schedule(
    session: AsyncSession, kind: str, due_at: datetime, payload: dict[str, Any], key: str | None = None
) -> None:
    """Have ``kind`` done at ``due_at``; with a ``key`` that is scheduled already, nothing changes."""
    await session.execute(insert_ignore(session, Timer).values(kind=kind, key=key, payload=payload, due_at=due_at))
    signal(session, TOPIC)


async def cancel(session: AsyncSession, key: str) -> None:
    """Forget what was scheduled under ``key`` and is not done yet.

    What a worker is just at goes on: it may be waiting for a lock that is held here, and finds out then
    that there is nothing left to do.
    """
    query = select(Timer.id).where(Timer.key == key, Timer.status == TimerStatus.PENDING)
    found = await session.scalar(query.with_for_update(skip_locked=True))
    if found is not None:
        # Synchronised with the session: it may be this very timer's own work that ends what it was for.
        await session.execute(delete(Timer).where(Timer.id == found).execution_options(synchronize_session="evaluate"))
