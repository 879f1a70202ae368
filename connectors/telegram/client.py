"""Talks to Telegram's Bot API, by long polling or by webhook."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import logging
import random
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import select
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from telegram.constants import FileSizeLimit

from bot.config import Problem
from bot.contracts import (
    Accept,
    Attachment,
    ChannelDown,
    Inbound,
    Kind,
    Limits,
    LinguadeskError,
    Outgoing,
    PermanentError,
    TemporaryError,
)
from bot.outbox import outgoing
from bot.storage.models import Conversation, Outbox
from connectors import Host
from connectors.common import TooLarge, body_of, media_path
from connectors.telegram.agents import TelegramAgents
from connectors.telegram.api import Api, Refused
from connectors.telegram.convert import ALLOWED_UPDATES, is_group, plain, reference, to_inbound, to_payload
from connectors.telegram.courtesy import Courtesies
from connectors.telegram.door import After, Door
from connectors.telegram.examine import examine
from connectors.telegram.menu import set_menus
from connectors.telegram.settings import PATH, agents_chat, webhook_secret, webhook_url

log = logging.getLogger(__name__)

MAX_BODY = 1024 * 1024
POLL_SECONDS = 30
BACKOFF_SECONDS = (1.0, 30.0)
# The server's answer to a wrong token will not change by itself.
TOKEN_BACKOFF_SECONDS = 60.0

_REFUSED_MARKUP = re.compile(r"entit|parse|button|keyboard|reply.?markup|inline", re.IGNORECASE)
_Result = TypeVar("_Result")


class _Read(NamedTuple):
    """An update as it was understood: the event to commit, and what to do once it is committed."""

    event: Inbound | None = None
    after: After = None


class TelegramConnector:
    """One bot on Telegram (:class:`bot.contracts.Connector`).

    Args:
        host: the database, settings and environment.

    Raises:
        ConfigError: the webhook's settings, or the agents' group, cannot be used.
    """

    name = "telegram"
    limits = Limits(per_chat=(1, 1.0), overall=(30, 1.0), per_group=(20, 60.0), is_group=is_group)

    def __init__(self, host: Host) -> None:
        self._host = host
        self._webhook_url = host.env.get("TELEGRAM_WEBHOOK_URL", "")
        self._secret = webhook_secret(host.env)
        self._agents_chat = agents_chat(host.config)
        self._api = self._access()
        self._courtesies = Courtesies(self._api, host.database)
        self.agents: TelegramAgents | None = None
        self._door: Door | None = None
        if self._agents_chat:
            self.agents = TelegramAgents(self._api, self._agents_chat, host.config.files_dir)
            self._door = Door(host, self._api, self.agents, self._courtesies)
        self._username = ""
        self._accept: Accept | None = None
        self._receiving: asyncio.Task[None] | None = None

    def _access(self) -> Api:
        return Api(self._host.env["TELEGRAM_BOT_TOKEN"].strip(), self._host.env.get("TELEGRAM_API_BASE_URL", ""))

    def routes(self) -> list[BaseRoute]:
        """The webhook's route; none when polling."""
        return [Route(PATH, self._webhook, methods=["POST"])] if self._secret else []

    async def start(self, accept: Accept) -> None:
        """Begin to receive; while Telegram cannot be reached, go on trying in the background.

        Raises:
            LinguadeskError: Telegram does not accept the token or the webhook's address.
        """
        await self._api.open()
        self._accept = accept
        try:
            await self._prepare()
            prepared = True
        except (ChannelDown, Refused):
            self._accept = None
            raise
        except LinguadeskError as error:
            log.warning("Telegram cannot be reached yet, trying on: %s", error)
            prepared = False
        self._receiving = asyncio.create_task(self._receive(prepared))

    async def stop(self) -> None:
        """Stop receiving, finish small chores, close connections."""
        self._accept = None
        if self._receiving is not None:
            self._receiving.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._receiving
            self._receiving = None
        await self._courtesies.stop()
        await self._api.close()

    async def examine(self) -> list[Problem]:
        """What is wrong on Telegram's side, with what to click to mend it; works without :meth:`start`."""
        api = self._access()
        await api.open()
        try:
            return await examine(api, self._host.config, self._host.env, self._agents_chat)
        finally:
            await api.close()

    # Receiving

    async def _prepare(self) -> None:
        """Learn the bot's name; tell Telegram how updates are to come. Pending updates are kept."""
        me = await self._api.call("getMe")
        if not me.get("username"):
            raise TemporaryError("Telegram's answer about the bot cannot be read")
        if self._secret:
            await self._api.call(
                "setWebhook",
                url=webhook_url(self._webhook_url),
                allowed_updates=ALLOWED_UPDATES,
                drop_pending_updates=False,
                secret_token=self._secret,
            )
        else:
            try:
                await self._api.call("deleteWebhook", drop_pending_updates=False)
            except ChannelDown:
                # The token is right, or getMe would have failed: this server knows no webhooks.
                log.info("the Bot API server has no webhook to remove")
        self._username = me["username"]
        log.info("Telegram: @%s receives by %s", self._username, "webhook" if self._secret else "polling")
        self._courtesies.later(set_menus(self._api, self._host.config, me["id"], self._agents_chat), idle=True)

    async def _receive(self, prepared: bool) -> None:
        if not prepared:
            await self._insist("getting ready", self._prepare)
        if self._secret:
            return
        offset: int | None = None
        while True:
            ask = partial(self._api.updates, offset, POLL_SECONDS, ALLOWED_UPDATES)
            updates = await self._insist("asking for updates", ask)
            if updates:
                # Only the next request, with the next offset, tells Telegram that these arrived.
                await self._insist("storing updates", partial(self._commit, updates))
                offset = updates[-1]["update_id"] + 1

    async def _insist(self, doing: str, operation: Callable[[], Awaitable[_Result]]) -> _Result:
        """Do it until it works, with growing pauses."""
        failures = 0
        while True:
            try:
                return await operation()
            except Exception as error:
                failures += 1
                # A database's own exception may quote the row, hence only its name.
                shown = str(error) if isinstance(error, LinguadeskError) else type(error).__name__
                log.error("Telegram: %s failed (%d): %s", doing, failures, shown)
                pause = min(BACKOFF_SECONDS[1], BACKOFF_SECONDS[0] * 2.0 ** min(failures - 1, 16))
                if isinstance(error, ChannelDown):
                    pause = TOKEN_BACKOFF_SECONDS
                elif isinstance(error, TemporaryError):
                    pause = max(pause, error.retry_after or 0.0)
                await asyncio.sleep(pause * random.uniform(1.0, 1.25))

    async def _commit(self, updates: Sequence[Mapping[str, Any]]) -> None:
        """Commit updates to the inbox; only then answer pressed buttons, and show that the bot is typing."""
        accept = self._accept
        if accept is None:
            raise TemporaryError("the connector is not running")
        readings = [await self._read(update) for update in updates]
        events = [reading.event for reading in readings if reading.event is not None]
        ids = await accept(events)
        for reading in readings:
            if reading.after is not None:
                self._courtesies.later(_done(reading.after))
        for event, inbox_id in zip(events, ids, strict=False):
            if inbox_id is not None and event.kind is Kind.MESSAGE:
                self._courtesies.typing(inbox_id, event.address)

    async def _read(self, update: Mapping[str, Any]) -> _Read:
        try:
            return await self._understood(update)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            log.warning("update %s has a form that is not known: %s", update.get("update_id"), type(error).__name__)
            return _Read()

    async def _understood(self, update: Mapping[str, Any]) -> _Read:
        event = to_inbound(update, self._username)
        if self.agents is not None and self._door is not None and _chat_of(update) == self.agents.chat:
            if event is not None and event.kind is Kind.MOVED:
                self.agents.moved(event.text)
                return _Read(event)
            return _Read(*await self._door.read(update, self._username))
        query = update.get("callback_query")
        after = partial(self._courtesies.chosen, query) if query else None
        if event is None or (found := reference(event.payload)) is None:
            return _Read(event, after)
        title, payload = await self._choice(event, *found)
        return _Read(replace(event, text=event.text or title, payload=payload), after)

    async def _choice(self, event: Inbound, outbox_id: int, index: int) -> tuple[str, str]:
        """Title and payload of a button that was sent to this chat; empty if there is none."""
        query = select(Outbox).join(Conversation, Conversation.id == Outbox.conversation_id)
        where = (Conversation.channel == self.name, Conversation.chat == event.address.chat)
        async with self._host.database.read() as session:
            row = await session.scalar(query.where(Outbox.id == outbox_id, *where))
        choices = outgoing(row, event.address).choices if row is not None else ()
        return (choices[index].title, choices[index].payload) if index < len(choices) else ("", "")

    async def _webhook(self, request: Request) -> Response:
        given = request.headers.get("x-telegram-bot-api-secret-token", "")
        if not hmac.compare_digest(given.encode(), self._secret.encode()):
            return JSONResponse({"error": "wrong secret"}, 403)
        if self._accept is None or not self._username:
            return JSONResponse({"error": "not ready"}, 503, {"Retry-After": "1"})
        try:
            update = json.loads(await body_of(request, MAX_BODY))
        except TooLarge:
            return JSONResponse({"error": "too large"}, 413)
        except (ValueError, RecursionError):
            update = None
        if not isinstance(update, dict) or not isinstance(update.get("update_id"), int):
            return JSONResponse({"error": "not an update"}, 400)
        try:
            await self._commit([update])
        except Exception as error:
            shown = str(error) if isinstance(error, LinguadeskError) else type(error).__name__
            log.error("Telegram: storing an update failed: %s", shown)
            return JSONResponse({"error": "not stored"}, 503, {"Retry-After": "1"})
        return JSONResponse({})

    # Sending

    def parts(self, message: Outgoing) -> int:
        """How many messages on Telegram it takes: long texts are cut, each file is one."""
        return max(1, len(to_payload(message)))

    async def send(self, message: Outgoing, part: int = 0) -> str:
        """Deliver one part of a message; its id, ``""`` if there was nothing to say.

        Raises:
            TemporaryError: not now; ChannelDown: not until the operator has acted; ChatMoved: elsewhere.
            PermanentError: never: the chat is gone, the file is too large; Unreachable: the customer
                blocked the bot.
        """
        calls = to_payload(message)
        if part >= len(calls):
            return ""
        try:
            return await self._deliver(calls[part])
        except Refused as error:
            if not _REFUSED_MARKUP.search(error.words):
                raise
            log.warning("Telegram refused the markup of message %d; sending it plain: %s", message.id, error)
        sent = ""
        for simple in plain(calls[part], message):
            sent = await self._deliver(simple)
        return sent

    async def _deliver(self, call: Mapping[str, Any]) -> str:
        params = dict(call["params"])
        if call["method"] == "sendDocument":
            path = media_path(self._host.config.files_dir, params["document"], FileSizeLimit.FILESIZE_UPLOAD)
            params["document"] = await asyncio.to_thread(path.read_bytes)
        sent = await self._api.call(call["method"], **params)
        return str(sent.get("message_id", ""))

    async def fetch(self, attachment: Attachment) -> bytes:
        """Download a file that a customer sent; at most 20 MB, which is all a bot gets.

        Raises:
            TemporaryError: not now.
            PermanentError: it is too large or gone.
        """
        if attachment.size > FileSizeLimit.FILESIZE_DOWNLOAD:
            raise PermanentError("the file is larger than the 20 MB that Telegram hands to a bot")
        return await self._api.download(attachment.ref)


def _chat_of(update: Mapping[str, Any]) -> str:
    """The id of the chat where an update happened, ``""`` if it happened in none."""
    for content in update.values():
        if isinstance(content, Mapping):
            chat = (content.get("message") or content).get("chat") or {}
            return str(chat.get("id", ""))
    return ""


async def _done(after: Callable[[], Awaitable[None]]) -> None:
    await after()
