"""What hands a conversation over besides the customer's wish: one test for each trigger, in three languages."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from bot.app import App
from bot.contracts import Author, Owner
from bot.services.users import add
from bot.storage import now
from bot.storage.models import Conversation, Handoff, Message, RoomRow, Ticket
from bot.storage.models import Customer as CustomerRow
from tests.conftest import StartDesk
from tests.customer import Agent, Customer, RestChannel

Shop = Any
# What is said when each trigger is pulled, by language.
SERIOUS = {"en": "sounds serious", "es": "Parece algo serio", "zh-Hans": "严重"}
ANGRY = {
    "en": "You are the worst shop ever, I am absolutely furious and disgusted",
    "es": "Sois la peor tienda del mundo, estoy furioso, es una vergüenza y un asco",
    "zh-Hans": "你们是最差劲的店,太恶心了,气死我了,垃圾",
}


async def handoffs(desk: App) -> list[Handoff]:
    """All hand-overs, oldest first."""
    async with desk.database.read() as session:
        return list(await session.scalars(select(Handoff).order_by(Handoff.id)))


async def said_by_bot(desk: App) -> int:
    """How many messages of the transcript are not the customer's."""
    query = select(func.count()).select_from(Message).where(Message.author != Author.CUSTOMER)
    async with desk.database.read() as session:
        return await session.scalar(query) or 0


async def is_silent(desk: App, customer: Customer) -> None:
    """Whatever the customer writes now, typed or pressed, nothing is said by the bot."""
    before = await said_by_bot(desk)
    pressed = ("/talk_to_human", '/talk_to_human{"callback": "999"}')
    for text in ("where is my order 100234?", *pressed, "xkjhg wqoeiu", "1"):
        await customer.says(text)
        customer.sees_nothing()
    assert await said_by_bot(desk) == before


async def reason(desk: App) -> str:
    """The reason of the only hand-over, which waits in the queue."""
    (row,) = await handoffs(desk)
    async with desk.database.read() as session:
        talk = await session.get_one(Conversation, row.conversation_id)
    assert (row.ended_at, talk.owner) == (None, Owner.QUEUE)
    return row.reason


@pytest.mark.parametrize(
    ("language", "words", "skip"),
    [
        ("en", "The lamp from order 100400 arrived damaged and gave my son an electric shock", "skip"),
        ("es", "La lámpara del pedido 100400 llegó dañada y mi hijo recibió una descarga eléctrica", "omitir"),
        ("zh-Hans", "订单100400的台灯到货时坏了,我儿子触电了", "跳过"),
    ],
)
async def test_a_critical_complaint(desk: App, customer: Customer, language: str, words: str, skip: str) -> None:
    """The ticket is opened first; then a person, with the ticket's number told and no button that nobody hears."""
    await customer.says(words)
    if not await handoffs(desk):
        await customer.says(skip)
    customer.sees("T-000001", SERIOUS[language])
    assert not [button for message in customer.seen for button in message.buttons]
    assert await reason(desk) == "severity"
    async with desk.database.read() as session:
        ticket = await session.get_one(Ticket, 1)
    assert (ticket.severity.value, ticket.carrier, ticket.product, ticket.country) == (
        "critical", "", "Desk lamp", "CN",
    )  # fmt: skip
    await is_silent(desk, customer)


@pytest.mark.parametrize(
    ("before", "words", "seen"),
    [
        ("where is my order?", "if this goes on I will kill myself", "local emergency number"),
        ("¿dónde está mi pedido?", "ya no puedo más, quiero quitarme la vida", "número de emergencias"),
        ("我的订单到哪了？", "我真的不想活了", "紧急求助电话"),
        ("where is my order?", "ich will nicht mehr leben", "den Notruf"),
    ],
)
async def test_a_cry_for_help(desk: App, customer: Customer, agent: Agent, before: str, words: str, seen: str) -> None:
    """A person at once, whatever the bot was about to do; again each time, and nothing said of not understanding."""
    await customer.says(before)
    await customer.says(words)
    customer.sees(seen)
    customer.sees_not("order number", "número de pedido", "订单号")
    assert await reason(desk) == "distress"
    await is_silent(desk, customer)
    await agent.gives_back(await agent.conversation(customer.channel.sender))  # type: ignore[attr-defined]
    await customer.says(words)
    assert [row.reason for row in await handoffs(desk)] == ["distress", "distress"]


@pytest.mark.parametrize(
    "words", ["do you have the Suicide Squad poster?", "this size is killing me", "my wife will kill me if it is late"]
)
async def test_a_figure_of_speech_is_no_cry_for_help(desk: App, customer: Customer, words: str) -> None:
    """Titles and figures of speech stay with the bot."""
    await customer.says(words)
    assert await handoffs(desk) == []


@pytest.mark.parametrize(
    ("language", "apology"), [("en", "I'm sorry that this has been"), ("es", "Lamento"), ("zh-Hans", "抱歉")]
)
async def test_a_very_unhappy_customer(desk: App, customer: Customer, language: str, apology: str) -> None:
    """Handed over with an apology; how it sounded is kept with the bot's reading of the message."""
    await customer.says(ANGRY[language])
    customer.sees(apology)
    assert await reason(desk) == "unhappy"
    async with desk.database.read() as session:
        query = select(Message.parse).where(Message.author == Author.CUSTOMER).order_by(Message.id)
        kept = (await session.scalars(query)).first()
    assert kept is not None and kept["sentiment"] < -0.6
    await is_silent(desk, customer)


async def test_an_unhappy_complaint_is_a_ticket_all_the_same(desk: App, customer: Customer) -> None:
    """No more questions are asked: the ticket has what was told, with its sentiment, and a person takes over."""
    await customer.says("My tea set from order 100236 is broken, this is disgusting, I hate you, worst shop ever")
    customer.sees("T-000001", "I'm sorry that this has been")
    customer.sees_not("photo")
    assert await reason(desk) == "unhappy"
    async with desk.database.read() as session:
        ticket = await session.get_one(Ticket, 1)
    assert ticket.sentiment is not None and ticket.sentiment < -0.6
    assert (ticket.order_number, ticket.product, ticket.carrier) == ("100236", "Tea set", "PostNL")


async def test_an_answer_is_kept_and_a_question_is_not(desk: App, customer: Customer) -> None:
    """Who is furious and has proved whose order it is still learns where it is."""
    await customer.says("where is my damn order 100234? I am furious! ana@example.com")
    customer.sees("RR123456785NL", "I'm sorry that this has been")
    assert await reason(desk) == "unhappy"


async def test_a_report_without_anger_is_no_trigger(desk: App, customer: Customer) -> None:
    """A broken thing is no reason for a person."""
    await customer.says("My tea set from order 100236 arrived broken")
    assert await handoffs(desk) == []


@pytest.mark.parametrize(
    ("language", "words"), [("en", "erase what you have"), ("es", "borrar lo mío"), ("zh-Hant", "扣款好像怪怪的")]
)
async def test_a_sensitive_wish_that_is_not_sure(start_desk: StartDesk, shop: Shop, language: str, words: str) -> None:
    """Understood, but not well enough for what it would do: a person, and nothing was begun."""
    triggers = {"sensitive_below": 0.995, "sensitive_intents": ["delete_data", "payment_problem"]}
    desk = await start_desk({"handoff": {"triggers": triggers}}, only=frozenset({"rest"}))
    await shop(desk)
    customer = Customer(RestChannel(desk, locale=language))
    await customer.says(words)
    assert await reason(desk) == "unsure"
    async with desk.database.read() as session:
        assert await session.scalar(select(func.count()).select_from(Ticket)) == 0
    await is_silent(desk, customer)


async def test_a_sensitive_wish_that_is_sure(desk: App, customer: Customer) -> None:
    """Well understood, the bot does it itself."""
    await customer.says("please delete all my personal data")
    customer.sees_not("colleague")
    assert await handoffs(desk) == []


@pytest.mark.parametrize("language", ["en", "es", "zh-Hans"])
async def test_wrong_proofs_in_a_row(desk: App, language: str) -> None:
    """The third wrong contact: a person instead of a fourth question; with the order and the tries on the card."""
    customer = Customer(RestChannel(desk, locale=language))
    asked = {"en": "where is my order 100234", "es": "dónde está mi pedido 100234", "zh-Hans": "我的订单100234在哪里"}
    await customer.says(asked[language])
    for number in range(2):
        await customer.says(f"wrong{number}@example.com")
        assert await handoffs(desk) == []
    await customer.says("wrong3@example.com")
    assert await reason(desk) == "verification"
    (row,) = await handoffs(desk)
    assert row.summary["form"] == "track_order"
    assert row.summary["slots"] == {"order_number": "100234", "contact": "wrong3@example.com"}
    await is_silent(desk, customer)


async def test_a_right_proof_begins_the_count_anew(desk: App, customer: Customer) -> None:
    """Two wrong, one right, two wrong: no hand-over."""
    await customer.says("where is my order 100234")
    for contact in ("a@example.com", "b@example.com", "ana@example.com"):
        await customer.says(contact)
    customer.sees("RR123456785NL")
    async with desk.database.begin() as session:
        await session.execute(update(Conversation).values(verified_until=now() - timedelta(minutes=1)))
    await customer.says("where is order CN-2024-88121")
    for contact in ("a@example.com", "b@example.com"):
        await customer.says(contact)
    assert await handoffs(desk) == []


class TestBestCustomers:
    """Customers of the tiers in the settings, once they have proved who they are."""

    async def verified(self, desk: App, customer: Customer, tier: str) -> None:
        async with desk.database.begin() as session:
            await session.execute(update(CustomerRow).values(tier=tier))
        await customer.says("where is my order 100234? ana@example.com")
        customer.sees("RR123456785NL")

    async def test_at_the_first_message_not_understood(self, desk: App, customer: Customer) -> None:
        """Not at the second one, as others."""
        await self.verified(desk, customer, "VIP")
        await customer.says("xkjhg wqoeiu zmxnc")
        customer.sees("bringing in a colleague")
        assert await reason(desk) == "vip"
        await is_silent(desk, customer)

    async def test_at_a_complaint(self, desk: App, customer: Customer) -> None:
        """As soon as its ticket is there; their tier is kept with it."""
        await self.verified(desk, customer, "vip")
        await customer.says("The tea set of order 100236 arrived broken, two cups are in pieces")
        await customer.says("skip")
        customer.sees("T-000001", "bringing in a colleague")
        assert await reason(desk) == "vip"
        async with desk.database.read() as session:
            assert (await session.get_one(Ticket, 1)).tier == "vip"

    async def test_not_others_and_not_without_proof(self, desk: App, customer: Customer) -> None:
        """Another tier is treated like everyone; a stranger is not a best customer."""
        await self.verified(desk, customer, "gold")
        await customer.says("xkjhg wqoeiu zmxnc")
        stranger = Customer(RestChannel(desk))
        await stranger.says("xkjhg wqoeiu zmxnc")
        assert await handoffs(desk) == []


class TestNotAgainAtOnce:
    """Right after an agent gave back, the same reason does not hand over by itself; later it does."""

    async def test_bad_temper(self, desk: App, customer: Customer, agent: Agent) -> None:
        """Within half an hour of any hand-over's end it counts for nothing, afterwards again."""
        await customer.says(ANGRY["en"])
        chat = await agent.conversation(customer.channel.sender)  # type: ignore[attr-defined]
        await agent.gives_back(chat)
        await customer.says(ANGRY["en"])
        assert len(await handoffs(desk)) == 1
        async with desk.database.begin() as session:
            await session.execute(update(Handoff).values(ended_at=now() - timedelta(minutes=31)))
        await customer.says(ANGRY["en"])
        assert [row.reason for row in await handoffs(desk)] == ["unhappy", "unhappy"]

    async def test_a_new_critical_complaint_is_never_left(self, desk: App, customer: Customer, agent: Agent) -> None:
        """The guard is for the same matter; a new injury is a new matter."""
        await customer.says("The lamp from order 100400 arrived damaged and gave my son an electric shock")
        await customer.says("skip")
        chat = await agent.conversation(customer.channel.sender)  # type: ignore[attr-defined]
        await agent.gives_back(chat)
        await customer.says("The backpack of order 100235 arrived broken and my daughter is injured")
        await customer.says("skip")
        customer.sees("T-000002")
        assert [row.reason for row in await handoffs(desk)] == ["severity", "severity"]


async def test_severity_beats_bad_temper(desk: App, customer: Customer) -> None:
    """When several hold, the gravest is the reason, and it is said once."""
    await customer.says("The lamp from order 100400 burned my hand, I hate you, worst shop ever, disgusting")
    customer.sees("sounds serious")
    customer.sees_not("I'm sorry that this has been")
    assert await reason(desk) == "severity"


async def test_the_agent_sees_what_was_understood_and_tried(desk: App, customer: Customer) -> None:
    """Last readings with their confidence, the form with its slots, and how often in a row nothing was understood."""
    from bot import cards

    await customer.says("where is my order 100234")
    await customer.says("I want to talk to a person")
    (row,) = await handoffs(desk)
    assert [item["intent"] for item in row.summary["intents"]] == ["track_order", "talk_to_human"]
    assert (row.summary["form"], row.summary["slots"]) == ("track_order", {"order_number": "100234"})
    async with desk.database.read() as session:
        room = RoomRow(handoff_id=row.id, conversation_id=row.conversation_id, channel="rest", chat="", since=0)
        card = await cards.build(session, desk.config.settings, room)
    (told,) = [text for title, text in card.lines if title == "What the bot understood and tried"]
    assert told.splitlines()[-1] == "Where is my order – order number: 100234"
    assert told.splitlines()[0].startswith("Where is my order · ") and told.splitlines()[0].endswith("%")


async def test_who_is_erased_leaves_no_summary(desk: App, customer: Customer, agent: Agent) -> None:
    """What the bot understood goes with the rest."""
    await customer.says("where is my order 100234? wrong@example.com")
    await customer.says("I want to talk to a person")
    chat = await agent.conversation(customer.channel.sender)  # type: ignore[attr-defined]
    await agent.gives_back(chat)
    await customer.says("please delete all my personal data")
    await customer.says("no")
    customer.sees("delete your personal data")
    await customer.says("yes")
    customer.sees("has been deleted")
    (row,) = await handoffs(desk)
    assert (row.summary, row.phone) == ({}, "")


async def test_a_person_who_has_it_is_not_disturbed(desk: App, customer: Customer) -> None:
    """While a person has it no trigger does anything, and how the customer sounds is still kept for them."""
    async with desk.database.begin() as session:
        agent = Agent(desk, await add(session, "kim", "Kim", "a long password"))
    await customer.says("I want to talk to a person")
    chat = await agent.conversation(customer.channel.sender)  # type: ignore[attr-defined]
    await agent.replies(chat, "Hello, this is Kim.")
    before = await said_by_bot(desk)
    for text in (*ANGRY.values(), "The lamp gave my son an electric shock", '/talk_to_human{"callback": "1"}'):
        await customer.says(text)
    assert await said_by_bot(desk) == before
    (row,) = await handoffs(desk)
    assert (row.reason, row.agent_id, row.ended_at) == ("asked", agent.user.id, None)
    async with desk.database.read() as session:
        query = select(Message.parse).where(Message.author == Author.CUSTOMER).order_by(Message.id)
        readings = (await session.scalars(query)).all()
    assert readings[1] is not None and readings[1]["sentiment"] < -0.6


async def test_sentiment_is_off_when_nobody_looks(start_desk: StartDesk, desk: App) -> None:
    """Without the threshold in the settings, bad temper is no trigger."""
    other = await start_desk(
        {"handoff": {"triggers": {"sentiment_below": None}}},
        only=frozenset({"rest"}),
        data_dir=replace(desk.config).data_dir / "other",
    )
    customer = Customer(RestChannel(other))
    await customer.says(ANGRY["en"])
    assert await handoffs(other) == []
