"""Translation: the server's API, what survives it, where it is kept. No customer's word leaves through a log."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select, update

from bot import agents
from bot.config import Config, Settings
from bot.contracts import (
    Address,
    Author,
    Inbound,
    Kind,
    LanguageGuess,
    Parse,
    PermanentError,
    RoomAction,
    TemporaryError,
)
from bot.domain import load_domain
from bot.inbox import store
from bot.jobs import Workshop, handlers
from bot.outbox import Voice
from bot.services import handoff, privacy, translations, users
from bot.storage import Database, now
from bot.storage.models import Conversation, Handoff, Inbox, InboxStatus, Message, RoomRow, Timer, TimerStatus
from bot.storage.models import Translation as Row
from bot.texts import Texts
from bot.translation import MAX_TEXT, Faithful, as_written, create, for_reply, language_of
from bot.translation.libretranslate import LibreTranslate
from bot.translation.pieces import pieces
from bot.translation.tokens import lost, tokens, with_tokens
from bot.worker import Job
from tests.fakes.libretranslate import LibreTranslateServer

SECRET = "Geheimnis 4711"


@asynccontextmanager
async def asking(server: LibreTranslateServer, key: str = "", **options: Any) -> AsyncIterator[LibreTranslate]:
    """A client of a server."""
    client = LibreTranslate(server.url, key, **options)
    try:
        yield client
    finally:
        await client.close()


class TestServer:
    """LibreTranslate's HTTP API."""

    async def test_a_text_is_translated(self) -> None:
        """The request is the documented one; without a key none is sent; white space around stays."""
        phrases = {("de", "en", "Guten Tag"): "Good day"}
        async with LibreTranslateServer(phrases=phrases) as server, asking(server) as client:
            assert await client.translate("  Guten Tag\n", "de", "en") == "  Good day\n"
        assert server.asked == [{"q": "Guten Tag", "source": "de", "target": "en", "format": "text"}]

    async def test_nothing_is_asked_about_nothing(self) -> None:
        """Blank texts and a language into itself need no server."""
        async with LibreTranslateServer() as server, asking(server) as client:
            assert await client.translate(" \n", "de", "en") == " \n"
            assert await client.translate("Hallo", "de", "de") == "Hallo"
        assert server.requests == 0

    async def test_the_key_is_sent(self) -> None:
        """With the right key it works; a wrong or a missing one is said in words, without the key."""
        async with LibreTranslateServer(key="right") as server:
            async with asking(server, "right") as client:
                assert await client.translate("Hallo", "de", "en") == "[de>en] Hallo"
            async with asking(server, "wrong-key") as client:
                with pytest.raises(PermanentError, match="LIBRETRANSLATE_API_KEY") as refused:
                    await client.translate("Hallo", "de", "en")
                assert "wrong-key" not in str(refused.value)
            async with asking(server) as client:
                with pytest.raises(PermanentError, match="LIBRETRANSLATE_API_KEY"):
                    await client.translate("Hallo", "de", "en")

    @pytest.mark.parametrize(
        ("codes", "simplified", "traditional", "portuguese"),
        [
            (("en", "zh", "zt", "pt"), "zh", "zt", "pt"),
            (("en", "zh-Hans", "zh-Hant", "pt-BR"), "zh-Hans", "zh-Hant", "pt-BR"),
            (("en", "zh-Hans", "zt", "pb"), "zh-Hans", "zt", "pb"),
        ],
    )
    async def test_codes_differ_between_versions(
        self, codes: tuple[str, ...], simplified: str, traditional: str, portuguese: str
    ) -> None:
        """The server is asked which codes it knows, and ours are told apart again in its answer."""
        async with LibreTranslateServer(codes) as server, asking(server) as client:
            await client.translate("hello", "en", "zh-Hans")
            await client.translate("hello", "en", "zh-Hant")
            await client.translate("hello", "en", "pt")
            known = await client.languages()
        assert [body["target"] for body in server.asked] == [simplified, traditional, portuguese]
        assert {source for source, _ in known} == {"en", "zh-Hans", "zh-Hant", "pt"}
        assert ("zh-Hans", "zh-Hant") in known

    async def test_a_language_that_it_does_not_know(self) -> None:
        """Said at once, and not asked of it."""
        async with LibreTranslateServer(("en", "de")) as server, asking(server) as client:
            with pytest.raises(PermanentError, match="from ko into en"):
                await client.translate("안녕하세요", "ko", "en")
        assert server.requests == 0

    @pytest.mark.parametrize("settings", [True, False])
    async def test_long_texts_go_in_pieces(self, settings: bool) -> None:
        """Cut at ends of paragraphs and sentences, below the server's limit, and put together as they were."""
        text = "Erster Satz hier. Zweiter Satz hier.\n\nEin neuer Absatz! Noch ein Satz?\nEnde. " * 20
        limit = 60 if settings else -1
        async with LibreTranslateServer(char_limit=limit, settings=settings) as server, asking(server) as client:
            made = await client.translate(text, "de", "en")
        assert len(server.asked) >= (40 if settings else 2)
        assert all(len(body["q"]) <= (60 if settings else 1000) for body in server.asked)
        assert all(body["q"][-1] in ".!?" for body in server.asked)
        assert made.replace("[de>en] ", "") == text

    async def test_too_many_requests(self) -> None:
        """It is left alone for as long as it wants: whoever goes on asking is banned."""
        async with LibreTranslateServer() as server, asking(server) as client:
            server.fails(429, retry_after="30")
            for _ in range(3):
                with pytest.raises(TemporaryError, match="too many requests") as refused:
                    await client.translate("Hallo", "de", "en")
                assert refused.value.retry_after == pytest.approx(30, abs=2)
        assert server.requests == 1

    async def test_one_failure_is_made_up_for(self) -> None:
        """HTTP 500 once: nobody notices."""
        async with LibreTranslateServer() as server, asking(server) as client:
            server.fails(500, times=1)
            assert await client.translate("Hallo", "de", "en") == "[de>en] Hallo"

    async def test_a_server_that_fails_is_left_alone_for_a_while(self) -> None:
        """After three texts in vain it is not asked; after the pause it is, and is back in use."""
        async with LibreTranslateServer() as server, asking(server, pause=0.2) as client:
            assert await client.translate("eins", "de", "en")
            server.fails(500)
            for _ in range(3):
                with pytest.raises(TemporaryError, match="HTTP 500"):
                    await client.translate("zwei", "de", "en")
            asked = server.requests
            with pytest.raises(TemporaryError, match="does not answer"):
                await client.translate("drei", "de", "en")
            assert server.requests == asked
            server.mended()
            await asyncio.sleep(0.25)
            assert await client.translate("vier", "de", "en") == "[de>en] vier"

    async def test_a_slow_server(self) -> None:
        """Nobody waits longer than the time-out allows."""
        async with LibreTranslateServer() as server, asking(server, timeout=0.1) as client:
            await client.languages()
            server.delay = 5
            with pytest.raises(TemporaryError, match="in time"):
                await client.translate("Hallo", "de", "en")
            server.mended()

    async def test_nobody_there(self) -> None:
        """A server that is down is a passing trouble."""
        client = LibreTranslate("http://127.0.0.1:9")
        with pytest.raises(TemporaryError, match="cannot be reached"):
            await client.translate("Hallo", "de", "en")
        await client.close()

    @pytest.mark.parametrize("body", ["<html>hello</html>", '{"translatedText": 3}', "[]"])
    async def test_something_else_answers(self, body: str) -> None:
        """A page of a proxy is no translation."""
        async with LibreTranslateServer() as server, asking(server) as client:
            server.fails(200, body=body)
            with pytest.raises(TemporaryError, match="not a LibreTranslate server"):
                await client.translate("Hallo", "de", "en")

    async def test_no_words_in_errors_and_logs(self, caplog: pytest.LogCaptureFixture) -> None:
        """The server repeats the text in its errors; ours do not, and no log has it."""
        caplog.set_level(logging.INFO)
        async with LibreTranslateServer() as server, asking(server, "k-secret") as client:
            server.fails(500, times=2)
            server.fails(422)
            for kind in (TemporaryError, PermanentError):
                with pytest.raises(kind) as error:
                    await client.translate(SECRET, "de", "en")
                assert SECRET not in str(error.value)
        assert SECRET not in caplog.text
        assert "k-secret" not in caplog.text


@given(st.text(max_size=400), st.integers(20, 90))
def test_pieces_lose_nothing(text: str, limit: int) -> None:
    """Whatever the text: every piece fits and is not empty, and together they are the text."""
    made = list(pieces(text, limit))
    assert "".join(piece + behind for piece, behind in made) == text.strip()
    assert all(piece and len(piece) <= limit and not behind.strip() for piece, behind in made)


@given(st.text(max_size=300), st.text(max_size=300))
def test_no_token_is_lost(text: str, translation: str) -> None:
    """Whatever comes back, everything that must stand in it does."""
    assert lost(text, with_tokens(text, translation)) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Wo ist 100234?", ["100234"]),
        ("(AB-12-34567), bitte", ["AB-12-34567"]),
        ("Ticket T-000042.", ["T-000042"]),
        ("see https://example.com/a?b=1, or www.example.org.", ["https://example.com/a?b=1", "www.example.org"]),
        ("mail ana@example.com!", ["ana@example.com"]),
        ("订单100234号，邮箱ana@example.com谢谢", ["100234", "ana@example.com"]),
        ("看https://example.com/a这里", ["https://example.com/a"]),
        ("100234 und 100234", ["100234"]),
        ("2 Tassen, 35 Euro, 2026", []),
        ("", []),
    ],
)
def test_tokens(text: str, found: list[str]) -> None:
    """Numbers of orders and tickets, addresses, links; not what a language may write in its own way."""
    assert list(tokens(text)) == found


def test_the_merchants_own_numbers() -> None:
    """What an order number looks like is configured; without that, letters are letters."""
    assert list(tokens("wo ist RKBX/Q?", r"[A-Z]{4}/[A-Z]")) == ["RKBX/Q"]
    assert list(tokens("wo ist RKBX/Q?")) == []


@pytest.mark.parametrize(
    ("made", "shown"),
    [
        ("Where is 100234?", "Where is 100234?"),
        ("Where is 100 234?", "Where is 100 234?\n↳ 100234"),
        ("Where is 1002345?", "Where is 1002345?\n↳ 100234"),
    ],
)
def test_what_is_lost_is_shown_beside(made: str, shown: str) -> None:
    """A number that came out otherwise stands below as it was."""
    assert with_tokens("Wo ist 100234?", made) == shown


class Engine:
    """A translator of the test."""

    name = "test"

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.asked: list[tuple[str, str, str]] = []

    async def translate(self, text: str, source: str, target: str) -> str:
        """The text in capitals, or the next failure."""
        self.asked.append((text, source, target))
        if self.failures:
            raise self.failures.pop(0)
        return text.upper()

    async def languages(self) -> frozenset[tuple[str, str]]:
        """One pair."""
        return frozenset({("de", "en")})

    async def close(self) -> None:
        """Nothing to close."""


class TestForReply:
    """An agent's words on their way to the customer."""

    async def test_translated(self) -> None:
        """Both texts come out, with the language that the agent wrote in."""
        made = await for_reply(Engine(), " buenos días ", "es", "de")
        assert (made.text, made.original, made.original_language, made.engine) == (
            "BUENOS DÍAS",
            "buenos días",
            "es",
            "test",
        )

    @pytest.mark.parametrize(
        ("text", "source", "target"), [("hola", "es", "es"), ("", "es", "de"), ("hola", "", "de"), ("hola", "es", "")]
    )
    async def test_nothing_to_translate(self, text: str, source: str, target: str) -> None:
        """The same language, or none: words stay as they are and there is no other text to keep."""
        engine = Engine()
        made = await for_reply(engine, text, source, target)
        assert (made.text, made.original, engine.asked) == (text, "", [])

    async def test_as_written(self) -> None:
        """A sign in front has it sent as it is."""
        engine = Engine()
        assert (await for_reply(engine, "= Guten Tag", "es", "de")).text == "Guten Tag"
        assert as_written("=x") == "x"
        assert engine.asked == []

    async def test_off_and_down(self) -> None:
        """Without a translator words stay; with one that is down, that is said."""
        assert (await for_reply(None, "hola", "es", "de")).text == "hola"
        with pytest.raises(TemporaryError):
            await for_reply(Engine(TemporaryError("down")), "hola", "es", "de")

    async def test_a_huge_text_is_cut(self) -> None:
        """Of 10 MB the beginning is translated."""
        engine = Engine()
        made = await Faithful(engine).translate("wort " * 2_000_000, "de", "en")
        assert len(engine.asked[0][0]) <= MAX_TEXT + 2
        assert made.endswith("…")

    @pytest.mark.parametrize(("confidence", "language"), [(0.9, "de"), (0.5, "")])
    async def test_which_language_it_is(self, confidence: float, language: str) -> None:
        """Only a clear guess counts."""

        class Ear:
            async def parse(self, text: str, *, language: str = "", today: date | None = None) -> Parse:
                return Parse(text, "", 0.0, language=LanguageGuess("de", confidence))

        assert await language_of(Ear(), "Guten Tag", 0.8) == language
        assert await language_of(None, "Guten Tag", 0.8) == ""


@pytest.mark.parametrize(
    ("failure", "made"), [(None, "TEE"), (TemporaryError("down"), ""), (PermanentError("never"), "")]
)
async def test_a_text_that_is_no_message(failure: Exception | None, made: str) -> None:
    """A survey's comment: its translation, or none; never an error."""
    engine = Engine(*filter(None, [failure]))
    assert await translations.of_text(engine, "Tee", "de", "en") == made
    assert await translations.of_text(None, "Tee", "de", "en") == ""
    assert await translations.of_text(engine, "Tee", "en", "en") == ""


def test_off_unless_configured(config: Config) -> None:
    """Shipped as it is, nothing is translated and nothing is asked."""
    assert create(config) is None
    assert config.translation_key == ""


# ---------------------------------------------------------------------- what is kept, on both databases


class Place:
    """A conversation in German that waits for somebody, on one database."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self.database = database
        self.settings = settings
        self.count = 0
        self.where = 0
        self.handoff = 0

    async def writes(self, text: str, language: str = "de", confidence: float = 0.95, payload: str = "") -> int:
        """The customer's message; its id."""
        self.count += 1
        event = Inbound(f"e{self.count}", Address("rest", "c", "c"), text, payload)
        async with self.database.begin() as session:
            (inbox_id,) = await store(session, [event])
            row = await session.get_one(Inbox, inbox_id)
            row.status, self.where = InboxStatus.DONE, row.conversation_id
            talk = await session.get_one(Conversation, self.where)
            talk.language, talk.updated_at = "de", now()
            parse = {"language": language, "language_confidence": confidence}
            message = Message(
                conversation_id=talk.id,
                author=Author.CUSTOMER,
                text=text or payload,
                language=language,
                parse=parse,
                inbox_id=inbox_id,
            )
            session.add(message)
            await session.flush()
            return message.id

    async def waits(self) -> None:
        """The conversation waits for a person."""
        async with self.database.begin() as session:
            talk = await session.get_one(Conversation, self.where)
            self.handoff = (await handoff.begin(session, talk, "asked", self.settings.handoff)).id

    async def claims(self, language: str, speaks: tuple[str, ...] = ()) -> int:
        """An agent takes it; the agent's id."""
        async with self.database.begin() as session:
            user = await users.add(session, "bea", "Bea", "a long password", language=language)
            user.speaks = list(speaks)
            await agents.claim(session, self.where, user)
            return user.id

    async def wanted(self) -> list[tuple[int, str, str]]:
        """What would be translated."""
        async with self.database.read() as session:
            found = await translations.wanted(session, self.handoff, self.settings)
        return [(item.message, item.source, item.target) for item in found]

    async def stored(self) -> list[tuple[int, str, str, bool]]:
        """The translations that are kept."""
        async with self.database.read() as session:
            rows = await session.scalars(select(Row).order_by(Row.id))
            return [(row.message_id, row.language, row.text, row.original) for row in rows]

    async def keeps(self, message: int, read: str, text: str, language: str = "en") -> bool:
        """Keep a translation."""
        async with self.database.begin() as session:
            return await translations.keep(session, message, read, text, language, "test")


@pytest.fixture
def place(any_database: Database, config: Config) -> Place:
    """A place for German customers at an English desk."""
    changed = config.settings.model_copy(
        update={"translation": config.settings.translation.model_copy(update={"engine": "libretranslate"})}
    )
    return Place(any_database, changed)


async def test_who_needs_what(place: Place) -> None:
    """The shop's language while it waits, the agent's as well once one has it, nothing for one who speaks German."""
    first = await place.writes("Guten Tag")
    await place.waits()
    assert await place.wanted() == [(first, "de", "en")]
    agent = await place.claims("es")
    assert await place.wanted() == [(first, "de", "en"), (first, "de", "es")]
    async with place.database.begin() as session:
        await session.execute(update(users.User).where(users.User.id == agent).values(speaks=["fr", "de"]))
    assert await place.wanted() == []
    async with place.database.begin() as session:
        await session.execute(update(users.User).where(users.User.id == agent).values(speaks=["fr", "it"]))
    assert await place.wanted() == [(first, "de", "en"), (first, "de", "fr")]


async def test_what_is_worth_it(place: Place) -> None:
    """Words of the customer in a language that needs it; no numbers, buttons, deletions, clear English."""
    await place.writes("100234")
    await place.writes("", payload='/affirm{"choice": "1"}')
    await place.writes("where is my parcel", "en")
    unclear = await place.writes("ok danke", "nl", 0.4)
    gone = await place.writes("Ein Versehen")
    await place.waits()
    async with place.database.begin() as session:
        await session.execute(update(Message).where(Message.id == gone).values(change="deleted"))
    assert await place.wanted() == [(unclear, "de", "en")]


async def test_from_the_last_twenty_messages_on(place: Place) -> None:
    """A long talk with the bot is not translated from its beginning."""
    ids = [await place.writes(f"Satz Nummer {number}") for number in range(24)]
    async with place.database.begin() as session:
        await session.execute(update(Message).values(created_at=now() - timedelta(minutes=1)))
    await place.waits()
    later = await place.writes("Sind Sie da?")
    assert [message for message, _, _ in await place.wanted()] == [*ids[-20:], later]


async def test_planned_once(place: Place) -> None:
    """What has been tried is not tried again, unless the message says something else by now."""
    message = await place.writes("Guten Tag")
    await place.waits()
    for _ in range(2):
        async with place.database.begin() as session:
            found = await translations.wanted(session, place.handoff, place.settings)
            await translations.plan(session, found)
    assert await place.wanted() == []
    async with place.database.begin() as session:
        await session.execute(update(Message).where(Message.id == message).values(text="Gute Nacht"))
    assert await place.wanted() == [(message, "de", "en")]
    async with place.database.read() as session:
        (timer,) = await session.scalars(select(Timer).where(Timer.kind == translations.TRANSLATE))
        assert timer.payload == {"message": message, "from": "de", "to": "en"}


async def test_kept_with_its_message(place: Place) -> None:
    """Once a language, newer in place of older; not where the message says something else by now."""
    message = await place.writes("Guten Tag")
    assert await place.keeps(message, "Guten Tag", "Good day")
    assert await place.keeps(message, "Guten Tag", "Hello")
    assert await place.keeps(message, "Guten Tag", "Buenos días", "es")
    assert not await place.keeps(message, "Gute Nacht", "Good night")
    assert not await place.keeps(999, "Guten Tag", "Hello")
    assert await place.stored() == [(message, "en", "Hello", False), (message, "es", "Buenos días", False)]


async def test_rooms_that_show_the_message_already_are_told(place: Place) -> None:
    """A room that has still to show it will show both together."""
    first = await place.writes("Guten Tag")
    await place.waits()
    second, third = await place.writes("Mein Paket fehlt"), await place.writes("Hallo?")
    async with place.database.begin() as session:
        session.add(
            RoomRow(
                handoff_id=place.handoff,
                conversation_id=place.where,
                channel="team",
                chat="c",
                since=first,
                shown=second,
                notes=[],
            )
        )
    await place.keeps(first, "Guten Tag", "Good day")
    await place.keeps(second, "Mein Paket fehlt", "My parcel is missing")
    await place.keeps(third, "Hallo?", "Hello?")
    async with place.database.read() as session:
        room = (await session.scalars(select(RoomRow))).one()
    assert [note["params"] for note in room.notes] == [{"quote": "Mein Paket fehlt", "text": "My parcel is missing"}]


async def test_erased_on_request(place: Place, tmp_path: Path) -> None:
    """A translation goes with its message, and one that was being made then is not kept."""
    message = await place.writes("Guten Tag")
    await place.keeps(message, "Guten Tag", "Good day")
    async with place.database.begin() as session:
        await privacy.erase(session, await session.get_one(Conversation, place.where), tmp_path)
    assert await place.stored() == []
    assert not await place.keeps(message, "Guten Tag", "Good day")
    await place.waits()
    assert await place.wanted() == []


def workshop(place: Place, config: Config, engine: Engine | None) -> dict[str, Job]:
    """The jobs of a desk with this translator."""
    texts = Texts(load_domain(config.home), ("en", "de"), config.settings.shop)
    own = replace(config, settings=place.settings)
    return handlers(Workshop(place.database, Voice(texts), {}, own, engine))


async def _acts(place: Place, action: RoomAction, text: str = "") -> int:
    """An agent does something in a room; the event's id."""
    place.count += 1
    event = Inbound(f"a{place.count}", Address("team", "c", "A1", "t1"), text, action, name="Bea", kind=Kind.AGENT)
    async with place.database.begin() as session:
        row = Inbox(channel="team", external_id=event.external_id, conversation_id=place.where, event=event.to_json())
        session.add(row)
        await session.flush()
        talk = await session.get_one(Conversation, place.where, with_for_update=True)
        texts = Texts(load_domain(CONFIG_HOME), ("en", "de"), place.settings.shop)
        await agents.act(session, Voice(texts), talk, event, place.settings, inbox_id=row.id)
        row.status = InboxStatus.DONE
        return row.id


CONFIG_HOME = Path(__file__).parents[2]


async def _due(place: Place, job: Job) -> list[int]:
    """The replies that may be sent now."""
    async with place.database.read() as session:
        query = select(Timer.id).where(Timer.kind == translations.SAY, Timer.status == TimerStatus.PENDING)
        assert job.mine is not None
        return list(await session.scalars(query.where(job.mine).order_by(Timer.id)))


async def _finish(place: Place, job: Job, timer_id: int) -> None:
    """Do one timer as the worker would."""
    async with place.database.read() as session:
        payload = (await session.get_one(Timer, timer_id)).payload
    assert job.prepare is not None
    prepared = await job.prepare(payload)
    async with place.database.begin() as session:
        await job.apply(session, payload, prepared)
        (await session.get_one(Timer, timer_id)).status = TimerStatus.DONE


async def _said(place: Place) -> list[str]:
    """What agents have said to the customer."""
    async with place.database.read() as session:
        where = (Message.author == Author.AGENT, Message.conversation_id == place.where)
        return list(await session.scalars(select(Message.text).where(*where).order_by(Message.id)))


async def test_replies_from_a_room_keep_their_order(place: Place, config: Config) -> None:
    """One at a time, the first first; what comes after a reply that is being translated waits for it."""
    await place.writes("Guten Tag")
    await place.waits()
    job = workshop(place, config, Engine())[translations.SAY]
    await _acts(place, RoomAction.REPLY, "one")
    await _acts(place, RoomAction.REPLY, "= zwei")
    await _acts(place, RoomAction.RESOLVE)
    assert await _said(place) == []
    for count in (1, 2, 3):
        (timer,) = await _due(place, job)
        await _finish(place, job, timer)
        assert await _said(place) == ["ONE", "zwei"][:count]
    assert await _due(place, job) == []
    async with place.database.read() as session:
        assert (await session.get_one(Handoff, place.handoff)).outcome == "resolved"
    assert [(language, text, own) for _, language, text, own in await place.stored()] == [("en", "one", True)]


async def test_no_words_in_timers(place: Place, config: Config, tmp_path: Path) -> None:
    """An agent's words are where erasing finds them; erased before they were translated, nothing is sent."""
    await place.writes("Guten Tag")
    await place.waits()
    await _acts(place, RoomAction.REPLY, SECRET)
    async with place.database.begin() as session:
        payloads = list(await session.scalars(select(Timer.payload)))
        assert SECRET not in str(payloads)
        await privacy.erase(session, await session.get_one(Conversation, place.where), tmp_path)
    job = workshop(place, config, Engine())[translations.SAY]
    (timer,) = await _due(place, job)
    await _finish(place, job, timer)
    assert await _said(place) == []


async def test_a_reply_that_cannot_be_sent_is_refused_at_once(place: Place) -> None:
    """Somebody else has the conversation: the agent learns so before anything is translated."""
    await place.writes("Guten Tag")
    await place.waits()
    await place.claims("es")
    async with place.database.begin() as session:
        session.add(
            RoomRow(
                handoff_id=place.handoff, conversation_id=place.where, channel="team", chat="c", thread="t1", notes=[]
            )
        )
    await _acts(place, RoomAction.REPLY, "hello")
    async with place.database.read() as session:
        assert await session.scalar(select(func.count()).where(Timer.kind == translations.SAY)) == 0
        room = (await session.scalars(select(RoomRow))).one()
    assert [note["key"] for note in room.notes] == ["handoff.taken"]


@pytest.mark.parametrize("switched_off", [False, True])
async def test_a_reply_that_cannot_be_translated(place: Place, config: Config, switched_off: bool) -> None:
    """The agent is told, in the room and alone, with their own words and what to do; the customer hears nothing."""
    await place.writes("Guten Tag")
    await place.waits()
    async with place.database.begin() as session:
        session.add(
            RoomRow(
                handoff_id=place.handoff, conversation_id=place.where, channel="team", chat="c", thread="t1", notes=[]
            )
        )
    await _acts(place, RoomAction.REPLY, "good morning")
    engine = None if switched_off else Engine(PermanentError("no such language"))
    job = workshop(place, config, engine)[translations.SAY]
    (timer,) = await _due(place, job)
    await _finish(place, job, timer)
    assert await _said(place) == []
    async with place.database.read() as session:
        room = (await session.scalars(select(RoomRow))).one()
    (note,) = room.notes
    assert (note["key"], note["only"], note["params"]["text"]) == ("handoff.untranslated", "A1", "good morning")
