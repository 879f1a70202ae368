"""The Bot API's objects and parameters, as ``telegram_server`` gives and takes them."""

from __future__ import annotations

import contextlib
import json
import math
import time
from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

TOKEN = "123456789:AAFakeTokenForTheLoopbackServer-0000"
USERNAME = "linguadesk_bot"
NUMBERS = {"chat_id", "message_id", "message_thread_id", "user_id", "offset", "limit", "timeout"}
# As Telegram counts: so many messages in so many seconds to one chat, to one group, to all.
CHAT_LIMIT, GROUP_LIMIT, OVERALL_LIMIT = (1, 1.0), (20, 60.0), (30, 1.0)
# Messages leave evenly but travel unevenly: a window may be this much shorter than it should.
JITTER = 0.05
RIGHTS = (
    "can_be_edited",
    "is_anonymous",
    "can_manage_chat",
    "can_delete_messages",
    "can_manage_video_chats",
    "can_restrict_members",
    "can_promote_members",
    "can_change_info",
    "can_invite_users",
    "can_post_stories",
    "can_edit_stories",
    "can_delete_stories",
    "can_manage_topics",
)
GIFTS = ("unlimited_gifts", "limited_gifts", "unique_gifts", "premium_subscription", "gifts_from_channels")
WORDS = {"text", "caption", "name", "url", "secret_token"}


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
    params: dict[str, Any] = field(default_factory=dict)

    @property
    def entities(self) -> list[dict[str, Any]]:
        """The entities of the text or caption."""
        found: list[dict[str, Any]] = self.params.get("entities") or self.params.get("caption_entities") or []
        return found

    @property
    def buttons(self) -> list[str]:
        """The titles of the buttons that can be pressed now."""
        return [button["text"] for row in self.keyboard for button in row]


@dataclass(slots=True)
class Topic:
    """A topic of a forum."""

    name: str
    closed: bool = False


@dataclass(slots=True)
class Call:
    """A request and when it arrived (monotonic); its parameters are read from JSON where they are JSON."""

    method: str
    params: dict[str, Any]
    at: float = field(default_factory=time.monotonic)


@dataclass(slots=True)
class Failure:
    """What happens instead of an answer: a status, or 0 for a cut connection."""

    status: int
    description: str
    retry_after: int | None = None
    after: bool = False
    delay: float = 0.0
    body: str | None = None
    moved_to: int | None = None


class Pace:
    """Telegram's limits on the number of messages."""

    def __init__(self) -> None:
        self._sent: dict[Any, deque[float]] = defaultdict(deque)

    def wait(self, chat: int) -> int:
        """Seconds until a message to the chat may leave; 0 counts it as sent."""
        windows = [(("chat", chat), *CHAT_LIMIT), ("all", *OVERALL_LIMIT)]
        if chat < 0:
            windows.append((("group", chat), *GROUP_LIMIT))
        moment, waits = time.monotonic(), [0.0]
        for key, count, seconds in windows:
            sent, span = self._sent[key], seconds - JITTER
            while sent and sent[0] <= moment - span:
                sent.popleft()
            if len(sent) >= count:
                waits.append(sent[0] + span - moment)
        if max(waits) > 0:
            return max(1, math.ceil(max(waits)))
        for key, _count, _seconds in windows:
            self._sent[key].append(moment)
        return 0


def person(user: int, language_code: str = "en", name: str = "Ana") -> dict[str, Any]:
    """A User."""
    found = {"id": user, "is_bot": False, "first_name": name, "last_name": "Torres", "username": f"user{user}"}
    return found | ({"language_code": language_code} if language_code else {})


def chat_object(chat: int, name: str = "Ana") -> dict[str, Any]:
    """A Chat: groups have ids below zero."""
    if chat < 0:
        return {"id": chat, "title": "Customers", "type": "supergroup"}
    return {"id": chat, "first_name": name, "last_name": "Torres", "username": f"user{chat}", "type": "private"}


async def params_of(request: web.Request) -> dict[str, Any]:
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
                params[key] = json.loads(value) if key not in WORDS else value
    for kind in ("document", "photo"):
        file = params.get(kind)
        if isinstance(file, str) and file.startswith("attach://"):
            params[kind] = params.pop(file.removeprefix("attach://"))
    return params


def refusal(failure: Failure) -> web.Response:
    """The answer that something went wrong."""
    if failure.body is not None:
        return web.Response(status=failure.status, text=failure.body, content_type="text/html")
    body: dict[str, Any] = {"ok": False, "error_code": failure.status, "description": failure.description}
    if failure.retry_after is not None:
        body["parameters"] = {"retry_after": failure.retry_after}
    if failure.moved_to is not None:
        body["parameters"] = {"migrate_to_chat_id": failure.moved_to}
    return web.json_response(body, status=failure.status)
