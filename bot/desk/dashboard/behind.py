"""The surveys, tickets and conversations behind a figure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from bot.desk.dashboard.asked import View, value_words, view_of
from bot.desk.dashboard.panels import Table
from bot.desk.dashboard.shown import Cell, Shown
from bot.desk.pages import NOT_FOUND, PageError, Visit
from bot.storage import figures, reports
from bot.storage.figures import Drilled, Figure
from bot.storage.models import ticket_number

# What is told of each thing, in this order.
DETAILS = (
    "score", "state", "subject", "part", "type", "status", "reason", "outcome", "kept", "seconds", "language", "due_at",
)  # fmt: skip


def address_of(item: Drilled) -> str:
    """Where a thing is found in the desk."""
    if item.what == "ticket":
        return f"/desk/tickets/{item.id}"
    ticket = item.detail.get("ticket")
    if item.what == "survey" and ticket:
        return f"/desk/tickets/{ticket}"
    return f"/desk/conversations/{item.conversation_id}"


def _detail(shown: Shown, name: str, detail: Mapping[str, Any]) -> Cell:
    """One thing that is known, as it is read."""
    value, words = detail.get(name), shown.words
    if value is None or value == "":
        return shown.cell(None)
    if isinstance(value, datetime):
        return shown.cell(value, "moment")
    if name == "seconds":
        return shown.cell(int(value), "seconds")
    if name == "kept":
        return shown.cell(words("dash.kept_head") if value else words("dash.missed_head"))
    if name == "language":
        return shown.cell(words.language_of(str(value)))
    if isinstance(value, (int, float)):
        return shown.cell(value, "count" if isinstance(value, int) else "decimal")
    return shown.cell(words.label(GROUPS.get(name, name), str(value)))


# The page that a figure stands on, if that is not the one about operations.
PAGE_OF = {kind: str(kind) for kind in figures.KINDS} | {
    "follow_ups": "", "understanding": "recognition", "busiest": "recognition",
}  # fmt: skip
# By which group the values of a detail are labelled.
GROUPS = {"state": "survey_state", "subject": "intent"}


def table_of(shown: Shown, found: figures.Page) -> Table:
    """What was found, as a table."""
    words = shown.words
    details = [name for name in DETAILS if any(item.detail.get(name) not in (None, "") for item in found.items)]
    heads = [words("dash.what"), words("dash.name"), words.label("dimension", "channel"), words("dash.at")]
    rows = []
    for item in found.items:
        title = ticket_number(item.id) if item.what == "ticket" else f"{words.label('what', item.what)} {item.id}"
        rows.append(
            [
                shown.cell(title, link=address_of(item)),
                shown.cell(item.name),
                shown.cell(words.channel(item.channel)),
                shown.cell(item.at, "moment"),
                *(_detail(shown, name, item.detail) for name in details),
            ]
        )
    return Table([*heads, *(words.label("detail", name) for name in details)], rows)


def figure_of(visit: Visit) -> Figure:
    """The figure in the path. Raises :class:`PageError` for one that there is not."""
    asked = visit.request.path_params["figure"]
    for figure in figures.FIGURES:
        if figure == asked:
            return figure
    raise PageError(*NOT_FOUND)


def figure_title(shown: Shown, figure: Figure) -> str:
    """What a figure is called."""
    words = shown.words
    if figure in figures.KINDS:
        return words.label("score", figure)
    return words("dash.follow_ups") if figure == "follow_ups" else words.label("work", figure)


def part_words(shown: Shown, figure: Figure, cell: str) -> str:
    """What a part of a figure is called, ``""`` for all of it."""
    words = shown.words
    if not cell:
        return ""
    first, _, second = cell.partition(":")
    if figure == "busiest":
        return f"{words.label('weekday', first)}, {second.zfill(2)}:00"
    if figure == "promises":
        kept = words("dash.missed_head") if second == "missed" else words("dash.kept_head")
        return f"{words.label('clock', first)}: {kept}"
    if figure == "understanding":
        return words.language_of(first) + (": " + words("dash.fallbacks") if second else "")
    if figure in figures.KINDS:
        return words.label("survey_state", cell) if not cell.isdigit() else words("dash.gave", score=cell)
    group = {"follow_ups": "follow_up", "backlog": "status", "containment": "part", "handoff_reasons": "reason"}
    return words.label(group.get(figure, "dash"), cell)


async def find(session: AsyncSession, view: View, figure: Figure, cell: str, page: int) -> figures.Page:
    """What is behind a figure. Raises :class:`PageError` for a part that it does not have."""
    try:
        return await figures.drill(session, figure, view.filters, cell, page)
    except ValueError:
        raise PageError(*NOT_FOUND) from None


async def show(visit: Visit) -> Response:
    """The page."""
    view = view_of(visit)
    figure, cell = figure_of(visit), visit.request.query_params.get("cell", "")[:120]
    async with visit.desk.database.read() as session:
        found = await find(session, view, figure, cell, visit.page_number())
        narrowed = await narrowed_words(session, view)
    shown = Shown(view.words)
    kept = urlencode(view.params() + ([("cell", cell)] if cell else []))
    return visit.render(
        "dashboard/behind.html",
        w=view.words,
        view=view,
        title=figure_title(shown, figure),
        part=part_words(shown, figure, cell),
        table=table_of(shown, found),
        found=found,
        kept=kept,
        figure=figure,
        period=shown.period(*view.chosen.days()),
        narrowed=narrowed,
        back=view.link(PAGE_OF.get(figure, "operations")),
    )


async def narrowed_words(session: AsyncSession, view: View) -> list[str]:
    """What the filters are narrowed to, in words."""
    people = {}
    for number in view.chosen.agents:
        user = await reports.user_by_id(session, number)
        people[number] = user.name if user is not None else ""
    return [
        f"{view.words.label('dimension', by)}: "
        + ", ".join(value_words(view.words, by, value, people.get(value, "")) for value in values)
        for by, values in view.chosen.narrowed.items()
    ]
