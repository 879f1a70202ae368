"""Files in a conversation that did not come from the customer."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.contracts import Media
from bot.storage import clean
from bot.storage.models import FileStatus, Message, StoredFile

# What ``ref`` says of a file that an agent has sent.
SENT = "sent"


def kind_of(mime: str) -> str:
    """What a file of this type is called where the platforms tell kinds apart."""
    family = mime.partition("/")[0]
    return {"image": "photo", "audio": "audio", "video": "video"}.get(family, "document")


async def keep(session: AsyncSession, conversation_id: int, outbox_id: int, media: Sequence[Media]) -> None:
    """Record files with the message that they left with, so that they are shown with it and erased with the rest.

    Args:
        session: the transaction that the message is queued in.
        conversation_id: where it was said.
        outbox_id: the message on its way.
        media: the files, stored below the files' folder already.
    """
    message_id = await session.scalar(select(Message.id).where(Message.outbox_id == outbox_id))
    for item in media:
        session.add(
            StoredFile(
                conversation_id=conversation_id,
                message_id=message_id,
                kind=kind_of(item.mime),
                ref=SENT,
                name=clean(item.name)[:200],
                mime=item.mime[:120],
                path=item.path,
                status=FileStatus.STORED,
            )
        )
    await session.flush()
