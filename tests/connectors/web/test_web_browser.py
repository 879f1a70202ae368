"""The web chat in a real browser."""

from __future__ import annotations

import asyncio
import http.server
import shutil
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from bot import texts as wording
from bot.config import Config
from bot.contracts import Author, Owner
from bot.storage.models import Inbox
from tests.connectors.site import Site, changed, site

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), "")
pytestmark = [
    # One browser for all tests of this file; each has pages, and mostly a profile, of its own.
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM, reason="Chromium is not installed (Debian: apt-get install chromium)"),
]
EVIL = """<img src=x onerror="document.title='hacked'"><script>document.title='hacked'</script>"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    """Headless Chromium."""
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--headless"])
        yield running
        await running.close()


@pytest_asyncio.fixture(loop_scope="module")
async def web(config: Config) -> AsyncIterator[Site]:
    """The chat with its default settings."""
    async with site("web", changed(config, "web", {}, {})) as running:
        yield running


async def open_chat(place: Browser | BrowserContext, web: Site, path: str = "/chat", **options: Any) -> Page:
    """A page with the chat, ready to write; an error in its scripts fails the test."""
    page = await place.new_page(**options)
    page.on("pageerror", lambda error: pytest.fail(f"the page's script failed: {error}"))
    await page.goto(web.url + path)
    await expect(page.locator("#log")).to_have_attribute("aria-busy", "false")
    return page


async def write(page: Page, text: str) -> None:
    """Type and press Enter."""
    await page.get_by_role("textbox").fill(text)
    await page.keyboard.press("Enter")


async def shown(page: Page) -> list[str]:
    """The texts of all bubbles."""
    return await page.locator(".bubble").all_inner_texts()


async def test_a_conversation_and_its_history(web: Site, browser: Browser) -> None:
    """Enter sends, the state is shown, the typing dots come and go, a reload brings everything back once."""
    context = await browser.new_context(locale="en-GB")
    page = await open_chat(context, web)
    await expect(page.get_by_text("How can we help?")).to_be_visible()
    await write(page, "Where is my order?")
    await expect(page.locator(".own .state")).to_have_text("Sent")
    await expect(page.locator("#typing")).to_be_visible()
    await expect(page.get_by_text("How can we help?")).to_be_hidden()
    row = await web.handle("It is on its way.")
    await expect(page.get_by_text("It is on its way.")).to_be_visible()
    await expect(page.locator("#typing")).to_be_hidden()
    await web.give_to(row.conversation_id, Owner.PERSON)
    await web.say(row.conversation_id, "Marta here.")
    await expect(page.locator(".agent .author")).to_have_text("A colleague")
    await expect(page.get_by_role("status").first).to_have_text("You are talking with a colleague")
    await write(page, "Not handled yet")
    await expect(page.locator(".own .state").last).to_have_text("Sent")
    everything = ["Where is my order?", "It is on its way.", "Marta here.", "Not handled yet"]
    assert await shown(page) == everything
    await page.reload()
    await expect(page.locator(".bubble")).to_have_count(4)
    assert await shown(page) == everything
    await web.handle()
    await page.get_by_role("textbox").press("Shift+Enter")
    assert await page.get_by_role("textbox").input_value() == "\n"


async def test_what_anyone_writes_is_inert(web: Site, browser: Browser) -> None:
    """Markup in messages, buttons and names of files is text; links are real, safe, and only http(s)."""
    page = await open_chat(browser, web)
    await write(page, EVIL)
    row = await web.handle(EVIL, "See https://example.com/a?b=1&c=2. Not javascript:alert(1)", buttons=((EVIL, "/x"),))
    await web.say(row.conversation_id, EVIL)
    await expect(page.locator(".agent .bubble")).to_have_text(EVIL)
    assert (await shown(page))[:2] == [EVIL, EVIL]
    await expect(page.get_by_role("button", name=EVIL)).to_be_visible()
    assert await page.title() == "Chat with Northwind & Lotus"
    assert await page.locator("#log script, #log img").count() == 0
    links = page.locator(".bubble a")
    assert await links.count() == 1
    assert await links.get_attribute("href") == "https://example.com/a?b=1&c=2"
    assert await links.get_attribute("rel") == "noopener noreferrer nofollow"


async def test_an_inline_script_would_not_run(web: Site, browser: Browser) -> None:
    """The page's policy stops scripts that someone might yet get into it, and the page needs none of them."""
    page = await browser.new_page()
    refused: list[str] = []
    page.on("console", lambda message: refused.append(message.text) if message.type == "error" else None)
    await page.goto(web.url + "/chat")
    await expect(page.locator("#log")).to_have_attribute("aria-busy", "false")
    assert refused == []
    await page.evaluate("document.body.append(document.createElement('script'))")
    await page.evaluate("document.body.lastChild.textContent = 'document.title = 1'")
    assert await page.title() == "Chat with Northwind & Lotus"
    assert any("Content Security Policy" in text for text in refused)


async def test_nothing_is_lost_or_doubled_without_a_connection(web: Site, browser: Browser) -> None:
    """Written offline, kept over a reload, sent once when the connection is back, in order."""
    context = await browser.new_context(locale="en")
    page = await open_chat(context, web)
    await page.route("**/chat/messages", lambda route: route.abort())
    await write(page, "one")
    await write(page, "two")
    await expect(page.locator(".failed .state")).to_have_text("Not sent")
    await expect(page.get_by_role("button", name="Try again")).to_be_visible()
    await expect(page.locator(".own .state").last).to_have_text("Waiting for the connection")
    await page.reload()
    await expect(page.locator(".own .bubble")).to_have_count(2)
    again = page.get_by_role("button", name="Try again")
    await expect(again).to_be_visible()
    await page.unroute("**/chat/messages")
    # Pressed at once: a moment later the page may be trying by itself already, and the button gone.
    await again.evaluate_all("(buttons) => buttons.forEach((button) => button.click())")
    for text in ("one", "two"):
        assert (await web.handle()).event["text"] == text
    await expect(page.locator(".own .state").last).to_have_text("Sent")
    await page.reload()
    await expect(page.locator(".own .bubble")).to_have_count(2)
    assert await web.count(Inbox) == 2


async def test_an_answer_that_gets_lost_is_not_a_second_message(web: Site, browser: Browser) -> None:
    """The server has committed but its answer is lost: the page sends again, the message is one."""
    page = await open_chat(browser, web)
    lost = 0

    async def lose_the_answer(route: Any) -> None:
        nonlocal lost
        if lost:
            await route.continue_()
            return
        lost += 1
        await route.fetch()
        await route.abort()

    await page.route("**/chat/messages", lose_the_answer)
    await write(page, "only once")
    await expect(page.locator(".own .state")).to_have_text("Sent")
    await web.handle("yes")
    await expect(page.locator(".bot .bubble")).to_have_text("yes")
    assert await web.count(Inbox) == 1 and await shown(page) == ["only once", "yes"]


async def test_the_stream_comes_back_after_a_restart(config: Config, browser: Browser) -> None:
    """The server stops and starts again: the page reconnects and has what was said meanwhile, once."""
    own = changed(config, "web", {}, {})
    async with site("web", own) as first:
        port = int(first.url.rpartition(":")[2])
        page = await open_chat(browser, first)
        await write(page, "hi")
        row = await first.handle("before")
        await expect(page.get_by_text("before")).to_be_visible()
    await write(page, "while it was away")
    async with site("web", own, port) as second:
        await second.say(row.conversation_id, "meanwhile")
        await second.handle("after")
        await expect(page.get_by_text("after", exact=True)).to_be_visible()
        assert sorted(await shown(page)) == ["after", "before", "hi", "meanwhile", "while it was away"]
        assert await second.count(Inbox) == 2


async def test_two_browsers_are_two_customers(web: Site, browser: Browser) -> None:
    """Each browser has its own session and sees its own conversation alone."""
    one = await open_chat(await browser.new_context(), web)
    two = await open_chat(await browser.new_context(), web)
    await write(one, "I am one")
    await web.handle("hello one")
    await write(two, "I am two")
    await web.handle("hello two")
    await expect(one.locator(".bot .bubble")).to_have_text("hello one")
    await expect(two.locator(".bot .bubble")).to_have_text("hello two")
    assert await shown(one) == ["I am one", "hello one"]
    assert await shown(two) == ["I am two", "hello two"]


async def test_buttons_by_keyboard(web: Site, browser: Browser) -> None:
    """A choice is reached with Tab and taken with Enter; then it is gone, here and after a reload."""
    page = await open_chat(browser, web)
    await write(page, "cancel my order")
    row = await web.handle("Shall I?", buttons=(("Yes", "/affirm"), ("No", "/deny")))
    no = page.get_by_role("button", name="No", exact=True)
    await expect(no).to_be_visible()
    await page.get_by_role("textbox").focus()
    for _ in range(6):
        await page.keyboard.press("Shift+Tab")
        if await no.evaluate("(button) => button === document.activeElement"):
            break
    assert await no.evaluate("(button) => getComputedStyle(button).outlineStyle") == "solid"
    await page.keyboard.press("Enter")
    await expect(no).to_have_count(0)
    await expect(page.get_by_role("textbox")).to_be_focused()
    event = (await web.handle("All right.")).event
    assert (event["text"], event["payload"]) == ("No", "/deny")
    await web.say(row.conversation_id, "How was it?", author=Author.SURVEY)
    await page.reload()
    await expect(page.get_by_text("All right.")).to_be_visible()
    await expect(page.locator(".choices")).to_have_count(0)


async def test_a_file_from_the_page(web: Site, browser: Browser) -> None:
    """A picture is sent and shown; what cannot be sent is refused with a reason."""
    page = await open_chat(await browser.new_context(locale="en"), web)
    chooser = page.locator("#file")
    picture = await page.screenshot()
    await chooser.set_input_files({"name": "a.png", "mimeType": "image/png", "buffer": picture})
    await expect(page.locator(".own .state")).to_have_text("Sent")
    await expect(page.locator(".own img")).to_be_visible()
    await chooser.set_input_files({"name": "a.exe", "mimeType": "application/x-msdownload", "buffer": b"MZ"})
    await chooser.set_input_files({"name": "b.png", "mimeType": "image/png", "buffer": b"<html>"})
    await expect(page.locator(".failed .state")).to_have_text(["Only images and PDF files can be sent."] * 2)
    await web.handle("Thanks")
    await page.reload()
    await expect(page.locator(".own img")).to_have_js_property("complete", True)
    assert await page.locator(".own img").evaluate("(image) => image.naturalWidth") > 0
    assert await web.count(Inbox) == 1


@pytest.fixture
def arabic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A right-to-left language among the catalogues."""
    folder = tmp_path / "locales"
    shutil.copytree(wording.LOCALES, folder)
    path = folder / "ar" / "LC_MESSAGES" / "chat.po"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=utf-8\\n"\n\nmsgid "greeting"\nmsgstr "مرحبا"\n'
    )
    monkeypatch.setattr(wording, "LOCALES", folder)


@pytest.mark.usefixtures("arabic")
async def test_right_to_left(config: Config, browser: Browser) -> None:
    """The page turns round for a right-to-left language, and each bubble follows its own text."""
    own = changed(config, "web", {}, {})
    own = type(own)(own.home, own.data_dir, own.settings.model_copy(update={"languages": ("en", "ar")}), own.env)
    async with site("web", own) as web:
        page = await open_chat(await browser.new_context(locale="ar"), web)
        assert await page.locator("html").get_attribute("dir") == "rtl"
        await expect(page.get_by_text("مرحبا")).to_be_visible()
        await write(page, "أين طلبي؟")
        await web.handle("طلبك في الطريق", "English words")
        await expect(page.locator(".bot .bubble")).to_have_count(2)
        directions = await page.locator(".bubble").evaluate_all(
            "(all) => all.map((b) => getComputedStyle(b).direction)"
        )
        assert directions == ["rtl", "rtl", "ltr"]
        places = (".own .bubble", ".bot .bubble", "#send", "#attach")
        mine, theirs, send, attach = [await page.locator(place).first.bounding_box() for place in places]
        assert mine and theirs and send and attach
        assert mine["x"] < theirs["x"] and send["x"] < attach["x"]


@pytest.mark.parametrize("width", [320, 375])
async def test_on_a_phone(web: Site, browser: Browser, width: int) -> None:
    """Nothing is wider than the screen, whatever is written; targets are large enough to touch."""
    size = {"width": width, "height": 640}
    context = await browser.new_context(viewport=size, is_mobile=True, has_touch=True)  # type: ignore[arg-type]
    page = await open_chat(context, web)
    await write(page, "x" * 300)
    await web.handle(
        "https://example.com/" + "y" * 200, buttons=(("A rather long title of a button " * 3, "/a"), ("1", "/1"))
    )
    await expect(page.locator(".choices button")).to_have_count(2)
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
    assert await page.locator("#scroll").evaluate("(box) => box.scrollWidth <= box.clientWidth")
    for target in await page.locator("button:visible").all():
        box = await target.bounding_box()
        assert box and box["width"] >= 40 and box["height"] >= 40
    assert await page.locator("#text").evaluate("(field) => parseFloat(getComputedStyle(field).fontSize)") >= 16


async def test_reading_back_is_not_disturbed(web: Site, browser: Browser) -> None:
    """Who is at the end stays at the end; who has scrolled up stays there and is told of news."""
    page = await open_chat(browser, web)
    await write(page, "hi")
    row = await web.handle(*(f"line {number}" for number in range(40)))
    await expect(page.get_by_text("line 39")).to_be_in_viewport()
    await page.locator("#scroll").hover()
    await page.mouse.wheel(0, -900)
    await expect(page.get_by_text("line 39")).not_to_be_in_viewport()
    before, last = await page.locator("#scroll").evaluate("(box) => box.scrollTop"), -1.0
    while before != last:
        # A wheel may scroll smoothly.
        await asyncio.sleep(0.2)
        before, last = await page.locator("#scroll").evaluate("(box) => box.scrollTop"), before
    await web.say(row.conversation_id, "news")
    newer = page.get_by_role("button", name="New messages")
    await expect(newer).to_be_visible()
    assert await page.locator("#scroll").evaluate("(box) => box.scrollTop") == before
    await newer.click()
    await expect(page.get_by_text("news", exact=True)).to_be_in_viewport()
    await expect(newer).to_be_hidden()


async def test_names_for_screen_readers(web: Site, browser: Browser) -> None:
    """The list is a live log, every control has a name, each message says whose it is."""
    page = await open_chat(await browser.new_context(locale="en"), web)
    await write(page, "hi")
    await web.handle("hello")
    await expect(page.get_by_role("log", name="Conversation")).to_contain_text("hello")
    assert await page.get_by_role("log").get_attribute("aria-live") == "polite"
    for name in ("Send", "Attach a file"):
        await expect(page.get_by_role("button", name=name, exact=True)).to_be_visible()
    await expect(page.get_by_role("textbox", name="Your message")).to_be_focused()
    assert await page.locator(".author").all_text_contents() == ["You", "Assistant"]
    await expect(page.get_by_role("heading", level=1)).to_contain_text("Chat with Northwind & Lotus")


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A merchant's own site with a strict policy of its own: its URL and its folder."""
    folder = tmp_path / "shop"
    folder.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args, directory=str(folder))

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", folder
    server.shutdown()
    thread.join()
    server.server_close()


async def test_the_button_on_a_shops_page(config: Config, browser: Browser, shop: tuple[str, Path]) -> None:
    """One script tag puts the chat on another site's page: opened, used and closed by keyboard."""
    address, folder = shop
    async with site("web", changed(config, "web", {"embed_origins": [address]}, {})) as web:
        policy = f"default-src 'none'; script-src {web.url}; frame-src {web.url}"
        (folder / "index.html").write_text(
            f'<!doctype html><meta http-equiv="Content-Security-Policy" content="{policy}"><title>Shop</title>'
            f'<h1>Teapots</h1><script src="{web.url}/widget.js" data-language="es" async></script>'
        )
        page = await browser.new_page(locale="en")
        await page.goto(address)
        button = page.get_by_role("button", name="Open the chat")
        await button.focus()
        await page.keyboard.press("Enter")
        frame = page.frame_locator("iframe")
        field = frame.get_by_role("textbox", name="Tu mensaje")
        await expect(frame.locator("#log")).to_have_attribute("aria-busy", "false")
        await field.fill("hola")
        await field.press("Enter")
        row = await web.handle("¡Hola!")
        assert row.event["locale"] == "es"
        await expect(frame.get_by_text("¡Hola!")).to_be_visible()
        await field.press("Escape")
        await expect(page.locator("iframe")).to_be_hidden()
        await expect(button).to_be_focused()
        await web.say(row.conversation_id, "¿Algo más?")
        await expect(page.locator("#linguadesk-widget span")).to_have_text("1")
        await button.click()
        await frame.get_by_role("button", name="Cerrar el chat").click()
        await expect(page.locator("iframe")).to_be_hidden()


async def test_a_site_that_is_not_named_cannot_show_the_chat(
    web: Site, browser: Browser, shop: tuple[str, Path]
) -> None:
    """Another site that frames the page without leave gets nothing."""
    address, folder = shop
    (folder / "index.html").write_text(f'<!doctype html><title>Evil</title><iframe src="{web.url}/chat"></iframe>')
    page = await browser.new_page()
    await page.goto(address)
    await asyncio.sleep(0.3)
    assert await page.frame_locator("iframe").get_by_role("textbox").count() == 0


async def test_a_lost_session_is_said(web: Site, browser: Browser) -> None:
    """Without its cookie the chat says so and offers to open again; what was written is then sent."""
    context = await browser.new_context(locale="en")
    page = await open_chat(context, web)
    await context.clear_cookies()
    await write(page, "still mine")
    again = page.get_by_role("button", name="Open again")
    await expect(again).to_be_visible()
    await again.click()
    assert (await web.handle("got it")).event["text"] == "still mine"
    await expect(page.get_by_text("got it")).to_be_visible()
