"""What an operator sets for WhatsApp: secrets in the environment, the template in ``config.yml``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field

from bot.config import ConfigError, Problem

BASE_URL = "https://graph.facebook.com/v26.0"

_WHERE = {
    "WHATSAPP_PHONE_NUMBER_ID": "copy the Phone number ID from the app's WhatsApp > API Setup page",
    "WHATSAPP_APP_SECRET": "copy the App secret from the app's App settings > Basic page",
    "WHATSAPP_VERIFY_TOKEN": (
        "make one up, for example with python3 -c "
        '"import secrets; print(secrets.token_urlsafe(24))", and enter the same one as Verify token on the app\'s '
        "WhatsApp > Configuration page"
    ),
}


class Template(BaseModel):
    """The approved template that carries a text when free text is refused.

    Its body has one variable, ``{{1}}``. ``languages`` maps the product's languages to the codes
    under which WhatsApp has the template.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z0-9_]{1,512}$")
    languages: dict[str, str] = Field(min_length=1)

    def code(self, language: str, default: str) -> str:
        """WhatsApp's code for a language, or for ``default``, or the first there is."""
        return self.languages.get(language) or self.languages.get(default) or next(iter(self.languages.values()))


class Options(BaseModel):
    """``connectors.whatsapp`` in ``config.yml``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool = True
    template: Template | None = None


@dataclass(frozen=True, slots=True, repr=False)
class Account:
    """The business number and its secrets."""

    token: str
    number_id: str
    app_secret: str
    verify_token: str
    base_url: str


def account(env: Mapping[str, str]) -> Account:
    """The account that the environment names.

    Raises:
        ConfigError: with one problem for each variable that is missing or cannot be used.
    """
    problems = [
        Problem("environment", 0, f"{name} is missing: {where}")
        for name, where in _WHERE.items()
        if not env.get(name, "").strip()
    ]
    number_id = env.get("WHATSAPP_PHONE_NUMBER_ID", "").strip()
    if number_id and not (number_id.isascii() and number_id.isdecimal()):
        message = "WHATSAPP_PHONE_NUMBER_ID is not the number's ID, which has digits only: "
        problems.append(Problem("environment", 0, message + _WHERE["WHATSAPP_PHONE_NUMBER_ID"]))
    base_url = (env.get("WHATSAPP_API_BASE_URL", "").strip() or BASE_URL).rstrip("/")
    parts = urlsplit(base_url)
    if parts.scheme not in {"https", "http"} or not parts.netloc:
        message = f"WHATSAPP_API_BASE_URL is not an address such as {BASE_URL}"
        problems.append(Problem("environment", 0, message))
    if problems:
        raise ConfigError(*problems)
    return Account(
        token=env["WHATSAPP_TOKEN"].strip(),
        number_id=number_id,
        app_secret=env["WHATSAPP_APP_SECRET"].strip(),
        verify_token=env["WHATSAPP_VERIFY_TOKEN"].strip(),
        base_url=base_url,
    )
