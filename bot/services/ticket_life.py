"""The life of a ticket: new → open → pending → resolved → closed, reopened, merged; every change recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.config import TicketSettings
from bot.services import timers
from bot.services.severity import RANK
from bot.services.tickets import ACTIVE, MAX_WORDS, SYSTEM, TicketError, record
from bot.storage import now
from bot.storage.models import Severity, StoredFile, Ticket, TicketEvent, TicketStatus, TicketType

CLOSE = "ticket_close"
MAX_REASON = 1000

_WORKED_ON = frozenset(ACTIVE) - {TicketStatus.NEW}
_OVER = frozenset({TicketStatus.RESOLVED, TicketStatus.CLOSED})
# From each status to where. Nothing becomes new again, and what is over can only be opened again.
TRANSITIONS: Mapping[TicketStatus, frozenset[TicketStatus]] = {
    **{status: (_WORKED_ON | _OVER) - {status} for status in ACTIVE},
    TicketStatus.RESOLVED: frozenset({TicketStatus.OPEN, TicketStatus.CLOSED}),
    TicketStatus.CLOSED: frozenset({TicketStatus.OPEN}),
}


@dataclass(frozen=True, slots=True)
class Change:
    """What a status is changed to, with the reason, and on resolving the root cause and the resolution."""

    status: TicketStatus
    reason: str = ""
    root_cause: str = ""
    resolution: str = ""


def allowed(ticket: Ticket) -> tuple[TicketStatus, ...]:
    """The statuses that a ticket may be given now, in the order of its life; none for a merged one."""
    if ticket.merged_into_id is not None:
        return ()
    return tuple(status for status in TicketStatus if status in TRANSITIONS[ticket.status])


def reopen_until(ticket: Ticket, settings: TicketSettings) -> datetime | None:
    """Until when its customer can reopen a resolved ticket; None for one that is not resolved."""
    if ticket.status is not TicketStatus.RESOLVED or ticket.resolved_at is None:
        return None
    return ticket.resolved_at + timedelta(days=settings.reopen_days)


def can_reopen(ticket: Ticket, settings: TicketSettings) -> bool:
    """Whether its customer can reopen it now."""
    until = reopen_until(ticket, settings)
    return until is not None and until > now()


def _clock(ticket: Ticket) -> str:
    """The timer that closes a resolved ticket: one for each time it is resolved."""
    return f"{CLOSE}:{ticket.id}:{int(ticket.resolved_at.timestamp()) if ticket.resolved_at else 0}"


async def set_status(
    session: AsyncSession, ticket: Ticket, change: Change, actor: str, settings: TicketSettings
) -> bool:
    """Change a ticket's status; whether it was another one before.

    A resolved ticket is closed by a timer after ``settings.reopen_days``; reopening cancels that.

    Raises:
        TicketError: ``transition`` for a change that is not allowed, ``merged``, ``root_cause`` or
            ``resolution`` for a code that is not in the settings, ``too_long`` for the reason.
    """
    if ticket.merged_into_id is not None:
        raise TicketError("merged")
    if ticket.status == change.status:
        return False
    if change.status not in TRANSITIONS[ticket.status]:
        raise TicketError("transition")
    if len(change.reason) > MAX_REASON:
        raise TicketError("too_long")
    resolving = change.status is TicketStatus.RESOLVED
    for name, codes in (("root_cause", settings.root_causes), ("resolution", settings.resolutions)):
        code = getattr(change, name)
        if resolving and codes and code not in codes:
            raise TicketError(name)
    before, until = ticket.status, reopen_until(ticket, settings)
    if until is not None:
        await timers.cancel(session, _clock(ticket))
    ticket.status = change.status
    if change.status not in _OVER:
        ticket.resolved_at, ticket.root_cause, ticket.resolution = None, "", ""
    elif ticket.resolved_at is None:
        ticket.resolved_at = now()
    detail = {"before": before.value, "after": change.status.value, "reason": change.reason}
    if resolving:
        detail |= {"root_cause": change.root_cause, "resolution": change.resolution}
        ticket.root_cause, ticket.resolution = change.root_cause, change.resolution
        due = now() + timedelta(days=settings.reopen_days)
        await timers.schedule(session, CLOSE, due, {"ticket": ticket.id}, key=_clock(ticket))
    await record(session, ticket, actor, "status", **detail)
    return True


async def close_if_due(session: AsyncSession, ticket: Ticket, settings: TicketSettings) -> bool:
    """Close a ticket that has been resolved for long enough; whether it was closed.

    Where the days were made more meanwhile, it is looked at again when they are over.
    """
    until = reopen_until(ticket, settings)
    if until is None:
        return False
    if until > now():
        key = f"{CLOSE}:{ticket.id}:until:{int(until.timestamp())}"
        await timers.schedule(session, CLOSE, until, {"ticket": ticket.id}, key=key)
        return False
    return await set_status(session, ticket, Change(TicketStatus.CLOSED), SYSTEM, settings)


async def note(session: AsyncSession, ticket: Ticket, actor: str, words: str) -> None:
    """Add an internal note, which customers never see.

    Raises:
        TicketError: ``empty`` or ``too_long``.
    """
    words = words.strip()
    if not words:
        raise TicketError("empty")
    if len(words) > MAX_WORDS:
        raise TicketError("too_long")
    await record(session, ticket, actor, "note", words=words)


async def classify(
    session: AsyncSession, ticket: Ticket, actor: str, kind: TicketType, severity: Severity, reason: str = ""
) -> None:
    """Correct a ticket's type and severity; what changed is recorded.

    Raises:
        TicketError: ``merged`` or ``too_long``.
    """
    if ticket.merged_into_id is not None:
        raise TicketError("merged")
    if len(reason) > MAX_REASON:
        raise TicketError("too_long")
    if kind is not ticket.type:
        before, ticket.type = ticket.type, kind
        await record(session, ticket, actor, "type", before=before.value, after=kind.value, reason=reason)
    if severity is not ticket.severity:
        was, ticket.severity = ticket.severity, severity
        await record(session, ticket, actor, "severity", before=was.value, after=severity.value, reason=reason)


def _check_merge(source: Ticket, target: Ticket) -> None:
    if source.id == target.id:
        raise TicketError("merge_self")
    if source.merged_into_id is not None:
        raise TicketError("merged")
    strangers = None not in (source.customer_id, target.customer_id) and source.customer_id != target.customer_id
    known = source.customer_id is not None and source.customer_id == target.customer_id
    if strangers or not (known or source.conversation_id == target.conversation_id):
        raise TicketError("merge_stranger")
    if target.status not in ACTIVE:
        raise TicketError("merge_over")


async def merge(session: AsyncSession, source: Ticket, target: Ticket, actor: str, settings: TicketSettings) -> None:
    """Have ``target`` go on in ``source``'s place: files and history move, ``source`` is closed.

    Raises:
        TicketError: ``merge_self``, ``merged`` (already), ``merge_stranger`` (another customer's ticket),
            ``merge_over`` (``target`` is resolved or closed).
    """
    _check_merge(source, target)
    if source.status is not TicketStatus.CLOSED:
        await set_status(session, source, Change(TicketStatus.CLOSED), actor, settings)
    await session.flush()
    for event in await session.scalars(select(TicketEvent).where(TicketEvent.ticket_id == source.id)):
        event.ticket_id, event.detail = target.id, {"from": source.number} | event.detail
    for statement in (
        update(StoredFile).where(StoredFile.ticket_id == source.id).values(ticket_id=target.id),
        update(Ticket).where(Ticket.merged_into_id == source.id).values(merged_into_id=target.id),
    ):
        await session.execute(statement.execution_options(synchronize_session="fetch"))
    source.merged_into_id = target.id
    await record(session, source, actor, "merged", into=target.number)
    await record(session, target, actor, "merged_from", source=source.number, words=source.description)
    if RANK[source.severity] > RANK[target.severity]:
        before, target.severity = target.severity, source.severity
        change = {"before": before.value, "after": target.severity.value, "rule": "", "merged": source.number}
        await record(session, target, SYSTEM, "severity", **change)
