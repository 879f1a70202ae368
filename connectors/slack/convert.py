"""Slack's events and method calls, from and to the product's own types. No I/O.

https://docs.slack.dev/reference
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from bot.contracts import Address, Attachment, Inbound, OutButton, Outgoing
from connectors.common import numbered, shorten, split, utf16_units

MAX_SECTION = 3000
SECTIONS_A_MESSAGE = 3
MAX_BUTTON_TITLE = 75
MAX_VALUE = 2000
BUTTONS_A_BLOCK = 25
MAX_BUTTONS = 100

EVENTS = ("app_mention", "message.im")
SCOPES = ("app_mentions:read", "chat:write", "files:read", "files:write", "im:history", "users:read")

# What a person wrote; every other subtype is a report about the channel or a change of a message.
_SAID = {"", "file_share", "me_message", "thread_broadcast"}
_MARKUP = re.compile(r"<([^<>]*)>")
_ENTITIES = {"&lt;": "<", "&gt;": ">", "&amp;": "&"}
_ENTITY = re.compile("&(?:lt|gt|amp);")
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_ESCAPED = re.compile("[&<>]")
_LEADING_MENTION = re.compile(r"\s*<@([A-Z0-9]+)(?:\|[^>]*)?>[\s,:]*")


def escape(text: str) -> str:
    """A text as Slack's markup; only ``& < >`` are special."""
    return _ESCAPED.sub(lambda match: _ESCAPES[match[0]], text)


def unescape(text: str) -> str:
    """What the person sees of a text in Slack's markup: addresses and names instead of ``<…>``."""
    return _ENTITY.sub(lambda match: _ENTITIES[match[0]], _MARKUP.sub(_shown, text))


def _shown(match: re.Match[str]) -> str:
    target, _, label = match[1].partition("|")
    if target.startswith("@"):
        return f"@{label or target[1:]}"
    if target.startswith("#"):
        return f"#{label or target[1:]}"
    if target.startswith("!"):
        return label or f"@{target[1:].partition('^')[0]}"
    return label or target.removeprefix("mailto:").removeprefix("tel:")


def to_inbound(body: Mapping[str, Any]) -> Inbound | None:
    """What a customer wrote or pressed.

    Args:
        body: an Events API callback or an interaction (``block_actions``) as Slack sends it.

    Returns:
        The event, without locale; None for what the bot does not answer: bots, its own messages,
        edits and deletions, channel talk that does not mention it.
    """
    if body.get("type") == "event_callback":
        return _said(body)
    if body.get("type") == "block_actions":
        return _pressed(body)
    return None


def _said(body: Mapping[str, Any]) -> Inbound | None:
    event = body["event"]
    direct = event["type"] == "message" and event.get("channel_type") == "im"
    if not direct and event["type"] != "app_mention":
        return None
    if (event.get("subtype") or "") not in _SAID or event.get("bot_id") or not event.get("user"):
        return None
    own = {item.get("user_id") for item in body.get("authorizations") or () if item.get("is_bot", True)}
    if event["user"] in own:
        return None
    text = event.get("text") or ""
    mention = _LEADING_MENTION.match(text)
    if mention and (mention[1] in own or (not own and event["type"] == "app_mention")):
        text = text[mention.end() :]
    channel = event["channel"]
    thread = "" if _is_direct(channel) else event.get("thread_ts") or event["ts"]
    return Inbound(
        external_id=body["event_id"],
        address=Address("slack", channel, event["user"], thread),
        text=unescape(text).strip(),
        attachments=tuple(_attachment(file) for file in event.get("files") or () if file.get("url_private")),
    )


def _pressed(body: Mapping[str, Any]) -> Inbound | None:
    action = next((item for item in body.get("actions") or () if item.get("type") == "button"), None)
    channel = (body.get("channel") or {}).get("id") or body.get("container", {}).get("channel_id")
    if action is None or not channel:
        return None
    message = body.get("message") or {}
    stamp = body.get("container", {}).get("message_ts") or message.get("ts", "")
    user = body["user"]
    return Inbound(
        external_id=f"{channel}:{stamp}:{action['action_ts']}:{user['id']}",
        address=Address("slack", channel, user["id"], "" if _is_direct(channel) else message.get("thread_ts") or ""),
        text=unescape((action.get("text") or {}).get("text", "")),
        payload=action.get("value") or "",
        name=user.get("name") or user.get("username") or "",
    )


def _is_direct(channel: str) -> bool:
    """Whether it is one person's chat with the bot: one conversation, whatever threads Slack shows."""
    return channel.startswith("D")


def _attachment(file: Mapping[str, Any]) -> Attachment:
    mime = file.get("mimetype") or "application/octet-stream"
    kind = {"image": "photo", "audio": "audio", "video": "video"}.get(mime.partition("/")[0], "document")
    return Attachment(kind, file["url_private"], file.get("name") or "", mime, file.get("size") or 0)


def to_payload(message: Outgoing) -> list[dict[str, Any]]:
    """The method calls that deliver a message, in order: ``{"method": …, "params": …}``.

    ``files_upload_v2`` has a ``file`` given by its path below the files folder.
    """
    buttons = [
        (number, button) for number, button in enumerate(message.choices, 1) if len(button.payload) <= MAX_VALUE
    ][:MAX_BUTTONS]
    shown = {number for number, _ in buttons}
    rest = [(number, button) for number, button in enumerate(message.choices, 1) if number not in shown]
    text = f"{message.text}\n\n{numbered(rest)}" if rest else message.text
    if not text.strip() and message.choices:
        text = "…"
    pieces = [escape(piece) for piece in split(text, MAX_SECTION, _escaped_size)]
    groups = [pieces[start : start + SECTIONS_A_MESSAGE] for start in range(0, len(pieces), SECTIONS_A_MESSAGE)]
    calls = [_post(message, group) for group in groups]
    if buttons:
        calls[-1]["params"]["blocks"] += _action_blocks(message.id, buttons)
    return calls + [_call(message, "files_upload_v2", file=item.path, filename=item.name) for item in message.media]


def _escaped_size(char: str) -> int:
    return len(_ESCAPES.get(char, "")) or utf16_units(char)


def _call(message: Outgoing, method: str, **params: Any) -> dict[str, Any]:
    common = {"channel": message.address.chat}
    if message.address.thread:
        common["thread_ts"] = message.address.thread
    return {"method": method, "params": common | params}


def _post(message: Outgoing, pieces: list[str]) -> dict[str, Any]:
    blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": piece}} for piece in pieces]
    return _call(message, "chat.postMessage", text="\n".join(pieces), blocks=blocks)


def _action_blocks(outbox_id: int, buttons: list[tuple[int, OutButton]]) -> list[dict[str, Any]]:
    elements = [_button(outbox_id, number, button) for number, button in buttons]
    return [
        {
            "type": "actions",
            "block_id": f"choices_{outbox_id}_{start}",
            "elements": elements[start : start + BUTTONS_A_BLOCK],
        }
        for start in range(0, len(elements), BUTTONS_A_BLOCK)
    ]


def _button(outbox_id: int, number: int, button: OutButton) -> dict[str, Any]:
    title = shorten(button.title, MAX_BUTTON_TITLE) or "…"
    element: dict[str, Any] = {
        "type": "button",
        "action_id": f"choice_{outbox_id}_{number}",
        "text": {"type": "plain_text", "text": title, "emoji": True},
    }
    return element | ({"value": button.payload} if button.payload else {})


def plain(call: Mapping[str, Any], message: Outgoing) -> dict[str, Any]:
    """The same message without blocks: choices become numbered lines."""
    params = {key: value for key, value in call["params"].items() if key != "blocks"}
    if any(block["type"] == "actions" for block in call["params"]["blocks"]):
        params["text"] = f"{params['text']}\n\n{escape(numbered(list(enumerate(message.choices, 1))))}"
    return {"method": call["method"], "params": params}


def after_press(body: Mapping[str, Any]) -> dict[str, Any] | None:
    """The call that takes the buttons off the message of a press and shows what was chosen.

    None when the message cannot be changed: an ephemeral one, or one that came without its blocks.
    """
    event, message = _pressed(body), body.get("message") or {}
    if event is None or body.get("container", {}).get("is_ephemeral") or not message.get("blocks"):
        return None
    kept = [block for block in message["blocks"] if block.get("type") != "actions"]
    chosen = f"✓ {escape(event.text)}"
    kept.append({"type": "context", "elements": [{"type": "mrkdwn", "text": chosen}]})
    text = "\n".join(filter(None, (message.get("text", ""), chosen)))
    params = {"channel": event.address.chat, "ts": message["ts"], "text": text, "blocks": kept}
    return {"method": "chat.update", "params": params}
