"""Month and weekday names of languages, from CLDR."""

from __future__ import annotations

from collections.abc import Sequence

from babel import Locale, UnknownLocaleError

_MIN_LENGTH = 3


def calendar_words(languages: Sequence[str]) -> dict[str, dict[str, int]]:
    """``months`` (1 to 12) and ``weekdays`` (0 is Monday) by name, for these languages."""
    months: dict[str, int] = {}
    weekdays: dict[str, int] = {}
    for language in languages:
        try:
            locale = Locale.parse(language.replace("-", "_"))
        except (UnknownLocaleError, ValueError):
            continue
        for context in ("format", "stand-alone"):
            for width in ("wide", "abbreviated"):
                for number, name in locale.months.get(context, {}).get(width, {}).items():
                    _add(months, name, number)
                # Short names of weekdays are words of their own: "mar", "sun", 金.
                if width == "wide":
                    for number, name in locale.days.get(context, {}).get(width, {}).items():
                        _add(weekdays, name, number)
        if language.startswith("es"):
            months.setdefault("setiembre", 9)
    return {"months": months, "weekdays": weekdays}


def _add(table: dict[str, int], name: str, number: int) -> None:
    """Keep a name as it is written in a sentence, unless it is too short to be told from a word."""
    name = name.rstrip(".").casefold()
    if len(name) < _MIN_LENGTH and name.isascii():
        return
    table.setdefault(name, number)
