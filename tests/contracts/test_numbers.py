"""Choices that cannot be buttons are numbered lines, and a number typed back is the choice: the whole desk at work."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from bot.app import App
from bot.storage.models import Conversation, Inbox, InboxStatus, Outbox, OutboxStatus
from connectors.terminal.client import Terminal
from tests.conftest import StartDesk
from tests.contracts.channel import Channel, asked_of
from tests.customer import eventually


@dataclass
class Desk:
    """The whole product on one channel, and a customer who types."""

    app: App
    channel: Channel
    server: Any
    client: httpx.AsyncClient
    said: int = 0

    async def type(self, words: str) -> None:
        """Write, and wait until it is answered and the answers have left."""
        self.said += 1
        answer = await self.channel.deliver(self.client, self.channel.text(words, self.said))
        assert answer.status_code < 300
        await eventually(self._quiet, 20)

    async def _quiet(self) -> bool:
        open_states = (OutboxStatus.PENDING, OutboxStatus.SENDING)
        async with self.app.database.read() as session:
            handled = select(func.count()).select_from(Inbox).where(Inbox.status == InboxStatus.DONE)
            waiting = select(func.count()).select_from(Outbox).where(Outbox.status.in_(open_states))
            return (await session.scalar(handled)) == self.said and not await session.scalar(waiting)

    async def answers(self) -> list[str]:
        """What the desk has said, as it is in the transcript."""
        async with self.app.database.read() as session:
            return [row.body["text"] for row in await session.scalars(select(Outbox).order_by(Outbox.id))]


async def language_of(app: App) -> str:
    """The language of the one conversation."""
    async with app.database.read() as session:
        return (await session.scalars(select(Conversation))).one().language


@pytest.fixture
async def desk(channel: Channel, start_desk: StartDesk) -> AsyncIterator[Desk]:
    """The product with this channel alone."""
    async with channel.server() as server:
        app = await start_desk(env=channel.env(server), only=frozenset({channel.name}))
        transport = httpx.ASGITransport(app=app.web, client=("127.0.0.1", 50000))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", timeout=30) as client:
            yield Desk(app, channel, server, client)


@asked_of(lambda channel: bool(channel.limit))
async def test_refused_buttons_become_numbers_that_are_understood(desk: Desk) -> None:
    """Where a platform takes no buttons, or not that many, the customer sees numbers and types one."""
    await desk.type("can we speak another language?")
    if any("1. " in text for text in desk.channel.said(desk.server)):
        seen = desk.channel.said(desk.server)[-1]
    else:
        desk.channel.refuse_buttons(desk.server)
        await desk.type("can we speak another language?")
        seen = desk.channel.said(desk.server)[-1]
    languages = desk.app.config.settings.languages
    numbered = [f"{number}. " for number in range(1, len(languages) + 1)]
    assert [
        line[: len(start)] for line, start in zip(seen.splitlines()[-len(languages) :], numbered, strict=True)
    ] == numbered
    await desk.type(str(languages.index("fr") + 1))
    assert await language_of(desk.app) == "fr"


@asked_of(lambda channel: not channel.limit)
async def test_a_number_is_understood_where_buttons_are_shown(desk: Desk) -> None:
    """Buttons need not be pressed: the number of one is the choice on channels of our own as well."""
    await desk.type("can we speak another language?")
    await desk.type(f"{desk.app.config.settings.languages.index('de') + 1}.")
    assert await language_of(desk.app) == "de"
    assert len(await desk.answers()) >= 2


async def test_a_number_is_understood_in_the_terminal(
    start_desk: StartDesk, capsys: pytest.CaptureFixture[str]
) -> None:
    """The smallest channel shows numbers always."""
    app = await start_desk(only=frozenset({"terminal"}))
    terminal = app.connectors["terminal"]
    assert isinstance(terminal, Terminal)
    number = app.config.settings.languages.index("nl") + 1
    lines = iter(["can we speak another language?\n", f"{number}\n", ""])
    await terminal.converse(lambda: next(lines))
    shown = capsys.readouterr().out
    assert f"{number}. Nederlands" in shown
    assert await language_of(app) == "nl"
