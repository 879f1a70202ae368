"""Who speaks, and where."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum


class Owner(StrEnum):
    """Who owns a conversation. The bot speaks only while it is :attr:`BOT`."""

    BOT = "bot"
    QUEUE = "queue"
    PERSON = "person"


class Author(StrEnum):
    """Who wrote a message of a conversation."""

    CUSTOMER = "customer"
    BOT = "bot"
    AGENT = "agent"
    SURVEY = "survey"
    NOTICE = "notice"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a conversation takes place on a platform.

    ``chat`` is the platform's id of the chat or channel, ``user`` the platform's id of the person,
    ``thread`` the platform's thread within the chat, empty where there is none. The four together
    identify one conversation.
    """

    channel: str
    chat: str
    user: str
    thread: str = ""

    @property
    def key(self) -> str:
        """One string that is equal exactly when the addresses are."""
        return json.dumps([self.chat, self.user, self.thread], ensure_ascii=False, separators=(",", ":"))
