"""The menus of commands: per language and kind of chat, set once."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from bot.config import Config
from bot.contracts import TemporaryError
from bot.texts import SOURCE_LANGUAGE, Interface
from connectors.telegram.api import Api
from connectors.telegram.convert import COMMANDS
from connectors.telegram.menu import FILE, menus, set_menus
from tests.connectors.telegram.conftest import Connect, Noting
from tests.fakes.telegram_server import TelegramServer

GROUP = -1001234567890
PRIVATE, GROUPS, AGENTS = "all_private_chats", "all_group_chats", f"chat{GROUP}"


def speaking(config: Config, *languages: str) -> Config:
    return replace(config, settings=config.settings.model_copy(update={"languages": languages}))


@pytest.fixture
async def api(telegram: TelegramServer) -> AsyncIterator[Api]:
    """The bot's access; none of these tests receives."""
    access = Api(telegram.token, telegram.url)
    yield access
    await access.close()


async def test_each_kind_of_chat_has_its_menu(telegram: TelegramServer, api: Api, config: Config) -> None:
    """All seven commands in private, two in groups, the agents' own in their group; in English for everybody."""
    await set_menus(api, speaking(config, "en"), 1, str(GROUP))
    assert set(telegram.commands) == {(PRIVATE, ""), (PRIVATE, "en"), (GROUPS, ""), (GROUPS, "en"), (AGENTS, "")}
    names = {place: [item["command"] for item in menu] for place, menu in telegram.commands.items()}
    assert names[PRIVATE, ""] == ["start", "help", "orders", "human", "language", "cancel", "privacy"] == list(COMMANDS)
    assert names[GROUPS, "en"] == ["help", "human"]
    assert names[AGENTS, ""] == ["r", "claim", "resolve", "back"]
    assert telegram.commands[GROUPS, ""][0]["description"] == "What I can do for you"


def test_telegram_knows_languages_of_two_letters(config: Config) -> None:
    """Of both kinds of Chinese the first is shown; a language that Telegram has no code for falls back."""
    words = {language: Interface(language, "platform") for language in (SOURCE_LANGUAGE,)}
    found = menus(speaking(config, "en", "en-GB", "fil"))
    assert [menu.get("language_code", "") for menu in found] == ["", "", "en", "en"]
    assert found[0]["commands"][1]["description"] == words["en"]("command.help")


async def test_menus_are_set_only_when_they_have_changed(telegram: TelegramServer, api: Api, config: Config) -> None:
    """A restart asks nothing of Telegram; another bot, or other languages, do."""
    await set_menus(api, speaking(config, "en"), 1)
    requests = len(telegram.calls)
    await set_menus(api, speaking(config, "en"), 1)
    assert len(telegram.calls) == requests
    await set_menus(api, speaking(config, "en"), 2)
    assert len(telegram.calls) == 2 * requests


async def test_a_menu_that_is_not_wanted_any_more_goes(telegram: TelegramServer, api: Api, config: Config) -> None:
    """The agents' commands end with the agents' group."""
    await set_menus(api, speaking(config, "en"), 1, str(GROUP))
    await set_menus(api, speaking(config, "en"), 1)
    assert set(telegram.commands) == {(PRIVATE, ""), (PRIVATE, "en"), (GROUPS, ""), (GROUPS, "en")}


async def test_a_wait_is_obeyed(telegram: TelegramServer, api: Api, config: Config) -> None:
    """Thirty requests in a row may be too many for Telegram."""
    telegram.fail_next("setMyCommands", 429, retry_after=1, skip=1)
    telegram.fail_next("setMyCommands", 502)
    await set_menus(api, speaking(config, "en"), 1)
    assert len(telegram.commands) == 4


@pytest.mark.parametrize("status", [400, 401, 500])
async def test_a_failure_is_a_line_in_the_log(
    status: int, telegram: TelegramServer, api: Api, config: Config, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing stops, and the next start tries again."""
    telegram.fail_next("setMyCommands", status, times=5)
    if status == 401:
        telegram.token = "1:other"
    await set_menus(api, speaking(config, "en"), 1)
    assert "menus of commands could not be set" in caplog.text
    assert not (config.data_dir / FILE).exists()


@pytest.mark.parametrize("content", ["", "[]", "{", '{"bot": 1}', '{"bot": 1, "digest": "x", "menus": []}'])
async def test_a_spoilt_note_of_the_last_time_is_no_trouble(
    content: str, telegram: TelegramServer, api: Api, config: Config
) -> None:
    """What cannot be read counts as never set."""
    config.data_dir.mkdir(parents=True)
    (config.data_dir / FILE).write_text(content, encoding="utf-8")
    await set_menus(api, speaking(config, "en"), 1)
    assert len(telegram.commands) == 4
    assert json.loads((config.data_dir / FILE).read_text(encoding="utf-8"))["bot"] == 1


async def test_the_start_sets_them_in_the_background(
    telegram: TelegramServer, connect: Connect, noting: Noting, config: Config
) -> None:
    """All configured languages get theirs, while messages are taken."""
    telegram.fail_next("setMyCommands", 500)
    await connect(agents_chat=GROUP).start(noting)
    await telegram.user_says(5512003344, "hello")
    await noting.taken(1)
    codes = {language.partition("-")[0] for language in config.settings.languages}
    await telegram.until(lambda: (AGENTS, "") in telegram.commands)
    spoken = {code for scope, code in telegram.commands if scope == PRIVATE}
    assert {"", "en"} <= spoken <= codes | {""}


async def test_api_errors_leave_no_token(telegram: TelegramServer, api: Api) -> None:
    """What Telegram says may quote the address, which contains the token."""
    telegram.fail_next("setMyCommands", 500, f"error at /bot{telegram.token}/setMyCommands")
    with pytest.raises(TemporaryError) as caught:
        await api.call("setMyCommands", commands=[{"command": "a", "description": "b"}])
    assert telegram.token not in str(caught.value)
