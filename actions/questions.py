"""General questions, answered from the knowledge files."""

from __future__ import annotations

from actions.knowledge import Answer
from actions.registry import action
from bot.contracts import Reply
from bot.engine import Context
from bot.state import Outcome


@action("ask_shipping", "ask_payment_methods", "ask_return_policy", "ask_product", "ask_discount")
async def answer(context: Context) -> Outcome:
    """The answer that the merchant wrote, in the conversation's language."""
    found = context.knowledge.get(context.intent)
    if not isinstance(found, Answer):
        return Outcome((Reply("utter_no_answer"),))
    return Outcome((Reply(text=found.to(context.text).replace("{shop}", context.settings.shop.name)),))
