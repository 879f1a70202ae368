"""What came of campaigns so far."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.storage.figures import KINDS, SCALES, Score
from bot.storage.figures.formulas import score_of
from bot.storage.models import Campaign, Customer, Survey, SurveyStatus, User

MOST_OPTIONS = 40
LISTED = 100


@dataclass(frozen=True, slots=True)
class CampaignView:
    """A campaign: who sent it, how many still wait, left and were answered, and who was not asked after all.

    ``refused`` counts by reason those who were in the audience, and could not be asked when their turn came.
    ``score`` is None before the first survey has a kind.
    """

    row: Campaign
    by: str
    waiting: int
    sent: int
    answered: int
    refused: dict[str, int]
    score: Score | None


async def one(session: AsyncSession, campaign_id: int) -> CampaignView | None:
    """One campaign, None if there is none."""
    row = await session.get(Campaign, campaign_id)
    if row is None:
        return None
    by = await session.scalar(select(User.name).where(User.id == row.user_id)) or ""
    grouped = await session.execute(
        select(
            Survey.kind,
            Survey.status,
            Survey.score,
            Survey.reason,
            func.count().label("many"),
            func.count(Survey.delivered_at).label("delivered"),
        )
        .where(Survey.campaign_id == campaign_id)
        .group_by(Survey.kind, Survey.status, Survey.score, Survey.reason)
    )
    waiting = sent = delivered = late = 0
    refused, answers, kind = Counter[str](), Counter[int](), ""
    for item in grouped:
        kind = item.kind
        delivered += item.delivered
        if item.status is SurveyStatus.SCHEDULED:
            waiting += item.many
        elif item.status is SurveyStatus.CANCELLED:
            refused[item.reason] += item.many
        else:
            sent += item.many
        if item.score is not None and item.status is SurveyStatus.ANSWERED:
            answers[item.score] += item.many
        elif item.score is not None:
            late += item.many
    score = None
    for known in KINDS:
        if known == kind:
            score = score_of(known, {rating: answers[rating] for rating in SCALES[known]}, delivered, late)
    return CampaignView(row, by, waiting, sent, sum(answers.values()), dict(sorted(refused.items())), score)


async def latest(session: AsyncSession) -> Sequence[tuple[Campaign, str]]:
    """The last campaigns with the names of those who sent them, newest first."""
    query = select(Campaign, User.name).join(User, User.id == Campaign.user_id).order_by(Campaign.id.desc())
    return [(row, name) for row, name in await session.execute(query.limit(LISTED))]


async def known_values(session: AsyncSession) -> tuple[list[str], list[str]]:
    """The tiers and countries that customers have, the most frequent ones."""
    found = []
    for column in (Customer.tier, Customer.country):
        query = select(column).where(column != "").group_by(column).order_by(func.count().desc(), column)
        found.append(sorted(await session.scalars(query.limit(MOST_OPTIONS))))
    tiers, countries = found
    return tiers, countries
