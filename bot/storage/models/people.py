"""Users of the desk, customers, and what is known of who they are."""

from __future__ import annotations

import enum
from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from bot.storage.models.base import Base, Document, Id, UtcDateTime, enum_column, now


class Role(enum.StrEnum):
    """What a user of the desk may do; each includes the ones before it."""

    AGENT = "agent"
    MANAGER = "manager"
    ADMIN = "admin"


class User(Base):
    """Someone who signs in to the desk."""

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    username: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[str] = mapped_column(String(120))
    password_hash: Mapped[str] = mapped_column(String(255))
    role: Mapped[Role] = mapped_column(enum_column(Role, "role"), default=Role.AGENT)
    active: Mapped[bool] = mapped_column(default=True)
    # Raised when the password changes or the user signs out everywhere: older cookies stop working.
    session_version: Mapped[int] = mapped_column(default=1)
    language: Mapped[str] = mapped_column(String(16), default="en")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    # Since when they take nothing new, if they are away.
    away_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    # The languages they can answer in; none: those of their teams.
    speaks: Mapped[list[str]] = mapped_column(Document, default=list, server_default="[]")
    # How many conversations they can have at a time; None: as their team has it.
    capacity: Mapped[int | None]
    # When they were last given something, for taking turns.
    assigned_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Customer(Base):
    """A buyer. ``erased_at`` marks one whose personal data was deleted on request."""

    __tablename__ = "customers"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    external_ref: Mapped[str | None] = mapped_column(String(64), unique=True)
    name: Mapped[str] = mapped_column(String(200), default="")
    email: Mapped[str] = mapped_column(String(254), default="", index=True)
    phone: Mapped[str] = mapped_column(String(32), default="", index=True)
    country: Mapped[str] = mapped_column(String(64), default="")
    # An IANA name, "" where it is not known; then the country's, where it has but one.
    timezone: Mapped[str] = mapped_column(String(64), default="", server_default="")
    tier: Mapped[str] = mapped_column(String(24), default="standard")
    surveys_stopped_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    erased_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)


class AgentIdentity(Base):
    """Who an agent is on a platform: the platform's id of the person, and the user of the desk."""

    __tablename__ = "agent_identities"
    __table_args__ = (UniqueConstraint("channel", "identity"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    channel: Mapped[str] = mapped_column(String(32))
    identity: Mapped[str] = mapped_column(String(120))
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)


class VerificationAttempt(Base):
    """One try to prove that an order is one's own."""

    __tablename__ = "verification_attempts"
    __table_args__ = (
        Index("ix_verification_conversation", "conversation_id", "at"),
        Index("ix_verification_order", "order_key", "at"),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversations.id"))
    order_key: Mapped[str] = mapped_column(String(40))
    ok: Mapped[bool]
    at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)


class PrivacyRequest(Base):
    """A customer's request to export or delete their data, or to get no more notices."""

    __tablename__ = "privacy_requests"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversations.id"), index=True)
    customer_id: Mapped[int | None] = mapped_column(ForeignKey("customers.id"))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    completed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    detail: Mapped[dict[str, Any]] = mapped_column(Document, default=dict)
