"""Telegram's updates and method calls, from and to the product's own types. No I/O.

https://core.telegram.org/bots/api
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from bot.contracts import Address, Attachment, Inbound, OutButton, Outgoing
from connectors.common import numbered, shorten, split, utf16_length

MAX_TEXT = 4096
MAX_CAPTION = 1024
MAX_CALLBACK_BYTES = 64
MAX_BUTTONS = 100
MAX_TITLE = 64

ALLOWED_UPDATES = ("message", "callback_query")

COMMANDS = {
    "start": "/greet",
    "help": "/ask_help",
    "cancel": "/deny",
    "language": "/change_language",
    "human": "/talk_to_human",
    "orders": "/list_orders",
    "privacy": "/export_data",
}

_COMMAND = re.compile(r"/([A-Za-z0-9_]{1,32})(?:@([A-Za-z0-9_]{3,32}))?(?:\s|$)")
_REFERENCE = re.compile(r"#(\d{1,18}):(\d{1,4})")
# What a chat reports about itself; nobody said anything.
_SERVICE = frozenset(
    {
        "new_chat_members",
        "left_chat_member",
        "new_chat_title",
        "new_chat_photo",
        "delete_chat_photo",
        "group_chat_created",
        "supergroup_chat_created",
        "channel_chat_created",
        "message_auto_delete_timer_changed",
        "migrate_to_chat_id",
        "migrate_from_chat_id",
        "pinned_message",
        "forum_topic_created",
        "forum_topic_edited",
        "forum_topic_closed",
        "forum_topic_reopened",
        "general_forum_topic_hidden",
        "general_forum_topic_unhidden",
        "write_access_allowed",
        "video_chat_scheduled",
        "video_chat_started",
        "video_chat_ended",
        "video_chat_participants_invited",
        "boost_added",
        "chat_background_set",
        "proximity_alert_triggered",
        "users_shared",
        "chat_shared",
        "connected_website",
        "giveaway_created",
        "giveaway",
        "giveaway_winners",
        "giveaway_completed",
    }
)
_FILES = {
    "document": ("document", "application/octet-stream", ""),
    "voice": ("voice", "audio/ogg", "voice.ogg"),
    "audio": ("audio", "audio/mpeg", "audio.mp3"),
    "video": ("video", "video/mp4", "video.mp4"),
    "video_note": ("video", "video/mp4", "video.mp4"),
}


def to_inbound(update: Mapping[str, Any], username: str = "") -> Inbound | None:
    """What a customer said or pressed.

    Args:
        update: one update as Telegram sends it.
        username: the bot's own user name without ``@``; in a group only what mentions it, or
            replies to it, is for the bot.

    Returns:
        The event, or None for what the bot does not answer: edits, channel posts, other bots,
        service messages, other people's talk in a group. A pressed button whose payload did not
        fit has a reference as its payload, see :func:`reference`.
    """
    external_id = str(update["update_id"])
    if query := update.get("callback_query"):
        return _pressed(external_id, query)
    message = update.get("message")
    if not message or not _is_person(message.get("from")):
        return None
    if not _SERVICE.isdisjoint(message):
        return None
    text, entities = message.get("text"), message.get("entities", ())
    if text is None:
        text, entities = message.get("caption", ""), message.get("caption_entities", ())
    chat = message["chat"]
    command = _COMMAND.match(text)
    if chat["type"] != "private":
        if not _is_for(message, text, entities, command, username):
            return None
        text = _without_mention(text, entities, username)
    elif command and command[2] and command[2].casefold() != username.casefold():
        command = None
    sender = message["from"]
    return Inbound(
        external_id=external_id,
        address=_address(message, sender),
        text=text or _said_otherwise(message),
        payload=COMMANDS.get(command[1].lower(), "") if command else "",
        attachments=_attachments(message),
        locale=_locale(sender.get("language_code", "")),
        name=_name(sender),
    )


def _pressed(external_id: str, query: Mapping[str, Any]) -> Inbound | None:
    message, sender = query.get("message"), query["from"]
    if not message or not _is_person(sender) or not query.get("data"):
        return None
    title = ""
    for row in message.get("reply_markup", {}).get("inline_keyboard", ()):
        for button in row:
            if button.get("callback_data") == query["data"]:
                title = button["text"]
    return Inbound(
        external_id=external_id,
        address=_address(message, sender),
        text=title,
        payload=query["data"],
        locale=_locale(sender.get("language_code", "")),
        name=_name(sender),
    )


def _is_person(sender: Mapping[str, Any] | None) -> bool:
    return sender is not None and not sender.get("is_bot", False)


def _address(message: Mapping[str, Any], sender: Mapping[str, Any]) -> Address:
    thread = str(message.get("message_thread_id", "")) if message.get("is_topic_message") else ""
    return Address("telegram", str(message["chat"]["id"]), str(sender["id"]), thread)


def _name(sender: Mapping[str, Any]) -> str:
    return " ".join(filter(None, (sender.get("first_name"), sender.get("last_name"))))


def _locale(code: str) -> str:
    """``zh-hans`` as ``zh-Hans``, ``pt-br`` as ``pt-BR``: BCP 47's way of writing."""
    language, *rest = code.split("-")
    return "-".join([language.lower(), *(part.title() if len(part) == 4 else part.upper() for part in rest)])


def _mentions(text: str, entities: Any, username: str) -> list[tuple[int, int]]:
    """Where the bot is mentioned, in UTF-16 code units."""
    wide = text.encode("utf-16-le")
    found = []
    for entity in entities:
        if entity["type"] == "mention":
            start, end = entity["offset"], entity["offset"] + entity["length"]
            if wide[2 * start : 2 * end].decode("utf-16-le").casefold() == f"@{username}".casefold():
                found.append((start, end))
    return found


def _is_for(message: Mapping[str, Any], text: str, entities: Any, command: re.Match[str] | None, username: str) -> bool:
    if not username:
        return False
    if command and command[2]:
        return command[2].casefold() == username.casefold()
    replied = message.get("reply_to_message", {}).get("from", {})
    return replied.get("username", "").casefold() == username.casefold() or bool(_mentions(text, entities, username))


def _without_mention(text: str, entities: Any, username: str) -> str:
    wide = text.encode("utf-16-le")
    for start, end in reversed(_mentions(text, entities, username)):
        before, after = wide[: 2 * start].decode("utf-16-le"), wide[2 * end :].decode("utf-16-le")
        wide = f"{before.rstrip()} {after.lstrip(' ,:')}".encode("utf-16-le")
    return wide.decode("utf-16-le").strip()


def _said_otherwise(message: Mapping[str, Any]) -> str:
    """What a message without text says: a sticker's emoji, a shared contact's number."""
    if sticker := message.get("sticker"):
        return str(sticker.get("emoji", ""))
    if contact := message.get("contact"):
        number = str(contact.get("phone_number", ""))
        return number if not number or number.startswith("+") else f"+{number}"
    return ""


def _attachments(message: Mapping[str, Any]) -> tuple[Attachment, ...]:
    if photos := message.get("photo"):
        largest = max(photos, key=lambda size: (size["width"] * size["height"], size.get("file_size", 0)))
        return (Attachment("photo", largest["file_id"], "photo.jpg", "image/jpeg", largest.get("file_size", 0)),)
    for key, (kind, mime, name) in _FILES.items():
        if file := message.get(key):
            attachment = Attachment(
                kind,
                file["file_id"],
                file.get("file_name", name),
                file.get("mime_type", mime),
                file.get("file_size", 0),
            )
            return (attachment,)
    return ()


def reference(payload: str) -> tuple[int, int] | None:
    """The outbox id and the choice's index that a button's data stands for; None if it is the payload itself."""
    match = _REFERENCE.fullmatch(payload)
    return (int(match[1]), int(match[2])) if match else None


def to_payload(message: Outgoing) -> list[dict[str, Any]]:
    """The method calls that deliver a message, in order: ``{"method": …, "params": …}``.

    A ``document`` is given by its path below the files folder and its ``filename``.
    """
    text, rest = message.text, list(enumerate(message.choices, 1))[MAX_BUTTONS:]
    if rest:
        text = f"{text}\n\n{numbered(rest)}"
    if not text.strip() and message.choices and not message.media:
        text = "…"
    media = list(message.media)
    calls: list[dict[str, Any]] = []
    caption = text if len(media) == 1 and utf16_length(text) <= MAX_CAPTION else ""
    if not caption:
        calls += [_call(message, "sendMessage", text=piece) for piece in split(text, MAX_TEXT)]
    for item in media:
        document = _call(message, "sendDocument", document=item.path, filename=item.name)
        if caption.strip():
            document["params"]["caption"] = caption
        calls.append(document)
    if calls and message.choices:
        calls[-1]["params"]["reply_markup"] = {"inline_keyboard": _keyboard(message)}
    return calls


def _call(message: Outgoing, method: str, **params: Any) -> dict[str, Any]:
    chat = message.address.chat
    common: dict[str, Any] = {"chat_id": int(chat) if chat.lstrip("-").isdecimal() else chat}
    if message.address.thread.isdecimal():
        common["message_thread_id"] = int(message.address.thread)
    return {"method": method, "params": common | params}


def _keyboard(message: Outgoing) -> list[list[dict[str, str]]]:
    """The choices in rows: short titles side by side, longer ones below each other."""
    choices = message.choices[:MAX_BUTTONS]
    longest = max(utf16_length(button.title) for button in choices)
    width = 5 if longest <= 4 else 2 if longest <= 14 else 1
    buttons = [_button(message.id, index, button) for index, button in enumerate(choices)]
    return [buttons[start : start + width] for start in range(0, len(buttons), width)]


def _button(outbox_id: int, index: int, button: OutButton) -> dict[str, str]:
    data = button.payload
    if not data or data.startswith("#") or len(data.encode()) > MAX_CALLBACK_BYTES:
        data = f"#{outbox_id}:{index}"
    return {"text": shorten(button.title, MAX_TITLE) or "…", "callback_data": data}


def plain(call: Mapping[str, Any], message: Outgoing) -> list[dict[str, Any]]:
    """The same call without any markup: choices become numbered lines."""
    markup = {"reply_markup", "parse_mode", "entities"}
    params = {key: value for key, value in call["params"].items() if key not in markup}
    if "reply_markup" not in call["params"]:
        return [{"method": call["method"], "params": params}]
    lines = numbered(list(enumerate(message.choices[:MAX_BUTTONS], 1)))
    if call["method"] == "sendMessage":
        pieces = split(f"{params['text']}\n\n{lines}", MAX_TEXT)
        return [{"method": "sendMessage", "params": params | {"text": piece}} for piece in pieces]
    document = {"method": call["method"], "params": params}
    return [document, *(_call(message, "sendMessage", text=piece) for piece in split(lines, MAX_TEXT))]
