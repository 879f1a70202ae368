"""Complaint tickets: the list, one ticket, its status."""

from __future__ import annotations

import enum
from typing import TypeVar

from starlette.responses import RedirectResponse, Response

from bot import agents
from bot.desk.files import is_image
from bot.desk.pages import NOT_FOUND, PageError, Visit
from bot.services.handoff import HandoffError
from bot.storage import reports
from bot.storage.models import Severity, TicketStatus, TicketType

Choice = TypeVar("Choice", bound=enum.StrEnum)


def chosen(kind: type[Choice], value: str) -> Choice | None:
    """A filter's value; None for "all" and for what does not exist."""
    return kind(value) if value in {item.value for item in kind} else None


async def listing(visit: Visit) -> Response:
    """The tickets, latest first, by status, type and severity."""
    query = visit.request.query_params
    status = chosen(TicketStatus, query.get("status", ""))
    kind = chosen(TicketType, query.get("type", ""))
    severity = chosen(Severity, query.get("severity", ""))
    async with visit.desk.database.read() as session:
        page = await reports.tickets(session, status=status, kind=kind, severity=severity, page=visit.page_number())
    filters = [
        ("status", list(TicketStatus), status),
        ("type", list(TicketType), kind),
        ("severity", list(Severity), severity),
    ]
    kept = {name: value.value for name, _, value in filters if value is not None}
    return visit.render("tickets.html", page=page, filters=filters, kept=kept)


async def show(visit: Visit) -> Response:
    """One ticket with its history."""
    async with visit.desk.database.read() as session:
        view = await reports.ticket(session, visit.id())
    if view is None:
        raise PageError(*NOT_FOUND)
    return visit.render("ticket.html", view=view, statuses=list(TicketStatus), is_image=is_image)


async def set_status(visit: Visit) -> Response:
    """Change a ticket's status; the customer is told."""
    fields = await visit.form()
    status = chosen(TicketStatus, fields.get("status", ""))
    if status is None:
        raise PageError(400, "bad_request")
    desk = visit.desk
    try:
        async with desk.database.begin() as session:
            await agents.set_ticket_status(
                session, desk.voice, visit.id(), status, visit.me, desk.config.settings.surveys
            )
    except HandoffError:
        raise PageError(*NOT_FOUND) from None
    return RedirectResponse(f"/desk/tickets/{visit.id()}", 303)
