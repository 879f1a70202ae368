"""What others are told of: events of tickets, surveys and conversations, committed with what they tell of.

Nothing is written while nobody is told: :attr:`bot.storage.Database.emits` says what somebody wants.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from bot.storage import signal
from bot.storage.models import Event, Ticket, TicketEvent, TicketStatus

TOPIC = "events"
# All that there are, with what they mean; the documentation and the settings are checked against it.
TYPES: Mapping[str, str] = {
    "ticket.opened": "a ticket was opened",
    "ticket.status": "a ticket has another status",
    "ticket.severity": "a ticket's severity was raised or corrected",
    "ticket.type": "a ticket's type was corrected",
    "ticket.note": "an internal note was added to a ticket",
    "ticket.merged": "a ticket was merged into another one, which goes on in its place",
    "ticket.reopened": "a resolved or closed ticket is worked on again",
    "ticket.assigned": "a ticket was given to a team or an agent",
    "ticket.promise_missed": "a ticket was not answered or resolved in the time that was promised",
    "survey.sent": "a survey was sent",
    "survey.answered": "a survey was answered",
    "survey.changed": "the answer to a survey was changed",
    "conversation.handed_over": "a conversation waits for a person",
    "conversation.claimed": "an agent has taken a conversation",
    "conversation.resolved": "an agent has resolved a conversation, which the bot has again",
    "conversation.back_to_bot": "the bot has a conversation again without its being resolved",
    "topic.risen": "complaints about a topic have risen beyond the usual",
}
_OVER = frozenset({TicketStatus.RESOLVED.value, TicketStatus.CLOSED.value})


def fits(kind: str, patterns: Iterable[str]) -> bool:
    """Whether an event is among those that these patterns (``ticket.*``) name."""
    return any(fnmatchcase(kind, pattern) for pattern in patterns)


def wanted(session: AsyncSession, kind: str) -> bool:
    """Whether somebody is told of such events."""
    return fits(kind, session.info.get("emits", ()))


def emit(session: AsyncSession, kind: str, /, **data: Any) -> None:
    """Record an event, such as ``ticket.opened``; whoever is told by webhook gets it after the commit.

    Where nobody is told of such events this does nothing.

    Args:
        session: the transaction that it is committed with.
        kind: its type, one of :data:`TYPES`.
        data: JSON-ready ids and codes. No customer's words: whoever needs them asks the API.
            ``ticket``, ``conversation``, ``survey`` and ``customer`` are ids.
    """
    if wanted(session, kind):
        session.add(Event(uid=str(uuid.uuid4()), type=kind, data=data))
        signal(session, TOPIC)


async def ticket_changed(session: AsyncSession, ticket: Ticket, entry: TicketEvent) -> None:
    """Emit what an entry in a ticket's history means for others; its words and reasons stay here."""
    about = {"ticket": ticket.id, "number": ticket.number, "conversation": ticket.conversation_id}
    change = {name: entry.detail[name] for name in ("before", "after") if name in entry.detail}
    if entry.kind == "opened":
        codes = {"ticket_type": ticket.type.value, "severity": ticket.severity.value, "language": ticket.language}
        emit(session, "ticket.opened", **about, **codes, customer=ticket.customer_id)
    elif entry.kind in ("severity", "type"):
        emit(session, f"ticket.{entry.kind}", **about, **change)
    elif entry.kind == "status":
        emit(session, "ticket.status", **about, **change)
        if change["before"] in _OVER and change["after"] not in _OVER:
            emit(session, "ticket.reopened", **about, status=change["after"])
    elif entry.kind == "note" and wanted(session, "ticket.note"):
        await session.flush()
        emit(session, "ticket.note", **about, note=entry.id)
    elif entry.kind == "merged":
        emit(session, "ticket.merged", **about, into=ticket.merged_into_id)
    elif entry.kind == "assigned":
        emit(session, "ticket.assigned", **about, team=ticket.team, agent=ticket.agent_id)
