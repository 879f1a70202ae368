"""The recogniser that asks a Rasa Open Source 3.6 server, with the embedded one beside it.

Rasa decides the intent and adds the entities it has learnt; the language, and whatever has a check
digit or a normal form (order numbers, days, sums), come from the embedded engine. Whenever the
server does not give a usable answer in time, the embedded engine's answer counts.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any

import httpx
from pybreaker import STATE_HALF_OPEN, CircuitBreaker, CircuitBreakerError
from pydantic import BaseModel, Field, ValidationError
from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from bot.config import Config, RasaSettings
from bot.contracts import Breaker, Entity, Parse, ServerUse
from bot.contracts.text import clean as storable
from nlu.components.segment import segment
from nlu.entities import OVERLAPPING
from nlu.recognizers.embedded import EmbeddedRecognizer, parse_payload
from nlu.text import ENCODE_LIMIT, clean

log = logging.getLogger(__name__)

ENGINE = "rasa"

OWN_ENTITIES = frozenset(
    ("order_number", "tracking_number", "ticket_number", "email", "phone", "date", "amount", "rating", "language")
)
"""Kinds that the embedded engine decides: they are checked and normalised, not only marked."""

PARSE, STATUS = "/model/parse", "/status"
_HALF = re.compile("[\ud800-\udfff]")
_COMMAND = re.compile(r"^(\s*)/")
_REASONS = {
    401: "it refuses the token; LINGUADESK_RASA_TOKEN must be the one that the server was started with",
    403: "it refuses the token; LINGUADESK_RASA_TOKEN must be the one that the server was started with",
    404: "it has no HTTP API; start it with --enable-api",
    409: "it has no model; train one and start it with that",
}
_KINDS = {401: "token", 403: "token", 404: "no_api", 409: "no_model"}
_PASSING = (408, 425, 429)
_PAUSED = "paused"
STEPS_BACK = (
    "timeout",
    "unreachable",
    "token",
    "no_api",
    "no_model",
    "http_error",
    "bad_answer",
    "no_known_intent",
    _PAUSED,
)
"""Why the embedded engine's answer counts, for statistics; ``paused``: Rasa is left alone after failures."""

Share = Annotated[float, Field(ge=0, le=1.001, allow_inf_nan=False)]


class Unanswered(Exception):
    """Rasa gave no usable answer; the text says why and holds nothing that a customer wrote.

    ``kind`` says it in one of :data:`STEPS_BACK`; ``again`` tells whether the same question may be
    answered at a second try.
    """

    def __init__(self, reason: str, kind: str, *, again: bool = False) -> None:
        super().__init__(reason)
        self.kind = kind
        self.again = again


class _Ranked(BaseModel):
    name: str | None = None
    confidence: Share = 0.0


class Found(BaseModel):
    """An entity as Rasa gives it; ``value`` may be any JSON."""

    entity: str
    value: Any
    start: int
    end: int
    extractor: str = ""
    confidence_entity: Share = 1.0


class _Answer(BaseModel):
    """What of Rasa's answer is used."""

    intent: _Ranked
    intent_ranking: list[_Ranked] = Field(default_factory=list)
    entities: list[Found] = Field(default_factory=list)

    def ranking(self, intents: Collection[str]) -> tuple[tuple[str, float], ...]:
        """The known intents, best first. Rasa's ``nlu_fallback`` is none: its share says that the rest is unsure."""
        shares: dict[str, float] = {}
        for item in (self.intent, *self.intent_ranking):
            if item.name in intents:
                shares.setdefault(str(item.name), min(item.confidence, 1.0))
        return tuple(sorted(shares.items(), key=lambda pair: -pair[1]))


@dataclass(frozen=True, slots=True)
class RasaStatus:
    """How things stand: the engine that decides at present, why, and counts of messages.

    ``reason`` is empty while Rasa is in use. ``failures`` counts the messages for which Rasa was
    asked in vain, ``fallbacks`` all that the embedded engine answered, those during a pause included.
    """

    engine: str
    reason: str
    answered: int
    failures: int
    fallbacks: int


class _WithToken(httpx.AsyncHTTPTransport):
    """Adds the token, which Rasa wants in the URL, below everything that writes URLs into logs and errors."""

    def __init__(self, token: str, limits: httpx.Limits) -> None:
        super().__init__(limits=limits)
        self._token = token

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await super().handle_async_request(_signed(request, self._token))


def _signed(request: httpx.Request, token: str) -> httpx.Request:
    if not token:
        return request
    url = request.url.copy_set_param("token", token)
    return httpx.Request(
        request.method, url, headers=request.headers, stream=request.stream, extensions=request.extensions
    )


def client_of(settings: RasaSettings, token: str) -> httpx.AsyncClient:
    """A client for a Rasa server; its log and its errors never hold the token."""
    limits = httpx.Limits(max_connections=settings.connections, max_keepalive_connections=settings.connections)
    return httpx.AsyncClient(
        base_url=settings.url, timeout=settings.timeout_seconds, transport=_WithToken(token, limits)
    )


async def ask(client: httpx.AsyncClient, method: str, path: str, body: Any = None) -> bytes:
    """What the server answers to one request.

    Raises:
        Unanswered: it cannot be reached, is too slow, or answers with an error.
    """
    try:
        response = await client.request(method, path, json=body)
    except httpx.TimeoutException:
        raise Unanswered("it does not answer in time", "timeout", again=True) from None
    except httpx.RequestError as error:
        raise Unanswered(f"it cannot be reached ({type(error).__name__})", "unreachable", again=True) from None
    if response.status_code != httpx.codes.OK:
        code = response.status_code
        reason = _REASONS.get(code, f"it answers with HTTP {code}")
        raise Unanswered(reason, _KINDS.get(code, "http_error"), again=code >= 500 or code in _PASSING)
    return response.content


async def model_of(config: Config) -> str:
    """The file name of the model that the server has loaded.

    Raises:
        Unanswered: the server does not answer as it should, or has no model.
    """
    async with client_of(config.settings.recognizer.rasa, config.rasa_token) as client:
        content = await ask(client, "GET", STATUS)
    try:
        return str(json.loads(content)["model_file"])
    except (ValueError, KeyError, TypeError):
        raise Unanswered("what answers there is not a Rasa server", "bad_answer") from None


class RasaRecognizer:
    """Implements :class:`bot.contracts.Recognizer` over ``POST /model/parse``.

    A message waits for Rasa at most ``timeout_seconds``, retries included. After ``failures``
    messages in a row without an answer Rasa is not asked for ``pause_seconds``; then one message
    tries, while the others go on without.
    """

    def __init__(self, config: Config, embedded: EmbeddedRecognizer) -> None:
        self._settings = settings = config.settings.recognizer.rasa
        self.embedded = embedded
        self.identifier = embedded.identifier
        self.intents = embedded.intents
        self._client = client_of(settings, config.rasa_token)
        self._breaker = CircuitBreaker(
            fail_max=settings.failures, reset_timeout=settings.pause_seconds, throw_new_error_on_trip=False
        )
        self._retrying = AsyncRetrying(
            stop=stop_after_attempt(settings.attempts),
            wait=wait_random_exponential(multiplier=0.05, max=0.5),
            retry=retry_if_exception(lambda error: isinstance(error, Unanswered) and error.again),
            reraise=True,
        )
        self._reason = ""
        self._answered = self._failures = self._since = 0
        self._stepped_back = Counter(dict.fromkeys(STEPS_BACK, 0))

    async def parse(self, text: str, *, language: str = "", today: date | None = None) -> Parse:
        """Understand one message; see :class:`bot.contracts.Recognizer`."""
        if text.startswith("/") and (pressed := parse_payload(text, self.intents)):
            return pressed
        if not clean(text):
            return await self.embedded.parse(text)
        embedded = self.embedded.parse(text, language=language, today=today)
        own, answer = await asyncio.gather(embedded, self._answer(text))
        if answer is None:
            return own
        ranking = answer.ranking(self.intents)
        intent, confidence = ranking[0]
        entities = merged(text, own.entities, answer.entities)
        return Parse(text, intent, confidence, ranking, entities, own.language, ENGINE)

    def status(self) -> RasaStatus:
        """Which engine is in use, and the counts since the start."""
        engine = "embedded" if self._reason else "rasa"
        return RasaStatus(engine, self._reason, self._answered, self._failures, self._stepped_back.total())

    def server_use(self) -> ServerUse:
        """See :class:`bot.contracts.AsksServer`."""
        return ServerUse(Breaker(self._breaker.current_state), dict(self._stepped_back))

    async def close(self) -> None:
        """Close the connections. The embedded engine may serve others: whoever made it closes it."""
        await self._client.aclose()

    async def _answer(self, text: str) -> _Answer | None:
        """Rasa's answer with at least one known intent; None for the embedded engine's turn."""
        if self._breaker.current_state == STATE_HALF_OPEN:
            # One message is trying already; the others need not wait for how that ends.
            self._stepped_back[_PAUSED] += 1
            return None
        try:
            with self._breaker.calling():
                answer = await self._ask(text)
        except CircuitBreakerError:
            self._stepped_back[_PAUSED] += 1
            return None
        except Unanswered as error:
            self._failures += 1
            self._stepped_back[error.kind] += 1
            self._out_of_use(str(error))
            return None
        self._answered += 1
        self._in_use()
        return answer

    async def _ask(self, text: str) -> _Answer:
        body = {"text": sent(text)}
        try:
            async with asyncio.timeout(self._settings.timeout_seconds):
                # A copy: messages that are tried at the same time must not share their count of attempts.
                content: bytes = await self._retrying.copy()(ask, self._client, "POST", PARSE, body)
        except TimeoutError:
            raise Unanswered(f"it does not answer within {self._settings.timeout_seconds:g} s", "timeout") from None
        try:
            answer = _Answer.model_validate_json(content)
        except ValidationError:
            raise Unanswered("its answer is not that of a Rasa server", "bad_answer") from None
        if not answer.ranking(self.intents):
            raise Unanswered(
                "its model knows none of the intents; train it from these project files", "no_known_intent"
            )
        return answer

    def _out_of_use(self, reason: str) -> None:
        if not self._reason:
            self._since = self._stepped_back.total()
            log.warning(
                "Rasa at %s is out of use: %s. The embedded engine answers until it is back.",
                self._settings.url,
                reason,
            )
        self._reason = reason

    def _in_use(self) -> None:
        if self._reason:
            count = self._stepped_back.total() - self._since + 1
            log.info("Rasa at %s is back; messages answered without it: %d", self._settings.url, count)
        self._reason = ""


def sent(text: str) -> str:
    """The text as Rasa gets it: its beginning, each character at its place.

    A slash in front would be read as one of Rasa's commands, and half a character cannot be sent.
    """
    return _COMMAND.sub(r"\1 ", _HALF.sub("\ufffd", text[:ENCODE_LIMIT]))


def merged(text: str, own: Sequence[Entity], found: Iterable[Found]) -> tuple[Entity, ...]:
    """The embedded engine's entities and those that Rasa has learnt, in the order of the text.

    Patterns and lookup tables are the embedded engine's; of Rasa's entities those remain that lie
    on whole words and over nothing else (kinds that may lie over others do).
    """
    kept = [item for item in own if item.extractor != "learnt" or item.entity in OWN_ENTITIES]
    starts, ends = ({place[side] for place in segment(text)} for side in (0, 1))
    for item in found:
        if item.entity in OWN_ENTITIES or item.start not in starts or item.end not in ends or item.start >= item.end:
            continue
        rivals = [
            other
            for other in kept
            if item.entity == other.entity or (item.entity not in OVERLAPPING and other.entity not in OVERLAPPING)
        ]
        if all(other.end <= item.start or item.end <= other.start for other in rivals):
            value = item.value if isinstance(item.value, str) else json.dumps(item.value, ensure_ascii=False)
            sure = min(item.confidence_entity, 1.0)
            kept.append(
                Entity(item.entity, storable(value), item.start, item.end, sure, f"rasa:{item.extractor}".rstrip(":"))
            )
    return tuple(sorted(kept, key=lambda item: (item.start, item.end, item.entity)))
