"""The page about the work: volume, times, promises, backlog, containment, understanding, hand-overs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from bot.desk.dashboard.asked import View, value_words
from bot.desk.dashboard.panels import Page, Panel, Series, Table, Tile, drawn, spread
from bot.desk.dashboard.shown import Cell, Shown, Unit
from bot.storage import figures
from bot.storage.figures import (
    Backlog,
    Containment,
    Dimension,
    Duration,
    Filters,
    Operations,
    OperationsCell,
    OperationsPoint,
    Promise,
    Volume,
    wilson,
)

PARTS = ("confirmed", "silent", "returned", "escalated")
AUTHORS = ("customer", "bot", "agent")
TIMES = ("first_response", "resolution", "queue_wait")


def _time_tile(shown: Shown, view: View, name: str, now: Duration, then: Duration | None) -> Tile:
    words = shown.words
    earlier = then.median if then is not None else None
    return Tile(
        id=name,
        title=words.label("work", name),
        value=shown.cell(now.median, "seconds", view.behind(name)),
        change=shown.change_of(now.median, earlier, "seconds"),
        note=words("dash.p90", value=shown.text(now.p90, "seconds"), n=shown.text(now.n, "count")),
        n=shown.cell(now.n, "count"),
        before=shown.cell(earlier, "seconds"),
        better=False,
    )


def share_tile(
    shown: Shown,
    id: str,
    title: str,
    counts: tuple[int, int],
    before: tuple[int, int] | None,
    link: str,
    better: bool,
    note: str = "",
) -> Tile:
    """A share with Wilson's interval; ``counts`` are the part and the whole."""
    low, high = wilson(*counts)
    then = wilson(*before) if before is not None else (None, None)
    value = counts[0] / counts[1] if counts[1] else None
    earlier = before[0] / before[1] if before is not None and before[1] else None
    return Tile(
        id=id,
        title=title,
        value=shown.cell(value, "share", link),
        change=shown.change_of(value, earlier, "share", (low, high), then),
        note=note,
        interval=shown.interval(low, high, "share"),
        low=shown.cell(low, "share"),
        high=shown.cell(high, "share"),
        n=shown.cell(counts[1], "count"),
        before=shown.cell(earlier, "share"),
        place=value,
        span=(low, high) if low is not None and high is not None else None,
        better=better,
    )


@dataclass(frozen=True, slots=True)
class Work:
    """What the tiles about the work are made of. ``said`` is None where nobody has counted the messages."""

    conversations: int
    said: Volume | None
    first_response: Duration
    resolution: Duration
    queue_wait: Duration
    promises: Sequence[Promise]
    containment: Containment

    @classmethod
    def of(cls, found: Operations) -> Work:
        """That of all figures of a period."""
        return cls(
            found.volume.conversations,
            found.volume,
            found.first_response,
            found.resolution,
            found.queue_wait,
            found.promises,
            found.containment,
        )


async def work_of(session: AsyncSession, f: Filters) -> Work:
    """The same without counting messages, of which there are far more than of anything else."""
    contained = await figures.containment(session, f)
    return Work(
        # Each conversation is one of these.
        contained.total + contained.undecided + contained.aside,
        None,
        await figures.first_response(session, f),
        await figures.resolution(session, f),
        await figures.queue_wait(session, f),
        await figures.promises(session, f),
        contained,
    )


def tiles_of(shown: Shown, view: View, now: Work, then: Work | None) -> list[Tile]:
    """The work's figures as tiles."""
    words = shown.words
    earlier_count = then.conversations if then is not None else None
    note = ""
    if now.said is not None:
        came, went = shown.text(now.said.messages_in, "count"), shown.text(now.said.messages_out, "count")
        note = words("dash.messages", came=came, went=went)
    found = [
        Tile(
            id="volume",
            title=words.label("work", "volume"),
            value=shown.cell(now.conversations, "count", view.behind("volume")),
            change=shown.change_of(now.conversations, earlier_count, "count"),
            note=note,
            before=shown.cell(earlier_count, "count"),
        )
    ]
    found += [
        _time_tile(shown, view, name, getattr(now, name), getattr(then, name) if then is not None else None)
        for name in TIMES
    ]
    for place, promise in enumerate(now.promises):
        earlier = then.promises[place] if then is not None else None
        kept, missed = shown.text(promise.kept, "count"), shown.text(promise.missed, "count")
        found.append(
            share_tile(
                shown,
                f"promise-{promise.kind}",
                words("dash.kept", what=words.label("clock", promise.kind)),
                (promise.kept, promise.kept + promise.missed),
                (earlier.kept, earlier.kept + earlier.missed) if earlier is not None else None,
                view.behind("promises", f"{promise.kind}:missed"),
                True,
                words("dash.kept_of", kept=kept, missed=missed),
            )
        )
    contained, earlier_parts = now.containment, then.containment if then is not None else None
    for part in PARTS:
        # All four, side by side: none of them alone says how good the bot is.
        found.append(
            share_tile(
                shown,
                f"part-{part}",
                words.label("part", part),
                (getattr(contained, part), contained.total),
                (getattr(earlier_parts, part), earlier_parts.total) if earlier_parts is not None else None,
                view.behind("containment", part),
                part == "confirmed",
                words("dash.of_decided", n=shown.text(contained.total, "count")),
            )
        )
    return found


def _when(shown: Shown, view: View, figure: str, point: OperationsPoint) -> Cell:
    link = view.behind_time(figure, point.since, point.until)
    return shown.cell(point.start, "day", link, text=shown.day(point.start, view.bucket, year=True))


def _volume(shown: Shown, view: View, points: Sequence[OperationsPoint]) -> Panel:
    words = shown.words
    bucket = words.label("bucket", view.bucket)
    authors = [words.label("author", author) for author in AUTHORS]
    heads = [bucket, words("dash.conversations"), words("dash.customers"), *authors]
    rows = [
        [
            _when(shown, view, "volume", point),
            shown.cell(point.figures.volume.conversations, "count"),
            shown.cell(point.figures.volume.customers, "count"),
            *(shown.cell(point.figures.volume.messages.get(author, 0), "count") for author in AUTHORS),
        ]
        for point in points
    ]
    counts = [point.figures.volume.conversations for point in points]
    title = words("dash.conversations")
    chart = drawn(
        "bar",
        words("dash.trend_label", figure=title, bucket=bucket),
        [shown.day(point.start, view.bucket) for point in points],
        [Series(title, counts, [shown.text(count, "count") for count in counts])],
        spread(shown, "count", counts),
        [view.behind_time("volume", point.since, point.until) for point in points],
    )
    note = words("dash.volume_note")
    return Panel("volume", words.label("work", "volume"), Table(heads, rows), chart, note, wide=True)


def _times(shown: Shown, view: View, name: str, points: Sequence[OperationsPoint]) -> Panel:
    words = shown.words
    found: list[Duration] = [getattr(point.figures, name) for point in points]
    bucket, title = words.label("bucket", view.bucket), words.label("work", name)
    heads = [bucket, words("dash.median"), words("dash.p90_head"), words("dash.n")]
    rows = [
        [
            _when(shown, view, name, point),
            shown.cell(times.median, "seconds"),
            shown.cell(times.p90, "seconds"),
            shown.cell(times.n, "count"),
        ]
        for point, times in zip(points, found, strict=True)
    ]
    medians, tails = [times.median for times in found], [times.p90 for times in found]
    chart = drawn(
        "line",
        words("dash.trend_label", figure=title, bucket=bucket),
        [shown.day(point.start, view.bucket) for point in points],
        [
            Series(words("dash.median"), medians, [shown.text(value, "seconds") for value in medians]),
            Series(words("dash.p90_head"), tails, [shown.text(value, "seconds") for value in tails]),
        ],
        spread(shown, "seconds", [*medians, *tails]),
        [view.behind_time(name, point.since, point.until) for point in points],
    )
    note = words("dash.wall_clock") if name == "queue_wait" else words("dash.business_hours")
    return Panel(name, title, Table(heads, rows), chart, note)


def _promises(shown: Shown, view: View, now: Operations) -> Panel:
    words = shown.words
    heads = [
        words("dash.promise"), words("dash.kept_head"), words("dash.missed_head"), words("dash.share"),
        words("dash.low"), words("dash.high"),
    ]  # fmt: skip
    rows = [
        [
            shown.cell(words.label("clock", item.kind)),
            shown.cell(item.kept, "count", view.behind("promises", f"{item.kind}:kept")),
            shown.cell(item.missed, "count", view.behind("promises", f"{item.kind}:missed")),
            shown.cell(item.share, "share"),
            shown.cell(item.low, "share"),
            shown.cell(item.high, "share"),
        ]
        for item in now.promises
    ]
    kept, missed = [item.kept for item in now.promises], [item.missed for item in now.promises]
    chart = drawn(
        "rows",
        words("dash.promises_label"),
        [words.label("clock", item.kind) for item in now.promises],
        [
            Series(words("dash.kept_head"), kept, [shown.text(value, "count") for value in kept]),
            Series(words("dash.missed_head"), missed, [shown.text(value, "count") for value in missed]),
        ],
        spread(shown, "count", [k + m for k, m in zip(kept, missed, strict=True)]),
        [view.behind("promises", f"{item.kind}:missed") for item in now.promises],
        stacked=True,
    )
    return Panel("promises", words.label("work", "promises"), Table(heads, rows), chart)


def _containment(shown: Shown, view: View, now: Containment, then: Containment | None) -> Panel:
    words = shown.words
    heads = [
        words("dash.part"), words("dash.conversations"), words("dash.share"), words("dash.low"), words("dash.high"),
        words("dash.before"),
    ]  # fmt: skip
    rows = []
    for part in PARTS:
        count: int = getattr(now, part)
        low, high = wilson(count, now.total)
        before = getattr(then, part) / then.total if then is not None and then.total else None
        rows.append(
            [
                shown.cell(words.label("part", part), link=view.behind("containment", part)),
                shown.cell(count, "count"),
                shown.cell(count / now.total if now.total else None, "share"),
                shown.cell(low, "share"),
                shown.cell(high, "share"),
                shown.cell(before, "share"),
            ]
        )
    for part in ("undecided", "aside"):
        count = getattr(now, part)
        name = shown.cell(words.label("part", part), link=view.behind("containment", part))
        rows.append([name, shown.cell(count, "count"), *(shown.cell(None) for _ in range(4))])
    counts = [getattr(now, part) for part in PARTS]
    texts = [f"{row[1].text} · {row[2].text}" for row in rows[: len(PARTS)]]
    chart = drawn(
        "rows",
        words("dash.containment_label", n=shown.text(now.total, "count")),
        [words.label("part", part) for part in PARTS],
        [Series(words("dash.conversations"), counts, texts)],
        spread(shown, "count", counts),
        [view.behind("containment", part) for part in PARTS],
    )
    note = words("dash.containment_note")
    return Panel("containment", words.label("work", "containment"), Table(heads, rows), chart, note)


def _backlog(shown: Shown, view: View, found: Backlog) -> list[Panel]:
    words = shown.words
    names, counts = [], []
    least = 0
    for upper, count in found.by_age:
        names.append(
            words("dash.age", low=shown.text(least, "count"), high=shown.text(upper, "count"))
            if upper is not None
            else words("dash.age_above", low=shown.text(least, "count"))
        )
        counts.append(count)
        least = upper or least
    chart = drawn(
        "bar",
        words("dash.backlog_label", n=shown.text(found.total, "count")),
        names,
        [Series(words("dash.tickets"), counts, [shown.text(count, "count") for count in counts])],
        spread(shown, "count", counts),
        [view.behind("backlog") for _ in names],
    )
    ages = [[shown.cell(name), shown.cell(count, "count")] for name, count in zip(names, counts, strict=True)]
    ages.append([shown.cell(words("dash.all")), shown.cell(found.total, "count", view.behind("backlog"))])
    oldest = words("dash.oldest", when=words.moment(found.oldest)) if found.oldest is not None else ""
    note = f"{words('dash.as_of', when=words.full(found.at))} {oldest}".strip()
    by_status = [
        [shown.cell(words.label("status", status)), shown.cell(count, "count", view.behind("backlog", status))]
        for status, count in found.by_status.items()
    ]
    tickets = words("dash.tickets")
    return [
        Panel("backlog", words.label("work", "backlog"), Table([words("dash.age_head"), tickets], ages), chart, note),
        Panel("backlog-status", words("dash.backlog_status"), Table([words("dash.status"), tickets], by_status)),
    ]


def _reasons(shown: Shown, view: View, found: Sequence[tuple[str, int]]) -> Panel:
    words = shown.words
    total = sum(count for _, count in found)
    rows = [
        [
            shown.cell(words.label("reason", reason), link=view.behind("handoff_reasons", reason)),
            shown.cell(count, "count"),
            shown.cell(count / total, "share"),
        ]
        for reason, count in found
    ]
    counts = [count for _, count in found]
    chart = drawn(
        "rows",
        words("dash.reasons_label", n=shown.text(total, "count")),
        [words.label("reason", reason) for reason, _ in found],
        [Series(words("dash.handoffs"), counts, [shown.text(count, "count") for count in counts])],
        spread(shown, "count", counts),
        [view.behind("handoff_reasons", reason) for reason, _ in found],
    )
    heads = [words("dash.reason"), words("dash.handoffs"), words("dash.share")]
    return Panel("reasons", words.label("work", "handoff_reasons"), Table(heads, rows), chart)


def _by(shown: Shown, view: View, by: Dimension, cells: Sequence[OperationsCell]) -> Panel:
    words = shown.words
    columns: list[tuple[str, Unit, Callable[[Operations], float | None]]] = [
        (words("dash.conversations"), "count", lambda found: found.volume.conversations),
        (words.label("work", "first_response"), "seconds", lambda found: found.first_response.median),
        (words.label("work", "resolution"), "seconds", lambda found: found.resolution.median),
        (words.label("work", "queue_wait"), "seconds", lambda found: found.queue_wait.median),
        *((words("dash.kept", what=words.label("clock", kind)), "share", _kept(place))
          for place, kind in enumerate(("first_response", "resolution"))),
        *((words.label("part", part), "share", _part(part)) for part in PARTS),
    ]  # fmt: skip
    rows = [
        [
            shown.cell(
                value_words(words, by, cell.value, cell.name),
                link=view.behind_value("volume", by, cell.value),
            ),
            *(shown.cell(read(cell.figures), unit) for _, unit, read in columns),
        ]
        for cell in cells
    ]
    heads = [words.label("dimension", by), *(head for head, _, _ in columns)]
    return Panel("by", words.label("dash_by", by), Table(heads, rows), note=words("dash.by_note"), wide=True)


def _kept(place: int) -> Callable[[Operations], float | None]:
    return lambda found: found.promises[place].share


def _part(part: str) -> Callable[[Operations], float | None]:
    def read(found: Operations) -> float | None:
        contained = found.containment
        return getattr(contained, part) / contained.total if contained.total else None

    return read


async def build(session: AsyncSession, view: View) -> Page:
    """The figures of the page about the work."""
    shown = Shown(view.words)
    f = view.filters
    # First by the dimension: what it has read serves all others.
    cells = await figures.operations_breakdown(session, f, view.by) if view.by else []
    now = await figures.operations(session, f)
    then = await figures.operations(session, view.before) if view.before is not None else None
    points = await figures.operations_trend(session, f, view.bucket)
    page = Page("operations", shown.words("dash.operations"))
    page.tiles = tiles_of(shown, view, Work.of(now), Work.of(then) if then is not None else None)
    page.panels = [
        _volume(shown, view, points),
        *(_times(shown, view, name, points) for name in TIMES),
        _promises(shown, view, now),
        _containment(shown, view, now.containment, then.containment if then is not None else None),
        *_backlog(shown, view, await figures.backlog(session, f)),
        _reasons(shown, view, await figures.handoff_reasons(session, f)),
    ]
    if view.by:
        page.panels.append(_by(shown, view, view.by, cells))
    return page


__all__ = ["PARTS", "Work", "build", "share_tile", "tiles_of", "work_of"]
