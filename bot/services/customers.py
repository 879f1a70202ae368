"""Who is writing: proof by order number and contact, and how long it holds."""

from __future__ import annotations

import enum
import hmac
from datetime import timedelta

import phonenumbers
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.config import VerificationSettings
from bot.contracts import Order
from bot.services.orders import number_key
from bot.storage import now
from bot.storage.models import Conversation, VerificationAttempt

# Wrong tries on one order from all chats together: someone who opens many chats is stopped too.
ORDER_FACTOR = 4


class Proof(enum.Enum):
    """The result of a try to prove that an order is one's own."""

    OK = "ok"
    WRONG = "wrong"
    LOCKED = "locked"


def normal_email(text: str) -> str:
    """An e-mail address as it is compared."""
    return text.strip().casefold()


def normal_phone(text: str, country: str) -> str:
    """A telephone number in E.164 form, or its digits where it cannot be read as one.

    Args:
        text: any usual notation.
        country: ISO 3166 code for numbers without a country code.
    """
    try:
        parsed = phonenumbers.parse(text, country)
    except phonenumbers.NumberParseException:
        return "".join(char for char in text if char.isdecimal())
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


def _same(left: str, right: str) -> bool:
    return bool(left) and hmac.compare_digest(left.encode(), right.encode())


def _same_phone(stored: str, given: str, country: str) -> bool:
    """Equal in E.164; or, as customers leave out the country, equal in their last nine digits."""
    if not stored:
        return False
    left, right = normal_phone(stored, country), normal_phone(given, country)
    left_digits, right_digits = left.lstrip("+"), "".join(char for char in given if char.isdecimal()).lstrip("0")
    tail = len(right_digits) >= 9 and _same(left_digits[-9:], right_digits[-9:])
    return _same(left, right) or tail


def contact_matches(order: Order, contact: str, country: str) -> bool:
    """Whether a contact is the e-mail address or the telephone number on an order."""
    if "@" in contact:
        return _same(normal_email(order.email), normal_email(contact))
    return _same_phone(order.phone, contact, country)


def is_verified(conversation: Conversation) -> bool:
    """Whether the chat is linked to a customer at this moment."""
    return (
        conversation.customer_id is not None
        and conversation.verified_until is not None
        and conversation.verified_until > now()
    )


async def locked(
    session: AsyncSession, conversation: Conversation, number: str, settings: VerificationSettings
) -> bool:
    """Whether too many wrong tries were made lately from this chat, or on this order."""
    since = now() - timedelta(minutes=settings.window_minutes)
    wrong = (
        select(func.count())
        .select_from(VerificationAttempt)
        .where(VerificationAttempt.ok.is_(False), VerificationAttempt.at > since)
    )
    here = await session.scalar(wrong.where(VerificationAttempt.conversation_id == conversation.id)) or 0
    if here >= settings.attempts:
        return True
    if not number:
        return False
    order = await session.scalar(wrong.where(VerificationAttempt.order_key == number_key(number))) or 0
    return order >= settings.attempts * ORDER_FACTOR


async def prove(
    session: AsyncSession,
    conversation: Conversation,
    order: Order | None,
    number: str,
    contact: str,
    settings: VerificationSettings,
    country: str,
) -> Proof:
    """Check a contact against an order, record the try, and link the chat when it is right.

    An unknown order and a wrong contact are the same failure, so that nobody learns which order
    numbers exist.
    """
    if await locked(session, conversation, number, settings):
        return Proof.LOCKED
    ok = order is not None and contact_matches(order, contact, country)
    session.add(VerificationAttempt(conversation_id=conversation.id, order_key=number_key(number), ok=ok, at=now()))
    await session.flush()
    if ok and order is not None:
        conversation.customer_id = order.customer_id
        conversation.verified_until = now() + timedelta(minutes=settings.valid_minutes)
        return Proof.OK
    return Proof.LOCKED if await locked(session, conversation, number, settings) else Proof.WRONG
