"""A LibreTranslate server: what its documentation says of ``/translate``, ``/languages`` and ``/frontend/settings``.

``async with LibreTranslateServer() as server:`` then ``server.url``. It translates with the phrases that it
was given, and what it does not know into ``[de>en] text``.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from tests.fakes.serving import serving

NAMES = ("en", "de", "es", "fr", "pt", "ru", "ar", "zh-Hans", "zh-Hant")


@dataclass
class Failure:
    """How the next answers are; ``body`` stands for the usual ``{"error": …}``."""

    status: int
    times: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""


@dataclass
class LibreTranslateServer:
    """One server.

    Args:
        codes: the languages that it knows, each from and into each other.
        phrases: translations by (source, target, text).
        key: the key that it asks for, if any.
        char_limit: how long a text may be, -1 without limit.
        settings: whether it tells of itself under ``/frontend/settings``.
    """

    codes: tuple[str, ...] = NAMES
    phrases: dict[tuple[str, str, str], str] = field(default_factory=dict)
    key: str = ""
    char_limit: int = -1
    settings: bool = True
    delay: float = 0.0
    url: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list)
    requests: int = 0
    failures: list[Failure] = field(default_factory=list)

    async def __aenter__(self) -> Self:
        self._stack = contextlib.AsyncExitStack()
        routes = [
            Route("/translate", self._translate, methods=["POST"]),
            Route("/languages", self._languages),
            Route("/frontend/settings", self._settings),
        ]
        self.url = await self._stack.enter_async_context(serving(Starlette(routes=routes)))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def fails(self, status: int, times: int = 1000, body: str = "", **headers: str) -> None:
        """Answer the next translations with an error."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.failures.append(Failure(status, times, named, body))

    def mended(self) -> None:
        """Answer as usual again."""
        self.failures.clear()
        self.delay = 0.0

    async def _languages(self, _request: Request) -> Response:
        listed = [
            {"code": code, "name": code.upper(), "targets": [other for other in self.codes if other != code]}
            for code in self.codes
        ]
        return JSONResponse(listed)

    async def _settings(self, _request: Request) -> Response:
        if not self.settings:
            return JSONResponse({"error": "Not Found"}, 404)
        return JSONResponse({"apiKeys": bool(self.key), "charLimit": self.char_limit, "keyRequired": bool(self.key)})

    async def _translate(self, request: Request) -> Response:
        self.requests += 1
        body = json.loads(await request.body())
        if self.delay:
            await asyncio.sleep(self.delay)
        if self.failures:
            failure = self.failures[0]
            failure.times -= 1
            if not failure.times:
                self.failures.pop(0)
            if failure.body:
                return PlainTextResponse(failure.body, failure.status, failure.headers)
            return JSONResponse({"error": f"Cannot translate text: {body['q']}"}, failure.status, failure.headers)
        if error := self._wrong(body):
            return JSONResponse({"error": error[1]}, error[0])
        self.asked.append(body)
        text, source, target = body["q"].strip(), body["source"], body["target"]
        made = self.phrases.get((source, target, text), f"[{source}>{target}] {text}")
        return JSONResponse({"translatedText": made})

    def _wrong(self, body: dict[str, Any]) -> tuple[int, str] | None:
        if self.key and "api_key" not in body:
            return 400, "Please contact the server operator to get an API key"
        if self.key and body["api_key"] != self.key:
            return 403, "Invalid API key"
        for name in ("q", "source", "target"):
            if not body.get(name):
                return 400, f"Invalid request: missing {name} parameter"
        if 0 <= self.char_limit < len(body["q"]):
            return 400, f"Invalid request: request ({len(body['q'])}) exceeds text limit ({self.char_limit})"
        for name in ("source", "target"):
            if body[name] not in self.codes:
                return 400, f"{body[name]} is not supported"
        return None
