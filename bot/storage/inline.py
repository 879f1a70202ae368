"""SQLite without a thread switch for every statement.

aiosqlite hands each call of a cursor to a thread and waits for it: four switches for a statement,
a hundred for a customer's message, ten times what SQLite itself takes. The statements of the
message path look up single rows by key, which takes microseconds, so they run where they are
called. What can wait for the disk or for another process (beginning to write, committing) still goes
to the thread. Measured in ``docs/benchmarks.md``; see ``docs/adr/0004-sqlite-in-place.md``.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from functools import partial
from typing import Any

import aiosqlite


class InPlaceConnection(aiosqlite.Connection):
    """An aiosqlite connection whose quick calls run in the calling thread."""

    async def _execute(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if not self._running or not self._connection:
            raise ValueError("Connection closed")
        if fn == self._connection.commit or (args and isinstance(args[0], str) and args[0].startswith("BEGIN")):
            return await super()._execute(fn, *args, **kwargs)  # type: ignore[no-untyped-call]
        return fn(*args, **kwargs)


def connect(database: str, **options: Any) -> InPlaceConnection:
    """As :func:`aiosqlite.connect`; the connection may be used by its thread and by the caller's."""
    connector = partial(sqlite3.connect, database, **options | {"check_same_thread": False})
    connection = InPlaceConnection(connector, iter_chunk_size=64)
    connection._thread.daemon = True
    return connection
