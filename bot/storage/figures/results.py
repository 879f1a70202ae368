"""What the figures look like: plain frozen values, without words and without rounding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal, TypeAlias

Kind: TypeAlias = Literal["csat", "nps", "ces"]
KINDS: tuple[Kind, ...] = ("csat", "nps", "ces")
# The answers that each kind's scale offers.
SCALES: dict[Kind, range] = {"csat": range(1, 6), "nps": range(11), "ces": range(1, 8)}


def ratio(part: float, whole: float) -> float | None:
    """A share, None of nothing."""
    return part / whole if whole else None


@dataclass(frozen=True, slots=True)
class Score:
    """CSAT, NPS or CES with what it rests on.

    ``value`` is for CSAT the share of 4 and 5 in [0, 1], for NPS in [-100, 100], for CES the mean in
    [1, 7]; None where nothing was answered. ``low`` and ``high`` are its 95 % interval, None where it has
    none (CES of a single answer). ``distribution`` counts the answers by rating, all of the scale's.
    ``late`` came after the survey's end: they are kept, and counted nowhere else.
    """

    kind: Kind
    value: float | None
    n: int
    delivered: int
    low: float | None
    high: float | None
    distribution: Mapping[int, int]
    late: int = 0
    # CES only: the share of 5 to 7 with Wilson's interval.
    share: float | None = None
    share_low: float | None = None
    share_high: float | None = None

    @property
    def response_rate(self) -> float | None:
        """Answered out of delivered, in [0, 1]."""
        return ratio(self.n, self.delivered)


@dataclass(frozen=True, slots=True)
class Point:
    """A score in one day, week or month, named by its first local day."""

    start: date
    since: datetime
    until: datetime
    score: Score


@dataclass(frozen=True, slots=True)
class Cell:
    """One value of a dimension: ``value`` as it stands in :class:`~bot.storage.figures.Filters` (an agent's id),
    ``name`` as it is read (the agent's name). ``score`` is None where fewer than the least number of answers are
    there: then only ``n`` and ``delivered`` are told."""

    value: str | int
    name: str
    n: int
    delivered: int
    score: Score | None


@dataclass(frozen=True, slots=True)
class Comment:
    """What a customer wrote about a rating; ``sentiment`` in [-1, 1]."""

    survey_id: int
    kind: str
    score: int | None
    text: str
    at: datetime
    channel: str
    language: str
    team: str
    agent_id: int | None
    topic: str
    sentiment: float | None
    conversation_id: int
    ticket_id: int | None


@dataclass(frozen=True, slots=True)
class FollowUpFigures:
    """Follow-ups of low scores that were opened in the period.

    ``recovery_rate`` is recovered out of closed, with Wilson's 95 % interval.
    """

    opened: int
    open: int
    overdue: int
    recovered: int
    not_recovered: int
    not_reached: int
    recovery_rate: float | None
    low: float | None
    high: float | None

    @property
    def closed(self) -> int:
        """Those with an outcome."""
        return self.recovered + self.not_recovered + self.not_reached


@dataclass(frozen=True, slots=True)
class Volume:
    """How much was said. A conversation here is an episode that began in the period; messages are those
    of the period by author: ``customer``, ``bot``, ``agent``, ``survey`` and ``notice``. ``customers`` are
    those who began an episode, each once on whatever channels, and each unknown chat once."""

    conversations: int
    customers: int
    messages: Mapping[str, int]

    @property
    def messages_in(self) -> int:
        """What customers wrote."""
        return self.messages.get("customer", 0)

    @property
    def messages_out(self) -> int:
        """What was sent to them, by whomever."""
        return sum(self.messages.values()) - self.messages_in


@dataclass(frozen=True, slots=True)
class Duration:
    """Times in seconds: how many there are, median and 90th percentile (Hyndman and Fan's type 7).

    ``low`` and ``high`` are the median's 95 % interval, None for fewer than six.
    """

    n: int
    median: float | None
    p90: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Promise:
    """Promises of one kind that came to their end in the period."""

    kind: str
    kept: int
    missed: int
    share: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Backlog:
    """Open tickets as of a moment, by status, and by age in calendar time: upper bounds in days, None above all."""

    at: datetime
    total: int
    by_status: Mapping[str, int]
    by_age: tuple[tuple[int | None, int], ...]
    oldest: datetime | None


@dataclass(frozen=True, slots=True)
class Containment:
    """What became of the episodes that began in the period; each is one of the parts.

    ``confirmed``: the customer said that it was what they wanted. ``silent``: the bot answered, and they
    wrote no more for 72 hours. ``returned``: they came back within 72 hours on the same subject.
    ``escalated``: a person was needed. ``undecided``: silent for less than 72 hours so far.
    ``aside`` had no wish that the bot acts on (a greeting, a rating), and is no part of the whole.
    """

    confirmed: int
    silent: int
    returned: int
    escalated: int
    undecided: int
    aside: int

    @property
    def total(self) -> int:
        """Those that are decided."""
        return self.confirmed + self.silent + self.returned + self.escalated

    def share(self, part: Literal["confirmed", "silent", "returned", "escalated"]) -> float | None:
        """A part of the decided ones, in [0, 1]."""
        return ratio(getattr(self, part), self.total)


@dataclass(frozen=True, slots=True)
class Understanding:
    """How well the bot reads one language. ``corrected`` readings were put right by an agent.

    ``messages`` are those typed and read; ``fallbacks`` those that it did not understand, with Wilson's
    95 % interval of their share; the confidences are in [0, 1], told to 1/10,000.
    """

    language: str
    messages: int
    fallbacks: int
    fallback_rate: float | None
    low: float | None
    high: float | None
    mean_confidence: float | None
    median_confidence: float | None
    corrected: int


@dataclass(frozen=True, slots=True)
class Busiest:
    """Customers' messages by weekday (0 is Monday) and hour of the zone's clock: ``counts[weekday][hour]``."""

    counts: tuple[tuple[int, ...], ...]

    @property
    def most(self) -> int:
        """The largest of them."""
        return max(max(row) for row in self.counts)


@dataclass(frozen=True, slots=True)
class Operations:
    """All operational figures of one period."""

    volume: Volume
    first_response: Duration
    resolution: Duration
    queue_wait: Duration
    promises: tuple[Promise, ...]
    containment: Containment
    handoffs: int
    # Opened in the period.
    tickets: int = 0


@dataclass(frozen=True, slots=True)
class OperationsPoint:
    """Operational figures of one day, week or month."""

    start: date
    since: datetime
    until: datetime
    figures: Operations


@dataclass(frozen=True, slots=True)
class OperationsCell:
    """Operational figures of one value of a dimension."""

    value: str | int
    name: str
    figures: Operations


@dataclass(frozen=True, slots=True)
class Drilled:
    """One thing behind a figure: ``what`` is ``survey``, ``ticket`` or ``conversation`` and ``id`` its id;
    ``detail`` has codes and numbers (the score, the outcome, the language, …), never a customer's words."""

    what: Literal["survey", "ticket", "conversation"]
    id: int
    conversation_id: int
    name: str
    channel: str
    at: datetime
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Page:
    """Part of what is behind a figure; pages count from 1."""

    items: tuple[Drilled, ...]
    total: int
    page: int
    pages: int
