"""The dashboard's pages, its files, and comments in the reader's language."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from urllib.parse import urlencode

from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import RedirectResponse, Response

from bot.desk.dashboard import operations, overview, recognition, scores
from bot.desk.dashboard.asked import COMPARISONS, View, choices, own_teams, view_of, zones
from bot.desk.dashboard.behind import narrowed_words
from bot.desk.dashboard.exports import csv_of, xlsx_of
from bot.desk.dashboard.panels import Page
from bot.desk.dashboard.shown import Shown
from bot.desk.export import TYPES
from bot.desk.pages import NOT_FOUND, PageError, Visit, from_htmx
from bot.services import translations
from bot.services.privacy import ERASED
from bot.storage import figures, now, reports
from bot.storage.figures import BUCKETS, DIMENSIONS, KINDS, PERIODS, Comment, Kind
from bot.storage.models import Survey

log = logging.getLogger(__name__)

OVERVIEW, OPERATIONS, RECOGNITION = "overview", "operations", "recognition"
PAGES = (OVERVIEW, *KINDS, OPERATIONS, RECOGNITION)
# So many translated comments are kept in memory.
MOST_TRANSLATED = 2000
_translated: OrderedDict[tuple[int, str, str], str] = OrderedDict()


def _kind(name: str) -> Kind | None:
    return next((kind for kind in KINDS if kind == name), None)


async def _build(session: AsyncSession, view: View, name: str) -> Page:
    kind = _kind(name)
    if kind is not None:
        return await scores.build(session, view, kind)
    if name == OPERATIONS:
        return await operations.build(session, view)
    if name == RECOGNITION:
        return await recognition.build(session, view)
    if name == OVERVIEW:
        return await overview.build(session, view)
    raise PageError(*NOT_FOUND)


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


async def _people(session: AsyncSession, items: list[Comment]) -> dict[int, str]:
    return await reports.names_of(session, {item.agent_id for item in items if item.agent_id is not None})


async def _page(visit: Visit, name: str) -> Response:
    view = view_of(visit)
    kind = _kind(name)
    comments: list[Comment] = []
    older: int | None = None
    # One session for the whole page: what one figure has read serves the next.
    async with visit.desk.database.read() as session:
        page = await _build(session, view, name)
        options = await choices(session, view, kind or "csat")
        narrowed = await narrowed_words(session, view)
        looked = await figures.as_of(session)
        if kind is not None:
            comments, older = await scores.comments_of(
                session, view, kind, _number(visit.request.query_params.get("before", ""))
            )
        people = await _people(session, comments)
    shown = Shown(view.words)
    speaks = {visit.words.language, *translations.spoken(visit.me)}
    # Thousands of cells take a while: messages are answered meanwhile.
    return await asyncio.to_thread(
        visit.render,
        f"dashboard/{'score' if kind is not None else name}.html",
        w=view.words,
        view=view,
        page=page,
        shown=shown,
        kind=kind or "",
        choices=options,
        pages=PAGES,
        periods=PERIODS,
        comparisons=COMPARISONS,
        buckets=BUCKETS,
        dimensions=DIMENSIONS,
        zones=zones(),
        narrowed=narrowed,
        period=shown.period(*view.chosen.days()),
        before=shown.period(*view.before.days()) if view.before is not None else "",
        days=view.chosen.days(),
        looked=looked,
        comments=comments,
        older=f"{view.link(name)}&{urlencode({'before': older})}" if older is not None else "",
        people=people,
        speaks=speaks,
        translator=visit.desk.translator is not None,
        query=urlencode(view.params()),
    )


async def first(visit: Visit) -> Response:
    """The overview."""
    return await _page(visit, OVERVIEW)


async def show(visit: Visit) -> Response:
    """One of the other pages."""
    name = visit.request.path_params["page"]
    if name not in PAGES or name == OVERVIEW:
        raise PageError(*NOT_FOUND)
    return await _page(visit, name)


async def moved(visit: Visit) -> Response:
    """Where the results of surveys stood before."""
    return RedirectResponse("/desk/dashboard/csat", 307)


async def export(visit: Visit) -> Response:
    """A page as a file: exactly its figures, with the comments of a score's page."""
    name, format = visit.request.path_params["page"], visit.request.path_params["format"]
    if name not in PAGES or format not in TYPES:
        raise PageError(*NOT_FOUND)
    view = view_of(visit)
    kind = _kind(name)
    shown = Shown(view.words)
    async with visit.desk.database.read() as session:
        page = await _build(session, view, name)
        tables = page.tables(shown, view.words("dash.figures"))
        if kind is not None:
            before = _number(visit.request.query_params.get("before", ""))
            comments, _ = await scores.comments_of(session, view, kind, before)
            table = scores.comments_table(shown, comments, await _people(session, comments))
            tables.append((view.words("dash.comments"), table))
        about = _about(shown, view, page, await narrowed_words(session, view))
    data = await asyncio.to_thread(csv_of if format == "csv" else xlsx_of, about, tables, view.chosen.tz)
    # Only who took what: no figure and no word of a customer.
    log.info("%s exported the dashboard's %s as %s", visit.me.username, name, format)
    file = f"{name}-{view.chosen.days()[0]}-{view.chosen.days()[1]}.{format}"
    return Response(data, media_type=TYPES[format], headers={"content-disposition": f'attachment; filename="{file}"'})


def _about(shown: Shown, view: View, page: Page, narrowed: list[str]) -> list[tuple[str, str]]:
    """What a file is about: the shop, the page, the period, the zone, the filters, when it was made."""
    words = view.words
    found = [
        (view.visit.shop, page.title),
        (words("dash.period"), shown.period(*view.chosen.days())),
        (words("dash.zone"), view.chosen.zone),
    ]
    if view.before is not None:
        found.append((words("dash.compared"), shown.period(*view.before.days())))
    if narrowed:
        found.append((words("dash.filters"), "; ".join(narrowed)))
    if view.own is not None:
        found.append((words("dash.teams"), ", ".join(team.name for team in view.own)))
    return [*found, (words("dash.made"), words.full(now()))]


async def translation(visit: Visit) -> Response:
    """A comment in the reader's language; the part of a page, or a page of its own without a script."""
    number, language = visit.id(), visit.words.language
    async with visit.desk.database.read() as session:
        survey = await session.get(Survey, number)
    own = own_teams(visit.desk.config.settings, visit.me)
    if survey is None or not survey.comment or survey.comment == ERASED:
        raise PageError(*NOT_FOUND)
    if own is not None and survey.team not in {team.name for team in own}:
        raise PageError(*NOT_FOUND)
    key = (number, survey.comment, language)
    text = _translated.get(key)
    if text is None:
        text = await translations.of_text(visit.desk.translator, survey.comment, survey.language, language)
        if text:
            _translated[key] = text
            while len(_translated) > MOST_TRANSLATED:
                _translated.popitem(last=False)
    template = "_translation.html" if from_htmx(visit.request) else "translation.html"
    return visit.render(f"dashboard/{template}", text=text, original=survey)


__all__ = ["export", "first", "moved", "show", "translation"]
