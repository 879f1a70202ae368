"""Signing in and out, and the language of one's desk."""

from __future__ import annotations

import math

from starlette.responses import RedirectResponse, Response

from bot.desk.auth import Session, check_password
from bot.desk.pages import Visit, safe_next
from bot.storage import reports
from bot.words import languages

MAX_NAME = 64
MAX_PASSWORD = 1000


def _page(
    visit: Visit, target: str, status: int = 200, *, error: str = "", minutes: int = 0, name: str = ""
) -> Response:
    response = visit.render("signin.html", status, target=target, error=error, minutes=minutes, username=name)
    if not visit.session.user_id:
        visit.desk.sessions.write(response, visit.session)
    return response


async def show(visit: Visit) -> Response:
    """The form; someone who is signed in already goes on."""
    target = safe_next(visit.request.query_params.get("next", ""))
    user, _ = await visit.desk.user_of(visit.session)
    if user is not None:
        return RedirectResponse(target, 303)
    visit.session = Session.start() if visit.session.user_id else visit.session
    return _page(visit, target)


async def enter(visit: Visit) -> Response:
    """Check the password and start a session under a fresh nonce."""
    fields = await visit.form()
    target = safe_next(fields.get("next", ""))
    username = fields.get("username", "").strip().casefold()[:MAX_NAME]
    address = visit.request.client.host if visit.request.client else ""
    throttle = visit.desk.throttle
    if wait := throttle.wait_seconds(username, address):
        response = _page(visit, target, 429, error="wait", minutes=math.ceil(wait / 60), name=username)
        response.headers["Retry-After"] = str(math.ceil(wait))
        return response
    throttle.count(username, address)
    found = await check_password(visit.desk.database, username, fields.get("password", "")[:MAX_PASSWORD])
    if found is None:
        return _page(visit, target, 401, error="wrong", name=username)
    throttle.forgive(username, address)
    response = RedirectResponse(target, 303)
    visit.desk.sessions.write(response, Session.start(*found))
    return response


async def leave(visit: Visit) -> Response:
    """Forget the session in this browser."""
    await visit.form()
    response = RedirectResponse("/desk/sign-in", 303)
    visit.desk.sessions.clear(response)
    return response


async def speak(visit: Visit) -> Response:
    """Keep the language that the user chose."""
    fields = await visit.form()
    if (language := fields.get("language", "")) in languages():
        async with visit.desk.database.begin() as session:
            user = await reports.user_by_id(session, visit.me.id)
            if user is not None:
                user.language = language
    return RedirectResponse(safe_next(fields.get("next", "")), 303)
