"""``python -m nlu.rasa train | serve | demo``; the Makefile's targets call it."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click

from bot.config import Config, ConfigError, load_config
from bot.contracts import LinguadeskError
from nlu.rasa import server

_STOPPING = (signal.SIGINT, signal.SIGTERM)
data_dir_option = click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where Rasa's models are kept, below rasa/. [default: $LINGUADESK_DATA_DIR or ./data]",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def cli() -> None:
    """A Rasa server on this project's files, for `recognizer.engine: rasa`."""


@cli.command()
@data_dir_option
def train(data_dir: Path | None) -> None:
    """Train Rasa on config.yml, domain.yml and nlu/data/. Unchanged files train nothing."""
    click.echo(f"Rasa's model is at {server.train(load_config(data_dir=data_dir))}.")


@cli.command()
@data_dir_option
@click.option("--host", help="Address to listen on. [default: that of recognizer.rasa.url]")
@click.option("--port", type=click.IntRange(1, 65535), help="Port. [default: that of recognizer.rasa.url]")
def serve(data_dir: Path | None, host: str | None, port: int | None) -> None:
    """Serve the trained model over HTTP; callers must send $LINGUADESK_RASA_TOKEN if it is set."""
    config = load_config(data_dir=data_dir)
    model = server.model_path(config)
    if not model.is_file():
        raise server.RasaError("Rasa has no model of the present files; make it with: make rasa-train")
    own_host, own_port = server.address(config)
    command = server.serve_command(config, model, host or own_host, port or own_port)
    env = {**server.environment(config), "LINGUADESK_RASA_TOKEN": config.rasa_token}
    os.chdir(config.home)
    os.execve(command[0], command, env)  # noqa: S606 (no shell on purpose)


@cli.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def demo(options: tuple[str, ...]) -> None:
    """The demonstration with Rasa as its engine: trains if needed, starts a server, ends it at last.

    Options are those of `linguadesk demo`.
    """
    config = load_config()
    token = config.rasa_token or secrets.token_urlsafe(24)
    config = replace(config, env={**config.env, "LINGUADESK_RASA_TOKEN": token})
    output = server.folder(config) / "training.log"
    output.parent.mkdir(parents=True, exist_ok=True)
    click.echo(f"Training Rasa, unless that is done: it takes minutes, and is told in {output} …", err=True)
    model = server.train(config, output)
    try:
        code = asyncio.run(_demo(config, model, options))
    except asyncio.CancelledError:
        code = 130
    sys.exit(code)


async def _demo(config: Config, model: Path, options: Sequence[str]) -> int:
    loop = asyncio.get_running_loop()
    if (whole := asyncio.current_task()) is not None:
        for number in _STOPPING:
            loop.add_signal_handler(number, whole.cancel)
    click.echo("Starting the Rasa server …", err=True)
    async with server.running(config, model) as url:
        stop = asyncio.Event()
        for number in _STOPPING:
            loop.add_signal_handler(number, stop.set)
        asking = {"RECOGNIZER": "rasa", "RASA_URL": url, "RASA_TOKEN": config.rasa_token}
        desk = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bot", "demo", *options),
            env={**os.environ, **{f"LINGUADESK_{name}": value for name, value in asking.items()}},
            stdin=asyncio.subprocess.DEVNULL,
            # A group of its own: Ctrl+C reaches it once, through us.
            process_group=0,
        )
        ended, stopped = asyncio.create_task(desk.wait()), asyncio.create_task(stop.wait())
        await asyncio.wait((ended, stopped), return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if not ended.done():
            desk.send_signal(signal.SIGINT)
        try:
            return await asyncio.wait_for(ended, server.END_SECONDS)
        except TimeoutError:
            desk.kill()
            return 1


def main() -> None:
    """Run a command; what was expected to go wrong is one clear message and exit code 1."""
    try:
        cli.main(prog_name="python -m nlu.rasa", standalone_mode=True)
    except ConfigError as error:
        for problem in error.problems:
            click.echo(f"{problem}", err=True)
        sys.exit(1)
    except LinguadeskError as error:
        click.echo(f"linguadesk: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
