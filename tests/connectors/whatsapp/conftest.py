"""A Graph API server on the loopback interface, and connectors to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import pytest
from starlette.applications import Starlette

from bot.config import Config, Settings
from bot.inbox import Acceptor
from bot.storage import Database
from bot.texts import Texts
from connectors import Host
from connectors.whatsapp.client import PATH, WhatsAppConnector
from tests.fakes.serving import serving
from tests.fakes.whatsapp_server import WhatsAppServer

Connect = Callable[..., WhatsAppConnector]
TEMPLATE = {"name": "customer_service", "languages": {"en": "en_US", "zh-Hans": "zh_CN"}}


@pytest.fixture
async def whatsapp() -> AsyncIterator[WhatsAppServer]:
    """The Graph API server."""
    async with WhatsAppServer() as server:
        yield server


@pytest.fixture
async def connect(whatsapp: WhatsAppServer, database: Database, config: Config, texts: Texts) -> AsyncIterator[Connect]:
    """Builds connectors to the server; ``options`` are those of config.yml, ``env`` replaces variables."""
    made = []

    def build(
        options: dict[str, Any] | None = None, env: dict[str, str] | None = None, public_url: str = ""
    ) -> WhatsAppConnector:
        changes = {"connectors": {"whatsapp": options or {}}, "web": {"public_url": public_url}}
        settings = Settings.model_validate(config.settings.model_dump() | changes)
        own = replace(config, settings=settings)
        connector = WhatsAppConnector(Host(database, own, whatsapp.env | (env or {}), texts))
        made.append(connector)
        return connector

    yield build
    for connector in made:
        await connector.stop()


@pytest.fixture
async def receiving(whatsapp: WhatsAppServer, connect: Connect, accept: Acceptor) -> AsyncIterator[WhatsAppConnector]:
    """A running connector, whose webhook the server calls."""
    async with AsyncExitStack() as stack:
        connector = connect()
        await connector.start(accept)
        url = await stack.enter_async_context(serving(Starlette(routes=connector.routes())))
        whatsapp.webhook_url = url + PATH
        yield connector
