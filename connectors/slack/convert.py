"""Slack's events and method calls, from and to the product's own types. No I/O.

https://docs.slack.dev/reference
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from bot.contracts import Address, Attachment, Inbound, Kind, OutButton, Outgoing, RoomAction
from connectors.common import numbered, split
from connectors.slack.blocks import (
    MAX_SECTION,
    button,
    context,
    entities_undone,
    escape,
    escaped_size,
    section,
    unescape,
)
from connectors.slack.cards import action_of
from connectors.slack.forms import CANNED, COMPLAINT, FORM_OF, ORDER, submitted
from connectors.slack.words import words

__all__ = [
    "COMMAND",
    "EVENTS",
    "METHODS",
    "SCOPES",
    "SHORTCUT",
    "after_press",
    "chosen",
    "escape",
    "is_person",
    "plain",
    "to_inbound",
    "to_payload",
    "unescape",
]

SECTIONS_A_MESSAGE = 3
MAX_VALUE = 2000
BUTTONS_A_BLOCK = 25
MAX_BUTTONS = 100

COMMAND = "/support"
SHORTCUT = "open_ticket"
# Events, and what Slack wants to see granted before it sends them.
EVENTS: dict[str, tuple[str, ...]] = {
    "app_home_opened": (),
    "app_mention": ("app_mentions:read",),
    "message.im": ("im:history",),
}
# Methods of the Web API in use, and the scopes they need.
METHODS: dict[str, tuple[str, ...]] = {
    "auth.test": (),
    "chat.postEphemeral": ("chat:write",),
    "chat.postMessage": ("chat:write",),
    "chat.update": ("chat:write",),
    "conversations.info": ("channels:read", "groups:read"),
    "conversations.open": ("im:write",),
    "files.completeUploadExternal": ("files:write",),
    "files.getUploadURLExternal": ("files:write",),
    "users.info": ("users:read",),
    "views.open": (),
    "views.publish": (),
    "views.update": (),
}
# The slash command and the shortcut need `commands`, downloading files `files:read`.
SCOPES = tuple(sorted({"commands", "files:read"}.union(*EVENTS.values(), *METHODS.values())))

# What a person wrote; every other subtype is a report about the channel or a change of a message.
_SAID = {"", "file_share", "me_message", "thread_broadcast"}
_LEADING_MENTION = re.compile(r"\s*<@([A-Z0-9]+)(?:\|[^>]*)?>[\s,:]*")
_FORMS = {ORDER, COMPLAINT, CANNED}


def to_inbound(body: Mapping[str, Any]) -> Inbound | None:
    """What a customer wrote, pressed or filled in, or what an agent did in a room.

    Args:
        body: an Events API callback, an interaction (``block_actions``, ``view_submission``) or a
            slash command, as Slack sends it.

    Returns:
        The event, without locale; None for what is neither: bots, the app's own messages, channel
        talk that does not mention it, changes that change no words, buttons that only open a form.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: it is not what Slack sends.
    """
    kind = body.get("type")
    if kind == "event_callback":
        found = _event(body)
    elif kind == "block_actions":
        found = _pressed(body)
    elif kind == "view_submission":
        found = submitted(body)
    else:
        found = _commanded(body) if body.get("command") == COMMAND else None
    return found and _checked(found)


def _checked(event: Inbound) -> Inbound:
    """The event; raises TypeError if Slack sent something else than text where text belongs."""
    address = event.address
    texts = [event.external_id, address.chat, address.user, address.thread, event.text, event.payload, event.message_id]
    texts += [text for item in event.attachments for text in (item.ref, item.name, item.mime)]
    if not all(isinstance(text, str) for text in (*texts, event.name)):
        raise TypeError("an event has something else than text where text belongs")
    return event


def is_person(chat: str) -> bool:
    """Whether a chat's id is a person's: the chat is the direct message with them."""
    return chat[:1] in {"U", "W"}


def _event(body: Mapping[str, Any]) -> Inbound | None:
    event = body["event"]
    direct = event["type"] == "message" and event.get("channel_type") == "im"
    if not direct and event["type"] != "app_mention":
        return None
    own = {item.get("user_id") for item in body.get("authorizations") or () if item.get("is_bot", True)}
    if event.get("subtype") in {"message_changed", "message_deleted"}:
        return _changed(body, own) if direct else None
    if (event.get("subtype") or "") not in _SAID or not _is_customer(event, own):
        return None
    text = event.get("text") or ""
    mention = _LEADING_MENTION.match(text)
    if mention and (mention[1] in own or (not own and event["type"] == "app_mention")):
        text = text[mention.end() :]
    if direct:
        address = Address("slack", event["user"], event["user"])
    else:
        address = Address("slack", event["channel"], event["user"], event.get("thread_ts") or event["ts"])
    return Inbound(
        external_id=body["event_id"],
        address=address,
        text=unescape(text).strip(),
        attachments=tuple(_attachment(file) for file in event.get("files") or () if file.get("url_private")),
        # Slack tells of a mention once more when the person edits it.
        kind=Kind.EDIT if event.get("edited") and not direct else Kind.MESSAGE,
        message_id=event["ts"],
    )


def _is_customer(message: Mapping[str, Any], own: set[Any]) -> bool:
    user = message.get("user")
    return bool(user) and user not in own and user != "USLACKBOT" and not message.get("bot_id")


def _changed(body: Mapping[str, Any], own: set[Any]) -> Inbound | None:
    """An edit or a deletion of a direct message; None where no word of the customer has changed."""
    event = body["event"]
    before, after = event.get("previous_message") or {}, event.get("message") or {}
    # A deleted message that has replies stays as a gravestone.
    deleted = event["subtype"] == "message_deleted" or after.get("subtype") == "tombstone"
    theirs = before if deleted else after
    if not _is_customer(theirs, own):
        return None
    address = Address("slack", theirs["user"], theirs["user"])
    if deleted:
        stamp = event.get("deleted_ts") or before["ts"]
        return Inbound(body["event_id"], address, kind=Kind.DELETION, message_id=stamp)
    # Slack also tells of a preview that it has added to a link, and of replies.
    if after.get("text") == before.get("text") if before else not after.get("edited"):
        return None
    text = unescape(after.get("text") or "").strip()
    return Inbound(body["event_id"], address, text, kind=Kind.EDIT, message_id=after["ts"])


def _commanded(body: Mapping[str, Any]) -> Inbound:
    user = body["user_id"]
    text = entities_undone(body.get("text") or "").strip()
    return Inbound(
        external_id=f"command:{body['trigger_id']}",
        address=Address("slack", user, user),
        text=text or COMMAND,
        payload="" if text else "/greet",
        name=body.get("user_name") or "",
    )


def _pressed(body: Mapping[str, Any]) -> Inbound | None:
    action = next(iter(body.get("actions") or ()), None)
    if action is None or action.get("action_id") in _FORMS or action.get("type") not in {"button", "static_select"}:
        return None
    user, container, message = body["user"], body.get("container") or {}, body.get("message") or {}
    channel = (body.get("channel") or {}).get("id") or container.get("channel_id") or ""
    stamp = container.get("message_ts") or message.get("ts") or container.get("view_id") or ""
    chosen = action.get("selected_option") or action
    common: dict[str, Any] = {
        "external_id": f"{channel}:{stamp}:{action['action_ts']}:{user['id']}",
        "text": unescape((chosen.get("text") or {}).get("text", "")),
        "name": user.get("name") or user.get("username") or "",
    }
    if (wish := action_of(action)) is not None:
        room = Address("slack", channel, user["id"], message.get("thread_ts") or stamp)
        if wish is RoomAction.REPLY or not channel:
            return None
        return Inbound(**common | {"text": ""}, address=room, payload=wish.value, kind=Kind.AGENT)
    address = Address("slack", user["id"], user["id"])
    if channel and not channel.startswith("D"):
        address = Address("slack", channel, user["id"], message.get("thread_ts") or "")
    return Inbound(**common, address=address, payload=chosen.get("value") or "")


def _attachment(file: Mapping[str, Any]) -> Attachment:
    mime = file.get("mimetype") or "application/octet-stream"
    kind = {"image": "photo", "audio": "audio", "video": "video"}.get(mime.partition("/")[0], "document")
    return Attachment(kind, file["url_private"], file.get("name") or "", mime, file.get("size") or 0)


def to_payload(message: Outgoing) -> list[dict[str, Any]]:
    """The method calls that deliver a message, in order: ``{"method": …, "params": …}``.

    ``files_upload_v2`` has a ``file`` given by its path below the files folder. A channel that is a
    person's id is the direct message with them.
    """
    buttons = [
        (number, choice) for number, choice in enumerate(message.choices, 1) if len(choice.payload) <= MAX_VALUE
    ][:MAX_BUTTONS]
    shown = {number for number, _ in buttons}
    rest = [(number, choice) for number, choice in enumerate(message.choices, 1) if number not in shown]
    text = f"{message.text}\n\n{numbered(rest)}" if rest else message.text
    if not text.strip() and message.choices:
        text = "…"
    pieces = [escape(piece) for piece in split(text, MAX_SECTION, escaped_size)]
    groups = [pieces[start : start + SECTIONS_A_MESSAGE] for start in range(0, len(pieces), SECTIONS_A_MESSAGE)]
    calls = [_post(message, group) for group in groups]
    if calls:
        calls[-1]["params"]["blocks"] += _action_blocks(message.id, buttons) + _form_block(message)
    return calls + [_call(message, "files_upload_v2", file=item.path, filename=item.name) for item in message.media]


def _call(message: Outgoing, method: str, **params: Any) -> dict[str, Any]:
    common = {"channel": message.address.chat}
    if message.address.thread:
        common["thread_ts"] = message.address.thread
    return {"method": method, "params": common | params}


def _post(message: Outgoing, pieces: list[str]) -> dict[str, Any]:
    return _call(message, "chat.postMessage", text="\n".join(pieces), blocks=[section(piece) for piece in pieces])


def _action_blocks(outbox_id: int, buttons: list[tuple[int, OutButton]]) -> list[dict[str, Any]]:
    elements = [button(f"choice_{outbox_id}_{number}", item.title, item.payload) for number, item in buttons]
    return [
        {
            "type": "actions",
            "block_id": f"choices_{outbox_id}_{start}",
            "elements": elements[start : start + BUTTONS_A_BLOCK],
        }
        for start in range(0, len(elements), BUTTONS_A_BLOCK)
    ]


def _form_block(message: Outgoing) -> list[dict[str, Any]]:
    """Below a question for which there is a form, the button that opens it."""
    form = FORM_OF.get(message.asks)
    if form is None:
        return []
    opener = button(form, words(message.language)("form.open"))
    return [{"type": "actions", "block_id": f"form_{message.id}", "elements": [opener]}]


def plain(call: Mapping[str, Any], message: Outgoing) -> dict[str, Any]:
    """The same message without blocks: choices become numbered lines."""
    params = {key: value for key, value in call["params"].items() if key != "blocks"}
    if message.choices and any(block["type"] == "actions" for block in call["params"]["blocks"]):
        params["text"] = f"{params['text']}\n\n{escape(numbered(list(enumerate(message.choices, 1))))}"
    return {"method": call["method"], "params": params}


def chosen(channel: str, message: Mapping[str, Any], choice: str) -> dict[str, Any] | None:
    """The call that takes the buttons off a message of the bot's and shows what was chosen.

    Args:
        channel: where the message is; a person's id will not do.
        message: as it came with the press.
        choice: what was chosen, in plain words.

    Returns:
        The call, None when the message came without its blocks.
    """
    if not message.get("blocks"):
        return None
    kept = [block for block in message["blocks"] if block.get("type") != "actions"]
    mark = f"✓ {escape(choice)}"
    text = "\n".join(filter(None, (message.get("text", ""), mark)))
    params = {"channel": channel, "ts": message["ts"], "text": text, "blocks": [*kept, context(mark)]}
    return {"method": "chat.update", "params": params}


def after_press(body: Mapping[str, Any]) -> dict[str, Any] | None:
    """The call that takes the buttons off the message of a press and shows what was chosen.

    None when the message cannot be changed: an ephemeral one, one that came without its blocks, or
    none at all, as on the home page.
    """
    event, container = _pressed(body), body.get("container") or {}
    channel = (body.get("channel") or {}).get("id") or container.get("channel_id")
    if event is None or event.kind is not Kind.MESSAGE or not channel or container.get("is_ephemeral"):
        return None
    return chosen(channel, body.get("message") or {}, event.text)
