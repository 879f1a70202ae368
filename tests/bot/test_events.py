"""Events that are no message, and messages that come in pieces: edits, albums, reactions, blocks, moves."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pytest
from sqlalchemy import func, select

from bot import agents
from bot.app import App
from bot.contracts import Address, Attachment, Author, Inbound, Kind, Owner, Parse, Recognizer
from bot.inbox import Acceptor
from bot.services import users
from bot.services.handoff import HandoffError
from bot.storage.models import Conversation, Inbox, InboxStatus, Message, Outbox, OutboxStatus, Role, StoredFile, Ticket
from tests.conftest import StartDesk
from tests.customer import eventually

_numbers = itertools.count(1)


@dataclass
class Chat:
    """A customer whose platform says everything that a platform can say."""

    app: App
    address: Address = field(default_factory=lambda: Address("rest", "c1", "u1"))

    def event(self, text: str = "", **fields: Any) -> Inbound:
        """An event of this customer."""
        return Inbound(f"e{next(_numbers)}", self.address, text, locale="en", **fields)

    async def sends(self, *events: Inbound) -> None:
        """Commit events together, and wait until they are handled."""
        await Acceptor(self.app.database)(events)
        await eventually(self.quiet)

    async def quiet(self) -> bool:
        """Whether everything is handled and sent."""
        async with self.app.database.read() as session:
            waiting = await session.scalar(select(func.count()).where(Inbox.status == InboxStatus.PENDING))
            leaving = await session.scalar(
                select(func.count()).where(Outbox.status.in_((OutboxStatus.PENDING, OutboxStatus.SENDING)))
            )
        return not waiting and not leaving

    async def transcript(self) -> list[tuple[str, str, str]]:
        """Who said what, and what became of it."""
        async with self.app.database.read() as session:
            rows = await session.scalars(select(Message).order_by(Message.id))
            return [(row.author.value, row.text, row.change) for row in rows]

    async def answers(self) -> list[str]:
        """What the bot has said."""
        return [text for author, text, _ in await self.transcript() if author != "customer"]

    async def talk(self) -> Conversation:
        """The conversation's row."""
        async with self.app.database.read() as session:
            return (await session.scalars(select(Conversation))).one()


@pytest.fixture
async def chat(start_desk: StartDesk) -> Chat:
    """A customer of a running desk."""
    return Chat(await start_desk(only=frozenset({"rest"})))


async def test_an_edit_of_a_message_that_waits_replaces_it(chat: Chat) -> None:
    """Only the corrected words are read and answered, once."""
    await chat.sends(
        chat.event("where is my order 100234", message_id="7"),
        chat.event("what are your opening hours?", message_id="7", kind=Kind.EDIT),
    )
    said = await chat.transcript()
    assert [text for author, text, _ in said if author == "customer"] == ["what are your opening hours?"]
    assert len(await chat.answers()) == 1


async def test_an_edit_of_an_answered_message_changes_the_transcript_only(chat: Chat) -> None:
    """No second answer; agents read the words as they are now."""
    await chat.sends(chat.event("hello", message_id="7"))
    before = await chat.answers()
    await chat.sends(chat.event("hello there", message_id="7", kind=Kind.EDIT))
    assert ("customer", "hello there", "edited") in await chat.transcript()
    assert await chat.answers() == before


async def test_the_same_edit_twice_is_one(chat: Chat) -> None:
    """A repeated delivery of an edit changes nothing."""
    edit = chat.event("hello there", message_id="7", kind=Kind.EDIT)
    await chat.sends(chat.event("hello", message_id="7"), edit, edit)
    async with chat.app.database.read() as session:
        assert await session.scalar(select(func.count()).select_from(Inbox)) == 2


async def test_a_message_taken_back_is_not_answered(chat: Chat) -> None:
    """Before it was read it leaves no trace; afterwards its words go."""
    await chat.sends(chat.event("hello", message_id="7"), chat.event(message_id="7", kind=Kind.DELETION))
    assert await chat.transcript() == []
    await chat.sends(chat.event("my secret", message_id="8"))
    await chat.sends(chat.event(message_id="8", kind=Kind.DELETION))
    assert ("customer", "", "deleted") in await chat.transcript()
    assert "my secret" not in str(await chat.transcript())


async def test_an_edit_of_a_message_that_never_came_is_a_message(chat: Chat) -> None:
    """Who mentions the bot only by an edit is answered all the same."""
    await chat.sends(chat.event("are you a robot?", message_id="1", kind=Kind.EDIT))
    assert "automatic assistant" in (await chat.answers())[0]


async def test_an_event_about_a_chat_that_nobody_knows_makes_nothing(chat: Chat) -> None:
    """No conversation comes from an event that is about one."""
    for kind in (Kind.DELETION, Kind.REACTION, Kind.BLOCKED, Kind.UNBLOCKED):
        assert await Acceptor(chat.app.database)([chat.event("x", message_id="1", kind=kind)]) == [None]
    async with chat.app.database.read() as session:
        assert await session.scalar(select(func.count()).select_from(Conversation)) == 0


def photo(number: int) -> Attachment:
    """A photo that is here already."""
    return Attachment("photo", f"file:attachments/{number}.jpg", f"{number}.jpg", "image/jpeg", 10)


async def test_an_album_is_one_message(chat: Chat) -> None:
    """Three photos that come one after the other with one caption: one message, one answer, three files."""
    pieces = [
        chat.event("my order arrived broken" if n == 0 else "", group="g1", attachments=(photo(n),)) for n in range(3)
    ]
    accept = Acceptor(chat.app.database)
    for piece in pieces:
        await accept([piece])
    await eventually(chat.quiet)
    said = await chat.transcript()
    assert [author for author, _, _ in said].count("customer") == 1
    async with chat.app.database.read() as session:
        files = (await session.scalars(select(StoredFile))).all()
    assert sorted(item.name for item in files) == ["0.jpg", "1.jpg", "2.jpg"]
    assert len({item.message_id for item in files}) == 1


async def test_a_late_piece_of_an_album_is_kept_and_not_answered_again(chat: Chat) -> None:
    """The photo that comes after the answer lands on the ticket without a word."""
    await chat.sends(chat.event("the cup arrived broken", group="g1", attachments=(photo(1),)))
    before = await chat.answers()
    await chat.sends(chat.event(group="g1", attachments=(photo(2),)))
    assert await chat.answers() == before
    async with chat.app.database.read() as session:
        assert await session.scalar(select(func.count()).select_from(StoredFile)) == 2


async def test_a_form_opens_a_ticket_at_once(chat: Chat) -> None:
    """All fields of the complaint form are taken as they are, long text included."""
    story = "The lid is cracked. " * 80
    fields = {"complaint_type": "damaged", "order_number": "", "description": story, "photo": ""}
    await chat.sends(chat.event(story, payload="/open_complaint", slots=fields))
    async with chat.app.database.read() as session:
        ticket = (await session.scalars(select(Ticket))).one()
    assert (ticket.type.value, ticket.description) == ("damaged", story)
    assert ticket.number in " ".join(await chat.answers())


async def test_a_form_takes_no_fields_that_are_not_its_own(chat: Chat) -> None:
    """A forged field cannot pretend that a contact was proved."""
    fields = {"complaint_type": "damaged", "order_number": "", "photo": "", "description": "x", "remembered": "yes"}
    await chat.sends(chat.event("x", payload="/open_complaint", slots=fields))
    talk = await chat.talk()
    assert "remembered" not in str(talk.state)


async def test_a_reaction_is_noted_and_not_answered(chat: Chat) -> None:
    """A thumb is no question."""
    await chat.sends(chat.event("hello", message_id="7"))
    before = await chat.answers()
    await chat.sends(chat.event("👍", message_id="8", kind=Kind.REACTION))
    assert ("customer", "👍", "") in await chat.transcript()
    assert await chat.answers() == before


async def test_a_voice_message_gets_a_kind_word_and_is_kept(chat: Chat) -> None:
    """What cannot be heard is said to be so, and agents can listen to it."""
    voice = Attachment("voice", "file:attachments/v.ogg", "voice.ogg", "audio/ogg", 10)
    await chat.sends(chat.event(attachments=(voice,)))
    assert "voice messages" in (await chat.answers())[0]
    async with chat.app.database.read() as session:
        assert await session.scalar(select(func.count()).select_from(StoredFile)) == 1


async def test_a_location_is_shown_and_words_are_asked_for(chat: Chat) -> None:
    """Agents see where; the customer is asked what they want."""
    await chat.sends(chat.event(shown="📍 52.3700, 4.8900"))
    assert ("customer", "📍 52.3700, 4.8900", "") in await chat.transcript()
    assert "location" in (await chat.answers())[0]


async def test_a_block_stops_everything_and_a_message_lets_it_go_on(chat: Chat) -> None:
    """Nothing leaves for someone who shut the bot out, an agent is told at once, and writing ends it."""
    await chat.sends(chat.event("I want to talk to a person"))
    talk = await chat.talk()
    await chat.sends(chat.event(kind=Kind.BLOCKED))
    async with chat.app.database.begin() as session:
        sam = await users.add(session, "sam", "Sam", "a long password", Role.AGENT)
        with pytest.raises(HandoffError, match="unreachable"):
            await agents.reply(session, chat.app.voice, talk.id, sam, "hello?", settings=chat.app.config.settings)
        found = await session.get_one(Conversation, talk.id)
        await agents.resolve(session, chat.app.voice, talk.id, sam, chat.app.config.settings.surveys)
        assert found.owner is Owner.BOT
    async with chat.app.database.read() as session:
        last = (await session.scalars(select(Outbox).order_by(Outbox.id.desc()).limit(1))).one()
        assert last.status is OutboxStatus.DEAD and "blocked" in last.error
    await chat.sends(chat.event("hello again"))
    assert (await chat.talk()).unreachable_at is None
    async with chat.app.database.read() as session:
        last = (await session.scalars(select(Outbox).order_by(Outbox.id.desc()).limit(1))).one()
        assert last.status is OutboxStatus.SENT


async def test_an_unblock_ends_it_too(chat: Chat) -> None:
    """A customer who lets the bot in again is reachable."""
    await chat.sends(chat.event("hello"))
    await chat.sends(chat.event(kind=Kind.BLOCKED))
    assert (await chat.talk()).unreachable_at is not None
    await chat.sends(chat.event(kind=Kind.UNBLOCKED))
    assert (await chat.talk()).unreachable_at is None


async def test_a_chat_that_moves_keeps_its_conversations(chat: Chat) -> None:
    """A group that becomes a supergroup has another id and the same memory."""
    await chat.sends(chat.event("hello"))
    before = await chat.talk()
    await chat.sends(chat.event("c2", kind=Kind.MOVED))
    chat.address = Address("rest", "c2", "u1")
    await chat.sends(chat.event("hello again"))
    after = await chat.talk()
    assert (after.id, after.chat) == (before.id, "c2")


async def test_a_bot_that_joins_a_group_introduces_itself_once(chat: Chat) -> None:
    """One greeting that says when it answers."""
    await chat.sends(chat.event(kind=Kind.JOINED))
    (hello,) = await chat.answers()
    assert "mentioned" in hello
    async with chat.app.database.read() as session:
        assert (await session.scalars(select(Message.author))).all() == [Author.NOTICE]


class Counting:
    """The recogniser, which counts what it is asked, and fails as often as told."""

    def __init__(self, recognizer: Recognizer) -> None:
        self._recognizer = recognizer
        self.asked: list[str] = []
        self.failures = 0

    async def parse(self, text: str, *, language: str = "", today: date | None = None) -> Parse:
        """Understand, or fail."""
        self.asked.append(text)
        if self.failures:
            self.failures -= 1
            raise RuntimeError("out of order")
        return await self._recognizer.parse(text, language=language, today=today)


async def accepted(chat: Chat, monkeypatch: pytest.MonkeyPatch, failures: int) -> list[str]:
    """What the recogniser is asked for one message that comes in as connectors bring it."""
    counting = Counting(chat.app.recognizer)
    counting.failures = failures
    monkeypatch.setattr(chat.app.engine._listener, "_recognizer", counting)
    accept = Acceptor(chat.app.database, chat.app.engine.anticipate)
    event = chat.event("are you a robot?")
    await accept([event])
    await eventually(chat.quiet)
    assert await accept([event]) == [None]
    return counting.asked


async def test_a_message_is_understood_while_it_is_committed(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is read once for its one answer; a repeat that is known already is read in vain and does no harm."""
    assert await accepted(chat, monkeypatch, 0) == ["are you a robot?"] * 2
    assert len(await chat.answers()) == 1


async def test_a_failure_before_the_commit_is_no_failure(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was begun early and failed is tried again in its own time, without counting as a try."""
    assert (await accepted(chat, monkeypatch, 1))[:2] == ["are you a robot?"] * 2
    async with chat.app.database.read() as session:
        assert (await session.scalars(select(Inbox.attempts))).one() == 0
    assert "automatic assistant" in (await chat.answers())[0]
