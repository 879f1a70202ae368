"""``linguadesk nlu compare``: engines side by side on the same messages.

Each engine runs in a process of its own, one after the other, so that neither its memory nor its
speed is that of its neighbour. What a Rasa server does not answer is answered by the embedded
engine, as in the desk; here such messages are left out, and if they are many there is no comparison.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bot.config import Config, ConfigError, Problem, Settings
from bot.contracts import LinguadeskError, Parse, Recognizer
from nlu.evaluation.measures import macro_f1, scores, share
from nlu.evaluation.messages import EVAL_FOLDER, Message, load_messages

ENGINES = ("embedded", "embedded:no-vectors", "rasa")
Progress = Callable[[float, str], None]

_WARM_UP = 10
_UNANSWERED = 0.05
_LEAST = 10
_LISTENING = "0A"
_PACKAGE_ROOT = Path(__file__).resolve().parent.parent


class CompareError(LinguadeskError):
    """An engine cannot be compared; the text says which and why."""


@dataclass(frozen=True, slots=True)
class EngineFigures:
    """One engine. Latencies are in milliseconds, memory in megabytes (10⁶ bytes).

    Attributes:
        unanswered: messages that the embedded engine had to answer, left out of the figures.
        ready_seconds: from the start of its process to the first answer, with a trained model.
        memory_mb: resident memory of the process that answers customers; 0 where it is not known.
        server_memory_mb: that of a server beside it; None where it is elsewhere or there is none.
    """

    engine: str
    messages: int
    unanswered: int
    accuracy: float
    macro_f1: float
    language_accuracy: float
    by_language: dict[str, float]
    p50_ms: float
    mean_ms: float
    p95_ms: float
    ready_seconds: float
    memory_mb: float
    server_memory_mb: float | None


@dataclass(frozen=True, slots=True)
class Agreement:
    """How often two engines found the same intent, and who was right when they did not."""

    engines: tuple[str, str]
    same: float
    both_right: float
    only_first_right: float
    only_second_right: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """All engines, and each pair of them."""

    messages: int
    engines: tuple[EngineFigures, ...]
    agreement: tuple[Agreement, ...]

    def to_json(self) -> dict[str, Any]:
        """The comparison as JSON-ready data."""
        return asdict(self)

    def rows(self) -> list[dict[str, str]]:
        """A row for each measure with a column for each engine, then the agreement of each pair."""
        numbers: dict[str, Callable[[EngineFigures], str]] = {
            "messages": lambda item: f"{item.messages}",
            "left out, not answered": lambda item: f"{item.unanswered}",
            "accuracy": lambda item: f"{item.accuracy:.1%}",
            "macro F1": lambda item: f"{item.macro_f1:.3f}",
            "language right": lambda item: f"{item.language_accuracy:.1%}",
            "p50": lambda item: f"{item.p50_ms:.2f} ms",
            "mean": lambda item: f"{item.mean_ms:.2f} ms",
            "p95": lambda item: f"{item.p95_ms:.2f} ms",
            "ready after": lambda item: f"{item.ready_seconds:.2f} s",
            "memory": lambda item: f"{item.memory_mb:.0f} MB" if item.memory_mb else "unknown",
            "memory of the server": lambda item: _server_memory(item),
        }
        table = [
            {"measure": name, **{item.engine: show(item) for item in self.engines}} for name, show in numbers.items()
        ]
        for language in dict.fromkeys(code for item in self.engines for code in item.by_language):
            shares = {item.engine: item.by_language.get(language) for item in self.engines}
            cells = {engine: "" if share is None else f"{share:.1%}" for engine, share in shares.items()}
            table.append({"measure": f"accuracy {language}", **cells})
        for pair in self.agreement:
            first, second = pair.engines
            empty = {item.engine: "" for item in self.engines}
            table.append({"measure": f"the same intent: {first}, {second}", **empty, first: f"{pair.same:.1%}"})
            alone = {first: f"{pair.only_first_right:.1%}", second: f"{pair.only_second_right:.1%}"}
            table.append({"measure": "right where the other is wrong", **empty, **alone})
        return table


def _server_memory(item: EngineFigures) -> str:
    if not item.engine.startswith("rasa"):
        return "none"
    return f"{item.server_memory_mb:.0f} MB" if item.server_memory_mb else "unknown"


def compare(
    config: Config,
    engines: Sequence[str] = ("embedded", "rasa"),
    languages: Iterable[str] | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Measure engines, each named as in :data:`ENGINES`, on the evaluation messages.

    Raises:
        ConfigError: there are no messages, or the project's files cannot be used.
        CompareError: an engine cannot be reached, or did not answer itself.
    """
    if len(set(engines)) != len(engines):
        raise CompareError("name each engine once")
    messages = [message for message in load_messages(config, languages) if not message.seen]
    if not messages:
        raise ConfigError(Problem(EVAL_FOLDER.as_posix(), 0, "there are no evaluation messages"))
    chosen = {engine: _settings(config, engine) for engine in engines}
    if any(settings.recognizer.engine == "rasa" for settings in chosen.values()):
        # Before minutes are spent on the others.
        asyncio.run(_reach_rasa(config))
    answers = {engine: _run(config, engine, settings, messages, progress) for engine, settings in chosen.items()}
    figures = tuple(_figures(engine, found, messages) for engine, found in answers.items())
    pairs = tuple(_agreement(pair, answers, messages) for pair in combinations(engines, 2))
    return Comparison(len(messages), figures, pairs)


def _settings(config: Config, engine: str) -> Settings:
    if engine not in ENGINES:
        raise CompareError(f"unknown engine {engine!r}; there are {', '.join(ENGINES)}")
    kind, _, variant = engine.partition(":")
    changes = {"engine": kind, **({"vectors": "off"} if variant else {})}
    recognizer = config.settings.recognizer.model_copy(update=changes)
    return config.settings.model_copy(update={"recognizer": recognizer})


async def _reach_rasa(config: Config) -> None:
    """Raise :class:`CompareError` unless a Rasa server with a model answers."""
    from nlu.recognizers.rasa import Unanswered, model_of

    try:
        await model_of(config)
    except Unanswered as error:
        url = config.settings.recognizer.rasa.url
        raise CompareError(f"the Rasa server at {url} cannot be measured: {error}") from None


@dataclass(frozen=True, slots=True)
class _Answers:
    """What an engine's process said: (intent, language, milliseconds) of each message, None if unanswered."""

    found: list[tuple[str, str, float] | None]
    ready_seconds: float
    memory_mb: float
    server_memory_mb: float | None


def _run(
    config: Config, engine: str, settings: Settings, messages: Sequence[Message], progress: Progress | None
) -> _Answers:
    """Run one engine in a process of its own."""
    task = {
        "home": str(config.home),
        "data_dir": str(config.data_dir),
        "settings": settings.model_dump(mode="json"),
        "texts": [message.text for message in messages],
    }
    path = os.pathsep.join(filter(None, [str(_PACKAGE_ROOT), os.environ.get("PYTHONPATH", "")]))
    env = {**os.environ, "PYTHONPATH": path, "LINGUADESK_RASA_TOKEN": config.rasa_token}
    command = [sys.executable, "-m", "nlu.compare"]
    with subprocess.Popen(  # noqa: S603 (this program itself)
        command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
    ) as process:
        assert process.stdin and process.stdout  # noqa: S101 (for the type checker)
        with contextlib.suppress(BrokenPipeError):  # the process ended at once; what it said counts
            process.stdin.write(json.dumps(task))
            process.stdin.close()
        result: dict[str, Any] = {"error": f"{engine}: its process ended early"}
        for line in process.stdout:
            said = json.loads(line)
            if "done" in said:
                if progress is not None:
                    progress(said["done"], f"{engine}: {said['what']}")
            else:
                result = said
    if "problems" in result:
        raise ConfigError(*(Problem(**item) for item in result["problems"]))
    if "error" in result:
        raise CompareError(str(result["error"]))
    found = [tuple(item) if item is not None else None for item in result["found"]]
    return _Answers(found, result["ready"], result["memory"], result["server_memory"])


def _figures(engine: str, answers: _Answers, messages: Sequence[Message]) -> EngineFigures:
    pairs = [(message, found) for message, found in zip(messages, answers.found, strict=True) if found is not None]
    times = sorted(found[2] for _, found in pairs)
    table = scores((message.intent, found[0]) for message, found in pairs)
    return EngineFigures(
        engine=engine,
        messages=len(pairs),
        unanswered=len(messages) - len(pairs),
        accuracy=share(message.intent == found[0] for message, found in pairs),
        macro_f1=macro_f1(table),
        language_accuracy=share(message.language == found[1] for message, found in pairs),
        by_language={
            language: share(message.intent == found[0] for message, found in pairs if message.language == language)
            for language in dict.fromkeys(message.language for message, _ in pairs)
        },
        p50_ms=round(statistics.median(times), 3),
        mean_ms=round(statistics.fmean(times), 3),
        p95_ms=round(times[min(int(len(times) * 0.95), len(times) - 1)], 3),
        ready_seconds=round(answers.ready_seconds, 2),
        memory_mb=round(answers.memory_mb, 1),
        server_memory_mb=answers.server_memory_mb,
    )


def _agreement(pair: tuple[str, str], answers: dict[str, _Answers], messages: Sequence[Message]) -> Agreement:
    both = [
        (message.intent, one[0], other[0])
        for message, one, other in zip(messages, *(answers[engine].found for engine in pair), strict=True)
        if one is not None and other is not None
    ]
    return Agreement(
        engines=pair,
        same=share(one == other for _, one, other in both),
        both_right=share(one == other == truth for truth, one, other in both),
        only_first_right=share(one == truth != other for truth, one, other in both),
        only_second_right=share(other == truth != one for truth, one, other in both),
    )


async def parse_with(config: Config, texts: Sequence[str], progress: Progress | None = None) -> list[Parse]:
    """What the configured engine itself understands of texts; nothing of those that it did not answer.

    Raises:
        CompareError: it cannot be reached, or left messages to the embedded engine.
    """
    from nlu.recognizers import close, create

    if config.settings.recognizer.engine == "rasa":
        await _reach_rasa(config)
    recognizer = create(config)
    try:
        found = []
        async for parse, answered, _ in _each(recognizer, texts, progress):
            found.append(parse if answered else Parse(parse.text, "", 0.0))
        return found
    finally:
        await close(recognizer)


async def _each(
    recognizer: Recognizer, texts: Sequence[str], progress: Progress | None = None
) -> AsyncIterator[tuple[Parse, bool, float]]:
    """For each text its parse, whether the engine itself answered, and the milliseconds it took."""
    allowed = max(len(texts) * _UNANSWERED, _LEAST)
    lost = 0
    for number, text in enumerate(texts):
        if progress is not None and number % 100 == 0:
            progress(number / len(texts), "reading messages")
        before = _fallbacks(recognizer)
        started = time.perf_counter()
        parse = await recognizer.parse(text)
        took = (time.perf_counter() - started) * 1000
        answered = _fallbacks(recognizer) == before
        lost += not answered
        if lost > allowed:
            raise CompareError(f"the Rasa server left {lost} of {number + 1} messages unanswered")
        yield parse, answered, took


def _fallbacks(recognizer: Recognizer) -> int:
    """How many messages an engine has left to another one."""
    status = getattr(recognizer, "status", None)
    return int(status().fallbacks) if status is not None else 0


def resident_mb(pid: int | str = "self") -> float:
    """The resident memory of a process in megabytes, 0 where the system does not say."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0.0
    for line in status.splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 / 1e6
    return 0.0


def server_mb(url: str) -> float | None:
    """The resident memory of what listens at a URL of this machine; None if that cannot be known."""
    parts = urlsplit(url)
    if parts.hostname not in ("127.0.0.1", "localhost", "::1"):
        return None
    port = parts.port or (443 if parts.scheme == "https" else 80)
    sockets = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for fields in map(str.split, lines):
            if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                sockets.add(f"socket:[{fields[9]}]")
    total = sum(resident_mb(process.name) for process in _processes() if _holds(process, sockets))
    return round(total, 1) if total else None


def _processes() -> list[Path]:
    root = Path("/proc")
    return [item for item in root.iterdir() if item.name.isdigit()] if root.is_dir() else []


def _holds(process: Path, sockets: set[str]) -> bool:
    try:
        return any(str(item.readlink()) in sockets for item in (process / "fd").iterdir())
    except OSError:
        return False


async def _work(task: dict[str, Any], started: float, say: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """One engine's process: read all messages, and say what was found."""
    from nlu.recognizers import close, create
    from nlu.train import ensure_model_sync

    settings = Settings.model_validate(task["settings"])
    env = {"LINGUADESK_RASA_TOKEN": os.environ.get("LINGUADESK_RASA_TOKEN", "")}
    config = Config(home=Path(task["home"]), data_dir=Path(task["data_dir"]), settings=settings, env=env)

    def report(done: float, what: str) -> None:
        say({"done": done, "what": what})

    training = time.perf_counter()
    ensure_model_sync(config, report)
    started += time.perf_counter() - training
    recognizer = create(config)
    texts: list[str] = task["texts"]
    try:
        await recognizer.parse(texts[0])
        ready = time.perf_counter() - started
        async for _ in _each(recognizer, texts[:_WARM_UP]):
            pass
        found: list[tuple[str, str, float] | None] = []
        async for parse, answered, took in _each(recognizer, texts, report):
            found.append((parse.intent, parse.language.language, round(took, 4)) if answered else None)
        url = settings.recognizer.rasa.url
        server = server_mb(url) if settings.recognizer.engine == "rasa" else None
        return {"found": found, "ready": ready, "memory": resident_mb(), "server_memory": server}
    finally:
        await close(recognizer)


def main() -> int:
    """One engine's process: the task on standard input, progress and the result as JSON lines."""
    started = time.perf_counter()
    task = json.load(sys.stdin)

    def say(words: dict[str, Any]) -> None:
        sys.stdout.write(json.dumps(words) + "\n")
        sys.stdout.flush()

    try:
        say(asyncio.run(_work(task, started, say)))
    except ConfigError as error:
        say({"problems": [asdict(problem) for problem in error.problems]})
    except LinguadeskError as error:
        say({"error": str(error)})
    return 0


if __name__ == "__main__":
    sys.exit(main())
