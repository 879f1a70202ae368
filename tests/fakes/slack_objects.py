"""What a Slack workspace consists of, and what it refuses."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


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

    @property
    def buttons(self) -> list[str]:
        """The titles of the buttons that can be pressed now."""
        return [element["text"]["text"] for element in self.elements]

    @property
    def elements(self) -> list[dict[str, Any]]:
        """The buttons that can be pressed now."""
        actions = [block for block in self.blocks if block["type"] == "actions"]
        return [element for block in actions for element in block["elements"]]

    @property
    def shown(self) -> str:
        """The words that a person sees: those of the blocks if there are any."""
        texts = [block["text"]["text"] for block in self.blocks if block["type"] == "section"]
        texts += [item["text"] for block in self.blocks if block["type"] == "context" for item in block["elements"]]
        return "\n".join(texts) if texts else self.text


@dataclass(slots=True)
class Delivery:
    """What became of an event: how often it was sent, and whether it was acknowledged."""

    event_id: str
    attempts: int = 0
    acknowledged: bool = False
    answers: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Failure:
    """What happens instead of an answer: a status, or 0 for a cut connection."""

    status: int
    error: str
    retry_after: int | None = None
    after: bool = False
    delay: float = 0.0
    body: str | None = None


def refused(params: dict[str, Any]) -> str:
    """Slack's error for a message that it would not take."""
    blocks = params.get("blocks", [])
    if not params.get("text") and not blocks:
        return "no_text"
    if len(params.get("text", "")) > 40_000 or len(blocks) > 50:
        return "msg_too_long" if len(blocks) <= 50 else "invalid_blocks"
    elements = [element for block in blocks if block["type"] == "actions" for element in block["elements"]]
    ids = [element["action_id"] for element in elements]
    wrong = (
        any(len(block["text"]["text"]) not in range(1, 3001) for block in blocks if block["type"] == "section")
        or any(len(block["elements"]) not in range(1, 26) for block in blocks if block["type"] == "actions")
        or any(len(element["text"]["text"]) not in range(1, 76) for element in elements)
        or any(len(element.get("value", "x")) not in range(1, 2001) for element in elements)
        or len(ids) != len(set(ids))
    )
    return "invalid_blocks" if wrong else ""


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
