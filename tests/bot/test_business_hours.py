"""Business hours: shifts, time zones, clocks that change, holidays; compared with counting minute by minute."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.config import CalendarSettings, ConfigError, Settings, load_config
from bot.config.tickets import WEEKDAYS
from bot.services.business_hours import Calendar, calendar_of

AMSTERDAM = "Europe/Amsterdam"
HOUR = 3600
# Days around which clocks are changed (in Lebanon and on Lord Howe at midnight and by half an hour), and a quiet one.
PLACES = (
    (AMSTERDAM, date(2026, 3, 29)),
    (AMSTERDAM, date(2026, 10, 25)),
    ("America/New_York", date(2026, 11, 1)),
    ("Asia/Beirut", date(2026, 3, 29)),
    ("Australia/Lord_Howe", date(2026, 4, 5)),
    ("Asia/Kolkata", date(2026, 2, 10)),
    ("Pacific/Kiritimati", date(2026, 12, 31)),
)


def calendar(zone: str = AMSTERDAM, **given: Any) -> Calendar:
    """A calendar, from Monday to Friday from nine to five if nothing else is said."""
    return Calendar(CalendarSettings.model_validate({"hours": {"mon-fri": ["09:00-17:00"]}} | given), zone)


def at(text: str, zone: str = AMSTERDAM) -> datetime:
    """A moment as a zone's clock shows it."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


class Reference:
    """The same, slow and obvious: it looks at the clock on the wall once a minute."""

    def __init__(self, given: dict[str, Any], zone: str) -> None:
        self.given, self.zone = given, ZoneInfo(zone)

    def is_open(self, moment: datetime) -> bool:
        """Whether the clock shows a time in one of the day's shifts."""
        local = moment.astimezone(self.zone)
        day, shown = local.date(), f"{local:%H:%M}"
        if day in self.given["special"]:
            shifts = self.given["special"][day]
        elif day.isoformat() in self.given["holidays"]["dates"]:
            shifts = []
        else:
            shifts = self.given["hours"].get(WEEKDAYS[day.weekday()], [])
        return any(first <= shown < last for first, last in (shift.split("-") for shift in shifts))

    def minutes(self, first: datetime, last: datetime) -> int:
        """How many minutes are open."""
        return sum(self.is_open(first + timedelta(minutes=n)) for n in range(int((last - first).total_seconds()) // 60))


@st.composite
def shifts_of_a_day(draw: st.DrawFn) -> list[str]:
    """None to three shifts, often in the small hours, in which clocks are changed."""
    marks = sorted(
        draw(st.lists(st.sampled_from([*range(0, 300, 15), *range(300, 1441, 60)]), max_size=6, unique=True))
    )
    pairs = zip(marks[::2], marks[1::2], strict=False)
    return [f"{a // 60:02}:{a % 60:02}-{b // 60:02}:{b % 60:02}" for a, b in pairs]


@st.composite
def cases(draw: st.DrawFn) -> tuple[dict[str, Any], str, datetime]:
    """A calendar, its zone, and a moment near a day on which something happens."""
    zone, day = draw(st.sampled_from(PLACES))
    near = st.integers(-2, 2).map(lambda days: day + timedelta(days=days))
    hours = {name: draw(shifts_of_a_day()) for name in WEEKDAYS}
    if not any(hours.values()):
        hours["mon"] = ["00:00-24:00"]
    given: dict[str, Any] = {
        "hours": hours,
        "holidays": {"dates": [item.isoformat() for item in draw(st.lists(near, max_size=1))]},
        "special": draw(st.dictionaries(near, shifts_of_a_day(), max_size=1)),
    }
    start = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(minutes=draw(st.integers(-2000, 2000)))
    return given, zone, start


@settings(max_examples=60, deadline=None)
@given(cases(), st.integers(1, 2000), st.integers(1, 1500))
def test_it_is_what_counting_minutes_gives(case: tuple[dict[str, Any], str, datetime], width: int, wanted: int) -> None:
    """Open or not, the time between, the moment when so much has passed, the next opening: all as counted."""
    given, zone, start = case
    quick, slow = Calendar(CalendarSettings.model_validate(given), zone), Reference(given, zone)
    end = start + timedelta(minutes=width)
    assert quick.is_open(start) == slow.is_open(start)
    assert quick.between(start, end) == slow.minutes(start, end) * 60
    assert quick.between(end, start) == 0
    due = quick.add(start, wanted * 60)
    assert quick.between(start, due) == wanted * 60
    if due - start < timedelta(days=3):
        assert slow.minutes(start, due) == wanted
    # It is the first such moment: a minute earlier one was missing.
    assert quick.between(start, due - timedelta(minutes=1)) == wanted * 60 - 60
    opens = quick.next_opening(start)
    assert opens is not None and slow.is_open(opens)
    assert quick.between(start, opens) == 0
    assert (opens == start) == slow.is_open(start)


@settings(max_examples=60, deadline=None)
@given(cases(), st.integers(0, 100_000), st.integers(0, 100_000))
def test_seconds_add_up(case: tuple[dict[str, Any], str, datetime], first: int, second: int) -> None:
    """In two steps or in one, to the second."""
    given, zone, start = case
    found = Calendar(CalendarSettings.model_validate(given), zone)
    assert found.add(found.add(start, first), second) == found.add(start, first + second)
    assert found.between(start, found.add(start, first)) == first


def test_a_week_of_eight_hours() -> None:
    """From Friday afternoon to Monday; at the end of a shift the time is up, not at the next one's beginning."""
    shop = calendar()
    friday = at("2026-11-20 15:00")
    assert shop.add(friday, 2 * HOUR) == at("2026-11-20 17:00")
    assert shop.add(friday, 2 * HOUR + 1) == at("2026-11-23 09:00:01")
    assert shop.add(friday, 8 * HOUR) == at("2026-11-23 15:00")
    assert shop.next_opening(at("2026-11-20 17:00")) == at("2026-11-23 09:00")
    assert shop.between(at("2026-11-20 00:00"), at("2026-11-27 00:00")) == 40 * HOUR
    assert not shop.is_open(at("2026-11-20 17:00")) and shop.is_open(at("2026-11-20 16:59:59"))


def test_split_shifts_and_midnight() -> None:
    """A pause at noon, and a night shift written as two, the first of which ends at 24:00."""
    split = calendar(hours={"mon-fri": ["09:00-12:30", "13:30-17:30"], "sat": ["18:00-24:00"], "sun": ["00:00-02:00"]})
    assert split.add(at("2026-11-20 12:00"), HOUR) == at("2026-11-20 14:00")
    assert split.add(at("2026-11-21 23:00"), 2 * HOUR) == at("2026-11-22 01:00")
    assert split.between(at("2026-11-21 00:00"), at("2026-11-23 00:00")) == 8 * HOUR


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-11-25", 24)])
def test_days_on_which_clocks_change(day: str, hours: int) -> None:
    """Open all day is 23 or 25 hours; a working day is eight hours whatever happened in the night."""
    tomorrow = (date.fromisoformat(day) + timedelta(days=1)).isoformat()
    whole = calendar(hours={"mon-sun": ["00:00-24:00"]})
    assert whole.between(at(f"{day} 00:00"), at(f"{tomorrow} 00:00")) == hours * HOUR
    assert calendar(hours={"mon-sun": ["09:00-17:00"]}).between(at(f"{day} 00:00"), at(f"{tomorrow} 00:00")) == 8 * HOUR
    assert whole.add(at(f"{day} 00:00"), hours * HOUR) == at(f"{tomorrow} 00:00")


def test_a_shift_across_the_gap() -> None:
    """From one to four is two hours when the clock goes from two to three; one within the gap is not there."""
    assert calendar(hours={"sun": ["01:00-04:00"]}).between(at("2026-03-29 00:00"), at("2026-03-30 00:00")) == 2 * HOUR
    assert calendar(hours={"sun": ["02:15-02:45"]}).between(at("2026-03-29 00:00"), at("2026-03-30 00:00")) == 0
    assert calendar(hours={"sun": ["01:00-04:00"]}).between(at("2026-10-25 00:00"), at("2026-10-26 00:00")) == 4 * HOUR


def test_the_calendars_zone_comes_before_the_shops() -> None:
    """Nine o'clock is nine where the team is."""
    assert calendar(timezone="Asia/Tokyo").next_opening(at("2026-11-22 12:00")) == at("2026-11-23 09:00", "Asia/Tokyo")
    assert calendar("Asia/Tokyo").next_opening(at("2026-11-22 12:00")) == at("2026-11-23 09:00", "Asia/Tokyo")


def test_holidays_own_dates_and_special_days() -> None:
    """A country's, a region's, one's own of one year or of each; a special day goes before them all."""
    dutch = calendar(
        holidays={"country": "NL", "dates": ["12-24", "2026-11-23"]}, special={"2026-12-25": ["10:00-12:00"]}
    )
    king = at("2026-04-27 10:00")
    assert not dutch.is_open(king) and calendar().is_open(king)
    assert not dutch.is_open(at("2026-12-24 10:00")) and not dutch.is_open(at("2029-12-24 10:00"))
    assert not dutch.is_open(at("2026-11-23 10:00")) and dutch.is_open(at("2027-11-23 10:00"))
    assert dutch.is_open(at("2026-12-25 11:00")) and not dutch.is_open(at("2026-12-25 13:00"))
    epiphany = at("2026-01-06 10:00")
    assert calendar(holidays={"country": "DE"}).is_open(epiphany)
    assert not calendar(holidays={"country": "DE", "subdivision": "BY"}).is_open(epiphany)


def test_a_whole_calendar_out_of_a_file(tmp_path: Path) -> None:
    """As the documentation shows it, dates with and without quotation marks."""
    text = (Path(__file__).parents[2] / "docs" / "service-levels.md").read_text(encoding="utf-8")
    examples = [part.split("```")[0] for part in text.split("```yaml\n")[1:]]
    (tmp_path / "config.yml").write_text("\n".join(examples), encoding="utf-8")
    given = load_config(tmp_path, tmp_path / "data", env={}).settings
    office = calendar_of(given, "office")
    assert not office.is_open(at("2026-11-27 10:00")) and not office.is_open(at("2027-12-24 10:00"))
    assert office.between(at("2026-12-05 00:00"), at("2026-12-06 00:00")) == 6 * HOUR
    assert not office.is_open(at("2026-12-31 10:00")) and not office.is_open(at("2027-01-06 10:00"))
    assert [target.first_response_hours for target in given.service_levels.targets] == [1, 2, 8]


def test_without_a_calendar_it_is_always_open() -> None:
    """No name, and a name that is not in the settings any more."""
    some = Settings.model_validate({"calendars": {"office": {"hours": {"mon": ["09:00-10:00"]}}}})
    sunday = at("2026-11-22 03:00")
    for name in ("", "gone"):
        always = calendar_of(some, name)
        assert always.is_open(sunday) and always.next_opening(sunday) == sunday
        assert always.add(sunday, 90) == sunday + timedelta(seconds=90)
        assert always.between(sunday, sunday + timedelta(seconds=90)) == 90
    assert not calendar_of(some, "office").is_open(sunday)
    assert calendar_of(some, "office") is calendar_of(some, "office")


def test_what_never_ends_ends_after_fifty_years() -> None:
    """A minute a week, and more hours than anybody lives."""
    rare = calendar(hours={"mon": ["09:00-09:01"]})
    start = at("2026-11-22 12:00")
    assert rare.add(start, 10_000 * HOUR) < start + timedelta(days=51 * 366)


@pytest.mark.parametrize(
    ("holidays", "line", "words"),
    [
        ("{country: XX}", 6, "no public holidays are known of the country 'XX'"),
        ("\n      country: DE\n      subdivision: ZZ", 8, "the part 'ZZ' of DE"),
        ("\n      subdivision: BY", 7, "a subdivision needs its country"),
    ],
)
def test_unknown_holidays_are_named_with_their_line(tmp_path: Path, holidays: str, line: int, words: str) -> None:
    """In config.yml: the file, the line, and what to write."""
    lines = ("# A shop", "shop: {}", "calendars:", "  office:", "    hours: {mon: [09:00-17:00]}")
    text = "\n".join((*lines, f"    holidays: {holidays}"))
    (tmp_path / "config.yml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as raised:
        load_config(tmp_path, tmp_path / "data", env={})
    (problem,) = raised.value.problems
    assert (problem.file, problem.line) == ("config.yml", line)
    assert words in problem.message
