"""How figures are written: numbers, shares, lengths of time, intervals, changes, in the reader's language."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal, TypeAlias

from babel.dates import format_date, format_skeleton
from babel.numbers import format_decimal
from babel.units import format_unit

from bot.storage.figures import Bucket, Kind, Score
from bot.words import NOTHING, Words

Value: TypeAlias = "str | float | int | datetime | date | None"
Unit: TypeAlias = Literal["text", "count", "share", "points", "nps", "mean", "decimal", "seconds", "moment", "day"]
SCORE_UNITS: dict[str, Unit] = {"csat": "share", "nps": "nps", "ces": "mean"}
MINUTE, HOUR, DAY = 60, 3600, 86_400


@dataclass(frozen=True, slots=True)
class Cell:
    """One figure in a table: as it is, as it is read, and where what is behind it is found."""

    value: Value
    unit: Unit
    text: str
    link: str = ""
    # What is drawn beside it: a share of the row's length, and an interval, each in [0, 1].
    bar: float | None = None
    span: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """What became of a figure against the period before.

    ``clear`` is None where there is nothing to compare with or no interval to judge by; ``by`` is the
    difference, in the unit in which it is told; ``strength`` orders changes: the difference in standard errors.
    """

    text: str
    direction: Literal["up", "down", "same", "none"]
    clear: bool | None = None
    by: float | None = None
    strength: float = 0.0


class Shown:
    """Writes values for a reader."""

    def __init__(self, words: Words) -> None:
        self.words = words
        self._locale = words.locale
        percent = words.locale.percent_formats[None].pattern
        self._percent = percent.replace("#,##0", "#,##0.0").replace("#0", "#0.0") if "0.0" not in percent else percent

    def share(self, value: float) -> str:
        """A share with one decimal, as a percentage."""
        return str(format_decimal(value, self._percent, locale=self._locale))

    def decimal(self, value: float, digits: int = 1, signed: bool = False) -> str:
        """A number with so many decimals, with its sign if wanted."""
        pattern = "#,##0" + ("." + "0" * digits if digits else "")
        # A difference that rounds to nothing has no sign.
        sign = signed and round(value, digits) != 0
        return str(format_decimal(value, f"+{pattern};-{pattern}" if sign else pattern, locale=self._locale))

    def seconds(self, value: float) -> str:
        """A length of time in the unit that fits."""
        for unit, length in (("second", 1), ("minute", MINUTE), ("hour", HOUR), ("day", DAY)):
            upper = {"second": MINUTE, "minute": HOUR, "hour": 2 * DAY, "day": math.inf}[unit]
            if value < upper:
                amount = round(value / length, 0 if unit in ("second", "minute") else 1)
                return str(format_unit(amount, f"duration-{unit}", "short", locale=self._locale))
        return NOTHING

    def day(self, value: date, bucket: Bucket = "day", year: bool = False) -> str:
        """The name of a day, week or month."""
        if bucket == "month":
            return str(format_skeleton("yMMM", value, locale=self._locale))
        return str(format_skeleton("yMMMd" if year else "MMMd", value, locale=self._locale))

    def period(self, first: date, last: date) -> str:
        """A period by its first and its last day."""
        begin, end = (format_date(day, "medium", locale=self._locale) for day in (first, last))
        return begin if first == last else f"{begin} – {end}"

    def text(self, value: Value, unit: Unit) -> str:
        """A value as it is read; a dash for none."""
        if value is None or value == "":
            return NOTHING
        if isinstance(value, datetime):
            return self.words.moment(value)
        if isinstance(value, date):
            return self.day(value, year=True)
        if isinstance(value, str):
            return value
        return self._number(float(value), unit)

    def _number(self, value: float, unit: Unit) -> str:
        if unit == "share":
            return self.share(value)
        if unit == "seconds":
            return self.seconds(value)
        if unit in ("nps", "points", "decimal"):
            return self.decimal(value, 1, signed=unit == "nps")
        return self.decimal(value, 2 if unit == "mean" else 0)

    def cell(
        self,
        value: Value,
        unit: Unit = "text",
        link: str = "",
        *,
        text: str = "",
        bar: float | None = None,
        span: tuple[float, float] | None = None,
    ) -> Cell:
        """A value for a table."""
        return Cell(value, unit, text or self.text(value, unit), link, bar, span)

    def interval(self, low: float | None, high: float | None, unit: Unit) -> str:
        """An interval in words, ``""`` for none."""
        if low is None or high is None:
            return ""
        return self.words("dash.interval", low=self._number(low, unit), high=self._number(high, unit))

    def change_of(
        self,
        value: float | None,
        before: float | None,
        unit: Unit,
        now_range: tuple[float | None, float | None] = (None, None),
        then_range: tuple[float | None, float | None] = (None, None),
    ) -> Change:
        """A figure against that of the period before.

        Where both have intervals that overlap there is "no clear change", whatever the numbers say.
        """
        # Of nothing there is no percentage.
        if value is None or before is None or (unit in ("count", "seconds") and value and not before):
            return Change(self.words("dash.change_none"), "none")
        (low, high), (least, most) = now_range, then_range
        clear: bool | None = None
        strength = 0.0
        if low is not None and high is not None and least is not None and most is not None:
            clear = low > most or high < least
            spread = math.hypot(high - low, most - least)
            strength = abs(value - before) / spread if spread else 0.0
        told, by = self._difference(value, before, unit)
        if clear is False:
            return Change(self.words("dash.change_unclear", by=told), "same", False, by, strength)
        size = told.lstrip("+-−\u200e\u200f")
        if by > 0:
            return Change(self.words("dash.change_up", by=size), "up", clear, by, strength)
        if by < 0:
            return Change(self.words("dash.change_down", by=size), "down", clear, by, strength)
        return Change(self.words("dash.change_same"), "same", clear, by, strength)

    def _difference(self, value: float, before: float, unit: Unit) -> tuple[str, float]:
        if unit in ("count", "seconds"):
            by = (value - before) / before if before else 0.0
            sign = "+" if by > 0 else ""
            return sign + self.share(by), by
        by = value - before
        if unit == "share":
            return self.words("dash.points", by=self.decimal(by * 100, 1, signed=True)), by
        return self.decimal(by, 2 if unit == "mean" else 1, signed=True), by

    def score_change(self, kind: Kind, score: Score, before: Score | None) -> Change:
        """A score against that of the period before."""
        if before is None:
            return Change("", "none")
        return self.change_of(
            score.value, before.value, SCORE_UNITS[kind], (score.low, score.high), (before.low, before.high)
        )
