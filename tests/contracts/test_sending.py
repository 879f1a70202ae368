"""Sending, against the platform's own HTTP: what fails, for how long, and what is sent again."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from sqlalchemy import select

from bot.config import DeliverySettings
from bot.contracts import Author, ChannelDown, ChatMoved, Connector, Limits, PermanentError, TemporaryError, Unreachable
from bot.dispatch import Dispatcher
from bot.inbox import store
from bot.outbox import post
from bot.storage import Database
from bot.storage.models import Conversation, Outbox, OutboxStatus
from bot.texts import Rendered
from tests.contracts.channel import Channel, Fault, asked_of
from tests.contracts.conftest import Running
from tests.contracts.test_payload import message
from tests.customer import eventually

QUICK = DeliverySettings(attempts=4, backoff_seconds=0.02, backoff_limit_seconds=0.05)
KINDS = (Unreachable, PermanentError, ChannelDown, ChatMoved, TemporaryError)


def _kind(error: Exception) -> type[Exception]:
    """The most special of the contract's classes that an error is of."""
    return next(kind for kind in KINDS if isinstance(error, kind))


def test_a_connector_is_what_the_contract_says(running: Running) -> None:
    """It has everything that the program calls; its limits are positive."""
    assert isinstance(running.connector, Connector)
    assert running.connector.name == running.channel.name
    limits = running.connector.limits
    assert isinstance(limits, Limits)
    pairs = [pair for pair in (limits.per_chat, limits.overall, limits.per_group) if pair]
    assert all(count >= 1 and seconds > 0 for count, seconds in pairs)
    agents = getattr(running.connector, "agents", None)
    assert (agents is not None) == any(name.startswith("agents_") for name in running.channel.options)


@asked_of(lambda channel: bool(channel.limit))
async def test_what_is_sent_arrives(running: Running) -> None:
    """One part is one message on the platform, whose id comes back."""
    out = message(running.channel, text="Your order is on its way.")
    platform_id = await running.connector.send(out, 0)
    assert platform_id
    assert running.channel.said(running.server) == ["Your order is on its way."]


async def test_failures_are_told_apart(running: Running, fault: Fault) -> None:
    """Each way in which the platform fails becomes the error that the program acts rightly upon."""
    fault.arrange(running.server)
    out = message(running.channel, text="Your order is on its way.")
    try:
        async with asyncio.timeout(20):
            await running.connector.send(out, 0)
    except (TemporaryError, PermanentError) as error:
        assert _kind(error) is fault.error, f"{type(error).__name__}: {error}"
        if fault.wait is not None:
            assert isinstance(error, TemporaryError)
            assert error.retry_after is not None and error.retry_after >= fault.wait
        told = str(error)
        assert told and "on its way" not in told
        assert not [
            secret for secret in running.host.env.values() if len(secret) > 20 and secret in told and "//" not in secret
        ]
    else:
        raise AssertionError("nothing was said about the failure")


@contextlib.asynccontextmanager
async def dispatching(running: Running) -> AsyncIterator[None]:
    """The program's one sender at work."""
    connectors = {running.channel.name: running.connector}
    task = asyncio.create_task(Dispatcher(running.host.database, connectors, QUICK).run())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def queue(running: Running, *texts: str) -> None:
    """Commit messages to the channel's customer."""
    async with running.host.database.begin() as session:
        (event,) = running.channel.inbound(running.channel.text("hello", 1))
        await store(session, [event])
        where = Conversation.channel == running.channel.name
        conversation = (await session.scalars(select(Conversation).where(where))).one()
        await post(session, conversation, [Rendered(text, "en") for text in texts], Author.BOT)


async def statuses(database: Database) -> list[OutboxStatus]:
    """What became of every message, in the order in which they were queued."""
    async with database.read() as session:
        return list(await session.scalars(select(Outbox.status).order_by(Outbox.id)))


def long_text(channel: Channel, parts: int) -> str:
    """A text that takes so many messages on the platform."""
    text = ""
    while len(channel.calls(message(channel, text=text))) < parts:
        text += "Your parcel left the warehouse. " * 20
    return text


@asked_of(lambda channel: bool(channel.limit))
async def test_after_a_failure_only_the_rest_is_sent(running: Running) -> None:
    """Part two of three fails: the first is not said twice, the order holds, all of it arrives once."""
    channel = running.channel
    running.connector.limits = Limits()
    text = long_text(channel, 3)
    channel.cut(running.server, skip=1)
    await queue(running, text, "Anything else?")
    async with dispatching(running):
        await eventually(lambda: _all_sent(running.host.database, 2), 10)
    said = channel.said(running.server)
    assert len(said) == 4
    assert "".join("".join(said[:3]).split()) == "".join(text.split())
    assert said[3] == "Anything else?"


@asked_of(lambda channel: bool(channel.limit))
async def test_messages_keep_their_order(running: Running) -> None:
    """What was said first arrives first, though the first try of it failed."""
    running.connector.limits = Limits()
    running.channel.cut(running.server, skip=0)
    await queue(running, *(f"line {number}" for number in range(8)))
    async with dispatching(running):
        await eventually(lambda: _all_sent(running.host.database, 8), 10)
    assert running.channel.said(running.server) == [f"line {number}" for number in range(8)]


@asked_of(lambda channel: not channel.limit)
async def test_a_channel_of_our_own_never_fails_to_send(running: Running) -> None:
    """There is nobody to fail: what is committed is there to be read."""
    await queue(running, "one", "two")
    async with dispatching(running):
        await eventually(lambda: _all_sent(running.host.database, 2), 10)


async def _all_sent(database: Database, count: int) -> bool:
    return await statuses(database) == [OutboxStatus.SENT] * count
