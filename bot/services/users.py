"""People who sign in to the desk. Passwords are hashed with Argon2id."""

from __future__ import annotations

import argon2
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.contracts import LinguadeskError
from bot.services import timers
from bot.services.handoff import WAKE
from bot.storage import now, signal
from bot.storage.models import AgentIdentity, Role, User

MIN_PASSWORD = 10
_hasher = argon2.PasswordHasher()
# Verified when the user is unknown, so that an answer takes as long either way.
_NOBODY = _hasher.hash("nobody has this password")


class UserError(LinguadeskError):
    """A user cannot be added or changed; the text says why."""


async def add(
    session: AsyncSession, username: str, name: str, password: str, role: Role = Role.AGENT, language: str = "en"
) -> User:
    """Add someone who may sign in.

    Raises:
        UserError: the name is taken or empty, or the password shorter than :data:`MIN_PASSWORD`.
    """
    username = username.strip().casefold()
    if not username or len(username) > 64 or any(char.isspace() for char in username):
        raise UserError("the user name must be 1 to 64 characters without spaces")
    if len(password) < MIN_PASSWORD:
        raise UserError(f"the password must have at least {MIN_PASSWORD} characters")
    if await session.scalar(select(func.count()).select_from(User).where(User.username == username)):
        raise UserError(f"there is already a user called {username}")
    user = User(
        username=username,
        name=name.strip()[:120] or username,
        password_hash=_hasher.hash(password),
        role=role,
        language=language,
    )
    session.add(user)
    await session.flush()
    return user


def hashed(password: str) -> str:
    """The hash of a new password; takes long on purpose, so call it in a thread where others wait.

    Raises:
        UserError: it is shorter than :data:`MIN_PASSWORD`.
    """
    if len(password) < MIN_PASSWORD:
        raise UserError(f"the password must have at least {MIN_PASSWORD} characters")
    return _hasher.hash(password)


async def set_password(session: AsyncSession, user_id: int, password_hash: str) -> int:
    """Give a user a new password and end all their sessions; the version that new ones carry.

    Args:
        session: the transaction.
        user_id: whose.
        password_hash: what :func:`hashed` made of the password.
    """
    user = await session.get_one(User, user_id, with_for_update=True)
    user.password_hash = password_hash
    user.session_version += 1
    signal(session, "desk")
    return user.session_version


async def authenticate(session: AsyncSession, username: str, password: str) -> User | None:
    """The active user with this name and password, or None; takes the same time for both."""
    user = await session.scalar(select(User).where(User.username == username.strip().casefold()))
    try:
        # One who acts in a platform's room only has no password.
        _hasher.verify((user.password_hash if user else "") or _NOBODY, password)
    except argon2.exceptions.VerificationError:
        return None
    return user if user is not None and user.active and user.password_hash else None


async def of_identity(session: AsyncSession, channel: str, identity: str, name: str) -> User:
    """The user of a person on a platform; one who is not known yet is added, without a password.

    Whoever is in the agents' group or channel is an agent: who that is, its administrators decide.
    """
    query = select(User).join(AgentIdentity, AgentIdentity.user_id == User.id)
    where = (AgentIdentity.channel == channel, AgentIdentity.identity == identity)
    found: User | None = await session.scalar(query.where(*where))
    if found is not None:
        if not found.password_hash and name:
            found.name = name[:120]
        return found
    username = f"{channel}-{identity}".casefold()[:64]
    user = await session.scalar(select(User).where(User.username == username))
    if user is None:
        user = User(username=username, name=name[:120] or username, password_hash="", role=Role.AGENT)
        session.add(user)
        await session.flush()
    session.add(AgentIdentity(channel=channel, identity=identity, user_id=user.id))
    await session.flush()
    return user


async def link(session: AsyncSession, username: str, channel: str, identity: str) -> None:
    """Make a person on a platform the user who signs in to the desk under this name.

    Raises:
        UserError: there is no such user.
    """
    user = await find(session, username)
    known = await session.scalar(
        select(AgentIdentity).where(AgentIdentity.channel == channel, AgentIdentity.identity == identity)
    )
    if known is None:
        session.add(AgentIdentity(channel=channel, identity=identity, user_id=user.id))
    else:
        known.user_id = user.id
    await session.flush()


async def find(session: AsyncSession, username: str) -> User:
    """The user with this name.

    Raises:
        UserError: there is no such user.
    """
    found: User | None = await session.scalar(select(User).where(User.username == username.strip().casefold()))
    if found is None:
        raise UserError(f"there is no user called {username}")
    return found


async def set_work(session: AsyncSession, user: User, *, speaks: list[str], capacity: int | None) -> None:
    """Set the languages that a user answers in, and how many conversations they can have at a time.

    Args:
        session: the transaction.
        user: who.
        speaks: language codes; none: those of their teams.
        capacity: None: as their team has it.
    """
    row = await session.get_one(User, user.id, with_for_update={"key_share": True}, populate_existing=True)
    row.speaks, row.capacity = speaks, capacity
    await session.flush()
    if row.away_since is None:
        await timers.schedule(session, WAKE, now(), {"user": row.id})
