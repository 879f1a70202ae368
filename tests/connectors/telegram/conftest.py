"""A Bot API server on the loopback interface, and connectors to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest

from bot.config import Config
from bot.storage import Database
from bot.texts import Texts
from connectors import Host
from connectors.telegram import client
from connectors.telegram.client import TelegramConnector
from tests.fakes.telegram_server import TelegramServer

Connect = Callable[..., TelegramConnector]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses after failures as short as tests want them."""
    monkeypatch.setattr(client, "BACKOFF_SECONDS", (0.01, 0.05))
    monkeypatch.setattr(client, "TOKEN_BACKOFF_SECONDS", 0.05)
    monkeypatch.setattr(client, "POLL_SECONDS", 1)


@pytest.fixture
async def telegram() -> AsyncIterator[TelegramServer]:
    """The Bot API server."""
    async with TelegramServer() as server:
        yield server


@pytest.fixture
async def connect(telegram: TelegramServer, database: Database, config: Config, texts: Texts) -> AsyncIterator[Connect]:
    """Builds connectors to the server: ``connect()`` polls, ``connect(env)`` is set as given."""
    made = []

    def build(env: dict[str, str] | None = None) -> TelegramConnector:
        connector = TelegramConnector(Host(database, config, env or telegram.env, texts))
        made.append(connector)
        return connector

    yield build
    for connector in made:
        await connector.stop()
