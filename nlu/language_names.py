"""Names of languages in many languages, from CLDR, for the `language` entity."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from babel import Locale, UnknownLocaleError

from nlu.lexicon import LANGUAGE_WORDS

# fmt: off
_ADJECTIVES = frozenset(
    [
        "english", "spanish", "french", "german", "portuguese", "italian", "dutch", "russian", "turkish", "arabic",
        "chinese", "japanese", "korean", "brazilian", "polish", "ukrainian", "greek", "swedish", "danish",
        "norwegian", "finnish", "czech", "hungarian", "romanian", "bulgarian", "thai", "vietnamese", "indian",
        "persian", "flemish", "croatian", "serbian", "catalan"
    ]
)
_SPOKEN_BEFORE = frozenset(
    ["in", "into", "to", "speak", "speaks", "speaking", "talk", "write", "read", "understand", "know", "knows", "use",
     "using", "switch"]
)
_SPOKEN_AFTER = frozenset(
    [
        "please", "pls", "plz", "plss", "me", "only", "is", "isn", "isnt", "was", "are", "and", "or", "but", "if",
        "so", "too", "also", "not", "no", "yes", "ok", "okay", "instead", "now", "then", "possible", "available",
        "version", "language", "speaker", "speakers", "speaking", "translation", "translator", "support", "agent",
        "agents", "operator", "operators", "customer", "service", "person", "people", "human", "someone", "somebody",
        "staff", "employee", "team", "chat", "text", "site", "website", "page", "menu", "option", "thanks", "thank",
        "thx", "ty", "bro", "because", "cause", "from", "for", "with", "without", "when", "would", "will", "works",
        "work", "can", "could", "do", "does", "dont", "i", "im", "we", "you", "u", "my", "it", "its", "here", "today",
        "better", "rather", "than", "as", "at", "by", "on", "in", "to", "how", "what", "who", "where", "a", "the",
        "one", "s", "t", "mein", "me", "kar", "karo", "bolo", "bhi", "na", "nahi", "hai", "que", "se", "svp", "por",
        "bitte", "graag"
    ]
)
# fmt: on
"""What stands after the English name of a language where it is no adjective ("French press")."""
_LONGEST = 24
_NEXT = re.compile(r"\s([a-z]+)")
_LAST = re.compile(r"([a-z]+)\s+$")

CODES = ("en", "es", "fr", "de", "pt", "it", "nl", "ru", "tr", "ar", "hi", "zh-Hans", "zh-Hant", "ja", "ko")
_CHINESE = {"zh-Hans", "zh-Hant"}
# What a name has in it, in a message in Chinese, that says which of the two it means.
_WHICH = ("简", "簡", "繁", "simpl", "trad")
_CLDR = {"zh-Hans": "zh_Hans", "zh-Hant": "zh_Hant"}


def is_adjective(folded: str, start: int, end: int) -> bool:
    """Whether an English name of a language says what a thing is like: "Chinese food", "nail polish"."""
    name = folded[start:end]
    if name not in _ADJECTIVES:
        return False
    before = _LAST.search(folded, max(0, start - _LONGEST), start)
    if before and before[1] in _SPOKEN_BEFORE:
        return False
    after = _NEXT.match(folded, end)
    return bool(after and after[1] not in _SPOKEN_AFTER) or (name == "polish" and bool(before) and not after)


def chinese_of(languages: Sequence[str]) -> str:
    """What "Chinese" alone means to a shop with these languages."""
    return next((code for code in languages if code.split("-")[0] == "zh"), "zh-Hans")


def chinese_meant(name: str, value: str, language: str) -> str:
    """The Chinese that a name means in a message: who writes it one way and says just "Chinese" means that one.

    Args:
        name: the name as written.
        value: the code that it stands for by itself.
        language: that of the message.
    """
    says_which = any(part in name for part in _WHICH)
    return language if {value, language} == _CHINESE and not says_which else value


def language_names(languages: Sequence[str]) -> list[tuple[str, str]]:
    """(name, code) pairs: every language in every language, and the everyday names beside CLDR's."""
    codes = tuple(dict.fromkeys([*languages, *CODES]))
    chinese = chinese_of(languages)
    pairs = [
        (name, chinese if code == "zh" else _configured(code, languages))
        for code, names in LANGUAGE_WORDS.items()
        for name in names
    ]
    for display in codes:
        for code in [*codes, "zh"]:
            value = chinese if code == "zh" else code
            pairs += [(name, value) for name in _names(code, display)]
    return pairs


def _configured(code: str, languages: Sequence[str]) -> str:
    """The configured variant of a language, such as pt-BR for pt."""
    return next((own for own in languages if own == code or own.split("-")[0] == code), code)


def _names(code: str, display: str) -> Iterator[str]:
    try:
        locale = Locale.parse(display.replace("-", "_"))
        tables: Iterable[str | None] = (
            locale.languages.get(_CLDR.get(code, code.replace("-", "_"))),
            Locale.parse(code.replace("-", "_")).get_display_name(locale) if code != "zh" else None,
        )
    except (UnknownLocaleError, ValueError):
        return
    for name in tables:
        if name and len(name) > 1:
            yield name.split(" (")[0] if code not in _CLDR else name
