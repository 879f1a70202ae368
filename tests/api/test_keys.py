"""`linguadesk token`: keys are made, listed and revoked; the key itself is shown once."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result

from bot.__main__ import cli
from tests.conftest import ROOT

Command = Callable[..., Result]


@pytest.fixture
def token(migrated_url: str, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs ``linguadesk token …`` on a fresh database."""
    monkeypatch.setenv("LINGUADESK_DATABASE_URL", migrated_url.replace("+aiosqlite", ""))
    monkeypatch.setenv("LINGUADESK_HOME", str(ROOT))
    return lambda *words: CliRunner().invoke(cli, ["token", *words])


def test_a_key_is_shown_once_and_listed_without_itself(token: Command) -> None:
    """The key is all that standard output has; the list has its name, scopes and dates."""
    made = token("add", "warehouse", "--scope", "tickets:write", "--scope", "tickets:read")
    assert made.exit_code == 0
    key = made.stdout.strip()
    assert key.startswith("ldk_") and len(key) == 47
    listed = token("list", "--format", "json")
    (row,) = json.loads(listed.stdout)
    assert (row["name"], row["scopes"], row["used"], row["revoked"]) == (
        "warehouse",
        "tickets:read tickets:write",
        "",
        "",
    )
    assert key not in listed.output
    revoked = token("revoke", "warehouse")
    assert revoked.exit_code == 0
    assert json.loads(token("list", "--format", "json").stdout)[0]["revoked"]


def test_what_cannot_be_is_said(token: Command) -> None:
    """A name taken, a scope that there is not, none at all, an unknown key: exit code 1 and what to do."""
    assert token("add", "shop", "--scope", "surveys:read").exit_code == 0
    for words, hint in (
        (("add", "shop", "--scope", "surveys:read"), "already"),
        (("add", "other", "--scope", "everything"), "tickets:read"),
        (("add", "other"), "at least one scope"),
        (("add", "", "--scope", "surveys:read"), "1 to 64"),
        (("revoke", "other"), "token list"),
    ):
        result = token(*words)
        assert result.exit_code == 1 and hint in result.stderr, words
    token("revoke", "shop")
    assert token("revoke", "shop").exit_code == 1
