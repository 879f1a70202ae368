"""Somebody who is told by webhook: a real server on the loopback interface that answers as it is told to."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.fakes.serving import serving

KEY = bytes(range(32))
SECRET = "whsec_" + base64.b64encode(KEY).decode()


@dataclass(slots=True)
class Told:
    """One call as it came in."""

    headers: dict[str, str]
    body: bytes
    path: str

    @property
    def id(self) -> str:
        """The ``webhook-id``."""
        return self.headers["webhook-id"]

    @property
    def event(self) -> dict[str, Any]:
        """What it tells."""
        event: dict[str, Any] = json.loads(self.body)
        return event

    def is_signed(self, key: bytes = KEY) -> bool:
        """Whether the signature is that of Standard Webhooks, computed here anew, and fresh."""
        told = f"{self.id}.{self.headers['webhook-timestamp']}.".encode() + self.body
        expected = "v1," + base64.b64encode(hmac.new(key, told, hashlib.sha256).digest()).decode()
        fresh = abs(time.time() - int(self.headers["webhook-timestamp"])) < 60
        return fresh and self.headers["webhook-signature"] == expected


@dataclass(slots=True)
class Receiver:
    """What has come in, and what is answered: ``answers`` in turn, then 204."""

    url: str = ""
    told: list[Told] = field(default_factory=list)
    answers: list[Response] = field(default_factory=list)
    hang: bool = False

    async def take(self, request: Request) -> Response:
        """One call."""
        self.told.append(Told(dict(request.headers), await request.body(), request.url.path))
        while self.hang:
            await asyncio.sleep(0.01)
        return self.answers.pop(0) if self.answers else Response(status_code=204)

    @property
    def types(self) -> list[str]:
        """The kinds of events that have come, in order."""
        return [told.event["type"] for told in self.told]

    async def until(self, count: int) -> list[Told]:
        """The first so many calls; fails if they do not come."""
        await until(lambda: len(self.told) >= count)
        return self.told


async def until(true: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait until something is so; AssertionError if it is not in time."""
    ends = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < ends, "it did not happen in time"
        await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """A receiver while the block lasts."""
    receiver = Receiver()
    app = Starlette(routes=[Route("/{rest:path}", receiver.take, methods=["POST"])])
    async with serving(app) as base:
        receiver.url = f"{base}/hook"
        yield receiver
        receiver.hang = False
