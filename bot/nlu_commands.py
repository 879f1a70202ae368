"""The commands ``linguadesk nlu …``: the intent recogniser."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bot.commandline import data_dir_option, format_option, print_rows, progress_bar, run
from bot.config import Config, load_config

if TYPE_CHECKING:
    from nlu import learning

language_option = click.option(
    "--lang", "languages", multiple=True, help="Only this language; may be given several times."
)
NEW_FILE = click.Path(path_type=Path, dir_okay=False)


@click.group()
def nlu() -> None:
    """The intent recogniser."""


@nlu.command()
@data_dir_option
def train(data_dir: Path | None) -> None:
    """Train on config.yml, domain.yml and nlu/data/. The result is kept; unchanged files train nothing."""
    import nlu.train

    config = load_config(data_dir=data_dir)
    with progress_bar("Training") as report:
        path = nlu.train.train(config, report)
    click.echo(f"The model is at {path}.")


@nlu.command("parse")
@data_dir_option
def parse_command(data_dir: Path | None) -> None:
    """Read one message a line and print what is understood, one JSON a line (Rasa's shape).

    \b
    Example:  echo "where is my order 100234?" | linguadesk nlu parse
    """
    from bot.app import recognizer_of

    recognizer = recognizer_of(load_config(data_dir=data_dir))

    async def work() -> None:
        stream = sys.stdin.buffer
        while line := await asyncio.to_thread(stream.readline):
            text = line.decode("utf-8", "replace").rstrip("\r\n")
            parse = await recognizer.parse(text)
            sys.stdout.write(json.dumps(parse.to_rasa(), ensure_ascii=False) + "\n")
            sys.stdout.flush()

    run(work())


@nlu.command("evaluate")
@language_option
@click.option("--json", "json_file", is_flag=False, flag_value="-", help="Write all figures as JSON to a file, or - .")
@click.option("--html", "html_file", type=NEW_FILE, help="Write a page with pictures (needs the extra `reports`).")
@click.option("--cross-validate", "folds", type=click.IntRange(2), metavar="K", help="Train K times on parts as well.")
@click.option("--write-floors", "floors_file", type=NEW_FILE, help="Raise the floors in a file to these figures.")
@data_dir_option
def evaluate_command(
    languages: tuple[str, ...],
    json_file: str | None,
    html_file: Path | None,
    folds: int | None,
    floors_file: Path | None,
    data_dir: Path | None,
) -> None:
    """Measure the recogniser on nlu/eval/*.tsv, which it was never trained on.

    The report is kept below the data folder; the next one says what has changed since.

    \b
    Example:  linguadesk nlu evaluate --lang es --lang fr --html report.html
    """
    from nlu.evaluate import deliver, evaluate, prepare

    config = load_config(data_dir=data_dir)
    prepare(html=html_file is not None)
    with progress_bar("Evaluating") as report_progress:
        report = evaluate(config, languages or None, folds=folds or 0, progress=report_progress)
    click.echo(deliver(config, report, languages, json_file, html_file, floors_file))


@nlu.command("compare")
@click.option("--engine", "engines", multiple=True, help="embedded, embedded:no-vectors or rasa; twice or more.")
@language_option
@data_dir_option
@format_option
def compare_command(engines: tuple[str, ...], languages: tuple[str, ...], data_dir: Path | None, layout: str) -> None:
    """Measure engines side by side on nlu/eval/*.tsv: accuracy, agreement, speed and memory.

    By default the embedded engine and Rasa; a Rasa server must be running then.
    """
    from nlu.compare import compare

    config = load_config(data_dir=data_dir)
    with progress_bar("Comparing") as report_progress:
        found = compare(config, engines or ("embedded", "rasa"), languages or None, report_progress)
    if layout == "json":
        click.echo(json.dumps(found.to_json(), ensure_ascii=False, indent=2))
    else:
        print_rows(found.rows(), layout)


@nlu.command("learn")
@click.option("--dry-run", is_flag=True, help="Say what would be written, and write nothing.")
@data_dir_option
def learn_command(dry_run: bool, data_dir: Path | None) -> None:
    """Learn the corrections that were approved at the desk; try all that was learnt before.

    Each becomes a training example (learned.yml in the training folder of its language) and a
    regression case (nlu/regression). Then the recogniser is trained, every case is tried, and the
    figures on nlu/eval are held against their floors. Ends with 1 when a case fails or a figure is
    below its floor: the files stay as they are, to be looked at.
    """
    from nlu import learning

    config = load_config(data_dir=data_dir)
    todo = run(_to_learn(config))
    for lesson, reason in todo.refused:
        click.echo(f"Not learnt: “{lesson.text[:60]}” as {lesson.intent}: {reason}.", err=True)
    for line in todo.lines:
        what = line.example or "only as a regression case, the training data has it"
        click.echo(f"{line.lesson.language}: {line.lesson.intent}: {what}")
    if dry_run:
        click.echo(f"{len(todo.lines)} to learn, {len(todo.refused)} refused; nothing was written.")
        return
    for path in learning.write(config, todo):
        click.echo(f"Changed: {path}")
    run(_learnt(config, todo.learnt))
    if config.settings.recognizer.engine != "embedded" and todo.lines:
        click.echo("Train the Rasa server on the new files, then run this command again: it tries all cases.")
        return
    with progress_bar("Training") as report_progress:
        verdict = learning.check(config, report_progress)
    click.echo(verdict.summary())
    if todo.lines:
        click.echo("Start `linguadesk run` anew for it to take effect.")
    if not verdict.good:
        sys.exit(1)


async def _to_learn(config: Config) -> learning.Plan:
    from bot.services import corrections
    from bot.storage import Database
    from bot.storage.migrate import require_current
    from nlu import learning

    database = Database(config.database_url)
    try:
        await require_current(database)
        async with database.read() as session:
            rows = await corrections.approved(session)
    finally:
        await database.close()
    lessons = [learning.Lesson(row.id, row.text, row.intent, row.language) for row in rows]
    return await asyncio.to_thread(learning.plan, config, lessons)


async def _learnt(config: Config, ids: list[int]) -> None:
    from bot.services import corrections
    from bot.storage import Database

    database = Database(config.database_url)
    try:
        async with database.begin() as session:
            await corrections.mark_learnt(session, ids)
    finally:
        await database.close()


@nlu.group("data")
def nlu_data() -> None:
    """The training data."""


@nlu_data.command("check")
@language_option
@data_dir_option
@format_option
def data_check_command(languages: tuple[str, ...], data_dir: Path | None, layout: str) -> None:
    """Say what is wrong or doubtful in nlu/data and nlu/eval, by file and line.

    Ends with 1 when there are errors, with 0 when there is nothing or only warnings.
    """
    from nlu.data_check import check as check_data

    findings = check_data(load_config(data_dir=data_dir), languages)
    print_rows([finding.row() for finding in findings], layout, ("severity", "kind", "file", "line", "message"))
    if any(finding.severity == "error" for finding in findings):
        sys.exit(1)
