"""The tables. One set of models for SQLite and PostgreSQL; all times are stored in UTC."""

from __future__ import annotations

import enum
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    DateTime,
    Dialect,
    Enum,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Numeric,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

from bot.contracts import Author, Owner


def now() -> datetime:
    """The present moment, aware, in UTC."""
    return datetime.now(UTC)


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time, stored in UTC; SQLite, which has no time zones, gets it back on reading.

    A naive value is refused, because its meaning would depend on the machine.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Convert to UTC on the way in; raises ValueError for a naive value."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a time zone cannot be stored")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Attach UTC on the way out."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class ExactNumeric(TypeDecorator[Decimal]):
    """An exact decimal; SQLite, which would make it a float, keeps it as an integer of 1/10,000."""

    impl = Numeric(18, 4)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        """An integer column on SQLite, NUMERIC elsewhere."""
        return dialect.type_descriptor(BigInteger() if dialect.name == "sqlite" else Numeric(18, 4))

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Any:
        """Scale on the way in to SQLite."""
        if value is None or dialect.name != "sqlite":
            return value
        return int((value * 10_000).to_integral_value())

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        """Scale back, and drop trailing zeros beyond two places."""
        if value is None:
            return None
        exact = Decimal(value) / 10_000 if dialect.name == "sqlite" else Decimal(value)
        cents = exact.quantize(Decimal("0.01"))
        return cents if cents == exact else exact


Id = BigInteger().with_variant(Integer, "sqlite")
Document = JSON().with_variant(JSONB(), "postgresql")


def _enum(kind: type[enum.StrEnum], name: str) -> Enum:
    """A text column with a CHECK, so that adding a value is an ordinary migration everywhere."""
    return Enum(
        kind,
        name=name,
        native_enum=False,
        create_constraint=True,
        length=24,
        values_callable=lambda members: [member.value for member in members],
    )


class Base(DeclarativeBase):
    """Declarative base; constraint names are fixed so that migrations can name them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class Role(enum.StrEnum):
    """What a user of the desk may do; each includes the ones before it."""

    AGENT = "agent"
    MANAGER = "manager"
    ADMIN = "admin"


class InboxStatus(enum.StrEnum):
    """The life of a received event."""

    PENDING = "pending"
    DONE = "done"
    DEAD = "dead"


class OutboxStatus(enum.StrEnum):
    """The life of a message to be sent. ``SENDING`` is leased to one dispatcher."""

    PENDING = "pending"
    SENDING = "sending"
    SENT = "sent"
    DEAD = "dead"


class TimerStatus(enum.StrEnum):
    """The life of something due later."""

    PENDING = "pending"
    DONE = "done"
    DEAD = "dead"


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


class SurveyStatus(enum.StrEnum):
    """The life of one survey."""

    SCHEDULED = "scheduled"
    SENT = "sent"
    ANSWERED = "answered"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


class FileStatus(enum.StrEnum):
    """Whether an attachment's bytes are here."""

    REMOTE = "remote"
    STORED = "stored"
    FAILED = "failed"


class User(Base):
    """Someone who signs in to the desk."""

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    username: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[str] = mapped_column(String(120))
    password_hash: Mapped[str] = mapped_column(String(255))
    role: Mapped[Role] = mapped_column(_enum(Role, "role"), default=Role.AGENT)
    active: Mapped[bool] = mapped_column(default=True)
    # Raised when the password changes or the user signs out everywhere: older cookies stop working.
    session_version: Mapped[int] = mapped_column(default=1)
    language: Mapped[str] = mapped_column(String(16), default="en")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)


class Customer(Base):
    """A buyer. ``erased_at`` marks one whose personal data was deleted on request."""

    __tablename__ = "customers"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    external_ref: Mapped[str | None] = mapped_column(String(64), unique=True)
    name: Mapped[str] = mapped_column(String(200), default="")
    email: Mapped[str] = mapped_column(String(254), default="", index=True)
    phone: Mapped[str] = mapped_column(String(32), default="", index=True)
    country: Mapped[str] = mapped_column(String(64), default="")
    tier: Mapped[str] = mapped_column(String(24), default="standard")
    surveys_stopped_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    erased_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)


class OrderRow(Base):
    """An order. ``number_key`` is the number without case, spaces and hyphens."""

    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    number: Mapped[str] = mapped_column(String(40))
    number_key: Mapped[str] = mapped_column(String(40), unique=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id"), index=True)
    status: Mapped[str] = mapped_column(String(24))
    placed_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    currency: Mapped[str] = mapped_column(String(3))
    total: Mapped[Decimal] = mapped_column(ExactNumeric)
    country: Mapped[str] = mapped_column(String(64), default="")
    email: Mapped[str] = mapped_column(String(254), default="")
    phone: Mapped[str] = mapped_column(String(32), default="")
    carrier: Mapped[str] = mapped_column(String(64), default="")
    tracking_number: Mapped[str] = mapped_column(String(64), default="")
    expected_on: Mapped[date | None]
    delivered_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    cancelled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class OrderLineRow(Base):
    """One position of an order; ``position`` counts from 1."""

    __tablename__ = "order_lines"
    __table_args__ = (UniqueConstraint("order_id", "position"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id", ondelete="CASCADE"))
    position: Mapped[int]
    sku: Mapped[str] = mapped_column(String(64))
    description: Mapped[str] = mapped_column(String(400))
    quantity: Mapped[int]
    unit_price: Mapped[Decimal] = mapped_column(ExactNumeric)


class Conversation(Base):
    """One chat with one customer on one channel, with its owner and the state of its dialogue."""

    __tablename__ = "conversations"
    __table_args__ = (UniqueConstraint("channel", "address_key"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    channel: Mapped[str] = mapped_column(String(32))
    address_key: Mapped[str] = mapped_column(String(400))
    chat: Mapped[str] = mapped_column(String(120))
    user: Mapped[str] = mapped_column(String(120))
    thread: Mapped[str] = mapped_column(String(120), default="")
    name: Mapped[str] = mapped_column(String(200), default="")
    locale: Mapped[str] = mapped_column(String(35), default="")
    language: Mapped[str] = mapped_column(String(16), default="")
    language_reason: Mapped[str] = mapped_column(String(200), default="")
    owner: Mapped[Owner] = mapped_column(_enum(Owner, "owner"), default=Owner.BOT, index=True)
    agent_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    customer_id: Mapped[int | None] = mapped_column(ForeignKey("customers.id"), index=True)
    verified_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    surveys_stopped_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    # Since when the customer has shut the bot out; nothing is sent until they write again.
    unreachable_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    state: Mapped[dict[str, Any]] = mapped_column(Document, default=dict)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now, index=True)


class Inbox(Base):
    """A received event, committed before the platform is told that it arrived."""

    __tablename__ = "inbox"
    __table_args__ = (
        UniqueConstraint("channel", "external_id"),
        Index("ix_inbox_open", "status", "conversation_id", "id"),
        Index("ix_inbox_conversation", "conversation_id", "id"),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    channel: Mapped[str] = mapped_column(String(32))
    external_id: Mapped[str] = mapped_column(String(200))
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversations.id"))
    event: Mapped[dict[str, Any]] = mapped_column(Document)
    status: Mapped[InboxStatus] = mapped_column(_enum(InboxStatus, "inbox_status"), default=InboxStatus.PENDING)
    attempts: Mapped[int] = mapped_column(default=0)
    due_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    error: Mapped[str] = mapped_column(Text, default="")
    received_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    handled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Outbox(Base):
    """A message to be sent, committed together with what caused it."""

    __tablename__ = "outbox"
    __table_args__ = (
        Index("ix_outbox_open", "status", "conversation_id", "id"),
        Index("ix_outbox_conversation", "conversation_id", "id"),
        Index("ix_outbox_inbox", "inbox_id"),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversations.id"))
    inbox_id: Mapped[int | None] = mapped_column(ForeignKey("inbox.id"))
    channel: Mapped[str] = mapped_column(String(32))
    author: Mapped[Author] = mapped_column(_enum(Author, "author"))
    body: Mapped[dict[str, Any]] = mapped_column(Document)
    # How many of the platform's messages that this one takes have left: a retry goes on after them.
    parts_sent: Mapped[int] = mapped_column(default=0, server_default="0")
    status: Mapped[OutboxStatus] = mapped_column(_enum(OutboxStatus, "outbox_status"), default=OutboxStatus.PENDING)
    attempts: Mapped[int] = mapped_column(default=0)
    due_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    lease_owner: Mapped[str] = mapped_column(String(120), default="")
    lease_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    error: Mapped[str] = mapped_column(Text, default="")
    platform_id: Mapped[str] = mapped_column(String(200), default="")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Message(Base):
    """The transcript: what was said in a conversation, by whom, and how the bot read it."""

    __tablename__ = "messages"
    __table_args__ = (
        CheckConstraint("(inbox_id IS NULL) OR (outbox_id IS NULL)", name="one_direction"),
        Index("ix_messages_conversation", "conversation_id", "id"),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversations.id"))
    author: Mapped[Author] = mapped_column(_enum(Author, "message_author"))
    agent_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    text: Mapped[str] = mapped_column(Text)
    language: Mapped[str] = mapped_column(String(16), default="")
    parse: Mapped[dict[str, Any] | None] = mapped_column(Document)
    inbox_id: Mapped[int | None] = mapped_column(ForeignKey("inbox.id"))
    outbox_id: Mapped[int | None] = mapped_column(ForeignKey("outbox.id"), index=True)
    # What its author did to it afterwards: ``edited``, ``deleted`` or nothing.
    change: Mapped[str] = mapped_column(String(8), default="", server_default="")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)


class Handoff(Base):
    """A person's turn in a conversation, with its recorded start and end."""

    __tablename__ = "handoffs"
    __table_args__ = (
        Index(
            "uq_handoffs_open",
            "conversation_id",
            unique=True,
            sqlite_where=text("ended_at IS NULL"),
            postgresql_where=text("ended_at IS NULL"),
        ),
        Index("ix_handoffs_ended_at", "ended_at", "started_at"),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversations.id"), index=True)
    reason: Mapped[str] = mapped_column(String(40))
    agent_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    started_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    claimed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    outcome: Mapped[str] = mapped_column(String(24), default="")


class RoomRow(Base):
    """Where agents see a hand-over on a platform, and how much of it is shown there.

    ``since`` is the last message that the card itself shows; ``shown`` the last one told below it;
    ``card_digest`` what the card looked like when it was last sent; ``notes`` what the agents are
    still to be told, see :mod:`bot.services.rooms`.
    """

    __tablename__ = "rooms"
    __table_args__ = (
        UniqueConstraint("handoff_id", "channel"),
        Index("ix_rooms_place", "channel", "chat", "thread"),
        Index("ix_rooms_open", "closed_at", "due_at"),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    handoff_id: Mapped[int] = mapped_column(ForeignKey("handoffs.id"))
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversations.id"), index=True)
    channel: Mapped[str] = mapped_column(String(32))
    chat: Mapped[str] = mapped_column(String(120))
    thread: Mapped[str] = mapped_column(String(120), default="")
    card: Mapped[str] = mapped_column(String(120), default="")
    card_digest: Mapped[str] = mapped_column(String(64), default="")
    since: Mapped[int] = mapped_column(BigInteger, default=0)
    shown: Mapped[int] = mapped_column(BigInteger, default=0)
    notes: Mapped[list[dict[str, Any]]] = mapped_column(Document, default=list)
    attempts: Mapped[int] = mapped_column(default=0)
    due_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    lease_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    error: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    closed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class AgentIdentity(Base):
    """Who an agent is on a platform: the platform's id of the person, and the user of the desk."""

    __tablename__ = "agent_identities"
    __table_args__ = (UniqueConstraint("channel", "identity"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    channel: Mapped[str] = mapped_column(String(32))
    identity: Mapped[str] = mapped_column(String(120))
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)


class Ticket(Base):
    """A complaint. Its number is made from its id, see :func:`ticket_number`."""

    __tablename__ = "tickets"
    __table_args__ = (Index("ix_tickets_status", "status", "created_at"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversations.id"), index=True)
    customer_id: Mapped[int | None] = mapped_column(ForeignKey("customers.id"), index=True)
    order_id: Mapped[int | None] = mapped_column(ForeignKey("orders.id"))
    # As the customer gave it; ``order_id`` is set only when the order is proved to be theirs.
    order_number: Mapped[str] = mapped_column(String(40), default="")
    type: Mapped[TicketType] = mapped_column(_enum(TicketType, "ticket_type"))
    severity: Mapped[Severity] = mapped_column(_enum(Severity, "severity"))
    status: Mapped[TicketStatus] = mapped_column(_enum(TicketStatus, "ticket_status"), default=TicketStatus.NEW)
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


class StoredFile(Base):
    """A file that came with a message. ``path`` is below the data folder, once it is stored."""

    __tablename__ = "files"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversations.id"), index=True)
    message_id: Mapped[int | None] = mapped_column(ForeignKey("messages.id"), index=True)
    ticket_id: Mapped[int | None] = mapped_column(ForeignKey("tickets.id"), index=True)
    kind: Mapped[str] = mapped_column(String(24))
    ref: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(String(200), default="")
    mime: Mapped[str] = mapped_column(String(120))
    size: Mapped[int] = mapped_column(BigInteger, default=0)
    path: Mapped[str] = mapped_column(String(200), default="")
    status: Mapped[FileStatus] = mapped_column(_enum(FileStatus, "file_status"), default=FileStatus.REMOTE)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)


class Survey(Base):
    """One survey of one customer. Who and what is snapshotted when it is sent."""

    __tablename__ = "surveys"
    __table_args__ = (Index("ix_surveys_status", "status", "sent_at"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    kind: Mapped[str] = mapped_column(String(8), default="csat")
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversations.id"), index=True)
    customer_id: Mapped[int | None] = mapped_column(ForeignKey("customers.id"))
    ticket_id: Mapped[int | None] = mapped_column(ForeignKey("tickets.id"))
    handoff_id: Mapped[int | None] = mapped_column(ForeignKey("handoffs.id"))
    agent_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    # The message that asked: a survey counts as delivered once the platform has taken it.
    outbox_id: Mapped[int | None] = mapped_column(ForeignKey("outbox.id"))
    channel: Mapped[str] = mapped_column(String(32), default="")
    language: Mapped[str] = mapped_column(String(16), default="")
    ticket_type: Mapped[str] = mapped_column(String(24), default="")
    tier: Mapped[str] = mapped_column(String(24), default="")
    status: Mapped[SurveyStatus] = mapped_column(_enum(SurveyStatus, "survey_status"), default=SurveyStatus.SCHEDULED)
    score: Mapped[int | None]
    comment: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    answered_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Timer(Base):
    """Something due at a time. ``key`` keeps the same thing from being scheduled twice."""

    __tablename__ = "timers"
    __table_args__ = (Index("ix_timers_open", "status", "due_at"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    kind: Mapped[str] = mapped_column(String(40))
    key: Mapped[str | None] = mapped_column(String(120), unique=True)
    payload: Mapped[dict[str, Any]] = mapped_column(Document, default=dict)
    status: Mapped[TimerStatus] = mapped_column(_enum(TimerStatus, "timer_status"), default=TimerStatus.PENDING)
    due_at: Mapped[datetime] = mapped_column(UtcDateTime)
    attempts: Mapped[int] = mapped_column(default=0)
    error: Mapped[str] = mapped_column(Text, default="")


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
