"""Telegram's part of the environment and of ``config.yml``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from bot.config import Config, ConfigError, Problem, line_of, load_yaml

PATH = "/webhooks/telegram"

_SECRET = re.compile(r"[A-Za-z0-9_-]{1,256}")
_GROUP = re.compile(r"-\d{1,18}")


def webhook_secret(env: Mapping[str, str]) -> str:
    """The webhook's secret; ``""`` when polling.

    Raises:
        ConfigError: a webhook without a usable secret, or an address that Telegram cannot call.
    """
    url, secret = env.get("TELEGRAM_WEBHOOK_URL", ""), env.get("TELEGRAM_WEBHOOK_SECRET", "")
    if not url:
        return ""
    if urlsplit(url).scheme not in {"https", "http"} or not urlsplit(url).netloc:
        message = "TELEGRAM_WEBHOOK_URL is not an address such as https://desk.example.com; leave it empty to poll"
        raise ConfigError(Problem("environment", 0, message))
    if not _SECRET.fullmatch(secret):
        message = (
            "TELEGRAM_WEBHOOK_SECRET must be 1 to 256 letters, digits, _ or - when TELEGRAM_WEBHOOK_URL is set; "
            'make one with: python3 -c "import secrets; print(secrets.token_urlsafe(32))"'
        )
        raise ConfigError(Problem("environment", 0, message))
    return secret


def webhook_url(url: str) -> str:
    """The address to register: ``/webhooks/telegram`` is added unless a path is given."""
    return url if urlsplit(url).path.strip("/") else url.rstrip("/") + PATH


def agents_problem(config: Config, message: str, warning: bool = False) -> Problem:
    """Something to say about ``agents_chat``, with its line in ``config.yml``."""
    try:
        document = load_yaml(config.home / "config.yml", "config.yml")
        line = line_of(document, "connectors", "telegram", "agents_chat")
    except ConfigError:
        line = 0
    return Problem("config.yml", line, f"connectors.telegram.agents_chat: {message}", warning)


def agents_chat(config: Config) -> str:
    """The id of the agents' group, ``""`` where there is none.

    Raises:
        ConfigError: the setting is not the id of a group.
    """
    value = (config.settings.connectors.get("telegram") or {}).get("agents_chat")
    if value is None or value == "":
        return ""
    if isinstance(value, bool) or not isinstance(value, int | str) or not _GROUP.fullmatch(str(value).strip()):
        message = "this is not the id of a group; it is a number such as -1001234567890, see docs/telegram.md"
        raise ConfigError(agents_problem(config, message))
    return str(value).strip()
