"""Trains the intent classifier. Only the training process imports this (scikit-learn, scipy)."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.linalg
import scipy.sparse
from sklearn.linear_model import LogisticRegression

from bot.config import ConfigError, Problem
from nlu.classifier import IntentClassifier
from nlu.features import Floats, UInts, Vocabulary, build_vocabulary, char_ngrams, word_ngrams
from nlu.text import clean, fold

EXACT = 9000
"""Up to so many examples the ridge is solved exactly; time grows with the cube of their number."""

ANCHORS = 5000
"""Above that it is solved on so many of them (Nyström), and time grows in proportion to the rest."""

# Chosen by cross-validation on the shipped training data.
GAMMA = 3.0
TFIDF_SHARE = 0.2
RIDGE_WITH_VECTORS = 0.05
RIDGE_ALONE = 0.06
CALIBRATION_STRENGTH = 10.0
_MIN_EXAMPLES = 2


@dataclass(frozen=True, slots=True)
class Views:
    """The two views of some texts: sparse tf-idf rows (characters, words) and sentence vectors."""

    chars: Any
    words: Any
    vectors: Floats | None

    def rows(self, index: npt.NDArray[np.intp]) -> Views:
        """The views of some of the texts."""
        return Views(self.chars[index], self.words[index], self.vectors[index] if self.vectors is not None else None)

    def kernel(self, other: Views) -> Floats:
        """How alike each of these texts is to each of the others."""
        linear: Floats = (self.chars @ other.chars.T + self.words @ other.words.T).toarray().astype(np.float32)
        linear *= np.float32(TFIDF_SHARE)
        if self.vectors is None or other.vectors is None:
            return linear
        near = self.vectors @ other.vectors.T
        near -= 1
        near *= np.float32(GAMMA)
        found: Floats = np.exp(near, out=near)
        found += linear
        return found


def sparse_rows(vocabulary: Vocabulary, texts: Sequence[UInts]) -> Any:
    """tf-idf rows of texts given as n-grams."""
    columns, weights, starts = [], [], [0]
    for text in texts:
        column, weight, _ = vocabulary.weigh(text)
        columns.append(column)
        weights.append(weight)
        starts.append(starts[-1] + len(column))
    data = np.concatenate(weights) if weights else np.empty(0, dtype=np.float32)
    places = np.concatenate(columns) if columns else np.empty(0, dtype=np.intp)
    return scipy.sparse.csr_matrix((data, places, starts), shape=(len(texts), len(vocabulary)), dtype=np.float32)


def fit_classifier(
    texts: Sequence[str], labels: Sequence[str], vectors: Floats | None, seed: int = 0
) -> tuple[IntentClassifier, list[str]]:
    """Train on texts, their intents and, where used, their sentence vectors.

    Returns the classifier, and for each text the intent found by the model trained without it. The
    result is the same for the same input. Raises ConfigError for fewer than two intents.
    """
    folded = [fold(clean(text)) for text in texts]
    intents = tuple(sorted(set(labels)))
    if len(intents) < _MIN_EXAMPLES:
        raise ConfigError(Problem("nlu/data", 0, "training needs examples of at least two intents"))
    chars = [char_ngrams(text) for text in folded]
    words = [word_ngrams(text) for text in folded]
    char_vocabulary, word_vocabulary = build_vocabulary(chars), build_vocabulary(words)
    views = Views(sparse_rows(char_vocabulary, chars), sparse_rows(word_vocabulary, words), vectors)
    index = {intent: number for number, intent in enumerate(intents)}
    truth = np.array([index[label] for label in labels])
    targets = np.full((len(truth), len(intents)), -1 / (len(intents) - 1), dtype=np.float32)
    targets[np.arange(len(truth)), truth] = 1
    ridge = RIDGE_ALONE if vectors is None else RIDGE_WITH_VECTORS
    if len(truth) <= EXACT:
        anchors = views
        weights, held_out = _solve_all(views, targets, ridge)
    else:
        anchors = views.rows(_sample(truth, ANCHORS, seed))
        weights, held_out = _solve_sample(views, anchors, targets, ridge)
    mixing, bias = _calibrate(held_out, truth, len(intents))
    guesses = [intents[place] for place in (held_out @ mixing + bias).argmax(axis=1).tolist()]
    classifier = IntentClassifier(
        intents=intents,
        chars=char_vocabulary,
        words=word_vocabulary,
        char_weights=np.asarray(anchors.chars.T @ weights, dtype=np.float32) * np.float32(TFIDF_SHARE),
        word_weights=np.asarray(anchors.words.T @ weights, dtype=np.float32) * np.float32(TFIDF_SHARE),
        anchors=anchors.vectors if anchors.vectors is not None else np.empty((0, 0), dtype=np.float32),
        anchor_weights=weights if anchors.vectors is not None else np.empty((0, len(intents)), dtype=np.float32),
        gamma=GAMMA,
        mixing=mixing,
        bias=bias,
    )
    return classifier, guesses


def _solve_all(views: Views, targets: Floats, ridge: float) -> tuple[Floats, Floats]:
    """Exact kernel ridge: the weights, and each example's score by the model trained without it."""
    gram = views.kernel(views)
    gram[np.diag_indices_from(gram)] += np.float32(ridge)
    factor, lower = scipy.linalg.cho_factor(gram, lower=True, overwrite_a=True, check_finite=False)
    weights: Floats = scipy.linalg.cho_solve((factor, lower), targets, check_finite=False)
    # Only the inverse's diagonal is needed: a third of the work of solving for all of it.
    inverse, failed = scipy.linalg.lapack.spotri(factor, lower=True, overwrite_c=True)
    if failed:
        raise ValueError(f"the kernel matrix could not be inverted ({failed})")
    held_out: Floats = (targets - weights / np.diag(inverse)[:, None]).astype(np.float32)
    return weights, held_out


def _solve_sample(views: Views, anchors: Views, targets: Floats, ridge: float) -> tuple[Floats, Floats]:
    """Kernel ridge restricted to some anchors, with leave-one-out scores from the hat matrix."""
    cross = views.kernel(anchors)
    normal = cross.T @ cross + np.float32(ridge) * anchors.kernel(anchors)
    normal[np.diag_indices_from(normal)] += np.float32(1e-3)
    factor = scipy.linalg.cho_factor(normal, lower=True, overwrite_a=True, check_finite=False)
    weights: Floats = scipy.linalg.cho_solve(factor, cross.T @ targets, check_finite=False)
    fitted: Floats = cross @ weights
    half = scipy.linalg.solve_triangular(factor[0], cross.T, lower=True, overwrite_b=True, check_finite=False)
    leverage: Floats = np.minimum(np.einsum("ij,ij->j", half, half), np.float32(0.999))[:, None]
    held_out: Floats = ((fitted - leverage * targets) / (1 - leverage)).astype(np.float32)
    return weights, held_out


def _sample(truth: npt.NDArray[np.intp], size: int, seed: int) -> npt.NDArray[np.intp]:
    """So many examples, each intent by its share."""
    order = np.random.default_rng(seed).permutation(len(truth))
    order = order[np.argsort(truth[order], kind="stable")]
    return np.sort(order[np.linspace(0, len(truth) - 1, size).round().astype(np.intp)])


def _calibrate(scores: Floats, truth: npt.NDArray[np.intp], count: int) -> tuple[Floats, Floats]:
    """A logistic regression from held-out scores to intents, as a matrix and a bias."""
    model = LogisticRegression(C=CALIBRATION_STRENGTH, max_iter=200, tol=1e-3)
    with warnings.catch_warnings():
        # Not quite converged is good enough here, and no news for an operator.
        warnings.simplefilter("ignore")
        model.fit(scores, truth)
    mixing, bias = model.coef_.T, model.intercept_
    if count == _MIN_EXAMPLES:
        mixing, bias = np.hstack([-mixing, mixing]) / 2, np.concatenate([-bias, bias]) / 2
    return mixing.astype(np.float32), bias.astype(np.float32)
