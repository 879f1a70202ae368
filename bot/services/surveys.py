"""Satisfaction surveys: when they are sent, what was answered, and the figures.

CSAT is the share of ratings 4 and 5 on a scale of 1 to 5, with Wilson's 95 % interval (Wilson,
"Probable inference, the law of succession, and statistical inference", JASA 22, 1927).
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.config import SurveySettings
from bot.services import timers
from bot.storage import now, signal
from bot.storage.models import Conversation, Customer, Outbox, OutboxStatus, Survey, SurveyStatus, Ticket

SEND = "survey_send"
EXPIRE = "survey_expire"
CHANGE_WINDOW = timedelta(hours=1)
Z95 = 1.959963984540054


class Answer(enum.Enum):
    """What became of a rating."""

    STORED = "stored"
    CHANGED = "changed"
    LATE = "late"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Csat:
    """CSAT with what it rests on; shares are in [0, 1], NaN when nothing was answered."""

    answered: int
    delivered: int
    satisfied: int
    distribution: tuple[int, int, int, int, int]

    @property
    def score(self) -> float:
        """Share of ratings 4 and 5."""
        return self.satisfied / self.answered if self.answered else math.nan

    @property
    def response_rate(self) -> float:
        """Answered out of delivered."""
        return self.answered / self.delivered if self.delivered else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of :attr:`score`."""
        return wilson(self.satisfied, self.answered)


def wilson(successes: int, n: int) -> tuple[float, float]:
    """Wilson's 95 % score interval of ``successes`` out of ``n``; (NaN, NaN) for ``n`` = 0."""
    if n == 0:
        return math.nan, math.nan
    share, square = successes / n, Z95 * Z95
    centre = share + square / (2 * n)
    spread = Z95 * math.sqrt(share * (1 - share) / n + square / (4 * n * n))
    scale = 1 + square / n
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


async def _allowed(session: AsyncSession, conversation: Conversation, settings: SurveySettings) -> bool:
    """Not to someone who wants none, and not within the cool-down after the last one."""
    if conversation.surveys_stopped_at is not None:
        return False
    same = Survey.conversation_id == conversation.id
    if conversation.customer_id is not None:
        customer = await session.get(Customer, conversation.customer_id)
        if customer is not None and customer.surveys_stopped_at is not None:
            return False
        same = or_(same, Survey.customer_id == conversation.customer_id)
    since = now() - timedelta(days=settings.cooldown_days)
    recent = await session.scalar(
        select(func.count())
        .select_from(Survey)
        .where(same, Survey.kind == "csat", Survey.created_at > since, Survey.status != SurveyStatus.CANCELLED)
    )
    return not recent


async def schedule(
    session: AsyncSession,
    conversation: Conversation,
    settings: SurveySettings,
    *,
    ticket: Ticket | None = None,
    handoff_id: int | None = None,
    agent_id: int | None = None,
) -> Survey | None:
    """Plan a CSAT survey after something was resolved; None where the rules allow none."""
    if not await _allowed(session, conversation, settings):
        return None
    survey = Survey(
        kind="csat",
        conversation_id=conversation.id,
        customer_id=conversation.customer_id,
        ticket_id=ticket.id if ticket else None,
        handoff_id=handoff_id,
        agent_id=agent_id,
        ticket_type=ticket.type.value if ticket else "",
    )
    session.add(survey)
    await session.flush()
    due = now() + timedelta(seconds=settings.delay_seconds)
    await timers.schedule(session, SEND, due, {"survey": survey.id}, key=f"{SEND}:{survey.id}")
    return survey


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
    survey.outbox_id = outbox_id
    survey.status, survey.sent_at = SurveyStatus.SENT, moment
    survey.channel, survey.language = conversation.channel, language
    if conversation.customer_id is not None:
        customer = await session.get(Customer, conversation.customer_id)
        survey.tier = customer.tier if customer else ""
    survey.expires_at = moment + timedelta(hours=settings.expiry_hours)
    await timers.schedule(session, EXPIRE, survey.expires_at, {"survey": survey.id}, key=f"{EXPIRE}:{survey.id}")


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
        expires_at=moment + timedelta(hours=1),
    )
    session.add(survey)
    await session.flush()
    return survey


async def find(session: AsyncSession, conversation: Conversation, survey_id: str) -> Survey | None:
    """A survey by the id that a button carries, if it was sent to this conversation."""
    if not survey_id.isdecimal() or len(survey_id) > 15:
        return None
    survey = await session.get(Survey, int(survey_id))
    return survey if survey is not None and survey.conversation_id == conversation.id else None


async def rate(session: AsyncSession, survey: Survey, score: int) -> Answer:
    """Store a rating of 1 to 5; within the hour it may be changed, after the end it is kept as late."""
    moment = now()
    if survey.status is SurveyStatus.ANSWERED and survey.answered_at is not None:
        if moment - survey.answered_at > CHANGE_WINDOW:
            return Answer.UNKNOWN
        survey.score = score
        signal(session, "desk")
        return Answer.CHANGED
    late = survey.status is SurveyStatus.EXPIRED or (survey.expires_at is not None and survey.expires_at < moment)
    survey.score, survey.answered_at = score, moment
    # A late answer is kept but not counted: the status stays "expired".
    survey.status = SurveyStatus.EXPIRED if late else SurveyStatus.ANSWERED
    signal(session, "desk")
    return Answer.LATE if late else Answer.STORED


async def csat(session: AsyncSession, since: datetime | None = None, channel: str = "", language: str = "") -> Csat:
    """CSAT of the surveys sent since a moment, optionally of one channel or language."""
    where = [Survey.kind == "csat", Survey.sent_at.is_not(None)]
    if since is not None:
        where.append(Survey.sent_at >= since)
    if channel:
        where.append(Survey.channel == channel)
    if language:
        where.append(Survey.language == language)
    rows = await session.execute(
        select(Survey.status, Survey.score, func.count())
        .join(Outbox, Outbox.id == Survey.outbox_id)
        .where(*where, Outbox.status == OutboxStatus.SENT)
        .group_by(Survey.status, Survey.score)
    )
    delivered, distribution = 0, [0, 0, 0, 0, 0]
    for status, score, count in rows:
        delivered += count
        if status is SurveyStatus.ANSWERED and score is not None:
            distribution[score - 1] += count
    one, two, three, four, five = distribution
    return Csat(sum(distribution), delivered, four + five, (one, two, three, four, five))
