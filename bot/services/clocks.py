"""Service-level clocks: how long a ticket may take to its first answer and to its solution.

A clock counts the time of a calendar. It stands still while the customer is awaited and once it is over, and
keeps what it has used. Whoever changes a ticket calls :func:`follow` (or works inside :func:`following`) in the
same transaction; what becomes due is seen to by timers, see :mod:`bot.jobs.clocks`. The row lock of a ticket
guards its clocks.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.config import Settings, Target
from bot.contracts import Author
from bot.services import events, timers
from bot.services.business_hours import calendar_of
from bot.services.tickets import ACTIVE, SYSTEM, record
from bot.storage import now
from bot.storage.models import (
    ClockKind,
    Conversation,
    Customer,
    Message,
    Severity,
    Ticket,
    TicketClock,
    TicketStatus,
)

LOOK = "ticket_clock"
FRESH = {"populate_existing": True}

State = Literal["met", "late", "due_soon", "running", "paused", "missed"]


@dataclass(frozen=True, slots=True)
class Marks:
    """When a running clock's agents are warned, its customer is told, and its time is up."""

    warn: datetime
    tell: datetime
    due: datetime


@dataclass(frozen=True, slots=True)
class Look:
    """What is to be done about a clock now; each is true once in its life."""

    warn: bool
    tell: bool
    missed: bool


def target_of(settings: Settings, severity: Severity, tier: str) -> Target | None:
    """The first target that fits a severity and a customer's tier; None if none does."""
    for target in settings.service_levels.targets:
        tiers = {name.casefold() for name in target.tiers}
        if (not target.severities or severity.value in target.severities) and (not tiers or tier.casefold() in tiers):
            return target
    return None


def _lengths(target: Target | None) -> Iterator[tuple[ClockKind, int]]:
    """What a target promises, in seconds."""
    if target is not None and target.first_response_hours is not None:
        yield ClockKind.FIRST_RESPONSE, round(target.first_response_hours * 3600)
    if target is not None and target.resolution_hours is not None:
        yield ClockKind.RESOLUTION, round(target.resolution_hours * 3600)


async def _target(session: AsyncSession, ticket: Ticket, settings: Settings) -> Target | None:
    tier = ticket.tier
    if not tier and ticket.customer_id is not None:
        customer = await session.get(Customer, ticket.customer_id)
        tier = customer.tier if customer is not None else ""
    return target_of(settings, ticket.severity, tier)


async def _of(session: AsyncSession, ticket: Ticket) -> list[TicketClock]:
    """A ticket's clocks, in their order; the ticket is locked."""
    await session.execute(select(Ticket.id).where(Ticket.id == ticket.id).with_for_update())
    rows = await session.scalars(
        select(TicketClock).where(TicketClock.ticket_id == ticket.id).execution_options(**FRESH)
    )
    return _in_order(rows)


def _in_order(clocks: Iterable[TicketClock]) -> list[TicketClock]:
    places = list(ClockKind)
    return sorted(clocks, key=lambda clock: places.index(clock.kind))


# ---------------------------------------------------------------------- one clock


def marks(clock: TicketClock, settings: Settings) -> Marks | None:
    """The moments of a running clock by the settings as they are now; None while it stands still."""
    since = clock.since
    if since is None:
        return None
    calendar, levels = calendar_of(settings, clock.calendar), settings.service_levels
    warn, tell, due = (
        calendar.add(since, share * clock.target_seconds - clock.used_seconds)
        for share in (levels.warn_at, levels.tell_customer_at, 1)
    )
    return Marks(warn, tell, due)


def later(clock: TicketClock, settings: Settings) -> datetime:
    """The date that a customer is given when the promised one cannot be kept: as much time once more."""
    due = clock.due_at or now()
    return calendar_of(settings, clock.calendar).add(due, clock.target_seconds)


async def _schedule(session: AsyncSession, clock: TicketClock, at: datetime) -> None:
    # One timer for each moment; one that is out of date finds nothing to do.
    await timers.schedule(session, LOOK, at, {"clock": clock.id}, key=f"{LOOK}:{clock.id}:{at.isoformat()}")


async def _run(session: AsyncSession, clock: TicketClock, settings: Settings, moment: datetime) -> None:
    """Have a clock run from now on."""
    clock.since = moment
    found = marks(clock, settings)
    if found is None:
        return
    clock.due_at = found.due
    if clock.breached_at is None:
        open_marks = [found.due]
        open_marks += [found.warn] if clock.warned_at is None else []
        open_marks += [found.tell] if clock.told_at is None else []
        await _schedule(session, clock, min(open_marks))


def _used(clock: TicketClock, settings: Settings, moment: datetime) -> int:
    running = calendar_of(settings, clock.calendar).between(clock.since, moment) if clock.since is not None else 0
    return clock.used_seconds + running


def _stop(clock: TicketClock, settings: Settings, moment: datetime) -> None:
    """Have a clock stand still."""
    clock.used_seconds = _used(clock, settings, moment)
    clock.since = clock.due_at = None


async def _miss(session: AsyncSession, ticket: Ticket, clock: TicketClock, due: datetime) -> None:
    clock.breached_at = due
    await record(session, ticket, SYSTEM, "promise_missed", promise=clock.kind.value, due=due.isoformat())
    events.emit(
        session,
        "ticket.promise_missed",
        ticket=ticket.id,
        number=ticket.number,
        conversation=ticket.conversation_id,
        promise=clock.kind.value,
        due_at=due.isoformat(),
    )


async def _meet(session: AsyncSession, ticket: Ticket, clock: TicketClock, moment: datetime) -> None:
    """What was promised is done, in time or late; the clock is stopped by the caller."""
    if clock.breached_at is None and clock.due_at is not None and moment > clock.due_at:
        # Its timer has not come round yet.
        await _miss(session, ticket, clock, clock.due_at)
    clock.met_at = moment
    if clock.breached_at is None:
        await record(session, ticket, SYSTEM, "promise_kept", promise=clock.kind.value)


# ---------------------------------------------------------------------- with the ticket's life


async def _make(session: AsyncSession, ticket: Ticket, target: Target, kind: ClockKind, seconds: int) -> TicketClock:
    clock = TicketClock(
        ticket_id=ticket.id, kind=kind, calendar=target.calendar, target_seconds=seconds, used_seconds=0
    )
    clock.started_at = now()
    session.add(clock)
    await session.flush()
    return clock


async def begin(session: AsyncSession, ticket: Ticket, settings: Settings) -> None:
    """Start the clocks of a ticket that has just been opened, if something is promised for its like."""
    target = await _target(session, ticket, settings)
    if target is not None:
        for kind, seconds in _lengths(target):
            await _run(session, await _make(session, ticket, target, kind, seconds), settings, now())


@contextlib.asynccontextmanager
async def following(session: AsyncSession, ticket: Ticket, settings: Settings) -> AsyncIterator[None]:
    """Change a ticket's status or severity inside; its clocks follow at the end."""
    before = ticket.severity
    yield
    await follow(session, ticket, settings, regraded=ticket.severity is not before)


async def follow(
    session: AsyncSession, ticket: Ticket, settings: Settings, *, answered: bool = False, regraded: bool = False
) -> None:
    """Bring a ticket's clocks in line with its status.

    Args:
        session: the transaction in which the ticket was changed.
        ticket: the ticket as it is now.
        settings: all settings.
        answered: whether a person has just told the customer something.
        regraded: whether the severity has changed: then what is promised for the new one counts where that
            is due earlier. A promise that was given is never put off.
    """
    found, moment = await _of(session, ticket), now()
    if ticket.merged_into_id is not None:
        # What is promised goes on with the other ticket; only what was missed stays on record.
        for clock in found:
            if clock.met_at is None and clock.breached_at is None:
                await session.delete(clock)
            else:
                _stop(clock, settings, moment)
        return
    over = ticket.status in (TicketStatus.RESOLVED, TicketStatus.CLOSED)
    if regraded and not over:
        found = await _regrade(session, ticket, found, settings)
    for clock in found:
        first = clock.kind is ClockKind.FIRST_RESPONSE
        if clock.met_at is not None:
            if first or over:
                continue
            # Opened again: the same clock goes on.
            clock.met_at = None
        elif answered if first else over:
            await _meet(session, ticket, clock, moment)
            _stop(clock, settings, moment)
            continue
        if over or ticket.status is TicketStatus.PENDING_CUSTOMER:
            _stop(clock, settings, moment)
        elif clock.since is None:
            await _run(session, clock, settings, moment)


async def _regrade(
    session: AsyncSession, ticket: Ticket, found: list[TicketClock], settings: Settings
) -> list[TicketClock]:
    """What is promised for the new severity, keeping the time that is used up."""
    target, moment = await _target(session, ticket, settings), now()
    known = {clock.kind: clock for clock in found}
    for kind, seconds in _lengths(target):
        clock = known.get(kind)
        if target is None or (clock is None and kind is ClockKind.FIRST_RESPONSE and await _answered(session, ticket)):
            continue
        if clock is None:
            known[kind] = await _make(session, ticket, target, kind, seconds)
        elif clock.met_at is None and clock.breached_at is None:
            used = _used(clock, settings, moment)
            before = calendar_of(settings, clock.calendar).add(moment, clock.target_seconds - used)
            if calendar_of(settings, target.calendar).add(moment, seconds - used) < before:
                runs = clock.since is not None
                clock.calendar, clock.target_seconds, clock.used_seconds = target.calendar, seconds, used
                if runs:
                    await _run(session, clock, settings, moment)
    return _in_order(known.values())


async def _answered(session: AsyncSession, ticket: Ticket) -> bool:
    """Whether a person has had a word with the customer since the ticket was opened."""
    wrote = exists().where(
        Message.conversation_id == ticket.conversation_id,
        Message.author == Author.AGENT,
        Message.created_at >= ticket.created_at,
    )
    return ticket.status is not TicketStatus.NEW or bool(await session.scalar(select(wrote)))


async def answered(session: AsyncSession, conversation: Conversation, settings: Settings) -> None:
    """A person has answered in a conversation, which is locked: its tickets have had their first response."""
    rows = await session.execute(
        select(TicketClock, Ticket)
        .join(Ticket, Ticket.id == TicketClock.ticket_id)
        .where(
            Ticket.conversation_id == conversation.id,
            Ticket.status.in_(ACTIVE),
            TicketClock.kind == ClockKind.FIRST_RESPONSE,
            TicketClock.met_at.is_(None),
        )
        .order_by(Ticket.id)
        .with_for_update()
        .execution_options(**FRESH)
    )
    moment = now()
    for clock, ticket in rows.all():
        await _meet(session, ticket, clock, moment)
        _stop(clock, settings, moment)


async def look_again(session: AsyncSession, conversation_id: int) -> None:
    """A person has left a conversation: a customer who was not told there that it takes longer may have to be."""
    rows = await session.execute(
        select(TicketClock)
        .join(Ticket, Ticket.id == TicketClock.ticket_id)
        .where(
            Ticket.conversation_id == conversation_id,
            TicketClock.due_at.is_not(None),
            TicketClock.told_at.is_(None),
            TicketClock.breached_at.is_(None),
        )
    )
    for (clock,) in rows.all():
        await _schedule(session, clock, now())


# ---------------------------------------------------------------------- what is due


async def locked(session: AsyncSession, clock_id: int) -> tuple[TicketClock, Ticket, Conversation] | None:
    """A clock with its ticket and conversation, locked in the order in which everyone does; None if it is gone."""
    where = (
        await session.execute(
            select(Ticket.id, Ticket.conversation_id)
            .join(TicketClock, TicketClock.ticket_id == Ticket.id)
            .where(TicketClock.id == clock_id)
        )
    ).one_or_none()
    if where is None:
        return None
    conversation = await session.get_one(
        Conversation, where.conversation_id, with_for_update=True, populate_existing=True
    )
    ticket = await session.get_one(Ticket, where.id, with_for_update=True, populate_existing=True)
    # It may have ended while the locks were waited for.
    clock = await session.get(TicketClock, clock_id, populate_existing=True)
    return (clock, ticket, conversation) if clock is not None else None


async def look(session: AsyncSession, ticket: Ticket, clock: TicketClock, settings: Settings) -> Look | None:
    """See what is due at a clock, which is locked, record it, and have it looked at again when the next is.

    Where the settings put the moments off meanwhile, nothing is due yet.

    Returns:
        What is to be done; None for a clock that stands still or was missed already.
    """
    found = marks(clock, settings)
    if found is None or clock.met_at is not None or clock.breached_at is not None:
        return None
    moment, clock.due_at = now(), found.due
    missed = moment >= found.due
    warn = moment >= found.warn and clock.warned_at is None and not missed
    tell = moment >= min(found.tell, found.due) and clock.told_at is None
    if missed:
        await _miss(session, ticket, clock, found.due)
    if warn:
        clock.warned_at = moment
        detail = {"promise": clock.kind.value, "due": found.due.isoformat()}
        await record(session, ticket, SYSTEM, "promise_warned", **detail)
    if ahead := [mark for mark in (found.warn, found.tell, found.due) if mark > moment]:
        await _schedule(session, clock, min(ahead))
    return Look(warn, tell, missed)


async def told(session: AsyncSession, ticket: Ticket, clock: TicketClock, until: datetime | None) -> None:
    """Record that the customer was told that it takes longer, and until when if a date was given."""
    clock.told_at = now()
    detail = {"promise": clock.kind.value, "due": until.isoformat() if until is not None else ""}
    await record(session, ticket, SYSTEM, "promise_told", **detail)


# ---------------------------------------------------------------------- to be shown


async def clocks_of(session: AsyncSession, ticket_ids: Iterable[int]) -> dict[int, tuple[TicketClock, ...]]:
    """The clocks of tickets, by ticket: first response, then resolution; none for one without a promise."""
    wanted = list(ticket_ids)
    found: dict[int, list[TicketClock]] = {}
    for clock in await session.scalars(select(TicketClock).where(TicketClock.ticket_id.in_(wanted))):
        found.setdefault(clock.ticket_id, []).append(clock)
    return {ticket: tuple(_in_order(found.get(ticket, ()))) for ticket in wanted}


def state_of(clock: TicketClock, moment: datetime) -> State:
    """How a clock stands.

    ``met`` in time, or ``late``; ``missed`` and still to be done; ``paused``; ``running``, or ``due_soon``
    once its agents were warned.
    """
    if clock.met_at is not None:
        return "met" if clock.breached_at is None else "late"
    if clock.breached_at is not None or (clock.due_at is not None and moment > clock.due_at):
        return "missed"
    if clock.due_at is None:
        return "paused"
    return "running" if clock.warned_at is None else "due_soon"


def promised(clocks: Sequence[TicketClock], settings: Settings) -> datetime | None:
    """Until when the customer has been promised to hear of a ticket: the first thing that is still to be done.

    Once they were told that it takes longer, the later date. None where nothing is promised, the customer is
    awaited, or that date is over as well.
    """
    clock = next((clock for clock in clocks if clock.met_at is None), None)
    if clock is None or clock.due_at is None:
        return None
    due = clock.due_at if clock.told_at is None else later(clock, settings)
    return due if due > now() else None
