"""Internal notes in a conversation: for agents, at the desk and in their rooms; never sent to the customer."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from bot.services import rooms
from bot.services.handoff import HandoffError
from bot.storage import clean, signal
from bot.storage.models import Conversation, ConversationNote, User

MAX_NOTE = 10_000
# As much of it as fits into one message of any platform is shown in a room; the rest stands at the desk.
MAX_IN_ROOM = 1500


async def add(session: AsyncSession, conversation_id: int, agent: User, text: str) -> ConversationNote:
    """Write a note into a conversation, whoever has it; colleagues in its rooms on the platforms see it too.

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
    shown = text if len(text) <= MAX_IN_ROOM else text[: MAX_IN_ROOM - 1].rstrip() + "…"
    await rooms.tell(session, conversation_id, "room.note", {"agent": agent.name, "text": shown})
    return note
