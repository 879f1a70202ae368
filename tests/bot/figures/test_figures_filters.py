"""Periods, time zones, and how they stand in a URL."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from bot.storage.figures import Filters, days_between, filters_of, params_of

NOW = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)


def at(text: str, zone: str = "UTC") -> datetime:
    """A local time."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


def test_a_day_on_which_clocks_change() -> None:
    """In Berlin the last Sunday of March has 23 hours, that of October 25; both begin at local midnight."""
    for day, hours in ((date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 7, 1), 24)):
        f = days_between(day, day, "Europe/Berlin")
        assert f.until - f.since == timedelta(hours=hours)
        assert f.since == at(f"{day}T00:00", "Europe/Berlin")
        assert [bucket[0] for bucket in f.buckets("day")] == [day]


def test_a_midnight_that_clocks_skip() -> None:
    """In Cairo the clocks of 2024-04-26 go from midnight to one: the day begins there, and none is lost."""
    f = days_between(date(2024, 4, 25), date(2024, 4, 27), "Africa/Cairo")
    days = f.buckets("day")
    assert [day for day, _, _ in days] == [date(2024, 4, 25), date(2024, 4, 26), date(2024, 4, 27)]
    assert [end - begin for _, begin, end in days] == [timedelta(hours=hours) for hours in (24, 23, 24)]


@pytest.mark.parametrize(
    ("first", "last", "before"),
    [
        ("2026-03-01", "2026-03-31", ("2026-02-01", "2026-02-28")),
        ("2026-01-01", "2026-03-31", ("2025-10-01", "2025-12-31")),
        ("2025-01-01", "2025-12-31", ("2024-01-01", "2024-12-31")),
        ("2026-03-25", "2026-03-31", ("2026-03-18", "2026-03-24")),
        ("2026-11-01", "2026-11-30", ("2026-10-01", "2026-10-31")),
    ],
)
def test_the_period_before(first: str, last: str, before: tuple[str, str]) -> None:
    """Months and quarters against the calendar's one before, days against as many, across changes of clocks."""
    f = days_between(date.fromisoformat(first), date.fromisoformat(last), "Europe/Berlin").with_(teams=("a",))
    expected = days_between(date.fromisoformat(before[0]), date.fromisoformat(before[1]), "Europe/Berlin")
    assert f.previous() == expected.with_(teams=("a",))


def test_the_period_before_some_hours() -> None:
    """What does not begin and end with days is compared with as much time."""
    f = Filters(at("2026-03-29T10:00"), at("2026-03-29T15:30"), "Europe/Berlin")
    assert (f.previous().since, f.previous().until) == (at("2026-03-29T04:30"), at("2026-03-29T10:00"))


def test_weeks_begin_on_monday() -> None:
    """ISO weeks, the first and last cut off."""
    weeks = days_between(date(2026, 1, 1), date(2026, 1, 13), "America/New_York").buckets("week")
    assert [day for day, _, _ in weeks] == [date(2025, 12, 29), date(2026, 1, 5), date(2026, 1, 12)]
    assert weeks[0][1] == at("2026-01-01T00:00", "America/New_York")
    assert weeks[-1][2] == at("2026-01-14T00:00", "America/New_York")


def test_months_in_a_zone() -> None:
    """Each begins at its own local midnight."""
    months = days_between(date(2026, 3, 15), date(2026, 5, 2), "Europe/Berlin").buckets("month")
    assert [day for day, _, _ in months] == [date(2026, 3, 1), date(2026, 4, 1), date(2026, 5, 1)]
    assert months[1][1] == at("2026-04-01T00:00", "Europe/Berlin")


def test_there_and_back() -> None:
    """What a URL says is read as it was written."""
    f = days_between(date(2026, 1, 5), date(2026, 2, 6), "Asia/Kolkata").with_(
        channels=("web", "slack"), agents=(0, 7), teams=("", "Kundendienst"), products=("Чайник & Co",)
    )
    asked = filters_of(params_of(f), "UTC", NOW)
    assert (asked.filters, asked.period, asked.problems) == (f, "", ())


@pytest.mark.parametrize(
    ("period", "first", "last"),
    [
        ("7d", "2026-11-17", "2026-11-23"),
        ("this_month", "2026-11-01", "2026-11-30"),
        ("last_month", "2026-10-01", "2026-10-31"),
        ("this_quarter", "2026-10-01", "2026-12-31"),
        ("last_quarter", "2026-07-01", "2026-09-30"),
        ("last_year", "2025-01-01", "2025-12-31"),
    ],
)
def test_named_periods(period: str, first: str, last: str) -> None:
    """Told from the viewer's today, which in Tokyo is tomorrow already."""
    asked = filters_of([("period", period)], "Asia/Tokyo", NOW)
    assert asked.filters == days_between(date.fromisoformat(first), date.fromisoformat(last), "Asia/Tokyo")
    assert asked.period == period and not asked.problems
    again = filters_of(params_of(asked.filters, asked.period), "UTC", NOW)
    assert again == asked


@pytest.mark.parametrize(
    ("params", "problem"),
    [
        ([("from", "2026-02-30")], "figures.dates"),
        ([("from", "2026-05-01"), ("to", "2026-04-01")], "figures.dates"),
        ([("from", "0001-01-01"), ("to", "9999-12-31")], "figures.dates"),
        ([("from", "2001-01-01"), ("to", "2026-01-01")], "figures.dates"),
        ([("period", "fortnight")], "figures.period"),
        ([("zone", "../../etc/passwd")], "figures.zone"),
        ([("zone", "Mars/Olympus")], "figures.zone"),
        ([("agent", "x")], "figures.values"),
        ([("team", "a\0b")], "figures.values"),
        ([("product", "x" * 500)], "figures.values"),
        ([("channel", str(number)) for number in range(99)], "figures.values"),
    ],
)
def test_what_makes_no_sense(params: list[tuple[str, str]], problem: str) -> None:
    """Falls back to the usual period in the viewer's zone, and says so."""
    asked = filters_of(params, "Europe/Berlin", NOW)
    assert asked.problems == (problem,)
    assert asked.period == "30d" and asked.filters.zone == "Europe/Berlin"
    assert asked.filters.since == at("2026-10-25T00:00", "Europe/Berlin")


def test_filters_that_cannot_be() -> None:
    """A time without a zone, an end before the beginning, an unknown zone."""
    with pytest.raises(ValueError, match="time zone"):
        Filters(datetime(2026, 1, 1), NOW)
    with pytest.raises(ValueError, match="end before"):
        Filters(NOW, NOW - timedelta(days=1))
    with pytest.raises(ValueError, match="no time zone"):
        Filters(NOW, NOW, "Nowhere")
