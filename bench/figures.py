"""How long a page of the dashboard takes at the server, with a year of a large shop behind it.

    python -m bench.figures --size 1000000 --folder /tmp/figures            # SQLite
    python -m bench.figures --size 1000000 --folder /tmp/figures --postgres # a server of its own

``--size`` is how many surveys are answered; two are sent for each answer, and five messages written. The data are
invented and always the same. The columns are written as the worker writes them, but from the arrays that the rows
are made of, which takes seconds instead of the better part of an hour; the transcript itself, which no page reads, is
left out.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Table, text
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from bot.services.users import hashed
from bot.storage import Database, figures
from bot.storage.figures import Filters, columns
from bot.storage.figures.facts import FACTS, MESSAGE_COLUMNS, MESSAGES
from bot.storage.figures.operations import AS_OF
from bot.storage.migrate import upgrade
from bot.storage.models import (
    Conversation,
    Episode,
    FigureMark,
    FollowUp,
    Handoff,
    Role,
    Severity,
    Survey,
    SurveyStatus,
    Ticket,
    TicketSpan,
    TicketStatus,
    TicketTime,
    TicketType,
    User,
)
from tests.postgres import server

END = datetime(2026, 11, 1, tzinfo=UTC)
DAYS = 365
SPAN = DAYS * 86_400
BEGIN = END - timedelta(days=DAYS)
ZONE = "Europe/Madrid"
VALUES = {
    "channel": ("telegram", "web", "slack", "whatsapp", "rest"),
    "language": ("es", "en", "de", "fr", "pt", "it", "nl", "zh-Hans", "ja", "ar"),
    "team": ("", "front", "orders", "complaints"),
    "type": ("", "", "", *(kind.value for kind in TicketType)),
    "product": ("", "", *(f"Product {number}" for number in range(40))),
    "country": ("ES", "DE", "FR", "PT", "IT", "NL", "MX", "CN"),
    "tier": ("standard", "standard", "vip"),
}
REASONS = ("asked", "failed", "unhappy")
TOPS = {"csat": (1, 5), "nps": (0, 10), "ces": (1, 7)}
AGENTS, TURNS, BATCH, RUNS = 20, 10, 20_000, 5
Columns = dict[str, Any]


class Shop:
    """A year of a shop, as arrays. ``value_of`` picks: for each fact and dimension, places in :data:`VALUES`."""

    def __init__(self, size: int) -> None:
        self.dice = np.random.default_rng(7)
        self.episodes = self._episodes(size * 5 // TURNS)
        self.messages = self._messages()
        self.surveys = {kind: self._surveys(kind, size * 2 * share // 4) for kind, share in
                        (("csat", 2), ("nps", 1), ("ces", 1))}  # fmt: skip
        self.handoffs = self._some(len(self.episodes["at"]) // 10)
        count = len(self.handoffs["at"])
        self.handoffs |= {"seconds": self.dice.integers(5, 3000, count), "reason": self.dice.integers(0, 3, count)}
        self.tickets = self._some(len(self.episodes["at"]) // 8)

    def _some(self, count: int) -> Columns:
        found = {name: self.dice.integers(0, len(values), count) for name, values in VALUES.items()}
        found["agent"] = np.where(self.dice.random(count) < 0.3, self.dice.integers(1, AGENTS + 1, count), 0)
        found["id"] = np.arange(1, count + 1)
        found["at"] = np.sort(self.dice.integers(0, SPAN, count)) + columns.seconds_of(BEGIN)
        return found

    def _episodes(self, count: int) -> Columns:
        found = self._some(count)
        outcome = self.dice.choice(5, count, p=(0.1, 0.2, 0.1, 0.3, 0.3))
        return found | {"ended": found["at"] + 360, "outcome": outcome, "person": -found["id"]}

    def _messages(self) -> Columns:
        places = np.repeat(np.arange(len(self.episodes["at"])), TURNS)
        turns = np.tile(np.arange(TURNS), len(self.episodes["at"]))
        at = self.episodes["at"][places] + turns * 40
        order = np.argsort(at, kind="stable")
        places, turns, at = places[order], turns[order], at[order]
        customer = turns % 2 == 0
        read = np.where(customer, self.dice.choice((1, 1, 1, 1, 2), len(at)), 0)
        found = {name: self.episodes[name][places] for name in (*VALUES, "agent")}
        return found | {
            "at": at,
            "author": np.where(customer, 0, np.where((turns > 6) & (places % 10 == 0), 2, 1)),
            "confidence": np.where(customer, self.dice.integers(1500, 9999, len(at)), 0),
            "read": read,
            "episode": self.episodes["id"][places],
        }

    def _surveys(self, kind: str, count: int) -> Columns:
        found, (low, top) = self._some(count), TOPS[kind]
        answered = self.dice.random(count) < 0.5
        score = np.clip(np.round(self.dice.normal(top * 0.8, top * 0.25, count)), low, top)
        number = {"csat": 0, "nps": 1, "ces": 2}[kind]
        found["id"] = found["id"] * 3 + number
        return found | {"score": np.where(answered, score, -1), "state": answered.astype(int)}


def _names(shop: Columns, name: str) -> list[str]:
    return [VALUES[name][place] for place in shop[name].tolist()]


def _times(found: Columns, name: str = "at") -> list[datetime]:
    return [datetime.fromtimestamp(at, UTC) for at in found[name].tolist()]


def _rows(found: Columns, **more: Any) -> Iterator[dict[str, Any]]:
    """Rows with the dimensions and what else is given, each a list or one value for all."""
    lists = {name: _names(found, name) for name in VALUES}
    lists["ticket_type"] = lists.pop("type")
    lists["agent_id"] = [agent or None for agent in found["agent"].tolist()]
    lists["id"] = found["id"].tolist()
    lists |= {name: value for name, value in more.items() if isinstance(value, list)}
    same = {name: value for name, value in more.items() if not isinstance(value, list)}
    for values in zip(*lists.values(), strict=True):
        yield dict(zip(lists, values, strict=True)) | same


def _without(rows: Iterator[dict[str, Any]], *names: str) -> Iterator[dict[str, Any]]:
    for row in rows:
        yield {name: value for name, value in row.items() if name not in names}


def users() -> Iterator[dict[str, Any]]:
    """Twenty agents."""
    secret = hashed("bench-figures")
    for number in range(1, AGENTS + 1):
        name = f"Agent {number}"
        yield {"id": number, "username": f"agent{number}", "name": name, "password_hash": secret, "role": Role.AGENT}


def conversations(shop: Shop) -> Iterator[dict[str, Any]]:
    """One for each episode."""
    found = shop.episodes
    for number, at, channel, language in zip(
        found["id"].tolist(), _times(found), _names(found, "channel"), _names(found, "language"), strict=True
    ):
        key = str(number)
        place = {"channel": channel, "address_key": key, "chat": key, "user": key, "language": language}
        yield {"id": number, "created_at": at, "updated_at": at} | place


def surveys(shop: Shop, kind: str) -> Iterator[dict[str, Any]]:
    """Those of one kind."""
    found = shop.surveys[kind]
    at, answered = _times(found), found["state"].tolist()
    return _rows(
        found,
        kind=kind,
        conversation_id=(found["id"] % len(shop.episodes["id"]) + 1).tolist(),
        status=[SurveyStatus.ANSWERED if state else SurveyStatus.EXPIRED for state in answered],
        score=[int(score) if score >= 0 else None for score in found["score"].tolist()],
        comment=["It was fine." if state and place % 20 == 0 else "" for place, state in enumerate(answered)],
        created_at=at,
        delivered_at=at,
    )


def follow_ups(shop: Shop) -> Iterator[dict[str, Any]]:
    """One for each tenth survey."""
    for kind in TOPS:
        found = shop.surveys[kind]
        for place, (number, at) in enumerate(zip(found["id"].tolist(), _times(found), strict=True)):
            if place % 10 == 0:
                outcome = ("", "recovered", "not_recovered")[place // 10 % 3]
                closed = at + timedelta(days=1) if outcome else None
                due = at + timedelta(days=2)
                team = VALUES["team"][found["team"][place]]
                yield {
                    "survey_id": number,
                    "team": team,
                    "due_at": due,
                    "outcome": outcome,
                    "created_at": at,
                    "closed_at": closed,
                }


def tickets(shop: Shop) -> Iterator[dict[str, Any]]:
    """Complaints, nearly all of them closed."""
    found = shop.tickets
    at = _times(found)
    for row in _rows(found, conversation_id=found["id"].tolist(), created_at=at):
        row |= {"type": row.pop("ticket_type") or "other", "severity": Severity.NORMAL, "description": "…"}
        row["status"] = TicketStatus.OPEN if row["id"] % 30 == 0 else TicketStatus.CLOSED
        del row["channel"]
        yield row


def ticket_times(shop: Shop) -> Iterator[dict[str, Any]]:
    """How long they took."""
    found = shop.tickets
    at = _times(found)
    rows = _rows(found, opened_at=at, answered_at=at, response_seconds=600, resolution_seconds=9000)
    for row in rows:
        yield {"ticket_id": row.pop("id"), "resolved_at": row["opened_at"] + timedelta(hours=5)} | row


def ticket_spans(shop: Shop) -> Iterator[dict[str, Any]]:
    """From when to when they were open."""
    for number, at in zip(shop.tickets["id"].tolist(), _times(shop.tickets), strict=True):
        until = datetime(9999, 1, 1, tzinfo=UTC) if number % 30 == 0 else at + timedelta(hours=5)
        yield {"ticket_id": number, "status": "new", "since": at, "until": at + timedelta(hours=1)}
        yield {"ticket_id": number, "status": "open", "since": at + timedelta(hours=1), "until": until}


def episodes(shop: Shop) -> Iterator[dict[str, Any]]:
    """What conversations are about."""
    found = shop.episodes
    numbers = found["id"].tolist()
    more = {"conversation_id": numbers, "first_id": [number * TURNS for number in numbers]}
    return _rows(found, began_at=_times(found), ended_at=_times(found, "ended"), subject="track_order", **more)


def handoffs(shop: Shop) -> Iterator[dict[str, Any]]:
    """Persons' turns."""
    found = shop.handoffs
    at = _times(found)
    reasons = [REASONS[place] for place in found["reason"].tolist()]
    rows = _rows(found, conversation_id=found["id"].tolist(), started_at=at, ended_at=at, reason=reasons)
    return _without(rows, "channel", "language", "ticket_type", "product", "country", "tier")


def tables(shop: Shop) -> Iterator[tuple[Any, Iterator[dict[str, Any]]]]:
    """Every table's rows."""
    yield User, users()
    yield Conversation, conversations(shop)
    for kind in TOPS:
        yield Survey, surveys(shop, kind)
    yield FollowUp, follow_ups(shop)
    yield Ticket, tickets(shop)
    yield TicketTime, ticket_times(shop)
    yield TicketSpan, ticket_spans(shop)
    yield Episode, episodes(shop)
    yield Handoff, handoffs(shop)


async def _copy(database: Database, table: Table, rows: Iterator[dict[str, Any]]) -> int:
    """Insert rows as fast as each database takes them: no references are checked, and no triggers run."""
    dialect = database.engine.dialect
    count, names, binds, rest = 0, [], [], {}
    raw = sqlite3.connect(str(database.url.database)) if database.is_sqlite else None
    while some := [row for _, row in zip(range(BATCH), rows, strict=False)]:
        if not names:
            rest = {
                column.name: default.arg(None) if default.is_callable else default.arg
                for column in table.c
                if (default := column.default) is not None and column.name not in some[0]
            }
            names = [*some[0], *rest]
            binds = [table.c[name].type.dialect_impl(dialect).bind_processor(dialect) for name in names]
        records = [
            tuple(
                _plain(row[name] if name in row else rest[name], bind, raw is not None)
                for name, bind in zip(names, binds, strict=True)
            )
            for row in some
        ]
        count += len(some)
        if raw is not None:
            marks = ", ".join("?" * len(names))
            raw.executemany(f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({marks})", records)
            raw.commit()
            continue
        async with database.engine.connect() as connection:
            await connection.execute(text("SET session_replication_role = replica"))
            driver: Any = (await connection.get_raw_connection()).driver_connection
            await driver.copy_records_to_table(table.name, records=records, columns=names)
            await connection.execute(text("SET session_replication_role = DEFAULT"))
            await connection.commit()
        # The generators never let the loop breathe.
        await asyncio.sleep(0)
    if raw is not None:
        raw.close()
    return count


def _plain(value: Any, bind: Any, sqlite: bool) -> Any:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S.%f") if sqlite else value
    return bind(value) if bind is not None and value is not None else value


async def write_columns(session: AsyncSession, shop: Shop) -> None:
    """All facts' columns, day by day."""
    words = {word for values in VALUES.values() for word in values}
    numbers = await columns.lasting_codes(session, words | set(REASONS))
    answered = {"seconds": shop.dice.integers(60, 90_000, len(shop.tickets["at"]))}
    kept = {"kept": shop.dice.integers(0, 10, len(shop.tickets["at"])) > 0}
    facts = {
        **shop.surveys,
        "episodes": shop.episodes,
        MESSAGES: shop.messages,
        "handoffs": shop.handoffs,
        "responses": shop.tickets | answered,
        "resolutions": shop.tickets | answered,
        "first_response": shop.tickets | kept,
        "resolution": shop.tickets | kept,
    }
    for fact, found in facts.items():
        names = MESSAGE_COLUMNS if fact == MESSAGES else FACTS[fact].names
        coded = {name: found[name] for name in names}
        for name, values in {**VALUES, "reason": REASONS}.items():
            if name in coded:
                coded[name] = np.array([numbers[word] for word in values])[coded[name]]
        days = coded["at"] // 86_400
        for day in np.unique(days):
            begin, end = np.searchsorted(days, (day, day + 1))
            part = {name: values[begin:end] for name, values in coded.items()}
            await columns.write(session, fact, columns.day_of_seconds(int(day) * 86_400), part)


async def build(database: Database, size: int) -> None:
    """Make the data."""
    await upgrade(database)
    begin = time.perf_counter()
    shop = Shop(size)
    triggers: list[tuple[str, str]] = []
    if database.is_sqlite:
        with contextlib.closing(sqlite3.connect(str(database.url.database))) as raw:
            # Rows that are made by the million; what runs by itself at each is not what is measured here.
            triggers = raw.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
            for name, _ in triggers:
                raw.execute(f"DROP TRIGGER {name}")
            raw.commit()
    for model, rows in tables(shop):
        count = await _copy(database, model.__table__, rows)
        print(f"{model.__tablename__}: {count} rows, {time.perf_counter() - begin:.0f} s", flush=True)
    if database.is_sqlite:
        with contextlib.closing(sqlite3.connect(str(database.url.database))) as raw:
            for _, statement in triggers:
                raw.execute(statement)
            raw.commit()
    async with database.begin() as session:
        await write_columns(session, shop)
        session.add(FigureMark(name=AS_OF, value=0, at=END))
    print(f"columns, {time.perf_counter() - begin:.0f} s", flush=True)
    async with database.engine.connect() as connection:
        tuned = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await tuned.execute(text("ANALYZE"))


Figure = Callable[[AsyncSession, Filters], Awaitable[Any]]


async def overview(session: AsyncSession, f: Filters) -> None:
    """Three scores against the period before, their trend, follow-ups and comments."""
    for kind in figures.KINDS:
        await figures.score(session, kind, f)
        await figures.score(session, kind, f.previous())
        await figures.trend(session, kind, f, "week")
    await figures.follow_ups(session, f)
    await figures.comments(session, f, 20)


async def breakdowns(session: AsyncSession, f: Filters) -> None:
    """One score by everything."""
    for by in figures.DIMENSIONS:
        await figures.breakdown(session, "csat", f, by)


async def operations(session: AsyncSession, f: Filters) -> None:
    """All operational figures against the period before, and their trend."""
    await figures.operations(session, f)
    await figures.operations(session, f.previous())
    await figures.operations_trend(session, f, "day")
    await figures.backlog(session, f)
    await figures.handoff_reasons(session, f)
    await figures.as_of(session)


async def recognition(session: AsyncSession, f: Filters) -> None:
    """Understanding by language, and the busiest hours."""
    await figures.understanding(session, f)
    await figures.busiest(session, f)


async def details(session: AsyncSession, f: Filters) -> None:
    """What is behind a figure."""
    await figures.drill(session, "csat", f, "1")
    await figures.drill(session, "containment", f, "returned", 3)


PAGES: tuple[Figure, ...] = (overview, breakdowns, operations, recognition, details)


def periods() -> dict[str, Filters]:
    """What managers look at."""
    last = END.date() - timedelta(days=1)

    def days(count: int) -> Filters:
        return figures.days_between(last - timedelta(days=count - 1), last, ZONE)

    return {
        "30 days": days(30),
        "90 days": days(90),
        "90 days, a team": days(90).with_(teams=("orders",)),
        "90 days, a language": days(90).with_(languages=("de",)),
        "a year": days(365),
        "a year, a team": days(365).with_(teams=("orders",)),
    }


async def measure(database: Database) -> list[dict[str, Any]]:
    """The time of each page in each period; the first look is not counted."""
    found = []
    for name, f in periods().items():
        for page in PAGES:
            times, busy = [], []
            for _ in range(RUNS + 1):
                begin, work = time.perf_counter(), time.process_time()
                async with database.read() as session:
                    await page(session, f)
                times.append(1000 * (time.perf_counter() - begin))
                busy.append(1000 * (time.process_time() - work))
            p95, median = np.percentile(times[1:], 95), np.percentile(times[1:], 50)
            cpu = np.percentile(busy[1:], 50)
            row = {"page": page.__name__, "period": name, "p50_ms": round(median), "p95_ms": round(p95)}
            found.append(row | {"cpu_ms": round(cpu)})
            print(
                f"{page.__name__:12} {name:20} p50 {median:5.0f}  p95 {p95:5.0f}  processor {cpu:5.0f} ms", flush=True
            )
    return found


@contextlib.asynccontextmanager
async def opened(folder: Path, postgres: bool) -> AsyncIterator[Database]:
    """The database; PostgreSQL's lasts as long as the program."""
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        url = f"sqlite+aiosqlite:///{folder / 'figures.db'}"
        if postgres:
            base = stack.enter_context(server(folder)).replace("postgresql", "postgresql+asyncpg")
            engine = create_async_engine(f"{base}/postgres", isolation_level="AUTOCOMMIT")
            async with engine.connect() as connection:
                await connection.execute(text("CREATE DATABASE figures"))
            await engine.dispose()
            url = f"{base}/figures"
        database = Database(url)
        try:
            yield database
        finally:
            await database.close()


async def run(folder: Path, size: int, postgres: bool) -> None:
    """Make what is missing, and measure."""
    async with opened(folder, postgres) as database:
        made = False
        if database.is_sqlite and (folder / "figures.db").exists():
            async with database.read() as session:
                made = await session.get(FigureMark, AS_OF) is not None
        if not made:
            await build(database, size)
        found = await measure(database)
    print(json.dumps({"engine": "postgresql" if postgres else "sqlite", "answers": size, "pages": found}))


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=1_000_000, help="how many surveys are answered")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--postgres", action="store_true")
    given = parser.parse_args()
    asyncio.run(run(given.folder, given.size, given.postgres))


if __name__ == "__main__":
    main()
