"""The dashboard in a real browser: charts, filters, drill-down, files, colours, phones, paper, without a script."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.async_api import Browser, Locator, Page, expect

from tests.customer import eventually
from tests.desk import browsing
from tests.desk.browsing import findings, sign_in, told
from tests.desk.conftest import office, staffed  # noqa: F401
from tests.desk.managing import furnish
from tests.desk.office import Office
from tests.fakes.serving import serving

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 360, "height": 740}
PAGES = ("", "/csat", "/nps", "/ces", "/operations?by=channel", "/recognition", "/behind/csat")
# How many of a canvas's points are not see-through.
INKED = """box => { const c = box.querySelector('canvas');
const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
let n = 0; for (let i = 3; i < d.length; i += 4) n += d[i] > 0; return n; }"""
# The colour of most points that are not see-through and not grey.
TINT = """box => { const c = box.querySelector('canvas');
const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; const seen = {};
for (let i = 0; i < d.length; i += 4) if (d[i + 3] === 255 && Math.abs(d[i] - d[i + 1]) > 40)
  { const k = [d[i], d[i + 1], d[i + 2]].join(); seen[k] = (seen[k] || 0) + 1; }
return Object.entries(seen).sort((a, b) => b[1] - a[1])[0]?.[0]; }"""


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """Chromium without a window."""
    async with browsing.chromium() as found:
        yield found


async def drawn(page: Page) -> int:
    """Wait until all charts are drawn; how many there are."""
    boxes = await page.locator("[data-chart]").all()
    for box in boxes:
        await expect(box.locator("canvas")).to_be_attached()
        await becomes(box, INKED, lambda points: points > 50)
    return len(boxes)


async def becomes(chart: Locator, script: str, right: Callable[[Any], bool]) -> None:
    """Wait until what a script finds in a chart is right."""

    async def looks_so() -> bool:
        return right(await chart.evaluate(script))

    await eventually(looks_so)


async def test_charts_filters_and_what_is_behind_a_figure(office: Office, browser: Browser) -> None:  # noqa: F811
    """Charts are drawn with words for those who do not see them; a filter narrows; a bar and a link lead on."""
    talks = await furnish(office)
    complaints: list[str] = []
    async with serving(office.app) as url:
        page = await sign_in(
            browser, url, "maya", complaints, "/desk/dashboard", viewport=DESKTOP, reduced_motion="reduce"
        )
        assert await drawn(page) == 3
        await page.get_by_role("navigation", name="Pages of the dashboard").get_by_role("link", name="CSAT").click()
        await page.wait_for_url("**/desk/dashboard/csat?**")
        assert await drawn(page) == 2
        trend = page.get_by_role("img", name="CSAT by Day")
        await expect(trend).to_be_visible()

        await page.locator("summary", has_text="Channel").click()
        await page.get_by_label("Slack").check()
        await page.keyboard.press("Escape")
        await expect(page.locator("summary", has_text="Channel")).to_be_focused()
        await page.get_by_label("Period").select_option("7d")
        await page.get_by_role("button", name="Show").click()
        await page.wait_for_url("**channel=slack**")
        query = parse_qs(urlsplit(page.url).query)
        assert query["period"] == ["7d"] and "from" not in query and "team" not in query
        await expect(page.locator(".tile").first).to_contain_text("60.0%")
        await expect(page.locator(".dash-about")).to_contain_text("Channel: Slack")

        # The day names and the named period exclude each other in the form.
        await page.locator("#d-from").fill("2026-01-01")
        await expect(page.get_by_label("Period")).to_have_value("")
        await page.get_by_label("Period").select_option("30d")
        await expect(page.locator("#d-from")).to_have_value("")

        await drawn(page)
        chart = page.locator("#distribution [data-chart]")
        box = await chart.bounding_box()
        assert box is not None
        # The first of five bars, where the rating 1 stands.
        await chart.click(position={"x": box["width"] * 0.14, "y": box["height"] - 60})
        await page.wait_for_url("**/desk/dashboard/behind/csat?**cell=1**")
        await page.locator(f'a[href="/desk/conversations/{talks[7]}"]').click()
        await page.wait_for_url(f"**/desk/conversations/{talks[7]}")
        assert complaints == []


async def test_a_file_says_what_the_page_says(office: Office, browser: Browser, tmp_path: Path) -> None:  # noqa: F811
    """The downloaded file's figures are those of the page's table, row by row."""
    await furnish(office)
    complaints: list[str] = []
    async with serving(office.app) as url:
        page = await sign_in(browser, url, "maya", complaints, "/desk/dashboard/csat?period=7d", viewport=DESKTOP)
        async with page.expect_download() as waiting:
            await page.get_by_role("link", name="CSV").click()
        await (await waiting.value).save_as(tmp_path / "figures.csv")
        await page.locator("#distribution summary").click()
        seen = [
            [await cell.inner_text() for cell in await row.locator("th, td").all()]
            for row in await page.locator("#distribution tbody tr").all()
        ]
        async with page.expect_download() as waiting:
            await page.get_by_role("link", name="XLSX").click()
        await (await waiting.value).save_as(tmp_path / "figures.xlsx")
        assert complaints == []
    rows = list(csv.reader(io.StringIO((tmp_path / "figures.csv").read_bytes().decode("utf-8-sig"))))
    begin = rows.index(["Answers"]) + 2
    told = [[rating, n, f"{float(share) * 100:.1f}%"] for rating, n, share in rows[begin : begin + 5]]
    assert told == seen and [row[1] for row in seen] == ["1", "1", "0", "3", "5"]
    assert (tmp_path / "figures.xlsx").read_bytes().startswith(b"PK")


async def test_no_page_has_a_grave_finding(office: Office, browser: Browser) -> None:  # noqa: F811
    """Every page under axe-core, light on a desktop and dark on a phone, where nothing is wider than the screen."""
    await furnish(office)
    complaints: list[str] = []
    found: list[str] = []
    async with serving(office.app) as url:
        page = await sign_in(browser, url, "maya", complaints, "/desk/dashboard")
        for path in PAGES:
            for scheme, size in (("light", DESKTOP), ("dark", PHONE)):
                await page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
                await page.set_viewport_size({"width": size["width"], "height": size["height"]})
                await page.goto(f"{url}/desk/dashboard{path}")
                await drawn(page)
                found += [f"{scheme} {size['width']}: {line}" for line in await findings(page)]
                assert await page.evaluate("document.documentElement.scrollWidth") <= size["width"], (path, scheme)
        assert found == []
        assert complaints == []


async def test_colours_follow_the_theme_and_paper_is_light(office: Office, browser: Browser) -> None:  # noqa: F811
    """Charts change with the theme without being loaded anew; on paper they are light and every table is open."""
    await furnish(office)
    complaints: list[str] = []
    async with serving(office.app) as url:
        page = await sign_in(
            browser, url, "maya", complaints, "/desk/dashboard/csat", viewport=DESKTOP, reduced_motion="reduce"
        )
        await drawn(page)
        chart = page.locator("#distribution [data-chart]")
        await becomes(chart, TINT, "15,107,100".__eq__)
        await page.emulate_media(color_scheme="dark")
        await becomes(chart, TINT, "92,201,189".__eq__)
        await expect(page.locator("#distribution table")).to_be_hidden()
        await page.emulate_media(media="print", color_scheme="dark")
        await expect(page.locator("#distribution table")).to_be_visible()
        await expect(page.locator("form.dash-filters")).to_be_hidden()
        await expect(page.locator("header.top")).to_be_hidden()
        await becomes(chart, TINT, "15,107,100".__eq__)
        assert await page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        await page.emulate_media(media="screen", color_scheme="dark")
        await expect(page.locator("#distribution table")).to_be_hidden()
        # What the test itself does to look at the colours.
        assert told(complaints, "willReadFrequently") == []


async def test_without_a_script_the_tables_are_there(office: Office, browser: Browser) -> None:  # noqa: F811
    """No chart, no empty frame; the table opens, the form filters."""
    await furnish(office)
    complaints: list[str] = []
    async with serving(office.app) as url:
        signed = await sign_in(browser, url, "maya", complaints, "/desk/dashboard/csat")
        state = await signed.context.storage_state()
        page = await (await browser.new_context(java_script_enabled=False, storage_state=state)).new_page()
        await page.goto(f"{url}/desk/dashboard/csat?period=7d")
        await expect(page.locator("[data-chart]").first).to_be_hidden()
        await page.locator("#distribution summary").click()
        await expect(page.locator("#distribution table")).to_be_visible()
        await page.locator("summary", has_text="Channel").click()
        await page.get_by_label("Slack").check()
        await page.locator("#d-zone").focus()
        await page.keyboard.press("Enter")
        await page.wait_for_url("**channel=slack**")
        await expect(page.locator(".tile").first).to_contain_text("60.0%")
