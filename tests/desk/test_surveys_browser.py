"""Follow-ups, campaigns and a survey's own page in a real browser: by hand, by keyboard, and under axe-core."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest
from playwright.async_api import Browser, Page, expect
from sqlalchemy import select
from starlette.applications import Starlette

from bot.domain import load_domain
from bot.services import followups, surveys
from bot.storage import now
from bot.storage.models import Alert, Campaign, FollowUp, Survey, SurveyStatus
from bot.survey_links import SurveyLinks
from bot.surveyform import survey_routes
from bot.texts import Texts
from tests.desk import browsing
from tests.desk.browsing import findings, sign_in
from tests.desk.office import Office
from tests.fakes.serving import serving

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

VIEWS = (("light", 1280, 900), ("dark", 1280, 900), ("light", 360, 740), ("dark", 360, 740))


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """Chromium without a window."""
    async with browsing.chromium() as found:
        yield found


async def looked_at(page: Page) -> list[str]:
    """What axe-core finds grave in each colour scheme and size, and whether a phone has to scroll sideways."""
    found: list[str] = []
    for scheme, width, height in VIEWS:
        # A colour on its way from one theme to the other is no finding.
        await page.emulate_media(color_scheme="dark" if scheme == "dark" else "light", reduced_motion="reduce")
        await page.set_viewport_size({"width": width, "height": height})
        found += [f"{scheme} {width}: {line}" for line in await findings(page)]
        if await page.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
            found.append(f"{scheme} {width}: {page.url} is wider than the window")
    await page.set_viewport_size({"width": 1280, "height": 900})
    return found


async def followed_up(office: Office, name: str, score: int = 1, comment: str = "") -> int:
    """A customer gives a low score; the follow-up's id."""
    survey = await office.rates(await office.writes(name, "hello"), score, comment)
    async with office.database.begin() as session:
        own = await session.get_one(Survey, survey.id)
        own.definition = "after-conversation"
        row = await followups.open_for(session, own, office.config.settings)
    assert row is not None
    return row.id


async def test_follow_ups_have_no_grave_finding(office: Office, browser: Browser) -> None:
    """The lists with what is open, late and done; a page that is open, refused a form, closed."""
    first = await followed_up(office, "Tom Baker", 1, "never again")
    late, done = await followed_up(office, "Eva Stone", 2), await followed_up(office, "Max Lind", 2)
    async with office.database.begin() as session:
        (await session.get_one(FollowUp, late)).due_at = now() - timedelta(hours=1)
        await followups.close(session, await session.get_one(FollowUp, done), "not_reached", office.people["maya"])
    complaints: list[str] = []
    found: list[str] = []
    async with serving(office.app) as url:
        page = await sign_in(browser, url, "maya", complaints)
        for path in ("", "?state=overdue", "?state=done", "?whose=mine", f"/{first}", f"/{late}", f"/{done}"):
            await page.goto(f"{url}/desk/follow-ups{path}")
            found += await looked_at(page)
        await page.goto(f"{url}/desk/follow-ups/{first}")
        async with office.database.begin() as session:
            (await session.get_one(FollowUp, first)).owner_id = office.people["lars"].id
        await page.select_option("#assign-to", label="Ana Prieto")
        await page.fill("#assign-note", "I keep this")
        await page.get_by_role("button", name="Assign").click()
        await expect(page.get_by_role("alert")).to_contain_text("Somebody else has taken it meanwhile.")
        await expect(page.locator("#assign-note")).to_have_value("I keep this")
        found += await looked_at(page)
        assert found == []
        assert browsing.told(complaints, "409") == []


async def test_a_follow_up_is_given_to_somebody_and_closed_by_keyboard(office: Office, browser: Browser) -> None:
    """A manager gives it to an agent with a note; the agent finds it among their own and closes it without a mouse."""
    number = await followed_up(office, "Tom Baker", 1, "never again")
    complaints: list[str] = []
    async with serving(office.app) as url:
        page = await sign_in(browser, url, "maya", complaints, f"/desk/follow-ups/{number}")
        await page.select_option("#assign-to", label="Ana Prieto")
        await page.fill("#assign-note", "You know her")
        await page.get_by_role("button", name="Assign").click()
        await expect(page.locator("aside dl")).to_contain_text("Ana Prieto")
        await expect(page.locator(".prose").last).to_contain_text("Maya Okafor → Ana Prieto: You know her")
        own = await sign_in(browser, url, "ana", complaints, "/desk/follow-ups")
        await own.get_by_role("link", name="Tom Baker").focus()
        await own.keyboard.press("Enter")
        # An agent gives nothing to others.
        await expect(own.locator("#assign-to")).to_have_count(0)
        await own.get_by_label("Recovered", exact=True).focus()
        await own.keyboard.press("Space")
        await own.keyboard.press("Tab")
        await own.keyboard.type("sent a voucher")
        await own.keyboard.press("Tab")
        await own.keyboard.press("Enter")
        await expect(own.locator(".page-head")).to_contain_text("Recovered")
        assert complaints == []
    async with office.database.read() as session:
        row = await session.get_one(FollowUp, number)
        told = [(item.user_id, item.key) for item in await session.scalars(select(Alert))]
    assert (row.outcome, row.owner_id) == ("recovered", office.people["ana"].id)
    assert (office.people["ana"].id, "alert.follow_up.assigned") in told


async def test_a_campaign_from_its_audience_to_its_page(office: Office, browser: Browser) -> None:
    """Chosen, looked at, confirmed by typing how many; no page of it with a grave finding."""
    for number, name in enumerate(("Tom", "Eva")):
        await office.buys(await office.writes(name, "hello"), name, f"10020{number}")
    await office.writes("Guest", "hello")
    complaints: list[str] = []
    found: list[str] = []
    async with serving(office.app) as url:
        page = await sign_in(browser, url, "maya", complaints, "/desk/campaigns")
        found += await looked_at(page)
        await page.goto(f"{url}/desk/campaigns/new")
        found += await looked_at(page)
        await page.goto(f"{url}/desk/campaigns/new?definition=campaign-nps&channel=web")
        await expect(page.locator(".big")).to_have_text("2")
        found += await looked_at(page)
        await page.fill("input[name=people]", "3")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("alert").first).to_contain_text("That is not the number of people")
        found += await looked_at(page)
        async with office.database.read() as session:
            assert (await session.scalars(select(Campaign))).all() == []
        await page.goto(f"{url}/desk/campaigns/new?definition=campaign-nps&channel=web")
        await page.fill("input[name=people]", "2")
        await page.keyboard.press("Enter")
        await expect(page).to_have_url(f"{url}/desk/campaigns/1")
        found += await looked_at(page)
        async with office.database.begin() as session:
            first, second = await session.scalars(select(Survey).order_by(Survey.id))
            first.status, first.sent_at = SurveyStatus.SENT, now()
            surveys.refuse(second, "undelivered")
        await page.reload()
        await expect(page.locator("main")).to_contain_text("The question never arrived")
        found += await looked_at(page)
        await page.goto(f"{url}/desk/campaigns")
        found += await looked_at(page)
        assert found == []
        assert browsing.told(complaints, "409") == []


@pytest.mark.parametrize(("language", "kind"), [("en", "csat"), ("ar", "nps"), ("zh-Hans", "ces")])
async def test_the_surveys_page(office: Office, browser: Browser, language: str, kind: str) -> None:
    """Answered by keyboard, without a script; asked, refused, thanked, changed and gone: no grave finding."""
    talk = await office.writes("Tom", "hello")
    web = office.config.settings.web.model_copy(update={"public_url": "https://desk.example.com"})
    config = replace(office.config, settings=office.config.settings.model_copy(update={"web": web}))
    texts = Texts(load_domain(config.home), config.settings.languages, config.settings.shop)
    async with office.database.begin() as session:
        survey = Survey(
            kind=kind, conversation_id=talk, language=language, status=SurveyStatus.SENT, sent_at=now(),
            expires_at=now() + timedelta(hours=72),
        )  # fmt: skip
        session.add(survey)
        await session.flush()
        surveys.renew_link(survey)
        path = SurveyLinks(config).address(survey).removeprefix("https://desk.example.com")
    app = Starlette(routes=survey_routes(office.database, texts, config))
    complaints: list[str] = []
    found: list[str] = []
    async with serving(app) as url:
        page = await (await browser.new_context(java_script_enabled=True)).new_page()
        browsing.listen(page, complaints)
        await page.goto(f"{url}{path}")
        assert await page.evaluate("document.documentElement.lang") == language
        found += await looked_at(page)
        # Nothing chosen: the page says so, in its language.
        await page.evaluate("document.querySelectorAll('[required]').forEach(item => item.required = false)")
        await page.locator("button").click()
        await expect(page.locator("main")).to_contain_text(texts.text("utter_survey_form_choose", language))
        found += await looked_at(page)
        bare = await (await browser.new_context(java_script_enabled=False)).new_page()
        await bare.goto(f"{url}{path}")
        await bare.locator("input[type=radio]").nth(3).focus()
        await bare.keyboard.press("Space")
        await bare.keyboard.press("Tab")
        await bare.keyboard.type("as expected")
        await bare.keyboard.press("Tab")
        await bare.keyboard.press("Enter")
        await expect(bare.locator("main")).to_contain_text(texts.text("utter_survey_thanks_comment", language))
        again = await bare.locator("main a").get_attribute("href")
        await page.goto(f"{url}{again}")
        found += await looked_at(page)
        await page.locator("textarea").evaluate("box => { box.maxLength = 1e6; box.value = 'x'.repeat(200000); }")
        await page.locator("button").click()
        await expect(page.locator("main")).to_contain_text(texts.text("utter_survey_form_long", language))
        found += await looked_at(page)
        await page.goto(f"{url}{path}")
        await expect(page.locator("main")).to_contain_text(
            texts.text("utter_survey_form_gone", config.settings.shop.default_language)
        )
        found += await looked_at(page)
        assert found == []
        assert browsing.told(complaints, "422", "413", "404") == []
    async with office.database.read() as session:
        answered = await session.get_one(Survey, survey.id)
    assert (answered.status, answered.comment) == (SurveyStatus.ANSWERED, "as expected")
