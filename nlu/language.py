"""Which language a message is in: script, then words the project knows, then a general detector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from babel import Locale

from bot.contracts import LanguageGuess
from nlu import lexicon
from nlu.detectors import Detector
from nlu.language_model import CLEARLY, NOT_LATIN, LanguageModel, letters_only, train_language_model
from nlu.naming import is_east_asian_name, is_name, without_names
from nlu.neighbours import neighbour
from nlu.romanised import romanised
from nlu.scripts import LANGUAGES, NAMES, chinese_evidence, main_script
from nlu.text import clean, fold

__all__ = ["LanguageIdentifier", "LanguageModel", "letters_only", "train_language_model"]

_EVERYWHERE = frozenset(lexicon.EVERYWHERE)
_ENOUGH = 8
_FOREIGN = 0.8
_FOREIGN_LONG = 0.6
_LONG = 25
_KNOWN = 0.5
_MOSTLY_KNOWN = 0.75
_LIKELY = 0.45
_HARDLY = 0.1
_FEW = 2
_SHORT = 4
_SHARED = 0.6
_UNKNOWN = 0.4
# Of a language's messages one in so many has a word of every day; a word of its small talk is in far more.
_USUAL = 1 / 5000
_OFTEN = 1 / 250
_ITS_OWN = 0.9
_UNSEEN = 1 / 10000
# Characters and words say partly the same, so both together are a little less sure.
_TEMPER = 0.7
_ALL_KNOWN = (0.12, 1.5)
_EAST = frozenset({"Han", "Kana", "Hangul"})


class LanguageIdentifier:
    """Implements :class:`bot.contracts.LanguageIdentifier` for the configured languages."""

    def __init__(self, model: LanguageModel, detector: Detector, *, detector_alone: bool = False) -> None:
        self._model = model
        # A message is looked at twice: to name its language, and to weigh what each would mean.
        self._probabilities = lru_cache(maxsize=16)(model.probabilities)
        self._languages = model.languages
        self._rates = lru_cache(maxsize=4096)(self._spelt_rates)
        self._romanised = lru_cache(maxsize=16)(self._in_latin_letters)
        self._detector = detector
        self._ranked = lru_cache(maxsize=16)(lambda words: tuple(detector.rank(words)))
        self._alone = detector_alone
        self._by_base: dict[str, list[str]] = {}
        for language in model.languages:
            self._by_base.setdefault(language.split("-")[0], []).append(language)

    def warm_up(self) -> None:
        """Load the general detector now, rather than at the first message that needs it."""
        self._detector.rank("good morning")

    def identify(self, text: str) -> LanguageGuess:
        """Guess the language of any text; see :class:`bot.contracts.LanguageGuess`."""
        text = clean(text)
        words = letters_only(text)
        if not words:
            return LanguageGuess("", 0.0, reason="no words to judge by")
        script = main_script(words)
        if script in ("Latin", "") and not self._alone and (found := self._romanised(text))[0]:
            code, sure = found
            spoken, reason = self._by_base.get(code), f"words of {_name(code)} in Latin letters"
            return LanguageGuess(spoken[0], sure, reason=reason) if spoken else _foreign(code, reason)
        telling = [word for word in fold(words).split() if word not in _EVERYWHERE]
        if (other := self._neighbour(words, script)) is not None and not self._alone:
            return other
        guess = self._guess(words, telling, script)
        if (guess.language or guess.foreign) and self._is_name(text, words, script, guess):
            # Enough to begin a conversation with where nothing else is known, though not to change its language.
            sure = min(guess.confidence, _UNKNOWN)
            return LanguageGuess(guess.language, sure, reason="perhaps a name or an address")
        return guess if script in _EAST or self._alone else self._unnamed(text, words, guess)

    def _unnamed(self, text: str, words: str, guess: LanguageGuess) -> LanguageGuess:
        """The guess, or what the words around a name say if that is another language: "me llamo Giovanni"."""

        def ordinary(word: str) -> bool:
            return max(self._rates(word).values()) >= _USUAL

        around = letters_only(without_names(text, ordinary))
        if around == words:
            return guess
        telling = [word for word in fold(around).split() if word not in _EVERYWHERE]
        other = self._guess(around, telling, main_script(around))
        if not other.foreign and (not other.language or other.confidence <= guess.confidence):
            return guess
        return replace(other, reason=f"{other.reason}, names left out")

    def _guess(self, words: str, telling: Sequence[str], script: str) -> LanguageGuess:
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
        """How probable each configured language is for a text by its characters; they sum to 1."""
        if len(self._languages) == 1:
            return {self._languages[0]: 1.0}
        probabilities = self._probabilities(fold(letters_only(text)))
        shares = dict(zip(self._languages, probabilities.tolist(), strict=True))
        code, sure = self._romanised(clean(text)) if main_script(text) == "Latin" else ("", 0.0)
        if code in self._by_base:
            shares = {language: share * (1 - sure) for language, share in shares.items()}
            shares[self._by_base[code][0]] += sure
        return shares

    def _in_latin_letters(self, text: str) -> tuple[str, float]:
        """The base code of a language with a script of its own that a text has in Latin letters."""

        def ordinary(word: str) -> bool:
            return any(
                rate >= _USUAL for code, rate in self._rates(word).items() if code.split("-")[0] not in NOT_LATIN
            )

        def everyday(word: str, base: str) -> bool:
            return any(self._rates(word)[code] >= _USUAL for code in self._by_base.get(base, ()))

        return romanised(text, ordinary, everyday)

    def _spelt_rates(self, word: str) -> dict[str, float]:
        return dict(zip(self._languages, self._model.rates_of([word])[0].tolist(), strict=True))

    def _neighbour(self, words: str, script: str) -> LanguageGuess | None:
        """What letters and words of a smaller language of a script say, if anything."""

        def known(spelt: Sequence[str]) -> list[bool]:
            own = LANGUAGES[script][0]
            return [self._model.known_words([fold(word)]).get(own, 0.0) > 0 for word in spelt]

        found = neighbour(words, script, known)
        if found is None:
            return None
        if not found.named and len(words.split()) <= _FEW:
            return LanguageGuess("", 0.0, reason="perhaps a name or an address")
        if not found.sure and self._detected(words, LANGUAGES[script])[0] == LANGUAGES[script][0]:
            return None
        code = found.language
        spoken, reason = self._by_base.get(code), f"letters and words of {_name(code)}"
        return LanguageGuess(spoken[0], 0.97, reason=reason) if spoken else _foreign(code, reason)

    def _is_name(self, text: str, words: str, script: str, guess: LanguageGuess) -> bool:
        if script in _EAST:
            joined = fold(words).replace(" ", "")
            return is_east_asian_name(text, words, self._model.known_pairs(joined))
        if guess.foreign and not all(word[0].isupper() for word in words.split()):
            return False

        def common(word: str) -> float:
            return self._rates(word).get(guess.language, 0.0)

        strict = script != "Latin"
        return is_name(text, words.split(), common, language=guess.language, usual=_USUAL, often=_OFTEN, strict=strict)

    def _chinese(self, words: str) -> LanguageGuess:
        simplified, traditional, japanese = chinese_evidence(words)
        if japanese > simplified + traditional and "ja" in self._by_base:
            return LanguageGuess("ja", 0.85, reason="characters that only Japanese uses")
        variants = self._by_base.get("zh", [])
        if not variants:
            if "ja" in self._by_base and not simplified:
                return LanguageGuess("ja", 0.7, reason="Chinese characters, no kana")
            return LanguageGuess("", 0.0, foreign="zh", reason="Chinese characters")
        if "ja" in self._by_base and self._share(words, "ja", variants) >= CLEARLY:
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
            code for code in self._languages if code.split("-")[0] not in NOT_LATIN or code in self._model.romanised
        ]
        known = self._model.known_words(telling)
        probabilities = dict(zip(self._languages, self._probabilities(fold(words)).tolist(), strict=True))
        if len(telling) <= _SHORT:
            probabilities = self._by_rates(words, probabilities)
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
            if own < CLEARLY or (len(telling) == 1 and self._lent(words, best)):
                sure = min(sure, _SHARED)
        reason = f"{familiar:.0%} of the words are known in {_name(best)}"
        return LanguageGuess(best, round(sure, 4), reason=reason)

    def _by_rates(self, words: str, probabilities: dict[str, float]) -> dict[str, float]:
        """What words say as they are spelt, of which a few characters cannot: "ja", "size", "ça"."""
        found = [self._rates(word) for word in words.split() if fold(word) not in _EVERYWHERE]
        known = [rates for rates in found if any(rates.values())]
        # Where every word is known, its characters have little to add.
        characters, weight = _ALL_KNOWN if len(known) == len(found) <= _FEW else (_TEMPER, _TEMPER)
        scores = {code: share**characters for code, share in probabilities.items()}
        for rates in known:
            scores = {code: score * (rates[code] + _UNSEEN) ** weight for code, score in scores.items()}
        total = sum(scores.values())
        return {code: score / total for code, score in scores.items()} if total else probabilities

    def _lent(self, words: str, language: str) -> bool:
        """Whether a word is said in other languages as well: "merci", "yo"."""
        rates = [self._rates(word) for word in words.split() if fold(word) not in _EVERYWHERE]
        native = {
            code: sum(found[code] for found in rates) for code in self._languages if code.split("-")[0] not in NOT_LATIN
        }
        return native.get(language, 0.0) < _ITS_OWN * sum(native.values())

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
        ranked = [(code.split("-")[0], value) for code, value in self._ranked(words)]
        if among is not None:
            ranked = [(code, value) for code, value in ranked if code in among]
        total = sum(value for _, value in ranked) if among is not None else 1.0
        return (ranked[0][0], ranked[0][1] / total) if ranked and total else ("", 0.0)

    def _spoken(self, words: str) -> float:
        """The general detector's probability that the words are in any configured language."""
        return sum(value for code, value in self._ranked(words) if code.split("-")[0] in self._by_base)

    def _ask_detector(self, words: str) -> LanguageGuess:
        ranked = self._ranked(words)
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


def _foreign(code: str, reason: str) -> LanguageGuess:
    return LanguageGuess("", 0.0, foreign=code, reason=reason)


def _is_traditional(code: str) -> bool:
    return any(part in code for part in ("Hant", "TW", "HK", "MO"))


@lru_cache(maxsize=1024)
def _name(code: str) -> str:
    try:
        return Locale.parse(code, sep="-").get_display_name("en") or code
    except Exception:
        return code
