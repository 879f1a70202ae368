"""Texts that are alike: the cosine of their character n-grams, weighed by tf-idf.

Digits count as one and the same, so that two order numbers do not make two messages of one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from nlu.features import Floats, char_ngrams_of, learn_vocabulary
from nlu.text import clean, fold

NEAR = 0.9
"""From this cosine on two texts count as near-duplicates."""

_ORDERS = (2, 3, 4)
_DIGIT = re.compile(r"\d")
_FREQUENT = 0.01
_ROWS = 1500


def _rows(texts: Sequence[str]) -> Any:
    """tf-idf rows of texts. An n-gram of one text alone is in them too: it adds to that text's length."""
    import scipy.sparse

    ngrams, owners = char_ngrams_of([_DIGIT.sub("0", fold(clean(text))) for text in texts], _ORDERS)
    vocabulary, rows, columns, weights = learn_vocabulary(ngrams, owners, len(texts), minimum=1)
    shape = (len(texts), max(len(vocabulary), 1))
    return scipy.sparse.csr_matrix((weights, (rows, columns)), shape=shape, dtype=np.float32)


def nearest(texts: Sequence[str], among: Sequence[str], count: int) -> list[list[tuple[int, float]]]:
    """For each text the most alike of others: their places and cosines, best first."""
    if not texts or not among:
        return [[] for _ in texts]
    rows = _rows([*among, *texts])
    known, asked = rows[: len(among)], rows[len(among) :]
    found = []
    for start in range(0, len(texts), 64):
        cosines: Floats = (asked[start : start + 64] @ known.T).toarray()
        best = np.argsort(-cosines, axis=1, kind="stable")[:, :count]
        found += [
            [(int(place), round(min(float(row[place]), 1.0), 4)) for place in places if row[place] > 0]
            for row, places in zip(cosines, best, strict=True)
        ]
    return found


def near_duplicates(texts: Sequence[str], least: float = NEAR) -> Iterator[tuple[int, int, float]]:
    """Pairs of places ``(earlier, later)`` of texts whose cosine is at least ``least``, and the cosine."""
    if not texts:
        return
    rows = _rows(texts)
    counts = np.diff(rows.tocsc().indptr)
    # Columns that many rows have are multiplied as a dense matrix: there a sparse product is slowest.
    often = counts > max(_FREQUENT * len(texts), 1)
    dense = rows[:, np.flatnonzero(often)].toarray()
    rare = rows[:, np.flatnonzero(~often & (counts > 1))].tocsr()
    for start in range(0, len(texts), _ROWS):
        block = slice(start, start + _ROWS)
        cosines: Floats = dense[block] @ dense[start:].T
        product = (rare[block] @ rare[start:].T).tocoo()
        np.add.at(cosines, (product.row, product.col), product.data)
        for left, right in zip(*np.nonzero(cosines >= least), strict=True):
            if left < right:
                yield start + int(left), start + int(right), min(float(cosines[left, right]), 1.0)
