"""The bell: what single users should know, in the header, on its page and through their browser."""

from __future__ import annotations

from starlette.responses import JSONResponse, RedirectResponse, Response

from bot.desk.pages import NOT_FOUND, PageError, Visit, safe_next, whole
from bot.desk.telling import told
from bot.services import alerts
from bot.storage import talk_reports

PUSHED = 5


async def bell(visit: Visit) -> Response:
    """The bell with its list, as it stands in the header."""
    async with visit.desk.database.read() as session:
        visit.alerts = list(await alerts.unseen(session, visit.me.id))
    return visit.render("_bell.html")


async def follow(visit: Visit) -> Response:
    """Open what an alert is about; it has been seen then."""
    async with visit.desk.database.begin() as session:
        path = await alerts.opened(session, visit.me.id, visit.id())
    if path is None:
        raise PageError(*NOT_FOUND)
    return RedirectResponse(safe_next(path), 303)


async def all_seen(visit: Visit) -> Response:
    """Mark everything up to the newest one shown."""
    fields = await visit.form()
    up_to = whole(fields.get("up_to", ""))
    if up_to is None:
        raise PageError(400, "bad_request")
    async with visit.desk.database.begin() as session:
        await alerts.seen(session, visit.me.id, up_to)
    return RedirectResponse(safe_next(fields.get("next", "")), 303)


def _number(visit: Visit, name: str) -> int:
    return whole(visit.request.query_params.get(name, "")) or 0


async def news(visit: Visit) -> Response:
    """What the browser may tell of, and where that leaves off.

    No word of a customer, and no name, unless the reader has asked for it (``words=1``).
    """
    since = talk_reports.Marks(_number(visit, "handoff"), _number(visit, "message"))
    after, openly = _number(visit, "alert"), visit.request.query_params.get("words") == "1"
    me, teams, words = visit.me.id, visit.teams(), visit.words
    async with visit.desk.database.read() as session:
        found = await talk_reports.news(session, me, teams, since)
        marks = await talk_reports.marks(session, me, teams)
        waiting = list(await alerts.unseen(session, me))
    said = [
        {
            "tag": f"{item.kind}-{item.conversation_id}",
            "title": words("notify.waiting") if item.kind == "waiting" else words("notify.message"),
            "body": "\n".join(filter(None, (item.name, item.text))) if openly else words("notify.open"),
            "path": f"/desk/conversations/{item.conversation_id}",
        }
        for item in found
    ]
    said += [
        {"tag": f"alert-{item.id}", "title": visit.shop, "body": item.text, "path": f"/desk/alerts/{item.id}"}
        for item in told(words, waiting)
        if item.id > after
    ][:PUSHED]
    newest = max([after, *(row.id for row in waiting)])
    return JSONResponse({"said": said, "marks": {"handoff": marks.handoff, "message": marks.message, "alert": newest}})
