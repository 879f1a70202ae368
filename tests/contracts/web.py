"""The product's own web chat."""

from __future__ import annotations

import re
from typing import Any

import httpx

from bot.contracts import Address, Inbound, Outgoing
from connectors.web.convert import to_inbound, to_payload
from tests.contracts.channel import Call, Channel, Seen

ORIGIN = {"Origin": "http://127.0.0.1"}


class Web(Channel):
    """One visitor of the page."""

    name = "web"
    address = Address("web", "session-of-ana", "session-of-ana")

    def text(self, words: str, number: int) -> Any:
        """What the page posts."""
        return {"id": f"00000000-0000-4000-8000-{number:012d}", "text": words}

    async def deliver(self, client: httpx.AsyncClient, payload: Any) -> httpx.Response:
        """With the cookie of the page."""
        await self._visit(client)
        return await client.post("/chat/messages", json=payload, headers=ORIGIN)

    async def forge(self, client: httpx.AsyncClient, payload: Any) -> httpx.Response | None:
        """With a cookie that was changed."""
        await self._visit(client)
        ((name, value),) = client.cookies.items()
        body, dot, signature = value.rpartition(".")
        # Its first sign: of the last one not all bits count.
        jar = f"{name}={body}{dot}{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"
        headers = ORIGIN | {"Cookie": jar}
        async with httpx.AsyncClient(transport=client._transport, base_url=client.base_url) as other:
            return await other.post("/chat/messages", json=payload, headers=headers)

    async def bring(self, client: httpx.AsyncClient, raw: bytes) -> httpx.Response:
        """As JSON, it says."""
        await self._visit(client)
        return await client.post("/chat/messages", content=raw, headers=ORIGIN | {"Content-Type": "application/json"})

    async def _visit(self, client: httpx.AsyncClient) -> None:
        if not client.cookies:
            (await client.get("/chat")).raise_for_status()

    def inbound(self, payload: Any) -> list[Inbound]:
        """In Ana's session."""
        return [to_inbound(self.address.chat, payload, "en")]

    def calls(self, message: Outgoing) -> list[Call]:
        """One object, whatever is in it."""
        return [Call("", to_payload(message, lambda media: f"/chat/files/{media.path}"))]

    def seen(self, calls: list[Call]) -> Seen:
        """The page shows text as it is."""
        (call,) = calls
        choices = tuple((button["title"], button["payload"]) for button in call.params["buttons"])
        files = tuple(re.sub("^/chat/files/", "", file["url"]) for file in call.params["files"])
        return Seen(tuple(filter(None, (call.params["text"],))), choices, files)


CHANNEL = Web()
