"""What customers and agents do on Telegram."""

from __future__ import annotations

import time
from collections import defaultdict
from typing import Any

from tests.fakes.telegram_objects import TOKEN, USERNAME, Sent, Topic, chat_object, person


class People:
    """The people behind a Bot API server; each thing they do is an update."""

    def __init__(self) -> None:
        self.token = TOKEN
        self.forums: dict[int, dict[int, Topic]] = {}
        self._next = {"update": 700_000_001, "message": 1, "query": 1}
        self._sent: dict[int, list[Sent]] = defaultdict(list)
        self._files: dict[str, tuple[str, bytes]] = {}
        self._last: dict[str, Any] = {}

    def deliver(self, update: dict[str, Any]) -> None:
        """Send an update as it is, for a second time if need be."""
        raise NotImplementedError

    async def update(self, **content: Any) -> dict[str, Any]:
        """Any update; Telegram sends it by webhook if one is set, else keeps it for polling."""
        update = {"update_id": self._take("update")} | content
        self._last = update
        self.deliver(update)
        return update

    async def user_says(
        self, chat: int, text: str, *, language_code: str = "en", name: str = "Ana", **message: Any
    ) -> dict[str, Any]:
        """A person writes; ``message`` are further fields of the message. The update that leaves."""
        entities: list[dict[str, Any]] = []
        if text.startswith("/"):
            entities.append({"type": "bot_command", "offset": 0, "length": len(text.split()[0])})
        fields: dict[str, Any] = {"text": text} if text else {}
        if entities:
            fields["entities"] = entities
        return await self.update(message=self._message(chat, language_code, name, fields | message))

    async def user_edits(self, update: dict[str, Any], text: str) -> dict[str, Any]:
        """A person changes the text of what they wrote."""
        edited = update["message"] | {"text": text, "edit_date": int(time.time())}
        return await self.update(edited_message=edited)

    async def user_reacts(self, chat: int, message_id: int, *emoji: str) -> dict[str, Any]:
        """A person puts emoji on a message, or with none takes them off."""
        reaction = {"chat": chat_object(chat), "message_id": message_id, "user": person(chat), "date": int(time.time())}
        signs = [{"type": "emoji", "emoji": sign} for sign in emoji]
        return await self.update(message_reaction=reaction | {"old_reaction": [], "new_reaction": signs})

    async def bot_becomes(self, chat: int, before: str, after: str, user: int = 0) -> dict[str, Any]:
        """A person blocks (``kicked``) or unblocks (``member``) the bot, or adds it to a group."""
        change = {"chat": chat_object(chat), "from": person(user or abs(chat)), "date": int(time.time())}
        states = {"old_chat_member": before, "new_chat_member": after}
        members = {key: {"user": self._me(), "status": status} for key, status in states.items()}
        return await self.update(my_chat_member=change | members)

    def forum(self, chat: int) -> dict[int, Topic]:
        """Make the group a forum whose administrator the bot is; its topics by thread."""
        return self.forums.setdefault(chat, {})

    async def agent_says(
        self, chat: int, thread: int | None, text: str, *, agent: int = 900, name: str = "Bea", **fields: Any
    ) -> dict[str, Any]:
        """An agent writes into a topic, or with None beside all topics."""
        message: dict[str, Any] = self._message(chat, "en", name, {"text": text} if text else {})
        message["from"] = person(agent, "en", name)
        if thread is not None:
            message |= {"message_thread_id": thread, "is_topic_message": True}
        return await self.update(message=message | fields)

    async def agent_answers(self, chat: int, prompt: Sent, text: str, **fields: Any) -> dict[str, Any]:
        """An agent answers a message of the bot in a topic."""
        return await self.agent_says(chat, prompt.thread, text, reply_to_message=self._shown(prompt), **fields)

    async def agent_presses(self, chat: int, sent: Sent, data: str, agent: int = 900, name: str = "Bea") -> str:
        """An agent presses the button with this data; the id of the press.

        Raises:
            AssertionError: there is none.
        """
        assert data in [button["callback_data"] for row in sent.keyboard for button in row]
        return await self._query(person(agent, "en", name), self._shown(sent), data)

    async def user_sends_file(
        self, chat: int, data: bytes, *, filename: str = "box.jpg", mime: str = "image/jpeg", caption: str = ""
    ) -> dict[str, Any]:
        """A person sends a photo (``image/…``) or a document."""
        file_id = f"AgACAgQ{len(self._files):04d}"
        photo = mime.startswith("image/")
        self._files[file_id] = (f"{'photos' if photo else 'documents'}/{filename}", data)
        size = {"file_id": file_id, "file_unique_id": f"u{file_id}", "file_size": len(data)}
        small = size | {"file_id": f"small-{file_id}", "width": 90, "height": 67, "file_size": 1}
        fields: dict[str, Any] = {"document": size | {"file_name": filename, "mime_type": mime}}
        if photo:
            fields = {"photo": [small, size | {"width": 1280, "height": 960}]}
        if caption:
            fields["caption"] = caption
        return await self.update(message=self._message(chat, "en", "Ana", fields))

    async def user_presses(self, chat: int, title: str, *, language_code: str = "en") -> dict[str, Any]:
        """A person presses the newest button with this title that is still there.

        Raises:
            AssertionError: there is none.
        """
        for sent in reversed(self._sent[chat]):
            for button in (button for row in sent.keyboard for button in row):
                if button["text"] == title:
                    return await self.press(chat, sent, button, language_code)
        shown = [sent.buttons for sent in self._sent[chat]]
        raise AssertionError(f"no button {title!r} in chat {chat}; there are {shown}")

    async def press(self, chat: int, sent: Sent, button: dict[str, Any], language_code: str = "en") -> dict[str, Any]:
        """A person presses this button, even if it is not shown any more."""
        message = self._shown(sent) | {"reply_markup": {"inline_keyboard": sent.keyboard or [[button]]}}
        await self._query(person(abs(chat), language_code), message, button["callback_data"])
        return self._last

    def _take(self, what: str) -> int:
        self._next[what] += 1
        return self._next[what] - 1

    def _me(self) -> dict[str, Any]:
        return {"id": int(self.token.split(":")[0]), "is_bot": True, "first_name": "Linguadesk", "username": USERNAME}

    def _message(self, chat: int, language_code: str, name: str, fields: dict[str, Any]) -> dict[str, Any]:
        common = {
            "message_id": self._take("message"),
            "from": person(abs(chat), language_code, name),
            "chat": chat_object(chat, name),
            "date": int(time.time()),
        }
        return common | fields

    def _shown(self, sent: Sent) -> dict[str, Any]:
        """A message of the bot as updates quote it."""
        message: dict[str, Any] = {
            "message_id": sent.message_id,
            "from": self._me(),
            "chat": chat_object(sent.chat),
            "date": int(time.time()),
            "text": sent.text,
        }
        if sent.entities:
            message["entities"] = sent.entities
        if sent.keyboard:
            message["reply_markup"] = {"inline_keyboard": sent.keyboard}
        if sent.thread is not None:
            message |= {"message_thread_id": sent.thread, "is_topic_message": True}
        if sent.filename:
            message["caption"] = message.pop("text")
            message["document"] = {"file_id": "BQAC1", "file_unique_id": "u1", "file_name": sent.filename}
        return message

    async def _query(self, sender: dict[str, Any], message: dict[str, Any], data: str) -> str:
        query = f"43824{self._take('query')}"
        common = {"id": query, "from": sender, "chat_instance": "-3571862917344170126"}
        await self.update(callback_query=common | {"message": message, "data": data})
        return query
