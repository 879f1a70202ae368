"""What agents say that a message meant, for those who decide what the bot learns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import phonenumbers
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from bot.config import Shop
from bot.contracts import Author, LinguadeskError
from bot.services.privacy import ERASED
from bot.storage import clean, now, signal
from bot.storage.models import Correction, Message, User

PENDING, APPROVED, REJECTED, LEARNT = "pending", "approved", "rejected", "learnt"
MOST_SHOWN = 100
LONGEST = 1000
"""Characters of an example; the recogniser reads no more of a message either."""

_EMAIL = re.compile(r"[^\s@<>(),;:\"']+@[^\s@<>(),;:\"']+\.\w{2,}")
_PHONE = re.compile(r"(?<![\w-])\+?\d(?:[\s()./-]{0,2}\d){7,14}(?![\w-])")
_DIGITS = re.compile(r"\d{5,}")
_PERSONAL = ("email", "phone", "order_number", "tracking_number", "ticket_number")


class CorrectionError(LinguadeskError):
    """A correction that is not taken; the text is the reason's code."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A correction with who said so, how the message was read, and its conversation, where that is still there."""

    correction: Correction
    agent: str
    reviewer: str
    parse: Mapping[str, Any]
    said: str
    conversation_id: int | None


async def suggest(session: AsyncSession, message_id: int, intent: str, agent: User, *, sure: float = 0.0) -> Correction:
    """Say what a customer's message meant. There is one open correction a message: another changes it.

    Args:
        session: the transaction.
        message_id: the message.
        intent: what it meant, an intent of the project; the caller knows which there are.
        agent: who says so.
        sure: below this confidence, in [0, 1], a reading that was right is worth saying so: the bot learns to
            be surer of it.

    Raises:
        CorrectionError: ``not_read`` for what is no customer's message that the bot has read, ``same`` for
            what it understood itself and was sure of.
    """
    message = await session.get(Message, message_id)
    if message is None or message.author is not Author.CUSTOMER or not message.parse or message.text == ERASED:
        raise CorrectionError("not_read")
    taken = message.parse.get("intent") or {}
    predicted, confidence = str(taken.get("name") or ""), float(taken.get("confidence") or 0.0)
    if predicted == intent and confidence >= sure:
        raise CorrectionError("same")
    known: Correction | None = await session.scalar(
        select(Correction)
        .where(Correction.message_id == message_id, Correction.status == PENDING)
        .order_by(Correction.id.desc())
        .limit(1)
        .with_for_update()
    )
    if known is not None:
        known.intent, known.agent_id, known.created_at = intent, agent.id, now()
    else:
        known = Correction(
            message_id=message_id,
            text=message.text,
            language=message.language,
            predicted=predicted[:80],
            confidence=confidence,
            intent=intent,
            agent_id=agent.id,
        )
        session.add(known)
    await session.flush()
    signal(session, f"conversation:{message.conversation_id}", "desk")
    return known


async def pending_count(session: AsyncSession) -> int:
    """How many corrections wait for a decision."""
    return int(await session.scalar(select(func.count()).where(Correction.status == PENDING)) or 0)


async def listed(session: AsyncSession, status: str, limit: int = MOST_SHOWN) -> list[Waiting]:
    """Corrections of a status: those that wait the oldest first, decided ones the latest first."""
    agent, reviewer = aliased(User), aliased(User)
    order = Correction.id if status == PENDING else Correction.reviewed_at.desc()
    rows = await session.execute(
        select(Correction, agent.name, reviewer.name, Message)
        .join(agent, agent.id == Correction.agent_id)
        .outerjoin(reviewer, reviewer.id == Correction.reviewer_id)
        .outerjoin(Message, Message.id == Correction.message_id)
        .where(Correction.status == status)
        .order_by(order)
        .limit(limit)
    )
    return [
        Waiting(
            row, said_by, decided_by or "", (said and said.parse) or {}, said.text if said else row.text,
            said.conversation_id if said else None,
        )
        for row, said_by, decided_by, said in rows
    ]  # fmt: skip


async def decide(
    session: AsyncSession,
    correction_id: int,
    reviewer: User,
    *,
    approve: bool,
    text: str = "",
    intent: str = "",
    language: str = "",
) -> Correction:
    """Approve a correction, with text, intent and language as the reviewer wants them learnt, or reject it.

    The caller knows which intents and languages there are.

    Raises:
        CorrectionError: ``gone`` for one that does not exist or does not wait any more; of an approved one
            ``empty`` for a text without words and ``too_long`` for one above :data:`LONGEST`.
    """
    row = await session.get(Correction, correction_id, with_for_update=True)
    if row is None or row.status != PENDING:
        raise CorrectionError("gone")
    if approve:
        wanted = " ".join(clean(text).split())
        if not any(char.isalnum() for char in wanted):
            raise CorrectionError("empty")
        if len(wanted) > LONGEST:
            raise CorrectionError("too_long")
        row.text, row.intent, row.language = wanted, intent, language
    row.status = APPROVED if approve else REJECTED
    row.reviewer_id, row.reviewed_at = reviewer.id, now()
    await _changed(session, row)
    return row


async def reopen(session: AsyncSession, correction_id: int) -> Correction:
    """Take a decision back, unless the correction has been learnt. The text stays as the reviewer left it.

    Raises:
        CorrectionError: ``gone`` for one that is not approved or rejected.
    """
    row = await session.get(Correction, correction_id, with_for_update=True)
    if row is None or row.status not in (APPROVED, REJECTED):
        raise CorrectionError("gone")
    row.status, row.reviewer_id, row.reviewed_at = PENDING, None, None
    await _changed(session, row)
    return row


async def _changed(session: AsyncSession, row: Correction) -> None:
    await session.flush()
    message = await session.get(Message, row.message_id) if row.message_id is not None else None
    signal(session, "desk", *([f"conversation:{message.conversation_id}"] if message is not None else []))


async def approved(session: AsyncSession) -> Sequence[Correction]:
    """What is to be learnt, oldest first."""
    rows = await session.scalars(select(Correction).where(Correction.status == APPROVED).order_by(Correction.id))
    return rows.all()


async def mark_learnt(session: AsyncSession, ids: Iterable[int]) -> None:
    """These are in the training data now."""
    statement = update(Correction).where(Correction.id.in_(list(ids)), Correction.status == APPROVED)
    await session.execute(statement.values(status=LEARNT).execution_options(synchronize_session=False))
    signal(session, "desk")


def prefilled(text: str, parse: Mapping[str, Any], shop: Shop) -> str:
    """A customer's text as a proposal for an example: what leads to a person is replaced by invented values.

    E-mail addresses, telephone numbers and numbers of orders, parcels and tickets become examples of their
    kind, in which the recogniser sees the same entity; other long numbers lose their digits. Names cannot be
    found surely and stay: the reviewer takes them out.

    Args:
        text: what the customer wrote.
        parse: how the bot read that very text, in Rasa's shape; may be empty.
        shop: whose order numbers and country are used.
    """
    text = text[:LONGEST]
    taken: list[tuple[int, int, str]] = []

    def take(start: int, end: int, value: str) -> None:
        if 0 <= start < end <= len(text) and not any(start < other[1] and other[0] < end for other in taken):
            taken.append((start, end, value))

    for match in _EMAIL.finditer(text):
        take(*match.span(), _invented("email", shop))
    read = [item for item in parse.get("entities") or () if isinstance(item.get("start"), int)]
    for item in sorted(read, key=lambda item: item.get("entity") not in _PERSONAL):
        start, end, kind = item["start"], item["end"], str(item.get("entity"))
        take(start, end, _invented(kind, shop) if kind in _PERSONAL else text[start:end])
    for match in _PHONE.finditer(text):
        take(*match.span(), _invented("phone", shop))
    for match in _DIGITS.finditer(text):
        take(*match.span(), "".join(str((place + 1) % 10) for place in range(len(match[0]))))
    for start, end, value in sorted(taken, reverse=True):
        text = text[:start] + value + text[end:]
    return text


def _invented(kind: str, shop: Shop) -> str:
    if kind == "phone":
        number = phonenumbers.example_number(shop.country) or phonenumbers.example_number("US")
        return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL) if number else "0"
    return {
        "email": "name@example.com",
        "order_number": shop.order_number_example,
        "tracking_number": "RR123456785CN",
        "ticket_number": "T-000042",
    }[kind]
