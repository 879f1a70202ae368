"""Sums of money, ratings and sizes in a text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation

from nlu import lexicon
from nlu.found import Found
from nlu.number_words import LANGUAGES, NumberWords
from nlu.phrases import Phrases, alternatives, fold_same_length

_NUMBER = r"\d{1,3}(?:[.,'\u00a0\u202f\u066c ]\d{3})+(?:[.,\u066b]\d{1,2})?|\d+(?:[.,\u066b]\d{1,3})?"
_GROUPED = re.compile(r"^\d{1,3}([.,])\d{3}$")
_DIGIT = re.compile(r"\d")
_BEST = 10
_ARTICLES = ("a", "an")
_EAST_DIGITS = "零一二三四五六七八九十百千两兩"
_ALSO_THINGS = frozenset("块塊")
"""Also count things: 一块 is one piece, or "together"."""
_MONEY_AFTER_PIECE = re.compile(
    r"\s*(?:$|[\s,.!?，。！？、)）~～]|[钱錢的多退左右吧了是呢啊吗嗎给給就还還而但才贵貴以])"
)
_ALSO_WEIGHT = frozenset({"GBP", "PESO", "BRL", "CNY", "TWD", "HKD"})
_MANY = 10
_NEAR = 40
# Codes of currencies that in small letters are words or something else.
_ALSO_WORDS = frozenset({"try", "all", "php", "cop", "mad", "bob", "top", "won"})


class AmountFinder:
    """Finds sums of money. ``country`` decides what "$" and "pesos" mean."""

    def __init__(self, country: str) -> None:
        self._country = country
        self._currencies = {fold_same_length(sign): code for sign, code in lexicon.CURRENCY_SIGNS.items()}
        self._currencies |= {code.lower(): code for code in lexicon.CURRENCY_CODES}
        spelled = {fold_same_length(word): code for code, words in lexicon.CURRENCY_WORDS.items() for word in words}
        self._currencies |= spelled
        self._words = Phrases.build(
            [*spelled.items(), *((code.lower(), code) for code in lexicon.CURRENCY_CODES), ("€", "EUR")]
        )
        self._numbers: dict[str, NumberWords] = {}
        signs = "|".join(
            re.escape(fold_same_length(sign)) for sign in sorted(lexicon.CURRENCY_SIGNS, key=len, reverse=True)
        )
        codes = alternatives([code.lower() for code in lexicon.CURRENCY_CODES])
        # A word may follow its number without a space ("20euros"), which is no word boundary.
        following = "|".join(
            re.escape(word) + (r"(?![a-z])" if word.isascii() else "")
            for word in sorted({*spelled, *(code.lower() for code in lexicon.CURRENCY_CODES)}, key=len, reverse=True)
        )
        number = rf"(?P<number>{_NUMBER})"
        self._patterns = (
            re.compile(
                rf"(?<![a-z\d])(?P<currency>{signs}|{codes}|rs\.?)\s*{number}(?![\d%]|[a-z])(?:[.,]-{{1,2}}|/-)?"
            ),
            re.compile(rf"(?<![\w.,-]){number}(?:[.,]-{{1,2}})?\s*(?P<currency>{signs}|{following})"),
            re.compile(rf"(?<=[^\x00-\x7f])(?<![.,\u066b\u066c]){number}\s*(?P<currency>{signs}|{following})"),
        )

    def find(self, text: str, folded: str, language: str = "") -> Iterator[Found]:
        """All sums; the value is the number with a decimal point and the currency's code.

        ``language``: whose number words count, all for an unknown one.
        """
        for start, end, code in self._words.find(folded):
            if text[start:end] in _ALSO_WORDS:
                continue
            found = self._in_words(folded, start, language)
            if found and self._is_money(folded, start, end, code, *found):
                yield Found("amount", f"{_plain(found[1])} {self._meant(code)}", found[0], end)
        if not _DIGIT.search(folded):
            return
        for pattern in self._patterns:
            for match in pattern.finditer(folded):
                number = parse_number(match["number"])
                code = self._code(match["currency"])
                if text[slice(*match.span("currency"))] in _ALSO_WORDS:
                    continue
                if number is not None and code:
                    yield Found("amount", f"{number} {code}", match.start(), match.end())

    def _in_words(self, folded: str, end: int, language: str) -> tuple[int, Decimal] | None:
        """The number in words before a currency: its start and value; the longest if the language is unknown."""
        base = language.split("-")[0]
        found = []
        for code in (base, "en") if base in LANGUAGES else LANGUAGES:
            numbers = self._numbers.get(code)
            if numbers is None:
                numbers = self._numbers[code] = NumberWords(code)
            number = numbers.before(folded, end)
            if number and (code != "ko" or numbers.has_multiplier(folded[number[0] : end])):
                found.append(number)
        return min(found, default=None)

    @staticmethod
    def _is_money(folded: str, start: int, end: int, code: str, begin: int, value: Decimal) -> bool:
        if folded[start:end] in _ALSO_THINGS and value < _MANY and not _MONEY_AFTER_PIECE.match(folded, end):
            return False
        return value > 1 or (value == 1 and code not in _ALSO_WEIGHT)

    def _code(self, found: str) -> str:
        word = " ".join(found.split())
        return self._meant("INR" if word in ("rs", "rs.") else self._currencies.get(word, ""))

    def _meant(self, code: str) -> str:
        if code == "$":
            return lexicon.DOLLARS.get(self._country, "USD")
        if code == "PESO":
            return lexicon.PESOS.get(self._country, "MXN")
        return {"RMB": "CNY"}.get(code, code)


def _plain(number: Decimal) -> str:
    return f"{number:f}".rstrip("0").rstrip(".") if "." in f"{number:f}" else f"{number:f}"


def parse_number(text: str) -> Decimal | None:
    """A number in any country's notation, such as 1.234,56 or 1,234.56; None if it is none."""
    digits = re.sub(r"[\s'\u00a0\u202f\u066c]", "", text).replace("\u066b", ".")
    if "," in digits and "." in digits:
        decimal = max(digits.rfind(","), digits.rfind("."))
        digits = re.sub(r"[.,]", "", digits[:decimal]) + "." + digits[decimal + 1 :]
    elif (_GROUPED.match(digits) and "\u066b" not in text) or digits.count(",") > 1 or digits.count(".") > 1:
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


_LETTER = r"(?:[2-6]?x{1,4}[sl]|[sml])"
_HALVES = r"(?:[.,]5|½|\s1/2)?"
_BEFORE_LETTER = (
    "in|en|em|auf|to|a|an|the|la|el|una|un|une|eine|einen|ein|een|op|na|no|in der|die|le|du|von|gegen|for|per|"
    "por|para|statt|naar|van|ipv|als|lo|il|di|from|instead of|not|non|nicht|niet|nao|no era|was|ist|is|era|es|"
    "e|y|and|or|und|oder|ou|ed|o|et|em vez de|meinte|meine|de|da|pedi|do|ve|veya|birini|bedeni|get|got|have|ha|"
    "hab|tem|avete|avez|habt|ze|nog|noch|still|wear|trage|uso|porto|porte|draag|take|want|need|quero|quiero|"
    "voglio|veux|will|wil|pour|contre|avec|mit|met|con|com|fur|b|f|maatje"
)
_AFTER_LETTER = (
    "statt|instead|au lieu|en vez|em vez|in plaats|al posto|ki jagah|wala|wali|ko|yerine|olacaktı|olacak|ile|"
    "yapın|yap|var mı|koyun|is too|ist zu|is te|me queda|me va|fica|est trop|e troppo|was too|por|per|for|"
    "gegen|contre|voor"
)
"""What stands around a letter that is a size, in languages with Latin letters."""


class SizeFinder:
    """Finds sizes: letter sizes, and numbers that a word marks as a size."""

    def __init__(self) -> None:
        before = alternatives([word for word in lexicon.SIZE_BEFORE if word not in lexicon.SIZE_WORDS_SYSTEM])
        systems = "|".join(lexicon.SIZE_WORDS_SYSTEM)
        number = rf"\d{{1,3}}{_HALVES}"
        after = "|".join(re.escape(fold_same_length(word)) for word in lexicon.SIZE_AFTER)
        self._patterns = (
            re.compile(
                rf"{before}(?:\s+(?:is|es|la|el|de|a|an|une?|n[o°º])\.?\s+|\s*[:.]?\s*)"
                rf"(?P<size>(?:(?:{systems})\s*)?{number}(?![\d%]|\s?(?:种|種))|{_LETTER}(?![a-zà-ɏ\d]))"
            ),
            re.compile(rf"(?<![a-zà-ɏ\d])(?P<size>(?:{systems})\s?\d{{1,2}}{_HALVES})(?![\d%])(?!\s*(?:€|£|\$))"),
            re.compile(rf"(?<![a-z\d.,-])(?P<size>{number}|(?<![à-ɏ]){_LETTER})\s*(?:{after})(?!线|店|楼|前)"),
            re.compile(r"(?<![a-zà-ɏ\d'’-])(?P<size>[2-6]?x{1,4}[sl])(?![a-zà-ɏ\d])"),
        )
        self._word = re.compile(before)
        # A Latin letter next to other Latin letters belongs to a word; next to those of another script it need not.
        self._capital = re.compile(r"(?<![A-Za-zÀ-ɏ\d'’.&-])(?P<size>[SML])(?![A-Za-zÀ-ɏ\d'’&-]|\.\w)")
        self._followed = re.compile(rf"\s+{alternatives(_AFTER_LETTER.split('|'))}")
        self._beside = re.compile(rf"{alternatives(_BEFORE_LETTER.split('|'))}\s+$")

    def find(self, text: str, folded: str) -> Iterator[Found]:
        """All sizes; the value is as written, in capitals."""
        for pattern in self._patterns:
            for match in pattern.finditer(folded):
                start, end = match.span("size")
                yield Found("size", text[start:end].upper(), start, end)
        letters = self.letters(text)
        # What holds for all of them is looked for once: a text may consist of nothing but capitals.
        sized = bool(letters) and (len(_SIZES.findall(text)) > 1 or bool(self._word.search(folded)))
        yield from (item for item in letters if sized or self._is_size(text, folded, item))

    def letters(self, text: str) -> list[Found]:
        """Single capital letters that may be sizes; an initial ("M. Dupont") is none."""
        if len(text) > 1 and text.isupper():
            return []
        return [
            Found("size", match["size"], *match.span("size"))
            for match in self._capital.finditer(text)
            if not _INITIAL.match(text, match.end())
        ]

    def _is_size(self, text: str, folded: str, item: Found) -> bool:
        """Whether the words around a letter make it a size, or nothing but it is said."""
        alone = not any(char.isalnum() for char in text[: item.start] + text[item.end :])
        return (
            alone
            or bool(self._beside.search(folded, max(0, item.start - _NEAR), item.start))
            or bool(self._followed.match(folded, item.end))
            or not _LATIN.search(text[: item.start] + text[item.end :])
        )


_SIZES = re.compile(r"(?<![A-Za-zÀ-ɏ\d'’.&-])(?:[SMLPG]|PP|GG|[2-6]?X{1,4}[SL])(?![A-Za-zÀ-ɏ\d'’&-]|\.\w)")
_INITIAL = re.compile(r"\.\s*[A-ZÀ-Þ]")
_LATIN = re.compile(r"[A-Za-zÀ-ɏ]")
