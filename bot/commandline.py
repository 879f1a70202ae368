"""What all commands share: options, tables, progress, how failures are shown."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import io
import json
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from bot.config import ConfigError
from bot.contracts import LinguadeskError

T = TypeVar("T")

FORMATS = click.Choice(["table", "json", "csv"])
format_option = click.option("--format", "layout", type=FORMATS, default="table", help="How to print the result.")
data_dir_option = click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where the database, models, files and logs are kept. [default: $LINGUADESK_DATA_DIR or ./data]",
)


class Commands(click.Group):
    """Commands whose expected failures are one clear message and exit code 1, not a stack trace."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; print what went wrong and what to do."""
        try:
            return super().invoke(ctx)
        except ConfigError as error:
            for problem in error.problems:
                click.echo(f"{problem}", err=True)
            click.echo("Run `linguadesk check` for the whole configuration.", err=True)
        except LinguadeskError as error:
            click.echo(f"linguadesk: {error}", err=True)
        except KeyboardInterrupt:
            click.echo("Stopped.", err=True)
            ctx.exit(130)
        ctx.exit(1)


def print_rows(rows: Sequence[dict[str, Any]], layout: str, columns: Sequence[str] = ()) -> None:
    """Print rows as a table, JSON or CSV."""
    columns = list(columns or (rows[0] if rows else ()))
    if layout == "json":
        click.echo(json.dumps(list(rows), ensure_ascii=False, indent=2))
    elif layout == "csv":
        stream = io.StringIO()
        writer = csv.DictWriter(stream, columns)
        writer.writeheader()
        writer.writerows(rows)
        click.echo(stream.getvalue(), nl=False)
    elif not rows:
        click.echo("Nothing.")
    else:
        table = Table(*columns)
        for row in rows:
            table.add_row(*(Text(str(row[column])) for column in columns))  # brackets are no markup
        Console().print(table)


@contextlib.contextmanager
def progress_bar(what: str) -> Iterator[Callable[[float, str], None]]:
    """A bar for work that says how much is done (0 to 1) and what is being done; silent without a terminal."""
    with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, doing: progress.update(task, completed=done, total=1.0, description=doing)


def run(work: Awaitable[T]) -> T:
    """Run asynchronous work to its end."""

    async def main() -> T:
        return await work

    return asyncio.run(main())
