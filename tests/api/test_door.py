"""Who may call the API, how often, and with what: keys, scopes, limits, hostile requests."""

from __future__ import annotations

import json
import logging
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from bot.api import PATH
from bot.config import Config, Settings
from bot.services import api_tokens
from bot.storage import Database, now
from bot.storage.models import ApiCall, ApiToken
from tests.api.conftest import BOTH, Api, api_of
from tests.api.contract import DOCUMENT


async def test_without_a_key_nothing_is_told(api: Api) -> None:
    """No key, an unknown one, another scheme: 401 with a challenge for every operation there is."""
    forged = "ldk_" + "A" * 43
    for key in ("", forged, "ldk_", "x"):
        async with api.client(key=key) as client:
            answer = await client.get("/tickets")
            assert answer.status_code == 401
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    async with api.client(key="") as client:
        basic = await client.get("/tickets", headers={"Authorization": "Basic YTpi"})
        assert basic.status_code == 401 and "linguadesk token add" in basic.json()["detail"]
        for path, operations in DOCUMENT["paths"].items():
            for method in operations:
                address = re.sub(r"\{[a-z_]+\}", "1", path)
                answer = await client.request(method, address, json={} if method != "get" else None)
                assert answer.status_code == 401, (method, address)


async def test_a_key_does_only_what_its_scopes_say(api: Api) -> None:
    """Every operation asks for exactly the scope that its description names; a key without it gets 403."""
    for path, operations in DOCUMENT["paths"].items():
        for method, operation in operations.items():
            (needed,) = operation["security"][0]["token"]
            others = [scope for scope in api_tokens.SCOPES if scope != needed]
            address = re.sub(r"\{[a-z_]+\}", "1", path)
            async with api.client(*others) as client:
                answer = await client.request(method, address, json={} if method != "get" else None)
            assert answer.status_code == 403, (method, path)
            assert needed in answer.json()["detail"] and needed in answer.headers["WWW-Authenticate"]


async def test_who_may_only_write_reads_nothing(api: Api) -> None:
    """A key without a read scope is answered with an id and an address in place of the customer's words."""
    talk = await api.office.writes("Ines", "Secret words")
    ticket = (await api.office.complains(talk, "Secret words")).id
    await api.office.waits(talk)
    async with api.client("tickets:write", "conversations:write", "customers:write") as client:
        answers = [
            await client.post(f"/tickets/{ticket}/classify", json={"agent": "ana"}),
            await client.post(f"/tickets/{ticket}/notes", json={"agent": "ana", "text": "x"}),
            await client.post(f"/conversations/{talk}/claim", json={"agent": "ana"}),
            await client.post("/customers", json={"name": "Secret words"}),
        ]
    for answer in answers:
        assert answer.is_success and set(answer.json()) == {"id", "url"}, answer.text
    assert answers[0].json() == {"id": ticket, "url": f"/api/v1/tickets/{ticket}"}


@BOTH
async def test_a_key_is_kept_as_a_digest_and_can_be_revoked(api: Api) -> None:
    """The key is nowhere in the database; its last use is; once it is revoked it opens nothing."""
    key = await api.key("tickets:read")
    async with api.client(key=key) as client:
        assert (await client.get("/tickets")).status_code == 200
        async with api.database.read() as session:
            row = (await session.scalars(select(ApiToken))).one()
        assert key not in json.dumps([row.digest, row.name, row.scopes])
        assert row.used_at is not None and now() - row.used_at < timedelta(seconds=30)
        await client.get("/tickets")
        async with api.database.read() as session:
            assert (await session.scalars(select(ApiToken.used_at))).one() == row.used_at
        async with api.database.begin() as session:
            await api_tokens.revoke(session, row.name)
        assert (await client.get("/tickets")).status_code == 401


async def test_a_key_may_call_so_often(config: Config, migrated: Database) -> None:
    """Beyond api.per_minute there is 429 with how long to wait; another key is not held up by it."""
    settings = Settings.model_validate(config.settings.model_dump() | {"api": {"per_minute": 3}})
    api = await api_of(replace(config, settings=settings), migrated)
    async with api.client() as client, api.client() as other:
        codes = [(await client.get("/tickets")).status_code for _ in range(3)]
        refused = await client.get("/tickets")
        assert codes == [200, 200, 200] and refused.status_code == 429
        assert 50 <= int(refused.headers["Retry-After"]) <= 60
        assert (await other.get("/tickets")).status_code == 200


async def test_the_api_can_be_switched_off(config: Config, migrated: Database) -> None:
    """With api.enabled: false there is nothing at its addresses."""
    settings = Settings.model_validate(config.settings.model_dump() | {"api": {"enabled": False}})
    api = await api_of(replace(config, settings=settings), migrated)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(api.office.app), base_url="http://desk.test") as client:
        for path in ("/tickets", "/openapi.json", "/docs"):
            assert (await client.get(PATH + path)).status_code == 404


async def test_bodies_that_are_too_large_are_refused(api: Api, client: httpx.AsyncClient) -> None:
    """10 MB in a field, declared or not: 413, and nothing is stored."""
    talk = await api.office.writes("Ines", "Hi")
    body = json.dumps({"agent": "ana", "text": "x" * 10_000_000}).encode()

    async def drops() -> Any:
        for start in range(0, len(body), 65_536):
            yield body[start : start + 65_536]

    headers = {"Content-Type": "application/json"}
    for content in (body, drops()):
        answer = await client.post(f"/conversations/{talk}/notes", content=content, headers=headers)
        assert answer.status_code == 413 and answer.json()["detail"]
    async with api.database.read() as session:
        assert (await session.scalars(select(ApiCall))).all() == []


HOSTILE: list[tuple[str, str, Any]] = [
    ("POST", "/customers", {"name": "x" * 201}),
    ("POST", "/customers", {"name": 5}),
    ("POST", "/customers", {"nickname": "x"}),
    ("POST", "/customers", []),
    ("POST", "/tickets/1/notes", {"agent": "ana", "text": ""}),
    ("POST", "/tickets/1/notes", {"agent": "ana", "text": "y" * 10_001}),
    ("POST", "/tickets/1/notes", {"agent": ["ana"], "text": "y"}),
    ("POST", "/tickets/1/status", {"agent": "ana", "status": "exploded"}),
    ("POST", "/tickets/-1/status", {"agent": "ana", "status": "open"}),
    ("GET", "/tickets/0", None),
    ("GET", "/tickets/99999999999999999999", None),
    ("GET", "/tickets/1;drop", None),
    ("GET", "/tickets/T-000001", None),
    ("GET", "/tickets?limit=100000", None),
    ("GET", "/tickets?colour=red", None),
    ("GET", "/tickets?created_after=yesterday", None),
    ("GET", "/tickets?created_after=0001-01-01T00:00:00%2B14:00", None),
    ("GET", "/tickets?created_after=2026-01-01T00:00:00", None),
    ("GET", "/tickets?cursor=abc", None),
    ("GET", "/tickets?cursor=%00", None),
    ("GET", "/tickets?cursor=YWZ0ZXI6OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk", None),
    ("GET", "/tickets?customer=1e9", None),
]


@BOTH
async def test_hostile_requests_are_refused_by_field(client: httpx.AsyncClient) -> None:
    """Wrong types, unknown fields, forged ids and cursors: 422 that names the field and repeats no value."""
    for method, path, body in HOSTILE:
        content = None if body is None else json.dumps(body).encode()
        answer = await client.request(method, path, content=content, headers={"Content-Type": "application/json"})
        assert answer.status_code == 422, (method, path, answer.text)
        assert answer.json()["errors"][0]["field"].split(".")[0] in ("path", "query", "body"), answer.text
        assert "yyyy" not in answer.text and "xxxx" not in answer.text


@BOTH
async def test_odd_characters_are_stored_as_every_database_can(client: httpx.AsyncClient) -> None:
    """NUL and markup in names and filters neither fail nor change."""
    made = (await client.post("/customers", json={"name": "<b>An\x00na</b>"})).json()
    assert made["name"] == "<b>An\ufffdna</b>"
    half = await client.post(
        "/customers", content=rb'{"name": "\ud800 Bo"}', headers={"Content-Type": "application/json"}
    )
    assert half.status_code == 201 and half.json()["name"].endswith(" Bo")
    for params in ({"external_ref": "a\x00b"}, {"email": "\x00@x"}, {"phone": "\x00"}, {"email": ""}):
        assert (await client.get("/customers", params=params)).json()["items"] == []
    for params in ({"channel": "\x00"}, {"team": "' OR 1=1 --"}, {"order": "\x00"}, {"agent": "\x00"}):
        assert (await client.get("/tickets", params=params)).json()["items"] == []


async def test_what_is_not_json_is_refused(client: httpx.AsyncClient) -> None:
    """Forms, text, broken JSON, deep JSON and wrong methods: a problem in words, never a 500."""
    form = await client.post("/customers", content=b"name=x", headers={"Content-Type": "text/plain"})
    assert form.status_code == 415
    broken = await client.post("/customers", content=b'{"name": ', headers={"Content-Type": "application/json"})
    assert broken.status_code == 422 and broken.json()["errors"][0]["message"] == "is not JSON"
    empty = await client.post("/customers", headers={"Content-Type": "application/json"})
    assert empty.status_code == 422
    deep = b'{"name": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    nested = await client.post("/customers", content=deep, headers={"Content-Type": "application/json"})
    assert nested.status_code == 422
    latin = await client.post("/customers", content=b'{"name": "\xe9"}', headers={"Content-Type": "application/json"})
    assert latin.status_code == 422
    wrong = await client.delete("/customers")
    assert wrong.status_code == 405 and wrong.headers["Allow"] == "GET, POST"
    assert (await client.get("/nothing")).status_code == 404


async def test_it_speaks_to_programs_only(client: httpx.AsyncClient) -> None:
    """No cookie is set and no page of another site may read an answer."""
    answer = await client.get("/tickets", headers={"Origin": "https://evil.example", "Cookie": "linguadesk_desk=x"})
    names = {name.lower() for name in answer.headers}
    assert "set-cookie" not in names and not any(name.startswith("access-control") for name in names)


async def test_a_database_that_is_gone_is_said_to_be(
    config: Config, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """503 with Retry-After where the database has no tables; the log has no key in it."""
    database = Database(f"sqlite+aiosqlite:///{tmp_path / 'empty.db'}")
    from tests.desk.office import office_of

    office = office_of(config, database)
    from bot.api import api_routes

    office.app.router.routes[:0] = api_routes(database, office.voice, config)
    with caplog.at_level(logging.DEBUG):
        async with Api(office, config).client(key="ldk_secret") as client:
            answer = await client.get("/tickets")
    await database.close()
    assert answer.status_code == 503 and answer.headers["Retry-After"] == "5"
    assert "ldk_secret" not in caplog.text


async def test_a_fault_here_tells_nobody_its_words(
    api: Api, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An unexpected exception is a 500 in plain words; its own words are neither answered nor logged."""

    async def fails(*_: Any, **__: Any) -> Any:
        raise RuntimeError("customer said: my password is hunter2")

    monkeypatch.setattr("bot.api.reading.page", fails)
    with caplog.at_level(logging.INFO):
        answer = await client.get("/tickets")
    assert answer.status_code == 500 and "log" in answer.json()["detail"]
    assert "hunter2" not in answer.text + caplog.text and "RuntimeError" in caplog.text
