"""Keeps the agents' rooms on the platforms in step with the hand-overs.

What a room ought to show follows from the database at any moment, so nothing is queued for it: the
keeper compares, and does what is missing one step at a time, each recorded before the next. After a
crash, a pause that the platform asked for, or an hour without a network it goes on from there, and
what has come together meanwhile is said in one message. See ``docs/adr/0006-agents-rooms.md``.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

from sqlalchemy import func, null, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from bot import cards
from bot.canned import CannedReply
from bot.config import Settings
from bot.contracts import AgentSpace, ChatMoved, Connector, Media, Note, PermanentError, Room, RoomView, TemporaryError
from bot.inbox import move_chat
from bot.pace import Pace, backoff
from bot.services import rooms, translations
from bot.storage import Database, clean, insert_ignore, now
from bot.storage.database import described
from bot.storage.models import Conversation, FileStatus, Handoff, Message, RoomRow, StoredFile, Ticket, Translation
from bot.tending import Tending

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=60)
CALL_SECONDS = 36.0
# A chat that takes nothing for longer is left alone meanwhile.
PARK_SECONDS = 2.0
MAX_TOGETHER = 20
NOTE_LENGTH = 3000
# A file that is still on its way is waited for so long before its message is shown without it.
FILE_PATIENCE = timedelta(seconds=20)


@dataclass(frozen=True, slots=True)
class _Step:
    """One call to a platform, and what to record once it has worked."""

    call: Callable[[], Awaitable[Any]]
    changes: Callable[[RoomRow, Any], None]
    # The messages that are shown with it, each with the newest translation that is.
    told: Mapping[int, int] = field(default_factory=dict)


@dataclass(slots=True)
class _Look:
    """A room with what decides whether there is anything to do in it."""

    room: RoomRow
    handoff: Handoff
    version: str
    last: int


def spaces_of(connectors: Mapping[str, Connector]) -> dict[str, AgentSpace]:
    """The agents' spaces of the channels that have one."""
    found = {name: getattr(connector, "agents", None) for name, connector in connectors.items()}
    return {name: space for name, space in found.items() if space is not None}


def _version(handoff: Handoff, talk: Conversation, tickets: Any, translated: int | None) -> str:
    """Changes whenever the card would show something else."""
    parts: tuple[Any, ...] = (
        handoff.agent_id,
        handoff.claimed_at,
        handoff.ended_at,
        handoff.team,
        handoff.offered_to_id,
        handoff.phone,
        talk.customer_id,
        talk.name,
        talk.language,
        talk.unreachable_at,
        tickets,
    )
    if translated is not None:
        parts += (translated,)
    return hashlib.sha256(repr(parts).encode()).hexdigest()


class RoomKeeper:
    """Shows hand-overs in the agents' spaces until cancelled.

    Args:
        database: where everything is.
        spaces: the agents' spaces by channel.
        paces: the limits of the channels, shared with the dispatcher.
        settings: all settings.
    """

    def __init__(
        self, database: Database, spaces: Mapping[str, AgentSpace], paces: Mapping[str, Pace], settings: Settings
    ) -> None:
        self._database = database
        self._spaces = spaces
        self._paces = paces
        self._settings = settings
        self._words = cards.words_of(settings)
        self._tending: Tending[int] = Tending(database, rooms.TOPIC, "the agents' rooms are not kept for now")
        # The newest translation of what a card shows; looked for only where there can be one.
        self._translated: Any = null()
        if translations.is_on(settings):
            self._translated = (
                select(func.max(Translation.id))
                .join(Message, Message.id == Translation.message_id)
                .where(Message.conversation_id == RoomRow.conversation_id, Message.id <= RoomRow.since)
                .correlate(RoomRow)
                .scalar_subquery()
            )

    async def run(self) -> None:
        """Keep the rooms for ever; ends only by cancellation, after what is being said."""
        if not self._spaces:
            await asyncio.Event().wait()
        await self._tending.run(self._look)

    async def _look(self) -> None:
        """Make a room for each hand-over that has none, and see to the rooms in which something is missing."""
        async with self._database.glance() as session:
            missing = await self._without_room(session)
        if missing:
            await self._make(missing)
        async with self._database.read() as session:
            waiting = [item.room.id for item in await self._open(session) if _is_behind(item)]
        for room_id in waiting:
            self._tending.begin(room_id, self._tend)

    async def _without_room(self, session: AsyncSession) -> list[tuple[int, str]]:
        found = []
        for channel in self._spaces:
            has = select(RoomRow.id).where(RoomRow.handoff_id == Handoff.id, RoomRow.channel == channel).exists()
            rows = await session.scalars(select(Handoff.id).where(Handoff.ended_at.is_(None), ~has))
            found += [(handoff, channel) for handoff in rows]
        return found

    async def _make(self, missing: list[tuple[int, str]]) -> None:
        async with self._database.begin() as session:
            for handoff_id, channel in missing:
                handoff = await session.get_one(Handoff, handoff_id)
                talk = handoff.conversation_id
                last = await session.scalar(select(func.max(Message.id)).where(Message.conversation_id == talk)) or 0
                shown = select(Message.id).where(Message.conversation_id == talk).order_by(Message.id.desc())
                files = await session.scalars(
                    select(StoredFile.id)
                    .where(StoredFile.message_id.in_(shown.limit(cards.LAST_MESSAGES)))
                    .order_by(StoredFile.id)
                )
                notes = [{"key": "room.file", "params": {}, "only": "", "alert": False, "file": item} for item in files]
                values = {
                    "handoff_id": handoff_id,
                    "conversation_id": talk,
                    "channel": channel,
                    "chat": self._spaces[channel].chat,
                    "since": last,
                    "shown": last,
                    "notes": notes,
                }
                await session.execute(insert_ignore(session, RoomRow).values(**values))

    async def _open(self, session: AsyncSession, room_id: int | None = None) -> list[_Look]:
        last = select(func.max(Message.id)).where(Message.conversation_id == RoomRow.conversation_id).scalar_subquery()
        tickets = (
            select(func.max(Ticket.updated_at))
            .where(Ticket.conversation_id == RoomRow.conversation_id)
            .scalar_subquery()
        )
        query = (
            select(RoomRow, Handoff, Conversation, last, tickets, self._translated)
            .join(Handoff, Handoff.id == RoomRow.handoff_id)
            .join(Conversation, Conversation.id == RoomRow.conversation_id)
            .where(RoomRow.closed_at.is_(None), RoomRow.channel.in_(list(self._spaces)))
            .order_by(RoomRow.id)
        )
        if room_id is None:
            moment = now()
            free = or_(RoomRow.lease_until.is_(None), RoomRow.lease_until < moment)
            query = query.where(RoomRow.due_at <= moment, free)
        else:
            query = query.where(RoomRow.id == room_id)
        rows = (await session.execute(query)).all()
        return [
            _Look(room, handoff, _version(handoff, talk, updated, translated), newest or 0)
            for room, handoff, talk, newest, updated, translated in rows
        ]

    # ------------------------------------------------------------------ one room

    async def _tend(self, room_id: int) -> None:
        """Do in a room what is missing, step by step, until nothing is or it must wait."""
        try:
            if not await self._lease(room_id):
                return
            while (step := await self._next(room_id)) is not None:
                place = await self._turn(room_id)
                if place is None:
                    return
                channel, chat = place
                try:
                    async with self._paces[channel].turn(chat), asyncio.timeout(CALL_SECONDS):
                        result = await step.call()
                except ChatMoved as error:
                    await self._moved(room_id, error.chat)
                    continue
                except PermanentError as error:
                    # It cannot be shown there, now or later: the rest goes on without it.
                    log.warning("something could not be shown in room %d: %s", room_id, error)
                    await self._record(room_id, step, None, str(error))
                    continue
                await self._record(room_id, step, result)
        except Exception as error:
            await self._put_off(room_id, error)
        else:
            await self._release(room_id)

    async def _moved(self, room_id: int, chat: str) -> None:
        """The agents' group has another id: for this room and all others."""
        async with self._database.begin() as session:
            row = await session.get_one(RoomRow, room_id)
            await move_chat(session, row.channel, row.chat, clean(chat)[:120])

    async def _lease(self, room_id: int) -> bool:
        moment = now()
        async with self._database.begin() as session:
            taken: Any = await session.execute(
                update(RoomRow)
                .where(RoomRow.id == room_id, or_(RoomRow.lease_until.is_(None), RoomRow.lease_until < moment))
                .values(lease_until=moment + LEASE)
                .execution_options(synchronize_session=False)
            )
        return bool(taken.rowcount)

    async def _release(self, room_id: int, **values: Any) -> None:
        async with self._database.begin() as session:
            await session.execute(
                update(RoomRow)
                .where(RoomRow.id == room_id)
                .values(lease_until=None, **values)
                .execution_options(synchronize_session=False)
            )

    async def _turn(self, room_id: int) -> tuple[str, str] | None:
        """Wait until the room's chat takes something, and say which that is, by channel and chat.

        None when that takes long; then the room is looked at later.
        """
        async with self._database.glance() as session:
            channel, chat = (
                await session.execute(select(RoomRow.channel, RoomRow.chat).where(RoomRow.id == room_id))
            ).one()
        pace = self._paces[channel]
        while (delay := pace.delay(chat)) > 0:
            if delay > PARK_SECONDS:
                await self._release(room_id, due_at=now() + timedelta(seconds=delay))
                return None
            await asyncio.sleep(delay)
        return channel, chat

    async def _record(self, room_id: int, step: _Step, result: Any, error: str = "") -> None:
        async with self._database.begin() as session:
            row = await session.get_one(RoomRow, room_id, with_for_update=True)
            step.changes(row, result)
            if step.told:
                await _catch_up(session, row, step.told)
            row.attempts, row.error, row.lease_until = 0, clean(error), now() + LEASE

    async def _put_off(self, room_id: int, error: Exception) -> None:
        """Write down that a step failed, and when it is tried again."""
        try:
            async with self._database.begin() as session:
                row = await session.get_one(RoomRow, room_id, with_for_update=True)
                row.attempts += 1
                wish = error.retry_after if isinstance(error, TemporaryError) else None
                seconds = backoff(min(row.attempts, 16), self._settings.delivery) if wish is None else wish
                if wish is not None:
                    self._paces[row.channel].pause(row.chat, wish)
                row.due_at, row.lease_until = now() + timedelta(seconds=seconds), None
                row.error = clean(str(error) if isinstance(error, TemporaryError) else described(error))
            log.warning("room %d is seen to again in %.0f s: %s", room_id, seconds, row.error)
        except Exception as again:
            log.error("room %d cannot be put off: %s", room_id, described(again))

    async def _next(self, room_id: int) -> _Step | None:
        """The next thing to do in a room; None when it is in step."""
        async with self._database.read() as session:
            found = await self._open(session, room_id)
            if not found:
                return None
            look = found[0]
            row, space = look.room, self._spaces[look.room.channel]
            room = Room(row.chat, row.thread, row.card)
            over = look.handoff.ended_at is not None
            if over and not row.card:
                # Over before anyone could be told: there is nothing to show any more.
                return _Step(_nothing, _closed)
            if not row.card or (not over and row.card_digest != look.version):
                card = await cards.build(session, self._settings, row)
                return _Step(partial(space.show, room, card), partial(_shown, look.version))
            if row.notes and (step := await self._note(session, space, room, row.notes[0])):
                return step
            if look.last > row.shown and (step := await self._said(session, space, room, row)):
                return step
            if over:
                card = await cards.build(session, self._settings, row)
                return _Step(partial(space.close, room, card), _closed)
            return None

    async def _note(self, session: AsyncSession, space: AgentSpace, room: Room, note: dict[str, Any]) -> _Step | None:
        done = partial(_noted, note)
        media: tuple[Media, ...] = ()
        if "file" in note:
            stored = await session.get(StoredFile, note["file"])
            if stored is not None and stored.status is FileStatus.REMOTE and stored.created_at > now() - FILE_PATIENCE:
                return None
            if stored is None or stored.status is not FileStatus.STORED:
                return _Step(_nothing, done)
            media = (Media(stored.path, stored.name or stored.kind, stored.mime),)
        text = cards.note_text(self._words, note)
        told = Note(text, media, only_for=note["only"], alert=note["alert"])
        return _Step(partial(space.note, room, told), done)

    async def _said(self, session: AsyncSession, space: AgentSpace, room: Room, row: RoomRow) -> _Step | None:
        """What was said since the last look: several texts in one message, a file in one of its own."""
        items = await cards.said(session, self._words, row, after=row.shown, limit=MAX_TOGETHER)
        lines: list[str] = []
        last = row.shown
        for item in items:
            coming = any(file.status is FileStatus.REMOTE for file in item.files)
            if coming and item.created_at > now() - FILE_PATIENCE:
                break
            stored = [file for file in item.files if file.status is FileStatus.STORED]
            if stored:
                if not lines:
                    media = tuple(Media(file.path, file.name or file.kind, file.mime) for file in stored)
                    told = Note(item.shown(NOTE_LENGTH), media)
                    return _Step(partial(space.note, room, told), partial(_told, item.id), _translated([item]))
                break
            line = item.shown(NOTE_LENGTH)
            if lines and sum(map(len, lines)) + len(line) > NOTE_LENGTH:
                break
            lines.append(line)
            last = item.id
        if not lines:
            return None
        told = Note("\n".join(lines))
        return _Step(partial(space.note, room, told), partial(_told, last), _translated(items[: len(lines)]))


def _is_behind(look: _Look) -> bool:
    room = look.room
    over = look.handoff.ended_at is not None
    return over or not room.card or room.card_digest != look.version or bool(room.notes) or look.last > room.shown


def _translated(items: Sequence[cards.Said]) -> dict[int, int]:
    return {item.id: item.translated for item in items}


async def _catch_up(session: AsyncSession, row: RoomRow, told: Mapping[int, int]) -> None:
    """Have translations shown that were made while the messages themselves were being shown.

    Those that come later are told of when they are stored; the room is locked either way, so none is missed.
    """
    found = await session.execute(
        select(Translation, Message.text)
        .join(Message, Message.id == Translation.message_id)
        .where(Translation.message_id.in_(list(told)), Translation.original.is_(False))
        .order_by(Translation.id)
    )
    notes = [
        {"key": "room.translation", "params": translations.told(text, made.text), "only": "", "alert": False}
        for made, text in found
        if made.id > told[made.message_id]
    ]
    if notes:
        row.notes = [*row.notes, *notes]


async def _nothing() -> None:
    """Nothing is said."""


def _closed(row: RoomRow, _result: Any) -> None:
    row.closed_at = now()


def _shown(version: str, row: RoomRow, result: Room | None) -> None:
    if result is None:
        # Refused for good: looked at again only when there is something else to show.
        row.card_digest = version
        row.due_at = now() + timedelta(minutes=5)
        return
    row.chat, row.thread, row.card = result.chat, clean(result.thread)[:120], clean(result.card)[:120]
    row.card_digest = version if row.card else ""


def _noted(note: dict[str, Any], row: RoomRow, _result: Any) -> None:
    if row.notes and row.notes[0] == note:
        row.notes = row.notes[1:]


def _told(last: int, row: RoomRow, _result: Any) -> None:
    row.shown = max(row.shown, last)


@dataclass(frozen=True, slots=True)
class Rooms:
    """Answers what a connector asks of a room of agents (``Host.room``)."""

    database: Database
    settings: Settings
    canned: Mapping[str, tuple[CannedReply, ...]] = field(default_factory=dict)

    async def view(self, channel: str, chat: str, thread: str) -> RoomView | None:
        """What an agent's form needs to know of a room; None where there is no such room."""
        async with self.database.read() as session:
            room = await rooms.find(session, channel, chat, thread)
            if room is None:
                return None
            going_on = await rooms.is_going_on(session, room)
            talk = await session.get_one(Conversation, room.conversation_id)
        language = talk.language or self.settings.shop.default_language
        replies = self.canned.get(language) or self.canned.get(self.settings.shop.default_language, ())
        shop = self.settings.shop.name
        return RoomView(
            going_on=going_on,
            language=language,
            desk_language=cards.words_of(self.settings).language,
            canned=tuple((item.name, item.filled(customer=talk.name, shop=shop)) for item in replies),
        )
