"""Files that come with a message."""

from __future__ import annotations

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from bot.contracts import Inbound
from bot.services import timers
from bot.storage import now
from bot.storage.models import Conversation, FileStatus, Message, StoredFile

FETCH_FILE = "fetch_file"


async def keep(
    session: AsyncSession, conversation: Conversation, event: Inbound, said: dict[str, Any]
) -> list[StoredFile]:
    """Remember the files of a message; those still on the platform are fetched by a timer."""
    kept = []
    message = Message(**said)
    session.add(message)
    await session.flush()
    for item in event.attachments:
        stored = item.ref.startswith("file:")
        file = StoredFile(
            conversation_id=conversation.id,
            message_id=message.id,
            kind=item.kind[:24],
            ref=item.ref,
            name=item.name[:200],
            mime=item.mime[:120],
            size=item.size,
            path=item.ref.removeprefix("file:") if stored else "",
            status=FileStatus.STORED if stored else FileStatus.REMOTE,
        )
        session.add(file)
        await session.flush()
        kept.append(file)
        if not stored:
            await timers.schedule(session, FETCH_FILE, now(), {"file": file.id}, key=f"{FETCH_FILE}:{file.id}")
    return kept
