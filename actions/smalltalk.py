"""Greetings, thanks, help, and messages that only give a value."""

from __future__ import annotations

from actions.registry import action
from bot.contracts import Button, Reply, TextKey
from bot.dialogue import Outcome
from bot.engine import Context

ABOUT_AN_ORDER = ("track_order", "cancel_order", "request_return", "open_complaint")


@action("greet")
async def greet(_context: Context) -> Outcome:
    """Greet, and show what can be done."""
    titles = ("track_order", "open_complaint", "ask_help", "talk_to_human")
    quick = tuple(Button(TextKey(f"utter_title_{intent}"), f"/{intent}") for intent in titles)
    return Outcome((Reply("utter_greet", quick_replies=quick),))


@action("goodbye", "thank", "affirm", "deny", "ask_help", "bot_challenge", "out_of_scope")
async def say(context: Context) -> Outcome:
    """Answer with the text of the intent."""
    return Outcome((Reply(f"utter_{context.intent}"),))


@action("inform")
async def inform(context: Context) -> Outcome:
    """A value that nobody asked for: find out what is wanted with it."""
    if context.slots.get("ticket_number"):
        return Outcome(start=("ticket_status", {"ticket_number": context.slots["ticket_number"]}))
    if number := context.slots.get("order_number"):
        buttons = tuple(
            Button(TextKey(f"utter_title_{intent}"), f'/{intent}{{"order_number": "{number}"}}')
            for intent in ABOUT_AN_ORDER
        )
        return Outcome((Reply("utter_what_about_order", {"number": number}, buttons),))
    return Outcome((Reply("utter_inform"),))
