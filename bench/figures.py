"""How long each page of the dashboard takes at the server, with a year of a large shop behind it.

    python -m bench.figures --folder /var/tmp/figures              # both databases, filled the first time
    python -m bench.figures --folder /var/tmp/figures              # again: what is there is measured at once
    python -m bench.figures --folder … --only postgres             # or sqlite
    python -m bench.figures --folder … --only postgres --url postgresql://user@host/name
    python -m bench.figures --folder … --size 200000 --runs 3      # a quick look

``--size`` is how many surveys are answered (two are sent for each) and a fifth of how many messages there are: the
aim, 500 ms on PostgreSQL and 1,500 ms on SQLite at the 95th percentile, is one for 1,000,000 answers and 5,000,000
messages. Each size has its own databases below ``--folder``, which stay there: for a million some 1.2 GB and, for
PostgreSQL with its log, 4 GB, filled in some minutes. PostgreSQL runs as a server of its own below the folder too (its
binaries must be installed), unless ``--url`` names an empty database of another, or one that this filled before.

Every page is asked for as a browser would, by a manager who is signed in, from the request to the whole page; the
program's routes run in this process. Printed are, for each page over all periods and filters, the median, the 95th
percentile, the slowest, the processor's time for a request (which other work on the machine changes least), and for
how long at most nothing else was answered meanwhile. ``--details`` prints each period by itself. The first request of
each kind is counted like all others. For figures worth keeping let nothing else run on the machine.

The data are invented and always the same. The columns are written as the worker writes them, but from the arrays that
the rows are made of, which takes seconds instead of the better part of an hour; the transcript itself, which no page
reads, is left out.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import re
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import httpx
import numpy as np
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import create_async_engine
from starlette.applications import Starlette

from bench.engine import HOME
from bench.figures_data import END, MANAGER, PASSWORD, build
from bench.postgres import kept
from bot.config import load_config
from bot.desk import desk_routes
from bot.domain import load_domain
from bot.outbox import Voice
from bot.storage import Database, StorageError
from bot.storage.figures.operations import AS_OF
from bot.storage.models import FigureMark
from bot.texts import Texts

SQLITE, POSTGRES = "sqlite", "postgres"
AIMS = {SQLITE: 1500, POSTGRES: 500}
NAME = "figures"
# What is looked at: the page and what of it, besides the period and the filters.
PAGES = {
    "overview": "",
    "csat": "csat",
    "nps": "nps",
    "ces": "ces",
    "operations": "operations",
    "operations by team": "operations?by=team",
    "operations by product": "operations?by=product",
    "languages and hours": "recognition",
    "behind CSAT": "behind/csat",
    "behind a rating": "behind/csat?cell=1",
    "behind containment": "behind/containment?cell=returned",
    "behind a language": "behind/understanding?cell=de:fallback",
    "behind an hour": "behind/busiest?cell=0:10",
    "behind follow-ups": "behind/follow_ups?cell=overdue",
    "behind promises": "behind/promises?cell=first_response:missed",
}
DAYS = (30, 90, 365)
NARROWED = ("", "team=orders", "language=de&channel=web")


@dataclass(slots=True)
class Times:
    """What was measured of a page, in milliseconds."""

    whole: list[float] = field(default_factory=list)
    busy: list[float] = field(default_factory=list)
    held: list[float] = field(default_factory=list)

    def add(self, other: Times) -> None:
        """Take in others'."""
        self.whole += other.whole
        self.busy += other.busy
        self.held += other.held

    def row(self) -> dict[str, int]:
        """In few words."""
        return {
            "n": len(self.whole),
            "p50_ms": round(np.percentile(self.whole, 50)),
            "p95_ms": round(np.percentile(self.whole, 95)),
            "slowest_ms": round(max(self.whole)),
            "processor_ms": round(np.percentile(self.busy, 50)),
            "held_ms": round(max(self.held)),
        }


class Pulse:
    """Looks every two milliseconds how late it is: for so long nothing else was answered."""

    def __init__(self) -> None:
        self.worst = 0.0

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            begun = time.perf_counter()
            await asyncio.sleep(0.002)
            self.worst = max(self.worst, 1000 * (time.perf_counter() - begun) - 2)


async def signed_in(client: httpx.AsyncClient) -> None:
    """As the manager."""
    page = await client.get("/desk/sign-in")
    token = re.search(r'name="token" value="([0-9a-f]+)"', page.text)
    assert token
    fields = {"token": token[1], "username": MANAGER, "password": PASSWORD}
    assert (await client.post("/desk/sign-in", data=fields)).status_code == 303


def address(page: str, days: int, narrowed: str) -> str:
    """Of a page for the last days of the year."""
    last = END.date() - timedelta(days=1)
    path, _, query = page.partition("?")
    first = last - timedelta(days=days - 1)
    parts = [f"from={first}&to={last}&zone=Europe/Madrid", query, narrowed]
    return f"/desk/dashboard{'/' if path else ''}{path}?{'&'.join(part for part in parts if part)}"


async def one(client: httpx.AsyncClient, where: str, runs: int, pulse: Pulse) -> Times:
    """A page so many times."""
    found = Times()
    for _ in range(runs):
        pulse.worst = 0.0
        begun, busy = time.perf_counter(), time.process_time()
        answer = await client.get(where)
        found.whole.append(1000 * (time.perf_counter() - begun))
        found.busy.append(1000 * (time.process_time() - busy))
        # What came at the very end is seen by its next look.
        await asyncio.sleep(0.003)
        found.held.append(pulse.worst)
        assert answer.status_code == 200, (where, answer.status_code, answer.text[:500])
    return found


async def measure(database: Database, engine: str, runs: int, details: bool) -> dict[str, dict[str, int]]:
    """Print the figures of each page."""
    config = load_config(HOME, env={})
    voice = Voice(Texts(load_domain(HOME), ("en",), config.settings.shop))
    app = Starlette(routes=desk_routes(database, voice, config))
    pulse = Pulse()
    running = asyncio.create_task(pulse.run())
    print(f"\n| {engine} | p50 | p95 | slowest | processor | held |\n|---|---|---|---|---|---|", flush=True)
    rows: dict[str, dict[str, int]] = {}
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://bench.test", timeout=300
    ) as client:
        await signed_in(client)
        for name, page in PAGES.items():
            whole = Times()
            for days in DAYS:
                for narrowed in NARROWED:
                    times = await one(client, address(page, days, narrowed), runs, pulse)
                    whole.add(times)
                    if details:
                        print(_line(f"{name}, {days} days, {narrowed or 'all'}", times.row(), ""), flush=True)
            rows[name] = whole.row()
            late = "" if rows[name]["p95_ms"] <= AIMS[engine] else " slower than its aim"
            print(_line(name, rows[name], late), flush=True)
    running.cancel()
    return rows


def _line(name: str, row: dict[str, int], late: str) -> str:
    values = " | ".join(f"{row[key]} ms" for key in ("p50_ms", "p95_ms", "slowest_ms", "processor_ms", "held_ms"))
    return f"| {name} | {values} |{late}"


@contextlib.contextmanager
def _server(folder: Path, url: str) -> Iterator[str]:
    if url:
        yield url
        return
    with kept(folder) as base:
        yield f"{base}/{NAME}"


async def _created(url: str) -> None:
    """Make the database, if it is not there."""
    known = make_url(url).set(drivername="postgresql+asyncpg")
    engine = create_async_engine(known.set(database="postgres"), isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        there = await connection.scalar(text("SELECT 1 FROM pg_database WHERE datname = :name"), {"name": NAME})
        if not there:
            await connection.execute(text(f"CREATE DATABASE {NAME}"))
    await engine.dispose()


@contextlib.asynccontextmanager
async def opened(folder: Path, engine: str, url: str) -> AsyncIterator[Database]:
    """The database of one kind."""
    with contextlib.ExitStack() as stack:
        where = f"sqlite+aiosqlite:///{folder / 'figures.db'}"
        if engine == POSTGRES:
            given = stack.enter_context(_server(folder / "postgres", url))
            if not url:
                await _created(given)
            where = make_url(given).set(drivername="postgresql+asyncpg").render_as_string(hide_password=False)
        database = Database(where)
        try:
            yield database
        finally:
            await database.close()


async def filled(database: Database) -> bool:
    """Whether it was filled to the end before."""
    try:
        async with database.read() as session:
            return await session.get(FigureMark, AS_OF) is not None
    except StorageError:
        return False


async def run(folder: Path, size: int, engines: list[str], url: str, runs: int, details: bool) -> None:
    """Make what is missing, and measure."""
    folder.mkdir(parents=True, exist_ok=True)
    found = {}
    for engine in engines:
        async with opened(folder, engine, url) as database:
            if not await filled(database):
                print(f"filling {engine}", flush=True)
                await build(database, size)
            found[engine] = await measure(database, engine, runs, details)
    print(json.dumps({"answers": size, "runs": runs, "pages": found}))
    slow = [f"{engine}: {name}" for engine, rows in found.items() for name, row in rows.items()
            if row["p95_ms"] > AIMS[engine]]  # fmt: skip
    print(f"slower than their aim: {', '.join(slow) or 'none'}")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=1_000_000, help="how many surveys are answered (1000000)")
    parser.add_argument("--folder", type=Path, required=True, help="where the databases are kept")
    parser.add_argument("--only", choices=(SQLITE, POSTGRES), help="one of the databases; default both")
    parser.add_argument("--url", default="", help="a PostgreSQL database elsewhere, empty or filled before")
    parser.add_argument("--runs", type=int, default=5, help="how often each page is asked for in each period (5)")
    parser.add_argument("--details", action="store_true", help="each period and filter by itself")
    given = parser.parse_args()
    folder = (given.folder / str(given.size)).resolve()
    engines = [given.only] if given.only else [SQLITE, POSTGRES]
    asyncio.run(run(folder, given.size, engines, given.url, given.runs, given.details))


if __name__ == "__main__":
    main()
