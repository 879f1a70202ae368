"""What an operator's scraper reads at /metrics, over HTTP, while customers and agents are at it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import select, text

from bot.app import App, build
from bot.checkup import examine
from bot.config import Config, ConfigError
from bot.contracts import Author, ChannelDown, Outgoing, PermanentError, Recognizer, Reply, TemporaryError, Unreachable
from bot.services import users
from bot.storage.models import Conversation, Outbox, Presence, Role, Timer, User, now
from nlu.recognizers.embedded import EmbeddedRecognizer
from nlu.recognizers.rasa import RasaRecognizer
from tests.conftest import StartDesk
from tests.customer import Agent, Customer, RestChannel, eventually
from tests.databases import prepared
from tests.fakes.serving import serving
from tests.nlu.test_rasa_engine import Rasa, settings

TOKEN = "a-token-for-the-scraper"
ENV = {"LINGUADESK_METRICS_TOKEN": TOKEN}
REST = frozenset({"rest"})


@dataclass
class Page:
    """A page of metrics: its text, and each value by name and labels."""

    text: str
    values: dict[tuple[str, frozenset[tuple[str, str]]], float]

    def __call__(self, name: str, **labels: str) -> float:
        """One value."""
        return self.values[f"linguadesk_{name}", frozenset(labels.items())]

    def has(self, name: str) -> bool:
        """Whether there is anything of this name."""
        return any(key[0] == f"linguadesk_{name}" for key in self.values)

    def rising(self, name: str) -> dict[frozenset[tuple[str, str]], float]:
        """What of a name is above 0, by labels."""
        return {key[1]: value for key, value in self.values.items() if key[0] == f"linguadesk_{name}" and value}


async def get(app: App, path: str = "/metrics", **headers: str) -> httpx.Response:
    """Ask over HTTP."""
    async with serving(app.web) as url, httpx.AsyncClient(base_url=url) as client:
        return await client.get(path, headers=headers)


async def scrape(app: App) -> Page:
    """The page, as Prometheus' own parser reads it."""
    response = await get(app, Authorization=f"Bearer {TOKEN}")
    assert response.status_code == 200 and response.headers["content-type"].startswith("text/plain; version=0.0.4")
    samples = [item for family in text_string_to_metric_families(response.text) for item in family.samples]
    assert len({(item.name, frozenset(item.labels.items())) for item in samples}) == len(samples)
    return Page(response.text, {(item.name, frozenset(item.labels.items())): item.value for item in samples})


@pytest.fixture
async def desk(start_desk: StartDesk, shop: Callable[[App], Awaitable[None]]) -> App:
    """A desk that an operator watches."""
    app = await start_desk(only=REST, env=ENV)
    await shop(app)
    return app


async def test_a_conversation(desk: App, customer: Customer) -> None:
    """From a greeting to a waiting customer: what came, what left, how it was understood and how long it took."""
    before = await scrape(desk)
    assert before("messages_received_total", channel="rest") == 0
    await customer.says("hi there!")
    await customer.says("where is order 100234? ana@example.com")
    customer.sees("PostNL")
    await customer.says("what's the capital of Peru?")
    replies = 3
    await customer.says("what can you do?")
    await customer.presses("Track an order")
    await customer.says("I want to talk to a human")
    replies += len(customer.seen) + 2
    await customer.says("is anybody there?")
    page = await scrape(desk)
    assert page("messages_received_total", channel="rest") == 7
    assert page("messages_sent_total", channel="rest") >= replies
    assert page.rising("sends_failed_total") == {}
    # The button needed no engine; what was said to the queue was understood, for the agents, and not answered.
    assert page("recognition_seconds_count", engine="embedded") == 6
    assert 0 < page("recognition_seconds_sum", engine="embedded") < 60
    assert page.rising("messages_answered_total") == {
        frozenset({("language", "en"), ("outcome", outcome)}): count
        for outcome, count in {"understood": 4, "button": 1, "out_of_scope": 1}.items()
    }
    assert page("answer_seconds_count", channel="rest") == 6
    assert page("answer_seconds_bucket", channel="rest", le="+Inf") == 6
    assert 0 < page("answer_seconds_sum", channel="rest") < 60
    assert [page("conversations", owner=owner) for owner in ("bot", "queue", "person")] == [0, 1, 0]
    assert 0 < page("queue_longest_wait_seconds") < 60
    assert page("outbox_messages", state="waiting") == page("inbox_events", state="waiting") == 0


async def test_not_understood_by_language(desk: App) -> None:
    """Who is not understood is counted in the language of the conversation."""
    ana = Customer(RestChannel(desk, "es"))
    await ana.says("hola, buenos días")
    await ana.says("¿cuál es la capital del Perú?")
    answered = (await scrape(desk)).rising("messages_answered_total")
    assert {dict(labels)["language"] for labels in answered} == {"es"}
    outcomes = {dict(labels)["outcome"]: count for labels, count in answered.items()}
    assert outcomes.pop("understood") == 1
    assert sum(outcomes.values()) == 1 and outcomes.keys() <= {"out_of_scope", "fallback", "clarify"}


async def test_nothing_of_anybody(desk: App, customer: Customer) -> None:
    """No words, names, addresses or ids stand in the page, and labels are few and short words."""
    await customer.says("where is order 100234? ana@example.com")
    await customer.says("my jacket from order 100234 arrived torn")
    await customer.says("zanzibar zebra zither")
    page = await scrape(desk)
    for private in ("100234", "ana", "example.com", "zebra", "jacket", customer.channel.sender):  # type: ignore[attr-defined]
        assert private not in page.text
    labels = {
        value for key in page.values if key[0].startswith("linguadesk_") for name, value in key[1] if name != "le"
    }
    labels -= {version("linguadesk"), *desk.config.settings.languages}
    assert len(labels) < 60 and all(label.replace("_", "").replace("-", "").isalpha() for label in labels)


async def test_an_agents_work(desk: App, customer: Customer) -> None:
    """Hand-overs, tickets, people: the gauges follow what is in the database."""
    async with desk.database.begin() as session:
        sam = await users.add(session, "sam", "Sam", "a long password", Role.AGENT)
        kim = await users.add(session, "kim", "Kim", "a long password", Role.AGENT)
        (await session.get_one(User, kim.id)).away_since = now()
        gone = await users.add(session, "lee", "Lee", "a long password", Role.AGENT)
        (await session.get_one(User, gone.id)).active = False
    await customer.says("I want to talk to a human")
    agent = Agent(desk, sam)
    talk = await agent.conversation(customer.channel.sender)  # type: ignore[attr-defined]
    await agent.replies(talk, "Here I am")
    async with desk.database.begin() as session:
        session.add(Presence(conversation_id=talk, user_id=sam.id, until=now() + timedelta(hours=1)))
    page = await scrape(desk)
    assert [page("conversations", owner=owner) for owner in ("bot", "queue", "person")] == [0, 0, 1]
    assert page("queue_longest_wait_seconds") == 0
    assert (page("agents", state="available"), page("agents", state="away"), page("agents_present")) == (1, 1, 1)
    assert page.rising("tickets_open") == {}
    other = Customer(RestChannel(desk))
    await other.says("My tea set from order 100236 arrived completely broken, two cups are in pieces")
    await other.says("skip")
    other.sees("T-000001")
    page = await scrape(desk)
    assert sum(page.rising("tickets_open").values()) == 1


async def test_what_runs(desk: App) -> None:
    """The version, the process and the interpreter are on the page."""
    page = await scrape(desk)
    assert page("build_info", version=version("linguadesk")) == 1
    assert page.values["process_resident_memory_bytes", frozenset()] > 1e6
    assert page.values["process_cpu_seconds_total", frozenset()] > 0
    assert any(name == "python_info" for name, _ in page.values)


async def test_failed_sends(start_desk: StartDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each try that fails is counted by its kind, and what was given up waits for the operator."""
    app = await start_desk({"delivery": {"backoff_seconds": 0.01}}, only=REST, env=ENV)
    failures: dict[str, Exception] = {}
    for error in (
        TemporaryError("busy"),
        TemporaryError("busy", 0.01),
        ChannelDown("revoked", 0.01),
        TimeoutError(),
        RuntimeError("a bug"),
        PermanentError("no"),
        Unreachable("blocked"),
    ):
        channel = RestChannel(app)
        await channel.say("hi there!")
        failures[channel.sender] = error

    async def send(message: Outgoing, part: int = 0) -> str:
        if error := failures.pop(message.address.user, None):
            raise error
        return ""

    monkeypatch.setattr(app.connectors["rest"], "send", send)
    before = (await scrape(app))("messages_sent_total", channel="rest")
    async with app.database.begin() as session:
        for talk in await session.scalars(select(Conversation)):
            await app.voice.say(session, talk, Reply("utter_greet"))

    async def settled() -> Page | None:
        page = await scrape(app)
        return page if not failures and not page("outbox_messages", state="waiting") else None

    page = await eventually(settled)
    assert {
        dict(labels)["kind"]: count for labels, count in page.rising("sends_failed_total").items()
    } == dict.fromkeys(("temporary", "told_to_wait", "channel_down", "timeout", "error", "refused", "unreachable"), 1)
    assert page("outbox_messages", state="dead") == 2
    assert page("messages_sent_total", channel="rest") == before + 5


async def test_what_waits(desk: App, customer: Customer) -> None:
    """Work that nobody does shows with the age of the oldest; what is due later is no work yet."""
    await customer.says("hi there!")
    hour, day = timedelta(hours=1), timedelta(days=1)
    async with desk.database.begin() as session:
        talk = (await session.scalars(select(Conversation.id))).one()
        session.add_all(Timer(kind="nobodys", due_at=at) for at in (now() - hour, now() + day))
        for age in (hour, day):
            # On a channel that is off.
            lost = Outbox(conversation_id=talk, channel="slack", author=Author.BOT, body={}, created_at=now() - age)
            session.add(lost)
    page = await scrape(desk)
    assert (page("jobs", state="due"), page("outbox_messages", state="waiting")) == (1, 2)
    assert page("jobs_oldest_seconds") == pytest.approx(3600, abs=60)
    assert page("outbox_oldest_seconds") == pytest.approx(86400, abs=60)


async def test_off_without_the_token(start_desk: StartDesk) -> None:
    """Where no token is set the page is as one that never was, whatever is shown; health answers as before."""
    app = await start_desk(only=REST, env={"LINGUADESK_METRICS_TOKEN": "  "})
    never = await get(app, "/metrixes")
    for headers in ({}, {"Authorization": "Bearer"}, {"Authorization": f"Bearer {TOKEN}"}):
        answer = await get(app, **headers)
        assert (answer.status_code, answer.text) == (404, never.text) == (never.status_code, never.text)
    assert (await get(app, "/health/live")).status_code == 200


async def test_a_wrong_token(desk: App) -> None:
    """Anything but the token gets a 401 that says how to ask, and no figure."""
    shown = ("", TOKEN, "Bearer", f"Basic {TOKEN}", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", "Bearer \xe9\xff")
    async with serving(desk.web) as url, httpx.AsyncClient(base_url=url) as client:
        for words in shown:
            headers = {b"Authorization": words.encode("latin-1")} if words else None
            answer = await client.get("/metrics", headers=headers)
            assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
            assert "linguadesk_" not in answer.text and TOKEN not in answer.text


def test_a_short_token(config: Config, recognizer: Recognizer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A token that can be guessed is refused at the start, and by `linguadesk check`; neither says it."""
    with pytest.raises(ConfigError, match="LINGUADESK_METRICS_TOKEN is shorter") as caught:
        build(replace(config, env={"LINGUADESK_METRICS_TOKEN": "guessme"}), recognizer=recognizer, only=REST)
    assert "guessme" not in str(caught.value)
    (tmp_path / "config.yml").write_text("languages: [en]\n", encoding="utf-8")
    monkeypatch.setenv("LINGUADESK_HOME", str(tmp_path))
    monkeypatch.setenv("LINGUADESK_METRICS_TOKEN", "guessme")
    complaints = [str(problem) for problem in examine(config.data_dir) if "METRICS" in str(problem)]
    assert len(complaints) == 1 and "guessme" not in complaints[0]


async def test_openmetrics(desk: App) -> None:
    """A scraper that prefers OpenMetrics gets it, valid by that format's stricter parser."""
    accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
    answer = await get(desk, Authorization=f"Bearer {TOKEN}", Accept=accept)
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert {"linguadesk_messages_received", "linguadesk_outbox_oldest_seconds"} <= {
        family.name for family in openmetrics(answer.text)
    }


async def test_apps_do_not_mix(start_desk: StartDesk, tmp_path: Path) -> None:
    """Two desks in one process, on one recogniser, each count their own."""
    one = await start_desk(only=REST, env=ENV, data_dir=tmp_path / "one")
    other = await start_desk(only=REST, env=ENV, data_dir=tmp_path / "other")
    await Customer(RestChannel(one)).says("hi there!")
    mine, theirs = await scrape(one), await scrape(other)
    assert mine("messages_received_total", channel="rest") == mine("messages_sent_total", channel="rest") == 1
    for name in ("messages_received_total", "messages_sent_total", "recognition_seconds_count", "answer_seconds_count"):
        assert theirs.rising(name) == {}
    assert mine("recognition_seconds_count", engine="embedded") == 1


async def test_a_failing_query(desk: App, caplog: pytest.LogCaptureFixture) -> None:
    """A query that fails leaves its own figures out and the rest in; it is counted each time and logged once."""
    caplog.set_level(logging.WARNING, "bot.metrics")
    async with desk.database.begin() as session:
        await session.execute(text("ALTER TABLE presence RENAME TO presence_gone"))
    first, second = await scrape(desk), await scrape(desk)
    assert [page("scrape_errors_total", query="agents") for page in (first, second)] == [1, 2]
    assert not second.has("agents") and not second.has("agents_present")
    assert second("conversations", owner="bot") == 0 and second("scrape_errors_total", query="outbox") == 0
    async with desk.database.begin() as session:
        await session.execute(text("ALTER TABLE presence_gone RENAME TO presence"))
    assert (await scrape(desk)).has("agents_present")
    own = [record.getMessage() for record in caplog.records if record.name == "bot.metrics"]
    assert len(own) == 1 and "agents" in own[0]


async def test_a_database_that_does_not_answer(desk: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page comes in time with what this process knows; each query that said nothing is counted."""
    monkeypatch.setattr("bot.metrics.QUERIES_SECONDS", 0.2)

    async def never(_session: object) -> list[object]:
        await asyncio.sleep(60)
        return []

    monkeypatch.setattr("bot.storage.standing.inbox", never)
    async with asyncio.timeout(20):
        page = await scrape(desk)
    assert page.has("outbox_messages") and page.has("messages_received_total")
    assert len(page.rising("scrape_errors_total")) == 5


async def test_rasa_down(config: Config, recognizer: Recognizer) -> None:
    """Rasa fails: each step back is counted by its reason, the breaker opens, tries, and closes when it is back."""
    assert isinstance(recognizer, EmbeddedRecognizer)
    rasa = Rasa(answers=[500])
    async with serving(rasa.app()) as url, AsyncExitStack() as stack:
        own = settings(replace(config, env=ENV), url, failures=2, pause_seconds=0.5, attempts=1, timeout_seconds=5)
        own = replace(own, env=own.env | ENV)
        on_rasa = RasaRecognizer(own, recognizer)
        stack.push_async_callback(on_rasa.close)
        app = build(own, recognizer=on_rasa, only=REST)
        stack.push_async_callback(app.close)
        await prepared(app.database)
        await stack.enter_async_context(app.running())

        def states(page: Page) -> list[float]:
            return [page("rasa_circuit_breaker", state=state) for state in ("closed", "half-open", "open")]

        page = await scrape(app)
        assert states(page) == [1, 0, 0] and page("rasa_stepped_back_total", reason="timeout") == 0
        customer = Customer(RestChannel(app))
        for _ in range(3):
            await customer.says("hi there!")
            customer.sees("assistant")
        page = await scrape(app)
        assert states(page) == [0, 0, 1]
        assert page.rising("rasa_stepped_back_total") == {
            frozenset({("reason", "http_error")}): 2,
            frozenset({("reason", "paused")}): 1,
        }
        assert page("recognition_seconds_count", engine="embedded") == 3
        await asyncio.sleep(0.55)
        rasa.answers, rasa.seconds = [{"intent": {"name": "greet", "confidence": 0.9}}], 0.3
        trying = asyncio.create_task(customer.says("hello again"))
        await eventually(lambda: _true(len(rasa.asked) == 3))
        assert states(await scrape(app)) == [0, 1, 0]
        await trying
        page = await scrape(app)
        assert states(page) == [1, 0, 0]
        assert page("recognition_seconds_count", engine="rasa") == 1


async def _true(value: bool) -> bool:
    return value


async def test_without_rasa_nothing_is_said_of_it(desk: App) -> None:
    """The embedded engine has no breaker."""
    page = await scrape(desk)
    assert not page.has("rasa_circuit_breaker") and not page.has("rasa_stepped_back_total")
