"""Pieces of Block Kit within Slack's limits, and Slack's markup. No I/O.

https://docs.slack.dev/reference/block-kit
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from connectors.common import shorten, utf16_units

MAX_SECTION = 3000
MAX_HEADER = 150
MAX_BUTTON_TITLE = 75
MAX_OPTION = 75
MAX_OPTION_VALUE = 150
MAX_OPTIONS = 100
MAX_LABEL = 2000
MAX_PLACEHOLDER = 150
MAX_MODAL_TITLE = 24

_MARKUP = re.compile(r"<([^<>]*)>")
_ENTITIES = {"&lt;": "<", "&gt;": ">", "&amp;": "&"}
_ENTITY = re.compile("&(?:lt|gt|amp);")
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_ESCAPED = re.compile("[&<>]")


def escape(text: str) -> str:
    """A text as Slack's markup; only ``& < >`` are special."""
    return _ESCAPED.sub(lambda match: _ESCAPES[match[0]], text)


def escaped_size(char: str) -> int:
    """How much room a character takes once it is escaped, in UTF-16 code units."""
    return len(_ESCAPES.get(char, "")) or utf16_units(char)


def entities_undone(text: str) -> str:
    """A text with ``&amp; &lt; &gt;`` as the signs they stand for."""
    return _ENTITY.sub(lambda match: _ENTITIES[match[0]], text)


def unescape(text: str) -> str:
    """What the person sees of a text in Slack's markup: addresses and names instead of ``<…>``."""
    return entities_undone(_MARKUP.sub(_shown, text))


def _shown(match: re.Match[str]) -> str:
    target, _, label = match[1].partition("|")
    if target.startswith("@"):
        return f"@{label or target[1:]}"
    if target.startswith("#"):
        return f"#{label or target[1:]}"
    if target.startswith("!"):
        return label or f"@{target[1:].partition('^')[0]}"
    return label or target.removeprefix("mailto:").removeprefix("tel:")


def cut(text: str, limit: int) -> str:
    """The text as markup, or its beginning and an ellipsis; at most ``limit`` units after escaping."""
    size, kept = 0, []
    for char in text:
        size += escaped_size(char)
        if size > limit - 1:
            break
        kept.append(char)
    if len(kept) == len(text) or sum(map(escaped_size, text)) <= limit:
        return escape(text)
    return f"{escape(''.join(kept).rstrip())}…"


def plain_text(text: str, limit: int) -> dict[str, Any]:
    """Words without markup, cut to the limit; Slack takes no empty ones."""
    return {"type": "plain_text", "text": shorten(text.strip(), limit) or "…", "emoji": True}


def section(markup: str) -> dict[str, Any]:
    """A paragraph of markup, at most :data:`MAX_SECTION` long."""
    return {"type": "section", "text": {"type": "mrkdwn", "text": markup}}


def context(markup: str) -> dict[str, Any]:
    """A line in small letters."""
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": markup}]}


def header(text: str) -> dict[str, Any]:
    """A heading."""
    return {"type": "header", "text": plain_text(text, MAX_HEADER)}


def button(action_id: str, title: str, value: str = "", style: str = "") -> dict[str, Any]:
    """A button; ``style`` is ``primary``, ``danger`` or nothing."""
    element: dict[str, Any] = {
        "type": "button",
        "action_id": action_id,
        "text": plain_text(title, MAX_BUTTON_TITLE),
    }
    return element | ({"value": value} if value else {}) | ({"style": style} if style else {})


def options(choices: Iterable[tuple[str, str]]) -> list[dict[str, Any]]:
    """Choices of a menu from pairs of value and words; no more than Slack shows."""
    return [{"text": plain_text(title, MAX_OPTION), "value": value} for value, title in choices][:MAX_OPTIONS]
