"""The desk's pages: what they show, to whom, and what they refuse."""

from __future__ import annotations

import html
import re

import pytest
from sqlalchemy import select

from bot.config import Config
from bot.contracts import Author, Entity, Owner
from bot.storage import Database
from bot.storage.models import (
    Conversation,
    FileStatus,
    Message,
    Outbox,
    OutboxStatus,
    Role,
    Severity,
    StoredFile,
    TicketStatus,
)
from tests.desk.office import PIXEL, Office, office_of, token_of

ATTACK = "<script>document.title='owned'</script><img src=x onerror=alert(1)>\"'{{ 7*7 }}"


async def test_the_queue_shows_who_waits_first_then_mine_then_others(office: Office) -> None:
    """Waiting customers come oldest first; the counts stand in the page and in the title."""
    talks = [await office.writes(name, f"I am {name}") for name in ("Newer", "Older", "Mine", "Theirs")]
    for talk, minutes in zip(talks, (5, 90, 1, 1), strict=True):
        await office.waits(talk, "request_return", minutes)
    await office.claims(talks[2], "ana")
    await office.claims(talks[3], "lars")
    async with office.signed_in("ana") as client:
        page = (await client.get("/desk")).text
    order = [page.index(f"I am {name}") for name in ("Older", "Newer", "Mine", "Theirs")]
    assert order == sorted(order)
    assert "<title>(2) Queue" in page
    assert "Waiting: 2 · Yours: 1 · With colleagues: 1" in page
    assert "Lars de Wit has it" in page and "1 hr" in page and "Return" in page


async def test_the_transcript_shows_who_said_what_and_how_the_bot_read_it(office: Office) -> None:
    """Author, reading with its reasons, offered buttons and the state of delivery are all in words."""
    talk = await office.writes("Tom", "where is 100234?", entities=(Entity("order_number", "100234", 9, 15),))
    await office.says(talk, "It is on its way.", buttons=("Talk to a person",))
    await office.says(talk, "How was it?", Author.SURVEY)
    await office.says(talk, "A colleague comes.", Author.NOTICE)
    async with office.database.begin() as session:
        rows = [await session.get_one(Outbox, number) for number in (1, 2, 3)]
        rows[0].status = OutboxStatus.SENT
        rows[1].status, rows[1].error = OutboxStatus.DEAD, "the bot was blocked"
        rows[2].attempts, rows[2].error = 2, "502 from the platform"
    async with office.signed_in("ana") as client:
        page = (await client.get(f"/desk/conversations/{talk}")).text
    for words in (
        "<strong>Customer</strong>", "<strong>Bot</strong>", "<strong>Survey</strong>", "<strong>Notice</strong>",
        "<code>track_order</code> 91%", "<code>ask_shipping</code> 5%", "<code>order_number</code> <bdi>100234</bdi>",
        "English 97%", "statistical 0.97", "Talk to a person", "✓</span> Sent",
        "Not delivered. <bdi>the bot was blocked", "tries: 2", "502 from the platform",
    ):  # fmt: skip
        assert words in page, words


async def test_the_sidebar_shows_the_customer_their_orders_and_tickets(office: Office) -> None:
    """Only the last five orders; a customer who proved nothing shows none."""
    talk = await office.writes("Tom", "hi")
    async with office.signed_in("ana") as client:
        before = (await client.get(f"/desk/conversations/{talk}")).text
        assert "Not verified" in before and "Shown once the customer has proved an order." in before
        await office.buys(talk, "Thomas Baker", *(f"10000{number}" for number in range(1, 7)))
        await office.complains(talk, "broken")
        after = (await client.get(f"/desk/conversations/{talk}")).text
    assert "✓ Verified" in after and "ana@example.com" in after and "T-000001" in after and "€129.90" in after
    assert "100001" in after and "100005" in after and "100006" not in after


async def test_actions_are_offered_only_where_the_state_allows_them(office: Office) -> None:
    """The bot's conversation can be taken over, a waiting one claimed, one's own ended, a colleague's read."""
    talk = await office.writes("Tom", "hi")
    address = f"/desk/conversations/{talk}"

    async def offered() -> set[str]:
        page = (await client.get(address)).text
        names = {name for name in ("claim", "take-over", "resolve", "back") if f'action="{address}/{name}"' in page}
        return names | ({"send"} if ">Send</button>" in page else set())

    async with office.signed_in("ana") as client:
        assert await offered() == {"take-over"}
        await office.waits(talk)
        assert await offered() == {"claim", "send"}
        await office.claims(talk, "ana")
        assert await offered() == {"resolve", "back", "send"}
    async with office.signed_in("lars") as client:
        assert await offered() == set()
        assert "Ana Prieto has it" in (await client.get(address)).text


async def test_the_second_of_two_agents_is_told_who_has_it_and_keeps_the_draft(office: Office) -> None:
    """Both have the page open; only the first reply reaches the customer."""
    talk = await office.writes("Tom", "help!")
    await office.waits(talk)
    address = f"/desk/conversations/{talk}"
    async with office.signed_in("ana") as first, office.signed_in("lars") as second:
        tokens = [token_of(await client.get(address)) for client in (first, second)]
        sent = await first.post(f"{address}/reply", data={"token": tokens[0], "text": "I am on it."})
        assert sent.status_code == 303
        late = await second.post(f"{address}/reply", data={"token": tokens[1], "text": "Me too, & at length"})
        assert late.status_code == 409
        assert "Ana Prieto has it: this conversation is with a colleague already." in late.text
        assert "Me too, &amp; at length</textarea>" in late.text
        for action in ("resolve", "back"):
            refused = await second.post(f"{address}/{action}", data={"token": tokens[1]})
            assert refused.status_code == 409 and "Ana Prieto has it" in refused.text
        page = (await second.get(address)).text
    assert "I am on it." in page and ">Me too" not in page
    async with office.database.read() as session:
        conversation = await session.get_one(Conversation, talk)
        assert (conversation.owner, conversation.agent_id) == (Owner.PERSON, office.people["ana"].id)


@pytest.mark.parametrize(
    ("action", "text", "words"),
    [
        ("claim", "", "This conversation is with the bot"),
        ("reply", "hello", "This conversation is with the bot"),
        ("reply", "   ", "Write something first."),
        ("reply", "x" * 10_001, "longer than one message may be"),
        ("resolve", "", "This conversation is with the bot"),
    ],
)
async def test_what_cannot_be_done_is_said_in_words(office: Office, action: str, text: str, words: str) -> None:
    """Each reason of a refusal has its sentence; nothing is sent."""
    talk = await office.writes("Tom", "hi")
    async with office.signed_in("ana") as client:
        token = token_of(await client.get(f"/desk/conversations/{talk}"))
        answer = await client.post(f"/desk/conversations/{talk}/{action}", data={"token": token, "text": text})
        assert answer.status_code == 409 and words in answer.text
        assert text.strip()[:20] in answer.text
    async with office.database.read() as session:
        assert await session.get(Outbox, 1) is None


async def test_an_agent_takes_over_answers_and_gives_back(office: Office) -> None:
    """The whole turn works without scripts; the customer gets the words and is told of the end."""
    talk = await office.writes("Tom", "hi")
    async with office.signed_in("ana") as client:
        token = token_of(await client.get(f"/desk/conversations/{talk}"))
        for action, text in (("take-over", ""), ("reply", "Good morning,\r\nTom"), ("back", "")):
            answer = await client.post(f"/desk/conversations/{talk}/{action}", data={"token": token, "text": text})
            assert answer.status_code == 303, action
    async with office.database.read() as session:
        conversation = await session.get_one(Conversation, talk)
        assert conversation.owner is Owner.BOT
        reply, notice = [await session.get_one(Outbox, number) for number in (1, 2)]
        assert (reply.author, reply.body["text"]) == (Author.AGENT, "Good morning,\nTom")
        assert notice.author is Author.NOTICE


async def test_unknown_things_get_a_friendly_page(office: Office) -> None:
    """Ids that no row has, or can have, and addresses that lead nowhere: 404, in the desk's clothes."""
    async with office.signed_in("ana") as client:
        token = token_of(await client.get("/desk"))
        for address in (
            "/desk/conversations/999", "/desk/conversations/99999999999999999999999", "/desk/tickets/999",
            "/desk/files/999", "/desk/nothing/here", "/desk/conversations/x",
        ):  # fmt: skip
            answer = await client.get(address)
            assert answer.status_code == 404 and "There is nothing here" in answer.text, address
        assert (await client.get("/desk/")).headers["location"] == "/desk"
        for address in ("/desk/conversations/999/claim", "/desk/conversations/1/explode", "/desk/tickets/999/status"):
            answer = await client.post(address, data={"token": token, "status": "open"})
            assert answer.status_code == 404, address


async def test_what_customers_write_is_shown_and_never_run(office: Office) -> None:
    """Names, messages, file names, buttons, entities, comments, errors: all of it stays text."""
    file = office.attachment(ATTACK, "text/html", b"<script>1</script>")
    found = (Entity("product", ATTACK, 0, 3),)
    talk = await office.writes(ATTACK, ATTACK, entities=found, files=(file,), intent=ATTACK)
    await office.says(talk, ATTACK, buttons=(ATTACK,))
    await office.buys(talk, ATTACK, "100234")
    await office.complains(talk, ATTACK)
    await office.rates(talk, 5, ATTACK)
    await office.waits(talk, "<b>why</b>")
    async with office.database.begin() as session:
        row = await session.get_one(Outbox, 1)
        row.status, row.error = OutboxStatus.DEAD, ATTACK
    async with office.signed_in("maya") as client:
        for address in (
            "/desk", f"/desk/conversations/{talk}", "/desk/conversations", "/desk/tickets", "/desk/tickets/1",
            "/desk/dashboard/csat",
        ):  # fmt: skip
            page = (await client.get(address)).text
            assert "<script>document" not in page and "<img src=x" not in page and "<b>why" not in page, address
            assert "{{ 7*7 }}" in page, address
            assert html.escape("<script>document.title=", quote=False) in page, address


async def test_attachments_are_served_safely(office: Office) -> None:
    """Images in place, everything else for saving, nothing to strangers, nothing outside the folder."""
    picture = office.attachment("box.png", "image/png", PIXEL, "image")
    page = office.attachment("evil\r\nX-Bad: 1.html", "text/html", b"<script>1</script>")
    drawing = office.attachment("x.svg", "image/svg+xml", b"<svg onload='1'/>", "image")
    talk = await office.writes("Tom", "see", files=(picture, page, drawing))
    async with office.database.begin() as session:
        outside = {"path": "../secret_key", "status": FileStatus.STORED, "mime": "image/png", "name": "key"}
        session.add(StoredFile(conversation_id=talk, kind="document", ref="", **outside))
    async with office.client() as stranger:
        assert (await stranger.get("/desk/files/1")).status_code == 303
    async with office.signed_in("ana") as client:
        shown = await client.get("/desk/files/1")
        assert shown.content == PIXEL and shown.headers["content-type"] == "image/png"
        assert shown.headers["content-disposition"].startswith("inline")
        for number in (2, 3):
            saved = await client.get(f"/desk/files/{number}")
            assert saved.headers["content-disposition"].startswith("attachment")
            assert saved.headers["content-type"] == "application/octet-stream"
            assert saved.headers["x-content-type-options"] == "nosniff"
            assert "sandbox" in saved.headers["content-security-policy"]
            assert "x-bad" not in saved.headers
        assert (office.config.data_dir / "secret_key").is_file()
        assert (await client.get("/desk/files/4")).status_code == 404
        talk_page = (await client.get(f"/desk/conversations/{talk}")).text
        assert '<img src="/desk/files/1"' in talk_page and '<img src="/desk/files/3"' not in talk_page


async def test_conversations_are_listed_by_owner_and_channel_and_paged(office: Office) -> None:
    """The latest come first, a page at a time, there and back; a strange filter shows all."""
    for number in range(27):
        await office.writes(f"Customer-{number:02}", "hi", channel="telegram" if number % 9 == 0 else "web")
    await office.waits(1)
    async with office.signed_in("ana") as client:
        first = (await client.get("/desk/conversations")).text
        assert "Customer-26" in first and "Customer-01" not in first and 'rel="prev"' not in first
        following = html.unescape(first.split('rel="next" href="')[1].split('"')[0])
        last = (await client.get(f"/desk/conversations{following}")).text
        assert "Customer-01" in last and "Customer-26" not in last and 'rel="next"' not in last
        back = html.unescape(last.split('rel="prev" href="')[1].split('"')[0])
        assert (await client.get(f"/desk/conversations{back}")).text.count('class="open"') == 25
        telegram = (await client.get("/desk/conversations?channel=telegram")).text
        assert telegram.count('class="open"') == 3
        waiting = (await client.get("/desk/conversations?owner=queue")).text
        assert waiting.count('class="open"') == 1 and "Customer-00" in waiting
        assert (await client.get("/desk/conversations?owner=x&channel=%27&at=a0..%27")).text.count('class="open"') == 25


async def test_tickets_are_filtered_shown_and_changed(office: Office) -> None:
    """A status change is in the history and told to the customer."""
    talk = await office.writes("Tom", "broken")
    await office.complains(talk, "It is broken", Severity.CRITICAL)
    await office.complains(talk, "It is scratched", Severity.LOW)
    async with office.signed_in("ana") as client:
        assert (await client.get("/desk/tickets")).text.count('class="open"') == 2
        grave = await client.get("/desk/tickets?severity=critical&type=damaged&status=new")
        assert grave.text.count('class="open"') == 1
        assert (await client.get("/desk/tickets?status=closed")).text.count('class="open"') == 0
        page = await client.get("/desk/tickets/1")
        assert "It is broken" in page.text and "As the customer gave it; not proved to be theirs." in page.text
        token = token_of(page)
        bad = await client.post("/desk/tickets/1/status", data={"token": token, "status": "lost"})
        assert bad.status_code == 400
        done = await client.post("/desk/tickets/1/status", data={"token": token, "status": TicketStatus.OPEN.value})
        assert done.status_code == 303
        assert "changed the status from “New” to “Open”" in (await client.get("/desk/tickets/1")).text
    async with office.database.read() as session:
        assert "T-000001" in (await session.get_one(Outbox, 1)).body["text"]


async def test_a_broken_database_gives_a_page_that_says_so(office: Office) -> None:
    """An error of the database is a friendly 503, not a stack trace."""
    async with office.signed_in("ana") as client:
        async with office.database.engine.begin() as connection:
            await connection.exec_driver_sql("DROP TABLE handoffs")
        answer = await client.get("/desk")
        assert answer.status_code == 503 and "The database does not answer" in answer.text


def said(page: str) -> list[int]:
    """The numbers of the messages that a page shows, in its order."""
    return [int(number) for number in re.findall(r"message-(\d{3})\.", page)]


async def test_long_conversations_show_their_end_first(office: Office) -> None:
    """A hundred messages at once; the earlier ones are a link away, and so is everything."""
    talk = 0
    for number in range(215):
        talk = await office.writes("Tom", f"message-{number:03}.")
    where = f"/desk/conversations/{talk}"
    async with office.signed_in("ana") as client:
        page = (await client.get(where)).text
        assert said(page) == list(range(115, 215))
        assert "sse:conversation" in page and "To the newest messages" not in page
        (address,) = re.findall(rf'href="({where}\?before=\d+)"', page)
        page = (await client.get(address)).text
        assert said(page) == list(range(15, 115))
        # It shows what is over: nothing in it is drawn anew, and its forms lead to the newest messages.
        assert "sse:conversation" not in page and f'hx-post="{where}' not in page and f'action="{where}/note"' in page
        assert f'<a class="button" href="{where}">To the newest messages' in page
        (address,) = re.findall(rf'href="({where}\?before=\d+)"', page)
        page = (await client.get(address)).text
        assert said(page) == list(range(15)) and 'id="earlier"' not in page
        page = (await client.get(f"{where}?show=all")).text
        assert said(page) == list(range(215)) and 'id="earlier"' not in page and "sse:conversation" in page
        for nonsense in ("?before=x", "?before=-1", "?at=99999999999999999999", "?show=500"):
            assert said((await client.get(where + nonsense)).text) == list(range(115, 215)), nonsense


async def test_the_script_gets_what_came_before_and_nothing_else(office: Office) -> None:
    """A part of a list without the page around it; a conversation that is not there has none."""
    talk = 0
    for number in range(120):
        talk = await office.writes("Tom", f"message-{number:03}.")
    async with office.signed_in("ana") as client:
        newest = (await client.get(f"/desk/conversations/{talk}")).text
        (address,) = re.findall(rf'hx-get="(/desk/conversations/{talk}\?before=\d+)"', newest)
        part = (await client.get(address, headers={"hx-request": "true"})).text
        assert part.lstrip().startswith('<li id="m') and said(part) == list(range(20))
        assert "<html" not in part and 'id="composer"' not in part
        assert (await client.get("/desk/conversations/99?before=5", headers={"hx-request": "true"})).status_code == 404


async def test_an_old_message_is_shown_among_its_neighbours(office: Office) -> None:
    """Where something leads to one message, the page has it; one of the newest is shown with the newest."""
    talk = 0
    for number in range(260):
        talk = await office.writes("Tom", f"message-{number:03}.")
    async with office.database.read() as session:
        ids = list(await session.scalars(select(Message.id).order_by(Message.id)))
    async with office.signed_in("ana") as client:
        for wanted, first, last in ((100, 51, 150), (3, 0, 53), (250, 160, 259)):
            page = (await client.get(f"/desk/conversations/{talk}?at={ids[wanted]}")).text
            shown = said(page)
            assert (shown[0], shown[-1]) == (first, last) and f'id="m{ids[wanted]}"' in page


async def test_every_page_reads_both_kinds_of_database(config: Config, any_database: Database) -> None:
    """Signing in, all pages and a whole turn work on SQLite and on PostgreSQL."""
    office = office_of(config, any_database)
    await office.person("maya", role=Role.MANAGER)
    talk = await office.writes("Tom", "hello")
    await office.buys(talk, "Tom", "100234")
    await office.complains(talk, "broken")
    await office.rates(talk, 4, "fine")
    await office.waits(talk)
    async with office.signed_in("maya") as client:
        token = token_of(await client.get("/desk"))
        for action, text in (("reply", "Good morning"), ("resolve", "")):
            answer = await client.post(f"/desk/conversations/{talk}/{action}", data={"token": token, "text": text})
            assert answer.status_code == 303, action
        for address in (
            "",
            f"/conversations/{talk}",
            "/conversations",
            "/tickets?status=new",
            "/tickets/1",
            "/dashboard",
            "/dashboard/csat",
            "/dashboard/operations",
        ):
            assert (await client.get(f"/desk{address}")).status_code == 200, address
