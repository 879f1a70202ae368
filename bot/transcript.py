"""What a customer said as a row of the transcript, with the bot's reading of it."""

from __future__ import annotations

from typing import Any

from bot.contracts import Author, Inbound, Parse
from bot.storage.models import Conversation, Inbox


def transcript_row(
    conversation: Conversation, row: Inbox, event: Inbound, parse: Parse | None, sentiment: float | None = None
) -> dict[str, Any]:
    """The values of a :class:`bot.storage.models.Message` for a received event.

    Args:
        conversation: where it was said.
        row: the event in the inbox, as far as it was read.
        event: what was said.
        parse: how the bot read it; None for what is not read.
        sentiment: how it sounds; None: nobody looked.
    """
    return {
        "conversation_id": conversation.id,
        "author": Author.CUSTOMER,
        "agent_id": None,
        "text": event.shown or event.text or event.payload,
        "language": parse.language.language if parse else "",
        "parse": _reading(parse, sentiment) if parse else None,
        "inbox_id": row.id,
        "outbox_id": None,
        "created_at": row.received_at,
    }


def _reading(parse: Parse, sentiment: float | None) -> dict[str, Any]:
    """The bot's reading of a message as the desk shows it, with the reason for the language."""
    shape = parse.to_rasa()
    del shape["text"]
    shape["intent_ranking"] = shape["intent_ranking"][:3]
    shape["language_reason"] = parse.language.reason
    if sentiment is not None:
        shape["sentiment"] = round(sentiment, 3)
    return shape
