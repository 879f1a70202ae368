"""Looking into the inbox, and an inbox that is out of order."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from sqlalchemy import select

from bot.contracts import Inbound
from bot.inbox import Acceptor
from bot.storage import Database
from bot.storage.models import Inbox


async def stored(database: Database) -> list[Inbound]:
    """All events of the inbox, in order."""
    async with database.read() as session:
        rows = await session.scalars(select(Inbox).order_by(Inbox.id))
        return [Inbound.from_json(row.event) for row in rows]


async def stored_count(database: Database, count: int) -> list[Inbound]:
    """All events of the inbox once there are ``count``."""
    async with asyncio.timeout(20):
        while len(events := await stored(database)) < count:
            await asyncio.sleep(0.01)
    return events


class Gate:
    """An inbox that can be out of order; it counts how often it was asked."""

    def __init__(self, accept: Acceptor, error: Exception | None = None) -> None:
        self._accept = accept
        self.error = error
        self.open = asyncio.Event()
        self.asked = 0

    async def __call__(self, events: Sequence[Inbound]) -> Sequence[int | None]:
        """Fail with ``error`` if there is one; else wait for ``open``, then store."""
        self.asked += 1
        if self.error is not None:
            raise self.error
        await self.open.wait()
        return await self._accept(events)
