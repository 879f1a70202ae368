"""The inbox: events are committed here before a platform is told that they arrived."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from sqlalchemy import bindparam, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from bot.contracts import Address, Attachment, Inbound
from bot.storage import Database, StorageError, clean, insert_ignore, now, signal
from bot.storage.models import Conversation, Inbox

TOPIC = "inbox"
MAX_ID = 200
MAX_TOGETHER = 64

_Call: TypeAlias = "tuple[Sequence[Inbound], asyncio.Future[list[int | None]]]"


def _kept(item: Attachment) -> Attachment:
    """A file's description made safe to store. Its ``ref`` is given back to the platform, so it is
    neither cut nor put into another form."""
    ref = item.ref.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")
    return replace(item, kind=clean(item.kind)[:24], ref=ref, name=clean(item.name)[:200], mime=clean(item.mime)[:120])


def cleaned(event: Inbound) -> Inbound:
    """The event with every text of it made safe to store, and the short ones cut to their columns."""
    address = event.address
    return replace(
        event,
        external_id=clean(event.external_id)[:MAX_ID],
        address=Address(
            address.channel, clean(address.chat)[:120], clean(address.user)[:120], clean(address.thread)[:120]
        ),
        text=clean(event.text),
        payload=clean(event.payload)[:1000],
        attachments=tuple(map(_kept, event.attachments)),
        locale=clean(event.locale)[:35],
        name=clean(event.name)[:200],
    )


# Built once, because building them anew takes longer than SQLite takes to answer them.
_CONVERSATION = select(Conversation.id).where(
    Conversation.channel == bindparam("channel"), Conversation.address_key == bindparam("key")
)
_INSERT = {
    kind.__name__.rpartition(".")[2]: kind.insert(Inbox).on_conflict_do_nothing().returning(Inbox.id)
    for kind in (postgresql, sqlite)
}


async def conversation_id(session: AsyncSession, event: Inbound) -> int:
    """The id of the conversation at the event's address, which is made if it is new."""
    where = {"channel": event.address.channel, "key": event.address.key}
    connection = await session.connection()
    found: int | None = await connection.scalar(_CONVERSATION, where)
    if found is not None:
        return found
    values: dict[str, Any] = {
        "channel": event.address.channel,
        "address_key": where["key"],
        "chat": event.address.chat,
        "user": event.address.user,
        "thread": event.address.thread,
        "name": event.name,
        "locale": event.locale,
    }
    await session.execute(insert_ignore(session, Conversation).values(**values))
    return int((await connection.execute(_CONVERSATION, where)).scalar_one())


async def store(session: AsyncSession, events: Sequence[Inbound]) -> list[int | None]:
    """Store events within a transaction; the inbox id of each, None for one known already."""
    ids: list[int | None] = []
    connection = await session.connection()
    insert = _INSERT[connection.dialect.name]
    for event in map(cleaned, events):
        values = {
            "channel": event.address.channel,
            "external_id": event.external_id,
            "conversation_id": await conversation_id(session, event),
            "event": event.to_json(),
            "received_at": now(),
        }
        ids.append((await connection.execute(insert, values)).scalar_one_or_none())
    if any(stored_id is not None for stored_id in ids):
        signal(session, TOPIC)
    return ids


class Acceptor:
    """What connectors call with what they received (:class:`bot.contracts.Accept`).

    A commit waits for the disk. Calls that come in while one is under way are committed together in
    the next, so that a rush of them waits for the disk a few times and not for each.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[_Call] = []
        self._writer: asyncio.Task[None] | None = None

    async def __call__(self, events: Sequence[Inbound]) -> Sequence[int | None]:
        """Commit the events; returns only afterwards (invariant 1)."""
        if not events:
            return []
        stored: asyncio.Future[list[int | None]] = asyncio.get_running_loop().create_future()
        self._waiting.append((events, stored))
        if self._writer is None:
            self._writer = asyncio.create_task(self._write())
        return await stored

    async def _write(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:MAX_TOGETHER], self._waiting[MAX_TOGETHER:]
                await self._commit(batch)
        finally:
            self._writer = None
            # Only where this was cancelled: nobody may wait for what is not going to happen.
            for _, stored in self._waiting:
                stored.cancel()
            self._waiting = []

    async def _commit(self, batch: list[_Call]) -> None:
        try:
            async with self._database.begin() as session:
                ids = [await store(session, events) for events, _ in batch]
        except Exception as error:
            if len(batch) == 1 or isinstance(error, StorageError):
                for _, stored in batch:
                    if not stored.done():
                        stored.set_exception(error)
                return
            # One call's events cannot be stored: the others' can.
            for call in batch:
                await self._commit([call])
            return
        except BaseException:
            for _, stored in batch:
                stored.cancel()
            raise
        for (_, stored), stored_ids in zip(batch, ids, strict=True):
            if not stored.done():
                stored.set_result(stored_ids)
