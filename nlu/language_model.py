"""What is counted in the training examples to tell languages apart: character n-grams and words."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from nlu.features import Floats, UInts, char_ngrams, char_ngrams_of, word_hashes
from nlu.romanised import SPELT, spelt_words
from nlu.scripts import LANGUAGES, main_script
from nlu.text import clean, fold

Halves: TypeAlias = npt.NDArray[np.float16]

ORDERS = (1, 2, 3, 4)
CLEARLY = 0.98
"""A language that is this probable by its characters is beyond doubt."""
NOT_LATIN = {base for script in LANGUAGES for base in LANGUAGES[script]} - {"sr"}
"""Languages that have a script of their own (Serbian has two)."""

_SMOOTHING = 0.2
_FLOOR = -8
_MISSPELT = 0.2
_ROMANISED = 0.01
_ROWS = 4096
_NO_WORDS = re.compile(
    r"https?://[!-~]+|www\.[!-~]+|[!-~]+@[!-~]+|(?<!\w)[@#/]\w+"  # addresses, mentions, commands
    r"|(?<![A-Za-z0-9])[A-Za-z-]*\d[A-Za-z0-9.,:/-]*"  # numbers and codes
)
_WORDS = re.compile(r"(?:[^\W\d_]|[\u0900-\u0903\u093a-\u094f'’])+")


@dataclass(frozen=True, slots=True)
class LanguageModel:
    """Character statistics and words of each language, counted in the training examples.

    ``log_probabilities`` has a row for each hash and a column for each language; the last row is
    for n-grams never seen. After the languages come columns for those of other scripts that
    customers also write in Latin letters (Hindi, Arabic): ``romanised`` has the language of each.
    ``word_masks`` has a bit for each language that uses the word. ``rates`` says how often it does, for
    one of its examples, in small letters: what is always capitalised is a name. Words are folded;
    one of several spellings has its own row as well, see :func:`_as_spelt`.
    """

    languages: tuple[str, ...]
    hashes: UInts
    log_probabilities: Floats
    words: UInts
    word_masks: UInts
    temperature: float
    romanised: tuple[str, ...]
    rates: Halves

    def probabilities(self, folded: str) -> Floats:
        """How probable each language is by characters alone; even if there is nothing to count."""
        found: Floats = self.probabilities_of([folded])[0]
        return found

    def probabilities_of(self, texts: Sequence[str]) -> Floats:
        """:meth:`probabilities` of many texts, a row for each."""
        if len(self.languages) == 1:
            return np.ones((len(texts), 1), dtype=np.float32)
        ngrams, owners = char_ngrams_of(texts, ORDERS)
        sums = np.zeros((len(texts), self.log_probabilities.shape[1]))
        if len(ngrams) and len(self.hashes):
            order = np.argsort(owners, kind="stable")
            ngrams, owners = ngrams[order], owners[order]
            places = np.minimum(np.searchsorted(self.hashes, ngrams), len(self.hashes) - 1)
            rows = np.where(self.hashes[places] == ngrams, places, len(self.hashes))
            present, starts, counts = np.unique(owners, return_index=True, return_counts=True)
            sums[present] = np.add.reduceat(self.log_probabilities[rows], starts, axis=0, dtype=np.float64)
            sums[present] /= self.temperature * np.sqrt(counts)[:, None]
        odds = np.exp(sums - sums.max(axis=1, keepdims=True))
        own = odds[:, : len(self.languages)]
        for place, language in enumerate(self.romanised, start=len(self.languages)):
            own[:, self.languages.index(language)] += odds[:, place]
        found: Floats = (own / own.sum(axis=1, keepdims=True)).astype(np.float32)
        return found

    def known_words(self, words: Sequence[str]) -> dict[str, float]:
        """For each language the share of these words that its examples use."""
        if not words or not len(self.words):
            return dict.fromkeys(self.languages, 0.0)
        hashes = word_hashes(words)
        places = np.minimum(np.searchsorted(self.words, hashes), len(self.words) - 1)
        masks = np.where(self.words[places] == hashes, self.word_masks[places], 0).astype(np.uint64)
        bits = np.arange(len(self.languages), dtype=np.uint64)
        shares = ((masks[:, None] >> bits) & np.uint64(1)).mean(axis=0)
        return dict(zip(self.languages, shares.tolist(), strict=True))

    def rates_of(self, words: Sequence[str]) -> Floats:
        """How often each language uses each of these words as it is spelt: a row for each word."""
        found = np.zeros((len(words), len(self.languages)), dtype=np.float32)
        if not len(self.words):
            return found
        for keys, share in (([_as_spelt(word) for word in words], 1.0), ([fold(word) for word in words], _MISSPELT)):
            hashes = word_hashes(keys)
            places = np.minimum(np.searchsorted(self.words, hashes), len(self.words) - 1)
            rates = np.where((self.words[places] == hashes)[:, None], self.rates[places], 0).astype(np.float32)
            # Without a row of its own, the folded word is how it is always spelt.
            own = found.any(axis=1, keepdims=True)
            found += np.where(own, share, 1.0) * rates
        return found

    def known_pairs(self, folded: str) -> list[bool]:
        """For every two neighbouring characters of a word whether examples have them together."""
        pairs = char_ngrams(folded, (2,))[1:-1]
        if not len(pairs) or not len(self.hashes):
            return [False] * len(pairs)
        places = np.minimum(np.searchsorted(self.hashes, pairs), len(self.hashes) - 1)
        known: list[bool] = (self.hashes[places] == pairs).tolist()
        return known

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """What to store."""
        return {
            "language_hashes": self.hashes,
            "language_table": self.log_probabilities.astype(np.float16),
            "language_words": self.words,
            "language_masks": self.word_masks,
            "language_rates": self.rates,
            "language_temperature": np.array([self.temperature], dtype=np.float32),
            "language_romanised": np.array([self.languages.index(code) for code in self.romanised], dtype=np.int64),
        }

    @classmethod
    def from_arrays(cls, languages: tuple[str, ...], arrays: Mapping[str, npt.NDArray[Any]]) -> LanguageModel:
        """Read what :meth:`arrays` gave. Raises KeyError or ValueError for damaged data."""
        table = arrays["language_table"].astype(np.float32)
        romanised = tuple(languages[place] for place in arrays["language_romanised"].tolist())
        if table.shape != (len(arrays["language_hashes"]) + 1, len(languages) + len(romanised)):
            raise ValueError("the language model's table does not fit its languages")
        if arrays["language_rates"].shape != (len(arrays["language_words"]), len(languages)):
            raise ValueError("the language model's rates do not fit its words")
        return cls(
            languages,
            arrays["language_hashes"],
            table,
            arrays["language_words"],
            arrays["language_masks"],
            float(arrays["language_temperature"][0]),
            romanised,
            arrays["language_rates"],
        )


def _as_spelt(word: str) -> str:
    """The key of a word with its accents, which :func:`nlu.text.fold` takes off."""
    return f"={word.casefold()}"


@lru_cache(maxsize=64)
def letters_only(text: str) -> str:
    """The words of a message: addresses, numbers, codes, emoji and signs are left out."""
    text = clean(text)
    spelt = spelt_words(text)
    text = _NO_WORDS.sub(" ", text if not spelt else SPELT.sub(" ", text))
    return " ".join([*_WORDS.findall(text), *spelt])


def train_language_model(
    texts: Sequence[str], languages: Sequence[str], order: Sequence[str], temperature: float = 0.7
) -> LanguageModel:
    """Count the n-grams of examples. ``order`` names all languages, ``languages`` each text's own.

    Customers mix languages, and so do examples ("cancel my order" among the Chinese ones). A first
    count finds those that look like another language; the second one leaves them out.
    """
    index = {language: number for number, language in enumerate(order)}
    spelt = [letters_only(text) for text in texts]
    pairs = [(fold(text), index[language]) for text, language in zip(spelt, languages, strict=True)]
    first = _count(pairs, spelt, order, (), temperature)
    own, as_spelt = [], []
    for start in range(0, len(pairs), _ROWS):
        rows = pairs[start : start + _ROWS]
        found = first.probabilities_of([text for text, _ in rows])
        for place, (likely, best) in enumerate(
            zip(found.argmax(axis=1).tolist(), found.max(axis=1).tolist(), strict=True), start
        ):
            if likely == pairs[place][1] or best < CLEARLY:
                own.append(pairs[place])
                as_spelt.append(spelt[place])
    latin: list[list[bool]] = [[] for _ in order]
    for text, number in own:
        latin[number].append(main_script(text) == "Latin")
    romanised = tuple(
        language
        for language, is_latin in zip(order, latin, strict=True)
        if language.split("-")[0] in NOT_LATIN and sum(is_latin) > _ROMANISED * len(is_latin)
    )
    return _count(own, as_spelt, order, romanised, temperature)


def _count(
    pairs: Sequence[tuple[str, int]],
    spelt: Sequence[str],
    order: Sequence[str],
    romanised: tuple[str, ...],
    temperature: float,
) -> LanguageModel:
    columns = [*order, *romanised]
    aside = {list(order).index(language): len(order) + place for place, language in enumerate(romanised)}
    every, texts = char_ngrams_of([text for text, _ in pairs], ORDERS)
    owners = [aside.get(number, number) if main_script(text) == "Latin" else number for text, number in pairs]
    owner = np.array(owners, dtype=np.intp)[texts]
    hashes, places = np.unique(every, return_inverse=True)
    cells = places.astype(np.intp) * len(columns) + owner
    counts = np.bincount(cells, minlength=(len(hashes) + 1) * len(columns)).reshape(-1, len(columns)).astype(np.float64)
    keep = np.append(counts[:-1].sum(axis=1) > 1, True)
    counts, hashes = counts[keep], hashes[keep[:-1]]
    counts += _SMOOTHING
    table = np.log(counts / counts.sum(axis=0)).astype(np.float32)
    table -= table.max(axis=1, keepdims=True)
    table = np.maximum(table, _FLOOR)
    table[-1] = 0  # what was never seen speaks for no language
    words, masks, rates = _count_words(pairs, spelt, len(order))
    return LanguageModel(tuple(order), hashes, table, words, masks, temperature, romanised, rates)


def _count_words(pairs: Sequence[tuple[str, int]], spelt: Sequence[str], languages: int) -> tuple[UInts, UInts, Halves]:
    """Sorted words, in which languages each is, and how often in small letters for an example of each."""
    masks: dict[str, int] = {}
    counts: dict[str, list[int]] = {}
    spellings: dict[str, set[str]] = {}
    for (folded, number), text in zip(pairs, spelt, strict=True):
        for word in folded.split():
            masks[word] = masks.get(word, 0) | (1 << number)
        # English "I" is no name either.
        small = {word for word in text.split() if not word[0].isupper() or word.partition("'")[0] == "I"}
        for word in small:
            spellings.setdefault(fold(word), set()).add(word.casefold())
        for key in {fold(word) for word in small} | {_as_spelt(word) for word in small}:
            counts.setdefault(key, [0] * languages)[number] += 1
    for several in spellings.values():
        if len(several) > 1:
            masks |= {_as_spelt(word): 0 for word in several}
    keys = {int(value): key for key, value in zip(masks, word_hashes(list(masks)).tolist(), strict=True)}
    ordered = sorted(keys)
    none = [0] * languages
    found = np.array([counts.get(keys[value], none) for value in ordered], dtype=np.float32).reshape(-1, languages)
    sizes = np.bincount([number for _, number in pairs], minlength=languages)
    rates = (found / np.maximum(sizes, 1)).astype(np.float16)
    return (
        np.array(ordered, dtype=np.uint64),
        np.array([masks[keys[value]] for value in ordered], dtype=np.uint64),
        rates,
    )
