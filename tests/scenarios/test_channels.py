"""Whole conversations about real orders, in three languages, on every platform."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from sqlalchemy import select

from bot.app import App
from bot.config import Config, load_config
from bot.services.order_import import import_orders
from bot.storage import Database
from bot.storage.models import OrderRow, Ticket, TicketType
from tests.conftest import StartDesk
from tests.customer import Channel, Customer
from tests.databases import prepared
from tests.scenarios.channels import PLATFORMS

ROOT = Path(__file__).parents[2]
REAL = ROOT.parent / "shared" / "data" / "online_retail_sample.csv"


async def english(customer: Customer) -> None:
    """Tracking, a digression, a complaint with a correction."""
    await customer.says("hi, where is my order 100236?")
    customer.sees("e-mail address")
    await customer.says("do you ship to Chile?")
    customer.sees("60 countries", "Back to")
    await customer.says("ana@example.com")
    customer.sees("100236", "delivered", "Tea set")
    await customer.says("two of the cups are broken, I am very disappointed with the quality of the packing")
    await customer.presses("100236")
    customer.sees("photo")
    await customer.presses("Skip")
    customer.sees("T-0000")


async def spanish(customer: Customer) -> None:
    """Cancelling with a button, and thinking better of it."""
    await customer.says("hola, quiero cancelar el pedido 100235, mi correo es ana@example.com")
    customer.sees("100235", "119,00")
    titles = [title for message in customer.seen for title, _ in message.buttons]
    await customer.presses(titles[1])
    customer.sees("100235")
    await customer.says("mejor sí, cancela el pedido 100235")
    await customer.presses(titles[0])
    customer.sees("100235")


async def chinese(customer: Customer) -> None:
    """Tracking, then a person."""
    await customer.says("我的订单 CN-2024-88121 到哪了？")
    customer.sees("邮箱")
    await customer.says("li.wei@example.com")
    customer.sees("CN-2024-88121", "Backpack")
    await customer.says("我要找人工客服")
    customer.sees("同事")
    await customer.says("在吗？")
    customer.sees_nothing()


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_three_languages_at_once(
    platform: str, start_desk: StartDesk, shop: Callable[[App], Awaitable[None]]
) -> None:
    """Three people write at the same time; each is answered in their language, and the shop is as they left it."""
    async with PLATFORMS[platform](start_desk) as (app, join):
        await shop(app)
        talks = (("en", english), ("es", spanish), ("zh-CN", chinese))
        people: list[Channel] = [join(number, locale) for number, (locale, _) in enumerate(talks)]
        await asyncio.gather(*(talk(Customer(person)) for person, (_, talk) in zip(people, talks, strict=True)))
        async with app.database.read() as session:
            ticket = (await session.scalars(select(Ticket))).one()
            cancelled = (await session.scalars(select(OrderRow.number).where(OrderRow.status == "cancelled"))).all()
        assert ticket.type is TicketType.DAMAGED
        assert cancelled == ["100235"]


@pytest.fixture(scope="module")
def real_orders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with the orders of the public sample."""
    folder = tmp_path_factory.mktemp("real")

    async def fill() -> None:
        database = Database(f"sqlite+aiosqlite:///{folder / 'linguadesk.db'}")
        await prepared(database)
        result = await import_orders(database, REAL, load_config(ROOT, env={}).settings.orders.imports)
        await database.close()
        assert result.orders_new == 12_392

    asyncio.run(fill())
    return folder


@pytest.mark.skipif(not REAL.exists(), reason="the public sample of real orders is not beside the repository")
@pytest.mark.parametrize("platform", PLATFORMS)
async def test_real_orders(platform: str, start_desk: StartDesk, real_orders: Path, config: Config) -> None:
    """Orders of a public data set, asked about in three languages on each platform."""
    shutil.copytree(real_orders, config.data_dir)
    async with PLATFORMS[platform](start_desk) as (app, join):
        asked = {
            "en": ("where is my order 569901?", "has been delivered"),
            "es": ("¿dónde está mi pedido 565806?", "entregado"),
            "zh-CN": ("我的订单 568198 到哪里了？", "送达"),
        }
        async with app.database.read() as session:
            contacts = {
                number: (await session.scalars(select(OrderRow.email).where(OrderRow.number == number))).one()
                for number in ("569901", "565806", "568198")
            }

        async def ask(person: Channel, question: str, seen: str) -> None:
            number = next(number for number in contacts if number in question)
            customer = Customer(person)
            await customer.says(question)
            await customer.says(contacts[number])
            customer.sees(number, seen)

        people = [join(index, locale) for index, locale in enumerate(asked)]
        texts = list(asked.values())
        await asyncio.gather(*(ask(who, *text) for who, text in zip(people, texts, strict=True)))
