"""Orders are shown only to those who proved that they are theirs."""

from __future__ import annotations

from dataclasses import replace

from actions.people import to_person
from bot import handovers
from bot.contracts import Order, Reply
from bot.engine import Context
from bot.services import handoff
from bot.services.customers import Proof, contact_matches, failures_in_a_row, locked, prove
from bot.state import Outcome


async def known_order(context: Context) -> Order | Outcome:
    """The order that was asked about, if it may be shown; otherwise what to say or ask instead.

    A verified customer gets their own orders by number alone. Any other order needs the contact on
    it; a wrong one counts as a try. After a failure number and contact can each be corrected alone.
    """
    number, contact = context.slots.get("order_number", ""), context.slots.get("contact", "")
    settings, country = context.settings.verification, context.settings.shop.country
    order = await context.orders.find(number)
    mine = order is not None and context.verified and order.customer_id == context.conversation.customer_id
    if mine and order is not None and (not contact or contact_matches(order, contact, country)):
        return order
    if not contact and context.slots.get("tried_for") not in (None, number):
        contact = context.slots.get("tried", "")
    if not contact:
        if await locked(context.session, context.conversation, number, settings):
            return _locked()
        if context.verified:
            return Outcome((Reply("utter_order_not_yours", {"number": number}),), ask="contact")
        return Outcome(ask="contact")
    before = context.conversation.customer_id
    proof = await prove(context.session, context.conversation, order, number, contact, settings, country)
    if proof is Proof.OK and order is not None:
        if before not in (None, order.customer_id):
            # Someone else from here on: what the one before had begun is not theirs to finish.
            context.state = replace(context.state, stack=(), about="")
        return order
    if await too_many_failures(context):
        return await to_person(context, handovers.VERIFICATION)
    if proof is Proof.LOCKED:
        return _locked()
    failed = Reply("utter_verification_failed", {"number": number})
    remembered = {"tried": contact, "tried_for": number}
    return Outcome((failed,), ask="contact", clear=("contact",), keep=remembered, silent=True)


async def too_many_failures(context: Context) -> bool:
    """Whether so many tries in a row have failed here that a person had better look at it.

    Not right after a hand-over that this had caused already.
    """
    count = context.settings.handoff.triggers.verification_failures
    if not count or handovers.VERIFICATION in await handoff.ended_lately(context.session, context.conversation.id):
        return False
    return await failures_in_a_row(context.session, context.conversation, context.settings.verification) >= count


async def known_customer(context: Context) -> Outcome | None:
    """None for a verified customer; otherwise what to say or ask to become one."""
    if context.verified and not context.slots.get("contact"):
        return None
    checked = await known_order(context)
    return checked if isinstance(checked, Outcome) else None


def _locked() -> Outcome:
    return Outcome((Reply("utter_verification_locked"),))
