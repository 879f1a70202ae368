"""The API in front of a real database, with keys, agents and customers who have written."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from bot.api import PATH, api_routes
from bot.config import Config, Settings
from bot.services import api_tokens
from bot.services.api_tokens import SCOPES
from bot.storage import Database
from bot.storage.models import Role, User
from tests.api.contract import checking
from tests.databases import prepared
from tests.desk.office import Office, office_of

# Marks a test that is run on SQLite and on PostgreSQL.
BOTH = pytest.mark.parametrize(
    "migrated_url", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True
)
TEAMS = [{"name": "support", "members": ["ana", "lars"]}, {"name": "returns", "members": ["lars"]}]


@dataclass(slots=True)
class Api:
    """The API and the shop behind it."""

    office: Office
    config: Config
    made: int = 0

    @property
    def database(self) -> Database:
        """Where everything is."""
        return self.office.database

    async def key(self, *scopes: str) -> str:
        """A new key with these scopes; with all where none is named."""
        self.made += 1
        async with self.database.begin() as session:
            return await api_tokens.add(session, f"key {self.made}", scopes or tuple(SCOPES))

    @contextlib.asynccontextmanager
    async def client(self, *scopes: str, key: str | None = None) -> AsyncIterator[httpx.AsyncClient]:
        """A program that calls the API; each answer is held to the API's description."""
        token = await self.key(*scopes) if key is None else key
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(self.office.app),
            base_url=f"http://desk.test{PATH}",
            headers=headers,
            event_hooks={"response": [checking]},
        ) as client:
            yield client


async def api_of(config: Config, database: Database) -> Api:
    """The API on this database, with the agents ``ana`` and ``lars``."""
    settings = Settings.model_validate(config.settings.model_dump() | {"teams": TEAMS})
    config = replace(config, settings=settings)
    office = office_of(config, database)
    async with database.begin() as session:
        for username, name in (("ana", "Ana Prieto"), ("lars", "Lars de Wit")):
            # Nobody signs in here, so that no password has to be hashed.
            user = User(username=username, name=name, password_hash="", role=Role.AGENT)
            session.add(user)
            office.people[username] = user
    office.app.router.routes[:0] = api_routes(database, office.voice, config)
    return Api(office, config)


async def _migrate(url: str) -> None:
    database = Database(url)
    await prepared(database)
    await database.close()


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite database, made once and copied."""
    path = tmp_path_factory.mktemp("migrated") / "linguadesk.db"
    asyncio.run(_migrate(f"sqlite+aiosqlite:///{path}"))
    return path


@pytest.fixture(scope="session")
def migrated_postgres(postgres_url: str) -> str:
    """A migrated PostgreSQL database, made once and copied: its server and its name."""
    server = postgres_url.replace("postgresql", "postgresql+asyncpg")
    name = f"migrated{uuid.uuid4().hex}"
    asyncio.run(_create(server, name))
    asyncio.run(_migrate(f"{server}/{name}"))
    return f"{server}/{name}"


async def _create(server: str, name: str, template: str = "template1") -> None:
    engine = create_async_engine(f"{server}/postgres")
    async with engine.connect() as connection:
        raw = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await raw.execute(text(f'CREATE DATABASE "{name}" TEMPLATE "{template}"'))
    await engine.dispose()


@pytest.fixture
def migrated_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A migrated database of this test's own: SQLite, or what it asks for."""
    if getattr(request, "param", "sqlite") == "sqlite":
        shutil.copy(request.getfixturevalue("migrated_file"), tmp_path / "api.db")
        return f"sqlite+aiosqlite:///{tmp_path / 'api.db'}"
    server, _, template = request.getfixturevalue("migrated_postgres").rpartition("/")
    name = f"t{uuid.uuid4().hex}"
    asyncio.run(_create(server, name, template))
    return f"{server}/{name}"


@pytest.fixture
async def migrated(migrated_url: str) -> AsyncIterator[Database]:
    """The database at :func:`migrated_url`."""
    database = Database(migrated_url)
    await database.start()
    yield database
    await database.close()


@pytest.fixture
async def api(config: Config, migrated: Database) -> Api:
    """The API; on each kind of database in turn with :data:`BOTH`."""
    return await api_of(config, migrated)


@pytest.fixture
async def client(api: Api) -> AsyncIterator[httpx.AsyncClient]:
    """A program with a key that may do everything."""
    async with api.client() as client:
        yield client
