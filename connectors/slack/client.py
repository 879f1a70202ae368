"""One Slack app as a connector: puts the parts together, sends, starts and stops."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from slack_bolt import BoltResponse
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from bot.config import Problem
from bot.contracts import Accept, Attachment, Inbound, Kind, Limits, Media, Outgoing, TemporaryError
from connectors import Host
from connectors.slack import check
from connectors.slack.agents import AgentActions, SlackAgents, is_agents
from connectors.slack.api import Api, stamp_of
from connectors.slack.convert import plain, to_inbound, to_payload
from connectors.slack.customers import Customers
from connectors.slack.errors import RefusedForm, RefusedToken, explained
from connectors.slack.forms import CANNED
from connectors.slack.intake import Intake, done, not_done
from connectors.slack.people import People
from connectors.slack.receiving import UNREADABLE, Receiver
from connectors.slack.settings import settings_of

log = logging.getLogger(__name__)

PATH = "/webhooks/slack/events"
IDENTIFY_SECONDS = 10.0


class SlackConnector:
    """One app in one Slack workspace (:class:`bot.contracts.Connector`).

    ``agents`` is the agents' channel, None where none is set.

    Args:
        host: the database, settings and environment.

    Raises:
        ConfigError: neither a signing secret nor an app-level token is set, or an option is wrong.
    """

    name = "slack"
    limits = Limits(per_chat=(1, 1.0))

    def __init__(self, host: Host) -> None:
        self._settings = settings = settings_of(host)
        self._api = Api(settings, host.config.files_dir)
        self._people = People(self._api, host)
        self._intake = Intake(self._people)
        self._customers = Customers(self._api, host, self._people, self._intake)
        self._rooms = AgentActions(self._api, host, self._people, self._intake, settings.agents_channel)
        self._receiver = Receiver(settings, self._api, self._received, lambda: self._me)
        self._me = ""
        self.agents = SlackAgents(self._api, settings.agents_channel) if settings.agents_channel else None

    def routes(self) -> list[BaseRoute]:
        """The route for events, commands and interactions; none in Socket Mode."""
        return [] if self._settings.app_token else [Route(PATH, self._http, methods=["POST"])]

    async def start(self, accept: Accept) -> None:
        """Begin to receive; while Slack cannot be reached, go on trying in the background.

        Raises:
            LinguadeskError: Slack does not accept a token.
        """
        self._intake.accept = accept
        url = None
        try:
            await self._identify()
            if self._settings.app_token:
                url = await self._api.socket_address()
        except Exception as error:
            told = explained(error)
            if isinstance(told, RefusedToken):
                self._intake.accept = None
                raise told from None
            log.warning("Slack cannot be reached yet, trying on: %s", told)
            self._api.spawn(self._identify_later(), wanted=False)
        if self._settings.app_token:
            self._receiver.connect(url)

    async def stop(self) -> None:
        """Stop receiving, finish small chores, close connections."""
        await self._receiver.close()
        self._intake.accept = None
        await self._api.close()

    async def examine(self) -> list[Problem]:
        """What is wrong with the app, its tokens and the agents' channel, by asking Slack; needs no start."""
        try:
            return await check.examine(self._api, self._settings)
        finally:
            if self._intake.accept is None:
                await self._api.close()

    async def _identify(self) -> None:
        """Learn who the bot is, and say which scopes it lacks."""
        answer = await self._api.call("auth.test")
        self._me = str(answer.get("user_id") or "")
        if missing := check.missing_scopes(answer):
            log.warning("the Slack app lacks the scopes %s; add them and install it again", ", ".join(missing))
        log.info("Slack: %s receives by %s", self._me, "Socket Mode" if self._settings.app_token else "HTTP")

    async def _identify_later(self) -> None:
        while not self._me:
            await asyncio.sleep(IDENTIFY_SECONDS)
            try:
                await self._identify()
            except TemporaryError as error:
                log.info("Slack: still not known who the bot is: %s", error)

    # Receiving

    async def _http(self, request: Request) -> Response:
        if self._intake.accept is None:
            return JSONResponse({"error": "not ready"}, 503)
        return await self._receiver.http(request)

    async def _received(self, body: Mapping[str, Any]) -> BoltResponse:
        """Hand an event to whom it concerns; what this returns is Slack's acknowledgement."""
        if self._intake.accept is None:
            return not_done()
        try:
            return await self._sorted(body)
        except UNREADABLE as error:
            log.warning("Slack: an event has a form that is not known: %s", type(error).__name__)
            return done()

    async def _sorted(self, body: Mapping[str, Any]) -> BoltResponse:
        kind = body.get("type")
        if kind == "event_callback":
            if body["event"].get("type") == "app_home_opened":
                return await self._customers.home_opened(body["event"])
            event = to_inbound(body)
            return done() if event is None or self._is_private(event) else await self._customers.said(event)
        if kind == "message_action":
            return await self._customers.shortcut(body)
        if kind == "block_actions":
            if not is_agents(body):
                return await self._customers.pressed(body)
            first = body["actions"][0].get("action_id")
            return await (self._rooms.chosen(body) if first == CANNED else self._rooms.pressed(body))
        if kind == "view_submission":
            return await (self._rooms.submitted(body) if is_agents(body) else self._customers.submitted(body))
        return await self._customers.commanded(body)

    def _is_private(self, event: Inbound) -> bool:
        """Whether an event is the bot's own, or the agents' talk among themselves."""
        at_home = bool(self._settings.agents_channel) and event.address.chat == self._settings.agents_channel
        return event.address.user == self._me or (at_home and event.kind is not Kind.AGENT)

    # Sending

    def parts(self, message: Outgoing) -> int:
        """How many messages this one takes on Slack: texts, then files."""
        return max(1, len(to_payload(message)))

    async def send(self, message: Outgoing, part: int = 0) -> str:
        """Deliver one part of a message; its ``ts``, ``""`` for a file or for nothing at all.

        Raises:
            ChannelDown: Slack does not accept the token.
            TemporaryError: not now.
            PermanentError: never: the channel is gone or archived, or the bot was removed from it.
        """
        calls = to_payload(message)
        if part >= len(calls):
            return ""
        call = calls[part]
        params = call["params"]
        if call["method"] == "files_upload_v2":
            file = Media(params["file"], params["filename"])
            await self._api.upload(params["channel"], [file], params.get("thread_ts", ""))
            return ""
        quiet = {"unfurl_links": False, "unfurl_media": False}
        try:
            answer = await self._api.call("chat.postMessage", **params, **quiet)
        except RefusedForm:
            log.warning("Slack refused the form of message %d; sending it plain", message.id)
            answer = await self._api.call("chat.postMessage", **plain(call, message)["params"], **quiet)
        return stamp_of(answer)

    async def fetch(self, attachment: Attachment) -> bytes:
        """Download a file that came with a message.

        Raises:
            TemporaryError: not now.
            PermanentError: it is larger than 25 MB, gone, not Slack's, or the app may not read files.
        """
        return await self._api.download(attachment)
