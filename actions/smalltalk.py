"""Greetings, thanks, help, and messages that only give a value."""

from __future__ import annotations

from actions.knowledge import Answer
from actions.registry import action
from bot.contracts import Button, Reply, TextKey
from bot.engine import Context
from bot.state import Outcome

ABOUT_AN_ORDER = ("track_order", "cancel_order", "request_return", "open_complaint")


@action("greet")
async def greet(_context: Context) -> Outcome:
    """Greet, and show what can be done."""
    return Outcome((Reply("utter_greet", quick_replies=menu()),))


@action("affirm")
async def affirm(_context: Context) -> Outcome:
    """A yes to nothing: what can be done."""
    return Outcome((Reply("utter_affirm", quick_replies=menu()),))


def menu() -> tuple[Button, ...]:
    """What most people come for."""
    titles = ("track_order", "open_complaint", "ask_help", "talk_to_human")
    return tuple(Button(TextKey(f"utter_title_{intent}"), f"/{intent}") for intent in titles)


@action("ask_help")
async def ask_help(context: Context) -> Outcome:
    """The menu, or what the merchant wrote about opening hours and the like."""
    found = context.knowledge.get(context.intent)
    if isinstance(found, Answer) and (topic := found.topic(context.text)):
        return Outcome((Reply(text=topic.replace("{shop}", context.settings.shop.name)),))
    return Outcome((Reply("utter_ask_help"),))


@action("goodbye", "thank", "deny", "bot_challenge", "out_of_scope")
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
        return Outcome((Reply("utter_what_about_order", {"number": number}, buttons),), about=number)
    if contact := context.slots.get("contact"):
        # Given alone, it is most likely the proof for the order just named, or for one still to be named.
        about = context.state.about
        intent, slots = ("track_order", {"order_number": about}) if about else ("list_orders", {})
        return Outcome(start=(intent, slots | {"contact": contact}))
    return Outcome((Reply("utter_inform", quick_replies=menu()),))
