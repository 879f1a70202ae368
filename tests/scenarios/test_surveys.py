"""Surveys in the chat: on every platform, in several languages, pressed, typed, put off, late, and with a person."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import select, update

from bot import agents
from bot.app import App
from bot.config import HandoffSettings
from bot.contracts import Author
from bot.services import surveys, users
from bot.storage import now, signal
from bot.storage.models import (
    Conversation,
    Event,
    FollowUp,
    Outbox,
    Role,
    Survey,
    SurveyAnswer,
    SurveyStatus,
    Ticket,
    Timer,
)
from bot.storage.models import Customer as CustomerRow
from connectors.whatsapp.client import PATH
from tests.conftest import StartDesk
from tests.connectors.whatsapp.test_whatsapp_conversation import WhatsAppChannel
from tests.customer import Agent, Customer, RestChannel, eventually
from tests.fakes.serving import serving
from tests.fakes.whatsapp_server import WhatsAppServer
from tests.scenarios.channels import PLATFORMS, WebChannel


def survey(kind: str, trigger: str = "conversation_closed", **more: Any) -> dict[str, Any]:
    """A definition."""
    return {"name": f"{kind}-{trigger}".replace("_", "-"), "kind": kind, "trigger": trigger} | more


def asking(*definitions: dict[str, Any], **rules: Any) -> dict[str, Any]:
    """Settings with these surveys alone."""
    return {"surveys": {"definitions": definitions, "quiet_hours": ""} | rules}


Begin = Callable[..., Awaitable[tuple[Customer, Agent]]]


@pytest.fixture
def begin(start_desk: StartDesk, shop: Callable[[App], Awaitable[None]]) -> Begin:
    """Starts a desk with surveys; a customer on REST and an agent."""

    async def start(*definitions: dict[str, Any], locale: str = "en", **rules: Any) -> tuple[Customer, Agent]:
        app = await start_desk(asking(*definitions, **rules), only=frozenset({"rest"}))
        await shop(app)
        async with app.database.begin() as session:
            user = await users.add(session, "sam", "Sam", "a long password", Role.AGENT)
        return Customer(RestChannel(app, locale)), Agent(app, user)

    return start


async def conversation(app: App) -> int:
    """The newest conversation."""
    async with app.database.read() as session:
        return (await session.scalars(select(Conversation.id).order_by(Conversation.id.desc()).limit(1))).one()


async def all_surveys(app: App) -> list[Survey]:
    """All surveys, oldest first."""
    async with app.database.read() as session:
        return list(await session.scalars(select(Survey).order_by(Survey.id)))


async def resolved(agent: Agent, count: int = 1) -> int:
    """An agent takes the newest conversation, answers and resolves it; the survey, which has arrived."""
    app = agent.app
    chat = await conversation(app)
    async with app.database.begin() as session:
        await agents.take_over(session, chat, agent.user, HandoffSettings())
    await agent.replies(chat, "hi")
    await agent.resolves(chat)
    return await delivered(app, count)


async def delivered(app: App, count: int = 1) -> int:
    """Waits until so many surveys have arrived at their platform; the newest."""

    async def there() -> int:
        found = [row.id for row in await all_surveys(app) if row.delivered_at is not None]
        return found[-1] if len(found) >= count else 0

    return int(await eventually(there, 20))


async def hurry(app: App, kind: str) -> None:
    """Timers of a kind are due now."""
    async with app.database.begin() as session:
        await session.execute(update(Timer).where(Timer.kind == kind).values(due_at=now() - timedelta(seconds=1)))
        signal(session, "timers")


async def spoken(app: App) -> int:
    """How much the desk has said so far."""
    async with app.database.read() as session:
        return len((await session.scalars(select(Outbox.id))).all())


async def last_question(app: App) -> dict[str, Any]:
    """The last survey's message as it left."""
    async with app.database.read() as session:
        row = (
            await session.scalars(select(Outbox).where(Outbox.author == Author.SURVEY).order_by(Outbox.id.desc()))
        ).first()
    assert row is not None
    return dict(row.body)


# What is said first, the rating in words, a word of the question for a comment, and the comment.
TALKS = (
    ("en", "do you ship to Chile?", "nine", 9, "comment", "Your colleague was quick"),
    ("es", "hola, ¿hacen envíos a Chile?", "diez", 10, "comentario", "Muy amable, gracias"),
    ("zh-CN", "我要找人工客服", "七分", 7, "", "客服很有耐心，谢谢"),
)


@contextlib.asynccontextmanager
async def whatsapp(start: Any) -> AsyncIterator[tuple[App, Any]]:
    """The desk on WhatsApp."""
    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(WhatsAppServer())
        app = await start(env=server.env, only=frozenset({"whatsapp"}))
        server.webhook_url = await stack.enter_async_context(serving(app.web)) + PATH
        yield app, lambda number, _locale: WhatsAppChannel(app, server, f"3460012345{number}")


WHERE = {name: PLATFORMS[name] for name in ("telegram-polling", "slack-http", "web", "rest")} | {"whatsapp": whatsapp}


async def agent_of(app: App) -> Agent:
    """Someone at the desk."""
    async with app.database.begin() as session:
        return Agent(app, await users.add(session, "sam", "Sam", "a long password", Role.AGENT))


async def press(customer: Customer, app: App, title: str) -> None:
    """Press a number under the survey, as the platform takes it."""
    payload = next(button["payload"] for button in (await last_question(app))["buttons"] if button["title"] == title)
    web, rest = isinstance(customer.channel, WebChannel), isinstance(customer.channel, RestChannel)
    customer.seen = await customer.channel.press((title, payload) if web else payload if rest else title)


@pytest.mark.parametrize("platform", WHERE)
async def test_typed_in_three_languages(platform: str, start_desk: StartDesk) -> None:
    """NPS with its eleven numbers arrives on every platform, and is answered in words, with a comment."""
    settings = asking(survey("nps"), reach_hours={})

    async def start(**more: Any) -> App:
        return await start_desk(settings, **more)

    async with WHERE[platform](start) as (app, join):
        agent = await agent_of(app)
        for number, (locale, hello, typed, score, asked, comment) in enumerate(TALKS):
            customer = Customer(join(number, locale))
            await customer.says(hello)
            await resolved(agent, number + 1)
            await customer.says(typed)
            customer.sees(asked)
            await customer.says(comment)
            row = (await all_surveys(app))[-1]
            assert (row.status, row.score, row.comment) == (SurveyStatus.ANSWERED, score, comment)
            assert row.language == locale.replace("CN", "Hans")

        async def read() -> bool:
            return all(row.topic for row in await all_surveys(app))

        await eventually(read)


@pytest.mark.parametrize("platform", WHERE)
async def test_pressed_and_changed(platform: str, start_desk: StartDesk) -> None:
    """CSAT by buttons; another number within the hour changes it, both are recorded, the comment is asked for."""

    async def start(**more: Any) -> App:
        return await start_desk(asking(survey("csat")), **more)

    async with WHERE[platform](start) as (app, join):
        agent = await agent_of(app)
        customer = Customer(join(1, "en"))
        await customer.says("do you ship to Chile?")
        await resolved(agent)
        await press(customer, app, "2")
        customer.sees("comment")
        if platform in ("telegram-polling", "slack-http"):
            # There a question's buttons go once one of them was pressed.
            await customer.says("four")
        else:
            await press(customer, app, "4")
        customer.sees("4", "comment")
        (row,) = await all_surveys(app)
        assert (row.status, row.score) == (SurveyStatus.ANSWERED, 4)
        async with app.database.read() as session:
            assert (await session.scalars(select(SurveyAnswer.score).order_by(SurveyAnswer.id))).all() == [2, 4]


async def test_numbers_are_no_places_in_a_list(begin: Begin) -> None:
    """A number beyond the scale is asked for again; it is not the sixth button, which says "not now"."""
    customer, agent = await begin(survey("csat"))
    await customer.says("do you ship to Chile?")
    await resolved(agent)
    await customer.says("6")
    customer.sees("from 1 to 5")
    await customer.says("10/10")
    customer.sees("comment")
    assert [row.score for row in await all_surveys(agent.app)] == [5]


async def test_a_scale_that_begins_with_zero(begin: Begin) -> None:
    """NPS: "0" is an answer, and "1" is one and not the first button."""
    customer, agent = await begin(survey("nps"))
    await customer.says("do you ship to Chile?")
    await resolved(agent)
    await customer.says("1")
    assert [row.score for row in await all_surveys(agent.app)] == [1]
    await press(customer, agent.app, "0")
    assert [row.score for row in await all_surveys(agent.app)] == [0]
    await customer.says("zero, as I said")
    assert [row.comment for row in await all_surveys(agent.app)] == ["zero, as I said"]


async def test_not_now(begin: Begin) -> None:
    """No answer, no reminder and no more of it; a number pressed later still counts."""
    customer, agent = await begin(survey("ces", reminder_hours=1))
    await customer.says("do you ship to Chile?")
    await resolved(agent)
    await customer.says("not now")
    customer.sees("no rating then")
    await hurry(agent.app, surveys.REMIND)
    await asyncio.sleep(0.3)
    (row,) = await all_surveys(agent.app)
    assert (row.status, row.score, row.reason, row.reminded_at) == (SurveyStatus.SENT, None, "not_now", None)
    await press(customer, agent.app, "7")
    assert [(row.status, row.score) for row in await all_surveys(agent.app)] == [(SurveyStatus.ANSWERED, 7)]


async def test_other_messages_are_not_taken_for_ratings(begin: Begin) -> None:
    """An order's number, a question, a complaint with a number in it: answered as ever, and nothing is rated."""
    customer, agent = await begin(survey("nps"))
    await customer.says("do you ship to Chile?")
    await resolved(agent)
    await customer.says("100236")
    customer.sees_not("from 0 to 10", "rating")
    await customer.says("how can I pay?")
    await customer.says("I want to return 2 cups")
    assert [row.score for row in await all_surveys(agent.app)] == [None]


async def test_typed_after_something_else(begin: Begin) -> None:
    """The survey waits until it ends: "four" some messages later is its answer, unless something else was asked."""
    customer, agent = await begin(survey("csat"))
    await customer.says("do you ship to Chile?")
    await resolved(agent)
    await customer.says("where is my order?")
    customer.sees("order")
    await customer.says("5")
    assert [row.score for row in await all_surveys(agent.app)] == [None]
    await customer.says("forget it")
    await customer.says("how can I pay?")
    await customer.says("four")
    assert [row.score for row in await all_surveys(agent.app)] == [4]


async def test_a_comment_that_is_a_complaint(begin: Begin) -> None:
    """Asked for a comment, the customer complains: the words are kept as the comment, and the complaint begins."""
    customer, agent = await begin(survey("csat"))
    await customer.says("do you ship to Chile?")
    await resolved(agent)
    await customer.says("1")
    customer.sees("comment")
    await customer.says("My tea set arrived broken, this is the second time, I want to complain")
    customer.sees("your comment helps us", "order")
    (row,) = await all_surveys(agent.app)
    assert (row.score, row.comment) == (1, "My tea set arrived broken, this is the second time, I want to complain")
    await customer.says("skip")
    await customer.says("skip")
    async with agent.app.database.read() as session:
        (ticket,) = await session.scalars(select(Ticket))
    assert ticket.type == "damaged" and "second time" in ticket.description


async def test_a_rating_with_its_comment(begin: Begin) -> None:
    """ "2, nobody ..." is both; nothing more is asked, and how it sounds is kept."""
    customer, agent = await begin(survey("csat"))
    await customer.says("do you ship to Chile?")
    await resolved(agent)
    await customer.says("2, terrible and rude, I am furious")
    customer.sees("your comment helps us")
    (row,) = await all_surveys(agent.app)
    assert (row.score, row.comment) == (2, "terrible and rude, I am furious")
    assert row.sentiment is not None and row.sentiment < 0


async def test_after_its_end(begin: Begin) -> None:
    """Thanked; stored as late, and not counted."""
    customer, agent = await begin(survey("csat"))
    await customer.says("do you ship to Chile?")
    await resolved(agent)
    async with agent.app.database.begin() as session:
        await session.execute(update(Survey).values(expires_at=now() - timedelta(seconds=1)))
    await hurry(agent.app, surveys.EXPIRE)

    async def over() -> bool:
        return (await all_surveys(agent.app))[0].status is SurveyStatus.EXPIRED

    await eventually(over)
    await press(customer, agent.app, "5")
    customer.sees("has ended")
    (row,) = await all_surveys(agent.app)
    assert (row.status, row.score) == (SurveyStatus.EXPIRED, 5)
    async with agent.app.database.read() as session:
        assert (await session.scalars(select(SurveyAnswer.late))).all() == [True]


async def test_while_a_person_has_the_conversation(begin: Begin) -> None:
    """A number pressed then is kept on its own scale, and nothing is said."""
    customer, agent = await begin(survey("nps"))
    await customer.says("do you ship to Chile?")
    await resolved(agent)
    async with agent.app.database.begin() as session:
        await agents.take_over(session, await conversation(agent.app), agent.user, HandoffSettings())
    said = await spoken(agent.app)
    await press(customer, agent.app, "10")
    assert await spoken(agent.app) == said
    assert [row.score for row in await all_surveys(agent.app)] == [10]


async def test_one_reminder(begin: Begin) -> None:
    """With the question and its numbers, once; it is answered like the first."""
    customer, agent = await begin(survey("csat", reminder_hours=1))
    await customer.says("do you ship to Chile?")
    await resolved(agent)
    await hurry(agent.app, surveys.REMIND)

    async def reminded() -> bool:
        return (await all_surveys(agent.app))[0].reminded_at is not None

    await eventually(reminded)
    asked = await last_question(agent.app)
    assert asked["text"].startswith("You have not answered") and len(asked["buttons"]) == 6
    await customer.says("five")
    assert [row.score for row in await all_surveys(agent.app)] == [5]


async def test_after_the_bot_alone(begin: Begin) -> None:
    """Whoever was only greeted is not asked; whoever got an answer is, once they are silent."""
    customer, agent = await begin(survey("ces", "bot_closed", delay_minutes=0))
    await customer.says("hello")
    await customer.says("thanks, bye")
    await asyncio.sleep(0.3)
    assert await all_surveys(agent.app) == []
    await customer.says("do you ship to Chile?")
    await delivered(agent.app)
    await customer.says("7")
    (row,) = await all_surveys(agent.app)
    assert (row.kind, row.trigger, row.score) == ("ces", "bot_closed", 7)


async def test_stopping_ends_all(begin: Begin) -> None:
    """ "Stop" in the delay before it leaves: it does not leave, and says why."""
    customer, agent = await begin(survey("csat", delay_minutes=60))
    await customer.says("do you ship to Chile?")
    chat = await conversation(agent.app)
    async with agent.app.database.begin() as session:
        await agents.take_over(session, chat, agent.user, HandoffSettings())
        await agents.resolve(session, agent.app.voice, chat, agent.user, agent.app.config.settings.surveys)
    await customer.says("stop sending me messages, unsubscribe")
    customer.sees("no more surveys")
    await hurry(agent.app, surveys.SEND)
    await asyncio.sleep(0.3)
    assert [(row.status.value, row.reason) for row in await all_surveys(agent.app)] == [("cancelled", "stopped")]


async def test_events_are_emitted(begin: Begin) -> None:
    """Sent, answered, changed: ids and scores, none of the customer's words."""
    customer, agent = await begin(survey("csat"))
    agent.app.database.emits = ("survey.*",)
    await customer.says("do you ship to Chile?")
    await resolved(agent)
    await press(customer, agent.app, "3")
    await customer.says("my secret comment")
    await press(customer, agent.app, "4")
    async with agent.app.database.read() as session:
        events = (await session.scalars(select(Event).order_by(Event.id))).all()
    assert [event.type for event in events] == ["survey.sent", "survey.answered", "survey.changed"]
    assert [event.data.get("score") for event in events] == [None, 3, 4] and "secret" not in str(events)


async def test_a_platform_without_buttons_gets_a_link(start_desk: StartDesk) -> None:
    """The question comes with the link to its page, where it is answered; the desk knows of it at once."""
    web = {"web": {"public_url": "https://desk.example.com"}}
    app = await start_desk(asking(survey("csat", "manual")) | web, only=frozenset({"rest"}))
    # What a connector of such a platform says of itself.
    vars(app.connectors["rest"])["buttonless"] = True
    async with app.database.begin() as session:
        session.add(CustomerRow(id=1, name="Ana"))
        await session.flush()
        chat = Conversation(channel="rest", chat="m", user="m", address_key="m", language="es", customer_id=1)
        session.add(chat)
        await session.flush()
        await surveys.plan(session, chat, app.config.settings.surveys, "manual")
    await delivered(app)
    asked = await last_question(app)
    link = re.search(r"https://desk\.example\.com(/survey/\S+)", asked["text"])
    assert link is not None and asked["buttons"] == []
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app.web), base_url="https://desk.example.com")
    page = await client.get(f"{link[1]}?score=5")
    assert page.status_code == 200 and 'lang="es"' in page.text
    assert (await client.post(link[1], data={"score": "5", "comment": "Todo perfecto"})).status_code == 200
    (row,) = await all_surveys(app)
    assert (row.status, row.score, row.comment) == (SurveyStatus.ANSWERED, 5, "Todo perfecto")


async def test_a_low_score_is_followed_up(begin: Begin) -> None:
    """Six of ten opens a follow-up with a deadline; a better number within the hour withdraws it."""
    customer, agent = await begin(survey("nps"), survey("csat", "manual"))
    await customer.says("do you ship to Chile?")
    await resolved(agent)
    await customer.says("6")
    async with agent.app.database.read() as session:
        (row,) = await session.scalars(select(FollowUp))
    assert (row.survey_id, row.outcome, row.closed_at) == (1, "", None) and row.due_at > now()
    await press(customer, agent.app, "9")
    async with agent.app.database.read() as session:
        (row,) = await session.scalars(select(FollowUp))
    assert row.closed_at is not None


async def test_a_link_into_the_chat_shows_its_own_scale(begin: Begin) -> None:
    """A survey opened by a link of the platform is put with its numbers; nobody opens somebody else's."""
    customer, agent = await begin(survey("nps"))
    await customer.says("do you ship to Chile?")
    await resolved(agent)
    await customer.says('/inform{"survey": "1"}')
    customer.sees("from 0", "[10]", "[Not now]")
    await customer.says("8")
    assert [row.score for row in await all_surveys(agent.app)] == [8]
    stranger = Customer(RestChannel(agent.app))
    await stranger.says('/inform{"survey": "1", "rating": "0"}')
    assert [row.score for row in await all_surveys(agent.app)] == [8]
