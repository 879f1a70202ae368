"""Slack's errors as the product's own: what waiting mends, what the operator mends, what nothing mends."""

from __future__ import annotations

from typing import Any

from slack_sdk.errors import SlackApiError

from bot.contracts import ChannelDown, LinguadeskError, PermanentError, TemporaryError

# How long the channel rests when Slack does not accept the token.
REST_SECONDS = 60.0
# https://docs.slack.dev/reference/methods/chat.postMessage#errors: what waiting does not change.
NEVER = {
    "cannot_dm_bot",
    "cannot_reply_to_message",
    "cant_update_message",
    "channel_not_found",
    "edit_window_closed",
    "ekm_access_denied",
    "expired_trigger_id",
    "hash_conflict",
    "is_archived",
    "is_inactive",
    "message_not_found",
    "messages_tab_disabled",
    "msg_too_long",
    "no_text",
    "not_in_channel",
    "restricted_action",
    "thread_not_found",
    "user_disabled",
    "user_not_found",
    "user_not_in_channel",
}
OPERATOR = {
    "account_inactive": "the app or its bot user was removed; install it again and set SLACK_BOT_TOKEN",
    "invalid_auth": "set SLACK_BOT_TOKEN (xoxb-…) to the one shown under OAuth & Permissions",
    "not_allowed_token_type": "the token is of the wrong kind: SLACK_BOT_TOKEN is xoxb-…, SLACK_APP_TOKEN is xapp-…",
    "not_authed": "set SLACK_BOT_TOKEN (xoxb-…) to the one shown under OAuth & Permissions",
    "token_expired": "install the app again and set SLACK_BOT_TOKEN",
    "token_revoked": "install the app again and set SLACK_BOT_TOKEN",
}
# The message that was to be changed is not there any more, or not to be changed.
LOST = {"cant_update_message", "edit_window_closed", "message_not_found"}
# Blocks that Slack does not take; the words can still be sent without them.
REFUSED_BLOCKS = {"invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long"}


class RefusedToken(ChannelDown):
    """Nothing works until the operator has set another token."""


class Refused(PermanentError):
    """Slack refused a request for good; ``code`` is its word for why."""

    def __init__(self, code: str) -> None:
        super().__init__(f"Slack refused it: {code}")
        self.code = code


class RefusedForm(TemporaryError):
    """Slack did not take the blocks of a message."""


def code_of(error: SlackApiError) -> str:
    """Slack's word for an error, ``""`` if the answer was not Slack's."""
    data = getattr(error.response, "data", None)
    return str(data.get("error", "")) if isinstance(data, dict) else ""


def explained(error: Exception) -> LinguadeskError:
    """A library's complaint as one of ours; never with the text of a message."""
    if isinstance(error, LinguadeskError):
        return error
    if not isinstance(error, SlackApiError):
        return TemporaryError(f"Slack did not answer properly: {type(error).__name__}")
    answer: Any = error.response
    status = getattr(answer, "status_code", None) or getattr(answer, "status", 0)
    code = code_of(error)
    if status == 429 or code in {"ratelimited", "rate_limited"}:
        wish = str((getattr(answer, "headers", None) or {}).get("Retry-After", ""))
        seconds = float(wish) if wish.isdecimal() else 1.0
        return TemporaryError(f"Slack asks to wait {seconds:g} s", seconds)
    if code in NEVER:
        return Refused(code)
    if code in OPERATOR:
        return RefusedToken(f"Slack does not accept the token ({code}): {OPERATOR[code]}", REST_SECONDS)
    if code in REFUSED_BLOCKS:
        return RefusedForm(f"Slack does not take the form of a message: {code}")
    if code == "missing_scope":
        needed = answer.data.get("needed", "")
        return TemporaryError(f"the Slack app lacks the scope {needed}; add it and install the app again")
    return TemporaryError(f"Slack did not do it: {code or f'status {status}'}")
