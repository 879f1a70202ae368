"""Cutting a text into tokens in any script, without a dictionary.

Rasa can mark and learn an entity only where it begins and ends together with tokens, so tokens are
rather small: a word, a number, a sign; one character in scripts that put no spaces between words, and one
syllable in Korean, whose particles follow a word without a space.
"""

import re
import unicodedata

KATAKANA = "\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\uff66-\uff9f"
# Han, hiragana, Thai, Lao, Burmese, Khmer; katakana, which spells borrowed words, is taken as runs.
UNSPACED = (
    "\u3005-\u3007\u3041-\u3096\u309d-\u309f\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
)

HANGUL = "\uac00-\ud7a3"


def _marks() -> str:
    """Marks that belong to the letter before them, such as Devanagari's vowel signs, and the joiners."""
    codes = [code for code in range(0x300, 0x2000) if unicodedata.category(chr(code)) in ("Mn", "Mc", "Me")]
    return "".join(map(chr, codes)) + "\u200c\u200d\u3099\u309a"


_MARKS = _marks()
_TOKEN = re.compile(
    rf"[{KATAKANA}]+"
    rf"|[{UNSPACED}{HANGUL}][{_MARKS}]*"
    r"|\d+"
    rf"|(?:(?![{UNSPACED}{KATAKANA}{HANGUL}])[^\W\d_]|[{_MARKS}])+"
    r"|\S"
)

_SYLLABLE = re.compile(f"[{HANGUL}]")


def segment(text: str) -> list[tuple[int, int]]:
    """The tokens of a text as (start, end) in code points; none only if the text is blank."""
    return [match.span() for match in _TOKEN.finditer(text)]


def words(text: str, spans: list[tuple[int, int]]) -> list[str]:
    """What to count for each token: itself, but a Korean word as a whole at its first syllable.

    The other syllables of that word give a space, which counts for nothing.
    """
    counted: list[str] = []
    first = -1
    for index, (start, end) in enumerate(spans):
        hangul = bool(_SYLLABLE.match(text[start]))
        if hangul and first >= 0 and spans[index - 1][1] == start:
            counted[first] += text[start:end]
            counted.append(" ")
        else:
            counted.append(text[start:end])
            first = index if hangul else -1
    return counted
