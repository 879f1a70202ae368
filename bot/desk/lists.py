"""The lists of conversations and tickets: filters, order and place stand in the address."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from typing import TypeVar
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from bot.contracts import Owner
from bot.desk.pages import Visit, whole
from bot.storage import clean, lists, now, reports, ticket_topics
from bot.storage.lists import NOBODY, ConversationFilter, Due, Place, Sort, TicketFilter
from bot.storage.models import Severity, TicketStatus, TicketType, User
from bot.storage.ticket_topics import Topics
from bot.words import Words

Chosen = TypeVar("Chosen", bound=enum.StrEnum)


class Whose(enum.StrEnum):
    """Who works on something, from where the user stands."""

    ME = "me"
    NOBODY = "none"


# Stands in addresses for "with no team", and for a product, carrier or country that is not known.
NO_TEAM = UNKNOWN = "-"
# As long as the longest of these.
MOST_LETTERS = 120
MERGED, NOT_MERGED = "yes", "no"
# So many are changed together.
MOST_AT_ONCE = 1000
CONVERSATION_SORTS = (Sort.LATEST, Sort.OLDEST)
TICKET_SORTS = (Sort.LATEST, Sort.OLDEST, Sort.DUE, Sort.SEVERITY)


def chosen(kind: type[Chosen], value: str) -> Chosen | None:
    """A filter's value; None for "all" and for what does not exist."""
    return kind(value) if value in {item.value for item in kind} else None


@dataclass(frozen=True, slots=True)
class Choice:
    """One filter: its name in addresses, its values with their words, the one that is chosen.

    A ``day`` is chosen from the calendar and has no options; what is ``aside`` is out of sight until wanted.
    """

    name: str
    label: str
    options: Sequence[tuple[str, str]] = ()
    value: str = ""
    aside: bool = False
    day: bool = False

    @property
    def chosen(self) -> bool:
        """Whether something is chosen that exists."""
        return bool(self.value) and (self.day or self.value in {value for value, _ in self.options})


@dataclass(frozen=True, slots=True)
class Asked:
    """What an address asks for. ``kept`` are the filters and the order as an address says them."""

    choices: Sequence[Choice]
    sort: Sort
    kept: Mapping[str, str]
    place: Place | None


@dataclass(frozen=True, slots=True)
class AskedTickets(Asked):
    """Which tickets."""

    wanted: TicketFilter


@dataclass(frozen=True, slots=True)
class AskedConversations(Asked):
    """Which conversations."""

    wanted: ConversationFilter


def _day_end(visit: Visit) -> datetime:
    zone = ZoneInfo(visit.desk.config.settings.shop.timezone)
    today = now().astimezone(zone).date()
    return datetime.combine(today + timedelta(days=1), time(0), zone)


def _labelled(visit: Visit, group: str, kind: type[enum.StrEnum]) -> list[tuple[str, str]]:
    return [(item.value, visit.words.label(group, item.value)) for item in kind]


def place_choices(visit: Visit, channels: Sequence[str], query: Mapping[str, str]) -> list[Choice]:
    """The filters by channel and language."""
    words = visit.words
    spoken = [(code, words.language_of(code)) for code in visit.desk.config.settings.languages]
    return [
        Choice("channel", "col.channel", [(name, words.channel(name)) for name in channels], query.get("channel", "")),
        Choice("language", "col.language", sorted(spoken, key=lambda item: item[1]), query.get("language", "")),
    ]


@dataclass(frozen=True, slots=True)
class Known:
    """What there is to choose from besides what the settings say: channels, who works here, topics of tickets."""

    channels: Sequence[str]
    people: Sequence[User]
    topics: Topics = field(default_factory=Topics)


async def known(session: AsyncSession, *, topics: bool = False) -> Known:
    """The channels and the people that there are, and what tickets are about."""
    found = await ticket_topics.topics(session) if topics else Topics()
    return Known(await reports.channels(session), await reports.colleagues(session), found)


def _people_choices(visit: Visit, people: Sequence[User], query: Mapping[str, str]) -> list[Choice]:
    teams = [(team.name, team.name) for team in visit.desk.config.settings.teams]
    agents = [*_labelled(visit, "whose", Whose), *((str(user.id), user.name) for user in people)]
    choices = [Choice("agent", "col.agent", agents, query.get("agent", ""))]
    if not teams:
        return choices
    return [Choice("team", "col.team", [(NO_TEAM, visit.words("team.none")), *teams], query.get("team", "")), *choices]


def _agent(visit: Visit, value: str) -> int | None:
    return {Whose.ME.value: visit.me.id, Whose.NOBODY.value: NOBODY}.get(value, whole(value))


def _kept(choices: Sequence[Choice], sort: Sort) -> dict[str, str]:
    """What was asked for and exists."""
    kept = {item.name: item.value for item in choices if item.chosen}
    return kept | ({"sort": sort.value} if sort is not Sort.LATEST else {})


def _sort(query: Mapping[str, str], sorts: Sequence[Sort]) -> Sort:
    asked = chosen(Sort, query.get("sort", ""))
    return asked if asked is not None and asked in sorts else Sort.LATEST


def country(words: Words, code: str) -> str:
    """A country's name by its code; what is no code is shown as it is."""
    return str(words.locale.territories.get(code.upper(), code))


def _ticket_places(visit: Visit, channels: Sequence[str], query: Mapping[str, str]) -> list[Choice]:
    """As with conversations; there may be tickets in a language that the shop does not speak any more."""
    channel, language = place_choices(visit, channels, query)
    return [channel, _offering(visit.words, language, query)]


def _topic_choices(visit: Visit, topics: Topics, query: Mapping[str, str]) -> list[Choice]:
    words = visit.words
    values = {
        "product": [(value, value) for value in topics.products],
        "carrier": [(value, value) for value in topics.carriers],
        "country": sorted(((code, country(words, code)) for code in topics.countries), key=lambda item: item[1]),
    }
    unknown = (UNKNOWN, words("voice.unknown"))
    return [
        _offering(words, Choice(name, f"voice.by.{name}", [unknown, *options], aside=True), query)
        for name, options in values.items()
    ]


def _offering(words: Words, choice: Choice, query: Mapping[str, str]) -> Choice:
    """A filter that takes any value an address names: of very many not all are offered."""
    asked = clean(query.get(choice.name, ""))[:MOST_LETTERS]
    if not asked or asked in {value for value, _ in choice.options}:
        return replace(choice, value=asked)
    shown = words("voice.unknown") if asked == UNKNOWN else asked
    return replace(choice, value=asked, options=[*choice.options, (asked, shown)])


def _day(text: str) -> date | None:
    """A day of an address, if the calendar has it and a database takes it."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if 1970 <= day.year < 9000 else None


def _opened_choices(visit: Visit, query: Mapping[str, str]) -> list[Choice]:
    """When tickets were opened, and whether they go on as another one."""
    days = {name: _day(query.get(name, "")) for name in ("since", "until")}
    merged = [(value, visit.words.label("merged", value)) for value in (NOT_MERGED, MERGED)]
    return [
        *(Choice(name, f"opened.{name}", (), day.isoformat() if day else "", True, True) for name, day in days.items()),
        Choice("merged", "col.merged", merged, query.get("merged", ""), aside=True),
    ]


def _midnight(visit: Visit, text: str, later: int = 0) -> datetime | None:
    """When a day begins, or the one ``later`` days after it, on the shop's clock; None for none."""
    day = _day(text)
    zone = ZoneInfo(visit.desk.config.settings.shop.timezone)
    return datetime.combine(day + timedelta(days=later), time(0), zone) if day is not None else None


def _unless_unknown(value: str | None) -> str | None:
    return "" if value == UNKNOWN else value


def tickets_asked(visit: Visit, known: Known, query: Mapping[str, str]) -> AskedTickets:
    """Read an address's query: what does not exist asks for nothing."""
    choices = [
        Choice("status", "col.status", _labelled(visit, "status", TicketStatus), query.get("status", "")),
        Choice("type", "col.type", _labelled(visit, "type", TicketType), query.get("type", "")),
        Choice("severity", "col.severity", _labelled(visit, "severity", Severity), query.get("severity", "")),
        Choice("due", "col.due", _labelled(visit, "due", Due), query.get("due", "")),
        *_people_choices(visit, known.people, query),
        *_ticket_places(visit, known.channels, query),
        *_topic_choices(visit, known.topics, query),
        *_opened_choices(visit, query),
    ]
    sort = _sort(query, TICKET_SORTS)
    kept = _kept(choices, sort)
    wanted = TicketFilter(
        status=chosen(TicketStatus, kept.get("status", "")),
        type=chosen(TicketType, kept.get("type", "")),
        severity=chosen(Severity, kept.get("severity", "")),
        language=_unless_unknown(kept.get("language")),
        channel=kept.get("channel", ""),
        team=_unless_unknown(kept.get("team")),
        agent_id=_agent(visit, kept.get("agent", "")),
        due=chosen(Due, kept.get("due", "")),
        today=_day_end(visit),
        product=_unless_unknown(kept.get("product")),
        carrier=_unless_unknown(kept.get("carrier")),
        country=_unless_unknown(kept.get("country")),
        since=_midnight(visit, kept.get("since", "")),
        until=_midnight(visit, kept.get("until", ""), 1),
        merged={MERGED: True, NOT_MERGED: False}.get(kept.get("merged", "")),
    )
    return AskedTickets(choices, sort, kept, Place.read(query.get("at", "")), wanted)


def conversations_asked(visit: Visit, known: Known, query: Mapping[str, str]) -> AskedConversations:
    """Read an address's query: what does not exist asks for nothing."""
    choices = [
        Choice("owner", "col.owner", _labelled(visit, "owner", Owner), query.get("owner", "")),
        *_people_choices(visit, known.people, query),
        *place_choices(visit, known.channels, query),
    ]
    sort = _sort(query, CONVERSATION_SORTS)
    kept = _kept(choices, sort)
    wanted = ConversationFilter(
        owner=chosen(Owner, kept.get("owner", "")),
        language=kept.get("language", ""),
        channel=kept.get("channel", ""),
        team=_unless_unknown(kept.get("team")),
        agent_id=_agent(visit, kept.get("agent", "")),
    )
    return AskedConversations(choices, sort, kept, Place.read(query.get("at", "")), wanted)


def sorts(visit: Visit, known: Sequence[Sort]) -> list[tuple[str, str]]:
    """The orders with their words."""
    return [(item.value, visit.words.label("sort", item.value)) for item in known]


async def conversations(visit: Visit) -> Response:
    """Conversations, filtered, the latest first unless asked for otherwise."""
    async with visit.desk.database.read() as session:
        asked = conversations_asked(visit, await known(session), visit.request.query_params)
        page = await lists.conversations(session, asked.wanted, asked.sort, asked.place)
    return visit.render(
        "conversations.html",
        page=page,
        asked=asked,
        sorts=sorts(visit, CONVERSATION_SORTS),
        teams=[team.name for team in visit.desk.config.settings.teams],
        limit=MOST_AT_ONCE,
    )


async def tickets(visit: Visit) -> Response:
    """Tickets, filtered, the latest first unless asked for otherwise."""
    async with visit.desk.database.read() as session:
        there = await known(session, topics=True)
        asked = tickets_asked(visit, there, visit.request.query_params)
        page = await lists.tickets(session, asked.wanted, asked.sort, asked.place)
    settings = visit.desk.config.settings
    return visit.render(
        "tickets.html",
        page=page,
        asked=asked,
        sorts=sorts(visit, TICKET_SORTS),
        statuses=list(TicketStatus),
        types=list(TicketType),
        severities=list(Severity),
        teams=[team.name for team in settings.teams],
        root_causes=settings.tickets.root_causes,
        resolutions=settings.tickets.resolutions,
        people=[(user.id, user.name) for user in there.people],
        limit=MOST_AT_ONCE,
    )
