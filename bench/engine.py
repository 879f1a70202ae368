"""Speed and memory of the whole program: ``python -m bench.engine`` from the project folder.

One process with everything on (SQLite, embedded recogniser), as ``linguadesk run`` starts it, and a
second process that writes to it over the web chat. Latency is taken from the database: from the
moment an event is committed to the inbox to the moment its answers are committed to the outbox.
Run it on an idle machine; the load goes to this machine's own loopback address and ends by itself.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

import httpx
import psutil
from sqlalchemy import func, select

from bot.config import load_config
from bot.storage import Database
from bot.storage.migrate import upgrade
from bot.storage.models import Inbox, InboxStatus
from nlu.evaluate import load_messages

HOME = Path(__file__).resolve().parent.parent


class Server:
    """The program as a process of its own."""

    def __init__(self, home: Path, data: Path) -> None:
        self._home, self._data = home, data
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.process: subprocess.Popen[bytes] | None = None

    async def start(self) -> float:
        """Start; seconds until it says that it is ready."""
        env = os.environ | {"LINGUADESK_HOME": str(self._home), "LINGUADESK_DATA_DIR": str(self._data)}
        command = [sys.executable, "-m", "bot", "run", "--no-browser", "--port", str(self.port)]
        log = (self._data / "out.log").open("ab")
        begun = time.perf_counter()
        self.process = subprocess.Popen(command, env=env, cwd=HOME, stdout=log, stderr=log)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.port}") as client:
            while True:
                try:
                    if (await client.get("/health/ready")).status_code == 200:
                        return time.perf_counter() - begun
                except httpx.TransportError:
                    pass
                if self.process.poll() is not None:
                    raise SystemExit((self._data / "out.log").read_text())
                await asyncio.sleep(0.02)

    def resident(self) -> float:
        """Resident memory in megabytes."""
        assert self.process is not None
        return psutil.Process(self.process.pid).memory_info().rss / 1e6

    def busy(self) -> float:
        """Seconds of processor time used so far."""
        assert self.process is not None
        used = psutil.Process(self.process.pid).cpu_times()
        return float(used.user + used.system)

    def stop(self) -> None:
        """End it."""
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        self.process.wait(30)


async def write(base: str, texts: list[str], people: int, messages: int, rate: float | None, at_once: int) -> float:
    """Send messages from many people, at a rate or as fast as ``at_once`` allow; the seconds it took."""
    limits = httpx.Limits(max_connections=at_once, max_keepalive_connections=at_once)
    async with httpx.AsyncClient(base_url=base, timeout=60, limits=limits) as client:
        cookies = []
        for _ in range(people):
            answer = await client.get("/chat")
            cookies.append("; ".join(f"{key}={value}" for key, value in answer.cookies.items()))
            client.cookies.clear()
        gate = asyncio.Semaphore(at_once)

        async def send(number: int) -> None:
            async with gate:
                body = {"id": str(uuid.uuid4()), "text": texts[number % len(texts)]}
                answer = await client.post("/chat/messages", json=body, headers={"Cookie": cookies[number % people]})
                answer.raise_for_status()

        begun = time.perf_counter()
        sending = []
        for number in range(messages):
            if rate:
                await asyncio.sleep(max(0.0, begun + number / rate - time.perf_counter()))
            elif number % at_once == 0:
                await asyncio.sleep(0)
            sending.append(asyncio.create_task(send(number)))
        await asyncio.gather(*sending)
        return time.perf_counter() - begun


async def handled(database: Database, after: int, count: int) -> list[tuple[float, float]]:
    """Wait until ``count`` events after an inbox id are handled; their (received, handled) times in seconds."""
    while True:
        async with database.read() as session:
            rows = (
                await session.execute(
                    select(Inbox.received_at, Inbox.handled_at).where(
                        Inbox.id > after, Inbox.status == InboxStatus.DONE
                    )
                )
            ).all()
        if len(rows) >= count:
            return [(row.received_at.timestamp(), row.handled_at.timestamp()) for row in rows]
        await asyncio.sleep(0.2)


async def last_id(database: Database) -> int:
    """The newest inbox id."""
    async with database.read() as session:
        return await session.scalar(select(func.max(Inbox.id))) or 0


def percentile(values: list[float], share: float) -> float:
    """The value below which ``share`` of the values lie."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


async def measure(home: Path, data: Path, seconds: int) -> None:
    """Print the figures as a table."""
    config = load_config(home, data, env={})
    database = Database(config.database_url)
    await upgrade(database)
    texts = [message.text for message in load_messages(config)]
    server = Server(home, data)
    begun = time.perf_counter()
    await server.start()
    first = time.perf_counter() - begun
    server.stop()
    starts = []
    for _ in range(3):
        starts.append(await server.start())
        server.stop()
    await server.start()
    base = f"http://127.0.0.1:{server.port}"
    try:
        await write(base, texts, 10, 100, None, 8)
        await handled(database, 0, 100)
        rows = [
            ("first start, with training", f"{first:.1f} s"),
            ("start, cached model", f"{statistics.median(starts):.2f} s"),
        ]
        mark = await last_id(database)
        await write(base, texts, 100, 20 * seconds, 20, 32)
        times = [1000 * (end - start) for start, end in await handled(database, mark, 20 * seconds)]
        rows.append((f"at 20 messages/s for {seconds} s: p50", f"{statistics.median(times):.1f} ms"))
        rows.append(("  p95", f"{percentile(times, 0.95):.1f} ms"))
        rows.append(("  p99", f"{percentile(times, 0.99):.1f} ms"))
        mark = await last_id(database)
        count = 100 * seconds
        await write(base, texts, 500, count, None, 16)
        spans = await handled(database, mark, count)
        took = max(end for _, end in spans) - min(start for start, _ in spans)
        rows.append((f"{count} messages, 500 conversations, flat out", f"{count / took:.0f} messages/s"))
        rows.append(("resident memory afterwards", f"{server.resident():.0f} MB"))
    finally:
        server.stop()
        await database.close()
    width = max(len(name) for name, _ in rows)
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}")
    for name, value in rows:
        print(f"{name:<{width}}  {value}")


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=30, help="length of each part")
    parser.add_argument("--project", type=Path, default=HOME, help="folder with config.yml; default this one")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="linguadesk-bench-") as folder:
        asyncio.run(measure(arguments.project.resolve(), Path(folder), arguments.seconds))


if __name__ == "__main__":
    main()
