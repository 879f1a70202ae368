"""Forms that may bring a file: read with a limit, before anything is kept."""

from __future__ import annotations

import mimetypes
from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from bot.contracts import LinguadeskError, Media
from bot.desk.files import HEAD, sniff
from bot.desk.pages import BAD_TOKEN, MAX_FORM_BYTES, TOO_LARGE, PageError, Visit
from bot.jobs import store_file
from bot.storage import clean

MAX_UPLOAD_BYTES = 10 * 1024 * 1024
# So much of a body that is too large is read and thrown away, so that the browser hears the answer.
PATIENCE = 8
MAX_NAME = 120


class UploadError(LinguadeskError):
    """A file that is not taken; the text is the reason's key."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A file from a form: the name that it was given, its bytes, and what they are."""

    name: str
    data: bytes
    mime: str

    def store(self, visit: Visit) -> Media:
        """Keep the bytes below the files' folder; the file to send."""
        return Media(store_file(visit.desk.config.files_dir, self.name, self.data), self.name, self.mime)


def discard(visit: Visit, media: Iterable[Media]) -> None:
    """Delete files that were stored and then not sent."""
    for item in media:
        (visit.desk.config.files_dir / item.path).unlink(missing_ok=True)


def _name(given: str) -> str:
    """A name without folders and without what cannot be printed."""
    name = clean(given).replace("\\", "/").rpartition("/")[2]
    name = "".join(char for char in name if char.isprintable()).strip(" .")
    return name[-MAX_NAME:] or "file"


def _type(name: str, data: bytes) -> str:
    """What the bytes are, or what the name says where that is nothing a browser or a chat would open by itself."""
    if found := sniff(data[:HEAD]):
        return found
    said = mimetypes.guess_type(name)[0] or ""
    # A picture or a sound that does not look like one is sent as what it is: some file.
    return said if said.startswith(("application/", "text/", "video/")) else "application/octet-stream"


async def _body(visit: Visit) -> bytes:
    body, limit, seen = bytearray(), MAX_UPLOAD_BYTES + MAX_FORM_BYTES, 0
    async for chunk in visit.request.stream():
        seen += len(chunk)
        if seen <= limit:
            body += chunk
        elif seen > PATIENCE * limit:
            raise PageError(*TOO_LARGE)
    if seen > limit:
        raise UploadError("file_too_large")
    return bytes(body)


async def read(visit: Visit) -> tuple[dict[str, str], Upload | None]:
    """The fields of a form and the file in it, if there is one.

    Raises:
        PageError: its token is missing or belongs to another session, or it cannot be read.
        UploadError: ``file_too_large`` or ``file_empty``.
    """
    if not visit.request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        return await visit.form(), None
    body = await _body(visit)

    async def stream() -> AsyncGenerator[bytes, None]:
        yield body
        yield b""

    parser = MultiPartParser(visit.request.headers, stream(), max_files=1, max_fields=20, max_part_size=MAX_FORM_BYTES)
    try:
        form = await parser.parse()
    except (MultiPartException, KeyError, UnicodeDecodeError):
        raise PageError(400, "bad_request") from None
    fields: dict[str, str] = {}
    upload = None
    try:
        for name, value in form.multi_items():
            if not isinstance(value, UploadFile):
                fields.setdefault(name, value)
            elif value.filename:
                data = await value.read()
                upload = Upload(_name(value.filename), data, _type(value.filename, data))
    finally:
        await form.close()
    if not visit.desk.sessions.token_fits(visit.session, fields.get("token", "")):
        raise PageError(*BAD_TOKEN)
    if upload is not None and not upload.data:
        raise UploadError("file_empty")
    if upload is not None and len(upload.data) > MAX_UPLOAD_BYTES:
        raise UploadError("file_too_large")
    return fields, upload
