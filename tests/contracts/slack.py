"""Slack, by HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, ClassVar
from urllib.parse import urlencode

import httpx

from bot.contracts import Address, ChannelDown, Inbound, Outgoing, PermanentError, TemporaryError
from connectors.slack.convert import to_inbound, to_payload, unescape
from tests.contracts.channel import Call, Channel, Fault, Seen
from tests.fakes.slack_server import SlackServer

PATH = "/webhooks/slack/events"
ANA, BOT_USER, TEAM, APP, DIRECT = "U2147483697", "U0BOTLING1", "T061EG9R6", "A0MDYCDME", "D024BE91L"
FORM = "application/x-www-form-urlencoded"
# Requests that carry a form instead of JSON: their numbers and truths are words.
FORMS = frozenset({"auth.test", "users.info", "conversations.info", "files.getUploadURLExternal"})


class Slack(Channel):
    """A direct message."""

    name = "slack"
    address = Address("slack", ANA, ANA)
    options: ClassVar[Mapping[str, Any]] = {"agents_channel": "C0AGENTS01"}
    limit = 3000

    def server(self) -> AbstractAsyncContextManager[Any]:
        """The workspace."""
        return SlackServer(patience=1.0)

    def env(self, server: Any) -> dict[str, str]:
        """By HTTP."""
        env: dict[str, str] = server.env()
        return env

    def text(self, words: str, number: int) -> Any:
        """An event of a direct message."""
        stamp = f"1795319000.{number:06d}"
        event = {
            "user": ANA,
            "type": "message",
            "ts": stamp,
            "client_msg_id": f"9f6e7f0a-6d0b-4f6e-9a44-{number:012d}",
            "text": words.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"),
            "team": TEAM,
            "channel": DIRECT,
            "event_ts": stamp,
            "channel_type": "im",
        }
        own = {
            "enterprise_id": None,
            "team_id": TEAM,
            "user_id": BOT_USER,
            "is_bot": True,
            "is_enterprise_install": False,
        }
        return {
            "token": "ZZZZZZWSxiZZZ2yIvs3peJ",
            "team_id": TEAM,
            "api_app_id": APP,
            "event": event,
            "type": "event_callback",
            "event_id": f"Ev{number:08X}",
            "event_time": 1795319000,
            "authorizations": [own],
            "is_ext_shared_channel": False,
        }

    async def deliver(self, client: httpx.AsyncClient, payload: Any) -> httpx.Response:
        """Events as JSON, commands as a form, interactions as JSON in a form."""
        return await self._post(client, *_encoded(payload))

    async def forge(self, client: httpx.AsyncClient, payload: Any) -> httpx.Response | None:
        """Signed with another secret."""
        body, content = _encoded(payload)
        headers = SlackServer().signed(body, secret="0" * 32) | {"Content-Type": content}
        return await client.post(PATH, content=body, headers=headers)

    async def bring(self, client: httpx.AsyncClient, raw: bytes) -> httpx.Response:
        """Signed well, as far as the bytes are text."""
        body = raw.decode("latin-1").encode().decode()
        return await self._post(client, body, "application/json")

    async def _post(self, client: httpx.AsyncClient, body: str, content: str) -> httpx.Response:
        headers = SlackServer().signed(body) | {"Content-Type": content}
        return await client.post(PATH, content=body, headers=headers)

    def inbound(self, payload: Any) -> list[Inbound]:
        """One event at most."""
        event = to_inbound(payload)
        return [event] if event is not None else []

    def definition(self, payload: Any) -> str:
        """By its type; only commands have none."""
        return str(payload.get("type", "slash_command"))

    def answer(self, payload: Any, answer: httpx.Response) -> Call | None:
        """A form that was sent is answered with what to do with it; nothing closes it."""
        said = payload.get("type") == "view_submission" and answer.content
        return Call("view_response", answer.json()) if said else None

    def calls(self, message: Outgoing) -> list[Call]:
        """An upload is three requests of the client's; its file has no schema here."""
        return [
            Call("" if call["method"] == "files_upload_v2" else call["method"], call["params"])
            for call in to_payload(message)
        ]

    def seen(self, calls: list[Call]) -> Seen:
        """The words of the blocks, with the markup undone."""
        words, choices, files = [], [], []
        for call in calls:
            if "file" in call.params:
                files.append(call.params["file"])
                continue
            blocks = call.params["blocks"]
            sections = [block["text"]["text"] for block in blocks if block["type"] == "section"]
            # Notifications, and clients that show no blocks, have the text alone.
            assert unescape(call.params["text"]) == "\n".join(map(unescape, sections))
            words += [unescape(text) for text in sections]
            elements = [item for block in blocks if block["type"] == "actions" for item in block["elements"]]
            choices += [(item["text"]["text"], item.get("value", "")) for item in elements if not _opens_form(item)]
        return Seen(tuple(words), tuple(choices), tuple(files))

    def size(self, text: str) -> int:
        """Slack counts what it gets, signs that are written as entities included."""
        return _units(text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))

    def excess(self, call: Call) -> Iterator[str]:
        """https://docs.slack.dev/reference/block-kit/blocks"""
        blocks = call.params.get("blocks", [])
        if len(call.params.get("text", "")) > 40_000 or len(blocks) > 50:
            yield f"{len(blocks)} blocks"
        actions = [block for block in blocks if block["type"] == "actions"]
        elements = [item for block in actions for item in block["elements"]]
        for values in ([item["action_id"] for item in elements], [block["block_id"] for block in actions]):
            if len(values) != len(set(values)):
                yield f"ids that are there twice: {values}"
        for block in blocks:
            if "text" in block and not 1 <= _units(block["text"]["text"]) <= 3000:
                yield f"{block['type']} of {_units(block['text']['text'])}"
            if any(not 1 <= _units(item["text"]) <= 2000 for item in block.get("fields", ())):
                yield "a field"
        for item in elements:
            if not 1 <= _units(item["text"]["text"]) <= 75 or item.get("value") == "":
                yield f"button {item}"

    def said(self, server: Any) -> list[str]:
        """What the direct message shows."""
        return [post.text for post in server.posts(ANA)]

    def requested(self, server: Any) -> list[Call]:
        """As JSON where Slack takes JSON."""
        found = []
        for method, params in server.calls:
            if "." in method and method != "apps.connections.open":
                told = {name: value for name, value in params.items() if name != "token"}
                found.append(Call(method, _typed(told) if method in FORMS else told))
        return found

    def faults(self) -> list[Fault]:
        """https://docs.slack.dev/reference/methods/chat.postMessage#errors"""

        def fail(status: int = 200, error: str = "", **options: Any) -> Any:
            return lambda server: server.fail_next("chat.postMessage", status, error, **options)

        return [
            Fault("429 for a second", fail(429, retry_after=1), TemporaryError, 1),
            Fault("429 for ten minutes", fail(429, retry_after=600), TemporaryError, 600),
            Fault("500", fail(500)),
            Fault("502 in HTML", fail(502, body="<html>Bad Gateway</html>")),
            Fault("200 in HTML", fail(200, body="<html>Sign in to the network</html>")),
            Fault("Slack is not well", fail(200, "fatal_error")),
            Fault("cut before", fail(0)),
            Fault("cut after", fail(0, after=True)),
            Fault("token revoked", fail(200, "token_revoked"), ChannelDown),
            Fault("token of an app that was removed", fail(200, "account_inactive"), ChannelDown),
            Fault("no such channel", fail(200, "channel_not_found"), PermanentError),
            Fault("archived", fail(200, "is_archived"), PermanentError),
            Fault("too long", fail(200, "msg_too_long"), PermanentError),
        ]

    def refuse_buttons(self, server: Any) -> None:
        """As when Slack has changed its mind about blocks."""
        server.fail_next("chat.postMessage", 200, "invalid_blocks")

    def cut(self, server: Any, skip: int) -> None:
        """A bad gateway."""
        server.fail_next("chat.postMessage", 502, skip=skip)

    async def settled(self, server: Any) -> None:
        """It asks who it is, and in which language the customer has Slack."""
        await server.until(lambda: server.calls_of("auth.test") and server.calls_of("users.info"))


def _units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def _encoded(payload: Any) -> tuple[str, str]:
    if isinstance(payload, dict) and isinstance(payload.get("response_url"), str):
        # The recorded ones lead out into the world.
        payload = payload | {"response_url": "http://127.0.0.1:9/response"}
    kind = payload.get("type") if isinstance(payload, dict) else None
    if isinstance(payload, dict) and "command" in payload:
        return urlencode(payload), FORM
    if kind in ("block_actions", "view_submission", "view_closed", "message_action"):
        return urlencode({"payload": json.dumps(payload)}), FORM
    return json.dumps(payload), "application/json"


def _opens_form(element: Mapping[str, Any]) -> bool:
    return str(element["action_id"]).startswith("form_")


def _typed(params: Mapping[str, Any]) -> dict[str, Any]:
    words = {"1": True, "true": True, "True": True, "0": False, "false": False}
    typed = dict(params)
    for name in typed.keys() & {"include_locale", "include_num_members"}:
        typed[name] = words.get(str(typed[name]), typed[name])
    for name in typed.keys() & {"length"}:
        typed[name] = int(typed[name])
    return typed


CHANNEL = Slack()
