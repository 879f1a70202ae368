"""Text as the recogniser reads it: cut, cleaned and folded, with the way back to the original."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

ENCODE_LIMIT = 1000
"""Characters of a message that intent and language recognition read."""

PATTERN_LIMIT = 2000
"""Characters of a message in which entities are looked for."""

# Invisible characters: zero-width, directional marks, variation selectors, soft hyphen. The
# zero-width (non-)joiner goes too: it changes how a Hindi or Persian word looks, not which it is.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]"
)
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffd]")
_SPACE = re.compile(r"\s+")
# Accents of Latin, Greek and Cyrillic letters and the Arabic vowel signs: customers leave them out.
_ACCENTS = re.compile("[\u0300-\u036f\u064b-\u065f\u0670\u0640]")
_REPEATED = re.compile(r"([^\W\d_]|[!?.。！？~～])\1{2,}")
_ARABIC_VARIANTS = str.maketrans({"ى": "ي", "ة": "ه", "ٱ": "ا"})


def clean(text: str, limit: int = ENCODE_LIMIT) -> str:
    """The text without invisible and control characters, spaces collapsed, cut to ``limit``."""
    text = _INVISIBLE.sub("", _CONTROL.sub(" ", text[: limit * 2]))
    return _SPACE.sub(" ", text).strip()[:limit]


def fold(text: str) -> str:
    """The form in which words are compared: NFKC, case folded, without accents."""
    text = unicodedata.normalize("NFKC", text).casefold()
    text = _ACCENTS.sub("", unicodedata.normalize("NFD", text)).translate(_ARABIC_VARIANTS)
    return _SPACE.sub(" ", _REPEATED.sub(r"\1\1", unicodedata.normalize("NFC", text))).strip()


class _SameLength(dict[int, str | None]):
    """Maps full-width forms and the digits of all scripts to ASCII, one character to one."""

    def __missing__(self, code: int) -> str | None:
        char = chr(code)
        plain = char
        if 0xFF01 <= code <= 0xFF5E:
            plain = chr(code - 0xFEE0)
        elif (digit := unicodedata.decimal(char, None)) is not None:
            plain = str(digit)
        elif char.isspace() or _CONTROL.match(char):
            plain = " "
        self[code] = plain
        return plain


_TABLE = _SameLength()


@dataclass(frozen=True, slots=True)
class Aligned:
    """A text prepared for pattern matching, and where each of its characters came from.

    ``text`` has ASCII digits and ASCII full-width forms and no invisible characters; ``offsets`` is
    empty when positions are the same as in the original.
    """

    text: str
    offsets: tuple[int, ...] = ()

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The original's positions of ``text[start:end]``, which must not be empty."""
        if not self.offsets:
            return start, end
        return self.offsets[start], self.offsets[end - 1] + 1


def align(text: str, limit: int = PATTERN_LIMIT) -> Aligned:
    """Prepare at most ``limit`` characters of a text for pattern matching."""
    text = text[:limit]
    if not text.isascii() and _INVISIBLE.search(text):
        kept = tuple(index for index, char in enumerate(text) if not _INVISIBLE.match(char))
        return Aligned("".join(text[index] for index in kept).translate(_TABLE), kept)
    return Aligned(text.translate(_TABLE))
