"""One folder a channel. Each package offers ``SWITCH`` and ``create(host) -> Connector``.

``SWITCH`` names the environment variable that turns the channel on; ``""`` for a channel of our own
web server, which needs none. Importing the package must not import the vendor's library: that
happens in ``create``, so that a channel that is off costs nothing.
"""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bot.config import Config, ConfigError, Problem
from bot.contracts import Address, Connector, Overview, RoomView
from bot.storage import Database
from bot.texts import Texts


async def _nothing(_address: Address) -> Overview:
    return Overview("", False)


async def _no_room(_channel: str, _chat: str, _thread: str) -> RoomView | None:
    return None


@dataclass(frozen=True, slots=True)
class Host:
    """What the program lends to a connector.

    ``overview`` is what a customer's home page shows; ``room`` what is known of a room of agents by
    channel, chat and thread, None where there is no such room.
    """

    database: Database
    config: Config
    env: Mapping[str, str]
    texts: Texts
    overview: Callable[[Address], Awaitable[Overview]] = _nothing
    room: Callable[[str, str, str], Awaitable[RoomView | None]] = _no_room


def load(name: str) -> Any:
    """A channel's package.

    Raises:
        ConfigError: there is no such channel.
    """
    if name.isidentifier():
        try:
            return importlib.import_module(f"connectors.{name}")
        except ModuleNotFoundError as error:
            if error.name != f"connectors.{name}":
                raise
    raise ConfigError(Problem("config.yml", 0, f"connectors: there is no channel called {name!r}"))


def enabled(config: Config, only: frozenset[str] | None = None) -> list[str]:
    """The channels to run: ``only`` these, or those that are listed and switched on.

    A channel is listed under ``connectors:`` in ``config.yml`` and switched on by the environment.
    """
    if only is not None:
        return sorted(only)
    names = []
    for name, options in config.settings.connectors.items():
        switch = load(name).SWITCH
        if options.get("enabled", True) and (not switch or config.env.get(switch)):
            names.append(name)
    return names


def create(name: str, host: Host) -> Connector:
    """Build a channel's connector.

    Raises:
        ConfigError: there is no such channel, its library is not installed, or a secret is missing.
    """
    module = load(name)
    try:
        connector: Connector = module.create(host)
    except ModuleNotFoundError as error:
        raise ConfigError(
            Problem("config.yml", 0, f"connectors: {name} needs the package {error.name}; install linguadesk[{name}]")
        ) from None
    return connector
