"""Customers and surveys over the API: look-ups, changes, and rights over data."""

from __future__ import annotations

import json
from datetime import timedelta

import httpx
from sqlalchemy import func, select

from bot.storage import now
from bot.storage.models import Customer, Message, PrivacyRequest, Ticket, Timer
from tests.api.conftest import BOTH, Api

ANNA = {
    "external_ref": "C-17",
    "name": "Anna Gil",
    "email": " Anna@Example.com ",
    "phone": "06 12345678",
    "country": "NL",
    "tier": "gold",
    "timezone": "Europe/Amsterdam",
}


@BOTH
async def test_customers_are_added_found_and_changed(client: httpx.AsyncClient) -> None:
    """Contacts are kept as they are compared with, found in any notation, and changed one by one."""
    made = await client.post("/customers", json=ANNA)
    assert made.status_code == 201
    anna = made.json()
    assert (anna["email"], anna["phone"]) == ("anna@example.com", "+31612345678")
    assert made.headers["location"] == f"/api/v1/customers/{anna['id']}"
    await client.post("/customers", json={"name": "Bo"})
    for params in ({"email": "ANNA@example.com"}, {"phone": "+31 6 1234 5678"}, {"external_ref": "C-17"}):
        found = (await client.get("/customers", params=params)).json()["items"]
        assert [item["id"] for item in found] == [anna["id"]], params
    assert (await client.get("/customers", params={"email": "a@b.c"})).json()["items"] == []
    changed = (await client.patch(f"/customers/{anna['id']}", json={"tier": "", "name": "Anna Vos"})).json()
    assert (changed["name"], changed["tier"], changed["email"]) == ("Anna Vos", "standard", "anna@example.com")
    pages = (await client.get("/customers", params={"limit": 1})).json()
    assert len(pages["items"]) == 1 and pages["next"]


@BOTH
async def test_a_reference_belongs_to_one_customer(client: httpx.AsyncClient) -> None:
    """A reference that is taken is a conflict, for new customers and for changed ones."""
    anna = (await client.post("/customers", json=ANNA)).json()["id"]
    bo = (await client.post("/customers", json={"external_ref": "C-18"})).json()["id"]
    again = await client.post("/customers", json=ANNA)
    assert again.status_code == 409 and str(anna) in again.json()["detail"]
    stolen = await client.patch(f"/customers/{bo}", json={"external_ref": "C-17"})
    assert stolen.status_code == 409
    same = await client.patch(f"/customers/{anna}", json={"external_ref": "C-17", "name": "A"})
    assert same.status_code == 200
    assert (await client.patch(f"/customers/{anna}", json={"external_ref": ""})).json()["external_ref"] == ""


async def test_values_that_are_none_are_refused_by_field(client: httpx.AsyncClient) -> None:
    """An address without @, a number without digits, an invented time zone: 422 with the field."""
    for field, value in (("email", "anna"), ("email", "a b@c.d"), ("phone", "none"), ("timezone", "Mars/Base")):
        answer = await client.post("/customers", json={field: value})
        assert answer.status_code == 422, answer.text
        assert answer.json()["errors"][0]["field"] == f"body.{field}"


@BOTH
async def test_a_customer_is_shown_exported_and_erased(api: Api, client: httpx.AsyncClient) -> None:
    """All that is kept is handed out, verified at the moment or not; after erasing none of it is there."""
    talk = await api.office.writes("ines", "My cup is broken, says Ines")
    await api.office.buys(talk, "Ines Gil", "555001", "555002")
    await api.office.complains(talk, "broken cup")
    async with api.database.begin() as session:
        customer_id = (await session.scalars(select(Customer.id))).one()
        chat = (await session.scalars(select(Ticket))).one()
        chat.customer_id = customer_id
        talks = await session.get_one(Customer, customer_id)
        talks.external_ref = "C-17"
    shown = (await client.get(f"/customers/{customer_id}")).json()
    assert [order["number"] for order in shown["orders"]] == ["555001", "555002"]
    assert shown["orders"][0]["total"] == "129.90"
    assert [item["id"] for item in shown["conversations"]] == [talk] and len(shown["tickets"]) == 1
    export = (await client.post(f"/customers/{customer_id}/export")).json()
    assert export["customer"]["email"] == "ana@example.com"
    assert export["messages"][0]["text"] == "My cup is broken, says Ines"
    assert export["tickets"][0]["description"] == "broken cup"

    erased = await client.post(f"/customers/{customer_id}/erase")
    assert erased.status_code == 200 and erased.json()["erased_at"]
    assert (erased.json()["email"], erased.json()["external_ref"]) == ("", "")
    after = json.dumps((await client.get(f"/customers/{customer_id}")).json())
    assert "Ines" not in after and "ana@example.com" not in after
    async with api.database.read() as session:
        assert "broken" not in " ".join(await session.scalars(select(Message.text)))
        kinds = (await session.scalars(select(PrivacyRequest.kind).order_by(PrivacyRequest.id))).all()
        sweeps = await session.scalar(select(func.count()).select_from(Timer).where(Timer.kind == "privacy_sweep"))
    assert list(kinds) == ["export", "delete"] and sweeps == 1
    again = await client.post(f"/customers/{customer_id}/erase")
    assert again.json()["erased_at"] == erased.json()["erased_at"]
    assert (await client.patch(f"/customers/{customer_id}", json={"name": "Ines"})).status_code == 409
    back = await client.post("/customers", json={"external_ref": "C-17"})
    assert back.status_code == 409 and "erased" in back.json()["detail"]


async def test_a_customer_who_never_wrote_is_exported_and_erased(client: httpx.AsyncClient) -> None:
    """Without a conversation there is only the record, which is handed out and then emptied."""
    anna = (await client.post("/customers", json=ANNA)).json()["id"]
    export = (await client.post(f"/customers/{anna}/export")).json()
    assert export["customer"]["name"] == "Anna Gil" and export["conversations"] == []
    assert (await client.post(f"/customers/{anna}/erase")).json()["name"] == ""
    for action in ("export", "erase"):
        assert (await client.post(f"/customers/{anna + 99}/{action}")).status_code == 404
    assert (await client.get(f"/customers/{anna + 99}")).status_code == 404
    assert (await client.patch(f"/customers/{anna + 99}", json={})).status_code == 404


@BOTH
async def test_answers_to_surveys_are_listed(api: Api, client: httpx.AsyncClient) -> None:
    """Answered surveys come with score and comment; those nobody answered do not come."""
    talk = await api.office.writes("Ines", "Thanks")
    answered = await api.office.rates(talk, 4, "Quick.")
    await api.office.rates(await api.office.writes("Omar", "Bye", channel="telegram"), None)
    answer = await client.get("/surveys")
    assert [(item["id"], item["score"], item["comment"]) for item in answer.json()["items"]] == [
        (answered.id, 4, "Quick.")
    ]
    moment = (now() - timedelta(hours=1)).isoformat()
    for params, count in (
        ({"channel": "web", "kind": "csat", "language": "en", "answered_after": moment}, 1),
        ({"answered_before": moment}, 0),
        ({"customer": 9}, 0),
        ({"ticket": 9}, 0),
    ):
        assert len((await client.get("/surveys", params=params)).json()["items"]) == count, params
