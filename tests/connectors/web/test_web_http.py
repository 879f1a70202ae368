"""The web chat through its HTTP door."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest
from itsdangerous import URLSafeTimedSerializer
from starlette.applications import Starlette

from bot.config import Config, ConfigError
from bot.contracts import Attachment, Author, Media, OutButton, Owner
from bot.services.privacy import erase
from bot.storage import Database
from bot.storage.models import Conversation, Inbox, InboxStatus
from bot.texts import catalogue_path, read_catalogue
from connectors.web import links
from tests.connectors.site import Site, changed, served, site

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 64
PDF = b"%PDF-1.7\n" + b"\0" * 64


@pytest.fixture
async def web(config: Config) -> AsyncIterator[Site]:
    """The chat with its default settings."""
    async with site("web", changed(config, "web", {}, {})) as running:
        yield running


@asynccontextmanager
async def visitor(web: Site, language: str = "en") -> AsyncIterator[httpx.AsyncClient]:
    """A browser that has opened the chat page."""
    headers = {"Origin": web.url, "Accept-Language": language}
    async with httpx.AsyncClient(base_url=web.url, headers=headers, timeout=10) as client:
        assert (await client.get("/chat")).status_code == 200
        yield client


async def send(client: httpx.AsyncClient, text: str, message_id: str = "", **more: str) -> httpx.Response:
    """Post a message."""
    return await client.post("/chat/messages", json={"id": message_id or str(uuid.uuid4()), "text": text} | more)


async def listen(
    client: httpx.AsyncClient, until: int, after: int | None = None, header: bool = False, kinds: str = "message"
) -> list[dict[str, Any]]:
    """The first ``until`` events of these kinds from the stream, which is then cut."""
    params = {"after": str(after)} if after is not None and not header else {}
    headers = {"Last-Event-ID": str(after)} if after is not None and header else {}
    found: list[dict[str, Any]] = []
    async with asyncio.timeout(20), client.stream("GET", "/chat/events", params=params, headers=headers) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        kind, event_id = "", ""
        async for line in stream.aiter_lines():
            name, _, value = line.partition(": ")
            if name == "event":
                kind = value
            elif name == "id":
                event_id = value
            elif name == "data" and kind in kinds.split():
                data = json.loads(value)
                if kind == "message":
                    assert event_id == str(data["id"])
                found.append(data)
                if len(found) == until:
                    break
    return found


def texts(events: list[dict[str, Any]]) -> list[str]:
    """The texts of events."""
    return [event["text"] for event in events]


# ------------------------------------------------------------------------------ the page


async def test_the_page_is_strict_and_translated(web: Site) -> None:
    """The page forbids everything it does not need, is not kept, and speaks the browser's language."""
    async with httpx.AsyncClient(base_url=web.url) as client:
        for wanted, language, word in (
            ("pl;q=0.9, es-MX;q=0.8, en;q=0.1", "es", "Escribe un mensaje"),
            ("zh-CN", "zh-Hans", "输入消息"),
            ("pl", "en", "Write a message"),
            ("*;q=x, !!", "en", "Write a message"),
        ):
            page = await client.get("/chat", headers={"Accept-Language": wanted})
            assert f'<html lang="{language}" dir="ltr">' in page.text and word in page.text
        chosen = await client.get("/chat?lang=zh-Hans&embedded=1", headers={"Accept-Language": "es"})
        assert 'lang="zh-Hans"' in chosen.text and 'class="embedded"' in chosen.text
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    assert "frame-ancestors 'self'" in policy.split("; ")
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["x-content-type-options"] == "nosniff"
    assert "Northwind &amp; Lotus" in page.text


async def test_the_shops_name_is_no_markup(config: Config) -> None:
    """A name with markup in it cannot break out of the page, nor out of the data block."""
    shop = config.settings.shop.model_copy(update={"name": "</script><b>Ö&"})
    own = changed(config, "web", {}, {})
    own = type(own)(own.home, own.data_dir, own.settings.model_copy(update={"shop": shop}), own.env)
    async with site("web", own) as there, httpx.AsyncClient(base_url=there.url) as client:
        page = (await client.get("/chat")).text
        button = (await client.get("/widget.js")).text
    assert "</script><b>" not in page and "<b>" not in page
    assert "<b>" not in button


async def test_the_button_and_who_may_show_the_chat(config: Config) -> None:
    """The script speaks the browser's language; only the named sites may frame the page, over https only."""
    options = {"embed_origins": ["https://shop.example.com", "https://*.example.org"]}
    own = changed(config, "web", options, {"public_url": "https://desk.example.com"})
    async with site("web", own) as there, httpx.AsyncClient(base_url=there.url) as client:
        page = await client.get("/chat?embedded=1")
        script = await client.get("/widget.js", headers={"Accept-Language": "es"})
    assert page.headers["content-security-policy"].endswith(
        "frame-ancestors 'self' https://shop.example.com https://*.example.org"
    )
    cookie = page.headers["set-cookie"]
    assert "HttpOnly; Secure; SameSite=None; Partitioned" in cookie
    assert script.headers["content-type"].startswith("text/javascript")
    assert '"open": "Abrir el chat"' in script.text and "__WORDS__" not in script.text


@pytest.mark.parametrize(
    ("url", "flags"),
    [("", "HttpOnly; SameSite=Lax"), ("https://desk.example.com", "HttpOnly; Secure; SameSite=Lax")],
)
async def test_the_cookie_stays_at_home(config: Config, url: str, flags: str) -> None:
    """Without embedding the cookie is first-party; it is Secure as soon as the site is."""
    own = changed(config, "web", {}, {"public_url": url})
    async with site("web", own) as there, httpx.AsyncClient(base_url=there.url) as client:
        cookie = (await client.get("/chat")).headers["set-cookie"]
    assert cookie.endswith(f"; {flags}") and "Path=/chat;" in cookie


@pytest.mark.parametrize("origin", ["shop.example.com", "https://shop.example.com/", "https://a; script-src *", "*"])
async def test_an_origin_that_is_none_is_refused(config: Config, origin: str) -> None:
    """What is no origin never reaches the policy: it is an error that names the setting."""
    with pytest.raises(ConfigError, match=r"connectors\.web\.embed_origins"):
        async with site("web", changed(config, "web", {"embed_origins": [origin]}, {})):
            pass


async def test_every_language_has_every_word(config: Config) -> None:
    """The catalogues have the same keys and placeholders, none of them empty."""
    source = read_catalogue(catalogue_path("en", "chat"), "en")
    english = {str(message.id): str(message.string) for message in source if message.id}
    folder = config.home / "connectors" / "web"
    page = "".join(path.read_text() for path in [*folder.glob("templates/*.html"), *folder.glob("static/*.js")])
    for language in config.settings.languages:
        catalogue = read_catalogue(catalogue_path(language, "chat"), language)
        words = {str(message.id): str(message.string) for message in catalogue if message.id}
        assert words.keys() == english.keys()
        for key, word in words.items():
            assert word, (language, key)
            assert ("{shop}" in word) == ("{shop}" in english[key])
    for key in english:
        used = f"words.{key}" in page or key.startswith("owner_") or f'"{key}"' in page or key in ("open", "frame")
        assert used or key in ("sending", "sent", "waiting"), f"{key} is not used"


# ------------------------------------------------------------------------------ sessions


async def test_a_forged_cookie_opens_nothing(web: Site) -> None:
    """Changing the cookie, signing it with another key, or having none gives no session."""
    async with visitor(web) as client:
        await send(client, "mine")
        cookie = client.cookies["linguadesk_chat"]
        value, signature = cookie.split(".", 1)
        other = URLSafeTimedSerializer("another key altogether", salt="linguadesk.web-chat").dumps("x")
        for forged in (
            value[:-1] + ("A" if value[-1] != "A" else "B") + "." + signature,
            cookie[:-2],
            str(other),
            "x",
            "",
        ):
            async with httpx.AsyncClient(base_url=web.url, cookies={"linguadesk_chat": forged}) as thief:
                assert (await send(thief, "hi")).status_code == 401
                assert (await thief.get("/chat/events")).status_code == 401
                fresh = await thief.get("/chat")
                assert "linguadesk_chat=" in fresh.headers["set-cookie"]
                assert fresh.headers["set-cookie"].split("=")[1].split(".")[0] != value
    assert await web.count(Inbox) == 1


async def test_the_session_survives_a_visit(web: Site) -> None:
    """Opening the page again keeps the chat."""
    async with visitor(web) as client:
        await send(client, "first")
        row = await web.handle()
        await client.get("/chat")
        await send(client, "second")
        assert (await web.handle()).conversation_id == row.conversation_id


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Origin": "SELF"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 201),
        ({"Origin": "SELF"}, 201),
        ({}, 201),
    ],
)
async def test_other_sites_cannot_write(web: Site, headers: dict[str, str], status: int) -> None:
    """A message that another site's page sends with the customer's cookie is refused."""
    async with visitor(web) as client:
        del client.headers["origin"]
        given = {name: web.url if value == "SELF" else value for name, value in headers.items()}
        body = {"id": str(uuid.uuid4()), "text": "hi"}
        assert (await client.post("/chat/messages", json=body, headers=given)).status_code == status
        form = {"data": {"id": str(uuid.uuid4())}, "files": {"file": ("a.png", PNG, "image/png")}}
        expected = status if headers else 403
        assert (await client.post("/chat/files", headers=given, **form)).status_code == expected  # type: ignore[arg-type]


async def test_plain_forms_are_refused(web: Site) -> None:
    """A form of any page can send text/plain; only JSON is read."""
    async with visitor(web) as client:
        body = json.dumps({"id": str(uuid.uuid4()), "text": "hi"})
        response = await client.post("/chat/messages", content=body, headers={"Content-Type": "text/plain"})
        assert response.status_code == 415
    assert await web.count(Inbox) == 0


# ------------------------------------------------------------------------------ messages in


async def test_a_message_is_stored_with_what_the_page_knows(web: Site) -> None:
    """Text, payload, language and session arrive; the answer comes only after the commit."""
    async with visitor(web, "pl, es-AR;q=0.9") as client:
        assert (await send(client, "Sí", payload="/affirm")).status_code == 201
        row = await web.next_event()
    event = row.event
    assert (event["text"], event["payload"], event["locale"]) == ("Sí", "/affirm", "es-AR")
    assert event["address"]["channel"] == "web" and event["address"]["chat"] == event["address"]["user"]
    assert len(event["address"]["chat"]) >= 32


async def test_a_repeated_message_is_one(web: Site) -> None:
    """The same id of the same session is one message; another session may use the same id."""
    message_id = str(uuid.uuid4())
    async with visitor(web) as one, visitor(web) as two:
        assert (await send(one, "hi", message_id)).status_code == 201
        assert (await send(one, "hi", message_id)).status_code == 200
        assert (await send(two, "hi", message_id)).status_code == 201
    assert await web.count(Inbox) == 2


async def test_bad_messages_are_refused(web: Site) -> None:
    """What cannot be used is refused with a code, and nothing is stored."""
    good = str(uuid.uuid4())
    cases: list[tuple[Any, int, str]] = [
        ([], 400, "bad_body"),
        ({"text": "hi"}, 400, "bad_id"),
        ({"id": "short", "text": "hi"}, 400, "bad_id"),
        ({"id": "has:colon-in-it", "text": "hi"}, 400, "bad_id"),
        ({"id": good}, 400, "empty"),
        ({"id": good, "text": "  \n "}, 400, "empty"),
        ({"id": good, "text": 5}, 400, "bad_body"),
        ({"id": good, "text": "x" * 4001}, 413, "too_long"),
        ({"id": good, "text": "hi", "payload": "/" + "x" * 1000}, 413, "too_long"),
        ({"id": good, "text": "x" * 70_000}, 413, "too_large"),
    ]
    async with visitor(web) as client:
        for body, status, code in cases:
            response = await client.post("/chat/messages", json=body)
            assert (response.status_code, response.json()["error"]) == (status, code)
        assert (
            await client.post("/chat/messages", content=b"{", headers={"Content-Type": "application/json"})
        ).status_code == 400
    assert await web.count(Inbox) == 0


async def test_a_flood_is_slowed(web: Site) -> None:
    """One chat cannot fill the inbox: after a minute's worth the sender is told when to go on."""
    async with visitor(web) as client:
        answers = [await send(client, "spam") for _ in range(61)]
        assert [answer.status_code for answer in answers] == [201] * 60 + [429]
        assert 0 < int(answers[-1].headers["retry-after"]) <= 61
    async with visitor(web) as other:
        assert (await send(other, "hi")).status_code == 201


async def test_a_stopped_chat_takes_nothing(web: Site) -> None:
    """While the program stops a message is refused, so the page keeps it and sends it again."""
    async with visitor(web) as client:
        await web.connector.stop()
        response = await send(client, "hi")
        assert response.status_code == 503 and "retry-after" in response.headers


# ------------------------------------------------------------------------------ events out


async def test_a_lost_connection_goes_on_where_it_was(web: Site) -> None:
    """Whichever way the browser says where it was, it gets the rest: nothing lost, nothing twice."""
    async with visitor(web) as client:
        message_id = str(uuid.uuid4())
        await send(client, "hi", message_id)
        row = await web.handle("one", "two")
        first = await listen(client, 2)
        assert texts(first) == ["hi", "one"] and first[0]["client_id"] == message_id
        await web.say(row.conversation_id, "three", "four")
        rest = await listen(client, 2, after=first[-1]["id"], header=True)
        assert texts(rest) == ["two", "three"]
        last = await listen(client, 1, after=rest[-1]["id"])
        assert texts(last) == ["four"] and last[0]["author"] == "agent"


async def test_messages_arrive_while_one_listens(web: Site) -> None:
    """A stream opened before the first message tells the message, its answer and what follows."""
    async with visitor(web) as client, visitor(web) as same:
        same.cookies = client.cookies
        listening = asyncio.create_task(listen(same, 3))
        await asyncio.sleep(0.1)
        await send(client, "hi")
        row = await web.handle("hello")
        await web.say(row.conversation_id, "and more")
        assert texts(await listening) == ["hi", "hello", "and more"]


async def test_rows_of_another_process_arrive(web: Site) -> None:
    """What another process commits is found without its signal."""
    async with visitor(web) as client:
        await send(client, "hi")
        row = await web.handle()
        listening = asyncio.create_task(listen(client, 2))
        await asyncio.sleep(0.1)
        elsewhere = Database(web.config.database_url)
        other = Site(web.url, elsewhere, web.connector, web.config)
        await other.say(row.conversation_id, "from another process")
        await elsewhere.close()
        assert texts(await listening) == ["hi", "from another process"]


async def test_the_stream_on_both_databases(any_database_url: str, config: Config) -> None:
    """Messages in and events out work on SQLite and on PostgreSQL alike."""
    own = changed(config, "web", {}, {}, LINGUADESK_DATABASE_URL=any_database_url)
    async with site("web", own) as web, visitor(web) as client:
        listening = asyncio.create_task(listen(client, 3))
        await send(client, "hi")
        await web.handle("one", "two")
        first = await listening
        assert texts(first) == ["hi", "one", "two"]
        assert texts(await listen(client, 1, after=first[1]["id"])) == ["two"]


async def test_what_was_erased_is_not_shown(web: Site) -> None:
    """After the customer's data is deleted, a fresh page shows nothing from before."""
    async with visitor(web) as client:
        await send(client, "my secret")
        row = await web.handle("noted")
        async with web.database.begin() as session:
            conversation = await session.get_one(Conversation, row.conversation_id)
            await erase(session, conversation, web.config.files_dir)
        await web.say(row.conversation_id, "All deleted.")
        assert texts(await listen(client, 1)) == ["All deleted."]


async def test_a_fresh_page_gets_the_last_fifty_and_what_is_open(web: Site) -> None:
    """History is bounded, both sides are in it, and what nobody has handled yet is there too."""
    async with visitor(web) as client:
        await send(client, "hi")
        row = await web.handle(*(f"line {number}" for number in range(60)))
        await send(client, "not handled yet", "waiting-0001")
        events = await listen(client, 51, kinds="message pending")
        assert texts(events) == [*(f"line {number}" for number in range(10, 60)), "not handled yet"]
        assert events[-1]["client_id"] == "waiting-0001" and "id" not in events[-1]
        assert (await web.next_event()).status is InboxStatus.PENDING
        await web.say(row.conversation_id, "x")


async def test_what_a_message_carries(web: Site) -> None:
    """Buttons, author, language and who has the conversation are told."""
    async with visitor(web) as client:
        await send(client, "hi")
        row = await web.handle("Choose", buttons=(("Yes", "/affirm"), ("No", "/deny")), language="es")
        await web.say(row.conversation_id, "Rate us", author=Author.SURVEY, quick_replies=(OutButton("5", "/r5"),))
        _, choose, rate = await listen(client, 3)
        assert choose["buttons"] == [{"title": "Yes", "payload": "/affirm"}, {"title": "No", "payload": "/deny"}]
        assert (choose["author"], choose["language"], rate["author"]) == ("bot", "es", "survey")
        assert rate["buttons"] == [{"title": "5", "payload": "/r5"}]
        await web.give_to(row.conversation_id, Owner.PERSON)
        assert await listen(client, 1, kinds="owner") == [{"owner": "person"}]


async def test_two_visitors_do_not_see_each_other(web: Site) -> None:
    """A session's stream tells its own conversation alone, whatever place it asks for."""
    async with visitor(web) as anna, visitor(web) as ben:
        await send(anna, "anna's secret")
        await web.handle("to anna")
        await send(ben, "ben's secret")
        await web.handle("to ben")
        assert texts(await listen(anna, 2, after=0)) == ["anna's secret", "to anna"]
        assert texts(await listen(ben, 2, after=0)) == ["ben's secret", "to ben"]


async def test_streams_end_when_the_program_stops(web: Site) -> None:
    """An open stream does not keep the program from stopping."""
    async with visitor(web) as client, client.stream("GET", "/chat/events") as stream:
        lines = stream.aiter_lines()
        await anext(lines)
        await web.connector.stop()
        async with asyncio.timeout(10):
            async for _ in lines:
                pass


async def test_streams_end_when_the_server_stops(web: Site) -> None:
    """A server that is asked to stop ends its streams properly, and soon."""
    async with visitor(web) as client:
        async with served(Starlette(routes=web.connector.routes())) as other:
            cookie = {"Cookie": f"linguadesk_chat={client.cookies['linguadesk_chat']}"}
            request = client.build_request("GET", f"{other}/chat/events", headers=cookie)
            stream = await client.send(request, stream=True)
            parts = stream.aiter_raw()
            assert b"event: ready" in await anext(parts)
        async with asyncio.timeout(10):
            assert [part async for part in parts] == []
        await stream.aclose()


# ------------------------------------------------------------------------------ files


async def upload(client: httpx.AsyncClient, name: str, data: bytes, mime: str, message_id: str = "") -> httpx.Response:
    """Post a file."""
    fields = {"id": message_id or str(uuid.uuid4())}
    return await client.post("/chat/files", data=fields, files={"file": (name, data, mime)})


async def test_a_file_is_stored_once_and_shown_again(web: Site) -> None:
    """An upload becomes an attachment whose bytes are here; its sender, and nobody else, can see it."""
    async with visitor(web) as client, visitor(web) as stranger:
        message_id = str(uuid.uuid4())
        assert (await upload(client, "../../Ünïcode photo.PNG", PNG, "image/png", message_id)).status_code == 201
        assert (await upload(client, "photo.png", PNG, "image/png", message_id)).status_code == 200
        [pending] = await listen(client, 1, kinds="pending")
        row = await web.handle("Thanks")
        [attachment] = row.event["attachments"]
        assert (attachment["kind"], attachment["name"], attachment["size"]) == ("image", "Ünïcode photo.png", len(PNG))
        stored = list(web.config.files_dir.rglob("*.png"))
        assert len(stored) == 1 and attachment["ref"] == f"file:attachments/{stored[0].name}"
        [shown, _] = await listen(client, 2)
        for event in (pending, shown):
            [file] = event["files"]
            response = await client.get(file["url"])
            assert response.content == PNG and response.headers["content-type"] == "image/png"
            assert response.headers["content-disposition"].startswith("attachment")
            assert response.headers["x-content-type-options"] == "nosniff"
            assert (await stranger.get(file["url"])).status_code == 404
    fetched = await web.connector.fetch(Attachment(**attachment))
    assert fetched == PNG


@pytest.mark.parametrize(
    ("name", "data", "mime", "status", "code"),
    [
        ("a.png", b"<html><script>alert(1)</script>", "image/png", 415, "bad_type"),
        ("a.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml", 415, "bad_type"),
        ("a.pdf", PNG, "application/pdf", 415, "bad_type"),
        ("a.png", PDF, "image/png", 415, "bad_type"),
        ("a.exe", b"MZ" + b"\0" * 100, "application/octet-stream", 415, "bad_type"),
        ("a.png", b"", "image/png", 400, "empty"),
        ("a.png", PNG + b"\0" * (10 * 1024 * 1024), "image/png", 413, "too_large"),
        ("a.png", PNG + b"\0" * (11 * 1024 * 1024), "image/png", 413, "too_large"),
    ],
)
async def test_files_that_lie_or_are_too_large(
    web: Site, name: str, data: bytes, mime: str, status: int, code: str
) -> None:
    """A file must be what it says, be of a known type, and be of a bearable size; else nothing is kept."""
    async with visitor(web) as client:
        response = await upload(client, name, data, mime)
        assert (response.status_code, response.json()["error"]) == (status, code)
    assert await web.count(Inbox) == 0
    assert not list(web.config.files_dir.rglob("*"))


async def test_a_type_left_out_is_found_out(web: Site) -> None:
    """A file without a declared type is what its bytes prove, and is named accordingly."""
    async with visitor(web) as client:
        assert (await upload(client, "scan", PDF, "application/octet-stream")).status_code == 201
        [attachment] = (await web.next_event()).event["attachments"]
    assert (attachment["kind"], attachment["mime"], attachment["name"]) == ("document", "application/pdf", "scan.pdf")


async def test_broken_uploads_are_explained(web: Site) -> None:
    """A body that is no form, lacks a field or holds two files is refused."""
    async with visitor(web) as client:
        assert (await client.post("/chat/files", json={})).status_code == 415
        kind = {"Content-Type": "multipart/form-data"}
        assert (await client.post("/chat/files", content=b"x", headers=kind)).status_code == 400
        kind = {"Content-Type": "multipart/form-data; boundary=b"}
        assert (await client.post("/chat/files", content=b"--b\r\nbroken", headers=kind)).status_code == 400
        assert (await client.post("/chat/files", data={"id": "x" * 10}, files={"other": b"x"})).status_code == 400
        two = [("file", ("a.png", PNG)), ("file", ("b.png", PNG))]
        assert (await client.post("/chat/files", data={"id": "x" * 10}, files=two)).status_code == 400
    assert await web.count(Inbox) == 0


async def test_an_export_is_a_link_that_expires(web: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file we send is a link for this session; it dies with time, and no link leads out of the folder."""
    target = web.config.files_dir / "exports" / "x.json"
    target.parent.mkdir(parents=True)
    target.write_text("{}")
    secret = web.config.data_dir / "secret_key"
    async with visitor(web) as client:
        await send(client, "my data")
        await web.handle("Here", media=(Media("exports/x.json", "my-data.json", "application/json"),))
        [_, shown] = await listen(client, 2)
        [file] = shown["files"]
        assert file["name"] == "my-data.json" and (await client.get(file["url"])).text == "{}"
        escape = Media("../secret_key", "k", "text/plain")
        session = URLSafeTimedSerializer(web.config.secret_key(), salt="linguadesk.web-chat").loads(
            client.cookies["linguadesk_chat"]
        )
        forged = links.FileLinks(web.config.secret_key(), web.config.files_dir).token(escape, session)
        assert secret.exists() and (await client.get(f"/chat/files/{forged}")).status_code == 404
        monkeypatch.setattr(links, "VALID_SECONDS", -1)
        assert (await client.get(file["url"])).status_code == 404
        monkeypatch.setattr(links, "VALID_SECONDS", int(timedelta(days=1).total_seconds()))
        target.unlink()
        assert (await client.get(file["url"])).status_code == 404
