"""What is done about a low score: who follows up and until when, and what the customer's answers make of it.

What people do about a follow-up is in :mod:`bot.services.followup_work`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.config import Settings, SurveyDefinition, Team
from bot.services import alerts, teams, timers
from bot.services.business_hours import calendar_of
from bot.storage import now, signal
from bot.storage.models import FollowUp, Handoff, Survey, SurveyStatus, Ticket, TicketClock, User

OVERDUE = "follow_up_overdue"
RECOVERED, NOT_RECOVERED, NOT_REACHED, WITHDRAWN = "recovered", "not_recovered", "not_reached", "withdrawn"
# What a person may close a follow-up with.
OUTCOMES = (RECOVERED, NOT_RECOVERED, NOT_REACHED)
# From here on a score is good: CSAT's satisfied, NPS's promoters, CES's "it was easy".
GOOD = {"csat": 4, "nps": 9, "ces": 5}


@dataclass(frozen=True, slots=True)
class Whose:
    """Whose task it is: a person's, else a team's, else (``team`` is ``""``) the managers'."""

    team: Team | None
    owner: User | None


def path_of(row: FollowUp) -> str:
    """The follow-up's page at the desk."""
    return f"/desk/follow-ups/{row.id}"


async def open_for(session: AsyncSession, survey: Survey, settings: Settings) -> FollowUp | None:
    """Follow up on an answer as it stands now; to be called after every answer that counts and each change.

    A low score opens a follow-up, once. One that is no longer low closes it as withdrawn, and one that is
    low again opens it again. The answer of a customer who was asked again settles the follow-up that this
    was for: a good score is ``recovered``, a low one ``not_recovered``, whatever was noted before, and one
    in between decides nothing; it opens none of its own.

    Args:
        session: the transaction, with the survey's conversation locked.
        survey: with its score.
        settings: all settings.

    Returns:
        The survey's own follow-up, None if it has none.
    """
    if survey.status is not SurveyStatus.ANSWERED or survey.score is None:
        return None
    if await _settled(session, survey, settings):
        return None
    low = settings.surveys.is_low(survey.kind, survey.score)
    row = await session.scalar(
        select(FollowUp).where(FollowUp.survey_id == survey.id).with_for_update().execution_options(**FRESH)
    )
    if row is None:
        return await _open(session, survey, settings) if low else None
    if not low and row.closed_at is None:
        await close(session, row, WITHDRAWN)
    elif low and row.outcome == WITHDRAWN:
        await _reopen(session, row)
    return row


FRESH = {"populate_existing": True}


async def _settled(session: AsyncSession, survey: Survey, settings: Settings) -> bool:
    """Whether this is the answer of somebody who was asked again; it decides their follow-up."""
    row = await session.scalar(
        select(FollowUp).where(FollowUp.again_id == survey.id).with_for_update().execution_options(**FRESH)
    )
    if row is None or survey.score is None:
        return False
    by_itself = row.closed_at is not None and row.closed_by_id is None
    if survey.score >= GOOD[survey.kind]:
        outcome = RECOVERED
    elif settings.surveys.is_low(survey.kind, survey.score):
        outcome = NOT_RECOVERED
    elif by_itself:
        # An earlier answer to the same question had decided it, and was changed.
        outcome = ""
    else:
        outcome = row.outcome
    if outcome == row.outcome:
        return True
    if outcome:
        await close(session, row, outcome)
    else:
        await _reopen(session, row)
    if row.owner_id is not None and outcome:
        await alerts.tell(session, [row.owner_id], f"alert.follow_up.{outcome}", {"number": row.id}, path_of(row))
    return True


async def _open(session: AsyncSession, survey: Survey, settings: Settings) -> FollowUp:
    whose = await owner_of(session, survey, settings)
    definition = settings.surveys.named(survey.definition)
    hours = (definition or _DEFAULT).follow_up_hours
    row = FollowUp(
        survey_id=survey.id,
        team=whose.team.name if whose.team else "",
        owner_id=whose.owner.id if whose.owner else None,
        due_at=await _deadline(session, survey, whose.team, hours, settings),
    )
    session.add(row)
    await session.flush()
    await timers.schedule(session, OVERDUE, row.due_at, {"follow_up": row.id}, key=_key(row))
    params = {"kind": survey.kind.upper(), "score": survey.score, "time": row.due_at.isoformat()}
    await alerts.tell(session, await _told(session, whose), "alert.follow_up.opened", params, path_of(row))
    signal(session, "desk")
    return row


_DEFAULT = SurveyDefinition(name="default", kind="csat", trigger="manual")


def _key(row: FollowUp) -> str:
    return f"{OVERDUE}:{row.id}"


async def close(session: AsyncSession, row: FollowUp, outcome: str, by: User | None = None) -> None:
    """End a follow-up; ``by`` is None where the customer's own answer ends it."""
    row.outcome, row.closed_at, row.closed_by_id = outcome, now(), by.id if by else None
    await timers.cancel(session, _key(row))
    signal(session, "desk")


async def _reopen(session: AsyncSession, row: FollowUp) -> None:
    row.outcome, row.closed_at, row.closed_by_id = "", None, None
    await timers.schedule(session, OVERDUE, row.due_at, {"follow_up": row.id}, key=_key(row))
    signal(session, "desk")


async def owner_of(session: AsyncSession, survey: Survey, settings: Settings) -> Whose:
    """Whose task a low score is: the lead of the team whose work was rated, else that team's, else the managers'.

    The team is that of the ticket or hand-over, else the first one of the agent who was rated. A lead who
    does not work here any more is none.
    """
    team = teams.named(settings, survey.team) or await _team_of(session, survey, settings)
    lead = None
    if team is not None and team.lead:
        lead = await session.scalar(select(User).where(User.username == team.lead, User.active))
    return Whose(team, lead)


async def _team_of(session: AsyncSession, survey: Survey, settings: Settings) -> Team | None:
    """The team of the ticket, the hand-over or the agent that a survey is about."""
    about: list[Ticket | Handoff] = []
    if survey.ticket_id is not None and (ticket := await session.get(Ticket, survey.ticket_id)) is not None:
        about.append(ticket)
    if survey.handoff_id is not None and (row := await session.get(Handoff, survey.handoff_id)) is not None:
        about.append(row)
    for item in about:
        if (team := teams.named(settings, item.team)) is not None:
            return team
    for agent_id in (survey.agent_id, *(item.agent_id for item in about)):
        agent = await session.get(User, agent_id) if agent_id is not None else None
        if agent is not None and (found := teams.of_user(settings, agent.username)):
            return found[0]
    return None


async def _told(session: AsyncSession, whose: Whose) -> list[int]:
    """Who is alerted of a new follow-up: its owner, else its team, else the managers."""
    if whose.owner is not None:
        return [whose.owner.id]
    if whose.team is not None:
        names = {*whose.team.members, whose.team.lead}
        if found := list(await session.scalars(select(User.id).where(User.username.in_(names), User.active))):
            return found
    return await alerts.managers(session)


async def _deadline(
    session: AsyncSession, survey: Survey, team: Team | None, hours: float, settings: Settings
) -> datetime:
    """When somebody should have followed up, in business hours.

    They are the team's; without any those by which the ticket's promises are counted, else those of the last
    of ``service_levels.targets``, which is for everything else; else round the clock.
    """
    name = team.calendar if team is not None else ""
    if not name and survey.ticket_id is not None:
        query = select(TicketClock.calendar).where(TicketClock.ticket_id == survey.ticket_id)
        name = await session.scalar(query.order_by(TicketClock.id).limit(1)) or ""
    if not name and settings.service_levels.targets:
        name = settings.service_levels.targets[-1].calendar
    return calendar_of(settings, name).add(now(), hours * 3600)


async def overdue(session: AsyncSession, follow_up_id: int) -> None:
    """The deadline has passed: while nobody has closed it, the managers are told, once."""
    row = await session.get(FollowUp, follow_up_id, with_for_update=True, populate_existing=True)
    if row is None or row.closed_at is not None:
        return
    params = {"number": row.id, "time": row.due_at.isoformat()}
    await alerts.tell(session, await alerts.managers(session), "alert.follow_up.overdue", params, path_of(row))
    signal(session, "desk")
