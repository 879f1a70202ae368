"""Texts that are exactly an example: what was learnt is not guessed at.

The n-grams of a short example are those of many others, and a rare one is in no vocabulary; yet an agent who has
corrected "prima zo" once expects it to be understood from then on.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nlu.features import Floats

LIKELY = 0.5
"""An example counts where its language is at least so probable for the text, against the most probable one."""


# What stands around a message without changing it.
_AROUND = " .,;:!?¡¿\"'…。，！？、؟۔।"


def _number(folded: str) -> int:
    text = folded.strip(_AROUND) or folded
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest())


@dataclass(frozen=True, slots=True)
class Examples:
    """All examples, each as a 64-bit number of its folded text, without the signs around it.

    Attributes:
        numbers: sorted.
        intents: the column of each one's intent.
        spoken: the place of each one's language in :attr:`languages`.
        languages: of the examples.
    """

    numbers: npt.NDArray[np.uint64]
    intents: npt.NDArray[np.uint16]
    spoken: npt.NDArray[np.uint16]
    languages: tuple[str, ...]

    @classmethod
    def of(cls, folded: Sequence[str], intents: Sequence[int], languages: Sequence[str]) -> Examples:
        """Examples by their folded texts, the columns of their intents and their languages."""
        tags = tuple(sorted(set(languages)))
        numbers = np.array([_number(text) for text in folded], dtype=np.uint64)
        order = np.argsort(numbers, kind="stable")
        spoken = np.array([tags.index(language) for language in languages], dtype=np.uint16)
        return cls(numbers[order], np.array(intents, dtype=np.uint16)[order], spoken[order], tags)

    def knows(self, folded: str) -> bool:
        """Whether a text is an example of some language."""
        begin, end = self._found(folded)
        return end > begin

    def intents_of(self, folded: str, languages: Mapping[str, float], count: int) -> Floats | None:
        """How the examples that are this text share it among ``count`` intents; None where there are none.

        Args:
            folded: the text.
            languages: how probable each language is for it. Examples of improbable ones do not count: "die" is
                an article here and a request there.
            count: of the intents.
        """
        begin, end = self._found(folded)
        if begin == end:
            return None
        most = max(languages.values(), default=0.0)
        votes: dict[int, float] = defaultdict(float)
        for intent, spoken in zip(self.intents[begin:end].tolist(), self.spoken[begin:end].tolist(), strict=True):
            language = self.languages[spoken]
            weight = languages.get(language, 0.0) if most and language else 1.0
            if weight >= LIKELY * most:
                votes[intent] += weight
        if not votes:
            return None
        found = np.zeros(count, dtype=np.float32)
        found[list(votes)] = np.array(list(votes.values())) / sum(votes.values())
        return found

    def _found(self, folded: str) -> tuple[int, int]:
        number = np.uint64(_number(folded))
        return int(np.searchsorted(self.numbers, number)), int(np.searchsorted(self.numbers, number, "right"))

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """What to store, beside :attr:`languages`."""
        return {"example_numbers": self.numbers, "example_intents": self.intents, "example_spoken": self.spoken}

    @classmethod
    def from_arrays(cls, languages: Sequence[str], arrays: Mapping[str, npt.NDArray[Any]]) -> Examples:
        """Read what :meth:`arrays` gave. Raises KeyError for missing arrays."""
        return cls(
            arrays["example_numbers"],
            arrays["example_intents"],
            arrays["example_spoken"],
            tuple(sorted(set(languages))),
        )
