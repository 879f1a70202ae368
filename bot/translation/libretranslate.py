"""Translation by a LibreTranslate server (https://docs.libretranslate.com), one's own or a hosted one.

A request that fails on its way is tried once more; a server that does not answer several times in a row
is left alone for a while, and so is one that says "too many requests".
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Annotated, Any

import httpx
from pybreaker import CircuitBreaker, CircuitBreakerError
from pydantic import BaseModel, Field, TypeAdapter, ValidationError
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from bot.contracts import LinguadeskError, PermanentError, TemporaryError
from bot.translation.pieces import pieces

NAME = "libretranslate"
TRANSLATE, LANGUAGES, SETTINGS = "/translate", "/languages", "/frontend/settings"
# A server on an ordinary machine translates so much well within the time-out.
PIECE = 1000
LEAST_PIECE = 20
ATTEMPTS = 2
FAILURES = 3
PAUSE_SECONDS = 15.0
# "Too many requests" without a time: the limits of the server are per minute.
SLOW_DOWN_SECONDS = 15.0
MOST_SLOW_DOWN_SECONDS = 600.0
# What the server can do changes only when it is started anew.
KNOWN_SECONDS = 600.0
MAX_ANSWER = 1_000_000
# The codes that a language has had in the server's versions; the first that it knows is used.
CODES: Mapping[str, tuple[str, ...]] = {
    "zh-Hans": ("zh-Hans", "zh", "zh-CN"),
    "zh-Hant": ("zh-Hant", "zt", "zh-TW"),
    "pt": ("pt", "pt-BR", "pb"),
    "nb": ("nb", "no"),
}
_PASSING = (408, 425, 500, 502, 503, 504)


class _Language(BaseModel):
    code: str
    targets: list[str] = Field(default_factory=list)


class _Answer(BaseModel):
    translated: Annotated[str, Field(alias="translatedText")]


class _Failed(TemporaryError):
    """The server failed; another try may go well at once."""


_LANGUAGES = TypeAdapter(list[_Language])


@dataclass(frozen=True, slots=True)
class _Abilities:
    """What the server can do, and how long a text may be; ``until`` is a time of the monotonic clock."""

    targets: Mapping[str, frozenset[str]]
    limit: int
    until: float

    def codes(self, source: str, target: str) -> tuple[str, str] | None:
        """The server's codes for a pair of languages, None if it does not translate between them."""
        for code in CODES.get(source, (source,)):
            for other in CODES.get(target, (target,)):
                if other in self.targets.get(code, ()):
                    return code, other
        return None


def _ours(code: str) -> str:
    """Our code for one of the server's."""
    return next((own for own, theirs in CODES.items() if code in theirs), code)


class LibreTranslate:
    """Implements :class:`bot.contracts.Translator` over LibreTranslate's HTTP API.

    Args:
        url: where the server is.
        key: the key that it asks for; empty if none.
        timeout: seconds that one request may take.
        pause: seconds that a server is left alone which has failed :data:`FAILURES` times in a row.
    """

    name = NAME

    def __init__(self, url: str, key: str = "", timeout: float = 10.0, *, pause: float = PAUSE_SECONDS) -> None:
        self._url, self._key, self._timeout, self._pause = url, key, timeout, pause
        self._client = httpx.AsyncClient(base_url=url, timeout=timeout)
        self._known: _Abilities | None = None
        self._asking = asyncio.Lock()
        self._quiet_until = 0.0
        self._breaker = CircuitBreaker(
            fail_max=FAILURES, reset_timeout=pause, exclude=[_is_answer], throw_new_error_on_trip=False
        )
        self._retrying = AsyncRetrying(
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_random_exponential(multiplier=0.1, max=1.0),
            retry=retry_if_exception_type(_Failed),
            reraise=True,
        )

    async def translate(self, text: str, source: str, target: str) -> str:
        """See :class:`bot.contracts.Translator`; white space at the ends is kept as it is."""
        if source == target or not text.strip():
            return text
        known = await self._abilities()
        codes = known.codes(source, target)
        if codes is None:
            # Perhaps it was started anew meanwhile, with more languages.
            self._known = None
            raise PermanentError(f"the translation server does not translate from {source} into {target}")
        made = []
        for piece, behind in pieces(text, known.limit):
            made += [await self._translated(piece, *codes), behind]
        begin = text[: len(text) - len(text.lstrip())]
        end = text[len(text.rstrip()) :]
        return f"{begin}{''.join(made)}{end}"

    async def _translated(self, text: str, source: str, target: str) -> str:
        body = {"q": text, "source": source, "target": target, "format": "text"}
        content = await self._ask("POST", TRANSLATE, body)
        try:
            answer = _Answer.model_validate_json(content).translated.strip()
        except ValidationError:
            raise TemporaryError("what answers there is not a LibreTranslate server") from None
        if not answer:
            raise TemporaryError("the translation server gave an empty translation")
        return answer

    async def languages(self) -> frozenset[tuple[str, str]]:
        """See :class:`bot.contracts.Translator`; asks the server anew."""
        self._known = None
        known = await self._abilities()
        return frozenset(
            (_ours(source), _ours(target))
            for source, targets in known.targets.items()
            for target in targets
            if _ours(source) != _ours(target)
        )

    async def close(self) -> None:
        """See :class:`bot.contracts.Translator`."""
        await self._client.aclose()

    # ------------------------------------------------------------------ the server

    async def _abilities(self) -> _Abilities:
        async with self._asking:
            if self._known is None or self._known.until < time.monotonic():
                try:
                    listed = _LANGUAGES.validate_json(await self._ask("GET", LANGUAGES))
                except ValidationError:
                    raise TemporaryError("what answers there is not a LibreTranslate server") from None
                targets = {item.code: frozenset(item.targets) for item in listed}
                self._known = _Abilities(targets, await self._limit(), time.monotonic() + KNOWN_SECONDS)
            return self._known

    async def _limit(self) -> int:
        """How long a piece may be; a server that does not say takes :data:`PIECE` characters."""
        try:
            told = TypeAdapter(dict[str, Any]).validate_json(await self._ask("GET", SETTINGS)).get("charLimit")
        except (PermanentError, ValidationError):
            return PIECE
        return max(LEAST_PIECE, min(told, PIECE)) if isinstance(told, int) and told > 0 else PIECE

    async def _ask(self, method: str, path: str, body: dict[str, str] | None = None) -> bytes:
        """What the server answers.

        Raises:
            TemporaryError: it does not, for now.
            PermanentError: it refuses.
        """
        wait = self._quiet_until - time.monotonic()
        if wait > 0:
            raise TemporaryError("the translation server gets too many requests", wait)
        try:
            with self._breaker.calling():
                # A copy: requests at the same time must not share their count of attempts.
                content: bytes = await self._retrying.copy()(self._once, method, path, body)
                return content
        except CircuitBreakerError:
            raise TemporaryError(f"the translation server at {self._url} does not answer", self._pause) from None

    async def _once(self, method: str, path: str, body: dict[str, str] | None) -> bytes:
        if body is not None and self._key:
            body = body | {"api_key": self._key}
        try:
            async with asyncio.timeout(self._timeout):
                response = await self._client.request(method, path, json=body)
        except (httpx.TimeoutException, TimeoutError):
            raise _Failed(f"the translation server at {self._url} does not answer in time") from None
        except httpx.HTTPError as error:
            raise _Failed(f"the translation server at {self._url} cannot be reached ({type(error).__name__})") from None
        if response.status_code == httpx.codes.OK and len(response.content) <= MAX_ANSWER:
            return response.content
        raise self._failure(response)

    def _failure(self, response: httpx.Response) -> LinguadeskError:
        """What an answer other than a good one means. The server's words may hold the text, so they stay out."""
        code = response.status_code
        if code == httpx.codes.TOO_MANY_REQUESTS:
            # Asked on and on it bans whoever asks.
            wait = _retry_after(response)
            self._quiet_until = time.monotonic() + wait
            return TemporaryError("the translation server gets too many requests", wait)
        if code in _PASSING:
            return _Failed(f"the translation server fails with HTTP {code}")
        if code == httpx.codes.FORBIDDEN:
            return PermanentError("the translation server refuses the key; set LIBRETRANSLATE_API_KEY")
        if code == httpx.codes.BAD_REQUEST and not self._key:
            # This is also how it asks for a key.
            return PermanentError("the translation server refuses the request; does it want LIBRETRANSLATE_API_KEY?")
        return PermanentError(f"the translation server refuses the request with HTTP {code}")


def _is_answer(error: BaseException) -> bool:
    """Whether a failure shows that the server is at work: then it is not left alone for it."""
    return not isinstance(error, _Failed)


def _retry_after(response: httpx.Response) -> float:
    """The seconds that a server wants to be left alone."""
    told = response.headers.get("retry-after", "").strip()
    wait = SLOW_DOWN_SECONDS
    if told.isascii() and told.isdigit():
        wait = float(told)
    elif told:
        with contextlib.suppress(ValueError):
            wait = parsedate_to_datetime(told).timestamp() - time.time()
    return min(max(wait, 1.0), MOST_SLOW_DOWN_SECONDS)
