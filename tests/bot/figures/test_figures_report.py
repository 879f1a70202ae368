"""``linguadesk report`` and ``linguadesk figures``, as an operator uses them."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bot.config import load_config
from bot.report_command import figures_group, report
from bot.storage import Database
from bot.storage.migrate import upgrade
from bot.storage.models import Conversation, Survey, SurveyStatus
from tests.conftest import ROOT

AT = datetime(2026, 5, 4, 12, tzinfo=UTC)
DAYS = ("--from", "2026-05-01", "--to", "2026-05-31")


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run ``report`` over a few ratings: eight of web, 5 and 4 and six 1s, and two of telegram."""
    monkeypatch.setenv("LINGUADESK_HOME", str(ROOT))
    monkeypatch.setenv("LINGUADESK_DATA_DIR", str(tmp_path))

    async def fill() -> None:
        database = Database(load_config(data_dir=tmp_path).database_url)
        await upgrade(database)
        async with database.begin() as session:
            session.add(Conversation(id=1, channel="web", address_key="1", chat="1", user="1"))
            await session.flush()
            for score in (5, 4, 1, 1, 1, 1, 1, 1, 2, 2):
                channel = "telegram" if score == 2 else "web"
                status, product = SurveyStatus.ANSWERED, "=1+1"
                session.add(
                    Survey(
                        conversation_id=1, status=status, score=score, delivered_at=AT, channel=channel, product=product
                    )
                )
        await database.close()

    asyncio.run(fill())

    def run(*arguments: str) -> Any:
        return CliRunner().invoke(report, [*DAYS, *arguments])

    return run


def test_a_period_and_the_one_before(ask: Any) -> None:
    """May, and April before it."""
    rows = json.loads(ask("--format", "json").stdout)
    assert [(row["n"], row["value"]) for row in rows] == [(10, 0.2), (0, None)]
    assert rows[1]["period"] == "2026-04-01 – 2026-04-30"


def test_small_groups_are_not_told_apart(ask: Any) -> None:
    """Two ratings of one channel would say more about two people than about the channel."""
    rows = list(csv.DictReader(io.StringIO(ask("--by", "channel", "--format", "csv").stdout)))
    assert [(row["channel"], row["n"], row["value"]) for row in rows] == [("web", "8", "0.25"), ("telegram", "2", "")]


def test_by_day_and_narrowed(ask: Any) -> None:
    """Every day of the period has its line."""
    rows = json.loads(ask("--by", "day", "--only", "channel=telegram", "--format", "json").stdout)
    assert len(rows) == 31 and sum(row["n"] for row in rows) == 2
    assert [row["day"] for row in rows if row["n"]] == ["2026-05-04"]


def test_a_spreadsheet(ask: Any, tmp_path: Path) -> None:
    """Words that begin like a formula stay words."""
    path = tmp_path / "report.xlsx"
    assert ask("--by", "product", "--format", "xlsx", "--output", str(path)).exit_code == 0
    with zipfile.ZipFile(path) as file:
        assert b"<f>" not in file.read("xl/worksheets/sheet1.xml")
        assert b"=1+1" in file.read("xl/sharedStrings.xml")


def test_operations_and_counting(ask: Any) -> None:
    """Nothing is counted until somebody does; counting again changes nothing."""
    first = ask("--kind", "operations", "--format", "json")
    assert "not counted yet" in first.stderr
    for command in (["update"], ["rebuild", "--yes"]):
        assert CliRunner().invoke(figures_group, command).exit_code == 0
        again = ask("--kind", "operations", "--by", "week", "--format", "json")
        assert "up to 20" in again.stderr and len(json.loads(again.stdout)) == 5
        assert json.loads(ask("--format", "json").stdout)[0]["n"] == 10


@pytest.mark.parametrize(
    "wrong",
    [
        ("--to", "2020-01-01"),
        ("--zone", "Mars"),
        ("--only", "colour=red"),
        ("--only", "agent=ana"),
        ("--format", "xlsx"),
    ],
)
def test_used_wrongly(ask: Any, wrong: tuple[str, str]) -> None:
    """A message and exit code 2, no trace."""
    found = ask(*wrong)
    assert found.exit_code == 2 and "Error" in found.stderr
