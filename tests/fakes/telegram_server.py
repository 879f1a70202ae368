"""A Bot API server: enough of https://core.telegram.org/bots/api to talk to the real client library.

``async with TelegramServer() as server:`` then ``server.env`` is the environment for the connector,
``await server.user_says(chat, text)`` is a customer writing, and ``await server.wait_for(chat, n)``
gives what the bot has said in the chat once it has said ``n`` messages. ``server.forum(chat)`` is a
group with topics, in which ``agent_says`` and ``agent_presses``. ``server.limited = True`` makes the
server as strict as Telegram is about the number of messages.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any, Self

import aiohttp
from aiohttp import web

from tests.fakes.telegram_objects import (
    GIFTS,
    RIGHTS,
    Call,
    Failure,
    Pace,
    Sent,
    Topic,
    chat_object,
    params_of,
    person,
    refusal,
)
from tests.fakes.telegram_people import People

WEBHOOK_SECRET = "loopback-secret"
WEBHOOK_RETRY_SECONDS = 0.05


class TelegramServer(People):
    """One bot's Bot API server.

    Args:
        poll_seconds: the longest that ``getUpdates`` waits, whatever the client asks for.
    """

    def __init__(self, poll_seconds: float = 0.5) -> None:
        super().__init__()
        self.url = ""
        self.calls: list[Call] = []
        self.answered: list[str] = []
        self.webhook: dict[str, Any] = {}
        # What the operator has clicked: fields of getMe, of getWebhookInfo, of the bot in the forums, of chats.
        self.me: dict[str, Any] = {"can_join_groups": True, "can_read_all_group_messages": False}
        self.webhook_info: dict[str, Any] = {}
        self.member: dict[str, Any] = {"status": "administrator", "can_manage_topics": True}
        self.chat_fields: dict[str, Any] = {}
        self.commands: dict[tuple[str, str], list[dict[str, str]]] = {}
        self.limited = False
        self.refused = 0
        self._poll_seconds = poll_seconds
        self._updates: list[dict[str, Any]] = []
        self._failures: dict[str, list[Failure | None]] = defaultdict(list)
        self._changed = asyncio.Event()
        self._polls = 0
        self._pace = Pace()
        self._tasks: set[asyncio.Task[None]] = set()
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=64 * 1024**2)
        app.router.add_route("*", "/bot{token}/{method}", self._api)
        app.router.add_get("/file/bot{token}/{path:.*}", self._file)
        # The paths contain the token, and the tests look for it in the log.
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._changed.set()
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def env(self) -> dict[str, str]:
        """The environment with which the connector polls this server."""
        return {"TELEGRAM_BOT_TOKEN": self.token, "TELEGRAM_API_BASE_URL": self.url}

    def webhook_env(self, public_url: str) -> dict[str, str]:
        """The environment with which the connector has this server call ``public_url``."""
        return self.env | {"TELEGRAM_WEBHOOK_URL": public_url, "TELEGRAM_WEBHOOK_SECRET": WEBHOOK_SECRET}

    def deliver(self, update: dict[str, Any]) -> None:
        """Send an update as it is, for a second time if need be."""
        if self.webhook.get("url"):
            task = asyncio.create_task(self._call_webhook(update))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        else:
            self._updates.append(update)
            self._wake()

    # What a test asks for

    async def wait_for(self, chat: int, count: int = 1, timeout: float = 20.0) -> list[Sent]:
        """All the bot has said in a chat, once it is at least ``count`` messages."""
        await self.until(lambda: len(self._sent[chat]) >= count, timeout, lambda: f"got {self._sent[chat]}")
        return list(self._sent[chat])

    async def until(
        self, condition: Callable[[], object], timeout: float = 20.0, tell: Callable[[], str] = lambda: ""
    ) -> None:
        """Wait until something has become true through a request.

        Raises:
            AssertionError: it has not in time.
        """
        deadline = time.monotonic() + timeout
        while not condition():
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), 0.05)
            if time.monotonic() > deadline and not condition():
                raise AssertionError(f"waited {timeout} s in vain; {tell()}")

    def sent(self, chat: int) -> list[Sent]:
        """What the bot has said in a chat so far."""
        return list(self._sent[chat])

    def calls_of(self, method: str) -> list[dict[str, Any]]:
        """The parameters of all requests of one method so far."""
        return [call.params for call in self.calls if call.method == method]

    @property
    def pending(self) -> list[int]:
        """The ids of the updates that nobody has confirmed yet."""
        return [update["update_id"] for update in self._updates]

    def fail_next(
        self,
        method: str,
        status: int,
        description: str = "",
        *,
        retry_after: int | None = None,
        times: int = 1,
        skip: int = 0,
        after: bool = False,
        delay: float = 0.0,
        body: str | None = None,
        moved_to: int | None = None,
    ) -> None:
        """Let the next requests of a method fail.

        Args:
            method: such as ``sendMessage``.
            status: the HTTP status; 0 cuts the connection.
            description: what the server says.
            retry_after: seconds to wait, for 429.
            times: how many requests.
            skip: how many requests succeed before.
            after: do what was asked first, and fail only then.
            delay: seconds before it fails.
            body: an answer that is not the Bot API's.
            moved_to: the id of the supergroup that the group has become.
        """
        words = description or {
            401: "Unauthorized",
            403: "Forbidden: bot was blocked by the user",
            409: "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running",
            429: f"Too Many Requests: retry after {retry_after}",
            500: "Internal Server Error",
            502: "Bad Gateway",
        }.get(status, "Bad Request")
        self._failures[method] += [None] * skip
        self._failures[method] += [
            Failure(status, words, retry_after, after, delay, body, moved_to) for _ in range(times)
        ]
        self._wake()

    def failing(self, method: str) -> bool:
        """Whether failures of a method are still to come."""
        return bool(self._failures[method])

    def mend(self, method: str) -> None:
        """Let the method work again."""
        self._failures[method].clear()

    # The server

    def _wake(self) -> None:
        self._changed.set()

    async def _call_webhook(self, update: dict[str, Any]) -> None:
        async with aiohttp.ClientSession() as session:
            while self.webhook.get("url"):
                headers = {"X-Telegram-Bot-Api-Secret-Token": self.webhook.get("secret_token", "")}
                with contextlib.suppress(aiohttp.ClientError):
                    async with session.post(self.webhook["url"], json=update, headers=headers) as answer:
                        if 200 <= answer.status < 300:
                            return
                await asyncio.sleep(WEBHOOK_RETRY_SECONDS)

    async def _api(self, request: web.Request) -> web.StreamResponse:
        method, params = request.match_info["method"], await params_of(request)
        self.calls.append(Call(method, params))
        try:
            if request.match_info["token"] != self.token:
                return refusal(Failure(401, "Unauthorized"))
            failures = self._failures[method]
            failure = failures.pop(0) if failures else None
            if failure is not None and not failure.after:
                return await self._fail(request, failure)
            try:
                result = await getattr(self, f"_do_{method}", self._unknown)(params)
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                result = refusal(Failure(400, f"Bad Request: can't parse a parameter: {error!r}"))
            if failure is not None:
                return await self._fail(request, failure)
            return result if isinstance(result, web.Response) else web.json_response({"ok": True, "result": result})
        finally:
            self._wake()

    async def _fail(self, request: web.Request, failure: Failure) -> web.StreamResponse:
        await asyncio.sleep(failure.delay)
        if failure.status == 0:
            if request.transport is not None:
                request.transport.abort()
            return web.Response()
        return refusal(failure)

    async def _unknown(self, _params: dict[str, Any]) -> Any:
        return refusal(Failure(404, "Not Found"))

    async def _do_getMe(self, _params: dict[str, Any]) -> Any:
        return self._me() | {"supports_inline_queries": False} | self.me

    async def _do_setWebhook(self, params: dict[str, Any]) -> Any:
        self.webhook = params
        waiting, self._updates = self._updates, []
        for update in waiting:
            self.deliver(update)
        return True

    async def _do_deleteWebhook(self, params: dict[str, Any]) -> Any:
        self.webhook = {}
        if params.get("drop_pending_updates"):
            self._updates.clear()
        return True

    async def _do_getUpdates(self, params: dict[str, Any]) -> Any:
        if self.webhook.get("url"):
            words = "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook first"
            return refusal(Failure(409, words))
        offset, allowed = params.get("offset", 0), params.get("allowed_updates")
        if allowed:
            self._updates = [update for update in self._updates if not set(allowed).isdisjoint(update)]
        self._updates = [update for update in self._updates if update["update_id"] >= offset]
        self._wake()
        self._polls += 1
        mine = self._polls
        deadline = time.monotonic() + min(float(params.get("timeout", 0)), self._poll_seconds)
        while not self._updates and time.monotonic() < deadline and not self._failures["getUpdates"]:
            await asyncio.sleep(0.005)
            if self._polls != mine:
                return refusal(Failure(409, "Conflict: terminated by other getUpdates request"))
        return self._updates[: params.get("limit", 100)]

    async def _do_sendMessage(self, params: dict[str, Any]) -> Any:
        text = params.get("text", "")
        if not text.strip():
            return refusal(Failure(400, "Bad Request: message text is empty"))
        if len(text.encode("utf-16-le")) // 2 > 4096:
            return refusal(Failure(400, "Bad Request: message is too long"))
        return self._store(params, text)

    async def _do_sendDocument(self, params: dict[str, Any]) -> Any:
        return self._file_sent(params, "document")

    async def _do_sendPhoto(self, params: dict[str, Any]) -> Any:
        return self._file_sent(params, "photo")

    async def _do_sendMediaGroup(self, params: dict[str, Any]) -> Any:
        if not 2 <= len(params["media"]) <= 10:
            return refusal(Failure(400, "Bad Request: wrong number of media"))
        sent = []
        for item in params["media"]:
            one = {key: value for key, value in params.items() if key in {"chat_id", "message_thread_id"}}
            one |= {key: value for key, value in item.items() if key in {"caption", "caption_entities"}}
            one[item["type"]] = params[item["media"].removeprefix("attach://")]
            sent.append(self._file_sent(one, item["type"]))
        return sent

    def _file_sent(self, params: dict[str, Any], kind: str) -> Any:
        filename, data = params[kind]
        params = {key: value for key, value in params.items() if key != kind}
        if len(params.get("caption", "").encode("utf-16-le")) // 2 > 1024:
            return refusal(Failure(400, "Bad Request: message caption is too long"))
        return self._store(params, params.get("caption", ""), filename, data, kind)

    def _store(self, params: dict[str, Any], text: str, filename: str = "", data: bytes = b"", kind: str = "") -> Any:
        chat, thread = params["chat_id"], params.get("message_thread_id")
        keyboard = (params.get("reply_markup") or {}).get("inline_keyboard", [])
        if problem := self._problem(params, text, keyboard):
            return refusal(problem)
        if self.limited and (wait := self._pace.wait(chat)):
            self.refused += 1
            return refusal(Failure(429, f"Too Many Requests: retry after {wait}", wait))
        sent = Sent(chat, self._take("message"), text, keyboard, thread, filename, data, params)
        self._sent[chat].append(sent)
        message = {key: value for key, value in self._shown(sent).items() if key not in {"text", "entities"}}
        file = {"file_id": "BQAC1", "file_unique_id": "u1", "file_size": len(data)}
        if kind == "document":
            return message | {"document": file | {"file_name": filename}, "caption": text}
        if kind == "photo":
            return message | {"photo": [file | {"width": 10, "height": 10}], "caption": text}
        return message | {"text": text}

    def _problem(self, params: dict[str, Any], text: str, keyboard: Any) -> Failure | None:
        """What Telegram would find wrong with a message or a card."""
        chat, thread = params["chat_id"], params.get("message_thread_id")
        if thread is not None and chat in self.forums and thread not in self.forums[chat]:
            return Failure(400, "Bad Request: message thread not found")
        for button in (button for row in keyboard for button in row):
            if not 1 <= len(button.get("callback_data", "").encode()) <= 64:
                return Failure(400, "Bad Request: BUTTON_DATA_INVALID")
        length = len(text.encode("utf-16-le")) // 2
        for entity in params.get("entities") or params.get("caption_entities") or []:
            if entity["length"] < 1 or entity["offset"] + entity["length"] > length:
                return Failure(400, "Bad Request: entity is out of the text")
        return None

    async def _do_answerCallbackQuery(self, params: dict[str, Any]) -> Any:
        self.answered.append(params["callback_query_id"])
        return True

    async def _do_editMessageReplyMarkup(self, params: dict[str, Any]) -> Any:
        return self._edit(params, None)

    async def _do_editMessageText(self, params: dict[str, Any]) -> Any:
        if len(params["text"].encode("utf-16-le")) // 2 > 4096:
            return refusal(Failure(400, "Bad Request: MESSAGE_TOO_LONG"))
        return self._edit(params, params["text"])

    def _edit(self, params: dict[str, Any], text: str | None) -> Any:
        keyboard = (params.get("reply_markup") or {}).get("inline_keyboard", [])
        for sent in self._sent[params["chat_id"]]:
            if sent.message_id != params["message_id"]:
                continue
            if sent.thread is not None and sent.chat in self.forums and sent.thread not in self.forums[sent.chat]:
                break
            if problem := self._problem(params, sent.text if text is None else text, keyboard):
                return refusal(problem)
            if keyboard == sent.keyboard and text in {None, sent.text}:
                return refusal(Failure(400, "Bad Request: message is not modified"))
            sent.keyboard, sent.params = keyboard, params
            sent.text = sent.text if text is None else text
            return self._shown(sent)
        return refusal(Failure(400, "Bad Request: message to edit not found"))

    async def _do_createForumTopic(self, params: dict[str, Any]) -> Any:
        if params["chat_id"] not in self.forums:
            return refusal(Failure(400, "Bad Request: the chat is not a forum"))
        if not 1 <= len(params["name"]) <= 128:
            return refusal(Failure(400, "Bad Request: TOPIC_TITLE_INVALID"))
        if not self.member.get("can_manage_topics"):
            return refusal(Failure(400, "Bad Request: not enough rights to create a topic"))
        thread = self._take("message")
        self.forums[params["chat_id"]][thread] = Topic(params["name"])
        return {"message_thread_id": thread, "name": params["name"], "icon_color": 7322096}

    async def _do_closeForumTopic(self, params: dict[str, Any]) -> Any:
        topic = self.forums[params["chat_id"]].get(params["message_thread_id"])
        if topic is None:
            return refusal(Failure(400, "Bad Request: message thread not found"))
        if topic.closed:
            return refusal(Failure(400, "Bad Request: TOPIC_NOT_MODIFIED"))
        topic.closed = True
        return True

    async def _do_getChat(self, params: dict[str, Any]) -> Any:
        if (chat := params["chat_id"]) not in self.forums and chat not in self._sent:
            return refusal(Failure(400, "Bad Request: chat not found"))
        details = {"accent_color_id": 1, "max_reaction_count": 11, "accepted_gift_types": dict.fromkeys(GIFTS, False)}
        return chat_object(chat) | details | ({"is_forum": True} if chat in self.forums else {}) | self.chat_fields

    async def _do_getChatMember(self, params: dict[str, Any]) -> Any:
        user = self._me() if params["user_id"] == self._me()["id"] else person(params["user_id"])
        rights = dict.fromkeys(RIGHTS, True) if self.member["status"] == "administrator" else {}
        return {"user": user} | rights | self.member

    async def _do_getWebhookInfo(self, _params: dict[str, Any]) -> Any:
        info = {"url": self.webhook.get("url", ""), "has_custom_certificate": False}
        return info | {"pending_update_count": len(self._updates)} | self.webhook_info

    async def _do_setMyCommands(self, params: dict[str, Any]) -> Any:
        for command in params["commands"]:
            if not (1 <= len(command["command"]) <= 32 and 1 <= len(command["description"]) <= 256):
                return refusal(Failure(400, "Bad Request: BOT_COMMAND_DESCRIPTION_INVALID"))
        if len(params.get("language_code", "xx")) != 2:
            return refusal(Failure(400, "Bad Request: LANG_CODE_INVALID"))
        self.commands[_menu(params)] = params["commands"]
        return True

    async def _do_deleteMyCommands(self, params: dict[str, Any]) -> Any:
        self.commands.pop(_menu(params), None)
        return True

    async def _do_sendChatAction(self, params: dict[str, Any]) -> Any:
        return params["action"] == "typing"

    async def _do_getFile(self, params: dict[str, Any]) -> Any:
        found = self._files.get(params["file_id"])
        if found is None:
            return refusal(Failure(400, "Bad Request: wrong file_id or the file is temporarily unavailable"))
        path, data = found
        return {"file_id": params["file_id"], "file_unique_id": "u", "file_size": len(data), "file_path": path}

    async def _file(self, request: web.Request) -> web.StreamResponse:
        for path, data in self._files.values():
            if path == request.match_info["path"] and request.match_info["token"] == self.token:
                return web.Response(body=data)
        return refusal(Failure(404, "Not Found"))


def _menu(params: dict[str, Any]) -> tuple[str, str]:
    scope = params.get("scope", {"type": "default"})
    return f"{scope['type']}{scope.get('chat_id', '')}", params.get("language_code", "")
