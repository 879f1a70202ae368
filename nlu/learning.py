"""Turning corrections into training examples and regression cases: ``linguadesk nlu learn``.

A lesson is written twice: into ``learned.yml`` in the training folder of its language, and into
``nlu/regression/<language>.tsv``, which has the columns of the evaluation files.
"""

from __future__ import annotations

import asyncio
import io
import json
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.scalarstring import LiteralScalarString

from bot.config import Config, ConfigError, Problem, load_yaml
from bot.contracts import LinguadeskError, Parse
from bot.domain import load_domain
from nlu import store
from nlu.compare import parse_with
from nlu.entities import EntityExtractor, build_tables
from nlu.evaluate import evaluate
from nlu.evaluation import floors
from nlu.evaluation.messages import HEADER, Message, load_messages, normal_form, read_messages
from nlu.recognizers.embedded import EmbeddedRecognizer
from nlu.text import clean
from nlu.training_data import TrainingData, data_folder, read_training_data

REGRESSION_FOLDER = Path("nlu", "regression")
FILE = "learned.yml"
# Where a project may keep what its figures must not fall below; the first that is there counts.
FLOORS = (Path("nlu", "floors.json"), Path("tests", "nlu", "floors.json"))

Progress = Callable[[float, str], None]


class LearningError(LinguadeskError):
    """The files cannot be written."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a text means in a language, as a reviewer has approved it. ``id`` is the caller's."""

    id: int
    text: str
    intent: str
    language: str


@dataclass(frozen=True, slots=True)
class Line:
    """A line to add: to the training file (``example`` has its entities marked), to the cases, or to both."""

    lesson: Lesson
    text: str
    example: str = ""
    case: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What is learnt; ``refused`` are lessons that are not, each with the reason."""

    lines: tuple[Line, ...]
    refused: tuple[tuple[Lesson, str], ...]

    @property
    def learnt(self) -> list[int]:
        """The ids of the lessons that the files hold once the plan is carried out."""
        return [line.lesson.id for line in self.lines]


def plan(config: Config, lessons: Sequence[Lesson]) -> Plan:
    """Decide what is written for each lesson, without writing anything.

    A text that is in the training data already, in other case or punctuation perhaps, becomes a
    regression case alone. Refused is what would contradict the training data or spoil the evaluation.

    Raises:
        ConfigError: the project's files cannot be read.
    """
    data, _ = read_training_data(config)
    known = {
        (item.language, normal_form(item.text)): (item.intent, f"{item.file}:{item.line}") for item in data.examples
    }
    held_out = {
        (item.language, normal_form(item.text)): f"{item.file}:{item.line}"
        for item in load_messages(config, None, data.examples)
    }
    cases = {(item.language, normal_form(item.text)): item for item in load_cases(config)}
    intents = set(load_domain(config.home).intents)
    mark = _marker(config, data)
    lines: list[Line] = []
    refused: list[tuple[Lesson, str]] = []
    for lesson in lessons:
        text = _normalised(lesson.text)
        key = (lesson.language, normal_form(text))
        intent, place = known.get(key, ("", ""))
        case = cases.get(key)
        if not any(char.isalnum() for char in text):
            reason = "it has no words"
        elif lesson.language not in config.settings.languages:
            reason = f"{lesson.language or 'its language'!r} is not among `languages` in config.yml"
        elif lesson.intent not in intents:
            reason = f"the intent {lesson.intent!r} is not in domain.yml"
        elif intent and intent != lesson.intent:
            reason = f"it stands under {intent!r} at {place}; correct that line first"
        elif case is not None and case.intent != lesson.intent:
            reason = f"{case.file}:{case.line} expects {case.intent!r}; correct that line first"
        elif key in held_out:
            reason = f"it is at {held_out[key]}: what measures must not be learnt; take it out there first"
        else:
            reason = ""
        if reason:
            refused.append((lesson, reason))
            continue
        lines.append(Line(lesson, text, "" if intent else mark(text, lesson.language), case is None))
        # The next one may be the same text.
        known[key] = (lesson.intent, "another approved correction")
        cases[key] = case or Message(text, lesson.intent, lesson.language, (), seen=True, file="another correction")
    return Plan(tuple(lines), tuple(refused))


def _normalised(text: str) -> str:
    """One line without invisible characters; square brackets would be marks of entities."""
    return clean(text).translate(str.maketrans("[]", "()"))


def _marker(config: Config, data: TrainingData) -> Callable[[str, str], str]:
    """Marks the entities that are sure: those that are found by their form, not by what was learnt."""
    languages = config.settings.languages
    extractor = EntityExtractor(config.settings.shop, languages, build_tables(data, languages))
    declared = set(load_domain(config.home).entities)

    def mark(text: str, language: str) -> str:
        found = extractor.extract(text, language=language)
        sure = [item for item in found if item.extractor == "pattern" and item.entity in declared]
        for item in sorted(sure, key=lambda item: -item.start):
            words = text[item.start : item.end]
            # The value of a language is its code; the others mean what they say.
            value = json.dumps({"entity": item.entity, "value": item.value}, ensure_ascii=False)
            marked = f"[{words}]{value}" if item.entity == "language" else f"[{words}]({item.entity})"
            text = text[: item.start] + marked + text[item.end :]
        return text

    return mark


def write(config: Config, todo: Plan) -> list[Path]:
    """Carry out a plan; the files that have changed. Doing it again changes nothing.

    Raises:
        ConfigError: a file that is there cannot be read.
        LearningError: a file cannot be written.
    """
    examples: dict[str, list[Line]] = defaultdict(list)
    cases: dict[str, list[Line]] = defaultdict(list)
    for line in todo.lines:
        if line.example:
            examples[line.lesson.language].append(line)
        if line.case:
            cases[line.lesson.language].append(line)
    contents = {
        training_file(config, language): _with_examples(config, language, lines) for language, lines in examples.items()
    }
    contents |= {case_file(config, language): _with_cases(config, language, lines) for language, lines in cases.items()}
    for path, text in contents.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            unfinished = path.with_name(path.name + ".new")
            unfinished.write_text(text, encoding="utf-8")
            os.replace(unfinished, path)  # noqa: PTH105 (all or nothing)
        except OSError as error:
            raise LearningError(f"{path} cannot be written: {error.strerror}") from None
    return list(contents)


def training_file(config: Config, language: str) -> Path:
    """Where the learnt examples of a language are."""
    return config.home / data_folder(config) / language / FILE


def case_file(config: Config, language: str) -> Path:
    """Where the regression cases of a language are."""
    return config.home / REGRESSION_FOLDER / f"{language}.tsv"


def _with_examples(config: Config, language: str, lines: Iterable[Line]) -> str:
    path = training_file(config, language)
    document = load_yaml(path, path.relative_to(config.home).as_posix()) if path.exists() else None
    if not isinstance(document, CommentedMap):
        document = CommentedMap(version="3.1")
        document.yaml_set_start_comment("What agents have corrected and a reviewer has approved: linguadesk nlu learn")
    sections = document.get("nlu")
    if not isinstance(sections, CommentedSeq):
        sections = document["nlu"] = CommentedSeq()
    for line in lines:
        section = next(
            (item for item in sections if isinstance(item, CommentedMap) and item.get("intent") == line.lesson.intent),
            None,
        )
        if section is None:
            section = CommentedMap(intent=line.lesson.intent, examples="")
            sections.append(section)
        before = section["examples"]
        if isinstance(before, CommentedSeq):
            before.append(line.example)
        else:
            section["examples"] = LiteralScalarString(f"{before.rstrip()}\n- {line.example}\n".lstrip("\n"))
    stream = io.StringIO()
    yaml = YAML(typ="rt")
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.width = 10_000
    yaml.dump(document, stream)
    return stream.getvalue()


def _with_cases(config: Config, language: str, lines: Iterable[Line]) -> str:
    path = case_file(config, language)
    before = path.read_text(encoding="utf-8") if path.exists() else "\t".join(HEADER) + "\n"
    if not before.endswith("\n"):
        before += "\n"
    return before + "".join(f"{line.lesson.intent}\t{line.text}\n" for line in lines)


def load_cases(config: Config) -> list[Message]:
    """The regression cases of the configured languages.

    Raises:
        ConfigError: a line cannot be read.
    """
    problems: list[Problem] = []
    found: list[Message] = []
    for language in config.settings.languages:
        path = case_file(config, language)
        if path.is_file():
            shown = (REGRESSION_FOLDER / path.name).as_posix()
            found += read_messages(path, shown, language, set(), problems)
    if problems:
        raise ConfigError(*problems)
    return found


def failing(parse: Callable[[str], Parse], cases: Iterable[Message]) -> list[str]:
    """The cases that ``parse`` understands otherwise, each as a sentence with its file and line."""
    found = []
    for case in cases:
        read = parse(case.text)
        if read.intent != case.intent:
            place = f"{case.file}:{case.line}"
            reading = f"{read.intent or 'nothing'} ({read.confidence:.2f})"
            found.append(f"{place}: “{case.text[:80]}” is understood as {reading}, not as {case.intent}")
    return found


@dataclass(frozen=True, slots=True)
class Verdict:
    """How the project stands after training: cases in all, those that fail, figures below their floors.

    ``accuracy`` is on the held-out messages, None where there are none.
    """

    cases: int
    failing: tuple[str, ...]
    below: tuple[str, ...]
    accuracy: float | None

    @property
    def good(self) -> bool:
        """Whether nothing fails and nothing has fallen."""
        return not self.failing and not self.below

    def summary(self) -> str:
        """The verdict in plain sentences, one a line."""
        lines = [f"Regression cases: {self.cases}, of which {len(self.failing)} fail."]
        lines += [f"  {item}" for item in self.failing]
        if self.accuracy is None:
            lines.append("There are no held-out messages in nlu/eval to measure with.")
        else:
            lines.append(f"Held-out messages: {self.accuracy:.1%} right; below their floors: {len(self.below)}.")
            lines += [f"  {item}" for item in self.below]
        return "\n".join(lines)


def check(config: Config, progress: Progress | None = None) -> Verdict:
    """Train on the present files, try every regression case, and hold the held-out figures against their floors.

    A Rasa server is asked as it is: it is trained elsewhere. Not for use where an event loop runs.

    Raises:
        LinguadeskError: the engine cannot be reached.
        ConfigError: the project's files cannot be used.
        TrainingError: training failed.
    """
    cases = load_cases(config)
    if config.settings.recognizer.engine == "embedded":
        recognizer = EmbeddedRecognizer.load(config, progress)
        try:
            wrong = failing(recognizer.parse_sync, cases)
        finally:
            recognizer.close()
    else:
        parses = asyncio.run(parse_with(config, list(dict.fromkeys(case.text for case in cases))))
        wrong = failing({parse.text: parse for parse in parses}.__getitem__, cases)
    if not any(not message.seen for message in load_messages(config)):
        return Verdict(len(cases), tuple(wrong), (), None)
    report = evaluate(config, progress=progress)
    path = next((config.home / name for name in FLOORS if (config.home / name).is_file()), config.home / FLOORS[0])
    known = floors.load(path, floors.section(bool(store.encoders(config))))
    return Verdict(len(cases), tuple(wrong), tuple(floors.below(known, report)), report.accuracy)
