"""What ``linguadesk check --live`` finds out about a WhatsApp number."""

from __future__ import annotations

from typing import Any

from bot.config import Problem
from bot.contracts import LinguadeskError
from connectors.whatsapp.graph import Graph
from connectors.whatsapp.settings import Account

PATH = "/webhooks/whatsapp"
FIELDS = "verified_name,code_verification_status,quality_rating"
MANAGER = "WhatsApp Manager (business.facebook.com/wa/manage) > Phone numbers"
CONFIGURATION = "the app's WhatsApp > Configuration page"


def _problem(message: str, *, warning: bool = False) -> Problem:
    return Problem("whatsapp", 0, message, warning)


async def examine(account: Account, public_url: str) -> list[Problem]:
    """What is wrong, with what to click.

    Args:
        account: the number and its secrets.
        public_url: the address of this installation, empty if it has none.
    """
    graph = Graph(account)
    try:
        number = await graph.get(account.number_id, fields=FIELDS)
        problems = _about_number(number)
        try:
            webhook = await graph.get(account.number_id, fields="webhook_configuration")
        except LinguadeskError:
            # A token may send without being allowed to see this.
            return problems
        return problems + _about_webhook(webhook.get("webhook_configuration"), public_url)
    except LinguadeskError as error:
        return [_problem(str(error))]
    finally:
        await graph.close()


def _about_number(number: dict[str, Any]) -> list[Problem]:
    problems = []
    if not number.get("verified_name"):
        message = f"the number has no display name; give it one: {MANAGER} > Profile"
        problems.append(_problem(message, warning=True))
    status = number.get("code_verification_status")
    if status in {"NOT_VERIFIED", "EXPIRED"}:
        message = f"the number is not verified ({status}); verify it: {MANAGER} (a test number needs it not)"
        problems.append(_problem(message, warning=True))
    quality = number.get("quality_rating")
    if quality in {"YELLOW", "RED"}:
        message = (
            f"the quality rating is {quality}: customers block or report the number, and WhatsApp will let it send "
            f"less; see why: {MANAGER} > Insights"
        )
        problems.append(_problem(message, warning=True))
    return problems


def _about_webhook(configuration: Any, public_url: str) -> list[Problem]:
    """Where the platform sends events, compared with where they are taken."""
    ours = f"{public_url.rstrip('/')}{PATH}" if public_url else f"https://<your address>{PATH}"
    urls = configuration if isinstance(configuration, dict) else {}
    # The most particular one counts.
    set_to = urls.get("phone_number") or urls.get("whatsapp_business_account") or urls.get("application")
    if not set_to:
        message = f"no webhook is set: enter {ours} as Callback URL on {CONFIGURATION}, then subscribe to messages"
        return [_problem(message)]
    if public_url and set_to != ours:
        message = f"events go to {set_to}, not to {ours}; change the Callback URL on {CONFIGURATION}"
        return [_problem(message, warning=True)]
    return []
