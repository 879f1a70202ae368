"""A conversation as a file for its customer: what was said, by whom, when by the customer's own clock.

Nothing is in it that the customer has not seen or written: no internal notes, no readings, no names of
agents, nothing that was deleted or could not be delivered.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple, Protocol
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_time, get_timezone_name
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.config import Shop
from bot.contracts import Author, Media, Param
from bot.services.customers import zone_of
from bot.services.privacy import ERASED
from bot.storage import clean, now
from bot.storage.models import Conversation, Message, Outbox, OutboxStatus, PrivacyRequest, StoredFile

# What a button asks for a transcript with, in place of a ticket's number.
ASKED = "#transcript"
NEWEST = 5000
# First-strong isolate, its end, right-to-left mark (Unicode Standard Annex 9): each line keeps its own
# direction, whatever else stands in it.
ISOLATE, END_ISOLATE, RIGHT_TO_LEFT = "\u2068", "\u2069", "\u200f"
# Blocks of letters that are written from right to left: Hebrew to Arabic Extended, and presentation forms.
_RIGHT = (("\u0590", "\u08ff"), ("\ufb1d", "\ufdff"), ("\ufe70", "\ufeff"))
_INDENT = "    "
_PAYLOAD = re.compile(r"/\w+(?:\{.*\})?", re.DOTALL)
_VOICE = {Author.CUSTOMER: "you", Author.AGENT: "agent"}


class Wording(Protocol):
    """Where words come from: :class:`bot.texts.Texts`."""

    @property
    def shop(self) -> Shop:
        """The merchant."""
        ...

    def text(self, key: str, language: str, params: Mapping[str, Param] | None = None, variation: int = 0) -> str:
        """The words of a text key in a language."""
        ...


class _Line(NamedTuple):
    """One message: who, when, what, and the names of its files."""

    author: Author
    at: datetime
    text: str
    files: Sequence[str]


async def write(
    session: AsyncSession, texts: Wording, files_dir: Path, conversation: Conversation, language: str
) -> Media:
    """Write a conversation to a file with an unguessable name; the file to send, to this conversation only.

    It is erased with everything else when the customer asks for that.

    Args:
        session: the transaction.
        texts: the words around what was said.
        files_dir: where files are.
        conversation: which one; of a very long one the newest messages.
        language: of the words around it.
    """
    await session.flush()
    zone = ZoneInfo(await zone_of(session, conversation, texts.shop) or texts.shop.timezone)
    page = _page(texts, language, zone, await _lines(session, conversation))
    folder = files_dir / "exports"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{secrets.token_urlsafe(24)}.txt"
    path.write_text(clean(page), encoding="utf-8", newline="\n")
    path.chmod(0o600)
    session.add(
        PrivacyRequest(
            kind="transcript",
            conversation_id=conversation.id,
            customer_id=conversation.customer_id,
            completed_at=now(),
            detail={"file": f"exports/{path.name}"},
        )
    )
    day = now().astimezone(zone).date().isoformat()
    return Media(f"exports/{path.name}", f"chat-{day}.txt", "text/plain")


async def _lines(session: AsyncSession, conversation: Conversation) -> list[_Line]:
    """What was said, oldest first."""
    rows = (
        await session.execute(
            select(Message, Outbox.body, Outbox.status)
            .outerjoin(Outbox, Outbox.id == Message.outbox_id)
            .where(Message.conversation_id == conversation.id)
            .order_by(Message.id.desc())
            .limit(NEWEST)
        )
    ).all()
    names = await _files(session, conversation)
    titles: dict[str, str] = {}
    lines = []
    for message, body, status in reversed(rows):
        sent: dict[str, Any] = body or {}
        titles |= {
            item["payload"]: item["title"] for kind in ("buttons", "quick_replies") for item in sent.get(kind, ())
        }
        if message.change == "deleted" or message.text == ERASED or status is OutboxStatus.DEAD:
            continue
        # Of a pressed button its title, as the customer saw it.
        text = titles.get(message.text, "" if _PAYLOAD.fullmatch(message.text) else message.text)
        attached = [*(str(item["name"]) for item in sent.get("media", ())), *names.get(message.id, ())]
        if text.strip() or attached:
            lines.append(_Line(message.author, message.created_at, text.strip(), list(dict.fromkeys(attached))))
    return lines


async def _files(session: AsyncSession, conversation: Conversation) -> dict[int, list[str]]:
    """The names of files by message."""
    found: dict[int, list[str]] = {}
    where = (StoredFile.conversation_id == conversation.id, StoredFile.message_id.is_not(None))
    for item in await session.scalars(select(StoredFile).where(*where).order_by(StoredFile.id)):
        if item.name != ERASED:
            found.setdefault(item.message_id or 0, []).append(item.name or item.kind)
    return found


def _page(texts: Wording, language: str, zone: ZoneInfo, lines: Sequence[_Line]) -> str:
    """The whole file."""
    locale = Locale.parse(language, sep="-")
    right = locale.text_direction == "rtl"
    who = {author: texts.text(f"utter_transcript_{_VOICE.get(author, 'assistant')}", language) for author in Author}
    clock = get_timezone_name(now().astimezone(zone), width="long", locale=locale)
    page = [texts.text("utter_transcript_title", language), clock]
    day = ""
    for line in lines:
        local = line.at.astimezone(zone)
        if (today := format_date(local.date(), "full", locale=locale)) != day:
            day = today
            page += ["", day]
        hour = format_time(local, "short", tzinfo=zone, locale=locale)
        files = [texts.text("utter_transcript_file", language, {"name": name}) for name in line.files]
        first, *more = [*line.text.splitlines(), *files] if line.text else files
        page.append(f"[{hour}] {who[line.author]}: {_isolated(first, right)}")
        page += [_INDENT + _isolated(text, right) for text in more]
    mark = RIGHT_TO_LEFT if right else ""
    return "".join(f"{mark if line else ''}{line}\n" for line in page)


def _isolated(text: str, right: bool) -> str:
    """Words that keep to themselves in a line of the other direction."""
    if right or any(begin <= char <= end for char in text for begin, end in _RIGHT):
        return f"{ISOLATE}{text}{END_ISOLATE}"
    return text
