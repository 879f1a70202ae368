"""Surveys leave and end."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from bot.contracts import Author, Button, Owner, Reply
from bot.jobs.base import Workshop
from bot.services import surveys
from bot.state import State, Task
from bot.storage.models import Conversation, Survey, SurveyStatus
from bot.worker import Job


def rating_buttons(survey_id: int) -> tuple[Button, ...]:
    """The digits 1 to 5: neutral labels, each bound to its survey."""
    return tuple(
        Button(str(score), f'/inform{{"rating": "{score}", "survey": "{survey_id}"}}') for score in range(1, 6)
    )


def survey_jobs(shop: Workshop) -> dict[str, Job]:
    """What is done for surveys when a timer is due."""
    settings, voice = shop.settings, shop.voice

    async def send_survey(session: AsyncSession, payload: dict[str, Any], _: Any) -> None:
        survey = await session.get_one(Survey, payload["survey"])
        conversation = await session.get_one(Conversation, survey.conversation_id, with_for_update=True)
        if survey.status is not SurveyStatus.SCHEDULED:
            return
        if (
            conversation.owner is not Owner.BOT
            or conversation.surveys_stopped_at is not None
            or conversation.unreachable_at is not None
        ):
            survey.status = SurveyStatus.CANCELLED
            return
        buttons = rating_buttons(survey.id)
        question = Reply("utter_survey_csat", buttons=buttons)
        (asked,) = await voice.say(session, conversation, question, author=Author.SURVEY)
        language = voice.language(conversation)
        await surveys.mark_sent(session, survey, conversation, language, settings.surveys, asked)
        state = State.from_json(conversation.state).interrupted()
        choices = tuple((str(button.title), button.payload) for button in buttons)
        task = state.task or Task("answer_survey", {"survey": str(survey.id)}, asking="rating")
        conversation.state = replace(state, task=task, buttons=choices).to_json()

    async def expire_survey(session: AsyncSession, payload: dict[str, Any], _: Any) -> None:
        survey = await session.get_one(Survey, payload["survey"])
        if survey.status is SurveyStatus.SENT:
            survey.status = SurveyStatus.EXPIRED

    return {surveys.SEND: Job(send_survey), surveys.EXPIRE: Job(expire_survey)}
