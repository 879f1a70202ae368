"""The terminal: ``linguadesk chat``."""

from __future__ import annotations

from bot.contracts import Connector
from connectors import Host

SWITCH = ""


def create(host: Host) -> Connector:
    """The terminal's connector."""
    from connectors.terminal.client import Terminal

    return Terminal(host)
