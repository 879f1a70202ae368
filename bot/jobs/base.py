"""What every job works with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bot.config import Config, Settings
from bot.contracts import Connector, Recognizer, Translator
from bot.outbox import Voice
from bot.storage import Database


@dataclass(frozen=True, slots=True)
class Workshop:
    """The parts that jobs need: database, words and outbox, the connectors that are on, settings and folders."""

    database: Database
    voice: Voice
    connectors: Mapping[str, Connector]
    config: Config
    # None where translation is off.
    translator: Translator | None = None
    recognizer: Recognizer | None = None

    @property
    def settings(self) -> Settings:
        """All settings."""
        return self.config.settings
