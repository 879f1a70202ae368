"""Teams as a customer meets them: the queue, closed hours, call-backs, colleagues who leave."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, timedelta
from typing import Any, ClassVar

import pytest
from click.testing import CliRunner
from sqlalchemy import select, update

from bot import agents
from bot.__main__ import cli
from bot.app import App, build
from bot.config import Config, Settings
from bot.contracts import Author, Owner, Recognizer
from bot.services import assignment, callbacks, timers, users
from bot.services.handoff import HandoffError
from bot.services.tickets import TicketError
from bot.storage import now, signal
from bot.storage.models import Alert, Conversation, Handoff, Message, Role, Ticket, Timer, TimerStatus, User
from tests.conftest import StartDesk
from tests.customer import Agent, Customer, RestChannel, eventually
from tests.databases import prepared

ASK = {"en": "I want to talk to a person", "es": "quiero hablar con una persona", "zh-Hans": "我要找人工客服"}
ALL = {"name": "Service", "members": ["sam", "kim"], "assign": "round_robin", "capacity": 1}


def closed(days: int = 2) -> dict[str, Any]:
    """Settings of a team that opens again so many days from now, at nine in the morning, UTC."""
    today = now().astimezone(UTC).date()
    off: dict[str, list[str]] = {(today + timedelta(days=day)).isoformat(): [] for day in range(days)}
    hours = {"timezone": "UTC", "hours": {"mon-sun": ["09:00-23:00"]}, "special": off}
    return {"calendars": {"counter": hours}, "teams": [ALL | {"calendar": "counter"}]}


async def office(desk: App, *names: str) -> list[Agent]:
    """People who work here."""
    async with desk.database.begin() as session:
        return [Agent(desk, await users.add(session, name, name.title(), "a long password")) for name in names]


async def handoffs(desk: App) -> list[Handoff]:
    """All hand-overs, oldest first."""
    async with desk.database.read() as session:
        return list(await session.scalars(select(Handoff).order_by(Handoff.id)))


async def said(desk: App, chat: int) -> list[tuple[Author, str]]:
    """The transcript of a conversation."""
    query = select(Message.author, Message.text).where(Message.conversation_id == chat).order_by(Message.id)
    async with desk.database.read() as session:
        return [(row.author, row.text) for row in await session.execute(query)]


async def timer_is_due(desk: App, kind: str) -> None:
    """What is planned of a kind is due now; wait until the workers have seen to it."""
    async with desk.database.begin() as session:
        where = (Timer.kind == kind, Timer.status == TimerStatus.PENDING)
        ids = list(await session.scalars(select(Timer.id).where(*where)))
        assert ids, f"nothing of the kind {kind} is planned"
        await session.execute(update(Timer).where(Timer.id.in_(ids)).values(due_at=now()))
        signal(session, timers.TOPIC)

    async def done() -> bool:
        query = select(Timer.id).where(Timer.id.in_(ids), Timer.status == TimerStatus.PENDING)
        async with desk.database.read() as session:
            return not (await session.scalars(query)).all()

    await eventually(done)


async def a_desk(start_desk: StartDesk, shop: Any, changes: dict[str, Any]) -> App:
    """A desk with these settings and the test shop."""
    desk = await start_desk(changes, only=frozenset({"rest"}))
    await shop(desk)
    return desk


class TestTheQueue:
    """What is told at the start: nothing while somebody is free, else the place and, if known, the time."""

    WORDS: ClassVar = {
        "en": ("You are next", "one conversation before", "about 20 minutes"),
        "es": ("El siguiente turno es el tuyo", "conversación antes", "20 minutos"),
        "zh-Hans": ("下一位", "1", "20"),
    }

    @pytest.mark.parametrize("language", ["en", "es", "zh-Hans"])
    async def test_place_and_time(self, start_desk: StartDesk, shop: Any, language: str) -> None:
        """Free, then next, then one before and the minutes that the past suggests."""
        desk = await a_desk(start_desk, shop, {"teams": [ALL | {"members": ["sam"]}]})
        (sam,) = await office(desk, "sam")
        told = []
        for number in range(3):
            customer = Customer(RestChannel(desk, locale=language))
            if number == 2:
                await self.past(desk)
            await customer.says(ASK[language])
            told.append(customer)
            if number == 0:
                channel: Any = customer.channel
                await agents_claim(desk, await sam.conversation(channel.sender), sam)
        first, second, third = told
        next_one, before, minutes = self.WORDS[language]
        first.sees_not(next_one)
        second.sees(next_one)
        third.sees(before, minutes)

    @staticmethod
    async def past(desk: App) -> None:
        """Six hand-overs of yesterday, each ten minutes at the head of the line."""
        async with desk.database.begin() as session:
            for number in range(6):
                talk = Conversation(channel="rest", address_key=f"past{number}", chat="c", user="u")
                session.add(talk)
                await session.flush()
                begun = now() - timedelta(days=1, minutes=30 * number)
                claimed = begun + timedelta(minutes=10)
                session.add(
                    Handoff(
                        conversation_id=talk.id, reason="asked", team="Service",
                        started_at=begun, claimed_at=claimed, ended_at=claimed,
                    )
                )  # fmt: skip

    async def test_no_teams_no_queue(self, desk: App, customer: Customer) -> None:
        """Without teams nothing is told of a place, and nobody is asked."""
        await customer.says(ASK["en"])
        customer.sees("bringing in a colleague")
        customer.sees_not("next", "before yours", "[Call me back]")
        (row,) = await handoffs(desk)
        assert (row.team, row.steps) == ("", [])


async def agents_claim(desk: App, chat: int, agent: Agent) -> None:
    """An agent takes a conversation."""
    async with desk.database.begin() as session:
        await agents.claim(session, chat, agent.user)


class TestOutsideHours:
    """Closed: when somebody is back, and a call instead."""

    @pytest.mark.parametrize(
        ("language", "button", "bad", "asked", "planned"),
        [
            ("en", "Call me back", "my phone is 12", "can't read that", "will call you at +34 600 12 34 56"),
            ("es", "Quiero que me llamen", "es el 12", "teléfono", "+34 600 12 34 56"),
            ("zh-Hans", "请给我回电", "号码是12", "电话号码", "+34 600 12 34 56"),
        ],
    )
    async def test_a_call_is_planned(
        self, start_desk: StartDesk, shop: Any, language: str, button: str, bad: str, asked: str, planned: str
    ) -> None:
        """Pressed, asked for the number, planned; the bot serves meanwhile; at the opening a person has it."""
        desk = await a_desk(start_desk, shop, closed())
        await office(desk, "sam")
        customer = Customer(RestChannel(desk, locale=language))
        await customer.says(ASK[language])
        assert [title for message in customer.seen for title, _ in message.buttons] == [button]
        await customer.presses(button)
        (row,) = await handoffs(desk)
        assert (row.outcome, row.ended_at is not None) == ("callback", True)
        await customer.says(bad)
        customer.sees(asked)
        await customer.says("+34 600 12 34 56")
        customer.sees(planned)
        await customer.says("/track_order")
        assert customer.seen
        await timer_is_due(desk, callbacks.CALL)
        old, new = await handoffs(desk)
        assert (new.reason, new.phone, new.team, new.ended_at) == ("callback", "+34600123456", "Service", None)
        assert new.summary == old.summary != {}
        told = await said(desk, new.conversation_id)
        assert "+34 600 12 34 56" in told[-1][1]
        await customer.says("hello?")
        assert [message.text for message in customer.seen] == [told[-1][1]]

    async def test_who_waits_in_the_chat_keeps_the_place(self, start_desk: StartDesk, shop: Any) -> None:
        """The button is not pressed: silence, and the team is asked when it opens."""
        desk = await a_desk(start_desk, shop, closed())
        sam, kim = await office(desk, "sam", "kim")
        customer = Customer(RestChannel(desk))
        await customer.says(ASK["en"])
        customer.sees("back on", "[Call me back]")
        await customer.says("where is my order 100234?")
        customer.sees_nothing()
        (row,) = await handoffs(desk)
        assert (row.team, row.offered_to_id, row.ended_at) == ("Service", None, None)
        assert sam.user.id != kim.user.id

    async def test_the_number_on_record_is_taken(self, start_desk: StartDesk, shop: Any) -> None:
        """A verified customer is not asked for it."""
        desk = await a_desk(start_desk, shop, closed())
        await office(desk, "sam")
        customer = Customer(RestChannel(desk))
        await customer.says("where is my order 100234? ana@example.com")
        await customer.says(ASK["en"])
        await customer.presses("Call me back")
        customer.sees("will call you at +34 600 12 34 56", "from")

    async def test_typed_and_pressed_twice(self, start_desk: StartDesk, shop: Any) -> None:
        """Its number typed works where there are no buttons; once planned, the button is spent."""
        desk = await a_desk(start_desk, shop, closed())
        await office(desk, "sam")
        customer = Customer(RestChannel(desk))
        await customer.says(ASK["en"])
        question = list(customer.seen)
        await customer.says("1")
        customer.sees("At which telephone number")
        await customer.says("1234")
        customer.sees("can't read that")
        await customer.says("+44 20 7946 0000")
        customer.seen = question
        await customer.presses("Call me back")
        customer.sees("no longer open")
        assert len(await handoffs(desk)) == 1

    async def test_who_names_no_number_is_not_lost(self, start_desk: StartDesk, shop: Any) -> None:
        """They asked for a person: at the opening they wait in the chat again, for the reason they had."""
        desk = await a_desk(start_desk, shop, closed())
        await office(desk, "sam")
        customer = Customer(RestChannel(desk))
        await customer.says(ASK["en"])
        await customer.presses("Call me back")
        await customer.says("no")
        await timer_is_due(desk, callbacks.CALL)
        _, new = await handoffs(desk)
        assert (new.reason, new.phone, new.ended_at) == ("asked", "", None)
        assert "bringing in a colleague" in (await said(desk, new.conversation_id))[-1][1]

    async def test_open_but_nobody_there(self, start_desk: StartDesk, shop: Any) -> None:
        """Everybody is away: a call, arranged at once, and the agent's card says where to call."""
        from bot import cards
        from bot.storage.models import RoomRow

        desk = await a_desk(start_desk, shop, {"teams": [ALL]})
        for agent in await office(desk, "sam", "kim"):
            async with desk.database.begin() as session:
                await assignment.set_away(session, agent.user, True)
        customer = Customer(RestChannel(desk))
        await customer.says(ASK["en"])
        await customer.presses("Call me back")
        await customer.says("+34 600 12 34 56")
        customer.sees("A colleague will call you at +34 600 12 34 56")
        _, row = await handoffs(desk)
        async with desk.database.read() as session:
            room = RoomRow(handoff_id=row.id, conversation_id=row.conversation_id, channel="rest", chat="", since=0)
            card = await cards.build(session, desk.config.settings, room)
        assert ("Call back at", "+34 600 12 34 56") in card.lines and ("Team", "Service") in card.lines
        await customer.says("thanks")
        customer.sees_nothing()

    async def test_a_stranger_cannot_press_it(self, start_desk: StartDesk, shop: Any) -> None:
        """The button of another conversation does nothing there, and nothing here."""
        desk = await a_desk(start_desk, shop, closed())
        await office(desk, "sam")
        customer, stranger = Customer(RestChannel(desk)), Customer(RestChannel(desk))
        await customer.says(ASK["en"])
        payload = customer.seen[0].buttons[0][1]
        await stranger.says(payload)
        stranger.sees("no longer open")
        await stranger.says(ASK["en"])
        await stranger.says(payload)
        stranger.sees_nothing()
        assert [row.ended_at for row in await handoffs(desk)] == [None, None]


class TestColleagues:
    """Somebody leaves, passes on, or does not answer."""

    @pytest.mark.parametrize(
        ("language", "words"), [("en", "had to leave"), ("es", "ha tenido que"), ("zh-Hans", "同事")]
    )
    async def test_who_leaves_is_followed_by_another(
        self, start_desk: StartDesk, shop: Any, language: str, words: str
    ) -> None:
        """The conversation waits again, the other one is alerted, the customer is told once; the bot stays silent."""
        desk = await a_desk(start_desk, shop, {"teams": [ALL]})
        sam, kim = await office(desk, "sam", "kim")
        customer = Customer(RestChannel(desk, locale=language))
        await customer.says(ASK[language])
        channel: Any = customer.channel
        chat = await sam.conversation(channel.sender)
        await sam.replies(chat, "Hello, this is Sam.")
        async with desk.database.begin() as session:
            await assignment.set_away(session, sam.user, True)

        async def offered() -> bool:
            return (await handoffs(desk))[0].offered_to_id == kim.user.id

        await eventually(offered)
        async with desk.database.read() as session:
            talk = await session.get_one(Conversation, chat)
            alerts = (await session.scalars(select(Alert.key).where(Alert.user_id == kim.user.id))).all()
        assert (talk.owner, talk.agent_id, list(alerts)) == (Owner.QUEUE, None, ["alert.offered"])
        notices = [text for author, text in await said(desk, chat) if author is Author.NOTICE]
        assert len(notices) == 1 and words in notices[0]
        await customer.says("where is my order 100234?")
        assert [author for author, _ in await said(desk, chat)].count(Author.BOT) == 1
        await kim.replies(chat, "Kim here.")
        assert (await handoffs(desk))[0].agent_id == kim.user.id

    async def test_tickets_go_to_others_too(self, start_desk: StartDesk, shop: Any) -> None:
        """A complaint has an owner by turn; when they leave, another one, and it is recorded."""
        desk = await a_desk(start_desk, shop, {"teams": [ALL]})
        sam, kim = await office(desk, "sam", "kim")
        customer = Customer(RestChannel(desk))
        await customer.says("The tea set of order 100236 arrived broken, two cups are in pieces")
        await customer.says("skip")

        async def owner() -> int | None:
            async with desk.database.read() as session:
                return (await session.get_one(Ticket, 1)).agent_id

        assert await owner() == sam.user.id
        async with desk.database.begin() as session:
            await assignment.set_away(session, sam.user, True)

        async def moved() -> bool:
            return await owner() == kim.user.id

        await eventually(moved)
        async with desk.database.begin() as session:
            assert await agents.assign_ticket(session, 1, team="", agent=None, by=kim.user)
            assert not await agents.assign_ticket(session, 1, team="", agent=None, by=kim.user)
        assert await owner() is None
        async with desk.database.begin() as session:
            gone = await session.get_one(User, sam.user.id)
            gone.active = False
            with pytest.raises(TicketError, match="agent"):
                await agents.assign_ticket(session, 1, team="", agent=gone, by=kim.user)

    async def test_passed_on_by_hand(self, start_desk: StartDesk, shop: Any) -> None:
        """To a colleague, who is alerted; to a team; not by somebody who does not have it; a manager may."""
        other = {"name": "Bills", "members": ["eve"], "types": ["billing"]}
        desk = await a_desk(start_desk, shop, {"teams": [ALL, other]})
        sam, kim, eve = await office(desk, "sam", "kim", "eve")
        customer = Customer(RestChannel(desk))
        await customer.says(ASK["en"])
        channel: Any = customer.channel
        chat = await sam.conversation(channel.sender)
        await sam.replies(chat, "Hello, this is Sam.")
        settings = desk.config.settings
        async with desk.database.begin() as session:
            for who, to, team, why in (
                (kim, eve, "", "taken"),
                (sam, sam, "", "nobody"),
                (sam, None, "", "nobody"),
                (sam, None, "Nowhere", "nobody"),
            ):
                with pytest.raises(HandoffError, match=why):
                    target = to.user if to else None
                    await agents.pass_on(session, desk.voice, chat, who.user, settings, team=team, to=target)
        async with desk.database.begin() as session:
            await agents.pass_on(session, desk.voice, chat, sam.user, settings, to=kim.user)
        (row,) = await handoffs(desk)
        assert (row.agent_id, row.offered_to_id, row.team) == (None, kim.user.id, "Service")
        await kim.replies(chat, "Kim here.")
        boss = await session_user(desk, kim.user.id, Role.MANAGER)
        async with desk.database.begin() as session:
            await agents.pass_on(session, desk.voice, chat, boss, settings, team="Bills")
        (row,) = await handoffs(desk)
        assert (row.team, row.passed, row.offered_to_id) == ("Bills", ["Service"], None)
        async with desk.database.read() as session:
            keys = list(await session.scalars(select(Alert.key).order_by(Alert.id)))
        assert keys == ["alert.offered", "alert.passed", "alert.team"]
        notices = [text for author, text in await said(desk, chat) if author is Author.NOTICE]
        assert len(notices) == 2

    async def test_nobody_claims_in_time(self, start_desk: StartDesk, shop: Any) -> None:
        """The next team is asked, then everyone; the customer hears nothing of it."""
        first = ALL | {"members": ["sam"], "next": "Second"}
        second = {"name": "Second", "members": ["kim"], "languages": ["es"], "assign": "round_robin"}
        desk = await a_desk(start_desk, shop, {"teams": [first, second]})
        sam, kim = await office(desk, "sam", "kim")
        customer = Customer(RestChannel(desk))
        await customer.says(ASK["en"])
        assert (await handoffs(desk))[0].offered_to_id == sam.user.id
        await timer_is_due(desk, assignment.CLAIM)
        (row,) = await handoffs(desk)
        # Kim's team speaks Spanish only, so nobody's turn it is there: the whole team is told.
        assert (row.team, row.passed, row.offered_to_id) == ("Second", ["Service"], None)
        await timer_is_due(desk, assignment.CLAIM)
        (row,) = await handoffs(desk)
        assert (row.team, row.passed) == ("", ["Service", "Second"])
        async with desk.database.read() as session:
            rows = await session.execute(select(Alert.user_id, Alert.key).order_by(Alert.id))
            told = [(item.user_id, item.key) for item in rows]
        assert told[:2] == [(sam.user.id, "alert.offered"), (kim.user.id, "alert.team")]
        assert sorted(told[2:]) == [(sam.user.id, "alert.everyone"), (kim.user.id, "alert.everyone")]
        assert [author for author, _ in await said(desk, row.conversation_id)].count(Author.BOT) == 1


async def session_user(desk: App, user_id: int, role: Role) -> User:
    """A user with another role."""
    async with desk.database.begin() as session:
        user = await session.get_one(User, user_id)
        user.role = role
    return user


@pytest.fixture
async def two_workers(any_database_url: str, config: Config, recognizer: Recognizer) -> AsyncIterator[App]:
    """A desk whose timers are seen to by two workers at once, on each kind of database."""
    settings = Settings.model_validate(config.settings.model_dump() | {"teams": [ALL | {"capacity": 9, "next": ""}]})
    own = replace(config, settings=settings, env={"LINGUADESK_DATABASE_URL": any_database_url})
    async with AsyncExitStack() as stack:
        apps = [build(own, recognizer=recognizer, only=frozenset({"rest"})) for _ in range(2)]
        for app in apps:
            stack.push_async_callback(app.close)
        await prepared(apps[0].database)
        for app in apps:
            await stack.enter_async_context(app.running())
        yield apps[0]


async def test_two_workers_agree(two_workers: App) -> None:
    """Everything that sam has moves at once, with two processes at it: each thing exactly once, all of it to kim."""
    desk = two_workers
    (sam,) = await office(desk, "sam")
    customers = [Customer(RestChannel(desk)) for _ in range(4)]
    for customer in customers:
        await customer.says(ASK["en"])
    for row in (await handoffs(desk))[:2]:
        await sam.replies(row.conversation_id, "Hello, this is Sam.")
    (kim,) = await office(desk, "kim")
    async with desk.database.begin() as session:
        await assignment.set_away(session, sam.user, True)

    async def moved() -> bool:
        return all(row.offered_to_id == kim.user.id and row.agent_id is None for row in await handoffs(desk))

    await eventually(moved, 15)
    for row, notices in zip(await handoffs(desk), (1, 1, 0, 0), strict=True):
        told = [text for author, text in await said(desk, row.conversation_id) if author is Author.NOTICE]
        assert len(told) == notices
        assert [step["what"] for step in row.steps].count("offered") == 2


def test_the_command_line(tmp_path: Any) -> None:
    """Away, back, languages and capacity; a name that nobody has and a language that is not spoken are refused."""
    runner, where = CliRunner(), ["--data-dir", str(tmp_path)]

    def does(*words: str, code: int = 0, text: str = "") -> str:
        result = runner.invoke(cli, [*words, *where], input=text)
        assert result.exit_code == code, result.output
        return result.output

    does("db", "upgrade")
    does("user", "add", "sam", "--password-stdin", text="a long password\n")
    assert "away" in does("user", "away", "sam")
    assert "back" in does("user", "back", "SAM")
    does("user", "set", "sam", "--speaks", "en,es", "--capacity", "3")
    does("user", "set", "sam", code=2)
    assert "xx" in does("user", "set", "sam", "--speaks", "en,xx", code=2)
    does("user", "away", "nobody", code=1)
