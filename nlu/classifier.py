"""Intent scores from a trained model, with numpy alone.

The model is a kernel ridge classifier over two views of a text: its sentence vector (a Gaussian
kernel against the training examples) and its tf-idf n-grams (a linear kernel, hence one weight
vector an intent). A logistic regression, fitted on the ridge's leave-one-out scores, turns the
scores into calibrated probabilities.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nlu.features import Floats, Vocabulary, char_ngrams, word_ngrams
from nlu.text import clean, fold

_MOSTLY = 0.8
_MIN_CASED = 4


def for_vectors(text: str) -> str:
    """The text as the sentence encoder gets it: cleaned; shouting is lowered."""
    text = clean(text)
    cased = [char for char in text if char.islower() or char.isupper()]
    if len(cased) >= _MIN_CASED and sum(map(str.isupper, cased)) >= _MOSTLY * len(cased):
        return text.lower()
    return text


@dataclass(frozen=True, slots=True)
class IntentClassifier:
    """A trained model. ``anchors`` are the training examples' vectors, without rows if unused."""

    intents: tuple[str, ...]
    chars: Vocabulary
    words: Vocabulary
    char_weights: Floats
    word_weights: Floats
    anchors: Floats
    anchor_weights: Floats
    gamma: float
    mixing: Floats
    bias: Floats

    @property
    def uses_vectors(self) -> bool:
        """Whether :meth:`probabilities` needs a sentence vector."""
        return len(self.anchors) > 0

    def scores(self, folded: str, vector: Floats | None) -> Floats:
        """Ridge scores of one text, about 1 for a certain intent and 0 for the others."""
        columns, weights, _ = self.chars.weigh(char_ngrams(folded))
        scores = weights @ self.char_weights[columns]
        columns, weights, _ = self.words.weigh(word_ngrams(folded))
        scores = scores + weights @ self.word_weights[columns]
        if self.uses_vectors and vector is not None:
            near = self.anchors @ vector
            near -= 1
            near *= np.float32(self.gamma)
            scores = scores + np.exp(near, out=near) @ self.anchor_weights
        found: Floats = scores.astype(np.float32)
        return found

    def probabilities(self, text: str, vector: Floats | None) -> Floats:
        """The calibrated probability of each intent, in the order of :attr:`intents`."""
        logits = (self.scores(fold(clean(text)), vector) @ self.mixing + self.bias).astype(np.float64)
        logits -= logits.max()
        odds = np.exp(logits)
        found: Floats = (odds / odds.sum()).astype(np.float32)
        return found

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """What to store; the large tables in half precision, which changes no decision in practice."""
        half = np.float16
        return {
            "char_hashes": self.chars.hashes,
            "char_idf": self.chars.idf,
            "word_hashes": self.words.hashes,
            "word_idf": self.words.idf,
            "char_weights": self.char_weights.astype(half),
            "word_weights": self.word_weights.astype(half),
            "anchors": self.anchors.astype(half),
            "anchor_weights": self.anchor_weights,
            "gamma": np.array([self.gamma], dtype=np.float32),
            "mixing": self.mixing,
            "bias": self.bias,
        }

    @classmethod
    def from_arrays(cls, intents: tuple[str, ...], arrays: Mapping[str, npt.NDArray[Any]]) -> IntentClassifier:
        """Read what :meth:`arrays` gave. Raises KeyError or ValueError for damaged data."""
        single = np.float32
        model = cls(
            intents=intents,
            chars=Vocabulary(arrays["char_hashes"], arrays["char_idf"]),
            words=Vocabulary(arrays["word_hashes"], arrays["word_idf"]),
            char_weights=arrays["char_weights"].astype(single),
            word_weights=arrays["word_weights"].astype(single),
            anchors=arrays["anchors"].astype(single),
            anchor_weights=arrays["anchor_weights"].astype(single),
            gamma=float(arrays["gamma"][0]),
            mixing=arrays["mixing"],
            bias=arrays["bias"],
        )
        if model.char_weights.shape != (len(model.chars), len(intents)) or model.bias.shape != (len(intents),):
            raise ValueError("the model's tables do not fit its intents")
        return model
