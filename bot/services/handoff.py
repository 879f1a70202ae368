"""Hand-overs: who owns a conversation, from when to when, and why."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.config import HandoffSettings
from bot.contracts import LinguadeskError, Owner
from bot.services import alerts, clocks, events, timers
from bot.storage import now, signal
from bot.storage.models import Conversation, Handoff, User

TIMEOUT = "handoff_timeout"
REMIND = "handoff_reminder"
# An agent can take another one: whoever waits for their team is offered to it.
WAKE = "handoff_next"
# For so long after a hand-over has ended, the same reason does not begin another one by itself.
CALM = timedelta(minutes=30)
# What users were asked with, which is over once somebody has it or somebody else is asked.
ASKED = ("alert.offered", "alert.passed", "alert.team", "alert.everyone")


def page_of(conversation_id: int) -> str:
    """The page of the desk that alerts about a conversation lead to."""
    return f"/desk/conversations/{conversation_id}"


class HandoffError(LinguadeskError):
    """The hand-over does not allow this; the desk shows the reason."""


async def current(session: AsyncSession, conversation_id: int) -> Handoff | None:
    """The open hand-over of a conversation, if a person owns it or is awaited."""
    found: Handoff | None = await session.scalar(
        select(Handoff).where(Handoff.conversation_id == conversation_id, Handoff.ended_at.is_(None))
    )
    return found


def _tell(session: AsyncSession, happened: str, conversation: Conversation, handoff: Handoff, **codes: Any) -> None:
    about = {"conversation": conversation.id, "channel": conversation.channel, "handoff": handoff.id}
    events.emit(session, f"conversation.{happened}", **about, **codes)


async def begin(session: AsyncSession, conversation: Conversation, reason: str, settings: HandoffSettings) -> Handoff:
    """Put a conversation into the queue; one that is there already stays as it is."""
    if existing := await current(session, conversation.id):
        return existing
    handoff = Handoff(conversation_id=conversation.id, reason=reason[:40])
    session.add(handoff)
    conversation.owner, conversation.agent_id = Owner.QUEUE, None
    await session.flush()
    await timers.schedule(
        session,
        TIMEOUT,
        now() + timedelta(minutes=settings.timeout_minutes),
        {"handoff": handoff.id},
        key=f"{TIMEOUT}:{handoff.id}",
    )
    if settings.reminder_minutes:
        await remind(session, handoff, settings.reminder_minutes)
    signal(session, "desk", f"conversation:{conversation.id}")
    _tell(session, "handed_over", conversation, handoff, reason=handoff.reason)
    return handoff


async def remind(session: AsyncSession, handoff: Handoff, minutes: int, since: datetime | None = None) -> None:
    """Have the agents reminded of a hand-over in so many minutes, unless someone has taken it by then.

    ``since`` is the moment from which they count; default now.
    """
    due = (since or now()) + timedelta(minutes=minutes)
    key = f"{REMIND}:{handoff.id}:{minutes}:{len(handoff.steps)}" + (f":{due.isoformat()}" if since else "")
    await timers.schedule(session, REMIND, due, {"handoff": handoff.id, "minutes": minutes}, key=key)


async def claim(session: AsyncSession, conversation: Conversation, agent: User) -> Handoff:
    """Give a waiting conversation to an agent.

    Raises:
        HandoffError: it is not waiting, or someone else has it.
    """
    handoff = await current(session, conversation.id)
    if handoff is None:
        raise HandoffError("not_waiting")
    if handoff.agent_id is not None and handoff.agent_id != agent.id:
        raise HandoffError("taken")
    if handoff.agent_id is None:
        if handoff.offered_to_id != agent.id:
            await _wake(session, handoff)
        await alerts.settle(session, page_of(conversation.id), ASKED)
        handoff.agent_id, handoff.claimed_at = agent.id, now()
        conversation.owner, conversation.agent_id = Owner.PERSON, agent.id
        signal(session, "desk", f"conversation:{conversation.id}")
        _tell(session, "claimed", conversation, handoff, agent=agent.id)
    return handoff


async def ended_lately(session: AsyncSession, conversation_id: int) -> frozenset[str]:
    """The reasons of the conversation's hand-overs that ended within :data:`CALM`."""
    rows = await session.scalars(
        select(Handoff.reason).where(Handoff.conversation_id == conversation_id, Handoff.ended_at > now() - CALM)
    )
    return frozenset(rows)


def step(handoff: Handoff, what: str, **detail: Any) -> int:
    """Record what has become of a hand-over; how many such records there are now.

    Args:
        handoff: which.
        what: ``asked``, ``offered``, ``passed``, ``everyone``, ``waits`` or ``returned``.
        detail: the team's name and users' ids. No customer's words.
    """
    handoff.steps = [*handoff.steps, {"at": now().isoformat(timespec="seconds"), "what": what} | detail]
    return len(handoff.steps)


async def _wake(session: AsyncSession, handoff: Handoff) -> None:
    """Whoever had a hand-over, or was offered it, can take another one; without teams nobody is offered any."""
    holder = handoff.agent_id or handoff.offered_to_id
    if holder is not None and handoff.steps:
        await timers.schedule(session, WAKE, now(), {"user": holder})


async def put_back(session: AsyncSession, conversation: Conversation, handoff: Handoff) -> None:
    """Have a hand-over that somebody has taken wait in the queue again."""
    await _wake(session, handoff)
    await alerts.settle(session, page_of(conversation.id), ASKED)
    handoff.agent_id = handoff.claimed_at = handoff.offered_to_id = handoff.offered_at = None
    conversation.owner, conversation.agent_id = Owner.QUEUE, None
    await session.flush()
    signal(session, "desk", f"conversation:{conversation.id}")


async def end(session: AsyncSession, conversation: Conversation, outcome: str) -> Handoff | None:
    """Give a conversation back to the bot; None if no person had it."""
    handoff = await current(session, conversation.id)
    if handoff is None:
        return None
    handoff.ended_at, handoff.outcome = now(), outcome
    conversation.owner, conversation.agent_id = Owner.BOT, None
    await timers.cancel(session, f"{TIMEOUT}:{handoff.id}")
    await _wake(session, handoff)
    await alerts.settle(session, page_of(conversation.id), ASKED)
    await clocks.look_again(session, conversation.id)
    signal(session, "desk", f"conversation:{conversation.id}")
    happened = "resolved" if outcome == "resolved" else "back_to_bot"
    _tell(session, happened, conversation, handoff, agent=handoff.agent_id, outcome=outcome)
    await session.flush()
    return handoff
