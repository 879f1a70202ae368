"""Alerts: the bell, what the browser may tell of; one's own account."""

from __future__ import annotations

import html

import pytest

from bot.desk.auth import COOKIE
from bot.services import alerts, handoff
from bot.storage import now
from tests.desk.office import PASSWORD, Office, enter, token_of


async def tell(office: Office, who: str, key: str = "alert.plain", path: str = "/desk/tickets", **params: str) -> None:
    """Alert somebody."""
    async with office.database.begin() as session:
        await alerts.tell(session, [office.people[who].id], key, params, path)


async def test_the_bell_counts_what_one_has_not_seen(office: Office) -> None:
    """Each alert is a link to its page, seen with it; a colleague's is none of one's business."""
    talk = await office.writes("Tom", "hello")
    await tell(office, "ana", path=f"/desk/conversations/{talk}")
    await tell(office, "ana", path="https://evil.example/desk")
    await tell(office, "lars")
    async with office.signed_in("ana") as client:
        assert "Alerts: 2" in (await client.get("/desk")).text
        answer = await client.get("/desk/alerts/1")
        assert answer.status_code == 303 and answer.headers["location"] == f"/desk/conversations/{talk}"
        assert "Alerts: 1" in (await client.get("/desk/alerts")).text
        assert (await client.get("/desk/alerts/2")).headers["location"] == "/desk"
        assert "Nothing new." in (await client.get("/desk")).text
        for other in (3, 99, 10**30):
            assert (await client.get(f"/desk/alerts/{other}")).status_code == 404
    async with office.signed_in("lars") as client:
        page = await client.get("/desk")
        assert "Alerts: 1" in page.text
        sent = {"token": token_of(page), "next": "/desk/tickets"}
        assert (await client.post("/desk/alerts/seen", data=sent | {"up_to": "x"})).status_code == 400
        answer = await client.post("/desk/alerts/seen", data=sent | {"up_to": "3"})
        assert answer.headers["location"] == "/desk/tickets"
        assert "Nothing new." in (await client.get("/desk")).text


async def test_the_page_that_an_alert_is_about_marks_it_seen(office: Office) -> None:
    """Who comes there another way need not open the bell as well."""
    talk = await office.writes("Tom", "hello")
    await tell(office, "ana", path=f"/desk/conversations/{talk}")
    async with office.signed_in("ana") as client:
        assert "Alerts: 0" in (await client.get(f"/desk/conversations/{talk}")).text
        assert "Alerts: 0" in (await client.get("/desk")).text


async def test_an_alert_in_words_is_never_markup_and_never_breaks_the_page(office: Office) -> None:
    """Parameters are words; moments are written as the reader writes them; what does not fit is said plainly."""
    await tell(office, "ana", "alert.offered", name="<b>Tom</b>", time=now().isoformat())
    await tell(office, "ana", "alert.offered")
    async with office.signed_in("ana") as client:
        page = (await client.get("/desk")).text
    assert "Alerts: 2" in page and "<b>Tom</b>" not in page


async def test_news_say_no_more_than_the_reader_asks_for(office: Office) -> None:
    """No name and no word of a customer unless asked for; nothing of other teams or colleagues; nothing twice."""
    waiting = await office.writes("Tom Baker", "my secret words")
    await office.waits(waiting)
    mine = await office.writes("Eva Stone", "her first words")
    await office.waits(mine)
    await office.claims(mine, "ana")
    elsewhere = await office.writes("Max Mill", "for another team")
    await office.waits(elsewhere)
    async with office.database.begin() as session:
        row = await handoff.current(session, elsewhere)
        assert row is not None
        row.team = "Somebody else's"
    theirs = await office.writes("Kim Lane", "with a colleague")
    await office.waits(theirs)
    await office.claims(theirs, "lars")
    await tell(office, "ana", path="/desk/tickets/1")
    async with office.signed_in("ana") as client:
        quiet = (await client.get("/desk/alerts/news?handoff=0&message=0&alert=0")).json()
        assert {item["tag"] for item in quiet["said"]} == {f"waiting-{waiting}", f"message-{mine}", "alert-1"}
        assert not any(word in str(quiet) for word in ("Tom", "Eva", "words"))
        openly = (await client.get("/desk/alerts/news?handoff=0&message=0&alert=0&words=1")).json()
        assert "Tom Baker" in str(openly) and "Eva Stone\\nher first words" in str(openly)
        marks = "&".join(f"{name}={value}" for name, value in quiet["marks"].items())
        assert (await client.get(f"/desk/alerts/news?{marks}")).json() == {"said": [], "marks": quiet["marks"]}
        await office.writes("Eva Stone", "her second words")
        (item,) = (await client.get(f"/desk/alerts/news?{marks}")).json()["said"]
        assert item["path"] == f"/desk/conversations/{mine}" and item["title"] == "A customer has written to you"
        page = (await client.get("/desk")).text
        assert f'data-handoff="{quiet["marks"]["handoff"]}"' in page


async def test_a_new_password_ends_all_other_sessions(office: Office) -> None:
    """Who changes it stays signed in; every other browser is out; the old password is worth nothing."""
    new = "another long password"
    async with office.signed_in("ana") as client, office.signed_in("ana") as elsewhere:
        before = client.cookies[COOKIE]
        token = token_of(await client.get("/desk/profile"))
        fields = {"token": token, "present": PASSWORD, "password": new, "again": new}
        answer = await client.post("/desk/profile/password", data=fields)
        assert answer.status_code == 303
        page = await client.get(answer.headers["location"])
        assert page.status_code == 200 and "The password was changed." in page.text
        assert client.cookies[COOKIE] != before
        assert (await elsewhere.get("/desk")).status_code == 303
        # The old session's forms are worth nothing either.
        assert (await client.post("/desk/profile/password", data=fields)).status_code == 403
    async with office.client() as client:
        assert (await enter(client, "ana", PASSWORD)).status_code == 401
        assert (await enter(client, "ana", new)).status_code == 303


@pytest.mark.parametrize(
    ("present", "password", "again", "words"),
    [
        ("wrong one", "a good new password", "a good new password", "The present password is wrong."),
        (PASSWORD, "a good new password", "a good other password", "not typed the same twice"),
        (PASSWORD, "short", "short", "too short: at least 10 characters"),
        (PASSWORD, "", "", "too short"),
    ],
)
async def test_a_password_that_is_not_taken_changes_nothing(
    office: Office, present: str, password: str, again: str, words: str
) -> None:
    """Each refusal is said in words, and the old password still works."""
    async with office.signed_in("ana") as client:
        token = token_of(await client.get("/desk/profile"))
        fields = {"token": token, "present": present, "password": password, "again": again}
        answer = await client.post("/desk/profile/password", data=fields)
        assert answer.status_code >= 400 and words in html.unescape(answer.text)
    async with office.client() as client:
        assert (await enter(client, "ana", PASSWORD)).status_code == 303


async def test_guessing_the_present_password_is_slowed_down(office: Office) -> None:
    """A browser left open is no way to try passwords without end."""
    async with office.signed_in("lars") as client:
        token = token_of(await client.get("/desk/profile"))
        fields = {"token": token, "present": "guess", "password": "x" * 12, "again": "x" * 12}
        answers = [(await client.post("/desk/profile/password", data=fields)).status_code for _ in range(6)]
    assert answers == [403] * 5 + [429]


async def test_who_is_away_is_told_so_and_can_come_back(office: Office) -> None:
    """The switch in the menu; the page says it on top until one is back."""
    async with office.signed_in("ana") as client:
        page = await client.get("/desk")
        assert "I am away" in page.text and "You are away" not in page.text
        fields = {"token": token_of(page), "next": "/desk/tickets"}
        answer = await client.post("/desk/away", data=fields | {"away": "1"})
        assert answer.headers["location"] == "/desk/tickets"
        page = await client.get("/desk")
        assert "You are away" in page.text and "I am back" in page.text
        await client.post("/desk/away", data=fields | {"away": "0"})
        assert "You are away" not in (await client.get("/desk")).text
