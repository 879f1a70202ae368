"""What every page of the desk shares: who looks, in which language, with which token and headers."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, quote, urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bot.canned import load_canned
from bot.config import Config
from bot.contracts import Translator
from bot.desk.auth import Session, Sessions, Throttle
from bot.desk.reasons import why
from bot.desk.telling import told
from bot.domain import load_domain
from bot.outbox import Voice
from bot.services import alerts, corrections, teams
from bot.storage import Database, StorageError, reports, talk_reports
from bot.storage.models import Alert, Role, User
from bot.texts import language_name
from bot.words import Words, languages

FOLDER = Path(__file__).parent
STATIC = FOLDER / "static"
# In this order: each may use what the ones before it offer.
SCRIPTS = (
    "vendor/htmx-2.0.11.min.js",
    "vendor/htmx-ext-sse-2.2.4.min.js",
    "desk.js",
    "swap.js",
    "talk.js",
    "drafts.js",
    "canned.js",
    "notify.js",
    "keys.js",
)
MAX_FORM_BYTES = 256 * 1024
MAX_ID = 2**63 - 1
# The page that a form of it was sent from.
ACTED_ON = re.compile(r"/desk/(conversations|tickets)/[0-9]+(?=/)")
ROLES = (Role.AGENT, Role.MANAGER, Role.ADMIN)
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "media-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = {
    "content-security-policy": CSP,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}


class SecurityHeaders:
    """Adds :data:`HEADERS` to every answer that does not set them itself."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, with the headers added."""

        async def adding(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, adding)


class PageError(Exception):
    """A page that cannot be shown; ``kind`` names its words: ``error.<kind>.title`` and ``.text``."""

    def __init__(self, status: int, kind: str) -> None:
        super().__init__(kind)
        self.status = status
        self.kind = kind


NOT_FOUND = (404, "not_found")
FORBIDDEN = (403, "forbidden")
BAD_TOKEN = (403, "token")
TOO_LARGE = (413, "too_large")


@lru_cache(maxsize=64)
def static_url(name: str) -> str:
    """The address of a static file, with its content's hash so that it can be cached for long."""
    return f"/desk/static/{name}?v={hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]}"


def digest(version: str) -> str:
    """A short stand-in for a version text, to be compared only."""
    return hashlib.sha256(version.encode()).hexdigest()[:16]


def alerts_version(rows: Iterable[Alert]) -> str:
    """A short stand-in for what a user has not seen yet."""
    return digest(repr([item.id for item in rows]))


def whole(text: str) -> int | None:
    """The number that a text is, if a row can have it; else None."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def safe_next(target: str) -> str:
    """Where to go after signing in: a page of the desk, nowhere else."""
    parts = urlsplit(target)
    inside = parts.path == "/desk" or parts.path.startswith("/desk/")
    if parts.scheme or parts.netloc or not inside or "\\" in target or parts.path.startswith("/desk/sign"):
        return "/desk"
    return parts.path + (f"?{parts.query}" if parts.query else "")


def from_htmx(request: Request) -> bool:
    """Whether the page's script asked, which takes a part of a page instead of a whole one."""
    return request.headers.get("hx-request") == "true"


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a posted form, the first of each name.

    Raises:
        PageError: it is larger than :data:`MAX_FORM_BYTES`.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_FORM_BYTES:
            raise PageError(*TOO_LARGE)
    fields: dict[str, str] = {}
    for name, value in parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, errors="replace"):
        fields.setdefault(name, value)
    return fields


@dataclass(slots=True)
class Visit:
    """One request with everything known about it; ``user`` is None before signing in."""

    desk: Desk
    request: Request
    session: Session
    words: Words
    user: User | None = None
    waiting: int = 0
    # For managers: how many corrections of the bot's understanding wait for a decision.
    corrections: int = 0
    # What the user has not seen yet, and the newest of what their browser may tell them of.
    alerts: list[Alert] = field(default_factory=list)
    marks: talk_reports.Marks = field(default_factory=lambda: talk_reports.Marks(0, 0))

    @property
    def me(self) -> User:
        """The signed-in user. Only for pages that require one."""
        if self.user is None:
            raise PageError(*FORBIDDEN)
        return self.user

    @property
    def manages(self) -> bool:
        """Whether the user may see what is for managers."""
        return self.user is not None and self.user.role in (Role.MANAGER, Role.ADMIN)

    @property
    def shop(self) -> str:
        """The shop's name."""
        return self.desk.config.settings.shop.name

    def teams(self) -> list[str]:
        """The names of the teams that the user is a member or the lead of."""
        return [team.name for team in teams.of_user(self.desk.config.settings, self.me.username)]

    def id(self, name: str = "id") -> int:
        """A number in the path. Raises :class:`PageError` for one that no row can have."""
        value = int(self.request.path_params[name])
        if value > MAX_ID:
            raise PageError(*NOT_FOUND)
        return value

    def page_number(self) -> int:
        """The ``page`` asked for; 1 for anything that is no page number."""
        text = self.request.query_params.get("page", "1")
        return int(text) if text.isascii() and text.isdigit() and 0 < len(text) < 7 else 1

    async def form(self) -> dict[str, str]:
        """The posted form.

        Raises:
            PageError: its token is missing or belongs to another session, or it is too large.
        """
        fields = await read_form(self.request)
        if not self.desk.sessions.token_fits(self.session, fields.get("token", "")):
            raise PageError(*BAD_TOKEN)
        return fields

    def render(self, template: str, code: int = 200, **context: Any) -> Response:
        """A page or a part of one."""
        shared = {
            "t": self.words,
            "w": self.words,
            "me": self.user,
            "waiting": self.waiting,
            "corrections": self.corrections,
            "manages": self.manages,
            "alerts": told(self.words, self.alerts),
            "alerts_seen": alerts_version(self.alerts),
            "marks": self.marks,
            "token": self.desk.sessions.token(self.session),
            "shop": self.shop,
            "path": self.request.url.path,
            "direction": "rtl" if self.words.locale.text_direction == "rtl" else "ltr",
            "languages": [(code, language_name(code)) for code in languages()],
            "events": "/desk/events",
        }
        html = self.desk.templates.get_template(template).render(shared | context)
        return HTMLResponse(html, code)

    def error(self, error: PageError) -> Response:
        """The friendly page of an error."""
        return self.render("error.html", error.status, kind=error.kind, status=error.status)


Endpoint: TypeAlias = Callable[[Visit], Awaitable[Response]]


class Desk:
    """What the pages work with.

    Args:
        database: where everything is.
        voice: says things to customers.
        config: settings, folders, the signing key.
        translator: translates agents' replies; None where translation is off.
    """

    def __init__(self, database: Database, voice: Voice, config: Config, translator: Translator | None = None) -> None:
        self.database = database
        self.voice = voice
        self.config = config
        self.translator = translator
        self.sessions = Sessions(config)
        self.throttle = Throttle()
        self.canned = load_canned(config.home, config.settings.languages)
        self.intents = load_domain(config.home).intents
        self.templates = Environment(
            loader=PackageLoader("bot.desk"),
            autoescape=True,
            undefined=StrictUndefined,
            # Looking whether each part of a page has changed on disk takes longer than drawing it.
            auto_reload=False,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self.templates.globals["static_url"] = static_url
        self.templates.globals["scripts"] = SCRIPTS
        self.templates.globals["digest"] = digest
        self.templates.globals["why"] = why

    def words(self, language: str) -> Words:
        """The words of one language, with the shop's clock."""
        return Words(language, self.config.settings.shop.timezone)

    def guest_words(self, request: Request) -> Words:
        """The words for someone unknown: the browser's first language that the desk speaks."""
        for item in request.headers.get("accept-language", "").split(",")[:10]:
            tag = item.split(";")[0].strip()
            for code in languages():
                if tag and (code.split("-")[0] == tag.split("-")[0].lower()):
                    return self.words(code)
        return self.words(self.config.settings.shop.default_language)

    async def user_of(self, session: Session | None) -> tuple[User | None, int]:
        """The active user of a session that is still good, and how many conversations wait."""
        if session is None or not session.user_id:
            return None, 0
        async with self.database.read() as reading:
            user = await reports.user_by_id(reading, session.user_id)
            waiting = await reports.waiting_count(reading)
        good = user is not None and user.active and user.session_version == session.version
        return (user if good else None), waiting

    async def _greet(self, visit: Visit) -> None:
        """Look up what the header of a whole page shows; what a page is about has been seen with it."""
        async with self.database.read() as reading:
            visit.alerts = list(await alerts.unseen(reading, visit.me.id))
            visit.marks = await talk_reports.marks(reading, visit.me.id, visit.teams())
            visit.corrections = await corrections.pending_count(reading) if visit.manages else 0
        path = visit.request.url.path
        if visit.request.method == "GET" and any(item.path == path for item in visit.alerts):
            async with self.database.begin() as session:
                await alerts.seen_at(session, visit.me.id, path)
            visit.alerts = [item for item in visit.alerts if item.path != path]

    def signed_in(self, endpoint: Endpoint, minimum: Role = Role.AGENT) -> Callable[[Request], Awaitable[Response]]:
        """A handler that lets only signed-in users of at least this role through."""

        async def handle(request: Request) -> Response:
            session = self.sessions.read(request)
            visit = Visit(self, request, session or Session.start(), self.guest_words(request))
            try:
                user, visit.waiting = await self.user_of(session)
                if user is None:
                    return self._to_sign_in(request)
                visit.user, visit.words = user, self.words(user.language)
                if ROLES.index(user.role) < ROLES.index(minimum):
                    raise PageError(*FORBIDDEN)
                if not from_htmx(request):
                    await self._greet(visit)
                return await endpoint(visit)
            except PageError as error:
                return visit.error(error)
            except StorageError:
                return visit.error(PageError(503, "database"))

        return handle

    def open_to_all(self, endpoint: Endpoint) -> Callable[[Request], Awaitable[Response]]:
        """A handler for the page that one sees before signing in."""

        async def handle(request: Request) -> Response:
            session = self.sessions.read(request) or Session.start()
            visit = Visit(self, request, session, self.guest_words(request))
            try:
                return await endpoint(visit)
            except PageError as error:
                return visit.error(error)
            except StorageError:
                return visit.error(PageError(503, "database"))

        return handle

    @staticmethod
    def _to_sign_in(request: Request) -> Response:
        if from_htmx(request):
            current = urlsplit(request.headers.get("hx-current-url", ""))
            target = safe_next(current.path + (f"?{current.query}" if current.query else ""))
            return Response(status_code=401, headers={"HX-Redirect": f"/desk/sign-in?next={quote(target)}"})
        asked = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        if request.method not in ("GET", "HEAD"):
            # What was typed there is kept, so that is where one goes on.
            page = ACTED_ON.match(request.url.path)
            asked = page[0] if page else "/desk"
        target = safe_next(asked)
        address = "/desk/sign-in" if target == "/desk" else f"/desk/sign-in?next={quote(target)}"
        return RedirectResponse(address, 303)
