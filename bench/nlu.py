"""Speed and memory of the recogniser: ``python -m bench.nlu`` from the project folder.

Every figure is taken in a process of its own, as a server would start it; run it on an idle machine.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HOME = Path(__file__).resolve().parent.parent
TRAINED_IN = 20.0
LOADED_IN = 0.7
PARSED_IN = 4.0
RESIDENT = 190.0

_SERVE = """
import json, sys, time
started = time.perf_counter()
import psutil
from pathlib import Path
from bot.config import load_config
from nlu import store
from nlu.evaluate import load_messages
from nlu.recognizers.embedded import EmbeddedRecognizer
config = load_config(Path(sys.argv[1]), Path(sys.argv[2]), env={})
imported = time.perf_counter()
recognizer = EmbeddedRecognizer.load(config)
loaded = time.perf_counter()
memory = psutil.Process().memory_info
resident = memory().rss / 1e6
recognizer.parse_sync("hello")
ready = time.perf_counter()
recognizer.identifier.warm_up()
warm = memory().rss / 1e6
texts = [message.text for message in load_messages(config)]
times = []
for _ in range(2):
    for text in texts:
        begun = time.perf_counter()
        recognizer.parse_sync(text)
        times.append(1000 * (time.perf_counter() - begun))
begun = time.perf_counter()
recognizer.parse_sync("where is my order 100234 " * 4000)
longest = 1000 * (time.perf_counter() - begun)
print(json.dumps({
    "imports": imported - started, "load": loaded - imported, "first": ready - started, "resident": resident,
    "warm": warm, "times": times, "longest": longest, "report": recognizer.report,
    "heavy": sorted({name.split(".")[0] for name in sys.modules} & {"sklearn", "scipy"}),
}))
"""


def _training(data_dir: Path) -> float:
    started = time.perf_counter()
    command = [sys.executable, "-m", "nlu.train", "--home", str(HOME), "--data-dir", str(data_dir)]
    subprocess.run(command, cwd=HOME, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3, help="how often to start a process (default: 3)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data_dir = Path(folder)
        trained = _training(data_dir)
        again = _training(data_dir)
        runs = []
        for _ in range(options.runs):
            command = [sys.executable, "-c", _SERVE, str(HOME), str(data_dir)]
            done = subprocess.run(command, cwd=HOME, check=True, capture_output=True, text=True)
            runs.append(json.loads(done.stdout))
        size = sum(file.stat().st_size for file in (data_dir / "models").rglob("*") if file.is_file()) / 1e6
    times = sorted(value for run in runs for value in run["times"])

    def middle(name: str) -> float:
        return statistics.median(run[name] for run in runs)

    rows = [
        ("examples", f"{runs[0]['report']['examples']}", ""),
        ("training, whole process", f"{trained:.1f} s", f"{TRAINED_IN:.0f} s"),
        ("training, nothing changed", f"{again:.2f} s", ""),
        ("imports and configuration", f"{middle('imports'):.2f} s", ""),
        ("load a cached model", f"{middle('load'):.2f} s", f"{LOADED_IN} s"),
        ("from start to the first answer", f"{middle('first'):.2f} s", ""),
        ("parse, p50", f"{times[len(times) // 2]:.2f} ms", f"{PARSED_IN:.0f} ms"),
        ("parse, p95", f"{times[int(len(times) * 0.95)]:.2f} ms", ""),
        ("parse, p99", f"{times[int(len(times) * 0.99)]:.2f} ms", ""),
        ("parse, 100,000 characters", f"{middle('longest'):.1f} ms", ""),
        ("resident, model loaded", f"{middle('resident'):.0f} MB", f"{RESIDENT:.0f} MB"),
        ("resident, language detector too", f"{middle('warm'):.0f} MB", f"{RESIDENT:.0f} MB"),
        ("models on disk", f"{size:.0f} MB", ""),
        ("training libraries imported", ", ".join(runs[0]["heavy"]) or "none", "none"),
    ]
    print(f"{'measure':34}{'value':>12}  target")
    for name, value, target in rows:
        print(f"{name:34}{value:>12}  {target}".rstrip())


if __name__ == "__main__":
    main()
