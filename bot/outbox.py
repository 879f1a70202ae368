"""The outbox: what is to be sent, committed together with what caused it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from typing import Any

from sqlalchemy import exists, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.contracts import Address, Author, Media, OutButton, Outgoing, Reply
from bot.services import rooms, surveys
from bot.services.privacy import ERASED
from bot.services.survey_rules import STALE
from bot.state import State
from bot.storage import now, signal
from bot.storage.models import Conversation, Message, Outbox, OutboxStatus, Survey, SurveyStatus
from bot.texts import Rendered, Texts

TOPIC = "outbox"
UNREACHABLE = "the customer has blocked the bot"


# Built once: building a statement takes longer than SQLite takes to carry it out.
_QUEUE = insert(Outbox).returning(Outbox.id)
_SAY = insert(Message)


def body(rendered: Rendered) -> dict[str, Any]:
    """A rendered reply as it is stored."""
    return {
        "text": rendered.text,
        "language": rendered.language,
        "buttons": [asdict(button) for button in rendered.buttons],
        "media": [asdict(media) for media in rendered.media],
        "quick_replies": [asdict(button) for button in rendered.quick_replies],
        "asks": rendered.asks,
    }


def outgoing(row: Any, address: Address) -> Outgoing:
    """The message of an outbox row, as a connector takes it."""
    stored = row.body
    return Outgoing(
        id=row.id,
        address=address,
        text=stored["text"],
        language=stored["language"],
        author=row.author,
        buttons=tuple(OutButton(**item) for item in stored["buttons"]),
        media=tuple(Media(**item) for item in stored["media"]),
        quick_replies=tuple(OutButton(**item) for item in stored["quick_replies"]),
        asks=stored.get("asks", ""),
        reply_to=stored.get("reply_to", ""),
    )


async def post(
    session: AsyncSession,
    conversation: Conversation,
    messages: Sequence[Rendered],
    author: Author,
    *,
    inbox_id: int | None = None,
    agent_id: int | None = None,
    transcript: Sequence[dict[str, Any]] = (),
    reply_to: str = "",
) -> list[int]:
    """Queue messages for a conversation, in order, and write them into its transcript.

    To a customer who has shut the bot out nothing is sent: the messages are dead letters at once.

    Args:
        session: the transaction that everything is committed with.
        conversation: where to.
        messages: what to say.
        author: who says it.
        inbox_id: the event that this answers.
        agent_id: the agent who wrote it.
        transcript: further rows of :class:`Message` to write before these.
        reply_to: the platform's id of the customer's message that the first one answers.

    Returns:
        The outbox ids.
    """
    moment = now()
    connection = await session.connection()
    common = {"conversation_id": conversation.id, "author": author, "created_at": moment}
    ids: list[int] = []
    if messages:
        rows: list[dict[str, Any]] = [
            common | {"inbox_id": inbox_id, "channel": conversation.channel, "body": body(message), "due_at": moment}
            for message in messages
        ]
        if reply_to:
            rows[0]["body"]["reply_to"] = reply_to
        if conversation.unreachable_at is not None:
            rows = [row | {"status": OutboxStatus.DEAD, "error": UNREACHABLE} for row in rows]
        ids = [(await connection.execute(_QUEUE, row)).scalar_one() for row in rows]
    said = [
        common
        | {
            "agent_id": agent_id,
            "text": message.text,
            "language": message.language,
            "parse": None,
            "inbox_id": None,
            "outbox_id": outbox_id,
        }
        for message, outbox_id in zip(messages, ids, strict=True)
    ]
    if lines := [*transcript, *said]:
        await connection.execute(_SAY, lines)
    conversation.updated_at = moment
    signal(session, TOPIC, f"conversation:{conversation.id}", "desk")
    return ids


async def shut_out(session: AsyncSession, conversation: Conversation) -> None:
    """The customer has blocked the bot: nothing more leaves, and the agents are told."""
    conversation.unreachable_at = now()
    await session.execute(
        update(Outbox)
        .where(Outbox.conversation_id == conversation.id, Outbox.status == OutboxStatus.PENDING)
        .values(status=OutboxStatus.DEAD, error=UNREACHABLE)
        .execution_options(synchronize_session=False)
    )
    await lost_surveys(session, conversation)
    await rooms.tell(session, conversation.id, "room.unreachable")


async def lost_surveys(session: AsyncSession, conversation: Conversation) -> None:
    """Messages of a conversation, which is locked, were given up: what they would have asked is not open any more."""
    ids = {str(survey) for survey in await surveys.undelivered(session, conversation)}
    state = State.from_json(conversation.state)
    if ids and state.task is not None and state.task.slots.get("survey") in ids:
        conversation.state = replace(state, task=None, buttons=()).to_json()


async def dead_letters(session: AsyncSession, limit: int = 100) -> list[dict[str, Any]]:
    """Messages that were given up, newest first, with the reason; no customer text."""
    rows = await session.execute(
        select(Outbox, Conversation)
        .join(Conversation, Conversation.id == Outbox.conversation_id)
        .where(Outbox.status == OutboxStatus.DEAD)
        .order_by(Outbox.id.desc())
        .limit(limit)
    )
    return [
        {
            "id": row.id,
            "channel": row.channel,
            "conversation": row.conversation_id,
            "attempts": row.attempts,
            "created_at": row.created_at.isoformat(timespec="seconds"),
            "error": row.error,
        }
        for row, _conversation in rows
    ]


async def retry(session: AsyncSession, ids: Iterable[int] | None = None) -> int:
    """Put dead letters back into the queue, all of them or these; how many there were.

    Those whose words were erased at the customer's request stay as they are, and so do questions of surveys in
    whose place others were asked.
    """
    replaced = exists().where(
        Survey.outbox_id == Outbox.id, Survey.status == SurveyStatus.CANCELLED, Survey.reason == STALE
    )
    statement = (
        update(Outbox)
        .where(Outbox.status == OutboxStatus.DEAD, Outbox.body["text"].as_string() != ERASED, ~replaced)
        .values(status=OutboxStatus.PENDING, attempts=0, due_at=now())
        .execution_options(synchronize_session=False)
    )
    if ids is not None:
        statement = statement.where(Outbox.id.in_(list(ids)))
    result: Any = await session.execute(statement)
    signal(session, TOPIC)
    return int(result.rowcount)


class Voice:
    """Says text keys in a conversation's language, through the outbox."""

    def __init__(self, texts: Texts) -> None:
        self.texts = texts

    def language(self, conversation: Conversation) -> str:
        """The conversation's language, or the merchant's default."""
        known = conversation.language
        return known if known in self.texts.languages else self.texts.default_language

    async def say(
        self,
        session: AsyncSession,
        conversation: Conversation,
        *replies: Reply,
        author: Author = Author.NOTICE,
        agent_id: int | None = None,
    ) -> list[int]:
        """Render replies and queue them."""
        language = self.language(conversation)
        rendered = [self.texts.render(reply, language) for reply in replies]
        return await post(session, conversation, rendered, author, agent_id=agent_id)
