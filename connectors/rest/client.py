"""The REST channel's routes: ``POST /webhooks/rest/webhook`` in Rasa's shape."""

from __future__ import annotations

import hmac
import json
import logging
from collections.abc import Callable
from time import monotonic

from pydantic import BaseModel, ConfigDict, Field
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from bot.contracts import Accept, Attachment, Inbound, Limits, Media, Outgoing, PermanentError
from bot.inbox import cleaned
from bot.storage import StorageError, wait
from connectors import Host
from connectors.rest.convert import CHANNEL, to_inbound, to_payload
from connectors.rest.handout import Call, claim, confirm, find_conversation, find_event, takeable
from connectors.web.http import Refused, answering, body_within, busy, is_loopback, options_of, origin_of, require_json
from connectors.web.links import FileLinks

log = logging.getLogger(__name__)

TOKEN = "LINGUADESK_REST_TOKEN"  # noqa: S105 (the name of the variable, not its value)
MAX_BODY = 1024 * 1024
POLL_SECONDS = 0.5
# The dispatcher signals this when it has marked replies as sent.
DELIVERY = "delivery"


class Options(BaseModel):
    """``connectors.rest``: ``open`` answers without a token; ``wait_seconds`` is how long a call waits."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool = True
    open: bool = False
    wait_seconds: float = Field(default=25, gt=0, le=120)


class RestConnector:
    """The REST channel (:class:`bot.contracts.Connector`).

    Raises:
        ConfigError: a setting that cannot be used.
    """

    name = CHANNEL
    limits = Limits()

    def __init__(self, host: Host) -> None:
        web = host.config.settings.web
        self._database = host.database
        self._options = options_of(Options, CHANNEL, host.config.settings.connectors.get(CHANNEL, {}))
        self._token = host.env.get(TOKEN, "")
        self._public = origin_of(web.public_url) and web.public_url.rstrip("/")
        # A public address means that a proxy brings strangers even to a loopback host.
        self._private = is_loopback(web.host) and not self._public
        self._links = FileLinks(host.config.secret_key(), host.config.files_dir)
        self._accept: Accept | None = None

    # ------------------------------------------------------------------ the connector

    async def start(self, accept: Accept) -> None:
        """Begin to take messages."""
        if self._options.open and not self._token:
            log.warning("the REST channel answers everyone: connectors.rest.open is true and %s is not set", TOKEN)
        self._accept = accept

    async def stop(self) -> None:
        """Take no more messages."""
        self._accept = None

    def parts(self, message: Outgoing) -> int:
        """Each message is one."""
        return 1

    async def send(self, message: Outgoing, part: int = 0) -> str:
        """Nothing to do: a reply that is marked as sent is one that the next call may take."""
        return ""

    async def fetch(self, attachment: Attachment) -> bytes:
        """Raises :class:`PermanentError`: this channel brings no files."""
        raise PermanentError("the REST channel brings no files")

    def routes(self) -> list[BaseRoute]:
        """The routes of the channel."""
        return [
            Route("/webhooks/rest", self._health),
            Route("/webhooks/rest/", self._health),
            Route("/webhooks/rest/webhook", answering(self._webhook), methods=["POST"]),
            Route("/webhooks/rest/files/{token}", answering(self._file)),
        ]

    # ------------------------------------------------------------------ requests

    async def _health(self, _request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    def _authorise(self, request: Request) -> None:
        """Raises :class:`Refused` (401, 403) for a caller who may not use the channel."""
        if self._token:
            scheme, _, given = request.headers.get("authorization", "").partition(" ")
            same = hmac.compare_digest(given.strip().encode(), self._token.encode())
            if scheme.lower() != "bearer" or not same:
                hint = f"Send the header Authorization: Bearer with the value of {TOKEN}."
                raise Refused(401, "unauthorised", hint, {"WWW-Authenticate": "Bearer"})
        elif not (self._private or self._options.open):
            hint = f"This server can be reached from outside: set {TOKEN}, or connectors.rest.open: true in config.yml."
            raise Refused(403, "closed", hint)

    async def _webhook(self, request: Request) -> Response:
        self._authorise(request)
        require_json(request)
        try:
            body = json.loads(await body_within(request, MAX_BODY))
        except (ValueError, RecursionError):
            raise Refused(400, "bad_body", "The body is not JSON.") from None
        event = cleaned(to_inbound(body))
        call = await self._call(event, asks_only="message" not in body, repeatable=bool(body.get("message_id")))
        if call is None:
            return JSONResponse([])
        replies = await self._replies(request, call)
        if replies is None:
            return JSONResponse([], 202, headers={"Retry-After": "1"})
        link = self._link(request)
        items = [item for reply in replies for item in to_payload(reply, link)]
        ids = [reply.id for reply in replies]
        later = BackgroundTask(self._confirm, call, ids) if ids and not call.repeatable else None
        return JSONResponse(items, background=later)

    async def _call(self, event: Inbound, *, asks_only: bool, repeatable: bool) -> Call | None:
        """Commit the event; the call that waits for its replies.

        One without ``message`` says nothing and only asks for what is waiting; None where nothing can be.
        """
        if asks_only:
            async with self._database.read() as reading:
                conversation_id = await find_conversation(reading, event.address)
            if not conversation_id:
                return None
            return Call(f"poll:{event.external_id}", event.address, conversation_id, repeatable=repeatable)
        if self._accept is None:
            raise busy()
        await self._accept([event])
        async with self._database.read() as reading:
            found = await find_event(reading, event.external_id)
        if found is None:
            raise busy()
        return Call(f"inbox:{found[0]}", event.address, found[1], found[0], repeatable)

    async def _replies(self, request: Request, call: Call) -> list[Outgoing] | None:
        """What the call may have, as soon as it is there; None when it is not there in time."""
        ends = monotonic() + self._options.wait_seconds
        topics = (f"inbox:{call.inbox_id}", f"conversation:{call.conversation_id}", DELIVERY)
        with self._database.hub.watch(*topics) as waiting:
            while True:
                async with self._database.read() as reading:
                    there = await takeable(reading, call)
                if await request.is_disconnected():
                    return None
                if there is not None:
                    async with self._database.begin() as session:
                        taken = await claim(session, call)
                    if taken is not None:
                        return taken
                left = ends - monotonic()
                if left <= 0:
                    return None
                await wait(waiting, min(left, POLL_SECONDS))

    async def _confirm(self, call: Call, ids: list[int]) -> None:
        try:
            async with self._database.begin() as session:
                await confirm(session, call, ids)
        except StorageError as error:
            log.error("replies may be handed out twice: %s", error)

    def _link(self, request: Request) -> Callable[[Media], str]:
        base = self._public or str(request.base_url).rstrip("/")
        return lambda media: f"{base}/webhooks/rest/files/{self._links.token(media, CHANNEL)}"

    async def _file(self, request: Request) -> Response:
        return await self._links.serve(request.path_params["token"], CHANNEL)
