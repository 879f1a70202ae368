"""The demonstration's past: plausible, the same every time, and held through the real pipeline."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import DateTime, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot import demo, simulation
from bot.config import Config, load_config
from bot.contracts import Author, Owner, Recognizer
from bot.simulation import phrases
from bot.simulation.seasons import Incidents
from bot.storage import Database
from bot.storage.migrate import upgrade
from bot.storage.models import (
    Base,
    Conversation,
    Customer,
    FollowUp,
    Handoff,
    Inbox,
    InboxStatus,
    Message,
    Outbox,
    OutboxStatus,
    Role,
    Survey,
    SurveyStatus,
    Ticket,
    TicketStatus,
    User,
)
from bot.storage.models.base import clock, now
from nlu.training_data import load_training_data
from tests.conftest import ROOT

# Two fortnights are lived through before the first test.
pytestmark = pytest.mark.timeout(300)

# A Thursday afternoon in Amsterdam: people are at work, and something is left to do.
END = datetime(2026, 6, 18, 13, 40, tzinfo=UTC)
SIZE = simulation.Size(days=14, visits=44, people=30)


@dataclass(frozen=True, slots=True)
class Made:
    """A filled database, and one that was filled in the same way."""

    database: Database
    again: Database


def _in(config: Config, folder: Path) -> Config:
    return demo.suited(replace(config, data_dir=folder))


@pytest.fixture(scope="module")
def filled(recognizer: Recognizer, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """The URLs of two databases with the same fortnight."""
    shipped = load_config(ROOT, tmp_path_factory.mktemp("past"), env={})
    urls = []
    for name in ("one", "two"):
        own = _in(shipped, shipped.data_dir / name)
        asyncio.run(simulation.fill(own, END, size=SIZE, recognizer=recognizer))
        urls.append(own.database_url)
    return urls[0], urls[1]


@pytest.fixture
async def made(filled: tuple[str, str]) -> AsyncIterator[Made]:
    """The two databases, open."""
    found = Made(*map(Database, filled))
    yield found
    await found.database.close()
    await found.again.close()


async def _counts(database: Database) -> dict[str, Any]:
    """What a manager could count: messages by day, channel and author, tickets, scores."""
    async with database.read() as session:
        said = await session.execute(
            select(Message.created_at, Conversation.channel, Message.author, Message.text).join(
                Conversation, Conversation.id == Message.conversation_id
            )
        )
        scores = await session.execute(select(Survey.kind, Survey.status, Survey.score, Survey.channel))
        cases = await session.execute(select(Ticket.type, Ticket.status, Ticket.team, Ticket.product, Ticket.country))
        owners = await session.execute(select(Handoff.reason, Handoff.agent_id, Handoff.outcome))
        return {
            "said": Counter((row[0].date(), row[1], row[2], row[3]) for row in said),
            "scores": Counter(map(tuple, scores)),
            "tickets": Counter(map(tuple, cases)),
            "hand-overs": Counter(map(tuple, owners)),
        }


async def test_the_same_every_time(made: Made) -> None:
    """The same seed and day give the same past, to the word."""
    first, second = await _counts(made.database), await _counts(made.again)
    assert first == second
    assert sum(first["said"].values()) > 200
    assert sum(first["tickets"].values()) >= 5
    assert {kind for kind, *_ in first["scores"]} >= {"csat", "ces"}


async def test_nothing_is_later_than_the_present(made: Made) -> None:
    """No row says that something happened after the end, or before the beginning."""
    planned = {"due_at", "expires_at", "expected_on", "verified_until", "until", "lease_until"}
    async with made.database.read() as session:
        for table in Base.metadata.sorted_tables:
            for column in table.columns:
                kind = getattr(column.type, "impl", column.type)
                if isinstance(kind, DateTime) and column.name not in planned:
                    found = await session.scalar(select(func.max(column)))
                    assert found is None or found <= END, (table.name, column.name, found)
        first = await session.scalar(select(func.min(Message.created_at)))
    assert first is not None and first > END - timedelta(days=SIZE.days + 1)


async def test_everything_was_handled_and_sent(made: Made) -> None:
    """No dead letters, nothing unhandled, nothing unsent; and all four channels were used."""
    async with made.database.read() as session:
        assert set(await session.scalars(select(Inbox.status).distinct())) == {InboxStatus.DONE}
        assert set(await session.scalars(select(Outbox.status).distinct())) == {OutboxStatus.SENT}
        assert set(await session.scalars(select(Outbox.channel).distinct())) == set(simulation.CHANNELS)


async def test_surveys_have_their_message(made: Made) -> None:
    """Each survey that was sent has a question that was delivered, and an answer only after it."""
    async with made.database.read() as session:
        sent = (
            await session.scalars(select(Survey).where(Survey.sent_at.is_not(None), Survey.kind != "feedback"))
        ).all()
        authors = {row.id: row.author for row in await session.execute(select(Outbox.id, Outbox.author))}
    assert len(sent) > 10
    for survey in sent:
        assert survey.outbox_id is not None and authors[survey.outbox_id] is Author.SURVEY
        assert survey.sent_at is not None and survey.delivered_at is not None
        assert survey.delivered_at >= survey.sent_at
        if survey.status is SurveyStatus.ANSWERED:
            assert survey.answered_at is not None and survey.answered_at > survey.delivered_at


async def _said(session: AsyncSession) -> dict[int, list[Message]]:
    talks: dict[int, list[Message]] = {}
    for message in await session.scalars(select(Message).order_by(Message.id)):
        talks.setdefault(message.conversation_id, []).append(message)
    return talks


async def test_people_answer_after_they_were_asked(made: Made) -> None:
    """Who claims a conversation does so after it began to wait, and writes after that."""
    async with made.database.read() as session:
        talks = await _said(session)
        rows = (await session.scalars(select(Handoff).where(Handoff.claimed_at.is_not(None)))).all()
    assert rows
    answered = 0
    for row in rows:
        assert row.claimed_at is not None and row.claimed_at >= row.started_at
        words = [
            message.created_at
            for message in talks[row.conversation_id]
            if message.author is Author.AGENT and message.created_at >= row.claimed_at
        ]
        answered += bool(words)
    assert answered == len(rows)


async def test_the_bot_is_silent_while_a_person_has_it(made: Made) -> None:
    """Between a claim and the end of a hand-over the bot says nothing."""
    async with made.database.read() as session:
        talks = await _said(session)
        rows = (await session.scalars(select(Handoff).where(Handoff.claimed_at.is_not(None)))).all()
    for row in rows:
        for message in talks[row.conversation_id]:
            if row.claimed_at is not None and row.claimed_at < message.created_at < (row.ended_at or END):
                assert message.author is not Author.BOT, message.id


async def test_every_customer_is_answered_or_somebodys(made: Made) -> None:
    """After a customer's last words somebody has answered, unless a person had the conversation or has it now."""
    async with made.database.read() as session:
        talks = await _said(session)
        owners = {row.id: row.owner for row in await session.execute(select(Conversation.id, Conversation.owner))}
        spans: dict[int, list[Handoff]] = {}
        for row in await session.scalars(select(Handoff)):
            spans.setdefault(row.conversation_id, []).append(row)
    for number, said in talks.items():
        last = max((place for place, item in enumerate(said) if item.author is Author.CUSTOMER), default=None)
        if last is None or owners[number] is not Owner.BOT:
            continue
        heard = any(row.started_at <= said[last].created_at <= (row.ended_at or END) for row in spans.get(number, ()))
        assert heard or last + 1 < len(said), number


async def test_work_is_done_and_some_is_left(made: Made) -> None:
    """Tickets are resolved with their causes, low scores are followed up, and something is still to be done."""
    async with made.database.read() as session:
        cases = (await session.scalars(select(Ticket))).all()
        assert await session.scalar(select(func.count()).select_from(FollowUp)) or not await session.scalar(
            select(Survey.id).where(Survey.kind == "csat", Survey.score <= 2, Survey.status == SurveyStatus.ANSWERED)
        )
    resolved = [case for case in cases if case.resolved_at is not None]
    assert resolved and all(case.root_cause and case.resolution for case in resolved)
    assert any(case.status not in (TicketStatus.RESOLVED, TicketStatus.CLOSED) for case in cases)


async def test_who_works_here(made: Made) -> None:
    """Six agents in three teams, each with a lead, and the manager; all customers have their country and clock."""
    async with made.database.read() as session:
        users = {user.username: user for user in await session.scalars(select(User))}
        customers = (await session.scalars(select(Customer))).all()
    assert Counter(user.role for user in users.values()) == {Role.AGENT: 6, Role.MANAGER: 1}
    members = [name for team in simulation.TEAMS for name in team.members]
    assert sorted(members) == sorted(name for name, user in users.items() if user.role is Role.AGENT)
    assert all(team.lead in team.members for team in simulation.TEAMS)
    assert {name for name, *_ in demo.SIGN_INS} <= set(users)
    assert all(customer.country and customer.timezone for customer in customers)


@pytest.mark.postgres
async def test_on_postgresql(config: Config, recognizer: Recognizer, postgres_database: str) -> None:
    """A server's database is filled in the same way, and only once."""
    own = demo.suited(replace(config, env={"LINGUADESK_DATABASE_URL": postgres_database}))
    size = simulation.Size(days=4, visits=12, people=10)
    await simulation.fill(own, END, size=size, recognizer=recognizer)
    database = Database(own.database_url)
    async with database.read() as session:
        assert (await session.scalar(select(func.count()).select_from(Message)) or 0) > 30
        assert set(await session.scalars(select(Inbox.status).distinct())) == {InboxStatus.DONE}
        assert set(await session.scalars(select(Outbox.status).distinct())) == {OutboxStatus.SENT}
    await database.close()
    # The customers of the things to try come last, and are not there.
    with pytest.raises(demo.DemoError, match="not filled to the end"):
        await demo.prepare(own)
    with pytest.raises(demo.DemoError, match="drop it"):
        await demo.prepare(own, fresh=True)


def test_the_clock_goes_back() -> None:
    """Another clock is read while it is set, and the machine's again afterwards, also after an error."""
    with pytest.raises(RuntimeError), clock(lambda: END):
        assert now() == END
        raise RuntimeError
    assert abs(now() - datetime.now(UTC)) < timedelta(seconds=5)


@pytest.mark.parametrize("days", [30, 365])
def test_incidents_are_in_the_past(days: int) -> None:
    """What a manager is to find lies within the simulated time, each for some days."""
    today = END.date()
    found = Incidents.before(today, days)
    for window in (found.carrier, found.promotion, found.batch):
        assert today - timedelta(days=days) <= window.first < window.last <= today
        assert (window.last - window.first).days >= 3


# ---------------------------------------------------------------------- what is said


@pytest.mark.parametrize("language", phrases.languages())
def test_phrases_are_complete(language: str) -> None:
    """Every key has its lines, no line stands twice under a key, and only known placeholders are used."""
    lines = phrases.load(language).lines
    assert set(lines) == set(phrases.KEYS)
    for key, (count, names) in phrases.KEYS.items():
        assert all(isinstance(line, str) and line.strip() for line in lines[key]), key
        assert len(lines[key]) >= count and len(set(lines[key])) == len(lines[key]), key
        assert all(phrases.placeholders(line) <= names for line in lines[key]), key
        # What needs a value can be said without it as well, except for a name, which is always known.
        assert names <= {"name", "agent"} or any(not phrases.placeholders(line) for line in lines[key]), key


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> frozenset[str]:
    """The training examples, without marks and capitals."""
    shipped = load_config(ROOT, tmp_path_factory.mktemp("known"), env={})
    # Without letters there is nothing to know.
    return frozenset(_plain(example.text) for example in load_training_data(shipped).examples) - {""}


@pytest.mark.parametrize("language", phrases.languages())
def test_phrases_are_new_to_the_recogniser(language: str, known: frozenset[str]) -> None:
    """No customer says what stands among the training examples: the figures are about words it has not seen."""
    lines = phrases.load(language).lines
    customers = [key for key in phrases.KEYS if not key.startswith("agent_") and key != "products"]
    assert [line for key in customers for line in lines[key] if _plain(line) in known] == []


def _plain(text: str) -> str:
    return " ".join("".join(char if char.isalnum() else " " for char in text.casefold()).split())


# ---------------------------------------------------------------------- the command


async def test_a_start_that_is_interrupted_leaves_nothing(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is made in part is thrown away, and the next start begins anew; what is whole is kept."""
    own = demo.suited(config)

    async def broken(*_args: object, **_more: object) -> None:
        raise KeyboardInterrupt

    async def quick(config: Config, *_args: object, **_more: object) -> None:
        database = Database(config.database_url)
        await upgrade(database)
        async with database.begin() as session:
            session.add(User(username="agent", name="A", password_hash="", role=Role.AGENT))
            session.add(Customer(external_ref="sim-1"))
        await database.close()

    monkeypatch.setattr(simulation, "fill", broken)
    with pytest.raises(KeyboardInterrupt):
        await demo.prepare(own)
    assert [item.name for item in own.data_dir.iterdir() if "linguadesk.db" in item.name] == []
    monkeypatch.setattr(simulation, "fill", quick)
    await demo.prepare(own)
    monkeypatch.setattr(simulation, "fill", broken)
    await demo.prepare(own)
    with pytest.raises(KeyboardInterrupt):
        await demo.prepare(own, fresh=True)


@pytest.mark.parametrize("fresh", [False, True])
@pytest.mark.parametrize(
    "row",
    [
        User(username="maya", name="Maya", password_hash="", role=Role.MANAGER),
        Customer(external_ref="c-1", name="Ana Torres", email="ana@example.com"),
    ],
    ids=["user", "customer"],
)
async def test_only_a_demonstration_is_touched(config: Config, fresh: bool, row: User | Customer) -> None:
    """A database of somebody's own, with or without people of the desk, is refused with what to do, and stays."""
    own, kind = demo.suited(config), type(row)
    database = Database(own.database_url)
    await upgrade(database)
    async with database.begin() as session:
        await session.merge(row)
    await database.close()
    with pytest.raises(demo.DemoError, match="--data-dir"):
        await demo.prepare(own, fresh=fresh)
    database = Database(own.database_url)
    async with database.read() as session:
        assert await session.scalar(select(func.count()).select_from(kind)) == 1
    await database.close()
