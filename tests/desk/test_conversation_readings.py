"""Correcting a misread message: who can, what is offered, what is kept."""

from __future__ import annotations

import asyncio
import html
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, Route, expect
from sqlalchemy import select

from bot.domain import load_domain
from bot.services import corrections, privacy
from bot.services.corrections import CorrectionError
from bot.storage.models import Conversation, Correction, Message
from tests.conftest import ROOT
from tests.desk import browsing
from tests.desk.browsing import sign_in
from tests.desk.office import Office, token_of
from tests.desk.test_words import entries
from tests.fakes.serving import serving


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """Chromium without a window."""
    async with browsing.chromium() as found:
        yield found


async def test_every_intent_has_a_name_in_words() -> None:
    """Agents choose among words, not among codes."""
    names = {f"intent.{name}" for name in load_domain(ROOT).intents}
    assert names <= set(entries("en"))


async def test_a_correction_goes_to_review_and_a_second_one_changes_it(office: Office) -> None:
    """The likely readings come first; what was chosen is kept with what was understood, and shown."""
    talk = await office.writes("Tom", "where is my money?")
    address = f"/desk/conversations/{talk}/messages/1"
    async with office.signed_in("ana") as client:
        menu = await client.get(f"{address}/reading")
        text = html.unescape(menu.text)
        assert text.index('value="ask_shipping"') < text.index('value="refund_status"')
        assert 'value="track_order"' not in text and "Where is my refund" in text
        fields = {"token": token_of(menu), "intent": "ask_shipping"}
        answer = await client.post(f"{address}/correct", data=fields)
        assert answer.headers["location"] == f"/desk/conversations/{talk}?at=1#m1"
        await client.post(f"{address}/correct", data=fields | {"intent": "refund_status"})
        page = html.unescape((await client.get(f"/desk/conversations/{talk}")).text)
        assert "✓ Sent for review: Where is my refund" in page and "Sent for review: About shipping" not in page
    async with office.database.begin() as session:
        (row,) = (await session.scalars(select(Correction))).all()
        assert (row.text, row.language, row.predicted, row.intent) == (
            "where is my money?", "en", "track_order", "refund_status"
        )  # fmt: skip
        assert (row.status, row.confidence, row.agent_id) == ("pending", 0.91, office.people["ana"].id)
        row.status = "learnt"
    async with office.signed_in("ana") as client:
        assert "Learnt: Where is my refund" in html.unescape((await client.get(f"/desk/conversations/{talk}")).text)


async def test_what_cannot_be_corrected_is_refused(office: Office) -> None:
    """Unknown intents, the bot's own words, other conversations' messages, and what was understood already."""
    talk = await office.writes("Tom", "hello")
    other = await office.writes("Eva", "hello")
    await office.says(talk, "hi there")
    async with office.signed_in("ana") as client:
        token = token_of(await client.get("/desk"))

        async def corrected(where: int, message: int, intent: str, token: str = token) -> int:
            address = f"/desk/conversations/{where}/messages/{message}/correct"
            return (await client.post(address, data={"token": token, "intent": intent})).status_code

        assert await corrected(talk, 1, "nonsense") == 400
        assert await corrected(talk, 1, "greet", token="0") == 403
        assert await corrected(talk, 1, "track_order") == 409
        for where, message in ((talk, 3), (other, 1), (talk, 2), (99, 1), (talk, 10**30)):
            assert await corrected(where, message, "greet") == 404, (where, message)
    async with office.database.begin() as session:
        for message in (3, 99):
            with pytest.raises(CorrectionError, match="not_read"):
                await corrections.suggest(session, message, "greet", office.people["ana"])
        assert (await session.scalars(select(Correction))).all() == []


async def test_an_unsure_reading_that_was_right_is_confirmed(office: Office) -> None:
    """It goes to review as a correction does; of one that the bot was sure of nobody needs to say so."""
    talk = await office.writes("Tom", "where is it")
    await office.writes("Tom", "where is my parcel")
    async with office.database.begin() as session:
        message = await session.get_one(Message, 1)
        message.parse = (message.parse or {}) | {"intent": {"name": "track_order", "confidence": 0.41}}
    address = f"/desk/conversations/{talk}/messages"
    async with office.signed_in("ana") as client:
        menu = await client.get(f"{address}/1/reading")
        assert "✓ Understood rightly: Where is my order" in menu.text
        assert "Understood rightly" not in (await client.get(f"{address}/2/reading")).text
        fields = {"token": token_of(menu), "intent": "track_order"}
        assert (await client.post(f"{address}/1/correct", data=fields)).status_code == 303
        assert (await client.post(f"{address}/2/correct", data=fields)).status_code == 409
    async with office.database.read() as session:
        (row,) = (await session.scalars(select(Correction))).all()
        assert (row.message_id, row.predicted, row.intent, row.status) == (1, "track_order", "track_order", "pending")


async def test_corrections_of_who_is_erased_go_too(office: Office) -> None:
    """Their words are kept in no review queue."""
    talk = await office.writes("Tom", "my name is Tom Baker")
    async with office.database.begin() as session:
        await corrections.suggest(session, 1, "greet", office.people["ana"])
        await privacy.erase(session, await session.get_one(Conversation, talk), office.config.files_dir)
        with pytest.raises(CorrectionError, match="not_read"):
            await corrections.suggest(session, 1, "greet", office.people["ana"])
        assert (await session.scalars(select(Correction))).all() == []


async def _late(route: Route) -> None:
    answer = await route.fetch()
    await asyncio.sleep(0.3)
    await route.fulfill(response=answer)


@pytest.mark.browser
async def test_one_click_in_the_browser(office: Office, browser: Browser) -> None:
    """The menu opens in place; one press on what was meant sends it, and every open page shows it."""
    talk = await office.writes("Tom", "where is my money?")
    complaints: list[str] = []
    async with serving(office.app) as url:
        page = await sign_in(browser, url, "ana", complaints, f"/desk/conversations/{talk}")
        other = await sign_in(browser, url, "lars", complaints, f"/desk/conversations/{talk}")
        # The news of the press comes before the answer to it, which closes the menu.
        await page.route("**/correct", _late)
        await page.get_by_text("Correct", exact=True).click()
        await page.get_by_role("button", name="About shipping").click()
        for seen in (page, other):
            await expect(seen.locator("#m1 .fixed")).to_have_text("✓ Sent for review: About shipping")
        await expect(page.locator("details.fix[open]")).to_have_count(0)
        await page.get_by_text("Correct", exact=True).click()
        await page.get_by_label("All others").select_option("refund_status")
        # While one chooses, another is quicker: the message is shown anew, and the menu stays as it is.
        await other.get_by_text("Correct", exact=True).click()
        await other.get_by_label("All others").select_option("request_invoice")
        await other.get_by_role("button", name="Send for review").click()
        for seen in (page, other):
            await expect(seen.locator("#m1 .fixed")).to_have_text("✓ Sent for review: Invoice")
        await expect(page.get_by_label("All others")).to_have_value("refund_status")
        await page.get_by_role("button", name="Send for review").click()
        await expect(other.locator("#m1 .fixed")).to_have_text("✓ Sent for review: Where is my refund")
        await expect(page.locator("details.fix[open]")).to_have_count(0)
        assert await browsing.findings(page) == []
        assert complaints == []
