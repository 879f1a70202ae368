"""Announcements: each is said once in every agents' place, whatever happens to the platforms meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from bot.announcer import Announcer
from bot.config import Config
from bot.contracts import Card, ChannelDown, ChatMoved, Limits, Note, PermanentError, Room, TemporaryError
from bot.pace import Pace
from bot.services import alerts
from bot.storage import Database, now
from bot.storage.models import Announcement

DUE = "announce.due.first_response"


@dataclass
class Place:
    """An agents' place whose platform is a list."""

    chat: str = "agents"
    said: list[tuple[str, str, bool]] = field(default_factory=list)
    refuse: list[Exception] = field(default_factory=list)
    tries: int = 0

    async def show(self, room: Room, card: Card) -> Room:
        """Not wanted here."""
        raise AssertionError

    note = close = show

    async def announce(self, note: Note) -> None:
        """Say it, unless the platform refuses."""
        self.tries += 1
        await asyncio.sleep(0)
        if self.refuse:
            raise self.refuse.pop(0)
        self.said.append((self.chat, note.text, note.alert))

    def tickets(self) -> list[str]:
        """The numbers that were said."""
        return [text.split()[0] for _, text, _ in self.said]


@dataclass
class Desk:
    """A database with announcements, and places where they are said."""

    database: Database
    config: Config
    places: dict[str, Place]

    async def announces(self, *numbers: int, alert: bool = False) -> None:
        """Something is to be said about these tickets."""
        async with self.database.begin() as session:
            for number in numbers:
                params = {"ticket": f"T-{number}", "time": "2026-01-20T13:00:00+00:00"}
                await alerts.announce(session, DUE, params, alert=alert)

    @contextlib.asynccontextmanager
    async def announcing(self, *channels: str, limits: Limits | None = None, count: int = 1) -> AsyncIterator[None]:
        """Run ``count`` announcers for these channels while the block lasts."""
        places = {name: self.places[name] for name in channels}
        tasks = []
        for _ in range(count):
            paces = {name: Pace(limits or Limits()) for name in channels}
            announcer = Announcer(self.database, places, paces, self.config.settings)
            tasks.append(asyncio.create_task(announcer.run()))
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def grows_old(self, number: int, age: timedelta) -> None:
        """An announcement was made so long ago."""
        async with self.database.begin() as session:
            old = update(Announcement).where(Announcement.id == number).values(created_at=now() - age)
            await session.execute(old)

    async def rows(self) -> list[Announcement]:
        """All rows, oldest first."""
        async with self.database.read() as session:
            return list(await session.scalars(select(Announcement).order_by(Announcement.id)))

    async def until(self, check: Callable[[], bool]) -> None:
        """Wait until something is so."""
        for _ in range(400):
            if check():
                return
            await asyncio.sleep(0.02)
        raise AssertionError("it did not happen in time")

    async def over(self) -> None:
        """Wait until nothing is left to be said."""
        for _ in range(400):
            if all(row.done_at is not None for row in await self.rows()):
                return
            await asyncio.sleep(0.02)
        raise AssertionError([(row.channel, row.error) for row in await self.rows()])


@pytest.fixture
def desk(any_database: Database, config: Config) -> Desk:
    """Two platforms with a place for agents."""
    return Desk(any_database, config, {"slack": Place("C1"), "telegram": Place("-100")})


async def test_everyone_hears_it_once_in_order(desk: Desk) -> None:
    """Two platforms, several processes: each says each thing once, as it was announced, with the time in words."""
    await desk.announces(1, 2)
    async with desk.announcing("slack", "telegram", count=3):
        await desk.until(lambda: len(desk.places["slack"].said) == len(desk.places["telegram"].said) == 2)
        await desk.announces(3, 4, 5, alert=True)
        await desk.over()
        await asyncio.sleep(0.1)
    for place in desk.places.values():
        assert place.tickets() == ["T-1", "T-2", "T-3", "T-4", "T-5"]
        assert [alert for *_, alert in place.said] == [False, False, True, True, True]
        assert "Jan 20" in place.said[0][1]


async def test_one_platforms_outage_holds_up_no_other(desk: Desk) -> None:
    """A revoked token: that channel rests without using up tries, and then says everything."""
    slack = desk.places["slack"]
    slack.refuse = [ChannelDown("revoked", 0.4), TemporaryError("busy", 0.1)]
    await desk.announces(1, 2)
    async with desk.announcing("slack", "telegram"):
        await desk.until(lambda: len(desk.places["telegram"].said) == 2)
        assert slack.said == []
        await desk.over()
    assert slack.tickets() == ["T-1", "T-2"]
    assert {row.attempts for row in await desk.rows()} == {0}


async def test_what_can_never_be_said_is_passed_over(desk: Desk) -> None:
    """Refused for good, or tried too often: written down with the reason, and the rest is said."""
    slack, settings = desk.places["slack"], desk.config.settings
    object.__setattr__(
        settings, "delivery", settings.delivery.model_copy(update={"attempts": 2, "backoff_seconds": 0.05})
    )
    slack.refuse = [PermanentError("not in the channel"), RuntimeError("no"), TemporaryError("no answer")]
    await desk.announces(1, 2, 3)
    async with desk.announcing("slack"):
        await desk.over()
    assert slack.tickets() == ["T-3"]
    assert [row.error for row in await desk.rows()][::2] == ["not in the channel", ""]
    assert (await desk.rows())[1].error == "no answer"


async def test_a_group_with_a_new_id(desk: Desk) -> None:
    """What was refused because of it is said in the new one at once."""
    telegram = desk.places["telegram"]
    telegram.refuse = [ChatMoved("upgraded", "-200")]
    await desk.announces(1)
    async with desk.announcing("telegram"):
        await desk.over()
    assert [(chat, text.split()[0]) for chat, text, _ in telegram.said] == [("-200", "T-1")]


async def test_a_crash_while_it_is_said(desk: Desk) -> None:
    """A row that somebody has taken and not said comes back when the lease is over."""
    await desk.announces(1)
    async with desk.database.begin() as session:
        soon = now() + timedelta(seconds=0.4)
        await session.execute(update(Announcement).values(channel="slack", due_at=soon))
    async with desk.announcing("slack"):
        await asyncio.sleep(0.15)
        assert desk.places["slack"].said == []
        await desk.over()
    assert desk.places["slack"].tickets() == ["T-1"]


async def test_the_platforms_limit_is_kept(desk: Desk) -> None:
    """Two in half a second: the third waits."""
    await desk.announces(1, 2, 3)
    async with desk.announcing("slack", limits=Limits(per_chat=(2, 0.5))):
        await desk.until(lambda: len(desk.places["slack"].said) == 2)
        await asyncio.sleep(0.1)
        assert desk.places["slack"].tries == 2
        await desk.over()
    assert desk.places["slack"].tickets() == ["T-1", "T-2", "T-3"]


async def test_where_agents_have_no_place_nothing_is_kept(desk: Desk) -> None:
    """Done after a while, in which another process with a place would have taken it."""
    await desk.announces(1, 2)
    await desk.grows_old(1, timedelta(minutes=2))
    async with desk.announcing():
        await asyncio.sleep(0.3)
        first, second = await desk.rows()
        assert first.done_at is not None and second.done_at is None
    async with desk.announcing("slack"):
        await desk.over()
    assert desk.places["slack"].tickets() == ["T-2"]


async def test_what_is_no_news_any_more_is_not_said(desk: Desk) -> None:
    """After a long outage agents do not read of yesterday."""
    await desk.announces(1, 2)
    await desk.grows_old(1, timedelta(days=2))
    async with desk.announcing("slack"):
        await desk.over()
    assert desk.places["slack"].tickets() == ["T-2"]
    assert "for a day" in (await desk.rows())[0].error
