"""Sums of money, ratings and sizes in a text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation

from nlu import lexicon
from nlu.found import Found
from nlu.phrases import alternatives, fold_same_length

_NUMBER = r"\d{1,3}(?:[.,'\u00a0\u202f ]\d{3})+(?:[.,]\d{1,2})?|\d+(?:[.,]\d{1,3})?"
_GROUPED = re.compile(r"^\d{1,3}([.,])\d{3}$")
_BEST = 10
_ARTICLES = ("a", "an")
_EAST_DIGITS = "零一二三四五六七八九十百千两兩"


class AmountFinder:
    """Finds sums of money. ``country`` decides what "$" and "pesos" mean."""

    def __init__(self, country: str) -> None:
        self._country = country
        self._currencies = {fold_same_length(sign): code for sign, code in lexicon.CURRENCY_SIGNS.items()}
        self._currencies |= {code.lower(): code for code in lexicon.CURRENCY_CODES}
        self._currencies |= {
            fold_same_length(word): code for code, words in lexicon.CURRENCY_WORDS.items() for word in words
        }
        signs = "|".join(
            re.escape(fold_same_length(sign)) for sign in sorted(lexicon.CURRENCY_SIGNS, key=len, reverse=True)
        )
        codes = alternatives([code.lower() for code in lexicon.CURRENCY_CODES])
        spelled = [word for words in lexicon.CURRENCY_WORDS.values() for word in words]
        # A word may follow its number without a space ("20euros"), which is no word boundary.
        following = "|".join(
            re.escape(fold_same_length(word)) + (r"(?![a-z])" if word.isascii() else "")
            for word in sorted({*spelled, *(code.lower() for code in lexicon.CURRENCY_CODES)}, key=len, reverse=True)
        )
        number = rf"(?P<number>{_NUMBER})"
        self._patterns = (
            re.compile(rf"(?<![a-z\d])(?P<currency>{signs}|{codes})\s*{number}(?![\d%])"),
            re.compile(rf"(?<![\w.,-]){number}\s*(?P<currency>{signs}|{following})"),
            re.compile(rf"(?<=[^\x00-\x7f]){number}\s*(?P<currency>{signs}|{following})"),
        )

    def find(self, text: str, folded: str) -> Iterator[Found]:
        """All sums; the value is the number with a decimal point and the currency's code."""
        for pattern in self._patterns:
            for match in pattern.finditer(folded):
                number = parse_number(match["number"])
                code = self._code(match["currency"])
                if number is not None and code:
                    yield Found("amount", f"{number} {code}", match.start(), match.end())

    def _code(self, found: str) -> str:
        code = self._currencies.get(" ".join(found.split()), "")
        if code == "$":
            return lexicon.DOLLARS.get(self._country, "USD")
        if code == "PESO":
            return lexicon.PESOS.get(self._country, "MXN")
        return {"RMB": "CNY"}.get(code, code)


def parse_number(text: str) -> Decimal | None:
    """A number in any country's notation, such as 1.234,56 or 1,234.56; None if it is none."""
    digits = re.sub(r"[\s'\u00a0\u202f]", "", text)
    if "," in digits and "." in digits:
        decimal = max(digits.rfind(","), digits.rfind("."))
        digits = re.sub(r"[.,]", "", digits[:decimal]) + "." + digits[decimal + 1 :]
    elif _GROUPED.match(digits) or digits.count(",") > 1 or digits.count(".") > 1:
        digits = re.sub(r"[.,]", "", digits)
    else:
        digits = digits.replace(",", ".")
    try:
        return Decimal(digits)
    except InvalidOperation:
        return None


class RatingFinder:
    """Finds ratings: "4 stars", "10/10", "五星", or a number from 0 to 10 that stands alone."""

    def __init__(self) -> None:
        self._numbers = {fold_same_length(word): value for value, words in lexicon.NUMBERS.items() for word in words}
        counts = [word for word in self._numbers if word not in _ARTICLES]
        value = rf"(?P<value>\d{{1,2}}(?:[.,]\d)?|{alternatives(counts)}|[{_EAST_DIGITS}])"
        points = "|".join(map(re.escape, lexicon.POINTS))
        out_of = alternatives([word for word in lexicon.OUT_OF if word != "/"])
        stars = "|".join(
            re.escape(fold_same_length(word)) + (r"(?!\w)" if word[0].isalpha() and word[0] < "\u0e00" else "")
            for word in sorted(lexicon.STARS, key=len, reverse=True)
        )
        self._patterns = (
            re.compile(rf"(?<![\w./]){value}\s*/\s*(?P<most>5|10)(?![\w/]|[.,]\d)"),
            re.compile(rf"(?<![\d.,]){value}\s*{out_of}\s*(?P<most>5|10|five|ten)(?![\w/])"),
            re.compile(rf"(?<![\d.,]){value}[\s-]*(?:{stars})(?!期)"),
        )
        self._points = re.compile(
            rf"(?<![\d.,:点點])(?P<value>10|\d(?:\.\d)?)\s*(?=(?:{points})(?![钟鐘之店期类公司开前後后半]))"
        )
        self._alone = re.compile(r"^\W*(?P<value>10|\d)\s*[.!。！]*\s*$")

    def find(self, folded: str) -> Iterator[Found]:
        """All ratings; the value is the number."""
        for pattern in self._patterns:
            for match in pattern.finditer(folded):
                value = self._value(match["value"])
                if value:
                    yield Found("rating", value, match.start(), match.end())
        for match in self._points.finditer(folded):
            yield Found("rating", self._value(match["value"]), *match.span("value"))
        alone = self._alone.match(folded)
        if alone:
            yield Found("rating", alone["value"], alone.start("value"), alone.end("value"))

    def _value(self, raw: str) -> str:
        if raw[0].isdigit():
            number = Decimal(raw.replace(",", "."))
            return f"{number.normalize():f}" if number <= _BEST else ""
        value = self._numbers.get(" ".join(raw.split()))
        return "" if value is None else str(value)


class SizeFinder:
    """Finds sizes: letter sizes, and numbers that a word marks as a size."""

    def __init__(self) -> None:
        before = alternatives([word for word in lexicon.SIZE_BEFORE if word not in lexicon.SIZE_WORDS_SYSTEM])
        systems = "|".join(lexicon.SIZE_WORDS_SYSTEM)
        number = r"\d{1,3}(?:[.,]5|½)?"
        letters = r"(?:[2-6]?x{1,4}[sl]|[sml])"
        after = "|".join(re.escape(fold_same_length(word)) for word in lexicon.SIZE_AFTER)
        self._patterns = (
            re.compile(
                rf"{before}(?:\s+(?:is|es|la|el|de|a|an|une?|n[o°º])\.?\s+|\s*[:.]?\s*)"
                rf"(?P<size>(?:(?:{systems})\s*)?{number}(?![\d%])|{letters}(?![a-z\d]))"
            ),
            re.compile(rf"(?<![a-z\d])(?P<size>(?:{systems})\s?\d{{1,2}}(?:[.,]5)?)(?![\d%])(?!\s*(?:€|£|\$))"),
            re.compile(rf"(?<![a-z\d.,-])(?P<size>{number}|{letters})\s*(?:{after})(?!线|店|楼|前)"),
            re.compile(r"(?<![a-z\d'’])(?P<size>[2-6]?x{1,4}[sl])(?![a-z\d])"),
        )
        self._capital = re.compile(r"(?<![A-Za-z\d'’.&-])(?P<size>[SML])(?![A-Za-z\d'’&-]|\.\w)")

    def find(self, text: str, folded: str) -> Iterator[Found]:
        """All sizes; the value is as written, in capitals."""
        for pattern in self._patterns:
            for match in pattern.finditer(folded):
                start, end = match.span("size")
                yield Found("size", text[start:end].upper(), start, end)
        if not text.isupper() or len(text) == 1:
            for match in self._capital.finditer(text):
                yield Found("size", match["size"], *match.span("size"))
