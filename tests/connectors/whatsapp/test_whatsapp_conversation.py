"""A whole conversation in Spanish on WhatsApp: the vendor's side is a server on loopback, the rest is real."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import select

from bot.app import App
from bot.services.order_import import import_orders
from bot.storage.models import Conversation, FileStatus, StoredFile, Ticket, TicketType
from connectors.whatsapp.client import PATH
from tests.conftest import StartDesk
from tests.customer import Customer, Shown, eventually
from tests.fakes.serving import serving
from tests.fakes.whatsapp_server import Sent, WhatsAppServer
from tests.scenarios.channels import quiet

ORDERS = Path(__file__).parents[2] / "fixtures" / "orders.csv"
ANA = "34600123456"
PHOTO = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01 two cups in pieces"


class WhatsAppChannel:
    """A customer's chat with the business number."""

    def __init__(self, app: App, server: WhatsAppServer, number: str) -> None:
        self.app, self.server, self.number = app, server, number
        self._said = self._seen = 0

    async def say(self, text: str) -> list[Shown]:
        """Write."""
        await self.server.user_says(self.number, text)
        return await self._answers()

    async def press(self, button: str) -> list[Shown]:
        """Press a button, or choose a row of a list, by its words."""
        await self.server.user_presses(self.number, button)
        return await self._answers()

    async def send_photo(self, data: bytes, caption: str = "") -> list[Shown]:
        """Send a photo."""
        await self.server.user_sends_file(self.number, data, caption=caption)
        return await self._answers()

    async def _answers(self) -> list[Shown]:
        self._said += 1
        await quiet(self.app, self.number, self._said)
        sent = self.server.sent(self.number)
        fresh, self._seen = sent[self._seen :], len(sent)
        return [Shown(item.text, tuple((title, title) for title in item.buttons)) for item in fresh]

    def last(self) -> Sent:
        """The newest message as the platform got it."""
        return self.server.sent(self.number)[-1]


@pytest.fixture
async def chat(start_desk: StartDesk) -> AsyncIterator[WhatsAppChannel]:
    """Ana's chat with a desk that knows the orders of the test shop."""
    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(WhatsAppServer())
        app = await start_desk(env=server.env, only=frozenset({"whatsapp"}))
        result = await import_orders(app.database, ORDERS, app.config.settings.orders.imports, country="ES")
        assert result.bad == []
        server.webhook_url = await stack.enter_async_context(serving(app.web)) + PATH
        yield WhatsAppChannel(app, server, ANA)


async def test_an_order_and_a_complaint_in_spanish(chat: WhatsAppChannel) -> None:
    """An order is looked up, a complaint is made by list and photo, and the photo lands on the ticket."""
    customer = Customer(chat)
    await customer.says("hola, ¿dónde está mi pedido 100236?")
    customer.sees("correo")
    await customer.says("ana@example.com")
    customer.sees("100236", "Tea set")
    await customer.says("quiero poner una reclamación, dos tazas del pedido 100236 llegaron rotas")
    customer.sees("foto", "[Omitir]")
    assert chat.last().body["interactive"]["type"] == "button"
    customer.seen = await chat.send_photo(PHOTO)
    customer.sees("T-0000")

    async def kept() -> StoredFile | None:
        async with chat.app.database.read() as session:
            return await session.scalar(select(StoredFile).where(StoredFile.status == FileStatus.STORED))

    file = await eventually(kept)
    async with chat.app.database.read() as session:
        ticket = (await session.scalars(select(Ticket))).one()
        talk = (await session.scalars(select(Conversation))).one()
    assert (ticket.type, ticket.language, file.ticket_id) == (TicketType.DAMAGED, "es", ticket.id)
    assert (chat.app.config.files_dir / file.path).read_bytes() == PHOTO
    assert (talk.name, talk.chat) == ("Ana Torres", ANA)


async def test_many_choices_are_a_list_whose_rows_can_be_chosen(chat: WhatsAppChannel) -> None:
    """Where there are more choices than buttons, the list opens with words in the customer's language."""
    customer = Customer(chat)
    await customer.says("quiero poner una reclamación")
    titles = [title for message in customer.seen for title, _ in message.buttons]
    assert len(titles) > 3
    interactive = chat.last().body["interactive"]
    assert interactive["type"] == "list"
    assert interactive["action"]["button"] == "Elegir"
    await customer.presses(titles[0])
    assert customer.seen
    assert chat.server.answers == [200, 200]
