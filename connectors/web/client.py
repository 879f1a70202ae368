"""The web chat's routes: the page, the button for other pages, messages in, events out."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections import deque
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any

import anyio
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pydantic import BaseModel, ConfigDict, field_validator
from sqlalchemy import select
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from bot.contracts import Accept, Attachment, Inbound, Limits, Media, Outgoing, PermanentError
from bot.engine import match_language
from bot.jobs import store_file
from bot.storage.models import Inbox
from bot.texts import SOURCE_LANGUAGE, Interface, catalogue_path, read_catalogue
from connectors import Host
from connectors.web.convert import CHANNEL, MAX_TEXT, external_id, file_to_inbound, to_inbound
from connectors.web.feed import POLL_SECONDS, STOP, Feed, wake_topic
from connectors.web.http import Refused, answering, body_within, busy, options_of, require_json
from connectors.web.links import FileLinks
from connectors.web.session import Session, Sessions
from connectors.web.uploads import MAX_BYTES, SUFFIX, read_upload

HERE = Path(__file__).parent
CATALOGUE = "chat"
MAX_BODY = 64 * 1024
HEARTBEAT_SECONDS = 15
# When the server stops, a stream sees it at its next look, which is less than this away.
GRACE_SECONDS = 2 * POLL_SECONDS
# More than a person can type; a script that floods a chat has to wait.
MESSAGES_PER_MINUTE = 60
FILES_PER_MINUTE = 10
ORIGIN = re.compile(r"https?://(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)*(:\d{1,5})?", re.IGNORECASE)


class Options(BaseModel):
    """``connectors.web``: ``embed_origins`` are the sites whose pages may show the chat."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool = True
    embed_origins: tuple[str, ...] = ()

    @field_validator("embed_origins")
    @classmethod
    def _origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for origin in value:
            if not ORIGIN.fullmatch(origin):
                raise ValueError(f"{origin!r} is not an origin; write https://shop.example.com, without a path")
        return value


class Rate:
    """At most ``count`` events a minute for each key; the memory of this process is enough for that."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._seen: dict[str, deque[float]] = {}

    def take(self, key: str) -> None:
        """Count one event. Raises :class:`Refused` (429) when there have been too many."""
        moment = monotonic()
        if len(self._seen) > 10_000:
            self._seen = {name: times for name, times in self._seen.items() if times[-1] > moment - 60}
        times = self._seen.setdefault(key, deque())
        while times and times[0] <= moment - 60:
            times.popleft()
        if len(times) >= self._count:
            wait = str(int(times[0] + 60 - moment) + 1)
            raise Refused(429, "too_many", "Too many messages; wait a little.", {"Retry-After": wait})
        times.append(moment)


class WebConnector:
    """The web chat (:class:`bot.contracts.Connector`).

    Raises:
        ConfigError: a setting that cannot be used, or a missing catalogue.
    """

    name = CHANNEL
    limits = Limits()

    def __init__(self, host: Host) -> None:
        settings = host.config.settings
        self._database = host.database
        self._files_dir = host.config.files_dir
        self._settings = settings
        self._options = options_of(Options, CHANNEL, settings.connectors.get(CHANNEL, {}))
        key = host.config.secret_key()
        self._sessions = Sessions(key, settings.web.public_url, bool(self._options.embed_origins))
        self._links = FileLinks(key, host.config.files_dir)
        self._words = {language: chat_words(language, settings.shop.name) for language in settings.languages}
        self._template = Environment(
            loader=FileSystemLoader(HERE / "templates"), autoescape=True, undefined=StrictUndefined
        ).get_template("chat.html")
        self._widget = (HERE / "static" / "widget.js").read_text(encoding="utf-8")
        self._version = _version(HERE / "static")
        self._message_rate, self._file_rate = Rate(MESSAGES_PER_MINUTE), Rate(FILES_PER_MINUTE)
        self._accept: Accept | None = None
        self._stopping = False

    # ------------------------------------------------------------------ the connector

    async def start(self, accept: Accept) -> None:
        """Begin to take messages."""
        self._stopping = False
        self._accept = accept

    async def stop(self) -> None:
        """Take no more messages and end the streams; browsers come back by themselves."""
        self._accept = None
        self._stopping = True
        self._database.hub.notify(STOP)

    def parts(self, message: Outgoing) -> int:
        """Each message is one."""
        return 1

    async def send(self, message: Outgoing, part: int = 0) -> str:
        """Nothing to do: the streams read what is committed, now or when the browser comes back."""
        return ""

    async def fetch(self, attachment: Attachment) -> bytes:
        """The bytes of an uploaded file. Raises :class:`PermanentError` when it is gone."""
        path = (self._files_dir / attachment.ref.removeprefix("file:")).resolve()
        if not attachment.ref.startswith("file:") or not path.is_relative_to(self._files_dir.resolve()):
            raise PermanentError("this is no file of the web chat")
        try:
            return await asyncio.to_thread(path.read_bytes)
        except OSError as error:
            raise PermanentError(f"an uploaded file cannot be read: {error.strerror}") from None

    def routes(self) -> list[BaseRoute]:
        """The routes of the chat."""
        return [
            Route("/chat", answering(self._page)),
            Route("/chat/events", answering(self._events)),
            Route("/chat/messages", answering(self._message), methods=["POST"]),
            Route("/chat/files", answering(self._upload), methods=["POST"]),
            Route("/chat/files/{token}", answering(self._file)),
            Route("/widget.js", answering(self._button)),
            Mount("/chat/static", _Static(directory=HERE / "static")),
        ]

    # ------------------------------------------------------------------ pages

    async def _page(self, request: Request) -> Response:
        session = self._sessions.open(request)
        language = match_language(request.query_params.get("lang", ""), self._settings.languages)
        chosen = language
        language = language or self._language(request)
        interface, words = self._words[language]
        page = {
            "words": words,
            "language": language,
            "locale": chosen,
            "shop": self._settings.shop.name,
            "accept": list(SUFFIX),
            "max_file_bytes": MAX_BYTES,
        }
        body = self._template.render(
            page=page,
            words=words,
            language=language,
            direction=interface.locale.text_direction,
            shop=self._settings.shop.name,
            initial=self._settings.shop.name.strip()[:1].upper(),
            embedded=request.query_params.get("embedded") == "1",
            version=self._version,
            max_text=MAX_TEXT,
            accept=",".join(SUFFIX),
        )
        return HTMLResponse(body, headers=self._page_headers() | {"Set-Cookie": self._sessions.set_cookie(session)})

    def _page_headers(self) -> dict[str, str]:
        ancestors = " ".join(["'self'", *self._options.embed_origins])
        policy = (
            "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data: blob:; "
            f"base-uri 'none'; form-action 'self'; frame-ancestors {ancestors}"
        )
        return {
            "Content-Security-Policy": policy,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "same-origin",
            "Cache-Control": "no-store",
            "Vary": "Accept-Language, Cookie",
        }

    async def _button(self, request: Request) -> Response:
        words = self._words[self._language(request)][1]
        shown = {key: words[key] for key in ("open", "close", "frame")}
        literal = json.dumps(shown).replace("<", "\\u003c")
        headers = {
            "Cache-Control": "public, max-age=300",
            "Vary": "Accept-Language",
            "X-Content-Type-Options": "nosniff",
            "Cross-Origin-Resource-Policy": "cross-origin",
        }
        script = self._widget.replace("__WORDS__", literal)
        return Response(script, media_type="text/javascript; charset=utf-8", headers=headers)

    def _language(self, request: Request) -> str:
        wanted = (match_language(tag, self._settings.languages) for tag in accepted_languages(request))
        return next(filter(None, wanted), self._settings.shop.default_language)

    def _locale(self, request: Request) -> str:
        """The first language of the browser's that is spoken here, else its first."""
        tags = accepted_languages(request)
        return next((tag for tag in tags if match_language(tag, self._settings.languages)), tags[0] if tags else "")

    # ------------------------------------------------------------------ in

    async def _message(self, request: Request) -> Response:
        require_json(request)
        self._sessions.require_own_page(request, browser=False)
        session = self._sessions.require(request)
        try:
            body = json.loads(await body_within(request, MAX_BODY))
        except (ValueError, RecursionError):
            raise Refused(400, "bad_body", "The body is not JSON.") from None
        event = to_inbound(session.id, body, self._locale(request))
        self._message_rate.take(session.id)
        return await self._store(session, event)

    async def _upload(self, request: Request) -> Response:
        self._sessions.require_own_page(request, browser=True)
        session = self._sessions.require(request)
        self._file_rate.take(session.id)
        client_id, attachment, data = await read_upload(request)
        event_id = external_id(session.id, client_id)
        async with self._database.read() as reading:
            known = await reading.scalar(
                select(Inbox.id).where(Inbox.channel == CHANNEL, Inbox.external_id == event_id)
            )
        if known is not None:
            return JSONResponse({"status": "known"})
        path = await asyncio.to_thread(store_file, self._files_dir, attachment.name, data)
        stored = Attachment(attachment.kind, f"file:{path}", attachment.name, attachment.mime, attachment.size)
        kept = False
        try:
            response = await self._store(session, file_to_inbound(session.id, event_id, stored, self._locale(request)))
            kept = response.status_code == 201
        finally:
            if not kept:
                # Not committed, or the same upload came twice at once and the other was first.
                await asyncio.to_thread((self._files_dir / path).unlink, missing_ok=True)
        return response

    async def _store(self, session: Session, event: Inbound) -> Response:
        """Commit an event: 201 when it is new, 200 when it was known."""
        if self._accept is None:
            raise busy()
        [stored] = await self._accept([event])
        self._database.hub.notify(wake_topic(session.id))
        if stored is None:
            return JSONResponse({"status": "known"})
        return JSONResponse({"status": "stored"}, 201)

    # ------------------------------------------------------------------ out

    async def _events(self, request: Request) -> Response:
        session = self._sessions.require(request)
        given = (request.headers.get("last-event-id", ""), request.query_params.get("after", ""))
        places = [int(value) for value in given if re.fullmatch(r"[0-9]{1,18}", value)]
        ending = anyio.Event()
        feed = Feed(
            self._database,
            session.id,
            max(places) if places else None,
            self._link(session),
            lambda: self._stopping or ending.is_set(),
        )
        return EventSourceResponse(
            feed.events(),
            ping=HEARTBEAT_SECONDS,
            ping_message_factory=_heartbeat,
            headers={"X-Content-Type-Options": "nosniff"},
            shutdown_event=ending,
            shutdown_grace_period=GRACE_SECONDS,
        )

    def _link(self, session: Session) -> Callable[[Media], str]:
        return lambda media: f"/chat/files/{self._links.token(media, session.id)}"

    async def _file(self, request: Request) -> Response:
        session = self._sessions.require(request)
        return await self._links.serve(request.path_params["token"], session.id)


class _Static(StaticFiles):
    """Static files; a browser asks each time whether its copy is still right, so parts never mix."""

    def file_response(self, *args: Any, **options: Any) -> Response:
        response = super().file_response(*args, **options)
        response.headers["Cache-Control"] = "no-cache"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response


def _heartbeat() -> ServerSentEvent:
    """A comment that keeps proxies from closing the line, and an event that the page can miss."""
    return ServerSentEvent("{}", event="ping", comment="heartbeat")


def _version(folder: Path) -> str:
    """A short name of the present content of a folder's files."""
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def chat_words(language: str, shop: str) -> tuple[Interface, dict[str, str]]:
    """The chat's own words in one language, by key.

    Raises:
        ConfigError: the catalogue ``chat.po`` of the language is missing or broken.
    """
    interface = Interface(language, CATALOGUE)
    source = read_catalogue(catalogue_path(SOURCE_LANGUAGE, CATALOGUE), SOURCE_LANGUAGE)
    keys = [str(message.id) for message in source if message.id]
    return interface, {key: interface(key).replace("{shop}", shop) for key in keys}


def accepted_languages(request: Request) -> list[str]:
    """The languages of ``Accept-Language``, the most wanted first."""
    weighted = []
    for part in request.headers.get("accept-language", "")[:500].split(","):
        tag, _, weight = part.strip().partition(";q=")
        try:
            value = float(weight or 1)
        except ValueError:
            continue
        if re.fullmatch(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*", tag) and value > 0:
            weighted.append((value, tag))
    return [tag for _, tag in sorted(weighted, key=lambda item: -item[0])]
