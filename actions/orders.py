"""Looking up, listing and cancelling orders."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from zoneinfo import ZoneInfo

from actions.registry import action, prompt
from actions.verify import known_customer, known_order
from bot.contracts import Button, Money, Order, Param, Reply, TextKey
from bot.engine import Context
from bot.services.orders import NotCancellable
from bot.state import Outcome

KNOWN_STATUSES = ("pending", "paid", "processing", "shipped", "delivered", "cancelled", "returned")
MAX_LINES = 5


def status_text(order: Order) -> TextKey:
    """An order's status in words; a merchant's own status is called "in progress"."""
    return TextKey(f"utter_status_{order.status if order.status in KNOWN_STATUSES else 'unknown'}")


def day(context: Context, moment: datetime) -> date:
    """The calendar day of a moment where the merchant is."""
    return moment.astimezone(ZoneInfo(context.settings.shop.timezone)).date()


def order_summary(order: Order, zone: ZoneInfo) -> dict[str, Param]:
    """The parameters that texts about an order use; ``zone`` is where the merchant is."""
    return {
        "number": order.number,
        "placed": order.placed_at.astimezone(zone).date(),
        "total": Money(order.total, order.currency),
        "status": status_text(order),
    }


def summary(context: Context, order: Order) -> dict[str, Param]:
    """The parameters that texts about an order use."""
    return order_summary(order, ZoneInfo(context.settings.shop.timezone))


def described(context: Context, order: Order) -> tuple[Reply, ...]:
    """What a customer wants to know of an order: status, parcel, contents."""
    status = order.status if order.status in KNOWN_STATUSES else "unknown"
    params = summary(context, order)
    key = f"utter_track_{status}"
    if status == "delivered" and order.delivered_at is not None:
        key, params = "utter_track_delivered_on", params | {"delivered": day(context, order.delivered_at)}
    replies = [Reply(key, params)]
    if status == "shipped":
        if order.tracking_number:
            parcel = {"carrier": order.carrier or "–", "tracking": order.tracking_number}
            replies.append(Reply("utter_track_carrier", parcel))
        if order.expected_on is not None:
            replies.append(Reply("utter_track_expected", {"expected": order.expected_on}))
    if order.lines:
        lines: list[Param] = [
            TextKey("utter_order_item", {"quantity": line.quantity, "description": line.description})
            for line in order.lines[:MAX_LINES]
        ]
        if len(order.lines) > MAX_LINES:
            lines.append(TextKey("utter_order_item_more", {"count": len(order.lines) - MAX_LINES}))
        replies.append(Reply("utter_track_lines", {"lines": lines}))
    if status == "delivered":
        payload = f'/open_complaint{{"complaint_type": "not_delivered", "order_number": "{order.number}"}}'
        replies[-1] = replace(replies[-1], buttons=(Button(TextKey("utter_not_received"), payload),))
    return tuple(replies)


@prompt("order_number")
async def ask_order_number(context: Context, intent: str) -> Reply:
    """Ask which order; a verified customer can choose among the latest."""
    if intent in ("export_data", "delete_data"):
        return Reply("utter_ask_order_number_privacy")
    optional = intent in ("open_complaint", "payment_problem")
    if context.verified and context.conversation.customer_id is not None:
        orders = await context.orders.of_customer(context.conversation.customer_id, 4)
        if orders:
            buttons = tuple(
                Button(
                    TextKey("utter_order_choice", summary(context, item)),
                    f'/inform{{"order_number": "{item.number}"}}',
                )
                for item in orders
            )
            if optional:
                buttons += (Button(TextKey("utter_skip"), "/deny"),)
            return Reply("utter_ask_order_number_known", buttons=buttons)
    return Reply("utter_ask_order_number_optional" if optional else "utter_ask_order_number")


@action("track_order", implied=("contact",))
async def track_order(context: Context) -> Outcome:
    """Where is my order?"""
    order = await known_order(context)
    if isinstance(order, Outcome):
        return order
    return Outcome(described(context, order), about=order.number)


@action("list_orders", implied=("order_number", "contact"))
async def list_orders(context: Context) -> Outcome:
    """The customer's latest orders."""
    if missing := await known_customer(context):
        return missing
    customer = context.conversation.customer_id
    orders = await context.orders.of_customer(customer) if customer is not None else ()
    if not orders:
        return Outcome((Reply("utter_orders_none"),))
    lines = [TextKey("utter_orders_line", summary(context, order)) for order in orders]
    return Outcome((Reply("utter_orders_list", {"count": len(orders), "lines": lines}),))


@action("cancel_order", implied=("contact",))
async def cancel_order(context: Context) -> Outcome:
    """Cancel an order, if the merchant's rules allow it and the customer says yes."""
    order = await known_order(context)
    if isinstance(order, Outcome):
        return order
    params = summary(context, order)
    if context.decision == "no":
        return Outcome((Reply("utter_order_kept", params),), about=order.number)
    if order.status == "cancelled":
        return Outcome((Reply("utter_already_cancelled", params),), about=order.number)
    if order.status not in context.settings.orders.cancellable:
        if "remembered" in context.slots and await _others_cancellable(context):
            # Not said which: hardly the one that cannot be cancelled.
            return Outcome(ask="order_number", clear=("order_number", "remembered"))
        return Outcome((Reply("utter_cannot_cancel", params),), about=order.number)
    if context.decision != "yes":
        return context.confirmation("utter_confirm_cancel_order", params, "utter_yes_cancel", "utter_no_keep")
    try:
        cancelled = await context.orders.cancel(order.number)
    except NotCancellable:
        return Outcome((Reply("utter_cannot_cancel", params),))
    return Outcome((Reply("utter_order_cancelled", summary(context, cancelled)),), about=order.number)


async def _others_cancellable(context: Context) -> bool:
    customer = context.conversation.customer_id
    orders = await context.orders.of_customer(customer) if customer is not None else ()
    return any(order.status in context.settings.orders.cancellable for order in orders)


@action("refund_status", implied=("contact",))
async def refund_status(context: Context) -> Outcome:
    """Where is my refund? What the order's status says, and a person for the exact day."""
    order = await known_order(context)
    if isinstance(order, Outcome):
        return order
    return Outcome((Reply("utter_refund_status", summary(context, order)),), about=order.number)
