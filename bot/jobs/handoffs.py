"""Hand-overs time out, and agents are reminded of them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.contracts import Author, Reply
from bot.jobs.base import Workshop
from bot.services import handoff, rooms, timers
from bot.storage import now
from bot.storage.models import Conversation, Handoff, Message
from bot.worker import Job


def handoff_jobs(shop: Workshop) -> dict[str, Job]:
    """What is done for hand-overs when a timer is due."""
    settings, voice = shop.settings, shop.voice

    async def time_out(session: AsyncSession, payload: dict[str, Any], _: Any) -> None:
        row = await session.get_one(Handoff, payload["handoff"])
        conversation = await session.get_one(Conversation, row.conversation_id, with_for_update=True)
        # An agent may have claimed or ended it while the lock was waited for.
        await session.refresh(row)
        if row.ended_at is not None:
            return
        if row.claimed_at is not None:
            # The agent's own time counts from their last words.
            wrote = await session.scalar(
                select(func.max(Message.created_at)).where(
                    Message.conversation_id == conversation.id, Message.author == Author.AGENT
                )
            )
            due = max(row.claimed_at, wrote or row.claimed_at) + timedelta(minutes=settings.handoff.timeout_minutes)
            if due > now():
                key = f"{handoff.TIMEOUT}:{row.id}:{int(due.timestamp())}"
                await timers.schedule(session, handoff.TIMEOUT, due, payload, key=key)
                return
        if await handoff.end(session, conversation, "timeout"):
            await voice.say(session, conversation, Reply("utter_handoff_timeout"))

    async def remind(session: AsyncSession, payload: dict[str, Any], _: Any) -> None:
        row = await session.get_one(Handoff, payload["handoff"])
        if row.claimed_at is None and row.ended_at is None:
            since = {"since": row.started_at.isoformat()}
            await rooms.tell(session, row.conversation_id, "room.reminder", since, alert=True)
            await handoff.remind(session, row, payload["minutes"] * 2)

    return {handoff.TIMEOUT: Job(time_out), handoff.REMIND: Job(remind)}
