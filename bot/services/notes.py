"""Internal notes in a conversation: for those at the desk, never sent to the customer."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from bot.services.handoff import HandoffError
from bot.storage import clean, signal
from bot.storage.models import Conversation, ConversationNote, User

MAX_NOTE = 10_000


async def add(session: AsyncSession, conversation_id: int, agent: User, text: str) -> ConversationNote:
    """Write a note into a conversation, whoever has it.

    Raises:
        HandoffError: ``unknown`` conversation, ``empty`` or ``too_long`` text.
    """
    text = clean(text).strip()
    if not text:
        raise HandoffError("empty")
    if len(text) > MAX_NOTE:
        raise HandoffError("too_long")
    if await session.get(Conversation, conversation_id) is None:
        raise HandoffError("unknown")
    note = ConversationNote(conversation_id=conversation_id, agent_id=agent.id, text=text)
    session.add(note)
    await session.flush()
    signal(session, f"conversation:{conversation_id}")
    return note
