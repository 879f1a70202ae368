"""Digests leave at their time, each once a period."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from bot.config import Settings
from bot.config.digests import Digest
from bot.digest import MAIL, Composed, compose, smtp_of
from bot.digest.picture import draw
from bot.jobs.base import Workshop
from bot.jobs.files import store_file
from bot.services import timers
from bot.services.alerts import ANNOUNCED
from bot.storage import now, signal
from bot.storage.models import Announcement
from bot.worker import Job

log = logging.getLogger(__name__)

DIGEST = "digest"
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class _Ready:
    """A digest with its picture."""

    said: Composed
    picture: bytes | None


async def begin_digests(session: AsyncSession, settings: Settings) -> None:
    """Have each digest sent from its next time on; nothing changes where that was done before."""
    for digest in settings.digests:
        await _plan(session, digest, settings, now())


def next_time(digest: Digest, zone: ZoneInfo, after: datetime) -> tuple[date, datetime]:
    """The first local day on which a digest is sent after a moment, and when that is."""
    day = after.astimezone(zone).date()
    while True:
        due = datetime.combine(day, digest.time, zone).astimezone(UTC)
        if due > after and (digest.every == "day" or day.weekday() == digest.weekday):
            return day, due
        day += DAY


async def _plan(session: AsyncSession, digest: Digest, settings: Settings, after: datetime) -> None:
    day, due = next_time(digest, ZoneInfo(settings.shop.timezone), after)
    payload = {"digest": digest.name, "day": day.isoformat()}
    await timers.schedule(session, DIGEST, due, payload, key=f"{DIGEST}:{digest.name}:{day.isoformat()}")


def digest_jobs(shop: Workshop) -> dict[str, Job]:
    """What is done about digests when a timer is due."""
    settings = shop.settings

    def named(payload: dict[str, Any]) -> Digest | None:
        return next((item for item in settings.digests if item.name == payload["digest"]), None)

    def stale(digest: Digest, payload: dict[str, Any]) -> bool:
        """Whether the next one is due already, as after a long rest."""
        day = date.fromisoformat(payload["day"])
        age = now().astimezone(ZoneInfo(settings.shop.timezone)).date() - day
        return age >= (DAY if digest.every == "day" else 7 * DAY)

    async def prepare(payload: dict[str, Any]) -> _Ready | None:
        digest = named(payload)
        if digest is None or stale(digest, payload):
            return None
        async with shop.database.read() as session:
            said = await compose(session, digest, date.fromisoformat(payload["day"]), settings)
        if said is None:
            log.info("the digest %s of %s is not sent: nothing happened", digest.name, payload["day"])
            return None
        return _Ready(said, await asyncio.to_thread(draw, said.bars, said.labels, said.english))

    async def send(session: AsyncSession, payload: dict[str, Any], ready: _Ready | None) -> None:
        digest = named(payload)
        if digest is None:
            return
        if ready is not None:
            _put(session, shop, digest, ready)
        await _plan(session, digest, settings, now())

    return {DIGEST: Job(send, prepare, lane=DIGEST)}


def _put(session: AsyncSession, shop: Workshop, digest: Digest, ready: _Ready) -> None:
    """Have it said in the agents' places and sent by e-mail, in the transaction that marks it as done."""
    params: dict[str, Any] = {"text": ready.said.text}
    if ready.picture is not None:
        name = f"{digest.name}.png"
        path = store_file(shop.config.files_dir, name, ready.picture)
        params["media"] = {"path": path, "name": name, "mime": "image/png"}
    for place in digest.places:
        session.add(Announcement(channel=place, key="announce.digest.text", params=params))
    if digest.emails and smtp_of(shop.config) is None:
        log.warning("the digest %s is not sent by e-mail: LINGUADESK_SMTP_URL is not set", digest.name)
    elif digest.emails:
        for email in digest.emails:
            more = {"to": email, "subject": ready.said.subject}
            session.add(Announcement(channel=MAIL, key="announce.digest.text", params=params | more))
    signal(session, ANNOUNCED)
