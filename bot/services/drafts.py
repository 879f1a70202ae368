"""What a user of the desk has begun to write: kept until it is sent, on whatever machine, and sent once.

Each piece of writing has a name of its own, which its page gives it and which comes with its drafts and with the
form that sends it. So a draft that was still on its way when its piece was sent is known to be late, and a form
that comes again, because the answer to it was lost, is known to be a repeat.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.storage import clean, insert_ignore, now
from bot.storage.models import Draft, Piece

MAX_DRAFT = 20_000
# So long a repeat is known as one.
KNOWN = timedelta(hours=24)


class Fate(StrEnum):
    """What has become of a draft."""

    KEPT = "kept"
    SENT = "sent"
    """Exactly this has been sent meanwhile; nothing is kept."""
    LATE = "late"
    """Its piece has been sent meanwhile, with other words; nothing is kept."""


@dataclass(frozen=True, slots=True)
class Writing:
    """What stands in a field, and the name of that piece of writing."""

    text: str = ""
    piece: str = field(default_factory=lambda: secrets.token_urlsafe(12))


def places(conversation_id: int) -> tuple[str, str]:
    """Where one writes in a conversation: to the customer, and a note."""
    page = f"/desk/conversations/{conversation_id}"
    return page, f"{page}/note"


def ticket_place(ticket_id: int) -> str:
    """Where one writes a note to a ticket."""
    return f"/desk/tickets/{ticket_id}/note"


def content_of(text: str, *file: bytes) -> str:
    """A digest of what is sent, by which a repeat is told from other words; its first half is the text's alone."""
    parts = hashlib.sha256()
    for part in file:
        parts.update(len(part).to_bytes(8, "big") + part)
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:32] + parts.hexdigest()[:32]


async def _held(session: AsyncSession, user_id: int, piece: str) -> Piece:
    """The piece, which others wait for until this transaction ends."""
    key = {"user_id": user_id, "piece": clean(piece)[:64]}
    await session.execute(insert_ignore(session, Piece).values(**key))
    return (await session.scalars(select(Piece).filter_by(**key).with_for_update())).one()


async def keep(session: AsyncSession, user_id: int, place: str, text: str, piece: str = "") -> Fate:
    """Keep what was typed at a place; no words at all: forget it. What is too long is cut.

    ``piece`` is the name of what is being written; once that is sent, no draft of it is kept.
    """
    if piece and (sent := (await _held(session, user_id, piece)).content):
        return Fate.SENT if sent[:32] == content_of(text)[:32] else Fate.LATE
    text = clean(text)[:MAX_DRAFT]
    if not text.strip():
        await drop(session, user_id, place)
        return Fate.KEPT
    values = {"text": text, "piece": clean(piece)[:64], "updated_at": now()}
    await session.execute(insert_ignore(session, Draft).values(user_id=user_id, place=place, **values))
    await session.execute(
        update(Draft)
        .where(Draft.user_id == user_id, Draft.place == place)
        .values(**values)
        .execution_options(synchronize_session=False)
    )
    return Fate.KEPT


async def begin(session: AsyncSession, user_id: int, piece: str, content: str) -> bool:
    """Note a piece as sent, in the transaction that sends it and before anything else; :func:`drop` its draft last.

    Args:
        session: the transaction; of two with the same piece the second waits for the first.
        user_id: who sends it.
        piece: its name; of what has none nothing is known to be a repeat.
        content: what is sent, see :func:`content_of`.

    Returns:
        Whether it is to be sent; False where this piece was sent with the same content, which is known for
        :data:`KNOWN` at least, see :func:`bot.services.retention.tidy`.
    """
    if not piece:
        return True
    row = await _held(session, user_id, piece)
    if row.content == content:
        return False
    row.content, row.at = content, now()
    return True


async def drop(session: AsyncSession, user_id: int, place: str, piece: str = "") -> None:
    """Forget a draft: it was sent, or given up. One of another piece than ``piece``, if that is given, stays."""
    gone = delete(Draft).where(Draft.user_id == user_id, Draft.place == place)
    if piece:
        gone = gone.where(Draft.piece.in_(["", clean(piece)[:64]]))
    await session.execute(gone.execution_options(synchronize_session=False))


async def of(session: AsyncSession, user_id: int, where: Iterable[str]) -> dict[str, Writing]:
    """What a user has begun to write at each of these places; where that is nothing, a new piece without words."""
    asked = list(where)
    rows = await session.execute(
        select(Draft.place, Draft.text, Draft.piece).where(Draft.user_id == user_id, Draft.place.in_(asked))
    )
    kept = {row.place: Writing(row.text, row.piece) if row.piece else Writing(row.text) for row in rows}
    return {place: kept.get(place) or Writing() for place in asked}
