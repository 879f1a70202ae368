"""What agents see in their channel: the card of a hand-over and the notes below it. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.contracts import Card, Note, RoomAction
from connectors.common import split
from connectors.slack.blocks import (
    MAX_SECTION,
    button,
    context,
    cut,
    escape,
    escaped_size,
    header,
    section,
)

ACTION = "agent_"
MAX_FIELD = 2000
FIELDS_A_SECTION = 10
MAX_MESSAGE = 600
MAX_ELEMENT = 2000
MAX_COMMENT = 3000
PARAGRAPHS_A_NOTE = 4
HERE = "<!here> "

_STYLES = {RoomAction.CLAIM.value: "primary"}


def action_of(action: Mapping[str, Any]) -> RoomAction | None:
    """What an agent wants who pressed this button; None for a button that is not on a card."""
    name = str(action.get("action_id", ""))
    wish = name.removeprefix(ACTION)
    return RoomAction(wish) if name.startswith(ACTION) and wish in set(RoomAction) else None


def _fields(card: Card) -> list[dict[str, Any]]:
    fields = [
        {"type": "mrkdwn", "text": f"*{cut(label, 100)}*\n{cut(value, MAX_FIELD - 110) or '–'}"}
        for label, value in card.lines
    ]
    groups = [fields[start : start + FIELDS_A_SECTION] for start in range(0, len(fields), FIELDS_A_SECTION)]
    return [{"type": "section", "fields": group} for group in groups[:3]]


def _last_messages(card: Card) -> str:
    """The last things said, as many as fit, oldest first."""
    kept: list[str] = []
    size = 0
    for message in reversed(card.messages):
        line = cut(message, MAX_MESSAGE)
        size += len(line.encode("utf-16-le")) // 2 + 1
        if size > MAX_SECTION:
            break
        kept.insert(0, line)
    return "\n".join(kept)


def card_message(card: Card) -> dict[str, Any]:
    """The text and the blocks of a card, for ``chat.postMessage`` and ``chat.update``."""
    blocks = [header(card.title)]
    if card.status:
        blocks.append(section(f"*{cut(card.status, MAX_SECTION - 2)}*"))
    blocks += _fields(card)
    if said := _last_messages(card):
        blocks += [{"type": "divider"}, section(said)]
    if card.actions:
        elements = [
            button(f"{ACTION}{action.payload}", action.title, str(card.handoff), _STYLES.get(action.payload, ""))
            for action in card.actions[:FIELDS_A_SECTION]
        ]
        blocks.append({"type": "actions", "block_id": f"room_{card.handoff}", "elements": elements})
    if card.hint:
        blocks.append(context(cut(card.hint, MAX_ELEMENT)))
    parts = [card.title, card.status, *(f"{label}: {value}" for label, value in card.lines)]
    return {"text": cut("\n".join(filter(None, parts)), MAX_SECTION), "blocks": blocks}


def note_message(note: Note) -> dict[str, Any]:
    """The text and the blocks of a note, cut to one message; an alert calls whoever is there."""
    alert = HERE if note.alert else ""
    pieces = [escape(piece) for piece in split(note.text, MAX_SECTION - len(HERE), escaped_size)] or ["…"]
    if len(pieces) > PARAGRAPHS_A_NOTE:
        pieces = [*pieces[: PARAGRAPHS_A_NOTE - 1], f"{pieces[PARAGRAPHS_A_NOTE - 1]}…"]
    pieces[0] = alert + pieces[0]
    message = {"text": "\n".join(pieces), "blocks": [section(piece) for piece in pieces]}
    return message | ({"reply_broadcast": True} if note.alert else {})


def comment(note: Note) -> str:
    """The words that go with a note's files, cut to what Slack takes there."""
    return (HERE if note.alert else "") + cut(note.text, MAX_COMMENT)
