"""An agent's whole day in real browsers, on the whole product: a customer in the chat, two agents at the desk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from playwright.async_api import Browser, Page, expect
from sqlalchemy import select

from bot.app import App
from bot.contracts import Owner
from bot.services import users
from bot.storage.models import Conversation, ConversationNote, Handoff, Message, Role, Survey
from tests.conftest import StartDesk
from tests.desk import browsing
from tests.desk.browsing import fill_in, listen, sign_in
from tests.desk.office import PASSWORD
from tests.fakes.serving import serving

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

NOTE = "Internal: third crushed parcel this week, ask the carrier."
ATTACK = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """Chromium without a window."""
    async with browsing.chromium() as found:
        yield found


@pytest.fixture
async def desk(start_desk: StartDesk, shop: Callable[[App], Awaitable[None]]) -> AsyncIterator[tuple[App, str]]:
    """The product with a shop's orders, two agents and a manager, and its address."""
    app = await start_desk(only=frozenset({"web"}))
    await shop(app)
    async with app.database.begin() as session:
        await users.add(session, "sam", "Sam Stone", PASSWORD)
        await users.add(session, "anna", "Anna Lund", PASSWORD)
        await users.add(session, "maya", "Maya Okafor", PASSWORD, Role.MANAGER)
    async with serving(app.web) as url:
        yield app, url


async def customer_of(browser: Browser, url: str, complaints: list[str]) -> Page:
    """A customer with the chat open."""
    page = await (await browser.new_context(locale="en-GB")).new_page()
    listen(page, complaints)
    await page.goto(f"{url}/chat")
    return page


async def says(page: Page, text: str) -> None:
    """Type into the chat and press Enter."""
    await page.fill("#text", text)
    await page.keyboard.press("Enter")
    await expect(page.locator("#log")).to_contain_text(text)


async def waits_for_a_person(page: Page) -> None:
    """Ask for a person, and be told that one comes."""
    before = await page.locator("#log > *").count()
    await says(page, "I want to talk to a human")
    await expect(page.locator("#log > *").nth(before + 1)).to_be_visible()


async def test_from_signing_in_to_back_to_the_bot(desk: tuple[App, str], browser: Browser) -> None:
    """Sign in, claim, note, ready-made reply, own words, resolve, survey answered, and the bot answers again."""
    app, url = desk
    complaints: list[str] = []
    agent = await sign_in(browser, url, "sam", complaints)
    customer = await customer_of(browser, url, complaints)
    log = customer.locator("#log")
    await waits_for_a_person(customer)
    await says(customer, "My parcel came crushed")

    await expect(agent.locator("#queue a.open")).to_have_count(1)
    await agent.keyboard.press("j")
    await agent.keyboard.press("Enter")
    await expect(agent.locator("#messages")).to_contain_text("My parcel came crushed")
    await agent.wait_for_load_state("load")
    await agent.keyboard.press("c")
    await expect(agent.locator(".state")).to_contain_text("You have it")

    await agent.keyboard.press("n")
    await agent.keyboard.type(NOTE)
    await agent.keyboard.press("Control+Enter")
    await expect(agent.locator(".msg-note .bubble")).to_have_text(NOTE)

    await agent.locator("#scroller").focus()
    await agent.keyboard.press("r")
    await agent.keyboard.type("/photo")
    await agent.keyboard.press("Enter")
    await agent.keyboard.press("Control+Enter")
    await expect(log).to_contain_text("Could you please send a photo here that shows the damage clearly?")
    await says(customer, "one moment please")
    await expect(agent.locator("#messages")).to_contain_text("one moment please")
    await agent.locator("#reply").fill("A new one leaves today.")
    await agent.keyboard.press("Control+Enter")
    await expect(log).to_contain_text("A new one leaves today.")
    await agent.locator("#scroller").focus()
    await agent.keyboard.press("e")
    await expect(agent.locator(".state")).to_contain_text("The bot has it")

    await customer.get_by_role("button", name="4", exact=True).click()
    await says(customer, "quick and kind")
    await says(customer, "what payment methods do you accept?")
    await expect(log).to_contain_text("PayPal")
    await expect(log).not_to_contain_text("third crushed parcel")
    manager = await sign_in(browser, url, "maya", complaints, "/desk/surveys")
    await expect(manager.locator("main")).to_contain_text("quick and kind")
    assert complaints == []
    async with app.database.read() as session:
        talk = (await session.scalars(select(Conversation))).one()
        row = (await session.scalars(select(Handoff))).one()
        survey = (await session.scalars(select(Survey))).one()
        assert (talk.owner, row.outcome, survey.score) == (Owner.BOT, "resolved", 4)
        assert (await session.scalars(select(ConversationNote.text))).all() == [NOTE]
        assert NOTE not in (await session.scalars(select(Message.text))).all()


async def test_two_agents_at_once(desk: tuple[App, str], browser: Browser) -> None:
    """Both see each other; one claims, the other is told who has it and keeps the draft; then gets it passed on."""
    app, url = desk
    complaints: list[str] = []
    customer = await customer_of(browser, url, complaints)
    await waits_for_a_person(customer)
    async with app.database.read() as session:
        where = f"/desk/conversations/{(await session.scalars(select(Conversation.id))).one()}"
    sam = await sign_in(browser, url, "sam", complaints, where)
    anna = await sign_in(browser, url, "anna", complaints, where)
    await expect(sam.locator("#people")).to_contain_text("Anna Lund is looking at this.")
    await sam.fill("#reply", "Sam's careful words")
    await expect(anna.locator("#people")).to_contain_text("Sam Stone is writing a reply.")
    await asyncio.gather(*(page.get_by_role("button", name="Claim").click() for page in (sam, anna)))
    for page in (sam, anna):
        await expect(page.locator(".state")).not_to_contain_text("Waiting for a person")
    mine = [await page.get_by_role("button", name="Resolve").count() for page in (sam, anna)]
    assert sorted(mine) == [0, 1]
    first, second = (sam, anna) if mine[0] else (anna, sam)
    await expect(second.get_by_role("button", name="Send", exact=True)).to_have_count(0)
    await expect(sam.locator("#reply")).to_have_value("Sam's careful words")

    await first.locator("#pass-on summary").click()
    await first.get_by_label("To a team or colleague").select_option(label="Anna Lund" if first is sam else "Sam Stone")
    await first.get_by_role("button", name="Pass on").click()
    await expect(first.locator(".state")).to_contain_text("Waiting for a person")
    await expect(second.locator("#bell .count")).to_have_text("1")
    await second.get_by_role("button", name="Claim").click()
    await expect(second.locator(".state")).to_contain_text("You have it")
    await second.fill("#reply", "It is mine now")
    await second.keyboard.press("Control+Enter")
    await expect(customer.locator("#log")).to_contain_text("It is mine now")
    assert complaints == []


async def test_a_session_that_ends_and_markup_that_stays_words(desk: tuple[App, str], browser: Browser) -> None:
    """Signed out mid-reply, signed in again: the draft is there. Script in messages and notes is inert."""
    app, url = desk
    complaints: list[str] = []
    customer = await customer_of(browser, url, complaints)
    await waits_for_a_person(customer)
    await says(customer, ATTACK)
    async with app.database.begin() as session:
        talk = (await session.scalars(select(Conversation))).one()
        talk.name = ATTACK
    agent = await sign_in(browser, url, "sam", complaints, f"/desk/conversations/{talk.id}")
    await expect(agent.locator(".msg-customer .bubble").last).to_have_text(ATTACK)
    await agent.keyboard.press("n")
    await agent.keyboard.type(ATTACK)
    await agent.keyboard.press("Control+Enter")
    await expect(agent.locator(".msg-note .bubble")).to_have_text(ATTACK)
    await agent.locator("#scroller").focus()
    await agent.keyboard.press("r")
    await agent.keyboard.type("Half of a ")
    async with app.database.begin() as session:
        # As changing the password elsewhere does.
        (await session.get_one(users.User, 1)).session_version += 1
    # Slowly: nobody is taken away in the middle of a word, and types the rest of it as a name.
    await agent.keyboard.type("sentence", delay=250)
    await agent.wait_for_url("**/desk/sign-in?next=**")
    await fill_in(agent, "sam")
    await expect(agent.locator("#reply")).to_have_value("Half of a sentence")
    await agent.wait_for_load_state("load")
    await agent.locator("#reply").press("Control+Enter")
    await expect(customer.locator("#log")).to_contain_text("Half of a sentence")
    for page in (agent, customer):
        assert not (await page.title()).startswith("owned")
        assert await page.locator(".bubble img, .bubble script, h1 img, #log img[src=x]").count() == 0
    assert browsing.told(complaints, "401") == []
