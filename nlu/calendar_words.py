"""Month and weekday names of languages, from CLDR."""

from __future__ import annotations

from collections.abc import Sequence

from babel import Locale, UnknownLocaleError

_MIN_LENGTH = 3
_BESIDES = {"es": {"setiembre": 9}, "de": {"jänner": 1, "feber": 2}}
"""Names that CLDR has for single countries alone."""


def calendar_words(languages: Sequence[str]) -> dict[str, dict[str, int]]:
    """``months`` (1 to 12) and ``weekdays`` (0 is Monday) by name, for these languages.

    ``months.de`` and ``weekdays.de`` are those of one language. ``months.written`` holds no short names,
    which are often words of another language: "3 out" is a day in Portuguese alone.
    """
    months: dict[str, int] = {}
    weekdays: dict[str, int] = {}
    written: dict[str, int] = {}
    tables = {"months": months, "weekdays": weekdays, "months.written": written}
    for language in languages:
        try:
            locale = Locale.parse(language.replace("-", "_"))
        except (UnknownLocaleError, ValueError):
            continue
        own_months: dict[str, int] = {}
        own_weekdays: dict[str, int] = {}
        for context in ("format", "stand-alone"):
            for width in ("wide", "abbreviated"):
                for number, name in locale.months.get(context, {}).get(width, {}).items():
                    _add(own_months, name, number)
                    if width == "wide":
                        _add(written, name, number)
                # Short names of weekdays are words of their own: "mar", "sun", 金.
                if width == "wide":
                    for number, name in locale.days.get(context, {}).get(width, {}).items():
                        _add(own_weekdays, name, number)
        for name, number in _BESIDES.get(language.split("-")[0], {}).items():
            own_months.setdefault(name, number)
        tables[f"months.{language}"], tables[f"weekdays.{language}"] = own_months, own_weekdays
        for whole, own in ((months, own_months), (weekdays, own_weekdays)):
            for name, number in own.items():
                whole.setdefault(name, number)
    return tables


def _add(table: dict[str, int], name: str, number: int) -> None:
    """Keep a name as it is written in a sentence, unless it is too short to be told from a word."""
    name = name.rstrip(".").casefold()
    if len(name) < _MIN_LENGTH and name.isascii():
        return
    table.setdefault(name, number)
