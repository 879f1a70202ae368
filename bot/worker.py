"""The workers: handle what is in the inbox, do what is due.

Messages of one conversation are handled one at a time and in order; conversations run side by
side. Any number of processes may work on one PostgreSQL database.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.config import DeliverySettings
from bot.contracts import Inbound, LinguadeskError
from bot.dispatch import backoff
from bot.engine import Engine
from bot.inbox import TOPIC
from bot.services import timers
from bot.storage import Database, StorageError, now, signal, wait
from bot.storage.models import Inbox, InboxStatus, Timer, TimerStatus

log = logging.getLogger(__name__)

IDLE_SECONDS = 1.0
STOP_SECONDS = 10.0
MAX_CONVERSATIONS = 32
FOUND_AT_ONCE = 128
AT_ONCE = 8
# A message that fails this often is set aside, so that the ones behind it are answered.
MAX_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Job:
    """What a kind of timer does.

    ``apply`` works in the transaction that marks the timer as done. What must not hold a
    transaction open (a download) is done first by ``prepare``, whose result ``apply`` is given.
    """

    apply: Callable[[AsyncSession, dict[str, Any], Any], Awaitable[None]]
    prepare: Callable[[dict[str, Any]], Awaitable[Any]] | None = None


async def _gather(tasks: set[asyncio.Task[None]]) -> None:
    """Let running work finish, then cancel what is late."""
    if tasks:
        _done, late = await asyncio.wait(tasks, timeout=STOP_SECONDS)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)


class InboxWorker:
    """Handles received events until cancelled."""

    def __init__(self, database: Database, engine: Engine, settings: DeliverySettings) -> None:
        self._database = database
        self._engine = engine
        self._settings = settings
        self._busy: dict[int, asyncio.Task[None]] = {}
        self._found: deque[tuple[int, int, dict[str, Any]]] = deque()

    async def run(self) -> None:
        """Handle events for ever; on cancellation, finish what has been begun."""
        try:
            with self._database.hub.watch(TOPIC) as waiting:
                while True:
                    try:
                        await self._look()
                    except StorageError as error:
                        log.error("handling pauses: %s", error)
                    await wait(waiting, IDLE_SECONDS)
        finally:
            self._found.clear()
            await _gather(set(self._busy.values()))

    async def _look(self) -> None:
        """Find the conversations that have something due, and start on as many as may run at once."""
        if self._found or len(self._busy) >= MAX_CONVERSATIONS:
            # Enough to do: the end of one of them brings the next look.
            self._start()
            return
        first = select(func.min(Inbox.id).label("id")).where(Inbox.status == InboxStatus.PENDING)
        if self._busy:
            first = first.where(Inbox.conversation_id.not_in(list(self._busy)))
        heads = first.group_by(Inbox.conversation_id).subquery()
        async with self._database.glance() as session:
            rows = await session.execute(
                select(Inbox.id, Inbox.conversation_id, Inbox.event)
                .join(heads, heads.c.id == Inbox.id)
                .where(Inbox.due_at <= now())
                .order_by(Inbox.id)
                .limit(FOUND_AT_ONCE)
            )
            self._found.extend((row.id, row.conversation_id, row.event) for row in rows)
        self._start()

    def _start(self) -> None:
        while self._found and len(self._busy) < MAX_CONVERSATIONS:
            inbox_id, conversation_id, event = self._found.popleft()
            if conversation_id not in self._busy:
                task = asyncio.create_task(self._handle(inbox_id, conversation_id, event))
                self._busy[conversation_id] = task
                task.add_done_callback(partial(self._done, conversation_id))

    def _done(self, conversation_id: int, _task: asyncio.Task[None]) -> None:
        self._busy.pop(conversation_id, None)
        self._start()
        if not self._found:
            self._database.hub.notify(TOPIC)

    async def _handle(self, inbox_id: int, conversation_id: int, event: dict[str, Any]) -> None:
        try:
            heard = await self._engine.understand(Inbound.from_json(event))
            if not await self._engine.handle(conversation_id, inbox_id, heard):
                # Another process holds the conversation; do not ask again in a tight circle.
                await asyncio.sleep(0.05)
        except StorageError as error:
            log.error("message %d waits for the database: %s", inbox_id, error)
            await asyncio.sleep(IDLE_SECONDS)
        except Exception as error:
            log.exception("message %d could not be handled", inbox_id)
            await self._failed(inbox_id, f"{type(error).__name__}: {error}")

    async def _failed(self, inbox_id: int, reason: str) -> None:
        try:
            async with self._database.begin() as session:
                row = await session.get_one(Inbox, inbox_id)
                row.attempts += 1
                row.error = reason
                row.due_at = now() + timedelta(seconds=backoff(row.attempts, self._settings))
                hopeless = row.attempts >= MAX_ATTEMPTS
            if hopeless:
                await self._engine.give_up(inbox_id, reason)
        except StorageError as error:
            log.error("the failure of message %d cannot be recorded: %s", inbox_id, error)
            await asyncio.sleep(IDLE_SECONDS)


class TimerWorker:
    """Does what is due, until cancelled.

    Args:
        database: where the timers are.
        handlers: what each kind of timer does, in the transaction that marks it as done.
        settings: retries.
    """

    def __init__(self, database: Database, handlers: Mapping[str, Job], settings: DeliverySettings) -> None:
        self._database = database
        self._handlers = handlers
        self._settings = settings

    async def run(self) -> None:
        """Do what is due for ever."""
        with self._database.hub.watch(timers.TOPIC) as waiting:
            while True:
                try:
                    while due := await self._due():
                        await asyncio.gather(*(self._one(timer_id, kind, payload) for timer_id, kind, payload in due))
                except StorageError as error:
                    log.error("timers pause: %s", error)
                await wait(waiting, IDLE_SECONDS)

    async def _due(self) -> list[tuple[int, str, dict[str, Any]]]:
        """The first few timers that are due."""
        query = (
            select(Timer.id, Timer.kind, Timer.payload)
            .where(
                Timer.status == TimerStatus.PENDING,
                Timer.due_at <= now(),
                Timer.kind.in_(list(self._handlers)),
            )
            .order_by(Timer.due_at, Timer.id)
            .limit(AT_ONCE)
        )
        async with self._database.read() as session:
            return [(row.id, row.kind, row.payload) for row in await session.execute(query)]

    async def _one(self, timer_id: int, kind: str, payload: dict[str, Any]) -> None:
        """Do one thing that is due, unless another process is at it."""
        job = self._handlers[kind]
        try:
            prepared = await job.prepare(payload) if job.prepare else None
            async with self._database.begin() as session:
                row = await session.scalar(
                    select(Timer)
                    .where(Timer.id == timer_id, Timer.status == TimerStatus.PENDING)
                    .with_for_update(skip_locked=True)
                )
                if row is not None:
                    await job.apply(session, payload, prepared)
                    row.status = TimerStatus.DONE
        except StorageError:
            raise
        except Exception as error:
            if not isinstance(error, LinguadeskError):
                log.exception("timer %d failed", timer_id)
            await self._failed(timer_id, f"{type(error).__name__}: {error}")

    async def _failed(self, timer_id: int, reason: str) -> None:
        async with self._database.begin() as session:
            row = await session.get_one(Timer, timer_id)
            row.attempts += 1
            row.error = reason
            row.due_at = now() + timedelta(seconds=backoff(row.attempts, self._settings))
            if row.attempts >= self._settings.attempts:
                row.status = TimerStatus.DEAD


async def dead_events(session: AsyncSession, limit: int = 100) -> list[dict[str, Any]]:
    """Received events that could not be handled, newest first; no customer text."""
    rows = await session.scalars(
        select(Inbox).where(Inbox.status == InboxStatus.DEAD).order_by(Inbox.id.desc()).limit(limit)
    )
    return [
        {
            "id": row.id,
            "channel": row.channel,
            "conversation": row.conversation_id,
            "attempts": row.attempts,
            "received_at": row.received_at.isoformat(timespec="seconds"),
            "error": row.error,
        }
        for row in rows
    ]


async def retry_events(session: AsyncSession, ids: list[int] | None = None) -> int:
    """Have dead events handled again, all of them or these; how many there were."""
    query = select(Inbox).where(Inbox.status == InboxStatus.DEAD)
    if ids is not None:
        query = query.where(Inbox.id.in_(ids))
    rows = (await session.scalars(query)).all()
    for row in rows:
        row.status, row.attempts, row.due_at, row.handled_at = InboxStatus.PENDING, 0, now(), None
    signal(session, TOPIC)
    return len(rows)


async def run_all(*jobs: Awaitable[None]) -> None:
    """Run workers side by side; the first that fails ends them all with its exception."""
    tasks = [asyncio.ensure_future(job) for job in jobs]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks, return_exceptions=True)
