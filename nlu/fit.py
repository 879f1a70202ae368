"""Trains the intent classifier. Only the training process imports this (scikit-learn, scipy)."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from sklearn.linear_model import LogisticRegression

from bot.config import ConfigError, Problem
from nlu.blocks import (
    GAMMA,
    LANDMARKS,
    TFIDF_SHARES,
    Kept,
    Learnt,
    Task,
    forget,
    hits_of,
    join,
    landmarks,
    learnt_or_kept,
    tasks_of,
    with_shares,
)
from nlu.classifier import Block, Calibration, IntentClassifier, Stage, placed
from nlu.exact import Examples
from nlu.features import Floats
from nlu.text import clean, fold
from nlu.vectors import DIMENSIONS, FEW

STRENGTH, STRENGTH_OF_FEW = 10.0, 3.0
"""Inverse regularisation of the calibration; where there are few examples, on parts of which it was chosen."""

_PLENTY = 40
"""With fewer examples of an intent in a language, or fewer than :data:`nlu.vectors.FEW` of all, what intents are
called counts too, how much n-grams count is looked for in the examples themselves, and how sure the calibration is
is calibrated once more."""

STRENGTH_OF_TOP = 1000.0
_FOLDS = 5
_TELLING, _FLAT = 20, 0.5
"""With fewer examples understood or misunderstood, or a smaller slope, how sure it is cannot be calibrated."""

_TINY = 1e-6
_LEFT = 3 / 20
"""The share of a step's doubts that the second encoder is not asked to settle where examples are too few to tell."""

_WORSE, _SURELY = 0.002, 1.645
_MIN_EXAMPLES = 2
_SAMPLE = 16_000
_NEVER = -30.0
_SHARPNESS = (0.0, 5.0)
_ALWAYS = 1.1
_NONE: Floats = np.empty(0, dtype=np.float32)
_BETWEEN_WORDS = re.compile(r"(?<=[^\W\d_A-Z])(?=[A-Z])|[\W_]+")


def _plenty(labels: Sequence[str], languages: Sequence[str]) -> bool:
    return len(labels) >= max(FEW, _PLENTY * len(set(zip(languages, labels, strict=True))))


def spoken_name(intent: str) -> str:
    """What an intent is called, in words: "card_arrival" and "CardArrival" are "card arrival"."""
    return _BETWEEN_WORDS.sub(" ", intent).strip().lower()


def _names(labels: Sequence[str], languages: Sequence[str]) -> list[tuple[str, str, str]]:
    """What the intents of few examples are called, which says what they mean.

    Returns:
        The words, the intent and the language, for each language: names are in a language of their own, and
        vectors liken it to all.
    """
    spoken = {intent: spoken_name(intent) for intent in sorted(set(labels))}
    return [(said, intent, language) for language in sorted(set(languages)) for intent, said in spoken.items() if said]


def fit_classifier(
    texts: Sequence[str],
    labels: Sequence[str],
    languages: Sequence[str],
    encode: Callable[[Sequence[str]], Floats] | None,
    seed: int = 0,
    workers: Executor | None = None,
    kept: Kept | None = None,
) -> tuple[IntentClassifier, list[str]]:
    """Train on texts, their intents, their languages and, where ``encode`` gives them, sentence vectors.

    ``encode`` is asked for a row for each text: the vector of one encoder, or of two, one after the other. Where
    examples are few, it is asked for what intents are called as well (:func:`spoken_name`).

    ``workers`` learn blocks side by side; without them it is done here, one after another. Where ``kept``
    says, blocks of the last training are kept: a language of which nothing has changed is not learnt again.

    Returns the classifier, and for each example the intent found by the model trained without it. The
    result is the same for the same input. Raises ConfigError for fewer than two intents.
    """
    examples = len(texts)
    intents = tuple(sorted(set(labels)))
    if len(intents) < _MIN_EXAMPLES:
        raise ConfigError(Problem("nlu/data", 0, "training needs examples of at least two intents"))
    few = not _plenty(labels, languages)
    names = _names(labels, languages) if encode and few else []
    texts = [*texts, *(said for said, _, _ in names)]
    labels = [*labels, *(intent for _, intent, _ in names)]
    languages = [*languages, *(language for _, _, language in names)]
    number = {intent: place for place, intent in enumerate(intents)}
    columns = np.array([number[label] for label in labels])
    targets = np.full((len(columns), len(intents)), -1 / (len(intents) - 1), dtype=np.float32)
    targets[np.arange(len(columns)), columns] = 1
    random = np.random.default_rng(seed)
    centers, every = _placed(texts, encode(texts), examples) if encode else ([], [])
    choices = [
        tasks_of(
            texts[:size], targets[:size], languages[:size], [rows[:size] for rows in every], examples, random, kept
        )
        for size in ((len(texts), examples) if names else (examples,))
    ]
    tasks = _chosen(choices, workers) if names else choices[0]
    learnt = list((workers.map if workers else map)(learnt_or_kept, tasks))
    if kept is not None:
        forget(kept.folder, {kept.file(task.key()).name for task in tasks})
    truth = columns[:examples]
    quick, stages, held_out = _calibrated(tasks, learnt, centers, truth, random, few=few)
    classifier = IntentClassifier(
        intents=intents,
        blocks=tuple(
            Block(task.language, block.chars, block.words, block.quick)
            for task, block in zip(tasks, learnt, strict=True)
        ),
        gamma=GAMMA,
        quick=quick,
        stages=stages,
        examples=Examples.of([fold(clean(text)) for text in texts[:examples]], truth.tolist(), languages[:examples]),
    )
    return classifier, [intents[place] for place in held_out.argmax(axis=1).tolist()]


def _placed(texts: Sequence[str], vectors: Floats, examples: int) -> tuple[list[Floats], list[Floats]]:
    """For each stage with vectors the middle of the second encoder's, and the vectors as the stage sees them."""
    centers, every = [np.empty(0, dtype=np.float32)], [vectors[:, :DIMENSIONS]]
    if vectors.shape[1] > DIMENSIONS:
        # Of some, which stay the same when others come or go: else no block would be as it was.
        centers.append(vectors[landmarks(texts[:examples], LANDMARKS), DIMENSIONS:].mean(axis=0))
        every.append(placed(vectors, centers[-1]))
    return centers, every


def _chosen(choices: Sequence[list[Task]], workers: Executor | None) -> list[Task]:
    """Of tasks with and without what intents are called, those by which most examples are recognised without them.

    The share of n-grams in the kernel is chosen likewise, for each stage with vectors.
    """
    best: tuple[int, list[Task]] = -1, []
    for tasks in choices:
        hits = np.sum(list((workers.map if workers else map)(hits_of, tasks)), axis=0)
        right = int(hits.max(axis=1).sum())
        if right > best[0]:
            shares = [TFIDF_SHARES[place] for place in hits.argmax(axis=1).tolist()]
            best = right, [with_shares(task, shares) for task in tasks]
    return best[1]


def _calibrated(
    tasks: Sequence[Task],
    learnt: Sequence[Learnt],
    centers: Sequence[Floats],
    truth: npt.NDArray[np.intp],
    random: np.random.Generator,
    *,
    few: bool,
) -> tuple[Calibration, tuple[Stage, ...], Floats]:
    """The steps' calibrations by the examples alone, and each example's probabilities by the last step without it."""
    examples, count = len(truth), tasks[0].targets.shape[1]
    by_ngrams = np.empty((sum(len(task.index) for task in tasks), count), dtype=np.float32)
    for task, block in zip(tasks, learnt, strict=True):
        by_ngrams[task.index] = block.quick_scores
    scores = by_ngrams = by_ngrams[:examples]

    def calibrate(given: Floats, intents: npt.NDArray[np.intp] = truth) -> tuple[Calibration, Floats]:
        return _calibrate_few(given, intents, count) if few else (_calibrate(given, intents, count), _NONE)

    quick, sure = calibrate(scores)
    found, stages = quick, []
    for place, center in enumerate(centers):
        joined = join(place, tasks, learnt)
        sure_before, scores_before, scores = sure, scores, joined.held_out[:examples]
        alone, sure = calibrate(scores)
        across = _tempered(scores, truth)
        found, stacked = alone, Calibration.none()
        if examples >= 2 * count**2:  # else there would be more weights to learn than examples
            scores = np.hstack([by_ngrams, scores])
            stacked, sure = calibrate(scores)
            found = stacked
        if examples >= FEW:
            enough = _enough(scores_before, scores, truth, random, lambda given, own: calibrate(given, own)[0])
        else:
            enough = _least_sure(sure_before) if place else _surely(sure_before)
        stages.append(
            Stage(enough, joined.parts, joined.landmarks, joined.landmark_weights, center, alone, stacked, across)
        )
    return quick, tuple(stages), found.probabilities(scores)


def _enough(
    before: Floats,
    after: Floats,
    truth: npt.NDArray[np.intp],
    random: np.random.Generator,
    calibrate: Callable[[Floats, npt.NDArray[np.intp]], Calibration],
) -> float:
    """From which probability a step's word is taken without asking the next one.

    The lowest one at which, on examples kept out of training and of the calibration too, it surely (with 95 %
    confidence, one-sided: the normal approximation for the difference of paired proportions, McNemar 1947) costs
    at most :data:`_WORSE` of all messages against asking the next step always.

    Args:
        before: the step's scores of each example without it.
        after: the next step's.
        truth: the columns of the examples' intents, at least :data:`nlu.vectors.FEW`: with fewer there is no telling.
        random: which examples are looked at, where there are very many.
        calibrate: as the steps are calibrated.
    """
    rows = random.permutation(len(truth))[:_SAMPLE]
    halves = rows[::2], rows[1::2]
    sure, gain = [], []
    for own, other in (halves, halves[::-1]):
        first = calibrate(before[other], truth[other]).probabilities(before[own])
        second = calibrate(after[other], truth[other]).probabilities(after[own])
        sure.append(first.max(axis=1))
        gain.append((first.argmax(axis=1) == truth[own]).astype(np.int64) - (second.argmax(axis=1) == truth[own]))
    certainty = np.concatenate(sure)
    order = np.argsort(-certainty, kind="stable")
    gained = np.concatenate(gain)[order]
    unequal = np.cumsum(np.abs(gained))
    lost = (_SURELY * np.sqrt(unequal + 1) - np.cumsum(gained)) / len(order)
    # Looked for from the certain end: a lucky stretch among the doubtful ones proves nothing.
    worse = np.flatnonzero(lost > _WORSE)
    last = worse[0] - 1 if len(worse) else len(order) - 1
    return float(certainty[order[last]]) if last >= 0 else _ALWAYS


def _surely(sure: Floats) -> float:
    """From which probability the first step's word is taken where there are too few examples to compare steps.

    The lowest one at which, as far as its probabilities ``sure`` of examples without them are right, at most
    :data:`_WORSE` of all messages are misunderstood for that.
    """
    ordered = np.sort(sure)[::-1]
    taken = int(np.searchsorted(np.cumsum(1 - ordered), _WORSE * len(ordered), side="right"))
    return float(ordered[taken - 1]) if taken else _ALWAYS


def _least_sure(sure: Floats) -> float:
    """The probability that those messages fall short of which hold all doubt of a step but :data:`_LEFT`.

    Args:
        sure: how probable its most probable intent is, of examples without them.
    """
    ordered = np.sort(sure)[::-1]
    doubt = np.cumsum(1 - ordered)
    taken = int(np.searchsorted(doubt, _LEFT * doubt[-1], side="right")) if len(doubt) else 0
    return float(ordered[taken - 1]) if taken else _ALWAYS


def _calibrate(scores: Floats, truth: npt.NDArray[np.intp], count: int, strength: float = STRENGTH) -> Calibration:
    """A logistic regression from held-out scores to intents."""
    model = LogisticRegression(C=strength, max_iter=200, tol=1e-3)
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
    return Calibration(every[0].astype(np.float32), every[1].astype(np.float32))


def _tempered(scores: Floats, truth: npt.NDArray[np.intp]) -> Calibration:
    """The scores themselves, as sharp as makes the right intents of held-out ones likeliest.

    Temperature scaling: Guo and others, On calibration of modern neural networks, 2017.
    """
    rows = np.arange(len(truth))

    def surprise(log_sharpness: float) -> float:
        return -float(log_softmax(scores.astype(np.float64) * np.exp(log_sharpness), axis=1)[rows, truth].mean())

    sharpness = float(np.exp(minimize_scalar(surprise, bounds=_SHARPNESS, method="bounded").x))
    count = scores.shape[1]
    return Calibration(sharpness * np.eye(count, dtype=np.float32), np.zeros(count, dtype=np.float32))


def _calibrate_few(scores: Floats, truth: npt.NDArray[np.intp], count: int) -> tuple[Calibration, Floats]:
    """As :func:`_calibrate`, where few examples make the regression less sure than it may be.

    How sure is seen on each fifth of the examples, the regression fitted on the others.

    Returns:
        The calibration, and how probable the most probable intent of each example is without it; nothing where
        there are too few to tell.
    """
    found = _calibrate(scores, truth, count, STRENGTH_OF_FEW)
    order = np.random.default_rng(0).permutation(len(truth))
    tops, right = [], []
    for number in range(_FOLDS):
        own, others = order[number::_FOLDS], np.delete(order, np.s_[number::_FOLDS])
        if len(own) and len(set(truth[others].tolist())) >= _MIN_EXAMPLES:
            chances = _calibrate(scores[others], truth[others], count, STRENGTH_OF_FEW).probabilities(scores[own])
            tops.append(chances.max(axis=1).astype(np.float64).clip(_TINY, 1 - _TINY))
            right.append(chances.argmax(axis=1) == truth[own])
    if not tops:
        return found, _NONE
    top, hit = np.concatenate(tops), np.concatenate(right)
    if min(hit.sum(), (~hit).sum()) < _TELLING:
        return found, top.astype(np.float32)
    # Platt, Probabilistic outputs for support vector machines, 1999: no more is believed than so many can tell.
    likely = np.where(hit, (hit.sum() + 1) / (hit.sum() + 2), 1 / ((~hit).sum() + 2))
    logits = np.log(top / (1 - top))[:, None]
    model = LogisticRegression(C=STRENGTH_OF_TOP).fit(
        np.vstack([logits, logits]),
        np.repeat([True, False], len(hit)),
        sample_weight=np.concatenate([likely, 1 - likely]),
    )
    slope, intercept = float(model.coef_[0, 0]), float(model.intercept_[0])
    if slope < _FLAT:
        return found, top.astype(np.float32)
    return replace(found, top=(slope, intercept)), model.predict_proba(logits)[:, 1].astype(np.float32)
