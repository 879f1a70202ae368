"""Complaint tickets and what happens to them."""

from __future__ import annotations

import enum
from datetime import date, datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from bot.storage.models.base import Base, Document, Id, UtcDateTime, enum_column, now


class TicketType(enum.StrEnum):
    """What a complaint is about."""

    DAMAGED = "damaged"
    WRONG_ITEM = "wrong_item"
    MISSING_ITEM = "missing_item"
    NOT_DELIVERED = "not_delivered"
    LATE = "late"
    QUALITY = "quality"
    SERVICE = "service"
    BILLING = "billing"
    OTHER = "other"


class Severity(enum.StrEnum):
    """How grave a complaint is."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"
    CRITICAL = "critical"


class TicketStatus(enum.StrEnum):
    """Where a ticket stands. A pending one waits for the customer, or for someone else (a carrier)."""

    NEW = "new"
    OPEN = "open"
    PENDING_CUSTOMER = "pending_customer"
    PENDING_THIRD_PARTY = "pending_third_party"
    RESOLVED = "resolved"
    CLOSED = "closed"


class Ticket(Base):
    """A complaint. Its number is made from its id, see :func:`ticket_number`."""

    __tablename__ = "tickets"
    __table_args__ = (
        Index("ix_tickets_status", "status", "created_at"),
        Index("ix_tickets_created_at", "created_at"),
        # What the desk's list is narrowed down to, in its order.
        Index("ix_tickets_type", "type", "id"),
        Index("ix_tickets_severity", "severity", "id"),
        Index("ix_tickets_language", "language", "id"),
        Index("ix_tickets_team", "team", "id"),
        Index("ix_tickets_product", "product", "id"),
        Index("ix_tickets_carrier", "carrier", "id"),
        Index("ix_tickets_country", "country", "id"),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversations.id"), index=True)
    customer_id: Mapped[int | None] = mapped_column(ForeignKey("customers.id"), index=True)
    order_id: Mapped[int | None] = mapped_column(ForeignKey("orders.id"))
    # As the customer gave it; ``order_id`` is set only when the order is proved to be theirs.
    order_number: Mapped[str] = mapped_column(String(40), default="")
    type: Mapped[TicketType] = mapped_column(enum_column(TicketType, "ticket_type"))
    severity: Mapped[Severity] = mapped_column(enum_column(Severity, "severity"))
    status: Mapped[TicketStatus] = mapped_column(enum_column(TicketStatus, "ticket_status"), default=TicketStatus.NEW)
    description: Mapped[str] = mapped_column(Text)
    language: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    resolved_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    # In the merchant's words, see ``tickets.root_causes`` and ``tickets.resolutions`` in config.yml.
    root_cause: Mapped[str] = mapped_column(String(80), default="", server_default="")
    resolution: Mapped[str] = mapped_column(String(80), default="", server_default="")
    # The ticket that goes on in this one's place.
    merged_into_id: Mapped[int | None] = mapped_column(ForeignKey("tickets.id"), index=True)

    # Who works on it: a team's name, and a user's id.
    team: Mapped[str] = mapped_column(String(64), default="", server_default="")
    agent_id: Mapped[int | None] = mapped_column(Id, index=True)
    # What the voice of the customer is counted by, as it was when the ticket was opened; "" if not known.
    product: Mapped[str] = mapped_column(String(120), default="", server_default="")
    carrier: Mapped[str] = mapped_column(String(64), default="", server_default="")
    country: Mapped[str] = mapped_column(String(64), default="", server_default="")
    tier: Mapped[str] = mapped_column(String(24), default="", server_default="")
    # How the customer's words sound, between -1 (very unhappy) and 1; None if nobody looked.
    sentiment: Mapped[float | None]

    @property
    def number(self) -> str:
        """The number told to the customer, such as ``T-000042``."""
        return ticket_number(self.id)


def ticket_number(ticket_id: int) -> str:
    """``T-`` and the id with at least six digits."""
    return f"T-{ticket_id:06d}"


class TicketEvent(Base):
    """One change of a ticket: who did what, when."""

    __tablename__ = "ticket_events"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    ticket_id: Mapped[int] = mapped_column(ForeignKey("tickets.id"), index=True)
    actor: Mapped[str] = mapped_column(String(80))
    kind: Mapped[str] = mapped_column(String(32))
    detail: Mapped[dict[str, Any]] = mapped_column(Document, default=dict)
    at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)


class ClockKind(enum.StrEnum):
    """What a clock of a ticket measures."""

    FIRST_RESPONSE = "first_response"
    RESOLUTION = "resolution"


class TicketClock(Base):
    """A promise about a ticket: so much of a calendar's time, and how much of it is used up.

    ``used_seconds`` is business time up to ``since``, from when the clock runs; ``since`` is None while
    it stands still (the customer is awaited, or it is over), and then so is ``due_at``. ``met_at`` is
    when the promise was kept or, if ``breached_at`` is set as well, when it was fulfilled late.
    """

    __tablename__ = "ticket_clocks"
    __table_args__ = (UniqueConstraint("ticket_id", "kind"), Index("ix_ticket_clocks_due_at", "due_at"))

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    ticket_id: Mapped[int] = mapped_column(ForeignKey("tickets.id"))
    kind: Mapped[ClockKind] = mapped_column(enum_column(ClockKind, "clock_kind"))
    calendar: Mapped[str] = mapped_column(String(64), default="")
    target_seconds: Mapped[int] = mapped_column(BigInteger)
    used_seconds: Mapped[int] = mapped_column(BigInteger, default=0)
    started_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    due_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    warned_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    told_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    breached_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    met_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class TopicFlag(Base):
    """A rise of complaints about one topic beyond the usual, found on a day.

    The figures are those of ``last_day``, the last one on which it was found.
    """

    __tablename__ = "topic_flags"
    __table_args__ = (UniqueConstraint("dimension", "value", "day"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    dimension: Mapped[str] = mapped_column(String(24))
    value: Mapped[str] = mapped_column(String(120))
    day: Mapped[date]
    last_day: Mapped[date]
    observed: Mapped[int]
    expected: Mapped[float]
    p_value: Mapped[float]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
