"""An answer to a survey, wherever it was given, with what follows from it."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from bot.config import Settings
from bot.services import followups, surveys
from bot.services.surveys import Answer
from bot.storage.models import Survey


async def answer(session: AsyncSession, survey: Survey, score: int, settings: Settings) -> Answer:
    """Store a rating; of one that counts, and of each change, it is seen whether somebody must follow it up.

    The caller has the conversation locked.

    Raises:
        ValueError: a score that is not on the survey's scale.
    """
    result = await surveys.rate(session, survey, score, settings.surveys)
    if result in (Answer.STORED, Answer.CHANGED) and survey.kind != "feedback":
        await followups.open_for(session, survey, settings)
    return result
