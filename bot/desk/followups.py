"""Follow-ups of low scores: whose, until when, and what came of them."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import RedirectResponse, Response

from bot import agents
from bot.desk.pages import NOT_FOUND, PageError, Visit, whole
from bot.services import followup_work, followups
from bot.services.followup_work import FollowUpError
from bot.services.handoff import HandoffError
from bot.storage import follow_up_lists, reports
from bot.storage.follow_up_lists import STATES, WHOSE, State, Whose

MAX_PAGE = 1_000_000
ACTIONS = frozenset({"take", "assign", "note", "close", "again", "talk"})


async def show(visit: Visit) -> Response:
    """The list: one's own, one's teams' or all; open, overdue or done."""
    query, settings = visit.request.query_params, visit.desk.config.settings
    scope = followup_work.scope(settings, visit.me)
    own = visit.teams()
    offered: list[Whose] = [item for item in WHOSE if item != "team" or own]
    default: Whose = "all" if visit.manages else "mine"
    whose: Whose = next((item for item in offered if item == query.get("whose")), default)
    state: State = next((item for item in STATES if item == query.get("state")), "open")
    async with visit.desk.database.read() as session:
        page = await follow_up_lists.page(
            session,
            whose,
            state,
            visit.me.id,
            scope=scope,
            teams=own,
            number=min(whole(query.get("page", "")) or 1, MAX_PAGE),
        )

    def address(**changes: str) -> str:
        return "?" + urlencode({"whose": whose, "state": state} | changes)

    return visit.render(
        "follow_ups.html", page=page, whose=whose, state=state, offered=offered, states=STATES, address=address
    )


async def _page(
    visit: Visit, code: int = 200, *, failure: str = "", draft: Mapping[str, str] | None = None
) -> Response:
    async with visit.desk.database.read() as session:
        view = await follow_up_lists.one(session, visit.id())
        people = await reports.colleagues(session) if visit.manages else ()
    settings = visit.desk.config.settings
    if view is None or not followup_work.sees(settings, visit.me, view.row):
        raise PageError(*NOT_FOUND)
    return visit.render(
        "follow_up.html",
        code,
        view=view,
        outcomes=followups.OUTCOMES,
        people=people,
        max_note=followup_work.MAX_NOTE,
        failure=failure,
        draft=draft or {},
    )


async def one(visit: Visit) -> Response:
    """One follow-up."""
    return await _page(visit)


async def _do(visit: Visit, session: AsyncSession, action: str, fields: Mapping[str, str]) -> str:
    """Do it; where to go then."""
    me, settings, where = visit.me, visit.desk.config.settings, visit.id()
    text = fields.get("text", "").replace("\r\n", "\n")
    if action == "take":
        await followup_work.take(session, where, me, settings, instead_of=whole(fields.get("owner", "")))
    elif action == "assign":
        to, seen = whole(fields.get("to", "")), whole(fields.get("owner", ""))
        await followup_work.assign(session, where, me, settings, to, text, instead_of=seen)
    elif action == "note":
        await followup_work.note(session, where, me, settings, text)
    elif action == "close":
        await followup_work.finish(session, where, me, settings, fields.get("outcome", ""), text)
    elif action == "again":
        await followup_work.ask_again(session, where, me, settings)
    else:
        view = await follow_up_lists.one(session, where)
        if view is None or not followup_work.sees(settings, me, view.row):
            raise FollowUpError("unknown")
        await agents.take_over(session, view.survey.conversation_id, me, settings.handoff)
        return f"/desk/conversations/{view.survey.conversation_id}"
    return f"/desk/follow-ups/{where}"


async def act(visit: Visit) -> Response:
    """Take it, give it to somebody, note something, close it, ask again, write to the customer.

    What is refused is said in words.
    """
    action = visit.request.path_params["action"]
    if action not in ACTIONS:
        raise PageError(*NOT_FOUND)
    fields = await visit.form()
    try:
        async with visit.desk.database.begin() as session:
            target = await _do(visit, session, action, fields)
    except FollowUpError as error:
        if str(error) == "unknown":
            raise PageError(*NOT_FOUND) from None
        return await _page(visit, 409, failure=str(error), draft=fields | {"form": action})
    except HandoffError:
        return await _page(visit, 409, failure="talk", draft=fields | {"form": action})
    return RedirectResponse(target, 303)
