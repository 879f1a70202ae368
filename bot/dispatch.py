"""The only sender: takes committed messages to their platforms.

Order holds per conversation: its queue is a lane, and one dispatcher at a time owns a lane by a
lease. A refused or interrupted message waits for its next try and keeps its lane waiting with it;
other lanes go on. After ``delivery.attempts`` tries, or at once when the platform says "never",
it becomes a dead letter with a reason, and the lane goes on.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import random
import secrets
import socket
import time
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeAlias

from sqlalchemy import and_, bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from bot.config import DeliverySettings
from bot.contracts import Address, Connector, Limits, Outgoing, PermanentError, TemporaryError
from bot.outbox import TOPIC, outgoing
from bot.services.privacy import ERASED
from bot.storage import Database, clean, now, signal, wait
from bot.storage.database import described
from bot.storage.models import Conversation, Outbox, OutboxStatus

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=60)
# A send ends within this share of a lease, and begins only while more than that is left of it: so
# nobody else takes a message over while it is being sent.
SEND_SHARE = 0.6
RENEW_SHARE = 0.75
IDLE_SECONDS = 1.0
STOP_SECONDS = 10.0
RECORD_SECONDS = 2.0
MAX_LANES = 64
OPEN = (OutboxStatus.PENDING, OutboxStatus.SENDING)


def backoff(attempts: int, settings: DeliverySettings) -> float:
    """Seconds to wait before the next try: doubled each time, with a quarter of chance.

    The chance keeps many messages that failed together from coming back together.
    """
    seconds = min(settings.backoff_limit_seconds, settings.backoff_seconds * 2.0 ** (attempts - 1))
    return float(seconds * random.uniform(0.75, 1.25))


class Pace:
    """A sliding window: at most ``count`` sends in any ``seconds``.

    One instance holds one platform's overall limit and the limits of its chats.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._overall: deque[float] = deque()
        self._chats: dict[str, deque[float]] = defaultdict(deque)

    def delay(self, chat: str) -> float:
        """Seconds until a message to ``chat`` may leave; 0 takes the place at once."""
        moment = time.monotonic()
        windows = []
        if self._limits.overall:
            windows.append((self._overall, *self._limits.overall))
        if self._limits.per_chat:
            windows.append((self._chats[chat], *self._limits.per_chat))
        waits = []
        for sent, count, seconds in windows:
            while sent and sent[0] <= moment - seconds:
                sent.popleft()
            if len(sent) >= count:
                waits.append(sent[0] + seconds - moment)
        if waits:
            return max(waits)
        for sent, _count, _seconds in windows:
            sent.append(moment)
        if len(self._chats) > 10_000:
            self._chats = defaultdict(deque, {key: value for key, value in self._chats.items() if value})
        return 0.0


@dataclass(frozen=True, slots=True)
class _Result:
    id: int
    status: OutboxStatus
    platform_id: str = ""
    error: str = ""
    due_at: datetime | None = None
    attempted: bool = True


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

    messages: list[Outgoing]
    until: float


class Dispatcher:
    """Sends what is due, until stopped.

    Args:
        database: where the outbox is.
        connectors: by channel name; a channel that is not here is left to other processes.
        settings: retries.
    """

    def __init__(self, database: Database, connectors: Mapping[str, Connector], settings: DeliverySettings) -> None:
        self._database = database
        self._connectors = connectors
        self._settings = settings
        self._paces = {name: Pace(connector.limits) for name, connector in connectors.items()}
        self._me = f"{owner_name()}#{next(_numbers)}-{secrets.token_hex(4)}"
        self._lanes: dict[int, asyncio.Task[None]] = {}
        self._results: asyncio.Queue[_Batch] = asyncio.Queue()
        mine = (Outbox.id == bindparam("sent"), Outbox.lease_owner == self._me, Outbox.status == OutboxStatus.SENDING)
        values = {"status": OutboxStatus.SENT, "error": "", "lease_until": None}
        changing: dict[str, Any] = {"sent_at": bindparam("moment"), "platform_id": bindparam("platform")}
        self._mark_sent = update(Outbox).where(*mine).values(values | changing)
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
            taken = await self._claim(session, lanes)
        for number, messages in taken.items():
            task = asyncio.create_task(self._send_lane(_Lane(messages, until)))
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
        earlier, moment = aliased(Outbox), now()
        first = (
            ~select(earlier.id)
            .where(earlier.conversation_id == Outbox.conversation_id, earlier.id < Outbox.id, earlier.status.in_(OPEN))
            .exists()
        )
        free = (Outbox.status == OutboxStatus.PENDING) | and_(
            Outbox.status == OutboxStatus.SENDING, Outbox.lease_until < moment
        )
        query = (
            select(Outbox.conversation_id)
            .where(
                Outbox.status.in_(OPEN),
                free,
                Outbox.due_at <= moment,
                Outbox.channel.in_(list(self._connectors)),
                first,
            )
            .order_by(Outbox.id)
            .limit(count)
            .with_for_update(skip_locked=True, of=Outbox)
        )
        self._passed_over = bool(self._lanes)
        if busy := list(self._lanes):
            query = query.where(Outbox.conversation_id.not_in(busy))
        return list(await session.scalars(query))

    async def _claim(self, session: AsyncSession, lanes: list[int]) -> dict[int, list[Outgoing]]:
        """Lease the open messages of these lanes, up to the first that is not due."""
        if not lanes:
            return {}
        moment = now()
        rows = (
            await session.execute(
                select(Outbox, Conversation)
                .join(Conversation, Conversation.id == Outbox.conversation_id)
                .where(Outbox.conversation_id.in_(lanes), Outbox.status.in_(OPEN))
                .order_by(Outbox.id)
            )
        ).all()
        taken: dict[int, list[Outgoing]] = {}
        closed: set[int] = set()
        ids = []
        for row, conversation in rows:
            held = row.status is OutboxStatus.SENDING and row.lease_until is not None and row.lease_until > moment
            if held or row.due_at > moment or row.conversation_id in closed:
                closed.add(row.conversation_id)
                continue
            address = Address(conversation.channel, conversation.chat, conversation.user, conversation.thread)
            taken.setdefault(row.conversation_id, []).append(outgoing(row, address))
            ids.append(row.id)
        await session.execute(
            update(Outbox)
            .where(Outbox.id.in_(ids))
            .values(status=OutboxStatus.SENDING, lease_owner=self._me, lease_until=moment + LEASE)
            .execution_options(synchronize_session=False)
        )
        return taken

    async def _send_lane(self, lane: _Lane) -> None:
        """Send one lane's messages in order; the first that must wait gives the rest back."""
        done: list[_Result] = []
        try:
            while lane.messages and not self._stopping:
                message = lane.messages[0]
                pace = self._paces[message.address.channel]
                if (delay := pace.delay(message.address.chat)) > 0:
                    if delay > LEASE.total_seconds() / 2:
                        due = now() + timedelta(seconds=delay)
                        done += [
                            _Result(item.id, OutboxStatus.PENDING, due_at=due, attempted=False)
                            for item in lane.messages
                        ]
                        lane.messages = []
                        break
                    await asyncio.sleep(delay)
                    continue
                if not await self._hold(lane):
                    log.warning("message %d was taken over by another process", message.id)
                    lane.messages = []
                    break
                # From here on it may have arrived: an interrupted send is not given back but stays
                # leased, and is sent again when the lease ends.
                lane.messages = lane.messages[1:]
                result = await self._send(message)
                if result.status is OutboxStatus.PENDING:
                    done.append(result)
                    break
                # One after the other: what is sent is recorded before the next one leaves.
                await self._record([*done, result])
                done = []
        finally:
            done += [_Result(item.id, OutboxStatus.PENDING, attempted=False) for item in lane.messages]
            if done:
                await self._record(done)

    async def _hold(self, lane: _Lane) -> bool:
        """See to it that the lease lasts for one send; whether the lane is still ours.

        A fresh lease is not renewed, so this costs nothing where messages leave at once.
        """
        lease = LEASE.total_seconds()
        if lane.until - time.monotonic() >= RENEW_SHARE * lease:
            return True
        until = time.monotonic() + lease
        ids = [message.id for message in lane.messages]
        async with self._database.begin() as session:
            renewed: Any = await session.execute(
                update(Outbox)
                .where(Outbox.id.in_(ids), Outbox.lease_owner == self._me, Outbox.status == OutboxStatus.SENDING)
                .values(lease_until=now() + LEASE)
                .execution_options(synchronize_session=False)
            )
        lane.until = until
        return bool(renewed.rowcount == len(ids))

    async def _send(self, message: Outgoing) -> _Result:
        connector = self._connectors[message.address.channel]
        limit = SEND_SHARE * LEASE.total_seconds()
        try:
            async with asyncio.timeout(limit):
                platform_id = await connector.send(message)
            return _Result(message.id, OutboxStatus.SENT, platform_id=clean(platform_id)[:200])
        except PermanentError as error:
            log.warning("message %d will not be sent: %s", message.id, error)
            return _Result(message.id, OutboxStatus.DEAD, error=clean(str(error)))
        except TemporaryError as error:
            log.info("message %d is tried again later: %s", message.id, error)
            due = None if error.retry_after is None else now() + timedelta(seconds=error.retry_after)
            return _Result(message.id, OutboxStatus.PENDING, error=clean(str(error)), due_at=due)
        except TimeoutError:
            log.warning("message %d: %s took longer than %.0f s", message.id, connector.name, limit)
            return _Result(message.id, OutboxStatus.PENDING, error=f"{connector.name} took longer than {limit:.0f} s")
        except Exception as error:
            log.error("the connector %s failed on message %d: %s", connector.name, message.id, described(error))
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

    async def _write(self, results: Iterable[_Result]) -> None:
        """Write results of messages that are still ours; of others, their present owner writes."""
        moment = now()
        async with self._database.begin() as session:
            sent = []
            for result in results:
                if result.status is OutboxStatus.SENT:
                    sent.append({"sent": result.id, "platform": result.platform_id, "moment": moment})
                else:
                    await self._write_failure(session, result, moment)
            if sent:
                await (await session.connection()).execute(self._mark_sent, sent)
            signal(session, "desk", "delivery")

    async def _write_failure(self, session: AsyncSession, result: _Result, moment: datetime) -> None:
        row = await session.get(Outbox, result.id, with_for_update=True)
        if row is None or row.lease_owner != self._me or row.status is not OutboxStatus.SENDING:
            return
        row.lease_owner, row.lease_until = "", None
        if not result.attempted:
            row.status = OutboxStatus.PENDING
            row.due_at = result.due_at or row.due_at
            return
        row.attempts += 1
        row.error = result.error
        if result.status is OutboxStatus.DEAD or row.attempts >= self._settings.attempts:
            row.status = OutboxStatus.DEAD
            return
        row.status = OutboxStatus.PENDING
        row.due_at = result.due_at or moment + timedelta(seconds=backoff(row.attempts, self._settings))


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


async def dead_letters(session: AsyncSession, limit: int = 100) -> list[dict[str, Any]]:
    """Messages that were given up, newest first, with the reason; no customer text."""
    rows = await session.execute(
        select(Outbox, Conversation)
        .join(Conversation, Conversation.id == Outbox.conversation_id)
        .where(Outbox.status == OutboxStatus.DEAD)
        .order_by(Outbox.id.desc())
        .limit(limit)
    )
    return [
        {
            "id": row.id,
            "channel": row.channel,
            "conversation": row.conversation_id,
            "attempts": row.attempts,
            "created_at": row.created_at.isoformat(timespec="seconds"),
            "error": row.error,
        }
        for row, _conversation in rows
    ]


async def retry(session: AsyncSession, ids: Iterable[int] | None = None) -> int:
    """Put dead letters back into the queue, all of them or these; how many there were.

    Those whose words were erased at the customer's request stay as they are.
    """
    statement = (
        update(Outbox)
        .where(Outbox.status == OutboxStatus.DEAD, Outbox.body["text"].as_string() != ERASED)
        .values(status=OutboxStatus.PENDING, attempts=0, due_at=now())
        .execution_options(synchronize_session=False)
    )
    if ids is not None:
        statement = statement.where(Outbox.id.in_(list(ids)))
    result: Any = await session.execute(statement)
    signal(session, TOPIC)
    return int(result.rowcount)
