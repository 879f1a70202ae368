"""A desk with a small shop, and people who write to it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from bot.app import App
from bot.services import users
from bot.services.order_import import import_orders
from bot.storage.models import Role
from tests.conftest import StartDesk
from tests.customer import Agent, Customer, RestChannel

ORDERS = """\
order_number,customer_id,name,email,phone,placed_at,currency,sku,description,quantity,unit_price,country,status,carrier,tracking_number
100234,7,Ana Torres,ana@example.com,+34600123456,2026-05-01 10:00,EUR,A1,Running shoes,1,89.90,ES,shipped,PostNL,RR123456785NL
100234,7,Ana Torres,ana@example.com,+34600123456,2026-05-01 10:00,EUR,A2,Merino scarf,2,10.00,ES,shipped,PostNL,RR123456785NL
100235,7,Ana Torres,ana@example.com,+34600123456,2026-05-03 10:00,EUR,A3,Rain jacket,1,119.00,ES,processing,,
100236,7,Ana Torres,ana@example.com,+34600123456,2026-04-01 10:00,EUR,A4,Tea set,1,72.50,ES,delivered,PostNL,RR987654321NL
CN-2024-88121,8,Li Wei,li.wei@example.com,+8613800138000,2026-05-02 10:00,EUR,A5,Backpack,1,59.00,CN,shipped,PostNL,
100400,8,Li Wei,li.wei@example.com,+8613800138000,2026-05-04 10:00,EUR,A6,Desk lamp,1,49.00,CN,paid,,
"""


@pytest.fixture
def shop(tmp_path: Path) -> Callable[[App], Awaitable[None]]:
    """Fills a desk with the orders above."""

    async def fill(app: App) -> None:
        path = tmp_path / "orders.csv"
        path.write_text(ORDERS, encoding="utf-8")
        result = await import_orders(app.database, path, app.config.settings.orders.imports, country="ES")
        assert result.bad == []

    return fill


@pytest.fixture
async def desk(start_desk: StartDesk, shop: Callable[[App], Awaitable[None]]) -> App:
    """A running desk with the shop, reached over REST."""
    app = await start_desk(only=frozenset({"rest"}))
    await shop(app)
    return app


@pytest.fixture
def customer(desk: App) -> Customer:
    """Someone new who writes to the desk."""
    return Customer(RestChannel(desk))


@pytest.fixture
async def agent(desk: App) -> Agent:
    """Someone at the desk."""
    async with desk.database.begin() as session:
        user = await users.add(session, "sam", "Sam", "a long password", Role.AGENT)
    return Agent(desk, user)
