"""Ratings: answers to a survey, and ratings given unasked."""

from __future__ import annotations

from actions.registry import action
from bot.contracts import Reply
from bot.engine import Context
from bot.services import surveys
from bot.services.surveys import Answer
from bot.state import Outcome


def score_of(text: str) -> int | None:
    """A rating on the scale of 1 to 5; one out of ten is halved and rounded up."""
    number, _, out_of = text.partition("/")
    if not number.strip().isdecimal():
        return None
    score = int(number)
    if out_of.strip() == "10" and 1 <= score <= 10:
        return (score + 1) // 2
    return score if 1 <= score <= 5 else None


@action("give_feedback")
async def give_feedback(context: Context) -> Outcome:
    """A rating that nobody asked for: kept apart from CSAT, otherwise the same questions."""
    survey = await surveys.start_feedback(context.session, context.conversation, context.language)
    return Outcome(start=("answer_survey", {"survey": str(survey.id)}))


@action("answer_survey", optional=("rating",), resumable=False)
async def answer_survey(context: Context) -> Outcome:
    """Keep the rating as soon as it is given, then ask for a comment."""
    survey = await surveys.find(context.session, context.conversation, context.slots.get("survey", ""))
    if survey is None:
        return Outcome((Reply("utter_choice_gone"),))
    if not context.slots.get("rating"):
        return Outcome((Reply("utter_deny"),))
    score = score_of(context.slots["rating"])
    if score is None:
        return Outcome((Reply("utter_invalid_rating"),), ask="rating", clear=("rating",))
    answer = await surveys.rate(context.session, survey, score)
    if answer is Answer.UNKNOWN:
        return Outcome((Reply("utter_choice_gone"),))
    if answer is Answer.LATE:
        return Outcome((Reply("utter_survey_late"),))
    if answer is Answer.CHANGED:
        return Outcome((Reply("utter_survey_changed", {"rating": score}),))
    return Outcome(start=("survey_comment", {"survey": str(survey.id)}))


@action("survey_comment", optional=("comment",), resumable=False)
async def survey_comment(context: Context) -> Outcome:
    """Keep the comment, if there is one."""
    survey = await surveys.find(context.session, context.conversation, context.slots.get("survey", ""))
    if survey is None or not context.slots.get("comment"):
        return Outcome((Reply("utter_survey_thanks"),))
    survey.comment = context.slots["comment"]
    return Outcome((Reply("utter_survey_thanks_comment"),))
