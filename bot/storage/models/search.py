"""What the full-text search looks in; see :mod:`bot.storage.indexing` for who writes it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Index, Text
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from bot.storage.models.base import Base, Id, UtcDateTime


class SearchRow(Base):
    """Something that can be found: its id is made from what it is and that thing's own id.

    ``words`` are those of :func:`bot.storage.folding.index_words`. SQLite keeps an FTS5 table,
    ``search_words``, in step with them by triggers; PostgreSQL has them as a ``tsvector``
    with a GIN index; the migration makes both.
    """

    __tablename__ = "search"
    __table_args__ = (Index("ix_search_at", "at", "id"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=False)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    words: Mapped[str] = mapped_column(Text().with_variant(TSVECTOR(), "postgresql"))


class SearchQueue(Base):
    """What is to be indexed anew. Triggers write it, so that no writer of a table can forget to."""

    __tablename__ = "search_queue"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    doc: Mapped[int] = mapped_column(BigInteger)
