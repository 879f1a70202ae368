"""Talks to WhatsApp's Cloud API; receives by webhook."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
import mimetypes
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from sqlalchemy import select
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from bot.config import Problem
from bot.contracts import (
    Accept,
    Attachment,
    ChannelDown,
    Inbound,
    Kind,
    Limits,
    LinguadeskError,
    Media,
    Outgoing,
    Owner,
    PermanentError,
)
from bot.outbox import outgoing
from bot.storage import now
from bot.storage.models import Conversation, Inbox, Outbox
from bot.texts import Interface
from connectors import Host
from connectors.common import TooLarge, body_of, media_path, utf16_length
from connectors.web.http import options_of
from connectors.whatsapp.convert import (
    MAX_TEMPLATE_TEXT,
    Part,
    degraded,
    failed,
    in_template,
    plain,
    reference,
    to_inbound,
    to_payload,
    troubles,
)
from connectors.whatsapp.errors import WINDOW_HOURS, BadForm, WindowClosed, told
from connectors.whatsapp.graph import MAX_DOWNLOAD, TOO_LARGE, Graph
from connectors.whatsapp.settings import Options, account

log = logging.getLogger(__name__)

PATH = "/webhooks/whatsapp"
# The platform sends at most 3 MB.
MAX_BODY = 3 * 1024 * 1024
STOP_SECONDS = 5.0
MAX_CHORES = 200
MEGABYTE = 1024**2
MAX_FILE = {"image": 5 * MEGABYTE, "video": 16 * MEGABYTE, "audio": 16 * MEGABYTE, "document": 100 * MEGABYTE}
# What the platform refuses to store though it is text.
TEXTUAL = frozenset({"application/json", "application/xml", "application/yaml"})
WINDOW = timedelta(hours=WINDOW_HOURS)


class WhatsAppConnector:
    """One business number on WhatsApp (:class:`bot.contracts.Connector`).

    Args:
        host: the database, settings and environment.

    Raises:
        ConfigError: a setting is missing or cannot be used.
    """

    name = "whatsapp"
    # To one customer a message every 6 seconds, of which up to 45 may be taken ahead and are then
    # missing later: 20 in 2 minutes keep that rate and never come near those 45. To all together 80
    # a second.
    limits = Limits(per_chat=(20, 120.0), overall=(80, 1.0))

    def __init__(self, host: Host) -> None:
        self._host = host
        self._account = account(host.env)
        options = options_of(Options, self.name, host.config.settings.connectors.get(self.name, {}))
        self._template = options.template
        self._graph = Graph(self._account)
        self._accept: Accept | None = None
        self._chores: set[asyncio.Task[None]] = set()
        self._words: dict[str, Interface] = {}

    def routes(self) -> list[BaseRoute]:
        """The webhook: its verification and its events."""
        return [Route(PATH, self._verify, methods=["GET"]), Route(PATH, self._webhook, methods=["POST"])]

    async def start(self, accept: Accept) -> None:
        """Begin to take events; while WhatsApp cannot be reached, take them all the same.

        Raises:
            LinguadeskError: WhatsApp does not accept the token, or does not know the number.
        """
        try:
            number = await self._graph.get(self._account.number_id, fields="verified_name")
            log.info("WhatsApp: %s receives by webhook", number.get("verified_name") or "a number without a name")
        except (ChannelDown, PermanentError):
            raise
        except LinguadeskError as error:
            log.warning("WhatsApp cannot be reached yet, receiving all the same: %s", error)
        self._accept = accept

    async def stop(self) -> None:
        """Take no more events, finish small chores, close connections."""
        self._accept = None
        if chores := list(self._chores):
            _done, late = await asyncio.wait(chores, timeout=STOP_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        await self._graph.close()

    # Receiving

    async def _verify(self, request: Request) -> Response:
        """The platform asks whether the address is ours: whoever knows the verify token gets the challenge back."""
        given = request.query_params.get("hub.verify_token", "")
        same = hmac.compare_digest(given.encode(), self._account.verify_token.encode())
        if not same or request.query_params.get("hub.mode") != "subscribe":
            return PlainTextResponse("wrong verify token", 403)
        challenge = request.query_params.get("hub.challenge", "")
        return PlainTextResponse(challenge, headers={"X-Content-Type-Options": "nosniff"})

    async def _webhook(self, request: Request) -> Response:
        accept = self._accept
        if accept is None:
            return JSONResponse({"error": "not ready"}, 503, {"Retry-After": "1"})
        try:
            raw = await body_of(request, MAX_BODY)
        except TooLarge:
            return JSONResponse({"error": "too large"}, 413)
        except ClientDisconnect:
            return JSONResponse({"error": "cut off"}, 400)
        expected = "sha256=" + hmac.new(self._account.app_secret.encode(), raw, hashlib.sha256).hexdigest()
        given = request.headers.get("x-hub-signature-256", "")
        if not hmac.compare_digest(given.encode(), expected.encode()):
            return JSONResponse({"error": "wrong signature"}, 401)
        try:
            body = json.loads(raw)
        except (ValueError, RecursionError):
            return JSONResponse({"error": "not JSON"}, 400)
        try:
            await self._commit(body, accept)
        except Exception as error:
            # A database's own exception may quote the row, hence only its name.
            shown = str(error) if isinstance(error, LinguadeskError) else type(error).__name__
            log.error("WhatsApp: storing events failed: %s", shown)
            return JSONResponse({"error": "not stored"}, 503, {"Retry-After": "1"})
        self._report(body)
        return JSONResponse({})

    async def _commit(self, body: Any, accept: Accept) -> None:
        """Commit the events of a webhook; only then show that they were read."""
        events = [await self._resolved(event) for event in to_inbound(body, self._account.number_id)]
        ids: Sequence[int | None] = await accept(events) if events else ()
        for event, stored in zip(events, ids, strict=True):
            if stored is not None and event.kind is Kind.MESSAGE and len(self._chores) < MAX_CHORES:
                chore = asyncio.create_task(self._show_reading(event))
                self._chores.add(chore)
                chore.add_done_callback(self._chores.discard)

    async def _resolved(self, event: Inbound) -> Inbound:
        """The event with the payload that its button's reference stands for."""
        if (found := reference(event.payload)) is None:
            return event
        outbox_id, index = found
        query = select(Outbox).join(Conversation, Conversation.id == Outbox.conversation_id)
        where = (Conversation.channel == self.name, Conversation.chat == event.address.chat)
        async with self._host.database.read() as session:
            row = await session.scalar(query.where(Outbox.id == outbox_id, *where))
        choices = outgoing(row, event.address).choices if row is not None else ()
        if index >= len(choices):
            return replace(event, payload="")
        return replace(event, text=choices[index].title, payload=choices[index].payload)

    async def _show_reading(self, event: Inbound) -> None:
        """Two blue ticks and "typing …" while the bot answers. A failure changes nothing."""
        where = (Conversation.channel == self.name, Conversation.address_key == event.address.key)
        try:
            async with self._host.database.glance() as session:
                owner = await session.scalar(select(Conversation.owner).where(*where))
            if owner is not Owner.BOT:
                # A colleague has not read it yet, and the bot is not going to answer.
                return
            seen = {"messaging_product": "whatsapp", "status": "read", "message_id": event.message_id}
            await self._graph.post("messages", seen | {"typing_indicator": {"type": "text"}})
        except LinguadeskError as error:
            log.info("a message could not be marked as read: %s", error)

    def _report(self, body: Any) -> None:
        """Tell the operator of messages that were not delivered, and of trouble with the account."""
        for item in failed(body, self._account.number_id):
            name = item.ours.partition("/")[0] or item.message_id
            log.warning("WhatsApp did not deliver message %.120s: %s", name, told(item.error, self._account.token))
        for trouble in troubles(body, self._account.number_id):
            log.error("WhatsApp reports: %s", told(trouble, self._account.token))

    # Sending

    def _parts(self, message: Outgoing) -> list[Part]:
        return to_payload(message, self._chrome(message.language)("list.open"))

    def _chrome(self, language: str) -> Interface:
        texts = self._host.texts
        known = language if language in texts.languages else texts.default_language
        if known not in self._words:
            self._words[known] = Interface(known, "platform")
        return self._words[known]

    def parts(self, message: Outgoing) -> int:
        """How many of WhatsApp's messages a message takes."""
        return max(1, len(self._parts(message)))

    async def send(self, message: Outgoing, part: int = 0) -> str:
        """Deliver one part; its id, ``""`` if there was nothing to say.

        Raises:
            ChannelDown: not until the operator has acted.
            TemporaryError: not now.
            PermanentError: never: the customer cannot be reached, the file is too large, or free text
                is refused because they wrote last too long ago and there is no template.
        """
        parts = self._parts(message)
        if part >= len(parts):
            return ""
        this = parts[part]
        if await self._is_closed(message):
            return await self._send_template(this, message)
        body = this.body if this.file is None else await self._with_file(this.body, this.file)
        try:
            return await self._post(body)
        except WindowClosed:
            return await self._send_template(this, message)
        except BadForm as error:
            if body["type"] != "interactive":
                raise
            log.warning("message %d goes without buttons: %s", message.id, error)
            return await self._post(degraded(body))

    async def _post(self, body: dict[str, Any]) -> str:
        answer = await self._graph.post("messages", body)
        try:
            return str(answer["messages"][0]["id"])
        except (KeyError, IndexError, TypeError):
            # It said yes; to send again what it has would be worse than not to know the id.
            log.warning("WhatsApp took a message without naming it")
            return ""

    async def _is_closed(self, message: Outgoing) -> bool:
        """Whether the customer is known to have written last so long ago that free text is refused.

        Asked ahead, because the platform often takes such a message and refuses it only later.
        """
        query = (
            select(Inbox.received_at)
            .join(Conversation, Conversation.id == Inbox.conversation_id)
            .where(
                Conversation.channel == self.name,
                Conversation.address_key == message.address.key,
                # What agents do elsewhere is in the same conversation.
                Inbox.channel == self.name,
            )
            .order_by(Inbox.id.desc())
            .limit(1)
        )
        async with self._host.database.glance() as session:
            last = await session.scalar(query)
        return last is not None and now() - last > WINDOW

    async def _send_template(self, part: Part, message: Outgoing) -> str:
        if self._template is None:
            raise WindowClosed
        text = plain(part.body)
        if text is None:
            raise PermanentError(f"a file cannot be sent more than {WINDOW_HOURS} hours after the customer wrote last")
        if utf16_length(text) > MAX_TEMPLATE_TEXT:
            raise PermanentError(f"the text is longer than the {MAX_TEMPLATE_TEXT} characters that a template takes")
        code = self._template.code(message.language, self._host.texts.default_language)
        return await self._post(in_template(part.body, text, self._template.name, code))

    async def _with_file(self, body: dict[str, Any], media: Media) -> dict[str, Any]:
        """The request with the id of its file, which is uploaded."""
        kind, content = body["type"], body[body["type"]]
        path = media_path(self._host.config.files_dir, media.path, MAX_FILE["document"])
        data = await asyncio.to_thread(path.read_bytes)
        if len(data) > MAX_FILE[kind]:
            # As a document it may be larger; it is shown by its name then.
            kind, content = "document", content | {"filename": media.name}
        mime = media.mime.partition(";")[0].strip().lower()
        if mime == "application/octet-stream":
            mime = mimetypes.guess_type(media.name)[0] or mime
        if mime.startswith("text/") or mime in TEXTUAL:
            mime = "text/plain"
        media_id = await self._graph.upload(media.name or "document", data, mime)
        return {key: value for key, value in body.items() if key != body["type"]} | {
            "type": kind,
            kind: {"id": media_id} | content,
        }

    async def fetch(self, attachment: Attachment) -> bytes:
        """Download a file that a customer sent; at most 25 MB.

        Raises:
            TemporaryError: not now.
            PermanentError: it is too large or gone; the platform keeps files for some days.
        """
        if attachment.size > MAX_DOWNLOAD:
            raise PermanentError(TOO_LARGE)
        return await self._graph.download(attachment.ref)

    # Looking for trouble

    async def examine(self) -> list[Problem]:
        """What is wrong with the account on the platform's side; contacts WhatsApp, needs no :meth:`start`."""
        from connectors.whatsapp.examine import examine

        return await examine(self._account, self._host.config.settings.web.public_url)
