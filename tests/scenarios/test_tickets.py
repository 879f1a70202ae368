"""Conversations about tickets that are there already: duplicates, corrections, reopening, and rules of severity."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from bot import agents
from bot.app import App
from bot.services import ticket_life, timers
from bot.services.severity import mentions
from bot.services.ticket_life import Change
from bot.storage import now, signal
from bot.storage.models import Customer as CustomerRow
from bot.storage.models import (
    Outbox,
    Severity,
    StoredFile,
    Ticket,
    TicketEvent,
    TicketStatus,
    TicketType,
    Timer,
    TimerStatus,
)
from tests.conftest import StartDesk
from tests.customer import Agent, Customer, RestChannel, eventually

BROKEN = "My tea set from order 100236 arrived completely broken, two cups are in pieces"
AGAIN = "The tea set of order 100236 is broken, and now I see that the pot is cracked as well"


async def tickets(desk: App) -> list[Ticket]:
    """All tickets, oldest first."""
    async with desk.database.read() as session:
        return list(await session.scalars(select(Ticket).order_by(Ticket.id)))


async def history(desk: App, ticket: int, *kinds: str) -> list[TicketEvent]:
    """What was recorded of a ticket, oldest first, all or only these kinds."""
    async with desk.database.read() as session:
        found = await session.scalars(
            select(TicketEvent).where(TicketEvent.ticket_id == ticket).order_by(TicketEvent.id)
        )
        return [event for event in found if not kinds or event.kind in kinds]


async def becomes(desk: App, agent: Agent, status: TicketStatus, ticket: int = 1) -> None:
    """An agent changes a ticket's status."""
    codes = desk.config.settings.tickets
    change = Change(status, "because", codes.root_causes[0], codes.resolutions[0])
    async with desk.database.begin() as session:
        await agents.set_ticket_status(session, desk.voice, ticket, change, agent.user, desk.config.settings)


async def resolved_ago(desk: App, days: int) -> None:
    """The first ticket was resolved so many days ago, and its timer is due accordingly."""
    then = now() - timedelta(days=days)
    async with desk.database.begin() as session:
        await session.execute(update(Ticket).values(resolved_at=then))
        due = then + timedelta(days=desk.config.settings.tickets.reopen_days)
        await session.execute(update(Timer).where(Timer.kind == ticket_life.CLOSE).values(due_at=due))
        signal(session, timers.TOPIC)


async def complains(customer: Customer, text: str = BROKEN) -> None:
    """A whole complaint."""
    await customer.says(text)
    await customer.says("skip")


class TestDuplicates:
    """The same order, the same type, still worked on: no second ticket unless it is wanted."""

    @pytest.mark.parametrize("answer", ["button", "yes"])
    async def test_words_are_added(self, desk: App, customer: Customer, answer: str) -> None:
        """By button or typed: the words are in the first ticket's history, and there is no second one."""
        await complains(customer)
        await complains(customer, AGAIN)
        customer.sees("already have ticket T-000001", "[Add to T-000001]", "[Open a new one]")
        await (customer.presses("Add to T-000001") if answer == "button" else customer.says("yes"))
        customer.sees("added it to ticket T-000001")
        assert [ticket.description for ticket in await tickets(desk)] == [BROKEN]
        (added,) = await history(desk, 1, "added")
        assert (added.actor, added.detail["words"]) == ("customer", AGAIN)

    @pytest.mark.parametrize("answer", ["button", "no"])
    async def test_a_new_one_is_opened_on_request(self, desk: App, customer: Customer, answer: str) -> None:
        """Nothing is lost when the customer says no."""
        await complains(customer)
        await complains(customer, AGAIN)
        await (customer.presses("Open a new one") if answer == "button" else customer.says("no"))
        customer.sees("T-000002")
        assert [ticket.description for ticket in await tickets(desk)] == [BROKEN, AGAIN]
        assert await history(desk, 1, "added") == []

    async def test_the_button_belongs_to_its_question(self, desk: App, customer: Customer) -> None:
        """Pressed once more after it was answered it adds nothing."""
        await complains(customer)
        await complains(customer, AGAIN)
        question = list(customer.seen)
        await customer.presses("Open a new one")
        customer.seen = question
        await customer.presses("Add to T-000001")
        customer.sees("no longer open")
        assert await history(desk, 1, "added") == []

    async def test_numbers_are_compared_as_order_numbers(self, desk: App, customer: Customer) -> None:
        """Another way of writing the number is the same order; another order is another matter."""
        await complains(customer)
        await complains(customer, BROKEN.replace("100236", "100400"))
        customer.sees("T-000002")
        async with desk.database.begin() as session:
            await session.execute(update(Ticket).where(Ticket.id == 1).values(order_number="1002-36"))
        await complains(customer, AGAIN)
        customer.sees("already have ticket T-000001")

    async def test_another_type_and_another_chat_are_no_duplicates(self, desk: App, customer: Customer) -> None:
        """A billing problem of the same order, and a stranger who names the same number, get tickets of their own."""
        await complains(customer)
        await complains(customer, "my card was charged twice for order 100236, I need the money back")
        customer.sees("T-000002")
        stranger = Customer(RestChannel(desk))
        await complains(stranger)
        stranger.sees("T-000003")
        stranger.sees_not("T-000001")

    async def test_what_is_resolved_is_no_duplicate(self, desk: App, customer: Customer, agent: Agent) -> None:
        """A new problem after the old one was solved is a new ticket."""
        await complains(customer)
        await becomes(desk, agent, TicketStatus.RESOLVED)
        await customer.says("5")
        await customer.says("no thanks")
        await complains(customer, AGAIN)
        customer.sees("T-000002")

    async def test_the_same_customer_in_another_chat(self, desk: App, customer: Customer) -> None:
        """Once verified, a ticket from elsewhere is known; answering what the desk waited for opens it again."""
        await customer.says("where is order 100236? ana@example.com")
        await complains(customer)
        async with desk.database.begin() as session:
            await session.execute(update(Ticket).values(status=TicketStatus.PENDING_CUSTOMER))
        elsewhere = Customer(RestChannel(desk))
        await elsewhere.says("where is order 100236? ana@example.com")
        await complains(elsewhere, AGAIN)
        await elsewhere.presses("Add to T-000001")
        elsewhere.sees("added it to ticket T-000001", "being worked on")
        assert [ticket.status for ticket in await tickets(desk)] == [TicketStatus.OPEN]

    async def test_new_files_go_along(self, desk: App, customer: Customer) -> None:
        """A file sent with the second complaint hangs on the first ticket once that is what they want."""
        await complains(customer)
        await customer.says(AGAIN)
        async with desk.database.begin() as session:
            session.add(StoredFile(conversation_id=1, kind="image", ref="x", mime="image/png"))
        await customer.says("skip")
        await customer.presses("Add to T-000001")
        async with desk.database.read() as session:
            assert list(await session.scalars(select(StoredFile.ticket_id))) == [1]
        (added,) = await history(desk, 1, "added")
        assert added.detail["files"] == 1


async def test_the_type_is_put_right_with_a_press(desk: App, customer: Customer) -> None:
    """What was understood is said; the customer says what it is, and that is recorded."""
    await complains(customer)
    await customer.presses("Not “damaged”?")
    await customer.presses("Wrong item")
    customer.sees("T-000001 is now recorded as “wrong item”")
    (ticket,) = await tickets(desk)
    assert ticket.type is TicketType.WRONG_ITEM
    (changed,) = await history(desk, 1, "type")
    assert (changed.actor, changed.detail["before"], changed.detail["after"]) == ("customer", "damaged", "wrong_item")


class TestReopening:
    """A resolved ticket can be opened again for a while; then it is closed by itself."""

    async def test_it_is_not_solved(self, desk: App, customer: Customer, agent: Agent) -> None:
        """The button, the words, open again: recorded, the clock stopped, the first date kept."""
        await complains(customer)
        (before,) = await tickets(desk)
        await becomes(desk, agent, TicketStatus.RESOLVED)
        await customer.says("what is the status of ticket T-000001?")
        customer.sees("resolved")
        await customer.presses("It is not solved")
        customer.sees("What is not solved yet?")
        await customer.says("The new cups arrived broken too")
        customer.sees("Ticket T-000001 is open again")
        (after,) = await tickets(desk)
        assert (after.status, after.resolved_at, after.root_cause) == (TicketStatus.OPEN, None, "")
        assert after.created_at == before.created_at
        (event,) = await history(desk, 1, "reopened")
        assert (event.actor, event.detail["words"]) == ("customer", "The new cups arrived broken too")
        async with desk.database.read() as session:
            clocks = select(Timer).where(Timer.kind == ticket_life.CLOSE)
            assert (await session.scalars(clocks)).all() == []

    async def test_of_several_each_has_its_button(self, desk: App, customer: Customer, agent: Agent) -> None:
        """The titles carry the numbers, and only what is resolved has one."""
        await complains(customer)
        await complains(customer, BROKEN.replace("100236", "100400"))
        await becomes(desk, agent, TicketStatus.RESOLVED)
        await customer.says("any news on my complaint?")
        customer.sees("T-000001", "T-000002", "[T-000001: not solved]")
        customer.sees_not("[T-000002: not solved]", "[It is not solved]")

    async def test_the_timer_closes_it(self, desk: App, customer: Customer, agent: Agent) -> None:
        """After the days it is closed, recorded and told; the button is gone."""
        await complains(customer)
        await becomes(desk, agent, TicketStatus.RESOLVED)

        async def asked() -> bool:
            async with desk.database.read() as session:
                return any("How satisfied" in row.body["text"] for row in await session.scalars(select(Outbox)))

        await eventually(asked)
        await resolved_ago(desk, 15)

        async def closed() -> bool:
            return [ticket.status for ticket in await tickets(desk)] == [TicketStatus.CLOSED]

        await eventually(closed)
        last = (await history(desk, 1))[-1]
        assert (last.actor, last.detail["after"]) == ("system", "closed")
        async with desk.database.read() as session:
            said = [row.body["text"] for row in await session.scalars(select(Outbox).order_by(Outbox.id))]
        assert said[-1] == "Your ticket T-000001 is now closed."
        await customer.says("what is the status of ticket T-000001?")
        customer.sees("closed")
        customer.sees_not("not solved")

    async def test_a_timer_of_a_reopened_ticket_does_nothing(self, desk: App, customer: Customer, agent: Agent) -> None:
        """Even one that runs although the ticket is worked on again, or was resolved anew only now."""
        await complains(customer)
        await becomes(desk, agent, TicketStatus.RESOLVED)
        await becomes(desk, agent, TicketStatus.OPEN)
        for expected in (TicketStatus.OPEN, TicketStatus.RESOLVED):
            async with desk.database.begin() as session:
                session.add(Timer(kind=ticket_life.CLOSE, payload={"ticket": 1}, due_at=now()))
                signal(session, timers.TOPIC)
            if expected is TicketStatus.RESOLVED:
                await becomes(desk, agent, TicketStatus.RESOLVED)

            async def done() -> bool:
                async with desk.database.read() as session:
                    due = select(Timer.id).where(Timer.status == TimerStatus.PENDING, Timer.due_at <= now())
                    return await session.scalar(due) is None

            await eventually(done, 10)
            assert [ticket.status for ticket in await tickets(desk)] == [expected]

    async def test_too_late_is_a_new_ticket(self, desk: App, customer: Customer, agent: Agent) -> None:
        """An old button of a closed ticket begins a new one about the same order."""
        await complains(customer)
        await becomes(desk, agent, TicketStatus.RESOLVED)
        await customer.says("what is the status of ticket T-000001?")
        old = list(customer.seen)
        await becomes(desk, agent, TicketStatus.CLOSED)
        customer.seen = old
        await customer.presses("It is not solved")
        customer.sees("Ticket T-000001 is closed", "describe")
        await customer.says("The new cups arrived broken too")
        await customer.presses("Skip")
        customer.sees("T-000002")
        (first, second) = await tickets(desk)
        assert (first.status, second.type, second.order_number) == (TicketStatus.CLOSED, first.type, "100236")

    async def test_other_peoples_tickets_stay_closed(self, desk: App, customer: Customer, agent: Agent) -> None:
        """A forged button of somebody else's ticket finds nothing."""
        await complains(customer)
        await becomes(desk, agent, TicketStatus.RESOLVED)
        stranger = Customer(RestChannel(desk))
        for purpose in ("#reopen", "#correct", ""):
            await stranger.says(f'/ticket_status{{"ticket_number": "T-000001{purpose}"}}')
            stranger.sees("can't find ticket T-000001")
        assert [ticket.status for ticket in await tickets(desk)] == [TicketStatus.RESOLVED]


WORDS = {"words": {"en": ["leak*"], "es": ["gotea"]}, "raise_to": "high", "name": "Water"}


async def ruled(start_desk: StartDesk, shop: Any, *rules: dict[str, Any]) -> tuple[App, Customer]:
    """A desk with these rules, and someone who writes to it."""
    desk = await start_desk({"tickets": {"severity_rules": list(rules)}}, only=frozenset({"rest"}))
    await shop(desk)
    return desk, Customer(RestChannel(desk))


class TestSeverityRules:
    """What the merchant's rules raise, and what they leave alone."""

    async def test_the_highest_rule_counts_and_is_recorded(self, start_desk: StartDesk, shop: Any) -> None:
        """Two rules hold: the history names the higher one, and what the severity was before."""
        desk, customer = await ruled(start_desk, shop, WORDS, {"types": ["damaged"], "raise_to": "critical"})
        await complains(customer, "The kettle from order 100236 arrived broken and it is Leaking everywhere")
        (ticket,) = await tickets(desk)
        assert ticket.severity is Severity.CRITICAL
        (raised,) = await history(desk, 1, "severity")
        assert (raised.actor, raised.detail["after"], raised.detail["rule"]) == ("system", "critical", "#2")
        assert Severity(raised.detail["before"]) in (Severity.NORMAL, Severity.HIGH)

    async def test_all_conditions_must_hold(self, start_desk: StartDesk, shop: Any) -> None:
        """The word alone is not enough where a type is wanted too; nothing is ever lowered."""
        desk, customer = await ruled(
            start_desk,
            shop,
            WORDS | {"types": ["late"], "raise_to": "critical"},
            {"types": ["damaged"], "raise_to": "low"},
        )
        await complains(customer, "The kettle from order 100236 arrived broken and it is leaking everywhere")
        (ticket,) = await tickets(desk)
        assert ticket.severity in (Severity.NORMAL, Severity.HIGH)
        assert await history(desk, 1, "severity") == []

    async def test_amount_and_tier_count_for_proved_customers(self, start_desk: StartDesk, shop: Any) -> None:
        """A number that is merely named raises nothing; the proved order and its customer do."""
        rule = {"order_amount_at_least": 72.5, "tiers": ["Gold"], "raise_to": "critical", "name": "Dear"}
        desk, customer = await ruled(start_desk, shop, rule)
        async with desk.database.begin() as session:
            await session.execute(update(CustomerRow).values(tier="gold"))
        await complains(customer)
        await customer.says("where is order 100236? ana@example.com")
        await complains(customer, AGAIN)
        await customer.presses("Open a new one")
        named, proved = await tickets(desk)
        assert (named.severity is Severity.CRITICAL, proved.severity) == (False, Severity.CRITICAL)

    async def test_a_small_amount_raises_nothing(self, start_desk: StartDesk, shop: Any) -> None:
        """An order below the amount."""
        desk, customer = await ruled(start_desk, shop, {"order_amount_at_least": 99999, "raise_to": "critical"})
        await customer.says("where is order 100236? ana@example.com")
        await complains(customer)
        assert await history(desk, 1, "severity") == []

    async def test_complaining_again(self, start_desk: StartDesk, shop: Any) -> None:
        """The second complaint of a chat within the days is raised; after them it is not."""
        rule = {"repeat_within_days": 30, "raise_to": "critical"}
        desk, customer = await ruled(start_desk, shop, rule)
        await complains(customer)
        assert await history(desk, 1, "severity") == []
        await complains(customer, BROKEN.replace("100236", "100400"))
        assert [ticket.severity for ticket in await tickets(desk)][1] is Severity.CRITICAL
        async with desk.database.begin() as session:
            await session.execute(update(Ticket).values(created_at=now() - timedelta(days=31)))
        await complains(customer, BROKEN.replace("100236", "100235"))
        assert await history(desk, 3, "severity") == []

    async def test_added_words_raise_it_too(self, start_desk: StartDesk, shop: Any) -> None:
        """What is told later counts like what is told at first."""
        desk, customer = await ruled(start_desk, shop, WORDS | {"raise_to": "critical"})
        await complains(customer)
        await complains(customer, AGAIN + ", and the pot leaks")
        await customer.presses("Add to T-000001")
        (ticket,) = await tickets(desk)
        assert ticket.severity is Severity.CRITICAL


@pytest.mark.parametrize(
    ("language", "grave", "harmless"),
    [
        ("en", "My daughter was INJURED by it", "the smoked salmon was fine"),
        ("es", "Voy a llamar a la policia", "el policíaco es una novela"),
        ("fr", "l'appareil a pris feu", "un feu de joie en photo"),
        ("de", "Mein Rechtsanwalt meldet sich", "die Lampe brennt nicht"),
        ("pt", "vou ao PROCON amanha", "procurei a encomenda"),
        ("it", "chiamo il mio avvocato", "un avvolgibile rotto"),
        ("nl", "het apparaat vloog in brand", "het brandt niet"),
        ("ru", "Обращусь к адвокату", "мне не хватает сосуда"),
        ("tr", "AVUKATIMA gideceğim", "yeni kutu açıldı"),
        ("ar", "سأتصل بالمحامي", "أسكن في المحافظة"),
        ("hi", "फ़ोन में आग लग गई", "मुझे आगे क्या करना है"),
        ("zh-Hans", "充电器冒烟了", "我在等火车"),
        ("zh-Hant", "充電器冒煙了", "我在等火車"),
        ("ja", "火傷をしました", "火曜日に届きました"),
        ("ko", "변호사와 상담하겠습니다", "사기 전에 물어봤어요"),
    ],
)
def test_the_shipped_words_know_every_language(desk_rules: Any, language: str, grave: str, harmless: str) -> None:
    """Grave words are found whatever their case, accents and endings; words that merely look alike are not."""
    found = {
        text: any(mentions(text, rule.words.get(language, ())) for rule in desk_rules) for text in (grave, harmless)
    }
    assert found == {grave: True, harmless: False}


@pytest.fixture
def desk_rules(config: Any) -> Any:
    """The shipped rules that look for words."""
    return [rule for rule in config.settings.tickets.severity_rules if rule.words]


def test_every_language_has_words(config: Any, desk_rules: Any) -> None:
    """No customer's injury or threat goes unnoticed for want of a list."""
    assert len(desk_rules) == 2
    for rule in desk_rules:
        assert set(rule.words) == set(config.settings.languages)
