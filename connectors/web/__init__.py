"""The web chat: a page of our own and a button for the merchant's pages. See ``docs/web-chat.md``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.contracts import Connector

if TYPE_CHECKING:
    from connectors import Host

SWITCH = ""


def create(host: Host) -> Connector:
    """Build the connector.

    Raises:
        ConfigError: a setting under ``connectors.web`` cannot be used, or a catalogue is missing.
    """
    from connectors.web.client import WebConnector

    return WebConnector(host)
