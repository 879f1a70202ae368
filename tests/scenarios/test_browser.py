"""The whole product in real browsers: a customer in the chat, an agent at the desk, a manager with the results."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from bot.app import App
from bot.services import users
from bot.storage.models import Role
from tests.conftest import CHROMIUM, StartDesk
from tests.fakes.serving import serving

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

PASSWORD = "a long password"


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """Chromium without a window."""
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        await chromium.close()


async def visitor(browser: Browser, url: str, locale: str, complaints: list[str]) -> Page:
    """Someone with a browser of this language; what its console complains of is collected."""
    page = await (await browser.new_context(locale=locale)).new_page()
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    await page.goto(url)
    return page


async def says(page: Page, text: str) -> None:
    """Type into the chat and press Enter."""
    await page.fill("#text", text)
    await page.keyboard.press("Enter")


async def test_customer_agent_and_manager(
    start_desk: StartDesk, shop: Callable[[App], Awaitable[None]], browser: Browser
) -> None:
    """An order tracked and cancelled by buttons, a person called, answered from the desk, and rated."""
    app = await start_desk(only=frozenset({"web"}))
    await shop(app)
    async with app.database.begin() as session:
        await users.add(session, "sam", "Sam Agent", PASSWORD, Role.MANAGER)
    complaints: list[str] = []
    async with serving(app.web) as url:
        customer = await visitor(browser, f"{url}/chat", "es-ES", complaints)
        log = customer.locator("#log")
        await says(customer, "hola, ¿dónde está mi pedido 100234?")
        await expect(log).to_contain_text("correo")
        await says(customer, "ana@example.com")
        await expect(log).to_contain_text("RR123456785NL")
        await says(customer, "quiero cancelar el pedido 100235")
        await customer.get_by_role("button", name="Sí, cancelar").click()
        await expect(log).to_contain_text("100235")
        await expect(customer.get_by_role("button", name="Sí, cancelar")).to_have_count(0)
        await says(customer, "quiero hablar con una persona")

        desk = await visitor(browser, f"{url}/desk", "en-GB", complaints)
        await desk.fill("#username", "sam")
        await desk.fill("#password", PASSWORD)
        await desk.keyboard.press("Enter")
        await desk.locator("#queue a").first.click()
        await desk.get_by_role("button", name="Claim").click()
        await expect(desk.locator(".state")).to_contain_text("You have it")
        await desk.wait_for_load_state("load")
        await desk.fill("textarea[name=text]", "Hola Ana, soy Sam. ¿En qué puedo ayudarte?")
        await desk.keyboard.press("Control+Enter")
        await expect(log).to_contain_text("soy Sam")
        await says(customer, "todo resuelto, gracias")
        await expect(desk.locator("main")).to_contain_text("todo resuelto, gracias")
        await desk.get_by_role("button", name="Resolve").click()

        await customer.get_by_role("button", name="5", exact=True).click()
        await says(customer, "muy amable")
        await customer.reload()
        await expect(log).to_contain_text("muy amable")
        await expect(log).to_contain_text("tu comentario nos ayuda")
        await desk.goto(f"{url}/desk/surveys")
        await expect(desk.locator("main")).to_contain_text("100")
        await expect(desk.locator("main")).to_contain_text("muy amable")
        assert complaints == []
