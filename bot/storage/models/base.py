"""What all tables share: times in UTC, exact sums of money, names of constraints."""

from __future__ import annotations

import contextlib
import enum
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Dialect,
    Enum,
    Integer,
    MetaData,
    Numeric,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeDecorator

# What this process reads instead of the machine's clock, where it lives through another time.
_reading: Callable[[], datetime] | None = None


def now() -> datetime:
    """The present moment, aware, in UTC."""
    return datetime.now(UTC) if _reading is None else _reading()


@contextlib.contextmanager
def clock(reading: Callable[[], datetime]) -> Iterator[None]:
    """Have :func:`now` read another clock, in this whole process, while the block lasts.

    What measures how long something takes (time-outs, leases) goes on by the machine's own clock.

    Args:
        reading: the present moment of that clock, aware, in UTC.
    """
    global _reading
    before, _reading = _reading, reading
    try:
        yield
    finally:
        _reading = before


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


def enum_column(kind: type[enum.StrEnum], name: str) -> Enum:
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
