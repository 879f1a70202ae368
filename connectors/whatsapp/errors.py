"""The Graph API's errors as the product's own: what waiting mends, what the operator mends, what nothing mends.

https://developers.facebook.com/documentation/business-messaging/whatsapp/support/error-codes
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from bot.contracts import ChannelDown, LinguadeskError, PermanentError, TemporaryError

# The customer may be written to freely for so long after what they wrote last.
WINDOW_HOURS = 24
WINDOW_CODE = 131047

# Seconds to wait where the platform does not name a time. A customer to whom 45 messages went at
# once can be written to again after 4.5 minutes, a minute pays for ten of them.
WAITS: dict[int, float | None] = {
    1: None,
    2: None,
    4: 600.0,
    80007: 600.0,
    130429: 5.0,
    131000: None,
    131016: None,
    131048: 3600.0,
    131056: 60.0,
    131057: 300.0,
    133004: None,
}
_TOKEN = (
    "set WHATSAPP_TOKEN to a token of a system user that has the app and the WhatsApp account assigned, "  # noqa: S105
    "with whatsapp_business_messaging and whatsapp_business_management (Business settings > System users)"
)
_MANAGER = "open WhatsApp Manager (business.facebook.com/wa/manage) and follow what it says there"
_NUMBER = "check WHATSAPP_PHONE_NUMBER_ID, and that the token's system user may use this WhatsApp account"
OPERATOR = {
    0: _TOKEN,
    3: _TOKEN,
    10: _TOKEN,
    33: _NUMBER,
    190: _TOKEN,
    368: f"the account is blocked for breaking a policy; {_MANAGER}",
    131005: _TOKEN,
    131031: f"the account is locked; {_MANAGER}",
    131037: f"the display name is not approved yet; {_MANAGER}",
    131042: f"payment does not work; {_MANAGER}, under Payment settings",
    131045: f"the number is not registered for the Cloud API; register it: {_MANAGER}",
    133010: f"the number is not registered for the Cloud API; register it: {_MANAGER}",
}
HINTS = {
    130472: "the customer is part of an experiment of Meta's",
    130497: "the business may not write to customers in this country",
    131021: "the customer's number is the business's own",
    131026: "the customer has no WhatsApp, has blocked the number, or has a version that is too old",
    131030: "a test number writes only to numbers entered under WhatsApp > API Setup > To",
    131049: "Meta holds it back because the customer got many messages lately",
    131050: "the customer wants no such messages",
    131051: "the platform does not know this type of message",
    131053: "the platform does not take this type of file",
    132000: "the template does not have exactly one variable, {{1}}",
    132001: "there is no approved template of this name in this language",
    132005: "the text is too long for the template",
    132007: "the template breaks a policy",
    132012: "the template's variable does not take this text",
    132015: "the template is paused for its low quality",
    132016: "the template is switched off for its low quality",
}
DOWN_SECONDS = 300.0

# What is said of a request that is itself at fault.
_FORM = frozenset({100, 131008, 131009, 131051})
# Telephone numbers and ids are nobody's business in a log.
_LONG_NUMBER = re.compile(r"\+?\d{7,}")
_MAX_WORDS = 200


_CLOSED = (
    f"the customer wrote last more than {WINDOW_HOURS} hours ago, and WhatsApp then takes templates only; "
    "name one under connectors.whatsapp.template in config.yml"
)


class WindowClosed(PermanentError):
    """Free text is refused, because the customer wrote last more than 24 hours ago."""

    def __init__(self) -> None:
        super().__init__(_CLOSED)


class BadForm(PermanentError):
    """The platform does not take a request of this form."""


def error_of(answer: Any) -> Mapping[str, Any]:
    """The ``error`` of a Graph API answer; empty if there is none."""
    error = answer.get("error") if isinstance(answer, dict) else None
    return error if isinstance(error, dict) else {}


def code_of(error: Mapping[str, Any]) -> int:
    """The number of an error; -1 if it has none."""
    code = error.get("code")
    return code if isinstance(code, int) else -1


def words_of(error: Mapping[str, Any], secret: str = "") -> str:
    """What the platform says of an error, without ``secret``, telephone numbers and ids."""
    data = error.get("error_data")
    details = data.get("details", "") if isinstance(data, dict) else ""
    words = " / ".join(str(part) for part in (error.get("message") or error.get("title"), details) if part)
    if secret:
        # A token that is not well-formed is quoted in the complaint about it.
        words = words.replace(secret, "***")
    return _LONG_NUMBER.sub("…", words)[:_MAX_WORDS]


def told(error: Mapping[str, Any], secret: str = "") -> str:
    """An error that the platform reports in a webhook, with what is known of it."""
    code = code_of(error)
    known = _CLOSED if code == WINDOW_CODE else HINTS.get(code) or OPERATOR.get(code, "")
    return f"{code}: {words_of(error, secret)}" + (f" ({known})" if known else "")


def explained(
    status: int, answer: Any, headers: Mapping[str, str], secret: str = "", *, media: bool = False
) -> LinguadeskError:
    """An answer that is not a success as one of our errors.

    Args:
        status: the HTTP status.
        answer: the body, read from JSON; anything if it is not JSON.
        headers: the answer's headers, by lower-case name.
        secret: the token, which must not be quoted.
        media: whether a file was asked for: then "no such object" speaks of the file.
    """
    error = error_of(answer)
    code, words = code_of(error), words_of(error, secret)
    said = f"{code}: {words}" if error else f"status {status}"
    if code == WINDOW_CODE:
        return WindowClosed()
    if code in WAITS or status == 429 or error.get("is_transient") is True:
        wish = _wish(headers)
        return TemporaryError(f"WhatsApp did not do it now ({said})", WAITS.get(code) if wish is None else wish)
    if code == 100 and error.get("error_subcode") == 33:
        if media:
            return PermanentError(f"WhatsApp does not have the file any more ({said})")
        return ChannelDown(f"WhatsApp does not know the number ({said}): {_NUMBER}", DOWN_SECONDS)
    if code in OPERATOR or 200 <= code <= 299:
        return ChannelDown(f"WhatsApp is shut until you act ({said}): {OPERATOR.get(code, _TOKEN)}", DOWN_SECONDS)
    if code in _FORM:
        return BadForm(f"WhatsApp refused it ({said})")
    if code in HINTS:
        return PermanentError(f"WhatsApp refused it ({said}): {HINTS[code]}")
    if media and not error and 400 <= status < 500:
        return PermanentError(f"WhatsApp did not hand over the file ({said})")
    if status in {401, 403}:
        return ChannelDown(f"WhatsApp does not accept the token ({said}): {_TOKEN}", DOWN_SECONDS)
    if status >= 500 or not error:
        # Without the Graph API's form it was said by something on the way, a proxy for example.
        return TemporaryError(f"WhatsApp did not do it ({said})")
    return PermanentError(f"WhatsApp refused it ({said})")


def _wish(headers: Mapping[str, str]) -> float | None:
    """The seconds after which the platform wants to be asked again, if it says so."""
    after = headers.get("retry-after", "")
    if after.isdecimal():
        return float(after)
    try:
        # {"account": [{"type": "whatsapp", "estimated_time_to_regain_access": minutes, …}]}
        usage = json.loads(headers.get("x-business-use-case-usage", "{}"))
        minutes = max(float(item["estimated_time_to_regain_access"]) for items in usage.values() for item in items)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    return minutes * 60 or None
