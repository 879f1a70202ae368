"""Satisfaction surveys: what is planned, what was sent, what was answered. For figures see bot.storage.figures.

Nothing is decided when a survey is planned: whether it leaves is asked at that moment, see
:mod:`bot.services.survey_rules` and :mod:`bot.jobs.surveys`.
"""

from __future__ import annotations

import enum
import secrets
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.config import SCALES, SurveyDefinition, SurveySettings
from bot.services import audience, events, survey_rules, timers
from bot.services.audience import Filter
from bot.storage import now, signal
from bot.storage.models import (
    Campaign,
    Conversation,
    Customer,
    Handoff,
    OrderRow,
    Outbox,
    OutboxStatus,
    Survey,
    SurveyAnswer,
    SurveyStatus,
    Ticket,
    Timer,
    User,
)

SEND = "survey_send"
REMIND = "survey_reminder"
EXPIRE = "survey_expire"
TOPIC = "survey_topic"
# The customer has been silent since the bot did something for them.
SILENT = "survey_silence"
# What customers give unasked can be changed as long as this, and is not reminded of.
FEEDBACK_HOURS = 1.0
EXPIRY_HOURS = 72.0
NOT_NOW = "not_now"
# So many of a campaign leave in a second, so that they do not hold up what else is due.
CAMPAIGN_PACE = 10
MAX_COMMENT = 4000


class Answer(enum.Enum):
    """What became of a rating."""

    STORED = "stored"
    CHANGED = "changed"
    LATE = "late"
    UNKNOWN = "unknown"


async def plan(
    session: AsyncSession,
    conversation: Conversation,
    settings: SurveySettings,
    trigger: str,
    *,
    ticket: Ticket | None = None,
    handoff_id: int | None = None,
    agent_id: int | None = None,
    order_id: int | None = None,
) -> list[Survey]:
    """Plan the surveys that something triggers; whether they leave is decided when they are due.

    For a customer who wants no surveys none is planned.
    """
    if await _stopped(session, conversation):
        return []
    planned = []
    for definition in settings.definitions:
        if definition.trigger != trigger:
            continue
        delay = 0.0 if trigger == "bot_closed" else definition.delay_minutes
        survey = Survey(
            kind=definition.kind,
            definition=definition.name,
            trigger=trigger,
            conversation_id=conversation.id,
            customer_id=conversation.customer_id,
            ticket_id=ticket.id if ticket else None,
            handoff_id=handoff_id,
            agent_id=agent_id,
            order_id=order_id,
            ticket_type=ticket.type.value if ticket else "",
        )
        planned.append(await _scheduled(session, survey, now() + timedelta(minutes=delay)))
    return planned


async def _stopped(session: AsyncSession, conversation: Conversation) -> bool:
    if conversation.surveys_stopped_at is not None or conversation.customer_id is None:
        return conversation.surveys_stopped_at is not None
    customer = await session.get(Customer, conversation.customer_id)
    return customer is not None and customer.surveys_stopped_at is not None


async def _scheduled(session: AsyncSession, survey: Survey, due: datetime) -> Survey:
    survey.created_at = now()
    session.add(survey)
    await session.flush()
    await timers.schedule(session, SEND, due, {"survey": survey.id}, key=f"{SEND}:{survey.id}")
    return survey


async def postpone(session: AsyncSession, survey: Survey, kind: str, due: datetime) -> None:
    """Have a survey (``SEND``) or its reminder (``REMIND``) looked at again later."""
    key = f"{kind}:{survey.id}:{due.isoformat(timespec='seconds')}"
    await timers.schedule(session, kind, due, {"survey": survey.id}, key=key)


async def undelivered(session: AsyncSession, conversation: Conversation) -> list[int]:
    """Surveys whose question was given up by the outbox were not sent after all; their ids.

    They become cancelled with the reason, are in no response rate, and no cool-down counts them. Should the question
    leave later, as when dead letters are put back, they are sent again: see :func:`bot.dispatch`. So they are if the
    customer answers one, who has it then, whatever the platform has said.
    """
    await session.flush()
    lost = await session.scalars(
        select(Survey)
        .join(Outbox, Outbox.id == Survey.outbox_id)
        .where(
            Survey.conversation_id == conversation.id,
            Survey.status == SurveyStatus.SENT,
            Survey.delivered_at.is_(None),
            Outbox.status == OutboxStatus.DEAD,
        )
    )
    reason = survey_rules.UNREACHABLE if conversation.unreachable_at is not None else survey_rules.UNDELIVERED
    found = []
    for survey in lost:
        refuse(survey, reason)
        found.append(survey.id)
    if found:
        signal(session, "desk")
    return found


def lost(survey: Survey) -> bool:
    """Whether the survey's question was sent and never arrived."""
    return survey.status is SurveyStatus.CANCELLED and survey.outbox_id is not None


def refuse(survey: Survey, reason: str) -> None:
    """A planned survey does not leave; the reason stays with it."""
    survey.status, survey.reason = SurveyStatus.CANCELLED, reason


async def served(session: AsyncSession, conversation: Conversation, settings: SurveySettings) -> None:
    """The bot has done something for a customer: once they have been silent for long enough, they may be asked."""
    delays = [item.delay_minutes for item in settings.of("bot_closed")]
    if delays:
        moment = now()
        due = moment + timedelta(minutes=min(delays))
        payload = {"conversation": conversation.id, "since": moment.isoformat()}
        await timers.schedule(session, SILENT, due, payload, key=f"{SILENT}:{conversation.id}:{moment:%Y-%m-%d}")


async def ask_again(
    session: AsyncSession, survey: Survey, settings: SurveySettings, due: datetime | None = None
) -> Survey:
    """Plan the same survey once more for the same customer, after somebody has followed up.

    It is free of cool-down and sampling, not of the customer's wish for none, and of quiet hours.

    Args:
        session: the transaction.
        survey: the one with the low score.
        settings: where its definition is.
        due: when; default at once.
    """
    again = Survey(
        kind=survey.kind,
        definition=survey.definition,
        trigger=survey_rules.AGAIN,
        conversation_id=survey.conversation_id,
        customer_id=survey.customer_id,
        ticket_id=survey.ticket_id,
        handoff_id=survey.handoff_id,
        agent_id=survey.agent_id,
        order_id=survey.order_id,
        ticket_type=survey.ticket_type,
    )
    return await _scheduled(session, again, due or now())


async def send_campaign(
    session: AsyncSession, definition: SurveyDefinition, wanted: Filter, user: User, settings: SurveySettings
) -> Campaign:
    """Plan a survey for everybody of an audience; they leave one by one, each under the rules of that moment.

    Whoever is left out is counted by reason, as :func:`bot.services.audience.preview` shows it.
    """
    found = await audience.choose(session, definition, wanted, settings)
    campaign = Campaign(
        definition=definition.name,
        user_id=user.id,
        audience=wanted.to_json(),
        asked=len(found.chosen),
        excluded=found.excluded,
    )
    session.add(campaign)
    await session.flush()
    moment = now()
    planned = [
        Survey(
            kind=definition.kind,
            definition=definition.name,
            trigger=survey_rules.MANUAL,
            campaign_id=campaign.id,
            conversation_id=known.conversation_id,
            customer_id=known.customer_id,
            created_at=moment,
        )
        for known in found.chosen
    ]
    session.add_all(planned)
    await session.flush()
    begin = moment + timedelta(minutes=definition.delay_minutes)
    session.add_all(
        Timer(
            kind=SEND,
            key=f"{SEND}:{survey.id}",
            payload={"survey": survey.id},
            due_at=begin + timedelta(seconds=index // CAMPAIGN_PACE),
        )
        for index, survey in enumerate(planned)
    )
    signal(session, timers.TOPIC, "desk")
    return campaign


async def mark_sent(
    session: AsyncSession,
    survey: Survey,
    conversation: Conversation,
    language: str,
    settings: SurveySettings,
    outbox_id: int,
) -> None:
    """Record that a survey leaves now in this message, with the snapshot it will be reported under."""
    moment = now()
    definition = settings.named(survey.definition)
    survey.outbox_id = outbox_id
    survey.status, survey.sent_at, survey.reason = SurveyStatus.SENT, moment, ""
    survey.channel, survey.language = conversation.channel, language
    survey.customer_id = conversation.customer_id or survey.customer_id
    await _snapshot(session, survey)
    hours = definition.expiry_hours if definition else EXPIRY_HOURS
    survey.expires_at = moment + timedelta(hours=hours)
    await timers.schedule(session, EXPIRE, survey.expires_at, {"survey": survey.id}, key=f"{EXPIRE}:{survey.id}")
    if definition is not None and definition.reminder_hours:
        due = moment + timedelta(hours=definition.reminder_hours)
        await timers.schedule(session, REMIND, due, {"survey": survey.id}, key=f"{REMIND}:{survey.id}")
    _tell(session, "sent", survey)


async def _snapshot(session: AsyncSession, survey: Survey) -> None:
    """Whose work it is about, and who is asked, as it is now."""
    ticket = await session.get(Ticket, survey.ticket_id) if survey.ticket_id is not None else None
    if ticket is not None:
        survey.team, survey.product, survey.country = ticket.team, ticket.product, ticket.country
        survey.ticket_type = ticket.type.value
    elif survey.handoff_id is not None:
        survey.team = (await session.get_one(Handoff, survey.handoff_id)).team
    if survey.customer_id is None:
        return
    customer = await session.get(Customer, survey.customer_id)
    survey.tier = customer.tier if customer else ""
    if customer is not None and not survey.country:
        survey.country = (
            customer.country
            or await session.scalar(
                select(OrderRow.country)
                .where(OrderRow.customer_id == customer.id, OrderRow.country != "")
                .order_by(OrderRow.placed_at.desc())
                .limit(1)
            )
            or ""
        )


async def start_feedback(session: AsyncSession, conversation: Conversation, language: str) -> Survey:
    """A rating that the customer gives unasked; kept apart from CSAT."""
    moment = now()
    survey = Survey(
        kind="feedback",
        conversation_id=conversation.id,
        customer_id=conversation.customer_id,
        channel=conversation.channel,
        language=language,
        status=SurveyStatus.SENT,
        sent_at=moment,
        expires_at=moment + timedelta(hours=FEEDBACK_HOURS),
    )
    session.add(survey)
    await session.flush()
    return survey


async def find(session: AsyncSession, conversation: Conversation, survey_id: str) -> Survey | None:
    """A survey by the id that a button carries, if it was sent to this conversation."""
    if not survey_id.isdecimal() or len(survey_id) > 15:
        return None
    survey = await session.get(Survey, int(survey_id))
    if survey is None or survey.conversation_id != conversation.id or survey.sent_at is None:
        return None
    return survey


async def open_one(session: AsyncSession, conversation: Conversation) -> Survey | None:
    """The survey that waits for its answer in a conversation, the last one sent; not one that was put off."""
    found: Survey | None = await session.scalar(
        select(Survey)
        .where(
            Survey.conversation_id == conversation.id,
            Survey.status == SurveyStatus.SENT,
            Survey.kind != "feedback",
            Survey.reason != NOT_NOW,
            Survey.expires_at > now(),
        )
        .order_by(Survey.sent_at.desc(), Survey.id.desc())
        .limit(1)
    )
    return found


def put_off(survey: Survey) -> None:
    """ "Not now": no answer and no reminder; a rating may still be given until the survey ends."""
    if survey.status is SurveyStatus.SENT:
        survey.reason = NOT_NOW


async def rate(session: AsyncSession, survey: Survey, score: int, settings: SurveySettings | None = None) -> Answer:
    """Store a rating; for a while it may be changed, after the survey's end it is kept as late.

    The caller has the conversation locked. A change counts from the first answer on. What was rated is
    kept with every change; the last one counts.

    Raises:
        ValueError: a score that is not on the survey's scale.
    """
    low, high = SCALES[survey.kind]
    if not low <= score <= high:
        raise ValueError(f"{score} is not between {low} and {high}")
    moment = now()
    change = timedelta(minutes=(settings or SurveySettings()).change_minutes)
    if survey.status is SurveyStatus.ANSWERED and survey.answered_at is not None:
        if moment - survey.answered_at > change:
            return Answer.UNKNOWN
        if survey.score == score:
            return Answer.CHANGED
        survey.score = score
        session.add(SurveyAnswer(survey_id=survey.id, score=score, at=moment))
        signal(session, "desk")
        _tell(session, "changed", survey, score=score)
        return Answer.CHANGED
    if lost(survey):
        # The platform said that it did not take the question, and here is the answer.
        survey.status, survey.delivered_at = SurveyStatus.SENT, survey.delivered_at or survey.sent_at
    late = survey.status is not SurveyStatus.SENT or (survey.expires_at is not None and survey.expires_at < moment)
    survey.score, survey.answered_at, survey.reason = score, moment, ""
    # A late answer is kept but not counted: the status stays "expired".
    survey.status = SurveyStatus.EXPIRED if late else SurveyStatus.ANSWERED
    session.add(SurveyAnswer(survey_id=survey.id, score=score, late=late, at=moment))
    signal(session, "desk")
    _tell(session, "answered", survey, score=score, late=late)
    return Answer.LATE if late else Answer.STORED


async def comment(session: AsyncSession, survey: Survey, words: str, sentiment: float | None = None) -> None:
    """Keep what was written with a rating; what it is about is found out afterwards.

    Args:
        session: the transaction.
        survey: which.
        words: the customer's; of very many the beginning.
        sentiment: how they sound, between -1 and 1; None if nobody looked.
    """
    survey.comment, survey.sentiment = words.strip()[:MAX_COMMENT], sentiment
    await timers.schedule(session, TOPIC, now(), {"survey": survey.id})
    signal(session, "desk")


def renew_link(survey: Survey) -> None:
    """Make a link to a survey's page good; those that were made before are not any more."""
    survey.nonce = secrets.token_urlsafe(12)


def _tell(session: AsyncSession, happened: str, survey: Survey, **codes: Any) -> None:
    about = {"survey": survey.id, "kind": survey.kind, "conversation": survey.conversation_id}
    events.emit(session, f"survey.{happened}", **about, ticket=survey.ticket_id, **codes)
