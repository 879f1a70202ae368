"""The only sender: takes committed messages to their platforms.

Order holds per conversation: its queue is a lane, and one dispatcher at a time owns a lane by a
lease. A refused or interrupted message waits for its next try and keeps its lane waiting with it;
other lanes go on. After ``delivery.attempts`` tries, or at once when the platform says "never",
it becomes a dead letter with a reason, and the lane goes on. Being asked to wait is no failed try.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import secrets
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeAlias

from sqlalchemy import and_, bindparam, case, exists, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.config import DeliverySettings
from bot.contracts import (
    Author,
    ChannelDown,
    ChatMoved,
    Connector,
    Outgoing,
    Owner,
    PermanentError,
    TemporaryError,
    Unreachable,
)
from bot.inbox import move_chat
from bot.lanes import LEASE, Job, claim, due
from bot.metrics import Metrics
from bot.outbox import TOPIC, lost_surveys, shut_out
from bot.pace import Pace, backoff, paces_of
from bot.services import rooms
from bot.services.survey_rules import UNDELIVERED, UNREACHABLE
from bot.storage import Database, clean, now, signal, wait
from bot.storage.database import described
from bot.storage.models import Conversation, Outbox, OutboxStatus, Survey, SurveyStatus

log = logging.getLogger(__name__)

# A send ends within this share of a lease, and begins only while more than that is left of it: so
# nobody else takes a message over while it is being sent.
SEND_SHARE = 0.6
RENEW_SHARE = 0.75
IDLE_SECONDS = 1.0
STOP_SECONDS = 10.0
RECORD_SECONDS = 2.0
MAX_LANES = 256
# So many messages are on their way at once; the other lanes wait for their chat's turn.
MAX_SENDING = 32
# A chat that lets nothing through for longer gives its messages back to the queue.
PARK_SECONDS = 2.0
REST_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class _Result:
    id: int
    status: OutboxStatus
    platform_id: str = ""
    error: str = ""
    due_at: datetime | None = None
    attempted: bool = True
    # How many parts have left; only in a result that is not the last of its message.
    parts: int = 0
    unreachable: bool = False
    # Whether it is a survey's question.
    survey: bool = False


# A survey counts as delivered once the platform has its question, also one that was given up and put back; a message
# of ours that others have taken over meanwhile is not marked as sent here.
# Not IN: a list cannot be a parameter of what is carried out for several at once.
_lost = or_(Survey.reason == UNDELIVERED, Survey.reason == UNREACHABLE)
_given_up = and_(Survey.status == SurveyStatus.CANCELLED, _lost)
_over = Survey.expires_at <= bindparam("moment")
_DELIVERED = (
    update(Survey)
    .where(
        Survey.outbox_id == bindparam("asked"),
        Survey.delivered_at.is_(None),
        exists().where(Outbox.id == bindparam("asked"), Outbox.status == OutboxStatus.SENT),
    )
    .values(
        delivered_at=bindparam("moment"),
        status=case(
            (and_(_given_up, _over), SurveyStatus.EXPIRED), (_given_up, SurveyStatus.SENT), else_=Survey.status
        ),
        reason=case((_given_up, ""), else_=Survey.reason),
    )
)
_Batch: TypeAlias = tuple[list[_Result], asyncio.Future[None]]

# The dispatchers of this process that are running: a lease of another one of its name is from before a restart.
_running: set[str] = set()
_numbers = itertools.count(1)


def owner_name() -> str:
    """This process, so that another can see whether it still lives."""
    return f"{socket.gethostname()}:{os.getpid()}"


@dataclass(slots=True)
class _Lane:
    """The messages of one conversation that are leased, and until when (monotonic)."""

    jobs: list[Job]
    until: float


class Dispatcher:
    """Sends what is due, until stopped.

    Args:
        database: where the outbox is.
        connectors: by channel name; a channel that is not here is left to other processes.
        settings: retries.
        paces: the platforms' limits by channel, where others send there as well; default: its own.
        metrics: where it is counted what is sent.
    """

    def __init__(
        self,
        database: Database,
        connectors: Mapping[str, Connector],
        settings: DeliverySettings,
        paces: Mapping[str, Pace] | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        self._database = database
        self._connectors = connectors
        self._settings = settings
        self._paces = paces or paces_of(connectors)
        self._metrics = metrics or Metrics()
        self._me = f"{owner_name()}#{next(_numbers)}-{secrets.token_hex(4)}"
        self._lanes: dict[int, asyncio.Task[None]] = {}
        self._results: asyncio.Queue[_Batch] = asyncio.Queue()
        mine = (Outbox.id == bindparam("sent"), Outbox.lease_owner == self._me, Outbox.status == OutboxStatus.SENDING)
        values = {"status": OutboxStatus.SENT, "error": "", "lease_until": None}
        changing: dict[str, Any] = {"sent_at": bindparam("moment"), "platform_id": bindparam("platform")}
        self._mark_sent = update(Outbox).where(*mine).values(values | changing)
        self._mark_part = update(Outbox).where(*mine).values(parts_sent=bindparam("parts"))
        self._sending = asyncio.Semaphore(MAX_SENDING)
        # Channels that send nothing until then (monotonic), see ChannelDown.
        self._resting: dict[str, float] = {}
        self._stopping = False
        # Whether the last look left lanes out because they were busy: their end then brings another look.
        self._passed_over = False

    async def run(self) -> None:
        """Send for ever; ends only by cancellation, and then gives back what it holds."""
        self._stopping = False
        _running.add(self._me)
        settler = asyncio.create_task(self._settle())
        try:
            with self._database.hub.watch(TOPIC) as waiting:
                woken = reclaimed = False
                while True:
                    try:
                        if not reclaimed:
                            await self.reclaim()
                            reclaimed = True
                        busy = await self._pump(woken)
                    except Exception as error:
                        # Whatever it is, it may pass; nothing would be sent if this ended.
                        log.error("sending pauses: %s", described(error))
                        await asyncio.sleep(IDLE_SECONDS)
                        busy = False
                    if not busy:
                        woken = await wait(waiting, IDLE_SECONDS)
        finally:
            self._stopping = True
            await self._finish()
            settler.cancel()
            await asyncio.gather(settler, return_exceptions=True)
            _running.discard(self._me)

    async def drain(self) -> None:
        """Send what is due until nothing is, and come back once it is recorded; instead of :meth:`run`."""
        _running.add(self._me)
        settler = asyncio.create_task(self._settle())
        try:
            more = True
            while more:
                more = await self._pump(woken=True)
                while lanes := list(self._lanes.values()):
                    await asyncio.wait(lanes)
        finally:
            settler.cancel()
            await asyncio.gather(settler, return_exceptions=True)
            _running.discard(self._me)

    async def _finish(self) -> None:
        """Let what is being sent arrive and be recorded; cut off what takes too long.

        What could not be recorded stays leased and is sent again after the lease.
        """
        lanes = set(self._lanes.values())
        for seconds in (STOP_SECONDS, RECORD_SECONDS):
            if lanes:
                _done, lanes = await asyncio.wait(lanes, timeout=seconds)
                for task in lanes:
                    task.cancel()
        if lanes:
            await asyncio.wait(lanes, timeout=RECORD_SECONDS)

    async def reclaim(self) -> None:
        """Give back the leases of processes of this machine that are no longer alive."""
        async with self._database.begin() as session:
            owners = await session.scalars(
                select(Outbox.lease_owner).where(Outbox.status == OutboxStatus.SENDING).distinct()
            )
            dead = [owner for owner in owners if not _alive(owner)]
            if dead:
                await session.execute(
                    update(Outbox)
                    .where(Outbox.status == OutboxStatus.SENDING, Outbox.lease_owner.in_(dead))
                    .values(status=OutboxStatus.PENDING, lease_owner="", lease_until=None)
                )

    async def _pump(self, woken: bool) -> bool:
        """Take the lanes that are due and free, and start sending; whether there may be more."""
        room = MAX_LANES - len(self._lanes)
        if room <= 0 or not self._connectors:
            return False
        if not woken:
            async with self._database.glance() as session:
                if not await self._due(session, 1):
                    return False
        until = time.monotonic() + LEASE.total_seconds()
        async with self._database.begin() as session:
            lanes = await self._due(session, room)
            taken = await claim(session, lanes, self._me)
        for number, jobs in taken.items():
            task = asyncio.create_task(self._send_lane(_Lane(jobs, until)))
            self._lanes[number] = task
            task.add_done_callback(partial(self._lane_done, number))
        return len(taken) == room

    def _lane_done(self, lane: int, done: asyncio.Task[None]) -> None:
        self._lanes.pop(lane, None)
        if not done.cancelled() and (error := done.exception()) is not None:
            # Its messages stay leased, and are sent when the lease ends.
            log.error("the sending of conversation %d broke off: %s", lane, described(error))
        if self._passed_over:
            self._database.hub.notify(TOPIC)

    async def _due(self, session: AsyncSession, count: int) -> list[int]:
        """Conversations whose first open message is due and not leased."""
        clock = time.monotonic()
        working = [name for name in self._connectors if self._resting.get(name, 0.0) <= clock]
        self._passed_over = bool(self._lanes)
        return await due(session, working, list(self._lanes), count)

    async def _send_lane(self, lane: _Lane) -> None:
        """Send one lane's messages in order; the first that must wait gives the rest back."""
        left: list[_Result] = []
        try:
            while lane.jobs and not self._stopping:
                if not await self._turn(lane):
                    break
                job = lane.jobs[0]
                # From here on it may have arrived: an interrupted send is not given back but stays
                # leased, and is sent again when the lease ends.
                lane.jobs = lane.jobs[1:]
                address = job.message.address
                async with self._sending, self._paces[address.channel].turn(address.chat):
                    result = await self._send(job)
                if result.status is OutboxStatus.SENDING:
                    job.part = result.parts
                    await self._record([result])
                    lane.jobs = [job, *lane.jobs]
                elif result.status is OutboxStatus.PENDING:
                    left.append(result)
                    break
                else:
                    # One after the other: what is sent is recorded before the next one leaves.
                    refused = lane.jobs if result.unreachable else []
                    lane.jobs = [] if refused else lane.jobs
                    await self._record([result, *(replace(result, id=item.message.id) for item in refused)])
                    if result.status is OutboxStatus.SENT:
                        self._metrics.sent(address.channel)
        finally:
            left += [_Result(item.message.id, OutboxStatus.PENDING, attempted=False) for item in lane.jobs]
            if left:
                await self._record(left)

    async def _turn(self, lane: _Lane) -> bool:
        """Wait for the chat's turn; False when the lane is given back because that takes long, or is not ours."""
        message = lane.jobs[0].message
        pace = self._paces[message.address.channel]
        while (delay := pace.delay(message.address.chat)) > 0:
            if delay > PARK_SECONDS or self._stopping:
                due = now() + timedelta(seconds=delay)
                jobs, lane.jobs = lane.jobs, []
                await self._record(
                    [_Result(item.message.id, OutboxStatus.PENDING, due_at=due, attempted=False) for item in jobs]
                )
                return False
            await asyncio.sleep(delay)
        if not await self._hold(lane):
            log.warning("message %d was taken over by another process", message.id)
            lane.jobs = []
            return False
        return True

    async def _hold(self, lane: _Lane) -> bool:
        """See to it that the lease lasts for one send; whether the lane is still ours.

        A fresh lease is not renewed, so this costs nothing where messages leave at once.
        """
        lease = LEASE.total_seconds()
        if lane.until - time.monotonic() >= RENEW_SHARE * lease:
            return True
        until = time.monotonic() + lease
        ids = [job.message.id for job in lane.jobs]
        async with self._database.begin() as session:
            renewed: Any = await session.execute(
                update(Outbox)
                .where(Outbox.id.in_(ids), Outbox.lease_owner == self._me, Outbox.status == OutboxStatus.SENDING)
                .values(lease_until=now() + LEASE)
                .execution_options(synchronize_session=False)
            )
        lane.until = until
        return bool(renewed.rowcount == len(ids))

    async def _send(self, job: Job) -> _Result:
        """Send the next part of a message; what became of it."""
        message = job.message
        connector = self._connectors[message.address.channel]
        limit = SEND_SHARE * LEASE.total_seconds()
        try:
            async with asyncio.timeout(limit):
                total = connector.parts(message)
                asked = message.author is Author.SURVEY
                if job.part >= total:
                    return _Result(message.id, OutboxStatus.SENT, survey=asked)
                try:
                    platform_id = await connector.send(message, job.part)
                except ChatMoved as error:
                    await self._moved(job, error.chat)
                    platform_id = await connector.send(job.message, job.part)
            if job.part + 1 < total:
                return _Result(message.id, OutboxStatus.SENDING, parts=job.part + 1)
            return _Result(message.id, OutboxStatus.SENT, platform_id=clean(platform_id)[:200], survey=asked)
        except Exception as error:
            self._metrics.send_failed(message.address.channel, error)
            return self._failed(message, connector.name, error)

    async def _moved(self, job: Job, chat: str) -> None:
        """The chat has another id: from now on, and for this message."""
        address = job.message.address
        async with self._database.begin() as session:
            await move_chat(session, address.channel, address.chat, clean(chat)[:120])
        job.message = replace(job.message, address=replace(address, chat=chat))

    def _failed(self, message: Outgoing, name: str, error: Exception) -> _Result:
        told = clean(str(error))
        if isinstance(error, PermanentError):
            log.warning("message %d will not be sent: %s", message.id, error)
            return _Result(message.id, OutboxStatus.DEAD, error=told, unreachable=isinstance(error, Unreachable))
        if isinstance(error, TemporaryError):
            wish = error.retry_after
            if isinstance(error, ChannelDown):
                wish = REST_SECONDS if wish is None else wish
                self._resting[name] = time.monotonic() + wish
                log.error("%s sends nothing for %.0f s: %s", name, wish, error)
            elif wish is not None:
                self._paces[name].pause(message.address.chat, wish)
                log.info("message %d is tried again later: %s", message.id, error)
            due = None if wish is None else now() + timedelta(seconds=wish)
            # Whoever is asked to wait has not failed.
            return _Result(message.id, OutboxStatus.PENDING, error=told, due_at=due, attempted=wish is None)
        if isinstance(error, TimeoutError):
            told = f"{name} took longer than {SEND_SHARE * LEASE.total_seconds():.0f} s"
            log.warning("message %d: %s", message.id, told)
            return _Result(message.id, OutboxStatus.PENDING, error=told)
        log.error("the connector %s failed on message %d: %s", name, message.id, described(error))
        log.debug("message %d", message.id, exc_info=True)
        return _Result(message.id, OutboxStatus.PENDING, error=described(error))

    async def _record(self, results: list[_Result]) -> None:
        """Have results written by the settler, and wait until they are committed."""
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._results.put_nowait((results, written))
        await asyncio.shield(written)

    async def _settle(self) -> None:
        """Write all results that have come in meanwhile in one transaction; after a failure one by one,
        so that what cannot be written does not hold up the others."""
        most = MAX_LANES
        while True:
            batch = [await self._results.get()]
            while len(batch) < most and not self._results.empty():
                batch.append(self._results.get_nowait())
            try:
                await self._write([result for results, _ in batch for result in results])
            except Exception as error:
                log.error("what was sent cannot be recorded yet: %s", described(error))
                for item in batch:
                    self._results.put_nowait(item)
                most = 1
                await asyncio.sleep(IDLE_SECONDS)
                continue
            most = MAX_LANES if self._results.empty() else most
            for _, written in batch:
                if not written.done():
                    written.set_result(None)

    async def _write(self, results: Sequence[_Result]) -> None:
        """Write results of messages that are still ours; of others, their present owner writes."""
        moment = now()
        async with self._database.begin() as session:
            sent = []
            for result in results:
                if result.status is OutboxStatus.SENDING:
                    progress = {"sent": result.id, "parts": result.parts}
                    await (await session.connection()).execute(self._mark_part, progress)
                elif result.status is OutboxStatus.SENT:
                    sent.append({"sent": result.id, "platform": result.platform_id, "moment": moment})
                else:
                    await self._write_failure(session, result, moment)
            if sent:
                await (await session.connection()).execute(self._mark_sent, sent)
            if asked := [{"asked": result.id, "moment": moment} for result in results if result.survey]:
                await (await session.connection()).execute(_DELIVERED, asked)
            signal(session, "desk", "delivery")

    async def _write_failure(self, session: AsyncSession, result: _Result, moment: datetime) -> None:
        row = await session.get(Outbox, result.id, with_for_update=True)
        if row is None or row.lease_owner != self._me or row.status is not OutboxStatus.SENDING:
            return
        row.lease_owner, row.lease_until = "", None
        if not result.attempted:
            row.status = OutboxStatus.PENDING
            row.due_at = result.due_at or row.due_at
            row.error = result.error or row.error
            return
        row.attempts += 1
        row.error = result.error
        if result.status is OutboxStatus.DEAD or row.attempts >= self._settings.attempts:
            row.status = OutboxStatus.DEAD
            await _give_up(session, row, result)
            return
        row.status = OutboxStatus.PENDING
        row.due_at = result.due_at or moment + timedelta(seconds=backoff(row.attempts, self._settings))


async def _give_up(session: AsyncSession, row: Outbox, result: _Result) -> None:
    """What a message that will not be sent means for its conversation: the agents who have it are told."""
    conversation = await session.get(Conversation, row.conversation_id, with_for_update=True)
    if conversation is None:
        return
    if result.unreachable:
        await shut_out(session, conversation)
        return
    await lost_surveys(session, conversation)
    if conversation.owner is not Owner.BOT:
        await rooms.tell(session, conversation.id, "room.failed", {"reason": result.error[:300]})


def _alive(owner: str) -> bool:
    """Whether the dispatcher of a lease may still live; one on another machine is given its time."""
    process, _, _number = owner.partition("#")
    if process == owner_name():
        # Our own number: in a container every start has the same one.
        return owner in _running
    host, _, pid = process.rpartition(":")
    if host != socket.gethostname() or not pid.isdigit():
        return True
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
