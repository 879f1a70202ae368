"""Orders in this product's own database: look-up, history, cancelling."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.config import OrderSettings
from bot.contracts import LinguadeskError, Order, OrderLine
from bot.storage import now
from bot.storage.models import OrderLineRow, OrderRow


class NotCancellable(LinguadeskError):
    """The order's status does not allow it to be cancelled."""


def number_key(number: str) -> str:
    """An order number without case, spaces and hyphens: how numbers are compared."""
    return re.sub(r"[\s-]", "", number).upper()[:40]


def _order(row: OrderRow, lines: Sequence[OrderLineRow]) -> Order:
    return Order(
        number=row.number,
        status=row.status,
        placed_at=row.placed_at,
        currency=row.currency,
        total=row.total,
        customer_id=row.customer_id,
        lines=tuple(OrderLine(line.sku, line.description, line.quantity, line.unit_price) for line in lines),
        country=row.country,
        email=row.email,
        phone=row.phone,
        carrier=row.carrier,
        tracking_number=row.tracking_number,
        expected_on=row.expected_on,
        delivered_at=row.delivered_at,
        cancelled_at=row.cancelled_at,
    )


class DatabaseOrders:
    """The default :class:`bot.contracts.OrderBackend`, within one transaction."""

    def __init__(self, session: AsyncSession, settings: OrderSettings) -> None:
        self._session = session
        self._settings = settings

    async def find(self, number: str) -> Order | None:
        """The order with this number, or None."""
        row = await self._session.scalar(select(OrderRow).where(OrderRow.number_key == number_key(number)))
        if row is None:
            return None
        lines = await self._session.scalars(
            select(OrderLineRow).where(OrderLineRow.order_id == row.id).order_by(OrderLineRow.position)
        )
        return _order(row, lines.all())

    async def of_customer(self, customer_id: int, limit: int = 5) -> Sequence[Order]:
        """A customer's orders without their lines, newest first."""
        rows = await self._session.scalars(
            select(OrderRow)
            .where(OrderRow.customer_id == customer_id)
            .order_by(OrderRow.placed_at.desc(), OrderRow.id.desc())
            .limit(limit)
        )
        return [_order(row, ()) for row in rows]

    def cancellable(self, order: Order) -> bool:
        """Whether the merchant's rules allow this order to be cancelled now."""
        return order.status in self._settings.cancellable

    async def cancel(self, number: str) -> Order:
        """Cancel an order; the row is locked, so two requests cannot both do it.

        Raises:
            NotCancellable: unknown, or its status does not allow it.
        """
        row = await self._session.scalar(
            select(OrderRow).where(OrderRow.number_key == number_key(number)).with_for_update()
        )
        if row is None or row.status not in self._settings.cancellable:
            raise NotCancellable(f"order {number} cannot be cancelled")
        row.status, row.cancelled_at = "cancelled", now()
        await self._session.flush()
        return _order(row, ())
