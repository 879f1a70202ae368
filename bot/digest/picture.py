"""The digest's picture: CSAT by day with its interval, and how many answers it rests on."""

from __future__ import annotations

import io
import logging
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

log = logging.getLogger(__name__)

# Tried in this order; then whatever else is installed.
FONTS = ("DejaVu Sans", "Noto Sans", "Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Serif CJK SC", "WenQuanYi Zen Hei")
# It has a sign for every letter there is, and all of them say that the letter is missing.
PLACEHOLDERS = "Last Resort"
BLUE, GREY, INK = "#1f5fa8", "#9aa5b1", "#1d2733"


@dataclass(frozen=True, slots=True)
class Bar:
    """One day: its label, the share with its interval (None of nothing), and the number of answers."""

    label: str
    value: float | None
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True, slots=True)
class Labels:
    """The picture's words."""

    title: str
    score: str
    answers: str


def _plain(text: str) -> bool:
    """Whether a text can be set letter by letter: scripts that join letters or run leftwards cannot be."""
    return not any(
        unicodedata.bidirectional(char) in ("R", "AL", "AN") or "DEVANAGARI" in unicodedata.name(char, "")
        for char in text
    )


@lru_cache(maxsize=64)
def font_of(text: str) -> str | None:
    """The file of an installed font that has every letter of a text; None if there is none."""
    if not _plain(text):
        return None
    from matplotlib.font_manager import fontManager
    from matplotlib.ft2font import FT2Font

    letters = {ord(char) for char in text if not char.isspace()}
    known = [entry for entry in fontManager.ttflist if entry.style == "normal" and entry.weight in (400, "normal")]
    known.sort(key=lambda entry: (FONTS.index(entry.name) if entry.name in FONTS else len(FONTS), entry.fname))
    tried = set()
    for entry in known:
        if entry.fname in tried or entry.name.startswith(PLACEHOLDERS):
            continue
        tried.add(entry.fname)
        try:
            font = FT2Font(entry.fname)
            if all(font.get_char_index(letter) for letter in letters):
                return str(entry.fname)
        except (OSError, RuntimeError):
            continue
    return None


def draw(bars: Sequence[Bar], labels: Labels, english: Labels) -> bytes | None:
    """A PNG; None where the ``reports`` extra is not installed.

    Args:
        bars: the days in their order.
        labels: the words in the reader's language.
        english: the words for where no font that is installed has the letters of those.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
        from matplotlib.font_manager import FontProperties
    except ImportError:
        log.warning("digests have no picture: install linguadesk[reports]")
        return None
    used = labels
    file = font_of("".join((labels.title, labels.score, labels.answers, *(bar.label for bar in bars), "0123456789%")))
    if file is None:
        used = english
        bars = [Bar(str(number), bar.value, bar.low, bar.high, bar.n) for number, bar in enumerate(bars, 1)]
    font = FontProperties(fname=file) if file else FontProperties()
    figure = Figure(figsize=(8, 4.5), dpi=120, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    upper, lower = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": [3, 1]})
    places = range(len(bars))
    known = [(place, bar) for place, bar in zip(places, bars, strict=True) if bar.value is not None]
    for place, bar in known:
        if bar.low is not None and bar.high is not None:
            upper.plot([place, place], [100 * bar.low, 100 * bar.high], color=GREY, linewidth=2)
    at, shares = [place for place, _ in known], [100 * (bar.value or 0) for _, bar in known]
    upper.plot(at, shares, color=BLUE, marker="o")
    upper.set_ylim(0, 105)
    upper.set_ylabel(f"{used.score} %", fontproperties=font)
    upper.set_title(used.title, fontproperties=font, color=INK, fontsize=13, loc="left")
    lower.bar(list(places), [bar.n for bar in bars], color=BLUE)
    lower.set_ylabel(used.answers, fontproperties=font)
    lower.set_xticks(list(places), [bar.label for bar in bars], fontproperties=font)
    for axes in (upper, lower):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="#e3e7eb")
        axes.set_axisbelow(True)
    out = io.BytesIO()
    figure.savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()
