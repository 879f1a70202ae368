"""When customers write, and about what: the year's plan, made before anything happens.

The same seed, day and size give the same plan. Three things are wrong for a while, for a manager to find; see
:class:`Incidents` and docs/demo.md.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from bot.simulation.cast import Person
from bot.simulation.shop import Basket, Order, Purchase, Story

TEA_SET = 3
SLOW_CARRIER, BAD_COUNTRY, PROMOTED = "DHL", "GB", "pt"
# What customers write about, and how often.
MATTERS: Mapping[str, int] = {
    "track_order": 30,
    "ask_shipping": 9,
    "ask_return_policy": 7,
    "ask_payment": 6,
    "product_question": 7,
    "request_return": 4,
    "request_exchange": 2,
    "request_refund": 3,
    "refund_status": 9,
    "cancel_order": 5,
    "change_address": 2,
    "payment_problem": 3,
    "complaint_damaged": 4,
    "complaint_wrong_item": 3,
    "complaint_missing": 3,
    "complaint_not_delivered": 3,
    "complaint_late": 4,
    "complaint_quality": 4,
    "complaint_service": 2,
    "complaint_billing": 2,
    "ask_human": 4,
    "give_feedback": 2,
    "off_topic": 2,
}
# What waits at the end.
FRESH = (
    "ask_human",
    "complaint_damaged",
    "ask_human",
    "request_refund",
    "complaint_late",
    "ask_human",
    "request_return",
)
_WEEKDAYS = (1.2, 1.1, 1.0, 1.0, 0.95, 0.75, 0.65)
# By the hour of the customer's own clock.
_HOURS = (2, 1, 1, 1, 1, 2, 4, 8, 14, 18, 20, 18, 15, 14, 15, 15, 14, 14, 16, 20, 22, 18, 11, 5)
# How an order stands when its buyer writes about it.
_STORIES: Mapping[str, Story] = {
    "track_order": Story.ON_ITS_WAY,
    "refund_status": Story.SENT_BACK,
    "cancel_order": Story.NEW,
    "change_address": Story.NEW,
    "complaint_late": Story.LATE,
    "complaint_not_delivered": Story.LOST,
    **dict.fromkeys(
        (
            *("request_return", "request_exchange", "request_refund", "complaint_damaged"),
            *("complaint_wrong_item", "complaint_missing", "complaint_quality"),
        ),
        Story.ARRIVED,
    ),
}


@dataclass(frozen=True, slots=True)
class Window:
    """Some days, the last one included."""

    first: date
    last: date

    def at(self, share: float) -> date:
        """The day after this share of it."""
        return self.first + timedelta(days=int(share * ((self.last - self.first).days + 1)))

    def __contains__(self, day: date) -> bool:
        return self.first <= day <= self.last


@dataclass(frozen=True, slots=True)
class Incidents:
    """What goes wrong, and when: a carrier that is late, a bad batch of tea sets in one country, and a promotion
    that the bot knows nothing of."""

    carrier: Window
    promotion: Window
    batch: Window

    @classmethod
    def before(cls, today: date, days: int) -> Incidents:
        """Those of the ``days`` before today: three weeks, a month and five weeks of a year, less of less."""
        share = days / 365

        def window(before: int, length: int) -> Window:
            first = today - timedelta(days=int(before * share))
            return Window(first, first + timedelta(days=max(int(length * share), 5) - 1))

        return cls(window(165, 21), window(120, 30), window(75, 35))


@dataclass(frozen=True, slots=True)
class Visit:
    """Somebody begins to write about something, ``key`` of the phrases; ``of`` is the incident behind it."""

    at: datetime
    person: Person
    key: str
    order: Order | None
    product: int
    of: str = ""


def busy(day: date) -> float:
    """How much more is written than on other days: weekdays, Christmas, summer."""
    weight = _WEEKDAYS[day.weekday()]
    begins = date(day.year, 11, 24)
    if begins <= day <= date(day.year, 12, 23):
        return weight * (1.3 + 0.9 * (day - begins).days / 30)
    if (day.month, day.day) >= (12, 27) or (day.month, day.day) <= (1, 8):
        return weight * 1.6
    if (7, 10) <= (day.month, day.day) <= (8, 25):
        return weight * 0.7
    return weight


class Planner:
    """Makes the plan.

    Args:
        people: the customers.
        today: the day on which the simulated time ends.
        days: how long it is.
        seed: of all chances.
    """

    def __init__(self, people: Sequence[Person], today: date, days: int, seed: int) -> None:
        self._people = people
        self._begin = today - timedelta(days=days)
        self._days = days
        self._chance = random.Random(f"{seed}:plan:{days}")
        self._baskets = Basket(seed)
        self.incidents = Incidents.before(today, days)
        self.orders: list[Order] = []
        self.visits: list[Visit] = []

    def make(self, count: int, end: datetime) -> None:
        """Plan ``count`` visits, those of the incidents included, and the orders they are about, in their order.

        A few more come shortly before the ``end``, so that something waits there.
        """
        share = count / 1200
        extra = round(42 * share), round(62 * share), round(30 * share)
        self._carrier(max(extra[0], 4))
        self._promotion(max(extra[1], 5))
        self._batch(max(extra[2], 4))
        days = [self._begin + timedelta(days=number) for number in range(self._days + 1)]
        weights = [busy(day) * (0.85 + 0.3 * number / self._days) for number, day in enumerate(days)]
        for day in self._chance.choices(days, weights, k=max(count - sum(extra), 1)):
            (key,) = self._chance.choices(list(MATTERS), list(MATTERS.values()))
            self._visit(day, self._chance.choice(self._people), key)
        for day in self._chance.choices(days, weights, k=int(count * 0.35)):
            # Most orders arrive and nobody writes.
            self._order(self._moment(day, self._chance.choice(self._people)), Story.ARRIVED)
        self._fresh(end)
        self.visits.sort(key=lambda visit: (visit.at, visit.person.number))
        self.orders.sort(key=lambda order: (order.placed_at, order.person.number))
        for number, order in enumerate(self.orders, 200_001):
            order.number = str(number)

    def _fresh(self, end: datetime) -> None:
        """What has come in the last hour and a half."""
        for key in FRESH:
            at = end - timedelta(minutes=self._chance.uniform(4, 90))
            person, story = self._chance.choice(self._people), _STORIES.get(key)
            order = self._order((at, person), story) if story is not None else None
            self.visits.append(Visit(at, person, key, order, order.products[0] if order is not None else 0))

    def _of(self, *, language: str = "", country: str = "", carrier: str = "") -> list[Person]:
        return [
            person
            for person in self._people
            if (not language or person.language == language)
            and (not country or person.place.country == country)
            and (not carrier or person.place.carrier == carrier)
        ]

    def _moment(self, day: date, person: Person) -> tuple[datetime, Person]:
        (hour,) = self._chance.choices(range(24), _HOURS)
        minute, second = self._chance.randrange(60), self._chance.randrange(60)
        zone = ZoneInfo(person.place.zone)
        return datetime.combine(day, time(hour, minute, second), zone).astimezone(UTC), person

    def _order(self, when: tuple[datetime, Person], story: Story, product: int | None = None) -> Order:
        at, person = when
        late = story is Story.ARRIVED and person.place.carrier == SLOW_CARRIER and at.date() in self.incidents.carrier
        order = self._baskets.order(Purchase(person, at, Story.ARRIVED_LATE if late else story, product))
        self.orders.append(order)
        return order

    def _visit(self, day: date, person: Person, key: str, product: int | None = None, of: str = "") -> None:
        when, story = self._moment(day, person), _STORIES.get(key)
        order = self._order(when, story, product) if story is not None else None
        shown = order.products[0] if order is not None else self._chance.randrange(8) if product is None else product
        self.visits.append(Visit(when[0], person, key, order, shown, of))

    def _carrier(self, count: int) -> None:
        for place, person in enumerate(self._some(self._of(carrier=SLOW_CARRIER), count)):
            day = self.incidents.carrier.at((place + 0.5) / count)
            key = self._chance.choices(("complaint_late", "complaint_not_delivered", "track_order"), (6, 3, 2))[0]
            self._visit(day + timedelta(days=self._chance.randrange(3)), person, key, of="carrier")

    def _promotion(self, count: int) -> None:
        for place, person in enumerate(self._some(self._of(language=PROMOTED), count)):
            self._visit(self.incidents.promotion.at((place + 0.5) / count), person, "promotion", of="promotion")

    def _batch(self, count: int) -> None:
        for place, person in enumerate(self._some(self._of(country=BAD_COUNTRY), count)):
            key = self._chance.choices(("complaint_quality", "complaint_damaged"), (3, 2))[0]
            self._visit(self.incidents.batch.at((place + 0.5) / count), person, key, TEA_SET, of="batch")

    def _some(self, people: Sequence[Person], count: int) -> list[Person]:
        """So many of them, each as seldom as possible; none where there are none."""
        found: list[Person] = []
        while people and len(found) < count:
            found += self._chance.sample(people, min(len(people), count - len(found)))
        return found
