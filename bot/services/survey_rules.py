"""Whether somebody may be asked now: one set of rules for what leaves by itself and for campaigns."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Select, and_, exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.config import SurveyDefinition, SurveySettings
from bot.contracts import Owner
from bot.storage.models import (
    Conversation,
    Customer,
    Handoff,
    Inbox,
    Survey,
    SurveyStatus,
    Ticket,
    TicketStatus,
)

# Why somebody is not asked; kept in ``Survey.reason``, counted in ``Audience.excluded``.
STOPPED, UNREACHABLE, AUDIENCE, NOTHING_DONE = "stopped", "unreachable", "audience", "nothing_done"
COMPLAINT, WINDOW, SAMPLING, COOLDOWN, RESERVED = "complaint", "window", "sampling", "cooldown", "reserved"
# And for those that were planned: too late by now, not among the definitions any more, the person was erased.
STALE, GONE, ERASED = "stale", "gone", "erased"
# For those that were on their way: the platform never took the question.
UNDELIVERED = "undelivered"
QUARTERLY, MANUAL, AGAIN = "quarterly", "manual", "again"
# What these ask about was done for the customer; of the others it must be known that something was.
_AFTER_SERVICE = frozenset({"ticket_resolved", "conversation_closed", "bot_closed", AGAIN})
_OVER = (TicketStatus.RESOLVED, TicketStatus.CLOSED)


@dataclass(frozen=True, slots=True)
class Facts:
    """What the rules go by, of one conversation and the customer it is linked to."""

    conversation_id: int
    customer_id: int | None
    channel: str
    language: str
    tier: str
    owner: Owner
    stopped: bool
    unreachable: bool
    used_at: datetime
    heard_at: datetime | None
    last_sent: datetime | None
    reserved: bool
    complaint: bool
    served: bool
    # Whether a survey of a campaign is on its way to them.
    planned: bool

    @property
    def person(self) -> str:
        """Who is behind it: the customer, else whoever writes there."""
        return f"c{self.customer_id}" if self.customer_id is not None else f"v{self.conversation_id}"


def facts_query(but: int = 0) -> Select[*tuple[Any, ...]]:
    """The facts of conversations; add conditions on :class:`Conversation` and :class:`Customer`.

    Args:
        but: a survey that does not count as one that waits.
    """
    chat, customer = Conversation, Customer
    no_more = customer.surveys_stopped_at.is_not(None)
    # One whose question never arrived has bothered nobody.
    arrived = Survey.status != SurveyStatus.CANCELLED
    sent = select(func.max(Survey.sent_at)).where(Survey.kind != "feedback", Survey.sent_at.is_not(None), arrived)
    theirs = or_(Survey.conversation_id == chat.id, Survey.customer_id == chat.customer_id)
    scheduled = and_(Survey.status == SurveyStatus.SCHEDULED, Survey.id != but)
    waits = exists().where(scheduled, Survey.trigger == QUARTERLY, theirs)
    tickets = or_(Ticket.conversation_id == chat.id, Ticket.customer_id == chat.customer_id)
    open_one = exists().where(tickets, Ticket.status.not_in(_OVER), Ticket.merged_into_id.is_(None))
    heard = (
        select(Inbox.received_at)
        .where(Inbox.conversation_id == chat.id, Inbox.channel == chat.channel)
        .order_by(Inbox.id.desc())
        .limit(1)
    )
    served = or_(
        chat.customer_id.is_not(None),
        exists().where(Ticket.conversation_id == chat.id),
        exists().where(Handoff.conversation_id == chat.id),
    )
    return select(
        chat.id,
        chat.customer_id,
        chat.channel,
        chat.language,
        func.coalesce(customer.tier, "").label("tier"),
        chat.owner,
        or_(chat.surveys_stopped_at.is_not(None), and_(customer.id.is_not(None), no_more)).label("stopped"),
        chat.unreachable_at.is_not(None).label("unreachable"),
        chat.updated_at,
        heard.scalar_subquery().label("heard"),
        sent.where(Survey.conversation_id == chat.id).scalar_subquery().label("sent_here"),
        sent.where(Survey.customer_id == chat.customer_id).scalar_subquery().label("sent_elsewhere"),
        waits.label("reserved"),
        open_one.label("complaint"),
        served.label("served"),
        exists().where(scheduled, Survey.trigger == MANUAL, theirs).label("planned"),
    ).outerjoin(customer, customer.id == chat.customer_id)


def facts_of(row: Any) -> Facts:
    """The facts of a row of :func:`facts_query`."""
    moments = [moment for moment in (row.sent_here, row.sent_elsewhere) if moment is not None]
    return Facts(
        conversation_id=row.id,
        customer_id=row.customer_id,
        channel=row.channel,
        language=row.language,
        tier=row.tier,
        owner=row.owner,
        stopped=bool(row.stopped),
        unreachable=bool(row.unreachable),
        used_at=row.updated_at,
        heard_at=row.heard,
        last_sent=max(moments, default=None),
        reserved=bool(row.reserved),
        complaint=bool(row.complaint),
        served=bool(row.served),
        planned=bool(row.planned),
    )


async def facts(session: AsyncSession, conversation_id: int, but: int = 0) -> Facts:
    """The facts of one conversation, as :func:`facts_query`."""
    where: ColumnElement[bool] = Conversation.id == conversation_id
    return facts_of((await session.execute(facts_query(but).where(where))).one())


def refusal(
    known: Facts,
    definition: SurveyDefinition,
    settings: SurveySettings,
    moment: datetime,
    *,
    trigger: str,
    ticket_type: str = "",
    fallback_language: str = "",
) -> str:
    """Why this customer is not to be asked at this moment, ``""`` if they are.

    Args:
        known: what is known of them.
        definition: the survey.
        settings: the rules for all surveys.
        moment: now.
        trigger: what makes it leave; asking ``again`` is free of cool-down and sampling.
        ticket_type: of the ticket that it is about, if it is about one.
        fallback_language: what is spoken where the conversation's language is not known yet.
    """
    if known.stopped or known.unreachable:
        return STOPPED if known.stopped else UNREACHABLE
    if not _is_for(known, definition, ticket_type, fallback_language, trigger):
        return AUDIENCE
    if trigger not in _AFTER_SERVICE and not known.served:
        return NOTHING_DONE
    if definition.kind == "nps" and known.complaint:
        return COMPLAINT
    reach = settings.reach_hours.get(known.channel)
    if reach is not None and (known.heard_at is None or moment - known.heard_at > timedelta(hours=reach)):
        return WINDOW
    if trigger == AGAIN:
        return ""
    if not sampled(definition, known.person, moment):
        return SAMPLING
    if known.last_sent is not None and moment - known.last_sent < timedelta(days=settings.cooldown_days):
        return COOLDOWN
    return RESERVED if known.reserved and trigger != QUARTERLY else ""


def _is_for(known: Facts, definition: SurveyDefinition, ticket_type: str, fallback: str, trigger: str) -> bool:
    whom = definition.audience
    types = whom.types if trigger == "ticket_resolved" else ()
    return (
        (not whom.channels or known.channel in whom.channels)
        and (not whom.languages or (known.language or fallback) in whom.languages)
        and (not whom.tiers or known.tier.casefold() in {tier.casefold() for tier in whom.tiers})
        and (not types or ticket_type in types)
    )


def sampled(definition: SurveyDefinition, person: str, moment: datetime) -> bool:
    """Whether somebody is in the sample: by a digest, so that it does not depend on when or where this is asked.

    The sample is another one in each quarter of the year.
    """
    if definition.sampling >= 1:
        return True
    season = f"{moment.astimezone(UTC).year}-{(moment.astimezone(UTC).month - 1) // 3}"
    digest = hashlib.sha256(f"{definition.name}:{person}:{season}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64 < definition.sampling


def quiet_until(moment: datetime, settings: SurveySettings, zone: str) -> datetime | None:
    """When the quiet hours that it is in end; None where it is in none.

    Args:
        moment: now, with its time zone.
        settings: says when it is quiet.
        zone: the customer's time zone, an IANA name.
    """
    if settings.quiet is None:
        return None
    begin, end = settings.quiet
    local = moment.astimezone(ZoneInfo(zone))
    clock = local.time().replace(tzinfo=None)
    inside = begin <= clock < end if begin <= end else clock >= begin or clock < end
    if not inside:
        return None
    day = local.date() + timedelta(days=1) if begin > end and clock >= begin else local.date()
    return datetime.combine(day, end, ZoneInfo(zone)).astimezone(UTC)
