"""A survey's own page: signed links that work once, nothing changed by looking, every language, no script."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from html.parser import HTMLParser

import httpx
import pytest
from sqlalchemy import select
from starlette.applications import Starlette

from bot.config import Config
from bot.domain import load_domain
from bot.services import surveys
from bot.storage import Database, now
from bot.storage.migrate import upgrade
from bot.storage.models import Conversation, Survey, SurveyAnswer, SurveyStatus
from bot.survey_links import SurveyLinks
from bot.surveyform import survey_routes
from bot.surveyform.pages import PER_MINUTE
from bot.texts import Texts


@dataclass
class Page:
    """A desk with one survey, and a browser without scripts."""

    database: Database
    config: Config
    client: httpx.AsyncClient
    texts: Texts

    async def asks(self, kind: str = "csat", language: str = "en") -> str:
        """A survey that was sent; the path of its page."""
        async with self.database.begin() as session:
            count = len((await session.scalars(select(Conversation.id))).all())
            chat = Conversation(channel="mail", chat=f"m{count}", user="m", address_key=f"m{count}", language=language)
            session.add(chat)
            await session.flush()
            survey = Survey(
                kind=kind, conversation_id=chat.id, language=language, status=SurveyStatus.SENT, sent_at=now(),
                expires_at=now() + timedelta(hours=72),
            )  # fmt: skip
            session.add(survey)
            await session.flush()
            surveys.renew_link(survey)
            return SurveyLinks(self.config).address(survey).removeprefix("https://desk.example.com")

    async def survey(self) -> Survey:
        """The survey as it is stored."""
        async with self.database.read() as session:
            return (await session.scalars(select(Survey).order_by(Survey.id.desc()).limit(1))).one()


@pytest.fixture
async def page(config: Config) -> AsyncIterator[Page]:
    """The routes on a fresh database."""
    web = config.settings.web.model_copy(update={"public_url": "https://desk.example.com/"})
    config = replace(config, settings=config.settings.model_copy(update={"web": web}))
    database = Database(config.database_url)
    await upgrade(database)
    texts = Texts(load_domain(config.home), config.settings.languages, config.settings.shop)
    app = Starlette(
        routes=survey_routes(database, texts, config, lambda text, _language: -0.5 if "bad" in text else 0.5)
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://desk.test") as client:
        yield Page(database, config, client, texts)
    await database.close()


class _Scores(HTMLParser):
    """The numbers that can be chosen, and the one that is."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.scores: list[int] = []
        self.chosen: int | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "input" and given.get("type") == "radio":
            self.scores.append(int(given["value"] or ""))
            self.chosen = self.scores[-1] if "checked" in given else self.chosen


@pytest.mark.parametrize(("kind", "scores"), [("csat", range(1, 6)), ("nps", range(11)), ("ces", range(1, 8))])
async def test_the_scale_is_the_surveys(page: Page, kind: str, scores: range) -> None:
    """Each kind with its own numbers; a link with a number has it chosen, one off the scale has not."""
    path = await page.asks(kind)
    shown = _Scores((await page.client.get(path)).text)
    assert (shown.scores, shown.chosen) == (list(scores), None)
    assert _Scores((await page.client.get(f"{path}?score=4")).text).chosen == 4
    assert _Scores((await page.client.get(f"{path}?score=99")).text).chosen is None


async def test_looking_changes_nothing(page: Page) -> None:
    """However often a link is opened, by whom ever, with a number in it or not: nothing is stored, no cookie set."""
    path = await page.asks()
    for _ in range(3):
        answer = await page.client.get(f"{path}?score=5")
        assert answer.status_code == 200 and "set-cookie" not in answer.headers
    assert (await page.client.head(path)).status_code == 200
    survey = await page.survey()
    assert (survey.score, survey.status) == (None, SurveyStatus.SENT)


async def test_an_answer_and_its_change(page: Page) -> None:
    """Stored once; the same link again is gone; the link that follows changes it."""
    path = await page.asks()
    sent = await page.client.post(path, data={"score": "2", "comment": " so bad\x00 "})
    assert sent.status_code == 200 and "your comment helps us" in sent.text
    survey = await page.survey()
    assert (survey.score, survey.comment, survey.sentiment) == (2, "so bad", -0.5)
    for again in (await page.client.post(path, data={"score": "5"}), await page.client.get(path)):
        assert again.status_code == 404 and "no longer valid" in again.text
    follows = re.search(r'href="(/survey/[^"]+)"', sent.text)
    assert follows is not None
    assert _Scores((await page.client.get(follows[1])).text).chosen == 2
    changed = await page.client.post(follows[1].partition("?")[0], data={"score": "4", "comment": ""})
    assert "changed your rating to 4" in changed.text
    async with page.database.read() as session:
        assert (await session.scalars(select(SurveyAnswer.score).order_by(SurveyAnswer.id))).all() == [2, 4]
    assert (await page.survey()).comment == "so bad"


async def test_two_at_once_count_once(page: Page) -> None:
    """The same link sent twice at the same time is one answer."""
    import asyncio

    path = await page.asks()
    sent = await asyncio.gather(*(page.client.post(path, data={"score": str(score)}) for score in (1, 2, 3)))
    assert sorted(answer.status_code for answer in sent) == [200, 404, 404]
    async with page.database.read() as session:
        assert len((await session.scalars(select(SurveyAnswer.id))).all()) == 1


@pytest.mark.parametrize("score", ["", "0", "6", "x", "5.5", "٥", "-1"])
async def test_without_a_number_it_asks_again(page: Page, score: str) -> None:
    """The comment is kept on the page, the link stays good, nothing is stored."""
    path = await page.asks()
    answer = await page.client.post(path, data={"score": score, "comment": "<b>hello</b>"})
    assert answer.status_code == 422 and 'role="alert"' in answer.text
    assert "&lt;b&gt;hello" in answer.text and "<b>hello" not in answer.text
    assert (await page.survey()).score is None
    assert (await page.client.post(path, data={"score": "3"})).status_code == 200


async def test_forged_and_old_links(page: Page) -> None:
    """Neither a changed nor an invented link shows anything, nor one of a survey that ended long ago."""
    path = await page.asks()
    for wrong in (f"{path}x", path[:-1], "/survey/abc", "/survey/" + "a" * 5000, "/survey/WzEsIiJd.x"):
        assert (await page.client.get(wrong)).status_code == 404
        assert (await page.client.post(wrong, data={"score": "5"})).status_code == 404
    async with page.database.begin() as session:
        (await session.get_one(Survey, 1)).expires_at = now() - timedelta(days=31)
    assert (await page.client.get(path)).status_code == 404


async def test_after_the_end(page: Page) -> None:
    """Thanked, kept as late, not counted; the link is used up."""
    path = await page.asks()
    async with page.database.begin() as session:
        (await session.get_one(Survey, 1)).expires_at = now() - timedelta(hours=1)
    answer = await page.client.post(path, data={"score": "5"})
    assert answer.status_code == 200 and "has ended" in answer.text
    survey = await page.survey()
    assert (survey.status, survey.score) == (SurveyStatus.EXPIRED, 5)
    assert (await page.client.get(path)).status_code == 404


async def test_too_many_requests(page: Page) -> None:
    """Whoever tries link after link is stopped."""
    codes = [(await page.client.get(f"/survey/guess{number}")).status_code for number in range(PER_MINUTE + 2)]
    assert codes == [404] * PER_MINUTE + [429] * 2


async def test_bodies_that_are_no_form(page: Page) -> None:
    """Too large, not text, too many fields: refused or asked again, never an error."""
    path = await page.asks()
    assert (await page.client.post(path, content=b"x" * 100_000)).status_code == 413
    assert (await page.client.post(path, content=b"\xff\xfe=%zz&score=%ff")).status_code == 422
    assert (await page.client.post(path, content="&".join(f"a{n}=1" for n in range(50)))).status_code == 400


@pytest.mark.parametrize("language", ["en", "es", "zh-Hans"])
async def test_an_answer_that_is_too_large_says_so(page: Page, language: str) -> None:
    """In its own words and the survey's language, not "link used": the link is good, and nothing was stored."""
    path = await page.asks(language=language)
    answer = await page.client.post(path, data={"score": "2", "comment": "x" * 100_000})
    assert answer.status_code == 413 and page.texts.text("utter_survey_form_long", language) in answer.text
    assert page.texts.text("utter_survey_form_gone", language) not in answer.text
    assert (await page.survey()).score is None
    assert (await page.client.post(path, data={"score": "2", "comment": "short"})).status_code == 200
    assert (await page.survey()).score == 2
    # A link that is no good gets the same, in the shop's language.
    answer = await page.client.post("/survey/guess", content=b"x" * 100_000)
    assert answer.status_code == 413 and page.texts.text("utter_survey_form_long", "en") in answer.text


async def test_every_language_and_its_direction(page: Page, config: Config) -> None:
    """The page is in the customer's language, Arabic from right to left, without a script, with its headers."""
    for language in config.settings.languages:
        answer = await page.client.get(await page.asks("nps", language))
        direction = "rtl" if language == "ar" else "ltr"
        assert f'<html lang="{language}" dir="{direction}">' in answer.text
        asked = page.texts.text("utter_survey_nps", language)
        assert asked.replace("&", "&amp;").replace("'", "&#39;") in answer.text
        assert "<script" not in answer.text and "style=" not in answer.text
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
    assert answer.headers["referrer-policy"] == "no-referrer" and answer.headers["cache-control"] == "no-store"
    assert "noindex" in answer.headers["x-robots-tag"]
    style = re.search(r'href="(/survey\.css[^"]*)"', answer.text)
    assert style is not None and (await page.client.get(style[1])).headers["content-type"].startswith("text/css")
