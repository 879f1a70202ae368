"""From the words of a message to one figure: negation, emphasis, contrast, questions and irony.

The sum ``x`` of what the words weigh becomes ``x / sqrt(x² + 15)``, the normalisation of VADER
(C. J. Hutto and E. Gilbert, "VADER: A Parsimonious Rule-based Model for Sentiment Analysis of Social
Media Text", ICWSM 2014). The word lists and the rules are this product's own.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field

from nlu.sentiment.lexicon import HANGUL, LETTER, TOKEN, UNSPACED, Entry, Kind, Lexicon, fold_token, straight
from nlu.text import clean

LIMIT = 2000
"""Characters of a text that are read."""

ALPHA = 15.0
# Words below this weight report a problem, or are friendly in passing. All of them together weigh at
# most _MINOR: a list of what is broken is still no anger.
_MILD, _MINOR = 1.0, 0.75
_MORE, _LESS = 1.3, 0.6
_NEGATED_GOOD, _NEGATED_GOOD_MOST = -0.9, 2.0
_NEGATED_BAD, _NEGATED_BAD_MOST = -0.4, 0.75
_BEFORE_BUT, _AFTER_BUT = 0.5, 1.25
_ASKED, _CLOSING = 0.25, 0.4
_SUPPOSED = 0.3
# Words this heavy are threats and abuse, which an "if" does not soften: "if you don't pay, I'll sue".
_THREAT = -4.0
_IRONIC, _IRONIC_MOST = -0.8, 1.6
_CAPITALS = 0.7
_MARK = 0.3
_IF_REACH, _MORE_REACH, _THREAT_REACH = 6, 2, 1
_LONG_BEFORE_THANKS = 4

_SENTENCE_END = frozenset(".!?…。！？؟।\n")
_CLAUSE_END = frozenset(',;:，、；：،؛—–()"«»“”„')
_QUESTION_MARKS = frozenset("?？؟")
_IMPATIENT = re.compile(r"[?？؟!！]*[?？؟][?？؟!！]{2,}|[!！][?？؟]|[?？؟][!！]")
_RUN = re.compile(r"([^\W\d_])\1+")
_LONG_RUN = re.compile(r"([^\W\d_])\1{2,}")
_UNSPACED_CHAR = re.compile(f"[{UNSPACED}{HANGUL}]")


@dataclass(slots=True)
class _Token:
    folded: str
    original: str
    at: int


@dataclass(slots=True)
class _Hit:
    """A word of the lexicon in the text; ``plain`` counts the other words before it."""

    entry: Entry
    text: str
    plain: int
    clause: int
    sentence: int
    first: int
    last: int
    capitals: bool
    value: float = 0.0
    negated: bool = False


@dataclass(slots=True)
class _Scan:
    hits: list[_Hit] = field(default_factory=list)
    questions: set[int] = field(default_factory=set)
    requests: bool = False
    plain: int = 0


@dataclass(frozen=True, slots=True)
class Judgement:
    """The score in [-1, 1] and the words behind it with what each added to the sum."""

    score: float
    reasons: tuple[tuple[str, float], ...]


def judge(text: str, lexicon: Lexicon) -> Judgement:
    """How a text sounds. Only its first :data:`LIMIT` characters are read."""
    text = straight(unicodedata.normalize("NFKC", clean(text, LIMIT)))
    tokens, flat = _tokens(text, lexicon)
    scan = _scan(tokens, flat, text, lexicon)
    weighed = [hit for hit in scan.hits if hit.entry.kind in (Kind.WORD, Kind.POLITE) and hit.entry.weight]
    for hit in weighed:
        hit.value = _value(hit, scan, lexicon)
    _irony(weighed, scan, tokens)
    total = sum(hit.value for hit in weighed if abs(hit.entry.weight) >= _MILD)
    mild = sum(hit.value for hit in weighed if abs(hit.entry.weight) < _MILD)
    if _IMPATIENT.search(text):
        mild -= 0.5
    total += max(-_MINOR, min(_MINOR, mild))
    total += math.copysign(_emphasis(text), total) if total else 0.0
    reasons = tuple((hit.text, round(hit.value, 2)) for hit in weighed if hit.value)
    return Judgement(round(total / math.sqrt(total * total + ALPHA), 4), reasons)


def _tokens(text: str, lexicon: Lexicon) -> tuple[list[_Token], str]:
    """The words and marks of a text, and its folded form, in which each has its position."""
    tokens: list[_Token] = []
    parts: list[str] = []
    length = end = 0
    for match in TOKEN.finditer(text):
        if match.start() > end:
            parts.append(" ")
            length += 1
        original, end = match[0], match.end()
        folded = fold_token(original)
        if _LONG_RUN.search(original):
            folded = _shortened(folded, lexicon)
        if not folded:
            continue  # a mark that folding takes away
        tokens.append(_Token(folded, original, length))
        parts.append(folded)
        length += len(folded)
    return tokens, "".join(parts)


def _shortened(word: str, lexicon: Lexicon) -> str:
    """A drawn-out word (soooo, loooove, schleeecht) as it stands in the lexicon, if it does."""
    double = _LONG_RUN.sub(r"\1\1", word)
    for candidate in (double, _RUN.sub(r"\1", word)):
        if lexicon.find(candidate, 0):
            return candidate
    return double


def _scan(tokens: list[_Token], flat: str, text: str, lexicon: Lexicon) -> _Scan:
    scan = _Scan()
    shouted = not _mixed_case(text)
    clause = sentence = plain = taken = 0
    for number, token in enumerate(tokens):
        if token.at < taken:
            continue
        entry, at = _entry(token, flat, lexicon)
        if entry is not None:
            taken = at + len(entry.text)
            last = number
            while last + 1 < len(tokens) and tokens[last + 1].at < taken:
                last += 1
            capitals = not shouted and len(token.original) > 2 and token.original.isupper()
            words = "".join(_spaced(tokens[number : last + 1]))
            scan.hits.append(_Hit(entry, words, plain, clause, sentence, number, last, capitals))
            if Kind.QUESTION in entry.kind:
                scan.questions.add(clause)
            scan.requests |= Kind.REQUEST in entry.kind
        elif token.original in _SENTENCE_END:
            if token.original in _QUESTION_MARKS:
                scan.questions.add(clause)
            sentence += 1
            clause += 1
        elif token.original in _CLAUSE_END:
            clause += 1
        elif LETTER.match(token.folded) or _UNSPACED_CHAR.match(token.folded):
            plain += 1
    scan.plain = plain
    return scan


def _entry(token: _Token, flat: str, lexicon: Lexicon) -> tuple[Entry | None, int]:
    found = lexicon.find(flat, token.at)
    if found is None:
        # The article and short words that Arabic writes onto the next one.
        for prefix in lexicon.prefixes:
            if token.folded.startswith(prefix) and len(token.folded) - len(prefix) > 2:
                at = token.at + len(prefix)
                if (found := lexicon.find(flat, at)) is not None:
                    return found, at
    return found, token.at


def _spaced(tokens: list[_Token]) -> Iterator[str]:
    end = tokens[0].at
    for token in tokens:
        yield " " + token.original if token.at > end else token.original
        end = token.at + len(token.folded)


def _value(hit: _Hit, scan: _Scan, lexicon: Lexicon) -> float:
    """What a word adds to the sum, after the words around it have had their say."""
    value = hit.entry.weight
    factor = 1.0
    for other in scan.hits:
        kind = other.entry.kind
        if Kind.BUT in kind and other.sentence == hit.sentence and abs(hit.entry.weight) >= _MILD:
            factor *= _BEFORE_BUT if hit.first < other.first else _AFTER_BUT
        if other.clause != hit.clause:
            continue
        gap = hit.plain - other.plain
        if other.first < hit.first:
            if Kind.INTENSIFIER in kind and gap <= _MORE_REACH:
                factor *= _MORE
            elif Kind.WEAKENER in kind and gap <= _MORE_REACH:
                factor *= _LESS
            elif Kind.NEGATOR in kind and gap <= (lexicon.before if value > _THREAT else _THREAT_REACH):
                hit.negated = True
            elif Kind.CONDITION in kind and gap <= _IF_REACH and value > _THREAT:
                factor *= _SUPPOSED
        elif other.first > hit.first:
            if Kind.NEGATOR_AFTER in kind and -gap <= lexicon.after:
                hit.negated = True
            elif Kind.INTENSIFIER_AFTER in kind and gap == 0 and other.first == hit.last + 1:
                factor *= _MORE
    factor = min(factor, 2.0)
    if hit.capitals and not hit.negated:
        value += math.copysign(_CAPITALS, value)
    # Thanks stay thanks: "I can't thank you enough".
    if hit.negated and not hit.entry.settled and hit.entry.kind is not Kind.POLITE:
        value = _negated(value)
    if value > 0 and _asks(hit, scan):
        factor *= _ASKED
    elif hit.entry.kind is Kind.POLITE and hit.plain == scan.plain >= _LONG_BEFORE_THANKS:
        factor *= _CLOSING  # a report's last word, out of habit
    return value * factor


def _negated(value: float) -> float:
    """Not good is bad; not bad is rather good, but says little."""
    if value > 0:
        return max(-_NEGATED_GOOD_MOST, value * _NEGATED_GOOD)
    return min(_NEGATED_BAD_MOST, value * _NEGATED_BAD)


def _asks(hit: _Hit, scan: _Scan) -> bool:
    """Whether the word is only asked about ("is it good?"), or belongs to a request ("a quick answer, thanks")."""
    if hit.entry.kind is Kind.POLITE or hit.entry.weight <= _MILD:
        return bool(scan.questions) or scan.requests
    return hit.clause in scan.questions


def _irony(weighed: list[_Hit], scan: _Scan, tokens: list[_Token]) -> None:
    """Turn an opening cheer around when nothing but trouble follows: "Great, broken again."."""
    if len(weighed) < 2 or scan.questions or scan.requests:
        return
    first, rest = weighed[0], weighed[1:]
    after = tokens[first.last + 1].original if first.last + 1 < len(tokens) else ""
    cheers = first.entry.kind is Kind.WORD and first.value >= _MILD and first.first <= 1
    stands_alone = after in _SENTENCE_END or after in _CLAUSE_END
    trouble = all(hit.value < 0 for hit in rest)
    if cheers and stands_alone and trouble and not any(Kind.BUT in hit.entry.kind for hit in scan.hits):
        first.value = max(-_IRONIC_MOST, first.value * _IRONIC)


def _mixed_case(text: str) -> bool:
    """Whether single words can stand out by their capitals, as they cannot where all is shouted."""
    return not text.isupper()


def _emphasis(text: str) -> float:
    """What repeated exclamation marks, or a message all in capitals, add in the direction of the sum."""
    marks = text.count("!") + text.count("！")
    extra = _MARK * min(marks, 4) if marks > 1 else 0.0
    letters = sum(map(str.isalpha, text)) if text.isupper() else 0
    return extra + (_CAPITALS if letters > 7 else 0.0)
