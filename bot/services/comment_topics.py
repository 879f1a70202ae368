"""What the comment of a survey is about: one of a few topics, from how the recogniser reads it."""

from __future__ import annotations

from collections.abc import Mapping

from bot.contracts import Parse

TOPICS = ("delivery", "product", "order", "payment", "returns", "service", "praise", "other")
# A reading that is less likely than this says nothing.
LEAST = 0.2
_OF_COMPLAINTS: Mapping[str, str] = {
    "damaged": "product",
    "quality": "product",
    "wrong_item": "order",
    "missing_item": "order",
    "not_delivered": "delivery",
    "late": "delivery",
    "service": "service",
    "billing": "payment",
}
_OF_INTENTS: Mapping[str, str] = {
    "track_order": "delivery",
    "ask_shipping": "delivery",
    "change_address": "delivery",
    "list_orders": "order",
    "cancel_order": "order",
    "change_order": "order",
    "ask_product": "product",
    "payment_problem": "payment",
    "request_invoice": "payment",
    "ask_payment_methods": "payment",
    "ask_discount": "payment",
    "request_return": "returns",
    "request_exchange": "returns",
    "request_refund": "returns",
    "refund_status": "returns",
    "ask_return_policy": "returns",
    "talk_to_human": "service",
    "ticket_status": "service",
    "bot_challenge": "service",
    "change_language": "service",
    "thank": "praise",
}


def topic_of(parse: Parse, sentiment: float | None = None) -> str:
    """The topic of a comment, one of :data:`TOPICS`.

    What a complaint is about says more than the wish that was read into it. Happy words that are about
    nothing in particular are praise.

    Args:
        parse: how the recogniser reads it.
        sentiment: how it sounds, between -1 and 1.
    """
    for kind in parse.values("complaint_type"):
        if kind in _OF_COMPLAINTS:
            return _OF_COMPLAINTS[kind]
    readings = parse.ranking or ((parse.intent, parse.confidence),)
    for intent, confidence in readings:
        if confidence >= LEAST and intent in _OF_INTENTS:
            return _OF_INTENTS[intent]
    if parse.values("product"):
        return "product"
    return "praise" if sentiment is not None and sentiment > LEAST else "other"
