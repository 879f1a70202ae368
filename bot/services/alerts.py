"""What single users of the desk should know: shown there and by their browser, until they have seen it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.storage import now, signal
from bot.storage.models import Alert, Announcement, Role, User

TOPIC = "desk"
ANNOUNCED = "announcements"


async def tell(
    session: AsyncSession, user_ids: Iterable[int], key: str, params: dict[str, Any] | None = None, path: str = ""
) -> None:
    """Alert these users.

    Args:
        session: the transaction that it is committed with.
        user_ids: who.
        key: words of ``desk.po``, beginning with ``alert.``; a parameter called ``time`` is an ISO 8601 moment.
        params: what stands in for the placeholders of the words.
        path: the page of the desk that it is about.
    """
    for user_id in sorted(set(user_ids)):
        session.add(Alert(user_id=user_id, key=key, params=params or {}, path=path))
    signal(session, TOPIC)


async def managers(session: AsyncSession) -> list[int]:
    """The ids of those who manage: managers and administrators that are active."""
    rows = await session.scalars(
        select(User.id).where(User.role.in_((Role.MANAGER, Role.ADMIN)), User.active).order_by(User.id)
    )
    return list(rows)


async def announce(
    session: AsyncSession, key: str, params: dict[str, Any] | None = None, *, alert: bool = False
) -> None:
    """Have something said once in the agents' place of every platform that has one; as :func:`tell`.

    The words of ``key`` begin with ``announce.``; ``alert`` asks for everybody's attention.
    """
    session.add(Announcement(key=key, params=(params or {}) | ({"alert": True} if alert else {})))
    signal(session, ANNOUNCED)


async def unseen(session: AsyncSession, user_id: int, limit: int = 50) -> Sequence[Alert]:
    """What a user has not seen yet, oldest first."""
    rows = await session.scalars(
        select(Alert).where(Alert.user_id == user_id, Alert.seen_at.is_(None)).order_by(Alert.id).limit(limit)
    )
    return rows.all()


async def seen(session: AsyncSession, user_id: int, up_to: int) -> None:
    """A user has seen their alerts up to this one."""
    await session.execute(
        update(Alert)
        .where(Alert.user_id == user_id, Alert.id <= up_to, Alert.seen_at.is_(None))
        .values(seen_at=now())
        .execution_options(synchronize_session=False)
    )
    signal(session, TOPIC)


async def settle(session: AsyncSession, path: str, keys: Iterable[str]) -> None:
    """What users were told of a page with these keys needs nobody any more; whoever has not seen it need not."""
    # What somebody else is just marking as seen is seen: nobody is waited for.
    unseen_ones = select(Alert.id).where(Alert.path == path, Alert.key.in_(list(keys)), Alert.seen_at.is_(None))
    ids = list(await session.scalars(unseen_ones.order_by(Alert.id).with_for_update(skip_locked=True)))
    if ids:
        await session.execute(
            update(Alert).where(Alert.id.in_(ids)).values(seen_at=now()).execution_options(synchronize_session=False)
        )
        signal(session, TOPIC)


async def opened(session: AsyncSession, user_id: int, alert_id: int) -> str | None:
    """A user opens one of their alerts: it has been seen. Its page; None if it is not theirs."""
    found = await session.get(Alert, alert_id)
    if found is None or found.user_id != user_id:
        return None
    found.seen_at = found.seen_at or now()
    signal(session, TOPIC)
    return found.path


async def seen_at(session: AsyncSession, user_id: int, path: str) -> None:
    """A user looks at a page: what they were told about it has been seen."""
    await session.execute(
        update(Alert)
        .where(Alert.user_id == user_id, Alert.path == path, Alert.seen_at.is_(None))
        .values(seen_at=now())
        .execution_options(synchronize_session=False)
    )
    signal(session, TOPIC)
