"""What others are told of: events of tickets, surveys and conversations, committed with what they tell of."""

from __future__ import annotations

import uuid
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from bot.storage import signal
from bot.storage.models import Event

TOPIC = "events"


def emit(session: AsyncSession, kind: str, **data: Any) -> None:
    """Record an event, such as ``ticket.opened``; whoever is told by webhook gets it after the commit.

    Args:
        session: the transaction that it is committed with.
        kind: its type: what it is about, a dot, what happened.
        data: JSON-ready ids and codes. No customer's words: whoever needs them asks the API.
    """
    session.add(Event(uid=str(uuid.uuid4()), type=kind, data=data))
    signal(session, TOPIC)
