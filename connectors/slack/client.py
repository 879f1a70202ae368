"""Talks to Slack's Web API; receives by HTTP or by Socket Mode."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar
from urllib.parse import urljoin, urlsplit

import aiohttp
from slack_bolt import BoltResponse
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.adapter.starlette.async_handler import to_starlette_response
from slack_bolt.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.error import BoltUnhandledRequestError
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
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
from connectors import Host
from connectors.common import TooLarge, body_of, media_path
from connectors.slack.convert import SCOPES, after_press, plain, to_inbound, to_payload
from connectors.slack.errors import OPERATOR, RefusedToken, code_of, explained

log = logging.getLogger(__name__)

PATH = "/webhooks/slack/events"
DEFAULT_BASE_URL = "https://slack.com/api/"
MAX_BODY = 1024 * 1024
MAX_DOWNLOAD = 25 * 1024 * 1024
MAX_UPLOAD = 1024 * 1024 * 1024
MAX_REDIRECTS = 3
TIMEOUT_SECONDS = 20.0
PING_SECONDS = 5.0
SOCKET_CHECK_SECONDS = 5.0
STOP_SECONDS = 5.0
CHORE_TRIES = 3
CHORE_PAUSE_SECONDS = 1.0
CHORE_MAX_WAIT_SECONDS = 30.0
PERSON_SECONDS = 3600.0
MAX_PEOPLE = 10_000
MAX_PROGRESS = 1000

REFUSED_BLOCKS = {"invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long"}

_HIDDEN = re.compile(r"wss?://\S+|xox[a-z]-\S+|xapp-\S+")
_TIMESTAMP = re.compile(r"\d{1,12}")
_Result = TypeVar("_Result")


def _harmless(record: logging.LogRecord) -> bool:
    """Take addresses with tickets, tokens and tracebacks out of what the libraries report."""
    record.msg, record.args = _HIDDEN.sub("***", record.getMessage()).partition("\n")[0], ()
    record.exc_info = record.exc_text = None
    return True


def _library_logger() -> logging.Logger:
    """The logger the libraries get: errors only, since their warnings quote whole events."""
    logger = logging.getLogger("connectors.slack.library")
    logger.setLevel(logging.ERROR)
    logger.addFilter(_harmless)
    return logger


class SlackConnector:
    """One app in one Slack workspace (:class:`bot.contracts.Connector`).

    Args:
        host: the database, settings and environment.

    Raises:
        ConfigError: neither a signing secret nor an app-level token is set.
    """

    name = "slack"
    limits = Limits(per_chat=(1, 1.0))

    def __init__(self, host: Host) -> None:
        self._host = host
        self._token = host.env["SLACK_BOT_TOKEN"].strip()
        self._app_token = host.env.get("SLACK_APP_TOKEN", "").strip()
        secret = host.env.get("SLACK_SIGNING_SECRET", "").strip()
        if not secret and not self._app_token:
            message = (
                "SLACK_SIGNING_SECRET is missing: copy it from the app's Basic Information page; or set "
                "SLACK_APP_TOKEN (xapp-…) to receive by Socket Mode, which needs no public address"
            )
            raise ConfigError(Problem("environment", 0, message))
        self._base_url = host.env.get("SLACK_API_BASE_URL") or DEFAULT_BASE_URL
        self._library_log = _library_logger()
        # No retries of the library's own: the outbox retries, in order and without holding up others.
        self._web = AsyncWebClient(
            token=self._token, base_url=self._base_url, logger=self._library_log, retry_handlers=[]
        )
        self._app = self._bolt(secret)
        self._me = ""
        self._accept: Accept | None = None
        self._socket: AsyncSocketModeHandler | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._chores: set[asyncio.Task[None]] = set()
        # What users.info said, with the time of asking; a hint that may be lost at any time.
        self._people: dict[str, tuple[str, str, float]] = {}
        # Of a message in several parts, those that have left already: a retry goes on after them.
        self._progress: dict[int, list[str]] = {}

    def _bolt(self, secret: str) -> AsyncApp:
        """The vendor's dispatcher: it checks signatures and acknowledges once a listener has returned."""

        async def authorize(enterprise_id: str | None, team_id: str | None) -> AuthorizeResult:
            return AuthorizeResult(
                enterprise_id=enterprise_id, team_id=team_id, bot_token=self._token, bot_user_id=self._me or None
            )

        async def failed(error: Exception) -> BoltResponse:
            if isinstance(error, BoltUnhandledRequestError):
                return BoltResponse(status=200, body="")
            log.error("Slack: an event could not be handled: %s", type(error).__name__)
            return BoltResponse(status=500, body="")

        async def event(body: dict[str, Any]) -> BoltResponse:
            return await self._received(body)

        app = AsyncApp(
            logger=self._library_log,
            name="linguadesk",
            client=AsyncWebClient(base_url=self._base_url, logger=self._library_log, retry_handlers=[]),
            authorize=authorize,
            signing_secret=secret,
            # An event that Socket Mode delivers has no signature; the socket itself is authenticated.
            request_verification_enabled=not self._app_token,
            process_before_response=True,
            raise_error_for_unhandled_request=True,
        )
        app.error(failed)
        app.event("message")(event)
        app.event("app_mention")(event)
        app.action(re.compile(".*"))(event)
        return app

    def routes(self) -> list[BaseRoute]:
        """The route for events and interactions; none in Socket Mode."""
        return [] if self._app_token else [Route(PATH, self._http, methods=["POST"])]

    async def start(self, accept: Accept) -> None:
        """Begin to receive; while Slack cannot be reached, go on trying in the background.

        Raises:
            LinguadeskError: Slack does not accept a token.
        """
        self._accept = accept
        url = None
        try:
            await self._identify()
            if self._app_token:
                url = await self._socket_address()
        except Exception as error:
            told = explained(error)
            if isinstance(told, RefusedToken):
                self._accept = None
                raise told from None
            log.warning("Slack cannot be reached yet, trying on: %s", told)
        if self._app_token:
            self._socket = AsyncSocketModeHandler(
                self._app,
                self._app_token,
                logger=self._library_log,
                web_client=self._web,
                ping_interval=PING_SECONDS,
            )
            self._socket.client.wss_uri = url
            connect: Any = self._socket.connect_async
            self._spawn(self._tasks, connect())
            self._spawn(self._tasks, self._watch(self._socket))

    async def stop(self) -> None:
        """Stop receiving, finish small chores, close connections."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._socket is not None:
            close: Any = self._socket.close_async
            await close()
            self._socket = None
        self._accept = None
        if chores := list(self._chores):
            _done, late = await asyncio.wait(chores, timeout=STOP_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        if self._web.session is not None:
            await self._web.session.close()
            self._web.session = None

    # Receiving

    async def _identify(self) -> None:
        """Learn who the bot is, and say which scopes it lacks."""
        self._session()
        answer = await self._web.auth_test()
        self._me = str(answer.get("user_id") or "")
        granted = answer.headers.get("x-oauth-scopes")
        if granted is not None:
            given = {scope.strip() for scope in granted.split(",")}
            if missing := [scope for scope in SCOPES if scope not in given]:
                log.warning("the Slack app lacks the scopes %s; add them and install it again", ", ".join(missing))
        log.info("Slack: %s receives by %s", self._me, "Socket Mode" if self._app_token else "HTTP")

    async def _socket_address(self) -> str:
        """Where Socket Mode is to be opened; the address is good for one connection, for a short time."""
        try:
            return str((await self._web.apps_connections_open(app_token=self._app_token))["url"])
        except SlackApiError as error:
            if (code := code_of(error)) in OPERATOR or code == "missing_scope":
                advice = "make an app-level token with the scope connections:write under Basic Information"
                raise RefusedToken(f"Slack does not accept SLACK_APP_TOKEN ({code}): {advice}") from None
            raise

    async def _watch(self, socket: AsyncSocketModeHandler) -> None:
        """Say when the connection is lost and back, and see that it is tried with a fresh address.

        The library tries one address again and again, though its ticket expires after a while.
        """
        lost = False
        while True:
            await asyncio.sleep(SOCKET_CHECK_SECONDS)
            connected = await socket.client.is_connected()
            if not connected:
                socket.client.wss_uri = None
                if not lost:
                    log.warning("Slack: the socket is not connected, trying on")
            elif lost:
                log.info("Slack: the socket is connected again")
                if not self._me:
                    with contextlib.suppress(Exception):
                        await self._identify()
            lost = not connected

    async def _received(self, body: Mapping[str, Any]) -> BoltResponse:
        """Commit an event. Slack gets its acknowledgement from what this returns, hence afterwards."""
        try:
            event = to_inbound(body)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            log.warning("Slack: an event has a form that is not known: %s", type(error).__name__)
            return BoltResponse(status=200, body="")
        if event is None or event.address.user == self._me:
            return BoltResponse(status=200, body="")
        accept = self._accept
        if accept is None:
            return BoltResponse(status=503, body="")
        try:
            await accept([self._with_person(event)])
        except Exception as error:
            # A database's own exception may quote the row, hence only its name.
            shown = str(error) if isinstance(error, LinguadeskError) else type(error).__name__
            log.error("Slack: storing an event failed: %s", shown)
            return BoltResponse(status=503, body="")
        self._refresh(event.address.user)
        if body.get("type") == "block_actions" and (call := after_press(body)):
            self._spawn(self._chores, self._chore(call))
        return BoltResponse(status=200, body="")

    def _with_person(self, event: Inbound) -> Inbound:
        """The event with what is known of its sender; asking Slack now would delay the answer."""
        locale, name, _ = self._people.get(event.address.user, ("", "", 0.0))
        return replace(event, locale=locale, name=name or event.name)

    def _refresh(self, user: str) -> None:
        """Ask for a person's language and name in the background, so that the next event has it."""
        _, _, asked = self._people.get(user, ("", "", -PERSON_SECONDS))
        if time.monotonic() - asked < PERSON_SECONDS:
            return
        if len(self._people) >= MAX_PEOPLE:
            self._people.pop(next(iter(self._people)))
        locale, name, _ = self._people.pop(user, ("", "", 0.0))
        self._people[user] = (locale, name, time.monotonic())

        async def ask() -> None:
            try:
                self._session()
                answer = await self._web.users_info(user=user, include_locale=True)
                person = answer.get("user") or {}
                shown = person.get("real_name") or person.get("name") or ""
                self._people[user] = (person.get("locale") or "", shown, time.monotonic())
            except Exception as error:
                log.info("Slack: a person's language is not known: %s", explained(error))

        self._spawn(self._tasks, ask())

    def _spawn(self, group: set[asyncio.Task[None]], work: Any) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work)
        group.add(task)
        task.add_done_callback(group.discard)

    async def _chore(self, call: Mapping[str, Any]) -> None:
        """A call that nobody waits for. Its failure changes nothing."""
        for _ in range(CHORE_TRIES):
            try:
                await self._call(call)
                return
            except Exception as error:
                told = explained(error)
                log.info("Slack: a message with a pressed button stays as it is: %s", told)
                pause = getattr(told, "retry_after", None) or CHORE_PAUSE_SECONDS
                if isinstance(told, PermanentError) or pause > CHORE_MAX_WAIT_SECONDS:
                    return
                await asyncio.sleep(pause)

    async def _http(self, request: Request) -> Response:
        if self._accept is None:
            return JSONResponse({"error": "not ready"}, 503)
        stamp = request.headers.get("x-slack-request-timestamp", "")
        # The library's check cannot cope with other forms.
        if not _TIMESTAMP.fullmatch(stamp) or not request.headers.get("x-slack-signature", "").isascii():
            return JSONResponse({"error": "invalid request"}, 401)
        try:
            text = (await body_of(request, MAX_BODY)).decode()
            received = AsyncBoltRequest(body=text, query=str(request.query_params), headers=dict(request.headers))
        except TooLarge:
            return JSONResponse({"error": "too large"}, 413)
        except (ValueError, AttributeError):
            return JSONResponse({"error": "not an event"}, 400)
        return to_starlette_response(await self._app.async_dispatch(received))

    # Sending

    def _session(self) -> aiohttp.ClientSession:
        """The connections to Slack, made when first needed: only then an event loop runs."""
        if self._web.session is None or self._web.session.closed:
            self._web.session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS))
        return self._web.session

    async def send(self, message: Outgoing) -> str:
        """Deliver a message; the ``ts`` of its last text, ``""`` if there was none.

        Raises:
            TemporaryError: not now, or not until the operator has acted.
            PermanentError: never: the channel is gone or archived, or the bot was removed from it.
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
        return next((stamp for stamp in reversed(done) if stamp), "")

    async def _deliver(self, call: Mapping[str, Any], message: Outgoing) -> str:
        try:
            return await self._call(call)
        except SlackApiError as error:
            if code_of(error) not in REFUSED_BLOCKS:
                raise explained(error) from None
            log.warning("Slack refused the form of message %d; sending it plain", message.id)
        except Exception as error:
            raise explained(error) from None
        return await self._explaining(lambda: self._call(plain(call, message)))

    async def _call(self, call: Mapping[str, Any]) -> str:
        self._session()
        params = dict(call["params"])
        if call["method"] == "files_upload_v2":
            path = media_path(self._host.config.files_dir, params["file"], MAX_UPLOAD)
            params["file"] = await asyncio.to_thread(path.read_bytes)
            await self._web.files_upload_v2(**params)
            return ""
        if call["method"] == "chat.update":
            return str((await self._web.chat_update(**params))["ts"])
        answer = await self._web.chat_postMessage(**params, unfurl_links=False, unfurl_media=False)
        return str(answer["ts"])

    async def _explaining(self, call: Callable[[], Awaitable[_Result]]) -> _Result:
        try:
            return await call()
        except Exception as error:
            raise explained(error) from None

    async def fetch(self, attachment: Attachment) -> bytes:
        """Download a file that a customer sent; at most 25 MB. The token is sent to Slack only.

        Raises:
            TemporaryError: not now.
            PermanentError: it is too large, gone, not Slack's, or the app may not read files.
        """
        if attachment.size > MAX_DOWNLOAD:
            raise PermanentError("the file is larger than 25 MB")
        return await self._explaining(lambda: self._download(attachment.ref, attachment.mime))

    async def _download(self, url: str, mime: str) -> bytes:
        for _ in range(MAX_REDIRECTS + 1):
            if not self._is_slack(url):
                raise PermanentError("the file is not on Slack's servers")
            headers = {"Authorization": f"Bearer {self._token}"}
            async with self._session().get(url, headers=headers, allow_redirects=False) as answer:
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
        parts, base = urlsplit(url), urlsplit(self._base_url)
        name = parts.hostname or ""
        if parts.scheme == "https" and (name == "slack.com" or name.endswith(".slack.com")):
            return True
        return bool(name) and name == base.hostname and parts.scheme in {"https", base.scheme}
