"""A year of a large shop, for ``bench.figures``: rows by the million, and the columns that figures are counted from.

Everything is drawn with one seed, so that two runs measure the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from sqlalchemy import Table, text
from sqlalchemy.ext.asyncio import AsyncSession

from bot.services.users import hashed
from bot.storage import Database
from bot.storage.figures import columns
from bot.storage.figures.facts import FACTS, FOLLOW_UPS, MESSAGE_COLUMNS, MESSAGES
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

PASSWORD, MANAGER = "correct horse battery", "manager"
END = datetime(2026, 11, 1, tzinfo=UTC)
DAYS = 365
SPAN = DAYS * 86_400
BEGIN = END - timedelta(days=DAYS)
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
AGENTS, TURNS, BATCH = 20, 10, 20_000
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
        self.follow_ups = self._follow_ups()
        self.tickets = self._some(len(self.episodes["at"]) // 8)

    def _follow_ups(self) -> Columns:
        """One for each tenth survey."""
        tenth = {kind: {name: values[::10] for name, values in found.items()} for kind, found in self.surveys.items()}
        names = (*VALUES, "agent", "at", "id")
        found: Columns = {name: np.concatenate([some[name] for some in tenth.values()]) for name in names}
        order = np.argsort(found["at"], kind="stable")
        found = {name: values[order] for name, values in found.items()}
        count = len(order)
        return found | {
            "survey": found["id"],
            "id": np.arange(1, count + 1),
            "outcome": np.arange(count) % 3,
            "due": found["at"] + 2 * 86_400,
        }

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
    """Twenty agents and a manager."""
    secret = hashed(PASSWORD)
    manager = {"id": AGENTS + 1, "username": MANAGER, "name": "Manager", "role": Role.MANAGER}
    yield manager | {"password_hash": secret}
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
    """What was done about some of the surveys."""
    found = shop.follow_ups
    names = ("id", "survey", "outcome", "team")
    for number, survey, place, team, at in zip(*(found[name].tolist() for name in names), _times(found), strict=True):
        outcome = ("", "recovered", "not_recovered")[place]
        yield {
            "id": number,
            "survey_id": survey,
            "team": VALUES["team"][team],
            "due_at": at + timedelta(days=2),
            "outcome": outcome,
            "created_at": at,
            "closed_at": at + timedelta(days=1) if outcome else None,
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
    if raw is not None:
        # Should the power go, it is filled anew.
        raw.execute("PRAGMA synchronous=OFF")
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
        FOLLOW_UPS: shop.follow_ups,
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
