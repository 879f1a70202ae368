"""Files are fetched from the platforms."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.attachments import FETCH_FILE
from bot.contracts import Attachment, PermanentError, TemporaryError
from bot.jobs.base import Workshop
from bot.storage import signal
from bot.storage.models import Conversation, FileStatus, StoredFile, Timer
from bot.worker import Job

MAX_FILE_BYTES = 25 * 1024 * 1024


def store_file(files_dir: Path, name: str, data: bytes) -> str:
    """Keep the bytes of an attachment under an unguessable name; its path below ``files_dir``."""
    suffix = "".join(char for char in Path(name).suffix.lower() if char.isalnum() or char == ".")[:10]
    path = Path("attachments") / f"{secrets.token_urlsafe(18)}{suffix}"
    target = files_dir / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)
    return path.as_posix()


def file_jobs(shop: Workshop) -> dict[str, Job]:
    """What is done for files when a timer is due."""
    database, connectors, config = shop.database, shop.connectors, shop.config

    async def download(payload: dict[str, Any]) -> bytes | None:
        async with database.read() as session:
            row = await session.get(StoredFile, payload["file"])
            conversation = await session.get_one(Conversation, row.conversation_id) if row else None
        if row is None or conversation is None or row.status is not FileStatus.REMOTE:
            return None
        connector = connectors.get(conversation.channel)
        if connector is None:
            raise TemporaryError(f"the channel {conversation.channel} is off, so its file cannot be fetched")
        try:
            data = await connector.fetch(Attachment(row.kind, row.ref, row.name, row.mime, row.size))
        except PermanentError:
            return None
        return data if len(data) <= MAX_FILE_BYTES else None

    async def keep_file(session: AsyncSession, payload: dict[str, Any], data: bytes | None) -> None:
        # Locked: an erasure may be at it.
        row = await session.get_one(StoredFile, payload["file"], with_for_update=True)
        if row.status is not FileStatus.REMOTE:
            return
        if data is None:
            row.status = FileStatus.FAILED
        else:
            row.path, row.size, row.status = store_file(config.files_dir, row.name, data), len(data), FileStatus.STORED
        signal(session, "desk")

    async def lose_file(session: AsyncSession, payload: dict[str, Any]) -> None:
        await keep_file(session, payload, None)

    # Files of a channel that is off here are left to the process that has it.
    elsewhere = (
        select(StoredFile.id)
        .join(Conversation, Conversation.id == StoredFile.conversation_id)
        .where(StoredFile.id == Timer.payload["file"].as_integer(), Conversation.channel.not_in(list(connectors)))
    )

    return {FETCH_FILE: Job(keep_file, prepare=download, give_up=lose_file, mine=~elsewhere.exists())}
