"""Rasa Open Source 3.6 accepts the very same project files, and the desk works on a real Rasa server."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest

from bot.app import build
from bot.config import Config, load_config
from bot.contracts import Recognizer
from bot.services.order_import import import_orders
from bot.storage.migrate import upgrade
from nlu.rasa import server
from nlu.recognizers.embedded import EmbeddedRecognizer
from nlu.recognizers.rasa import RasaRecognizer
from nlu.training_data import load_training_data
from tests.customer import Customer, RestChannel

ROOT = Path(__file__).parent.parent
LANGUAGES = ("en", "hi", "ja")
EXAMPLES = 12
ORDERS = ROOT / "tests" / "fixtures" / "orders.csv"
TOKEN = "token of the rasa tests"

pytestmark = [
    pytest.mark.skipif(
        not server.PYTHON.exists(), reason="Rasa's environment is not there; make it with: make rasa-env"
    ),
    pytest.mark.timeout(900),
]


def rasa(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Rasa's command line in a project, with what it writes kept apart."""
    env = server.environment(load_config(project, project / "data", env={}))
    command = [str(server.PYTHON), "-m", "nlu.rasa.launch", *arguments]
    return subprocess.run(command, cwd=project, env=env, capture_output=True, text=True, timeout=870, check=False)


def copy(target: Path) -> Path:
    """A copy of the project files, so that Rasa writes nothing into the repository."""
    for name in ("config.yml", "domain.yml"):
        shutil.copy(ROOT / name, target)
    shutil.copytree(ROOT / "nlu" / "data", target / "nlu" / "data")
    shutil.copytree(ROOT / "knowledge", target / "knowledge")
    return target


def shorten(file: Path) -> None:
    """Keep the first examples of each section of a training file."""
    kept, count = [], 0
    for line in file.read_text(encoding="utf-8").splitlines():
        count = count + 1 if line.lstrip().startswith("- ") and "examples" not in line else 0
        if re.match(r"\s*- (intent|lookup|synonym|regex):", line) or not line.lstrip().startswith("- "):
            count = 0
        if count <= EXAMPLES:
            kept.append(line)
    file.write_text("\n".join(kept) + "\n", encoding="utf-8")


def within_languages(config: Config) -> tuple[dict[str, int], dict[str, int]]:
    """For each example the number of its intents, for each marked word that of its values, in one language at most."""
    intents: dict[tuple[str, str], set[str]] = defaultdict(set)
    values: dict[tuple[str, str], set[str]] = defaultdict(set)
    for example in load_training_data(config).examples:
        intents[example.text, example.language].add(example.intent)
        for mark in example.annotations:
            values[example.text[mark.start : mark.end], example.language].add(mark.value)
    most_intents: dict[str, int] = defaultdict(int)
    most_values: dict[str, int] = defaultdict(int)
    for found, most in ((intents, most_intents), (values, most_values)):
        for (text, _language), names in found.items():
            most[text] = max(most[text], len(names))
    return most_intents, most_values


def test_data_validates(tmp_path: Path) -> None:
    """`rasa data validate` finds no mistake in domain, configuration and training data of all languages.

    It does not know that there are languages: "ciao" may greet in one and take leave in another.
    """
    project = copy(tmp_path)
    result = rasa(project, "data", "validate", "--data", "nlu/data", "--config", "config.yml", "--domain", "domain.yml")
    assert result.returncode == 0, result.stdout + result.stderr
    intents, values = within_languages(load_config(project, tmp_path / "data", env={}))
    complaints = []
    for line in (result.stdout + result.stderr).splitlines():
        if "UserWarning" not in line or "is not used in any story or rule" in line:
            continue
        several = re.search(r"The example '(.*)' was found labeled with multiple different intents", line)
        synonym = re.search(r"inconsistent entity synonyms .* overwriting (.*)->\S+ with", line)
        if not (several and intents[several[1]] == 1) and not (synonym and values[synonym[1]] == 1):
            complaints.append(line)
    assert complaints == []


@dataclass(frozen=True)
class Running:
    """A Rasa server: the configuration of a desk that asks it, and what Rasa printed while training."""

    config: Config
    printed: str


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A real Rasa server on a free port, trained on some examples of a few languages."""
    home = copy(tmp_path_factory.mktemp("rasa"))
    for file in (home / "nlu" / "data").glob("*/*.yml"):
        shorten(file)
    text = (home / "config.yml").read_text(encoding="utf-8")
    text = re.sub(r"(?m)^languages: .*$", f"languages: [{', '.join(LANGUAGES)}]", text)
    (home / "config.yml").write_text(text, encoding="utf-8")
    config = load_config(home, home / "data", env={"LINGUADESK_RASA_TOKEN": TOKEN})
    output = home / "training.log"
    model = server.train(config, output)
    serving = server.running(config, model)
    with asyncio.Runner() as runner:
        url = runner.run(serving.__aenter__())
        try:
            yield Running(server.asking(config, url, TOKEN), output.read_text(encoding="utf-8"))
        finally:
            runner.run(serving.__aexit__(None, None, None))


@pytest.fixture
async def on_rasa(running: Running, recognizer: Recognizer) -> AsyncIterator[RasaRecognizer]:
    """The desk's recogniser asking that server, and patient: the machine may be busy."""
    assert isinstance(recognizer, EmbeddedRecognizer)
    settings = running.config.settings.recognizer
    patient = settings.model_copy(update={"rasa": settings.rasa.model_copy(update={"timeout_seconds": 20.0})})
    config = replace(running.config, settings=running.config.settings.model_copy(update={"recognizer": patient}))
    made = RasaRecognizer(config, recognizer)
    yield made
    await made.close()


def test_training_has_nothing_to_complain_about(running: Running) -> None:
    """No part of the data is left unused, and no setting is wrong. (How tokens fit entities is a test of its own.)"""
    complaints = [line for line in running.printed.splitlines() if "UserWarning" in line]
    assert [line for line in complaints if "Misaligned entity annotation" not in line] == []


def test_nothing_is_trained_twice(running: Running) -> None:
    """Unchanged files have their model; a changed example has none yet."""
    config = running.config
    made = server.model_path(config)
    before = made.stat().st_mtime_ns
    assert server.train(config) == made and made.stat().st_mtime_ns == before
    example = config.home / "nlu" / "data" / "en" / "smalltalk.yml"
    old = example.read_text(encoding="utf-8")
    example.write_text(old + "\n", encoding="utf-8")
    assert not server.model_path(config).exists()
    example.write_text(old, encoding="utf-8")
    assert sorted(path.name for path in config.home.iterdir()) == sorted(
        ["config.yml", "data", "domain.yml", "knowledge", "nlu", "training.log"]
    )


async def test_what_the_server_says(running: Running) -> None:
    """Our components' part of `/model/parse`: the language and the tokens; the token is asked for."""
    url = running.config.settings.recognizer.rasa.url + "/model/parse"
    async with httpx.AsyncClient(timeout=60) as client:
        refused = await client.post(url, json={"text": "hello"})
        assert refused.status_code == 401
        for text, language, words in (
            ("where is my order?", "en", ["where", "is", "my", "order", "?"]),
            ("मेरा ऑर्डर कहाँ है", "hi", ["मेरा", "ऑर्डर", "कहाँ", "है"]),
            ("シューズを返品", "ja", ["シューズ", "を", "返", "品"]),
            ("100234", None, ["100234"]),
        ):
            answer = (await client.post(url, params={"token": TOKEN}, json={"text": text})).json()
            assert answer.get("language") == language
            assert [text[start:end] for start, end in answer["text_tokens"]] == words
            assert answer["intent_ranking"][0]["confidence"] <= 1


@pytest.mark.parametrize(
    ("text", "intent", "entities"),
    [
        ("where is my order 100234?", "track_order", {"order_number": "100234"}),
        ("hello there", "greet", {}),
        ("मुझे किसी इंसान से बात करनी है", "talk_to_human", {}),
        ("注文をキャンセルしたい", "cancel_order", {}),
        ("👍", "affirm", {}),
    ],
)
async def test_messages_are_understood(
    on_rasa: RasaRecognizer, text: str, intent: str, entities: dict[str, str]
) -> None:
    """Intents come from Rasa, trained on few examples; numbers from the patterns; no message needs the other engine."""
    parse = await on_rasa.parse(text)
    assert parse.intent == intent
    assert {item.entity: item.value for item in parse.entities if item.entity in entities} == entities
    assert parse.ranking[0] == (parse.intent, parse.confidence) and len(parse.ranking) > 3
    status = on_rasa.status()
    assert (status.engine, status.answered, status.fallbacks) == ("rasa", 1, 0)


@pytest.mark.parametrize("text", ["\ud800", "/nonsense", "\x00", "x" * 5000, "!!!", "ㅋㅋㅋ", "\u200b.", "👩‍👩‍👧"])
async def test_odd_text_is_answered(on_rasa: RasaRecognizer, text: str) -> None:
    """Whatever customers send, Rasa's pipeline has an answer for it."""
    parse = await on_rasa.parse(text)
    assert parse.text == text and 0 <= parse.confidence <= 1
    assert on_rasa.status().failures == 0


async def test_a_conversation(config: Config, on_rasa: RasaRecognizer) -> None:
    """The desk on Rasa: a greeting, an order shown after its proof, a person called."""
    app = build(config, recognizer=on_rasa, only=frozenset({"rest"}))
    async with AsyncExitStack() as stack:
        stack.push_async_callback(app.close)
        await upgrade(app.database)
        await stack.enter_async_context(app.running())
        await import_orders(app.database, ORDERS, config.settings.orders.imports, country="ES")
        customer = Customer(RestChannel(app))
        await customer.says("hello there")
        await customer.says("where is my order 100234?")
        customer.sees_not("PostNL")
        await customer.says("ana@example.com")
        customer.sees("100234", "PostNL")
        await customer.says("I want to talk to a human")
        assert on_rasa.status().answered >= 3 and on_rasa.status().fallbacks == 0
