"""The Graph API over HTTP: every answer is a success read from JSON, or one of our errors."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import httpx

from bot.contracts import PermanentError, TemporaryError
from connectors.whatsapp.errors import error_of, explained
from connectors.whatsapp.settings import Account

TIMEOUT_SECONDS = 20.0
UPLOAD_SECONDS = 30.0
MAX_DOWNLOAD = 25 * 1024 * 1024
TOO_LARGE = "the file is larger than 25 MB"
MAX_ANSWER = 1024 * 1024
MAX_REDIRECTS = 3
CONNECTIONS = 100

# Where the platform keeps files. The token goes there and to the API's own host, and nowhere else.
HOSTS = ("facebook.com", "fbsbx.com", "fbcdn.net", "whatsapp.net")


def _silence_libraries() -> None:
    """Keep addresses of files, which let anyone in, out of the log."""
    for name in ("httpx", "httpcore"):
        logger = logging.getLogger(name)
        logger.setLevel(max(logger.level, logging.WARNING))


class Graph:
    """One account's calls.

    Args:
        account: the token and where to call.
    """

    def __init__(self, account: Account) -> None:
        _silence_libraries()
        self._account = account
        self._http = httpx.AsyncClient(
            timeout=TIMEOUT_SECONDS, limits=httpx.Limits(max_connections=CONNECTIONS), follow_redirects=False
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def get(self, path: str, *, media: bool = False, **params: str) -> dict[str, Any]:
        """Read an object; ``path`` is its id. Raises TemporaryError or PermanentError."""
        return await self._call("GET", quote(path, safe=""), media=media, params=params)

    async def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Send JSON to an edge of the number, such as ``messages``. Raises TemporaryError or PermanentError."""
        return await self._call("POST", f"{self._account.number_id}/{path}", json=body)

    async def upload(self, name: str, data: bytes, mime: str) -> str:
        """Hand over a file; its id. Raises TemporaryError or PermanentError."""
        answer = await self._call(
            "POST",
            f"{self._account.number_id}/media",
            data={"messaging_product": "whatsapp", "type": mime},
            files={"file": (name, data, mime)},
            timeout=UPLOAD_SECONDS,
        )
        media_id = answer.get("id")
        if not media_id:
            raise TemporaryError("WhatsApp took a file without naming it")
        return str(media_id)

    async def _call(self, method: str, path: str, *, media: bool = False, **options: Any) -> dict[str, Any]:
        url = f"{self._account.base_url}/{path}"
        async with self._open(method, url, **options) as answer:
            body = await _within(answer, MAX_ANSWER)
        try:
            read = json.loads(body or b"")
        except ValueError:
            read = None
        if answer.is_success and isinstance(read, dict) and not error_of(read):
            return read
        if answer.is_success and not error_of(read):
            raise TemporaryError("WhatsApp's answer is not what the Graph API sends")
        raise explained(answer.status_code, read, answer.headers, self._account.token, media=media)

    @asynccontextmanager
    async def _open(self, method: str, url: str, **options: Any) -> AsyncIterator[httpx.Response]:
        headers = {"Authorization": f"Bearer {self._account.token}"}
        try:
            async with self._http.stream(method, url, headers=headers, **options) as answer:
                yield answer
        except httpx.TimeoutException:
            raise TemporaryError("WhatsApp did not answer in time") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise TemporaryError(f"WhatsApp did not answer properly: {type(error).__name__}") from None

    async def download(self, media_id: str) -> bytes:
        """A file by its id; at most 25 MB. The token is sent to the platform's hosts only.

        Raises:
            TemporaryError: not now.
            PermanentError: it is too large, gone, or not on the platform's servers.
        """
        told = await self.get(media_id, media=True, phone_number_id=self._account.number_id)
        size = told.get("file_size")
        if isinstance(size, int) and size > MAX_DOWNLOAD:
            raise PermanentError(TOO_LARGE)
        url = str(told.get("url", ""))
        for _ in range(MAX_REDIRECTS + 1):
            if not self._is_platform(url):
                raise PermanentError("the file is not on WhatsApp's servers")
            async with self._open("GET", url) as answer:
                if answer.is_redirect:
                    url = urljoin(url, answer.headers["location"])
                    continue
                if answer.is_success:
                    data = await _within(answer, MAX_DOWNLOAD)
                    if data is None:
                        raise PermanentError(TOO_LARGE)
                    return data
                # The address is good for five minutes, and was given a moment ago.
                raise explained(answer.status_code, None, answer.headers, self._account.token, media=True)
        raise PermanentError("the file's address leads round in a circle")

    def _is_platform(self, url: str) -> bool:
        parts, base = urlsplit(url), urlsplit(self._account.base_url)
        name = parts.hostname or ""
        if parts.scheme == "https" and any(name == host or name.endswith(f".{host}") for host in HOSTS):
            return True
        return bool(name) and parts.netloc == base.netloc and parts.scheme == base.scheme


async def _within(answer: httpx.Response, limit: int) -> bytes | None:
    """The body of an answer; None if it has more than ``limit`` bytes, of which the rest is not read."""
    body = bytearray()
    async for chunk in answer.aiter_bytes():
        body += chunk
        if len(body) > limit:
            return None
    return bytes(body)
