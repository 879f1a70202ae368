"""Conversations that go crooked: hesitation, interruptions, typing errors, changes of mind."""

from __future__ import annotations

from sqlalchemy import func, select

from bot import agents
from bot.app import App
from bot.config import HandoffSettings
from bot.services import handoff
from bot.services.ticket_life import Change
from bot.storage.models import Conversation, Handoff, OrderRow, StoredFile, Survey, SurveyStatus, Ticket, TicketStatus
from bot.storage.models import Customer as CustomerRow
from tests.customer import Agent, Customer, RestChannel, eventually


async def cancelled(desk: App) -> list[str]:
    """The orders that are cancelled."""
    async with desk.database.read() as session:
        return list(await session.scalars(select(OrderRow.number).where(OrderRow.status == "cancelled")))


class TestIrreversible:
    """What cannot be undone happens only on a clear yes to the very question that was just asked."""

    async def test_a_yes_with_another_number(self, desk: App, customer: Customer) -> None:
        """ "Yes, cancel 100400" is not a yes to 100235."""
        await customer.says("cancel order 100235, ana@example.com")
        await customer.says("yes, cancel 100236")
        assert await cancelled(desk) == []

    async def test_a_question_is_not_a_yes(self, desk: App, customer: Customer) -> None:
        """ "ok?" has the question asked again; "yes" then counts."""
        await customer.says("cancel order 100235, ana@example.com")
        await customer.says("ok?")
        assert await cancelled(desk) == []
        customer.sees("Shall I cancel order 100235")
        await customer.says("yes")
        assert await cancelled(desk) == ["100235"]

    async def test_ok_to_something_else(self, desk: App, customer: Customer) -> None:
        """After a digression "ok" may be meant for its answer, so the question is asked once more."""
        await customer.says("cancel order 100235, ana@example.com")
        await customer.says("do you ship to Chile?")
        customer.sees("60 countries", "Shall I cancel order 100235")
        await customer.says("ok")
        assert await cancelled(desk) == []
        customer.sees("Shall I cancel order 100235")
        await customer.presses("Yes, cancel it")
        assert await cancelled(desk) == ["100235"]

    async def test_deletion_does_not_come_back_by_itself(self, desk: App, customer: Customer) -> None:
        """A deletion that was left for something else is not asked about again behind it."""
        await customer.says("where is order 100235? ana@example.com")
        await customer.says("delete all my personal data")
        customer.sees("Shall I delete")
        await customer.says("cancel order 100235")
        await customer.says("no")
        customer.sees_not("delete")
        await customer.says("well yes, cancel it")
        async with desk.database.read() as session:
            erased = select(func.count()).select_from(CustomerRow).where(CustomerRow.erased_at.is_not(None))
            assert await session.scalar(erased) == 0

    async def test_a_survey_in_the_middle(self, desk: App, customer: Customer, agent: Agent) -> None:
        """A "1" under a survey is a rating, not the first button of the question before it."""
        await customer.says("My tea set from order 100236 arrived completely broken, two cups are in pieces")
        await customer.says("skip")
        await customer.says("cancel order 100235, ana@example.com")
        async with desk.database.begin() as session:
            ticket = (await session.scalars(select(Ticket))).one()
            codes = desk.config.settings.tickets
            change = Change(TicketStatus.RESOLVED, "", codes.root_causes[0], codes.resolutions[0])
            await agents.set_ticket_status(session, desk.voice, ticket.id, change, agent.user, desk.config.settings)

        async def asked() -> bool:
            async with desk.database.read() as session:
                return bool(await session.scalar(select(Survey.id).where(Survey.status == SurveyStatus.SENT)))

        await eventually(asked)
        await customer.says("1")
        assert await cancelled(desk) == []
        async with desk.database.read() as session:
            assert (await session.scalars(select(Survey.score))).one() == 1

    async def test_a_person_was_here_meanwhile(self, desk: App, customer: Customer, agent: Agent) -> None:
        """What the bot asked before an agent stepped in is no longer open afterwards."""
        await customer.says("cancel order 100235, ana@example.com")
        chat = await agent.conversation(customer.channel.sender)
        async with desk.database.begin() as session:
            await agents.take_over(session, chat, agent.user, HandoffSettings())
        await agent.replies(chat, "Shall we keep it and send it tomorrow?")
        await agent.gives_back(chat)
        await customer.says("ok")
        assert await cancelled(desk) == []


class TestProof:
    """Proving that an order is one's own, with the slips that people make."""

    async def test_a_typing_error_in_the_address(self, customer: Customer) -> None:
        """Only the address is given again."""
        await customer.says("where is order 100234?")
        await customer.says("anna@example.com")
        customer.sees("can't find order 100234")
        await customer.says("sorry, ana@example.com")
        customer.sees("100234", "is on its way")

    async def test_a_typing_error_in_the_number(self, customer: Customer) -> None:
        """Only the number is given again."""
        await customer.says("where is order 100243?")
        await customer.says("ana@example.com")
        customer.sees("can't find order 100243")
        await customer.says("100234")
        customer.sees("100234", "is on its way")

    async def test_nothing_at_hand(self, customer: Customer) -> None:
        """Without number or address a person is offered."""
        await customer.says("where is my order?")
        await customer.says("no")
        customer.sees("colleague", "[Talk to a person]")

    async def test_the_proof_alone(self, customer: Customer) -> None:
        """A number, then an address, without a word about what for: the order is shown."""
        await customer.says("100234")
        customer.sees("What would you like to know about order 100234")
        await customer.says("ana@example.com")
        customer.sees("100234", "is on its way")

    async def test_someone_else_at_the_same_chat(self, desk: App, customer: Customer) -> None:
        """Another person's proof ends what the first had begun."""
        await customer.says("cancel order 100235, ana@example.com")
        await customer.says("where is order CN-2024-88121? li.wei@example.com")
        customer.sees("CN-2024-88121")
        customer.sees_not("100235")
        await customer.says("yes")
        assert await cancelled(desk) == []


class TestMemory:
    """What was just spoken of need not be said again."""

    async def test_can_i_cancel_it(self, desk: App, customer: Customer) -> None:
        """ "It" is the order just shown."""
        await customer.says("where is order 100235? ana@example.com")
        await customer.says("ok can i cancel it?")
        customer.sees("Shall I cancel order 100235")

    async def test_not_without_proof(self, customer: Customer) -> None:
        """An order that was only named is not shown."""
        await customer.says("100234")
        await customer.says("where is it")
        customer.sees_not("PostNL", "89.90")


class TestComplaints:
    """Nothing that was told is thrown away."""

    async def test_the_kind_is_not_asked_for_ever(self, desk: App, customer: Customer) -> None:
        """Told in words instead of by button: the story is kept, the kind is left to a person."""
        await customer.says("I have a complaint")
        await customer.says("the sleeves are sewn together at the bottom so nobody could wear it")
        await customer.says("skip")
        await customer.says("skip")
        customer.sees("T-000001")
        async with desk.database.read() as session:
            ticket = (await session.scalars(select(Ticket))).one()
        assert "sleeves are sewn together" in ticket.description

    async def test_delivered_but_not_received(self, desk: App, customer: Customer) -> None:
        """One press under a delivered order opens a case about exactly that."""
        await customer.says("where is order 100236? ana@example.com")
        await customer.presses("I haven't received it")
        await customer.says("the neighbours have not seen it either, please look into it")
        await customer.presses("Skip")
        async with desk.database.read() as session:
            ticket = (await session.scalars(select(Ticket))).one()
        assert (ticket.type.value, ticket.order_number) == ("not_delivered", "100236")

    async def test_a_double_press_on_skip(self, desk: App, customer: Customer) -> None:
        """The second press of the same button does not drop the complaint."""
        await customer.says("I want to make a complaint")
        await customer.presses("Damaged")
        shown = customer.seen
        await customer.presses("Skip")
        customer.seen = shown
        await customer.presses("Skip")
        await customer.says("The tea set is broken into a hundred pieces, sadly")
        await customer.says("skip")
        async with desk.database.read() as session:
            assert await session.scalar(select(func.count()).select_from(Ticket)) == 1


async def test_goodbye_ends_what_was_open(customer: Customer) -> None:
    """Nobody is called back to a question after a farewell."""
    await customer.says("where is my order?")
    await customer.says("bye bye, see you")
    customer.sees("Goodbye")
    customer.sees_not("order number")


async def test_an_address_does_not_change_the_language(customer: Customer) -> None:
    """A Spanish street in an English conversation."""
    await customer.says("I need to change the delivery address of order 100235, ana@example.com")
    await customer.says("Calle Mayor 5, 28013 Madrid, segundo izquierda")
    customer.sees("colleague")


async def test_a_yes_to_nothing_shows_what_can_be_done(customer: Customer) -> None:
    """With something to press."""
    await customer.says("yes")
    customer.sees("[Track an order]")


async def test_the_hand_over_stays_with_an_agent_who_answers(desk: App, customer: Customer, agent: Agent) -> None:
    """The time-out is for those nobody attends to."""
    from bot.storage import now, signal
    from bot.storage.models import Timer, TimerStatus

    await customer.says("I want to talk to a person")
    chat = await agent.conversation(customer.channel.sender)
    await agent.replies(chat, "Hello, I am here.")
    async with desk.database.begin() as session:
        timer = (await session.scalars(select(Timer).where(Timer.kind == handoff.TIMEOUT))).one()
        timer.due_at = now()
        signal(session, "timers")

    async def done() -> bool:
        async with desk.database.read() as session:
            due = select(Timer.id).where(Timer.status == TimerStatus.PENDING, Timer.due_at <= now())
            return not (await session.scalars(due)).all()

    await eventually(done)
    async with desk.database.read() as session:
        open_one = (await session.scalars(select(Handoff).where(Handoff.ended_at.is_(None)))).all()
        owner = (await session.get_one(Conversation, chat)).owner
    assert len(open_one) == 1 and owner.value == "person"


async def test_strangers_do_not_see_each_other(desk: App) -> None:
    """Two chats at once: verification, memory and files belong to one of them."""
    ana, other = Customer(RestChannel(desk)), Customer(RestChannel(desk))
    await ana.says("where is order 100234? ana@example.com")
    await other.says("where is it")
    other.sees_not("100234")
    async with desk.database.read() as session:
        assert await session.scalar(select(func.count()).select_from(StoredFile)) == 0
