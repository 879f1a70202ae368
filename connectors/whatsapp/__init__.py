"""WhatsApp, through the Cloud API. Guide: ``docs/whatsapp.md``."""

from __future__ import annotations

from bot.contracts import Connector
from connectors import Host

SWITCH = "WHATSAPP_TOKEN"


def create(host: Host) -> Connector:
    """Build the connector.

    Raises:
        ConfigError: a setting is missing or wrong.
    """
    from connectors.whatsapp.client import WhatsAppConnector

    return WhatsAppConnector(host)
