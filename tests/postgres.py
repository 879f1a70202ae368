"""A real PostgreSQL server for the tests: started once, on loopback, as an ordinary user."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path


def binaries() -> Path | None:
    """The folder with ``initdb`` and ``pg_ctl``, if PostgreSQL is installed."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    return folders[-1] if folders else None


def _as_ordinary_user() -> list[str]:
    """PostgreSQL refuses to run as root; Debian's package brings the user ``postgres``."""
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []


@contextlib.contextmanager
def server(folder: Path) -> Iterator[str]:
    """Run a server below ``folder`` while the block lasts; its URL, without a database name."""
    with restartable() as (url, _restart):
        yield url


@contextlib.contextmanager
def restartable() -> Iterator[tuple[str, Callable[[str], None]]]:
    """As :func:`server`, with a function that restarts it in one of ``pg_ctl``'s modes."""
    where = binaries()
    if where is None:
        raise RuntimeError("PostgreSQL is not installed")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    prefix = _as_ordinary_user()
    # A socket's path is short, pytest's folders are not.
    home = Path(tempfile.mkdtemp(prefix="pg-"))
    if prefix:
        owner = pwd.getpwnam("postgres")
        os.chown(home, owner.pw_uid, owner.pw_gid)
    data = home / "data"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.STDOUT, "check": True, "cwd": "/"}
    subprocess.run([*prefix, where / "initdb", "-D", data, "-U", "tests", "-A", "trust", "-E", "UTF8"], **quiet)
    options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={home} -c fsync=off"
    control = [*prefix, where / "pg_ctl", "-D", data, "-l", home / "log", "-w"]
    subprocess.run([*control, "-o", options, "start"], **quiet)
    try:
        restart = [*control, "-o", options]
        yield (
            f"postgresql://tests@127.0.0.1:{port}",
            lambda mode: subprocess.run([*restart, "-m", mode, "restart"], **quiet) and None,
        )
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], **quiet)
        shutil.rmtree(home, ignore_errors=True)
