"""What a Slack workspace consists of, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

# https://docs.slack.dev/reference/methods: one of these scopes is needed for a method.
METHOD_SCOPES: dict[str, tuple[str, ...]] = {
    "apps.connections.open": (),
    "auth.test": (),
    "chat.postEphemeral": ("chat:write",),
    "chat.postMessage": ("chat:write",),
    "chat.update": ("chat:write",),
    "conversations.info": ("channels:read", "groups:read", "im:read", "mpim:read"),
    "conversations.open": ("channels:manage", "groups:write", "im:write", "mpim:write"),
    "files.completeUploadExternal": ("files:write",),
    "files.getUploadURLExternal": ("files:write",),
    "users.info": ("users:read",),
    "views.open": (),
    "views.publish": (),
    "views.update": (),
}


@dataclass(slots=True)
class Post:
    """A message of the bot as the channel shows it now."""

    channel: str
    ts: str
    text: str
    blocks: list[dict[str, Any]] = field(default_factory=list)
    thread_ts: str = ""
    filename: str = ""
    document: bytes = b""
    broadcast: bool = False

    @property
    def buttons(self) -> list[str]:
        """The titles of the buttons that can be pressed now."""
        return [element["text"]["text"] for element in self.elements]

    @property
    def elements(self) -> list[dict[str, Any]]:
        """The buttons that can be pressed now."""
        return buttons_of(self.blocks)

    @property
    def shown(self) -> str:
        """The words that a person sees: those of the blocks if there are any."""
        return words_of(self.blocks) or self.text


@dataclass(slots=True)
class Whisper:
    """A message that only one person sees."""

    channel: str
    user: str
    text: str
    thread_ts: str = ""


@dataclass(slots=True)
class Delivery:
    """What became of an event: how often it was sent, whether it was acknowledged, and with what."""

    event_id: str
    attempts: int = 0
    acknowledged: bool = False
    answers: list[int] = field(default_factory=list)
    response: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Failure:
    """What happens instead of an answer: a status, or 0 for a cut connection."""

    status: int
    error: str
    retry_after: int | None = None
    after: bool = False
    delay: float = 0.0
    body: str | None = None


def buttons_of(blocks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The buttons of blocks."""
    actions = [element for block in blocks if block["type"] == "actions" for element in block["elements"]]
    return [element for element in actions if element["type"] == "button"]


def menus_of(blocks: list[dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    """The menus beside paragraphs, each with the id of its block."""
    return [(block.get("block_id", ""), block["accessory"]) for block in blocks if "accessory" in block]


def words_of(blocks: list[dict[str, Any]]) -> str:
    """The words of blocks, line by line; the small print last."""
    lines = [block["text"]["text"] for block in blocks if block["type"] in {"header", "section"} and "text" in block]
    lines += [item["text"] for block in blocks for item in block.get("fields", ())]
    lines += [item["text"] for block in blocks if block["type"] == "context" for item in block["elements"]]
    return "\n".join(lines)


def _elements(blocks: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for block in blocks:
        yield from block["elements"] if block["type"] == "actions" else ()
        for part in ("accessory", "element"):
            if part in block:
                yield block[part]


def _fits(text: Any, limit: int, *, plain: bool = False) -> bool:
    kinds = {"plain_text"} if plain else {"plain_text", "mrkdwn"}
    return text["type"] in kinds and 1 <= len(text["text"]) <= limit


def _is_element(element: dict[str, Any]) -> bool:
    if len(element["action_id"]) > 255:
        return False
    if element["type"] == "button":
        value = element.get("value", "x")
        return _fits(element["text"], 75, plain=True) and 1 <= len(value) <= 2000
    if element["type"] == "static_select":
        options = element["options"]
        return (
            1 <= len(options) <= 100
            and all(_fits(item["text"], 75, plain=True) and 1 <= len(item["value"]) <= 150 for item in options)
            and ("placeholder" not in element or _fits(element["placeholder"], 150, plain=True))
            and ("initial_option" not in element or element["initial_option"] in options)
        )
    if element["type"] == "plain_text_input":
        longest = element.get("max_length", 3000)
        return 1 <= longest <= 3000 and len(element.get("initial_value", "")) <= longest
    return False


def _is_block(block: dict[str, Any]) -> bool:
    kind = block["type"]
    if kind == "section":
        fields = block.get("fields", ())
        return (
            ("text" in block or bool(fields))
            and ("text" not in block or _fits(block["text"], 3000))
            and len(fields) <= 10
            and all(_fits(item, 2000) for item in fields)
        )
    if kind == "header":
        return _fits(block["text"], 150, plain=True)
    if kind == "context":
        return 1 <= len(block["elements"]) <= 10 and all(_fits(item, 3000) for item in block["elements"])
    if kind == "actions":
        return 1 <= len(block["elements"]) <= 25
    if kind == "input":
        hint = "hint" not in block or _fits(block["hint"], 2000, plain=True)
        return _fits(block["label"], 2000, plain=True) and hint
    return kind == "divider"


def are_blocks(blocks: list[dict[str, Any]], limit: int) -> bool:
    """Whether Slack would take these blocks."""
    ids = [block["block_id"] for block in blocks if "block_id" in block]
    actions = [
        element["action_id"] for block in blocks for element in block.get("elements", ()) if "action_id" in element
    ]
    try:
        return (
            len(blocks) <= limit
            and len(ids) == len(set(ids))
            and len(actions) == len(set(actions))
            and all(len(name) <= 255 for name in ids)
            and all(map(_is_block, blocks))
            and all(map(_is_element, _elements(blocks)))
        )
    except (KeyError, TypeError):
        return False


def refused(params: dict[str, Any]) -> str:
    """Slack's error for a message that it would not take."""
    blocks = params.get("blocks", [])
    if not params.get("text") and not blocks:
        return "no_text"
    if len(params.get("text", "")) > 40_000:
        return "msg_too_long"
    return "" if are_blocks(blocks, 50) and all(block["type"] != "input" for block in blocks) else "invalid_blocks"


def is_view(view: dict[str, Any]) -> bool:
    """Whether Slack would take this form or home page."""
    blocks = view.get("blocks", [])
    if len(view.get("private_metadata", "")) > 3000 or len(view.get("callback_id", "")) > 255:
        return False
    if view["type"] == "modal":
        if not _fits(view["title"], 24, plain=True):
            return False
        if any(not _fits(view[part], 24, plain=True) for part in ("submit", "close") if part in view):
            return False
    elif any(block["type"] == "input" for block in blocks):
        return False
    return are_blocks(blocks, 100)


async def params_of(request: web.Request) -> dict[str, Any]:
    """A request's parameters, from the query, a form or JSON."""
    params: dict[str, Any] = dict(request.query)
    if request.content_type == "application/json":
        params |= await request.json()
        return params
    params |= dict(await request.post())
    for key in ("files", "blocks"):
        if isinstance(params.get(key), str):
            params[key] = json.loads(params[key])
    return params
