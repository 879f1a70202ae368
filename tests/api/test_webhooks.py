"""Webhooks: what is told, signed how, how often, and what happens when the receiver is not there."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import func, select, update
from starlette.responses import Response

from bot import agents, webhooks
from bot.__main__ import cli
from bot.config import Config, Settings
from bot.services import surveys
from bot.services.events import TYPES, emit
from bot.services.ticket_life import Change
from bot.storage import Database, now
from bot.storage.models import Conversation, Delivery, Event, OutboxStatus, Survey, TicketStatus
from bot.webhooks import WebhookSender, examine, hooks_of, pause_before
from tests.api.conftest import BOTH, Api, api_of
from tests.api.receiver import SECRET, Receiver, receiving, until
from tests.conftest import ROOT, StartDesk

PART = ["survey.*", "*.back_to_bot", "ticket.[!o]*"]


def told(config: Config, *hooks: dict[str, Any], env: dict[str, str] | None = None, attempts: int = 8) -> Config:
    """The configuration with these webhooks, whose keys are all :data:`SECRET`."""
    changes = {"webhooks": hooks, "web": {"public_url": "https://desk.example.com"}, "delivery": {"attempts": attempts}}
    keys = {f"LINGUADESK_WEBHOOK_SECRET_{hook['name'].upper()}": SECRET for hook in hooks} if env is None else env
    return replace(config, settings=Settings.model_validate(config.settings.model_dump() | changes), env=keys)


@contextlib.asynccontextmanager
async def sending(database: Database, config: Config) -> AsyncIterator[WebhookSender]:
    """Deliver while the block lasts, as the app does it."""
    database.emits = tuple(pattern for hook in hooks_of(config) for pattern in hook.patterns)
    sender = WebhookSender(database, config)
    task = asyncio.create_task(sender.run())
    try:
        yield sender
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """Somebody who is told."""
    async with receiving() as receiver:
        yield receiver


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses between tries are short."""
    monkeypatch.setattr(webhooks, "FIRST_PAUSE_SECONDS", 0.02)
    monkeypatch.setattr(webhooks, "LAST_PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(webhooks, "LONGEST_REST_SECONDS", 0.02)
    monkeypatch.setattr(webhooks, "IDLE_SECONDS", 0.05)


async def happens(database: Database, *kinds: str) -> None:
    """Events, committed one after the other."""
    for number, kind in enumerate(kinds, 1):
        async with database.begin() as session:
            emit(session, kind, ticket=number)


async def rows(database: Database, *where: Any) -> list[Delivery]:
    """Deliveries, in order."""
    async with database.read() as session:
        return list(await session.scalars(select(Delivery).where(*where).order_by(Delivery.id)))


async def settled(database: Database, true: Callable[[list[Delivery]], bool]) -> list[Delivery]:
    """The deliveries, once they are as they should be."""
    for _ in range(500):
        found = await rows(database)
        if true(found):
            return found
        await asyncio.sleep(0.02)
    raise AssertionError([(row.webhook, row.status, row.attempts, row.error) for row in found])


# ---------------------------------------------------------------------- what is told


@BOTH
async def test_what_happens_is_told_in_order_and_signed(
    config: Config, migrated: Database, receiver: Receiver, quick: None
) -> None:
    """A ticket's life and a hand-over arrive in the order of their commits, each signed, none with words in it."""
    config = told(config, {"name": "shop", "url": receiver.url})
    async with sending(migrated, config):
        api = await api_of(config, migrated)
        office, settings = api.office, config.settings
        ana = office.people["ana"]
        talk = await office.writes("Ines Gil", "My secret: the cup is broken")
        other = await office.complains(talk, "My secret")
        ticket = await office.complains(talk, "My secret is this")
        await office.waits(talk)
        await office.claims(talk, "ana")
        async with migrated.begin() as session:
            await agents.note_ticket(session, ticket.id, "My secret note", ana)
        for status in (TicketStatus.RESOLVED, TicketStatus.OPEN):
            codes = ("Packed wrongly", "Replacement sent") if status is TicketStatus.RESOLVED else ()
            async with migrated.begin() as session:
                change = Change(status, "My secret reason", *codes)
                await agents.set_ticket_status(session, office.voice, ticket.id, change, ana, settings)
        async with migrated.begin() as session:
            await agents.merge_ticket(session, office.voice, other.id, ticket.number, ana, settings)
        async with migrated.begin() as session:
            await agents.resolve(session, office.voice, talk, ana, settings.surveys)
        expected = [
            "ticket.opened",
            "ticket.opened",
            "conversation.handed_over",
            "conversation.claimed",
            "ticket.note",
            "ticket.status",
            "ticket.status",
            "ticket.reopened",
            "ticket.status",
            "ticket.merged",
            "conversation.resolved",
        ]
        await until(lambda: len(receiver.told) >= len(expected))
    assert receiver.types == expected
    assert len({call.id for call in receiver.told}) == len(expected)
    for call in receiver.told:
        assert call.is_signed() and call.headers["content-type"] == "application/json"
        assert set(call.event) == {"type", "timestamp", "data"}
        assert "secret" not in call.body.decode() and "Ines" not in call.body.decode()
    data = receiver.told[1].event["data"]
    assert (data["ticket"], data["number"], data["severity"]) == (ticket.id, ticket.number, "high")
    assert data["urls"]["ticket"] == f"https://desk.example.com/api/v1/tickets/{ticket.id}"
    assert receiver.told[9].event["data"]["into"] == ticket.id


async def test_surveys_and_the_rest_are_told(
    config: Config, migrated: Database, receiver: Receiver, quick: None
) -> None:
    """Sent, answered and changed surveys; types, severities and assignments of tickets; back to the bot."""
    config = told(
        config, {"name": "shop", "url": receiver.url, "events": ["survey.*", "*.back_to_bot", "ticket.[!o]*"]}
    )
    async with sending(migrated, config):
        api = await api_of(config, migrated)
        office, ana = api.office, api.office.people["ana"]
        talk = await office.writes("Ines", "Hello")
        survey = await office.rates(talk, 4, "My secret")
        async with migrated.begin() as session:
            await surveys.rate(session, await session.get_one(Survey, survey.id), 2)
        ticket = await office.complains(talk, "My secret")
        async with api.client() as client:
            body = {"agent": "ana", "type": "late", "severity": "low"}
            await client.post(f"/tickets/{ticket.id}/classify", json=body)
            await client.post(f"/tickets/{ticket.id}/assign", json={"agent": "ana", "assignee": "lars"})
        await office.waits(talk)
        async with migrated.begin() as session:
            await agents.back_to_bot(session, office.voice, talk, ana)
        await receiver.until(7)
    assert receiver.types == [
        "survey.sent",
        "survey.answered",
        "survey.changed",
        "ticket.type",
        "ticket.severity",
        "ticket.assigned",
        "conversation.back_to_bot",
    ]
    events = [call.event["data"] for call in receiver.told]
    assert (events[1]["score"], events[2]["score"]) == (4, 2)
    assert (events[3]["before"], events[3]["after"]) == ("damaged", "late")
    assert events[5]["agent"] == office.people["lars"].id
    assert "secret" not in json.dumps(events)


@BOTH
async def test_nothing_is_written_that_nobody_is_told_of(config: Config, migrated: Database) -> None:
    """Without a webhook, and for kinds that none wants, an event costs no row."""
    await happens(migrated, "ticket.opened")
    migrated.emits = ("survey.*",)
    await happens(migrated, "ticket.opened", "survey.sent")
    async with migrated.read() as session:
        assert (await session.scalars(select(Event.type))).all() == ["survey.sent"]


async def test_an_event_is_told_only_if_what_it_tells_of_is_committed(
    config: Config, migrated: Database, receiver: Receiver, quick: None
) -> None:
    """A transaction that is rolled back tells nobody of anything."""
    async with sending(migrated, told(config, {"name": "shop", "url": receiver.url})):
        with contextlib.suppress(ZeroDivisionError):
            async with migrated.begin() as session:
                emit(session, "ticket.opened", ticket=1)
                await session.flush()
                raise ZeroDivisionError
        await happens(migrated, "survey.sent")
        await receiver.until(1)
    assert receiver.types == ["survey.sent"]


def test_every_event_that_is_emitted_is_known() -> None:
    """Each name in the code is one of TYPES, so that it is documented and can be asked for."""
    code = [path for folder in ("bot", "actions", "nlu") for path in (ROOT / folder).rglob("*.py")]
    found = {name for path in code for name in re.findall(r'emit\(\s*\w+,\s*"([a-z_.]+)"', path.read_text())}
    assert found and found <= set(TYPES)


# ---------------------------------------------------------------------- when it goes wrong


@BOTH
async def test_a_failure_is_tried_again_with_the_same_id(
    config: Config, migrated: Database, receiver: Receiver, quick: None
) -> None:
    """500, a redirect (not followed) and a refusal are tried again; the id stays, the body stays, 2xx ends it."""
    receiver.answers = [
        Response(status_code=500),
        Response(status_code=302, headers={"Location": f"{receiver.url}/elsewhere"}),
        Response(status_code=400),
        Response(status_code=202),
    ]
    async with sending(migrated, told(config, {"name": "shop", "url": receiver.url})):
        await happens(migrated, "ticket.opened")
        (row,) = await settled(migrated, lambda found: [item.status for item in found] == [OutboxStatus.SENT])
    assert len(receiver.told) == row.attempts == 4 and row.answer == 202 and row.delivered_at
    assert len({(call.id, call.body, call.path) for call in receiver.told}) == 1
    assert all(call.is_signed() for call in receiver.told)


async def test_retry_after_is_respected(config: Config, migrated: Database, receiver: Receiver, quick: None) -> None:
    """Seconds and dates in Retry-After put the next try off; nonsense does not."""
    later = (now() + timedelta(minutes=20)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    wishes = (("600", 590, 610), (later, 1180, 1210), ("soon", 0, 5), ("9" * 30, 86_000, 86_500))
    for count, (wish, minimum, maximum) in enumerate(wishes, 1):
        receiver.answers = [Response(status_code=503, headers={"Retry-After": wish})]
        async with sending(migrated, told(config, {"name": "shop", "url": receiver.url})):
            await happens(migrated, "ticket.opened")
            found = await settled(migrated, lambda found, count=count: sum(row.attempts for row in found) == count)
        wait = (found[-1].due_at - now()).total_seconds()
        assert minimum - 5 <= wait <= maximum, (wish, wait)
        async with migrated.begin() as session:
            await session.execute(update(Delivery).values(status=OutboxStatus.SENT))


async def test_a_receiver_that_does_not_answer_is_cut_off(
    config: Config, migrated: Database, receiver: Receiver, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call that takes too long, and a port where nobody listens, count as failed tries with a reason."""
    monkeypatch.setattr(webhooks, "CALL_SECONDS", 0.1)
    receiver.hang = True
    hooks = [{"name": "slow", "url": receiver.url}, {"name": "nobody", "url": "http://127.0.0.1:9/"}]
    async with sending(migrated, told(config, *hooks, attempts=2)):
        await happens(migrated, "ticket.opened")
        found = await settled(
            migrated, lambda found: len(found) == 2 and all(row.status is OutboxStatus.DEAD for row in found)
        )
    slow, nobody = sorted(found, key=lambda row: row.webhook, reverse=True)
    assert slow.error.startswith("no answer within") and slow.answer is None
    assert "ConnectError" in nobody.error and nobody.attempts == 2


async def test_a_slow_receiver_holds_up_nobody_else(
    config: Config, migrated: Database, receiver: Receiver, quick: None
) -> None:
    """While one webhook's call hangs, another is told of everything."""
    async with receiving() as slow:
        slow.hang = True
        hooks = [{"name": "slow", "url": slow.url}, {"name": "shop", "url": receiver.url}]
        async with sending(migrated, told(config, *hooks)):
            await happens(migrated, *["ticket.opened"] * 5)
            await receiver.until(5)
            assert len(slow.told) == 1
            slow.hang = False
            await slow.until(5)
        assert [call.id for call in slow.told] == [call.id for call in receiver.told]


@BOTH
async def test_a_crash_before_the_record_sends_again_with_the_same_id(
    config: Config, migrated: Database, receiver: Receiver, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between the call and its record, the program tells it again after the lease, under the same id."""
    monkeypatch.setattr(webhooks, "LEASE", timedelta(seconds=0.3))
    monkeypatch.setattr(webhooks, "STOP_SECONDS", 0.01)
    settings = told(config, {"name": "shop", "url": receiver.url})
    original = WebhookSender._record

    async def dies(*_: Any) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(WebhookSender, "_record", dies)
    async with sending(migrated, settings):
        await happens(migrated, "ticket.opened")
        await receiver.until(1)
    (row,) = await rows(migrated)
    assert (row.status, row.attempts) == (OutboxStatus.SENDING, 0)
    monkeypatch.setattr(WebhookSender, "_record", original)
    async with sending(migrated, settings):
        await receiver.until(2)
        await settled(migrated, lambda found: found[0].status is OutboxStatus.SENT)
    first, second = receiver.told
    assert (first.id, first.body) == (second.id, second.body) and second.is_signed()


@BOTH
async def test_several_processes_tell_each_event_once(
    config: Config, migrated: Database, receiver: Receiver, quick: None
) -> None:
    """Three senders on one database spread and deliver every event exactly once."""
    settings = told(config, {"name": "shop", "url": receiver.url})
    url = migrated.url.render_as_string(hide_password=False)
    others = [Database(url), Database(url)]
    async with sending(migrated, settings), sending(others[0], settings), sending(others[1], settings):
        await happens(migrated, *["ticket.opened"] * 30)
        await settled(
            migrated, lambda found: len(found) == 30 and all(row.status is OutboxStatus.SENT for row in found)
        )
    for other in others:
        await other.close()
    assert len(receiver.told) == len({call.id for call in receiver.told}) == 30


async def test_one_that_is_gone_is_told_nothing_more_until_it_is_retried(
    config: Config, migrated: Database, receiver: Receiver, quick: None
) -> None:
    """410 switches the webhook off with what waits for it; retrying its dead letters switches it on again."""
    receiver.answers = [Response(status_code=410)]
    async with sending(migrated, told(config, {"name": "shop", "url": receiver.url})):
        async with migrated.begin() as session:
            for number in range(3):
                emit(session, "ticket.opened", ticket=number)
        dead = await settled(
            migrated, lambda found: len(found) == 3 and all(row.status is OutboxStatus.DEAD for row in found)
        )
        assert len(receiver.told) == 1 and "410" in dead[2].error
        await happens(migrated, "ticket.note")
        async with migrated.read() as session:
            for _ in range(200):
                if not await session.scalar(select(func.count()).select_from(Event).where(Event.spread_at.is_(None))):
                    break
                await session.rollback()
                await asyncio.sleep(0.02)
        assert len(await rows(migrated)) == 3
        async with migrated.begin() as session:
            assert await webhooks.retry_deliveries(session) == 3
        await happens(migrated, "ticket.status")
        await receiver.until(5)
    assert receiver.types[1:] == ["ticket.opened", "ticket.opened", "ticket.opened", "ticket.status"]


async def test_dead_letters_are_listed_and_replayed_by_the_command(
    config: Config, migrated: Database, receiver: Receiver, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`linguadesk webhooks list` names what was given up and why; `retry` has it told again."""
    monkeypatch.setenv("LINGUADESK_DATABASE_URL", f"sqlite:///{migrated.url.database}")
    monkeypatch.setenv("LINGUADESK_HOME", str(ROOT))
    receiver.answers = [Response(status_code=500), Response(status_code=503)]
    settings = told(config, {"name": "shop", "url": receiver.url}, attempts=2)

    def command(*words: str) -> str:
        result = CliRunner().invoke(cli, ["webhooks", *words])
        assert result.exit_code == 0, result.output
        return result.output

    async with sending(migrated, settings):
        await happens(migrated, "ticket.opened")
        (row,) = await settled(migrated, lambda found: [item.status for item in found] == [OutboxStatus.DEAD])
        (listed,) = json.loads(await asyncio.to_thread(command, "list", "--format", "json"))
        assert (listed["webhook"], listed["event"], listed["error"]) == ("shop", "ticket.opened", "answered 503")
        assert "1 put back" in await asyncio.to_thread(command, "retry", str(row.id))
        await receiver.until(3)
        await settled(migrated, lambda found: found[0].status is OutboxStatus.SENT)
    assert len({call.id for call in receiver.told}) == 1


@BOTH
async def test_old_events_are_forgotten(config: Config, migrated: Database, receiver: Receiver, quick: None) -> None:
    """After 30 days an event and its deliveries go, delivered or not; younger ones stay."""
    settings = told(config, {"name": "shop", "url": receiver.url})
    async with sending(migrated, settings):
        await happens(migrated, "ticket.opened", "ticket.status")
        await settled(migrated, lambda found: [row.status for row in found] == [OutboxStatus.SENT] * 2)
    async with migrated.begin() as session:
        old = select(func.min(Event.id)).scalar_subquery()
        await session.execute(update(Event).where(Event.id == old).values(at=now() - timedelta(days=31)))
    async with sending(migrated, settings):
        (left,) = await settled(migrated, lambda found: len(found) == 1)
    async with migrated.read() as session:
        assert (await session.scalars(select(Event.type))).all() == ["ticket.status"]
        assert left.event_id == (await session.scalars(select(Event.id))).one()


def test_tries_are_spread_over_about_a_day() -> None:
    """The pauses grow, the first is of seconds, and all together take between 12 and 30 hours."""
    for attempts in (3, 5, 8, 12):
        pauses = [pause_before(number, attempts) for number in range(1, attempts)]
        assert pauses[0] < 6 and pauses == sorted(pauses)
        assert 12 * 3600 < sum(pauses) < 30 * 3600, attempts
    assert pause_before(1, 2) < 6


# ---------------------------------------------------------------------- settings


def test_a_missing_or_wrong_key_is_named_and_switches_the_webhook_off(config: Config) -> None:
    """`check` says which variable is missing and how to make a key; an event that there is not is named too."""
    hooks = [
        {"name": "a", "url": "https://a.example"},
        {"name": "b", "url": "https://b.example"},
        {"name": "c", "url": "https://c.example", "events": ["ticket.*", "tickets.*"]},
    ]
    env = {"LINGUADESK_WEBHOOK_SECRET_B": "whsec_dG9vc2hvcnQ=", "LINGUADESK_WEBHOOK_SECRET_C": SECRET}
    config = told(config, *hooks, env=env)
    problems = examine(config)
    assert all(problem.warning for problem in problems) and len(problems) == 3
    words = [problem.message for problem in problems]
    assert "LINGUADESK_WEBHOOK_SECRET_A is not set" in words[0] and "whsec_" in words[0]
    assert "LINGUADESK_WEBHOOK_SECRET_B is not whsec_" in words[1] and "dG9v" not in words[1]
    assert "'tickets.*'" in words[2]
    assert [hook.name for hook in hooks_of(config)] == ["c"]
    assert SECRET not in repr(hooks_of(config))


async def test_the_running_desk_tells_its_webhooks(start_desk: StartDesk, receiver: Receiver) -> None:
    """Put together by the app: a hand-over is told, and the address told of it works with a key."""
    app = await start_desk(
        {"webhooks": [{"name": "shop", "url": receiver.url}]},
        env={"LINGUADESK_WEBHOOK_SECRET_SHOP": SECRET},
        only=frozenset(),
    )
    from tests.desk.office import Office

    office = Office(app.config, app.database, app.voice, app.web)
    talk = await office.writes("Ines", "A person, please")
    await office.waits(talk)
    (call, *_) = await receiver.until(1)
    assert call.event["type"] == "conversation.handed_over" and call.is_signed()
    async with Api(office, app.config).client("conversations:read") as client:
        answer = await client.get(f"http://desk.test{call.event['data']['urls']['conversation']}")
    assert answer.json()["owner"] == "queue"
    async with app.database.read() as session:
        assert (await session.get_one(Conversation, talk)).agent_id is None
