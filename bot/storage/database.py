"""The database: transactions, signals between processes, clear errors.

A write transaction on SQLite begins with ``BEGIN IMMEDIATE`` and, within this process, waits its
turn on a lock: SQLite has one writer, and waiting on a lock is fair and fast where its own busy
handler sleeps in steps. On PostgreSQL any number of transactions run at once and rows are locked.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import traceback
import weakref
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiosqlite
import sqlalchemy.exc
from sqlalchemy import event, make_url, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.pool import QueuePool

from bot.contracts import LinguadeskError
from bot.storage import inline
from bot.storage.turns import Turns

log = logging.getLogger(__name__)

NOTIFY_CHANNEL = "linguadesk"
# How long SQLite waits for another process that writes.
BUSY_SECONDS = 20.0
CLOSE_SECONDS = 2.0
_READING = {"linguadesk_read": True}
# Part of the statement that begins the transaction, so that it takes no longer than any other.
_ONE_MOMENT = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
PACKAGES = ("bot", "actions", "nlu", "connectors")
# Classes of SQLSTATE that speak of the server and not of the statement: connection, transaction
# rollback (a deadlock), resources, object state (a lock), operator intervention, system, internal.
SERVER_STATES = ("08", "40", "53", "55", "57", "58", "XX")


class StorageError(LinguadeskError):
    """The database cannot be used; the text says what to do."""


def described(error: BaseException) -> str:
    """What kind of exception it is and where it was raised, without its words, which may be a customer's.

    The text of one of our own errors is written for an operator and given as it is.
    """
    if isinstance(error, LinguadeskError):
        return f"{type(error).__name__}: {error}"
    ours = [
        (str(frame.f_globals.get("__name__")), line)
        for frame, line in traceback.walk_tb(error.__traceback__)
        if str(frame.f_globals.get("__name__")).partition(".")[0] in PACKAGES
    ]
    at = f" at {ours[-1][0]}:{ours[-1][1]}" if ours else ""
    driver = getattr(error, "orig", None)
    return f"{type(error).__name__}{f' ({type(driver).__name__})' if driver is not None else ''}{at}"


class Hub:
    """Wakes those who wait for something to change; topics are plain strings.

    A signal means "look again", never "here it is": the truth is in the database.
    """

    def __init__(self) -> None:
        self._events: dict[str, set[asyncio.Event]] = defaultdict(set)

    def notify(self, topic: str) -> None:
        """Wake everyone who watches ``topic``."""
        for waiting in self._events.get(topic, ()):
            waiting.set()

    @contextlib.contextmanager
    def watch(self, *topics: str) -> Any:
        """An :class:`asyncio.Event` set whenever one of the topics is signalled."""
        waiting = asyncio.Event()
        for topic in topics:
            self._events[topic].add(waiting)
        try:
            yield waiting
        finally:
            for topic in topics:
                self._events[topic].discard(waiting)
                if not self._events[topic]:
                    del self._events[topic]


def signal(session: AsyncSession, *topics: str) -> None:
    """Have these topics signalled once the session's transaction is committed."""
    session.info.setdefault("topics", set()).update(topics)


async def wait(waiting: asyncio.Event, timeout: float) -> bool:
    """Wait until ``waiting`` is set or ``timeout`` seconds have passed; clear it; whether it was set."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout):
            await waiting.wait()
    woken = waiting.is_set()
    waiting.clear()
    return woken


def insert_ignore(session: AsyncSession, table: Any) -> Any:
    """``INSERT … ON CONFLICT DO NOTHING`` in the session's dialect."""
    dialect = session.get_bind().dialect.name
    statement = postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)
    return statement.on_conflict_do_nothing()


class Database:
    """One database and the signals that go with it.

    Args:
        url: an asynchronous SQLAlchemy URL, see :attr:`bot.config.Config.database_url`.
    """

    def __init__(self, url: str) -> None:
        self.url = make_url(url)
        self.hub = Hub()
        # Which events somebody is told of, as patterns; see bot.services.events.
        self.emits: tuple[str, ...] = ()
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        # Statements' parameters are customers' words: they stay out of errors and logs.
        options: dict[str, Any] = {"hide_parameters": True}
        if self.is_sqlite:
            if self.url.database and self.url.database != ":memory:":
                try:
                    Path(self.url.database).parent.mkdir(parents=True, exist_ok=True)
                except OSError as error:
                    raise StorageError(f"cannot make the folder of the database {self.url.database}: {error}") from None
            options["connect_args"] = {"timeout": BUSY_SECONDS, "isolation_level": None}
            options["connect_args"]["async_creator_fn"] = self._remembered(_in_thread)
        else:
            options.update(pool_size=10, max_overflow=20, pool_pre_ping=True)
        self.engine = self._engine(options)
        # Writing and glancing look rows up by key; reading may search. See bot.storage.inline.
        quick = self._engine(self._in_place(options)) if self.is_sqlite else self.engine
        self._readers = async_sessionmaker(self.engine, expire_on_commit=False, autoflush=False)
        self._sessions = async_sessionmaker(quick, expire_on_commit=False, autoflush=False)
        self._engines = {self.engine, quick}
        self._writing = Turns()
        self._listener: asyncio.Task[None] | None = None
        # Those of aiosqlite, and the threads that they work in.
        self._connections: weakref.WeakSet[aiosqlite.Connection] = weakref.WeakSet()
        self._threads: weakref.WeakSet[threading.Thread] = weakref.WeakSet()

    def _engine(self, options: dict[str, Any]) -> AsyncEngine:
        try:
            engine = create_async_engine(self.url, **options)
        except ModuleNotFoundError as error:
            raise StorageError(
                f"the database driver {error.name} is not installed; install linguadesk[postgres]"
            ) from None
        if self.is_sqlite:
            event.listen(engine.sync_engine, "connect", _sqlite_settings)
            event.listen(engine.sync_engine, "begin", _sqlite_begin)
        return engine

    @contextlib.asynccontextmanager
    async def begin(self, *, first: bool = False) -> AsyncIterator[AsyncSession]:
        """A write transaction: committed on leaving, rolled back on an exception.

        Args:
            first: whether it goes before others of this process that wait for SQLite's one writer.

        Raises:
            StorageError: the database is missing, locked for too long, read-only or not migrated.
        """
        turn = self._writing.turn(first) if self.is_sqlite else contextlib.nullcontext()
        async with turn, self._sessions() as session:
            with _explained(self.url.render_as_string(hide_password=True)):
                async with session.begin():
                    session.info["emits"] = self.emits
                    yield session
                    await session.flush()
                    topics = session.info.get("topics", set())
                    if topics and not self.is_sqlite:
                        await session.execute(
                            text("SELECT pg_notify(:channel, :topics)"),
                            {"channel": NOTIFY_CHANNEL, "topics": "\n".join(sorted(topics))},
                        )
        for topic in topics:
            self.hub.notify(topic)

    @contextlib.asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """A read-only view of one moment: what is committed meanwhile is not seen, and nothing can be written.

        On SQLite that is so by itself; writing is possible there, and is not kept.
        """
        async with self._readers() as session:
            with _explained(self.url.render_as_string(hide_password=True)):
                await session.connection(execution_options=_READING if self.is_sqlite else _READING | _ONE_MOMENT)
                # Closing the session ends the transaction; a rollback would also empty the objects read.
                yield session

    @contextlib.asynccontextmanager
    async def glance(self) -> AsyncIterator[AsyncSession]:
        """For look-ups by an index that take microseconds: on SQLite they run at once, where :meth:`read` leaves the
        event loop free for as long as a query may take. On PostgreSQL each statement sees what is committed by then."""
        async with self._sessions() as session:
            with _explained(self.url.render_as_string(hide_password=True)):
                await session.connection(execution_options=_READING)
                yield session

    async def connection(self) -> AsyncConnection:
        """A bare connection, for migrations."""
        return await self.engine.connect()

    def on_connect(self, settle: Callable[[Any, Any], None]) -> None:
        """Have each new connection set up further by ``settle``, which is given it and its record in the pool."""
        for engine in self._engines:
            event.listen(engine.sync_engine, "connect", settle)

    async def start(self) -> None:
        """Begin to hear other processes' signals (PostgreSQL); SQLite's pollers look by themselves."""
        if not self.is_sqlite and self._listener is None:
            self._listener = asyncio.create_task(self._listen())

    async def close(self) -> None:
        """Stop listening and close all connections."""
        if self._listener is not None:
            self._listener.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._listener
            self._listener = None
        # Whoever was cancelled still ends their transaction. What they give back after the pools have ended
        # nobody would close. A pool has no event for this; it is a matter of milliseconds.
        pools = [engine.pool for engine in self._engines if isinstance(engine.pool, QueuePool)]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                while any(pool.checkedout() for pool in pools):  # noqa: ASYNC110
                    await asyncio.sleep(0.005)
        for engine in self._engines:
            await engine.dispose()
        for connection in list(self._connections):
            # After its last statement, which its thread may still be at; an answer to it would find no loop any more.
            connection.stop()
        for thread in list(self._threads):
            if thread.is_alive():
                await asyncio.to_thread(thread.join, CLOSE_SECONDS)

    def _remembered(self, connect: Callable[..., aiosqlite.Connection]) -> Callable[..., aiosqlite.Connection]:
        """As ``connect``, but the connection and its thread are known from the beginning, while it still connects."""

        def remembered(*args: Any, **options: Any) -> aiosqlite.Connection:
            connection = connect(*args, **options)
            self._connections.add(connection)
            self._threads.add(connection._thread)
            return connection

        return remembered

    def _in_place(self, options: dict[str, Any]) -> dict[str, Any]:
        creator = {"async_creator_fn": self._remembered(inline.connect)}
        return options | {"connect_args": options["connect_args"] | creator}

    async def _listen(self) -> None:
        """Hold one connection that listens; after a loss, connect again. Pollers cover the gap."""
        while True:
            try:
                async with self.engine.connect() as connection:
                    raw = await connection.get_raw_connection()
                    lost = asyncio.Event()
                    driver: Any = raw.driver_connection
                    driver.add_termination_listener(lambda *_, lost=lost: lost.set())
                    await driver.add_listener(NOTIFY_CHANNEL, self._heard)
                    await lost.wait()
            except Exception as error:
                # The driver has exceptions of its own besides SQLAlchemy's; none of them may end the listening.
                log.warning("lost the database's signals, connecting again: %s", type(error).__name__)
            await asyncio.sleep(1)

    def _heard(self, _connection: Any, _pid: int, _channel: str, payload: str) -> None:
        for topic in payload.split("\n"):
            self.hub.notify(topic)


def _in_thread(database: str, **options: Any) -> aiosqlite.Connection:
    """As SQLAlchemy connects by itself: the program does not wait for the connection's thread to end."""
    connection = aiosqlite.connect(database, **options)
    connection._thread.daemon = True
    return connection


def _sqlite_settings(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    # FULL: a committed message survives a power cut, not only a crash of the process.
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "cache_size=-16000",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _sqlite_begin(connection: Any) -> None:
    reading = connection.get_execution_options().get("linguadesk_read")
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


@contextlib.contextmanager
def _explained(url: str) -> Any:
    """Turn the database's own complaints into ones that say what to do.

    What is wrong with one statement (a value that does not fit, a broken rule) stays as it is: to
    try again would not help, so it counts against the message that caused it.
    """
    try:
        yield
    except sqlalchemy.exc.DBAPIError as error:
        if words := _complaint(error, url):
            raise StorageError(words) from error
        raise
    except sqlalchemy.exc.TimeoutError as error:
        raise StorageError(f"all connections to the database {url} are in use for too long") from error
    except OSError as error:
        # Only what happened in the driver: an action may have trouble of its own with a network.
        if _in_driver(error):
            raise StorageError(f"no database answers at {url}: {error or type(error).__name__}") from error
        raise
    except Exception as error:
        # Refusals while connecting (the server is starting, or ending) come from the driver as they are.
        if type(error).__module__.partition(".")[0] == "asyncpg":
            raise StorageError(f"the database {url} refuses: {type(error).__name__}") from error
        raise


def _complaint(error: sqlalchemy.exc.DBAPIError, url: str) -> str:
    """What to tell the operator; empty where the statement and not the database is to blame."""
    words = str(error.orig).lower()
    if "no such table" in words or "undefinedtable" in words or ("relation" in words and "does not exist" in words):
        return f"the database {url} has no tables yet, or old ones; run: linguadesk db upgrade"
    if isinstance(error, sqlalchemy.exc.IntegrityError):
        return ""
    if "locked" in words:
        return f"the database {url} is locked by another program for too long; end that program, or use PostgreSQL"
    if "unable to open" in words or "readonly" in words or "read-only" in words or "not a database" in words:
        return f"the database {url} cannot be used: {error.orig}; check the path and its permissions"
    if error.connection_invalidated or isinstance(error, sqlalchemy.exc.InterfaceError):
        return f"the connection to the database {url} was lost ({type(error.orig).__name__})"
    state = getattr(error.orig, "sqlstate", None) or ""
    if state[:2] in SERVER_STATES or isinstance(error, sqlalchemy.exc.OperationalError):
        # SQLite's words name the trouble (a full disk, an I/O error) and never a value.
        reason = f"{state} {type(error.orig).__name__}" if state else str(error.orig)
        return f"the database {url} does not work at present: {reason}; check its disk and its log"
    return ""


def _in_driver(error: OSError) -> bool:
    frames = traceback.walk_tb(error.__traceback__)
    return any(str(frame.f_globals.get("__name__")).startswith(("asyncpg.", "sqlalchemy.")) for frame, _ in frames)
