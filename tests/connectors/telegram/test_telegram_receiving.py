"""Receiving: the connector against a Bot API server, through the real client library and a real database."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from bot.config import ConfigError
from bot.contracts import (
    Address,
    Author,
    Connector,
    Inbound,
    Kind,
    LinguadeskError,
    OutButton,
    Outgoing,
)
from bot.inbox import Acceptor
from bot.outbox import post
from bot.storage import Database, StorageError
from bot.storage.models import Conversation
from bot.texts import Rendered
from connectors.telegram.client import TelegramConnector
from connectors.telegram.convert import ALLOWED_UPDATES
from tests.connectors.inboxes import Gate, stored, stored_count
from tests.connectors.telegram.conftest import Connect, Noting
from tests.fakes.serving import serving
from tests.fakes.telegram_server import WEBHOOK_SECRET, TelegramServer

CHAT = 5512003344
HEADER = "X-Telegram-Bot-Api-Secret-Token"


def outgoing(text: str = "Hi", outbox_id: int = 1, chat: int = CHAT, **fields: Any) -> Outgoing:
    return Outgoing(outbox_id, Address("telegram", str(chat), str(abs(chat))), text, "en", **fields)


# Polling


async def test_it_is_a_connector(connect: Connect) -> None:
    """It has what the program expects of a connector, and no route when it polls."""
    connector = connect()
    assert isinstance(connector, Connector)
    assert connector.routes() == []


async def test_what_a_person_writes_arrives(
    telegram: TelegramServer, connect: Connect, accept: Acceptor, database: Database
) -> None:
    """A message comes by polling, with the named kinds of updates and without losing pending ones."""
    await telegram.user_says(CHAT, "written before the start", language_code="es")
    await connect().start(accept)
    await telegram.user_says(CHAT, "/orders")
    events = await stored_count(database, 2)
    assert [(event.text, event.payload) for event in events] == [
        ("written before the start", ""),
        ("/orders", "/list_orders"),
    ]
    assert events[0].locale == "es"
    assert telegram.calls_of("getUpdates")[0]["allowed_updates"] == list(ALLOWED_UPDATES)
    assert telegram.calls_of("deleteWebhook") == [{}] or telegram.calls_of("deleteWebhook") == [
        {"drop_pending_updates": False}
    ]


async def test_updates_are_confirmed_only_after_the_commit(
    telegram: TelegramServer, connect: Connect, accept: Acceptor, database: Database
) -> None:
    """While the inbox hangs no further request is made, so Telegram keeps the update."""
    gate = Gate(accept)
    await connect().start(gate)
    update = await telegram.user_says(CHAT, "hello")
    await telegram.until(lambda: gate.asked)
    requests = len(telegram.calls_of("getUpdates"))
    await asyncio.sleep(0.1)
    assert telegram.pending == [update["update_id"]]
    assert len(telegram.calls_of("getUpdates")) == requests
    gate.open.set()
    await telegram.until(lambda: not telegram.pending)
    assert [event.text for event in await stored(database)] == ["hello"]


async def test_a_failing_inbox_loses_nothing(
    telegram: TelegramServer,
    connect: Connect,
    accept: Acceptor,
    database: Database,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The same updates are stored once the database is back; the log says why it took so long."""
    gate = Gate(accept, StorageError("the database is locked"))
    await connect().start(gate)
    await telegram.user_says(CHAT, "hello")
    await telegram.until(lambda: gate.asked > 2)
    assert len(telegram.pending) == 1
    gate.error = None
    gate.open.set()
    await telegram.until(lambda: not telegram.pending)
    assert [event.text for event in await stored(database)] == ["hello"]
    assert "the database is locked" in caplog.text


async def test_a_restart_neither_loses_nor_repeats(
    telegram: TelegramServer, connect: Connect, accept: Acceptor, database: Database
) -> None:
    """Stopped between commit and confirmation, the next start gets the update again and drops it."""

    async def commit_then_cut(events: Sequence[Inbound]) -> Sequence[int | None]:
        ids = await accept(events)
        if events:
            telegram.fail_next("getUpdates", 0, times=1000)
        return ids

    first = connect()
    await first.start(commit_then_cut)
    update = await telegram.user_says(CHAT, "lost?")
    await stored_count(database, 1)
    await first.stop()
    assert telegram.pending == [update["update_id"]]
    telegram.mend("getUpdates")
    await telegram.user_says(CHAT, "second")
    await connect().start(accept)
    await telegram.until(lambda: not telegram.pending)
    assert [event.text for event in await stored(database)] == ["lost?", "second"]


async def test_an_edit_survives_a_restart_and_counts_once(
    telegram: TelegramServer, connect: Connect, accept: Acceptor, database: Database
) -> None:
    """What was changed while nobody listened arrives with the next start, and a repeat changes nothing."""
    first = connect()
    await first.start(accept)
    update = await telegram.user_says(CHAT, "order 100234")
    await telegram.until(lambda: not telegram.pending)
    await first.stop()
    edited = await telegram.user_edits(update, "order 100235")
    telegram.deliver(edited)
    await connect().start(accept)
    await telegram.until(lambda: not telegram.pending)
    events = await stored(database)
    assert [(event.kind, event.text) for event in events] == [
        (Kind.MESSAGE, "order 100235"),
        (Kind.EDIT, "order 100235"),
    ]
    assert events[0].message_id == events[1].message_id


async def test_repeated_late_and_reordered_updates_are_each_stored_once(
    telegram: TelegramServer, connect: Connect, accept: Acceptor, database: Database
) -> None:
    """By webhook updates overtake each other and come again; none is lost, none counts twice."""
    connector, http = await webhook(telegram, connect, accept)
    headers = {HEADER: WEBHOOK_SECRET}
    for number in (203, 201, 203, 202, 201):
        update = telegram_update(700000000 + number, f"message {number}")
        assert (await http.post("/webhooks/telegram", json=update, headers=headers)).status_code == 200
    assert [event.text for event in await stored(database)] == ["message 203", "message 201", "message 202"]
    await connector.stop()


async def test_a_block_and_its_end_arrive(telegram: TelegramServer, connect: Connect, noting: Noting) -> None:
    """The core learns at once that nothing can be sent, and when it can again."""
    await connect().start(noting)
    await telegram.bot_becomes(CHAT, "member", "kicked")
    await telegram.bot_becomes(CHAT, "kicked", "member")
    await telegram.bot_becomes(-44, "left", "member", user=CHAT)
    events = await noting.taken(3)
    assert [(event.kind, event.payload) for event in events] == [
        (Kind.BLOCKED, ""),
        (Kind.UNBLOCKED, ""),
        (Kind.JOINED, ""),
    ]


async def test_a_revoked_token_is_asked_again_after_a_rest(
    telegram: TelegramServer,
    connect: Connect,
    accept: Acceptor,
    database: Database,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The log says what to do, and once the token works again nothing needs a restart."""
    await connect().start(accept)
    telegram.fail_next("getUpdates", 401, times=2)
    await telegram.until(lambda: not telegram.failing("getUpdates"))
    await telegram.user_says(CHAT, "still there?")
    assert [event.text for event in await stored_count(database, 1)] == ["still there?"]
    assert "set TELEGRAM_BOT_TOKEN to the one @BotFather shows" in caplog.text


async def test_trouble_is_logged_and_outlived(
    telegram: TelegramServer,
    connect: Connect,
    accept: Acceptor,
    database: Database,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A second poller, cut connections, server errors, waits and nonsense do not end the polling."""
    await connect().start(accept)
    telegram.fail_next("getUpdates", 409)
    telegram.fail_next("getUpdates", 0)
    telegram.fail_next("getUpdates", 502)
    telegram.fail_next("getUpdates", 200, body="<html>maintenance: hello from a customer</html>")
    await telegram.until(lambda: not telegram.failing("getUpdates"))
    await telegram.user_says(CHAT, "still there?")
    assert [event.text for event in await stored_count(database, 1)] == ["still there?"]
    assert "another program receives with the same TELEGRAM_BOT_TOKEN" in caplog.text
    assert "hello from a customer" not in caplog.text


async def test_polling_obeys_a_wait(telegram: TelegramServer, connect: Connect, accept: Acceptor) -> None:
    """After RetryAfter the next request comes no sooner than asked."""
    await connect().start(accept)
    telegram.fail_next("getUpdates", 429, retry_after=1)
    await telegram.until(lambda: not telegram.failing("getUpdates"))
    requests = len(telegram.calls_of("getUpdates"))
    await asyncio.sleep(0.5)
    assert len(telegram.calls_of("getUpdates")) == requests
    await telegram.until(lambda: len(telegram.calls_of("getUpdates")) > requests)


async def test_an_update_that_the_library_cannot_read_holds_nothing_up(
    telegram: TelegramServer,
    connect: Connect,
    accept: Acceptor,
    database: Database,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What is odd is skipped without being quoted in the log; what comes with it and after it arrives."""
    await telegram.update(message={"message_id": "odd", "date": "soon", "chat": 7, "text": "private words"})
    await telegram.user_says(CHAT, "same batch")
    await connect().start(accept)
    await telegram.until(lambda: not telegram.pending)
    await telegram.user_says(CHAT, "next batch")
    assert [event.text for event in await stored_count(database, 2)] == ["same batch", "next batch"]
    assert "private words" not in caplog.text


async def test_a_refused_token_is_said_clearly(telegram: TelegramServer, connect: Connect, accept: Acceptor) -> None:
    """The operator reads which variable is wrong, not the token."""
    connector = connect(telegram.env | {"TELEGRAM_BOT_TOKEN": "987654321:wrong"})
    with pytest.raises(LinguadeskError, match="TELEGRAM_BOT_TOKEN") as caught:
        await connector.start(accept)
    assert "987654321:wrong" not in str(caught.value)


async def test_it_starts_while_telegram_cannot_be_reached(
    telegram: TelegramServer, connect: Connect, accept: Acceptor, database: Database
) -> None:
    """A network that comes later is waited for."""
    telegram.fail_next("getMe", 0, times=3)
    await connect().start(accept)
    await telegram.user_says(CHAT, "hello")
    assert [event.text for event in await stored_count(database, 1)] == ["hello"]


# Buttons


async def test_a_press_is_stored_then_answered_and_the_keyboard_goes(
    telegram: TelegramServer, connect: Connect, accept: Acceptor, database: Database
) -> None:
    """The press carries payload and title; before the commit nothing is answered, after it the choice is shown."""
    connector = connect()
    await connector.send(outgoing("Sure?", buttons=(OutButton("Yes", "/affirm"), OutButton("No", "/deny"))))
    gate = Gate(accept)
    await connector.start(gate)
    update = await telegram.user_presses(CHAT, "No")
    await telegram.until(lambda: gate.asked)
    assert telegram.answered == []
    gate.open.set()
    await telegram.until(lambda: telegram.answered and not telegram.sent(CHAT)[0].keyboard)
    assert telegram.answered == [update["callback_query"]["id"]]
    assert telegram.sent(CHAT)[0].text == "Sure?\n\n✓ No"
    (event,) = await stored(database)
    assert (event.payload, event.text) == ("/deny", "No")


async def test_a_long_payload_survives_a_restart(
    telegram: TelegramServer, connect: Connect, accept: Acceptor, database: Database
) -> None:
    """A payload beyond 64 bytes is found in the database, by another process than the one that sent it."""
    payload = '/inform{"complaint_type": "not_delivered", "order_number": "CN-2024-88121"}'
    message = await queued(database, CHAT, (OutButton("Short", "/a"), OutButton("Not delivered", payload)))
    await connect().send(message)
    await connect().start(accept)
    await telegram.user_presses(CHAT, "Not delivered")
    (event,) = await stored_count(database, 1)
    assert (event.payload, event.text) == (payload, "Not delivered")


async def test_a_reference_to_another_chats_button_is_worth_nothing(
    telegram: TelegramServer, connect: Connect, accept: Acceptor, database: Database
) -> None:
    """Button data comes from the customer's program: it opens only what was sent to that chat."""
    payload = '/inform{"order_number": "100234", "email": "somebody.else@example.com", "x": "1"}'
    message = await queued(database, 777, (OutButton("Mine", payload),))
    connector = connect()
    await connector.send(outgoing("Choose", buttons=(OutButton("Mine", "/a"),)))
    await connector.start(accept)
    sent = telegram.sent(CHAT)[0]
    await telegram.press(CHAT, sent, {"text": "Mine", "callback_data": f"#{message.id}:0"})
    await telegram.press(CHAT, sent, {"text": "Mine", "callback_data": f"#{message.id}:999"})
    assert [event.payload for event in await stored_count(database, 2)] == ["", ""]


async def test_buttons_that_cannot_be_answered_any_more_are_left(
    telegram: TelegramServer, connect: Connect, accept: Acceptor, database: Database
) -> None:
    """A query that is too old is no trouble: the press itself counts, polling goes on."""
    connector = connect()
    await connector.send(outgoing("Sure?", buttons=(OutButton("Yes", "/affirm"),)))
    telegram.fail_next("answerCallbackQuery", 400, "Bad Request: query is too old and response timeout expired")
    telegram.fail_next("editMessageText", 429, retry_after=600)
    await connector.start(accept)
    await telegram.user_presses(CHAT, "Yes")
    await telegram.user_says(CHAT, "next")
    assert [event.text for event in await stored_count(database, 2)] == ["Yes", "next"]


async def queued(database: Database, chat: int, buttons: tuple[OutButton, ...]) -> Outgoing:
    """A message with buttons, in the outbox of a conversation of its own."""
    address = Address("telegram", str(chat), str(chat))
    async with database.begin() as session:
        conversation = Conversation(
            channel="telegram", address_key=address.key, chat=address.chat, user=address.user, state={}
        )
        session.add(conversation)
        await session.flush()
        (outbox_id,) = await post(session, conversation, [Rendered("What?", "en", buttons)], Author.BOT)
    return Outgoing(outbox_id, address, "What?", "en", buttons=buttons)


# Webhook


async def test_a_webhook_delivers(
    telegram: TelegramServer, connect: Connect, accept: Acceptor, database: Database
) -> None:
    """With an address set, the webhook is registered with its secret, and what waited comes by it."""
    await telegram.user_says(CHAT, "waiting")
    app = Starlette()
    async with serving(app) as url:
        connector = connect(telegram.webhook_env(url))
        app.router.routes.extend(connector.routes())
        await connector.start(accept)
        await telegram.user_says(CHAT, "hello")
        events = await stored_count(database, 2)
        await connector.stop()
    assert sorted(event.text for event in events) == ["hello", "waiting"]
    assert telegram.webhook["url"] == f"{url}/webhooks/telegram"
    assert telegram.webhook["secret_token"] == WEBHOOK_SECRET
    assert telegram.webhook["allowed_updates"] == list(ALLOWED_UPDATES)
    assert telegram.calls_of("getUpdates") == []


async def test_a_webhook_answers_200_only_after_the_commit(
    telegram: TelegramServer, connect: Connect, accept: Acceptor, database: Database
) -> None:
    """A failing inbox is answered 503; Telegram's next try is stored, and a further one changes nothing."""
    gate = Gate(accept, StorageError("the database is locked"))
    connector, http = await webhook(telegram, connect, gate)
    update = telegram_update()
    headers = {HEADER: WEBHOOK_SECRET}
    assert (await http.post("/webhooks/telegram", json=update, headers=headers)).status_code == 503
    gate.error = None
    waiting = asyncio.create_task(http.post("/webhooks/telegram", json=update, headers=headers))
    await telegram.until(lambda: gate.asked == 2)
    await asyncio.sleep(0.05)
    assert not waiting.done()
    gate.open.set()
    assert (await waiting).status_code == 200
    assert (await http.post("/webhooks/telegram", json=update, headers=headers)).status_code == 200
    assert len(await stored(database)) == 1
    await connector.stop()


async def webhook(
    telegram: TelegramServer, connect: Connect, accept: Any
) -> tuple[TelegramConnector, httpx.AsyncClient]:
    """A started connector with a webhook, and a client to post to it without a network."""
    connector = connect(telegram.webhook_env("https://desk.example.com"))
    await connector.start(accept)
    app = Starlette(routes=connector.routes())
    return connector, httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://desk")


def telegram_update(update_id: int = 700000201, text: str = "hello") -> dict[str, Any]:
    person = {"id": CHAT, "is_bot": False, "first_name": "Ana"}
    chat = {"id": CHAT, "first_name": "Ana", "type": "private"}
    message = {"message_id": 5, "from": person, "chat": chat, "date": 1763751600, "text": text}
    return {"update_id": update_id, "message": message}


@pytest.mark.parametrize("headers", [{}, {HEADER: "wrong"}, {HEADER: "é"}, {HEADER: WEBHOOK_SECRET + "x"}])
async def test_a_webhook_without_the_secret_is_refused(
    headers: dict[str, str], telegram: TelegramServer, connect: Connect, accept: Acceptor, database: Database
) -> None:
    """Whoever does not know the secret gets 403, and nothing is stored."""
    _, http = await webhook(telegram, connect, accept)
    encoded = {key.encode(): value.encode() for key, value in headers.items()}
    response = await http.post("/webhooks/telegram", json=telegram_update(), headers=encoded)
    assert response.status_code == 403
    assert await stored(database) == []


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"{", 400), (b"[]", 400), (b'{"update_id": "x"}', 400), (b"\xff\xfe", 400), (b" " * (1024 * 1024 + 1), 413)],
)
async def test_a_webhook_refuses_what_is_no_update(
    body: bytes, status: int, telegram: TelegramServer, connect: Connect, accept: Acceptor
) -> None:
    """Nonsense and oversized bodies are the sender's fault, not a failure of ours."""
    _, http = await webhook(telegram, connect, accept)
    response = await http.post("/webhooks/telegram", content=body, headers={HEADER: WEBHOOK_SECRET})
    assert response.status_code == status


async def test_a_webhook_asks_for_patience_before_the_start(telegram: TelegramServer, connect: Connect) -> None:
    """An update that comes too early is not lost: Telegram is told to come again."""
    connector = connect(telegram.webhook_env("https://desk.example.com"))
    http = httpx.AsyncClient(
        transport=httpx.ASGITransport(Starlette(routes=connector.routes())), base_url="http://desk"
    )
    response = await http.post("/webhooks/telegram", json=telegram_update(), headers={HEADER: WEBHOOK_SECRET})
    assert response.status_code == 503


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"TELEGRAM_WEBHOOK_SECRET": ""}, "TELEGRAM_WEBHOOK_SECRET"),
        ({"TELEGRAM_WEBHOOK_SECRET": "not allowed!"}, "TELEGRAM_WEBHOOK_SECRET"),
        ({"TELEGRAM_WEBHOOK_URL": "desk.example.com"}, "TELEGRAM_WEBHOOK_URL"),
    ],
)
def test_a_webhook_that_cannot_work_is_a_configuration_error(
    change: dict[str, str], named: str, telegram: TelegramServer, connect: Connect
) -> None:
    """A missing or impossible secret, or half an address, is said before anything runs."""
    with pytest.raises(ConfigError, match=named):
        connect(telegram.webhook_env("https://desk.example.com") | change)


async def test_an_address_that_telegram_refuses_is_said_clearly(
    telegram: TelegramServer, connect: Connect, accept: Acceptor
) -> None:
    """An error in the address is not tried for ever but told at the start."""
    telegram.fail_next("setWebhook", 400, "Bad Request: bad webhook: An HTTPS URL must be provided for webhook")
    with pytest.raises(LinguadeskError, match=r"(?i)https url must be provided"):
        await connect(telegram.webhook_env("http://desk.example.com")).start(accept)
