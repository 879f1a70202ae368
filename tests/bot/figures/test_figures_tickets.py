"""How long tickets took, what became of promises, and what is left to do."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import insert, update

from bot.config import Config, Settings
from bot.contracts import Author
from bot.services import figures as keeping
from bot.storage import Database, figures
from bot.storage.models import (
    ClockKind,
    Conversation,
    Message,
    Severity,
    Ticket,
    TicketClock,
    TicketEvent,
    TicketStatus,
    TicketType,
)

# A Monday. The office is open from nine to five, on weekdays.
MONDAY = datetime(2026, 5, 4, tzinfo=UTC)
HOUR = timedelta(hours=1)
OPEN = {"office": {"timezone": "UTC", "hours": {"mon-fri": ["09:00-17:00"]}}}
MAY = figures.days_between(date(2026, 5, 1), date(2026, 5, 31), "UTC")


def office(config: Config) -> Settings:
    """Settings in which every ticket is promised something in office hours."""
    data = config.settings.model_dump()
    target = {"first_response_hours": 4, "resolution_hours": 24, "calendar": "office"}
    return Settings.model_validate(data | {"calendars": OPEN, "service_levels": {"targets": [target]}})


async def talk(database: Database, number: int = 1) -> None:
    """A conversation."""
    async with database.begin() as session:
        key = str(number)
        session.add(Conversation(id=number, channel="web", address_key=key, chat=key, user=key, language="en"))


async def ticket(database: Database, number: int, opened: datetime, **more: Any) -> None:
    """A ticket in the first conversation."""
    values: dict[str, Any] = {
        "type": TicketType.LATE,
        "severity": Severity.NORMAL,
        "status": TicketStatus.NEW,
        "description": "late",
        "language": "en",
        "team": "front",
    }
    async with database.begin() as session:
        await session.execute(insert(Ticket).values(id=number, conversation_id=1, created_at=opened, **(values | more)))


async def becomes(database: Database, number: int, at: datetime, before: TicketStatus, after: TicketStatus) -> None:
    """A ticket's status changes."""
    over = after in (TicketStatus.RESOLVED, TicketStatus.CLOSED)
    async with database.begin() as session:
        values = {"status": after, "resolved_at": at if over else None, "updated_at": at}
        await session.execute(update(Ticket).where(Ticket.id == number).values(values))
        detail = {"before": before.value, "after": after.value, "reason": ""}
        session.add(TicketEvent(ticket_id=number, actor="ana", kind="status", detail=detail, at=at))


async def says(database: Database, author: Author, at: datetime) -> None:
    """Somebody writes in the first conversation."""
    async with database.begin() as session:
        session.add(Message(conversation_id=1, author=author, text="…", created_at=at))


async def test_times_in_business_hours(any_database: Database, config: Config) -> None:
    """The bot's replies are no first response; nights do not count; a ticket that is opened again keeps its first
    answer and goes on where it was; waiting for the customer does not count."""
    settings, day = office(config), MONDAY
    await talk(any_database)
    await ticket(any_database, 1, day + 16 * HOUR)
    await says(any_database, Author.BOT, day + 16 * HOUR)
    await says(any_database, Author.AGENT, day + 34 * HOUR)  # Tuesday at ten: one hour on Monday, one on Tuesday
    await becomes(any_database, 1, day + 35 * HOUR, TicketStatus.NEW, TicketStatus.PENDING_CUSTOMER)
    await becomes(any_database, 1, day + 37 * HOUR, TicketStatus.PENDING_CUSTOMER, TicketStatus.OPEN)
    await becomes(any_database, 1, day + 38 * HOUR, TicketStatus.OPEN, TicketStatus.RESOLVED)
    await keeping.catch_up(any_database, settings)
    async with any_database.read() as session:
        first = await figures.first_response(session, MAY)
        solved = await figures.resolution(session, MAY)
    assert (first.n, first.median, first.p90) == (1, 7200.0, 7200.0)
    # 16-17 on Monday, 9-11 and 13-14 on Tuesday.
    assert (solved.n, solved.median) == (1, 4 * 3600.0)
    await becomes(any_database, 1, day + 58 * HOUR, TicketStatus.RESOLVED, TicketStatus.OPEN)
    await says(any_database, Author.AGENT, day + 59 * HOUR)
    await keeping.catch_up(any_database, settings)
    async with any_database.read() as session:
        assert (await figures.resolution(session, MAY)).n == 0
        assert (await figures.first_response(session, MAY)).median == 7200.0
        backlog = await figures.backlog(session, MAY, at=day + 60 * HOUR)
        earlier = await figures.backlog(session, MAY, at=day + 40 * HOUR)
        waiting = await figures.backlog(session, MAY, at=day + 36 * HOUR)
    assert (backlog.total, backlog.by_status["open"], backlog.oldest) == (1, 1, day + 16 * HOUR)
    assert earlier.total == 0 and waiting.by_status["pending_customer"] == 1
    await becomes(any_database, 1, day + 60 * HOUR, TicketStatus.OPEN, TicketStatus.RESOLVED)
    await becomes(any_database, 1, day + 400 * HOUR, TicketStatus.RESOLVED, TicketStatus.CLOSED)
    await keeping.catch_up(any_database, settings)
    async with any_database.read() as session:
        solved = await figures.resolution(session, MAY)
        wednesday = figures.days_between(date(2026, 5, 6), date(2026, 5, 6), "UTC")
        found = await figures.drill(session, "resolution", wednesday)
    # Two hours more on Wednesday; that it was closed later is no resolution.
    assert (solved.n, solved.median) == (1, 6 * 3600.0)
    assert [(item.what, item.id, item.detail["seconds"]) for item in found.items] == [("ticket", 1, 6 * 3600)]


async def test_tickets_that_are_merged_or_erased(any_database: Database, config: Config) -> None:
    """One that another goes on for is not counted; once its history is erased, its figures stay."""
    settings = office(config)
    await talk(any_database)
    for number in (1, 2):
        await ticket(any_database, number, MONDAY + 9 * HOUR)
    await says(any_database, Author.AGENT, MONDAY + 10 * HOUR)
    await becomes(any_database, 1, MONDAY + 12 * HOUR, TicketStatus.NEW, TicketStatus.RESOLVED)
    async with any_database.begin() as session:
        merged = {"merged_into_id": 1, "status": TicketStatus.CLOSED}
        await session.execute(update(Ticket).where(Ticket.id == 2).values(merged))
    await keeping.catch_up(any_database, settings)

    async def seen() -> tuple[figures.Duration, figures.Duration]:
        async with any_database.read() as session:
            return await figures.first_response(session, MAY), await figures.resolution(session, MAY)

    before = await seen()
    assert before[0].n == before[1].n == 1 and before[1].median == 3 * 3600.0
    async with any_database.begin() as session:
        await session.execute(update(TicketEvent).values(detail={}))
        await session.execute(update(Ticket).values(description="[erased]", customer_id=None, team="back"))
        await session.execute(update(Message).values(text="[erased]"))
    await keeping.catch_up(any_database, settings)
    assert await seen() == before


async def test_promises(any_database: Database, config: Config) -> None:
    """Kept where they were fulfilled in time, missed where the time was up, by kind; open ones are neither."""
    settings = office(config)
    await talk(any_database)
    states = ((HOUR, None), (HOUR, None), (5 * HOUR, 4 * HOUR), (None, None))
    for number, (met, breached) in enumerate(states, 1):
        await ticket(any_database, number, MONDAY + 9 * HOUR)
        async with any_database.begin() as session:
            session.add(
                TicketClock(
                    ticket_id=number,
                    kind=ClockKind.FIRST_RESPONSE,
                    target_seconds=14_400,
                    started_at=MONDAY + 9 * HOUR,
                    met_at=MONDAY + 9 * HOUR + met if met else None,
                    breached_at=MONDAY + 9 * HOUR + breached if breached else None,
                )
            )
    await keeping.catch_up(any_database, settings)
    async with any_database.read() as session:
        response, solution = await figures.promises(session, MAY)
        missed = await figures.drill(session, "promises", MAY, "first_response:missed")
        nobody = await figures.promises(session, MAY.with_(teams=("back",)))
    assert (response.kind, response.kept, response.missed, response.share) == ("first_response", 2, 1, 2 / 3)
    assert (solution.kept, solution.missed, solution.share) == (0, 0, None)
    assert [item.id for item in missed.items] == [3]
    assert nobody[0].kept == 0


async def test_a_first_response_without_a_message(any_database: Database, config: Config) -> None:
    """Told of a person's change, the customer has had a first response; a message of weeks later is not it."""
    await talk(any_database)
    await ticket(any_database, 1, MONDAY + 9 * HOUR)
    async with any_database.begin() as session:
        times = {"started_at": MONDAY + 9 * HOUR, "met_at": MONDAY + 11 * HOUR}
        session.add(TicketClock(ticket_id=1, kind=ClockKind.FIRST_RESPONSE, target_seconds=14_400, **times))
    await says(any_database, Author.AGENT, MONDAY + 14 * 24 * HOUR)
    await keeping.catch_up(any_database, office(config))
    async with any_database.read() as session:
        first = await figures.first_response(session, MAY)
    assert (first.n, first.median) == (1, 7200.0)


async def test_the_age_of_the_backlog(any_database: Database, config: Config) -> None:
    """By calendar days, the bounds of each class belonging to the next."""
    await talk(any_database)
    now = MONDAY + timedelta(days=60)
    for number, days in enumerate((0.5, 1, 2.9, 3, 20, 45), 1):
        await ticket(any_database, number, now - timedelta(days=days))
    await keeping.catch_up(any_database, config.settings)
    f = figures.days_between(date(2026, 5, 1), date(2026, 12, 31), "UTC")
    async with any_database.read() as session:
        found = await figures.backlog(session, f, at=now)
    assert found.by_age == ((1, 1), (3, 2), (7, 1), (14, 0), (30, 1), (None, 1))
    assert replace(found, total=0).by_status["new"] == 6


async def test_undecided_until_three_days_have_passed(any_database: Database, config: Config) -> None:
    """An episode that ended a moment ago is neither contained nor not."""
    await talk(any_database)
    moment = datetime.now(UTC)
    for number, at in enumerate((moment - timedelta(days=4), moment - HOUR)):
        if number:
            async with any_database.begin() as session:
                session.add(Conversation(id=2, channel="web", address_key="2", chat="2", user="2", language="en"))
        async with any_database.begin() as session:
            read = {"intent": {"name": "track_order", "confidence": 0.9}, "entities": []}
            session.add(
                Message(
                    conversation_id=number + 1, author=Author.CUSTOMER, text="…", language="en", parse=read,
                    created_at=at,
                )
            )  # fmt: skip
    await keeping.catch_up(any_database, config.settings)
    f = figures.Filters(moment - timedelta(days=10), moment + HOUR)
    async with any_database.read() as session:
        found = await figures.containment(session, f)
        reached = await figures.as_of(session)
    assert (found.silent, found.undecided, found.total, found.share("silent")) == (1, 1, 1, 1.0)
    assert reached is not None and reached >= moment
