"""What the desk forgets at night, on either database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from bot import jobs
from bot.config import Config
from bot.domain import load_domain
from bot.jobs import retention as retention_jobs
from bot.outbox import Voice
from bot.services import retention
from bot.storage import Database, now
from bot.storage.models import Alert, Announcement, Conversation, Piece, Presence, Role, Timer, User
from bot.texts import Texts


async def past(database: Database) -> None:
    """Two of each kind on either side of the border, and what is not over though it is old."""
    async with database.begin() as session:
        session.add(User(username="ana", name="Ana", password_hash="x", role=Role.AGENT, language="en"))
        for name in ("a", "b"):
            session.add(Conversation(channel="web", address_key=name, chat=name, user=name))
        await session.flush()
        for days, name in ((31, "old"), (29, "new")):
            at = now() - timedelta(days=days)
            session.add(Alert(user_id=1, key=f"alert.{name}", created_at=at, seen_at=at))
            session.add(Announcement(key=f"announce.{name}", created_at=at, done_at=at))
            session.add(Piece(user_id=1, piece=name, at=now() - timedelta(hours=days - 6)))
            session.add(Presence(conversation_id=1 if name == "old" else 2, user_id=1, until=at))
        ages = now() - timedelta(days=400)
        session.add(Alert(user_id=1, key="alert.unseen", created_at=ages))
        session.add(Announcement(key="announce.unsaid", created_at=ages))


async def left(database: Database) -> dict[str, set[Any]]:
    """What is still there."""
    async with database.read() as session:
        return {
            "alerts": set(await session.scalars(select(Alert.key))),
            "announcements": set(await session.scalars(select(Announcement.key))),
            "pieces": set(await session.scalars(select(Piece.piece))),
            "presence": set(await session.scalars(select(Presence.conversation_id))),
        }


async def test_what_is_over_for_a_month_is_deleted_and_nothing_else(any_database: Database) -> None:
    """Seen alerts, announcements that were made, presence; not what nobody has seen or said yet. Of what was written
    is known for a day that it was sent."""
    await past(any_database)
    async with any_database.begin() as session:
        assert not await retention.tidy(session)
    assert await left(any_database) == {
        "alerts": {"alert.new", "alert.unseen"},
        "announcements": {"announce.new", "announce.unsaid"},
        "pieces": {"new"},
        "presence": {2},
    }


async def test_it_goes_on_every_night(any_database: Database, config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left over for its size is deleted soon after; then the next night is planned, once."""
    monkeypatch.setattr(retention, "AT_ONCE", 1)
    await past(any_database)
    moment = datetime(2026, 4, 13, 12, tzinfo=UTC)
    monkeypatch.setattr(retention_jobs, "now", lambda: moment)
    voice = Voice(Texts(load_domain(config.home), ("en",), config.settings.shop))
    job = jobs.handlers(jobs.Workshop(any_database, voice, {}, config))[retention_jobs.TIDY]
    for _ in range(2):
        async with any_database.begin() as session:
            await retention_jobs.begin_retention(session, config.settings)
    due = []
    for _ in range(3):
        async with any_database.begin() as session:
            newest = select(Timer).where(Timer.kind == retention_jobs.TIDY).order_by(Timer.id.desc()).limit(1)
            timer = (await session.scalars(newest)).one()
            due.append(timer.due_at)
            moment = max(moment, timer.due_at)
            await job.apply(session, timer.payload, None)
    # Half past three in Amsterdam; half a minute later; the next night.
    assert due == [
        datetime(2026, 4, 13, 1, 30, tzinfo=UTC),
        datetime(2026, 4, 13, 12, 0, 30, tzinfo=UTC),
        datetime(2026, 4, 14, 1, 30, tzinfo=UTC),
    ]
    async with any_database.read() as session:
        assert await session.scalar(select(func.count()).select_from(Timer)) == 4
    assert (await left(any_database))["alerts"] == {"alert.new", "alert.unseen"}
