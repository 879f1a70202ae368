"""Seeing to what waits in the database: looked at whenever something changes, each thing by a task of its own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Hashable
from functools import partial
from typing import Any, Generic, TypeVar

from bot.storage import Database, wait
from bot.storage.database import described

log = logging.getLogger(__name__)

IDLE_SECONDS = 1.0
STOP_SECONDS = 10.0
Key = TypeVar("Key", bound=Hashable)


class Tending(Generic[Key]):
    """The tasks of one kind, at most one for each key.

    Args:
        database: whose signals say that something has changed.
        topic: which signals.
        trouble: what the log says while nothing can be looked at.
    """

    def __init__(self, database: Database, topic: str, trouble: str) -> None:
        self._database = database
        self._topic = topic
        self._trouble = trouble
        self._tasks: dict[Key, asyncio.Task[None]] = {}

    def begin(self, key: Key, work: Callable[[Key], Coroutine[Any, Any, None]]) -> None:
        """Have something seen to, unless that is being done."""
        if key not in self._tasks:
            task = asyncio.create_task(work(key))
            self._tasks[key] = task
            task.add_done_callback(partial(self._ended, key))

    def _ended(self, key: Key, _task: asyncio.Task[None]) -> None:
        self._tasks.pop(key, None)

    async def run(self, look: Callable[[], Awaitable[None]]) -> None:
        """Look for ever; ends only by cancellation, after what is being done, if that does not take too long."""
        try:
            with self._database.hub.watch(self._topic) as waiting:
                while True:
                    try:
                        await look()
                    except Exception as error:
                        # Whatever it is, it may pass; nothing would be seen to any more if this ended.
                        log.error("%s: %s", self._trouble, described(error))
                        await asyncio.sleep(IDLE_SECONDS)
                    await wait(waiting, IDLE_SECONDS)
        finally:
            if tasks := set(self._tasks.values()):
                _done, late = await asyncio.wait(tasks, timeout=STOP_SECONDS)
                for task in late:
                    task.cancel()
                await asyncio.gather(*late, return_exceptions=True)
