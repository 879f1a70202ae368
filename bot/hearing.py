"""What a message says: the recogniser, asked early and with what is known of whoever writes.

A message is understood before anything is locked. What the conversation knows helps: the language it is held
in, where a few words could be of several, and the day it is for the customer when they write of "yesterday".
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from bot.config import Shop
from bot.contracts import Address, Inbound, Kind, Parse, Recognizer
from bot.services.customers import zone_of
from bot.storage import clean, now
from bot.storage.models import Conversation

# What is anticipated and not asked for by then was an event that was known already.
MAX_ANTICIPATED = 64
ANTICIPATED_SECONDS = 60.0
MAX_REMEMBERED = 2000


@dataclass(frozen=True, slots=True)
class Heard:
    """An event with what was understood of it."""

    event: Inbound
    parse: Parse
    pressed: bool


class _Begun(NamedTuple):
    text: str
    language: str
    parsing: asyncio.Future[Parse]
    at: float


class Listener:
    """Understands events.

    Args:
        recognizer: intents, entities and language.
        shop: whose day it is where the customer's is not known.
    """

    def __init__(self, recognizer: Recognizer, shop: Shop) -> None:
        self._recognizer = recognizer
        self._shop = shop
        self._zone = ZoneInfo(shop.timezone)
        self._begun: dict[tuple[str, str], _Begun] = {}
        # The language of conversations that this process has handled lately; only for what is begun early.
        self._languages: dict[Address, str] = {}

    def anticipate(self, event: Inbound) -> None:
        """Begin to understand an event that is about to be committed: the disk is slower than the recogniser."""
        text, moment = clean(event.text), time.monotonic()
        if len(self._begun) >= MAX_ANTICIPATED:
            fresh = {key: item for key, item in self._begun.items() if item.at > moment - ANTICIPATED_SECONDS}
            self._begun = fresh
        if event.kind is Kind.MESSAGE and not event.payload and len(self._begun) < MAX_ANTICIPATED:
            language = self._languages.get(event.address, "")
            parsing = asyncio.ensure_future(self._recognizer.parse(text, language=language, today=self._today()))
            # Whether it is wanted or not, its failure is nobody's: understanding tries it again.
            parsing.add_done_callback(lambda done: done.cancelled() or done.exception())
            self._begun[event.address.channel, event.external_id] = _Begun(text, language, parsing, moment)

    def note(self, event: Inbound, language: str) -> None:
        """The language in which the conversation of an event is held now."""
        self._languages.pop(event.address, None)
        self._languages[event.address] = language
        if len(self._languages) > MAX_REMEMBERED:
            del self._languages[next(iter(self._languages))]

    async def understand(self, event: Inbound, language: str) -> Heard:
        """What an event says; needs no transaction and may take its time. ``language`` is the conversation's so far."""
        if event.kind is not Kind.MESSAGE:
            return Heard(event, Parse(event.text, "", 0.0), False)
        if event.payload:
            parse = await self._recognizer.parse(event.payload)
            if parse.intent and parse.confidence == 1.0 and event.payload.startswith("/"):
                return Heard(event, replace(parse, text=event.text or event.payload), True)
        return Heard(event, await self._parse(event, language), event.text.startswith("/") and bool(event.text))

    async def choice(self, event: Inbound, payload: str) -> Heard:
        """An event by which a button was chosen in words."""
        return Heard(event, replace(await self._recognizer.parse(payload), text=event.text), True)

    async def dated(
        self, session: AsyncSession, conversation: Conversation, received_at: datetime, heard: Heard
    ) -> Heard:
        """The same with dates as they are meant where the customer is, on the day the message came."""
        if heard.pressed or not heard.parse.values("date"):
            return heard
        zone = await zone_of(session, conversation, self._shop)
        day = received_at.astimezone(ZoneInfo(zone) if zone else self._zone).date()
        if day == self._today():
            return heard
        parse = await self._recognizer.parse(heard.event.text, language=conversation.language, today=day)
        return replace(heard, parse=parse)

    def _today(self) -> date:
        return now().astimezone(self._zone).date()

    async def _parse(self, event: Inbound, language: str) -> Parse:
        """What the recogniser makes of an event's text, which may be under way already."""
        begun = self._begun.pop((event.address.channel, event.external_id), None)
        if begun is not None and (begun.text, begun.language) == (event.text, language):
            with contextlib.suppress(Exception):
                return await begun.parsing
        return await self._recognizer.parse(event.text, language=language, today=self._today())
