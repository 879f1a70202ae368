"""Live pages: changes are told at once, nothing is missed, and no stream outlives its reader."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import httpx
import pytest
import uvicorn

from bot.desk import events
from bot.desk.auth import COOKIE
from bot.services import alerts
from bot.storage import Database
from bot.storage.models import User
from tests.desk.office import Office, office_of
from tests.fakes.serving import serving


class Stream:
    """An open event stream."""

    def __init__(self, response: httpx.Response) -> None:
        self._lines = response.aiter_lines()

    async def next(self, timeout: float = 20) -> str | None:
        """The name of the next event; None at the end of the stream."""
        async with asyncio.timeout(timeout):
            async for line in self._lines:
                if line.startswith("event:"):
                    return line.removeprefix("event:").strip()
        return None


@contextlib.asynccontextmanager
async def listening(url: str, cookie: str, query: str = "") -> AsyncIterator[Stream]:
    """A stream of ``/desk/events`` with what the page shows already."""
    async with (
        httpx.AsyncClient(cookies={COOKIE: cookie}) as client,
        client.stream("GET", f"{url}/desk/events{query}") as response,
    ):
        assert response.headers["content-type"].startswith("text/event-stream")
        yield Stream(response)


async def cookie_of(office: Office, username: str) -> str:
    """The session cookie of someone who signed in."""
    async with office.signed_in(username) as client:
        return client.cookies[COOKIE]


async def test_a_change_is_told_at_once(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal of the database wakes the stream long before it would look by itself."""
    monkeypatch.setattr(events, "POLL_SECONDS", 60)
    cookie = await cookie_of(office, "ana")
    talk = await office.writes("Tom", "hello")
    async with serving(office.app) as url, listening(url, cookie, f"?conversation={talk}") as stream:
        assert {await stream.next(), await stream.next()} == {"queue", "conversation"}
        await office.writes("Tom", "are you there?")
        assert await stream.next() == "conversation"
        await office.waits(talk)
        assert {await stream.next(), await stream.next()} == {"queue", "conversation"}


async def test_a_change_by_another_process_is_seen(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """What another process writes into the same database reaches the page without a signal."""
    monkeypatch.setattr(events, "POLL_SECONDS", 0.1)
    cookie = await cookie_of(office, "ana")
    other = office_of(office.config, Database(office.config.database_url))
    async with serving(office.app) as url, listening(url, cookie) as stream:
        assert await stream.next() == "queue"
        talk = await other.writes("Tom", "hello")
        await other.waits(talk)
        assert await stream.next() == "queue"
    await other.database.close()


async def test_what_happened_before_the_stream_opened_is_not_missed(office: Office) -> None:
    """A page names what it shows; a stream that finds something newer says so at once, else it is silent."""
    talk = await office.writes("Tom", "hello")
    cookie = await cookie_of(office, "ana")
    async with office.signed_in("ana") as client:
        page = (await client.get(f"/desk/conversations/{talk}")).text
    query = page.split('sse-connect="/desk/events')[1].split('"')[0].replace("&amp;", "&")
    async with serving(office.app) as url:
        async with listening(url, cookie, query) as stream:
            with pytest.raises(TimeoutError):
                await stream.next(0.5)
        await office.writes("Tom", "one more thing")
        async with listening(url, cookie, query) as stream:
            assert await stream.next() == "conversation"


async def test_the_stream_tells_a_signed_out_user_and_ends(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a stranger nor someone whose session was ended goes on listening."""
    monkeypatch.setattr(events, "POLL_SECONDS", 0.1)
    cookie = await cookie_of(office, "ana")
    async with serving(office.app) as url:
        async with listening(url, "forged") as stream:
            assert await stream.next() == "signed-out"
            assert await stream.next() is None
        async with listening(url, cookie) as stream:
            assert await stream.next() == "queue"
            async with office.database.begin() as session:
                (await session.get_one(User, office.people["ana"].id)).session_version += 1
            assert await stream.next() == "signed-out"
            assert await stream.next() is None


async def test_a_stream_ends_when_its_reader_leaves(office: Office) -> None:
    """Nobody watches the database for a page that is closed."""
    cookie = await cookie_of(office, "ana")
    hub = office.database.hub
    async with serving(office.app) as url:
        async with listening(url, cookie, "?conversation=1") as stream:
            await stream.next()
            assert hub._events
        async with asyncio.timeout(20):
            while hub._events:
                await asyncio.sleep(0.02)


async def test_an_open_stream_does_not_hold_up_the_end_of_the_server(office: Office) -> None:
    """A server that is asked to stop does so within seconds, though a desk is open."""
    cookie = await cookie_of(office, "ana")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(office.app, lifespan="off", ws="none", log_config=None, access_log=False)
        server = uvicorn.Server(config)
        running = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started:
            await asyncio.sleep(0.01)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        async with listening(url, cookie) as stream:
            await stream.next()
            server.should_exit = True
            async with asyncio.timeout(20):
                with contextlib.suppress(httpx.RemoteProtocolError):
                    assert await stream.next() is None
                await running


async def test_an_alert_between_page_and_stream_is_not_lost(office: Office) -> None:
    """The page says which alerts it shows: one that came while it was connecting is told at once."""
    cookie = await cookie_of(office, "ana")
    async with office.signed_in("ana") as client:
        page = (await client.get("/desk/tickets")).text
    query = page.split('sse-connect="/desk/events')[1].split('"')[0].replace("&amp;", "&")
    async with office.database.begin() as session:
        await alerts.tell(session, [office.people["ana"].id], "alert.plain", {}, "/desk/tickets/1")
    async with serving(office.app) as url, listening(url, cookie, query) as stream:
        assert {await stream.next(), await stream.next()} == {"queue", "alerts"}
