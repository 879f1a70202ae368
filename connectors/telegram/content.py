"""What a message on Telegram contains, besides who wrote it and where. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from bot.contracts import Attachment

_FILES = {
    "document": ("document", "application/octet-stream", ""),
    "animation": ("document", "video/mp4", "animation.mp4"),
    "voice": ("voice", "audio/ogg", "voice.ogg"),
    "audio": ("audio", "audio/mpeg", "audio.mp3"),
    "video": ("video", "video/mp4", "video.mp4"),
    "video_note": ("video", "video/mp4", "video.mp4"),
}


class Content(NamedTuple):
    """``text`` is what was said, ``shown`` what stands for it in the transcript where that is not the text."""

    text: str = ""
    shown: str = ""
    attachments: tuple[Attachment, ...] = ()


def content_of(message: Mapping[str, Any]) -> Content | None:
    """What somebody said or sent; None for what a chat reports about itself (a new member, a pin).

    Raises:
        TypeError: the message has a form that Telegram never gives it.
    """
    content = _content_of(message)
    if content is not None:
        files = content.attachments
        words = [content.text, content.shown, *(word for file in files for word in (file.ref, file.name, file.mime))]
        if not all(isinstance(word, str) for word in words) or not all(isinstance(file.size, int) for file in files):
            raise TypeError("text and files are described by strings, sizes by numbers")
    return content


def _content_of(message: Mapping[str, Any]) -> Content | None:
    if (text := message.get("text")) is not None:
        return Content(text)
    if attachments := _attachments(message):
        return Content(message.get("caption", ""), attachments=attachments)
    if sticker := message.get("sticker"):
        emoji = str(sticker.get("emoji", ""))
        return Content(emoji, emoji or "🖼")
    if contact := message.get("contact"):
        return _contact(contact)
    shown = _place(message) or _other(message)
    return Content(message.get("caption", ""), shown) if shown else None


def spoken(message: Mapping[str, Any]) -> tuple[str, Any]:
    """The text, or a file's caption, and the entities in it."""
    if (text := message.get("text")) is not None:
        return text, message.get("entities", ())
    return message.get("caption", ""), message.get("caption_entities", ())


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


def _contact(contact: Mapping[str, Any]) -> Content:
    number = str(contact.get("phone_number", ""))
    number = number if not number or number.startswith("+") else f"+{number}"
    name = " ".join(filter(None, (contact.get("first_name"), contact.get("last_name"))))
    return Content(number, " ".join(filter(None, ("📇", name, number))))


def _place(message: Mapping[str, Any]) -> str:
    venue = message.get("venue") or {}
    place = venue.get("location") or message.get("location")
    if not place:
        return ""
    return f"📍 {place['latitude']:.4f}, {place['longitude']:.4f} {venue.get('title', '')}".rstrip()


def _other(message: Mapping[str, Any]) -> str:
    """A sign for what a bot can neither read nor fetch."""
    if dice := message.get("dice"):
        return f"{dice.get('emoji', '🎲')} {dice.get('value', '')}".rstrip()
    for key, sign, words in (
        ("poll", "📊", "question"),
        ("game", "🎮", "title"),
        ("checklist", "☑", "title"),
        ("invoice", "🧾", "title"),
        ("story", "🎞", ""),
        ("paid_media", "🖼", ""),
    ):
        if item := message.get(key):
            return f"{sign} {item.get(words, '')}".rstrip()
    return ""
