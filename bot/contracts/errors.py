"""What goes wrong at a border, and whether it is worth another try."""

from __future__ import annotations


class LinguadeskError(Exception):
    """Root of this product's exceptions; its text is written for an operator."""


class TemporaryError(LinguadeskError):
    """Sending failed for now; ``retry_after`` is the platform's wish in seconds, if it has one."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ChannelDown(TemporaryError):
    """Nothing can be sent on this channel until the operator has acted (a revoked token).

    The channel rests for ``retry_after`` seconds, and no message uses up a try.
    """


class ChatMoved(TemporaryError):
    """The chat has another id now, ``chat``; the message is sent there at once."""

    def __init__(self, message: str, chat: str) -> None:
        super().__init__(message, 0.0)
        self.chat = chat


class PermanentError(LinguadeskError):
    """Sending will never work (refused, gone); the message goes to the dead letters."""


class Unreachable(PermanentError):
    """The customer has shut the bot out: nothing more is sent until they write again."""
