"""Follow-ups at the desk: the lists, and what one does about a low score."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from bot.contracts import Owner
from bot.services import followups
from bot.storage import now
from bot.storage.models import Conversation, FollowUp, Survey
from tests.desk.office import Office, token_of


async def rated(office: Office, name: str, score: int, comment: str = "") -> int:
    """A customer gives a score; the follow-up's id."""
    talk = await office.writes(name, "hello")
    survey = await office.rates(talk, score, comment)
    async with office.database.begin() as session:
        own = await session.get_one(Survey, survey.id)
        own.definition = "after-conversation"
        row = await followups.open_for(session, own, office.config.settings)
    assert row is not None
    return row.id


async def row_of(office: Office, number: int) -> FollowUp:
    """A follow-up as it is now."""
    async with office.database.read() as session:
        return await session.get_one(FollowUp, number)


@pytest.fixture
async def number(office: Office) -> AsyncIterator[int]:
    """The follow-up of a customer who is not content."""
    yield await rated(office, "Tom Baker", 1, "never <b>again</b>")


async def does(client: Any, number: int, action: str, **fields: str) -> Any:
    """Send one of a follow-up's forms."""
    token = token_of(await client.get("/desk/follow-ups"))
    return await client.post(f"/desk/follow-ups/{number}/{action}", data={"token": token} | fields)


async def test_the_lists(office: Office, number: int) -> None:
    """Open, overdue and done, each with its number; nonsense in the address shows what is open."""
    second = await rated(office, "Eva Stone", 2)
    async with office.database.begin() as session:
        (await session.get_one(FollowUp, second)).due_at = now()
    async with office.signed_in("maya") as client:
        page = (await client.get("/desk/follow-ups?whose=x&state=y&page=0")).text
        assert "Tom Baker" in page and "Eva Stone" in page and "never &lt;b&gt;again" in page
        late = (await client.get("/desk/follow-ups?state=overdue")).text
        assert "Eva Stone" in late and "Tom Baker" not in late and "Overdue" in late
        assert "Nothing to follow up here." in (await client.get("/desk/follow-ups?state=done")).text
        assert "Nothing to follow up here." in (await client.get("/desk/follow-ups?whose=mine")).text
        assert (await client.get("/desk/follow-ups?page=99999999999999999999")).status_code == 200


async def test_from_taking_it_to_its_outcome(office: Office, number: int) -> None:
    """Taken, noted, closed with an outcome; the alert leads there, and is seen with it."""
    async with office.signed_in("maya") as client:
        assert "Alerts: 1" in (await client.get("/desk")).text
        page = (await client.get(f"/desk/follow-ups/{number}")).text
        assert "CSAT 1" in page and "Alerts: 0" in page
        answer = await does(client, number, "take", owner="")
        assert answer.status_code == 303 and answer.headers["location"] == f"/desk/follow-ups/{number}"
        assert (await row_of(office, number)).owner_id == office.people["maya"].id
        assert "Tom Baker" in (await client.get("/desk/follow-ups?whose=mine")).text
        await does(client, number, "note", text="called,\r\nno answer")
        refused = await does(client, number, "close", outcome="", text="I keep this")
        assert refused.status_code == 409 and "Choose an outcome." in refused.text and "I keep this" in refused.text
        await does(client, number, "close", outcome="recovered", text="sent a voucher")
        page = (await client.get(f"/desk/follow-ups/{number}")).text
        assert "Maya Okafor: called,\nno answer" in page and "Maya Okafor: sent a voucher" in page
        assert "Recovered" in page and f'action="/desk/follow-ups/{number}/close"' not in page
        assert (await does(client, number, "close", outcome="not_reached")).status_code == 409
        assert "Tom Baker" in (await client.get("/desk/follow-ups?state=done")).text


async def test_writing_to_the_customer_takes_the_conversation(office: Office, number: int) -> None:
    """One button from the score to the chat; a colleague who has it keeps it."""
    async with office.signed_in("maya") as client:
        talk = (await row_of(office, number)).survey_id
        answer = await does(client, number, "talk")
        assert answer.headers["location"] == f"/desk/conversations/{talk}"
        async with office.database.begin() as session:
            conversation = await session.get_one(Conversation, talk)
            assert conversation.owner is Owner.PERSON and conversation.agent_id == office.people["maya"].id
        other = await rated(office, "Eva Stone", 1)
        await office.waits(other)
        await office.claims(other, "ana")
        refused = await does(client, other, "talk")
        assert refused.status_code == 409 and "A colleague has this conversation" in refused.text


async def test_asking_again(office: Office, number: int) -> None:
    """Planned once, and shown with what becomes of it; a second time is refused in words."""
    async with office.signed_in("maya") as client:
        assert (await does(client, number, "again")).status_code == 303
        again = (await row_of(office, number)).again_id
        page = (await client.get(f"/desk/follow-ups/{number}")).text
        assert "planned" in page and f'action="/desk/follow-ups/{number}/again"' not in page
        refused = await does(client, number, "again")
        assert refused.status_code == 409 and "asked again already" in refused.text
    async with office.database.read() as session:
        survey = await session.get_one(Survey, again)
        assert survey.trigger == "again" and survey.conversation_id == number


async def test_managers_give_it_to_somebody(office: Office, number: int) -> None:
    """To an agent of no team, with a note: they are told and see it; to nobody, by an agent or too late it is not."""
    ana, maya = office.people["ana"], office.people["maya"]
    async with office.signed_in("maya") as client:
        page = (await client.get(f"/desk/follow-ups/{number}")).text
        assert f'<option value="{ana.id}" >Ana Prieto</option>' in page
        refused = await does(client, number, "assign", to="999", owner="", text="for <you>")
        assert refused.status_code == 409 and "Choose somebody who works here." in refused.text
        assert "for &lt;you&gt;" in refused.text
        assert (await does(client, number, "assign", to="x", owner="")).status_code == 409
        assert (await does(client, number, "assign", to=str(ana.id), owner="", text="a\r\nb")).status_code == 303
        late = await does(client, number, "assign", to=str(office.people["lars"].id), owner="")
        assert late.status_code == 409 and "Somebody else has taken it meanwhile." in late.text
    row = await row_of(office, number)
    assert row.owner_id == ana.id and row.note.endswith("Maya Okafor → Ana Prieto: a\nb")
    async with office.signed_in("ana") as client:
        assert "Alerts: 1" in (await client.get("/desk")).text
        assert "Maya Okafor gave you follow-up" in (await client.get("/desk/follow-ups")).text
        page = (await client.get(f"/desk/follow-ups/{number}")).text
        assert "Tom Baker" in page and 'action="/desk/follow-ups/1/assign"' not in page
        refused = await does(client, number, "assign", to=str(maya.id), owner=str(ana.id))
        assert refused.status_code == 409 and "Only managers" in refused.text
    async with office.signed_in("lars") as client:
        assert (await does(client, number, "assign", to=str(ana.id), owner=str(ana.id))).status_code == 404
    assert (await row_of(office, number)).owner_id == ana.id


async def test_who_may_do_what(office: Office, number: int) -> None:
    """The managers' follow-ups are no business of an agent; forged forms and unknown actions change nothing."""
    async with office.signed_in("lars") as client:
        assert (await client.get("/desk/follow-ups")).status_code == 200
        assert "Tom Baker" not in (await client.get("/desk/follow-ups?whose=all")).text
        assert (await client.get(f"/desk/follow-ups/{number}")).status_code == 404
        for action in ("take", "assign", "note", "close", "again", "talk"):
            answer = await does(client, number, action, text="x", outcome="recovered")
            assert answer.status_code == 404, action
    async with office.signed_in("maya") as client:
        assert (await does(client, number, "explode")).status_code == 404
        assert (await does(client, 99, "take")).status_code == 404
        answer = await client.post(f"/desk/follow-ups/{number}/close", data={"token": "0", "outcome": "recovered"})
        assert answer.status_code == 403
    row = await row_of(office, number)
    assert row.owner_id is None and row.note == "" and row.closed_at is None and row.again_id is None
