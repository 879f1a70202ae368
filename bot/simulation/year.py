"""Fills a new database with a year of conversations, held through the real pipeline."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from functools import partial
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot import jobs
from bot.app import App, build, recognizer_of
from bot.config import Config
from bot.contracts import Recognizer
from bot.services import figures, users
from bot.simulation import phrases
from bot.simulation.cast import CHANNELS, Person, customers
from bot.simulation.channels import Phones
from bot.simulation.customers import Crowd
from bot.simulation.office import MANAGER, Office, hire
from bot.simulation.seasons import Incidents, Planner
from bot.simulation.shop import Shop
from bot.simulation.world import Newest, Recalling, Seen, World
from bot.storage.indexing import BATCH, index_some
from bot.storage.inline import InPlaceConnection
from bot.storage.migrate import upgrade
from bot.storage.models import Customer, Message, OrderRow, Role, Survey, SurveyStatus
from bot.storage.models.base import clock
from nlu.recognizers import close

SEED = 20_000
DAYS, VISITS, PEOPLE = 365, 760, 300


@dataclass(frozen=True, slots=True)
class Size:
    """How much is simulated: days, visits, customers."""

    days: int = DAYS
    visits: int = VISITS
    people: int = PEOPLE


SMALL = Size(30, 90, 60)


@dataclass(frozen=True, slots=True)
class Step:
    """How far it is: the share that is done (0 to 1), and what there is by now."""

    share: float
    moment: datetime
    visits: int
    messages: int
    unanswered: int


Tell = Callable[[Step], None]


@dataclass(frozen=True, slots=True)
class Filled:
    """What was made: the incidents to find."""

    incidents: Incidents


class _Everyone:
    """Customers and agents, told of what happens."""

    def __init__(self, crowd: Crowd, office: Office) -> None:
        self._crowd, self._office = crowd, office

    async def got(self, seen: Seen) -> None:
        await self._crowd.got(seen)

    async def begun(self, before: Newest, after: Newest) -> None:
        await self._office.begun(before, after)


async def fill(
    config: Config,
    end: datetime,
    *,
    size: Size = Size(),
    seed: int = SEED,
    recognizer: Recognizer | None = None,
    tell: Tell | None = None,
    passwords: dict[str, str] | None = None,
) -> Filled:
    """Make a database and live through ``size.days`` days up to ``end``.

    Args:
        config: settings, with teams; its database must be new or empty.
        end: the present moment, aware; nothing that is made is later.
        size: how much.
        seed: of all chances; the same seed and day of ``end`` give the same days before it.
        recognizer: the one to use; default the one of the settings, whose model must be there.
        tell: told how far it is, about once a day.
        passwords: of ``agent`` (and all colleagues) and ``manager``.

    Raises:
        StorageError: the database cannot be used.
    """
    end = end.astimezone(UTC)
    begin = datetime.combine(end.date(), time(), UTC) - timedelta(days=size.days)
    with _seldom_collecting():
        # Nothing that the settings name is told of invented events, and there are no rooms to remind agents in.
        calm = config.settings.handoff.model_copy(update={"reminder_minutes": 0})
        less = {"webhooks": (), "digests": (), "handoff": calm}
        quiet = replace(config, settings=config.settings.model_copy(update=less))
        used = recognizer or recognizer_of(config)
        app = build(quiet, recognizer=Recalling(used), only=frozenset())
        if app.database.is_sqlite:
            app.database.on_connect(_careless)
        try:
            await upgrade(app.database)
            return await _live(app, begin, end, size, seed, tell, passwords or {})
        finally:
            await app.database.close()
            if recognizer is None:
                await close(used)


async def _live(
    app: App, begin: datetime, end: datetime, size: Size, seed: int, tell: Tell | None, passwords: dict[str, str]
) -> Filled:
    spoken = [code for code in phrases.languages() if code in app.config.settings.languages]
    people = customers(size.people, spoken, seed)
    planner = Planner(people, end.date(), size.days, seed)
    planner.make(size.visits, end)
    phones = {name: Phones(name) for name in CHANNELS}
    world = World(app, phones, begin, end)
    with clock(world.reading):
        async with app.database.begin() as session:
            await _settle_in(session, people, passwords)
        await jobs.begin(app.database, app.config.settings)
        crowd = Crowd(world, people, lambda survey: _about(app, survey))
        office = Office(world, crowd, seed)
        await office.begin()
        world.listener = _Everyone(crowd, office)
        for visit in planner.visits:
            world.at(visit.at, partial(crowd.begin, visit))
        _open_shop(world, Shop(planner.orders))
        await world.run(_teller(app, crowd, begin, end, tell))
        await _catch_up(app)
    return Filled(planner.incidents)


async def _settle_in(session: AsyncSession, people: list[Person], passwords: dict[str, str]) -> None:
    """The desk's people and the shop's customers."""
    await hire(session, passwords.get("agent", "demo-agent-1"))
    await users.add(session, MANAGER, "Mei Tanaka", passwords.get(MANAGER, "demo-manager-1"), Role.MANAGER)
    rows = [
        Customer(
            external_ref=f"sim-{person.number}",
            name=person.name,
            email=person.email,
            phone=person.phone,
            country=person.place.country,
            timezone=person.place.zone,
            tier=person.tier,
        )
        for person in people
    ]
    session.add_all(rows)
    await session.flush()
    for person, row in zip(people, rows, strict=True):
        person.id = row.id


def _open_shop(world: World, shop: Shop) -> None:
    """Have the shop write its orders whenever something has become of one, a few times a day."""

    async def write() -> None:
        async with world.database.begin() as session:
            await shop.write(session, world.moment)
        if (due := shop.due()) is not None:
            world.at(max(due, world.moment + timedelta(hours=5)), write)

    world.at(world.moment, write)


@dataclass(frozen=True, slots=True)
class _About:
    trigger: str
    late: bool


async def _about(app: App, survey_id: int) -> _About:
    """What a survey asks about: what made it leave, and whether its order came late."""
    query = (
        select(Survey.trigger, OrderRow.delivered_at, OrderRow.expected_on)
        .outerjoin(OrderRow, OrderRow.id == Survey.order_id)
        .where(Survey.id == survey_id)
    )
    async with app.database.glance() as session:
        row: Any = (await session.execute(query)).one()
    late = row.delivered_at is not None and row.expected_on is not None and row.delivered_at.date() > row.expected_on
    return _About(row.trigger, late)


def _teller(
    app: App, crowd: Crowd, begin: datetime, end: datetime, tell: Tell | None
) -> Callable[[datetime], Awaitable[None]]:
    async def told(moment: datetime) -> None:
        if tell is None:
            return
        counts = select(
            select(func.max(Message.id)).scalar_subquery(),
            select(func.count())
            .select_from(Survey)
            .where(Survey.status.in_((SurveyStatus.SENT, SurveyStatus.EXPIRED)))
            .scalar_subquery(),
        )
        async with app.database.glance() as session:
            row: Any = (await session.execute(counts)).one()
        tell(Step((moment - begin) / (end - begin), moment, crowd.visits, row[0] or 0, row[1]))

    return told


async def _catch_up(app: App) -> None:
    """Bring the figures and the search index up to date."""
    await figures.catch_up(app.database, app.config.settings)
    more = True
    while more:
        async with app.database.begin() as session:
            more = await index_some(session) == BATCH


def _careless(connection: Any, _record: Any) -> None:
    """SQLite does not wait for the disk, nor anybody for SQLite: what is made can be made again."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA synchronous=OFF")
    cursor.close()
    if isinstance(connection.driver_connection, InPlaceConnection):
        connection.driver_connection.alone = True


@contextlib.contextmanager
def _seldom_collecting() -> Iterator[None]:
    """While this lasts the collector looks less often through all that stays to the end."""
    often = gc.get_threshold()
    gc.set_threshold(100_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*often)
