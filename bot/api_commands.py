"""The commands for the API: ``linguadesk token``, ``linguadesk api``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from bot.commandline import data_dir_option, format_option, print_rows, run
from bot.config import load_config
from bot.services import api_tokens


async def _with_session(data_dir: Path | None, function: Any, *args: Any) -> Any:
    from bot.storage import Database

    database = Database(load_config(data_dir=data_dir).database_url)
    try:
        async with database.begin() as session:
            return await function(session, *args)
    finally:
        await database.close()


@click.group()
def token() -> None:
    """Keys of the JSON API, see docs/api.md."""


@token.command("add")
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    metavar="SCOPE",
    help=f"What the key may do; give it for each. One of: {', '.join(api_tokens.SCOPES)}.",
)
@data_dir_option
def add_token(name: str, scopes: tuple[str, ...], data_dir: Path | None) -> None:
    """Make a key and print it. It is shown this once; only its digest is kept."""
    made = run(_with_session(data_dir, api_tokens.add, name, scopes))
    click.echo(f"The key {name}, shown this once; whoever has it may: {', '.join(scopes)}.", err=True)
    click.echo(made)


@token.command("list")
@data_dir_option
@format_option
def list_tokens(data_dir: Path | None, layout: str) -> None:
    """List the keys: what they may do, when they were made, last used and revoked."""
    print_rows(run(_with_session(data_dir, api_tokens.listing)), layout)


@token.command("revoke")
@click.argument("name")
@data_dir_option
def revoke_token(name: str, data_dir: Path | None) -> None:
    """Make a key useless, at once and for good."""
    run(_with_session(data_dir, api_tokens.revoke, name))
    click.echo(f"The key {name} is revoked.")


@click.group()
def api() -> None:
    """The JSON API, see docs/api.md."""


@api.command("schema")
def print_schema() -> None:
    """Print the API's description (OpenAPI 3.1, JSON)."""
    from bot.api import schema

    click.echo(json.dumps(schema(), ensure_ascii=False, indent=2, sort_keys=True))
