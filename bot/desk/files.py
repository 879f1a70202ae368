"""Attachments: only for signed-in users, never run in the desk's name."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path

from starlette.responses import FileResponse, Response

from bot.desk.pages import NOT_FOUND, PageError, Visit
from bot.storage import reports
from bot.storage.models import FileStatus, StoredFile

# Shown in place. Everything else, and above all SVG and HTML, is only offered for saving.
INLINE = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
AUDIO = frozenset({"audio/mpeg", "audio/ogg", "audio/wav", "audio/mp4"})
PDF = "application/pdf"
HEAD = 16
_BEGINNINGS = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"OggS", "audio/ogg"),
    (b"ID3", "audio/mpeg"),
    (b"\xff\xfb", "audio/mpeg"),
    (b"\xff\xf3", "audio/mpeg"),
    (b"\xff\xf2", "audio/mpeg"),
    (b"%PDF-", PDF),
)


def sniff(head: bytes) -> str:
    """What a file is by its first :data:`HEAD` bytes, ``""`` for anything that is not shown in place.

    Names and types are what a stranger says; only the bytes decide.
    """
    for beginning, mime in _BEGINNINGS:
        if head.startswith(beginning):
            return mime
    if head[:4] == b"RIFF":
        return {b"WEBP": "image/webp", b"WAVE": "audio/wav"}.get(head[8:12], "")
    if head[4:8] == b"ftyp" and head[8:12] in (b"M4A ", b"M4B "):
        return "audio/mp4"
    return ""


def _found(folder: Path, row: StoredFile) -> Path | None:
    if row.status is not FileStatus.STORED or not row.path:
        return None
    folder = folder.resolve()
    path = (folder / row.path).resolve()
    return path if path.is_relative_to(folder) and path.is_file() else None


def _type_of(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return sniff(stream.read(HEAD))
    except OSError:
        return ""


async def previews(folder: Path, rows: Iterable[StoredFile]) -> dict[int, str]:
    """How each stored file is shown: ``image``, ``audio``, ``pdf`` or ``file``; read from its bytes."""

    def look() -> dict[int, str]:
        found = {}
        for row in rows:
            path = _found(folder, row)
            mime = _type_of(path) if path is not None else ""
            found[row.id] = "pdf" if mime == PDF else mime.partition("/")[0] or "file"
        return found

    return await asyncio.to_thread(look)


async def serve(visit: Visit) -> Response:
    """One attachment. Raises :class:`PageError` where it is unknown or not here."""
    async with visit.desk.database.read() as session:
        row = await reports.stored_file(session, visit.id())
    path = _found(visit.desk.config.files_dir, row) if row is not None else None
    if row is None or path is None:
        raise PageError(*NOT_FOUND)
    mime = await asyncio.to_thread(_type_of, path)
    shown = mime in INLINE or mime in AUDIO
    return FileResponse(
        path,
        media_type=mime if shown else "application/octet-stream",
        filename="".join(char if char.isprintable() else "_" for char in row.name) or path.name,
        content_disposition_type="inline" if shown else "attachment",
        headers={
            "Content-Security-Policy": "default-src 'none'; sandbox",
            "Cross-Origin-Resource-Policy": "same-origin",
        },
    )
