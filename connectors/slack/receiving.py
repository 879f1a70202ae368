"""How Slack reaches us: by HTTP, with signed requests, or by Socket Mode. What it says is handed on.

Either way Slack gets its acknowledgement from what the handler returns, hence after the commit.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias
from urllib.parse import parse_qsl

from slack_bolt import BoltResponse
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.adapter.starlette.async_handler import to_starlette_response
from slack_bolt.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.error import BoltUnhandledRequestError
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_sdk.web.async_client import AsyncWebClient
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from connectors.common import TooLarge, body_of
from connectors.slack.api import Api, library_logger
from connectors.slack.convert import COMMAND, EVENTS, SHORTCUT
from connectors.slack.settings import Settings

log = logging.getLogger(__name__)

MAX_BODY = 1024 * 1024
PING_SECONDS = 5.0
SOCKET_CHECK_SECONDS = 5.0

# What comes of reading something that has another form than Slack's.
UNREADABLE = (LookupError, TypeError, ValueError, AttributeError)

_TIMESTAMP = re.compile(r"\d{1,12}")
_ANY = re.compile(".*")

Handler: TypeAlias = Callable[[Mapping[str, Any]], Awaitable[BoltResponse]]


def _body_of(text: str, content_type: str) -> dict[str, Any]:
    """What a request says: an event as JSON, an interaction as JSON in a form, a command as a form.

    Raises:
        ValueError: it says nothing that can be read.
    """
    if content_type.partition(";")[0].strip() == "application/json":
        body = json.loads(text)
    else:
        body = dict(parse_qsl(text, keep_blank_values=True))
        if "payload" in body:
            body = json.loads(body["payload"])
    if not isinstance(body, dict) or not body:
        raise ValueError("not an event")
    return body


class Receiver:
    """The vendor's dispatcher with one handler behind it.

    Args:
        settings: tokens; an app-level token chooses Socket Mode.
        api: calls to Slack.
        handle: gets every event, command and interaction.
        me: the bot's user id, once it is known.
    """

    def __init__(self, settings: Settings, api: Api, handle: Handler, me: Callable[[], str]) -> None:
        self._settings = settings
        self._api = api
        self._handle = handle
        self._me = me
        self._app = self._bolt()
        self._socket: AsyncSocketModeHandler | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def _bolt(self) -> AsyncApp:
        """It checks signatures, and acknowledges once a listener has returned."""

        async def authorize(enterprise_id: str | None, team_id: str | None) -> AuthorizeResult:
            return AuthorizeResult(
                enterprise_id=enterprise_id,
                team_id=team_id,
                bot_token=self._settings.token,
                bot_user_id=self._me() or None,
            )

        async def failed(error: Exception) -> BoltResponse:
            if isinstance(error, BoltUnhandledRequestError):
                return BoltResponse(status=200, body="")
            if isinstance(error, UNREADABLE):
                # It will not be readable the next time either.
                log.warning("Slack: an event has a form that is not known: %s", type(error).__name__)
                return BoltResponse(status=200, body="")
            log.error("Slack: an event could not be handled: %s", type(error).__name__)
            return BoltResponse(status=500, body="")

        async def handle(body: dict[str, Any]) -> BoltResponse:
            return await self._handle(body)

        app = AsyncApp(
            logger=library_logger(),
            name="linguadesk",
            client=AsyncWebClient(base_url=self._settings.base_url, logger=library_logger(), retry_handlers=[]),
            authorize=authorize,
            signing_secret=self._settings.secret,
            # An event that Socket Mode delivers has no signature; the socket itself is authenticated.
            request_verification_enabled=not self._settings.app_token,
            process_before_response=True,
            raise_error_for_unhandled_request=True,
        )
        app.error(failed)
        for event in {name.partition(".")[0] for name in EVENTS}:
            app.event(event)(handle)
        app.action(_ANY)(handle)
        app.command(COMMAND)(handle)
        app.shortcut(SHORTCUT)(handle)
        app.view(_ANY)(handle)
        return app

    # HTTP

    async def http(self, request: Request) -> Response:
        """Answer one request of Slack's."""
        stamp = request.headers.get("x-slack-request-timestamp", "")
        # The library's check cannot cope with other forms.
        if not _TIMESTAMP.fullmatch(stamp) or not request.headers.get("x-slack-signature", "").isascii():
            return JSONResponse({"error": "invalid request"}, 401)
        try:
            text = (await body_of(request, MAX_BODY)).decode()
            body = _body_of(text, request.headers.get("content-type", ""))
            # The library's own reading takes a command with the word "payload" in it for an empty
            # one; its check of the signature needs the text as it came.
            received = AsyncBoltRequest(body=body, headers=dict(request.headers), mode="socket_mode")
            received.raw_body, received.mode = text, "http"
        except TooLarge:
            return JSONResponse({"error": "too large"}, 413)
        except (*UNREADABLE, RecursionError):
            return JSONResponse({"error": "not an event"}, 400)
        try:
            return to_starlette_response(await self._app.async_dispatch(received))
        except UNREADABLE as error:
            # The library's own reading trips over it before a listener is found.
            log.warning("Slack: a request has a form that is not known: %s", type(error).__name__)
            return JSONResponse({"error": "not an event"}, 400)

    # Socket Mode

    def connect(self, url: str | None) -> None:
        """Open the socket in the background, at this address or at one that is asked for."""
        self._socket = AsyncSocketModeHandler(
            self._app,
            self._settings.app_token,
            logger=library_logger(),
            web_client=self._api.web,
            ping_interval=PING_SECONDS,
        )
        self._socket.client.wss_uri = url
        connect: Any = self._socket.connect_async
        for work in (connect(), self._watch(self._socket)):
            task: asyncio.Task[None] = asyncio.create_task(work)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Close the socket, if there is one."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._socket is not None:
            close: Any = self._socket.close_async
            await close()
            self._socket = None

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
            lost = not connected
