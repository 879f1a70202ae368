"""The closed loop of a low score, from the ticket to the recovery rate, on every platform with buttons."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import select, update

from bot import agents
from bot.app import App
from bot.contracts import Author
from bot.services import figures as keeping
from bot.services import tickets, users
from bot.services.ticket_life import Change
from bot.storage import now, signal
from bot.storage.models import (
    Alert,
    Conversation,
    FollowUp,
    Outbox,
    Role,
    Severity,
    Survey,
    SurveyStatus,
    TicketStatus,
    TicketType,
    Timer,
    User,
)
from tests.conftest import StartDesk
from tests.customer import Customer, RestChannel, eventually
from tests.desk.office import token_of
from tests.fakes.serving import serving
from tests.scenarios.channels import PLATFORMS, WebChannel

pytestmark = pytest.mark.timeout(240)

PASSWORD = "a long password"
WHERE = ("telegram-polling", "telegram-webhook", "slack-http", "slack-socket", "web", "rest")
SETTINGS: dict[str, Any] = {
    "surveys": {
        "quiet_hours": "",
        "definitions": [{"name": "after-ticket", "kind": "csat", "trigger": "ticket_resolved", "follow_up_hours": 8}],
    },
    "teams": [{"name": "Care", "members": ["sam"], "lead": "lea"}],
}


async def staff(app: App) -> dict[str, User]:
    """An agent, who leads nothing; the team's lead; a manager."""
    found = {}
    async with app.database.begin() as session:
        for name, role in (("sam", Role.AGENT), ("lea", Role.AGENT), ("max", Role.MANAGER)):
            found[name] = await users.add(session, name, name.title(), PASSWORD, role)
    return found


async def case_resolved(app: App, user: User) -> int:
    """The customer's complaint goes to the team, whose agent resolves it; the ticket's id."""
    async with app.database.begin() as session:
        talk = (await session.scalars(select(Conversation))).one()
        ticket = await tickets.open_ticket(
            session, talk, kind=TicketType.DAMAGED, severity=Severity.HIGH, order_number="", description="broken",
            language="en",
        )  # fmt: skip
        ticket.team, ticket.agent_id = "Care", user.id
        number = ticket.id
    async with app.database.begin() as session:
        codes = app.config.settings.tickets
        change = Change(TicketStatus.RESOLVED, "", codes.root_causes[0], codes.resolutions[0])
        await agents.set_ticket_status(session, app.voice, number, change, user, app.config.settings)
    return number


async def rows(app: App, model: Any) -> list[Any]:
    """All rows of a table, oldest first."""
    async with app.database.read() as session:
        return list(await session.scalars(select(model).order_by(model.id)))


async def arrived(app: App, count: int) -> Survey:
    """Wait until so many surveys have arrived at their platform; the newest."""

    async def there() -> Survey | None:
        found = [row for row in await rows(app, Survey) if row.delivered_at is not None]
        return found[-1] if len(found) >= count else None

    newest: Survey = await eventually(there, 20)
    return newest


async def presses(customer: Customer, app: App, title: str) -> None:
    """The customer presses a number under the last question, as the platform takes it."""
    questions = [row for row in await rows(app, Outbox) if row.author is Author.SURVEY]
    payload = next(button["payload"] for button in questions[-1].body["buttons"] if button["title"] == title)
    web, rest = isinstance(customer.channel, WebChannel), isinstance(customer.channel, RestChannel)
    customer.seen = await customer.channel.press((title, payload) if web else payload if rest else title)


class Office:
    """Somebody's browser at the desk."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client

    async def enter(self, name: str) -> None:
        """Sign in."""
        token = token_of(await self.client.get("/desk/sign-in"))
        fields = {"token": token, "username": name, "password": PASSWORD}
        assert (await self.client.post("/desk/sign-in", data=fields)).status_code == 303

    async def does(self, number: int, action: str, **fields: str) -> None:
        """One of a follow-up's forms."""
        page = await self.client.get(f"/desk/follow-ups/{number}")
        answer = await self.client.post(f"/desk/follow-ups/{number}/{action}", data={"token": token_of(page)} | fields)
        assert answer.status_code == 303, answer.text

    async def recovery(self, app: App) -> tuple[list[str], str]:
        """The numbers of the dashboard's table of follow-ups, and the recovery rate."""
        await keeping.catch_up(app.database, app.config.settings)
        page = (await self.client.get("/desk/dashboard?period=7d&compare=none")).text
        table = page[page.index('id="follow-ups"') :]
        cells = re.findall(r"<td[^>]*>(.*?)</td>", table[: table.index("</table>")], re.S)
        told = [re.sub(r"<[^>]+>", "", cell).strip() for cell in cells]
        return told[:-1], told[-1]


@pytest.mark.parametrize("platform", WHERE)
async def test_from_a_low_score_to_recovery(platform: str, start_desk: StartDesk) -> None:
    """Resolved, rated 1 by button, followed up by its owner, given on, asked again, rated 5: recovered, 100 %."""

    async def start(**more: Any) -> App:
        return await start_desk(SETTINGS, **more)

    async with PLATFORMS[platform](start) as (app, join):
        people = await staff(app)
        customer = Customer(join(1, "en"))
        await customer.says("hello")
        ticket = await case_resolved(app, people["sam"])
        first = await arrived(app, 1)
        assert (first.ticket_id, first.team, first.status) == (ticket, "Care", SurveyStatus.SENT)

        await presses(customer, app, "1")
        customer.sees("comment")
        await customer.says("Your colleague was quick")
        (row,) = await rows(app, FollowUp)
        assert (row.survey_id, row.team, row.owner_id) == (first.id, "Care", people["lea"].id)
        assert row.outcome == "" and row.due_at > now() + timedelta(hours=7)
        told = [(alert.user_id, alert.key) for alert in await rows(app, Alert)]
        assert (people["lea"].id, "alert.follow_up.opened") in told

        async with serving(app.web) as url, httpx.AsyncClient(base_url=url, headers={"Origin": url}) as client:
            manager = Office(client)
            await manager.enter("max")
            page = (await client.get(f"/desk/follow-ups/{row.id}")).text
            assert "CSAT 1" in page and "Your colleague was quick" in page and "Lea" in page
            counts, rate = await manager.recovery(app)
            assert counts[:2] == ["1", "1"] and "100" not in rate
            lea = str(people["lea"].id)
            await manager.does(row.id, "assign", to=str(people["max"].id), owner=lea, text="I know them")
            await manager.does(row.id, "note", text="sent a new one")
            await manager.does(row.id, "again")

            second = await arrived(app, 2)
            assert (second.trigger, second.ticket_id, second.kind) == ("again", ticket, "csat")
            await presses(customer, app, "5")
            customer.sees("Thank")
            (row,) = await rows(app, FollowUp)
            assert (row.outcome, row.owner_id, row.again_id) == ("recovered", people["max"].id, second.id)
            assert row.closed_at is not None and row.closed_by_id is None
            assert "Max → Max: I know them" in row.note and "Max: sent a new one" in row.note
            counts, rate = await manager.recovery(app)
            assert counts[:4] == ["1", "0", "0", "1"] and rate.startswith("100")
            page = (await client.get(f"/desk/follow-ups/{row.id}")).text
            assert "Recovered" in page and 'action="/desk/follow-ups/1/close"' not in page
        (alert,) = [item for item in await rows(app, Alert) if item.key == "alert.follow_up.recovered"]
        assert alert.user_id == people["max"].id


@pytest.mark.parametrize("platform", ["telegram-polling", "slack-http"])
async def test_an_overdue_one_is_told_and_closed_without_the_customer(platform: str, start_desk: StartDesk) -> None:
    """Nobody works it in time: the managers hear of it; not reached, it lowers the recovery rate."""

    async def start(**more: Any) -> App:
        return await start_desk(SETTINGS, **more)

    async with PLATFORMS[platform](start) as (app, join):
        people = await staff(app)
        customer = Customer(join(1, "en"))
        await customer.says("hello")
        await case_resolved(app, people["sam"])
        await arrived(app, 1)
        await presses(customer, app, "2")
        async with app.database.begin() as session:
            past = now() - timedelta(seconds=1)
            await session.execute(update(FollowUp).values(due_at=past))
            await session.execute(update(Timer).where(Timer.kind == "follow_up_overdue").values(due_at=past))
            signal(session, "timers")

        async def late() -> bool:
            return ("alert.follow_up.overdue") in [alert.key for alert in await rows(app, Alert)]

        await eventually(late, 20)
        async with serving(app.web) as url, httpx.AsyncClient(base_url=url, headers={"Origin": url}) as client:
            manager = Office(client)
            await manager.enter("max")
            counts, _ = await manager.recovery(app)
            assert counts[:3] == ["1", "1", "1"]
            await manager.does(1, "close", outcome="not_reached", text="no answer")
            counts, rate = await manager.recovery(app)
            assert counts == ["1", "0", "0", "0", "0", "1"] and rate.startswith("0")
