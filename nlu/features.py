"""Character and word n-grams of a text as hashed features, with numpy alone.

An n-gram is a 64-bit number computed from its code points, so that no table of strings is needed:
the vocabulary of a trained model is a sorted array of such numbers, looked up by bisection.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

UInts: TypeAlias = npt.NDArray[np.uint64]
Floats: TypeAlias = npt.NDArray[np.float32]

CHAR_ORDERS = (1, 2, 3, 4, 5)
_STEP = np.uint64(0x9E3779B97F4A7C15)
_SPREAD = np.uint64(0xBF58476D1CE4E5B9)
_WORD = re.compile(r"\w+|[^\w\s]")
_SHIFT = np.uint64(29)


def _mix(values: UInts) -> UInts:
    values = (values ^ (values >> _SHIFT)) * _SPREAD
    return values ^ (values >> _SHIFT)


def _codes(text: str) -> UInts:
    return np.frombuffer(text.encode("utf-32-le", "replace"), dtype=np.uint32).astype(np.uint64)


def char_ngrams(folded: str, orders: tuple[int, ...] = CHAR_ORDERS) -> UInts:
    """Hashes of the character n-grams that do not reach across a space between words.

    A space at either end of an n-gram marks the edge of a word. Repeated n-grams are repeated.
    """
    if not folded:
        return np.empty(0, dtype=np.uint64)
    codes = _codes(f" {folded} ")
    inner = np.cumsum(codes == 32)
    running = np.zeros(len(codes), dtype=np.uint64)
    found = []
    for order in range(1, max(orders) + 1):
        count = len(codes) - order + 1
        if count <= 0:
            break
        running = (running[:count] ^ codes[order - 1 :]) * _STEP
        running ^= running >> _SHIFT
        if order in orders:
            last = order - 1
            # Spaces strictly inside the n-gram: all up to its end, less those up to its start.
            spaces = inner[last:] - (codes[last:] == 32) - inner[:count]
            keep = spaces <= 0 if order > 1 else codes != 32
            found.append(_mix(running[keep] + np.uint64(order)))
    return np.concatenate(found)


def word_ngrams(folded: str) -> UInts:
    """Hashes of words and pairs of neighbouring words; repeated ones are repeated."""
    words = _WORD.findall(folded)
    if not words:
        return np.empty(0, dtype=np.uint64)
    single = word_hashes(words)
    edges = np.concatenate(([np.uint64(1)], single, [np.uint64(2)]))
    pairs = _mix((edges[:-1] * _STEP) ^ edges[1:])
    return np.concatenate((single, pairs))


def word_hashes(words: Sequence[str]) -> UInts:
    """One number for each word."""
    return np.array([_word_hash(word) for word in words], dtype=np.uint64)


def _word_hash(word: str) -> int:
    value = 1469598103934665603
    for char in word:
        value = ((value ^ ord(char)) * 1099511628211) & 0xFFFFFFFFFFFFFFFF
    return value


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Known n-grams (sorted hashes) and the inverse document frequency of each."""

    hashes: UInts
    idf: Floats

    def __len__(self) -> int:
        return len(self.hashes)

    def weigh(self, ngrams: UInts) -> tuple[npt.NDArray[np.intp], Floats, float]:
        """Columns and weights (sublinear tf-idf, unit length) of a text, and the share known.

        The share is that of the text's distinct n-grams which the vocabulary holds, 0 for none.
        """
        distinct, counts = np.unique(ngrams, return_counts=True)
        if not len(distinct) or not len(self.hashes):
            return np.empty(0, dtype=np.intp), np.empty(0, dtype=np.float32), 0.0
        places = np.minimum(np.searchsorted(self.hashes, distinct), len(self.hashes) - 1)
        known = self.hashes[places] == distinct
        columns = places[known]
        weights = (1.0 + np.log(counts[known])).astype(np.float32) * self.idf[columns]
        length = float(np.sqrt(weights @ weights))
        return columns, weights / length if length else weights, float(known.mean())


def build_vocabulary(texts: list[UInts], minimum: int = 2) -> Vocabulary:
    """The n-grams that occur in at least ``minimum`` texts."""
    if not texts:
        return Vocabulary(np.empty(0, dtype=np.uint64), np.empty(0, dtype=np.float32))
    hashes, counts = np.unique(np.concatenate([np.unique(text) for text in texts]), return_counts=True)
    keep = counts >= minimum
    idf = np.log((1 + len(texts)) / (1 + counts[keep])) + 1
    return Vocabulary(hashes[keep], idf.astype(np.float32))
