"""The merchant's shop: its orders are rows that it writes, as they come to be, whatever happens at the desk."""

from __future__ import annotations

import enum
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import insert, update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.simulation.cast import Person
from bot.storage.models import OrderLineRow, OrderRow

# (number, name, price)
PRODUCTS = (
    ("NL-1001", "Trail running shoes", "89.90"),
    ("NL-1002", "Canvas backpack 20 l", "59.00"),
    ("NL-1003", "Linen shirt", "45.00"),
    ("NL-1004", "Porcelain tea set", "72.50"),
    ("NL-1005", "Merino scarf", "34.90"),
    ("NL-1006", "Desk lamp", "49.00"),
    ("NL-1007", "Rain jacket", "119.00"),
    ("NL-1008", "Glass water bottle", "18.90"),
)
_ASKED_FOR = (14, 12, 12, 10, 13, 9, 12, 14)


class Story(enum.Enum):
    """What has become of an order when its buyer writes about it."""

    NEW = enum.auto()
    ON_ITS_WAY = enum.auto()
    LATE = enum.auto()
    LOST = enum.auto()
    ARRIVED = enum.auto()
    ARRIVED_LATE = enum.auto()
    SENT_BACK = enum.auto()


@dataclass(frozen=True, slots=True)
class Purchase:
    """Whose order is wanted, which story it has at which moment, and what is in it if that matters."""

    person: Person
    at: datetime
    story: Story
    product: int | None = None


@dataclass(slots=True)
class Order:
    """An order and what is going to become of it."""

    person: Person
    products: tuple[int, ...]
    placed_at: datetime
    shipped_at: datetime
    expected_at: datetime
    delivered_at: datetime | None = None
    returned_at: datetime | None = None
    number: str = ""
    id: int = 0
    steps: list[tuple[datetime, dict[str, Any]]] = field(default_factory=list, repr=False)

    @property
    def late(self) -> bool:
        """Whether it came later than was said, or has not come."""
        return self.delivered_at is None or self.delivered_at > self.expected_at + timedelta(days=1)


class Basket:
    """Makes orders."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(f"{seed}:orders")

    def order(self, wanted: Purchase) -> Order:
        """An order with this story."""
        chance = self._chance
        days, at = self._days, wanted.at
        count = chance.choices((1, 2, 3), (78, 16, 6))[0]
        first = chance.choices(range(8), _ASKED_FOR)[0] if wanted.product is None else wanted.product
        more = [] if wanted.product is not None else chance.choices(range(8), _ASKED_FOR, k=count - 1)
        products = (first, *more)
        story = wanted.story
        if story is Story.NEW:
            placed = at - days(0.5, 1.0)
            shipped = at + days(1, 2)
            return Order(wanted.person, products, placed, shipped, shipped + days(3, 5), shipped + days(2, 5))
        if story is Story.ON_ITS_WAY:
            shipped = at - days(1, 3)
            arrives = at + days(1, 4)
            return Order(wanted.person, products, shipped - days(0.8, 1.5), shipped, arrives + days(0, 1), arrives)
        if story in (Story.LATE, Story.LOST):
            expected = at - days(1, 5)
            shipped = expected - days(4, 5)
            later = at + days(2, 7)
            found = later if story is Story.LATE else None
            return Order(wanted.person, products, shipped - days(0.8, 1.5), shipped, expected, found)
        arrived = at - (days(11, 18) if story is Story.SENT_BACK else days(1, 6))
        slow = story is Story.ARRIVED_LATE
        shipped = arrived - (days(8, 12) if slow else days(2, 5))
        expected = arrived - days(4, 6) if slow else arrived + days(0, 2)
        back = at - days(3, 6) if story is Story.SENT_BACK else None
        return Order(wanted.person, products, shipped - days(0.8, 1.5), shipped, expected, arrived, back)

    def _days(self, least: float, most: float) -> timedelta:
        return timedelta(seconds=int(self._chance.uniform(least, most) * 86400))


class Shop:
    """Writes orders as they come to be.

    Args:
        orders: all of them, by when they were placed.
    """

    def __init__(self, orders: Sequence[Order]) -> None:
        self._steps: list[tuple[datetime, int, Order, dict[str, Any]]] = []
        for place, order in enumerate(orders):
            steps: list[tuple[datetime | None, dict[str, Any]]] = [
                (order.placed_at, {}),
                (order.placed_at + timedelta(hours=14), {"status": "processing"}),
                (order.shipped_at, _shipping(order)),
                (order.delivered_at, {"status": "delivered", "delivered_at": order.delivered_at}),
                (order.returned_at, {"status": "returned"}),
            ]
            self._steps += [(at, place, order, values) for at, values in steps if at is not None]
        self._steps.sort(key=lambda step: (step[0], step[1]))
        self._next = 0

    def due(self) -> datetime | None:
        """When the shop has something to write next."""
        return self._steps[self._next][0] if self._next < len(self._steps) else None

    async def write(self, session: AsyncSession, moment: datetime) -> None:
        """Write what has come to be by now. What the desk has cancelled stays cancelled."""
        while (at := self.due()) is not None and at <= moment:
            _, _, order, values = self._steps[self._next]
            self._next += 1
            if not values:
                await _place(session, order)
                continue
            changed = update(OrderRow).where(OrderRow.id == order.id, OrderRow.status != "cancelled").values(**values)
            await session.execute(changed.execution_options(synchronize_session=False))


def _shipping(order: Order) -> dict[str, Any]:
    return {
        "status": "shipped",
        "carrier": order.person.place.carrier,
        "tracking_number": tracking_number(int(order.number) % 10**8, order.person.place.country),
        "expected_on": order.expected_at.date(),
    }


async def _place(session: AsyncSession, order: Order) -> None:
    person = order.person
    quantities = {product: order.products.count(product) for product in dict.fromkeys(order.products)}
    total = sum((Decimal(PRODUCTS[product][2]) * count for product, count in quantities.items()), Decimal(0))
    placed = await session.execute(
        insert(OrderRow)
        .values(
            number=order.number,
            number_key=order.number,
            customer_id=person.id,
            status="paid",
            placed_at=order.placed_at,
            currency="EUR",
            total=total,
            country=person.place.country,
            email=person.email,
            phone=person.phone,
        )
        .returning(OrderRow.id)
    )
    order.id = placed.scalar_one()
    lines = [
        {
            "order_id": order.id,
            "position": position,
            "sku": PRODUCTS[product][0],
            "description": PRODUCTS[product][1],
            "quantity": count,
            "unit_price": Decimal(PRODUCTS[product][2]),
        }
        for position, (product, count) in enumerate(quantities.items(), 1)
    ]
    await session.execute(insert(OrderLineRow), lines)


def tracking_number(serial: int, country: str = "NL") -> str:
    """A postal tracking number with its check digit (UPU standard S10)."""
    digits = f"{serial:08d}"
    total = sum(int(digit) * weight for digit, weight in zip(digits, (8, 6, 4, 2, 3, 5, 9, 7), strict=True))
    check = 11 - total % 11
    return f"RR{digits}{ ({10: 0, 11: 5}.get(check, check)) }{country}"
