"""Names of languages in many languages, from CLDR, for the `language` entity."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from babel import Locale, UnknownLocaleError

from nlu.lexicon import LANGUAGE_WORDS

CODES = ("en", "es", "fr", "de", "pt", "it", "nl", "ru", "tr", "ar", "hi", "zh-Hans", "zh-Hant", "ja", "ko")
_CLDR = {"zh-Hans": "zh_Hans", "zh-Hant": "zh_Hant"}


def chinese_of(languages: Sequence[str]) -> str:
    """What "Chinese" alone means to a shop with these languages."""
    return next((code for code in languages if code.split("-")[0] == "zh"), "zh-Hans")


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
