"""Answers to surveys, to be read."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from fastapi import APIRouter, Query, Security
from pydantic import Field
from sqlalchemy import select

from bot.api import reading
from bot.api.door import Caller, enter
from bot.api.schemas import Given, Id, Moment, Order, Short, SurveyPage
from bot.storage.models import Survey

router = APIRouter(prefix="/surveys", tags=["surveys"])
Reader: TypeAlias = Annotated[Caller, Security(enter, scopes=["surveys:read"])]


class SurveyFilter(Given):
    """Which answers; all filters must hold."""

    kind: Short | None = Field(default=None, description="Such as `csat`: asked for; `feedback`: given unasked.")
    channel: Short | None = None
    language: Short | None = None
    customer: Id | None = None
    ticket: Id | None = None
    answered_after: Moment | None = None
    answered_before: Moment | None = None
    sort: Order = Field(default="newest", description="By when they were planned.")
    cursor: Short | None = Field(default=None, description="What the page before gave as `next`.")
    limit: int = Field(default=50, ge=1, le=200)


@router.get("", summary="List answers")
async def list_surveys(caller: Reader, wanted: Annotated[SurveyFilter, Query()]) -> SurveyPage:
    """The answers that fit, a page at a time."""
    query = select(Survey).where(Survey.score.is_not(None), Survey.answered_at.is_not(None))
    for column, value in (
        (Survey.kind, wanted.kind),
        (Survey.channel, wanted.channel),
        (Survey.language, wanted.language),
        (Survey.customer_id, wanted.customer),
        (Survey.ticket_id, wanted.ticket),
    ):
        if value is not None:
            query = query.where(column == value)
    if wanted.answered_after is not None:
        query = query.where(Survey.answered_at >= wanted.answered_after)
    if wanted.answered_before is not None:
        query = query.where(Survey.answered_at < wanted.answered_before)
    async with caller.door.database.read() as session:
        rows, after = await reading.page(
            session, query, Survey.id, order=wanted.sort, cursor=wanted.cursor, limit=wanted.limit
        )
        people = await reading.agents_of(session, (row[0].agent_id for row in rows))
    return SurveyPage(items=[reading.survey_out(row[0], people) for row in rows], next=after)
