"""Between the page's JSON and the product's types. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from bot.contracts import Address, Attachment, Author, Inbound, Media, Outgoing
from connectors.web.http import Refused

CHANNEL = "web"
MAX_TEXT = 4000
MAX_PAYLOAD = 1000
CLIENT_ID = re.compile(r"[A-Za-z0-9-]{8,64}")

Link = Callable[[Media], str]


def address(session: str) -> Address:
    """Where the conversation of a session takes place."""
    return Address(CHANNEL, session, session)


def external_id(session: str, client_id: object) -> str:
    """The event's id: the page's own id of the message, within its session.

    Raises:
        Refused: 400, the page's id is missing or is not 8 to 64 letters, digits and hyphens.
    """
    if not isinstance(client_id, str) or not CLIENT_ID.fullmatch(client_id):
        raise Refused(400, "bad_id", "id: send a fresh UUID for each message, and the same one when you try again.")
    return f"{session}:{client_id}"


def client_id(event_id: str, session: str) -> str:
    """The page's own id of a message, from the event's."""
    return event_id.removeprefix(f"{session}:")


def to_inbound(session: str, body: Any, locale: str) -> Inbound:
    """A message as the page sends it: ``{"id", "text", "payload"?, "locale"?}``.

    Raises:
        Refused: 400 for what is missing or of the wrong kind, 413 for a text that is too long.
    """
    if not isinstance(body, dict):
        raise Refused(400, "bad_body", 'Send a JSON object such as {"id": "…", "text": "…"}.')
    event_id = external_id(session, body.get("id"))
    text, payload, chosen = (body.get(name) or "" for name in ("text", "payload", "locale"))
    if not all(isinstance(value, str) for value in (text, payload, chosen)):
        raise Refused(400, "bad_body", "text, payload and locale must be strings.")
    if not text.strip() and not payload:
        raise Refused(400, "empty", "The message is empty.")
    if len(text) > MAX_TEXT or len(payload) > MAX_PAYLOAD:
        raise Refused(413, "too_long", f"A message may be {MAX_TEXT} characters long.")
    return Inbound(event_id, address(session), text=text, payload=payload, locale=chosen[:35] or locale)


def file_to_inbound(session: str, event_id: str, attachment: Attachment, locale: str) -> Inbound:
    """A file that the page has uploaded."""
    return Inbound(event_id, address(session), attachments=(attachment,), locale=locale)


def to_payload(message: Outgoing, link: Link) -> dict[str, Any]:
    """A message of ours as the page shows it."""
    return {
        "author": message.author.value,
        "text": message.text,
        "language": message.language,
        "buttons": [{"title": button.title, "payload": button.payload} for button in message.choices],
        "files": [file_payload(media, link) for media in message.media],
    }


def customer_payload(
    event: Mapping[str, Any], text: str, files: list[Media], link: Link, session: str
) -> dict[str, Any]:
    """A message of the customer's as the page shows it.

    ``event`` is the stored :class:`Inbound`, empty where it is no longer kept.
    """
    return {
        "author": Author.CUSTOMER.value,
        "client_id": client_id(event.get("external_id", ""), session),
        "text": text,
        "payload": event.get("payload", ""),
        "files": [file_payload(media, link) for media in files],
    }


def file_payload(media: Media, link: Link) -> dict[str, str]:
    """A file as the page shows it."""
    return {"name": media.name, "mime": media.mime, "url": link(media)}
