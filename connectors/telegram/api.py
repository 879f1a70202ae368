"""The Bot API through the vendor's library; what goes wrong comes out as the product's own errors.

https://core.telegram.org/bots/api
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
from collections.abc import Sequence
from typing import Any

from bot.contracts import ChannelDown, ChatMoved, LinguadeskError, PermanentError, TemporaryError, Unreachable

# The library warns about its own old way of giving a waiting time unless it is told to use the new one.
os.environ.setdefault("PTB_TIMEDELTA", "true")

import telegram
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

DEFAULT_ROOT = "https://api.telegram.org"
TIMEOUT_SECONDS = 20.0
MEDIA_TIMEOUT_SECONDS = 120.0
# A wrong token will not become right by itself.
TOKEN_REST_SECONDS = 60.0


class Refused(PermanentError):
    """Telegram calls the request wrong; ``words`` are its own."""

    def __init__(self, words: str) -> None:
        super().__init__(f"Telegram refused it: {words}")
        self.words = words


class _Http(HTTPXRequest):
    """The library's HTTP, without its habit of logging an answer that it cannot read."""

    @staticmethod
    def parse_json_payload(payload: bytes) -> dict[str, Any]:
        """Read an answer; raises TelegramError for what is none of the Bot API's."""
        try:
            answer = json.loads(payload.decode("utf-8", "replace"))
        except ValueError:
            answer = None
        if not isinstance(answer, dict) or "ok" not in answer or (answer["ok"] is True and "result" not in answer):
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


def silence_libraries() -> None:
    """Keep addresses, which contain the token, and customers' words out of the log."""
    for name, level in (("httpx", logging.WARNING), ("httpcore", logging.WARNING), ("telegram", logging.INFO)):
        logger = logging.getLogger(name)
        logger.setLevel(max(logger.level, level))
    # Adding the same filter twice changes nothing.
    logging.getLogger("telegram.Bot").addFilter(_without_updates)


def _markup(value: dict[str, Any]) -> telegram.InlineKeyboardMarkup | telegram.ForceReply:
    if "force_reply" in value:
        return telegram.ForceReply(selective=value.get("selective"))
    return telegram.InlineKeyboardMarkup.de_json(value)


# Parameters that the library wants as objects of its own.
_OBJECTS: dict[str, Any] = {
    "reply_markup": _markup,
    "entities": telegram.MessageEntity.de_list,
    "caption_entities": telegram.MessageEntity.de_list,
    "reply_parameters": telegram.ReplyParameters.de_json,
    "link_preview_options": telegram.LinkPreviewOptions.de_json,
    "scope": telegram.BotCommandScope.de_json,
    "commands": telegram.BotCommand.de_list,
}


def _plain(result: Any) -> Any:
    if isinstance(result, telegram.TelegramObject):
        return result.to_dict()
    return [_plain(item) for item in result] if isinstance(result, tuple) else result


class Api:
    """One bot's access to a Bot API server. Requests work before :meth:`open`, but not after :meth:`close`.

    Args:
        token: the bot's token; it never appears in an error.
        root: the server's address, ``""`` for Telegram's own.
    """

    def __init__(self, token: str, root: str = "") -> None:
        silence_libraries()
        self._token = token
        self._own_server = bool(root)
        root = root.rstrip("/") or DEFAULT_ROOT
        timeouts: Any = {f"{phase}_timeout": TIMEOUT_SECONDS for phase in ("connect", "read", "write", "pool")}
        self._http = _Http(connection_pool_size=32, media_write_timeout=MEDIA_TIMEOUT_SECONDS, **timeouts)
        self._poll_http = _PollHttp(connection_pool_size=1, **timeouts)
        self._bot = telegram.Bot(
            token,
            base_url=f"{root}/bot",
            base_file_url=f"{root}/file/bot",
            request=self._http,
            get_updates_request=self._poll_http,
        )

    async def open(self) -> None:
        """Make connections possible (again)."""
        await asyncio.gather(self._http.initialize(), self._poll_http.initialize())

    async def close(self) -> None:
        """Close all connections."""
        await asyncio.gather(self._http.shutdown(), self._poll_http.shutdown())

    async def call(self, method: str, **params: Any) -> Any:
        """One request.

        Args:
            method: such as ``sendMessage``.
            params: as the Bot API names and shapes them; files as the library takes them.

        Returns:
            What the Bot API answers, as plain data; an empty dictionary for a success in a form that
            the library cannot read.

        Raises:
            Refused: Telegram calls the request wrong.
            Unreachable: the bot has no access to the chat (any more).
            ChannelDown: the token is not accepted.
            ChatMoved: the group has another id.
            TemporaryError: not now.
        """
        function = getattr(self._bot, re.sub(r"(?<!^)(?=[A-Z])", "_", method).lower())
        params = {key: _OBJECTS[key](value) if key in _OBJECTS else value for key, value in params.items()}
        try:
            return _plain(await function(**params))
        except TelegramError as error:
            raise self.explained(error) from None
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            # Telegram said yes; to do again what it has done would be worse than not to know the answer.
            log.warning("the library cannot read Telegram's answer to %s: %s", method, type(error).__name__)
            return {}

    async def updates(self, offset: int | None, seconds: int, allowed: Sequence[str]) -> list[dict[str, Any]]:
        """The next updates as Telegram sent them, after waiting for them. Raises like :meth:`call`."""
        try:
            await self._bot.get_updates(offset=offset, timeout=seconds, allowed_updates=allowed)
        except TelegramError as error:
            raise self.explained(error) from None
        except Exception as error:
            log.warning("the library cannot read an update (%s); reading it without", type(error).__name__)
        updates: list[dict[str, Any]] = json.loads(self._poll_http.answer)["result"]
        return updates

    async def download(self, file_id: str) -> bytes:
        """The bytes of a file that a customer sent. Raises like :meth:`call`."""
        try:
            file = await self._bot.get_file(file_id)
            return bytes(await file.download_as_bytearray())
        except TelegramError as error:
            raise self.explained(error) from None

    def explained(self, error: TelegramError) -> LinguadeskError:
        """The library's complaint as one of ours, without the token."""
        # What follows is the raw answer.
        words = str(error).partition(". Parsing the server response")[0].replace(self._token, "***")[:300]
        if isinstance(error, RetryAfter):
            wait: Any = error.retry_after
            seconds = float(wait.total_seconds() if hasattr(wait, "total_seconds") else wait)
            return TemporaryError(f"Telegram asks to wait {seconds:g} s", seconds)
        if isinstance(error, InvalidToken):
            return ChannelDown(
                f"Telegram does not accept the token ({words}); set TELEGRAM_BOT_TOKEN to the one @BotFather shows"
                + ("; check TELEGRAM_API_BASE_URL too" if self._own_server else ""),
                TOKEN_REST_SECONDS,
            )
        if isinstance(error, ChatMigrated):
            return ChatMoved(f"the group has a new id, {error.new_chat_id}", str(error.new_chat_id))
        if isinstance(error, Conflict):
            return TemporaryError(
                "another program receives with the same TELEGRAM_BOT_TOKEN; end it, or give each its own bot"
            )
        if isinstance(error, Forbidden):
            return Unreachable(f"Telegram refused it: {words}")
        if isinstance(error, BadRequest):
            return Refused(words)
        if isinstance(error, NetworkError):
            return TemporaryError(f"Telegram did not answer properly: {words}")
        return TemporaryError(f"Telegram: {words}")
