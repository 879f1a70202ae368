"""An office with a past: surveys, tickets, hand-overs and messages whose figures are known."""

from __future__ import annotations

from datetime import timedelta

from bot.services import figures as keeper
from bot.storage import now
from bot.storage.models import Conversation, FollowUp, Message, Survey, SurveyStatus, TopicFlag
from tests.desk.office import Office

# What customers of the last days answered, one after the other, and what those of the days before did.
CSAT = (5, 4, 5, 2, 4, 5, 5, 1, 4, 5, None, None)
CSAT_BEFORE = (5, 5, 4, 5, None)
NPS = (10, 9, 9, 7, 3, 10)
CES = (7, 6, 5, 5, 2, 6)
CHANNELS, LANGUAGES = ("web", "slack"), ("en", "es", "de")


async def count(office: Office) -> None:
    """Bring the figures up to date, as the keeper does."""
    async with office.database.begin() as session:
        while await keeper.refresh(session, office.config.settings):
            pass


async def survey(office: Office, talk: int, kind: str, score: int | None, days_ago: float, **more: object) -> int:
    """A survey that was delivered so many days ago, answered soon after unless ``score`` is None; its id."""
    async with office.database.begin() as session:
        conversation = await session.get_one(Conversation, talk)
        at = now() - timedelta(days=days_ago)
        row = Survey(
            kind=kind,
            conversation_id=talk,
            channel=conversation.channel,
            language=conversation.language,
            status=SurveyStatus.ANSWERED if score is not None else SurveyStatus.SENT,
            score=score,
            created_at=at,
            sent_at=at,
            delivered_at=at,
            answered_at=at + timedelta(minutes=5) if score is not None else None,
        )
        for name, value in more.items():
            setattr(row, name, value)
        session.add(row)
        await session.flush()
        return row.id


async def furnish(office: Office) -> list[int]:
    """Conversations with surveys, a ticket, a hand-over and a topic that rose; the conversations' ids."""
    talks = [
        await office.writes(f"Customer {number}", "where is my parcel?", channel=CHANNELS[number % 2],
                            language=LANGUAGES[number % 3])
        for number in range(len(CSAT))
    ]  # fmt: skip
    for number, score in enumerate(CSAT):
        words = {"comment": "Demasiado lento", "topic": "delivery", "sentiment": -0.7} if number == 7 else {}
        team = "north" if number % 2 else "south"
        made = await survey(office, talks[number], "csat", score, number % 5 + 0.1, team=team, product="lamp", **words)
        if number == 7:
            async with office.database.begin() as session:
                session.add(FollowUp(survey_id=made, team=team, due_at=now() - timedelta(hours=1)))
    for number, score in enumerate(CSAT_BEFORE):
        await survey(office, talks[number], "csat", score, 35, team="north")
    for kind, scores in (("nps", NPS), ("ces", CES)):
        for number, score in enumerate(scores):
            await survey(office, talks[number], kind, score, number + 0.1, team="north")
    await office.complains(talks[0], "broken")
    await office.waits(talks[1], minutes_ago=20)
    await office.claims(talks[1], "ana")
    async with office.database.begin() as session:
        (await session.get_one(Message, 1)).created_at = now() - timedelta(days=2)
        session.add(
            TopicFlag(
                dimension="product",
                value="lamp",
                day=now().date(),
                last_day=now().date(),
                observed=9,
                expected=2.5,
                p_value=0.001,
            )
        )
    await count(office)
    return talks
