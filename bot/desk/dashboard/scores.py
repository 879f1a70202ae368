"""The page of one score: CSAT, NPS or CES."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from bot.desk.dashboard.asked import View, value_words
from bot.desk.dashboard.panels import Chart, Page, Panel, Series, Table, Tile, drawn, scale_ticks, spread
from bot.desk.dashboard.shown import SCORE_UNITS, Cell, Shown
from bot.storage import figures
from bot.storage.figures import BUCKETS, DIMENSIONS, SCALES, Bucket, Comment, Dimension, Kind, Point, Score

COMMENTS = 25


def kind_title(shown: Shown, kind: Kind) -> str:
    """The name of a score."""
    return shown.words.label("score", kind)


def place_on(kind: Kind, value: float) -> float:
    """Where a score stands on its scale, in [0, 1]."""
    if kind == "csat":
        return value
    return (value + 100) / 200 if kind == "nps" else (value - 1) / 6


def _span(kind: Kind, score: Score) -> tuple[float, float] | None:
    if score.low is None or score.high is None:
        return None
    return place_on(kind, score.low), place_on(kind, score.high)


def score_tile(shown: Shown, view: View, kind: Kind, score: Score, before: Score | None, page: str = "") -> Tile:
    """A score as a tile: with n, response rate, interval and what became of it."""
    words, unit = shown.words, SCORE_UNITS[kind]
    return Tile(
        id=kind,
        title=kind_title(shown, kind),
        value=shown.cell(score.value, unit, view.behind(kind)),
        change=shown.score_change(kind, score, before),
        note=words.label("score_rule", kind),
        interval=shown.interval(score.low, score.high, unit),
        low=shown.cell(score.low, unit),
        high=shown.cell(score.high, unit),
        before=shown.cell(before.value, unit) if before is not None else None,
        n=shown.cell(score.n, "count"),
        rate=shown.cell(score.response_rate, "share"),
        place=place_on(kind, score.value) if score.value is not None else None,
        span=_span(kind, score),
        better=True,
        page=page,
    )


def trend_chart(
    shown: Shown, view: View, kind: Kind, points: Sequence[Point], bucket: Bucket, small: bool = False
) -> Chart:
    """A score over time with its interval."""
    unit, title = SCORE_UNITS[kind], kind_title(shown, kind)
    texts = [
        shown.words(
            "dash.point",
            value=shown.text(point.score.value, unit),
            interval=shown.interval(point.score.low, point.score.high, unit),
            n=shown.text(point.score.n, "count"),
        )
        for point in points
    ]
    bands = [
        (point.score.low, point.score.high) if point.score.low is not None and point.score.high is not None else None
        for point in points
    ]
    label = shown.words("dash.trend_label", figure=title, bucket=shown.words.label("bucket", bucket))
    return Chart(
        kind="line",
        label=label,
        labels=[shown.day(point.start, bucket) for point in points],
        series=[Series(title, [point.score.value for point in points], texts, bands)],
        ticks=scale_ticks(shown, kind),
        links=[view.behind_time(kind, point.since, point.until) for point in points],
        small=small,
    )


def _trend(shown: Shown, view: View, kind: Kind, points: Sequence[Point]) -> Panel:
    words, unit = shown.words, SCORE_UNITS[kind]
    heads = [
        words.label("bucket", view.bucket), kind_title(shown, kind), words("dash.low"), words("dash.high"),
        words("dash.n"), words("dash.delivered"), words("dash.rate"),
    ]  # fmt: skip
    rows = [
        [
            shown.cell(
                point.start,
                "day",
                view.behind_time(kind, point.since, point.until),
                text=shown.day(point.start, view.bucket, year=True),
            ),
            shown.cell(point.score.value, unit),
            shown.cell(point.score.low, unit),
            shown.cell(point.score.high, unit),
            shown.cell(point.score.n, "count"),
            shown.cell(point.score.delivered, "count"),
            shown.cell(point.score.response_rate, "share"),
        ]
        for point in points
    ]
    chart = trend_chart(shown, view, kind, points, view.bucket) if any(point.score.n for point in points) else None
    return Panel("trend", words("dash.trend"), Table(heads, rows), chart, words("dash.band"), wide=True)


def rating_words(shown: Shown, kind: Kind, rating: int) -> str:
    """A rating, with the name of its group where it has one."""
    if kind != "nps":
        return shown.text(rating, "count")
    group = "promoter" if rating >= 9 else "detractor" if rating <= 6 else "passive"
    return f"{shown.text(rating, 'count')} · {shown.words.label('nps', group)}"


def _distribution(shown: Shown, view: View, kind: Kind, score: Score) -> Panel:
    words = shown.words
    ratings = list(SCALES[kind])
    counts = [score.distribution.get(rating, 0) for rating in ratings]
    shares = [count / score.n if score.n else 0.0 for count in counts]
    links = [view.behind(kind, str(rating)) for rating in ratings]
    rows = [
        [
            shown.cell(rating, "count", link, text=rating_words(shown, kind, rating)),
            shown.cell(count, "count", bar=share),
            shown.cell(share if score.n else None, "share"),
        ]
        for rating, count, share, link in zip(ratings, counts, shares, links, strict=True)
    ]
    texts = [f"{shown.text(n, 'count')} ({shown.share(share)})" for n, share in zip(counts, shares, strict=True)]
    chart = drawn(
        "bar",
        words("dash.distribution_label", figure=kind_title(shown, kind), n=shown.text(score.n, "count")),
        [shown.text(rating, "count") for rating in ratings],
        [Series(words("dash.answers"), counts, texts)],
        spread(shown, "count", counts),
        links,
    )
    late = words("dash.late", n=shown.text(score.late, "count")) if score.late else ""
    heads = [words("dash.rating"), words("dash.answers"), words("dash.share")]
    return Panel("distribution", words("dash.distribution"), Table(heads, rows), chart, late)


def _breakdown(shown: Shown, view: View, kind: Kind, by: Dimension, cells: Sequence[figures.Cell]) -> Panel:
    words, unit = shown.words, SCORE_UNITS[kind]
    heads = [
        words.label("dimension", by), kind_title(shown, kind), words("dash.low"), words("dash.high"), words("dash.n"),
        words("dash.rate"),
    ]  # fmt: skip
    rows: list[list[Cell]] = []
    hidden = False
    for cell in cells:
        name = value_words(words, by, cell.value, cell.name)
        if cell.score is None or cell.score.value is None:
            hidden = hidden or cell.n > 0
            few, none = words("dash.few", n=shown.text(view.min_cell, "count")), shown.cell(None, "share")
            told = shown.cell(None, "count", text=few if cell.n else shown.text(0, "count"))
            rows.append([shown.cell(name), none, none, none, told, none])
            continue
        score, link = cell.score, view.behind_value(kind, by, cell.value)
        value = cell.score.value
        rows.append(
            [
                shown.cell(name, link=link),
                shown.cell(value, unit, bar=place_on(kind, value), span=_span(kind, score)),
                shown.cell(score.low, unit),
                shown.cell(score.high, unit),
                shown.cell(score.n, "count"),
                shown.cell(score.response_rate, "share"),
            ]
        )
    note = words("dash.few_why", n=shown.text(view.min_cell, "count")) if hidden else ""
    return Panel(f"by-{by}", words.label("dash_by", by), Table(heads, rows), note=note)


async def build(session: AsyncSession, view: View, kind: Kind) -> Page:
    """The figures of a score's page."""
    shown = Shown(view.words)
    # These first: what they have read serves all others.
    cells_by = await figures.breakdowns(session, kind, view.filters, DIMENSIONS, min_cell=view.min_cell)
    score = await figures.score(session, kind, view.filters)
    before = await figures.score(session, kind, view.before) if view.before is not None else None
    page = Page(kind, kind_title(shown, kind))
    page.tiles = [score_tile(shown, view, kind, score, before), _rate_tile(shown, view, kind, score, before)]
    if kind == "ces":
        page.tiles.insert(1, _easy_tile(shown, view, score, before))
    points = await figures.trend(session, kind, view.filters, view.bucket)
    page.panels = [_trend(shown, view, kind, points), _distribution(shown, view, kind, score)]
    for by, cells in cells_by.items():
        if any(cell.value for cell in cells):
            # What is known of nobody says no more than the whole.
            page.panels.append(_breakdown(shown, view, kind, by, cells))
    return page


def _rate_tile(shown: Shown, view: View, kind: Kind, score: Score, before: Score | None) -> Tile:
    words = shown.words
    low, high = figures.wilson(score.n, score.delivered)
    then: tuple[float | None, float | None] = (None, None)
    if before is not None:
        then = figures.wilson(before.n, before.delivered)
    earlier = before.response_rate if before is not None else None
    return Tile(
        id="rate",
        title=words("dash.rate"),
        value=shown.cell(score.response_rate, "share", view.behind(kind, "unanswered")),
        change=shown.change_of(score.response_rate, earlier, "share", (low, high), then),
        note=words(
            "dash.rate_of", answered=shown.text(score.n, "count"), delivered=shown.text(score.delivered, "count")
        ),
        interval=shown.interval(low, high, "share"),
        low=shown.cell(low, "share"),
        high=shown.cell(high, "share"),
        before=shown.cell(earlier, "share"),
        n=shown.cell(score.delivered, "count"),
        place=score.response_rate,
        span=(low, high) if low is not None and high is not None else None,
        better=True,
    )


def _easy_tile(shown: Shown, view: View, score: Score, before: Score | None) -> Tile:
    words = shown.words
    then = (before.share_low, before.share_high) if before is not None else (None, None)
    earlier = before.share if before is not None else None
    now_range = (score.share_low, score.share_high)
    return Tile(
        id="easy",
        title=words("dash.easy"),
        value=shown.cell(score.share, "share", view.behind("ces")),
        change=shown.change_of(score.share, earlier, "share", now_range, then),
        note=words("dash.easy_rule"),
        interval=shown.interval(*now_range, "share"),
        low=shown.cell(score.share_low, "share"),
        high=shown.cell(score.share_high, "share"),
        before=shown.cell(earlier, "share"),
        n=shown.cell(score.n, "count"),
        place=score.share,
        span=(score.share_low, score.share_high)
        if score.share_low is not None and score.share_high is not None
        else None,
        better=True,
    )


async def comments_of(
    session: AsyncSession, view: View, kind: Kind, before: int | None
) -> tuple[list[Comment], int | None]:
    """The comments on one kind of survey, newest first, and from where the older ones go on (None: there are none)."""
    found = await figures.comments(session, view.filters, COMMENTS + 1, before, (kind,))
    more = len(found) > COMMENTS
    return found[:COMMENTS], found[COMMENTS - 1].survey_id if more else None


def comments_table(shown: Shown, items: Sequence[Comment], people: dict[int, str]) -> Table:
    """Comments as they are exported."""
    words = shown.words
    heads = [
        words("dash.rating"), words("dash.comment"), words("dash.topic"), words("dash.sentiment"),
        words.label("dimension", "channel"), words.label("dimension", "language"), words.label("dimension", "team"),
        words.label("dimension", "agent"), words("dash.at"),
    ]  # fmt: skip
    rows = [
        [
            shown.cell(item.score, "count"),
            shown.cell(item.text),
            shown.cell(words.label("topic", item.topic) if item.topic else None),
            shown.cell(item.sentiment, "decimal"),
            shown.cell(words.channel(item.channel)),
            shown.cell(words.language_of(item.language)),
            shown.cell(item.team),
            shown.cell(people.get(item.agent_id or 0, "")),
            shown.cell(item.at, "moment"),
        ]
        for item in items
    ]
    return Table(heads, rows)


__all__ = ["BUCKETS", "build", "comments_of", "comments_table", "kind_title", "score_tile", "trend_chart"]
