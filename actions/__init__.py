"""What an intent does: one module an area, one short function an intent.

A function is registered with :func:`actions.registry.action`; it reads its slots, calls a service
and answers with text keys. It never sends, and never formats.
"""

from __future__ import annotations

from actions import complaints, language, orders, people, privacy, questions, requests, smalltalk, surveys, transcript
from actions.registry import collect
from bot.engine import Actions


def load_actions() -> Actions:
    """All actions of this package."""
    return collect(complaints, language, orders, people, privacy, questions, requests, smalltalk, surveys, transcript)
