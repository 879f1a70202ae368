"""Training examples in Rasa's YAML format, read from ``nlu/data/`` with file and line.

``nlu/data/<language>/*.yml`` holds the examples of one language; files directly below ``nlu/data``
belong to no language in particular (order numbers, e-mail addresses). The format is Rasa's 3.1:
intents with examples, entities as ``[text](entity)`` or ``[text]{"entity": "size", "value": "42"}``,
synonyms, regular expressions and lookup tables.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.scalarstring import FoldedScalarString, LiteralScalarString

from bot.config import Config, ConfigError, Problem, line_of, load_yaml
from nlu.markup import Annotation, MarkupError, parse_markup

DATA_FOLDER = Path("nlu", "data")
SECTIONS = ("intent", "synonym", "regex", "lookup")
IGNORED_KEYS = {"version", "nlu", "stories", "rules", "responses"}


@dataclass(frozen=True, slots=True)
class Example:
    """One message with its intent. ``language`` is the folder's name, empty for none."""

    text: str
    intent: str
    language: str
    file: str
    line: int
    annotations: tuple[Annotation, ...] = ()


@dataclass(frozen=True, slots=True)
class Phrase:
    """One line of a synonym, regular expression or lookup section; ``name`` is the section's."""

    name: str
    text: str
    language: str
    file: str
    line: int


@dataclass(frozen=True)
class TrainingData:
    """Everything below ``nlu/data`` that belongs to the configured languages."""

    examples: tuple[Example, ...]
    synonyms: tuple[Phrase, ...] = ()
    regexes: tuple[Phrase, ...] = ()
    lookups: tuple[Phrase, ...] = ()
    warnings: tuple[Problem, ...] = ()
    domain_intents: tuple[str, ...] = ()

    @cached_property
    def intents(self) -> tuple[str, ...]:
        """All intents that have examples, sorted."""
        return tuple(sorted({example.intent for example in self.examples}))

    @cached_property
    def languages(self) -> tuple[str, ...]:
        """All languages that have examples, sorted; the empty one is left out."""
        return tuple(sorted({example.language for example in self.examples} - {""}))


def data_files(config: Config) -> tuple[tuple[Path, str], ...]:
    """The training files of the configured languages as (path, language), in a stable order.

    Raises:
        ConfigError: a configured language has no folder, or its folder has no file.
    """
    root = config.home / DATA_FOLDER
    problems = []
    found: list[tuple[Path, str]] = [(path, "") for path in _yaml_files(root)]
    for language in config.settings.languages:
        files = _yaml_files(root / language)
        if not files:
            shown = (DATA_FOLDER / language).as_posix()
            problems.append(
                Problem(
                    shown,
                    0,
                    f"there is no training data for the language {language!r} that config.yml lists; "
                    f"add examples to {shown}/, or remove the language from `languages`",
                )
            )
        found += [(path, language) for path in files]
    if problems:
        raise ConfigError(*problems)
    return tuple(found)


def load_training_data(config: Config) -> TrainingData:
    """Read and check the training files of the configured languages.

    Raises:
        ConfigError: with one :class:`Problem` for each thing that is wrong, in all files.
    """
    problems: list[Problem] = []
    reader = _Reader(problems)
    for path, language in data_files(config):
        reader.read(path, path.relative_to(config.home).as_posix(), language)
    intents, entities = _domain(config.home, problems)
    problems += _unknown_names(reader, intents, entities)
    problems += _unused_intents(reader, intents)
    problems += _duplicates(reader.examples)
    if not reader.examples and not problems:
        problems.append(Problem(DATA_FOLDER.as_posix(), 0, "there is not a single training example"))
    if any(not problem.warning for problem in problems):
        raise ConfigError(*problems)
    return TrainingData(
        examples=tuple(reader.examples),
        synonyms=tuple(reader.phrases["synonym"]),
        regexes=tuple(reader.phrases["regex"]),
        lookups=tuple(reader.phrases["lookup"]),
        warnings=tuple(problems),
        domain_intents=tuple(sorted(intents or ())),
    )


def _yaml_files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix in (".yml", ".yaml") and path.is_file())


def _lines(node: Any, parent: Any, key: str) -> Iterator[tuple[str, int]]:
    """The lines of an ``examples:`` value with their line numbers, blank ones left out.

    ``node`` is a block of ``- text`` lines, or a list of strings or of mappings with ``text``.
    """
    if isinstance(node, str):
        first = line_of(parent, key)
        if isinstance(node, LiteralScalarString | FoldedScalarString):
            first = parent.lc.value(key)[0] + 2
        for offset, raw in enumerate(node.split("\n")):
            if raw.strip():
                yield raw.strip(), first + offset
    elif isinstance(node, CommentedSeq):
        for index, item in enumerate(node):
            text = item.get("text") if isinstance(item, CommentedMap) else item
            line = line_of(node, index, "text") if isinstance(item, CommentedMap) else line_of(node, index)
            if isinstance(item, CommentedMap) and isinstance(text, LiteralScalarString | FoldedScalarString):
                line += 1
            yield "- " + ("" if text is None else str(text)).strip().removeprefix("- "), line


class _Reader:
    """Collects examples and phrases of many files, and the problems met on the way."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        # Where each intent of a file is named, for complaints about the name.
        self.named_at: dict[tuple[str, str], int] = {}
        self.examples: list[Example] = []
        self.phrases: dict[str, list[Phrase]] = defaultdict(list)

    def read(self, path: Path, shown: str, language: str) -> None:
        """Read one file; what is wrong is added to the problems."""
        try:
            document = load_yaml(path, shown)
        except ConfigError as error:
            self.problems += error.problems
            return
        if document is None:
            return
        if not isinstance(document, CommentedMap):
            self._bad(shown, 1, "expected `nlu:` with a list of intents")
            return
        for key in document:
            if key not in IGNORED_KEYS:
                self._bad(shown, line_of(document, key), f"unknown section {key!r}; expected `version` and `nlu`")
        sections = document.get("nlu")
        if sections is None:
            return
        if not isinstance(sections, CommentedSeq):
            self._bad(shown, line_of(document, "nlu"), "`nlu:` must be a list of `- intent: …` sections")
            return
        for index in range(len(sections)):
            self._section(sections, index, shown, language)

    def _bad(self, file: str, line: int, message: str) -> None:
        self.problems.append(Problem(file, line, message))

    def _section(self, sections: CommentedSeq, index: int, file: str, language: str) -> None:
        section, line = sections[index], line_of(sections, index)
        kinds = [kind for kind in SECTIONS if isinstance(section, CommentedMap) and kind in section]
        if len(kinds) != 1:
            self._bad(file, line, f"expected one of {', '.join(SECTIONS)} with `examples`")
            return
        kind = kinds[0]
        name = section[kind]
        if not isinstance(name, str) or not name.strip():
            self._bad(file, line_of(section, kind), f"this {kind} has no name; write `- {kind}: name`")
            return
        examples = section.get("examples")
        if not isinstance(examples, str | CommentedSeq) or not examples:
            self._bad(
                file,
                line_of(section, kind),
                f"the {kind} {name!r} has no examples; add lines below `examples: |`, or remove it",
            )
            return
        before = len(self.problems)
        self.named_at.setdefault((file, name.strip()), line_of(section, kind))
        count = sum(
            self._example(kind, name.strip(), text, language, file, number)
            for text, number in _lines(examples, section, "examples")
        )
        if not count and len(self.problems) == before:
            self._bad(file, line_of(section, kind), f"the {kind} {name!r} has no examples; add some, or remove it")

    def _example(self, kind: str, name: str, raw: str, language: str, file: str, line: int) -> bool:
        if raw.startswith("#"):
            return False
        if not raw.startswith("-"):
            self._bad(file, line, f"an example must start with `- `; this line is {raw[:40]!r}")
            return False
        raw = raw[1:].strip()
        if not raw:
            return False
        if kind == "regex":
            try:
                re.compile(raw)
            except re.error as error:
                self._bad(file, line, f"not a regular expression: {error}")
                return False
        if kind != "intent":
            self.phrases[kind].append(Phrase(name, raw, language, file, line))
            return True
        try:
            text, annotations = parse_markup(raw)
        except MarkupError as error:
            self._bad(file, line, str(error))
            return False
        self.examples.append(Example(text, name, language, file, line, annotations))
        return True


def _names(document: Any, key: str) -> set[str] | None:
    node = document.get(key) if isinstance(document, CommentedMap) else None
    if not isinstance(node, CommentedSeq):
        return None
    return {str(next(iter(item))) if isinstance(item, CommentedMap) else str(item) for item in node if item}


def _domain(home: Path, problems: list[Problem]) -> tuple[set[str] | None, set[str] | None]:
    """Intents and entities that ``domain.yml`` declares; None where there is nothing to compare."""
    path = home / "domain.yml"
    if not path.exists():
        return None, None
    try:
        document = load_yaml(path, "domain.yml")
    except ConfigError as error:
        problems += error.problems
        return None, None
    return _names(document, "intents"), _names(document, "entities")


def _unknown_names(reader: _Reader, intents: set[str] | None, entities: set[str] | None) -> Iterator[Problem]:
    seen: set[tuple[str, str]] = set()
    for example in reader.examples:
        if intents is not None and example.intent not in intents and (example.file, example.intent) not in seen:
            seen.add((example.file, example.intent))
            yield Problem(
                example.file,
                reader.named_at[example.file, example.intent],
                f"the intent {example.intent!r} is not in domain.yml; add it to `intents:` there, or correct the name",
            )
        for annotation in example.annotations:
            if entities is not None and annotation.entity not in entities:
                yield Problem(
                    example.file,
                    example.line,
                    f"the entity {annotation.entity!r} is not in domain.yml; "
                    "add it to `entities:` there, or correct the name",
                )


def _unused_intents(reader: _Reader, intents: set[str] | None) -> Iterator[Problem]:
    if intents is None or not reader.examples:
        return
    for intent in sorted(intents - {example.intent for example in reader.examples}):
        yield Problem(
            "domain.yml",
            0,
            f"the intent {intent!r} has no example in nlu/data, so it is never recognised",
            warning=True,
        )


def _duplicates(examples: Sequence[Example]) -> Iterable[Problem]:
    first: dict[str, Example] = {}
    for example in examples:
        other = first.setdefault(example.text.casefold(), example)
        if other.intent != example.intent:
            yield Problem(
                example.file,
                example.line,
                f"the same text stands under {other.intent!r} ({other.file}:{other.line}) and under "
                f"{example.intent!r}; keep one of them",
                warning=True,
            )
