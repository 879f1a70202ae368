"""Webhooks: tells others of events, signed as Standard Webhooks (standardwebhooks.com) has it.

Each event becomes one delivery for every webhook that wants it, in the order in which they were
committed. Each webhook is a lane of its own, so that a slow receiver holds up nobody else. A receiver
that does not answer is asked again for about a day, with the same ``webhook-id``; then the delivery
is a dead letter. One that answers 410 (Gone) gets nothing more until its deliveries are retried.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import logging
import random
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any

import httpx
from sqlalchemy import and_, delete, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from standardwebhooks import Webhook as Signer

from bot.config import Config, Problem, Webhook, line_of, load_yaml
from bot.services import events
from bot.storage import Database, insert_ignore, now, signal, wait
from bot.storage.database import described
from bot.storage.models import Delivery, Event, OutboxStatus

log = logging.getLogger(__name__)

TOPIC = "deliveries"
API = "/api/v1"
SECRET = "LINGUADESK_WEBHOOK_SECRET_"  # noqa: S105 (the beginning of variables' names, not a value)
PREFIX = "whsec_"
SECRET_BYTES = range(24, 65)
HOW_TO_MAKE = (
    "python3 -c \"import base64, secrets; print('whsec_' + base64.b64encode(secrets.token_bytes(32)).decode())\""
)

IDLE_SECONDS = 1.0
CALL_SECONDS = 20.0
STOP_SECONDS = 10.0
LEASE = timedelta(seconds=60)
SPREAD_AT_ONCE = 100
# The pauses between tries grow from the first to the last, see `pause_before`.
FIRST_PAUSE_SECONDS = 5.0
LAST_PAUSE_SECONDS = 16 * 3600.0
LONGEST_WISH_SECONDS = 24 * 3600.0
# A receiver that is down is asked at most so seldom, whatever else waits for it.
LONGEST_REST_SECONDS = 60.0
LONGEST_PARK_SECONDS = 3600.0
KEEP = timedelta(days=30)
SWEEP_SECONDS = 3600.0
GONE = 410
# What in an event is an id that the API knows, and under which of its addresses.
RESOURCES = {"ticket": "tickets", "into": "tickets", "conversation": "conversations", "customer": "customers"}


@dataclass(frozen=True, slots=True)
class Hook:
    """A webhook that can be told: its settings and the key that signs."""

    settings: Webhook
    secret: str = field(repr=False)

    @property
    def name(self) -> str:
        """Its name in the settings."""
        return self.settings.name

    @property
    def patterns(self) -> tuple[str, ...]:
        """The events that it wants; all where the settings name none."""
        return self.settings.events or ("*",)


@dataclass(frozen=True, slots=True)
class _Claim:
    """A delivery that is leased, with its event."""

    id: int
    attempts: int
    until: datetime
    event: Event


@dataclass(frozen=True, slots=True)
class _Answer:
    """What became of a call. ``status`` is None where nobody answered; ``wish`` is how many seconds to wait."""

    status: int | None
    error: str = ""
    wish: float | None = None

    @property
    def ok(self) -> bool:
        """Whether the receiver has it."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def is_down(self) -> bool:
        """Whether the receiver, and not this one event, is the trouble."""
        return self.status is None or self.status == 429 or self.status >= 500


def variable(name: str) -> str:
    """The environment variable with the key of this webhook."""
    return f"{SECRET}{name.upper()}"


def _complaint(hook: Webhook, env: Mapping[str, str]) -> str:
    """What is wrong with the key of a webhook; empty if it can sign."""
    secret, name = env.get(variable(hook.name), ""), variable(hook.name)
    if not secret:
        return f"{name} is not set, so the webhook {hook.name} is off; make a key with: {HOW_TO_MAKE}"
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(PREFIX) or len(key) not in SECRET_BYTES:
        return (
            f"{name} is not {PREFIX} and 24 to 64 bytes in base64, so the webhook {hook.name} is off; "
            f"make a key with: {HOW_TO_MAKE}"
        )
    return ""


def hooks_of(config: Config) -> tuple[Hook, ...]:
    """The webhooks that can be told: those whose key is in the environment."""
    env = config.env
    return tuple(Hook(hook, env[variable(hook.name)]) for hook in config.settings.webhooks if not _complaint(hook, env))


def examine(config: Config) -> list[Problem]:
    """What is wrong with the webhooks, as warnings: the desk works without them."""
    if not config.settings.webhooks:
        return []
    document = load_yaml(config.home / "config.yml", "config.yml")
    problems = []
    for index, hook in enumerate(config.settings.webhooks):
        line = line_of(document, "webhooks", index)
        if words := _complaint(hook, config.env):
            problems.append(Problem("config.yml", line, words, True))
        for pattern in hook.events:
            if not any(events.fits(kind, (pattern,)) for kind in events.TYPES):
                known = ", ".join(events.TYPES)
                words = f"webhooks: {hook.name}: there is no event {pattern!r}; there are {known}"
                problems.append(Problem("config.yml", line, words, True))
    return problems


def pause_before(attempt: int, attempts: int) -> float:
    """Seconds to wait after so many failed tries (from 1) of at most ``attempts``.

    They grow by the same factor each time, so that all tries together take about a day, with a tenth of
    chance: many deliveries that failed together do not come back together.
    """
    share = (attempt - 1) / (attempts - 2) if attempts > 2 else 0.0
    seconds = FIRST_PAUSE_SECONDS * (LAST_PAUSE_SECONDS / FIRST_PAUSE_SECONDS) ** min(1.0, share)
    return float(seconds * random.uniform(0.9, 1.1))


def payload(event: Event, base: str) -> str:
    """The body of an event; the same each time it is sent.

    Args:
        event: what happened.
        base: the public address of this program, "" if it has none; then the addresses are relative.
    """
    links = {name: f"{base}{API}/{kind}/{event.data[name]}" for name, kind in RESOURCES.items() if event.data.get(name)}
    body = {"type": event.type, "timestamp": event.at.isoformat(), "data": event.data | {"urls": links}}
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def _wish(headers: httpx.Headers) -> float | None:
    """``Retry-After`` in seconds, at most a day; None if it says nothing that can be read."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        seconds = float(value[:9])
    else:
        try:
            seconds = (parsedate_to_datetime(value) - now()).total_seconds()
        except (TypeError, ValueError, OverflowError):
            return None
    return min(max(0.0, seconds), LONGEST_WISH_SECONDS)


class WebhookSender:
    """Tells the webhooks of events until cancelled.

    Args:
        database: where the events are.
        config: the webhooks, how often they are tried, the public address.
    """

    def __init__(self, database: Database, config: Config) -> None:
        self._database = database
        self._config = config
        self._hooks = hooks_of(config)
        self._attempts = config.settings.delivery.attempts
        self._base = config.settings.web.public_url.rstrip("/")
        self._swept = -SWEEP_SECONDS

    async def run(self) -> None:
        """Spread events and deliver them for ever; on cancellation, finish the call that has been begun."""
        for problem in examine(self._config):
            log.warning("%s", problem)
        if not self._hooks:
            await self._spread_all()
        http = httpx.AsyncClient(timeout=CALL_SECONDS, follow_redirects=False)
        async with http, asyncio.TaskGroup() as group:
            group.create_task(self._spread_all())
            for hook in self._hooks:
                group.create_task(self._lane(hook, http))

    # ------------------------------------------------------------------ events become deliveries

    async def _spread_all(self) -> None:
        with self._database.hub.watch(events.TOPIC) as waiting:
            while True:
                try:
                    while self._hooks and await self._spread():
                        pass
                    await self._sweep()
                except Exception as error:
                    # Whatever it is, it may pass; nobody would be told if this ended.
                    log.error("webhooks pause: %s", described(error))
                    await asyncio.sleep(IDLE_SECONDS)
                await wait(waiting, IDLE_SECONDS)

    async def _spread(self) -> bool:
        """Turn the first events into deliveries; whether there may be more."""
        fresh = select(Event).where(Event.spread_at.is_(None)).order_by(Event.id).limit(SPREAD_AT_ONCE)
        async with self._database.glance() as session:
            if await session.scalar(fresh.with_only_columns(Event.id).limit(1)) is None:
                return False
        async with self._database.begin() as session:
            found = (await session.scalars(fresh.with_for_update(skip_locked=True))).all()
            off = await _gone(session)
            for event in found:
                for hook in self._hooks:
                    if hook.name not in off and events.fits(event.type, hook.patterns):
                        values = {"event_id": event.id, "webhook": hook.name}
                        await session.execute(insert_ignore(session, Delivery).values(**values))
                event.spread_at = now()
            signal(session, TOPIC)
        return len(found) == SPREAD_AT_ONCE

    async def _sweep(self) -> None:
        """Forget events that are older than :data:`KEEP`, delivered or not."""
        if time.monotonic() - self._swept < SWEEP_SECONDS:
            return
        old = select(Event.id).where(Event.at < now() - KEEP)
        async with self._database.begin() as session:
            for statement in (
                delete(Delivery).where(Delivery.event_id.in_(old)),
                delete(Event).where(Event.id.in_(old)),
            ):
                await session.execute(statement.execution_options(synchronize_session=False))
        self._swept = time.monotonic()

    # ------------------------------------------------------------------ one webhook

    async def _lane(self, hook: Hook, http: httpx.AsyncClient) -> None:
        failures = 0
        with self._database.hub.watch(TOPIC) as waiting:
            while True:
                try:
                    claimed = await self._claim(hook)
                    if claimed is not None:
                        answer = await self._finished(self._deliver(hook, http, claimed))
                        failures = failures + 1 if answer.is_down else 0
                        if failures:
                            rest = min(LONGEST_REST_SECONDS, 2.0 ** (min(failures, 16) - 1)) * random.uniform(0.75, 1)
                            await asyncio.sleep(max(rest, min(answer.wish or 0.0, LONGEST_PARK_SECONDS)))
                        continue
                except Exception as error:
                    log.error("the webhook %s pauses: %s", hook.name, described(error))
                    await asyncio.sleep(IDLE_SECONDS)
                await wait(waiting, IDLE_SECONDS)

    async def _finished(self, call: Any) -> _Answer:
        """What the call comes to; when this is cancelled the call has its time to end and be recorded."""
        task: asyncio.Task[_Answer] = asyncio.create_task(call)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            await asyncio.wait({task}, timeout=STOP_SECONDS)
            task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await task
            raise

    async def _claim(self, hook: Hook) -> _Claim | None:
        """Lease the first delivery of this webhook that is due."""
        moment = now()
        late = and_(Delivery.status == OutboxStatus.SENDING, Delivery.lease_until < moment)
        due = (
            select(Delivery, Event)
            .join(Event, Event.id == Delivery.event_id)
            .where(
                Delivery.webhook == hook.name,
                Delivery.due_at <= moment,
                or_(Delivery.status == OutboxStatus.PENDING, late),
            )
            .order_by(Delivery.event_id)
            .limit(1)
        )
        async with self._database.glance() as session:
            if (await session.execute(due.with_only_columns(Delivery.id))).first() is None:
                return None
        async with self._database.begin() as session:
            found = (await session.execute(due.with_for_update(skip_locked=True, of=Delivery))).first()
            if found is None:
                return None
            row, event = found
            row.status, row.lease_until = OutboxStatus.SENDING, moment + LEASE
            return _Claim(row.id, row.attempts, row.lease_until, event)

    async def _deliver(self, hook: Hook, http: httpx.AsyncClient, claimed: _Claim) -> _Answer:
        answer = await self._call(hook, http, claimed.event)
        await self._record(hook, claimed, answer)
        return answer

    async def _call(self, hook: Hook, http: httpx.AsyncClient, event: Event) -> _Answer:
        """Send an event; never raises for what a receiver or a network does."""
        body, moment = payload(event, self._base), now()
        headers = {
            "content-type": "application/json",
            "user-agent": "Linguadesk-Webhooks",
            "webhook-id": f"msg_{event.uid}",
            "webhook-timestamp": str(int(moment.timestamp())),
            "webhook-signature": Signer(hook.secret).sign(f"msg_{event.uid}", moment, body),
        }
        try:
            # The answer's body is not read: nothing depends on it, and it may be endless.
            async with (
                asyncio.timeout(CALL_SECONDS),
                http.stream("POST", hook.settings.url, content=body.encode(), headers=headers) as response,
            ):
                code = response.status_code
                reason = "" if 200 <= code < 300 else f"answered {code}"
                if 300 <= code < 400:
                    reason += ", which is not followed; put the new address into config.yml"
                return _Answer(code, reason, _wish(response.headers))
        except TimeoutError:
            return _Answer(None, f"no answer within {CALL_SECONDS:.0f} s")
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            return _Answer(None, f"cannot be reached ({type(error).__name__})")

    async def _record(self, hook: Hook, claimed: _Claim, answer: _Answer) -> None:
        """Write down what became of a delivery, unless somebody else has taken it over meanwhile."""
        attempts = claimed.attempts + 1
        values: dict[str, Any] = {"attempts": attempts, "answer": answer.status, "lease_until": None}
        if answer.ok:
            values |= {"status": OutboxStatus.SENT, "error": "", "delivered_at": now()}
        elif answer.status == GONE or attempts >= self._attempts:
            values |= {"status": OutboxStatus.DEAD, "error": answer.error}
            log.warning("event %d will not be told to the webhook %s: %s", claimed.event.id, hook.name, answer.error)
        else:
            seconds = max(pause_before(attempts, self._attempts), answer.wish or 0.0)
            due = now() + timedelta(seconds=seconds)
            values |= {"status": OutboxStatus.PENDING, "error": answer.error, "due_at": due}
            log.info("the webhook %s is told again in %.0f s: %s", hook.name, seconds, answer.error)
        mine = (Delivery.id == claimed.id, Delivery.lease_until == claimed.until)
        async with self._database.begin() as session:
            quiet = partial(session.execute, execution_options={"synchronize_session": False})
            recorded: Any = await quiet(update(Delivery).where(*mine).values(**values))
            if answer.status == GONE and recorded.rowcount:
                log.warning("the webhook %s is off: its receiver says that it is gone (410)", hook.name)
                rest = update(Delivery).where(Delivery.webhook == hook.name, Delivery.status == OutboxStatus.PENDING)
                await quiet(rest.values(status=OutboxStatus.DEAD, error="the receiver says that it is gone (410)"))


async def _gone(session: AsyncSession) -> set[str]:
    """The webhooks that are off because their receivers said so, until that delivery is retried."""
    query = select(Delivery.webhook).where(Delivery.status == OutboxStatus.DEAD, Delivery.answer == GONE).distinct()
    return set(await session.scalars(query))


async def dead_deliveries(session: AsyncSession, limit: int = 100) -> list[dict[str, Any]]:
    """Events that some webhook could not be told of, newest first, with the reason."""
    rows = await session.execute(
        select(Delivery, Event)
        .join(Event, Event.id == Delivery.event_id)
        .where(Delivery.status == OutboxStatus.DEAD)
        .order_by(Delivery.id.desc())
        .limit(limit)
    )
    return [
        {
            "id": row.id,
            "webhook": row.webhook,
            "event": event.type,
            "at": event.at.isoformat(timespec="seconds"),
            "attempts": row.attempts,
            "error": row.error,
        }
        for row, event in rows
    ]


async def retry_deliveries(session: AsyncSession, ids: list[int] | None = None) -> int:
    """Deliver dead letters again, all of them or these; how many there were.

    A webhook that is off because of one of them is on again.
    """
    query = select(Delivery).where(Delivery.status == OutboxStatus.DEAD)
    if ids is not None:
        query = query.where(Delivery.id.in_(ids))
    rows = (await session.scalars(query.with_for_update())).all()
    for row in rows:
        row.status, row.attempts, row.due_at, row.answer = OutboxStatus.PENDING, 0, now(), None
    signal(session, TOPIC)
    return len(rows)
