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
    ChannelDown,
    ChatMoved,
    Media,
    OutButton,
    Outgoing,
    PermanentError,
    TemporaryError,
    Unreachable,
)
from bot.inbox import Acceptor
from bot.storage import Database
from connectors.telegram import api
from connectors.telegram.api import Refused
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
        (403, "Forbidden: bot was blocked by the user", Unreachable, "blocked by the user"),
        (403, "Forbidden: user is deactivated", Unreachable, "deactivated"),
        (403, "Forbidden: bot was kicked from the supergroup chat", Unreachable, "kicked"),
        (400, "Bad Request: chat not found", PermanentError, "(?i)chat not found"),
        (500, "Internal Server Error", TemporaryError, "Internal Server Error"),
        (502, "Bad Gateway", TemporaryError, "Bad Gateway"),
        (401, "Unauthorized", ChannelDown, "TELEGRAM_BOT_TOKEN"),
        (404, "Not Found", ChannelDown, "TELEGRAM_API_BASE_URL"),
        (0, "", TemporaryError, "did not answer properly"),
    ],
)
async def test_errors_are_told_apart(
    status: int, description: str, kind: type[Exception], words: str, telegram: TelegramServer, connect: Connect
) -> None:
    """What waiting can mend is temporary, a revoked token stops the channel, a block is the customer's own."""
    telegram.fail_next("sendMessage", status, description)
    with pytest.raises(kind, match=words) as caught:
        await connect().send(outgoing())
    assert type(caught.value) is kind or isinstance(caught.value, Refused)


async def test_a_revoked_token_rests_for_a_minute(telegram: TelegramServer, connect: Connect) -> None:
    """The whole channel waits, and says what to do."""
    telegram.fail_next("sendMessage", 401)
    with pytest.raises(ChannelDown, match="set TELEGRAM_BOT_TOKEN to the one @BotFather shows") as caught:
        await connect().send(outgoing())
    assert caught.value.retry_after == 60


async def test_a_connection_cut_afterwards_is_temporary(telegram: TelegramServer, connect: Connect) -> None:
    """Nobody can know whether Telegram has sent it: it is sent again rather than lost."""
    connector = connect()
    telegram.fail_next("sendMessage", 0, after=True)
    with pytest.raises(TemporaryError):
        await connector.send(outgoing())
    await connector.send(outgoing())
    assert [sent.text for sent in telegram.sent(CHAT)] == ["Hi", "Hi"]


async def test_too_fast_is_answered_with_a_wait(telegram: TelegramServer, connect: Connect) -> None:
    """The second message within a second to one chat comes back with the time to wait; other chats go on."""
    telegram.limited = True
    connector = connect()
    await connector.send(outgoing())
    with pytest.raises(TemporaryError) as caught:
        await connector.send(outgoing())
    assert caught.value.retry_after == 1
    await connector.send(outgoing(chat=7))


def test_the_limits_are_telegrams(connect: Connect) -> None:
    """One a second to a chat, thirty in all, twenty a minute to a group."""
    limits = connect().limits
    assert (limits.per_chat, limits.overall, limits.per_group) == ((1, 1.0), (30, 1.0), (20, 60.0))
    assert [limits.is_group(chat) for chat in ("-1002200330044", "-44", "44")] == [True, True, False]


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
    monkeypatch.setattr(api, "TIMEOUT_SECONDS", 0.1)
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


async def test_a_long_text_is_sent_part_by_part(telegram: TelegramServer, connect: Connect) -> None:
    """A failed part alone is sent again, even by another process: nothing is remembered here."""
    text = "\n".join(f"line {n} of a long answer" for n in range(400))
    assert connect().parts(outgoing(text)) == 3
    await connect().send(outgoing(text), 0)
    telegram.fail_next("sendMessage", 500)
    with pytest.raises(TemporaryError):
        await connect().send(outgoing(text), 1)
    await connect().send(outgoing(text), 1)
    await connect().send(outgoing(text), 2)
    assert "\n".join(message.text for message in telegram.sent(CHAT)) == text


async def test_nothing_to_say_is_one_part_that_sends_nothing(telegram: TelegramServer, connect: Connect) -> None:
    """A message without words counts as delivered."""
    connector = connect()
    assert (connector.parts(outgoing(" ")), await connector.send(outgoing(" "))) == (1, "")
    assert telegram.calls == []


async def test_an_answer_in_a_group_is_a_reply(telegram: TelegramServer, connect: Connect) -> None:
    """Telegram gets the message that is answered, and sends even if that is gone."""
    await connect().send(outgoing(chat=-44, reply_to="17"))
    (params,) = telegram.calls_of("sendMessage")
    assert params["reply_parameters"] == {"message_id": 17, "allow_sending_without_reply": True}


async def test_refused_buttons_become_numbered_lines(telegram: TelegramServer, connect: Connect) -> None:
    """Markup that Telegram refuses is sent again plain, never lost."""
    telegram.fail_next("sendMessage", 400, "Bad Request: BUTTON_DATA_INVALID")
    await connect().send(outgoing("Sure?", buttons=(OutButton("Yes", "/affirm"), OutButton("No", "/deny"))))
    (sent,) = await telegram.wait_for(CHAT)
    assert (sent.text, sent.buttons) == ("Sure?\n\n1. Yes\n2. No", [])


async def test_a_group_that_moved_is_told(telegram: TelegramServer, connect: Connect) -> None:
    """A group that became a supergroup has a new id, which the core needs to know."""
    telegram.fail_next("sendMessage", 400, moved_to=-1002200330044)
    with pytest.raises(ChatMoved) as caught:
        await connect().send(outgoing(chat=-44))
    assert caught.value.chat == "-1002200330044"


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
