"""A Slack workspace on the loopback interface, and connectors to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace

import pytest
from starlette.applications import Starlette

from bot.config import Config, Shop
from bot.contracts import Address, Overview, RoomView
from bot.domain import load_domain
from bot.storage import Database
from bot.texts import Texts
from connectors import Host
from connectors.slack import api, client, customers
from connectors.slack import receiving as transport
from connectors.slack.client import SlackConnector
from tests.connectors.conftest import ROOT
from tests.fakes.serving import serving
from tests.fakes.slack_server import SlackServer

AGENTS = "C0AGENTS01"
Connect = Callable[..., SlackConnector]


@dataclass
class Known:
    """What the program knows of customers and rooms; ``error`` is what happens instead of an answer."""

    overviews: dict[str, Overview] = field(default_factory=dict)
    rooms: dict[tuple[str, str, str], RoomView] = field(default_factory=dict)
    error: Exception | None = None

    async def overview(self, address: Address) -> Overview:
        """What a home page shows."""
        if self.error:
            raise self.error
        return self.overviews.get(address.user, Overview("", False))

    async def room(self, channel: str, chat: str, thread: str) -> RoomView | None:
        """What a form for a reply needs."""
        if self.error:
            raise self.error
        return self.rooms.get((channel, chat, thread))


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses after failures as short as tests want them."""
    monkeypatch.setattr(transport, "PING_SECONDS", 0.5)
    monkeypatch.setattr(transport, "SOCKET_CHECK_SECONDS", 0.1)
    monkeypatch.setattr(api, "CHORE_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(client, "IDENTIFY_SECONDS", 0.02)
    monkeypatch.setattr(customers, "POLL_SECONDS", 0.02)


@pytest.fixture
async def slack() -> AsyncIterator[SlackServer]:
    """The workspace; it repeats quickly what is not acknowledged."""
    async with SlackServer(patience=1.0) as server:
        yield server


@pytest.fixture
def known() -> Known:
    """What the program lends to the connectors of this test."""
    return Known()


@pytest.fixture(scope="session")
def texts() -> Texts:
    """The wordings in three languages."""
    return Texts(load_domain(ROOT), ["en", "es", "fr"], Shop())


@pytest.fixture
async def connect(
    slack: SlackServer, database: Database, config: Config, texts: Texts, known: Known
) -> AsyncIterator[Connect]:
    """Builds connectors to the workspace: ``connect()`` is set for HTTP, ``connect(env)`` as given.

    ``agents`` is the agents' channel, none by default.
    """
    made = []

    def build(env: dict[str, str] | None = None, agents: str = "", **options: object) -> SlackConnector:
        channel = options | ({"agents_channel": agents} if agents else {})
        settings = config.settings.model_copy(
            update={"languages": ("en", "es", "fr"), "connectors": {"slack": channel}}
        )
        own = replace(config, settings=settings)
        host = Host(database, own, env or slack.env(), texts, overview=known.overview, room=known.room)
        connector = SlackConnector(host)
        made.append(connector)
        return connector

    yield build
    for connector in made:
        await connector.stop()


@pytest.fixture(params=["http", "socket"])
async def receiving_in(
    request: pytest.FixtureRequest, slack: SlackServer, connect: Connect
) -> AsyncIterator[Callable[..., SlackConnector]]:
    """Builds one connector, not yet started, in each mode in turn; by HTTP it is served already."""
    if request.param == "socket":
        yield lambda **options: connect(slack.env(socket=True), **options)
        return
    served = Starlette()

    def build(**options: object) -> SlackConnector:
        connector = connect(slack.env(), **options)
        served.router.routes.extend(connector.routes())
        return connector

    async with serving(served) as url:
        slack.events_url = f"{url}/webhooks/slack/events"
        yield build


@pytest.fixture
def receiving(receiving_in: Callable[..., SlackConnector]) -> SlackConnector:
    """A connector, not yet started, in each mode in turn."""
    return receiving_in()
