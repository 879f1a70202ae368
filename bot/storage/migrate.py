"""Bring a database to the present state of the tables: ``linguadesk db upgrade``."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, inspect, text

from bot.storage.database import Database, StorageError, _explained

if TYPE_CHECKING:
    from alembic.config import Config as AlembicConfig

FOLDER = Path(__file__).parent / "migrations"


def alembic_config(connection: Connection | None = None) -> AlembicConfig:
    """Alembic's settings, with the connection to work on."""
    # A server that finds its tables in order does without Alembic, a quarter of a second to import.
    from alembic.config import Config as AlembicConfig

    config = AlembicConfig()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


@cache
def head() -> str:
    """The newest revision that this version of the program knows; its files are called by their revisions."""
    return max(path.name.partition("_")[0] for path in (FOLDER / "versions").glob("[0-9]*_*.py"))


def is_compared(name: str | None, _kind: str, _parents: Any) -> bool:
    """Whether something in the database should be as the models say.

    How words are looked up is each database's own: SQLite's FTS5 keeps tables, PostgreSQL an index.
    """
    return not (name or "").startswith(("search_words", "ix_search_words"))


async def _run(database: Database, work: Any) -> Any:
    with _explained(database.url.render_as_string(hide_password=True)):
        async with database.engine.connect() as connection:
            result = await connection.run_sync(work)
            await connection.commit()
            return result


async def current(database: Database) -> str | None:
    """The revision the database is at; None for an empty one."""

    def look(connection: Connection) -> str | None:
        if not inspect(connection).has_table("alembic_version"):
            return None
        found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
        return found

    found: str | None = await _run(database, look)
    return found


async def upgrade(database: Database, revision: str = "head") -> None:
    """Create or change the tables; does nothing when they are right already."""
    from alembic import command

    await _run(database, lambda connection: command.upgrade(alembic_config(connection), revision))


async def require_current(database: Database) -> None:
    """Raises :class:`StorageError` unless the database is at :func:`head`."""
    found = await current(database)
    if found != head():
        state = "has no tables yet" if found is None else f"is at revision {found}, this program needs {head()}"
        raise StorageError(
            f"the database {database.url.render_as_string(hide_password=True)} {state}; run: linguadesk db upgrade"
        )
