"""One complaint ticket, and what an agent does with it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import RedirectResponse, Response

from bot import agents
from bot.desk.files import previews
from bot.desk.lists import chosen
from bot.desk.pages import NOT_FOUND, PageError, Visit
from bot.services import clocks, drafts, ticket_life
from bot.services.ticket_life import Change
from bot.services.tickets import MAX_WORDS, TicketError
from bot.storage import now, reports
from bot.storage.models import Severity, Ticket, TicketStatus, TicketType


async def _page(
    visit: Visit, code: int = 200, *, failure: str = "", draft: Mapping[str, str] | None = None
) -> Response:
    """The ticket with its history; after a refusal with the reason, and what was filled in."""
    async with visit.desk.database.read() as session:
        view = await reports.ticket(session, visit.id())
        other = await session.get(Ticket, view.ticket.merged_into_id or 0) if view is not None else None
        place = drafts.ticket_place(visit.id())
        note = (await drafts.of(session, visit.me.id, [place]))[place]
        promises = (await clocks.clocks_of(session, [visit.id()]))[visit.id()]
    if view is None:
        raise PageError(*NOT_FOUND)
    settings = visit.desk.config.settings.tickets
    return visit.render(
        "ticket.html",
        code,
        view=view,
        other=other,
        promises=[(clock, clocks.state_of(clock, now())) for clock in promises],
        moment_of=datetime.fromisoformat,
        allowed=ticket_life.allowed(view.ticket),
        types=list(TicketType),
        severities=list(Severity),
        root_causes=settings.root_causes,
        resolutions=settings.resolutions,
        max_reason=ticket_life.MAX_REASON,
        max_note=MAX_WORDS,
        failure=failure,
        draft=draft or {},
        note_place=place,
        note=note,
        # Whatever the browser still has of a note is what was just sent.
        noted=visit.request.query_params.get("noted") == "1",
        previews=await previews(visit.desk.config.files_dir, view.files),
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
        await agents.classify_ticket(session, where, kind, severity, agent, reason, settings=settings)
    elif action == "note":
        text, piece = fields.get("text", "").replace("\r\n", "\n"), fields.get("piece", "")
        if await drafts.begin(session, agent.id, piece, drafts.content_of(text)):
            await agents.note_ticket(session, where, text, agent)
            await drafts.drop(session, agent.id, drafts.ticket_place(where), piece)
    else:
        await agents.merge_ticket(session, desk.voice, where, fields.get("number", ""), agent, settings)


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
    noted = "?noted=1" if action == "note" else ""
    return RedirectResponse(f"/desk/tickets/{visit.id()}{noted}", 303)
