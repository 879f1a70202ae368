"""Talks to Telegram's Bot API, by long polling or by webhook."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import logging
import os
import random
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlsplit

from sqlalchemy import select
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from bot.config import ConfigError, Problem
from bot.contracts import (
    Accept,
    Attachment,
    Inbound,
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
from connectors.telegram.convert import ALLOWED_UPDATES, plain, reference, to_inbound, to_payload

# The library warns about its own old way of giving a waiting time unless it is told to use the new one.
os.environ.setdefault("PTB_TIMEDELTA", "true")

import telegram
from telegram.constants import FileSizeLimit
from telegram.error import (
    BadRequest,
    ChatMigrated,
    Conflict,
    Forbidden,
    InvalidToken,
    NetworkError,
    RetryAfter,
    TelegramError,
)
from telegram.request import HTTPXRequest

log = logging.getLogger(__name__)

PATH = "/webhooks/telegram"
MAX_BODY = 1024 * 1024
POLL_SECONDS = 30
TIMEOUT_SECONDS = 20.0
BACKOFF_SECONDS = (1.0, 30.0)
# The server's answer to a wrong token will not change by itself.
TOKEN_BACKOFF_SECONDS = 60.0
STOP_SECONDS = 5.0
CHORE_TRIES = 3
CHORE_MAX_WAIT_SECONDS = 30.0
MAX_PROGRESS = 1000

_SECRET = re.compile(r"[A-Za-z0-9_-]{1,256}")
_REFUSED_MARKUP = re.compile(r"entit|parse|button|keyboard|reply.?markup|inline", re.IGNORECASE)
_Result = TypeVar("_Result")


class _Http(HTTPXRequest):
    """The library's HTTP, without its habit of logging an answer that it cannot read."""

    @staticmethod
    def parse_json_payload(payload: bytes) -> dict[str, Any]:
        """Read an answer; raises TelegramError for one that is not a JSON object."""
        try:
            answer = json.loads(payload.decode("utf-8", "replace"))
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise TelegramError("the answer is not what the Bot API sends")
        return answer


class _PollHttp(_Http):
    """Keeps the last answer, so that an update newer than the library is not lost."""

    __slots__ = ("answer",)

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.answer: bytes = b""

    async def do_request(self, *args: Any, **options: Any) -> tuple[int, bytes]:
        """Send a request and keep the body of what comes back."""
        self.answer = b""
        code, self.answer = await super().do_request(*args, **options)
        return code, self.answer


def _without_updates(record: logging.LogRecord) -> bool:
    """Drops the library's report of updates that it cannot read: it contains what customers wrote."""
    return not str(record.msg).startswith("Error while parsing updates")


def _silence_libraries() -> None:
    """Keep addresses, which contain the token, and customers' words out of the log."""
    for name, level in (("httpx", logging.WARNING), ("httpcore", logging.WARNING), ("telegram", logging.INFO)):
        logger = logging.getLogger(name)
        logger.setLevel(max(logger.level, level))
    # Adding the same filter twice changes nothing.
    logging.getLogger("telegram.Bot").addFilter(_without_updates)


def webhook_secret(env: Mapping[str, str]) -> str:
    """The webhook's secret; ``""`` when polling.

    Raises:
        ConfigError: a webhook without a usable secret, or an address that Telegram cannot call.
    """
    url, secret = env.get("TELEGRAM_WEBHOOK_URL", ""), env.get("TELEGRAM_WEBHOOK_SECRET", "")
    if not url:
        return ""
    if urlsplit(url).scheme not in {"https", "http"} or not urlsplit(url).netloc:
        message = "TELEGRAM_WEBHOOK_URL is not an address such as https://desk.example.com; leave it empty to poll"
        raise ConfigError(Problem("environment", 0, message))
    if not _SECRET.fullmatch(secret):
        message = (
            "TELEGRAM_WEBHOOK_SECRET must be 1 to 256 letters, digits, _ or - when TELEGRAM_WEBHOOK_URL is set; "
            'make one with: python3 -c "import secrets; print(secrets.token_urlsafe(32))"'
        )
        raise ConfigError(Problem("environment", 0, message))
    return secret


def webhook_url(url: str) -> str:
    """The address to register: ``/webhooks/telegram`` is added unless a path is given."""
    return url if urlsplit(url).path.strip("/") else url.rstrip("/") + PATH


class TelegramConnector:
    """One bot on Telegram (:class:`bot.contracts.Connector`).

    Args:
        host: the database, settings and environment.

    Raises:
        ConfigError: the webhook's settings cannot be used.
    """

    name = "telegram"
    limits = Limits(per_chat=(1, 1.0), overall=(30, 1.0))

    def __init__(self, host: Host) -> None:
        _silence_libraries()
        self._host = host
        self._token = host.env["TELEGRAM_BOT_TOKEN"].strip()
        self._webhook_url = host.env.get("TELEGRAM_WEBHOOK_URL", "")
        self._secret = webhook_secret(host.env)
        root = host.env.get("TELEGRAM_API_BASE_URL", "").rstrip("/") or "https://api.telegram.org"
        timeouts: Any = {f"{phase}_timeout": TIMEOUT_SECONDS for phase in ("connect", "read", "write", "pool")}
        self._http = _Http(connection_pool_size=32, media_write_timeout=120.0, **timeouts)
        self._poll_http = _PollHttp(connection_pool_size=1, **timeouts)
        self._bot = telegram.Bot(
            self._token,
            base_url=f"{root}/bot",
            base_file_url=f"{root}/file/bot",
            request=self._http,
            get_updates_request=self._poll_http,
        )
        self._username = ""
        self._accept: Accept | None = None
        self._receiving: asyncio.Task[None] | None = None
        self._chores: set[asyncio.Task[None]] = set()
        # Of a message in several parts, those that have left already: a retry goes on after them.
        self._progress: dict[int, list[str]] = {}

    def routes(self) -> list[BaseRoute]:
        """The webhook's route; none when polling."""
        return [Route(PATH, self._webhook, methods=["POST"])] if self._secret else []

    async def start(self, accept: Accept) -> None:
        """Begin to receive; while Telegram cannot be reached, go on trying in the background.

        Raises:
            LinguadeskError: Telegram does not accept the token or the webhook's address.
        """
        await asyncio.gather(self._http.initialize(), self._poll_http.initialize())
        self._accept = accept
        try:
            await self._prepare()
            prepared = True
        except (InvalidToken, BadRequest) as error:
            self._accept = None
            raise self._explained(error) from None
        except TelegramError as error:
            log.warning("Telegram cannot be reached yet, trying on: %s", self._explained(error))
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
        if chores := list(self._chores):
            _done, late = await asyncio.wait(chores, timeout=STOP_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        await asyncio.gather(self._http.shutdown(), self._poll_http.shutdown())

    # Receiving

    async def _prepare(self) -> None:
        """Learn the bot's name; tell Telegram how updates are to come. Pending updates are kept."""
        me = await self._bot.get_me()
        if self._secret:
            await self._bot.set_webhook(
                webhook_url(self._webhook_url),
                allowed_updates=ALLOWED_UPDATES,
                drop_pending_updates=False,
                secret_token=self._secret,
            )
        else:
            try:
                await self._bot.delete_webhook(drop_pending_updates=False)
            except InvalidToken:
                # The token is right, or getMe would have failed: this server knows no webhooks.
                log.info("the Bot API server has no webhook to remove")
        self._username = me.username or ""
        log.info("Telegram: @%s receives by %s", self._username, "webhook" if self._secret else "polling")

    async def _receive(self, prepared: bool) -> None:
        if not prepared:
            await self._insist("getting ready", self._prepare)
        if self._secret:
            return
        offset: int | None = None
        while True:
            updates = await self._insist("asking for updates", partial(self._updates, offset))
            if updates:
                # Only the next request, with the next offset, tells Telegram that these arrived.
                await self._insist("storing updates", partial(self._commit, updates))
                offset = updates[-1]["update_id"] + 1

    async def _updates(self, offset: int | None) -> list[dict[str, Any]]:
        """The next updates as Telegram sent them, after waiting for them."""
        try:
            await self._bot.get_updates(offset=offset, timeout=POLL_SECONDS, allowed_updates=ALLOWED_UPDATES)
        except TelegramError:
            raise
        except Exception as error:
            log.warning("the library cannot read an update (%s); reading it without", type(error).__name__)
        updates: list[dict[str, Any]] = json.loads(self._poll_http.answer)["result"]
        return updates

    async def _insist(self, doing: str, operation: Callable[[], Awaitable[_Result]]) -> _Result:
        """Do it until it works, with growing pauses."""
        failures = 0
        while True:
            try:
                return await operation()
            except Exception as error:
                failures += 1
                shown = self._explained(error) if isinstance(error, TelegramError | LinguadeskError) else None
                # A database's own exception may quote the row, hence only its name.
                log.error("Telegram: %s failed (%d): %s", doing, failures, shown or type(error).__name__)
                pause = min(BACKOFF_SECONDS[1], BACKOFF_SECONDS[0] * 2.0 ** min(failures - 1, 16))
                if isinstance(error, InvalidToken):
                    pause = TOKEN_BACKOFF_SECONDS
                pause *= random.uniform(0.75, 1.25)
                wish = shown.retry_after if isinstance(shown, TemporaryError) else None
                await asyncio.sleep(pause if wish is None else max(pause, wish))

    async def _commit(self, updates: Sequence[Mapping[str, Any]]) -> None:
        """Commit updates to the inbox; only then answer the pressed buttons among them."""
        accept = self._accept
        if accept is None:
            raise TemporaryError("the connector is not running")
        events = [event for update in updates if (event := await self._event(update)) is not None]
        await accept(events)
        for update in updates:
            if query := update.get("callback_query"):
                chore = asyncio.create_task(self._answer(query))
                self._chores.add(chore)
                chore.add_done_callback(self._chores.discard)

    async def _event(self, update: Mapping[str, Any]) -> Inbound | None:
        try:
            event = to_inbound(update, self._username)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            log.warning("update %s has a form that is not known: %s", update.get("update_id"), type(error).__name__)
            return None
        if event is None or (found := reference(event.payload)) is None:
            return event
        title, payload = await self._choice(event, *found)
        return replace(event, text=event.text or title, payload=payload)

    async def _choice(self, event: Inbound, outbox_id: int, index: int) -> tuple[str, str]:
        """Title and payload of a button that was sent to this chat; empty if there is none."""
        query = select(Outbox).join(Conversation, Conversation.id == Outbox.conversation_id)
        where = (Conversation.channel == self.name, Conversation.chat == event.address.chat)
        async with self._host.database.read() as session:
            row = await session.scalar(query.where(Outbox.id == outbox_id, *where))
        choices = outgoing(row, event.address).choices if row is not None else ()
        return (choices[index].title, choices[index].payload) if index < len(choices) else ("", "")

    async def _answer(self, query: Mapping[str, Any]) -> None:
        """End the button's waiting sign and take the keyboard away. A failure changes nothing."""
        message = query.get("message") or {}
        await self._chore(lambda: self._bot.answer_callback_query(query["id"]))
        if message.get("reply_markup"):
            chat, number = message["chat"]["id"], message["message_id"]
            await self._chore(lambda: self._bot.edit_message_reply_markup(chat, number, reply_markup=None))

    async def _chore(self, call: Callable[[], Awaitable[Any]]) -> None:
        for _ in range(CHORE_TRIES):
            try:
                await call()
                return
            except BadRequest as error:
                log.debug("a pressed button could not be answered: %s", error)
                return
            except TelegramError as error:
                told = self._explained(error)
                log.info("a pressed button could not be answered: %s", told)
                pause = getattr(told, "retry_after", None) or BACKOFF_SECONDS[0]
                if pause > CHORE_MAX_WAIT_SECONDS:
                    return
                await asyncio.sleep(pause)

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
        except ValueError:
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

    async def send(self, message: Outgoing) -> str:
        """Deliver a message; the id of its last part, ``""`` if there was nothing to say.

        Raises:
            TemporaryError: not now, or not until the operator has acted.
            PermanentError: never: the customer blocked the bot, the chat is gone, the file is too large.
        """
        done = self._progress.setdefault(message.id, [])
        try:
            for call in to_payload(message)[len(done) :]:
                done.append(await self._deliver(call, message))
        except PermanentError:
            self._progress.pop(message.id, None)
            raise
        except TemporaryError:
            if not done or len(self._progress) > MAX_PROGRESS:
                self._progress.pop(message.id, None)
            raise
        self._progress.pop(message.id, None)
        return done[-1] if done else ""

    async def _deliver(self, call: dict[str, Any], message: Outgoing) -> str:
        try:
            return await self._call(call)
        except ChatMigrated as error:
            moved = {"method": call["method"], "params": call["params"] | {"chat_id": error.new_chat_id}}
            return await self._explaining(partial(self._call, moved))
        except BadRequest as error:
            if not _REFUSED_MARKUP.search(error.message):
                raise self._explained(error) from None
            log.warning("Telegram refused the markup of message %d; sending it plain: %s", message.id, error)
            sent = ""
            for simple in plain(call, message):
                sent = await self._explaining(partial(self._call, simple))
            return sent
        except TelegramError as error:
            raise self._explained(error) from None

    async def _call(self, call: Mapping[str, Any]) -> str:
        params = dict(call["params"])
        if "reply_markup" in params:
            params["reply_markup"] = telegram.InlineKeyboardMarkup.de_json(params["reply_markup"])
        send: Callable[..., Awaitable[telegram.Message]] = self._bot.send_message
        if call["method"] == "sendDocument":
            path = media_path(self._host.config.files_dir, params["document"], FileSizeLimit.FILESIZE_UPLOAD)
            params["document"] = await asyncio.to_thread(path.read_bytes)
            send = self._bot.send_document
        try:
            return str((await send(**params)).message_id)
        except (KeyError, TypeError, ValueError) as error:
            # Telegram said yes; to send again what it has would be worse than not to know the id.
            log.warning("the library cannot read Telegram's answer to a message: %s", type(error).__name__)
            return ""

    async def fetch(self, attachment: Attachment) -> bytes:
        """Download a file that a customer sent; at most 20 MB, which is all a bot gets.

        Raises:
            TemporaryError: not now.
            PermanentError: it is too large or gone.
        """
        if attachment.size > FileSizeLimit.FILESIZE_DOWNLOAD:
            raise PermanentError("the file is larger than the 20 MB that Telegram hands to a bot")

        async def download() -> bytes:
            file = await self._bot.get_file(attachment.ref)
            return bytes(await file.download_as_bytearray())

        return await self._explaining(download)

    async def _explaining(self, call: Callable[[], Awaitable[_Result]]) -> _Result:
        try:
            return await call()
        except TelegramError as error:
            raise self._explained(error) from None

    def _explained(self, error: Exception) -> LinguadeskError:
        """The library's complaint as one of ours, without the token."""
        if isinstance(error, LinguadeskError):
            return error
        # What follows is the raw answer.
        words = str(error).partition(". Parsing the server response")[0].replace(self._token, "***")[:300]
        if isinstance(error, RetryAfter):
            wait: Any = error.retry_after
            seconds = float(wait.total_seconds() if hasattr(wait, "total_seconds") else wait)
            return TemporaryError(f"Telegram asks to wait {seconds:g} s", seconds)
        if isinstance(error, InvalidToken):
            return TemporaryError(
                f"Telegram does not accept the token ({words}); set TELEGRAM_BOT_TOKEN to the one @BotFather shows"
                + ("; check TELEGRAM_API_BASE_URL too" if self._host.env.get("TELEGRAM_API_BASE_URL") else "")
            )
        if isinstance(error, Conflict):
            return TemporaryError(
                "another program receives with the same TELEGRAM_BOT_TOKEN; end it, or give each its own bot"
            )
        if isinstance(error, Forbidden | BadRequest):
            return PermanentError(f"Telegram refused it: {words}")
        if isinstance(error, NetworkError):
            return TemporaryError(f"Telegram did not answer properly: {words}")
        return TemporaryError(f"Telegram: {words}")
