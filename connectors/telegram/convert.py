"""Telegram's updates and method calls, from and to the product's own types. No I/O.

https://core.telegram.org/bots/api
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from itertools import takewhile
from typing import Any

from bot.contracts import Address, Inbound, Kind, OutButton, Outgoing
from connectors.common import numbered, shorten, split, utf16_length
from connectors.telegram.content import content_of, spoken

MAX_TEXT = 4096
MAX_CAPTION = 1024
MAX_CALLBACK_BYTES = 64
MAX_BUTTONS = 100
# The most buttons that a row shows whole on a telephone.
MAX_SCALE = 7
MAX_TITLE = 64

ALLOWED_UPDATES = ("message", "edited_message", "callback_query", "message_reaction", "my_chat_member")

COMMANDS = {
    "start": "/greet",
    "help": "/ask_help",
    "orders": "/list_orders",
    "human": "/talk_to_human",
    "language": "/change_language",
    "cancel": "/deny",
    "privacy": "/export_data",
}
# Those that a group's menu offers; Telegram's apps send them without the bot's name where it is the only bot.
GROUP_COMMANDS = ("help", "human")

_COMMAND = re.compile(r"/([A-Za-z0-9_]{1,32})(?:@([A-Za-z0-9_]{3,32}))?(?:\s|$)")
_REFERENCE = re.compile(r"#(\d{1,18}):(\d{1,4})")
# What a link https://t.me/<bot>?start=… can carry: at most 64 letters, digits, _ and -.
_ORDER_LINK = re.compile(r"order_(?=.{1,58}$)([A-Za-z0-9][A-Za-z0-9_-]*)")
_SURVEY_LINK = re.compile(r"survey_([0-9]{1,18})")
_NOT_THERE = ("left", "kicked")


def to_inbound(update: Mapping[str, Any], username: str = "") -> Inbound | None:
    """What a customer said, pressed or did.

    Args:
        update: one update as Telegram sends it.
        username: the bot's own user name without ``@``; in a group only what mentions it, or
            replies to it, is for the bot.

    Returns:
        The event, or None for what the bot leaves alone: channel posts, other bots, service
        messages, other people's talk and reactions in a group, a moving live location. A pressed
        button whose payload did not fit has a reference as its payload, see :func:`reference`.
    """
    external_id = str(update["update_id"])
    if query := update.get("callback_query"):
        return _pressed(external_id, query)
    if message := update.get("message"):
        return _moved(external_id, message) or _said(external_id, message, username, Kind.MESSAGE)
    if message := update.get("edited_message"):
        # A live location is edited every few seconds.
        return None if "location" in message else _said(external_id, message, username, Kind.EDIT)
    if reaction := update.get("message_reaction"):
        return _reacted(external_id, reaction)
    if change := update.get("my_chat_member"):
        return _admitted(external_id, change)
    return None


def _said(external_id: str, message: Mapping[str, Any], username: str, kind: Kind) -> Inbound | None:
    content = content_of(message)
    if content is None or not is_person(message.get("from")) or message.get("is_automatic_forward"):
        return None
    (text, entities), said = spoken(message), content.text
    command = _COMMAND.match(text)
    if message["chat"]["type"] != "private":
        if not _is_for(message, text, entities, command, username):
            return None
        said = _without_mention(text, entities, username) or ("" if text else said)
    elif command and command[2] and command[2].casefold() != username.casefold():
        command = None
    sender = message["from"]
    return Inbound(
        external_id=external_id,
        address=address_of(message, sender),
        text=said,
        payload=_meaning(command, text) if command else "",
        attachments=content.attachments,
        locale=locale_of(sender),
        name=name_of(sender),
        kind=kind,
        message_id=str(message["message_id"]),
        group=str(message.get("media_group_id", "")),
        shown=content.shown,
    )


def _meaning(command: re.Match[str], text: str) -> str:
    """The payload that a command stands for, ``""`` for one that is not ours."""
    name, argument = command[1].lower(), text[command.end() :].strip()
    if name == "start" and (order := _ORDER_LINK.fullmatch(argument)):
        return "/track_order" + json.dumps({"order_number": order[1]})
    if name == "start" and (survey := _SURVEY_LINK.fullmatch(argument)):
        return "/inform" + json.dumps({"survey": survey[1]})
    return COMMANDS.get(name, "")


def _pressed(external_id: str, query: Mapping[str, Any]) -> Inbound | None:
    message, sender = query.get("message"), query["from"]
    if not message or not is_person(sender) or not query.get("data"):
        return None
    return Inbound(
        external_id=external_id,
        address=address_of(message, sender),
        text=pressed_title(query),
        payload=query["data"],
        locale=locale_of(sender),
        name=name_of(sender),
    )


def pressed_title(query: Mapping[str, Any]) -> str:
    """What stands on the button that was pressed; ``""`` where its message is not at hand any more."""
    title = ""
    for row in (query.get("message") or {}).get("reply_markup", {}).get("inline_keyboard", ()):
        for button in row:
            if button.get("callback_data") == query.get("data"):
                title = button["text"]
    return title


def _reacted(external_id: str, reaction: Mapping[str, Any]) -> Inbound | None:
    sender = reaction.get("user")
    if not is_person(sender) or sender is None or reaction["chat"]["type"] != "private":
        return None
    # A custom emoji has no character of its own, a paid one is always a star.
    signs = [item.get("emoji", "⭐" if item["type"] == "paid" else "❔") for item in reaction["new_reaction"]]
    return Inbound(
        external_id=external_id,
        address=address_of(reaction, sender),
        text="".join(signs),
        locale=locale_of(sender),
        name=name_of(sender),
        kind=Kind.REACTION,
        message_id=str(reaction["message_id"]),
    )


def _admitted(external_id: str, change: Mapping[str, Any]) -> Inbound | None:
    """The bot was let in or shut out: blocked and unblocked by a person, added to a group."""
    sender = change["from"]
    before, after = change["old_chat_member"]["status"], change["new_chat_member"]["status"]
    if not is_person(sender) or before == after:
        return None
    if change["chat"]["type"] == "private":
        kind = Kind.BLOCKED if after == "kicked" else Kind.UNBLOCKED
    elif change["chat"]["type"] != "channel" and before in _NOT_THERE and after not in _NOT_THERE:
        kind = Kind.JOINED
    else:
        return None
    return Inbound(
        external_id=external_id,
        address=address_of(change, sender),
        locale=locale_of(sender),
        name=name_of(sender),
        kind=kind,
    )


def _moved(external_id: str, message: Mapping[str, Any]) -> Inbound | None:
    """A group has become a supergroup, which has another id."""
    if not (chat := message.get("migrate_to_chat_id")):
        return None
    sender = message.get("from") or {"id": ""}
    return Inbound(external_id, address_of(message, sender), str(chat), kind=Kind.MOVED)


def is_person(sender: Mapping[str, Any] | None) -> bool:
    """Whether somebody wrote, and no bot, channel or anonymous administrator."""
    return sender is not None and not sender.get("is_bot", False)


def address_of(message: Mapping[str, Any], sender: Mapping[str, Any]) -> Address:
    """The conversation that a message belongs to."""
    thread = str(message.get("message_thread_id", "")) if message.get("is_topic_message") else ""
    return Address("telegram", str(message["chat"]["id"]), str(sender["id"]), thread)


def name_of(sender: Mapping[str, Any]) -> str:
    """First and last name."""
    return " ".join(filter(None, (sender.get("first_name"), sender.get("last_name"))))


def locale_of(sender: Mapping[str, Any]) -> str:
    """``zh-hans`` as ``zh-Hans``, ``pt-br`` as ``pt-BR``: BCP 47's way of writing."""
    language, *rest = sender.get("language_code", "").split("-")
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
    if command and command[1].lower() in GROUP_COMMANDS:
        return True
    replied = message.get("reply_to_message", {}).get("from", {})
    return replied.get("username", "").casefold() == username.casefold() or bool(_mentions(text, entities, username))


def _without_mention(text: str, entities: Any, username: str) -> str:
    wide = text.encode("utf-16-le")
    for start, end in reversed(_mentions(text, entities, username)):
        before, after = wide[: 2 * start].decode("utf-16-le"), wide[2 * end :].decode("utf-16-le")
        wide = f"{before.rstrip()} {after.lstrip(' ,:')}".encode("utf-16-le")
    return wide.decode("utf-16-le").strip()


def reference(payload: str) -> tuple[int, int] | None:
    """The outbox id and the choice's index that a button's data stands for; None if it is the payload itself."""
    match = _REFERENCE.fullmatch(payload)
    return (int(match[1]), int(match[2])) if match else None


def to_payload(message: Outgoing) -> list[dict[str, Any]]:
    """The method calls that deliver a message, in order: ``{"method": …, "params": …}``, one a part.

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
    if calls and is_group(message.address.chat) and message.reply_to.isdecimal():
        answered = {"message_id": int(message.reply_to), "allow_sending_without_reply": True}
        calls[0]["params"]["reply_parameters"] = answered
    return calls


def is_group(chat: str) -> bool:
    """Whether a chat's id is a group's: Telegram gives those below zero."""
    return chat.startswith("-")


def place(chat: str, thread: str = "") -> dict[str, Any]:
    """The parameters that say where a message goes."""
    common: dict[str, Any] = {"chat_id": int(chat) if chat.lstrip("-").isdecimal() else chat}
    return common | ({"message_thread_id": int(thread)} if thread.isdecimal() else {})


def _call(message: Outgoing, method: str, **params: Any) -> dict[str, Any]:
    return {"method": method, "params": place(message.address.chat, message.address.thread) | params}


def rows(buttons: list[dict[str, str]]) -> list[list[dict[str, str]]]:
    """A keyboard: short titles side by side, longer ones below each other; a scale of numbers in one or two rows."""
    scale = list(takewhile(lambda button: button["text"].isdecimal() and len(button["text"]) <= 2, buttons))
    if len(scale) > 2:
        width = len(scale) if len(scale) <= MAX_SCALE else (len(scale) + 1) // 2
        whole = [scale[start : start + width] for start in range(0, len(scale), width)]
        return whole + (rows(buttons[len(scale) :]) if len(buttons) > len(scale) else [])
    longest = max((utf16_length(button["text"]) for button in buttons), default=0)
    width = 5 if longest <= 4 else 2 if longest <= 14 else 1
    return [buttons[start : start + width] for start in range(0, len(buttons), width)]


def _keyboard(message: Outgoing) -> list[list[dict[str, str]]]:
    choices = message.choices[:MAX_BUTTONS]
    return rows([_button(message.id, index, button) for index, button in enumerate(choices)])


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
