"""Lists as files: what is seen, in the user's language, as CSV or as a spreadsheet.

Rows are read a few hundred at a time, each batch in a short transaction of its own, so that neither
the memory nor the database notices how many there are.
"""

from __future__ import annotations

import asyncio
import csv
import io
import logging
import re
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from datetime import datetime
from typing import IO, Any, TypeAlias
from zoneinfo import ZoneInfo

import xlsxwriter
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.background import BackgroundTask
from starlette.responses import Response, StreamingResponse

from bot.desk.lists import conversations_asked, known, tickets_asked
from bot.desk.lookup import asked_for
from bot.desk.pages import NOT_FOUND, PageError, Visit
from bot.storage import lists, now, reports, search
from bot.storage.indexing import Kind
from bot.storage.lists import ConversationItem, Place, TicketItem

log = logging.getLogger(__name__)

BATCH = 500
# A spreadsheet holds no more rows, a cell no more characters.
MOST_ROWS = 1_048_575
MOST_IN_CELL = 32_767
# Of a search, whose order is by time alone, so many of each kind.
MOST_FOUND = 5000
CHUNK = 1 << 16
TYPES = {"csv": "text/csv; charset=utf-8", "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"}
# What a spreadsheet would take for a formula, also after blanks and in full width.
_FORMULA = re.compile(r"\s*[=+\-@＝＋－＠]|[\t\r\n]")
# No file of XML can have these.
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")

Cell: TypeAlias = "str | int | datetime | None"
Row: TypeAlias = "Sequence[Cell]"
Rows: TypeAlias = AsyncIterator[list[Row]]
Items: TypeAlias = Callable[[AsyncSession, Sequence[int]], Awaitable[Sequence[Any]]]

TICKET_COLUMNS = (
    "number", "status", "type", "severity", "customer", "channel", "language", "order", "team", "agent", "due",
    "missed", "created", "changed", "root_cause", "resolution", "description",
)  # fmt: skip
CONVERSATION_COLUMNS = ("number", "customer", "channel", "language", "owner", "agent", "latest", "message")
SEARCH_COLUMNS = ("kind", "number", "customer", "channel", "language", "created", "message", "conversation")


def harmless(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    return "'" + text if _FORMULA.match(text) else text


class _Sheet:
    """How values are written for the user who looks."""

    def __init__(self, visit: Visit) -> None:
        self._words = visit.words
        self._zone = ZoneInfo(visit.desk.config.settings.shop.timezone)

    def moment(self, value: datetime | None) -> datetime | None:
        """A time on the shop's clock, to the minute."""
        return value.astimezone(self._zone).replace(tzinfo=None, second=0, microsecond=0) if value else None

    def ticket(self, item: TicketItem) -> Row:
        """A ticket's row."""
        words, ticket = self._words, item.ticket
        return (
            ticket.number,
            words.label("status", ticket.status.value),
            words.label("type", ticket.type.value),
            words.label("severity", ticket.severity.value),
            item.name,
            words.channel(item.channel),
            words.language_of(ticket.language),
            ticket.order_number,
            ticket.team,
            item.agent_name,
            self.moment(item.due_at),
            words.label("due", "missed") if item.missed else "",
            self.moment(ticket.created_at),
            self.moment(ticket.updated_at),
            ticket.root_cause,
            ticket.resolution,
            ticket.description,
        )

    def conversation(self, item: ConversationItem) -> Row:
        """A conversation's row."""
        words = self._words
        return (
            item.id,
            item.name,
            words.channel(item.channel),
            words.language_of(item.language),
            words.label("owner", item.owner.value),
            item.agent_name,
            self.moment(item.updated_at),
            item.excerpt,
        )

    def hit(self, item: search.Hit) -> Row:
        """A search result's row."""
        words = self._words
        return (
            words.label("search.kind", item.kind.name.lower()),
            item.title if item.kind in (Kind.TICKET, Kind.ORDER) else "",
            item.detail.get("name", "") if item.kind in (Kind.TICKET, Kind.ORDER) else item.title,
            words.channel(item.channel) if item.channel else "",
            words.language_of(item.language) if item.language else "",
            self.moment(item.at),
            "".join(text for text, _ in item.pieces),
            item.conversation_id,
        )

    def heads(self, columns: Iterable[str]) -> Row:
        """The words above the columns."""
        return [self._words.label("export", name) for name in columns]


def _csv_lines(rows: Iterable[Row]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text)
    for row in rows:
        writer.writerow(
            [
                value.strftime("%Y-%m-%d %H:%M") if isinstance(value, datetime) else
                harmless(value) if isinstance(value, str) else "" if value is None else value
                for value in row
            ]
        )  # fmt: skip
    return text.getvalue().encode()


async def _csv(heads: Row, rows: Rows, done: _Count) -> AsyncIterator[bytes]:
    # The mark at the beginning tells spreadsheets that it is UTF-8.
    yield b"\xef\xbb\xbf" + _csv_lines([heads])
    async for batch in rows:
        done.rows += len(batch)
        yield await asyncio.to_thread(_csv_lines, batch)
    done.say()


class _Count:
    """How much was taken out, and by whom: for the log, which gets nothing else."""

    def __init__(self, visit: Visit, what: str, format: str) -> None:
        self.rows = 0
        self._said = (visit.me.username, what, format)

    def say(self) -> None:
        """Write it down."""
        log.info("%s exported %d rows of %s as %s", self._said[0], self.rows, *self._said[1:])


def _write(sheet: Any, book_formats: tuple[Any, Any], number: int, row: Row, head: bool = False) -> None:
    bold, dated = book_formats
    for column, value in enumerate(row):
        if isinstance(value, datetime):
            sheet.write_datetime(number, column, value, dated)
        elif isinstance(value, int):
            sheet.write_number(number, column, value)
        elif value:
            sheet.write_string(number, column, _CONTROL.sub("", value)[:MOST_IN_CELL], bold if head else None)


async def _xlsx(heads: Row, rows: Rows, done: _Count) -> IO[bytes]:
    """The spreadsheet as a file that is gone once it is closed; rows go to the disk as they come."""
    # It is read long after this returns.
    file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "in_memory": False}
    book = xlsxwriter.Workbook(file, options)
    sheet = book.add_worksheet()
    formats = (book.add_format({"bold": True}), book.add_format({"num_format": "yyyy-mm-dd hh:mm"}))
    sheet.freeze_panes(1, 0)
    sheet.set_column(0, len(heads) - 1, 18)
    _write(sheet, formats, 0, heads, head=True)

    def write(batch: list[Row]) -> None:
        for row in batch[: MOST_ROWS - done.rows]:
            done.rows += 1
            _write(sheet, formats, done.rows, row)

    try:
        async for batch in rows:
            await asyncio.to_thread(write, batch)
            if done.rows >= MOST_ROWS:
                break
        await asyncio.to_thread(book.close)
    except BaseException:
        file.close()
        raise
    file.seek(0)
    done.say()
    return file


async def _pieces(file: IO[bytes]) -> AsyncIterator[bytes]:
    while piece := await asyncio.to_thread(file.read, CHUNK):
        yield piece


async def _answer(visit: Visit, what: str, format: str, columns: Sequence[str], rows: Rows) -> Response:
    """The file, sent while it is being made (CSV) or once it is (XLSX)."""
    if format not in TYPES:
        raise PageError(*NOT_FOUND)
    heads, done = _Sheet(visit).heads(columns), _Count(visit, what, format)
    name = f"{what}-{now():%Y-%m-%d}.{format}"
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    if format == "csv":
        return StreamingResponse(_csv(heads, rows, done), media_type=TYPES[format], headers=headers)
    file = await _xlsx(heads, rows, done)
    closing = BackgroundTask(file.close)
    return StreamingResponse(_pieces(file), media_type=TYPES[format], headers=headers, background=closing)


async def _these(visit: Visit, ids: Sequence[int], items: Items, row: Callable[[Any], Row]) -> Rows:
    """The rows of these ids."""
    for start in range(0, len(ids), BATCH):
        async with visit.desk.database.read() as session:
            found = await items(session, ids[start : start + BATCH])
        yield [row(item) for item in found]


async def _paged(
    visit: Visit,
    page: Callable[[AsyncSession, Place | None], Awaitable[lists.Listed]],
    items: Items,
    row: Callable[[Any], Row],
) -> Rows:
    """The rows of a whole list, page by page."""
    place: Place | None = None
    while True:
        async with visit.desk.database.read() as session:
            listed = await page(session, place)
            found = await items(session, listed.items)
        yield [row(item) for item in found]
        place = Place.read(listed.older)
        if place is None:
            return


async def tickets(visit: Visit) -> Response:
    """The list of tickets as it is filtered, all of it."""
    format, query = visit.request.path_params["format"], visit.request.query_params
    async with visit.desk.database.read() as session:
        asked = tickets_asked(visit, await known(session, topics=True), query)
    sheet = _Sheet(visit)

    async def page(session: AsyncSession, place: Place | None) -> lists.Listed:
        return await lists.ticket_ids(session, asked.wanted, asked.sort, place, BATCH)

    rows = _paged(visit, page, lists.ticket_items, sheet.ticket)
    return await _answer(visit, "tickets", format, TICKET_COLUMNS, rows)


async def conversations(visit: Visit) -> Response:
    """The list of conversations as it is filtered, all of it."""
    format, query = visit.request.path_params["format"], visit.request.query_params
    async with visit.desk.database.read() as session:
        asked = conversations_asked(visit, await known(session), query)
    sheet = _Sheet(visit)

    async def page(session: AsyncSession, place: Place | None) -> lists.Listed:
        return await lists.conversation_ids(session, asked.wanted, asked.sort, place, BATCH)

    rows = _paged(visit, page, lists.conversation_items, sheet.conversation)
    return await _answer(visit, "conversations", format, CONVERSATION_COLUMNS, rows)


async def chosen_tickets(visit: Visit, format: str, ids: Sequence[int]) -> Response:
    """These tickets."""
    rows = _these(visit, ids, lists.ticket_items, _Sheet(visit).ticket)
    return await _answer(visit, "tickets", format, TICKET_COLUMNS, rows)


async def chosen_conversations(visit: Visit, format: str, ids: Sequence[int]) -> Response:
    """These conversations."""
    rows = _these(visit, ids, lists.conversation_items, _Sheet(visit).conversation)
    return await _answer(visit, "conversations", format, CONVERSATION_COLUMNS, rows)


async def found(visit: Visit) -> Response:
    """What a search finds, the latest :data:`MOST_FOUND` of each kind."""
    format = visit.request.path_params["format"]
    async with visit.desk.database.read() as session:
        asked = asked_for(visit, await reports.channels(session))
    sheet = _Sheet(visit)

    async def rows() -> Rows:
        for kind in asked.kinds:
            before: int | None = None
            for _ in range(MOST_FOUND // BATCH):
                async with visit.desk.database.read() as session:
                    page = await search.find(session, asked.query, kind, asked.narrowed, BATCH, before)
                yield [sheet.hit(item) for item in page.hits]
                before = page.before
                if before is None:
                    break

    return await _answer(visit, "search", format, SEARCH_COLUMNS, rows())
