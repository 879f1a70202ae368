"""Why the bot took a message for a language, in the words of the person who reads it.

What is recognised says so in English sentences, which are kept with the message and the conversation, those
of earlier versions too. Each kind of sentence has a key ``why.…`` in ``desk.po``; one that is not known is shown
as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache

from babel import Locale

from bot.texts import language_name
from bot.words import Words

SENTENCES: Mapping[str, str] = {
    "first": r"first message: (?P<reason>.+)",
    "changed": r"changed: (?P<reason>.+)",
    "unnamed": r"(?P<reason>.+), names left out",
    "platform": r"the platform says its user prefers it",
    "default": r"nothing else is known, so the shop's default",
    "asked": r"the customer asked for it",
    "no_words": r"no words to judge by",
    "button": r"a button, not words",
    "everywhere": r"the same in every language",
    "only_japanese": r"characters that only Japanese uses",
    "no_kana": r"Chinese characters, no kana",
    "as_japanese": r"Chinese characters as Japanese combines them",
    "telling": r"Chinese characters \((?P<count>\d+) telling\)",
    "shared": r"Chinese characters that both scripts share",
    "simplified": r"(?P<count>\d+) simplified characters",
    "traditional": r"(?P<count>\d+) traditional characters",
    "chinese": r"Chinese characters",
    "kana": r"Japanese kana",
    "korean": r"Korean letters",
    "letters": r"(?P<script>\w+) letters",
    "letters_like": r"(?P<letters>Chinese characters|Japanese kana|\w+ letters), most like (?P<language>.+)",
    "most_like": r"most like (?P<language>.+) \((?P<share>\d+)%\)",
    "no_letters": r"no configured language uses these letters",
    "perhaps_name": r"no word of it is known in any language: perhaps a name",
    "perhaps_named": r"perhaps a name or an address",
    "own_words": r"letters and words of (?P<language>.+)",
    "latin_words": r"words of (?P<language>.+) in Latin letters",
    "unknown_like": r"no word is known; most like (?P<language>.+)",
    "known": r"(?P<share>\d+)% of the words are known in (?P<language>.+)",
    "no_answer": r"the detector has no answer",
    "detector": r"detector: (?P<language>.+) \((?P<share>\d+)%\)",
    "statistical": r"statistical (?P<figure>[\d.]+)",
}
_PATTERNS = {name: re.compile(pattern) for name, pattern in SENTENCES.items()}


@lru_cache(maxsize=1)
def _codes() -> dict[str, str]:
    """The codes of languages and scripts by their English names."""
    english = Locale("en")
    names = {name: code.replace("_", "-") for code, name in english.languages.items()}
    # With its script or country, as it stands in the sentences.
    for code in ("zh-Hans", "zh-Hant", "pt-BR", "pt-PT", "es-MX", "en-GB", "en-US", "fr-CA"):
        names[language_name(code, "en")] = code
    return names


def _language(words: Words, name: str) -> str:
    return words.language_of(_codes().get(name, name))


def _script(words: Words, name: str) -> str:
    codes = {english: code for code, english in Locale("en").scripts.items()}
    return str(words.locale.scripts.get(codes.get(name, ""), name))


def _as_it_is(_: Words, value: str) -> str:
    return value


# How the parts of a sentence are said; the others are said as they stand.
_PARTS: Mapping[str, Callable[[Words, str], str]] = {
    "reason": lambda words, value: said(words, value),
    "letters": lambda words, value: said(words, value),
    "language": _language,
    "script": _script,
    "share": lambda words, value: words.percent(int(value) / 100),
    "count": lambda words, value: words.number(int(value)),
}


def said(words: Words, sentence: str) -> str:
    """A sentence of the recogniser in the reader's language; as it is where its kind is not known."""
    for name, pattern in _PATTERNS.items():
        if found := pattern.fullmatch(sentence):
            parts = {key: _PARTS.get(key, _as_it_is)(words, value) for key, value in found.groupdict().items()}
            return words(f"why.{name}", **parts)
    return sentence


@lru_cache(maxsize=4096)
def _kept(language: str, zone: str, sentence: str) -> str:
    return said(Words(language, zone), sentence)


def why(words: Words, sentence: str) -> str:
    """As :func:`said`, remembered: a conversation says the same few sentences again and again."""
    return _kept(words.language, words.zone.key, sentence)
