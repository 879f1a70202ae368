"""Repeats of calls to the API: what a call with an ``Idempotency-Key`` has made is made once."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from datetime import timedelta

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.contracts import LinguadeskError
from bot.storage import insert_ignore, now
from bot.storage.models import ApiCall

# So long a repeat is known as one.
KEEP = timedelta(hours=24)


class KeyReused(LinguadeskError):
    """The key came with another request before."""


def _digest(*parts: bytes) -> str:
    found = hashlib.sha256()
    for part in parts:
        found.update(len(part).to_bytes(8, "big") + part)
    return found.hexdigest()


async def once(
    session: AsyncSession, token_id: int, key: str, request: tuple[bytes, ...], work: Callable[[], Awaitable[int]]
) -> tuple[int, bool]:
    """Do ``work`` unless a call with this key has done it within a day.

    What was made is committed together with the note of it, so that neither is there without the other;
    of two calls at once the second waits for the first.

    Args:
        session: the transaction.
        token_id: who calls; each has keys of its own.
        key: the caller's.
        request: what is asked for: method, path, body.
        work: makes something; its id.

    Returns:
        The id of what was made, and whether that was done before.

    Raises:
        KeyReused: the key belongs to another request.
    """
    await session.execute(delete(ApiCall).where(ApiCall.at < now() - KEEP))
    known, asked = _digest(key.encode("utf-8", "replace")), _digest(*request)
    values = {"token_id": token_id, "key": known, "request": asked}
    await session.execute(insert_ignore(session, ApiCall).values(**values))
    row = (
        await session.scalars(
            select(ApiCall).where(ApiCall.token_id == token_id, ApiCall.key == known).with_for_update()
        )
    ).one()
    if row.request != asked:
        raise KeyReused("this Idempotency-Key came with another request before")
    if row.result is not None:
        return row.result, True
    row.result = await work()
    return row.result, False
