"""All entities of a message: patterns first, then learnt ones, then lookup phrases."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any

from bot.config import Shop
from bot.contracts import Entity
from nlu.amounts import AmountFinder, RatingFinder, SizeFinder
from nlu.calendar_words import calendar_words
from nlu.dates import DateFinder
from nlu.day_words import TIME_UNITS
from nlu.found import Found, Taken
from nlu.language_names import CODES, chinese_meant, is_adjective, language_names
from nlu.patterns import URL, NumberFinder
from nlu.phrases import MARKS, UNSPACED, Phrases, fold_same_length
from nlu.sequence import Tagger
from nlu.text import align
from nlu.training_data import TrainingData

OVERLAPPING = frozenset({"complaint_type", "severity"})
"""Entities that may lie over others: "the torn shoes" is a product and a kind of damage."""

_MONTH_FIRST = ("US", "PH")
_ENGLISH = ("", "en")
_OFTEN = 3
_WORD = re.compile(rf"(?:(?![{UNSPACED}])[^\W\d_]|[{MARKS}])+")
_FRACTION = re.compile(r"\d\s*/\s*\d")
_ALSO_NUMBER = re.compile(r"[A-Za-z]-$")


@dataclass(frozen=True)
class Tables:
    """What entity recognition needs besides settings; stored with the model as JSON."""

    lookups: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    regexes: list[tuple[str, str]] = field(default_factory=list)
    synonyms: dict[str, dict[str, str]] = field(default_factory=dict)
    names: list[tuple[str, str]] = field(default_factory=list)
    calendar: dict[str, dict[str, int]] = field(default_factory=dict)
    ordinary: dict[str, list[str]] = field(default_factory=dict)
    """Words that the examples of a language have often and never as a whole product; of all under ``""``."""

    def to_json(self) -> dict[str, Any]:
        """JSON-ready data; :meth:`from_json` reverses it."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Tables:
        """Read what :meth:`to_json` gave. Raises KeyError or TypeError for damaged data."""
        return cls(
            lookups={name: [(a, b) for a, b in pairs] for name, pairs in data["lookups"].items()},
            regexes=[(name, pattern) for name, pattern in data["regexes"]],
            synonyms={name: dict(pairs) for name, pairs in data["synonyms"].items()},
            names=[(name, code) for name, code in data["names"]],
            calendar={kind: dict(table) for kind, table in data["calendar"].items()},
            ordinary={language: list(words) for language, words in data.get("ordinary", {}).items()},
        )


def build_tables(data: TrainingData, languages: Sequence[str]) -> Tables:
    """Gather lookup phrases, regular expressions, synonyms and CLDR's names.

    A synonym whose words stand in an entity's lookup table maps that entity's values alone, so
    that "late" is a kind of complaint and not a day; any other maps all values.
    """
    canonical: dict[str, str] = {}
    for phrase in data.synonyms:
        canonical.setdefault(_key(phrase.text), phrase.name)
    lookups: dict[str, list[tuple[str, str]]] = defaultdict(list)
    bound: set[str] = set()
    for phrase in data.lookups:
        key = _key(phrase.text)
        bound.add(key)
        lookups[phrase.name].append((key, canonical.get(key, phrase.text)))
    synonyms: dict[str, dict[str, str]] = defaultdict(dict)
    synonyms[""] = {key: value for key, value in canonical.items() if key not in bound}
    names = list(language_names(languages))
    for example in data.examples:
        for mark in example.annotations:
            words = _key(example.text[mark.start : mark.end])
            if mark.entity == "language":
                names.append((words, mark.value))
            elif mark.value != example.text[mark.start : mark.end]:
                synonyms[mark.entity].setdefault(words, mark.value)
    return Tables(
        lookups=dict(lookups),
        regexes=[(phrase.name, phrase.text) for phrase in data.regexes],
        synonyms=dict(synonyms),
        names=names,
        calendar=calendar_words(tuple(dict.fromkeys([*languages, *CODES]))),
        ordinary=ordinary_words(data),
    )


def ordinary_words(data: TrainingData) -> dict[str, list[str]]:
    """By language, words that stand outside of products several times and are never one by themselves.

    "gonna" is a skirt in Italian and none in English; under ``""`` are the words that are a product
    in no language.
    """
    outside: dict[str, Counter[str]] = defaultdict(Counter)
    products: dict[str, set[str]] = defaultdict(set)
    for example in data.examples:
        folded = fold_same_length(example.text)
        marks = [mark for mark in example.annotations if mark.entity == "product"]
        whole = {_key(folded[mark.start : mark.end]) for mark in marks}
        rest = [
            match[0]
            for match in _WORD.finditer(folded)
            if not any(mark.start < match.end() and match.start() < mark.end for mark in marks)
        ]
        for language in {example.language, ""}:
            products[language] |= whole
            outside[language].update(rest)
    return {
        language: sorted(word for word, count in counts.items() if count >= _OFTEN and word not in products[language])
        for language, counts in sorted(outside.items())
    }


def _key(text: str) -> str:
    return " ".join(fold_same_length(text).split())


class EntityExtractor:
    """Finds entities. Made once, used by one thread at a time.

    Args:
        shop: whose order numbers and country count.
        languages: configured languages.
        tables: see :func:`build_tables`.
        tagger: the learnt part, None to go without.
    """

    def __init__(self, shop: Shop, languages: Sequence[str], tables: Tables, tagger: Tagger | None = None) -> None:
        self._numbers = NumberFinder(shop.order_number_pattern, shop.order_number_example, shop.country, languages)
        self._amounts = AmountFinder(shop.country)
        self._ratings = RatingFinder()
        self._sizes = SizeFinder()
        self._dates = DateFinder(tables.calendar, month_first=shop.country in _MONTH_FIRST)
        self._names = Phrases.build(tables.names)
        self._lookups = {name: Phrases.build(pairs) for name, pairs in tables.lookups.items()}
        self._regexes = [(name, re.compile(pattern, re.IGNORECASE)) for name, pattern in tables.regexes]
        self._synonyms = tables.synonyms
        self._ordinary = {language: frozenset(words) for language, words in tables.ordinary.items()}
        self._tagger = tagger

    def patterns(self, text: str, folded: str, today: date | None = None, language: str = "") -> list[Found]:
        """The pattern entities of an aligned text, none overlapping another."""
        taken = Taken()
        numbers = self._numbers
        for item in numbers.emails(text):
            taken.add(item)
        for match in URL.finditer(text):
            taken.add(Found("", "", *match.span()))
        for name, pattern in self._regexes:
            for match in pattern.finditer(text):
                taken.add(Found(name, match[0], *match.span()))
        for item in numbers.private(text, folded):
            taken.add(item)
        for group in (
            numbers.carriers(text, folded),
            numbers.tickets(text, folded),
            self._amounts.find(text, folded, language),
            (
                Found("language", chinese_meant(folded[start:end], value, language), start, end)
                for start, end, value in self._names.find(folded)
                if language not in _ENGLISH or not is_adjective(folded, start, end)
            ),
            self._ratings.find(folded),
            self._dates.find(text, folded, today, language),
            numbers.phones(text, folded, language),
            numbers.groups(text, folded),
            numbers.long_digits(text, folded),
            numbers.orders(text, folded),
            self._sizes.find(text, folded),
        ):
            for item in group:
                taken.add(item)
        return [item for item in taken.found if item.entity]

    def extract(self, text: str, *, today: date | None = None, language: str = "") -> tuple[Entity, ...]:
        """All entities in the order of the text.

        ``today`` makes relative dates computable; ``language`` narrows the countries of telephone
        numbers. Offsets are those of ``text`` as given; only its beginning is read (2,000 characters).
        """
        aligned = align(text)
        if not aligned.text.strip():
            return ()
        folded = fold_same_length(aligned.text)
        taken = Taken()
        patterns = self.patterns(aligned.text, folded, today, language)
        taken.found += patterns
        extractors = {id(item): "pattern" for item in patterns}
        if self._tagger is not None:
            for item in self._tagger.find(aligned.text, folded, patterns):
                if self._is_plausible(item, aligned.text, folded, language) and taken.add(item):
                    extractors[id(item)] = "learnt"
        extra: list[Found] = []
        for name, phrases in self._lookups.items():
            for start, end, value in phrases.find(folded):
                item = Found(name, value, start, end)
                extractors[id(item)] = "lookup"
                if name in OVERLAPPING:
                    extra.append(item)
                else:
                    taken.add(item)
        if any(item.entity == "product" for item in taken.found):
            # "the leather jacket, M": where there is a product, a letter alone is its size.
            for item in self._sizes.letters(aligned.text):
                if taken.add(item):
                    extractors[id(item)] = "pattern"
        found = []
        for item in sorted([*taken.found, *extra], key=lambda item: (item.start, item.end, item.entity)):
            start, end = aligned.span(item.start, item.end)
            value = self._value(item, aligned.text)
            found.append(Entity(item.entity, value, start, end, item.confidence, extractors[id(item)]))
        return tuple(found)

    def _is_plausible(self, item: Found, text: str, folded: str, language: str) -> bool:
        """Whether a learnt entity can be what it is taken for, by what holds for every entity of its kind."""
        words = folded[item.start : item.end]
        if item.entity == "product":
            return words not in self._ordinary.get(language, self._ordinary.get("", ()))
        if item.entity == "date":
            return not _FRACTION.fullmatch(words)
        if item.entity == "size":
            letters = len(words) > 1 or not words.isalpha()
            lone = letters or any(found.start == item.start for found in self._sizes.letters(text)) or text.isupper()
            return (lone or not text[item.start].isupper()) and not _ALSO_NUMBER.search(text, 0, item.start)
        if item.entity == "amount":
            spoken = [match[0] for match in _WORD.finditer(folded, item.start)]
            inside = len(_WORD.findall(words))
            return TIME_UNITS.isdisjoint(spoken[: inside or 1])
        return True

    def _value(self, item: Found, text: str) -> str:
        words = _key(text[item.start : item.end])
        own = self._synonyms.get(item.entity, {}).get(words)
        return own or self._synonyms.get("", {}).get(words) or item.value
