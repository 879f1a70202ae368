"""A shop with years behind it: 100,000 conversations, 1,000,000 messages, 60,000 tickets, for ``bench.desk``.

Everything is drawn with one seed, so that two runs measure the same.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import insert, text

from bot.contracts import Author, Owner
from bot.services.users import hashed
from bot.storage import Database, now
from bot.storage.indexing import catch_up
from bot.storage.models import (
    Conversation,
    Customer,
    Handoff,
    Message,
    OrderRow,
    Outbox,
    OutboxStatus,
    Role,
    Severity,
    Ticket,
    TicketClock,
    TicketEvent,
    TicketStatus,
    TicketType,
    User,
)

PASSWORD = "correct horse battery"
USERS = 60
TEAMS = ("First line", "Billing", "Delivery", "Escalations")
CHANNELS = ("web", "web", "whatsapp", "whatsapp", "whatsapp", "telegram", "slack", "rest")
# One conversation of this length; its id is 1.
LONG = 500
CARRIERS = ("PostNL", "DHL", "UPS", "Correos", "")
COUNTRIES = ("ES", "NL", "DE", "FR", "PT", "US", "CN", "JP", "BR", "")
OPEN, WAITING = 400, 120
DAYS = 730
CHUNK = 5000
# Stands in one message only.
RARE = "xylophone"
NAMES = (
    "Ana",
    "Lars",
    "王伟",
    "Müller",
    "Ольга",
    "佐藤",
    "김민준",
    "فاطمة",
    "अमित",
    "Zoë",
    "José",
    "Łukasz",
    "Ayşe",
    "Tom",
)


def members(team: int) -> list[str]:
    """The user names of a team's people."""
    return [f"agent{number}" for number in range(USERS) if number % len(TEAMS) == team]


class Shop:
    """Draws the rows. ``size`` is the number of conversations; everything else follows from it.

    Args:
        said: what customers write, with its language.
        size: how many conversations.
    """

    def __init__(self, said: Sequence[tuple[str, str]], size: int) -> None:
        self._said = said
        self._dice = random.Random(7)
        self.size = size
        self.end = now()
        dice = self._dice
        span = DAYS * 86_400
        self.starts = sorted(self.end - timedelta(seconds=dice.uniform(60, span)) for _ in range(size))
        self.languages = [dice.choice(said)[1] for _ in range(size)]
        self.channels = [dice.choice(CHANNELS) for _ in range(size)]
        self.by_language: dict[str, list[str]] = {}
        for words, language in said:
            self.by_language.setdefault(language, []).append(words)
        # The open hand-overs are among the latest conversations, as they would be.
        self.open = set(dice.sample(range(max(1, size - size // 10), size + 1), min(OPEN, size // 10)))
        self.waiting = set(sorted(self.open)[:: max(1, len(self.open) // WAITING)])

    def name(self, number: int) -> str:
        """A person's name."""
        return f"{NAMES[number % len(NAMES)]} {NAMES[number * 7 % len(NAMES)]} {number}"

    def users(self) -> Iterator[dict[str, Any]]:
        """Agents, and a manager."""
        secret = hashed(PASSWORD)
        for number in range(USERS):
            role = Role.MANAGER if number == 0 else Role.AGENT
            name = f"Agent {number}"
            yield {"id": number + 1, "username": f"agent{number}", "name": name, "password_hash": secret, "role": role}

    def customers(self) -> Iterator[dict[str, Any]]:
        """Four for ten conversations."""
        for number in range(1, self.size * 4 // 10 + 1):
            yield {
                "id": number,
                "name": self.name(number),
                "email": f"customer{number}@example.com",
                "phone": f"+346{number:08}",
                "country": "ES",
                "external_ref": f"C{number}",
                "created_at": self.starts[number % self.size],
            }

    def orders(self) -> Iterator[dict[str, Any]]:
        """Six for ten conversations."""
        for number in range(1, self.size * 6 // 10 + 1):
            yield {
                "id": number,
                "number": f"{100_000 + number}",
                "number_key": f"{100_000 + number}",
                "customer_id": number % (self.size * 4 // 10) + 1,
                "status": "shipped",
                "placed_at": self.starts[number % self.size],
                "currency": "EUR",
                "total": Decimal(number % 500 + 10),
                "tracking_number": f"ZX{number * 7919 % 10**9:09}",
            }

    def conversations(self) -> Iterator[dict[str, Any]]:
        """The latest may be open."""
        for number in range(1, self.size + 1):
            start = self.starts[number - 1]
            owner = Owner.BOT if number not in self.open else Owner.QUEUE if number in self.waiting else Owner.PERSON
            yield {
                "id": number,
                "channel": self.channels[number - 1],
                "address_key": f'["{number}","{number}",""]',
                "chat": str(number),
                "user": str(number),
                "name": self.name(number),
                "language": self.languages[number - 1],
                "owner": owner,
                "agent_id": number % USERS + 1 if owner is Owner.PERSON else None,
                "customer_id": number // 2 % (self.size * 4 // 10) + 1 if number % 3 == 0 else None,
                "state": {"slots": {"order_number": "100234"}, "stack": []},
                "created_at": start,
                "updated_at": start + timedelta(minutes=number % 90),
            }

    def _times(self) -> list[tuple[float, int, int]]:
        """When each message is written: (time, conversation, its place), in the order of time."""
        times = []
        for number in range(1, self.size + 1):
            begin = self.starts[number - 1].timestamp()
            count = LONG if number == 1 else self._dice.choice((2, 4, 6, 8, 10, 10, 12, 16, 22))
            times += [(begin + 40 * place + number % 37, number, place) for place in range(count)]
        times.sort()
        return times

    def messages(self) -> Iterator[tuple[dict[str, Any], dict[str, Any] | None]]:
        """Each message and what is in the outbox for it; customer and bot in turn."""
        dice, letters = self._dice, 0
        for number, (moment, talk, place) in enumerate(self._times(), 1):
            language = self.languages[talk - 1]
            words = dice.choice(self.by_language[language])
            if place % 6 == 2:
                words += f" {100_000 + dice.randrange(self.size)}"
            if number == 777:
                words += f" {RARE}"
            customer, at = place % 2 == 0, datetime.fromtimestamp(moment, tz=self.end.tzinfo)
            author = Author.CUSTOMER if customer else Author.AGENT if talk % 3 == 0 and place > 3 else Author.BOT
            letter = None
            if not customer and (talk == 1 or talk in self.open):
                letters += 1
                body = {"text": words, "language": language, "buttons": [], "media": [], "quick_replies": []}
                letter = {
                    "id": letters,
                    "conversation_id": talk,
                    "channel": self.channels[talk - 1],
                    "author": author,
                    "body": body,
                    "status": OutboxStatus.SENT,
                    "due_at": at,
                    "created_at": at,
                    "sent_at": at,
                }
            row = {
                "id": number,
                "conversation_id": talk,
                "author": author,
                "agent_id": talk % USERS + 1 if author is Author.AGENT else None,
                "text": words,
                "language": language,
                "parse": _parse(words, language) if customer else None,
                "outbox_id": letters if letter else None,
                "created_at": at,
            }
            yield row, letter

    def handoffs(self) -> Iterator[dict[str, Any]]:
        """Three of ten conversations had one; the open ones have one now."""
        for number in range(1, self.size + 1):
            if number % 10 > 2 and number not in self.open:
                continue
            start = self.starts[number - 1] + timedelta(minutes=5)
            waits, over = number in self.waiting, number not in self.open
            yield {
                "conversation_id": number,
                "reason": "asked",
                "agent_id": None if waits else number % USERS + 1,
                "started_at": start,
                "claimed_at": None if waits else start + timedelta(minutes=2),
                "ended_at": start + timedelta(minutes=30) if over else None,
                "outcome": "resolved" if over else "",
                "team": TEAMS[number % len(TEAMS)],
                "offered_to_id": number % USERS + 1 if waits and number % 3 == 0 else None,
            }

    def tickets(self) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]], list[dict[str, Any]]]]:
        """Each ticket with its clocks and its history; one in seven is worked on."""
        dice = self._dice
        for number in range(1, self.size * 6 // 10 + 1):
            talk = number * self.size // (self.size * 6 // 10)
            live = number % 7 == 0
            created = self.starts[talk - 1] + timedelta(minutes=3)
            status = dice.choice(list(TicketStatus)[:4]) if live else dice.choice(list(TicketStatus)[4:])
            ticket = {
                "id": number,
                "conversation_id": talk,
                "order_number": str(100_000 + number),
                "type": dice.choice(list(TicketType)),
                "severity": dice.choices(list(Severity), (30, 50, 17, 3))[0],
                "status": status,
                "description": dice.choice(self.by_language[self.languages[talk - 1]]),
                "language": self.languages[talk - 1],
                "created_at": created,
                "updated_at": created + timedelta(hours=5),
                "resolved_at": None if live else created + timedelta(hours=5),
                "team": TEAMS[number % len(TEAMS)],
                "agent_id": number % USERS + 1 if number % 5 else None,
                # Few products are complained about often, most seldom.
                "product": f"Product {number % 7 if number % 3 else number % 400}" if number % 11 else "",
                "carrier": CARRIERS[number % len(CARRIERS)],
                "country": COUNTRIES[number % len(COUNTRIES)],
            }
            runs = live and status is not TicketStatus.PENDING_CUSTOMER
            due = self.end + timedelta(hours=dice.uniform(-40, 80))
            clocks = [
                {
                    "ticket_id": number,
                    "kind": kind,
                    "target_seconds": 14_400,
                    "started_at": created,
                    "since": created if runs else None,
                    "due_at": due if runs else None,
                    "breached_at": due if runs and due < self.end else None,
                    "met_at": None if live else created + timedelta(hours=4),
                }
                for kind in ("first_response", "resolution")
            ]
            history = [
                {"ticket_id": number, "actor": "customer", "kind": "opened", "detail": {"order_number": ""}},
                {"ticket_id": number, "actor": "agent1", "kind": "note", "detail": {"words": "Called the carrier."}},
            ]
            yield ticket, clocks, history


def _parse(words: str, language: str) -> dict[str, Any]:
    """What the bot keeps of how it read a message."""
    ranking = [("track_order", 0.91), ("ask_shipping", 0.05), ("cancel_order", 0.01), ("complain", 0.01)]
    return {
        "text": words,
        "intent": {"name": "track_order", "confidence": 0.91},
        "intent_ranking": [{"name": name, "confidence": score} for name, score in ranking],
        "entities": [],
        "language": language,
        "language_confidence": 0.97,
        "language_reason": "statistical 0.97",
    }


async def _fill(database: Database, model: Any, rows: Iterator[dict[str, Any]]) -> None:
    chunk: list[dict[str, Any]] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == CHUNK:
            await _write(database, model, chunk)
            chunk = []
    await _write(database, model, chunk)


async def _write(database: Database, model: Any, rows: list[dict[str, Any]]) -> None:
    if rows:
        async with database.begin() as session:
            await (await session.connection()).execute(insert(model), rows)


async def _fill_messages(database: Database, shop: Shop) -> None:
    said: list[dict[str, Any]] = []
    letters: list[dict[str, Any]] = []
    for row, letter in shop.messages():
        said.append(row)
        if letter is not None:
            letters.append(letter)
        if len(said) == CHUNK:
            await _write(database, Outbox, letters)
            await _write(database, Message, said)
            said, letters = [], []
    await _write(database, Outbox, letters)
    await _write(database, Message, said)


async def _fill_tickets(database: Database, shop: Shop) -> None:
    parts: tuple[list[dict[str, Any]], ...] = ([], [], [])

    async def flush() -> None:
        for model, rows in zip((Ticket, TicketClock, TicketEvent), parts, strict=True):
            await _write(database, model, rows)
            rows.clear()

    for ticket, clocks, history in shop.tickets():
        parts[0].append(ticket)
        parts[1].extend(clocks)
        parts[2].extend(history)
        if len(parts[0]) == CHUNK:
            await flush()
    await flush()


async def fill(database: Database, said: Sequence[tuple[str, str]], size: int) -> None:
    """Fill an empty, migrated database, and its search index; prints how long it took."""
    begun = time.perf_counter()
    shop = Shop(said, size)
    for model, rows in (
        (User, shop.users()),
        (Customer, shop.customers()),
        (OrderRow, shop.orders()),
        (Conversation, shop.conversations()),
    ):
        await _fill(database, model, rows)
    await _fill_messages(database, shop)
    await _fill(database, Handoff, shop.handoffs())
    await _fill_tickets(database, shop)
    written = time.perf_counter()
    indexed = await catch_up(database, 5000)
    ended = time.perf_counter()
    if not database.is_sqlite:
        await _count_on(database)
        # As autovacuum does in time.
        async with database.engine.connect() as connection:
            await (await connection.execution_options(isolation_level="AUTOCOMMIT")).execute(text("VACUUM ANALYZE"))
    print(f"written in {written - begun:.0f} s; {indexed} things indexed in {ended - written:.0f} s", flush=True)


async def _count_on(database: Database) -> None:
    """Have PostgreSQL's counters go on after the ids that were given here."""
    async with database.begin() as session:
        for model in (User, Customer, OrderRow, Conversation, Message, Outbox, Ticket):
            table = model.__tablename__
            await session.execute(
                text(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))")
            )
