"""Receiving: the connector against a Slack workspace, through the real client library and a real database."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from bot.config import ConfigError
from bot.contracts import (
    Address,
    Connector,
    Inbound,
    LinguadeskError,
    OutButton,
    Outgoing,
)
from bot.inbox import Acceptor
from bot.storage import Database, StorageError
from connectors.slack.client import PATH, SlackConnector
from tests.connectors.inboxes import Gate, stored
from tests.connectors.slack.conftest import Connect
from tests.fakes.slack_server import ANA, BOT_TOKEN, BOT_USER, SlackServer

DIRECT = "D024BE91L"
FIXTURES = Path(__file__).parents[2] / "fixtures" / "slack"


def outgoing(text: str = "Hi", channel: str = ANA, thread: str = "", **fields: Any) -> Outgoing:
    return Outgoing(fields.pop("id", 1), Address("slack", channel, ANA, thread), text, "en", **fields)


# Receiving, in both modes


async def test_it_is_a_connector(connect: Connect, slack: SlackServer) -> None:
    """It has what the program expects of a connector; in Socket Mode it needs no route."""
    assert isinstance(connect(), Connector)
    assert [route.path for route in connect().routes()] == [PATH]  # type: ignore[attr-defined]
    assert connect(slack.env(socket=True)).routes() == []


async def test_what_a_person_writes_arrives(
    slack: SlackServer, receiving: SlackConnector, accept: Acceptor, database: Database
) -> None:
    """Direct messages and mentions are stored and acknowledged."""
    await receiving.start(accept)
    direct = await slack.user_says(DIRECT, "where is my order?")
    mention = await slack.user_mentions("C0LAN2Q65", "hello", thread_ts="1763751601.000300")
    assert direct.acknowledged
    assert mention.acknowledged
    events = await stored(database)
    assert [(event.external_id, event.text) for event in events] == [
        (direct.event_id, "where is my order?"),
        (mention.event_id, "hello"),
    ]
    assert events[1].address == Address("slack", "C0LAN2Q65", ANA, "1763751601.000300")


async def test_it_is_acknowledged_only_after_the_commit(
    slack: SlackServer, receiving: SlackConnector, accept: Acceptor, database: Database
) -> None:
    """While the inbox hangs Slack hears nothing; once it is committed Slack hears at once."""
    gate = Gate(accept)
    await receiving.start(gate)
    delivery = await slack.user_says(DIRECT, "hello", wait=False)
    await slack.until(lambda: gate.asked)
    await asyncio.sleep(0.1)
    assert not delivery.acknowledged
    assert await stored(database) == []
    gate.open.set()
    await slack.until(lambda: delivery.acknowledged)
    assert delivery.attempts == 1
    assert [event.text for event in await stored(database)] == ["hello"]


async def test_a_press_is_acknowledged_only_after_the_commit(
    slack: SlackServer, receiving: SlackConnector, accept: Acceptor, database: Database
) -> None:
    """The same for buttons; only then they are taken off the message, and the choice is shown."""
    await receiving.send(outgoing("Sure?", buttons=(OutButton("Yes", "/affirm"), OutButton("No", "/deny"))))
    gate = Gate(accept)
    await receiving.start(gate)
    delivery = await slack.user_presses(DIRECT, "No", wait=False)
    await slack.until(lambda: gate.asked)
    await asyncio.sleep(0.1)
    assert not delivery.acknowledged
    assert slack.posts(DIRECT)[0].buttons == ["Yes", "No"]
    gate.open.set()
    await slack.until(lambda: delivery.acknowledged)
    await slack.until(lambda: not slack.posts(DIRECT)[0].buttons)
    assert slack.posts(DIRECT)[0].shown == "Sure?\n✓ No"
    (event,) = await stored(database)
    assert (event.payload, event.text, event.address) == ("/deny", "No", Address("slack", ANA, ANA))


async def test_what_could_not_be_stored_is_accepted_when_slack_repeats_it(
    slack: SlackServer,
    receiving: SlackConnector,
    accept: Acceptor,
    database: Database,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A failing inbox is not acknowledged; Slack's retry is welcome although it is one."""
    gate = Gate(accept, StorageError("the database is locked"))
    await receiving.start(gate)
    delivery = await slack.user_says(DIRECT, "hello", wait=False)
    await slack.until(lambda: gate.asked >= 1)
    gate.error = None
    gate.open.set()
    await slack.until(lambda: delivery.acknowledged)
    assert delivery.attempts > 1
    assert [event.text for event in await stored(database)] == ["hello"]
    assert "the database is locked" in caplog.text


async def test_a_repeated_event_changes_nothing(
    slack: SlackServer, receiving: SlackConnector, accept: Acceptor, database: Database
) -> None:
    """An acknowledgement that Slack did not see leads to a repeat: acknowledged again, stored once."""
    await receiving.start(accept)
    event = slack.message(DIRECT, "once")
    for _ in range(2):
        assert (await slack.event(event, event_id="Ev0001")).acknowledged
    assert [event.text for event in await stored(database)] == ["once"]


async def test_what_is_not_for_the_bot_is_acknowledged_and_dropped(
    slack: SlackServer,
    receiving: SlackConnector,
    accept: Acceptor,
    database: Database,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Bots, changes and interactions of a kind not in use are not stored, nor repeated, nor quoted in the log."""
    await receiving.start(accept)
    for name in ("own_message", "other_bot", "channel_message", "view_closed"):
        body = json.loads((FIXTURES / f"{name}.json").read_text())
        kind = "interactive" if name == "view_closed" else "events_api"
        assert (await slack.send(body, kind)).acknowledged, name
    reaction = {"type": "reaction_added", "user": ANA, "reaction": "secret_word", "item": {}, "event_ts": "1"}
    assert (await slack.event(reaction)).acknowledged
    assert await stored(database) == []
    assert "secret_word" not in caplog.text


async def test_an_event_of_an_unknown_form_is_acknowledged(
    slack: SlackServer, receiving: SlackConnector, accept: Acceptor, caplog: pytest.LogCaptureFixture
) -> None:
    """What cannot be read will not be readable the next time either; the log names it without its words."""
    await receiving.start(accept)
    event = {"type": "message", "channel_type": "im", "user": ANA, "text": "secret words"}
    assert (await slack.event(event)).acknowledged
    assert "a form that is not known" in caplog.text
    assert "secret words" not in caplog.text


async def test_the_persons_language_is_learnt_in_the_background(
    slack: SlackServer, receiving: SlackConnector, accept: Acceptor, database: Database
) -> None:
    """users.info is slow or fails, the acknowledgement comes; later events have what it said, asked for once."""
    slack.fail_next("users.info", delay=5)
    await receiving.start(accept)
    assert (await slack.user_says(DIRECT, "hola", locale="es-MX")).attempts == 1
    await slack.user_says("D2", "ni hao", user="U2", locale="zh-CN")
    said: list[Inbound] = []
    async with asyncio.timeout(20):
        while not said or not said[-1].locale:
            await slack.user_says("D2", "again", user="U2")
            said = [event for event in await stored(database) if event.address.user == "U2"]
    assert (said[0].locale, said[0].name) == ("", "")
    assert (said[-1].locale, said[-1].name) == ("zh-CN", "Ana Torres")
    assert len(slack.calls_of("users.info")) == 2


async def test_a_restart_neither_loses_nor_repeats(
    slack: SlackServer, receiving: SlackConnector, accept: Acceptor, database: Database
) -> None:
    """What comes while the connector is down is repeated by Slack until it is back."""
    await receiving.start(accept)
    await slack.user_says(DIRECT, "first")
    await receiving.stop()
    delivery = await slack.user_says(DIRECT, "second", wait=False)
    await asyncio.sleep(0.05)
    assert not delivery.acknowledged
    await receiving.start(accept)
    await slack.until(lambda: delivery.acknowledged)
    assert [event.text for event in await stored(database)] == ["first", "second"]


async def test_buttons_are_taken_away_in_spite_of_a_limit(
    slack: SlackServer, receiving: SlackConnector, accept: Acceptor
) -> None:
    """An update that Slack refuses for now is tried again; a press is stored in any case."""
    await receiving.send(outgoing("Sure?", buttons=(OutButton("Yes", "/affirm"),)))
    slack.fail_next("chat.update", 500)
    await receiving.start(accept)
    assert (await slack.user_presses(DIRECT, "Yes")).acknowledged
    await slack.until(lambda: not slack.posts(DIRECT)[0].buttons)


# HTTP


async def http(connect: Connect, accept: Any) -> httpx.AsyncClient:
    """A started connector, and a client to post to it without a network."""
    connector = connect()
    await connector.start(accept)
    app = Starlette(routes=connector.routes())
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://desk")


def body_of(name: str) -> str:
    return (FIXTURES / f"{name}.json").read_text(encoding="utf-8")


async def test_slack_may_verify_the_address(connect: Connect, accept: Acceptor, slack: SlackServer) -> None:
    """The challenge comes back, which is how Slack checks the address in the app's settings."""
    body = body_of("url_verification")
    client_ = await http(connect, accept)
    headers = slack.signed(body) | {"Content-Type": "application/json"}
    response = await client_.post(PATH, content=body, headers=headers)
    assert response.json() == {"challenge": json.loads(body)["challenge"]}


@pytest.mark.parametrize("case", ["wrong secret", "old", "from the future", "none", "no number", "not ascii"])
async def test_a_request_that_is_not_slacks_is_refused(
    case: str, connect: Connect, accept: Acceptor, slack: SlackServer, database: Database
) -> None:
    """A wrong signature, or one older than five minutes, gets 401, and nothing is stored."""
    body = body_of("direct_message")
    cases: dict[str, dict[str, Any]] = {
        "wrong secret": slack.signed(body, secret="guessed"),
        "old": slack.signed(body, age=301),
        "from the future": slack.signed(body, age=-400),
        "none": {},
        "no number": slack.signed(body) | {"X-Slack-Request-Timestamp": "now"},
        "not ascii": slack.signed(body) | {"X-Slack-Signature": "v0=é".encode()},
    }
    headers = cases[case] | {"Content-Type": "application/json"}
    client_ = await http(connect, accept)
    response = await client_.post(PATH, content=body, headers=headers)
    assert response.status_code == 401
    assert await stored(database) == []


async def test_the_same_request_rightly_signed_is_stored(
    connect: Connect, accept: Acceptor, slack: SlackServer, database: Database
) -> None:
    """The counter-proof of the refusals: only the signature made the difference."""
    body = body_of("direct_message")
    client_ = await http(connect, accept)
    headers = slack.signed(body, age=290) | {"Content-Type": "application/json"}
    assert (await client_.post(PATH, content=body, headers=headers)).status_code == 200
    assert len(await stored(database)) == 1


@pytest.mark.parametrize(
    ("body", "status"), [("{", 400), ("x" * (1024 * 1024 + 1), 413), ("[1]", 400), ("[" * 20_000, 400)]
)
async def test_nonsense_is_refused(
    body: str, status: int, connect: Connect, accept: Acceptor, slack: SlackServer
) -> None:
    """What is no event is the sender's fault, not a failure of ours."""
    client_ = await http(connect, accept)
    headers = slack.signed(body) | {"Content-Type": "application/json"}
    assert (await client_.post(PATH, content=body, headers=headers)).status_code == status


async def test_an_event_before_the_start_is_not_lost(connect: Connect, slack: SlackServer) -> None:
    """Slack is told to come again."""
    body = body_of("direct_message")
    app = Starlette(routes=connect().routes())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://desk") as client_:
        headers = slack.signed(body) | {"Content-Type": "application/json"}
        assert (await client_.post(PATH, content=body, headers=headers)).status_code == 503


# Socket Mode


async def test_a_lost_socket_is_opened_again(
    slack: SlackServer, connect: Connect, accept: Acceptor, database: Database
) -> None:
    """After a cut, and after Slack's announced end, events go on coming."""
    await connect(slack.env(socket=True)).start(accept)
    await slack.user_says(DIRECT, "one")
    await slack.drop_sockets()
    await slack.until(lambda: slack.connected)
    await slack.user_says(DIRECT, "two")
    await slack.ask_to_reconnect()
    await slack.until(lambda: slack.sockets_opened == 3)
    await slack.user_says(DIRECT, "three")
    assert [event.text for event in await stored(database)] == ["one", "two", "three"]


async def test_a_socket_that_cannot_be_opened_yet_is_tried_on(
    slack: SlackServer,
    connect: Connect,
    accept: Acceptor,
    database: Database,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A Slack that cannot be reached at the start is waited for, each time with a fresh address."""
    slack.fail_next("auth.test", 0)
    slack.fail_next("apps.connections.open", 500, times=2)
    await connect(slack.env(socket=True)).start(accept)
    await slack.user_says(DIRECT, "hello")
    assert [event.text for event in await stored(database)] == ["hello"]
    assert "Slack cannot be reached yet" in caplog.text
    assert "ticket=" not in caplog.text


async def test_an_address_that_failed_is_not_tried_for_ever(
    slack: SlackServer, connect: Connect, accept: Acceptor, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """A socket's address is good once: after a failure, at the start or later, a new one is asked for."""
    slack.fail_next("link", 503)
    await connect(slack.env(socket=True)).start(accept)
    await slack.user_says(DIRECT, "one")
    slack.fail_next("link", 503, times=2)
    await slack.drop_sockets()
    await slack.until(lambda: slack.sockets_opened == 2)
    await slack.user_says(DIRECT, "two")
    assert [event.text for event in await stored(database)] == ["one", "two"]
    assert "ticket=" not in caplog.text


async def test_who_the_bot_is_is_asked_again_until_it_is_known(
    slack: SlackServer, receiving: SlackConnector, accept: Acceptor, database: Database
) -> None:
    """Events come in meanwhile; the bot's own are told apart as soon as Slack answers."""
    slack.fail_next("auth.test", 0, times=2)
    await receiving.start(accept)
    assert (await slack.user_says(DIRECT, "hello")).acknowledged
    await slack.until(lambda: len(slack.calls_of("auth.test")) == 3)
    await asyncio.sleep(0.05)
    assert len(slack.calls_of("auth.test")) == 3
    event = slack.message(DIRECT, "my own words", BOT_USER)
    assert (await slack.event(event)).acknowledged
    assert [event.text for event in await stored(database)] == ["hello"]


@pytest.mark.parametrize("method", ["auth.test", "apps.connections.open"])
async def test_a_refused_token_is_said_clearly(
    method: str, slack: SlackServer, connect: Connect, accept: Acceptor
) -> None:
    """The operator reads which variable to set."""
    slack.fail_next(method, error="invalid_auth")
    with pytest.raises(LinguadeskError, match="SLACK_BOT_TOKEN" if method == "auth.test" else "SLACK_APP_TOKEN"):
        await connect(slack.env(socket=True)).start(accept)


async def test_missing_scopes_are_named(
    slack: SlackServer, connect: Connect, accept: Acceptor, caplog: pytest.LogCaptureFixture
) -> None:
    """An app that was set up by hand is told what it lacks."""
    slack.scopes = "app_mentions:read,chat:write,im:history"
    await connect().start(accept)
    missing = "channels:read, commands, files:read, files:write, groups:read, im:write, users:read"
    assert f"lacks the scopes {missing}" in caplog.text


def test_a_missing_secret_is_a_configuration_error(slack: SlackServer, connect: Connect) -> None:
    """With neither signing secret nor app-level token nothing could be received."""
    with pytest.raises(ConfigError, match=r"SLACK_SIGNING_SECRET is missing.*SLACK_APP_TOKEN"):
        connect({"SLACK_BOT_TOKEN": BOT_TOKEN, "SLACK_API_BASE_URL": slack.url})
