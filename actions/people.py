"""Handing over to a person."""

from __future__ import annotations

from actions.registry import action
from bot.contracts import Reply
from bot.engine import Context
from bot.services import handoff
from bot.state import Outcome


@action("talk_to_human")
async def talk_to_human(context: Context) -> Outcome:
    """Put the conversation into the agents' queue; from then on the bot is silent."""
    settings = context.settings.handoff
    await handoff.begin(context.session, context.conversation, "asked", settings)
    return Outcome((Reply("utter_handoff_started"),), reset=True)
