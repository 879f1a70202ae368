"""Agents' rooms: whatever happens to a hand-over, and to the platform, they come to show it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from bot.app import App
from bot.contracts import Address, Card, Inbound, Kind, Limits, Note, Owner, PermanentError, Room, TemporaryError
from bot.inbox import Acceptor
from bot.pace import Pace
from bot.rooms import RoomKeeper, Rooms
from bot.services import handoff, timers, users
from bot.storage import now, signal
from bot.storage.models import Conversation, Handoff, Role, RoomRow, Timer, User
from tests.conftest import StartDesk
from tests.customer import Agent, Customer, RestChannel, eventually

_numbers = itertools.count(1)


@dataclass
class Space:
    """An agents' space whose platform is a list."""

    chat: str = "agents"
    said: list[tuple[str, str, str]] = field(default_factory=list)
    cards: dict[str, Card] = field(default_factory=dict)
    closed: list[str] = field(default_factory=list)
    refuse: list[Exception] = field(default_factory=list)
    calls: int = 0

    def _call(self) -> None:
        self.calls += 1
        if self.refuse:
            raise self.refuse.pop(0)

    async def show(self, room: Room, card: Card) -> Room:
        """Open the thread, then the card, then change the card."""
        self._call()
        if not room.thread:
            return Room(room.chat, f"t{next(_numbers)}")
        self.cards[room.thread] = card
        return Room(room.chat, room.thread, room.card or f"m{next(_numbers)}")

    async def note(self, room: Room, note: Note) -> None:
        """Say it below the card."""
        self._call()
        self.said.append((room.thread, ("!" if note.alert else "") + note.text, note.only_for))

    async def close(self, room: Room, card: Card) -> None:
        """The last state of the card."""
        self._call()
        self.cards[room.thread] = card
        self.closed.append(room.thread)

    @property
    def card(self) -> Card:
        """The only card."""
        (card,) = self.cards.values()
        return card

    def notes(self) -> list[str]:
        """What was said below the cards."""
        return [text for _, text, _ in self.said]


@contextlib.asynccontextmanager
async def keeping(app: App, space: Space, limits: Limits | None = None) -> AsyncIterator[None]:
    """Run a keeper while the block lasts."""
    paces = {"team": Pace(limits or Limits())}
    task = asyncio.create_task(RoomKeeper(app.database, {"team": space}, paces, app.config.settings).run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@dataclass
class Team:
    """A desk, a customer and the agents' space."""

    app: App
    customer: Customer
    space: Space

    async def acts(self, action: str, text: str = "", user: str = "A1", name: str = "Maria") -> None:
        """An agent does something in the only room."""
        async with self.app.database.read() as session:
            room = (await session.scalars(select(RoomRow))).one()
        address = Address("team", room.chat, user, room.thread)
        event = Inbound(f"a{next(_numbers)}", address, text, action, name=name, kind=Kind.AGENT)
        (stored,) = await Acceptor(self.app.database)([event])
        assert stored is not None

    async def until(self, check: Callable[[], bool]) -> None:
        """Wait until something is so."""

        async def done() -> bool:
            return check()

        await eventually(done, 10)


@pytest.fixture
async def team(start_desk: StartDesk) -> Team:
    """A desk reached over REST."""
    app = await start_desk(only=frozenset({"rest"}))
    return Team(app, Customer(RestChannel(app)), Space())


async def test_a_hand_over_appears_with_what_was_said(team: Team) -> None:
    """Customer, language, who waits since when, the last messages and the four actions."""
    await team.customer.says("hello")
    await team.customer.says("I want to talk to a person")
    async with keeping(team.app, team.space):
        await team.until(lambda: bool(team.space.cards))
    card = team.space.card
    assert "English" in card.title
    assert card.status.startswith("Waiting since")
    assert [button.payload for button in card.actions] == ["claim", "reply", "resolve", "back"]
    assert any("I want to talk to a person" in line for line in card.messages)
    assert ("Customer", "not verified") in card.lines


async def test_an_agent_claims_replies_and_resolves_from_the_room(team: Team) -> None:
    """The customer reads only the reply; the card shows who has it; the room is closed at the end."""
    await team.customer.says("I want to talk to a person")
    async with keeping(team.app, team.space):
        await team.until(lambda: bool(team.space.cards))
        await team.acts("claim")
        await team.until(lambda: "Maria has it" in team.space.card.status)
        await team.customer.says("are you there?")
        await team.until(lambda: any("are you there?" in text for text in team.space.notes()))
        await team.acts("reply", "Good day, how can I help?")
        await team.until(lambda: any("Maria: Good day" in text for text in team.space.notes()))
        await team.acts("resolve")
        await team.until(lambda: bool(team.space.closed))
    assert "Resolved by Maria" in team.space.card.status
    assert team.space.card.actions == ()
    await team.customer.says("hello again")
    team.customer.sees("Good day, how can I help?")
    async with team.app.database.read() as session:
        assert (await session.scalars(select(Conversation.owner))).one() is Owner.BOT


async def test_what_the_bot_says_afterwards_is_nobodys_business(team: Team) -> None:
    """A room ends with its hand-over."""
    await team.customer.says("I want to talk to a person")
    async with keeping(team.app, team.space):
        await team.until(lambda: bool(team.space.cards))
        await team.acts("back")
        await team.until(lambda: bool(team.space.closed))
        count = len(team.space.said)
        await team.customer.says("what are your opening hours?")
        await asyncio.sleep(0.3)
    assert len(team.space.said) == count


async def test_the_second_agent_is_told_who_has_it(team: Team) -> None:
    """Two claim: the first has it, the second learns so, and only the second."""
    await team.customer.says("I want to talk to a person")
    async with keeping(team.app, team.space):
        await team.until(lambda: bool(team.space.cards))
        await team.acts("claim", user="A1", name="Maria")
        await team.acts("claim", user="A2", name="Omar")
        await team.until(lambda: bool(team.space.said))
    assert [only for _, _, only in team.space.said] == ["A2"]
    assert "Maria" in team.space.card.status


async def test_what_is_done_at_the_desk_shows_in_the_room(team: Team) -> None:
    """One truth: claimed and answered in the browser, seen on the platform."""
    await team.customer.says("I want to talk to a person")
    async with team.app.database.begin() as session:
        sam = await users.add(session, "sam", "Sam", "a long password", Role.AGENT)
    desk = Agent(team.app, sam)
    talk = await desk.conversation(team.customer.channel.sender)
    async with keeping(team.app, team.space):
        await team.until(lambda: bool(team.space.cards))
        await desk.replies(talk, "I am on it.")
        await team.until(lambda: any("Sam: I am on it." in text for text in team.space.notes()))
        await team.until(lambda: "Sam has it" in team.space.card.status)


async def test_an_outage_is_made_up_for_in_one_message(team: Team) -> None:
    """While the platform refuses, much is said; afterwards it is all there, in order, in one note."""
    await team.customer.says("I want to talk to a person")
    async with keeping(team.app, team.space):
        await team.until(lambda: bool(team.space.cards))
        team.space.refuse = [TemporaryError("down", 0.4)]
        for number in range(5):
            await team.customer.says(f"message number {number}")
        await team.until(lambda: any("message number 4" in text for text in team.space.notes()))
    told = "\n".join(team.space.notes())
    places = [told.index(f"message number {number}") for number in range(5)]
    assert places == sorted(places)
    assert told.count("message number 2") == 1


async def test_a_crash_between_steps_goes_on_where_it_was(team: Team) -> None:
    """The thread was opened and nothing more: the next keeper adds the card to the same thread."""
    await team.customer.says("I want to talk to a person")
    team.space.refuse = []
    opened = team.space.show

    async def once(room: Room, card: Card) -> Room:
        if room.thread:
            raise TemporaryError("killed", 0.0)
        return await opened(room, card)

    team.space.show = once  # type: ignore[method-assign]
    async with keeping(team.app, team.space):
        await eventually(lambda: _thread(team.app))
    thread = await _thread(team.app)
    async with team.app.database.begin() as session:
        await session.execute(update(RoomRow).values(lease_until=None, due_at=now()))
    team.space.show = opened  # type: ignore[method-assign]
    async with keeping(team.app, team.space):
        await team.until(lambda: bool(team.space.cards))
    assert list(team.space.cards) == [thread]


async def _thread(app: App) -> str:
    async with app.database.read() as session:
        return (await session.scalars(select(RoomRow.thread))).first() or ""


async def test_a_note_that_is_refused_for_good_holds_up_nothing(team: Team) -> None:
    """One thing that cannot be shown is passed over, and written down."""
    await team.customer.says("I want to talk to a person")
    async with keeping(team.app, team.space):
        await team.until(lambda: bool(team.space.cards))
        team.space.refuse = [PermanentError("too strange")]
        await team.customer.says("first words")
        await team.until(lambda: not team.space.refuse)
        await team.customer.says("second words")
        await team.until(lambda: any("second words" in text for text in team.space.notes()))


async def test_nobody_claims_so_all_are_reminded(team: Team) -> None:
    """After the time that is set, everybody's attention is asked for, and again after twice as long."""
    await team.customer.says("I want to talk to a person")
    async with keeping(team.app, team.space):
        await team.until(lambda: bool(team.space.cards))
        async with team.app.database.begin() as session:
            reminder = (await session.scalars(select(Timer).where(Timer.kind == handoff.REMIND))).one()
            assert timedelta(minutes=4) < reminder.due_at - now() <= timedelta(minutes=5)
            reminder.due_at = now()
            signal(session, timers.TOPIC)
        await team.until(lambda: any(text.startswith("!Nobody has taken this") for text in team.space.notes()))
    async with team.app.database.read() as session:
        due = (await session.scalars(select(Timer).where(Timer.kind == handoff.REMIND).order_by(Timer.id))).all()
    assert due[-1].payload["minutes"] == 10


async def test_a_claimed_hand_over_needs_no_reminder(team: Team) -> None:
    """The reminder comes due after someone took it: silence."""
    await team.customer.says("I want to talk to a person")
    async with keeping(team.app, team.space):
        await team.until(lambda: bool(team.space.cards))
        await team.acts("claim")
        await team.until(lambda: "Maria has it" in team.space.card.status)
        async with team.app.database.begin() as session:
            reminder = (await session.scalars(select(Timer).where(Timer.kind == handoff.REMIND))).one()
            reminder.due_at = now()
            signal(session, timers.TOPIC)
        await asyncio.sleep(0.3)
    assert team.space.said == []


async def test_busy_rooms_keep_to_the_limit(team: Team) -> None:
    """Two calls in a second: the second hand-over's card waits its turn."""
    others = [Customer(RestChannel(team.app)) for _ in range(2)]
    for customer in others:
        await customer.says("I want to talk to a person")
    async with keeping(team.app, team.space, Limits(per_chat=(2, 0.5))):
        await asyncio.sleep(0.3)
        assert team.space.calls <= 2
        await team.until(lambda: len(team.space.cards) == 2)


async def test_an_agent_on_a_platform_is_a_user_of_the_desk(team: Team) -> None:
    """Someone new gets a user without a password; one who is linked is the user who signs in."""
    async with team.app.database.begin() as session:
        await users.add(session, "omar", "Omar Haddad", "a long password", Role.AGENT)
        await users.link(session, "omar", "team", "A2")
    await team.customer.says("I want to talk to a person")
    async with keeping(team.app, team.space):
        await team.until(lambda: bool(team.space.cards))
        await team.acts("claim", user="A2", name="O.")
        await team.until(lambda: "Omar Haddad has it" in team.space.card.status)
        await team.acts("claim", user="A9", name="Nina")
        await eventually(lambda: _user(team.app, "team-a9"))
    async with team.app.database.read() as session:
        assert await users.authenticate(session, "team-a9", "") is None


async def _user(app: App, username: str) -> User | None:
    async with app.database.read() as session:
        found: User | None = await session.scalar(select(User).where(User.username == username))
        return found


async def test_someone_whose_account_is_off_can_do_nothing(team: Team) -> None:
    """An administrator's word counts on the platforms too."""
    async with team.app.database.begin() as session:
        (await users.of_identity(session, "team", "A1", "Maria")).active = False
    await team.customer.says("I want to talk to a person")
    async with keeping(team.app, team.space):
        await team.until(lambda: bool(team.space.cards))
        await team.acts("claim")
        await team.until(lambda: bool(team.space.said))
    async with team.app.database.read() as session:
        assert (await session.scalars(select(Handoff.claimed_at))).one() is None
    assert "switched off" in team.space.notes()[0]


async def test_a_form_knows_the_language_and_the_ready_made_replies(team: Team) -> None:
    """A French customer's agent is offered the French replies with the shop's name."""
    await team.customer.says("bonjour, je voudrais parler à un humain s'il vous plaît")
    async with keeping(team.app, team.space):
        await team.until(lambda: bool(team.space.cards))
    thread = await _thread(team.app)
    from bot.canned import load_canned

    settings = team.app.config.settings
    rooms = Rooms(team.app.database, settings, load_canned(team.app.config.home, settings.languages))
    view = await rooms.view("team", "agents", thread)
    assert view is not None and view.going_on and view.language == "fr"
    assert len(view.canned) == 8
    assert any(settings.shop.name in text for _, text in view.canned)
    assert not any("{customer}" in text for _, text in view.canned)
    assert await rooms.view("team", "agents", "nowhere") is None


async def test_an_event_from_a_place_that_is_no_room_is_nobodys(team: Team) -> None:
    """What is written elsewhere in the agents' group comes to nothing."""
    event = Inbound("a-x", Address("team", "agents", "A1", "t-unknown"), "", "claim", kind=Kind.AGENT)
    assert await Acceptor(team.app.database)([event]) == [None]
