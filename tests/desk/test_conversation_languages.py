"""Two languages in one conversation, and the conversation as a file for its customer."""

from __future__ import annotations

import html
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

import pytest
from sqlalchemy import select
from starlette.applications import Starlette

from bot.contracts import PermanentError, TemporaryError
from bot.desk import desk_routes
from bot.services import notes
from bot.storage.models import Draft, Message, Outbox, Translation, User
from tests.desk.office import Office, token_of


@dataclass
class Phrases:
    """A translator that knows a few phrases; everything behind the network is its."""

    known: dict[str, str]
    failure: Exception | None = None
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    name: str = "phrases"

    async def translate(self, text: str, source: str, target: str) -> str:
        """Look the phrase up."""
        self.asked.append((text, source, target))
        if self.failure is not None:
            raise self.failure
        return self.known[text]

    async def languages(self) -> frozenset[tuple[str, str]]:
        """One direction."""
        return frozenset({("en", "es")})

    async def close(self) -> None:
        """Nothing to close."""


@pytest.fixture
async def bilingual(office: Office) -> AsyncIterator[tuple[Office, Phrases]]:
    """The desk with a translator."""
    phrases = Phrases({"It is on its way.": "Está en camino."})
    routes = desk_routes(office.database, office.voice, office.config, phrases)
    yield replace(office, app=Starlette(routes=routes)), phrases


async def waiting(office: Office) -> int:
    """A Spanish customer who waits."""
    talk = await office.writes("Ana", "¿Dónde está mi paquete?", language="es")
    await office.waits(talk)
    return talk


async def test_a_reply_leaves_in_the_customers_language(bilingual: tuple[Office, Phrases]) -> None:
    """The switch is on where the agent needs it; what was written and what was sent are both kept and shown."""
    office, phrases = bilingual
    talk = await waiting(office)
    async with office.signed_in("ana") as client:
        page = await client.get(f"/desk/conversations/{talk}")
        assert 'name="translate" value="1" checked' in page.text and "Translate into: Spanish" in page.text
        fields = {"token": token_of(page), "text": "It is on its way.", "translate": "1"}
        assert (await client.post(f"/desk/conversations/{talk}/reply", data=fields)).status_code == 303
        shown = html.unescape((await client.get(f"/desk/conversations/{talk}")).text)
    assert phrases.asked == [("It is on its way.", "en", "es")]
    assert shown.index("It is on its way.") < shown.index("Sent to the customer in: Spanish")
    assert shown.index("Sent to the customer in: Spanish") < shown.index("Está en camino.")
    async with office.database.read() as session:
        assert [row.body["text"] for row in await session.scalars(select(Outbox))] == ["Está en camino."]
        (kept,) = (await session.scalars(select(Translation))).all()
        assert (kept.text, kept.language, kept.original) == ("It is on its way.", "en", True)


async def test_who_speaks_the_language_is_not_translated(bilingual: tuple[Office, Phrases]) -> None:
    """Who speaks it, and in the shop's language, which all know, has no switch; what is sent is what was written."""
    office, phrases = bilingual
    talk = await waiting(office)
    english = await office.writes("Tom", "hello")
    await office.waits(english)
    async with office.database.begin() as session:
        (await session.get_one(User, office.people["lars"].id)).speaks = ["es"]
    async with office.signed_in("lars") as client:
        page = await client.get(f"/desk/conversations/{talk}")
        assert 'name="translate"' not in page.text
        assert 'name="translate"' not in (await client.get(f"/desk/conversations/{english}")).text
        fields = {"token": token_of(page), "text": "Está en camino."}
        assert (await client.post(f"/desk/conversations/{talk}/reply", data=fields)).status_code == 303
    assert phrases.asked == []
    async with office.database.read() as session:
        assert [row.body["text"] for row in await session.scalars(select(Outbox))] == ["Está en camino."]
        assert (await session.scalars(select(Translation))).all() == []


async def test_it_is_translated_from_what_the_agent_speaks(bilingual: tuple[Office, Phrases]) -> None:
    """Not from the language of the desk's buttons, where that is none of theirs; what is too long is not cut."""
    office, phrases = bilingual
    phrases.known["Ich schaue nach."] = "Voy a mirar."
    talk = await waiting(office)
    async with office.database.begin() as session:
        (await session.get_one(User, office.people["ana"].id)).speaks = ["de", "fr"]
    async with office.signed_in("ana") as client:
        address = f"/desk/conversations/{talk}"
        fields = {"token": token_of(await client.get(address)), "text": "Ich schaue nach.", "translate": "1"}
        long = await client.post(f"{address}/reply", data=fields | {"text": "x" * 10_001})
        assert long.status_code == 409 and phrases.asked == []
        assert (await client.post(f"{address}/reply", data=fields)).status_code == 303
    assert phrases.asked == [("Ich schaue nach.", "de", "es")]


@pytest.mark.parametrize("failure", [TemporaryError("down"), PermanentError("no such language")])
async def test_a_translator_that_is_down_keeps_the_words(bilingual: tuple[Office, Phrases], failure: Exception) -> None:
    """It is said in words, nothing is sent, the text stays; without translation it can leave."""
    office, phrases = bilingual
    phrases.failure = failure
    talk = await waiting(office)
    async with office.signed_in("ana") as client:
        address = f"/desk/conversations/{talk}/reply"
        fields = {"token": token_of(await client.get(f"/desk/conversations/{talk}")), "text": "It is on its way."}
        answer = await client.post(address, data=fields | {"translate": "1"})
        assert answer.status_code == 409 and "The translator does not answer." in answer.text
        assert ">It is on its way.</textarea>" in answer.text
        async with office.database.read() as session:
            assert (await session.scalars(select(Outbox))).all() == []
        assert (await client.post(address, data=fields)).status_code == 303
    async with office.database.read() as session:
        assert [row.body["text"] for row in await session.scalars(select(Outbox))] == ["It is on its way."]
        assert (await session.scalars(select(Draft))).all() == []


async def test_without_a_translator_there_is_no_switch(office: Office) -> None:
    """Translation is off by default: no switch, and a form that asks for it all the same is sent as written."""
    talk = await waiting(office)
    async with office.signed_in("ana") as client:
        page = await client.get(f"/desk/conversations/{talk}")
        assert 'name="translate"' not in page.text
        fields = {"token": token_of(page), "text": "It is on its way.", "translate": "1"}
        assert (await client.post(f"/desk/conversations/{talk}/reply", data=fields)).status_code == 303
    async with office.database.read() as session:
        assert [row.body["text"] for row in await session.scalars(select(Outbox))] == ["It is on its way."]


async def test_the_conversation_is_sent_to_its_customer(office: Office) -> None:
    """One press; the file holds what was said and no internal note. A colleague's conversation is refused."""
    talk = await waiting(office)
    address = f"/desk/conversations/{talk}/transcript"
    async with office.signed_in("ana") as client:
        async with office.database.begin() as session:
            await notes.add(session, talk, office.people["ana"], "keep this inside")
        page = await client.get(f"/desk/conversations/{talk}")
        assert f'action="{address}"' in page.text
        assert (await client.post(address, data={"token": token_of(page)})).status_code == 303
        await office.claims(talk, "lars")
        answer = await client.post(address, data={"token": token_of(page)})
        assert answer.status_code == 409 and "Lars de Wit has it" in answer.text
    async with office.database.read() as session:
        (row,) = (await session.scalars(select(Outbox))).all()
        assert len((await session.scalars(select(Message))).all()) == 2
    (media,) = row.body["media"]
    written = (office.config.files_dir / media["path"]).read_text(encoding="utf-8")
    assert "¿Dónde está mi paquete?" in written and "keep this inside" not in written
