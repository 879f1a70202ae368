"""Intent probabilities from a trained model, with numpy alone.

The model is a kernel ridge classifier over views of a text: its tf-idf n-grams (a linear kernel,
hence one weight vector an intent) and its sentence vector (a Gaussian kernel against the training
examples). It comes in blocks, one a language: within a block the kernel is exact, across blocks the
vectors' kernel goes through landmarks that all languages share ("partially independent conditional"
approximation: Snelson and Ghahramani, Local and global sparse Gaussian process approximations,
2007). A text is scored by the blocks of the languages it may be in, each by how probable that is.

Recognition is a cascade: n-grams alone first; then, for a text of which they are not sure, with the
sentence vector, which costs several times more; then, where a second encoder is used, for a text that still
is unclear, with the vectors of both. At each step a logistic regression, fitted on
scores of examples by models trained without them, turns scores into calibrated probabilities. Where
there are examples enough to learn it, those with vectors also weigh what n-grams have found (stacking:
Wolpert, Stacked generalization, 1992).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
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
_TINY, _AHEAD = 1e-9, 1.001


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
    second /= np.maximum(np.linalg.norm(second, axis=-1, keepdims=True), _TINY)
    return np.concatenate((vectors[..., : -len(center)], second), axis=-1) * np.float32(np.sqrt(0.5))


@dataclass(frozen=True, slots=True)
class Calibration:
    """From ridge scores to probabilities.

    Attributes:
        mixing: of a logistic regression, a row for each score, a column for each intent.
        bias: of each intent.
        top: slope and intercept of the logit of the most probable intent's probability (Platt scaling of the
            top label: Gupta and Ramdas, Top-label calibration, 2022); ``(1, 0)`` leaves it as it is.
    """

    mixing: Floats
    bias: Floats
    top: tuple[float, float] = (1.0, 0.0)

    @classmethod
    def none(cls) -> Calibration:
        """In the place of one that is not used."""
        return cls(np.empty((0, 0), dtype=np.float32), np.empty(0, dtype=np.float32))

    def probabilities(self, scores: Floats) -> Floats:
        """Calibrated probabilities of scores; rows of them for rows."""
        logits = (scores @ self.mixing + self.bias).astype(np.float64)
        logits -= logits.max(axis=-1, keepdims=True)
        odds = np.exp(logits)
        odds /= odds.sum(axis=-1, keepdims=True)
        found: Floats = (odds if self.top == (1.0, 0.0) else self._scaled(odds)).astype(np.float32)
        return found

    def _scaled(self, odds: Array) -> Array:
        """The most probable intent's probability scaled; the others share the rest as before, and stay behind it."""
        ordered = np.partition(odds, -2, axis=-1)
        first, second = ordered[..., -1:], ordered[..., -2:-1]
        rest = np.maximum(1 - first, _TINY)
        slope, intercept = self.top
        scaled = 1 / (1 + (rest / first) ** slope * np.exp(-intercept))
        ahead = second * _AHEAD
        scaled = np.maximum(scaled, ahead / (rest + ahead))
        spread: Array = odds * ((1 - scaled) / rest)
        np.put_along_axis(spread, odds.argmax(axis=-1, keepdims=True), scaled, axis=-1)
        shared: Array = spread / spread.sum(axis=-1, keepdims=True)
        return shared

    def arrays(self, name: str) -> dict[str, Array]:
        """What to store."""
        return {
            f"{name}_mixing": self.mixing,
            f"{name}_bias": self.bias,
            f"{name}_top": np.array(self.top, dtype=np.float64),
        }

    @classmethod
    def from_arrays(cls, name: str, arrays: Mapping[str, Array]) -> Calibration:
        """Read what :meth:`arrays` gave. Raises KeyError or ValueError for damaged data."""
        slope, intercept = arrays[f"{name}_top"].tolist()
        return cls(arrays[f"{name}_mixing"], arrays[f"{name}_bias"], (slope, intercept))


@dataclass(frozen=True, slots=True)
class Block:
    """What n-grams say by the examples of one language (or of a part of them).

    Attributes:
        language: which, empty when the examples do not say.
        chars: character n-grams.
        words: words and pairs of them.
        quick: weights, a row for each n-gram (characters, then words), a column for each intent.
    """

    language: str
    chars: Vocabulary
    words: Vocabulary
    quick: Array

    def weigh(self, folded: str) -> tuple[Array, Floats]:
        """Rows of :attr:`quick` (and of :attr:`Part.full`) that a text has, and its weight in each."""
        char_rows, char_weights, _ = self.chars.weigh(char_ngrams(folded))
        word_rows, word_weights, _ = self.words.weigh(word_ngrams(folded))
        return (
            np.concatenate((char_rows, word_rows + len(self.chars))),
            np.concatenate((char_weights, word_weights)),
        )


@dataclass(frozen=True, slots=True)
class Part:
    """What a stage with vectors has learnt from a block's examples.

    Attributes:
        full: weights as :attr:`Block.quick`, where vectors count too.
        anchors: the examples' vectors.
        anchor_weights: a row for each anchor.
        shared: what the landmarks would say of this block's examples, which the anchors say exactly;
            a row for each landmark.
    """

    full: Array
    anchors: Floats
    anchor_weights: Floats
    shared: Floats

    def near(self, vector: Floats, gamma: float, landmarks: Floats) -> Floats:
        """Scores by likeness to the examples, beyond what the landmarks know."""
        found: Floats = gaussian(self.anchors, vector, gamma) @ self.anchor_weights
        return found - landmarks @ self.shared if len(landmarks) else found


@dataclass(frozen=True, slots=True)
class Stage:
    """A step of the cascade at which n-grams and vectors count together.

    Attributes:
        enough: the probability from which the word of the step before is taken.
        parts: what was learnt of each block, in their order.
        landmarks: vectors that all blocks share; without rows for a single block.
        landmark_weights: a row for each landmark.
        center: where vectors of two encoders are used, the middle of the second one's; else without numbers.
        alone: calibration by this stage's scores.
        stacked: calibration that knows the n-grams' scores too, which come before its own;
            without rows where those are no help.
        across: calibration for a language without examples, to which weights learnt from the ways in which
            intents are mistaken for each other in another one do not carry over.
    """

    enough: float
    parts: tuple[Part, ...]
    landmarks: Floats
    landmark_weights: Floats
    center: Floats
    alone: Calibration
    stacked: Calibration
    across: Calibration

    def near(self, vector: Floats, shares: Sequence[tuple[np.float32, int]], gamma: float) -> Floats:
        """Scores by likeness to examples: those of the blocks of which shares are given, and through the landmarks."""
        known = gaussian(self.landmarks, vector, gamma) if len(self.landmarks) else self.landmarks
        found = known @ self.landmark_weights if len(known) else np.zeros(len(self.alone.bias), dtype=np.float32)
        for share, number in shares:
            found = found + share * self.parts[number].near(vector, gamma, known)
        return found

    def arrays(self) -> dict[str, Array]:
        """What to store; the n-grams' table in half precision, which changes no decision in practice."""
        found: dict[str, Array] = {
            "numbers": np.array([self.enough], dtype=np.float32),
            "landmarks": self.landmarks,
            "landmark_weights": self.landmark_weights,
            "center": self.center,
            **self.alone.arrays("alone"),
            **self.stacked.arrays("stacked"),
            **self.across.arrays("across"),
        }
        for number, part in enumerate(self.parts):
            found |= {f"part{number}_{name}": getattr(part, name) for name in _PART}
            found[f"part{number}_full"] = part.full.astype(np.float16)
        return found

    @classmethod
    def from_arrays(cls, blocks: int, arrays: Mapping[str, Array]) -> Stage:
        """Read what :meth:`arrays` gave. Raises KeyError or ValueError for damaged data."""
        parts = [Part(**{name: arrays[f"part{number}_{name}"] for name in _PART}) for number in range(blocks)]
        (enough,) = arrays["numbers"].tolist()
        return cls(
            enough=enough,
            parts=tuple(parts),
            landmarks=arrays["landmarks"],
            landmark_weights=arrays["landmark_weights"],
            center=arrays["center"],
            alone=Calibration.from_arrays("alone", arrays),
            stacked=Calibration.from_arrays("stacked", arrays),
            across=Calibration.from_arrays("across", arrays),
        )


_PART = ("full", "anchors", "anchor_weights", "shared")


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
        blocks: what n-grams say, by language.
        gamma: width of the Gaussian kernel.
        quick: calibration of what n-grams say.
        stages: those with the vectors of the first encoder, then with those of both; none without vectors.
        examples: what it was learnt from, to know it again.
    """

    intents: tuple[str, ...]
    blocks: tuple[Block, ...]
    gamma: float
    quick: Calibration
    stages: tuple[Stage, ...]
    examples: Examples

    @property
    def encoders(self) -> int:
        """For how many encoders' vectors :meth:`probabilities` may ask."""
        return len(self.stages)

    def support(self, folded: str) -> float:
        """The share of a text's character n-grams that examples of some language have; 1 for an example."""
        if self.examples.knows(folded):
            return 1.0
        ngrams = char_ngrams(folded)
        return max(block.chars.weigh(ngrams)[2] for block in self.blocks)

    def probabilities(self, text: str, languages: Mapping[str, float], encode: Callable[[int], Floats]) -> Floats:
        """The calibrated probability of each intent, in the order of :attr:`intents`.

        Args:
            text: a message.
            languages: how probable each language is for it.
            encode: gives its vector as an encoder made it, by the encoder's number (0, 1); asked only where it
                is needed.
        """
        folded = fold(clean(text))
        chosen = self._chosen(languages)
        if self.stages and self._foreign(languages):
            # Only what the vector of the first encoder says; the second one's tells languages apart more than
            # what is said in them.
            return self.stages[0].across.probabilities(self.stages[0].near(encode(0), chosen, self.gamma))
        weighed = [(share, number, *self.blocks[number].weigh(folded)) for share, number in chosen]
        by_ngrams = np.zeros(len(self.intents), dtype=np.float32)
        for share, number, rows, weights in weighed:
            by_ngrams += share * (weights @ self.blocks[number].quick[rows].astype(np.float32))
        found = self.quick.probabilities(by_ngrams)
        if (exact := self.examples.intents_of(folded, languages, len(found))) is not None:
            return (1 - _LEARNT) * found + _LEARNT * exact
        vectors: list[Floats] = []
        for stage in self.stages:
            if found.max() >= stage.enough:
                break
            vectors.append(encode(len(vectors)))
            scores = stage.near(placed(np.concatenate(vectors), stage.center), chosen, self.gamma)
            for share, number, rows, weights in weighed:
                scores += share * (weights @ stage.parts[number].full[rows].astype(np.float32))
            if len(stage.stacked.mixing):
                found = stage.stacked.probabilities(np.concatenate((by_ngrams, scores)))
            else:
                found = stage.alone.probabilities(scores)
        return found

    def _foreign(self, languages: Mapping[str, float]) -> bool:
        """Whether a text is in a language of which there are no examples, but which the vectors know.

        Its n-grams then mean nothing here.
        """
        own = {block.language for block in self.blocks}
        known = sum(share for code, share in languages.items() if code in LANGUAGES and code not in own)
        return "" not in own and known > _MOSTLY

    def _chosen(self, languages: Mapping[str, float]) -> list[tuple[np.float32, int]]:
        """The blocks that count for a text, by number, and their shares, which sum to 1."""
        if len(self.blocks) == 1:
            return [(np.float32(1), 0)]
        known = [(languages.get(block.language, 0.0), number) for number, block in enumerate(self.blocks)]
        known.sort(key=lambda item: -item[0])
        first = self.blocks[known[0][1]].language
        parts = sum(block.language == first for block in self.blocks)
        chosen = [item for item in known[: _BLOCKS * parts] if item[0] >= _SHARE] or known[:1]
        total = sum(share for share, _ in chosen)
        return [(np.float32(share / total if total else 1 / len(chosen)), number) for share, number in chosen]

    def arrays(self) -> dict[str, Array]:
        """What to store; the n-grams' tables in half precision, which changes no decision in practice."""
        found: dict[str, Array] = {
            "numbers": np.array([self.gamma, len(self.stages)], dtype=np.float32),
            **self.quick.arrays("quick"),
            **self.examples.arrays(),
        }
        for number, block in enumerate(self.blocks):
            own: dict[str, Array] = {
                "char_hashes": block.chars.hashes,
                "char_idf": block.chars.idf,
                "word_hashes": block.words.hashes,
                "word_idf": block.words.idf,
                "quick": block.quick.astype(np.float16),
            }
            found |= {f"block{number}_{name}": array for name, array in own.items()}
        for number, stage in enumerate(self.stages):
            found |= {f"stage{number}_{name}": array for name, array in stage.arrays().items()}
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
            chars, words = (
                Vocabulary(arrays[f"block{number}_{kind}_hashes"], arrays[f"block{number}_{kind}_idf"])
                for kind in ("char", "word")
            )
            block = Block(language, chars, words, arrays[f"block{number}_quick"])
            if block.quick.shape != (len(chars) + len(words), len(intents)):
                raise ValueError("the model's tables do not fit its intents")
            blocks.append(block)
        gamma, stages = arrays["numbers"].tolist()
        return cls(
            intents=intents,
            blocks=tuple(blocks),
            gamma=gamma,
            quick=Calibration.from_arrays("quick", arrays),
            stages=tuple(
                Stage.from_arrays(len(blocks), _under(f"stage{number}_", arrays)) for number in range(int(stages))
            ),
            examples=Examples.from_arrays(languages, arrays),
        )


def _under(prefix: str, arrays: Mapping[str, Array]) -> dict[str, Array]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
