"""Links to files that expire: signed, and good only for the chat they were made for."""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.parse import quote

from itsdangerous import BadData, URLSafeTimedSerializer
from starlette.responses import FileResponse, Response

from bot.contracts import Media
from connectors.web.http import Refused

VALID_SECONDS = 24 * 3600
# What a browser may show in its place; everything else is only ever saved.
SHOWN = ("image/png", "image/jpeg", "image/gif", "image/webp")


class FileLinks:
    """Makes and serves links to files below one folder.

    Args:
        key: the secret that signs them.
        files_dir: the folder; nothing outside it is ever served.
    """

    def __init__(self, key: str, files_dir: Path) -> None:
        self._signer = URLSafeTimedSerializer(key, salt="linguadesk.file-link")
        self._files_dir = files_dir.resolve()

    def token(self, media: Media, holder: str) -> str:
        """The last part of a link to a file, valid for a day, for ``holder`` alone (a session, a channel)."""
        return str(self._signer.dumps([media.path, media.name, media.mime, holder]))

    async def serve(self, token: str, holder: str) -> Response:
        """The file.

        Raises:
            Refused: 404 for a token that is forged, expired or another's, and for a file that is gone.
        """
        unknown = Refused(404, "not_found", "This link is not valid, or no longer; open the chat again for a new one.")
        try:
            path, name, mime, owner = self._signer.loads(token, max_age=VALID_SECONDS)
        except (BadData, ValueError):
            raise unknown from None
        target = (self._files_dir / path).resolve()
        if owner != holder or not target.is_relative_to(self._files_dir):
            raise unknown
        if not await asyncio.to_thread(target.is_file):
            raise unknown
        headers = {
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name or target.name, safe='')}",
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "default-src 'none'; sandbox",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cache-Control": "private, max-age=3600",
        }
        return FileResponse(target, media_type=mime, headers=headers)
