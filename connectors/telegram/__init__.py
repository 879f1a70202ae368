"""Telegram. Guide: ``docs/telegram.md``."""

from __future__ import annotations

from bot.contracts import Connector
from connectors import Host

SWITCH = "TELEGRAM_BOT_TOKEN"


def create(host: Host) -> Connector:
    """Build the connector.

    Raises:
        ConfigError: a setting is missing or wrong.
    """
    from connectors.telegram.client import TelegramConnector

    return TelegramConnector(host)
