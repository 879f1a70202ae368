"""Errors of the API as RFC 9457 has them: `application/problem+json`, in words that say what to do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from bot.api.schemas import FieldProblem, ProblemOut
from bot.services.api_calls import KeyReused
from bot.services.customer_book import CustomerError
from bot.services.handoff import HandoffError
from bot.services.tickets import TicketError
from bot.storage import StorageError
from bot.words import interface

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = 5
TITLES = {
    401: "Not authorised",
    403: "Not allowed",
    404: "Not found",
    405: "Wrong method",
    409: "Conflict",
    412: "Changed meanwhile",
    413: "Too large",
    415: "Wrong content type",
    422: "Cannot be used",
    429: "Too many requests",
    500: "Internal error",
    503: "Unavailable",
}
# Words of the machinery for errors that it raises by itself.
HINTS = {
    404: "There is nothing at this address; see /api/v1/docs for those that exist.",
    405: "This address does not take this method; see /api/v1/docs.",
    413: "The body is larger than 1 MB; send less.",
}
# What a service refuses because of the request alone; the rest is at odds with how things stand.
_FIELDS = {
    "too_long": "text",
    "empty": "text",
    "root_cause": "root_cause",
    "resolution": "resolution",
    "merge_self": "into",
    "merge_unknown": "into",
}


class ApiProblem(Exception):
    """Something that a caller is told: an HTTP status, a code for programs, words for people."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        errors: Iterable[FieldProblem] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = list(errors)
        self.headers = dict(headers or {})

    def response(self) -> Response:
        """The answer."""
        body = ProblemOut(
            type=f"urn:linguadesk:problem:{self.code}",
            title=TITLES.get(self.status, "Error"),
            status=self.status,
            detail=self.detail,
            errors=self.errors,
        )
        return JSONResponse(body.model_dump(), self.status, self.headers, MEDIA_TYPE)


def field(name: str, message: str) -> ApiProblem:
    """A field that cannot be used; ``name`` has dots, such as ``body.agent``."""
    return ApiProblem(422, "invalid", f"{name}: {message}", errors=[FieldProblem(field=name, message=message)])


def missing(what: str, number: int) -> ApiProblem:
    """Something that does not exist, or not for this caller."""
    return ApiProblem(404, "not_found", f"There is no {what} {number}.")


def _words(group: str, code: str) -> str:
    key = f"{group}.{code}"
    words = interface("en")(key)
    return words if words != key else f"This is not possible now ({code})."


def of_service(error: Exception) -> ApiProblem | None:
    """What a service's refusal is to a caller; None for what is no refusal."""
    if isinstance(error, CustomerError):
        if error.field == "id":
            gone = str(error) == "unknown"
            return ApiProblem(404, "not_found", "There is no such customer.") if gone else _conflict(str(error))
        return _conflict(f"{error.field}: {error}") if error.conflict else field(f"body.{error.field}", str(error))
    if isinstance(error, KeyReused):
        return field("header.idempotency-key", "came with another request before; use a new key for each request")
    if not isinstance(error, TicketError | HandoffError):
        return None
    code, group = str(error), "ticket.failed" if isinstance(error, TicketError) else "handoff"
    if code == "unknown":
        return ApiProblem(404, "not_found", f"There is no such {'ticket' if group != 'handoff' else 'conversation'}.")
    words = _words(group, code)
    if code in _FIELDS:
        return field(f"body.{_FIELDS[code]}", words)
    return _conflict(words, code)


def _conflict(detail: str, code: str = "conflict") -> ApiProblem:
    return ApiProblem(409, code, detail)


def _place(loc: Iterable[Any]) -> str:
    return ".".join(str(step) for step in loc)


def _of_validation(error: RequestValidationError) -> ApiProblem:
    """Field by field; what was sent is not repeated."""
    errors = []
    for item in error.errors():
        where, message = _place(item["loc"]), str(item["msg"]).removeprefix("Value error, ")
        if item["type"] == "json_invalid":
            where, message = "body", "is not JSON"
        elif item["type"] == "extra_forbidden":
            message = "is not a field of this request; check its spelling or leave it out"
        elif item["type"] == "missing":
            message = "is missing"
        errors.append(FieldProblem(field=where, message=message))
    first = errors[0]
    rest = f" ({len(errors) - 1} more in `errors`)" if len(errors) > 1 else ""
    return ApiProblem(422, "invalid", f"{first.field}: {first.message}{rest}", errors=errors)


def unavailable() -> ApiProblem:
    """The database does not answer."""
    detail = f"The database does not answer at present; try again in {RETRY_SECONDS} seconds."
    return ApiProblem(503, "unavailable", detail, headers={"Retry-After": str(RETRY_SECONDS)})


async def handle(_request: Request, error: Exception) -> Response:
    """The answer to an exception of a known kind."""
    if isinstance(error, ApiProblem):
        return error.response()
    if isinstance(error, RequestValidationError):
        return _of_validation(error).response()
    if isinstance(error, StorageError):
        return unavailable().response()
    if isinstance(error, HTTPException):
        if error.status_code == 400:
            # What FastAPI says of bodies in other encodings than UTF-8, and of those nested too deep.
            return field("body", "is not JSON that can be read").response()
        code = {404: "not_found", 413: "too_large"}.get(error.status_code, "bad_request")
        hint = HINTS.get(error.status_code, "This request cannot be answered; see /api/v1/docs.")
        return ApiProblem(error.status_code, code, hint, headers=error.headers).response()
    known = of_service(error)
    if known is None:
        raise error
    return known.response()


HANDLED: tuple[type[Exception], ...] = (
    ApiProblem,
    RequestValidationError,
    StorageError,
    HTTPException,
    TicketError,
    HandoffError,
    CustomerError,
    KeyReused,
)
