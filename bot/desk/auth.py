"""Who is at the desk: the signed cookie, the forms' tokens, and the brake on guessing passwords."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from itsdangerous import BadData, URLSafeTimedSerializer
from starlette.requests import Request
from starlette.responses import Response

from bot.config import Config
from bot.services import users
from bot.storage import Database

COOKIE = "linguadesk_desk"
LIFETIME_SECONDS = 12 * 3600
TRIES = 5
WINDOW_SECONDS = 15 * 60
# So many names and addresses are remembered; beyond it the longest untouched is forgotten.
REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Session:
    """What the cookie says. ``user_id`` is 0 before signing in; ``nonce`` binds the forms' tokens."""

    user_id: int
    version: int
    nonce: str

    @classmethod
    def start(cls, user_id: int = 0, version: int = 0) -> Session:
        """A new session with a fresh nonce."""
        return cls(user_id, version, secrets.token_urlsafe(18))


class Sessions:
    """Reads and writes the session cookie.

    The signing key is read at the first use, so that building the routes writes nothing.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._secure = urlsplit(config.settings.web.public_url).scheme == "https"
        self._key = ""

    def _secret(self) -> str:
        self._key = self._key or self._config.secret_key()
        return self._key

    def _serializer(self) -> URLSafeTimedSerializer:
        return URLSafeTimedSerializer(
            self._secret(), salt="desk-session", signer_kwargs={"digest_method": hashlib.sha256}
        )

    def read(self, request: Request) -> Session | None:
        """The session of a request; None where the cookie is missing, forged or too old."""
        try:
            data = self._serializer().loads(request.cookies.get(COOKIE, ""), max_age=LIFETIME_SECONDS)
            return Session(int(data["u"]), int(data["v"]), str(data["n"]))
        except (BadData, KeyError, TypeError, ValueError):
            return None

    def write(self, response: Response, session: Session) -> None:
        """Have the browser keep a session for :data:`LIFETIME_SECONDS`."""
        value = self._serializer().dumps({"u": session.user_id, "v": session.version, "n": session.nonce})
        response.set_cookie(
            COOKIE,
            value,
            max_age=LIFETIME_SECONDS,
            path="/desk",
            secure=self._secure,
            httponly=True,
            samesite="lax",
        )

    def clear(self, response: Response) -> None:
        """Have the browser forget the session."""
        response.delete_cookie(COOKIE, path="/desk", secure=self._secure, httponly=True, samesite="lax")

    def token(self, session: Session) -> str:
        """The token that each form of this session carries."""
        return hmac.new(self._secret().encode(), f"desk-form:{session.nonce}".encode(), "sha256").hexdigest()

    def token_fits(self, session: Session, token: str) -> bool:
        """Whether a form's token belongs to this session; compared in constant time."""
        return hmac.compare_digest(self.token(session).encode(), token.encode("utf-8", "replace"))


class Throttle:
    """Stops guessing: after :data:`TRIES` wrong passwords one must wait.

    Kept in this process's memory: a restart forgives, and each process counts for itself.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._tries: dict[tuple[str, str], deque[float]] = {}

    def wait_seconds(self, username: str, address: str) -> float:
        """How long this name must wait at this address; 0 when it may try."""
        tries = self._recent((username, address))
        return max(0.0, tries[0] + WINDOW_SECONDS - self._clock()) if len(tries) >= TRIES else 0.0

    def count(self, username: str, address: str) -> None:
        """Count a try. Called before the password is checked, so that tries side by side count too."""
        key = (username, address)
        tries = self._recent(key)
        tries.append(self._clock())
        self._tries.pop(key, None)
        self._tries[key] = tries
        if len(self._tries) > REMEMBERED:
            self._tries.pop(next(iter(self._tries)))

    def forgive(self, username: str, address: str) -> None:
        """Forget the tries after the right password."""
        self._tries.pop((username, address), None)

    def _recent(self, key: tuple[str, str]) -> deque[float]:
        tries = self._tries.get(key, deque())
        while tries and tries[0] <= self._clock() - WINDOW_SECONDS:
            tries.popleft()
        return tries


async def check_password(database: Database, username: str, password: str) -> tuple[int, int] | None:
    """The id and session version of the active user with this password, or None.

    Checked in a thread with a connection of its own: Argon2 takes long on purpose, and meanwhile
    this process goes on answering.

    Raises:
        StorageError: the database does not answer.
    """
    url = database.url.render_as_string(hide_password=False)

    async def check() -> tuple[int, int] | None:
        own = Database(url)
        try:
            async with own.read() as session:
                user = await users.authenticate(session, username, password)
                return (user.id, user.session_version) if user is not None else None
        finally:
            await own.close()

    return await asyncio.to_thread(lambda: asyncio.run(check()))
