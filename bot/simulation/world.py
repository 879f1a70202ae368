"""A year in minutes: the product's own clock is set from one thing that happens to the next.

What happens is a customer who writes, an agent who does something, the shop that changes an order, or a timer of
the product's that is due. After each, everything that it causes is done (inbox, outbox, timers) before the clock
goes on. Nothing waits by the machine's clock.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Protocol, TypeAlias

from sqlalchemy import func, select

from bot import inbox, jobs, outbox
from bot.app import App
from bot.contracts import Inbound, Outgoing, Owner, Parse, Recognizer
from bot.dispatch import Dispatcher
from bot.inbox import store
from bot.jobs import bands
from bot.services import figures, timers
from bot.simulation.channels import Phones
from bot.state import State
from bot.storage import Database
from bot.storage.models import Conversation, FollowUp, Handoff, Ticket, Timer, TimerStatus
from bot.worker import InboxWorker, TimerWorker

# What somebody does over a longer time: it yields the moment at which it goes on.
Process: TypeAlias = AsyncGenerator[datetime, None]
MAX_PARSES = 4096
# Bands of figures are looked at only so long before the end: nobody reads of the alerts of last spring.
WATCHED = timedelta(days=8)


class Recalling:
    """A recogniser that reads in the simulated time and remembers what it has read (buttons and short words).

    Args:
        inner: the one that the product uses.
    """

    def __init__(self, inner: Recognizer) -> None:
        self._inner = inner
        self._known: dict[str, Parse] = {}
        # The embedded recogniser can be asked in this thread.
        self._at_once: Callable[..., Parse] | None = getattr(inner, "parse_sync", None)

    async def parse(self, text: str, *, language: str = "", today: date | None = None) -> Parse:
        """See :class:`bot.contracts.Recognizer`."""
        if (found := self._known.get(text)) is not None:
            return found
        if self._at_once is not None:
            found = self._at_once(text, language=language, today=today)
        else:
            found = await self._inner.parse(text, language=language, today=today)
        if len(self._known) >= MAX_PARSES:
            self._known.clear()
        # Other texts may speak of "yesterday".
        if text.startswith("/"):
            self._known[text] = found
        return found


@dataclass(frozen=True, slots=True)
class Seen:
    """What a customer has before them: the messages that have come, what the bot asks for, who answers."""

    conversation_id: int
    messages: tuple[Outgoing, ...]
    state: State
    owner: Owner


@dataclass(frozen=True, slots=True)
class Newest:
    """The last numbers that were given."""

    handoff: int = 0
    ticket: int = 0
    follow_up: int = 0


class Listener(Protocol):
    """Who is told of what has happened."""

    async def got(self, seen: Seen) -> None:
        """Something has come to a customer."""
        ...

    async def begun(self, before: Newest, after: Newest) -> None:
        """There are new hand-overs, tickets or follow-ups."""
        ...


class World:
    """The event loop of the simulated time.

    Args:
        app: the product, put together and not running.
        phones: its channels.
        begin: when the simulated time begins.
        end: when it ends.
    """

    def __init__(self, app: App, phones: Mapping[str, Phones], begin: datetime, end: datetime) -> None:
        self.app = app
        self.moment = begin
        self.end = end
        self.listener: Listener | None = None
        self._phones = phones
        self._queue: list[tuple[datetime, int, Process | Callable[[], Awaitable[None]]]] = []
        self._numbers = itertools.count()
        settings, database = app.config.settings, app.database
        shop = jobs.Workshop(database, app.voice, dict(phones), app.config, None, app.recognizer)
        self._handlers = jobs.handlers(shop)
        self._timers: dict[str, TimerWorker] = {}
        for lane in jobs.lanes(self._handlers):
            self._timers |= dict.fromkeys(lane, TimerWorker(database, lane, settings.delivery))
        self._kinds = [kind for kind in self._handlers if kind != bands.LOOK]
        self._inbox = InboxWorker(database, app.engine, settings.delivery)
        self._outbox = Dispatcher(database, dict(phones), settings.delivery)
        self._newest = Newest()
        self._talks: set[int] = set()

    @property
    def database(self) -> Database:
        """The product's."""
        return self.app.database

    def reading(self) -> datetime:
        """The simulated moment, for :func:`bot.storage.models.base.clock`."""
        return self.moment

    def at(self, moment: datetime, what: Callable[[], Awaitable[None]]) -> None:
        """Have something happen then, or now if that is over."""
        heapq.heappush(self._queue, (max(moment, self.moment), next(self._numbers), what))

    def start(self, process: Process, moment: datetime | None = None) -> None:
        """Have something begin that goes on for a while."""
        heapq.heappush(self._queue, (max(moment or self.moment, self.moment), next(self._numbers), process))

    async def run(self, day_begins: Callable[[datetime], Awaitable[None]]) -> None:
        """Live to the end; ``day_begins`` is called with the moment once on each day."""
        day = self.moment.date()
        hub = self.database.hub
        with hub.watch(timers.TOPIC) as new_timer, hub.watch(inbox.TOPIC) as heard, hub.watch(outbox.TOPIC) as said:
            due, kind = self.end, ""
            new_timer.set()
            while True:
                if new_timer.is_set():
                    new_timer.clear()
                    due, kind = await self._due()
                first = self._queue[0][0] if self._queue else self.end
                at = min(first, due)
                if at >= self.end:
                    break
                self.moment = max(self.moment, at)
                if self.moment.date() != day:
                    day = self.moment.date()
                    await self._count_figures()
                    await day_begins(self.moment)
                    new_timer.set()
                if due <= first:
                    await self._timers[kind].drain()
                    new_timer.set()
                else:
                    await self._go_on(heapq.heappop(self._queue)[2])
                if heard.is_set():
                    heard.clear()
                    await self._inbox.drain()
                if said.is_set():
                    said.clear()
                    await self._outbox.drain()
                    await self._deliver()
        self.moment = self.end
        for _, _, left in self._queue:
            if isinstance(left, AsyncGenerator):
                await left.aclose()

    async def _count_figures(self) -> None:
        """Once a day in the last weeks: what is unusual there is what a manager is alerted of."""
        if self.end - self.moment < WATCHED:
            await figures.catch_up(self.database, self.app.config.settings)
            self._kinds = list(self._handlers)

    async def _due(self) -> tuple[datetime, str]:
        """When the next timer is due, and of which kind it is."""
        query = (
            select(Timer.due_at, Timer.kind)
            .where(Timer.status == TimerStatus.PENDING, Timer.kind.in_(self._kinds))
            .order_by(Timer.due_at, Timer.id)
            .limit(1)
        )
        async with self.database.glance() as session:
            found = (await session.execute(query)).one_or_none()
            return (found[0], found[1]) if found is not None else (self.end, "")

    async def _go_on(self, what: Process | Callable[[], Awaitable[None]]) -> None:
        if not isinstance(what, AsyncGenerator):
            await what()
        elif (moment := await anext(what, None)) is not None:
            self.start(what, moment)

    async def says(self, conversation: Inbound) -> None:
        """A customer's message comes in, as a connector hands it over."""
        async with self.database.begin() as session:
            await store(session, [conversation])

    async def _deliver(self) -> None:
        """Have the customers look at what has come to them."""
        arrived: dict[str, list[Outgoing]] = {}
        for phone in self._phones.values():
            for message in phone.arrived:
                arrived.setdefault(message.address.channel + message.address.key, []).append(message)
            phone.arrived.clear()
        if not arrived or self.listener is None:
            return
        for messages in arrived.values():
            seen, newest = await self._look(messages)
            if newest != self._newest:
                before, self._newest = self._newest, newest
                await self.listener.begun(before, newest)
            await self.listener.got(seen)

    async def _look(self, messages: list[Outgoing]) -> tuple[Seen, Newest]:
        address = messages[0].address
        query = select(
            Conversation.id,
            Conversation.state,
            Conversation.owner,
            select(func.max(Handoff.id)).scalar_subquery(),
            select(func.max(Ticket.id)).scalar_subquery(),
            select(func.max(FollowUp.id)).scalar_subquery(),
        ).where(Conversation.channel == address.channel, Conversation.address_key == address.key)
        async with self.database.glance() as session:
            row: Any = (await session.execute(query)).one()
        seen = Seen(row[0], tuple(messages), State.from_json(row[1]), row[2])
        return seen, Newest(row[3] or 0, row[4] or 0, row[5] or 0)
