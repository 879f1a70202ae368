"""Intent probabilities from a trained model, with numpy alone.

The model is a kernel ridge classifier over two views of a text: its tf-idf n-grams (a linear kernel,
hence one weight vector an intent) and its sentence vector (a Gaussian kernel against the training
examples). It comes in blocks, one a language: within a block the kernel is exact, across blocks the
vectors' kernel goes through landmarks that all languages share ("partially independent conditional"
approximation: Snelson and Ghahramani, Local and global sparse Gaussian process approximations,
2007). A text is scored by the blocks of the languages it may be in, each by how probable that is.

Recognition is a cascade: n-grams alone first, and the sentence vector, which costs several times
more, only for a text of which they are not sure. For either stage a logistic regression, fitted on
scores of examples by models trained without them, turns scores into calibrated probabilities. Where
there are examples enough to learn it, the second stage's also weighs what the first has found (stacking:
Wolpert, Stacked generalization, 1992).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from nlu.exact import Examples
from nlu.features import Floats, Vocabulary, char_ngrams, word_ngrams
from nlu.text import clean, fold
from nlu.vectors import LANGUAGES

Array = npt.NDArray[Any]

_MOSTLY = 0.8
_MIN_CASED = 4
_BLOCKS = 3
_LEARNT = np.float32(0.95)
_SHARE = 0.02


def for_vectors(text: str) -> str:
    """The text as the sentence encoder gets it: cleaned; shouting is lowered."""
    text = clean(text)
    cased = [char for char in text if char.islower() or char.isupper()]
    if len(cased) >= _MIN_CASED and sum(map(str.isupper, cased)) >= _MOSTLY * len(cased):
        return text.lower()
    return text


def placed(vectors: Floats, center: Floats) -> Floats:
    """Vectors of two encoders as one unit vector each, either encoder's half as important.

    All vectors of the second encoder point nearly the same way; what tells them apart is how they differ from
    their middle. Vectors of one encoder stay as they are.

    Args:
        vectors: rows, or one.
        center: the middle of the second encoder's numbers, which are the last; without numbers for one encoder.
    """
    if not len(center):
        return vectors
    second = vectors[..., -len(center) :] - center
    second /= np.linalg.norm(second, axis=-1, keepdims=True)
    return np.concatenate((vectors[..., : -len(center)], second), axis=-1) * np.float32(np.sqrt(0.5))


@dataclass(frozen=True, slots=True)
class Stage:
    """From ridge scores to probabilities."""

    mixing: Floats
    bias: Floats

    def probabilities(self, scores: Floats) -> Floats:
        """Calibrated probabilities of scores; rows of them for rows."""
        logits = (scores @ self.mixing + self.bias).astype(np.float64)
        logits -= logits.max(axis=-1, keepdims=True)
        odds = np.exp(logits)
        found: Floats = (odds / odds.sum(axis=-1, keepdims=True)).astype(np.float32)
        return found


@dataclass(frozen=True, slots=True)
class Block:
    """What was learnt from the examples of one language (or of a part of them).

    Attributes:
        language: which, empty when the examples do not say.
        chars: character n-grams.
        words: words and pairs of them.
        quick: weights of the first stage, a row for each n-gram (characters, then words), a column
            for each intent.
        full: the same for the second stage; without rows when no vectors are used.
        anchors: the examples' sentence vectors.
        anchor_weights: a row for each anchor.
        shared: what the landmarks would say of this block's examples, which the anchors say exactly;
            a row for each landmark.
    """

    language: str
    chars: Vocabulary
    words: Vocabulary
    quick: Array
    full: Array
    anchors: Floats
    anchor_weights: Floats
    shared: Floats

    def weigh(self, folded: str) -> tuple[Array, Floats]:
        """Rows of :attr:`quick` and :attr:`full` that a text has, and its weight in each."""
        char_rows, char_weights, _ = self.chars.weigh(char_ngrams(folded))
        word_rows, word_weights, _ = self.words.weigh(word_ngrams(folded))
        return (
            np.concatenate((char_rows, word_rows + len(self.chars))),
            np.concatenate((char_weights, word_weights)),
        )

    def near(self, vector: Floats, gamma: float, landmarks: Floats) -> Floats:
        """Scores by likeness to the examples, beyond what the landmarks know."""
        found: Floats = gaussian(self.anchors, vector, gamma) @ self.anchor_weights
        return found - landmarks @ self.shared if len(landmarks) else found


def gaussian(rows: Floats, vector: Floats, gamma: float) -> Floats:
    """How near each of some unit vectors is to one, from near 0 to 1 for the same."""
    near = rows @ vector
    near -= 1
    near *= np.float32(gamma)
    found: Floats = np.exp(near, out=near)
    return found


@dataclass(frozen=True, slots=True)
class IntentClassifier:
    """A trained model.

    Attributes:
        intents: the columns of every table.
        blocks: what was learnt, by language.
        landmarks: sentence vectors that all blocks share; without rows for a single block.
        landmark_weights: a row for each landmark.
        gamma: width of the Gaussian kernel.
        quick: calibration of the first stage.
        full: calibration of the second.
        both: calibration of the second that knows the first one's scores too, which come before its own;
            without rows where those are no help.
        enough: the first stage's probability from which its word is taken.
        examples: what it was learnt from, to know it again.
        center: where vectors of two encoders are used, the middle of the second one's; else without numbers.
    """

    intents: tuple[str, ...]
    blocks: tuple[Block, ...]
    landmarks: Floats
    landmark_weights: Floats
    gamma: float
    quick: Stage
    full: Stage
    both: Stage
    enough: float
    examples: Examples
    center: Floats = field(default_factory=lambda: np.empty(0, dtype=np.float32))

    @property
    def uses_vectors(self) -> bool:
        """Whether :meth:`probabilities` may ask for a sentence vector."""
        return any(len(block.anchors) for block in self.blocks)

    def support(self, folded: str) -> float:
        """The share of a text's character n-grams that examples of some language have; 1 for an example."""
        if self.examples.knows(folded):
            return 1.0
        ngrams = char_ngrams(folded)
        return max(block.chars.weigh(ngrams)[2] for block in self.blocks)

    def probabilities(self, text: str, languages: Mapping[str, float], encode: Callable[[], Floats]) -> Floats:
        """The calibrated probability of each intent, in the order of :attr:`intents`.

        Args:
            text: a message.
            languages: how probable each language is for it.
            encode: gives its sentence vector as the encoders made it; asked only where it is needed.
        """
        folded = fold(clean(text))
        chosen = self._chosen(languages)
        foreign = self.uses_vectors and self._foreign(languages)
        alone, scores = np.zeros((2, len(self.intents)), dtype=np.float32)
        if not foreign:
            weighed = [(share, block, *block.weigh(folded)) for share, block in chosen]
            for share, block, rows, weights in weighed:
                alone += share * (weights @ block.quick[rows].astype(np.float32))
            found = self.quick.probabilities(alone)
            if (exact := self.examples.intents_of(folded, languages, len(found))) is not None:
                return (1 - _LEARNT) * found + _LEARNT * exact
            if not self.uses_vectors or found.max() >= self.enough:
                return found
            for share, block, rows, weights in weighed:
                scores += share * (weights @ block.full[rows].astype(np.float32))
        vector = placed(encode(), self.center)
        if foreign:
            vector = self._across(vector)
        near = gaussian(self.landmarks, vector, self.gamma) if len(self.landmarks) else self.landmarks
        if len(near):
            scores += near @ self.landmark_weights
        for share, block in chosen:
            scores += share * block.near(vector, self.gamma, near)
        if foreign or not len(self.both.mixing):
            return self.full.probabilities(scores)
        return self.both.probabilities(np.concatenate((alone, scores)))

    def _foreign(self, languages: Mapping[str, float]) -> bool:
        """Whether a text is in a language of which there are no examples, but which the vectors know.

        Its n-grams then mean nothing here.
        """
        own = {block.language for block in self.blocks}
        known = sum(share for code, share in languages.items() if code in LANGUAGES and code not in own)
        return "" not in own and known > _MOSTLY

    def _across(self, vector: Floats) -> Floats:
        """The vector that likens a text to those of other languages: by the first encoder's numbers alone.

        The second one's tell languages apart more than what is said in them.
        """
        if not len(self.center):
            return vector
        common = vector[: -len(self.center)]
        found = np.zeros_like(vector)
        found[: len(common)] = common / (common @ common)
        return found

    def _chosen(self, languages: Mapping[str, float]) -> list[tuple[np.float32, Block]]:
        """The blocks that count for a text and their shares, which sum to 1."""
        if len(self.blocks) == 1:
            return [(np.float32(1), self.blocks[0])]
        known = [(languages.get(block.language, 0.0), block) for block in self.blocks]
        known.sort(key=lambda item: -item[0])
        parts = sum(block.language == known[0][1].language for block in self.blocks)
        chosen = [item for item in known[: _BLOCKS * parts] if item[0] >= _SHARE] or known[:1]
        total = sum(share for share, _ in chosen)
        return [(np.float32(share / total if total else 1 / len(chosen)), block) for share, block in chosen]

    def arrays(self) -> dict[str, Array]:
        """What to store; the n-grams' tables in half precision, which changes no decision in practice."""
        found: dict[str, Array] = {
            "landmarks": self.landmarks,
            "landmark_weights": self.landmark_weights,
            "numbers": np.array([self.gamma, self.enough], dtype=np.float32),
            "center": self.center,
            **self.examples.arrays(),
        }
        for name, stage in (("quick", self.quick), ("full", self.full), ("both", self.both)):
            found |= {f"{name}_mixing": stage.mixing, f"{name}_bias": stage.bias}
        for number, block in enumerate(self.blocks):
            own: dict[str, Array] = {
                "char_hashes": block.chars.hashes,
                "char_idf": block.chars.idf,
                "word_hashes": block.words.hashes,
                "word_idf": block.words.idf,
                "quick": block.quick.astype(np.float16),
                "full": block.full.astype(np.float16),
                "anchors": block.anchors,
                "anchor_weights": block.anchor_weights,
                "shared": block.shared,
            }
            found |= {f"block{number}_{name}": array for name, array in own.items()}
        return found

    @classmethod
    def from_arrays(
        cls, intents: tuple[str, ...], languages: Sequence[str], arrays: Mapping[str, Array]
    ) -> IntentClassifier:
        """Read what :meth:`arrays` gave; ``languages`` are those of the blocks.

        Raises KeyError or ValueError for damaged data.
        """
        blocks = []
        for number, language in enumerate(languages):
            own = {
                name: arrays[f"block{number}_{name}"]
                for name in ("quick", "full", "anchors", "anchor_weights", "shared")
            }
            chars, words = (
                Vocabulary(arrays[f"block{number}_{kind}_hashes"], arrays[f"block{number}_{kind}_idf"])
                for kind in ("char", "word")
            )
            block = Block(language, chars, words, **own)
            if block.quick.shape != (len(chars) + len(words), len(intents)):
                raise ValueError("the model's tables do not fit its intents")
            blocks.append(block)
        gamma, enough = arrays["numbers"].tolist()
        return cls(
            intents=intents,
            blocks=tuple(blocks),
            landmarks=arrays["landmarks"],
            landmark_weights=arrays["landmark_weights"],
            gamma=gamma,
            quick=Stage(arrays["quick_mixing"], arrays["quick_bias"]),
            full=Stage(arrays["full_mixing"], arrays["full_bias"]),
            both=Stage(arrays["both_mixing"], arrays["both_bias"]),
            enough=enough,
            examples=Examples.from_arrays(languages, arrays),
            center=arrays["center"],
        )
