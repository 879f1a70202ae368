"""Events are committed before they are acknowledged, once each, in their order."""

from __future__ import annotations

import asyncio

from sqlalchemy import select

from bot.contracts import Inbound
from bot.storage import StorageError
from bot.storage.models import Inbox
from tests.contracts.conftest import Running


async def stored(running: Running) -> list[Inbound]:
    """All events of the inbox, in order."""
    async with running.host.database.read() as session:
        rows = await session.scalars(select(Inbox).order_by(Inbox.id))
        return [Inbound.from_json(row.event) for row in rows]


async def test_a_repeated_event_is_stored_once(running: Running) -> None:
    """The second delivery of an event is acknowledged like the first, and changes nothing."""
    payload = running.channel.text("where is my order?", 1)
    for _ in range(3):
        assert (await running.deliver(payload)).status_code < 300
    assert [event.text for event in await stored(running)] == ["where is my order?"]


async def test_an_event_that_comes_twice_at_once_is_stored_once(running: Running) -> None:
    """Two deliveries side by side, as when an answer was slow: both are acknowledged."""
    payload = running.channel.text("where is my order?", 1)
    await running.deliver(running.channel.text("first", 0))
    answers = await asyncio.gather(*(running.deliver(payload) for _ in range(4)))
    assert all(answer.status_code < 300 for answer in answers)
    assert [event.text for event in await stored(running)] == ["first", "where is my order?"]


async def test_events_keep_their_order(running: Running) -> None:
    """What came first is first in the inbox, all in one conversation."""
    for number in range(12):
        assert (await running.deliver(running.channel.text(f"line {number}", number))).status_code < 300
    events = await stored(running)
    assert [event.text for event in events] == [f"line {number}" for number in range(12)]
    assert len({event.address for event in events}) == 1
    assert len({event.external_id for event in events}) == 12


async def test_what_cannot_be_stored_is_not_acknowledged(running: Running) -> None:
    """While the inbox is out of order the platform hears so, and tries again; then it is stored."""
    payload = running.channel.text("where is my order?", 1)
    running.inbox.trouble = StorageError("the database does not answer")
    answer = await running.deliver(payload)
    assert answer.status_code >= 500
    assert "does not answer" not in answer.text
    running.inbox.trouble = None
    assert (await running.deliver(payload)).status_code < 300
    assert [event.text for event in await stored(running)] == ["where is my order?"]


async def test_words_arrive_as_they_were_typed(running: Running) -> None:
    """Signs that are markup on some platform, scripts of all directions, emoji: as the customer typed them."""
    typed = [
        "1 < 2 & 3 > 2 *bold* _it_ ~no~ `code` [a](b) \\ | # <b>&amp;</b>",
        "أين طلبي 100234؟ שלום",
        "订单在哪里？ ご注文は？ 주문은요?",
        "👩‍👩‍👧‍👦 🇳🇱 👍🏽 é ﷽",
        "line one\nline two",
    ]
    for number, words in enumerate(typed):
        assert (await running.deliver(running.channel.text(words, number))).status_code < 300
    assert [event.text for event in await stored(running)] == typed


async def test_a_stopped_connector_takes_nothing(running: Running) -> None:
    """After the stop, what comes is refused for now, so that the platform brings it again."""
    await running.connector.stop()
    answer = await running.deliver(running.channel.text("too late", 1))
    assert answer.status_code == 503
    assert await stored(running) == []
