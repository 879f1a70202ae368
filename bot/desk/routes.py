"""The addresses of the desk."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from bot.config import Config
from bot.contracts import Translator
from bot.desk import (
    alerts,
    bulk,
    campaigns,
    conversations,
    dashboard,
    drafts,
    events,
    export,
    files,
    followups,
    inbox,
    learning,
    lists,
    lookup,
    presence,
    profile,
    readings,
    signin,
    tickets,
)
from bot.desk import voice as voice_pages
from bot.desk.pages import NOT_FOUND, STATIC, Desk, PageError, SecurityHeaders, Visit
from bot.outbox import Voice
from bot.storage import Database
from bot.storage.models import Role

Page: TypeAlias = Callable[[Visit], Awaitable[Response]]
Handler: TypeAlias = Callable[[Request], Awaitable[Response]]


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


def _of_managers(route: Callable[..., Route], managers: Callable[[Page], Handler]) -> list[Route]:
    """The pages that are for managers alone."""
    return [
        route("/desk/dashboard", managers(dashboard.first)),
        route("/desk/dashboard/export/{page}.{format}", managers(dashboard.export)),
        route("/desk/dashboard/behind/{figure}", managers(dashboard.behind)),
        route("/desk/dashboard/comments/{id:int}", managers(dashboard.translation)),
        route("/desk/dashboard/{page}", managers(dashboard.show)),
        route("/desk/voice", managers(voice_pages.show)),
        route("/desk/voice.csv", managers(voice_pages.as_csv)),
        route("/desk/learning", managers(learning.show)),
        route("/desk/learning/{id:int}", managers(learning.show)),
        route("/desk/learning/{id:int}/{action}", managers(learning.act), ("POST",)),
        route("/desk/campaigns", managers(campaigns.show)),
        route("/desk/campaigns", managers(campaigns.send), ("POST",)),
        route("/desk/campaigns/new", managers(campaigns.new)),
        route("/desk/campaigns/{id:int}", managers(campaigns.one)),
        route("/desk/surveys", managers(dashboard.moved)),
    ]


def desk_routes(
    database: Database, voice: Voice, config: Config, translator: Translator | None = None
) -> list[BaseRoute]:
    """All routes of the desk, from ``/desk`` down, to be put into a Starlette application.

    Args:
        database: where everything is; its signals keep the pages live.
        voice: says things to customers.
        config: the shop's name and time zone, the signing key, the attachments' folder.
        translator: translates agents' replies; None where translation is off.
    """
    desk = Desk(database, voice, config, translator)
    secured = [Middleware(SecurityHeaders)]

    def route(path: str, handler: Handler, methods: Sequence[str] = ("GET",)) -> Route:
        return Route(path, handler, methods=list(methods), middleware=secured)

    def agents(endpoint: Page) -> Handler:
        return desk.signed_in(endpoint)

    def managers(endpoint: Page) -> Handler:
        return desk.signed_in(endpoint, Role.MANAGER)

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
        route("/desk/next", agents(conversations.onward)),
        route("/desk/drafts", agents(drafts.keep), post),
        route("/desk/alerts", agents(alerts.bell)),
        route("/desk/alerts/news", agents(alerts.news)),
        route("/desk/alerts/seen", agents(alerts.all_seen), post),
        route("/desk/alerts/{id:int}", agents(alerts.follow)),
        route("/desk/profile", agents(profile.show)),
        route("/desk/away", agents(profile.away), post),
        route("/desk/profile/password", agents(profile.change_password), post),
        route("/desk/events", events.handler(desk)),
        route("/desk/conversations", agents(lists.conversations)),
        route(one, agents(conversations.show)),
        route(one + "/people", agents(presence.people)),
        route(one + "/messages/{message:int}/reading", agents(readings.menu)),
        route(one + "/messages/{message:int}/correct", agents(readings.correct), post),
        route(one + "/presence", agents(presence.tell), post),
        route(one + "/{action}", agents(conversations.act), post),
        route("/desk/files/{id:int}", agents(files.serve)),
        route("/desk/tickets", agents(lists.tickets)),
        route("/desk/tickets/{id:int}", agents(tickets.show)),
        route("/desk/tickets/{id:int}/{action}", agents(tickets.act), post),
        route("/desk/search", agents(lookup.show)),
        route("/desk/bulk/tickets", agents(bulk.tickets), post),
        route("/desk/bulk/conversations", agents(bulk.conversations), post),
        route("/desk/export/tickets.{format}", agents(export.tickets)),
        route("/desk/export/conversations.{format}", agents(export.conversations)),
        route("/desk/export/search.{format}", agents(export.found)),
        route("/desk/follow-ups", agents(followups.show)),
        route("/desk/follow-ups/{id:int}", agents(followups.one)),
        route("/desk/follow-ups/{id:int}/{action}", agents(followups.act), post),
        *_of_managers(route, managers),
        route("/desk/{rest:path}", agents(_missing)),
    ]
