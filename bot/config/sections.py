"""The settings that are about the shop and the machinery."""

from __future__ import annotations

import re
from typing import Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel import Locale, UnknownLocaleError
from pydantic import BaseModel, ConfigDict, Field, field_validator


class Section(BaseModel):
    """A part of the settings: unknown names are refused, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def time_zone(name: str) -> str:
    """The name itself. Raises ValueError for one that names no time zone."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError(f"unknown time zone {name!r}; use a name such as Europe/Madrid") from None
    return name


def language_code(code: str) -> str:
    """The code itself. Raises ValueError for one that names no language."""
    try:
        Locale.parse(code, sep="-")
    except (UnknownLocaleError, ValueError):
        raise ValueError(f"{code!r} is not a language code; use codes such as en, es, zh-Hans") from None
    return code


def server_address(value: str) -> str:
    """The address of a server without a slash at its end. Raises ValueError for anything else."""
    try:
        parts = urlsplit(value)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ValueError("not the address of a server; use one such as http://127.0.0.1:5005")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("write the address alone; secrets belong into the environment")
    return value.rstrip("/")


class Shop(Section):
    """The merchant."""

    name: str = "Our shop"
    default_language: str = "en"
    timezone: str = "UTC"
    country: str = Field(default="US", pattern=r"^[A-Z]{2}$")
    order_number_pattern: str = r"(?=(?:[A-Z-]*\d){4})[A-Z\d][A-Z\d-]{4,12}[A-Z\d]"
    order_number_example: str = "100234"

    @field_validator("timezone")
    @classmethod
    def _timezone(cls, value: str) -> str:
        return time_zone(value)

    @field_validator("order_number_pattern")
    @classmethod
    def _pattern(cls, value: str) -> str:
        try:
            re.compile(value, re.IGNORECASE)
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from None
        return value


class RasaSettings(Section):
    """The Rasa server that ``recognizer.engine: rasa`` asks; its token is in the environment only."""

    url: str = "http://127.0.0.1:5005"
    timeout_seconds: float = Field(default=2, gt=0, le=60)
    attempts: int = Field(default=2, ge=1, le=5)
    failures: int = Field(default=3, ge=1)
    pause_seconds: float = Field(default=30, gt=0)
    connections: int = Field(default=10, ge=1)

    @field_validator("url")
    @classmethod
    def _url(cls, value: str) -> str:
        try:
            return server_address(value)
        except ValueError as error:
            raise ValueError(str(error).replace("secrets belong", "LINGUADESK_RASA_TOKEN belongs")) from None


class RecognizerSettings(Section):
    """How messages are understood. Confidences are probabilities in [0, 1]."""

    engine: Literal["embedded", "rasa"] = "embedded"
    vectors: Literal["auto", "both", "off"] = "auto"
    threshold: float = Field(default=0.35, ge=0, le=1)
    margin: float = Field(default=0.15, ge=0, le=1)
    sure: float = Field(default=0.55, ge=0, le=1)
    language_detector: Literal["statistical", "langdetect"] = "statistical"
    rasa: RasaSettings = Field(default_factory=RasaSettings)


class DialogueSettings(Section):
    """Turn-taking."""

    failed_turns: int = Field(default=2, ge=1, le=10)
    language_switch: float = Field(default=0.8, ge=0, le=1)


class VerificationSettings(Section):
    """When a customer counts as known."""

    valid_minutes: int = Field(default=60, ge=1)
    attempts: int = Field(default=5, ge=1)
    window_minutes: int = Field(default=60, ge=1)


class ImportMapping(Section):
    """How the columns of a CSV file become orders; a value is a column or a ``{Column}`` pattern."""

    order_number: str
    customer: str
    placed_at: str
    sku: str
    description: str
    quantity: str
    unit_price: str
    currency: str
    timezone: str = "UTC"
    country: str | None = None
    email: str | None = None
    phone: str | None = None
    name: str | None = None
    status: str | None = None
    carrier: str | None = None
    tracking_number: str | None = None
    tier: str | None = None
    delivered_at: str | None = None
    cancelled_prefix: str = ""


class OrderSettings(Section):
    """Orders: what may be cancelled, how files are read."""

    cancellable: tuple[str, ...] = ("pending", "paid", "processing")
    imports: dict[str, ImportMapping] = Field(default_factory=dict)


class DeliverySettings(Section):
    """Retries of handling and sending."""

    attempts: int = Field(default=8, ge=1)
    backoff_seconds: float = Field(default=2, gt=0)
    backoff_limit_seconds: float = Field(default=900, gt=0)


class WebSettings(Section):
    """The HTTP server."""

    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    public_url: str = ""
