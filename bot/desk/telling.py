"""Alerts in words."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot.storage.models import Alert
from bot.words import Words

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Told:
    """An alert in words."""

    id: int
    text: str
    created_at: datetime


def _moment(words: Words, value: Any) -> str:
    try:
        return words.moment(datetime.fromisoformat(str(value)))
    except (ValueError, TypeError):
        return str(value)


def told(words: Words, rows: Sequence[Alert]) -> list[Told]:
    """Alerts in the reader's words, the newest first."""
    found = []
    for row in sorted(rows, key=lambda item: -item.id):
        params = {name: _moment(words, value) if name == "time" else value for name, value in row.params.items()}
        try:
            text = words(row.key, **params)
        except (KeyError, IndexError):
            # Words that ask for what the alert does not bring; the link still leads to what it is about.
            log.error("the words of %s do not fit its parameters", row.key)
            text = words("alert.plain")
        found.append(Told(row.id, text, row.created_at))
    return found
