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
from bot.desk.pages import NOT_FOUND, PageError, Visit, digest, whole
from bot.desk.presence import version as presence_version
from bot.desk.uploads import MAX_UPLOAD_BYTES
from bot.services import clocks, drafts, notes, translations
from bot.services.customers import is_verified
from bot.services.drafts import Writing
from bot.services.orders import DatabaseOrders
from bot.storage import now, reports, talk_reports
from bot.storage.models import Conversation, Customer, TicketClock, TicketStatus
from bot.storage.talk_reports import ConversationView, NoteItem, TranscriptItem

# So many messages are shown at once, and so many on a page with everything.
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


@dataclass(frozen=True, slots=True)
class Span:
    """Which messages are asked for: the newest, or with ``before`` the newest of those before a message."""

    before: int | None = None
    everything: bool = False

    @property
    def size(self) -> int:
        """How many messages at most."""
        return MOST_SHOWN if self.everything else SHOWN


async def span(visit: Visit, session: AsyncSession) -> Span:
    """What the address asks for: ``before`` a message, ``at`` one, ``show=all``; else the newest messages."""
    query = visit.request.query_params
    before, at = whole(query.get("before", "")), whole(query.get("at", ""))
    if before is None and at is not None:
        following = await talk_reports.messages_after(session, visit.id(), at, SHOWN)
        if len(following) == SHOWN:
            # In the middle, so that one sees what it was about.
            before = following[SHOWN // 2]
    return Span(before, query.get("show") == "all")


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


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of the timeline; ``earlier`` is the message before which there is more, None if there is nothing."""

    messages: list[TranscriptItem]
    timeline: list[TranscriptItem | NoteItem]
    earlier: int | None
    previews: dict[int, str]


async def stretch(visit: Visit, session: AsyncSession, wanted: Span) -> Stretch:
    """The part of a conversation's timeline that is asked for."""
    messages, more = await talk_reports.transcript(session, visit.id(), wanted.size, wanted.before)
    since = messages[0].created_at if more else None
    found = await talk_reports.notes(session, visit.id(), since, MOST_SHOWN, wanted.before)
    files = [file for message in messages for file in message.files]
    shown = await previews(visit.desk.config.files_dir, files) if files else {}
    return Stretch(messages, merged(messages, found), messages[0].id if more else None, shown)


async def earlier(visit: Visit, session: AsyncSession) -> dict[str, Any]:
    """What the page's script puts before what it shows already.

    Raises:
        PageError: there is no such conversation.
    """
    talk = await session.get(Conversation, visit.id())
    if talk is None:
        raise PageError(*NOT_FOUND)
    wanted = await span(visit, session)
    part = await stretch(visit, session, wanted)
    return {"talk": talk, "span": wanted, "part": part}


async def context(visit: Visit, session: AsyncSession, typed: Mapping[str, Writing]) -> dict[str, Any]:
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
    talk, wanted = view.conversation, await span(visit, session)
    part = await stretch(visit, session, wanted)
    newest = part.messages[-1].id if part.messages else 0
    if wanted.before is not None:
        newest = await talk_reports.newest_message(session, talk.id)
    lookers = await talk_reports.lookers(session, talk.id, visit.me.id)
    reply_place, note_place = drafts.places(talk.id)
    kept = await drafts.of(session, visit.me.id, (reply_place, note_place))
    return {
        "view": view,
        "talk": talk,
        "state": state_of(view, visit.me.id),
        "span": wanted,
        "part": part,
        "newest": newest,
        "lookers": lookers,
        "canned": ready_replies(visit, talk, view.customer),
        "reply_place": reply_place,
        "note_place": note_place,
        "reply_writing": typed.get(reply_place, kept[reply_place]),
        "note_writing": typed.get(note_place, kept[note_place]),
        "translate": _translates(visit, talk),
        "noting": visit.request.query_params.get("compose") == "note",
        "max_reply": agents.MAX_REPLY,
        "max_note": notes.MAX_NOTE,
        "max_upload": MAX_UPLOAD_BYTES,
        "seen": digest(await talk_reports.conversation_version(session, talk.id)),
        "queue_seen": digest(await reports.queue_version(session)),
        "presence_seen": presence_version(lookers),
    } | await _side(visit, session, view)
