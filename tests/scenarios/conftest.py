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

ORDERS = Path(__file__).parents[1] / "fixtures" / "orders.csv"


@pytest.fixture
def shop() -> Callable[[App], Awaitable[None]]:
    """Fills a desk with the orders of the test shop."""

    async def fill(app: App) -> None:
        result = await import_orders(app.database, ORDERS, app.config.settings.orders.imports, country="ES")
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
