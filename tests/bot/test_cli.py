"""The command line, as an operator uses it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.fakes.slack_server import SlackServer
from tests.fakes.telegram_server import TelegramServer

ROOT = Path(__file__).parents[2]


@pytest.fixture
def env(tmp_path: Path, model_dir: Path) -> dict[str, str]:
    """An environment with a data folder of its own, which shares the trained model of the tests."""
    data = tmp_path / "data"
    data.mkdir()
    model_dir.joinpath("models").mkdir(parents=True, exist_ok=True)
    (data / "models").symlink_to(model_dir.resolve() / "models")
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("LINGUADESK", "TELEGRAM", "SLACK", "WHATSAPP"))
    }
    return kept | {"LINGUADESK_HOME": str(ROOT), "LINGUADESK_DATA_DIR": str(data), "COLUMNS": "200"}


def linguadesk(env: dict[str, str], *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    command = [sys.executable, "-m", "bot", *arguments]
    return subprocess.run(
        command, env=env, cwd=ROOT, input=given, capture_output=True, text=True, timeout=110, check=False
    )


@pytest.fixture
def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_help_teaches(env: dict[str, str]) -> None:
    """Every command has a help text."""
    top = linguadesk(env, "--help")
    assert top.returncode == 0
    for command in ("demo", "run", "worker", "chat", "db", "orders", "nlu", "check", "user", "outbox", "inbox"):
        assert command in top.stdout
        assert linguadesk(env, command, "--help").returncode == 0


def test_used_wrongly_is_2(env: dict[str, str]) -> None:
    """Exit code 2 and a hint, no stack trace."""
    result = linguadesk(env, "outbox", "retry")
    assert result.returncode == 2
    assert "--all" in result.stderr
    assert linguadesk(env, "nonsense").returncode == 2


def test_a_database_that_is_not_there(env: dict[str, str]) -> None:
    """Exit code 1 and the command that mends it."""
    result = linguadesk(env, "outbox", "list")
    assert result.returncode == 1
    assert "linguadesk db upgrade" in result.stderr
    assert "Traceback" not in result.stderr


def test_setting_up(env: dict[str, str], tmp_path: Path) -> None:
    """From nothing to orders and a user."""
    assert "revision" in linguadesk(env, "db", "upgrade").stdout
    added = linguadesk(env, "user", "add", "sam", "--role", "manager", "--password-stdin", given="a long password\n")
    assert added.stdout == "sam can sign in as manager.\n"
    again = linguadesk(env, "user", "add", "sam", "--password-stdin", given="a long password\n")
    assert (again.returncode, again.stderr) == (1, "linguadesk: there is already a user called sam\n")
    short = linguadesk(env, "user", "add", "kim", "--password-stdin", given="short\n")
    assert "at least 10 characters" in short.stderr
    orders = tmp_path / "orders.csv"
    orders.write_text(
        "order_number,customer_id,email,placed_at,sku,description,quantity,unit_price,currency\n"
        "100234,7,a@example.com,2026-05-01,A1,Shoes,1,9.90,EUR\n"
        "100235,7,a@example.com,someday,A1,Shoes,1,9.90,EUR\n"
    )
    result = linguadesk(env, "orders", "import", str(orders), "--format", "json")
    assert f"{orders}:3: the date 'someday' cannot be read" in result.stderr
    assert json.loads(result.stdout)[0]["new orders"] == 1


def test_an_unreadable_csv(env: dict[str, str], tmp_path: Path) -> None:
    """One line that says what to do."""
    linguadesk(env, "db", "upgrade")
    path = tmp_path / "orders.xlsx"
    path.write_bytes(b"PK\x03\x04\xff\xfe\x00")
    result = linguadesk(env, "orders", "import", str(path))
    assert result.returncode == 1
    assert str(path) in result.stderr and "Traceback" not in result.stderr


def test_check(env: dict[str, str]) -> None:
    """The shipped configuration is in order; a broken one is not."""
    good = linguadesk(env, "check")
    assert (good.returncode, good.stdout.splitlines()[-1]) == (0, "The configuration is in order.")
    bad = linguadesk(env | {"LINGUADESK_DATABASE_URL": "nonsense"}, "check")
    assert bad.returncode == 1
    assert "LINGUADESK_DATABASE_URL" in bad.stderr


def test_parse_prints_rasas_shape(env: dict[str, str]) -> None:
    """One JSON a line for one message a line, empty ones included."""
    given = "where is my order 100234?\n\n¿dónde está mi pedido?\n我要退货\n"
    result = linguadesk(env, "nlu", "parse", given=given)
    assert result.returncode == 0, result.stderr
    rows = [json.loads(row) for row in result.stdout.splitlines()]
    assert [row["text"] for row in rows] == given.splitlines()
    assert rows[0]["intent"]["name"] == "track_order"
    assert rows[0]["entities"][0]["entity"] == "order_number"
    assert rows[0]["entities"][0]["value"] == "100234"
    assert (rows[0]["entities"][0]["start"], rows[0]["entities"][0]["end"]) == (18, 24)
    assert rows[0]["intent_ranking"][0] == rows[0]["intent"]
    assert [row["language"] for row in rows] == ["en", None, "es", "zh-Hans"]


def test_a_port_in_use(env: dict[str, str]) -> None:
    """Says so, and how to choose another."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = linguadesk(env, "demo", "--no-browser", "--port", str(port))
    assert result.returncode == 1
    assert f"port {port} is in use" in result.stderr and "--port" in result.stderr


def test_chat_in_the_terminal(env: dict[str, str]) -> None:
    """Lines in, answers out, buttons by number."""
    linguadesk(env, "db", "upgrade")
    result = linguadesk(env, "chat", given="are you a robot?\n1\n")
    assert result.returncode == 0, result.stderr
    assert "automatic assistant" in result.stdout
    assert "1. Talk to a person" in result.stdout
    assert "bringing in a colleague" in result.stdout


async def test_a_live_check_asks_the_platforms(env: dict[str, str]) -> None:
    """What works is said to work; a wrong token is named with the setting, and the exit code is 1."""
    assert "No channel is on" in linguadesk(env, "check", "--live").stdout
    async with TelegramServer() as telegram, SlackServer() as slack:
        good = await asyncio.to_thread(linguadesk, env | telegram.env | slack.env(), "check", "--live")
        wrong = telegram.env | {"TELEGRAM_BOT_TOKEN": "1:wrong"}
        bad = await asyncio.to_thread(linguadesk, env | wrong, "check", "--live")
    assert (good.returncode, good.stderr) == (0, "")
    assert "Asked: telegram, slack." in good.stdout
    assert bad.returncode == 1
    assert "TELEGRAM_BOT_TOKEN" in bad.stderr and "1:wrong" not in bad.stderr + bad.stdout


def test_an_agent_on_a_platform_can_be_linked(env: dict[str, str]) -> None:
    """A person in the agents' group becomes a user of the desk; an unknown user is said to be unknown."""
    assert linguadesk(env, "db", "upgrade").returncode == 0
    given = "a long password\n"
    assert linguadesk(env, "user", "add", "sam", "--password-stdin", given=given).returncode == 0
    linked = linguadesk(env, "user", "link", "sam", "telegram", "900")
    assert (linked.returncode, linked.stdout) == (0, "900 on telegram is now sam.\n")
    unknown = linguadesk(env, "user", "link", "nobody", "telegram", "900")
    assert unknown.returncode == 1
    assert "no user called nobody" in unknown.stderr and "Traceback" not in unknown.stderr


@pytest.fixture
def demo(env: dict[str, str], free_port: int) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The demonstration, running; its base URL."""
    command = [sys.executable, "-m", "bot", "demo", "--small", "--no-browser", "--port", str(free_port)]
    process = subprocess.Popen(command, env=env, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    base = f"http://127.0.0.1:{free_port}"
    deadline = time.monotonic() + 100
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"{base}/health/ready").status_code == 200:
                break
        except httpx.TransportError:
            pass
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    yield base, process
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)


async def test_demo(demo: tuple[str, subprocess.Popen[str]]) -> None:
    """It answers about its invented orders, in the printed words, and prints where to go."""
    base, process = demo
    async with httpx.AsyncClient(base_url=base, timeout=30) as client:
        assert (await client.get("/health/live")).json() == {"status": "ok"}
        assert (await client.get("/chat")).status_code == 200
        assert (await client.get("/desk", follow_redirects=True)).status_code == 200
        for message in ("Where is my order 100234?", "ana@example.com"):
            response = await client.post("/webhooks/rest/webhook", json={"sender": "me", "message": message})
    assert "PostNL" in response.text
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert f"{base}/chat" in out and f"{base}/desk" in out
    assert "demo-agent-1" in out
    assert "Traceback" not in err, err
