"""What an operator sets for Slack: tokens from the environment, the agents' channel from ``config.yml``."""

from __future__ import annotations

from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bot.config import ConfigError, Problem
from connectors import Host

DEFAULT_BASE_URL = "https://slack.com/api/"


class Options(BaseModel):
    """``connectors.slack`` in ``config.yml``; ``agents_channel`` is a channel's id, ``""`` for none."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool = True
    agents_channel: str = Field(default="", pattern=r"^([CG][A-Z0-9]{2,})?$")


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that is set for Slack; ``app_token`` chooses Socket Mode."""

    token: str = field(repr=False)
    app_token: str = field(repr=False)
    secret: str = field(repr=False)
    base_url: str
    agents_channel: str


def _options(host: Host) -> Options:
    try:
        return Options.model_validate(host.config.settings.connectors.get("slack", {}))
    except ValidationError as error:
        problems = []
        for item in error.errors():
            setting = ".".join(str(step) for step in item["loc"])
            message = {
                "extra_forbidden": "unknown setting; check the spelling or remove it",
                "string_pattern_mismatch": "this is the channel's id, such as C0123456789: in Slack open the "
                "channel's details, it stands at the bottom of the tab About",
            }.get(item["type"], item["msg"])
            problems.append(Problem("config.yml", 0, f"connectors.slack.{setting}: {message}"))
        raise ConfigError(*problems) from None


def settings_of(host: Host) -> Settings:
    """Read the settings.

    Raises:
        ConfigError: neither a signing secret nor an app-level token is set, or an option is wrong.
    """
    app_token = host.env.get("SLACK_APP_TOKEN", "").strip()
    secret = host.env.get("SLACK_SIGNING_SECRET", "").strip()
    if not secret and not app_token:
        message = (
            "SLACK_SIGNING_SECRET is missing: copy it from the app's Basic Information page; or set "
            "SLACK_APP_TOKEN (xapp-…) to receive by Socket Mode, which needs no public address"
        )
        raise ConfigError(Problem("environment", 0, message))
    return Settings(
        token=host.env["SLACK_BOT_TOKEN"].strip(),
        app_token=app_token,
        secret=secret,
        base_url=host.env.get("SLACK_API_BASE_URL") or DEFAULT_BASE_URL,
        agents_channel=_options(host).agents_channel,
    )
