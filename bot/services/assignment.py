"""Who is asked to take a hand-over or a ticket: teams in turn, members by rule; and how long it may take.

An offer is not a lock: whoever sees a waiting conversation can claim it. What belongs to a conversation
is changed under its lock, so that a claim and a timer that come at once agree; users are locked after
conversations, always in the order of their ids.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.config import Settings, Team
from bot.services import alerts, handoff, rooms, teams, timers
from bot.services.handoff import page_of
from bot.services.tickets import ACTIVE, SYSTEM, record
from bot.storage import now
from bot.storage.models import Conversation, Handoff, Ticket, User

CLAIM = "handoff_claim"
OPENING = "handoff_opening"
RELEASE = "handoff_release"
RELEASE_TICKET = "ticket_release"

# The expected wait is told from this many claims on, of this time; further back other people worked here.
ENOUGH = 5
LOOKED_BACK = timedelta(days=14)
MOST = 500
_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Standing:
    """How a conversation stands in its team's queue as its hand-over begins.

    ``free``: somebody can take it now. Otherwise ``before`` are ahead of it and it will take about
    ``minutes``, if that can be told; or the team is closed until ``opens``; or ``absent``: it is open,
    and nobody is there.
    """

    free: bool = True
    before: int = 0
    minutes: int | None = None
    opens: datetime | None = None
    absent: bool = False


# ------------------------------------------------------------------ who can take it


async def members(session: AsyncSession, team: Team, *, lock: bool = False) -> Sequence[User]:
    """The members of a team who are users of the desk and active, in the order of their ids."""
    query = select(User).where(User.username.in_(team.members), User.active).order_by(User.id)
    if lock:
        # Not against those who only refer to these users, as an alert does.
        query = query.with_for_update(key_share=True).execution_options(populate_existing=True)
    return (await session.scalars(query)).all()


def speaks(user: User, team: Team, language: str) -> bool:
    """Whether a user can answer in a language: one of theirs, or without any one of the team's."""
    known = user.speaks or team.languages
    return not known or language in known


async def _loads(session: AsyncSession, people: Sequence[User]) -> tuple[dict[int, int], dict[int, int]]:
    """How many conversations each has or is offered, and how many tickets; those with none are left out."""
    ids = [user.id for user in people]
    holder = func.coalesce(Handoff.agent_id, Handoff.offered_to_id)
    talks = select(holder, func.count()).where(Handoff.ended_at.is_(None), holder.in_(ids)).group_by(holder)
    cases = (
        select(Ticket.agent_id, func.count())
        .where(Ticket.agent_id.in_(ids), Ticket.status.in_(ACTIVE))
        .group_by(Ticket.agent_id)
    )
    found: list[dict[int, int]] = []
    for query in (talks, cases):
        rows: Any = await session.execute(query)
        found.append({row[0]: row[1] for row in rows})
    return found[0], found[1]


async def pick(
    session: AsyncSession, team: Team, language: str, *, besides: Collection[int] = (), first: int | None = None
) -> User | None:
    """The member whose turn it is, None if nobody can take more; the members stay locked.

    Args:
        session: the transaction.
        team: its members, its rule and its capacity.
        language: what they must speak.
        besides: users who are not asked.
        first: the user who is asked before anyone else, if they can take it.
    """
    if team.assign == "pull":
        return None
    await session.flush()
    people = await members(session, team, lock=True)
    talks, cases = await _loads(session, people)
    able = [
        user
        for user in people
        if user.away_since is None
        and user.id not in besides
        and speaks(user, team, language)
        and talks.get(user.id, 0) < (user.capacity if user.capacity is not None else team.capacity)
    ]

    def turn(user: User) -> tuple[bool, int, int, datetime, int]:
        busy = team.assign == "least_busy"
        load = (talks.get(user.id, 0), cases.get(user.id, 0)) if busy else (0, 0)
        return user.id != first, *load, user.assigned_at or _NEVER, user.id

    chosen = min(able, key=turn, default=None)
    if chosen is not None:
        chosen.assigned_at = now()
    return chosen


# ------------------------------------------------------------------ hand-overs


async def offer(
    session: AsyncSession,
    row: Handoff,
    conversation: Conversation,
    team: Team,
    settings: Settings,
    *,
    besides: Collection[int] = (),
    first: int | None = None,
) -> None:
    """Have a team asked for a waiting hand-over; a closed one from its opening on.

    Arguments as of :func:`pick`. Who has not claimed it after ``handoff.claim_minutes`` is passed over.
    """
    await alerts.settle(session, page_of(row.conversation_id), handoff.ASKED)
    row.team, row.offered_to_id, row.offered_at = team.name, None, None
    opens = teams.opening(settings, team, now())
    if opens is not None:
        count = handoff.step(row, "waits", team=team.name)
        await _later(session, OPENING, row, count, opens)
        return
    language = conversation.language or settings.shop.default_language
    user = await pick(session, team, language, besides=besides, first=first)
    if user is None:
        count = handoff.step(row, "asked", team=team.name)
    else:
        count = await _offered(session, row, user, team.name)
    if settings.handoff.claim_minutes:
        await _later(session, CLAIM, row, count, now() + timedelta(minutes=settings.handoff.claim_minutes))
    await session.flush()


def opened(row: Handoff) -> datetime | None:
    """When the team that a hand-over had waited for was there at last; None if it has not waited for one's opening."""
    pairs = zip(row.steps, row.steps[1:], strict=False)
    found = [datetime.fromisoformat(after["at"]) for before, after in pairs if before["what"] == "waits"]
    return found[-1] if found else None


async def _offered(session: AsyncSession, row: Handoff, user: User, team: str) -> int:
    row.offered_to_id, row.offered_at = user.id, now()
    about = {"conversation": row.conversation_id}
    await alerts.tell(session, [user.id], "alert.offered", about, page_of(row.conversation_id))
    return handoff.step(row, "offered", team=team, user=user.id)


async def _later(session: AsyncSession, kind: str, row: Handoff, count: int, due: datetime) -> None:
    """A timer that holds for as long as nothing else becomes of the hand-over."""
    payload = {"handoff": row.id, "step": count}
    await timers.schedule(session, kind, due, payload, key=f"{kind}:{row.id}:{count}")


async def awaited(session: AsyncSession, payload: dict[str, Any]) -> tuple[Handoff, Conversation] | None:
    """The hand-over that a timer is about, its conversation locked; None if something has become of it since."""
    row = await session.get(Handoff, payload["handoff"])
    if row is None:
        return None
    conversation = await session.get_one(Conversation, row.conversation_id, with_for_update=True)
    # Somebody may have claimed or ended it while the lock was waited for.
    await session.refresh(row)
    same = payload.get("step") in (None, len(row.steps))
    return (row, conversation) if same and row.ended_at is None and row.agent_id is None else None


async def hand_over(
    session: AsyncSession,
    conversation: Conversation,
    reason: str,
    settings: Settings,
    *,
    ticket: Ticket | None = None,
    phone: str = "",
) -> tuple[Handoff, Standing]:
    """Put a conversation into the queue and have its team asked; one that is there already stays as it is.

    Args:
        session: the transaction; the conversation is locked in it.
        conversation: whose.
        reason: why, a code of ``reason.*`` in ``desk.po``.
        settings: all settings; without teams it waits for everyone.
        ticket: what it comes from, if it does.
        phone: where the customer wants to be called.
    """
    if existing := await handoff.current(session, conversation.id):
        return existing, Standing()
    row = await handoff.begin(session, conversation, reason, settings.handoff)
    row.phone = phone
    matter = await teams.matter_of(session, conversation, settings, ticket)
    team = teams.choose(settings, matter, now())
    if team is None:
        return row, Standing()
    row.team = team.name
    found = await standing(session, row, team, settings, matter.language)
    await offer(session, row, conversation, team, settings, first=ticket.agent_id if ticket else None)
    return row, found


async def pass_over(session: AsyncSession, row: Handoff, conversation: Conversation, settings: Settings) -> None:
    """Nobody has claimed it in time: ask the next team, each once; at the end of the chain everyone.

    A team that has closed meanwhile, and has none after it that is open, keeps it until it opens.
    """
    before, team, was = row.team, teams.named(settings, row.team), row.offered_to_id
    after = teams.following(settings, team, row.passed, now()) if team is not None else None
    if team is not None and after is None and teams.opening(settings, team, now()) is not None:
        await offer(session, row, conversation, team, settings)
        return
    row.passed = [*row.passed, before]
    if after is not None:
        await offer(session, row, conversation, after, settings)
        if row.offered_to_id is None:
            there = [user.id for user in await members(session, after) if user.away_since is None]
            about = {"conversation": conversation.id, "team": after.name}
            await alerts.tell(session, there, "alert.team", about, page_of(conversation.id))
        await rooms.tell(session, conversation.id, "room.passed", {"team": before, "next": after.name}, alert=True)
    else:
        await ask_everyone(session, row)
    if was is not None:
        await timers.schedule(session, handoff.WAKE, now(), {"user": was})


async def ask_everyone(session: AsyncSession, row: Handoff) -> None:
    """Have everyone who is here asked for a waiting hand-over that is no team's any more."""
    await alerts.settle(session, page_of(row.conversation_id), handoff.ASKED)
    row.team, row.offered_to_id, row.offered_at = "", None, None
    handoff.step(row, "everyone")
    there = await session.scalars(select(User.id).where(User.active, User.away_since.is_(None)))
    about = {"conversation": row.conversation_id}
    await alerts.tell(session, there, "alert.everyone", about, page_of(row.conversation_id))
    await rooms.tell(session, row.conversation_id, "room.everyone", alert=True)


async def offer_waiting(session: AsyncSession, user_id: int, settings: Settings) -> bool:
    """Somebody can take more: have the oldest that waits for their teams offered; whether there was one."""
    user = await session.get(User, user_id)
    if user is None or user.away_since is not None or not user.active:
        return False
    mine = {team.name: team for team in teams.of_user(settings, user.username) if team.assign != "pull"}
    waiting = await session.execute(
        select(Handoff.id, Handoff.team, Conversation.language)
        .join(Conversation, Conversation.id == Handoff.conversation_id)
        .where(
            Handoff.ended_at.is_(None),
            Handoff.agent_id.is_(None),
            Handoff.offered_to_id.is_(None),
            Handoff.team.in_(list(mine)),
        )
        .order_by(Handoff.id)
        .limit(MOST)
    )
    for found in waiting.all():
        team = mine[found.team]
        able = speaks(user, team, found.language or settings.shop.default_language)
        if not able or teams.opening(settings, team, now()) is not None:
            continue
        awaits = await awaited(session, {"handoff": found.id})
        if awaits is None or awaits[0].offered_to_id is not None or awaits[0].team != team.name:
            return True
        await offer(session, *awaits, team, settings)
        return awaits[0].offered_to_id is not None
    return False


# ------------------------------------------------------------------ how long it takes


def _ahead(row: Handoff) -> ColumnElement[bool]:
    waits = Handoff.ended_at.is_(None) & Handoff.agent_id.is_(None)
    ahead: ColumnElement[bool] = waits & (Handoff.team == row.team) & (Handoff.id < row.id)
    return ahead


async def standing(session: AsyncSession, row: Handoff, team: Team, settings: Settings, language: str) -> Standing:
    """How a hand-over stands that has just begun and is not offered yet.

    A team none of whose members is a user of the desk works on a platform only, where nobody knows who
    is there: somebody is taken to be free.
    """
    opens = teams.opening(settings, team, now())
    if opens is not None:
        return Standing(free=False, opens=opens)
    people = await members(session, team)
    if not people:
        return Standing()
    there = [user for user in people if user.away_since is None]
    if not there:
        return Standing(free=False, absent=True)
    talks, _ = await _loads(session, there)
    for user in there:
        room = user.capacity if user.capacity is not None else team.capacity
        if talks.get(user.id, 0) < room and speaks(user, team, language):
            return Standing()
    before = await session.scalar(select(func.count()).select_from(Handoff).where(_ahead(row))) or 0
    return Standing(False, before, await expected_minutes(session, team.name, before + 1))


async def expected_minutes(session: AsyncSession, team: str, place: int) -> int | None:
    """How many minutes the one at this place (from 1) of a team's queue is likely to wait, at least 1.

    Estimator: the place times the median *time at the head of the line*, of the hand-overs that the
    team's queue gave away in the last 14 days. A hand-over is at the head of the line from when it
    began, or from when the one before it was claimed if that was later, until it is claimed itself. So
    times in which nobody waited do not count, and a few long nights do not move a median.
    None with fewer than five of them: then nothing is promised.
    """
    rows = await session.execute(
        select(Handoff.started_at, Handoff.claimed_at)
        .where(Handoff.team == team, Handoff.claimed_at > now() - LOOKED_BACK, Handoff.reason != "agent")
        .order_by(Handoff.id.desc())
        .limit(MOST)
    )
    claims = sorted((row.claimed_at, row.started_at) for row in rows)
    if len(claims) < ENOUGH:
        return None
    waits: list[float] = []
    last = _NEVER
    for claimed, started in claims:
        waits.append((claimed - max(started, last)).total_seconds())
        last = claimed
    return max(1, math.ceil(place * float(statistics.median(waits)) / 60))


# ------------------------------------------------------------------ tickets


async def give_ticket(
    session: AsyncSession,
    ticket: Ticket,
    conversation: Conversation,
    settings: Settings,
    *,
    besides: Collection[int] = (),
) -> None:
    """Give a ticket to the team that it belongs to, and to the member whose turn it is where the team has turns."""
    matter = await teams.matter_of(session, conversation, settings, ticket)
    team = teams.named(settings, ticket.team) or teams.choose(settings, matter, now())
    user = await pick(session, team, matter.language, besides=besides) if team is not None else None
    await set_ticket(session, ticket, team.name if team is not None else "", user, SYSTEM)


async def set_ticket(session: AsyncSession, ticket: Ticket, team: str, user: User | None, actor: str) -> bool:
    """Give a ticket to a team and a user, or to nobody; recorded, and the user alerted. Whether it changed.

    Args:
        session: the transaction; the ticket is locked in it.
        ticket: which.
        team: a team's name, ``""`` for none.
        user: who works on it, if anyone.
        actor: who says so; somebody is not alerted of what they do themselves.
    """
    agent_id = user.id if user is not None else None
    if (ticket.team, ticket.agent_id) == (team, agent_id):
        return False
    new = agent_id is not None and ticket.agent_id != agent_id
    ticket.team, ticket.agent_id = team, agent_id
    await record(session, ticket, actor, "assigned", team=team, agent=user.username if user is not None else "")
    await session.flush()
    if user is not None and new and user.username != actor:
        about = {"ticket": ticket.number}
        await alerts.tell(session, [user.id], "alert.ticket_assigned", about, f"/desk/tickets/{ticket.id}")
    return True


# ------------------------------------------------------------------ absence


async def set_away(session: AsyncSession, user: User, away: bool) -> None:
    """Somebody leaves, or is back.

    What an absent user is offered, has claimed or works on is given to others, one thing at a time by
    timers that are due at once; who is back is offered what waits. Signing out is not absence.
    """
    row = await session.get_one(User, user.id, with_for_update={"key_share": True}, populate_existing=True)
    if (row.away_since is not None) == away:
        return
    row.away_since = now() if away else None
    await session.flush()
    if not away:
        await timers.schedule(session, handoff.WAKE, now(), {"user": row.id})
        return
    holder = func.coalesce(Handoff.agent_id, Handoff.offered_to_id)
    talks = await session.scalars(select(Handoff.id).where(Handoff.ended_at.is_(None), holder == row.id))
    for found in talks.all():
        await timers.schedule(session, RELEASE, now(), {"handoff": found, "user": row.id})
    cases = await session.scalars(select(Ticket.id).where(Ticket.agent_id == row.id, Ticket.status.in_(ACTIVE)))
    for found in cases.all():
        await timers.schedule(session, RELEASE_TICKET, now(), {"ticket": found, "user": row.id})


async def release(session: AsyncSession, handoff_id: int, user_id: int, settings: Settings) -> Conversation | None:
    """Take a hand-over from somebody who is away: it is in the queue again, and others are asked.

    Returns:
        The conversation, if the customer was already talking with them.
    """
    row = await session.get_one(Handoff, handoff_id)
    conversation = await session.get_one(Conversation, row.conversation_id, with_for_update=True)
    await session.refresh(row)
    user = await session.get_one(User, user_id, populate_existing=True)
    theirs = user_id in (row.agent_id, row.offered_to_id if row.agent_id is None else None)
    if user.away_since is None or row.ended_at is not None or not theirs:
        return None
    claimed = row.agent_id is not None
    if claimed:
        await handoff.put_back(session, conversation, row)
        handoff.step(row, "returned", user=user_id)
        await rooms.tell(session, conversation.id, "room.returned", {"agent": user.name}, alert=True)
        if settings.handoff.reminder_minutes:
            await handoff.remind(session, row, settings.handoff.reminder_minutes)
    team = teams.named(settings, row.team)
    if team is not None:
        await offer(session, row, conversation, team, settings, besides={user_id})
    elif settings.teams or not claimed:
        await ask_everyone(session, row)
    return conversation if claimed else None


async def hand_on(
    session: AsyncSession,
    row: Handoff,
    conversation: Conversation,
    settings: Settings,
    *,
    by: User,
    team: Team | None,
    to: User | None,
) -> None:
    """Have another team, or one colleague, asked for a hand-over at an agent's wish; it is in the queue again."""
    talking = row.agent_id is not None
    await handoff.put_back(session, conversation, row)
    handoff.step(row, "passed", by=by.id, team=team.name if team is not None else row.team)
    if talking and settings.handoff.reminder_minutes:
        await handoff.remind(session, row, settings.handoff.reminder_minutes)
    if team is not None:
        row.passed = [name for name in (*row.passed, row.team) if name and name != team.name]
    if to is not None:
        row.team = team.name if team is not None else row.team
        about = {"conversation": conversation.id, "name": by.name}
        row.offered_to_id, row.offered_at = to.id, now()
        await alerts.tell(session, [to.id], "alert.passed", about, page_of(conversation.id))
        count = handoff.step(row, "offered", team=row.team, user=to.id)
        if settings.handoff.claim_minutes:
            await _later(session, CLAIM, row, count, now() + timedelta(minutes=settings.handoff.claim_minutes))
    elif team is not None:
        await offer(session, row, conversation, team, settings, besides={by.id})
        if row.offered_to_id is None:
            there = [user.id for user in await members(session, team) if user.away_since is None and user.id != by.id]
            about = {"conversation": conversation.id, "team": team.name}
            await alerts.tell(session, there, "alert.team", about, page_of(conversation.id))
    await rooms.tell(session, conversation.id, "room.passed_on", {"agent": by.name}, alert=True)
    await session.flush()
