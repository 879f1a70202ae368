"""Ratings: answers to a survey, and ratings given unasked."""

from __future__ import annotations

from actions.registry import action, prompt
from bot import questionnaire
from bot.answers import answer
from bot.config import SCALES
from bot.contracts import Reply
from bot.engine import Context
from bot.services import ratings, surveys
from bot.services.surveys import Answer
from bot.state import Outcome
from bot.storage.models import Survey


@action("give_feedback")
async def give_feedback(context: Context) -> Outcome:
    """A rating that nobody asked for: kept apart from CSAT, otherwise the same questions."""
    survey = await surveys.start_feedback(context.session, context.conversation, context.language)
    return Outcome(start=("answer_survey", {"survey": str(survey.id)}))


@prompt("rating")
async def ask_rating(context: Context, _intent: str) -> Reply:
    """The question of the survey that is being answered, with its own scale."""
    survey = await surveys.find(context.session, context.conversation, context.slots.get("survey", ""))
    if survey is None or survey.kind == "feedback":
        return Reply("utter_ask_rating")
    return questionnaire.question(survey, context.settings.surveys)


@action("answer_survey", optional=("rating",), resumable=False)
async def answer_survey(context: Context) -> Outcome:
    """Keep the rating as soon as it is given, then ask for a comment unless one came with it."""
    survey = await surveys.find(context.session, context.conversation, context.slots.get("survey", ""))
    if survey is None:
        return Outcome((Reply("utter_choice_gone"),))
    rating = context.slots.get("rating", "")
    if not rating or rating == questionnaire.LATER:
        surveys.put_off(survey)
        return Outcome((Reply("utter_survey_declined"),))
    score = _score(rating, survey, context)
    if score is None:
        low, high = SCALES[survey.kind]
        again = Reply("utter_survey_out_of_range", {"low": low, "high": high})
        return Outcome((again,), ask="rating", clear=("rating",), silent=True)
    result = await answer(context.session, survey, score, context.settings)
    if result is Answer.UNKNOWN:
        return Outcome((Reply("utter_choice_gone"),))
    if result is Answer.LATE:
        return Outcome((Reply("utter_survey_late"),))
    if result is Answer.CHANGED:
        changed = (Reply("utter_survey_changed", {"rating": score}),)
        return Outcome(changed, start=None if survey.comment else _comment_on(survey))
    typed = ratings.read(context.text, *SCALES[survey.kind], context.language)
    if typed is not None and typed.comment:
        sounds = context.sounds(typed.comment)
        await surveys.comment(context.session, survey, typed.comment, sounds)
        return Outcome((Reply("utter_survey_thanks_comment"),))
    return Outcome(start=_comment_on(survey))


def _comment_on(survey: Survey) -> tuple[str, dict[str, str]]:
    return "survey_comment", {"survey": str(survey.id)}


def _score(rating: str, survey: Survey, context: Context) -> int | None:
    """The rating as a number of the scale; None if it is none of them."""
    low, high = SCALES[survey.kind]
    if (said := ratings.mentioned(context.text, low, high, context.language)) is not None:
        # "8/10" in a sentence, of which the recogniser kept the 8.
        return said
    if rating.isascii() and rating.isdecimal() and len(rating) <= 2:
        return int(rating) if low <= int(rating) <= high else None
    found = ratings.read(rating, low, high, context.language)
    return found.score if found is not None else None


@action("survey_comment", optional=("comment",), resumable=False)
async def survey_comment(context: Context) -> Outcome:
    """Keep the comment, if there is one, and go on with what it asks for besides (``then``)."""
    survey = await surveys.find(context.session, context.conversation, context.slots.get("survey", ""))
    words = context.slots.get("comment", "")
    if survey is None or not words:
        return Outcome((Reply("utter_survey_thanks"),))
    await surveys.comment(context.session, survey, words, context.sounds(words))
    then = context.slots.get("then", "")
    return Outcome((Reply("utter_survey_thanks_comment"),), start=(then, {}) if then else None)
