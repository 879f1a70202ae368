"""Small talk, help, languages, questions, privacy, and messages nobody can read."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import func, select

from bot.app import App
from bot.storage import figures, now
from bot.storage.models import Conversation, Inbox, InboxStatus, Message, Survey
from bot.storage.models import Customer as CustomerRow
from tests.customer import Customer, RestChannel


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("hi there!", "assistant of Northwind & Lotus"),
        ("what can you do?", "[Track an order]"),
        ("are you a robot?", "automatic assistant"),
        ("thanks a lot", "welcome"),
        ("bye!", "Goodbye"),
        ("do you take PayPal?", "PayPal"),
        ("how long do I have to return something?", "30 days"),
        ("is there a student discount?", "10"),
        ("what's the capital of Peru?", "outside what I can help with"),
    ],
)
async def test_single_questions(customer: Customer, text: str, seen: str) -> None:
    """Each kind of simple message gets its answer."""
    await customer.says(text)
    customer.sees(seen)


@pytest.mark.parametrize(
    ("question", "seen"),
    [("how much is shipping?", "€4.90"), ("¿cuánto cuesta el envío?", "4,90"), ("运费多少钱？", "4.9")],
)
async def test_general_questions_in_three_languages(customer: Customer, question: str, seen: str) -> None:
    """Answered from the knowledge file of the customer's language."""
    await customer.says(question)
    customer.sees(seen)


async def spoken(desk: App) -> str:
    """The language of the only conversation there is."""
    async with desk.database.read() as session:
        return (await session.scalars(select(Conversation.language))).one()


class TestLanguage:
    """The language of the answers."""

    async def test_stays_on_ok(self, customer: Customer) -> None:
        """ "ok" and an order number do not change it."""
        await customer.says("¿dónde está mi pedido?")
        await customer.says("100234")
        customer.sees("correo")
        await customer.says("ok")
        customer.sees_not("Sorry", "e-mail address")

    async def test_follows_a_clear_message(self, customer: Customer) -> None:
        """A whole sentence in another language does."""
        await customer.says("hello, I have a question about delivery")
        await customer.says("perdona, prefiero escribir en mi idioma, ¿cuánto cuesta el envío a México?")
        customer.sees("4,90")

    async def test_on_request(self, customer: Customer) -> None:
        """Asked for by name, in any of the languages."""
        await customer.says("can we speak Spanish?")
        customer.sees("español")
        await customer.says("100234")
        customer.sees_not("What would you like")
        await customer.says("我们可以说中文吗？")
        customer.sees("中文")

    async def test_by_buttons(self, customer: Customer) -> None:
        """Without a name, the languages are offered in their own words."""
        await customer.says("/change_language")
        await customer.presses("Español")
        customer.sees("español")

    async def test_one_that_is_not_spoken(self, customer: Customer) -> None:
        """A message in Polish: which languages are spoken, in the language known so far."""
        await customer.says("Dzień dobry, chciałbym się dowiedzieć, kiedy przyjdzie moja paczka z butami")
        customer.sees("English", "Spanish", "Chinese")

    @pytest.mark.parametrize(
        "name",
        ["Giovanni", "João", "Jean-Pierre Dubois", "Mehmet Yılmaz", "Иван Петров", "El Corte Inglés", "PostNL",
         "Keizersgracht 12, Amsterdam", "李伟"],
    )  # fmt: skip
    async def test_no_name_and_no_address_changes_it(self, desk: App, customer: Customer, name: str) -> None:
        """In the midst of an English conversation, and in answer to a question."""
        await customer.says("where is my order?")
        customer.sees("order number")
        await customer.says(name)
        assert await spoken(desk) == "en"
        await customer.says("never mind, thank you for your help")
        await customer.says(name)
        assert await spoken(desk) == "en"

    @pytest.mark.parametrize(
        ("sentence", "language"),
        [
            ("Hablas español?", "es"),
            ("kannst du deutsch", "de"),
            ("請問什麼時候會到", "zh-Hant"),
            ("請問可以講中文嗎", "zh-Hant"),
        ],
    )
    async def test_a_short_sentence_changes_it_at_once(
        self, desk: App, customer: Customer, sentence: str, language: str
    ) -> None:
        """After a name that did not, and while an order number is asked for."""
        await customer.says("where is my order?")
        await customer.says("Giovanni")
        assert await spoken(desk) == "en"
        await customer.says(sentence)
        assert await spoken(desk) == language

    async def test_an_address_is_asked_for_and_given(self, desk: App, customer: Customer) -> None:
        """The new address in another language's words leaves the conversation English."""
        await customer.says("I want to change the delivery address of order 100236")
        await customer.says("ana@example.com")
        await customer.says("Calle de la Luna 8, 2º B, 28013 Madrid")
        assert await spoken(desk) == "en"
        await customer.says("yes")
        assert await spoken(desk) == "en"

    @pytest.mark.parametrize(("first", "language"), [("Hola", "es"), ("Giovanni", "zh-Hans")])
    async def test_a_greeting_decides_and_a_name_does_not(self, desk: App, first: str, language: str) -> None:
        """At the beginning, against what the platform says."""
        customer = Customer(RestChannel(desk, locale="zh-CN"))
        await customer.says(first)
        assert await spoken(desk) == language

    @pytest.mark.parametrize("text", ["де моє замовлення 100234?", "سفارش من کجاست", "मेरो अर्डर कहाँ छ"])
    async def test_a_short_one_that_is_not_spoken(self, customer: Customer, text: str) -> None:
        """Ukrainian, Persian, Nepali in three words: which languages are spoken."""
        await customer.says(text)
        customer.sees("English", "Spanish", "Chinese")

    async def test_the_platforms_hint(self, desk: App) -> None:
        """A first message that says nothing about its language is answered in the platform's."""
        customer = Customer(RestChannel(desk, locale="zh-CN"))
        await customer.says("100234")
        customer.sees("100234", "订单")


class TestUnreadable:
    """Whatever is sent, it is answered, in words, and nothing is lost."""

    @pytest.mark.parametrize(
        "text",
        [
            "",
            " ",
            "a",
            "？",
            "\u200b\u200d\u2060",
            "👍🏽🎉🫠",
            "\x00\x01\x02\ufffd",
            "שלום hello مرحبا 100234",
            "\u202egnihtemos",
            "x" * 100_000,
            "我" * 100_000,
            "/unknown_intent",
            '/inform{"broken": ',
            "/",
            "<script>alert(1)</script>",
            "'; DROP TABLE orders; --",
            "{shop} {0} %s %(x)s",
        ],
        ids=range(17),
    )
    async def test_is_answered(self, desk: App, customer: Customer, text: str) -> None:
        """One answer at least, the event handled, the text kept."""
        await customer.says(text)
        assert customer.seen
        customer.sees_not("Traceback", "Error", "Something went wrong")
        async with desk.database.read() as session:
            row = (await session.scalars(select(Inbox))).one()
            said = (await session.scalars(select(Message.text).order_by(Message.id).limit(1))).one()
        assert row.status is InboxStatus.DONE
        assert len(said) == len(text)

    async def test_the_conversation_goes_on(self, customer: Customer) -> None:
        """After nonsense, a question is still answered."""
        await customer.says("\x00" * 50)
        await customer.says("do you ship to Chile?")
        customer.sees("60 countries")


class TestPrivacy:
    """A copy, deletion, no more messages."""

    async def test_a_copy(self, desk: App, customer: Customer) -> None:
        """A file with the person's orders and messages, and nobody else's."""
        await customer.says("where is order 100234? ana@example.com")
        await customer.says("send me a copy of all the data you have about me")
        assert customer.seen and any(message.files for message in customer.seen)
        (path,) = Path(desk.config.files_dir, "exports").glob("*.json")
        data = json.loads(path.read_text(encoding="utf-8"))
        assert {order["number"] for order in data["orders"]} == {"100234", "100235", "100236"}
        assert data["customer"]["email"] == "ana@example.com"
        assert any("where is order" in message["text"] for message in data["messages"])
        assert "li.wei" not in path.read_text(encoding="utf-8")

    async def test_deletion(self, desk: App, customer: Customer) -> None:
        """After a yes the person is gone, and the orders stay without them."""
        await customer.says("where is order 100234? ana@example.com")
        await customer.says("please delete all my personal data")
        customer.sees("Shall I delete")
        await customer.says("yes")
        customer.sees("deleted")
        async with desk.database.read() as session:
            texts = list(await session.scalars(select(Message.text).where(Message.author == "customer")))
            person = (await session.scalars(select(CustomerRow).where(CustomerRow.erased_at.is_not(None)))).one()
            chat = (await session.scalars(select(Conversation))).one()
        assert (person.name, person.email, person.phone) == ("", "", "")
        assert not [text for text in texts if "ana@example.com" in text]
        assert chat.customer_id is None
        await customer.says("where is order 100234? ana@example.com")
        customer.sees_not("PostNL")

    async def test_deletion_refused(self, desk: App, customer: Customer) -> None:
        """After a no nothing is deleted."""
        await customer.says("where is order 100234? ana@example.com")
        await customer.says("delete my account and my data")
        await customer.says("no")
        async with desk.database.read() as session:
            erased = select(func.count()).select_from(CustomerRow).where(CustomerRow.erased_at.is_not(None))
            assert await session.scalar(erased) == 0

    async def test_no_more_messages(self, desk: App, customer: Customer) -> None:
        """No survey is planned for someone who wants none."""
        from bot.services import surveys

        await customer.says("stop sending me messages, unsubscribe")
        customer.sees("no more surveys")
        async with desk.database.begin() as session:
            chat = (await session.scalars(select(Conversation))).one()
            assert await surveys.plan(session, chat, desk.config.settings.surveys, "ticket_resolved") == []
        async with desk.database.read() as session:
            assert await session.scalar(select(func.count()).select_from(Survey)) == 0


async def test_feedback_given_unasked(desk: App, customer: Customer) -> None:
    """A rating that nobody asked for is kept, and kept apart from CSAT."""
    await customer.says("I'd like to leave a review")
    await customer.presses("5")
    await customer.says("Great service, thank you!")
    async with desk.database.read() as session:
        row = (await session.scalars(select(Survey))).one()
        satisfied = await figures.csat(session, figures.Filters(now() - timedelta(days=1), now() + timedelta(days=1)))
    assert (row.kind, row.score, row.comment) == ("feedback", 5, "Great service, thank you!")
    assert satisfied.delivered == 0


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago"])
async def test_yesterday_is_the_customers_yesterday(desk: App, customer: Customer, zone: str) -> None:
    """A relative date means the day before the one on which the customer wrote, where the customer is."""
    await customer.says("hello")
    async with desk.database.begin() as session:
        conversation = (await session.scalars(select(Conversation))).one()
        row = CustomerRow(timezone=zone)
        session.add(row)
        await session.flush()
        conversation.customer_id = row.id
    await customer.says("the lamp arrived broken yesterday")
    async with desk.database.read() as session:
        message = (await session.scalars(select(Message).where(Message.text.contains("yesterday")))).one()
    said = {item["entity"]: item["value"] for item in (message.parse or {})["entities"]}
    there = message.created_at.astimezone(ZoneInfo(zone)).date()
    assert said["date"] == str(there - timedelta(days=1))
