"""Hand-overs to people, and the survey afterwards."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select, update

from bot import agents
from bot.app import App
from bot.contracts import Owner
from bot.services import handoff, timers
from bot.storage import figures, now, signal
from bot.storage.models import Conversation, Handoff, Message, Survey, SurveyStatus, Timer, TimerStatus
from tests.conftest import StartDesk
from tests.customer import Agent, Customer, RestChannel, eventually


async def open_handoffs(desk: App) -> list[Handoff]:
    """Hand-overs that have not ended."""
    async with desk.database.read() as session:
        return list(await session.scalars(select(Handoff).where(Handoff.ended_at.is_(None))))


async def waiting_texts(desk: App) -> list[str]:
    """All messages of the transcript."""
    async with desk.database.read() as session:
        return list(await session.scalars(select(Message.text).order_by(Message.id)))


async def test_a_person_takes_over_and_hands_back(desk: App, customer: Customer, agent: Agent) -> None:
    """From the request until the hand-back the bot is silent; the agent's words arrive; then it says so, once."""
    await customer.says("I want to talk to a person")
    customer.sees("colleague")
    await customer.says("where is my order 100234?")
    customer.sees_nothing()
    chat = await agent.conversation(customer.channel.sender)
    await agent.replies(chat, "Hello, this is Sam. How can I help?")
    await customer.says("my parcel is late, ana@example.com")
    customer.sees("Hello, this is Sam")
    customer.sees_not("order number")
    await agent.gives_back(chat)
    await customer.says("thanks")
    customer.sees("assistant is back")
    assert customer.text.count("assistant is back") == 1
    assert await open_handoffs(desk) == []
    async with desk.database.read() as session:
        recorded = (await session.scalars(select(Handoff))).one()
        conversation = await session.get_one(Conversation, chat)
    assert recorded.claimed_at is not None and recorded.ended_at is not None
    assert recorded.started_at <= recorded.claimed_at <= recorded.ended_at
    assert (recorded.outcome, conversation.owner) == ("back_to_bot", Owner.BOT)


async def test_nothing_said_meanwhile_is_lost(desk: App, customer: Customer, agent: Agent) -> None:
    """What the customer writes to the person stands in the transcript."""
    await customer.says("quiero hablar con una persona")
    await customer.says("mi bicicleta llegó sin ruedas")
    assert "mi bicicleta llegó sin ruedas" in await waiting_texts(desk)


async def test_a_survey_after_resolving(desk: App, customer: Customer, agent: Agent) -> None:
    """Resolved: the customer is asked for a rating by buttons, then for a comment; both are stored."""
    await customer.says("我要找人工客服")
    chat = await agent.conversation(customer.channel.sender)
    await agent.replies(chat, "您好，我来帮您。")
    await agent.resolves(chat)

    async def asked() -> bool:
        async with desk.database.read() as session:
            return bool(await session.scalar(select(Survey.id).where(Survey.status == SurveyStatus.SENT)))

    await eventually(asked)
    await customer.says("好的")
    customer.sees("[5]")
    await customer.presses("5")
    async with desk.database.read() as session:
        survey = (await session.scalars(select(Survey))).one()
        around = figures.Filters(now() - timedelta(days=1), now() + timedelta(days=1))
        satisfied = await figures.csat(session, around)
    assert (survey.status, survey.score, survey.language) == (SurveyStatus.ANSWERED, 5, "zh-Hans")
    assert (satisfied.n, satisfied.value) == (1, 1.0)
    await customer.says("客服很有耐心，谢谢！")
    async with desk.database.read() as session:
        survey = (await session.scalars(select(Survey))).one()
    assert survey.comment == "客服很有耐心，谢谢！"


async def test_a_rating_can_be_typed_and_changed(desk: App, customer: Customer, agent: Agent) -> None:
    """ "4" typed counts; pressing another number within the hour changes it."""
    await customer.says("let me talk to an agent")
    chat = await agent.conversation(customer.channel.sender)
    await agent.replies(chat, "hi")
    await agent.resolves(chat)

    async def asked() -> bool:
        async with desk.database.read() as session:
            return bool(await session.scalar(select(Survey.id).where(Survey.status == SurveyStatus.SENT)))

    await eventually(asked)
    await customer.says("4")
    shown = customer.seen
    customer.sees("comment")
    async with desk.database.read() as session:
        assert (await session.scalars(select(Survey.score))).one() == 4
    assert shown


async def test_another_subject_ends_the_survey_question(desk: App, customer: Customer, agent: Agent) -> None:
    """Nobody is nagged: a new question is simply answered."""
    await customer.says("I want to talk to a person")
    chat = await agent.conversation(customer.channel.sender)
    await agent.resolves(chat)

    async def asked() -> bool:
        async with desk.database.read() as session:
            return bool(await session.scalar(select(Survey.id).where(Survey.status == SurveyStatus.SENT)))

    await eventually(asked)
    await customer.says("do you ship to Chile?")
    customer.sees("60 countries")
    await customer.says("and how can I pay?")
    customer.sees_not("from 1")


async def test_a_change_of_address_goes_to_a_person(desk: App, customer: Customer) -> None:
    """Checked whose order it is and what is wanted, then handed over with the reason."""
    await customer.says("I need to change the delivery address of order 100235, ana@example.com")
    customer.sees("what exactly")
    await customer.says("Please send it to Calle Mayor 5, 28013 Madrid")
    customer.sees("colleague", "100235")
    (waiting,) = await open_handoffs(desk)
    assert waiting.reason == "change_address"


async def test_two_failures_offer_a_person(customer: Customer) -> None:
    """Two messages in a row that nobody could understand."""
    await customer.says("xkjhg wqoeiu zmxnc")
    await customer.says("bvnm qpwoei rutyal")
    customer.sees("[Yes, please]")
    await customer.presses("Yes, please")
    customer.sees("colleague")


async def test_nobody_answers_in_time(start_desk: StartDesk) -> None:
    """When the time is up the bot takes over again and says so."""
    desk = await start_desk({"handoff": {"timeout_minutes": 1}}, only=frozenset({"rest"}))
    customer = Customer(RestChannel(desk))
    await customer.says("I want to talk to a person")
    async with desk.database.begin() as session:
        timer = (await session.scalars(select(Timer).where(Timer.kind == handoff.TIMEOUT))).one()
        assert timedelta(seconds=50) < timer.due_at - now() <= timedelta(seconds=60)
        timer.due_at = now()
        signal(session, timers.TOPIC)

    async def ended() -> bool:
        return not await open_handoffs(desk)

    await eventually(ended)
    await customer.says("hello?")
    customer.sees("none of our colleagues")


async def time_is_up(desk: App) -> None:
    """Every hand-over's clock runs out now; wait until the timer has been seen to."""
    async with desk.database.begin() as session:
        timer = (
            await session.scalars(
                select(Timer).where(Timer.kind == handoff.TIMEOUT, Timer.status == TimerStatus.PENDING)
            )
        ).one()
        timer.due_at = now()
        number = timer.id
        signal(session, timers.TOPIC)

    async def done() -> bool:
        async with desk.database.read() as session:
            found = await session.get(Timer, number)
            return found is None or found.status is TimerStatus.DONE

    await eventually(done)


async def test_the_clock_does_not_take_a_conversation_from_an_agent(
    desk: App, customer: Customer, agent: Agent
) -> None:
    """An agent who has claimed it and written keeps it; the clock runs on from their last words."""
    minutes = desk.config.settings.handoff.timeout_minutes
    await customer.says("I want to talk to a person")
    chat = await agent.conversation(customer.channel.sender)
    await agent.replies(chat, "Hello, I am looking into it.")
    await time_is_up(desk)
    (open_one,) = await open_handoffs(desk)
    async with desk.database.read() as session:
        clocks = select(Timer).where(Timer.status == TimerStatus.PENDING, Timer.kind == handoff.TIMEOUT)
        again = (await session.scalars(clocks)).one()
    assert timedelta(minutes=minutes - 1) < again.due_at - now() <= timedelta(minutes=minutes)
    await customer.says("thanks, I wait")
    customer.sees("looking into it")
    customer.sees_not("none of our colleagues")
    # Now the agent has gone home long ago.
    long_ago = now() - timedelta(minutes=minutes + 1)
    async with desk.database.begin() as session:
        await session.execute(update(Message).values(created_at=long_ago))
        await session.execute(update(Handoff).where(Handoff.id == open_one.id).values(claimed_at=long_ago))
    await time_is_up(desk)
    assert await open_handoffs(desk) == []
    await customer.says("hello?")
    customer.sees("none of our colleagues")


async def test_an_agent_who_has_just_claimed_has_time_to_write(desk: App, customer: Customer, agent: Agent) -> None:
    """Claimed in the last minute: the agent's time counts from then."""
    await customer.says("I want to talk to a person")
    chat = await agent.conversation(customer.channel.sender)
    async with desk.database.begin() as session:
        await agents.claim(session, chat, agent.user)
    await time_is_up(desk)
    assert len(await open_handoffs(desk)) == 1
