"""Events that are no message: edits, reactions, blocks, agents in their rooms. Nothing is answered to them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot import agents, answers, questionnaire
from bot.config import SCALES, Settings
from bot.contracts import Author, Inbound, Kind, Parse, Reply
from bot.outbox import Voice, post, shut_out
from bot.services import privacy, rooms, surveys, translations
from bot.storage import now, signal
from bot.storage.models import Conversation, Inbox, InboxStatus, Message


async def handle(
    session: AsyncSession,
    voice: Voice,
    conversation: Conversation,
    event: Inbound,
    said: dict[str, Any],
    settings: Settings,
) -> None:
    """Do what such an event calls for; ``said`` is its row of the transcript, if it comes to one."""
    if event.kind is Kind.AGENT:
        await agents.act(session, voice, conversation, event, settings, inbox_id=said["inbox_id"])
    elif event.kind is Kind.BLOCKED:
        await shut_out(session, conversation)
    elif event.kind is Kind.UNBLOCKED:
        conversation.unreachable_at = None
    elif event.kind is Kind.JOINED:
        await voice.say(session, conversation, Reply("utter_group_hello"))
    elif event.kind is Kind.REACTION:
        await post(session, conversation, [], Author.CUSTOMER, transcript=[said] if event.text else [])
    else:
        await _change(session, conversation, event)
    conversation.updated_at = now()
    signal(session, "desk", f"conversation:{conversation.id}")


async def _change(session: AsyncSession, conversation: Conversation, event: Inbound) -> None:
    """An edit or a deletion of a message that was handled already: the transcript follows it."""
    if not event.message_id:
        return
    message = await session.scalar(
        select(Message)
        .join(Inbox, Inbox.id == Message.inbox_id)
        .where(
            Inbox.conversation_id == conversation.id,
            Inbox.event["message_id"].as_string() == event.message_id,
            Message.author == Author.CUSTOMER,
        )
        .order_by(Message.id)
        .limit(1)
        # The search index is made from it, and whoever does that must not be half-way.
        .with_for_update(of=Message)
    )
    if message is None or message.text == privacy.ERASED:
        return
    if event.kind is Kind.DELETION or message.text != event.text:
        await translations.drop(session, message.id)
    if event.kind is Kind.DELETION:
        message.text, message.parse, message.change = "", None, "deleted"
        await rooms.tell(session, conversation.id, "room.deleted")
    elif message.text != event.text:
        message.text, message.change = event.text, "edited"
        await rooms.tell(session, conversation.id, "room.edited_to", {"text": event.text})


async def is_rest(session: AsyncSession, conversation: Conversation, inbox_id: int, event: Inbound) -> bool:
    """Whether the message handled before this one was of the same album."""
    before = await session.scalar(
        select(Inbox.event)
        .where(Inbox.conversation_id == conversation.id, Inbox.id < inbox_id, Inbox.status == InboxStatus.DONE)
        .order_by(Inbox.id.desc())
        .limit(1)
    )
    return before is not None and before.get("group", "") == event.group


async def rate(session: AsyncSession, conversation: Conversation, parse: Parse, settings: Settings) -> None:
    """Keep a rating pressed while a person has the conversation; nothing is said to it."""
    rating, survey_id = parse.values("rating"), parse.values("survey")
    if rating and survey_id:
        survey = await surveys.find(session, conversation, survey_id[-1])
        if survey is None:
            return
        low, high = SCALES[survey.kind]
        if rating[-1] == questionnaire.LATER:
            surveys.put_off(survey)
        elif rating[-1].isascii() and rating[-1].isdecimal() and low <= int(rating[-1][:3]) <= high:
            await answers.answer(session, survey, int(rating[-1]), settings)
