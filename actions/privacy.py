"""A copy of one's data, its deletion, no more notices."""

from __future__ import annotations

from actions.registry import action
from actions.verify import known_customer
from bot.contracts import Reply
from bot.engine import Context
from bot.services import privacy
from bot.state import Outcome

NOBODY = ("order_number", "contact")


async def _identified(context: Context) -> Outcome | None:
    """Someone without an order may skip the question; then the request covers this chat only."""
    if not context.slots.get("order_number"):
        if context.conversation.customer_id is not None and not context.verified:
            # The chat was linked once: its request covers the customer's record, so it is proved anew.
            return Outcome(ask="order_number", clear=("order_number",))
        return None
    return await known_customer(context)


@action("export_data", optional=NOBODY, implied=NOBODY)
async def export_data(context: Context) -> Outcome:
    """Send everything that is stored about the customer."""
    if missing := await _identified(context):
        return missing
    media = await privacy.export(context.session, context.conversation, context.files_dir)
    return Outcome((Reply("utter_export_ready", media=(media,)),))


@action("delete_data", optional=NOBODY, implied=NOBODY, resumable=False)
async def delete_data(context: Context) -> Outcome:
    """Erase the customer's data, after a yes."""
    if context.decision == "no":
        return Outcome((Reply("utter_data_kept"),))
    if missing := await _identified(context):
        return missing
    if context.decision != "yes":
        return context.confirmation("utter_confirm_delete_data", {}, "utter_yes_delete", "utter_no_thanks")
    await privacy.erase(context.session, context.conversation, context.files_dir)
    return Outcome((Reply("utter_data_deleted"),), reset=True)


@action("stop_messages")
async def stop_messages(context: Context) -> Outcome:
    """No more surveys and notices, from now on."""
    await privacy.stop(context.session, context.conversation)
    return Outcome((Reply("utter_messages_stopped"),))
