"""What a connector does by itself is of the platform's form as well: menus, typing, reading."""

from __future__ import annotations

from tests.contracts.channel import asked_of
from tests.contracts.conftest import Running, complaints


@asked_of(lambda channel: bool(channel.limit))
async def test_courtesies_are_of_the_platforms_form(running: Running) -> None:
    """After the start, and after a first message, everything asked of the platform is what it understands."""
    assert (await running.deliver(running.channel.text("where is my order?", 1))).status_code == 200
    await running.channel.settled(running.server)
    calls = running.channel.requested(running.server)
    assert calls
    assert complaints(running.channel, calls) == []
