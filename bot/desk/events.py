"""What keeps the pages live: a stream that says "look again", never "here it is"."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable

from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.requests import Request
from starlette.responses import Response

from bot.desk.auth import Session
from bot.desk.pages import Desk, alerts_version, digest, whole
from bot.desk.presence import version as presence_version
from bot.services import alerts, presence, teams
from bot.storage import StorageError, now, reports, talk_reports, wait
from bot.storage.models import User

log = logging.getLogger(__name__)

# Another process's changes are seen at the latest after this; with PostgreSQL its signals come at once.
POLL_SECONDS = 2.0
# Signals that come in a burst are answered together.
GAP_SECONDS = 0.1
PING_SECONDS = 20
# Parts of which only what comes after the stream's beginning is told, unless the page says what it has.
FROM_NOW_ON = frozenset({"alerts", "news"})


async def _versions(desk: Desk, user: User, conversation: int) -> dict[str, str]:
    """What each part of the page would show, as short texts."""
    mine = [team.name for team in teams.of_user(desk.config.settings, user.username)]
    async with desk.database.read() as reading:
        versions = {"queue": digest(await reports.queue_version(reading))}
        if conversation:
            versions["conversation"] = digest(await talk_reports.conversation_version(reading, conversation))
            versions["presence"] = presence_version(await talk_reports.lookers(reading, conversation, user.id))
        versions["alerts"] = alerts_version(await alerts.unseen(reading, user.id))
        versions["news"] = digest(repr(await talk_reports.marks(reading, user.id, mine)) + versions["alerts"])
    return versions


async def _be_there(desk: Desk, user: User, conversation: int) -> None:
    """Say that the user has the conversation open, as long as the stream lasts."""
    async with desk.database.read() as reading:
        until = await presence.until(reading, conversation, user.id)
    if until is None or until < now() + presence.RENEW:
        async with desk.database.begin() as session:
            await presence.touch(session, conversation, user.id)


async def changes(
    desk: Desk, session: Session | None, conversation: int, seen: dict[str, str]
) -> AsyncIterator[ServerSentEvent]:
    """An event for each part of the page that has changed since the page, or the last event."""
    topics = ["desk"] + ([f"conversation:{conversation}"] if conversation else [])
    with desk.database.hub.watch(*topics) as waiting:
        while True:
            versions: dict[str, str] = {}
            try:
                user, _ = await desk.user_of(session)
                if user is None:
                    yield ServerSentEvent(event="signed-out", data="")
                    return
                if conversation:
                    await _be_there(desk, user, conversation)
                versions = await _versions(desk, user, conversation)
            except StorageError as error:
                log.warning("the desk cannot look for changes: %s", error)
            for name, version in versions.items():
                known = seen.get(name)
                seen[name] = version
                if known != version and (known is not None or name not in FROM_NOW_ON):
                    yield ServerSentEvent(event=name, data=version)
            await wait(waiting, POLL_SECONDS)
            await asyncio.sleep(GAP_SECONDS)


def handler(desk: Desk) -> Callable[[Request], Awaitable[Response]]:
    """``/desk/events``: ``queue``, ``alerts`` and ``news`` events; with ``?conversation=`` also
    ``conversation`` and ``presence``, and others see that its reader has it open.

    ``q``, ``c``, ``p`` and ``a`` name what the page shows already, so that a page that missed something while it
    was connecting hears of it at once. Ends by itself when the browser leaves, the server stops, or
    the user is signed out.
    """

    async def stream(request: Request) -> Response:
        session = desk.sessions.read(request)
        query = request.query_params
        conversation = whole(query.get("conversation", "")) or 0
        seen = {"queue": query.get("q", ""), "conversation": query.get("c", "")}
        seen["presence"] = query.get("p", presence_version([]))
        if "a" in query:
            seen["alerts"] = query["a"]
        source = changes(desk, session, conversation, seen)
        return EventSourceResponse(source, ping=PING_SECONDS, sep="\n")

    return stream
