"""What Slack says of people: their name and the language they have set. A hint that may be lost at any time."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, replace

from bot.contracts import Address, Inbound
from bot.engine import match_language
from connectors import Host
from connectors.slack.api import Api

log = logging.getLogger(__name__)

PERSON_SECONDS = 3600.0
AGAIN_SECONDS = 60.0
MAX_PEOPLE = 10_000
PATIENCE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Person:
    """Language (BCP 47) and name as set in Slack, and when that was asked for (monotonic)."""

    locale: str = ""
    name: str = ""
    asked: float = -PERSON_SECONDS


class People:
    """Asks ``users.info`` in the background, and remembers for an hour."""

    def __init__(self, api: Api, host: Host) -> None:
        self._api = api
        self._host = host
        self._known: dict[str, Person] = {}

    def described(self, event: Inbound) -> Inbound:
        """The event with what is known of its sender; asking Slack now would delay the answer."""
        person = self._known.get(event.address.user, Person())
        return replace(event, locale=person.locale, name=person.name or event.name)

    def refresh(self, user: str) -> None:
        """Ask in the background, so that the next event has it."""
        if self._is_due(user):
            self._api.spawn(self._ask(user), wanted=False)

    async def language(self, address: Address) -> str:
        """In which language to speak to a customer: the conversation's, else the one set in Slack."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                overview = await self._host.overview(address)
                if overview.language:
                    return overview.language
                if self._is_due(address.user):
                    await self._ask(address.user)
        except Exception as error:
            log.info("Slack: the language of a conversation is not known: %s", type(error).__name__)
        return self.guess(address.user)

    def guess(self, user: str) -> str:
        """The language without asking anybody: the one set in Slack if it is known, else the shop's."""
        settings = self._host.config.settings
        locale = self._known.get(user, Person()).locale
        return match_language(locale, settings.languages) or settings.shop.default_language

    def _is_due(self, user: str) -> bool:
        return time.monotonic() - self._known.get(user, Person()).asked >= PERSON_SECONDS

    async def _ask(self, user: str) -> None:
        if len(self._known) >= MAX_PEOPLE:
            self._known.pop(next(iter(self._known)))
        before = self._known.pop(user, Person())
        # While it is not known it is asked for again soon, though not by every event.
        self._known[user] = replace(before, asked=time.monotonic() - PERSON_SECONDS + AGAIN_SECONDS)
        try:
            answer = await self._api.ask("users.info", user=user, include_locale=True)
            person = answer.get("user") or {}
            shown = person.get("real_name") or person.get("name") or ""
            self._known[user] = Person(person.get("locale") or "", shown, time.monotonic())
        except Exception as error:
            log.info("Slack: a person's language is not known: %s", error)
