"""How good the recogniser is, measured on messages it was never trained on (``nlu/eval/*.tsv``).

A file has the columns ``intent`` and ``text``, entities marked as in the training data. A message
that also stands in the training data measures memory, not understanding: such messages are counted
and left out of every figure but ``accuracy_all``.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bot.config import Config, ConfigError, Problem
from bot.contracts import Parse
from nlu.entities import OVERLAPPING
from nlu.markup import Annotation, MarkupError, parse_markup
from nlu.recognizers.embedded import EmbeddedRecognizer
from nlu.text import fold
from nlu.training_data import load_training_data

EVAL_FOLDER = Path("nlu", "eval")
OUT_OF_SCOPE = "out_of_scope"
_HEADER = ["intent", "text"]
_BINS = 10
_SHOWN = 10
_NOON = datetime(2024, 6, 12, 12, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Message:
    """One message to measure with."""

    text: str
    intent: str
    language: str
    annotations: tuple[Annotation, ...]
    seen: bool


@dataclass(frozen=True, slots=True)
class Mistake:
    """A message understood wrongly, with the confidence in the wrong intent."""

    text: str
    language: str
    expected: str
    found: str
    confidence: float


@dataclass(frozen=True)
class Report:
    """All figures. Shares are between 0 and 1; ``entities`` has precision, recall, F1 and count."""

    messages: int
    seen: int
    accuracy: float
    accuracy_all: float
    macro_f1: float
    by_language: dict[str, dict[str, float]]
    by_intent: dict[str, dict[str, float]]
    language_accuracy: float
    language_wrong: float
    entities: dict[str, dict[str, float]]
    calibration_error: float
    out_of_scope_auroc: float
    fallback: dict[str, float]
    held_out: dict[str, float]
    confusions: list[tuple[str, str, int]] = field(default_factory=list)
    mistakes: list[Mistake] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """The report as JSON-ready data."""
        return asdict(self)

    def __str__(self) -> str:
        """The report as plain tables."""
        rows = [
            ("messages", f"{self.messages}, and {self.seen} more that training has seen (left out)"),
            ("accuracy", f"{self.accuracy:.1%} ({self.accuracy_all:.1%} with the seen ones)"),
            ("macro F1", f"{self.macro_f1:.3f}"),
            ("expected calibration error", f"{self.calibration_error:.3f}"),
            ("out-of-scope AUROC", f"{self.out_of_scope_auroc:.3f}"),
            ("language right", f"{self.language_accuracy:.1%}, wrong {self.language_wrong:.1%}, else undecided"),
            ("below the threshold", " ".join(f"{name} {share:.1%}" for name, share in self.fallback.items())),
            ("training data, leave one out", " ".join(f"{name} {share:.1%}" for name, share in self.held_out.items())),
        ]
        parts = [_table(("measure", "value"), rows)]
        parts.append(
            _table(
                ("language", "messages", "accuracy", "macro F1", "language right"),
                [
                    (
                        name,
                        f"{row['messages']:.0f}",
                        *(f"{row[key]:.3f}" for key in ("accuracy", "macro_f1", "language")),
                    )
                    for name, row in self.by_language.items()
                ],
            )
        )
        header = ("precision", "recall", "f1")
        for title, table in (("entity", self.entities), ("intent", self.by_intent)):
            lines = [
                (name, *(f"{row[key]:.3f}" for key in header), f"{row['count']:.0f}") for name, row in table.items()
            ]
            parts.append(_table((title, *header, "count"), lines))
        parts.append(_table(("expected", "found", "times"), [(a, b, str(n)) for a, b, n in self.confusions[:_SHOWN]]))
        wrong = [(m.language, m.expected, m.found, f"{m.confidence:.2f}", m.text[:70]) for m in self.mistakes[:_SHOWN]]
        parts.append(_table(("language", "expected", "found", "sure", "message"), wrong))
        return "\n\n".join(part for part in parts if part)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return ""
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    title = "  ".join(name.ljust(width) for name, width in zip(header, widths, strict=True)).rstrip()
    return "\n".join([title, "-" * len(title), *lines])


def load_messages(config: Config, languages: Iterable[str] | None = None) -> list[Message]:
    """Read the evaluation files of some languages, by default of those configured that have one.

    Raises:
        ConfigError: a named language has no file, or a line cannot be read.
    """
    chosen = list(languages) if languages is not None else list(config.settings.languages)
    known = {_key(example.text) for example in load_training_data(config).examples}
    problems: list[Problem] = []
    messages = []
    for language in chosen:
        path = config.home / EVAL_FOLDER / f"{language}.tsv"
        shown = (EVAL_FOLDER / path.name).as_posix()
        if not path.is_file():
            if languages is not None:
                problems.append(Problem(shown, 0, f"there are no evaluation messages for {language!r}"))
            continue
        lines = path.read_text(encoding="utf-8").split("\n")
        if lines[0].rstrip("\r").split("\t") != _HEADER:
            problems.append(Problem(shown, 1, "the first line must be `intent`, a tab, and `text`"))
            continue
        for number, line in enumerate(lines[1:], start=2):
            if not line.strip():
                continue
            intent, tab, marked = line.rstrip("\r").partition("\t")
            try:
                text, annotations = parse_markup(marked.strip())
            except MarkupError as error:
                problems.append(Problem(shown, number, str(error)))
                continue
            if not tab or not text:
                problems.append(Problem(shown, number, "expected an intent, a tab and a message"))
                continue
            messages.append(Message(text, intent.strip(), language, annotations, _key(text) in known))
    if problems:
        raise ConfigError(*problems)
    return messages


def _key(text: str) -> str:
    """Texts that differ in case, accents, spaces or punctuation alone are the same text."""
    return "".join(char for char in fold(text) if char.isalnum()) or text


def evaluate(config: Config, languages: Iterable[str] | None = None) -> Report:
    """Measure the recogniser that the settings name; it is trained first if need be.

    Raises:
        ConfigError: there is nothing to measure with, or something cannot be read.
    """
    messages = load_messages(config, languages)
    if not any(not message.seen for message in messages):
        raise ConfigError(Problem(EVAL_FOLDER.as_posix(), 0, "there are no evaluation messages"))
    recognizer = EmbeddedRecognizer.load(config)
    try:
        return measure(messages, lambda text: recognizer.parse_sync(text, now=_NOON), config, recognizer.report)
    finally:
        recognizer.close()


def measure(
    messages: Sequence[Message], parse: Callable[[str], Parse], config: Config, training: dict[str, Any]
) -> Report:
    """Compare what ``parse`` finds in messages with what they were written to mean."""
    every = [(message, parse(message.text)) for message in messages]
    fresh = [pair for pair in every if not pair[0].seen]
    wrong = [pair for pair in fresh if pair[0].intent != pair[1].intent]
    confusions = Counter((message.intent, found.intent) for message, found in wrong)
    threshold = config.settings.recognizer.threshold
    by_intent = _scores((message.intent, found.intent) for message, found in fresh)
    spoken = [(message.language, found.language.language) for message, found in fresh]
    return Report(
        messages=len(fresh),
        seen=len(every) - len(fresh),
        accuracy=_share(message.intent == found.intent for message, found in fresh),
        accuracy_all=_share(message.intent == found.intent for message, found in every),
        macro_f1=_mean(row["f1"] for row in by_intent.values() if row["count"]),
        by_language=_by_language(fresh),
        by_intent=by_intent,
        language_accuracy=_share(said == found for said, found in spoken),
        language_wrong=_share(bool(found) and said != found for said, found in spoken),
        entities=_entities(fresh),
        calibration_error=calibration_error(
            [(found.confidence, message.intent == found.intent) for message, found in fresh]
        ),
        out_of_scope_auroc=auroc(
            [(dict(found.ranking).get(OUT_OF_SCOPE, 0.0), message.intent == OUT_OF_SCOPE) for message, found in fresh]
        ),
        fallback={
            "in scope": _share(
                found.confidence < threshold for message, found in fresh if message.intent != OUT_OF_SCOPE
            ),
            "wrong ones": _share(found.confidence < threshold for _, found in wrong),
        },
        held_out=dict(training.get("held_out_accuracy", {})),
        confusions=[(expected, found, times) for (expected, found), times in confusions.most_common()],
        mistakes=sorted(
            (
                Mistake(message.text, message.language, message.intent, found.intent, round(found.confidence, 4))
                for message, found in wrong
            ),
            key=lambda mistake: -mistake.confidence,
        ),
    )


def _mean(values: Iterable[float]) -> float:
    numbers = list(values)
    return round(sum(numbers) / len(numbers), 4) if numbers else 0.0


def _share(hits: Iterable[bool]) -> float:
    return _mean(float(hit) for hit in hits)


def _by_language(pairs: Sequence[tuple[Message, Parse]]) -> dict[str, dict[str, float]]:
    groups: dict[str, list[tuple[Message, Parse]]] = defaultdict(list)
    for message, found in pairs:
        groups[message.language].append((message, found))
    return {
        language: {
            "messages": len(group),
            "accuracy": _share(message.intent == found.intent for message, found in group),
            "macro_f1": _mean(
                row["f1"]
                for row in _scores((message.intent, found.intent) for message, found in group).values()
                if row["count"]
            ),
            "language": _share(found.language.language == language for _, found in group),
        }
        for language, group in groups.items()
    }


def _ratios(right: int, found: int, expected: int) -> dict[str, float]:
    precision = right / found if found else 0.0
    recall = right / expected if expected else 0.0
    both = precision + recall
    return {
        "precision": round(precision, 4),
        "recall": round(recall, 4),
        "f1": round(2 * precision * recall / both, 4) if both else 0.0,
        "count": expected,
    }


def _scores(pairs: Iterable[tuple[str, str]]) -> dict[str, dict[str, float]]:
    """Precision, recall and F1 of each label from (expected, found) pairs."""
    right: Counter[str] = Counter()
    given: Counter[str] = Counter()
    wanted: Counter[str] = Counter()
    for expected, found in pairs:
        wanted[expected] += 1
        given[found] += 1
        right[expected] += expected == found
    return {name: _ratios(right[name], given[name], wanted[name]) for name in sorted({*wanted, *given} - {""})}


def _entities(pairs: Sequence[tuple[Message, Parse]]) -> dict[str, dict[str, float]]:
    """Entities count as found with the right kind at exactly the right place.

    Those that lie over others (the kind of a complaint) are not marked in the messages.
    """
    right: Counter[str] = Counter()
    given: Counter[str] = Counter()
    wanted: Counter[str] = Counter()
    for message, parse in pairs:
        expected = {(mark.entity, mark.start, mark.end) for mark in message.annotations}
        found = {(item.entity, item.start, item.end) for item in parse.entities if item.entity not in OVERLAPPING}
        wanted.update(entity for entity, _, _ in expected)
        given.update(entity for entity, _, _ in found)
        right.update(entity for entity, _, _ in expected & found)
    table = {name: _ratios(right[name], given[name], wanted[name]) for name in sorted({*wanted, *given})}
    return table | {"all": _ratios(right.total(), given.total(), wanted.total())}


def calibration_error(pairs: Sequence[tuple[float, bool]]) -> float:
    """Expected calibration error: how far confidence is from accuracy, in ten bins of confidence."""
    bins: dict[int, list[tuple[float, bool]]] = defaultdict(list)
    for confidence, hit in pairs:
        bins[min(int(confidence * _BINS), _BINS - 1)].append((confidence, hit))
    error = sum(abs(sum(c for c, _ in found) - sum(hit for _, hit in found)) for found in bins.values())
    return round(error / len(pairs), 4) if pairs else 0.0


def auroc(pairs: Sequence[tuple[float, bool]]) -> float:
    """The chance that a positive scores above a negative, ties counting half; 0 without both."""
    positives = [score for score, positive in pairs if positive]
    negatives = [score for score, positive in pairs if not positive]
    if not positives or not negatives:
        return 0.0
    wins = sum((high > low) + (high == low) / 2 for high in positives for low in negatives)
    return round(wins / (len(positives) * len(negatives)), 4)
