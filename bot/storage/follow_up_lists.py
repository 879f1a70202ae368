"""The follow-ups that the desk lists, and what is behind one."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from sqlalchemy import ColumnElement, Select, and_, false, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from bot.storage.models import Conversation, Customer, FollowUp, Survey, User, now

PAGE_SIZE = 50
State: TypeAlias = Literal["open", "overdue", "done"]
STATES: tuple[State, ...] = ("open", "overdue", "done")
Whose: TypeAlias = Literal["mine", "team", "all"]
WHOSE: tuple[Whose, ...] = ("mine", "team", "all")


@dataclass(frozen=True, slots=True)
class FollowUpView:
    """A follow-up with the survey, the customer's name, the owner's, and the survey that asked again."""

    row: FollowUp
    survey: Survey
    name: str
    owner: str
    again: Survey | None
    overdue: bool


@dataclass(frozen=True, slots=True)
class FollowUpPage:
    """A page of follow-ups; ``counts`` are how many there are in each state; pages count from 1."""

    items: tuple[FollowUpView, ...]
    counts: dict[State, int]
    page: int
    pages: int


def _is(state: State) -> ColumnElement[bool]:
    still: ColumnElement[bool] = FollowUp.closed_at.is_(None)
    if state == "open":
        return still
    return and_(still, FollowUp.due_at < now()) if state == "overdue" else FollowUp.closed_at.is_not(None)


def _of(whose: Whose, user_id: int, names: Collection[str] | None) -> list[ColumnElement[bool]]:
    """Whose follow-ups; never more than the user may see."""
    mine = FollowUp.owner_id == user_id
    if whose == "mine":
        return [mine]
    if whose == "team":
        return [FollowUp.team.in_([name for name in names or () if name])] if names else [false()]
    return [] if names is None else [or_(mine, FollowUp.team.in_(names))]


_again = aliased(Survey)


def _views() -> Select[*tuple[Any, ...]]:
    name = func.coalesce(func.nullif(Conversation.name, ""), Customer.name, "").label("name")
    return (
        select(FollowUp, Survey, name, func.coalesce(User.name, "").label("owner"), _again)
        .join(Survey, Survey.id == FollowUp.survey_id)
        .join(Conversation, Conversation.id == Survey.conversation_id)
        .outerjoin(Customer, Customer.id == Conversation.customer_id)
        .outerjoin(User, User.id == FollowUp.owner_id)
        .outerjoin(_again, _again.id == FollowUp.again_id)
    )


def _view(found: Any) -> FollowUpView:
    row, survey, name, owner, again = found
    return FollowUpView(row, survey, name, owner, again, row.closed_at is None and row.due_at < now())


async def page(
    session: AsyncSession,
    whose: Whose,
    state: State,
    user_id: int,
    *,
    scope: Collection[str] | None,
    teams: Collection[str],
    number: int = 1,
) -> FollowUpPage:
    """A page of follow-ups: the open ones by their deadline, those that are done newest first.

    Args:
        session: the transaction.
        whose: the user's own, their teams', or all that they may see.
        state: which.
        user_id: the user.
        scope: the teams whose follow-ups they may see besides their own; None: all.
        teams: the teams that they are in.
        number: which page.
    """
    where = _of(whose, user_id, teams if whose == "team" else scope)
    asked = [func.count().filter(_is(item)) for item in STATES]
    totals: Any = (await session.execute(select(*asked).select_from(FollowUp).where(*where))).one()
    counts = dict(zip(STATES, totals, strict=True))
    pages = max(1, -(-counts[state] // PAGE_SIZE))
    number = min(max(1, number), pages)
    order = (
        (FollowUp.closed_at.desc(), FollowUp.id.desc())
        if state == "done"
        else (FollowUp.due_at.asc(), FollowUp.id.asc())
    )
    query = _views().where(_is(state), *where).order_by(*order).limit(PAGE_SIZE).offset((number - 1) * PAGE_SIZE)
    return FollowUpPage(tuple(map(_view, await session.execute(query))), counts, number, pages)


async def one(session: AsyncSession, follow_up_id: int) -> FollowUpView | None:
    """One follow-up, None if there is none."""
    found = (await session.execute(_views().where(FollowUp.id == follow_up_id))).one_or_none()
    return _view(found) if found is not None else None
