"""How texts are cut into the words by which they are found: one way for what is stored and what is asked.

Case, accents, Arabic vowel signs and the widths and scripts of digits make no difference. Scripts that
write no spaces, and Korean, whose endings are written onto its words, are cut into overlapping pairs of
letters, so that any part of a text is found: ``订单号`` is ``订单 单号 号``.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

# Of a longer text only the beginning is found.
MAX_TEXT = 20_000
MAX_WORD = 64
MAX_QUERY = 200
MAX_TERMS = 12
# Shorter beginnings of words would be found in half of all texts.
MIN_PREFIX = 2

# Written without spaces, or with endings written onto the words: Thai, Lao, Burmese, Khmer, Hangul, kana, Han.
_PAIRED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u1100-\u11ff\u3005-\u3007\u3041-\u30ff\u3130-\u318f\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
)
_SPECIAL = {"ı": "i", "ø": "o", "đ": "d", "ł": "l", "ħ": "h", "æ": "ae", "œ": "oe", "þ": "th", "ð": "d",
            "ى": "ي", "ة": "ه", "ٱ": "ا", "ک": "ك", "ی": "ي", "ہ": "ه", "ـ": "", "ー": ""}  # fmt: skip


def _marks() -> str:
    """The signs that belong to letters (vowels of Indian scripts), as a character class's inside."""
    return "".join(
        chr(code) for code in range(0x0900, 0x1AB0) if unicodedata.category(chr(code)) in ("Mn", "Mc")
    ).replace("]", "")


_WORD = re.compile(rf"[{_PAIRED}]+|(?:[^\W_{_PAIRED}]|[{_marks()}])+")
_IS_PAIRED = re.compile(f"[{_PAIRED}]")
_PLAIN_WORD = re.compile("[a-z0-9]+")
# What people write with hyphens, spaces or dots, or without: numbers of orders, telephones.
_JOINED = re.compile(r"(?<![^\W_])[a-z0-9]+(?:[-./#][a-z0-9]+)+(?![^\W_])")
_DIALLED = re.compile(r"(?<!\w)\+?\(?\d[\d ()./-]{5,20}\d(?!\w)")


class _Folded(dict[int, str]):
    """What stands for a single character."""

    def __missing__(self, code: int) -> str:
        plain = "".join(_folded_char(char) for char in unicodedata.normalize("NFKC", chr(code)).casefold())
        self[code] = plain
        return plain


def _folded_char(char: str) -> str:
    kept = []
    for part in unicodedata.normalize("NFD", char):
        # Accents, the Arabic vowel signs and the dot below letters of Hindi; no vowel signs, no tones, no
        # voicing marks of kana.
        place = unicodedata.combining(part)
        if place >= 200 or 27 <= place <= 35 or place == 7:
            continue
        digit = unicodedata.decimal(part, None)
        kept.append(_SPECIAL.get(part, part) if digit is None else str(digit))
    return unicodedata.normalize("NFC", "".join(kept))


_TABLE = _Folded()


def fold(text: str) -> str:
    """The form in which texts are compared. Every character has its part of it, in order, by itself."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFC", text).translate(_TABLE)


def _tokens(folded: str) -> list[str]:
    """The words of a folded text, pairs of letters where the script has no spaces."""
    if folded.isascii():
        return [word[:MAX_WORD] for word in _PLAIN_WORD.findall(folded)]
    found: list[str] = []
    for word in _WORD.findall(folded):
        if _IS_PAIRED.match(word):
            found += [word[place : place + 2] for place in range(len(word))]
        else:
            found.append(word[:MAX_WORD])
    return found


def _joined(folded: str) -> list[str]:
    """Numbers and codes as they are without what stands between their parts."""
    found = [
        re.sub(r"[^a-z0-9]", "", match)[:MAX_WORD]
        for match in _JOINED.findall(folded)
        if any(char.isdigit() for char in match)
    ]
    for match in _DIALLED.findall(folded):
        digits = re.sub(r"\D", "", match)
        if 7 <= len(digits) <= 15:
            found.append(digits)
            if len(digits) > 9:
                # As those write it who leave out the country.
                found.append(digits[-9:])
    return list(dict.fromkeys(found))


def index_words(text: str) -> list[str]:
    """The words under which a text is found, in its order; then its numbers written as one."""
    folded = fold(text[:MAX_TEXT])
    words = _tokens(folded)
    if any(char.isdigit() for char in folded):
        words += [word for word in _joined(folded) if word not in words]
    return words


def code_words(code: str, shortest: int = 3) -> list[str]:
    """The ends of a number or code, whole to short: any part of it is the beginning of one of them."""
    plain = "".join(_tokens(fold(code)))[:MAX_WORD]
    return [plain[place:] for place in range(max(1, len(plain) - shortest + 1))] if plain else []


@dataclass(frozen=True, slots=True)
class Term:
    """Words that must stand side by side, or instead of them one of ``instead``; with ``prefix`` the last
    word of each may go on."""

    words: tuple[str, ...]
    instead: tuple[str, ...] = ()
    prefix: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked for: all the terms must be found."""

    terms: tuple[Term, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.terms)


def _term(text: str, last: bool) -> Term | None:
    folded = fold(text)
    words = _tokens(folded)
    if not words:
        return None
    paired = bool(_IS_PAIRED.match(words[-1]))
    if paired and len(words) > 1 and len(words[-1]) == 1 and len(words[-2]) == 2:
        # The letter at the end stands in the pair before it, and need not be the end of what is found.
        words.pop()
        prefix = False
    else:
        # One letter of such a script is the beginning of a pair.
        prefix = (paired and len(words[-1]) == 1) or (last and not paired and len(words[-1]) >= MIN_PREFIX)
    joined = tuple(word for word in _joined(folded) if (word,) != tuple(words))
    return Term(tuple(words), joined, prefix)


def parse_query(text: str) -> Query:
    """Read what was typed: words, of which the last may be a beginning, and phrases in quotes.

    Whatever is typed can be looked for or says nothing; there is no syntax besides the quotes.
    """
    text = text[:MAX_QUERY].translate({ord(char): '"' for char in "“”„«»「」『』＂"})
    number = _DIALLED.fullmatch(fold(text.strip()))
    if number and (digits := re.sub(r"\D", "", number[0])) and 7 <= len(digits) <= 15:
        return Query((Term((digits,), (), True),)) if " " in text.strip() else Query((_number(text, digits),))
    terms: list[Term] = []
    for place, part in enumerate(text.split('"')):
        if place % 2:
            found = [_term(part, False)]
        else:
            pieces = part.split()
            ends = place == text.count('"')
            found = [_term(piece, ends and index == len(pieces) - 1) for index, piece in enumerate(pieces)]
        terms += [term for term in found if term is not None]
    return Query(tuple(terms[:MAX_TERMS]))


def _number(text: str, digits: str) -> Term:
    """A number as it was typed, or written as one."""
    words = tuple(_tokens(fold(text)))
    return Term(words, () if words == (digits,) else (digits,), True)


@lru_cache(maxsize=256)
def _pattern(query: Query) -> re.Pattern[str] | None:
    """What to mark in a folded text."""
    parts = []
    for term in query.terms:
        for words in (term.words, *((word,) for word in term.instead)):
            if not _IS_PAIRED.match(words[0]):
                end = r"[^\W_]*" if term.prefix else r"(?![^\W_])"
                parts.append(r"(?<![^\W_])" + r"[\W_]+".join(map(re.escape, words)) + end)
            else:
                letters = "".join(word[0] for word in words[:-1]) + words[-1]
                parts.append(re.escape(letters))
    return re.compile("|".join(sorted(parts, key=len, reverse=True))) if parts else None


def snippet(text: str, query: Query, width: int = 160) -> list[tuple[str, bool]]:
    """The part of a text where the query is found: pieces, and whether each is what was looked for.

    The pieces are the text's own characters, to be escaped by whoever shows them.
    """
    text = unicodedata.normalize("NFC", text[:MAX_TEXT])
    pattern = _pattern(query)
    places: list[int] = []
    folded = ""
    if text.isascii():
        folded, places = text.lower(), list(range(len(text) + 1))
    else:
        parts = []
        for place, char in enumerate(text):
            part = fold(char)
            parts.append(part)
            places += [place] * len(part)
        folded = "".join(parts)
        places.append(len(text))
    found = list(pattern.finditer(folded)) if pattern else []
    first = places[found[0].start()] if found else 0
    begin = max(0, first - width // 3)
    if begin:
        # Not in the middle of a word, where words have ends nearby.
        begin = next((place + 1 for place in range(begin, min(first, begin + 20)) if text[place].isspace()), begin)
    end = min(len(text), begin + width)
    pieces: list[tuple[str, bool]] = [("…", False)] if begin else []
    at = begin
    for match in found:
        start, stop = places[match.start()], places[match.end() - 1] + 1 if match.end() > match.start() else 0
        if start < at or stop <= start or start >= end:
            continue
        if start > at:
            pieces.append((text[at:start], False))
        pieces.append((text[start : min(stop, end)], True))
        at = min(stop, end)
    if at < end:
        pieces.append((text[at:end], False))
    if end < len(text):
        pieces.append(("…", False))
    return pieces


def tag(kind: str, value: str) -> str:
    """A word for a property such as a channel. It begins with a sign of private use, as no word of a text does."""
    return "\ue000" + kind + re.sub(r"[^a-z0-9]", "", value.lower())[:30]
