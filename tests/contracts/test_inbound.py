"""What comes in: every recorded object is understood, and none can do harm."""

from __future__ import annotations

import copy
import logging
import random
import time
from collections.abc import Iterator
from typing import Any

import pytest

from bot.contracts import Inbound
from tests.contracts.channel import Channel, Recorded, asked_of, channels, differences, recorded
from tests.contracts.conftest import Running, complaints
from tests.contracts.schema import complaint

SPOILT: tuple[Any, ...] = (None, 7, "", "x", [], {}, [None], True)
SPOILT_A_PAYLOAD = 12
# Slack waits three seconds for its answer, the others longer.
PATIENCE_SECONDS = 2.5


def test_every_platform_has_recorded_objects() -> None:
    """Each channel with a platform behind it has them, and each fixture belongs to a channel."""
    with_server = {channel.name for channel in channels() if channel.limit}
    assert {"telegram", "slack", "whatsapp"} <= with_server
    assert [name for name in with_server if len(recorded(next(c for c in channels() if c.name == name))) < 30] == []


def test_recorded_objects_are_as_the_platform_sends_them(channel: Channel, one: Recorded) -> None:
    """The object has the form of the platform's own types, to the last field."""
    if one.schema:
        assert complaint(channel.name, channel.definition(one.payload), one.payload) == ""


def test_recorded_objects_are_understood(channel: Channel, one: Recorded) -> None:
    """The pure function makes the events that are expected, or none."""
    if not one.whole:
        assert _differences(channel, channel.inbound(one.payload), one) == []


async def test_recorded_objects_reach_the_inbox(running: Running) -> None:
    """Brought as the platform brings it, each object is acknowledged in time, and its events are committed before."""
    channel, wrong = running.channel, []
    for one in recorded(channel):
        running.inbox.events.clear()
        started = time.perf_counter()
        answer = await running.deliver(one.payload)
        if answer.status_code != 200 or time.perf_counter() - started > PATIENCE_SECONDS:
            wrong.append((one.name, f"status {answer.status_code}, {time.perf_counter() - started:.1f} s"))
        wrong += [(one.name, said) for said in _differences(channel, running.inbox.events, one)]
        if said := channel.answer(one.payload, answer):
            wrong += [(one.name, refused) for refused in complaints(channel, [said])]
    assert wrong == []


def _differences(channel: Channel, events: list[Inbound], one: Recorded) -> list[str]:
    if len(events) != len(one.expected):
        return [f"{len(events)} events instead of {len(one.expected)}"]
    pairs = zip(events, one.expected, strict=True)
    return [wrong for event, expected in pairs for wrong in differences(event, expected, channel.name)]


def _spoilt(one: Recorded) -> Iterator[tuple[str, Any]]:
    """The object with one thing in it missing or of another kind, and which; the same ones in every run."""
    chance = random.Random(one.name)
    places = list(_places(one.payload))
    for _ in range(SPOILT_A_PAYLOAD):
        place = chance.choice(places)
        spoilt = copy.deepcopy(one.payload)
        inner: Any = spoilt
        for step in place[:-1]:
            inner = inner[step]
        if chance.random() < 0.3:
            del inner[place[-1]]
            what = "missing"
        else:
            inner[place[-1]] = chance.choice(SPOILT)
            what = repr(inner[place[-1]])
        yield f"{one.name}: {'.'.join(map(str, place))}: {what}", spoilt


def _places(value: Any, so_far: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in steps:
        yield (*so_far, step)
        yield from _places(inner, (*so_far, step))


async def test_spoilt_objects_do_no_harm(running: Running, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever is missing or of another kind: an answer without a server error, and no exception in the log.

    A platform sends what is refused with 5xx again and again, and everything after it has to wait.
    """
    channel, failed = running.channel, []
    running.sensible = False
    with caplog.at_level(logging.INFO):
        for one in recorded(channel):
            for what, spoilt in _spoilt(one):
                answer = await running.deliver(spoilt)
                if answer.status_code >= 500:
                    failed.append((what, answer.status_code))
    assert failed == []
    assert [record.getMessage() for record in caplog.records if record.exc_info and record.name != "asyncio"] == []
    answer = await running.deliver(channel.text("still there", 1))
    assert answer.status_code < 300
    assert running.inbox.events[-1].text == "still there"


async def test_what_is_no_object_is_refused(running: Running) -> None:
    """Bytes that are not the platform's: an answer that is no server error, nothing in the inbox."""
    for raw in (b"", b"{", b"null", b"[]", b'"text"', b"1e999", b"\xff\xfe\x00", b"[" * 20_000):
        answer = await running.channel.bring(running.client, raw)
        assert answer.status_code < 500, raw[:10]
    assert running.inbox.events == []


async def test_only_the_platform_is_believed(running: Running) -> None:
    """Without the right secret or signature nothing is stored, and the answer says so."""
    answer = await running.channel.forge(running.client, running.channel.text("let me in", 1))
    assert answer is not None
    assert answer.status_code in {401, 403}
    assert running.inbox.events == []


@asked_of(lambda channel: channel.together([channel.text("a", 1)]) is not None)
async def test_one_spoilt_object_takes_no_other_with_it(running: Running) -> None:
    """Of several that come together the good ones are stored, in their order."""
    channel = running.channel
    spoilt = [
        payload
        for one in recorded(channel)[:20]
        for _, payload in _spoilt(one)
        if isinstance(payload, dict) and isinstance(payload.get("entry"), list)
    ]
    for number, payload in enumerate(spoilt):
        before, after = channel.text("before", 2 * number), channel.text("after", 2 * number + 1)
        running.inbox.events.clear()
        assert (await running.deliver(channel.together([before, payload, after]))).status_code == 200
        texts = [event.text for event in running.inbox.events]
        assert (texts[0], texts[-1]) == ("before", "after")
