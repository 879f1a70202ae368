"""Character and word n-grams of a text as hashed features, with numpy alone.

An n-gram is a 64-bit number computed from its code points, so that no table of strings is needed:
the vocabulary of a trained model is a sorted array of such numbers, looked up by bisection.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

UInts: TypeAlias = npt.NDArray[np.uint64]
Floats: TypeAlias = npt.NDArray[np.float32]
Places: TypeAlias = npt.NDArray[np.intp]

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
    return char_ngrams_of((folded,), orders)[0]


def char_ngrams_of(texts: Sequence[str], orders: tuple[int, ...] = CHAR_ORDERS) -> tuple[UInts, Places]:
    """:func:`char_ngrams` of many texts, one after another, and the number of the text of each."""
    codes = _codes("".join([f" {text} " if text else "" for text in texts]))
    if not len(codes):
        return np.empty(0, dtype=np.uint64), np.empty(0, dtype=np.intp)
    owners = np.repeat(np.arange(len(texts)), [len(text) + 2 if text else 0 for text in texts])
    space = codes == 32
    inner = np.cumsum(space)
    running = np.zeros(len(codes), dtype=np.uint64)
    found, whose = [], []
    for order in range(1, max(orders) + 1):
        count = len(codes) - order + 1
        if count <= 0:
            break
        running = (running[:count] ^ codes[order - 1 :]) * _STEP
        running ^= running >> _SHIFT
        if order in orders:
            last = order - 1
            # Spaces strictly inside the n-gram: all up to its end, less those up to its start.
            keep = (inner[last:] - space[last:] - inner[:count] <= 0) if order > 1 else ~space
            if len(texts) > 1:
                keep &= owners[:count] == owners[last:]
            found.append(_mix(running[keep] + np.uint64(order)))
            whose.append(owners[:count][keep])
    return np.concatenate(found), np.concatenate(whose)


def word_ngrams(folded: str) -> UInts:
    """Hashes of words and pairs of neighbouring words; repeated ones are repeated."""
    return word_ngrams_of((folded,))[0]


def word_ngrams_of(texts: Sequence[str]) -> tuple[UInts, Places]:
    """:func:`word_ngrams` of many texts, and the number of the text of each."""
    words = [_WORD.findall(text) for text in texts]
    values = [[1, *map(_word_hash, found), 2] if found else [] for found in words]
    owners = np.repeat(np.arange(len(texts)), [len(found) for found in values])
    edges = np.fromiter(chain.from_iterable(values), dtype=np.uint64, count=len(owners))
    single = edges > np.uint64(2)
    together = owners[:-1] == owners[1:]
    pairs = _mix((edges[:-1] * _STEP) ^ edges[1:])[together]
    return np.concatenate((edges[single], pairs)), np.concatenate((owners[single], owners[:-1][together]))


def word_hashes(words: Sequence[str]) -> UInts:
    """One number for each word."""
    return np.array([_word_hash(word) for word in words], dtype=np.uint64)


@lru_cache(maxsize=1 << 16)
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


def learn_vocabulary(
    ngrams: UInts, owners: Places, texts: int, minimum: int = 2
) -> tuple[Vocabulary, Places, Places, Floats]:
    """The n-grams that occur in at least ``minimum`` of some texts, and those texts' weights.

    Args:
        ngrams: the n-grams of all texts.
        owners: the number of the text of each.
        texts: how many texts there are.
        minimum: in how many of them an n-gram must occur.

    Returns:
        The vocabulary, then row (text), column (n-gram) and weight of all that is not zero, as
        :meth:`Vocabulary.weigh` gives for one text.
    """
    hashes, places = np.unique(ngrams, return_inverse=True)
    cells, counts = np.unique(owners * max(len(hashes), 1) + places, return_counts=True)
    rows, columns = np.divmod(cells, max(len(hashes), 1))
    spread = np.bincount(columns, minlength=len(hashes))
    keep = spread >= minimum
    idf = (np.log((1 + texts) / (1 + spread[keep])) + 1).astype(np.float32)
    known = keep[columns]
    rows, columns = rows[known], (np.cumsum(keep) - 1)[columns[known]]
    weights = (1.0 + np.log(counts[known])).astype(np.float32) * idf[columns]
    lengths = np.sqrt(np.bincount(rows, weights=weights * weights, minlength=texts)).astype(np.float32)
    lengths[lengths == 0] = 1
    return Vocabulary(hashes[keep], idf), rows, columns, weights / lengths[rows]
