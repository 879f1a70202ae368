"""The page of the voice of the customer: what it shows, what it does not, and the file of it."""

from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from playwright.async_api import Browser

from bot.services import topics
from bot.storage import now
from bot.storage.models import Severity, Ticket, TicketType, TopicFlag
from tests.desk import browsing
from tests.desk.browsing import findings, sign_in
from tests.desk.office import Office
from tests.fakes.serving import serving


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """Chromium without a window."""
    async with browsing.chromium() as found:
        yield found


async def complained(office: Office, count: int, days_ago: float, **columns: Any) -> None:
    """So many tickets, opened that long ago."""
    talk = await office.writes("Tom", "hello")
    base: dict[str, Any] = {
        "conversation_id": talk, "severity": Severity.NORMAL, "type": TicketType.LATE, "description": "x",
        "language": "en", "created_at": now() - timedelta(days=days_ago),
    }  # fmt: skip
    async with office.database.begin() as session:
        session.add_all([Ticket(**(base | columns)) for _ in range(count)])


async def risen(office: Office, dimension: str, value: str, days_ago: int = 0) -> None:
    """A rise that was found."""
    day = (now() - timedelta(days=days_ago)).date()
    async with office.database.begin() as session:
        flag = TopicFlag(dimension=dimension, value=value, day=day, last_day=day)
        flag.observed, flag.expected, flag.p_value = 19, 3.52, 0.00000012
        session.add(flag)


def table(page: str) -> list[list[str]]:
    """The rows of the first table with a foot, as words."""
    body = re.search(r"<tbody>((?:(?!<tbody>).)*?)</tbody>\s*<tfoot>(.*?)</tfoot>", page, re.DOTALL)
    assert body, page
    rows = re.findall(r"<tr>(.*?)</tr>", body[1] + body[2], re.DOTALL)
    cells = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL) for row in rows]
    return [[html.unescape(re.sub(r"<[^>]*>", "", cell)).strip() for cell in row] for row in cells]


async def test_counts_shares_and_changes_are_shown(office: Office) -> None:
    """By what the address asks for; few complaints without change, picture and link; links lead to the tickets."""
    await complained(office, 8, 3)
    await complained(office, 5, 40)
    await complained(office, 2, 3, type=TicketType.BILLING)
    async with office.signed_in("maya") as client:
        page = (await client.get("/desk/voice")).text
        assert [row[:5] for row in table(page)] == [
            ["Late", "8", "80%", "5", "+60%"],
            ["Billing", "2", "20%", "0", "–"],
            ["All complaints", "10", "100%", "5", "–"],
        ]
        assert 'href="/desk/tickets?type=late&amp;since=' in page and "type=billing" not in page
        # One picture for the row with enough complaints, one for all; each says its numbers.
        pictures = re.findall(r'<svg class="spark"[^>]*role="img" aria-label="([^"]*)"', page)
        assert len(pictures) == 2
        assert sum(map(int, pictures[0].rpartition(": ")[2].split(", "))) == 8
        by_language = (await client.get("/desk/voice?by=language&period=90")).text
        assert table(by_language)[0][:2] == ["English", "15"] and 'href="/desk/tickets?language=en&amp;' in by_language


async def test_every_topic_leads_to_exactly_its_tickets(office: Office) -> None:
    """Those that were counted, whatever they are told apart by and whenever they were opened; none that were merged."""
    topic = {"product": 'Tea "set" & <b>', "carrier": "PostNL", "country": "NL", "language": "pt"}
    await complained(office, 7, 3, **topic)
    await complained(office, 6, 60, **topic)
    await complained(office, 5, 3, type=TicketType.QUALITY, product="Boots", carrier="DHL", country="Utopia")
    await complained(office, 6, 3, **topic, merged_into_id=1)
    await complained(office, 9, 400, **topic)
    seen = set()
    async with office.signed_in("maya") as client:
        for by in topics.Dimension:
            for period in topics.Period:
                page = (await client.get(f"/desk/voice?by={by.value}&period={period.value}")).text
                links = re.findall(r'<a class="open" href="([^"]+)">.*?</th><td class="num">(\d+)</td>', page)
                assert len(links) >= 2, (by, period)
                for address, count in links:
                    found = await client.get(html.unescape(address))
                    assert f'<span class="muted small">{count}</span>' in found.text, address
                    assert len(re.findall(r'href="/desk/tickets/\d+"', found.text)) == int(count), address
                    seen.update(re.findall(r"[?&]([a-z]+)=", html.unescape(address)))
        assert seen == {"type", "product", "carrier", "country", "language", "since", "until", "merged"}
        await complained(office, 6, 2, country="")
        page = (await client.get("/desk/voice?by=country&period=7")).text
        (address,) = re.findall(r'href="(/desk/tickets\?country=-[^"]*)"', page)
        assert '<span class="muted small">6</span>' in (await client.get(html.unescape(address))).text


async def test_every_view_is_there_and_nonsense_shows_the_usual_one(office: Office) -> None:
    """All dimensions in all periods, with and without complaints."""
    async with office.signed_in("maya") as client:
        empty = await client.get("/desk/voice?by=carrier")
        assert "No complaints in this period." in empty.text and "No topic has risen" in empty.text
        await complained(office, 6, 1, product="<b>Boots</b>", carrier="DHL", country="ES")
        await complained(office, 1, 1)
        for by in topics.Dimension:
            for period in topics.Period:
                page = await client.get(f"/desk/voice?by={by.value}&period={period.value}")
                assert page.status_code == 200 and table(page.text)[-1][1] == "7", (by, period)
                assert "<b>Boots" not in page.text
        assert table((await client.get("/desk/voice?by=country")).text)[0][0] == "Spain"
        rows = table((await client.get("/desk/voice?by=type_product")).text)
        assert [row[0] for row in rows[:2]] == ["Late × <b>Boots</b>", "Late × all others"]
        assert table((await client.get("/desk/voice?by=product")).text)[1][0] == "not known"
        odd = await client.get("/desk/voice?by=%00&period=-1")
        assert odd.status_code == 200 and table(odd.text)[0][0] == "Late"


async def test_rises_are_named_with_their_figures_and_the_test(office: Office) -> None:
    """What was counted, what was usual, how likely that is; how it is decided in words; the old ones are gone."""
    await risen(office, "type_product", f"late{topics.SEPARATOR}Boots")
    await risen(office, "country", "NL")
    await risen(office, "carrier", "Oldest", days_ago=30)
    async with office.signed_in("maya") as client:
        page = html.unescape((await client.get("/desk/voice")).text)
    assert "Late × Boots" in page and "Netherlands" in page and "Oldest" not in page
    assert '<td class="num">19</td><td class="num">3.5</td><td class="num">< 0.001</td>' in page
    assert "Przyborowski and Wilenski, 1940" in page and "Benjamini and Hochberg (1995)" in page


async def test_the_file_holds_what_is_seen(office: Office) -> None:
    """The same rows with their parts by day, no formula for a spreadsheet, no parts of few complaints."""
    await complained(office, 5, 3, product="=1+1")
    await complained(office, 2, 3, product="Boots")
    async with office.signed_in("maya") as client:
        answer = await client.get("/desk/voice.csv?by=product&period=7")
    assert answer.headers["content-type"].startswith("text/csv")
    assert "complaints-product-7-" in answer.headers["content-disposition"]
    head, first, second = csv.reader(io.StringIO(answer.text.removeprefix("\ufeff")))
    assert head[:5] == ["Product", "Complaints", "Share", "Period before", "Change"] and len(head) == 12
    assert first[:4] == ["'=1+1", "5", "0.7143", "0"] and sum(map(int, first[5:])) == 5
    assert second == ["Boots", "2", "0.2857", "0", ""]


async def test_it_is_for_managers(office: Office) -> None:
    """Agents see neither the page nor the file nor the way there."""
    async with office.signed_in("ana") as client:
        assert "/desk/voice" not in (await client.get("/desk")).text
        for address in ("/desk/voice", "/desk/voice.csv"):
            assert (await client.get(address)).status_code == 403


@pytest.mark.browser
async def test_the_page_is_accessible_in_light_and_dark(office: Office, browser: Browser) -> None:
    """With rises, pictures and the open table of numbers, on a desktop and on a telephone."""
    for ago in (1, 2, 5, 9, 40):
        await complained(office, 6, ago, product="Boots", carrier="DHL")
    await risen(office, "carrier", "DHL")
    complaints: list[str] = []
    async with serving(office.app) as url:
        page = await sign_in(browser, url, "maya", complaints, "/desk/voice?by=carrier")
        await page.locator(".values summary").click()
        found = await findings(page)
        await page.emulate_media(color_scheme="dark")
        await page.set_viewport_size({"width": 360, "height": 740})
        found += await findings(page)
        wide = await page.evaluate(
            "[...document.querySelectorAll('main *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1 "
            "&& !e.closest('.wide-table')).map(e => e.outerHTML.slice(0, 80))"
        )
        page_width = await page.evaluate("document.documentElement.scrollWidth")
        assert (found, complaints, wide, page_width) == ([], [], [], 360)
