"""A copy of the conversation, for the customer who asks for it."""

from __future__ import annotations

from actions.registry import action
from bot.contracts import Reply
from bot.engine import Context
from bot.services import transcripts
from bot.state import Outcome


@action("send_transcript")
async def send_transcript(context: Context) -> Outcome:
    """Send what was said in this very conversation as a file."""
    media = await transcripts.write(
        context.session, context.texts, context.files_dir, context.conversation, context.language
    )
    return Outcome((Reply("utter_transcript", media=(media,)),))
