"""What agents on a platform see of a hand-over: the card, and what is said below it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.config import Settings
from bot.contracts import Author, Card, Order, OutButton, RoomAction
from bot.services import callbacks
from bot.services.customers import is_verified
from bot.services.orders import DatabaseOrders
from bot.storage import reports
from bot.storage.models import Conversation, Customer, Handoff, Message, RoomRow, StoredFile, Translation, User
from bot.words import Words

LAST_MESSAGES = 10
ORDERS = 3
MESSAGE_LENGTH = 300
# Before what a message says in another language.
MARK = "↳"
SLOT_LENGTH = 80
# What is said as a hand-over ends belongs to it, though it is written a moment later.
LAST_WORDS = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Said:
    """A message as agents see it: one line, with its files."""

    id: int
    line: str
    created_at: datetime
    files: tuple[StoredFile, ...] = ()
    # What it says in other languages, and the newest row of these.
    translations: tuple[str, ...] = ()
    translated: int = 0

    def shown(self, length: int) -> str:
        """The line with its translations below it, together not much longer than ``length``."""
        each = length // (1 + len(self.translations))
        below = (f"{MARK} {shortened(text, each)}" for text in self.translations)
        return "\n".join((shortened(self.line, each), *below))


def words_of(settings: Settings) -> Words:
    """The words of the agents' side: the shop's language where the desk speaks it, else English."""
    return Words(settings.shop.default_language, settings.shop.timezone)


async def said(session: AsyncSession, words: Words, room: RoomRow, *, after: int, limit: int) -> list[Said]:
    """What was said in a room's conversation after a message, oldest first.

    With ``after`` -1: the last that the card itself shows.
    """
    query = (select(Message, User.name).outerjoin(User, User.id == Message.agent_id).limit(limit)).where(
        Message.conversation_id == room.conversation_id
    )
    if after < 0:
        rows = (await session.execute(query.where(Message.id <= room.since).order_by(Message.id.desc()))).all()[::-1]
    else:
        query = query.where(Message.id > after)
        handoff = await session.get_one(Handoff, room.handoff_id)
        if handoff.ended_at is not None:
            query = query.where(Message.created_at <= handoff.ended_at + LAST_WORDS)
        rows = list((await session.execute(query.order_by(Message.id))).all())
    files: dict[int | None, list[StoredFile]] = {}
    ids = [message.id for message, _ in rows]
    for stored in await session.scalars(
        select(StoredFile).where(StoredFile.message_id.in_(ids)).order_by(StoredFile.id)
    ):
        files.setdefault(stored.message_id, []).append(stored)
    texts: dict[int, list[Translation]] = {}
    for row in await session.scalars(
        select(Translation).where(Translation.message_id.in_(ids)).order_by(Translation.id)
    ):
        texts.setdefault(row.message_id, []).append(row)
    talk = await session.get_one(Conversation, room.conversation_id)
    return [
        Said(
            message.id,
            _line(words, talk, message, agent or "", files.get(message.id, [])),
            message.created_at,
            tuple(files.get(message.id, [])),
            tuple(row.text for row in texts.get(message.id, ()) if message.change != "deleted"),
            max((row.id for row in texts.get(message.id, ())), default=0),
        )
        for message, agent in rows
    ]


def _line(words: Words, talk: Conversation, message: Message, agent: str, files: Sequence[StoredFile]) -> str:
    if message.author is Author.CUSTOMER:
        who = talk.name or words("author.customer")
    elif message.author is Author.AGENT and agent:
        who = agent
    else:
        who = words.label("author", message.author.value)
    text = words("room.deleted") if message.change == "deleted" else message.text
    parts = [text, *(f"[{words('room.file_waiting', name=item.name or item.kind)}]" for item in files)]
    if message.change == "edited":
        parts.append(f"({words('room.edited')})")
    return f"{who}: {' '.join(filter(None, parts))}"


def _order(words: Words, order: Order) -> str:
    status = words.label("order", order.status)
    return f"{order.number} · {status} · {words.money(order.total, order.currency)} · {words.day(order.placed_at)}"


def _status(words: Words, handoff: Handoff, agent: str) -> str:
    if handoff.ended_at is not None:
        return words(
            f"room.{handoff.outcome.removesuffix('_to_bot')}", agent=agent, time=words.moment(handoff.ended_at)
        )
    if handoff.claimed_at is not None:
        return words("room.taken", agent=agent, time=words.moment(handoff.claimed_at))
    return words("room.waiting", time=words.moment(handoff.started_at))


def _actions(words: Words, handoff: Handoff) -> tuple[OutButton, ...]:
    if handoff.ended_at is not None:
        return ()
    claim = [] if handoff.claimed_at else [OutButton(words("action.claim"), RoomAction.CLAIM)]
    return (
        *claim,
        OutButton(words("room.reply"), RoomAction.REPLY),
        OutButton(words("action.resolve"), RoomAction.RESOLVE),
        OutButton(words("action.back"), RoomAction.BACK),
    )


def shortened(text: str, length: int) -> str:
    """A text, or its beginning with an ellipsis."""
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


async def build(session: AsyncSession, settings: Settings, room: RoomRow) -> Card:
    """The card of a room as it is now: customer, tier, language, orders, tickets, the last ten messages."""
    words = words_of(settings)
    handoff = await session.get_one(Handoff, room.handoff_id)
    talk = await session.get_one(Conversation, room.conversation_id)
    agent = await session.get(User, handoff.agent_id) if handoff.agent_id is not None else None
    name = talk.name or words("customer.unnamed")
    lines: list[tuple[str, str]] = [(words("room.reason"), words.label("reason", handoff.reason))]
    lines += await _asked(session, words, handoff)
    lines += await _profile(session, settings, words, talk)
    if talk.unreachable_at is not None:
        lines.append((words("room.customer"), words("room.unreachable")))
    last = await said(session, words, room, after=-1, limit=LAST_MESSAGES)
    return Card(
        handoff=handoff.id,
        title=f"{name} · {words.channel(talk.channel)} · {words.language_of(talk.language)}",
        status=_status(words, handoff, agent.name if agent else ""),
        lines=tuple(lines),
        messages=tuple(item.shown(MESSAGE_LENGTH) for item in last),
        actions=_actions(words, handoff),
        hint=words("room.hint"),
    )


async def _asked(session: AsyncSession, words: Words, handoff: Handoff) -> list[tuple[str, str]]:
    """Where to call, who is asked to take it, and what the bot understood and tried."""
    lines = [(words("room.phone"), callbacks.spaced(handoff.phone))] if handoff.phone else []
    if handoff.team:
        lines.append((words("room.team"), handoff.team))
    waiting = handoff.claimed_at is None and handoff.ended_at is None
    if waiting and handoff.offered_to_id is not None:
        user = await session.get(User, handoff.offered_to_id)
        lines.append((words("room.offered"), user.name if user is not None else ""))
    if told := tried(words, handoff.summary):
        lines.append((words("room.tried"), "\n".join(told)))
    return lines


def tried(words: Words, summary: Mapping[str, Any]) -> list[str]:
    """What the bot understood and tried, one line each, oldest first; see :func:`bot.handovers.summarise`."""
    lines = [
        f"{words.label('intent', item['intent'] or 'unknown')} · {words.percent(item['confidence'])}"
        for item in summary.get("intents", ())
    ]
    if form := summary.get("form", ""):
        told = {name.replace("_", " "): shortened(value, SLOT_LENGTH) for name, value in summary["slots"].items()}
        slots = [f"{name}: {value}" for name, value in told.items()]
        lines.append(f"{words.label('intent', form)} – {', '.join(slots)}" if slots else words.label("intent", form))
    if failed := summary.get("failed", 0):
        lines.append(words("room.not_understood", count=failed))
    return lines


async def _profile(
    session: AsyncSession, settings: Settings, words: Words, talk: Conversation
) -> list[tuple[str, str]]:
    """What is known of the customer; orders only of one who has proved to be it."""
    lines: list[tuple[str, str]] = []
    customer = await session.get(Customer, talk.customer_id) if talk.customer_id is not None else None
    if customer is None:
        lines.append((words("room.customer"), words("room.unverified")))
    else:
        contact = " · ".join(filter(None, (customer.name, customer.email, customer.phone, customer.country)))
        mark = "" if is_verified(talk) else f" ({words('side.expired')})"
        lines += [(words("room.customer"), contact + mark), (words("room.tier"), customer.tier)]
        backend = DatabaseOrders(session, settings.orders)
        orders = await backend.of_customer(customer.id, ORDERS)
        if orders:
            lines.append((words("room.orders"), "\n".join(_order(words, order) for order in orders)))
    tickets = await reports.tickets_around(session, talk, ORDERS)
    if tickets:
        shown = [
            " · ".join((item.number, words.label("type", item.type.value), words.label("status", item.status.value)))
            for item in tickets
        ]
        lines.append((words("room.tickets"), "\n".join(shown)))
    return lines


def note_text(words: Words, note: dict[str, Any]) -> str:
    """The words of something that the agents are to be told.

    See :func:`bot.services.rooms.tell` and :func:`bot.services.alerts.announce`.
    """
    params: dict[str, str] = dict(note["params"])
    if at := params.pop("time", ""):
        params["time"] = words.moment(datetime.fromisoformat(at))
    if since := params.pop("since", ""):
        params["time"] = words.waited(datetime.fromisoformat(since))
    return words(note["key"], **params)
