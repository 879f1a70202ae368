"""Follow-ups whose deadline passes."""

from __future__ import annotations

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from bot.jobs.base import Workshop
from bot.services import followups
from bot.worker import Job


def followup_jobs(_shop: Workshop) -> dict[str, Job]:
    """What is done about follow-ups when a timer is due."""

    async def overdue(session: AsyncSession, payload: dict[str, Any], _: Any) -> None:
        await followups.overdue(session, payload["follow_up"])

    return {followups.OVERDUE: Job(overdue)}
