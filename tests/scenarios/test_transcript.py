"""The customer gets the conversation as a file: theirs, whole, and nothing that was not theirs to see."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select, update

from bot import agents
from bot.app import App
from bot.contracts import Author
from bot.services import notes, privacy
from bot.services.handoff import HandoffError
from bot.services.transcripts import ISOLATE, RIGHT_TO_LEFT
from bot.storage.models import Conversation, FileStatus, Message, Outbox, OutboxStatus, StoredFile
from bot.storage.models import Customer as CustomerRow
from tests.conftest import StartDesk
from tests.customer import Agent, Customer, RestChannel


def written(desk: App) -> list[Path]:
    """The transcripts on disk, oldest first."""
    return sorted((desk.config.files_dir / "exports").glob("*.txt"), key=lambda path: path.stat().st_mtime_ns)


def page(desk: App) -> str:
    """What the newest transcript says."""
    return written(desk)[-1].read_text(encoding="utf-8")


async def hands_over(customer: Customer, agent: Agent, *, words: str = "I want to talk to a person") -> int:
    """The customer asks for a person, who answers and resolves; the conversation's id."""
    await customer.says(words)
    where = await agent.conversation(customer.channel.sender)
    await agent.replies(where, "Good day, I have found your parcel.\nIt arrives tomorrow.")
    await agent.resolves(where)
    return where


async def test_offered_after_a_hand_over(desk: App, customer: Customer, agent: Agent) -> None:
    """Pressed under the last words of the hand-over: a file with what was said, each by whom."""
    await hands_over(customer, agent)
    await customer.says("thank you")
    customer.sees("[Send me this chat]")
    await customer.presses("Send me this chat")
    customer.sees("Here is our conversation as a file.")
    lines = page(desk).splitlines()
    assert lines[0] == f"Conversation with {desk.config.settings.shop.name}"
    assert lines[1].startswith("Central European")
    assert any(line.endswith("You: I want to talk to a person") for line in lines)
    at = next(
        place for place, line in enumerate(lines) if line.endswith("Colleague: Good day, I have found your parcel.")
    )
    assert lines[at + 1] == "    It arrives tomorrow."
    assert any("Assistant: " in line for line in lines)
    assert "Sam" not in page(desk)
    assert stat.S_IMODE(written(desk)[-1].stat().st_mode) == 0o600


async def test_the_survey_goes_on(desk: App, customer: Customer, agent: Agent) -> None:
    """Asking for the file in between does not lose the question after it."""
    await hands_over(customer, agent)
    await customer.says("thank you")
    seen = list(customer.seen)
    await customer.presses("Send me this chat")
    customer.seen = seen
    await customer.says("5")
    customer.sees("Thank you")


async def test_only_this_conversation(desk: App, customer: Customer, agent: Agent) -> None:
    """Of the same verified customer's other chat, and of strangers, nothing is in it."""
    other = Customer(RestChannel(desk))
    for somebody in (customer, other):
        await somebody.says("where is order 100236? ana@example.com")
    await other.says("my secret is the blue elephant")
    await hands_over(customer, agent)
    await customer.says('/ticket_status{"ticket_number": "#transcript"}')
    assert "100236" in page(desk) and "elephant" not in page(desk)


async def test_what_is_never_in_it(desk: App, customer: Customer, agent: Agent) -> None:
    """No notes, no readings, nothing deleted, erased or undelivered; of a pressed button its title."""
    await customer.says("I want to cancel order 100234")
    await customer.says("a slip of the tongue")
    where = await agent.conversation(customer.channel.sender)
    async with desk.database.begin() as session:
        await session.execute(
            update(Message).where(Message.text == "a slip of the tongue").values(text="", change="deleted")
        )
    await customer.says("hello")
    await customer.presses("Talk to a person")
    async with desk.database.begin() as session:
        await notes.add(session, where, agent.user, "a difficult customer")
        lost = await agents.reply(
            session, desk.voice, where, agent.user, "never delivered", settings=desk.config.settings
        )
        (await session.get_one(Outbox, lost)).status = OutboxStatus.DEAD
        await agents.send_transcript(session, desk.voice, desk.config.files_dir, where, agent.user)
    text = page(desk)
    assert "You: Talk to a person" in text
    for never in ("slip", "difficult", "never delivered", "/talk_to_human", "talk_to_human", "confidence"):
        assert never not in text, never
    await customer.says("hm")
    customer.sees("Here is our conversation as a file.")


async def test_files_by_name(desk: App, customer: Customer, agent: Agent) -> None:
    """Files that came with a message stand in it by their names."""
    await customer.says("I want to talk to a person")
    where = await agent.conversation(customer.channel.sender)
    async with desk.database.begin() as session:
        message = await session.scalar(select(Message).where(Message.author == Author.CUSTOMER))
        assert message is not None
        session.add(
            StoredFile(
                conversation_id=where,
                message_id=message.id,
                kind="photo",
                ref="x",
                name="broken cup.jpg",
                mime="image/jpeg",
                status=FileStatus.STORED,
            )
        )
        await agents.send_transcript(session, desk.voice, desk.config.files_dir, where, agent.user)
    assert "    File: broken cup.jpg" in page(desk).splitlines()


async def at(desk: App, moment: datetime) -> None:
    """All was said at one moment."""
    async with desk.database.begin() as session:
        await session.execute(update(Message).values(created_at=moment))


@pytest.mark.parametrize(
    ("zone", "expected"), [("", ("1:30", "January 1")), ("America/New_York", ("7:30", "December 31"))]
)
async def test_by_the_customers_own_clock(
    desk: App, customer: Customer, agent: Agent, zone: str, expected: Sequence[str]
) -> None:
    """Where the customer's time zone is not known, by the shop's; day and zone are named."""
    await customer.says("where is order 100236? ana@example.com")
    where = await agent.conversation(customer.channel.sender)
    await at(desk, datetime(2026, 1, 1, 0, 30, tzinfo=UTC))
    async with desk.database.begin() as session:
        # Without a country that has but one zone.
        await session.execute(update(CustomerRow).values(timezone=zone, country="US"))
        await agents.send_transcript(session, desk.voice, desk.config.files_dir, where, agent.user)
    text = page(desk)
    assert all(words in text for words in expected), text
    assert ("Eastern" if zone else "Central European") in text.splitlines()[1]


@pytest.mark.parametrize(("language", "right"), [("ar", True), ("en", False)])
async def test_both_directions(desk: App, customer: Customer, agent: Agent, language: str, right: bool) -> None:
    """Arabic and English in one file: each text keeps its own direction, the page that of its language."""
    await customer.says("I want to talk to a person")
    where = await agent.conversation(customer.channel.sender)
    async with desk.database.begin() as session:
        await session.execute(update(Conversation).values(language=language))
    await customer.says("أين طلبي؟")
    async with desk.database.begin() as session:
        await agents.send_transcript(session, desk.voice, desk.config.files_dir, where, agent.user)
    lines = [line for line in page(desk).splitlines() if line]
    (arabic,) = [line for line in lines if "أين طلبي؟" in line]
    (english,) = [line for line in lines if "I want to talk to a person" in line]
    assert f"{ISOLATE}أين طلبي؟" in arabic
    assert (ISOLATE in english) is right
    assert all(line.startswith(RIGHT_TO_LEFT) is right for line in lines)


async def test_who_may_send_it(desk: App, customer: Customer, agent: Agent) -> None:
    """Not what a colleague has, not to somebody who has blocked the bot, not what does not exist."""
    await customer.says("I want to talk to a person")
    where = await agent.conversation(customer.channel.sender)
    files = desk.config.files_dir
    async with desk.database.begin() as session:
        await agents.claim(session, where, agent.user)
        colleague = type(agent.user)(username="kim", name="Kim", password_hash="")
        session.add(colleague)
        await session.flush()
        for number, user, reason in ((where, colleague, "taken"), (999, agent.user, "unknown")):
            with pytest.raises(HandoffError, match=reason):
                await agents.send_transcript(session, desk.voice, files, number, user)
        (await session.get_one(Conversation, where)).unreachable_at = datetime.now(UTC)
        with pytest.raises(HandoffError, match="unreachable"):
            await agents.send_transcript(session, desk.voice, files, where, agent.user)
    assert written(desk) == []


async def test_erased_on_request(desk: App, customer: Customer, agent: Agent) -> None:
    """When the customer's data is erased, the files go too; a later transcript has nothing of it."""
    where = await hands_over(customer, agent)
    await customer.says('/ticket_status{"ticket_number": "#transcript"}')
    assert len(written(desk)) == 1
    async with desk.database.begin() as session:
        conversation = await session.get_one(Conversation, where)
        await privacy.erase(session, conversation, desk.config.files_dir)
    assert written(desk) == []
    await customer.says('/ticket_status{"ticket_number": "#transcript"}')
    assert "parcel" not in page(desk) and privacy.ERASED not in page(desk)


async def test_in_the_customers_language(start_desk: StartDesk, desk: App, customer: Customer, agent: Agent) -> None:
    """The words around what was said are in the language of the conversation."""
    await customer.says("Ich möchte mit einem Menschen sprechen")
    where = await agent.conversation(customer.channel.sender)
    await agent.resolves(where)
    await customer.says("Danke")
    title = desk.voice.texts.text("utter_transcript_button", "de")
    await customer.presses(title)
    assert page(desk).startswith(desk.voice.texts.text("utter_transcript_title", "de"))
    assert f"{desk.voice.texts.text('utter_transcript_you', 'de')}: Ich möchte" in page(desk)
