"""How good the recogniser is, measured on messages it was never trained on (``nlu/eval/*.tsv``).

A file has the columns ``intent`` and ``text``, entities marked as in the training data. A message
that also stands in the training data measures memory, not understanding: such messages are counted
and left out of every figure but ``accuracy_all``. The parts are in :mod:`nlu.evaluation`.
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from bot.config import Config, ConfigError, Problem
from bot.contracts import LinguadeskError, Parse
from nlu import store
from nlu.evaluation import floors
from nlu.evaluation.folds import Progress, cross_validate
from nlu.evaluation.history import compare_and_keep
from nlu.evaluation.measures import auroc, calibration_error
from nlu.evaluation.messages import EVAL_FOLDER, Message, load_messages, without_messages
from nlu.evaluation.page import as_html
from nlu.evaluation.pictures import need_matplotlib
from nlu.evaluation.report import CrossValidation, Mistake, Neighbour, Report, measure
from nlu.evaluation.similar import nearest
from nlu.recognizers.embedded import EmbeddedRecognizer
from nlu.training_data import Example, read_training_data

__all__ = [
    "EVAL_FOLDER",
    "CrossValidation",
    "Message",
    "Mistake",
    "Neighbour",
    "Report",
    "auroc",
    "calibration_error",
    "cross_validate",
    "deliver",
    "evaluate",
    "load_messages",
    "measure",
    "prepare",
]


class ReportError(LinguadeskError):
    """A report cannot be written."""


_DAY = date(2024, 6, 12)
_EXPLAINED = 40
_NEIGHBOURS = 3


def evaluate(
    config: Config, languages: Iterable[str] | None = None, *, folds: int = 0, progress: Progress | None = None
) -> Report:
    """Measure the recogniser that the settings name; it is trained first if need be.

    Args:
        config: the project.
        languages: which; by default all configured ones that have evaluation messages.
        folds: cross-validate the training data as well, training so many times.
        progress: told how far it is.

    Raises:
        ConfigError: there is nothing to measure with, or something cannot be read.
        LinguadeskError: the engine cannot be reached.
    """
    chosen = list(languages) if languages is not None else None
    examples = read_training_data(config)[0].examples
    messages = load_messages(config, chosen if not folds else _present(config, chosen), examples)
    if not folds and not any(not message.seen for message in messages):
        raise ConfigError(Problem(EVAL_FOLDER.as_posix(), 0, "there are no evaluation messages"))
    parse, training = _parse_all(config, messages, progress) if messages else (lambda _text: Parse("", "", 0.0), {})
    report = measure(messages, parse, config, training)
    validated = cross_validate(config, folds, chosen, progress) if folds else None
    if validated is not None:
        validated = replace(validated, mistakes=explain(validated.mistakes, examples))
    return replace(
        report,
        mistakes=explain(report.mistakes, examples),
        without_messages=[language for language in without_messages(config) if not chosen or language in chosen],
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        cross_validation=validated,
    )


def prepare(*, html: bool) -> None:
    """Fail before the work, not after it, when what a report needs is not installed.

    Raises:
        PicturesMissingError: pictures are wanted without the ``reports`` extra.
    """
    if html:
        need_matplotlib()


def deliver(
    config: Config,
    report: Report,
    languages: Sequence[str] = (),
    json_file: str | None = None,
    html_file: Path | None = None,
    floors_file: Path | None = None,
) -> str:
    """Write a report where it is wanted, keep it as the last one, and return what to print.

    That is the report as tables, with what has changed since the last one; or as JSON for the file
    ``-``.

    Raises:
        ReportError: a file cannot be written.
        ConfigError: ``floors_file`` is there and is not a file of floors.
    """
    comparison = compare_and_keep(config, report, languages)
    data = report.to_json() | {"changes": asdict(comparison) if comparison else None}
    as_json = json.dumps(data, ensure_ascii=False, indent=2)
    try:
        if json_file not in (None, "-"):
            Path(str(json_file)).write_text(as_json + "\n", encoding="utf-8")
        if html_file is not None:
            html_file.write_text(as_html(report, comparison), encoding="utf-8")
        if floors_file is not None:
            floors.write(floors_file, floors.section(bool(store.encoders(config))), report)
    except OSError as error:
        raise ReportError(f"{error.filename}: the report cannot be written: {error.strerror}") from None
    if json_file == "-":
        return as_json
    return "\n\n".join(str(part) for part in (report, comparison) if part is not None)


def _present(config: Config, chosen: Sequence[str] | None) -> list[str] | None:
    """For cross-validation a language needs no evaluation messages."""
    missing = set(without_messages(config))
    return [language for language in chosen if language not in missing] if chosen is not None else None


def _parse_all(
    config: Config, messages: Sequence[Message], progress: Progress | None
) -> tuple[Callable[[str], Parse], dict[str, Any]]:
    """How messages were understood, and what the training has reported."""
    texts = list(dict.fromkeys(message.text for message in messages))
    if config.settings.recognizer.engine != "embedded":
        from nlu.compare import parse_with

        parses = asyncio.run(parse_with(config, texts))
        return {parse.text: parse for parse in parses}.__getitem__, {}
    recognizer = EmbeddedRecognizer.load(config, progress)
    try:
        found = {}
        for number, text in enumerate(texts):
            if progress is not None and number % 100 == 0:
                progress(number / len(texts), "Reading messages")
            found[text] = recognizer.parse_sync(text, today=_DAY)
        return found.__getitem__, recognizer.report
    finally:
        recognizer.close()


def explain(mistakes: Sequence[Mistake], examples: Sequence[Example]) -> list[Mistake]:
    """The mistakes, the first of them with the training examples of their language that are most like them.

    An example is not its own neighbour.
    """
    pools: dict[str, list[Example]] = defaultdict(list)
    for example in examples:
        pools[example.language].append(example)
    explained = list(mistakes)
    by_language: dict[str, list[int]] = defaultdict(list)
    for place, mistake in enumerate(mistakes[:_EXPLAINED]):
        by_language[mistake.language].append(place)
    for language, places in by_language.items():
        pool = pools[language] + (pools[""] if language else [])
        texts = [mistakes[place].text for place in places]
        found = nearest(texts, [example.text for example in pool], _NEIGHBOURS + 1)
        for place, near in zip(places, found, strict=True):
            mistake = mistakes[place]
            neighbours = [
                Neighbour(pool[index].text, pool[index].intent, pool[index].file, pool[index].line, likeness)
                for index, likeness in near
                if (pool[index].file, pool[index].line) != (mistake.file, mistake.line)
            ]
            explained[place] = replace(mistake, nearest=tuple(neighbours[:_NEIGHBOURS]))
    return explained
