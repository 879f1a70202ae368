"""The embedded recogniser beside Rasa's pipelines: ``python -m bench.rasa FOLDER [--epochs N]``.

FOLDER holds ``banking77_10shot.json``: ``train`` and ``test``, lists of a text with its intent. It becomes a
Rasa project in a temporary folder, and three engines learn from those same files: the embedded one; Rasa 3.6
with the part of `rasa init`'s pipeline that finds intents (DIETClassifier); Rasa with counted n-grams and
logistic regression. Rasa runs in the environment that ``make rasa-env`` builds. The whole takes a
quarter of an hour with the 100 epochs of DIET.

All keep to one thread on one processor, this program to another. Rasa is asked over HTTP (`rasa run
--enable-api` on the loopback interface, POST /model/parse) and in process (its agent); the embedded engine in process,
as the desk asks it. Once all are ready they are asked the same messages in turn, a hundred each, so
that a noisy machine disturbs all alike. Linux only.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import random
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import psutil

from bench.engine import percentile
from bot.config import load_config
from nlu.rasa import server

MESSAGES, ROUND, WARM_UP, STARTS = 600, 100, 50, 3
SEED = 77
OURS, DIET, COUNTED = "embedded", "DIET", "logistic"
INSIDE, HTTP = "in process", "over HTTP"
ENGINES = ((OURS, INSIDE), (DIET, INSIDE), (DIET, HTTP), (COUNTED, INSIDE), (COUNTED, HTTP))
# Rasa reads the last two, TensorFlow those before them.
ONE_THREAD = dict.fromkeys(
    (
        *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"),
        *("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"),
        *("TF_INTRA_OP_PARALLELISM_THREADS", "TF_INTER_OP_PARALLELISM_THREADS"),
    ),
    "1",
)
_HEAD = "recipe: default.v1\nassistant_id: bench\nlanguage: en\npolicies:\n  - name: RulePolicy\npipeline:\n"
_COUNTS = (
    "  - name: CountVectorsFeaturizer\n"
    "  - name: CountVectorsFeaturizer\n    analyzer: char_wb\n    min_ngram: 1\n    max_ngram: 4\n"
)
_DIET = (
    f"{_HEAD}  - name: WhitespaceTokenizer\n  - name: RegexFeaturizer\n  - name: LexicalSyntacticFeaturizer\n{_COUNTS}"
    "  - name: DIETClassifier\n    epochs: %d\n    constrain_similarities: true\n"
)
_COUNTED = f"{_HEAD}  - name: WhitespaceTokenizer\n{_COUNTS}  - name: LogisticRegressionClassifier\n"
PIPELINES = {DIET: "config.yml", COUNTED: "logistic.yml"}

Pairs = Sequence[Sequence[str]]
Kind = tuple[str, str]
"""An engine and the way in which it is asked."""
Table = list[tuple[str, ...]]
Answers = list[tuple[str, float]]
"""For each message its intent and the milliseconds it took."""


@dataclass(frozen=True, slots=True)
class Training:
    """What training took: processor and elapsed seconds, and the most memory one of its processes had, in MB."""

    cpu: float
    elapsed: float
    peak: float


@dataclass(slots=True)
class Figures:
    """One engine asked in one way; ``begun`` and ``busy`` are processor seconds of each start and of all messages."""

    starts: list[float] = field(default_factory=list)
    begun: list[float] = field(default_factory=list)
    busy: float = 0.0
    ready: float = 0.0
    after: float = 0.0
    answers: Answers = field(default_factory=list)

    @property
    def start(self) -> float:
        """Seconds until the first message is answered, the median of the starts."""
        return statistics.median(self.starts)

    @property
    def p50(self) -> float:
        """Milliseconds of a message, the median."""
        return statistics.median(took for _, took in self.answers)

    @property
    def mean(self) -> float:
        """Milliseconds of a message, the mean."""
        return statistics.fmean(took for _, took in self.answers)

    @property
    def p95(self) -> float:
        """Milliseconds that one message in twenty exceeds."""
        return percentile([took for _, took in self.answers], 0.95)

    @property
    def cost(self) -> float:
        """Milliseconds of processor time of a message, the mean."""
        return 1000 * self.busy / len(self.answers)

    def right(self, intents: Sequence[str]) -> float:
        """How many of the intents were found, in percent."""
        hits = [found == intent for (found, _), intent in zip(self.answers, intents, strict=True)]
        return 100 * statistics.fmean(hits)


def safe(intent: str) -> str:
    """The intent's name in letters that Rasa allows."""
    return re.sub(r"\W+", "_", intent.lower()).strip("_")


def write_project(home: Path, examples: Pairs, epochs: int) -> None:
    """A Rasa project with these examples, and a second pipeline beside its own."""
    texts: dict[str, list[str]] = {}
    for text, intent in examples:
        texts.setdefault(intent, []).append(" ".join(text.split()))
    if len({safe(intent) for intent in texts}) < len(texts):
        raise SystemExit("two intents differ in signs only")
    (home / "data").mkdir(parents=True)
    (home / PIPELINES[DIET]).write_text(_DIET % epochs, encoding="utf-8")
    (home / PIPELINES[COUNTED]).write_text(_COUNTED, encoding="utf-8")
    names = "".join(f"  - {safe(intent)}\n" for intent in texts)
    (home / "domain.yml").write_text(f'version: "3.1"\nintents:\n{names}', encoding="utf-8")
    sections = "".join(
        f"  - intent: {safe(intent)}\n    examples: |\n" + "".join(f"      - {text}\n" for text in said)
        for intent, said in texts.items()
    )
    (home / "data" / "nlu.yml").write_text(f'version: "3.1"\nnlu:\n{sections}', encoding="utf-8")


class Place:
    """The temporary folder with the project, models and logs; knows how to start what is measured."""

    def __init__(self, folder: Path, python: Path) -> None:
        self.home, self._folder, self._python = folder / "project", folder, python
        own = os.sched_getaffinity(0)
        self._core = max(own)
        if rest := own - {self._core}:
            os.sched_setaffinity(0, rest)

    def _environment(self, *, rasa: bool) -> dict[str, str]:
        env = server.environment(load_config(self.home, self._folder / "data", env={})) | ONE_THREAD
        del env["PYTHONDONTWRITEBYTECODE"]
        # Rasa's environment comes without byte code; compiling at each start would be a third of the start.
        return env | {"PYTHONPYCACHEPREFIX": str(self._folder / "bytecode")} if rasa else env

    @contextlib.contextmanager
    def running(
        self, command: Sequence[str], *, rasa: bool, log: Path, asked: bool = False
    ) -> Iterator[subprocess.Popen[bytes]]:
        """A process on the processor of the measured ones, ``asked`` over pipes; ended at last, with its own."""
        python = str(self._python) if rasa else sys.executable
        env = self._environment(rasa=rasa)
        own = os.sched_getaffinity(0)
        with log.open("ab") as output:
            os.sched_setaffinity(0, {self._core})
            try:
                process = subprocess.Popen(
                    [python, "-m", *command], cwd=self.home, env=env, start_new_session=True,
                    stdin=subprocess.PIPE if asked else subprocess.DEVNULL,
                    stdout=subprocess.PIPE if asked else output, stderr=output,
                )  # fmt: skip
            finally:
                os.sched_setaffinity(0, own)
        try:
            yield process
        finally:
            _end(process)

    def log(self, name: str) -> Path:
        """A file for what a process has to say."""
        return self._folder / f"{name.replace(' ', '-')}.log"

    def model(self, engine: str) -> Path:
        """The file of Rasa's model."""
        return self._folder / "models" / f"{engine}.tar.gz"

    def train(self, engine: str, data: str = "data") -> Training:
        """Train an engine from nothing; ``data`` is the folder where ours keeps its model.

        Raises:
            SystemExit: it failed; with what it said.
        """
        command = ["nlu.train", "--home", str(self.home), "--data-dir", str(self._folder / data)]
        if engine != OURS:
            command = ["nlu.rasa.launch", "train", "nlu", "--config", PIPELINES[engine], "--nlu", "data/nlu.yml"]
            command += ["--domain", "domain.yml", "--out", str(self.model(engine).parent)]
            command += ["--fixed-model-name", engine]
        log = self.log(f"{engine} training")
        begun = time.perf_counter()
        with self.running(command, rasa=engine != OURS, log=log) as process:
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{engine} could not be trained\n{log.read_text(errors='replace')}")
        peak = usage.ru_maxrss * 1024 / 1e6
        return Training(usage.ru_utime + usage.ru_stime, time.perf_counter() - begun, peak)


def _end(process: subprocess.Popen[bytes]) -> None:
    for wish in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is None:
            os.killpg(process.pid, wish)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(server.END_SECONDS)
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()


class Engine:
    """A trained engine as a running process, asked over pipes (:data:`INSIDE`) or over HTTP."""

    def __init__(self, place: Place, name: str, way: str, stack: contextlib.ExitStack) -> None:
        self._log = place.log(f"{name} {way}")
        self._client: http.client.HTTPConnection | None = None
        model = str(place.model(name))
        if way == HTTP:
            port = server.free_port()
            self._client = http.client.HTTPConnection("127.0.0.1", port, timeout=server.START_SECONDS)
            command = ["nlu.rasa.launch", "run", "--enable-api", "--model", model]
            command += ["--interface", "127.0.0.1", "--port", str(port)]
        elif name == OURS:
            command = ["bench.rasa_inside", "embedded", str(place.home), str(place.home.parent / "data")]
        else:
            command = ["bench.rasa_inside", "rasa", model]
        self._begun = time.perf_counter()
        self._process = stack.enter_context(
            place.running(command, rasa=name != OURS, log=self._log, asked=way == INSIDE)
        )

    def begin(self, text: str) -> float:
        """Ask a first message as soon as it can be asked; seconds since the process was started."""
        while True:
            try:
                self.ask([text])
            except ConnectionError:
                if self._process.poll() is not None or time.perf_counter() - self._begun > server.START_SECONDS:
                    self._fail()
                time.sleep(0.02)
            else:
                return time.perf_counter() - self._begun

    def resident(self) -> float:
        """Resident memory in MB, with that of the processes it has started."""
        process = psutil.Process(self._process.pid)
        return sum(item.memory_info().rss for item in [process, *process.children(recursive=True)]) / 1e6

    def busy(self) -> float:
        """Seconds of processor time it has used, with the processes it has started."""
        process = psutil.Process(self._process.pid)
        used = [item.cpu_times() for item in [process, *process.children(recursive=True)]]
        return float(sum(item.user + item.system for item in used))

    def ask(self, texts: Sequence[str]) -> Answers:
        """Messages one after the other; over HTTP their time is that of the whole request."""
        if self._client is not None:
            # Rasa closes a connection that was idle for five seconds; opening it is not measured.
            self._client.close()
            self._client.connect()
            return [self._request(self._client, text) for text in texts]
        assert self._process.stdin and self._process.stdout
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(texts).encode() + b"\n")
            self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            self._fail()
        return [(str(intent), float(took)) for intent, took in json.loads(line)]

    def _request(self, client: http.client.HTTPConnection, text: str) -> tuple[str, float]:
        body = json.dumps({"text": text}).encode()
        begun = time.perf_counter()
        client.request("POST", "/model/parse", body, {"Content-Type": "application/json"})
        response = client.getresponse()
        content = response.read()
        took = 1000 * (time.perf_counter() - begun)
        if response.status != http.HTTPStatus.OK:
            self._fail()
        return str(json.loads(content)["intent"]["name"]), took

    def _fail(self) -> NoReturn:
        raise SystemExit(f"{self._process.args!r} does not answer\n{self._log.read_text(errors='replace')}")


def measure(place: Place, warming: Sequence[str], texts: Sequence[str]) -> dict[Kind, Figures]:
    """Start all engines, several times, and ask them the messages in turn."""
    found = {kind: Figures() for kind in ENGINES}
    with contextlib.ExitStack() as stack:
        engines: dict[Kind, Engine] = {}
        for run in range(1, STARTS + 1):
            for kind, figures in found.items():
                _say(f"start {run} of {STARTS}: {', '.join(kind)}")
                with contextlib.ExitStack() as brief:
                    engine = Engine(place, *kind, stack if run == STARTS else brief)
                    figures.starts.append(engine.begin(warming[0]))
                    figures.begun.append(engine.busy())
                    figures.ready = engine.resident()
                engines[kind] = engine
        for kind, figures in found.items():
            engines[kind].ask(warming)
            figures.busy = -engines[kind].busy()
        for number, start in enumerate(range(0, len(texts), ROUND)):
            _say(f"messages {start + 1} to {min(start + ROUND, len(texts))}")
            first = number % len(ENGINES)
            for kind in ENGINES[first:] + ENGINES[:first]:
                found[kind].answers += engines[kind].ask(texts[start : start + ROUND])
        for kind, figures in found.items():
            figures.after = engines[kind].resident()
            figures.busy += engines[kind].busy()
    return found


def _say(words: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {words}", file=sys.stderr, flush=True)


def figures_table(trained: dict[str, Training], found: dict[Kind, Figures], intents: Sequence[str]) -> Table:
    """A row for each figure, a column for each engine."""
    rows: Table = [("", OURS, DIET, COUNTED)]
    rows.append(("intents right", *(f"{found[name, INSIDE].right(intents):.1f} %" for name in trained)))
    rows.append(("training, processor time", *(f"{item.cpu:.1f} s" for item in trained.values())))
    rows.append(("training, elapsed", *(f"{item.elapsed:.1f} s" for item in trained.values())))
    rows.append(("training, peak memory", *(f"{item.peak:.0f} MB" for item in trained.values())))
    for way in (INSIDE, HTTP):
        some = [found.get((name, way)) for name in trained]
        rows += [
            (f"{way}: start to the first answer", *(f"{item.start:.2f} s" if item else "" for item in some)),
            ("  of it processor time", *(f"{statistics.median(item.begun):.2f} s" if item else "" for item in some)),
            ("  resident when ready", *(f"{item.ready:.0f} MB" if item else "" for item in some)),
            ("  resident after the messages", *(f"{item.after:.0f} MB" if item else "" for item in some)),
            ("  parse, p50", *(f"{item.p50:.2f} ms" if item else "" for item in some)),
            ("  parse, mean", *(f"{item.mean:.2f} ms" if item else "" for item in some)),
            ("  parse, p95", *(f"{item.p95:.2f} ms" if item else "" for item in some)),
            ("  parse, mean processor time", *(f"{item.cost:.2f} ms" if item else "" for item in some)),
        ]
    others = []
    for name in PIPELINES:
        pairs = zip(found[name, INSIDE].answers, found[name, HTTP].answers, strict=True)
        others.append(f"{sum(inside != outside for (inside, _), (outside, _) in pairs)}")
    return [*rows, ("  other intents than in process", "", *others)]


def ratios_table(trained: dict[str, Training], found: dict[Kind, Figures]) -> Table:
    """How many times our figure each of Rasa's is."""
    ours = found[OURS, INSIDE]
    rows: Table = [("times the embedded engine's", DIET, COUNTED)]
    rows.append(("training, processor time", *(f"{trained[name].cpu / trained[OURS].cpu:.1f}" for name in PIPELINES)))
    for way in (INSIDE, HTTP):
        some = [found[name, way] for name in PIPELINES]
        rows += [
            (f"{way}: start", *(f"{item.start / ours.start:.1f}" for item in some)),
            ("  resident after the messages", *(f"{item.after / ours.after:.1f}" for item in some)),
            ("  parse, p50", *(f"{item.p50 / ours.p50:.1f}" for item in some)),
            ("  parse, mean", *(f"{item.mean / ours.mean:.1f}" for item in some)),
            ("  parse, mean processor time", *(f"{item.cost / ours.cost:.1f}" for item in some)),
        ]
    return rows


def aims_table(trained: dict[str, Training], found: dict[Kind, Figures]) -> Table:
    """What the embedded engine is to reach, what was seen, and whether that is enough."""
    ours, diet = found[OURS, INSIDE], found[DIET, HTTP]
    start, memory = diet.start / ours.start, ours.after / diet.after
    training = trained[DIET].cpu / trained[OURS].cpu
    rows: list[tuple[str, str, str, bool]] = [
        ("parse, p50", "at most 3 ms", f"{ours.p50:.2f} ms", ours.p50 <= 3),
        ("parse, mean", "at most 8 ms", f"{ours.mean:.2f} ms", ours.mean <= 8),
        ("parse, mean", "at most DIET over HTTP", f"{ours.mean:.2f}, {diet.mean:.2f} ms", ours.mean <= diet.mean),
        ("start", "10 times faster than DIET's server", f"{start:.1f} times", start >= 10),
        ("memory", "a quarter of DIET's server", f"{memory:.2f} of it", memory <= 0.25),
        ("training", "50 times cheaper than DIET", f"{training:.0f} times", training >= 50),
    ]
    return [("", "aim", "seen", ""), *((*row[:3], "met" if row[3] else "missed") for row in rows)]


def show(table: Table) -> None:
    """Print a table, its columns as wide as they need to be."""
    widths = [max(len(cell) for cell in column) for column in zip(*table, strict=True)]
    for row in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    print(flush=True)


def run(folder: Path, examples: Pairs, messages: Pairs, epochs: int, python: Path) -> None:
    """Train, measure and print."""
    place = Place(folder, python)
    write_project(place.home, examples, epochs)
    # Once unmeasured: byte code is compiled, and files have come from the disk.
    _say("training, not measured")
    place.train(OURS, "not measured")
    place.train(COUNTED)
    trained = {}
    for name in (OURS, DIET, COUNTED):
        _say(f"training: {name}")
        trained[name] = place.train(name)
    found = measure(place, [text for text, _ in examples[:WARM_UP]], [text for text, _ in messages])
    load = ", ".join(f"{value:.2f}" for value in os.getloadavg())
    print(f"{os.cpu_count()} processors, load {load}, Python {sys.version.split()[0]}, {epochs} epochs of DIET")
    print(f"{len(examples)} examples of {len({intent for _, intent in examples})} intents, {len(messages)} messages\n")
    show(figures_table(trained, found, [safe(intent) for _, intent in messages]))
    show(ratios_table(trained, found))
    show(aims_table(trained, found))


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="the folder with banking77_10shot.json")
    parser.add_argument("--epochs", type=int, default=100, help="of DIET; 100 by default, as in Rasa's template")
    parser.add_argument("--rasa-python", type=Path, default=server.PYTHON, help="Rasa's Python, if not in .rasa")
    options = parser.parse_args()
    file, python = options.folder / "banking77_10shot.json", options.rasa_python.absolute()
    if not file.is_file():
        parser.error(f"there is no {file}")
    if not python.exists():
        parser.error("Rasa's environment is not there; make it with: make rasa-env")
    data = json.loads(file.read_text(encoding="utf-8"))
    random.Random(SEED).shuffle(data["test"])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="linguadesk-bench-") as folder:
        run(Path(folder), data["train"], data["test"][:MESSAGES], options.epochs, python)


if __name__ == "__main__":
    main()
