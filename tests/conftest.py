"""What all tests share: configurations, databases, the trained recogniser, a running desk."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.async_api import expect
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from bot.app import App, build
from bot.config import Config, Settings, load_config
from bot.contracts import Recognizer
from bot.storage import Database
from tests import postgres
from tests.databases import prepared

ROOT = Path(__file__).parent.parent


CHROMIUM = shutil.which("chromium")
# What a page is to show may take this long: a machine with much else to do is no failure.
expect.set_options(timeout=20_000)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Say which tests need a browser that is not there."""
    missing = pytest.mark.skip(reason="Chromium is not installed (Debian: apt-get install chromium)")
    for item in items:
        if CHROMIUM is None and item.get_closest_marker("browser"):
            item.add_marker(missing)


@pytest.fixture(scope="session")
def model_dir() -> Path:
    """Where the recogniser trained for the tests is kept from one run to the next."""
    return Path(os.environ.get("LINGUADESK_TEST_CACHE") or ROOT / ".cache" / "test-models")


@pytest.fixture(scope="session")
def recognizer(model_dir: Path) -> Recognizer:
    """The real recogniser, trained on the real files."""
    from nlu.recognizers import create

    return create(load_config(ROOT, model_dir, env={}))


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """The shipped configuration with a data folder of its own and an empty environment.

    Surveys leave at any hour: a test must not depend on when it is run.
    """
    shipped = load_config(ROOT, tmp_path / "data", env={})
    surveys = shipped.settings.surveys.model_copy(update={"quiet_hours": ""})
    return replace(shipped, settings=shipped.settings.model_copy(update={"surveys": surveys}))


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL server."""
    if postgres.binaries() is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    with postgres.server(tmp_path_factory.mktemp("postgres")) as url:
        yield url


@pytest.fixture
async def postgres_database(postgres_url: str) -> str:
    """The URL of a fresh, empty PostgreSQL database."""
    name = f"t{uuid.uuid4().hex}"
    engine = create_async_engine(f"{postgres_url.replace('postgresql', 'postgresql+asyncpg')}/postgres")
    async with engine.connect() as connection:
        raw = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await raw.execute(text(f'CREATE DATABASE "{name}"'))
    await engine.dispose()
    return f"{postgres_url}/{name}"


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def any_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database URL of each kind in turn."""
    if request.param == "postgres":
        url: str = request.getfixturevalue("postgres_database")
        return url
    return f"sqlite:///{tmp_path / 'test.db'}"


@pytest.fixture
async def any_database(any_database_url: str) -> AsyncIterator[Database]:
    """A migrated database of each kind in turn."""
    scheme, _, rest = any_database_url.partition("://")
    driver = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg"}[scheme]
    database = Database(f"{driver}://{rest}")
    await prepared(database)
    await database.start()
    yield database
    await database.close()


StartDesk = Callable[..., Awaitable[App]]


@pytest.fixture
async def start_desk(config: Config, recognizer: Recognizer) -> AsyncIterator[StartDesk]:
    """Starts the whole product on a fresh database: ``await start_desk(settings…, env=…, only=…)``."""
    async with AsyncExitStack() as stack:

        async def start(
            changes: dict[str, object] | None = None,
            *,
            env: dict[str, str] | None = None,
            only: frozenset[str] | None = None,
            data_dir: Path | None = None,
        ) -> App:
            settings = Settings.model_validate(_merged(config.settings.model_dump(), changes or {}))
            own = replace(config, settings=settings, env=env or {}, data_dir=data_dir or config.data_dir)
            app = build(own, recognizer=recognizer, only=only)
            stack.push_async_callback(app.close)
            await prepared(app.database)
            await stack.enter_async_context(app.running())
            return app

        yield start


def _merged(base: dict[str, object], changes: dict[str, object]) -> dict[str, object]:
    """``base`` with ``changes``, section by section."""
    merged = dict(base)
    for key, value in changes.items():
        old = merged.get(key)
        merged[key] = _merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged
