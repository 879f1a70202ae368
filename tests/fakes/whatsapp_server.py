"""A Graph API server with one WhatsApp business number: it checks requests as the platform does.

``async with WhatsAppServer() as server:`` then ``server.env`` is the environment for the connector.
``server.webhook_url`` must be set to where the connector's route is served; then
``await server.user_says(customer, text)`` is a customer writing, and
``await server.wait_for(customer, n)`` gives what the number has said to them.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

import aiohttp
from aiohttp import web

TOKEN = "EAALoopbackTokenThatNobodyMaySee0123456789"
NUMBER_ID = "106540352242922"
ACCOUNT_ID = "102290129340398"
APP_SECRET = "8f2ac1d0b7e94f63a5c2d1e0f9b8a7c6"
VERIFY_TOKEN = "loopback-verify-token"
BUSINESS_NUMBER = "15550783881"
VERSION = "v26.0"
RETRY_SECONDS = 0.05
TYPES = {
    "image": {"image/jpeg", "image/png"},
    "video": {"video/mp4", "video/3gpp"},
    "audio": {"audio/aac", "audio/amr", "audio/mp4", "audio/mpeg", "audio/ogg"},
    "document": {"text/plain", "application/pdf"},
}
SIZES = {"image": 5, "video": 16, "audio": 16, "document": 100}
CODES = {
    0: (401, "Authentication Error"),
    4: (400, "Application request limit reached"),
    190: (401, "Error validating access token: The session has been invalidated"),
    100: (400, "Invalid parameter"),
    368: (403, "Temporarily blocked for policies violations"),
    80007: (400, "Rate limit issues"),
    130429: (429, "Rate limit hit"),
    131000: (500, "Something went wrong"),
    131009: (400, "Parameter value is not valid"),
    131026: (400, "Message undeliverable"),
    131030: (400, "Recipient phone number not in allowed list"),
    131031: (403, "Business Account locked"),
    131042: (400, "Business eligibility payment issue"),
    131047: (400, "Re-engagement message"),
    131053: (400, "Media upload error"),
    131056: (400, "(Business Account, Consumer Account) pair rate limit hit"),
    132001: (404, "Template name does not exist in the translation"),
    133010: (400, "Phone number not registered"),
}


def error(code: int, details: str = "", **fields: Any) -> dict[str, Any]:
    """An error as the Graph API sends it."""
    title = CODES.get(code, (400, "An error"))[1]
    return {
        "error": {
            "message": f"(#{code}) {title}",
            "type": "OAuthException",
            "code": code,
            "error_data": {"messaging_product": "whatsapp", "details": details or title},
            "fbtrace_id": "AkMlLrBGhJ0bOTVnXkpXn7c",
        }
        | fields
    }


@dataclass(slots=True)
class Sent:
    """A message of the business number as the customer sees it."""

    to: str
    message_id: str
    body: dict[str, Any]
    file: tuple[str, bytes] | None = None

    @property
    def text(self) -> str:
        """What it says: text, caption, or a template's variable."""
        kind, content = self.body["type"], self.body[self.body["type"]]
        if kind == "template":
            return str(content["components"][0]["parameters"][0]["text"])
        if kind == "interactive":
            return str(content["body"]["text"])
        return str(content.get("body") or content.get("caption") or "")

    @property
    def replies(self) -> list[tuple[str, dict[str, str]]]:
        """What can be chosen: the type of the reply, and its id and title."""
        action = self.body.get("interactive", {}).get("action", {})
        buttons = [("button_reply", button["reply"]) for button in action.get("buttons", ())]
        return buttons + [("list_reply", row) for section in action.get("sections", ()) for row in section["rows"]]

    @property
    def buttons(self) -> list[str]:
        """The words of what can be chosen, in full."""
        return [reply.get("description") or reply["title"] for _, reply in self.replies]


@dataclass(slots=True)
class Failure:
    """What happens instead of an answer: a status, or 0 for a cut connection."""

    status: int
    body: Any
    headers: dict[str, str] = field(default_factory=dict)
    after: bool = False
    delay: float = 0.0


class WhatsAppServer:
    """One business number, its customers and its files."""

    def __init__(self) -> None:
        self.url = ""
        self.webhook_url = ""
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.read: list[dict[str, Any]] = []
        self.answers: list[int] = []
        self.number: dict[str, Any] = {
            "verified_name": "Northwind & Lotus",
            "code_verification_status": "VERIFIED",
            "quality_rating": "GREEN",
            "webhook_configuration": {"application": "https://desk.example.com/webhooks/whatsapp"},
            "id": NUMBER_ID,
        }
        self.media_url = ""
        self.file_size: int | None = None
        self.tokens_seen: set[str] = set()
        self._taken = 0
        self._sent: dict[str, list[Sent]] = defaultdict(list)
        self._files: dict[str, tuple[str, bytes]] = {}
        self._failures: dict[str, list[Failure | None]] = defaultdict(list)
        self._changed = asyncio.Event()
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=128 * 1024**2)
        root = f"/{VERSION}"
        app.router.add_post(f"{root}/{NUMBER_ID}/messages", self._messages)
        app.router.add_post(f"{root}/{NUMBER_ID}/media", self._media)
        app.router.add_get(f"{root}/{{id}}", self._object)
        app.router.add_get("/files/{id}", self._file)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._wake()
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def env(self) -> dict[str, str]:
        """The environment of a connector to this server."""
        return {
            "WHATSAPP_TOKEN": TOKEN,
            "WHATSAPP_PHONE_NUMBER_ID": NUMBER_ID,
            "WHATSAPP_APP_SECRET": APP_SECRET,
            "WHATSAPP_VERIFY_TOKEN": VERIFY_TOKEN,
            "WHATSAPP_API_BASE_URL": f"{self.url}/{VERSION}",
        }

    # What people do

    async def user_says(self, customer: str, text: str, **message: Any) -> dict[str, Any]:
        """A customer writes; ``message`` are further fields. The message that left, once it was taken."""
        return await self.message(customer, {"type": "text", "text": {"body": text}} | message)

    async def user_sends_file(
        self,
        customer: str,
        data: bytes,
        *,
        kind: str = "image",
        mime: str = "image/jpeg",
        caption: str = "",
        **more: Any,
    ) -> dict[str, Any]:
        """A customer sends a photo, a voice message, a document …"""
        self._taken += 1
        media_id = f"1003383421387{self._taken:03d}"
        self._files[media_id] = (mime, data)
        digest = hashlib.sha256(data).hexdigest()
        file = {"mime_type": mime, "sha256": digest, "id": media_id} | ({"caption": caption} if caption else {}) | more
        return await self.message(customer, {"type": kind, kind: file})

    async def user_presses(self, customer: str, title: str) -> dict[str, Any]:
        """A customer chooses the newest button or row with this title.

        Raises:
            AssertionError: there is none.
        """
        for sent in reversed(self._sent[customer]):
            for kind, reply in sent.replies:
                if title in (reply["title"], reply.get("description")):
                    chosen = {"type": kind, kind: reply}
                    context = {"from": BUSINESS_NUMBER, "id": sent.message_id}
                    return await self.message(
                        customer, {"context": context, "type": "interactive", "interactive": chosen}
                    )
        raise AssertionError(f"no button {title!r}; there are {[sent.buttons for sent in self._sent[customer]]}")

    async def message(self, customer: str, content: dict[str, Any]) -> dict[str, Any]:
        """Any message of a customer; returns once it was taken."""
        message = {"from": customer, "id": self.wamid(), "timestamp": str(int(time.time()))} | content
        await self.deliver(webhook(messages=[message], contacts=[contact(customer)]))
        return message

    async def deliver(self, body: Any, *, signature: str | None = None, tries: int = 3) -> int:
        """Call the webhook until it says 200; the last status."""
        raw = json.dumps(body).encode()
        headers = {"Content-Type": "application/json", "X-Hub-Signature-256": signature or sign(raw)}
        status = 0
        async with aiohttp.ClientSession() as session:
            for _ in range(tries):
                async with session.post(self.webhook_url, data=raw, headers=headers) as answer:
                    status = answer.status
                self.answers.append(status)
                if status == 200:
                    break
                await asyncio.sleep(RETRY_SECONDS)
        return status

    def wamid(self) -> str:
        """A new id of a message."""
        self._taken += 1
        return f"wamid.HBgLMTY1MDU1NTEyMzQVAgASGBQzQTRBNjU5OUFFRTAzODEw{self._taken:06d}"

    # What a test asks for

    def sent(self, customer: str) -> list[Sent]:
        """What the number has said to a customer so far."""
        return list(self._sent[customer])

    async def wait_for(self, customer: str, count: int = 1, timeout: float = 20.0) -> list[Sent]:
        """All that was said to a customer, once it is at least ``count`` messages."""
        await self.until(lambda: len(self._sent[customer]) >= count, timeout)
        return self.sent(customer)

    async def until(self, condition: Callable[[], object], timeout: float = 20.0) -> None:
        """Wait until something has become true through a request; AssertionError if it does not."""
        deadline = time.monotonic() + timeout
        while not condition():
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), 0.05)
            assert time.monotonic() < deadline or condition(), f"waited {timeout} s in vain"

    def put_file(self, data: bytes, mime: str = "image/jpeg") -> str:
        """Store a file that a customer sent; its id."""
        self._taken += 1
        media_id = f"1003383421387{self._taken:03d}"
        self._files[media_id] = (mime, data)
        return media_id

    def fail_next(
        self,
        what: str,
        code: int | None = None,
        *,
        status: int | None = None,
        times: int = 1,
        skip: int = 0,
        after: bool = False,
        delay: float = 0.0,
        body: Any = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        """Let the next requests fail.

        Args:
            what: ``messages``, ``media``, ``object`` or ``file``.
            code: the Graph API's error.
            status: the HTTP status if it is not the code's; 0 cuts the connection.
            times: how many requests.
            skip: how many requests succeed before.
            after: do what was asked first, and fail only then.
            delay: seconds before it fails.
            body: an answer instead of the error's: JSON, or text.
            headers: further headers of the answer.
        """
        said = body if body is not None else error(code) if code is not None else "<html>Bad Gateway</html>"
        shown = status if status is not None else CODES.get(code or -1, (400, ""))[0]
        self._failures[what] += [None] * skip
        self._failures[what] += [Failure(shown, said, headers or {}, after, delay) for _ in range(times)]

    # The server

    def _wake(self) -> None:
        self._changed.set()

    async def _guarded(self, what: str, request: web.Request, answer: Any) -> web.StreamResponse:
        """Check the token, fail if a failure is due, else answer."""
        try:
            given = request.headers.get("Authorization", "")
            self.tokens_seen.add(given)
            if given != f"Bearer {TOKEN}":
                body = error(190)
                body["error"]["message"] = f"Malformed access token {given.removeprefix('Bearer ')}"
                return web.json_response(body, status=401)
            failures = self._failures[what]
            failure = failures.pop(0) if failures else None
            if failure is None or failure.after:
                response: web.StreamResponse = await answer(request)
            if failure is None:
                return response
            await asyncio.sleep(failure.delay)
            if failure.status == 0:
                if request.transport is not None:
                    request.transport.abort()
                return web.Response()
            text = failure.body if isinstance(failure.body, str) else json.dumps(failure.body)
            kind = "text/html" if isinstance(failure.body, str) else "application/json"
            return web.Response(status=failure.status, text=text, content_type=kind, headers=failure.headers)
        finally:
            self._wake()

    async def _messages(self, request: web.Request) -> web.StreamResponse:
        async def answer(request: web.Request) -> web.StreamResponse:
            body = await request.json()
            if body.get("status") == "read":
                self.read.append(body)
                return web.json_response({"success": True})
            self.requests.append(("messages", body))
            if complaint := _complaint(body, self._files):
                return web.json_response(error(131009, complaint), status=400)
            to = body.get("to") or body["recipient"]
            content = body[body["type"]]
            file = self._files.get(content["id"]) if body["type"] in SIZES else None
            sent = Sent(to, self.wamid(), body, file)
            self._sent[to].append(sent)
            contacts = [{"input": to, "wa_id": to if "to" in body else ""}]
            accepted = {"id": sent.message_id, "message_status": "accepted"}
            return web.json_response({"messaging_product": "whatsapp", "contacts": contacts, "messages": [accepted]})

        return await self._guarded("messages", request, answer)

    async def _media(self, request: web.Request) -> web.StreamResponse:
        async def answer(request: web.Request) -> web.StreamResponse:
            form = await request.post()
            file = form["file"]
            assert isinstance(file, web.FileField)
            mime, data = str(form["type"]), file.file.read()
            self.requests.append(("media", {"type": mime, "name": file.filename, "size": len(data)}))
            if form.get("messaging_product") != "whatsapp" or not any(mime in types for types in TYPES.values()):
                body = error(100, f"Param file must be a file with one of the following types: {TYPES}, not {mime}")
                return web.json_response(body, status=400)
            return web.json_response({"id": self.put_file(data, mime)})

        return await self._guarded("media", request, answer)

    async def _object(self, request: web.Request) -> web.StreamResponse:
        async def answer(request: web.Request) -> web.StreamResponse:
            object_id = request.match_info["id"]
            if object_id == NUMBER_ID:
                fields = request.query["fields"].split(",")
                shown = {name: value for name, value in self.number.items() if name in {*fields, "id"}}
                return web.json_response(shown)
            if object_id not in self._files:
                message = f"Unsupported get request. Object with ID '{object_id}' does not exist"
                return web.json_response(error(100, message, error_subcode=33), status=400)
            mime, data = self._files[object_id]
            told = {
                "url": self.media_url or f"{self.url}/files/{object_id}",
                "mime_type": mime,
                "sha256": hashlib.sha256(data).hexdigest(),
                "file_size": len(data) if self.file_size is None else self.file_size,
                "id": object_id,
                "messaging_product": "whatsapp",
            }
            return web.json_response(told)

        return await self._guarded("object", request, answer)

    async def _file(self, request: web.Request) -> web.StreamResponse:
        async def answer(request: web.Request) -> web.StreamResponse:
            found = self._files.get(request.match_info["id"])
            return web.Response(body=found[1], content_type=found[0]) if found else web.Response(status=404)

        return await self._guarded("file", request, answer)


def sign(raw: bytes, secret: str = APP_SECRET) -> str:
    """The signature of a webhook's body."""
    return "sha256=" + hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest()


def contact(customer: str, name: str = "Ana Torres") -> dict[str, Any]:
    """A contact as webhooks describe the sender."""
    ids = {"wa_id": customer} if customer.isdecimal() else {}
    user_id = f"ES.{customer}" if customer.isdecimal() else customer
    return {"profile": {"name": name}, "user_id": user_id} | ids


def webhook(number_id: str = NUMBER_ID, **value: Any) -> dict[str, Any]:
    """A webhook with one change, such as ``messages=[…], contacts=[…]`` or ``statuses=[…]``."""
    metadata = {"display_phone_number": BUSINESS_NUMBER, "phone_number_id": number_id}
    change = {"value": {"messaging_product": "whatsapp", "metadata": metadata} | value, "field": "messages"}
    return {"object": "whatsapp_business_account", "entry": [{"id": ACCOUNT_ID, "changes": [change]}]}


def _units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def _complaint(body: dict[str, Any], files: dict[str, tuple[str, bytes]]) -> str:
    """What the platform would refuse of a message; empty if nothing."""
    kind = body.get("type", "")
    content = body.get(kind)
    if body.get("messaging_product") != "whatsapp" or body.get("recipient_type") != "individual":
        return "messaging_product and recipient_type"
    if not isinstance(content, dict) or not (body.get("to") or body.get("recipient")):
        return "type and recipient"
    if len(body.get("biz_opaque_callback_data", "")) > 512:
        return "biz_opaque_callback_data"
    if kind == "text":
        return "" if content["body"].strip() and _units(content["body"]) <= 4096 else "text.body"
    if kind == "template":
        text = content["components"][0]["parameters"][0]["text"]
        bad = not text or "\n" in text or "\t" in text or "    " in text or _units(text) > 1024
        return "the parameter of the template" if bad or not content["language"]["code"] else ""
    if kind == "interactive":
        return _about_interactive(content)
    if kind in SIZES:
        mime, data = files.get(content.get("id", ""), ("", b""))
        fits = mime in TYPES[kind] or (kind == "document" and mime)
        too_long = _units(content.get("caption", "")) > 1024 or (kind == "audio" and "caption" in content)
        return "" if fits and len(data) <= SIZES[kind] * 1024**2 and not too_long else f"the {kind}"
    return "type"


def _about_interactive(content: dict[str, Any]) -> str:
    action, text = content["action"], content["body"]["text"]
    if not text.strip() or _units(text) > 1024:
        return "interactive.body"
    if content["type"] == "button":
        replies = [button["reply"] for button in action["buttons"]]
        most, titles, ids = 3, 20, 256
        if len({reply["title"] for reply in replies}) < len(replies):
            return "titles that are there twice"
    else:
        if not 1 <= _units(action["button"]) <= 20:
            return "the list's button"
        replies = [row for section in action["sections"] for row in section["rows"]]
        most, titles, ids = 10, 24, 200
    if not 1 <= len(replies) <= most or len({reply["id"] for reply in replies}) < len(replies):
        return "the number of choices, or ids that are there twice"
    for reply in replies:
        wrong = not 1 <= _units(reply["title"]) <= titles or not 1 <= _units(reply["id"]) <= ids
        if wrong or _units(reply.get("description", "")) > 72:
            return "a choice"
    return ""
