"""What a translation must not change: links, e-mail addresses, order numbers and the like.

Translation engines translate parts of links, put spaces into addresses and write digits anew. Whatever of
these is in a text and not, letter by letter, in its translation is written below the translation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

# Where words are not set apart by spaces they begin right behind a link, an address or a number.
LINK = re.compile(
    r"(?:https?://|www\.)[^\s<>\"'“”«»()\[\]{}،؛؟\u3000-\u9fff\uac00-\ud7af\uff00-\uffef]+", re.IGNORECASE
)
ADDRESS = re.compile(r"(?<![\w.+%-])[\w.+%-]+@[\w-]+(?:\.[\w-]+)+", re.ASCII)
_BEFORE, _BEHIND = r"(?<![A-Za-z\d@./_-])", r"(?![A-Za-z\d@_-])"
# Numbers of orders, parcels, tickets: at least five digits, with letters and hyphens.
NUMBER = re.compile(rf"{_BEFORE}(?=(?:[A-Za-z-]*\d){{5}})[A-Za-z\d][A-Za-z\d-]*[A-Za-z\d]{_BEHIND}", re.ASCII)
_END = ".,;:!?'\"…"
MARK = "↳"


def tokens(text: str, pattern: str = "") -> Iterator[str]:
    """What must come out unharmed, in the order of the text, each once.

    ``pattern`` is what the merchant's order numbers look like, matched as whole words without regard to case.
    """
    found: dict[int, str] = {}
    taken: list[tuple[int, int]] = []
    kinds = [LINK, ADDRESS, NUMBER]
    if pattern:
        kinds.append(re.compile(f"{_BEFORE}(?:{pattern}){_BEHIND}", re.IGNORECASE))
    for kind in kinds:
        for match in kind.finditer(text):
            begin, end = match.span()
            if any(begin < other and start < end for start, other in taken):
                continue
            taken.append((begin, end))
            found[begin] = match.group().rstrip(_END)
    yield from dict.fromkeys(found[begin] for begin in sorted(found) if found[begin])


def lost(text: str, translation: str, pattern: str = "") -> list[str]:
    """What of a text's tokens is not in its translation as it was."""
    return [token for token in tokens(text, pattern) if not _stands(token, translation)]


def _stands(token: str, translation: str) -> bool:
    """Whether a token is there, and not merely as a piece of a longer number or word."""
    before = r"(?<![A-Za-z\d])" if token[0].isalnum() else ""
    after = r"(?![A-Za-z\d])" if token[-1].isalnum() else ""
    return re.search(f"{before}{re.escape(token)}{after}", translation) is not None


def with_tokens(text: str, translation: str, pattern: str = "") -> str:
    """The translation, and below it, behind an arrow, what it has lost of the text's tokens."""
    missing = lost(text, translation, pattern)
    return f"{translation.rstrip()}\n{MARK} {' · '.join(missing)}" if missing else translation
