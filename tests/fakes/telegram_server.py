"""A Bot API server: enough of https://core.telegram.org/bots/api to talk to the real client library.

``async with TelegramServer() as server:`` then ``server.env`` is the environment for the connector,
``await server.user_says(chat, text)`` is a customer writing, and ``await server.wait_for(chat, n)``
gives what the bot has said in the chat once it has said ``n`` messages.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

import aiohttp
from aiohttp import web

TOKEN = "123456789:AAFakeTokenForTheLoopbackServer-0000"
USERNAME = "linguadesk_bot"
WEBHOOK_SECRET = "loopback-secret"
WEBHOOK_RETRY_SECONDS = 0.05
NUMBERS = {"chat_id", "message_id", "message_thread_id", "offset", "limit", "timeout"}


@dataclass(slots=True)
class Sent:
    """A message of the bot as the chat shows it now."""

    chat: int
    message_id: int
    text: str
    keyboard: list[list[dict[str, Any]]] = field(default_factory=list)
    thread: int | None = None
    filename: str = ""
    document: bytes = b""

    @property
    def buttons(self) -> list[str]:
        """The titles of the buttons that can be pressed now."""
        return [button["text"] for row in self.keyboard for button in row]


@dataclass(slots=True)
class Call:
    """A request that arrived, with its parameters read from JSON where they are JSON."""

    method: str
    params: dict[str, Any]


@dataclass(slots=True)
class Failure:
    """What happens instead of an answer: a status, or 0 for a cut connection."""

    status: int
    description: str
    retry_after: int | None = None
    after: bool = False
    delay: float = 0.0
    body: str | None = None


class TelegramServer:
    """One bot's Bot API server.

    Args:
        poll_seconds: the longest that ``getUpdates`` waits, whatever the client asks for.
    """

    def __init__(self, poll_seconds: float = 0.5) -> None:
        self.token = TOKEN
        self.url = ""
        self.calls: list[Call] = []
        self.answered: list[str] = []
        self.webhook: dict[str, Any] = {}
        self._poll_seconds = poll_seconds
        self._updates: list[dict[str, Any]] = []
        self._next = {"update": 700_000_001, "message": 1, "query": 1}
        self._sent: dict[int, list[Sent]] = defaultdict(list)
        self._files: dict[str, tuple[str, bytes]] = {}
        self._failures: dict[str, list[Failure | None]] = defaultdict(list)
        self._changed = asyncio.Event()
        self._polls = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=64 * 1024**2)
        app.router.add_route("*", "/bot{token}/{method}", self._api)
        app.router.add_get("/file/bot{token}/{path:.*}", self._file)
        # The paths contain the token, and the tests look for it in the log.
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._changed.set()
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def env(self) -> dict[str, str]:
        """The environment with which the connector polls this server."""
        return {"TELEGRAM_BOT_TOKEN": self.token, "TELEGRAM_API_BASE_URL": self.url}

    def webhook_env(self, public_url: str) -> dict[str, str]:
        """The environment with which the connector has this server call ``public_url``."""
        return self.env | {"TELEGRAM_WEBHOOK_URL": public_url, "TELEGRAM_WEBHOOK_SECRET": WEBHOOK_SECRET}

    # What people do

    async def user_says(
        self, chat: int, text: str, *, language_code: str = "en", name: str = "Ana", **message: Any
    ) -> dict[str, Any]:
        """A person writes; ``message`` are further fields of the message. The update that leaves."""
        entities: list[dict[str, Any]] = []
        if text.startswith("/"):
            entities.append({"type": "bot_command", "offset": 0, "length": len(text.split()[0])})
        fields: dict[str, Any] = {"text": text} if text else {}
        if entities:
            fields["entities"] = entities
        return await self.update(message=self._message(chat, language_code, name, fields | message))

    async def user_sends_file(
        self, chat: int, data: bytes, *, filename: str = "box.jpg", mime: str = "image/jpeg", caption: str = ""
    ) -> dict[str, Any]:
        """A person sends a photo (``image/…``) or a document."""
        file_id = f"AgACAgQ{len(self._files):04d}"
        photo = mime.startswith("image/")
        self._files[file_id] = (f"{'photos' if photo else 'documents'}/{filename}", data)
        size = {"file_id": file_id, "file_unique_id": f"u{file_id}", "file_size": len(data)}
        small = size | {"file_id": f"small-{file_id}", "width": 90, "height": 67, "file_size": 1}
        fields: dict[str, Any] = {"document": size | {"file_name": filename, "mime_type": mime}}
        if photo:
            fields = {"photo": [small, size | {"width": 1280, "height": 960}]}
        if caption:
            fields["caption"] = caption
        return await self.update(message=self._message(chat, "en", "Ana", fields))

    async def user_presses(self, chat: int, title: str, *, language_code: str = "en") -> dict[str, Any]:
        """A person presses the newest button with this title that is still there.

        Raises:
            AssertionError: there is none.
        """
        for sent in reversed(self._sent[chat]):
            for button in (button for row in sent.keyboard for button in row):
                if button["text"] == title:
                    return await self.press(chat, sent, button, language_code)
        shown = [sent.buttons for sent in self._sent[chat]]
        raise AssertionError(f"no button {title!r} in chat {chat}; there are {shown}")

    async def press(self, chat: int, sent: Sent, button: dict[str, Any], language_code: str = "en") -> dict[str, Any]:
        """A person presses this button, even if it is not shown any more."""
        message = {
            "message_id": sent.message_id,
            "from": self._me(),
            "chat": _chat(chat, "Ana"),
            "date": int(time.time()),
            "text": sent.text,
            "reply_markup": {"inline_keyboard": sent.keyboard or [[button]]},
        }
        number = self._take("query")
        return await self.update(
            callback_query={
                "id": f"43824{number}",
                "from": _person(chat, language_code, "Ana"),
                "message": message,
                "chat_instance": "-3571862917344170126",
                "data": button["callback_data"],
            }
        )

    async def update(self, **content: Any) -> dict[str, Any]:
        """Any update; Telegram sends it by webhook if one is set, else keeps it for polling."""
        update = {"update_id": self._take("update")} | content
        self.deliver(update)
        return update

    def deliver(self, update: dict[str, Any]) -> None:
        """Send an update as it is, for a second time if need be."""
        if self.webhook.get("url"):
            task = asyncio.create_task(self._call_webhook(update))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        else:
            self._updates.append(update)
            self._wake()

    # What a test asks for

    async def wait_for(self, chat: int, count: int = 1, timeout: float = 5.0) -> list[Sent]:
        """All the bot has said in a chat, once it is at least ``count`` messages."""
        await self.until(lambda: len(self._sent[chat]) >= count, timeout, lambda: f"got {self._sent[chat]}")
        return list(self._sent[chat])

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

    def sent(self, chat: int) -> list[Sent]:
        """What the bot has said in a chat so far."""
        return list(self._sent[chat])

    def calls_of(self, method: str) -> list[dict[str, Any]]:
        """The parameters of all requests of one method so far."""
        return [call.params for call in self.calls if call.method == method]

    @property
    def pending(self) -> list[int]:
        """The ids of the updates that nobody has confirmed yet."""
        return [update["update_id"] for update in self._updates]

    def fail_next(
        self,
        method: str,
        status: int,
        description: str = "",
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
            method: such as ``sendMessage``.
            status: the HTTP status; 0 cuts the connection.
            description: what the server says.
            retry_after: seconds to wait, for 429.
            times: how many requests.
            skip: how many requests succeed before.
            after: do what was asked first, and fail only then.
            delay: seconds before it fails.
            body: an answer that is not the Bot API's.
        """
        words = description or {
            401: "Unauthorized",
            403: "Forbidden: bot was blocked by the user",
            409: "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running",
            429: f"Too Many Requests: retry after {retry_after}",
            500: "Internal Server Error",
            502: "Bad Gateway",
        }.get(status, "Bad Request")
        self._failures[method] += [None] * skip
        self._failures[method] += [Failure(status, words, retry_after, after, delay, body) for _ in range(times)]
        self._wake()

    def failing(self, method: str) -> bool:
        """Whether failures of a method are still to come."""
        return bool(self._failures[method])

    def mend(self, method: str) -> None:
        """Let the method work again."""
        self._failures[method].clear()

    # The server

    def _take(self, what: str) -> int:
        self._next[what] += 1
        return self._next[what] - 1

    def _wake(self) -> None:
        self._changed.set()

    def _me(self) -> dict[str, Any]:
        return {"id": int(self.token.split(":")[0]), "is_bot": True, "first_name": "Linguadesk", "username": USERNAME}

    def _message(self, chat: int, language_code: str, name: str, fields: dict[str, Any]) -> dict[str, Any]:
        common = {
            "message_id": self._take("message"),
            "from": _person(abs(chat), language_code, name),
            "chat": _chat(chat, name),
            "date": int(time.time()),
        }
        return common | fields

    async def _call_webhook(self, update: dict[str, Any]) -> None:
        async with aiohttp.ClientSession() as session:
            while self.webhook.get("url"):
                headers = {"X-Telegram-Bot-Api-Secret-Token": self.webhook.get("secret_token", "")}
                with contextlib.suppress(aiohttp.ClientError):
                    async with session.post(self.webhook["url"], json=update, headers=headers) as answer:
                        if 200 <= answer.status < 300:
                            return
                await asyncio.sleep(WEBHOOK_RETRY_SECONDS)

    async def _api(self, request: web.Request) -> web.StreamResponse:
        method, params = request.match_info["method"], await _params(request)
        self.calls.append(Call(method, params))
        try:
            if request.match_info["token"] != self.token:
                return _refusal(Failure(401, "Unauthorized"))
            failures = self._failures[method]
            failure = failures.pop(0) if failures else None
            if failure is not None and not failure.after:
                return await self._fail(request, failure)
            result = await getattr(self, f"_do_{method}", self._unknown)(params)
            if failure is not None:
                return await self._fail(request, failure)
            return result if isinstance(result, web.Response) else web.json_response({"ok": True, "result": result})
        finally:
            self._wake()

    async def _fail(self, request: web.Request, failure: Failure) -> web.StreamResponse:
        await asyncio.sleep(failure.delay)
        if failure.status == 0:
            if request.transport is not None:
                request.transport.abort()
            return web.Response()
        return _refusal(failure)

    async def _unknown(self, _params: dict[str, Any]) -> Any:
        return _refusal(Failure(404, "Not Found"))

    async def _do_getMe(self, _params: dict[str, Any]) -> Any:
        return self._me() | {
            "can_join_groups": True,
            "can_read_all_group_messages": False,
            "supports_inline_queries": False,
        }

    async def _do_setWebhook(self, params: dict[str, Any]) -> Any:
        self.webhook = params
        waiting, self._updates = self._updates, []
        for update in waiting:
            self.deliver(update)
        return True

    async def _do_deleteWebhook(self, params: dict[str, Any]) -> Any:
        self.webhook = {}
        if params.get("drop_pending_updates"):
            self._updates.clear()
        return True

    async def _do_getUpdates(self, params: dict[str, Any]) -> Any:
        if self.webhook.get("url"):
            words = "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook first"
            return _refusal(Failure(409, words))
        offset = params.get("offset", 0)
        self._updates = [update for update in self._updates if update["update_id"] >= offset]
        self._wake()
        self._polls += 1
        mine = self._polls
        deadline = time.monotonic() + min(float(params.get("timeout", 0)), self._poll_seconds)
        while not self._updates and time.monotonic() < deadline and not self._failures["getUpdates"]:
            await asyncio.sleep(0.005)
            if self._polls != mine:
                return _refusal(Failure(409, "Conflict: terminated by other getUpdates request"))
        return self._updates[: params.get("limit", 100)]

    async def _do_sendMessage(self, params: dict[str, Any]) -> Any:
        text = params.get("text", "")
        if not text.strip():
            return _refusal(Failure(400, "Bad Request: message text is empty"))
        if len(text.encode("utf-16-le")) // 2 > 4096:
            return _refusal(Failure(400, "Bad Request: message is too long"))
        return self._store(params, text)

    async def _do_sendDocument(self, params: dict[str, Any]) -> Any:
        filename, data = params["document"]
        if len(params.get("caption", "").encode("utf-16-le")) // 2 > 1024:
            return _refusal(Failure(400, "Bad Request: message caption is too long"))
        return self._store(params, params.get("caption", ""), filename, data)

    def _store(self, params: dict[str, Any], text: str, filename: str = "", data: bytes = b"") -> Any:
        keyboard = (params.get("reply_markup") or {}).get("inline_keyboard", [])
        for button in (button for row in keyboard for button in row):
            if not 1 <= len(button.get("callback_data", "").encode()) <= 64:
                return _refusal(Failure(400, "Bad Request: BUTTON_DATA_INVALID"))
        chat = params["chat_id"]
        sent = Sent(chat, self._take("message"), text, keyboard, params.get("message_thread_id"), filename, data)
        self._sent[chat].append(sent)
        message: dict[str, Any] = {
            "message_id": sent.message_id,
            "from": self._me(),
            "chat": _chat(chat, "Ana"),
            "date": int(time.time()),
        }
        if filename:
            document = {"file_id": "BQAC1", "file_unique_id": "u1", "file_name": filename, "file_size": len(data)}
            return message | {"document": document, "caption": text}
        return message | {"text": text}

    async def _do_answerCallbackQuery(self, params: dict[str, Any]) -> Any:
        self.answered.append(params["callback_query_id"])
        return True

    async def _do_editMessageReplyMarkup(self, params: dict[str, Any]) -> Any:
        for sent in self._sent[params["chat_id"]]:
            if sent.message_id == params["message_id"]:
                if not sent.keyboard and not params.get("reply_markup"):
                    return _refusal(Failure(400, "Bad Request: message is not modified"))
                sent.keyboard = (params.get("reply_markup") or {}).get("inline_keyboard", [])
                return True
        return _refusal(Failure(400, "Bad Request: message to edit not found"))

    async def _do_getFile(self, params: dict[str, Any]) -> Any:
        found = self._files.get(params["file_id"])
        if found is None:
            return _refusal(Failure(400, "Bad Request: wrong file_id or the file is temporarily unavailable"))
        path, data = found
        return {"file_id": params["file_id"], "file_unique_id": "u", "file_size": len(data), "file_path": path}

    async def _file(self, request: web.Request) -> web.StreamResponse:
        for path, data in self._files.values():
            if path == request.match_info["path"] and request.match_info["token"] == self.token:
                return web.Response(body=data)
        return _refusal(Failure(404, "Not Found"))


def _person(user: int, language_code: str, name: str) -> dict[str, Any]:
    person = {"id": user, "is_bot": False, "first_name": name, "last_name": "Torres", "username": f"user{user}"}
    return person | ({"language_code": language_code} if language_code else {})


def _chat(chat: int, name: str) -> dict[str, Any]:
    if chat < 0:
        return {"id": chat, "title": "Customers", "type": "supergroup"}
    return {"id": chat, "first_name": name, "last_name": "Torres", "username": f"user{chat}", "type": "private"}


async def _params(request: web.Request) -> dict[str, Any]:
    """A request's parameters, from the query, a form, multipart or JSON, as the Bot API takes them."""
    params: dict[str, Any] = dict(request.query)
    if request.content_type == "application/json":
        params |= await request.json()
    elif request.can_read_body:
        for key, value in (await request.post()).items():
            params[key] = (value.filename, value.file.read()) if isinstance(value, web.FileField) else value
    for key, value in params.items():
        if isinstance(value, str) and (key in NUMBERS or value[:1] in "[{" or value in {"true", "false"}):
            with contextlib.suppress(ValueError):
                params[key] = json.loads(value) if key not in {"text", "caption"} else value
    document = params.get("document")
    if isinstance(document, str) and document.startswith("attach://"):
        params["document"] = params.pop(document.removeprefix("attach://"))
    return params


def _refusal(failure: Failure) -> web.Response:
    if failure.body is not None:
        return web.Response(status=failure.status, text=failure.body, content_type="text/html")
    body: dict[str, Any] = {"ok": False, "error_code": failure.status, "description": failure.description}
    if failure.retry_after is not None:
        body["parameters"] = {"retry_after": failure.retry_after}
    return web.json_response(body, status=failure.status)
