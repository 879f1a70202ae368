"""Wishes about an order that a person carries out: changes, returns, exchanges, invoices.

The bot makes sure whose order it is and what is wanted; then the conversation goes to a person
with that on the card, so that the customer is not asked twice.
"""

from __future__ import annotations

from actions.people import to_person
from actions.registry import action
from actions.verify import known_order
from bot.contracts import Reply
from bot.engine import Context
from bot.state import Outcome


@action(
    "change_order",
    "change_address",
    "request_return",
    "request_exchange",
    "request_refund",
    "request_invoice",
    implied=("contact",),
)
async def pass_on(context: Context) -> Outcome:
    """Hand a checked wish over to a person."""
    order = await known_order(context)
    if isinstance(order, Outcome):
        return order
    passed_on = Reply("utter_request_passed_on", {"number": order.number})
    return await to_person(context, context.intent, lead=passed_on, about=order.number)
