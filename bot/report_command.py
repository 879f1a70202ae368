"""The commands for managers' figures: ``linguadesk report``, ``linguadesk figures``."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click
from rich.console import Console
from rich.progress import Progress

from bot.commandline import data_dir_option, print_rows, run
from bot.config import Config, load_config

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from bot.storage import figures
    from bot.storage.figures import Filters

BY = ("channel", "language", "agent", "team", "type", "product", "country", "tier", "day", "week", "month")
BUCKETS = BY[8:]
KINDS = ("csat", "nps", "ces", "operations")
DAY = click.DateTime(formats=["%Y-%m-%d"])


@click.command()
@click.option("--from", "first", type=DAY, help="The first day. [default: thirty days ago]")
@click.option("--to", "last", type=DAY, help="The last day. [default: today]")
@click.option("--by", type=click.Choice(BY), help="One line for each. [default: the period, and the one before]")
@click.option("--kind", type=click.Choice(KINDS), default="csat", show_default=True, help="Which figures.")
@click.option("--zone", default="", help="Time zone of the days. [default: the shop's]")
@click.option("--only", multiple=True, metavar="WHAT=VALUE", help='Narrow it, such as "team=billing"; repeatable.')
@click.option("--format", "layout", type=click.Choice(["table", "csv", "json", "xlsx"]), default="table")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="A file; needed for xlsx.")
@data_dir_option
def report(
    first: datetime | None,
    last: datetime | None,
    by: str | None,
    kind: str,
    zone: str,
    only: tuple[str, ...],
    layout: str,
    output: Path | None,
    data_dir: Path | None,
) -> None:
    """Print figures: satisfaction scores, or how the work goes.

    Scores stand with the number of answers they rest on and their 95 % interval; nothing is told of
    groups with fewer answers than `min_cell` in surveys.yml. What is counted how: docs/figures.md.
    """
    if layout == "xlsx" and output is None:
        raise click.UsageError("A spreadsheet needs a file: give --output.")
    config = load_config(data_dir=data_dir)
    f = _filters(config, first, last, zone, only)
    rows, reached = run(_ask(config, f, kind, by))
    if kind == "operations":
        upto = f"up to {reached:%Y-%m-%d %H:%M} UTC" if reached is not None else "not counted yet"
        click.echo(f"Operational figures are {upto}; `linguadesk figures update` counts what is new.", err=True)
    if layout == "xlsx" and output is not None:
        _write_sheet(output, rows)
    elif output is not None:
        with output.open("w", encoding="utf-8", newline="") as file:
            _print(rows, layout, file)
    else:
        _print(rows, layout)


def _print(rows: Sequence[Mapping[str, Any]], layout: str, file: Any = None) -> None:
    if layout == "table":
        rows = [{name: _shown(value) for name, value in row.items()} for row in rows]
    if file is None:
        print_rows([dict(row) for row in rows], layout)
        return
    before, sys.stdout = sys.stdout, file
    try:
        print_rows([dict(row) for row in rows], layout)
    finally:
        sys.stdout = before


def _shown(value: Any) -> Any:
    return "" if value is None else f"{value:.3f}" if isinstance(value, float) else value


def _filters(
    config: Config, first: datetime | None, last: datetime | None, zone: str, only: tuple[str, ...]
) -> Filters:
    from bot.storage import figures, now

    params = [("zone", zone)] if zone else []
    params += [("from", f"{first:%Y-%m-%d}")] if first else []
    params += [("to", f"{last:%Y-%m-%d}")] if last else []
    for item in only:
        name, equals, value = item.partition("=")
        if not equals or name not in figures.DIMENSIONS:
            raise click.UsageError(f"--only {item!r}: write one of {', '.join(figures.DIMENSIONS)}, = and a value.")
        params.append((name, value))
    asked = figures.filters_of(params, config.settings.shop.timezone, now())
    if asked.problems:
        words = {"figures.dates": "--from/--to: no such period.", "figures.zone": f"--zone: {zone!r} is not known."}
        raise click.UsageError(" ".join(words.get(problem, "--only: no such value.") for problem in asked.problems))
    return asked.filters


async def _ask(config: Config, f: Filters, kind: str, by: str | None) -> tuple[list[dict[str, Any]], datetime | None]:
    from bot.storage import Database, figures

    database = Database(config.database_url)
    try:
        async with database.read() as session:
            ask = _operations if kind == "operations" else _scores
            min_cell = getattr(config.settings.surveys, "min_cell", 5)
            return await ask(session, f, kind, by, min_cell), await figures.as_of(session)
    finally:
        await database.close()


def _period(f: Filters) -> str:
    return " – ".join(day.isoformat() for day in f.days())


async def _scores(session: AsyncSession, f: Filters, kind: str, by: str | None, min_cell: int) -> list[dict[str, Any]]:
    from bot.storage import figures

    known = cast("figures.Kind", kind)
    if by is None:
        return [
            {"period": _period(one)} | _score_row(await figures.score(session, known, one)) for one in (f, f.previous())
        ]
    if by in BUCKETS:
        points = await figures.trend(session, known, f, cast("figures.Bucket", by))
        return [{by: point.start.isoformat()} | _score_row(point.score) for point in points]
    cells = await figures.breakdown(session, known, f, cast("figures.Dimension", by), min_cell=min_cell)
    return [
        {by: cell.name or cell.value or "–"}
        | (_score_row(cell.score) if cell.score else _score_row(None) | {"n": cell.n, "delivered": cell.delivered})
        for cell in cells
    ]


def _score_row(score: figures.Score | None) -> dict[str, Any]:
    names = ("value", "low", "high", "n", "delivered", "response_rate", "late")
    return {name: getattr(score, name) if score is not None else None for name in names}


async def _operations(
    session: AsyncSession, f: Filters, kind: str, by: str | None, min_cell: int
) -> list[dict[str, Any]]:
    from bot.storage import figures

    if by is None:
        return [
            {"period": _period(one)} | _operations_row(await figures.operations(session, one))
            for one in (f, f.previous())
        ]
    if by in BUCKETS:
        points = await figures.operations_trend(session, f, cast("figures.Bucket", by))
        return [{by: point.start.isoformat()} | _operations_row(point.figures) for point in points]
    cells = await figures.operations_breakdown(session, f, cast("figures.Dimension", by))
    return [{by: cell.name or cell.value or "–"} | _operations_row(cell.figures) for cell in cells]


def _operations_row(found: figures.Operations) -> dict[str, Any]:
    """Times in seconds."""
    contained = found.containment
    row: dict[str, Any] = {
        "conversations": found.volume.conversations,
        "customers": found.volume.customers,
        "messages_in": found.volume.messages_in,
        "messages_out": found.volume.messages_out,
        "handoffs": found.handoffs,
        "wait_median": found.queue_wait.median,
        "wait_p90": found.queue_wait.p90,
        "first_response_median": found.first_response.median,
        "first_response_p90": found.first_response.p90,
        "resolution_median": found.resolution.median,
        "resolution_p90": found.resolution.p90,
    }
    for promise in found.promises:
        row |= {f"{promise.kind}_kept": promise.kept, f"{promise.kind}_missed": promise.missed}
    parts = ("confirmed", "silent", "returned", "escalated", "undecided")
    return row | {part: getattr(contained, part) for part in parts}


def _write_sheet(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    import xlsxwriter

    # Words are words, even those that begin like a formula or a link.
    with xlsxwriter.Workbook(str(path), {"strings_to_formulas": False, "strings_to_urls": False}) as book:
        sheet, bold = book.add_worksheet(), book.add_format({"bold": True})
        sheet.freeze_panes(1, 0)
        for column, name in enumerate(rows[0] if rows else ()):
            sheet.set_column(column, column, max(10, len(name) + 2))
            sheet.write_string(0, column, name, bold)
            for line, row in enumerate(rows, 1):
                value = row[name]
                if isinstance(value, int | float):
                    sheet.write_number(line, column, value)
                elif value is not None:
                    sheet.write_string(line, column, str(value))


@click.group("figures")
def figures_group() -> None:
    """What the managers' figures are counted from. `linguadesk run` keeps it up to date by itself."""


@figures_group.command()
@data_dir_option
def update(data_dir: Path | None) -> None:
    """Count what has happened since the last time."""
    _count(load_config(data_dir=data_dir), again=False)


@figures_group.command()
@data_dir_option
@click.confirmation_option(
    prompt="How well messages of erased customers were understood cannot be counted again. Go on?"
)
def rebuild(data_dir: Path | None) -> None:
    """Forget all that was counted, and count everything again."""
    _count(load_config(data_dir=data_dir), again=True)


def _count(config: Config, *, again: bool) -> None:
    from bot.services import figures as keeping
    from bot.storage import Database

    async def work() -> None:
        database = Database(config.database_url)
        try:
            if again:
                async with database.begin() as session:
                    await keeping.forget(session)
            with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True) as progress:
                task = progress.add_task("Counting messages", total=None)
                await keeping.catch_up(
                    database, config.settings, progress=lambda done: progress.update(task, completed=done)
                )
        finally:
            await database.close()

    run(work())
    click.echo("The figures are up to date.")
