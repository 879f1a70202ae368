"""WhatsApp's Cloud API."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

import httpx

from bot.contracts import Address, ChannelDown, Inbound, Outgoing, PermanentError, TemporaryError
from connectors.whatsapp.convert import to_inbound, to_payload
from tests.contracts.channel import Call, Channel, Fault, Seen
from tests.fakes.whatsapp_server import NUMBER_ID, WhatsAppServer, sign, webhook

PATH = "/webhooks/whatsapp"
SIGNATURE = "X-Hub-Signature-256"
ANA = "34600123456"
FILES = ("image", "audio", "video", "document", "sticker")


class WhatsApp(Channel):
    """A chat with a business number."""

    name = "whatsapp"
    address = Address("whatsapp", ANA, ANA)
    limit = 4096

    def server(self) -> AbstractAsyncContextManager[Any]:
        """The Graph API."""
        return WhatsAppServer()

    def env(self, server: Any) -> dict[str, str]:
        """All secrets."""
        env: dict[str, str] = server.env
        return env

    def text(self, words: str, number: int) -> Any:
        """A webhook with one message."""
        ids = {"from": ANA, "from_user_id": "ES.13491208655302741918", "id": f"wamid.HBgLMzQ2MDAxMjM0NTYV{number:08d}"}
        message = ids | {"timestamp": "1795312800", "type": "text", "text": {"body": words}}
        person = {"wa_id": ANA, "user_id": "ES.13491208655302741918", "profile": {"name": "Ana Torres"}}
        return webhook(messages=[message], contacts=[person])

    async def deliver(self, client: httpx.AsyncClient, payload: Any) -> httpx.Response:
        """Signed."""
        return await self.bring(client, json.dumps(payload).encode())

    async def forge(self, client: httpx.AsyncClient, payload: Any) -> httpx.Response | None:
        """Signed with another secret."""
        raw = json.dumps(payload).encode()
        return await client.post(PATH, content=raw, headers={SIGNATURE: sign(raw, "0" * 32)})

    async def bring(self, client: httpx.AsyncClient, raw: bytes) -> httpx.Response:
        """Signed."""
        return await client.post(PATH, content=raw, headers={SIGNATURE: sign(raw)})

    def together(self, payloads: list[Any]) -> Any | None:
        """Several entries in one webhook."""
        return payloads[0] | {"entry": [entry for payload in payloads for entry in payload["entry"]]}

    def inbound(self, payload: Any) -> list[Inbound]:
        """For the number of the fixtures."""
        return to_inbound(payload, NUMBER_ID)

    def definition(self, payload: Any) -> str:
        """All are webhooks."""
        return "webhook"

    def calls(self, message: Outgoing) -> list[Call]:
        """The id of a file is known only once it is uploaded."""
        made = []
        for part in to_payload(message, "Choose"):
            body = dict(part.body)
            if part.file is not None:
                body[body["type"]] = body[body["type"]] | {"id": part.file.path}
            made.append(Call("messages", body))
        return made

    def seen(self, calls: list[Call]) -> Seen:
        """Text is shown as it is, but for markup that cannot be escaped."""
        words, choices, files = [], [], []
        for call in calls:
            kind = call.params["type"]
            content = call.params[kind]
            if kind in FILES:
                files.append(content["id"])
            if kind == "interactive":
                words.append(content["body"]["text"])
                choices += [(_title(row), row["id"]) for row in _rows(content["action"])]
            else:
                words.append(content.get("body") or content.get("caption") or "")
        return Seen(tuple(filter(None, words)), tuple(choices), tuple(files))

    def excess(self, call: Call) -> Iterator[str]:
        """https://developers.facebook.com/docs/whatsapp/cloud-api/reference/messages"""
        kind = call.params["type"]
        content = call.params[kind]
        for name, limit in (("body", 4096), ("caption", 1024)):
            text = content.get(name, ".")
            if isinstance(text, str) and (not text.strip() or self.size(text) > limit):
                yield f"{name} of {self.size(text)}"
        if kind == "interactive":
            yield from self._interactive(content)

    def _interactive(self, content: Mapping[str, Any]) -> Iterator[str]:
        most, title, ids = (3, 20, 256) if content["type"] == "button" else (10, 24, 200)
        rows = list(_rows(content["action"]))
        if not content["body"]["text"].strip() or self.size(content["body"]["text"]) > 1024:
            yield f"body of {self.size(content['body']['text'])}"
        if not 1 <= len(rows) <= most or len({row["id"] for row in rows}) != len(rows):
            yield f"{len(rows)} choices"
        if not 1 <= self.size(content["action"].get("button", ".")) <= 20:
            yield "the button that opens the list"
        for row in rows:
            fits = 1 <= self.size(row["title"]) <= title and 1 <= self.size(row["id"]) <= ids
            if not fits or self.size(row.get("description", "")) > 72:
                yield f"choice {row}"

    def said(self, server: Any) -> list[str]:
        """What the customer's telephone shows."""
        return [sent.text for sent in server.sent(ANA)]

    def requested(self, server: Any) -> list[Call]:
        """Messages and notes of having read."""
        bodies = [body for what, body in server.requests if what == "messages"]
        return [Call("messages", body) for body in [*bodies, *server.read]]

    def faults(self) -> list[Fault]:
        """https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes"""

        def fail(code: int | None = None, **options: Any) -> Any:
            return lambda server: server.fail_next("messages", code, **options)

        return [
            Fault("too many messages", fail(130429), TemporaryError, 1),
            Fault("too many to one customer", fail(131056), TemporaryError, 1),
            Fault("too many calls", fail(80007), TemporaryError, 1),
            Fault("429 for ten minutes", fail(130429, headers={"Retry-After": "600"}), TemporaryError, 600),
            Fault("500", fail(131000)),
            Fault("502 in HTML", fail(status=502)),
            Fault("200 in HTML", fail(status=200, body="<html>Sign in to the network</html>")),
            Fault("cut before", fail(status=0)),
            Fault("cut after", fail(status=0, after=True)),
            Fault("token revoked", fail(190), ChannelDown),
            Fault("undeliverable", fail(131026), PermanentError),
            Fault("not allowed", fail(131030), PermanentError),
            Fault("outside the window, without a template", fail(131047), PermanentError),
        ]

    def cut(self, server: Any, skip: int) -> None:
        """Something went wrong."""
        server.fail_next("messages", 131000, skip=skip)

    async def settled(self, server: Any) -> None:
        """It shows that the message was read, and that it is typing."""
        await server.until(lambda: server.read)


def _rows(action: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from (button["reply"] for button in action.get("buttons", ()))
    yield from (row for section in action.get("sections", ()) for row in section["rows"])


def _title(row: Mapping[str, Any]) -> str:
    return str(row.get("description") or row["title"])


CHANNEL = WhatsApp()
