"""The Rasa engine, against a loopback server that plays Rasa's HTTP API."""

from __future__ import annotations

import asyncio
import logging
import re
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bot.app import build, recognizer_of
from bot.checkup import examine
from bot.config import Config, ConfigError, load_config
from bot.contracts import Entity
from nlu import recognizers
from nlu.components.identify import identify
from nlu.components.segment import segment, words
from nlu.rasa import server
from nlu.recognizers.embedded import EmbeddedRecognizer
from nlu.recognizers.rasa import OWN_ENTITIES, Found, RasaRecognizer, merged, sent
from nlu.training_data import load_training_data
from tests.conftest import ROOT
from tests.fakes.serving import serving

TOKEN = "a-token-that-must-stay-secret"
TEXT = "my zebra striped jacket in 100234 is torn"
LOGGER = "nlu.recognizers.rasa"


def answer(intent: str = "track_order", confidence: float = 0.8, **more: Any) -> dict[str, Any]:
    """What Rasa answers for a message."""
    ranking = [{"name": intent, "confidence": confidence}, {"name": "list_orders", "confidence": 0.1}]
    return {"text": "", "intent": ranking[0], "intent_ranking": ranking, "entities": []} | more


@dataclass
class Rasa:
    """Plays ``/model/parse`` and ``/status``; ``answers`` are used up one by one, the last for ever."""

    answers: list[Any] = field(default_factory=lambda: [answer()])
    asked: list[str] = field(default_factory=list)
    token: str = TOKEN
    model: str = "linguadesk-0.tar.gz"
    seconds: float = 0

    def app(self) -> Starlette:
        """The HTTP API."""
        return Starlette(routes=[Route("/model/parse", self.parse, methods=["POST"]), Route("/status", self.status)])

    def _refused(self, request: Request) -> Response | None:
        if self.token and request.query_params.get("token") != self.token:
            return JSONResponse({"status": "failure", "code": 401, "reason": "NotAuthenticated"}, 401)
        if not self.model:
            return JSONResponse({"status": "failure", "code": 409, "reason": "Conflict"}, 409)
        return None

    async def status(self, request: Request) -> Response:
        """Which model is loaded."""
        return self._refused(request) or JSONResponse({"model_file": self.model, "model_id": "0"})

    async def parse(self, request: Request) -> Response:
        """One message."""
        self.asked.append((await request.json())["text"])
        if refused := self._refused(request):
            return refused
        await asyncio.sleep(self.seconds)
        found = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(found, int):
            return Response("no", found)
        return Response(found, media_type="application/json") if isinstance(found, bytes) else JSONResponse(found)


@pytest.fixture
def rasa() -> Rasa:
    """The server's behaviour, which a test changes as it goes."""
    return Rasa()


def settings(config: Config, url: str, token: str = TOKEN, **changes: Any) -> Config:
    """The configuration of a desk that asks the server at ``url``."""
    asking = server.asking(config, url, token)
    own = asking.settings.recognizer
    changed = own.model_copy(update={"rasa": own.rasa.model_copy(update=changes)})
    return replace(asking, settings=asking.settings.model_copy(update={"recognizer": changed}))


def logged(caplog: pytest.LogCaptureFixture) -> str:
    """What was logged, except by the server that plays Rasa."""
    return "\n".join(record.getMessage() for record in caplog.records if not record.name.startswith("uvicorn"))


Make = Callable[..., Awaitable[RasaRecognizer]]


@pytest.fixture
async def made(config: Config, real: EmbeddedRecognizer, rasa: Rasa) -> AsyncIterator[Make]:
    """Makes recognisers that ask the server; settings may be given."""
    opened = []
    async with serving(rasa.app()) as url:

        async def make(token: str = TOKEN, url: str = url, **changes: Any) -> RasaRecognizer:
            opened.append(RasaRecognizer(settings(config, url, token, **changes), real))
            return opened[-1]

        yield make
        for recognizer in opened:
            await recognizer.close()


async def test_intent_and_ranking_are_rasas(made: Make, rasa: Rasa, real: EmbeddedRecognizer) -> None:
    """The best intent and the others are those that Rasa names; the language is ours."""
    rasa.answers = [answer("request_exchange", 0.71)]
    recognizer = await made()
    parse = await recognizer.parse("¿dónde está mi pedido?")
    assert (parse.text, parse.intent, parse.confidence) == ("¿dónde está mi pedido?", "request_exchange", 0.71)
    assert parse.ranking == (("request_exchange", 0.71), ("list_orders", 0.1))
    assert parse.language == real.parse_sync("¿dónde está mi pedido?").language and parse.language.language == "es"
    assert recognizer.status().engine == "rasa"


async def test_rasas_fallback_is_not_an_intent(made: Make, rasa: Rasa) -> None:
    """`nlu_fallback` and intents that domain.yml does not know are left out; what remains keeps its share."""
    ranking = [("nlu_fallback", 0.7), ("of_another_bot", 0.2), ("greet", 0.3), ("thank", 0.1)]
    items = [{"name": name, "confidence": share} for name, share in ranking]
    rasa.answers = [answer() | {"intent": items[0], "intent_ranking": items}]
    parse = await (await made()).parse("blah")
    assert (parse.intent, parse.confidence, parse.ranking) == ("greet", 0.3, (("greet", 0.3), ("thank", 0.1)))


async def test_entities_of_both(made: Make, rasa: Rasa) -> None:
    """Numbers come from our patterns, things that are learnt from Rasa, each at its place."""
    rasa.answers = [
        answer(
            entities=[
                {"entity": "product", "value": "jacket", "start": 3, "end": 23, "extractor": "CRF"},
                {"entity": "order_number", "value": "zebra", "start": 3, "end": 8, "extractor": "CRF"},
                {"entity": "size", "value": {"eu": 42}, "start": 30, "end": 32},
            ]
        )
    ]
    parse = await (await made()).parse(TEXT)
    found = {item.entity: (item.value, TEXT[item.start : item.end], item.extractor) for item in parse.entities}
    assert found["order_number"] == ("100234", "100234", "pattern")
    assert found["product"] == ("jacket", "zebra striped jacket", "rasa:CRF")
    assert "size" not in found  # from 30 to 32 is a part of the order number


def test_merging_keeps_to_words_and_free_places() -> None:
    """Learnt entities inside a word, over another one or out of the text are dropped; some kinds may overlap."""
    text = "late chocolate 100234 신발을"
    own = (
        Entity("order_number", "100234", 15, 21, 1.0, "pattern"),
        Entity("complaint_type", "late", 0, 4, 1.0, "lookup"),
        Entity("product", "chocolate", 5, 14, 0.9, "learnt"),
        Entity("date", "2024-01-01", 0, 4, 0.9, "learnt"),
    )

    def of(entity: str, start: int, end: int) -> Found:
        return Found(entity=entity, value=text[start:end], start=start, end=end)

    found = [
        of("product", 10, 14),  # "late" in "chocolate"
        of("product", 5, 14),
        of("material", 5, 9),
        of("size", 15, 21),  # the order number
        of("product", 0, 4),  # under a kind that may lie over others, but over a day
        of("severity", 5, 14),
        of("product", 22, 24),  # a Korean word without its particle
        of("product", 90, 95),
        of("email", 5, 14),
    ]
    result = merged(text, own, found)
    assert [(item.entity, text[item.start : item.end], item.extractor) for item in result] == [
        ("complaint_type", "late", "lookup"),
        ("date", "late", "learnt"),
        ("product", "chocolate", "rasa"),
        ("severity", "chocolate", "rasa"),
        ("order_number", "100234", "pattern"),
        ("product", "신발", "rasa"),
    ]
    assert "email" in OWN_ENTITIES


async def test_buttons_do_not_ask_rasa(made: Make, rasa: Rasa) -> None:
    """A payload is read here, and a message without words needs no server."""
    recognizer = await made()
    parse = await recognizer.parse('/track_order{"order_number": "100234"}')
    assert (parse.intent, parse.confidence, parse.values("order_number")) == ("track_order", 1.0, ("100234",))
    assert (await recognizer.parse(" \u200b\n")).intent == ""
    assert rasa.asked == []


async def test_what_rasa_is_sent(made: Make, rasa: Rasa) -> None:
    """Places stay the same though a command is none, half characters are whole, and long texts are cut."""
    recognizer = await made()
    for text in ("/restart", "\n/nonsense{}", "a\ud800b", "x" * 5000):
        await recognizer.parse(text)
    assert rasa.asked == [" restart", "\n nonsense{}", "a\ufffdb", "x" * 1000]
    assert all(len(sent(text)) == len(text) for text in ("/a", " /a", "\udc00", "plain"))


async def test_a_wrong_token(made: Make, rasa: Rasa, caplog: pytest.LogCaptureFixture) -> None:
    """Refused: the embedded engine answers, the log says what to set and shows neither token."""
    caplog.set_level(logging.DEBUG)
    wrong = "another-secret-token"
    recognizer = await made(token=wrong)
    assert (await recognizer.parse("where is my order?")).intent == "track_order"
    assert "LINGUADESK_RASA_TOKEN" in recognizer.status().reason
    assert rasa.asked == ["where is my order?"]  # refused once is refused
    assert wrong not in logged(caplog) and wrong not in str(vars(recognizer))


async def test_the_token_stays_out_of_logs(made: Make, rasa: Rasa, caplog: pytest.LogCaptureFixture) -> None:
    """Accepted: not even the HTTP client's own log shows the token."""
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, logger="httpx")
    await (await made()).parse("hello there")
    assert rasa.asked == ["hello there"]
    assert "/model/parse" in logged(caplog) and TOKEN not in logged(caplog)


async def test_errors_are_tried_again(made: Make, rasa: Rasa) -> None:
    """One failure of the server is not seen by the customer."""
    rasa.answers = [500, answer("give_feedback")]
    recognizer = await made(attempts=2)
    assert (await recognizer.parse("hm")).intent == "give_feedback"
    assert (len(rasa.asked), recognizer.status().failures) == (2, 0)


async def test_only_so_many_attempts(made: Make, rasa: Rasa) -> None:
    """A server that fails every time is asked `attempts` times for a message, then the embedded engine answers."""
    rasa.answers = [503]
    recognizer = await made(attempts=3)
    parse = await recognizer.parse("where is my order 100234?")
    assert (parse.intent, parse.values("order_number")) == ("track_order", ("100234",))
    status = recognizer.status()
    assert (len(rasa.asked), status.failures, status.fallbacks, status.engine) == (3, 1, 1, "embedded")
    assert "503" in status.reason


async def test_a_slow_server(made: Make, rasa: Rasa) -> None:
    """The wait ends with `timeout_seconds`, all attempts together."""
    rasa.seconds = 5
    recognizer = await made(timeout_seconds=0.2, attempts=5)
    started = time.perf_counter()
    assert (await recognizer.parse("where is my order?")).intent == "track_order"
    assert time.perf_counter() - started < 1
    assert "0.2 s" in recognizer.status().reason


async def test_nobody_listens(made: Make) -> None:
    """A server that is not there."""
    recognizer = await made(url=f"http://127.0.0.1:{server.free_port()}")
    assert (await recognizer.parse("where is my order?")).intent == "track_order"
    assert "cannot be reached" in recognizer.status().reason


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>It works!</html>",
        b"[]",
        b"null",
        b"{}",
        b'{"intent": "track_order"}',
        b'{"intent": {"name": "track_order", "confidence": NaN}}',
        b'{"intent": {"name": "track_order", "confidence": "much"}}',
        b'{"intent": {"name": "track_order", "confidence": 7}}',
        b'{"intent": {"name": "track_order", "confidence": 0.5}, "entities": [{"entity": "product"}]}',
        b'{"intent": {"name": "of_another_bot", "confidence": 0.9}}',
        b'{"intent": {"name": null, "confidence": 0.0}, "intent_ranking": []}',
        b"\xff\xfe\x00",
        b"[" * 100_000,
    ],
)
async def test_nonsense_is_not_believed(made: Make, rasa: Rasa, body: bytes) -> None:
    """What is no parse, or knows none of our intents, counts as a failure; it is not asked for again."""
    rasa.answers = [body]
    recognizer = await made()
    assert (await recognizer.parse("where is my order?")).intent == "track_order"
    assert (len(rasa.asked), recognizer.status().engine) == (1, "embedded")


async def test_no_model(made: Make, rasa: Rasa) -> None:
    """A server without a model says so, and so do we."""
    rasa.model = ""
    recognizer = await made()
    assert (await recognizer.parse("where is my order?")).intent == "track_order"
    assert "has no model" in recognizer.status().reason


async def test_the_breaker(made: Make, rasa: Rasa, caplog: pytest.LogCaptureFixture) -> None:
    """After `failures` messages Rasa is left alone for `pause_seconds`, then tried again and used again.

    The log has one line for each change of state, and nothing that the customer wrote.
    """
    caplog.set_level(logging.INFO)
    rasa.answers = [500]
    recognizer = await made(failures=2, pause_seconds=0.3, attempts=1)
    for _ in range(6):
        assert (await recognizer.parse(TEXT)).entities
    assert len(rasa.asked) == 2
    status = recognizer.status()
    assert (status.engine, status.answered, status.failures, status.fallbacks) == ("embedded", 0, 2, 6)
    await asyncio.sleep(0.35)
    await recognizer.parse(TEXT)  # the one try after a pause fails, and the next pause begins
    await recognizer.parse(TEXT)
    assert len(rasa.asked) == 3
    rasa.answers = [answer("give_feedback")]
    await asyncio.sleep(0.35)
    assert [(await recognizer.parse(TEXT)).intent for _ in range(3)] == ["give_feedback"] * 3
    assert (recognizer.status().engine, recognizer.status().reason, recognizer.status().answered) == ("rasa", "", 3)
    own = [(record.levelname, record.getMessage()) for record in caplog.records if record.name == LOGGER]
    assert [level for level, _ in own] == ["WARNING", "INFO"]
    assert "500" in own[0][1] and own[1][1].endswith(": 8")
    assert "zebra" not in logged(caplog) and TOKEN not in logged(caplog)


async def test_one_message_tries_after_a_pause(made: Make, rasa: Rasa) -> None:
    """While one message finds out whether Rasa is back, the others do not wait for it."""
    rasa.answers = [500, answer()]
    recognizer = await made(failures=1, pause_seconds=0.1, attempts=1)
    await recognizer.parse("first")
    await asyncio.sleep(0.15)
    rasa.seconds = 0.5
    trying = asyncio.create_task(recognizer.parse("trying"))
    await asyncio.sleep(0.1)
    started = time.perf_counter()
    await asyncio.gather(*(recognizer.parse(f"meanwhile {number}") for number in range(5)))
    assert time.perf_counter() - started < 0.35
    assert (await trying).intent == "track_order"
    assert rasa.asked == ["first", "trying"]
    assert recognizer.status().engine == "rasa"


async def test_many_messages_at_once(made: Make, rasa: Rasa) -> None:
    """Messages share connections and attempts are counted for each message of its own."""
    rasa.answers = [500, 500, 500, answer()]
    recognizer = await made(attempts=4, connections=3, timeout_seconds=10.0)
    parses = await asyncio.gather(*(recognizer.parse(f"hello {number}") for number in range(20)))
    assert [parse.text for parse in parses] == [f"hello {number}" for number in range(20)]
    assert recognizer.status().answered == 20 and len(rasa.asked) == 23


@pytest.fixture
def on_rasa(config: Config, model_dir: Path, recognizer: object, tmp_path: Path) -> Callable[[str], Config]:
    """The shipped configuration with `engine: rasa`, the trained embedded model and a database of its own."""

    def made(url: str) -> Config:
        env = {"LINGUADESK_DATABASE_URL": f"sqlite:///{tmp_path / 'test.db'}"}
        return replace(settings(replace(config, env=env), url), data_dir=model_dir)

    return made


async def test_the_app_builds_and_closes_it(rasa: Rasa, on_rasa: Callable[[str], Config]) -> None:
    """`engine: rasa` is what the app then uses, and closing the app ends it."""
    async with serving(rasa.app()) as url:
        app = build(on_rasa(url), only=frozenset())
        recognizer = app.recognizer
        assert isinstance(recognizer, RasaRecognizer)
        assert (await recognizer.parse("hello")).confidence == 0.8
        await app.close()
    with pytest.raises(RuntimeError):
        await recognizer.parse("hello again")


async def test_an_app_leaves_others_recognisers_open(config: Config, real: EmbeddedRecognizer) -> None:
    """A recogniser that was handed in still works after the app was closed."""
    app = build(config, recognizer=real, only=frozenset())
    await app.close()
    assert (await real.parse("where is my order?")).intent == "track_order"


async def test_the_environment_chooses_the_engine(model_dir: Path, recognizer: object) -> None:
    """LINGUADESK_RECOGNIZER and LINGUADESK_RASA_URL stand above config.yml."""
    config = load_config(ROOT, model_dir, {"LINGUADESK_RECOGNIZER": "rasa", "LINGUADESK_RASA_URL": "http://[::1]:9/x/"})
    assert config.settings.recognizer.rasa.url == "http://[::1]:9/x"
    chosen = recognizer_of(config)
    assert isinstance(chosen, RasaRecognizer)
    await recognizers.close(chosen)
    assert isinstance(recognizer_of(load_config(ROOT, model_dir, {})), EmbeddedRecognizer)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("LINGUADESK_RECOGNIZER", "raza", "'embedded' or 'rasa'"),
        ("LINGUADESK_RASA_URL", "127.0.0.1:5005", "not the address of a server"),
        ("LINGUADESK_RASA_URL", "ftp://127.0.0.1", "not the address of a server"),
        ("LINGUADESK_RASA_URL", "http://127.0.0.1:99999", "not the address of a server"),
        ("LINGUADESK_RASA_URL", "http://127.0.0.1:5005?token=x", "LINGUADESK_RASA_TOKEN"),
        ("LINGUADESK_RASA_URL", "http://me:secret@127.0.0.1", "LINGUADESK_RASA_TOKEN"),
    ],
)
def test_wrong_settings_are_refused(tmp_path: Path, name: str, value: str, words: str) -> None:
    """The complaint names the variable and what is allowed; a token in an address is refused."""
    with pytest.raises(ConfigError) as caught:
        load_config(ROOT, tmp_path, {name: value})
    (problem,) = caught.value.problems
    assert name in str(problem) and words in str(problem) and "secret" not in str(problem)


async def said(url: str, token: str, monkeypatch: pytest.MonkeyPatch, home: Path) -> list[str]:
    """What `linguadesk check` says of the Rasa server."""
    for name, value in (("RECOGNIZER", "rasa"), ("RASA_URL", url), ("RASA_TOKEN", token), ("HOME", str(home))):
        monkeypatch.setenv(f"LINGUADESK_{name}", value)
    problems = await asyncio.to_thread(examine, home / "data")
    assert all(problem.warning for problem in problems if "Rasa" in problem.message)
    return [str(problem) for problem in problems if "Rasa" in problem.message]


async def test_check_asks_the_server(rasa: Rasa, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`linguadesk check`: fine, no model, a wrong token, a model of other files, no server; warnings with a line."""
    for name in ("domain.yml", "knowledge/en.yml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    shutil.copytree(ROOT / "nlu" / "data" / "en", tmp_path / "nlu" / "data" / "en")
    text = (ROOT / "config.yml").read_text(encoding="utf-8")
    (tmp_path / "config.yml").write_text(re.sub(r"(?m)^languages: .*$", "languages: [en]", text), encoding="utf-8")
    config = load_config(tmp_path, tmp_path / "data", {})
    async with serving(rasa.app()) as url:
        for model, token, words in (
            (server.model_path(config).name, TOKEN, ""),
            ("of-the-merchant.tar.gz", TOKEN, ""),
            ("", TOKEN, "has no model"),
            ("x.tar.gz", "wrong", "LINGUADESK_RASA_TOKEN"),
            ("linguadesk-0123.tar.gz", TOKEN, "learnt from other files"),
        ):
            rasa.model = model
            complaints = await said(url, token, monkeypatch, tmp_path)
            assert [words in complaint for complaint in complaints] == ([True] if words else [])
            assert all(complaint.startswith("config.yml:") for complaint in complaints)
    (complaint,) = await said(url, TOKEN, monkeypatch, tmp_path)
    assert "cannot be reached" in complaint and TOKEN not in complaint


def test_the_command_line_holds_no_token(config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The token goes by the environment; beyond this machine nobody is served without one."""
    monkeypatch.setattr(server, "PYTHON", tmp_path)
    asking = settings(config, "http://127.0.0.1:5005")
    assert TOKEN not in " ".join(server.serve_command(asking, tmp_path / "m.tar.gz", "0.0.0.0", 5005))
    open_to_all = settings(config, "http://127.0.0.1:5005", token="")
    assert "127.0.0.1" in server.serve_command(open_to_all, tmp_path / "m.tar.gz", "127.0.0.1", 5005)
    with pytest.raises(server.RasaError, match="LINGUADESK_RASA_TOKEN"):
        server.serve_command(open_to_all, tmp_path / "m.tar.gz", "0.0.0.0", 5005)
    monkeypatch.setattr(server, "PYTHON", tmp_path / "missing")
    with pytest.raises(server.RasaError, match="make rasa-env"):
        server.serve_command(asking, tmp_path / "m.tar.gz", "127.0.0.1", 5005)


def test_the_model_belongs_to_the_files(config: Config, tmp_path: Path) -> None:
    """What Rasa learns from names its model; wording and settings of the desk do not."""
    before = server.model_name(config)
    shop = config.settings.shop.model_copy(update={"name": "Another"})
    assert server.model_name(replace(config, settings=config.settings.model_copy(update={"shop": shop}))) == before
    fewer = config.settings.model_copy(update={"languages": ("en", "es")})
    assert server.model_name(replace(config, settings=fewer)) != before


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Where's order CN-2024-8?", ["Where", "'", "s", "order", "CN", "-", "2024", "-", "8", "?"]),
        ("मेरा ऑर्डर कहाँ है", ["मेरा", "ऑर्डर", "कहाँ", "है"]),
        ("我的订单", ["我", "的", "订", "单"]),
        ("シューズを返す", ["シューズ", "を", "返", "す"]),
        ("신발을 샀어요", ["신", "발", "을", "샀", "어", "요"]),
        ("e\u0301te\u0301 42kg", ["e\u0301te\u0301", "42", "kg"]),
        ("أين طلبي؟", ["أين", "طلبي", "؟"]),
        ("สวัสดี", ["ส", "วั", "ส", "ดี"]),
        ("ok👍🏽", ["ok", "👍", "🏽"]),
        (" \n\t", []),
    ],
)
def test_tokens(text: str, tokens: list[str]) -> None:
    """Words, numbers and signs; characters where there are no spaces; marks stay with their letters."""
    spans = segment(text)
    assert [text[start:end] for start, end in spans] == tokens
    assert len(words(text, spans)) == len(spans)


def test_korean_words_are_counted_whole() -> None:
    """A Korean word stands at its first syllable, for the n-grams; all else counts as itself."""
    text = "이 신발을42 ok"
    assert words(text, segment(text)) == ["이", "신발을", " ", " ", "42", "ok"]


def test_tokens_fit_the_annotated_entities(config: Config) -> None:
    """Rasa learns only entities that begin and end with tokens: nearly all of the training data's do."""
    annotated = lost = 0
    for example in load_training_data(config).examples:
        if example.annotations:
            spans = segment(example.text)
            starts, ends = {start for start, _ in spans}, {end for _, end in spans}
            annotated += len(example.annotations)
            lost += sum(mark.start not in starts or mark.end not in ends for mark in example.annotations)
    assert annotated > 1000 and lost < annotated / 500


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("注文はどこですか", "ja"),
        ("我的订单在哪里", "zh-Hans"),
        ("我的訂單在哪裡", "zh-Hant"),
        ("제 주문은 어디에 있나요", "ko"),
        ("मेरा ऑर्डर कहाँ है", "hi"),
        ("dónde está mi pedido", "es"),
        ("where is my order", "en"),
        ("где мой заказ", ""),
        ("100234", ""),
        ("", ""),
    ],
)
def test_the_components_language(text: str, language: str) -> None:
    """The script decides where it can; the detector is asked for the configured languages alone."""
    spoken = ("en", "es", "zh-Hans", "zh-Hant", "ja", "ko", "hi")

    def rank(asked: str) -> list[tuple[str, float]]:
        return [("gl", 0.6), ("es", 0.3), ("en", 0.1)] if "pedido" in asked else [("nl", 0.5), ("en", 0.4), ("es", 0.1)]

    found, sure = identify(text, spoken, rank)
    assert found == language and 0 <= sure <= 1
    assert (sure > 0) == bool(language)


def test_the_detectors_answer_is_shared_out_anew() -> None:
    """Without the languages that are not spoken, the rest makes up the whole."""
    assert identify("words", ("en", "es"), lambda _: [("gl", 0.6), ("es", 0.3), ("en", 0.1)]) == ("es", 0.75)
    assert identify("words", (), lambda _: [("gl", 0.6), ("es", 0.4)]) == ("gl", 0.6)
    assert identify("漢字", ("ja",), lambda _: []) == ("ja", 0.9)
    assert identify("привет", ("ru", "uk"), lambda _: [("uk", 0.6), ("ru", 0.2), ("bg", 0.2)]) == ("uk", 0.75)


def test_components_need_nothing_of_ours_that_rasa_lacks() -> None:
    """Only the components themselves and two modules of plain Python: Rasa's environment has nothing else."""
    allowed = ("nlu.components.", "nlu.text ", "nlu.scripts ")
    for file in (*(ROOT / "nlu" / "components").glob("*.py"), ROOT / "nlu" / "text.py", ROOT / "nlu" / "scripts.py"):
        for line in file.read_text(encoding="utf-8").splitlines():
            if line.startswith(("from nlu", "import nlu", "from bot", "import bot")):
                assert line.startswith(tuple(f"from {name}" for name in allowed)), f"{file.name}: {line}"
