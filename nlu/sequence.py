"""Entities learnt from the annotated examples: a conditional random field over small tokens."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pycrfsuite

from nlu.found import Found
from nlu.phrases import HANGUL, MARKS, UNSPACED, fold_same_length
from nlu.text import align
from nlu.training_data import Example

LEARNT = ("amount", "date", "product", "rating", "size")
_TOKEN = re.compile(
    rf"[{UNSPACED}{HANGUL}]"
    rf"|\d+(?:[.,:]\d+)*"
    rf"|(?:(?![{UNSPACED}{HANGUL}])[^\W\d_]|[{MARKS}])+"
    rf"|[^\s]"
)
_OUTSIDE = "O"
_SURE = 0.2
_ITERATIONS = 40
# Of many examples without an entity these are enough to learn where there is none.
_MANY, _SPARSELY = 5000, 3
_REGULARISATION = {"c1": 0.05, "c2": 0.02}


@dataclass(frozen=True, slots=True)
class Token:
    """A word, a number, a sign, or one character of a script without spaces."""

    text: str
    start: int
    end: int


def tokenize(folded: str) -> list[Token]:
    """The tokens of a text."""
    return [Token(match[0], match.start(), match.end()) for match in _TOKEN.finditer(folded)]


def _shape(token: str) -> str:
    first = token[0]
    if first.isdigit():
        return f"9{min(len(token), 6)}{'.' if not token.isdigit() else ''}"
    if re.match(rf"[{UNSPACED}{HANGUL}]", first):
        return "C"
    return "a" if first.isalpha() else first


def features(tokens: Sequence[Token], text: str, known: Sequence[str]) -> list[list[str]]:
    """What the model sees of each token: itself, its neighbours, and pattern entities on it."""
    words = [token.text if not token.text[0].isdigit() else _shape(token.text) for token in tokens]
    found = []
    for index, token in enumerate(tokens):
        own = [f"w={words[index]}", f"s={_shape(token.text)}", f"k={known[index]}"]
        if len(token.text) > 3 and not token.text[0].isdigit():
            own += [f"e3={token.text[-3:]}", f"e2={token.text[-2:]}", f"b3={token.text[:3]}"]
        if token.text[0].isdigit():
            own.append(f"d={token.text}")
        if text[token.start].isupper() and index:
            own.append("upper")
        for distance in (-3, -2, -1, 1, 2, 3):
            place = index + distance
            if 0 <= place < len(words):
                own.append(f"{distance}={words[place]}")
                if abs(distance) == 1:
                    own.append(f"{distance}k={known[place]}")
            elif abs(distance) == 1:
                own.append(f"{distance}=edge")
        if index:
            own.append(f"-1|0={words[index - 1]}|{words[index]}")
        if index + 1 < len(words):
            own.append(f"0|1={words[index]}|{words[index + 1]}")
        if 0 < index < len(words) - 1:
            own.append(f"-1|1={words[index - 1]}|{words[index + 1]}")
        found.append(own)
    return found


def known_of(tokens: Sequence[Token], found: Sequence[Found]) -> list[str]:
    """For each token the kind of pattern entity that holds it, ``-`` for none."""
    kinds = ["-"] * len(tokens)
    for index, token in enumerate(tokens):
        for item in found:
            if item.start < token.end and token.start < item.end:
                kinds[index] = item.entity
                break
    return kinds


Patterns = Callable[[str, str, str], Sequence[Found]]


def train_tagger(
    examples: Sequence[Example], patterns: Patterns, target: Path, entities: Sequence[str] = LEARNT
) -> bool:
    """Learn from annotated examples and write the model; False if there is nothing to learn.

    ``patterns`` gives the pattern entities of an (aligned, folded) text in a language: the model learns
    beside them, as it will be used.
    """
    if not any(annotation.entity in entities for example in examples for annotation in example.annotations):
        return False
    trainer: Any = pycrfsuite.Trainer(verbose=False)
    annotated = 0
    sparsely = _SPARSELY if len(examples) > _MANY else 1
    for number, example in enumerate(examples):
        if not example.annotations and number % sparsely:
            continue
        aligned = align(example.text)
        if aligned.offsets:
            continue
        folded = fold_same_length(aligned.text)
        tokens = tokenize(folded)
        if not tokens:
            continue
        labels = [_OUTSIDE] * len(tokens)
        for annotation in example.annotations:
            if annotation.entity not in entities:
                continue
            inside = [
                index
                for index, token in enumerate(tokens)
                if token.start >= annotation.start and token.end <= annotation.end
            ]
            for index in inside:
                labels[index] = ("B-" if index == inside[0] else "I-") + annotation.entity
            annotated += bool(inside)
        known = known_of(tokens, patterns(aligned.text, folded, example.language))
        trainer.append(features(tokens, aligned.text, known), labels)
    if not annotated:
        return False
    trainer.select("lbfgs")
    trainer.set_params({"max_iterations": _ITERATIONS, "feature.minfreq": 2, **_REGULARISATION})
    trainer.train(str(target))
    return True


class Tagger:
    """A trained model. Not for use by two threads at once.

    Raises ValueError if the file is not a model.
    """

    def __init__(self, path: Path) -> None:
        self._tagger: Any = pycrfsuite.Tagger()
        if path.stat().st_size == 0:
            raise ValueError(f"{path.name} is empty")
        self._tagger.open(str(path))

    def find(self, text: str, folded: str, known: Sequence[Found]) -> Iterator[Found]:
        """Learnt entities of an aligned text, given those that patterns found."""
        tokens = tokenize(folded)
        if not tokens:
            return
        labels = self._tagger.tag(features(tokens, text, known_of(tokens, known)))
        index = 0
        while index < len(tokens):
            if labels[index] == _OUTSIDE:
                index += 1
                continue
            entity = labels[index][2:]
            last = index
            while last + 1 < len(tokens) and labels[last + 1] == f"I-{entity}":
                last += 1
            sure = min(self._tagger.marginal(labels[place], place) for place in range(index, last + 1))
            if sure >= _SURE:
                start, end = tokens[index].start, tokens[last].end
                yield Found(entity, text[start:end], start, end, round(float(sure), 4))
            index = last + 1
