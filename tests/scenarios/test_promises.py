"""What customers are promised about a complaint: by their own clock, in their own language, kept up to date."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select, update

from bot import agents
from bot.app import App
from bot.contracts import Moment
from bot.services import clocks, customers, timers, users
from bot.services.ticket_life import Change
from bot.storage import now, signal
from bot.storage.models import Alert, ClockKind, Conversation, OrderRow, Role, TicketClock, TicketStatus, Timer
from bot.storage.models import Customer as CustomerRow
from tests.conftest import StartDesk
from tests.customer import Agent, Customer, RestChannel, eventually

# Round the clock, and long enough for a date of its own; the year may turn meanwhile.
LEVELS = {"service_levels": {"targets": [{"first_response_hours": 50, "resolution_hours": 200}]}}
VERIFY = "where is order 100236? ana@example.com"
BROKEN = "My tea set from order 100236 arrived completely broken, two cups are in pieces"
HINDI_DAYS = ("सोमवार", "मंगलवार", "बुधवार", "गुरुवार", "शुक्रवार", "शनिवार", "रविवार")
ARABIC_DAYS = ("الاثنين", "الثلاثاء", "الأربعاء", "الخميس", "الجمعة", "السبت", "الأحد")


@pytest.fixture
async def desk(start_desk: StartDesk, shop: Callable[[App], Awaitable[None]]) -> App:
    """A desk in Amsterdam that promises an answer in fifty hours."""
    app = await start_desk(LEVELS, only=frozenset({"rest"}))
    await shop(app)
    return app


async def lives(desk: App, country: str = "", timezone: str = "") -> None:
    """All customers, and their orders, are somewhere."""
    async with desk.database.begin() as session:
        await session.execute(update(CustomerRow).values(country=country, timezone=timezone))
        await session.execute(update(OrderRow).values(country=""))


async def due(desk: App, kind: ClockKind = ClockKind.FIRST_RESPONSE) -> datetime:
    """When the first ticket's clock is due."""
    async with desk.database.read() as session:
        (found,) = await session.scalars(
            select(TicketClock.due_at).where(TicketClock.ticket_id == 1, TicketClock.kind == kind)
        )
        assert found is not None
        return found


async def complains(customer: Customer, text: str = BROKEN, skip: str = "skip") -> None:
    """A whole complaint."""
    await customer.says(text)
    await customer.says(skip)


async def passes(desk: App, hours: float) -> None:
    """So much time goes by for the first ticket's clocks."""
    gone = timedelta(hours=hours)
    async with desk.database.begin() as session:
        for clock in await session.scalars(select(TicketClock).where(TicketClock.due_at.is_not(None))):
            assert clock.since is not None and clock.due_at is not None
            clock.since, clock.due_at = clock.since - gone, clock.due_at - gone
        for timer in await session.scalars(select(Timer).where(Timer.kind == clocks.LOOK)):
            timer.due_at -= gone
        signal(session, timers.TOPIC)


async def becomes(desk: App, agent: Agent, status: TicketStatus) -> None:
    """An agent changes the first ticket's status."""
    codes = desk.config.settings.tickets
    change = Change(status, "", codes.root_causes[0], codes.resolutions[0])
    async with desk.database.begin() as session:
        await agents.set_ticket_status(session, desk.voice, 1, change, agent.user, desk.config.settings)


@pytest.fixture
def customer(desk: App) -> Customer:
    """Someone new who writes to the desk."""
    return Customer(RestChannel(desk))


async def test_by_the_clock_of_a_customer_in_tokyo(desk: App, customer: Customer) -> None:
    """The shop is in Amsterdam; day and hour are Tokyo's, and no zone needs to be named."""
    await lives(desk, "Japan")
    await customer.says(VERIFY)
    await complains(customer)
    local = (await due(desk)).astimezone(ZoneInfo("Asia/Tokyo"))
    hour = f"{local:%I:%M\u202f%p}".lstrip("0")
    customer.sees("T-000001", "You will have our answer by", f"{local:%A, %B} {local.day}", hour)
    customer.sees_not("Time")


async def test_whose_zone_is_not_known_is_told_which_it_is(desk: App, customer: Customer) -> None:
    """Nobody has proved who they are: the shop's time, with its name."""
    await complains(customer)
    local = (await due(desk)).astimezone(ZoneInfo("Europe/Amsterdam"))
    season = "Summer" if local.dst() else "Standard"
    customer.sees(f"{local:%A, %B} {local.day}", f"(Central European {season} Time)")


@pytest.mark.parametrize(
    ("language", "text", "skip", "days", "words"),
    [
        ("hi", "मुझे शिकायत करनी है: ऑर्डर 100236 का टी सेट पूरी तरह टूटा हुआ आया, दो कप चकनाचूर हैं", "छोड़ें", HINDI_DAYS, "जवाब"),
        ("ar", "وصل طقم الشاي من الطلب 100236 مكسورا تماما وكوبان محطمان", "تخطي", ARABIC_DAYS, "⁨"),
    ],
)  # fmt: skip
async def test_in_the_customers_language(
    desk: App, customer: Customer, language: str, text: str, skip: str, days: tuple[str, ...], words: str
) -> None:
    """Hindi and Arabic: their weekday, their words; the Arabic date is kept apart from the sentence's direction."""
    await lives(desk, "India", "Asia/Kolkata")
    await customer.says(VERIFY)
    await customer.says(text)
    if any(title == "منتج تالف" for message in customer.seen for title, _ in message.buttons):
        await customer.presses("منتج تالف")
    await customer.says(skip)
    local = (await due(desk)).astimezone(ZoneInfo("Asia/Kolkata"))
    customer.sees("T-000001", days[local.weekday()], f"{local.day} ", words, f"{(local.hour - 1) % 12 + 1}:{local:%M}")
    async with desk.database.read() as session:
        assert (await session.scalars(select(Conversation.language))).one() == language


async def test_asking_how_it_stands(desk: App, customer: Customer, agent: Agent) -> None:
    """The promise is there again; while the customer is awaited it is not, and later it is the solution's."""
    await lives(desk, timezone="Asia/Tokyo")
    await customer.says(VERIFY)
    await complains(customer)
    promise = f"{(await due(desk)).astimezone(ZoneInfo('Asia/Tokyo')):%A}"
    await customer.says("what is the status of ticket T-000001?")
    customer.sees("You will have our answer by", promise)
    await becomes(desk, agent, TicketStatus.PENDING_CUSTOMER)
    await customer.says("what is the status of ticket T-000001?")
    customer.sees_not("You will have our answer by")
    await becomes(desk, agent, TicketStatus.OPEN)
    await customer.says("what is the status of ticket T-000001?")
    solution = (await due(desk, ClockKind.RESOLUTION)).astimezone(ZoneInfo("Asia/Tokyo"))
    customer.sees("You will have our answer by", f"{solution:%A, %B} {solution.day}")


async def test_reopened_with_the_solutions_date(desk: App, customer: Customer, agent: Agent) -> None:
    """The first answer was given; what is promised now is the solution, with the time that was used."""
    await complains(customer)
    await passes(desk, 30)
    await becomes(desk, agent, TicketStatus.RESOLVED)
    await customer.says("what is the status of ticket T-000001?")
    await customer.presses("It is not solved")
    await customer.says("The new cups arrived broken too")
    solution = await due(desk, ClockKind.RESOLUTION)
    assert timedelta(hours=169) < solution - now() <= timedelta(hours=170)
    local = solution.astimezone(ZoneInfo("Europe/Amsterdam"))
    customer.sees("Ticket T-000001 is open again", "You will have our answer by", f"{local:%A, %B} {local.day}")


async def test_told_before_it_is_missed(desk: App, customer: Customer) -> None:
    """The workers find it by themselves: agents are warned, then the customer hears it, then managers."""
    async with desk.database.begin() as session:
        await users.add(session, "maya", "Maya", "a long password", Role.MANAGER)
    await complains(customer)
    first = await due(desk)

    async def alerts() -> list[str]:
        async with desk.database.read() as session:
            return list(await session.scalars(select(Alert.key).order_by(Alert.id)))

    async def told() -> bool:
        async with desk.database.read() as session:
            return (await session.scalars(select(TicketClock.told_at))).first() is not None

    await passes(desk, 41)
    await eventually(alerts)
    assert await alerts() == ["alert.due.first_response"]
    await passes(desk, 6)
    await eventually(told)
    await customer.says("hello")
    customer.sees("your complaint T-000001 is taking us longer than we promised")
    again = (first - timedelta(hours=47) + timedelta(hours=50)).astimezone(ZoneInfo("Europe/Amsterdam"))
    customer.sees(f"{again:%A, %B} {again.day}")
    assert len(await alerts()) == 1
    await passes(desk, 5)

    async def missed() -> bool:
        return "alert.missed.first_response" in await alerts()

    await eventually(missed)
    await customer.says("what is the status of ticket T-000001?")
    customer.sees("You will have our answer by")


@pytest.mark.parametrize(
    ("country", "zone"),
    [
        ("JP", "Asia/Tokyo"),
        ("Japan", "Asia/Tokyo"),
        ("Japón", "Asia/Tokyo"),
        ("JPN", "Asia/Tokyo"),
        ("United Kingdom", "Europe/London"),
        ("EIRE", "Europe/Dublin"),
        ("Germany", "Europe/Berlin"),
        ("China", "Asia/Shanghai"),
        ("USA", ""),
        ("Spain", ""),
        ("Unspecified", ""),
        ("", ""),
    ],
)
def test_the_one_zone_of_a_country(country: str, zone: str) -> None:
    """By code or name, in English or the shop's language; none where its clocks differ."""
    assert customers.zone_of_country(country, "es") == zone


def test_moments_in_every_language(desk: App) -> None:
    """Weekday, day and time in each language of the shop; a year only where it is another one."""
    texts = desk.voice.texts
    this, other = now().replace(month=6, day=16, hour=12), now().replace(year=now().year + 2, month=6, day=16, hour=12)
    for language in texts.languages:
        near, far = (texts.format(Moment(at, "Asia/Tokyo"), language) for at in (this, other))
        assert str(this.year) not in near and str(other.year) in far, language
        assert "16" in near and ("21:" in near or "9:" in near), near
        named = texts.format(Moment(this), language)
        assert "(" in named and "(" not in near, named
        assert "  " not in near and ",," not in near


async def test_where_nothing_is_promised_nothing_is_said(
    start_desk: StartDesk, shop: Callable[[App], Awaitable[None]]
) -> None:
    """A shop without service levels, as before."""
    app = await start_desk({"service_levels": {"targets": []}}, only=frozenset({"rest"}))
    await shop(app)
    customer = Customer(RestChannel(app))
    await complains(customer)
    customer.sees("T-000001")
    customer.sees_not("answer by")
