"""Follow-ups of low scores: whose, until when, what the customer's further answers make of them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from bot.config import Config, Settings
from bot.domain import load_domain
from bot.jobs import handlers
from bot.jobs.base import Workshop
from bot.outbox import Voice
from bot.services import followup_work, followups, privacy, surveys
from bot.services.business_hours import calendar_of
from bot.services.followup_work import FollowUpError
from bot.storage import Database, now
from bot.storage.models import Conversation, FollowUp, Role, Survey, SurveyStatus, Timer, User
from bot.texts import Texts
from bot.worker import TimerWorker
from tests.bureau import Bureau

TEAMS: list[dict[str, Any]] = [
    {"name": "Billing", "members": ["sam", "kim"], "lead": "lea", "calendar": "office"},
    {"name": "Service", "members": ["ned"]},
]


@pytest.fixture
def settings(config: Config) -> Settings:
    """The shipped settings with two teams, the first one led."""
    return Settings.model_validate(config.settings.model_dump() | {"teams": TEAMS})


@pytest.fixture
async def bureau(any_database: Database) -> Bureau:
    """Agents, a team lead and a manager."""
    made = Bureau(any_database)
    for name, role in (("sam", Role.AGENT), ("ned", Role.AGENT), ("lea", Role.AGENT), ("max", Role.MANAGER)):
        await made.person(name, role)
    return made


async def person(bureau: Bureau, name: str) -> User:
    """Somebody who works here."""
    async with bureau.database.read() as session:
        return (await session.scalars(select(User).where(User.username == name))).one()


async def asked(bureau: Bureau, kind: str = "csat", team: str = "", **more: Any) -> int:
    """A survey that was sent, its id."""
    async with bureau.database.begin() as session:
        talk = await bureau.conversation(session)
        moment = now()
        survey = Survey(
            kind=kind,
            definition="after-conversation",
            conversation_id=talk.id,
            team=team,
            status=SurveyStatus.SENT,
            sent_at=moment,
            expires_at=moment + timedelta(hours=72),
            **more,
        )
        session.add(survey)
        await session.flush()
        return survey.id


async def rates(bureau: Bureau, survey_id: int, score: int, settings: Settings) -> None:
    """The customer answers, or changes the answer."""
    async with bureau.database.begin() as session:
        survey = await session.get_one(Survey, survey_id)
        await surveys.rate(session, survey, score, settings.surveys)
        await followups.open_for(session, survey, settings)


async def all_of(bureau: Bureau) -> list[FollowUp]:
    """All follow-ups."""
    async with bureau.database.read() as session:
        return list(await session.scalars(select(FollowUp).order_by(FollowUp.id)))


@pytest.mark.parametrize(
    ("kind", "score", "low"),
    [("csat", 2, True), ("csat", 3, False), ("nps", 6, True), ("nps", 7, False), ("ces", 3, True), ("ces", 4, False)],
)
async def test_a_low_score_opens_one(bureau: Bureau, settings: Settings, kind: str, score: int, low: bool) -> None:
    """CSAT up to 2, NPS up to 6, CES up to 3; what is above opens none; a repeat opens no second one."""
    survey = await asked(bureau, kind)
    await rates(bureau, survey, score, settings)
    await rates(bureau, survey, score, settings)
    assert len(await all_of(bureau)) == low


async def test_a_late_answer_opens_none(bureau: Bureau, settings: Settings) -> None:
    """What is not counted is not followed up."""
    survey = await asked(bureau)
    async with bureau.database.begin() as session:
        (await session.get_one(Survey, survey)).status = SurveyStatus.EXPIRED
    await rates(bureau, survey, 1, settings)
    assert await all_of(bureau) == []


async def test_the_owner_is_the_lead_then_the_team_then_the_managers(bureau: Bureau, settings: Settings) -> None:
    """Each is told, and nobody else; a lead who has left is none; an agent's first team counts."""
    sam = await person(bureau, "sam")
    lea = await person(bureau, "lea")
    await rates(bureau, await asked(bureau, team="Billing"), 1, settings)
    await rates(bureau, await asked(bureau, agent_id=sam.id), 1, settings)
    await rates(bureau, await asked(bureau, team="Service"), 1, settings)
    await rates(bureau, await asked(bureau), 1, settings)
    async with bureau.database.begin() as session:
        (await session.get_one(User, lea.id)).active = False
    await rates(bureau, await asked(bureau, team="Billing"), 1, settings)
    found = [(row.team, row.owner_id) for row in await all_of(bureau)]
    assert found == [("Billing", lea.id), ("Billing", lea.id), ("Service", None), ("", None), ("Billing", None)]
    told = [name for name, key in await bureau.alerts() if key == "alert.follow_up.opened"]
    assert told == ["lea", "lea", "ned", "max", "sam"]


async def test_the_team_of_the_ticket_counts(bureau: Bureau, settings: Settings) -> None:
    """A survey without a team of its own belongs to the ticket's."""
    ticket = await bureau.ticket(await person(bureau, "ned"), team="Billing")
    await rates(bureau, await asked(bureau, ticket_id=ticket), 1, settings)
    (row,) = await all_of(bureau)
    assert row.team == "Billing" and row.owner_id == (await person(bureau, "lea")).id


async def test_the_deadline_counts_business_hours(bureau: Bureau, settings: Settings) -> None:
    """Eight of the team's hours from now on, as its calendar has them."""
    await rates(bureau, await asked(bureau, team="Billing"), 1, settings)
    (row,) = await all_of(bureau)
    definition = settings.surveys.named("after-conversation")
    assert definition is not None and definition.follow_up_hours == 8
    calendar = calendar_of(settings, "office")
    assert abs(calendar.between(row.created_at, row.due_at) - 8 * 3600) <= 1
    assert row.due_at - row.created_at > timedelta(hours=8)


async def test_a_score_taken_back_withdraws_it(bureau: Bureau, settings: Settings) -> None:
    """Changed within the hour to one that is not low: withdrawn, without an alarm later; low again: open again."""
    survey = await asked(bureau)
    await rates(bureau, survey, 1, settings)
    await rates(bureau, survey, 4, settings)
    (row,) = await all_of(bureau)
    assert row.outcome == "withdrawn" and row.closed_at is not None and await bureau.due(followups.OVERDUE) == []
    await rates(bureau, survey, 2, settings)
    (row,) = await all_of(bureau)
    assert row.outcome == "" and row.closed_at is None
    assert [timer.due_at for timer in await bureau.due(followups.OVERDUE)] == [row.due_at]


async def again_of(bureau: Bureau, settings: Settings, by: str = "max") -> int:
    """Somebody has a customer asked again after a low score; the second survey, sent."""
    await rates(bureau, await asked(bureau, team="Billing"), 1, settings)
    (row,) = await all_of(bureau)
    async with bureau.database.begin() as session:
        user = await person(bureau, by)
        again = await followup_work.ask_again(session, row.id, user, settings)
        again.status, again.sent_at = SurveyStatus.SENT, now()
        again.expires_at = now() + timedelta(hours=72)
        assert again.trigger == "again" and again.definition == "after-conversation"
        return again.id


async def test_a_good_answer_to_the_second_question_is_recovery(bureau: Bureau, settings: Settings) -> None:
    """Asked again, a good score closes it as recovered and tells the owner; a changed mind changes the outcome."""
    again = await again_of(bureau, settings)
    await rates(bureau, again, 5, settings)
    (row,) = await all_of(bureau)
    assert row.outcome == "recovered" and row.closed_at is not None and row.closed_by_id is None
    assert ("lea", "alert.follow_up.recovered") in await bureau.alerts()
    await rates(bureau, again, 3, settings)
    (row,) = await all_of(bureau)
    assert row.outcome == "" and row.closed_at is None
    await rates(bureau, again, 1, settings)
    (row,) = await all_of(bureau)
    assert row.outcome == "not_recovered" and len(await all_of(bureau)) == 1


async def test_the_customers_word_counts_more_than_ours(bureau: Bureau, settings: Settings) -> None:
    """What somebody closed as not reached is recovered if the customer says so; one in between leaves it."""
    again = await again_of(bureau, settings)
    lea = await person(bureau, "lea")
    async with bureau.database.begin() as session:
        await followup_work.finish(session, 1, lea, settings, "not_reached", "no answer by phone")
    await rates(bureau, again, 3, settings)
    (row,) = await all_of(bureau)
    assert row.outcome == "not_reached" and row.closed_by_id == lea.id
    assert row.note.endswith("Lea: no answer by phone")
    await rates(bureau, again, 4, settings)
    (row,) = await all_of(bureau)
    assert row.outcome == "recovered" and row.closed_by_id is None


async def test_nobody_is_asked_again_twice(bureau: Bureau, settings: Settings) -> None:
    """Once for each follow-up, whoever wants it; never after the score was taken back."""
    await again_of(bureau, settings)
    lea = await person(bureau, "lea")
    async with bureau.database.begin() as session:
        with pytest.raises(FollowUpError, match="asked"):
            await followup_work.ask_again(session, 1, lea, settings)
    survey = await asked(bureau)
    await rates(bureau, survey, 1, settings)
    await rates(bureau, survey, 5, settings)
    manager = await person(bureau, "max")
    async with bureau.database.begin() as session:
        with pytest.raises(FollowUpError, match="withdrawn"):
            await followup_work.ask_again(session, 2, manager, settings)


async def test_people_see_their_own(bureau: Bureau, settings: Settings) -> None:
    """A team's members work on its follow-ups, others do not know of them; managers do; two cannot take one."""
    await rates(bureau, await asked(bureau, team="Billing"), 1, settings)
    sam, ned, lea, manager = [await person(bureau, name) for name in ("sam", "ned", "lea", "max")]
    async with bureau.database.begin() as session:
        with pytest.raises(FollowUpError, match="unknown"):
            await followup_work.take(session, 1, ned, settings, instead_of=lea.id)
        await followup_work.take(session, 1, sam, settings, instead_of=lea.id)
        with pytest.raises(FollowUpError, match="taken"):
            await followup_work.take(session, 1, manager, settings, instead_of=lea.id)
        for wrong, text in (("empty", " "), ("too_long", "x" * 4001)):
            with pytest.raises(FollowUpError, match=wrong):
                await followup_work.note(session, 1, sam, settings, text)
        with pytest.raises(FollowUpError, match="outcome"):
            await followup_work.finish(session, 1, sam, settings, "withdrawn")
        await followup_work.finish(session, 1, sam, settings, "recovered")
        with pytest.raises(FollowUpError, match="closed"):
            await followup_work.finish(session, 1, sam, settings, "not_reached")
    (row,) = await all_of(bureau)
    assert row.owner_id == row.closed_by_id == sam.id


async def test_a_manager_gives_one_to_somebody(bureau: Bureau, settings: Settings) -> None:
    """Who gave it to whom is noted, they alone are told and see it; what cannot be done changes nothing."""
    await rates(bureau, await asked(bureau, team="Billing"), 1, settings)
    sam, ned, lea, manager = [await person(bureau, name) for name in ("sam", "ned", "lea", "max")]
    before = await bureau.alerts()
    async with bureau.database.begin() as session:

        async def gives(to: int | None, by: User = manager, text: str = "", instead_of: int | None = lea.id) -> None:
            await followup_work.assign(session, 1, by, settings, to, text, instead_of=instead_of)

        for wrong, call in (
            ("manager", gives(ned.id, by=sam)),
            ("unknown", gives(sam.id, by=ned)),
            ("nobody", gives(None)),
            ("nobody", gives(99)),
            ("taken", gives(ned.id, instead_of=None)),
            ("too_long", gives(ned.id, text="x" * 4001)),
        ):
            with pytest.raises(FollowUpError, match=wrong):
                await call
        # To whom it belongs already, without a word: nothing happens.
        await gives(lea.id)
    (row,) = await all_of(bureau)
    assert row.owner_id == lea.id and row.note == "" and await bureau.alerts() == before
    async with bureau.database.begin() as session:
        given = await followup_work.assign(session, 1, manager, settings, ned.id, " call her ", instead_of=lea.id)
        assert followup_work.sees(settings, ned, given)
        # To oneself: noted, and nobody is told.
        await followup_work.assign(session, 1, manager, settings, manager.id, instead_of=ned.id)
        assert not followup_work.sees(settings, ned, given)
        (await session.get_one(User, sam.id)).active = False
        await session.flush()
        with pytest.raises(FollowUpError, match="nobody"):
            await followup_work.assign(session, 1, manager, settings, sam.id, instead_of=manager.id)
        await followup_work.finish(session, 1, manager, settings, "recovered")
        with pytest.raises(FollowUpError, match="closed"):
            await followup_work.assign(session, 1, manager, settings, ned.id, instead_of=manager.id)
    (row,) = await all_of(bureau)
    assert [line.split(" ", 2)[2] for line in row.note.splitlines()] == ["Max → Ned: call her", "Max → Max"]
    assert (await bureau.alerts())[len(before) :] == [("ned", "alert.follow_up.assigned")]


async def test_what_is_overdue_is_told_once(bureau: Bureau, settings: Settings, config: Config) -> None:
    """The managers hear of it, once, though two workers look; of one that was closed in time they do not."""
    for _ in range(3):
        await rates(bureau, await asked(bureau), 1, settings)
    manager = await person(bureau, "max")
    async with bureau.database.begin() as session:
        await followup_work.finish(session, 2, manager, settings, "recovered")
        past = datetime(2026, 1, 1, tzinfo=UTC)
        for timer in await session.scalars(select(Timer).where(Timer.kind == followups.OVERDUE)):
            timer.due_at = past
    texts = Texts(load_domain(config.home), ("en",), config.settings.shop)
    shop = Workshop(bureau.database, Voice(texts), {}, config)
    jobs = {followups.OVERDUE: handlers(shop)[followups.OVERDUE]}
    workers = [TimerWorker(bureau.database, jobs, settings.delivery) for _ in range(2)]
    running = [asyncio.create_task(worker.run()) for worker in workers]
    try:
        async with asyncio.timeout(20):
            while [key for _, key in await bureau.alerts()].count("alert.follow_up.overdue") < 2:
                await asyncio.sleep(0.05)
            await asyncio.sleep(0.3)
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
    assert [who for who, key in await bureau.alerts() if key == "alert.follow_up.overdue"] == ["max", "max"]


async def test_an_erased_customer_leaves_no_notes(bureau: Bureau, settings: Settings, config: Config) -> None:
    """What was noted goes with the person; the score and the outcome stay for the figures."""
    survey = await asked(bureau)
    await rates(bureau, survey, 1, settings)
    manager = await person(bureau, "max")
    async with bureau.database.begin() as session:
        await followup_work.finish(session, 1, manager, settings, "recovered", "she lives in Canal Street 1")
        conversation = await session.get_one(Conversation, (await session.get_one(Survey, survey)).conversation_id)
        await session.flush()
        await privacy.erase(session, conversation, config.files_dir)
    (row,) = await all_of(bureau)
    assert row.note == "" and row.outcome == "recovered"
