"""Tickets that have been resolved for long enough are closed."""

from __future__ import annotations

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from bot import agents
from bot.jobs.base import Workshop
from bot.services import ticket_life
from bot.worker import Job


def ticket_jobs(shop: Workshop) -> dict[str, Job]:
    """What is done for tickets when a timer is due."""
    settings, voice = shop.settings, shop.voice

    async def close_ticket(session: AsyncSession, payload: dict[str, Any], _: Any) -> None:
        quiet = payload.get("quiet", False)
        await agents.close_ticket(session, voice, payload["ticket"], settings.tickets, quiet=quiet)

    return {ticket_life.CLOSE: Job(close_ticket)}
