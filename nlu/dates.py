"""Days in a text: "yesterday", "3 May", "14/06/2024", "上周五", "hace dos semanas"."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta

from nlu import lexicon
from nlu.found import Found
from nlu.phrases import alternatives, fold_same_length

_ISO = re.compile(r"(?<![\w-])((?:19|20)\d\d)([-/.年])(\d{1,2})(?:[-/.]|月)(\d{1,2})(?![\d-])[日号號]?")
_NUMERIC = re.compile(r"(?<![\w./-])(\d{1,2})([/.-])(\d{1,2})\2(\d{4}|\d{2})(?![\w-]|[./]\d)")
_EAST = re.compile(r"(?<!\d)(\d{1,2})月(\d{1,2})(?:[日号號]|(?!\d))")
_EAST_DAY = re.compile(r"(?<![\d月线線])(\d{1,2})[号號](?![码碼线線楼樓店门門院馆])")
_WEEKDAY_EAST = re.compile(r"(上上|上|下下|下|这|這|本)?(?:个|個)?(?:周|週|星期|礼拜|禮拜)([一二三四五六日天])")
_EAST_DAYS = {char: index for index, char in enumerate("一二三四五六日")} | {"天": 6}
_EAST_WEEKS = {"上上": -2, "上": -1, "下": 1, "下下": 2, "这": 0, "這": 0, "本": 0}
_DIGITS = r"\d{1,3}"
_MAX_DAY = 31
_MAX_MONTH = 12


class DateFinder:
    """Finds dates. Values are ISO dates where today's date makes them computable, else the words.

    Args:
        months, weekdays: names with their numbers (1 to 12; 0 is Monday), see ``calendar_words``.
        month_first: whether 4/5 means April 5, as in the United States.
    """

    def __init__(self, months: Mapping[str, int], weekdays: Mapping[str, int], *, month_first: bool = False) -> None:
        self._month_first = month_first
        self._months = {fold_same_length(name): number for name, number in months.items()}
        self._weekdays = {fold_same_length(name): number for name, number in weekdays.items()}
        for name, number in list(self._weekdays.items()):
            if name.isascii() and not name.endswith("s"):
                self._weekdays.setdefault(name + "s", number)
        self._days = {fold_same_length(word): offset for offset, words in lexicon.DAYS.items() for word in words}
        self._numbers = {fold_same_length(word): value for value, words in lexicon.NUMBERS.items() for word in words}
        self._periods = {fold_same_length(word): kind for kind, words in lexicon.PERIODS.items() for word in words}
        self._not = re.compile(alternatives(lexicon.NOT_A_DAY))
        self._relative = re.compile(alternatives(self._days))
        count = rf"(?P<count>{_DIGITS}|{alternatives(self._numbers)})\s*(?:{alternatives(lexicon.COUNTED)})?"
        period = rf"(?P<period>{alternatives(self._periods)})"
        before, after = alternatives(lexicon.AGO_BEFORE), alternatives(lexicon.AGO_AFTER)
        self._ago = (
            re.compile(rf"{before}\s*{count}\s*{period}"),
            re.compile(rf"(?<![\d.,]){count}\s*{period}\s*{after}"),
        )
        month, weekday = alternatives(self._months or ["\0"]), alternatives(self._weekdays or ["\0"])
        ordinal = r"(?:st|nd|rd|th|er|º|ª|\.)?"
        year = r"(?:,?\s*(?:de[l]?\s+)?(?P<year>(?:19|20)\d\d)(?!\d))?"
        self._named = (
            re.compile(rf"(?<!\w)(?P<day>\d{{1,2}}){ordinal}\s*(?:de\s+|of\s+|-)?(?P<month>{month})\.?{year}"),
            re.compile(rf"(?P<month>{month})\.?\s*(?:the\s+)?(?P<day>\d{{1,2}})(?!\d)(?:st|nd|rd|th)?{year}"),
        )
        self._weekday = re.compile(
            rf"(?:(?P<side>{alternatives((*lexicon.LAST, *lexicon.NEXT))})\s*)?(?P<name>{weekday})"
            rf"(?:\s+(?P<after>{alternatives((*lexicon.LAST_AFTER, *lexicon.NEXT_AFTER))}))?"
        )

    def find(self, text: str, folded: str, today: date | None) -> Iterator[Found]:
        """All dates of a text, surest kinds first; they may overlap, the first one counts."""
        yield from self._numeric(text, today)
        yield from self._numbered(text, today)
        yield from self._by_name(text, folded, today)
        yield from self._counted(text, folded, today)
        blocked = [match.span() for match in self._not.finditer(folded)]
        yield from self._by_weekday(text, folded, today, blocked)
        for match in self._relative.finditer(folded):
            if any(start <= match.start() < end for start, end in blocked):
                continue
            day = today + timedelta(days=self._days[" ".join(match[0].split())]) if today else None
            yield _found(text, match.start(), match.end(), day)

    def _numeric(self, text: str, today: date | None) -> Iterator[Found]:
        for match in _ISO.finditer(text):
            day = _day(int(match[1]), int(match[3]), int(match[4]))
            if day:
                yield _found(text, match.start(), match.end(), day)
        for match in _NUMERIC.finditer(text):
            first, second, year = int(match[1]), int(match[3]), int(match[4])
            year += 2000 if year < 100 else 0
            day = self._ordered(first, second, year)
            if day:
                yield _found(text, match.start(), match.end(), day)
        for match in _EAST.finditer(text):
            day = _nearest(int(match[1]), int(match[2]), today)
            if _day(2000, int(match[1]), int(match[2])):
                yield _found(text, match.start(), match.end(), day)

    def _numbered(self, text: str, today: date | None) -> Iterator[Found]:
        for match in _EAST_DAY.finditer(text):
            if 1 <= int(match[1]) <= _MAX_DAY:
                yield _found(text, match.start(), match.end(), _nearest_day(int(match[1]), today))

    def _ordered(self, first: int, second: int, year: int) -> date | None:
        if first > _MAX_MONTH or (second <= _MAX_MONTH and not self._month_first):
            return _day(year, second, first)
        return _day(year, first, second)

    def _by_name(self, text: str, folded: str, today: date | None) -> Iterator[Found]:
        for pattern in self._named:
            for match in pattern.finditer(folded):
                month, number = self._months[match["month"]], int(match["day"])
                if not 1 <= number <= _MAX_DAY:
                    continue
                day = _day(int(match["year"]), month, number) if match["year"] else _nearest(month, number, today)
                end = match.end()
                yield _found(text, match.start(), end, day)

    def _counted(self, text: str, folded: str, today: date | None) -> Iterator[Found]:
        for pattern in self._ago:
            for match in pattern.finditer(folded):
                raw = match["count"].strip()
                count = int(raw) if raw.isdigit() else self._numbers.get(raw, 0)
                kind = self._periods.get(match["period"], "")
                days = {"day": 1, "week": 7, "month": 30}.get(kind, 0) * count
                day = today - timedelta(days=days) if today and days else None
                yield _found(text, match.start(), match.end(), day)

    def _by_weekday(
        self, text: str, folded: str, today: date | None, blocked: Sequence[tuple[int, int]]
    ) -> Iterator[Found]:
        for match in _WEEKDAY_EAST.finditer(folded):
            day = None
            if today and match[1]:
                monday = today - timedelta(days=today.weekday())
                day = monday + timedelta(days=7 * _EAST_WEEKS[match[1]] + _EAST_DAYS[match[2]])
            yield _found(text, match.start(), match.end(), day)
        for match in self._weekday.finditer(folded):
            if any(start <= match.start("name") < end for start, end in blocked):
                continue
            number = self._weekdays[" ".join(match["name"].split())]
            side = " ".join((match["side"] or match["after"] or "").split())
            yield _found(text, match.start(), match.end(), _weekday(number, side, today))


_PAST = {fold_same_length(word) for word in (*lexicon.LAST, *lexicon.LAST_AFTER)}


def _weekday(number: int, side: str, today: date | None) -> date | None:
    """The day of "last Tuesday" or "next Friday"; a bare weekday may be either, so it has none."""
    if today is None or not side:
        return None
    if side in _PAST:
        return today - timedelta(days=(today.weekday() - number - 1) % 7 + 1)
    return today + timedelta(days=(number - today.weekday() - 1) % 7 + 1)


def _found(text: str, start: int, end: int, day: date | None) -> Found:
    while end > start and (text[end - 1].isspace() or text[end - 1] in ",."):
        end -= 1
    return Found("date", day.isoformat() if day else text[start:end], start, end)


def _day(year: int, month: int, number: int) -> date | None:
    try:
        return date(year, month, number)
    except ValueError:
        return None


def _nearest(month: int, number: int, today: date | None) -> date | None:
    """The day of that month nearest to today."""
    if today is None:
        return None
    days = [day for year in (today.year - 1, today.year, today.year + 1) if (day := _day(year, month, number))]
    return min(days, key=lambda day: abs((day - today).days), default=None)


def _nearest_day(number: int, today: date | None) -> date | None:
    """The day with that number nearest to today."""
    if today is None:
        return None
    first = today.replace(day=1)
    firsts = (first, (first - timedelta(days=1)).replace(day=1), (first + timedelta(days=31)).replace(day=1))
    days = [day for start in firsts if (day := _day(start.year, start.month, number))]
    return min(days, key=lambda day: abs((day - today).days), default=None)
