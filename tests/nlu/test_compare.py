"""`linguadesk nlu compare`: engines side by side, each measured by what it answered itself."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bot.__main__ import cli
from bot.config import Config, ConfigError
from nlu.compare import CompareError, compare, resident_mb, server_mb
from nlu.evaluate import evaluate
from tests.nlu.conftest import TINY, Project

EVAL = """\
intent\ttext
greet\tgood evening there
greet\they hello
track_order\twhere is parcel [77777](order_number)
track_order\twhen does it arrive
"""
TRAINED = {"status": 200, "body": {"model_file": "model.tar.gz", "model_id": "1", "num_active_training_jobs": 0}}


class FakeRasa:
    """A server with Rasa's two addresses; ``answer`` gives the status and body for a text."""

    def __init__(self, answer: Callable[[str], tuple[int, Any]]) -> None:
        self.asked: list[str] = []
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._send(TRAINED["status"], TRAINED["body"])

            def do_POST(self) -> None:
                text = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["text"]
                fake.asked.append(text)
                self._send(*answer(text))

            def _send(self, status: Any, body: Any) -> None:
                content = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self._thread = threading.Thread(target=self.server.serve_forever)
        self._thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self._thread.join()
        self.server.server_close()


@pytest.fixture
def fake_rasa() -> Iterator[Callable[[Callable[[str], tuple[int, Any]]], FakeRasa]]:
    """Starts fake servers and ends them."""
    started: list[FakeRasa] = []

    def start(answer: Callable[[str], tuple[int, Any]]) -> FakeRasa:
        started.append(FakeRasa(answer))
        return started[-1]

    yield start
    for server in started:
        server.close()


def always_greet(text: str) -> tuple[int, Any]:
    ranking = [{"name": "greet", "confidence": 0.9}, {"name": "track_order", "confidence": 0.1}]
    return 200, {"text": text, "intent": ranking[0], "intent_ranking": ranking, "entities": []}


Tiny = Callable[..., Config]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One data folder for all: the same examples need training once."""
    return tmp_path_factory.mktemp("models")


@pytest.fixture
def tiny(project: Project, models: Path) -> Tiny:
    """Makes a project with four messages, and a config.yml for the command line."""
    return lambda url="", lines=EVAL: tiny_project(project(TINY), models, url, lines)


def tiny_project(config: Config, models: Path, url: str, lines: str) -> Config:
    folder = config.home / "nlu" / "eval"
    folder.mkdir(parents=True)
    (folder / "en.tsv").write_text(lines, encoding="utf-8")
    own = config.settings.recognizer
    recognizer = own.model_copy(update={"rasa": own.rasa.model_copy(update={"url": url or unused(), "attempts": 1})})
    settings = config.settings.model_copy(update={"recognizer": recognizer})
    text = f"languages: [en, es]\nrecognizer: {{vectors: 'off', rasa: {{url: '{recognizer.rasa.url}'}}}}\n"
    (config.home / "config.yml").write_text(text, encoding="utf-8")
    return Config(home=config.home, data_dir=models, settings=settings, env={})


def unused() -> str:
    """The address of a port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


def invoke(config: Config, *arguments: str) -> tuple[int, str]:
    env = {"LINGUADESK_HOME": str(config.home), "LINGUADESK_DATA_DIR": str(config.data_dir)}
    result = CliRunner().invoke(cli, ["nlu", "compare", *arguments], env=env)
    return result.exit_code, result.output


def test_two_embedded_engines_side_by_side(tiny: Tiny) -> None:
    """Accuracy, speed and memory of each, agreement of both; the same files give the same answers."""
    code, output = invoke(tiny(), "--engine", "embedded", "--engine", "embedded:no-vectors", "--format", "json")
    assert code == 0, output
    found = json.loads(output)
    one, other = found["engines"]
    assert (one["engine"], other["engine"], found["messages"]) == ("embedded", "embedded:no-vectors", 4)
    assert one["by_language"] == {"en": one["accuracy"]}
    assert 0 < one["p50_ms"] <= one["p95_ms"]
    assert one["memory_mb"] > 20
    assert one["server_memory_mb"] is None
    (pair,) = found["agreement"]
    assert (pair["engines"], pair["same"]) == (["embedded", "embedded:no-vectors"], 1.0)
    assert pair["only_first_right"] == pair["only_second_right"] == 0.0


def test_rasa_is_measured_by_its_own_answers(
    tiny: Tiny, fake_rasa: Callable[[Callable[[str], tuple[int, Any]]], FakeRasa]
) -> None:
    """A server that takes everything for a greeting is right in half of the messages, and so it says."""
    server = fake_rasa(always_greet)
    found = compare(tiny(server.url))
    embedded, rasa = found.engines
    assert (embedded.engine, rasa.engine) == ("embedded", "rasa")
    assert (embedded.accuracy, rasa.accuracy, rasa.unanswered) == (1.0, 0.5, 0)
    assert set(server.asked) >= {"good evening there", "when does it arrive"}
    (pair,) = found.agreement
    assert (pair.same, pair.both_right, pair.only_first_right, pair.only_second_right) == (0.5, 0.5, 0.5, 0.0)
    # The server runs in this very process.
    assert rasa.server_memory_mb == pytest.approx(resident_mb(os.getpid()), rel=0.5)
    table = {row["measure"]: row for row in found.rows()}
    assert table["accuracy"] == {"measure": "accuracy", "embedded": "100.0%", "rasa": "50.0%"}
    assert table["accuracy en"]["rasa"] == "50.0%"
    assert table["memory of the server"]["rasa"].endswith(" MB")


def test_a_server_that_is_down_ends_the_comparison(tiny: Tiny) -> None:
    """The embedded engine is not compared with itself in Rasa's place."""
    code, output = invoke(tiny())
    assert code == 1
    assert "the Rasa server at http://127.0.0.1:" in output
    assert "cannot be reached" in output


def test_a_server_that_does_not_answer_messages_ends_the_comparison(
    tiny: Tiny, fake_rasa: Callable[[Callable[[str], tuple[int, Any]]], FakeRasa]
) -> None:
    """It has a model and fails at every message: what stepped in is not measured."""
    server = fake_rasa(lambda _text: (500, {}))
    lines = EVAL + "".join(f"greet\tgood evening number {number}\n" for number in range(20))
    with pytest.raises(CompareError, match="unanswered"):
        compare(tiny(server.url, lines), ["rasa"])


def test_evaluate_measures_the_engine_that_the_settings_name(
    tiny: Tiny, fake_rasa: Callable[[Callable[[str], tuple[int, Any]]], FakeRasa]
) -> None:
    """With engine: rasa the report is Rasa's, and a server that is down gives none."""
    config = tiny(fake_rasa(always_greet).url)
    rasa = config.settings.recognizer.model_copy(update={"engine": "rasa"})
    settings = config.settings.model_copy(update={"recognizer": rasa})
    report = evaluate(Config(home=config.home, data_dir=config.data_dir, settings=settings, env={}))
    assert (report.engine, report.accuracy) == ("rasa", 0.5)
    down = rasa.model_copy(update={"rasa": rasa.rasa.model_copy(update={"url": unused()})})
    settings = config.settings.model_copy(update={"recognizer": down})
    with pytest.raises(CompareError, match="cannot be reached"):
        evaluate(Config(home=config.home, data_dir=config.data_dir, settings=settings, env={}))


@pytest.mark.parametrize(
    ("engines", "message"), [(["embedded", "magic"], "'magic'"), (["embedded", "embedded"], "name each engine once")]
)
def test_engines_are_named_once_and_rightly(tiny: Tiny, engines: list[str], message: str) -> None:
    """Before anything is measured."""
    with pytest.raises(CompareError, match=message):
        compare(tiny(), engines)


def test_without_messages_there_is_no_comparison(tiny: Tiny) -> None:
    """Said with the folder where they belong; problems of the data come through from the other process."""
    config = tiny(lines="intent\ttext\n")
    with pytest.raises(ConfigError, match="nlu/eval"):
        compare(config, ["embedded"])
    config = tiny_again(config)
    (config.home / "nlu/data/es/all.yml").write_text("nlu: [\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"nlu/data/es/all\.yml:2"):
        compare(config, ["embedded"])


def tiny_again(config: Config) -> Config:
    (config.home / "nlu/eval/en.tsv").write_text(EVAL, encoding="utf-8")
    return config


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="the system has no /proc")
def test_memory_of_what_listens_is_found_on_this_machine_only() -> None:
    """By the port of a local address; elsewhere, or with nobody there, it is unknown."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert server_mb(f"http://127.0.0.1:{port}") == pytest.approx(resident_mb(), rel=0.5)
        assert server_mb(f"http://rasa.example:{port}") is None
    assert server_mb(f"http://localhost:{port}") is None
    assert resident_mb(2**30) == 0.0
