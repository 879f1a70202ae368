"""SQLite without a thread switch for every statement.

aiosqlite hands each call of a cursor to a thread and waits for it: four switches for a statement,
a hundred for a customer's message, ten times what SQLite itself takes. The statements of the
message path look up single rows by key, which takes microseconds, so they run where they are
called. What can wait for the disk or for another process (beginning to write, committing) still goes
to the thread. Measured in ``docs/benchmarks.md``; see ``docs/adr/0004-sqlite-in-place.md``.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import aiosqlite


class InPlaceConnection(aiosqlite.Connection):
    """An aiosqlite connection whose quick calls run in the calling thread.

    Never while its own thread is at a call: whoever waited for that may have been cancelled, and
    closing or rolling back under a commit that still runs would crash the process. What comes then
    is queued behind it.
    """

    def __init__(self, connector: Callable[[], sqlite3.Connection], iter_chunk_size: int) -> None:
        super().__init__(connector, iter_chunk_size)
        # Whether even what can wait for the disk runs here: where nobody else is waiting for this thread.
        self.alone = False
        self._in_thread = 0
        self._counting = threading.Lock()

    async def _execute(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if not self._running or not self._connection:
            raise ValueError("Connection closed")
        begins = args and isinstance(args[0], str) and args[0].startswith("BEGIN")
        slow = not self.alone and (fn == self._connection.commit or begins)
        with self._counting:
            if not slow and not self._in_thread:
                return fn(*args, **kwargs)
            self._in_thread += 1
        return await super()._execute(self._counted, fn, *args, **kwargs)  # type: ignore[no-untyped-call]

    def _counted(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        try:
            return fn(*args, **kwargs)
        finally:
            with self._counting:
                self._in_thread -= 1


def connect(database: str, **options: Any) -> InPlaceConnection:
    """As :func:`aiosqlite.connect`; the connection may be used by its thread and by the caller's."""
    connector = partial(sqlite3.connect, database, **options | {"check_same_thread": False})
    connection = InPlaceConnection(connector, iter_chunk_size=64)
    connection._thread.daemon = True
    return connection
