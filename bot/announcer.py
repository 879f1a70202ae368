"""Says announcements in the agents' places on the platforms, each once, in order.

An announcement is one row until it is taken up; then each channel that has a place for agents has a row of its
own, so that one platform's outage holds up no other. A row's ``due_at`` is also its lease: it is put off while
somebody says it, and so comes back by itself if that somebody dies.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import func, select, update

from bot import cards
from bot.config import Settings
from bot.contracts import AgentSpace, ChannelDown, ChatMoved, Media, Note, PermanentError, TemporaryError
from bot.inbox import move_chat
from bot.pace import Pace, backoff
from bot.services.alerts import ANNOUNCED
from bot.storage import Database, clean, now
from bot.storage.database import described
from bot.storage.models import Announcement
from bot.tending import Tending

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=60)
CALL_SECONDS = 36.0
# A chat that takes nothing for longer is left alone meanwhile.
PARK_SECONDS = 2.0
# A channel that is down rests for so long if it does not say itself how long.
REST_SECONDS = 60.0
# A process without agents' places leaves announcements for so long to one that has some.
PATIENCE = timedelta(minutes=1)
# What could not be said for so long is not news any more.
STALE = timedelta(days=1)


class _Row(NamedTuple):
    """An announcement that this process says now."""

    id: int
    key: str
    params: dict[str, Any]
    attempts: int


class Announcer:
    """Says announcements until cancelled.

    Args:
        database: where they are.
        spaces: the agents' spaces by channel, see :func:`bot.rooms.spaces_of`.
        paces: the limits of the channels, shared with the dispatcher.
        settings: all settings.
    """

    def __init__(
        self, database: Database, spaces: Mapping[str, AgentSpace], paces: Mapping[str, Pace], settings: Settings
    ) -> None:
        self._database = database
        self._spaces = spaces
        self._paces = paces
        self._settings = settings
        self._words = cards.words_of(settings)
        self._tending: Tending[str] = Tending(database, ANNOUNCED, "nothing is announced for now")

    async def run(self) -> None:
        """Say announcements for ever; ends only by cancellation, after what is being said."""
        await self._tending.run(self._look)

    async def _look(self) -> None:
        """Give each channel a row of what is new, and begin in those where something is due."""
        moment = now()
        async with self._database.glance() as session:
            rows = await session.execute(
                select(Announcement.channel, func.min(Announcement.created_at), func.min(Announcement.due_at))
                .where(Announcement.done_at.is_(None), Announcement.channel.in_(["", *self._spaces]))
                .group_by(Announcement.channel)
            )
            waiting = {channel: (oldest, due) for channel, oldest, due in rows}
        if "" in waiting and (self._spaces or waiting[""][0] < moment - PATIENCE):
            await self._spread(moment)
        if any(oldest < moment - STALE for oldest, _ in waiting.values()):
            await self._forget(moment)
        for channel in self._spaces:
            due = waiting.get(channel) or waiting.get("")
            if due is not None and due[1] <= moment:
                self._tending.begin(channel, self._tend)

    async def _spread(self, moment: datetime) -> None:
        """One row for each channel; where there is none, there is nobody to be told."""
        async with self._database.begin() as session:
            fresh = await session.scalars(
                select(Announcement)
                .where(Announcement.done_at.is_(None), Announcement.channel == "")
                .order_by(Announcement.id)
                .with_for_update(skip_locked=True)
            )
            for row in fresh.all():
                if not self._spaces:
                    row.done_at = moment if row.created_at < moment - PATIENCE else None
                    continue
                row.channel, *others = self._spaces
                for channel in others:
                    copied = {"key": row.key, "params": row.params, "created_at": row.created_at}
                    session.add(Announcement(channel=channel, **copied))

    async def _forget(self, moment: datetime) -> None:
        async with self._database.begin() as session:
            await session.execute(
                update(Announcement)
                .where(Announcement.done_at.is_(None), Announcement.created_at < moment - STALE)
                .values(done_at=moment, error="it could not be said for a day")
                .execution_options(synchronize_session=False)
            )

    # ------------------------------------------------------------------ one channel

    async def _tend(self, channel: str) -> None:
        """Say what waits in a channel, one after the other, until nothing is due or it must wait."""
        try:
            while await self._turn(channel) and (row := await self._claim(channel)) is not None:
                chat = self._spaces[channel].chat
                try:
                    async with self._paces[channel].turn(chat), asyncio.timeout(CALL_SECONDS):
                        await self._spaces[channel].announce(self._note(row))
                except ChatMoved as error:
                    await self._moved(channel, row, chat, error.chat)
                except PermanentError as error:
                    # It cannot be said there, now or later: the rest goes on without it.
                    log.warning("announcement %d cannot be said on %s: %s", row.id, channel, error)
                    await self._record(row, done_at=now(), error=clean(str(error)))
                except Exception as error:
                    await self._put_off(channel, row, error)
                    return
                else:
                    await self._record(row, done_at=now(), error="")
        except Exception as error:
            log.error("nothing is announced on %s for now: %s", channel, described(error))

    async def _turn(self, channel: str) -> bool:
        """Wait until the chat takes something; False if that takes long: then it is looked at later."""
        while (delay := self._paces[channel].delay(self._spaces[channel].chat)) > 0:
            if delay > PARK_SECONDS:
                return False
            await asyncio.sleep(delay)
        return True

    async def _claim(self, channel: str) -> _Row | None:
        """The channel's oldest announcement, if it is due, and no other process's until the lease ends."""
        moment = now()
        async with self._database.begin() as session:
            oldest = (
                await session.execute(
                    select(Announcement.id, Announcement.key, Announcement.params, Announcement.attempts)
                    .where(Announcement.done_at.is_(None), Announcement.channel == channel)
                    .order_by(Announcement.created_at, Announcement.id)
                    .limit(1)
                )
            ).one_or_none()
            if oldest is None:
                return None
            taken: Any = await session.execute(
                update(Announcement)
                .where(Announcement.id == oldest.id, Announcement.done_at.is_(None), Announcement.due_at <= moment)
                .values(due_at=moment + LEASE)
                .execution_options(synchronize_session=False)
            )
        return _Row(*oldest) if taken.rowcount else None

    def _note(self, row: _Row) -> Note:
        params = dict(row.params)
        alert = bool(params.pop("alert", False))
        picture = params.pop("media", None)
        media = (Media(**picture),) if picture else ()
        return Note(cards.note_text(self._words, {"key": row.key, "params": params}), media, alert=alert)

    async def _record(self, row: _Row, **values: Any) -> None:
        async with self._database.begin() as session:
            await session.execute(
                update(Announcement)
                .where(Announcement.id == row.id)
                .values(**values)
                .execution_options(synchronize_session=False)
            )

    async def _moved(self, channel: str, row: _Row, old: str, new: str) -> None:
        """The agents' chat has another id: its rooms are there as well, and this is said at once."""
        async with self._database.begin() as session:
            await move_chat(session, channel, old, clean(new)[:120])
        self._spaces[channel].chat = new
        await self._record(row, due_at=now())

    async def _put_off(self, channel: str, row: _Row, error: Exception) -> None:
        """Write down that it could not be said, and when it is tried again, if it is."""
        told = clean(str(error) if isinstance(error, TemporaryError) else described(error))
        wish = error.retry_after if isinstance(error, TemporaryError) else None
        if isinstance(error, ChannelDown):
            wish = REST_SECONDS if wish is None else wish
            log.error("nothing is announced on %s for %.0f s: %s", channel, wish, told)
        elif wish is not None:
            self._paces[channel].pause(self._spaces[channel].chat, wish)
        if wish is not None:
            # Whoever is asked to wait has not failed.
            await self._record(row, due_at=now() + timedelta(seconds=wish), error=told)
            return
        attempts = row.attempts + 1
        seconds = backoff(attempts, self._settings.delivery)
        log.warning("announcement %d is not said on %s: %s", row.id, channel, told)
        over = now() if attempts >= self._settings.delivery.attempts else None
        due = now() + timedelta(seconds=seconds)
        await self._record(row, attempts=attempts, due_at=due, done_at=over, error=told)
