"""Trains the intent classifier. Only the training process imports this (scikit-learn, scipy).

The kernel and its blocks are described in :mod:`nlu.classifier`. With K = P Pᵀ + B, where P are the
landmarks' features and B is block-diagonal, ridge weights and leave-one-out scores follow exactly
from the blocks' Cholesky factors (matrix inversion lemma); nothing larger than a block by a block is
ever inverted, so time and memory grow in proportion to the number of languages.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.linalg
import scipy.sparse
from sklearn.linear_model import LogisticRegression

from bot.config import ConfigError, Problem
from nlu.classifier import Block, IntentClassifier, Stage
from nlu.features import Floats, Places, UInts, Vocabulary, char_ngrams_of, learn_vocabulary, word_ngrams_of
from nlu.text import clean, fold

BLOCK = 9000
"""A language with more examples is learnt in several blocks: a block's time grows with its cube."""

LANDMARKS = 1500
"""Examples through which languages learn from each other."""

# Chosen by cross-validation on the shipped training data.
GAMMA = 3.0
TFIDF_SHARE = 0.2
RIDGE_WITH_VECTORS = 0.05
RIDGE_ALONE = 0.2
CALIBRATION_STRENGTH = 10.0
_JITTER = 1e-3
_WORSE = 0.003
_MIN_EXAMPLES = 2
_FREQUENT = 0.02
_ROWS = 4096


@dataclass(slots=True)
class _Part:
    """The examples of one block while training."""

    language: str
    index: npt.NDArray[np.intp]
    chars: Vocabulary
    words: Vocabulary
    rows: Any
    linear: Floats


def fit_classifier(
    texts: Sequence[str],
    labels: Sequence[str],
    languages: Sequence[str],
    vectors: Floats | None,
    seed: int = 0,
) -> tuple[IntentClassifier, list[str]]:
    """Train on texts, their intents, their languages and, where used, their sentence vectors.

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
    random = np.random.default_rng(seed)
    with ThreadPoolExecutor() as pool:
        parts = list(pool.map(lambda item: _part(texts, *item), _split(languages, random)))
    quick_weights, quick_scores = _solve_quick(parts, targets)
    quick = _calibrate(quick_scores, truth, len(intents))
    if vectors is None:
        empty = np.empty((0, len(intents)), dtype=np.float32)
        blocks = [
            _block(part, weights, empty, empty, empty, empty)
            for part, weights in zip(parts, quick_weights, strict=True)
        ]
        classifier = IntentClassifier(intents, tuple(blocks), empty, empty, GAMMA, quick, quick, 0.0)
        return classifier, _names(quick.probabilities(quick_scores), intents)
    solved = _solve_full(parts, targets, vectors, random)
    full = _calibrate(solved.held_out, truth, len(intents))
    blocks = [
        _block(
            part,
            weights,
            _ngram_weights(part, solved.weights[part.index]),
            vectors[part.index],
            solved.weights[part.index],
            shared,
        )
        for part, weights, shared in zip(parts, quick_weights, solved.shared, strict=True)
    ]
    second = full.probabilities(solved.held_out)
    classifier = IntentClassifier(
        intents=intents,
        blocks=tuple(blocks),
        landmarks=solved.landmarks,
        landmark_weights=solved.landmark_weights,
        gamma=GAMMA,
        quick=quick,
        full=full,
        enough=_enough(quick.probabilities(quick_scores), second, truth),
    )
    return classifier, _names(second, intents)


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


def _part(texts: Sequence[str], language: str, index: npt.NDArray[np.intp]) -> _Part:
    folded = [fold(clean(texts[place])) for place in index.tolist()]
    chars, char_rows = _learn(char_ngrams_of(folded), len(folded))
    words, word_rows = _learn(word_ngrams_of(folded), len(folded))
    rows = scipy.sparse.hstack([char_rows, word_rows], "csr")
    return _Part(language, index, chars, words, rows, _products(rows))


def _learn(ngrams: tuple[UInts, Places], count: int) -> tuple[Vocabulary, Any]:
    """The vocabulary of some texts, and their tf-idf rows."""
    vocabulary, rows, columns, weights = learn_vocabulary(*ngrams, count)
    return vocabulary, scipy.sparse.csr_matrix((weights, (rows, columns)), shape=(count, len(vocabulary)))


def _products(rows: Any) -> Floats:
    """Each row times each other, times the share that n-grams have in the kernel.

    Columns that many rows have are multiplied as a dense matrix: there a sparse product is slowest.
    """
    counts = np.diff(rows.tocsc().indptr)
    often = counts > max(_FREQUENT * rows.shape[0], 1)
    dense = rows[:, often].toarray()
    found: Floats = dense @ dense.T
    rare = rows[:, ~often]
    product = (rare @ rare.T).tocoo()
    found[product.row, product.col] += product.data
    found *= np.float32(TFIDF_SHARE)
    return found


def _ngram_weights(part: _Part, weights: Floats) -> Floats:
    """What examples' weights mean for each n-gram."""
    found: Floats = np.asarray(part.rows.T @ weights, dtype=np.float32) * np.float32(TFIDF_SHARE)
    return found


def _block(part: _Part, quick: Floats, full: Floats, anchors: Floats, anchor_weights: Floats, shared: Floats) -> Block:
    return Block(part.language, part.chars, part.words, quick, full, anchors, anchor_weights, shared)


def _factor(kernel: Floats, ridge: float) -> tuple[Any, Floats]:
    """The Cholesky factor of a kernel with its ridge, for ``cho_solve``, and the inverse's diagonal."""
    kernel[np.diag_indices_from(kernel)] += np.float32(ridge)
    factor, lower = scipy.linalg.cho_factor(kernel, lower=True, overwrite_a=True, check_finite=False)
    # Only the inverse's diagonal is needed: a third of the work of solving for all of it.
    inverse, failed = scipy.linalg.lapack.spotri(factor, lower=True)
    if failed:
        raise ValueError(f"the kernel matrix could not be inverted ({failed})")
    return (factor, lower), np.diag(inverse).copy()


def _solve_quick(parts: Sequence[_Part], targets: Floats) -> tuple[list[Floats], Floats]:
    """The first stage: n-gram weights of each block, and each example's score without it."""
    held_out = np.empty_like(targets)
    found = []
    for part in parts:
        factor, diagonal = _factor(part.linear.copy(), RIDGE_ALONE)
        weights = scipy.linalg.cho_solve(factor, targets[part.index], check_finite=False)
        held_out[part.index] = targets[part.index] - weights / diagonal[:, None]
        found.append(_ngram_weights(part, weights))
    return found, held_out


@dataclass(frozen=True, slots=True)
class _Solved:
    weights: Floats
    held_out: Floats
    landmarks: Floats
    landmark_weights: Floats
    shared: list[Floats]


def _solve_full(parts: Sequence[_Part], targets: Floats, vectors: Floats, random: np.random.Generator) -> _Solved:
    """The second stage: each example's weight, and its score by the model trained without it."""
    count = len(targets)
    size = min(LANDMARKS, count) if len(parts) > 1 else 0
    landmarks = vectors[np.sort(random.permutation(count)[:size])]
    reduce = _whitening(landmarks)
    features: Floats = _gaussian(vectors, landmarks) @ reduce.T
    solved_targets, solved_features = np.empty_like(targets), np.empty_like(features)
    diagonal = np.empty(count, dtype=np.float32)
    for part in parts:
        own = features[part.index]
        kernel = part.linear
        kernel += _gaussian(vectors[part.index], vectors[part.index])
        kernel -= own @ own.T
        factor, diagonal[part.index] = _factor(kernel, RIDGE_WITH_VECTORS)
        part.linear = np.empty((0, 0), dtype=np.float32)
        solved_targets[part.index] = scipy.linalg.cho_solve(factor, targets[part.index], check_finite=False)
        solved_features[part.index] = scipy.linalg.cho_solve(factor, own, check_finite=False)
    inner = (features.T @ solved_features).astype(np.float64)
    inner[np.diag_indices_from(inner)] += 1
    root = np.linalg.cholesky(inner)
    right = scipy.linalg.cho_solve((root, True), features.T @ solved_targets).astype(np.float32)
    weights: Floats = solved_targets - solved_features @ right
    inverse_root = scipy.linalg.solve_triangular(root, np.eye(size), lower=True).T.astype(np.float32)
    for start in range(0, count, _ROWS):
        rows = slice(start, start + _ROWS)
        diagonal[rows] -= np.square(solved_features[rows] @ inverse_root).sum(axis=1)
    held_out: Floats = targets - weights / diagonal[:, None]
    shared = [np.asarray(reduce.T @ (features[part.index].T @ weights[part.index]), dtype=np.float32) for part in parts]
    return _Solved(weights, held_out, landmarks, np.asarray(sum(shared), dtype=np.float32), shared)


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


def _enough(quick: Floats, full: Floats, truth: npt.NDArray[np.intp]) -> float:
    """From which probability the first stage may answer alone.

    The lowest one above which, on examples kept out of training, it is right as often as the second
    stage, within :data:`_WORSE`; 1 when there is none.
    """
    order = np.argsort(-quick.max(axis=1), kind="stable")
    gain = (quick.argmax(axis=1) == truth).astype(np.int64) - (full.argmax(axis=1) == truth)
    lost = -np.cumsum(gain[order]) / np.arange(1, len(order) + 1)
    # Looked for from the certain end: a lucky stretch among the doubtful ones proves nothing.
    worse = np.flatnonzero((lost > _WORSE) & (np.arange(len(order)) >= min(100, len(order) - 1)))
    last = worse[0] - 1 if len(worse) else len(order) - 1
    return float(quick.max(axis=1)[order[last]]) if last >= 0 else 1.0


def _calibrate(scores: Floats, truth: npt.NDArray[np.intp], count: int) -> Stage:
    """A logistic regression from held-out scores to intents."""
    model = LogisticRegression(C=CALIBRATION_STRENGTH, max_iter=200, tol=1e-3)
    with warnings.catch_warnings():
        # Not quite converged is good enough here, and no news for an operator.
        warnings.simplefilter("ignore")
        model.fit(scores, truth)
    mixing, bias = model.coef_.T, model.intercept_
    if count == _MIN_EXAMPLES:
        mixing, bias = np.hstack([-mixing, mixing]) / 2, np.concatenate([-bias, bias]) / 2
    return Stage(mixing.astype(np.float32), bias.astype(np.float32))
