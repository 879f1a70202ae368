"""A Bot API server on the loopback interface, and connectors to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from bot.config import Config
from bot.contracts import Inbound, RoomView
from bot.inbox import Acceptor
from bot.storage import Database
from bot.texts import Texts
from connectors import Host
from connectors.telegram import api, client, courtesy, menu
from connectors.telegram.client import TelegramConnector
from tests.fakes.telegram_server import TelegramServer

Connect = Callable[..., TelegramConnector]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses after failures as short as tests want them."""
    monkeypatch.setattr(client, "BACKOFF_SECONDS", (0.01, 0.05))
    monkeypatch.setattr(client, "TOKEN_BACKOFF_SECONDS", 0.05)
    monkeypatch.setattr(client, "POLL_SECONDS", 1)
    monkeypatch.setattr(courtesy, "PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(menu, "PAUSE_SECONDS", 0.01)
    # What a test waits for comes at once; the defaults are for the wide world.
    monkeypatch.setattr(api, "TIMEOUT_SECONDS", 5.0)


class Noting:
    """The inbox, and a note of what it was given: some events change what is stored without being stored."""

    def __init__(self, accept: Acceptor) -> None:
        self._accept = accept
        self.events: list[Inbound] = []

    async def __call__(self, events: Sequence[Inbound]) -> Sequence[int | None]:
        """Store, then note."""
        ids = await self._accept(events)
        self.events += events
        return ids

    async def taken(self, count: int) -> list[Inbound]:
        """All events so far, once there are ``count``."""
        async with asyncio.timeout(20):
            while len(self.events) < count:
                await asyncio.sleep(0.005)
        return self.events


@pytest.fixture
def noting(accept: Acceptor) -> Noting:
    """What the program gives to connectors, looked over the shoulder."""
    return Noting(accept)


@pytest.fixture
async def telegram() -> AsyncIterator[TelegramServer]:
    """The Bot API server."""
    async with TelegramServer() as server:
        yield server


def with_agents(config: Config, chat: Any) -> Config:
    """The configuration with an agents' group."""
    connectors = config.settings.connectors | {"telegram": {"agents_chat": chat}}
    return replace(config, settings=config.settings.model_copy(update={"connectors": connectors}))


@pytest.fixture
def rooms() -> dict[str, RoomView]:
    """What is known of the agents' rooms, by thread."""
    return {}


@pytest.fixture
async def connect(
    telegram: TelegramServer, database: Database, config: Config, texts: Texts, rooms: dict[str, RoomView]
) -> AsyncIterator[Connect]:
    """Builds connectors to the server: ``connect()`` polls, ``connect(env)`` is set as given."""
    made = []

    async def room(_channel: str, _chat: str, thread: str) -> RoomView | None:
        return rooms.get(thread)

    def build(env: dict[str, str] | None = None, agents_chat: Any = None) -> TelegramConnector:
        settings = config if agents_chat is None else with_agents(config, agents_chat)
        connector = TelegramConnector(Host(database, settings, env or telegram.env, texts, room=room))
        made.append(connector)
        return connector

    yield build
    for connector in made:
        await connector.stop()
