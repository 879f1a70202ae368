"""Satisfaction surveys."""

from __future__ import annotations

import enum
from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from bot.storage.models.base import Base, Document, Id, UtcDateTime, enum_column, now


class SurveyStatus(enum.StrEnum):
    """The life of one survey."""

    SCHEDULED = "scheduled"
    SENT = "sent"
    ANSWERED = "answered"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


class Survey(Base):
    """One survey of one customer. Who and what is snapshotted when it is sent."""

    __tablename__ = "surveys"
    __table_args__ = (
        Index("ix_surveys_status", "status", "sent_at"),
        Index("ix_surveys_kind", "kind", "sent_at"),
        Index("ix_surveys_customer", "customer_id", "created_at"),
        Index("ix_surveys_delivered", "kind", "delivered_at"),
        Index(
            "ix_surveys_commented",
            "kind",
            "delivered_at",
            sqlite_where=text("comment <> ''"),
            postgresql_where=text("comment <> ''"),
        ),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    kind: Mapped[str] = mapped_column(String(8), default="csat")
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversations.id"), index=True)
    customer_id: Mapped[int | None] = mapped_column(ForeignKey("customers.id"))
    ticket_id: Mapped[int | None] = mapped_column(ForeignKey("tickets.id"))
    handoff_id: Mapped[int | None] = mapped_column(ForeignKey("handoffs.id"))
    agent_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    # The message that asked: a survey counts as delivered once the platform has taken it.
    outbox_id: Mapped[int | None] = mapped_column(ForeignKey("outbox.id"), index=True)
    channel: Mapped[str] = mapped_column(String(32), default="")
    language: Mapped[str] = mapped_column(String(16), default="")
    ticket_type: Mapped[str] = mapped_column(String(24), default="")
    tier: Mapped[str] = mapped_column(String(24), default="")
    status: Mapped[SurveyStatus] = mapped_column(
        enum_column(SurveyStatus, "survey_status"), default=SurveyStatus.SCHEDULED
    )
    score: Mapped[int | None]
    comment: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    answered_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    # When the platform took the question; only then does it count as delivered.
    delivered_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    reminded_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    # The survey's name in surveys.yml, what made it leave, and the campaign that it belongs to.
    definition: Mapped[str] = mapped_column(String(64), default="", server_default="")
    trigger: Mapped[str] = mapped_column(String(24), default="", server_default="")
    campaign_id: Mapped[int | None] = mapped_column(Id, index=True)
    # Further parts of the snapshot, as those above.
    team: Mapped[str] = mapped_column(String(64), default="", server_default="")
    product: Mapped[str] = mapped_column(String(120), default="", server_default="")
    country: Mapped[str] = mapped_column(String(64), default="", server_default="")
    # The order that it asks about, and what makes the link to its page good for one answer.
    order_id: Mapped[int | None] = mapped_column(Id, index=True)
    nonce: Mapped[str] = mapped_column(String(32), default="", server_default="")
    # Why it was not sent, for one that was cancelled; ``not_now`` for one that the customer put off.
    reason: Mapped[str] = mapped_column(String(40), default="", server_default="")
    # What the comment is about and how it sounds, between -1 (very unhappy) and 1.
    topic: Mapped[str] = mapped_column(String(40), default="", server_default="")
    sentiment: Mapped[float | None]


class SurveyAnswer(Base):
    """A rating as it was given, and each change of it: what the survey's ``score`` came from."""

    __tablename__ = "survey_answers"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    survey_id: Mapped[int] = mapped_column(ForeignKey("surveys.id"), index=True)
    score: Mapped[int]
    late: Mapped[bool] = mapped_column(default=False)
    at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)


class FollowUp(Base):
    """What is done about a low score: who, until when, and what came of it.

    ``outcome`` is ``""`` while it is open, then ``recovered``, ``not_recovered`` or ``not_reached``, or
    ``withdrawn`` where the customer took the low score back in time.
    """

    __tablename__ = "follow_ups"
    __table_args__ = (
        Index("ix_follow_ups_open", "closed_at", "due_at"),
        Index("ix_follow_ups_created_at", "created_at"),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    survey_id: Mapped[int] = mapped_column(ForeignKey("surveys.id"), unique=True)
    team: Mapped[str] = mapped_column(String(64), default="")
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"), index=True)
    due_at: Mapped[datetime] = mapped_column(UtcDateTime)
    outcome: Mapped[str] = mapped_column(String(24), default="")
    note: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    closed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    # The survey with which the customer was asked again.
    again_id: Mapped[int | None] = mapped_column(Id, index=True)
    # Who closed it; None while it is open, and where the customer's own answer did.
    closed_by_id: Mapped[int | None] = mapped_column(Id)


class Campaign(Base):
    """A survey that a manager sent by hand to a filtered audience; who was left out, by reason."""

    __tablename__ = "campaigns"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    definition: Mapped[str] = mapped_column(String(64))
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    audience: Mapped[dict[str, Any]] = mapped_column(Document, default=dict)
    asked: Mapped[int]
    excluded: Mapped[dict[str, Any]] = mapped_column(Document, default=dict)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
