"""Sending, files and discretion: the connector and the real client library against a Bot API server."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bot.config import Config
from bot.contracts import (
    Address,
    Attachment,
    Media,
    OutButton,
    Outgoing,
    PermanentError,
    TemporaryError,
)
from bot.inbox import Acceptor
from bot.storage import Database
from connectors.telegram import client
from tests.connectors.inboxes import stored_count
from tests.connectors.telegram.conftest import Connect
from tests.fakes.telegram_server import TelegramServer

CHAT = 5512003344
HEADER = "X-Telegram-Bot-Api-Secret-Token"


def outgoing(text: str = "Hi", outbox_id: int = 1, chat: int = CHAT, **fields: Any) -> Outgoing:
    return Outgoing(outbox_id, Address("telegram", str(chat), str(abs(chat))), text, "en", **fields)


# Sending


async def test_a_message_is_sent_without_receiving(telegram: TelegramServer, connect: Connect) -> None:
    """A process that only works the outbox sends too; the message's id comes back."""
    platform_id = await connect().send(outgoing("Hi", buttons=(OutButton("Yes", "/affirm"),)))
    (sent,) = await telegram.wait_for(CHAT)
    assert (sent.text, sent.buttons, str(sent.message_id)) == ("Hi", ["Yes"], platform_id)


async def test_a_file_is_sent(telegram: TelegramServer, connect: Connect, config: Config) -> None:
    """The bytes of a file below the files folder arrive under the name to be shown."""
    path = config.files_dir / "exports" / "x.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(b'{"a": 1}')
    await connect().send(outgoing("Your data", media=(Media("exports/x.json", "my-data.json"),)))
    (sent,) = await telegram.wait_for(CHAT)
    assert (sent.text, sent.filename, sent.document) == ("Your data", "my-data.json", b'{"a": 1}')


@pytest.mark.parametrize("path", ["exports/gone.json", "../secret_key", "/etc/hostname"])
async def test_only_files_of_the_files_folder_are_sent(
    path: str, telegram: TelegramServer, connect: Connect, config: Config
) -> None:
    """A file that is gone or elsewhere is never sent; the message is given up with the reason."""
    config.files_dir.mkdir(parents=True)
    (config.data_dir / "secret_key").write_text("secret")
    with pytest.raises(PermanentError, match="not in the data folder"):
        await connect().send(outgoing("Your data", media=(Media(path, "x"),)))
    assert telegram.calls_of("sendDocument") == []


@pytest.mark.parametrize(
    ("status", "description", "kind", "words"),
    [
        (403, "Forbidden: bot was blocked by the user", PermanentError, "blocked by the user"),
        (400, "Bad Request: chat not found", PermanentError, "(?i)chat not found"),
        (500, "Internal Server Error", TemporaryError, "Internal Server Error"),
        (502, "Bad Gateway", TemporaryError, "Bad Gateway"),
        (401, "Unauthorized", TemporaryError, "TELEGRAM_BOT_TOKEN"),
        (404, "Not Found", TemporaryError, "TELEGRAM_API_BASE_URL"),
        (0, "", TemporaryError, "did not answer properly"),
    ],
)
async def test_errors_are_told_apart(
    status: int, description: str, kind: type[Exception], words: str, telegram: TelegramServer, connect: Connect
) -> None:
    """What waiting can mend is temporary; a block or a chat that is gone is permanent."""
    telegram.fail_next("sendMessage", status, description)
    with pytest.raises(kind, match=words):
        await connect().send(outgoing())


@pytest.mark.parametrize("seconds", [1, 600])
async def test_a_wait_is_handed_on_and_not_slept_through(
    seconds: int, telegram: TelegramServer, connect: Connect
) -> None:
    """RetryAfter comes out at once with its seconds, and the next try succeeds."""
    connector = connect()
    telegram.fail_next("sendMessage", 429, retry_after=seconds)
    with pytest.raises(TemporaryError) as caught:
        await connector.send(outgoing())
    assert caught.value.retry_after == seconds
    await connector.send(outgoing())
    assert len(await telegram.wait_for(CHAT)) == 1


async def test_a_slow_server_is_a_temporary_error(
    telegram: TelegramServer, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request without an answer ends after the set time."""
    monkeypatch.setattr(client, "TIMEOUT_SECONDS", 0.1)
    telegram.fail_next("sendMessage", 500, delay=1)
    with pytest.raises(TemporaryError, match="Timed out"):
        await connect().send(outgoing())


async def test_an_unreadable_answer_is_temporary_and_not_logged(
    telegram: TelegramServer, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    """A proxy's page in place of an answer is not taken for success, nor quoted."""
    telegram.fail_next("sendMessage", 200, body="<html>dear customer text</html>")
    telegram.fail_next("sendMessage", 503, body="<html>dear customer text</html>")
    connector = connect()
    for _ in range(2):
        with pytest.raises(TemporaryError) as caught:
            await connector.send(outgoing())
        assert "dear customer" not in str(caught.value)
    assert "dear customer" not in caplog.text


async def test_a_message_that_telegram_took_is_not_sent_again(telegram: TelegramServer, connect: Connect) -> None:
    """An answer of success in a form that the library cannot read is a success all the same."""
    telegram.fail_next("sendMessage", 200, body='{"ok": true, "result": {"message_id": 7}}')
    assert await connect().send(outgoing()) == ""


async def test_a_server_without_webhooks_is_polled(
    telegram: TelegramServer, connect: Connect, accept: Acceptor, database: Database
) -> None:
    """A Bot API server that does not know deleteWebhook is no reason to distrust the token."""
    telegram.fail_next("deleteWebhook", 404, "Not Found")
    await connect().start(accept)
    await telegram.user_says(CHAT, "hello")
    assert [event.text for event in await stored_count(database, 1)] == ["hello"]


async def test_a_retry_goes_on_where_it_stopped(telegram: TelegramServer, connect: Connect) -> None:
    """Of a long text the parts that have left are not sent again."""
    connector = connect()
    text = "\n".join(f"line {n} of a long answer" for n in range(400))
    telegram.fail_next("sendMessage", 500, skip=1)
    with pytest.raises(TemporaryError):
        await connector.send(outgoing(text))
    assert len(telegram.sent(CHAT)) == 1
    await connector.send(outgoing(text))
    pieces = [message.text for message in await telegram.wait_for(CHAT)]
    assert "\n".join(pieces) == text


async def test_refused_buttons_become_numbered_lines(telegram: TelegramServer, connect: Connect) -> None:
    """Markup that Telegram refuses is sent again plain, never lost."""
    telegram.fail_next("sendMessage", 400, "Bad Request: BUTTON_DATA_INVALID")
    await connect().send(outgoing("Sure?", buttons=(OutButton("Yes", "/affirm"), OutButton("No", "/deny"))))
    (sent,) = await telegram.wait_for(CHAT)
    assert (sent.text, sent.buttons) == ("Sure?\n\n1. Yes\n2. No", [])


async def test_a_group_that_moved_is_followed(telegram: TelegramServer, connect: Connect) -> None:
    """A group that became a supergroup has a new id; the message goes there."""
    telegram.fail_next(
        "sendMessage",
        400,
        body='{"ok": false, "error_code": 400, "description": "Bad Request: group chat was upgraded to a supergroup '
        'chat", "parameters": {"migrate_to_chat_id": -1002200330044}}',
    )
    await connect().send(outgoing(chat=-44))
    assert [sent.text for sent in await telegram.wait_for(-1002200330044)] == ["Hi"]


async def test_sending_after_the_stop_is_temporary(connect: Connect, accept: Acceptor) -> None:
    """A dispatcher that still runs while the program ends gets an error it understands."""
    connector = connect()
    await connector.start(accept)
    await connector.stop()
    with pytest.raises(TemporaryError):
        await connector.send(outgoing())


async def test_a_stopped_connector_can_start_again(
    telegram: TelegramServer, connect: Connect, accept: Acceptor, database: Database
) -> None:
    """Stop gives everything back, start takes it again."""
    connector = connect()
    await connector.start(accept)
    await connector.stop()
    await connector.start(accept)
    await telegram.user_says(CHAT, "again")
    await connector.send(outgoing("yes"))
    assert [event.text for event in await stored_count(database, 1)] == ["again"]


# Files


async def test_a_photo_is_fetched(
    telegram: TelegramServer, connect: Connect, accept: Acceptor, database: Database
) -> None:
    """The attachment that arrives is enough to download the largest size."""
    connector = connect()
    await connector.start(accept)
    await telegram.user_sends_file(CHAT, b"\xff\xd8 a photo", caption="crushed")
    (event,) = await stored_count(database, 1)
    assert event.text == "crushed"
    assert await connector.fetch(event.attachments[0]) == b"\xff\xd8 a photo"


async def test_files_that_cannot_be_had_are_given_up(telegram: TelegramServer, connect: Connect) -> None:
    """Beyond 20 MB Telegram hands out nothing, and an unknown id stays unknown."""
    connector = connect()
    with pytest.raises(PermanentError, match="20 MB"):
        await connector.fetch(Attachment("document", "x", size=20_000_001))
    with pytest.raises(PermanentError, match=r"(?i)wrong file_id"):
        await connector.fetch(Attachment("document", "x"))
    telegram.fail_next("getFile", 502)
    with pytest.raises(TemporaryError):
        await connector.fetch(Attachment("document", "x"))


# Discretion


async def test_neither_token_nor_words_are_logged(
    telegram: TelegramServer,
    connect: Connect,
    accept: Acceptor,
    database: Database,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Through success and failure the log has no token at any level, and no message above DEBUG."""
    caplog.set_level(logging.DEBUG)
    connector = connect()
    telegram.fail_next("getMe", 0)
    telegram.fail_next("getUpdates", 500)
    telegram.fail_next("getUpdates", 401)
    await connector.start(accept)
    await telegram.user_says(CHAT, "my secret words")
    await stored_count(database, 1)
    telegram.fail_next("sendMessage", 0)
    telegram.fail_next("sendMessage", 401)
    for _ in range(2):
        with pytest.raises(TemporaryError):
            await connector.send(outgoing("our secret words"))
    await connector.send(outgoing("our secret words"))
    with pytest.raises(TemporaryError) as caught:
        telegram.fail_next("getFile", 500, f"error at /bot{telegram.token}/getFile")
        await connector.fetch(Attachment("document", "x"))
    assert telegram.token not in caplog.text + str(caught.value)
    above = [record.getMessage() for record in caplog.records if record.levelno > logging.DEBUG]
    assert above
    assert not [words for words in above if "secret words" in words]


def test_a_channel_that_is_off_imports_no_library() -> None:
    """Importing the package alone leaves the vendor's library out of the process."""
    code = "import sys, connectors.telegram; sys.exit('telegram' in sys.modules)"
    root = Path(__file__).parents[3]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0
