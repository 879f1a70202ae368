"""What is counted: kinds of facts, the tables they stand in, and how their rows become columns and are read.

``score``: a survey that was delivered (``csat``, ``nps``, ``ces``); ``follow_ups`` of low ones; ``handoffs``;
``episodes``; tickets' ``responses``, ``resolutions`` and the promises about both; ``messages``. What has changed since
a day's columns were written is read from the tables (see :class:`bot.storage.models.FigureChange`), so that no answer
is missing for a moment.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Select, and_, case, exists, func, literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.contracts import Author
from bot.storage.figures import columns
from bot.storage.figures.columns import DIMENSION_COLUMNS, WORDS, Array
from bot.storage.figures.filters import Filters
from bot.storage.figures.results import KINDS
from bot.storage.models import (
    STEPPED_IN,
    Conversation,
    Customer,
    Episode,
    FigureChange,
    FollowUp,
    Handoff,
    Survey,
    SurveyStatus,
    TicketTime,
)

# The states of a survey.
UNANSWERED, ANSWERED, LATE = range(3)
# The outcomes of an episode; whether one of the last two is decided yet depends on when it ended.
ASIDE, ESCALATED, RETURNED, CONFIRMED, SILENT = range(5)
# How long a customer may stay away until it is sure that they did not come back.
WAIT = timedelta(hours=72)
AUTHORS = tuple(Author)
# How a message was read: not by the bot, understood, not understood.
UNREAD, UNDERSTOOD, FALLBACK = range(3)
NOTHING = -1
FOLLOW_UPS = "follow_ups"
# The outcomes of a follow-up, numbered from 1 on; the last is that the low score was taken back.
OUTCOMES = ("recovered", "not_recovered", "not_reached", "withdrawn")
STILL_OPEN = 0


@dataclass(frozen=True, slots=True)
class Fact:
    """A kind of fact.

    Args:
        name: as in the columns.
        source: selects ``id``, ``at`` and the columns, by their names; words as words.
        key: the source's id.
        at: the source's time.
        change: under what its changes are noted, if whoever reads looks at them; else the columns are all there is.
    """

    name: str
    source: Select[Any]
    key: Any
    at: Any
    own: tuple[str, ...]
    change: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """All its columns."""
        return ("id", "at", *self.own, *DIMENSION_COLUMNS)


def _snapshot(model: Any) -> tuple[Any, ...]:
    return (
        model.channel,
        model.language,
        model.team,
        model.ticket_type.label("type"),
        model.product,
        model.country,
        model.tier,
        func.coalesce(model.agent_id, 0).label("agent"),
    )


def _survey(kind: str) -> Fact:
    answered = and_(Survey.status == SurveyStatus.ANSWERED, Survey.score.is_not(None))
    late = and_(Survey.status == SurveyStatus.EXPIRED, Survey.score.is_not(None))
    source = select(
        Survey.id,
        Survey.delivered_at.label("at"),
        func.coalesce(Survey.score, NOTHING).label("score"),
        case((answered, ANSWERED), (late, LATE), else_=UNANSWERED).label("state"),
        *_snapshot(Survey),
    ).where(Survey.kind == kind, Survey.delivered_at.is_not(None))
    return Fact(kind, source, Survey.id, Survey.delivered_at, ("score", "state"), "survey")


def _handoffs() -> Fact:
    source: Any = (
        select(
            Handoff.id,
            Handoff.started_at.label("at"),
            Handoff.started_at.label("begin"),
            # Whoever steps in by themselves has kept nobody waiting.
            case((Handoff.reason != STEPPED_IN, Handoff.claimed_at)).label("end"),
            Handoff.reason,
            Conversation.channel,
            Conversation.language,
            Handoff.team,
            literal("").label("type"),
            literal("").label("product"),
            func.coalesce(Customer.country, "").label("country"),
            func.coalesce(Customer.tier, "").label("tier"),
            func.coalesce(Handoff.agent_id, 0).label("agent"),
        )
        .join(Conversation, Conversation.id == Handoff.conversation_id)
        .outerjoin(Customer, Customer.id == Conversation.customer_id)
    )
    return Fact("handoffs", source, Handoff.id, Handoff.started_at, ("seconds", "reason"), "handoff")


def _follow_ups() -> Fact:
    outcome = case(*((FollowUp.outcome == word, number) for number, word in enumerate(OUTCOMES, 1)), else_=STILL_OPEN)
    # The team is its own, all else is the survey's.
    snapshot = [FollowUp.team if column is Survey.team else column for column in _snapshot(Survey)]
    source: Any = select(
        FollowUp.id,
        FollowUp.created_at.label("at"),
        FollowUp.due_at.label("due"),
        case((FollowUp.closed_at.is_(None), STILL_OPEN), else_=outcome).label("outcome"),
        *snapshot,
    ).join(Survey, Survey.id == FollowUp.survey_id)
    return Fact(FOLLOW_UPS, source, FollowUp.id, FollowUp.created_at, ("due", "outcome"), "follow_up")


def _ticket(name: str, at: Any, value: ColumnElement[Any]) -> Fact:
    own = value.name
    source = select(TicketTime.ticket_id.label("id"), at.label("at"), value, *_snapshot(TicketTime)).where(
        at.is_not(None)
    )
    return Fact(name, source, TicketTime.ticket_id, at, (own,))


def _kept(column: Any) -> ColumnElement[Any]:
    return case((column.is_(True), 1), else_=0).label("kept")


def _episodes() -> Fact:
    outcome = case(
        (Episode.escalated, ESCALATED),
        (Episode.plain, ASIDE),
        (Episode.again, RETURNED),
        (Episode.thanked, CONFIRMED),
        else_=SILENT,
    )
    person = case((Episode.customer_id.is_(None), -Episode.conversation_id), else_=Episode.customer_id)
    source = select(
        Episode.id,
        Episode.began_at.label("at"),
        Episode.ended_at.label("ended"),
        outcome.label("outcome"),
        person.label("person"),
        *_snapshot(Episode),
    )
    return Fact("episodes", source, Episode.id, Episode.began_at, ("ended", "outcome", "person"))


FACTS = {
    fact.name: fact
    for fact in (
        *map(_survey, KINDS),
        _follow_ups(),
        _handoffs(),
        _episodes(),
        _ticket(
            "responses", TicketTime.opened_at, func.coalesce(TicketTime.response_seconds, NOTHING).label("seconds")
        ),
        _ticket(
            "resolutions",
            TicketTime.resolved_at,
            func.coalesce(TicketTime.resolution_seconds, NOTHING).label("seconds"),
        ),
        _ticket(
            "first_response",
            TicketTime.response_at,
            _kept(TicketTime.response_kept),
        ),
        _ticket(
            "resolution",
            TicketTime.resolution_at,
            _kept(TicketTime.resolution_kept),
        ),
    )
}
# Counted from the transcript, by whoever writes the columns: author, how it was read, and its episode.
MESSAGE_COLUMNS = ("at", "author", "confidence", "read", "episode", *DIMENSION_COLUMNS)
MESSAGES = "messages"


def _waited(begin: datetime, end: datetime | None) -> int:
    return NOTHING if end is None else max(0, (end - begin) // timedelta(seconds=1))


def arrays(fact: Fact, rows: Sequence[Any], numbers: dict[str, int]) -> dict[str, Array]:
    """The columns of rows of a fact's source."""
    found = {}
    for name in fact.names:
        if name in ("at", "ended", "due"):
            values: list[Any] = [columns.seconds_of(getattr(row, name)) for row in rows]
        elif name in WORDS or name == "reason":
            values = [numbers[getattr(row, name)] for row in rows]
        elif name == "seconds" and fact.name == "handoffs":
            values = [_waited(row.begin, row.end) for row in rows]
        else:
            values = [getattr(row, name) for row in rows]
        found[name] = columns.array(name, values)
    return found


def words_in(fact: Fact, rows: Sequence[Any]) -> set[str]:
    """The words in rows of a fact's source."""
    names = [name for name in fact.names if name in WORDS or name == "reason"]
    return {getattr(row, name) for row in rows for name in names}


async def write_day(session: AsyncSession, name: str, day: date) -> None:
    """Write a day's columns of a fact anew from its table."""
    fact = FACTS[name]
    begin = datetime.combine(day, time(), UTC)
    query = fact.source.where(fact.at >= begin, fact.at < begin + timedelta(days=1)).order_by(fact.key)
    rows = (await session.execute(query)).all()
    numbers = await columns.lasting_codes(session, words_in(fact, rows))
    await columns.write(session, name, day, arrays(fact, rows, numbers))


@dataclass(frozen=True, slots=True)
class Frame:
    """Some columns of the facts of one kind in a period, as the filters have them, in the order of time."""

    found: dict[str, Array]

    def __len__(self) -> int:
        return len(self.found["at"])

    def __getitem__(self, name: str) -> Array:
        return self.found[name]

    def where(self, mask: Array) -> Frame:
        """The rows for which a mask is true."""
        return self.at(np.flatnonzero(mask))

    def at(self, places: Any) -> Frame:
        """Some rows: a slice, or their places."""
        return Frame({name: values[places] for name, values in self.found.items()})


@dataclass(slots=True)
class _Read:
    """What a session has read of a fact in a range of days, for the next figure of the same page.

    ``stale`` are the ids whose stored rows are out of date, None where there are none, and ``new`` those rows as
    they are.
    """

    stale: Array | None = None
    new: dict[str, Array] = field(default_factory=dict)
    found: dict[str, Array] = field(default_factory=dict)
    frames: dict[Filters, Frame] = field(default_factory=dict)
    # As stored: the times; which rows are up to date, and the order of all rows, None where it is the stored one.
    at: Array | None = None
    kept: Array | None = None
    order: Array | None = None

    def take(self, parts: dict[str, list[Array]]) -> bool:
        """Take in columns that were read; False if the rows are not those that were read before."""
        stored = {name: columns.joined(some, name) for name, some in parts.items()}
        if self.at is None:
            self._begin(stored)
        elif not np.array_equal(self.at, stored["at"]):
            return False
        for name, values in stored.items():
            if name not in self.found:
                self.found[name] = self._ordered(name, values)
        return True

    def _begin(self, stored: dict[str, Array]) -> None:
        self.at = at = stored["at"]
        if self.stale is not None:
            self.kept = np.flatnonzero(~np.isin(stored["id"], self.stale))
            at = np.concatenate([at[self.kept], self.new["at"]])
        if not columns.in_order(at):
            self.order = np.argsort(at, kind="stable")

    def _ordered(self, name: str, values: Array) -> Array:
        if self.kept is not None:
            values = np.concatenate([values[self.kept], self.new[name]])
        return values if self.order is None else values[self.order]

    def frame(self, f: Filters, names: Sequence[str], numbers: dict[str, Sequence[int]]) -> Frame:
        """Columns as the filters have them; ``numbers`` stand for what they are narrowed to."""
        known = self.frames.get(f)
        missing = [name for name in names if known is None or name not in known.found]
        if known is None or missing:
            since, until = columns.seconds_of(f.since), columns.seconds_of(f.until)
            inside = columns.parted(self.found["at"], (since, until))[1]
            some = Frame({name: self.found[name][inside] for name in dict.fromkeys((*missing, *numbers))})
            mask: Array | None = None
            for by, wanted in numbers.items():
                found = columns.among(some[by], wanted)
                mask = found if mask is None else mask & found
            if mask is not None:
                some = some.where(mask)
            known = self.frames[f] = Frame({**(known.found if known is not None else {}), **some.found})
        return Frame({name: known[name] for name in names})


async def _changed(session: AsyncSession, fact: Fact, begin: datetime, end: datetime) -> tuple[Array, dict[str, Array]]:
    """The ids whose columns are out of date, and the rows as they are."""
    noted = select(FigureChange.ref).distinct().where(FigureChange.fact == fact.change).subquery()
    inside = fact.source.where(fact.at >= begin, fact.at < end, fact.key.in_(select(noted.c.ref))).subquery()
    # In one statement: what is done with in between would be missing from both.
    joined = (await session.execute(select(noted.c.ref, inside).outerjoin(inside, inside.c.id == noted.c.ref))).all()
    rows = [row for row in joined if row.id is not None]
    numbers = await columns.codes(session, words_in(fact, rows))
    return np.array([row.ref for row in joined], dtype="<i8"), arrays(fact, rows, numbers)


async def _changing(session: AsyncSession) -> frozenset[str]:
    """Of which kinds any changes are noted; asked once for a page, before anything else is read."""
    known: frozenset[str] | None = session.info.get("figures_changing")
    if known is None:
        kinds = sorted({fact.change for fact in FACTS.values() if fact.change})
        noted = [exists().where(FigureChange.fact == kind) for kind in kinds]
        row = (await session.execute(select(*noted))).one()
        known = frozenset(kind for kind, there in zip(kinds, row, strict=True) if there)
        session.info["figures_changing"] = known
    return known


async def _begin(session: AsyncSession, fact: Fact | None, first: date, last: date) -> _Read:
    """What must be known before columns are read: which of their rows are out of date."""
    if fact is None or fact.change not in await _changing(session):
        return _Read()
    begin, end = (datetime.combine(day, time(), UTC) for day in (first, last + timedelta(days=1)))
    stale, new = await _changed(session, fact, begin, end)
    return _Read(stale, new) if len(stale) else _Read()


async def _read(session: AsyncSession, name: str, first: date, last: date, names: Sequence[str]) -> _Read:
    cache: dict[Any, _Read] = session.info.setdefault("figure_columns", {})
    while True:
        known = cache.get((name, first, last))
        if known is None:
            known = cache[name, first, last] = await _begin(session, FACTS.get(name), first, last)
        missing = [column for column in names if column not in known.found]
        if known.stale is not None and "id" not in known.found:
            missing.append("id")
        if not missing:
            return known
        parts = await columns.read(session, name, first, last, missing)
        if await asyncio.to_thread(known.take, parts):
            return known
        # A day was written anew since its other columns were read: read them all once more, together.
        names = list(dict.fromkeys((*names, *known.found)))
        del cache[name, first, last]


def _days(f: Filters) -> tuple[date, date] | None:
    """The first and the last day of UTC in the filters' period; None for none at all."""
    since, until = columns.seconds_of(f.since), columns.seconds_of(f.until)
    return (columns.day_of_seconds(since), columns.day_of_seconds(until - 1)) if until > since else None


async def prefetch(session: AsyncSession, f: Filters, wanted: Mapping[str, Sequence[str]]) -> None:
    """Read columns of several facts at once that :func:`load` will be asked for."""
    days = _days(f)
    if days is None:
        return
    cache: dict[Any, _Read] = session.info.setdefault("figure_columns", {})
    missing: dict[str, list[str]] = {}
    for name, names in wanted.items():
        if (name, *days) not in cache:
            cache[name, *days] = await _begin(session, FACTS.get(name), *days)
        known = cache[name, *days]
        needed = ["at", *names, *f.narrowed, *(["id"] if known.stale is not None else [])]
        if some := [column for column in dict.fromkeys(needed) if column not in known.found]:
            missing[name] = some
    for name, parts in (await columns.read_many(session, missing, *days)).items():
        if not await asyncio.to_thread(cache[name, *days].take, parts):
            # Written anew meanwhile: whoever needs it reads it.
            del cache[name, *days]


async def load(session: AsyncSession, name: str, f: Filters, *names: str) -> Frame:
    """Columns of the facts in the filters' period, in the order of time; ``at`` is always among them.

    What takes time is done in a thread: messages are answered meanwhile.
    """
    narrowed = f.narrowed
    wanted = tuple(dict.fromkeys(("at", *names)))
    days = _days(f)
    if days is None:
        return Frame({column: columns.array(column, []) for column in wanted})
    numbers: dict[str, Sequence[int]] = {}
    for by, values in narrowed.items():
        known = {} if by == "agent" else await columns.codes(session, values)
        numbers[by] = [value if by == "agent" else known[value] for value in values]
    read = await _read(session, name, *days, (*wanted, *numbers))
    return await asyncio.to_thread(read.frame, f, wanted, numbers)
