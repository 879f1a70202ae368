"""Databases for tests: migrated once, then copied, because migrating each anew would take a third of the time."""

from __future__ import annotations

import shutil
import tempfile
import uuid
from pathlib import Path

from sqlalchemy import URL, text
from sqlalchemy.ext.asyncio import create_async_engine

from bot.storage import Database
from bot.storage.migrate import upgrade

_templates: dict[str, str] = {}
_folder = tempfile.TemporaryDirectory(prefix="linguadesk-tests-")


async def prepared(database: Database) -> None:
    """Bring a database that nobody has connected to yet to the present tables.

    An empty one becomes a copy of one that was migrated; one with tables is migrated as it is.
    """
    if database.is_sqlite:
        await _sqlite(database)
    else:
        await _postgres(database)


async def _sqlite(database: Database) -> None:
    target = Path(database.url.database or "")
    if target.exists() and target.stat().st_size:
        await upgrade(database)
        return
    if "sqlite" not in _templates:
        template = Path(_folder.name) / "template.db"
        made = Database(f"sqlite+aiosqlite:///{template}")
        await upgrade(made)
        await made.close()
        _templates["sqlite"] = str(template)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(_templates["sqlite"], target)


async def _postgres(database: Database) -> None:
    url = database.url
    if await _statements(url, "SELECT 1 FROM pg_tables WHERE tablename = 'alembic_version'"):
        await upgrade(database)
        return
    server = f"{url.host}:{url.port}"
    if server not in _templates:
        name = f"template_{uuid.uuid4().hex}"
        await _statements(url.set(database="postgres"), f'CREATE DATABASE "{name}"')
        made = Database(url.set(database=name).render_as_string(hide_password=False))
        await upgrade(made)
        await made.close()
        _templates[server] = name
    await _statements(
        url.set(database="postgres"),
        f'DROP DATABASE "{url.database}"',
        f'CREATE DATABASE "{url.database}" TEMPLATE "{_templates[server]}"',
    )


async def _statements(url: URL, *statements: str) -> bool:
    """Carry out statements, each by itself; whether the last one found a row."""
    engine = create_async_engine(url)
    found = False
    async with engine.connect() as connection:
        raw = await connection.execution_options(isolation_level="AUTOCOMMIT")
        for statement in statements:
            result = await raw.execute(text(statement))
            found = result.returns_rows and result.first() is not None
    await engine.dispose()
    return found
