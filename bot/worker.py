"""The workers: handle what is in the inbox, do what is due.

Messages of one conversation are handled one at a time and in order; conversations run side by
side. Any number of processes may work on one PostgreSQL database.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, NamedTuple, TypeAlias

from sqlalchemy import ColumnElement, bindparam, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.config import DeliverySettings
from bot.contracts import Inbound, LinguadeskError
from bot.engine import Engine
from bot.hearing import Held
from bot.inbox import TOPIC
from bot.pace import backoff
from bot.services import timers
from bot.storage import Database, StorageError, now, signal, wait
from bot.storage.database import described
from bot.storage.models import Conversation, Inbox, InboxStatus, Timer, TimerStatus

log = logging.getLogger(__name__)

IDLE_SECONDS = 1.0
STOP_SECONDS = 10.0
MAX_CONVERSATIONS = 32
FOUND_AT_ONCE = 128
AT_ONCE = 8
Look: TypeAlias = Callable[[], AbstractAsyncContextManager[AsyncSession]]
# A message that fails this often is set aside, so that the ones behind it are answered.
MAX_ATTEMPTS = 3


# The first event that waits of each conversation, where it is due; built once.
_first = (
    select(func.min(Inbox.id).label("id"))
    .where(Inbox.status == InboxStatus.PENDING, Inbox.conversation_id.not_in(bindparam("busy", expanding=True)))
    .group_by(Inbox.conversation_id)
    .subquery()
)
_HEADS = (
    select(Inbox.id, Inbox.conversation_id, Inbox.event, Inbox.attempts, Inbox.received_at, Conversation.language)
    .join(_first, _first.c.id == Inbox.id)
    .join(Conversation, Conversation.id == Inbox.conversation_id)
    .where(Inbox.due_at <= bindparam("moment"))
    .order_by(Inbox.id)
    .limit(FOUND_AT_ONCE)
)


class _Found(NamedTuple):
    """An event that is the next of its conversation."""

    id: int
    conversation_id: int
    event: dict[str, Any]
    attempts: int
    received_at: datetime
    language: str


@dataclass(frozen=True, slots=True)
class Job:
    """What a kind of timer does.

    ``apply`` works in the transaction that marks the timer as done. What must not hold a
    transaction open (a download) is done first by ``prepare``, whose result ``apply`` is given.
    ``give_up`` works in the transaction that gives the timer up after its last try. ``mine`` says
    which timers this process can do at all; the others wait for a process that can. Jobs of a ``lane``
    have a worker of their own, so that they hold up no others. ``attempts`` is how often it is tried,
    None: as often as everything.
    """

    apply: Callable[[AsyncSession, dict[str, Any], Any], Awaitable[None]]
    prepare: Callable[[dict[str, Any]], Awaitable[Any]] | None = None
    give_up: Callable[[AsyncSession, dict[str, Any]], Awaitable[None]] | None = None
    mine: ColumnElement[bool] | None = None
    lane: str = ""
    attempts: int | None = None


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
        self._found: deque[_Found] = deque()

    async def run(self) -> None:
        """Handle events for ever; on cancellation, finish what has been begun."""
        try:
            with self._database.hub.watch(TOPIC) as waiting:
                while True:
                    try:
                        await self._look()
                    except Exception as error:
                        # Whatever it is, it may pass; nobody would be answered if this ended.
                        log.error("handling pauses: %s", described(error))
                        await asyncio.sleep(IDLE_SECONDS)
                    await wait(waiting, IDLE_SECONDS)
        finally:
            self._found.clear()
            await _gather(set(self._busy.values()))

    async def drain(self) -> None:
        """Handle what is due, one after the other, until nothing is; instead of :meth:`run`."""
        while True:
            async with self._database.glance() as session:
                rows = (await session.execute(_HEADS, {"moment": now(), "busy": []})).all()
            for row in rows:
                await self._handle(_Found(*row))
            if not rows:
                return

    async def _look(self) -> None:
        """Find the conversations that have something due, and start on as many as may run at once."""
        if self._found or len(self._busy) >= MAX_CONVERSATIONS:
            # Enough to do: the end of one of them brings the next look.
            self._start()
            return
        async with self._database.glance() as session:
            rows = await session.execute(_HEADS, {"moment": now(), "busy": list(self._busy)})
            self._found.extend(_Found(*row) for row in rows)
        self._start()

    def _start(self) -> None:
        while self._found and len(self._busy) < MAX_CONVERSATIONS:
            found = self._found.popleft()
            if found.conversation_id not in self._busy:
                task = asyncio.create_task(self._handle(found))
                self._busy[found.conversation_id] = task
                task.add_done_callback(partial(self._done, found.conversation_id))

    def _done(self, conversation_id: int, _task: asyncio.Task[None]) -> None:
        self._busy.pop(conversation_id, None)
        self._start()
        if not self._found:
            self._database.hub.notify(TOPIC)

    async def _handle(self, found: _Found) -> None:
        try:
            held = Held(found.conversation_id, found.language, found.received_at)
            heard = await self._engine.understand(Inbound.from_json(found.event), held)
            if not await self._engine.handle(found.conversation_id, found.id, heard):
                # Another process holds the conversation; do not ask again in a tight circle.
                await asyncio.sleep(0.05)
        except StorageError as error:
            log.error("message %d waits for the database: %s", found.id, error)
            await asyncio.sleep(IDLE_SECONDS)
        except Exception as error:
            log.error("message %d could not be handled: %s", found.id, described(error))
            log.debug("message %d", found.id, exc_info=True)
            await self._failed(found, described(error))

    async def _failed(self, found: _Found, reason: str) -> None:
        """Count the failure, once even where several processes failed at the same try, and give up after the last."""
        attempts = found.attempts + 1
        try:
            async with self._database.begin() as session:
                counted: Any = await session.execute(
                    update(Inbox)
                    .where(Inbox.id == found.id, Inbox.status == InboxStatus.PENDING, Inbox.attempts == found.attempts)
                    .values(
                        attempts=Inbox.attempts + 1,
                        error=reason,
                        due_at=now() + timedelta(seconds=backoff(attempts, self._settings)),
                    )
                    .execution_options(synchronize_session=False)
                )
            if counted.rowcount and attempts >= MAX_ATTEMPTS:
                await self._engine.give_up(found.id, reason)
        except Exception as error:
            log.error("the failure of message %d cannot be recorded: %s", found.id, described(error))
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
                        if not all(await asyncio.gather(*(self._one(*item) for item in due))):
                            break
                except Exception as error:
                    log.error("timers pause: %s", described(error))
                    await asyncio.sleep(IDLE_SECONDS)
                await wait(waiting, IDLE_SECONDS)

    async def drain(self) -> None:
        """Do what is due, one after the other, until nothing is; instead of :meth:`run`."""
        while due := await self._due(self._database.glance):
            for item in due:
                await self._one(*item)

    async def _due(self, look: Look | None = None) -> list[tuple[int, str, dict[str, Any]]]:
        """The first few timers that are due and can be done here."""
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
        for kind, job in self._handlers.items():
            if job.mine is not None:
                query = query.where(or_(Timer.kind != kind, job.mine))
        async with (look or self._database.read)() as session:
            return [(row.id, row.kind, row.payload) for row in await session.execute(query)]

    async def _one(self, timer_id: int, kind: str, payload: dict[str, Any]) -> bool:
        """Do one thing that is due, unless another process is at it; whether the database let us."""
        job = self._handlers[kind]
        try:
            prepared = await job.prepare(payload) if job.prepare else None
            async with self._database.begin() as session:
                row = await _pending(session, timer_id)
                if row is not None:
                    await job.apply(session, payload, prepared)
                    row.status = TimerStatus.DONE
        except StorageError as error:
            log.error("timer %d waits for the database: %s", timer_id, error)
            return False
        except Exception as error:
            if not isinstance(error, LinguadeskError):
                log.error("timer %d failed: %s", timer_id, described(error))
                log.debug("timer %d", timer_id, exc_info=True)
            return await self._failed(timer_id, job, payload, described(error))
        return True

    async def _failed(self, timer_id: int, job: Job, payload: dict[str, Any], reason: str) -> bool:
        try:
            async with self._database.begin() as session:
                row = await _pending(session, timer_id)
                if row is None:
                    return True
                row.attempts += 1
                row.error = reason
                row.due_at = now() + timedelta(seconds=backoff(row.attempts, self._settings))
                if row.attempts >= (job.attempts or self._settings.attempts):
                    row.status = TimerStatus.DEAD
                    if job.give_up is not None:
                        await job.give_up(session, payload)
        except Exception as error:
            log.error("the failure of timer %d cannot be recorded: %s", timer_id, described(error))
            return False
        return True


async def _pending(session: AsyncSession, timer_id: int) -> Timer | None:
    """The timer, locked, unless it is done with or another process has it."""
    found: Timer | None = await session.scalar(
        select(Timer).where(Timer.id == timer_id, Timer.status == TimerStatus.PENDING).with_for_update(skip_locked=True)
    )
    return found


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
    """Have dead events handled again, all of them or these; how many there were.

    Those whose words were erased at the customer's request stay as they are.
    """
    query = select(Inbox).where(Inbox.status == InboxStatus.DEAD)
    if ids is not None:
        query = query.where(Inbox.id.in_(ids))
    rows = [row for row in await session.scalars(query) if row.event]
    for row in rows:
        row.status, row.attempts, row.due_at, row.handled_at = InboxStatus.PENDING, 0, now(), None
    signal(session, TOPIC)
    return len(rows)


async def run_all(*jobs: Awaitable[None]) -> None:
    """Run workers side by side; the first that fails ends them all with its exception.

    Each is cancelled once and then has its time to finish what it has begun: a second cancellation
    would interrupt that.
    """
    tasks = [asyncio.ensure_future(job) for job in jobs]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            if not task.done() and not task.cancelling():
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
