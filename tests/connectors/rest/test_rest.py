"""The REST channel through its HTTP door."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import select, update

from bot.config import Config, ConfigError
from bot.contracts import Address, Author, Media, Outgoing
from bot.storage import now
from bot.storage.models import Inbox, Outbox
from connectors.rest.handout import Call, claim
from tests.connectors.site import Site, changed, site

WEBHOOK = "/webhooks/rest/webhook"


@pytest.fixture
async def rest(config: Config) -> AsyncIterator[Site]:
    """The channel with its default settings."""
    async with site("rest", changed(config, "rest", {}, {})) as running:
        yield running


@pytest.fixture
async def http(rest: Site) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the channel."""
    async with httpx.AsyncClient(base_url=rest.url) as client:
        yield client


async def poll(http: httpx.AsyncClient, message_id: str = "") -> Any:
    """Ask for what waits, without saying anything."""
    body = {"sender": "anna"} | ({"message_id": message_id} if message_id else {})
    response = await http.post(WEBHOOK, json=body)
    assert response.status_code == 200, response.text
    return response.json()


async def ask(http: httpx.AsyncClient, text: str, message_id: str = "", sender: str = "anna", **more: Any) -> Any:
    """Post a message and return the replies."""
    body = {"sender": sender, "message": text} | ({"message_id": message_id} if message_id else {}) | more
    response = await http.post(WEBHOOK, json=body)
    assert response.status_code == 200, response.text
    return response.json()


def texts(replies: list[dict[str, Any]]) -> list[str]:
    """The texts of replies."""
    return [reply["text"] for reply in replies]


async def test_answers_in_rasas_shape(rest: Site, http: httpx.AsyncClient) -> None:
    """Replies come as Rasa's REST channel gives them: text, buttons, files as attachments."""
    target = rest.config.files_dir / "exports" / "data.json"
    target.parent.mkdir(parents=True)
    target.write_text('{"name": "Zoë"}', encoding="utf-8")
    asking = asyncio.create_task(ask(http, "hola", metadata={"locale": "es-MX"}))
    row = await rest.handle(
        "Hi!",
        "Which?",
        buttons=(("Orders", "/list_orders"),),
        media=(Media("exports/data.json", "my data.json", "application/json"),),
    )
    replies = await asking
    assert replies[:2] == [
        {"recipient_id": "anna", "text": "Hi!"},
        {"recipient_id": "anna", "text": "Which?", "buttons": [{"title": "Orders", "payload": "/list_orders"}]},
    ]
    attachment = replies[2]["attachment"]
    assert attachment["type"] == "file" and attachment["payload"]["src"].startswith(rest.url)
    file = await http.get(attachment["payload"]["src"])
    assert file.json() == {"name": "Zoë"}
    assert file.headers["content-disposition"].startswith("attachment")
    assert (await http.get(attachment["payload"]["src"] + "x")).status_code == 404
    assert row.event["locale"] == "es-MX" and row.event["payload"] == ""


async def test_a_slash_makes_a_payload(rest: Site, http: httpx.AsyncClient) -> None:
    """Rasa's convention: a message that starts with a slash is what a button carries."""
    asking = asyncio.create_task(ask(http, '/inform{"rating": "5"}'))
    row = await rest.handle("Thanks")
    assert texts(await asking) == ["Thanks"]
    assert row.event["payload"] == row.event["text"] == '/inform{"rating": "5"}'


async def test_health(http: httpx.AsyncClient) -> None:
    """The address that Rasa's clients ask for the channel's health answers, with and without the slash."""
    for path in ("/webhooks/rest/", "/webhooks/rest"):
        assert (await http.get(path)).json() == {"status": "ok"}


async def test_each_reply_is_handed_out_once_and_in_order(rest: Site, http: httpx.AsyncClient) -> None:
    """What an agent said meanwhile comes before the next answer, and nothing comes again."""
    asking = asyncio.create_task(ask(http, "one"))
    row = await rest.handle("first")
    assert texts(await asking) == ["first"]
    await rest.say(row.conversation_id, "from an agent")
    asking = asyncio.create_task(ask(http, "two"))
    await rest.handle("second", "third")
    assert texts(await asking) == ["from an agent", "second", "third"]
    asking = asyncio.create_task(ask(http, "three"))
    await rest.handle()
    assert await asking == []


async def test_a_call_waits_for_its_own_answer_behind_a_slow_notice(
    rest: Site, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A notice that is still on its way does not make the call end without the answer behind it."""
    asking = asyncio.create_task(ask(http, "one"))
    row = await rest.handle("first")
    assert texts(await asking) == ["first"]
    real = rest.connector.send

    async def send(message: Outgoing, part: int = 0) -> str:
        if message.text == "notice":
            await asyncio.sleep(0.4)
        sent: str = await real(message)
        return sent

    monkeypatch.setattr(rest.connector, "send", send)
    await rest.say(row.conversation_id, "notice", author=Author.NOTICE)
    asking = asyncio.create_task(ask(http, "two"))
    await rest.handle("second")
    assert texts(await asking) == ["notice", "second"]


async def test_a_call_without_a_message_asks_for_what_waits(rest: Site, http: httpx.AsyncClient) -> None:
    """A caller can fetch an agent's words without saying anything; nothing is stored for it."""
    assert await poll(http) == []
    asking = asyncio.create_task(ask(http, "hi"))
    row = await rest.handle("hello")
    await asking
    await rest.say(row.conversation_id, "still there?", author=Author.AGENT)
    found: list[Any] = []
    async with asyncio.timeout(20):
        while not found:
            found = await poll(http, "poll-1")
    assert texts(found) == ["still there?"]
    assert await poll(http) == []
    assert texts(await poll(http, "poll-1")) == ["still there?"]
    assert await rest.count(Inbox) == 1


async def test_a_repeated_message_gets_the_same_replies(rest: Site, http: httpx.AsyncClient) -> None:
    """The same message_id is one message, and its replies are there again, even after later ones."""
    asking = asyncio.create_task(ask(http, "hi", "m-1"))
    await rest.handle("hello", "how can I help?")
    first = await asking
    assert await ask(http, "hi", "m-1") == first
    asking = asyncio.create_task(ask(http, "more", "m-2"))
    await rest.handle("later")
    assert texts(await asking) == ["later"]
    assert await ask(http, "hi", "m-1") == first
    assert await rest.count(Inbox) == 2


async def test_ids_belong_to_their_sender(rest: Site, http: httpx.AsyncClient) -> None:
    """Two senders may use the same message_id, and neither sees the other's replies."""
    anna = asyncio.create_task(ask(http, "hi", "1", "anna"))
    await rest.handle("for anna")
    ben = asyncio.create_task(ask(http, "hi", "1", "ben"))
    await rest.handle("for ben")
    assert texts(await anna) == ["for anna"]
    assert texts(await ben) == ["for ben"]


async def test_two_at_once_each_get_their_own(rest: Site, http: httpx.AsyncClient) -> None:
    """Two calls of one sender that wait together each get the replies to their own message."""
    one = asyncio.create_task(ask(http, "one", "1"))
    await rest.next_event()
    two = asyncio.create_task(ask(http, "two", "2"))
    while await rest.count(Inbox) < 2:
        await asyncio.sleep(0.01)
    await rest.handle("answer one")
    await rest.handle("answer two")
    assert texts(await one) == ["answer one"]
    assert texts(await two) == ["answer two"]


async def test_a_crash_while_answering_loses_nothing(rest: Site, http: httpx.AsyncClient) -> None:
    """Replies that a call had taken, but never got, come with the next call, before newer ones."""
    asking = asyncio.create_task(ask(http, "hi"))
    row = await rest.handle("hello")
    await asking
    await rest.say(row.conversation_id, "lost?")
    crashed = Call("poll:crashed", Address("rest", "anna", "anna"), row.conversation_id)
    taken: Any = []
    async with asyncio.timeout(20):
        while not taken:
            async with rest.database.begin() as session:
                taken = await claim(session, crashed)
    asking = asyncio.create_task(ask(http, "next"))
    await rest.handle("answer")
    await asyncio.sleep(0.1)
    assert not asking.done(), "the claim still holds"
    async with rest.database.begin() as session:
        await session.execute(
            update(Outbox).where(Outbox.platform_id == crashed.mark).values(lease_until=now() - timedelta(seconds=1))
        )
    assert texts(await asking) == ["lost?", "answer"]


@pytest.mark.parametrize(("first_id", "expected"), [("m-1", ["answer"]), ("", ["hello", "answer"])])
async def test_a_crash_before_the_claim_is_final(
    rest: Site, http: httpx.AsyncClient, first_id: str, expected: list[str]
) -> None:
    """The answer had left when the process died: with ids of their own, callers do not get it twice, and a
    repeated call still finds it; without, it comes again rather than not at all."""
    asking = asyncio.create_task(ask(http, "hi", first_id))
    await rest.handle("hello")
    assert texts(await asking) == ["hello"]
    async with asyncio.timeout(20):
        while True:
            async with rest.database.read() as session:
                if (await session.scalars(select(Outbox.lease_until))).one() is None:
                    break
            await asyncio.sleep(0.01)
    async with rest.database.begin() as session:
        await session.execute(update(Outbox).values(lease_until=now() - timedelta(seconds=1)))
    asking = asyncio.create_task(ask(http, "next", "m-2" if first_id else ""))
    await rest.handle("answer")
    assert texts(await asking) == expected
    if first_id:
        assert texts(await ask(http, "hi", first_id)) == ["hello"]


async def test_a_caller_who_hangs_up_loses_nothing(rest: Site, http: httpx.AsyncClient) -> None:
    """A reply that comes after the caller has gone waits for the next call."""
    async with httpx.AsyncClient(base_url=rest.url) as gone:
        asking = asyncio.create_task(gone.post(WEBHOOK, json={"sender": "anna", "message": "hi"}))
        await rest.next_event()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
    await asyncio.sleep(0.05)
    await rest.handle("are you there?")
    again = asyncio.create_task(ask(http, "yes"))
    await rest.handle("good")
    assert texts(await again) == ["are you there?", "good"]


async def test_what_takes_too_long_is_accepted_and_comes_later(config: Config) -> None:
    """A call does not wait for ever: 202 with an empty list, and the next call has the reply."""
    async with (
        site("rest", changed(config, "rest", {"wait_seconds": 0.2}, {})) as slow,
        httpx.AsyncClient(base_url=slow.url) as client,
    ):
        response = await client.post(WEBHOOK, json={"sender": "anna", "message": "hi", "message_id": "1"})
        assert (response.status_code, response.json()) == (202, [])
        await slow.handle("at last")
        replies: Any = []
        async with asyncio.timeout(20):
            while not replies:
                replies = (
                    await client.post(WEBHOOK, json={"sender": "anna", "message": "hi", "message_id": "1"})
                ).json()
        assert texts(replies) == ["at last"]
        assert await slow.count(Inbox) == 1


async def test_a_restart_keeps_what_was_not_handed_out(config: Config) -> None:
    """Replies wait in the database, not in the process."""
    own = changed(config, "rest", {"wait_seconds": 0.1}, {})
    async with site("rest", own) as first, httpx.AsyncClient(base_url=first.url) as client:
        await client.post(WEBHOOK, json={"sender": "anna", "message": "hi"})
        await first.handle("hello")
    async with site("rest", own) as second, httpx.AsyncClient(base_url=second.url) as client:
        replies: Any = []
        async with asyncio.timeout(20):
            while not replies:
                replies = (await client.post(WEBHOOK, json={"sender": "anna"})).json()
        assert texts(replies) == ["hello"]


BAD = [
    (b"{", "bad_body"),
    (b"[]", "bad_body"),
    (b"\xff", "bad_body"),
    (b"[" * 100_000, "bad_body"),
    (b'{"message": "hi"}', "no_sender"),
    (b'{"sender": " ", "message": "hi"}', "no_sender"),
    (b'{"sender": 7, "message": "hi"}', "no_sender"),
    (b'{"sender": "' + b"x" * 121 + b'"}', "long_sender"),
    (b'{"sender": "a", "message": ["hi"]}', "bad_message"),
    (b'{"sender": "a", "message": "hi", "message_id": 5}', "bad_message_id"),
    (b'{"sender": "a", "message": "hi", "metadata": "es"}', "bad_metadata"),
    (b'{"sender": "a", "message": "hi", "metadata": {"locale": 1}}', "bad_metadata"),
]


async def test_bad_bodies_are_explained(rest: Site, http: httpx.AsyncClient) -> None:
    """What cannot be used is refused with a code and with words, and nothing is stored."""
    for body, code in BAD:
        response = await http.post(WEBHOOK, content=body, headers={"Content-Type": "application/json"})
        assert (response.status_code, response.json()["error"]) == (400, code), body[:60]
        assert len(response.json()["message"]) > 10
    assert await rest.count(Inbox) == 0


async def test_limits_of_the_request(rest: Site, http: httpx.AsyncClient) -> None:
    """More than a megabyte, with or without a declared length, and other types than JSON are refused."""
    large = b'{"sender": "a", "message": "' + b"x" * 1024 * 1024 + b'"}'
    headers = {"Content-Type": "application/json"}

    async def undeclared() -> AsyncIterator[bytes]:
        for start in range(0, len(large), 65536):
            yield large[start : start + 65536]

    assert (await http.post(WEBHOOK, content=large, headers=headers)).status_code == 413
    assert (await http.post(WEBHOOK, content=undeclared(), headers=headers)).status_code == 413
    assert (await http.post(WEBHOOK, content=b'{"sender": "a", "message": "hi"}')).status_code == 415
    assert await rest.count(Inbox) == 0


async def test_odd_characters_are_stored_and_found_again(rest: Site, http: httpx.AsyncClient) -> None:
    """A sender and a text with NUL and a lone surrogate are made safe, and the reply still arrives."""
    body = b'{"sender": "a\\u0000\\ud800", "message": "hi \\u0000 \\ud83d\\ude00", "message_id": "\\ud800"}'
    asking = asyncio.create_task(http.post(WEBHOOK, content=body, headers={"Content-Type": "application/json"}))
    row = await rest.handle("hello")
    assert texts((await asking).json()) == ["hello"]
    assert row.event["text"] == "hi \ufffd \U0001f600"


async def test_a_token_is_asked_for(config: Config) -> None:
    """With a token in the environment only its bearer is answered."""
    own = changed(config, "rest", {}, {}, LINGUADESK_REST_TOKEN="a-long-token")
    body = {"sender": "anna"}
    async with site("rest", own) as guarded, httpx.AsyncClient(base_url=guarded.url) as client:
        for given in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic a-long-token"}):
            response = await client.post(WEBHOOK, json=body, headers=given)
            assert response.status_code == 401 and response.headers["www-authenticate"] == "Bearer"
            assert "LINGUADESK_REST_TOKEN" in response.json()["message"]
        good = await client.post(WEBHOOK, json=body, headers={"Authorization": "Bearer a-long-token"})
        assert good.status_code == 200


@pytest.mark.parametrize(
    ("web", "options", "status"),
    [
        ({"host": "127.0.0.1"}, {}, 200),
        ({"host": "localhost"}, {}, 200),
        ({"host": "::1"}, {}, 200),
        ({"host": "0.0.0.0"}, {}, 403),
        ({"host": "192.168.1.5"}, {}, 403),
        ({"host": "127.0.0.1", "public_url": "https://desk.example.com"}, {}, 403),
        ({"host": "0.0.0.0"}, {"open": True}, 200),
    ],
)
async def test_without_a_token_only_this_machine_is_answered(
    config: Config, web: dict[str, Any], options: dict[str, Any], status: int
) -> None:
    """Without a token the channel is closed as soon as strangers can reach it, unless it is opened on purpose."""
    own = changed(config, "rest", options, web)
    async with site("rest", own) as there, httpx.AsyncClient(base_url=there.url) as client:
        response = await client.post(WEBHOOK, json={"sender": "anna"})
    assert response.status_code == status
    if status == 403:
        assert "LINGUADESK_REST_TOKEN" in response.json()["message"]


async def test_a_stopped_channel_takes_nothing(rest: Site, http: httpx.AsyncClient) -> None:
    """While the program stops, a message is refused, never accepted and forgotten."""
    await rest.connector.stop()
    response = await http.post(WEBHOOK, json={"sender": "anna", "message": "hi"})
    assert response.status_code == 503 and "retry-after" in response.headers


async def test_unknown_settings_are_named(config: Config) -> None:
    """A misspelt setting is an error with its name, not silently ignored."""
    with pytest.raises(ConfigError, match=r"connectors\.rest\.opne"):
        async with site("rest", changed(config, "rest", {"opne": True}, {})):
            pass


async def test_replies_are_handed_out_on_both_databases(any_database_url: str, config: Config) -> None:
    """The handing out works on SQLite and on PostgreSQL alike."""
    own = changed(config, "rest", {}, {}, LINGUADESK_DATABASE_URL=any_database_url)
    async with site("rest", own) as there, httpx.AsyncClient(base_url=there.url) as client:
        for number in range(3):
            asking = asyncio.create_task(ask(client, f"message {number}", f"m-{number}"))
            await there.handle(f"answer {number}")
            assert texts(await asking) == [f"answer {number}"]
        async with there.database.read() as session:
            marks = (await session.scalars(select(Outbox.platform_id).order_by(Outbox.id))).all()
    assert len(set(marks)) == 3
