"""When to send: the platforms' limits, kept by waiting and not by being refused; pauses between tries."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import deque
from collections.abc import AsyncIterator, Mapping

from bot.config import DeliverySettings
from bot.contracts import Connector, Limits

MAX_CHATS = 10_000


def backoff(attempts: int, settings: DeliverySettings) -> float:
    """Seconds to wait before the next try: doubled each time, with a quarter of chance.

    The chance keeps many messages that failed together from coming back together.
    """
    seconds = min(settings.backoff_limit_seconds, settings.backoff_seconds * 2.0 ** (attempts - 1))
    return float(seconds * random.uniform(0.75, 1.25))


class _Window:
    """At most ``count`` in any ``seconds``: the times of the last ``count``, each in a list of its own."""

    def __init__(self, count: int, seconds: float) -> None:
        self.seconds = seconds
        self.times: deque[list[float]] = deque(maxlen=count)

    def free_at(self) -> float:
        """From when on there is room; 0 for at once."""
        return self.times[0][0] + self.seconds if len(self.times) == self.times.maxlen else 0.0


class Pace:
    """One platform's limits: overall, of each chat, and of each group.

    A place is taken when a message is sent and given back ``seconds`` after the platform has answered:
    it counts when a message arrives, which is some time between the two. A chat's turn is waited for
    before the platform's, so that a slow chat holds up no other.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._overall = asyncio.Semaphore(limits.overall[0]) if limits.overall else None
        self._chats: dict[str, list[_Window]] = {}
        self._paused: dict[str, float] = {}

    def _windows(self, chat: str) -> list[_Window]:
        windows = self._chats.get(chat)
        if windows is None:
            if len(self._chats) >= MAX_CHATS:
                self._forget()
            kinds = [self._limits.per_chat]
            if self._limits.per_group and self._limits.is_group(chat):
                kinds.append(self._limits.per_group)
            windows = self._chats[chat] = [_Window(*kind) for kind in kinds if kind]
        return windows

    def _forget(self) -> None:
        """Drop what no longer limits anything."""
        moment = time.monotonic()
        self._paused = {chat: until for chat, until in self._paused.items() if until > moment}
        self._chats = {
            chat: windows
            for chat, windows in self._chats.items()
            if any(item.times and item.times[-1][0] + item.seconds > moment for item in windows)
        }

    def delay(self, chat: str) -> float:
        """Seconds until the chat takes another message; 0 for at once."""
        moment = time.monotonic()
        free = [window.free_at() for window in self._windows(chat)]
        return max(0.0, *(at - moment for at in (*free, self._paused.get(chat, 0.0))))

    def pause(self, chat: str, seconds: float) -> None:
        """Let the chat rest, because the platform asks for it."""
        self._paused[chat] = time.monotonic() + seconds

    @contextlib.asynccontextmanager
    async def turn(self, chat: str) -> AsyncIterator[None]:
        """Take the chat's turn, which must be free now, wait for the platform's, and send inside."""
        mine = [time.monotonic()]
        for window in self._windows(chat):
            window.times.append(mine)
        async with self._place():
            mine[0] = time.monotonic()
            try:
                yield
            finally:
                mine[0] = time.monotonic()

    @contextlib.asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        """One of the platform's places, given back some time after the block has ended."""
        if self._overall is None or self._limits.overall is None:
            yield
            return
        await self._overall.acquire()
        try:
            yield
        finally:
            asyncio.get_running_loop().call_later(self._limits.overall[1], self._overall.release)


def paces_of(connectors: Mapping[str, Connector]) -> dict[str, Pace]:
    """The limits of each channel."""
    return {name: Pace(connector.limits) for name, connector in connectors.items()}
