"""Conversations: what comes in, what goes out, the transcript, hand-overs, rooms, files."""

from __future__ import annotations

import enum
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from bot.contracts import Author, Owner
from bot.storage.models.base import Base, Document, Id, UtcDateTime, enum_column, now


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


class FileStatus(enum.StrEnum):
    """Whether an attachment's bytes are here."""

    REMOTE = "remote"
    STORED = "stored"
    FAILED = "failed"


class Conversation(Base):
    """One chat with one customer on one channel, with its owner and the state of its dialogue."""

    __tablename__ = "conversations"
    __table_args__ = (
        UniqueConstraint("channel", "address_key"),
        # What the desk's list is narrowed down to, in its order.
        Index("ix_conversations_owner", "owner", "updated_at"),
        Index("ix_conversations_channel", "channel", "updated_at"),
        Index("ix_conversations_language", "language", "updated_at"),
    )

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
    owner: Mapped[Owner] = mapped_column(enum_column(Owner, "owner"), default=Owner.BOT)
    agent_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"), index=True)
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
    status: Mapped[InboxStatus] = mapped_column(enum_column(InboxStatus, "inbox_status"), default=InboxStatus.PENDING)
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
    author: Mapped[Author] = mapped_column(enum_column(Author, "author"))
    body: Mapped[dict[str, Any]] = mapped_column(Document)
    # How many of the platform's messages that this one takes have left: a retry goes on after them.
    parts_sent: Mapped[int] = mapped_column(default=0, server_default="0")
    status: Mapped[OutboxStatus] = mapped_column(
        enum_column(OutboxStatus, "outbox_status"), default=OutboxStatus.PENDING
    )
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
    author: Mapped[Author] = mapped_column(enum_column(Author, "message_author"))
    agent_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    text: Mapped[str] = mapped_column(Text)
    language: Mapped[str] = mapped_column(String(16), default="")
    parse: Mapped[dict[str, Any] | None] = mapped_column(Document)
    inbox_id: Mapped[int | None] = mapped_column(ForeignKey("inbox.id"))
    outbox_id: Mapped[int | None] = mapped_column(ForeignKey("outbox.id"), index=True)
    # What its author did to it afterwards: ``edited``, ``deleted`` or nothing.
    change: Mapped[str] = mapped_column(String(8), default="", server_default="")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)


class Translation(Base):
    """What a message says in another language. Of a reply that was translated before it left, this is
    what the agent wrote: ``original`` is set."""

    __tablename__ = "translations"
    __table_args__ = (UniqueConstraint("message_id", "language"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    message_id: Mapped[int] = mapped_column(ForeignKey("messages.id", ondelete="CASCADE"))
    language: Mapped[str] = mapped_column(String(16))
    text: Mapped[str] = mapped_column(Text)
    engine: Mapped[str] = mapped_column(String(40), default="")
    original: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)


class Correction(Base):
    """What an agent says that a customer's message meant, until a reviewer has decided on it.

    ``status`` is ``pending``, ``approved``, ``rejected`` or ``learnt`` (written into the training data).
    The text is kept here because a reviewer may change it (names taken out).
    """

    __tablename__ = "corrections"
    __table_args__ = (Index("ix_corrections_status", "status", "id"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    message_id: Mapped[int | None] = mapped_column(ForeignKey("messages.id", ondelete="SET NULL"), index=True)
    text: Mapped[str] = mapped_column(Text)
    language: Mapped[str] = mapped_column(String(16))
    predicted: Mapped[str] = mapped_column(String(80))
    confidence: Mapped[float] = mapped_column(default=0.0)
    intent: Mapped[str] = mapped_column(String(80))
    status: Mapped[str] = mapped_column(String(16), default="pending")
    agent_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    reviewer_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    reviewed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class ConversationNote(Base):
    """An internal note in a conversation, which customers never see."""

    __tablename__ = "conversation_notes"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversations.id"), index=True)
    agent_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    text: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)


class Presence(Base):
    """Who has a conversation open at the desk, and until when that is believed without word from them."""

    __tablename__ = "presence"

    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversations.id"), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True)
    until: Mapped[datetime] = mapped_column(UtcDateTime)
    writing: Mapped[bool] = mapped_column(default=False)


class Draft(Base):
    """What a user has begun to write and not sent; ``place`` is a path of the desk, ``piece`` its name there."""

    __tablename__ = "drafts"

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True)
    place: Mapped[str] = mapped_column(String(120), primary_key=True)
    text: Mapped[str] = mapped_column(Text)
    piece: Mapped[str] = mapped_column(String(64), default="")
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)


class Piece(Base):
    """A piece of writing of the desk, so that it is sent once and no draft of it comes back.

    ``content`` is a digest of what was sent, empty until then. Nothing that anybody wrote is kept here.
    """

    __tablename__ = "pieces"

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True)
    piece: Mapped[str] = mapped_column(String(64), primary_key=True)
    content: Mapped[str] = mapped_column(String(64), default="")
    at: Mapped[datetime] = mapped_column(UtcDateTime, default=now, index=True)


STEPPED_IN = "agent"
"""The reason of a hand-over that an agent began, without waiting and without the customer having asked."""


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
        Index("ix_handoffs_started_at", "started_at"),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversations.id"), index=True)
    reason: Mapped[str] = mapped_column(String(40))
    agent_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    started_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    claimed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    outcome: Mapped[str] = mapped_column(String(24), default="")
    # The team that is asked now and those that were asked before it; the user whose turn it is.
    team: Mapped[str] = mapped_column(String(64), default="", server_default="")
    passed: Mapped[list[str]] = mapped_column(Document, default=list, server_default="[]")
    offered_to_id: Mapped[int | None] = mapped_column(Id)
    offered_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    # Where the customer wants to be called back, "" if they wait in the chat.
    phone: Mapped[str] = mapped_column(String(32), default="", server_default="")
    # What the bot understood and tried, see bot.handovers; empty once the customer is erased.
    summary: Mapped[dict[str, Any]] = mapped_column(Document, default=dict, server_default="{}")
    # Who was asked, in order: when, what happened, the team, the user, and by whom.
    steps: Mapped[list[dict[str, Any]]] = mapped_column(Document, default=list, server_default="[]")


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
    status: Mapped[FileStatus] = mapped_column(enum_column(FileStatus, "file_status"), default=FileStatus.REMOTE)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
