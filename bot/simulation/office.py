"""How simulated agents work: by the same functions that the desk and the agents' rooms call.

Whoever is there and speaks the language takes what waits, asks, waits for others, solves it or does not. How long
that takes is a share of what was promised, longer for the slow, at the end of a shift and when much is going on.
"""

from __future__ import annotations

import math
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot import agents
from bot.contracts import LinguadeskError, Owner
from bot.services import clocks, followup_work, teams, users
from bot.services.business_hours import calendar_of
from bot.services.ticket_life import Change
from bot.services.tickets import ACTIVE
from bot.simulation import judgement, phrases
from bot.simulation.cast import CALENDAR, COLLEAGUES, Colleague
from bot.simulation.customers import Crowd, Talk
from bot.simulation.judgement import Experience
from bot.simulation.seasons import busy
from bot.simulation.world import Newest, Process, World
from bot.storage.models import Conversation, FollowUp, Handoff, Survey, Ticket, TicketStatus, TicketType, User

MANAGER = "manager"
# What a complaint was caused by and what was done, by its type; the first is the most frequent.
CAUSES: dict[TicketType, tuple[tuple[str, str, str], ...]] = {
    TicketType.DAMAGED: (
        ("Damaged in transport", "Replacement sent", "agent_replacement"),
        ("Damaged in transport", "Money returned", "agent_refund"),
        ("Fault of the product", "Part of the money returned", "agent_refund"),
    ),
    TicketType.WRONG_ITEM: (
        ("Packed wrongly", "Replacement sent", "agent_replacement"),
        ("Wrong description in the shop", "Money returned", "agent_refund"),
    ),
    TicketType.MISSING_ITEM: (
        ("Packed wrongly", "Missing part sent", "agent_replacement"),
        ("Out of stock", "Part of the money returned", "agent_refund"),
    ),
    TicketType.NOT_DELIVERED: (
        ("Lost or late at the carrier", "Delivered after all", "agent_info"),
        ("Lost or late at the carrier", "Replacement sent", "agent_replacement"),
        ("Lost or late at the carrier", "Money returned", "agent_refund"),
    ),
    TicketType.LATE: (
        ("Lost or late at the carrier", "Delivered after all", "agent_info"),
        ("Lost or late at the carrier", "Voucher and apology", "agent_info"),
        ("Out of stock", "Explained", "agent_info"),
    ),
    TicketType.QUALITY: (
        ("Fault of the product", "Money returned", "agent_refund"),
        ("Fault of the product", "Replacement sent", "agent_replacement"),
        ("Mistake of the customer", "Explained", "agent_info"),
    ),
    TicketType.SERVICE: (
        ("Our service", "Voucher and apology", "agent_info"),
        ("Not known", "Explained", "agent_info"),
    ),
    TicketType.BILLING: (
        ("Wrong invoice or payment", "Invoice or payment corrected", "agent_refund"),
        ("Mistake of the customer", "Explained", "agent_info"),
    ),
    TicketType.OTHER: (
        ("Not known", "Explained", "agent_info"),
        ("Mistake of the customer", "Nothing was wrong", "agent_info"),
    ),
}
_WORKED = ("agent_info", "agent_info", "agent_info", "agent_refund", "agent_replacement")
NOTES = (
    "Read the conversation again: the customer was told two different dates.",
    "Called the carrier's desk; they had left the parcel at a wrong depot.",
    "The reply was correct but came a day late. Talked about it in the team.",
    "Customer wanted a refund and got a voucher. Offered the refund.",
    "Nothing we could have done better; the customer was angry about the price.",
    "The bot sent the customer round in circles before somebody took over.",
)
_OUTCOMES = ("recovered",) * 11 + ("not_recovered",) * 4 + ("not_reached",) * 5
# Conversations are answered within so many minutes, give or take.
_CLAIM_MINUTES = 3.5


class Impossible(Exception):
    """Somebody else was faster, or it is over."""


@dataclass(slots=True)
class Matter:
    """A hand-over or a ticket that somebody works on."""

    conversation_id: int
    talk: Talk
    agent: Colleague
    chance: random.Random


class Office:
    """All who work at the desk.

    Args:
        world: the simulated time.
        crowd: the customers, whose experience this is.
        seed: of all chances.
    """

    def __init__(self, world: World, crowd: Crowd, seed: int) -> None:
        self._world = world
        self._crowd = crowd
        self._seed = seed
        self._settings = world.app.config.settings
        self._zone = ZoneInfo(self._settings.shop.timezone)
        self._users: dict[str, User] = {}

    async def begin(self) -> None:
        """Learn who works here."""
        async with self._world.database.read() as session:
            self._users = {user.username: user for user in await session.scalars(select(User))}

    async def begun(self, before: Newest, after: Newest) -> None:
        """There is new work."""
        for number in range(before.handoff + 1, after.handoff + 1):
            self._world.start(self._guarded(self._answer(number)))
        for number in range(before.ticket + 1, after.ticket + 1):
            self._world.start(self._guarded(self._settle(number)))
        for number in range(before.follow_up + 1, after.follow_up + 1):
            self._world.start(self._guarded(self._follow_up(number)))

    def again(self, ticket_id: int) -> None:
        """A ticket that was resolved is open again."""
        self._world.start(self._guarded(self._settle(ticket_id)))

    # ------------------------------------------------------------------ tools

    async def _guarded(self, process: Process) -> Process:
        """The same, which ends where what it wanted to do cannot be done any more."""
        try:
            async for moment in process:
                yield moment
        except (Impossible, LinguadeskError):
            return

    @asynccontextmanager
    async def _acting(self) -> AsyncIterator[AsyncSession]:
        async with self._world.database.begin() as session:
            yield session

    def _there(self, colleague: Colleague, moment: datetime) -> bool:
        local = moment.astimezone(self._zone)
        hour = local.hour + local.minute / 60
        works = local.weekday() in colleague.days and colleague.hours[0] <= hour < colleague.hours[1]
        return works and calendar_of(self._settings, CALENDAR).is_open(moment)

    def _next(self, able: Sequence[Colleague], moment: datetime) -> tuple[datetime, list[Colleague]]:
        """When somebody of these is there next, and who."""
        for _ in range(24 * 2 * 21):
            if found := [colleague for colleague in able if self._there(colleague, moment)]:
                return moment, found
            moment += timedelta(minutes=30)
        raise Impossible

    def _tired(self, colleague: Colleague, moment: datetime) -> float:
        """How much longer than usual they take: slow people, late hours, busy days."""
        local = moment.astimezone(self._zone)
        late = max(0.0, (local.hour - colleague.hours[0] - 6) * 0.12)
        return colleague.pace * (1 + late) * (0.6 + 0.4 * busy(local.date()))

    def _solves(self, matter: Matter, *, hard: float = 0.0) -> bool:
        local = self._world.moment.astimezone(self._zone)
        late = max(0.0, (local.hour - matter.agent.hours[0] - 6) * 0.02)
        return matter.chance.random() < matter.agent.skill + 0.05 - late - hard

    async def _say(self, session: AsyncSession, matter: Matter, *keys: str) -> None:
        """Write to the customer, in their language."""
        spoken = phrases.load(matter.talk.person.language)
        user = self._users[matter.agent.username]
        lines = [
            spoken.say(key, matter.chance, name=matter.talk.person.first, agent=matter.agent.first) for key in keys
        ]
        text = "\n".join(lines)
        await agents.reply(session, self._world.app.voice, matter.conversation_id, user, text, settings=self._settings)

    def _able(self, team: str, language: str) -> list[Colleague]:
        """Who could take it: the team's first, else whoever speaks the language."""
        found = teams.named(self._settings, team)
        speaking = [colleague for colleague in COLLEAGUES if language in colleague.speaks]
        members = [colleague for colleague in speaking if found is not None and colleague.username in found.members]
        return members or speaking or list(COLLEAGUES)

    def _reason(self, chance: random.Random) -> str:
        return phrases.load(phrases.SOURCE).say("agent_reason", chance)

    # ------------------------------------------------------------------ hand-overs

    async def _answer(self, number: int) -> Process:
        """A conversation waits for a person."""
        chance = random.Random(f"{self._seed}:handoff:{number}")
        row, talk = await self._waiting(number)
        if talk is None or row.agent_id is not None:
            return
        began = self._world.moment
        moment, able = self._next(self._able(row.team, talk.person.language), began)
        agent = chance.choice(able)
        yield moment + timedelta(minutes=_lasts(chance, _CLAIM_MINUTES * self._tired(agent, moment)))
        row, _ = await self._waiting(number)
        offered = next((item for item in able if self._users[item.username].id == row.offered_to_id), None)
        agent = offered or agent
        matter = Matter(row.conversation_id, talk, agent, chance)
        user = self._users[agent.username]
        waited = calendar_of(self._settings, CALENDAR).between(began, self._world.moment) / 3600
        lived = talk.lived or Experience(began)
        talk.lived = judgement.after(lived, at=self._world.moment, waited=waited, skill=agent.skill)
        async with self._acting() as session:
            await agents.claim(session, matter.conversation_id, user)
            await self._say(session, matter, "agent_hello", "agent_ask" if chance.random() < 0.7 else "agent_wait")
            talk.told = "ask"
        async for moment in self._talk(matter):
            yield moment
        async with self._acting() as session:
            await agents.resolve(session, self._world.app.voice, matter.conversation_id, user, self._settings.surveys)

    async def _talk(self, matter: Matter) -> Process:
        """Wait for what the customer says, look into it, say what has been done."""
        async for moment in self._heard(matter):
            yield moment
        agent, chance, talk = matter.agent, matter.chance, matter.talk
        yield self._world.moment + timedelta(minutes=_lasts(chance, 4 * self._tired(agent, self._world.moment)))
        if chance.random() < 0.35:
            async with self._acting() as session:
                await self._say(session, matter, "agent_wait")
            yield self._world.moment + timedelta(minutes=_lasts(chance, 14 * self._tired(agent, self._world.moment)))
        lost = talk.lived.lost if talk.lived is not None else 0
        solved = self._solves(matter, hard=0.04 * lost)
        key = chance.choice(_WORKED)
        if talk.key in ("ask_human", "payment_problem", "promotion", "off_topic"):
            key = "agent_info"
        async with self._acting() as session:
            await self._say(session, matter, key if solved else "agent_info")
            talk.told = "solved" if solved else "unsolved"
        if talk.lived is not None:
            talk.lived = judgement.after(talk.lived, solved=solved, at=self._world.moment)
        async for moment in self._heard(matter):
            yield moment
        yield self._world.moment + timedelta(minutes=_lasts(chance, 2 * agent.pace))
        if chance.random() < 0.6:
            async with self._acting() as session:
                await self._say(session, matter, "agent_bye")
            yield self._world.moment + timedelta(minutes=2)

    async def _heard(self, matter: Matter) -> Process:
        """Until the customer has written, or long enough."""
        since = self._world.moment
        for minutes in (3, 5, 8, 14):
            yield self._world.moment + timedelta(minutes=minutes)
            if matter.talk.written_at is not None and matter.talk.written_at > since:
                return

    async def _waiting(self, number: int) -> tuple[Handoff, Talk | None]:
        """A hand-over that is not over. Raises :class:`Impossible` for one that is."""
        async with self._world.database.glance() as session:
            row = await session.get_one(Handoff, number)
        # One that an agent began is that agent's.
        if row.ended_at is not None or row.reason == "agent":
            raise Impossible
        return row, self._crowd.by_conversation.get(row.conversation_id)

    # ------------------------------------------------------------------ tickets

    async def _settle(self, number: int) -> Process:
        """A complaint, from when it is read to when it is resolved."""
        ticket = await self._ticket(number)
        talk = self._crowd.by_conversation.get(ticket.conversation_id)
        if talk is None:
            return
        chance = random.Random(f"{self._seed}:ticket:{number}:{ticket.updated_at.isoformat()}")
        hours = await self._promised(ticket)
        assigned = next((c for c in COLLEAGUES if self._users[c.username].id == ticket.agent_id), None)
        able = self._able(ticket.team, talk.person.language)
        moment, there = self._next(able, self._world.moment)
        agent = assigned if assigned in there else chance.choice(there)
        # Promises are kept most of the time: the grave ones are taken first.
        share = _share(chance, 0.2, 0.75) * self._tired(agent, moment)
        began = self._world.moment
        due = calendar_of(self._settings, "office").add(began, share * hours[0] * 3600)
        moment, there = self._next(able, max(due, moment))
        yield moment
        # Whoever of them is there by then.
        agent = agent if agent in there else chance.choice(there)
        matter = Matter(ticket.conversation_id, talk, agent, chance)
        ticket = await self._ticket(number)
        spent = calendar_of(self._settings, "office").between(began, self._world.moment) / 3600
        lived = talk.lived or Experience(began)
        waited = max(lived.waited, spent / hours[0])
        talk.lived = judgement.after(lived, waited=waited, missed=spent > hours[0], skill=agent.skill)
        async for moment in self._contact(matter, ticket):
            yield moment
        work = min(_share(chance, 0.33, 0.6) * self._tired(agent, self._world.moment), 1.4) * hours[1] * 3600
        due = calendar_of(self._settings, "office").add(self._world.moment, work)
        yield self._next([agent], due)[0]
        await self._resolve(matter, number, hours[1])
        async for moment in self._come_back(matter, number):
            yield moment

    async def _contact(self, matter: Matter, ticket: Ticket) -> Process:
        """The first answer: in the chat, or by what has become of the ticket."""
        chance, agent = matter.chance, matter.agent
        user = self._users[agent.username]
        talking = await self._owner(matter) is not Owner.BOT
        async with self._acting() as session:
            change = Change(TicketStatus.OPEN, self._reason(chance))
            if ticket.status is not TicketStatus.OPEN:
                await agents.set_ticket_status(session, self._world.app.voice, ticket.id, change, user, self._settings)
            if ticket.agent_id is None:
                await agents.assign_ticket(session, ticket.id, team=ticket.team, agent=user, by=user)
        if talking or chance.random() < 0.65:
            return
        async with self._acting() as session:
            await agents.take_over(session, matter.conversation_id, user, self._settings.handoff)
            await self._say(session, matter, "agent_hello", "agent_ask")
            matter.talk.told = "ask"
        async for moment in self._heard(matter):
            yield moment
        async with self._acting() as session:
            await self._say(session, matter, "agent_wait")
        yield self._world.moment + timedelta(minutes=5)
        async with self._acting() as session:
            await agents.back_to_bot(session, self._world.app.voice, matter.conversation_id, user)
        if chance.random() < 0.4:
            async with self._acting() as session:
                change = Change(TicketStatus.PENDING_THIRD_PARTY, self._reason(chance))
                await agents.set_ticket_status(session, self._world.app.voice, ticket.id, change, user, self._settings)

    async def _resolve(self, matter: Matter, number: int, hours: float) -> None:
        ticket = await self._ticket(number)
        chance, user = matter.chance, self._users[matter.agent.username]
        options = CAUSES[ticket.type]
        cause, solution, _ = chance.choices(options, [3, 2, 1][: len(options)])[0]
        solved = self._solves(matter)
        lived = matter.talk.lived or Experience(self._world.moment)
        async with self._world.database.glance() as session:
            promises = (await clocks.clocks_of(session, [number]))[number]
        missed = any(clock.breached_at is not None for clock in promises)
        matter.talk.lived = judgement.after(lived, at=self._world.moment, solved=solved, missed=missed)
        async with self._acting() as session:
            if chance.random() < 0.3:
                await agents.note_ticket(session, number, self._reason(chance), user)
            change = Change(TicketStatus.RESOLVED, self._reason(chance), cause, solution)
            await agents.set_ticket_status(session, self._world.app.voice, number, change, user, self._settings)

    async def _come_back(self, matter: Matter, number: int) -> Process:
        """Some write days after that it is still not solved."""
        talk, chance = matter.talk, matter.chance
        if talk.lived is None or talk.lived.solved or chance.random() > 0.35:
            return
        yield self._world.moment + timedelta(hours=chance.uniform(20, 110))
        if not talk.done or await self._owner(matter) is not Owner.BOT:
            return
        await self._crowd.complains(talk)
        yield self._world.moment + timedelta(minutes=20)
        async with self._world.database.glance() as session:
            ticket = await session.get_one(Ticket, number)
        if ticket.status in ACTIVE:
            self.again(number)

    async def _ticket(self, number: int) -> Ticket:
        """A ticket that is still to be worked on. Raises :class:`Impossible` for one that is not."""
        async with self._world.database.glance() as session:
            ticket = await session.get_one(Ticket, number)
        if ticket.status not in ACTIVE:
            raise Impossible
        return ticket

    async def _promised(self, ticket: Ticket) -> tuple[float, float]:
        """The hours of the first answer and of the solution."""
        async with self._world.database.glance() as session:
            found = (await clocks.clocks_of(session, [ticket.id]))[ticket.id]
        hours = [clock.target_seconds / 3600 for clock in found]
        return (hours[0], hours[-1]) if hours else (8.0, 40.0)

    async def _owner(self, matter: Matter) -> Owner:
        query = select(Conversation.owner).where(Conversation.id == matter.conversation_id)
        async with self._world.database.glance() as session:
            return (await session.execute(query)).scalar_one()

    # ------------------------------------------------------------------ low scores

    async def _follow_up(self, number: int) -> Process:
        """Somebody was not content: most are followed up in time, some late, a few never."""
        chance = random.Random(f"{self._seed}:follow-up:{number}")
        async with self._world.database.glance() as session:
            row = await session.get_one(FollowUp, number)
            survey = await session.get_one(Survey, row.survey_id)
        talk = self._crowd.by_conversation.get(survey.conversation_id)
        owner = next((c for c in COLLEAGUES if self._users[c.username].id == row.owner_id), None)
        colleague = owner or COLLEAGUES[1]
        user = self._users[colleague.username if owner is not None else MANAGER]
        if talk is None or chance.random() < 0.12:
            return
        length = calendar_of(self._settings, "office").between(self._world.moment, row.due_at)
        share = chance.triangular(0.1, 1.0, 0.45) if chance.random() < 0.88 else chance.uniform(1.1, 4)
        due = calendar_of(self._settings, "office").add(self._world.moment, share * length)
        yield self._next([colleague], due)[0]
        async with self._acting() as session:
            await followup_work.take(session, number, user, self._settings, instead_of=row.owner_id)
        matter = Matter(survey.conversation_id, talk, colleague, chance)
        if owner is not None and chance.random() < 0.5 and await self._owner(matter) is Owner.BOT:
            async with self._acting() as session:
                await agents.take_over(session, matter.conversation_id, user, self._settings.handoff)
                await self._say(session, matter, "agent_followup")
                talk.told = "follow_up"
            async for moment in self._heard(matter):
                yield moment
            async with self._acting() as session:
                await agents.back_to_bot(session, self._world.app.voice, matter.conversation_id, user)
        yield self._next([colleague], self._world.moment + timedelta(minutes=chance.uniform(5, 90)))[0]
        async with self._acting() as session:
            outcome = chance.choice(_OUTCOMES)
            await followup_work.finish(session, number, user, self._settings, outcome, chance.choice(NOTES))
            if outcome != "not_reached" and chance.random() < 0.8:
                due = self._world.moment + timedelta(hours=chance.uniform(4, 48))
                await followup_work.ask_again(session, number, user, self._settings, due)


def _lasts(chance: random.Random, minutes: float) -> float:
    """About so many minutes: mostly less, sometimes far more."""
    return min(minutes * chance.lognormvariate(0, 0.7), minutes * 12)


def _share(chance: random.Random, median: float, spread: float) -> float:
    """A share of what was promised, around ``median``."""
    return math.exp(chance.gauss(math.log(median), spread))


async def hire(session: AsyncSession, password: str) -> None:
    """Add those who work at the desk, and have them speak what they speak."""
    for colleague in COLLEAGUES:
        user = await users.add(session, colleague.username, colleague.name, password)
        await users.set_work(session, user, speaks=list(colleague.speaks), capacity=None)
