"""The page of the full-text search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from starlette.responses import Response

from bot.desk.lists import Choice, place_choices
from bot.desk.pages import Visit, whole
from bot.storage import reports, search
from bot.storage.folding import MAX_QUERY, Query, parse_query
from bot.storage.indexing import Kind
from bot.storage.search import Narrowed

# So many of each kind on the page of all kinds, and on the page of one.
FEW, MANY = 5, 25
# The order of the page: people and their things first, of which there are few.
KINDS = (Kind.CUSTOMER, Kind.CONVERSATION, Kind.ORDER, Kind.TICKET, Kind.NOTE, Kind.MESSAGE)


@dataclass(frozen=True, slots=True)
class AskedFor:
    """What an address asks the search for; ``kept`` is it without the kind, as addresses say it."""

    text: str
    query: Query
    kinds: Sequence[Kind]
    narrowed: Narrowed
    choices: Sequence[Choice]
    kept: Mapping[str, str]
    since: str = ""
    until: str = ""


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _moment(visit: Visit, day: date | None, later: int = 0) -> datetime | None:
    """When a day begins on the shop's clock; None for none, and for one beyond the calendar."""
    if day is None or not 1970 <= day.year < 9000:
        return None
    zone = ZoneInfo(visit.desk.config.settings.shop.timezone)
    return datetime.combine(day + timedelta(days=later), time(0), zone)


def asked_for(visit: Visit, channels: Sequence[str]) -> AskedFor:
    """Read an address's query: what does not exist asks for nothing."""
    query = visit.request.query_params
    text = " ".join(query.get("q", "")[:MAX_QUERY].split())
    kinds = {kind.name.lower(): kind for kind in KINDS}
    labels = [(name, visit.words.label("search.kind", name)) for name in kinds]
    kind = kinds.get(query.get("kind", ""))
    places = place_choices(visit, channels, query)
    choices = [Choice("kind", "col.kind", labels, kind.name.lower() if kind else ""), *places]
    kept = {item.name: item.value for item in places if item.value in {value for value, _ in item.options}}
    days = {name: _day(query.get(name, "")) for name in ("since", "until")}
    kept |= {name: day.isoformat() for name, day in days.items() if day is not None}
    narrowed = Narrowed(
        channel=kept.get("channel", ""),
        language=kept.get("language", ""),
        since=_moment(visit, days["since"]),
        until=_moment(visit, days["until"], 1),
    )
    return AskedFor(
        text=text,
        query=parse_query(text),
        kinds=(kind,) if kind else KINDS,
        narrowed=narrowed,
        choices=choices,
        kept={"q": text} | kept,
        since=kept.get("since", ""),
        until=kept.get("until", ""),
    )


async def show(visit: Visit) -> Response:
    """What is found, by kind, the latest first; of one kind a page at a time."""
    before = whole(visit.request.query_params.get("before", ""))
    found = []
    async with visit.desk.database.read() as session:
        asked = asked_for(visit, await reports.channels(session))
        only = len(asked.kinds) == 1
        if asked.query:
            for kind in asked.kinds:
                size, place = (MANY, before) if only else (FEW, None)
                found.append(await search.find(session, asked.query, kind, asked.narrowed, size, place))
    if only:
        asked = replace(asked, kept=dict(asked.kept) | {"kind": asked.kinds[0].name.lower()})
    return visit.render(
        "search.html",
        asked_for=asked.text,
        choices=asked.choices,
        kept=asked.kept,
        since=asked.since,
        until=asked.until,
        found=found,
        any=any(part.hits for part in found),
        only=only,
        later=before is not None,
    )
