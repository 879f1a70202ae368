"""Operational figures equal a slow, obvious reference over random transcripts, taken in in random portions."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from statistics import fmean, median
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import delete, insert, update

from bot.config import Config
from bot.contracts import Author
from bot.jobs import FigureKeeper
from bot.services import figures as keeping
from bot.storage import Database, figures
from bot.storage.figures import Filters
from bot.storage.models import (
    Conversation,
    Correction,
    Customer,
    Handoff,
    Message,
    Role,
    Severity,
    Ticket,
    TicketStatus,
    TicketType,
    User,
)

START = datetime(2026, 3, 20, tzinfo=UTC)
INTENTS = ("track_order", "track_order", "request_refund", "greet", "thank", "inform", "", "out_of_scope")
SMALL = {"greet", "thank", "inform"}
THRESHOLD = 0.35
ZONES = ("UTC", "Europe/Berlin", "Asia/Kolkata", "America/New_York")
HOUR = timedelta(hours=1)


@dataclass
class Talk:
    """A conversation with all that happened in it, in order."""

    id: int
    channel: str
    language: str
    customer: int | None
    happened: list[tuple[datetime, str, dict[str, Any]]] = field(default_factory=list)


@dataclass
class Part:
    """An episode as the reference finds it."""

    talk: Talk
    began: datetime
    ended: datetime
    subject: str = ""
    asked: datetime | None = None
    plain: bool = True
    thanked: bool = False
    again: bool = False
    team: str = ""
    people: int = 0

    @property
    def outcome(self) -> str:
        """What it is counted as, some day."""
        if self.people:
            return "escalated"
        if self.plain:
            return "aside"
        return "returned" if self.again else "confirmed" if self.thanked else "silent"


def invent(dice: random.Random) -> list[Talk]:
    """A few conversations over some weeks."""
    talks = []
    for number in range(1, dice.randrange(2, 6)):
        talk = Talk(number, dice.choice(("web", "telegram")), dice.choice(("en", "es")), dice.choice((None, 1, 1, 2)))
        at = START + timedelta(hours=dice.randrange(200))
        person = False
        for _ in range(dice.randrange(1, 25)):
            at += timedelta(seconds=dice.choice((20, 600, 4000, 40_000, 90_000, 200_000)) * dice.random() + 1)
            what = dice.choices(("customer", "bot", "survey", "agent", "handoff", "ticket"), (10, 6, 1, 1, 1, 0.5))[0]
            detail: dict[str, Any] = {}
            if what == "customer":
                confidence = dice.choice((1.0, round(dice.random(), 4), 0.9))
                name = dice.choice(INTENTS)
                detail = {"intent": {"name": name or None, "confidence": confidence}, "entities": []}
                if dice.random() < 0.3 and not person:
                    detail["fallback"] = dice.random() < 0.3
            elif what == "handoff":
                if person:
                    continue
                end = at + timedelta(minutes=dice.randrange(1, 50))
                wait = dice.choice((None, dice.randrange(60)))
                detail = {
                    "end": end,
                    "wait": wait,
                    "reason": dice.choice(("asked", "failed", "agent")),
                    "team": "front",
                }
            talk.happened.append((at, what, detail))
        talks.append(talk)
    return talks


def reading(detail: dict[str, Any], *, after_survey: bool, person: bool) -> tuple[str, str]:
    """What a message was taken for, and how it counts: nothing, understood, fallback."""
    name, confidence = detail["intent"]["name"] or "", detail["intent"]["confidence"]
    known = name not in ("", "out_of_scope") and confidence >= THRESHOLD
    name = name if known else ""
    if person or (after_survey and (not known or name in SMALL)):
        return "inform", "nothing"
    if confidence == 1.0:
        return name, "nothing"
    if detail.get("fallback") is None:
        return name, "understood" if known else "fallback"
    if detail["fallback"]:
        return "", "fallback"
    return name or "inform", "understood" if detail["intent"]["name"] else "nothing"


def look(talks: list[Talk]) -> tuple[list[Part], list[tuple[datetime, str, Talk, str, float]]]:
    """The episodes; and every message with its time, author, conversation, how it counts, its confidence."""
    parts, said = [], []
    for talk in talks:
        own: list[Part] = []
        people = [(at, detail["end"]) for at, what, detail in talk.happened if what == "handoff"]
        last_author = ""
        for at, what, detail in talk.happened:
            if what == "handoff" or what == "ticket":
                if own:
                    own[-1].people += 1
                    own[-1].team = "front" if what == "handoff" else own[-1].team
                continue
            if what != "customer":
                last_author = what
                said.append((at, what, talk, "nothing", 0.0))
                continue
            after_survey = last_author == "survey"
            person = any(begin <= at < end for begin, end in people)
            intent, counts = reading(detail, after_survey=after_survey, person=person)
            said.append((at, what, talk, counts, detail["intent"]["confidence"]))
            if not own or at - own[-1].ended >= 24 * HOUR:
                own.append(Part(talk, at, at))
            elif not (after_survey and intent in SMALL):
                own[-1].ended = at
            part = own[-1]
            if intent == "thank" and not part.plain:
                part.thanked = True
            if intent in SMALL:
                continue
            part.plain = part.thanked = False
            if intent and intent == part.subject and part.asked is not None:
                part.again = part.again or at - part.asked >= HOUR
                part.asked = at
            elif intent and not part.subject:
                part.subject, part.asked = intent, at
        parts += own
    for one in parts:
        for later in parts:
            person_of = [p.talk.customer or -p.talk.id for p in (one, later)]
            if one.subject and one.subject == later.subject and person_of[0] == person_of[1]:
                if one.began < later.began < one.ended + 72 * HOUR:
                    one.again = True
    return parts, said


async def store(database: Database, talks: list[Talk], begin: datetime, end: datetime) -> None:
    """Put what happened in a part of the time into the database, in the order in which it happened."""
    happened = [
        (at, talk.id, number, what, detail, talk)
        for talk in talks
        for number, (at, what, detail) in enumerate(talk.happened)
        if begin <= at < end
    ]
    happened.sort(key=lambda item: item[:3])
    async with database.begin() as session:
        for at, talk_id, _, what, detail, talk in happened:
            if what == "handoff":
                wait = detail["wait"]
                values = {
                    "reason": detail["reason"],
                    "team": detail["team"],
                    "started_at": at,
                    "claimed_at": at + timedelta(seconds=wait) if wait is not None else None,
                    "ended_at": detail["end"],
                }
                await session.execute(insert(Handoff).values(conversation_id=talk_id, **values))
            elif what == "ticket":
                values = {
                    "type": TicketType.LATE,
                    "severity": Severity.NORMAL,
                    "status": TicketStatus.NEW,
                    "description": "late",
                    "language": talk.language,
                    "created_at": at,
                }
                await session.execute(insert(Ticket).values(conversation_id=talk_id, **values))
            else:
                parse = detail or None
                values = {"author": Author(what), "text": "…", "language": talk.language, "parse": parse}
                await session.execute(insert(Message).values(conversation_id=talk_id, created_at=at, **values))


async def empty(database: Database, talks: list[Talk]) -> None:
    """Nothing but the conversations."""
    async with database.begin() as session:
        for table in (Correction, Message, Handoff):
            await session.execute(delete(table))
        await keeping.forget(session)
        for table in (Ticket, Conversation, Customer):
            await session.execute(delete(table))
        await keeping.forget(session)
        for number in (1, 2):
            session.add(Customer(id=number, country="ES", tier="vip" if number == 1 else "standard"))
        await session.flush()
        for talk in talks:
            key = str(talk.id)
            session.add(
                Conversation(
                    id=talk.id,
                    channel=talk.channel,
                    address_key=key,
                    chat=key,
                    user=key,
                    language=talk.language,
                    customer_id=talk.customer,
                )
            )


async def compare(database: Database, config: Config, seed: int) -> None:
    """One random case."""
    dice = random.Random(seed)
    talks = invent(dice)
    await empty(database, talks)
    middle = START + timedelta(hours=dice.randrange(600))
    far = START + timedelta(days=900)
    for begin, end in ((START, middle), (middle, far)):
        await store(database, talks, begin, end)
        await keeping.catch_up(database, config.settings, limit=dice.choice((3, 17, 1000)))
    parts, said = look(talks)
    zone = dice.choice(ZONES)
    first = START.date() + timedelta(days=dice.randrange(-2, 12))
    f = figures.days_between(first, first + timedelta(days=dice.randrange(40)), zone)
    if dice.random() < 0.4:
        f = f.with_(channels=("web",))
    async with database.read() as session:
        await check(session, f, parts, said, talks)


async def check(session: Any, f: Filters, parts: list[Part], said: list[Any], talks: list[Talk]) -> None:
    """Every figure is what one counts by hand."""

    def mine(at: datetime, talk: Talk) -> bool:
        return f.since <= at < f.until and talk.channel in (f.channels or ("web", "telegram"))

    begun = [part for part in parts if mine(part.began, part.talk)]
    heard = [item for item in said if mine(item[0], item[2])]
    volume = await figures.volume(session, f)
    assert volume.conversations == len(begun)
    assert volume.customers == len({part.talk.customer or -part.talk.id for part in begun})
    assert {name: count for name, count in volume.messages.items() if count} == Counter(item[1] for item in heard)
    found = await figures.containment(session, f)
    outcomes = Counter(part.outcome for part in begun)
    for part in ("confirmed", "silent", "returned", "escalated", "aside"):
        assert getattr(found, part) == outcomes[part], part
        if part != "aside":
            page = await figures.drill(session, "containment", f, part)
            assert page.total == outcomes[part]
    assert found.undecided == 0
    tongues = {row.language: row for row in await figures.understanding(session, f)}
    for language in ("en", "es"):
        own = [item for item in heard if item[1] == "customer" and item[3] != "nothing"]
        own = [item for item in own if item[2].language == language]
        row = tongues.pop(language, None)
        assert (row is None) == (not own)
        if row is not None:
            assert (row.messages, row.fallbacks) == (len(own), sum(item[3] == "fallback" for item in own))
            assert row.mean_confidence is not None and row.median_confidence is not None
            assert abs(row.mean_confidence - fmean(item[4] for item in own)) < 1e-9
            assert abs(row.median_confidence - median(item[4] for item in own)) < 1e-9
    busiest = await figures.busiest(session, f)
    local = [item[0].astimezone(ZoneInfo(f.zone)) for item in heard if item[1] == "customer"]
    hours = Counter((at.weekday(), at.hour) for at in local)
    assert {(d, h): busiest.counts[d][h] for d in range(7) for h in range(24) if busiest.counts[d][h]} == dict(hours)
    handed = [
        (at, detail) for talk in talks for at, what, detail in talk.happened if what == "handoff" and mine(at, talk)
    ]
    assert dict(await figures.handoff_reasons(session, f)) == Counter(detail["reason"] for _, detail in handed)
    asked = [detail["wait"] for _, detail in handed if detail["reason"] != "agent"]
    waits = sorted(wait for wait in asked if wait is not None)
    queue = await figures.queue_wait(session, f)
    assert queue.n == len(waits)
    assert queue.median == (median(waits) if waits else None)
    whole = await figures.operations(session, f)
    assert (whole.volume, whole.containment, whole.queue_wait) == (volume, found, queue)
    for bucket in figures.BUCKETS:
        points = await figures.operations_trend(session, f, bucket)
        assert sum(point.figures.volume.conversations for point in points) == len(begun)
        assert all(point.figures.volume.conversations == sum(point.since <= part.began < point.until for part in begun)
                   for point in points)  # fmt: skip
    cells = await figures.operations_breakdown(session, f, "team")
    by_team = {cell.value: cell.figures.volume.conversations for cell in cells if cell.figures.volume.conversations}
    assert by_team == Counter(part.team for part in begun)


async def test_operations_are_what_one_counts_by_hand(any_database: Database, config: Config) -> None:
    """Over random transcripts and hand-overs, taken in in portions of random size."""
    for seed in range(30 if any_database.is_sqlite else 8):
        await compare(any_database, config, seed)


async def test_erased_and_merged_customers(any_database: Database, config: Config) -> None:
    """Two chats that turn out to be one customer's count once; once they are erased, every figure stays."""
    talks = [Talk(1, "web", "en", 1), Talk(2, "telegram", "en", None)]
    read = {"intent": {"name": "track_order", "confidence": 0.8}, "entities": []}
    for talk in talks:
        talk.happened.append((START + HOUR, "customer", read))
    await empty(any_database, talks)
    await store(any_database, talks, START, START + 2 * HOUR)
    await keeping.catch_up(any_database, config.settings)
    f = figures.days_between(START.date(), START.date(), "UTC")

    async def seen() -> tuple[figures.Volume, list[figures.Understanding]]:
        await keeping.catch_up(any_database, config.settings)
        async with any_database.read() as session:
            return await figures.volume(session, f), await figures.understanding(session, f)

    before, _ = await seen()
    async with any_database.begin() as session:
        await session.execute(update(Conversation).where(Conversation.id == 2).values(customer_id=1))
    linked, understood = await seen()
    async with any_database.begin() as session:
        await session.execute(update(Conversation).values(customer_id=None))
        await session.execute(update(Message).values(text="[erased]", parse=None))
    erased, still = await seen()
    assert (before.customers, linked.customers, linked.conversations) == (2, 1, 2)
    assert (erased.conversations, erased.messages) == (linked.conversations, linked.messages)
    assert still == understood and still[0].mean_confidence == 0.8


async def test_corrected_readings(any_database: Database, config: Config) -> None:
    """A reading that an agent put right counts once for its language, a rejected correction does not."""
    talks = [Talk(1, "web", "en", None)]
    for minute in range(3):
        read = {"intent": {"name": "greet", "confidence": 0.8}, "entities": []}
        talks[0].happened.append((START + minute * timedelta(minutes=1), "customer", read))
    await empty(any_database, talks)
    await store(any_database, talks, START, START + HOUR)
    await keeping.catch_up(any_database, config.settings)
    async with any_database.begin() as session:
        if await session.get(User, 1) is None:
            session.add(User(id=1, username="ana", name="Ana", password_hash="x", role=Role.AGENT))
            await session.flush()
        ids = [row for (row,) in await session.execute(Message.__table__.select().with_only_columns(Message.id))]
        for message, status in ((ids[0], "approved"), (ids[1], "rejected")):
            session.add(
                Correction(
                    message_id=message,
                    text="…",
                    language="en",
                    predicted="greet",
                    intent="thank",
                    status=status,
                    agent_id=1,
                )
            )
    f = figures.days_between(START.date(), START.date(), "UTC")
    async with any_database.read() as session:
        (row,) = await figures.understanding(session, f)
        (narrow,) = await figures.understanding(session, f.with_(channels=("web",), teams=("",)))
    assert (row.messages, row.corrected, narrow.corrected) == (3, 1, 1)


async def test_the_worker_counts_by_itself(any_database: Database, config: Config) -> None:
    """What is said while it runs is in the figures a moment later, and nothing twice."""
    talks = [Talk(1, "web", "en", None)]
    read = {"intent": {"name": "track_order", "confidence": 0.8}, "entities": []}
    talks[0].happened += [(START + minute * timedelta(minutes=1), "customer", read) for minute in range(9)]
    await empty(any_database, talks)
    await store(any_database, talks, START, START + HOUR)
    worker = asyncio.create_task(FigureKeeper(any_database, config.settings).run())
    f = figures.days_between(START.date(), START.date(), "UTC")
    try:
        async with asyncio.timeout(20):
            while True:
                async with any_database.read() as session:
                    if await figures.as_of(session) is not None and (await figures.volume(session, f)).messages_in:
                        break
                await asyncio.sleep(0.05)
                # PostgreSQL's newest message counts once it is sure that none is missing before it.
                async with any_database.begin() as session:
                    await keeping.refresh(session, config.settings)
    finally:
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)
    async with any_database.read() as session:
        assert (await figures.volume(session, f)).messages_in == 9
