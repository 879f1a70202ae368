"""The settings of what Linguadesk talks to besides the platforms: translators, webhooks, the API's clients."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from bot.config.sections import Section, server_address


class TranslationSettings(Section):
    """Translation between customer and agent; ``LIBRETRANSLATE_API_KEY`` is in the environment only."""

    engine: Literal["off", "libretranslate"] = "off"
    url: str = "http://127.0.0.1:5000"
    timeout_seconds: float = Field(default=10, gt=0, le=120)

    @field_validator("url")
    @classmethod
    def _url(cls, value: str) -> str:
        return server_address(value)


class Webhook(Section):
    """Somebody who is told of events. The key that signs what they get is in the environment only, as
    ``LINGUADESK_WEBHOOK_SECRET_<NAME>``. No ``events`` means all; ``ticket.*`` all of tickets."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")
    url: str
    events: tuple[str, ...] = ()

    @field_validator("url")
    @classmethod
    def _url(cls, value: str) -> str:
        if not value.startswith(("http://", "https://")):
            raise ValueError("not a web address; use one such as https://example.com/linguadesk")
        return value


class ApiSettings(Section):
    """The JSON API under ``/api/v1``; ``per_minute`` is how many calls one token may make."""

    enabled: bool = True
    per_minute: int = Field(default=600, ge=1)
