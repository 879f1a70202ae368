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

from bot.config import Shop
from bot.contracts import Address, Inbound, Kind, Parse, Recognizer
from bot.services.customers import zone_of
from bot.storage import Database, clean, now
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


class Held(NamedTuple):
    """What is known of the conversation of an event before anything is locked."""

    conversation_id: int
    language: str
    received_at: datetime


class _Begun(NamedTuple):
    said: tuple[str, str, date]
    parsing: asyncio.Future[Parse]
    at: float


class Listener:
    """Understands events.

    Args:
        database: where it stands in which time zone a customer is.
        recognizer: intents, entities and language.
        shop: whose day it is where the customer's is not known.
    """

    def __init__(self, database: Database, recognizer: Recognizer, shop: Shop) -> None:
        self._database = database
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
            said = (text, self._languages.get(event.address, ""), self._day(now()))
            parsing = asyncio.ensure_future(self._asked(said))
            # Whether it is wanted or not, its failure is nobody's: understanding tries it again.
            parsing.add_done_callback(lambda done: done.cancelled() or done.exception())
            self._begun[event.address.channel, event.external_id] = _Begun(said, parsing, moment)

    def note(self, event: Inbound, language: str) -> None:
        """The language in which the conversation of an event is held now."""
        self._languages.pop(event.address, None)
        self._languages[event.address] = language
        if len(self._languages) > MAX_REMEMBERED:
            del self._languages[next(iter(self._languages))]

    async def understand(self, event: Inbound, held: Held | None = None) -> Heard:
        """What an event says; needs no transaction and may take its time.

        Args:
            event: what came.
            held: what is known of its conversation, where it has one.
        """
        if event.kind is not Kind.MESSAGE:
            return Heard(event, Parse(event.text, "", 0.0), False)
        if event.payload:
            parse = await self._recognizer.parse(event.payload)
            if parse.intent and parse.confidence == 1.0 and event.payload.startswith("/"):
                return Heard(event, replace(parse, text=event.text or event.payload), True)
        return Heard(event, await self._parse(event, held), event.text.startswith("/") and bool(event.text))

    async def choice(self, event: Inbound, payload: str) -> Heard:
        """An event by which a button was chosen in words."""
        return Heard(event, replace(await self._recognizer.parse(payload), text=event.text), True)

    async def _parse(self, event: Inbound, held: Held | None) -> Parse:
        """What the recogniser makes of an event's text, which may be under way already."""
        language = held.language if held else ""
        said = event.text, language, self._day(held.received_at if held else now())
        begun = self._begun.pop((event.address.channel, event.external_id), None)
        parse = None
        if begun is not None and begun.said[::2] == said[::2]:
            with contextlib.suppress(Exception):
                parse = await begun.parsing
                if begun.said != said and parse.language.language != language:
                    # What the conversation's language would have tipped may have fallen the other way.
                    parse = None
        parse = parse or await self._asked(said)
        if held is None or not parse.values("date"):
            return parse
        # Dates are meant where the customer is, on the day the message came.
        async with self._database.glance() as session:
            conversation = await session.get(Conversation, held.conversation_id)
            zone = await zone_of(session, conversation, self._shop) if conversation is not None else ""
        day = held.received_at.astimezone(ZoneInfo(zone)).date() if zone else said[2]
        return parse if day == said[2] else await self._asked((event.text, language, day))

    async def _asked(self, said: tuple[str, str, date]) -> Parse:
        text, language, day = said
        return await self._recognizer.parse(text, language=language, today=day)

    def _day(self, moment: datetime) -> date:
        return moment.astimezone(self._zone).date()
