"""What a page of the dashboard is made of: panels, each with a table, most with a chart of the same figures.

The tables are what is exported; the charts are drawn from descriptions without a word or a number that the
server has not written (:data:`Chart`), see ``static/dashboard.js``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from bot.desk.dashboard.shown import Cell, Change, Shown, Unit

# About so many lines across a chart.
TICKS = 4


@dataclass(frozen=True, slots=True)
class Table:
    """Figures in rows; ``heads`` are the words above the columns."""

    heads: Sequence[str]
    rows: Sequence[Sequence[Cell]]


@dataclass(frozen=True, slots=True)
class Series:
    """One line, or the bars of one kind. ``texts`` are the values as they are read; ``band`` an interval each."""

    name: str
    values: Sequence[float | None]
    texts: Sequence[str]
    band: Sequence[tuple[float, float] | None] = ()


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart. ``labels`` stand along the one axis, ``ticks`` (value and words) along the other; ``links`` lead
    from a label to what is behind it. ``label`` says in a sentence what it shows."""

    kind: Literal["line", "bar", "rows"]
    label: str
    labels: Sequence[str]
    series: Sequence[Series]
    ticks: Sequence[tuple[float, str]]
    links: Sequence[str] = ()
    stacked: bool = False
    small: bool = False

    @property
    def json(self) -> str:
        """As the page's script reads it."""
        return json.dumps(
            {
                "kind": self.kind,
                "label": self.label,
                "labels": list(self.labels),
                "ticks": [[value, words] for value, words in self.ticks],
                "links": list(self.links),
                "stacked": self.stacked,
                "small": self.small,
                "series": [
                    {
                        "name": one.name,
                        "values": list(one.values),
                        "texts": list(one.texts),
                        "band": [list(pair) if pair else None for pair in one.band],
                    }
                    for one in self.series
                ],
            },
            ensure_ascii=False,
            separators=(",", ":"),
        )


def drawn(
    kind: Literal["line", "bar", "rows"],
    label: str,
    labels: Sequence[str],
    series: Sequence[Series],
    ticks: Sequence[tuple[float, str]],
    links: Sequence[str] = (),
    stacked: bool = False,
) -> Chart | None:
    """A chart, None where there is nothing in it but noughts."""
    if not any(value for one in series for value in one.values):
        return None
    return Chart(kind, label, labels, series, ticks, links, stacked)


@dataclass(frozen=True, slots=True)
class Panel:
    """One part of a page."""

    id: str
    title: str
    table: Table
    chart: Chart | None = None
    note: str = ""
    wide: bool = False
    # Of a table that is drawn as a map of heat: the largest value.
    heat: int = 0
    # Where there is more about it.
    more: str = ""


@dataclass(frozen=True, slots=True)
class Tile:
    """One figure with what it rests on."""

    id: str
    title: str
    value: Cell
    change: Change
    note: str = ""
    interval: str = ""
    low: Cell | None = None
    high: Cell | None = None
    before: Cell | None = None
    n: Cell | None = None
    rate: Cell | None = None
    # Where value and interval stand on the scale, each in [0, 1].
    place: float | None = None
    span: tuple[float, float] | None = None
    # Whether more of it is better; None: neither.
    better: bool | None = None
    chart: Chart | None = None
    page: str = ""

    @property
    def mood(self) -> str:
        """``good``, ``bad`` or ``""``: what to make of a clear change."""
        if self.better is None or not self.change.clear or self.change.direction not in ("up", "down"):
            return ""
        return "good" if (self.change.direction == "up") == self.better else "bad"


@dataclass(slots=True)
class Page:
    """A whole page of figures, as it is shown and as it is exported."""

    name: str
    title: str
    tiles: list[Tile] = field(default_factory=list)
    panels: list[Panel] = field(default_factory=list)
    extra: Mapping[str, Any] = field(default_factory=dict)

    def tables(self, shown: Shown, title: str) -> list[tuple[str, Table]]:
        """Everything that is seen as tables with their titles; the tiles under ``title``."""
        found = [(title, tiles_table(shown, self.tiles))] if self.tiles else []
        return found + [(panel.title, panel.table) for panel in self.panels]


def tiles_table(shown: Shown, tiles: Sequence[Tile]) -> Table:
    """Tiles as a table."""
    words = shown.words
    heads = [
        words("dash.figure"), words("dash.value"), words("dash.low"), words("dash.high"), words("dash.n"),
        words("dash.rate"), words("dash.before"), words("dash.change"),
    ]  # fmt: skip
    none = shown.cell(None)
    return Table(
        heads,
        [
            [
                shown.cell(tile.title), tile.value, tile.low or none, tile.high or none, tile.n or none,
                tile.rate or none, tile.before or none, shown.cell(tile.change.text),
            ]
            for tile in tiles
        ],
    )  # fmt: skip


def ticks(shown: Shown, unit: Unit, low: float, high: float) -> list[tuple[float, str]]:
    """Round values that span a range, evenly, with their words."""
    if high <= low:
        high = low + 1
    step = _round_step((high - low) / TICKS, unit)
    begin, end = math.floor(low / step), math.ceil(high / step - 1e-9)
    return [(round(place * step, 9), shown.text(round(place * step, 9), unit)) for place in range(begin, end + 1)]


def _round_step(step: float, unit: Unit) -> float:
    if unit == "seconds":
        lengths = (1, 5, 15, 30, 60, 300, 900, 1800, 3600, 7200, 14400, 28800, 86400, 172800, 604800, 2592000)
        return float(next((length for length in lengths if length >= step), step))
    size = 10.0 ** math.floor(math.log10(step))
    rounded = next(size * factor for factor in (1, 2, 2.5, 5, 10) if size * factor >= step - 1e-12)
    return max(1.0, rounded) if unit == "count" else rounded


def scale_ticks(shown: Shown, kind: str) -> list[tuple[float, str]]:
    """The whole scale of a score."""
    values = {"csat": (0.0, 0.25, 0.5, 0.75, 1.0), "nps": (-100, -50, 0, 50, 100), "ces": (1, 2, 3, 4, 5, 6, 7)}[kind]
    unit: Unit = "share" if kind == "csat" else "count"
    return [(value, shown.text(value, unit)) for value in values]


def spread(shown: Shown, unit: Unit, values: Sequence[float | None]) -> list[tuple[float, str]]:
    """Ticks from nothing to the largest of some values; shares up to the whole."""
    most = max((value for value in values if value is not None), default=0.0)
    found = ticks(shown, unit, 0, most)
    return [tick for tick in found if tick[0] <= 1] if unit == "share" and most <= 1 else found
