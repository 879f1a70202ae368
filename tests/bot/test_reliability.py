"""Trouble that passes, stops in the middle, two processes at once: nothing ends, is lost or is doubled."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiosqlite
import httpx
import pytest
from sqlalchemy import select, update

import bot.dispatch
import bot.inbox
import bot.lanes
import bot.serve
from bot import jobs
from bot.app import App, WorkersEnded, build
from bot.config import Config, DeliverySettings
from bot.contracts import (
    Accept,
    Address,
    Attachment,
    Author,
    Inbound,
    Limits,
    Outgoing,
    PermanentError,
    Recognizer,
    TemporaryError,
)
from bot.dispatch import Dispatcher
from bot.engine import Engine
from bot.hearing import Held
from bot.inbox import Acceptor
from bot.outbox import post
from bot.storage import Database, StorageError, now, signal
from bot.storage.inline import InPlaceConnection
from bot.storage.migrate import upgrade
from bot.storage.models import (
    Conversation,
    FileStatus,
    Inbox,
    InboxStatus,
    Message,
    Outbox,
    OutboxStatus,
    StoredFile,
    Timer,
    TimerStatus,
)
from bot.texts import Rendered
from bot.worker import InboxWorker, TimerWorker, retry_events
from tests import postgres
from tests.customer import eventually


class Platform:
    """A connector whose network is a list, and as slow as it is told to be."""

    name = "web"
    limits = Limits()

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.begun: list[int] = []
        self.sent: list[int] = []
        self.stopped_after: int | None = None
        self.fetching: Callable[[], bytes] = lambda: b"file"

    async def start(self, accept: Accept) -> None:
        """Nothing is received."""

    async def stop(self) -> None:
        """Remember how much had been sent by then."""
        self.stopped_after = len(self.sent)

    def parts(self, message: Outgoing) -> int:
        """Each message is one."""
        return 1

    async def send(self, message: Outgoing, part: int = 0) -> str:
        """Take some time."""
        self.begun.append(message.id)
        await asyncio.sleep(self.seconds)
        self.sent.append(message.id)
        return "id\x00"

    async def fetch(self, attachment: Attachment) -> bytes:
        """A file, or what is wrong with it."""
        return self.fetching()


def event(number: int, user: str = "u", text: str = "hello", **more: Any) -> Inbound:
    """A message on the channel."""
    return Inbound(f"e{number}", Address("web", user, user), text, **more)


async def rows(database: Database, table: Any) -> list[Any]:
    """All rows of a table."""
    async with database.read() as session:
        return list(await session.scalars(select(table).order_by(table.id)))


def quick(config: Config, **more: Any) -> Config:
    """The configuration with retries that come soon."""
    delivery = config.settings.delivery.model_copy(update={"backoff_seconds": 0.05, "backoff_limit_seconds": 0.1})
    return replace(config, settings=config.settings.model_copy(update={"delivery": delivery}), **more)


async def a_desk(config: Config, recognizer: Recognizer, platform: Platform) -> App:
    """A desk with one channel, not yet running."""
    app = build(config, recognizer=recognizer, only=frozenset())
    await upgrade(app.database)
    app.connectors["web"] = platform
    return app


@pytest.fixture
async def platform() -> Platform:
    """A channel without delay."""
    return Platform()


@pytest.fixture
async def desk(config: Config, recognizer: Recognizer, platform: Platform) -> AsyncIterator[App]:
    """A desk with that channel, not yet running."""
    app = await a_desk(quick(config), recognizer, platform)
    yield app
    await app.close()


@pytest.fixture
async def any_desk(any_database_url: str, config: Config, recognizer: Recognizer) -> AsyncIterator[App]:
    """A desk on each kind of database, not yet running."""
    own = quick(config, env={"LINGUADESK_DATABASE_URL": any_database_url})
    app = await a_desk(own, recognizer, Platform())
    yield app
    await app.close()


async def answered(app: App, count: int, seconds: float = 20.0) -> None:
    """Wait until as many events are handled and everything has left."""

    async def done() -> bool:
        handled = [row.status is InboxStatus.DONE for row in await rows(app.database, Inbox)]
        sent = [row.status is OutboxStatus.SENT for row in await rows(app.database, Outbox)]
        return sum(handled) >= count and len(sent) >= count and all(sent)

    await eventually(done, seconds)


async def handle(app: App, inbox_id: int) -> bool:
    """Handle one event as a worker does."""
    async with app.database.read() as session:
        row = await session.get_one(Inbox, inbox_id)
    heard = await app.engine.understand(Inbound.from_json(row.event))
    return await app.engine.handle(row.conversation_id, inbox_id, heard)


async def health(app: App) -> httpx.Response:
    """What the readiness address says."""
    transport = httpx.ASGITransport(app.web)
    async with httpx.AsyncClient(transport=transport, base_url="http://desk") as client:
        return await client.get("/health/ready")


class TestTroubleThatPasses:
    """The workers outlive it, whatever it is."""

    @pytest.mark.postgres
    async def test_a_restart_of_postgresql(self, config: Config, recognizer: Recognizer, platform: Platform) -> None:
        """The server is torn down and comes back, twice; the next message is answered."""
        if postgres.binaries() is None:
            pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
        with postgres.restartable() as (url, restart):
            own = quick(config, env={"LINGUADESK_DATABASE_URL": f"{url}/postgres"})
            app = await a_desk(own, recognizer, platform)
            try:
                async with app.running():
                    accept = Acceptor(app.database)
                    await accept([event(1)])
                    await answered(app, 1)
                    for number, mode in enumerate(("immediate", "fast"), 2):
                        await asyncio.to_thread(restart, mode)
                        await self._accepted(accept, event(number))
                        await answered(app, number, 20)
                    assert app.ready and not app.broken.is_set()
                    assert app.database._listener is not None and not app.database._listener.done()
            finally:
                await app.close()

    async def _accepted(self, accept: Acceptor, message: Inbound) -> None:
        async def stored() -> bool:
            try:
                return bool(await accept([message]))
            except StorageError:
                return False

        await eventually(stored, 20)

    async def test_a_disk_error(self, desk: App, platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
        """SQLite's own "disk I/O error" on every statement for a while; afterwards all is as before."""
        broken = False
        for kind in (aiosqlite.Connection, InPlaceConnection):
            real = kind.__dict__["_execute"]

            async def execute(self: Any, fn: Any, *args: Any, real: Any = real, **named: Any) -> Any:
                if broken and args and isinstance(args[0], str) and not args[0].startswith("PRAGMA"):
                    raise sqlite3.OperationalError("disk I/O error")
                return await real(self, fn, *args, **named)

            monkeypatch.setattr(kind, "_execute", execute)
        async with desk.running():
            accept = Acceptor(desk.database)
            await accept([event(1)])
            await answered(desk, 1)
            platform.seconds = 0.3
            await accept([event(2)])
            await eventually(lambda: _is(len(platform.begun) == 2))
            broken = True
            desk.database.hub.notify("inbox")
            with pytest.raises(StorageError, match="disk I/O error"):
                await accept([event(3)])
            await asyncio.sleep(1.5)
            broken = False
            await accept([event(3)])
            await answered(desk, 3)
            assert (await health(desk)).status_code == 200
        assert sorted(platform.sent) == sorted(set(platform.sent))

    async def test_an_error_nobody_foresaw(
        self, desk: App, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Each loop fails once in its own way; everything is done all the same, and the log has no customer's words."""
        failing: Counter[str] = Counter()

        def once(owner: Any, name: str) -> None:
            real = getattr(owner, name)

            async def call(self: Any, *args: Any) -> Any:
                failing[name] += 1
                if failing[name] == 1:
                    raise RuntimeError("secret words")
                return await real(self, *args)

            monkeypatch.setattr(owner, name, call)

        for owner, name in (
            (InboxWorker, "_look"),
            (TimerWorker, "_due"),
            (Dispatcher, "_pump"),
            (Dispatcher, "_write"),
            (Dispatcher, "reclaim"),
        ):
            once(owner, name)
        with caplog.at_level(logging.INFO):
            async with desk.running():
                await Acceptor(desk.database)([event(1, "a", "secret words"), event(2, "b", "secret words")])
                await answered(desk, 2)
                await eventually(lambda: _is(failing["_due"] > 1))
        assert set(failing) == {"_look", "_due", "_pump", "_write", "reclaim"}
        assert "RuntimeError" in caplog.text and "secret" not in caplog.text

    async def test_what_cannot_be_recorded_does_not_hold_up_others(
        self, desk: App, platform: Platform, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """One result that the database refuses for good: the others are recorded, and a stop does not hang."""
        real = Dispatcher._write
        accept = Acceptor(desk.database)
        for number, user in enumerate(("bad", "good", "fine")):
            (stored,) = await accept([event(number, user)])
            assert stored is not None and await handle(desk, stored)
        bad = (await rows(desk.database, Outbox))[0].id

        async def write(self: Dispatcher, results: Any) -> None:
            results = list(results)
            if any(result.id == bad for result in results):
                raise ValueError("never")
            await real(self, results)

        monkeypatch.setattr(Dispatcher, "_write", write)
        monkeypatch.setattr(bot.dispatch, "STOP_SECONDS", 0.1)
        monkeypatch.setattr(bot.dispatch, "RECORD_SECONDS", 0.1)
        async with dispatching(desk.database, platform):

            async def others() -> bool:
                return [row.status for row in await rows(desk.database, Outbox)] == [
                    OutboxStatus.SENDING,
                    OutboxStatus.SENT,
                    OutboxStatus.SENT,
                ]

            await eventually(others)


async def _is(value: bool) -> bool:
    return value


@contextlib.asynccontextmanager
async def dispatching(database: Database, *platforms: Platform) -> AsyncIterator[list[Dispatcher]]:
    """A dispatcher for each platform, as processes of their own would have."""
    settings = DeliverySettings(backoff_seconds=0.05, backoff_limit_seconds=0.1)
    dispatchers = [Dispatcher(database, {"web": platform}, settings) for platform in platforms]
    tasks = [asyncio.create_task(dispatcher.run()) for dispatcher in dispatchers]
    try:
        yield dispatchers
    finally:
        for task in tasks:
            task.cancel()
        async with asyncio.timeout(20):
            await asyncio.gather(*tasks, return_exceptions=True)


class TestTheEndOfTheWorkers:
    """If it happens all the same, it is noticed."""

    @pytest.fixture
    def failing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """One of the workers ends."""

        async def run(self: TimerWorker) -> None:
            raise RuntimeError("secret words")

        monkeypatch.setattr(TimerWorker, "run", run)

    @pytest.fixture
    def trained(self, config: Config, model_dir: Path, recognizer: Recognizer) -> Config:
        """A data folder with the model."""
        config.data_dir.mkdir()
        (config.data_dir / "models").symlink_to(model_dir.resolve() / "models")
        return config

    async def test_not_ready_any_more(self, desk: App, failing: None, caplog: pytest.LogCaptureFixture) -> None:
        """The readiness address says so, and so does the log, without anybody's words."""
        async with desk.running():
            async with asyncio.timeout(20):
                await desk.broken.wait()
            answer = await health(desk)
        assert (answer.status_code, answer.json()["problems"]) == (503, ["the workers have ended"])
        (record,) = [record for record in caplog.records if record.levelno == logging.CRITICAL]
        assert "RuntimeError" in record.getMessage() and "secret" not in caplog.text

    async def test_a_worker_process_ends_with_an_error(self, trained: Config, failing: None) -> None:
        """``linguadesk worker`` does not wait for ever."""
        await _migrated(trained)
        async with asyncio.timeout(30):
            with pytest.raises(WorkersEnded):
                await bot.serve.work(trained)

    async def test_the_server_ends_with_an_error(self, trained: Config, failing: None) -> None:
        """``linguadesk run`` does not go on taking messages that nobody answers."""
        await _migrated(trained)
        async with asyncio.timeout(30):
            with pytest.raises(WorkersEnded):
                await asyncio.to_thread(bot.serve.serve, trained, host="127.0.0.1", port=0, browser=False)


async def _migrated(config: Config) -> None:
    database = Database(config.database_url)
    await upgrade(database)
    await database.close()


class TestStopping:
    """What is being sent is finished and recorded before connectors and database close."""

    async def test_a_slow_send_is_awaited(self, desk: App, platform: Platform) -> None:
        """The stop comes in the middle of a send."""
        platform.seconds = 1.0
        async with desk.running():
            await Acceptor(desk.database)([event(1)])
            await eventually(lambda: _is(bool(platform.begun)))
        assert platform.stopped_after == 1
        assert [row.status for row in await rows(desk.database, Outbox)] == [OutboxStatus.SENT]

    async def test_what_hangs_is_sent_by_the_next_start(
        self, desk: App, platform: Platform, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A send that never ends is cut off, and what waits behind it is given back at once."""
        monkeypatch.setattr(bot.dispatch, "STOP_SECONDS", 0.2)
        platform.seconds = 60
        await queue(desk.database, 3)
        async with desk.running():
            await eventually(lambda: _is(bool(platform.begun)))
        statuses = [row.status for row in await rows(desk.database, Outbox)]
        assert statuses == [OutboxStatus.SENDING, OutboxStatus.PENDING, OutboxStatus.PENDING]
        platform.seconds = 0
        async with desk.running():
            await eventually(lambda: _is(len(platform.sent) == 3))
        assert platform.sent == sorted(platform.sent)
        assert {row.status for row in await rows(desk.database, Outbox)} == {OutboxStatus.SENT}


async def queue(database: Database, count: int, user: str = "u") -> None:
    """Messages for one conversation."""
    await Acceptor(database)([event(0, user)])
    async with database.begin() as session:
        conversation = (await session.scalars(select(Conversation).where(Conversation.user == user))).one()
        await session.execute(update(Inbox).values(status=InboxStatus.DONE))
        await post(session, conversation, [Rendered(str(number), "en") for number in range(count)], Author.BOT)


class TestLeases:
    """While one process sends a message, no other does."""

    async def test_a_lease_is_renewed(self, any_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        """A lane takes several times as long as a lease; a second dispatcher waits for nothing of it."""
        monkeypatch.setattr(bot.dispatch, "LEASE", timedelta(seconds=1))
        monkeypatch.setattr(bot.lanes, "LEASE", timedelta(seconds=1))
        one, two = Platform(0.4), Platform(0.4)
        await queue(any_database, 6)
        async with dispatching(any_database, one, two):
            await eventually(lambda: _is(len(one.sent + two.sent) == 6), 10)
        assert sorted(one.begun + two.begun) == sorted({*one.sent, *two.sent})
        assert not one.begun or not two.begun

    async def test_a_send_ends_before_its_lease(self, any_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        """A send that takes too long is cut off while the lease still holds: never are two at it."""
        monkeypatch.setattr(bot.dispatch, "LEASE", timedelta(seconds=1))
        monkeypatch.setattr(bot.lanes, "LEASE", timedelta(seconds=1))
        at_it: list[int] = []
        most = 0

        class Hanging(Platform):
            def parts(self, message: Outgoing) -> int:
                """Each message is one."""
                return 1

            async def send(self, message: Outgoing, part: int = 0) -> str:
                nonlocal most
                at_it.append(message.id)
                most = max(most, len(at_it))
                try:
                    return await super().send(message)
                finally:
                    at_it.remove(message.id)

        one, two = Hanging(2.5), Hanging(2.5)
        await queue(any_database, 1)
        async with dispatching(any_database, one, two):
            await eventually(lambda: _is(len(one.begun + two.begun) >= 3), 10)
            one.seconds = two.seconds = 0
            await eventually(lambda: _is(len(one.sent + two.sent) == 1), 10)
        assert most == 1
        (row,) = await rows(any_database, Outbox)
        assert row.status is OutboxStatus.SENT and row.platform_id == "id\ufffd"

    async def test_a_lost_lease_writes_nothing(self, any_database: Database) -> None:
        """The result of who has lost a message does not touch it; its new owner has the last word."""
        platform = Platform(0.5)
        await queue(any_database, 1)
        async with dispatching(any_database, platform):
            await eventually(lambda: _is(bool(platform.begun)))
            async with any_database.begin() as session:
                await session.execute(
                    update(Outbox).values(lease_owner="elsewhere:1", lease_until=now() + timedelta(hours=1))
                )
        (row,) = await rows(any_database, Outbox)
        assert len(platform.sent) == 1
        assert (row.status, row.lease_owner) == (OutboxStatus.SENDING, "elsewhere:1")


class TestEventsThatFail:
    """What cannot be handled is put aside once, and what follows it is handled."""

    async def test_an_event_that_cannot_be_read(self, any_desk: App) -> None:
        """It becomes a dead letter, without words to the customer, and the next message is answered."""
        accept = Acceptor(any_desk.database)
        (first,) = await accept([event(1)])
        async with any_desk.database.begin() as session:
            await session.execute(update(Inbox).values(event={"nonsense": 1}))
        (second,) = await accept([event(2)])
        async with any_desk.running():
            await answered(any_desk, 1)
        async with any_desk.database.read() as session:
            dead, done = await session.get_one(Inbox, first), await session.get_one(Inbox, second)
            assert (dead.status, dead.attempts, done.status) == (InboxStatus.DEAD, 3, InboxStatus.DONE)
            assert dead.handled_at is not None and "KeyError" in dead.error
            assert {row.inbox_id for row in await session.scalars(select(Outbox))} == {second}

    async def test_erased_events_are_not_tried_again(self, any_database: Database) -> None:
        """There is nothing left in them to handle."""
        await Acceptor(any_database)([event(1), event(2)])
        async with any_database.begin() as session:
            one, two = await session.scalars(select(Inbox).order_by(Inbox.id))
            one.status = two.status = InboxStatus.DEAD
            one.event = {}
        async with any_database.begin() as session:
            assert await retry_events(session) == 1
        assert [row.status for row in await rows(any_database, Inbox)] == [InboxStatus.DEAD, InboxStatus.PENDING]

    async def test_giving_up_happens_once(self, any_desk: App) -> None:
        """Two who give up at once: one apology."""
        (stored,) = await Acceptor(any_desk.database)([event(1)])
        assert stored is not None
        await asyncio.gather(*(any_desk.engine.give_up(stored, "x") for _ in range(4)))
        assert len(await rows(any_desk.database, Outbox)) == 1
        assert len(await rows(any_desk.database, Message)) == 2

    async def test_giving_up_waits_for_who_is_handling(self, any_desk: App) -> None:
        """An event that is handled at the same moment is either answered or given up, never both."""
        for number in range(5):
            (stored,) = await Acceptor(any_desk.database)([event(number, f"u{number}")])
            assert stored is not None
            handled, _ = await asyncio.gather(handle(any_desk, stored), any_desk.engine.give_up(stored, "x"))
            row = (await rows(any_desk.database, Inbox))[-1]
            assert row.status is (InboxStatus.DONE if handled else InboxStatus.DEAD)
            answers = [answer for answer in await rows(any_desk.database, Outbox) if answer.inbox_id == stored]
            assert len(answers) >= 1
            said = [message for message in await rows(any_desk.database, Message) if message.inbox_id == stored]
            assert len(said) == 1

    async def test_what_is_not_due_is_left(self, any_desk: App) -> None:
        """Another process has just failed on it and will try again later."""
        (stored,) = await Acceptor(any_desk.database)([event(1)])
        assert stored is not None
        async with any_desk.database.begin() as session:
            await session.execute(update(Inbox).values(due_at=now() + timedelta(seconds=30)))
        assert not await handle(any_desk, stored)
        assert await rows(any_desk.database, Outbox) == []


@contextlib.asynccontextmanager
async def several(url: str, config: Config, recognizer: Recognizer, count: int) -> AsyncIterator[list[App]]:
    """Desks that share one database, each with its own inbox worker."""
    own = quick(config, env={"LINGUADESK_DATABASE_URL": url})
    apps = [build(own, recognizer=recognizer, only=frozenset()) for _ in range(count)]
    await upgrade(apps[0].database)
    for app in apps:
        await app.database.start()
    tasks = [asyncio.create_task(InboxWorker(app.database, app.engine, own.settings.delivery).run()) for app in apps]
    try:
        yield apps
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for app in apps:
            await app.close()


@pytest.mark.postgres
class TestSeveralWorkers:
    """Any number of processes on one PostgreSQL."""

    async def test_once_and_in_order(self, postgres_database: str, config: Config, recognizer: Recognizer) -> None:
        """Twelve conversations of eight messages each, three workers: every message once, every one in its turn."""
        async with several(postgres_database, config, recognizer, 3) as apps:
            accept = Acceptor(apps[0].database)
            for number in range(8):
                await accept([event(100 * number + user, f"u{user}") for user in range(12)])

            async def done() -> bool:
                return all(row.status is InboxStatus.DONE for row in await rows(apps[0].database, Inbox))

            await eventually(done, 30)
            said = await rows(apps[0].database, Message)
        theirs = [message for message in said if message.author is Author.CUSTOMER]
        assert Counter(message.inbox_id for message in theirs).most_common(1)[0][1] == 1
        assert len(theirs) == 96
        for conversation in {message.conversation_id for message in said}:
            order = [message.inbox_id for message in theirs if message.conversation_id == conversation]
            assert order == sorted(order)

    async def test_trouble_that_passes_uses_up_one_try_each_time(
        self, postgres_database: str, config: Config, recognizer: Recognizer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Three workers fail on the same message at the same moment: that is one try, not all three."""
        async with several(postgres_database, config, recognizer, 3) as apps:
            failures, real = 0, Engine.understand

            async def understand(self: Engine, message: Inbound, held: Held) -> Any:
                nonlocal failures
                if failures < 3:
                    failures += 1
                    await asyncio.sleep(0.3)
                    raise RuntimeError("passing trouble")
                return await real(self, message, held)

            monkeypatch.setattr(Engine, "understand", understand)
            await Acceptor(apps[0].database)([event(1)])

            async def done() -> bool:
                (row,) = await rows(apps[0].database, Inbox)
                return row.status is not InboxStatus.PENDING

            await eventually(done, 15)
            (row,) = await rows(apps[0].database, Inbox)
        assert failures == 3
        assert row.status is InboxStatus.DONE and row.attempts < 3


class TestAccepting:
    """Many deliveries at once are committed together, and each for itself."""

    async def test_one_that_cannot_be_stored_fails_alone(
        self, any_database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The callers beside it get their ids, and what they were told is stored is stored."""
        real = bot.inbox.conversation_id

        async def conversation_id(session: Any, message: Inbound) -> int:
            if message.address.user == "bad":
                raise ValueError("never")
            return await real(session, message)

        monkeypatch.setattr(bot.inbox, "conversation_id", conversation_id)
        accept = Acceptor(any_database)
        users = ["a", "bad", "b", "a", "bad", "c"]
        answers = await asyncio.gather(
            *(accept([event(number, user)]) for number, user in enumerate(users)), return_exceptions=True
        )
        assert [isinstance(answer, ValueError) for answer in answers] == [user == "bad" for user in users]
        given = [answer[0] for answer in answers if not isinstance(answer, BaseException)]
        assert sorted(given) == [row.id for row in await rows(any_database, Inbox)]

    async def test_a_caller_who_goes_away_does_not_disturb_others(self, any_database: Database) -> None:
        """One of those who wait together is cancelled."""
        accept = Acceptor(any_database)
        calls = [asyncio.create_task(accept([event(number)])) for number in range(5)]
        await asyncio.sleep(0)
        calls[2].cancel()
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert [isinstance(answer, asyncio.CancelledError) for answer in answers] == [False, False, True, False, False]
        given = {answer[0] for answer in answers if not isinstance(answer, BaseException)}
        assert len(given) == 4 and given <= {row.id for row in await rows(any_database, Inbox)}


class TestFiles:
    """Files are fetched by a process that has their channel."""

    async def _with_file(self, app: App) -> None:
        item = Attachment("image", "ref", "a.png", "image/png")
        (stored,) = await Acceptor(app.database)([event(1, text="", attachments=(item,))])
        assert stored is not None and await handle(app, stored)

    @contextlib.asynccontextmanager
    async def _timers(self, app: App, connectors: dict[str, Any]) -> AsyncIterator[None]:
        made = jobs.handlers(jobs.Workshop(app.database, app.voice, connectors, app.config))
        task = asyncio.create_task(TimerWorker(app.database, made, app.config.settings.delivery).run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def test_left_to_who_has_the_channel(self, any_desk: App) -> None:
        """A process without the channel leaves the file alone, not even counting a try."""
        await self._with_file(any_desk)
        async with self._timers(any_desk, {}):
            for _ in range(5):
                async with any_desk.database.begin() as session:
                    signal(session, "timers")
                await asyncio.sleep(0.05)
        (timer,) = await rows(any_desk.database, Timer)
        assert (timer.status, timer.attempts) == (TimerStatus.PENDING, 0)
        async with self._timers(any_desk, any_desk.connectors):

            async def stored() -> bool:
                (file,) = await rows(any_desk.database, StoredFile)
                return file.status is FileStatus.STORED

            await eventually(stored)

    async def test_a_file_that_never_comes(self, any_desk: App) -> None:
        """After the last try the desk shows that it is not there, instead of waiting for ever."""
        await self._with_file(any_desk)
        platform = Platform()

        def fetch() -> bytes:
            raise TemporaryError("the platform is down")

        platform.fetching = fetch
        async with self._timers(any_desk, {"web": platform}):

            async def given_up() -> bool:
                async with any_desk.database.begin() as session:
                    signal(session, "timers")
                (file,) = await rows(any_desk.database, StoredFile)
                return file.status is FileStatus.FAILED

            await eventually(given_up, 10)
        (timer,) = await rows(any_desk.database, Timer)
        assert (timer.status, timer.attempts) == (TimerStatus.DEAD, any_desk.config.settings.delivery.attempts)

    async def test_any_name_of_a_file_can_be_stored(self, any_desk: App) -> None:
        """NUL and broken surrogates in what a platform says about a file do not lose the message."""
        item = Attachment("im\x00age", "ref\x00\ud800", "a\x00\ud800.png", "image/\x00png")
        (stored,) = await Acceptor(any_desk.database)([event(1, text="", attachments=(item,))])
        assert stored is not None and await handle(any_desk, stored)
        (file,) = await rows(any_desk.database, StoredFile)
        assert (file.kind, file.ref) == ("im\ufffdage", "ref\ufffd?")
        assert (file.name, file.mime) == ("a\ufffd?.png", "image/\ufffdpng")

    async def test_any_payload_can_be_stored(self, any_desk: App) -> None:
        """JSON can escape what a database cannot store."""
        payload = '/track_order{"order_number": "10\\u000034", "x\\ud800": "\\udfff"}'
        (stored,) = await Acceptor(any_desk.database)([event(1, text="", payload=payload)])
        assert stored is not None and await handle(any_desk, stored)
        said = (await rows(any_desk.database, Message))[0]
        values = [item["value"] for item in said.parse["entities"]]
        assert values == ["10\ufffd34", "?"]

    async def test_a_file_that_is_refused(self, any_desk: App) -> None:
        """A file that the platform refuses for good is given up at once."""
        await self._with_file(any_desk)
        platform = Platform()

        def fetch() -> bytes:
            raise PermanentError("gone")

        platform.fetching = fetch
        async with self._timers(any_desk, {"web": platform}):

            async def failed() -> bool:
                (file,) = await rows(any_desk.database, StoredFile)
                return file.status is FileStatus.FAILED

            await eventually(failed)
        (timer,) = await rows(any_desk.database, Timer)
        assert (timer.status, timer.attempts) == (TimerStatus.DONE, 0)
