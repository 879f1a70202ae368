"""Conversations about orders: tracking, listing, cancelling, and who may see them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from sqlalchemy import select

from bot.app import App
from bot.storage.models import OrderRow
from tests.conftest import StartDesk
from tests.customer import Customer, RestChannel


async def status_of(desk: App, number: str) -> str:
    """An order's status in the database."""
    async with desk.database.read() as session:
        return (await session.scalars(select(OrderRow.status).where(OrderRow.number == number))).one()


@pytest.mark.parametrize(
    ("question", "proof", "seen"),
    [
        ("where is my order 100234?", "ana@example.com", ("100234", "is on its way", "PostNL", "RR123456785NL")),
        ("¿dónde está mi pedido 100234?", "ana@example.com", ("100234", "PostNL", "RR123456785NL")),
        ("我的订单 CN-2024-88121 到哪了？", "li.wei@example.com", ("CN-2024-88121",)),
        ("where is my order 100234?", "+34 600 123 456", ("100234", "is on its way")),
        ("¿dónde está mi pedido 100234?", "mi teléfono es 600123456", ("100234", "RR123456785NL")),
    ],
)
async def test_tracking_an_order(customer: Customer, question: str, proof: str, seen: tuple[str, ...]) -> None:
    """The order is shown after the e-mail address or telephone number on it was given, in the language asked."""
    await customer.says(question)
    customer.sees_not("PostNL", "RR123456785NL", "89.90", "89,90")
    await customer.says(proof)
    customer.sees(*seen)


@pytest.mark.parametrize(
    ("question", "wait", "seen"),
    [
        ("where is my order?", "wait, let me find the email", "Take your time"),
        ("¿dónde está mi pedido?", "un momento, que lo busco", "Tómate tu tiempo"),
        ("我的订单到哪了？", "等一下，我找找", "不着急"),
    ],
)
async def test_a_moment_to_look_for_the_number(customer: Customer, question: str, wait: str, seen: str) -> None:
    """It is no refusal: the question stands until the number comes, and a proof may take as long."""
    await customer.says(question)
    await customer.says(wait)
    customer.sees(seen)
    await customer.says("100234")
    await customer.says(wait)
    customer.sees(seen)
    await customer.says("ana@example.com")
    customer.sees("PostNL", "RR123456785NL")


async def test_a_moment_before_something_is_confirmed(desk: App, customer: Customer) -> None:
    """Neither a yes nor a no: what was asked still waits for one."""
    await customer.says("please cancel my order 100235, my email is ana@example.com")
    await customer.says("hold on a second")
    customer.sees("Take your time")
    before = await status_of(desk, "100235")
    await customer.says("yes")
    assert (before, await status_of(desk, "100235")) == ("processing", "cancelled")


async def test_answers_come_in_the_customers_language(desk: App) -> None:
    """The same question in three languages gets its answer in each."""
    asked = {
        "en": ("where is my order 100234?", "e-mail"),
        "es": ("¿dónde está mi pedido 100234?", "correo"),
        "zh-Hans": ("我的订单100234到哪了？", "邮箱"),
    }
    for text, word in asked.values():
        customer = Customer(RestChannel(desk))
        await customer.says(text)
        customer.sees(word)


async def test_everything_in_one_message(customer: Customer) -> None:
    """Order number and e-mail address together need no further question."""
    await customer.says("hi, where is order 100234? my email is ana@example.com")
    customer.sees("100234", "is on its way")


async def test_once_verified_the_number_is_enough(customer: Customer) -> None:
    """The chat is linked for an hour: the next order of the same person is shown at once."""
    await customer.says("where is order 100234? ana@example.com")
    await customer.says("and where is order 100236?")
    customer.sees("100236", "delivered")


async def test_another_persons_order_stays_hidden(customer: Customer) -> None:
    """Being verified for one's own orders does not open those of others."""
    await customer.says("where is order 100234? ana@example.com")
    await customer.says("where is order 100400?")
    customer.sees("100400")
    customer.sees_not("paid", "49")


async def test_a_wrong_contact_and_an_unknown_order_look_alike(desk: App) -> None:
    """Nobody learns which order numbers exist."""
    answers = []
    for number in ("100234", "999999"):
        customer = Customer(RestChannel(desk))
        await customer.says(f"where is my order {number}?")
        await customer.says("thief@example.com")
        answers.append(customer.text.replace(number, "N"))
    assert answers[0] == answers[1]


async def test_five_wrong_tries_lock_and_offer_a_person(
    start_desk: StartDesk, shop: Callable[[App], Awaitable[None]]
) -> None:
    """After five wrong tries even the right contact shows nothing, and a person is offered.

    Where the settings do not have a person look at it before that.
    """
    desk = await start_desk({"handoff": {"triggers": {"verification_failures": 0}}}, only=frozenset({"rest"}))
    await shop(desk)
    customer = Customer(RestChannel(desk))
    await customer.says("where is my order 100234?")
    await customer.says("wrong0@example.com")
    for number in range(1, 5):
        customer.sees_not("too many")
        await customer.says("100234")
        await customer.says(f"wrong{number}@example.com")
    customer.sees("too many wrong tries", "[Talk to a person]")
    await customer.says("where is order 100234? ana@example.com")
    customer.sees("too many wrong tries")
    customer.sees_not("PostNL")


async def test_a_correction(customer: Customer) -> None:
    """ "No, 100235" replaces the number."""
    await customer.says("where is my order 100234?")
    await customer.says("no, 100235")
    await customer.says("ana@example.com")
    customer.sees("100235", "being prepared")


async def test_listing_orders(customer: Customer) -> None:
    """All orders of the verified person, newest first."""
    await customer.says("show me all my orders")
    await customer.says("100234")
    await customer.says("ana@example.com")
    customer.sees("100234", "100235", "100236")
    text = customer.text
    assert text.index("100235") < text.index("100234") < text.index("100236")


async def test_a_verified_customer_chooses_from_buttons(customer: Customer) -> None:
    """Asked which order it is, their latest ones are offered."""
    await customer.says("where is order 100234? ana@example.com")
    await customer.says("please cancel my order")
    await customer.presses("100235")
    customer.sees("Shall I cancel order 100235")


class TestCancelling:
    """Irreversible, so it is checked and confirmed."""

    async def test_yes(self, desk: App, customer: Customer) -> None:
        """Confirmed, it is cancelled; a second press does nothing more."""
        await customer.says("cancel order 100235 please, ana@example.com")
        customer.sees("Shall I cancel order 100235", "119")
        assert await status_of(desk, "100235") == "processing"
        shown = customer.seen
        await customer.presses("Yes, cancel it")
        customer.sees("100235 is cancelled")
        assert await status_of(desk, "100235") == "cancelled"
        customer.seen = shown
        await customer.presses("Yes, cancel it")
        customer.sees("no longer open")

    async def test_no(self, desk: App, customer: Customer) -> None:
        """Refused, it stays."""
        await customer.says("quiero cancelar el pedido 100235, mi correo es ana@example.com")
        await customer.says("no")
        assert await status_of(desk, "100235") == "processing"
        customer.sees("100235")

    async def test_typed_yes_in_chinese(self, desk: App, customer: Customer) -> None:
        """Words serve as well as buttons."""
        await customer.says("我想取消订单100400，邮箱 li.wei@example.com")
        await customer.says("是的")
        assert await status_of(desk, "100400") == "cancelled"

    async def test_too_late(self, desk: App, customer: Customer) -> None:
        """A parcel on its way cannot be cancelled; a return is offered instead."""
        await customer.says("cancel order 100234, ana@example.com")
        customer.sees("can no longer be cancelled", "[Return it]")
        assert await status_of(desk, "100234") == "shipped"

    async def test_corrected_before_the_yes(self, desk: App, customer: Customer) -> None:
        """A corrected number is asked about anew; only that order is cancelled."""
        await customer.says("cancel order 100234, ana@example.com")
        await customer.says("cancel order 100235")
        customer.sees("Shall I cancel order 100235")
        await customer.says("yes")
        assert await status_of(desk, "100234") == "shipped"
        assert await status_of(desk, "100235") == "cancelled"


async def test_a_digression_in_the_middle(customer: Customer) -> None:
    """A general question is answered, and the open one asked again."""
    await customer.says("where is my order?")
    await customer.says("by the way, do you ship to Chile?")
    customer.sees("60 countries", "Track an order", "order number")
    await customer.says("100234")
    customer.sees("e-mail address")


async def test_never_mind(customer: Customer) -> None:
    """What was begun can be dropped."""
    await customer.says("where is my order?")
    await customer.says("never mind")
    customer.sees("stopped")
