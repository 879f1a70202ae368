"""Typing and pressed buttons: small things that happen after the commit, and never instead of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import update

from bot.contracts import Address, Inbound, Kind, OutButton, Outgoing
from bot.inbox import Acceptor
from bot.storage import Database, signal
from bot.storage.models import Inbox, InboxStatus
from connectors.telegram import courtesy
from connectors.telegram.courtesy import ticked
from tests.connectors.telegram.conftest import Connect, Noting
from tests.fakes.telegram_server import TelegramServer

CHAT = 5512003344
YES_NO = (OutButton("Yes", "/affirm"), OutButton("No", "/deny"))


def outgoing(text: str = "Hi", chat: int = CHAT, **fields: Any) -> Outgoing:
    return Outgoing(1, Address("telegram", str(chat), str(abs(chat))), text, "en", **fields)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Telegram's five seconds in a fraction of one."""
    monkeypatch.setattr(courtesy, "TYPING_AFTER_SECONDS", 0.05)
    monkeypatch.setattr(courtesy, "TYPING_EVERY_SECONDS", 0.1)


async def handle(database: Database, inbox_id: int = 1) -> None:
    """What the engine does at the end of an event."""
    async with database.begin() as session:
        await session.execute(update(Inbox).where(Inbox.id == inbox_id).values(status=InboxStatus.DONE))
        signal(session, f"inbox:{inbox_id}")


# Typing


@pytest.mark.usefixtures("quick")
async def test_typing_is_shown_until_the_event_is_handled(
    telegram: TelegramServer, connect: Connect, accept: Acceptor, database: Database
) -> None:
    """It is repeated, since Telegram shows it for 5 seconds only, and ends with the work."""
    await connect().start(accept)
    await telegram.user_says(CHAT, "hello")
    await telegram.until(lambda: len(telegram.calls_of("sendChatAction")) >= 3)
    assert telegram.calls_of("sendChatAction")[0] == {"chat_id": CHAT, "action": "typing"}
    await handle(database)
    await asyncio.sleep(0.05)
    shown = len(telegram.calls_of("sendChatAction"))
    await asyncio.sleep(0.3)
    assert len(telegram.calls_of("sendChatAction")) == shown


@pytest.mark.usefixtures("quick")
async def test_a_quick_answer_needs_no_typing(
    telegram: TelegramServer, connect: Connect, accept: Acceptor, database: Database
) -> None:
    """An event that is handled at once, even before anybody could watch for it, shows nothing."""

    async def accept_and_handle(events: Sequence[Inbound]) -> Sequence[int | None]:
        ids = await accept(events)
        for inbox_id in ids:
            await handle(database, inbox_id or 0)
        return ids

    await connect().start(accept_and_handle)
    await telegram.user_says(CHAT, "hello")
    await telegram.until(lambda: not telegram.pending)
    await asyncio.sleep(0.2)
    assert telegram.calls_of("sendChatAction") == []


@pytest.mark.usefixtures("quick")
async def test_typing_gives_up(
    telegram: TelegramServer, connect: Connect, accept: Acceptor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody types for ever, and a chat that does not take it is left alone."""
    monkeypatch.setattr(courtesy, "TYPING_SECONDS", 0.3)
    telegram.fail_next("sendChatAction", 429, retry_after=30)
    await connect().start(accept)
    await telegram.user_says(CHAT, "hello")
    await telegram.until(lambda: telegram.calls_of("sendChatAction"))
    await telegram.user_says(7, "hello")
    await asyncio.sleep(0.7)
    chats = [call["chat_id"] for call in telegram.calls_of("sendChatAction")]
    assert chats.count(CHAT) == 1
    assert 2 <= chats.count(7) <= 3


@pytest.mark.usefixtures("quick")
async def test_several_messages_make_one_typing(telegram: TelegramServer, connect: Connect, accept: Acceptor) -> None:
    """Ten messages at once do not multiply the requests to their chat."""
    for number in range(10):
        await telegram.user_says(CHAT, f"line {number}")
    await connect().start(accept)
    await telegram.until(lambda: telegram.calls_of("sendChatAction"))
    await asyncio.sleep(0.02)
    assert len(telegram.calls_of("sendChatAction")) == 1


@pytest.mark.usefixtures("quick")
async def test_only_messages_are_typed_for(telegram: TelegramServer, connect: Connect, noting: Noting) -> None:
    """Neither a reaction nor a block is answered, so nobody seems to type."""
    await connect().start(noting)
    await telegram.user_reacts(CHAT, 3, "👍")
    await telegram.bot_becomes(CHAT, "member", "kicked")
    await noting.taken(2)
    assert [event.kind for event in noting.events] == [Kind.REACTION, Kind.BLOCKED]
    await asyncio.sleep(0.2)
    assert telegram.calls_of("sendChatAction") == []


@pytest.mark.usefixtures("quick")
async def test_the_stop_does_not_wait_for_typing(telegram: TelegramServer, connect: Connect, accept: Acceptor) -> None:
    """What is still being worked on does not hold up the end of the program."""
    connector = connect()
    await connector.start(accept)
    await telegram.user_says(CHAT, "hello")
    await telegram.until(lambda: telegram.calls_of("sendChatAction"))
    async with asyncio.timeout(4):
        await connector.stop()


# Pressed buttons


async def test_what_was_chosen_stays_below_the_question(
    telegram: TelegramServer, connect: Connect, accept: Acceptor
) -> None:
    """The message says which button was pressed, and a second press of the same moment changes nothing more."""
    connector = connect()
    await connector.send(outgoing("Sure? 😀", buttons=YES_NO))
    await connector.start(accept)
    (sent,) = telegram.sent(CHAT)
    yes, no = sent.keyboard[0]
    await telegram.press(CHAT, sent, yes)
    await telegram.press(CHAT, sent, no)
    await telegram.until(lambda: len(telegram.answered) == 2 and not telegram.sent(CHAT)[0].keyboard)
    assert telegram.sent(CHAT)[0].text == "Sure? 😀\n\n✓ Yes"
    assert len(telegram.calls_of("editMessageText")) == 1


async def test_a_failed_edit_is_tried_again(telegram: TelegramServer, connect: Connect, accept: Acceptor) -> None:
    """A server error or a short wait is no reason to leave the buttons standing."""
    connector = connect()
    await connector.send(outgoing("Sure?", buttons=YES_NO))
    telegram.fail_next("answerCallbackQuery", 502)
    telegram.fail_next("editMessageText", 0)
    await connector.start(accept)
    await telegram.user_presses(CHAT, "Yes")
    await telegram.until(lambda: not telegram.sent(CHAT)[0].keyboard)
    assert len(telegram.answered) == 1


def question(**fields: Any) -> dict[str, Any]:
    return {"message_id": 5, "chat": {"id": CHAT}, "text": "Sure?"} | fields


def test_the_markup_of_the_question_stays() -> None:
    """Bold words stay bold, a hidden link preview stays hidden."""
    bold = [{"type": "bold", "offset": 0, "length": 4}]
    method, params = ticked(question(entities=bold, link_preview_options={"is_disabled": True}), "Yes")
    assert method == "editMessageText"
    assert params == {
        "chat_id": CHAT,
        "message_id": 5,
        "text": "Sure?\n\n✓ Yes",
        "entities": bold,
        "link_preview_options": {"is_disabled": True},
    }


@pytest.mark.parametrize(
    ("message", "title"),
    [
        (question(text="😀" * 2046), "Yes"),
        (question(), ""),
        ({"message_id": 5, "chat": {"id": CHAT}, "caption": "Your data"}, "Yes"),
        ({"message_id": 5, "chat": {"id": CHAT}, "date": 0}, "Yes"),
    ],
)
def test_where_nothing_can_be_written_the_buttons_go_alone(message: dict[str, Any], title: str) -> None:
    """A text that is full, a button that is not known, a file: only the keyboard is taken away."""
    assert ticked(message, title) == ("editMessageReplyMarkup", {"chat_id": CHAT, "message_id": 5})
