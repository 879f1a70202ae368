"""The page of a conversation: notes, drafts, ready-made replies, colleagues who are there too, the side panel."""

from __future__ import annotations

import html
import re
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import select, update

from bot.services import drafts, handoff, notes, presence, privacy, retention
from bot.storage import Database, now, talk_reports
from bot.storage.models import (
    Conversation,
    ConversationNote,
    Draft,
    Handoff,
    Message,
    Outbox,
    Piece,
    Presence,
    StoredFile,
    Translation,
)
from tests.desk.office import PIXEL, Office, office_of, token_of

SECRET = "she threatened to sue, tread lightly"


async def page_of(client: httpx.AsyncClient, talk: int, query: str = "") -> str:
    """The page of a conversation, with its entities in plain."""
    answer = await client.get(f"/desk/conversations/{talk}{query}")
    assert answer.status_code == 200
    return html.unescape(answer.text)


async def does(client: httpx.AsyncClient, talk: int, action: str, **fields: str) -> httpx.Response:
    """Send one of the page's forms."""
    token = token_of(await client.get(f"/desk/conversations/{talk}"))
    return await client.post(f"/desk/conversations/{talk}/{action}", data={"token": token} | fields)


async def test_a_note_stands_in_its_place_and_never_leaves(office: Office) -> None:
    """It comes between what was said before and after it, and neither the outbox nor the transcript knows of it."""
    talk = await office.writes("Tom", "first words")
    async with office.signed_in("ana") as client:
        answer = await does(client, talk, "note", text=f"  {SECRET}\r\nreally ")
        assert answer.headers["location"] == f"/desk/conversations/{talk}?compose=note"
        await office.writes("Tom", "second words")
        page = await page_of(client, talk)
    assert page.index("first words") < page.index(SECRET) < page.index("second words")
    assert "Internal note</strong> <bdi>Ana Prieto" in page
    async with office.database.read() as session:
        assert (await session.scalars(select(Outbox))).all() == []
        assert [row.text for row in await session.scalars(select(Message))] == ["first words", "second words"]
        (note,) = (await session.scalars(select(ConversationNote))).all()
        assert note.text == f"{SECRET}\nreally"


@pytest.mark.parametrize(("text", "words"), [("  ", "Write something first."), ("x" * 10_001, "longer than one")])
async def test_a_note_that_is_refused_stays_in_its_field(office: Office, text: str, words: str) -> None:
    """Nothing is written, and the reason stands beside what was typed."""
    talk = await office.writes("Tom", "hello")
    async with office.signed_in("ana") as client:
        answer = await does(client, talk, "note", text=text)
    assert answer.status_code == 409 and words in answer.text
    assert f'data-draft="/desk/conversations/{talk}/note">{text}</textarea>' in answer.text
    async with office.database.read() as session:
        assert (await session.scalars(select(ConversationNote))).all() == []


async def test_a_note_can_be_written_whoever_has_the_conversation(office: Office) -> None:
    """The bot, or a colleague: a note is no answer. A conversation that is not there has none."""
    talk = await office.writes("Tom", "hello")
    async with office.signed_in("ana") as client:
        assert (await does(client, talk, "note", text="with the bot")).status_code == 303
        await office.waits(talk)
        await office.claims(talk, "lars")
        assert (await does(client, talk, "note", text="with Lars")).status_code == 303
        token = token_of(await client.get("/desk"))
        assert (await client.post("/desk/conversations/99/note", data={"token": token, "text": "x"})).status_code == 404


async def test_old_notes_come_with_the_old_messages(office: Office) -> None:
    """Each stretch of a long conversation has its notes: none is shown twice and none is missing."""
    talk = await office.writes("Tom", "the very first")
    async with office.signed_in("ana") as client:
        await does(client, talk, "note", text="an old note")
        for number in range(101):
            await office.writes("Tom", f"message {number}")
        await does(client, talk, "note", text="a new note")
        newest = await page_of(client, talk)
        assert "an old note" not in newest and newest.count("a new note") == 1
        (before,) = re.findall(r'href="/desk/conversations/\d+(\?before=\d+)"', newest)
        earlier = await page_of(client, talk, before)
        assert earlier.count("an old note") == 1 and "a new note" not in earlier
        everything = await page_of(client, talk, "?show=all")
        assert everything.count("an old note") == 1 and everything.count("a new note") == 1


async def test_who_is_erased_is_erased_from_notes_and_drafts(office: Office) -> None:
    """What agents wrote about a customer goes with the customer's own words."""
    talk = await office.writes("Tom", "hello")
    other = await office.writes("Eva", "hello")
    async with office.database.begin() as session:
        for where in (talk, other):
            await notes.add(session, where, office.people["ana"], SECRET)
            await drafts.keep(session, office.people["ana"].id, drafts.places(where)[0], "Dear Tom Baker")
        await privacy.erase(session, await session.get_one(Conversation, talk), office.config.files_dir)
    async with office.database.read() as session:
        kept = [(row.conversation_id, row.text) for row in await session.scalars(select(ConversationNote))]
        assert kept == [(talk, privacy.ERASED), (other, SECRET)]
        assert [row.place for row in await session.scalars(select(Draft))] == [f"/desk/conversations/{other}"]


async def test_a_note_to_a_ticket_waits_on_the_server_too(office: Office) -> None:
    """What was begun stands in the field again; once it is added, it is gone there and in the browser."""
    ticket = await office.complains(await office.writes("Tom", "broken"), "broken")
    address = f"/desk/tickets/{ticket.id}"
    async with office.signed_in("ana") as client:
        token = token_of(await client.get(address))
        draft = {"token": token, "place": f"{address}/note", "text": "Asked the carr"}
        assert (await client.post("/desk/drafts", data=draft)).status_code == 204
        page = (await client.get(address)).text
        assert f'data-draft="{address}/note" required>Asked the carr</textarea>' in page
        async with office.signed_in("lars") as other:
            assert "Asked the carr" not in (await other.get(address)).text
        added = await client.post(f"{address}/note", data={"token": token, "text": "Asked the carrier."})
        page = (await client.get(added.headers["location"])).text
        assert f'data-draft="{address}/note" data-sent required></textarea>' in page and "Asked the carrier." in page


async def test_drafts_wait_on_the_server_until_they_are_sent(office: Office) -> None:
    """Typed here, there on another machine; each field has its own; gone once it is sent, or emptied."""
    talk = await office.writes("Tom", "hello")
    await office.waits(talk)
    place = f"/desk/conversations/{talk}"
    async with office.signed_in("ana") as client, office.signed_in("ana") as elsewhere:
        token = token_of(await client.get(place))
        for where, text in ((place, "Dear Tom,\r\nI <b>"), (f"{place}/note", "call him")):
            kept = await client.post("/desk/drafts", data={"token": token, "place": where, "text": text})
            assert kept.status_code == 204
        page = await page_of(elsewhere, talk)
        assert ">Dear Tom,\nI <b></textarea>" in page and ">call him</textarea>" in page
        async with office.signed_in("lars") as colleague:
            assert "Dear Tom" not in await page_of(colleague, talk)
        assert (await does(client, talk, "reply", text="Dear Tom, here it is")).status_code == 303
        page = await page_of(elsewhere, talk)
        assert "I <b>" not in page and ">call him</textarea>" in page
        await client.post("/desk/drafts", data={"token": token, "place": f"{place}/note", "text": " "})
        assert "call him" not in await page_of(elsewhere, talk)


@pytest.mark.parametrize("action", ["reply", "note"])
async def test_what_is_pressed_again_is_sent_once(office: Office, action: str) -> None:
    """The answer to a form was lost: the same form again sends nothing; with other words, or from a new page, it does.

    A draft that comes after its piece was sent is not kept, and the page is told whether it was the very same.
    """
    talk = await office.writes("Tom", "hello")
    await office.waits(talk)
    place = f"/desk/conversations/{talk}" + ("/note" if action == "note" else "")
    async with office.signed_in("ana") as client:
        token = token_of(await client.get(f"/desk/conversations/{talk}"))
        pieces = re.findall(r'name="piece" form="\w+" value="([^"]{10,})"', await page_of(client, talk))
        assert len(set(pieces)) == 2
        # A page from before pieces had names takes what comes live, and its script renews none.
        live = await client.get(f"/desk/conversations/{talk}", headers={"HX-Request": "true"})
        assert 'id="reply-piece"' in live.text and 'name="piece"' not in live.text

        async def send(text: str, piece: str = pieces[0]) -> None:
            assert (await does(client, talk, action, text=text, piece=piece)).status_code == 303

        async def draft(text: str, piece: str = pieces[0]) -> str:
            fields = {"token": token, "place": place, "text": text, "piece": piece}
            return (await client.post("/desk/drafts", data=fields)).text

        assert await draft("Dear T") == ""
        for _ in range(2):
            await send("Dear Tom")
        assert [await draft(text) for text in ("Dear Tom", "Dear T")] == ["sent", "late"]
        assert "Dear T</textarea>" not in await page_of(client, talk)
        assert await draft("Dear T", pieces[1]) == ""
        page = await page_of(client, talk)
        # Another page goes on with the same piece: it may be on its way from the first.
        assert "Dear T</textarea>" in page and f'value="{pieces[1]}"' in page
        await send("Dear Tom", pieces[1])
        await send("Dear Tom, once more")
        async with office.database.begin() as session:
            await session.execute(update(Piece).values(at=now() - drafts.KNOWN - timedelta(seconds=1)))
            await retention.tidy(session)
        await send("Dear Tom", pieces[1])
    async with office.database.read() as session:
        if action == "reply":
            texts = [row.body["text"] for row in await session.scalars(select(Outbox).order_by(Outbox.id))]
        else:
            texts = [row.text for row in await session.scalars(select(ConversationNote).order_by(ConversationNote.id))]
        assert texts == ["Dear Tom", "Dear Tom", "Dear Tom, once more", "Dear Tom"]
        assert len((await session.scalars(select(Piece))).all()) == 1


async def test_a_draft_of_another_piece_stays(office: Office) -> None:
    """What was begun on another machine is no draft of what is sent here."""
    talk = await office.writes("Tom", "hello")
    await office.waits(talk)
    place = f"/desk/conversations/{talk}"
    async with office.signed_in("ana") as client:
        fields = {"token": token_of(await client.get(place)), "place": place, "text": "Begun", "piece": "there"}
        await client.post("/desk/drafts", data=fields)
        await does(client, talk, "reply", text="Sent", piece="here")
        assert "Begun</textarea>" in await page_of(client, talk)
        await does(client, talk, "reply", text="Begun", piece="there")
        assert "Begun</textarea>" not in await page_of(client, talk)


async def test_a_file_that_comes_again_is_sent_once(office: Office) -> None:
    """It is kept once too; another one under the same name is another one."""
    talk = await office.writes("Tom", "hello")
    await office.waits(talk)
    async with office.signed_in("ana") as client:
        fields = {"token": token_of(await client.get("/desk")), "text": "", "piece": "a piece"}
        for data in (PIXEL, PIXEL, PIXEL + b"\x00"):
            sent = {"data": fields, "files": {"file": ("shoe.png", data, "image/png")}}
            assert (await client.post(f"/desk/conversations/{talk}/reply", **sent)).status_code == 303
    async with office.database.read() as session:
        assert len((await session.scalars(select(Outbox))).all()) == 2
    assert len([path for path in office.config.files_dir.rglob("*") if path.is_file()]) == 2


async def test_what_was_refused_is_no_repeat(office: Office) -> None:
    """Nothing was sent, so the same form may send it when nothing stands against it any more."""
    talk = await office.writes("Tom", "hello")
    await office.waits(talk)
    await office.claims(talk, "lars")
    async with office.signed_in("ana") as client:
        refused = await does(client, talk, "reply", text="Dear Tom", piece="a piece")
        assert refused.status_code == 409
        async with office.signed_in("lars") as other:
            await does(other, talk, "back")
        await office.waits(talk)
        assert (await does(client, talk, "reply", text="Dear Tom", piece="a piece")).status_code == 303
    async with office.database.read() as session:
        assert [row.body["text"] for row in await session.scalars(select(Outbox))][-1] == "Dear Tom"


async def test_a_note_to_a_ticket_that_comes_again_is_added_once(office: Office) -> None:
    """As in a conversation."""
    ticket = await office.complains(await office.writes("Tom", "broken"), "broken")
    async with office.signed_in("ana") as client:
        page = await client.get(f"/desk/tickets/{ticket.id}")
        (piece,) = re.findall(r'id="note-piece" name="piece" form="noter" value="([^"]{10,})"', page.text)
        for _ in range(2):
            await client.post(
                f"/desk/tickets/{ticket.id}/note", data={"token": token_of(page), "text": "He rang.", "piece": piece}
            )
        assert (await client.get(f"/desk/tickets/{ticket.id}")).text.count("He rang.") == 1


async def test_a_draft_is_kept_only_where_one_writes(office: Office) -> None:
    """Other places, other sessions' forms and strangers are refused; words that no database stores are cleaned."""
    async with office.signed_in("ana") as client:
        token = token_of(await client.get("/desk"))
        for place in ("", "/desk", "/desk/conversations/x", "/elsewhere/1", "/desk/tickets/1/other"):
            answer = await client.post("/desk/drafts", data={"token": token, "place": place, "text": "x"})
            assert answer.status_code == 400, place
        good = {"place": "/desk/tickets/1/note", "text": "a\x00b" + "x" * 30_000}
        assert (await client.post("/desk/drafts", data=good | {"token": "0"})).status_code == 403
        assert (await client.post("/desk/drafts", data=good | {"token": token})).status_code == 204
    async with office.client() as stranger:
        assert (await stranger.post("/desk/drafts", data=good)).status_code == 303
    async with office.database.read() as session:
        (row,) = (await session.scalars(select(Draft))).all()
        assert row.text.startswith("a\ufffdb") and len(row.text) == drafts.MAX_DRAFT


async def test_who_is_signed_out_comes_back_to_the_conversation(office: Office) -> None:
    """A form that is sent after the session has ended leads back to its page, where the draft is."""
    async with office.client() as client:
        answer = await client.post("/desk/conversations/7/reply", data={"text": "x"})
        assert answer.headers["location"] == "/desk/sign-in?next=/desk/conversations/7"
        answer = await client.post("/desk/tickets/7/note", data={"text": "x"})
        assert answer.headers["location"] == "/desk/sign-in?next=/desk/tickets/7"
        answer = await client.post("/desk/language", data={"language": "es"})
        assert answer.headers["location"] == "/desk/sign-in"


async def test_ready_made_replies_are_in_the_customers_language_and_filled_in(office: Office) -> None:
    """Customer, agent and shop are put in; a language without replies gets the shop's."""
    spanish = await office.writes("Ana María", "hola", language="es")
    unknown = await office.writes("Zoë", "hey", language="xx")
    async with office.signed_in("lars") as client:
        page = await page_of(client, spanish)
        assert 'role="option"' in page and "Hola Ana María, soy Lars de Wit" in page
        assert 'lang="es"' in page and office.config.settings.shop.name in page and "{customer}" not in page
        assert "Hello Zoë, this is Lars de Wit" in await page_of(client, unknown)


async def test_a_colleagues_answer_is_read_before_ones_own_leaves(office: Office) -> None:
    """Somebody answered since the page was drawn: it is asked once, nothing is sent, the text stays."""
    talk = await office.writes("Tom", "help")
    await office.waits(talk)
    async with office.signed_in("ana") as ana, office.signed_in("lars") as lars:
        seen = str((await _newest(office, talk)).id)
        assert (await does(lars, talk, "reply", text="Lars was here")).status_code == 303
        async with office.database.begin() as session:
            row = await handoff.current(session, talk)
            assert row is not None
            row.agent_id = row.claimed_at = None
        answer = await does(ana, talk, "reply", text="My careful words", seen=seen)
        assert answer.status_code == 409 and "Lars de Wit has answered meanwhile." in answer.text
        assert ">My careful words</textarea>" in answer.text
        newest = await _newest(office, talk)
        assert newest.text == "Lars was here" and f'form="composer" value="{newest.id}"' in answer.text
        assert "Waiting for a person" in answer.text
        again = await does(ana, talk, "reply", text="My careful words", seen=str(newest.id))
        assert again.status_code == 303
        # One's own words are no reason to ask.
        assert (await does(ana, talk, "reply", text="And more", seen=str(newest.id))).status_code == 303
    assert (await _newest(office, talk)).text == "And more"


async def _newest(office: Office, talk: int) -> Message:
    async with office.database.read() as session:
        found = await session.scalar(
            select(Message).where(Message.conversation_id == talk).order_by(Message.id.desc()).limit(1)
        )
    assert found is not None
    return found


async def test_others_see_who_is_there_and_who_writes(office: Office) -> None:
    """A colleague is named while their page says so; oneself never; who has left or fallen silent is gone."""
    talk = await office.writes("Tom", "help")
    async with office.signed_in("ana") as ana, office.signed_in("lars") as lars:
        token = token_of(await ana.get("/desk"))
        address = f"/desk/conversations/{talk}/presence"

        async def seen() -> str:
            return (await lars.get(f"/desk/conversations/{talk}/people")).text

        assert (await ana.post(address, data={"token": token, "writing": "0"})).status_code == 204
        assert "Ana Prieto is looking at this." in await seen()
        assert "Ana Prieto" not in (await ana.get(f"/desk/conversations/{talk}/people")).text
        await ana.post(address, data={"token": token, "writing": "1"})
        assert "Ana Prieto is writing a reply." in await seen()
        assert "Ana Prieto is writing a reply." in await page_of(lars, talk)
        async with office.database.begin() as session:
            await session.execute(update(Presence).values(until=now() - timedelta(seconds=1)))
        assert "Ana" not in await seen()
        await ana.post(address, data={"token": token, "writing": "1"})
        await ana.post(address, data={"token": token, "leaving": "1"})
        assert "Ana" not in await seen()
        assert (await ana.post("/desk/conversations/99/presence", data={"token": token})).status_code == 404


async def test_presence_notes_and_drafts_work_on_every_database(any_database: Database, office: Office) -> None:
    """Said twice is said once, and what a page would show has another version then."""
    there = office_of(office.config, any_database)
    user = await there.person("eva")
    talk = await there.writes("Tom", "hello")
    versions = []
    for _ in range(2):
        async with any_database.begin() as session:
            assert await presence.touch(session, talk, user.id, writing=True)
            assert not await presence.touch(session, talk + 7, user.id)
            await drafts.keep(session, user.id, drafts.places(talk)[0], "one")
            await drafts.keep(session, user.id, drafts.places(talk)[0], "two")
            await notes.add(session, talk, user, "a note")
        async with any_database.read() as session:
            versions.append(await talk_reports.conversation_version(session, talk))
            assert [(item.name, item.writing) for item in await talk_reports.lookers(session, talk, 0)] == [
                ("Eva", True)
            ]
            kept = await drafts.of(session, user.id, drafts.places(talk))
            assert [item.text for item in kept.values()] == ["two", ""]
            assert await talk_reports.news(session, user.id, ["Returns"], talk_reports.Marks(0, 0)) == []
            assert await talk_reports.my_queue(session, user.id, ["Returns"]) == []
    assert versions[0] != versions[1]
    await there.waits(talk)
    async with any_database.read() as session:
        (item,) = await talk_reports.news(session, user.id, [], talk_reports.Marks(0, 0))
        assert (item.kind, item.conversation_id) == ("waiting", talk)
        assert await talk_reports.my_queue(session, user.id, []) == [talk]


async def test_both_texts_of_a_translated_message_are_shown(office: Office) -> None:
    """The customer's words and their translation; what the agent wrote and what was sent; each in its language."""
    talk = await office.writes("Ana", "¿Dónde está mi paquete?", language="es")
    await office.waits(talk)
    async with office.signed_in("ana") as client:
        await does(client, talk, "reply", text="Está en camino.")
        async with office.database.begin() as session:
            (asked, said) = (await session.scalars(select(Message).order_by(Message.id))).all()
            session.add(Translation(message_id=asked.id, language="en", text="Where is my parcel?"))
            session.add(Translation(message_id=said.id, language="en", text="It is on its way.", original=True))
        page = await page_of(client, talk)
    order = [page.index(text) for text in (
        "¿Dónde está mi paquete?", "Translated into: English", "Where is my parcel?",
        "It is on its way.", "Sent to the customer in: Spanish", "Está en camino.",
    )]  # fmt: skip
    assert order == sorted(order)
    assert '<div class="bubble bubble-second" dir="auto" lang="en">Where is my parcel?' in page
    assert '<div class="bubble" dir="auto" lang="en">It is on its way.' in page


async def test_the_side_panel_tells_the_whole_story(office: Office) -> None:
    """Team, call-back number, what the bot tried, other conversations, hand-overs that are over."""
    talk = await office.writes("Tom", "hello")
    other = await office.writes("Tom elsewhere", "hello", channel="telegram")
    await office.buys(talk, "Thomas Baker", "100234")
    await office.waits(talk)
    async with office.signed_in("lars") as lars:
        await does(lars, talk, "claim")
        await does(lars, talk, "back")
    await office.waits(talk, "callback")
    async with office.database.begin() as session:
        first = await session.get_one(Conversation, talk)
        (await session.get_one(Conversation, other)).customer_id = first.customer_id
        row = await handoff.current(session, talk)
        assert row is not None
        row.team, row.phone, row.offered_to_id = "Returns", "+34600123456", office.people["lars"].id
        row.summary = {"intents": [{"intent": "request_refund", "confidence": 0.42}], "failed": 2}
    async with office.signed_in("ana") as client:
        page = await page_of(client, talk)
    side = page[page.index('<aside id="side"') :]
    for words in ("Returns", 'href="tel:+34600123456"', "Lars de Wit", "42%", "Refund", "Earlier hand-overs here"):
        assert words in side, words
    assert f'href="/desk/conversations/{other}">Telegram' in side


async def test_a_conversation_is_passed_on_to_a_colleague(office: Office) -> None:
    """The colleague is told and named; it waits again; nobody, oneself and forged ids are refused."""
    talk = await office.writes("Tom", "hello")
    await office.waits(talk)
    me, lars = office.people["ana"].id, office.people["lars"].id
    async with office.signed_in("ana") as client:
        for to in ("", f"user:{me}", "user:999", "user:x", "team:none", "nonsense"):
            answer = await does(client, talk, "pass-on", to=to)
            assert answer.status_code == 409 and 'class="flash"' in answer.text, to
        assert (await does(client, talk, "pass-on", to=f"user:{lars}")).status_code == 303
        assert "Offered to" in await page_of(client, talk)
    async with office.database.read() as session:
        row = await session.scalar(select(Handoff).where(Handoff.conversation_id == talk))
        assert row is not None and (row.agent_id, row.offered_to_id) == (None, lars)
    async with office.signed_in("lars") as client:
        assert f'href="/desk/conversations/{talk}"' in (await client.get("/desk")).text
        assert "Alerts: 1" in (await client.get("/desk")).text


async def test_next_goes_round_ones_own_queue(office: Office) -> None:
    """One's own first, then what waits, and from the last back to the first; an empty queue is the queue."""
    async with office.signed_in("ana") as client:
        assert (await client.get("/desk/next")).headers["location"] == "/desk"
        talks = [await office.writes(name, "hi") for name in ("Mine", "Waiting", "Theirs", "Later")]
        for age, talk in zip((1, 9, 5, 3), talks, strict=True):
            await office.waits(talk, minutes_ago=age)
        await office.claims(talks[0], "ana")
        await office.claims(talks[2], "lars")

        async def after(talk: int | str) -> str:
            return (await client.get(f"/desk/next?after={talk}")).headers["location"]

        path = "/desk/conversations/{}"
        assert await after("") == await after("nonsense") == await after(talks[3]) == path.format(talks[0])
        assert await after(talks[0]) == path.format(talks[1])
        assert await after(talks[1]) == path.format(talks[3])
        assert (await client.get("/desk/next?after=" + "9" * 400)).status_code == 303


async def test_what_an_agent_sends_as_a_file_is_erased_with_the_rest(office: Office) -> None:
    """A file that an agent sent belongs to the conversation, and to what a customer may have deleted."""
    talk = await office.writes("Tom", "hello")
    await office.waits(talk)
    async with office.signed_in("ana") as client:
        token = token_of(await client.get(f"/desk/conversations/{talk}"))
        files = {"file": ("receipt.pdf", b"%PDF-1.7 secret", "application/pdf")}
        await client.post(f"/desk/conversations/{talk}/reply", data={"token": token, "text": "Here"}, files=files)
    (stored,) = (office.config.files_dir / "attachments").iterdir()
    async with office.database.begin() as session:
        await privacy.erase(session, await session.get_one(Conversation, talk), office.config.files_dir)
    assert not stored.exists()
    async with office.database.read() as session:
        (row,) = (await session.scalars(select(StoredFile))).all()
        assert row.name == privacy.ERASED and row.path == ""
