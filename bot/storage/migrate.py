"""Bring a database to the present state of the tables: ``linguadesk db upgrade``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config as AlembicConfig
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from bot.storage.database import Database, StorageError, _explained

FOLDER = Path(__file__).parent / "migrations"


def alembic_config(connection: Connection | None = None) -> AlembicConfig:
    """Alembic's settings, with the connection to work on."""
    config = AlembicConfig()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def head() -> str:
    """The newest revision that this version of the program knows."""
    return str(ScriptDirectory.from_config(alembic_config()).get_current_head())


async def _run(database: Database, work: Any) -> Any:
    with _explained(database.url.render_as_string(hide_password=True)):
        async with database.engine.connect() as connection:
            result = await connection.run_sync(work)
            await connection.commit()
            return result


async def current(database: Database) -> str | None:
    """The revision the database is at; None for an empty one."""

    def look(connection: Connection) -> str | None:
        return MigrationContext.configure(connection).get_current_revision()

    found: str | None = await _run(database, look)
    return found


async def upgrade(database: Database, revision: str = "head") -> None:
    """Create or change the tables; does nothing when they are right already."""
    await _run(database, lambda connection: command.upgrade(alembic_config(connection), revision))


async def require_current(database: Database) -> None:
    """Raises :class:`StorageError` unless the database is at :func:`head`."""
    found = await current(database)
    if found != head():
        state = "has no tables yet" if found is None else f"is at revision {found}, this program needs {head()}"
        raise StorageError(
            f"the database {database.url.render_as_string(hide_password=True)} {state}; run: linguadesk db upgrade"
        )
