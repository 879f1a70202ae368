"""Whom a survey that is sent by hand would reach: chosen by filters, minus those who are not to be asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, exists, or_
from sqlalchemy.ext.asyncio import AsyncSession

from bot.config import SurveyDefinition, SurveySettings
from bot.services import survey_rules
from bot.services.survey_rules import Facts
from bot.storage import now
from bot.storage.models import Conversation, Customer, OrderLineRow, OrderRow, Ticket, TicketType

SAMPLES = 20
MAX_DAYS = 36_500


@dataclass(frozen=True, slots=True)
class Filter:
    """Whom to choose; what is empty chooses all.

    ``countries`` are as customers or their orders have them. ``types`` are of tickets that they had;
    ``products`` are parts of names or numbers of articles that they bought. ``contact_within_days``: their
    conversation was used since.
    """

    channels: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    tiers: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    products: tuple[str, ...] = ()
    contact_within_days: int | None = None

    def to_json(self) -> dict[str, Any]:
        """The filter as JSON-ready data; :meth:`from_json` reverses it."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Filter:
        """Read what :meth:`to_json` wrote; unknown names are left out."""
        known = {item.name for item in fields(cls)}
        given: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in data.items()
        }
        return cls(**{name: value for name, value in given.items() if name in known})


@dataclass(frozen=True, slots=True)
class Audience:
    """How many are asked, how many are not by reason, and some of the conversations."""

    count: int
    excluded: dict[str, int]
    samples: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Choice:
    """The people who are asked, and how many are not by reason."""

    chosen: list[Facts]
    excluded: dict[str, int]


async def preview(
    session: AsyncSession, definition: SurveyDefinition, wanted: Filter, settings: SurveySettings
) -> Audience:
    """How many people a survey would reach now, and who would be left out and why."""
    found = await choose(session, definition, wanted, settings)
    some = tuple(known.conversation_id for known in found.chosen[:SAMPLES])
    return Audience(len(found.chosen), found.excluded, some)


async def choose(
    session: AsyncSession, definition: SurveyDefinition, wanted: Filter, settings: SurveySettings
) -> Choice:
    """Everybody whom the filter names, once each, in the conversation that they used last."""
    rows = await session.execute(survey_rules.facts_query().where(*_conditions(wanted, definition)))
    people: dict[str, Facts] = {}
    for known in map(survey_rules.facts_of, rows):
        other = people.get(known.person)
        if other is None or (other.unreachable, known.used_at) > (known.unreachable, other.used_at):
            people[known.person] = known
    chosen, excluded, moment = [], Counter[str](), now()
    for known in sorted(people.values(), key=lambda item: item.conversation_id):
        reason = survey_rules.refusal(known, definition, settings, moment, trigger="manual")
        if not reason and known.planned:
            reason = survey_rules.COOLDOWN
        if reason:
            excluded[reason] += 1
        else:
            chosen.append(known)
    return Choice(chosen, dict(sorted(excluded.items())))


def _conditions(wanted: Filter, definition: SurveyDefinition) -> list[ColumnElement[bool]]:
    chat, found = Conversation, list[ColumnElement[bool]]()
    if wanted.channels:
        found.append(chat.channel.in_(wanted.channels))
    if wanted.languages:
        found.append(chat.language.in_(wanted.languages))
    if wanted.tiers:
        found.append(Customer.tier.in_(wanted.tiers))
    orders = OrderRow.customer_id == chat.customer_id
    if wanted.countries:
        found.append(
            or_(Customer.country.in_(wanted.countries), exists().where(orders, OrderRow.country.in_(wanted.countries)))
        )
    theirs = or_(Ticket.conversation_id == chat.id, Ticket.customer_id == chat.customer_id)
    for names in filter(None, (wanted.types, definition.audience.types)):
        known = [TicketType(name) for name in names if name in set(TicketType)]
        found.append(exists().where(theirs, Ticket.type.in_(known)))
    if wanted.products:
        bought = [
            or_(OrderLineRow.description.icontains(name, autoescape=True), OrderLineRow.sku == name)
            for name in wanted.products
        ]
        found.append(exists().where(orders, OrderLineRow.order_id == OrderRow.id, or_(*bought)))
    if wanted.contact_within_days is not None:
        days = min(max(wanted.contact_within_days, 0), MAX_DAYS)
        found.append(chat.updated_at >= now() - timedelta(days=days))
    return found
