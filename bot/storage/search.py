"""Looking things up in the full-text index, the latest first.

Each function takes the session of a read transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import cast, func, select, text
from sqlalchemy.dialects.postgresql import TSQUERY
from sqlalchemy.ext.asyncio import AsyncSession

from bot.storage.folding import Query, Term, snippet, tag
from bot.storage.indexing import Kind, own_id
from bot.storage.models import (
    Conversation,
    ConversationNote,
    Customer,
    Message,
    OrderRow,
    SearchRow,
    Ticket,
    TicketEvent,
)

# PostgreSQL's index knows no order. What is found often is found among the latest; what is not is found rarely.
LATEST = 40_000
# A message is handled at most so long after it was received, or its date does not lead to it.
WAITED = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Narrowed:
    """What results are narrowed down to; empty: nothing. ``until`` is the first moment that is too late."""

    channel: str = ""
    language: str = ""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """Something found: where it leads, whose it is, and where in it the words stand.

    ``pieces`` are parts of the text and whether each is what was looked for.
    """

    kind: Kind
    doc: int
    id: int
    conversation_id: int | None
    title: str
    at: datetime
    pieces: Sequence[tuple[str, bool]] = ()
    channel: str = ""
    language: str = ""
    author: str = ""
    detail: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Found:
    """Results of one kind; ``before`` is where the next page begins, None on the last."""

    kind: Kind
    hits: tuple[Hit, ...]
    before: int | None = None


def _fts5(query: Query, tags: Sequence[str]) -> str:
    """The query in FTS5's language. Words are letters and digits, so that nothing in them is syntax."""

    def phrase(words: Sequence[str], prefix: bool) -> str:
        return '"' + " ".join(words) + '"' + (" *" if prefix else "")

    def one(term: Term) -> str:
        choices = [term.words, *((word,) for word in term.instead)]
        return "(" + " OR ".join(phrase(words, term.prefix) for words in choices) + ")"

    return " AND ".join([*map(one, query.terms), *(phrase([item], False) for item in tags)])


def _tsquery(query: Query, tags: Sequence[str]) -> str:
    """The query in PostgreSQL's language."""

    def phrase(words: Sequence[str], prefix: bool) -> str:
        quoted = [f"'{word}'" for word in words]
        return " <-> ".join(quoted) + (":*" if prefix else "")

    def one(term: Term) -> str:
        choices = [term.words, *((word,) for word in term.instead)]
        return "(" + " | ".join(f"({phrase(words, term.prefix)})" for words in choices) + ")"

    return " & ".join([*map(one, query.terms), *(f"'{item}'" for item in tags)])


_SQLITE = text(
    "SELECT f.rowid FROM search_words AS f CROSS JOIN search AS s ON s.id = f.rowid "
    "WHERE search_words MATCH :query AND f.rowid BETWEEN :low AND :high AND s.at >= :since AND s.at < :until "
    "ORDER BY f.rowid DESC LIMIT :limit"
)
_SQLITE_ANY_TIME = text(
    "SELECT f.rowid FROM search_words AS f WHERE search_words MATCH :query AND f.rowid BETWEEN :low AND :high "
    "ORDER BY f.rowid DESC LIMIT :limit"
)


def _in_time(narrowed: Narrowed) -> list[Any]:
    where: list[Any] = []
    if narrowed.since is not None:
        where.append(SearchRow.at >= narrowed.since)
    if narrowed.until is not None:
        where.append(SearchRow.at < narrowed.until)
    return where


async def _bounds(session: AsyncSession, low: int, high: int, narrowed: Narrowed) -> tuple[int, int] | None:
    """The ids between which the messages of that time lie, by the index of times; None if there are none.

    Messages are written in the order of their ids, or nearly: what was received may wait to be handled.
    """
    # No other index than that of times is of use here.
    among = (SearchRow.id + 0).between(low, high)
    first, last = low, high
    if narrowed.since is not None:
        earliest = select(SearchRow.id).where(SearchRow.at >= narrowed.since - WAITED, among)
        found = await session.scalar(earliest.order_by(SearchRow.at, SearchRow.id).limit(1))
        if found is None:
            return None
        first = found
    if narrowed.until is not None:
        latest = select(SearchRow.id).where(SearchRow.at < narrowed.until + WAITED, among)
        found = await session.scalar(latest.order_by(SearchRow.at.desc(), SearchRow.id.desc()).limit(1))
        if found is None:
            return None
        last = found
    return first, last


async def _sqlite(
    session: AsyncSession, query: Query, tags: list[str], low: int, high: int, narrowed: Narrowed, limit: int
) -> list[int]:
    values: dict[str, Any] = {"query": _fts5(query, tags), "low": low, "high": high, "limit": limit}
    if narrowed.since is None and narrowed.until is None:
        return list(await session.scalars(_SQLITE_ANY_TIME, values))
    # As UtcDateTime stores them.
    begin, end = narrowed.since, narrowed.until
    values["since"] = begin.strftime("%Y-%m-%d %H:%M:%S.%f") if begin else "0001-01-01"
    values["until"] = end.strftime("%Y-%m-%d %H:%M:%S.%f") if end else "9999-12-31"
    return list(await session.scalars(_SQLITE, values))


async def _postgres(
    session: AsyncSession, query: Query, tags: list[str], low: int, high: int, narrowed: Narrowed, limit: int
) -> list[int]:
    # A cast of the words themselves: PostgreSQL's own parser would cut them in its own way.
    matches = SearchRow.words.bool_op("@@")(cast(_tsquery(query, tags), TSQUERY))
    newest = await session.scalar(select(func.max(SearchRow.id)).where(SearchRow.id.between(low, high)))
    if newest is None:
        return []
    recent = max(low, newest - LATEST)
    statement = (
        select(SearchRow.id)
        .where(SearchRow.id.between(recent, newest), matches, *_in_time(narrowed))
        .order_by(SearchRow.id.desc())
        .limit(limit)
    )
    found = list(await session.scalars(statement))
    if len(found) >= limit or recent == low:
        return found
    hits = (
        select(SearchRow.id, SearchRow.at).where(matches).cte("hits").prefix_with("MATERIALIZED", dialect="postgresql")
    )
    times = [hits.c.at >= narrowed.since] if narrowed.since else []
    times += [hits.c.at < narrowed.until] if narrowed.until else []
    older = (
        select(hits.c.id)
        .where(hits.c.id.between(low, recent - 1), *times)
        .order_by(hits.c.id.desc())
        .limit(limit - len(found))
    )
    return found + list(await session.scalars(older))


async def ids(
    session: AsyncSession,
    query: Query,
    kind: Kind,
    narrowed: Narrowed,
    limit: int,
    before: int | None = None,
) -> list[int]:
    """The ids in the index of what is found, the latest first; ``before`` is one of them, to go on after."""
    low, high = kind.first, kind.last
    if before is not None:
        high = min(high, before - 1)
    if high < low or not query:
        return []
    if kind is Kind.MESSAGE and (narrowed.since is not None or narrowed.until is not None):
        bounds = await _bounds(session, low, high, narrowed)
        if bounds is None:
            return []
        low, high = bounds
    tags = [tag(name, value) for name, value in (("c", narrowed.channel), ("l", narrowed.language)) if value]
    postgres = session.get_bind().dialect.name == "postgresql"
    if postgres and kind is not Kind.MESSAGE:
        # Its index of words knows nothing of ids: a frequent word would be looked up among the messages too.
        tags.append(kind.tag)
    return await (_postgres if postgres else _sqlite)(session, query, tags, low, high, narrowed, limit)


# The kinds that have a channel, a language.
WITH_CHANNEL = frozenset({Kind.MESSAGE, Kind.TICKET, Kind.NOTE, Kind.CONVERSATION})
WITH_LANGUAGE = frozenset({Kind.MESSAGE, Kind.TICKET})


async def find(
    session: AsyncSession,
    query: Query,
    kind: Kind,
    narrowed: Narrowed,
    size: int,
    before: int | None = None,
) -> Found:
    """A page of what is found of one kind, with the places in the texts.

    Of a kind that has no channel nothing is found by channel, and so with languages.
    """
    if (narrowed.channel and kind not in WITH_CHANNEL) or (narrowed.language and kind not in WITH_LANGUAGE):
        return Found(kind, ())
    docs = await ids(session, query, kind, narrowed, size + 1, before)
    more, docs = len(docs) > size, docs[:size]
    hits = await _READERS[kind](session, query, [own_id(doc) for doc in docs])
    by_id = {hit.doc: hit for hit in hits}
    return Found(kind, tuple(by_id[doc] for doc in docs if doc in by_id), docs[-1] if more else None)


async def _messages(session: AsyncSession, query: Query, own: Sequence[int]) -> list[Hit]:
    rows = await session.execute(
        select(Message, Conversation.name, Conversation.channel, Customer.name.label("customer"))
        .join(Conversation, Conversation.id == Message.conversation_id)
        .outerjoin(Customer, Customer.id == Conversation.customer_id)
        .where(Message.id.in_(own))
    )
    return [
        Hit(
            kind=Kind.MESSAGE,
            doc=Kind.MESSAGE.doc(row.Message.id),
            id=row.Message.id,
            conversation_id=row.Message.conversation_id,
            title=row.name or row.customer or "",
            at=row.Message.created_at,
            pieces=snippet(row.Message.text, query),
            channel=row.channel,
            language=row.Message.language,
            author=row.Message.author.value,
        )
        for row in rows
    ]


async def _tickets(session: AsyncSession, query: Query, own: Sequence[int]) -> list[Hit]:
    rows = (
        await session.execute(
            select(Ticket, Conversation.name, Conversation.channel, Customer.name.label("customer"))
            .join(Conversation, Conversation.id == Ticket.conversation_id)
            .outerjoin(Customer, Customer.id == Ticket.customer_id)
            .where(Ticket.id.in_(own))
        )
    ).all()
    said: dict[int, list[str]] = {}
    for event in await session.scalars(
        select(TicketEvent).where(TicketEvent.ticket_id.in_(own)).order_by(TicketEvent.id)
    ):
        words = [str(event.detail[key]) for key in ("words", "reason") if event.detail.get(key)]
        said.setdefault(event.ticket_id, []).extend(words)
    return [
        Hit(
            kind=Kind.TICKET,
            doc=Kind.TICKET.doc(row.Ticket.id),
            id=row.Ticket.id,
            conversation_id=row.Ticket.conversation_id,
            title=row.Ticket.number,
            at=row.Ticket.created_at,
            pieces=_best([row.Ticket.description, *said.get(row.Ticket.id, ())], query),
            channel=row.channel,
            language=row.Ticket.language,
            detail={
                "name": row.customer or row.name or "",
                "type": row.Ticket.type.value,
                "status": row.Ticket.status.value,
                "severity": row.Ticket.severity.value,
                "order": row.Ticket.order_number,
            },
        )
        for row in rows
    ]


def _best(texts: Sequence[str], query: Query) -> Sequence[tuple[str, bool]]:
    """The part of the first text in which something is found, or of the first one."""
    pieces = [snippet(item, query) for item in texts]
    return next((found for found in pieces if any(marked for _, marked in found)), pieces[0])


async def _customers(session: AsyncSession, query: Query, own: Sequence[int]) -> list[Hit]:
    latest = (
        select(func.max(Conversation.id))
        .where(Conversation.customer_id == Customer.id)
        .correlate(Customer)
        .scalar_subquery()
    )
    rows = await session.execute(select(Customer, latest.label("talk")).where(Customer.id.in_(own)))
    return [
        Hit(
            kind=Kind.CUSTOMER,
            doc=Kind.CUSTOMER.doc(row.Customer.id),
            id=row.Customer.id,
            conversation_id=row.talk,
            title=row.Customer.name,
            at=row.Customer.created_at,
            pieces=snippet(" · ".join(filter(None, (row.Customer.email, row.Customer.phone))), query),
        )
        for row in rows
    ]


async def _orders(session: AsyncSession, query: Query, own: Sequence[int]) -> list[Hit]:
    latest = (
        select(func.max(Conversation.id))
        .where(Conversation.customer_id == OrderRow.customer_id)
        .correlate(OrderRow)
        .scalar_subquery()
    )
    rows = await session.execute(
        select(OrderRow, Customer.name, latest.label("talk"))
        .join(Customer, Customer.id == OrderRow.customer_id)
        .where(OrderRow.id.in_(own))
    )
    return [
        Hit(
            kind=Kind.ORDER,
            doc=Kind.ORDER.doc(row.OrderRow.id),
            id=row.OrderRow.id,
            conversation_id=row.talk,
            title=row.OrderRow.number,
            at=row.OrderRow.placed_at,
            pieces=snippet(" · ".join(filter(None, (row.OrderRow.number, row.OrderRow.tracking_number))), query),
            detail={"name": row.name, "status": row.OrderRow.status},
        )
        for row in rows
    ]


async def _notes(session: AsyncSession, query: Query, own: Sequence[int]) -> list[Hit]:
    rows = await session.execute(
        select(ConversationNote, Conversation.name, Conversation.channel)
        .join(Conversation, Conversation.id == ConversationNote.conversation_id)
        .where(ConversationNote.id.in_(own))
    )
    return [
        Hit(
            kind=Kind.NOTE,
            doc=Kind.NOTE.doc(row.ConversationNote.id),
            id=row.ConversationNote.id,
            conversation_id=row.ConversationNote.conversation_id,
            title=row.name,
            at=row.ConversationNote.created_at,
            pieces=snippet(row.ConversationNote.text, query),
            channel=row.channel,
        )
        for row in rows
    ]


async def _conversations(session: AsyncSession, query: Query, own: Sequence[int]) -> list[Hit]:
    rows = await session.scalars(select(Conversation).where(Conversation.id.in_(own)))
    return [
        Hit(
            kind=Kind.CONVERSATION,
            doc=Kind.CONVERSATION.doc(row.id),
            id=row.id,
            conversation_id=row.id,
            title=row.name,
            at=row.created_at,
            pieces=snippet(row.name, query),
            channel=row.channel,
            language=row.language,
        )
        for row in rows
    ]


_READERS: Mapping[Kind, Any] = {
    Kind.MESSAGE: _messages,
    Kind.TICKET: _tickets,
    Kind.CUSTOMER: _customers,
    Kind.ORDER: _orders,
    Kind.NOTE: _notes,
    Kind.CONVERSATION: _conversations,
}
