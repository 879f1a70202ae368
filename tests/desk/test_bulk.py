"""Doing the same with many: what is confirmed, what is done, what fails and says so."""

from __future__ import annotations

import html
import re

import httpx
import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot import agents
from bot.contracts import Owner
from bot.storage import StorageError
from bot.storage.models import (
    Conversation,
    ConversationNote,
    Outbox,
    Severity,
    Ticket,
    TicketEvent,
    TicketStatus,
    TicketType,
    User,
)
from tests.desk.office import Office, token_of
from tests.desk.test_export import rows_of
from tests.desk.test_lists import with_teams


async def post(client: httpx.AsyncClient, place: str, **fields: str) -> httpx.Response:
    """Send the list's form."""
    token = token_of(await client.get("/desk"))
    return await client.post(f"/desk/bulk/{place}", data={"token": token} | fields)


async def sure(client: httpx.AsyncClient, page: httpx.Response) -> httpx.Response:
    """Confirm what a page asks."""
    assert page.status_code == 200, page.text
    form = page.text.split('<section class="card bulk-result">')[1]
    fields = {name: html.unescape(value) for name, value in re.findall(r'name="(\w+)" value="([^"]*)"', form)}
    assert fields.get("sure") == "1"
    address = re.search(r'<form method="post" action="([^"]+)"', form)
    assert address
    return await client.post(address[1], data=fields)


async def tickets(office: Office, count: int) -> list[int]:
    """Tickets of as many customers."""
    made = []
    for number in range(count):
        talk = await office.writes(f"C{number}", "hi")
        made.append((await office.complains(talk, f"broken {number}", Severity.LOW)).id)
    return made


async def row(office: Office, ticket_id: int) -> Ticket:
    """A ticket as it is now."""
    async with office.database.read() as session:
        return await session.get_one(Ticket, ticket_id)


async def told(office: Office) -> int:
    """How many messages have been queued for customers."""
    async with office.database.read() as session:
        return await session.scalar(select(func.count()).select_from(Outbox)) or 0


async def test_a_status_is_changed_after_it_is_said_how_many_hear_of_it(office: Office) -> None:
    """Nothing happens before it is confirmed; then each customer is told once, and those that fail are listed."""
    made = await tickets(office, 4)
    async with office.database.begin() as session:
        (await session.get_one(Ticket, made[1])).status = TicketStatus.OPEN
        (await session.get_one(Ticket, made[2])).merged_into_id = made[0]
    async with office.signed_in("ana") as client:
        chosen = {f"id-{item}": "1" for item in made}
        page = await post(client, "tickets", do="status", status="open", text="Looking into it", **chosen)
        assert "Selected: 4." in page.text and "Customers who will be told: 2." in page.text
        assert (await row(office, made[0])).status is TicketStatus.NEW and await told(office) == 0
        done = await sure(client, page)
    assert "Done: 3 of 4." in done.text and "Not done: 1" in done.text
    assert f'<a href="/desk/tickets/{made[2]}">T-{made[2]:06}</a>' in done.text and "merged" in done.text
    assert [(await row(office, item)).status.value for item in made] == ["open", "open", "new", "open"]
    assert await told(office) == 2
    async with office.database.read() as session:
        event = (await session.scalars(select(TicketEvent).where(TicketEvent.kind == "status"))).first()
    assert event is not None and event.actor == "ana" and event.detail["reason"] == "Looking into it"


async def test_what_the_database_refuses_holds_up_nothing_else(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """The row is listed, without the database's words, and the others are done."""
    made = await tickets(office, 3)
    real = agents.note_ticket

    async def refused(session: AsyncSession, ticket_id: int, words: str, agent: User) -> None:
        if ticket_id == made[0]:
            raise StorageError("deadlock detected")
        await real(session, ticket_id, words, agent)

    monkeypatch.setattr(agents, "note_ticket", refused)
    async with office.signed_in("ana") as client:
        page = await post(client, "tickets", do="note", text="seen", **{f"id-{item}": "1" for item in made})
        done = await sure(client, page)
    assert "Done: 2 of 3." in done.text and "This could not be done." in done.text and "deadlock" not in done.text


async def test_one_that_fails_half_way_leaves_nothing_half_done(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The customer's notice fails in one row: that row stays as it was, the others are done."""
    from bot.services.tickets import TicketError

    made = await tickets(office, 3)
    real, calls = office.voice.say, []

    async def say(*args: object, **more: object) -> list[int]:
        calls.append(1)
        if len(calls) == 2:
            raise TicketError("transition")
        return await real(*args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(office.voice, "say", say)
    async with office.signed_in("ana") as client:
        ids = ",".join(map(str, made))
        done = await sure(client, await post(client, "tickets", do="status", status="open", ids=ids))
    assert "Done: 2 of 3." in done.text
    assert [(await row(office, item)).status.value for item in made] == ["open", "new", "open"]
    async with office.database.read() as session:
        assert await session.scalar(select(func.count()).where(TicketEvent.kind == "status")) == 2


async def test_tickets_are_assigned_classified_and_noted(office: Office) -> None:
    """Each through the same way as one by one; no customer hears of any of it."""
    with_teams(office)
    made = await tickets(office, 3)
    chosen = {f"id-{item}": "1" for item in made}
    lars = office.people["lars"].id
    async with office.signed_in("ana") as client:
        page = await post(client, "tickets", do="assign", team="Billing", agent=str(lars), **chosen)
        assert "No customer will be told." in page.text
        assert "Done: 3 of 3." in (await sure(client, page)).text
        await sure(client, await post(client, "tickets", do="classify", type="", severity="critical", **chosen))
        await sure(client, await post(client, "tickets", do="classify", type="billing", severity="", **chosen))
        await sure(client, await post(client, "tickets", do="note", text="Checked, & done", **chosen))
        empty = await sure(client, await post(client, "tickets", do="note", text=" ", **chosen))
        assert "Done: 0 of 3." in empty.text and "Not done: 3" in empty.text
    for item in made:
        ticket = await row(office, item)
        assert (ticket.team, ticket.agent_id) == ("Billing", lars)
        assert (ticket.type, ticket.severity) == (TicketType.BILLING, Severity.CRITICAL)
    async with office.database.read() as session:
        notes = (await session.scalars(select(TicketEvent).where(TicketEvent.kind == "note"))).all()
    assert [note.detail["words"] for note in notes] == ["Checked, & done"] * 3 and await told(office) == 0


async def test_all_that_match_are_changed_up_to_a_limit(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over all pages, as filtered; beyond the limit it is said that there are more."""
    made = await tickets(office, 6)
    async with office.database.begin() as session:
        (await session.get_one(Ticket, made[0])).severity = Severity.CRITICAL
    async with office.signed_in("ana") as client:
        page = await post(client, "tickets", do="note", text="x", all="1", query="&severity=low")
        assert "Selected: 5." in page.text
        assert "Done: 5 of 5." in (await sure(client, page)).text
        monkeypatch.setattr("bot.desk.bulk.MOST_AT_ONCE", 4)
        page = await post(client, "tickets", do="note", text="x", all="1", query="")
        assert "Selected: 4." in page.text and "There are more" in page.text
        ids = ",".join(map(str, range(1, 2000)))
        assert "Selected: 4." in (await post(client, "tickets", do="note", text="x", ids=ids)).text


async def test_what_makes_no_sense_is_refused(office: Office) -> None:
    """Nothing chosen, unknown actions, forged ids and values, no token."""
    await tickets(office, 1)
    async with office.signed_in("ana") as client:
        assert "Nothing is selected." in (await post(client, "tickets", do="note", text="x")).text
        bad = [
            {"do": "explode"}, {"do": "status", "status": "lost"}, {"do": "assign", "agent": "999"},
            {"do": "assign", "team": "Nobody"}, {"do": "classify"}, {"do": "assign", "agent": "'; --"},
        ]  # fmt: skip
        for fields in bad:
            assert (await post(client, "tickets", ids="1", **fields)).status_code == 400, fields
        assert (await post(client, "conversations", do="status", ids="1")).status_code == 400
        odd = await post(client, "tickets", do="note", text="x", ids="1,,x,-5,99999999999999999999,7", **{"id-": "1"})
        assert "Nothing is selected." in odd.text
        done = await sure(client, await post(client, "tickets", do="note", text="x", ids="1,999"))
        assert "Done: 1 of 2." in done.text and "T-000999" in done.text
        answer = await client.post("/desk/bulk/tickets", data={"do": "note", "ids": "1", "text": "x"})
        assert answer.status_code == 403


async def test_conversations_are_ended_passed_on_and_noted(office: Office) -> None:
    """What is a colleague's fails by itself; what is mine and what waits is done."""
    with_teams(office)
    for number in range(4):
        await office.waits(await office.writes(f"C{number}", "hi"))
    await office.claims(1, "ana")
    await office.claims(2, "lars")
    ids = {f"id-{number}": "1" for number in range(1, 5)}
    async with office.signed_in("ana") as client:
        noted = await sure(client, await post(client, "conversations", do="note", text="Call back", **ids))
        assert "Done: 4 of 4." in noted.text and await told(office) == 0
        passed = await post(client, "conversations", do="pass", team="Delivery", **{"id-4": "1"})
        assert "No customer will be told." in passed.text
        assert "Done: 1 of 1." in (await sure(client, passed)).text
        page = await post(client, "conversations", do="back", **ids)
        assert "Customers who will be told: 3." in page.text
        done = await sure(client, page)
        assert "Done: 3 of 4." in done.text and "Not done: 1" in done.text and "/desk/conversations/2" in done.text
        again = await sure(client, await post(client, "conversations", do="resolve", **ids))
        assert "Done: 0 of 4." in again.text and "with the bot" in again.text
    async with office.database.read() as session:
        owners = (await session.scalars(select(Conversation.owner).order_by(Conversation.id))).all()
        assert owners == [Owner.BOT, Owner.PERSON, Owner.BOT, Owner.BOT]
        assert await session.scalar(select(func.count()).select_from(ConversationNote)) == 4
    assert await told(office) == 3


async def test_what_is_chosen_can_be_had_as_a_file(office: Office) -> None:
    """Only the rows that were ticked, or all that match, without a question."""
    made = await tickets(office, 3)
    async with office.signed_in("ana") as client:
        answer = await post(client, "tickets", do="csv", **{f"id-{made[1]}": "1"})
        assert [line[0] for line in rows_of(answer.text)[1:]] == ["T-000002"]
        answer = await post(client, "conversations", do="csv", all="1", query="sort=oldest")
        assert [line[1] for line in rows_of(answer.text)[1:]] == ["C0", "C1", "C2"]
        assert (await post(client, "tickets", do="xlsx", ids="1")).content.startswith(b"PK")


async def test_the_lists_offer_it(office: Office) -> None:
    """A box for each row with its name, the actions, and all pages where there are more."""
    await tickets(office, 1)
    async with office.signed_in("ana") as client:
        page = (await client.get("/desk/tickets")).text
        assert 'name="id-1"' in page and 'aria-label="Select T-000001"' in page and 'name="all"' not in page
        assert "lists.js" in page
        for number in range(30):
            await office.writes(f"D{number}", "hi")
        assert 'name="all"' in (await client.get("/desk/conversations")).text
