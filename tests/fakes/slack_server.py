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

from connectors.slack.convert import SCOPES
from tests.fakes.slack_objects import Delivery, Failure, Post, params_of, refused

BOT_TOKEN = "xoxb-000000000000-loopback-bot-token"
APP_TOKEN = "xapp-1-A0MDYCDME-loopback-app-token"
SIGNING_SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
BOT_USER = "U0BOTLING1"
BOT_ID = "B0BOTLING1"
TEAM = "T061EG9R6"
APP = "A0MDYCDME"
ANA = "U2147483697"


class SlackServer:
    """One workspace with one app in it.

    Args:
        patience: seconds that an event may wait for its acknowledgement before it is sent again.
        tries: how often an event is sent again.
        pause: seconds between the tries.
    """

    def __init__(self, patience: float = 3.0, tries: int = 3, pause: float = 0.1) -> None:
        self.url = ""
        self.root = ""
        self.events_url = ""
        self.scopes = ",".join(SCOPES)
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.locales: dict[str, str] = {}
        self.sockets_opened = 0
        self._patience = patience
        self._tries = tries
        self._pause = pause
        self._counter = 0
        self._posts: dict[str, list[Post]] = defaultdict(list)
        self._failures: dict[str, list[Failure | None]] = defaultdict(list)
        self._files: dict[str, tuple[str, bytes]] = {}
        self._sockets: list[web.WebSocketResponse] = []
        self._tickets: set[str] = set()
        self._acknowledged: set[str] = set()
        self._changed = asyncio.Event()
        self._tasks: set[asyncio.Task[Delivery]] = set()
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=64 * 1024**2)
        app.router.add_route("*", "/api/{method}", self._api)
        app.router.add_get("/link", self._socket)
        app.router.add_post("/upload/{id}", self._upload)
        app.router.add_get("/files/{id}", self._file)
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

    # What people do

    async def user_says(
        self, channel: str, text: str, *, user: str = ANA, locale: str = "", wait: bool = True, **event: Any
    ) -> Delivery:
        """A person writes to the bot directly (a channel ``D…``); ``event`` are further fields.

        Returns when the app has acknowledged it or Slack has given up; with ``wait=False`` at once.
        """
        if locale:
            self.locales[user] = locale
        return await self.event(self.message(channel, text, user) | event, wait=wait)

    async def user_mentions(
        self, channel: str, text: str, *, user: str = ANA, thread_ts: str = "", wait: bool = True
    ) -> Delivery:
        """A person mentions the bot in a channel (``C…``), or in a thread of it."""
        fields = {"type": "app_mention"} | self._message(channel, f"<@{BOT_USER}> {text}", user)
        if thread_ts:
            fields["thread_ts"] = thread_ts
        return await self.event(fields, wait=wait)

    async def user_sends_file(
        self, channel: str, data: bytes, *, filename: str = "box.jpg", mime: str = "image/jpeg", text: str = ""
    ) -> Delivery:
        """A person sends a file to the bot."""
        number = f"F{self._next():08d}"
        self._files[number] = (mime, data)
        file = {
            "id": number,
            "name": filename,
            "title": filename,
            "mimetype": mime,
            "size": len(data),
            "mode": "hosted",
            "url_private": f"{self.root}/files/{number}",
        }
        return await self.user_says(channel, text, subtype="file_share", files=[file])

    async def user_presses(self, channel: str, title: str, *, user: str = ANA, wait: bool = True) -> Delivery:
        """A person presses the newest button with this title that is still there.

        Raises:
            AssertionError: there is none.
        """
        for post in reversed(self._posts[channel]):
            for element in post.elements:
                if element["text"]["text"] == title:
                    return await self.press(post, element, user=user, wait=wait)
        shown = [post.buttons for post in self._posts[channel]]
        raise AssertionError(f"no button {title!r} in {channel}; there are {shown}")

    async def press(self, post: Post, element: dict[str, Any], *, user: str = ANA, wait: bool = True) -> Delivery:
        """A person presses this button, even if it is not shown any more."""
        message = self._shown(post)
        container = {"type": "message", "message_ts": post.ts, "channel_id": post.channel, "is_ephemeral": False}
        payload: dict[str, Any] = {
            "type": "block_actions",
            "user": {"id": user, "username": "ana.torres", "name": "ana.torres", "team_id": TEAM},
            "api_app_id": APP,
            "token": "verification",
            "container": container,
            "trigger_id": "12321423423.333649436676.d8c1bb837935619ccad0f624c448ffb3",
            "team": {"id": TEAM, "domain": "northwind"},
            "enterprise": None,
            "is_enterprise_install": False,
            "channel": {"id": post.channel, "name": "directmessage" if post.channel[0] == "D" else "general"},
            "message": message,
            "state": {"values": {}},
            "response_url": f"{self.root}/response",
            "actions": [element | {"block_id": "choices", "type": "button", "action_ts": self._ts()}],
        }
        # Slack sends an interaction only once.
        return await self.send(payload, "interactive", wait=wait, tries=0)

    async def event(self, event: dict[str, Any], *, wait: bool = True, event_id: str = "") -> Delivery:
        """Any event, wrapped as the Events API wraps it."""
        body = {
            "token": "verification",
            "team_id": TEAM,
            "api_app_id": APP,
            "event": event,
            "type": "event_callback",
            "event_id": event_id or f"Ev{self._next():08X}",
            "event_time": int(time.time()),
            "authorizations": [
                {
                    "enterprise_id": None,
                    "team_id": TEAM,
                    "user_id": BOT_USER,
                    "is_bot": True,
                    "is_enterprise_install": False,
                }
            ],
            "is_ext_shared_channel": False,
        }
        return await self.send(body, "events_api", wait=wait, tries=self._tries)

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

    def message(self, channel: str, text: str, user: str = ANA) -> dict[str, Any]:
        """An event of a person writing to the bot directly, for :meth:`event`."""
        return {"type": "message", "channel_type": "im"} | self._message(channel, text, user)

    def posts(self, channel: str) -> list[Post]:
        """What the bot has said in a channel so far."""
        return list(self._posts[channel])

    async def wait_for(self, channel: str, count: int = 1, timeout: float = 5.0) -> list[Post]:
        """All the bot has said in a channel, once it is at least ``count`` messages."""
        await self.until(lambda: len(self._posts[channel]) >= count, timeout, lambda: f"got {self._posts[channel]}")
        return list(self._posts[channel])

    async def until(
        self, condition: Callable[[], object], timeout: float = 5.0, tell: Callable[[], str] = lambda: ""
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

    def _next(self) -> int:
        self._counter += 1
        return self._counter

    def _ts(self) -> str:
        return f"{int(time.time())}.{self._next():06d}"

    def _message(self, channel: str, text: str, user: str) -> dict[str, Any]:
        ts = self._ts()
        return {
            "user": user,
            "ts": ts,
            "client_msg_id": str(uuid.uuid4()),
            "text": text,
            "team": TEAM,
            "channel": channel,
            "event_ts": ts,
        }

    def _shown(self, post: Post) -> dict[str, Any]:
        message = {
            "user": BOT_USER,
            "type": "message",
            "ts": post.ts,
            "bot_id": BOT_ID,
            "app_id": APP,
            "text": post.text,
            "team": TEAM,
            "blocks": post.blocks,
        }
        return message | ({"thread_ts": post.thread_ts} if post.thread_ts else {})

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
        if kind == "interactive":
            text, content = urlencode({"payload": text}), "application/x-www-form-urlencoded"
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
                return answer.status == 200
        return False

    async def _deliver_socket(self, body: dict[str, Any], kind: str, attempt: int, _delivery: Delivery) -> bool:
        envelope = str(uuid.uuid4())
        message: dict[str, Any] = {
            "envelope_id": envelope,
            "payload": body,
            "type": kind,
            "accepts_response_payload": False,
        }
        if kind == "events_api":
            message |= {"retry_attempt": attempt, "retry_reason": "timeout" if attempt else ""}
        with contextlib.suppress(AssertionError, ConnectionError):
            await self.until(lambda: self._sockets, timeout=self._patience)
            await self._sockets[-1].send_json(message)
            await self.until(lambda: envelope in self._acknowledged, timeout=self._patience)
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
                    self._acknowledged.add(json.loads(message.data)["envelope_id"])
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

    def _do_auth_test(self, _params: dict[str, Any]) -> dict[str, Any]:
        return {"url": "https://northwind.slack.com/", "team_id": TEAM, "user_id": BOT_USER, "bot_id": BOT_ID}

    def _do_apps_connections_open(self, _params: dict[str, Any]) -> dict[str, Any]:
        ticket = str(uuid.uuid4())
        self._tickets.add(ticket)
        return {"url": f"{self.root.replace('http', 'ws', 1)}/link?ticket={ticket}&app_id={APP}"}

    def _do_users_info(self, params: dict[str, Any]) -> dict[str, Any]:
        user = {"id": params["user"], "name": "ana.torres", "real_name": "Ana Torres", "is_bot": False}
        if str(params.get("include_locale", "")).lower() in {"1", "true"}:
            user["locale"] = self.locales.get(params["user"], "en-US")
        return {"user": user}

    def _do_chat_postMessage(self, params: dict[str, Any]) -> dict[str, Any]:
        if error := refused(params):
            return {"ok": False, "error": error}
        post = Post(
            params["channel"], self._ts(), params.get("text", ""), params.get("blocks", []), params.get("thread_ts", "")
        )
        self._posts[post.channel].append(post)
        return {"channel": post.channel, "ts": post.ts, "message": self._shown(post)}

    def _do_chat_update(self, params: dict[str, Any]) -> dict[str, Any]:
        for post in self._posts[params["channel"]]:
            if post.ts == params["ts"]:
                post.text, post.blocks = params.get("text", ""), params.get("blocks", [])
                return {"channel": post.channel, "ts": post.ts, "text": post.text}
        return {"ok": False, "error": "message_not_found"}

    def _do_files_getUploadURLExternal(self, _params: dict[str, Any]) -> dict[str, Any]:
        number = f"F{self._next():08d}"
        return {"upload_url": f"{self.root}/upload/{number}", "file_id": number}

    def _do_files_completeUploadExternal(self, params: dict[str, Any]) -> dict[str, Any]:
        for file in params["files"]:
            _, data = self._files[file["id"]]
            self._posts[params["channel_id"]].append(
                Post(
                    params["channel_id"],
                    self._ts(),
                    params.get("initial_comment", ""),
                    thread_ts=params.get("thread_ts", ""),
                    filename=file["title"],
                    document=data,
                )
            )
        return {"files": params["files"]}

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
