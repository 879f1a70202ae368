"""Browsers for tests: signed in, with what their console complains of collected."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterable
from typing import Any

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from tests.conftest import CHROMIUM
from tests.desk.office import PASSWORD

# What findings of axe-core are not accepted.
GRAVE = ("serious", "critical")


@contextlib.asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Chromium without a window."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        await browser.close()


def listen(page: Page, complaints: list[str]) -> None:
    """Collect errors and warnings of a page's console, above all violations of the content security policy."""
    page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))


async def fill_in(page: Page, username: str, password: str = PASSWORD) -> None:
    """Fill in the sign-in form that is shown."""
    await page.fill("#username", username)
    await page.fill("#password", password)
    await page.keyboard.press("Enter")


async def sign_in(
    browser: Browser, url: str, username: str, complaints: list[str], path: str = "/desk", **context: Any
) -> Page:
    """A page of the desk in a browser of its own."""
    page = await (await browser.new_context(**context)).new_page()
    listen(page, complaints)
    await page.goto(f"{url}{path}")
    await fill_in(page, username)
    await expect(page.locator("header.top")).to_be_visible()
    await page.wait_for_load_state("load")
    return page


async def forget_session(context: BrowserContext) -> None:
    """The session has run out: the browser has no cookie any more."""
    await context.clear_cookies()


async def findings(page: Page) -> list[str]:
    """What axe-core finds grave in a page as it is, one line each."""
    answer = (await Axe().run(page)).response
    assert answer["passes"], "axe-core looked at nothing"
    return [
        f"{page.url}: {item['id']} ({item['impact']}): {node['target']} {node['html'][:160]}"
        for item in answer["violations"]
        if item["impact"] in GRAVE
        for node in item["nodes"]
    ]


def told(complaints: Iterable[str], *known: str) -> list[str]:
    """The complaints besides those that a test brings about itself."""
    return [text for text in complaints if not any(part in text for part in known)]
