"""Who is chatting: an anonymous session in a signed cookie, and requests of our own page alone."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from urllib.parse import urlsplit

from itsdangerous import BadData, URLSafeTimedSerializer
from starlette.requests import Request

from connectors.web.http import Refused, origin_of

COOKIE = "linguadesk_chat"
COOKIE_PATH = "/chat"
VALID_SECONDS = 90 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Session:
    """One browser's chat. ``id`` is the chat and the user of its address."""

    id: str
    new: bool = False


class Sessions:
    """Reads and writes the cookie.

    Args:
        key: the secret that signs it.
        public_url: the address that customers see; with ``https`` the cookie is ``Secure``.
        embedded: whether other sites show the chat, so that the cookie must work inside their pages.
    """

    def __init__(self, key: str, public_url: str, embedded: bool) -> None:
        self._signer = URLSafeTimedSerializer(key, salt="linguadesk.web-chat")
        self._public_origin = origin_of(public_url)
        secure = self._public_origin.startswith("https://")
        flags = ["HttpOnly"]
        if secure and embedded:
            # Each embedding site gets a jar of its own, so the chat follows nobody from site to site.
            flags += ["Secure", "SameSite=None", "Partitioned"]
        else:
            flags += ["Secure", "SameSite=Lax"] if secure else ["SameSite=Lax"]
        self._flags = "; ".join(flags)

    def read(self, request: Request) -> Session | None:
        """The session of a request; None without a cookie, or with one that is forged or expired."""
        cookie = request.cookies.get(COOKIE, "")
        try:
            found = self._signer.loads(cookie, max_age=VALID_SECONDS)
        except BadData:
            return None
        return Session(found) if isinstance(found, str) else None

    def require(self, request: Request) -> Session:
        """The session of a request. Raises :class:`Refused` (401) without one."""
        session = self.read(request)
        if session is None:
            raise Refused(401, "no_session", "There is no chat session; open the chat page again.")
        return session

    def open(self, request: Request) -> Session:
        """The session of a request, or a new one."""
        return self.read(request) or Session(secrets.token_urlsafe(24), new=True)

    def set_cookie(self, session: Session) -> str:
        """The ``Set-Cookie`` header that keeps a session for another while."""
        value = self._signer.dumps(session.id)
        return f"{COOKIE}={value}; Path={COOKIE_PATH}; Max-Age={VALID_SECONDS}; {self._flags}"

    def require_own_page(self, request: Request, *, browser: bool) -> None:
        """Raises :class:`Refused` (403) for a request that another site's page makes.

        Args:
            request: the request.
            browser: also refuse one that carries no sign of where it comes from. For bodies whose
                type any page may send unasked.
        """
        site = request.headers.get("sec-fetch-site")
        origin = request.headers.get("origin")
        if site is not None and site != "same-origin":
            own = False
        elif origin is not None:
            own = origin.lower() == self._public_origin or urlsplit(origin).netloc == request.headers.get("host")
        else:
            own = site is not None or not browser
        if not own:
            raise Refused(403, "other_origin", "This request does not come from the chat page.")
