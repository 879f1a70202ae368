"""Hand-overs time out, and agents are reminded of them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.contracts import Author, Reply
from bot.jobs.base import Workshop
from bot.services import assignment, handoff, rooms, teams, timers
from bot.storage import now
from bot.storage.models import Conversation, Handoff, Message
from bot.worker import Job


def handoff_jobs(shop: Workshop) -> dict[str, Job]:
    """What is done for hand-overs when a timer is due."""
    settings, voice = shop.settings, shop.voice

    def opening(row: Handoff) -> datetime | None:
        """When the team that a hand-over waits for opens; None if it is open, or somebody has it."""
        team = teams.named(settings, row.team) if row.agent_id is None else None
        return teams.opening(settings, team, now()) if team is not None else None

    async def time_out(session: AsyncSession, payload: dict[str, Any], _: Any) -> None:
        row = await session.get_one(Handoff, payload["handoff"])
        conversation = await session.get_one(Conversation, row.conversation_id, with_for_update=True)
        # An agent may have claimed or ended it while the lock was waited for.
        await session.refresh(row)
        if row.ended_at is not None:
            return
        # The agent's own time counts from their last words, even where they have left since.
        wrote = await session.scalar(
            select(func.max(Message.created_at)).where(
                Message.conversation_id == conversation.id,
                Message.author == Author.AGENT,
                Message.created_at > row.started_at,
            )
        )
        # Nobody waits in vain before the team is there.
        since = opening(row) or max(filter(None, (row.claimed_at, wrote, assignment.opened(row))), default=None)
        if since is not None:
            due = since + timedelta(minutes=settings.handoff.timeout_minutes)
            if due > now():
                key = f"{handoff.TIMEOUT}:{row.id}:{int(due.timestamp())}"
                await timers.schedule(session, handoff.TIMEOUT, due, payload, key=key)
                return
        if await handoff.end(session, conversation, "timeout"):
            await voice.say(session, conversation, Reply("utter_handoff_timeout"))

    async def remind(session: AsyncSession, payload: dict[str, Any], _: Any) -> None:
        row = await session.get_one(Handoff, payload["handoff"])
        if row.claimed_at is not None or row.ended_at is not None:
            return
        if opens := opening(row):
            # Who has closed for the night is not woken.
            await handoff.remind(session, row, payload["minutes"], opens)
        else:
            since = {"since": row.started_at.isoformat()}
            await rooms.tell(session, row.conversation_id, "room.reminder", since, alert=True)
            await handoff.remind(session, row, payload["minutes"] * 2)

    return {handoff.TIMEOUT: Job(time_out), handoff.REMIND: Job(remind)}
