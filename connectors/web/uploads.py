"""Files that customers send: bounded, and believed only when their bytes agree."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import PurePosixPath

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from bot.contracts import Attachment
from connectors.web.http import Refused, body_within

MAX_BYTES = 10 * 1024 * 1024
# Room for the other fields and the separators of a multipart body.
OVERHEAD = 64 * 1024
SUFFIX = {
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/gif": ".gif",
    "image/webp": ".webp",
    "application/pdf": ".pdf",
}
SAME = {"image/jpg": "image/jpeg", "image/pjpeg": "image/jpeg", "application/x-pdf": "application/pdf"}
UNSTATED = {"", "application/octet-stream"}


def sniff(data: bytes) -> str:
    """The type that a file's first bytes prove; empty when they prove none that is accepted."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    if data.startswith(b"%PDF-"):
        return "application/pdf"
    return ""


def described(name: str, declared: str, data: bytes) -> Attachment:
    """What an uploaded file is, not yet stored (``ref`` is empty).

    Raises:
        Refused: 400 for an empty file, 413 for one that is too large, 415 for one that is neither
            an image nor a PDF, or that is not what it says it is.
    """
    if not data:
        raise Refused(400, "empty", "The file is empty.")
    if len(data) > MAX_BYTES:
        raise Refused(413, "too_large", f"A file may be {MAX_BYTES // 1024 // 1024} MB large.")
    found = sniff(data)
    stated = declared.partition(";")[0].strip().lower()
    stated = SAME.get(stated, stated)
    if not found or (stated not in UNSTATED and stated != found):
        raise Refused(415, "bad_type", "Only PNG, JPEG, GIF and WebP images and PDF files can be sent.")
    stem = PurePosixPath(name.replace("\\", "/")).stem[:150] or "file"
    kind = "image" if found.startswith("image/") else "document"
    return Attachment(kind, "", f"{stem}{SUFFIX[found]}", found, len(data))


async def read_upload(request: Request) -> tuple[str, Attachment, bytes]:
    """The fields ``id`` and ``file`` of a multipart body: the id, what the file is, its bytes.

    Raises:
        Refused: the body is too large, not multipart, lacks a field, or the file is refused.
    """
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise Refused(415, "not_multipart", "Send multipart/form-data with the fields id and file.")
    body = await body_within(request, MAX_BYTES + OVERHEAD)

    async def once() -> AsyncGenerator[bytes, None]:
        yield body

    try:
        form = await MultiPartParser(request.headers, once(), max_files=1, max_fields=8).parse()
    except (MultiPartException, KeyError):
        raise Refused(400, "bad_body", "The multipart body is broken, or holds more than one file.") from None
    try:
        client_id, file = form.get("id"), form.get("file")
        if not isinstance(file, UploadFile) or not isinstance(client_id, str):
            raise Refused(400, "bad_body", "Send the fields id and file.")
        data = await file.read()
        return client_id, described(file.filename or "", file.content_type or "", data), data
    finally:
        await form.close()
