"""Training and running the Rasa server: from the project's files, in Rasa's own environment."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from bot.config import RASA_KEYS, Config, load_yaml
from bot.contracts import LinguadeskError
from bot.domain import load_domain
from nlu.recognizers.rasa import PARSE, Unanswered, ask, client_of, model_of
from nlu.training_data import data_files

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".rasa" / "bin" / "python"
START_SECONDS = 600.0
END_SECONDS = 15.0
KEPT = 2
LOOPBACK = ("127.0.0.1", "localhost", "::1")
PREFIX = "linguadesk-"
_SECRETIVE = ("LINGUADESK_", "TELEGRAM_", "SLACK_")
_SUFFIX = ".tar.gz"


class RasaError(LinguadeskError):
    """Rasa cannot be trained or run; the text says what to do."""


def folder(config: Config) -> Path:
    """Where Rasa's models and its log are kept."""
    return config.data_dir / "rasa"


def model_name(config: Config) -> str:
    """The name, made from their content, of the model that belongs to the files as they are now.

    Raises:
        ConfigError: the project's files cannot be used.
    """
    digest = hashlib.sha256()

    def add(name: str, content: bytes) -> None:
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)

    document = load_yaml(config.home / "config.yml", "config.yml")
    pipeline = {key: document[key] for key in sorted(RASA_KEYS & set(document))}
    domain = load_domain(config.home)
    add("pipeline", json.dumps([pipeline, config.settings.languages], default=str).encode())
    add("domain", json.dumps([domain.intents, domain.entities]).encode())
    for path, _ in data_files(config):
        add(path.relative_to(config.home).as_posix(), path.read_bytes())
    own = [*(ROOT / "nlu" / "components").glob("*.py"), *(ROOT / "nlu" / name for name in ("text.py", "scripts.py"))]
    for path in sorted(own):
        add(path.name, path.read_bytes())
    add("lock", (ROOT / "nlu" / "rasa" / "requirements.lock").read_bytes())
    return f"{PREFIX}{digest.hexdigest()[:20]}"


def model_path(config: Config) -> Path:
    """Where that model is, or will be."""
    return folder(config) / "models" / f"{model_name(config)}{_SUFFIX}"


def environment(config: Config) -> dict[str, str]:
    """The environment in which Rasa runs.

    It gets none of the desk's secrets, reports nothing to anybody and writes below the data folder.
    """
    own = {name: value for name, value in os.environ.items() if not name.startswith(_SECRETIVE)}
    return {
        **own,
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "RASA_TELEMETRY_ENABLED": "false",
        # Rasa's cache of intermediate results takes longer to write than it saves.
        "RASA_MAX_CACHE_SIZE": "0",
        "RASA_CACHE_DIRECTORY": str(folder(config) / "cache"),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "",
        "MPLCONFIGDIR": str(folder(config) / "matplotlib"),
    }


def _python() -> str:
    if not PYTHON.exists():
        raise RasaError("Rasa's environment is not there; make it with: make rasa-env")
    return str(PYTHON)


def _domain(config: Config) -> str:
    return "domain.yml" if (config.home / "domain.yml").is_file() else "domain"


def train(config: Config, output: Path | None = None) -> Path:
    """Train Rasa, unless the model for the present files is there; return the model's file.

    What Rasa prints goes to ``output``, or to this program's own output.

    Raises:
        ConfigError: the project's files cannot be used.
        RasaError: Rasa's environment is missing, or training failed.
    """
    target = model_path(config)
    if target.is_file():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    # Trained under another name and then moved, so that what is there is whole.
    work = f"training-{os.getpid()}"
    files = [path.relative_to(config.home).as_posix() for path, _ in data_files(config)]
    command = [_python(), "-m", "nlu.rasa.launch", "train", "--skip-validation", "--config", "config.yml"]
    command += ["--domain", _domain(config), "--out", str(target.parent), "--fixed-model-name", work]
    made = target.with_name(f"{work}{_SUFFIX}")
    try:
        with output.open("wb") if output else contextlib.nullcontext() as stream:
            ended = subprocess.run(  # noqa: S603 (our own program)
                [*command, "--data", *files],
                cwd=config.home,
                env=environment(config),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                check=False,
            )
        if ended.returncode or not made.is_file():
            where = f"it has said why in {output}" if output else "it has said why above"
            raise RasaError(f"Rasa could not be trained (exit code {ended.returncode}); {where}")
        made.replace(target)
    finally:
        made.unlink(missing_ok=True)
    _remove_old(target)
    return target


def _remove_old(newest: Path) -> None:
    models = [path for path in newest.parent.glob(f"{PREFIX}*{_SUFFIX}") if path != newest]
    for path in sorted(models, key=lambda path: path.stat().st_mtime, reverse=True)[KEPT - 1 :]:
        path.unlink(missing_ok=True)


def serve_command(config: Config, model: Path, host: str, port: int) -> list[str]:
    """The command line of a server for a model; its token is taken from its environment.

    Raises:
        RasaError: the environment is missing, or others could ask the server without a token.
    """
    if host not in LOOPBACK and not config.rasa_token:
        raise RasaError(
            f"on {host} anybody could ask the Rasa server; set LINGUADESK_RASA_TOKEN first, here and for the desk"
        )
    command = [_python(), "-m", "nlu.rasa.launch", "run", "--enable-api", "--model", str(model)]
    return [*command, "--interface", host, "--port", str(port)]


def address(config: Config) -> tuple[str, int]:
    """Host and port of ``recognizer.rasa.url``."""
    parts = urlsplit(config.settings.recognizer.rasa.url)
    return parts.hostname or "127.0.0.1", parts.port or (443 if parts.scheme == "https" else 80)


def free_port() -> int:
    """A port of the loopback interface that nobody uses just now."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def asking(config: Config, url: str, token: str) -> Config:
    """The configuration of a desk that asks the server at this address."""
    recognizer = config.settings.recognizer
    rasa = recognizer.rasa.model_copy(update={"url": url})
    changed = recognizer.model_copy(update={"engine": "rasa", "rasa": rasa})
    settings = config.settings.model_copy(update={"recognizer": changed})
    return replace(config, settings=settings, env={**config.env, "LINGUADESK_RASA_TOKEN": token})


@contextlib.asynccontextmanager
async def running(config: Config, model: Path) -> AsyncIterator[str]:
    """A Rasa server on the loopback interface while the block lasts; gives its address once it answers.

    ``config`` must hold the token; the server writes to ``server.log`` in :func:`folder`.

    Raises:
        RasaError: it has not begun to answer.
    """
    port = free_port()
    command = serve_command(config, model, "127.0.0.1", port)
    env = {**environment(config), "LINGUADESK_RASA_TOKEN": config.rasa_token}
    url = f"http://127.0.0.1:{port}"
    folder(config).mkdir(parents=True, exist_ok=True)
    with (folder(config) / "server.log").open("wb") as output:
        # A session of its own: Ctrl+C is for the desk, which ends the server last.
        server = subprocess.Popen(  # noqa: ASYNC220, S603 (returns at once)
            command, cwd=config.home, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            start_new_session=True,
        )  # fmt: skip
        try:
            await _answering(asking(config, url, config.rasa_token), server, Path(output.name))
            yield url
        finally:
            await asyncio.to_thread(_end, server)


async def _answering(config: Config, server: subprocess.Popen[bytes], output: Path) -> None:
    """Return once the server has loaded its model and has answered a first message, which takes longest."""
    until = time.monotonic() + START_SECONDS
    reason = ""
    patient = config.settings.recognizer.rasa.model_copy(update={"timeout_seconds": 60.0})
    while time.monotonic() < until:
        if server.poll() is not None:
            raise RasaError(f"the Rasa server has ended (exit code {server.returncode}); its log is {output}")
        try:
            await model_of(config)
            async with client_of(patient, config.rasa_token) as client:
                await ask(client, "POST", PARSE, {"text": "hello"})
        except Unanswered as error:
            reason = str(error)
            await asyncio.sleep(0.3)
        else:
            return
    raise RasaError(f"the Rasa server is not ready after {START_SECONDS:.0f} s: {reason}; its log is {output}")


def _end(server: subprocess.Popen[bytes]) -> None:
    """End the server and what it has started."""
    for wish in (signal.SIGTERM, signal.SIGKILL):
        if server.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, wish)
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.wait(END_SECONDS)
