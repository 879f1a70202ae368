"""The messages to measure with: ``nlu/eval/<language>.tsv``."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from bot.config import Config, ConfigError, Problem
from nlu.markup import Annotation, MarkupError, parse_markup
from nlu.text import clean, fold
from nlu.training_data import Example, read_training_data

EVAL_FOLDER = Path("nlu", "eval")
LENGTHS = ("1-3", "4-8", "9+")
"""Classes of messages by their number of words; see :func:`length_class`."""

HEADER = ["intent", "text"]
_UNSPACED = re.compile("[\u3040-\u30ff\u3400-\u9fff]")


@dataclass(frozen=True, slots=True)
class Message:
    """One message to measure with; ``seen`` when training has it too."""

    text: str
    intent: str
    language: str
    annotations: tuple[Annotation, ...]
    seen: bool
    file: str = ""
    line: int = 0


def load_messages(
    config: Config, languages: Iterable[str] | None = None, examples: Sequence[Example] | None = None
) -> list[Message]:
    """Read the evaluation files of some languages, by default of those configured that have one.

    ``examples`` are the training examples, where they have been read already.

    Raises:
        ConfigError: a named language has no file, or a line cannot be read.
    """
    chosen = list(languages) if languages is not None else list(config.settings.languages)
    if examples is None:
        examples = read_training_data(config)[0].examples
    known = {normal_form(example.text) for example in examples}
    problems: list[Problem] = []
    messages = []
    for language in chosen:
        path = _file(config, language)
        if path.is_file():
            messages += read_messages(path, (EVAL_FOLDER / path.name).as_posix(), language, known, problems)
        elif languages is not None:
            shown = (EVAL_FOLDER / path.name).as_posix()
            problems.append(Problem(shown, 0, f"there are no evaluation messages for {language!r}"))
    if problems:
        raise ConfigError(*problems)
    return messages


def without_messages(config: Config) -> list[str]:
    """The configured languages that have no evaluation file."""
    return [language for language in config.settings.languages if not _file(config, language).is_file()]


def _file(config: Config, language: str) -> Path:
    return config.home / EVAL_FOLDER / f"{language}.tsv"


def read_messages(path: Path, shown: str, language: str, known: set[str], problems: list[Problem]) -> list[Message]:
    """Read one file of messages; what is wrong is added to ``problems``.

    ``shown`` is what the file is called there; ``known`` are the normal forms of the training examples.
    """
    messages: list[Message] = []
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError as error:
        problems.append(Problem(shown, 0, f"the file is not UTF-8 text ({error.reason})"))
        return messages
    if lines[0].rstrip("\r").split("\t") != HEADER:
        problems.append(Problem(shown, 1, "the first line must be `intent`, a tab, and `text`"))
        return messages
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
        messages.append(Message(text, intent.strip(), language, annotations, normal_form(text) in known, shown, number))
    return messages


class _Kept(dict[int, str | None]):
    """Keeps letters, digits and what is written on letters (vowel signs), and drops the rest."""

    def __missing__(self, code: int) -> str | None:
        char = chr(code)
        self[code] = kept = char if unicodedata.category(char)[0] in "LNM" else None
        return kept


_KEPT = _Kept()


@lru_cache(maxsize=1 << 16)
def normal_form(text: str) -> str:
    """Texts that differ in case, accents, spaces or punctuation alone are the same text."""
    return fold(clean(text)).translate(_KEPT) or text


def length_class(text: str) -> str:
    """Which of :data:`LENGTHS` a text is in.

    Where a script does not put spaces between words (Chinese, Japanese), two characters are a word.
    """
    unspaced = len(_UNSPACED.findall(text))
    spaced = sum(any(char.isalnum() for char in word) for word in _UNSPACED.sub(" ", text).split())
    words = spaced + math.ceil(unspaced / 2)
    return LENGTHS[0] if words <= 3 else LENGTHS[1] if words <= 8 else LENGTHS[2]
