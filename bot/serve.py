"""Running the program: the web server with everything, a worker alone, or a terminal chat."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import logging
import socket
import sys
import time
import webbrowser
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any

import uvicorn
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn

from bot.app import App, build
from bot.config import Config
from bot.contracts import LinguadeskError
from connectors.terminal.client import Terminal
from nlu.recognizers import ensure_model, warm_up

log = logging.getLogger(__name__)

Announce = Callable[[App, str], Coroutine[Any, Any, None]]
Prepare = Callable[[Config], Awaitable[Announce]]
GRACE_SECONDS = 3
PAUSE_SECONDS = 0.1
STARTED = time.monotonic()


class CannotListen(LinguadeskError):
    """The web server's port cannot be had; the text says what to do."""


def listen(host: str, port: int) -> socket.socket:
    """A socket bound to the web server's address.

    Raises:
        CannotListen: the port is taken, or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sends small packets at once only on sockets that say that they are TCP; without that each
    # answer waits 40 ms for the other side's delayed acknowledgement.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            raise CannotListen(f"port {port} is in use by another program; choose another with --port") from None
        if error.errno == errno.EACCES:
            raise CannotListen(f"port {port} is reserved; choose one above 1023 with --port") from None
        raise CannotListen(f"cannot listen on {host}:{port} (web.host in config.yml): {error.strerror}") from None
    return listening


@contextlib.asynccontextmanager
async def working(message: str) -> AsyncIterator[None]:
    """Show that something takes its time, on a terminal only."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
        progress.add_task(message, total=None)
        yield


async def ready_model(config: Config) -> None:
    """Have the recogniser trained, if its files have changed since it last was."""
    async with working("Training the recogniser (once, until its files change) …"):
        await ensure_model(config)


def address_of(host: str, port: int) -> str:
    """The base URL of a server bound to ``host``."""
    shown = "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104 (compared, not bound)
    return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"


def serve(
    config: Config,
    *,
    host: str,
    port: int | None,
    browser: bool,
    prepare: Prepare | None = None,
    connect: Callable[[App], None] | None = None,
) -> None:
    """Run the web server, the connectors and the workers until interrupted.

    Args:
        config: settings.
        host: address to listen on.
        port: port to listen on; default ``web.port``; 0 chooses a free one.
        browser: open the chat in a browser once it is ready.
        prepare: done first, once the recogniser is trained (the demonstration fills its database); what it
            returns is called with the running app and its base URL.
        connect: given the app before it runs, to put further connectors into it.

    Raises:
        CannotListen: the port cannot be had.
        WorkersEnded: the workers have ended though nobody asked them to.
    """
    listening = listen(host, config.settings.web.port if port is None else port)

    async def main() -> None:
        await ready_model(config)
        announce = await prepare(config) if prepare else None
        app = build(config)
        if connect is not None:
            connect(app)
        base = address_of(host, listening.getsockname()[1])
        options = uvicorn.Config(
            app.web, log_config=None, access_log=False, timeout_graceful_shutdown=GRACE_SECONDS, lifespan="off"
        )
        server = uvicorn.Server(options)
        try:
            await warm_up(app.recognizer)
            async with app.running():
                serving = asyncio.create_task(server.serve(sockets=[listening]))
                # uvicorn has no event for this; it binds nothing more, so it is a matter of milliseconds.
                while not server.started and not serving.done():  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
                if server.started:
                    log.info("ready at %s after %.1f s", base, time.monotonic() - STARTED)
                    if browser:
                        await asyncio.to_thread(webbrowser.open, f"{base}/chat")
                    if not announce:
                        say(f"Linguadesk is ready: chat {base}/chat, desk {base}/desk")
                beside = [asyncio.create_task(_end_with_workers(app, server)), asyncio.create_task(_warm_up(app))]
                if announce and server.started:
                    beside.append(asyncio.create_task(announce(app, base)))
                await serving
                for task in beside:
                    task.cancel()
                await asyncio.gather(*beside, return_exceptions=True)
                app.check()
        finally:
            await app.close()

    asyncio.run(main())


async def _warm_up(app: App) -> None:
    """Load, language by language, what is otherwise loaded while the first customers wait."""
    for language in app.voice.texts.languages:
        await asyncio.to_thread(app.engine.warm_up, language)
        await asyncio.sleep(PAUSE_SECONDS)
    # What is loaded by now stays to the end: the collector need not look through all of it again and again,
    # a fifth of a second each time in which nobody is answered.
    gc.collect()
    gc.freeze()


async def _end_with_workers(app: App, server: uvicorn.Server) -> None:
    """A server whose workers have ended takes messages that nobody answers: it ends too."""
    await app.broken.wait()
    server.should_exit = True


def say(text: str) -> None:
    """Print at once, so that whoever reads the output through a pipe sees it."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


async def work(config: Config) -> None:
    """Handle and send, without receiving, until interrupted.

    Raises:
        WorkersEnded: the workers have ended though nobody asked them to.
    """
    await ready_model(config)
    app = build(config)
    try:
        await warm_up(app.recognizer)
        async with app.running(receive=False):
            log.info("working")
            await app.broken.wait()
            app.check()
    finally:
        await app.close()


async def terminal(config: Config) -> None:
    """Chat in the terminal until its end of input."""
    await ready_model(config)
    app = build(config, only=frozenset({"terminal"}))
    connector = app.connectors["terminal"]
    if not isinstance(connector, Terminal):
        raise LinguadeskError("the terminal's connector is not there")
    try:
        async with app.running():
            await connector.converse()
    finally:
        await app.close()
