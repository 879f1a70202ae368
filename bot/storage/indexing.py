"""The index of the full-text search, kept in step with the tables.

Triggers note in ``search_queue`` what is new or has changed, in the transaction that changes it, and take
what has changed out of the index at once; the :class:`Indexer` puts it (back) in, a moment later and many at
a time. So nobody who writes has to think of the search, and a customer's answer does not wait for it. See
``docs/adr/0007-full-text-search.md``.
"""

from __future__ import annotations

import asyncio
import enum
import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeAlias

from sqlalchemy import delete, insert, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from bot.storage.database import Database, StorageError, wait
from bot.storage.folding import code_words, index_words, tag
from bot.storage.models import (
    Conversation,
    ConversationNote,
    Customer,
    Message,
    OrderRow,
    SearchQueue,
    SearchRow,
    Ticket,
    TicketEvent,
    Translation,
    ticket_number,
)

log = logging.getLogger(__name__)

BATCH = 100
# Messages come in bursts; they are indexed together.
GAP_SECONDS = 0.5
IDLE_SECONDS = 2.0
# Between two full batches, as after an upgrade: the customers' messages go first.
PAUSE_SECONDS = 0.05
RETRY_SECONDS = 5.0
# What stands in the place of an erased text, see bot.services.privacy; nobody looks for it.
_GONE = frozenset({"", "[erased]"})
_LOCK = 0x4C44_0007
_SHIFT = 40


class Kind(enum.IntEnum):
    """What can be found; each has its own range of ids in the index, in the order of its own."""

    MESSAGE = 1
    TICKET = 2
    CUSTOMER = 3
    ORDER = 4
    NOTE = 5
    CONVERSATION = 6

    @property
    def first(self) -> int:
        """The lowest id of this kind's range."""
        return self.value << _SHIFT

    @property
    def last(self) -> int:
        """The highest id of this kind's range."""
        return (self.value + 1 << _SHIFT) - 1

    @property
    def tag(self) -> str:
        """The word that all of this kind have; messages, which are most of everything, do without."""
        return tag("k", self.name)

    def doc(self, own_id: int) -> int:
        """The id in the index of something of this kind."""
        return self.first + own_id


def own_id(doc: int) -> int:
    """A thing's own id, from that in the index."""
    return doc & ((1 << _SHIFT) - 1)


Doc: TypeAlias = "tuple[int, datetime, list[str]]"


def _place(channel: str | None, language: str | None) -> list[str]:
    """The words by which results are narrowed down."""
    return [tag(kind, value) for kind, value in (("c", channel), ("l", language)) if value]


async def _messages(session: AsyncSession, ids: Sequence[int]) -> Iterator[Doc]:
    translated: dict[int, list[str]] = defaultdict(list)
    for message_id, words in await session.execute(
        select(Translation.message_id, Translation.text).where(Translation.message_id.in_(ids))
    ):
        translated[message_id].append(words)
    rows = await session.execute(
        select(Message)
        .with_only_columns(
            Message.id, Message.text, Message.language, Message.created_at, Message.change, Conversation.channel
        )
        .join(Conversation, Conversation.id == Message.conversation_id)
        .where(Message.id.in_(ids))
    )
    return (
        (
            Kind.MESSAGE.doc(row.id),
            row.created_at,
            index_words("\n".join([row.text, *translated[row.id]])) + _place(row.channel, row.language),
        )
        for row in rows.all()
        if row.text not in _GONE and row.change != "deleted"
    )


async def _tickets(session: AsyncSession, ids: Sequence[int]) -> Iterator[Doc]:
    said: dict[int, list[str]] = defaultdict(list)
    for event in await session.scalars(
        select(TicketEvent).where(TicketEvent.ticket_id.in_(ids)).order_by(TicketEvent.id)
    ):
        said[event.ticket_id] += [str(event.detail[key]) for key in ("words", "reason") if event.detail.get(key)]
    rows = await session.execute(
        select(Ticket)
        .with_only_columns(
            Ticket.id,
            Ticket.description,
            Ticket.order_number,
            Ticket.language,
            Ticket.created_at,
            Conversation.channel,
        )
        .join(Conversation, Conversation.id == Ticket.conversation_id)
        .where(Ticket.id.in_(ids))
    )
    found = []
    for row in rows.all():
        text = "" if row.description in _GONE else row.description
        words = index_words("\n".join([ticket_number(row.id), text, *said[row.id]]))
        numbers = [str(row.id), *code_words(row.order_number)]
        found.append((Kind.TICKET.doc(row.id), row.created_at, words + numbers + _place(row.channel, row.language)))
    return iter(found)


async def _customers(session: AsyncSession, ids: Sequence[int]) -> Iterator[Doc]:
    rows = await session.scalars(select(Customer).where(Customer.id.in_(ids), Customer.erased_at.is_(None)))
    return (
        (
            Kind.CUSTOMER.doc(row.id),
            row.created_at,
            index_words(f"{row.name}\n{row.email}\n{row.external_ref or ''}") + code_words(row.phone),
        )
        for row in rows.all()
    )


async def _orders(session: AsyncSession, ids: Sequence[int]) -> Iterator[Doc]:
    rows = await session.scalars(select(OrderRow).where(OrderRow.id.in_(ids)))
    return (
        (
            Kind.ORDER.doc(row.id),
            row.placed_at,
            index_words(f"{row.number}\n{row.tracking_number}")
            + code_words(row.number)
            + code_words(row.tracking_number),
        )
        for row in rows.all()
    )


async def _notes(session: AsyncSession, ids: Sequence[int]) -> Iterator[Doc]:
    rows = await session.execute(
        select(ConversationNote)
        .with_only_columns(
            ConversationNote.id, ConversationNote.text, ConversationNote.created_at, Conversation.channel
        )
        .join(Conversation, Conversation.id == ConversationNote.conversation_id)
        .where(ConversationNote.id.in_(ids))
    )
    return (
        (Kind.NOTE.doc(row.id), row.created_at, index_words(row.text) + _place(row.channel, None))
        for row in rows.all()
        if row.text not in _GONE
    )


async def _conversations(session: AsyncSession, ids: Sequence[int]) -> Iterator[Doc]:
    rows = await session.execute(
        select(Conversation)
        .with_only_columns(
            Conversation.id, Conversation.name, Conversation.channel, Conversation.language, Conversation.created_at
        )
        .where(Conversation.id.in_(ids))
    )
    # The language of a chat changes with every message in another one: only its messages have it here.
    return (
        (Kind.CONVERSATION.doc(row.id), row.created_at, index_words(row.name) + _place(row.channel, None))
        for row in rows.all()
        if row.name not in _GONE
    )


_READERS: Mapping[Kind, Any] = {
    Kind.MESSAGE: _messages,
    Kind.TICKET: _tickets,
    Kind.CUSTOMER: _customers,
    Kind.ORDER: _orders,
    Kind.NOTE: _notes,
    Kind.CONVERSATION: _conversations,
}
_MODELS: Mapping[Kind, Any] = {
    Kind.MESSAGE: Message,
    Kind.TICKET: Ticket,
    Kind.CUSTOMER: Customer,
    Kind.ORDER: OrderRow,
    Kind.NOTE: ConversationNote,
    Kind.CONVERSATION: Conversation,
}


def _stored(words: Iterable[str], postgres: bool) -> str:
    """Words as the database's own search takes them: in order, or on PostgreSQL a ``tsvector``'s text."""
    if not postgres:
        return " ".join(words)
    places: dict[str, list[str]] = defaultdict(list)
    for place, word in enumerate(words, 1):
        # PostgreSQL counts up to here, and keeps so many places of a word.
        if len(places[word]) < 255:
            places[word].append(str(min(place, 16_383)))
    return " ".join(f"'{word}':{','.join(at)}" for word, at in places.items())


async def index_some(session: AsyncSession, limit: int = BATCH) -> int:
    """Index up to ``limit`` entries of the queue, the newest first; how many were taken from it.

    What somebody else is just changing stays in the queue. On PostgreSQL one process indexes at a time.
    """
    postgres = session.get_bind().dialect.name == "postgresql"
    if postgres and not await session.scalar(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": _LOCK}):
        return 0
    waiting = select(SearchQueue.id, SearchQueue.doc).order_by(SearchQueue.id.desc()).limit(limit)
    queued = [tuple(row) for row in await session.execute(waiting)]
    if not queued:
        return 0
    wanted = {doc for _, doc in queued}
    rows: list[dict[str, Any]] = []
    busy: set[int] = set()
    for kind in Kind:
        ids = sorted(own_id(doc) for doc in wanted if kind.first <= doc <= kind.last)
        if not ids:
            continue
        if postgres:
            free = await _held(session, _MODELS[kind], ids)
            busy |= {kind.doc(item) for item in ids if item not in free}
            ids = [item for item in ids if item in free]
        for doc, at, words in await _READERS[kind](session, ids):
            kinds = [] if kind is Kind.MESSAGE else [kind.tag]
            rows.append({"id": doc, "at": at, "words": _stored(words + kinds, postgres)})
    done = wanted - busy
    await session.execute(delete(SearchRow).where(SearchRow.id.in_(done)).execution_options(synchronize_session=False))
    if rows:
        await (await session.connection()).execute(insert(SearchRow), sorted(rows, key=lambda row: int(row["id"])))
    taken = [item for item, doc in queued if doc in done]
    await session.execute(
        delete(SearchQueue).where(SearchQueue.id.in_(taken)).execution_options(synchronize_session=False)
    )
    return len(taken)


async def _held(session: AsyncSession, model: Any, ids: Sequence[int]) -> set[int]:
    """Those of the rows that nobody is changing, held until the end of the transaction, and those that are gone.

    To wait for the others could mean to wait for each other.
    """
    held = set(
        await session.scalars(select(model.id).where(model.id.in_(ids)).with_for_update(read=True, skip_locked=True))
    )
    there = set(await session.scalars(select(model.id).where(model.id.in_(ids))))
    return held | (set(ids) - there)


async def catch_up(database: Database, limit: int = 1000) -> int:
    """Index everything that waits, at once; how much it was. For tools and tests."""
    total = 0
    while True:
        async with database.begin() as session:
            taken = await index_some(session, limit)
        total += taken
        if taken < limit:
            return total


class Indexer:
    """Keeps the index in step while the program runs.

    Args:
        database: where everything is; its signals say when to look.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def run(self) -> None:
        """Index what comes, for ever. Trouble of the database is waited out."""
        with self._database.hub.watch("desk") as waiting:
            while True:
                try:
                    more = await self._some()
                except StorageError as error:
                    log.warning("the search index waits for the database: %s", error)
                    await asyncio.sleep(RETRY_SECONDS)
                    continue
                if more:
                    await asyncio.sleep(PAUSE_SECONDS)
                    continue
                await wait(waiting, IDLE_SECONDS)
                await asyncio.sleep(GAP_SECONDS)

    async def _some(self) -> bool:
        """Index a batch; whether there may be more."""
        async with self._database.glance() as session:
            if await session.scalar(select(SearchQueue.id).limit(1)) is None:
                return False
        async with self._database.begin() as session:
            return await index_some(session) == BATCH
