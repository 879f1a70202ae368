"""Slack's modal forms: what they look like, and what was filled in. No I/O.

https://docs.slack.dev/surfaces/modals
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from bot.contracts import Address, Inbound, Kind, RoomAction
from bot.texts import Interface
from connectors.common import shorten
from connectors.slack.blocks import MAX_LABEL, MAX_MODAL_TITLE, MAX_PLACEHOLDER, options, plain_text
from connectors.slack.words import words

# The forms by the slot that a message asks for, and the buttons that open them.
ORDER, COMPLAINT, REPLY = "form_order", "form_complaint", "agent_reply"
FORM_OF = {"order_number": ORDER, "complaint_type": COMPLAINT}
CANNED = "agent_canned"

MAX_ORDER_NUMBER = 60
MAX_DESCRIPTION = 2900
MAX_REPLY = 3000
# The ids of the fields; Slack shows an error below the field that it names.
NUMBER, TYPE, DESCRIPTION, ANSWER = "order_number", "complaint_type", "description", "reply"
_VALUE = "value"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a form was opened; it travels with the form.

    ``chat`` and ``thread`` are those of the conversation, ``channel`` and ``ts`` the message whose
    button opened it; ``home`` if that was the home page's.
    """

    chat: str
    thread: str = ""
    channel: str = ""
    ts: str = ""
    home: bool = False
    language: str = ""

    @classmethod
    def of(cls, view: Mapping[str, Any]) -> Place:
        """The place that a form carries."""
        return cls(**json.loads(view["private_metadata"]))


def _modal(name: str, place: Place, said: Interface, title: str, blocks: list[dict[str, Any]]) -> dict[str, Any]:
    keys = ("room.form.send", "room.form.close") if name == REPLY else ("form.send", "form.close")
    return {
        "type": "modal",
        "callback_id": name,
        "private_metadata": json.dumps(asdict(place), separators=(",", ":")),
        "title": plain_text(title, MAX_MODAL_TITLE),
        "submit": plain_text(said(keys[0]), MAX_MODAL_TITLE),
        "close": plain_text(said(keys[1]), MAX_MODAL_TITLE),
        "blocks": blocks,
    }


def _field(block_id: str, label: str, element: dict[str, Any], hint: str = "", **more: Any) -> dict[str, Any]:
    block: dict[str, Any] = {
        "type": "input",
        "block_id": block_id,
        "label": plain_text(label, MAX_LABEL),
        "element": element | {"action_id": _VALUE},
    }
    return block | ({"hint": plain_text(hint, MAX_LABEL)} if hint else {}) | more


def _line(max_length: int, initial: str = "", *, multiline: bool = False) -> dict[str, Any]:
    element: dict[str, Any] = {"type": "plain_text_input", "multiline": multiline, "max_length": max_length}
    return element | ({"initial_value": shorten(initial, max_length)} if initial else {})


def order_form(place: Place, example: str) -> dict[str, Any]:
    """The form that asks for an order number; ``example`` is one."""
    said = words(place.language)
    hint = said("form.order.hint", example=example)
    blocks = [_field(NUMBER, said("form.order.label"), _line(MAX_ORDER_NUMBER), hint)]
    return _modal(ORDER, place, said, said("form.order.title"), blocks)


def complaint_form(
    place: Place, types: Iterable[tuple[str, str]], example: str, description: str = ""
) -> dict[str, Any]:
    """The form for a complaint.

    Args:
        place: where it is opened.
        types: kinds of complaint, each with its words.
        example: an order number.
        description: what stands in the long field to begin with.
    """
    said = words(place.language)
    menu = {"type": "static_select", "options": options(types)}
    blocks = [
        _field(TYPE, said("form.complaint.type"), menu),
        _field(
            NUMBER,
            said("form.order.label"),
            _line(MAX_ORDER_NUMBER),
            said("form.order.hint", example=example),
            optional=True,
        ),
        _field(
            DESCRIPTION,
            said("form.complaint.description"),
            _line(MAX_DESCRIPTION, description, multiline=True),
            said("form.complaint.hint"),
        ),
    ]
    return _modal(COMPLAINT, place, said, said("form.complaint.title"), blocks)


def reply_form(
    place: Place, said: Interface, language: str, canned: Iterable[str], text: str = "", field: str = ""
) -> dict[str, Any]:
    """The form in which an agent answers a customer.

    Args:
        place: the room.
        said: the desk's words.
        language: the name of the customer's language.
        canned: the names of ready-made replies.
        text: what stands in the field.
        field: makes the field a new one: Slack shows another text only in a new field.
    """
    entry = _line(MAX_REPLY, text, multiline=True) | {"focus_on_load": True}
    blocks = [_field(f"{ANSWER}{field}", said("room.form.text", language=language), entry)]
    if choices := options((str(number), name) for number, name in enumerate(canned)):
        menu = {
            "type": "static_select",
            "action_id": CANNED,
            "placeholder": plain_text(said("room.form.choose"), MAX_PLACEHOLDER),
            "options": choices,
        }
        label = plain_text(said("room.form.canned"), MAX_LABEL)
        blocks.insert(0, {"type": "section", "block_id": "canned", "text": label, "accessory": menu})
    return _modal(REPLY, place, said, said("room.form.title"), blocks)


def filled(view: Mapping[str, Any]) -> dict[str, str]:
    """What stands in a form's fields, by their ids; an empty field is ``""``."""
    found = {}
    for block_id, actions in ((view.get("state") or {}).get("values") or {}).items():
        for action in actions.values():
            value = action.get("value") or (action.get("selected_option") or {}).get("value") or ""
            name = ANSWER if block_id.startswith(ANSWER) else block_id
            found[name] = value.strip() if action.get("type") == "plain_text_input" else value
    return found


def answer_field(view: Mapping[str, Any]) -> str:
    """The id of the field for an agent's answer, which is another one after each ready-made reply."""
    return next(str(block["block_id"]) for block in view["blocks"] if block["block_id"].startswith(ANSWER))


def submitted(body: Mapping[str, Any]) -> Inbound | None:
    """What a form that was sent says: a customer's message, or an agent's answer.

    Args:
        body: a ``view_submission``. Whether its values will do is not looked at.

    Returns:
        The event, None for a form that is not ours.
    """
    view = body["view"]
    name = view.get("callback_id")
    if name not in {ORDER, COMPLAINT, REPLY}:
        return None
    place, values, user = Place.of(view), filled(view), body["user"]
    address = Address("slack", place.chat, user["id"], place.thread)
    who = user.get("name") or user.get("username") or ""
    common: dict[str, Any] = {"external_id": f"view:{view['id']}", "address": address, "name": who}
    if name == REPLY:
        return Inbound(**common, text=values.get(ANSWER, ""), payload=RoomAction.REPLY.value, kind=Kind.AGENT)
    number = values.get(NUMBER, "")
    if name == ORDER:
        payload = "/inform" + json.dumps({"order_number": number}, ensure_ascii=False)
        return Inbound(**common, text=number, payload=payload)
    description = values.get(DESCRIPTION, "")
    slots = {"complaint_type": values.get(TYPE, ""), "order_number": number, "description": description, "photo": ""}
    return Inbound(**common, text=description, payload="/open_complaint", slots=slots)
