"""How a survey is put to a customer: the question with its buttons, and what is typed in answer to it."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from bot.config import (
    QUESTIONS,
    SCALES,
    Config,
    ConfigError,
    Problem,
    SurveyDefinition,
    SurveySettings,
    line_of,
    load_yaml,
)
from bot.config.surveys import FILE
from bot.contracts import Button, Parse, Reply, TextKey
from bot.dialogue import COMMENTING
from bot.domain import Domain
from bot.services import ratings, surveys
from bot.state import State
from bot.storage.models import Conversation, Survey, SurveyStatus
from bot.texts import EVERYWHERE

# A message that begins with a number and is understood this well as another wish is that wish.
SURE = 0.5
LATER = "later"
"""What the button "not now" carries in the place of a rating."""


def question_key(survey: Survey, settings: SurveySettings) -> str:
    """The text key of a survey's question; that of its kind where its definition is no longer there."""
    definition = settings.named(survey.definition)
    return definition.question_key if definition is not None else QUESTIONS[survey.kind]


def rating_buttons(survey: Survey) -> tuple[Button, ...]:
    """The numbers of the scale, neutral labels each bound to its survey, and "not now"."""
    low, high = SCALES[survey.kind]
    numbers = tuple(_button(str(score), str(score), survey) for score in range(low, high + 1))
    return (*numbers, _button(TextKey("utter_survey_not_now"), LATER, survey))


def _button(title: TextKey | str, rating: str, survey: Survey) -> Button:
    return Button(title, f'/inform{{"rating": "{rating}", "survey": "{survey.id}"}}')


def question(survey: Survey, settings: SurveySettings) -> Reply:
    """The question with its buttons."""
    return Reply(question_key(survey, settings), buttons=rating_buttons(survey))


async def typed_rating(
    session: AsyncSession, conversation: Conversation, state: State, parse: Parse, language: str
) -> str:
    """The payload of the button that a typed message stands for, ``""`` if it is no rating of an open survey.

    Nothing else is taken for one: not while something else is being asked, unless the survey came after it,
    and no rating with a comment that is understood as another wish.

    Args:
        session: the transaction.
        conversation: whose, locked.
        state: the dialogue's.
        parse: how the message was understood.
        language: the conversation's.
    """
    text, widest = parse.text, SCALES["nps"]
    if ratings.read(text, *widest, language) is None:
        return ""
    task = state.task
    asked = any('"survey"' in payload for _, payload in state.buttons)
    if task is not None and task.intent not in ("answer_survey", "survey_comment") and not asked:
        return ""
    survey = await _meant(session, conversation, state)
    if survey is None:
        return ""
    given = ratings.read(text, *SCALES[survey.kind], language)
    if given is None:
        return ""
    if given.comment and (task is None or task.intent != "answer_survey"):
        # Nobody has just asked for a number: "3. where is my parcel" may be a list.
        if task is not None or (parse.intent not in COMMENTING and parse.confidence >= SURE):
            return ""
    return f'/inform{{"rating": "{given.score}", "survey": "{survey.id}"}}'


async def _meant(session: AsyncSession, conversation: Conversation, state: State) -> Survey | None:
    """The survey that is being answered or commented on, else the one that waits for its answer."""
    task = state.task
    if task is not None and task.intent in ("answer_survey", "survey_comment"):
        survey = await surveys.find(session, conversation, task.slots.get("survey", ""))
        if survey is not None and survey.status is not SurveyStatus.CANCELLED:
            return survey
    return await surveys.open_one(session, conversation)


def examine(config: Config, domain: Domain) -> list[Problem]:
    """Questions of ``surveys.yml`` whose words are missing from ``domain.yml`` or cannot be put."""
    settings, problems = config.settings.surveys, []
    path = config.home / FILE
    document = load_yaml(path, FILE) if path.exists() else None
    for index, definition in enumerate(settings.definitions):
        if wrong := _wrong(definition, domain):
            line = line_of(document, "definitions", index, "question")
            problems.append(Problem(FILE, line, f"definitions.{index}.question: {wrong}"))
    return problems


def _wrong(definition: SurveyDefinition, domain: Domain) -> str:
    response = domain.responses.get(definition.question_key)
    if response is None:
        return f"there is no `{definition.question_key}` among the `responses` of domain.yml; write its words there"
    if response.variants[0].buttons:
        return f"`{response.key}` has buttons of its own; a survey brings those of its scale"
    if unknown := sorted(response.placeholders - EVERYWHERE):
        return f"`{response.key}` has the placeholder {{{unknown[0]}}}; a question can only have {{shop}}"
    return ""


def require(config: Config, domain: Domain) -> None:
    """Raises :class:`ConfigError` for what :func:`examine` finds."""
    if problems := examine(config, domain):
        raise ConfigError(*problems)
