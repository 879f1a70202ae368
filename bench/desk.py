"""Speed of the desk with years behind it: ``python -m bench.desk`` from the project folder.

Fills a database once (100,000 conversations, 1,000,000 messages, 60,000 tickets; ``--folder`` keeps it for
the next time), starts the program on this machine's loopback address, signs in and asks for every view of
the desk in turn. Printed are the median and the 95th percentile from the request to the whole answer, at a
client that asks for one page after the other, and the server's processor time for a request, which other work
on the machine changes least. ``--postgres URL`` measures on an empty PostgreSQL database, or on one that
this filled before.
"""

from __future__ import annotations

import argparse
import asyncio
import html
import os
import random
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import httpx
from sqlalchemy import func, select

from bench.desk_data import PASSWORD, RARE, TEAMS, fill, members
from bench.engine import HOME, Server, percentile
from bot.config import load_config
from bot.storage import Database
from bot.storage.migrate import upgrade
from bot.storage.models import Conversation, Message, Ticket
from nlu.evaluate import load_messages

REQUESTS = 200
# Milliseconds, at the 95th percentile.
AIM, SEARCH_AIM = 150, 300
# Ends the names of what is no page, but a part of one.
BY_SCRIPT = ", as the page's script asks"
# Words that many, some and few texts have, in scripts with and without spaces.
WORDS = {
    "common": ("order", "pedido", "my", "заказ", "commande"),
    "two common": ("my order", "mi pedido", "où est", "wo ist", "мой заказ"),
    "rare": (RARE, RARE.upper()),
    "nothing": ("qqzzx", "nixda nirgends"),
    "Chinese, Japanese, Korean": ("订单", "注文", "주문", "退款", "配送"),
    "one letter": ("单", "文", "주", "我"),
    "beginning": ("ord", "deliv", "wh", "rec", "pe"),
    "number": ("100234", "1002", "LD-100234", "140500"),
    "phrase": ('"my order"', '"mi pedido"', '"wo ist"'),
    "name": ("Müller 123", "ana", "佐藤"),
    "telephone, e-mail": ("600001234", "customer77@example.com", "+34 6 00001234"),
}


def project(folder: Path) -> Path:
    """A project folder as this one, with two languages to learn and with teams."""
    home = folder / "project"
    home.mkdir(exist_ok=True)
    for path in HOME.iterdir():
        if path.name in ("domain.yml", "nlu", "knowledge", "replies", "data") and not (home / path.name).exists():
            (home / path.name).symlink_to(path)
    config = (HOME / "config.yml").read_text(encoding="utf-8")
    config = re.sub(r"^languages:.*?(?=^\S)", "languages: [en, es]\n\n", config, flags=re.M | re.S)
    config = re.sub(r"^teams:.*?(?=^\S)", "", config, flags=re.M | re.S)
    people = "".join(f"  - name: {name}\n    members: {members(number)}\n" for number, name in enumerate(TEAMS))
    (home / "config.yml").write_text(f"{config}\nteams:\n{people}", encoding="utf-8")
    return home


async def prepared(database: Database, size: int) -> None:
    """The tables, filled if there is nothing in them."""
    await upgrade(database)
    async with database.read() as session:
        there = await session.scalar(select(func.count()).select_from(Conversation))
    if not there:
        said = [(message.text, message.language) for message in load_messages(load_config(HOME, env={}))]
        await fill(database, said, size)
    async with database.read() as session:
        for model in (Conversation, Message, Ticket):
            count = await session.scalar(select(func.count()).select_from(model))
            print(f"{count:>9,} {model.__tablename__}", flush=True)


async def sign_in(client: httpx.AsyncClient) -> None:
    """As one of the agents."""
    page = await client.get("/desk/sign-in")
    token = re.search(r'name="token" value="([0-9a-f]+)"', page.text)
    assert token
    fields = {"token": token[1], "username": "agent7", "password": PASSWORD}
    answer = await client.post("/desk/sign-in", data=fields)
    assert answer.status_code == 303, answer.text


async def deep(client: httpx.AsyncClient, address: str, pages: int) -> str:
    """The address of a page far down a list."""
    for _ in range(pages):
        text = (await client.get(address)).text
        following = re.search(r'rel="next" href="([^"]+)"', text)
        if following is None:
            break
        address = address.partition("?")[0] + html.unescape(following[1])
    return address


async def views(client: httpx.AsyncClient, tickets: int) -> dict[str, tuple[int, Callable[[], str]]]:
    """Each view: what it should take at most, and an address of it."""
    dice = random.Random(11)
    talks, cases = "/desk/conversations", "/desk/tickets"
    far = {
        "far down, conversations": await deep(client, talks, 200),
        "far down, tickets": await deep(client, cases, 200),
        "far down, tickets by due": await deep(client, f"{cases}?sort=due", 200),
        "far down, tickets by severity": await deep(client, f"{cases}?sort=severity", 100),
    }
    fixed = {
        "queue": "/desk",
        "queue, mine": "/desk?view=mine",
        "queue, my team": "/desk?view=team",
        "conversations": talks,
        "conversations, oldest first": f"{talks}?sort=oldest",
        "conversations by owner": f"{talks}?owner=person",
        "conversations by language": f"{talks}?language=es",
        "conversations by channel": f"{talks}?channel=slack",
        "conversations by team": f"{talks}?team={TEAMS[1]}",
        "conversations, mine": f"{talks}?agent=me",
        "conversations by four": f"{talks}?owner=queue&language=es&channel=web&agent=none",
        "tickets": cases,
        "tickets by status": f"{cases}?status=open",
        "tickets by type": f"{cases}?type=late",
        "tickets by severity": f"{cases}?severity=critical",
        "tickets by language": f"{cases}?language=es",
        "tickets by channel": f"{cases}?channel=slack",
        "tickets by team": f"{cases}?team={TEAMS[2]}",
        "tickets by product": f"{cases}?product=Product+3",
        "tickets by a rare product": f"{cases}?product=Product+399",
        "tickets by carrier": f"{cases}?carrier=DHL",
        "tickets by country": f"{cases}?country=ES",
        "tickets by topic and days": f"{cases}?type=late&product=Product+3&since=2026-01-01&merged=no",
        "tickets, mine": f"{cases}?agent=me",
        "tickets, missed": f"{cases}?due=missed",
        "tickets, missed, by due": f"{cases}?due=missed&sort=due",
        "tickets, due soon": f"{cases}?due=soon&sort=due",
        "tickets without a clock, by due": f"{cases}?due=none&sort=due",
        "tickets, gravest first": f"{cases}?sort=severity",
        "tickets by six": f"{cases}?status=open&type=late&severity=critical&channel=slack&language=es&due=missed",
        **far,
        "conversation of 500 messages": f"{talks}/1",
        "conversation of 500 messages, all of them": f"{talks}/1?show=all",
    }
    found: dict[str, tuple[int, Callable[[], str]]] = {}
    for name, address in fixed.items():
        found[name] = (AIM, lambda address=address: address)  # type: ignore[misc]
    page = (await client.get(fixed["conversation of 500 messages"])).text
    earlier = re.search(rf'href="({talks}/1\?before=\d+)"', page)
    assert earlier, "a conversation of 500 messages is not shown whole"
    found[f"earlier messages of it{BY_SCRIPT}"] = (AIM, lambda: earlier[1])
    found["conversation"] = (AIM, lambda: f"{talks}/{dice.randrange(1, tickets)}")
    found["ticket"] = (AIM, lambda: f"{cases}/{dice.randrange(1, tickets)}")
    for name, words in WORDS.items():
        found[f"search, {name}"] = (SEARCH_AIM, lambda words=words: _search(dice.choice(words)))  # type: ignore[misc]
    narrowed = {"channel": "slack", "language": "es", "since": "2026-01-01"}
    found["search, common, by channel, language, day"] = (
        SEARCH_AIM,
        lambda: _search(dice.choice(WORDS["common"]), **narrowed),
    )
    found["search, messages only"] = (SEARCH_AIM, lambda: _search(dice.choice(WORDS["common"]), kind="message"))
    return found


def _search(words: str, **more: str) -> str:
    return str(httpx.URL("/desk/search", params={"q": words} | more))


async def measure(server: Server, tickets: int, requests: int, only: str) -> None:
    """Print the figures as a table, of the views whose names have ``only`` in them."""
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", timeout=120) as client:
        await sign_in(client)
        rows = []
        for name, (aim, address) in (await views(client, tickets)).items():
            if only not in name:
                continue
            client.headers["hx-request"] = "true" if name.endswith(BY_SCRIPT) else "false"
            times: list[float] = []
            used = server.busy()
            for _ in range(requests):
                where = address()
                begun = time.perf_counter()
                answer = await client.get(where)
                times.append(1000 * (time.perf_counter() - begun))
                assert answer.status_code == 200, (where, answer.status_code)
            used = 1000 * (server.busy() - used) / requests
            high = percentile(times, 0.95)
            rows.append((name, high, aim))
            line = f"| {name} | {statistics.median(times):.0f} ms | {high:.0f} ms | {used:.0f} ms |"
            print(line + ("" if high <= aim else "  slower than its aim"), flush=True)
    missed = [name for name, high, aim in rows if high > aim]
    print(f"{len(rows)} views, {requests} requests each; slower than their aim: {', '.join(missed) or 'none'}")


async def run(folder: Path, postgres: str, size: int, requests: int, only: str) -> None:
    """Fill, start, measure, end."""
    home, data = project(folder), folder / "data"
    data.mkdir(exist_ok=True)
    if postgres:
        os.environ["LINGUADESK_DATABASE_URL"] = postgres
    database = Database(load_config(home, data, env=dict(os.environ)).database_url)
    try:
        await prepared(database, size)
    finally:
        await database.close()
    server = Server(home, data)
    await server.start()
    try:
        print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}, {'PostgreSQL' if postgres else 'SQLite'}")
        await measure(server, size * 6 // 10, requests, only)
    finally:
        server.stop()


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="where the database is kept for the next time; default nowhere")
    parser.add_argument("--postgres", default="", metavar="URL", help="postgresql://user@host/name instead of SQLite")
    parser.add_argument("--conversations", type=int, default=100_000, help="how many; the rest follows from it")
    parser.add_argument("--requests", type=int, default=REQUESTS, help="how often each view is asked for")
    parser.add_argument("--only", default="", metavar="WORDS", help="measure only the views with these in their names")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="linguadesk-bench-") as temporary:
        folder = arguments.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        asked = (arguments.postgres, arguments.conversations, arguments.requests, arguments.only)
        asyncio.run(run(folder.resolve(), *asked))


if __name__ == "__main__":
    main()
