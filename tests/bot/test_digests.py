"""Digests: what they say, what changed most, exactly once a period, by every way."""

from __future__ import annotations

import asyncio
import math
import struct
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError
from sqlalchemy import select, update

from bot.announcer import Announcer
from bot.config import Config, ConfigError, Settings
from bot.config.digests import Digest
from bot.contracts import Author
from bot.digest import Postman, changes, compose, period_of, smtp_of
from bot.digest.picture import Bar, Labels, draw, font_of
from bot.domain import load_domain
from bot.jobs import digests, handlers
from bot.jobs.base import Workshop
from bot.outbox import Voice
from bot.services import figures as keeping
from bot.storage import Database, now
from bot.storage.figures.formulas import duration
from bot.storage.models import Announcement, Conversation, Message, Survey, SurveyStatus, Ticket, Timer
from bot.texts import Texts
from bot.worker import TimerWorker
from tests.bureau import Bureau
from tests.fakes.smtp_server import smtp_server

WEEKLY: dict[str, Any] = {
    "name": "managers",
    "every": "week",
    "on": "mon",
    "at": "08:00",
    "places": ["slack"],
    "emails": ["maya@example.com", "lars@example.com"],
}
ZONE = "Europe/Amsterdam"


def with_digest(config: Config, env: dict[str, str] | None = None, **changes: Any) -> Config:
    """The configuration with one digest."""
    own = {"digests": [WEEKLY | changes], "web": {"public_url": "https://desk.example.com"}}
    settings = Settings.model_validate(config.settings.model_dump() | own)
    return replace(config, settings=settings, env=env or {})


async def answers(
    database: Database, scores: list[int], at: datetime, language: str = "en", kind: str = "csat"
) -> None:
    """Customers answered a survey that was delivered at a moment."""
    bureau = Bureau(database)
    async with database.begin() as session:
        talk: Conversation = await bureau.conversation(session, language)
        for score in scores:
            session.add(
                Survey(
                    kind=kind,
                    conversation_id=talk.id,
                    channel="web",
                    language=language,
                    status=SurveyStatus.ANSWERED,
                    score=score,
                    sent_at=at,
                    delivered_at=at,
                    answered_at=at,
                )
            )


async def said(database: Database) -> list[Announcement]:
    """All announcements."""
    async with database.read() as session:
        return list(await session.scalars(select(Announcement).order_by(Announcement.id)))


def today() -> date:
    """The shop's present day."""
    return now().astimezone(ZoneInfo(ZONE)).date()


def test_standard_errors_between_two_periods() -> None:
    """Against values worked out by hand: 45/60 and 30/60; equal counts; two distributions; too few say nothing."""
    assert changes.of_shares(45, 60, 30, 60) == pytest.approx(0.25 / math.sqrt(0.625 * 0.375 * 2 / 60))
    assert changes.of_shares(9, 9, 0, 60) == 0 and changes.of_shares(60, 60, 60, 60) == 0
    assert changes.of_counts(150, 100) == pytest.approx(50 / math.sqrt(250))
    assert changes.of_counts(4, 5) == 0
    # 10 x 1 and 10 x 3: mean 2, variance 20/19; 10 x 3 and 10 x 5: mean 4, the same variance.
    assert changes.of_means({3: 10, 5: 10}, {1: 10, 3: 10}) == pytest.approx(2 / math.sqrt(2 * 20 / 19 / 20))
    assert changes.of_means({5: 20}, {5: 20}) == 0


def test_standard_errors_between_two_medians() -> None:
    """Against values worked out by hand: the median of a hundred lies between the 40th and the 61st with 95 %."""
    before = duration([600] * 30 + list(range(601, 721, 3)) + [800] * 30)
    assert (before.low, before.median, before.high) == (628, 659.5, 691)
    now = replace(before, median=1240.0, low=1200.0, high=1280.0)
    errors = (math.log(692 / 629) / 3.92, math.log(1281 / 1201) / 3.92)
    assert changes.of_times(now, before) == pytest.approx(math.log(1241 / 660.5) / math.hypot(*errors))
    assert changes.of_times(before, now) == pytest.approx(-changes.of_times(now, before))
    assert changes.of_times(replace(now, n=9), before) == 0
    # All the same: as far apart as a hundredth allows, and not infinitely.
    same, later = duration([60] * 20), duration([66] * 20)
    assert changes.of_times(later, same) == pytest.approx(math.log(67 / 61) / math.hypot(0.01, 0.01))
    assert changes.of_times(same, same) == 0
    assert duration([1, 2, 3, 4, 5]).low is None


@pytest.mark.parametrize(
    ("language", "words"), [("en", "First response"), ("es", "Primera respuesta"), ("zh-Hans", "首次响应")]
)
async def test_counts_and_times_are_ranked_too(
    any_database: Database, config: Config, language: str, words: str
) -> None:
    """Answers that take an hour instead of ten minutes, and three times as many tickets, are what changed most."""
    own = with_digest(config, language=language)
    monday = datetime(2026, 3, 16, 9, tzinfo=UTC)
    bureau = Bureau(any_database)
    agent = await bureau.person("sam")
    for count, days, minutes in ((20, 10, 10), (60, 3, 60)):
        for number in range(count):
            ticket = await bureau.ticket(agent)
            begun = monday - timedelta(days=days, minutes=number)
            async with any_database.begin() as session:
                row = await session.get_one(Ticket, ticket)
                row.created_at = begun
                spoken = begun + timedelta(minutes=minutes, seconds=number)
                said = Message(
                    conversation_id=row.conversation_id, author=Author.AGENT, agent_id=agent.id, text="Hello",
                    language="en", created_at=spoken,
                )  # fmt: skip
                session.add(said)
    await keeping.catch_up(any_database, own.settings)
    async with any_database.read() as session:
        f = period_of(own.settings.digests[0], monday.date(), ZONE)
        found = await changes.most(session, f, min_cell=5)
        said = await compose(session, own.settings.digests[0], monday.date(), own.settings)
    names = [item.name for item in found]
    assert names == ["first_response", "tickets"], found
    assert (found[1].before, found[1].after) == (20, 60) and found[1].z == pytest.approx(40 / math.sqrt(80))
    assert found[0].z > found[1].z and found[0].after > found[0].before
    assert said is None or words in said.text


def test_when_the_next_one_is() -> None:
    """Days and weeks on the shop's clock, across the change of clocks; never the moment itself."""
    zone = ZoneInfo(ZONE)
    daily = Digest(name="d", every="day", at="08:00", emails=("a@example.com",))
    weekly = Digest(name="w", every="week", on="mon", at="08:00", emails=("a@example.com",))
    before = datetime(2026, 3, 28, 8, tzinfo=UTC)
    assert digests.next_time(daily, zone, before) == (date(2026, 3, 29), datetime(2026, 3, 29, 6, tzinfo=UTC))
    day, due = digests.next_time(weekly, zone, before)
    assert (day, due) == (date(2026, 3, 30), datetime(2026, 3, 30, 6, tzinfo=UTC))
    assert digests.next_time(weekly, zone, due)[0] == date(2026, 4, 6)
    f = period_of(weekly, day, ZONE)
    assert f.days() == (date(2026, 3, 23), date(2026, 3, 29)) and f.previous().days()[0] == date(2026, 3, 16)
    assert period_of(daily, day, ZONE).days() == (date(2026, 3, 29), date(2026, 3, 29))


@pytest.mark.parametrize(
    "wrong",
    [{"at": "8"}, {"on": "mon-fri"}, {"emails": ["nobody"]}, {"emails": [], "places": []}, {"language": "xx-bad"},
     {"name": "A B"}, {"teams": ["Nobody's"]}],
)  # fmt: skip
def test_settings_that_cannot_be_used_are_refused(config: Config, wrong: dict[str, Any]) -> None:
    """Times, weekdays, addresses, languages, teams that are not there; a digest that nobody would get."""
    with pytest.raises(ValidationError):
        with_digest(config, **wrong)


@pytest.mark.parametrize(
    "url", ["mail.example.com", "http://mail.example.com", "smtp://mail.example.com", "smtp://:0x@:99999"]
)
def test_a_mail_server_that_cannot_be_used_is_named_without_its_secrets(config: Config, url: str) -> None:
    """Wrong scheme, no sender, no host."""
    with pytest.raises(ConfigError, match="LINGUADESK_SMTP_URL"):
        smtp_of(replace(config, env={"LINGUADESK_SMTP_URL": url}))
    good = smtp_of(replace(config, env={"LINGUADESK_SMTP_URL": "smtps://me%40example.com:p%40ss@mail.example.com"}))
    assert good is not None and (good.port, good.sender, good.password) == (465, "me@example.com", "p@ss")
    assert "p@ss" not in repr(good)


@pytest.mark.parametrize(
    ("language", "words"), [("en", "Changed most:"), ("es", "Lo que más"), ("zh-Hans", "变化最大")]
)
async def test_what_it_says(any_database: Database, config: Config, language: str, words: str) -> None:
    """Scores with n, interval and the week before, what changed most first, the link; in the reader's language."""
    own = with_digest(config, language=language)
    monday = datetime(2026, 3, 16, 9, tzinfo=UTC)
    await answers(any_database, [5] * 18 + [1] * 2, monday - timedelta(days=10))
    await answers(any_database, [5] * 8 + [1] * 12, monday - timedelta(days=3), "de")
    await answers(any_database, [10] * 6 + [0] * 6, monday - timedelta(days=3), kind="nps")
    await answers(any_database, [5] * 50, monday)
    await keeping.catch_up(any_database, own.settings)
    async with any_database.read() as session:
        found = await compose(session, own.settings.digests[0], monday.date(), own.settings)
        assert await compose(session, own.settings.digests[0], date(2025, 1, 6), own.settings) is None
    assert found is not None
    assert words in found.text and "Northwind & Lotus" in found.subject
    csat = next(line for line in found.text.splitlines() if line.startswith("CSAT"))
    assert "n = 20" in csat and "40" in csat and "90" in csat and "22" in csat and "61" in csat
    changed = next(line for line in found.text.splitlines() if line.startswith("1. "))
    assert changed.replace("\xa0", " ").replace("：", ": ").startswith("1. CSAT: 90")
    link = "https://desk.example.com/desk/dashboard?from=2026-03-09&to=2026-03-15&zone=Europe%2FAmsterdam"
    assert found.text.splitlines()[-1] == link
    assert [bar.n for bar in found.bars] == [0, 0, 0, 0, 20, 0, 0]


@pytest.mark.parametrize("text", ["CSAT 12 Mar", "回答 3月9日", "الإجابات"])
def test_the_picture(text: str) -> None:
    """A PNG in any language: in words where a font has the letters, else in numbers and English."""
    bars = [Bar(text, 0.8, 0.7, 0.9, 12), Bar("2", None, None, None, 0)]
    picture = draw(bars, Labels(text, text, text), Labels("CSAT", "CSAT", "Answers"))
    assert picture is not None and picture.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", picture[16:24])
    assert (width, height) == (960, 540)
    assert (font_of(text) is None) == (text == "الإجابات") or text.startswith("回")
    assert font_of("\U000e0fff") is None


class Place:
    """An agents' place that keeps what is said there."""

    chat = "agents"

    def __init__(self) -> None:
        self.said: list[Any] = []

    async def show(self, *_: Any) -> Any:
        """Not wanted here."""
        raise AssertionError

    note = close = show

    async def announce(self, note: Any) -> None:
        """Keep it."""
        self.said.append(note)


async def until(met: Callable[[], Awaitable[bool]]) -> None:
    """Wait for something, for a while."""
    async with asyncio.timeout(30):
        while not await met():
            await asyncio.sleep(0.05)


async def running(*workers: Any, met: Callable[[], Awaitable[bool]]) -> None:
    """Run workers until something is so, and a little longer."""
    tasks = [asyncio.create_task(worker.run()) for worker in workers]
    try:
        await until(met)
        await asyncio.sleep(0.3)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def workshop(database: Database, config: Config) -> Workshop:
    """What jobs work with."""
    return Workshop(database, Voice(Texts(load_domain(config.home), ("en",), config.settings.shop)), {}, config)


async def due_now(database: Database) -> None:
    """The digest's time has come."""
    async with database.begin() as session:
        day = today()
        payload = {"digest": "managers", "day": day.isoformat()}
        await session.execute(
            update(Timer)
            .where(Timer.kind == digests.DIGEST)
            .values(due_at=now() - timedelta(seconds=1), payload=payload)
        )


async def test_it_is_sent_once_by_every_way(any_database: Database, config: Config) -> None:
    """Two workers of each kind: one message with a picture in Slack, one e-mail for each; the next one is planned."""
    async with smtp_server() as inbox:
        own = with_digest(config, {"LINGUADESK_SMTP_URL": f"smtp://127.0.0.1:{inbox.port}?from=desk@example.com"})
        await answers(any_database, [5, 4, 1], now() - timedelta(days=2))
        await keeping.catch_up(any_database, own.settings)
        for _ in range(2):
            async with any_database.begin() as session:
                await digests.begin_digests(session, own.settings)
        await due_now(any_database)
        jobs = {digests.DIGEST: handlers(workshop(any_database, own))[digests.DIGEST]}
        place = Place()
        workers = [
            maker()
            for _ in range(2)
            for maker in (
                lambda: TimerWorker(any_database, jobs, own.settings.delivery),
                lambda: Postman(any_database, own),
            )
        ]
        paces: Any = {"slack": _pace()}
        announcer = Announcer(any_database, {"slack": place}, paces, own.settings)

        async def all_said() -> bool:
            rows = await said(any_database)
            return len(rows) == 3 and all(row.done_at for row in rows)

        await running(*workers, announcer, met=all_said)
        assert sorted(inbox.recipients) == ["lars@example.com", "maya@example.com"] and len(inbox.messages) == 2
    (note,) = place.said
    assert "CSAT" in note.text and (config.files_dir / note.media[0].path).read_bytes().startswith(b"\x89PNG")
    mail = inbox.messages[0]
    body = mail.get_body(("plain",))
    assert body is not None and "n = 3" in body.get_content() and mail["From"] == "desk@example.com"
    assert [part.get_filename() for part in mail.iter_attachments()] == ["managers.png"]
    async with any_database.read() as session:
        timers = list(await session.scalars(select(Timer).where(Timer.kind == digests.DIGEST)))
    assert len({timer.key for timer in timers}) == len(timers) and len(timers) <= 2


def _pace() -> Any:
    from bot.contracts import Limits
    from bot.pace import Pace

    return Pace(Limits())


async def test_when_there_is_nothing_to_tell_nothing_is_sent(any_database: Database, config: Config) -> None:
    """The period passes without a word, and the next one is planned all the same."""
    own = with_digest(config)
    async with any_database.begin() as session:
        await digests.begin_digests(session, own.settings)
    await due_now(any_database)
    jobs = {digests.DIGEST: handlers(workshop(any_database, own))[digests.DIGEST]}

    async def done() -> bool:
        async with any_database.read() as session:
            return (await session.scalar(select(Timer.status).order_by(Timer.id).limit(1))).value == "done"  # type: ignore[union-attr]

    await running(TimerWorker(any_database, jobs, own.settings.delivery), met=done)
    assert await said(any_database) == []


async def test_a_mail_server_that_refuses_for_now_is_asked_again(
    any_database: Database, config: Config, tmp_path: Path
) -> None:
    """Refused for good it is given up; whom it is for is in no error that is kept."""
    async with smtp_server() as inbox:
        url = f"smtp://127.0.0.1:{inbox.port}?from=desk@example.com"
        own = with_digest(config, {"LINGUADESK_SMTP_URL": url})
        inbox.refuse = [b"550 no such maya@example.com"]
        async with any_database.begin() as session:
            for number in range(2):
                params = {"to": "maya@example.com", "subject": f"S{number}", "text": "x"}
                session.add(Announcement(channel="email", key="announce.digest.text", params=params))

        async def all_said() -> bool:
            return all(row.done_at for row in await said(any_database))

        await running(Postman(any_database, own), met=all_said)
        assert [mail["Subject"] for mail in inbox.messages] == ["S1"]
    assert [row.error for row in await said(any_database)] == ["SMTPRecipientsRefused", ""]
