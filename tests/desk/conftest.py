"""A desk with two agents and a manager."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.config import Config, load_config
from bot.storage import Database
from bot.storage.models import Role, User
from tests.conftest import ROOT
from tests.databases import prepared
from tests.desk.office import Office, office_of

PEOPLE = (("ana", "Ana Prieto", Role.AGENT), ("lars", "Lars de Wit", Role.AGENT), ("maya", "Maya Okafor", Role.MANAGER))


@pytest.fixture(scope="session")
def staffed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database with the three people in it, made once: passwords take long to hash."""
    config = load_config(ROOT, tmp_path_factory.mktemp("staffed"), env={})

    async def make() -> None:
        database = Database(config.database_url)
        await prepared(database)
        office = office_of(config, database)
        for username, name, role in PEOPLE:
            await office.person(username, name, role)
        await database.close()

    asyncio.run(make())
    return config.data_dir / "linguadesk.db"


@pytest.fixture
async def office(config: Config, staffed: Path) -> AsyncIterator[Office]:
    """The desk's routes on a fresh database; ``ana`` and ``lars`` are agents, ``maya`` is a manager."""
    config.data_dir.mkdir(parents=True, exist_ok=True)
    shutil.copy(staffed, config.data_dir / "linguadesk.db")
    database = Database(config.database_url)
    made = office_of(config, database)
    async with database.read() as session:
        for number, (username, _, _) in enumerate(PEOPLE, 1):
            made.people[username] = await session.get_one(User, number)
    yield made
    await database.close()
