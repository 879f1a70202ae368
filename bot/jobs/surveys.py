"""Surveys leave, are reminded of and end; the daily round; what comments are about."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot import questionnaire
from bot.config import Settings, SurveyDefinition
from bot.contracts import Author, Owner, Parse, Reply
from bot.jobs.base import Workshop
from bot.services import comment_topics, customers, survey_rounds, survey_rules, surveys, timers
from bot.services.surveys import REMIND, SEND
from bot.state import State, Task
from bot.storage import now, signal
from bot.storage.models import Conversation, Customer, Handoff, Inbox, Survey, SurveyStatus
from bot.survey_links import SurveyLinks
from bot.worker import Job

ROUND = "survey_round"
# When the daily round is made, on the shop's clock.
ROUND_AT = time(9, 30)
# While a person talks with the customer, a survey waits so long before it looks again.
AGAIN_AFTER = timedelta(minutes=15)


async def begin_rounds(session: AsyncSession, settings: Settings) -> None:
    """Have the daily round made from now on; nothing changes where it is already."""
    zone = ZoneInfo(settings.shop.timezone)
    await _plan_round(session, now().astimezone(zone).date(), zone)


async def _plan_round(session: AsyncSession, day: date, zone: ZoneInfo) -> None:
    due = datetime.combine(day, ROUND_AT, zone).astimezone(UTC)
    await timers.schedule(session, ROUND, due, {"day": day.isoformat()}, key=f"{ROUND}:{day.isoformat()}")


def survey_jobs(shop: Workshop) -> dict[str, Job]:
    """What is done for surveys when a timer is due."""
    settings = shop.settings

    async def send(session: AsyncSession, payload: dict[str, Any], _: Any) -> None:
        await _send(session, shop, payload["survey"])

    async def remind(session: AsyncSession, payload: dict[str, Any], _: Any) -> None:
        await _remind(session, shop, payload["survey"])

    async def expire(session: AsyncSession, payload: dict[str, Any], _: Any) -> None:
        survey = await session.get_one(Survey, payload["survey"])
        if survey.status is SurveyStatus.SENT:
            survey.status = SurveyStatus.EXPIRED

    async def silence(session: AsyncSession, payload: dict[str, Any], _: Any) -> None:
        await _silence(session, settings, payload)

    async def round_(session: AsyncSession, payload: dict[str, Any], _: Any) -> None:
        zone, day = ZoneInfo(settings.shop.timezone), date.fromisoformat(payload["day"])
        await survey_rounds.quarterly(session, settings.surveys, day)
        await survey_rounds.delivered(session, settings.surveys)
        # After a long rest, no more rounds than a quarter has days.
        oldest = now().astimezone(zone).date() - timedelta(days=settings.surveys.quarter_days)
        await _plan_round(session, max(day + timedelta(days=1), oldest), zone)

    async def read_comment(payload: dict[str, Any]) -> Parse | None:
        async with shop.database.read() as session:
            words = await session.scalar(select(Survey.comment).where(Survey.id == payload["survey"]))
        return await shop.recognizer.parse(words) if words and shop.recognizer is not None else None

    async def keep_topic(session: AsyncSession, payload: dict[str, Any], parse: Parse | None) -> None:
        survey = await session.get(Survey, payload["survey"])
        if survey is not None and survey.comment and parse is not None:
            survey.topic = comment_topics.topic_of(parse, survey.sentiment)
            signal(session, "desk")

    return {
        surveys.SEND: Job(send),
        surveys.REMIND: Job(remind),
        surveys.EXPIRE: Job(expire),
        surveys.SILENT: Job(silence),
        surveys.TOPIC: Job(keep_topic, read_comment),
        ROUND: Job(round_),
    }


async def _locked(session: AsyncSession, survey: Survey) -> Conversation:
    """The survey's conversation and its customer, locked: nothing else is decided about them meanwhile."""
    conversation = await session.get_one(
        Conversation, survey.conversation_id, with_for_update=True, populate_existing=True
    )
    if conversation.customer_id is not None:
        await session.get(Customer, conversation.customer_id, with_for_update=True, populate_existing=True)
    await session.refresh(survey)
    return conversation


async def _send(session: AsyncSession, shop: Workshop, survey_id: int) -> None:
    """The one place where surveys leave: now, later, or never, with the reason."""
    settings = shop.settings.surveys
    survey = await session.get_one(Survey, survey_id)
    conversation = await _locked(session, survey)
    if survey.status is not SurveyStatus.SCHEDULED:
        return
    definition = settings.named(survey.definition)
    if definition is None:
        surveys.refuse(survey, survey_rules.GONE)
        return
    moment = now()
    known = await survey_rules.facts(session, conversation.id, but=survey.id)
    reason = survey_rules.refusal(
        known,
        definition,
        settings,
        moment,
        trigger=survey.trigger,
        ticket_type=survey.ticket_type,
        fallback_language=shop.settings.shop.default_language,
    )
    later = await _later(session, shop, conversation)
    if reason == survey_rules.COOLDOWN and survey.trigger == survey_rules.QUARTERLY and known.last_sent is not None:
        # The rare one keeps its place: it leaves as soon as it may, and until then no frequent one does.
        reason, later = "", known.last_sent + timedelta(days=settings.cooldown_days)
    if reason:
        surveys.refuse(survey, reason)
        return
    if later is not None:
        if later > survey.created_at + _patience(survey, definition, shop.settings):
            surveys.refuse(survey, survey_rules.STALE)
        else:
            await surveys.postpone(session, survey, SEND, later)
        return
    asked = await _ask(session, shop, survey, conversation)
    await surveys.mark_sent(session, survey, conversation, shop.voice.language(conversation), settings, asked)


def _patience(survey: Survey, definition: SurveyDefinition, settings: Settings) -> timedelta:
    """So long after it was planned a survey still makes sense."""
    if survey.trigger == survey_rules.QUARTERLY:
        return timedelta(days=settings.surveys.quarter_days)
    return timedelta(minutes=definition.delay_minutes) + timedelta(hours=max(definition.expiry_hours, 24))


async def _later(session: AsyncSession, shop: Workshop, conversation: Conversation) -> datetime | None:
    """When to look again because nobody is asked at this moment; None if this is a good one."""
    moment = now()
    if conversation.owner is not Owner.BOT:
        return moment + AGAIN_AFTER
    zone = await customers.zone_of(session, conversation, shop.settings.shop) or shop.settings.shop.timezone
    return survey_rules.quiet_until(moment, shop.settings.surveys, zone)


async def _ask(
    session: AsyncSession, shop: Workshop, survey: Survey, conversation: Conversation, lead: str = ""
) -> int:
    """Put the question and make it the one that is open; the outbox id."""
    voice, settings = shop.voice, shop.settings
    reply = questionnaire.question(survey, settings.surveys)
    language = voice.language(conversation)
    lines = [voice.texts.text(lead, language)] if lead else []
    lines.append(voice.texts.text(reply.key, language))
    if getattr(shop.connectors.get(conversation.channel), "buttonless", False) and settings.web.public_url:
        surveys.renew_link(survey)
        link = SurveyLinks(shop.config).address(survey)
        lines.append(voice.texts.text("utter_survey_form_link", language, {"link": link}))
        reply = replace(reply, buttons=())
    if len(lines) > 1:
        reply = Reply(text="\n".join(lines), buttons=reply.buttons)
    (asked,) = await voice.say(session, conversation, reply, author=Author.SURVEY)
    rendered = voice.texts.render(reply, language)
    state = State.from_json(conversation.state).interrupted()
    choices = tuple((button.title, button.payload) for button in rendered.buttons)
    task = state.task or Task("answer_survey", {"survey": str(survey.id)}, asking="rating")
    conversation.state = replace(state, task=task, buttons=choices).to_json()
    return asked


async def _remind(session: AsyncSession, shop: Workshop, survey_id: int) -> None:
    """Ask once more, once, unless the customer has answered, does not want to, or must not be written to."""
    settings = shop.settings.surveys
    survey = await session.get_one(Survey, survey_id)
    conversation = await _locked(session, survey)
    waits = survey.status is SurveyStatus.SENT and survey.reason != surveys.NOT_NOW and survey.reminded_at is None
    if not waits or survey.delivered_at is None:
        return
    known = await survey_rules.facts(session, conversation.id, but=survey.id)
    reach = settings.reach_hours.get(conversation.channel)
    unheard = reach is not None and (known.heard_at is None or now() - known.heard_at > timedelta(hours=reach))
    if known.stopped or known.unreachable or unheard or (survey.kind == "nps" and known.complaint):
        return
    later = await _later(session, shop, conversation)
    if later is not None:
        if survey.expires_at is None or later < survey.expires_at:
            await surveys.postpone(session, survey, REMIND, later)
        return
    survey.reminded_at = now()
    await _ask(session, shop, survey, conversation, lead="utter_survey_reminder")


async def _silence(session: AsyncSession, settings: Settings, payload: dict[str, Any]) -> None:
    """Plan the survey about what the bot did, once the customer has been silent and nobody else came into it."""
    delay = timedelta(minutes=min((item.delay_minutes for item in settings.surveys.of("bot_closed")), default=0))
    conversation = await session.get_one(Conversation, payload["conversation"], with_for_update=True)
    heard = await session.scalar(
        select(Inbox.received_at)
        .where(Inbox.conversation_id == conversation.id, Inbox.channel == conversation.channel)
        .order_by(Inbox.id.desc())
        .limit(1)
    )
    since = datetime.fromisoformat(payload["since"])
    person = await session.scalar(
        select(Handoff.id).where(Handoff.conversation_id == conversation.id, Handoff.started_at >= since).limit(1)
    )
    if person is not None or conversation.owner is not Owner.BOT:
        return
    if heard is not None and now() - heard < delay:
        await timers.schedule(session, surveys.SILENT, heard + delay, payload)
        return
    await surveys.plan(session, conversation, settings.surveys, "bot_closed")
