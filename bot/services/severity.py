"""Rules that raise a ticket's severity: the merchant's, from ``tickets.severity_rules``; never lowered."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from datetime import timedelta
from functools import lru_cache

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.config import SeverityRule
from bot.storage.models import Customer, OrderRow, Severity, Ticket

RANK = {severity: place for place, severity in enumerate(Severity)}
# Where words are not set apart by spaces, or endings are written onto them, they stand anywhere in a text.
_UNSPACED = re.compile("[\u1100-\u11ff\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff]")
# What belongs to a word: letters, digits, and the vowel signs of Devanagari, which Python counts as neither.
_LETTER = r"[\w\u0900-\u0963]"


def folded(text: str) -> str:
    """A text without case and accents, as customers often leave both out."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    return "".join(char for char in plain if not unicodedata.combining(char)).replace("’", "'")


def _pattern(word: str) -> str:
    bare = re.escape(folded(word.strip("*")))
    if _UNSPACED.search(bare):
        return bare
    before = "" if word.startswith("*") else f"(?<!{_LETTER})"
    after = "" if word.endswith("*") else f"(?!{_LETTER})"
    return f"{before}{bare}{after}"


@lru_cache(maxsize=256)
def _compiled(words: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(map(_pattern, words)))


def mentions(text: str, words: tuple[str, ...]) -> bool:
    """Whether one of the words stands in a text, whole; ``*`` at its end or beginning stands for any letters."""
    return bool(words) and _compiled(words).search(folded(text)) is not None


async def _repeated(session: AsyncSession, ticket: Ticket, days: int) -> bool:
    """Whether the same customer, or the same chat, complained in the days before."""
    same = Ticket.conversation_id == ticket.conversation_id
    if ticket.customer_id is not None:
        same = or_(same, Ticket.customer_id == ticket.customer_id)
    earlier = await session.scalar(
        select(Ticket.id)
        .where(
            same,
            Ticket.id < ticket.id,
            Ticket.merged_into_id.is_(None),
            Ticket.created_at > ticket.created_at - timedelta(days=days),
        )
        .limit(1)
    )
    return earlier is not None


async def _holds(session: AsyncSession, ticket: Ticket, rule: SeverityRule, text: str, sentiment: float | None) -> bool:
    """Whether all conditions of a rule hold. Tier and amount count only where customer and order are proved."""
    if rule.types and ticket.type.value not in rule.types:
        return False
    if rule.words and not mentions(text, rule.words.get(ticket.language, ())):
        return False
    if rule.sentiment_below is not None and (sentiment is None or sentiment > rule.sentiment_below):
        return False
    if rule.tiers:
        customer = await session.get(Customer, ticket.customer_id) if ticket.customer_id is not None else None
        if customer is None or customer.tier.casefold() not in {tier.casefold() for tier in rule.tiers}:
            return False
    if rule.order_amount_at_least is not None:
        order = await session.get(OrderRow, ticket.order_id) if ticket.order_id is not None else None
        if order is None or order.total < rule.order_amount_at_least:
            return False
    return rule.repeat_within_days is None or await _repeated(session, ticket, rule.repeat_within_days)


async def highest(
    session: AsyncSession, ticket: Ticket, rules: Sequence[SeverityRule], text: str, sentiment: float | None = None
) -> tuple[Severity, str] | None:
    """The highest severity above the ticket's own that a rule raises it to, with the rule's name; else None.

    Args:
        session: the transaction.
        ticket: a stored ticket.
        rules: the merchant's; one without a name is called by its place, ``#2``.
        text: what the customer wrote.
        sentiment: how that sounds, between -1 and 1; None: nobody looked.
    """
    best: tuple[Severity, str] | None = None
    for place, rule in enumerate(rules, 1):
        wanted = Severity(rule.raise_to)
        higher = RANK[wanted] > RANK[best[0] if best else ticket.severity]
        if higher and await _holds(session, ticket, rule, text, sentiment):
            best = wanted, rule.name or f"#{place}"
    return best
