"""The words of Slack's own places (forms, home page, short notices) in the customer's language."""

from __future__ import annotations

from functools import lru_cache

from bot.config import ConfigError
from bot.texts import SOURCE_LANGUAGE, Interface

DOMAIN = "platform"


@lru_cache(maxsize=64)
def words(language: str) -> Interface:
    """The words of a language, or English for one that has no catalogue of them."""
    try:
        return Interface(language, DOMAIN)
    except ConfigError:
        return Interface(SOURCE_LANGUAGE, DOMAIN)
