"""Machinery: things due later, events for others, keys of the API."""

from __future__ import annotations

import enum
from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from bot.storage.models.base import Base, Document, Id, UtcDateTime, enum_column, now
from bot.storage.models.talk import OutboxStatus


class TimerStatus(enum.StrEnum):
    """The life of something due later."""

    PENDING = "pending"
    DONE = "done"
    DEAD = "dead"


class Timer(Base):
    """Something due at a time. ``key`` keeps the same thing from being scheduled twice."""

    __tablename__ = "timers"
    __table_args__ = (Index("ix_timers_open", "status", "due_at"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    kind: Mapped[str] = mapped_column(String(40))
    key: Mapped[str | None] = mapped_column(String(120), unique=True)
    payload: Mapped[dict[str, Any]] = mapped_column(Document, default=dict)
    status: Mapped[TimerStatus] = mapped_column(enum_column(TimerStatus, "timer_status"), default=TimerStatus.PENDING)
    due_at: Mapped[datetime] = mapped_column(UtcDateTime)
    attempts: Mapped[int] = mapped_column(default=0)
    error: Mapped[str] = mapped_column(Text, default="")


class Alert(Base):
    """Something that one user of the desk should know; ``key`` names its words in ``desk.po``."""

    __tablename__ = "alerts"
    __table_args__ = (
        Index("ix_alerts_user", "user_id", "seen_at", "id"),
        # What is over for all users at once is looked for among what somebody has not seen.
        Index(
            "ix_alerts_unseen",
            "path",
            sqlite_where=text("seen_at IS NULL"),
            postgresql_where=text("seen_at IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    key: Mapped[str] = mapped_column(String(64))
    params: Mapped[dict[str, Any]] = mapped_column(Document, default=dict)
    path: Mapped[str] = mapped_column(String(200), default="")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    seen_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Announcement(Base):
    """Something to be said once in the agents' place of a platform."""

    __tablename__ = "announcements"
    __table_args__ = (Index("ix_announcements_open", "done_at", "due_at"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    channel: Mapped[str] = mapped_column(String(32), default="")
    key: Mapped[str] = mapped_column(String(64))
    params: Mapped[dict[str, Any]] = mapped_column(Document, default=dict)
    attempts: Mapped[int] = mapped_column(default=0)
    due_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    error: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    done_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Event(Base):
    """Something that happened to a ticket, a survey or a conversation, for those who are told by webhook."""

    __tablename__ = "events"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    uid: Mapped[str] = mapped_column(String(40), unique=True)
    type: Mapped[str] = mapped_column(String(64))
    data: Mapped[dict[str, Any]] = mapped_column(Document, default=dict)
    at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    # Whether it has been turned into deliveries.
    spread_at: Mapped[datetime | None] = mapped_column(UtcDateTime, index=True)


class Delivery(Base):
    """An event on its way to one webhook."""

    __tablename__ = "deliveries"
    __table_args__ = (UniqueConstraint("event_id", "webhook"), Index("ix_deliveries_open", "status", "due_at"))

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    event_id: Mapped[int] = mapped_column(ForeignKey("events.id"))
    webhook: Mapped[str] = mapped_column(String(40))
    status: Mapped[OutboxStatus] = mapped_column(
        enum_column(OutboxStatus, "delivery_status"), default=OutboxStatus.PENDING
    )
    attempts: Mapped[int] = mapped_column(default=0)
    due_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    lease_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    answer: Mapped[int | None]
    error: Mapped[str] = mapped_column(Text, default="")
    delivered_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class ApiToken(Base):
    """A key of the JSON API. Only its digest is kept; ``scopes`` is what it may do."""

    __tablename__ = "api_tokens"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    scopes: Mapped[list[str]] = mapped_column(Document, default=list)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class ApiCall(Base):
    """What a call of the API with an ``Idempotency-Key`` has made, so that its repeat makes nothing.

    ``key`` and ``request`` are digests, of the key and of what was asked for; ``result`` is the id of
    what was made. Nothing that anybody wrote is kept here.
    """

    __tablename__ = "api_calls"
    __table_args__ = (UniqueConstraint("token_id", "key"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    token_id: Mapped[int] = mapped_column(ForeignKey("api_tokens.id"))
    key: Mapped[str] = mapped_column(String(64))
    request: Mapped[str] = mapped_column(String(64))
    result: Mapped[int | None] = mapped_column(Id)
    at: Mapped[datetime] = mapped_column(UtcDateTime, default=now, index=True)
