"""The Cloud API's webhooks and messages, from and to the product's own types. No I/O.

https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference/messages
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bot.contracts import Address, Attachment, Inbound, Kind, Media, OutButton, Outgoing
from connectors.common import numbered, shorten, split, utf16_length

log = logging.getLogger(__name__)

MAX_TEXT = 4096
MAX_BODY = 1024
MAX_CAPTION = 1024
MAX_BUTTONS = 3
MAX_BUTTON_TITLE = 20
MAX_BUTTON_ID = 256
MAX_ROWS = 10
MAX_ROW_TITLE = 24
MAX_ROW_DESCRIPTION = 72
MAX_ROW_ID = 200
MAX_FILENAME = 240
# A template's body has 1,024 characters; what stands in it around the variable has some of them.
MAX_TEMPLATE_TEXT = 900

_REFERENCE = re.compile(r"#(\d{1,18}):(\d{1,4})")
_FILES = {
    "image": ("photo", "image/jpeg", "photo.jpg"),
    "document": ("document", "application/octet-stream", "document"),
    "audio": ("audio", "audio/mpeg", "audio.mp3"),
    "voice": ("voice", "audio/ogg", "voice.ogg"),
    "video": ("video", "video/mp4", "video.mp4"),
    "sticker": ("sticker", "image/webp", "sticker.webp"),
}
# What the platform reports by itself; nobody said anything.
_SILENT = frozenset({"request_welcome", "ephemeral"})
_MOVED = frozenset({"user_changed_number", "customer_changed_number", "user_changed_user_id"})
# How the platform sends a file, by its type. Everything else is a document.
_SENT_AS = {
    "image/jpeg": "image",
    "image/png": "image",
    "video/mp4": "video",
    "video/3gpp": "video",
    "audio/aac": "audio",
    "audio/amr": "audio",
    "audio/mp4": "audio",
    "audio/mpeg": "audio",
    "audio/ogg": "audio",
}


@dataclass(frozen=True, slots=True)
class Failed:
    """A message that the platform took and could not deliver; ``ours`` is ``outbox id/part``, if known."""

    message_id: str
    ours: str
    error: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Part:
    """One message of the platform: its request, and the file to upload whose id the request lacks."""

    body: dict[str, Any]
    file: Media | None = None


# ---------------------------------------------------------------------- what comes in


def _values(body: Any, number_id: str) -> Iterator[Mapping[str, Any]]:
    """The changes of a webhook that concern messages of this number."""
    entries = body.get("entry") if isinstance(body, dict) else None
    for entry in entries if isinstance(entries, list) else ():
        changes = entry.get("changes") if isinstance(entry, dict) else None
        for change in changes if isinstance(changes, list) else ():
            value = change.get("value") if isinstance(change, dict) else None
            if not isinstance(value, dict) or change.get("field", "messages") != "messages":
                continue
            metadata = value.get("metadata")
            if isinstance(metadata, dict) and str(metadata.get("phone_number_id")) == number_id:
                yield value


def _list(value: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    items = value.get(key)
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def to_inbound(body: Any, number_id: str) -> list[Inbound]:
    """What customers said or did, in the order of the webhook.

    A message in a form that is not known is left out and logged without its words.

    Args:
        body: the webhook's body, read from JSON.
        number_id: the ID of the business number; what came to another is left out.

    Returns:
        The events. A pressed button whose payload did not fit has a reference as its payload, see
        :func:`reference`.
    """
    events = []
    for value in _values(body, number_id):
        contacts = _list(value, "contacts")
        for message in _list(value, "messages"):
            try:
                if (event := _event(message, contacts)) is not None:
                    events.append(_checked(event))
            except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
                log.warning("a message has a form that is not known: %s", type(error).__name__)
    return events


def _checked(event: Inbound) -> Inbound:
    """The event; raises TypeError if the platform sent something else than text where text belongs."""
    texts = (event.external_id, event.text, event.payload, event.message_id)
    if not all(isinstance(text, str) for text in texts):
        raise TypeError
    return event


def failed(body: Any, number_id: str) -> list[Failed]:
    """The messages of ours that a webhook reports as not delivered."""
    found = []
    for value in _values(body, number_id):
        for status in _list(value, "statuses"):
            if status.get("status") == "failed":
                error = next(iter(_list(status, "errors")), {})
                ours = str(status.get("biz_opaque_callback_data", ""))
                found.append(Failed(str(status.get("id", "")), ours, error))
    return found


def troubles(body: Any, number_id: str) -> list[Mapping[str, Any]]:
    """The errors of the account that a webhook reports."""
    return [error for value in _values(body, number_id) for error in _list(value, "errors")]


def _event(message: Mapping[str, Any], contacts: list[dict[str, Any]]) -> Inbound | None:
    # A customer with a user name may hide the number; then there is only the id within the business.
    sender, kind, message_id = str(message.get("from") or message["from_user_id"]), message["type"], message["id"]
    if kind in _SILENT or "group_id" in message:
        return None
    address = Address("whatsapp", sender, sender)
    if kind == "system":
        return _moved(message, address)
    common: dict[str, Any] = {
        "external_id": message_id,
        "address": address,
        "name": _name(message, contacts),
        "message_id": message_id,
    }
    if kind == "reaction":
        reaction = message["reaction"]
        about = {"kind": Kind.REACTION, "message_id": reaction["message_id"]}
        return Inbound(**common | about, text=reaction.get("emoji") or "")
    if kind == "revoke":
        about = {"kind": Kind.DELETION, "message_id": message["revoke"]["original_message_id"]}
        return Inbound(**common | about)
    if kind == "edit":
        edited = message["edit"]
        about = {"kind": Kind.EDIT, "message_id": edited["original_message_id"]}
        return Inbound(**common | about, text=_words(edited["message"]))
    return Inbound(**common, **_content(message))


def _words(message: Mapping[str, Any]) -> str:
    """The text of an edited message, or what stands below its file."""
    content = message[message["type"]]
    return content.get("body") or content.get("caption") or ""


def _moved(message: Mapping[str, Any], address: Address) -> Inbound | None:
    """A customer's new number, or new id where the number is hidden."""
    system = message["system"]
    if system.get("type") not in _MOVED:
        return None
    old = message.get("from") or system.get("customer") or system.get("previous_user_id") or address.chat
    new = system.get("wa_id") or system.get("new_wa_id") or system.get("user_id")
    if not new:
        return None
    return Inbound(message["id"], Address("whatsapp", str(old), str(old)), kind=Kind.MOVED, text=str(new))


def _name(message: Mapping[str, Any], contacts: list[dict[str, Any]]) -> str:
    """The name in the sender's profile."""
    ids = {message.get("from"), message.get("from_user_id")} - {None}
    for contact in contacts:
        if {contact.get("wa_id"), contact.get("user_id")} & ids:
            profile = contact.get("profile") or {}
            return str(profile.get("name") or profile.get("username") or "")
    return ""


def _content(message: Mapping[str, Any]) -> dict[str, Any]:
    """Text, payload, files and what is shown of a message, as fields of :class:`Inbound`."""
    kind = message["type"]
    if kind == "text":
        return {"text": message["text"]["body"]}
    if kind == "button":
        return {"text": message["button"]["text"], "payload": _payload(message["button"].get("payload"))}
    if kind == "interactive":
        return _chosen(message["interactive"])
    if kind in _FILES:
        file = message[kind]
        return {"text": file.get("caption") or "", "attachments": (_attachment(kind, file),)}
    if kind == "location":
        return {"shown": _place(message["location"])}
    if kind == "contacts":
        return _cards(message["contacts"])
    # An order from a catalogue, a poll, what the platform itself calls unsupported.
    return {"shown": "❔"}


def _payload(button_id: Any) -> str:
    """What a button carries; nothing if it is none of ours."""
    text = button_id if isinstance(button_id, str) else ""
    return text if text.startswith("/") or reference(text) else ""


def _chosen(interactive: Mapping[str, Any]) -> dict[str, Any]:
    if interactive["type"] not in {"button_reply", "list_reply"}:
        return {"shown": "❔"}
    reply = interactive[interactive["type"]]
    # A row whose title was cut has all of it in its description.
    return {"text": reply.get("description") or reply["title"], "payload": _payload(reply["id"])}


def _attachment(kind: str, file: Mapping[str, Any]) -> Attachment:
    ours, mime, name = _FILES["voice" if file.get("voice") else kind]
    given = str(file.get("mime_type") or mime).partition(";")[0].strip()
    return Attachment(ours, str(file["id"]), str(file.get("filename") or name), given)


def _place(location: Mapping[str, Any]) -> str:
    """``📍 Shop, Street 1 (52.37, 4.89)``."""
    words = ", ".join(str(location[key]) for key in ("name", "address") if location.get(key))
    where = f"{location['latitude']}, {location['longitude']}"
    return f"📍 {words} ({where})" if words else f"📍 {where}"


def _cards(contacts: list[Mapping[str, Any]]) -> dict[str, Any]:
    """The first number of shared contacts as if it were typed; all of them are shown."""
    numbers, lines = [], []
    for contact in contacts:
        own = [str(phone.get("wa_id") or phone.get("phone") or "") for phone in contact.get("phones") or ()]
        own = [number if number.startswith("+") else f"+{number}" for number in own if number]
        name = str((contact.get("name") or {}).get("formatted_name") or "")
        lines.append("👤 " + " ".join([name, *own]).strip())
        numbers += own
    return {"text": numbers[0] if numbers else "", "shown": "\n".join(lines)}


def reference(payload: str) -> tuple[int, int] | None:
    """The outbox id and the choice's index that a button's id stands for; None if it is the payload itself."""
    match = _REFERENCE.fullmatch(payload)
    return (int(match[1]), int(match[2])) if match else None


# ---------------------------------------------------------------------- what goes out


def to_payload(message: Outgoing, open_list: str = "…") -> list[Part]:
    """The requests that deliver a message, in order; none if there is nothing to say.

    Args:
        message: what to say.
        open_list: the words of the button that opens a list of choices.
    """
    contents = _contents(message, shorten(open_list, MAX_BUTTON_TITLE))
    # No quotation of what is answered: there are only the two in the chat, and every answer would have one.
    return [
        Part(_to(message.address.chat) | content | {"biz_opaque_callback_data": f"{message.id}/{index}"}, file)
        for index, (content, file) in enumerate(contents)
    ]


def _to(chat: str) -> dict[str, Any]:
    # A customer without a number has an id that begins with a country and a full stop.
    recipient = {"to": chat} if chat.isascii() and chat.isdecimal() else {"recipient": chat}
    return {"messaging_product": "whatsapp", "recipient_type": "individual"} | recipient


def _contents(message: Outgoing, open_list: str) -> list[tuple[dict[str, Any], Media | None]]:
    text, choices, media = message.text, message.choices, message.media
    if len(choices) > MAX_ROWS:
        text = f"{text}\n\n{numbered(list(enumerate(choices, 1)))}"
        choices = ()
    if choices:
        files = [_file(item, "") for item in media]
        return [*files, *((content, None) for content in _asked(message.id, text, choices, open_list))]
    caption = ""
    if len(media) == 1 and _sent_as(media[0]) != "audio" and utf16_length(text) <= MAX_CAPTION:
        caption, text = text.strip(), ""
    texts = [(_text(piece), None) for piece in split(text, MAX_TEXT)]
    return [*texts, *(_file(item, caption) for item in media)]


def _text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": {"body": words, "preview_url": False}}


def _sent_as(media: Media) -> str:
    return _SENT_AS.get(media.mime.partition(";")[0].strip().lower(), "document")


def _file(media: Media, caption: str) -> tuple[dict[str, Any], Media]:
    kind = _sent_as(media)
    content = {"caption": caption} if caption else {}
    if kind == "document":
        content["filename"] = shorten(media.name or "document", MAX_FILENAME)
    return {"type": kind, kind: content}, media


def _asked(outbox_id: int, text: str, choices: tuple[OutButton, ...], open_list: str) -> Iterator[dict[str, Any]]:
    """A text with choices below its end; what is too long for that goes ahead of it."""
    end = (split(text, MAX_BODY) or ["…"])[-1]
    begin = text.rstrip().removesuffix(end)
    yield from map(_text, split(begin, MAX_TEXT))
    titles = [button.title.strip() or "…" for button in choices]
    fitting = all(utf16_length(title) <= MAX_BUTTON_TITLE for title in titles)
    interactive: dict[str, Any]
    if len(choices) <= MAX_BUTTONS and fitting and len(set(titles)) == len(titles):
        ids = _ids(outbox_id, choices, MAX_BUTTON_ID)
        replies = [{"id": each, "title": title} for each, title in zip(ids, titles, strict=True)]
        buttons = [{"type": "reply", "reply": reply} for reply in replies]
        interactive = {"type": "button", "body": {"text": end}, "action": {"buttons": buttons}}
    else:
        ids = _ids(outbox_id, choices, MAX_ROW_ID)
        rows = [_row(each, title) for each, title in zip(ids, titles, strict=True)]
        action = {"button": open_list, "sections": [{"rows": rows}]}
        interactive = {"type": "list", "body": {"text": end}, "action": action}
    yield {"type": "interactive", "interactive": interactive}


def _row(row_id: str, title: str) -> dict[str, str]:
    row = {"id": row_id, "title": shorten(title, MAX_ROW_TITLE)}
    if row["title"] != title:
        row["description"] = shorten(title, MAX_ROW_DESCRIPTION)
    return row


def _ids(outbox_id: int, choices: tuple[OutButton, ...], limit: int) -> list[str]:
    """What each choice carries: its payload, or a reference where that does not fit or is there twice."""
    ids: list[str] = []
    for index, button in enumerate(choices):
        own = button.payload
        fits = own.startswith("/") and utf16_length(own) <= limit and own not in ids
        ids.append(own if fits else f"#{outbox_id}:{index}")
    return ids


def _in_words(body: Mapping[str, Any]) -> str:
    """A text with choices as a text with numbered lines."""
    interactive = body["interactive"]
    action = interactive["action"]
    replies = [button["reply"] for button in action.get("buttons", ())]
    rows = replies or [row for section in action["sections"] for row in section["rows"]]
    titles = [OutButton(row.get("description") or row["title"], "") for row in rows]
    return f"{interactive['body']['text']}\n\n{numbered(list(enumerate(titles, 1)))}"


def degraded(body: Mapping[str, Any]) -> dict[str, Any]:
    """A request with choices as one without: they are numbered, and a number typed back is understood."""
    kept = {key: value for key, value in body.items() if key != "interactive"}
    return kept | _text(_in_words(body))


def plain(body: Mapping[str, Any]) -> str | None:
    """What a request says, as one line of text with numbered choices; None for a file."""
    if body["type"] not in {"text", "interactive"}:
        return None
    lines = str(body["text"]["body"]) if body["type"] == "text" else _in_words(body)
    # A template's variable takes no line breaks and not many blanks in a row.
    return re.sub(r"\s+", " ", " · ".join(re.sub(r"\s*\n\s*\n\s*", " ", lines).strip().splitlines()))


def in_template(body: Mapping[str, Any], text: str, name: str, language: str) -> dict[str, Any]:
    """A request that says ``text`` by a template instead of what ``body`` says."""
    kept = {key: body[key] for key in ("to", "recipient", "biz_opaque_callback_data") if key in body}
    template = {
        "name": name,
        "language": {"code": language},
        "components": [{"type": "body", "parameters": [{"type": "text", "text": text}]}],
    }
    common = {"messaging_product": "whatsapp", "recipient_type": "individual"}
    return common | kept | {"type": "template", "template": template}
