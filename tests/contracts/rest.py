"""The REST channel, in Rasa's shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import httpx

from bot.contracts import Address, Inbound, Outgoing
from connectors.rest.convert import to_inbound, to_payload
from tests.contracts.channel import Call, Channel, Seen

PATH = "/webhooks/rest/webhook"
TOKEN = "a-token-for-the-loopback"


class Rest(Channel):
    """One caller."""

    name = "rest"
    address = Address("rest", "ana", "ana")
    # Nobody answers in most of these tests, and the call would wait for it.
    options: ClassVar[Mapping[str, Any]] = {"wait_seconds": 0.05}

    def env(self, server: Any) -> dict[str, str]:
        """With a token, so that there is something to forge."""
        return {"LINGUADESK_REST_TOKEN": TOKEN}

    def text(self, words: str, number: int) -> Any:
        """With the caller's own id of the message."""
        return {"sender": "ana", "message": words, "message_id": str(number)}

    async def deliver(self, client: httpx.AsyncClient, payload: Any) -> httpx.Response:
        """With the token."""
        return await client.post(PATH, json=payload, headers={"Authorization": f"Bearer {TOKEN}"})

    async def forge(self, client: httpx.AsyncClient, payload: Any) -> httpx.Response | None:
        """With another token."""
        return await client.post(PATH, json=payload, headers={"Authorization": f"Bearer {TOKEN[:-1]}"})

    async def bring(self, client: httpx.AsyncClient, raw: bytes) -> httpx.Response:
        """As JSON, it says."""
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
        return await client.post(PATH, content=raw, headers=headers)

    def inbound(self, payload: Any) -> list[Inbound]:
        """One event."""
        return [to_inbound(payload)]

    def calls(self, message: Outgoing) -> list[Call]:
        """One list, whatever is in it."""
        return [Call("", {"items": to_payload(message, lambda media: media.path)})]

    def seen(self, calls: list[Call]) -> Seen:
        """Text, buttons and addresses of files."""
        items = [item for call in calls for item in call.params["items"]]
        buttons = [button for item in items for button in item.get("buttons", ())]
        return Seen(
            tuple(item["text"] for item in items if "text" in item),
            tuple((button["title"], button["payload"]) for button in buttons),
            tuple(item["attachment"]["payload"]["src"] for item in items if "attachment" in item),
        )


CHANNEL = Rest()
