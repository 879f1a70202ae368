"""Training examples in Rasa's YAML format, read from ``nlu/data/`` with file and line.

``nlu/data/<language>/*.yml`` holds the examples of one language; files directly below ``nlu/data``
belong to no language in particular (order numbers, e-mail addresses). The format is Rasa's 3.1:
intents with examples, entities as ``[text](entity)`` or ``[text]{"entity": "size", "value": "42"}``,
synonyms, regular expressions and lookup tables.

A project without ``nlu/data`` is read as Rasa reads it: every YAML file below ``data/`` that has a
section ``nlu``. What Rasa would take and this product does not use is then a warning, not an error.
"""

from __future__ import annotations

import os
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
from bot.domain import domain_files
from nlu.markup import Annotation, MarkupError, parse_markup

DATA_FOLDER = Path("nlu", "data")
RASA_FOLDER = Path("data")
SECTIONS = ("intent", "synonym", "regex", "lookup")
IGNORED_KEYS = {"version", "nlu", "stories", "rules", "responses"}
OWN_ENTITIES = (
    *("order_number", "tracking_number", "ticket_number", "email", "phone", "language"),
    *("product", "size", "amount", "date", "rating", "complaint_type", "severity"),
)
"""Entities that this product finds in words it has never seen; those of a merchant it finds again."""

_RASA_INTENTS = {"back", "restart", "session_start", "nlu_fallback"}
_OWN_FOLDERS = ("demo", "files", "logs", "models", "rasa", "reports")
_HAS_NLU = re.compile(rb"""^["']?nlu["']?[ \t]*:""", re.MULTILINE)
_ROLE = re.compile(r'"(?:role|group)"\s*:')


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


def data_folder(config: Config) -> Path:
    """Where the training files are, relative to the project: ``nlu/data``, or Rasa's ``data``."""
    own = (config.home / DATA_FOLDER).is_dir()
    return RASA_FOLDER if not own and _rasa_files(config, ".yml", ".yaml") else DATA_FOLDER


def data_files(config: Config) -> tuple[tuple[Path, str], ...]:
    """The training files of the configured languages as (path, language), in a stable order.

    In Rasa's layout a folder named after a configured language holds that language; every other
    file is in the default one. The files of a folder ``domain/`` come last: they hold no examples, but
    a model depends on them as well.

    Raises:
        ConfigError: a configured language has no folder, or its folder has no file.
    """
    languages, folder = config.settings.languages, data_folder(config)
    root = config.home / folder
    found: list[tuple[Path, str]]
    if folder == RASA_FOLDER:
        found = [(path, _language_of(path.relative_to(root), config)) for path in _rasa_files(config, ".yml", ".yaml")]
    else:
        found = [(path, "") for path in _yaml_files(root)]
        found += [(path, language) for language in languages for path in _yaml_files(root / language)]
    problems = []
    for language in sorted({*languages} - {spoken for _, spoken in found}, key=languages.index):
        shown = (folder / language).as_posix()
        message = (
            f"there is no training data for the language {language!r} that config.yml lists; "
            f"add examples to {shown}/, or remove the language from `languages`"
        )
        problems.append(Problem(shown, 0, message))
    if problems:
        raise ConfigError(*problems)
    split_domain = domain_files(config.home)
    if split_domain != (config.home / "domain.yml",):
        found += [(path, "") for path in split_domain]
    return tuple(found)


def _language_of(path: Path, config: Config) -> str:
    languages = config.settings.languages
    return next((part for part in path.parts[:-1] if part in languages), config.settings.shop.default_language)


def _rasa_files(config: Config, *endings: str) -> list[Path]:
    """Files with training data below Rasa's ``data``, without what this program itself wrote there."""
    root = config.home / RASA_FOLDER
    own = {config.data_dir / name for name in _OWN_FOLDERS} if config.data_dir == root else {config.data_dir}
    found = []
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".") and Path(folder, name) not in own]
        found += [Path(folder, name) for name in files if name.endswith(endings)]
    wanted = _HAS_NLU if ".json" not in endings else re.compile(rb'"rasa_nlu_data"')
    return sorted(path for path in found if wanted.search(path.read_bytes()))


def load_training_data(config: Config) -> TrainingData:
    """Read and check the training files of the configured languages.

    Raises:
        ConfigError: with one :class:`Problem` for each thing that is wrong, in all files.
    """
    data, by_kind = read_training_data(config)
    problems = [problem for found in by_kind.values() for problem in found]
    if not data.examples and all(problem.warning for problem in problems):
        problems.append(Problem(data_folder(config).as_posix(), 0, "there is not a single training example"))
    if any(not problem.warning for problem in problems):
        raise ConfigError(*problems)
    return data


def read_training_data(config: Config) -> tuple[TrainingData, dict[str, list[Problem]]]:
    """What can be read of the training files, and everything that is wrong with them, by kind.

    The kinds are ``unreadable``, ``unknown name``, ``no example``, ``duplicate`` and ``not used``.

    Raises:
        ConfigError: a configured language has no files.
    """
    foreign = data_folder(config) == RASA_FOLDER
    unreadable: list[Problem] = []
    reader = _Reader(unreadable, lenient=foreign)
    domain = set(domain_files(config.home))
    for path, language in data_files(config):
        if path not in domain:
            reader.read(path, path.relative_to(config.home).as_posix(), language)
    intents, entities = _domain(config.home, unreadable)
    not_used = _not_read(config) if foreign else []
    kept = {kind: _for_entities(kind, reader, entities, not_used) for kind in ("regex", "lookup")}
    problems = {
        "unreadable": unreadable,
        "unknown name": list(_unknown_names(reader, intents, entities)),
        "no example": list(_unused_intents(reader, intents)),
        "duplicate": list(_duplicates(reader.examples)),
        "not used": not_used,
    }
    data = TrainingData(
        examples=tuple(reader.examples),
        synonyms=tuple(reader.phrases["synonym"]),
        regexes=kept["regex"],
        lookups=(*kept["lookup"], *_marked(reader)),
        warnings=tuple(problem for found in problems.values() for problem in found if problem.warning),
        domain_intents=tuple(sorted(intents or ())),
    )
    return data, problems


def _not_read(config: Config) -> list[Problem]:
    """Training data in forms that Rasa reads and this product does not."""
    message = "training data in JSON is not read; convert it with `rasa data convert nlu -f yaml`"
    files = _rasa_files(config, ".json")
    return [Problem(path.relative_to(config.home).as_posix(), 0, message, warning=True) for path in files]


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
    """Collects examples and phrases of many files, and the problems met on the way.

    A ``lenient`` one reads a project that was written for Rasa: only a file that cannot be read at
    all is an error there, the rest are warnings.
    """

    def __init__(self, problems: list[Problem], *, lenient: bool = False) -> None:
        self.problems = problems
        self.lenient = lenient
        self._warned: set[tuple[str, str]] = set()
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
        self.problems.append(Problem(file, line, message, warning=self.lenient))

    def _warn_once(self, file: str, line: int, what: str, message: str) -> None:
        if (file, what) not in self._warned:
            self._warned.add((file, what))
            self.problems.append(Problem(file, line, message, warning=True))

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
        name = name.strip()
        if kind == "intent" and "/" in name:
            whole, name = name, name.split("/", 1)[0]
            message = f"{whole!r} is recognised as {name!r}; choosing among its answers is not supported"
            self._warn_once(file, line_of(section, kind), name, message)
        self.named_at.setdefault((file, name), line_of(section, kind))
        count = sum(
            self._example(kind, name, text, language, file, number)
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
        if _ROLE.search(raw):
            message = "roles and groups of entities are not supported; the plain entity is learnt"
            self._warn_once(file, line, "role", message)
        self.examples.append(Example(text, name, language, file, line, annotations))
        return True


def _names(document: Any, key: str) -> set[str] | None:
    node = document.get(key) if isinstance(document, CommentedMap) else None
    if not isinstance(node, CommentedSeq):
        return None
    return {str(next(iter(item))) if isinstance(item, CommentedMap) else str(item) for item in node if item}


def _domain(home: Path, problems: list[Problem]) -> tuple[set[str] | None, set[str] | None]:
    """Intents and entities that the domain declares; None where there is nothing to compare."""
    found: dict[str, set[str] | None] = {"intents": None, "entities": None}
    for path in domain_files(home):
        if not path.exists():
            continue
        try:
            document = load_yaml(path, path.relative_to(home).as_posix())
        except ConfigError as error:
            problems += error.problems
            return None, None
        for key, names in found.items():
            declared = _names(document, key)
            found[key] = names if declared is None else declared | (names or set())
    return found["intents"], found["entities"]


def _unknown_names(reader: _Reader, intents: set[str] | None, entities: set[str] | None) -> Iterator[Problem]:
    seen: set[tuple[str, str]] = set()
    for example in reader.examples:
        if intents is not None and example.intent not in intents and (example.file, example.intent) not in seen:
            seen.add((example.file, example.intent))
            yield Problem(
                example.file,
                reader.named_at[example.file, example.intent],
                f"the intent {example.intent!r} is not in domain.yml; add it to `intents:` there, or correct the name",
                warning=reader.lenient,
            )
        for annotation in example.annotations:
            if entities is not None and annotation.entity not in entities:
                yield Problem(
                    example.file,
                    example.line,
                    f"the entity {annotation.entity!r} is not in domain.yml; "
                    "add it to `entities:` there, or correct the name",
                    warning=reader.lenient,
                )


def _for_entities(kind: str, reader: _Reader, entities: set[str] | None, problems: list[Problem]) -> tuple[Phrase, ...]:
    """The lines of a kind whose section names an entity; Rasa also has others, as hints for its classifiers."""
    if entities is None:
        return tuple(reader.phrases[kind])
    known = entities | {mark.entity for example in reader.examples for mark in example.annotations}
    for phrase in {phrase.name: phrase for phrase in reversed(reader.phrases[kind])}.values():
        if phrase.name not in known:
            message = f"the {kind} {phrase.name!r} names no entity of domain.yml, so it finds nothing"
            problems.append(Problem(phrase.file, phrase.line, message, warning=True))
    return tuple(phrase for phrase in reader.phrases[kind] if phrase.name in known)


def _marked(reader: _Reader) -> Iterator[Phrase]:
    """The words marked in examples as a merchant's own entity, and their synonyms, as lookup phrases."""
    synonyms: dict[str, list[Phrase]] = defaultdict(list)
    for phrase in reader.phrases["synonym"]:
        synonyms[phrase.name].append(phrase)
    seen: set[tuple[str, str]] = set()
    for example in reader.examples:
        for mark in example.annotations:
            if mark.entity in OWN_ENTITIES:
                continue
            words = example.text[mark.start : mark.end]
            places = [Phrase(words, words, example.language, example.file, example.line), *synonyms[mark.value]]
            for place in places:
                if (mark.entity, place.text) not in seen:
                    seen.add((mark.entity, place.text))
                    yield Phrase(mark.entity, place.text, place.language, place.file, place.line)


def _unused_intents(reader: _Reader, intents: set[str] | None) -> Iterator[Problem]:
    if intents is None or not reader.examples:
        return
    for intent in sorted(intents - {example.intent for example in reader.examples} - _RASA_INTENTS):
        yield Problem(
            "domain.yml",
            0,
            f"the intent {intent!r} has no example, so it is never recognised",
            warning=True,
        )


def _duplicates(examples: Sequence[Example]) -> Iterable[Problem]:
    """The same words may mean different things in different languages, not in one."""
    first: dict[tuple[str, str], Example] = {}
    for example in examples:
        other = first.setdefault((example.language, example.text.casefold()), example)
        if other.intent != example.intent:
            yield Problem(
                example.file,
                example.line,
                f"the same text stands under {other.intent!r} ({other.file}:{other.line}) and under "
                f"{example.intent!r}; keep one of them",
                warning=True,
            )
