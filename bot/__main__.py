"""The command line: ``linguadesk``."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.progress import Progress

from bot.api_commands import api, token
from bot.commandline import Commands, data_dir_option, format_option, print_rows, run
from bot.config import Config, load_config
from bot.nlu_commands import nlu
from bot.report_command import figures_group, report

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from bot.storage.models import User


def set_up_logging(config: Config, verbose: bool) -> None:
    """Log to the terminal and to a file below the data folder; no customer text above DEBUG."""
    folder = config.data_dir / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        handlers=[logging.StreamHandler(), logging.FileHandler(folder / "linguadesk.log", encoding="utf-8")],
    )
    # These write whole URLs (with tokens) or statements (with customers' words) into their logs.
    for name in ("httpx", "httpcore", "aiosqlite", "slack_sdk", "slack_bolt", "telegram", "aiohttp.access"):
        logging.getLogger(name).setLevel(logging.WARNING)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="linguadesk")
def cli() -> None:
    """A self-hosted, multilingual customer-service desk.

    \b
    To look around:      linguadesk demo
    To set it up:        linguadesk db upgrade, linguadesk user add, linguadesk check
    To run it:           linguadesk run
    To talk to it:       linguadesk chat

    Settings are in config.yml, secrets in the environment (or a .env file). Start in the folder
    with config.yml, or set LINGUADESK_HOME.
    """


def serve_options(function: Callable[..., None]) -> Callable[..., None]:
    """The options of `demo` and `run`."""
    for option in (
        click.option("--verbose", is_flag=True, help="Log more, customers' words included."),
        click.option("--no-browser", is_flag=True, help="Do not open a browser."),
        data_dir_option,
        click.option("--port", type=click.IntRange(0, 65535), help="Port of the web server. [default: 8080]"),
    ):
        function = option(function)
    return function


@cli.command()
@click.option("--fresh", is_flag=True, help="Start over: delete the demonstration's database and make a new one.")
@click.option("--small", is_flag=True, help="Simulate a month instead of a year, which takes a tenth of the time.")
@serve_options
def demo(port: int | None, data_dir: Path | None, no_browser: bool, verbose: bool, fresh: bool, small: bool) -> None:
    """A whole desk with an invented shop: nothing to set up, nothing leaves this machine without a platform's token.

    Trains the recogniser (once), makes a database with a simulated year of conversations (once),
    and prints where to click and what to try.
    """
    from bot import demo as demonstration
    from bot.serve import serve

    config = demonstration.suited(load_config(data_dir=data_dir or _demo_dir()))
    set_up_logging(config, verbose)
    logging.getLogger().setLevel(logging.DEBUG if verbose else logging.WARNING)
    serve(
        config,
        host="127.0.0.1",
        port=port,
        browser=not no_browser,
        prepare=partial(demonstration.prepare, fresh=fresh, small=small),
        connect=demonstration.connect,
    )


def _demo_dir() -> Path | None:
    return None if os.environ.get("LINGUADESK_DATA_DIR") else Path("data") / "demo"


@cli.command("run")
@serve_options
def run_command(port: int | None, data_dir: Path | None, no_browser: bool, verbose: bool) -> None:
    """Run the desk: connectors, workers and the web server in one process.

    A connector is on when its token is in the environment (TELEGRAM_BOT_TOKEN, SLACK_BOT_TOKEN);
    web chat and REST are always on.
    """
    from bot.serve import serve

    config = load_config(data_dir=data_dir)
    set_up_logging(config, verbose)
    serve(config, host=config.settings.web.host, port=port, browser=not no_browser)


@cli.command()
@data_dir_option
@click.option("--verbose", is_flag=True, help="Log more, customers' words included.")
def worker(data_dir: Path | None, verbose: bool) -> None:
    """Handle and send messages without receiving any: a second process beside `run`.

    Any number of workers share one PostgreSQL database.
    """
    from bot.serve import work

    config = load_config(data_dir=data_dir)
    set_up_logging(config, verbose)
    run(work(config))


@cli.command()
@data_dir_option
@click.option("--verbose", is_flag=True, help="Log more, customers' words included.")
def chat(data_dir: Path | None, verbose: bool) -> None:
    """Talk to the desk here in the terminal, as a customer would.

    Reads the demonstration's data if nothing else was set up. Ends with Ctrl+D.
    """
    from bot.serve import terminal

    folder = data_dir
    if folder is None and not os.environ.get("LINGUADESK_DATA_DIR") and not Path("data/linguadesk.db").exists():
        folder = _demo_dir()
    config = load_config(data_dir=folder)
    set_up_logging(config, verbose)
    logging.getLogger().setLevel(logging.DEBUG if verbose else logging.WARNING)
    run(terminal(config))


@cli.group()
def db() -> None:
    """The database."""


@db.command()
@data_dir_option
def upgrade(data_dir: Path | None) -> None:
    """Create the tables, or bring them to this version. Safe to repeat."""
    from bot.storage import Database
    from bot.storage.migrate import current
    from bot.storage.migrate import upgrade as migrate

    async def work() -> str | None:
        database = Database(load_config(data_dir=data_dir).database_url)
        try:
            await migrate(database)
            return await current(database)
        finally:
            await database.close()

    click.echo(f"The database is at revision {run(work())}.")


@cli.group()
def orders() -> None:
    """The merchant's orders."""


@orders.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--mapping", default="", help="Which of orders.imports in config.yml. [default: the first that fits]")
@data_dir_option
@format_option
def import_command(file: Path, mapping: str, data_dir: Path | None, layout: str) -> None:
    """Import orders from a CSV file with one line a position.

    The columns are named in config.yml below orders.imports. Lines that cannot be read are listed
    with their numbers and left out; importing a file again changes nothing.
    """
    from bot.services.order_import import MAX_REPORTED, Imported, import_orders
    from bot.storage import Database

    config = load_config(data_dir=data_dir)

    async def work() -> Imported:
        database = Database(config.database_url)
        try:
            with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True) as progress:
                task = progress.add_task("Importing orders", total=None)
                return await import_orders(
                    database,
                    file,
                    config.settings.orders.imports,
                    mapping=mapping,
                    country=config.settings.shop.country,
                    progress=lambda done, total: progress.update(task, completed=done, total=total),
                )
        finally:
            await database.close()

    result = run(work())
    for bad in result.bad[:MAX_REPORTED]:
        click.echo(f"{file}:{bad.line}: {bad.reason}", err=True)
    if len(result.bad) > MAX_REPORTED:
        click.echo(f"{file}: and {len(result.bad) - MAX_REPORTED} more lines", err=True)
    row = {
        "lines": result.rows,
        "left out": len(result.bad),
        "new orders": result.orders_new,
        "changed": result.orders_changed,
        "unchanged": result.orders_unchanged,
        "new customers": result.customers_new,
    }
    print_rows([row], layout)


cli.add_command(nlu)
cli.add_command(token)
cli.add_command(api)
cli.add_command(report)
cli.add_command(figures_group)


@cli.command()
@click.option("--live", is_flag=True, help="Also ask the platforms: tokens, scopes, webhooks, agents' places.")
@data_dir_option
def check(data_dir: Path | None, live: bool) -> None:
    """Read the whole configuration and say what is wrong, by file and line, and what to do."""
    from bot.checkup import examine, examine_live

    problems = examine(data_dir)
    if live and all(problem.warning for problem in problems):
        asked, found = run(examine_live(load_config(data_dir=data_dir)))
        problems += found
        click.echo(f"Asked: {', '.join(asked)}." if asked else "No channel is on that could be asked; set its token.")
    for problem in problems:
        click.echo(f"{'warning: ' if problem.warning else ''}{problem}", err=not problem.warning)
    errors = sum(not problem.warning for problem in problems)
    if errors:
        click.echo(f"{errors} to mend.", err=True)
        sys.exit(1)
    click.echo("The configuration is in order.")


@cli.command()
def translations() -> None:
    """Bring the translators' catalogues up to date with domain.yml.

    New texts are added untranslated, changed ones are marked fuzzy, removed ones go.
    """
    from bot import catalogues
    from bot.domain import load_domain
    from bot.texts import SOURCE_LANGUAGE

    config = load_config()
    domain = load_domain(config.home)
    for language in config.settings.languages:
        if language != SOURCE_LANGUAGE:
            click.echo(catalogues.update(domain, language))
    for problem in catalogues.examine(domain, config.settings.languages):
        click.echo(str(problem), err=True)


@cli.group()
def user() -> None:
    """People who sign in to the desk."""


@user.command("link")
@click.argument("username")
@click.argument("channel")
@click.argument("identity")
@data_dir_option
def link_user(username: str, channel: str, identity: str, data_dir: Path | None) -> None:
    """Make a person in the agents' group or channel this user of the desk.

    IDENTITY is the platform's id of the person: a number on Telegram, U… on Slack. Without it what
    someone does there is counted for a user of its own.
    """
    from bot.services import users
    from bot.storage import Database

    async def work() -> None:
        database = Database(load_config(data_dir=data_dir).database_url)
        try:
            async with database.begin() as session:
                await users.link(session, username, channel, identity)
        finally:
            await database.close()

    run(work())
    click.echo(f"{identity} on {channel} is now {username}.")


@user.command("add")
@click.argument("username")
@click.option("--name", default="", help="The name that colleagues see. [default: the user name]")
@click.option("--role", type=click.Choice(["agent", "manager", "admin"]), default="agent", show_default=True)
@click.option("--language", default="en", show_default=True, help="Language of the desk for this person.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input instead of asking.")
@data_dir_option
def add_user(username: str, name: str, role: str, language: str, password_stdin: bool, data_dir: Path | None) -> None:
    """Add someone who may sign in to the desk."""
    from bot.services import users
    from bot.storage import Database
    from bot.storage.models import Role

    if password_stdin:
        password = sys.stdin.readline().rstrip("\n")
    else:
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True)

    async def work() -> None:
        database = Database(load_config(data_dir=data_dir).database_url)
        try:
            async with database.begin() as session:
                await users.add(session, username, name or username, password, Role(role), language)
        finally:
            await database.close()

    run(work())
    click.echo(f"{username} can sign in as {role}.")


@user.command("set")
@click.argument("username")
@click.option("--speaks", default=None, help='Languages they answer in, such as "en,es". Empty: those of their teams.')
@click.option("--capacity", type=click.IntRange(0, 1000), default=None, help="Conversations they have at a time.")
@click.option("--team-capacity", is_flag=True, help="As many conversations as their team's `capacity` says.")
@data_dir_option
def set_user(
    username: str, speaks: str | None, capacity: int | None, team_capacity: bool, data_dir: Path | None
) -> None:
    """Change what someone is given to do."""
    from bot.services import users

    if speaks is None and capacity is None and not team_capacity:
        raise click.UsageError("Give --speaks, --capacity or --team-capacity.")
    config = load_config(data_dir=data_dir)
    languages = [code.strip() for code in (speaks or "").split(",") if code.strip()]
    if unknown := [code for code in languages if code not in config.settings.languages]:
        raise click.UsageError(f"{', '.join(unknown)}: not among `languages` in config.yml.")

    async def change(session: AsyncSession, found: User) -> None:
        await users.set_work(
            session,
            found,
            speaks=languages if speaks is not None else found.speaks,
            capacity=None if team_capacity else capacity if capacity is not None else found.capacity,
        )

    _change_user(config, username, change)
    click.echo(f"{username} is changed.")


def _absence(name: str, away: bool, words: str, help_text: str) -> None:
    @user.command(name, help=help_text)
    @click.argument("username")
    @data_dir_option
    def command(username: str, data_dir: Path | None) -> None:
        from bot.services import assignment

        async def change(session: AsyncSession, found: User) -> None:
            await assignment.set_away(session, found, away)

        _change_user(load_config(data_dir=data_dir), username, change)
        click.echo(f"{username} is {words}.")


_absence("away", True, "away", "Give what someone has to others, and nothing new to them, until they are back.")
_absence("back", False, "back", "Have someone given hand-overs and tickets again.")


def _change_user(config: Config, username: str, change: Callable[[AsyncSession, User], Awaitable[None]]) -> None:
    """Change a user in one transaction; ends with a message where there is none of this name."""
    from bot.services import users
    from bot.storage import Database

    async def work() -> None:
        database = Database(config.database_url)
        try:
            async with database.begin() as session:
                await change(session, await users.find(session, username))
        finally:
            await database.close()

    run(work())


def _queue_group(name: str, help_text: str, list_rows: str, retry_rows: str, module: str) -> None:
    """The commands ``list`` and ``retry`` of a queue's dead letters."""

    @cli.group(name, help=help_text)
    def group() -> None: ...

    async def _with_session(data_dir: Path | None, function: str, *args: Any) -> Any:
        import importlib

        from bot.storage import Database

        database = Database(load_config(data_dir=data_dir).database_url)
        try:
            async with database.begin() as session:
                return await getattr(importlib.import_module(module), function)(session, *args)
        finally:
            await database.close()

    @group.command("list")
    @data_dir_option
    @format_option
    def list_command(data_dir: Path | None, layout: str) -> None:
        """List what was given up, with the reason; newest first."""
        print_rows(run(_with_session(data_dir, list_rows)), layout)

    @group.command("retry")
    @click.argument("ids", nargs=-1, type=int)
    @click.option("--all", "everything", is_flag=True, help="All of them.")
    @data_dir_option
    def retry_command(ids: tuple[int, ...], everything: bool, data_dir: Path | None) -> None:
        """Try again what was given up: the ones named by id, or --all."""
        if not ids and not everything:
            raise click.UsageError("Name the ids to retry, or give --all.")
        count = run(_with_session(data_dir, retry_rows, None if everything else list(ids)))
        click.echo(f"{count} put back into the queue.")


_queue_group(
    "outbox", "Messages to customers that could not be sent (dead letters).", "dead_letters", "retry", "bot.outbox"
)
_queue_group(
    "inbox",
    "Customers' messages that could not be handled (dead letters).",
    "dead_events",
    "retry_events",
    "bot.worker",
)
_queue_group(
    "webhooks",
    "Events that a webhook could not be told of (dead letters).",
    "dead_deliveries",
    "retry_deliveries",
    "bot.webhooks",
)


def main() -> None:
    """Entry point of the console script."""
    cli.main(prog_name="linguadesk")


if __name__ == "__main__":
    main()
