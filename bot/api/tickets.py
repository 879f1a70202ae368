"""Tickets."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from fastapi import APIRouter, Path, Query, Response, Security
from pydantic import Field
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot import agents
from bot.agents import Complaint
from bot.api import reading
from bot.api.door import Caller, Doer, IfMatch, agent_named, do, enter, etag, expect
from bot.api.problems import ApiProblem, missing
from bot.api.problems import field as field_problem
from bot.api.schemas import (
    AssignGiven,
    ClassGiven,
    Given,
    Id,
    Made,
    MergeGiven,
    Moment,
    Name,
    NoteGiven,
    Order,
    Short,
    StatusGiven,
    TicketGiven,
    TicketOut,
    TicketPage,
)
from bot.services import teams
from bot.services.orders import number_key
from bot.services.ticket_life import Change
from bot.storage.models import Conversation, Customer, OrderRow, Severity, Ticket, TicketStatus, TicketType, User

router = APIRouter(prefix="/tickets", tags=["tickets"])
Reader: TypeAlias = Annotated[Caller, Security(enter, scopes=["tickets:read"])]
Writer: TypeAlias = Annotated[Doer, Security(do, scopes=["tickets:write"])]
TicketId: TypeAlias = Annotated[Id, Path()]


class TicketFilter(Given):
    """Which tickets; a list names alternatives, and all filters must hold."""

    status: list[TicketStatus] = Field(default=[], max_length=10)
    type: list[TicketType] = Field(default=[], max_length=10)
    severity: list[Severity] = Field(default=[], max_length=10)
    language: Short | None = None
    channel: Short | None = None
    team: Short | None = None
    agent: Name | None = Field(default=None, description="User name of the agent who works on it.")
    customer: Id | None = None
    order: Short | None = Field(default=None, description="The number of the order.")
    created_after: Moment | None = None
    created_before: Moment | None = None
    updated_after: Moment | None = None
    updated_before: Moment | None = None
    sort: Order = Field(default="newest", description="By when they were opened.")
    cursor: Short | None = Field(default=None, description="What the page before gave as `next`.")
    limit: int = Field(default=50, ge=1, le=200)


def _where(wanted: TicketFilter) -> list[object]:
    """The conditions, as far as they are the ticket's own columns."""
    found: list[object] = []
    for column, values in (
        (Ticket.status, wanted.status),
        (Ticket.type, wanted.type),
        (Ticket.severity, wanted.severity),
    ):
        if values:
            found.append(column.in_(values))
    for same, value in (
        (Ticket.language, wanted.language),
        (Ticket.team, wanted.team),
        (Ticket.customer_id, wanted.customer),
        (Conversation.channel, wanted.channel),
    ):
        if value is not None:
            found.append(same == value)
    for moment, after, before in (
        (Ticket.created_at, wanted.created_after, wanted.created_before),
        (Ticket.updated_at, wanted.updated_after, wanted.updated_before),
    ):
        found += [moment >= after] if after is not None else []
        found += [moment < before] if before is not None else []
    return found


@router.get("", summary="List tickets")
async def list_tickets(caller: Reader, wanted: Annotated[TicketFilter, Query()]) -> TicketPage:
    """The tickets that fit, a page at a time."""
    query = reading.TICKETS.where(*_where(wanted))  # type: ignore[arg-type]
    if wanted.agent is not None:
        query = query.join(User, User.id == Ticket.agent_id).where(User.username == wanted.agent.casefold())
    if wanted.order is not None:
        # The number as it was told, or the order that it was proved to be.
        own = select(OrderRow.id).where(OrderRow.number_key == number_key(wanted.order))
        query = query.where((Ticket.order_number == wanted.order) | Ticket.order_id.in_(own))
    async with caller.door.database.read() as session:
        rows, after = await reading.page(
            session, query, Ticket.id, order=wanted.sort, cursor=wanted.cursor, limit=wanted.limit
        )
        return TicketPage(items=await reading.ticket_items(session, rows), next=after)


async def _shown(caller: Caller, ticket_id: int, response: Response) -> TicketOut:
    async with caller.door.database.read() as session:
        found = await reading.ticket_out(session, ticket_id)
    if found is None:
        raise missing("ticket", ticket_id)
    response.headers["ETag"] = etag(found[1])
    return found[0]


async def _made(doer: Doer, ticket_id: int, response: Response) -> TicketOut | Made:
    """The ticket, for those who may read it; its state's name for all."""
    shown = await _shown(doer.caller, ticket_id, response)
    return shown if doer.may("tickets:read") else Made(id=shown.id, url=doer.url("tickets", shown.id))


@router.get("/{ticket_id}", summary="Read a ticket")
async def get_ticket(caller: Reader, ticket_id: TicketId, response: Response) -> TicketOut:
    """A ticket with its history (the latest 1,000 entries), its clocks and its files.

    The `ETag` names the state that it is in.
    """
    return await _shown(caller, ticket_id, response)


async def _place(session: AsyncSession, given: TicketGiven) -> Conversation:
    """Where a ticket is opened: the conversation named, or the latest of the customer."""
    if given.conversation is not None:
        found = await session.get(Conversation, given.conversation)
        if found is None:
            raise field_problem("body.conversation", "there is no such conversation")
        return found
    if await session.get(Customer, given.customer) is None:
        raise field_problem("body.customer", "there is no such customer")
    latest = select(Conversation).where(Conversation.customer_id == given.customer)
    found = await session.scalar(latest.order_by(Conversation.updated_at.desc(), Conversation.id.desc()).limit(1))
    if found is None:
        hint = "This customer has no conversation in which they could be answered; name one as `conversation`."
        raise ApiProblem(409, "no_conversation", hint)
    return found


@router.post("", status_code=201, summary="Open a ticket")
async def open_ticket(doer: Writer, given: TicketGiven, response: Response) -> TicketOut | Made:
    """Open a ticket in a conversation, or in the latest one of a customer. The customer is not told of it."""

    async def work(session: AsyncSession) -> int:
        agent, place = await agent_named(session, given.agent), await _place(session, given)
        complaint = Complaint(given.type, given.description, given.severity, given.order_number, given.language)
        opened = await agents.open_ticket(session, place, complaint, agent, doer.settings)
        return opened.id

    made = await doer.once(work)
    response.headers["Location"] = doer.url("tickets", made)
    return await _made(doer, made, response)


@router.post("/{ticket_id}/status", summary="Change a ticket's status")
async def set_status(
    doer: Writer, ticket_id: TicketId, given: StatusGiven, response: Response, known: IfMatch = None
) -> TicketOut | Made:
    """Change the status as an agent does at the desk: the customer is told, and asked to rate what is resolved."""

    async def work(session: AsyncSession) -> int:
        agent = await agent_named(session, given.agent)
        await expect(session, [ticket_id], known)
        change = Change(given.status, given.reason.strip(), given.root_cause, given.resolution)
        await agents.set_ticket_status(session, doer.voice, ticket_id, change, agent, doer.settings)
        return ticket_id

    return await _made(doer, await doer.once(work), response)


@router.post("/{ticket_id}/classify", summary="Correct a ticket's type and severity")
async def classify(
    doer: Writer, ticket_id: TicketId, given: ClassGiven, response: Response, known: IfMatch = None
) -> TicketOut | Made:
    """Correct the type, the severity or both."""

    async def work(session: AsyncSession) -> int:
        agent = await agent_named(session, given.agent)
        await expect(session, [ticket_id], known)
        (ticket,) = await agents.hold_tickets(session, [ticket_id])
        kind, severity = given.type or ticket.type, given.severity or ticket.severity
        await agents.classify_ticket(session, ticket_id, kind, severity, agent, given.reason, settings=doer.settings)
        return ticket_id

    return await _made(doer, await doer.once(work), response)


@router.post("/{ticket_id}/notes", status_code=201, summary="Add a note to a ticket")
async def note_ticket(
    doer: Writer, ticket_id: TicketId, given: NoteGiven, response: Response, known: IfMatch = None
) -> TicketOut | Made:
    """Add an internal note, which customers never see; it is the last entry of the history."""

    async def work(session: AsyncSession) -> int:
        agent = await agent_named(session, given.agent)
        await expect(session, [ticket_id], known)
        await agents.note_ticket(session, ticket_id, given.text, agent)
        return ticket_id

    return await _made(doer, await doer.once(work), response)


@router.post("/{ticket_id}/merge", summary="Merge a ticket into another one")
async def merge(
    doer: Writer, ticket_id: TicketId, given: MergeGiven, response: Response, known: IfMatch = None
) -> TicketOut | Made:
    """Have another ticket of the same customer go on in this one's place, which is answered. The customer is told."""

    async def work(session: AsyncSession) -> int:
        agent = await agent_named(session, given.agent)
        if await session.get(Ticket, ticket_id) is None:
            raise missing("ticket", ticket_id)
        if await session.get(Ticket, given.into) is None:
            raise field_problem("body.into", "there is no such ticket")
        await expect(session, [ticket_id, given.into], known)
        target = await agents.merge_ticket(session, doer.voice, ticket_id, str(given.into), agent, doer.settings)
        return target.id

    return await _made(doer, await doer.once(work), response)


@router.post("/{ticket_id}/assign", summary="Give a ticket to a team or an agent")
async def assign(
    doer: Writer, ticket_id: TicketId, given: AssignGiven, response: Response, known: IfMatch = None
) -> TicketOut | Made:
    """Give a ticket to a team, an agent or both; what is left out stays as it is."""

    async def work(session: AsyncSession) -> int:
        agent = await agent_named(session, given.agent)
        await expect(session, [ticket_id], known)
        (ticket,) = await agents.hold_tickets(session, [ticket_id])
        team = ticket.team if given.team is None else given.team
        if given.team and teams.named(doer.settings, given.team) is None:
            raise field_problem("body.team", "is not among `teams` in config.yml")
        person = await session.get(User, ticket.agent_id) if ticket.agent_id is not None else None
        if given.assignee is not None:
            person = await agent_named(session, given.assignee, "body.assignee") if given.assignee else None
        if person is not None and not person.active:
            # Who has left keeps nothing when the team changes.
            person = None
        await agents.assign_ticket(session, ticket_id, team=team, agent=person, by=agent)
        return ticket_id

    return await _made(doer, await doer.once(work), response)
