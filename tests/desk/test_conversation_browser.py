"""The page of a conversation in a real browser: keys, ready-made replies, drafts, colleagues, notifications."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, Route, expect
from sqlalchemy import func, select

from bot.services import alerts, handoff
from bot.storage.models import ConversationNote, Draft, Outbox
from tests.desk import browsing
from tests.desk.browsing import sign_in
from tests.desk.office import PIXEL, Office
from tests.fakes.serving import serving

pytestmark = pytest.mark.browser


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """Chromium without a window."""
    async with browsing.chromium() as found:
        yield found


class Late:
    """Answers that reach the page only when they are let go; what they answer is done at once."""

    def __init__(self) -> None:
        self.asked = 0
        self.go = asyncio.Event()

    async def __call__(self, route: Route) -> None:
        """Handle a request of the page."""
        self.asked += 1
        response = await route.fetch()
        await self.go.wait()
        await route.fulfill(response=response)


@pytest.mark.parametrize("claimed", [True, False])
async def test_an_answer_that_comes_late_takes_nothing(office: Office, browser: Browser, claimed: bool) -> None:
    """What is typed, and the place one has gone to, while the server still answers the last reply stay.

    Also where that reply claims the conversation, so that what comes live changes what the page offers.
    """
    talk = await office.writes("Tom", "help")
    await office.waits(talk, minutes_ago=5)
    late = Late()
    async with serving(office.app) as url:
        page = await sign_in(browser, url, "ana", [], f"/desk/conversations/{talk}")
        # As on a slow machine: what has come live is used before htmx has settled it.
        await page.evaluate("htmx.config.defaultSettleDelay = 1500")
        if claimed:
            await page.keyboard.press("c")
            await expect(page.locator(".state")).to_contain_text("You have it")
        await page.route("**/reply", late)
        await page.keyboard.press("r")
        await page.keyboard.type("First")
        await page.keyboard.press("Control+Enter")
        await expect(page.locator(".msg-agent .bubble")).to_have_text("First")
        await expect(page.locator(".state")).to_contain_text("You have it")
        await page.keyboard.type(", and")
        await page.set_input_files("#attach", {"name": "shoe.png", "mimeType": "image/png", "buffer": PIXEL})
        await page.locator("#scroller").focus()
        async with page.expect_response("**/reply"):
            late.go.set()
        await expect(page.locator("#reply")).to_have_value(", and")
        await expect(page.locator("#attached")).to_contain_text("shoe.png")
        await expect(page.locator("#scroller")).to_be_focused()
        await page.keyboard.press("r")
        await page.keyboard.type(" second")
        async with page.expect_response("**/reply"):
            await page.keyboard.press("Control+Enter")
        await expect(page.locator(".msg-agent .bubble").last).to_have_text(", and second")
        await expect(page.locator(".msg-agent").last.get_by_role("img")).to_have_count(1)
        await expect(page.locator("#reply")).to_have_value("")
        await expect(page.locator("#reply")).to_be_focused()
        await expect(page.locator("#attached")).to_be_hidden()
        await expect(page.locator("#live")).to_have_count(1)


@pytest.mark.parametrize("act", ["Claim", "Resolve"])
async def test_a_button_that_is_gone_when_its_answer_comes(office: Office, browser: Browser, act: str) -> None:
    """What came live has replaced it; the answer takes its place in the page all the same, once."""
    talk = await office.writes("Tom", "help")
    await office.waits(talk)
    if act == "Resolve":
        await office.claims(talk, "ana")
    late = Late()
    complaints: list[str] = []
    async with serving(office.app) as url:
        page = await sign_in(browser, url, "ana", complaints, f"/desk/conversations/{talk}")
        await page.route(f"**/{act.lower()}", late)
        await page.keyboard.press("n")
        await page.keyboard.type("half a note")
        await page.get_by_role("button", name=act).click()
        await expect(page.get_by_role("button", name=act)).to_have_count(0)
        async with page.expect_response(f"**/{act.lower()}"):
            late.go.set()
        await office.writes("Tom", "one thing more")
        await expect(page.locator(".msg-customer .bubble")).to_have_text(["help", "one thing more"])
        await expect(page.locator("#live")).to_have_count(1)
        await expect(page.locator("#note")).to_have_value("half a note")
        assert complaints == []


async def test_an_answer_that_is_lost_is_no_second_reply(office: Office, browser: Browser) -> None:
    """The reply has gone out, the page does not hear of it: pressed again, or found in the field on coming back,
    it is not sent twice."""
    talk = await office.writes("Tom", "help")
    await office.waits(talk)
    complaints: list[str] = []
    address = f"/desk/conversations/{talk}"

    async def lost(route: Route) -> None:
        await route.fetch()
        await route.abort()

    async with serving(office.app) as url:
        page = await sign_in(browser, url, "ana", complaints, address)
        reply, replies = page.locator("#reply"), page.locator(".msg-agent .bubble")
        await page.route("**/reply", lost, times=1)
        # A draft that is still to be kept would tell the page that it was sent.
        async with page.expect_response("**/drafts"):
            await reply.fill("Just once")
        await reply.press("Control+Enter")
        await expect(page.locator("#net")).to_contain_text("it is not sent twice")
        await expect(reply).to_have_value("Just once")
        async with page.expect_response("**/reply"):
            await reply.press("Control+Enter")
        await expect(reply).to_have_value("")
        await expect(page.locator("#net")).to_be_hidden()
        await expect(replies).to_have_text(["Just once"])
        # What is written on after a lost answer is kept as a piece of its own.
        await page.route("**/reply", lost, times=1)
        async with page.expect_response("**/drafts"):
            await reply.fill("And this")
        await reply.press("Control+Enter")
        await expect(page.locator("#net")).to_contain_text("it is not sent twice")
        await reply.press("End")
        async with page.expect_response(lambda answer: answer.url.endswith("/drafts") and answer.status == 204):
            await page.keyboard.type(" too")
        elsewhere = await sign_in(browser, url, "ana", complaints, address)
        await expect(elsewhere.locator("#reply")).to_have_value("And this too")
        await reply.fill("")
        # Away before the answer has come, and back.
        await page.route("**/reply", Late(), times=1)
        await reply.fill("On the way")
        await reply.press("Control+Enter")
        await expect(replies).to_have_text(["Just once", "And this", "On the way"])
        await page.goto(f"{url}/desk")
        await page.goto(url + address)
        await expect(reply).to_have_value("")
        await page.reload()
        await expect(reply).to_have_value("")
        # The browser does not bring back what has been sent either.
        await reply.fill("Gone")
        await reply.press("Control+Enter")
        await expect(replies.last).to_have_text("Gone")
        await expect(reply).to_have_value("")
        await page.goto(f"{url}/desk")
        await page.go_back()
        await expect(replies.last).to_have_text("Gone")
        await expect(reply).to_have_value("")
        assert browsing.told(complaints, "ERR_FAILED", "htmx:") == []
    async with office.database.read() as session:
        sent = [row.body["text"] for row in await session.scalars(select(Outbox).order_by(Outbox.id))]
        assert sent == ["Just once", "And this", "On the way", "Gone"]
        assert await session.scalar(select(func.count()).select_from(Draft)) == 0


async def test_pressed_again_while_it_is_sent(office: Office, browser: Browser) -> None:
    """The same words go out once, without a complaint about an empty field; others follow when the first are out."""
    talk = await office.writes("Tom", "help")
    await office.waits(talk)
    complaints: list[str] = []
    async with serving(office.app) as url:
        page = await sign_in(browser, url, "ana", complaints, f"/desk/conversations/{talk}")
        reply, replies = page.locator("#reply"), page.locator(".msg-agent .bubble")
        first, second = Late(), Late()
        await page.route("**/reply", first)
        await reply.fill("Once")
        for _ in range(3):
            await reply.press("Control+Enter")
        async with page.expect_response("**/reply"):
            first.go.set()
        await expect(reply).to_have_value("")
        await page.route("**/reply", second)
        await reply.fill("More")
        await reply.press("Control+Enter")
        await expect(replies).to_have_text(["Once", "More"])
        await reply.press("End")
        await page.keyboard.type(" and more")
        await reply.press("Control+Enter")
        second.go.set()
        await expect(replies).to_have_text(["Once", "More", " and more"])
        await expect(reply).to_have_value("")
        await expect(page.get_by_role("alert")).to_be_empty()
        assert (first.asked, second.asked) == (1, 2)
        assert complaints == []


async def test_all_by_keyboard(office: Office, browser: Browser) -> None:
    """``c`` claims, ``n`` writes a note, ``r`` a reply, ``e`` resolves, ``]`` goes on, ``g q`` and ``g t`` go there."""
    talk = await office.writes("Tom", "help")
    await office.waits(talk, minutes_ago=5)
    second = await office.writes("Eva", "me too")
    await office.waits(second)
    complaints: list[str] = []
    async with serving(office.app) as url:
        page = await sign_in(browser, url, "ana", complaints)
        await page.keyboard.press("]")
        await page.wait_for_url(f"**/desk/conversations/{talk}")
        await page.keyboard.press("c")
        await expect(page.locator(".state")).to_contain_text("You have it")
        await page.keyboard.press("n")
        await expect(page.locator("#note")).to_be_focused()
        await expect(page.locator("#reply")).to_be_hidden()
        await page.keyboard.type("calls himself Tommy")
        await page.keyboard.press("Control+Enter")
        await expect(page.locator(".msg-note .bubble")).to_have_text("calls himself Tommy")
        await expect(page.locator("#note")).to_have_value("")
        await page.locator("#scroller").focus()
        await page.keyboard.press("r")
        await expect(page.locator("#reply")).to_be_focused()
        await page.keyboard.type("Hello e c n ] Tommy")
        await page.keyboard.press("Control+Enter")
        await expect(page.locator(".msg-agent .bubble")).to_have_text("Hello e c n ] Tommy")
        await page.locator("#scroller").focus()
        await page.keyboard.press("e")
        await expect(page.locator(".state")).to_contain_text("The bot has it")
        await page.keyboard.press("]")
        await page.wait_for_url(f"**/desk/conversations/{second}")
        for keys, address in (("gt", "**/desk/tickets"), ("gq", "**/desk")):
            for key in keys:
                await page.keyboard.press(key)
            await page.wait_for_url(address)
        await page.keyboard.press("?")
        await expect(page.get_by_role("dialog")).to_contain_text("Write an internal note")
        await page.get_by_label("Use single-key shortcuts").uncheck()
        await page.get_by_role("button", name="Close").click()
        await page.goto(f"{url}/desk/conversations/{second}")
        await page.keyboard.press("c")
        await page.keyboard.press("n")
        await expect(page.locator("#note")).to_be_hidden()
        await expect(page.locator(".state")).to_contain_text("Waiting for a person")
        assert complaints == []
    async with office.database.read() as session:
        assert [row.text for row in await session.scalars(select(ConversationNote))] == ["calls himself Tommy"]


async def test_ready_made_replies_by_slash(office: Office, browser: Browser) -> None:
    """At the beginning ``/`` opens them; what is typed searches; arrows move, Enter and Tab insert, Escape closes."""
    talk = await office.writes("Tom Baker", "help")
    await office.waits(talk)
    complaints: list[str] = []
    async with serving(office.app) as url:
        page = await sign_in(browser, url, "ana", complaints, f"/desk/conversations/{talk}")
        reply, words = page.locator("#reply"), page.get_by_role("combobox", name="Search the ready-made replies")
        options = page.locator("#canned-list")
        await page.keyboard.press("r")
        await page.keyboard.type("/refund")
        await expect(words).to_be_focused()
        await expect(options.get_by_role("option")).to_have_count(1)
        await expect(options.get_by_role("option", selected=True)).to_contain_text("Refund on its way")
        chosen = await options.get_by_role("option", selected=True).get_attribute("id")
        assert await words.get_attribute("aria-activedescendant") == chosen
        await page.keyboard.press("Enter")
        await expect(words).to_be_hidden()
        await expect(reply).to_have_value("Your refund is on its way. It will reach you within 3 to 5 working days, "
                                          "by the same means as you paid.")  # fmt: skip
        await expect(reply).to_be_focused()
        await page.keyboard.type(" 1/2")
        await expect(words).to_be_hidden()
        await reply.fill("")
        await page.keyboard.type("/")
        count = await options.get_by_role("option").count()
        assert count >= 8
        await page.keyboard.press("ArrowDown")
        await page.keyboard.press("ArrowUp")
        await page.keyboard.press("ArrowUp")
        await expect(options.get_by_role("option").last).to_have_attribute("aria-selected", "true")
        await page.keyboard.press("ArrowDown")
        await page.keyboard.press("Tab")
        greeting = f"Hello Tom Baker, this is Ana Prieto from {office.config.settings.shop.name}. I have read"
        assert (await reply.input_value()).startswith(greeting)
        await reply.fill("")
        await page.keyboard.type("/nothing like it")
        await expect(page.locator("#canned-none")).to_have_text("No reply fits.")
        await page.keyboard.press("Enter")
        await page.keyboard.press("Escape")
        await expect(words).to_be_hidden()
        await expect(reply).to_have_value("")
        await page.keyboard.type("//really")
        await expect(reply).to_have_value("/really")
        await page.get_by_role("button", name="Ready-made replies").click()
        await options.get_by_role("option").nth(1).click()
        await expect(reply).to_have_value("/reallyI'm sorry that you had to wait, and thank you for your patience. "
                                          "I'm here for you now.")  # fmt: skip
        assert complaints == []


async def test_a_session_that_ends_mid_reply_loses_nothing(office: Office, browser: Browser) -> None:
    """Signing in again leads back to the page, with every word, also those that the server had not got yet."""
    talk = await office.writes("Tom", "help")
    await office.waits(talk)
    complaints: list[str] = []
    async with serving(office.app) as url:
        page = await sign_in(browser, url, "ana", complaints, f"/desk/conversations/{talk}")
        await page.keyboard.press("r")
        async with page.expect_response("**/desk/drafts"):
            await page.keyboard.type("A long and careful")
        await browsing.forget_session(page.context)
        await page.keyboard.type(" answer")
        await page.keyboard.press("Control+Enter")
        await page.wait_for_url("**/desk/sign-in?next=**")
        await browsing.fill_in(page, "ana")
        await page.wait_for_url(f"**/desk/conversations/{talk}")
        await expect(page.locator("#reply")).to_have_value("A long and careful answer")
        elsewhere = await sign_in(browser, url, "ana", complaints, f"/desk/conversations/{talk}")
        await expect(elsewhere.locator("#reply")).to_have_value("A long and careful answer")
        await page.locator("#reply").press("Control+Enter")
        await expect(page.locator(".msg-agent .bubble")).to_have_text("A long and careful answer")
        await elsewhere.reload()
        await expect(elsewhere.locator("#reply")).to_have_value("")
        assert browsing.told(complaints, "401") == []
    async with office.database.read() as session:
        assert await session.scalar(select(func.count()).select_from(Outbox)) == 1
        assert await session.scalar(select(func.count()).select_from(Draft)) == 0


async def test_two_agents_see_each_other(office: Office, browser: Browser) -> None:
    """Who looks and who writes is shown at once and goes with them; an answer that crossed another's asks first."""
    talk = await office.writes("Tom", "help")
    await office.waits(talk)
    complaints: list[str] = []
    async with serving(office.app) as url:
        ana = await sign_in(browser, url, "ana", complaints, f"/desk/conversations/{talk}")
        lars = await sign_in(browser, url, "lars", complaints, f"/desk/conversations/{talk}")
        await expect(ana.locator("#people")).to_have_text("◉ Lars de Wit is looking at this.")
        await expect(lars.locator("#people")).to_have_text("◉ Ana Prieto is looking at this.")
        await ana.fill("#reply", "Just a moment")
        await expect(lars.locator("#people")).to_have_text("✎ Ana Prieto is writing a reply.")
        await lars.fill("#reply", "I was first")
        await lars.get_by_role("button", name="Send", exact=True).click()
        await expect(ana.locator(".state")).to_contain_text("Lars de Wit has it")
        async with office.database.begin() as session:
            row = await handoff.current(session, talk)
            assert row is not None
            row.agent_id = row.claimed_at = None
            handoff.signal(session, f"conversation:{talk}")
        await expect(ana.locator(".state")).to_contain_text("Waiting for a person")
        await ana.get_by_role("button", name="Send", exact=True).click()
        await expect(ana.get_by_role("alert")).to_contain_text("Lars de Wit has answered meanwhile.")
        await expect(ana.locator("#reply")).to_have_value("Just a moment")
        await expect(ana.locator(".msg-agent")).to_have_count(1)
        await ana.get_by_role("button", name="Send", exact=True).click()
        await expect(ana.locator(".msg-agent .bubble").last).to_have_text("Just a moment")
        await lars.goto(f"{url}/desk")
        await expect(ana.locator("#people")).to_be_empty()
        assert complaints == []


async def test_files_are_attached_previewed_and_enlarged(office: Office, browser: Browser) -> None:
    """A chosen file is named, can be removed, and once sent its picture opens in a dialog."""
    voice = office.attachment("voice.ogg", "audio/ogg", b"OggS\x00\x02" + b"\x00" * 64, "voice")
    talk = await office.writes("Tom", "listen", files=(voice,))
    await office.waits(talk)
    complaints: list[str] = []
    async with serving(office.app) as url:
        page = await sign_in(browser, url, "ana", complaints, f"/desk/conversations/{talk}")
        await expect(page.locator("audio")).to_have_attribute("aria-label", "Sound: voice.ogg")
        picture = {"name": "shoe.png", "mimeType": "image/png", "buffer": PIXEL}
        await page.set_input_files("#attach", picture)
        await expect(page.locator("#attached")).to_contain_text("shoe.png")
        await page.get_by_role("button", name="Remove the file").click()
        await expect(page.locator("#attached")).to_be_hidden()
        large = {"name": "big.bin", "mimeType": "application/octet-stream", "buffer": b"x" * (10 * 1024 * 1024 + 1)}
        await page.set_input_files("#attach", large)
        await expect(page.locator("#net")).to_contain_text("at most 10 MB")
        await page.set_input_files("#attach", picture)
        await page.fill("#reply", "This one?")
        await page.keyboard.press("Control+Enter")
        await expect(page.locator(".msg-agent .picture img")).to_be_visible()
        await expect(page.locator("#attached")).to_be_hidden()
        await page.locator(".msg-agent .picture").click()
        shown = page.get_by_role("dialog", name="Picture")
        await expect(shown.get_by_role("img")).to_have_attribute("alt", "Picture: shoe.png")
        await page.keyboard.press("Escape")
        await expect(shown).to_be_hidden()
        assert complaints == []


async def test_a_chosen_file_goes_where_nobody_can_send_it(office: Office, browser: Browser) -> None:
    """A colleague has taken the conversation: once it waits again, the page does not speak of a file that it lost."""
    talk = await office.writes("Tom", "help")
    await office.waits(talk)
    async with serving(office.app) as url:
        page = await sign_in(browser, url, "ana", [], f"/desk/conversations/{talk}")
        await page.set_input_files("#attach", {"name": "shoe.png", "mimeType": "image/png", "buffer": PIXEL})
        await expect(page.locator("#attached")).to_contain_text("shoe.png")
        await page.fill("#reply", "This one?")
        await office.claims(talk, "lars")
        await expect(page.locator("#reply")).not_to_be_editable()
        await expect(page.locator("#attached")).to_be_hidden()
        async with office.database.begin() as session:
            row = await handoff.current(session, talk)
            assert row is not None
            row.agent_id = row.claimed_at = None
            handoff.signal(session, f"conversation:{talk}")
        await expect(page.locator("#reply")).to_be_editable()
        await expect(page.locator("#reply")).to_have_value("This one?")
        await expect(page.locator("#attached")).to_be_hidden()
        await page.get_by_role("button", name="Send", exact=True).click()
        await expect(page.locator(".msg-agent .bubble")).to_have_text("This one?")


async def test_the_browser_tells_of_news_only_when_asked_to(office: Office, browser: Browser) -> None:
    """Off at first; once on, a page out of sight tells of a customer who waits, and of none of their words."""
    mine = await office.writes("Eva Stone", "hello")
    await office.waits(mine)
    await office.claims(mine, "ana")
    complaints: list[str] = []
    watching = """
        window.told = [];
        window.Notification = class {
          static permission = "granted";
          static requestPermission() { return Promise.resolve("granted"); }
          constructor(title, options) { window.told.push(title + " / " + options.body); }
        };
        Object.defineProperty(document, "hidden", { get: () => window.away === true });
    """
    async with serving(office.app) as url:
        page = await sign_in(browser, url, "ana", complaints)
        await page.context.add_init_script(watching)
        await page.goto(f"{url}/desk/tickets")
        away = "window.away = true; localStorage.setItem('desk-looked', '0')"
        await page.evaluate(away)
        await office.writes("Eva Stone", "words of hers")
        await page.wait_for_timeout(400)
        assert await page.evaluate("window.told") == []
        await page.locator("details.menu summary").last.click()
        await page.get_by_role("button", name="Browser notifications").click()
        await expect(page.get_by_role("button", name="Browser notifications")).to_have_attribute("aria-pressed", "true")
        await page.reload()
        await page.evaluate(away)
        await expect(page.locator("#bell")).to_be_visible()
        await office.writes("Eva Stone", "more words of hers")

        async def told(count: int) -> None:
            async with asyncio.timeout(20):
                while await page.evaluate("window.told.length") < count:
                    await asyncio.sleep(0.05)

        await told(1)
        waiting = await office.writes("Max", "me too")
        await office.waits(waiting)
        await told(2)
        assert await page.evaluate("window.told") == [
            "A customer has written to you / Open the desk to read it.",
            "A customer is waiting / Open the desk to read it.",
        ]
        await page.evaluate("window.away = false; document.dispatchEvent(new Event('visibilitychange'))")
        async with page.expect_response("**/desk/alerts/news?**"):
            await office.writes("Eva Stone", "seen as it comes")
        await page.wait_for_timeout(100)
        assert await page.evaluate("window.told.length") == 2
        assert complaints == []


async def test_the_bell_rings_live_and_fits_a_phone(office: Office, browser: Browser) -> None:
    """An alert is counted as it comes; its list is in view on a phone, and its link leads there and marks it seen."""
    complaints: list[str] = []
    await office.complains(await office.writes("Tom", "broken"), "broken")
    async with serving(office.app) as url:
        page = await sign_in(browser, url, "ana", complaints, viewport={"width": 360, "height": 740})
        await expect(page.locator("#bell .count")).to_have_count(0)
        async with office.database.begin() as session:
            await alerts.tell(session, [office.people["ana"].id], "alert.plain", {}, "/desk/tickets/1")
        await expect(page.locator("#bell .count")).to_have_text("1")
        await page.locator("#bell summary").click()
        link = page.get_by_role("link", name="Something here needs your attention.")
        await expect(link).to_be_in_viewport(ratio=1)
        await link.click()
        await page.wait_for_url("**/desk/tickets/1")
        await expect(page.locator("#bell .count")).to_have_count(0)
        assert await page.evaluate("document.documentElement.scrollWidth") <= 360
        assert complaints == []


async def test_earlier_messages_come_by_key_and_by_scrolling(office: Office, browser: Browser) -> None:
    """What one reads stays in its place, the focus near it; what is new comes below and nothing is lost."""
    talk = 0
    for number in range(225):
        talk = await office.writes("Tom", f"message-{number:03}.")
    await office.waits(talk)
    complaints: list[str] = []
    async with serving(office.app) as url:
        page = await sign_in(browser, url, "ana", complaints, f"/desk/conversations/{talk}")
        messages = page.locator("#messages > .msg")
        await expect(messages).to_have_count(100)
        await expect(page.get_by_text("message-224.")).to_be_in_viewport()
        # By key: the link is a link.
        top = page.get_by_text("message-125.")
        await page.locator("#earlier a").first.focus()
        await page.keyboard.press("Enter")
        await expect(messages).to_have_count(200)
        await expect(top).to_be_in_viewport()
        assert await page.evaluate("document.activeElement.closest('#earlier') !== null")
        await expect(page.locator("#announcer")).to_have_text("Earlier messages have been added above.")
        assert await page.locator("#earlier").count() == 1
        # A new message is added below; what was loaded stays.
        await office.writes("Tom", "a new word")
        await expect(messages).to_have_count(201)
        await expect(messages.first).to_contain_text("message-025.")
        # Reading upwards to the beginning.
        await page.locator("#scroller").focus()
        for _ in range(40):
            await page.keyboard.press("Home")
            if await messages.count() == 226:
                break
            await asyncio.sleep(0.1)
        await expect(messages).to_have_count(226)
        await expect(page.locator("#earlier")).to_have_count(0)
        texts = await page.locator("#messages > .msg .bubble").all_text_contents()
        assert texts == [*(f"message-{number:03}." for number in range(225)), "a new word"]
        await office.writes("Tom", "another new word")
        await expect(messages).to_have_count(227)
        await expect(messages.first).to_contain_text("message-000.")
        assert await browsing.findings(page) == []
        # What no longer joins on is taken anew: no gap is hidden.
        await page.context.set_offline(True)
        for number in range(105):
            await office.writes("Tom", f"later-{number:03}.")
        await page.context.set_offline(False)
        await office.writes("Tom", "later-105.")
        await expect(messages.last).to_contain_text("later-105.")
        # Who reads at the beginning is shown what came before that as well, soon after.
        shown = await page.locator("#messages > .msg .bubble").all_text_contents()
        all_texts = [*texts, "another new word", *(f"later-{number:03}." for number in range(106))]
        assert shown == all_texts[-len(shown) :] and 100 <= len(shown) < len(all_texts)
        await expect(page.locator("#earlier a").first).to_be_attached()
        page = await sign_in(browser, url, "lars", complaints, f"/desk/conversations/{talk}?show=all")
        await page.emulate_media(media="print")
        await expect(page.locator("#messages > .msg")).to_have_count(333)
        box = await page.locator("#scroller").evaluate("box => box.scrollHeight - box.clientHeight")
        assert box <= 0, "on paper nothing is cut off"
        assert browsing.told(complaints, "ERR_INTERNET_DISCONNECTED", "ERR_NETWORK", "Failed to load", "htmx:") == []


async def test_earlier_messages_come_on_a_phone(office: Office, browser: Browser) -> None:
    """Where the page scrolls instead of the transcript, what one reads stays in its place too."""
    talk = 0
    for number in range(150):
        talk = await office.writes("Tom", f"message-{number:03}.")
    complaints: list[str] = []
    async with serving(office.app) as url:
        viewport = {"width": 390, "height": 780}
        page = await sign_in(browser, url, "ana", complaints, f"/desk/conversations/{talk}", viewport=viewport)
        messages = page.locator("#messages > .msg")
        await expect(messages).to_have_count(100)
        await expect(page.get_by_text("message-149.")).to_be_in_viewport()
        await page.get_by_text("message-050.").scroll_into_view_if_needed()
        await page.evaluate("scrollTo(0, 0)")
        await expect(messages).to_have_count(150)
        await expect(page.get_by_text("message-050.")).to_be_in_viewport()
        assert complaints == []
