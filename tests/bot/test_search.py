"""The full-text search finds what is there, in every script, and nothing that is gone."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from alembic import command
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.contracts import Address, Author, Inbound
from bot.inbox import store
from bot.storage import Database, indexing, now, search
from bot.storage.folding import index_words, parse_query, snippet
from bot.storage.indexing import Indexer, Kind, catch_up
from bot.storage.migrate import alembic_config
from bot.storage.models import (
    Conversation,
    ConversationNote,
    Customer,
    Message,
    OrderRow,
    SearchQueue,
    SearchRow,
    Severity,
    Ticket,
    TicketEvent,
    TicketType,
    Translation,
    User,
)
from bot.storage.search import Narrowed

ANY = Narrowed()


async def say(
    database: Database, *texts: str, channel: str = "web", language: str = "en", chat: str = "c"
) -> list[int]:
    """Messages of one conversation, written as the outbox writes them: past the ORM."""
    async with database.begin() as session:
        await store(session, [Inbound(f"{channel}{chat}", Address(channel, chat, "u"), text="x", name="Zoë Example")])
        talk = await session.scalar(
            select(Conversation.id).where(Conversation.channel == channel, Conversation.chat == chat)
        )
        rows = [
            {
                "conversation_id": talk,
                "author": Author.CUSTOMER,
                "text": text,
                "language": language,
                "created_at": now(),
            }
            for text in texts
        ]
        made = await session.execute(insert(Message).returning(Message.id), rows)
        ids = list(made.scalars())
    await catch_up(database)
    return ids


async def finds(database: Database, text: str, kind: Kind = Kind.MESSAGE, narrowed: Narrowed = ANY) -> list[int]:
    """The ids of what is found."""
    async with database.read() as session:
        return [hit.id for hit in (await search.find(session, parse_query(text), kind, narrowed, 50)).hits]


FOUND = [
    ("My café crème arrived COLD", "cafe"),
    ("My cafe creme", "CAFÉ CRÈME"),
    ("Straße 5", "strasse"),
    ("Where is order LD-100234?", "LD-100234"),
    ("Where is order LD-100234?", "ld100234"),
    ("Where is order LD-100234?", "1002"),
    ("number LD100234 please", "LD-100234"),
    ("call +34 600 123 456", "600123456"),
    ("call 0034600123456", "003460"),
    ("我的订单号在哪里", "订单"),
    ("我的订单号在哪里", "单"),
    ("我的订单号在哪里", "里"),
    ("我的订单号在哪里", "订单号在"),
    ("訂單１２３４５在哪裡", "12345"),
    ("注文番号をおしえてください", "番号"),
    ("ガムテープ", "テープ"),
    ("주문을 취소하고 싶어요", "주문"),
    ("재주문하고 싶어요", "주문"),
    ("คำสั่งซื้อของฉันอยู่ที่ไหน", "ซื้อ"),
    ("أَيْنَ طَلَبِي؟", "اين طلبي"),
    ("أين الشحنة", "الشحنه"),
    ("मेरा ऑर्डर कहाँ है", "ऑर्डर"),
    ("मेरा ऑर्डर ५४३२१", "54321"),
    ("Siparişim nerede, İADE istiyorum", "iade"),
    ("SIPARIŞ ısrarla", "sipariş isr"),
    ("Где мой заказ, ёлки", "елки"),
    ("tom@example.com", "tom@example.com"),
    ("please do refund my money", '"refund my" pl'),
]


async def test_what_is_written_is_found(any_database: Database) -> None:
    """Any script, any accents, parts of numbers; and not what says something else."""
    others = await say(any_database, "entirely different", "完全不同的内容", "لا شيء هنا", "सब ठीक")
    texts = list(dict.fromkeys(text for text, _ in FOUND))
    ids = dict(zip(texts, await say(any_database, *texts), strict=True))
    for text, query in FOUND:
        found = await finds(any_database, query)
        assert ids[text] in found and not set(found) & set(others), (text, query)


async def test_what_is_not_written_is_not_found(any_database: Database) -> None:
    """Words of a phrase apart, letters apart, beginnings of words before others, other vowels."""
    cases = [
        ("refund the money, my friend", '"refund my"'),
        ("订那个单", "订单"),
        ("café", "ca fe"),
        ("order and refund", "order refunds"),
        ("refund and order", "refu order"),
        ("reorder", "rder"),
        ("कि", "कु"),
    ]
    await say(any_database, *(text for text, _ in cases))
    for text, query in cases:
        assert await finds(any_database, query) == [], (text, query)


STRANGE = (
    "", "   ", "*", "++--!!", '"', '""""', "'; DROP TABLE search; --", "NEAR(a b)", "a OR NOT b", "words:x", "\x00",
    "^", "(((", ":* & | !", "{a b}", "\\", "'x' <-> 'y'", "\ue000cweb", "😀", "\u0301\u0301", "٪", "x" * 200_000,
    "订" * 200_000, '"' * 1000, "a\tb\nc", "\ud800",
)  # fmt: skip


async def test_no_query_breaks_the_search(any_database: Database) -> None:
    """Punctuation, SQL, the search's own syntax and 200 kB are looked for, or are nothing to look for."""
    await say(any_database, "something else")
    for query in STRANGE:
        for kind in Kind:
            assert await finds(any_database, query, kind) == [], query[:20]


async def test_syntax_is_looked_for_as_words(any_database: Database) -> None:
    """AND, OR, NOT and NEAR are words like others."""
    await say(any_database, "now or never", "never")
    assert await finds(any_database, "now or never") == [1]
    assert await finds(any_database, "NEVER OR now") == [1]


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60), st.integers(0, 50), st.integers(1, 30))
def test_any_part_of_a_text_can_be_marked(text: str, start: int, length: int) -> None:
    """A snippet is made of the text's own characters, whatever they are and whatever is looked for."""
    query = parse_query(text[start : start + length])
    pieces = snippet(text, query)
    assert all(piece for piece, _ in pieces)
    index_words(text)
    whole = "".join(piece for piece, _ in pieces)
    assert len(whole) <= 162


def test_what_is_found_is_marked() -> None:
    """The places in the text as it was written, words whole or begun, far into a long text."""
    assert snippet("Das Café im Norden", parse_query("cafe")) == [
        ("Das ", False),
        ("Café", True),
        (" im Norden", False),
    ]
    assert (("订单号", True)) in snippet("请问我的订单号是多少", parse_query("订单号"))
    assert ("LD-100234", True) in snippet("Order LD-100234!", parse_query("ld-1002"))
    long = snippet("filler " * 500 + "needle and thread", parse_query("needle"))
    assert ("needle", True) in long and long[0] == ("…", False)
    assert snippet("<b>x</b>", parse_query("x")) == [("<b>", False), ("x", True), ("</b>", False)]


async def test_the_latest_come_first_a_page_at_a_time(any_database: Database) -> None:
    """Pages follow each other without gap or repetition."""
    ids = await say(any_database, *(f"common {number}" for number in range(25)))
    seen: list[int] = []
    before = None
    async with any_database.read() as session:
        for _ in range(3):
            page = await search.find(session, parse_query("common"), Kind.MESSAGE, ANY, 10, before)
            seen += [hit.id for hit in page.hits]
            before = page.before
    assert seen == sorted(ids, reverse=True) and before is None


async def test_what_is_rare_is_found_beyond_the_latest(any_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first look is at the latest only; what is not among them is found by the second, in order."""
    monkeypatch.setattr(search, "LATEST", 3)
    ids = await say(any_database, *(f"word {'rare' if number % 4 == 0 else ''}" for number in range(20)))
    assert await finds(any_database, "rare") == [ids[place] for place in (16, 12, 8, 4, 0)]


async def test_results_are_narrowed_down(any_database: Database) -> None:
    """By channel, language and days, alone and together."""
    await say(any_database, "hello one", channel="web", language="en")
    await say(any_database, "hello two", channel="telegram", language="es")
    async with any_database.begin() as session:
        await session.execute(
            update(Message).where(Message.id == 1).values(created_at=datetime(2025, 5, 5, tzinfo=UTC))
        )
        await session.execute(update(Message).values(text=Message.text + "!"))
    await catch_up(any_database)
    assert await finds(any_database, "hello", narrowed=Narrowed(channel="telegram")) == [2]
    assert await finds(any_database, "hello", narrowed=Narrowed(language="en")) == [1]
    assert await finds(any_database, "hello", narrowed=Narrowed(language="en", channel="telegram")) == []
    assert await finds(any_database, "hello", narrowed=Narrowed(until=datetime(2025, 6, 1, tzinfo=UTC))) == [1]
    assert await finds(any_database, "hello", narrowed=Narrowed(since=datetime(2025, 6, 1, tzinfo=UTC))) == [2]
    day = Narrowed(since=datetime(2025, 5, 5, tzinfo=UTC), until=datetime(2025, 5, 6, tzinfo=UTC))
    assert await finds(any_database, "hello", narrowed=day) == [1]
    assert await finds(any_database, "hello", narrowed=Narrowed(since=now() + timedelta(days=9))) == []


async def _everything(database: Database) -> None:
    """One of each kind."""
    await say(database, "Hallo Welt", language="de")
    async with database.begin() as session:
        customer = Customer(name="José Ñandú", email="jose@example.com", phone="+34600123456", external_ref="K-77")
        session.add(customer)
        await session.flush()
        session.add(
            OrderRow(
                number="LD-100234", number_key="LD100234", customer_id=customer.id, status="paid", placed_at=now(),
                currency="EUR", total=Decimal(5), tracking_number="ZX987654321",
            )
        )  # fmt: skip
        ticket = Ticket(
            conversation_id=1, type=TicketType.LATE, severity=Severity.HIGH, description="The parcel is soaked",
            language="en", order_number="LD-100234",
        )  # fmt: skip
        session.add(ticket)
        await session.flush()
        session.add(TicketEvent(ticket_id=ticket.id, actor="ana", kind="note", detail={"words": "Called the carrier"}))
        session.add(Translation(message_id=1, language="en", text="Hello world"))
        session.add_all([ConversationNote(conversation_id=1, agent_id=await _user(session), text="Prefers mornings")])
    await catch_up(database)


async def _user(session: AsyncSession) -> int:
    user = User(username="ana", name="Ana", password_hash="x")
    session.add(user)
    await session.flush()
    return user.id


async def test_every_kind_of_thing_is_found(any_database: Database) -> None:
    """Names, addresses, telephones and parts of them; numbers; words of notes, histories and translations."""
    await _everything(any_database)
    for query, kind in (
        ("jose nandu", Kind.CUSTOMER), ("jose@example.com", Kind.CUSTOMER), ("+34 600 123 456", Kind.CUSTOMER),
        ("600123", Kind.CUSTOMER), ("123456", Kind.CUSTOMER), ("k-77", Kind.CUSTOMER),
        ("LD-100234", Kind.ORDER), ("ld100234", Kind.ORDER), ("0234", Kind.ORDER), ("987654", Kind.ORDER),
        ("soaked", Kind.TICKET), ("T-000001", Kind.TICKET), ("100234", Kind.TICKET), ("carrier", Kind.TICKET),
        ("mornings", Kind.NOTE), ("zoe", Kind.CONVERSATION), ("hello", Kind.MESSAGE), ("hallo", Kind.MESSAGE),
    ):  # fmt: skip
        assert await finds(any_database, query, kind) == [1], query


async def test_what_is_changed_or_gone_is_not_found_from_that_moment(any_database: Database) -> None:
    """Before the index is brought up to date, in the very transaction: edits, deletions, erasures, by any statement."""
    await _everything(any_database)
    await say(any_database, "secret words", "other words")
    changes = [
        (update(Message).where(Message.id == 2).values(text="changed words"), "secret", Kind.MESSAGE),
        (update(Message).where(Message.id == 3).values(change="deleted", text=""), "other", Kind.MESSAGE),
        (update(Customer).values(name="", email="", phone="", external_ref=None), "jose", Kind.CUSTOMER),
        (update(Ticket).values(description="[erased]"), "soaked", Kind.TICKET),
        (update(Conversation).values(name=""), "zoe", Kind.CONVERSATION),
        (delete(ConversationNote), "mornings", Kind.NOTE),
        (delete(Translation), "hello", Kind.MESSAGE),
    ]
    for statement, query, kind in changes:
        assert await finds(any_database, query, kind), query
        async with any_database.begin() as session:
            await session.execute(statement.execution_options(synchronize_session=False))
        assert await finds(any_database, query, kind) == [], query
    async with any_database.begin() as session:
        await session.execute(update(TicketEvent).values(detail={}).execution_options(synchronize_session=False))
    await catch_up(any_database)
    for _, query, kind in changes:
        assert await finds(any_database, query, kind) == [], query
    assert await finds(any_database, "changed words") == [2]
    assert await finds(any_database, "carrier", Kind.TICKET) == []
    assert await finds(any_database, "hallo") == [1]
    async with any_database.read() as session:
        words = (await session.scalars(select(SearchRow.words))).all()
        assert not any(gone in text for text in map(str, words) for gone in ("secret", "soaked", "jose", "mornings"))


async def test_an_interrupted_indexing_loses_nothing(any_database: Database) -> None:
    """What was not committed is done again, and what is queued twice is indexed once."""
    await say(any_database, "first")
    async with any_database.begin() as session:
        await session.execute(update(Message).values(text="second"))
        await session.execute(update(Message).values(text="third"))
    with pytest.raises(RuntimeError):
        async with any_database.begin() as session:
            assert await indexing.index_some(session) == 2
            raise RuntimeError("the power fails")
    assert await finds(any_database, "third") == []
    assert await catch_up(any_database) == 2
    assert await finds(any_database, "third") == [1]
    async with any_database.read() as session:
        assert await session.scalar(select(func.count()).select_from(SearchQueue)) == 0


async def test_what_is_being_changed_is_indexed_later(any_database: Database) -> None:
    """On PostgreSQL a row that another transaction holds stays in the queue; nobody waits for anybody."""
    if any_database.is_sqlite:
        pytest.skip("SQLite has one writer")
    await say(any_database, "before", "steady")
    async with any_database.begin() as session:
        await session.execute(update(Message).values(text=Message.text + " again"))
    async with any_database.begin() as other:
        await other.execute(update(Message).where(Message.id == 1).values(text="after"))
        async with any_database.begin() as session:
            assert await indexing.index_some(session) == 1
        assert await finds(any_database, "again") == [2]
    await catch_up(any_database)
    assert await finds(any_database, "after") == [1] and await finds(any_database, "before") == []


async def test_only_one_indexes_at_a_time(any_database: Database) -> None:
    """On PostgreSQL a second process leaves the queue alone while the first is at it."""
    if any_database.is_sqlite:
        pytest.skip("SQLite has one writer")
    await say(any_database, "x")
    async with any_database.begin() as session:
        await session.execute(update(Message).values(text="y"))
    async with any_database.begin() as one:
        assert await indexing.index_some(one) == 1
        async with any_database.begin() as other:
            assert await indexing.index_some(other) == 0


async def test_the_indexer_keeps_up_by_itself(any_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the program runs, what is written is found a moment later; more than a batch as well."""
    monkeypatch.setattr(indexing, "IDLE_SECONDS", 0.05)
    monkeypatch.setattr(indexing, "GAP_SECONDS", 0.01)
    monkeypatch.setattr(indexing, "PAUSE_SECONDS", 0.0)
    running = asyncio.create_task(Indexer(any_database).run())
    try:
        async with any_database.begin() as session:
            await store(session, [Inbound("1", Address("web", "c", "u"), text="x")])
            rows = [{"conversation_id": 1, "author": Author.CUSTOMER, "text": f"found {n}"} for n in range(250)]
            await session.execute(insert(Message), rows)
        async with asyncio.timeout(20):
            while len(await finds(any_database, "found")) < 50 or not await finds(any_database, '"found 0"'):
                await asyncio.sleep(0.05)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_what_was_there_before_the_search_is_indexed(any_database: Database) -> None:
    """An upgrade queues everything that there is; the workers do the rest."""
    await _everything(any_database)
    for move, revision in ((command.downgrade, "0004"), (command.upgrade, "head")):
        async with any_database.engine.connect() as connection:
            await connection.run_sync(lambda sync, move=move, to=revision: move(alembic_config(sync), to))
            await connection.commit()
    assert await finds(any_database, "soaked", Kind.TICKET) == []
    await catch_up(any_database)
    assert await finds(any_database, "soaked", Kind.TICKET) == [1]
    assert await finds(any_database, "hallo") == [1]
