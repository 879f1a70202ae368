"""Complaints and tickets."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from actions.registry import action
from bot.contracts import Reply, TextKey
from bot.engine import Context
from bot.services import tickets
from bot.state import Outcome
from bot.storage.models import Severity, Ticket, TicketType


async def _open(context: Context, kind: TicketType) -> Outcome:
    said = context.slots.get("severity", "")
    ticket = await tickets.open_ticket(
        context.session,
        context.conversation,
        kind=kind,
        severity=Severity(said) if said in set(Severity) else None,
        order_number=context.slots.get("order_number", ""),
        description=context.slots.get("description", ""),
        language=context.language,
    )
    return Outcome((Reply("utter_ticket_opened", {"ticket": ticket.number}),))


@action("open_complaint", optional=("order_number", "description", "photo"))
async def open_complaint(context: Context) -> Outcome:
    """Open a ticket with type, severity, order, description and photo."""
    said = context.slots.get("complaint_type", "")
    if said not in set(TicketType):
        return Outcome(ask="complaint_type", clear=("complaint_type",))
    return await _open(context, TicketType(said))


@action("payment_problem", optional=("order_number", "description", "photo"))
async def payment_problem(context: Context) -> Outcome:
    """A ticket about money; its type needs no question."""
    return await _open(context, TicketType.BILLING)


def ticket_line(ticket: Ticket, zone: ZoneInfo) -> TextKey:
    """A ticket on one line; ``zone`` is where the merchant is."""
    return TextKey(
        "utter_ticket_line",
        {
            "ticket": ticket.number,
            "type": TextKey(f"utter_type_{ticket.type.value}"),
            "status": TextKey(f"utter_ticket_status_{ticket.status.value}"),
            "date": ticket.created_at.astimezone(zone).date(),
        },
    )


@action("ticket_status")
async def ticket_status(context: Context) -> Outcome:
    """How a complaint stands: one by its number, or all that may be seen here."""
    if number := context.slots.get("ticket_number"):
        ticket = await tickets.find_visible(context.session, context.conversation, number)
        if ticket is None:
            return Outcome((Reply("utter_ticket_unknown", {"ticket": number}),))
        found = [ticket]
    else:
        found = list(await tickets.visible(context.session, context.conversation))
    if not found:
        return Outcome((Reply("utter_tickets_none"),))
    zone = ZoneInfo(context.settings.shop.timezone)
    lines = [ticket_line(ticket, zone) for ticket in found]
    return Outcome((Reply("utter_tickets_list", {"count": len(found), "lines": lines}),))
