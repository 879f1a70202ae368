"""A Slack workspace: enough of the Web API, the Events API and Socket Mode for the real client library.

``async with SlackServer() as slack:`` then ``slack.env(socket=True)`` is the environment for the
connector in Socket Mode, ``slack.env()`` for HTTP, in which case ``slack.events_url`` must be set to
where the connector's route is served. ``await slack.user_says(channel, text)`` is a customer
writing, and ``await slack.wait_for(channel, n)`` what the bot has said there.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import time
import uuid
from collections import defaultdict
from collections.abc import Callable
from typing import Any, Self
from urllib.parse import urlencode

import aiohttp
from aiohttp import web

from tests.fakes.slack_objects import METHOD_SCOPES, Delivery, Failure, Post, Whisper, params_of
from tests.fakes.slack_people import SlackPeople
from tests.fakes.slack_workspace import ANA, APP, BOT_USER

__all__ = ["ANA", "APP_TOKEN", "BOT_TOKEN", "BOT_USER", "SIGNING_SECRET", "SlackServer"]

BOT_TOKEN = "xoxb-000000000000-loopback-bot-token"
APP_TOKEN = "xapp-1-A0MDYCDME-loopback-app-token"
SIGNING_SECRET = "8f742231b10e8888abcd99yyyzzz85a5"


class SlackServer(SlackPeople):
    """One workspace with one app in it.

    Args:
        patience: seconds that an event may wait for its acknowledgement before it is sent again.
        tries: how often an event is sent again.
        pause: seconds between the tries.
    """

    def __init__(self, patience: float = 3.0, tries: int = 3, pause: float = 0.1) -> None:
        super().__init__()
        self.url = ""
        self.events_url = ""
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.sockets_opened = 0
        self.tries = tries
        self._patience = patience
        self._pause = pause
        self._failures: dict[str, list[Failure | None]] = defaultdict(list)
        self._sockets: list[web.WebSocketResponse] = []
        self._acknowledged: dict[str, dict[str, Any]] = {}
        self._changed = asyncio.Event()
        self._tasks: set[asyncio.Task[Delivery]] = set()
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=64 * 1024**2)
        app.router.add_route("*", "/api/{method}", self._api)
        app.router.add_get("/link", self._socket)
        app.router.add_post("/upload/{id}", self._upload)
        app.router.add_get("/files/{id}", self._file)
        app.router.add_post("/response/{id}", self._respond)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.root = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        self.url = f"{self.root}/api/"
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.drop_sockets()
        if self._runner is not None:
            await self._runner.cleanup()

    def env(self, *, socket: bool = False) -> dict[str, str]:
        """The environment of a connector that receives over the socket, or by HTTP."""
        receiving = {"SLACK_APP_TOKEN": APP_TOKEN} if socket else {"SLACK_SIGNING_SECRET": SIGNING_SECRET}
        return {"SLACK_BOT_TOKEN": BOT_TOKEN, "SLACK_API_BASE_URL": self.url} | receiving

    # What Slack does

    async def send(self, body: dict[str, Any], kind: str, *, wait: bool = True, tries: int = 0) -> Delivery:
        """Deliver a body over the socket if there is one, else to ``events_url``."""
        delivery = Delivery(body.get("event_id", ""))
        task = asyncio.create_task(self._deliver(body, kind, delivery, tries))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return await task if wait else delivery

    async def drop_sockets(self) -> None:
        """Cut all WebSocket connections, without a word."""
        sockets, self._sockets = self._sockets, []
        for socket in sockets:
            await socket.close()

    async def ask_to_reconnect(self) -> None:
        """Announce that a connection will end, as Slack does every few hours."""
        for socket in list(self._sockets):
            await socket.send_json({"type": "disconnect", "reason": "refresh_requested", "debug_info": {}})

    # What a test asks for

    async def wait_for(self, channel: str, count: int = 1, timeout: float = 20.0) -> list[Post]:
        """All the bot has said in a channel, once it is at least ``count`` messages."""
        await self.until(lambda: len(self.posts(channel)) >= count, timeout, lambda: f"got {self.posts(channel)}")
        return self.posts(channel)

    async def until(
        self, condition: Callable[[], object], timeout: float = 20.0, tell: Callable[[], str] = lambda: ""
    ) -> None:
        """Wait until something has become true through a request.

        Raises:
            AssertionError: it has not in time.
        """
        deadline = time.monotonic() + timeout
        while not condition():
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), 0.05)
            if time.monotonic() > deadline and not condition():
                raise AssertionError(f"waited {timeout} s in vain; {tell()}")

    @property
    def connected(self) -> int:
        """How many sockets are open."""
        return len(self._sockets)

    def calls_of(self, method: str) -> list[dict[str, Any]]:
        """The parameters of all requests of one method so far."""
        return [params for name, params in self.calls if name == method]

    def fail_next(
        self,
        method: str,
        status: int = 200,
        error: str = "",
        *,
        retry_after: int | None = None,
        times: int = 1,
        skip: int = 0,
        after: bool = False,
        delay: float = 0.0,
        body: str | None = None,
    ) -> None:
        """Let the next requests of a method fail.

        Args:
            method: such as ``chat.postMessage``; ``files`` for a download, ``upload`` for an upload,
                ``link`` for the opening of a socket.
            status: the HTTP status; 0 cuts the connection.
            error: Slack's error code; most errors come with status 200.
            retry_after: seconds to wait, for 429.
            times: how many requests.
            skip: how many requests succeed before.
            after: do what was asked first, and fail only then.
            delay: seconds before it fails.
            body: an answer that is not Slack's.
        """
        code = error or ("ratelimited" if status == 429 else "internal_error")
        self._failures[method] += [None] * skip
        self._failures[method] += [Failure(status, code, retry_after, after, delay, body) for _ in range(times)]

    def signed(self, body: str, secret: str = SIGNING_SECRET, age: float = 0) -> dict[str, str]:
        """The headers with which Slack proves that a request is its own; ``age`` in seconds."""
        stamp = str(int(time.time() - age))
        digest = hmac.new(secret.encode(), f"v0:{stamp}:{body}".encode(), hashlib.sha256).hexdigest()
        return {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": f"v0={digest}"}

    # The server

    async def _deliver(self, body: dict[str, Any], kind: str, delivery: Delivery, tries: int) -> Delivery:
        over_socket = not self.events_url
        if over_socket:
            await self.until(lambda: self._sockets, timeout=30)
        for attempt in range(tries + 1):
            if attempt:
                await asyncio.sleep(self._pause)
            delivery.attempts += 1
            deliver = self._deliver_socket if over_socket else self._deliver_http
            delivery.acknowledged = await deliver(body, kind, attempt, delivery)
            if delivery.acknowledged:
                break
        self._changed.set()
        return delivery

    async def _deliver_http(self, body: dict[str, Any], kind: str, attempt: int, delivery: Delivery) -> bool:
        text, content = json.dumps(body), "application/json"
        if kind != "events_api":
            fields = {"payload": text} if kind == "interactive" else body
            text, content = urlencode(fields), "application/x-www-form-urlencoded"
        headers = self.signed(text) | {"Content-Type": content}
        if attempt:
            headers |= {"X-Slack-Retry-Num": str(attempt), "X-Slack-Retry-Reason": "http_error"}
        timeout = aiohttp.ClientTimeout(total=self._patience)
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.post(self.events_url, data=text, headers=headers) as answer,
            ):
                delivery.answers.append(answer.status)
                if answer.content_type == "application/json":
                    delivery.response = await answer.json()
                return answer.status == 200
        return False

    async def _deliver_socket(self, body: dict[str, Any], kind: str, attempt: int, delivery: Delivery) -> bool:
        envelope = str(uuid.uuid4())
        message: dict[str, Any] = {
            "envelope_id": envelope,
            "payload": body,
            "type": kind,
            "accepts_response_payload": kind != "events_api",
        }
        if kind == "events_api":
            message |= {"retry_attempt": attempt, "retry_reason": "timeout" if attempt else ""}
        with contextlib.suppress(AssertionError, ConnectionError):
            await self.until(lambda: self._sockets, timeout=self._patience)
            await self._sockets[-1].send_json(message)
            await self.until(lambda: envelope in self._acknowledged, timeout=self._patience)
            delivery.response = self._acknowledged[envelope]
            return True
        return False

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        ticket = request.query["ticket"]
        if ticket not in self._tickets:
            return web.Response(status=403)
        self._tickets.remove(ticket)
        if failures := self._failures["link"]:
            failure = failures.pop(0)
            if failure is not None:
                return await self._fail(request, failure)
        socket = web.WebSocketResponse(autoping=True)
        await socket.prepare(request)
        self.sockets_opened += 1
        await socket.send_json({"type": "hello", "num_connections": 1, "connection_info": {"app_id": APP}})
        self._sockets.append(socket)
        self._changed.set()
        try:
            async for message in socket:
                if message.type is aiohttp.WSMsgType.TEXT:
                    answer = json.loads(message.data)
                    self._acknowledged[answer["envelope_id"]] = answer.get("payload") or {}
                    self._changed.set()
        finally:
            if socket in self._sockets:
                self._sockets.remove(socket)
            self._changed.set()
        return socket

    async def _api(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        params = await params_of(request)
        self.calls.append((method, params))
        expected = APP_TOKEN if method == "apps.connections.open" else BOT_TOKEN
        failures = self._failures[method]
        failure = failures.pop(0) if failures else None
        try:
            if failure is not None and not failure.after:
                return await self._fail(request, failure)
            if request.headers.get("Authorization") != f"Bearer {expected}":
                return web.json_response({"ok": False, "error": "invalid_auth"})
            needed = METHOD_SCOPES.get(method, ())
            if needed and not set(needed) & {scope.strip() for scope in self.scopes.split(",")}:
                return web.json_response({"ok": False, "error": "missing_scope", "needed": ",".join(needed)})
            handler = getattr(self, "_do_" + method.replace(".", "_"), None)
            answer = handler(params) if handler else {"ok": False, "error": "unknown_method"}
            if failure is not None:
                return await self._fail(request, failure)
            return web.json_response({"ok": True} | answer, headers={"x-oauth-scopes": self.scopes})
        finally:
            self._changed.set()

    async def _fail(self, request: web.Request, failure: Failure) -> web.StreamResponse:
        await asyncio.sleep(failure.delay)
        if failure.status == 0:
            if request.transport is not None:
                request.transport.abort()
            return web.Response()
        headers = {} if failure.retry_after is None else {"Retry-After": str(failure.retry_after)}
        if failure.body is not None:
            return web.Response(status=failure.status, text=failure.body, content_type="text/html", headers=headers)
        return web.json_response({"ok": False, "error": failure.error}, status=failure.status, headers=headers)

    async def _respond(self, request: web.Request) -> web.StreamResponse:
        if failures := self._failures["response"]:
            failure = failures.pop(0)
            if failure is not None:
                return await self._fail(request, failure)
        body = await request.json()
        channel, user = self._responses[request.match_info["id"]]
        self.whispers.append(Whisper(channel, user, body["text"], body.get("thread_ts", "")))
        self._changed.set()
        return web.Response(text="ok")

    async def _upload(self, request: web.Request) -> web.StreamResponse:
        if failures := self._failures["upload"]:
            failure = failures.pop(0)
            if failure is not None:
                return await self._fail(request, failure)
        self._files[request.match_info["id"]] = ("application/octet-stream", await request.read())
        return web.Response(text="OK")

    async def _file(self, request: web.Request) -> web.StreamResponse:
        self.calls.append(("files", dict(request.headers)))
        if failures := self._failures["files"]:
            failure = failures.pop(0)
            if failure is not None:
                return await self._fail(request, failure)
        if request.headers.get("Authorization") != f"Bearer {BOT_TOKEN}":
            return web.Response(text="<html>Sign in to Slack</html>", content_type="text/html")
        mime, data = self._files[request.match_info["id"]]
        return web.Response(body=data, content_type=mime)
