"""Agents in a Telegram group and in a Slack channel: one truth, wherever customer and agent sit."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from sqlalchemy import select

from bot.app import App
from bot.services import notes, users
from bot.storage import Database
from bot.storage.migrate import upgrade
from bot.storage.models import Conversation, Outbox, OutboxStatus, User
from tests.conftest import StartDesk
from tests.customer import Customer, RestChannel, eventually
from tests.fakes.slack_server import SlackServer
from tests.fakes.telegram_server import Sent, TelegramServer
from tests.scenarios.channels import TelegramChannel
from tests.scenarios.test_crash import Server

GROUP = -1001234567890
CHANNEL = "C0AGENTS01"
PLACES = {"connectors": {"telegram": {"agents_chat": GROUP}, "slack": {"agents_channel": CHANNEL}}}
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c4944415408d763f8cfc000"
    "000301010018dd8db00000000049454e44ae426082"
)


class Telegram:
    """What agents see in their Telegram group."""

    def __init__(self, server: TelegramServer) -> None:
        self.server = server
        self.topics = server.forum(GROUP)

    def said(self) -> list[Sent]:
        """All messages of the bot in the group."""
        return self.server.sent(GROUP)

    async def card(self, *fragments: str) -> Sent:
        """The newest card, once it says all this."""

        async def there() -> Sent | None:
            for sent in self.said():
                if sent.text.startswith(next(iter(self.topics.values())).name) if self.topics else False:
                    if all(fragment in sent.text for fragment in fragments):
                        return sent
            return None

        found: Sent = await eventually(there, 10)
        return found

    async def sees(self, fragment: str) -> Sent:
        """A message of the bot with this in it, once it is there."""

        async def there() -> Sent | None:
            return next((sent for sent in self.said() if fragment in sent.text), None)

        found: Sent = await eventually(there, 10)
        return found


def _true(check: Callable[[], object]) -> Callable[[], Awaitable[bool]]:
    """As :func:`eventually` takes it."""

    async def so() -> bool:
        return bool(check())

    return so


@contextlib.asynccontextmanager
async def everywhere(start: StartDesk, *channels: str) -> AsyncIterator[tuple[App, TelegramServer, SlackServer]]:
    """The desk with agents in Telegram and in Slack."""
    async with TelegramServer() as telegram, SlackServer() as slack:
        telegram.forum(GROUP)
        slack.channels[CHANNEL] = {"id": CHANNEL, "name": "agents", "is_member": True, "is_private": True}
        only = frozenset({"telegram", "slack", *channels})
        app = await start(PLACES, env=telegram.env | slack.env(socket=True), only=only)
        await slack.until(lambda: slack.connected)
        yield app, telegram, slack


async def test_an_agent_in_telegram_serves_a_customer_on_the_web(start_desk: StartDesk) -> None:
    """Claim, a private word among agents, a reply by command and one by the prompt, resolve."""
    async with everywhere(start_desk, "rest") as (app, server, _slack):
        customer, agents = Customer(RestChannel(app)), Telegram(server)
        await customer.says("I want to talk to a person")
        card = await agents.card("Waiting since", "I want to talk to a person")
        thread = card.thread
        await server.agent_presses(GROUP, card, "agent:claim")
        await agents.card("Bea Torres has it")
        await server.agent_says(GROUP, thread, "does anyone know this customer?")
        await server.agent_says(GROUP, thread, "/r Good morning, what can I do for you?")
        await agents.sees("Bea Torres: Good morning")
        await customer.says("my parcel is lost")
        customer.sees("Good morning, what can I do for you?")
        customer.sees_not("does anyone know")
        await agents.sees("my parcel is lost")
        await server.agent_presses(GROUP, await agents.card("Bea Torres has it"), "agent:reply")
        prompt = await agents.sees("Answer to this message")
        await server.agent_answers(GROUP, prompt, "I am asking the carrier.")
        await agents.sees("Bea Torres: I am asking the carrier.")
        await server.agent_says(GROUP, thread, "/resolve")
        await agents.card("Resolved by Bea Torres")

        async def closed() -> bool:
            return all(topic.closed for topic in agents.topics.values())

        await eventually(closed)
        await customer.says("thanks")
        customer.sees("I am asking the carrier.")


async def test_slack_telegram_and_the_customer_see_one_truth(start_desk: StartDesk) -> None:
    """Claimed on Telegram, so Slack shows who has it and refuses another; given back, so both are over."""
    async with everywhere(start_desk, "rest") as (app, server, slack):
        customer, agents = Customer(RestChannel(app)), Telegram(server)
        await customer.says("quiero hablar con una persona")

        async def posted() -> bool:
            return bool(slack.posts(CHANNEL))

        await eventually(posted, 10)
        card = await agents.card("Waiting since", "Spanish")
        await server.agent_presses(GROUP, card, "agent:claim")

        async def told() -> bool:
            return "Bea Torres has it" in str(slack.posts(CHANNEL)[0].blocks)

        await eventually(told, 10)
        await slack.user_presses(CHANNEL, "Reply", user="U0OMAR")
        form = slack.modals[-1]
        assert "Spanish" in str(form)
        await slack.user_submits({"reply": "Hola"}, user="U0OMAR")

        async def refused() -> bool:
            return any(whisper.user == "U0OMAR" for whisper in slack.whispers)

        await eventually(refused, 10)
        await server.agent_says(GROUP, card.thread, "/back")

        async def over() -> bool:
            return "Given back to the bot by Bea Torres" in str(slack.posts(CHANNEL)[0].blocks)

        await eventually(over, 10)
        await customer.says("hola")
        customer.sees_not("Hola, ")
        assert not slack.posts(CHANNEL)[0].buttons


async def test_an_agent_in_slack_serves_a_customer_on_telegram(start_desk: StartDesk) -> None:
    """The photo of the damage is in the thread, a ready-made reply in the customer's language is sent."""
    async with everywhere(start_desk) as (app, server, slack):
        customer = Customer(TelegramChannel(app, server, 7001, "es"))
        await customer.says("hola, mi pedido llegó roto")
        await server.user_sends_file(7001, PIXEL, filename="taza.jpg")
        customer.channel._said += 1
        await customer.says("quiero hablar con una persona ahora mismo")

        async def posted() -> bool:
            return bool(slack.posts(CHANNEL))

        await eventually(posted, 10)
        card = slack.posts(CHANNEL)[0]
        await slack.user_presses(CHANNEL, "Claim", user="U0OMAR")
        await slack.user_presses(CHANNEL, "Reply", user="U0OMAR")
        options = str(slack.modals[-1])
        assert "{agent}" in options or "canned" in options
        await slack.user_submits({"reply": "Buenos días, soy {agent}."}, user="U0OMAR")

        async def answered() -> bool:
            return any("Buenos días, soy" in sent.text for sent in server.sent(7001))

        await eventually(answered, 10)
        assert not any("{agent}" in sent.text for sent in server.sent(7001))

        async def shown() -> bool:
            return bool(slack.thread(CHANNEL, card.ts))

        await eventually(shown, 10)
        await slack.user_presses(CHANNEL, "Resolve", user="U0OMAR")

        async def rated() -> bool:
            return any("5" in sent.buttons for sent in server.sent(7001))

        await eventually(rated, 10)
        await server.user_presses(7001, "5", language_code="es")

        async def thanked() -> bool:
            return "comentario" in server.sent(7001)[-1].text

        await eventually(thanked, 10)


async def test_a_note_at_the_desk_is_read_in_the_rooms_and_never_by_the_customer(start_desk: StartDesk) -> None:
    """In the Slack thread and the Telegram topic, whoever has the conversation; a long one is cut, none is sent."""
    secret = "threatened <b>to sue</b> & was *rude* <@U0OMAR>"
    async with everywhere(start_desk) as (app, server, slack):
        customer = Customer(TelegramChannel(app, server, 7001, "en"))
        await customer.says("I want to talk to a person")
        agents = Telegram(server)
        card = await agents.card("Waiting since")
        await eventually(_true(lambda: slack.posts(CHANNEL)), 10)
        await server.agent_presses(GROUP, card, "agent:claim")
        await agents.card("Bea Torres has it")
        async with app.database.begin() as session:
            talk = (await session.scalars(select(Conversation.id))).one()
            writer = await users.add(session, "omar", "Omar Haddad", "a long password")
            await notes.add(session, talk, writer, secret)
            await notes.add(session, talk, writer, "long " + "x" * 9000)
        told = await agents.sees("Internal note by Omar Haddad: threatened")
        assert told.thread == card.thread and "<b>to sue</b> & was *rude*" in told.text

        def thread() -> list[str]:
            return [post.shown for post in slack.thread(CHANNEL, slack.posts(CHANNEL)[0].ts)]

        await eventually(_true(lambda: any("Internal note by Omar Haddad: long" in text for text in thread())), 10)
        assert any("to sue" in text for text in thread())
        await agents.sees("Internal note by Omar Haddad: long")
        assert all("x" * 1600 not in text for text in [*thread(), *(sent.text for sent in agents.said())])
        await server.agent_says(GROUP, card.thread, "/r All is well again.")
        await eventually(_true(lambda: any("All is well" in sent.text for sent in server.sent(7001))), 10)
        assert not any("sue" in sent.text or "Internal note" in sent.text for sent in server.sent(7001))
        async with app.database.read() as session:
            assert not any("sue" in str(row.body) for row in await session.scalars(select(Outbox)))
        # What is over has no room any more: a late note stands at the desk only.
        await server.agent_says(GROUP, card.thread, "/resolve")
        await agents.card("Resolved by Bea Torres")
        async with app.database.begin() as session:
            await notes.add(session, talk, await session.get_one(User, writer.id), "an afterthought")
        assert not any("afterthought" in sent.text for sent in agents.said())


async def test_a_revoked_token_stops_one_channel_and_loses_nothing(
    start_desk: StartDesk, caplog: pytest.LogCaptureFixture
) -> None:
    """Telegram's answer waits without using up its tries, the log says what to do, Slack goes on."""
    async with everywhere(start_desk) as (app, telegram, slack):
        telegram.fail_next("sendMessage", 401, times=1)
        await telegram.user_says(7001, "are you a robot?")

        async def waits() -> Outbox | None:
            async with app.database.read() as session:
                found: Outbox | None = await session.scalar(
                    select(Outbox).where(Outbox.channel == "telegram", Outbox.error != "")
                )
                return found

        row = await eventually(waits, 10)
        assert (row.status, row.attempts) == (OutboxStatus.PENDING, 0)
        assert "TELEGRAM_BOT_TOKEN" in row.error
        assert "TELEGRAM_BOT_TOKEN" in caplog.text
        await slack.user_says("D7002", "are you a robot?", user="U7002")

        async def answered() -> bool:
            return any("automatic assistant" in post.text for post in slack.posts("U7002"))

        await eventually(answered, 10)
        assert telegram.sent(7001) == []


@pytest.mark.timeout(120)
async def test_killed_between_the_commit_and_the_sending(tmp_path: Path, model_dir: Path) -> None:
    """A process that dies with an answer committed and not sent: the next one sends it, once."""
    data = tmp_path / "data"
    data.mkdir()
    (model_dir / "models").mkdir(parents=True, exist_ok=True)
    (data / "models").symlink_to(model_dir.resolve() / "models")
    database = Database(f"sqlite+aiosqlite:///{data / 'linguadesk.db'}")
    await upgrade(database)
    await database.close()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    async with TelegramServer() as telegram:
        desk = Server(data, port, telegram.env)
        await desk.start()
        try:
            telegram.fail_next("sendMessage", 500, delay=30)
            await telegram.user_says(7001, "are you a robot?")
            await telegram.until(lambda: telegram.calls_of("sendMessage"), timeout=20)
            desk.kill()
            telegram.mend("sendMessage")
            await desk.start()
            await telegram.wait_for(7001, 1, 30)
            await telegram.user_says(7001, "thank you")
            await telegram.wait_for(7001, 2, 30)
        finally:
            desk.kill()
        texts = [sent.text for sent in telegram.sent(7001)]
        assert len(texts) == 2 and "automatic assistant" in texts[0]
