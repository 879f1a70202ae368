"""Commands, shortcuts, changed messages: the connector against a Slack workspace, in both modes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bot.contracts import Address, Kind, OutButton, Outgoing
from bot.inbox import Acceptor
from bot.storage import Database, StorageError
from connectors.slack.client import SlackConnector
from connectors.slack.words import words
from tests.connectors.inboxes import Gate, stored
from tests.connectors.slack.conftest import Connect
from tests.fakes.slack_server import ANA, SlackServer
from tests.fakes.slack_workspace import ANAS_DIRECT

CHANNEL = "C0LAN2Q65"
DIRECT = Address("slack", ANA, ANA)
MOVED_TO_DIRECT = "I have answered you in a direct message."
FAILED = "That did not work. Please try again in a moment."


def outgoing(text: str = "Hi", **fields: Any) -> Outgoing:
    return Outgoing(1, DIRECT, text, "en", **fields)


# The slash command


async def test_the_command_speaks_in_the_direct_message(
    slack: SlackServer, receiving: SlackConnector, accept: Acceptor, database: Database
) -> None:
    """What is typed after /support is a message in the same conversation as direct messages are."""
    await receiving.start(accept)
    delivery = await slack.user_commands("where is R&amp;D order 100234?")
    await slack.user_says(ANAS_DIRECT, "and 100235?")
    first, second = await stored(database)
    assert (first.text, first.payload, first.address) == ("where is R&D order 100234?", "", DIRECT)
    assert first.external_id.startswith("command:")
    assert second.address == first.address
    assert delivery.response == {"response_type": "ephemeral", "text": MOVED_TO_DIRECT}


async def test_the_command_alone_greets(
    slack: SlackServer, receiving: SlackConnector, accept: Acceptor, database: Database
) -> None:
    """Without a text it opens the conversation."""
    await receiving.start(accept)
    await slack.user_commands("  ")
    (event,) = await stored(database)
    assert (event.text, event.payload) == ("/support", "/greet")


async def test_a_command_that_speaks_of_a_payload_is_read(
    slack: SlackServer, receiving: SlackConnector, accept: Acceptor, database: Database
) -> None:
    """The word is no reason to take the command for something else."""
    await receiving.start(accept)
    await slack.user_commands("the payload was damaged")
    (event,) = await stored(database)
    assert event.text == "the payload was damaged"


async def test_the_command_is_acknowledged_only_after_the_commit(
    slack: SlackServer, receiving: SlackConnector, accept: Acceptor, database: Database
) -> None:
    """While the inbox hangs Slack hears nothing; the same command told twice is stored once."""
    gate = Gate(accept)
    await receiving.start(gate)
    delivery = await slack.user_commands("hello", wait=False, trigger="1.2.3")
    await slack.until(lambda: gate.asked)
    await asyncio.sleep(0.05)
    assert not delivery.acknowledged
    gate.open.set()
    await slack.until(lambda: delivery.acknowledged)
    await slack.user_commands("hello", trigger="1.2.3")
    assert [event.text for event in await stored(database)] == ["hello"]


async def test_a_command_that_could_not_be_stored_is_said_to_have_failed(
    slack: SlackServer, receiving: SlackConnector, accept: Acceptor, database: Database
) -> None:
    """Slack sends a command only once, so the person is told, and only they see it."""
    await receiving.start(Gate(accept, StorageError("the database is locked")))
    delivery = await slack.user_commands("hello")
    assert delivery.response == {"response_type": "ephemeral", "text": FAILED}
    assert await stored(database) == []


async def test_a_command_in_the_direct_message_itself_needs_no_hint(
    slack: SlackServer, receiving: SlackConnector, accept: Acceptor
) -> None:
    """In the direct message with the bot the answer is in sight; in one with somebody else it is not."""
    await receiving.start(accept)
    inside = await slack.user_commands("hello", channel=ANAS_DIRECT)
    elsewhere = await slack.user_commands("hello", channel="D0SOMEBODY")
    assert (inside.response, elsewhere.response) == ({}, {})
    await slack.until(lambda: slack.whispers)
    await receiving.stop()
    assert [(note.channel, note.user, note.text) for note in slack.whispers] == [("D0SOMEBODY", ANA, MOVED_TO_DIRECT)]


# Messages that change


async def test_edits_and_deletions_arrive(
    slack: SlackServer, receiving: SlackConnector, accept: Acceptor, database: Database
) -> None:
    """Both name the message by its ts; a preview that Slack adds changes nothing."""
    await receiving.start(open_gate(accept))
    message = slack.message(ANAS_DIRECT, "order 100234")
    await slack.event(message)
    assert (await slack.user_edits(ANAS_DIRECT, message["ts"], "order 100235", "order 100235")).acknowledged
    assert len(await stored(database)) == 1
    await slack.user_edits(ANAS_DIRECT, message["ts"], "order 100234", "order 100236")
    await slack.user_deletes(ANAS_DIRECT, message["ts"], "order 100236")
    events = await stored(database)
    assert [(event.kind, event.message_id) for event in events] == [
        (Kind.MESSAGE, message["ts"]),
        (Kind.EDIT, message["ts"]),
        (Kind.DELETION, message["ts"]),
    ]
    # An edit of what still waits replaces it there.
    assert [event.text for event in events] == ["order 100236", "order 100236", ""]
    assert {event.address for event in events} == {DIRECT}


def open_gate(accept: Acceptor) -> Gate:
    """An inbox in order, which counts how often it was asked."""
    gate = Gate(accept)
    gate.open.set()
    return gate


async def test_a_late_repeat_and_a_changed_order_change_nothing(
    slack: SlackServer, receiving: SlackConnector, accept: Acceptor, database: Database
) -> None:
    """Events are stored as they come, each once, however late Slack repeats one, and whichever comes first."""
    await receiving.start(accept)
    first, second = slack.message(ANAS_DIRECT, "first"), slack.message(ANAS_DIRECT, "second")
    await slack.event(second, event_id="Ev2")
    await slack.event(first, event_id="Ev1")
    assert (await slack.event(second, event_id="Ev2")).acknowledged
    events = await stored(database)
    assert [event.text for event in events] == ["second", "first"]
    assert events[0].message_id > events[1].message_id


async def test_a_change_of_what_never_came_is_acknowledged(
    slack: SlackServer, receiving: SlackConnector, accept: Acceptor, database: Database
) -> None:
    """There is nothing to take back, and words that are new to the bot are a message; nothing is sent again."""
    await receiving.start(accept)
    assert (await slack.user_deletes(ANAS_DIRECT, "1.0", "b")).attempts == 1
    assert await stored(database) == []
    assert (await slack.user_edits(ANAS_DIRECT, "1.0", "a", "b")).attempts == 1
    assert [(event.kind, event.text) for event in await stored(database)] == [(Kind.MESSAGE, "b")]


# Presses


async def test_a_press_that_could_not_be_stored_is_said_to_have_failed(
    slack: SlackServer, receiving: SlackConnector, accept: Acceptor
) -> None:
    """Slack sends a press only once: whoever pressed is told, and the buttons stay to be pressed again."""
    await receiving.send(outgoing("Sure?", buttons=(OutButton("Yes", "/affirm"),)))
    await receiving.start(Gate(accept, StorageError("the database is locked")))
    delivery = await slack.user_presses(ANA, "Yes", wait=False)
    await slack.until(lambda: slack.whispers)
    assert [(note.channel, note.user, note.text) for note in slack.whispers] == [(ANAS_DIRECT, ANA, FAILED)]
    assert slack.posts(ANA)[0].buttons == ["Yes"]
    assert not delivery.acknowledged


async def test_the_failure_is_told_even_if_slacks_address_for_answers_fails(
    slack: SlackServer, receiving: SlackConnector, accept: Acceptor
) -> None:
    """There is a second way to whoever pressed."""
    await receiving.send(outgoing("Sure?", buttons=(OutButton("Yes", "/affirm"),)))
    slack.fail_next("response", 500)
    await receiving.start(Gate(accept, StorageError("the database is locked")))
    await slack.user_presses(ANA, "Yes", wait=False)
    await slack.until(lambda: slack.whispers)
    assert len(slack.calls_of("chat.postEphemeral")) == 1


async def test_a_chore_gives_way_to_a_long_wait(slack: SlackServer, connect: Connect, accept: Acceptor) -> None:
    """Ten minutes for a pair of buttons are not waited for: stopping does not take them either."""
    connector = connect(slack.env(socket=True))
    await connector.send(outgoing("Sure?", buttons=(OutButton("Yes", "/affirm"),)))
    slack.fail_next("chat.update", 429, retry_after=600)
    await connector.start(accept)
    assert (await slack.user_presses(ANA, "Yes")).acknowledged
    async with asyncio.timeout(4):
        await connector.stop()
    assert len(slack.calls_of("chat.update")) == 1


async def test_a_lost_connection_loses_no_press(
    slack: SlackServer, connect: Connect, accept: Acceptor, database: Database
) -> None:
    """A socket that drops while the press is being stored: it is stored all the same, and once."""
    connector = connect(slack.env(socket=True))
    await connector.send(outgoing("Sure?", buttons=(OutButton("Yes", "/affirm"),)))
    gate = Gate(accept)
    await connector.start(gate)
    await slack.user_presses(ANA, "Yes", wait=False)
    await slack.until(lambda: gate.asked)
    await slack.drop_sockets()
    gate.open.set()
    await slack.until(lambda: not slack.posts(ANA)[0].buttons)
    assert [event.payload for event in await stored(database)] == ["/affirm"]


@pytest.mark.parametrize("language", ["fr", "es"])
async def test_notices_are_in_the_language_set_in_slack(
    language: str, slack: SlackServer, connect: Connect, accept: Acceptor
) -> None:
    """Where no conversation says otherwise, once Slack has said which it is."""
    connector = connect(slack.env(socket=True))
    await connector.start(accept)
    slack.locales[ANA] = f"{language}-XX"
    async with asyncio.timeout(20):
        while (await slack.user_commands("hello")).response["text"] != words(language)("answer.direct"):
            await asyncio.sleep(0.01)
    assert words(language)("answer.direct") != MOVED_TO_DIRECT
