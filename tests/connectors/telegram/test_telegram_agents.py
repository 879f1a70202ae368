"""The agents' forum group: topics, cards, notes, and what agents do there, against a Bot API server."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.config import Config, ConfigError
from bot.contracts import (
    Address,
    Card,
    ChannelDown,
    ChatMoved,
    Kind,
    Media,
    Note,
    OutButton,
    PermanentError,
    Room,
    RoomView,
    TemporaryError,
    Unreachable,
)
from connectors.telegram.agents import TelegramAgents, card_text
from connectors.telegram.client import TelegramConnector
from tests.connectors.telegram.conftest import Connect, Noting
from tests.fakes.telegram_server import TelegramServer

GROUP = -1001234567890
ACTIONS = tuple(OutButton(name.title(), name) for name in ("claim", "reply", "resolve", "back"))
CARD = Card(
    handoff=7,
    title="Ana 😀 Torres · 100234",
    status="Waiting since 10:00",
    lines=(("Language", "Spanish"), ("Tier", "gold")),
    messages=("Ana: hola", "Bot: Hello"),
    actions=ACTIONS,
    hint="What you write here stays among you.",
)


def agents_of(connector: TelegramConnector) -> TelegramAgents:
    assert connector.agents is not None
    return connector.agents


@pytest.fixture
def agents(telegram: TelegramServer, connect: Connect) -> TelegramAgents:
    """The group's side of a connector that does not receive."""
    telegram.forum(GROUP)
    return agents_of(connect(agents_chat=GROUP))


async def opened(agents: TelegramAgents, card: Card = CARD) -> Room:
    room = await agents.show(Room(agents.chat), card)
    return await agents.show(room, card)


# Settings


def test_without_a_group_there_are_no_agents(connect: Connect) -> None:
    """The setting is optional."""
    assert connect().agents is None
    assert connect(agents_chat="").agents is None


@pytest.mark.parametrize("chat", ["-1001234567890", -1001234567890])
def test_the_group_is_a_number_or_its_digits(chat: Any, connect: Connect) -> None:
    """YAML users write it with or without quotes."""
    assert agents_of(connect(agents_chat=chat)).chat == "-1001234567890"


@pytest.mark.parametrize("chat", [5512003344, "@agents", True, [-1], "https://t.me/c/1/2", -1.5])
def test_what_is_no_group_is_refused(chat: Any, connect: Connect) -> None:
    """A person's id, a name or a link is told apart from a group's id before anything runs."""
    with pytest.raises(ConfigError, match=r"connectors\.telegram\.agents_chat.*-1001234567890"):
        connect(agents_chat=chat)


# Rooms


async def test_a_room_is_a_topic_with_a_card(telegram: TelegramServer, agents: TelegramAgents) -> None:
    """First the topic, then the card in it, one request a call."""
    room = await agents.show(Room(agents.chat), CARD)
    assert telegram.forums[GROUP][int(room.thread)].name == CARD.title
    assert (room.card, telegram.sent(GROUP)) == ("", [])
    room = await agents.show(room, CARD)
    (sent,) = telegram.sent(GROUP)
    assert (str(sent.message_id), str(sent.thread)) == (room.card, room.thread)
    assert sent.text == (
        "Ana 😀 Torres · 100234\nWaiting since 10:00\n\nLanguage: Spanish\nTier: gold\n\n"
        "Ana: hola\nBot: Hello\n\nWhat you write here stays among you."
    )
    assert sent.entities[0] == {"type": "bold", "offset": 0, "length": 22}
    data = [button["callback_data"] for row in sent.keyboard for button in row]
    assert data == ["agent:claim", "agent:reply", "agent:resolve", "agent:back"]


async def test_a_card_follows_its_hand_over(telegram: TelegramServer, agents: TelegramAgents) -> None:
    """The same message is edited; without a change nothing happens, and that is no error."""
    room = await opened(agents)
    assert await agents.show(room, replace(CARD, status="Bea has it")) == room
    assert await agents.show(room, replace(CARD, status="Bea has it")) == room
    (sent,) = telegram.sent(GROUP)
    assert "Bea has it" in sent.text


async def test_a_card_is_cut_by_its_oldest_messages(telegram: TelegramServer, agents: TelegramAgents) -> None:
    """However much was said, the card fits, and title, hint and the newest messages are there."""
    messages = tuple(f"{number}: " + "😀" * 300 for number in range(20))
    await opened(agents, replace(CARD, messages=messages))
    (sent,) = telegram.sent(GROUP)
    assert len(sent.text.encode("utf-16-le")) // 2 <= 4096
    assert "\n19: " in sent.text
    assert "\n0: " not in sent.text
    italic = sent.entities[-1]
    wide = sent.text.encode("utf-16-le")[2 * italic["offset"] :]
    assert wide.decode("utf-16-le") == CARD.hint


def test_a_card_whose_lines_are_too_long_still_fits() -> None:
    """Nothing that a shop writes into a line makes a card that Telegram refuses."""
    text, entities = card_text(replace(CARD, lines=(("Orders", "x" * 9000),)))
    assert len(text) <= 4096
    assert [entity["type"] for entity in entities] == ["bold"]


@pytest.mark.parametrize(("title", "name"), [("x" * 200, "x" * 127 + "…"), (" \n", "#7")])
async def test_a_topics_name_fits(title: str, name: str, telegram: TelegramServer, agents: TelegramAgents) -> None:
    """Telegram takes 1 to 128 characters."""
    room = await agents.show(Room(agents.chat), replace(CARD, title=title))
    assert telegram.forums[GROUP][int(room.thread)].name == name


async def test_notes_go_below_the_card(telegram: TelegramServer, agents: TelegramAgents) -> None:
    """What is said is shown in the topic; an alert has a bell, an agent's own error names the agent."""
    room = await opened(agents)
    await agents.note(room, Note("Ana: where is it?"))
    await agents.note(room, Note("Nobody has taken this yet", alert=True))
    await agents.note(room, Note("Bea has it", only_for="900"))
    notes = telegram.sent(GROUP)[1:]
    assert [note.text for note in notes] == ["Ana: where is it?", "🔔 Nobody has taken this yet", "👤: Bea has it"]
    assert {note.thread for note in notes} == {int(room.thread)}
    (mention,) = notes[2].entities
    assert (mention["type"], mention["user"]["id"], mention["length"]) == ("text_mention", 900, 2)


async def test_files_go_with_their_note(telegram: TelegramServer, agents: TelegramAgents, config: Config) -> None:
    """A photo is shown as one, a document as one, several files as an album, each with the words."""
    config.files_dir.mkdir(parents=True)
    for name in ("a.jpg", "b.png", "c.pdf"):
        (config.files_dir / name).write_bytes(name.encode())
    photo, other, document = (
        Media("a.jpg", "a.jpg", "image/jpeg"),
        Media("b.png", "b.png", "image/png"),
        Media("c.pdf", "invoice.pdf", "application/pdf"),
    )
    room = await opened(agents)
    await agents.note(room, Note("one", (photo,)))
    await agents.note(room, Note("two", (document,)))
    await agents.note(room, Note("three", (photo, other)))
    await agents.note(room, Note("four", (photo, document)))
    methods = [call.method for call in telegram.calls if call.method.startswith("send")][1:]
    assert methods == ["sendPhoto", "sendDocument", "sendMediaGroup", "sendMediaGroup"]
    sent = telegram.sent(GROUP)[1:]
    assert [message.text for message in sent] == ["one", "two", "three", "", "four", ""]
    assert [message.document for message in sent[:2]] == [b"a.jpg", b"c.pdf"]
    assert {message.thread for message in sent} == {int(room.thread)}


async def test_a_photo_that_telegram_does_not_take_goes_as_a_document(
    telegram: TelegramServer, agents: TelegramAgents, config: Config
) -> None:
    """A very long screenshot reaches the agents all the same."""
    config.files_dir.mkdir(parents=True)
    (config.files_dir / "a.png").write_bytes(b"long")
    room = await opened(agents)
    telegram.fail_next("sendPhoto", 400, "Bad Request: PHOTO_INVALID_DIMENSIONS")
    await agents.note(room, Note("", (Media("a.png", "a.png", "image/png"),)))
    assert telegram.sent(GROUP)[-1].document == b"long"


async def test_a_long_note_takes_two_messages_at_most(telegram: TelegramServer, agents: TelegramAgents) -> None:
    """A little too long is not cut off; a novel is, since the desk shows all of it."""
    room = await opened(agents)
    await agents.note(room, Note("Ana: " + "word " * 1000))
    await agents.note(room, Note("Ana: " + "word " * 20000))
    notes = [sent.text for sent in telegram.sent(GROUP)[1:]]
    assert " ".join(notes[:2]).split() == ("Ana: " + "word " * 1000).split()
    assert len(notes) == 4
    assert notes[3].endswith("…")


async def test_the_end_closes_the_topic(telegram: TelegramServer, agents: TelegramAgents) -> None:
    """The card shows how it ended, without buttons; a retry after half of it does the rest."""
    room = await opened(agents)
    over = replace(CARD, status="Resolved by Bea", actions=())
    telegram.fail_next("closeForumTopic", 502)
    with pytest.raises(TemporaryError):
        await agents.close(room, over)
    await agents.close(room, over)
    await agents.close(room, over)
    (sent,) = telegram.sent(GROUP)
    assert "Resolved by Bea" in sent.text
    assert sent.keyboard == []
    assert telegram.forums[GROUP][int(room.thread)].closed


async def test_a_topic_deleted_by_hand_is_opened_anew(telegram: TelegramServer, agents: TelegramAgents) -> None:
    """The card comes back in a new topic; what is said meanwhile and the end do no harm."""
    room = await opened(agents)
    telegram.forums[GROUP].clear()
    with pytest.raises(PermanentError, match="deleted the topic"):
        await agents.note(room, Note("Ana: hello?"))
    await agents.close(room, CARD)
    again = await agents.show(room, replace(CARD, status="changed"))
    assert again.thread != room.thread
    assert again.card == ""
    again = await agents.show(again, CARD)
    assert str(telegram.sent(GROUP)[-1].message_id) == again.card
    assert str(telegram.sent(GROUP)[-1].thread) == again.thread


async def test_a_card_deleted_by_hand_is_shown_again(telegram: TelegramServer, agents: TelegramAgents) -> None:
    """The topic stays, the card is a new message in it."""
    room = await opened(agents)
    again = await agents.show(replace(room, card="99999"), CARD)
    assert again.thread == room.thread
    assert again.card == str(telegram.sent(GROUP)[-1].message_id)


async def test_a_room_without_a_topic_is_closed_already(telegram: TelegramServer, agents: TelegramAgents) -> None:
    """A hand-over that ended before its topic was opened needs none."""
    await agents.close(Room(agents.chat), CARD)
    assert telegram.calls == []


@pytest.mark.parametrize(
    ("status", "words", "kind", "advice"),
    [
        (400, "Bad Request: the chat is not a forum", PermanentError, "turn on Topics"),
        (400, "Bad Request: not enough rights to create a topic", PermanentError, "manages topics"),
        (403, "Forbidden: bot was kicked from the supergroup chat", PermanentError, "add the bot to the agents' group"),
        (401, "Unauthorized", ChannelDown, "TELEGRAM_BOT_TOKEN"),
        (500, "Internal Server Error", TemporaryError, "Internal Server Error"),
        (0, "", TemporaryError, "did not answer"),
    ],
)
async def test_trouble_in_the_group_says_what_to_do(
    status: int, words: str, kind: type[Exception], advice: str, telegram: TelegramServer, agents: TelegramAgents
) -> None:
    """The operator reads what to click; a customer is never blamed for the agents' group."""
    telegram.fail_next("createForumTopic", status, words)
    with pytest.raises(kind, match=advice) as caught:
        await agents.show(Room(agents.chat), CARD)
    assert not isinstance(caught.value, Unreachable)


async def test_a_wait_and_a_move_of_the_group_are_handed_on(telegram: TelegramServer, agents: TelegramAgents) -> None:
    """The caller waits, or goes on in the group's new place."""
    telegram.fail_next("createForumTopic", 429, retry_after=600)
    with pytest.raises(TemporaryError) as caught:
        await agents.show(Room(agents.chat), CARD)
    assert caught.value.retry_after == 600
    telegram.fail_next("createForumTopic", 400, moved_to=-1009)
    with pytest.raises(ChatMoved):
        await agents.show(Room(agents.chat), CARD)
    assert agents.chat == "-1009"


async def test_an_unreadable_answer_is_asked_for_again(telegram: TelegramServer, agents: TelegramAgents) -> None:
    """Without the topic's id there is no room yet."""
    telegram.fail_next("createForumTopic", 200, body='{"ok": true, "result": {"name": "x"}}')
    with pytest.raises(TemporaryError, match="cannot be read"):
        await agents.show(Room(agents.chat), CARD)


# What agents do

VIEW = RoomView(going_on=True, language="es", desk_language="en")


@pytest.fixture
async def desk(
    telegram: TelegramServer, connect: Connect, noting: Noting, rooms: dict[str, RoomView]
) -> TelegramAgents:
    """A connector that receives, with a room that is going on."""
    telegram.forum(GROUP)
    connector = connect(agents_chat=GROUP)
    await connector.start(noting)
    room = await opened(agents_of(connector))
    rooms[room.thread] = VIEW
    return agents_of(connector)


def thread_of(telegram: TelegramServer) -> int:
    (thread,) = telegram.forums[GROUP]
    return thread


@pytest.mark.parametrize("action", ["claim", "resolve", "back"])
async def test_a_press_is_an_agents_act(
    action: str, telegram: TelegramServer, desk: TelegramAgents, noting: Noting
) -> None:
    """The room and the person are the address; the waiting sign ends, the card stays for the core to change."""
    (card,) = telegram.sent(GROUP)
    press = await telegram.agent_presses(GROUP, card, f"agent:{action}")
    (event,) = await noting.taken(1)
    assert (event.kind, event.payload, event.text, event.name) == (Kind.AGENT, action, "", "Bea Torres")
    assert event.address == Address("telegram", str(GROUP), "900", str(thread_of(telegram)))
    await telegram.until(lambda: telegram.answered == [press])
    assert telegram.sent(GROUP)[0].keyboard
    assert telegram.calls_of("sendChatAction") == []


@pytest.mark.parametrize(
    ("text", "action", "words"),
    [
        ("/r Hola Ana", "reply", "Hola Ana"),
        ("/R@linguadesk_bot  Hola\n\nAna /r ", "reply", "Hola\n\nAna /r"),
        ("/claim", "claim", ""),
        ("/resolve@linguadesk_bot", "resolve", ""),
        ("/back please", "back", ""),
    ],
)
async def test_commands_do_the_same(
    text: str, action: str, words: str, telegram: TelegramServer, desk: TelegramAgents, noting: Noting
) -> None:
    """What stands behind /r, lines and all, is for the customer."""
    await telegram.agent_says(GROUP, thread_of(telegram), text)
    (event,) = await noting.taken(1)
    assert (event.kind, event.payload, event.text) == (Kind.AGENT, action, words)


async def test_everything_else_is_private(telegram: TelegramServer, desk: TelegramAgents, noting: Noting) -> None:
    """Talk, mentions, other bots' commands, edits, forwards, reactions, service messages: nothing leaves the group."""
    thread = thread_of(telegram)
    (card,) = telegram.sent(GROUP)
    mention = [{"type": "mention", "offset": 0, "length": 15}]
    await telegram.agent_says(GROUP, thread, "shall I tell her?")
    await telegram.agent_says(GROUP, thread, "@linguadesk_bot where is 100234?", entities=mention)
    await telegram.agent_says(GROUP, thread, "/r@other_bot Hola")
    await telegram.agent_says(GROUP, thread, "/orders")
    await telegram.agent_says(GROUP, thread, "/right now")
    await telegram.agent_answers(GROUP, card, "an answer to the card")
    await telegram.agent_says(GROUP, thread, "/r Hola", forward_origin={"type": "hidden_user", "sender_user_name": "x"})
    edited = await telegram.agent_says(GROUP, thread, "hm")
    await telegram.user_edits(edited, "/r Hola")
    await telegram.agent_says(GROUP, thread, "", pinned_message={"message_id": 1})
    await telegram.user_reacts(GROUP, card.message_id, "👍")
    await telegram.bot_becomes(GROUP, "left", "administrator")
    await telegram.until(lambda: not telegram.pending)
    assert noting.events == []
    assert telegram.sent(GROUP) == [card]


async def test_a_reply_by_the_button(telegram: TelegramServer, desk: TelegramAgents, noting: Noting) -> None:
    """The button brings a prompt for the one agent; the answer to that prompt goes to the customer."""
    (card,) = telegram.sent(GROUP)
    press = await telegram.agent_presses(GROUP, card, "agent:reply")
    prompt = (await telegram.wait_for(GROUP, 2))[1]
    assert telegram.answered == [press]
    assert noting.events == []
    assert prompt.text == "✍ Bea Torres: Answer to this message to write to the customer (Spanish)."
    assert prompt.params["reply_markup"] == {"force_reply": True, "selective": True}
    assert prompt.thread == thread_of(telegram)
    assert [(entity["type"], entity["offset"], entity["length"]) for entity in prompt.entities] == [
        ("text_link", 0, 1),
        ("text_mention", 2, 10),
    ]
    await telegram.agent_answers(GROUP, prompt, "Sale hoy.\nGracias", agent=901, name="Sam")
    (event,) = await noting.taken(1)
    assert (event.payload, event.text, event.address.user) == ("reply", "Sale hoy.\nGracias", "901")


async def test_a_marker_in_somebody_elses_message_is_nothing(
    telegram: TelegramServer, desk: TelegramAgents, noting: Noting
) -> None:
    """Only an answer to the bot's own prompt is for the customer."""
    await telegram.agent_presses(GROUP, telegram.sent(GROUP)[0], "agent:reply")
    prompt = (await telegram.wait_for(GROUP, 2))[1]
    forged = {"message_id": 5, "from": {"id": 901, "is_bot": False, "first_name": "Sam"}, "entities": prompt.entities}
    await telegram.agent_says(GROUP, prompt.thread, "private!", reply_to_message=forged)
    await telegram.until(lambda: not telegram.pending)
    assert noting.events == []


@pytest.mark.parametrize(
    ("fields", "text", "words"),
    [
        ({"caption": "/r look", "document": {"file_id": "BQAC", "file_unique_id": "u"}}, "", "Only text can be sent"),
        ({}, "/r", "Write a reply first."),
    ],
)
async def test_what_cannot_be_sent_is_said(
    fields: dict[str, Any],
    text: str,
    words: str,
    telegram: TelegramServer,
    desk: TelegramAgents,
    noting: Noting,
) -> None:
    """A file, or nothing at all, with /r: the topic says why nothing happened."""
    await telegram.agent_says(GROUP, thread_of(telegram), text, **fields)
    answer = (await telegram.wait_for(GROUP, 2))[1]
    assert words in answer.text
    assert answer.thread == thread_of(telegram)
    assert noting.events == []


async def test_a_room_that_is_over_says_so(
    telegram: TelegramServer, desk: TelegramAgents, noting: Noting, rooms: dict[str, RoomView]
) -> None:
    """An old card's button, a command there, and a command beside all topics change nothing."""
    (card,) = telegram.sent(GROUP)
    rooms[str(thread_of(telegram))] = replace(VIEW, going_on=False)
    await telegram.agent_presses(GROUP, card, "agent:claim")
    await telegram.agent_says(GROUP, thread_of(telegram), "/r Hola")
    await telegram.agent_says(GROUP, None, "/claim")
    answers = (await telegram.wait_for(GROUP, 3))[1:]
    gone = "This conversation is no longer with the agents."
    assert [(answer.text, answer.thread) for answer in answers] == [(gone, thread_of(telegram)), (gone, None)]
    told = telegram.calls_of("answerCallbackQuery")
    assert [(call["text"], call["show_alert"]) for call in told] == [(gone, True)]
    assert noting.events == []


async def test_an_error_is_addressed_by_name(telegram: TelegramServer, desk: TelegramAgents, noting: Noting) -> None:
    """Who has done something is known by name afterwards."""
    await telegram.agent_says(GROUP, thread_of(telegram), "/claim")
    await noting.taken(1)
    await desk.note(Room(str(GROUP), str(thread_of(telegram))), Note("Sam has it", only_for="900"))
    assert telegram.sent(GROUP)[-1].text == "Bea: Sam has it"


async def test_a_group_that_moves_keeps_its_agents(
    telegram: TelegramServer, desk: TelegramAgents, noting: Noting, caplog: pytest.LogCaptureFixture
) -> None:
    """The core learns the new id for its rooms, the operator for config.yml."""
    await telegram.agent_says(GROUP, None, "", migrate_to_chat_id=-1009)
    (event,) = await noting.taken(1)
    assert (event.kind, event.address.chat, event.text) == (Kind.MOVED, str(GROUP), "-1009")
    assert desk.chat == "-1009"
    assert "set connectors.telegram.agents_chat to -1009" in caplog.text


async def test_customers_are_served_beside_the_agents(
    telegram: TelegramServer, desk: TelegramAgents, noting: Noting
) -> None:
    """Only the one group is the agents'; a private chat and another group are customers'."""
    await telegram.user_says(5512003344, "hello")
    await telegram.user_says(-44, "/help@linguadesk_bot")
    events = await noting.taken(2)
    assert [event.kind for event in events] == [Kind.MESSAGE, Kind.MESSAGE]
