"""The daily round: whose turn it is to be asked this quarter, and whose order has arrived."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta

from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.config import SurveySettings
from bot.services import surveys
from bot.storage import now
from bot.storage.models import Conversation, Customer, OrderRow, Survey

# Of orders whose arrival becomes known later than this nobody is asked: they may be years old.
LATEST = timedelta(days=14)
# A customer's days come this much closer when the length of a quarter is changed, and no closer.
SLACK = timedelta(days=7)


async def quarterly(session: AsyncSession, settings: SurveySettings, day: date) -> int:
    """Plan the quarterly surveys of the customers whose day it is; how many.

    Each customer has one day in every ``quarter_days``, by their number, so that answers come evenly and
    nobody is asked twice in a quarter.
    """
    definitions = settings.of("quarterly")
    if not definitions:
        return 0
    turn = day.toordinal() % settings.quarter_days
    ids = select(Customer.id).where(
        Customer.id % settings.quarter_days == turn,
        Customer.erased_at.is_(None),
        Customer.surveys_stopped_at.is_(None),
    )
    since = now() - timedelta(days=settings.active_days)
    lately = now() - (timedelta(days=settings.quarter_days) - SLACK)
    chats = await _last_used(session, (await session.scalars(ids)).all())
    asked = await session.scalars(
        select(Survey.customer_id).where(
            Survey.customer_id.in_(chats), Survey.trigger == "quarterly", Survey.created_at > lately
        )
    )
    known, planned = set(asked), 0
    for customer_id, conversation in chats.items():
        if customer_id not in known and conversation.updated_at >= since:
            planned += len(await surveys.plan(session, conversation, settings, "quarterly"))
    return planned


async def delivered(session: AsyncSession, settings: SurveySettings) -> int:
    """Plan the surveys of orders that arrived long enough ago, one an order and definition; how many."""
    definitions = settings.of("order_delivered")
    if not definitions:
        return 0
    planned = 0
    for definition in definitions:
        until = now() - timedelta(days=definition.days_after)
        asked = exists().where(Survey.order_id == OrderRow.id, Survey.definition == definition.name)
        rows = await session.execute(
            select(OrderRow.id, OrderRow.customer_id)
            .join(Customer, Customer.id == OrderRow.customer_id)
            .where(
                OrderRow.delivered_at <= until,
                OrderRow.delivered_at > until - LATEST,
                Customer.erased_at.is_(None),
                Customer.surveys_stopped_at.is_(None),
                ~asked,
            )
            .order_by(OrderRow.id)
        )
        orders = [(row.id, row.customer_id) for row in rows]
        chats = await _last_used(session, {customer for _, customer in orders})
        only = settings.model_copy(update={"definitions": (definition,)})
        for order_id, customer_id in orders:
            if (conversation := chats.get(customer_id)) is not None:
                planned += len(await surveys.plan(session, conversation, only, "order_delivered", order_id=order_id))
    return planned


async def _last_used(session: AsyncSession, customer_ids: Iterable[int]) -> dict[int, Conversation]:
    """The conversation that each customer used last, those who have one that still reaches them first."""
    ids, found = list(customer_ids), dict[int, Conversation]()
    for start in range(0, len(ids), 500):
        rows = await session.scalars(
            select(Conversation)
            .where(Conversation.customer_id.in_(ids[start : start + 500]))
            .order_by(Conversation.unreachable_at.is_not(None), Conversation.updated_at.desc(), Conversation.id.desc())
        )
        for row in rows:
            if row.customer_id is not None:
                found.setdefault(row.customer_id, row)
    return found
