"""Clocks of tickets: what is promised, when it stands still, who is told when it is due, on either database."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from bot import agents
from bot.config import Config, ServiceLevels, Settings
from bot.contracts import Author, Owner, Reply
from bot.domain import load_domain
from bot.jobs import Workshop, handlers
from bot.outbox import Voice
from bot.services import clocks, handoff, ticket_life, tickets
from bot.services.ticket_life import Change
from bot.storage import Database
from bot.storage.models import (
    Alert,
    Announcement,
    ClockKind,
    Conversation,
    Customer,
    Outbox,
    Role,
    Severity,
    Ticket,
    TicketClock,
    TicketEvent,
    TicketStatus,
    TicketType,
    Timer,
    TimerStatus,
    User,
)
from bot.texts import Texts
from bot.worker import TimerWorker

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
HOUR = 3600
OFFICE = {"office": {"timezone": "Europe/Amsterdam", "hours": {"mon-fri": ["09:00-17:00"]}}}
LEVELS = {
    "targets": [
        {"severities": ["critical"], "calendar": "office", "first_response_hours": 1, "resolution_hours": 8},
        {"tiers": ["vip"], "calendar": "office", "first_response_hours": 2, "resolution_hours": 12},
        {"severities": ["high"], "calendar": "office", "first_response_hours": 4, "resolution_hours": 16},
        {"severities": ["normal"], "calendar": "office", "resolution_hours": 40},
    ]
}
TEAMS = [{"name": "Care", "members": ["ana", "lars"], "lead": "maya"}, {"name": "Alone", "members": ["lars"]}]
PEOPLE = (("ana", Role.AGENT), ("lars", Role.AGENT), ("maya", Role.AGENT), ("boss", Role.MANAGER))


def at(text: str) -> datetime:
    """A moment in Amsterdam; 23 November 2026 is a Monday."""
    return datetime.fromisoformat(text).replace(tzinfo=AMSTERDAM).astimezone(UTC)


MONDAY = at("2026-11-23 10:00")


@dataclass
class Shop:
    """A desk without a bot whose clock is set by hand."""

    database: Database
    config: Config
    voice: Voice
    people: dict[str, User] = field(default_factory=dict)
    time: datetime = MONDAY

    def workshop(self) -> Workshop:
        """What jobs work with."""
        return Workshop(self.database, self.voice, {}, self.config)

    def settled(self, **changes: Any) -> None:
        """Change the settings."""
        given = Settings.model_validate(self.config.settings.model_dump() | changes)
        self.config = replace(self.config, settings=given)

    @property
    def settings(self) -> Settings:
        """All settings."""
        return self.config.settings

    async def opens(self, severity: Severity = Severity.HIGH, team: str = "Care", talk: int = 1) -> Ticket:
        """A ticket, with its clocks."""
        async with self.database.begin() as session:
            conversation = await session.get_one(Conversation, talk)
            ticket = await tickets.open_ticket(
                session,
                conversation,
                kind=TicketType.SERVICE,
                severity=severity,
                order_number="",
                description="The courier was rude.",
                language="en",
            )
            ticket.team = team
            await clocks.begin(session, ticket, self.settings)
            return ticket

    async def becomes(self, status: TicketStatus, ticket: int = 1, who: str = "ana") -> None:
        """An agent changes the status."""
        codes = self.settings.tickets
        change = Change(status, "", codes.root_causes[0], codes.resolutions[0])
        async with self.database.begin() as session:
            await agents.set_ticket_status(session, self.voice, ticket, change, self.people[who], self.settings)

    async def until(self, text: str) -> None:
        """Time passes, and the timers that come due are done one after the other, each at its time."""
        end, jobs = at(text), handlers(self.workshop())
        while True:
            async with self.database.begin() as session:
                due = await session.scalar(
                    select(Timer)
                    .where(Timer.kind == clocks.LOOK, Timer.status == TimerStatus.PENDING, Timer.due_at <= end)
                    .order_by(Timer.due_at, Timer.id)
                    .limit(1)
                )
                if due is None:
                    break
                self.time = max(self.time, due.due_at)
                await jobs[clocks.LOOK].apply(session, due.payload, None)
                due.status = TimerStatus.DONE
        self.time = end

    async def clock(self, kind: ClockKind = ClockKind.FIRST_RESPONSE, ticket: int = 1) -> TicketClock:
        """A clock as it is stored."""
        async with self.database.read() as session:
            return next(row for row in (await clocks.clocks_of(session, [ticket]))[ticket] if row.kind is kind)

    async def all(self, table: Any) -> list[Any]:
        """All rows of a table, oldest first."""
        async with self.database.read() as session:
            return list(await session.scalars(select(table).order_by(table.id)))

    async def alerted(self, prefix: str = "alert.") -> dict[str, set[str]]:
        """Who was alerted of what."""
        names = {user.id: name for name, user in self.people.items()}
        found: dict[str, set[str]] = {}
        for row in await self.all(Alert):
            if row.key.startswith(prefix):
                found.setdefault(row.key, set()).add(names[row.user_id])
        return found

    async def history(self, ticket: int = 1) -> list[tuple[str, str]]:
        """What became of the promises."""
        events = [row for row in await self.all(TicketEvent) if row.ticket_id == ticket]
        return [(row.kind, row.detail["promise"]) for row in events if row.kind.startswith("promise_")]

    async def heard(self) -> list[str]:
        """All that the customers were told."""
        return [row.body["text"] for row in await self.all(Outbox)]


@pytest.fixture
async def shop(any_database: Database, config: Config, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """A shop with a team of two and its lead, a manager, and one conversation; Monday, ten o'clock."""
    changes = {"calendars": OFFICE, "service_levels": LEVELS, "teams": TEAMS, "languages": ("en",)}
    given = Settings.model_validate(config.settings.model_dump() | changes)
    texts = Texts(load_domain(config.home), given.languages, given.shop)
    made = Shop(any_database, replace(config, settings=given), Voice(texts))
    for module in ("bot.services.clocks", "bot.jobs.clocks"):
        monkeypatch.setattr(f"{module}.now", lambda: made.time)
    async with any_database.begin() as session:
        for name, role in PEOPLE:
            user = User(username=name, name=name.capitalize(), password_hash="nobody signs in here", role=role)
            session.add(user)
            made.people[name] = user
        for name in ("c1", "c2"):
            session.add(
                Conversation(channel="rest", chat=name, user=name, address_key=name, language="en", owner=Owner.BOT)
            )
    return made


async def test_what_is_promised(shop: Shop) -> None:
    """The first target that fits; hours of the calendar; nothing for what nothing is promised for."""
    assert clocks.target_of(shop.settings, Severity.LOW, "vip") is shop.settings.service_levels.targets[1]
    await shop.opens()
    first, solution = await shop.clock(), await shop.clock(ClockKind.RESOLUTION)
    assert (first.due_at, solution.due_at) == (at("2026-11-23 14:00"), at("2026-11-25 10:00"))
    assert (first.target_seconds, first.used_seconds, first.since) == (4 * HOUR, 0, shop.time)
    await shop.opens(Severity.LOW)
    await shop.opens(Severity.NORMAL)
    async with shop.database.read() as session:
        found = await clocks.clocks_of(session, [2, 3, 1])
    assert {ticket: [clock.kind.value for clock in rows] for ticket, rows in found.items()} == {
        1: ["first_response", "resolution"], 2: [], 3: ["resolution"],
    }  # fmt: skip


async def test_a_customers_tier_counts(shop: Shop) -> None:
    """A verified customer's ticket is answered as their tier is promised."""
    async with shop.database.begin() as session:
        session.add(Customer(name="Ana", tier="VIP"))
        await session.flush()
        conversation = await session.get_one(Conversation, 1)
        conversation.customer_id, conversation.verified_until = 1, datetime.now(UTC) + timedelta(hours=1)
    await shop.opens()
    assert (await shop.clock()).due_at == at("2026-11-23 12:00")


async def test_it_stands_still_while_the_customer_is_awaited(shop: Shop) -> None:
    """What was used is kept, the night does not count, and waiting for a carrier does not stop it."""
    await shop.opens(Severity.NORMAL)
    await shop.until("2026-11-23 16:00")
    await shop.becomes(TicketStatus.PENDING_CUSTOMER)
    paused = await shop.clock(ClockKind.RESOLUTION)
    assert (paused.used_seconds, paused.since, paused.due_at) == (6 * HOUR, None, None)
    assert (clocks.state_of(paused, shop.time), paused.target_seconds - paused.used_seconds) == ("paused", 34 * HOUR)
    await shop.until("2026-12-07 12:00")
    assert await shop.history() == []
    await shop.becomes(TicketStatus.PENDING_THIRD_PARTY)
    running = await shop.clock(ClockKind.RESOLUTION)
    assert (running.used_seconds, running.due_at) == (6 * HOUR, at("2026-12-11 14:00"))
    await shop.becomes(TicketStatus.OPEN)
    assert (await shop.clock(ClockKind.RESOLUTION)).due_at == running.due_at


async def test_the_first_word_of_a_person_is_the_first_response(shop: Shop) -> None:
    """Not the bot's, not a survey's; an agent's reply in the conversation, for all its tickets."""
    await shop.opens()
    await shop.opens()
    await shop.opens(talk=2)
    async with shop.database.begin() as session:
        conversation = await session.get_one(Conversation, 1)
        for author in (Author.BOT, Author.SURVEY, Author.NOTICE):
            await shop.voice.say(session, conversation, Reply(text="Hello"), author=author)
    assert (await shop.clock()).met_at is None
    await shop.until("2026-11-23 11:00")
    async with shop.database.begin() as session:
        await agents.take_over(session, 1, shop.people["ana"], shop.settings.handoff)
        await agents.reply(session, shop.voice, 1, shop.people["ana"], "I am on it.", settings=shop.settings)
    for ticket in (1, 2):
        met = await shop.clock(ticket=ticket)
        assert (met.met_at, met.due_at, clocks.state_of(met, shop.time)) == (shop.time, None, "met")
        assert met.used_seconds == HOUR
        assert await shop.history(ticket) == [("promise_kept", "first_response")]
    assert (await shop.clock(ticket=3)).met_at is None
    assert (await shop.clock(ClockKind.RESOLUTION)).met_at is None


async def test_a_status_that_the_customer_is_told_of_is_a_response(shop: Shop) -> None:
    """An agent's change of status counts; where the customer cannot be reached it does not."""
    await shop.opens()
    await shop.opens(talk=2)
    async with shop.database.begin() as session:
        await session.execute(update(Conversation).where(Conversation.id == 2).values(unreachable_at=shop.time))
    await shop.becomes(TicketStatus.OPEN)
    await shop.becomes(TicketStatus.OPEN, ticket=2)
    assert (await shop.clock()).met_at == shop.time
    assert (await shop.clock(ticket=2)).met_at is None


async def test_reopened_it_keeps_its_first_clock(shop: Shop) -> None:
    """The first response stays; the solution runs on with what it had used, and can be missed after all."""
    await shop.opens()
    await shop.until("2026-11-23 13:00")
    await shop.becomes(TicketStatus.RESOLVED)
    assert await shop.history() == [("promise_kept", "first_response"), ("promise_kept", "resolution")]
    await shop.until("2026-11-30 09:00")
    await shop.becomes(TicketStatus.OPEN)
    first, solution = await shop.clock(), await shop.clock(ClockKind.RESOLUTION)
    assert first.met_at == at("2026-11-23 13:00") and first.due_at is None
    assert (solution.met_at, solution.used_seconds, solution.due_at) == (None, 3 * HOUR, at("2026-12-01 14:00"))
    assert solution.started_at == at("2026-11-23 10:00")
    await shop.until("2026-12-01 15:00")
    assert (await shop.history())[-1] == ("promise_missed", "resolution")
    await shop.becomes(TicketStatus.RESOLVED)
    late = await shop.clock(ClockKind.RESOLUTION)
    assert clocks.state_of(late, shop.time) == "late"
    assert late.used_seconds == 17 * HOUR


async def test_late_before_the_timer_comes_round(shop: Shop) -> None:
    """An answer after the time is late even if nobody has looked meanwhile; it is not escalated any more."""
    await shop.opens()
    shop.time = at("2026-11-23 14:01")
    await shop.becomes(TicketStatus.OPEN)
    late = await shop.clock()
    assert (late.breached_at, late.met_at) == (at("2026-11-23 14:00"), shop.time)
    assert await shop.history() == [("promise_missed", "first_response")]
    await shop.until("2026-11-23 15:00")
    assert await shop.alerted() == {}


async def test_a_graver_ticket_is_due_earlier(shop: Shop) -> None:
    """The new target counts, with the time that is used up; a lesser severity puts nothing off."""
    await shop.opens(Severity.NORMAL)
    await shop.until("2026-11-23 13:00")
    ana, kind = shop.people["ana"], TicketType.SERVICE
    async with shop.database.begin() as session:
        await agents.classify_ticket(session, 1, kind, Severity.CRITICAL, ana, settings=shop.settings)
    solution, first = await shop.clock(ClockKind.RESOLUTION), await shop.clock()
    assert (solution.target_seconds, solution.used_seconds) == (8 * HOUR, 3 * HOUR)
    assert solution.due_at == at("2026-11-24 10:00")
    # A first answer was not promised before, and begins now.
    assert (first.started_at, first.due_at) == (shop.time, at("2026-11-23 14:00"))
    async with shop.database.begin() as session:
        await agents.classify_ticket(session, 1, kind, Severity.NORMAL, ana, settings=shop.settings)
    assert (await shop.clock(ClockKind.RESOLUTION)).due_at == at("2026-11-24 10:00")


async def test_answered_already_nothing_is_promised_for_the_first_answer(shop: Shop) -> None:
    """A ticket that a person works on does not get a clock for its first answer when it becomes graver."""
    await shop.opens(Severity.NORMAL)
    await shop.becomes(TicketStatus.OPEN)
    async with shop.database.begin() as session:
        ana = shop.people["ana"]
        await agents.classify_ticket(session, 1, TicketType.SERVICE, Severity.HIGH, ana, settings=shop.settings)
    async with shop.database.read() as session:
        (only,) = (await clocks.clocks_of(session, [1]))[1]
    assert (only.kind, only.due_at) == (ClockKind.RESOLUTION, at("2026-11-25 10:00"))


async def test_merged_the_promise_goes_on_with_the_other_ticket(shop: Shop) -> None:
    """The source's clocks end, what it had missed stays on record; the target keeps its own, or a graver one's."""
    await shop.opens(Severity.CRITICAL)
    await shop.until("2026-11-23 11:30")
    await shop.opens(Severity.HIGH)
    async with shop.database.begin() as session:
        await agents.merge_ticket(session, shop.voice, 1, "T-000002", shop.people["ana"], shop.settings)
    async with shop.database.read() as session:
        found = await clocks.clocks_of(session, [1, 2])
    (left,) = found[1]
    assert (left.kind, left.breached_at, left.due_at) == (ClockKind.FIRST_RESPONSE, at("2026-11-23 11:00"), None)
    assert [clock.target_seconds for clock in found[2]] == [HOUR, 8 * HOUR]
    await shop.until("2026-12-01 10:00")
    assert {kind for kind, _ in await shop.history(1)} == set()


class TestDue:
    """What happens as the time runs out."""

    async def test_warned_told_and_missed(self, shop: Shop) -> None:
        """At 80 % the team and its lead, at 90 % the customer, at the end the lead; each once, each recorded."""
        await shop.opens()
        await shop.until("2026-11-23 13:11")
        assert await shop.alerted() == {}
        await shop.until("2026-11-23 13:12")
        assert await shop.alerted() == {"alert.due.first_response": {"ana", "lars", "maya"}}
        assert clocks.state_of(await shop.clock(), shop.time) == "due_soon"
        await shop.until("2026-11-23 13:35")
        assert await shop.heard() == []
        await shop.until("2026-11-23 13:36")
        (sorry,) = await shop.heard()
        # As much business time once more: two hours are left of the day that it is due on.
        assert "T-000001 is taking us longer" in sorry and "Tuesday, November 24, 10:00" in sorry
        await shop.until("2026-11-23 13:59")
        assert await shop.alerted("alert.missed") == {}
        await shop.until("2026-11-23 14:00")
        assert await shop.alerted("alert.missed") == {"alert.missed.first_response": {"maya"}}
        missed = await shop.clock()
        assert (missed.breached_at, clocks.state_of(missed, shop.time)) == (at("2026-11-23 14:00"), "missed")
        await shop.until("2026-11-24 12:00")
        assert len(await shop.heard()) == 1
        first = [kind for kind, promise in await shop.history() if promise == "first_response"]
        assert first == ["promise_warned", "promise_told", "promise_missed"]
        said = [(row.key, bool(row.params.get("alert"))) for row in await shop.all(Announcement)]
        assert said[:2] == [("announce.due.first_response", False), ("announce.missed.first_response", True)]
        (path,) = {row.path for row in await shop.all(Alert)}
        assert path == "/desk/tickets/1"

    async def test_whoever_works_on_it_is_warned(self, shop: Shop) -> None:
        """The agent and the lead, not the rest of the team; one who has left is not."""
        async with shop.database.begin() as session:
            await session.execute(update(User).where(User.username == "lars").values(active=False))
        for agent in ("ana", "lars"):
            ticket = await shop.opens()
            async with shop.database.begin() as session:
                who = shop.people[agent].id
                await session.execute(update(Ticket).where(Ticket.id == ticket.id).values(agent_id=who))
        await shop.until("2026-11-23 13:30")
        names = {user.id: name for name, user in shop.people.items()}
        told = [(row.params["ticket"], names[row.user_id]) for row in await shop.all(Alert)]
        assert sorted(told) == [
            ("T-000001", "ana"), ("T-000001", "maya"), ("T-000002", "ana"), ("T-000002", "maya"),
        ]  # fmt: skip

    @pytest.mark.parametrize("team", ["Alone", "", "gone"])
    async def test_without_a_lead_managers_know(self, shop: Shop, team: str) -> None:
        """A team without a lead, no team, one that is not there any more."""
        await shop.opens(team=team)
        await shop.until("2026-11-23 14:00")
        assert (await shop.alerted("alert.missed")) == {"alert.missed.first_response": {"boss"}}
        warned = (await shop.alerted("alert.due"))["alert.due.first_response"]
        assert warned == ({"lars"} if team == "Alone" else {"boss"})

    @pytest.mark.parametrize("silence", ["person", "queue", "stopped", "customer_stopped", "unreachable"])
    async def test_when_the_customer_is_not_told(self, shop: Shop, silence: str) -> None:
        """While a person has the conversation or is awaited, after "no more notices", behind a block."""
        ticket = await shop.opens()
        async with shop.database.begin() as session:
            conversation = await session.get_one(Conversation, 1)
            if silence in ("person", "queue"):
                await handoff.begin(session, conversation, "asked", shop.settings.handoff)
                if silence == "person":
                    await agents.claim(session, 1, shop.people["ana"])
            elif silence == "stopped":
                conversation.surveys_stopped_at = shop.time
            elif silence == "customer_stopped":
                session.add(Customer(name="Ana", surveys_stopped_at=shop.time))
                await session.flush()
                (await session.get_one(Ticket, ticket.id)).customer_id = 1
            else:
                conversation.unreachable_at = shop.time
        await shop.until("2026-11-23 14:30")
        assert await shop.heard() == []
        assert [kind for kind, _ in await shop.history()] == ["promise_warned", "promise_missed"]

    async def test_told_once_the_person_has_left(self, shop: Shop) -> None:
        """Who was with a person when they should have been told is told when that ends, before it is missed."""
        await shop.opens()
        async with shop.database.begin() as session:
            await agents.take_over(session, 1, shop.people["ana"], shop.settings.handoff)
        await shop.until("2026-11-23 13:40")
        assert await shop.heard() == []
        async with shop.database.begin() as session:
            await agents.back_to_bot(session, shop.voice, 1, shop.people["ana"])
        await shop.until("2026-11-23 13:41")
        _back, sorry = await shop.heard()
        assert "T-000001 is taking us longer" in sorry
        await shop.until("2026-11-23 14:30")
        assert len(await shop.heard()) == 2

    async def test_answered_in_time_nobody_is_told(self, shop: Shop) -> None:
        """The timers come round and find it done, or standing still."""
        await shop.opens()
        await shop.until("2026-11-23 13:00")
        await shop.becomes(TicketStatus.PENDING_CUSTOMER)
        told = len(await shop.heard())
        await shop.until("2026-12-23 13:00")
        assert await shop.alerted() == {} and len(await shop.heard()) == told
        assert await shop.history() == [("promise_kept", "first_response")]

    async def test_after_an_outage_it_is_late_and_said_so(self, shop: Shop) -> None:
        """Nobody looked for a week: missed, escalated, and the customer is told without a date that is over."""
        await shop.opens()
        shop.time = at("2026-12-01 10:00")
        await shop.until("2026-12-01 10:01")
        assert await shop.alerted("alert.due") == {}
        assert set(await shop.alerted("alert.missed")) == {"alert.missed.first_response", "alert.missed.resolution"}
        heard = await shop.heard()
        assert heard[0].endswith("We have not forgotten it.")

    async def test_settings_that_have_changed_count(self, shop: Shop) -> None:
        """A holiday is added: everything is put off to the next day, and only then anybody is warned."""
        await shop.opens()
        await shop.until("2026-11-23 10:30")
        shop.settled(calendars={"office": OFFICE["office"] | {"special": {"2026-11-23": ["09:00-11:00"]}}})
        await shop.until("2026-11-23 16:00")
        assert await shop.alerted() == {}
        assert (await shop.clock()).due_at == at("2026-11-24 12:00")
        await shop.until("2026-11-24 11:30")
        assert set(await shop.alerted()) == {"alert.due.first_response"}
        shop.settled(service_levels=ServiceLevels())
        await shop.until("2026-11-24 12:00")
        assert (await shop.clock()).breached_at == at("2026-11-24 12:00")

    async def test_a_timer_that_fires_again_does_nothing_again(self, shop: Shop) -> None:
        """Two workers with the same timers, and timers done twice: still one of each."""
        await shop.opens()
        shop.time = at("2026-11-23 13:40")
        jobs = handlers(shop.workshop())

        async def look(session: AsyncSession) -> None:
            await jobs[clocks.LOOK].apply(session, {"clock": 1}, None)

        async def one() -> None:
            async with shop.database.begin() as session:
                await look(session)

        await asyncio.gather(*(one() for _ in range(4)))
        shop.time = at("2026-11-23 14:00")
        await asyncio.gather(*(one() for _ in range(4)))
        assert len(await shop.heard()) == 1
        first = [kind for kind, _ in await shop.history()]
        assert first == ["promise_warned", "promise_told", "promise_missed"]
        assert len(await shop.all(Announcement)) == 2

    async def test_an_answer_and_the_timer_at_the_same_moment(self, shop: Shop) -> None:
        """Whichever comes first: kept or missed, never both, and a clock that ends late."""
        shop.time = at("2026-11-23 10:00")
        for _ in range(6):
            await shop.opens()
        jobs = handlers(shop.workshop())
        shop.time = at("2026-11-23 14:00:00")

        async def looks(clock: int) -> None:
            async with shop.database.begin() as session:
                await jobs[clocks.LOOK].apply(session, {"clock": clock}, None)

        firsts = [clock.id for clock in await shop.all(TicketClock) if clock.kind is ClockKind.FIRST_RESPONSE]
        answers = (shop.becomes(TicketStatus.OPEN, ticket) for ticket in range(1, 7))
        await asyncio.gather(*(looks(clock) for clock in firsts), *answers)
        for ticket in range(1, 7):
            ended = [kind for kind, promise in await shop.history(ticket) if promise == "first_response"]
            assert ("promise_kept" in ended) != ("promise_missed" in ended), ended
            clock = await shop.clock(ticket=ticket)
            assert clock.met_at is not None and (clock.breached_at is not None) == ("promise_missed" in ended)

    async def test_through_the_worker(self, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
        """The real worker finds the timer, once its time has come."""
        await shop.opens()
        shop.time = at("2026-11-23 13:20")
        async with shop.database.begin() as session:
            await session.execute(update(Timer).where(Timer.kind == clocks.LOOK).values(due_at=datetime.now(UTC)))
        worker = TimerWorker(shop.database, handlers(shop.workshop()), shop.settings.delivery)
        task = asyncio.create_task(worker.run())
        for _ in range(200):
            if await shop.alerted():
                break
            await asyncio.sleep(0.02)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert set(await shop.alerted()) == {"alert.due.first_response"}


async def test_what_the_customer_has_been_promised(shop: Shop) -> None:
    """The answer, then the solution; the later date once they were told of it; nothing while they are awaited."""
    await shop.opens()

    async def promised() -> datetime | None:
        async with shop.database.read() as session:
            return clocks.promised((await clocks.clocks_of(session, [1]))[1], shop.settings)

    assert await promised() == at("2026-11-23 14:00")
    await shop.until("2026-11-23 13:40")
    assert await promised() == at("2026-11-24 10:00")
    await shop.until("2026-11-24 11:00")
    assert await promised() is None
    await shop.becomes(TicketStatus.OPEN)
    assert await promised() == at("2026-11-25 10:00")
    await shop.becomes(TicketStatus.PENDING_CUSTOMER)
    assert await promised() is None


async def test_closing_by_itself_changes_nothing(shop: Shop) -> None:
    """A ticket that is resolved and then closed by a timer has kept its promise once."""
    await shop.opens()
    await shop.becomes(TicketStatus.RESOLVED)
    async with shop.database.begin() as session:
        ticket = await session.get_one(Ticket, 1)
        await ticket_life.set_status(session, ticket, Change(TicketStatus.CLOSED), "system", shop.settings.tickets)
        await clocks.follow(session, ticket, shop.settings)
    assert await shop.history() == [("promise_kept", "first_response"), ("promise_kept", "resolution")]
