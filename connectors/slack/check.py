"""``linguadesk check --live``: asks Slack whether everything is set up, and says what to click."""

from __future__ import annotations

from typing import Any

from bot.config import Problem
from bot.contracts import LinguadeskError
from connectors.slack.api import Api
from connectors.slack.convert import SCOPES
from connectors.slack.errors import Refused, RefusedToken
from connectors.slack.settings import Settings

AGAIN = "then under Install App choose Reinstall to Workspace"


def missing_scopes(answer: Any) -> list[str]:
    """The scopes that the app lacks, from an answer of Slack's; none where it does not say."""
    granted = answer.headers.get("x-oauth-scopes")
    if granted is None:
        return []
    given = {scope.strip() for scope in granted.split(",")}
    return [scope for scope in SCOPES if scope not in given]


async def examine(api: Api, settings: Settings) -> list[Problem]:
    """Everything that is wrong with the app, its tokens and the agents' channel."""
    problems = []
    try:
        answer = await api.call("auth.test")
        if missing := missing_scopes(answer):
            message = (
                f"SLACK_BOT_TOKEN: the Slack app lacks the scopes {', '.join(missing)}; at api.slack.com/apps under "
                f"OAuth & Permissions, Bot Token Scopes, choose Add an OAuth Scope for each, {AGAIN}"
            )
            problems.append(Problem("environment", 0, message))
        if settings.agents_channel:
            problems += await _channel(api, settings.agents_channel)
    except RefusedToken as error:
        problems.append(Problem("environment", 0, str(error)))
    except LinguadeskError as error:
        problems.append(Problem("environment", 0, f"Slack at {settings.base_url} could not be asked: {error}"))
    if settings.app_token:
        try:
            await api.socket_address()
        except LinguadeskError as error:
            problems.append(Problem("environment", 0, str(error)))
    return problems


async def _channel(api: Api, channel: str) -> list[Problem]:
    """What is wrong with the agents' channel."""

    def problem(message: str, *, warning: bool = False) -> Problem:
        return Problem("config.yml", 0, f"connectors.slack.agents_channel: {message}", warning)

    try:
        found = (await api.ask("conversations.info", channel=channel)).get("channel") or {}
    except Refused as error:
        advice = (
            "in Slack open the channel's details and compare the Channel ID at the bottom of the tab About; "
            "if the channel is private, write /invite @Linguadesk in it"
        )
        return [problem(f"Slack does not show the bot the channel {channel} ({error.code}); {advice}")]
    except LinguadeskError as error:
        if "scope" not in str(error):
            raise
        return [problem(f"the channel cannot be examined: {error}; {AGAIN}")]
    name = found.get("name", channel)
    if found.get("is_archived"):
        return [problem(f"#{name} is archived; open its details, tab Settings, and choose Unarchive, or name another")]
    problems = []
    if not found.get("is_member"):
        problems.append(problem(f"the bot is not in #{name}; write /invite @Linguadesk there"))
    if not found.get("is_private"):
        message = (
            f"#{name} is public, so everyone in the workspace can read and answer customers; open its details, "
            "tab Settings, and choose Change to a private channel"
        )
        problems.append(problem(message, warning=True))
    return problems
