"""The app's home page: open orders, open tickets, a menu of languages. No I/O.

https://docs.slack.dev/surfaces/app-home
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from bot.contracts import Overview
from bot.texts import Interface, language_name
from connectors.common import split
from connectors.slack.blocks import (
    MAX_PLACEHOLDER,
    MAX_SECTION,
    button,
    context,
    escape,
    escaped_size,
    header,
    options,
    plain_text,
    section,
)
from connectors.slack.forms import COMPLAINT
from connectors.slack.words import words

VERIFY, HUMAN, LANGUAGE = "home_verify", "home_human", "home_language"
# Of 100 blocks: this many for the orders, and again for the tickets.
MAX_PARAGRAPHS = 40


def change_language(language: str) -> str:
    """The payload of a choice of language."""
    return f"/change_language{json.dumps({'language': language})}"


def _paragraphs(lines: Sequence[str]) -> list[dict[str, Any]]:
    text = "\n".join(f"• {line}" for line in lines)
    return [section(escape(piece)) for piece in split(text, MAX_SECTION, escaped_size)][:MAX_PARAGRAPHS]


def _languages(said: Interface, languages: Sequence[str], language: str) -> list[dict[str, Any]]:
    if len(languages) < 2:
        return []
    choices = options((change_language(code), language_name(code)) for code in languages)
    menu: dict[str, Any] = {
        "type": "static_select",
        "action_id": LANGUAGE,
        "placeholder": plain_text(said("home.language"), MAX_PLACEHOLDER),
        "options": choices,
    }
    chosen = [choice for choice in choices if choice["value"] == change_language(language)]
    if chosen:
        menu["initial_option"] = chosen[0]
    block = section(escape(said("home.language"))) | {"block_id": f"language_{language}", "accessory": menu}
    return [{"type": "divider"}, block]


def home_view(overview: Overview, language: str, languages: Sequence[str], shop: str) -> dict[str, Any]:
    """The page of one person.

    Args:
        overview: what is known of them.
        language: in which language.
        languages: those that the bot speaks.
        shop: the shop's name.
    """
    said = words(language)
    blocks = [
        header(said("home.title", shop=shop)),
        context(escape(said("home.hint"))),
        header(said("home.orders")),
    ]
    if not overview.verified:
        blocks.append(section(escape(said("home.unverified"))))
        first = [button(VERIFY, said("home.verify"), "/list_orders", "primary")]
    else:
        blocks += _paragraphs(overview.orders) or [section(escape(said("home.no_orders")))]
        first = []
    blocks.append(header(said("home.tickets")))
    blocks += _paragraphs(overview.tickets) or [section(escape(said("home.no_tickets")))]
    buttons = [
        *first,
        button(COMPLAINT, said("home.complain")),
        button(HUMAN, said("home.human"), "/talk_to_human"),
    ]
    blocks.append({"type": "actions", "block_id": "home", "elements": buttons})
    return {"type": "home", "blocks": blocks + _languages(said, languages, language)}
