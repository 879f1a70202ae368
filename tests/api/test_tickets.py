"""Tickets over the API: lists, changes, what is refused and why."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from bot.storage import now
from bot.storage.models import Outbox, Severity, Ticket, TicketEvent
from tests.api.conftest import BOTH, Api


async def opened(api: Api, name: str = "Ines", text: str = "The cup is broken.") -> int:
    """A customer's ticket."""
    return (await api.office.complains(await api.office.writes(name, text), text)).id


async def told(api: Api, conversation_id: int) -> list[str]:
    """What was sent to the customer, in order."""
    async with api.database.read() as session:
        rows = await session.scalars(
            select(Outbox).where(Outbox.conversation_id == conversation_id).order_by(Outbox.id)
        )
        return [str(row.body["text"]) for row in rows]


async def test_a_ticket_is_read_with_all_that_belongs_to_it(api: Api, client: httpx.AsyncClient) -> None:
    """Number, links, history and files of a ticket are there; amounts of what an agent sees, no more."""
    ticket = await opened(api)
    answer = await client.get(f"/tickets/{ticket}")
    assert answer.status_code == 200
    body = answer.json()
    assert body["number"] == f"T-{ticket:06d}"
    assert body["description"] == "The cup is broken."
    assert body["order_number"] == "100234"
    assert body["channel"] == "web"
    assert [entry["kind"] for entry in body["history"]] == ["opened"]
    assert "resolved" in body["allowed"] and "new" not in body["allowed"]
    assert answer.headers["ETag"]
    assert answer.headers["cache-control"] == "no-store"


@BOTH
async def test_lists_are_filtered_and_paged_without_gaps(api: Api, client: httpx.AsyncClient) -> None:
    """Every ticket comes once, whatever is opened meanwhile; each filter leaves out what does not fit."""
    tickets = [await opened(api, f"C{number}") for number in range(5)]
    seen: list[int] = []
    cursor: str | None = None
    for _ in range(3):
        params: dict[str, Any] = {"limit": 2, "sort": "oldest"} | ({"cursor": cursor} if cursor else {})
        page = (await client.get("/tickets", params=params)).json()
        seen += [item["id"] for item in page["items"]]
        cursor = page["next"]
    assert seen == tickets and cursor is None
    newest = (await client.get("/tickets", params={"limit": 3})).json()
    assert [item["id"] for item in newest["items"]] == tickets[:1:-1]

    first = tickets[0]
    changed = await client.post(
        f"/tickets/{first}/classify", json={"agent": "ana", "type": "late", "severity": "low", "reason": "misread"}
    )
    assert changed.status_code == 200
    await client.post(f"/tickets/{first}/assign", json={"agent": "ana", "team": "returns", "assignee": "lars"})
    moment = (now() - timedelta(minutes=5)).isoformat()
    only_first: list[dict[str, Any]] = [
        {"type": "late"},
        {"severity": ["low", "critical"]},
        {"team": "returns"},
        {"agent": "Lars"},
        {"type": "late", "status": ["new", "open"], "channel": "web", "language": "en", "order": "100234"},
        {"updated_after": moment, "created_after": moment, "type": "late"},
    ]
    for params in only_first:
        found = (await client.get("/tickets", params=params)).json()["items"]
        assert [item["id"] for item in found] == [first], params
    for params in ({"status": "closed"}, {"channel": "slack"}, {"customer": 77}, {"created_before": moment}):
        assert (await client.get("/tickets", params=params)).json()["items"] == [], params


async def test_status_is_changed_as_at_the_desk(api: Api, client: httpx.AsyncClient) -> None:
    """Resolving over the API tells the customer, records the agent and the codes, and obeys the same rules."""
    ticket = await opened(api)
    body = {"agent": "ana", "status": "resolved", "reason": "sent again"}
    missing = await client.post(f"/tickets/{ticket}/status", json=body)
    assert missing.status_code == 422
    assert missing.json()["errors"][0]["field"] == "body.root_cause"
    codes = {"root_cause": "Packed wrongly", "resolution": "Replacement sent"}
    done = await client.post(f"/tickets/{ticket}/status", json=body | codes)
    assert done.status_code == 200
    assert done.json()["status"] == "resolved" and done.json()["resolution"] == "Replacement sent"
    assert done.json()["history"][-1]["actor"] == "ana"
    assert any(f"T-{ticket:06d}" in text for text in await told(api, done.json()["conversation"]))
    again = await client.post(f"/tickets/{ticket}/status", json={"agent": "ana", "status": "pending_customer"})
    assert again.status_code == 409
    assert again.json()["type"] == "urn:linguadesk:problem:transition"
    assert "cannot be given that one" in again.json()["detail"]


async def test_notes_and_assignments_are_recorded_in_the_agents_name(api: Api, client: httpx.AsyncClient) -> None:
    """A note and an assignment are in the history, and the customer hears of neither."""
    ticket = await opened(api)
    noted = await client.post(f"/tickets/{ticket}/notes", json={"agent": "Lars", "text": "Called the carrier."})
    assert noted.status_code == 201
    last = noted.json()["history"][-1]
    assert (last["actor"], last["kind"], last["detail"]["words"]) == ("lars", "note", "Called the carrier.")
    given = (await client.post(f"/tickets/{ticket}/assign", json={"agent": "ana", "assignee": "lars"})).json()
    assert given["agent"]["username"] == "lars" and given["team"] == ""
    freed = (await client.post(f"/tickets/{ticket}/assign", json={"agent": "ana", "assignee": ""})).json()
    assert freed["agent"] is None
    unknown = await client.post(f"/tickets/{ticket}/assign", json={"agent": "ana", "team": "nobody"})
    assert unknown.status_code == 422 and unknown.json()["errors"][0]["field"] == "body.team"
    assert await told(api, noted.json()["conversation"]) == []


@BOTH
async def test_tickets_are_merged_only_within_one_customer(api: Api, client: httpx.AsyncClient) -> None:
    """The other ticket goes on; a stranger's is refused, and so is one that does not exist."""
    talk = await api.office.writes("Ines", "broken")
    first = (await api.office.complains(talk, "broken")).id
    second = (await api.office.complains(talk, "still broken")).id
    stranger = await opened(api, "Omar")
    refused = await client.post(f"/tickets/{first}/merge", json={"agent": "ana", "into": stranger})
    assert refused.status_code == 409 and "another customer" in refused.json()["detail"]
    for into in (first, 99_999):
        wrong = await client.post(f"/tickets/{first}/merge", json={"agent": "ana", "into": into})
        assert wrong.status_code == 422 and wrong.json()["errors"][0]["field"] == "body.into"
    merged = await client.post(f"/tickets/{second}/merge", json={"agent": "ana", "into": first})
    assert merged.status_code == 200 and merged.json()["id"] == first
    assert (await client.get(f"/tickets/{second}")).json()["merged_into"] == first
    late = await client.post(f"/tickets/{second}/assign", json={"agent": "ana", "assignee": "lars"})
    assert late.status_code == 409, "nobody works on what goes on elsewhere"


@BOTH
async def test_a_ticket_is_opened_for_a_customer_or_in_a_conversation(api: Api, client: httpx.AsyncClient) -> None:
    """It is linked to the customer and, where it is theirs, to the order; rules raise its severity."""
    talk = await api.office.writes("Ines", "Hello")
    await api.office.buys(talk, "Ines Gil", "555001")
    (customer,) = (await client.get("/customers", params={"email": "ANA@example.com"})).json()["items"]
    body = {
        "agent": "ana",
        "customer": customer["id"],
        "type": "damaged",
        "severity": "low",
        "order_number": "555-001",
        "description": "It caught fire.",
    }
    made = await client.post("/tickets", json=body)
    assert made.status_code == 201
    ticket = made.json()
    assert made.headers["location"] == f"/api/v1/tickets/{ticket['id']}"
    assert (ticket["conversation"], ticket["customer"], ticket["severity"]) == (talk, customer["id"], "critical")
    assert ticket["history"][0]["actor"] == "ana"
    async with api.database.read() as session:
        assert (await session.get_one(Ticket, ticket["id"])).order_id is not None
    assert ticket["id"] in [item["id"] for item in (await client.get(f"/customers/{customer['id']}")).json()["tickets"]]

    here = await client.post(
        "/tickets", json={"agent": "ana", "conversation": talk, "type": "late", "description": "Late."}
    )
    assert here.status_code == 201
    for wrong in ({"conversation": talk, "customer": customer["id"]}, {}):
        refused = await client.post("/tickets", json={"agent": "ana", "type": "late", "description": "x"} | wrong)
        assert refused.status_code == 422
    newcomer = (await client.post("/customers", json={"name": "Bo"})).json()["id"]
    nowhere = await client.post(
        "/tickets", json={"agent": "ana", "customer": newcomer, "type": "late", "description": "x"}
    )
    assert nowhere.status_code == 409 and "no conversation" in nowhere.json()["detail"]


@BOTH
async def test_two_writers_do_not_overwrite_each_other(api: Api, client: httpx.AsyncClient) -> None:
    """With the ETag of what was read, the second of two writers is refused and nothing is done."""
    ticket = await opened(api)
    known = (await client.get(f"/tickets/{ticket}")).headers["ETag"]

    async def change(severity: str) -> httpx.Response:
        return await client.post(
            f"/tickets/{ticket}/classify", json={"agent": "ana", "severity": severity}, headers={"If-Match": known}
        )

    answers = await asyncio.gather(change("low"), change("critical"))
    assert sorted(answer.status_code for answer in answers) == [200, 412]
    lost = next(answer for answer in answers if answer.status_code == 412)
    won = next(answer for answer in answers if answer.status_code == 200)
    current = await client.get(f"/tickets/{ticket}")
    assert current.json()["severity"] == won.json()["severity"]
    assert lost.headers["ETag"] == won.headers["ETag"] == current.headers["ETag"] != known
    third = await client.post(
        f"/tickets/{ticket}/notes", json={"agent": "ana", "text": "x"}, headers={"If-Match": current.headers["ETag"]}
    )
    assert third.status_code == 201


@BOTH
async def test_a_repeat_with_the_same_key_does_nothing_twice(api: Api, client: httpx.AsyncClient) -> None:
    """Ten calls at once with one Idempotency-Key make one note; the key with another request is refused."""
    ticket = await opened(api)
    headers = {"Idempotency-Key": "3f9c"}
    note = {"agent": "ana", "text": "Called."}
    answers = await asyncio.gather(
        *(client.post(f"/tickets/{ticket}/notes", json=note, headers=headers) for _ in range(10))
    )
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1
    async with api.database.read() as session:
        notes = (await session.scalars(select(TicketEvent).where(TicketEvent.kind == "note"))).all()
    assert len(notes) == 1
    other = await client.post(f"/tickets/{ticket}/notes", json=note | {"text": "Else."}, headers=headers)
    assert other.status_code == 422 and "new key" in other.json()["detail"]
    async with api.client() as stranger:
        # Another key of the API has idempotency keys of its own.
        fresh = await stranger.post(f"/tickets/{ticket}/notes", json=note, headers=headers)
    assert len([entry for entry in fresh.json()["history"] if entry["kind"] == "note"]) == 2


@BOTH
async def test_a_failed_call_can_be_repeated(api: Api, client: httpx.AsyncClient) -> None:
    """What was refused is not remembered under its Idempotency-Key: once it is possible, it is done."""
    talk = await api.office.writes("Ines", "Hello")
    headers = {"Idempotency-Key": "one"}
    says = {"agent": "ana", "text": "Good morning."}
    early = await client.post(f"/conversations/{talk}/messages", json=says, headers=headers)
    assert early.status_code == 409
    await api.office.waits(talk)
    now_it_is = await client.post(f"/conversations/{talk}/messages", json=says, headers=headers)
    assert now_it_is.status_code == 201
    assert await told(api, talk) == ["Good morning."]


@pytest.mark.parametrize("ticket", ["999999", str(2**53 - 1)])
async def test_what_does_not_exist_is_not_found(client: httpx.AsyncClient, ticket: str) -> None:
    """Every operation on a ticket that nobody has answers 404."""
    bodies = {
        "status": {"agent": "ana", "status": "open"},
        "classify": {"agent": "ana", "severity": Severity.LOW},
        "notes": {"agent": "ana", "text": "x"},
        "merge": {"agent": "ana", "into": 1},
        "assign": {"agent": "ana", "assignee": "lars"},
    }
    assert (await client.get(f"/tickets/{ticket}")).status_code == 404
    for action, body in bodies.items():
        for headers in ({}, {"If-Match": '"1-1"'}):
            answer = await client.post(f"/tickets/{ticket}/{action}", json=body, headers=headers)
            assert answer.status_code == 404, (action, answer.text)
