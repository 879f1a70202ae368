"""``linguadesk check --live``: what the connector finds wrong on Telegram's side, and what it says to do."""

from __future__ import annotations

import time

import pytest

from bot.config import Problem
from tests.connectors.telegram.conftest import Connect
from tests.fakes.telegram_server import TelegramServer

GROUP = -1001234567890
URL = "https://desk.example.com/webhooks/telegram"


def said(problems: list[Problem]) -> str:
    return "\n".join(map(str, problems))


async def test_nothing_is_said_when_all_is_well(telegram: TelegramServer, connect: Connect) -> None:
    """Polling and webhook, with an agents' group; the connector was never started, and nothing is changed."""
    telegram.forum(GROUP)
    assert await connect(agents_chat=GROUP).examine() == []
    telegram.webhook = {"url": URL}
    assert await connect(telegram.webhook_env("https://desk.example.com"), agents_chat=GROUP).examine() == []
    changing = ("set", "delete", "send", "getUpdates", "create")
    assert [call.method for call in telegram.calls if call.method.startswith(changing)] == []


async def test_a_wrong_token_is_the_only_problem(telegram: TelegramServer, connect: Connect) -> None:
    """Without the token nothing else can be asked; it is not quoted."""
    (problem,) = await connect(telegram.env | {"TELEGRAM_BOT_TOKEN": "987654321:wrong"}).examine()
    assert not problem.warning
    assert "/mybots" in problem.message
    assert "TELEGRAM_BOT_TOKEN" in problem.message
    assert "wrong" not in problem.message


async def test_a_server_that_does_not_answer_is_said(connect: Connect, telegram: TelegramServer) -> None:
    """No network, no verdict on the token."""
    telegram.fail_next("getMe", 0)
    (problem,) = await connect().examine()
    assert "cannot be tried" in problem.message
    assert "/mybots" not in problem.message


@pytest.mark.parametrize(
    ("me", "click"),
    [
        ({"can_read_all_group_messages": True}, "/setprivacy"),
        ({"can_join_groups": False}, "/setjoingroups"),
    ],
)
async def test_the_bots_own_settings(
    me: dict[str, bool], click: str, telegram: TelegramServer, connect: Connect
) -> None:
    """Privacy mode off, or groups forbidden: a warning with what to tell @BotFather."""
    telegram.me |= me
    (problem,) = await connect().examine()
    assert problem.warning
    assert "@BotFather" in problem.message
    assert click in problem.message


async def test_somebody_elses_webhook_is_noticed_when_polling(telegram: TelegramServer, connect: Connect) -> None:
    """Another program's address would be taken away by the next start."""
    telegram.webhook = {"url": "https://other.example.com/hook"}
    (problem,) = await connect().examine()
    assert problem.warning
    assert "https://other.example.com/hook" in problem.message
    assert "/newbot" in problem.message


async def test_a_webhook_is_compared_with_the_setting(telegram: TelegramServer, connect: Connect) -> None:
    """Not registered yet, or registered elsewhere."""
    connector = connect(telegram.webhook_env("https://desk.example.com"))
    assert "go to nowhere" in said(await connector.examine())
    telegram.webhook = {"url": "https://old.example.com/webhooks/telegram"}
    assert "https://old.example.com" in said(await connector.examine())


async def test_a_webhook_that_fails_is_an_error(telegram: TelegramServer, connect: Connect) -> None:
    """Telegram's own words are shown while they are fresh."""
    connector = connect(telegram.webhook_env("https://desk.example.com"))
    telegram.webhook = {"url": URL}
    telegram.webhook_info = {"last_error_date": int(time.time()) - 60, "last_error_message": "SSL error"}
    (problem,) = await connector.examine()
    assert not problem.warning
    assert "SSL error" in problem.message
    assert "certificate" in problem.message
    telegram.webhook_info["last_error_date"] -= 2 * 3600
    assert await connector.examine() == []


async def test_waiting_messages_are_counted(telegram: TelegramServer, connect: Connect) -> None:
    """A long queue says that nobody fetches it."""
    telegram.webhook_info = {"pending_update_count": 1204}
    (problem,) = await connect().examine()
    assert problem.warning
    assert "1204 messages" in problem.message


async def test_an_unknown_group_is_an_error_with_its_line(telegram: TelegramServer, connect: Connect) -> None:
    """The bot was never added, or the number is wrong: the setting's place is named."""
    (problem,) = await connect(agents_chat=GROUP).examine()
    assert (problem.file, problem.warning) == ("config.yml", False)
    assert "connectors.telegram.agents_chat" in problem.message
    assert "Add members" in problem.message


async def test_a_group_without_topics_is_an_error(telegram: TelegramServer, connect: Connect) -> None:
    """Hand-overs need topics."""
    connector = connect(agents_chat=GROUP)
    telegram.forum(GROUP)
    telegram.fail_next(
        "getChat",
        200,
        body='{"ok": true, "result": {"id": -1001234567890, "type": "supergroup", "title": "Agents", '
        '"accent_color_id": 1, "max_reaction_count": 11, "accepted_gift_types": {"unlimited_gifts": false, '
        '"limited_gifts": false, "unique_gifts": false, "premium_subscription": false, "gifts_from_channels": false}}}',
    )
    (problem,) = await connector.examine()
    assert not problem.warning
    assert "turn on Topics" in problem.message


@pytest.mark.parametrize("member", [{"status": "member"}, {"status": "administrator", "can_manage_topics": False}])
async def test_a_bot_without_the_right_is_an_error(
    member: dict[str, object], telegram: TelegramServer, connect: Connect
) -> None:
    """It must be an administrator who manages topics."""
    telegram.forum(GROUP)
    telegram.member = member
    (problem,) = await connect(agents_chat=GROUP).examine()
    assert not problem.warning
    assert "Manage Topics" in problem.message


async def test_a_public_group_is_an_error(telegram: TelegramServer, connect: Connect) -> None:
    """Whoever is in the group is an agent, so nobody may join it unasked."""
    telegram.forum(GROUP)
    telegram.chat_fields = {"username": "northwind_agents"}
    (problem,) = await connect(agents_chat=GROUP).examine()
    assert not problem.warning
    assert "Group Type, Private" in problem.message


async def test_a_group_that_moved_is_an_error_with_the_new_id(telegram: TelegramServer, connect: Connect) -> None:
    """The operator only has to copy it."""
    telegram.fail_next("getChat", 400, moved_to=-1009)
    (problem,) = await connect(agents_chat=GROUP).examine()
    assert "-1009" in problem.message


async def test_trouble_on_the_way_is_a_warning(telegram: TelegramServer, connect: Connect) -> None:
    """A server error says nothing about the settings."""
    telegram.forum(GROUP)
    telegram.fail_next("getChat", 502)
    telegram.fail_next("getWebhookInfo", 500)
    problems = await connect(agents_chat=GROUP).examine()
    assert [problem.warning for problem in problems] == [True, True]
