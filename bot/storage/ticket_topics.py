"""What there are tickets about, to choose from. Takes the session of a read transaction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.storage.models import Ticket

MOST = 500


@dataclass(frozen=True, slots=True)
class Topics:
    """What tickets are about, each in the order of letters, at most :data:`MOST` of each."""

    products: tuple[str, ...] = ()
    carriers: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()


async def topics(session: AsyncSession) -> Topics:
    """The products, carriers and countries that there are tickets about."""
    return Topics(*[await _values(session, column) for column in (Ticket.product, Ticket.carrier, Ticket.country)])


async def _values(session: AsyncSession, column: Any) -> tuple[str, ...]:
    # From one value to the next by the index: of many tickets few are looked at.
    found = select(func.min(column).label("value"), literal(1).label("place")).where(column > "").cte(recursive=True)
    following = select(func.min(column)).where(column > found.c.value).scalar_subquery()
    found = found.union_all(
        select(following, found.c.place + 1).where(found.c.value.is_not(None), found.c.place < MOST)
    )
    return tuple(await session.scalars(select(found.c.value).where(found.c.value.is_not(None))))
