"""What an operator watches: counts and times of this process, and what waits in the database, as Prometheus reads it.

Labels hold the names of channels, languages, engines and the like, of which there are a few; never a customer's
words, nobody's name, no id of anything.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from datetime import date, datetime
from importlib.metadata import version

from prometheus_client import CollectorRegistry, Counter, Histogram, Info, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from sqlalchemy.ext.asyncio import AsyncSession

from bot.contracts import (
    AsksServer,
    Breaker,
    ChannelDown,
    Parse,
    PermanentError,
    Recognizer,
    ServerUse,
    TemporaryError,
    Unreachable,
)
from bot.storage import Database, now, standing
from bot.storage.database import described

log = logging.getLogger(__name__)

# All queries of one page together: a scraper waits ten seconds by default, and is to have the rest of the page.
QUERIES_SECONDS = 5.0
RECOGNITION_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
ANSWER_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
UNDERSTOOD, BUTTON = "understood", "button"
OUTCOMES = (UNDERSTOOD, BUTTON, "fallback", "clarify", "out_of_scope", "offer_person", "languages_spoken")
"""What became of an answered message: the last five are the replies that only say that nothing was understood."""
FAILURES = ("refused", "unreachable", "channel_down", "told_to_wait", "temporary", "timeout", "error")
"""Why a message did not leave at a try."""


def failure_kind(error: Exception) -> str:
    """Which of :data:`FAILURES` an exception of a connector is."""
    if isinstance(error, PermanentError):
        return "unreachable" if isinstance(error, Unreachable) else "refused"
    if isinstance(error, ChannelDown):
        return "channel_down"
    if isinstance(error, TemporaryError):
        return "temporary" if error.retry_after is None else "told_to_wait"
    return "timeout" if isinstance(error, TimeoutError) else "error"


class Metrics:
    """The counts of one app, in a registry of its own: apps in one process do not mix."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self._received = Counter(
            "linguadesk_messages_received", "Customers' messages that were committed.", ["channel"], registry=registry
        )
        self._sent = Counter(
            "linguadesk_messages_sent", "Messages that the platform has taken.", ["channel"], registry=registry
        )
        self._failed = Counter(
            "linguadesk_sends_failed", "Tries to send that failed.", ["channel", "kind"], registry=registry
        )
        self._recognition = Histogram(
            "linguadesk_recognition_seconds",
            "Time to understand one message, by the engine whose judgement counted.",
            ["engine"],
            buckets=RECOGNITION_BUCKETS,
            registry=registry,
        )
        self._answered = Counter(
            "linguadesk_messages_answered",
            "Messages that the bot has answered, by the conversation's language and by what was made of them.",
            ["language", "outcome"],
            registry=registry,
        )
        self._answer = Histogram(
            "linguadesk_answer_seconds",
            "Time from a message's arrival until the bot's answer was committed to the outbox.",
            ["channel"],
            buckets=ANSWER_BUCKETS,
            registry=registry,
        )
        self._errors = Counter(
            "linguadesk_scrape_errors",
            "Queries that failed while this page was made; what they would have said is missing.",
            ["query"],
            registry=registry,
        )
        Info("linguadesk_build", "The running version.", registry=registry).info({"version": version("linguadesk")})
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        for query in _QUERIES:
            self._errors.labels(query)
        # The queries that failed at the last page: the log says it once.
        self._failing: set[str] = set()

    def expect(self, channels: Iterable[str], languages: Iterable[str]) -> None:
        """Have the counts of these begin at 0: an increase from nothing at all is none to Prometheus."""
        for channel in channels:
            self._received.labels(channel)
            self._sent.labels(channel)
            self._answer.labels(channel)
            for kind in FAILURES:
                self._failed.labels(channel, kind)
        for language in languages:
            for outcome in OUTCOMES:
                self._answered.labels(language, outcome)

    def watched(self, recognizer: Recognizer) -> Recognizer:
        """The recogniser to use in the place of this one, so that what it does is counted here.

        How it fares with a server that it asks is its own count: apps that share the recogniser share that.
        """
        if isinstance(recognizer, AsksServer):
            self.registry.register(_Server(recognizer.server_use))
        return _Timed(recognizer, self._recognition)

    def received(self, channel: str) -> None:
        """A customer's message was committed."""
        self._received.labels(channel).inc()

    def sent(self, channel: str) -> None:
        """A platform has taken a message, all parts of it."""
        self._sent.labels(channel).inc()

    def send_failed(self, channel: str, error: Exception) -> None:
        """A try to send a message ended like this."""
        self._failed.labels(channel, failure_kind(error)).inc()

    def answered(self, channel: str, language: str, received_at: datetime, outcome: str) -> None:
        """The bot's answer to a message was committed.

        Args:
            channel: where.
            language: the language of the answer.
            received_at: when the message came.
            outcome: one of :data:`OUTCOMES`.
        """
        self._answered.labels(language, outcome).inc()
        self._answer.labels(channel).observe(max(0.0, (now() - received_at).total_seconds()))

    async def page(self, database: Database, accept: str = "") -> tuple[bytes, str]:
        """Everything, with what waits in the database now.

        A query that fails, or does not end in time, is left out: it is counted, and logged when that begins.

        Args:
            database: what is asked.
            accept: the request's ``Accept``: Prometheus' text format, or OpenMetrics for who prefers it.

        Returns:
            The page and its content type.
        """
        families: list[Metric] = []
        deadline = asyncio.get_running_loop().time() + QUERIES_SECONDS
        for name, query in _QUERIES.items():
            try:
                async with asyncio.timeout_at(deadline), database.read() as session:
                    families += await query(session)
            except Exception as error:
                # Whatever it is: the page is most wanted when something does not work.
                self._errors.labels(name).inc()
                if name not in self._failing:
                    log.warning("the figures of %s are missing in /metrics: %s", name, described(error))
                self._failing.add(name)
            else:
                self._failing.discard(name)
        try:
            encode, content_type = choose_encoder(accept)
        except (TypeError, ValueError):  # a version that is no number
            encode, content_type = choose_encoder("")
        return encode(_Page(self.registry, families)), content_type


class _Timed:
    """A recogniser whose time is taken; buttons and messages without words, which need no engine, do not count."""

    def __init__(self, recognizer: Recognizer, histogram: Histogram) -> None:
        self._recognizer = recognizer
        self._histogram = histogram

    async def parse(self, text: str, *, language: str = "", today: date | None = None) -> Parse:
        """Understand one message; see :class:`bot.contracts.Recognizer`."""
        begun = time.perf_counter()
        parse = await self._recognizer.parse(text, language=language, today=today)
        if parse.engine:
            self._histogram.labels(parse.engine).observe(time.perf_counter() - begun)
        return parse


class _Server(Collector):
    """What a recogniser says of the server that it asks."""

    def __init__(self, use: Callable[[], ServerUse]) -> None:
        self._use = use

    def collect(self) -> Iterator[Metric]:
        """The state of the breaker, and the messages that were answered without the server."""
        use = self._use()
        breaker = GaugeMetricFamily(
            "linguadesk_rasa_circuit_breaker", "1 for the state that the circuit breaker is in.", labels=["state"]
        )
        for state in Breaker:
            breaker.add_metric([state.value], float(state is use.breaker))
        yield breaker
        stepped = CounterMetricFamily(
            "linguadesk_rasa_stepped_back",
            "Messages for which the embedded engine's answer counted in place of Rasa's.",
            labels=["reason"],
        )
        for reason, count in use.stepped_back.items():
            stepped.add_metric([reason], count)
        yield stepped


class _Page(Collector):
    """A registry's metrics and some more. When each count began is left out: it would double the page's length."""

    def __init__(self, registry: CollectorRegistry, families: list[Metric]) -> None:
        self._registry = registry
        self._families = families

    def collect(self) -> Iterator[Metric]:
        """All of them."""
        for family in self._registry.collect():
            family.samples = [sample for sample in family.samples if not sample.name.endswith("_created")]
            yield family
        yield from self._families


# ---------------------------------------------------------------------- what waits in the database


def _gauge(name: str, words: str, label: str, values: dict[str, int]) -> Metric:
    family = GaugeMetricFamily(f"linguadesk_{name}", words, labels=[label])
    for value, count in values.items():
        family.add_metric([value], count)
    return family


def _age(name: str, words: str, since: datetime | None) -> Metric:
    """Seconds since then, 0 where nothing waits."""
    seconds = 0.0 if since is None else max(0.0, (now() - since).total_seconds())
    return GaugeMetricFamily(f"linguadesk_{name}_seconds", words, value=seconds)


async def _outbox(session: AsyncSession) -> list[Metric]:
    found = await standing.outbox(session)
    return [
        _gauge(
            "outbox_messages",
            "Messages to be sent: waiting, or given up.",
            "state",
            {"waiting": found.count, "dead": found.dead},
        ),
        _age("outbox_oldest", "Age of the oldest message that waits to be sent.", found.since),
    ]


async def _inbox(session: AsyncSession) -> list[Metric]:
    found = await standing.inbox(session)
    return [
        _gauge(
            "inbox_events",
            "Received events: waiting to be handled, or set aside.",
            "state",
            {"waiting": found.count, "dead": found.dead},
        ),
        _age("inbox_oldest", "Age of the oldest event that waits to be handled.", found.since),
    ]


async def _jobs(session: AsyncSession) -> list[Metric]:
    found = await standing.jobs(session)
    return [
        _gauge(
            "jobs", "Jobs whose time has come, and those given up.", "state", {"due": found.count, "dead": found.dead}
        ),
        _age("jobs_oldest", "How long the job that is due longest has been due.", found.since),
    ]


async def _talks(session: AsyncSession) -> list[Metric]:
    found = await standing.talks(session)
    return [
        _gauge(
            "conversations",
            "Conversations by owner; those of the queue wait for a person.",
            "owner",
            {owner.value: count for owner, count in found.owners.items()},
        ),
        _age("queue_longest_wait", "How long the customer waits who has waited longest for a person.", found.since),
    ]


async def _tickets(session: AsyncSession) -> list[Metric]:
    found = await standing.open_tickets(session)
    values = {severity.value: count for severity, count in found.items()}
    return [_gauge("tickets_open", "Tickets that are neither resolved nor closed.", "severity", values)]


async def _team(session: AsyncSession) -> list[Metric]:
    found = await standing.team(session)
    return [
        _gauge(
            "agents",
            "Active users of the desk: those who take new work, and those who are away.",
            "state",
            {"available": found.available, "away": found.away},
        ),
        GaugeMetricFamily(
            "linguadesk_agents_present", "Users who have a conversation open at the desk.", value=found.present
        ),
    ]


_QUERIES: dict[str, Callable[[AsyncSession], Awaitable[list[Metric]]]] = {
    "outbox": _outbox,
    "inbox": _inbox,
    "jobs": _jobs,
    "conversations": _talks,
    "tickets": _tickets,
    "agents": _team,
}
