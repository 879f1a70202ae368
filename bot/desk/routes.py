"""The addresses of the desk."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from bot.config import Config
from bot.desk import conversations, events, files, inbox, results, signin, tickets
from bot.desk.pages import NOT_FOUND, STATIC, Desk, PageError, SecurityHeaders, Visit
from bot.outbox import Voice
from bot.storage import Database
from bot.storage.models import Role


class _Static(StaticFiles):
    """Static files; one asked for by its content's hash may be kept for a year."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        try:
            response = await super().get_response(path, scope)
        except HTTPException as error:
            return PlainTextResponse(error.detail, error.status_code)
        known = b"v=" in scope.get("query_string", b"") and response.status_code == 200
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable" if known else "no-cache"
        return response


async def _missing(visit: Visit) -> Response:
    if visit.request.url.path.endswith("/"):
        return RedirectResponse(visit.request.url.path.rstrip("/"), 307)
    raise PageError(*NOT_FOUND)


def desk_routes(database: Database, voice: Voice, config: Config) -> list[BaseRoute]:
    """All routes of the desk, from ``/desk`` down, to be put into a Starlette application.

    Args:
        database: where everything is; its signals keep the pages live.
        voice: says things to customers.
        config: the shop's name and time zone, the signing key, the attachments' folder.
    """
    desk = Desk(database, voice, config)
    secured = [Middleware(SecurityHeaders)]

    def route(path: str, handler: Callable[[Request], Awaitable[Response]], methods: Sequence[str] = ("GET",)) -> Route:
        return Route(path, handler, methods=list(methods), middleware=secured)

    def agents(endpoint: Callable[[Visit], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        return desk.signed_in(endpoint)

    post = ("POST",)
    one = "/desk/conversations/{id:int}"
    return [
        Mount("/desk/static", _Static(directory=STATIC), middleware=secured),
        route("/desk/sign-in", desk.open_to_all(signin.show)),
        route("/desk/sign-in", desk.open_to_all(signin.enter), post),
        route("/desk/sign-out", agents(signin.leave), post),
        route("/desk/language", agents(signin.speak), post),
        route("/desk", agents(inbox.show)),
        route("/desk/waiting", agents(inbox.count)),
        route("/desk/events", events.handler(desk)),
        route("/desk/conversations", agents(conversations.listing)),
        route(one, agents(conversations.show)),
        route(one + "/{action}", agents(conversations.act), post),
        route("/desk/files/{id:int}", agents(files.serve)),
        route("/desk/tickets", agents(tickets.listing)),
        route("/desk/tickets/{id:int}", agents(tickets.show)),
        route("/desk/tickets/{id:int}/{action}", agents(tickets.act), post),
        route("/desk/surveys", desk.signed_in(results.show, Role.MANAGER)),
        route("/desk/{rest:path}", agents(_missing)),
    ]
