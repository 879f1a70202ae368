"""What a digest says, in the language of those who get it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from urllib.parse import urlencode

from babel.dates import format_date, format_interval
from babel.units import format_unit
from sqlalchemy.ext.asyncio import AsyncSession

from bot.config import Settings
from bot.config.digests import Digest
from bot.digest import changes
from bot.digest.changes import Change
from bot.digest.picture import Bar, Labels
from bot.storage import figures
from bot.storage.figures import Filters, FollowUpFigures, Operations, Point, Score, days_between, params_of
from bot.words import NOTHING, Words

DAY = timedelta(days=1)
# A daily digest's picture goes back so far.
DAYS_SHOWN = 7
# From which length on a time is told in which unit.
LENGTHS = (("day", 172_800), ("hour", 3600), ("minute", 60), ("second", 1))
# Figures whose names are those of the dashboard.
NAMED = {
    "messages": "dash.messages_head",
    "handoffs": "dash.handoffs",
    "tickets": "dash.tickets",
    "low_scores": "dash.follow_ups",
} | {name: f"work.{name}" for name in changes.TIMES}


@dataclass(frozen=True, slots=True)
class Composed:
    """A digest in words, and what its picture shows."""

    subject: str
    text: str
    bars: tuple[Bar, ...]
    labels: Labels
    english: Labels


def period_of(digest: Digest, day: date, zone: str) -> Filters:
    """The whole local days that a digest sent on a day is about: the day, or the seven days, before it."""
    first = day - (DAY if digest.every == "day" else 7 * DAY)
    return days_between(first, day - DAY, zone).with_(teams=digest.teams)


async def compose(session: AsyncSession, digest: Digest, day: date, settings: Settings) -> Composed | None:
    """The digest of a day; None where nothing happened that it could tell of.

    Args:
        session: a read transaction.
        digest: which.
        day: the local day on which it is sent.
        settings: all settings.
    """
    f = period_of(digest, day, settings.shop.timezone)
    before = f.previous()
    scores = [
        (await figures.score(session, kind, f), await figures.score(session, kind, before)) for kind in figures.KINDS
    ]
    work, work_before = await figures.operations(session, f), await figures.operations(session, before)
    if not work.volume.conversations and not any(now.delivered for now, _ in scores):
        return None
    follow_ups = await figures.follow_ups(session, f)
    changed = await changes.most(session, f, min_cell=settings.surveys.min_cell)
    shown = f.with_(since=days_between(day - DAYS_SHOWN * DAY, day - DAY, f.zone).since)
    trend = await figures.trend(session, "csat", shown, "day")
    words = Words(digest.language, settings.shop.timezone)
    span = _span(words, f)
    lines = [words("announce.digest.title", shop=settings.shop.name, period=span), ""]
    lines += [line for now, was in scores if (line := _score(words, now, was))]
    lines += _work(words, work, work_before, follow_ups)
    if changed:
        lines += ["", words("announce.digest.changed")]
        lines += [f"{number}. {_change(words, item)}" for number, item in enumerate(changed, 1)]
    if settings.web.public_url:
        lines += ["", f"{settings.web.public_url.rstrip('/')}/desk/dashboard?{urlencode(params_of(f))}"]
    return Composed(
        words("announce.digest.title", shop=settings.shop.name, period=span),
        "\n".join(lines),
        tuple(_bar(words, point) for point in trend),
        _labels(words, span),
        _labels(Words("en", settings.shop.timezone), f"{f.days()[0].isoformat()} - {f.days()[1].isoformat()}"),
    )


def _labels(words: Words, span: str) -> Labels:
    return Labels(span, words("announce.digest.csat"), words("announce.digest.answers"))


def _bar(words: Words, point: Point) -> Bar:
    label = format_date(point.start, "d.M." if words.language == "es" else "MM-dd", locale=words.locale)
    score = point.score
    return Bar(label, score.value, score.low, score.high, score.n)


def _span(words: Words, f: Filters) -> str:
    first, last = f.days()
    if first == last:
        return format_date(first, "medium", locale=words.locale)
    return str(format_interval(first, last, "yMMMd", locale=words.locale))


def _value(words: Words, form: str, value: float | None) -> str:
    if value is None:
        return NOTHING
    if form == "share":
        return words.percent(value)
    if form == "time":
        return _length(words, value)
    return words.number(round(value, 1) if form == "mean" else round(value))


def _length(words: Words, seconds: float) -> str:
    """A length of time in the unit that fits."""
    unit, length = next((item for item in LENGTHS if seconds >= item[1]), LENGTHS[-1])
    amount = round(seconds / length, 1 if unit in ("day", "hour") else 0)
    return str(format_unit(amount, f"duration-{unit}", "short", locale=words.locale))


def _score(words: Words, now: Score, before: Score) -> str:
    """A score with what it rests on; nothing for one that nobody was asked for."""
    if not now.delivered:
        return ""
    form = {"csat": "share", "nps": "points"}.get(now.kind, "mean")
    return words(
        "announce.digest.score",
        name=words(f"announce.digest.{now.kind}"),
        value=_value(words, form, now.value),
        n=words.number(now.n),
        low=_value(words, form, now.low),
        high=_value(words, form, now.high),
        before=_value(words, form, before.value),
    )


def _work(words: Words, work: Operations, before: Operations, follow_ups: FollowUpFigures) -> list[str]:
    now, was = work.volume.conversations, before.volume.conversations
    name = words("announce.digest.volume")
    lines = [words("announce.digest.was", name=name, value=words.number(now), before=words.number(was))]
    if follow_ups.opened:
        counts = {name: words.number(getattr(follow_ups, name)) for name in ("opened", "open", "overdue", "recovered")}
        lines.append(words("announce.digest.follow_ups", **counts))
    return lines


def _change(words: Words, change: Change) -> str:
    """A change in words; one that chance could have made says so."""
    value = change.value
    if change.by in ("language", "channel"):
        value = words.language_of(value) if change.by == "language" else words.channel(value)
    elif change.by == "clock":
        value = words.label("clock", value)
    elif change.by == "kind":
        value = value.upper()
    name = words(NAMED.get(change.name, f"announce.digest.{change.name}")) + (f" ({value})" if value else "")
    line = words(
        "announce.digest.change",
        name=name,
        before=_value(words, change.form, change.before),
        after=_value(words, change.form, change.after),
    )
    return line if change.clear else f"{line} {words('announce.digest.chance')}"
