"""The agents' side: a forum group, in which each hand-over is a topic (:class:`bot.contracts.AgentSpace`)."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import telegram
from telegram.constants import FileSizeLimit

from bot.contracts import (
    Card,
    ChatMoved,
    LinguadeskError,
    Media,
    Note,
    PermanentError,
    Room,
    TemporaryError,
    Unreachable,
)
from connectors.common import media_path, shorten, split, utf16_length
from connectors.telegram.api import Api, Refused
from connectors.telegram.convert import MAX_CAPTION, MAX_TEXT, MAX_TITLE, place, rows

log = logging.getLogger(__name__)

PRESSED = "agent:"
MAX_TOPIC = 128
MAX_ALBUM = 10
BELL = "🔔 "
PERSON = "👤"

_NO_TOPIC = re.compile(r"thread not found|TOPIC_(?:DELETED|ID_INVALID)", re.IGNORECASE)
_NO_MESSAGE = re.compile(r"message to edit not found|MESSAGE_ID_INVALID|can't be edited", re.IGNORECASE)
_SAME = re.compile(r"not modified|TOPIC_NOT_MODIFIED|TOPIC_CLOSED", re.IGNORECASE)
_NO_PHOTO = re.compile(r"PHOTO|IMAGE_PROCESS|file is too big|wrong file", re.IGNORECASE)
_NO_FORUM = re.compile(r"not a forum|FORUM|method is available for|only in supergroups", re.IGNORECASE)
_NO_RIGHT = re.compile(r"not enough rights|CHAT_ADMIN_REQUIRED|have no rights|WRITE_FORBIDDEN", re.IGNORECASE)

_Entities = list[dict[str, Any]]


def card_text(card: Card) -> tuple[str, _Entities]:
    """A card's text and entities, cut to what a message holds by leaving out the oldest messages."""
    lines = [f"{label}: {value}" for label, value in card.lines]
    messages = list(card.messages)
    while True:
        blocks = ["\n".join(filter(None, (card.title, card.status))), "\n".join(lines), "\n".join(messages), card.hint]
        text = "\n\n".join(filter(None, blocks))
        if utf16_length(text) <= MAX_TEXT or not messages:
            break
        messages.pop(0)
    text = shorten(text, MAX_TEXT)
    entities: _Entities = []
    if card.title:
        entities.append({"type": "bold", "offset": 0, "length": utf16_length(card.title)})
    if card.hint and text.endswith(card.hint):
        length = utf16_length(card.hint)
        entities.append({"type": "italic", "offset": utf16_length(text) - length, "length": length})
    return text, [entity for entity in entities if entity["offset"] + entity["length"] <= utf16_length(text)]


def card_message(card: Card) -> dict[str, Any]:
    """The parameters of a card as a message; without buttons once there is nothing to do."""
    text, entities = card_text(card)
    what: dict[str, Any] = {"text": text, "entities": entities, "link_preview_options": {"is_disabled": True}}
    buttons = [
        {"text": shorten(action.title, MAX_TITLE) or "…", "callback_data": f"{PRESSED}{action.payload}"}
        for action in card.actions
    ]
    return what | ({"reply_markup": {"inline_keyboard": rows(buttons)}} if buttons else {})


def note_text(note: Note, names: dict[str, str]) -> tuple[str, _Entities]:
    """A note's text; the one agent whom it concerns is mentioned, which notifies them."""
    if not note.only_for.isdecimal():
        return (BELL if note.alert else "") + note.text, []
    name = names.get(note.only_for) or PERSON
    user = {"id": int(note.only_for), "is_bot": False, "first_name": name}
    start = BELL if note.alert else ""
    mention = {"type": "text_mention", "offset": utf16_length(start), "length": utf16_length(name), "user": user}
    return f"{start}{name}: {note.text}", [mention]


class TelegramAgents:
    """The agents' group.

    Args:
        api: the bot's access.
        chat: the group's id.
        files_dir: where files to be sent are.
    """

    def __init__(self, api: Api, chat: str, files_dir: Path) -> None:
        self.chat = chat
        # Agents' first names by id, as far as they have been seen since the start.
        self.names: dict[str, str] = {}
        self._api = api
        self._files_dir = files_dir

    async def show(self, room: Room, card: Card) -> Room:
        """Open the topic, or put the card into it, or bring the card up to date; see the protocol.

        A topic or a card that somebody has deleted by hand is made anew.
        """
        if not room.thread:
            return await self._open(room, card)
        what = card_message(card)
        try:
            if room.card and await self._edit(room, what):
                return room
            sent = await self._call("sendMessage", **place(room.chat, room.thread), **what)
        except Refused as error:
            if _NO_TOPIC.search(error.words):
                return await self._open(replace(room, thread="", card=""), card)
            raise self._advised(error) from None
        return replace(room, card=_id_of(sent, "message_id"))

    async def note(self, room: Room, note: Note) -> None:
        """Say something below the card: words, and files with the words as their caption."""
        text, entities = note_text(note, self.names)
        where = place(room.chat, room.thread)
        media = list(note.media)
        captioned = bool(media) and utf16_length(text) <= MAX_CAPTION
        try:
            if text.strip() and not captioned:
                await self._say(where, text, entities)
            caption = {"caption": text, "caption_entities": entities} if captioned and text.strip() else {}
            for start in range(0, len(media), MAX_ALBUM):
                await self._send_files(where, media[start : start + MAX_ALBUM], caption if not start else {})
        except Refused as error:
            raise self._advised(error) from None

    async def close(self, room: Room, card: Card) -> None:
        """Show the card as it ended and close the topic; what is gone or closed already is left."""
        if not room.thread:
            return
        what = card_message(card)
        try:
            if room.card:
                await self._edit(room, what)
            await self._call("closeForumTopic", **place(room.chat, room.thread))
        except Refused as error:
            if not (_SAME.search(error.words) or _NO_TOPIC.search(error.words)):
                raise self._advised(error) from None

    async def announce(self, note: Note) -> None:
        """Say something in the group's general topic, cut to one message; a picture has it as its caption."""
        text, entities = note_text(note, self.names)
        try:
            if note.media:
                caption = {"caption": shorten(text, MAX_CAPTION), "caption_entities": entities}
                await self._send_files(place(self.chat), note.media[:1], caption)
                return
            await self._call("sendMessage", **place(self.chat), text=shorten(text, MAX_TEXT), entities=entities)
        except Refused as error:
            raise self._advised(error) from None

    async def _open(self, room: Room, card: Card) -> Room:
        name = shorten(" ".join(card.title.split()), MAX_TOPIC) or f"#{card.handoff}"
        try:
            topic = await self._call("createForumTopic", **place(room.chat), name=name)
        except Refused as error:
            raise self._advised(error) from None
        return replace(room, thread=_id_of(topic, "message_thread_id"))

    async def _edit(self, room: Room, what: dict[str, Any]) -> bool:
        """Change the card; False if there is none any more."""
        where = place(room.chat) | {"message_id": int(room.card)}
        try:
            await self._call("editMessageText", **where, **what)
        except Refused as error:
            if not _SAME.search(error.words):
                if _NO_MESSAGE.search(error.words):
                    return False
                raise
        return True

    async def _say(self, where: dict[str, Any], text: str, entities: _Entities) -> None:
        pieces = split(text, MAX_TEXT)
        if len(pieces) > 2:
            # A retry repeats what has left already: two messages at most, the whole is on the desk.
            pieces = [pieces[0], shorten(f"{pieces[1]} {pieces[2]}", MAX_TEXT)]
        for piece in pieces:
            await self._call("sendMessage", **where, text=piece, entities=entities)
            entities = []

    async def _send_files(self, where: dict[str, Any], media: Sequence[Media], caption: dict[str, Any]) -> None:
        files = [await self._file(item) for item in media]
        images = all(item.mime in {"image/jpeg", "image/png", "image/webp"} for item in media) and all(
            len(file) <= FileSizeLimit.PHOTOSIZE_UPLOAD for file in files
        )
        try:
            await self._send_as(images, where, media, files, caption)
        except Refused as error:
            if not images or not _NO_PHOTO.search(error.words):
                raise
            # Telegram wants photos of certain proportions; as a document it takes any.
            await self._send_as(False, where, media, files, caption)

    async def _send_as(
        self,
        images: bool,
        where: dict[str, Any],
        media: Sequence[Media],
        files: Sequence[bytes],
        caption: dict[str, Any],
    ) -> None:
        if len(media) > 1:
            kind = telegram.InputMediaPhoto if images else telegram.InputMediaDocument
            album = [kind(file, filename=item.name) for item, file in zip(media, files, strict=True)]
            await self._call("sendMediaGroup", **where, media=album, **caption)
        elif images:
            await self._call("sendPhoto", **where, photo=files[0], filename=media[0].name, **caption)
        else:
            await self._call("sendDocument", **where, document=files[0], filename=media[0].name, **caption)

    async def _file(self, item: Media) -> bytes:
        path = media_path(self._files_dir, item.path, FileSizeLimit.FILESIZE_UPLOAD)
        return await asyncio.to_thread(path.read_bytes)

    async def _call(self, method: str, **params: Any) -> Any:
        try:
            return await self._api.call(method, **params)
        except Unreachable as error:
            raise PermanentError(
                f"{error}; add the bot to the agents' group {self.chat} again, as an administrator who manages topics"
            ) from None
        except ChatMoved as error:
            self.moved(error.chat)
            raise

    def moved(self, chat: str) -> None:
        """The group has another id: go on with that, and tell the operator."""
        if chat != self.chat:
            log.error("the agents' group has a new id; set connectors.telegram.agents_chat to %s in config.yml", chat)
        self.chat = chat

    def _advised(self, error: Refused) -> LinguadeskError:
        """The complaint with what to do about it, where that is known."""
        advice = ""
        if _NO_RIGHT.search(error.words):
            advice = "make the bot an administrator of the agents' group who manages topics"
        elif _NO_TOPIC.search(error.words):
            advice = "somebody has deleted the topic"
        elif _NO_FORUM.search(error.words):
            advice = "turn on Topics in the settings of the agents' group"
        return PermanentError(f"{error}; {advice}") if advice else error


def _id_of(result: Any, key: str) -> str:
    """An id out of an answer.

    Raises:
        TemporaryError: the answer does not have it.
    """
    if not isinstance(result, dict) or key not in result:
        raise TemporaryError("Telegram's answer cannot be read")
    return str(result[key])
