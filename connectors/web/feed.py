"""What a browser is told: the transcript from a place on, for as long as it listens.

The place is the id of a row of ``messages``. It counts both directions, so one number is enough to
go on after a lost connection with nothing lost and nothing twice; the rows themselves are what is
committed, whichever process wrote them.
"""

from __future__ import annotations

import contextlib
import json
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sse_starlette import ServerSentEvent

from bot.contracts import Media, Owner
from bot.outbox import outgoing
from bot.services.privacy import ERASED
from bot.storage import Database, StorageError, wait
from bot.storage.models import Conversation, FileStatus, Inbox, InboxStatus, Message, Outbox, StoredFile
from connectors.web.convert import CHANNEL, Link, address, customer_payload, to_payload

log = logging.getLogger(__name__)

POLL_SECONDS = 1.0
HISTORY = 50
BATCH = 200
RETRY_MILLISECONDS = 2000
# Signalled when the streams are to end.
STOP = "web:stop"


def wake_topic(session: str) -> str:
    """Signalled when a session's message is stored: its conversation may only now exist."""
    return f"web:{session}"


async def conversation_of(reading: AsyncSession, session: str) -> int | None:
    """The id of a session's conversation; None before its first message."""
    where = (Conversation.channel == CHANNEL, Conversation.address_key == address(session).key)
    found: int | None = await reading.scalar(select(Conversation.id).where(*where))
    return found


class Feed:
    """One browser's stream of events.

    ``message`` (with its id) is a message of either side; ``pending`` one of the customer's that is
    stored and not yet handled, told once; ``ready`` says that everything up to now was told;
    ``owner`` who has the conversation.

    Args:
        database: where the transcript is.
        session: whose.
        after: the last id the browser has; None for one that has nothing yet and gets the last
            messages first.
        link: makes links to files.
        stopping: whether the program stops; the stream then ends by itself.
    """

    def __init__(
        self, database: Database, session: str, after: int | None, link: Link, stopping: Callable[[], bool]
    ) -> None:
        self._database = database
        self._session = session
        self._after = after
        self._link = link
        self._stopping = stopping
        self._conversation: int | None = None
        self._owner: Owner | None = None
        self._told_pending = False

    async def events(self) -> AsyncIterator[ServerSentEvent]:
        """All events from here on; ends when the program stops."""
        ready = False
        with contextlib.ExitStack() as watches:
            waiting = watches.enter_context(self._database.hub.watch(wake_topic(self._session), STOP))
            while not self._stopping():
                try:
                    if await self._find():
                        topics = (wake_topic(self._session), f"conversation:{self._conversation}", STOP)
                        waiting = watches.enter_context(self._database.hub.watch(*topics))
                    found = await self._new()
                except StorageError as error:
                    log.error("a chat's stream pauses: %s", error)
                else:
                    for event in found:
                        yield event
                    if not ready:
                        yield _event("ready", {}, retry=RETRY_MILLISECONDS)
                        ready = True
                    if len(found) >= BATCH:
                        continue
                await wait(waiting, POLL_SECONDS)

    async def _find(self) -> bool:
        """Look for the conversation while it is unknown; whether it has just been found."""
        if self._conversation is not None:
            return False
        async with self._database.read() as reading:
            self._conversation = await conversation_of(reading, self._session)
        return self._conversation is not None

    async def _new(self) -> list[ServerSentEvent]:
        """What has been committed since the last look."""
        if self._conversation is None:
            return []
        events = []
        async with self._database.read() as reading:
            owner = await reading.scalar(select(Conversation.owner).where(Conversation.id == self._conversation))
            if owner is not self._owner and owner is not None:
                self._owner = owner
                events.append(_event("owner", {"owner": owner.value}))
            messages = await self._messages(reading)
            for message_id, shown in messages:
                events.append(_event("message", {"id": message_id} | shown, id=str(message_id)))
            if not self._told_pending:
                events += [_event("pending", shown) for shown in await self._pending(reading)]
        self._told_pending = True
        if messages:
            self._after = messages[-1][0]
        elif self._after is None:
            self._after = 0
        return events

    async def _messages(self, reading: AsyncSession) -> list[tuple[int, dict[str, Any]]]:
        query = (
            select(Message, Outbox, Inbox.event)
            .outerjoin(Outbox, Outbox.id == Message.outbox_id)
            .outerjoin(Inbox, Inbox.id == Message.inbox_id)
            .where(Message.conversation_id == self._conversation, Message.text != ERASED)
        )
        if self._after is None:
            rows = list((await reading.execute(query.order_by(Message.id.desc()).limit(HISTORY))).all())[::-1]
        else:
            later = query.where(Message.id > self._after).order_by(Message.id).limit(BATCH)
            rows = list((await reading.execute(later)).all())
        files = await _files(reading, [message.id for message, _out, event in rows if event is not None])
        return [(message.id, self._shown(message, out, event, files[message.id])) for message, out, event in rows]

    def _shown(self, message: Message, out: Outbox | None, event: Any, files: list[Media]) -> dict[str, Any]:
        if out is not None:
            shown = to_payload(outgoing(out, address(self._session)), self._link)
        else:
            shown = customer_payload(event or {}, message.text, files, self._link, self._session)
        return shown | {"at": message.created_at.isoformat(timespec="seconds")}

    async def _pending(self, reading: AsyncSession) -> list[dict[str, Any]]:
        """What the customer has sent and nobody has handled yet, so that a reload shows it too."""
        rows = await reading.execute(
            select(Inbox.event, Inbox.received_at)
            .where(Inbox.conversation_id == self._conversation, Inbox.status == InboxStatus.PENDING)
            .order_by(Inbox.id)
        )
        return [
            customer_payload(event, event["text"], _attached(event), self._link, self._session)
            | {"at": received_at.isoformat(timespec="seconds")}
            for event, received_at in rows
        ]


def _attached(event: dict[str, Any]) -> list[Media]:
    return [Media(item["ref"].removeprefix("file:"), item["name"], item["mime"]) for item in event["attachments"]]


async def _files(reading: AsyncSession, message_ids: Sequence[int]) -> defaultdict[int, list[Media]]:
    """The stored files of the customer's messages."""
    files: defaultdict[int, list[Media]] = defaultdict(list)
    if message_ids:
        stored = StoredFile.message_id.in_(message_ids), StoredFile.status == FileStatus.STORED
        for row in await reading.scalars(select(StoredFile).where(*stored).order_by(StoredFile.id)):
            if row.message_id is not None:
                files[row.message_id].append(Media(row.path, row.name, row.mime))
    return files


def _event(kind: str, data: Any, **options: Any) -> ServerSentEvent:
    return ServerSentEvent(json.dumps(data, ensure_ascii=False), event=kind, **options)
