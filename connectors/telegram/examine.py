"""Asks Telegram whether everything is set as the bot needs it, and says what to click where it is not."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from bot.config import Config, Problem
from bot.contracts import ChatMoved, LinguadeskError, PermanentError
from connectors.telegram.api import Api
from connectors.telegram.convert import place
from connectors.telegram.settings import agents_problem, webhook_secret, webhook_url

MANY_WAITING = 100
RECENT_SECONDS = 3600.0


async def examine(api: Api, config: Config, env: Mapping[str, str], agents_chat: str) -> list[Problem]:
    """What is wrong on Telegram's side.

    Args:
        api: the bot's access, open.
        config: for the line of a setting.
        env: the environment.
        agents_chat: the id of the agents' group, ``""`` if there is none.
    """
    try:
        me = await api.call("getMe")
    except LinguadeskError as error:
        words = f"{error}" if "TELEGRAM_BOT_TOKEN" in str(error) else f"TELEGRAM_BOT_TOKEN cannot be tried: {error}"
        advice = "@BotFather shows the token: /mybots, choose the bot, API Token"
        return [_environment(f"{words}. {advice}" if "not accept" in words else words)]
    problems = _groups(me)
    try:
        problems += _webhook(await api.call("getWebhookInfo"), env)
    except LinguadeskError as error:
        problems.append(_environment(f"the state of the webhook cannot be seen: {error}", True))
    if agents_chat:
        problems += await _agents(api, config, agents_chat, me)
    return problems


def _environment(message: str, warning: bool = False) -> Problem:
    return Problem("environment", 0, message, warning)


def _groups(me: Mapping[str, Any]) -> list[Problem]:
    name, problems = f"@{me.get('username', '')}", []
    if me.get("can_read_all_group_messages"):
        message = (
            f"Telegram: {name} receives everything that is said in groups, which it does not need; "
            "@BotFather: /setprivacy, choose the bot, Enable, then add it to its groups again"
        )
        problems.append(_environment(message, True))
    if me.get("can_join_groups") is False:
        message = (
            f"Telegram: {name} cannot be added to groups; "
            "if it should, also for the agents' group, @BotFather: /setjoingroups, choose the bot, Enable"
        )
        problems.append(_environment(message, True))
    return problems


def _webhook(info: Mapping[str, Any], env: Mapping[str, str]) -> list[Problem]:
    wanted, found = "", info.get("url", "")
    if webhook_secret(env):
        wanted = webhook_url(env["TELEGRAM_WEBHOOK_URL"])
    problems = []
    if not wanted and found:
        message = (
            f"Telegram: the bot's messages go to {found}; TELEGRAM_WEBHOOK_URL is empty, so `linguadesk run` will "
            "take that address away and poll. If another program uses this bot, give each its own: @BotFather: /newbot"
        )
        problems.append(_environment(message, True))
    elif wanted != found:
        message = (
            f"Telegram: the bot's messages go to {found or 'nowhere'}, not to {wanted} as TELEGRAM_WEBHOOK_URL says; "
            "`linguadesk run` registers it when it starts"
        )
        problems.append(_environment(message, True))
    waiting = info.get("pending_update_count", 0)
    if waiting > MANY_WAITING:
        message = (
            f"Telegram: {waiting} messages of customers wait to be fetched; start `linguadesk run`, or see its log"
        )
        problems.append(_environment(message, True))
    # Errors of an address that is not ours any more are of no interest.
    if wanted and wanted == found and time.time() - _seconds(info.get("last_error_date")) < RECENT_SECONDS:
        message = (
            f"Telegram could not reach {found}: {info.get('last_error_message', '')}; it must be https with a valid "
            "certificate on port 443, 80, 88 or 8443, and lead to `linguadesk run`"
        )
        problems.append(_environment(message))
    return problems


def _seconds(moment: Any) -> float:
    return float(moment) if isinstance(moment, int | float) else 0.0


async def _agents(api: Api, config: Config, chat: str, me: Mapping[str, Any]) -> list[Problem]:
    name = f"@{me.get('username', '')}"
    try:
        group = await api.call("getChat", **place(chat))
        if group.get("type") != "supergroup" or not group.get("is_forum"):
            message = (
                f"{chat} is not a group with topics; in Telegram open the group, choose its name, Edit, turn on Topics"
                " (its id may change: see docs/telegram.md for how to find it)"
            )
            return [agents_problem(config, message)]
        member = await api.call("getChatMember", **place(chat), user_id=me["id"])
    except ChatMoved as error:
        return [agents_problem(config, f"the group has a new id; set this to {error.chat}")]
    except PermanentError as error:
        message = (
            f"{name} cannot see the group {chat} ({error}); check the id, and add the bot: open the group, choose its "
            f"name, Add members, {name}"
        )
        return [agents_problem(config, message)]
    except LinguadeskError as error:
        return [agents_problem(config, f"the group cannot be looked at: {error}", True)]
    problems = []
    if member.get("status") != "administrator" or not member.get("can_manage_topics"):
        message = (
            f"{name} may not open topics in the group {chat}; open the group, choose its name, Edit, Administrators, "
            f"Add Admin, {name}, and turn on Manage Topics"
        )
        problems.append(agents_problem(config, message))
    if link := group.get("username"):
        message = (
            f"the group {chat} is public (t.me/{link}): whoever joins it can read customers' messages and answer them; "
            "open the group, choose its name, Edit, Group Type, Private"
        )
        problems.append(agents_problem(config, message))
    return problems
