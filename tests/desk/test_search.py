"""The page of the search: what it shows, marks, narrows down, and keeps to itself."""

from __future__ import annotations

import html
import re

from bot.storage.indexing import catch_up
from tests.desk.office import Office


async def filled(office: Office) -> None:
    """Two conversations with a customer, an order and a ticket."""
    talk = await office.writes("Zoë", "Where is my order 100234? It is urgent", channel="web")
    await office.says(talk, "Your order is on its way.")
    await office.buys(talk, "Zoë Example", "100234")
    await office.complains(talk, "The order came broken")
    await office.writes("王伟", "我的订单号是多少", channel="telegram", language="es")
    await catch_up(office.database)


async def test_what_is_found_stands_by_kind_with_links_and_marks(office: Office) -> None:
    """Messages and tickets with the place marked; a customer and an order lead to the conversation."""
    await filled(office)
    async with office.signed_in("ana") as client:
        page = (await client.get("/desk/search?q=ord")).text
        assert '<h2 id="found-message">Messages</h2>' in page and '<h2 id="found-ticket">Tickets</h2>' in page
        assert page.count("<mark>order</mark>") == 3 and 'href="/desk/tickets/1"' in page
        order = (await client.get("/desk/search?q=0234")).text
        assert "<mark>" not in order.split("found-order")[0] and 'href="/desk/conversations/1"' in order
        assert "<mark>订单</mark>" in (await client.get("/desk/search?q=订单")).text
        assert "Zoë Example" in (await client.get("/desk/search?q=zoe+example")).text
        nothing = (await client.get("/desk/search?q=nowhere")).text
        assert "Nothing was found." in nothing and "found-" not in nothing
        assert "Nothing was found." not in (await client.get("/desk/search")).text
        assert "Nothing was found." in (await client.get("/desk/search?q=%2B%2B")).text


async def test_the_box_is_on_every_page_and_keeps_what_was_looked_for(office: Office) -> None:
    """One box in the header, labelled, with its key."""
    async with office.signed_in("ana") as client:
        for path in ("/desk", "/desk/tickets", "/desk/conversations"):
            page = (await client.get(path)).text
            assert 'action="/desk/search"' in page and '<label class="visually-hidden" for="search">' in page
        assert 'value="caf&eacute;"'.replace("&eacute;", "é") in (await client.get("/desk/search?q=café")).text


async def test_a_search_is_narrowed_down_and_paged(office: Office) -> None:
    """By kind, channel, language and days; of one kind a page at a time, the address keeping the rest."""
    for number in range(30):
        await office.writes("Tom", f"common {number}", channel="web")
    await office.writes("Eva", "common hola", channel="telegram", language="es")
    await catch_up(office.database)
    async with office.signed_in("ana") as client:
        page = (await client.get("/desk/search?q=common&channel=web")).text
        assert page.count("<mark>common</mark>") == 5 and "Show more of these" in page
        more = html.unescape(re.search(r'href="([^"]*kind=message[^"]*)">Show', page)[1])  # type: ignore[index]
        first = (await client.get(f"/desk/search{more}")).text
        assert first.count("<mark>common</mark>") == 25 and "hola" not in first
        following = html.unescape(re.search(r'rel="next" href="([^"]+)"', first)[1])  # type: ignore[index]
        last = (await client.get(f"/desk/search{following}")).text
        assert last.count("<mark>common</mark>") == 5 and 'rel="next"' not in last
        assert "hola" in (await client.get("/desk/search?q=common&language=es")).text
        for query in ("since=2999-01-01", "until=1999-01-01", "kind=ticket", "language=es&channel=web"):
            assert "Nothing was found." in (await client.get(f"/desk/search?q=common&{query}")).text, query
        odd = "kind=x&channel=%27&language=%00&since=0001-01-01&until=9999-12-31&before=99999999999999999999"
        assert "<mark>" in (await client.get(f"/desk/search?q=common&{odd}")).text


async def test_scripts_in_texts_names_and_queries_stay_text(office: Office) -> None:
    """What is marked is escaped as well."""
    attack = '<script>alert(1)</script> & "quoted" <b>order</b>'
    talk = await office.writes(attack, attack)
    await office.complains(talk, attack)
    await catch_up(office.database)
    async with office.signed_in("ana") as client:
        for query in ("order", "script", attack, "<b>", '"><script>alert(1)</script>'):
            page = (await client.get("/desk/search", params={"q": query})).text
            assert "<script>alert" not in page and "<b>order" not in page, query
        assert "&lt;<mark>script</mark>&gt;" in (await client.get("/desk/search?q=script")).text
        assert (await client.get("/desk/search", params={"q": "x" * 60_000})).status_code == 200


async def test_the_search_is_for_those_who_are_signed_in(office: Office) -> None:
    """A stranger learns nothing."""
    await filled(office)
    async with office.client() as client:
        for path in ("/desk/search?q=order", "/desk/export/search.csv?q=order", "/desk/export/tickets.xlsx"):
            answer = await client.get(path)
            assert answer.status_code == 303 and "/desk/sign-in" in answer.headers["location"]
