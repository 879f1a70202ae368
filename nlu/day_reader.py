"""One language's day words as regular expressions, and what tells past from future."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial

from nlu.day_words import ELSEWHERE, WORDS, DayWords
from nlu.number_words import NumberWords, all_counts
from nlu.phrases import Phrases, alternatives, fold_same_length

NOTHING = re.compile(r"(?!)")
_MOST = 60
_UNSPACED = ("zh", "ja", "ko")
_EVERYWHERE = "en"
_RANGE = r"\s*(?:to|-|–|—|~|～|bis|a|al|ate|tot|t/m|au|through|thru|till|until|по|до|الى|से|到|至|から|부터|ile)\s*"
_SHORT_AFTER = ("na", "nesta", "nessa", "pra", "para", "ate")
_EVERY = (
    "every|each|los|todos los|cada|tous les|chaque|les|jeden|jede|aos|as|todos os|todas as|toda|todo|ogni|elke|"
    "iedere|каждый|каждую|каждое|по|her|كل|हर|每|毎週|매주|매"
)


def words(text: str) -> list[str]:
    """The words of a list with ``|``, folded."""
    return [fold_same_length(word) for word in text.split("|") if word]


EVERY = re.compile(rf"{alternatives(words(_EVERY))}\s*$")
"""What makes a weekday a habit, at the end of what stands before it."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit of time: ``kind`` and how many of it one word means; ``counts`` if no number may stand before it."""

    kind: str
    factor: int
    counts: bool


class DayReader:
    """Everything that :class:`nlu.dates.DateFinder` needs of one language; of all for an unknown one.

    A language's own words count, and English ones, which are used everywhere. Single words for days,
    months and weekdays of other languages count too, as the language may have been taken for a
    similar one, except where they are everyday words of this one ("hier" in German).

    Expressions are made when a message first needs them: together they take a tenth of a second.

    Args:
        language: a code, empty for an unknown one.
        calendar: see :func:`nlu.calendar_words.calendar_words`.
    """

    def __init__(self, language: str, calendar: Mapping[str, Mapping[str, int]]) -> None:
        base = language.split("-")[0]
        self.language = base
        known = base in WORDS
        used = [WORDS[base], *([WORDS[_EVERYWHERE]] if base != _EVERYWHERE else [])] if known else list(WORDS.values())
        shunned = set(words(ELSEWHERE.get(base, "")))
        self.east = base in _UNSPACED or not known
        self.chinese = base == "zh" or not known
        self._any = partial(alternatives, spaced=not self.east)
        self._calendar(language, calendar, used, shunned)
        self.days: dict[str, int] = {}
        for item in [*used, *WORDS.values()]:
            own = any(item is mine for mine in used)
            for offset, spelled in item.days.items():
                for word in words(spelled):
                    if own or (word not in shunned and " " not in word):
                        self.days.setdefault(word, offset)
        self.spans: dict[str, tuple[str, int]] = {}
        self.periods: dict[str, Unit] = {}
        for item in used:
            for kind, table in (("week", item.weeks), ("month", item.months), ("year", item.years)):
                for offset, spelled in table.items():
                    for word in words(spelled):
                        self.spans.setdefault(word, (kind, offset))
            for key, spelled in item.periods.items():
                kind, _, factor = key.partition(":")
                for word in words(spelled):
                    self.periods.setdefault(word, Unit(kind, int(factor or 1), bool(factor) and word != "fortnight"))
        self._bases = [base, _EVERYWHERE] if known else list(WORDS)
        self._used = used
        self.sides = _sides(used)
        self.short = {
            word: number for item in used for number, spelled in item.short.items() for word in words(spelled)
        }
        self.gate = self._gate()

    def _calendar(
        self,
        language: str,
        calendar: Mapping[str, Mapping[str, int]],
        used: Iterable[DayWords],
        shunned: set[str],
    ) -> None:
        months = [calendar.get(f"months.{language}"), calendar.get("months.en"), calendar.get("months.written")]
        if not language or months[0] is None:
            months = [calendar.get("months")]
        weekdays = [calendar.get(f"weekdays.{language}"), calendar.get("weekdays")]
        self.months: dict[str, int] = {}
        self.weekdays: dict[str, int] = {}
        for place, source in enumerate(months):
            for name, number in (source or {}).items():
                if not place or fold_same_length(name) not in shunned:
                    self.months.setdefault(fold_same_length(name), number)
        for item in used:
            for number, spelled in item.weekdays.items():
                for word in words(spelled):
                    self.weekdays.setdefault(word, number)
        for source in weekdays:
            for name, number in (source or {}).items():
                if fold_same_length(name) not in shunned:
                    self.weekdays.setdefault(fold_same_length(name), number)
        self.plural = {
            f"{name}s" for name in self.weekdays if name.isascii() and not name.endswith("s")
        } - self.weekdays.keys()
        for name in self.plural:
            self.weekdays[name] = self.weekdays[name[:-1]]

    @cached_property
    def counts(self) -> dict[str, int]:
        """Words that count, with their numbers."""
        return {word: value for word, value in all_counts(self._bases).items() if value <= _MOST}

    @cached_property
    def relative(self) -> re.Pattern[str]:
        """Any of :attr:`days`."""
        return re.compile(self._flexible(self.days))

    @cached_property
    def span(self) -> re.Pattern[str]:
        """Any of :attr:`spans`."""
        return re.compile(self._flexible(self.spans))

    @cached_property
    def cues(self) -> tuple[tuple[re.Pattern[str], int], ...]:
        """What speaks of the past (-1) and of the future (1)."""
        return (_cues(self._used, "past"), -1), (_cues(self._used, "future"), 1)

    @cached_property
    def named(self) -> tuple[re.Pattern[str], ...]:
        """A day and a month's name, in either order, perhaps with a year."""
        month = self._one_of(self.months)
        year = r"(?:,?\s*(?:de[l]?\s+)?(?P<year>(?:19|20)\d\d)(?!\d))?"
        ordinal = r"(?:st|nd|rd|th|er|º|°|ª|\.|-?го|-?е)?"
        day = rf"(?<!\w)(?<!\d[.,])(?P<day>\d{{1,2}}){ordinal}"
        return (
            re.compile(rf"{day}\s*(?:de\s+|of\s+|-)?(?P<month>{month})\.?{year}"),
            re.compile(rf"(?P<month>{month})\.?\s*(?:the\s+)?(?P<day>\d{{1,2}})(?!\d|[.,:]\d)(?:st|nd|rd|th)?{year}"),
        )

    @cached_property
    def counted(self) -> tuple[tuple[re.Pattern[str], int, bool], ...]:
        """What says "3 days ago" (-1) and "in a week" (1), and whether it is a day, or may be how long it took."""
        found = []
        for item in self._used:
            own = {word for spelled in item.periods.values() for word in words(spelled)}
            units = [word for word in own if not self.periods[word].counts]
            single = [*own.difference(units), *words(item.uncounted)]
            counts = [word for word, value in NumberWords(_code(item)).counts.items() if value <= _MOST]
            count = rf"(?P<count>\d{{1,3}}|{self._any(counts)})\s*(?:个|個)?\s*"
            about = rf"(?:{self._any(words(item.about))}\s*)?" if item.about else ""
            amount = rf"(?:{count}(?P<period>{self._any(units, continued=True)})|(?P<whole>{self._one_of(single)}))"
            for spelled, sign, sure in (
                (item.ago_before, -1, True), (item.in_before, 1, True), (item.in_unsure, 1, False),
            ):  # fmt: skip
                if spelled:
                    found.append((re.compile(rf"{self._any(words(spelled))}\s*{about}{amount}"), sign, sure))
            for spelled, sign, sure in ((item.ago_after, -1, True), (item.in_after, 1, False)):
                if spelled:
                    after = self._any(words(spelled), continued=True)
                    found.append((re.compile(rf"(?<![\d.,]){amount}\s*{after}"), sign, sure))
        return tuple(found)

    @cached_property
    def weekday(self) -> re.Pattern[str]:
        """A weekday with what says which one: "last Tuesday", "Tuesday last week"."""
        weeks = [word for word, (kind, _) in self.spans.items() if kind == "week"]
        link = [word for item in self._used for word in words(item.link)]
        linked = rf"\s*,?\s*(?:{self._one_of(link)}\s*){{0,2}}"
        before, after = self._around
        return re.compile(
            rf"(?:(?P<week>{self._one_of(weeks)}){linked})?(?:(?P<side>{before})\s*)?(?P<name>{self._one_of(self.weekdays)})"
            rf"(?:\s+gunu)?(?:\s+(?P<after>{after}))?(?:{linked}(?P<week2>{self._one_of(weeks)}))?"
        )

    @cached_property
    def _around(self) -> tuple[str, str]:
        before = [word for item in self._used for word in words(f"{item.last}|{item.next}|{item.this}")]
        after = [word for item in self._used for word in words(f"{item.last_after}|{item.next_after}")]
        return self._one_of(before), self._one_of(after)

    @cached_property
    def short_weekday(self) -> re.Pattern[str]:
        """A short name of a weekday where something shows that it is one."""
        before, after = self._around
        dated = self._one_of([*(word for item in self._used for word in words(item.dated)), *_SHORT_AFTER])
        name = self._one_of(self.short)
        return re.compile(
            rf"(?:(?:(?P<side>{before})|{dated})\s+(?P<name>{name})(?:\s+(?P<after>{after}))?"
            rf"|(?P<name2>{name})\s+(?P<after2>{after}))"
            r"(?=\s*(?:$|[.,;!?)]|(?:and|e|und|i|eu|para|ich)\b))"
        )

    @cached_property
    def range(self) -> re.Pattern[str]:
        """From one weekday to another, which is no day."""
        name = self._one_of(self.weekdays)
        return re.compile(rf"{name}{_RANGE}{name}")

    @cached_property
    def numbered(self) -> tuple[re.Pattern[str], ...]:
        """The number of a day: "the 20th"."""
        found = []
        for item in self._used:
            ordinals = "|".join(map(re.escape, words(item.day_after)))
            after = rf"(?:{ordinals})(?!\w)" if ordinals else ""
            before = rf"{self._any(words(item.day_before))}\s*" if item.day_before else ""
            noun = rf"(?!\s*(?:-\s*)?{self._any(words(item.not_after))})" if item.not_after else ""
            if before or after:
                number = r"(?<![\d/])(?P<day>\d{1,2})(?!\d)"
                found.append(re.compile(rf"(?<![\w.,/-]){before}{number}\s*{after}(?![.,:/-]?\d|\s*[%€$£]){noun}"))
        return tuple(found)

    @cached_property
    def slashed(self) -> re.Pattern[str]:
        """A day and a month in numbers, without a year."""
        dated = self._one_of(word for item in self._used for word in words(item.dated))
        return re.compile(
            rf"(?:(?P<dated>{dated})\s+)?(?<![\w./,-])(?P<a>\d{{1,2}})(?P<sign>[/.])(?P<b>\d{{1,2}})"
            r"(?![\d/%-]|[.,]\d|\s*(?:[€$£%]|eur|usd|kg|cm|mm|ml|km))"
        )

    def _one_of(self, items: Iterable[str]) -> str:
        found = list(items)
        return self._any(found) if found else NOTHING.pattern

    def _flexible(self, items: Iterable[str]) -> str:
        """Any of some phrases, also with a space for a hyphen and the other way round."""
        return self._any(
            [spelled for item in items for spelled in {item, item.replace("-", " "), item.replace(" ", "-")}]
        )

    def _gate(self) -> Phrases:
        """Finds cheaply which kinds of expressions a text may have; most texts have none."""
        kinds: dict[str, str] = {}
        for table, kind in (
            (self.days, "d"), (self.spans, "s"), (self.weekdays, "w"), (self.short, "h"), (self.months, "m"),
            (self.periods, "p"),
        ):  # fmt: skip
            for word in table:
                kinds[word] = kinds.get(word, "") + kind
                for other in ("-", " "):
                    if other in word:
                        spelled = word.replace(other, " " if other == "-" else "-")
                        kinds[spelled] = kinds.get(spelled, "") + kind
        return Phrases.build(kinds.items())


def _code(item: DayWords) -> str:
    return next(code for code, own in WORDS.items() if own is item)


def _sides(used: Iterable[DayWords]) -> dict[str, int]:
    """What stands beside a weekday: -1 for the last one, 1 for the next, 0 for this week's."""
    sides: dict[str, int] = {}
    for item in used:
        for spelled, direction in (
            (item.last, -1), (item.last_after, -1), (item.next, 1), (item.next_after, 1), (item.this, 0),
        ):  # fmt: skip
            for word in words(spelled):
                sides.setdefault(word, direction)
    return sides


def _cues(used: Iterable[DayWords], name: str) -> re.Pattern[str]:
    parts = []
    for item in used:
        pattern = getattr(item, name)
        if pattern:
            east = item in (WORDS["zh"], WORDS["ja"], WORDS["ko"])
            parts.append(rf"(?:{pattern})" if east else rf"(?<!\w)(?:{pattern})(?![\w\u0900-\u0963])")
    return re.compile(fold_same_length("|".join(parts))) if parts else NOTHING
