"""Keys of the JSON API. A key is shown once; only its digest is kept."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.contracts import LinguadeskError
from bot.storage import now
from bot.storage.models import ApiToken

PREFIX = "ldk_"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}")
# What a key may do. None includes another: whoever may write tickets may not for that read them.
SCOPES: Mapping[str, str] = {
    "tickets:read": "read tickets",
    "tickets:write": "open and change tickets, in the name of an agent",
    "conversations:read": "read conversations and what was said in them",
    "conversations:write": "answer customers, claim and end hand-overs, in the name of an agent",
    "customers:read": "read customers, their orders, and all that is kept about them",
    "customers:write": "add, change and erase customers",
    "surveys:read": "read the answers to surveys",
}
# The last use is written down at most so often.
USE_EVERY = timedelta(minutes=1)


class TokenError(LinguadeskError):
    """A key cannot be made or revoked; the text says why."""


def digest(token: str) -> str:
    """What is kept of a key. It is long and random, so that a plain hash cannot be guessed backwards."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


async def add(session: AsyncSession, name: str, scopes: Sequence[str]) -> str:
    """Make a key; the key itself, which is not shown again.

    Raises:
        TokenError: the name is taken or unusable, or a scope does not exist or none is given.
    """
    if not NAME.fullmatch(name):
        raise TokenError("the name must be 1 to 64 letters, digits, spaces, dots, hyphens or underscores")
    if unknown := [scope for scope in scopes if scope not in SCOPES]:
        raise TokenError(f"there is no scope {unknown[0]!r}; there are {', '.join(SCOPES)}")
    if not scopes:
        raise TokenError(f"name at least one scope: {', '.join(SCOPES)}")
    if await session.scalar(select(ApiToken.id).where(ApiToken.name == name)):
        raise TokenError(f"there is already a key called {name}; choose another name")
    token = PREFIX + secrets.token_urlsafe(32)
    session.add(ApiToken(name=name, digest=digest(token), scopes=[scope for scope in SCOPES if scope in scopes]))
    await session.flush()
    return token


async def authenticate(session: AsyncSession, token: str) -> ApiToken | None:
    """The key that this is, unless it is unknown or revoked; found by its digest and compared in constant time."""
    wanted = digest(token)
    found = await session.scalar(select(ApiToken).where(ApiToken.digest == wanted))
    if found is None or not hmac.compare_digest(found.digest, wanted) or found.revoked_at is not None:
        return None
    return found


def is_stale(token: ApiToken) -> bool:
    """Whether its last use is to be written down again."""
    return token.used_at is None or token.used_at < now() - USE_EVERY


async def used(session: AsyncSession, token_id: int) -> None:
    """Write down that a key is used now, unless that was done a moment ago."""
    moment = now()
    stale = or_(ApiToken.used_at.is_(None), ApiToken.used_at < moment - USE_EVERY)
    await session.execute(
        update(ApiToken)
        .where(ApiToken.id == token_id, stale)
        .values(used_at=moment)
        .execution_options(synchronize_session=False)
    )


async def revoke(session: AsyncSession, name: str) -> None:
    """Make a key useless, at once and for good. Raises :class:`TokenError` if no key that works has this name."""
    token = await session.scalar(select(ApiToken).where(ApiToken.name == name, ApiToken.revoked_at.is_(None)))
    if token is None:
        raise TokenError(f"no key that works is called {name}; see: linguadesk token list")
    token.revoked_at = now()


def _iso(moment: datetime | None) -> str:
    return moment.isoformat(timespec="seconds") if moment else ""


async def listing(session: AsyncSession) -> list[dict[str, Any]]:
    """All keys, newest first, as rows to print."""
    rows = await session.scalars(select(ApiToken).order_by(ApiToken.id.desc()))
    return [
        {
            "name": row.name,
            "scopes": " ".join(row.scopes),
            "created": _iso(row.created_at),
            "used": _iso(row.used_at),
            "revoked": _iso(row.revoked_at),
        }
        for row in rows
    ]
