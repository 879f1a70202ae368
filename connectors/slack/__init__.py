"""Slack. Guide: ``docs/slack.md``."""

from __future__ import annotations

from bot.contracts import Connector
from connectors import Host

SWITCH = "SLACK_BOT_TOKEN"


def create(host: Host) -> Connector:
    """Build the connector.

    Raises:
        ConfigError: a setting is missing or wrong.
    """
    from connectors.slack.client import SlackConnector

    return SlackConnector(host)
