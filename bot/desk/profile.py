"""One's own account: the password, whether one is away."""

from __future__ import annotations

import asyncio
import math

from starlette.responses import RedirectResponse, Response

from bot.desk.auth import Session, check_password
from bot.desk.pages import Visit, safe_next
from bot.desk.signin import MAX_PASSWORD
from bot.services import assignment, users


async def show(visit: Visit) -> Response:
    """The page."""
    return _page(visit)


def _page(visit: Visit, status: int = 200, *, failure: str = "", minutes: int = 0) -> Response:
    done = visit.request.query_params.get("done") == "1" and not failure
    return visit.render(
        "profile.html", status, failure=failure, minutes=minutes, done=done, min_password=users.MIN_PASSWORD
    )


async def away(visit: Visit) -> Response:
    """Leave for a while, or be back."""
    fields = await visit.form()
    async with visit.desk.database.begin() as session:
        await assignment.set_away(session, visit.me, fields.get("away") == "1")
    return RedirectResponse(safe_next(fields.get("next", "")), 303)


async def change_password(visit: Visit) -> Response:
    """A new password, for who knows the present one. All other sessions of the user end."""
    fields = await visit.form()
    desk, me = visit.desk, visit.me
    address = visit.request.client.host if visit.request.client else ""
    if wait := desk.throttle.wait_seconds(me.username, address):
        return _page(visit, 429, failure="wait", minutes=math.ceil(wait / 60))
    present, wanted = (fields.get(name, "")[:MAX_PASSWORD] for name in ("present", "password"))
    desk.throttle.count(me.username, address)
    if await check_password(desk.database, me.username, present) is None:
        return _page(visit, 403, failure="wrong")
    desk.throttle.forgive(me.username, address)
    if wanted != fields.get("again", "")[:MAX_PASSWORD]:
        return _page(visit, 400, failure="different")
    try:
        fresh = await asyncio.to_thread(users.hashed, wanted)
    except users.UserError:
        return _page(visit, 400, failure="short")
    async with desk.database.begin() as session:
        version = await users.set_password(session, me.id, fresh)
    response = RedirectResponse("/desk/profile?done=1", 303)
    desk.sessions.write(response, Session.start(me.id, version))
    return response
