"""Doing the same with many tickets or conversations.

First a page says what will be done with how many, and how many customers will hear of it. Then each is
done by itself, as one by one: what fails is listed with its reason and leaves nothing half done.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from urllib.parse import parse_qsl

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from bot import agents
from bot.desk import export
from bot.desk.lists import MOST_AT_ONCE, chosen, conversations_asked, known, tickets_asked
from bot.desk.pages import PageError, Visit, whole
from bot.services import notes, ticket_life
from bot.services.handoff import HandoffError
from bot.services.ticket_life import Change
from bot.services.tickets import TicketError
from bot.storage import StorageError, lists
from bot.storage.models import (
    Handoff,
    Severity,
    Ticket,
    TicketStatus,
    TicketType,
    User,
    ticket_number,
)

BAD_REQUEST = (400, "bad_request")
TICKET_ACTIONS = frozenset({"status", "assign", "classify", "note"})
CONVERSATION_ACTIONS = frozenset({"pass", "resolve", "back", "note"})
EXPORTS = frozenset({"csv", "xlsx"})
# What a form says of what is to be done, and what the page of confirmation says again.
FIELDS = ("do", "query", "status", "root_cause", "resolution", "team", "agent", "type", "severity", "text")

One: TypeAlias = Callable[[AsyncSession, int], Awaitable[None]]


@dataclass(slots=True)
class Outcome:
    """How many are done; of the others, what each is called, where it is, and why it is not done."""

    done: int = 0
    failed: list[tuple[str, str, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Batch:
    """What was chosen; ``cut``: there were more."""

    ids: list[int]
    cut: bool
    back: str
    fields: Mapping[str, str]


def _query(fields: Mapping[str, str]) -> dict[str, str]:
    return dict(parse_qsl(fields.get("query", "").lstrip("&"), max_num_fields=30))


def _named(fields: Mapping[str, str]) -> list[int]:
    """The ids that were ticked, or that the page of confirmation says again."""
    texts = [name.removeprefix("id-") for name in fields if name.startswith("id-")]
    numbers = map(whole, texts or fields.get("ids", "").split(","))
    return list(dict.fromkeys(number for number in numbers if number is not None))


async def _batch(visit: Visit, fields: Mapping[str, str], place: str) -> Batch:
    """What was chosen: the rows that were ticked, or all that match the filters."""
    kept = {name: fields[name] for name in FIELDS if fields.get(name)}
    back = f"/desk/{place}?{fields.get('query', '').lstrip('&')}"
    ids = _named(fields)
    if fields.get("all") == "1" and not fields.get("ids"):
        query = _query(fields)
        async with visit.desk.database.read() as session:
            there = await known(session, topics=place == "tickets")
            if place == "tickets":
                asked = tickets_asked(visit, there, query)
                page = await lists.ticket_ids(session, asked.wanted, asked.sort, size=MOST_AT_ONCE)
            else:
                talks = conversations_asked(visit, there, query)
                page = await lists.conversation_ids(session, talks.wanted, talks.sort, size=MOST_AT_ONCE)
        return Batch(list(page.items), bool(page.older), back, kept)
    return Batch(ids[:MOST_AT_ONCE], len(ids) > MOST_AT_ONCE, back, kept)


def _change(fields: Mapping[str, str]) -> Change:
    status = chosen(TicketStatus, fields.get("status", ""))
    if status is None:
        raise PageError(*BAD_REQUEST)
    codes = [fields.get(name, "") if status is TicketStatus.RESOLVED else "" for name in ("root_cause", "resolution")]
    return Change(status, fields.get("text", "").strip(), *codes)


async def _ticket_action(visit: Visit, fields: Mapping[str, str]) -> One:
    """What is done with each ticket. Raises :class:`PageError` where the form does not say what."""
    desk, me, settings = visit.desk, visit.me, visit.desk.config.settings
    do, text = fields.get("do", ""), fields.get("text", "")
    if do == "status":
        change = _change(fields)

        async def status(session: AsyncSession, item: int) -> None:
            await agents.set_ticket_status(session, desk.voice, item, change, me, settings)

        return status
    if do == "assign":
        team = fields.get("team", "")
        agent = await _agent(visit, fields.get("agent", ""))
        if team and team not in {item.name for item in settings.teams}:
            raise PageError(*BAD_REQUEST)

        async def assign(session: AsyncSession, item: int) -> None:
            await agents.assign_ticket(session, item, team=team, agent=agent, by=me)

        return assign
    if do == "classify":
        kind, severity = chosen(TicketType, fields.get("type", "")), chosen(Severity, fields.get("severity", ""))
        if kind is None and severity is None:
            raise PageError(*BAD_REQUEST)

        async def classify(session: AsyncSession, item: int) -> None:
            ticket = await session.get(Ticket, item)
            if ticket is None:
                raise TicketError("unknown")
            wanted = (kind or ticket.type, severity or ticket.severity)
            await agents.classify_ticket(session, item, *wanted, me, text, settings=settings)

        return classify

    async def note(session: AsyncSession, item: int) -> None:
        await agents.note_ticket(session, item, text, me)

    return note


async def _agent(visit: Visit, value: str) -> User | None:
    if not value:
        return None
    async with visit.desk.database.read() as session:
        user = await session.get(User, whole(value) or 0)
    if user is None:
        raise PageError(*BAD_REQUEST)
    return user


def _conversation_action(visit: Visit, fields: Mapping[str, str]) -> One:
    """What is done with each conversation."""
    desk, me, settings = visit.desk, visit.me, visit.desk.config.settings
    do, text, team = fields.get("do", ""), fields.get("text", ""), fields.get("team", "")

    async def one(session: AsyncSession, item: int) -> None:
        if do == "pass":
            await agents.pass_on(session, desk.voice, item, me, settings, team=team)
        elif do == "resolve":
            await agents.resolve(session, desk.voice, item, me, settings.surveys)
        elif do == "back":
            await agents.back_to_bot(session, desk.voice, item, me)
        else:
            await notes.add(session, item, me, text)

    return one


async def _told_by_tickets(session: AsyncSession, batch: Batch) -> int:
    """How many customers will hear of it: those whose ticket gets another status that it may have."""
    if batch.fields.get("do") != "status":
        return 0
    wanted = _change(batch.fields).status
    rows = await session.scalars(select(Ticket).where(Ticket.id.in_(batch.ids)))
    return len({row.conversation_id for row in rows if wanted in ticket_life.allowed(row)})


async def _told_by_conversations(session: AsyncSession, batch: Batch, me: int) -> int:
    """How many customers will hear of it: of those that wait, or are this agent's."""
    do = batch.fields.get("do")
    if do == "note":
        return 0
    rows = await session.scalars(
        select(Handoff.agent_id).where(Handoff.ended_at.is_(None), Handoff.conversation_id.in_(batch.ids))
    )
    # Nobody hears of being passed on who talks with nobody yet.
    mine = {me} if do == "pass" else {me, None}
    return sum(agent in mine for agent in rows)


async def _each(visit: Visit, batch: Batch, one: One, prefix: str) -> Outcome:
    """Do it with each, in a transaction of its own."""
    outcome = Outcome()
    words = visit.words
    for item in batch.ids:
        try:
            async with visit.desk.database.begin() as session:
                await one(session, item)
            outcome.done += 1
        except (TicketError, HandoffError, StorageError) as error:
            key = f"{prefix}.{error}"
            # The database's words are for the log; the others are done all the same.
            reason = words(key) if not isinstance(error, StorageError) else key
            tickets = prefix == "ticket.failed"
            name = ticket_number(item) if tickets else words("customer.unnamed", number=item)
            address = f"/desk/{'tickets' if tickets else 'conversations'}/{item}"
            outcome.failed.append((name, address, "" if reason == key else reason))
    return outcome


def _page(visit: Visit, batch: Batch, outcome: Outcome | None, told: int = 0) -> Response:
    context: dict[str, Any] = {
        "do": batch.fields["do"],
        "ids": batch.ids,
        "cut": batch.cut,
        "back": batch.back,
        "fields": batch.fields,
        "outcome": outcome,
        "told": told,
    }
    return visit.render("bulk.html", **context)


async def tickets(visit: Visit) -> Response:
    """Change many tickets, or have them as a file."""
    fields = await visit.form()
    do = fields.get("do", "")
    if do not in TICKET_ACTIONS | EXPORTS:
        raise PageError(*BAD_REQUEST)
    batch = await _batch(visit, fields, "tickets")
    if do in EXPORTS:
        return await export.chosen_tickets(visit, do, batch.ids)
    one = await _ticket_action(visit, fields)
    if fields.get("sure") == "1":
        return _page(visit, batch, await _each(visit, batch, one, "ticket.failed"))
    async with visit.desk.database.read() as session:
        told = await _told_by_tickets(session, batch)
    return _page(visit, batch, None, told)


async def conversations(visit: Visit) -> Response:
    """Change many conversations, or have them as a file."""
    fields = await visit.form()
    do = fields.get("do", "")
    if do not in CONVERSATION_ACTIONS | EXPORTS:
        raise PageError(*BAD_REQUEST)
    batch = await _batch(visit, fields, "conversations")
    if do in EXPORTS:
        return await export.chosen_conversations(visit, do, batch.ids)
    one = _conversation_action(visit, fields)
    if fields.get("sure") == "1":
        return _page(visit, batch, await _each(visit, batch, one, "handoff"))
    async with visit.desk.database.read() as session:
        told = await _told_by_conversations(session, batch, visit.me.id)
    return _page(visit, batch, None, told)
