"""What a dashboard's address asks for, and what of it its reader may see."""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any, Literal
from urllib.parse import urlencode

from sqlalchemy.ext.asyncio import AsyncSession

from bot.config import Settings, Team
from bot.desk.pages import Visit
from bot.services import teams
from bot.storage import figures, now, reports
from bot.storage.figures import BUCKETS, DIMENSIONS, Bucket, Dimension, Filters
from bot.storage.models import Role, TicketType, User
from bot.words import Words

COMPARISONS = ("previous", "year", "none")
# Up to so many days a trend is told by day, and by week.
BY_DAY, BY_WEEK = 31, 183
# No team has this name, which is longer than the settings allow: it stands for none of them.
NO_TEAM = "-" * 65
# The dimensions whose values only the data knows.
OPEN_DIMENSIONS: tuple[Dimension, ...] = ("product", "country", "tier")
MOST_OPTIONS = 40
OPTION_DAYS = timedelta(days=31)
REGIONS = ("Africa/", "America/", "Antarctica/", "Asia/", "Atlantic/", "Australia/", "Europe/", "Indian/", "Pacific/")


@lru_cache(maxsize=1)
def zones() -> tuple[str, ...]:
    """The time zones that one can choose, by name."""
    return ("UTC", *sorted(name for name in zoneinfo.available_timezones() if name.startswith(REGIONS)))


def own_teams(settings: Settings, user: User) -> tuple[Team, ...] | None:
    """The teams whose figures a manager sees: those that they are in or lead. None: everything.

    Admins see everything, and so do managers who are in no team.
    """
    found = teams.of_user(settings, user.username)
    return None if user.role is Role.ADMIN or not found else found


def limited(filters: Filters, own: tuple[Team, ...] | None) -> Filters:
    """The filters, narrowed to what the reader may see: every figure of the dashboard is asked for with these."""
    if own is None:
        return filters
    names = tuple(team.name for team in own)
    chosen = tuple(name for name in filters.teams if name in names)
    if filters.teams and not chosen:
        return filters.with_(teams=(NO_TEAM,))
    return filters.with_(teams=chosen or names)


@dataclass(frozen=True, slots=True)
class View:
    """One look at the dashboard.

    ``filters`` are what figures are asked for; ``chosen`` is what the address says, for links and forms.
    ``before`` is the period that is compared with, limited as ``filters`` are. ``words`` speak the reader's
    language in the chosen time zone.
    """

    visit: Visit
    words: Words
    chosen: Filters
    filters: Filters
    before: Filters | None
    period: str
    compare: str
    bucket: Bucket
    # The one that the address names, "" for the usual one.
    named_bucket: Bucket | Literal[""]
    # By what the work's figures are broken down, "" for nothing.
    by: Dimension | Literal[""]
    own: tuple[Team, ...] | None
    problems: tuple[str, ...]

    @property
    def everything(self) -> bool:
        """Whether the reader may see what belongs to no team in particular."""
        return self.own is None

    @property
    def min_cell(self) -> int:
        """Groups of fewer answers are not told."""
        return self.visit.desk.config.settings.surveys.min_cell

    def params(self, filters: Filters | None = None, **changes: str) -> list[tuple[str, str]]:
        """The parameters of a link to the same with other filters, ``bucket``, ``by`` or ``compare``."""
        moved = filters is not None and (filters.since, filters.until) != (self.chosen.since, self.chosen.until)
        found = figures.params_of(filters or self.chosen, "" if moved else self.period)
        kept = {"compare": self.compare, "bucket": self.named_bucket, "by": self.by} | changes
        return found + [(name, value) for name, value in kept.items() if value and value != DEFAULTS.get(name)]

    def link(self, page: str, filters: Filters | None = None, **changes: str) -> str:
        """The address of a page of the dashboard, ``""`` for the first."""
        return f"/desk/dashboard{'/' + page if page else ''}?{urlencode(self.params(filters, **changes))}"

    def behind(self, figure: str, cell: str = "", filters: Filters | None = None) -> str:
        """The address of what is behind a figure or a part of it."""
        params = self.params(filters) + ([("cell", cell)] if cell else [])
        return f"/desk/dashboard/behind/{figure}?{urlencode(params)}"

    def behind_value(self, figure: str, by: Dimension, value: str | int, cell: str = "") -> str:
        """The address of what is behind a figure of one value of a dimension."""
        return self.behind(figure, cell, self.chosen.narrowed_to(by, value))

    def behind_time(self, figure: str, since: datetime, until: datetime, cell: str = "") -> str:
        """The address of what is behind a figure in a part of the period."""
        return self.behind(figure, cell, self.chosen.with_(since=since, until=until))


DEFAULTS: Mapping[str, str] = {"compare": "previous"}


def _year_before(filters: Filters) -> Filters:
    """The same days of the year before; 29 February counts as the 28th."""

    def earlier(day: date) -> date:
        return day.replace(year=day.year - 1, day=28 if (day.month, day.day) == (2, 29) else day.day)

    first, last = map(earlier, filters.days())
    same = figures.days_between(first, last, filters.zone)
    return filters.with_(since=same.since, until=same.until)


def _before(filters: Filters, compare: str) -> Filters | None:
    if compare == "none":
        return None
    return filters.previous() if compare == "previous" else _year_before(filters)


def usual_bucket(filters: Filters) -> Bucket:
    """What a trend of this length is told by, unless asked for otherwise."""
    days = (filters.until - filters.since) / timedelta(days=1)
    return "day" if days <= BY_DAY + 1 else "week" if days <= BY_WEEK + 1 else "month"


def _one(known: Iterable[Any], asked: str, otherwise: Any) -> Any:
    return asked if asked in known else otherwise


def view_of(visit: Visit) -> View:
    """Read the address of a page."""
    query = visit.request.query_params
    params = [(name, value) for name, value in query.multi_items() if value or name in DIMENSIONS]
    if query.get("period"):
        # A named period goes before days that a form without a script still has in it.
        params = [(name, value) for name, value in params if name not in ("from", "to")]
    settings = visit.desk.config.settings
    asked = figures.filters_of(params, settings.shop.timezone, now())
    own = own_teams(settings, visit.me)
    filters = limited(asked.filters, own)
    problems = list(asked.problems)
    if own is not None and set(asked.filters.teams) - {team.name for team in own}:
        problems.append("figures.teams")
    compare = _one(COMPARISONS, query.get("compare", ""), "previous")
    bucket = _one(BUCKETS, query.get("bucket", ""), "")
    return View(
        visit=visit,
        words=Words(visit.words.language, asked.filters.zone),
        chosen=asked.filters,
        filters=filters,
        before=_before(filters, compare),
        period=asked.period,
        compare=compare,
        bucket=bucket or usual_bucket(filters),
        named_bucket=bucket,
        by=_one(DIMENSIONS, query.get("by", ""), ""),
        own=own,
        problems=tuple(problems),
    )


@dataclass(frozen=True, slots=True)
class Choice:
    """One dimension in the form of filters: its values with their words, those that are chosen."""

    by: Dimension
    options: tuple[tuple[str, str], ...]
    values: frozenset[str]

    @property
    def names(self) -> list[str]:
        """The words of what is chosen."""
        return [words for value, words in self.options if value in self.values]


def value_words(words: Words, by: Dimension, value: str | int, name: str = "") -> str:
    """How a value of a dimension is read; ``name`` is the agent's."""
    if not value:
        return words("dash.nobody") if by == "agent" else words("dash.without")
    if by == "agent":
        return name or f"#{value}"
    text = str(value)
    if by == "channel":
        return words.channel(text)
    if by == "language":
        return words.language_of(text)
    return words.label("type", text) if by == "type" else text


async def choices(session: AsyncSession, view: View, kind: figures.Kind) -> list[Choice]:
    """The form's dimensions. What only the data knows (products, countries, tiers) is what a kind's surveys have."""
    settings, words = view.visit.desk.config.settings, view.words
    people = await reports.colleagues(session)
    if view.own is not None:
        members = {name for team in view.own for name in (*team.members, team.lead)}
        people = [user for user in people if user.username.casefold() in members]
    teams_seen = settings.teams if view.own is None else view.own
    values: dict[Dimension, list[str]] = {
        "channel": list(await reports.channels(session)),
        "language": list(settings.languages),
        "agent": [str(user.id) for user in people],
        "team": [team.name for team in teams_seen],
        "type": [item.value for item in TicketType],
    }
    # The last weeks know nearly all values, and are read in no time.
    recent = max(view.filters.since, view.filters.until - OPTION_DAYS)
    everything = limited(Filters(recent, view.filters.until, view.filters.zone), view.own)
    for by, cells in (await figures.breakdowns(session, kind, everything, OPEN_DIMENSIONS)).items():
        values[by] = [str(cell.value) for cell in cells if cell.value][:MOST_OPTIONS]
    names = {user.id: user.name for user in people}
    found = []
    for by in DIMENSIONS:
        picked = [str(value) for value in view.chosen.of(by)]
        seen = dict.fromkeys([*values[by], *(value for value in picked if by != "team" or value in values[by])])
        options = [(v, value_words(words, by, _typed(by, v), names.get(_number(v), ""))) for v in seen]
        found.append(Choice(by, tuple(sorted(options, key=lambda item: item[1].casefold())), frozenset(picked)))
    return found


def _number(value: str) -> int:
    return int(value) if value.isascii() and value.isdigit() else -1


def _typed(by: Dimension, value: str) -> str | int:
    return _number(value) if by == "agent" else value
