"""What customers complain about, over time, and what rises beyond the usual; for managers."""

from __future__ import annotations

import csv
import enum
import io
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TypeVar
from urllib.parse import urlencode

from starlette.responses import Response

from bot.desk.export import TYPES, harmless
from bot.desk.lists import NOT_MERGED, UNKNOWN, country
from bot.desk.pages import Visit
from bot.services import topics
from bot.services.topics import MIN_CELL, SEPARATOR, Dimension, Period, Row, Voice
from bot.storage import now
from bot.storage.models import TopicFlag
from bot.words import Words

Chosen = TypeVar("Chosen", bound=enum.StrEnum)
# The size of a row's picture.
WIDTH, HEIGHT = 120, 24


@dataclass(frozen=True, slots=True)
class Line:
    """A row of the table in words; ``points`` are those of its picture, ``link`` leads to its tickets."""

    row: Row
    topic: str
    share: float
    points: str
    link: str


@dataclass(frozen=True, slots=True)
class _Asked:
    by: Dimension
    period: Period
    found: Voice


def _chosen(kind: type[Chosen], value: str | None, default: Chosen) -> Chosen:
    return kind(value) if value in {item.value for item in kind} else default


async def _asked(visit: Visit) -> _Asked:
    """What the address asks for; what does not exist asks for the usual view."""
    query = visit.request.query_params
    by = _chosen(Dimension, query.get("by"), Dimension.TYPE)
    period = _chosen(Period, query.get("period"), Period.DAYS_30)
    async with visit.desk.database.read() as session:
        found = await topics.voice(session, by, period, _today(visit), visit.words.zone)
    return _Asked(by, period, found)


def _today(visit: Visit) -> date:
    return now().astimezone(visit.words.zone).date()


def _value(words: Words, by: Dimension, value: str) -> str:
    """A topic's single value in the reader's words."""
    if not value:
        return words("voice.unknown")
    if by is Dimension.TYPE:
        return words.label("type", value)
    if by is Dimension.LANGUAGE:
        return words.language_of(value)
    if by is Dimension.COUNTRY:
        return country(words, value)
    return value


def _topic(words: Words, by: Dimension, row: Row) -> str:
    if not row.of:
        return words("voice.others") if row.value is None else _value(words, by, row.value)
    product = words("voice.others") if row.value is None else _value(words, Dimension.PRODUCT, row.value)
    return f"{words.label('type', row.of)}{SEPARATOR}{product}"


def _points(series: tuple[int, ...]) -> str:
    """The points of a picture's line, from left to right."""
    if len(series) < 2:
        return ""
    most = max(series) or 1
    step = WIDTH / (len(series) - 1)
    return " ".join(f"{place * step:.1f},{HEIGHT - 2 - (HEIGHT - 4) * n / most:.1f}" for place, n in enumerate(series))


def _link(asked: _Asked, row: Row) -> str:
    """The list of a topic's tickets, exactly those that were counted; nothing for several topics together."""
    if row.value is None:
        return ""
    parts = ("type", "product") if row.of else (asked.by.value,)
    values = (row.of, row.value) if row.of else (row.value,)
    wanted = {name: value or UNKNOWN for name, value in zip(parts, values, strict=True)}
    span = asked.found.span
    days = {"since": span.starts[0].isoformat(), "until": (span.end - timedelta(days=1)).isoformat()}
    return f"/desk/tickets?{urlencode(wanted | days | {'merged': NOT_MERGED})}"


def _heads(visit: Visit, found: Voice) -> list[str]:
    """The first days of the period's parts."""
    return [visit.words.day(_moment(visit, day)) for day in found.span.starts]


def _moment(visit: Visit, day: date) -> datetime:
    return topics.midnight(day, visit.words.zone)


def risen(words: Words, flag: TopicFlag) -> tuple[str, str]:
    """What has risen: what it was told apart by, and the topic, in words."""
    by = Dimension(flag.dimension)
    kind, _, product = flag.value.partition(SEPARATOR)
    row = Row(product, 0, 0, of=kind) if by is Dimension.TYPE_PRODUCT else Row(flag.value, 0, 0)
    return words(f"voice.by.{by.value}"), _topic(words, by, row)


async def show(visit: Visit) -> Response:
    """The page."""
    asked = await _asked(visit)
    found, settings = asked.found, visit.desk.config.settings.topics
    async with visit.desk.database.read() as session:
        flags = await topics.flags(session, _today(visit) - timedelta(days=settings.days))
    lines = [
        Line(row, _topic(visit.words, asked.by, row), row.count / found.total, _points(row.series), _link(asked, row))
        for row in found.rows
    ]
    return visit.render(
        "voice.html",
        by=asked.by,
        period=asked.period,
        dimensions=list(Dimension),
        periods=list(Period),
        found=found,
        lines=lines,
        heads=_heads(visit, found),
        first=visit.words.day(_moment(visit, found.span.starts[0])),
        last=visit.words.day(_moment(visit, found.span.end - timedelta(days=1))),
        all_points=_points(found.series),
        rises=[
            (*risen(visit.words, flag), flag, visit.words.day(_moment(visit, flag.day)),
             visit.words.day(_moment(visit, flag.last_day)))
            for flag in flags
        ],
        settings=settings,
        min_cell=MIN_CELL,
        size=(WIDTH, HEIGHT),
    )  # fmt: skip


async def as_csv(visit: Visit) -> Response:
    """What the page shows, as a file; the parts of the period are named by their first days."""
    asked = await _asked(visit)
    found, words = asked.found, visit.words
    stream = io.StringIO()
    writer = csv.writer(stream)
    heads = [words(f"voice.by.{asked.by.value}"), words("voice.count"), words("voice.share"), words("voice.before")]
    writer.writerow([*heads, words("voice.change"), *(day.isoformat() for day in found.span.starts)])
    for row in found.rows:
        change = "" if row.change is None else round(row.change, 4)
        share = round(row.count / found.total, 4)
        topic = harmless(_topic(visit.words, asked.by, row))
        writer.writerow([topic, row.count, share, row.before, change, *row.series])
    name = f"complaints-{asked.by.value}-{asked.period.value}-{_today(visit).isoformat()}.csv"
    headers = {"content-disposition": f'attachment; filename="{name}"', "content-type": TYPES["csv"]}
    return Response("\ufeff" + stream.getvalue(), headers=headers)
