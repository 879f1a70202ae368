"""Ratings that are typed: "5", "٥", "five", "五分", "10/10", "4 out of 5", "★★★★".

Only a message that is a rating and nothing else counts, or one that begins with it and goes on after a
comma or the like ("4, but it took long"): that is the rating and a comment. A number among other words,
such as an order's or of days, is none. A thumb is none either: it says which side of the scale is meant
and not how far, and taking it for the end would embellish the figures. ``4.5`` is none, as nothing says
which of its neighbours is meant.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

MAX_LENGTH = 1000
# What is out of another number than the scale's highest is converted only for these: nobody says 3/8.
_KNOWN_TOPS = (5, 7, 10, 100)
_STARS_TOP = 5
_FILLED, _EMPTY = "⭐★🌟🌠✭✮", "☆"
# What belongs to an emoji of a key ("4️⃣") and is not seen by itself.
_DROPPED = dict.fromkeys(map(ord, "\ufe0f\ufe0e\u20e3\u200b\u200d\u200e\u200f\u2068\u2069"))

# The numbers from 0 to 10 by language; a word that means something else on its own ("네" is "yes") is left
# out, or stands below _COUNTED.
_WORDS: Mapping[str, str] = {
    "en": "zero one two three four five six seven eight nine ten",
    "es": "cero uno|un dos tres cuatro cinco seis siete ocho nueve diez",
    "fr": "zéro|zero un|une deux trois quatre cinq six sept huit neuf dix",
    "de": "null eins|eine|ein zwei|zwo drei vier fünf|fuenf|funf sechs sieben acht neun zehn",
    "pt": "zero um|uma dois|duas três|tres quatro cinco seis|meia sete oito nove dez",
    "it": "zero uno|una|un due tre quattro cinque sei sette otto nove dieci",
    "nl": "nul een|één twee drie vier vijf zes zeven acht negen tien",
    "ru": "ноль|нуль один|одна|единица два|две|двойка три|тройка четыре|четверка|четвёрка пять|пятерка|пятёрка "
    "шесть семь восемь девять десять",
    "tr": "sıfır|sifir bir iki üç|uc dört|dort beş|bes altı|alti yedi sekiz dokuz on",
    "ar": "صفر واحد|واحدة اثنان|اثنين|إثنان|إثنين|اتنين ثلاثة|ثلاث|تلاتة أربعة|اربعة|أربع|اربع خمسة|خمس|خمسه "
    "ستة|ست سبعة|سبع ثمانية|تمانية|ثماني تسعة|تسع عشرة|عشر",
    "hi": "शून्य|ज़ीरो एक दो तीन चार पाँच|पांच|पाच छह|छः|छ सात आठ नौ दस",
    "zh-Hans": "零|〇 一|壹 二|两|贰 三|叁 四|肆 五|伍 六|陆 七|柒 八|捌 九|玖 十|拾",
    "zh-Hant": "零|〇 一|壹 二|兩|貳 三|參 四|肆 五|伍 六|陸 七|柒 八|捌 九|玖 十|拾",
    "ja": "零|〇|ゼロ 一|いち 二 三|さん 四|よん 五 六|ろく 七|なな|しち 八|はち 九|きゅう 十|じゅう",
    "ko": "영|제로 하나 둘 셋 넷 다섯 여섯 일곱 여덟 아홉 열",
}
# These are numbers only with a word for points or stars behind them.
_COUNTED: Mapping[str, str] = {
    "ja": "れい|ぜろ ひと に|ふた み し|よっ ご|いつ む な や く|きゅー とお",
    "ko": "공 일|한 이|두 삼|세 사|네 오 육 칠 팔 구 십",
}
_STAR_WORDS = [
    "stars?",
    "estrellas?",
    "étoiles?",
    "etoiles?",
    "sterne?n?",
    "stern",
    "estrelas?",
    "stell[ae]",
    "sterren",
    "ster",
    "звезд[аы]?",
    "звёзд[аы]?",
    "звезды",
    "yıldız",
    "نجوم",
    "نجمة",
    "نجمات",
    "सितारे",
    "सितारा",
    "स्टार",
    "颗星",
    "顆星",
    "颗星星",
    "顆星星",
    "星",
    "つ星",
    "별",
]
_POINT_WORDS = [
    "points?",
    "pts?",
    "puntos?",
    "ptos?",
    "punkte?n?",
    "punkt",
    "pontos?",
    "punt[io]",
    "punten",
    "punt",
    "балл(?:а|ов)?",
    "очк(?:о|а|ов)",
    "puan",
    "نقاط",
    "نقطة",
    "درجات",
    "درجة",
    "अंक",
    "पॉइंट",
    "分",
    "点",
    "點",
    "점",
    "점이요",
    "점입니다",
]
_OUT_OF = r"out\s+of|of|de|entre|sobre|sur|von\s+max|von|aus|auf|su|van|uit|op|из|من"
# Where the highest is named first: "10 üzerinden 8".
_TOP_FIRST = r"üzerinden|में\s+से|満点中|中|만점에|만점\s+중|중|满分|滿分"
_BEFORE = (
    "i'd say|i would say|i say|i'd give (?:it |you )?(?:an? )?|i give (?:it |you )?(?:an? )?|it's an?|an?|a solid|"
    "le doy un|les doy un|doy un|pongo un|un|je dirais|je donne(?: un)?|je mets(?: un)?|ich gebe|ich würde sagen|gebe|"
    "eine|dou|eu dou|dou nota|nota|do un|voto|ik geef(?: een)?|een|ставлю|оценка|моя оценка|puanım|أعطيكم|أعطي|التقييم|"
    "मैं|我给|我給|给|給|打|我打|評価は|評価|점수는|별점"
)
_AFTER = (
    "please|thanks|thank you|por favor|gracias|s'il vous plaît|merci|bitte|danke|obrigad[oa]|grazie|bedankt|спасибо|"
    "veriyorum|teşekkürler|شكرا|شكراً|देता हूँ|देती हूँ|दूँगा|दूँगी|吧|哦|。|です|でお願いします|をつけます|"
    "요|이요|입니다|이에요|예요"
)
# What may stand around a rating: everything but letters, digits, and signs that make another thing of it.
_QUOTES = r"[^\w/%‰#$€£¥₹₩₽₺@+=]*"
_SEPARATOR = r"\s*(?:[,;:!\n،؛，。；！、：]|\.(?!\d)|\s[-–—]+\s|[–—])\s*"


@dataclass(frozen=True, slots=True)
class Rating:
    """A rating on the scale that was asked for, and what was said with it."""

    score: int
    comment: str = ""


@dataclass(frozen=True, slots=True)
class _Grammar:
    values: Mapping[str, int]
    alone: re.Pattern[str]
    leading: re.Pattern[str]
    somewhere: re.Pattern[str]
    top_first: re.Pattern[str]


def _folded(text: str) -> str:
    """Text as it is compared: compatibility forms, small letters, digits of every script as 0 to 9."""
    plain = unicodedata.normalize("NFKC", text.replace("🔟", "10").translate(_DROPPED)).casefold()
    digits = (str(unicodedata.decimal(char)) if char.isdecimal() else char for char in plain)
    return unicodedata.normalize("NFC", "".join(digits)).strip()


def _numbers(table: str) -> dict[str, int]:
    return {_folded(word): value for value, words in enumerate(table.split()) for word in words.split("|")}


@lru_cache(maxsize=32)
def _grammar(language: str) -> _Grammar:
    own = _numbers(_WORDS.get(language, ""))
    counted = _numbers(_COUNTED.get(language, ""))
    values = _numbers(_WORDS["en"]) | own
    words = "|".join(sorted(map(re.escape, values), key=len, reverse=True))
    with_unit = "|".join(sorted(map(re.escape, counted), key=len, reverse=True))
    number = rf"(?:\d{{1,3}}(?![\d])|{words})"
    stars, points = (rf"(?:{'|'.join(map(_folded_pattern, given))})" for given in (_STAR_WORDS, _POINT_WORDS))
    out_of = rf"(?:\s*/\s*|\s*(?:{_folded_pattern(_OUT_OF)})\s*)"
    unit = rf"(?:[\s-]*(?:(?P<stars>{stars})|{points}))?"
    value = rf"(?P<value>{number}){unit}(?:{out_of}(?P<top>{number})[\s-]*(?:{stars}|{points})?)?"
    somewhere = rf"(?<![\w./]){value.removesuffix('?')}(?![\w/%])"
    if with_unit:
        value = rf"(?:{value}|(?P<counted>{with_unit})\s*(?:(?P<stars2>{stars})|{points}))"
    counted_things = rf"\s*(?:{stars}|{points})?\s*"
    first = rf"(?P<top>{number}){counted_things}(?:{_folded_pattern(_TOP_FIRST)})\s*(?P<value>{number}){counted_things}"
    before, after = _folded_pattern(_BEFORE), _folded_pattern(_AFTER)
    whole = rf"{_QUOTES}(?:(?:{before})\s*)?{value}[\s,]*(?:(?:{after})\s*)*{_QUOTES}"
    leading = rf"{value}{_SEPARATOR}(?P<comment>[^\d\s].*)"
    return _Grammar(
        values | counted,
        re.compile(whole),
        re.compile(leading, re.DOTALL),
        re.compile(somewhere),
        re.compile(rf"{_QUOTES}{first}(?:(?:{after})\s*)*{_QUOTES}"),
    )


def _folded_pattern(pattern: str) -> str:
    """A pattern in the letters of folded texts; casefold leaves the signs of patterns as they are."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFKC", pattern).casefold())


def read(text: str, low: int, high: int, language: str) -> Rating | None:
    """The rating that a message is, None if it is none.

    Args:
        text: what was typed.
        low: the lowest rating of the scale.
        high: the highest.
        language: the conversation's, for words; English is understood as well.
    """
    if not text.strip() or len(text) > MAX_LENGTH:
        return None
    if (stars := _signs(text)) is not None:
        return _rated(stars, _STARS_TOP, low, high)
    grammar, folded = _grammar(language), _folded(text)
    if found := grammar.alone.fullmatch(folded) or grammar.top_first.fullmatch(folded):
        return _value(found, grammar, low, high)
    if (found := grammar.leading.fullmatch(folded)) and "?" not in folded:
        rating = _value(found, grammar, low, high)
        comment = _after_separator(text)
        return Rating(rating.score, comment) if rating is not None and comment else None
    return None


def mentioned(text: str, low: int, high: int, language: str) -> int | None:
    """The rating that is spoken of as so many out of so many anywhere in a text, such as "8/10 from me"."""
    grammar, folded = _grammar(language), _folded(text)
    for found in grammar.somewhere.finditer(folded):
        rating = _value(found, grammar, low, high)
        if rating is not None:
            return rating.score
    return None


def _signs(text: str) -> int | None:
    """How many stars a message of nothing but stars has."""
    bare = "".join(char for char in text.translate(_DROPPED) if not char.isspace())
    if not bare or any(char not in _FILLED + _EMPTY for char in bare):
        return None
    return sum(char in _FILLED for char in bare) or None


def _after_separator(text: str) -> str:
    """What follows the first separator, as it was written."""
    found = re.search(_SEPARATOR, unicodedata.normalize("NFC", text).strip())
    return unicodedata.normalize("NFC", text).strip()[found.end() :].strip() if found else ""


def _value(found: re.Match[str], grammar: _Grammar, low: int, high: int) -> Rating | None:
    groups = found.groupdict()
    raw = groups.get("value") or groups.get("counted") or ""
    score = int(raw) if raw.isdecimal() else grammar.values[raw]
    top = groups["top"]
    if top is not None:
        return _rated(score, int(top) if top.isdecimal() else grammar.values[top], low, high)
    if groups.get("stars") or groups.get("stars2"):
        return _rated(score, _STARS_TOP, low, high)
    return Rating(score) if low <= score <= high else None


def _rated(score: int, top: int, low: int, high: int) -> Rating | None:
    """So many out of ``top`` on the scale; the ends of both scales are the same."""
    if top == high:
        return Rating(score) if low <= score <= high else None
    if not 0 <= score <= top or top < 2 or (top not in _KNOWN_TOPS and score != top):
        return None
    share = max(0, score - 1) / (top - 1)
    return Rating(low + math.floor(share * (high - low) + 0.5))
