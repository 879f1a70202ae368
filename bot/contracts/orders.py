"""The merchant's orders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Protocol


@dataclass(frozen=True, slots=True)
class OrderLine:
    """One position of an order."""

    sku: str
    description: str
    quantity: int
    unit_price: Decimal


@dataclass(frozen=True, slots=True)
class Order:
    """An order as the desk needs it. Times are UTC; ``total`` is in ``currency``."""

    number: str
    status: str
    placed_at: datetime
    currency: str
    total: Decimal
    customer_id: int
    lines: tuple[OrderLine, ...] = ()
    country: str = ""
    email: str = ""
    phone: str = ""
    carrier: str = ""
    tracking_number: str = ""
    expected_on: date | None = None
    delivered_at: datetime | None = None
    cancelled_at: datetime | None = None


class OrderBackend(Protocol):
    """Where orders live. The default is this product's own database."""

    async def find(self, number: str) -> Order | None:
        """The order with this number, compared without case, spaces or hyphens; None if unknown."""
        ...

    async def of_customer(self, customer_id: int, limit: int = 5) -> Sequence[Order]:
        """A customer's orders, newest first."""
        ...

    async def cancel(self, number: str) -> Order:
        """Cancel; raises :class:`LinguadeskError` when the order's state does not allow it."""
        ...
