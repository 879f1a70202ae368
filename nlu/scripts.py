"""Which script a text is written in, and whether Chinese is simplified or traditional."""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache

# A letter of these carries about as much as a syllable or word of an alphabet.
_WEIGHTS = {"Han": 4.0, "Kana": 3.0, "Hangul": 3.0}

_RANGES = {
    "Han": "\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff",
    "Kana": "\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\uff66-\uff9d",
    "Hangul": "\u1100-\u11ff\u3131-\u318e\ua960-\ua97c\uac00-\ud7a3\ud7b0-\ud7fb",
    "Latin": "A-Za-z\u00aa\u00ba\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02af\u1e00-\u1eff\uff21-\uff3a\uff41-\uff5a",
    "Cyrillic": "\u0400-\u0481\u048a-\u052f\u1c80-\u1c88\ua640-\ua66e",
    "Arabic": "\u0620-\u064a\u066e-\u06d3\u06d5\u06fa-\u06ff\u0750-\u077f\ufb50-\ufdfb\ufe70-\ufefc",
    "Devanagari": "\u0900-\u0963\u0971-\u097f",
    "Greek": "\u0370-\u03ff\u1f00-\u1fff",
    "Hebrew": "\u05d0-\u05f2",
    "Thai": "\u0e01-\u0e3a\u0e40-\u0e4e",
    "Armenian": "\u0531-\u0587",
    "Georgian": "\u10a0-\u10ff\u1c90-\u1cbf",
    "Bengali": "\u0980-\u09fe",
    "Gurmukhi": "\u0a01-\u0a76",
    "Gujarati": "\u0a81-\u0aff",
    "Tamil": "\u0b82-\u0bfa",
    "Telugu": "\u0c00-\u0c7f",
    "Kannada": "\u0c80-\u0cf3",
    "Malayalam": "\u0d00-\u0d7f",
    "Sinhala": "\u0d81-\u0df4",
    "Lao": "\u0e81-\u0edf",
    "Tibetan": "\u0f00-\u0fda",
    "Burmese": "\u1000-\u109f",
    "Khmer": "\u1780-\u17f9",
    "Ethiopic": "\u1200-\u1399",
    "Mongolian": "\u1820-\u18aa",
}
_LETTERS = {script: re.compile(f"[{ranges}]") for script, ranges in _RANGES.items()}
_HAN = _LETTERS["Han"]

LANGUAGES = {
    "Han": ("zh", "ja"),
    "Kana": ("ja",),
    "Hangul": ("ko",),
    "Cyrillic": ("ru", "uk", "be", "bg", "sr", "mk", "kk", "ky", "mn", "tg"),
    "Arabic": ("ar", "fa", "ur", "ps", "ug"),
    "Devanagari": ("hi", "mr", "ne"),
    "Greek": ("el",),
    "Hebrew": ("he",),
    "Thai": ("th",),
    "Armenian": ("hy",),
    "Georgian": ("ka",),
    "Bengali": ("bn",),
    "Gurmukhi": ("pa",),
    "Gujarati": ("gu",),
    "Tamil": ("ta",),
    "Telugu": ("te",),
    "Kannada": ("kn",),
    "Malayalam": ("ml",),
    "Sinhala": ("si",),
    "Lao": ("lo",),
    "Tibetan": ("bo",),
    "Burmese": ("my",),
    "Khmer": ("km",),
    "Ethiopic": ("am",),
    "Mongolian": ("mn",),
}
"""Languages of a script, most used first; a script that is not here (Latin) is shared by many."""

NAMES = {"Han": "Chinese characters", "Kana": "Japanese kana", "Hangul": "Korean letters"}


def script_shares(text: str) -> Counter[str]:
    """How much of a text's letters each script has, weighted by what a letter carries."""
    counts: Counter[str] = Counter()
    rest = text
    for script, pattern in _LETTERS.items():
        rest, found = pattern.subn("", rest)
        if found:
            counts[script] = round(found * _WEIGHTS.get(script, 1.0))
        if not rest.strip():
            break
    return counts


def main_script(text: str) -> str:
    """The script that decides a text's language, empty if it has no letters.

    Customers mix Latin words into every other script ("order 到哪了"), so a third of another script
    outweighs Latin; kana decides against Han, since Japanese uses both.
    """
    counts = script_shares(text)
    if not counts:
        return ""
    total = sum(counts.values())
    others = Counter({script: count for script, count in counts.items() if script != "Latin"})
    if not others or sum(others.values()) * 3 < total:
        return "Latin" if counts["Latin"] else others.most_common(1)[0][0]
    best: str = others.most_common(1)[0][0]
    if best == "Han" and counts["Kana"] * 8 >= counts["Han"]:
        return "Kana"
    return best


@lru_cache(maxsize=8192)
def _encodable(char: str, encoding: str) -> bool:
    try:
        char.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def chinese_evidence(text: str) -> tuple[int, int, int]:
    """Characters of a text that only simplified, only traditional, only Japanese writing has.

    The national character sets tell: GB 2312 holds simplified characters, Big5 traditional ones,
    JIS X 0208 Japanese ones.
    """
    simplified = traditional = japanese = 0
    for char in _HAN.findall(text):
        in_gb, in_big5 = _encodable(char, "gb2312"), _encodable(char, "big5")
        if in_gb and not in_big5:
            simplified += 1
        elif in_big5 and not in_gb:
            traditional += 1
        elif not in_gb and not in_big5 and _encodable(char, "shift_jis"):
            japanese += 1
    return simplified, traditional, japanese
