"""What waits in the database, as the metrics ask for it: the same on both engines, and found by an index."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from bot.contracts import Author, Owner
from bot.storage import Database, standing
from bot.storage.models import (
    Conversation,
    Handoff,
    Inbox,
    InboxStatus,
    Outbox,
    OutboxStatus,
    Presence,
    Role,
    Severity,
    Ticket,
    TicketStatus,
    TicketType,
    Timer,
    TimerStatus,
    User,
    now,
)
from tests.databases import prepared

QUERIES: tuple[Callable[[Any], Awaitable[Any]], ...] = (
    standing.outbox,
    standing.inbox,
    standing.jobs,
    standing.talks,
    standing.open_tickets,
    standing.team,
)


async def answers(database: Database) -> list[Any]:
    """What each query finds."""
    found = []
    for query in QUERIES:
        async with database.read() as session:
            found.append(await query(session))
    return found


async def test_nothing_waits(any_database: Database) -> None:
    """An empty database: zeros, and no time since when."""
    nothing = standing.Waiting(0, None, 0)
    talks = standing.Talks(dict.fromkeys(Owner, 0), None)
    none = dict.fromkeys(Severity, 0)
    assert await answers(any_database) == [nothing, nothing, nothing, talks, none, standing.Team(0, 0, 0)]


async def test_what_waits(any_database: Database) -> None:
    """Work that is finished, taken, due later or somebody's who left does not wait; the oldest says since when."""
    moment = now().replace(microsecond=0)
    long_ago, lately, soon = moment - timedelta(days=9), moment - timedelta(minutes=5), moment + timedelta(hours=1)
    async with any_database.begin() as session:
        for number, owner in enumerate((Owner.BOT, Owner.BOT, Owner.QUEUE, Owner.QUEUE, Owner.PERSON), 1):
            row = {"channel": "web", "address_key": str(number), "chat": str(number), "user": str(number)}
            session.add(Conversation(id=number, owner=owner, **row))
        await session.flush()
        for at, sending, got, timer in (
            (long_ago, OutboxStatus.SENT, InboxStatus.DONE, TimerStatus.DONE),
            (lately, OutboxStatus.SENDING, InboxStatus.PENDING, TimerStatus.PENDING),
            (moment, OutboxStatus.PENDING, InboxStatus.PENDING, TimerStatus.PENDING),
            (long_ago, OutboxStatus.DEAD, InboxStatus.DEAD, TimerStatus.DEAD),
        ):
            out = Outbox(conversation_id=1, channel="web", author=Author.BOT, body={}, status=sending, created_at=at)
            came = Inbox(conversation_id=1, channel="web", external_id=f"{got}{at}", event={}, received_at=at)
            came.status = got
            session.add_all([out, came, Timer(kind="x", due_at=at, status=timer)])
        session.add(Timer(kind="x", due_at=soon))
        session.add(Handoff(conversation_id=1, reason="asked", started_at=long_ago, ended_at=lately))
        session.add(Handoff(conversation_id=3, reason="asked", started_at=moment))
        session.add(Handoff(conversation_id=4, reason="asked", started_at=lately))
        session.add(Handoff(conversation_id=5, reason="asked", started_at=long_ago, claimed_at=lately))
        for status in TicketStatus:
            severity = Severity.HIGH if status is TicketStatus.NEW else Severity.LOW
            words = {"type": TicketType.OTHER, "description": "", "language": "en"}
            session.add(Ticket(conversation_id=1, status=status, severity=severity, **words))
        people = [User(username=name, name=name, password_hash="", role=Role.AGENT) for name in ("a", "b", "c", "d")]
        people[2].away_since, people[3].active = lately, False
        session.add_all(people)
        await session.flush()
        for user, talk, until in ((0, 1, soon), (0, 2, soon), (1, 1, lately)):
            session.add(Presence(conversation_id=talk, user_id=people[user].id, until=until))
    outbox, inbox, jobs, talks, tickets, team = await answers(any_database)
    assert outbox == inbox == jobs == standing.Waiting(2, lately, 1)
    assert talks == standing.Talks({Owner.BOT: 2, Owner.QUEUE: 2, Owner.PERSON: 1}, lately)
    assert tickets == {Severity.LOW: 3, Severity.NORMAL: 0, Severity.HIGH: 1, Severity.CRITICAL: 0}
    assert team == standing.Team(available=2, away=1, present=1)


@pytest.fixture
async def database(tmp_path: Path) -> Any:
    """A SQLite database."""
    made = Database(f"sqlite+aiosqlite:///{tmp_path / 'test.db'}")
    await prepared(made)
    yield made
    await made.close()


async def test_finished_work_is_not_read(database: Database) -> None:
    """Tables that grow for years are searched by an index; only short ones and the index of owners are gone through."""
    asked: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_more: Any) -> None:
        if statement.startswith("SELECT"):
            asked.append((statement, parameters))

    event.listen(database.engine.sync_engine, "before_cursor_execute", note)
    await answers(database)
    plans = []
    async with database.read() as session:
        connection = await session.connection()
        for statement, parameters in list(asked):
            rows = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            plans += [row.detail for row in rows]
    through = [plan for plan in plans if plan.startswith("SCAN")]
    assert len(asked) == 11 and all(" INDEX " in plan for plan in plans if plan.startswith("SEARCH"))
    assert sorted(through) == [
        "SCAN conversations USING COVERING INDEX ix_conversations_owner",
        "SCAN presence",
        "SCAN users",
    ]
