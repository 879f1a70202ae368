"""What the managers' figures are counted from; see :mod:`bot.services.episodes` for who writes it."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from bot.storage.models.base import Base, Id, UtcDateTime, now


class Snapshot:
    """What figures are broken down by, as it was; ``""`` where it is not known, no agent for nobody."""

    channel: Mapped[str] = mapped_column(String(32), default="")
    language: Mapped[str] = mapped_column(String(16), default="")
    agent_id: Mapped[int | None] = mapped_column(Id)
    team: Mapped[str] = mapped_column(String(64), default="")
    ticket_type: Mapped[str] = mapped_column(String(24), default="")
    product: Mapped[str] = mapped_column(String(120), default="")
    country: Mapped[str] = mapped_column(String(64), default="")
    tier: Mapped[str] = mapped_column(String(24), default="")


class Episode(Snapshot, Base):
    """What a customer and the desk said to each other about one matter, without a long pause.

    It holds a conversation's messages from ``first_id`` to that of the next one. ``subject`` is the first wish
    that was understood, ``asked_at`` when it was last uttered; ``plain`` while there was nothing but small talk;
    ``thanked`` after the last wish; ``again`` if the customer came back on the same subject; ``escalated`` if a
    person was needed. ``ended_at`` is the customer's last message.
    """

    __tablename__ = "episodes"
    __table_args__ = (
        Index("ix_episodes_conversation", "conversation_id", "id"),
        Index("ix_episodes_customer", "customer_id", "ended_at"),
        Index("ix_episodes_began", "began_at"),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversations.id"))
    customer_id: Mapped[int | None] = mapped_column(Id)
    first_id: Mapped[int] = mapped_column(BigInteger)
    began_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime] = mapped_column(UtcDateTime)
    subject: Mapped[str] = mapped_column(String(80), default="")
    asked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    plain: Mapped[bool] = mapped_column(default=True)
    thanked: Mapped[bool] = mapped_column(default=False)
    again: Mapped[bool] = mapped_column(default=False)
    escalated: Mapped[bool] = mapped_column(default=False)


class TicketTime(Snapshot, Base):
    """How long a ticket took, in seconds of business time, and what became of what was promised for it.

    ``kept`` is None while a promise is open or where nothing was promised; its ``at`` is when it was kept or missed.
    """

    __tablename__ = "ticket_times"
    __table_args__ = (
        Index("ix_ticket_times_opened", "opened_at"),
        Index("ix_ticket_times_resolved", "resolved_at"),
        Index("ix_ticket_times_response_at", "response_at"),
        Index("ix_ticket_times_resolution_at", "resolution_at"),
    )

    ticket_id: Mapped[int] = mapped_column(ForeignKey("tickets.id"), primary_key=True, autoincrement=False)
    opened_at: Mapped[datetime] = mapped_column(UtcDateTime)
    answered_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    response_seconds: Mapped[int | None] = mapped_column(BigInteger)
    resolved_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    resolution_seconds: Mapped[int | None] = mapped_column(BigInteger)
    response_kept: Mapped[bool | None]
    response_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    resolution_kept: Mapped[bool | None]
    resolution_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class TicketSpan(Base):
    """From when to when a ticket was open in one status; ``until`` is the year 9999 for the present one."""

    __tablename__ = "ticket_spans"
    __table_args__ = (Index("ix_ticket_spans_until", "until", "since"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    ticket_id: Mapped[int] = mapped_column(ForeignKey("tickets.id"), index=True)
    status: Mapped[str] = mapped_column(String(24))
    since: Mapped[datetime] = mapped_column(UtcDateTime)
    until: Mapped[datetime] = mapped_column(UtcDateTime)


class FigureColumn(Base):
    """One column of all facts of one kind of one day of UTC: an array of numbers, see bot.storage.figures.columns."""

    __tablename__ = "figure_columns"

    fact: Mapped[str] = mapped_column(String(16), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(16), primary_key=True)
    data: Mapped[bytes] = mapped_column(LargeBinary)


class FigureWord(Base):
    """A word that stands in columns as its id."""

    __tablename__ = "figure_words"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    word: Mapped[str] = mapped_column(String(200), unique=True)


class FigureChange(Base):
    """A fact that the columns do not have yet, or have otherwise. Triggers write it, so that nobody can forget to.

    ``at`` is when it happened, as it is or was in the columns, where that is known.
    """

    __tablename__ = "figure_changes"
    __table_args__ = (Index("ix_figure_changes_fact", "fact", "id"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    fact: Mapped[str] = mapped_column(String(16))
    ref: Mapped[int] = mapped_column(BigInteger)
    at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class FigureMark(Base):
    """How far the figures are: up to which id, and when that was found."""

    __tablename__ = "figure_marks"

    name: Mapped[str] = mapped_column(String(24), primary_key=True)
    value: Mapped[int] = mapped_column(BigInteger, default=0)
    at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
