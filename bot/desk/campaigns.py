"""Surveys that a manager sends by hand: chosen, looked at before they leave, confirmed, and what came of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import RedirectResponse, Response

from bot.config import SurveyDefinition
from bot.desk.pages import NOT_FOUND, PageError, Visit, whole
from bot.services import audience, surveys
from bot.services.audience import MAX_DAYS, Audience, Filter
from bot.storage import campaign_results
from bot.storage.models import Conversation, Customer, TicketType, User

MAX_FIELDS = 200
MAX_VALUE = 120
# The filters in an address, and what they are in a Filter.
MANY = {"channel": "channels", "language": "languages", "tier": "tiers", "country": "countries", "type": "types"}


@dataclass(frozen=True, slots=True)
class Asked:
    """What an address asks for. ``definition`` is None while none is chosen."""

    definition: SurveyDefinition | None
    wanted: Filter
    query: str


def asked(visit: Visit, pairs: Sequence[tuple[str, str]]) -> Asked:
    """Read an address's query: what is empty or no number asks for nothing."""
    settings = visit.desk.config.settings.surveys
    kept = [(name, value.strip()[:MAX_VALUE]) for name, value in pairs[:MAX_FIELDS] if value.strip()]
    given: dict[str, Any] = {
        into: tuple(dict.fromkeys(value for name, value in kept if name == field)) for field, into in MANY.items()
    }
    one = dict(kept)
    days = whole(one.get("days", ""))
    given["products"] = tuple(filter(None, (part.strip() for part in one.get("product", "").split(","))))
    given["contact_within_days"] = days if days is not None and 0 < days <= MAX_DAYS else None
    manual = {item.name: item for item in settings.of("manual")}
    known = [(name, value) for name, value in kept if name in {*MANY, "definition", "product", "days"}]
    return Asked(manual.get(one.get("definition", "")), Filter(**given), urlencode(known))


async def _samples(session: AsyncSession, found: Audience) -> list[tuple[int, str, str]]:
    """Some of those who would be asked: conversation, name, channel."""
    rows = await session.execute(
        select(Conversation.id, Conversation.name, Customer.name.label("customer"), Conversation.channel)
        .outerjoin(Customer, Customer.id == Conversation.customer_id)
        .where(Conversation.id.in_(found.samples))
        .order_by(Conversation.id)
    )
    return [(row.id, row.name or row.customer or "", row.channel) for row in rows]


async def _page(visit: Visit, what: Asked, code: int = 200, *, failure: str = "", typed: str = "") -> Response:
    """The form; with a survey chosen, whom it would reach."""
    settings = visit.desk.config.settings
    words = visit.words
    async with visit.desk.database.read() as session:
        tiers, countries = await campaign_results.known_values(session)
        found = None
        if what.definition is not None:
            found = await audience.preview(session, what.definition, what.wanted, settings.surveys)
        samples = await _samples(session, found) if found is not None else []
    options = [
        ("channel", words("col.channel"), [(name, words.channel(name)) for name in settings.connectors]),
        ("language", words("col.language"), [(code, words.language_of(code)) for code in settings.languages]),
        ("type", words("col.type"), [(item.value, words.label("type", item.value)) for item in TicketType]),
        ("tier", words("campaigns.tier"), [(name, name) for name in tiers]),
        ("country", words("campaigns.country"), [(name, name) for name in countries]),
    ]
    return visit.render(
        "campaign_new.html",
        code,
        definitions=settings.surveys.of("manual"),
        asked=what,
        chosen={field: getattr(what.wanted, into) for field, into in MANY.items()},
        options=[item for item in options if item[2]],
        found=found,
        samples=samples,
        cooldown=settings.surveys.cooldown_days,
        failure=failure,
        typed=typed,
    )


async def show(visit: Visit) -> Response:
    """All campaigns, the newest first."""
    async with visit.desk.database.read() as session:
        rows = await campaign_results.latest(session)
    return visit.render("campaigns.html", rows=rows, manual=visit.desk.config.settings.surveys.of("manual"))


async def new(visit: Visit) -> Response:
    """Choose a survey and its audience, and see whom it would reach; nothing is sent."""
    return await _page(visit, asked(visit, visit.request.query_params.multi_items()))


async def send(visit: Visit) -> Response:
    """Send it, if the number that was typed is the number of people who are asked at this moment."""
    fields = await visit.form()
    pairs = parse_qsl(fields.get("query", ""), max_num_fields=MAX_FIELDS)
    what, typed = asked(visit, pairs), fields.get("people", "").strip()
    definition, settings = what.definition, visit.desk.config.settings.surveys
    if definition is None:
        return await _page(visit, what, 409, failure="definition")
    campaign = None
    async with visit.desk.database.begin() as session:
        # Campaigns are sent one after the other, so that nobody is in two that are sent at the same moment.
        await session.execute(select(User.id).order_by(User.id).limit(1).with_for_update(key_share=True))
        found = await audience.preview(session, definition, what.wanted, settings)
        if found.count and whole(typed) == found.count:
            me = await session.get_one(User, visit.me.id)
            campaign = await surveys.send_campaign(session, definition, what.wanted, me, settings)
    if campaign is None:
        return await _page(visit, what, 409, failure="number" if found.count else "nobody", typed=typed)
    return RedirectResponse(f"/desk/campaigns/{campaign.id}", 303)


async def one(visit: Visit) -> Response:
    """What came of a campaign so far."""
    async with visit.desk.database.read() as session:
        view = await campaign_results.one(session, visit.id())
    if view is None:
        raise PageError(*NOT_FOUND)
    return visit.render("campaign.html", view=view)
