"""Sending, files and discretion: the connector and the real client library against a Slack workspace."""

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
    Media,
    OutButton,
    Outgoing,
    PermanentError,
    TemporaryError,
)
from bot.inbox import Acceptor
from bot.storage import Database
from connectors.slack import api
from connectors.slack.client import SlackConnector
from tests.connectors.inboxes import Gate, stored
from tests.connectors.slack.conftest import Connect
from tests.fakes.slack_server import ANA, APP_TOKEN, BOT_TOKEN, BOT_USER, SlackServer

DIRECT = "D024BE91L"
FIXTURES = Path(__file__).parents[2] / "fixtures" / "slack"


def outgoing(text: str = "Hi", channel: str = ANA, thread: str = "", **fields: Any) -> Outgoing:
    return Outgoing(fields.pop("id", 1), Address("slack", channel, ANA, thread), text, "en", **fields)


# Sending


async def test_a_message_is_sent_without_receiving(slack: SlackServer, connect: Connect) -> None:
    """A process that only works the outbox sends too; the message's ``ts`` comes back."""
    ts = await connect().send(outgoing("Tom & Ana", thread="1763751601.000300", buttons=(OutButton("Yes", "/affirm"),)))
    (post,) = await slack.wait_for(DIRECT)
    assert (post.ts, post.thread_ts, post.shown, post.buttons) == (ts, "1763751601.000300", "Tom &amp; Ana", ["Yes"])


async def test_a_file_is_sent(slack: SlackServer, connect: Connect, config: Config) -> None:
    """The text comes first, then the file's bytes under the name to be shown."""
    path = config.files_dir / "exports" / "x.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(b'{"a": 1}')
    connector, message = connect(), outgoing("Your data", media=(Media("exports/x.json", "my-data.json"),))
    assert connector.parts(message) == 2
    for part in range(2):
        await connector.send(message, part)
    text, file = await slack.wait_for(DIRECT, 2)
    assert text.shown == "Your data"
    assert (file.filename, file.document) == ("my-data.json", b'{"a": 1}')


async def test_only_files_of_the_files_folder_are_sent(slack: SlackServer, connect: Connect, config: Config) -> None:
    """A path that leads elsewhere is never sent; the message is given up with the reason."""
    config.files_dir.mkdir(parents=True)
    (config.data_dir / "secret_key").write_text("secret")
    with pytest.raises(PermanentError, match="not in the data folder"):
        await connect().send(outgoing("", media=(Media("../secret_key", "x"),)))
    assert slack.calls_of("files.getUploadURLExternal") == []


@pytest.mark.parametrize(
    ("status", "error", "kind", "words"),
    [
        (200, "channel_not_found", PermanentError, "channel_not_found"),
        (200, "is_archived", PermanentError, "is_archived"),
        (200, "not_in_channel", PermanentError, "not_in_channel"),
        (200, "user_not_found", PermanentError, "user_not_found"),
        (200, "invalid_auth", ChannelDown, "SLACK_BOT_TOKEN"),
        (200, "token_revoked", ChannelDown, "install the app again"),
        (200, "account_inactive", ChannelDown, "install it again"),
        (200, "missing_scope", TemporaryError, "lacks the scope"),
        (200, "internal_error", TemporaryError, "internal_error"),
        (500, "internal_error", TemporaryError, "internal_error"),
        (502, "bad_gateway", TemporaryError, "bad_gateway"),
        (503, "service_unavailable", TemporaryError, "service_unavailable"),
        (0, "", TemporaryError, "did not answer properly"),
    ],
)
async def test_errors_are_told_apart(
    status: int, error: str, kind: type[Exception], words: str, slack: SlackServer, connect: Connect
) -> None:
    """What waiting or the operator can mend is temporary; a channel that is gone is permanent."""
    slack.fail_next("chat.postMessage", status, error)
    with pytest.raises(kind, match=words) as caught:
        await connect().send(outgoing())
    assert isinstance(caught.value, ChannelDown) == (kind is ChannelDown)
    assert len(slack.calls_of("chat.postMessage")) == 1


@pytest.mark.parametrize("seconds", [1, 600])
async def test_a_wait_is_handed_on_and_not_slept_through(seconds: int, slack: SlackServer, connect: Connect) -> None:
    """Retry-After comes out at once with its seconds, and the next try succeeds."""
    connector = connect()
    slack.fail_next("chat.postMessage", 429, retry_after=seconds)
    with pytest.raises(TemporaryError) as caught:
        await connector.send(outgoing())
    assert caught.value.retry_after == seconds
    await connector.send(outgoing())
    assert len(await slack.wait_for(DIRECT)) == 1


@pytest.mark.parametrize("status", [200, 502])
async def test_an_unreadable_answer_is_temporary_and_not_logged(
    status: int, slack: SlackServer, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    """A proxy's page in place of an answer is not taken for success, nor quoted."""
    slack.fail_next("chat.postMessage", status, body="<html>dear customer text</html>")
    with pytest.raises(TemporaryError) as caught:
        await connect().send(outgoing())
    assert "dear customer" not in str(caught.value) + caplog.text


async def test_a_slow_server_is_a_temporary_error(
    slack: SlackServer, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request without an answer ends after the set time."""
    monkeypatch.setattr(api, "TIMEOUT_SECONDS", 0.1)
    slack.fail_next("chat.postMessage", 500, delay=1)
    with pytest.raises(TemporaryError, match="TimeoutError"):
        await connect().send(outgoing())


async def test_a_refused_token_lets_the_channel_rest(slack: SlackServer, connect: Connect) -> None:
    """Nothing but the operator helps, so the whole channel rests for a minute."""
    slack.fail_next("chat.postMessage", error="token_revoked")
    with pytest.raises(ChannelDown) as caught:
        await connect().send(outgoing())
    assert caught.value.retry_after == 60


async def test_each_part_is_one_message_and_any_part_can_be_sent_alone(slack: SlackServer, connect: Connect) -> None:
    """Another process goes on where one stopped: what has left is known to the caller alone."""
    text = "\n".join(f"line {n} of a long answer" for n in range(1000))
    first, second = connect(), connect()
    count = first.parts(outgoing(text))
    slack.fail_next("chat.postMessage", 500, skip=1)
    await first.send(outgoing(text), 0)
    with pytest.raises(TemporaryError):
        await first.send(outgoing(text), 1)
    assert len(slack.posts(DIRECT)) == 1
    for part in range(1, count):
        await second.send(outgoing(text), part)
    assert "\n".join(post.shown for post in slack.posts(DIRECT)) == text
    assert len(slack.posts(DIRECT)) == count > 1


async def test_nothing_to_say_is_one_part_that_sends_nothing(slack: SlackServer, connect: Connect) -> None:
    """Slack takes no empty message."""
    connector = connect()
    assert connector.parts(outgoing(" ")) == 1
    assert await connector.send(outgoing(" ")) == ""
    assert slack.posts(DIRECT) == []


async def test_a_connection_cut_after_slack_posted_is_not_taken_for_success(
    slack: SlackServer, connect: Connect
) -> None:
    """Nobody knows whether it arrived: it is sent again, since a message twice is better than none."""
    connector = connect()
    slack.fail_next("chat.postMessage", 0, after=True)
    with pytest.raises(TemporaryError):
        await connector.send(outgoing())
    assert await connector.send(outgoing()) == slack.posts(DIRECT)[-1].ts
    assert [post.shown for post in slack.posts(DIRECT)] == ["Hi", "Hi"]


async def test_a_file_to_a_person_goes_to_their_direct_message(
    slack: SlackServer, connect: Connect, config: Config
) -> None:
    """Files need the channel's own id, which is asked for once; words go to the person's id."""
    config.files_dir.mkdir(parents=True)
    (config.files_dir / "x").write_bytes(b"x")
    connector = connect()
    for _ in range(2):
        await connector.send(outgoing("", media=(Media("x", "x.txt"),)))
    assert [post.filename for post in slack.posts(DIRECT)] == ["x.txt", "x.txt"]
    assert len(slack.calls_of("conversations.open")) == 1


@pytest.mark.parametrize("method", ["conversations.open", "files.getUploadURLExternal", "upload"])
async def test_a_file_that_fails_is_tried_again(
    method: str, slack: SlackServer, connect: Connect, config: Config
) -> None:
    """At whatever step it fails, nothing has been sent and the next try sends it."""
    config.files_dir.mkdir(parents=True)
    (config.files_dir / "x").write_bytes(b"x")
    connector, message = connect(), outgoing("", media=(Media("x", "x.txt"),))
    slack.fail_next(method, 500)
    with pytest.raises(TemporaryError):
        await connector.send(message)
    assert slack.posts(DIRECT) == []
    await connector.send(message)
    assert len(slack.posts(DIRECT)) == 1


async def test_refused_blocks_become_numbered_lines(slack: SlackServer, connect: Connect) -> None:
    """A form that Slack refuses is sent again plain, never lost."""
    slack.fail_next("chat.postMessage", error="invalid_blocks")
    await connect().send(outgoing("Sure?", buttons=(OutButton("Yes", "/affirm"), OutButton("No", "/deny"))))
    (post,) = await slack.wait_for(DIRECT)
    assert (post.shown, post.buttons) == ("Sure?\n\n1. Yes\n2. No", [])


# Files


async def test_a_file_is_fetched(
    slack: SlackServer, receiving: SlackConnector, accept: Acceptor, database: Database
) -> None:
    """The attachment that arrives is enough to download the file with the bot's token."""
    await receiving.start(accept)
    await slack.user_sends_file(DIRECT, b"\xff\xd8 a photo", text="crushed")
    (event,) = await stored(database)
    assert event.text == "crushed"
    assert await receiving.fetch(event.attachments[0]) == b"\xff\xd8 a photo"


@pytest.mark.parametrize(
    "url",
    [
        "https://files.slack.com.evil.example/x",
        "https://evilslack.com/x",
        "http://files.slack.com/x",
        "https://slack.com@evil.example/x",
        "file:///etc/hostname",
        "",
    ],
)
async def test_the_token_goes_to_slack_only(url: str, connect: Connect) -> None:
    """An address elsewhere is not asked at all."""
    with pytest.raises(PermanentError, match="not on Slack's servers"):
        await connect().fetch(Attachment("document", url))


async def test_files_that_cannot_be_had_are_given_up(slack: SlackServer, connect: Connect) -> None:
    """Too large, gone, or hidden behind the sign-in page is for ever; trouble at Slack is not."""
    connector = connect()
    attachment = Attachment("photo", f"{slack.root}/files/F1", "x.jpg", "image/jpeg")
    with pytest.raises(PermanentError, match="25 MB"):
        await connector.fetch(Attachment("document", attachment.ref, size=26_214_401))
    slack.fail_next("files", 404)
    with pytest.raises(PermanentError, match="files:read"):
        await connector.fetch(attachment)
    slack.fail_next("files", 200, body="<html>Sign in</html>")
    with pytest.raises(PermanentError, match="files:read"):
        await connector.fetch(attachment)
    slack.fail_next("files", 429, retry_after=30)
    with pytest.raises(TemporaryError) as caught:
        await connector.fetch(attachment)
    assert caught.value.retry_after == 30
    slack.fail_next("files", 0)
    with pytest.raises(TemporaryError):
        await connector.fetch(attachment)


# Discretion


async def test_neither_tokens_nor_words_are_logged(
    slack: SlackServer, receiving: SlackConnector, accept: Acceptor, caplog: pytest.LogCaptureFixture
) -> None:
    """Through success and failure the log has no token at any level, and no message above DEBUG."""
    caplog.set_level(logging.DEBUG)
    gate = Gate(accept, RuntimeError("INSERT … ('my secret words')"))
    await receiving.start(gate)
    delivery = await slack.user_says(DIRECT, "my secret words", wait=False)
    await slack.until(lambda: gate.asked)
    gate.error = None
    gate.open.set()
    await slack.until(lambda: delivery.acknowledged)
    slack.fail_next("chat.postMessage", 0)
    slack.fail_next("chat.postMessage", error="invalid_auth")
    for _ in range(2):
        with pytest.raises(TemporaryError):
            await receiving.send(outgoing("our secret words"))
    await receiving.send(outgoing("our secret words"))
    await slack.drop_sockets()
    for secret in (BOT_TOKEN, APP_TOKEN, "ticket="):
        assert secret not in caplog.text
    above = [record.getMessage() for record in caplog.records if record.levelno > logging.DEBUG]
    assert above
    assert not [words for words in above if "secret words" in words]


async def test_own_messages_are_ignored_even_if_slack_does_not_mark_them(
    slack: SlackServer, receiving: SlackConnector, accept: Acceptor, database: Database
) -> None:
    """A message by the bot's own user never comes back as a customer's."""
    await receiving.start(accept)
    assert (await slack.event(slack.message(DIRECT, "hello", BOT_USER))).acknowledged
    assert await stored(database) == []


def test_a_channel_that_is_off_imports_no_library() -> None:
    """Importing the package alone leaves the vendor's library out of the process."""
    code = "import sys, connectors.slack; sys.exit('slack_bolt' in sys.modules or 'slack_sdk' in sys.modules)"
    root = Path(__file__).parents[3]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0
