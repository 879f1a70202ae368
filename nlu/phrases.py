"""Finding many fixed phrases in a text at once, with word boundaries that suit its script."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

# Scripts written without spaces between words, and Korean, where particles follow a word.
UNSPACED = "\u3005\u3007\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\u0e00-\u0e7f"
HANGUL = "\uac00-\ud7a3"
MARKS = "\u0900-\u0903\u093a-\u094f\u0962\u0963"
_WORD_CHAR = re.compile(rf"[^\W{UNSPACED}]|[{MARKS}]")
_OPEN_RIGHT = re.compile(rf"[{HANGUL}]")
_LEFT = rf"(?<![^\W{UNSPACED}])"
_RIGHT = rf"(?![^\W{UNSPACED}]|[{MARKS}])"
# For texts that are not Chinese, Japanese or Korean. Python takes a millisecond for each set with all their
# characters, and an expression has dozens of such boundaries.
_LEFT_SPACED = r"(?<!\w)"
_RIGHT_SPACED = rf"(?!\w|[{MARKS}])"
_STARTS = re.compile(rf"[{UNSPACED}{HANGUL}]|(?:(?![{UNSPACED}{HANGUL}])[\w{MARKS}])+|[^\w\s]")


class _Folding(dict[int, str]):
    """Lower case without accents, one character to one."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        lower = char.lower()
        if len(lower) != 1:
            lower = char
        parts = unicodedata.normalize("NFD", lower)
        if len(parts) > 1 and all(unicodedata.combining(part) for part in parts[1:]):
            lower = parts[0]
        if lower in "’‘´`":
            lower = "'"
        self[code] = lower
        return lower


_FOLDING = _Folding()


def fold_same_length(text: str) -> str:
    """The text in lower case without accents, every character at its old place."""
    return text.translate(_FOLDING)


def is_boundary(text: str, position: int) -> bool:
    """Whether a word may start or end at this place of a text."""
    if position <= 0 or position >= len(text):
        return True
    before, after = text[position - 1], text[position]
    return not (_WORD_CHAR.match(before) and _WORD_CHAR.match(after))


def ends_word(text: str, position: int) -> bool:
    """Whether a phrase may end here; a Korean word may go on with a particle."""
    return is_boundary(text, position) or bool(_OPEN_RIGHT.match(text[position - 1]))


@dataclass(frozen=True, slots=True)
class Phrases:
    """Phrases with a value each, found wherever they stand as words of their own."""

    values: Mapping[str, str]
    _lengths: dict[str, tuple[int, ...]] = field(default_factory=dict)

    @classmethod
    def build(cls, pairs: Iterable[tuple[str, str]]) -> Phrases:
        """From (phrase, value) pairs; the first value of a phrase counts."""
        values: dict[str, str] = {}
        for phrase, value in pairs:
            key = fold_same_length(phrase.strip())
            if key:
                values.setdefault(key, value)
        lengths: dict[str, set[int]] = {}
        for key in values:
            lengths.setdefault(key[0], set()).add(len(key))
        return cls(values, {first: tuple(sorted(found, reverse=True)) for first, found in lengths.items()})

    def find(self, folded: str) -> list[tuple[int, int, str]]:
        """(start, end, value) of the phrases in a folded text, longest first, not overlapping."""
        found = []
        free = 0
        for match in _STARTS.finditer(folded):
            start = match.start()
            if start < free:
                continue
            for length in self._lengths.get(folded[start], ()):
                end = start + length
                value = self.values.get(folded[start:end])
                if value is not None and end <= len(folded) and ends_word(folded, end):
                    found.append((start, end, value))
                    free = end
                    break
        return found


def alternatives(words: Iterable[str], *, continued: bool = False, spaced: bool = False) -> str:
    """A regular expression for any of some words in folded form, with boundaries where needed.

    ``continued``: the words may follow others without a space, as "days" in "3days". ``spaced``: it is for texts
    in languages that set words apart by spaces, and takes much less time to be made.
    """
    at_left, at_right = (_LEFT_SPACED, _RIGHT_SPACED) if spaced else (_LEFT, _RIGHT)
    groups: dict[tuple[bool, bool], list[str]] = {}
    for word in sorted({fold_same_length(word) for word in words}, key=lambda item: (-len(item), item)):
        bounds = (
            bool(_WORD_CHAR.match(word[0])),
            bool(_WORD_CHAR.match(word[-1])) and not _OPEN_RIGHT.match(word[-1]),
        )
        groups.setdefault(bounds, []).append(re.escape(word).replace(r"\ ", r"\s+"))
    return (
        "(?:"
        + "|".join(
            (at_left if left and not continued else "") + "(?:" + "|".join(parts) + ")" + (at_right if right else "")
            for (left, right), parts in groups.items()
        )
        + ")"
    )
