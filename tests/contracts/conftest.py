"""A connector of each channel in turn, against its platform on the loopback interface."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

import connectors
from bot.config import Config, Settings
from bot.contracts import Connector, Inbound, RoomView
from bot.inbox import Acceptor
from bot.storage import Database
from bot.texts import Texts
from connectors import Host
from tests.connectors.conftest import accept, database, empty_database, texts
from tests.contracts.channel import Call, Channel, channels, recorded
from tests.contracts.schema import complaint, known

__all__ = ["accept", "database", "empty_database", "texts"]

CHANNELS = channels()
RECORDED = [(channel, one) for channel in CHANNELS for one in recorded(channel)]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Ask each channel that there is something to ask of."""
    if "one" in metafunc.fixturenames:
        ids = [f"{channel.name}-{one.name}" for channel, one in RECORDED]
        metafunc.parametrize(("channel", "one"), RECORDED, ids=ids)
    elif "fault" in metafunc.fixturenames:
        faults = [(channel, fault) for channel in CHANNELS for fault in channel.faults()]
        ids = [f"{channel.name}-{fault.name}" for channel, fault in faults]
        metafunc.parametrize(("channel", "fault"), faults, ids=ids)
    elif "channel" in metafunc.fixturenames:
        wanted = getattr(metafunc.function, "asked_of", lambda channel: True)
        chosen = [channel for channel in CHANNELS if wanted(channel)]
        metafunc.parametrize("channel", chosen, ids=[channel.name for channel in chosen])


@dataclass
class Inbox:
    """An inbox that tells what it was given; ``trouble`` keeps it from storing anything."""

    accept: Acceptor
    events: list[Inbound] = field(default_factory=list)
    trouble: Exception | None = None

    async def __call__(self, events: Sequence[Inbound]) -> Sequence[int | None]:
        """Store them, or fail."""
        if self.trouble is not None:
            raise self.trouble
        self.events += events
        return await self.accept(events)


@dataclass
class Running:
    """A channel's connector at work: what its platform has, and what the desk has got from it."""

    channel: Channel
    connector: Connector
    server: Any
    inbox: Inbox
    client: httpx.AsyncClient
    host: Host
    # Whether requests are to be of the platform's form: not where nonsense came in.
    sensible: bool = True

    async def deliver(self, payload: Any) -> httpx.Response:
        """Bring an object as the platform does."""
        return await self.channel.deliver(self.client, payload)


async def _room(channel: str, chat: str, thread: str) -> RoomView | None:
    """Every room is one of a hand-over that goes on."""
    return RoomView(True, "es", "en", (("Greeting", "Hello, how can I help?"),)) if thread else None


def configured(config: Config, channel: Channel) -> Config:
    """The configuration with the channel's options."""
    given = config.settings.model_dump()
    settings = Settings.model_validate(given | {"connectors": {channel.name: dict(channel.options)}})
    return replace(config, settings=settings)


@pytest.fixture
async def running(
    channel: Channel, config: Config, database: Database, accept: Acceptor, texts: Texts
) -> AsyncIterator[Running]:
    """The channel's connector, started. At the end every request that it has made must be of the platform's form."""
    async with channel.server() as server:
        own = configured(replace(config, env=channel.env(server)), channel)
        host = Host(database, own, own.env, texts, room=_room)
        connector = connectors.create(channel.name, host)
        web = Starlette(routes=getattr(connector, "routes", list)())
        transport = httpx.ASGITransport(app=web, client=("127.0.0.1", 50000))
        inbox = Inbox(accept)
        await connector.start(inbox)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            at_work = Running(channel, connector, server, inbox, client, host)
            yield at_work
        await connector.stop()
        assert not at_work.sensible or complaints(channel, channel.requested(server)) == []


def complaints(channel: Channel, calls: list[Call]) -> list[str]:
    """What the platform's types say against requests."""
    names = known(channel.name) if calls else set()
    told = [f"no schema of {call.definition}" for call in calls if call.definition and call.definition not in names]
    checked = [call for call in calls if call.definition in names]
    return told + [said for call in checked if (said := complaint(channel.name, call.definition, call.params))]
