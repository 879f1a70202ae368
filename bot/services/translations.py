"""Translations between customers and agents: who needs which, and where they are kept."""

from __future__ import annotations

import logging
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.config import Settings
from bot.contracts import Author, LinguadeskError, PermanentError, Translator
from bot.services import rooms, timers
from bot.services.privacy import ERASED
from bot.storage import clean, now, signal
from bot.storage.models import Conversation, Handoff, Message, Timer, TimerStatus, Translation, User

log = logging.getLogger(__name__)

# A customer's message is translated; an agent's reply from a room is translated and then sent.
TRANSLATE = "translate_message"
SAY = "say_translated"
# So many messages before a hand-over are its beginning.
EARLIER = 20
# Of a long hand-over the newest are looked at; the others were when they were new.
NEWEST = 100
QUOTED = 60


def is_on(settings: Settings) -> bool:
    """Whether there is translation at all."""
    return settings.translation.engine != "off"


def spoken(agent: User) -> Sequence[str]:
    """The languages that an agent can answer in: those in their profile, else the one they use the desk in."""
    return agent.speaks or [agent.language]


def own_language(agent: User) -> str:
    """The language that an agent reads and writes best."""
    return agent.language if agent.language in spoken(agent) else spoken(agent)[0]


def understands(agent: User | None, language: str, settings: Settings) -> bool:
    """Whether an agent needs no translation of a language: it is theirs, or the shop's, which all agents know.

    Of nobody in particular (``None``) only the latter can be said.
    """
    known = [settings.shop.default_language, *(spoken(agent) if agent is not None else ())]
    return not language or language in known


def targets(agent: User | None, settings: Settings) -> list[str]:
    """The languages that a customer's words are translated into: the shop's, and that of the agent who has them."""
    found = [settings.shop.default_language]
    if agent is not None and own_language(agent) not in found:
        found.append(own_language(agent))
    return found


def language_of(message: Message, talk: Conversation, settings: Settings) -> str:
    """The language of a customer's message: its own where that is clear, else the conversation's."""
    sure = (message.parse or {}).get("language_confidence") or 0
    return message.language if message.language and sure >= settings.dialogue.language_switch else talk.language


def _says_something(message: Message) -> bool:
    """Whether there are words in a message that somebody else could read in their language."""
    text = message.text
    return text != ERASED and not text.startswith("/") and any(char.isalpha() for char in text)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A translation that somebody needs and that has not been tried yet."""

    message: int
    source: str
    target: str
    key: str

    @property
    def payload(self) -> dict[str, Any]:
        """What its timer carries: no words."""
        return {"message": self.message, "from": self.source, "to": self.target}


async def open_handoffs(session: AsyncSession) -> dict[int, str]:
    """The open hand-overs with what their translations depend on: a text that changes with it."""
    rows = await session.execute(
        select(Handoff.id, Handoff.agent_id, User.language, User.speaks, Conversation.language, Conversation.updated_at)
        .join(Conversation, Conversation.id == Handoff.conversation_id)
        .outerjoin(User, User.id == Handoff.agent_id)
        .where(Handoff.ended_at.is_(None))
    )
    return {row[0]: repr(tuple(row)) for row in rows}


async def wanted(session: AsyncSession, handoff_id: int, settings: Settings) -> list[Wanted]:
    """What of a hand-over is to be translated and has not been tried."""
    handoff = await session.get_one(Handoff, handoff_id)
    talk = await session.get_one(Conversation, handoff.conversation_id)
    agent = await session.get(User, handoff.agent_id) if handoff.agent_id is not None else None
    here = Message.conversation_id == talk.id
    before = select(Message.id).where(here, Message.created_at <= handoff.started_at).order_by(Message.id.desc())
    first = list(await session.scalars(before.limit(EARLIER)))
    messages = await session.scalars(
        select(Message)
        .where(
            here, Message.author == Author.CUSTOMER, Message.change != "deleted", Message.id >= min(first, default=0)
        )
        .order_by(Message.id.desc())
        .limit(NEWEST)
    )
    found: dict[str, Wanted] = {}
    for message in reversed(messages.all()):
        source = language_of(message, talk, settings)
        if not _says_something(message) or understands(agent, source, settings):
            continue
        for target in targets(agent, settings):
            # What was edited is another text.
            key = f"{TRANSLATE}:{message.id}:{target}:{zlib.crc32(message.text.encode()):08x}"
            found[key] = Wanted(message.id, source, target, key)
    known = set(await session.scalars(select(Timer.key).where(Timer.key.in_(list(found)))))
    return [item for key, item in found.items() if key not in known]


async def plan(session: AsyncSession, items: Sequence[Wanted]) -> None:
    """Have translations made, each once."""
    for item in items:
        await timers.schedule(session, TRANSLATE, now(), item.payload, key=item.key)


async def keep(session: AsyncSession, message_id: int, read: str, text: str, language: str, engine: str) -> bool:
    """Keep what a customer's message says in another language; the agents' rooms are told.

    Args:
        session: the transaction.
        message_id: which message.
        read: what the message said when it was translated.
        text: the translation.
        language: of the translation.
        engine: what translated it.

    Returns:
        False where the message says something else by now, or nothing any more.
    """
    message = await session.get(Message, message_id, with_for_update=True)
    if message is None or message.text != read or message.change == "deleted":
        return False
    # A new row in any case: what shows translations goes by the newest.
    await drop(session, message_id, language)
    row = Translation(message_id=message_id, language=language, text=clean(text), engine=engine[:40])
    session.add(row)
    await session.flush()
    await rooms.tell(session, message.conversation_id, "room.translation", told(read, row.text), shown=message_id)
    signal(session, "desk", f"conversation:{message.conversation_id}")
    return True


async def drop(session: AsyncSession, message_id: int, language: str = "") -> None:
    """Forget what a message says in other languages, or in one of them."""
    where = [Translation.message_id == message_id]
    if language:
        where.append(Translation.language == language)
    await session.execute(delete(Translation).where(*where).execution_options(synchronize_session=False))


def told(read: str, text: str) -> dict[str, str]:
    """What a room is told of a translation that comes after its message: the message's beginning, and it."""
    quote = " ".join(read.split())
    return {"quote": quote if len(quote) <= QUOTED else f"{quote[: QUOTED - 1].rstrip()}…", "text": text}


async def keep_original(session: AsyncSession, outbox_id: int, text: str, language: str, engine: str) -> None:
    """Keep what an agent wrote with the message that was sent to the customer in its place."""
    message_id = await session.scalar(select(Message.id).where(Message.outbox_id == outbox_id))
    if message_id is None:
        raise LookupError("a reply without its message")
    row = Translation(message_id=message_id, language=language, text=clean(text), engine=engine[:40], original=True)
    session.add(row)
    await session.flush()


async def waits(session: AsyncSession, conversation_id: int) -> bool:
    """Whether a reply from a room is still being translated; what follows it must wait for it."""
    found = await session.scalar(
        select(Timer.id)
        .where(
            Timer.kind == SAY,
            Timer.status == TimerStatus.PENDING,
            Timer.payload["conversation"].as_integer() == conversation_id,
        )
        .limit(1)
    )
    return found is not None


async def queue(session: AsyncSession, conversation_id: int, inbox_id: int, agent: User) -> None:
    """Have what an agent asked for in a room done when the replies before it have been translated and sent."""
    payload = {"conversation": conversation_id, "inbox": inbox_id, "agent": agent.id}
    await timers.schedule(session, SAY, now(), payload, key=f"{SAY}:{inbox_id}")


async def of_text(translator: Translator | None, text: str, source: str, target: str) -> str:
    """A text that is no message (a survey's comment) in another language; call it outside of a transaction.

    Returns:
        The translation; ``""`` where there is none: translation is off, fails, or is not needed.
    """
    if translator is None or not text.strip() or not source or source == target:
        return ""
    try:
        return await translator.translate(text, source, target)
    except LinguadeskError as error:
        if isinstance(error, PermanentError):
            log.warning("a text is left untranslated: %s", error)
        return ""
