"""What the page of a conversation shows: the timeline, the side panel, what the composer offers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from bot import agents
from bot.canned import CannedReply
from bot.cards import tried
from bot.desk.files import previews
from bot.desk.pages import NOT_FOUND, PageError, Visit, digest
from bot.desk.presence import version as presence_version
from bot.desk.uploads import MAX_UPLOAD_BYTES
from bot.services import clocks, drafts, notes, translations
from bot.services.customers import is_verified
from bot.services.orders import DatabaseOrders
from bot.storage import now, reports, talk_reports
from bot.storage.models import Conversation, Customer, TicketClock, TicketStatus
from bot.storage.talk_reports import ConversationView, NoteItem, TranscriptItem

SHOWN = 100
MOST_SHOWN = 2000
# What the composer and the buttons go by; also what data-state in the page says.
OPEN = frozenset(TicketStatus) - {TicketStatus.RESOLVED, TicketStatus.CLOSED}
BOT, WAITING, MINE, TAKEN = "bot", "waiting", "mine", "taken"


@dataclass(frozen=True, slots=True)
class Ready:
    """The ready-made replies for a conversation, filled in, and the language that they are in."""

    language: str
    replies: tuple[CannedReply, ...]


def shown(visit: Visit) -> int:
    """How many messages the page is asked to show."""
    asked = visit.request.query_params.get("show", "")
    number = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 6 else SHOWN
    return min(max(number, SHOWN), MOST_SHOWN)


def state_of(view: ConversationView, me: int) -> str:
    """Which actions the conversation allows this agent."""
    if view.handoff is None:
        return BOT
    if view.handoff.agent_id is None:
        return WAITING
    return MINE if view.handoff.agent_id == me else TAKEN


def merged(messages: Sequence[TranscriptItem], found: Sequence[NoteItem]) -> list[TranscriptItem | NoteItem]:
    """Messages in their order, with each note after what was said before it was written."""
    timeline: list[TranscriptItem | NoteItem] = []
    rest = list(found)
    for message in messages:
        while rest and rest[0].created_at < message.created_at:
            timeline.append(rest.pop(0))
        timeline.append(message)
    return timeline + rest


def ready_replies(visit: Visit, talk: Conversation, customer: Customer | None) -> Ready:
    """The ready-made replies in the customer's language, or where it has none in the shop's."""
    shop = visit.desk.config.settings.shop
    language = next(
        (code for code in (talk.language, shop.default_language) if visit.desk.canned.get(code)), shop.default_language
    )
    values = {
        "customer": (customer.name if customer is not None else "") or talk.name,
        "agent": visit.me.name,
        "shop": shop.name,
    }
    known = visit.desk.canned.get(language, ())
    return Ready(language, tuple(CannedReply(item.name, item.filled(**values)) for item in known))


async def _clocks(session: AsyncSession, ticket_ids: Sequence[int]) -> dict[int, list[tuple[TicketClock, str]]]:
    """The promises about open tickets, each with how it stands."""
    moment = now()
    found = await clocks.clocks_of(session, ticket_ids)
    return {ticket: [(clock, clocks.state_of(clock, moment)) for clock in items] for ticket, items in found.items()}


async def _handoff(visit: Visit, session: AsyncSession, view: ConversationView) -> dict[str, Any]:
    """What the bot tried before, and to whom the conversation may be passed on."""
    row = view.handoff
    may_pass = row is not None and (row.agent_id in (None, visit.me.id) or visit.manages)
    return {
        "tried": tried(visit.words, row.summary) if row is not None else [],
        "may_pass": may_pass,
        "all_teams": [team.name for team in visit.desk.config.settings.teams] if may_pass else [],
        "colleagues": await talk_reports.colleagues(session, visit.me.id) if may_pass else [],
    }


async def _side(visit: Visit, session: AsyncSession, view: ConversationView) -> dict[str, Any]:
    talk = view.conversation
    orders: list[Any] = []
    if talk.customer_id is not None:
        backend = DatabaseOrders(session, visit.desk.config.settings.orders)
        orders = list(await backend.of_customer(talk.customer_id, 5))
    tickets = await reports.tickets_around(session, talk)
    return {
        "verified": is_verified(talk),
        "orders": orders,
        "tickets": tickets,
        "clocks": await _clocks(session, [item.id for item in tickets if item.status in OPEN]),
        "other_talks": await talk_reports.other_conversations(session, talk),
        "ended": await talk_reports.ended_handoffs(session, talk.id),
    } | await _handoff(visit, session, view)


def _translates(visit: Visit, talk: Conversation) -> bool:
    """Whether the agent may need a reply translated."""
    language = visit.desk.voice.language(talk)
    return visit.desk.translator is not None and not translations.understands(
        visit.me, language, visit.desk.config.settings
    )


async def context(visit: Visit, session: AsyncSession, typed: Mapping[str, str]) -> dict[str, Any]:
    """Everything that the page shows.

    Args:
        visit: who looks at what.
        session: a read transaction.
        typed: what stands in the fields, by place; else their drafts do.

    Raises:
        PageError: there is no such conversation.
    """
    view = await talk_reports.conversation(session, visit.id())
    if view is None:
        raise PageError(*NOT_FOUND)
    talk, number = view.conversation, shown(visit)
    messages, more = await talk_reports.transcript(session, talk.id, number)
    found = await talk_reports.notes(session, talk.id, messages[0].created_at if more else None, number)
    lookers = await talk_reports.lookers(session, talk.id, visit.me.id)
    reply_place, note_place = drafts.places(talk.id)
    kept = await drafts.of(session, visit.me.id, (reply_place, note_place))
    more = more and number < MOST_SHOWN
    return {
        "view": view,
        "talk": talk,
        "state": state_of(view, visit.me.id),
        "timeline": merged(messages, found),
        "newest": messages[-1].id if messages else 0,
        "more": more,
        "shown": number,
        "next_shown": min(number * 5, MOST_SHOWN),
        "previews": await previews(
            visit.desk.config.files_dir, [file for message in messages for file in message.files]
        ),
        "lookers": lookers,
        "canned": ready_replies(visit, talk, view.customer),
        "reply_place": reply_place,
        "note_place": note_place,
        "draft": typed.get(reply_place, kept.get(reply_place, "")),
        "note_draft": typed.get(note_place, kept.get(note_place, "")),
        "translate": _translates(visit, talk),
        "noting": visit.request.query_params.get("compose") == "note",
        "max_reply": agents.MAX_REPLY,
        "max_note": notes.MAX_NOTE,
        "max_upload": MAX_UPLOAD_BYTES,
        "seen": digest(await talk_reports.conversation_version(session, talk.id)),
        "queue_seen": digest(await reports.queue_version(session)),
        "presence_seen": presence_version(lookers),
    } | await _side(visit, session, view)
