"""The agents' side of a platform: a room a hand-over, in the platform's own form."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from bot.contracts import AgentSpace, Card, Note, OutButton, Room
from tests.contracts.channel import MEDIA, asked_of
from tests.contracts.conftest import Running

ACTIONS = tuple(
    OutButton(title, name)
    for title, name in (("Claim", "claim"), ("Reply", "reply"), ("Resolve", "resolve"), ("Back to bot", "back"))
)
CARD = Card(
    handoff=7,
    title="Ana Torres · telegram",
    status="Nobody has it yet",
    lines=(("Language", "español"), ("Order", "100234 <sent> & on its way"), ("Ticket", "T-000042"), ("Tier", "gold")),
    messages=("Ana: ¿Dónde está mi pedido?", "Bot: Está en camino. 📦", "Ana: *quiero* hablar con una <persona> & ya"),
    actions=ACTIONS,
    hint="What is written here stays here.",
)
HUGE = replace(
    CARD,
    title="Ana " * 100,
    lines=tuple((f"Field {number}", "value " * 60) for number in range(12)),
    messages=tuple(f"Ana: {'a long complaint, 投诉 👩‍👩‍👧‍👦 & <b> ' * 40}{number}" for number in range(10)),
    hint="hint " * 50,
)
with_agents = asked_of(lambda channel: bool([name for name in channel.options if name.startswith("agents_")]))


def space(running: Running) -> AgentSpace:
    """The platform's place for agents."""
    found: AgentSpace = running.connector.agents  # type: ignore[attr-defined]
    return found


async def opened(running: Running, card: Card) -> Room:
    """A room with its card, made one thing a call."""
    room = Room(space(running).chat)
    for _ in range(4):
        if room.thread and room.card:
            return room
        room = await space(running).show(room, card)
    raise AssertionError(f"the room is still not complete: {room}")


@with_agents
async def test_a_room_is_opened_changed_and_closed(running: Running) -> None:
    """A card, notes of every kind, another card, the end; every request is of the platform's form (see the fixture)."""
    room = await opened(running, CARD)
    taken = replace(CARD, status="Sam has it", actions=ACTIONS[1:])
    assert await space(running).show(room, taken) == room
    await space(running).note(room, Note("Ana: ¿Hola? <b> & *ya*"))
    await space(running).note(room, Note("Nobody has answered for ten minutes.", alert=True))
    await space(running).note(room, Note("Sam has it already.", only_for="6620014455"))
    await space(running).close(room, replace(taken, status="Resolved by Sam", actions=(), hint=""))


@with_agents
async def test_each_call_makes_one_thing(running: Running) -> None:
    """The pace of the platform is kept call by call: none of them says two things."""
    room = Room(space(running).chat)
    before = _changing(running)
    while not (room.thread and room.card):
        room = await space(running).show(room, CARD)
        assert _changing(running) == before + 1
        before += 1
    await space(running).show(room, replace(CARD, status="Sam has it"))
    await space(running).note(room, Note("Ana: ¿Hola?"))
    assert _changing(running) == before + 2


SAYING = ("sendMessage", "chat.postMessage")


def _changing(running: Running) -> int:
    names = (
        "sendMessage",
        "editMessageText",
        "createForumTopic",
        "chat.postMessage",
        "chat.update",
        "chat.postEphemeral",
    )
    return sum(call.definition in names for call in running.channel.requested(running.server))


@with_agents
async def test_a_card_of_any_size_fits(running: Running) -> None:
    """Long names, long complaints, many fields: cut to what the platform takes, the newest messages kept."""
    room = await opened(running, HUGE)
    await space(running).show(room, replace(HUGE, status="Sam has it " * 50))
    await space(running).note(room, Note("A very long note. " * 1000))
    calls = running.channel.requested(running.server)
    assert [excess for call in calls if call.params for excess in running.channel.excess(call)] == []


@with_agents
async def test_files_reach_the_agents(running: Running) -> None:
    """A customer's photo and document are in the room, with their words."""
    folder = running.host.config.files_dir / "exports"
    folder.mkdir(parents=True)
    (folder / "box.jpg").write_bytes(b"\xff\xd8\xff\xe0" + b"\x00" * 200)
    (folder / "data.json").write_bytes(b"{}")
    room = await opened(running, CARD)
    await space(running).note(room, Note("Ana: here it is", media=MEDIA[:1]))
    await space(running).note(room, Note("Ana: and this", media=MEDIA[1:]))
    await space(running).note(room, Note("", media=MEDIA[:1]))


@with_agents
async def test_announcements_are_one_message_outside_all_rooms(running: Running) -> None:
    """Said in the agents' chat itself, in no thread, whatever their length; every request is of the platform's form."""
    before = _changing(running)
    await space(running).announce(Note("T-000042 has waited too long for an answer. <b> & *now*", alert=True))
    await space(running).announce(Note("A very long announcement. " * 1000))
    assert _changing(running) == before + 2
    calls = [call for call in running.channel.requested(running.server) if call.definition in SAYING][-2:]
    assert [excess for call in calls for excess in running.channel.excess(call)] == []
    assert not any({"thread_ts", "message_thread_id"} & set(call.params) for call in calls)
    assert "T-000042 has waited too long" in str(calls[0].params)


@with_agents
async def test_an_announcement_may_have_a_picture(running: Running) -> None:
    """The picture reaches the agents' chat, with the words, outside all threads."""
    folder = running.host.config.files_dir / "exports"
    folder.mkdir(parents=True)
    (folder / "box.jpg").write_bytes(b"\xff\xd8\xff\xe0" + b"\x00" * 200)
    before = len(running.channel.requested(running.server))
    await space(running).announce(Note("CSAT 82 %. " * 300, media=MEDIA[:1]))
    calls = running.channel.requested(running.server)[before:]
    assert calls and [excess for call in calls for excess in running.channel.excess(call)] == []
    assert "CSAT 82 %" in "".join(str(call.params) for call in calls)
    assert not any({"thread_ts", "message_thread_id"} & set(call.params) for call in calls)


@with_agents
async def test_closing_twice_is_no_fault(running: Running) -> None:
    """A close that was interrupted is repeated."""
    room = await opened(running, CARD)
    for _ in range(2):
        await space(running).close(room, replace(CARD, status="Resolved", actions=()))


@with_agents
async def test_agents_who_act_at_once_are_all_heard(running: Running) -> None:
    """Presses of several agents in one moment are each an event of their own."""
    room = await opened(running, CARD)
    assert room.card
    from tests.contracts.channel import recorded

    presses = [one for one in recorded(running.channel) if one.name in {"agents_button_claim", "agents_button_back"}]
    answers = await asyncio.gather(*(running.deliver(one.payload) for one in presses))
    assert all(answer.status_code == 200 for answer in answers)
    assert sorted(event.payload for event in running.inbox.events) == ["back", "claim"]
    assert len({event.external_id for event in running.inbox.events}) == 2
