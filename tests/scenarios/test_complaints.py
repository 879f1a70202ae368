"""Conversations about complaints and tickets."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from bot.app import App
from bot.storage.models import OrderRow, Ticket, TicketType
from tests.customer import Customer, RestChannel


async def tickets(desk: App) -> list[Ticket]:
    """All tickets, oldest first."""
    async with desk.database.read() as session:
        return list(await session.scalars(select(Ticket).order_by(Ticket.id)))


async def test_a_told_complaint_needs_few_questions(desk: App, customer: Customer) -> None:
    """Type and description are taken from the first message; the number of the ticket is told."""
    text = "My tea set from order 100236 arrived completely broken, two cups are in pieces"
    await customer.says(text)
    customer.sees("photo")
    await customer.says("skip")
    customer.sees("T-000001")
    (ticket,) = await tickets(desk)
    assert (ticket.type, ticket.description, ticket.order_number) == (TicketType.DAMAGED, text, "100236")
    assert ticket.language == "en"


async def test_everything_is_asked_for(desk: App, customer: Customer) -> None:
    """Type by button, order, description and photo, one after the other."""
    await customer.says("I want to make a complaint")
    await customer.presses("Wrong item")
    customer.sees("Which order")
    await customer.says("100236")
    customer.sees("describe")
    await customer.says("I ordered a blue jacket and got a red one")
    customer.sees("photo")
    await customer.presses("Skip")
    customer.sees("T-000001")
    (ticket,) = await tickets(desk)
    assert ticket.type is TicketType.WRONG_ITEM
    assert ticket.description == "I ordered a blue jacket and got a red one"


async def test_in_spanish(desk: App, customer: Customer) -> None:
    """The whole conversation in Spanish."""
    await customer.says("mi pedido llegó roto y la caja estaba aplastada, muy decepcionado")
    customer.sees("pedido")
    await customer.says("100236")
    await customer.says("no tengo foto")
    customer.sees("T-000001")
    (ticket,) = await tickets(desk)
    assert (ticket.type, ticket.language) == (TicketType.DAMAGED, "es")


async def test_in_chinese(desk: App, customer: Customer) -> None:
    """The whole conversation in Chinese."""
    await customer.says("我收到的杯子是碎的，包装盒也压扁了，太失望了")
    await customer.says("跳过")
    await customer.says("跳过")
    customer.sees("T-000001")
    (ticket,) = await tickets(desk)
    assert (ticket.type, ticket.language) == (TicketType.DAMAGED, "zh-Hans")


async def test_an_order_is_linked_only_when_proved(desk: App, customer: Customer) -> None:
    """A claimed number is kept as a claim; for a verified customer the order itself is linked."""
    text = "My tea set from order 100236 arrived completely broken, two cups are in pieces"
    await customer.says(text)
    await customer.says("skip")
    await customer.says("where is order 100236? ana@example.com")
    await customer.says(text)
    await customer.says("skip")
    await customer.presses("Open a new one")
    claimed, proved = await tickets(desk)
    async with desk.database.read() as session:
        order = (await session.scalars(select(OrderRow).where(OrderRow.number == "100236"))).one()
    assert (claimed.order_id, claimed.customer_id) == (None, None)
    assert (proved.order_id, proved.customer_id) == (order.id, order.customer_id)


async def test_payment_problem_is_a_billing_ticket(desk: App, customer: Customer) -> None:
    """No question about the type is needed."""
    await customer.says("my card was charged twice for order 100236, I need the money back")
    await customer.says("skip")
    customer.sees("T-000001")
    (ticket,) = await tickets(desk)
    assert ticket.type is TicketType.BILLING


async def test_ticket_status(desk: App, customer: Customer) -> None:
    """One's own tickets by asking or by number; other people's stay hidden."""
    await customer.says("any news on my complaint?")
    customer.sees("no ticket of yours")
    await customer.says("My tea set from order 100236 arrived completely broken, two cups are in pieces")
    await customer.says("skip")
    await customer.says("any news on my complaint?")
    customer.sees("T-000001", "damaged", "received")
    await customer.says("T-000001")
    customer.sees("T-000001", "received")
    stranger = Customer(RestChannel(desk))
    await stranger.says("what is the status of ticket T-000001?")
    stranger.sees("can't find ticket T-000001")
    stranger.sees_not("damaged")


@pytest.mark.parametrize("words", ["the battery caught fire and burned my daughter's hand", "I will call my lawyer"])
async def test_grave_words_raise_the_severity(desk: App, customer: Customer, words: str) -> None:
    """Injury and threats make a ticket critical."""
    await customer.says(f"The lamp from order 100400 arrived damaged and {words}")
    await customer.says("skip")
    (ticket,) = await tickets(desk)
    assert ticket.severity.value == "critical"
