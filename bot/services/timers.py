"""Things due later: rows in the database, taken by the workers."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import delete
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
    """Forget what was scheduled under ``key`` and is not done yet."""
    await session.execute(delete(Timer).where(Timer.key == key, Timer.status == TimerStatus.PENDING))
