"""Scores equal a slow, obvious reference, whatever the data, on both databases."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert, select, update

from bot.config import Config
from bot.services import figures as keeping
from bot.storage import Database, figures
from bot.storage.figures import Filters
from bot.storage.models import (
    Conversation,
    FigureChange,
    FigureColumn,
    FollowUp,
    Role,
    Survey,
    SurveyStatus,
    User,
)

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "America/Sao_Paulo")
# Around these days clocks change somewhere, and a year begins.
STARTS = (datetime(2026, 3, 27, tzinfo=UTC), datetime(2026, 10, 23, tzinfo=UTC), datetime(2025, 12, 20, tzinfo=UTC))
VALUES: dict[str, tuple[Any, ...]] = {
    "channel": ("web", "telegram", "slack"),
    "language": ("en", "es", "zh-Hans", ""),
    "agent": (None, 1, 2),
    "team": ("", "billing", "Kundendienst"),
    "type": ("", "damaged", "late"),
    "product": ("", "Kettle", "Чайник"),
    "country": ("ES", "DE"),
    "tier": ("standard", "vip"),
}
TOP = {"csat": (1, 5), "nps": (0, 10), "ces": (1, 7)}
MIDNIGHTS = {zone: ZoneInfo(zone) for zone in ZONES}


@dataclass(frozen=True)
class Asked:
    """One survey as the reference knows it."""

    kind: str
    at: datetime
    state: str
    score: int | None
    of: dict[str, Any]


def surveys(dice: random.Random, size: int) -> list[Asked]:
    """Random surveys of a few weeks."""
    start, found = dice.choice(STARTS), []
    for _ in range(size):
        kind = dice.choice(("csat", "csat", "nps", "ces"))
        state = dice.choice(("answered", "answered", "answered", "late", "none", "undelivered"))
        at = start + timedelta(microseconds=dice.randrange(20 * 86_400 * 10**6))
        if dice.random() < 0.3:
            at = at.replace(minute=0, second=0, microsecond=0)
        score = dice.randint(*TOP[kind]) if state in ("answered", "late", "undelivered") else None
        found.append(Asked(kind, at, state, score, {by: dice.choice(values) for by, values in VALUES.items()}))
    return found


def row_of(asked: Asked) -> dict[str, Any]:
    """The survey's row."""
    status = {"answered": SurveyStatus.ANSWERED, "late": SurveyStatus.EXPIRED, "none": SurveyStatus.EXPIRED}
    of = asked.of
    return {
        "kind": asked.kind,
        "conversation_id": 1,
        "status": status.get(asked.state, SurveyStatus.SENT),
        "score": asked.score,
        "delivered_at": None if asked.state == "undelivered" else asked.at,
        "sent_at": asked.at,
        "created_at": asked.at,
        "agent_id": of["agent"],
        "ticket_type": of["type"],
        **{name: of[name] for name in ("channel", "language", "team", "product", "country", "tier")},
    }


def counted(rows: list[Asked], kind: str, f: Filters) -> list[Asked]:
    """Those that a figure looks at."""
    return [
        row
        for row in rows
        if row.kind == kind
        and row.state != "undelivered"
        and f.since <= row.at < f.until
        and all((row.of[by] or (0 if by == "agent" else "")) in values for by, values in f.narrowed.items())
    ]


def check(score: figures.Score, rows: list[Asked]) -> None:
    """A score is what one counts by hand."""
    scores = [row.score for row in rows if row.state == "answered" and row.score is not None]
    n = len(scores)
    assert (score.n, score.delivered, score.late) == (n, len(rows), sum(row.state == "late" for row in rows))
    assert score.response_rate == (n / len(rows) if rows else None)
    given_by = Counter(scores)
    assert {rating: count for rating, count in score.distribution.items() if count} == dict(given_by)
    assert list(score.distribution) == list(figures.SCALES[score.kind])
    if not n:
        assert score.value is None
    elif score.kind == "csat":
        assert score.value == sum(one >= 4 for one in scores) / n
        assert (score.low, score.high) == figures.wilson(sum(one >= 4 for one in scores), n)
    elif score.kind == "nps":
        assert score.value == 100 * (sum(one >= 9 for one in scores) - sum(one <= 6 for one in scores)) / n
    else:
        assert score.value == sum(scores) / n
        assert score.share == sum(one >= 5 for one in scores) / n


async def fill(database: Database, rows: list[Asked]) -> None:
    """Put these surveys, and no others, into the database."""
    async with database.begin() as session:
        for table in (Survey, FigureColumn, FigureChange):
            await session.execute(delete(table))
        if await session.get(Conversation, 1) is None:
            session.add(Conversation(id=1, channel="web", address_key="1", chat="1", user="1"))
            for number in (1, 2):
                session.add(
                    User(id=number, username=f"u{number}", name=f"U {number}", password_hash="x", role=Role.AGENT)
                )
            await session.flush()
        if rows:
            await session.execute(insert(Survey), [row_of(row) for row in rows])


def filters(dice: random.Random) -> Filters:
    """A random period and narrowing."""
    zone = dice.choice(ZONES)
    first = dice.choice(STARTS).date() + timedelta(days=dice.randrange(-3, 15))
    f = figures.days_between(first, first + timedelta(days=dice.randrange(0, 40)), zone)
    changes = {}
    for by, plural in (("channel", "channels"), ("agent", "agents"), ("team", "teams"), ("product", "products")):
        if dice.random() < 0.25:
            changes[plural] = tuple({dice.choice(VALUES[by]) or (0 if by == "agent" else "") for _ in range(2)})
    return f.with_(**changes)


async def compare(database: Database, config: Config, seed: int) -> None:
    """One random case: filled, taken in at some time or not at all, changed, looked at."""
    dice = random.Random(seed)
    rows = surveys(dice, dice.randrange(0, 60))
    await fill(database, rows)
    if dice.random() < 0.7:
        await keeping.catch_up(database, config.settings, limit=dice.choice((7, 50, 5000)))
    if rows and dice.random() < 0.7:
        # Somebody answers, or changes their mind, after that.
        changed = dice.randrange(len(rows))
        old = rows[changed]
        if old.state != "undelivered":
            rows[changed] = Asked(old.kind, old.at, "answered", dice.randint(*TOP[old.kind]), old.of)
            async with database.begin() as session:
                ids = (await session.scalars(select(Survey.id).order_by(Survey.id))).all()
                values = {"status": SurveyStatus.ANSWERED, "score": rows[changed].score}
                await session.execute(update(Survey).where(Survey.id == ids[changed]).values(values))
    async with database.read() as session:
        for kind in figures.KINDS:
            f = filters(dice)
            check(await figures.score(session, kind, f), counted(rows, kind, f))
            by = dice.choice(figures.DIMENSIONS)
            cells = await figures.breakdown(session, kind, f, by, min_cell=1 + dice.randrange(3))
            assert sum(cell.delivered for cell in cells) == len(counted(rows, kind, f))
            for cell in cells:
                own = counted(rows, kind, f.narrowed_to(by, cell.value))
                assert len(own) == cell.delivered
                if cell.score is not None:
                    check(cell.score, own)
            bucket = dice.choice(figures.BUCKETS)
            points = await figures.trend(session, kind, f, bucket)
            by_day: dict[date, list[Asked]] = {}
            for row in counted(rows, kind, f):
                by_day.setdefault(start_of(row.at, f.zone, bucket), []).append(row)
            for point in points:
                check(point.score, by_day.pop(point.start, []))
            assert by_day == {}


def start_of(at: datetime, zone: str, bucket: str) -> date:
    """The day, Monday or first of the month that a calendar on the wall shows."""
    day = at.astimezone(MIDNIGHTS[zone]).date()
    if bucket == "week":
        return date.fromisocalendar(*day.isocalendar()[:2], 1)
    return day.replace(day=1) if bucket == "month" else day


async def test_scores_are_what_one_counts_by_hand(any_database: Database, config: Config) -> None:
    """Scores, breakdowns and trends over random surveys, whether they have been taken in or not."""

    @settings(
        max_examples=40 if any_database.is_sqlite else 10,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
        derandomize=True,
    )
    @given(st.integers(0, 2**32))
    def cases(seed: int) -> None:
        seeds.append(seed)

    seeds: list[int] = []
    cases()
    for seed in seeds:
        await compare(any_database, config, seed)


async def test_follow_ups(any_database: Database, config: Config) -> None:
    """Open, overdue and recovered ones of a period, and of a team."""
    moment = datetime(2026, 5, 4, 12, tzinfo=UTC)
    rows = [Asked("csat", moment, "answered", 1, {by: values[0] for by, values in VALUES.items()}) for _ in range(6)]
    rows[5].of["team"] = "billing"
    await fill(any_database, rows)
    outcomes = ("", "", "recovered", "recovered", "not_recovered", "recovered")
    async with any_database.begin() as session:
        ids = (await session.scalars(select(Survey.id).order_by(Survey.id))).all()
        for number, (survey, outcome) in enumerate(zip(ids, outcomes, strict=True)):
            session.add(
                FollowUp(
                    survey_id=survey,
                    team=rows[number].of["team"],
                    due_at=moment + timedelta(days=number),
                    created_at=moment,
                    outcome=outcome,
                    closed_at=moment if outcome else None,
                )
            )
    f = figures.days_between(date(2026, 5, 4), date(2026, 5, 4), "UTC")
    async with any_database.read() as session:
        found = await figures.follow_ups(session, f, at=moment + timedelta(hours=1))
        own = await figures.follow_ups(session, f.with_(teams=("billing",)))
        both = await figures.follow_ups(session, f.with_(teams=("billing",), channels=("web",)))
        page = await figures.drill(session, "follow_ups", f, "recovered")
        before = await figures.follow_ups(session, f.previous())
    assert (found.opened, found.open, found.overdue, found.recovered, found.not_recovered) == (6, 2, 1, 3, 1)
    assert found.recovery_rate == 0.75 and (found.low, found.high) == figures.wilson(3, 4)
    assert (own.opened, own.recovered) == (1, 1) and both == own
    assert page.total == 3 and {item.what for item in page.items} == {"survey"}
    assert before.opened == 0 and before.recovery_rate is None
