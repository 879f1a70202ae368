"""Attachments: only for signed-in users, never run in the desk's name."""

from __future__ import annotations

from starlette.responses import FileResponse, Response

from bot.desk.pages import NOT_FOUND, PageError, Visit
from bot.storage import reports
from bot.storage.models import FileStatus

# Shown in place. Everything else, and above all SVG and HTML, is only offered for saving.
INLINE = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})


def is_image(mime: str) -> bool:
    """Whether a file of this type is shown in place."""
    return mime.split(";")[0].strip().lower() in INLINE


async def serve(visit: Visit) -> Response:
    """One attachment. Raises :class:`PageError` where it is unknown or not here."""
    async with visit.desk.database.read() as session:
        row = await reports.stored_file(session, visit.id())
    if row is None or row.status is not FileStatus.STORED or not row.path:
        raise PageError(*NOT_FOUND)
    folder = visit.desk.config.files_dir.resolve()
    path = (folder / row.path).resolve()
    if not path.is_relative_to(folder) or not path.is_file():
        raise PageError(*NOT_FOUND)
    image = is_image(row.mime)
    return FileResponse(
        path,
        media_type=row.mime.split(";")[0].strip().lower() if image else "application/octet-stream",
        filename="".join(char if char.isprintable() else "_" for char in row.name) or path.name,
        content_disposition_type="inline" if image else "attachment",
        headers={
            "Content-Security-Policy": "default-src 'none'; sandbox",
            "Cross-Origin-Resource-Policy": "same-origin",
        },
    )
