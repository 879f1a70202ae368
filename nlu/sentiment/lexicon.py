"""The words by which a message is judged: read from YAML, checked, and laid out for fast look-up."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import Flag, auto
from functools import lru_cache
from pathlib import Path
from typing import Any

from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.scalarstring import FoldedScalarString, LiteralScalarString

from bot.config import ConfigError, Problem, line_of, load_yaml
from nlu.text import fold

COMMON = "common"
WORDS = Path(__file__).parent / "words"
HEAVIEST = 5.0
POLITE = 1.5
"""What a word of thanks weighs where nothing is asked for."""

# Written without spaces: every character may begin a word.
UNSPACED = "\u3005-\u3007\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
HANGUL = "\u1100-\u11ff\u3130-\u318f\uac00-\ud7af"
# The vowel signs of Devanagari belong to a word, although Python counts them as neither letter nor digit.
TOKEN = re.compile(rf"[{UNSPACED}{HANGUL}]|[^\W{UNSPACED}{HANGUL}](?:[^\W{UNSPACED}{HANGUL}]|[\u0900-\u0963])*|\S")
LETTER = re.compile(rf"[^\W{UNSPACED}]|[\u0900-\u0963]")
_ANY_HANGUL = re.compile(f"[{HANGUL}]")
_ANYWHERE = re.compile(f"[{UNSPACED}{HANGUL}]")
_UMLAUT = re.compile("[äöüÄÖÜ]")
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue"})
_APOSTROPHES = str.maketrans("’‘´`ʼ", "'''''")
# Left out or confused by hurried hands: the Turkish dotless i, the dot below and the moon of Devanagari.
_VARIANTS = str.maketrans({"ı": "i", "\u093c": None, "\u0901": "\u0902"})


class Kind(Flag):
    """What a word does to a message."""

    WORD = auto()
    POLITE = auto()
    NEGATOR = auto()
    NEGATOR_AFTER = auto()
    INTENSIFIER = auto()
    INTENSIFIER_AFTER = auto()
    WEAKENER = auto()
    BUT = auto()
    CONDITION = auto()
    QUESTION = auto()
    REQUEST = auto()


_LISTS = {
    "polite": Kind.POLITE,
    "negators": Kind.NEGATOR,
    "negators_after": Kind.NEGATOR_AFTER,
    "intensifiers": Kind.INTENSIFIER,
    "intensifiers_after": Kind.INTENSIFIER_AFTER,
    "weakeners": Kind.WEAKENER,
    "but": Kind.BUT,
    "conditions": Kind.CONDITION,
    "questions": Kind.QUESTION,
    "requests": Kind.REQUEST,
}
_KEYS = ("words", *_LISTS, "prefixes", "reach")
_WEIGHED = Kind.WORD | Kind.POLITE
_NEGATING = Kind.NEGATOR | Kind.NEGATOR_AFTER


@lru_cache(maxsize=8192)
def fold_token(token: str) -> str:
    """One word in the form in which words are compared: without case and accents."""
    if token.isascii():
        return token.lower()
    return fold(token).translate(_VARIANTS)


def straight(text: str) -> str:
    """The text with one kind of apostrophe."""
    return text.translate(_APOSTROPHES)


def fold_text(text: str) -> str:
    """A whole expression in the form in which words are compared."""
    if text.isascii():
        return straight(text).lower()
    return TOKEN.sub(lambda match: fold_token(match[0]), straight(text))


@dataclass(frozen=True, slots=True)
class Entry:
    """A word or expression; ``weight`` is in [-5, 5].

    ``open`` says that any ending may follow (``*``), ``settled`` that a negator beside it changes nothing.
    """

    text: str
    kind: Kind
    weight: float = 0.0
    open: bool = False
    settled: bool = False


@dataclass(slots=True)
class Section:
    """What one file holds, by the words' folded forms."""

    entries: dict[str, Entry] = field(default_factory=dict)
    prefixes: tuple[str, ...] = ()
    reach: dict[str, int] = field(default_factory=dict)


class _Reader:
    def __init__(self, shown: str) -> None:
        self.shown = shown
        self.section = Section()
        self.problems: list[Problem] = []
        self.umlauts: list[str] = []

    def complain(self, line: int, message: str) -> None:
        self.problems.append(Problem(self.shown, line, message))

    def read(self, document: Any) -> None:
        if document is None:
            return
        if not isinstance(document, CommentedMap):
            self.complain(line_of(document), f"expected a mapping with {', '.join(_KEYS)}")
            return
        for key, value in document.items():
            line = line_of(document, key)
            if key == "words":
                self._weights(document, value)
            elif key in _LISTS:
                weight = POLITE if key == "polite" else 0.0
                for word, place in self._items(document, key):
                    self._add(word, place, _LISTS[key], weight)
            elif key == "prefixes":
                self.section.prefixes = tuple(fold_text(word) for word, _ in self._items(document, key))
            elif key == "reach":
                self._reach(value, line)
            else:
                self.complain(line, f"unknown key {key!r}; expected one of {', '.join(_KEYS)}")

    def _weights(self, document: CommentedMap, words: Any) -> None:
        if not isinstance(words, CommentedMap):
            self.complain(line_of(document, "words"), "`words` maps a weight, such as -2, to words")
            return
        for weight in words:
            number = isinstance(weight, int | float) and not isinstance(weight, bool)
            if not number or not -HEAVIEST <= weight <= HEAVIEST:
                self.complain(line_of(words, weight), f"{weight!r} is no weight; give a number from -5 to 5")
                continue
            for word, line in self._items(words, weight):
                self._add(word, line, Kind.WORD, float(weight))

    def _items(self, parent: CommentedMap, key: Any) -> Iterator[tuple[str, int]]:
        """The words under a key, each with its line: a list, or text with commas and line breaks between them."""
        value = parent[key]
        line = line_of(parent, key)
        if isinstance(value, CommentedSeq):
            for place, item in enumerate(value):
                if isinstance(item, str):
                    yield item, line_of(value, place)
                else:
                    self.complain(line_of(value, place), f"{item!r} is no word; put it in quotes if it is meant")
        elif isinstance(value, str):
            block = isinstance(value, LiteralScalarString | FoldedScalarString)
            for number, row in enumerate(value.splitlines()):
                for word in row.split(","):
                    if word.strip():
                        yield word, line + number + 1 if block else line
        else:
            self.complain(line, f"{key} needs words: a list, or text with commas between them")

    def _add(self, word: str, line: int, kind: Kind, weight: float) -> None:
        bare = word.strip()
        spelled = bare.rstrip("*")
        text = fold_text(spelled)
        if not text.strip() or "*" in text:
            self.complain(line, f"{bare!r} is no word; `*` may stand at its end only")
            return
        known = self.section.entries.get(text)
        if known is not None and (known.kind | kind) & _WEIGHED:
            self.complain(line, f"{bare!r} stands in this file twice")
            return
        kind = known.kind | kind if known else kind
        self.section.entries[text] = Entry(text, kind, weight, open=spelled != bare)
        if _UMLAUT.search(spelled):
            self.umlauts.append(spelled)

    def spell_out(self) -> None:
        """Add ae, oe, ue for ä, ö, ü. Kept apart from :meth:`_add`: such a spelling gives way to a word of its own."""
        for word in self.umlauts:
            spelled = fold_text(word.casefold().translate(_UMLAUTS))
            entry = self.section.entries[fold_text(word)]
            self.section.entries.setdefault(spelled, replace(entry, text=spelled))

    def _reach(self, value: Any, line: int) -> None:
        if not isinstance(value, CommentedMap):
            self.complain(line, "`reach` holds `before` and `after`, in words")
            return
        for side, words in value.items():
            fits = isinstance(words, int) and not isinstance(words, bool) and 0 <= words <= 10
            if side not in ("before", "after") or not fits:
                self.complain(line_of(value, side), "`reach` holds `before` and `after`, each from 0 to 10 words")
            else:
                self.section.reach[side] = words


def read(path: Path, shown: str) -> Section:
    """The words of one file.

    Raises:
        ConfigError: with every problem in it, by line; files are named as in ``shown``.
    """
    document = load_yaml(path, shown)
    reader = _Reader(shown)
    reader.read(document)
    if reader.problems:
        raise ConfigError(*reader.problems)
    reader.spell_out()
    return reader.section


@lru_cache(maxsize=64)
def shipped(name: str) -> Section | None:
    """The words that come with the product for a language, or for all (:data:`COMMON`); None if there are none."""
    path = WORDS / f"{name}.yml"
    # The name may come from a setting: it must not lead out of the folder.
    if not re.fullmatch(r"[A-Za-z-]+", name) or not path.is_file():
        return None
    return read(path, path.name)


class Lexicon:
    """Several sections as one, the later over the earlier, laid out by the words' beginnings."""

    def __init__(self, sections: Sequence[Section]) -> None:
        merged: dict[str, Entry] = {}
        reach: dict[str, int] = {}
        prefixes: list[str] = []
        for section in sections:
            merged.update(section.entries)
            reach.update(section.reach)
            prefixes += section.prefixes
        self.prefixes = tuple(sorted(prefixes, key=len, reverse=True))
        self.before, self.after = reach.get("before", 3), reach.get("after", 2)
        inner = [text for text, entry in merged.items() if entry.kind & _NEGATING and _ANYWHERE.match(text)]
        negating = re.compile("|".join(map(re.escape, inner)) or r"(?!)")
        self._starts: dict[str, list[Entry]] = {}
        for text in sorted(merged, key=len, reverse=True):
            self._starts.setdefault(text[:2], []).append(_settled(merged[text], negating))

    def find(self, text: str, at: int) -> Entry | None:
        """The longest word or expression that stands in a folded text at a position where a word may begin."""
        for entry in self._starts.get(text[at : at + 2], ()):
            if text.startswith(entry.text, at) and _whole(text, at, entry):
                return entry
        for entry in self._starts.get(text[at : at + 1], ()):
            if _whole(text, at, entry):
                return entry
        return None


def _settled(entry: Entry, negating: re.Pattern[str]) -> Entry:
    """A bad expression of several words ("nobody answers", "not worth it") has its negation in it already."""
    if entry.weight >= 0 or (" " not in entry.text and not negating.search(entry.text)):
        return entry
    return replace(entry, settled=True)


def _whole(text: str, at: int, entry: Entry) -> bool:
    """Whether the word stands there as one: endings only where it is open, or where the script writes them on."""
    end = at + len(entry.text)
    if _ANY_HANGUL.match(entry.text):
        if len(entry.text) > 1:
            return True
        # A single syllable occurs within too many words.
        begins = at == 0 or not _ANY_HANGUL.match(text[at - 1])
        return begins and (entry.open or not LETTER.match(text, end))
    return entry.open or not LETTER.match(entry.text[-1]) or not LETTER.match(text, end)
