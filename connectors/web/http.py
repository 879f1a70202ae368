"""What the channels of our own web server share: bounded bodies, errors, settings."""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from bot.config import ConfigError, Problem
from bot.storage import StorageError

log = logging.getLogger(__name__)

# A body that is too large is read up to this many times its limit.
DRAINED = 4

Options = TypeVar("Options", bound=BaseModel)


class Refused(HTTPException):
    """A request that is not served; ``code`` is for programs, ``detail`` says what to do."""

    def __init__(self, status: int, code: str, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(status, detail, headers)
        self.code = code

    def response(self) -> Response:
        """The answer as JSON."""
        body = {"error": self.code, "message": self.detail}
        return JSONResponse(body, self.status_code, headers=self.headers)


Handler = Callable[[Request], Awaitable[Response]]


def answering(handler: Handler) -> Handler:
    """The handler with refusals and a silent database turned into answers."""

    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except Refused as refused:
            return refused.response()
        except StorageError as error:
            log.error("a request is refused: %s", error)
            return busy().response()
        except ClientDisconnect:
            return Response(status_code=400)

    return answer


def busy() -> Refused:
    """The refusal while the database does not answer."""
    return Refused(503, "unavailable", "The service is not available now; try again.", {"Retry-After": "2"})


async def body_within(request: Request, limit: int) -> bytes:
    """The body of a request, of at most ``limit`` bytes.

    Of a larger one no more than the limit is held in memory. Some of the rest is read and thrown
    away, because a client that is still writing may never see an answer given before.

    Raises:
        Refused: 413.
    """
    declared = request.headers.get("content-length", "")
    too_large = declared.isdigit() and int(declared) > limit
    body = bytearray()
    size = 0
    async for part in request.stream():
        size += len(part)
        too_large = too_large or size > limit
        if not too_large:
            body += part
        elif size > limit * DRAINED:
            break
    if too_large:
        close = {"Connection": "close"} if size > limit * DRAINED else None
        raise Refused(413, "too_large", f"The body is larger than {limit} bytes.", close)
    return bytes(body)


def require_json(request: Request) -> None:
    """Raises :class:`Refused` (415) unless the content type is JSON.

    No page of another origin can send this type without asking first, which is never allowed here.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Refused(415, "not_json", "Send the header Content-Type: application/json.")


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine alone."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def origin_of(url: str) -> str:
    """Scheme, host and port of a URL, in lower case; empty for what is no URL."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower() if parts.netloc else ""


def options_of(model: type[Options], name: str, given: dict[str, Any]) -> Options:
    """The settings of a channel.

    Raises:
        ConfigError: an unknown setting or an unusable value, one problem each.
    """
    try:
        return model.model_validate(given)
    except ValidationError as error:
        problems = []
        for item in error.errors():
            setting = ".".join(str(step) for step in ("connectors", name, *item["loc"]))
            unknown = item["type"] == "extra_forbidden"
            message = "unknown setting; check the spelling or remove it" if unknown else item["msg"]
            problems.append(Problem("config.yml", 0, f"{setting}: {message.removeprefix('Value error, ')}"))
        raise ConfigError(*problems) from None
