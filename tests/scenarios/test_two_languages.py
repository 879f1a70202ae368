"""A German customer, a Spanish agent, an English shop: each reads and writes their own language."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import select

from bot import agents
from bot.app import App
from bot.checkup import examine_live
from bot.contracts import Address, Author, Inbound, Kind, TemporaryError
from bot.inbox import Acceptor
from bot.services import translations, users
from bot.storage import talk_reports
from bot.storage.models import Message, Timer, TimerStatus, Translation, User
from bot.translation import for_reply
from tests.conftest import StartDesk
from tests.customer import Agent, Customer, RestChannel, eventually
from tests.fakes.libretranslate import LibreTranslateServer
from tests.fakes.slack_server import SlackServer
from tests.fakes.telegram_server import TelegramServer

CHANNEL = "C0AGENTS01"
GROUP = -1001234567890
ASKS = "Ich möchte mit einem Menschen sprechen"
PARCEL = "Mein Paket 100234 ist leider verloren gegangen, was kann ich tun?"
PHRASES = {
    ("de", "en", ASKS): "I would like to talk to a person",
    ("de", "es", ASKS): "Quiero hablar con una persona",
    ("de", "en", PARCEL): "My parcel 100234 is lost, what can I do?",
    # The server spoils the number.
    ("de", "es", PARCEL): "Mi paquete cien mil se ha perdido, ¿qué puedo hacer?",
    ("es", "de", "Buenos días, estoy buscando su paquete."): "Guten Tag, ich suche Ihr Paket.",
    ("es", "de", "Se lo enviamos de nuevo mañana por la mañana."): "Wir senden es morgen früh noch einmal.",
}


@dataclass
class TwoTongues:
    """A desk with a translation server."""

    app: App
    server: LibreTranslateServer

    async def agent(self, username: str = "lucia", language: str = "es", speaks: tuple[str, ...] = ()) -> Agent:
        """Someone at the desk."""
        async with self.app.database.begin() as session:
            user = await users.add(session, username, username.capitalize(), "a long password", language=language)
            user.speaks = list(speaks)
        return Agent(self.app, user)

    async def texts(self, author: Author) -> list[tuple[str, dict[str, str]]]:
        """What was said by somebody, with what it says in other languages, as the desk shows it."""
        async with self.app.database.read() as session:
            shown, _ = await talk_reports.transcript(session, 1)
            return [
                (item.text, {row.language: row.text for row in item.translations})
                for item in shown
                if item.author is author
            ]

    async def until(self, check: Callable[[], Awaitable[Any]]) -> Any:
        """Wait until something is so."""
        return await eventually(check, 10)


@contextlib.asynccontextmanager
async def tongues(start: StartDesk, *, on: bool = True, **changes: Any) -> AsyncIterator[TwoTongues]:
    """A desk reached over REST, with translation on or off."""
    async with LibreTranslateServer(phrases=dict(PHRASES)) as server:
        settings = {"translation": {"engine": "libretranslate" if on else "off", "url": server.url}} | changes
        app = await start(settings, only=frozenset({"rest"}))
        yield TwoTongues(app, server)


async def test_a_whole_conversation_at_the_desk(start_desk: StartDesk) -> None:
    """Both texts of everything are there, the number comes out whole, and the customer reads German only."""
    async with tongues(start_desk) as desk:
        customer, lucia = Customer(RestChannel(desk.app)), await desk.agent()
        await customer.says(ASKS)

        async def waiting() -> bool:
            return (await desk.texts(Author.CUSTOMER))[0][1] == {"en": PHRASES["de", "en", ASKS]}

        await desk.until(waiting)
        async with desk.app.database.begin() as session:
            await agents.claim(session, 1, lucia.user)
        await customer.says(PARCEL)

        async def both() -> bool:
            first, second = await desk.texts(Author.CUSTOMER)
            return len(first[1]) == len(second[1]) == 2

        await desk.until(both)
        asked, parcel = await desk.texts(Author.CUSTOMER)
        assert asked == (ASKS, {"en": PHRASES["de", "en", ASKS], "es": PHRASES["de", "es", ASKS]})
        assert parcel[1]["es"] == "Mi paquete cien mil se ha perdido, ¿qué puedo hacer?\n↳ 100234"
        assert parcel[1]["en"] == PHRASES["de", "en", PARCEL]
        wrote = "Buenos días, estoy buscando su paquete."
        made = await for_reply(desk.app.translator, wrote, "es", "de")
        async with desk.app.database.begin() as session:
            await agents.reply(
                session,
                desk.app.voice,
                1,
                lucia.user,
                made.text,
                settings=desk.app.config.settings,
                original=made.original,
                original_language=made.original_language,
                engine=made.engine,
            )
        await lucia.resolves(1)
        await customer.says("Danke")
        customer.sees("Guten Tag, ich suche Ihr Paket.")
        customer.sees_not("Buenos")
        assert await desk.texts(Author.AGENT) == [("Guten Tag, ich suche Ihr Paket.", {"es": wrote})]
        async with desk.app.database.read() as session:
            own = (await session.scalars(select(Translation).where(Translation.original))).one()
        assert (own.engine, own.language) == ("libretranslate", "es")


@pytest.mark.parametrize(("speaks", "language"), [(("de", "es"), "es"), ((), "de")])
async def test_an_agent_who_speaks_it_needs_nothing(
    start_desk: StartDesk, speaks: tuple[str, ...], language: str
) -> None:
    """Taken at once by somebody who speaks German: what comes afterwards is not translated."""
    async with tongues(start_desk) as desk:
        customer, agent = Customer(RestChannel(desk.app)), await desk.agent("dirk", language, speaks)
        await customer.says(ASKS)
        async with desk.app.database.begin() as session:
            await agents.claim(session, 1, agent.user)
        await customer.says(PARCEL)
        await asyncio.sleep(0.3)
        assert PARCEL not in [body["q"] for body in desk.server.asked]


async def test_nothing_before_a_person_is_asked_for(start_desk: StartDesk) -> None:
    """What is between the customer and the bot goes to no server."""
    async with tongues(start_desk) as desk:
        await Customer(RestChannel(desk.app)).says("Wie lange dauert der Versand nach Österreich?")
        await asyncio.sleep(0.3)
        assert desk.server.asked == []


async def test_nothing_changes_when_it_is_off(start_desk: StartDesk) -> None:
    """As shipped: no request, no timer, no translation, and what an agent writes is what is sent."""
    async with tongues(start_desk, on=False) as desk:
        customer, lucia = Customer(RestChannel(desk.app)), await desk.agent()
        await customer.says(ASKS)
        await lucia.replies(1, "= Guten Tag")
        await customer.says(PARCEL)
        customer.sees("= Guten Tag")
        await asyncio.sleep(0.2)
        async with desk.app.database.read() as session:
            kinds = set(await session.scalars(select(Timer.kind)))
            assert list(await session.scalars(select(Translation))) == []
        assert kinds.isdisjoint({translations.TRANSLATE, translations.SAY})
        assert desk.server.requests == 0 and desk.app.translator is None


async def test_a_server_that_is_down_holds_nothing_up(start_desk: StartDesk) -> None:
    """Messages and replies go through; once it is back the translation is there; a reply says that it is down."""
    quick = {"delivery": {"attempts": 40, "backoff_seconds": 0.05, "backoff_limit_seconds": 0.1}}
    async with tongues(start_desk, **quick) as desk:
        desk.server.fails(500, times=2)
        desk.server.fails(429, times=1, retry_after="1")
        customer, lucia = Customer(RestChannel(desk.app)), await desk.agent()
        await customer.says(ASKS)
        await lucia.replies(1, "Ich bin da.")
        await customer.says(PARCEL)
        customer.sees("Ich bin da.")

        async def made_up_for() -> bool:
            return all(others.get("en") for _, others in await desk.texts(Author.CUSTOMER))

        await desk.until(made_up_for)
        desk.server.fails(500)
        with pytest.raises(TemporaryError):
            await for_reply(desk.app.translator, "Hola", "es", "de")


async def test_a_slow_server_holds_no_other_timer_up(start_desk: StartDesk) -> None:
    """While translations take their time, somebody else's survey leaves."""
    async with tongues(start_desk) as desk:
        lucia = await desk.agent()
        await Customer(RestChannel(desk.app)).says("hello")
        desk.server.delay = 8
        for _ in range(10):
            await Customer(RestChannel(desk.app)).says(ASKS)

        async def begun() -> bool:
            return desk.server.requests > 0

        await desk.until(begun)
        other = Customer(RestChannel(desk.app))
        await other.says("I want to talk to a person")
        await lucia.resolves(await lucia.conversation(other.channel.sender))

        async def surveyed() -> bool:
            async with desk.app.database.read() as session:
                where = Message.author == Author.SURVEY
                return await session.scalar(select(Message.id).where(where)) is not None

        await eventually(surveyed, 4)
        assert desk.server.asked == []


async def test_left_without_in_the_end(start_desk: StartDesk) -> None:
    """A server that never answers: after the last try there is no translation, and everything else went on."""
    quick = {"delivery": {"attempts": 2, "backoff_seconds": 0.05, "backoff_limit_seconds": 0.1}}
    async with tongues(start_desk, **quick) as desk:
        desk.server.fails(500)
        customer = Customer(RestChannel(desk.app))
        await customer.says(ASKS)

        async def given_up() -> Timer | None:
            async with desk.app.database.read() as session:
                found: Timer | None = await session.scalar(
                    select(Timer).where(Timer.kind == translations.TRANSLATE, Timer.status == TimerStatus.DEAD)
                )
                return found

        timer = await desk.until(given_up)
        assert "HTTP 500" in timer.error
        assert await desk.texts(Author.CUSTOMER) == [(ASKS, {})]


async def test_an_edited_message_is_translated_anew(start_desk: StartDesk) -> None:
    """What is shown beside a message is a translation of what it says now; of a deleted one there is none."""
    async with tongues(start_desk) as desk:
        accept = Acceptor(desk.app.database)
        where = Address("rest", "k", "k")

        async def sends(number: int, kind: Kind, text: str) -> None:
            await accept([Inbound(f"e{number}", where, text, kind=kind, message_id="m1" if number else "")])

        async def says(others: dict[str, str]) -> None:
            async def so() -> bool:
                found = await desk.texts(Author.CUSTOMER)
                return bool(found) and found[-1][1] == others

            await desk.until(so)

        await sends(0, Kind.MESSAGE, ASKS)
        await says({"en": PHRASES["de", "en", ASKS]})
        await sends(1, Kind.MESSAGE, "Die Tasse ist kaputt angekommen")
        await says({"en": "[de>en] Die Tasse ist kaputt angekommen"})
        await sends(2, Kind.EDIT, "Die Kanne ist kaputt angekommen")
        await says({"en": "[de>en] Die Kanne ist kaputt angekommen"})
        await sends(3, Kind.DELETION, "")
        await says({})


@contextlib.asynccontextmanager
async def on_slack(start: StartDesk) -> AsyncIterator[tuple[App, LibreTranslateServer, SlackServer]]:
    """A desk with agents in a Slack channel; replies are tried again quickly."""
    async with LibreTranslateServer(phrases=dict(PHRASES)) as server, SlackServer() as slack:
        slack.channels[CHANNEL] = {"id": CHANNEL, "name": "agents", "is_member": True, "is_private": True}
        settings = {
            "translation": {"engine": "libretranslate", "url": server.url},
            "connectors": {"slack": {"agents_channel": CHANNEL}},
            "delivery": {"backoff_seconds": 0.05, "backoff_limit_seconds": 0.1},
        }
        app = await start(settings, env=slack.env(socket=True), only=frozenset({"rest", "slack"}))
        await slack.until(lambda: slack.connected)
        yield app, server, slack


async def _spanish(app: App, identity: str = "U0OMAR") -> None:
    """The person on Slack is a user of the desk who speaks Spanish."""
    async with app.database.begin() as session:
        user: User = await users.of_identity(session, "slack", identity, "Omar")
        user.language = "es"


async def _until(check: Callable[[], Any]) -> None:
    async def so() -> bool:
        return bool(check())

    await eventually(so, 10)


async def test_a_whole_conversation_on_slack(start_desk: StartDesk) -> None:
    """The card and the thread show both languages; replies are sent in German, in order, before the end."""
    async with on_slack(start_desk) as (app, server, slack):
        await _spanish(app)
        customer = Customer(RestChannel(app))
        await customer.says(ASKS)
        await _until(lambda: slack.posts(CHANNEL) and PHRASES["de", "en", ASKS] in str(slack.posts(CHANNEL)[0].blocks))
        card = slack.posts(CHANNEL)[0]
        assert ASKS in card.shown
        await slack.user_presses(CHANNEL, "Claim", user="U0OMAR")
        await _until(lambda: PHRASES["de", "es", ASKS] in str(slack.posts(CHANNEL)[0].blocks))
        await customer.says(PARCEL)

        def thread() -> str:
            return "\n".join(post.shown for post in slack.thread(CHANNEL, card.ts))

        await _until(lambda: PARCEL in thread() and "Mi paquete cien mil" in thread() and "My parcel" in thread())
        assert "↳ 100234" in thread()
        server.delay = 0.2
        for reply in ("Buenos días, estoy buscando su paquete.", "Se lo enviamos de nuevo mañana por la mañana."):
            await slack.user_presses(CHANNEL, "Reply", user="U0OMAR")
            await slack.user_submits({"reply": reply}, user="U0OMAR")
        await slack.user_presses(CHANNEL, "Resolve", user="U0OMAR")
        await _until(lambda: "Resolved by" in str(slack.posts(CHANNEL)[0].blocks))
        assert "Guten Tag, ich suche Ihr Paket." in thread() and "↳ Buenos días, estoy buscando" in thread()
        await customer.says("Danke")
        said = customer.text
        in_order = (
            "Guten Tag, ich suche",
            "Wir senden es morgen",
            app.voice.texts.text("utter_handoff_resolved", "de"),
        )
        places = [said.index(words) for words in in_order]
        assert places == sorted(places)
        assert "Buenos" not in said


async def test_a_whole_conversation_on_telegram(start_desk: StartDesk) -> None:
    """As on Slack, in a topic of the agents' group: both languages for agents, German alone for the customer."""
    async with LibreTranslateServer(phrases=dict(PHRASES)) as server, TelegramServer() as telegram:
        topics = telegram.forum(GROUP)
        settings = {
            "translation": {"engine": "libretranslate", "url": server.url},
            "connectors": {"telegram": {"agents_chat": GROUP}},
            "delivery": {"backoff_seconds": 0.05, "backoff_limit_seconds": 0.1},
        }
        app = await start_desk(settings, env=telegram.env, only=frozenset({"rest", "telegram"}))
        async with app.database.begin() as session:
            user: User = await users.of_identity(session, "telegram", "900", "Bea Torres")
            user.language = "es"
        customer = Customer(RestChannel(app))
        await customer.says(ASKS)

        def said() -> str:
            return "\n".join(sent.text for sent in telegram.sent(GROUP))

        # The card has what it says in the desk's language, and in the agent's once there is one.
        await _until(lambda: topics and PHRASES["de", "en", ASKS] in said() and ASKS in said())
        card = next(sent for sent in telegram.sent(GROUP) if ASKS in sent.text)
        await telegram.agent_presses(GROUP, card, "agent:claim")
        await _until(lambda: PHRASES["de", "es", ASKS] in said())
        await customer.says(PARCEL)
        await _until(lambda: PARCEL in said() and "Mi paquete cien mil" in said() and "↳ 100234" in said())
        server.delay = 0.2
        for reply in ("Buenos días, estoy buscando su paquete.", "Se lo enviamos de nuevo mañana por la mañana."):
            await telegram.agent_says(GROUP, card.thread, f"/r {reply}")
        await telegram.agent_says(GROUP, card.thread, "/resolve")
        await _until(lambda: all(topic.closed for topic in topics.values()))
        assert "Guten Tag, ich suche Ihr Paket." in said() and "↳ Buenos días, estoy buscando" in said()
        await customer.says("Danke")
        in_order = (
            "Guten Tag, ich suche",
            "Wir senden es morgen",
            app.voice.texts.text("utter_handoff_resolved", "de"),
        )
        places = [customer.text.index(words) for words in in_order]
        assert places == sorted(places)
        assert "Buenos" not in customer.text and "Mi paquete" not in customer.text


async def test_a_reply_on_slack_in_the_customers_language(start_desk: StartDesk) -> None:
    """A ready-made reply, or an agent who can after all: German words go to the German customer as they are."""
    async with on_slack(start_desk) as (app, server, slack):
        await _spanish(app)
        customer = Customer(RestChannel(app))
        await customer.says(ASKS)
        await _until(lambda: slack.posts(CHANNEL))
        await slack.user_presses(CHANNEL, "Reply", user="U0OMAR")
        german = "Guten Tag, ich kümmere mich sofort um Ihr verlorenes Paket und melde mich."
        await slack.user_submits({"reply": german}, user="U0OMAR")

        async def sent() -> bool:
            async with app.database.read() as session:
                where = Message.author == Author.AGENT
                return list(await session.scalars(select(Message.text).where(where))) == [german]

        await eventually(sent, 10)
        assert german not in [body["q"] for body in server.asked]


async def test_a_reply_on_slack_that_cannot_be_translated(start_desk: StartDesk) -> None:
    """The agent is told, alone, and sends it as written with a sign in front."""
    async with on_slack(start_desk) as (app, server, slack):
        await _spanish(app)
        customer = Customer(RestChannel(app))
        await customer.says(ASKS)
        await _until(lambda: slack.posts(CHANNEL))
        server.fails(500)
        await slack.user_presses(CHANNEL, "Reply", user="U0OMAR")
        await slack.user_submits({"reply": "Buenos días, estoy buscando su paquete."}, user="U0OMAR")
        await _until(lambda: any("could not be translated" in item.text for item in slack.whispers))
        assert [item.user for item in slack.whispers] == ["U0OMAR"]
        await slack.user_presses(CHANNEL, "Reply", user="U0OMAR")
        await slack.user_submits({"reply": "= Buenos días, estoy buscando su paquete."}, user="U0OMAR")

        async def answered() -> bool:
            await customer.says("Hallo?")
            return "Buenos días, estoy buscando su paquete." in customer.text

        await eventually(answered, 10)
        customer.sees_not("=")


async def test_the_server_is_examined(start_desk: StartDesk) -> None:
    """``linguadesk check --live`` names the pairs that are missing, and a server that does not answer."""
    async with tongues(start_desk, languages=["en", "de", "ko"]) as desk:
        asked, problems = await examine_live(desk.app.config)
        assert "translation" in asked
        (missing,) = [problem for problem in problems if "translat" in problem.message]
        assert missing.warning and "ko → en, en → ko;" in missing.message and "de →" not in missing.message
        config = desk.app.config
    _, problems = await examine_live(config)
    (down,) = [problem for problem in problems if "translation server" in problem.message]
    assert not down.warning and down.line > 0
