"""What people do about a follow-up: take it or give it to somebody, note what was found out, ask the customer again,
close it."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from bot.config import Settings
from bot.contracts import LinguadeskError
from bot.services import alerts, followups, survey_rules, surveys, teams
from bot.storage import clean, now, signal
from bot.storage.models import FollowUp, Role, Survey, User

MAX_NOTE = 4000
# All notes of one follow-up together.
MAX_NOTES = 40_000


class FollowUpError(LinguadeskError):
    """It cannot be done; the text is a code, see ``followups.failed.<code>`` in ``desk.po``."""


def scope(settings: Settings, user: User) -> frozenset[str] | None:
    """The teams whose follow-ups a user sees besides their own; None: all. ``""`` stands for the managers'.

    Agents see their teams', managers who are in a team theirs and the managers', other managers and
    administrators all.
    """
    names = frozenset(team.name for team in teams.of_user(settings, user.username))
    if user.role is Role.AGENT:
        return names
    return None if user.role is Role.ADMIN or not names else names | {""}


def sees(settings: Settings, user: User, row: FollowUp) -> bool:
    """Whether a follow-up is any business of this user's, see :func:`scope`."""
    names = scope(settings, user)
    return names is None or row.owner_id == user.id or row.team in names


async def _held(session: AsyncSession, follow_up_id: int, user: User, settings: Settings) -> FollowUp:
    """The follow-up, locked. Raises :class:`FollowUpError` ``unknown`` for one that this user does not see."""
    await session.flush()
    row = await session.get(FollowUp, follow_up_id, with_for_update=True, populate_existing=True)
    if row is None or not sees(settings, user, row):
        raise FollowUpError("unknown")
    return row


async def _open(session: AsyncSession, follow_up_id: int, user: User, settings: Settings) -> FollowUp:
    """As :func:`_held`; ``closed`` for one that is over."""
    row = await _held(session, follow_up_id, user, settings)
    if row.closed_at is not None:
        raise FollowUpError("closed")
    return row


async def take(
    session: AsyncSession, follow_up_id: int, user: User, settings: Settings, *, instead_of: int | None
) -> FollowUp:
    """Make it this user's task.

    Args:
        session: the transaction.
        follow_up_id: which.
        user: who takes it.
        settings: all settings.
        instead_of: the owner that the user saw; None for nobody.

    Raises:
        FollowUpError: ``unknown``, ``closed``, or ``taken`` if it has another owner meanwhile.
    """
    row = await _open(session, follow_up_id, user, settings)
    if row.owner_id not in (instead_of, user.id):
        raise FollowUpError("taken")
    row.owner_id = user.id
    signal(session, "desk")
    return row


async def assign(
    session: AsyncSession,
    follow_up_id: int,
    user: User,
    settings: Settings,
    to: int | None,
    text: str = "",
    *,
    instead_of: int | None,
) -> FollowUp:
    """Make it somebody else's task, with a word about it: they are told, and who gave it to whom is in the notes.

    Args:
        session: the transaction.
        follow_up_id: which.
        user: a manager or an administrator who sees it.
        settings: all settings.
        to: the id of anybody who works here; they see it from now on, whatever their teams are.
        text: what they should know; may be empty.
        instead_of: the owner that the user saw; None for nobody.

    Raises:
        FollowUpError: ``unknown``, ``manager`` for one who does not manage, ``closed``, ``taken`` if it has another
            owner meanwhile, ``nobody`` if there is no such person (any more), ``too_long``.
    """
    row = await _open(session, follow_up_id, user, settings)
    if user.role not in (Role.MANAGER, Role.ADMIN):
        raise FollowUpError("manager")
    if row.owner_id not in (instead_of, to):
        raise FollowUpError("taken")
    owner = await session.get(User, to) if to is not None else None
    if owner is None or not owner.active:
        raise FollowUpError("nobody")
    if row.owner_id == owner.id and not text.strip():
        return row
    _write(row, f"{_stamp(settings)} {user.name} → {owner.name}", clean(text).strip())
    row.owner_id = owner.id
    if owner.id != user.id:
        params = {"number": row.id, "name": user.name, "time": row.due_at.isoformat()}
        await alerts.tell(session, [owner.id], "alert.follow_up.assigned", params, followups.path_of(row))
    signal(session, "desk")
    return row


def _write(row: FollowUp, about: str, text: str) -> None:
    """Add to the notes. Raises :class:`FollowUpError` ``too_long``."""
    entry = f"{about}: {text}" if text else about
    if len(text) > MAX_NOTE or len(row.note) + len(entry) > MAX_NOTES:
        raise FollowUpError("too_long")
    row.note = f"{row.note}\n{entry}".strip()


async def note(session: AsyncSession, follow_up_id: int, user: User, settings: Settings, text: str) -> FollowUp:
    """Add a note, with who wrote it and when. Raises :class:`FollowUpError`: ``unknown``, ``empty``, ``too_long``."""
    text = clean(text).strip()
    if not text:
        raise FollowUpError("empty")
    row = await _held(session, follow_up_id, user, settings)
    _write(row, f"{_stamp(settings)} {user.name}", text)
    signal(session, "desk")
    return row


def _stamp(settings: Settings) -> str:
    moment: datetime = now().astimezone(ZoneInfo(settings.shop.timezone))
    return f"{moment:%Y-%m-%d %H:%M}"


async def finish(
    session: AsyncSession, follow_up_id: int, user: User, settings: Settings, outcome: str, text: str = ""
) -> FollowUp:
    """Close it with what came of it, and a last note.

    Raises:
        FollowUpError: ``unknown``, ``closed``, ``outcome`` for one that there is not, ``too_long``.
    """
    if outcome not in followups.OUTCOMES:
        raise FollowUpError("outcome")
    row = await _open(session, follow_up_id, user, settings)
    if text.strip():
        await note(session, follow_up_id, user, settings, text)
    row.owner_id = row.owner_id or user.id
    await followups.close(session, row, outcome, user)
    return row


async def ask_again(
    session: AsyncSession, follow_up_id: int, user: User, settings: Settings, due: datetime | None = None
) -> Survey:
    """Have the customer asked the same once more, at most once for each follow-up, whether it is closed or not.

    A question that never reached them may be put again.

    Args:
        session: the transaction.
        follow_up_id: which.
        user: who wants it.
        settings: all settings.
        due: when; default at once.

    Raises:
        FollowUpError: ``unknown``, ``asked`` if that was done before, ``withdrawn`` if the low score was taken
            back, ``gone`` if the survey is not among the definitions any more.
    """
    row = await _held(session, follow_up_id, user, settings)
    before = await session.get(Survey, row.again_id) if row.again_id is not None else None
    if before is not None and not surveys.lost(before):
        raise FollowUpError("asked")
    if row.outcome == followups.WITHDRAWN:
        raise FollowUpError("withdrawn")
    survey = await session.get_one(Survey, row.survey_id)
    if settings.surveys.named(survey.definition) is None:
        raise FollowUpError("gone")
    again = await surveys.ask_again(session, survey, settings.surveys, due)
    if before is not None:
        # Should dead letters be put back: the question that takes its place is enough.
        surveys.refuse(before, survey_rules.STALE)
    row.again_id = again.id
    signal(session, "desk")
    return again
