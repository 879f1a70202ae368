"""Sending: in order per conversation, retried, never lost, never at the cost of others."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update

from bot.config import DeliverySettings
from bot.contracts import (
    Accept,
    Address,
    Attachment,
    Author,
    ChannelDown,
    ChatMoved,
    Inbound,
    Limits,
    Outgoing,
    PermanentError,
    TemporaryError,
    Unreachable,
)
from bot.dispatch import Dispatcher, owner_name
from bot.inbox import store
from bot.outbox import dead_letters, post, retry
from bot.pace import Pace, backoff
from bot.storage import Database, now
from bot.storage.models import Conversation, Outbox, OutboxStatus
from bot.texts import Rendered
from tests.customer import eventually

QUICK = DeliverySettings(attempts=3, backoff_seconds=0.02, backoff_limit_seconds=0.05)


class Platform:
    """A connector whose network is a list; ``behave`` may refuse a message by raising."""

    name = "web"

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.sent: list[tuple[str, str]] = []
        self.behave: Callable[[Outgoing], None] = lambda message: None
        self.tries = 0
        # What is raised instead of sending a text, in order.
        self.failures: dict[str, list[Exception]] = defaultdict(list)

    async def start(self, accept: Accept) -> None:
        """Nothing is received."""

    async def stop(self) -> None:
        """Nothing is open."""

    def parts(self, message: Outgoing) -> int:
        """Each message is one."""
        return 1

    async def send(self, message: Outgoing, part: int = 0) -> str:
        """Record the message, or fail as told."""
        self.tries += 1
        await asyncio.sleep(0)
        self.behave(message)
        if waiting := self.failures[message.text]:
            raise waiting.pop(0)
        self.sent.append((message.address.chat, message.text))
        return f"p{message.id}"

    async def fetch(self, attachment: Attachment) -> bytes:
        """Nothing can be fetched."""
        raise PermanentError("nothing here")

    def to(self, chat: str) -> list[str]:
        """What a chat was sent, in order."""
        return [text for sent_to, text in self.sent if sent_to == chat]


async def queue(database: Database, *messages: tuple[str, str]) -> None:
    """Commit messages, each as ``(chat, text)``."""
    async with database.begin() as session:
        for chat, text in messages:
            await store(session, [Inbound(f"start-{chat}", Address("web", chat, chat), "hi")])
            conversation = (await session.scalars(select(Conversation).where(Conversation.chat == chat))).one()
            await post(session, conversation, [Rendered(text, "en")], Author.BOT)


@contextlib.asynccontextmanager
async def dispatching(
    database: Database, platform: Platform, settings: DeliverySettings = QUICK
) -> AsyncIterator[None]:
    """Run a dispatcher while the block lasts."""
    task = asyncio.create_task(Dispatcher(database, {"web": platform}, settings).run())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def statuses(database: Database) -> list[OutboxStatus]:
    """The status of every message, in the order they were queued."""
    async with database.read() as session:
        return list(await session.scalars(select(Outbox.status).order_by(Outbox.id)))


async def all_are(database: Database, status: OutboxStatus, count: int) -> bool:
    """Whether there are ``count`` messages, all with this status."""
    return await statuses(database) == [status] * count


async def test_order_holds_within_a_conversation(any_database: Database) -> None:
    """Many conversations at once, each in its own order, each message once."""
    platform = Platform()
    await queue(any_database, *((f"c{n % 7}", f"{n}") for n in range(70)))
    async with dispatching(any_database, platform):
        await eventually(lambda: all_are(any_database, OutboxStatus.SENT, 70), 20)
    for chat in range(7):
        assert platform.to(f"c{chat}") == [str(n) for n in range(chat, 70, 7)]


async def test_a_failure_is_retried_in_place(any_database: Database) -> None:
    """What fails for now is tried again, and what follows in its conversation waits for it."""
    platform = Platform()
    failures = iter([TemporaryError("down"), OSError("cut"), None, None, None])

    def behave(message: Outgoing) -> None:
        if message.text == "one" and (error := next(failures)):
            raise error

    platform.behave = behave
    await queue(any_database, ("a", "one"), ("a", "two"), ("b", "other"))
    async with dispatching(any_database, platform):
        await eventually(lambda: all_are(any_database, OutboxStatus.SENT, 3))
    assert platform.to("a") == ["one", "two"]
    assert platform.sent[0] == ("b", "other")


async def test_a_wish_to_wait_does_not_hold_up_others(any_database: Database) -> None:
    """``Retry-After: 600`` reschedules one conversation; another's messages leave at once."""
    platform = Platform()

    def behave(message: Outgoing) -> None:
        if message.address.chat == "slow":
            raise TemporaryError("429", retry_after=600)

    platform.behave = behave
    await queue(any_database, ("slow", "one"), *(("fast", str(n)) for n in range(5)))
    async with dispatching(any_database, platform):
        await eventually(lambda: _sent(platform, 5))
        async with any_database.read() as session:
            row = (await session.scalars(select(Outbox).order_by(Outbox.id))).first()
    assert row is not None and row.status is OutboxStatus.PENDING
    assert 590 < (row.due_at - row.created_at).total_seconds() < 620
    assert platform.to("slow") == []


async def _sent(platform: Platform, count: int) -> bool:
    return len(platform.sent) >= count


async def test_never_is_never_and_the_lane_goes_on(any_database: Database) -> None:
    """A refusal for good is a dead letter with its reason; the next message is sent."""
    platform = Platform()

    def behave(message: Outgoing) -> None:
        if message.text == "bad":
            raise PermanentError("the customer blocked us")

    platform.behave = behave
    await queue(any_database, ("a", "bad"), ("a", "good"))
    async with dispatching(any_database, platform):
        await eventually(lambda: _sent(platform, 1))
        await eventually(lambda: _is_sent_last(any_database))
    async with any_database.read() as session:
        letters = await dead_letters(session)
    assert [(letter["channel"], letter["error"]) for letter in letters] == [("web", "the customer blocked us")]
    assert platform.to("a") == ["good"]


async def _is_sent_last(database: Database) -> bool:
    return (await statuses(database))[-1] is OutboxStatus.SENT


async def test_dead_letters_can_be_replayed(any_database: Database) -> None:
    """After enough tries a message is given up with a reason; ``retry`` sends it after all."""
    platform = Platform()

    def behave(message: Outgoing) -> None:
        raise TemporaryError("the platform is down")

    platform.behave = behave
    await queue(any_database, ("a", "one"))
    async with dispatching(any_database, platform):
        await eventually(lambda: all_are(any_database, OutboxStatus.DEAD, 1))
        assert platform.tries == QUICK.attempts
        platform.behave = lambda message: None
        async with any_database.begin() as session:
            assert await retry(session) == 1
        await eventually(lambda: all_are(any_database, OutboxStatus.SENT, 1))
    assert platform.sent == [("a", "one")]


async def test_a_dead_process_gives_its_messages_back(any_database: Database) -> None:
    """Messages leased to a process that was killed are sent by the next one, at once."""
    await queue(any_database, ("a", "one"), ("a", "two"))
    host = owner_name().rpartition(":")[0]
    async with any_database.begin() as session:
        await session.execute(update(Outbox).values(status=OutboxStatus.SENDING, lease_owner=f"{host}:999999999"))
    platform = Platform()
    async with dispatching(any_database, platform):
        await eventually(lambda: all_are(any_database, OutboxStatus.SENT, 2))
    assert platform.to("a") == ["one", "two"]


async def test_stopping_gives_back_what_was_not_begun(any_database: Database) -> None:
    """A stop in the middle of a lane neither loses nor repeats a message."""
    platform = Platform(Limits(per_chat=(1, 0.3)))
    await queue(any_database, *(("a", str(n)) for n in range(4)))
    async with dispatching(any_database, platform):
        await eventually(lambda: _sent(platform, 1))
    first = len(platform.sent)
    assert 1 <= first < 4
    platform.limits = Limits()
    async with dispatching(any_database, platform):
        await eventually(lambda: all_are(any_database, OutboxStatus.SENT, 4))
    assert platform.to("a") == ["0", "1", "2", "3"]


async def test_two_dispatchers_share_the_work(postgres_database: str) -> None:
    """Two processes on one PostgreSQL: every message once, every conversation in order."""
    from bot.storage.migrate import upgrade

    url = postgres_database.replace("postgresql", "postgresql+asyncpg")
    one, two = Database(url), Database(url)
    await upgrade(one)
    await queue(one, *((f"c{n % 5}", str(n)) for n in range(50)))
    platform = Platform()
    async with dispatching(one, platform), dispatching(two, platform):
        await eventually(lambda: all_are(one, OutboxStatus.SENT, 50), 20)
    await one.close()
    await two.close()
    assert len(platform.sent) == 50
    for chat in range(5):
        assert platform.to(f"c{chat}") == [str(n) for n in range(chat, 50, 5)]


async def test_limits_are_kept(any_database: Database) -> None:
    """Two a chat in 0.2 s: six messages take at least 0.4 s, and another chat is not held up."""
    platform = Platform(Limits(per_chat=(2, 0.2)))
    await queue(any_database, *(("a", str(n)) for n in range(6)), ("b", "quick"))
    started = time.monotonic()
    async with dispatching(any_database, platform):
        await eventually(lambda: all_are(any_database, OutboxStatus.SENT, 7))
    assert time.monotonic() - started >= 0.4
    assert platform.to("a") == [str(n) for n in range(6)]
    assert [text for _, text in platform.sent].index("quick") <= 3


async def test_a_full_chat_says_how_long_to_wait() -> None:
    """Two a chat in ten seconds: the third waits, another chat does not."""
    pace = Pace(Limits(per_chat=(2, 10.0)))
    for _ in range(2):
        assert pace.delay("a") == 0
        async with pace.turn("a"):
            await asyncio.sleep(0)
    assert 9 < pace.delay("a") <= 10.5
    assert pace.delay("b") == 0


async def test_groups_have_a_limit_of_their_own() -> None:
    """A group is held by its own limit, a private chat is not."""
    pace = Pace(Limits(per_group=(1, 60.0), is_group=lambda chat: chat.startswith("-")))
    for chat in ("-100", "100"):
        async with pace.turn(chat):
            await asyncio.sleep(0)
    assert pace.delay("-100") > 59
    assert pace.delay("100") == 0


async def test_the_overall_limit_counts_all_chats_together() -> None:
    """Four chats at two in 0.2 s: the last two wait for the platform's turn."""
    pace = Pace(Limits(overall=(2, 0.2)))
    started: list[float] = []

    async def send(chat: str) -> None:
        async with pace.turn(chat):
            started.append(time.monotonic())
            await asyncio.sleep(0.05)

    await asyncio.gather(*map(send, "abcd"))
    first, second, third, fourth = started
    assert second - first < 0.05
    # A place comes back 0.2 s after the platform has answered.
    assert 0.25 <= third - first < 0.4 and 0.25 <= fourth - first < 0.4


class Parts(Platform):
    """A platform on which every word is a message of its own."""

    def parts(self, message: Outgoing) -> int:
        """As many as there are words."""
        return len(message.text.split())

    async def send(self, message: Outgoing, part: int = 0) -> str:
        """Deliver one word."""
        words = replace(message, text=message.text.split()[part])
        return await super().send(words)


async def test_a_retry_goes_on_after_the_parts_that_have_left(any_database: Database) -> None:
    """The third of four parts fails once: nothing is sent twice, also by another dispatcher."""
    platform = Parts()
    platform.failures["three"] = [TemporaryError("not now")]
    await queue(any_database, ("a", "one two three four"))
    async with dispatching(any_database, platform):
        await eventually(lambda: _sent(platform, 2))
        await eventually(lambda: _failed_once(any_database))
    async with any_database.begin() as session:
        await session.execute(update(Outbox).values(due_at=now()))
    async with dispatching(any_database, platform):
        await eventually(lambda: all_are(any_database, OutboxStatus.SENT, 1))
    assert platform.to("a") == ["one", "two", "three", "four"]


async def test_being_asked_to_wait_is_no_failed_try(any_database: Database) -> None:
    """A message that the platform puts off more often than it may fail is sent all the same, and in order."""
    platform = Platform()
    platform.failures["one"] = [TemporaryError("wait", 0.01) for _ in range(4)]
    await queue(any_database, ("a", "one"), ("a", "two"))
    async with dispatching(any_database, platform):
        await eventually(lambda: all_are(any_database, OutboxStatus.SENT, 2), 20)
    assert platform.to("a") == ["one", "two"]
    async with any_database.read() as session:
        assert set(await session.scalars(select(Outbox.attempts))) == {0}


async def test_a_long_wait_is_not_slept_through(any_database: Database) -> None:
    """Ten minutes for one chat are written down, and the others go on."""
    platform = Platform()
    platform.failures["one"] = [TemporaryError("wait", 600.0)]
    await queue(any_database, ("a", "one"), ("b", "other"))
    async with dispatching(any_database, platform):
        await eventually(lambda: _sent(platform, 1))
    async with any_database.read() as session:
        row = (await session.scalars(select(Outbox).where(Outbox.status == OutboxStatus.PENDING))).one()
    assert 590 < (row.due_at - now()).total_seconds() <= 600
    assert row.error == "wait"


async def test_a_channel_that_is_down_rests_without_using_tries(any_database: Database) -> None:
    """A revoked token stops the channel, not the messages: all leave once it works again."""
    platform = Platform()
    platform.failures["one"] = [ChannelDown("the token was revoked", 0.3)]
    await queue(any_database, ("a", "one"), ("b", "two"))
    async with dispatching(any_database, platform):
        await eventually(lambda: all_are(any_database, OutboxStatus.SENT, 2), 20)
    async with any_database.read() as session:
        assert set(await session.scalars(select(Outbox.attempts))) == {0}


async def test_a_customer_who_blocks_the_bot_gets_nothing_more(any_database: Database) -> None:
    """All that waits for them becomes dead letters, and the conversation is marked."""
    platform = Platform()
    platform.failures["one"] = [Unreachable("blocked")]
    await queue(any_database, ("a", "one"), ("a", "two"), ("a", "three"))
    async with dispatching(any_database, platform):
        await eventually(lambda: all_are(any_database, OutboxStatus.DEAD, 3))
    assert platform.sent == []
    async with any_database.read() as session:
        assert (await session.scalars(select(Conversation.unreachable_at))).one() is not None


async def test_a_chat_that_has_moved_is_followed(any_database: Database) -> None:
    """The message goes to the chat's new id at once, and so does everything later."""
    platform = Platform()
    platform.failures["one"] = [ChatMoved("moved", "b")]
    await queue(any_database, ("a", "one"))
    async with dispatching(any_database, platform):
        await eventually(lambda: all_are(any_database, OutboxStatus.SENT, 1))
    assert platform.to("b") == ["one"]
    async with any_database.read() as session:
        talk = (await session.scalars(select(Conversation))).one()
    assert (talk.chat, talk.address_key) == ("b", Address("web", "b", "b").key)


async def _failed_once(database: Database) -> bool:
    async with database.read() as session:
        return (await session.scalars(select(Outbox.attempts))).one() == 1


@given(st.integers(1, 60))
def test_backoff_grows_to_its_limit(attempts: int) -> None:
    """Doubling, a quarter of chance, never above the limit by more than that."""
    settings = DeliverySettings(backoff_seconds=2, backoff_limit_seconds=900)
    expected = min(900.0, 2.0**attempts)
    assert expected * 0.75 <= backoff(attempts, settings) <= expected * 1.25
