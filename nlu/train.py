"""Training: ``python -m nlu.train``, or :func:`train` and :func:`ensure_model` from a program.

Training imports scikit-learn and scipy, which cost a server two seconds and 100 MB; therefore a
server trains in a process of its own (:func:`ensure_model`, :func:`ensure_model_sync`).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from threadpoolctl import threadpool_limits

from bot.config import Config, ConfigError, Problem, Settings, load_config
from bot.contracts import LinguadeskError
from nlu import detectors, store, vectors
from nlu.entities import EntityExtractor, Tables, build_tables
from nlu.features import Floats
from nlu.found import Found
from nlu.language import LanguageModel, train_language_model
from nlu.sequence import train_tagger
from nlu.training_data import TrainingData, load_training_data

Progress = Callable[[float, str], None]
"""Told how much is done (0 to 1) and what is being done."""

T = TypeVar("T")

_FEW = 6000
_WORTH_KEEPING = 1000
_PACKAGE_ROOT = Path(__file__).resolve().parent.parent


class TrainingError(LinguadeskError):
    """Training failed for a reason that is not in the project's files."""


def train(config: Config, progress: Progress | None = None) -> Path:
    """Train in this process, unless the model for the present files is there; return its folder.

    Raises:
        ConfigError: the training data cannot be used; all problems, by file and line.
    """
    report = progress or (lambda _fraction, _what: None)
    path = store.model_path(config)
    if store.is_sound(path, thorough=True):
        report(1.0, "Nothing has changed")
        return path
    with store.training_lock(config.models_dir):
        if store.is_sound(path, thorough=True):
            return path
        if path.exists():
            store.remove(path)
        report(0.0, "Reading examples")
        data = load_training_data(config)
        with tempfile.TemporaryDirectory(prefix="tmp-", dir=config.models_dir) as folder:
            tagger_file = Path(folder) / "entities.crfsuite"
            model, has_tagger = _train(config, data, tagger_file, report)
            report(0.97, "Writing the model")
            store.save(model, path, tagger_file if has_tagger else None)
    report(1.0, "Trained")
    return path


def _train(config: Config, data: TrainingData, tagger_file: Path, report: Progress) -> tuple[store.Model, bool]:
    from nlu.blocks import Kept
    from nlu.fit import fit_classifier

    started = time.perf_counter()
    tables = build_tables(data, config.settings.languages)
    with _workers(len(data.examples)) as workers:
        submit = workers.submit if workers else _at_once
        tagging = submit(_tagger, config, data, tables, tagger_file)
        naming = submit(_language, config, data)
        encoders = store.encoders(config, len(data.examples))
        encode = partial(_encode, config, encoders, report) if encoders else None
        if encode is None:
            report(0.45, "Learning intents")
        worth_keeping = len(data.examples) >= _WORTH_KEEPING
        classifier, held_out = fit_classifier(
            [example.text for example in data.examples],
            [example.intent for example in data.examples],
            [example.language for example in data.examples],
            encode,
            workers=workers,
            kept=Kept(config.models_dir / store.BLOCKS, store.made_by()) if worth_keeping else None,
        )
        if config.settings.recognizer.language_detector == "statistical":
            detectors.prepare(config.models_dir)
        report(0.9, "Learning languages and entities")
        language, has_tagger = naming.result(), tagging.result()
    figures: dict[str, Any] = {
        "examples": len(data.examples),
        "seconds": round(time.perf_counter() - started, 2),
        "vectors": encoders,
        "held_out_accuracy": _accuracy(data, held_out),
    }
    intents = tuple(dict.fromkeys([*classifier.intents, *data.domain_intents]))
    return store.Model(classifier, language, tables, intents, figures), has_tagger


def _encode(config: Config, encoders: str, report: Progress, texts: Sequence[str]) -> Floats:
    from nlu.classifier import for_vectors

    report(0.02, "Loading sentence vectors")
    prepared = [for_vectors(text) for text in texts]
    found = vectors.encode_all(
        config.models_dir, encoders, prepared, lambda done: report(0.05 + 0.4 * done, "Encoding examples")
    )
    report(0.45, "Learning intents")
    return found


def _language(config: Config, data: TrainingData) -> LanguageModel:
    known = [example for example in data.examples if example.language]
    return train_language_model(
        [example.text for example in known], [example.language for example in known], config.settings.languages
    )


def _cores() -> int:
    """The processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextlib.contextmanager
def _workers(examples: int) -> Iterator[ProcessPoolExecutor | None]:
    """Processes that learn side by side, one for each processor; none where starting them takes longer.

    Each keeps to one BLAS thread: threads that wait for a processor that others use take several
    times as long as fewer of them would.
    """
    with threadpool_limits(1, user_api="blas"):
        if examples < _FEW or _cores() == 1:
            yield None
            return
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(_cores(), mp_context=context, initializer=_begin_work) as pool:
            yield pool


def _begin_work() -> None:
    import nlu.fit  # noqa: F401 (a library is limited only once it is loaded)

    threadpool_limits(1, user_api="blas")


def _at_once(work: Callable[..., T], *arguments: Any) -> Future[T]:
    done: Future[T] = Future()
    done.set_result(work(*arguments))
    return done


def _tagger(config: Config, data: TrainingData, tables: Tables, target: Path) -> bool:
    extractor = EntityExtractor(config.settings.shop, config.settings.languages, tables)

    def patterns(text: str, folded: str, language: str) -> list[Found]:
        return extractor.patterns(text, folded, language=language)

    return train_tagger(data.examples, patterns, target)


def _accuracy(data: TrainingData, held_out: list[str]) -> dict[str, float]:
    """How often the ridge without an example still gave that example's intent, by language."""
    found: dict[str, list[bool]] = {}
    for example, guess in zip(data.examples, held_out, strict=True):
        for key in ("all", example.language):
            if key:
                found.setdefault(key, []).append(guess == example.intent)
    return {key: round(sum(hits) / len(hits), 4) for key, hits in found.items()}


def _command(config: Config) -> tuple[list[str], dict[str, str], bytes]:
    """The training process: its command, its environment, and the settings for its standard input."""
    command = [sys.executable, "-m", "nlu.train", "--home", str(config.home), "--data-dir", str(config.data_dir)]
    path = os.pathsep.join(filter(None, [str(_PACKAGE_ROOT), os.environ.get("PYTHONPATH", "")]))
    return [*command, "--machine"], {**os.environ, "PYTHONPATH": path}, config.settings.model_dump_json().encode()


class _Listener:
    """Understands the lines of a training process."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self._problems: tuple[Problem, ...] = ()

    def hear(self, line: bytes) -> None:
        try:
            said = json.loads(line)
        except ValueError:
            return
        if "problems" in said:
            self._problems = tuple(Problem(**item) for item in said["problems"])
        elif "what" in said and self._progress is not None:
            self._progress(float(said["done"]), str(said["what"]))

    def finish(self, code: int, errors: bytes) -> None:
        if self._problems:
            raise ConfigError(*self._problems)
        if code:
            last = errors.decode("utf-8", "replace").strip().splitlines()[-1:]
            raise TrainingError(f"training the recogniser failed (exit code {code}): {' '.join(last)}")


async def ensure_model(config: Config, progress: Progress | None = None) -> Path:
    """Train in another process if the model for the present files is not there; return its folder.

    Raises:
        ConfigError: the training data cannot be used.
        TrainingError: the training process failed.
    """
    path = await asyncio.to_thread(store.model_path, config)
    if await asyncio.to_thread(store.is_sound, path):
        return path
    command, env, settings = _command(config)
    process = await asyncio.create_subprocess_exec(
        *command,
        env=env,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdin and process.stdout and process.stderr  # noqa: S101 (for the type checker)
    listener = _Listener(progress)
    try:
        errors = asyncio.ensure_future(process.stderr.read())
        process.stdin.write(settings)
        process.stdin.close()
        while line := await process.stdout.readline():
            listener.hear(line)
        code = await process.wait()
        listener.finish(code, await errors)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return path


def ensure_model_sync(config: Config, progress: Progress | None = None) -> Path:
    """As :func:`ensure_model`, for a program without an event loop."""
    path = store.model_path(config)
    if store.is_sound(path):
        return path
    command, env, settings = _command(config)
    listener = _Listener(progress)
    done = subprocess.run(command, env=env, input=settings, capture_output=True, check=False)  # noqa: S603
    for line in done.stdout.splitlines():
        listener.hear(line)
    listener.finish(done.returncode, done.stderr)
    return path


def main(arguments: list[str] | None = None) -> int:
    """Command line: train for a project folder. Exit codes: 0, 1 (the project's files are wrong)."""
    parser = argparse.ArgumentParser(prog="python -m nlu.train", description="Train the intent recogniser.")
    parser.add_argument("--home", type=Path, help="the folder with config.yml (default: the working folder)")
    parser.add_argument("--data-dir", type=Path, help="where models are kept (default: ./data)")
    parser.add_argument("--machine", action="store_true", help="settings on standard input, progress as JSON lines")
    options = parser.parse_args(arguments)

    # This process ends soon, and what it makes is not in circles.
    gc.set_threshold(100_000, 50, 50)

    def say(words: dict[str, Any], line: str) -> None:
        sys.stdout.write((json.dumps(words) if options.machine else line) + "\n")
        sys.stdout.flush()

    try:
        if options.machine:
            settings = Settings.model_validate_json(sys.stdin.buffer.read())
            config = Config(home=options.home, data_dir=options.data_dir, settings=settings, env={})
        else:
            config = load_config(options.home, options.data_dir)
        path = train(config, lambda done, what: say({"done": done, "what": what}, f"{done:4.0%}  {what}"))
    except ConfigError as error:
        problems = [
            {"file": item.file, "line": item.line, "message": item.message, "warning": item.warning}
            for item in error.problems
        ]
        say({"problems": problems}, str(error))
        return 1
    say({"model": str(path)}, f"The model is at {path}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
