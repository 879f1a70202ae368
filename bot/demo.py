"""The demonstration: an invented shop with a simulated past, a few fresh conversations, and what to try.

Everything here is made up. The data is the same on every machine except for its dates, which are
counted from today, so that parcels are always on their way. The past is made by :mod:`bot.simulation`.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import os
import sqlite3
import sys
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from sqlalchemy import inspect, literal, make_url, select, table
from sqlalchemy.ext.asyncio import AsyncSession

from bot import agents, simulation
from bot.app import App
from bot.config import Config
from bot.contracts import Address, Inbound, LinguadeskError
from bot.inbox import store
from bot.simulation.shop import PRODUCTS, tracking_number
from bot.storage import Database, now
from bot.storage.migrate import upgrade
from bot.storage.models import (
    Conversation,
    Customer,
    Inbox,
    InboxStatus,
    OrderLineRow,
    OrderRow,
    Role,
    Survey,
    SurveyStatus,
    User,
)
from bot.texts import SOURCE_LANGUAGE

CHANNEL = "web"
SIGN_INS = (
    ("agent", "Alex Moreau", Role.AGENT, "demo-agent-1"),
    ("manager", "Mei Tanaka", Role.MANAGER, "demo-manager-1"),
)
# (name, e-mail, telephone, country, tier)
PEOPLE = (
    ("Ana Torres", "ana@example.com", "+34600123456", "ES", "gold"),
    ("Li Wei", "li.wei@example.com", "+8613800138000", "CN", "standard"),
    ("Emma Clarke", "emma@example.com", "+447700900123", "GB", "standard"),
    ("Lucas Fernández", "lucas@example.com", "+541145678901", "AR", "standard"),
    ("Sofía Ramírez", "sofia@example.com", "+525512345678", "MX", "silver"),
    ("Zhang Min", "zhang.min@example.com", "+8613912345678", "CN", "gold"),
    ("Oliver Smith", "oliver@example.com", "+12025550143", "US", "standard"),
    ("Chen Jing", "chen.jing@example.com", "+8613611112222", "CN", "silver"),
)
# The orders that the things to try speak of: (number, person, status, days ago, products)
KNOWN_ORDERS = (
    ("100234", 0, "shipped", 4, (0, 4)),
    ("100235", 0, "processing", 1, (6,)),
    ("100236", 0, "delivered", 20, (3,)),
    ("CN-2024-88121", 1, "shipped", 6, (1, 7)),
    ("100240", 1, "paid", 0, (5,)),
    ("100250", 2, "delivered", 9, (2, 2, 7)),
    ("100251", 2, "pending", 0, (0,)),
    ("100260", 3, "delivered", 12, (3,)),
    ("100261", 7, "shipped", 5, (1, 4)),
)
# What is said in the conversations that fill the desk; each line waits for its answer.
CONVERSATIONS = (
    ("en", 2, ("hi there", "where is my order 100250?", "emma@example.com", "great, thanks!")),
    ("es", 3, ("hola, ¿dónde está mi pedido 100260?", "lucas@example.com", "¿hacéis envíos a Chile?", "gracias")),
    ("zh-Hans", 7, ("你好", "我的订单 100261 到哪了？", "chen.jing@example.com", "谢谢")),
    (
        "en",
        6,
        ("My tea set arrived with two broken cups, I am really disappointed", "skip", "skip", "ok thanks"),
    ),
    ("es", 4, ("el paquete llegó roto y faltan piezas", "saltar", "saltar")),
    ("zh-Hans", 7, ("我要找人工客服", "我的退款一直没到，麻烦帮我查一下")),
    ("en", 6, ("I want to talk to a real person please", "It's about a refund that never arrived.")),
)
RATED = (0, 1, 2)
RATINGS = (5, 4, 5)


def suited(config: Config) -> Config:
    """The settings for a demonstration, while its past is made and while it runs.

    Surveys leave at any hour, because somebody is waiting for them. Where config.yml has no teams, there are the
    demonstration's own, with their hours.
    """
    settings = config.settings
    changes: dict[str, Any] = {"surveys": settings.surveys.model_copy(update={"quiet_hours": ""})}
    if not settings.teams:
        calendars = {simulation.CALENDAR: simulation.desk_hours()} | settings.calendars
        changes |= {"teams": simulation.TEAMS, "calendars": calendars}
    return replace(config, settings=settings.model_copy(update=changes))


def connect(app: App) -> None:
    """Have something stand where platforms would be that are off, so that their customers can be answered."""
    for name in simulation.CHANNELS:
        if name not in app.connectors:
            app.connectors[name] = simulation.Phones(name, keeps=False)


async def prepare(
    config: Config, *, fresh: bool = False, small: bool = False
) -> Callable[[App, str], Coroutine[Any, Any, None]]:
    """Make the database and its past, once; returns what introduces the running desk.

    On SQLite everything is made in a file beside and moved into its place at the end, so that an interrupted
    start leaves nothing. On PostgreSQL a database that is half filled is refused the next time.

    Args:
        config: settings, as :func:`suited` gives them.
        fresh: start over; nothing is deleted but a database that the demonstration has made.
        small: a month instead of a year.

    Raises:
        DemoError: the database is not the demonstration's, or half filled; the text says what to do.
        StorageError: the database cannot be used.
    """
    target = _file_of(config)
    state = await _state(config)
    if state is _State.OTHER:
        raise DemoError(
            f"{_shown(config)} holds data that the demonstration has not made; choose another folder with --data-dir, "
            "and unset LINGUADESK_DATABASE_URL or name an empty database there"
        )
    if fresh and state is not _State.EMPTY:
        _remove(target, config)
        state = _State.EMPTY
    if state is _State.HALF:
        renew = _RENEW if target is None else "start the demonstration with --fresh"
        raise DemoError(f"the database {_shown(config)} was not filled to the end; {renew}")
    empty = state is _State.EMPTY
    if empty and target is not None:
        await _fill_beside(config, target, small)
    elif empty:
        await _fill(config, small)
    else:
        database = Database(config.database_url)
        try:
            await upgrade(database)
        finally:
            await database.close()

    async def introduce(app: App, base: str) -> None:
        _print(base)
        if empty:
            await _converse(app)

    return introduce


class DemoError(LinguadeskError):
    """The demonstration cannot use this database; the text says what to do."""


class _State(enum.Enum):
    """What a database holds: nothing, the whole demonstration, a part of it, or something else."""

    EMPTY = enum.auto()
    WHOLE = enum.auto()
    HALF = enum.auto()
    OTHER = enum.auto()


_RENEW = "drop it, make an empty one of the same name, and start the demonstration again"


def _file_of(config: Config) -> Path | None:
    """The file of an SQLite database; None for a server's."""
    url = make_url(config.database_url)
    return Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None


def _shown(config: Config) -> str:
    return make_url(config.database_url).render_as_string(hide_password=True)


async def _state(config: Config) -> _State:
    target = _file_of(config)
    if target is not None and not target.exists():
        return _State.EMPTY
    database = Database(config.database_url)
    try:
        # Looked at as it is: what is not the demonstration's must not be changed, nor brought to this version.
        async with database.read() as session:
            names = await (await session.connection()).run_sync(lambda known: inspect(known).get_table_names())
            held = [name for name in _HELD if name in names]
            if not [
                name for name in held if await session.scalar(select(literal(1)).select_from(table(name)).limit(1))
            ]:
                return _State.EMPTY
            marked = select(Customer.external_ref).where(Customer.external_ref.in_(_MARKS))
            known = set(await session.scalars(marked)) if "customers" in held else set()
        return _State.WHOLE if _MARKS[0] in known else _State.HALF if known else _State.OTHER
    finally:
        await database.close()


# Whoever has a row in one of these has something to lose.
_HELD = ("users", "customers", "orders", "conversations", "inbox")
# The first customer of the things to try, who comes last; and the first of the simulated ones.
_MARKS = ("demo-0", "sim-1")


def _remove(target: Path | None, config: Config) -> None:
    """Delete the demonstration's database. Raises :class:`DemoError` where it is a server's."""
    if target is None:
        raise DemoError(f"--fresh deletes no database of a server ({_shown(config)}); {_RENEW}")
    _delete(target)


def _delete(target: Path) -> None:
    for end in ("", "-wal", "-shm"):
        target.with_name(target.name + end).unlink(missing_ok=True)


async def _fill_beside(config: Config, target: Path, small: bool) -> None:
    """Fill a file beside the database's and move it into its place."""
    beside = target.with_name(f"{target.name}.filling")
    target.parent.mkdir(parents=True, exist_ok=True)
    _delete(beside)
    try:
        await _fill(replace(config, env=config.env | {"LINGUADESK_DATABASE_URL": f"sqlite:///{beside}"}), small)
        _settle(beside)
    except BaseException:
        _delete(beside)
        raise
    _delete(target)
    beside.replace(target)


def _settle(file: Path) -> None:
    """Have all of a database in its one file, and that on the disk."""
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with file.open("rb+") as written:
        os.fsync(written.fileno())


async def _fill(config: Config, small: bool) -> None:
    """The past, then the customers and orders of the things to try."""
    size = simulation.SMALL if small else simulation.Size()
    with telling(size.days) as tell:
        passwords = {username: password for username, _, _, password in SIGN_INS}
        await simulation.fill(config, now(), size=size, tell=tell, passwords=passwords)
    database = Database(config.database_url)
    try:
        async with database.begin() as session:
            await _known(session)
    finally:
        await database.close()


async def _known(session: AsyncSession) -> None:
    people = [
        Customer(external_ref=f"demo-{index}", name=name, email=email, phone=phone, country=country, tier=tier)
        for index, (name, email, phone, country, tier) in enumerate(PEOPLE)
    ]
    session.add_all(people)
    await session.flush()
    for number, person, status, days, products in KNOWN_ORDERS:
        await _order(session, number, people[person], status, days, products)


async def _order(
    session: AsyncSession, number: str, person: Customer, status: str, days: int, products: tuple[int, ...]
) -> None:
    placed = now() - timedelta(days=days, hours=3)
    quantities = {product: products.count(product) for product in dict.fromkeys(products)}
    total = sum((Decimal(PRODUCTS[product][2]) * count for product, count in quantities.items()), Decimal(0))
    sent = status in ("shipped", "delivered", "returned")
    row = OrderRow(
        number=number,
        number_key=number.replace("-", ""),
        customer_id=person.id,
        status=status,
        placed_at=placed,
        currency="EUR",
        total=total,
        country=person.country,
        email=person.email,
        phone=person.phone,
        carrier="PostNL" if sent else "",
        tracking_number=tracking_number(int("".join(filter(str.isdigit, number))) % 10**8) if sent else "",
        expected_on=now().date() + timedelta(days=3) if status == "shipped" else None,
        delivered_at=placed + timedelta(days=6) if status in ("delivered", "returned") else None,
        cancelled_at=placed + timedelta(days=1) if status == "cancelled" else None,
    )
    session.add(row)
    await session.flush()
    for position, (product, count) in enumerate(quantities.items(), 1):
        sku, description, price = PRODUCTS[product]
        line = OrderLineRow(
            order_id=row.id,
            position=position,
            sku=sku,
            description=description,
            quantity=count,
            unit_price=Decimal(price),
        )
        session.add(line)


@contextlib.contextmanager
def telling(days: int) -> Iterator[simulation.Tell]:
    """Say how far the making of the past is: a bar on a terminal, else a line a quarter of it."""
    console = Console(stderr=True)
    what = "a year" if days > 31 else "a month"
    month, told, before = "", 0.0, (0, 0)

    def line(step: simulation.Step) -> str:
        return f"{month}: {step.visits - before[0]} conversations, {step.unanswered - before[1]} surveys unanswered"

    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as progress:
        task = progress.add_task(f"Simulating {what} of conversations (once)", total=1.0)

        def tell(step: simulation.Step) -> None:
            nonlocal month, told, before
            shown = f"{step.moment:%B %Y}"
            if shown != month:
                month, before = shown, (step.visits, step.unanswered)
            progress.update(task, completed=step.share, description=line(step))
            if not console.is_terminal and step.share >= told:
                told += 0.25
                console.print(
                    f"Simulating {what}: {step.share:.0%}, {step.visits} conversations, {step.messages} messages, "
                    f"{step.unanswered} surveys unanswered",
                    highlight=False,
                )

        yield tell


async def _converse(app: App) -> None:
    """Hold the conversations through the real pipeline, then resolve and rate some of them."""
    spoken = app.config.settings.languages
    ids: list[int] = []
    for index, (language, _person, lines) in enumerate(CONVERSATIONS):
        if language in spoken:
            ids.append(await _hold(app, f"demo-{index}", language, lines))
    async with app.database.begin() as session:
        agent = (await session.scalars(select(User).where(User.username == SIGN_INS[0][0]))).one()
        for conversation_id in (ids[index] for index in RATED if index < len(ids)):
            settings = app.config.settings.handoff
            await agents.take_over(session, conversation_id, agent, settings)
            await agents.resolve(session, app.voice, conversation_id, agent, app.config.settings.surveys)
    for conversation_id, rating in zip((ids[index] for index in RATED if index < len(ids)), RATINGS, strict=False):
        await _rate(app, conversation_id, rating)


async def _hold(app: App, visitor: str, language: str, lines: tuple[str, ...]) -> int:
    address = Address(CHANNEL, visitor, visitor)
    name = f"Visitor {visitor.removeprefix('demo-')}"
    for number, text in enumerate(lines):
        event = Inbound(f"{visitor}-{number}", address, text, locale=language or SOURCE_LANGUAGE, name=name)
        async with app.database.begin() as session:
            (inbox_id,) = await store(session, [event])
        await _until(app, select(Inbox.id).where(Inbox.id == inbox_id, Inbox.status != InboxStatus.PENDING))
    async with app.database.read() as session:
        return (await session.scalars(select(Conversation.id).where(Conversation.chat == visitor))).one()


async def _rate(app: App, conversation_id: int, rating: int) -> None:
    sent = select(Survey.id).where(Survey.conversation_id == conversation_id, Survey.status == SurveyStatus.SENT)
    survey_id = await _until(app, sent)
    async with app.database.begin() as session:
        chat = await session.get_one(Conversation, conversation_id)
        payload = f'/inform{{"rating": "{rating}", "survey": "{survey_id}"}}'
        event = Inbound(f"{chat.chat}-rating", Address(CHANNEL, chat.chat, chat.user), str(rating), payload)
        await store(session, [event])


async def _until(app: App, query: Any, seconds: float = 15) -> Any:
    """What a query finds, waited for."""
    for _ in range(int(seconds / 0.05)):
        async with app.database.read() as session:
            if (found := await session.scalar(query)) is not None:
                return found
        await asyncio.sleep(0.05)
    raise TimeoutError("the demonstration's conversations were not answered in time")


def _print(base: str) -> None:
    console = Console(file=sys.stdout, highlight=False)
    console.print("\n[bold]Linguadesk is running.[/] Everything in it is invented; Ctrl+C ends it.\n")
    places = Table(show_header=False, box=None, padding=(0, 2))
    places.add_row("Chat, as a customer", f"{base}/chat")
    places.add_row("Desk, as an agent", f"{base}/desk")
    places.add_row("Dashboard, as a manager", f"{base}/desk/dashboard")
    console.print(places)
    console.print("\n[bold]Sign-ins for the desk[/]")
    accounts = Table(show_header=False, box=None, padding=(0, 2))
    for username, name, role, password in SIGN_INS:
        accounts.add_row(username, password, f"{name}, {role.value}")
    console.print(accounts)
    console.print("\n[bold]Five things to try in the chat[/]")
    for number, line in enumerate(
        (
            "Where is my order 100234?   (then, as proof: ana@example.com)",
            "quiero cancelar el pedido 100235   (ana@example.com)",
            "我的订单 CN-2024-88121 到哪了？   (li.wei@example.com)",
            "The tea set arrived with two broken cups",
            "I want to talk to a person   (then answer as agent from the desk)",
        ),
        1,
    ):
        console.print(f"  {number}. {line}")
    console.print("\nWhat went wrong in its past, for a manager to find: docs/demo.md\n")
    sys.stdout.flush()
