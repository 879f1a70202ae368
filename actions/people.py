"""Handing over to a person, and calling back."""

from __future__ import annotations

from actions.registry import action
from bot import handovers
from bot.contracts import Moment, Reply
from bot.engine import Context
from bot.services import assignment, callbacks
from bot.services.customers import zone_of
from bot.state import Outcome
from bot.storage.models import Ticket


async def to_person(
    context: Context,
    reason: str,
    *,
    before: tuple[Reply, ...] = (),
    lead: Reply | None = None,
    ticket: Ticket | None = None,
    about: str = "",
) -> Outcome:
    """Put the conversation into the agents' queue; from then on the bot is silent.

    Args:
        context: what the action was given.
        reason: why, a code of ``reason.*`` in ``desk.po``.
        before: what the customer is told first, about something else; without its buttons.
        lead: what is said of the hand-over; default what fits the reason.
        ticket: what it comes from.
        about: the order that was spoken of.
    """
    session, conversation, settings = context.session, context.conversation, context.settings
    row, standing = await assignment.hand_over(session, conversation, reason, settings, ticket=ticket)
    said = await handovers.words(session, conversation, settings, row, standing, lead)
    kept = tuple(handovers.without_buttons(reply) for reply in before)
    return Outcome((*kept, *said), reset=True, about=about)


@action("talk_to_human")
async def talk_to_human(context: Context) -> Outcome:
    """The customer asks for a person, or the dialogue finds that one is called for."""
    return await to_person(context, context.slots.get("reason", "asked"))


@action("request_callback", resumable=False)
async def request_callback(context: Context) -> Outcome:
    """Have a customer who waited for a person called instead: at the number we have, or the one they name."""
    session, conversation, settings = context.session, context.conversation, context.settings
    row = await callbacks.call_wanted(session, conversation, context.slots.get("callback", ""))
    if row is None:
        return Outcome((Reply("utter_choice_gone"),))
    phone, country = await callbacks.on_record(session, conversation, settings)
    if given := context.slots.get("callback_phone", ""):
        phone = callbacks.number(given, country)
        if not phone:
            wrong = Reply("utter_invalid_callback_phone")
            return Outcome((wrong,), ask="callback_phone", clear=("callback_phone",), silent=True)
    if not phone:
        return Outcome(ask="callback_phone")
    opens = await callbacks.plan_call(session, conversation, row, phone, settings)
    told = {"phone": callbacks.spaced(phone)}
    if opens is None:
        return Outcome((Reply("utter_callback_now", told),), reset=True)
    moment = Moment(opens, await zone_of(session, conversation, settings.shop))
    return Outcome((Reply("utter_callback_planned", told | {"opens": moment}),))
