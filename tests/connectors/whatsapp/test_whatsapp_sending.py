"""Sending: the connector against a Graph API server that refuses what the platform refuses."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from bot.config import Config
from bot.contracts import (
    Address,
    ChannelDown,
    Inbound,
    Media,
    OutButton,
    Outgoing,
    PermanentError,
    TemporaryError,
    Unreachable,
)
from bot.inbox import Acceptor
from bot.storage import Database, now
from bot.storage.models import Inbox
from connectors.whatsapp import client, graph
from tests.connectors.whatsapp.conftest import TEMPLATE, Connect
from tests.fakes.whatsapp_server import TOKEN, WhatsAppServer

ANA = "34600111222"
HERE = Address("whatsapp", ANA, ANA)
MEGABYTE = 1024**2


def outgoing(text: str = "Hi", language: str = "en", **fields: Any) -> Outgoing:
    return Outgoing(7, HERE, text, language, **fields)


def buttons(*titles: str) -> tuple[OutButton, ...]:
    return tuple(OutButton(title, f"/choose{number}") for number, title in enumerate(titles))


@pytest.fixture
def file(config: Config) -> Callable[..., Media]:
    """Puts a file into the data folder."""

    def put(name: str, mime: str, size: int = 3, data: bytes = b"") -> Media:
        path = Path(config.files_dir) / "out" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data or b"x" * size)
        return Media(f"out/{name}", name, mime)

    return put


@pytest.fixture
def wrote(accept: Acceptor, database: Database) -> Callable[[float], Awaitable[None]]:
    """Ana wrote so many hours ago."""

    async def write(hours: float) -> None:
        await accept([Inbound("wamid.1", HERE, "hello")])
        async with database.begin() as session:
            await session.execute(update(Inbox).values(received_at=now() - timedelta(hours=hours)))

    return write


# What arrives


async def test_a_message_arrives(whatsapp: WhatsAppServer, connect: Connect) -> None:
    """Its id is the platform's."""
    message_id = await connect().send(outgoing("Your order is on its way."))
    (sent,) = whatsapp.sent(ANA)
    assert (sent.text, sent.message_id) == ("Your order is on its way.", message_id)


async def test_every_part_is_sent_by_itself(whatsapp: WhatsAppServer, connect: Connect) -> None:
    """``parts`` says how many, ``send`` makes one request of each, in any order and by any instance."""
    text = " ".join(f"word{number}" for number in range(2000))
    message = outgoing(text, buttons=buttons("Yes", "No"))
    count = connect().parts(message)
    assert count == 5
    for part in reversed(range(count)):
        await connect().send(message, part)
    said = [sent.text for sent in reversed(whatsapp.sent(ANA))]
    assert " ".join(said).split() == text.split()
    assert whatsapp.sent(ANA)[0].buttons == ["Yes", "No"]


async def test_a_message_without_words_is_one_part_that_sends_nothing(
    whatsapp: WhatsAppServer, connect: Connect
) -> None:
    """The contract wants at least one part."""
    assert connect().parts(outgoing("")) == 1
    assert await connect().send(outgoing("")) == ""
    assert whatsapp.requests == []


async def test_choices_are_as_the_platform_takes_them(whatsapp: WhatsAppServer, connect: Connect) -> None:
    """Buttons, a list, numbers: the server would refuse what is too long, too many or there twice."""
    connector = connect()
    for count in (1, 3, 4, 10, 11):
        titles = tuple(f"A choice with a long title, number {number}" for number in range(count))
        await connector.send(outgoing("Which?", buttons=buttons(*titles), quick_replies=buttons("Same", "Same")))
        assert connector.parts(outgoing("Which?", buttons=buttons(*titles))) == 1
    first, *_, last = whatsapp.sent(ANA)
    assert first.body["interactive"]["action"]["button"] == "Choose"
    assert "11. A choice with a long title, number 10\n12. Same\n13. Same" in last.text


async def test_the_list_s_button_is_in_the_customer_s_language(whatsapp: WhatsAppServer, connect: Connect) -> None:
    """Its words come from the catalogues; an unknown language gets the default one."""
    connector = connect()
    for language in ("en", "tlh"):
        await connector.send(outgoing("Which?", language=language, buttons=buttons(*"abcd")))
    words = [sent.body["interactive"]["action"]["button"] for sent in whatsapp.sent(ANA)]
    assert words == ["Choose", "Choose"]


@pytest.mark.parametrize("count", [2, 5])
async def test_refused_choices_are_numbered(whatsapp: WhatsAppServer, connect: Connect, count: int) -> None:
    """What the platform does not take as buttons is sent as text, and not lost."""
    titles = tuple(f"Choice {number}" for number in range(count))
    whatsapp.fail_next("messages", 131009)
    await connect().send(outgoing("Which?", buttons=buttons(*titles)))
    (sent,) = whatsapp.sent(ANA)
    assert sent.text == "Which?\n\n" + "\n".join(f"{number}. {title}" for number, title in enumerate(titles, 1))


@pytest.mark.parametrize(
    ("name", "mime", "size", "kind", "uploaded"),
    [
        ("cup.jpg", "image/jpeg", 3, "image", "image/jpeg"),
        ("cup.png", "image/png", 5 * MEGABYTE + 1, "document", "image/png"),
        ("film.mp4", "video/mp4", 3, "video", "video/mp4"),
        ("bill.pdf", "application/pdf", 3, "document", "application/pdf"),
        ("bill.pdf", "application/octet-stream", 3, "document", "application/pdf"),
        ("my-data.json", "application/json", 3, "document", "text/plain"),
        ("orders.csv", "text/csv", 3, "document", "text/plain"),
    ],
)
async def test_a_file_is_uploaded_and_sent_by_its_id(
    whatsapp: WhatsAppServer,
    connect: Connect,
    file: Callable[..., Media],
    name: str,
    mime: str,
    size: int,
    kind: str,
    uploaded: str,
) -> None:
    """As the platform shows such files; as a document where it is too large or of a type of its own."""
    message_id = await connect().send(outgoing("Here it is", media=(file(name, mime, size),)))
    (sent,) = whatsapp.sent(ANA)
    assert (sent.body["type"], sent.text, sent.message_id) == (kind, "Here it is", message_id)
    assert sent.file is not None
    assert (sent.file[0], len(sent.file[1])) == (uploaded, size)
    if kind == "document":
        assert sent.body["document"]["filename"] == name


async def test_a_voice_message_has_its_text_ahead(
    whatsapp: WhatsAppServer, connect: Connect, file: Callable[..., Media]
) -> None:
    """Audio takes no caption."""
    message = outgoing("Listen", media=(file("hello.ogg", "audio/ogg"),))
    connector = connect()
    for part in range(connector.parts(message)):
        await connector.send(message, part)
    assert [sent.body["type"] for sent in whatsapp.sent(ANA)] == ["text", "audio"]


async def test_a_file_that_is_not_there_is_given_up(whatsapp: WhatsAppServer, connect: Connect) -> None:
    """Nor one outside the data folder, nor a type that the platform refuses, nor one that is too large."""
    for path in ("out/none.pdf", "../secret_key", "/etc/hostname"):
        with pytest.raises(PermanentError, match="data folder"):
            await connect().send(outgoing(media=(Media(path, "none.pdf", "application/pdf"),)))
    assert whatsapp.requests == []


async def test_a_file_that_the_platform_refuses_is_given_up(
    whatsapp: WhatsAppServer, connect: Connect, file: Callable[..., Media], monkeypatch: pytest.MonkeyPatch
) -> None:
    """For its type or its size; the reason is the platform's."""
    with pytest.raises(PermanentError, match="must be a file with one of the following types"):
        await connect().send(outgoing(media=(file("a.zip", "application/zip"),)))
    monkeypatch.setitem(client.MAX_FILE, "document", MEGABYTE)
    with pytest.raises(PermanentError, match="larger than 1 MB"):
        await connect().send(outgoing(media=(file("a.pdf", "application/pdf", MEGABYTE + 1),)))
    assert whatsapp.sent(ANA) == []


# The 24 hours


async def test_within_a_day_free_text_is_sent(
    whatsapp: WhatsAppServer, connect: Connect, wrote: Callable[[float], Awaitable[None]]
) -> None:
    """Template or not."""
    await wrote(23.9)
    await connect({"template": TEMPLATE}).send(outgoing("How are you?"))
    assert whatsapp.sent(ANA)[0].body["type"] == "text"


async def test_later_than_a_day_the_template_speaks(
    whatsapp: WhatsAppServer, connect: Connect, wrote: Callable[[float], Awaitable[None]]
) -> None:
    """In the customer's language where it is there, else in the shop's; free text is not even tried."""
    await wrote(24.1)
    connector = connect({"template": TEMPLATE})
    await connector.send(outgoing("How did we do?", quick_replies=buttons("Great", "Bad")))
    await connector.send(outgoing("我们做得怎么样？", language="zh-Hans"))
    await connector.send(outgoing("¿Qué tal?", language="es"))
    assert [sent.text for sent in whatsapp.sent(ANA)] == [
        "How did we do? 1. Great · 2. Bad",
        "我们做得怎么样？",
        "¿Qué tal?",
    ]
    templates = [sent.body["template"] for sent in whatsapp.sent(ANA)]
    assert [each["language"]["code"] for each in templates] == ["en_US", "zh_CN", "en_US"]
    assert {each["name"] for each in templates} == {"customer_service"}
    assert len(whatsapp.requests) == 3


async def test_later_than_a_day_nothing_is_sent_without_a_template(
    whatsapp: WhatsAppServer, connect: Connect, wrote: Callable[[float], Awaitable[None]]
) -> None:
    """The platform would take it and lose it later, so it is not even tried; the reason says what to do."""
    await wrote(25)
    with pytest.raises(PermanentError, match=r"more than 24 hours ago.*connectors\.whatsapp\.template"):
        await connect().send(outgoing("How did we do?"))
    assert whatsapp.requests == []


async def test_what_agents_do_elsewhere_does_not_open_the_day_again(
    whatsapp: WhatsAppServer, connect: Connect, wrote: Callable[[float], Awaitable[None]], database: Database
) -> None:
    """An agent's reply from a room on another platform is in the same conversation; the customer has not written."""
    await wrote(25)
    async with database.begin() as session:
        reply = {"channel": "slack", "external_id": "Ev1", "conversation_id": 1, "event": {}}
        session.add(Inbox(**reply))
    await connect({"template": TEMPLATE}).send(outgoing("Sorry for the wait."))
    assert [sent.body["type"] for sent in whatsapp.sent(ANA)] == ["template"]


async def test_a_refusal_for_the_24_hours_leads_to_the_template(whatsapp: WhatsAppServer, connect: Connect) -> None:
    """Where our own clock did not know; without a template it is given up with the reason."""
    whatsapp.fail_next("messages", 131047)
    await connect({"template": TEMPLATE}).send(outgoing("How did we do?"))
    assert [sent.body["type"] for sent in whatsapp.sent(ANA)] == ["template"]
    whatsapp.fail_next("messages", 131047)
    with pytest.raises(PermanentError, match=r"connectors\.whatsapp\.template"):
        await connect().send(outgoing("How did we do?"))


async def test_a_template_takes_neither_files_nor_long_texts(
    whatsapp: WhatsAppServer,
    connect: Connect,
    file: Callable[..., Media],
    wrote: Callable[[float], Awaitable[None]],
) -> None:
    """Both are given up with the reason rather than cut."""
    await wrote(25)
    connector = connect({"template": TEMPLATE})
    with pytest.raises(PermanentError, match="a file cannot be sent"):
        await connector.send(outgoing("Look", media=(file("cup.jpg", "image/jpeg"),)))
    with pytest.raises(PermanentError, match="longer than"):
        await connector.send(outgoing("long " * 300))
    assert whatsapp.sent(ANA) == []


async def test_a_template_that_is_not_approved_is_named(
    whatsapp: WhatsAppServer, connect: Connect, wrote: Callable[[float], Awaitable[None]]
) -> None:
    """The operator reads what is wrong with it."""
    await wrote(25)
    whatsapp.fail_next("messages", 132001)
    with pytest.raises(PermanentError, match="no approved template of this name in this language"):
        await connect({"template": TEMPLATE}).send(outgoing("How did we do?"))


# Faults


@pytest.mark.parametrize(
    ("failure", "expected", "wait"),
    [
        pytest.param({"code": 131056}, TemporaryError, 60.0, id="too many to one customer"),
        pytest.param({"code": 130429}, TemporaryError, 5.0, id="too many at all"),
        pytest.param({"code": 130429, "headers": {"Retry-After": "600"}}, TemporaryError, 600.0, id="wait named"),
        pytest.param({"code": 80007}, TemporaryError, 600.0, id="too many calls of the account"),
        pytest.param(
            {
                "code": 80007,
                "headers": {
                    "X-Business-Use-Case-Usage": '{"1": [{"type": "whatsapp", "call_count": 101,'
                    ' "total_cputime": 1, "total_time": 1, "estimated_time_to_regain_access": 19}]}'
                },
            },
            TemporaryError,
            19 * 60.0,
            id="wait named in minutes",
        ),
        pytest.param({"status": 429}, TemporaryError, None, id="429 of something on the way"),
        pytest.param({"code": 131000}, TemporaryError, None, id="something went wrong"),
        pytest.param({"status": 500}, TemporaryError, None, id="500"),
        pytest.param({"status": 502}, TemporaryError, None, id="502"),
        pytest.param({"status": 404}, TemporaryError, None, id="404 of something on the way"),
        pytest.param({"status": 200}, TemporaryError, None, id="a page instead of an answer"),
        pytest.param({"status": 200, "body": [1]}, TemporaryError, None, id="other JSON"),
        pytest.param({"status": 0}, TemporaryError, None, id="cut before"),
        pytest.param({"status": 0, "after": True}, TemporaryError, None, id="cut after"),
        pytest.param({"code": 190}, ChannelDown, 300.0, id="revoked token"),
        pytest.param({"code": 0}, ChannelDown, 300.0, id="no token"),
        pytest.param({"status": 401}, ChannelDown, 300.0, id="401 of something on the way"),
        pytest.param({"code": 368}, ChannelDown, 300.0, id="blocked for policies"),
        pytest.param({"code": 131031}, ChannelDown, 300.0, id="locked account"),
        pytest.param({"code": 131042}, ChannelDown, 300.0, id="not paid"),
        pytest.param({"code": 133010}, ChannelDown, 300.0, id="not registered"),
        pytest.param({"code": 131026}, PermanentError, None, id="undeliverable"),
        pytest.param({"code": 131030}, PermanentError, None, id="not allowed for a test number"),
        pytest.param({"code": 131009}, PermanentError, None, id="bad parameter"),
        pytest.param({"code": 999999}, PermanentError, None, id="unknown"),
    ],
)
async def test_what_the_platform_says_is_explained(
    whatsapp: WhatsAppServer, connect: Connect, failure: dict[str, Any], expected: type[Exception], wait: float | None
) -> None:
    """What waiting mends, what the operator mends, what nothing mends."""
    whatsapp.fail_next("messages", **failure)
    with pytest.raises(expected) as caught:
        await connect().send(outgoing())
    assert isinstance(caught.value, ChannelDown) is (expected is ChannelDown)
    assert not isinstance(caught.value, Unreachable)
    if isinstance(caught.value, TemporaryError):
        assert caught.value.retry_after == wait


async def test_a_server_that_is_silent_is_given_up_in_time(
    whatsapp: WhatsAppServer, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A time-out is temporary."""
    monkeypatch.setattr(graph, "TIMEOUT_SECONDS", 0.1)
    whatsapp.fail_next("messages", status=500, delay=0.5)
    with pytest.raises(TemporaryError, match="in time"):
        await connect().send(outgoing())


async def test_a_failing_upload_sends_nothing(
    whatsapp: WhatsAppServer, connect: Connect, file: Callable[..., Media]
) -> None:
    """The next try uploads again."""
    message = outgoing("Look", media=(file("cup.jpg", "image/jpeg"),))
    whatsapp.fail_next("media", 131000)
    whatsapp.fail_next("media", status=200, body={})
    for _ in range(2):
        with pytest.raises(TemporaryError):
            await connect().send(message)
    assert whatsapp.sent(ANA) == []
    await connect().send(message)
    assert len(whatsapp.sent(ANA)) == 1


async def test_an_answer_without_an_id_counts_as_sent(whatsapp: WhatsAppServer, connect: Connect) -> None:
    """To send again what the platform has taken would be worse."""
    whatsapp.fail_next("messages", status=200, body={"messaging_product": "whatsapp"}, after=True)
    assert await connect().send(outgoing()) == ""
    assert len(whatsapp.sent(ANA)) == 1


async def test_no_secret_and_no_number_is_in_an_error(
    whatsapp: WhatsAppServer, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    """What the platform says is told without the token it quotes and the customer it names."""
    details = f"Recipient +{ANA} is not allowed, token {TOKEN}"
    body = {"error": {"message": f"(#131030) {details}", "code": 131030, "error_data": {"details": details}}}
    whatsapp.fail_next("messages", status=400, body=body)
    with pytest.raises(PermanentError, match="131030") as caught:
        await connect().send(outgoing("private words"))
    for secret in (ANA, TOKEN, "private words"):
        assert secret not in str(caught.value) + caplog.text


def test_the_limits_are_the_platform_s(connect: Connect) -> None:
    """A message every 6 seconds to one customer, with no more ahead than the platform lends; 80 a second."""
    limits = connect().limits
    assert limits.overall == (80, 1.0)
    assert limits.per_chat is not None
    count, seconds = limits.per_chat
    assert seconds / count == 6
    assert count <= 45
