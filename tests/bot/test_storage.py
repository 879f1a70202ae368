"""The tables behave the same on SQLite and PostgreSQL."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sqlite3
import warnings
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy.exc
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.contracts import Address, Inbound
from bot.inbox import store
from bot.storage import Database, StorageError, inline, signal, wait
from bot.storage.migrate import alembic_config, current, head, is_compared, require_current, upgrade
from bot.storage.models import (
    Base,
    Conversation,
    Customer,
    Handoff,
    Inbox,
    OrderRow,
    Severity,
    StoredFile,
    Ticket,
    TicketEvent,
    TicketStatus,
    TicketType,
    Timer,
)


def event(number: int, chat: str = "c1", text: str = "hi") -> Inbound:
    """A message of a conversation."""
    return Inbound(f"e{number}", Address("web", chat, "u"), text)


async def test_migrations_make_the_models(any_database: Database) -> None:
    """After the migrations nothing differs from the models."""
    async with any_database.engine.connect() as connection:
        differences = await connection.run_sync(
            lambda sync: compare_metadata(
                MigrationContext.configure(sync, opts={"include_name": is_compared}), Base.metadata
            )
        )
    assert differences == []
    assert await current(any_database) == head()


async def test_upgrading_twice_is_harmless(any_database: Database) -> None:
    """The demonstration and the operator may both do it."""
    await upgrade(any_database)
    await require_current(any_database)


async def test_the_life_of_tickets_up_and_down(any_database: Database) -> None:
    """Old tickets keep their rows, files, history and references through the change of statuses, both ways."""

    async def to(revision: str) -> None:
        move = command.upgrade if revision == "head" else command.downgrade
        async with any_database.engine.connect() as connection:
            await connection.run_sync(lambda sync: move(alembic_config(sync), revision))
            await connection.commit()

    async def rows(statement: str) -> list[tuple[Any, ...]]:
        async with any_database.engine.connect() as connection:
            return [tuple(row) for row in await connection.execute(sqlalchemy.text(statement))]

    async with any_database.begin() as session:
        await store(session, [event(1)])
        for status in (TicketStatus.PENDING_CUSTOMER, TicketStatus.PENDING_THIRD_PARTY, TicketStatus.RESOLVED):
            ticket = Ticket(
                conversation_id=1,
                type=TicketType.LATE,
                severity=Severity.HIGH,
                status=status,
                description="late",
                language="en",
                resolved_at=datetime(2026, 1, 1, tzinfo=UTC) if status is TicketStatus.RESOLVED else None,
            )
            session.add(ticket)
            await session.flush()
            detail = {"before": "new", "after": status.value, "reason": "r"}
            session.add(TicketEvent(ticket_id=ticket.id, actor="ana", kind="status", detail=detail))
            session.add(StoredFile(conversation_id=1, ticket_id=ticket.id, kind="image", ref="x", mime="image/png"))
    await to("0002")
    assert await rows("SELECT id, status FROM tickets ORDER BY id") == [(1, "pending"), (2, "pending"), (3, "resolved")]
    with pytest.raises(sqlalchemy.exc.IntegrityError):
        await rows("UPDATE tickets SET status = 'pending_customer'")
    await to("head")
    found = await rows("SELECT id, status, description, root_cause, merged_into_id FROM tickets ORDER BY id")
    assert found == [
        (1, "pending_customer", "late", "", None),
        (2, "pending_customer", "late", "", None),
        (3, "resolved", "late", "", None),
    ]
    assert await rows("SELECT ticket_id FROM files ORDER BY id") == [(1,), (2,), (3,)]
    async with any_database.read() as session:
        events = (await session.scalars(select(TicketEvent).order_by(TicketEvent.id))).all()
        clock = (await session.scalars(select(Timer))).one()
    assert [entry.detail["after"] for entry in events] == ["pending_customer", "pending_customer", "resolved"]
    assert (clock.kind, clock.payload, clock.due_at) == (
        "ticket_close",
        {"ticket": 3, "quiet": True},
        datetime(2026, 1, 15, tzinfo=UTC),
    )
    with pytest.raises(sqlalchemy.exc.IntegrityError):
        await rows("UPDATE tickets SET status = 'pending'")
    with pytest.raises(sqlalchemy.exc.IntegrityError):
        await rows(
            "INSERT INTO ticket_events (id, ticket_id, actor, kind, detail, at) "
            "VALUES (99, 77, 'x', 'x', '{}', '2026-01-01')"
        )


async def test_times_come_back_in_utc(any_database: Database) -> None:
    """A time given in another zone is the same moment afterwards, aware, in UTC."""
    tokyo = datetime(2026, 3, 29, 2, 30, tzinfo=timezone(timedelta(hours=9)))
    async with any_database.begin() as session:
        session.add(Customer(name="x", created_at=tokyo))
    async with any_database.read() as session:
        stored = (await session.scalars(select(Customer))).one()
    assert stored.created_at == tokyo
    assert stored.created_at.tzinfo is UTC
    async with any_database.read() as session:
        earlier = await session.scalar(select(Customer.id).where(Customer.created_at < tokyo + timedelta(seconds=1)))
    assert earlier == stored.id


async def test_a_time_without_a_zone_is_refused(any_database: Database) -> None:
    """Its meaning would depend on the machine."""
    with pytest.raises(sqlalchemy.exc.StatementError, match="without a time zone"):
        async with any_database.begin() as session:
            session.add(Customer(name="x", created_at=datetime(2026, 1, 1)))


async def test_money_is_exact(any_database: Database) -> None:
    """0.10 + 0.20 is 0.30, and tenths of a cent survive."""
    async with any_database.begin() as session:
        customer = Customer(name="x")
        session.add(customer)
        await session.flush()
        for number, total in (("1", "0.3"), ("2", "0.0003"), ("3", "-12345678901.99")):
            session.add(
                OrderRow(
                    number=number,
                    number_key=number,
                    customer_id=customer.id,
                    status="paid",
                    placed_at=datetime.now(UTC),
                    currency="EUR",
                    total=Decimal(total),
                )
            )
    async with any_database.read() as session:
        totals = (await session.scalars(select(OrderRow.total).order_by(OrderRow.id))).all()
    assert totals == [Decimal("0.30"), Decimal("0.0003"), Decimal("-12345678901.99")]
    assert str(totals[0]) == "0.30"


async def test_a_repeated_event_changes_nothing(any_database: Database) -> None:
    """The same external id on the same channel is stored once, whoever delivers it again."""
    async with any_database.begin() as session:
        first = await store(session, [event(1), event(1), event(2)])
    async with any_database.begin() as session:
        second = await store(session, [event(1, text="other words"), event(3)])
    assert first[1] is None and second[0] is None
    async with any_database.read() as session:
        rows = (await session.scalars(select(Inbox).order_by(Inbox.id))).all()
    assert [row.external_id for row in rows] == ["e1", "e2", "e3"]
    assert rows[0].event["text"] == "hi"


async def test_side_by_side_deliveries_store_each_event_once(any_database: Database) -> None:
    """Ten deliveries of the same new conversation at once: one conversation, one row an event."""

    async def deliver() -> None:
        async with any_database.begin() as session:
            await store(session, [event(1), event(2)])

    await asyncio.gather(*(deliver() for _ in range(10)))
    async with any_database.read() as session:
        assert len((await session.scalars(select(Inbox))).all()) == 2
        assert len((await session.scalars(select(Conversation))).all()) == 1


async def test_any_text_can_be_stored(any_database: Database) -> None:
    """NUL and broken surrogates, which databases refuse, do not lose the message."""
    text = "a\x00b \ud83d end \u200f\U0001f600"
    async with any_database.begin() as session:
        (stored,) = await store(session, [event(1, text=text)])
    async with any_database.read() as session:
        row = await session.get_one(Inbox, stored)
    assert row.event["text"] == "a\ufffdb ? end \u200f\U0001f600"


async def test_only_one_open_handoff(any_database: Database) -> None:
    """The database itself refuses a second open hand-over of a conversation."""
    async with any_database.begin() as session:
        await store(session, [event(1)])
        chat = (await session.scalars(select(Conversation))).one()
        session.add(Handoff(conversation_id=chat.id, reason="asked"))
    with pytest.raises(sqlalchemy.exc.IntegrityError):
        async with any_database.begin() as session:
            session.add(Handoff(conversation_id=chat.id, reason="asked"))


async def test_unknown_words_in_an_enumeration_are_refused(any_database: Database) -> None:
    """The database checks statuses too, not only Python."""
    async with any_database.begin() as session:
        await store(session, [event(1)])
    with pytest.raises(sqlalchemy.exc.IntegrityError):
        async with any_database.begin() as session:
            await session.execute(sqlalchemy.text("UPDATE inbox SET status = 'nonsense'"))


async def test_a_failed_transaction_leaves_nothing(any_database: Database) -> None:
    """An exception rolls back everything, signals included."""
    with any_database.hub.watch("topic") as waiting:
        with pytest.raises(RuntimeError, match="stop"):
            async with any_database.begin() as session:
                session.add(Customer(name="x"))
                signal(session, "topic")
                raise RuntimeError("stop")
        assert not waiting.is_set()
    async with any_database.read() as session:
        assert (await session.scalars(select(Customer))).all() == []


async def test_signals_reach_other_processes(postgres_database: str) -> None:
    """On PostgreSQL a commit in one process wakes those who wait in another."""
    url = postgres_database.replace("postgresql", "postgresql+asyncpg")
    one, other = Database(url), Database(url)
    try:
        await upgrade(one)
        await other.start()
        with other.hub.watch("topic") as waiting:
            for _ in range(50):
                async with one.begin() as session:
                    signal(session, "topic")
                if await wait(waiting, 0.1):
                    return
        raise AssertionError("the signal did not arrive")
    finally:
        await one.close()
        await other.close()


class TestComplaints:
    """What is wrong with a database is said in words that say what to do."""

    async def test_not_migrated(self, tmp_path: Path) -> None:
        """Tables are missing."""
        database = Database(f"sqlite+aiosqlite:///{tmp_path / 'new.db'}")
        with pytest.raises(StorageError, match="linguadesk db upgrade"):
            await require_current(database)
        with pytest.raises(StorageError, match="linguadesk db upgrade"):
            async with database.begin() as session:
                await session.scalars(select(Ticket))
        await database.close()

    async def test_not_a_database(self, tmp_path: Path) -> None:
        """The file is something else."""
        (tmp_path / "text.db").write_text("this is not a database, it is a longer text than that")
        database = Database(f"sqlite+aiosqlite:///{tmp_path / 'text.db'}")
        with pytest.raises(StorageError, match="cannot be used"):
            await upgrade(database)
        await database.close()

    async def test_unreachable_server(self) -> None:
        """Nobody listens there."""
        database = Database("postgresql+asyncpg://nobody:secret@127.0.0.1:1/none")
        with pytest.raises(StorageError, match="no database answers") as error:
            await current(database)
        assert "secret" not in str(error.value)
        await database.close()

    async def test_locked(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Another program holds the file for too long."""
        import sqlite3

        path = tmp_path / "locked.db"
        database = Database(f"sqlite+aiosqlite:///{path}")
        await upgrade(database)
        await database.close()
        monkeypatch.setattr("bot.storage.database.BUSY_SECONDS", 0.1)
        database = Database(f"sqlite+aiosqlite:///{path}")
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageError, match="locked by another program"):
            async with database.begin() as session:
                session.add(Customer(name="x"))
        other.close()
        await database.close()


async def test_a_cancelled_wait_for_the_disk_is_not_closed_under(tmp_path: Path) -> None:
    """A connection whose call still runs in its thread is closed after that call, not in the middle of it."""
    path = str(tmp_path / "test.db")
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("CREATE TABLE t (x)")
        other.execute("BEGIN IMMEDIATE")
        connection = await inline.connect(path, timeout=10, isolation_level=None)
        begin = asyncio.create_task(connection.execute("BEGIN IMMEDIATE"))
        await asyncio.sleep(0.1)
        begin.cancel()
        await asyncio.gather(begin, return_exceptions=True)
        closing = asyncio.create_task(connection.close())
        await asyncio.sleep(0.1)
        assert not closing.done()
        other.execute("COMMIT")
        await asyncio.wait_for(closing, 10)


async def test_closing_waits_for_who_was_cancelled(tmp_path: Path) -> None:
    """What they give back only then is closed too: no connection is forgotten."""
    database = Database(f"sqlite+aiosqlite:///{tmp_path / 'test.db'}")
    reads = asyncio.Event()

    async def read() -> None:
        async with database.read() as session:
            await session.execute(text("SELECT 1"))
            reads.set()
            await asyncio.Event().wait()

    reader = asyncio.create_task(read())
    await reads.wait()
    gc.collect()
    with warnings.catch_warnings(record=True) as complaints:
        warnings.simplefilter("always")
        reader.cancel()
        await database.close()
        assert reader.cancelled()
        del reader
        gc.collect()
    assert [str(item.message) for item in complaints] == []


async def _languages(session: AsyncSession) -> list[str]:
    return list(await session.scalars(select(Conversation.language).order_by(Conversation.id)))


async def _talks(database: Database, key: str) -> None:
    async with database.begin() as session:
        session.add(Conversation(channel="web", address_key=key, chat=key, user=key, language=key))


async def test_a_reader_sees_one_moment(any_database: Database) -> None:
    """What is committed between two statements of a reader is not seen by the second; the next reader sees it."""
    await _talks(any_database, "en")
    async with any_database.read() as session:
        assert await _languages(session) == ["en"]
        await _talks(any_database, "es")
        assert await _languages(session) == ["en"]
        # Neither by another question, nor counted.
        assert await session.scalar(select(func.count()).select_from(Conversation)) == 1
    async with any_database.read() as session:
        assert await _languages(session) == ["en", "es"]


async def test_nothing_that_a_reader_writes_is_kept(any_database: Database) -> None:
    """PostgreSQL refuses it; and a connection that was read with is written with afterwards, at the usual level."""
    await _talks(any_database, "en")
    with contextlib.suppress(StorageError):
        async with any_database.read() as session:
            await session.execute(update(Conversation).values(language="xx"))
            assert any_database.is_sqlite, "PostgreSQL lets a reader write"
    async with any_database.glance() as session:
        assert await _languages(session) == ["en"]
    for _ in range(3):
        async with any_database.read() as session:
            await _languages(session)
        async with any_database.begin() as session:
            await session.execute(update(Conversation).values(language="es"))
            if not any_database.is_sqlite:
                assert await session.scalar(text("SHOW transaction_isolation")) == "read committed"
                assert await session.scalar(text("SHOW transaction_read_only")) == "off"


async def test_readers_on_postgres_wait_for_nobody(postgres_database: str) -> None:
    """Ten readers of one moment each, while a writer holds every row: all answer, and none is refused."""
    database = Database(postgres_database.replace("postgresql", "postgresql+asyncpg"))
    try:
        await upgrade(database)
        await _talks(database, "en")

        async def look() -> list[str]:
            async with database.read() as session:
                return await _languages(session)

        async with database.begin() as session:
            await session.execute(update(Conversation).values(language="es"))
            async with asyncio.timeout(20):
                assert await asyncio.gather(*(look() for _ in range(10))) == [["en"]] * 10
        assert await look() == ["es"]
    finally:
        await database.close()
