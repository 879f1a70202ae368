"""A page's figures as a file: the tables that are seen, one after the other (CSV) or a sheet each (XLSX).

Numbers stay numbers: a share of 80 % is 0.8, a length of time is told in seconds in CSV and as a duration
in a spreadsheet. Times stand on the clock of the chosen zone.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import xlsxwriter

from bot.desk.dashboard.panels import Table
from bot.desk.dashboard.shown import Cell
from bot.desk.export import MOST_IN_CELL, harmless

BOM = b"\xef\xbb\xbf"
DAY_SECONDS = 86_400
# What the name of a sheet cannot have, nor be longer than.
_NOT_IN_NAMES = re.compile(r"[\[\]:*?/\\]")
MOST_IN_NAME = 31
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_FORMATS = {
    "share": "0.0%",
    "nps": "0.0",
    "points": "0.0",
    "decimal": "0.0",
    "mean": "0.00",
    "count": "#,##0",
    "seconds": "[h]:mm:ss",
    "moment": "yyyy-mm-dd hh:mm",
    "day": "yyyy-mm-dd",
}

Titled = tuple[str, Table]


def _plain(cell: Cell, zone: ZoneInfo) -> str | int | float:
    value = cell.value
    if value is None:
        return harmless(cell.text) if cell.text.strip("–") else ""
    if isinstance(value, datetime):
        return value.astimezone(zone).strftime("%Y-%m-%d %H:%M")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, str):
        return harmless(value)
    return round(value, 6) if isinstance(value, float) else value


def csv_of(about: Sequence[tuple[str, str]], tables: Iterable[Titled], zone: ZoneInfo) -> bytes:
    """All tables in one text: what they are about, then each under its title."""
    text = io.StringIO()
    writer = csv.writer(text)
    for name, value in about:
        writer.writerow([harmless(name), harmless(value)])
    for title, table in tables:
        writer.writerow([])
        writer.writerow([harmless(title)])
        writer.writerow([harmless(head) for head in table.heads])
        writer.writerows([_plain(cell, zone) for cell in row] for row in table.rows)
    return BOM + text.getvalue().encode()


def sheet_names(titles: Iterable[str]) -> list[str]:
    """Names that a spreadsheet takes, none twice."""
    found: list[str] = []
    for title in titles:
        base = _NOT_IN_NAMES.sub(" ", title).strip().strip("'")[:MOST_IN_NAME] or "-"
        name, number = base, 2
        while name.casefold() in {one.casefold() for one in found}:
            tail = f" {number}"
            name, number = base[: MOST_IN_NAME - len(tail)] + tail, number + 1
        found.append(name)
    return found


def _write(sheet: Any, formats: dict[str, Any], place: tuple[int, int], cell: Cell, zone: ZoneInfo) -> None:
    value, style = cell.value, formats.get(cell.unit)
    if isinstance(value, datetime):
        sheet.write_datetime(*place, value.astimezone(zone).replace(tzinfo=None, microsecond=0), style)
    elif isinstance(value, date):
        sheet.write_datetime(*place, datetime(value.year, value.month, value.day), style)  # noqa: DTZ001
    elif isinstance(value, (int, float)):
        sheet.write_number(*place, value / DAY_SECONDS if cell.unit == "seconds" else value, style)
    elif isinstance(value, str) or cell.text.strip("–"):
        sheet.write_string(*place, _CONTROL.sub("", value or cell.text)[:MOST_IN_CELL])


def xlsx_of(about: Sequence[tuple[str, str]], tables: Sequence[Titled], zone: ZoneInfo) -> bytes:
    """A sheet a table, and a first one about them."""
    file = io.BytesIO()
    book = xlsxwriter.Workbook(file, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False})
    bold = book.add_format({"bold": True})
    formats = {unit: book.add_format({"num_format": pattern}) for unit, pattern in _FORMATS.items()}
    names = sheet_names(["·", *(title for title, _ in tables)])
    first = book.add_worksheet(names[0])
    first.set_column(0, 1, 30)
    for number, (name, value) in enumerate(about):
        first.write_string(number, 0, name, bold)
        first.write_string(number, 1, value)
    for name, (_, table) in zip(names[1:], tables, strict=True):
        sheet = book.add_worksheet(name)
        sheet.freeze_panes(1, 1)
        sheet.set_column(0, 0, 30)
        sheet.set_column(1, max(1, len(table.heads) - 1), 16)
        for column, head in enumerate(table.heads):
            sheet.write_string(0, column, head, bold)
        for number, row in enumerate(table.rows, 1):
            for column, cell in enumerate(row):
                _write(sheet, formats, (number, column), cell, zone)
    book.close()
    return file.getvalue()
