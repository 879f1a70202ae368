"""The lists and the search in a real browser: by keyboard, many at once, on a phone."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, expect

from bot.storage.indexing import catch_up
from bot.storage.models import Ticket, TicketStatus
from tests.desk import browsing
from tests.desk.browsing import findings, sign_in
from tests.desk.office import Office
from tests.fakes.serving import serving

pytestmark = pytest.mark.browser


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """Chromium without a window."""
    async with browsing.chromium() as found:
        yield found


async def test_searching_and_changing_many_by_keyboard(office: Office, browser: Browser) -> None:
    """The search by its key, rows chosen by theirs or all at once, the change after a question."""
    for number in range(3):
        await office.complains(await office.writes(f"C{number}", "hi"), f"Order {number} is <b>broken</b>")
    await catch_up(office.database)
    complaints: list[str] = []
    async with serving(office.app) as url:
        page = await sign_in(browser, url, "ana", complaints)
        await page.keyboard.press("/")
        await expect(page.locator("#search")).to_be_focused()
        await page.keyboard.type("brok")
        await page.keyboard.press("Enter")
        await expect(page.locator("mark")).to_have_count(3)
        await page.wait_for_load_state("load")
        await page.locator("h1").click()
        await page.keyboard.press("j")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", name="T-000003")).to_be_visible()

        await page.goto(f"{url}/desk/tickets")
        await page.keyboard.press("j")
        await page.keyboard.press("x")
        await expect(page.locator("[data-picked]")).to_have_text("Selected: 1")
        await page.get_by_label("Select all on this page").check()
        await expect(page.locator("[data-picked]")).to_have_text("Selected: 3")
        await page.select_option("#b-status", "open")
        await page.get_by_role("button", name="Set status").click()
        await expect(page.get_by_text("Customers who will be told: 3.")).to_be_visible()
        assert await findings(page) == []
        await page.get_by_role("button", name="Do it").click()
        await expect(page.get_by_role("status").filter(has_text="Done: 3 of 3.")).to_be_visible()
        await page.get_by_role("link", name="Back to the list").click()
        await expect(page.locator(".badge-status-open")).to_have_count(3)
        assert complaints == []
    async with office.database.read() as session:
        assert (await session.get_one(Ticket, 1)).status is TicketStatus.OPEN


async def test_lists_fit_on_a_phone(office: Office, browser: Browser) -> None:
    """Nothing is wider than the screen."""
    talk = await office.writes("A customer with quite a long name indeed", "word " * 60)
    await office.complains(talk, "broken " * 40)
    await office.waits(talk)
    await catch_up(office.database)
    complaints: list[str] = []
    async with serving(office.app) as url:
        page = await sign_in(browser, url, "ana", complaints)
        await page.set_viewport_size({"width": 360, "height": 740})
        for path in ("", "/conversations", "/tickets?status=new&sort=due", "/search?q=broken"):
            await page.goto(f"{url}/desk{path}")
            wide = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert wide <= 0, path
        assert complaints == []
