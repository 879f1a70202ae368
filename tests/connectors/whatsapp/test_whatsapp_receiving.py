"""Receiving: the webhook against a Graph API server and a real database."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from sqlalchemy import update
from starlette.applications import Starlette

from bot.config import ConfigError
from bot.contracts import (
    Address,
    Attachment,
    Author,
    ChannelDown,
    Connector,
    Kind,
    LinguadeskError,
    OutButton,
    Owner,
    PermanentError,
    TemporaryError,
)
from bot.inbox import Acceptor
from bot.outbox import post
from bot.storage import Database, StorageError
from bot.storage.models import Conversation
from bot.texts import Rendered
from connectors.whatsapp.client import MAX_BODY, PATH, WhatsAppConnector
from tests.connectors.inboxes import Gate, stored, stored_count
from tests.connectors.whatsapp.conftest import Connect
from tests.fakes.whatsapp_server import TOKEN, VERIFY_TOKEN, WhatsAppServer, contact, sign, webhook

ANA = "34600111222"


def text_of(text: str, wamid: str = "wamid.1", customer: str = ANA) -> dict[str, Any]:
    """A complete webhook with one text."""
    message = {"from": customer, "id": wamid, "timestamp": "1749416383", "type": "text", "text": {"body": text}}
    return webhook(messages=[message], contacts=[contact(customer)])


@pytest.fixture
async def browser(connect: Connect) -> AsyncIterator[httpx.AsyncClient]:
    """Someone who calls the routes of a connector that has not started."""
    transport = httpx.ASGITransport(Starlette(routes=connect().routes()))
    async with httpx.AsyncClient(transport=transport, base_url="https://desk.example.com") as client:
        yield client


async def test_it_is_a_connector(connect: Connect) -> None:
    """It has what the program expects of a connector."""
    connector = connect()
    assert isinstance(connector, Connector)
    assert connector.name == "whatsapp"


# Verification


async def test_the_challenge_is_given_back(browser: httpx.AsyncClient) -> None:
    """Whoever knows the verify token gets the challenge, as plain text."""
    query = {"hub.mode": "subscribe", "hub.verify_token": VERIFY_TOKEN, "hub.challenge": "1158201444"}
    answer = await browser.get(PATH, params=query)
    assert (answer.status_code, answer.text) == (200, "1158201444")
    assert answer.headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize(
    "change", [{"hub.verify_token": "guessed"}, {"hub.verify_token": ""}, {"hub.mode": "unsubscribe"}]
)
async def test_strangers_get_no_challenge(browser: httpx.AsyncClient, change: dict[str, str]) -> None:
    """A wrong or missing token, or another mode, is refused without an echo."""
    query = {"hub.mode": "subscribe", "hub.verify_token": VERIFY_TOKEN, "hub.challenge": "1158201444"} | change
    answer = await browser.get(PATH, params=query)
    assert answer.status_code == 403
    assert "1158201444" not in answer.text


# Events


async def test_what_a_customer_writes_arrives(
    whatsapp: WhatsAppServer, receiving: WhatsAppConnector, database: Database
) -> None:
    """It is committed, acknowledged, and then shown to the customer as read, with a typing sign."""
    message = await whatsapp.user_says(ANA, "¿dónde está mi pedido?")
    (event,) = await stored(database)
    assert (event.text, event.address, event.name) == (
        "¿dónde está mi pedido?",
        Address("whatsapp", ANA, ANA),
        "Ana Torres",
    )
    assert whatsapp.answers == [200]
    await whatsapp.until(lambda: whatsapp.read)
    assert whatsapp.read == [
        {
            "messaging_product": "whatsapp",
            "status": "read",
            "message_id": message["id"],
            "typing_indicator": {"type": "text"},
        }
    ]


async def test_the_answer_waits_for_the_commit(
    whatsapp: WhatsAppServer, connect: Connect, accept: Acceptor, database: Database
) -> None:
    """While the inbox hangs nothing is acknowledged."""
    gate = Gate(accept)
    connector = connect()
    await connector.start(gate)
    transport = httpx.ASGITransport(Starlette(routes=connector.routes()))
    raw = json.dumps(text_of("hello")).encode()
    async with httpx.AsyncClient(transport=transport, base_url="http://desk") as client:
        call = asyncio.create_task(client.post(PATH, content=raw, headers={"X-Hub-Signature-256": sign(raw)}))
        await whatsapp.until(lambda: gate.asked)
        await asyncio.sleep(0.05)
        assert not call.done()
        gate.open.set()
        assert (await call).status_code == 200
    assert [event.text for event in await stored(database)] == ["hello"]


async def test_a_failing_inbox_loses_nothing(
    whatsapp: WhatsAppServer, connect: Connect, accept: Acceptor, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """The platform hears 503 and calls again; the log has the reason and not the words."""
    gate = Gate(accept, StorageError("the database is locked"))
    connector = connect()
    await connector.start(gate)
    transport = httpx.ASGITransport(Starlette(routes=connector.routes()))
    raw = json.dumps(text_of("private words")).encode()
    headers = {"X-Hub-Signature-256": sign(raw)}
    async with httpx.AsyncClient(transport=transport, base_url="http://desk") as client:
        assert (await client.post(PATH, content=raw, headers=headers)).status_code == 503
        gate.error = None
        gate.open.set()
        assert (await client.post(PATH, content=raw, headers=headers)).status_code == 200
    assert [event.text for event in await stored(database)] == ["private words"]
    assert "the database is locked" in caplog.text
    assert "private words" not in caplog.text


@pytest.mark.parametrize(
    "signature",
    ["", "sha256=", "sha256=" + "0" * 64, "sha1=" + "0" * 40, sign(b"other"), sign(b"", "another secret"), "é"],
)
async def test_a_wrong_signature_is_refused(
    whatsapp: WhatsAppServer, receiving: WhatsAppConnector, database: Database, signature: str
) -> None:
    """Nothing is stored that was not signed with the app's secret, byte for byte."""
    async with httpx.AsyncClient() as client:
        headers = {b"X-Hub-Signature-256": signature.encode()} if signature else {}
        answer = await client.post(whatsapp.webhook_url, content=json.dumps(text_of("forged")), headers=headers)
    assert answer.status_code == 401
    assert await stored(database) == []


async def test_a_changed_body_is_refused(
    whatsapp: WhatsAppServer, receiving: WhatsAppConnector, database: Database
) -> None:
    """The signature of another body does not do."""
    signature = sign(json.dumps(text_of("hello")).encode())
    assert await whatsapp.deliver(text_of("forged"), signature=signature, tries=1) == 401
    assert await stored(database) == []


@pytest.mark.parametrize(
    ("raw", "status"), [(b"{", 400), (b"[" * 100_000, 400), (b"x" * (MAX_BODY + 1), 413), (b"null", 200), (b"{}", 200)]
)
async def test_nonsense_is_refused(
    whatsapp: WhatsAppServer, receiving: WhatsAppConnector, raw: bytes, status: int
) -> None:
    """What is no JSON or too much gets an error; JSON without events is acknowledged."""
    async with httpx.AsyncClient() as client:
        answer = await client.post(whatsapp.webhook_url, content=raw, headers={"X-Hub-Signature-256": sign(raw)})
    assert answer.status_code == status


async def test_before_its_start_it_asks_for_a_later_try(browser: httpx.AsyncClient) -> None:
    """The platform keeps what comes too early."""
    assert (await browser.post(PATH, content=b"{}")).status_code == 503


async def test_a_repeat_changes_nothing(
    whatsapp: WhatsAppServer, receiving: WhatsAppConnector, database: Database
) -> None:
    """The same message delivered again, alone or with others, is stored once, and marked as read once."""
    await whatsapp.deliver(text_of("one", "wamid.1"))
    await whatsapp.deliver(text_of("one", "wamid.1"))
    body = text_of("one", "wamid.1")
    body["entry"] += text_of("two", "wamid.2")["entry"]
    await whatsapp.deliver(body)
    assert [event.text for event in await stored(database)] == ["one", "two"]
    await whatsapp.until(lambda: len(whatsapp.read) >= 2)
    assert sorted(item["message_id"] for item in whatsapp.read) == ["wamid.1", "wamid.2"]
    assert whatsapp.answers == [200, 200, 200]


async def test_one_call_may_bring_several(
    whatsapp: WhatsAppServer, receiving: WhatsAppConnector, database: Database
) -> None:
    """All of it is stored, in order, and what cannot be read costs nothing else."""
    body = text_of("one", "wamid.1")
    body["entry"].append("nonsense")
    value = body["entry"][0]["changes"][0]["value"]
    value["messages"].append({"from": ANA, "id": "wamid.x", "type": "text", "text": {"body": 7}})
    value["messages"] += text_of("two", "wamid.2")["entry"][0]["changes"][0]["value"]["messages"]
    value["statuses"] = [{"id": "wamid.0", "status": "read", "timestamp": "1", "recipient_id": ANA}]
    assert await whatsapp.deliver(body) == 200
    assert [event.text for event in await stored(database)] == ["one", "two"]


async def test_a_reaction_is_not_marked_as_read(
    whatsapp: WhatsAppServer, receiving: WhatsAppConnector, database: Database
) -> None:
    """Only what may be answered shows that somebody is typing."""
    first = await whatsapp.user_says(ANA, "hello")
    await whatsapp.message(ANA, {"type": "reaction", "reaction": {"message_id": first["id"], "emoji": "👍"}})
    events = await stored_count(database, 2)
    assert [event.kind for event in events] == [Kind.MESSAGE, Kind.REACTION]
    await receiving.stop()
    assert [item["message_id"] for item in whatsapp.read] == [first["id"]]


async def test_while_a_colleague_has_the_conversation_nothing_is_marked_as_read(
    whatsapp: WhatsAppServer, receiving: WhatsAppConnector, database: Database
) -> None:
    """The bot neither reads nor types in a conversation that a person has."""
    await whatsapp.user_says(ANA, "hello")
    await whatsapp.until(lambda: whatsapp.read)
    async with database.begin() as session:
        await session.execute(update(Conversation).values(owner=Owner.PERSON))
    await whatsapp.user_says(ANA, "are you there?")
    await receiving.stop()
    assert len(whatsapp.read) == 1


async def test_a_failing_typing_sign_changes_nothing(
    whatsapp: WhatsAppServer, receiving: WhatsAppConnector, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """The message is stored and acknowledged all the same."""
    whatsapp.fail_next("messages", 131000)
    await whatsapp.user_says(ANA, "hello")
    await receiving.stop()
    assert [event.text for event in await stored(database)] == ["hello"]
    assert whatsapp.answers == [200]
    assert ANA not in caplog.text


# Buttons


async def test_a_reference_is_looked_up(
    whatsapp: WhatsAppServer, receiving: WhatsAppConnector, database: Database
) -> None:
    """A button whose payload did not fit brings it all the same, but only to the customer it was shown to."""
    payload = "/choose" + json.dumps({"note": "n" * 300})
    await whatsapp.user_says(ANA, "hello")
    async with database.begin() as session:
        conversation = await session.get_one(Conversation, 1)
        rendered = Rendered("Which?", "en", (OutButton("A" * 30, payload),))
        (outbox_id,) = await post(session, conversation, [rendered], Author.BOT)
    row = {"id": f"#{outbox_id}:0", "title": "AAA…", "description": "A" * 30}
    chosen = {"type": "interactive", "interactive": {"type": "list_reply", "list_reply": row}}
    await whatsapp.message(ANA, chosen)
    await whatsapp.message("8613800138000", chosen)
    row["id"] = f"#{outbox_id}:5"
    await whatsapp.message(ANA, chosen)
    events = (await stored(database))[1:]
    assert [(event.text, event.payload) for event in events] == [("A" * 30, payload), ("A" * 30, ""), ("A" * 30, "")]


# Statuses


async def test_the_operator_reads_of_undelivered_messages(
    whatsapp: WhatsAppServer, receiving: WhatsAppConnector, caplog: pytest.LogCaptureFixture
) -> None:
    """By our own number of the message, with what is known of the code, without words or telephone numbers."""
    common = {"timestamp": "1750857384", "recipient_id": ANA, "status": "failed"}
    window = {
        "code": 131047,
        "title": "Re-engagement message",
        "message": "Re-engagement message",
        "error_data": {"details": f"More than 24 hours have passed since {ANA} last replied to the sender number."},
        "href": "https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/",
    }
    gone = {"code": 131026, "title": "Message undeliverable"}
    statuses = [
        common | {"id": "wamid.7", "biz_opaque_callback_data": "12/0", "errors": [window]},
        common | {"id": "wamid.8", "errors": [gone]},
        common | {"id": "wamid.9", "status": "delivered"},
    ]
    trouble = {"code": 130429, "title": "Rate limit hit", "message": "Rate limit hit"}
    assert await whatsapp.deliver(webhook(statuses=statuses)) == 200
    assert await whatsapp.deliver(webhook(errors=[trouble])) == 200
    lines = [record.getMessage() for record in caplog.records if record.name == "connectors.whatsapp.client"]
    assert any("message 12: 131047" in line and "connectors.whatsapp.template" in line for line in lines)
    assert any("message wamid.8: 131026" in line and "has blocked" in line for line in lines)
    assert any("reports: 130429" in line for line in lines)
    assert "wamid.9" not in caplog.text
    assert ANA not in caplog.text


# Starting


async def test_a_refused_token_is_said_clearly(
    whatsapp: WhatsAppServer, connect: Connect, accept: Acceptor, caplog: pytest.LogCaptureFixture
) -> None:
    """The operator reads which variable is wrong, not the token, which the platform quotes."""
    wrong = "EAAWrongToken0123456789abcdef"
    with pytest.raises(ChannelDown, match="WHATSAPP_TOKEN") as caught:
        await connect(env={"WHATSAPP_TOKEN": wrong}).start(accept)
    assert wrong not in str(caught.value) + caplog.text


async def test_an_unknown_number_is_said_clearly(whatsapp: WhatsAppServer, connect: Connect, accept: Acceptor) -> None:
    """The operator reads which variable is wrong."""
    with pytest.raises(LinguadeskError, match="WHATSAPP_PHONE_NUMBER_ID"):
        await connect(env={"WHATSAPP_PHONE_NUMBER_ID": "999"}).start(accept)


async def test_it_receives_while_whatsapp_cannot_be_reached(
    whatsapp: WhatsAppServer, connect: Connect, accept: Acceptor, database: Database
) -> None:
    """A network that comes later costs no message."""
    whatsapp.fail_next("object", status=0)
    connector = connect()
    await connector.start(accept)
    transport = httpx.ASGITransport(Starlette(routes=connector.routes()))
    raw = json.dumps(text_of("hello")).encode()
    async with httpx.AsyncClient(transport=transport, base_url="http://desk") as client:
        answer = await client.post(PATH, content=raw, headers={"X-Hub-Signature-256": sign(raw)})
    assert answer.status_code == 200
    assert [event.text for event in await stored(database)] == ["hello"]


async def test_missing_settings_are_named(connect: Connect) -> None:
    """Each with where to find it, all at once."""
    names = ("WHATSAPP_PHONE_NUMBER_ID", "WHATSAPP_APP_SECRET", "WHATSAPP_VERIFY_TOKEN")
    with pytest.raises(ConfigError) as caught:
        connect(env=dict.fromkeys(names, " "))
    said = [problem.message for problem in caught.value.problems]
    assert [message.partition(" ")[0] for message in said] == list(names)
    assert "API Setup" in said[0]
    assert "App settings > Basic" in said[1]
    assert "secrets.token_urlsafe" in said[2]


@pytest.mark.parametrize(
    ("env", "options", "message"),
    [
        ({"WHATSAPP_PHONE_NUMBER_ID": "+1 555 0783881"}, {}, "digits only"),
        ({"WHATSAPP_API_BASE_URL": "graph.facebook.com"}, {}, "WHATSAPP_API_BASE_URL"),
        ({}, {"tempalte": {}}, "connectors.whatsapp.tempalte: unknown setting"),
        ({}, {"template": {"name": "My Template", "languages": {"en": "en"}}}, "connectors.whatsapp.template.name"),
        ({}, {"template": {"name": "fine", "languages": {}}}, "connectors.whatsapp.template.languages"),
    ],
)
def test_settings_that_cannot_be_used_are_named(
    connect: Connect, env: dict[str, str], options: dict[str, Any], message: str
) -> None:
    """The operator reads which one it is."""
    with pytest.raises(ConfigError, match=message.replace("+", r"\+")):
        connect(options, env)


# Files


async def test_a_photo_is_downloaded(
    whatsapp: WhatsAppServer, receiving: WhatsAppConnector, database: Database
) -> None:
    """Its id leads to its address, and the token to its bytes."""
    await whatsapp.user_sends_file(ANA, b"\xff\xd8 a photo", caption="broken")
    (event,) = await stored(database)
    (attachment,) = event.attachments
    assert event.text == "broken"
    assert await receiving.fetch(attachment) == b"\xff\xd8 a photo"


async def test_a_large_file_is_not_downloaded(whatsapp: WhatsAppServer, connect: Connect) -> None:
    """Whether its size is told ahead or not."""
    connector = connect()
    media_id = whatsapp.put_file(b"0" * (25 * 1024**2 + 1))
    with pytest.raises(PermanentError, match="25 MB"):
        await connector.fetch(Attachment("photo", media_id, size=26 * 1024**2))
    with pytest.raises(PermanentError, match="25 MB"):
        await connector.fetch(Attachment("photo", media_id))
    whatsapp.file_size = 1
    with pytest.raises(PermanentError, match="25 MB"):
        await connector.fetch(Attachment("photo", media_id))


async def test_the_token_goes_to_the_platform_only(whatsapp: WhatsAppServer, connect: Connect) -> None:
    """An address elsewhere is not called, even where the platform names it or leads to it."""
    async with WhatsAppServer() as other:
        connector = connect()
        media_id = whatsapp.put_file(b"x")
        for url in (
            f"{other.url}/files/1",
            "https://facebook.com.example.com/1",
            "http://lookaside.fbsbx.com/1",
            "/files/1",
        ):
            whatsapp.media_url = url
            with pytest.raises(PermanentError, match="not on WhatsApp's servers"):
                await connector.fetch(Attachment("photo", media_id))
        whatsapp.media_url = ""
        whatsapp.fail_next("file", status=302, body="", headers={"Location": f"{other.url}/files/1"})
        with pytest.raises(PermanentError, match="not on WhatsApp's servers"):
            await connector.fetch(Attachment("photo", media_id))
        assert other.tokens_seen == set()
        assert whatsapp.tokens_seen == {f"Bearer {TOKEN}"}


async def test_a_redirect_within_the_platform_is_followed(whatsapp: WhatsAppServer, connect: Connect) -> None:
    """But not round in a circle."""
    connector = connect()
    media_id = whatsapp.put_file(b"a photo")
    there = {"Location": f"/files/{media_id}"}
    whatsapp.fail_next("file", status=302, body="", headers=there)
    assert await connector.fetch(Attachment("photo", media_id)) == b"a photo"
    whatsapp.fail_next("file", status=302, body="", headers=there, times=10)
    with pytest.raises(PermanentError, match="round in a circle"):
        await connector.fetch(Attachment("photo", media_id))


@pytest.mark.parametrize(
    ("what", "failure", "expected"),
    [
        ("object", {"status": 0}, TemporaryError),
        ("object", {"code": 131000}, TemporaryError),
        ("object", {"code": 190}, ChannelDown),
        ("file", {"status": 0}, TemporaryError),
        ("file", {"status": 503}, TemporaryError),
        ("file", {"status": 429}, TemporaryError),
        ("file", {"status": 404}, PermanentError),
    ],
)
async def test_a_failed_download_is_explained(
    whatsapp: WhatsAppServer, connect: Connect, what: str, failure: dict[str, Any], expected: type[Exception]
) -> None:
    """What waiting mends is tried again, what it does not mend is given up."""
    media_id = whatsapp.put_file(b"x")
    whatsapp.fail_next(what, **failure)
    with pytest.raises(expected) as caught:
        await connect().fetch(Attachment("photo", media_id))
    assert type(caught.value) is expected


async def test_a_file_that_is_gone_is_given_up(connect: Connect) -> None:
    """The platform keeps files for some days only."""
    with pytest.raises(PermanentError, match="does not have the file any more"):
        await connect().fetch(Attachment("photo", "1003383429999"))


# Looking for trouble


async def test_a_healthy_number_has_no_problems(connect: Connect) -> None:
    """Nothing is said where nothing is wrong; no start is needed."""
    assert await connect(public_url="https://desk.example.com").examine() == []


@pytest.mark.parametrize(
    ("change", "fatal", "words"),
    [
        ({"verified_name": ""}, False, "no display name"),
        ({"code_verification_status": "NOT_VERIFIED"}, False, "verify it"),
        ({"quality_rating": "RED"}, False, "quality rating is RED"),
        ({"webhook_configuration": {}}, True, "enter https://desk.example.com/webhooks/whatsapp as Callback URL"),
        ({"webhook_configuration": {"application": "https://old.example.com/x"}}, False, "change the Callback URL"),
    ],
)
async def test_what_is_wrong_is_said_with_what_to_click(
    whatsapp: WhatsAppServer, connect: Connect, change: dict[str, Any], fatal: bool, words: str
) -> None:
    """One problem for one thing that is wrong."""
    whatsapp.number |= change
    (problem,) = await connect(public_url="https://desk.example.com").examine()
    assert words in problem.message
    assert problem.warning is not fatal


async def test_a_refused_token_is_a_problem(whatsapp: WhatsAppServer, connect: Connect) -> None:
    """Not an exception."""
    (problem,) = await connect(env={"WHATSAPP_TOKEN": "EAAWrongToken0123456789abcdef"}).examine()
    assert "WHATSAPP_TOKEN" in problem.message
    assert not problem.warning


async def test_a_token_that_may_not_see_the_webhook_is_none(whatsapp: WhatsAppServer, connect: Connect) -> None:
    """Sending needs less than looking."""
    whatsapp.fail_next("object", 190, skip=1)
    assert await connect().examine() == []
