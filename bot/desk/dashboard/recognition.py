"""The page about what customers write: how well each language is understood, and when it comes."""

from __future__ import annotations

from collections.abc import Sequence

from babel.dates import get_day_names
from sqlalchemy.ext.asyncio import AsyncSession

from bot.desk.dashboard.asked import View
from bot.desk.dashboard.panels import Page, Panel, Series, Table, drawn, spread
from bot.desk.dashboard.shown import Shown
from bot.storage import figures
from bot.storage.figures import Busiest, Understanding


def _understanding(shown: Shown, view: View, found: Sequence[Understanding]) -> Panel:
    words = shown.words
    heads = [
        words.label("dimension", "language"), words("dash.messages_head"), words("dash.fallbacks"),
        words("dash.fallback_rate"), words("dash.low"), words("dash.high"), words("dash.confidence_mean"),
        words("dash.confidence_median"), words("dash.corrected"),
    ]  # fmt: skip
    rows = [
        [
            shown.cell(words.language_of(item.language), link=view.behind("understanding", item.language)),
            shown.cell(item.messages, "count"),
            shown.cell(item.fallbacks, "count", view.behind("understanding", f"{item.language}:fallback")),
            shown.cell(item.fallback_rate, "share"),
            shown.cell(item.low, "share"),
            shown.cell(item.high, "share"),
            shown.cell(item.mean_confidence, "share"),
            shown.cell(item.median_confidence, "share"),
            shown.cell(item.corrected, "count"),
        ]
        for item in found
    ]
    rates = [item.fallback_rate for item in found]
    chart = drawn(
        "rows",
        words("dash.fallback_label"),
        [words.language_of(item.language) for item in found],
        [Series(words("dash.fallback_rate"), rates, [shown.text(rate, "share") for rate in rates])],
        spread(shown, "share", rates),
        [view.behind("understanding", f"{item.language}:fallback") for item in found],
    )
    return Panel("understanding", words.label("work", "understanding"), Table(heads, rows), chart, wide=True)


def _busiest(shown: Shown, view: View, found: Busiest) -> Panel:
    words = shown.words
    days = get_day_names("abbreviated", "stand-alone", words.locale)
    heads = [words("dash.weekday"), *(f"{hour:02}" for hour in range(24))]
    rows = [
        [
            shown.cell(str(days[weekday])),
            *(
                shown.cell(count, "count", view.behind("busiest", f"{weekday}:{hour}") if count else "")
                for hour, count in enumerate(hours)
            ),
        ]
        for weekday, hours in enumerate(found.counts)
    ]
    note = words("dash.busiest_note", zone=view.chosen.zone)
    most = max(found.most, 1)
    return Panel("busiest", words.label("work", "busiest"), Table(heads, rows), note=note, wide=True, heat=most)


async def build(session: AsyncSession, view: View) -> Page:
    """The figures of the page."""
    shown = Shown(view.words)
    page = Page("recognition", shown.words("dash.recognition"))
    page.panels = [
        _understanding(shown, view, await figures.understanding(session, view.filters)),
        _busiest(shown, view, await figures.busiest(session, view.filters)),
    ]
    return page
