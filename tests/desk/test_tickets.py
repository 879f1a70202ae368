"""The page of a ticket: its life, notes, corrections, merging, and what is refused."""

from __future__ import annotations

import re

import httpx
import pytest
from sqlalchemy import select

from bot.storage.models import (
    Outbox,
    Severity,
    StoredFile,
    Survey,
    Ticket,
    TicketEvent,
    TicketStatus,
    TicketType,
    Timer,
)
from tests.desk.office import PIXEL, Office, token_of

CODES = {"root_cause": "Packed wrongly", "resolution": "Replacement sent"}


async def does(client: httpx.AsyncClient, ticket: int, action: str, **fields: str) -> httpx.Response:
    """Send one of the forms of a ticket's page."""
    token = token_of(await client.get(f"/desk/tickets/{ticket}"))
    return await client.post(f"/desk/tickets/{ticket}/{action}", data={"token": token} | fields)


async def told(office: Office) -> list[str]:
    """All that was said to customers, oldest first."""
    async with office.database.read() as session:
        return [row.body["text"] for row in await session.scalars(select(Outbox).order_by(Outbox.id))]


async def ticket(office: Office, number: int = 1) -> Ticket:
    """A ticket as it is stored."""
    async with office.database.read() as session:
        return await session.get_one(Ticket, number)


def offered(page: str) -> list[str]:
    """The statuses that a page offers."""
    select_box = re.search(r'<select id="status".*?</select>', page, re.DOTALL)
    return re.findall(r'<option value="(\w+)"', select_box[0]) if select_box else []


@pytest.fixture
async def talk(office: Office) -> int:
    """A conversation with one ticket."""
    number = await office.writes("Tom", "broken")
    await office.complains(number, "It is broken", Severity.LOW)
    return number


async def test_the_page_offers_what_may_come_next(office: Office, talk: int) -> None:
    """Never the present status, never new again; what is over can be opened again."""
    async with office.signed_in("ana") as client:
        page = (await client.get("/desk/tickets/1")).text
        assert offered(page) == ["open", "pending_customer", "pending_third_party", "resolved", "closed"]
        await does(client, 1, "status", status="pending_third_party")
        page = (await client.get("/desk/tickets/1")).text
        assert offered(page) == ["open", "pending_customer", "resolved", "closed"]
        await does(client, 1, "status", status="resolved", **CODES)
        assert offered((await client.get("/desk/tickets/1")).text) == ["open", "closed"]
        refused = await does(client, 1, "status", status="pending_customer")
        assert refused.status_code == 409 and "cannot be given that one" in refused.text
        await does(client, 1, "status", status="closed")
        assert offered((await client.get("/desk/tickets/1")).text) == ["open"]
        await does(client, 1, "status", status="open")
    assert (await ticket(office)).status is TicketStatus.OPEN
    said = await told(office)
    assert "waiting for someone else, for example the carrier" in said[0] and "resolved" in said[1]
    assert [("closed" in said[2], "being worked on" in said[3]), len(said)] == [(True, True), 4]


async def test_resolving_asks_for_the_codes(office: Office, talk: int) -> None:
    """Without them, or with words of one's own, it is refused and what was written kept; with them recorded."""
    async with office.signed_in("ana") as client:
        for codes, words in (
            ({"resolution": "Replacement sent"}, "Please choose the root cause."),
            ({"root_cause": "Packed wrongly"}, "Please choose what was done."),
            ({"root_cause": "Gremlins", "resolution": "Replacement sent"}, "Please choose the root cause."),
        ):
            refused = await does(client, 1, "status", status="resolved", reason="Sent a new one", **codes)
            assert refused.status_code == 409 and words in refused.text and ">Sent a new one</textarea>" in refused.text
        assert (await ticket(office)).status is TicketStatus.NEW and await told(office) == []
        done = await does(client, 1, "status", status="resolved", reason="Sent <b>a new one</b>", **CODES)
        assert done.status_code == 303
        page = (await client.get("/desk/tickets/1")).text
    assert "changed the status from “New” to “Resolved”" in page
    assert "Root cause: Packed wrongly · What was done: Replacement sent" in page
    assert "Sent &lt;b&gt;a new one&lt;/b&gt;" in page
    stored = await ticket(office)
    assert (stored.root_cause, stored.resolution) == ("Packed wrongly", "Replacement sent")
    async with office.database.read() as session:
        clock = (await session.scalars(select(Timer).where(Timer.kind == "ticket_close"))).one()
        assert (await session.scalars(select(Survey))).one().ticket_id == 1
        event = (await session.scalars(select(TicketEvent).where(TicketEvent.kind == "status"))).one()
    assert stored.resolved_at is not None and (clock.due_at - stored.resolved_at).days == 14
    assert (event.actor, event.detail["reason"]) == ("ana", "Sent <b>a new one</b>")
    assert all("a new one" not in text for text in await told(office))


async def test_opening_again_forgets_the_codes_and_the_clock(office: Office, talk: int) -> None:
    """By an agent: the present state is as if never resolved, the history knows it all."""
    async with office.signed_in("ana") as client:
        await does(client, 1, "status", status="resolved", **CODES)
        await does(client, 1, "status", status="open", reason="Broke again")
        page = (await client.get("/desk/tickets/1")).text
    stored = await ticket(office)
    assert (stored.resolved_at, stored.root_cause, stored.resolution) == (None, "", "")
    async with office.database.read() as session:
        assert (await session.scalars(select(Timer).where(Timer.kind == "ticket_close"))).all() == []
    assert "Root cause: Packed wrongly" in page and "Broke again" in page


async def test_notes_stay_inside(office: Office, talk: int) -> None:
    """In the history with its author, never sent; an empty or endless one is refused."""
    async with office.signed_in("ana") as client:
        assert (await does(client, 1, "note", text="He is a <i>regular</i>")).status_code == 303
        page = (await client.get("/desk/tickets/1")).text
        assert "wrote an internal note" in page and "He is a &lt;i&gt;regular&lt;/i&gt;" in page and ">ana<" in page
        assert "Please write something first." in (await does(client, 1, "note", text="  ")).text
        assert "This text is too long." in (await does(client, 1, "note", text="x" * 10_001)).text
    assert await told(office) == []


async def test_type_and_severity_are_corrected(office: Office, talk: int) -> None:
    """Both changes are recorded with the reason; an agent may also lower a severity; nobody is told."""
    async with office.signed_in("ana") as client:
        fields = {"type": "wrong_item", "severity": "critical", "reason": "Red, not blue"}
        assert (await does(client, 1, "classify", **fields)).status_code == 303
        page = (await client.get("/desk/tickets/1")).text
        assert "changed the type from “Damaged” to “Wrong item”" in page
        assert "changed the severity from “Low” to “Critical”" in page and page.count("Red, not blue") == 2
        await does(client, 1, "classify", type="wrong_item", severity="low")
        assert (await does(client, 1, "classify", type="wrong_item", severity="dire")).status_code == 400
    stored = await ticket(office)
    assert (stored.type, stored.severity) == (TicketType.WRONG_ITEM, Severity.LOW)
    assert await told(office) == []


async def test_merging_moves_everything_and_tells_once(office: Office, talk: int) -> None:
    """Files, history and severity go to the other ticket; this one is closed with a reference to it."""
    picture = office.attachment("cup.png", "image/png", PIXEL)
    await office.writes("Tom", "look", files=(picture,))
    await office.complains(talk, "It is in pieces", Severity.CRITICAL)
    async with office.signed_in("ana") as client:
        await does(client, 2, "note", text="Seen before")
        assert (await does(client, 2, "merge", number="t-1")).status_code == 303
        old = (await client.get("/desk/tickets/2")).text
        assert 'This ticket goes on as <a href="/desk/tickets/1">T-000001</a>' in old and offered(old) == []
        page = (await client.get("/desk/tickets/1")).text
        for words in ("merged T-000002 into it", "It is in pieces", "Seen before", "(from T-000002)", "cup.png"):
            assert words in page, words
        for action, fields in (
            ("status", {"status": "open"}),
            ("classify", {"type": "late", "severity": "low"}),
            ("merge", {"number": "1"}),
        ):
            refused = await does(client, 2, action, **fields)
            assert refused.status_code == 409 and "was merged into another one" in refused.text, action
    source, target = await ticket(office, 2), await ticket(office, 1)
    assert (source.status, source.merged_into_id, target.severity) == (TicketStatus.CLOSED, 1, Severity.CRITICAL)
    async with office.database.read() as session:
        assert set(await session.scalars(select(StoredFile.ticket_id))) == {1}
    assert await told(office) == ["Your ticket T-000002 now goes on under number T-000001."]


async def test_what_cannot_be_merged(office: Office, talk: int) -> None:
    """Itself, nothing, another customer's, one that is over: said in words, and nothing has changed."""
    stranger = await office.writes("Eve", "late")
    await office.complains(stranger, "Late")
    await office.complains(talk, "Scratched")
    async with office.signed_in("ana") as client:
        await does(client, 3, "status", status="closed")
        for number, words in (
            ("T-000001", "cannot be merged into itself"),
            ("T-000099", "no ticket with this number"),
            ("that one", "no ticket with this number"),
            ("999999999999999", "no ticket with this number"),
            ("T-000002", "belongs to another customer"),
            ("T-000003", "resolved or closed"),
        ):
            refused = await does(client, 1, "merge", number=number)
            assert refused.status_code == 409 and words in refused.text, number
            assert f'value="{number}"' in refused.text
    assert (await ticket(office)).status is TicketStatus.NEW


async def test_strangers_forms_and_addresses(office: Office, talk: int) -> None:
    """Without the token nothing happens; what does not exist is not found."""
    async with office.signed_in("ana") as client:
        assert (await client.post("/desk/tickets/1/note", data={"text": "x"})).status_code == 403
        assert (await does(client, 1, "explode")).status_code == 404
        token = token_of(await client.get("/desk/tickets/1"))
        fields = {"token": token, "status": "open", "text": "x", "number": "1", "type": "late", "severity": "low"}
        for action in ("status", "note", "classify", "merge"):
            assert (await client.post(f"/desk/tickets/77/{action}", data=fields)).status_code == 404, action
    async with office.client() as client:
        assert (await client.post("/desk/tickets/1/note", data={"text": "x"})).status_code == 303
    async with office.database.read() as session:
        assert [event.kind for event in await session.scalars(select(TicketEvent))] == ["opened"]


async def test_every_field_has_a_label(office: Office, talk: int) -> None:
    """Each control of the page is named for a screen reader."""
    async with office.signed_in("ana") as client:
        page = (await client.get("/desk/tickets/1")).text
    main = page[page.index('<main id="main"') :]
    controls = re.findall(r'<(?:select|textarea|input)(?![^>]*type="(?:hidden|checkbox)")[^>]*id="([\w-]+)"', main)
    assert {"status", "reason", "root_cause", "resolution", "type", "severity", "number", "note"} <= set(controls)
    assert set(controls) <= set(re.findall(r'<label for="([\w-]+)"', main))
