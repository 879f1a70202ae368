"""A PostgreSQL server of one's own whose data stay for the next time, for benchmarks."""

from __future__ import annotations

import contextlib
import os
import pwd
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.postgres import binaries

# As the server's own advice for a machine with some gigabytes: what is measured is the program, not the defaults.
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "shared_buffers": "512MB",
    "max_wal_size": "4GB",
    "fsync": "off",
    "synchronous_commit": "off",
}


@contextlib.contextmanager
def kept(folder: Path) -> Iterator[str]:
    """Run the server whose data are in ``folder`` (made if there are none) while the block lasts; its URL.

    It listens on the loopback address only. Run as root, it is the user ``postgres`` who owns it, and who must be able
    to enter the folders above.
    """
    where = binaries()
    if where is None:
        raise SystemExit("PostgreSQL is not installed; give the URL of a server instead")
    folder.mkdir(parents=True, exist_ok=True)
    prefix: list[str] = []
    if os.geteuid() == 0:
        owner = pwd.getpwnam("postgres")
        os.chown(folder, owner.pw_uid, owner.pw_gid)
        # PostgreSQL refuses to run as root.
        prefix = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    data = folder / "data"
    if not data.exists():
        _run([*prefix, where / "initdb", "-D", data, "-U", "bench", "-A", "trust", "-E", "UTF8"])
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = " ".join(f"-c {name}={value}" for name, value in SETTINGS.items())
    options += f" -c port={port} -c unix_socket_directories="
    control = [*prefix, where / "pg_ctl", "-D", data, "-l", folder / "log", "-w"]
    _run([*control, "-o", options, "start"])
    try:
        yield f"postgresql://bench@127.0.0.1:{port}"
    finally:
        _run([*control, "-m", "fast", "stop"])


def _run(command: list[str | Path]) -> None:
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT, check=True, cwd="/")
