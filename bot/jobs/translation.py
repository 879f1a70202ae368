"""Customers' messages and agents' replies are translated: see ``docs/translation.md``."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from bot import agents
from bot.config import Settings
from bot.contracts import Inbound, PermanentError, RoomAction
from bot.jobs.base import Workshop
from bot.services import rooms, translations
from bot.services.translations import SAY, TRANSLATE
from bot.storage import Database, wait
from bot.storage.database import described
from bot.storage.models import Conversation, Inbox, Message, Timer, TimerStatus, User
from bot.translation import AS_WRITTEN, ForReply, for_reply, language_of
from bot.worker import Job

log = logging.getLogger(__name__)

IDLE_SECONDS = 1.0
# A customer waits for an agent's reply: after so many tries the agent is told that it cannot be translated.
REPLY_ATTEMPTS = 5
QUOTED = 200
# These would hold up what else is due, and each other: a server may take its time.
LANES = {TRANSLATE: "translations", SAY: "replies"}


class TranslationPlanner:
    """Finds out what of the open hand-overs is to be translated, until cancelled.

    What is missing follows from the database at any moment: who has the conversation, what they speak,
    what the customer wrote. So nothing needs to be queued with a message, and whoever claims, or passes
    on, or changes their profile, gets the translations that are then needed.

    Args:
        database: where everything is.
        settings: all settings.
    """

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings
        self._known: dict[int, str] = {}

    async def run(self) -> None:
        """Plan for ever."""
        with self._database.hub.watch(rooms.TOPIC) as waiting:
            while True:
                try:
                    await self._look()
                except Exception as error:
                    log.error("translations are not planned for now: %s", described(error))
                    await asyncio.sleep(IDLE_SECONDS)
                await wait(waiting, IDLE_SECONDS)

    async def _look(self) -> None:
        async with self._database.read() as session:
            found = await translations.open_handoffs(session)
            changed = [handoff for handoff, version in found.items() if self._known.get(handoff) != version]
            items = [
                item for handoff in changed for item in await translations.wanted(session, handoff, self._settings)
            ]
        if items:
            async with self._database.begin() as session:
                await translations.plan(session, items)
        self._known = found


@dataclass(frozen=True, slots=True)
class _Made:
    """A translation, and what it is a translation of."""

    read: str
    text: str


@dataclass(frozen=True, slots=True)
class _Asked:
    """What an agent asked for in a room, with their words ready for the customer; ``failed`` if they are not."""

    event: Inbound
    ready: ForReply
    failed: bool = False


def translation_jobs(shop: Workshop) -> dict[str, Job]:
    """What is done for translations when a timer is due."""
    translator = shop.translator
    lanes = LANES if translator is not None else {}

    async def translate(payload: dict[str, Any]) -> _Made | None:
        async with shop.database.read() as session:
            message = await session.get(Message, payload["message"])
            read = message.text if message is not None else ""
        if translator is None or not read:
            return None
        try:
            return _Made(read, await translator.translate(read, payload["from"], payload["to"]))
        except PermanentError as error:
            log.warning("message %d is left untranslated: %s", payload["message"], error)
            return None

    async def keep(session: AsyncSession, payload: dict[str, Any], made: _Made | None) -> None:
        if made is not None and translator is not None:
            await translations.keep(session, payload["message"], made.read, made.text, payload["to"], translator.name)

    # What agents ask for is done in the order in which they asked.
    before = aliased(Timer)
    earlier = select(before.id).where(
        before.kind == SAY,
        before.status == TimerStatus.PENDING,
        before.payload["conversation"].as_integer() == Timer.payload["conversation"].as_integer(),
        before.id < Timer.id,
    )
    replies = _Replies(shop)
    return {
        TRANSLATE: Job(keep, prepare=translate, lane=lanes.get(TRANSLATE, "")),
        SAY: Job(
            replies.do,
            prepare=replies.prepare,
            give_up=replies.give_up,
            mine=~earlier.exists(),
            lane=lanes.get(SAY, ""),
            attempts=REPLY_ATTEMPTS,
        ),
    }


class _Replies:
    """What agents asked for in rooms, where a reply had to be translated first."""

    def __init__(self, shop: Workshop) -> None:
        self._shop = shop

    async def prepare(self, payload: dict[str, Any]) -> _Asked | None:
        """Translate the words, outside of any transaction; None where they were erased meanwhile."""
        settings = self._shop.settings
        async with self._shop.database.read() as session:
            row = await session.get_one(Inbox, payload["inbox"])
            talk = await session.get_one(Conversation, payload["conversation"])
            if not row.event:
                return None
            event = Inbound.from_json(row.event)
            agent = await session.get_one(User, payload["agent"])
        if event.payload != RoomAction.REPLY:
            return _Asked(event, ForReply(event.text))
        text, target = event.text.replace("{agent}", agent.name), self._shop.voice.language(talk)
        source = await language_of(self._shop.recognizer, text, settings.dialogue.language_switch)
        needed = target not in (source, *translations.spoken(agent)) and not text.lstrip().startswith(AS_WRITTEN)
        if needed and self._shop.translator is None:
            # It was switched off meanwhile.
            return _Asked(event, ForReply(text), failed=True)
        try:
            translator = self._shop.translator if needed else None
            ready = await for_reply(translator, text, source or translations.own_language(agent), target)
        except PermanentError as error:
            log.warning("an agent's reply cannot be translated: %s", error)
            return _Asked(event, ForReply(text), failed=True)
        return _Asked(event, ready)

    async def do(self, session: AsyncSession, payload: dict[str, Any], asked: _Asked | None) -> None:
        """Do it, unless it was erased meanwhile; the agent is told why it cannot be done."""
        row = await session.get_one(Inbox, payload["inbox"])
        if asked is None or not row.event:
            return
        if asked.failed:
            await self.give_up(session, payload)
            return
        talk = await session.get_one(Conversation, payload["conversation"], with_for_update=True)
        await agents.act(session, self._shop.voice, talk, asked.event, self._shop.settings, ready=asked.ready)

    async def give_up(self, session: AsyncSession, payload: dict[str, Any]) -> None:
        """Tell the agent that the customer has not got their reply, and what to do."""
        row = await session.get_one(Inbox, payload["inbox"])
        if not row.event:
            return
        event = Inbound.from_json(row.event)
        log.warning("an agent's reply in conversation %d was not sent: no translation", payload["conversation"])
        text = event.text if len(event.text) <= QUOTED else f"{event.text[: QUOTED - 1]}…"
        only = (event.address.channel, event.address.user)
        params = {"text": text, "mark": AS_WRITTEN}
        await rooms.tell(session, payload["conversation"], "handoff.untranslated", params, only=only)
