"""The REST channel, in the shape of Rasa's: a POST brings a message, its answer brings the replies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.contracts import Connector

if TYPE_CHECKING:
    from connectors import Host

SWITCH = ""


def create(host: Host) -> Connector:
    """Build the connector.

    Raises:
        ConfigError: a setting under ``connectors.rest`` cannot be used.
    """
    from connectors.rest.client import RestConnector

    return RestConnector(host)
