"""Calling customers back instead of having them wait in the chat."""

from __future__ import annotations

from datetime import datetime, timedelta

import phonenumbers
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.config import Settings
from bot.contracts import Owner
from bot.services import handoff, teams, timers
from bot.services.assignment import hand_over
from bot.services.customers import country_code, is_verified
from bot.storage import now
from bot.storage.models import Conversation, Customer, Handoff

CALL = "handoff_callback"
# The reason of a hand-over that is a call, and the outcome of one that a call takes the place of.
CALLBACK = "callback"
# Who pressed "call me back" and names no number within this time waits in the chat again.
NUMBER_PATIENCE = timedelta(minutes=15)


def timer_of(handoff_id: int) -> str:
    """The key of the timer for a call in the place of a hand-over."""
    return f"{CALL}:{handoff_id}"


def number(text: str, country: str) -> str:
    """A telephone number in E.164 form, ``""`` for what cannot be one.

    Args:
        text: any usual notation.
        country: ISO 3166 code for numbers without a country code.
    """
    try:
        parsed = phonenumbers.parse(text, country or None)
    except phonenumbers.NumberParseException:
        return ""
    if not phonenumbers.is_possible_number(parsed):
        return ""
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


def spaced(phone: str) -> str:
    """A number in E.164 form as people write it, with spaces."""
    try:
        parsed = phonenumbers.parse(phone)
    except phonenumbers.NumberParseException:
        return phone
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.INTERNATIONAL)


async def on_record(session: AsyncSession, conversation: Conversation, settings: Settings) -> tuple[str, str]:
    """The number that is stored for a verified customer, ``""`` if there is none; and the country of theirs or the
    shop's, for numbers that they give."""
    customer_id = conversation.customer_id if is_verified(conversation) else None
    customer = await session.get(Customer, customer_id) if customer_id is not None else None
    if customer is None:
        return "", settings.shop.country
    country = country_code(customer.country, settings.shop.default_language) or settings.shop.country
    return number(customer.phone, country), country


async def call_instead(session: AsyncSession, conversation: Conversation, handoff_id: int, settings: Settings) -> bool:
    """The customer wants to be called rather than wait: the bot has the conversation again; whether that is so.

    Only what nobody has claimed yet. They wait in the chat again, from the opening on, if they name no number.
    """
    row = await handoff.current(session, conversation.id)
    if row is None or row.id != handoff_id or row.agent_id is not None:
        return False
    team = teams.named(settings, row.team)
    opens = teams.opening(settings, team, now()) if team is not None else None
    await handoff.end(session, conversation, CALLBACK)
    due = max(opens or now(), now() + NUMBER_PATIENCE)
    await timers.schedule(session, CALL, due, {"handoff": row.id}, key=timer_of(row.id))
    return True


async def call_wanted(session: AsyncSession, conversation: Conversation, handoff_id: str) -> Handoff | None:
    """The hand-over that a call is to take the place of, if that is still to be arranged."""
    if not (handoff_id.isascii() and handoff_id.isdecimal() and len(handoff_id) < 16):
        return None
    row = await session.get(Handoff, int(handoff_id))
    if row is None or row.conversation_id != conversation.id or row.outcome != CALLBACK or row.phone:
        return None
    return None if await _newer(session, row) else row


async def _newer(session: AsyncSession, row: Handoff) -> bool:
    """Whether the customer has been handed over again since."""
    newer = select(Handoff.id).where(Handoff.conversation_id == row.conversation_id, Handoff.id > row.id).limit(1)
    return await session.scalar(newer) is not None


async def plan_call(
    session: AsyncSession, conversation: Conversation, row: Handoff, phone: str, settings: Settings
) -> datetime | None:
    """Have a customer called at a number: now, which begins a new hand-over, or from the opening on.

    Args:
        session: the transaction; the conversation is locked in it.
        conversation: whose.
        row: what :func:`call_wanted` found.
        phone: the number, E.164.
        settings: all settings.

    Returns:
        When the team opens; None if the hand-over has begun.
    """
    row.phone = phone
    await timers.cancel(session, timer_of(row.id))
    team = teams.named(settings, row.team)
    opens = teams.opening(settings, team, now()) if team is not None else None
    if opens is None:
        new, _ = await hand_over(session, conversation, CALLBACK, settings, phone=phone)
        new.summary = row.summary
        return None
    await timers.schedule(session, CALL, opens, {"handoff": row.id}, key=timer_of(row.id))
    return opens


async def begin_call(
    session: AsyncSession, handoff_id: int, settings: Settings
) -> tuple[Conversation, Handoff, bool] | None:
    """The time of a call has come: begin its hand-over, or add the number to the one that is going on.

    Returns:
        Conversation, hand-over and whether it has just begun; None if there is nothing to do any more.
    """
    row = await session.get_one(Handoff, handoff_id)
    conversation = await session.get_one(Conversation, row.conversation_id, with_for_update=True)
    await session.refresh(row)
    if row.outcome != CALLBACK or (not row.phone and await _newer(session, row)):
        return None
    begins = conversation.owner is Owner.BOT
    new, _ = await hand_over(session, conversation, CALLBACK if row.phone else row.reason, settings, phone=row.phone)
    new.phone, new.summary = new.phone or row.phone, new.summary or row.summary
    await session.flush()
    return conversation, new, begins
