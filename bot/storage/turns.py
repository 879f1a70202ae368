"""Taking turns at SQLite, which has one writer."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator


class Turns:
    """A lock for which those wait in order, save who may go first."""

    def __init__(self) -> None:
        self._held = False
        self._waiting: deque[asyncio.Future[None]] = deque()

    @contextlib.asynccontextmanager
    async def turn(self, first: bool = False) -> AsyncIterator[None]:
        """Hold the lock; with ``first``, wait for nobody but its present holder and others that go first."""
        if self._held:
            mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            if first:
                self._waiting.appendleft(mine)
            else:
                self._waiting.append(mine)
            try:
                await mine
            except asyncio.CancelledError:
                if mine in self._waiting:
                    self._waiting.remove(mine)
                elif not mine.cancelled():
                    # It was ours already.
                    self._pass_on()
                raise
        self._held = True
        try:
            yield
        finally:
            self._pass_on()

    def _pass_on(self) -> None:
        while self._waiting:
            following = self._waiting.popleft()
            if not following.done():
                following.set_result(None)
                return
        self._held = False
