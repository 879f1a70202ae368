"""Cross-validation: the training data measured with models that have not seen it."""

from __future__ import annotations

import os
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial

import numpy as np
from threadpoolctl import threadpool_limits

from bot.config import Config, ConfigError, Problem
from nlu import store, vectors
from nlu.classifier import for_vectors
from nlu.evaluation import measures
from nlu.evaluation.measures import macro_f1, scores, share
from nlu.evaluation.messages import normal_form
from nlu.evaluation.report import CrossValidation, Mistake, confusions
from nlu.evaluation.similar import near_duplicates
from nlu.features import Floats
from nlu.training_data import Example, data_folder, load_training_data

Progress = Callable[[float, str], None]
"""Told how much is done (0 to 1) and what is being done."""


def cross_validate(
    config: Config, folds: int, languages: Collection[str] | None = None, progress: Progress | None = None
) -> CrossValidation:
    """Train ``folds`` times, each time without a part of the examples, and measure with that part.

    Every part has its share of each intent of each language, and texts that are nearly the same are
    in the same part. With ``languages`` only their examples are measured; training has all. Each
    example is taken to be in the language it is filed under: what is measured is the intents alone.

    Raises:
        ConfigError: the training data cannot be used, or has fewer examples than folds.
    """
    say = progress or (lambda _done, _what: None)
    started = time.perf_counter()
    examples = load_training_data(config).examples
    if len(examples) < folds * 2:
        message = f"{len(examples)} examples are too few for {folds} folds"
        raise ConfigError(Problem(data_folder(config).as_posix(), 0, message))
    say(0.0, "Looking for near-duplicates")
    fold_of = assign(examples, folds)
    encoded = _encode(config, examples, say)
    wanted = [not languages or example.language in languages for example in examples]
    found: dict[int, tuple[str, float]] = {}
    with threadpool_limits(os.cpu_count() or 1, user_api="blas"):
        for number in range(folds):
            say(0.1 + 0.9 * number / folds, f"Fold {number + 1} of {folds}")
            held_out = [place for place, fold in enumerate(fold_of) if fold == number and wanted[place]]
            found |= _fold(examples, encoded, [fold != number for fold in fold_of], held_out)
    measured = [(examples[place], *found[place]) for place in sorted(found)]
    accuracies = [
        share(examples[place].intent == found[place][0] for place in found if fold_of[place] == number)
        for number in range(folds)
    ]
    return _figures(measured, folds, accuracies, time.perf_counter() - started)


def assign(examples: Sequence[Example], folds: int) -> list[int]:
    """The fold of each example: balanced over intents and languages, near-duplicates together."""
    together = _groups(examples)
    members: dict[int, list[int]] = defaultdict(list)
    for place, group in enumerate(together):
        members[group].append(place)
    order = np.random.default_rng(0).permutation(sorted(members)).tolist()
    # Large groups first: they are the hardest to balance.
    order.sort(key=lambda group: -len(members[group]))
    load: dict[tuple[str, str], Counter[int]] = defaultdict(Counter)
    total: Counter[int] = Counter()
    fold_of = [0] * len(examples)
    for group in order:
        strata = [(examples[place].language, examples[place].intent) for place in members[group]]
        best = min(range(folds), key=lambda fold: (sum(load[stratum][fold] for stratum in strata), total[fold], fold))
        for place, stratum in zip(members[group], strata, strict=True):
            fold_of[place] = best
            load[stratum][best] += 1
            total[best] += 1
    return fold_of


def _groups(examples: Sequence[Example]) -> list[int]:
    """A number for each example, the same for texts that are nearly the same, directly or through others."""
    parent = list(range(len(examples)))

    def root(place: int) -> int:
        while parent[place] != place:
            parent[place] = parent[parent[place]]
            place = parent[place]
        return place

    first: dict[str, int] = {}
    by_language: dict[str, list[int]] = defaultdict(list)
    for place, example in enumerate(examples):
        parent[root(place)] = root(first.setdefault(normal_form(example.text), place))
        by_language[example.language].append(place)
    for places in by_language.values():
        for left, right, _ in near_duplicates([examples[place].text for place in places]):
            parent[root(places[right])] = root(places[left])
    return [root(place) for place in range(len(examples))]


def _encode(config: Config, examples: Sequence[Example], say: Progress) -> Mapping[str, Floats] | None:
    """The sentence vectors of the examples and of what their intents are called; None where none are used."""
    from nlu.fit import spoken_name

    encoders = store.encoders(config, len(examples))
    if not encoders:
        return None
    texts = [example.text for example in examples]
    # Of a part of the examples there may be too few where there are plenty of all.
    every = list(dict.fromkeys([*texts, *(spoken_name(example.intent) for example in examples)]))
    prepared = [for_vectors(text) for text in every]
    rows = vectors.encode_all(config.models_dir, encoders, prepared, lambda done: say(0.1 * done, "Encoding examples"))
    return dict(zip(every, rows, strict=True))


def _fold(
    examples: Sequence[Example],
    encoded: Mapping[str, Floats] | None,
    training: Sequence[bool],
    held_out: Sequence[int],
) -> dict[int, tuple[str, float]]:
    """Train on some examples; the intent and confidence found for each of the held out ones."""
    from nlu.fit import fit_classifier

    chosen = np.flatnonzero(training).tolist()
    classifier, _ = fit_classifier(
        [examples[place].text for place in chosen],
        [examples[place].intent for place in chosen],
        [examples[place].language for place in chosen],
        partial(_rows, encoded) if encoded else None,
    )
    found = {}
    for place in held_out:
        languages = {examples[place].language: 1.0}
        chances = classifier.probabilities(
            examples[place].text, languages, partial(_vector, encoded, examples[place].text)
        )
        best = int(chances.argmax())
        found[place] = (classifier.intents[best], float(chances[best]))
    return found


def _rows(encoded: Mapping[str, Floats], texts: Sequence[str]) -> Floats:
    return np.array([encoded[text] for text in texts])


def _vector(encoded: Mapping[str, Floats] | None, text: str, number: int) -> Floats:
    row = (encoded or {})[text]
    return row[vectors.DIMENSIONS :] if number else row[: vectors.DIMENSIONS]


def _figures(
    measured: Sequence[tuple[Example, str, float]], folds: int, accuracies: Sequence[float], seconds: float
) -> CrossValidation:
    labels = [(example.intent, intent) for example, intent, _ in measured]
    by_intent = scores(labels)
    groups: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for (example, _, _), label in zip(measured, labels, strict=True):
        groups[example.language].append(label)
    mistakes = [
        Mistake(example.text, example.language, example.intent, intent, round(sure, 4), example.file, example.line)
        for example, intent, sure in measured
        if intent != example.intent
    ]
    return CrossValidation(
        folds=folds,
        examples=len(measured),
        seconds=round(seconds, 1),
        accuracy=share(expected == found for expected, found in labels),
        accuracy_of_folds=tuple(accuracies),
        macro_f1=macro_f1(by_intent),
        calibration_error=measures.calibration_error(
            [(sure, example.intent == intent) for example, intent, sure in measured]
        ),
        by_language={
            language or "(any)": {
                "messages": len(pairs),
                "accuracy": share(expected == found for expected, found in pairs),
                "macro_f1": macro_f1(scores(pairs)),
            }
            for language, pairs in sorted(groups.items())
        },
        by_intent=by_intent,
        confusions=confusions(labels),
        mistakes=sorted(mistakes, key=lambda mistake: -mistake.confidence),
    )
