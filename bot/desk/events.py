"""What keeps the pages live: a stream that says "look again", never "here it is"."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable

from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.requests import Request
from starlette.responses import Response

from bot.desk.auth import Session
from bot.desk.pages import MAX_ID, Desk, digest
from bot.storage import StorageError, reports, wait

log = logging.getLogger(__name__)

# Another process's changes are seen at the latest after this; with PostgreSQL its signals come at once.
POLL_SECONDS = 2.0
# Signals that come in a burst are answered together.
GAP_SECONDS = 0.1
PING_SECONDS = 20


async def _versions(desk: Desk, session: Session | None, conversation: int) -> dict[str, str] | None:
    """What each part of the page would show, as short texts; None once the user is signed out."""
    user, _ = await desk.user_of(session)
    if user is None:
        return None
    async with desk.database.read() as reading:
        versions = {"queue": digest(await reports.queue_version(reading))}
        if conversation:
            versions["conversation"] = digest(await reports.conversation_version(reading, conversation))
    return versions


async def changes(
    desk: Desk, session: Session | None, conversation: int, seen: dict[str, str]
) -> AsyncIterator[ServerSentEvent]:
    """An event for each part of the page that has changed since the page, or the last event."""
    topics = ["desk"] + ([f"conversation:{conversation}"] if conversation else [])
    with desk.database.hub.watch(*topics) as waiting:
        while True:
            try:
                versions = await _versions(desk, session, conversation)
            except StorageError as error:
                log.warning("the desk cannot look for changes: %s", error)
                versions = {}
            if versions is None:
                yield ServerSentEvent(event="signed-out", data="")
                return
            for name, version in versions.items():
                if seen.get(name) != version:
                    seen[name] = version
                    yield ServerSentEvent(event=name, data=version)
            await wait(waiting, POLL_SECONDS)
            await asyncio.sleep(GAP_SECONDS)


def handler(desk: Desk) -> Callable[[Request], Awaitable[Response]]:
    """``/desk/events``: ``queue`` and, with ``?conversation=``, ``conversation`` events.

    ``q`` and ``c`` name what the page shows already, so that a page that missed something while it
    was connecting hears of it at once. Ends by itself when the browser leaves, the server stops, or
    the user is signed out.
    """

    async def stream(request: Request) -> Response:
        session = desk.sessions.read(request)
        query = request.query_params
        asked = query.get("conversation", "")
        conversation = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 20 else 0
        seen = {"queue": query.get("q", ""), "conversation": query.get("c", "")}
        source = changes(desk, session, conversation if conversation <= MAX_ID else 0, seen)
        return EventSourceResponse(source, ping=PING_SECONDS, sep="\n")

    return stream
