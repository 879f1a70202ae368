"""Surveys: when they leave, when they do not and why, on either database, with a clock that is set by hand."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select, update

from bot.answers import answer
from bot.config import Config, Settings
from bot.contracts import Owner, Parse
from bot.domain import load_domain
from bot.jobs import Workshop, handlers
from bot.jobs.surveys import begin_rounds
from bot.outbox import Voice
from bot.services import audience, privacy, surveys
from bot.services.audience import Filter
from bot.services.comment_topics import topic_of
from bot.services.surveys import Answer
from bot.storage import Database
from bot.storage.models import (
    Campaign,
    Conversation,
    Customer,
    Handoff,
    Inbox,
    InboxStatus,
    OrderLineRow,
    OrderRow,
    Outbox,
    OutboxStatus,
    Role,
    Severity,
    Survey,
    SurveyAnswer,
    SurveyStatus,
    Ticket,
    TicketStatus,
    TicketType,
    Timer,
    TimerStatus,
    User,
)
from bot.texts import Texts

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
CSAT = {"name": "closed", "kind": "csat", "trigger": "conversation_closed"}
NPS = {"name": "nps", "kind": "nps", "trigger": "quarterly"}
MANUAL = {"name": "by-hand", "kind": "nps", "trigger": "manual"}
KINDS = (surveys.SEND, surveys.REMIND, surveys.EXPIRE, surveys.SILENT, surveys.TOPIC, "survey_round")


def at(text: str, zone: ZoneInfo = AMSTERDAM) -> datetime:
    """A moment, in Amsterdam unless said otherwise."""
    return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)


class Reader:
    """A recogniser that reads everything as a question about delivery."""

    async def parse(self, text: str, *, language: str = "", today: date | None = None) -> Parse:
        """The same for every text."""
        return Parse(text, "ask_shipping", 0.7)


@dataclass
class Desk:
    """A desk without a bot whose clock is set by hand."""

    database: Database
    config: Config
    voice: Voice
    time: datetime = field(default_factory=lambda: at("2026-03-02 10:00"))

    def asks(self, *definitions: dict[str, Any], **rules: Any) -> None:
        """These surveys and rules; quiet hours are off unless said otherwise."""
        given = {"quiet_hours": "", "definitions": definitions} | rules
        settings = Settings.model_validate(self.config.settings.model_dump() | {"surveys": given})
        self.config = replace(self.config, settings=settings)

    @property
    def rules(self) -> Any:
        """The settings of surveys."""
        return self.config.settings.surveys

    async def talk(self, customer: int | None = 1, channel: str = "rest", heard: bool = True, **more: Any) -> int:
        """A conversation; with a customer's number that customer's."""
        async with self.database.begin() as session:
            if customer is not None and await session.get(Customer, customer) is None:
                session.add(Customer(id=customer, name=f"C{customer}", tier=more.pop("tier", "standard")))
                await session.flush()
            count = len((await session.scalars(select(Conversation.id))).all()) + 1
            made = Conversation(
                channel=channel, chat=f"t{count}", user=f"t{count}", address_key=f"t{count}",
                customer_id=customer, created_at=self.time, updated_at=self.time, **({"language": "en"} | more),
            )  # fmt: skip
            session.add(made)
            await session.flush()
            if heard:
                session.add(
                    Inbox(
                        channel=channel,
                        external_id=f"e{count}",
                        conversation_id=made.id,
                        event={},
                        status=InboxStatus.DONE,
                        received_at=self.time,
                    )
                )
            return made.id

    async def closes(self, talk: int, trigger: str = "conversation_closed", **more: Any) -> list[Survey]:
        """What triggers a survey has happened."""
        async with self.database.begin() as session:
            conversation = await session.get_one(Conversation, talk)
            return await surveys.plan(session, conversation, self.rules, trigger, **more)

    async def until(self, moment: datetime) -> None:
        """Time passes, and what comes due is done, each at its time; all that is said arrives."""
        jobs = handlers(Workshop(self.database, self.voice, {}, self.config, recognizer=Reader()))
        for _ in range(2000):
            async with self.database.begin() as session:
                due = await session.scalar(
                    select(Timer)
                    .where(Timer.kind.in_(KINDS), Timer.status == TimerStatus.PENDING, Timer.due_at <= moment)
                    .order_by(Timer.due_at, Timer.id)
                    .limit(1)
                )
            if due is None:
                break
            self.time = max(self.time, due.due_at)
            job = jobs[due.kind]
            prepared = await job.prepare(due.payload) if job.prepare else None
            async with self.database.begin() as session:
                await job.apply(session, due.payload, prepared)
                await session.execute(update(Timer).where(Timer.id == due.id).values(status=TimerStatus.DONE))
                await session.execute(update(Survey).where(Survey.sent_at.is_not(None)).values(delivered_at=self.time))
        else:
            raise AssertionError("it goes round in a circle")
        self.time = max(self.time, moment)

    async def passes(self, **span: float) -> None:
        """So much time passes."""
        await self.until(self.time + timedelta(**span))

    async def change(self, table: Any, number: int, **values: Any) -> None:
        """Something about a row is different."""
        async with self.database.begin() as session:
            await session.execute(update(table).where(table.id == number).values(**values))

    async def all(self, table: Any) -> list[Any]:
        """All rows of a table, oldest first."""
        async with self.database.read() as session:
            return list(await session.scalars(select(table).order_by(table.id)))

    async def state(self) -> list[tuple[str, str]]:
        """Status and reason of all surveys."""
        return [(row.status.value, row.reason) for row in await self.all(Survey)]

    async def rates(self, score: int, survey: int = 1) -> Answer:
        """An answer."""
        async with self.database.begin() as session:
            return await answer(session, await session.get_one(Survey, survey), score, self.config.settings)


@pytest.fixture
async def desk(any_database: Database, config: Config, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A desk on a Monday in March, ten o'clock; one survey, after a person's conversation."""
    settings = config.settings.model_copy(update={"languages": ("en",)})
    made = Desk(any_database, config, Voice(Texts(load_domain(config.home), settings.languages, settings.shop)))
    made.asks(CSAT)
    for name in ("services.surveys", "services.audience", "services.survey_rounds", "jobs.surveys", "outbox"):
        monkeypatch.setattr(f"bot.{name}.now", lambda: made.time)
    return made


async def test_it_leaves_with_its_snapshot(desk: Desk) -> None:
    """Channel, language, tier, team and who, as they are when it leaves; then the question is the open one."""
    talk = await desk.talk(tier="gold")
    async with desk.database.begin() as session:
        session.add(User(id=7, username="sam", name="Sam", password_hash="x", role=Role.AGENT))
        await session.flush()
        session.add(Handoff(id=3, conversation_id=talk, reason="asked", team="Care", ended_at=desk.time))
    await desk.closes(talk, handoff_id=3, agent_id=7)
    await desk.passes(minutes=1)
    (survey,) = await desk.all(Survey)
    assert survey.status is SurveyStatus.SENT
    assert (survey.channel, survey.language, survey.tier, survey.team) == ("rest", "en", "gold", "Care")
    assert (survey.agent_id, survey.definition, survey.trigger) == (7, "closed", "conversation_closed")
    assert survey.expires_at == survey.sent_at + timedelta(hours=72)
    (asked,) = await desk.all(Outbox)
    assert survey.outbox_id == asked.id and asked.body["text"].startswith("How satisfied are you")
    assert [button["title"] for button in asked.body["buttons"]] == ["1", "2", "3", "4", "5", "Not now"]


@pytest.mark.parametrize(
    ("table", "values", "reason"),
    [
        (Conversation, {"surveys_stopped_at": at("2026-03-01 10:00")}, "stopped"),
        (Customer, {"surveys_stopped_at": at("2026-03-01 10:00")}, "stopped"),
        (Conversation, {"unreachable_at": at("2026-03-01 10:00")}, "unreachable"),
    ],
)
async def test_stopped_between_planning_and_sending(desk: Desk, table: Any, values: Any, reason: str) -> None:
    """Whoever wants no more, or has blocked the bot, in the minutes before it leaves is not asked."""
    desk.asks(CSAT | {"delay_minutes": 30})
    await desk.closes(await desk.talk())
    await desk.change(table, 1, **values)
    await desk.passes(hours=1)
    assert await desk.state() == [("cancelled", reason)] and await desk.all(Outbox) == []


async def test_the_wish_for_none_is_recorded_at_once(desk: Desk) -> None:
    """ "Stop" cancels what is planned at once, and afterwards nothing is planned at all."""
    desk.asks(CSAT | {"delay_minutes": 30})
    talk = await desk.talk()
    await desk.closes(talk)
    async with desk.database.begin() as session:
        await privacy.stop(session, await session.get_one(Conversation, talk))
    assert await desk.state() == [("cancelled", "stopped")]
    assert await desk.closes(talk) == []


async def test_a_person_is_not_interrupted(desk: Desk) -> None:
    """While a person has the conversation it waits, and leaves when they have done; after days it is given up."""
    talk = await desk.talk()
    await desk.closes(talk)
    await desk.change(Conversation, talk, owner=Owner.PERSON)
    await desk.passes(hours=2)
    assert await desk.state() == [("scheduled", "")]
    await desk.change(Conversation, talk, owner=Owner.BOT)
    await desk.passes(minutes=20)
    assert await desk.state() == [("sent", "")]
    other = await desk.talk(2)
    await desk.closes(other)
    await desk.change(Conversation, other, owner=Owner.QUEUE)
    await desk.passes(days=4)
    assert (await desk.state())[1] == ("cancelled", "stale")


@pytest.mark.parametrize(
    ("zone", "now", "leaves"),
    [
        ("America/New_York", at("2026-03-03 08:00"), at("2026-03-03 09:00", ZoneInfo("America/New_York"))),
        ("Asia/Tokyo", at("2026-03-03 13:30"), at("2026-03-04 09:00", ZoneInfo("Asia/Tokyo"))),
        ("Europe/Amsterdam", at("2026-03-28 22:00"), at("2026-03-29 09:00")),
        ("", at("2026-03-03 23:00"), at("2026-03-04 09:00")),
        ("Europe/Amsterdam", at("2026-03-03 20:59"), at("2026-03-03 20:59")),
    ],
)
async def test_quiet_hours_are_the_customers(desk: Desk, zone: str, now: datetime, leaves: datetime) -> None:
    """By their clock, across midnight and the change to summer time; without a known zone by the shop's."""
    desk.asks(CSAT, quiet_hours="21:00-09:00")
    desk.time = now
    talk = await desk.talk()
    await desk.change(Customer, 1, timezone=zone)
    await desk.closes(talk)
    await desk.passes(hours=24)
    (survey,) = await desk.all(Survey)
    assert survey.sent_at == leaves


async def test_one_cool_down_for_all(desk: Desk) -> None:
    """Another kind, another conversation of the same customer: still one survey in fourteen days."""
    desk.asks(CSAT, {"name": "ticket", "kind": "ces", "trigger": "ticket_resolved"})
    first, second = await desk.talk(), await desk.talk(channel="telegram")
    await desk.closes(first)
    await desk.passes(days=13)
    await desk.closes(second, "ticket_resolved")
    await desk.passes(hours=1)
    assert await desk.state() == [("expired", ""), ("cancelled", "cooldown")]
    await desk.passes(days=1)
    await desk.closes(second, "ticket_resolved")
    await desk.passes(hours=1)
    assert (await desk.state())[2] == ("sent", "")


async def test_the_frequent_one_does_not_starve_the_rare_one(desk: Desk) -> None:
    """A customer with a case every day gets the quarterly survey too: it keeps its place until it may leave."""
    desk.asks(CSAT, NPS)
    talk = await desk.talk()
    await desk.closes(talk)
    await desk.passes(days=1)
    await desk.closes(talk, "quarterly")
    for _ in range(40):
        await desk.closes(talk)
        await desk.passes(days=1)
    sent = [(row.kind, row.sent_at.date().isoformat()) for row in await desk.all(Survey) if row.sent_at]
    sent.sort(key=lambda item: item[1])
    assert [kind for kind, _ in sent] == ["csat", "nps", "csat"]
    assert [day for _, day in sent] == ["2026-03-02", "2026-03-16", "2026-03-30"]
    reasons = {row.reason for row in await desk.all(Survey) if row.status is SurveyStatus.CANCELLED}
    assert reasons == {"cooldown"}


async def test_a_place_is_reserved(desk: Desk) -> None:
    """While a quarterly survey waits for the end of a talk with a person, no other one takes its turn."""
    desk.asks(CSAT, NPS)
    talk, other = await desk.talk(), await desk.talk(channel="telegram")
    await desk.change(Conversation, talk, owner=Owner.PERSON)
    await desk.closes(talk, "quarterly")
    await desk.closes(other)
    await desk.passes(minutes=5)
    assert await desk.state() == [("scheduled", ""), ("cancelled", "reserved")]


async def test_no_nps_with_an_open_complaint(desk: Desk) -> None:
    """Of the customer, wherever it was opened; a resolved one does not count."""
    desk.asks(NPS)
    talk, other = await desk.talk(), await desk.talk()
    async with desk.database.begin() as session:
        session.add(
            Ticket(
                id=1,
                conversation_id=other,
                customer_id=1,
                type=TicketType.LATE,
                severity=Severity.LOW,
                description="late",
                language="en",
            )
        )
    await desk.closes(talk, "quarterly")
    await desk.passes(hours=1)
    assert await desk.state() == [("cancelled", "complaint")]
    await desk.change(Ticket, 1, status=TicketStatus.RESOLVED)
    await desk.closes(talk, "quarterly")
    await desk.passes(hours=1)
    assert (await desk.state())[1] == ("sent", "")


async def test_the_window_of_a_platform(desk: Desk) -> None:
    """On WhatsApp only within a day of the customer's last message; elsewhere at any time."""
    for channel in ("whatsapp", "telegram"):
        talk = await desk.talk(1 if channel == "whatsapp" else 2, channel)
        desk.time += timedelta(hours=25)
        await desk.closes(talk)
        await desk.passes(minutes=1)
    assert await desk.state() == [("cancelled", "window"), ("sent", "")]


async def test_the_audience_of_a_definition(desk: Desk) -> None:
    """Channel, language, tier and type: whoever is not meant is not asked."""
    whom = {"channels": ["rest"], "languages": ["en"], "tiers": ["gold"]}
    desk.asks(CSAT | {"audience": whom})
    talks = [
        await desk.talk(1, tier="Gold"), await desk.talk(2, "web", tier="gold"),
        await desk.talk(3, language="es", tier="gold"), await desk.talk(4),
    ]  # fmt: skip
    for talk in talks:
        await desk.closes(talk)
    await desk.passes(minutes=1)
    assert await desk.state() == [("sent", "")] + [("cancelled", "audience")] * 3


async def test_sampling_is_a_share_and_the_same_each_time(desk: Desk) -> None:
    """About the share that was set, the same people whenever it is asked, others in the next quarter."""
    from bot.services.survey_rules import sampled

    desk.asks(CSAT | {"sampling": 0.3})
    (definition,) = desk.rules.definitions
    march, may = at("2026-03-02 10:00"), at("2026-05-02 10:00")
    first = {number for number in range(2000) if sampled(definition, f"c{number}", march)}
    assert first == {number for number in range(2000) if sampled(definition, f"c{number}", march + timedelta(days=9))}
    assert 520 < len(first) < 680
    assert len(first & {number for number in range(2000) if sampled(definition, f"c{number}", may)}) < 260


async def test_one_reminder_and_none_after_not_now(desk: Desk) -> None:
    """Once, to whoever has neither answered nor said "not now" nor stopped; then it ends, unanswered."""
    desk.asks(CSAT | {"reminder_hours": 24})
    for number in range(1, 5):
        await desk.closes(await desk.talk(number))
    await desk.passes(minutes=1)
    await desk.rates(5, 2)
    async with desk.database.begin() as session:
        surveys.put_off(await session.get_one(Survey, 3))
    await desk.change(Customer, 4, surveys_stopped_at=desk.time)
    await desk.passes(days=5)
    said = [(row.conversation_id, row.body["text"]) for row in await desk.all(Outbox)]
    assert [talk for talk, _ in said] == [1, 2, 3, 4, 1]
    assert said[-1][1].startswith("You have not answered") and "from 1" in said[-1][1]
    assert await desk.state() == [("expired", ""), ("answered", ""), ("expired", "not_now"), ("expired", "")]


async def test_answers_changes_and_late_ones(desk: Desk) -> None:
    """Changes within the hour count with the last value, each is recorded; after the end it is kept as late."""
    await desk.closes(await desk.talk())
    await desk.passes(minutes=1)
    assert await desk.rates(2) is Answer.STORED
    await desk.passes(minutes=59)
    assert await desk.rates(4) is Answer.CHANGED
    await desk.passes(minutes=2)
    assert await desk.rates(1) is Answer.UNKNOWN
    assert [(row.score, row.late) for row in await desk.all(SurveyAnswer)] == [(2, False), (4, False)]
    await desk.closes(await desk.talk(2))
    await desk.passes(hours=73)
    assert await desk.rates(3, 2) is Answer.LATE
    first, second = await desk.all(Survey)
    assert (first.status, first.score) == (SurveyStatus.ANSWERED, 4)
    assert (second.status, second.score) == (SurveyStatus.EXPIRED, 3)
    with pytest.raises(ValueError, match="between 1 and 5"):
        await desk.rates(6)


async def test_a_comment_gets_a_topic(desk: Desk) -> None:
    """What the recogniser reads in it, soon after it was stored; its temper is handed in."""
    await desk.closes(await desk.talk())
    await desk.passes(minutes=1)
    async with desk.database.begin() as session:
        await surveys.comment(session, await session.get_one(Survey, 1), " The parcel took weeks ", -0.4)
    await desk.passes(minutes=1)
    (survey,) = await desk.all(Survey)
    assert (survey.comment, survey.topic, survey.sentiment) == ("The parcel took weeks", "delivery", -0.4)
    assert topic_of(Parse("super", "give_feedback", 0.9), 0.8) == "praise"
    assert topic_of(Parse("hm", "", 0.0)) == "other"


async def test_delivered_orders_are_asked_about_once(desk: Desk) -> None:
    """Some days after arrival, once an order, where the customer wrote last; not of long ago, not without a chat."""
    desk.asks({"name": "arrived", "kind": "csat", "trigger": "order_delivered", "days_after": 2}, cooldown_days=0)
    await desk.talk()
    desk.time += timedelta(hours=1)
    latest = await desk.talk(channel="web")
    async with desk.database.begin() as session:
        session.add(Customer(id=9, name="writes nowhere"))
        await session.flush()
        for number, (customer, days) in enumerate([(1, 1), (1, 40), (9, 1), (1, None)], 1):
            when = None if days is None else desk.time - timedelta(days=days)
            session.add(
                OrderRow(
                    id=number,
                    number=f"10{number}",
                    number_key=f"10{number}",
                    customer_id=customer,
                    status="delivered",
                    placed_at=desk.time,
                    currency="EUR",
                    total=Decimal(1),
                    delivered_at=when,
                )
            )
        await begin_rounds(session, desk.config.settings)
        await begin_rounds(session, desk.config.settings)
    await desk.passes(days=2)
    assert [(row.order_id, row.conversation_id) for row in await desk.all(Survey)] == [(1, latest)]
    await desk.change(OrderRow, 4, delivered_at=desk.time)
    await desk.passes(days=10)
    assert [row.order_id for row in await desk.all(Survey)] == [1, 4]


async def test_each_customer_once_a_quarter(desk: Desk) -> None:
    """In half a year of daily rounds everybody is asked twice, on days that differ; nobody who was long silent."""
    desk.asks(NPS, quarter_days=30, active_days=100)
    for number in range(1, 4):
        await desk.talk(number)
    silent = await desk.talk(4)
    await desk.change(Conversation, silent, updated_at=desk.time - timedelta(days=200))
    async with desk.database.begin() as session:
        await begin_rounds(session, desk.config.settings)
    await desk.passes(days=60)
    asked = [row.customer_id for row in await desk.all(Survey) if row.sent_at]
    assert {number: asked.count(number) for number in (1, 2, 3, 4)} == {1: 2, 2: 2, 3: 2, 4: 0}
    assert len({row.sent_at.date() for row in await desk.all(Survey)}) == 6


async def test_rounds_are_made_up_for(desk: Desk) -> None:
    """A desk that was off for a week asks those whose day it was."""
    desk.asks(NPS, quarter_days=7)
    for number in range(1, 8):
        await desk.talk(number)
    async with desk.database.begin() as session:
        await begin_rounds(session, desk.config.settings)
    desk.time += timedelta(days=7)
    await desk.passes(minutes=1)
    assert {row.customer_id for row in await desk.all(Survey)} == set(range(1, 8))


async def test_after_the_bot_has_done_something(desk: Desk) -> None:
    """Once the customer has been silent; not when a person came into it, nor while they write."""
    desk.asks({"name": "bot", "kind": "ces", "trigger": "bot_closed", "delay_minutes": 30})
    calm, handed, busy = await desk.talk(1), await desk.talk(2), await desk.talk(3)
    async with desk.database.begin() as session:
        for talk in (calm, handed, busy):
            await surveys.served(session, await session.get_one(Conversation, talk), desk.rules)
        session.add(Handoff(conversation_id=handed, reason="asked", started_at=desk.time + timedelta(minutes=5)))
        await session.execute(
            update(Inbox).where(Inbox.conversation_id == busy).values(received_at=desk.time + timedelta(minutes=20))
        )
    await desk.passes(minutes=31)
    assert [row.conversation_id for row in await desk.all(Survey)] == [calm]
    await desk.passes(minutes=20)
    assert [(row.conversation_id, row.status.value) for row in await desk.all(Survey)] == [
        (calm, "sent"), (busy, "sent"),
    ]  # fmt: skip


async def test_a_campaign_is_what_its_preview_said(desk: Desk) -> None:
    """How many, and who not and why; each person once; the same again shows everybody left out."""
    desk.asks(MANUAL, CSAT)
    await desk.talk(1, "web")
    desk.time += timedelta(hours=1)
    chosen = await desk.talk(1)
    await desk.closes(await desk.talk(2))
    await desk.passes(minutes=1)
    await desk.talk(3, surveys_stopped_at=desk.time)
    await desk.talk(None)
    complains = await desk.talk(4)
    await desk.talk(5, unreachable_at=desk.time)
    async with desk.database.begin() as session:
        session.add(User(id=1, username="boss", name="Boss", password_hash="x", role=Role.MANAGER))
        session.add(
            Ticket(
                conversation_id=complains, type=TicketType.LATE, severity=Severity.LOW, description="x", language="en"
            )
        )
        await session.flush()
        definition = desk.rules.named("by-hand")
        expected = {"complaint": 1, "cooldown": 1, "nothing_done": 1, "stopped": 1, "unreachable": 1}
        found = await audience.preview(session, definition, Filter(), desk.rules)
        assert (found.count, found.excluded, found.samples) == (1, expected, (chosen,))
        boss = await session.get_one(User, 1)
        campaign = await surveys.send_campaign(session, definition, Filter(channels=("rest",)), boss, desk.rules)
        assert (campaign.asked, campaign.excluded) == (1, expected)
        again = await audience.preview(session, definition, Filter(), desk.rules)
        assert (again.count, again.excluded["cooldown"]) == (0, 2)
    await desk.passes(minutes=1)
    (row,) = [row for row in await desk.all(Survey) if row.campaign_id]
    assert (row.status.value, row.conversation_id, row.trigger) == ("sent", chosen, "manual")
    assert Filter.from_json((await desk.all(Campaign))[0].audience) == Filter(channels=("rest",))


async def test_the_filters_of_an_audience(desk: Desk) -> None:
    """By tier, language, country, what they bought, the type of their tickets, and when they were heard of."""
    desk.asks(MANUAL)
    for number in (1, 2):
        await desk.talk(number, tier="gold" if number == 1 else "standard", language="en" if number == 1 else "es")
    await desk.change(Conversation, 2, updated_at=desk.time - timedelta(days=50))
    async with desk.database.begin() as session:
        session.add(
            OrderRow(
                id=1,
                number="1",
                number_key="1",
                customer_id=1,
                status="paid",
                placed_at=desk.time,
                currency="EUR",
                total=Decimal(1),
                country="Spain",
            )
        )
        await session.flush()
        session.add(
            OrderLineRow(
                order_id=1,
                position=1,
                sku="A1",
                description="Blue 100% wool tea cosy",
                quantity=1,
                unit_price=Decimal(1),
            )
        )
        session.add(
            Ticket(
                conversation_id=1,
                type=TicketType.LATE,
                severity=Severity.LOW,
                description="x",
                language="en",
                status=TicketStatus.CLOSED,
            )
        )
    definition = desk.rules.named("by-hand")
    some = [
        Filter(tiers=("gold",)), Filter(languages=("en",)), Filter(countries=("Spain",)),
        Filter(products=("tea cosy",)),
        Filter(products=("A1",)), Filter(types=("late",)), Filter(contact_within_days=30), Filter(products=("100%",)),
    ]  # fmt: skip
    nobody = [
        Filter(tiers=("vip",)), Filter(countries=("Peru",)), Filter(products=("1__%",)), Filter(types=("damaged",)),
        Filter(types=("no such type",)), Filter(channels=("slack",)),
    ]  # fmt: skip
    async with desk.database.read() as session:
        for wanted in some:
            assert (await audience.preview(session, definition, wanted, desk.rules)).samples == (1,), wanted
        for wanted in nobody:
            assert (await audience.preview(session, definition, wanted, desk.rules)).count == 0, wanted


async def test_asking_again_is_free_of_the_cool_down(desk: Desk) -> None:
    """After a follow-up the same survey leaves once more, though the last one was yesterday; not to who stopped."""
    desk.asks(CSAT | {"sampling": 1.0})
    await desk.closes(await desk.talk())
    await desk.passes(days=1)
    async with desk.database.begin() as session:
        await surveys.ask_again(session, await session.get_one(Survey, 1), desk.rules)
    await desk.passes(minutes=1)
    again = (await desk.all(Survey))[1]
    assert (again.status, again.trigger, again.definition) == (SurveyStatus.SENT, "again", "closed")
    await desk.change(Customer, 1, surveys_stopped_at=desk.time)
    async with desk.database.begin() as session:
        await surveys.ask_again(session, await session.get_one(Survey, 1), desk.rules)
    await desk.passes(minutes=1)
    assert (await desk.state())[2] == ("cancelled", "stopped")


async def test_a_definition_that_is_gone(desk: Desk) -> None:
    """What was planned under a name that is not in surveys.yml any more does not leave."""
    desk.asks(CSAT | {"delay_minutes": 10})
    await desk.closes(await desk.talk())
    desk.asks(NPS)
    await desk.passes(hours=1)
    assert await desk.state() == [("cancelled", "gone")]
    assert {row.status for row in await desk.all(Outbox)} <= {OutboxStatus.PENDING}
