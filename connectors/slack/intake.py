"""The door to the inbox: an event is committed here before Slack is told that it arrived."""

from __future__ import annotations

import logging

from slack_bolt import BoltResponse

from bot.contracts import Accept, Inbound, LinguadeskError
from connectors.slack.people import People

log = logging.getLogger(__name__)


class NotStored(LinguadeskError):
    """The event is not committed; Slack must not be told that it arrived."""


def done(body: dict[str, object] | None = None) -> BoltResponse:
    """The acknowledgement, with what Slack is to show."""
    return BoltResponse(status=200, body=body or "")


def not_done() -> BoltResponse:
    """No acknowledgement: Slack sends an event again, and tells whoever pressed a button."""
    return BoltResponse(status=503, body="")


class Intake:
    """Commits events; ``accept`` is None while nothing is taken."""

    def __init__(self, people: People) -> None:
        self._people = people
        self.accept: Accept | None = None

    async def commit(self, event: Inbound) -> int | None:
        """Store an event; its inbox id, None if it is known already or has nowhere to go.

        Raises:
            NotStored: it could not be stored.
        """
        accept = self.accept
        if accept is None:
            raise NotStored("not started")
        try:
            (stored,) = await accept([self._people.described(event)])
        except Exception as error:
            # A database's own exception may quote the row, hence only its name.
            shown = str(error) if isinstance(error, LinguadeskError) else type(error).__name__
            log.error("Slack: storing an event failed: %s", shown)
            raise NotStored("storing failed") from None
        self._people.refresh(event.address.user)
        return stored
