"""Complaint tickets: the list, one ticket, and what an agent does with it."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import TypeVar

from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import RedirectResponse, Response

from bot import agents
from bot.desk.files import is_image
from bot.desk.pages import NOT_FOUND, PageError, Visit
from bot.services import ticket_life
from bot.services.ticket_life import Change
from bot.services.tickets import MAX_WORDS, TicketError
from bot.storage import reports
from bot.storage.models import Severity, Ticket, TicketStatus, TicketType

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


async def _page(
    visit: Visit, code: int = 200, *, failure: str = "", draft: Mapping[str, str] | None = None
) -> Response:
    """The ticket with its history; after a refusal with the reason, and what was filled in."""
    async with visit.desk.database.read() as session:
        view = await reports.ticket(session, visit.id())
        other = await session.get(Ticket, view.ticket.merged_into_id or 0) if view is not None else None
    if view is None:
        raise PageError(*NOT_FOUND)
    settings = visit.desk.config.settings.tickets
    return visit.render(
        "ticket.html",
        code,
        view=view,
        other=other,
        allowed=ticket_life.allowed(view.ticket),
        types=list(TicketType),
        severities=list(Severity),
        root_causes=settings.root_causes,
        resolutions=settings.resolutions,
        max_reason=ticket_life.MAX_REASON,
        max_note=MAX_WORDS,
        failure=failure,
        draft=draft or {},
        is_image=is_image,
    )


async def show(visit: Visit) -> Response:
    """One ticket with its history."""
    return await _page(visit)


async def _do(visit: Visit, session: AsyncSession, action: str, fields: Mapping[str, str]) -> None:
    desk, agent, where = visit.desk, visit.me, visit.id()
    settings, reason = desk.config.settings, fields.get("reason", "").strip()
    if action == "status":
        status = chosen(TicketStatus, fields.get("status", ""))
        if status is None:
            raise PageError(400, "bad_request")
        # The codes' fields are always in the form; they say something only of a ticket that is resolved.
        codes = [
            fields.get(name, "") if status is TicketStatus.RESOLVED else "" for name in ("root_cause", "resolution")
        ]
        change = Change(status, reason, *codes)
        await agents.set_ticket_status(session, desk.voice, where, change, agent, settings)
    elif action == "classify":
        kind, severity = chosen(TicketType, fields.get("type", "")), chosen(Severity, fields.get("severity", ""))
        if kind is None or severity is None:
            raise PageError(400, "bad_request")
        await agents.classify_ticket(session, where, kind, severity, agent, reason)
    elif action == "note":
        await agents.note_ticket(session, where, fields.get("text", "").replace("\r\n", "\n"), agent)
    else:
        await agents.merge_ticket(session, desk.voice, where, fields.get("number", ""), agent, settings.tickets)


async def act(visit: Visit) -> Response:
    """Change the status, type and severity, add a note, merge. What is refused is said in words, the draft kept."""
    action = visit.request.path_params["action"]
    if action not in ("status", "classify", "note", "merge"):
        raise PageError(*NOT_FOUND)
    fields = await visit.form()
    try:
        async with visit.desk.database.begin() as session:
            await _do(visit, session, action, fields)
    except TicketError as error:
        if str(error) == "unknown":
            raise PageError(*NOT_FOUND) from None
        return await _page(visit, 409, failure=str(error), draft=fields | {"form": action})
    return RedirectResponse(f"/desk/tickets/{visit.id()}", 303)
