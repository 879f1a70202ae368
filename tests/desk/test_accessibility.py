"""Every page of the desk under axe-core: no serious and no critical finding, contrast included."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, Page, expect

from bot.contracts import Author, Entity
from bot.services import alerts, notes
from bot.storage.models import Translation
from tests.desk import browsing
from tests.desk.browsing import findings, sign_in
from tests.desk.office import PIXEL, Office
from tests.fakes.serving import serving

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 360, "height": 740}


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """Chromium without a window."""
    async with browsing.chromium() as found:
        yield found


async def furnish(office: Office) -> dict[str, int]:
    """Conversations in every state, with everything that can stand in them; by state."""
    picture = office.attachment("shoe.png", "image/png", PIXEL, "photo")
    voice = office.attachment("voice.ogg", "audio/ogg", b"OggS\x00\x02" + b"\x00" * 64, "voice")
    paper = office.attachment("bill.pdf", "application/pdf", b"%PDF-1.7")
    talks = {name: await office.writes(name, f"I am {name}") for name in ("bot", "waiting", "mine", "taken")}
    await office.writes(
        "mine", "where is 100234?", entities=(Entity("order_number", "100234", 9, 15),), files=(picture, voice, paper)
    )
    for author in (Author.BOT, Author.SURVEY, Author.NOTICE):
        await office.says(talks["mine"], "Said so.", author, ("Yes", "No"))
    for name in ("waiting", "mine", "taken"):
        await office.waits(talks[name], minutes_ago=30)
    await office.claims(talks["mine"], "maya")
    await office.claims(talks["taken"], "lars")
    await office.buys(talks["mine"], "Thomas Baker", "100234", "100235")
    await office.complains(talks["mine"], "It came broken.")
    await office.rates(talks["mine"], 5, "good")
    maya = office.people["maya"]
    async with office.database.begin() as session:
        await notes.add(session, talks["mine"], maya, "calls himself Tommy")
        session.add(Translation(message_id=1, language="es", text="Soy bot"))
        await alerts.tell(session, [maya.id], "alert.plain", {}, "/desk/tickets/1")
    return talks


async def looked_at(page: Page, *views: tuple[str, dict[str, int]]) -> list[str]:
    """What is found in a page in each colour scheme and size."""
    found: list[str] = []
    for scheme, size in views:
        # A colour on its way from one theme to the other is no finding.
        await page.emulate_media(color_scheme="dark" if scheme == "dark" else "light", reduced_motion="reduce")
        await page.set_viewport_size({"width": size["width"], "height": size["height"]})
        found += [f"{scheme} {size['width']}: {line}" for line in await findings(page)]
    return found


async def test_no_page_has_a_grave_finding(office: Office, browser: Browser) -> None:
    """Queue, lists, ticket, results, account, search and an error; light on a desktop, dark on a phone."""
    await furnish(office)
    complaints: list[str] = []
    found: list[str] = []
    async with serving(office.app) as url:
        page = await sign_in(browser, url, "maya", complaints)
        for path in (
            "", "/conversations", "/tickets", "/tickets/1", "/surveys", "/profile", "/search?q=broken", "/learning",
            "/voice", "/nowhere",
        ):  # fmt: skip
            await page.goto(f"{url}/desk{path}")
            found += await looked_at(page, ("light", DESKTOP), ("dark", PHONE))
        stranger = await (await browser.new_context()).new_page()
        await stranger.goto(f"{url}/desk/sign-in")
        found += await looked_at(stranger, ("light", DESKTOP), ("dark", PHONE))
    assert found == []


async def test_no_state_of_a_conversation_has_a_grave_finding(office: Office, browser: Browser) -> None:
    """With the bot, waiting, mine, a colleague's: and everything in it that opens."""
    talks = await furnish(office)
    complaints: list[str] = []
    found: list[str] = []
    everywhere = [(scheme, size) for scheme in ("light", "dark") for size in (DESKTOP, PHONE)]
    async with serving(office.app) as url:
        page = await sign_in(browser, url, "maya", complaints)
        for state in ("bot", "waiting", "taken"):
            await page.goto(f"{url}/desk/conversations/{talks[state]}")
            found += await looked_at(page, ("light", DESKTOP), ("dark", PHONE))
        await sign_in(browser, url, "lars", complaints, f"/desk/conversations/{talks['mine']}")
        await page.set_viewport_size({"width": 1280, "height": 900})
        await page.goto(f"{url}/desk/conversations/{talks['mine']}")
        await expect(page.locator(".looker")).to_be_visible()
        await page.locator(".reading summary").first.click()
        found += await looked_at(page, *everywhere)
        await page.set_viewport_size({"width": 1280, "height": 900})
        await page.get_by_role("button", name="Ready-made replies").click()
        found += await looked_at(page, ("light", DESKTOP), ("dark", PHONE))
        await page.keyboard.press("Escape")
        await page.keyboard.press("Tab")
        await page.locator("#scroller").focus()
        await page.keyboard.press("n")
        await page.locator("#bell summary").click()
        found += await looked_at(page, ("light", DESKTOP), ("dark", PHONE))
        await page.locator("details.menu summary").last.click()
        found += await looked_at(page, ("light", DESKTOP), ("dark", PHONE))
        await page.keyboard.press("Escape")
        await page.locator("#scroller").focus()
        await page.keyboard.press("?")
        found += await looked_at(page, ("light", DESKTOP), ("dark", PHONE))
    assert found == []
