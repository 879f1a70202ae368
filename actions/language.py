"""Changing the language on request."""

from __future__ import annotations

from dataclasses import replace

from actions.registry import action, prompt
from bot.contracts import Button, Reply
from bot.engine import Context
from bot.state import Outcome
from bot.texts import language_name


@prompt("language")
async def ask_language(context: Context, _intent: str) -> Reply:
    """The configured languages as buttons, each in its own words."""
    buttons = tuple(
        Button(language_name(code), f'/inform{{"language": "{code}"}}') for code in context.settings.languages
    )
    return Reply("utter_ask_language", buttons=buttons)


@action("change_language")
async def change_language(context: Context) -> Outcome:
    """Answer in another language from here on."""
    wanted = context.slots.get("language", "")
    if wanted not in context.settings.languages:
        return Outcome((Reply("utter_invalid_language"),), ask="language", clear=("language",))
    context.conversation.language = wanted
    context.conversation.language_reason = "the customer asked for it"
    context.state = replace(context.state, language_chosen=True, other_language="")
    return Outcome((Reply("utter_language_changed"),))
