"""How the work goes: volume, times, promises, backlog, containment, understanding, hand-overs."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from bot.contracts import Author
from bot.storage.figures import columns
from bot.storage.figures.columns import Array
from bot.storage.figures.facts import (
    ASIDE,
    AUTHORS,
    CONFIRMED,
    ESCALATED,
    FALLBACK,
    FOLLOW_UPS,
    MESSAGES,
    RETURNED,
    SILENT,
    UNREAD,
    WAIT,
    Frame,
    load,
    prefetch,
)
from bot.storage.figures.filters import Bucket, Dimension, Filters
from bot.storage.figures.formulas import duration, percentile, wilson
from bot.storage.figures.results import (
    Backlog,
    Busiest,
    Containment,
    Duration,
    Kind,
    Operations,
    OperationsCell,
    OperationsPoint,
    Promise,
    Understanding,
    Volume,
    ratio,
)
from bot.storage.figures.scores import named
from bot.storage.models import (
    Conversation,
    Correction,
    Episode,
    FigureMark,
    Message,
    TicketSpan,
    TicketStatus,
    TicketTime,
    now,
)

# The name of the mark that says when the tables were looked at last.
AS_OF = "as_of"
PROMISES = ("first_response", "resolution")
# Upper bounds of the backlog's ages, in days.
AGES = (1, 3, 7, 14, 30)
SLOT = 900


async def as_of(session: AsyncSession) -> datetime | None:
    """Up to when the operational figures are; None if nobody has looked yet."""
    found: datetime | None = await session.scalar(select(FigureMark.at).where(FigureMark.name == AS_OF))
    return found


# ---------------------------------------------------------------------- of one frame


def _said(messages: Frame) -> Array:
    """How many messages there are of each author."""
    return np.bincount(messages["author"], minlength=len(AUTHORS))


def _volume(episodes: Frame, said: Array) -> Volume:
    counts = {author.value: int(count) for author, count in zip(AUTHORS, said, strict=True)}
    return Volume(len(episodes), columns.different(episodes["person"]), counts)


def _durations(frame: Frame) -> Duration:
    seconds = frame["seconds"]
    return duration(seconds[seconds >= 0])


def _promise(kind: str, frame: Frame) -> Promise:
    kept, n = int(np.count_nonzero(frame["kept"])), len(frame)
    low, high = wilson(kept, n)
    return Promise(kind, kept, n - kept, ratio(kept, n), low, high)


def _parts(episodes: Frame, seen: int) -> Array:
    """What each episode is counted as: its outcome, or one more than all of them while that is not decided."""
    outcome = episodes["outcome"]
    waiting = (outcome >= CONFIRMED) & (episodes["ended"] > max(seen - _WAIT, 0))
    return np.where(waiting, np.int8(_UNDECIDED), outcome)


_WAIT = int(WAIT.total_seconds())
_UNDECIDED = SILENT + 1
PARTS = {
    "confirmed": CONFIRMED,
    "silent": SILENT,
    "returned": RETURNED,
    "escalated": ESCALATED,
    "undecided": _UNDECIDED,
    "aside": ASIDE,
}


def _containment(parts: Array) -> Containment:
    counts = np.bincount(parts, minlength=len(PARTS))
    return Containment(**{part: int(counts[number]) for part, number in PARTS.items()})


async def _seen(session: AsyncSession) -> int:
    """Up to when the episodes are, in seconds since 1970."""
    if "figures_seen" not in session.info:
        found = await as_of(session)
        session.info["figures_seen"] = columns.seconds_of(found) if found is not None else 0
    seen: int = session.info["figures_seen"]
    return seen


async def prepare(session: AsyncSession, f: Filters, kinds: Sequence[Kind], by: Sequence[Dimension]) -> None:
    """Read at once what a page needs that shows scores, also by some dimensions, follow-ups and the work."""
    scores: dict[str, tuple[str, ...]] = dict.fromkeys(kinds, ("score", "state", *by))
    work = {name: own for name, own in _PARTS_OF.items() if name != MESSAGES}
    await prefetch(session, f, scores | work | {FOLLOW_UPS: ("outcome", "due")})


async def episode_parts(session: AsyncSession, f: Filters, *names: str) -> tuple[Frame, Array]:
    """Episodes with what each is counted as, see :data:`PARTS`."""
    frame = await load(session, "episodes", f, "outcome", "ended", *names)
    return frame, await asyncio.to_thread(_parts, frame, await _seen(session))


# ---------------------------------------------------------------------- one by one


async def volume(session: AsyncSession, f: Filters) -> Volume:
    """Episodes that began in the period, who began them, and the period's messages by author."""
    episodes, messages = await load(session, "episodes", f, "person"), await load(session, MESSAGES, f, "author")
    return await asyncio.to_thread(lambda: _volume(episodes, _said(messages)))


async def first_response(session: AsyncSession, f: Filters) -> Duration:
    """Business time from the opening of a ticket to a person's first answer, of the tickets opened in the period.

    A person's change of which the customer was told is an answer, as for the promise; the bot's replies are none. A
    ticket that is opened again keeps its first answer.
    """
    return await asyncio.to_thread(_durations, await load(session, "responses", f, "seconds"))


async def resolution(session: AsyncSession, f: Filters) -> Duration:
    """Business time that tickets were worked on (not waiting for the customer) until they were resolved, of those
    resolved in the period; one that was opened again goes on where it was and counts when it was resolved last."""
    return await asyncio.to_thread(_durations, await load(session, "resolutions", f, "seconds"))


async def queue_wait(session: AsyncSession, f: Filters) -> Duration:
    """Time, by the clock on the wall, from a hand-over's beginning until an agent took it, of those begun in the
    period and taken, but for those that an agent began: nobody waited there."""
    return await asyncio.to_thread(_durations, await load(session, "handoffs", f, "seconds"))


async def promises(session: AsyncSession, f: Filters) -> list[Promise]:
    """Promises kept and missed, by kind (``first_response``, ``resolution``): kept when they were fulfilled in the
    period, missed when their time was up in the period."""
    return [_promise(kind, await load(session, kind, f, "kept")) for kind in PROMISES]


async def containment(session: AsyncSession, f: Filters) -> Containment:
    """What became of the episodes that began in the period."""
    _, parts = await episode_parts(session, f)
    return await asyncio.to_thread(_containment, parts)


def ticket_conditions(f: Filters, model: Any = TicketTime) -> list[Any]:
    """The filters, as conditions on tickets' times or on episodes."""
    fields: dict[Dimension, Any] = {
        "channel": model.channel,
        "language": model.language,
        "agent": func.coalesce(model.agent_id, 0),
        "team": model.team,
        "type": model.ticket_type,
        "product": model.product,
        "country": model.country,
        "tier": model.tier,
    }
    return [fields[by].in_(values) for by, values in f.narrowed.items()]


async def backlog(session: AsyncSession, f: Filters, at: datetime | None = None) -> Backlog:
    """Tickets that were open at a moment, by default now or the period's end if that is earlier."""
    moment = at or min(f.until, now())
    rows = await session.execute(
        select(TicketSpan.status, TicketTime.opened_at)
        .join(TicketTime, TicketTime.ticket_id == TicketSpan.ticket_id)
        .where(TicketSpan.until > moment, TicketSpan.since <= moment, *ticket_conditions(f))
    )
    statuses = dict.fromkeys((status.value for status in TicketStatus if status.value not in ("resolved", "closed")), 0)
    ages = [0] * (len(AGES) + 1)
    oldest: datetime | None = None
    for status, opened in rows:
        statuses[status] = statuses.get(status, 0) + 1
        ages[sum(moment - opened >= timedelta(days=days) for days in AGES)] += 1
        oldest = min(oldest, opened) if oldest is not None else opened
    by_age = tuple(zip((*AGES, None), ages, strict=True))
    return Backlog(moment, sum(ages), statuses, by_age, oldest)


async def understanding(session: AsyncSession, f: Filters) -> list[Understanding]:
    """How well the bot reads each language, the most used first."""
    frame = await load(session, MESSAGES, f, "read", "confidence", "language")
    corrected = await _corrected(session, f)
    numbers, counts, fallen = await asyncio.to_thread(_readings, frame)
    found = []
    for place, (code, _) in enumerate(await named(session, "language", numbers)):
        n, fallbacks = int(counts[place].sum()), int(fallen[place])
        low, high = wilson(fallbacks, n)
        middle = _median(counts[place])
        found.append(
            Understanding(
                language=str(code),
                messages=n,
                fallbacks=fallbacks,
                fallback_rate=ratio(fallbacks, n),
                low=low,
                high=high,
                mean_confidence=ratio(int(counts[place] @ np.arange(_STEPS)), n * (_STEPS - 1)),
                median_confidence=middle / (_STEPS - 1) if middle is not None else None,
                corrected=corrected.get(str(code), 0),
            )
        )
    return sorted(found, key=lambda row: (-row.messages, row.language))


# Confidences are kept to 1/10,000, so that they can be counted.
_STEPS = 10_001


def _readings(frame: Frame) -> tuple[Array, Array, Array]:
    """The languages of messages that were read; how often each confidence occurred in each; the fallbacks of each."""
    there = np.flatnonzero(frame["read"] != UNREAD)
    languages = frame["language"][there]
    numbers, read = columns.tabled(languages, frame["read"][there], FALLBACK + 1)
    if len(numbers):
        # The place of each language among those that occur.
        places = np.zeros(int(numbers[-1]) - int(numbers[0]) + 1, dtype=np.int64)
        places[numbers - numbers[0]] = np.arange(len(numbers)) * _STEPS
        keys = places[languages.astype(np.int64) - int(numbers[0])]
        keys += frame["confidence"][there]
        counts = np.bincount(keys, minlength=len(numbers) * _STEPS).reshape(len(numbers), _STEPS)
    else:
        counts = np.zeros((0, _STEPS), dtype=np.int64)
    return numbers, counts, read[:, FALLBACK]


def _median(counts: Array) -> float | None:
    """The median of values that occurred so many times each."""
    total = int(counts.sum())
    upto = np.cumsum(counts)
    # The two in the middle, or the one twice.
    middle = [int(np.searchsorted(upto, place, side="right")) for place in ((total - 1) // 2, total // 2)]
    return percentile(middle, 0.5) if total else None


async def _corrected(session: AsyncSession, f: Filters) -> dict[str, int]:
    """How many readings of the period's messages agents have put right, by language; rejected ones do not count."""
    query = (
        select(Correction.language, func.count(Correction.message_id.distinct()))
        .join(Message, Message.id == Correction.message_id)
        .where(
            Message.created_at >= f.since,
            Message.created_at < f.until,
            Correction.status != "rejected",
            Correction.intent != Correction.predicted,
        )
        .group_by(Correction.language)
    )
    if f.narrowed:
        later = aliased(Episode)
        own = select(func.max(later.id)).where(
            later.conversation_id == Message.conversation_id, later.first_id <= Message.id
        )
        query = query.join(Conversation, Conversation.id == Message.conversation_id).outerjoin(
            Episode, Episode.id == own.correlate(Message).scalar_subquery()
        )
        where = ticket_conditions(f.with_(channels=(), languages=()), Episode)
        where += [Conversation.channel.in_(f.channels)] if f.channels else []
        where += [Correction.language.in_(f.languages)] if f.languages else []
        query = query.where(*where)
    return {row[0]: row[1] for row in await session.execute(query)}


async def handoff_reasons(session: AsyncSession, f: Filters) -> list[tuple[str, int]]:
    """Why hand-overs began that began in the period, the most frequent first."""
    frame = await load(session, "handoffs", f, "reason")
    numbers, counts = await asyncio.to_thread(np.unique, frame["reason"], return_counts=True)
    words = await columns.words_of(session, numbers)
    found = [(words[int(number)], int(count)) for number, count in zip(numbers, counts, strict=True)]
    return sorted(found, key=lambda row: (-row[1], row[0]))


# ---------------------------------------------------------------------- weekdays and hours


def local_hours(at: Array, zone: ZoneInfo) -> Array:
    """The hour of the week (0: Monday, from midnight) that a zone's clock shows, for seconds since 1970."""
    if not len(at):
        return np.zeros(0, dtype=np.int64)
    first = int(at.min()) // SLOT
    slots = np.arange(first, int(at.max()) // SLOT + 1)
    # No zone's distance from UTC changes within a quarter of an hour, nor has it had seconds since 1972.
    per_day = 86_400 // SLOT
    offsets = np.zeros(len(slots), dtype=np.int64)
    for begin in range(0, len(slots), per_day):
        some = slots[begin : begin + per_day]
        ends = [_offset(int(slot), zone) for slot in (some[0], some[-1])]
        changes = ends[0] != ends[1]
        offsets[begin : begin + per_day] = [_offset(int(slot), zone) for slot in some] if changes else ends[0]
    # 1970 began on a Thursday.
    hours: Array = ((slots * SLOT + offsets) // 3600 + 3 * 24) % (7 * 24)
    found: Array = hours[at // SLOT - first]
    return found


def _offset(slot: int, zone: ZoneInfo) -> int:
    found = datetime.fromtimestamp(slot * SLOT, UTC).astimezone(zone).utcoffset()
    return int(found.total_seconds()) if found is not None else 0


async def busiest(session: AsyncSession, f: Filters) -> Busiest:
    """When customers write."""
    frame = await load(session, MESSAGES, f, "author")

    def count() -> Array:
        at = frame["at"][frame["author"] == AUTHORS.index(Author.CUSTOMER)]
        if not len(at):
            return np.zeros(7 * 24, dtype=np.int64)
        # They are in order: so each quarter of an hour is a stretch of them.
        first, last = int(at[0]) // SLOT, int(at[-1]) // SLOT + 1
        slots = np.arange(first, last + 1, dtype=np.int64) * SLOT
        counts = np.diff(np.searchsorted(at, slots.astype(at.dtype)))
        return np.bincount(local_hours(slots[:-1], f.tz), weights=counts, minlength=7 * 24).astype(np.int64)

    counts = (await asyncio.to_thread(count)).reshape(7, 24)
    return Busiest(tuple(tuple(map(int, row)) for row in counts))


# ---------------------------------------------------------------------- all at once

_PARTS_OF = {
    "episodes": ("person", "outcome", "ended"),
    MESSAGES: ("author",),
    "responses": ("seconds",),
    "resolutions": ("seconds",),
    "handoffs": ("seconds",),
    **dict.fromkeys(PROMISES, ("kept",)),
}


# A part of a frame: a slice, or the places of its rows.
_Part: TypeAlias = "slice | Array"


@dataclass(frozen=True, slots=True)
class _All:
    """Everything that :class:`Operations` is counted from. ``parts``: what each episode is counted as."""

    frames: dict[str, Frame]
    parts: Array

    def figures(self) -> Operations:
        """Those of everything."""
        return self._of(dict.fromkeys(self.frames, slice(None)))

    def by_time(self, borders: Sequence[int]) -> list[Operations]:
        """Those of the parts of the period; ``borders`` are the beginnings of all but the first."""
        parted = {name: columns.parted(frame["at"], borders) for name, frame in self.frames.items()}
        return [self._of({name: parts[number] for name, parts in parted.items()}) for number in range(len(borders) + 1)]

    def by_value(self, by: Dimension) -> tuple[Array, list[Operations]]:
        """The values of a dimension, in order, and the figures of each."""
        numbers = np.unique(np.concatenate([columns.occurring(frame[by]) for frame in self.frames.values()]))
        grouped = {name: _places(frame[by], numbers) for name, frame in self.frames.items() if name != MESSAGES}
        messages = self.frames[MESSAGES]
        # Of messages there are too many to put them in order.
        known, counts = columns.tabled(messages[by], messages["author"], len(AUTHORS))
        said = {int(number): row for number, row in zip(known, counts, strict=True)}
        nobody = np.zeros(len(AUTHORS), dtype=np.int64)
        found = [
            self._of({name: parts[place] for name, parts in grouped.items()}, said.get(int(number), nobody))
            for place, number in enumerate(numbers)
        ]
        return numbers, found

    def _of(self, parts: Mapping[str, _Part], said: Array | None = None) -> Operations:
        frames = {name: self.frames[name].at(part) for name, part in parts.items()}
        return Operations(
            volume=_volume(frames["episodes"], _said(frames[MESSAGES]) if said is None else said),
            first_response=_durations(frames["responses"]),
            resolution=_durations(frames["resolutions"]),
            queue_wait=_durations(frames["handoffs"]),
            promises=tuple(_promise(kind, frames[kind]) for kind in PROMISES),
            containment=_containment(self.parts[parts["episodes"]]),
            handoffs=len(frames["handoffs"]),
            tickets=len(frames["responses"]),
        )


def _places(values: Array, numbers: Array) -> list[Array]:
    """The places of each number among values."""
    order = np.argsort(values, kind="stable")
    borders = np.searchsorted(values[order], numbers)
    return [order[begin:end] for begin, end in itertools.pairwise([*borders.tolist(), len(order)])]


async def _load_all(session: AsyncSession, f: Filters, *more: str) -> _All:
    await prefetch(session, f, {name: (*own, *more) for name, own in _PARTS_OF.items()})
    frames = {name: await load(session, name, f, *own, *more) for name, own in _PARTS_OF.items()}
    return _All(frames, await asyncio.to_thread(_parts, frames["episodes"], await _seen(session)))


async def operations(session: AsyncSession, f: Filters) -> Operations:
    """All of the period's figures at once."""
    return await asyncio.to_thread((await _load_all(session, f)).figures)


async def operations_trend(session: AsyncSession, f: Filters, bucket: Bucket) -> list[OperationsPoint]:
    """The figures by day, week or month of the filters' zone."""
    buckets = f.buckets(bucket)
    borders = [columns.seconds_of(begin) for _, begin, _ in buckets[1:]]
    figures = await asyncio.to_thread((await _load_all(session, f)).by_time, borders)
    return [OperationsPoint(*bounds, one) for bounds, one in zip(buckets, figures, strict=True)]


async def operations_breakdown(session: AsyncSession, f: Filters, by: Dimension) -> list[OperationsCell]:
    """The figures by the values of a dimension, the largest first."""
    numbers, figures = await asyncio.to_thread((await _load_all(session, f, by)).by_value, by)
    names: Sequence[tuple[str | int, str]] = await named(session, by, numbers)
    cells = [OperationsCell(*name, one) for name, one in zip(names, figures, strict=True)]
    return sorted(cells, key=lambda cell: (-cell.figures.volume.conversations, cell.name, str(cell.value)))
