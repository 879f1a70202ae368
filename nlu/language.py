"""Which language a message is in: script, then words the project knows, then a general detector."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from babel import Locale

from bot.contracts import LanguageGuess
from nlu import lexicon
from nlu.detectors import Detector
from nlu.features import Floats, UInts, char_ngrams_of, word_hashes
from nlu.scripts import LANGUAGES, NAMES, chinese_evidence, main_script
from nlu.text import clean, fold

ORDERS = (1, 2, 3, 4)
_SMOOTHING = 0.2
_FLOOR = -8
_NO_WORDS = re.compile(
    r"https?://[!-~]+|www\.[!-~]+|[!-~]+@[!-~]+|(?<!\w)[@#/]\w+"  # addresses, mentions, commands
    r"|(?<![A-Za-z0-9])[A-Za-z-]*\d[A-Za-z0-9.,:/-]*"  # numbers and codes
)
_LETTERS = re.compile(r"[^\W\d_]")
_WORDS = re.compile(r"(?:[^\W\d_]|[\u0900-\u0903\u093a-\u094f'’])+")
_EVERYWHERE = frozenset(lexicon.EVERYWHERE)
_ENOUGH = 8
_FOREIGN = 0.8
_FOREIGN_LONG = 0.6
_LONG = 25
_KNOWN = 0.5
_MOSTLY_KNOWN = 0.75
_CLEARLY = 0.98
_LIKELY = 0.45
_HARDLY = 0.1
_FEW = 2
_SHARED = 0.6
_UNKNOWN = 0.4
_ROMANISED = 0.01
_ROWS = 4096
_NOT_LATIN = {base for script in LANGUAGES for base in LANGUAGES[script]} - {"sr"}


@dataclass(frozen=True, slots=True)
class LanguageModel:
    """Character statistics and words of each language, counted in the training examples.

    ``log_probabilities`` has a row for each hash and a column for each language; the last row is
    for n-grams never seen. After the languages come columns for those of other scripts that
    customers also write in Latin letters (Hindi, Arabic): ``romanised`` has the language of each.
    ``word_masks`` has a bit for each language that uses the word.
    """

    languages: tuple[str, ...]
    hashes: UInts
    log_probabilities: Floats
    words: UInts
    word_masks: UInts
    temperature: float
    romanised: tuple[str, ...]

    def probabilities(self, folded: str) -> Floats:
        """How probable each language is by characters alone; even if there is nothing to count."""
        found: Floats = self.probabilities_of([folded])[0]
        return found

    def probabilities_of(self, texts: Sequence[str]) -> Floats:
        """:meth:`probabilities` of many texts, a row for each."""
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
        return {
            language: float(((masks >> np.uint64(bit)) & np.uint64(1)).mean())
            for bit, language in enumerate(self.languages)
        }

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """What to store."""
        return {
            "language_hashes": self.hashes,
            "language_table": self.log_probabilities.astype(np.float16),
            "language_words": self.words,
            "language_masks": self.word_masks,
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
        return cls(
            languages,
            arrays["language_hashes"],
            table,
            arrays["language_words"],
            arrays["language_masks"],
            float(arrays["language_temperature"][0]),
            romanised,
        )


def letters_only(text: str) -> str:
    """The words of a message: addresses, numbers, codes, emoji and signs are left out."""
    text = _NO_WORDS.sub(" ", clean(text))
    return " ".join(_WORDS.findall(text))


def train_language_model(
    texts: Sequence[str], languages: Sequence[str], order: Sequence[str], temperature: float = 0.7
) -> LanguageModel:
    """Count the n-grams of examples. ``order`` names all languages, ``languages`` each text's own.

    Customers mix languages, and so do examples ("cancel my order" among the Chinese ones). A first
    count finds those that look like another language; the second one leaves them out.
    """
    index = {language: number for number, language in enumerate(order)}
    pairs = [(fold(letters_only(text)), index[language]) for text, language in zip(texts, languages, strict=True)]
    first = _count(pairs, order, (), temperature)
    own = []
    for start in range(0, len(pairs), _ROWS):
        rows = pairs[start : start + _ROWS]
        found = first.probabilities_of([text for text, _ in rows])
        own += [
            pair
            for pair, likely, best in zip(rows, found.argmax(axis=1).tolist(), found.max(axis=1).tolist(), strict=True)
            if likely == pair[1] or best < _CLEARLY
        ]
    latin: list[list[bool]] = [[] for _ in order]
    for text, number in own:
        latin[number].append(main_script(text) == "Latin")
    romanised = tuple(
        language
        for language, is_latin in zip(order, latin, strict=True)
        if language.split("-")[0] in _NOT_LATIN and sum(is_latin) > _ROMANISED * len(is_latin)
    )
    return _count(own, order, romanised, temperature)


def _count(
    pairs: Sequence[tuple[str, int]], order: Sequence[str], romanised: tuple[str, ...], temperature: float
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
    masks: dict[int, int] = {}
    for text, number in pairs:
        for value in word_hashes(text.split()).tolist():
            masks[value] = masks.get(value, 0) | (1 << number)
    words = np.array(sorted(masks), dtype=np.uint64)
    bits = np.array([masks[value] for value in words.tolist()], dtype=np.uint64)
    return LanguageModel(tuple(order), hashes, table, words, bits, temperature, romanised)


class LanguageIdentifier:
    """Implements :class:`bot.contracts.LanguageIdentifier` for the configured languages."""

    def __init__(self, model: LanguageModel, detector: Detector, *, detector_alone: bool = False) -> None:
        self._model = model
        # A message is looked at twice: to name its language, and to weigh what each would mean.
        self._probabilities = lru_cache(maxsize=16)(model.probabilities)
        self._languages = model.languages
        self._detector = detector
        self._alone = detector_alone
        self._by_base: dict[str, list[str]] = {}
        for language in model.languages:
            self._by_base.setdefault(language.split("-")[0], []).append(language)

    def warm_up(self) -> None:
        """Load the general detector now, rather than at the first message that needs it."""
        self._detector.rank("good morning")

    def identify(self, text: str) -> LanguageGuess:
        """Guess the language of any text; see :class:`bot.contracts.LanguageGuess`."""
        words = letters_only(text)
        if not words:
            return LanguageGuess("", 0.0, reason="no words to judge by")
        telling = [word for word in fold(words).split() if word not in _EVERYWHERE]
        script = main_script(words)
        if not script or (script == "Latin" and (not telling or len("".join(telling)) < 2)):
            return LanguageGuess("", 0.0, reason="the same in every language")
        if self._alone:
            return self._ask_detector(words)
        if script == "Han":
            return self._chinese(words)
        if script in LANGUAGES:
            return self._by_script(words, script)
        return self._by_words(words, telling)

    def shares(self, text: str) -> dict[str, float]:
        """How probable each configured language is by a text's characters alone; they sum to 1."""
        probabilities = self._probabilities(fold(letters_only(text)))
        return dict(zip(self._languages, probabilities.tolist(), strict=True))

    def _chinese(self, words: str) -> LanguageGuess:
        simplified, traditional, japanese = chinese_evidence(words)
        if japanese > simplified + traditional and "ja" in self._by_base:
            return LanguageGuess("ja", 0.85, reason="characters that only Japanese uses")
        variants = self._by_base.get("zh", [])
        if not variants:
            if "ja" in self._by_base and not simplified:
                return LanguageGuess("ja", 0.7, reason="Chinese characters, no kana")
            return LanguageGuess("", 0.0, foreign="zh", reason="Chinese characters")
        if "ja" in self._by_base and self._share(words, "ja", variants) >= _CLEARLY:
            return LanguageGuess("ja", 0.85, reason="Chinese characters as Japanese combines them")
        hans = [code for code in variants if not _is_traditional(code)]
        hant = [code for code in variants if _is_traditional(code)]
        if len(variants) == 1 or not hans or not hant:
            sure = 0.97 if (simplified >= traditional) == bool(hans) or simplified == traditional else 0.85
            return LanguageGuess(variants[0], sure, reason=f"Chinese characters ({simplified + traditional} telling)")
        if simplified == traditional:
            guess = self._best(words, variants)
            return LanguageGuess(guess, 0.6, reason="Chinese characters that both scripts share")
        chosen, count = (hans[0], simplified) if simplified > traditional else (hant[0], traditional)
        kind = "simplified" if simplified > traditional else "traditional"
        share = count / (simplified + traditional)
        return LanguageGuess(chosen, 0.5 + 0.49 * share, reason=f"{count} {kind} characters")

    def _by_script(self, words: str, script: str) -> LanguageGuess:
        candidates = LANGUAGES[script]
        spoken = [code for base in candidates for code in self._by_base.get(base, [])]
        name = NAMES.get(script, f"{script} letters")
        if len(candidates) == 1:
            if spoken:
                return LanguageGuess(spoken[0], 0.99, reason=name)
            return LanguageGuess("", 0.0, foreign=candidates[0], reason=name)
        best, probability = self._detected(words, candidates)
        if spoken and (best in {code.split("-")[0] for code in spoken} or probability < _FOREIGN or len(words) < _LONG):
            chosen = self._best(words, spoken)
            sure = 0.97 if best == chosen.split("-")[0] or len(words) < _LONG else 0.85
            return LanguageGuess(chosen, sure, reason=name)
        return LanguageGuess(
            "", 0.0, foreign=best or candidates[0], reason=f"{name}, most like {best or candidates[0]}"
        )

    def _by_words(self, words: str, telling: Sequence[str]) -> LanguageGuess:
        latin = [
            code for code in self._languages if code.split("-")[0] not in _NOT_LATIN or code in self._model.romanised
        ]
        known = self._model.known_words(telling)
        probabilities = dict(zip(self._languages, self._probabilities(fold(words)).tolist(), strict=True))
        if latin:
            total = sum(probabilities[code] for code in latin)
            best = max(latin, key=lambda code: probabilities[code])
            own, familiar = probabilities[best] / total if total else 0.0, known[best]
        else:
            best, own, familiar = "", 0.0, 0.0
        letters = len("".join(telling))
        if familiar < 1 and letters >= _ENOUGH:
            found, sure = self._detected(words, None)
            limit = _FOREIGN_LONG if letters >= _LONG else _FOREIGN
            if self._spoken(words) <= _HARDLY and sure >= (_LIKELY if familiar <= _KNOWN else _FOREIGN_LONG):
                limit, familiar = 0.0, min(familiar, _KNOWN if familiar <= _MOSTLY_KNOWN else 1.0)
            if found and found not in self._by_base and sure >= limit and familiar <= _KNOWN + 0.2 * (sure > 0.95):
                return LanguageGuess("", 0.0, foreign=found, reason=f"most like {_name(found)} ({sure:.0%})")
            if found in self._by_base and sure >= _FOREIGN and self._by_base[found][0] in latin:
                own_choice = best
                best = max(self._by_base[found], key=lambda code: probabilities[code])
                own = max(sure, own) if best == own_choice else sure * (1 - 0.5 * known[own_choice])
                return LanguageGuess(best, min(own, 0.99), reason=f"most like {_name(found)} ({sure:.0%})")
        if not best:
            return LanguageGuess("", 0.0, reason="no configured language uses these letters")
        if not familiar and letters < _LONG:
            # Perhaps a name, perhaps nonsense: if both ways of looking at it agree, that is enough to
            # begin a conversation with, though not to change its language.
            if self._detected(words, None)[0] != best.split("-")[0]:
                return LanguageGuess("", 0.0, reason="no word of it is known in any language: perhaps a name")
            return LanguageGuess(best, round(own * _UNKNOWN, 4), reason=f"no word is known; most like {_name(best)}")
        sure = min(own, 0.99) * (0.55 + 0.45 * familiar)
        rivals = [code for code in latin if code != best and known[code] >= familiar]
        if rivals and len(telling) <= _FEW:
            native = [code for code in rivals if code not in self._model.romanised]
            if best in self._model.romanised and native:
                # "bye" is said in Hindi too, but who writes it in Latin letters need not speak Hindi.
                best, own = max(native, key=lambda code: probabilities[code]), 0.0
            if own < _CLEARLY:
                sure = min(sure, _SHARED)
        reason = f"{familiar:.0%} of the words are known in {_name(best)}"
        return LanguageGuess(best, round(sure, 4), reason=reason)

    def _best(self, words: str, among: Sequence[str]) -> str:
        probabilities = self._probabilities(fold(words))
        return max(among, key=lambda code: float(probabilities[self._languages.index(code)]))

    def _share(self, words: str, language: str, others: Sequence[str]) -> float:
        """How probable a language is if it is that or one of some others."""
        found = self.shares(words)
        total = found[language] + sum(found[code] for code in others)
        return found[language] / total if total else 0.0

    def _detected(self, words: str, among: Sequence[str] | None) -> tuple[str, float]:
        """The general detector's best language (its base code), among some or all, renormalised."""
        ranked = [(code.split("-")[0], value) for code, value in self._detector.rank(words)]
        if among is not None:
            ranked = [(code, value) for code, value in ranked if code in among]
        total = sum(value for _, value in ranked) if among is not None else 1.0
        return (ranked[0][0], ranked[0][1] / total) if ranked and total else ("", 0.0)

    def _spoken(self, words: str) -> float:
        """The general detector's probability that the words are in any configured language."""
        return sum(value for code, value in self._detector.rank(words) if code.split("-")[0] in self._by_base)

    def _ask_detector(self, words: str) -> LanguageGuess:
        ranked = list(self._detector.rank(words))
        if not ranked:
            return LanguageGuess("", 0.0, reason="the detector has no answer")
        code, probability = ranked[0]
        base = code.split("-")[0]
        reason = f"detector: {_name(code)} ({probability:.0%})"
        if code in self._languages:
            return LanguageGuess(code, probability, reason=reason)
        if base in self._by_base:
            return LanguageGuess(self._by_base[base][0], probability, reason=reason)
        if probability >= _FOREIGN and len(words) >= _ENOUGH:
            return LanguageGuess("", 0.0, foreign=base, reason=reason)
        return LanguageGuess("", 0.0, reason=reason)


def _is_traditional(code: str) -> bool:
    return any(part in code for part in ("Hant", "TW", "HK", "MO"))


def _name(code: str) -> str:
    try:
        return Locale.parse(code, sep="-").get_display_name("en") or code
    except Exception:
        return code
