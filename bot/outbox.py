"""The outbox: what is to be sent, committed together with what caused it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.contracts import Address, Author, Media, OutButton, Outgoing, Reply
from bot.storage import now, signal
from bot.storage.models import Conversation, Message, Outbox
from bot.texts import Rendered, Texts

TOPIC = "outbox"


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
) -> list[int]:
    """Queue messages for a conversation, in order, and write them into its transcript.

    Args:
        session: the transaction that everything is committed with.
        conversation: where to.
        messages: what to say.
        author: who says it.
        inbox_id: the event that this answers.
        agent_id: the agent who wrote it.
        transcript: further rows of :class:`Message` to write before these.

    Returns:
        The outbox ids.
    """
    moment = now()
    connection = await session.connection()
    common = {"conversation_id": conversation.id, "author": author, "created_at": moment}
    ids: list[int] = []
    if messages:
        rows = [
            common | {"inbox_id": inbox_id, "channel": conversation.channel, "body": body(message), "due_at": moment}
            for message in messages
        ]
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
    if rows := [*transcript, *said]:
        await connection.execute(_SAY, rows)
    conversation.updated_at = moment
    signal(session, TOPIC, f"conversation:{conversation.id}", "desk")
    return ids


async def last_outbox_id(session: AsyncSession, conversation_id: int) -> int:
    """The id of the newest message queued for a conversation, 0 if there is none."""
    found = await session.scalar(
        select(Outbox.id).where(Outbox.conversation_id == conversation_id).order_by(Outbox.id.desc()).limit(1)
    )
    return found or 0


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
