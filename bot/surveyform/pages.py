"""The page of a survey: shown by GET, which changes nothing; answered by POST, once a link."""

from __future__ import annotations

import hashlib
import logging
from collections import deque
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.parse import parse_qs

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from bot.answers import answer
from bot.config import SCALES, Config
from bot.questionnaire import question_key
from bot.services import surveys
from bot.services.surveys import MAX_COMMENT, Answer
from bot.storage import Database, StorageError
from bot.storage.models import Survey
from bot.survey_links import PATH, SurveyLinks
from bot.texts import Texts, locale_of

log = logging.getLogger(__name__)

HERE = Path(__file__).parent
MAX_BODY = 64 * 1024
# More than a person does; whoever guesses links is slowed down. By the address that the request comes from.
PER_MINUTE = 30
MAX_ADDRESSES = 10_000

Scorer = Callable[[str, str], float]


class SurveyPages:
    """The routes' work.

    Args:
        database: where surveys are.
        texts: the words.
        config: settings and the key that signs links.
        scorer: how a comment in a language sounds, between -1 and 1; None: nobody looks.
    """

    def __init__(self, database: Database, texts: Texts, config: Config, scorer: Scorer | None = None) -> None:
        self._database = database
        self._texts = texts
        self._settings = config.settings
        self._links = SurveyLinks(config)
        self._scorer = scorer
        self._rate = _Rate(PER_MINUTE)
        self._style = (HERE / "static" / "survey.css").read_text(encoding="utf-8")
        self._version = hashlib.sha256(self._style.encode()).hexdigest()[:12]
        self._template = Environment(
            loader=FileSystemLoader(HERE / "templates"), autoescape=True, undefined=StrictUndefined
        ).get_template("survey.html")

    async def style(self, _request: Request) -> Response:
        """The page's style sheet."""
        headers = {"Cache-Control": "public, max-age=86400", "X-Content-Type-Options": "nosniff"}
        return Response(self._style, media_type="text/css; charset=utf-8", headers=headers)

    async def show(self, request: Request) -> Response:
        """The question. Whoever opens the link, a preview of a chat too, changes nothing by it."""
        if not self._rate.take(_client(request)):
            return self._say("utter_survey_form_busy", 429, self._settings.shop.default_language)
        async with self._database.read() as session:
            survey = await self._links.find(session, request.path_params["token"])
            if survey is None:
                return self._say("utter_survey_form_gone", 404, self._settings.shop.default_language)
            return self._page(survey, chosen=request.query_params.get("score", ""))

    async def take(self, request: Request) -> Response:
        """An answer. The link is used up by it; a new one serves to change it for a while."""
        default = self._settings.shop.default_language
        if not self._rate.take(_client(request)):
            return self._say("utter_survey_form_busy", 429, default)
        form = await _form(request)
        if form is None:
            return self._say("utter_survey_form_long", 413, await self._language(request))
        async with self._database.begin() as session:
            survey = await self._links.find(session, request.path_params["token"], lock=True)
            if survey is None:
                return self._say("utter_survey_form_gone", 404, default)
            words = form.get("comment", "").strip()[:MAX_COMMENT]
            score = _score(form.get("score", ""), survey)
            if score is None:
                return self._page(survey, words=words, status=422, problem="utter_survey_form_choose")
            result = await answer(session, survey, score, self._settings)
            if result is Answer.UNKNOWN:
                survey.nonce = ""
                return self._say("utter_survey_form_gone", 410, survey.language)
            if words:
                sounds = self._scorer(words, survey.language) if self._scorer is not None else None
                await surveys.comment(session, survey, words, sounds)
            return self._thanks(survey, result, score, words)

    async def _language(self, request: Request) -> str:
        """That of the survey whose page it is."""
        async with self._database.read() as session:
            survey = await self._links.find(session, request.path_params["token"])
        return survey.language if survey is not None else self._settings.shop.default_language

    def _thanks(self, survey: Survey, result: Answer, score: int, words: str) -> Response:
        language = survey.language
        if result is Answer.LATE:
            survey.nonce = ""
            return self._say("utter_survey_late", 200, language)
        surveys.renew_link(survey)
        again = f"{PATH}/{self._links.token(survey)}?score={score}"
        key = "utter_survey_thanks_comment" if words else "utter_survey_thanks"
        if result is Answer.CHANGED and not words:
            return self._say("utter_survey_changed", 200, language, again=again, rating=score)
        return self._say(key, 200, language, again=again)

    def _page(
        self, survey: Survey, *, chosen: str = "", words: str = "", status: int = 200, problem: str = ""
    ) -> Response:
        language = self._spoken(survey.language)
        low, high = SCALES[survey.kind]
        score = _score(chosen, survey)
        if score is None and not words and survey.score is not None:
            score = survey.score
        return self._html(
            language,
            status,
            asked=self._texts.text(question_key(survey, self._settings.surveys), language),
            scores=range(low, high + 1),
            chosen=score,
            comment=words or survey.comment,
            problem=self._texts.text(problem, language) if problem else "",
            said="",
            again="",
        )

    def _say(self, key: str, status: int, language: str, again: str = "", **params: Any) -> Response:
        language = self._spoken(language)
        said = self._texts.text(key, language, params)
        return self._html(
            language, status, asked="", scores=(), chosen=None, comment="", problem="", said=said, again=again
        )

    def _spoken(self, language: str) -> str:
        return language if language in self._texts.languages else self._texts.default_language

    def _html(self, language: str, status: int, **more: Any) -> Response:
        names = ("title", "comment", "send", "change")
        body = self._template.render(
            language=language,
            direction=locale_of(language).text_direction,
            shop=self._settings.shop.name,
            words={name: self._texts.text(f"utter_survey_form_{name}", language) for name in names},
            style=f"{PATH}.css?{self._version}",
            max_comment=MAX_COMMENT,
            **more,
        )
        policy = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
        headers = {
            "Content-Security-Policy": policy,
            "X-Content-Type-Options": "nosniff",
            "X-Robots-Tag": "noindex, nofollow",
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-store",
        }
        return HTMLResponse(body, status_code=status, headers=headers)


class _Rate:
    """At most ``count`` requests a minute for each client; the memory of this process is enough for that."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._seen: dict[str, deque[float]] = {}

    def take(self, key: str) -> bool:
        """Count one; False when there have been too many."""
        moment = monotonic()
        if len(self._seen) > MAX_ADDRESSES:
            self._seen = {name: times for name, times in self._seen.items() if times[-1] > moment - 60}
        times = self._seen.setdefault(key, deque())
        while times and times[0] <= moment - 60:
            times.popleft()
        if len(times) >= self._count:
            return False
        times.append(moment)
        return True


def _client(request: Request) -> str:
    return request.client.host if request.client is not None else ""


def _score(text: str, survey: Survey) -> int | None:
    low, high = SCALES[survey.kind]
    if not (text.isascii() and text.isdecimal() and len(text) <= 2):
        return None
    return int(text) if low <= int(text) <= high else None


async def _form(request: Request) -> dict[str, str] | None:
    """The fields of a form; None for a body that is larger than any that the page sends."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MAX_BODY:
            return None
    fields = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=20)
    return {name: values[-1].replace("\x00", "") for name, values in fields.items()}


def survey_routes(database: Database, texts: Texts, config: Config, scorer: Scorer | None = None) -> list[BaseRoute]:
    """The routes of surveys' pages; arguments as :class:`SurveyPages`."""
    pages = SurveyPages(database, texts, config, scorer)

    def safe(handler: Callable[[Request], Any]) -> Callable[[Request], Any]:
        async def respond(request: Request) -> Response:
            try:
                response: Response = await handler(request)
            except StorageError as error:
                log.error("a survey's page is refused: %s", error)
                return Response(status_code=503, headers={"Retry-After": "5"})
            except (ClientDisconnect, ValueError):
                return Response(status_code=400)
            return response

        return respond

    return [
        Route(f"{PATH}.css", pages.style),
        Route(PATH + "/{token}", safe(pages.show), methods=["GET"]),
        Route(PATH + "/{token}", safe(pages.take), methods=["POST"]),
    ]
