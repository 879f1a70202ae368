"""Every morning: which figures have left their usual band?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from bot.config import Settings
from bot.jobs.base import Workshop
from bot.services import bands, timers
from bot.services.bands import Excursion
from bot.storage import figures, now
from bot.storage.figures import days_between
from bot.worker import Job

LOOK = "bands"
# On the shop's clock, before managers begin their day.
LOOK_AT = time(6, 30)
# While the figures are not up to date, it is looked again after so long, so often.
AGAIN_AFTER = timedelta(minutes=30)
TRIES = 12


@dataclass(frozen=True, slots=True)
class _Looked:
    """Which figures have left their bands, as of a day; None while the figures are not up to date."""

    day: date
    found: tuple[Excursion, ...] | None


async def begin_bands(session: AsyncSession, settings: Settings) -> None:
    """Have the bands looked at every day from now on; nothing changes where that was done before."""
    zone = ZoneInfo(settings.shop.timezone)
    await _plan(session, now().astimezone(zone).date(), zone)


async def _plan(session: AsyncSession, day: date, zone: ZoneInfo) -> None:
    due = datetime.combine(day, LOOK_AT, zone).astimezone(UTC)
    await timers.schedule(session, LOOK, due, {"day": day.isoformat()}, key=f"{LOOK}:{day.isoformat()}")


def band_jobs(shop: Workshop) -> dict[str, Job]:
    """What is done about bands when a timer is due."""
    settings = shop.settings

    zone = ZoneInfo(settings.shop.timezone)

    async def look(payload: dict[str, Any]) -> _Looked:
        # After a long rest only the present day is looked at: what has been and gone is no news.
        day = max(date.fromisoformat(payload["day"]), now().astimezone(zone).date())
        complete = days_between(day - timedelta(days=1), day - timedelta(days=1), zone.key).until
        # Months are read for it: not in the transaction that writes, for which customers would wait.
        async with shop.database.read() as session:
            seen = await figures.as_of(session)
            if seen is None or seen < complete:
                return _Looked(day, None)
            return _Looked(day, tuple(await bands.excursions(session, day, zone.key)))

    async def tell(session: AsyncSession, payload: dict[str, Any], looked: _Looked) -> None:
        day, tries = looked.day, payload.get("tries", 1)
        if looked.found is None and tries < TRIES:
            again = {"day": day.isoformat(), "tries": tries + 1}
            await timers.schedule(session, LOOK, now() + AGAIN_AFTER, again, key=f"{LOOK}:{day.isoformat()}:{tries}")
            return
        await bands.tell(session, looked.found or (), settings)
        await _plan(session, day + timedelta(days=1), zone)

    return {LOOK: Job(tell, look, lane=LOOK)}
