"""A customer's open orders and tickets at a glance, for a platform that has a page for them."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from sqlalchemy import select

from actions.complaints import ticket_line
from actions.orders import order_summary
from bot.config import Settings
from bot.contracts import Address, Overview
from bot.services import tickets
from bot.services.customers import is_verified
from bot.services.orders import DatabaseOrders
from bot.storage import Database
from bot.storage.models import Conversation, TicketStatus
from bot.texts import Texts

OVER = frozenset({"delivered", "cancelled", "returned"})
SHOWN = 10


async def overview(database: Database, texts: Texts, settings: Settings, address: Address) -> Overview:
    """What is open for whoever writes from an address, in their language; nothing for a stranger."""
    async with database.read() as session:
        where = (Conversation.channel == address.channel, Conversation.address_key == address.key)
        talk = await session.scalar(select(Conversation).where(*where))
        if talk is None:
            return Overview("", False)
        zone = ZoneInfo(settings.shop.timezone)
        language = talk.language if talk.language in texts.languages else texts.default_language
        orders = []
        verified = is_verified(talk)
        if verified and talk.customer_id is not None:
            found = await DatabaseOrders(session, settings.orders).of_customer(talk.customer_id, SHOWN)
            orders = [order_summary(order, zone) for order in found if order.status not in OVER]
        visible = await tickets.visible(session, talk, SHOWN)
        lines = [
            ticket_line(ticket, zone)
            for ticket in visible
            if ticket.status not in (TicketStatus.RESOLVED, TicketStatus.CLOSED)
        ]
        return Overview(
            talk.language if talk.language in texts.languages else "",
            verified,
            tuple(texts.text("utter_orders_line", language, params) for params in orders),
            tuple(texts.format(line, language) for line in lines),
        )
