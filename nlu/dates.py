"""Days in a text: "yesterday", "3 May", "14/06/2024", "上周五", "hace dos semanas"."""

from __future__ import annotations

import calendar as months_of_years
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from typing import TypeVar

from nlu.day_reader import EVERY, DayReader
from nlu.day_words import NOT_A_DAY
from nlu.found import Found
from nlu.phrases import alternatives

_T = TypeVar("_T")
_ISO = re.compile(r"(?<![\w-])((?:19|20)\d\d)([-/.年])(\d{1,2})(?:[-/.]|月)(\d{1,2})(?![\d-])[日号號]?")
_NUMERIC = re.compile(r"(?<![\w./-])(\d{1,2})([/.-])(\d{1,2})\2(\d{4}|\d{2})(?![\w-]|[./]\d)")
_EAST = re.compile(r"(?<!\d)(\d{1,2})\s?(?:月|월)\s?(\d{1,2})(?:[日号號일]|(?!\d))")
_CHINESE_DAY = re.compile(
    r"(?<!街道)(?<!大道)(?<![\d.月线線换換成隔壁第路街弄巷村段樓楼栋棟])(\d{1,2})[号號](?![码碼线線楼樓店门門院馆變变室栋棟])"
)
_EAST_DAY = re.compile(
    r"(?<![\d月월/.-])(?<!월 )(\d{1,2})(?:日(?=に|まで|は|頃|ごろ|付|着|以降|到|收|买|買|[、。,.!?\s]|$)"
    r"|일(?=에(?!\s*한)|까지|날|에요|이에요|이요|[.,!?]|$))"
)
_WEEKDAY_EAST = re.compile(
    r"(上上|上|下下|下|这|這|本)?(?:个|個)?(?:周|週|星期|礼拜|禮拜)([一二三四五六日天])(?![月个個年])"
)
_EAST_DAYS = {char: index for index, char in enumerate("一二三四五六日")} | {"天": 6}
_EAST_WEEKS = {"上上": -2, "上": -1, "下": 1, "下下": 2, "这": 0, "這": 0, "本": 0}
_EAST_RANGE = re.compile(r"\s*[到至~～—-]\s*(?:周|週|星期|礼拜|禮拜)?[一二三四五六日天]")
_EITHER_WAY = frozenset({"कल", "परसों", "kal", "parso", "parson"})
"""One word for yesterday and tomorrow, or for the days beyond."""

_NOT = re.compile(alternatives(NOT_A_DAY))
_DIGIT = re.compile(r"\d")
_GLUED = re.compile(r"\d[^\W\d_]")
_ANYTHING = frozenset("dswhmp")
_MAX_DAY, _MAX_MONTH = 31, 12
_DOTTED = frozenset({"de", "ru", "tr", "nl", "it"})
_BARE_DAY = {
    "es": ("el|del", "antes del|hasta el|para el|al"),
    "fr": ("le|du", "avant le|pour le|jusqu'au"),
    "it": ("il|del|dal", "entro il|per il|prima del|al"),
}
"""Where the number of a day stands after an article alone: when something was, and by when it has to be."""


class DateFinder:
    """Finds dates. Values are ISO dates where today's date makes them computable, else the words.

    Args:
        calendar: names of months and weekdays, see ``calendar_words``.
        month_first: whether 4/5 means April 5, as in the United States.
    """

    def __init__(self, calendar: Mapping[str, Mapping[str, int]], *, month_first: bool = False) -> None:
        self._month_first = month_first
        self._calendar = calendar
        self._readers: dict[str, DayReader] = {}

    def find(self, text: str, folded: str, today: date | None, language: str = "") -> Iterator[Found]:
        """All dates of a text, surest kinds first; they may overlap, the first one counts.

        ``language``: whose words count, see :class:`nlu.day_reader.DayReader`; all for an unknown one.
        """
        reader = self._readers.get(language)
        if reader is None:
            reader = self._readers[language] = DayReader(language, self._calendar)
        digits = bool(_DIGIT.search(text))
        kinds = {kind for _, _, found in reader.gate.find(folded) for kind in found}
        if digits and _GLUED.search(folded):
            kinds |= _ANYTHING
        if not digits and not kinds and not reader.east:
            return
        message = _Message(text, folded, today, reader)
        if digits:
            yield from self._numeric(message)
            if "m" in kinds:
                yield from _by_name(message)
        if "p" in kinds:
            yield from _counted(message)
        if digits:
            yield from self._without_year(message)
            yield from _numbered(message)
        if reader.chinese:
            yield from _chinese_weekdays(message)
        if kinds & {"w", "h"}:
            yield from _by_weekday(message)
        if "s" in kinds:
            for match in reader.span.finditer(folded):
                kind, offset = _entry(reader.spans, match[0])
                yield message.found(match.start(), match.end(), _moved(today, kind, offset))
        if "d" in kinds:
            yield from _relative(message)

    def _numeric(self, message: _Message) -> Iterator[Found]:
        for match in _ISO.finditer(message.text):
            day = _day(int(match[1]), int(match[3]), int(match[4]))
            if day:
                yield message.found(match.start(), match.end(), day)
        for match in _NUMERIC.finditer(message.text):
            first, second, year = int(match[1]), int(match[3]), int(match[4])
            year += 2000 if year < 100 else 0
            day = self._ordered(first, second, year)
            if day:
                yield message.found(match.start(), match.end(), day)
        for match in _EAST.finditer(message.text):
            month, number = int(match[1]), int(match[2])
            if _day(2000, month, number):
                start, end = match.span()
                yield message.found(start, end, message.of_year(month, number, start, end))

    def _ordered(self, first: int, second: int, year: int) -> date | None:
        if first > _MAX_MONTH or (second <= _MAX_MONTH and not self._month_first):
            return _day(year, second, first)
        return _day(year, first, second)

    def _without_year(self, message: _Message) -> Iterator[Found]:
        """ "on 14/06", and 14/06 alone where the zero or the size of its numbers tells it from a fraction."""
        east = message.reader.language in ("zh", "ja", "ko")
        for match in message.reader.slashed.finditer(message.folded):
            start, end = match.start("a"), match.end("b")
            first, second = match["a"], match["b"]
            if match["sign"] == "." and (not match["dated"] or message.reader.language not in _DOTTED):
                continue
            padded = len(first) == 2 and len(second) == 2 and "0" in (first[0], second[0])
            sure = bool(match["dated"]) or padded or (east and int(second) > _MAX_MONTH)
            if not sure or re.search(r"\d\s$", message.text[max(0, start - 2) : start]):
                continue
            day = _day(2000, int(first), int(second)) if east else self._ordered(int(first), int(second), 2000)
            if day:
                end += message.text[end : end + 1] == "." and message.text[end : end + 2] == ". "
                yield message.found(start, end, message.of_year(day.month, day.day, start, end))


class _Message:
    """A text with what its dates are read by."""

    def __init__(self, text: str, folded: str, today: date | None, reader: DayReader) -> None:
        self.text, self.folded, self.today, self.reader = text, folded, today, reader
        self._cues: list[tuple[int, int, int]] | None = None
        self._blocked: list[tuple[int, int]] | None = None

    def found(self, start: int, end: int, day: date | None) -> Found:
        """A date without the space and full stop at its end; its words where the day is unknown."""
        text = self.text
        while end > start and (text[end - 1].isspace() or text[end - 1] in ",."):
            end -= 1
        return Found("date", day.isoformat() if day else text[start:end], start, end)

    def blocked(self, position: int) -> bool:
        """Whether a word for a day means something else here."""
        if self._blocked is None:
            self._blocked = [match.span() for match in _NOT.finditer(self.folded)]
        return any(start <= position < end for start, end in self._blocked)

    def direction(self, start: int, end: int) -> int:
        """-1 where the words nearest to a date speak of the past, 1 of the future, 0 of neither."""
        if self._cues is None:
            self._cues = [
                (match.start(), match.end(), sign)
                for pattern, sign in self.reader.cues
                for match in pattern.finditer(self.folded)
            ]
        nearest = [
            (max(start - cue_end, cue_start - end, 0), sign)
            for cue_start, cue_end, sign in self._cues
            if cue_end <= start or end <= cue_start
        ]
        return min(nearest)[1] if nearest else 0

    def of_year(self, month: int, number: int, start: int, end: int) -> date | None:
        """The day of that month in the year that the words around it suggest, else nearest to today."""
        if self.today is None:
            return None
        years = (self.today.year - 1, self.today.year, self.today.year + 1)
        return self._chosen(self.today, [day for year in years if (day := _day(year, month, number))], start, end)

    def of_month(self, number: int, start: int, end: int) -> date | None:
        """The day with that number in the month that the words around it suggest, else nearest to today."""
        if self.today is None:
            return None
        first = self.today.replace(day=1)
        firsts = (first, (first - timedelta(days=1)).replace(day=1), (first + timedelta(days=31)).replace(day=1))
        days = [day for month in firsts if (day := _day(month.year, month.month, number))]
        return self._chosen(self.today, days, start, end)

    def _chosen(self, today: date, days: list[date], start: int, end: int) -> date | None:
        sign = self.direction(start, end)
        fitting = [day for day in days if (day - today).days * sign >= 0] or days
        return min(fitting, key=lambda day: abs((day - today).days), default=None)

    def weekday(self, number: int, start: int, end: int, side: int | None = None) -> date | None:
        """The day of "last Tuesday" (-1), "next Friday" (1), "this Friday" (0) or of a weekday alone."""
        today = self.today
        if today is None:
            return None
        sign = side or self.direction(start, end)
        same = timedelta(days=0 if side == 0 and today.weekday() == number else 7)
        behind = (today.weekday() - number) % 7
        ahead = (number - today.weekday()) % 7
        if sign < 0:
            return today - (timedelta(days=behind) or same)
        return today + (timedelta(days=ahead) or same)


def _by_name(message: _Message) -> Iterator[Found]:
    reader = message.reader
    for pattern in reader.named:
        for match in pattern.finditer(message.folded):
            month, number = reader.months[" ".join(match["month"].split())], int(match["day"])
            if not 1 <= number <= _MAX_DAY:
                continue
            start, end = match.span()
            day = (
                _day(int(match["year"]), month, number) if match["year"] else message.of_year(month, number, start, end)
            )
            yield message.found(start, end, day)


def _counted(message: _Message) -> Iterator[Found]:
    reader = message.reader
    for pattern, sign, sure in reader.counted:
        for match in pattern.finditer(message.folded):
            start, end = match.span()
            if not sure and message.direction(start, end) < 0:
                continue
            unit = reader.periods[" ".join((match["whole"] or match["period"]).split())]
            raw = (match["count"] or "").strip()
            count = int(raw) if raw.isdigit() else reader.counts.get(raw, 1)
            yield message.found(start, end, _moved(message.today, unit.kind, sign * count * unit.factor))


def _numbered(message: _Message) -> Iterator[Found]:
    reader = message.reader
    patterns = [*reader.numbered]
    if reader.chinese:
        patterns.append(_CHINESE_DAY)
    if reader.east:
        patterns.append(_EAST_DAY)
    for pattern in patterns:
        for match in pattern.finditer(message.folded):
            place = "day" if "day" in pattern.groupindex else 1
            number = int(match[place])
            if 1 <= number <= _MAX_DAY:
                start, end = match.span()
                start = match.start(place) if reader.language in ("ru", "hi", "ko") else start
                named = _month_before(message, start) if reader.east else None
                if named:
                    begin, month = named
                    yield message.found(begin, end, month and _day(month.year, month.month, number))
                else:
                    yield message.found(start, end, message.of_month(number, start, end))
    articles = _BARE_DAYS.get(reader.language)
    for match in articles.finditer(message.folded) if articles else ():
        number, start, end = int(match["day"]), match.start("day"), match.end()
        if 1 <= number <= _MAX_DAY and (match["by"] or message.direction(start, end) < 0):
            yield message.found(match.start(), end, message.of_month(number, start, end))


def _month_before(message: _Message, start: int) -> tuple[int, date | None] | None:
    """The "last month" of "지난달 28일": where it begins, and a day of that month."""
    before = message.folded[:start].rstrip("の的 ")
    for word, (kind, offset) in message.reader.spans.items():
        if kind == "month" and before.endswith(word):
            return len(before) - len(word), _moved(message.today, "month", offset)
    return None


_BARE_DAYS = {
    language: re.compile(
        rf"(?:(?P<by>{alternatives(by.split('|'))})|{alternatives(articles.split('|'))})\s+(?P<day>\d{{1,2}})"
        r"(?=\s*(?:$|[.,;!?)](?!\d)|(?:y|et|e|ed|ma|mais|pero)\b))"
    )
    for language, (articles, by) in _BARE_DAY.items()
}


def _chinese_weekdays(message: _Message) -> Iterator[Found]:
    habit = [match.span() for match in re.finditer(_WEEKDAY_EAST.pattern + _EAST_RANGE.pattern, message.folded)]
    for match in _WEEKDAY_EAST.finditer(message.folded):
        start, end = match.span()
        number = _EAST_DAYS[match[2]]
        day = None
        if match[1]:
            day = _of_week(message.today, _EAST_WEEKS[match[1]], number)
        elif not any(first <= start < last for first, last in habit) and not message.folded.startswith(
            ("每", "逢"), max(0, start - 1)
        ):
            day = message.weekday(number, start, end)
        yield message.found(start, end, day)


def _by_weekday(message: _Message) -> Iterator[Found]:
    reader, folded = message.reader, message.folded
    habit = [match.span() for match in reader.range.finditer(folded)]
    for match in reader.weekday.finditer(folded):
        if message.blocked(match.start("name")):
            continue
        start, end = match.span()
        name = " ".join(match["name"].split())
        number = reader.weekdays[name]
        week = match["week"] or match["week2"]
        side = match["side"] or match["after"]
        if week:
            day = _of_week(message.today, _entry(reader.spans, week)[1], number)
        elif side:
            day = message.weekday(number, start, end, reader.sides[" ".join(side.split())])
        elif (
            name in reader.plural
            or any(first <= start < last for first, last in habit)
            or EVERY.search(folded, 0, start)
        ):
            day = None
        else:
            day = message.weekday(number, start, end)
        yield message.found(start, end, day)
    for match in reader.short_weekday.finditer(folded) if reader.short else ():
        side = match["side"] or match["after"] or match["after2"]
        group = "name" if match["name"] else "name2"
        start = match.start("side") if match["side"] else match.start(group)
        direction = reader.sides[" ".join(side.split())] if side else None
        number = reader.short[match[group]]
        yield message.found(start, match.end(), message.weekday(number, start, match.end(), direction))


def _relative(message: _Message) -> Iterator[Found]:
    reader = message.reader
    for match in reader.relative.finditer(message.folded):
        if message.blocked(match.start()):
            continue
        offset = _entry(reader.days, match[0])
        if match[0] in _EITHER_WAY and message.direction(*match.span()) > 0:
            offset = -offset
        yield message.found(match.start(), match.end(), _moved(message.today, "day", offset))


def _entry(table: Mapping[str, _T], words: str) -> _T:
    """What a table has for some words, however spaces and hyphens are set."""
    if words in table:
        return table[words]
    wanted = words.replace("-", " ").split()
    return next(value for spelled, value in table.items() if spelled.replace("-", " ").split() == wanted)


def _of_week(today: date | None, weeks: int, number: int) -> date | None:
    """A weekday of this week, the one before (-1) or after (1); weeks begin on Monday."""
    return today and today + timedelta(days=7 * weeks + number - today.weekday())


def _moved(today: date | None, kind: str, count: int) -> date | None:
    """The day so many days, weeks, months or years away; the last of a month that is too short."""
    if today is None:
        return None
    try:
        return _MOVES[kind](today, count)
    except (ValueError, OverflowError):
        return None


def _by_months(today: date, count: int) -> date:
    year, month = divmod(today.year * 12 + today.month - 1 + count, 12)
    return date(year, month + 1, min(today.day, months_of_years.monthrange(year, month + 1)[1]))


_MOVES: dict[str, Callable[[date, int], date]] = {
    "day": lambda today, count: today + timedelta(days=count),
    "week": lambda today, count: today + timedelta(weeks=count),
    "month": _by_months,
    "year": lambda today, count: _by_months(today, 12 * count),
}


def _day(year: int, month: int, number: int) -> date | None:
    try:
        return date(year, month, number)
    except ValueError:
        return None
