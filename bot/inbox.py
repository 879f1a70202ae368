"""The inbox: events are committed here before a platform is told that they arrived."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.contracts import Address, Attachment, Inbound
from bot.storage import Database, clean, insert_ignore, now, signal
from bot.storage.models import Conversation, Inbox

TOPIC = "inbox"
MAX_ID = 200


def _kept(item: Attachment) -> Attachment:
    """A file's description made safe to store. Its ``ref`` is given back to the platform, so it is
    neither cut nor put into another form."""
    ref = item.ref.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")
    return replace(
        item, kind=clean(item.kind)[:24], ref=ref, name=clean(item.name)[:200], mime=clean(item.mime)[:120]
    )


def cleaned(event: Inbound) -> Inbound:
    """The event with every text of it made safe to store, and the short ones cut to their columns."""
    address = event.address
    return replace(
        event,
        external_id=clean(event.external_id)[:MAX_ID],
        address=Address(
            address.channel, clean(address.chat)[:120], clean(address.user)[:120], clean(address.thread)[:120]
        ),
        text=clean(event.text),
        payload=clean(event.payload)[:1000],
        attachments=tuple(map(_kept, event.attachments)),
        locale=clean(event.locale)[:35],
        name=clean(event.name)[:200],
    )


async def conversation_id(session: AsyncSession, event: Inbound) -> int:
    """The id of the conversation at the event's address, which is made if it is new."""
    key = event.address.key
    where = (Conversation.channel == event.address.channel, Conversation.address_key == key)
    found = await session.scalar(select(Conversation.id).where(*where))
    if found is not None:
        return found
    values: dict[str, Any] = {
        "channel": event.address.channel,
        "address_key": key,
        "chat": event.address.chat,
        "user": event.address.user,
        "thread": event.address.thread,
        "name": event.name,
        "locale": event.locale,
    }
    await session.execute(insert_ignore(session, Conversation).values(**values))
    return (await session.scalars(select(Conversation.id).where(*where))).one()


async def store(session: AsyncSession, events: Sequence[Inbound]) -> list[int | None]:
    """Store events within a transaction; the inbox id of each, None for one known already."""
    ids: list[int | None] = []
    for event in map(cleaned, events):
        values = {
            "channel": event.address.channel,
            "external_id": event.external_id,
            "conversation_id": await conversation_id(session, event),
            "event": event.to_json(),
            "received_at": now(),
        }
        stored = await session.execute(insert_ignore(session, Inbox).values(**values).returning(Inbox.id))
        ids.append(stored.scalar_one_or_none())
    if any(stored_id is not None for stored_id in ids):
        signal(session, TOPIC)
    return ids


class Acceptor:
    """What connectors call with what they received (:class:`bot.contracts.Accept`)."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def __call__(self, events: Sequence[Inbound]) -> Sequence[int | None]:
        """Commit the events; returns only afterwards (invariant 1)."""
        if not events:
            return []
        async with self._database.begin() as session:
            return await store(session, events)
