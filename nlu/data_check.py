"""``linguadesk nlu data check``: what is wrong or doubtful in the training and evaluation data."""

from __future__ import annotations

import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from bot.config import Config, ConfigError, Problem
from nlu.entities import EntityExtractor, Tables
from nlu.evaluation.messages import load_messages, normal_form
from nlu.evaluation.similar import NEAR, near_duplicates
from nlu.phrases import fold_same_length
from nlu.scripts import LANGUAGES, main_script
from nlu.text import align
from nlu.training_data import Example, read_training_data

ENOUGH = 40
"""Fewer examples of an intent in a language are thin."""

BALANCE = 0.5
"""A language with less than this share of the median number of examples is unbalanced."""

KINDS = (
    "unreadable",
    "unknown name",
    "duplicate",
    "near-duplicate",
    "thin intent",
    "wrong script",
    "unbalanced language",
    "entity value",
    "evaluation line in training",
    "not used",
)

_NAMES = {"no example": "thin intent"}
_CHECKED = ("order_number", "tracking_number", "ticket_number", "email", "phone")
_ANY_SCRIPT = ("change_language", "inform", "out_of_scope")
"""Intents whose words may be those of any language: its name in itself, an address abroad, foreign talk."""

_LETTER = re.compile(r"[^\W\d_]")
_KANA_AND_HAN = {"Han", "Kana"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found: ``severity`` is ``error`` or ``warning``, ``kind`` one of :data:`KINDS`; line 0: the file."""

    severity: str
    kind: str
    file: str
    line: int
    message: str

    def row(self) -> dict[str, str | int]:
        """As a row of a table."""
        return {
            "severity": self.severity,
            "kind": self.kind,
            "file": self.file,
            "line": self.line,
            "message": self.message,
        }


def check(config: Config, languages: Sequence[str] | None = None) -> list[Finding]:
    """Everything found in the data, errors first, in the order of the files.

    ``languages`` limits it to those, and to the files that belong to no language in particular.

    Raises:
        ConfigError: there is nothing to check, as when a configured language has no files.
    """
    data, problems = read_training_data(config)
    unknown = sorted(set(languages or ()) - {*config.settings.languages})
    if unknown:
        raise ConfigError(Problem("config.yml", 0, f"{unknown[0]!r} is not among `languages`"))
    examples = [item for item in data.examples if not languages or item.language in (*languages, "")]
    # Duplicates are looked for more closely below.
    found = [
        Finding("warning" if item.warning else "error", _NAMES.get(kind, kind), item.file, item.line, item.message)
        for kind, items in problems.items()
        for item in items
        if kind != "duplicate"
    ]
    if languages:
        folders = {item.file.rpartition("/")[0] for item in data.examples if item.language not in (*languages, "")}
        found = [item for item in found if item.file.rpartition("/")[0] not in folders]
    for part in _by_language(examples).values():
        found += _duplicates(part)
        found += _near_duplicates(part)
    found += _thin(config, examples, languages)
    found += _wrong_script(examples)
    found += _unbalanced(config, data.examples, languages)
    found += _entity_values(config, examples)
    found += _in_training(config, data.examples, languages)
    return sorted(found, key=lambda item: (item.severity != "error", item.file, item.line, KINDS.index(item.kind)))


def _by_language(examples: Iterable[Example]) -> dict[str, list[Example]]:
    groups: dict[str, list[Example]] = defaultdict(list)
    for example in examples:
        groups[example.language].append(example)
    return groups


def _duplicates(examples: Sequence[Example]) -> Iterator[Finding]:
    """The same text in two intents; case, accents, spaces and punctuation make no difference."""
    first: dict[str, Example] = {}
    for example in examples:
        other = first.setdefault(normal_form(example.text), example)
        if other.intent != example.intent:
            message = (
                f"{_short(example.text)} stands under {example.intent} and, at {other.file}:{other.line}, "
                f"under {other.intent}; keep one of them"
            )
            yield Finding("error", "duplicate", example.file, example.line, message)


def _near_duplicates(examples: Sequence[Example]) -> Iterator[Finding]:
    worded = [example for example in examples if _LETTER.search(example.text)]
    for left, right, likeness in near_duplicates([example.text for example in worded], NEAR):
        one, other = worded[left], worded[right]
        if one.intent != other.intent and normal_form(one.text) != normal_form(other.text):
            message = (
                f"{_short(other.text)} ({other.intent}) is nearly {_short(one.text)} ({one.intent}) "
                f"at {one.file}:{one.line}; likeness {likeness:.2f}"
            )
            yield Finding("warning", "near-duplicate", other.file, other.line, message)


def _thin(config: Config, examples: Sequence[Example], languages: Sequence[str] | None) -> Iterator[Finding]:
    """Intents with few examples in a language; ones without a language count for each."""
    counts = Counter((example.language, example.intent) for example in examples)
    first: dict[tuple[str, str], Example] = {}
    for example in examples:
        first.setdefault((example.language, example.intent), example)
    intents = sorted({example.intent for example in examples})
    for language in languages or config.settings.languages:
        for intent in intents:
            count = counts[language, intent] + counts["", intent]
            if count < ENOUGH:
                place = first.get((language, intent))
                file, line = (place.file, place.line) if place else (_folder(examples, language), 0)
                message = f"{intent} has {count} examples in {language}; at least {ENOUGH} are wanted"
                yield Finding("warning", "thin intent", file, line, message)


def _folder(examples: Sequence[Example], language: str) -> str:
    return next((item.file.rpartition("/")[0] for item in examples if item.language == language), language)


def _wrong_script(examples: Sequence[Example]) -> Iterator[Finding]:
    """Lines in letters that are neither their language's nor Latin.

    Customers write every language in Latin letters and mix Latin words into it; the other way round
    it is a line in the wrong file.
    """
    for example in examples:
        if not example.language or example.intent in _ANY_SCRIPT:
            continue
        script = main_script(example.text)
        if script in ("", "Latin") or script in _scripts(example.language):
            continue
        message = f"{_short(example.text)} is in {script} letters, in the data of {example.language}"
        yield Finding("error", "wrong script", example.file, example.line, message)


def _scripts(language: str) -> set[str]:
    """The scripts of a language besides Latin."""
    base = language.split("-")[0]
    own = {script for script, bases in LANGUAGES.items() if base in bases}
    return own | _KANA_AND_HAN if base == "ja" else own


def _unbalanced(config: Config, examples: Sequence[Example], languages: Sequence[str] | None) -> Iterator[Finding]:
    counts = Counter(example.language for example in examples if example.language)
    if len(counts) < 2:
        return
    median = statistics.median(counts[language] for language in config.settings.languages)
    for language in languages or config.settings.languages:
        if counts[language] < BALANCE * median:
            message = f"{language} has {counts[language]} examples, less than half of the usual {median:.0f}"
            yield Finding("warning", "unbalanced language", _folder(examples, language), 0, message)


def _entity_values(config: Config, examples: Sequence[Example]) -> Iterator[Finding]:
    """Marked numbers and addresses in which our own patterns do not see what is marked."""
    extractor = EntityExtractor(config.settings.shop, config.settings.languages, Tables())
    for example in examples:
        marks = [mark for mark in example.annotations if mark.entity in _CHECKED]
        if not marks:
            continue
        aligned = align(example.text)
        patterns = extractor.patterns(aligned.text, fold_same_length(aligned.text), None, example.language)
        found = {(item.entity, *aligned.span(item.start, item.end)) for item in patterns}
        for mark in marks:
            if (mark.entity, mark.start, mark.end) not in found:
                marked = example.text[mark.start : mark.end]
                others = [entity for entity, start, end in found if start < mark.end and mark.start < end]
                seen = f"the patterns see {', '.join(sorted(others))}" if others else "no pattern finds it"
                message = f"{_short(marked)} is marked as {mark.entity}, but {seen}"
                yield Finding("warning", "entity value", example.file, example.line, message)


def _in_training(config: Config, examples: Sequence[Example], languages: Sequence[str] | None) -> Iterator[Finding]:
    """Evaluation messages that training has: they measure memory, not understanding."""
    places = {normal_form(example.text): example for example in reversed(examples)}
    try:
        messages = load_messages(config, None, examples)
    except ConfigError as error:
        for problem in error.problems:
            yield Finding("error", "unreadable", problem.file, problem.line, problem.message)
        return
    for message in messages:
        if message.seen and (not languages or message.language in languages):
            other = places[normal_form(message.text)]
            text = f"{_short(message.text)} is in the training data too, at {other.file}:{other.line}"
            yield Finding("error", "evaluation line in training", message.file, message.line, text)


def _short(text: str) -> str:
    return f"“{text[:47]}…”" if len(text) > 50 else f"“{text}”"
