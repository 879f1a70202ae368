"""How the work goes: volume, times, promises, backlog, containment, understanding, hand-overs."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
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
    MESSAGES,
    RETURNED,
    SILENT,
    UNREAD,
    WAIT,
    Frame,
    load,
)
from bot.storage.figures.filters import Bucket, Dimension, Filters
from bot.storage.figures.formulas import duration, percentile, wilson
from bot.storage.figures.results import (
    Backlog,
    Busiest,
    Containment,
    Duration,
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
    outcome = episodes["outcome"].astype(np.int64)
    waiting = (outcome >= CONFIRMED) & (episodes["ended"].astype(np.int64) + _WAIT > seen)
    return np.where(waiting, _UNDECIDED, outcome)


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


def _containment(episodes: Frame, seen: int) -> Containment:
    counts = np.bincount(_parts(episodes, seen), minlength=len(PARTS))
    return Containment(**{part: int(counts[number]) for part, number in PARTS.items()})


async def _seen(session: AsyncSession) -> int:
    """Up to when the episodes are, in seconds since 1970."""
    found = await as_of(session)
    return columns.seconds_of(found) if found is not None else 0


async def episode_parts(session: AsyncSession, f: Filters, *names: str) -> tuple[Frame, Array]:
    """Episodes with what each is counted as, see :data:`PARTS`."""
    frame = await load(session, "episodes", f, "outcome", "ended", *names)
    return frame, _parts(frame, await _seen(session))


# ---------------------------------------------------------------------- one by one


async def volume(session: AsyncSession, f: Filters) -> Volume:
    """Episodes that began in the period, who began them, and the period's messages by author."""
    return _volume(await load(session, "episodes", f, "person"), _said(await load(session, MESSAGES, f, "author")))


async def first_response(session: AsyncSession, f: Filters) -> Duration:
    """Business time from the opening of a ticket to a person's first answer, of the tickets opened in the period.

    The bot's replies are no answers; a ticket that is opened again keeps its first answer.
    """
    return _durations(await load(session, "responses", f, "seconds"))


async def resolution(session: AsyncSession, f: Filters) -> Duration:
    """Business time that tickets were worked on (not waiting for the customer) until they were resolved, of those
    resolved in the period; one that was opened again goes on where it was and counts when it was resolved last."""
    return _durations(await load(session, "resolutions", f, "seconds"))


async def queue_wait(session: AsyncSession, f: Filters) -> Duration:
    """Time, by the clock on the wall, from a hand-over's beginning until an agent took it, of those begun in the
    period and taken."""
    return _durations(await load(session, "handoffs", f, "seconds"))


async def promises(session: AsyncSession, f: Filters) -> list[Promise]:
    """Promises kept and missed, by kind (``first_response``, ``resolution``): kept when they were fulfilled in the
    period, missed when their time was up in the period."""
    return [_promise(kind, await load(session, kind, f, "kept")) for kind in PROMISES]


async def containment(session: AsyncSession, f: Filters) -> Containment:
    """What became of the episodes that began in the period."""
    return _containment(await load(session, "episodes", f, "outcome", "ended"), await _seen(session))


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
    numbers, counts, fallen = _readings(frame)
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
    frame = frame.where(frame["read"] != UNREAD)
    numbers, groups = columns.grouped(frame["language"])
    counts = np.bincount(groups * _STEPS + frame["confidence"], minlength=len(numbers) * _STEPS)
    fallen = np.bincount(groups[frame["read"] == FALLBACK], minlength=len(numbers))
    return numbers, counts.reshape(len(numbers), _STEPS), fallen


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
    numbers, counts = np.unique(frame["reason"], return_counts=True)
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
    frame = frame.where(frame["author"] == AUTHORS.index(Author.CUSTOMER))
    counts = np.bincount(local_hours(frame["at"], f.tz), minlength=7 * 24).reshape(7, 24)
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


@dataclass(frozen=True, slots=True)
class _All:
    """Everything that :class:`Operations` is counted from."""

    frames: dict[str, Frame]
    seen: int

    def figures(self) -> Operations:
        return self.split(lambda frame: np.zeros(len(frame), dtype=np.int64), 1)[0]

    def split(self, group: Callable[[Frame], Array], size: int) -> list[Operations]:
        """The figures of each group, by the numbers that ``group`` gives the rows."""
        # Of messages there are too many to put them in order.
        messages = self.frames[MESSAGES]
        place = group(messages) * len(AUTHORS) + messages["author"]
        said = np.bincount(place, minlength=size * len(AUTHORS)).reshape(size, len(AUTHORS))
        parted = {name: _split(frame, group(frame), size) for name, frame in self.frames.items() if name != MESSAGES}
        return [
            _operations({name: parts[number] for name, parts in parted.items()}, said[number], self.seen)
            for number in range(size)
        ]


def _operations(frames: dict[str, Frame], said: Array, seen: int) -> Operations:
    return Operations(
        volume=_volume(frames["episodes"], said),
        first_response=_durations(frames["responses"]),
        resolution=_durations(frames["resolutions"]),
        queue_wait=_durations(frames["handoffs"]),
        promises=tuple(_promise(kind, frames[kind]) for kind in PROMISES),
        containment=_containment(frames["episodes"], seen),
        handoffs=len(frames["handoffs"]),
    )


def _split(frame: Frame, groups: Array, size: int) -> list[Frame]:
    if size == 1:
        return [frame]
    order = np.argsort(groups, kind="stable")
    borders = np.searchsorted(groups[order], np.arange(size + 1))
    ordered = frame.where(order)
    pairs = itertools.pairwise(borders)
    return [Frame({name: values[begin:end] for name, values in ordered.found.items()}) for begin, end in pairs]


async def _load_all(session: AsyncSession, f: Filters, *more: str) -> _All:
    frames = {name: await load(session, name, f, *own, *more) for name, own in _PARTS_OF.items()}
    return _All(frames, await _seen(session))


async def operations(session: AsyncSession, f: Filters) -> Operations:
    """All of the period's figures at once."""
    return (await _load_all(session, f)).figures()


async def operations_trend(session: AsyncSession, f: Filters, bucket: Bucket) -> list[OperationsPoint]:
    """The figures by day, week or month of the filters' zone."""
    buckets = f.buckets(bucket)
    borders = np.array([columns.seconds_of(begin) for _, begin, _ in buckets[1:]], dtype=np.int64)
    found = await _load_all(session, f)
    figures = found.split(lambda frame: columns.bucketed(frame["at"], borders), len(buckets))
    return [OperationsPoint(*bounds, one) for bounds, one in zip(buckets, figures, strict=True)]


async def operations_breakdown(session: AsyncSession, f: Filters, by: Dimension) -> list[OperationsCell]:
    """The figures by the values of a dimension, the largest first."""
    found = await _load_all(session, f, by)
    numbers = np.unique(np.concatenate([columns.grouped(frame[by])[0] for frame in found.frames.values()]))
    figures = found.split(lambda frame: np.searchsorted(numbers, frame[by]), len(numbers))
    names: Sequence[tuple[str | int, str]] = await named(session, by, numbers)
    cells = [OperationsCell(*name, one) for name, one in zip(names, figures, strict=True)]
    return sorted(cells, key=lambda cell: (-cell.figures.volume.conversations, cell.name, str(cell.value)))
