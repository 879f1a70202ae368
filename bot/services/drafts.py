"""What a user of the desk has begun to write: kept until it is sent, on whatever machine."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.storage import clean, insert_ignore, now
from bot.storage.models import Draft

MAX_DRAFT = 20_000


def places(conversation_id: int) -> tuple[str, str]:
    """Where one writes in a conversation: to the customer, and a note."""
    page = f"/desk/conversations/{conversation_id}"
    return page, f"{page}/note"


def ticket_place(ticket_id: int) -> str:
    """Where one writes a note to a ticket."""
    return f"/desk/tickets/{ticket_id}/note"


async def keep(session: AsyncSession, user_id: int, place: str, text: str) -> None:
    """Keep what was typed at a place; no words at all: forget it. What is too long is cut."""
    text = clean(text)[:MAX_DRAFT]
    if not text.strip():
        await drop(session, user_id, place)
        return
    values = {"text": text, "updated_at": now()}
    await session.execute(insert_ignore(session, Draft).values(user_id=user_id, place=place, **values))
    await session.execute(
        update(Draft)
        .where(Draft.user_id == user_id, Draft.place == place)
        .values(**values)
        .execution_options(synchronize_session=False)
    )


async def drop(session: AsyncSession, user_id: int, place: str) -> None:
    """Forget a draft: it was sent, or given up."""
    await session.execute(
        delete(Draft).where(Draft.user_id == user_id, Draft.place == place).execution_options(synchronize_session=False)
    )


async def of(session: AsyncSession, user_id: int, where: Iterable[str]) -> dict[str, str]:
    """The drafts of a user by place, where there are any."""
    rows = await session.execute(
        select(Draft.place, Draft.text).where(Draft.user_id == user_id, Draft.place.in_(list(where)))
    )
    return {row.place: row.text for row in rows}
