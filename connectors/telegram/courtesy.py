"""Small things that are done besides: ending a button's waiting sign, showing that the bot is typing.

None of them holds up an acknowledgement, and none of their failures does harm.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

from bot.contracts import Address, LinguadeskError, PermanentError, TemporaryError
from bot.storage import Database, wait
from bot.storage.database import described
from bot.storage.models import Inbox, InboxStatus
from connectors.common import shorten, utf16_length
from connectors.telegram.api import Api
from connectors.telegram.convert import MAX_TEXT, place, pressed_title

log = logging.getLogger(__name__)

TRIES = 3
PAUSE_SECONDS = 1.0
MAX_WAIT_SECONDS = 30.0
STOP_SECONDS = 5.0
# Telegram shows "typing" for 5 seconds, or until the bot's message comes.
TYPING_AFTER_SECONDS = 1.0
TYPING_EVERY_SECONDS = 4.0
TYPING_SECONDS = 60.0
MAX_REMEMBERED = 1000
MAX_ANSWER = 200


class Courtesies:
    """What runs in the background of one connector.

    Args:
        api: the bot.
        database: where to see whether an event is still waiting.
    """

    def __init__(self, api: Api, database: Database) -> None:
        self._api = api
        self._database = database
        self._chores: set[asyncio.Task[None]] = set()
        self._idle: set[asyncio.Task[None]] = set()
        self._typed: dict[tuple[str, str], float] = {}
        # Messages whose keyboard was taken away: a second press, made before that, changes nothing more.
        self._ticked: dict[tuple[int, int], None] = {}

    def later(self, work: Coroutine[Any, Any, None], *, idle: bool = False) -> None:
        """Do it in the background. What is ``idle`` is dropped when the program stops, the rest finished."""
        tasks = self._idle if idle else self._chores
        task = asyncio.create_task(_harmless(work))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    async def stop(self) -> None:
        """Drop what is idle, and give the rest a few seconds."""
        late = list(self._idle)
        if chores := list(self._chores):
            late += (await asyncio.wait(chores, timeout=STOP_SECONDS))[1]
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def try_to(self, what: str, call: Callable[[], Awaitable[Any]]) -> None:
        """Try a few times; give up with a line in the log."""
        for _ in range(TRIES):
            try:
                await call()
                return
            except PermanentError as error:
                log.debug("%s failed: %s", what, error)
                return
            except TemporaryError as error:
                log.info("%s failed: %s", what, error)
                pause = error.retry_after or PAUSE_SECONDS
                if pause > MAX_WAIT_SECONDS:
                    return
                await asyncio.sleep(pause)

    async def pressed(self, query: Mapping[str, Any], words: str = "") -> None:
        """End a pressed button's waiting sign, showing ``words`` to whoever pressed it if there are any."""
        told = {"text": shorten(words, MAX_ANSWER), "show_alert": True} if words else {}
        answer = {"callback_query_id": query["id"]} | told
        await self.try_to("answering a pressed button", lambda: self._api.call("answerCallbackQuery", **answer))

    async def chosen(self, query: Mapping[str, Any]) -> None:
        """After a choice: end the waiting sign, then write the choice below the question and take the keyboard away."""
        await self.pressed(query)
        message = query.get("message") or {}
        if not message.get("reply_markup"):
            return
        where = (message["chat"]["id"], message["message_id"])
        if where in self._ticked:
            return
        self._ticked[where] = None
        if len(self._ticked) > MAX_REMEMBERED:
            del self._ticked[next(iter(self._ticked))]
        method, params = ticked(message, pressed_title(query))
        await self.try_to("taking a keyboard away", lambda: self._api.call(method, **params))

    def typing(self, inbox_id: int, address: Address) -> None:
        """Show that the bot is typing until the event is handled."""
        self.later(self._type(inbox_id, address), idle=True)

    async def _type(self, inbox_id: int, address: Address) -> None:
        key, pause = (address.chat, address.thread), TYPING_AFTER_SECONDS
        deadline = time.monotonic() + TYPING_SECONDS
        try:
            with self._database.hub.watch(f"inbox:{inbox_id}") as handled:
                while not await wait(handled, pause) and time.monotonic() < deadline:
                    # The signal may have come before the watch, or from a process that cannot be heard.
                    if not await self._waits(inbox_id):
                        return
                    if time.monotonic() - self._typed.get(key, -math.inf) > TYPING_EVERY_SECONDS * 0.9:
                        self._typed[key] = time.monotonic()
                        await self._api.call("sendChatAction", action="typing", **place(*key))
                    pause = TYPING_EVERY_SECONDS
        except LinguadeskError as error:
            log.debug("typing is not shown: %s", error)
        finally:
            self._typed.pop(key, None)

    async def _waits(self, inbox_id: int) -> bool:
        async with self._database.glance() as session:
            row = await session.get(Inbox, inbox_id)
        return row is not None and row.status is InboxStatus.PENDING


async def _harmless(work: Coroutine[Any, Any, None]) -> None:
    try:
        await work
    except Exception as error:
        log.warning("something in the background failed: %s", described(error))


def ticked(message: Mapping[str, Any], title: str) -> tuple[str, dict[str, Any]]:
    """The call that turns a question into a question answered: the choice below its text, no keyboard."""
    where = {"chat_id": message["chat"]["id"], "message_id": message["message_id"]}
    text = f"{message.get('text', '')}\n\n✓ {title}"
    if not title or "text" not in message or utf16_length(text) > MAX_TEXT:
        return "editMessageReplyMarkup", where
    params = where | {"text": text}
    for key in ("entities", "link_preview_options"):
        if key in message:
            params[key] = message[key]
    return "editMessageText", params
