"""Conversations over the API: lists, messages, and what agents do there."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
from sqlalchemy import select

from bot.contracts import Owner
from bot.storage import now
from bot.storage.models import Conversation, Outbox
from tests.api.conftest import BOTH, Api


async def test_conversations_are_listed_by_who_has_them(api: Api, client: httpx.AsyncClient) -> None:
    """Filters by owner, agent, channel, language, customer and time; pages without gaps."""
    first = await api.office.writes("Ines", "Hola", language="es")
    second = await api.office.writes("Omar", "Hello", channel="telegram")
    third = await api.office.writes("Wei", "Hi")
    await api.office.waits(second)
    await api.office.waits(third)
    await api.office.claims(third, "lars")
    expected: list[tuple[dict[str, Any], list[int]]] = [
        ({}, [third, second, first]),
        ({"sort": "oldest"}, [first, second, third]),
        ({"owner": "queue"}, [second]),
        ({"agent": "lars", "owner": "person"}, [third]),
        ({"channel": "telegram"}, [second]),
        ({"language": "es"}, [first]),
        ({"customer": 5}, []),
        ({"updated_before": (now() - timedelta(days=1)).isoformat()}, []),
    ]
    for params, ids in expected:
        answer = await client.get("/conversations", params=params)
        assert [item["id"] for item in answer.json()["items"]] == ids, params
    page = (await client.get("/conversations", params={"limit": 2})).json()
    rest = (await client.get("/conversations", params={"limit": 2, "cursor": page["next"]})).json()
    assert [item["id"] for item in page["items"] + rest["items"]] == [third, second, first]
    assert rest["next"] is None


@BOTH
async def test_messages_are_read_in_pages_with_the_bots_reading(api: Api, client: httpx.AsyncClient) -> None:
    """Who said what, what the bot understood, and whether an answer has left."""
    talk = await api.office.writes("Ines", "Where is my order?", intent="track_order")
    await api.office.says(talk, "Which order?")
    first = (await client.get(f"/conversations/{talk}/messages", params={"limit": 1})).json()
    second = (await client.get(f"/conversations/{talk}/messages", params={"cursor": first["next"]})).json()
    asked, said = first["items"] + second["items"]
    assert (asked["author"], asked["intent"], asked["delivery"]) == ("customer", "track_order", None)
    assert asked["confidence"] == 0.91 and asked["text"] == "Where is my order?"
    assert (said["author"], said["text"], said["delivery"]) == ("bot", "Which order?", "pending")
    assert second["next"] is None


async def test_an_agent_answers_and_resolves(api: Api, client: httpx.AsyncClient) -> None:
    """Claim, answer, note and resolve over the API leave the same traces as at the desk."""
    talk = await api.office.writes("Ines", "A person, please")
    await api.office.waits(talk)
    waiting = (await client.get(f"/conversations/{talk}")).json()
    assert waiting["owner"] == "queue" and waiting["handoff"]["reason"] == "asked"
    claimed = await client.post(f"/conversations/{talk}/claim", json={"agent": "ana"})
    assert claimed.status_code == 200 and claimed.json()["handoff"]["agent"]["username"] == "ana"
    taken = await client.post(f"/conversations/{talk}/claim", json={"agent": "lars"})
    assert taken.status_code == 409 and taken.json()["type"] == "urn:linguadesk:problem:taken"
    said = await client.post(f"/conversations/{talk}/messages", json={"agent": "ana", "text": "Good morning."})
    assert said.status_code == 201
    assert (said.json()["author"], said.json()["agent"]["name"]) == ("agent", "Ana Prieto")
    note = await client.post(f"/conversations/{talk}/notes", json={"agent": "lars", "text": "A regular."})
    assert note.status_code == 201 and note.json()["agent"]["username"] == "lars"
    resolved = await client.post(f"/conversations/{talk}/resolve", json={"agent": "ana"})
    assert resolved.status_code == 200
    assert (resolved.json()["owner"], resolved.json()["handoff"]) == ("bot", None)
    async with api.database.read() as session:
        sent = [row.body["text"] for row in await session.scalars(select(Outbox).order_by(Outbox.id))]
        assert (await session.get_one(Conversation, talk)).owner is Owner.BOT
    assert sent[0] == "Good morning." and "A regular." not in sent and len(sent) == 2


async def test_a_conversation_is_given_back_to_the_bot(api: Api, client: httpx.AsyncClient) -> None:
    """The bot has it again; doing it once more is refused, because nobody has it."""
    talk = await api.office.writes("Ines", "A person, please")
    await api.office.waits(talk)
    back = await client.post(f"/conversations/{talk}/back", json={"agent": "ana"})
    assert back.status_code == 200 and back.json()["owner"] == "bot"
    again = await client.post(f"/conversations/{talk}/back", json={"agent": "ana"})
    assert again.status_code == 409


async def test_an_agent_must_be_an_active_user(api: Api, client: httpx.AsyncClient) -> None:
    """Nobody can act in the name of a user who does not exist or is switched off."""
    talk = await api.office.writes("Ines", "A person, please")
    await api.office.waits(talk)
    async with api.database.begin() as session:
        (await session.merge(api.office.people["lars"])).active = False
    for agent in ("nobody", "lars"):
        answer = await client.post(f"/conversations/{talk}/claim", json={"agent": agent})
        assert answer.status_code == 422 and answer.json()["errors"][0]["field"] == "body.agent"


async def test_what_does_not_exist_is_not_found(client: httpx.AsyncClient) -> None:
    """Every operation on a conversation that nobody has answers 404."""
    for path in ("", "/messages"):
        assert (await client.get(f"/conversations/404{path}")).status_code == 404
    for action in ("claim", "resolve", "back", "messages", "notes"):
        body = {"agent": "ana"} | ({"text": "x"} if action in ("messages", "notes") else {})
        assert (await client.post(f"/conversations/404/{action}", json=body)).status_code == 404, action
