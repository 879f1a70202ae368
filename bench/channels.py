"""How fast events are taken and how evenly messages leave: ``python -m bench.channels`` from the project folder.

The program runs as a process of its own; Telegram and Slack are this process's loopback servers. First
both platforms deliver events at a steady rate, and the time until each is acknowledged, which it is
only once it is committed, is taken at the sender. Then 1,000 messages to 200 chats are in the outbox
as the program starts, and Telegram's side enforces Telegram's limits and counts what it had to refuse.
Run it on an idle machine; the load goes to this machine's own loopback address and ends by itself.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import select

from bench.engine import HOME, Server, percentile
from bot.config import load_config
from bot.contracts import Address, Author, Inbound
from bot.inbox import store
from bot.outbox import post
from bot.storage import Database
from bot.storage.migrate import upgrade
from bot.storage.models import Conversation, InboxStatus
from bot.texts import Rendered
from nlu.evaluate import load_messages
from tests.fakes.slack_server import SlackServer
from tests.fakes.telegram_objects import chat_object, person
from tests.fakes.telegram_server import WEBHOOK_SECRET, TelegramServer

PER_SECOND = 50
PEOPLE = 100
MESSAGES = 1000
CHATS = 200
# Telegram's overall limit, messages a second.
LIMIT = 30


def update(number: int, text: str) -> dict[str, Any]:
    """A customer's message as Telegram delivers it."""
    chat = 5000 + number % PEOPLE
    message = {
        "message_id": number + 1,
        "from": person(chat, "en", "Ana"),
        "chat": chat_object(chat, "Ana"),
        "date": int(time.time()),
        "text": text,
    }
    return {"update_id": 10_000 + number, "message": message}


def event(number: int, text: str) -> dict[str, Any]:
    """A direct message as Slack delivers it."""
    user = f"U{5000 + number % PEOPLE}"
    said = {
        "type": "message",
        "channel": f"D{user[1:]}",
        "channel_type": "im",
        "user": user,
        "text": text,
        "ts": f"{int(time.time())}.{number:06d}",
    }
    return {
        "type": "event_callback",
        "team_id": "T1",
        "api_app_id": "A1",
        "event": said,
        "event_id": f"Ev{number}",
        "event_time": int(time.time()),
        "authorizations": [{"user_id": "UBOT", "is_bot": True, "team_id": "T1"}],
    }


async def steadily(send: Any, count: int) -> list[float]:
    """Call ``send`` with 0, 1, 2 … at the rate; the milliseconds that each took."""

    async def timed(number: int) -> float:
        begun = time.perf_counter()
        await send(number)
        return 1000 * (time.perf_counter() - begun)

    begun = time.perf_counter()
    tasks = []
    for number in range(count):
        await asyncio.sleep(max(0.0, begun + number / PER_SECOND - time.perf_counter()))
        tasks.append(asyncio.create_task(timed(number)))
    return list(await asyncio.gather(*tasks))


async def acknowledgements(home: Path, data: Path, seconds: int) -> list[tuple[str, str]]:
    """Times from sending an event to its acknowledgement, of both platforms."""
    config = load_config(home, data, env={})
    texts = [message.text for message in load_messages(config)]
    rows = []
    async with TelegramServer() as telegram, SlackServer() as slack:
        server = Server(home, data)
        base = f"http://127.0.0.1:{server.port}"
        os.environ |= telegram.webhook_env(base) | slack.env()
        await server.start()
        try:
            async with httpx.AsyncClient(base_url=base, timeout=60) as client:

                async def to_telegram(number: int) -> None:
                    headers = {"X-Telegram-Bot-Api-Secret-Token": WEBHOOK_SECRET}
                    body = update(number, texts[number % len(texts)])
                    answer = await client.post("/webhooks/telegram", json=body, headers=headers)
                    answer.raise_for_status()

                async def to_slack(number: int) -> None:
                    body = json.dumps(event(number, texts[number % len(texts)]))
                    headers = slack.signed(body) | {"Content-Type": "application/json"}
                    answer = await client.post("/webhooks/slack/events", content=body, headers=headers)
                    answer.raise_for_status()

                for name, send in (("Telegram webhook", to_telegram), ("Slack over HTTP", to_slack)):
                    await steadily(lambda number, send=send: send(number + 1_000_000), PER_SECOND)
                    times = await steadily(send, PER_SECOND * seconds)
                    rows.append(
                        (f"{name}, {PER_SECOND} events/s for {seconds} s: p50", f"{statistics.median(times):.1f} ms")
                    )
                    rows.append(("  p99", f"{percentile(times, 0.99):.1f} ms"))
        finally:
            server.stop()
    return rows


async def queue(database: Database) -> None:
    """Put the messages into the outbox, turn by turn."""
    async with database.begin() as session:
        for chat in range(CHATS):
            place = Address("telegram", str(9000 + chat), str(9000 + chat))
            await store(session, [Inbound(f"bench-{chat}", place, "hello")])
        talks = (await session.scalars(select(Conversation).where(Conversation.channel == "telegram"))).all()
        mine = [talk for talk in talks if int(talk.chat) >= 9000]
        for number in range(MESSAGES):
            await post(session, mine[number % CHATS], [Rendered(f"message {number}", "en")], Author.NOTICE)
        # What they wrote is answered already.
        connection = await session.connection()
        await connection.exec_driver_sql(f"UPDATE inbox SET status = '{InboxStatus.DONE.value}'")


async def evenness(home: Path, data: Path) -> list[tuple[str, str]]:
    """How the queued messages leave."""
    database = Database(load_config(home, data, env={}).database_url)
    async with TelegramServer() as telegram:
        os.environ.pop("TELEGRAM_WEBHOOK_URL", None)
        os.environ |= telegram.env
        telegram.limited = True
        await queue(database)
        server = Server(home, data)
        await server.start()
        try:
            arrived: list[float] = []
            while len(arrived) < MESSAGES:
                await asyncio.sleep(0.05)
                arrived = sorted(
                    call.at
                    for call in telegram.calls
                    if call.method == "sendMessage" and int(call.params["chat_id"]) >= 9000
                )
        finally:
            server.stop()
        await database.close()
    # The first second's worth may leave at once: the rate is that of the rest.
    rate = (MESSAGES - LIMIT) / (arrived[-1] - arrived[LIMIT - 1])
    return [
        (
            f"{MESSAGES} messages to {CHATS} chats: rate",
            f"{rate:.1f}/s ({100 * rate / LIMIT - 100:+.1f} % of {LIMIT}/s)",
        ),
        ("  refused by the platform (429)", str(telegram.refused)),
    ]


async def measure(home: Path, data: Path, seconds: int) -> None:
    """Print the figures as a table."""
    database = Database(load_config(home, data, env={}).database_url)
    await upgrade(database)
    await database.close()
    rows = await acknowledgements(home, data, seconds)
    rows += await evenness(home, data)
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        print(f"{name:<{width}}  {value}")


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=20, help="length of the first part, for each platform")
    parser.add_argument("--project", type=Path, default=HOME, help="folder with config.yml; default this one")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="linguadesk-bench-") as folder:
        asyncio.run(measure(arguments.project.resolve(), Path(folder), arguments.seconds))


if __name__ == "__main__":
    main()
