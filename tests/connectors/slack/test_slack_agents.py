"""The agents' channel: cards, notes, buttons and the form for replies, against a Slack workspace."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from bot.config import Config
from bot.contracts import (
    Address,
    Card,
    ChannelDown,
    Inbound,
    Kind,
    Media,
    Note,
    OutButton,
    Owner,
    PermanentError,
    Room,
    RoomAction,
    RoomView,
    TemporaryError,
)
from bot.inbox import Acceptor
from bot.storage import Database, StorageError
from bot.storage.models import Conversation, Handoff, RoomRow
from connectors.slack.agents import SlackAgents
from connectors.slack.cards import card_message, note_message
from connectors.slack.client import SlackConnector
from tests.connectors.inboxes import Gate, stored
from tests.connectors.slack.conftest import AGENTS, Connect, Known
from tests.fakes.slack_objects import are_blocks
from tests.fakes.slack_server import SlackServer
from tests.fakes.slack_workspace import ANA

LI = "U0AGENTLI"
ACTIONS = tuple(
    OutButton(title, action.value)
    for title, action in (
        ("Claim", RoomAction.CLAIM),
        ("Reply", RoomAction.REPLY),
        ("Resolve", RoomAction.RESOLVE),
        ("Back to bot", RoomAction.BACK),
    )
)
CARD = Card(
    5,
    "Ana Torres",
    "Waiting since 10:24",
    (("Tier", "gold"), ("Orders", "100234 & <100235>")),
    ("Customer: where is it?", "Bot: on its way"),
    ACTIONS,
    "What you write here stays among you.",
)
GONE = "This conversation is no longer with the agents."
FAILED = "That did not work. Please try again in a moment."
Build = Callable[..., SlackConnector]
Canned = tuple[tuple[str, str], ...]


def space(connector: SlackConnector) -> SlackAgents:
    """The connector's agents' channel."""
    assert connector.agents is not None
    assert connector.agents.chat == AGENTS
    return connector.agents


async def opened(
    connector: SlackConnector, database: Database, known: Known, *, going_on: bool = True, canned: Canned = ()
) -> Room:
    """A card of a hand-over that the program knows as well."""
    room = await space(connector).show(Room(AGENTS), CARD)
    async with database.begin() as session:
        talk = Conversation(
            channel="slack",
            address_key=Address("slack", ANA, ANA).key,
            chat=ANA,
            user=ANA,
            thread="",
            name="",
            locale="",
            owner=Owner.QUEUE,
        )
        session.add(talk)
        await session.flush()
        handoff = Handoff(conversation_id=talk.id, reason="")
        session.add(handoff)
        await session.flush()
        session.add(
            RoomRow(handoff_id=handoff.id, conversation_id=talk.id, channel="slack", chat=AGENTS, thread=room.thread)
        )
    known.rooms["slack", AGENTS, room.thread] = RoomView(going_on, "fr", "en", canned)
    return room


async def at_agents(database: Database) -> list[Inbound]:
    """What agents have done, as stored."""
    return [event for event in await stored(database) if event.kind is Kind.AGENT]


# Cards and notes


def test_without_a_channel_there_is_no_place_for_agents(connect: Connect) -> None:
    """The setting decides."""
    assert connect().agents is None


async def test_a_card_is_posted_and_kept_up_to_date(slack: SlackServer, connect: Connect) -> None:
    """One message a hand-over: everybody sees who has it; at the end its buttons go."""
    agents = space(connect(agents=AGENTS))
    room = await agents.show(Room(AGENTS), CARD)
    (post,) = slack.posts(AGENTS)
    assert (room.chat, room.thread, room.card) == (AGENTS, post.ts, post.ts)
    assert post.buttons == ["Claim", "Reply", "Resolve", "Back to bot"]
    assert post.shown.splitlines()[:2] == ["Ana Torres", "*Waiting since 10:24*"]
    for words in ("*Orders*\n100234 &amp; &lt;100235&gt;", "Bot: on its way", "stays among you"):
        assert words in post.shown
    taken = replace(CARD, status="Li has it, since 10:25", actions=ACTIONS[1:])
    assert await agents.show(room, taken) == room
    assert "*Li has it, since 10:25*" in slack.posts(AGENTS)[0].shown
    assert slack.posts(AGENTS)[0].buttons == ["Reply", "Resolve", "Back to bot"]
    await agents.close(room, replace(CARD, status="Resolved by Li"))
    assert slack.posts(AGENTS)[0].buttons == []
    assert "*Resolved by Li*" in slack.posts(AGENTS)[0].shown
    assert len(slack.posts(AGENTS)) == 1


async def test_a_card_that_somebody_deleted_is_posted_again(slack: SlackServer, connect: Connect) -> None:
    """A hand-over is never without a card while it goes on; at its end nothing is missed."""
    agents = space(connect(agents=AGENTS))
    room = await agents.show(Room(AGENTS), CARD)
    slack.delete(AGENTS, room.card)
    again = await agents.show(room, CARD)
    assert [post.ts for post in slack.posts(AGENTS)] == [again.thread] == [again.card]
    slack.delete(AGENTS, again.card)
    await agents.close(again, CARD)
    assert slack.posts(AGENTS) == []


async def test_a_refused_card_is_shown_as_words(slack: SlackServer, connect: Connect) -> None:
    """Blocks that Slack does not take lose the buttons, never the hand-over."""
    agents = space(connect(agents=AGENTS))
    slack.fail_next("chat.postMessage", error="invalid_blocks")
    room = await agents.show(Room(AGENTS), CARD)
    assert slack.posts(AGENTS)[0].shown.startswith("Ana Torres\nWaiting since 10:24")
    slack.fail_next("chat.update", error="invalid_blocks")
    await agents.show(room, replace(CARD, status="Li has it"))
    assert slack.posts(AGENTS)[0].shown.startswith("Ana Torres\nLi has it")


def test_a_card_fits_whatever_it_holds() -> None:
    """Lengths are cut to what Slack takes; of the messages the last ones stay."""
    big = Card(
        5,
        "t" * 400,
        "<" * 4000,
        tuple(("l" * 300, "v&" * 3000) for _ in range(40)),
        tuple(f"message {number} " + "<x>" * 500 for number in range(10)),
        ACTIONS,
        "h" * 4000,
    )
    message = card_message(big)
    assert are_blocks(message["blocks"], 50)
    assert "message 9 " in str(message["blocks"])
    assert "message 0 " not in str(message["blocks"])
    assert are_blocks(card_message(Card(5, "", ""))["blocks"], 50)
    note = note_message(Note("&" * 100_000, alert=True))
    assert are_blocks(note["blocks"], 50)
    assert len(note["text"]) <= 40_000


async def test_notes_go_into_the_thread(slack: SlackServer, connect: Connect) -> None:
    """What is said, escaped; an alert calls whoever is there and shows in the channel too."""
    agents = space(connect(agents=AGENTS))
    room = await agents.show(Room(AGENTS), CARD)
    await agents.note(room, Note("Customer: <!channel> & more"))
    await agents.note(room, Note("Nobody has taken this yet", alert=True))
    said, alert = slack.thread(AGENTS, room.thread)
    assert (said.shown, said.broadcast) == ("Customer: &lt;!channel&gt; &amp; more", False)
    assert (alert.shown, alert.broadcast) == ("<!here> Nobody has taken this yet", True)


async def test_a_note_for_one_agent_is_seen_by_them_alone(slack: SlackServer, connect: Connect) -> None:
    """In the thread, and in nobody else's."""
    agents = space(connect(agents=AGENTS))
    room = await agents.show(Room(AGENTS), CARD)
    await agents.note(room, Note("Bo has it <already>", only_for=LI))
    (note,) = slack.whispers
    assert (note.channel, note.user, note.thread_ts) == (AGENTS, LI, room.thread)
    assert note.text == "Bo has it &lt;already&gt;"
    assert slack.thread(AGENTS, room.thread) == []


async def test_the_customers_files_come_with_their_words(slack: SlackServer, connect: Connect, config: Config) -> None:
    """As one message in the thread; a file that is gone is named, and the words are not lost."""
    config.files_dir.mkdir(parents=True)
    (config.files_dir / "box").write_bytes(b"photo")
    agents = space(connect(agents=AGENTS))
    room = await agents.show(Room(AGENTS), CARD)
    await agents.note(room, Note("Customer: crushed", (Media("box", "box.jpg"),)))
    await agents.note(room, Note("Customer: wet", (Media("gone", "wet.jpg"),)))
    file, words = slack.thread(AGENTS, room.thread)
    assert (file.text, file.filename, file.document) == ("Customer: crushed", "box.jpg", b"photo")
    assert words.shown == "Customer: wet\n📎 wet.jpg"


@pytest.mark.parametrize(
    ("status", "error", "retry_after", "kind"),
    [
        (429, "", 1, TemporaryError),
        (429, "", 600, TemporaryError),
        (500, "", None, TemporaryError),
        (502, "bad_gateway", None, TemporaryError),
        (0, "", None, TemporaryError),
        (200, "token_revoked", None, ChannelDown),
        (200, "not_in_channel", None, PermanentError),
        (200, "is_archived", None, PermanentError),
    ],
)
async def test_errors_come_out_as_those_of_messages(
    status: int, error: str, retry_after: int | None, kind: type[Exception], slack: SlackServer, connect: Connect
) -> None:
    """Whoever calls decides when to try again."""
    agents = space(connect(agents=AGENTS))
    for method, call in (
        ("chat.postMessage", lambda: agents.show(Room(AGENTS), CARD)),
        ("chat.postMessage", lambda: agents.note(Room(AGENTS, "1.0", "1.0"), Note("hello"))),
        ("chat.update", lambda: agents.show(Room(AGENTS, "1.0", "1.0"), CARD)),
        ("chat.update", lambda: agents.close(Room(AGENTS, "1.0", "1.0"), CARD)),
    ):
        slack.fail_next(method, status, error, retry_after=retry_after)
        with pytest.raises(kind) as caught:
            await call()
        if retry_after:
            assert getattr(caught.value, "retry_after", None) == retry_after
    assert slack.posts(AGENTS) == []


# Buttons


@pytest.mark.parametrize("title", ["Claim", "Resolve", "Back to bot"])
async def test_a_button_is_stored_before_slack_hears(
    title: str,
    slack: SlackServer,
    receiving_in: Build,
    accept: Acceptor,
    database: Database,
    known: Known,
) -> None:
    """The press names the room, the agent and what they want; while the inbox hangs Slack hears nothing."""
    connector = receiving_in(agents=AGENTS)
    gate = Gate(accept)
    await connector.start(gate)
    room = await opened(connector, database, known)
    delivery = await slack.user_presses(AGENTS, title, user=LI, wait=False)
    await slack.until(lambda: gate.asked)
    await asyncio.sleep(0.05)
    assert not delivery.acknowledged
    gate.open.set()
    await slack.until(lambda: delivery.acknowledged)
    (event,) = await at_agents(database)
    wish = {button.title: button.payload for button in ACTIONS}[title]
    assert (event.payload, event.name) == (wish, "ana.torres")
    assert event.address == Address("slack", AGENTS, LI, room.thread)


async def test_a_button_works_below_a_thread_that_has_begun(
    slack: SlackServer, connect: Connect, accept: Acceptor, database: Database, known: Known
) -> None:
    """The room stays the same when notes stand below the card."""
    connector = connect(slack.env(socket=True), agents=AGENTS)
    await connector.start(accept)
    room = await opened(connector, database, known)
    await space(connector).note(room, Note("Customer: hello?"))
    await slack.user_presses(AGENTS, "Claim", user=LI)
    assert [event.address.thread for event in await at_agents(database)] == [room.thread]


@pytest.mark.parametrize("title", ["Claim", "Reply"])
async def test_a_button_of_what_is_over_says_so(
    title: str,
    slack: SlackServer,
    receiving_in: Build,
    accept: Acceptor,
    database: Database,
    known: Known,
) -> None:
    """Only the one who pressed sees it; the same for a card that the program does not know."""
    connector = receiving_in(agents=AGENTS)
    await connector.start(accept)
    room = await opened(connector, database, known, going_on=False)
    assert (await slack.user_presses(AGENTS, title, user=LI)).acknowledged
    await slack.until(lambda: slack.whispers)
    known.rooms.clear()
    assert (await slack.user_presses(AGENTS, title, user=LI)).acknowledged
    await slack.until(lambda: len(slack.whispers) == 2)
    assert {(note.channel, note.user, note.text) for note in slack.whispers} == {(AGENTS, LI, GONE)}
    assert await at_agents(database) == []
    assert slack.modals == []
    assert slack.thread(AGENTS, room.thread) == []


async def test_a_button_that_could_not_be_stored_is_said_to_have_failed(
    slack: SlackServer, receiving_in: Build, accept: Acceptor, database: Database, known: Known
) -> None:
    """The agent can press again."""
    connector = receiving_in(agents=AGENTS)
    await connector.start(Gate(accept, StorageError("the database is locked")))
    await opened(connector, database, known)
    delivery = await slack.user_presses(AGENTS, "Claim", user=LI, wait=False)
    await slack.until(lambda: slack.whispers)
    assert [(note.channel, note.user, note.text) for note in slack.whispers] == [(AGENTS, LI, FAILED)]
    assert not delivery.acknowledged


async def test_buttons_like_those_of_a_card_mean_nothing_elsewhere(
    slack: SlackServer, connect: Connect, accept: Acceptor, database: Database
) -> None:
    """A card of a channel that is not the agents' any more changes nothing."""
    connector = connect(slack.env(socket=True), agents=AGENTS)
    await connector.start(accept)
    await space(connector).show(Room("C0OLDPLACE"), CARD)
    assert (await slack.user_presses("C0OLDPLACE", "Claim", user=LI)).acknowledged
    assert await stored(database) == []


async def test_what_agents_write_among_themselves_is_nobodys_message(
    slack: SlackServer, receiving_in: Build, accept: Acceptor, database: Database, known: Known
) -> None:
    """Neither a mention in the channel nor one in a card's thread is an event."""
    connector = receiving_in(agents=AGENTS)
    await connector.start(accept)
    room = await opened(connector, database, known)
    assert (await slack.user_mentions(AGENTS, "who knows this one?", user=LI)).acknowledged
    assert (await slack.user_mentions(AGENTS, "I do", user=LI, thread_ts=room.thread)).acknowledged
    assert await stored(database) == []
    await slack.user_mentions("C0LAN2Q65", "hello", user=LI)
    assert [event.text for event in await stored(database)] == ["hello"]


# The form for replies


async def test_a_reply_is_stored_before_the_form_closes(
    slack: SlackServer, receiving_in: Build, accept: Acceptor, database: Database, known: Known
) -> None:
    """The form says in which language to write; while the inbox hangs it stays open."""
    connector = receiving_in(agents=AGENTS)
    gate = Gate(accept)
    await connector.start(gate)
    room = await opened(connector, database, known)
    await slack.user_presses(AGENTS, "Reply", user=LI)
    await slack.until(lambda: slack.modals)
    form = slack.modals[-1]
    assert form["blocks"][-1]["label"]["text"] == "Your reply, in the customer's language (French)"
    delivery = await slack.user_submits({"reply": "Il arrive demain & <vite>"}, user=LI, wait=False)
    await slack.until(lambda: gate.asked)
    await asyncio.sleep(0.05)
    assert not delivery.acknowledged
    gate.open.set()
    await slack.until(lambda: delivery.acknowledged)
    assert delivery.response == {}
    (event,) = await at_agents(database)
    assert (event.payload, event.text) == ("reply", "Il arrive demain & <vite>")
    assert event.address == Address("slack", AGENTS, LI, room.thread)
    assert event.external_id == f"view:{form['id']}"


async def test_a_ready_made_reply_goes_below_what_was_typed(
    slack: SlackServer, receiving_in: Build, accept: Acceptor, database: Database, known: Known
) -> None:
    """Choosing one fills a new field with both, so that Slack shows it; what is sent is what stands there."""
    canned = (("Thanks", "Merci de votre patience."), ("n" * 100, "Bonjour,"))
    connector = receiving_in(agents=AGENTS)
    await connector.start(accept)
    await opened(connector, database, known, canned=canned)
    await slack.user_presses(AGENTS, "Reply", user=LI)
    await slack.until(lambda: slack.modals)
    before = slack.modals[-1]["blocks"][-1]["block_id"]
    assert (await slack.user_chooses_in_form("Thanks", {"reply": "Bonjour Ana,"})).acknowledged
    await slack.until(lambda: slack.modals[-1]["blocks"][-1]["block_id"] != before)
    assert slack.modals[-1]["blocks"][-1]["element"]["initial_value"] == "Bonjour Ana,\nMerci de votre patience."
    await slack.user_submits({}, user=LI)
    (event,) = await at_agents(database)
    assert event.text == "Bonjour Ana,\nMerci de votre patience."


@pytest.mark.parametrize(
    ("text", "going_on", "error"),
    [
        (" \n", True, "Write a reply first."),
        ("x" * 3001, True, "At most 3000 characters fit."),
        ("Il arrive", False, GONE),
    ],
)
async def test_what_is_wrong_with_a_reply_is_said_below_the_field(
    text: str,
    going_on: bool,
    error: str,
    slack: SlackServer,
    connect: Connect,
    accept: Acceptor,
    database: Database,
    known: Known,
) -> None:
    """The form stays open with the agent's words."""
    connector = connect(slack.env(socket=True), agents=AGENTS)
    await connector.start(accept)
    room = await opened(connector, database, known)
    await slack.user_presses(AGENTS, "Reply", user=LI)
    await slack.until(lambda: slack.modals)
    place = ("slack", AGENTS, room.thread)
    known.rooms[place] = replace(known.rooms[place], going_on=going_on)
    delivery = await slack.user_submits({"reply": text}, user=LI)
    assert delivery.response == {"response_action": "errors", "errors": {"reply": error}}
    assert len(slack.modals) == 1
    assert await at_agents(database) == []


async def test_a_reply_that_could_not_be_stored_stays_in_the_form(
    slack: SlackServer, receiving_in: Build, accept: Acceptor, database: Database, known: Known
) -> None:
    """It can be sent again, and is stored once."""
    connector = receiving_in(agents=AGENTS)
    gate = Gate(accept, StorageError("the database is locked"))
    gate.open.set()
    await connector.start(gate)
    await opened(connector, database, known)
    await slack.user_presses(AGENTS, "Reply", user=LI)
    await slack.until(lambda: slack.modals)
    delivery = await slack.user_submits({"reply": "Il arrive"}, user=LI)
    assert delivery.response == {"response_action": "errors", "errors": {"reply": FAILED}}
    gate.error = None
    assert (await slack.user_submits({"reply": "Il arrive"}, user=LI)).response == {}
    assert [event.text for event in await at_agents(database)] == ["Il arrive"]


async def test_a_reply_form_that_does_not_open_is_said_to_have_failed(
    slack: SlackServer, connect: Connect, accept: Acceptor, database: Database, known: Known
) -> None:
    """The agent can press again."""
    connector = connect(slack.env(socket=True), agents=AGENTS)
    await connector.start(accept)
    await opened(connector, database, known)
    slack.fail_next("views.open", 500)
    await slack.user_presses(AGENTS, "Reply", user=LI)
    await slack.until(lambda: slack.whispers)
    assert [(note.channel, note.user, note.text) for note in slack.whispers] == [(AGENTS, LI, FAILED)]
