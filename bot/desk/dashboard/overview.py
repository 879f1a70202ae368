"""The first page: the scores, the work, what changed most, what rose, what is done about low scores."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.desk.dashboard import operations, scores
from bot.desk.dashboard.asked import View, value_words
from bot.desk.dashboard.operations import Work
from bot.desk.dashboard.panels import Page, Panel, Table
from bot.desk.dashboard.shown import SCORE_UNITS, Change, Shown
from bot.desk.voice import risen
from bot.services import topics
from bot.storage import figures
from bot.storage.figures import KINDS, Cell, Dimension, FollowUpFigures, Kind, wilson
from bot.storage.models import TopicFlag

# Where it is looked for what changed most, besides the whole.
COMPARED: tuple[Dimension, ...] = ("channel", "language", "team")
# In longer periods only the whole is compared: what changes in a year is read from a trend.
COMPARED_DAYS = timedelta(days=93)
MOST_CHANGES = 5
# Flags of topics are those of the period, which is looked at as at least so long, and so many are shown.
FLAG_DAYS, MOST_FLAGS = timedelta(days=7), 8


@dataclass(frozen=True, slots=True)
class Changed:
    """One figure that changed."""

    title: str
    part: str
    now: str
    before: str
    change: Change
    link: str
    good: bool


async def _parts(session: AsyncSession, shown: Shown, view: View, kind: Kind) -> list[Changed]:
    """The values of dimensions whose score changed."""
    if view.before is None or view.filters.until - view.filters.since > COMPARED_DAYS:
        return []
    found = []
    now = await figures.breakdowns(session, kind, view.filters, COMPARED, min_cell=view.min_cell)
    then = await figures.breakdowns(session, kind, view.before, COMPARED, min_cell=view.min_cell)
    for by, cells in now.items():
        earlier: dict[str | int, Cell] = {cell.value: cell for cell in then[by]}
        if len(cells) < 2:
            # The only value is the whole.
            continue
        for cell in cells:
            before = earlier.get(cell.value)
            if cell.score is None or before is None or before.score is None:
                continue
            change = shown.score_change(kind, cell.score, before.score)
            if change.clear:
                part = f"{shown.words.label('dimension', by)}: {value_words(shown.words, by, cell.value, cell.name)}"
                unit = SCORE_UNITS[kind]
                found.append(
                    Changed(
                        scores.kind_title(shown, kind),
                        part,
                        shown.text(cell.score.value, unit),
                        shown.text(before.score.value, unit),
                        change,
                        view.behind_value(kind, by, cell.value),
                        change.direction == "up",
                    )
                )
    return found


def _shares(shown: Shown, view: View, now: Work, then: Work) -> list[Changed]:
    """The work's shares that changed."""
    words = shown.words
    pairs = [
        (
            words("dash.kept", what=words.label("clock", promise.kind)), True,
            (promise.kept, promise.kept + promise.missed), (before.kept, before.kept + before.missed),
            view.behind("promises", f"{promise.kind}:missed"),
        )
        for promise, before in zip(now.promises, then.promises, strict=True)
    ]  # fmt: skip
    for part in operations.PARTS:
        counts = (getattr(now.containment, part), now.containment.total)
        earlier = (getattr(then.containment, part), then.containment.total)
        good = part == "confirmed"
        pairs.append((words.label("part", part), good, counts, earlier, view.behind("containment", part)))
    found = []
    for title, good, counts, earlier, link in pairs:
        if not counts[1] or not earlier[1]:
            continue
        share, before = counts[0] / counts[1], earlier[0] / earlier[1]
        change = shown.change_of(share, before, "share", wilson(*counts), wilson(*earlier))
        if change.clear:
            better = (change.direction == "up") == good
            found.append(Changed(title, "", shown.share(share), shown.share(before), change, link, better))
    return found


def _follow_ups(shown: Shown, view: View, found: FollowUpFigures) -> Panel:
    words = shown.words
    names = ("opened", "open", "overdue", "recovered", "not_recovered", "not_reached")
    rows = [
        [
            shown.cell(
                words.label("follow_up", name),
                link=view.behind("follow_ups", "" if name == "opened" else name),
            ),
            shown.cell(getattr(found, name), "count"),
        ]
        for name in names
    ]
    rate = shown.text(found.recovery_rate, "share")
    interval = shown.interval(found.low, found.high, "share")
    rows.append([shown.cell(words("dash.recovery")), shown.cell(found.recovery_rate, "share")])
    note = words("dash.recovery_note", rate=rate, interval=interval or "–", n=shown.text(found.closed, "count"))
    heads = [words("dash.follow_ups"), words("dash.number")]
    return Panel("follow-ups", words("dash.follow_ups"), Table(heads, rows), note=note, more="/desk/follow-ups")


def _changes_panel(shown: Shown, found: list[Changed]) -> Panel:
    words = shown.words
    rows = [
        [
            shown.cell(f"{item.title} · {item.part}" if item.part else item.title, link=item.link),
            shown.cell(item.now),
            shown.cell(item.before),
            shown.cell(item.change.text),
        ]
        for item in found
    ]
    heads = [words("dash.figure"), words("dash.value"), words("dash.before"), words("dash.change")]
    note = words("dash.changes_note") if rows else words("dash.changes_none")
    return Panel("changes", words("dash.changes"), Table(heads, rows), note=note)


async def _flags(session: AsyncSession, shown: Shown, view: View) -> Panel | None:
    """Topics of which there was more than usual; counted over all teams, so only for those who see everything."""
    if not view.everything:
        return None
    first, last = view.chosen.days()
    query = (
        select(TopicFlag)
        .where(TopicFlag.last_day > min(first - timedelta(days=1), last - FLAG_DAYS), TopicFlag.day <= last)
        .order_by(TopicFlag.last_day.desc(), TopicFlag.p_value, TopicFlag.id)
        .limit(MOST_FLAGS)
    )
    words = shown.words
    rows = []
    for flag in await session.scalars(query):
        rows.append(
            [
                shown.cell(": ".join(risen(words, flag))),
                shown.cell(flag.last_day, "day"),
                shown.cell(flag.observed, "count"),
                shown.cell(flag.expected, "decimal"),
            ]
        )
    heads = [words("dash.topic"), words("dash.day"), words("dash.observed"), words("dash.expected")]
    note = words("dash.flags_note") if rows else words("dash.flags_none")
    return Panel("flags", words("dash.flags"), Table(heads, rows), note=note, more=topics.PATH)


async def build(session: AsyncSession, view: View) -> Page:
    """The figures of the first page."""
    shown = Shown(view.words)
    page = Page("overview", shown.words("dash.overview"))
    changed: list[Changed] = []
    charts = {}
    for f in (view.filters, view.before):
        if f is not None:
            compared = COMPARED if view.before is not None and f.until - f.since <= COMPARED_DAYS else ()
            await figures.prepare(session, f, KINDS, compared)
    for kind in KINDS:
        # First the parts: what they have read serves all others.
        parts = await _parts(session, shown, view, kind)
        score = await figures.score(session, kind, view.filters)
        before = await figures.score(session, kind, view.before) if view.before is not None else None
        tile = scores.score_tile(shown, view, kind, score, before, view.link(kind))
        page.tiles.append(tile)
        points = await figures.trend(session, kind, view.filters, view.bucket)
        charts[kind] = scores.trend_chart(shown, view, kind, points, view.bucket, small=True) if score.n else None
        if tile.change.clear:
            good = tile.change.direction == "up"
            earlier = tile.before.text if tile.before is not None else ""
            changed.append(Changed(tile.title, "", tile.value.text, earlier, tile.change, tile.value.link, good))
        changed += parts
    now = await operations.work_of(session, view.filters)
    then = await operations.work_of(session, view.before) if view.before is not None else None
    page.tiles += operations.tiles_of(shown, view, now, then)
    if then is not None:
        changed += _shares(shown, view, now, then)
    changed.sort(key=lambda item: -item.change.strength)
    flags = await _flags(session, shown, view)
    page.panels = [
        _changes_panel(shown, changed[:MOST_CHANGES]),
        _follow_ups(shown, view, await figures.follow_ups(session, view.filters)),
        *([flags] if flags is not None else []),
    ]
    page.extra = {"charts": charts}
    return page
