"""Campaigns: whom a survey would reach, the confirmation, what leaves, what comes back."""

from __future__ import annotations

import asyncio
import re
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import select

from bot.storage import now
from bot.storage.models import Campaign, Conversation, Survey, SurveyStatus, Timer
from tests.desk.office import Office, token_of

DEFINITION = "campaign-nps"


async def people(office: Office) -> None:
    """Three customers who bought something, one who wants no surveys, one who was only greeted."""
    for name, channel in (("Tom", "web"), ("Eva", "telegram"), ("Max", "web"), ("Ida", "web")):
        talk = await office.writes(name, "hello", channel=channel)
        await office.buys(talk, name, f"1002{talk:02}")
        if name == "Ida":
            async with office.database.begin() as session:
                (await session.get_one(Conversation, talk)).surveys_stopped_at = now()
    await office.writes("Guest", "hello")


async def sends(client: Any, number: int | str, **query: str) -> Any:
    """Confirm a campaign."""
    token = token_of(await client.get("/desk/campaigns/new"))
    asked = urlencode({"definition": DEFINITION} | query)
    return await client.post("/desk/campaigns", data={"token": token, "query": asked, "people": str(number)})


async def count(office: Office, what: Any) -> int:
    """How many rows a table has."""
    async with office.database.read() as session:
        return len(list(await session.scalars(select(what))))


def excluded(page: str, words: str) -> int:
    """How many a page leaves out for a reason."""
    found = re.search(rf'<th scope="row">{words}</th><td class="num">(\d+)</td>', page)
    return int(found[1]) if found else 0


async def test_the_preview_says_how_many_and_who_not(office: Office) -> None:
    """Counts by reason, some names, nothing sent; filters narrow it."""
    await people(office)
    async with office.signed_in("maya") as client:
        page = (await client.get(f"/desk/campaigns/new?definition={DEFINITION}")).text
        assert '<p class="big">3</p>' in page and "Tom" in page
        assert excluded(page, "Wants no surveys") == 1 and excluded(page, "Nothing was done for them yet") == 1
        page = (await client.get(f"/desk/campaigns/new?definition={DEFINITION}&channel=telegram&days=7")).text
        assert '<p class="big">1</p>' in page and "Eva" in page and 'value="telegram" checked' in page
        page = (await client.get(f"/desk/campaigns/new?definition={DEFINITION}&country=ES&type=late")).text
        assert '<p class="big">0</p>' in page and 'name="people"' not in page
        page = (await client.get("/desk/campaigns/new?definition=after-ticket")).text
        assert 'class="big"' not in page
    assert await count(office, Survey) == await count(office, Campaign) == 0


async def test_it_leaves_when_the_number_is_typed(office: Office) -> None:
    """A wrong number sends nothing; the right one plans each survey once; sent again, everybody is left out."""
    await people(office)
    async with office.signed_in("maya") as client:
        for wrong in ("2", "", "three", "4"):
            refused = await sends(client, wrong)
            assert refused.status_code == 409 and "not the number of people" in refused.text
        assert await count(office, Survey) == 0
        answer = await sends(client, 3)
        assert answer.status_code == 303 and answer.headers["location"] == "/desk/campaigns/1"
        repeated = await sends(client, 3)
        assert repeated.status_code == 409 and "Nobody would be asked now." in repeated.text
        assert excluded(repeated.text, "Was asked recently, or is about to be") == 3
        assert "campaign-nps" in (await client.get("/desk/campaigns")).text
    assert await count(office, Campaign) == 1
    async with office.database.read() as session:
        planned = list(await session.scalars(select(Survey)))
        timers = list(await session.scalars(select(Timer).where(Timer.kind == "survey_send")))
    assert [(row.trigger, row.campaign_id, row.status) for row in planned] == [
        ("manual", 1, SurveyStatus.SCHEDULED)
    ] * 3
    assert len(timers) == 3


async def test_two_who_confirm_at_once_send_it_once(office: Office) -> None:
    """Pressed twice in the same moment, it leaves once."""
    await people(office)
    async with office.signed_in("maya") as client:
        answers = await asyncio.gather(*(sends(client, 3) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [303, 409, 409, 409]
    assert await count(office, Campaign) == 1 and await count(office, Survey) == 3


async def test_the_result_so_far(office: Office) -> None:
    """Waiting, sent, answered, refused after all with the reason, and the score with its interval."""
    await people(office)
    async with office.signed_in("maya") as client:
        await sends(client, 3)
        assert "No answers yet." in (await client.get("/desk/campaigns/1")).text
        async with office.database.begin() as session:
            first, second, _ = await session.scalars(select(Survey).order_by(Survey.id))
            first.status, first.sent_at, first.delivered_at, first.score = SurveyStatus.ANSWERED, now(), now(), 10
            second.status, second.reason = SurveyStatus.CANCELLED, "complaint"
        page = (await client.get("/desk/campaigns/1")).text
        for words, number in (
            ("People in the audience", 3), ("Still to be sent", 1), ("Sent", 1), ("Answered", 1),
            ("Has an open complaint", 1), ("Wants no surveys", 1),
        ):  # fmt: skip
            assert excluded(page, words) == number, words
        assert '<p class="big">100</p>' in page and "n = 1" in page
        assert (await client.get("/desk/campaigns/2")).status_code == 404


async def test_campaigns_are_for_managers(office: Office) -> None:
    """An agent sees none and sends none; a form without its token sends none."""
    await people(office)
    async with office.signed_in("ana") as client:
        token = token_of(await client.get("/desk"))
        assert "/desk/campaigns" not in (await client.get("/desk")).text
        for address in ("/desk/campaigns", "/desk/campaigns/new", "/desk/campaigns/1"):
            assert (await client.get(address)).status_code == 403
        asked = {"token": token, "query": f"definition={DEFINITION}", "people": "3"}
        assert (await client.post("/desk/campaigns", data=asked)).status_code == 403
    async with office.signed_in("maya") as client:
        answer = await client.post("/desk/campaigns", data=asked | {"token": "0"})
        assert answer.status_code == 403
    assert await count(office, Survey) == 0
