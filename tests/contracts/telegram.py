"""Telegram, by webhook."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, ClassVar

import httpx

from bot.contracts import (
    Address,
    ChannelDown,
    ChatMoved,
    Inbound,
    Outgoing,
    PermanentError,
    TemporaryError,
    Unreachable,
)
from connectors.telegram.convert import to_inbound, to_payload
from tests.contracts.channel import Call, Channel, Fault, Seen
from tests.fakes.telegram_server import WEBHOOK_SECRET, TelegramServer

PATH = "/webhooks/telegram"
SECRET = "X-Telegram-Bot-Api-Secret-Token"
_UPLOADS = {"sendDocument": "document", "sendPhoto": "photo"}
ANA, AGENTS, USERNAME = 5512003344, -1001234567890, "linguadesk_bot"


class Telegram(Channel):
    """A private chat."""

    name = "telegram"
    address = Address("telegram", str(ANA), str(ANA))
    options: ClassVar[Mapping[str, Any]] = {"agents_chat": AGENTS}
    limit = 4096

    def server(self) -> AbstractAsyncContextManager[Any]:
        """The Bot API, where the agents' group is a forum."""
        return _with_forum()

    def env(self, server: Any) -> dict[str, str]:
        """By webhook; nobody calls that address, the tests bring everything themselves."""
        env: dict[str, str] = server.webhook_env("http://127.0.0.1:9")
        return env

    def text(self, words: str, number: int) -> Any:
        """An update with a message."""
        person = {"id": ANA, "is_bot": False, "first_name": "Ana", "last_name": "Torres", "language_code": "en"}
        message = {
            "message_id": 9000 + number,
            "from": person,
            "chat": {"id": ANA, "first_name": "Ana", "last_name": "Torres", "type": "private"},
            "date": 1795312800,
            "text": words,
        }
        return {"update_id": 720000000 + number, "message": message}

    async def deliver(self, client: httpx.AsyncClient, payload: Any) -> httpx.Response:
        """One update is one request."""
        return await client.post(PATH, json=payload, headers={SECRET: WEBHOOK_SECRET})

    async def forge(self, client: httpx.AsyncClient, payload: Any) -> httpx.Response | None:
        """With a secret that is nearly right."""
        return await client.post(PATH, json=payload, headers={SECRET: WEBHOOK_SECRET[:-1]})

    async def bring(self, client: httpx.AsyncClient, raw: bytes) -> httpx.Response:
        """With the right secret."""
        return await client.post(PATH, content=raw, headers={SECRET: WEBHOOK_SECRET})

    def inbound(self, payload: Any) -> list[Inbound]:
        """As the bot of the fixtures."""
        event = to_inbound(payload, USERNAME)
        return [event] if event is not None else []

    def definition(self, payload: Any) -> str:
        """All are updates."""
        return "update"

    def calls(self, message: Outgoing) -> list[Call]:
        """The file's path and name stand for an upload."""
        made = []
        for call in to_payload(message):
            made.append(
                Call(call["method"], {name: value for name, value in call["params"].items() if name != "filename"})
            )
        return made

    def seen(self, calls: list[Call]) -> Seen:
        """There is no markup: every character is shown."""
        assert not any("parse_mode" in call.params for call in calls)
        words = [call.params.get("text") or call.params.get("caption") or "" for call in calls]
        keyboards = [call.params.get("reply_markup", {}).get("inline_keyboard", []) for call in calls]
        buttons = [button for keyboard in keyboards for row in keyboard for button in row]
        files = [call.params["document"] for call in calls if "document" in call.params]
        return Seen(
            tuple(filter(None, words)), tuple((item["text"], item["callback_data"]) for item in buttons), tuple(files)
        )

    def excess(self, call: Call) -> Iterator[str]:
        """https://core.telegram.org/bots/api#sendmessage"""
        text, caption = call.params.get("text", "."), call.params.get("caption", ".")
        if not text.strip() or self.size(text) > 4096:
            yield f"text of {self.size(text)}"
        if not caption.strip() or self.size(caption) > 1024:
            yield f"caption of {self.size(caption)}"
        rows = call.params.get("reply_markup", {}).get("inline_keyboard", [])
        if sum(map(len, rows)) > 100 or any(not 1 <= len(row) <= 8 for row in rows):
            yield f"{sum(map(len, rows))} buttons"
        for button in (button for row in rows for button in row):
            if not 1 <= len(button["callback_data"].encode()) <= 64 or not button["text"].strip():
                yield f"button {button}"

    def said(self, server: Any) -> list[str]:
        """What the chat shows."""
        return [sent.text for sent in server.sent(ANA)]

    def requested(self, server: Any) -> list[Call]:
        """With a word for each upload, whose bytes the server has taken out."""
        found = []
        for call in server.calls:
            params = {name: value for name, value in call.params.items() if not isinstance(value, tuple)}
            if kind := _UPLOADS.get(call.method):
                params[kind] = "attach://file"
            found.append(Call(call.method, params))
        return found

    def faults(self) -> list[Fault]:
        """https://core.telegram.org/bots/api#making-requests, and what the servers are known to say."""

        def fail(status: int, words: str = "", **options: Any) -> Any:
            return lambda server: server.fail_next("sendMessage", status, words, **options)

        moved = {
            "ok": False,
            "error_code": 400,
            "description": "Bad Request: group chat was upgraded to a supergroup chat",
        }
        moved["parameters"] = {"migrate_to_chat_id": -1002200330044}
        return [
            Fault("429 for a second", fail(429, retry_after=1), TemporaryError, 1),
            Fault("429 for ten minutes", fail(429, retry_after=600), TemporaryError, 600),
            Fault("500", fail(500)),
            Fault("502 in HTML", fail(502, body="<html><h1>502 Bad Gateway</h1></html>")),
            Fault("200 in HTML", fail(200, body="<html>Sign in to the network</html>")),
            Fault("200 without a result", fail(200, body='{"ok": true}')),
            Fault("cut before", fail(0)),
            Fault("cut after", fail(0, after=True)),
            Fault("401", fail(401), ChannelDown),
            Fault("blocked", fail(403, "Forbidden: bot was blocked by the user"), Unreachable),
            Fault("deactivated", fail(403, "Forbidden: user is deactivated"), Unreachable),
            Fault("kicked", fail(403, "Forbidden: bot was kicked from the supergroup chat"), Unreachable),
            Fault("no such chat", fail(400, "Bad Request: chat not found"), PermanentError),
            Fault("moved", fail(400, body=json.dumps(moved)), ChatMoved),
        ]

    def refuse_buttons(self, server: Any) -> None:
        """As for data that an old client spoiled."""
        server.fail_next("sendMessage", 400, "Bad Request: BUTTON_DATA_INVALID")

    def cut(self, server: Any, skip: int) -> None:
        """A bad gateway."""
        server.fail_next("sendMessage", 502, skip=skip)

    async def settled(self, server: Any) -> None:
        """It sets its menus of commands, those of the agents' chat among them, and shows that it is typing."""

        def done() -> bool:
            scopes = [call.get("scope", {}).get("type") for call in server.calls_of("setMyCommands")]
            return {"all_private_chats", "all_group_chats", "chat"} <= set(scopes) and server.calls_of("sendChatAction")

        await server.until(done)


@contextlib.asynccontextmanager
async def _with_forum() -> AsyncIterator[TelegramServer]:
    async with TelegramServer() as server:
        server.forum(AGENTS)
        yield server


CHANNEL = Telegram()
