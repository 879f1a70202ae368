"""Killed in the middle and started again: every message answered once, every ticket opened once."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import uuid
from collections import Counter
from pathlib import Path

import httpx
import pytest
from sqlalchemy import func, select

from bot.storage import Database
from bot.storage.migrate import upgrade
from bot.storage.models import Conversation, Inbox, InboxStatus, Outbox, OutboxStatus, Ticket
from tests.customer import eventually

ROOT = Path(__file__).parents[2]
CUSTOMERS = 20
COMPLAINT = "My tea set from order {order} arrived completely broken, two cups are in pieces"
LINES = [
    line.format(order=order)
    for order in ("100236", "100400")
    for line in (COMPLAINT, "skip", "do you ship to Chile?", "thanks", "are you a robot?")
]


class Server:
    """The program as a process of its own, on a port and a data folder."""

    def __init__(self, data: Path, port: int, env: dict[str, str] | None = None) -> None:
        self._data, self.port, self._env = data, port, env or {}
        self.process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Start, and wait until it is ready."""
        kept = {
            key: value for key, value in os.environ.items() if not key.startswith(("TELEGRAM", "SLACK", "LINGUADESK"))
        }
        env = kept | {"LINGUADESK_HOME": str(ROOT), "LINGUADESK_DATA_DIR": str(self._data)} | self._env
        command = [sys.executable, "-m", "bot", "run", "--no-browser", "--port", str(self.port)]
        log = (self._data / "out.log").open("ab")
        self.process = subprocess.Popen(command, env=env, cwd=ROOT, stdout=log, stderr=log)
        log.close()
        async with httpx.AsyncClient() as client:
            await eventually(lambda: self._ready(client), 60)

    async def _ready(self, client: httpx.AsyncClient) -> bool:
        try:
            return (await client.get(f"http://127.0.0.1:{self.port}/health/ready")).status_code == 200
        except httpx.TransportError:
            return False

    def kill(self) -> None:
        """As a power cut would."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


async def write(base: str, sender: str) -> list[list[str]]:
    """One customer's messages, each sent with its own id again and again until it is answered."""
    answers = []
    async with httpx.AsyncClient(base_url=base, timeout=30) as client:
        for text in LINES:
            body = {"sender": sender, "message": text, "message_id": uuid.uuid4().hex}
            while True:
                try:
                    response = await client.post("/webhooks/rest/webhook", json=body)
                except httpx.TransportError:
                    await asyncio.sleep(0.1)
                    continue
                if response.status_code == 200:
                    break
                await asyncio.sleep(0.1)
            answers.append([item["text"] for item in response.json()])
    return answers


@pytest.mark.timeout(180)
async def test_kill_in_the_middle_of_200_messages(tmp_path: Path, model_dir: Path) -> None:
    """Twenty customers write ten messages each; the process is killed twice while they do."""
    data = tmp_path / "data"
    data.mkdir()
    (model_dir / "models").mkdir(parents=True, exist_ok=True)
    (data / "models").symlink_to(model_dir.resolve() / "models")
    database = Database(f"sqlite+aiosqlite:///{data / 'linguadesk.db'}")
    await upgrade(database)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = Server(data, port)
    await server.start()
    try:
        base = f"http://127.0.0.1:{port}"
        writing = asyncio.gather(*(write(base, f"customer-{number}") for number in range(CUSTOMERS)))
        for handled in (40, 120):
            await eventually(lambda handled=handled: _handled(database, handled), 60)
            server.kill()
            await server.start()
        answers = await writing
    finally:
        server.kill()
    total = CUSTOMERS * len(LINES)
    async with database.read() as session:
        states = Counter(await session.scalars(select(Inbox.status)))
        tickets = Counter(await session.scalars(select(Ticket.conversation_id)))
        per_message = Counter(await session.scalars(select(Outbox.inbox_id)))
        unsent = await session.scalar(
            select(func.count()).select_from(Outbox).where(Outbox.status != OutboxStatus.SENT)
        )
        chats = (await session.scalars(select(Conversation.id))).all()
    await database.close()
    assert states == {InboxStatus.DONE: total}
    assert len(chats) == CUSTOMERS
    assert set(tickets.values()) == {2} and len(tickets) == CUSTOMERS
    assert len(per_message) == total
    assert unsent == 0
    # Each customer saw the same conversation as any other: nothing twice, nothing missing.
    tickets_aside = [[[text[:30] for text in reply] for reply in replies] for replies in answers]
    usual = Counter(map(str, tickets_aside)).most_common(1)[0][0]
    assert [replies for replies in tickets_aside if str(replies) != usual] == [], usual
    assert all(reply for replies in answers for reply in replies)


async def _handled(database: Database, count: int) -> bool:
    async with database.read() as session:
        done = select(func.count()).select_from(Inbox).where(Inbox.status == InboxStatus.DONE)
        return (await session.scalar(done) or 0) >= count
