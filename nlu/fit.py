"""Trains the intent classifier. Only the training process imports this (scikit-learn, scipy).

The kernel and its blocks are described in :mod:`nlu.classifier`. With K = P Pᵀ + B, where P are the
landmarks' features and B is block-diagonal, ridge weights and leave-one-out scores follow exactly
from the blocks' Cholesky factors (matrix inversion lemma); nothing larger than a block by a block is
ever inverted, so time and memory grow in proportion to the number of languages.
"""

from __future__ import annotations

import hashlib
import os
import warnings
import zipfile
from collections.abc import Collection, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.linalg
import scipy.sparse
from sklearn.linear_model import LogisticRegression

from bot.config import ConfigError, Problem
from nlu.classifier import Array, Block, IntentClassifier, Stage, placed
from nlu.exact import Examples
from nlu.features import Floats, Places, UInts, Vocabulary, char_ngrams_of, learn_vocabulary, word_ngrams_of
from nlu.text import clean, fold
from nlu.vectors import DIMENSIONS

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
CALIBRATION_STRENGTH = 10.0
_PLENTY = 40
"""With fewer examples of an intent in a language, how much n-grams count is looked for in the examples themselves."""

_JITTER = 1e-3
_WORSE, _SURELY = 0.002, 1.645
_MIN_EXAMPLES = 2
_FREQUENT = 0.02
_FEW, _SAMPLE = 2000, 16_000
_NEVER = -30.0


@dataclass(frozen=True, slots=True)
class Kept:
    """Where blocks are kept from one training to the next, and what made them: of anything else they are no use."""

    folder: Path
    made_by: str

    def file(self, key: str) -> Path:
        """The file of a block."""
        return self.folder / f"{key}.npz"


@dataclass(frozen=True, slots=True)
class _Task:
    """What one block is learnt from; blocks are independent of each other up to here."""

    language: str
    texts: list[str]
    targets: Floats
    vectors: Floats | None
    landmarks: Floats
    reduce: Floats
    share: float
    kept: Kept | None = None

    def key(self) -> str:
        """A number of all that the block follows from."""
        digest = hashlib.blake2b(digest_size=20)
        settings = (GAMMA, TFIDF_SHARE, RIDGE_WITH_VECTORS, RIDGE_ALONE, self.share, self.kept and self.kept.made_by)
        digest.update(repr((settings, self.language, self.texts)).encode("utf-8", "replace"))
        for array in (self.targets, self.vectors, self.landmarks):
            digest.update(np.ascontiguousarray(array).tobytes() if array is not None else b"-")
        return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class _Learnt:
    """What is known of a block by itself.

    ``rows`` are the tf-idf rows, ``quick_scores`` the first stage's scores of each example without it.
    Of the second stage, with A the block's own kernel, P its landmarks' features and Y its targets:
    ``diagonal`` of the inverse of A, ``targets`` is inverse(A) Y, ``features`` inverse(A) P, ``inner``
    Pᵀ inverse(A) P and ``right`` Pᵀ inverse(A) Y.
    """

    chars: Vocabulary
    words: Vocabulary
    rows: Any
    quick: Floats
    quick_scores: Floats
    diagonal: Floats
    targets: Floats
    features: Array
    inner: Floats
    right: Floats

    def keep(self, file: Path) -> None:
        """Write it to a file, whole or not at all; a full disk is no reason not to train."""
        own = {name: getattr(self, name) for name in _PLAIN}
        rows = {"data": self.rows.data, "indices": self.rows.indices, "indptr": self.rows.indptr}
        words = {f"{kind}_{part}": getattr(getattr(self, kind), part) for kind in _WORDS for part in ("hashes", "idf")}
        work = file.with_suffix(f".{os.getpid()}.tmp")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with work.open("wb") as stream:
                np.savez(stream, **own, **rows, **words)
            work.replace(file)
        except OSError:
            work.unlink(missing_ok=True)

    @classmethod
    def kept(cls, file: Path) -> _Learnt | None:
        """What was written to a file; None where there is nothing of use."""
        try:
            with file.open("rb") as stream, np.load(stream, allow_pickle=False) as found:
                chars, words = (Vocabulary(found[f"{kind}_hashes"], found[f"{kind}_idf"]) for kind in _WORDS)
                own = {name: found[name] for name in _PLAIN}
                shape = (len(own["quick_scores"]), len(chars) + len(words))
                rows = scipy.sparse.csr_matrix((found["data"], found["indices"], found["indptr"]), shape=shape)
            file.touch()
        except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile):
            return None
        return cls(chars=chars, words=words, rows=rows, **own)


_PLAIN = ("quick", "quick_scores", "diagonal", "targets", "features", "inner", "right")
_WORDS = ("chars", "words")


def fit_classifier(
    texts: Sequence[str],
    labels: Sequence[str],
    languages: Sequence[str],
    vectors: Floats | None,
    seed: int = 0,
    workers: Executor | None = None,
    kept: Kept | None = None,
) -> tuple[IntentClassifier, list[str]]:
    """Train on texts, their intents, their languages and, where used, their sentence vectors of one or two encoders.

    ``workers`` learn blocks side by side; without them it is done here, one after another. Where ``kept``
    says, blocks of the last training are kept: a language of which nothing has changed is not learnt again.

    Returns the classifier, and for each text the intent found by the model trained without it. The
    result is the same for the same input. Raises ConfigError for fewer than two intents.
    """
    intents = tuple(sorted(set(labels)))
    if len(intents) < _MIN_EXAMPLES:
        raise ConfigError(Problem("nlu/data", 0, "training needs examples of at least two intents"))
    number = {intent: place for place, intent in enumerate(intents)}
    truth = np.array([number[label] for label in labels])
    targets = np.full((len(truth), len(intents)), -1 / (len(intents) - 1), dtype=np.float32)
    targets[np.arange(len(truth)), truth] = 1
    center = np.empty(0, dtype=np.float32)
    if vectors is not None:
        center = vectors[:, DIMENSIONS:].mean(axis=0)
        vectors = placed(vectors, center)
    random = np.random.default_rng(seed)
    parts = _split(languages, random)
    tasks = _tasks(texts, targets, vectors, parts, kept)
    plenty = len(labels) >= _PLENTY * len(set(zip(languages, labels, strict=True)))
    if vectors is not None and not plenty:
        hits = sum((workers.map if workers else map)(_hits, tasks))
        tasks = [replace(task, share=TFIDF_SHARES[int(np.argmax(hits))]) for task in tasks]
    learnt = list((workers.map if workers else map)(_recalled, tasks))
    if kept is not None:
        _forget(kept.folder, {kept.file(task.key()).name for task in tasks})
    quick_scores = np.empty_like(targets)
    for (_, index), block in zip(parts, learnt, strict=True):
        quick_scores[index] = block.quick_scores
    quick = _calibrate(quick_scores, truth, len(intents))
    examples = Examples.of([fold(clean(text)) for text in texts], truth.tolist(), languages)
    if vectors is None:
        empty = np.empty((0, len(intents)), dtype=np.float32)
        blocks = [
            Block(task.language, block.chars, block.words, block.quick, empty, empty, empty, empty)
            for task, block in zip(tasks, learnt, strict=True)
        ]
        none = Stage(empty, empty)
        classifier = IntentClassifier(intents, tuple(blocks), empty, empty, GAMMA, quick, quick, none, 0.0, examples)
        return classifier, _names(quick.probabilities(quick_scores), intents)
    blocks, held_out, landmark_weights = _join(tasks, [index for _, index in parts], learnt, targets)
    full, both = _calibrate(held_out, truth, len(intents)), Stage(np.empty((0, 0), np.float32), np.empty(0, np.float32))
    second, final = held_out, full
    if len(truth) >= 2 * len(intents) ** 2:  # else there would be more weights to learn than examples
        second = np.hstack([quick_scores, held_out])
        final = both = _calibrate(second, truth, len(intents))
    classifier = IntentClassifier(
        intents=intents,
        blocks=tuple(blocks),
        landmarks=tasks[0].landmarks,
        landmark_weights=landmark_weights,
        gamma=GAMMA,
        quick=quick,
        full=full,
        both=both,
        enough=_enough(quick_scores, second, truth, random),
        examples=examples,
        center=center,
    )
    return classifier, _names(final.probabilities(second), intents)


def _tasks(
    texts: Sequence[str],
    targets: Floats,
    vectors: Floats | None,
    parts: Sequence[tuple[str, npt.NDArray[np.intp]]],
    kept: Kept | None,
) -> list[_Task]:
    """A task for each block."""
    size = min(LANDMARKS, len(texts)) if vectors is not None and len(parts) > 1 else 0
    landmarks = vectors[_landmarks(texts, size)] if vectors is not None else np.empty((0, 0), dtype=np.float32)
    reduce = _whitening(landmarks)
    return [
        _Task(
            language,
            [texts[place] for place in index.tolist()],
            targets[index],
            vectors[index] if vectors is not None else None,
            landmarks,
            reduce,
            TFIDF_SHARE,
            kept,
        )
        for language, index in parts
    ]


def _landmarks(texts: Sequence[str], size: int) -> npt.NDArray[np.intp]:
    """Which examples are landmarks: by chance, but the same ones whatever is added or taken away beside them."""
    chance = [hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest() for text in texts]
    return np.sort(np.array(sorted(range(len(texts)), key=chance.__getitem__)[:size], dtype=np.intp))


def _recalled(task: _Task) -> _Learnt:
    """A block as the last training has kept it, else learnt."""
    if task.kept is None:
        return _learn_block(task)
    file = task.kept.file(task.key())
    found = _Learnt.kept(file)
    if found is None:
        found = _learn_block(task)
        found.keep(file)
    return found


def _forget(folder: Path, but: Collection[str]) -> None:
    """Remove kept blocks that are of no more use."""
    for file in folder.glob("*"):
        if file.name not in but:
            file.unlink(missing_ok=True)


def _names(probabilities: Floats, intents: Sequence[str]) -> list[str]:
    return [intents[place] for place in probabilities.argmax(axis=1).tolist()]


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


def _hits(task: _Task) -> npt.NDArray[np.intp]:
    """How many of a block's examples it recognises without them, for each of :data:`TFIDF_SHARES`.

    Few examples hold few of the words by which an intent may be asked for: what n-grams then have in common with
    a message is more often chance than meaning. How often differs from one set of intents to another.
    """
    rows = _rows(task.texts)[2]
    ngrams, truth = _products(rows), task.targets.argmax(axis=1)
    likeness = _gaussian(task.vectors, task.vectors) if task.vectors is not None else np.float32(0)
    found = []
    for share in TFIDF_SHARES:
        factor, diagonal = _factor(ngrams * np.float32(share) + likeness, RIDGE_WITH_VECTORS)
        weights = scipy.linalg.cho_solve(factor, task.targets, check_finite=False)
        found.append(int(((task.targets - weights / diagonal[:, None]).argmax(axis=1) == truth).sum()))
    return np.array(found)


def _rows(texts: Sequence[str]) -> tuple[Vocabulary, Vocabulary, Any]:
    """The vocabularies of characters and of words, and the texts' tf-idf rows in both together."""
    folded = [fold(clean(text)) for text in texts]
    chars, char_rows = _learn(char_ngrams_of(folded), len(folded))
    words, word_rows = _learn(word_ngrams_of(folded), len(folded))
    return chars, words, scipy.sparse.hstack([char_rows, word_rows], "csr")


def _learn_block(task: _Task) -> _Learnt:
    """What one block's examples say, whatever the other blocks hold."""
    chars, words, rows = _rows(task.texts)
    linear = _products(rows)
    factor, diagonal = _factor(linear * np.float32(TFIDF_SHARE), RIDGE_ALONE)
    weights = scipy.linalg.cho_solve(factor, task.targets, check_finite=False)
    quick, quick_scores = _ngram_weights(rows, weights, TFIDF_SHARE), task.targets - weights / diagonal[:, None]
    if task.vectors is None:
        none = np.empty((0, 0), dtype=np.float32)
        return _Learnt(chars, words, rows, quick, quick_scores, diagonal, none, none, none, none)
    own = _gaussian(task.vectors, task.landmarks) @ task.reduce.T
    linear *= np.float32(task.share)
    linear += _gaussian(task.vectors, task.vectors)
    linear -= own @ own.T
    factor, diagonal = _factor(linear, RIDGE_WITH_VECTORS)
    targets = scipy.linalg.cho_solve(factor, task.targets, check_finite=False)
    features = scipy.linalg.cho_solve(factor, own, check_finite=False)
    inner, right = own.T @ features, own.T @ targets
    # Half precision: they take the most room by far of what is kept.
    half = features.astype(np.float16)
    return _Learnt(chars, words, rows, quick, quick_scores, diagonal, targets, half, inner, right)


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


def _join(
    tasks: Sequence[_Task],
    parts: Sequence[npt.NDArray[np.intp]],
    learnt: Sequence[_Learnt],
    targets: Floats,
) -> tuple[list[Block], Floats, Floats]:
    """The second stage from all blocks together.

    Returns the blocks, each example's score by the model trained without it, the landmarks' weights.
    """
    reduce = tasks[0].reduce
    size = len(reduce)
    inner = sum((block.inner for block in learnt), np.zeros((size, size), dtype=np.float64))
    inner[np.diag_indices_from(inner)] += 1
    root = np.linalg.cholesky(inner)
    right = sum((block.right for block in learnt), np.zeros((size, targets.shape[1]), dtype=np.float64))
    solved = scipy.linalg.cho_solve((root, True), right).astype(np.float32)
    inverse_root = scipy.linalg.solve_triangular(root, np.eye(size), lower=True).T.astype(np.float32)
    held_out = np.empty_like(targets)
    landmark_weights = np.zeros((size, targets.shape[1]), dtype=np.float32)
    blocks = []
    for task, index, block in zip(tasks, parts, learnt, strict=True):
        features = block.features.astype(np.float32)
        weights: Floats = block.targets - features @ solved
        diagonal = block.diagonal - np.square(features @ inverse_root).sum(axis=1)
        held_out[index] = task.targets - weights / diagonal[:, None]
        shared = np.asarray(reduce.T @ (block.right - block.inner @ solved), dtype=np.float32)
        landmark_weights += shared
        vectors = task.vectors if task.vectors is not None else np.empty((0, 0), dtype=np.float32)
        full = _ngram_weights(block.rows, weights, task.share)
        blocks.append(Block(task.language, block.chars, block.words, block.quick, full, vectors, weights, shared))
    return blocks, held_out, landmark_weights


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


def _enough(
    quick_scores: Floats, full_scores: Floats, truth: npt.NDArray[np.intp], random: np.random.Generator
) -> float:
    """From which probability the first stage may answer alone.

    The lowest one at which, on examples kept out of training and of the calibration too, it surely (with 95 %
    confidence, one-sided: the normal approximation for the difference of paired proportions, McNemar 1947) costs
    at most :data:`_WORSE` of all messages against asking the second stage always; 1 when there are too few
    examples to tell.
    """
    if len(truth) < _FEW:
        return 1.0
    rows = random.permutation(len(truth))[:_SAMPLE]
    halves = rows[::2], rows[1::2]
    count = quick_scores.shape[1]
    sure, gain = [], []
    for own, other in (halves, halves[::-1]):
        quick = _calibrate(quick_scores[other], truth[other], count).probabilities(quick_scores[own])
        full = _calibrate(full_scores[other], truth[other], count).probabilities(full_scores[own])
        sure.append(quick.max(axis=1))
        gain.append((quick.argmax(axis=1) == truth[own]).astype(np.int64) - (full.argmax(axis=1) == truth[own]))
    certainty = np.concatenate(sure)
    order = np.argsort(-certainty, kind="stable")
    gained = np.concatenate(gain)[order]
    unequal = np.cumsum(np.abs(gained))
    lost = (_SURELY * np.sqrt(unequal + 1) - np.cumsum(gained)) / len(order)
    # Looked for from the certain end: a lucky stretch among the doubtful ones proves nothing.
    worse = np.flatnonzero(lost > _WORSE)
    last = worse[0] - 1 if len(worse) else len(order) - 1
    return float(certainty[order[last]]) if last >= 0 else 1.0


def _calibrate(scores: Floats, truth: npt.NDArray[np.intp], count: int) -> Stage:
    """A logistic regression from held-out scores to intents."""
    model = LogisticRegression(C=CALIBRATION_STRENGTH, max_iter=200, tol=1e-3)
    with warnings.catch_warnings():
        # Not quite converged is good enough here, and no news for an operator.
        warnings.simplefilter("ignore")
        model.fit(scores, truth)
    mixing, bias = model.coef_.T, model.intercept_
    if len(model.classes_) == _MIN_EXAMPLES:
        mixing, bias = np.hstack([-mixing, mixing]) / 2, np.concatenate([-bias, bias]) / 2
    # An intent that is not among these examples is not to be expected either.
    every = np.zeros((len(mixing), count)), np.full(count, _NEVER)
    every[0][:, model.classes_], every[1][model.classes_] = mixing, bias
    return Stage(every[0].astype(np.float32), every[1].astype(np.float32))
