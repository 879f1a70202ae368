"""The check against the platforms' own types can fail, and is made from what is beside it."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from tests.contracts.channel import recorded
from tests.contracts.conftest import CHANNELS
from tests.contracts.schema import SCHEMAS, complaint, known

SECTION = {"type": "section", "text": {"type": "mrkdwn", "text": "Hello"}}
BUTTON = {"type": "button", "action_id": "a", "text": {"type": "plain_text", "text": "Yes"}, "value": "/affirm"}
KEYBOARD = {"inline_keyboard": [[{"text": "Yes", "callback_data": "/affirm"}]]}
LIST = {"button": "Choose", "sections": [{"rows": [{"id": "/a", "title": "A"}]}]}
ANA = {"messaging_product": "whatsapp", "recipient_type": "individual", "to": "34600123456"}

RIGHT: list[tuple[str, str, dict[str, Any]]] = [
    ("telegram", "sendMessage", {"chat_id": 1, "text": "Hello", "reply_markup": KEYBOARD}),
    (
        "telegram",
        "setMyCommands",
        {"commands": [{"command": "help", "description": "Help"}], "scope": {"type": "chat", "chat_id": 1}},
    ),
    (
        "slack",
        "chat.postMessage",
        {"channel": "C1", "text": "Hello", "blocks": [SECTION, {"type": "actions", "elements": [BUTTON]}]},
    ),
    ("slack", "views.publish", {"user_id": "U1", "view": {"type": "home", "blocks": [SECTION]}}),
    ("slack", "view_response", {"response_action": "errors", "errors": {"order_number": "This is none."}}),
    ("whatsapp", "messages", ANA | {"type": "text", "text": {"body": "Hello"}}),
    (
        "whatsapp",
        "messages",
        ANA | {"type": "interactive", "interactive": {"type": "list", "body": {"text": "?"}, "action": LIST}},
    ),
]
WRONG: list[tuple[str, str, dict[str, Any], str]] = [
    ("telegram", "sendMessage", {"chat_id": 1}, "text"),
    ("telegram", "sendMessage", {"chat_id": 1, "text": "Hello", "reply_to": 5}, "reply_to"),
    ("telegram", "sendMessage", {"chat_id": 1, "text": "x" * 4097}, "too long"),
    ("telegram", "sendMessage", {"chat_id": 1, "text": "Hello", "parse_mode": "Markdown3"}, "parse_mode"),
    (
        "telegram",
        "sendMessage",
        {"chat_id": 1, "text": "Hello", "reply_markup": {"inline_keyboard": [[{"text": "Yes"}]]}},
        "reply_markup",
    ),
    ("telegram", "createForumTopic", {"chat_id": 1, "name": "x" * 129}, "too long"),
    ("telegram", "setMyCommands", {"commands": [{"command": "help"}]}, "description"),
    ("slack", "chat.postMessage", {"channel": "C1", "text": "Hello", "blocks": [{"type": "sektion"}]}, "blocks"),
    (
        "slack",
        "chat.postMessage",
        {"channel": "C1", "blocks": [SECTION], "text": "Hello", "threadts": "1.2"},
        "threadts",
    ),
    (
        "slack",
        "chat.postMessage",
        {"channel": "C1", "text": "a", "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3001}}]},
        "too long",
    ),
    (
        "slack",
        "chat.postMessage",
        {"channel": "C1", "text": "a", "blocks": [{"type": "actions", "elements": [BUTTON] * 26}]},
        "too long",
    ),
    (
        "slack",
        "chat.postMessage",
        {"channel": "C1", "text": "a", "blocks": [{"type": "actions", "elements": [BUTTON | {"vaule": "/a"}]}]},
        "vaule",
    ),
    ("slack", "views.open", {"trigger_id": "1", "view": {"type": "modal", "blocks": [SECTION]}}, "title"),
    ("slack", "views.open", {"view": {"type": "home", "blocks": [SECTION]}}, ""),
    ("slack", "view_response", {"response_action": "error", "errors": {}}, ""),
    ("whatsapp", "messages", ANA | {"type": "text", "text": {"text": "Hello"}}, ""),
    (
        "whatsapp",
        "messages",
        ANA
        | {"type": "interactive", "interactive": {"type": "list", "body": {"text": "?"}, "action": {"sections": []}}},
        "",
    ),
]


@pytest.mark.parametrize(("platform", "definition", "request_"), RIGHT)
def test_what_is_right_is_taken(platform: str, definition: str, request_: dict[str, Any]) -> None:
    """Requests of the platform's form have nothing said against them."""
    assert complaint(platform, definition, request_) == ""


@pytest.mark.parametrize(("platform", "definition", "request_", "about"), WRONG)
def test_what_is_wrong_is_refused(platform: str, definition: str, request_: dict[str, Any], about: str) -> None:
    """A misspelt, missing, overlong or unknown field is found, and named where it can be."""
    told = complaint(platform, definition, request_)
    assert told.startswith(f"{definition}: ")
    assert about in told


@pytest.mark.parametrize("platform", ["telegram", "slack", "whatsapp"])
def test_a_misspelt_field_of_an_object_is_found(platform: str) -> None:
    """A field that the platform does not send is refused wherever it is written at the top of a recorded object."""
    channel = next(channel for channel in CHANNELS if channel.name == platform)
    for one in recorded(channel):
        if one.schema:
            spoilt = copy.deepcopy(one.payload)
            spoilt["mesage"] = {}
            assert complaint(platform, channel.definition(spoilt), spoilt) != "", one.name


def test_schemas_say_what_they_are_made_from() -> None:
    """Each names the packages with the versions that are locked; their licences are beside them; none is large."""
    locked = json.loads((SCHEMAS / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    licences = (SCHEMAS / "LICENSES.txt").read_text(encoding="utf-8")
    wanted = json.loads((SCHEMAS / "package.json").read_text(encoding="utf-8"))["devDependencies"]
    made = "".join((SCHEMAS / f"{name}.json").read_text(encoding="utf-8") for name in ("telegram", "slack", "whatsapp"))
    assert len(made) < 1_500_000
    for name, version in wanted.items():
        assert locked[f"node_modules/{name}"]["version"] == version
        if name != "typescript":
            assert f"{name} {version}" in licences
            assert f"{name} {version}" in made
    assert all("resolved" not in entry for entry in locked.values())


def test_every_request_of_a_platform_can_be_checked() -> None:
    """There are definitions for what is sent and for what comes in."""
    assert {"update", "sendMessage", "createForumTopic", "setMyCommands"} <= known("telegram")
    assert {"event_callback", "block_actions", "chat.postMessage", "views.open"} <= known("slack")
    assert {"webhook", "messages"} <= known("whatsapp")
