"""A Slack workspace on the loopback interface, and connectors to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest
from starlette.applications import Starlette

from bot.config import Config
from bot.storage import Database
from bot.texts import Texts
from connectors import Host
from connectors.slack import client
from connectors.slack.client import SlackConnector
from tests.fakes.serving import serving
from tests.fakes.slack_server import SlackServer

Connect = Callable[..., SlackConnector]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses after failures as short as tests want them."""
    monkeypatch.setattr(client, "PING_SECONDS", 0.2)
    monkeypatch.setattr(client, "SOCKET_CHECK_SECONDS", 0.1)
    monkeypatch.setattr(client, "CHORE_PAUSE_SECONDS", 0.01)


@pytest.fixture
async def slack() -> AsyncIterator[SlackServer]:
    """The workspace; it repeats quickly what is not acknowledged."""
    async with SlackServer(patience=1.0) as server:
        yield server


@pytest.fixture
async def connect(slack: SlackServer, database: Database, config: Config, texts: Texts) -> AsyncIterator[Connect]:
    """Builds connectors to the workspace: ``connect()`` is set for HTTP, ``connect(env)`` as given."""
    made = []

    def build(env: dict[str, str] | None = None) -> SlackConnector:
        connector = SlackConnector(Host(database, config, env or slack.env(), texts))
        made.append(connector)
        return connector

    yield build
    for connector in made:
        await connector.stop()


@pytest.fixture(params=["http", "socket"])
async def receiving(
    request: pytest.FixtureRequest, slack: SlackServer, connect: Connect
) -> AsyncIterator[SlackConnector]:
    """A connector, not yet started, in each mode in turn; by HTTP it is served already."""
    if request.param == "socket":
        yield connect(slack.env(socket=True))
        return
    connector = connect(slack.env())
    async with serving(Starlette(routes=connector.routes())) as url:
        slack.events_url = f"{url}/webhooks/slack/events"
        yield connector
