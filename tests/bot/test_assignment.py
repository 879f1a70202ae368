"""Teams and turns: which team, which member, who comes next, how long it takes; on each kind of database."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest
from sqlalchemy import select, update

from bot.config import Config, Settings, Team
from bot.contracts import Owner
from bot.jobs.assignment import assignment_jobs
from bot.jobs.base import Workshop
from bot.jobs.handoffs import handoff_jobs
from bot.services import assignment, callbacks, handoff, teams, users
from bot.services.assignment import Standing
from bot.services.handoff import HandoffError
from bot.services.teams import Matter
from bot.storage import Database, now
from bot.storage.models import Alert, Conversation, Customer, Handoff, Ticket, Timer, User
from tests.bureau import Bureau

# A Monday at noon and a Sunday, in UTC.
MONDAY = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
SUNDAY = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
OFFICE = {"office": {"timezone": "UTC", "hours": {"mon-fri": ["09:00-17:00"]}}}


def shop(*these: dict[str, Any], **more: Any) -> Settings:
    """Settings with these teams."""
    return Settings.model_validate({"languages": ["en", "es", "zh-Hans"], "teams": list(these), **more})


@pytest.fixture
def bureau(any_database: Database) -> Bureau:
    """People and conversations on each kind of database."""
    return Bureau(any_database)


class TestWhichTeam:
    """The first that fits and is open, then the first that fits; one without conditions last."""

    TEAMS = (
        {"name": "all"},
        {"name": "bills", "types": ["billing"]},
        {"name": "spanish", "languages": ["es"], "calendar": "office"},
        {"name": "gold", "tiers": ["Gold"], "channels": ["telegram"]},
        {"name": "spanish too", "languages": ["es"]},
    )

    @pytest.mark.parametrize(
        ("matter", "moment", "team"),
        [
            (Matter("billing", "es"), MONDAY, "bills"),
            (Matter("", "es"), MONDAY, "spanish"),
            (Matter("", "es"), SUNDAY, "spanish too"),
            (Matter("damaged", "en"), MONDAY, "all"),
            (Matter("", "en", "gold", "telegram"), MONDAY, "gold"),
            (Matter("", "en", "gold", "slack"), MONDAY, "all"),
        ],
    )
    def test_the_first_that_fits_and_is_open(self, matter: Matter, moment: datetime, team: str) -> None:
        """Types, languages, tiers and channels all count; the fallback comes last wherever it stands."""
        chosen = teams.choose(shop(*self.TEAMS, calendars=OFFICE), matter, moment)
        assert chosen is not None and chosen.name == team

    def test_all_closed_is_the_first_and_none_is_everyone(self) -> None:
        """A closed team still gets what nobody else takes; what no team takes is everyone's."""
        settings = shop(
            {"name": "a", "languages": ["es"], "calendar": "office"},
            {"name": "b", "languages": ["es"], "calendar": "office"},
            calendars=OFFICE,
        )
        chosen = teams.choose(settings, Matter("", "es"), SUNDAY)
        assert chosen is not None and chosen.name == "a"
        assert teams.opening(settings, chosen, SUNDAY) == datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
        assert teams.opening(settings, chosen, MONDAY) is None
        assert teams.choose(settings, Matter("", "en"), MONDAY) is None

    def test_the_chain_goes_round_once_and_skips_the_closed(self) -> None:
        """Each team is asked once, and none that is closed."""
        settings = shop(
            {"name": "a", "next": "b"},
            {"name": "b", "next": "c", "calendar": "office"},
            {"name": "c", "next": "a"},
            calendars=OFFICE,
        )
        first = settings.teams[0]
        after = [teams.following(settings, first, (), moment) for moment in (MONDAY, SUNDAY)]
        assert [team.name if team else "" for team in after] == ["b", "c"]
        assert teams.following(settings, settings.teams[2], ("a", "b"), MONDAY) is None


class TestWhoseTurn:
    """Active, here, speaking the language, below capacity; in turn, or who has the least."""

    async def turns(self, bureau: Bureau, settings: Settings, count: int, language: str = "en") -> list[str]:
        """Who is offered so many conversations, one after the other."""
        return [(await bureau.hands_over(settings, language=language)).offered for _ in range(count)]

    async def test_round_robin(self, bureau: Bureau) -> None:
        """Each in turn, until all have as many as they can."""
        settings = shop({"name": "a", "members": ["ann", "bob", "cleo"], "assign": "round_robin", "capacity": 2})
        for name in ("ann", "bob", "cleo"):
            await bureau.person(name)
        assert await self.turns(bureau, settings, 7) == ["ann", "bob", "cleo", "ann", "bob", "cleo", ""]

    async def test_least_busy(self, bureau: Bureau) -> None:
        """Fewest conversations first, then fewest open tickets."""
        settings = shop({"name": "a", "members": ["ann", "bob", "cleo"], "assign": "least_busy"})
        ann, bob, _cleo = [await bureau.person(name) for name in ("ann", "bob", "cleo")]
        await bureau.ticket(ann)
        await bureau.ticket(bob)
        await bureau.ticket(bob)
        assert await self.turns(bureau, settings, 5) == ["cleo", "ann", "bob", "cleo", "ann"]

    async def test_only_who_can(self, bureau: Bureau) -> None:
        """Not who is away, has left, speaks other languages or has their own, smaller capacity full."""
        settings = shop(
            {"name": "a", "members": ["away", "gone", "spanish", "small", "able", "unknown"], "assign": "round_robin"}
        )
        await bureau.person("away", away_since=now())
        await bureau.person("gone", active=False)
        await bureau.person("spanish", speaks=["es"])
        await bureau.person("small", capacity=0)
        await bureau.person("able")
        await bureau.person("stranger")
        assert await self.turns(bureau, settings, 2) == ["able", "able"]
        assert await self.turns(bureau, settings, 2, "es") == ["spanish", "able"]

    async def test_a_team_that_pulls_offers_to_nobody(self, bureau: Bureau) -> None:
        """It waits in the team's queue, and nobody is alerted."""
        settings = shop({"name": "a", "members": ["ann"]})
        await bureau.person("ann")
        found = await bureau.hands_over(settings)
        assert (found.row.team, found.offered, await bureau.alerts()) == ("a", "", [])

    async def test_without_teams_it_is_everyones(self, bureau: Bureau) -> None:
        """Nothing is assigned, nothing passes on, nothing is told of a queue."""
        await bureau.person("ann")
        found = await bureau.hands_over(shop())
        assert (found.row.team, found.offered, found.row.steps, found.standing) == ("", "", [], Standing())
        assert await bureau.due(assignment.CLAIM) == []

    async def test_two_processes_do_not_both_ask_the_same(self, bureau: Bureau) -> None:
        """Eight hand-overs at once over two members with room for two each: none gets three."""
        settings = shop({"name": "a", "members": ["ann", "bob"], "assign": "least_busy", "capacity": 2})
        await bureau.person("ann")
        await bureau.person("bob")
        found = await asyncio.gather(*(bureau.hands_over(settings) for _ in range(8)))
        assert sorted(item.offered for item in found) == ["", "", "", "", "ann", "ann", "bob", "bob"]

    async def test_tickets_have_an_owner_too(self, bureau: Bureau) -> None:
        """By the ticket's own type and language; recorded, and the one who has it is told."""
        settings = shop(
            {"name": "bills", "members": ["ann"], "types": ["billing"], "assign": "round_robin"}, {"name": "rest"}
        )
        ann = await bureau.person("ann")
        async with bureau.database.begin() as session:
            conversation = await bureau.conversation(session)
            ticket = await bureau.opens(session, conversation)
            await assignment.give_ticket(session, ticket, conversation, settings)
            number = ticket.id
        async with bureau.database.read() as session:
            kept = await session.get_one(Ticket, number)
        assert (kept.team, kept.agent_id) == ("bills", ann.id)
        assert await bureau.history(number) == [("assigned", {"team": "bills", "agent": "ann"})]
        assert await bureau.alerts() == [("ann", "alert.ticket_assigned")]


class TestPassingOn:
    """Nobody claims in time: the next team, each once, then everyone; a claim beats the timer."""

    CHAIN = (
        {"name": "a", "members": ["ann"], "languages": ["en"], "assign": "round_robin", "next": "b"},
        {"name": "b", "members": ["bob", "ben"], "languages": ["es"], "next": "a"},
    )

    async def test_down_the_chain(self, bureau: Bureau) -> None:
        """Offered, passed on to a team that pulls, then everyone is asked; a timer done twice changes nothing."""
        settings = shop(*self.CHAIN)
        for name in ("ann", "bob", "ben", "eve"):
            await bureau.person(name)
        row = (await bureau.hands_over(settings)).row
        (timer,) = await bureau.due(assignment.CLAIM)
        minutes = (timer.due_at - now()).total_seconds() / 60
        assert settings.handoff.claim_minutes - 1 < minutes <= settings.handoff.claim_minutes
        await bureau.times_out(timer, settings)
        assert (await bureau.handoff(row.id)).team == "b"
        await bureau.times_out(timer, settings)
        (again,) = [item for item in await bureau.due(assignment.CLAIM) if item.id != timer.id]
        await bureau.times_out(again, settings)
        ended = await bureau.handoff(row.id)
        assert (ended.team, ended.passed, ended.offered_to_id) == ("", ["a", "b"], None)
        assert [step["what"] for step in ended.steps] == ["offered", "asked", "everyone"]
        told = await bureau.alerts()
        assert told[:3] == [("ann", "alert.offered"), ("bob", "alert.team"), ("ben", "alert.team")]
        assert sorted(told[3:]) == [(name, "alert.everyone") for name in ("ann", "ben", "bob", "eve")]
        assert len(await bureau.due(assignment.CLAIM)) == 2

    async def test_an_offer_is_no_lock(self, bureau: Bureau) -> None:
        """Somebody else claims what was offered to ann, and the timer then does nothing."""
        settings = shop(*self.CHAIN)
        await bureau.person("ann")
        eve = await bureau.person("eve")
        row = (await bureau.hands_over(settings)).row
        await bureau.claims(row, eve)
        (timer,) = await bureau.due(assignment.CLAIM)
        await bureau.times_out(timer, settings)
        kept = await bureau.handoff(row.id)
        assert (kept.agent_id, kept.team, kept.passed) == (eve.id, "a", [])

    async def test_what_others_were_asked_is_over_once_somebody_has_it(self, bureau: Bureau) -> None:
        """Ann was offered it, then bob's team was asked; eve claims it: nobody's bell says so any more."""
        settings = shop(*self.CHAIN)
        for name in ("ann", "bob", "ben"):
            await bureau.person(name)
        eve = await bureau.person("eve")
        row = (await bureau.hands_over(settings)).row
        other = (await bureau.hands_over(settings)).row
        assert await self.asked(bureau) == [("ann", row.conversation_id), ("ann", other.conversation_id)]
        await bureau.times_out((await bureau.due(assignment.CLAIM))[0], settings)
        others = [("ben", row.conversation_id), ("bob", row.conversation_id)]
        assert await self.asked(bureau) == [("ann", other.conversation_id), *others]
        await bureau.claims(row, eve)
        assert await self.asked(bureau) == [("ann", other.conversation_id)]

    @staticmethod
    async def asked(bureau: Bureau) -> list[tuple[str, int]]:
        """Who is still told of which conversation, in order of their names."""
        query = select(User.username, Alert.params).join(User, User.id == Alert.user_id).where(Alert.seen_at.is_(None))
        async with bureau.database.read() as session:
            return sorted((name, params["conversation"]) for name, params in await session.execute(query))

    async def test_claim_and_timer_at_once(self, bureau: Bureau) -> None:
        """Whichever comes first, there is one truth: who claimed has it, and nobody is asked after that."""
        settings = shop(*self.CHAIN)
        ann = await bureau.person("ann")
        rows = [(await bureau.hands_over(settings)).row for _ in range(5)]
        timers = await bureau.due(assignment.CLAIM)
        jobs = [bureau.claims(row, ann) for row in rows] + [bureau.times_out(timer, settings) for timer in timers]
        await asyncio.gather(*jobs)
        for row in rows:
            kept = await bureau.handoff(row.id)
            assert kept.agent_id == ann.id and len(kept.passed) <= 1
            assert (await bureau.talk(kept)).owner is Owner.PERSON

    async def test_an_agent_and_the_time_out_do_not_wait_for_each_other(self, bureau: Bureau) -> None:
        """Each has what the other wants: the agent ends it, and the timer finds that out."""
        ann = await bureau.person("ann")
        row = (await bureau.hands_over(shop())).row

        async def worker() -> datetime | None:
            async with bureau.database.begin() as session:
                (await session.scalars(select(Timer).where(Timer.kind == handoff.TIMEOUT).with_for_update())).one()
                await asyncio.sleep(0.2)
                await session.get_one(Conversation, row.conversation_id, with_for_update=True)
                return (await session.get_one(Handoff, row.id, populate_existing=True)).ended_at

        async def agent() -> None:
            async with bureau.database.begin() as session:
                talk = await session.get_one(Conversation, row.conversation_id, with_for_update=True)
                await handoff.claim(session, talk, ann)
                await asyncio.sleep(0.2)
                await handoff.end(session, talk, "resolved")

        both = asyncio.gather(worker(), agent())
        await asyncio.wait_for(both, 10)
        assert (await bureau.handoff(row.id)).outcome == "resolved"

    async def test_two_who_claim_at_once(self, bureau: Bureau) -> None:
        """One has it, the other is told so."""
        settings = shop(*self.CHAIN)
        people = [await bureau.person(name) for name in ("ann", "eve")]
        row = (await bureau.hands_over(settings)).row
        results = await asyncio.gather(*(bureau.claims(row, user) for user in people), return_exceptions=True)
        assert sorted(str(result) for result in results) == ["None", "taken"]
        assert [result for result in results if isinstance(result, HandoffError)]

    async def test_a_closed_team_is_asked_when_it_opens(self, bureau: Bureau) -> None:
        """Nobody is offered anything until then, and nothing passes on meanwhile."""
        day = now().astimezone(UTC).date()
        closed = {"late": {"timezone": "UTC", "hours": {"mon-sun": ["00:00-24:00"]}, "special": {day.isoformat(): []}}}
        team = {"name": "a", "members": ["ann"], "assign": "round_robin", "calendar": "late"}
        settings = shop(team, calendars=closed)
        await bureau.person("ann")
        found = await bureau.hands_over(settings)
        assert found.standing.opens is not None and found.standing.opens.date() == day + timedelta(days=1)
        assert (found.offered, await bureau.due(assignment.CLAIM)) == ("", [])
        (timer,) = await bureau.due(assignment.OPENING)
        assert timer.due_at == found.standing.opens

    async def test_nobody_waits_in_vain_for_a_closed_team(self, bureau: Bureau, config: Config) -> None:
        """A hand-over neither times out nor is reminded of before its team is there; after that as any other."""
        day = now().astimezone(UTC).date()
        closed = {"late": {"timezone": "UTC", "hours": {"mon-sun": ["00:00-24:00"]}, "special": {day.isoformat(): []}}}
        settings = shop({"name": "a", "members": ["ann"], "calendar": "late"}, calendars=closed)
        found = await bureau.hands_over(settings)
        opens, patience = found.standing.opens, timedelta(minutes=settings.handoff.timeout_minutes)
        voice: Any = None
        jobs = handoff_jobs(Workshop(bureau.database, voice, {}, replace(config, settings=settings)))
        job = jobs[handoff.TIMEOUT]
        async with bureau.database.begin() as session:
            await jobs[handoff.REMIND].apply(session, {"handoff": found.row.id, "minutes": 5}, None)
        assert opens is not None and (await bureau.due(handoff.REMIND))[-1].due_at == opens + timedelta(minutes=5)

        async def times_out() -> datetime:
            async with bureau.database.begin() as session:
                await job.apply(session, {"handoff": found.row.id}, None)
            assert (await bureau.handoff(found.row.id)).ended_at is None
            return max(timer.due_at for timer in await bureau.due(handoff.TIMEOUT))

        assert await times_out() == opens + patience
        settings = shop({"name": "a", "members": ["ann"]})
        async with bureau.database.begin() as session:
            row = await session.get_one(Handoff, found.row.id)
            row.started_at -= timedelta(days=3)
            await assignment.offer(
                session, row, await session.get_one(Conversation, row.conversation_id), settings.teams[0], settings
            )
        job = handoff_jobs(Workshop(bureau.database, voice, {}, replace(config, settings=settings)))[handoff.TIMEOUT]
        assert await times_out() > now() + patience - timedelta(minutes=1)

    async def test_a_team_that_is_not_there_any_more_leaves_nobody_waiting(
        self, bureau: Bureau, config: Config
    ) -> None:
        """It was taken out of the settings while a conversation waited for it to open: everyone is asked."""
        day = now().astimezone(UTC).date()
        closed = {"late": {"timezone": "UTC", "hours": {"mon-sun": ["00:00-24:00"]}, "special": {day.isoformat(): []}}}
        team = {"name": "a", "members": ["ann"], "calendar": "late"}
        await bureau.person("ann")
        row = (await bureau.hands_over(shop(team, calendars=closed))).row
        voice: Any = None
        left = replace(config, settings=shop({"name": "b", "members": ["ann"]}))
        (timer,) = await bureau.due(assignment.OPENING)
        async with bureau.database.begin() as session:
            jobs = assignment_jobs(Workshop(bureau.database, voice, {}, left))
            await jobs[assignment.OPENING].apply(session, timer.payload, None)
        assert (await bureau.handoff(row.id)).team == "" and await bureau.alerts() == [("ann", "alert.everyone")]

    async def test_who_can_take_another_is_offered_what_waits(self, bureau: Bureau) -> None:
        """The oldest of those that wait, once a conversation has ended."""
        settings = shop({"name": "a", "members": ["ann"], "assign": "round_robin", "capacity": 1})
        ann = await bureau.person("ann")
        first, second, third = [await bureau.hands_over(settings) for _ in range(3)]
        assert [item.offered for item in (first, second, third)] == ["ann", "", ""]
        await bureau.claims(first.row, ann)
        async with bureau.database.begin() as session:
            await handoff.end(session, await session.get_one(Conversation, first.row.conversation_id), "resolved")
        assert [timer.payload for timer in await bureau.due(handoff.WAKE)] == [{"user": ann.id}]
        async with bureau.database.begin() as session:
            assert await assignment.offer_waiting(session, ann.id, settings)
        async with bureau.database.begin() as session:
            assert not await assignment.offer_waiting(session, ann.id, settings)
        assert (await bureau.handoff(second.row.id)).offered_to_id == ann.id
        assert (await bureau.handoff(third.row.id)).offered_to_id is None


class TestHowLong:
    """The place in the queue, and the time at the head of the line."""

    async def test_nobody_free_means_a_place(self, bureau: Bureau) -> None:
        """Somebody free, then first in line, then one before."""
        settings = shop({"name": "a", "members": ["ann"], "assign": "round_robin", "capacity": 1})
        await bureau.person("ann")
        found = [(await bureau.hands_over(settings)).standing for _ in range(3)]
        # The one that is offered to ann still waits, so it is before the second.
        assert [(item.free, item.before) for item in found] == [(True, 0), (False, 1), (False, 2)]
        assert found[2].minutes is None

    async def test_everybody_away(self, bureau: Bureau) -> None:
        """Open, but nobody there: no place and no time is made up."""
        settings = shop({"name": "a", "members": ["ann"]})
        await bureau.person("ann", away_since=now())
        assert (await bureau.hands_over(settings)).standing == Standing(free=False, absent=True)

    async def test_the_estimate(self, bureau: Bureau) -> None:
        """Place times the median time at the head of the line; times without anybody waiting do not count."""
        start = now() - timedelta(days=2)
        # Began, claimed: in minutes. At the head: 4, then from the claim before on 6, 8; a quiet day; 2, 10.
        spans = [(0, 4), (1, 10), (2, 18), (1500, 1502), (1500, 1512)]
        async with bureau.database.begin() as session:
            for begun, claimed in spans:
                talk = await bureau.conversation(session)
                moments = [start + timedelta(minutes=minutes) for minutes in (begun, claimed)]
                session.add(
                    Handoff(
                        conversation_id=talk.id, reason="asked", team="a",
                        started_at=moments[0], claimed_at=moments[1], ended_at=moments[1],
                    )
                )  # fmt: skip
        async with bureau.database.read() as session:
            assert await assignment.expected_minutes(session, "a", 1) == 6
            assert await assignment.expected_minutes(session, "a", 3) == 18
            assert await assignment.expected_minutes(session, "b", 1) is None
        async with bureau.database.begin() as session:
            oldest = select(Handoff.id).order_by(Handoff.id).limit(1).scalar_subquery()
            await session.execute(
                update(Handoff).where(Handoff.id == oldest).values(claimed_at=now() - timedelta(days=15))
            )
        async with bureau.database.read() as session:
            assert await assignment.expected_minutes(session, "a", 1) is None


class TestAbsence:
    """What somebody has goes to others; what they are offered too; who is back is asked again."""

    TEAM: ClassVar = {"name": "a", "members": ["ann", "bob"], "assign": "round_robin"}

    async def test_offers_and_tickets_go_to_others(self, bureau: Bureau) -> None:
        """Ann leaves: bob is offered hers and has her ticket; done twice it changes nothing."""
        settings = shop(self.TEAM)
        ann, bob = await bureau.person("ann"), await bureau.person("bob")
        row = (await bureau.hands_over(settings)).row
        ticket = await bureau.ticket(ann, team="a")
        await bureau.leaves(ann)
        payloads = [timer.payload for timer in await bureau.due(assignment.RELEASE)]
        assert payloads == [{"handoff": row.id, "user": ann.id}]
        assert [timer.payload for timer in await bureau.due(assignment.RELEASE_TICKET)] == [
            {"ticket": ticket, "user": ann.id}
        ]
        for _ in range(2):
            async with bureau.database.begin() as session:
                assert await assignment.release(session, row.id, ann.id, settings) is None
        kept = await bureau.handoff(row.id)
        assert (kept.offered_to_id, [step["what"] for step in kept.steps]) == (bob.id, ["offered", "offered"])

    async def test_claimed_ones_return_to_the_queue(self, bureau: Bureau) -> None:
        """The owner is the queue again, bob is asked, and the customer is to be told once."""
        settings = shop(self.TEAM)
        ann, bob = await bureau.person("ann"), await bureau.person("bob")
        row = (await bureau.hands_over(settings)).row
        await bureau.claims(row, ann)
        await bureau.leaves(ann)
        told = []
        for _ in range(2):
            async with bureau.database.begin() as session:
                told.append(await assignment.release(session, row.id, ann.id, settings))
        assert [item is not None for item in told] == [True, False]
        kept = await bureau.handoff(row.id)
        talk = await bureau.talk(kept)
        assert (kept.agent_id, kept.claimed_at, kept.offered_to_id) == (None, None, bob.id)
        assert (talk.owner, talk.agent_id) == (Owner.QUEUE, None)

    async def test_what_was_passed_to_who_is_away_is_everyones(self, bureau: Bureau) -> None:
        """Bob was asked by a colleague, without any teams, and leaves before he has it: it does not wait for him."""
        settings = shop()
        ann, bob = await bureau.person("ann"), await bureau.person("bob")
        row = (await bureau.hands_over(settings)).row
        async with bureau.database.begin() as session:
            talk = await session.get_one(Conversation, row.conversation_id)
            there = await session.get_one(Handoff, row.id)
            await assignment.hand_on(session, there, talk, settings, by=ann, team=None, to=bob)
        await bureau.leaves(bob)
        async with bureau.database.begin() as session:
            assert await assignment.release(session, row.id, bob.id, settings) is None
        assert (await bureau.handoff(row.id)).offered_to_id is None
        assert await bureau.alerts() == [("bob", "alert.passed"), ("ann", "alert.everyone")]

    async def test_back_in_time_nothing_is_taken(self, bureau: Bureau) -> None:
        """Who is back before it was seen to keeps everything, and is offered what waits."""
        settings = shop(self.TEAM)
        ann = await bureau.person("ann")
        row = (await bureau.hands_over(settings)).row
        await bureau.claims(row, ann)
        await bureau.leaves(ann)
        async with bureau.database.begin() as session:
            await assignment.set_away(session, ann, False)
        async with bureau.database.begin() as session:
            assert await assignment.release(session, row.id, ann.id, settings) is None
        assert (await bureau.handoff(row.id)).agent_id == ann.id
        assert [timer.payload for timer in await bureau.due(handoff.WAKE)] == [{"user": ann.id}]

    async def test_twice_away_is_once(self, bureau: Bureau) -> None:
        """The same again changes nothing; the moment stays."""
        ann = await bureau.person("ann")
        await bureau.leaves(ann)
        async with bureau.database.read() as session:
            since = (await session.get_one(User, ann.id)).away_since
        await bureau.leaves(ann)
        async with bureau.database.read() as session:
            assert (await session.get_one(User, ann.id)).away_since == since is not None


class TestNumbers:
    """Telephone numbers for call-backs."""

    @pytest.mark.parametrize(
        ("text", "country", "number"),
        [
            ("+44 20 7946 0000", "NL", "+442079460000"),
            ("020 794 6000", "NL", "+31207946000"),
            ("600 12 34 56", "ES", "+34600123456"),
            ("12", "NL", ""),
            ("call me", "NL", ""),
            ("0600123456", "", ""),
        ],
    )
    def test_possible_ones(self, text: str, country: str, number: str) -> None:
        """Any usual notation, in E.164 form; what cannot be a number is none."""
        assert callbacks.number(text, country) == number

    async def test_the_one_on_record(self, bureau: Bureau) -> None:
        """Only of a customer who is verified now; their country counts for what they type."""
        settings = shop()
        async with bureau.database.begin() as session:
            talk = await bureau.conversation(session)
            customer = Customer(name="Ana", phone="600123456", country="Spain")
            session.add(customer)
            await session.flush()
            talk.customer_id = customer.id
            assert await callbacks.on_record(session, talk, settings) == ("", settings.shop.country)
            talk.verified_until = now() + timedelta(minutes=5)
            assert await callbacks.on_record(session, talk, settings) == ("+34600123456", "ES")


async def test_the_words_of_a_user_who_is_changed(any_database: Database) -> None:
    """Languages and capacity are kept; the user is found under their name whatever its case."""
    bureau = Bureau(any_database)
    await bureau.person("ann")
    async with any_database.begin() as session:
        found = await users.find(session, " Ann ")
        await users.set_work(session, found, speaks=["es"], capacity=3)
    async with any_database.read() as session:
        kept = await users.find(session, "ann")
    assert (kept.speaks, kept.capacity) == (["es"], 3)


def _names(found: Sequence[Team]) -> list[str]:
    return [team.name for team in found]


def test_the_teams_of_a_user() -> None:
    """As member or lead, whatever the case."""
    settings = shop({"name": "a", "members": ["Sam"]}, {"name": "b", "lead": "sam"}, {"name": "c", "members": ["kim"]})
    assert _names(teams.of_user(settings, "SAM")) == ["a", "b"]
