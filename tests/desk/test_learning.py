"""Deciding on what the bot learns: who may, what is proposed, what is kept, with mouse and keyboard."""

from __future__ import annotations

import html
import re
from collections.abc import AsyncIterator

import httpx
import pytest
from playwright.async_api import Browser, expect
from sqlalchemy import select

from bot.config import Shop
from bot.contracts import Author, Entity
from bot.services import corrections
from bot.services.corrections import CorrectionError, prefilled
from bot.storage import Database
from bot.storage.models import Conversation, Correction, Message, Role, User
from tests.desk import browsing
from tests.desk.browsing import findings, sign_in
from tests.desk.office import Office, token_of
from tests.fakes.serving import serving

SHOP = Shop(country="ES")


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """Chromium without a window."""
    async with browsing.chromium() as found:
        yield found


async def suggested(office: Office, *texts: str, entities: tuple[Entity, ...] = ()) -> None:
    """Messages with these texts, of which Ana says that they ask for a refund."""
    for number, text in enumerate(texts, 1):
        await office.writes(f"Customer {number}", text, entities=entities)
        async with office.database.begin() as session:
            message = await session.scalar(select(Message).order_by(Message.id.desc()).limit(1))
            assert message is not None
            await corrections.suggest(session, message.id, "request_refund", office.people["ana"])


async def rows(office: Office) -> list[Correction]:
    """All corrections, oldest first."""
    async with office.database.read() as session:
        return list(await session.scalars(select(Correction).order_by(Correction.id)))


def proposal(page: httpx.Response) -> str:
    """What the field for the example holds."""
    found = re.search(r'<textarea id="lesson-text"[^>]*>(.*?)</textarea>', page.text, re.DOTALL)
    assert found, page.text
    return html.unescape(found[1])


async def test_a_manager_decides_and_the_conversation_shows_it(office: Office) -> None:
    """Text, intent and language are kept as the reviewer wants them; the next one is shown; the navigation counts."""
    await suggested(office, "this is Tom Baker, money back!", "nonsense")
    async with office.signed_in("maya") as client:
        page = await client.get("/desk/learning")
        shown = html.unescape(page.text)
        assert "2 to review" in shown and "Ana Prieto" in shown
        assert "Where is my order 91%" in re.sub(r"\s+", " ", shown)
        assert proposal(page) == "this is Tom Baker, money back!"
        fields = {"token": token_of(page), "language": "en"}
        chosen = {"text": " money   back! ", "intent": "refund_status"}
        answer = await client.post("/desk/learning/1/approve", data=fields | chosen)
        assert answer.headers["location"] == "/desk/learning?done=approve&last=1"
        page = await client.get(answer.headers["location"])
        assert proposal(page) == "nonsense" and "1 to review" in page.text and "linguadesk nlu learn" in page.text
        await client.post("/desk/learning/2/reject", data=fields | {"text": "nonsense"})
        page = await client.get("/desk/learning")
        assert "Nothing waits for a decision." in page.text and "to review" not in page.text
    first, second = await rows(office)
    maya = office.people["maya"].id
    assert (first.status, first.text, first.intent, first.language) == (
        "approved",
        "money back!",
        "refund_status",
        "en",
    )
    assert (second.status, second.text, second.intent) == ("rejected", "nonsense", "request_refund")
    assert {first.reviewer_id, second.reviewer_id} == {maya} and first.reviewed_at is not None
    async with office.signed_in("ana") as client:
        assert "Correction approved: Where is my refund" in html.unescape(
            (await client.get("/desk/conversations/1")).text
        )


async def test_a_decision_can_be_taken_back_until_it_is_learnt(office: Office) -> None:
    """Then it waits again, with the text as it was edited; what has been learnt stays so."""
    await suggested(office, "money back, order 100777")
    async with office.signed_in("maya") as client:
        token = token_of(await client.get("/desk/learning"))
        fields = {"token": token, "text": "money back, order 100234!", "intent": "request_refund", "language": "en"}
        await client.post("/desk/learning/1/approve", data=fields)
        answer = await client.post("/desk/learning/1/reopen", data={"token": token})
        assert proposal(await client.get(answer.headers["location"])) == "money back, order 100234!"
        await client.post("/desk/learning/1/approve", data=fields)
        async with office.database.begin() as session:
            await corrections.mark_learnt(session, [1])
        assert (await client.post("/desk/learning/1/reopen", data={"token": token})).status_code == 409
    assert [row.status for row in await rows(office)] == ["learnt"]


async def test_what_cannot_be_decided_is_refused(office: Office) -> None:
    """Unknown intents and languages, texts without words, what is decided already; nothing typed is lost."""
    await suggested(office, "money back")
    async with office.signed_in("maya") as client:
        token = token_of(await client.get("/desk/learning"))
        good = {"token": token, "text": "money back", "intent": "request_refund", "language": "en"}

        async def sent(action: str = "approve", number: int = 1, **changes: str) -> httpx.Response:
            return await client.post(f"/desk/learning/{number}/{action}", data=good | changes)

        assert (await sent(intent="nonsense")).status_code == 400
        assert (await sent(language="tlh")).status_code == 400
        assert (await sent(token="0")).status_code == 403
        assert (await sent("burn")).status_code == 404
        empty = await sent(text="  !? ", intent="greet")
        assert empty.status_code == 400 and "An example needs words." in empty.text
        assert re.search(r'value="greet" selected', empty.text)
        assert "at most 1,000 characters" in (await sent(text="x" * 1001)).text
        assert [row.status for row in await rows(office)] == ["pending"]
        assert (await sent()).status_code == 303
        for number in (1, 99):
            answer = await sent("reject", number)
            assert answer.status_code == 409 and "Somebody has decided" in answer.text
        assert (await client.get("/desk/learning/1")).status_code == 404
    assert [row.status for row in await rows(office)] == ["approved"]


async def test_agents_see_no_queue_and_no_count(office: Office) -> None:
    """Deciding what the bot learns is for managers and administrators."""
    await suggested(office, "money back")
    async with office.signed_in("ana") as client:
        assert "/desk/learning" not in (await client.get("/desk")).text
        token = token_of(await client.get("/desk"))
        assert (await client.get("/desk/learning")).status_code == 403
        assert (await client.post("/desk/learning/1/reject", data={"token": token})).status_code == 403
    assert [row.status for row in await rows(office)] == ["pending"]


async def test_markup_in_a_message_is_only_words(office: Office) -> None:
    """Whatever a customer writes, it is text in the page and in the field."""
    await suggested(office, "</textarea><script>alert(1)</script> money back")
    async with office.signed_in("maya") as client:
        page = await client.get("/desk/learning")
        assert "<script>alert" not in page.text
        assert proposal(page) == "</textarea><script>alert(1)</script> money back"


def entity(name: str, text: str, value: str) -> dict[str, object]:
    """An entity of a text, as a message's reading keeps it."""
    start = text.index(value)
    return {"entity": name, "value": value, "start": start, "end": start + len(value)}


@pytest.mark.parametrize(
    ("text", "marked", "expected"),
    [
        ("mail tom.baker@firm.co.uk now", {}, "mail name@example.com now"),
        ("my order AB-77123 is late", {"AB-77123": "order_number"}, "my order 100234 is late"),
        ("call +34 600 123 456 or 0031 6 12345678", {}, "call +34 810 12 34 56 or +34 810 12 34 56"),
        ("ref 88812345", {}, "ref +34 810 12 34 56"),
        ("card 4111111111111111", {}, "card 1234567890123456"),
        ("since 2024-05-03", {"2024-05-03": "date"}, "since 2024-05-03"),
        ("parcel RR998877665ES, ticket T-000977", {"RR998877665ES": "tracking_number", "T-000977": "ticket_number"},
         "parcel RR123456785CN, ticket T-000042"),
        ("طلبي رقم 100999 لم يصل", {"100999": "order_number"}, "طلبي رقم 100234 لم يصل"),
        ("size 42, 3 pairs", {}, "size 42, 3 pairs"),
    ],
)  # fmt: skip
def test_what_leads_to_a_person_is_replaced_in_the_proposal(text: str, marked: dict[str, str], expected: str) -> None:
    """By what the bot has found and, as it may have overlooked something, by form."""
    parse = {"entities": [entity(name, text, value) for value, name in marked.items()]}
    assert prefilled(text, parse, SHOP) == expected


def test_a_broken_reading_and_a_very_long_text_do_no_harm() -> None:
    """Places outside the text are ignored; no text takes long."""
    parse = {"entities": [{"entity": "email", "start": 5, "end": 900}, {"entity": "phone"}, {"start": -1, "end": 2}]}
    assert prefilled("hello", parse, SHOP) == "hello"
    assert len(prefilled("a." * 5_000_000, {}, SHOP)) == corrections.LONGEST


async def test_decisions_on_either_database(any_database: Database) -> None:
    """One correction a message; two reviewers at once decide once; only what is approved is learnt."""
    async with any_database.begin() as session:
        maya = User(username="maya", name="Maya", password_hash="x", role=Role.MANAGER, language="en")
        talk = Conversation(channel="web", address_key="a", chat="a", user="a")
        session.add_all([maya, talk])
        await session.flush()
        for number in range(3):
            said = {"conversation_id": talk.id, "author": Author.CUSTOMER, "text": f"text {number}", "language": "en"}
            session.add(Message(**said, parse={"intent": {"name": "greet", "confidence": 0.4}}))
        await session.flush()
        for number in (1, 2, 3):
            await corrections.suggest(session, number, "thank", maya)
        again = await corrections.suggest(session, 3, "goodbye", maya)
        assert again.id == 3 and await corrections.pending_count(session) == 3
        await corrections.decide(session, 1, maya, approve=True, text="one", intent="thank", language="en")
        await corrections.decide(session, 2, maya, approve=False)
        with pytest.raises(CorrectionError, match="gone"):
            await corrections.decide(session, 1, maya, approve=False)
        await corrections.mark_learnt(session, [1, 2, 3])
    async with any_database.read() as session:
        found = {
            status: [item.correction.id for item in await corrections.listed(session, status)]
            for status in ("pending", "approved", "rejected", "learnt")
        }
    assert found == {"pending": [3], "approved": [], "rejected": [2], "learnt": [1]}


@pytest.mark.browser
async def test_the_keyboard_is_enough(office: Office, browser: Browser) -> None:
    """a approves, x rejects, j and Enter choose another one; letters typed into the example decide nothing."""
    await suggested(office, "first money back", "second money back", "third money back")
    complaints: list[str] = []
    async with serving(office.app) as url:
        page = await sign_in(browser, url, "maya", complaints, "/desk/learning")
        field = page.locator("#lesson-text")
        await expect(field).to_have_value("first money back")
        await field.fill("money back, a x")
        await page.keyboard.press("a")
        await page.locator("#lesson").click()
        await page.keyboard.press("a")
        await expect(field).to_have_value("second money back")
        await page.wait_for_load_state("load")
        await page.keyboard.press("j")
        await page.keyboard.press("j")
        await page.keyboard.press("Enter")
        await expect(field).to_have_value("third money back")
        await page.wait_for_load_state("load")
        await page.keyboard.press("x")
        await expect(page.get_by_text("Rejected.", exact=True)).to_be_visible()
        await expect(field).to_have_value("second money back")
        assert await findings(page) == []
        assert complaints == []
    kept = await rows(office)
    assert [row.status for row in kept] == ["approved", "pending", "rejected"]
    assert kept[0].text == "money back, a xa"
