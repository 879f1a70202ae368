"""The desk in a real browser: one agent's morning, live, under the strict content security policy."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from bot.contracts import Author, Owner
from bot.storage.models import Conversation, Outbox
from tests.desk.office import PASSWORD, Office
from tests.fakes.serving import serving

pytestmark = pytest.mark.browser


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """Debian's Chromium without a window."""
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        yield chromium
        await chromium.close()


async def sign_in(browser: Browser, url: str, username: str, complaints: list[str]) -> Page:
    """A signed-in page; what its console complains of is collected."""
    page = await (await browser.new_context()).new_page()
    page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    await page.goto(f"{url}/desk")
    await page.fill("#username", username)
    await page.fill("#password", PASSWORD)
    await page.keyboard.press("Enter")
    await expect(page.locator("#queue")).to_be_visible()
    await page.wait_for_load_state("load")
    return page


async def test_an_agents_morning(office: Office, browser: Browser) -> None:
    """A customer comes into the queue by herself; the agent opens, claims, answers and resolves by keyboard."""
    complaints: list[str] = []
    async with serving(office.app) as url:
        page = await sign_in(browser, url, "ana", complaints)
        await expect(page.get_by_text("Nobody is waiting.")).to_be_visible()
        talk = await office.writes("Tom Baker", "My box arrived crushed")
        await office.waits(talk)
        await expect(page.get_by_role("link", name="Tom Baker")).to_be_visible()
        assert (await page.title()).startswith("(1) Queue")
        await expect(page.locator("#nav-waiting")).to_contain_text("1")

        await page.keyboard.press("j")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", name="Tom Baker")).to_be_visible()
        await page.wait_for_load_state("load")
        await page.get_by_role("button", name="Claim").click()
        await expect(page.locator(".state")).to_contain_text("You have it")

        await page.locator(".talk-head").click()
        await page.keyboard.press("r")
        await page.keyboard.type("I am so")
        await page.locator("#r1 summary").click()
        await page.locator("#reply").focus()
        await office.writes("Tom Baker", "It is <b>really</b> broken")
        await expect(page.get_by_text("It is <b>really</b> broken", exact=True)).to_be_visible()
        await expect(page.locator("#announcer")).to_contain_text("really")
        assert await page.input_value("#reply") == "I am so"
        assert await page.locator("#r1").evaluate("item => item.open")
        await expect(page.locator("#reply")).to_be_focused()
        await page.keyboard.press("End")
        await page.keyboard.type("rry!")
        await page.keyboard.press("Control+Enter")
        await expect(page.locator(".msg-agent .bubble")).to_have_text("I am sorry!")
        await expect(page.locator("#reply")).to_have_value("")
        await expect(page.locator(".msg-agent .delivery")).to_contain_text("Queued")

        await page.get_by_role("button", name="Resolve").click()
        await expect(page.locator(".state")).to_contain_text("The bot has it")
        await expect(page.get_by_role("button", name="Send", exact=True)).to_have_count(0)
        assert complaints == []
    async with office.database.read() as session:
        assert (await session.get_one(Conversation, talk)).owner is Owner.BOT
        reply = await session.get_one(Outbox, 1)
        assert (reply.author, reply.body["text"]) == (Author.AGENT, "I am sorry!")


async def test_the_second_agent_sees_at_once_who_has_it(office: Office, browser: Browser) -> None:
    """Two have the page open: when one claims, the other's buttons go, the draft stays."""
    talk = await office.writes("Tom", "help")
    await office.waits(talk)
    complaints: list[str] = []
    async with serving(office.app) as url:
        page = await sign_in(browser, url, "lars", complaints)
        await page.goto(f"{url}/desk/conversations/{talk}")
        await page.fill("#reply", "My careful draft")
        await office.claims(talk, "ana")
        await expect(page.locator(".state")).to_contain_text("Ana Prieto has it")
        await expect(page.get_by_role("button", name="Claim")).to_have_count(0)
        await expect(page.get_by_role("button", name="Send", exact=True)).to_have_count(0)
        assert await page.input_value("#reply") == "My careful draft"
        await page.reload()
        await expect(page.locator("#reply")).to_have_value("My careful draft")
        assert complaints == []


async def test_a_refusal_is_shown_in_place(office: Office, browser: Browser) -> None:
    """Sending nothing is answered beside the reply, without leaving the page."""
    talk = await office.writes("Tom", "help")
    await office.waits(talk)
    complaints: list[str] = []
    async with serving(office.app) as url:
        page = await sign_in(browser, url, "ana", complaints)
        await page.goto(f"{url}/desk/conversations/{talk}")
        await page.fill("#reply", "   ")
        await page.get_by_role("button", name="Send", exact=True).click()
        await expect(page.get_by_role("alert")).to_have_text("Write something first.")
        await page.fill("#reply", "Hello!")
        await page.get_by_role("button", name="Send", exact=True).click()
        await expect(page.locator(".msg-agent .bubble")).to_have_text("Hello!")
        await expect(page.get_by_role("alert")).to_be_empty()
        await expect(page.locator("#reply")).to_have_value("")
        await expect(page.locator("#reply")).to_be_focused()
        await page.reload()
        await expect(page.locator("#reply")).to_have_value("")
        assert complaints == []


async def test_hostile_words_stay_words(office: Office, browser: Browser) -> None:
    """A script in a name or a message does not run, on first sight or when it arrives live."""
    attack = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
    complaints: list[str] = []
    talk = await office.writes(attack, attack)
    await office.waits(talk)
    async with serving(office.app) as url:
        page = await sign_in(browser, url, "ana", complaints)
        await page.goto(f"{url}/desk/conversations/{talk}")
        await office.writes(attack, attack + " live")
        await expect(page.locator(".bubble").last).to_have_text(attack + " live")
        assert "owned'" in await page.title() and not (await page.title()).startswith("owned")
        assert await page.locator(".bubble img, .bubble script, h1 img").count() == 0
        assert complaints == []


async def test_the_desk_fits_a_phone_and_help_opens_by_key(office: Office, browser: Browser) -> None:
    """No page scrolls sideways at 360 pixels; ``?`` opens the help, and single keys can be switched off."""
    talk = await office.writes("A rather long name of a customer, Junior", "w" * 300)
    await office.waits(talk)
    await office.complains(talk, "broken " * 40)
    await office.rates(talk, 5, "good")
    complaints: list[str] = []
    async with serving(office.app) as url:
        page = await sign_in(browser, url, "maya", complaints)
        await page.set_viewport_size({"width": 360, "height": 740})
        for path in ("", f"/conversations/{talk}", "/conversations", "/tickets", "/tickets/1", "/surveys"):
            await page.goto(f"{url}/desk{path}")
            width = await page.evaluate("document.documentElement.scrollWidth")
            assert width <= 360, (path, width)
        await page.keyboard.press("?")
        await expect(page.get_by_role("dialog")).to_be_visible()
        await page.get_by_label("Use single-key shortcuts").uncheck()
        await page.get_by_role("button", name="Close").click()
        await page.keyboard.press("?")
        await expect(page.get_by_role("dialog")).to_be_hidden()
        assert complaints == []
