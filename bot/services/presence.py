"""Who has a conversation open at the desk. Nobody is locked out by it: it only warns."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.storage import insert_ignore, now, signal
from bot.storage.models import Conversation, Presence

# So long somebody is believed to be there without another word from their page.
BELIEVED = timedelta(seconds=45)
# A page says it again when less than this is left.
RENEW = timedelta(seconds=25)


async def until(session: AsyncSession, conversation_id: int, user_id: int) -> datetime | None:
    """Until when somebody is believed to be in a conversation; None if they are not."""
    found: datetime | None = await session.scalar(
        select(Presence.until).where(Presence.conversation_id == conversation_id, Presence.user_id == user_id)
    )
    return found


async def touch(session: AsyncSession, conversation_id: int, user_id: int, writing: bool | None = None) -> bool:
    """Somebody has the conversation open. ``writing`` None leaves what was said of that.

    Returns:
        Whether there is such a conversation.
    """
    if await session.get(Conversation, conversation_id) is None:
        return False
    known = await session.get(Presence, (conversation_id, user_id))
    if known is None or known.until <= now() or (writing is not None and writing != known.writing):
        # Only what others would see is told them.
        signal(session, f"conversation:{conversation_id}")
    if known is None:
        await session.execute(
            insert_ignore(session, Presence).values(
                conversation_id=conversation_id, user_id=user_id, until=now() + BELIEVED, writing=bool(writing)
            )
        )
        return True
    values: dict[str, object] = {"until": now() + BELIEVED}
    if writing is not None:
        values["writing"] = writing
    await session.execute(
        update(Presence)
        .where(Presence.conversation_id == conversation_id, Presence.user_id == user_id)
        .values(**values)
        .execution_options(synchronize_session=False)
    )
    return True


async def leave(session: AsyncSession, conversation_id: int, user_id: int) -> None:
    """Somebody's page has gone; another page of theirs would say so again within seconds."""
    await session.execute(
        delete(Presence)
        .where(Presence.conversation_id == conversation_id, Presence.user_id == user_id)
        .execution_options(synchronize_session=False)
    )
    signal(session, f"conversation:{conversation_id}")
