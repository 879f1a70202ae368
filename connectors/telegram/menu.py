"""The menus of commands, one a language and a kind of chat; set once, and again when they have changed."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bot.config import Config, ConfigError
from bot.contracts import ChannelDown, LinguadeskError, TemporaryError
from bot.texts import Interface
from bot.words import interface
from connectors.common import shorten
from connectors.telegram.api import Api
from connectors.telegram.convert import COMMANDS, GROUP_COMMANDS, place

log = logging.getLogger(__name__)

FILE = "telegram-menu.json"
TRIES = 5
PAUSE_SECONDS = 5.0
MAX_DESCRIPTION = 256
ROOM_COMMANDS = ("r", "claim", "resolve", "back")

_Menu = dict[str, Any]


def menus(config: Config, agents_chat: str = "") -> list[_Menu]:
    """The parameters of each ``setMyCommands``.

    A menu without ``language_code``, in the default language, is what everybody sees whose language
    has none of its own. Telegram knows languages of two letters only: of several that begin alike
    (``zh-Hans``, ``zh-Hant``) the one that is configured first is shown.
    """
    found = [*_customers(config.settings.shop.default_language, "")]
    seen: set[str] = set()
    for language in config.settings.languages:
        code = language.partition("-")[0].lower()
        if len(code) == 2 and code not in seen:
            seen.add(code)
            found += _customers(language, code)
    if agents_chat:
        words = interface(config.settings.shop.default_language)
        commands = [(name, words(f"room.command.{name}")) for name in ROOM_COMMANDS]
        found.append(_menu(commands, {"type": "chat"} | place(agents_chat), ""))
    return found


def _customers(language: str, code: str) -> Iterator[_Menu]:
    try:
        words = Interface(language, "platform")
    except ConfigError as error:
        log.warning("no menu of commands in %s: %s", language, error)
        return
    for scope, names in (("all_private_chats", tuple(COMMANDS)), ("all_group_chats", GROUP_COMMANDS)):
        yield _menu([(name, words(f"command.{name}")) for name in names], {"type": scope}, code)


def _menu(commands: Sequence[tuple[str, str]], scope: dict[str, Any], code: str) -> _Menu:
    described = [{"command": name, "description": shorten(words, MAX_DESCRIPTION)} for name, words in commands]
    return {"commands": described, "scope": scope} | ({"language_code": code} if code else {})


async def set_menus(api: Api, config: Config, bot: int, agents_chat: str = "") -> None:
    """Tell Telegram the menus, one after the other, unless it knows them already.

    Args:
        api: the bot's access.
        config: languages, and the data folder, where what was set last is remembered.
        bot: the bot's id: another bot has menus of its own.
        agents_chat: the agents' group, which has commands of its own; ``""`` if there is none.
    """
    wanted, path = menus(config, agents_chat), config.data_dir / FILE
    digest = hashlib.sha256(json.dumps([bot, wanted], sort_keys=True).encode()).hexdigest()
    known = _known(path, bot)
    if known.get("digest") == digest:
        return
    kept = [_place(menu) for menu in wanted]
    try:
        for menu in wanted:
            await _patiently(api, "setMyCommands", menu)
        for scope, code in known.get("menus", []):
            if [scope, code] not in kept:
                gone = {"scope": scope} | ({"language_code": code} if code else {})
                await _patiently(api, "deleteMyCommands", gone)
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"bot": bot, "digest": digest, "menus": kept})
        await asyncio.to_thread(path.write_text, text, encoding="utf-8")
    except (LinguadeskError, OSError) as error:
        log.warning("the menus of commands could not be set, trying again at the next start: %s", error)
        return
    log.info("Telegram: %d menus of commands are set", len(wanted))


def _place(menu: _Menu) -> list[Any]:
    return [menu["scope"], menu.get("language_code", "")]


def _known(path: Path, bot: int) -> dict[str, Any]:
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) and known.get("bot") == bot else {}


async def _patiently(api: Api, method: str, params: dict[str, Any]) -> None:
    for left in reversed(range(TRIES)):
        try:
            await api.call(method, **params)
            return
        except TemporaryError as error:
            if not left or isinstance(error, ChannelDown):
                raise
            await asyncio.sleep(PAUSE_SECONDS if error.retry_after is None else error.retry_after)
