"""Clocks of tickets: agents are warned, customers told before a promise is missed, what is missed escalated."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.config import Settings
from bot.contracts import Moment, Owner, Reply
from bot.jobs.base import Workshop
from bot.outbox import Voice
from bot.services import alerts, clocks, customers, teams
from bot.state import State
from bot.storage import now
from bot.storage.models import ClockKind, Conversation, Customer, Ticket, TicketClock, User
from bot.worker import Job

# What is said at the desk, and in the agents' places on platforms.
_WARNED: Mapping[ClockKind, tuple[str, str]] = {
    ClockKind.FIRST_RESPONSE: ("alert.due.first_response", "announce.due.first_response"),
    ClockKind.RESOLUTION: ("alert.due.resolution", "announce.due.resolution"),
}
_MISSED: Mapping[ClockKind, tuple[str, str]] = {
    ClockKind.FIRST_RESPONSE: ("alert.missed.first_response", "announce.missed.first_response"),
    ClockKind.RESOLUTION: ("alert.missed.resolution", "announce.missed.resolution"),
}


def clock_jobs(shop: Workshop) -> dict[str, Job]:
    """What is done about a clock when a timer is due."""
    settings, voice = shop.settings, shop.voice

    async def look(session: AsyncSession, payload: dict[str, Any], _: Any) -> None:
        found = await clocks.locked(session, payload["clock"])
        if found is None:
            return
        clock, ticket, conversation = found
        seen = await clocks.look(session, ticket, clock, settings)
        if seen is None:
            return
        if seen.warn:
            await _say(session, await _workers(session, ticket, settings), _WARNED, ticket, clock)
        if seen.missed:
            await _say(session, await _superiors(session, ticket, settings), _MISSED, ticket, clock, alert=True)
        if seen.tell:
            await _tell(session, voice, conversation, ticket, clock, settings)

    return {clocks.LOOK: Job(look)}


async def _active(session: AsyncSession, usernames: Iterable[str]) -> list[int]:
    rows = await session.scalars(select(User.id).where(User.username.in_(list(usernames)), User.active))
    return list(rows)


async def _superiors(session: AsyncSession, ticket: Ticket, settings: Settings) -> list[int]:
    """The lead of the ticket's team; managers where there is none."""
    team = teams.named(settings, ticket.team)
    lead = await _active(session, [team.lead]) if team is not None and team.lead else []
    return lead or await alerts.managers(session)


async def _workers(session: AsyncSession, ticket: Ticket, settings: Settings) -> list[int]:
    """Who works on a ticket, else its team's members, and the team's lead; managers if that is nobody."""
    team = teams.named(settings, ticket.team)
    agent = await session.get(User, ticket.agent_id) if ticket.agent_id is not None else None
    if agent is not None and agent.active:
        found = [agent.id]
    else:
        found = await _active(session, team.members) if team is not None else []
    if team is not None and team.lead:
        found += await _active(session, [team.lead])
    return found or await alerts.managers(session)


async def _say(
    session: AsyncSession,
    user_ids: Iterable[int],
    keys: Mapping[ClockKind, tuple[str, str]],
    ticket: Ticket,
    clock: TicketClock,
    *,
    alert: bool = False,
) -> None:
    """Tell users at the desk, and everyone in the agents' places."""
    at_desk, elsewhere = keys[clock.kind]
    params = {"ticket": ticket.number, "time": clock.due_at.isoformat() if clock.due_at is not None else ""}
    await alerts.tell(session, user_ids, at_desk, params, f"/desk/tickets/{ticket.id}")
    await alerts.announce(session, elsewhere, params, alert=alert)


async def _tell(
    session: AsyncSession,
    voice: Voice,
    conversation: Conversation,
    ticket: Ticket,
    clock: TicketClock,
    settings: Settings,
) -> None:
    """Tell the customer that it takes longer, with a new date that can be kept.

    Not while a person talks with them, nor if they want no notices or cannot be reached.
    """
    stopped = conversation.surveys_stopped_at is not None
    if not stopped and ticket.customer_id is not None:
        customer = await session.get(Customer, ticket.customer_id)
        stopped = customer is not None and customer.surveys_stopped_at is not None
    if stopped or conversation.unreachable_at is not None or conversation.owner is not Owner.BOT:
        return
    until = clocks.later(clock, settings)
    if until > now():
        due = Moment(until, await customers.zone_of(session, conversation, settings.shop))
        reply = Reply("utter_ticket_delay", {"ticket": ticket.number, "due": due})
        await clocks.told(session, ticket, clock, until)
    else:
        reply = Reply("utter_ticket_delay_open", {"ticket": ticket.number})
        await clocks.told(session, ticket, clock, None)
    # A question that the bot has open there must be asked for anew.
    conversation.state = State.from_json(conversation.state).interrupted().to_json()
    await voice.say(session, conversation, reply)
