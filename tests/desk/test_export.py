"""Lists as files: complete, readable in a spreadsheet, and harmless there."""

from __future__ import annotations

import csv
import io
import logging
import zipfile
from xml.etree import ElementTree

import pytest

from bot.desk import export
from bot.storage.indexing import catch_up
from bot.storage.models import Severity
from tests.desk.office import Office

FORMULA = '=HYPERLINK("http://evil.test","x")'


def rows_of(text: str) -> list[list[str]]:
    """A CSV file's rows."""
    return list(csv.reader(io.StringIO(text.removeprefix("\ufeff"))))


def cells_of(content: bytes) -> tuple[list[list[str]], bool]:
    """A spreadsheet's rows as a program reads them, and whether there is any formula."""
    space = {"s": "http://schemas.openxmlformats.org/spreadsheetml/2006/main"}
    with zipfile.ZipFile(io.BytesIO(content)) as book:
        sheet = ElementTree.fromstring(book.read("xl/worksheets/sheet1.xml"))
    rows = [
        [
            "".join(part.text or "" for part in cell.iter() if part.tag.endswith(("}t", "}v")))
            for cell in row.findall("s:c", space)
        ]
        for row in sheet.iter(f"{{{space['s']}}}row")
    ]
    return rows, any(item.tag.endswith("}f") for item in sheet.iter())


async def test_tickets_as_csv_say_what_is_seen(office: Office) -> None:
    """In the user's language, with a mark for UTF-8, filtered as the list, all pages."""
    talk = await office.writes("Zoë", "hi")
    for number in range(30):
        await office.complains(talk, f"Line {number}\nwith, comma", Severity.LOW if number % 2 else Severity.HIGH)
    async with office.signed_in("ana") as client:
        answer = await client.get("/desk/export/tickets.csv?severity=low&sort=oldest")
        assert answer.headers["content-type"].startswith("text/csv")
        assert "attachment" in answer.headers["content-disposition"]
        assert answer.content.startswith(b"\xef\xbb\xbf")
        heads, *rows = rows_of(answer.text)
        assert heads[:4] == ["Number", "Status", "Type", "Severity"] and len(rows) == 15
        assert rows[0][0] == "T-000002" and rows[0][4] == "Zoë" and rows[0][-1] == "Line 1\nwith, comma"
        assert {row[3] for row in rows} == {"Low"}
    office.people["eva"] = await office.person("eva", language="es")
    async with office.signed_in("eva") as client:
        assert rows_of((await client.get("/desk/export/tickets.csv")).text)[0][0] == "Número"
        assert (await client.get("/desk/export/tickets.pdf")).status_code == 404


@pytest.mark.parametrize("text", [FORMULA, "+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", " =1", "＝1+1", "\n=1"])
async def test_no_cell_is_a_formula(office: Office, text: str) -> None:
    """What a customer wrote is text in a spreadsheet, in either kind of file."""
    assert export.harmless(text).startswith("'")
    talk = await office.writes(f"{text}", text)
    await office.complains(talk, text)
    await catch_up(office.database)
    async with office.signed_in("ana") as client:
        for name in ("tickets", "conversations", "search"):
            for row in rows_of((await client.get(f"/desk/export/{name}.csv?q=1")).text):
                assert not any(cell.lstrip(" ").startswith(("=", "+", "@", "\t", "\r", "＝", "-1")) for cell in row), (
                    name
                )
            _, formulas = cells_of((await client.get(f"/desk/export/{name}.xlsx?q=1")).content)
            assert not formulas


def test_harmless_texts_stay_as_they_are() -> None:
    """Nothing is put before what no spreadsheet calculates."""
    for text in ("", "hello", "1+1", "a=b", "¡Hola!", "订单", "100234", "mail@example.com"):
        assert export.harmless(text) == text


async def test_spreadsheets_hold_every_row_in_batches(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """More rows than a batch, control characters left out, times as times, the file gone afterwards."""
    monkeypatch.setattr(export, "BATCH", 7)
    for number in range(20):
        await office.writes(f"C{number}", f"bad \x0b\x01 text {number}")
    async with office.signed_in("ana") as client:
        answer = await client.get("/desk/export/conversations.xlsx?sort=oldest")
        rows, _ = cells_of(answer.content)
        assert rows[0][0] == "Number" and len(rows) == 21
        assert rows[1][1] == "C0" and rows[20][1] == "C19" and float(rows[1][-2]) > 46_000
        csv_rows = rows_of((await client.get("/desk/export/conversations.csv?sort=oldest")).text)
        assert len(csv_rows) == 21 and csv_rows[20][1] == "C19"


async def test_a_search_is_exported_as_it_is_narrowed(office: Office) -> None:
    """Each kind, with its conversation."""
    talk = await office.writes("Tom", "a special word")
    await office.complains(talk, "special complaint")
    await office.writes("Eva", "special too", channel="telegram")
    await catch_up(office.database)
    async with office.signed_in("ana") as client:
        rows = rows_of((await client.get("/desk/export/search.csv?q=special")).text)
        assert sorted((row[0], row[6]) for row in rows[1:]) == [
            ("Messages", "a special word"), ("Messages", "special too"), ("Tickets", "special complaint"),
        ]  # fmt: skip
        rows = rows_of((await client.get("/desk/export/search.csv?q=special&channel=telegram&kind=message")).text)
        assert [row[6] for row in rows[1:]] == ["special too"] and rows[1][7] == "2"
        assert len(rows_of((await client.get("/desk/export/search.csv?q=")).text)) == 1


async def test_who_took_what_is_in_the_log_and_no_words_are(office: Office, caplog: pytest.LogCaptureFixture) -> None:
    """A line with the user, the number of rows and the list."""
    talk = await office.writes("Secretname", "Secretwords")
    await office.complains(talk, "Secretwords")
    with caplog.at_level(logging.INFO):
        async with office.signed_in("lars") as client:
            for format in ("csv", "xlsx"):
                await client.get(f"/desk/export/tickets.{format}?language=en")
    said = [record.getMessage() for record in caplog.records if record.name == "bot.desk.export"]
    assert said == ["lars exported 1 rows of tickets as csv", "lars exported 1 rows of tickets as xlsx"]
    assert "Secret" not in caplog.text
