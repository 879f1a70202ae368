"""What is counted: kinds of facts, the tables they stand in, and how their rows become columns and are read.

``score``: a survey that was delivered (``csat``, ``nps``, ``ces``); ``handoffs``; ``episodes``; tickets' ``responses``,
``resolutions`` and the promises about both; ``messages``. What has changed since a day's columns were written is
read from the tables (see :class:`bot.storage.models.FigureChange`), so that no answer is missing for a moment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Select, and_, case, func, literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.contracts import Author
from bot.storage.figures import columns
from bot.storage.figures.columns import DIMENSION_COLUMNS, WORDS, Array
from bot.storage.figures.filters import Filters
from bot.storage.figures.results import KINDS
from bot.storage.models import (
    Conversation,
    Customer,
    Episode,
    FigureChange,
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
            Handoff.claimed_at.label("end"),
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
        if name in ("at", "ended"):
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
    """Some columns of the facts of one kind in a period, as the filters have them."""

    found: dict[str, Array]

    def __len__(self) -> int:
        return len(self.found["at"])

    def __getitem__(self, name: str) -> Array:
        return self.found[name]

    def where(self, mask: Array) -> Frame:
        """The rows for which a mask is true."""
        return Frame({name: values[mask] for name, values in self.found.items()})

    def between(self, since: int, until: int) -> Frame:
        """The rows of a part of the period, in seconds since 1970."""
        return self.where((self["at"] >= since) & (self["at"] < until))


@dataclass(slots=True)
class _Read:
    """What a session has read of a fact in a range of days, for the next figure of the same page."""

    # As they are told; the ids whose rows are out of date, None where there are none, and those rows as they are.
    found: dict[str, Array]
    stale: Array | None
    new: dict[str, Array]
    raw: dict[str, Array] = field(default_factory=dict)


async def _changed(session: AsyncSession, fact: Fact, begin: datetime, end: datetime) -> tuple[Array, dict[str, Array]]:
    """The ids whose columns are out of date, and the rows as they are."""
    noted = select(FigureChange.ref).distinct().where(FigureChange.fact == fact.change).subquery()
    inside = fact.source.where(fact.at >= begin, fact.at < end, fact.key.in_(select(noted.c.ref))).subquery()
    # In one statement: what is done with in between would be missing from both.
    joined = (await session.execute(select(noted.c.ref, inside).outerjoin(inside, inside.c.id == noted.c.ref))).all()
    rows = [row for row in joined if row.id is not None]
    numbers = await columns.codes(session, words_in(fact, rows))
    return np.array([row.ref for row in joined], dtype="<i8"), arrays(fact, rows, numbers)


async def _begin(session: AsyncSession, fact: Fact | None, first: date, last: date) -> _Read:
    """What must be known before columns are read: which of their rows are out of date."""
    if fact is None or not fact.change:
        return _Read({}, None, {})
    begin, end = (datetime.combine(day, time(), UTC) for day in (first, last + timedelta(days=1)))
    stale, new = await _changed(session, fact, begin, end)
    return _Read({}, stale if len(stale) else None, new)


async def _read(session: AsyncSession, name: str, first: date, last: date, names: Sequence[str]) -> dict[str, Array]:
    cache: dict[Any, _Read] = session.info.setdefault("figure_columns", {})
    while True:
        known = cache.get((name, first, last))
        if known is None:
            known = cache[name, first, last] = await _begin(session, FACTS.get(name), first, last)
        missing = [column for column in names if column not in known.found]
        if known.stale is not None and "id" not in known.found and "id" not in missing:
            missing.append("id")
        if not missing:
            return {column: known.found[column] for column in names}
        fresh = {
            column: columns.joined(parts, column)
            for column, parts in (await columns.read(session, name, first, last, missing)).items()
        }
        lengths = {len(values) for values in (*known.raw.values(), *fresh.values())}
        if len(lengths) > 1:
            # A day was written anew since its other columns were read: read them all once more, together.
            names = list(dict.fromkeys((*names, *known.found)))
            del cache[name, first, last]
            continue
        known.raw |= fresh
        kept = ~np.isin(known.raw["id"], known.stale) if known.stale is not None else None
        for column, values in fresh.items():
            known.found[column] = values if kept is None else np.concatenate([values[kept], known.new[column]])


async def load(session: AsyncSession, name: str, f: Filters, *names: str) -> Frame:
    """Columns of the facts in the filters' period; ``at`` is always among them."""
    narrowed = f.narrowed
    wanted = tuple(dict.fromkeys(("at", *names)))
    since, until = columns.seconds_of(f.since), columns.seconds_of(f.until)
    if until <= since:
        return Frame({column: columns.array(column, []) for column in wanted})
    first, last = columns.day_of_seconds(since), columns.day_of_seconds(until - 1)
    found = await _read(session, name, first, last, tuple(dict.fromkeys((*wanted, *narrowed))))
    at = found["at"]
    inside = not len(at) or (int(at.min()) >= since and int(at.max()) < until)
    mask = None if inside else (at >= since) & (at < until)
    for by, values in narrowed.items():
        if by == "agent":
            numbers = list(values)
        else:
            known = await columns.codes(session, values)
            numbers = [known[value] for value in values]
        mask = columns.among(found[by], numbers) if mask is None else mask & columns.among(found[by], numbers)
    return Frame({column: found[column] if mask is None else found[column][mask] for column in wanted})
