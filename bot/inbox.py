"""The inbox: events are committed here before a platform is told that they arrived."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeAlias

from sqlalchemy import bindparam, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from bot.contracts import Address, Attachment, Inbound, Kind
from bot.metrics import Metrics
from bot.services import rooms
from bot.storage import Database, StorageError, clean, insert_ignore, now, signal
from bot.storage.models import Conversation, Inbox, InboxStatus, RoomRow

TOPIC = "inbox"
MAX_ID = 200
MAX_TOGETHER = 64
# The pieces of an album come one after the other: the first waits so long for the others.
GROUP_SECONDS = 0.7
# What can only be about a conversation that there is.
ABOUT = frozenset({Kind.DELETION, Kind.REACTION, Kind.BLOCKED, Kind.UNBLOCKED})

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
        message_id=clean(event.message_id)[:MAX_ID],
        group=clean(event.group)[:MAX_ID],
        slots={clean(name)[:60]: clean(value) for name, value in event.slots.items()},
        shown=clean(event.shown)[:1000],
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


async def move_chat(session: AsyncSession, channel: str, old: str, new: str) -> None:
    """Give the conversations and rooms of a chat its new id; one that the new chat has already stays."""
    talks = await session.scalars(
        select(Conversation).where(Conversation.channel == channel, Conversation.chat == old).with_for_update()
    )
    for talk in talks:
        # On some platforms a person's chat has the person's own id.
        user = new if talk.user == old else talk.user
        key = Address(channel, new, user, talk.thread).key
        taken = select(Conversation.id).where(Conversation.channel == channel, Conversation.address_key == key)
        if await session.scalar(taken) is None:
            talk.chat, talk.user, talk.address_key = new, user, key
            await session.flush()
    moved = update(RoomRow).where(RoomRow.channel == channel, RoomRow.chat == old).values(chat=new)
    await session.execute(moved.execution_options(synchronize_session=False))


async def _place(session: AsyncSession, event: Inbound) -> int | None:
    """The conversation that an event belongs to; None for one about a conversation that there is not."""
    address = event.address
    if event.kind is Kind.AGENT:
        room = await rooms.find(session, address.channel, address.chat, address.thread)
        return room.conversation_id if room else None
    if event.kind in ABOUT:
        where = {"channel": address.channel, "key": address.key}
        found: int | None = await (await session.connection()).scalar(_CONVERSATION, where)
        return found
    return await conversation_id(session, event)


async def _merged(session: AsyncSession, conversation: int, event: Inbound, own: int) -> bool:
    """Whether the event, stored as ``own``, changed one that still waits, and so is done with itself."""
    rows = await session.execute(
        select(Inbox.id, Inbox.event)
        .where(Inbox.conversation_id == conversation, Inbox.status == InboxStatus.PENDING, Inbox.id < own)
        .order_by(Inbox.id)
    )
    for waiting, stored in rows.all():
        earlier = Inbound.from_json(stored)
        if earlier.kind is not Kind.MESSAGE:
            continue
        if event.kind is Kind.MESSAGE and earlier.group == event.group:
            text = "\n".join(filter(None, (earlier.text, event.text)))
            changed = replace(earlier, attachments=earlier.attachments + event.attachments, text=text)
            values: dict[str, Any] = {"event": changed.to_json()}
        elif earlier.message_id != event.message_id or event.kind is Kind.MESSAGE:
            continue
        elif event.kind is Kind.EDIT:
            changed = replace(earlier, text=event.text, payload=event.payload, shown=event.shown)
            values = {"event": changed.to_json()}
        else:
            # Taken back before anyone read it.
            values = {"status": InboxStatus.DONE, "handled_at": now()}
        # A worker may just be at it, or have finished it since.
        written: Any = await session.execute(
            update(Inbox)
            .where(Inbox.id == waiting, Inbox.status == InboxStatus.PENDING)
            .values(**values)
            .execution_options(synchronize_session=False)
        )
        if written.rowcount:
            signal(session, f"inbox:{waiting}")
            return True
    return False


async def _came(session: AsyncSession, event: Inbound) -> bool:
    """Whether the message that an edit names was ever received."""
    found = await session.scalar(
        select(Inbox.id)
        .join(Conversation, Conversation.id == Inbox.conversation_id)
        .where(
            Conversation.channel == event.address.channel,
            Conversation.address_key == event.address.key,
            Inbox.event["message_id"].as_string() == event.message_id,
        )
        .limit(1)
    )
    return found is not None


async def _store(session: AsyncSession, event: Inbound) -> int | None:
    address = event.address
    if event.kind is Kind.EDIT and not await _came(session, event):
        # A mention that was added afterwards: to the bot these words are new.
        event = replace(event, kind=Kind.MESSAGE)
    if event.kind is Kind.MOVED:
        await move_chat(session, address.channel, address.chat, event.text)
        return None
    conversation = await _place(session, event)
    if conversation is None:
        return None
    connection = await session.connection()
    values = {
        "channel": address.channel,
        "external_id": event.external_id,
        "conversation_id": conversation,
        "event": event.to_json(),
        "received_at": now(),
    }
    if event.group:
        values["due_at"] = now() + timedelta(seconds=GROUP_SECONDS)
    own: int | None = (await connection.execute(_INSERT[connection.dialect.name], values)).scalar_one_or_none()
    if own is not None and (event.group or event.kind in (Kind.EDIT, Kind.DELETION)):
        if await _merged(session, conversation, event, own):
            done = update(Inbox).where(Inbox.id == own).values(status=InboxStatus.DONE, handled_at=now())
            await session.execute(done.execution_options(synchronize_session=False))
            signal(session, f"inbox:{own}")
    return own


async def store(session: AsyncSession, events: Sequence[Inbound]) -> list[int | None]:
    """Store events within a transaction; the inbox id of each, None for one known already.

    An edit, a deletion or another piece of an album changes what still waits. None is also the
    answer to an event about a conversation, or in a room, that there is not.
    """
    ids = [await _store(session, event) for event in map(cleaned, events)]
    if any(stored_id is not None for stored_id in ids):
        signal(session, TOPIC)
    return ids


class Acceptor:
    """What connectors call with what they received (:class:`bot.contracts.Accept`).

    A commit waits for the disk. Calls that come in while one is under way are committed together in
    the next, so that a rush of them waits for the disk a few times and not for each.

    Args:
        database: where the inbox is.
        anticipate: told of each event before it is committed, so that what needs no transaction can be
            begun meanwhile.
        metrics: where it is counted what came.
    """

    def __init__(
        self,
        database: Database,
        anticipate: Callable[[Inbound], None] | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        self._database = database
        self._anticipate = anticipate
        self._metrics = metrics or Metrics()
        self._waiting: list[_Call] = []
        self._writer: asyncio.Task[None] | None = None

    async def __call__(self, events: Sequence[Inbound]) -> Sequence[int | None]:
        """Commit the events; returns only afterwards (invariant 1)."""
        if not events:
            return []
        if self._anticipate is not None:
            for event in events:
                self._anticipate(event)
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
            # A platform waits for this; what is to be done about the events can wait a moment longer.
            async with self._database.begin(first=True) as session:
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
        for (events, stored), stored_ids in zip(batch, ids, strict=True):
            for event, stored_id in zip(events, stored_ids, strict=True):
                if stored_id is not None and event.kind is Kind.MESSAGE:
                    self._metrics.received(event.address.channel)
            if not stored.done():
                stored.set_result(stored_ids)
