"""Cutting a long text into pieces that a server takes, where a reader would pause."""

from __future__ import annotations

import re
from collections.abc import Iterator

# Where a text may be cut, the best first: paragraphs, lines, sentences, words.
_BREAKS = (
    re.compile(r"\n\s*\n"),
    re.compile(r"\n"),
    re.compile(r"(?<=[.!?…])\s+|(?<=[。！？])|(?<=[।؟])\s+"),
    re.compile(r"\s+"),
)


def pieces(text: str, limit: int) -> Iterator[tuple[str, str]]:
    """The text as (piece, what stands behind it): pieces of at most ``limit`` characters, in order.

    Joining all pieces and what stands behind them gives the text without its surrounding white space. No
    piece is empty; a single word that is longer than the limit is cut in two.
    """
    rest = text.strip()
    while rest:
        end, begin = _cut(rest, limit)
        yield rest[:end], rest[end:begin]
        rest = rest[begin:]


def _cut(text: str, limit: int) -> tuple[int, int]:
    """Where the first piece ends, and where the second begins."""
    if len(text) <= limit:
        return len(text), len(text)
    for place in _BREAKS:
        best = None
        for match in place.finditer(text, 0, limit + 1):
            if 0 < match.start() <= limit:
                best = match
        # A break so early would make many small pieces, each without the sense of what is around it.
        if best is not None and (best.start() >= limit // 3 or place is _BREAKS[-1]):
            end = best.end()
            while end < len(text) and text[end].isspace():
                end += 1
            return best.start(), end
    return limit, limit
