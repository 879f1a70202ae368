"""Surveys whose question never arrives: cancelled with the reason, in no figure, in nobody's way."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from bot.config import Config, DeliverySettings, Settings
from bot.contracts import Accept, Address, Attachment, Author, Inbound, Limits, Outgoing, PermanentError, Unreachable
from bot.dispatch import Dispatcher
from bot.inbox import store
from bot.outbox import post, retry
from bot.services import figures as keeping
from bot.services import followup_work, surveys
from bot.services.followup_work import FollowUpError
from bot.services.survey_rules import facts
from bot.services.surveys import Answer
from bot.state import State, Task
from bot.storage import Database, figures, now
from bot.storage.figures import Filters
from bot.storage.models import Conversation, FollowUp, Outbox, OutboxStatus, Role, Survey, SurveyStatus
from bot.texts import Rendered
from tests.bureau import Bureau


class Platform:
    """A platform that refuses whatever it is given, for a reason, until it is told to take it."""

    name = "web"
    limits = Limits()

    def __init__(self, error: Exception | None) -> None:
        self.error = error

    async def start(self, accept: Accept) -> None:
        """Nothing is received."""

    async def stop(self) -> None:
        """Nothing is open."""

    def parts(self, message: Outgoing) -> int:
        """Each message is one."""
        return 1

    async def send(self, message: Outgoing, part: int = 0) -> str:
        """Take it or refuse it."""
        if self.error is not None:
            raise self.error
        return f"p{message.id}"

    async def fetch(self, attachment: Attachment) -> bytes:
        """Nothing can be fetched."""
        raise PermanentError("nothing here")


async def asked(database: Database, settings: Settings, trigger: str = "conversation_closed", chat: str = "a") -> int:
    """A survey leaves, its question the open one; its id."""
    async with database.begin() as session:
        await store(session, [Inbound(f"e-{now().timestamp()}", Address("web", chat, chat), "hi")])
        talk = (await session.scalars(select(Conversation).where(Conversation.chat == chat))).one()
        survey = Survey(kind="csat", definition="after-conversation", trigger=trigger, conversation_id=talk.id)
        session.add(survey)
        await session.flush()
        (number,) = await post(session, talk, [Rendered("How satisfied are you?", "en")], Author.SURVEY)
        await surveys.mark_sent(session, survey, talk, "en", settings.surveys, number)
        task = Task("answer_survey", {"survey": str(survey.id)}, asking="rating")
        talk.state = State(task=task, buttons=(("1", "/rate"),)).to_json()
        return survey.id


async def sent(database: Database, error: Exception | None) -> None:
    """Everything that is due is sent, or not."""
    settings = DeliverySettings(attempts=1, backoff_seconds=0.01, backoff_limit_seconds=0.01)
    await Dispatcher(database, {"web": Platform(error)}, settings).drain()


async def found(database: Database, number: int) -> Survey:
    """A survey as it is now."""
    async with database.read() as session:
        return await session.get_one(Survey, number)


async def csat(database: Database, settings: Settings) -> figures.Score:
    """The figures of these days."""
    await keeping.catch_up(database, settings)
    async with database.read() as session:
        return await figures.csat(session, Filters(now() - timedelta(days=1), now() + timedelta(days=1)))


@pytest.mark.parametrize(
    ("error", "reason"),
    [(PermanentError("no such chat"), "undelivered"), (OSError("cut"), "undelivered"),
     (Unreachable("blocked"), "unreachable")],
)  # fmt: skip
async def test_a_question_that_died_is_no_survey(
    any_database: Database, config: Config, error: Exception, reason: str
) -> None:
    """Refused for good, tried too often, blocked: cancelled with why; not delivered, not open, in no cool-down."""
    number = await asked(any_database, config.settings)
    async with any_database.read() as session:
        assert (await facts(session, 1)).last_sent is not None
    await sent(any_database, error)
    survey = await found(any_database, number)
    assert (survey.status, survey.reason, survey.delivered_at) == (SurveyStatus.CANCELLED, reason, None)
    assert (await csat(any_database, config.settings)).delivered == 0
    async with any_database.read() as session:
        assert (await facts(session, 1)).last_sent is None
        talk = await session.get_one(Conversation, 1)
        assert State.from_json(talk.state).task is None and State.from_json(talk.state).buttons == ()
        assert await surveys.open_one(session, talk) is None


async def test_what_waits_is_lost_with_the_customer(any_database: Database, config: Config) -> None:
    """A customer blocks the bot while the question is behind another message: it is given up with that one."""
    async with any_database.begin() as session:
        await store(session, [Inbound("first", Address("web", "a", "a"), "hi")])
        talk = (await session.scalars(select(Conversation))).one()
        await post(session, talk, [Rendered("Before it", "en")], Author.BOT)
    number = await asked(any_database, config.settings)
    await sent(any_database, Unreachable("blocked"))
    survey = await found(any_database, number)
    assert (survey.status, survey.reason) == (SurveyStatus.CANCELLED, "unreachable")


async def test_another_message_that_died_changes_nothing(any_database: Database, config: Config) -> None:
    """A survey that arrived stays open when a later message is refused."""
    number = await asked(any_database, config.settings)
    await sent(any_database, None)
    async with any_database.begin() as session:
        talk = await session.get_one(Conversation, 1)
        await post(session, talk, [Rendered("A reminder", "en")], Author.SURVEY)
    await sent(any_database, PermanentError("no"))
    survey = await found(any_database, number)
    assert survey.status is SurveyStatus.SENT and survey.delivered_at is not None
    async with any_database.read() as session:
        assert State.from_json((await session.get_one(Conversation, 1)).state).task is not None
        assert await session.scalar(select(Outbox.status).order_by(Outbox.id.desc()).limit(1)) is OutboxStatus.DEAD


async def test_many_at_once(any_database: Database, config: Config, caplog: pytest.LogCaptureFixture) -> None:
    """Surveys that leave side by side are recorded together as delivered."""
    numbers = [await asked(any_database, config.settings, chat=chat) for chat in "abcde"]
    await sent(any_database, None)
    assert all([(await found(any_database, number)).delivered_at for number in numbers])
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


@pytest.mark.parametrize(("hours", "status"), [(0, SurveyStatus.SENT), (100, SurveyStatus.EXPIRED)])
async def test_put_back_and_taken_it_counts_again(
    any_database: Database, config: Config, hours: int, status: SurveyStatus
) -> None:
    """Dead letters are sent once more: the survey is open, or over if its time has passed meanwhile; delivered."""
    number = await asked(any_database, config.settings)
    await sent(any_database, PermanentError("no"))
    async with any_database.begin() as session:
        survey = await session.get_one(Survey, number)
        assert survey.expires_at is not None
        survey.expires_at -= timedelta(hours=hours)
        assert await retry(session) == 1
    await sent(any_database, None)
    survey = await found(any_database, number)
    assert (survey.status, survey.reason) == (status, "") and survey.delivered_at is not None
    assert (await csat(any_database, config.settings)).delivered == 1


async def test_an_answer_proves_that_it_arrived(any_database: Database, config: Config) -> None:
    """The platform said no, and the customer answers: counted, with its delivery."""
    number = await asked(any_database, config.settings)
    await sent(any_database, OSError("cut"))
    async with any_database.begin() as session:
        survey = await session.get_one(Survey, number)
        assert await surveys.rate(session, survey, 4, config.settings.surveys) is Answer.STORED
    score = await csat(any_database, config.settings)
    assert (score.n, score.delivered) == (1, 1)


async def test_a_second_question_that_was_lost_may_be_put_again(any_database: Database, config: Config) -> None:
    """Asking again after a follow-up is done once, unless the question never arrived."""
    bureau = Bureau(any_database)
    manager = await bureau.person("max", Role.MANAGER)
    number = await asked(any_database, config.settings)
    again = await asked(any_database, config.settings, "again")
    async with any_database.begin() as session:
        session.add(FollowUp(survey_id=number, due_at=now(), again_id=again))
    async with any_database.begin() as session:
        with pytest.raises(FollowUpError, match="asked"):
            await followup_work.ask_again(session, 1, manager, config.settings)
    await sent(any_database, PermanentError("no"))
    async with any_database.begin() as session:
        third = await followup_work.ask_again(session, 1, manager, config.settings)
        assert third.id not in (number, again)
    # The first question of its kind may be sent once more, the one that was replaced may not.
    async with any_database.begin() as session:
        assert await retry(session) == 1
    await sent(any_database, None)
    assert (await found(any_database, number)).status is SurveyStatus.SENT
    assert (await found(any_database, again)).status is SurveyStatus.CANCELLED
