"""All figures of one evaluation."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from bot.config import Config
from bot.contracts import Parse
from nlu.entities import OVERLAPPING
from nlu.evaluation import measures
from nlu.evaluation.measures import macro_f1, ratios, scores, share
from nlu.evaluation.messages import LENGTHS, Message, length_class

OUT_OF_SCOPE = "out_of_scope"
PATTERN_ENTITIES = ("order_number", "tracking_number", "ticket_number", "email", "phone")
"""Entities that patterns and check digits alone find; others are learnt from examples as well."""

Pair = tuple[Message, Parse]
Row = dict[str, float]


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A training example that is like a message, and how much (0 to 1)."""

    text: str
    intent: str
    file: str
    line: int
    likeness: float


@dataclass(frozen=True, slots=True)
class Mistake:
    """A message understood wrongly, with the confidence in the wrong intent."""

    text: str
    language: str
    expected: str
    found: str
    confidence: float
    file: str = ""
    line: int = 0
    nearest: tuple[Neighbour, ...] = ()


@dataclass(frozen=True, slots=True)
class CrossValidation:
    """Figures from training several times, each time without the part of the training data that is measured."""

    folds: int
    examples: int
    seconds: float
    accuracy: float
    accuracy_of_folds: tuple[float, ...]
    macro_f1: float
    calibration_error: float
    by_language: dict[str, Row]
    by_intent: dict[str, Row]
    confusions: list[tuple[str, str, int]]
    mistakes: list[Mistake]


@dataclass(frozen=True)
class Report:
    """All figures. Shares are between 0 and 1; tables of labels have precision, recall, F1 and count.

    Attributes:
        messages: how many were measured with.
        seen: how many were left out since the training data has them.
        accuracy_all: accuracy with the left out ones.
        by_language: messages, accuracy, macro F1, share of right languages and calibration error.
        by_language_and_intent: precision, recall, F1 and count of each intent in each language.
        language_wrong: share of messages taken for another language; the rest was undecided.
        language_by_length: messages, right and wrong by the message's length in words.
        entities: each kind, and ``all``.
        entity_groups: ``pattern`` for :data:`PATTERN_ENTITIES`, ``learnt`` for the others.
        fallback: share of confidences below the threshold, of messages in scope and of wrong ones.
        held_out: accuracy on each training example by the model trained without it, by language.
        confusion: labels, and how often each (row) was taken for each (column).
        confidence: ten bins of confidence with right, wrong, mean confidence and accuracy.
        roc: telling what is out of scope: threshold, false alarms, found.
        mistakes: all, the surest first; the first ones with the nearest training examples.
        without_messages: configured languages that have no evaluation messages.
    """

    messages: int
    seen: int
    accuracy: float
    accuracy_all: float
    macro_f1: float
    by_language: dict[str, Row]
    by_intent: dict[str, Row]
    language_accuracy: float
    language_wrong: float
    entities: dict[str, Row]
    calibration_error: float
    out_of_scope_auroc: float
    fallback: Row
    held_out: Row
    confusions: list[tuple[str, str, int]] = field(default_factory=list)
    mistakes: list[Mistake] = field(default_factory=list)
    by_language_and_intent: dict[str, dict[str, Row]] = field(default_factory=dict)
    language_by_length: dict[str, Row] = field(default_factory=dict)
    entity_groups: dict[str, Row] = field(default_factory=dict)
    confusion: tuple[list[str], list[list[int]]] = field(default_factory=lambda: ([], []))
    confidence: list[Row] = field(default_factory=list)
    roc: list[tuple[float, float, float]] = field(default_factory=list)
    without_messages: list[str] = field(default_factory=list)
    engine: str = "embedded"
    made: str = ""
    cross_validation: CrossValidation | None = None

    def to_json(self) -> dict[str, Any]:
        """The report as JSON-ready data."""
        return asdict(self)

    def __str__(self) -> str:
        """The report as plain tables."""
        from nlu.evaluation.tables import as_text

        return as_text(self)


def measure(
    messages: Sequence[Message], parse: Callable[[str], Parse], config: Config, training: Mapping[str, Any]
) -> Report:
    """Compare what ``parse`` finds in messages with what they were written to mean."""
    every = [(message, parse(message.text)) for message in messages]
    fresh = [pair for pair in every if not pair[0].seen]
    wrong = [pair for pair in fresh if pair[0].intent != pair[1].intent]
    threshold = config.settings.recognizer.threshold
    labels = [(message.intent, found.intent) for message, found in fresh]
    by_intent = scores(labels)
    spoken = [(message.language, found.language.language) for message, found in fresh]
    sure = [(found.confidence, message.intent == found.intent) for message, found in fresh]
    strange = [(dict(found.ranking).get(OUT_OF_SCOPE, 0.0), message.intent == OUT_OF_SCOPE) for message, found in fresh]
    entities, groups = _entities(fresh)
    return Report(
        messages=len(fresh),
        seen=len(every) - len(fresh),
        accuracy=share(hit for _, hit in sure),
        accuracy_all=share(message.intent == found.intent for message, found in every),
        macro_f1=macro_f1(by_intent),
        by_language=_by_language(fresh),
        by_intent=by_intent,
        language_accuracy=share(said == found for said, found in spoken),
        language_wrong=share(bool(found) and said != found for said, found in spoken),
        entities=entities,
        calibration_error=measures.calibration_error(sure),
        out_of_scope_auroc=measures.auroc(strange),
        fallback={
            "in scope": share(
                found.confidence < threshold for message, found in fresh if message.intent != OUT_OF_SCOPE
            ),
            "wrong ones": share(found.confidence < threshold for _, found in wrong),
        },
        held_out=dict(training.get("held_out_accuracy", {})),
        confusions=confusions(labels),
        mistakes=_mistakes(wrong),
        by_language_and_intent={
            language: scores((message.intent, found.intent) for message, found in group)
            for language, group in _grouped(fresh).items()
        },
        language_by_length=_by_length(fresh),
        entity_groups=groups,
        confusion=measures.confusion(labels),
        confidence=measures.bins(sure),
        roc=measures.roc(strange),
        engine=config.settings.recognizer.engine,
    )


def confusions(labels: Sequence[tuple[str, str]]) -> list[tuple[str, str, int]]:
    """(expected, found, times), the most frequent first."""
    counted = Counter(pair for pair in labels if pair[0] != pair[1])
    return [(expected, found, times) for (expected, found), times in counted.most_common()]


def _mistakes(wrong: Sequence[Pair]) -> list[Mistake]:
    found = [
        Mistake(
            message.text,
            message.language,
            message.intent,
            parse.intent,
            round(parse.confidence, 4),
            message.file,
            message.line,
        )
        for message, parse in wrong
    ]
    return sorted(found, key=lambda mistake: -mistake.confidence)


def _grouped(pairs: Sequence[Pair]) -> dict[str, list[Pair]]:
    groups: dict[str, list[Pair]] = defaultdict(list)
    for message, found in pairs:
        groups[message.language].append((message, found))
    return groups


def _by_language(pairs: Sequence[Pair]) -> dict[str, Row]:
    return {
        language: {
            "messages": len(group),
            "accuracy": share(message.intent == found.intent for message, found in group),
            "macro_f1": macro_f1(scores((message.intent, found.intent) for message, found in group)),
            "language": share(found.language.language == language for _, found in group),
            "calibration_error": measures.calibration_error(
                [(found.confidence, message.intent == found.intent) for message, found in group]
            ),
        }
        for language, group in _grouped(pairs).items()
    }


def _by_length(pairs: Sequence[Pair]) -> dict[str, Row]:
    groups: dict[str, list[tuple[str, str]]] = {name: [] for name in LENGTHS}
    for message, found in pairs:
        groups[length_class(message.text)].append((message.language, found.language.language))
    return {
        name: {
            "messages": len(group),
            "right": share(said == found for said, found in group),
            "wrong": share(bool(found) and said != found for said, found in group),
        }
        for name, group in groups.items()
    }


def _entities(pairs: Sequence[Pair]) -> tuple[dict[str, Row], dict[str, Row]]:
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
    kinds = sorted({*wanted, *given})
    patterns = [name for name in kinds if name in PATTERN_ENTITIES]
    learnt = [name for name in kinds if name not in PATTERN_ENTITIES]

    def together(names: Sequence[str]) -> Row:
        return ratios(*(sum(counter[name] for name in names) for counter in (right, given, wanted)))

    table = {name: ratios(right[name], given[name], wanted[name]) for name in kinds}
    return table | {"all": together(kinds)}, {"pattern": together(patterns), "learnt": together(learnt)}
