"""The demonstration: an invented shop, a few conversations, and what to try.

Everything here is made up. The data is the same on every machine except for its dates, which are
counted from today, so that parcels are always on their way.
"""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.table import Table
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot import agents
from bot.app import App
from bot.config import Config
from bot.contracts import Address, Inbound
from bot.inbox import store
from bot.services import users
from bot.storage import Database, now
from bot.storage.migrate import upgrade
from bot.storage.models import (
    Conversation,
    Customer,
    Inbox,
    InboxStatus,
    OrderLineRow,
    OrderRow,
    Role,
    Survey,
    SurveyStatus,
    User,
)
from bot.texts import SOURCE_LANGUAGE

SEED = 20_000
CHANNEL = "web"
SIGN_INS = (
    ("agent", "Alex Moreau", Role.AGENT, "demo-agent-1"),
    ("manager", "Mei Tanaka", Role.MANAGER, "demo-manager-1"),
)
# (name, e-mail, telephone, country, tier)
PEOPLE = (
    ("Ana Torres", "ana@example.com", "+34600123456", "ES", "gold"),
    ("Li Wei", "li.wei@example.com", "+8613800138000", "CN", "standard"),
    ("Emma Clarke", "emma@example.com", "+447700900123", "GB", "standard"),
    ("Lucas Fernández", "lucas@example.com", "+541145678901", "AR", "standard"),
    ("Sofía Ramírez", "sofia@example.com", "+525512345678", "MX", "silver"),
    ("Zhang Min", "zhang.min@example.com", "+8613912345678", "CN", "gold"),
    ("Oliver Smith", "oliver@example.com", "+12025550143", "US", "standard"),
    ("Chen Jing", "chen.jing@example.com", "+8613611112222", "CN", "silver"),
)
PRODUCTS = (
    ("NL-1001", "Trail running shoes", "89.90"),
    ("NL-1002", "Canvas backpack 20 l", "59.00"),
    ("NL-1003", "Linen shirt", "45.00"),
    ("NL-1004", "Porcelain tea set", "72.50"),
    ("NL-1005", "Merino scarf", "34.90"),
    ("NL-1006", "Desk lamp", "49.00"),
    ("NL-1007", "Rain jacket", "119.00"),
    ("NL-1008", "Glass water bottle", "18.90"),
)
# The orders that the things to try speak of: (number, person, status, days ago, products)
KNOWN_ORDERS = (
    ("100234", 0, "shipped", 4, (0, 4)),
    ("100235", 0, "processing", 1, (6,)),
    ("100236", 0, "delivered", 20, (3,)),
    ("CN-2024-88121", 1, "shipped", 6, (1, 7)),
    ("100240", 1, "paid", 0, (5,)),
    ("100250", 2, "delivered", 9, (2, 2, 7)),
    ("100251", 2, "pending", 0, (0,)),
    ("100260", 3, "delivered", 12, (3,)),
    ("100261", 7, "shipped", 5, (1, 4)),
)
# What is said in the conversations that fill the desk; each line waits for its answer.
CONVERSATIONS = (
    ("en", 2, ("hi there", "where is my order 100250?", "emma@example.com", "great, thanks!")),
    ("es", 3, ("hola, ¿dónde está mi pedido 100260?", "lucas@example.com", "¿hacéis envíos a Chile?", "gracias")),
    ("zh-Hans", 7, ("你好", "我的订单 100261 到哪了？", "chen.jing@example.com", "谢谢")),
    (
        "en",
        6,
        ("My tea set arrived with two broken cups, I am really disappointed", "skip", "skip", "ok thanks"),
    ),
    ("es", 4, ("el paquete llegó roto y faltan piezas", "saltar", "saltar")),
    ("zh-Hans", 7, ("我要找人工客服", "我的退款一直没到，麻烦帮我查一下")),
    ("en", 6, ("I want to talk to a real person please", "It's about a refund that never arrived.")),
)
RATED = (0, 1, 2)
RATINGS = (5, 4, 5)


def suited(config: Config) -> Config:
    """The settings for a demonstration: surveys leave at any hour, because somebody is waiting for them."""
    surveys = config.settings.surveys.model_copy(update={"quiet_hours": ""})
    return replace(config, settings=config.settings.model_copy(update={"surveys": surveys}))


async def prepare(config: Config) -> Callable[[App, str], Coroutine[Any, Any, None]]:
    """Make the database and fill the shop, once; returns what introduces the running desk."""
    database = Database(config.database_url)
    try:
        await upgrade(database)
        async with database.begin() as session:
            empty = not await session.scalar(select(func.count()).select_from(User))
            if empty:
                await _fill(session)
    finally:
        await database.close()

    async def introduce(app: App, base: str) -> None:
        _print(base)
        if empty:
            await _converse(app)

    return introduce


async def _fill(session: AsyncSession) -> None:
    for username, name, role, password in SIGN_INS:
        await users.add(session, username, name, password, role)
    people = [
        Customer(external_ref=f"demo-{index}", name=name, email=email, phone=phone, country=country, tier=tier)
        for index, (name, email, phone, country, tier) in enumerate(PEOPLE)
    ]
    session.add_all(people)
    await session.flush()
    for number, person, status, days, products in KNOWN_ORDERS:
        await _order(session, number, people[person], status, days, products)
    chance = random.Random(SEED)
    everything = range(len(PRODUCTS))
    statuses = ("delivered",) * 6 + ("shipped", "shipped", "processing", "paid", "cancelled", "returned")
    for index in range(60):
        buyer, status = chance.choice(people), chance.choice(statuses)
        days = chance.randint(12, 300) if status in ("delivered", "cancelled", "returned") else chance.randint(0, 7)
        chosen = tuple(chance.choices(everything, k=chance.randint(1, 4)))
        await _order(session, f"{100300 + index}", buyer, status, days, chosen)


async def _order(
    session: AsyncSession, number: str, person: Customer, status: str, days: int, products: tuple[int, ...]
) -> None:
    placed = now() - timedelta(days=days, hours=3)
    quantities = {product: products.count(product) for product in dict.fromkeys(products)}
    total = sum((Decimal(PRODUCTS[product][2]) * count for product, count in quantities.items()), Decimal(0))
    sent = status in ("shipped", "delivered", "returned")
    row = OrderRow(
        number=number,
        number_key=number.replace("-", ""),
        customer_id=person.id,
        status=status,
        placed_at=placed,
        currency="EUR",
        total=total,
        country=person.country,
        email=person.email,
        phone=person.phone,
        carrier="PostNL" if sent else "",
        tracking_number=_s10(int("".join(filter(str.isdigit, number))) % 10**8) if sent else "",
        expected_on=now().date() + timedelta(days=3) if status == "shipped" else None,
        delivered_at=placed + timedelta(days=6) if status in ("delivered", "returned") else None,
        cancelled_at=placed + timedelta(days=1) if status == "cancelled" else None,
    )
    session.add(row)
    await session.flush()
    for position, (product, count) in enumerate(quantities.items(), 1):
        sku, description, price = PRODUCTS[product]
        line = OrderLineRow(
            order_id=row.id,
            position=position,
            sku=sku,
            description=description,
            quantity=count,
            unit_price=Decimal(price),
        )
        session.add(line)


def _s10(serial: int) -> str:
    """A postal tracking number with its check digit (UPU standard S10)."""
    digits = f"{serial:08d}"
    total = sum(int(digit) * weight for digit, weight in zip(digits, (8, 6, 4, 2, 3, 5, 9, 7), strict=True))
    check = 11 - total % 11
    return f"RR{digits}{ ({10: 0, 11: 5}.get(check, check)) }NL"


async def _converse(app: App) -> None:
    """Hold the conversations through the real pipeline, then resolve and rate some of them."""
    spoken = app.config.settings.languages
    ids: list[int] = []
    for index, (language, _person, lines) in enumerate(CONVERSATIONS):
        if language in spoken:
            ids.append(await _hold(app, f"demo-{index}", language, lines))
    async with app.database.begin() as session:
        agent = (await session.scalars(select(User).where(User.username == SIGN_INS[0][0]))).one()
        for conversation_id in (ids[index] for index in RATED if index < len(ids)):
            settings = app.config.settings.handoff
            await agents.take_over(session, conversation_id, agent, settings)
            await agents.resolve(session, app.voice, conversation_id, agent, app.config.settings.surveys)
    for conversation_id, rating in zip((ids[index] for index in RATED if index < len(ids)), RATINGS, strict=False):
        await _rate(app, conversation_id, rating)


async def _hold(app: App, visitor: str, language: str, lines: tuple[str, ...]) -> int:
    address = Address(CHANNEL, visitor, visitor)
    name = f"Visitor {visitor.removeprefix('demo-')}"
    for number, text in enumerate(lines):
        event = Inbound(f"{visitor}-{number}", address, text, locale=language or SOURCE_LANGUAGE, name=name)
        async with app.database.begin() as session:
            (inbox_id,) = await store(session, [event])
        await _until(app, select(Inbox.id).where(Inbox.id == inbox_id, Inbox.status != InboxStatus.PENDING))
    async with app.database.read() as session:
        return (await session.scalars(select(Conversation.id).where(Conversation.chat == visitor))).one()


async def _rate(app: App, conversation_id: int, rating: int) -> None:
    sent = select(Survey.id).where(Survey.conversation_id == conversation_id, Survey.status == SurveyStatus.SENT)
    survey_id = await _until(app, sent)
    async with app.database.begin() as session:
        chat = await session.get_one(Conversation, conversation_id)
        payload = f'/inform{{"rating": "{rating}", "survey": "{survey_id}"}}'
        event = Inbound(f"{chat.chat}-rating", Address(CHANNEL, chat.chat, chat.user), str(rating), payload)
        await store(session, [event])


async def _until(app: App, query: Any, seconds: float = 15) -> Any:
    """What a query finds, waited for."""
    for _ in range(int(seconds / 0.05)):
        async with app.database.read() as session:
            if (found := await session.scalar(query)) is not None:
                return found
        await asyncio.sleep(0.05)
    raise TimeoutError("the demonstration's conversations were not answered in time")


def _print(base: str) -> None:
    console = Console(file=sys.stdout, highlight=False)
    console.print("\n[bold]Linguadesk is running.[/] Everything in it is invented; Ctrl+C ends it.\n")
    places = Table(show_header=False, box=None, padding=(0, 2))
    places.add_row("Chat, as a customer", f"{base}/chat")
    places.add_row("Desk, as an agent", f"{base}/desk")
    places.add_row("Dashboard, as a manager", f"{base}/desk/dashboard")
    console.print(places)
    console.print("\n[bold]Sign-ins for the desk[/]")
    accounts = Table(show_header=False, box=None, padding=(0, 2))
    for username, name, role, password in SIGN_INS:
        accounts.add_row(username, password, f"{name}, {role.value}")
    console.print(accounts)
    console.print("\n[bold]Five things to try in the chat[/]")
    for number, line in enumerate(
        (
            "Where is my order 100234?   (then, as proof: ana@example.com)",
            "quiero cancelar el pedido 100235   (ana@example.com)",
            "我的订单 CN-2024-88121 到哪了？   (li.wei@example.com)",
            "The tea set arrived with two broken cups",
            "I want to talk to a person   (then answer as agent from the desk)",
        ),
        1,
    ):
        console.print(f"  {number}. {line}")
    console.print()
    sys.stdout.flush()
