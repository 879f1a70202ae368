"""Slack's Web API: one client, one session, one way of telling errors apart."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urljoin, urlsplit

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.contracts import Attachment, Media, PermanentError, TemporaryError
from connectors.common import media_path
from connectors.slack.convert import METHODS, is_person
from connectors.slack.errors import OPERATOR, RefusedForm, RefusedToken, code_of, explained
from connectors.slack.settings import Settings

log = logging.getLogger(__name__)

MAX_DOWNLOAD = 25 * 1024 * 1024
MAX_UPLOAD = 1024 * 1024 * 1024
MAX_REDIRECTS = 3
TIMEOUT_SECONDS = 20.0
CHORE_TRIES = 3
CHORE_PAUSE_SECONDS = 1.0
CHORE_MAX_WAIT_SECONDS = 30.0
STOP_SECONDS = 5.0
MAX_DIRECTS = 10_000

_HIDDEN = re.compile(r"wss?://\S+|xox[a-z]-\S+|xapp-\S+")
_Result = TypeVar("_Result")


def _harmless(record: logging.LogRecord) -> bool:
    """Take addresses with tickets, tokens and tracebacks out of what the libraries report."""
    record.msg, record.args = _HIDDEN.sub("***", record.getMessage()).partition("\n")[0], ()
    record.exc_info = record.exc_text = None
    return True


def library_logger() -> logging.Logger:
    """The logger the libraries get: errors only, since their warnings quote whole events."""
    logger = logging.getLogger("connectors.slack.library")
    logger.setLevel(logging.ERROR)
    logger.addFilter(_harmless)
    return logger


def _known(method: str) -> None:
    """Raises :class:`KeyError` for a method of which it is not said which scopes it needs."""
    if method not in METHODS:
        raise KeyError(method)


async def _guarded(work: Awaitable[None]) -> None:
    try:
        await work
    except Exception as error:
        log.error("Slack: something was left undone: %s", type(error).__name__)


def stamp_of(answer: Any) -> str:
    """The ``ts`` of the message that a call has made.

    Raises:
        TemporaryError: the answer does not say, so it is no proof that the message arrived.
    """
    stamp = answer.get("ts")
    if not stamp:
        raise TemporaryError("Slack did not answer properly: no ts")
    return str(stamp)


class Api:
    """Calls to Slack, and the small ones that nobody waits for (chores).

    Every call raises like :meth:`bot.contracts.Connector.send`.

    Args:
        settings: tokens and address.
        files_dir: the folder of the files that are sent.
    """

    def __init__(self, settings: Settings, files_dir: Path) -> None:
        self._settings = settings
        self._files_dir = files_dir
        # No retries of the library's own: the outbox retries, in order and without holding up others.
        self.web = AsyncWebClient(
            token=settings.token, base_url=settings.base_url, logger=library_logger(), retry_handlers=[]
        )
        self._directs: dict[str, str] = {}
        self._chores: set[asyncio.Task[None]] = set()
        self._idle: set[asyncio.Task[None]] = set()

    def session(self) -> aiohttp.ClientSession:
        """The connections to Slack, made when first needed: only then an event loop runs."""
        if self.web.session is None or self.web.session.closed:
            self.web.session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS))
        return self.web.session

    async def close(self) -> None:
        """Finish the chores, and close the connections."""
        late = set(self._idle)
        if chores := set(self._chores):
            late |= (await asyncio.wait(chores, timeout=STOP_SECONDS))[1]
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        if self.web.session is not None:
            await self.web.session.close()
            self.web.session = None

    async def explaining(self, call: Callable[[], Awaitable[_Result]]) -> _Result:
        """What ``call`` returns; its errors become ours."""
        self.session()
        try:
            return await call()
        except Exception as error:
            raise explained(error) from None

    # Calls

    async def call(self, method: str, **params: Any) -> Any:
        """Call a method that takes JSON; Slack's answer.

        Raises:
            KeyError: :data:`~connectors.slack.convert.METHODS` does not say which scopes it needs.
        """
        _known(method)
        return await self.explaining(lambda: self.web.api_call(method, json=params))

    async def ask(self, method: str, **params: Any) -> Any:
        """Call a method that only reads, which takes no JSON; Slack's answer. Raises like :meth:`call`."""
        _known(method)
        return await self.explaining(lambda: self.web.api_call(method, http_verb="GET", params=params))

    async def post(self, channel: str, message: Mapping[str, Any], **more: Any) -> str:
        """Post a message with blocks; its ``ts``. Without its blocks where Slack refuses them."""
        params = {"channel": channel, "unfurl_links": False, "unfurl_media": False, **message, **more}
        try:
            answer = await self.call("chat.postMessage", **params)
        except RefusedForm:
            log.warning("Slack refused the form of a message; sending it plain")
            answer = await self.call("chat.postMessage", **{k: v for k, v in params.items() if k != "blocks"})
        return stamp_of(answer)

    async def socket_address(self) -> str:
        """Where Socket Mode is to be opened; the address is good for one connection, for a short time.

        Raises:
            RefusedToken: Slack does not accept the app-level token.
        """
        self.session()
        try:
            return str((await self.web.apps_connections_open(app_token=self._settings.app_token))["url"])
        except Exception as error:
            code = code_of(error) if isinstance(error, SlackApiError) else ""
            if code in OPERATOR or code == "missing_scope":
                advice = "make an app-level token with the scope connections:write under Basic Information"
                raise RefusedToken(f"Slack does not accept SLACK_APP_TOKEN ({code}): {advice}") from None
            raise explained(error) from None

    async def real_channel(self, chat: str) -> str:
        """The channel's id where a person's will not do; the direct message is opened if need be."""
        if not is_person(chat):
            return chat
        if chat not in self._directs:
            found = (await self.call("conversations.open", users=chat)).get("channel") or {}
            if not found.get("id"):
                raise TemporaryError("Slack did not answer properly: no channel")
            if len(self._directs) >= MAX_DIRECTS:
                self._directs.pop(next(iter(self._directs)))
            self._directs[chat] = str(found["id"])
        return self._directs[chat]

    # Files

    async def upload(self, chat: str, files: Sequence[Media], thread: str = "", words: str = "") -> None:
        """Send files as one message, with words above them.

        Raises:
            PermanentError: one is not there (any more), or too large.
        """
        paths = [media_path(self._files_dir, item.path, MAX_UPLOAD) for item in files]
        params: dict[str, Any] = {"channel": await self.real_channel(chat)}
        params |= {"thread_ts": thread} if thread else {}
        params |= {"initial_comment": words} if words else {}
        params["file_uploads"] = [
            {"file": await asyncio.to_thread(path.read_bytes), "filename": item.name, "title": item.name}
            for path, item in zip(paths, files, strict=True)
        ]
        await self.explaining(lambda: self.web.files_upload_v2(**params))

    async def download(self, attachment: Attachment) -> bytes:
        """Download a file, with the token, from Slack's own servers only.

        Raises:
            PermanentError: it is larger than 25 MB, gone, not Slack's, or the app may not read files.
        """
        if attachment.size > MAX_DOWNLOAD:
            raise PermanentError("the file is larger than 25 MB")
        return await self.explaining(lambda: self._download(attachment.ref, attachment.mime))

    async def _download(self, url: str, mime: str) -> bytes:
        for _ in range(MAX_REDIRECTS + 1):
            if not self._is_slack(url):
                raise PermanentError("the file is not on Slack's servers")
            headers = {"Authorization": f"Bearer {self._settings.token}"}
            async with self.session().get(url, headers=headers, allow_redirects=False) as answer:
                if answer.status in {301, 302, 303, 307, 308}:
                    url = urljoin(url, answer.headers.get("Location", ""))
                    continue
                if answer.status == 429 or answer.status >= 500:
                    wish = answer.headers.get("Retry-After", "")
                    wait = float(wish) if wish.isdecimal() else None
                    raise TemporaryError(f"Slack did not hand over a file: status {answer.status}", wait)
                # To a caller without the right scope Slack shows its page for signing in.
                is_page = answer.content_type == "text/html" and mime != "text/html"
                if answer.status != 200 or is_page:
                    raise PermanentError("Slack did not hand over a file; has the app the scope files:read?")
                data = bytearray()
                async for chunk in answer.content.iter_chunked(65536):
                    data += chunk
                    if len(data) > MAX_DOWNLOAD:
                        raise PermanentError("the file is larger than 25 MB")
                return bytes(data)
        raise PermanentError("the file's address leads round in a circle")

    def _is_slack(self, url: str) -> bool:
        parts, base = urlsplit(url), urlsplit(self._settings.base_url)
        name = parts.hostname or ""
        if parts.scheme == "https" and (name == "slack.com" or name.endswith(".slack.com")):
            return True
        return bool(name) and name == base.hostname and parts.scheme in {"https", base.scheme}

    # Chores

    def spawn(self, work: Coroutine[Any, Any, None], *, wanted: bool = True) -> None:
        """Do something that nobody waits for.

        :meth:`close` gives it a little time to end if it is ``wanted``, else it is broken off.
        """
        task = asyncio.create_task(_guarded(work))
        group = self._chores if wanted else self._idle
        group.add(task)
        task.add_done_callback(group.discard)

    async def try_on(self, call: Mapping[str, Any], what: str) -> bool:
        """Make a call, with a few tries; whether it worked. Its failure changes nothing.

        Args:
            call: method and parameters.
            what: what stays undone if it fails, for the log.
        """
        for _ in range(CHORE_TRIES):
            try:
                await self.call(call["method"], **call["params"])
                return True
            except Exception as error:
                told = explained(error)
                log.info("Slack: %s: %s", what, told)
                pause = getattr(told, "retry_after", None) or CHORE_PAUSE_SECONDS
                if isinstance(told, PermanentError) or pause > CHORE_MAX_WAIT_SECONDS:
                    return False
                await asyncio.sleep(pause)
        return False

    async def whisper(self, text: str, user: str, chat: str, thread: str = "", response_url: str = "") -> None:
        """Say something to one person only, where they are; its failure is only noted.

        Args:
            text: as markup.
            user: the person.
            chat: where they see it: a channel, or their own id for the direct message.
            thread: the thread within the channel.
            response_url: Slack's address for an answer to a press, if there is one.
        """
        try:
            if response_url and self._is_slack(response_url):
                answer = {"response_type": "ephemeral", "replace_original": False, "text": text}
                answer |= {"thread_ts": thread} if thread else {}
                async with self.session().post(response_url, json=answer) as response:
                    if response.status == 200:
                        return
            params = {"channel": await self.real_channel(chat), "user": user, "text": text}
            params |= {"thread_ts": thread} if thread else {}
            await self.call("chat.postEphemeral", **params)
        except Exception as error:
            log.info("Slack: somebody could not be told something: %s", explained(error))
