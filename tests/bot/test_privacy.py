"""Erasure holds: nothing brings the person back, and what was on its way goes too."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from bot.config import Config, HandoffSettings
from bot.contracts import Address, Author, Inbound
from bot.inbox import store
from bot.outbox import post, retry
from bot.services import callbacks, drafts, handoff, privacy, surveys, tickets, timers
from bot.services.order_import import import_orders
from bot.storage import Database, now
from bot.storage.models import (
    Conversation,
    Customer,
    Draft,
    Handoff,
    Inbox,
    InboxStatus,
    Message,
    OrderRow,
    Outbox,
    OutboxStatus,
    Role,
    Survey,
    SurveyStatus,
    TicketEvent,
    TicketType,
    Timer,
    User,
)
from bot.texts import Rendered

HEADER = "order_number,customer_id,name,email,phone,placed_at,sku,description,quantity,unit_price,country,status\n"
ANA = "100234,{ref},Ana,{email},600 123 456,2026-05-01 10:00,A1,Shoes,2,10.50,ES,shipped\n"
MORE = "100235,{ref},Ana,{email},600 123 456,2026-05-02 10:00,A1,Shoes,2,10.50,ES,paid\n"
LONG = "a" * 60 + "@a-very-long-name-of-a-host.example.com"
REFERENCES = [("7", "ana@example.com"), ("", "ana@example.com"), ("", LONG), ("", "")]


def write(folder: Path, *lines: str) -> Path:
    """A file of orders."""
    path = folder / "orders.csv"
    path.write_text(HEADER + "".join(lines), encoding="utf-8")
    return path


async def chat(database: Database, number: int = 1) -> int:
    """A conversation with one event that is being handled; its id."""
    async with database.begin() as session:
        await store(session, [Inbound(f"e{number}", Address("web", f"c{number}", "u"), "secret")])
        return (await session.scalars(select(Conversation.id).where(Conversation.chat == f"c{number}"))).one()


async def verified(database: Database, *ids: int) -> None:
    """Link chats to the customer."""
    async with database.begin() as session:
        customer = (await session.scalars(select(Customer))).one()
        await session.execute(
            update(Conversation)
            .where(Conversation.id.in_(ids))
            .values(customer_id=customer.id, verified_until=now() + timedelta(hours=1))
        )


async def erase(database: Database, conversation_id: int, config: Config) -> None:
    """As the action does, in one transaction with the handling of the event."""
    async with database.begin() as session:
        conversation = await session.get_one(Conversation, conversation_id)
        await privacy.erase(session, conversation, config.files_dir)


async def rows(database: Database, table: Any) -> list[Any]:
    """All rows of a table."""
    async with database.read() as session:
        return list(await session.scalars(select(table).order_by(table.id)))


@pytest.mark.parametrize(("ref", "email"), REFERENCES)
async def test_an_import_does_not_bring_the_person_back(
    any_database: Database, config: Config, tmp_path: Path, ref: str, email: str
) -> None:
    """The same file again, and a later one with another order: the orders are there, the person is not."""
    mappings = config.settings.orders.imports
    lines = [line.format(ref=ref, email=email) for line in (ANA, MORE)]
    await import_orders(any_database, write(tmp_path, lines[0]), mappings, country="ES")
    conversation = await chat(any_database)
    await verified(any_database, conversation)
    await erase(any_database, conversation, config)
    for path in (write(tmp_path, lines[0]), write(tmp_path, *lines)):
        await import_orders(any_database, path, mappings, country="ES")
    orders = await rows(any_database, OrderRow)
    assert [order.number for order in orders] == ["100234", "100235"]
    known_again = bool(ref or email)
    customers = await rows(any_database, Customer)
    assert len(customers) == (1 if known_again else 2)
    erased = customers[0]
    assert (erased.name, erased.email, erased.phone) == ("", "", "")
    assert erased.erased_at is not None
    assert erased.external_ref is not None and erased.external_ref.startswith("erased:")
    for order in orders if known_again else orders[:1]:
        assert (order.customer_id, order.email, order.phone) == (erased.id, "", "")


async def test_an_order_keeps_its_erased_customer(any_database: Database, config: Config, tmp_path: Path) -> None:
    """Nor does a file that names the same order's customer in another way."""
    mappings = config.settings.orders.imports
    await import_orders(any_database, write(tmp_path, ANA.format(ref="7", email="ana@example.com")), mappings)
    conversation = await chat(any_database)
    await verified(any_database, conversation)
    await erase(any_database, conversation, config)
    result = await import_orders(any_database, write(tmp_path, ANA.format(ref="", email="ana@example.com")), mappings)
    assert (result.customers_new, result.orders_unchanged) == (0, 1)
    (customer,) = await rows(any_database, Customer)
    assert customer.email == ""


async def test_what_is_planned_and_recorded_goes(any_database: Database, config: Config, tmp_path: Path) -> None:
    """In every chat of the customer: surveys are not sent any more, tickets have no history of words."""
    await import_orders(
        any_database, write(tmp_path, ANA.format(ref="7", email="a@example.com")), config.settings.orders.imports
    )
    ids = [await chat(any_database, number) for number in (1, 2)]
    await verified(any_database, *ids)
    async with any_database.begin() as session:
        for number in ids:
            conversation = await session.get_one(Conversation, number)
            opened = await tickets.open_ticket(
                session,
                conversation,
                kind=TicketType.DAMAGED,
                severity=None,
                order_number="100234",
                description="secret",
                language="en",
            )
            await tickets.record(session, opened, "customer", "note", words="secret")
            assert await surveys.plan(session, conversation, config.settings.surveys, "conversation_closed")
    await erase(any_database, ids[0], config)
    cancelled = {(survey.status, survey.reason) for survey in await rows(any_database, Survey)}
    assert cancelled == {(SurveyStatus.CANCELLED, "erased")}
    events = await rows(any_database, TicketEvent)
    assert len(events) == 4 and all(event.detail == {} for event in events)


async def _handled(database: Database, conversation_id: int) -> None:
    """What the engine does after the action: the answer, the transcript, the event's end."""
    async with database.begin() as session:
        conversation = await session.get_one(Conversation, conversation_id)
        row = (await session.scalars(select(Inbox).where(Inbox.conversation_id == conversation_id))).one()
        said = {
            "conversation_id": conversation_id,
            "author": Author.CUSTOMER,
            "agent_id": None,
            "text": "secret",
            "language": "",
            "parse": {"secret": 1},
            "inbox_id": row.id,
            "outbox_id": None,
            "created_at": now(),
        }
        await post(session, conversation, [Rendered("done", "en")], Author.BOT, inbox_id=row.id, transcript=[said])
        row.status, row.handled_at = InboxStatus.DONE, now()


async def _sweep(database: Database) -> None:
    """The newest sweep's time has come."""
    async with database.begin() as session:
        timer = (await session.scalars(select(Timer).where(Timer.kind == privacy.SWEEP).order_by(Timer.id))).all()[-1]
        await privacy.sweep(session, timer.payload)


async def test_what_was_on_its_way_goes_later(any_database: Database, config: Config) -> None:
    """Queued texts are sent and then blanked; dead letters go at once, and are never sent again."""
    number = await chat(any_database)
    async with any_database.begin() as session:
        conversation = await session.get_one(Conversation, number)
        texts = [Rendered("secret", "en") for _ in range(3)]
        waiting, dead, sent = await post(session, conversation, texts, Author.BOT)
        await session.execute(update(Outbox).where(Outbox.id == dead).values(status=OutboxStatus.DEAD))
        values = {"status": OutboxStatus.SENT, "sent_at": now()}
        await session.execute(update(Outbox).where(Outbox.id == sent).values(**values))
    await erase(any_database, number, config)
    assert [row.body["text"] for row in await rows(any_database, Outbox)] == ["secret", "[erased]", "[erased]"]
    await _handled(any_database, number)
    async with any_database.begin() as session:
        assert await retry(session) == 0
    await _sweep(any_database)
    assert (await rows(any_database, Outbox))[0].body["text"] == "secret", "it has not left yet"
    assert [row.event for row in await rows(any_database, Inbox)] == [{}]
    assert "secret" not in {message.text for message in await rows(any_database, Message)}
    assert all(message.parse is None for message in await rows(any_database, Message))
    async with any_database.begin() as session:
        await session.execute(update(Outbox).where(Outbox.id == waiting).values(**values))
    await _sweep(any_database)
    texts_left = [row.body["text"] for row in await rows(any_database, Outbox)]
    assert texts_left == ["[erased]", "[erased]", "[erased]", "done"]
    swept = [timer for timer in await rows(any_database, Timer) if timer.kind == privacy.SWEEP]
    assert len(swept) == 2, "nothing is left to sweep"


async def test_what_never_leaves_is_given_up(any_database: Database, config: Config) -> None:
    """A day later nothing of it is sent any more."""
    number = await chat(any_database)
    async with any_database.begin() as session:
        conversation = await session.get_one(Conversation, number)
        await post(session, conversation, [Rendered("secret", "en")], Author.BOT)
    await erase(any_database, number, config)
    await _handled(any_database, number)
    for _ in range(privacy.SWEEPS):
        await _sweep(any_database)
    one, answer = await rows(any_database, Outbox)
    assert (one.status, one.body["text"]) == (OutboxStatus.DEAD, "[erased]")
    assert (answer.status, answer.body["text"]) == (OutboxStatus.PENDING, "done")


async def test_what_is_said_afterwards_stays(any_database: Database, config: Config) -> None:
    """The sweep covers what was there at the time of the request and nothing later."""
    number = await chat(any_database)
    await erase(any_database, number, config)
    await _handled(any_database, number)
    async with any_database.begin() as session:
        await store(session, [Inbound("later", Address("web", "c1", "u"), "a new question")])
        await session.execute(update(Inbox).values(status=InboxStatus.DONE))
    await _sweep(any_database)
    assert [bool(row.event) for row in await rows(any_database, Inbox)] == [False, True]


async def _called_back(database: Database, number: int, phone: str) -> int:
    """A customer waits to be called at a number, from tomorrow on."""
    async with database.begin() as session:
        conversation = await session.get_one(Conversation, number)
        row = await handoff.begin(session, conversation, "asked", HandoffSettings())
        await handoff.end(session, conversation, callbacks.CALLBACK)
        row.phone = phone
        key = callbacks.timer_of(row.id)
        await timers.schedule(session, callbacks.CALL, now() + timedelta(days=1), {"handoff": row.id}, key=key)
        return row.id


async def test_nobody_is_called_whose_number_is_erased(any_database: Database, config: Config) -> None:
    """The planned call is called off; one that is asked for later keeps its number when the rest is swept."""
    number = await chat(any_database)
    await _called_back(any_database, number, "+34600123456")
    await erase(any_database, number, config)
    assert [row.phone for row in await rows(any_database, Handoff)] == [""]
    assert callbacks.CALL not in {timer.kind for timer in await rows(any_database, Timer)}
    await _handled(any_database, number)
    await _called_back(any_database, number, "+31612345678")
    await _sweep(any_database)
    assert [row.phone for row in await rows(any_database, Handoff)] == ["", "+31612345678"]
    assert callbacks.CALL in {timer.kind for timer in await rows(any_database, Timer)}


async def test_what_was_begun_to_be_written_about_a_ticket_goes(any_database: Database, config: Config) -> None:
    """A note that an agent has not sent yet may hold what the customer said."""
    number = await chat(any_database)
    async with any_database.begin() as session:
        user = User(username="sam", name="Sam", password_hash="", role=Role.AGENT)
        conversation = await session.get_one(Conversation, number)
        session.add(user)
        opened = await tickets.open_ticket(
            session,
            conversation,
            kind=TicketType.DAMAGED,
            severity=None,
            order_number="",
            description="secret",
            language="en",
        )
        for place in (drafts.ticket_place(opened.id), drafts.ticket_place(opened.id + 1)):
            await drafts.keep(session, user.id, place, "secret")
    await erase(any_database, number, config)
    async with any_database.read() as session:
        assert list(await session.scalars(select(Draft.place))) == ["/desk/tickets/2/note"]
