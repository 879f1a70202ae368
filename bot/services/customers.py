"""Who is writing: proof by order number and contact, and how long it holds."""

from __future__ import annotations

import enum
import hmac
from datetime import datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import phonenumbers
from babel import Locale
from babel.core import get_global
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.config import Shop, VerificationSettings
from bot.contracts import Order
from bot.services.orders import number_key
from bot.storage import now
from bot.storage.models import Conversation, Customer, OrderRow, VerificationAttempt

# Wrong tries on one order from all chats together: someone who opens many chats is stopped too.
ORDER_FACTOR = 4
# How files of orders name countries besides their names and codes.
_COUNTRIES = {"eire": "IE", "rsa": "ZA", "great britain": "GB", "england": "GB", "holland": "NL", "korea": "KR"}
# Countries whose clocks all show one official time, whatever else is in use somewhere.
_OFFICIAL = {"CN": "Asia/Shanghai"}


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


async def failures_in_a_row(session: AsyncSession, conversation: Conversation, settings: VerificationSettings) -> int:
    """How many of a chat's latest tries were wrong since one was right, within the window of the settings."""
    since = now() - timedelta(minutes=settings.window_minutes)
    tries = await session.scalars(
        select(VerificationAttempt.ok)
        .where(VerificationAttempt.conversation_id == conversation.id, VerificationAttempt.at > since)
        .order_by(VerificationAttempt.id.desc())
        .limit(100)
    )
    found = tries.all()
    return next((place for place, ok in enumerate(found) if ok), len(found))


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


@lru_cache(maxsize=16)
def _country_names(language: str) -> dict[str, str]:
    """Codes of countries by their name in a language."""
    names = Locale.parse(language, sep="-").territories.items()
    return {name.casefold(): code for code, name in names if len(code) == 2 and code.isalpha()}


def country_code(country: str, language: str = "en") -> str:
    """The ISO 3166 code of a country.

    Args:
        country: its code of two or three letters, or its name.
        language: the language of the name, if it is not English.

    Returns:
        The code, ``""`` for what is no country.
    """
    plain = country.strip()
    if code := _COUNTRIES.get(plain.casefold(), ""):
        return code
    if len(plain) in (2, 3) and plain.isascii():
        upper = plain.upper()
        code = next(iter(get_global("territory_aliases").get(upper, [upper])), "")
        return code if code in get_global("territory_zones") else ""
    return _country_names("en").get(plain.casefold()) or _country_names(language).get(plain.casefold(), "")


@lru_cache(maxsize=512)
def zone_of_country(country: str, language: str = "en") -> str:
    """The time zone of a country whose clocks all show the same time, ``""`` for any other; as :func:`country_code`."""
    code = country_code(country, language)
    if code in _OFFICIAL:
        return _OFFICIAL[code]
    zones = get_global("territory_zones").get(code, [])
    year = now().year
    # Two days of each season tell zones apart that change their clocks on other days.
    days = [datetime(year, month, day) for month in (1, 3, 4, 7, 10, 11) for day in (3, 28)]  # noqa: DTZ001
    clocks = {tuple(ZoneInfo(zone).utcoffset(day) for day in days) for zone in zones}
    return zones[0] if len(clocks) == 1 else ""


async def zone_of(session: AsyncSession, conversation: Conversation, shop: Shop) -> str:
    """The time zone of whoever writes in a conversation, for :class:`bot.contracts.Moment`.

    It is the one that is stored for the customer, else that of their country or of their last order's, where
    that has but one. ``shop`` says in which language countries may be named.

    Returns:
        An IANA name, ``""`` where it is not known.
    """
    customer = await session.get(Customer, conversation.customer_id) if conversation.customer_id is not None else None
    if customer is None:
        return ""
    if customer.timezone:
        try:
            return ZoneInfo(customer.timezone).key
        except (ZoneInfoNotFoundError, ValueError):
            pass
    country = customer.country or await session.scalar(
        select(OrderRow.country)
        .where(OrderRow.customer_id == customer.id, OrderRow.country != "")
        .order_by(OrderRow.placed_at.desc())
        .limit(1)
    )
    return zone_of_country(country, shop.default_language) if country else ""
