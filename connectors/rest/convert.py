"""Between Rasa's REST JSON and the product's types. Pure functions."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable
from typing import Any

from bot.contracts import Address, Inbound, Media, Outgoing
from connectors.web.http import Refused

CHANNEL = "rest"
MAX_SENDER = 120
MAX_MESSAGE_ID = 200


def address(sender: str) -> Address:
    """Where the conversation with a sender takes place."""
    return Address(CHANNEL, sender, sender)


def external_id(sender: str, message_id: str) -> str:
    """The event's id: the caller's own id of the message within its sender, or a fresh one.

    A digest, because the two together may be longer than an id and must never be cut.
    """
    if not message_id:
        return str(uuid.uuid4())
    return hashlib.sha256(json.dumps([sender, message_id]).encode()).hexdigest()


def to_inbound(body: Any) -> Inbound:
    """A message as Rasa's REST channel takes it.

    ``{"sender", "message", "message_id"?, "metadata": {"locale"?, "name"?}?}``. A message that
    starts with ``/`` is a payload.

    Raises:
        Refused: 400 with what to send instead.
    """
    if not isinstance(body, dict):
        raise Refused(400, "bad_body", 'Send a JSON object such as {"sender": "anna", "message": "hello"}.')
    sender, text, message_id = body.get("sender"), body.get("message"), body.get("message_id")
    if not isinstance(sender, str) or not sender.strip():
        raise Refused(400, "no_sender", 'Send "sender": a string that identifies the person who writes.')
    if len(sender) > MAX_SENDER:
        raise Refused(400, "long_sender", f'"sender" may be {MAX_SENDER} characters long.')
    if text is not None and not isinstance(text, str):
        raise Refused(400, "bad_message", '"message" must be a string.')
    if message_id is not None and (not isinstance(message_id, str) or len(message_id) > MAX_MESSAGE_ID):
        raise Refused(400, "bad_message_id", f'"message_id" must be a string of at most {MAX_MESSAGE_ID} characters.')
    metadata = body.get("metadata") or {}
    if not isinstance(metadata, dict):
        raise Refused(400, "bad_metadata", '"metadata" must be an object such as {"locale": "es"}.')
    locale, name = (metadata.get(key) or "" for key in ("locale", "name"))
    if not isinstance(locale, str) or not isinstance(name, str):
        raise Refused(400, "bad_metadata", '"locale" and "name" in "metadata" must be strings.')
    text = text or ""
    return Inbound(
        external_id(sender, message_id or ""),
        address(sender),
        text=text,
        payload=text.strip() if text.strip().startswith("/") else "",
        locale=locale,
        name=name,
    )


def to_payload(message: Outgoing, link: Callable[[Media], str]) -> list[dict[str, Any]]:
    """A message as Rasa's REST channel gives it; each file is one more item.

    ``link`` makes the address of a file.
    """
    recipient = {"recipient_id": message.address.user}
    said: dict[str, Any] = {}
    if message.text:
        said["text"] = message.text
    if message.choices:
        said["buttons"] = [{"title": button.title, "payload": button.payload} for button in message.choices]
    items: list[dict[str, Any]] = [recipient | said] if said else []
    for media in message.media:
        kind = "image" if media.mime.startswith("image/") else "file"
        attachment = {"type": kind, "payload": {"src": link(media), "name": media.name}}
        items.append(recipient | {"attachment": attachment})
    return items
