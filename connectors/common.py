"""What several channels need: cutting long texts, finding files, reading requests within a limit."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from pathlib import Path

from starlette.requests import Request

from bot.contracts import LinguadeskError, OutButton, PermanentError

_AFTER_CJK = re.compile(r"[。！？；，、…]")
_ZERO_WIDTH_JOINER = "\u200d"
# An address ends at white space, or at punctuation of a script that is written without spaces.
_URL = re.compile(r"(?:https?://|www\.)[^\s，。！？；：、…（）《》「」『』【】]+", re.IGNORECASE)
# What is no word: white space, and characters of scripts that are written without spaces between words.
_BETWEEN_WORDS = re.compile(
    r"[\s\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\ua4cf\uac00-\ud7af\uf900-\ufaff\uff00-\uffef]"
)


class TooLarge(LinguadeskError):
    """A request's body is larger than any the platform sends."""


def utf16_units(char: str) -> int:
    """How many UTF-16 code units a character takes: 2 beyond the Basic Multilingual Plane."""
    return 2 if char > "\uffff" else 1


def utf16_length(text: str) -> int:
    """The length of a text in UTF-16 code units, which is how chat platforms count."""
    return sum(map(utf16_units, text))


def split(text: str, limit: int, cost: Callable[[str], int] = utf16_units) -> list[str]:
    """Cut a text into pieces of at most ``limit``, between lines if possible, else between words.

    Only a single word or web address longer than the limit is cut within, and then never within a
    character as the reader sees it (an emoji with its skin colour, a letter with its accent).

    Args:
        text: what to cut.
        limit: the greatest size of a piece.
        cost: the size of one character; by default in UTF-16 code units.

    Returns:
        The pieces without white space at their ends; none for a text of white space alone.
    """
    pieces = []
    start = 0
    while start < len(text):
        end, size = start, 0
        while end < len(text) and size + cost(text[end]) <= limit:
            size += cost(text[end])
            end += 1
        if end < len(text):
            end = max(_before_word(text, start, _place_to_cut(text, start, end)), start + 1)
        if piece := text[start:end].strip():
            pieces.append(piece)
        start = end
    return pieces


def _place_to_cut(text: str, start: int, end: int) -> int:
    middle = start + (end - start) // 2
    if (line := text.rfind("\n", middle, end + 1)) >= 0:
        return min(line + 1, end)
    if text[end].isspace():
        return end
    spaces = [index + 1 for index in range(start, end) if text[index].isspace()]
    stops = [match.end() for match in _AFTER_CJK.finditer(text, middle, end)]
    late = [place for place in (*spaces[-1:], *stops[-1:]) if place > middle]
    if late:
        return max(late)
    return spaces[-1] if spaces else _between_characters(text, start, end)


def _before_word(text: str, start: int, cut: int) -> int:
    """The cut, or the beginning of the word or web address that it would fall into, unless that is ``start``."""
    for address in _URL.finditer(text, start, min(len(text), cut + 1)):
        if address.start() < cut < address.end():
            return address.start() if address.start() > start else cut
    begin = cut
    while begin > start and not _BETWEEN_WORDS.match(text[begin - 1]):
        begin -= 1
    while begin < cut and _extends(text[begin]):
        begin += 1
    within = begin < cut < len(text) and not _BETWEEN_WORDS.match(text[cut])
    return begin if within and begin > start else cut


def _between_characters(text: str, start: int, end: int) -> int:
    """The last place at or before ``end`` that is not within a character as the reader sees it."""
    cut = end
    while cut > start + 1 and (_extends(text[cut]) or text[cut - 1] == _ZERO_WIDTH_JOINER):
        cut -= 1
    flags = 0
    while cut - flags > start and _is_flag_half(text[cut - flags - 1]):
        flags += 1
    if flags % 2 and _is_flag_half(text[cut]):
        cut -= 1
    return cut if cut > start else end


def _extends(char: str) -> bool:
    return (
        char == _ZERO_WIDTH_JOINER
        or "\ufe00" <= char <= "\ufe0f"
        or "\U0001f3fb" <= char <= "\U0001f3ff"
        or unicodedata.category(char).startswith("M")
    )


def _is_flag_half(char: str) -> bool:
    return "\U0001f1e6" <= char <= "\U0001f1ff"


def shorten(text: str, limit: int) -> str:
    """The text, or its beginning and an ellipsis; at most ``limit`` UTF-16 code units."""
    if utf16_length(text) <= limit:
        return text
    kept, size = "", 1
    for char in text:
        size += utf16_units(char)
        if size > limit:
            break
        kept += char
    return kept.rstrip() + "…"


def numbered(choices: list[tuple[int, OutButton]]) -> str:
    """Choices as lines ``3. Title``, for those that cannot be buttons; a number typed back is understood.

    Where the titles are numbers themselves (a rating from 0 to 10) they stand as they are, side by side: what
    is typed back is one of them.
    """
    if any(button.title.isdecimal() and len(button.title) <= 2 for _, button in choices):
        return " · ".join(button.title for _, button in choices)
    return "\n".join(f"{number}. {button.title}" for number, button in choices)


def media_path(files_dir: Path, path: str, limit: int) -> Path:
    """The file of an outgoing medium.

    Args:
        files_dir: the folder that it must be in.
        path: its path below that folder.
        limit: the greatest size that the platform takes, in bytes.

    Raises:
        PermanentError: it is not there (any more), is outside the folder, or is too large.
    """
    root = files_dir.resolve()
    found = (root / path).resolve()
    if not found.is_relative_to(root) or not found.is_file():
        raise PermanentError("the file to send is not in the data folder any more")
    if found.stat().st_size > limit:
        raise PermanentError(f"the file to send is larger than {limit // 1024**2} MB, the most this platform takes")
    return found


async def body_of(request: Request, limit: int) -> bytes:
    """A request's body.

    Raises:
        TooLarge: it has more than ``limit`` bytes; the rest is not read.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise TooLarge(f"the request is larger than {limit} bytes")
    return bytes(body)
