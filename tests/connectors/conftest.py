"""What the tests of the platforms' connectors share: a database and the wordings."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.config import Shop
from bot.domain import load_domain
from bot.inbox import Acceptor
from bot.storage import Database
from bot.texts import Texts
from tests.databases import prepared

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database, to be copied: migrating takes longer than most tests."""
    path = tmp_path_factory.mktemp("database") / "empty.db"

    async def make() -> None:
        database = Database(f"sqlite+aiosqlite:///{path}")
        await prepared(database)
        await database.close()

    asyncio.run(make())
    return path


@pytest.fixture(scope="session")
def texts() -> Texts:
    """The English wordings."""
    return Texts(load_domain(ROOT), ["en"], Shop())


@pytest.fixture
async def database(tmp_path: Path, empty_database: Path) -> AsyncIterator[Database]:
    """A migrated database on disk."""
    path = shutil.copy(empty_database, tmp_path / "test.db")
    database = Database(f"sqlite+aiosqlite:///{path}")
    yield database
    await database.close()


@pytest.fixture
def accept(database: Database) -> Acceptor:
    """What the program gives to connectors."""
    return Acceptor(database)
