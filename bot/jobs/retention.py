"""Every night: what the desk needs no longer is deleted."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from bot.config import Settings
from bot.jobs.base import Workshop
from bot.services import retention, timers
from bot.storage import now
from bot.worker import Job

TIDY = "retention"
# On the shop's clock, when little goes on.
TIDY_AT = time(3, 30)
# What is left over is deleted so much later.
AGAIN = timedelta(seconds=30)


async def begin_retention(session: AsyncSession, settings: Settings) -> None:
    """Have it tidied every night from now on; nothing changes where that was done before."""
    zone = ZoneInfo(settings.shop.timezone)
    await _plan(session, now().astimezone(zone).date(), zone)


async def _plan(session: AsyncSession, day: date, zone: ZoneInfo) -> None:
    due = datetime.combine(day, TIDY_AT, zone).astimezone(UTC)
    await timers.schedule(session, TIDY, due, {"day": day.isoformat(), "turn": 0}, key=f"{TIDY}:{day.isoformat()}:0")


def retention_jobs(shop: Workshop) -> dict[str, Job]:
    """What is done at night."""
    zone = ZoneInfo(shop.settings.shop.timezone)

    async def tidy(session: AsyncSession, payload: dict[str, Any], _: Any) -> None:
        more, turn = await retention.tidy(session), int(payload["turn"]) + 1
        if more:
            again = payload | {"turn": turn}
            await timers.schedule(session, TIDY, now() + AGAIN, again, key=f"{TIDY}:{payload['day']}:{turn}")
            return
        today = now().astimezone(zone).date()
        await _plan(session, max(date.fromisoformat(payload["day"]), today) + timedelta(days=1), zone)

    return {TIDY: Job(tidy)}
