"""Setting up: the manifest and the code agree, and the live check says what to click."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from bot.config import ConfigError
from connectors.slack.convert import COMMAND, EVENTS, METHODS, SCOPES, SHORTCUT
from connectors.slack.forms import Place, order_form
from tests.connectors.slack.conftest import AGENTS, Connect
from tests.fakes.slack_objects import METHOD_SCOPES
from tests.fakes.slack_server import SlackServer

ROOT = Path(__file__).parents[3]


def manifest() -> dict[str, Any]:
    found: dict[str, Any] = YAML(typ="safe").load(ROOT / "connectors" / "slack" / "manifest.yml")
    return found


# The manifest


def test_the_manifest_asks_for_exactly_what_is_used() -> None:
    """Scopes, events, command and shortcut of the manifest to paste are those of the code, no more and no fewer."""
    parts = manifest()
    features, settings = parts["features"], parts["settings"]
    assert sorted(parts["oauth_config"]["scopes"]["bot"]) == sorted(SCOPES)
    assert sorted(settings["event_subscriptions"]["bot_events"]) == sorted(EVENTS)
    assert [item["command"] for item in features["slash_commands"]] == [COMMAND]
    assert [(item["callback_id"], item["type"]) for item in features["shortcuts"]] == [(SHORTCUT, "message")]
    assert settings["interactivity"]["is_enabled"] is True


def test_people_may_write_to_the_bot_and_see_its_home_page() -> None:
    """Both tabs are on, and neither is read-only."""
    assert manifest()["features"]["app_home"] == {
        "home_tab_enabled": True,
        "messages_tab_enabled": True,
        "messages_tab_read_only_enabled": False,
    }


def test_every_method_in_use_is_covered_by_a_scope() -> None:
    """The code's table of methods against Slack's own list, and nothing is asked for without a use."""
    for method, scopes in METHODS.items():
        assert set(scopes) <= set(METHOD_SCOPES[method])
        assert bool(scopes) == bool(METHOD_SCOPES[method])
        assert set(scopes) <= set(SCOPES)
    assert set(METHOD_SCOPES) - set(METHODS) == {"apps.connections.open"}
    used = {"commands", "files:read"}.union(*METHODS.values(), *EVENTS.values())
    assert set(SCOPES) == used


async def test_a_method_without_an_entry_cannot_be_called(connect: Connect, slack: SlackServer) -> None:
    """So no call escapes the table."""
    with pytest.raises(KeyError, match=r"chat\.delete"):
        await connect()._api.call("chat.delete", channel=AGENTS, ts="1.0")
    assert slack.calls == []


def test_the_guide_names_every_scope_event_and_setting() -> None:
    """Who sets the app up by hand finds everything."""
    guide = (ROOT / "docs" / "slack.md").read_text(encoding="utf-8")
    names = [*SCOPES, *EVENTS, COMMAND, "agents_channel", "connections:write", "linguadesk check --live"]
    assert [name for name in names if f"`{name}" not in guide] == []


# Settings


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"agents_channel": "#support"}, "agents_channel: this is the channel's id, such as C0123456789"),
        ({"agent_channel": "C0AGENTS01"}, "agent_channel: unknown setting"),
    ],
)
def test_a_wrong_option_is_explained(options: dict[str, str], words: str, connect: Connect) -> None:
    """The operator reads which setting, and where to find its value."""
    with pytest.raises(ConfigError, match=words):
        connect(**options)


# The live check


async def test_all_is_well(slack: SlackServer, connect: Connect) -> None:
    """Nothing to say of an app that is set up well; nothing needs to be started for it."""
    slack.channels[AGENTS] = {}
    assert await connect(slack.env(socket=True), agents=AGENTS).examine() == []
    assert await connect().examine() == []
    assert {method for method, _ in slack.calls} == {"auth.test", "conversations.info", "apps.connections.open"}


async def test_the_check_does_not_disturb_a_connector_that_runs(
    slack: SlackServer, connect: Connect, accept: Any
) -> None:
    """Its connections stay open."""
    connector = connect(slack.env(socket=True))
    await connector.start(accept)
    await connector.examine()
    assert (await slack.user_says("D024BE91L", "hello")).acknowledged


@pytest.mark.parametrize(
    ("code", "words"),
    [("invalid_auth", "SLACK_BOT_TOKEN.*OAuth & Permissions"), ("token_revoked", "install the app again")],
)
async def test_a_refused_token_is_explained(code: str, words: str, slack: SlackServer, connect: Connect) -> None:
    """The variable and the page are named."""
    slack.fail_next("auth.test", error=code)
    (problem,) = await connect().examine()
    assert (problem.file, problem.warning) == ("environment", False)
    assert re.search(words, problem.message)


async def test_missing_scopes_are_named_with_what_to_click(slack: SlackServer, connect: Connect) -> None:
    """Scopes count only after installing again."""
    slack.scopes = ",".join(scope for scope in SCOPES if scope not in {"commands", "im:write"})
    (problem,) = await connect().examine()
    assert "lacks the scopes commands, im:write" in problem.message
    assert "Add an OAuth Scope" in problem.message
    assert "Reinstall to Workspace" in problem.message


@pytest.mark.parametrize("code", ["invalid_auth", "missing_scope", "not_allowed_token_type"])
async def test_a_refused_app_level_token_is_explained(code: str, slack: SlackServer, connect: Connect) -> None:
    """The scope that it needs, and where to make one."""
    slack.fail_next("apps.connections.open", error=code)
    (problem,) = await connect(slack.env(socket=True)).examine()
    assert "SLACK_APP_TOKEN" in problem.message
    assert "connections:write under Basic Information" in problem.message


@pytest.mark.parametrize(
    ("facts", "words", "warning"),
    [
        (None, "does not show the bot the channel C0AGENTS01", False),
        ({"is_member": False}, "the bot is not in #support; write /invite @Linguadesk there", False),
        ({"is_archived": True}, "#support is archived", False),
        ({"is_private": False}, "#support is public, so everyone in the workspace", True),
    ],
)
async def test_the_agents_channel_is_examined(
    facts: dict[str, Any] | None, words: str, warning: bool, slack: SlackServer, connect: Connect
) -> None:
    """Not there, not joined, archived, or open to everyone."""
    if facts is not None:
        slack.channels[AGENTS] = facts
    (problem,) = await connect(agents=AGENTS).examine()
    assert words in problem.message
    assert problem.message.startswith("connectors.slack.agents_channel: ")
    assert (problem.file, problem.warning) == ("config.yml", warning)


async def test_a_slack_that_cannot_be_asked_is_a_problem_too(slack: SlackServer, connect: Connect) -> None:
    """Behind a firewall the check says so, without a stack trace."""
    slack.fail_next("auth.test", 0)
    slack.fail_next("apps.connections.open", 0)
    problems = await connect(slack.env(socket=True)).examine()
    assert len(problems) == 2
    assert f"Slack at {slack.url} could not be asked" in problems[0].message


def test_neither_forms_nor_settings_show_a_secret(
    slack: SlackServer, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    """What a form carries is the place alone, and settings in a log hide their tokens."""
    caplog.set_level(logging.DEBUG)
    connector = connect(slack.env(socket=True))
    assert "xox" not in repr(connector._settings)
    assert "xapp" not in repr(connector._settings)
    assert "token" not in order_form(Place("U1", language="en"), "100234")["private_metadata"]
