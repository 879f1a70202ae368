"""Every morning: which topics of complaints have risen beyond the usual?"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from bot.config import Settings
from bot.jobs.base import Workshop
from bot.services import timers, topics
from bot.storage import now
from bot.worker import Job

LOOK = "topics"
# On the shop's clock, before managers begin their day.
LOOK_AT = time(6, 0)


async def begin_topics(session: AsyncSession, settings: Settings) -> None:
    """Have the topics looked at every day from now on; nothing changes where that was done before."""
    zone = ZoneInfo(settings.shop.timezone)
    await _plan(session, now().astimezone(zone).date(), zone)


async def _plan(session: AsyncSession, day: date, zone: ZoneInfo) -> None:
    due = datetime.combine(day, LOOK_AT, zone).astimezone(UTC)
    await timers.schedule(session, LOOK, due, {"day": day.isoformat()}, key=f"{LOOK}:{day.isoformat()}")


def topic_jobs(shop: Workshop) -> dict[str, Job]:
    """What is done about topics when a timer is due."""
    settings = shop.settings

    async def look(session: AsyncSession, payload: dict[str, Any], _: Any) -> None:
        zone = ZoneInfo(settings.shop.timezone)
        # After a long rest only the present day is looked at: what rose and fell meanwhile is no news.
        day = max(date.fromisoformat(payload["day"]), now().astimezone(zone).date())
        await topics.flag(session, settings.topics, day, zone)
        await _plan(session, day + timedelta(days=1), zone)

    return {LOOK: Job(look)}
