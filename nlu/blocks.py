"""Learns the blocks of the intent classifier and joins them. Only the training process imports this (scipy).

The kernel and its blocks are described in :mod:`nlu.classifier`. With K = P Pᵀ + B, where P are the
landmarks' features and B is block-diagonal, ridge weights and leave-one-out scores follow exactly
from the blocks' Cholesky factors (matrix inversion lemma); nothing larger than a block by a block is
ever inverted, so time and memory grow in proportion to the number of languages.
"""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.linalg
import scipy.sparse

from nlu.classifier import Array, Part
from nlu.features import Floats, Places, UInts, Vocabulary, char_ngrams_of, learn_vocabulary, word_ngrams_of
from nlu.text import clean, fold

BLOCK = 12_000
"""A language with more examples is learnt in several blocks: a block's time grows with its cube."""

LANDMARKS = 1500
"""Examples through which languages learn from each other."""

# Chosen by cross-validation on the shipped training data.
GAMMA = 2.0
TFIDF_SHARE = 0.2
TFIDF_SHARES = (0.05, 0.1, 0.2, 0.4)
RIDGE_WITH_VECTORS = 0.1
RIDGE_ALONE = 0.2

_JITTER = 1e-3
_FREQUENT = 0.02


@dataclass(frozen=True, slots=True)
class Kept:
    """Where blocks are kept from one training to the next, and what made them: of anything else they are no use."""

    folder: Path
    made_by: str

    def file(self, key: str) -> Path:
        """The file of a block."""
        return self.folder / f"{key}.npz"


@dataclass(frozen=True, slots=True)
class View:
    """What a block's part of a stage with vectors is learnt from.

    Attributes:
        vectors: of the block's examples.
        landmarks: vectors of the landmarks.
        reduce: see :func:`_whitening`.
        share: of n-grams in the kernel.
    """

    vectors: Floats
    landmarks: Floats
    reduce: Floats
    share: float


@dataclass(frozen=True, slots=True)
class Task:
    """What one block is learnt from; blocks are independent of each other up to here.

    Attributes:
        language: of the block, empty when the examples do not say.
        index: the place of each of its texts among all.
        examples: how many of them, the first ones, are examples; the others are what intents are called.
        texts: the texts.
        targets: a row for each, a column for each intent.
        views: a stage with vectors each.
        kept: where blocks are kept from one training to the next.
    """

    language: str
    index: npt.NDArray[np.intp]
    examples: int
    texts: list[str]
    targets: Floats
    views: tuple[View, ...]
    kept: Kept | None = None

    def key(self) -> str:
        """A number of all that the block follows from."""
        digest = hashlib.blake2b(digest_size=20)
        shares = [view.share for view in self.views]
        settings = (GAMMA, TFIDF_SHARE, RIDGE_WITH_VECTORS, RIDGE_ALONE, shares, self.kept and self.kept.made_by)
        digest.update(repr((settings, self.language, self.texts)).encode("utf-8", "replace"))
        for array in (self.targets, *(array for view in self.views for array in (view.vectors, view.landmarks))):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class Solved:
    """What is known by itself of a block's part of a stage with vectors.

    With A the block's own kernel, P its landmarks' features and Y its targets:
    ``diagonal`` of the inverse of A, ``targets`` is inverse(A) Y, ``features`` inverse(A) P, ``inner``
    Pᵀ inverse(A) P and ``right`` Pᵀ inverse(A) Y.
    """

    diagonal: Floats
    targets: Floats
    features: Array
    inner: Floats
    right: Floats


@dataclass(frozen=True, slots=True)
class Learnt:
    """What is known of a block by itself.

    ``rows`` are the tf-idf rows, ``quick_scores`` the first step's scores of each example without it.
    """

    chars: Vocabulary
    words: Vocabulary
    rows: Any
    quick: Floats
    quick_scores: Floats
    views: tuple[Solved, ...]

    def keep(self, file: Path) -> None:
        """Write it to a file, whole or not at all; a full disk is no reason not to train."""
        own = {"quick": self.quick, "quick_scores": self.quick_scores, "views": np.array(len(self.views))}
        rows = {"data": self.rows.data, "indices": self.rows.indices, "indptr": self.rows.indptr}
        words = {f"{kind}_{part}": getattr(getattr(self, kind), part) for kind in _WORDS for part in ("hashes", "idf")}
        solved = {
            f"view{number}_{name}": getattr(view, name) for number, view in enumerate(self.views) for name in _SOLVED
        }
        work = file.with_suffix(f".{os.getpid()}.tmp")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with work.open("wb") as stream:
                np.savez(stream, **{**own, **rows, **words, **solved})
            work.replace(file)
        except OSError:
            work.unlink(missing_ok=True)

    @classmethod
    def kept(cls, file: Path) -> Learnt | None:
        """What was written to a file; None where there is nothing of use."""
        try:
            with file.open("rb") as stream, np.load(stream, allow_pickle=False) as found:
                chars, words = (Vocabulary(found[f"{kind}_hashes"], found[f"{kind}_idf"]) for kind in _WORDS)
                quick, scores = found["quick"], found["quick_scores"]
                shape = (len(scores), len(chars) + len(words))
                rows = scipy.sparse.csr_matrix((found["data"], found["indices"], found["indptr"]), shape=shape)
                views = tuple(
                    Solved(**{name: found[f"view{number}_{name}"] for name in _SOLVED})
                    for number in range(int(found["views"]))
                )
            file.touch()
        except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile):
            return None
        return cls(chars, words, rows, quick, scores, views)


_SOLVED = ("diagonal", "targets", "features", "inner", "right")
_WORDS = ("chars", "words")


def tasks_of(
    texts: Sequence[str],
    targets: Floats,
    languages: Sequence[str],
    vectors: Sequence[Floats],
    examples: int,
    random: np.random.Generator,
    kept: Kept | None = None,
) -> list[Task]:
    """A task for each block.

    Args:
        texts: the examples, and after them what intents are called, if that counts.
        targets: a row for each, a column for each intent.
        languages: of each.
        vectors: of each, for each stage with vectors.
        examples: how many of the texts are examples.
        random: how a language is split that is too big for one block.
        kept: where blocks are kept from one training to the next.
    """
    parts = _split(languages, random)
    chosen = landmarks(texts, min(LANDMARKS, len(texts)) if len(parts) > 1 else 0)
    shared = [(rows, rows[chosen], _whitening(rows[chosen])) for rows in vectors]
    return [
        Task(
            language,
            index,
            int((index < examples).sum()),
            [texts[place] for place in index.tolist()],
            targets[index],
            tuple(View(rows[index], landmarks, reduce, TFIDF_SHARE) for rows, landmarks, reduce in shared),
            kept,
        )
        for language, index in parts
    ]


def with_shares(task: Task, shares: Sequence[float]) -> Task:
    """The task with these shares of n-grams in the kernel, one for each stage with vectors."""
    views = tuple(replace(view, share=share) for view, share in zip(task.views, shares, strict=True))
    return replace(task, views=views)


def landmarks(texts: Sequence[str], size: int) -> npt.NDArray[np.intp]:
    """Which examples are landmarks: by chance, but the same ones whatever is added or taken away beside them."""
    chance = [hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest() for text in texts]
    return np.sort(np.array(sorted(range(len(texts)), key=chance.__getitem__)[:size], dtype=np.intp))


def learnt_or_kept(task: Task) -> Learnt:
    """A block as the last training has kept it, else learnt."""
    if task.kept is None:
        return _learn_block(task)
    file = task.kept.file(task.key())
    found = Learnt.kept(file)
    if found is None:
        found = _learn_block(task)
        found.keep(file)
    return found


def forget(folder: Path, but: Collection[str]) -> None:
    """Remove kept blocks that are of no more use."""
    for file in folder.glob("*"):
        if file.name not in but:
            file.unlink(missing_ok=True)


def _split(languages: Sequence[str], random: np.random.Generator) -> list[tuple[str, npt.NDArray[np.intp]]]:
    """Each language's examples, in parts of at most :data:`BLOCK`."""
    tags = np.array(languages)
    found = []
    for language in sorted(set(languages)):
        index = np.flatnonzero(tags == language)
        count = -(-len(index) // BLOCK)
        if count > 1:
            index = random.permutation(index)
        found += [(language, np.sort(index[start::count])) for start in range(count)]
    return found


def hits_of(task: Task) -> npt.NDArray[np.intp]:
    """How many of a block's examples it recognises without them: for each stage, with each of :data:`TFIDF_SHARES`.

    Few examples hold few of the words by which an intent may be asked for: what n-grams then have in common with
    a message is more often chance than meaning. How often differs from one set of intents to another.
    """
    rows = _rows(task.texts)[2]
    ngrams, truth = _products(rows), task.targets.argmax(axis=1)
    found = np.zeros((len(task.views), len(TFIDF_SHARES)), dtype=np.intp)
    for number, view in enumerate(task.views):
        likeness = _gaussian(view.vectors, view.vectors)
        for place, share in enumerate(TFIDF_SHARES):
            factor, diagonal = _factor(ngrams * np.float32(share) + likeness, RIDGE_WITH_VECTORS)
            weights = scipy.linalg.cho_solve(factor, task.targets, check_finite=False)
            right = (task.targets - weights / diagonal[:, None]).argmax(axis=1) == truth
            found[number, place] = right[: task.examples].sum()
    return found


def _rows(texts: Sequence[str]) -> tuple[Vocabulary, Vocabulary, Any]:
    """The vocabularies of characters and of words, and the texts' tf-idf rows in both together."""
    folded = [fold(clean(text)) for text in texts]
    chars, char_rows = _learn(char_ngrams_of(folded), len(folded))
    words, word_rows = _learn(word_ngrams_of(folded), len(folded))
    return chars, words, scipy.sparse.hstack([char_rows, word_rows], "csr")


def _learn_block(task: Task) -> Learnt:
    """What one block's examples say, whatever the other blocks hold."""
    chars, words, rows = _rows(task.texts)
    linear = _products(rows)
    factor, diagonal = _factor(linear * np.float32(TFIDF_SHARE), RIDGE_ALONE)
    weights = scipy.linalg.cho_solve(factor, task.targets, check_finite=False)
    quick, quick_scores = _ngram_weights(rows, weights, TFIDF_SHARE), task.targets - weights / diagonal[:, None]
    views = []
    for number, view in enumerate(task.views):
        own = _gaussian(view.vectors, view.landmarks) @ view.reduce.T
        # The last one may have the room of the n-grams' products: with 12,000 examples they take half a gigabyte.
        kernel = np.multiply(linear, np.float32(view.share), out=linear if number == len(task.views) - 1 else None)
        kernel += _gaussian(view.vectors, view.vectors)
        kernel -= own @ own.T
        factor, diagonal = _factor(kernel, RIDGE_WITH_VECTORS)
        targets = scipy.linalg.cho_solve(factor, task.targets, check_finite=False)
        features = scipy.linalg.cho_solve(factor, own, check_finite=False)
        inner, right = own.T @ features, own.T @ targets
        # Half precision: they take the most room by far of what is kept.
        views.append(Solved(diagonal, targets, features.astype(np.float16), inner, right))
    return Learnt(chars, words, rows, quick, quick_scores, tuple(views))


def _learn(ngrams: tuple[UInts, Places], count: int) -> tuple[Vocabulary, Any]:
    """The vocabulary of some texts, and their tf-idf rows."""
    vocabulary, rows, columns, weights = learn_vocabulary(*ngrams, count)
    return vocabulary, scipy.sparse.csr_matrix((weights, (rows, columns)), shape=(count, len(vocabulary)))


def _products(rows: Any) -> Floats:
    """Each row times each other.

    Columns that many rows have are multiplied as a dense matrix: there a sparse product is slowest.
    """
    counts = np.diff(rows.tocsc().indptr)
    often = counts > max(_FREQUENT * rows.shape[0], 1)
    dense = rows[:, often].toarray()
    found: Floats = dense @ dense.T
    rare = rows[:, ~often]
    product = (rare @ rare.T).tocoo()
    found[product.row, product.col] += product.data
    return found


def _ngram_weights(rows: Any, weights: Floats, share: float) -> Floats:
    """What examples' weights mean for each n-gram, where n-grams have this share in the kernel."""
    found: Floats = np.asarray(rows.T @ weights, dtype=np.float32) * np.float32(share)
    return found


def _factor(kernel: Floats, ridge: float) -> tuple[Any, Floats]:
    """The Cholesky factor of a kernel with its ridge, for ``cho_solve``, and the inverse's diagonal."""
    kernel[np.diag_indices_from(kernel)] += np.float32(ridge)
    factor, lower = scipy.linalg.cho_factor(kernel, lower=True, overwrite_a=True, check_finite=False)
    # With A = L Lᵀ, the inverse's diagonal is that of inverse(L)ᵀ inverse(L).
    inverse, failed = scipy.linalg.lapack.strtri(factor, lower=True)
    if failed:
        raise ValueError(f"the kernel matrix could not be inverted ({failed})")
    inverse = np.tril(inverse)
    return (factor, lower), np.einsum("ij,ij->j", inverse, inverse)


@dataclass(frozen=True, slots=True)
class Joined:
    """A stage with vectors, before it is calibrated; ``held_out`` are its scores of each example without it."""

    parts: tuple[Part, ...]
    landmarks: Floats
    landmark_weights: Floats
    held_out: Floats


def join(place: int, tasks: Sequence[Task], learnt: Sequence[Learnt]) -> Joined:
    """The stage with vectors of this place, from all blocks together."""
    blocks = [block.views[place] for block in learnt]
    views = [task.views[place] for task in tasks]
    reduce, size = views[0].reduce, len(views[0].reduce)
    inner = sum((block.inner for block in blocks), np.zeros((size, size), dtype=np.float64))
    inner[np.diag_indices_from(inner)] += 1
    root = np.linalg.cholesky(inner)
    intents = tasks[0].targets.shape[1]
    right = sum((block.right for block in blocks), np.zeros((size, intents), dtype=np.float64))
    solved = scipy.linalg.cho_solve((root, True), right).astype(np.float32)
    inverse_root = scipy.linalg.solve_triangular(root, np.eye(size), lower=True).T.astype(np.float32)
    held_out = np.empty((sum(len(task.index) for task in tasks), intents), dtype=np.float32)
    landmark_weights = np.zeros((size, intents), dtype=np.float32)
    found = []
    for task, view, block, rows in zip(tasks, views, blocks, [block.rows for block in learnt], strict=True):
        features = block.features.astype(np.float32)
        weights: Floats = block.targets - features @ solved
        diagonal = block.diagonal - np.square(features @ inverse_root).sum(axis=1)
        held_out[task.index] = task.targets - weights / diagonal[:, None]
        shared = np.asarray(reduce.T @ (block.right - block.inner @ solved), dtype=np.float32)
        landmark_weights += shared
        found.append(Part(_ngram_weights(rows, weights, view.share), view.vectors, weights, shared))
    return Joined(tuple(found), views[0].landmarks, landmark_weights, held_out)


def _gaussian(left: Floats, right: Floats) -> Floats:
    near = left @ right.T
    near -= 1
    near *= np.float32(GAMMA)
    found: Floats = np.exp(near, out=near)
    return found


def _whitening(landmarks: Floats) -> Floats:
    """The matrix that turns likeness to the landmarks into features whose products are the kernel."""
    kernel = _gaussian(landmarks, landmarks).astype(np.float64)
    kernel[np.diag_indices_from(kernel)] += _JITTER
    root = np.linalg.cholesky(kernel)
    found: Floats = scipy.linalg.solve_triangular(root, np.eye(len(root)), lower=True).astype(np.float32)
    return found
