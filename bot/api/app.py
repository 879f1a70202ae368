"""The API put together: operations, errors, limits, description."""

from __future__ import annotations

import logging
import re
from functools import lru_cache
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bot.api import conversations, customers, surveys, tickets
from bot.api.door import Door
from bot.api.problems import HANDLED, HINTS, MEDIA_TYPE, TITLES, ApiProblem, handle
from bot.api.reference import page
from bot.api.schemas import ProblemOut
from bot.config import Config
from bot.outbox import Voice
from bot.services.api_tokens import SCOPES
from bot.services.events import TYPES
from bot.storage import Database
from bot.storage.database import described

log = logging.getLogger(__name__)

PATH = "/api/v1"
MAX_BODY_BYTES = 1024 * 1024
JSON = "application/json"
# Nothing is measured and nothing leaves: what customers wrote could be among it.
TELEMETRY: Any = {
    "tracing": False,
    "metrics": False,
    "logs": False,
    "operation_spans": False,
    "auto_configure": False,
}
ABOUT = """\
Tickets, conversations, customers and answers to surveys, for the merchant's own programs.

Every call carries a key: `Authorization: Bearer ldk_…`, made with `linguadesk token add NAME --scope …`.
Errors are `application/problem+json` (RFC 9457) and say what to do. Lists come in pages: give `next` of
one as `cursor` of the next. Times are ISO 8601 with a time zone. More fields may be added to answers.
"""
HEADERS = ((b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"))


class Gate:
    """Stands before the API: refuses bodies that are no JSON, and lets no exception's words out."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answered = False

        async def sending(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *HEADERS]
            answered = message["type"] == "http.response.body" and not message.get("more_body", False)
            await send(message)

        size = 0

        async def receiving() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > MAX_BODY_BYTES:
                raise HTTPException(413)
            return message

        request = Request(scope)
        try:
            if _declared(request) > MAX_BODY_BYTES:
                raise ApiProblem(413, "too_large", HINTS[413])
            if _has_body(request) and not _is_json(request.headers.get("content-type", "")):
                hint = f"Send JSON, with the header Content-Type: {JSON}."
                raise ApiProblem(415, "content_type", hint)
            await self._app(scope, receiving, sending)
        except ApiProblem as problem:
            await problem.response()(scope, receive, sending)
        except Exception as error:
            log.error("a call of the API failed: %s", described(error))
            log.debug("a call of the API failed", exc_info=True)
            # The caller has been told by `_internal`; where that could not be, the server ends the connection.
            if not answered:
                raise


def _declared(request: Request) -> int:
    """The length that a request says it has; 0 where it says nothing that is one."""
    length = request.headers.get("content-length", "")
    return int(length) if length.isascii() and length.isdigit() and len(length) < 20 else 0


def _has_body(request: Request) -> bool:
    return request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers


def _is_json(content_type: str) -> bool:
    return content_type.partition(";")[0].strip().lower() == JSON


def _methods(path: str) -> list[str]:
    """The methods that an address takes."""
    taken = []
    for template, operations in schema()["paths"].items():
        if re.fullmatch(re.sub(r"\{[a-z_]+\}", "[^/]+", template), path.removeprefix(PATH)):
            taken += [method.upper() for method in operations]
    return sorted(taken)


async def _wrong_method(request: Request, _error: Exception) -> Response:
    # Starlette names those of the first operation at this address only.
    headers = {"Allow": ", ".join(_methods(request.url.path))}
    return ApiProblem(405, "method", HINTS[405], headers=headers).response()


async def _internal(_request: Request, _error: Exception) -> Response:
    hint = "Something went wrong here, not with your request; the log says more. Try again later."
    return ApiProblem(500, "internal", hint).response()


def _application() -> FastAPI:
    api = FastAPI(
        title="Linguadesk",
        version=version("linguadesk"),
        description=ABOUT,
        servers=[{"url": PATH}],
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        root_path_in_servers=False,
        telemetry=TELEMETRY,
        generate_unique_id_function=lambda route: route.name,
    )
    for module in (tickets, conversations, customers, surveys):
        api.include_router(module.router)
    for kind in HANDLED:
        api.add_exception_handler(kind, handle)
    api.add_exception_handler(405, _wrong_method)
    api.add_exception_handler(Exception, _internal)
    return api


async def _openapi(_request: Request) -> Response:
    return JSONResponse(schema())


async def _reference(_request: Request) -> Response:
    policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
    return HTMLResponse(page(schema()), headers={"Content-Security-Policy": policy})


def api_routes(database: Database, voice: Voice, config: Config) -> list[BaseRoute]:
    """The API's routes, to be put into a Starlette application; none where the settings switch it off.

    Args:
        database: where everything is.
        voice: says things to customers.
        config: limits, the shop's country, the attachments' folder.
    """
    if not config.settings.api.enabled:
        return []
    api = _application()
    api.state.door = Door(database, voice, config)
    return [
        Route(f"{PATH}/openapi.json", _openapi),
        Route(f"{PATH}/docs", _reference),
        Mount(PATH, Gate(api)),
    ]


# ---------------------------------------------------------------------- its description

_ALWAYS = (401, 403, 429, 500, 503)
_MEANINGS = {
    401: "The key is missing, unknown or revoked.",
    403: "The key has not the scope that this needs.",
    404: "There is no such thing.",
    409: "How things stand does not allow it; read them again.",
    412: "The ticket has changed since you read it.",
    413: "The body is larger than 1 MB.",
    415: "The body is not JSON.",
    422: "A parameter or a field cannot be used; `errors` names it.",
    429: "The key is used too often; `Retry-After` says how many seconds to wait.",
    500: "Something went wrong here.",
    503: "The database does not answer; try again.",
}


def _refusals(method: str, path: str, operation: dict[str, Any]) -> list[int]:
    """The statuses other than success that an operation may answer with."""
    statuses = [*_ALWAYS, 422]
    if "{" in path:
        statuses.append(404)
    if "requestBody" in operation:
        statuses += [413, 415]
    if method == "post" or method == "patch":
        statuses.append(409)
    if any(item["name"] == "If-Match" for item in operation.get("parameters", ())):
        statuses.append(412)
    return sorted(statuses)


def _webhook(kind: str, meaning: str) -> dict[str, Any]:
    body = {
        "type": "object",
        "required": ["type", "timestamp", "data"],
        "properties": {
            "type": {"const": kind},
            "timestamp": {"type": "string", "format": "date-time"},
            "data": {
                "type": "object",
                "description": "Ids and codes of what it is about; no words and no contact data.",
                "required": ["urls"],
                "properties": {"urls": {"type": "object", "additionalProperties": {"type": "string"}}},
            },
        },
    }
    return {
        "post": {
            "operationId": f"told_of_{kind.replace('.', '_')}",
            "tags": ["webhooks"],
            "summary": meaning.capitalize(),
            "requestBody": {"required": True, "content": {JSON: {"schema": body}}},
            "responses": {"2XX": {"description": "Received."}, "410": {"description": "Tell me nothing more."}},
        }
    }


def _described(api: FastAPI) -> dict[str, Any]:
    """The OpenAPI document: FastAPI's, with this API's errors in place of those that FastAPI assumes."""
    document: dict[str, Any] = get_openapi(
        title=api.title,
        version=api.version,
        description=api.description,
        routes=api.routes,
        servers=api.servers,
        openapi_version="3.1.0",
    )
    parts = document["components"]
    for name in ("HTTPValidationError", "ValidationError"):
        parts["schemas"].pop(name, None)
    problem = ProblemOut.model_json_schema(mode="serialization", ref_template="#/components/schemas/{model}")
    parts["schemas"] |= problem.pop("$defs") | {"ProblemOut": problem}
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemOut"}}}
    parts["responses"] = {
        f"Problem{status}": {"description": f"{TITLES[status]}: {meaning}", "content": content}
        for status, meaning in _MEANINGS.items()
    }
    parts["responses"]["Problem429"]["headers"] = {"Retry-After": {"schema": {"type": "integer"}}}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            for status in _refusals(method, path, operation):
                operation["responses"][str(status)] = {"$ref": f"#/components/responses/Problem{status}"}
    document["webhooks"] = {kind: _webhook(kind, meaning) for kind, meaning in TYPES.items()}
    document["tags"] = [
        {"name": "tickets", "description": "Complaints."},
        {"name": "conversations", "description": "Chats with customers, and the hand-overs to people in them."},
        {"name": "customers", "description": "Buyers, and their rights over their data."},
        {"name": "surveys", "description": "Answers to satisfaction surveys."},
    ]
    parts["securitySchemes"]["token"]["x-scopes"] = dict(SCOPES)
    return document


@lru_cache(maxsize=1)
def schema() -> dict[str, Any]:
    """The OpenAPI document of the API; not to be changed."""
    return _described(_application())
