"""Hand-overs: who owns a conversation, from when to when, and why."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.config import HandoffSettings
from bot.contracts import LinguadeskError, Owner
from bot.services import timers
from bot.storage import now, signal
from bot.storage.models import Conversation, Handoff, User

TIMEOUT = "handoff_timeout"
REMIND = "handoff_reminder"


class HandoffError(LinguadeskError):
    """The hand-over does not allow this; the desk shows the reason."""


async def current(session: AsyncSession, conversation_id: int) -> Handoff | None:
    """The open hand-over of a conversation, if a person owns it or is awaited."""
    found: Handoff | None = await session.scalar(
        select(Handoff).where(Handoff.conversation_id == conversation_id, Handoff.ended_at.is_(None))
    )
    return found


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
    return handoff


async def remind(session: AsyncSession, handoff: Handoff, minutes: int) -> None:
    """Have the agents reminded of a hand-over in so many minutes, unless someone has taken it by then."""
    due = now() + timedelta(minutes=minutes)
    await timers.schedule(
        session, REMIND, due, {"handoff": handoff.id, "minutes": minutes}, key=f"{REMIND}:{handoff.id}:{minutes}"
    )


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
        handoff.agent_id, handoff.claimed_at = agent.id, now()
        conversation.owner, conversation.agent_id = Owner.PERSON, agent.id
        signal(session, "desk", f"conversation:{conversation.id}")
    return handoff


async def end(session: AsyncSession, conversation: Conversation, outcome: str) -> Handoff | None:
    """Give a conversation back to the bot; None if no person had it."""
    handoff = await current(session, conversation.id)
    if handoff is None:
        return None
    handoff.ended_at, handoff.outcome = now(), outcome
    conversation.owner, conversation.agent_id = Owner.BOT, None
    await timers.cancel(session, f"{TIMEOUT}:{handoff.id}")
    signal(session, "desk", f"conversation:{conversation.id}")
    await session.flush()
    return handoff
