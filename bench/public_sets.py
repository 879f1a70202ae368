"""The intent classifier on public data sets: ``python -m bench.public_sets FOLDER [--vectors both]``.

FOLDER holds BANKING77 (CSV files and the 10-shot draw), CLINC150 (10-shot subset) and xSID as JSON;
what is missing is left out. Nothing of them is in this repository and none of it trains what ships:
each set trains a classifier of its own with the settings that ship, on that set's training part,
and is measured once on its test part. As in the product, xSID's examples are filed by language, and which
language a message is in is found out by the identifier that ships, taught by the same examples.
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from threadpoolctl import threadpool_limits

from nlu import vectors
from nlu.classifier import IntentClassifier, for_vectors
from nlu.detectors import StatisticalDetector
from nlu.features import Floats
from nlu.fit import fit_classifier
from nlu.language import LanguageIdentifier, letters_only, train_language_model

Pairs = Sequence[Sequence[str]]
_BATCH = 256
_BOTH = 2


class Bench:
    """Trains and asks classifiers, with the same encoders for all.

    Raises NoEncoderError for encoders that are not installed.
    """

    def __init__(self, folder: Path, wanted: str) -> None:
        self._folder, self._wanted = folder, wanted
        self._encoders: tuple[vectors.Encoder, ...] = ()
        self._asked: Counter[int] = Counter()
        self._detector = StatisticalDetector()
        self._identifier: LanguageIdentifier | None = None

    def encode(self, texts: Sequence[str]) -> Floats:
        """A vector for each text, in the precision in which they are stored."""
        prepared = [for_vectors(text) for text in texts]
        parts = [
            np.hstack([encoder.encode(prepared[start : start + _BATCH]) for encoder in self._encoders])
            for start in range(0, len(prepared), _BATCH)
        ]
        return np.concatenate(parts).astype(np.float16).astype(np.float32)

    def vector(self, text: str, number: int) -> Floats:
        """What an encoder makes of a message, counted."""
        self._asked[number] += 1
        found: Floats = self._encoders[number].encode([for_vectors(text)])[0]
        return found

    def train(self, pairs: Pairs, languages: Sequence[str] = ()) -> tuple[IntentClassifier, float]:
        """A classifier for (text, intent) pairs, and the processor seconds it took, encoding included.

        Where the pairs' languages are named, they also teach what tells these languages apart.
        """
        begun = time.process_time()
        texts = [pair[0] for pair in pairs]
        tags = languages or [""] * len(texts)
        encoders = vectors.wanted(self._wanted, len(texts))
        vectors.prepare(self._folder, encoders)
        self._encoders = vectors.load(self._folder, encoders)
        classifier, _ = fit_classifier(texts, [pair[1] for pair in pairs], tags, self.encode)
        self._identifier = None
        if languages:
            model = train_language_model([letters_only(text) for text in texts], languages, sorted(set(languages)))
            self._identifier = LanguageIdentifier(model, self._detector)
        return classifier, time.process_time() - begun

    def languages(self, text: str) -> Mapping[str, float]:
        """How probable each language is for a text, as :class:`nlu.recognizers.embedded.EmbeddedRecognizer` asks."""
        if self._identifier is None:
            return {}
        foreign = self._identifier.identify(text).foreign
        return {foreign: 1.0} if foreign in vectors.LANGUAGES else self._identifier.shares(text)

    def ask(self, classifier: IntentClassifier, texts: Sequence[str]) -> tuple[Floats, list[float]]:
        """Probabilities, a row for each text, and the milliseconds each took."""
        rows, times = [], []
        for text in texts:
            begun = time.perf_counter()
            rows.append(classifier.probabilities(text, self.languages(text), partial(self.vector, text)))
            times.append(1000 * (time.perf_counter() - begun))
        return np.array(rows), times

    def compare(self, name: str, train: Pairs, test: Pairs) -> None:
        """The same examples and messages with logistic regression on the second encoder's vectors alone."""
        if len(self._encoders) < _BOTH:
            return
        learnt, asked = (self._encoders[1].encode([for_vectors(pair[0]) for pair in pairs]) for pairs in (train, test))
        center = learnt.mean(axis=0)
        learnt, asked = (
            rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (learnt - center, asked - center)
        )
        model = LogisticRegression(C=10, max_iter=400).fit(learnt, [pair[1] for pair in train])
        right = model.predict(asked) == np.array([pair[1] for pair in test])
        print(f"{name:<34} {100 * right.mean():5.1f} %  logistic regression on its vectors", flush=True)

    def measure(self, name: str, train: Pairs, test: Pairs, outside: Sequence[str] = ()) -> float:
        """Train, test and print; the accuracy in percent."""
        classifier, seconds = self.train(train)
        self._asked.clear()
        found, times = self.ask(classifier, [pair[0] for pair in test])
        asked = ", ".join(f"{100 * count / len(test):.0f} %" for _, count in sorted(self._asked.items()))
        right = np.array([classifier.intents[place] for place in found.argmax(axis=1).tolist()])
        accuracy = 100 * float((right == np.array([pair[1] for pair in test])).mean())
        words = f"{name:<34} {accuracy:5.1f} %  p50 {np.median(times):.2f} ms  mean {np.mean(times):.2f} ms"
        words += f"  encoders asked for {asked}"
        if outside:
            other, _ = self.ask(classifier, outside)
            truth = [0] * len(found) + [1] * len(other)
            area = roc_auc_score(truth, 1 - np.concatenate([found.max(axis=1), other.max(axis=1)]))
            words += f"  out-of-scope AUROC {area:.3f}"
        print(f"{words}  training {seconds:.0f} CPU-s", flush=True)
        return accuracy


def _csv(file: Path) -> list[list[str]]:
    with file.open(encoding="utf-8", newline="") as stream:
        return [[row["text"], row["category"]] for row in csv.DictReader(stream)]


def _xsid(bench: Bench, data: dict[str, dict[str, Pairs]]) -> None:
    english = data["valid"]["en"]
    every = [(text, intent, code) for code, pairs in data["valid"].items() for text, intent in pairs]
    classifier, seconds = bench.train(english, ["en"] * len(english))
    others = [code for code in ("de", "ar", "zh", "ja", "it", "tr") if code in data["test"]]
    found = [_accuracy(bench, classifier, data["test"][code]) for code in others]
    print(f"xSID, English only: mean of {' '.join(others)}  {np.mean(found):5.1f} %  training {seconds:.0f} CPU-s")
    classifier, seconds = bench.train([item[:2] for item in every], [item[2] for item in every])
    found = [_accuracy(bench, classifier, pairs) for pairs in data["test"].values()]
    print(f"xSID, all {len(found)} languages: mean  {np.mean(found):5.1f} %  training {seconds:.0f} CPU-s")


def _accuracy(bench: Bench, classifier: IntentClassifier, pairs: Pairs) -> float:
    found, _ = bench.ask(classifier, [pair[0] for pair in pairs])
    hits = [classifier.intents[place] == pair[1] for place, pair in zip(found.argmax(axis=1), pairs, strict=True)]
    return 100 * float(np.mean(hits))


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--vectors", choices=("auto", "both"), default="auto", help="as recognizer.vectors")
    options = parser.parse_args()
    folder = options.folder
    with tempfile.TemporaryDirectory(prefix="linguadesk-bench-") as work, threadpool_limits(1, user_api="blas"):
        bench = Bench(Path(work), options.vectors)

        def read(name: str) -> dict[str, Pairs] | None:
            file = folder / name
            return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None

        if data := read("banking77_10shot.json"):
            bench.measure("BANKING77, 10 examples an intent", data["train"], data["test"])
            bench.compare("  second encoder alone", data["train"], data["test"])
        if data := read("clinc150_10shot_subset.json"):
            outside = [item if isinstance(item, str) else item[0] for item in data["oos_test"]]
            bench.measure("CLINC150, 10 examples an intent", data["train"], data["test"], outside)
            bench.compare("  second encoder alone", data["train"], data["test"])
            if whole := read("clinc150_full.json"):
                outside = [pair[0] for pair in whole["oos_test"]]
                bench.measure("  its whole test part", data["train"], whole["test"], outside)
                bench.compare("  second encoder alone", data["train"], whole["test"])
        if xsid := read("xsid.json"):
            _xsid(bench, xsid)  # type: ignore[arg-type]
        if (folder / "banking77_train.csv").is_file():
            bench.measure("BANKING77, whole", _csv(folder / "banking77_train.csv"), _csv(folder / "banking77_test.csv"))


if __name__ == "__main__":
    main()
