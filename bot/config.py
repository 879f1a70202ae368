"""Settings: ``config.yml`` and the environment, validated, with file and line in every complaint.

The working folder (or ``LINGUADESK_HOME``) holds ``config.yml``, ``domain.yml``, ``nlu/data/`` and
``knowledge/``; what the program writes goes below the data folder. Secrets come only from the
environment; a ``.env`` file in the working folder is read if it is there.
"""

from __future__ import annotations

import os
import re
import secrets
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel import Locale, UnknownLocaleError
from dotenv import dotenv_values
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from bot.contracts import LinguadeskError

RASA_KEYS = {
    "recipe",
    "assistant_id",
    "language",
    "pipeline",
    "policies",
    "version",
    "importers",
    "imports",
    "session_config",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: where, what, and what to do. ``line`` is 1-based, 0 if unknown."""

    file: str
    line: int
    message: str
    warning: bool = False

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.message}"


class ConfigError(LinguadeskError):
    """The configuration cannot be used; :attr:`problems` says why, by file and line."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


def load_yaml(path: Path, shown_as: str = "") -> Any:
    """Read a YAML file, keeping line numbers (ruamel's ``.lc``).

    Raises:
        ConfigError: the file is missing, unreadable, not UTF-8 or not YAML.
    """
    name = shown_as or path.name
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(Problem(name, 0, f"the file is missing; expected it at {path}")) from None
    except UnicodeDecodeError as error:
        raise ConfigError(Problem(name, 0, f"the file is not UTF-8 text ({error.reason})")) from None
    except OSError as error:
        raise ConfigError(Problem(name, 0, f"the file cannot be read: {error.strerror}")) from None
    try:
        return YAML(typ="rt").load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 0
        raise ConfigError(Problem(name, line, f"this is not valid YAML: {error.problem or error.context}")) from None
    except YAMLError as error:
        raise ConfigError(Problem(name, 0, f"this is not valid YAML: {error}")) from None


def line_of(node: Any, *path: str | int) -> int:
    """The 1-based line of the deepest part of ``path`` that exists below a loaded YAML ``node``."""
    line = node.lc.line + 1 if isinstance(node, CommentedMap | CommentedSeq) else 0
    for step in path:
        if isinstance(node, CommentedMap) and step in node:
            line = node.lc.key(step)[0] + 1
            node = node[step]
        elif isinstance(node, CommentedSeq) and isinstance(step, int) and step < len(node):
            line = node.lc.item(step)[0] + 1
            node = node[step]
        else:
            break
    return line


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Shop(_Section):
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
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError(f"unknown time zone {value!r}; use a name such as Europe/Madrid") from None
        return value

    @field_validator("order_number_pattern")
    @classmethod
    def _pattern(cls, value: str) -> str:
        try:
            re.compile(value, re.IGNORECASE)
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from None
        return value


class RasaSettings(_Section):
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
            parts = urlsplit(value)
            usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            usable = False
        if not usable:
            raise ValueError("not the address of a server; use one such as http://127.0.0.1:5005")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError("write the address alone; the token belongs into the environment, LINGUADESK_RASA_TOKEN")
        return value.rstrip("/")


class RecognizerSettings(_Section):
    """How messages are understood. Confidences are probabilities in [0, 1]."""

    engine: Literal["embedded", "rasa"] = "embedded"
    vectors: Literal["auto", "off"] = "auto"
    threshold: float = Field(default=0.35, ge=0, le=1)
    margin: float = Field(default=0.15, ge=0, le=1)
    sure: float = Field(default=0.55, ge=0, le=1)
    language_detector: Literal["statistical", "langdetect"] = "statistical"
    rasa: RasaSettings = Field(default_factory=RasaSettings)


class DialogueSettings(_Section):
    """Turn-taking."""

    failed_turns: int = Field(default=2, ge=1, le=10)
    language_switch: float = Field(default=0.8, ge=0, le=1)


class VerificationSettings(_Section):
    """When a customer counts as known."""

    valid_minutes: int = Field(default=60, ge=1)
    attempts: int = Field(default=5, ge=1)
    window_minutes: int = Field(default=60, ge=1)


class HandoffSettings(_Section):
    """Hand-overs to people."""

    timeout_minutes: int = Field(default=720, ge=1)
    # Agents' rooms are reminded of a hand-over that nobody has taken after this long, then after twice
    # as long, and so on; 0: never.
    reminder_minutes: int = Field(default=5, ge=0)


# The types and severities of :mod:`bot.storage.models`, which this module must not import.
TicketKind = Literal[
    "damaged", "wrong_item", "missing_item", "not_delivered", "late", "quality", "service", "billing", "other"
]
Gravity = Literal["low", "normal", "high", "critical"]


def _language_code(code: str) -> str:
    """The code itself. Raises ValueError for one that names no language."""
    try:
        Locale.parse(code, sep="-")
    except (UnknownLocaleError, ValueError):
        raise ValueError(f"{code!r} is not a language code; use codes such as en, es, zh-Hans") from None
    return code


class SeverityRule(_Section):
    """What raises a ticket's severity to ``raise_to``: all the conditions that are given must hold.

    ``order_amount_at_least`` is in the order's own currency; ``words`` are looked for as whole words, by
    language, and ``*`` at a word's beginning or end stands for any letters.
    """

    name: str = Field(default="", max_length=80)
    types: tuple[TicketKind, ...] = ()
    tiers: tuple[str, ...] = ()
    order_amount_at_least: Decimal | None = Field(default=None, gt=0)
    repeat_within_days: int | None = Field(default=None, ge=1, le=3650)
    words: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    raise_to: Gravity

    @field_validator("words")
    @classmethod
    def _words(cls, value: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        for code, words in value.items():
            _language_code(code)
            if not words or any(not word.strip("* ") for word in words):
                raise ValueError(f"the words of {code!r} are missing, or one of them is empty")
        return value

    @model_validator(mode="after")
    def _has_a_condition(self) -> SeverityRule:
        if not (self.types or self.tiers or self.order_amount_at_least or self.repeat_within_days or self.words):
            names = "types, tiers, order_amount_at_least, repeat_within_days or words"
            raise ValueError(f"a rule without a condition would raise every ticket; give it {names}")
        return self


class TicketSettings(_Section):
    """Complaint tickets. ``root_causes`` and ``resolutions`` are the codes that agents choose from."""

    reopen_days: int = Field(default=14, ge=1, le=3650)
    severity_rules: tuple[SeverityRule, ...] = ()
    root_causes: tuple[str, ...] = ()
    resolutions: tuple[str, ...] = ()

    @field_validator("root_causes", "resolutions")
    @classmethod
    def _codes(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for code in value:
            if not code.strip() or len(code) > 80:
                raise ValueError(f"{code!r} must have between 1 and 80 characters")
        if len(set(value)) < len(value):
            raise ValueError("the same words stand here twice")
        return value


class SurveySettings(_Section):
    """Satisfaction surveys."""

    delay_seconds: int = Field(default=0, ge=0)
    expiry_hours: int = Field(default=72, ge=1)
    cooldown_days: int = Field(default=14, ge=0)


class ImportMapping(_Section):
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
    cancelled_prefix: str = ""


class OrderSettings(_Section):
    """Orders: what may be cancelled, how files are read."""

    cancellable: tuple[str, ...] = ("pending", "paid", "processing")
    imports: dict[str, ImportMapping] = Field(default_factory=dict)


class DeliverySettings(_Section):
    """Retries of handling and sending."""

    attempts: int = Field(default=8, ge=1)
    backoff_seconds: float = Field(default=2, gt=0)
    backoff_limit_seconds: float = Field(default=900, gt=0)


class WebSettings(_Section):
    """The HTTP server."""

    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    public_url: str = ""


class Settings(_Section):
    """All of ``config.yml`` that is this product's own."""

    shop: Shop = Field(default_factory=Shop)
    languages: tuple[str, ...] = ("en",)
    recognizer: RecognizerSettings = Field(default_factory=RecognizerSettings)
    dialogue: DialogueSettings = Field(default_factory=DialogueSettings)
    verification: VerificationSettings = Field(default_factory=VerificationSettings)
    handoff: HandoffSettings = Field(default_factory=HandoffSettings)
    tickets: TicketSettings = Field(default_factory=TicketSettings)
    surveys: SurveySettings = Field(default_factory=SurveySettings)
    orders: OrderSettings = Field(default_factory=OrderSettings)
    delivery: DeliverySettings = Field(default_factory=DeliverySettings)
    web: WebSettings = Field(default_factory=WebSettings)
    connectors: dict[str, dict[str, Any]] = Field(default_factory=dict)

    @field_validator("languages")
    @classmethod
    def _languages(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError("name at least one language, for example [en]")
        return tuple(map(_language_code, value))

    @model_validator(mode="after")
    def _default_is_spoken(self) -> Settings:
        if self.shop.default_language not in self.languages:
            raise ValueError(
                f"shop.default_language is {self.shop.default_language!r}, which is not among `languages`; "
                f"choose one of {', '.join(self.languages)}"
            )
        return self


@dataclass(frozen=True, slots=True)
class Config:
    """Everything an operator has set: the files' folder, the data folder, settings and environment."""

    home: Path
    data_dir: Path
    settings: Settings
    env: dict[str, str] = field(repr=False)

    @property
    def database_url(self) -> str:
        """SQLAlchemy URL with an asynchronous driver; SQLite in the data folder by default."""
        url = self.env.get("LINGUADESK_DATABASE_URL") or f"sqlite:///{self.data_dir / 'linguadesk.db'}"
        scheme, separator, rest = url.partition("://")
        if not separator:
            raise ConfigError(
                Problem(
                    "environment",
                    0,
                    "LINGUADESK_DATABASE_URL is not a URL; use postgresql://user:password@host/name or sqlite:///file",
                )
            )
        drivers = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg", "postgres": "postgresql+asyncpg"}
        return f"{drivers.get(scheme, scheme)}://{rest}"

    @property
    def models_dir(self) -> Path:
        """Where trained models are cached."""
        return self.data_dir / "models"

    @property
    def files_dir(self) -> Path:
        """Where attachments and exports are kept."""
        return self.data_dir / "files"

    @property
    def rasa_token(self) -> str:
        """What the Rasa server wants to see with every question; empty if it asks for nothing."""
        return self.env.get("LINGUADESK_RASA_TOKEN", "").strip()

    def secret_key(self) -> str:
        """The key that signs cookies and links.

        ``LINGUADESK_SECRET_KEY``, or a random key made once and kept in the data folder, readable
        by its owner only.
        """
        if key := self.env.get("LINGUADESK_SECRET_KEY"):
            if len(key) < 16:
                raise ConfigError(
                    Problem(
                        "environment",
                        0,
                        "LINGUADESK_SECRET_KEY is shorter than 16 characters; "
                        'make one with: python3 -c "import secrets; print(secrets.token_urlsafe(32))"',
                    )
                )
            return key
        path = self.data_dir / "secret_key"
        self.data_dir.mkdir(parents=True, exist_ok=True)
        try:
            handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        except FileExistsError:
            return path.read_text(encoding="ascii").strip()
        with os.fdopen(handle, "w", encoding="ascii") as stream:
            key = secrets.token_urlsafe(32)
            stream.write(key)
        return key


def find_home() -> Path:
    """The folder with ``config.yml``: ``LINGUADESK_HOME``, or the working folder."""
    return Path(os.environ.get("LINGUADESK_HOME") or ".").resolve()


def _complaints(error: ValidationError, document: Any, name: str) -> list[Problem]:
    problems = []
    for item in error.errors():
        path = [step for step in item["loc"] if not isinstance(step, str) or not step.startswith("function-")]
        setting = ".".join(str(step) for step in path)
        message = item["msg"].removeprefix("Value error, ")
        if item["type"] == "extra_forbidden":
            message = "unknown setting; check the spelling or remove it"
        elif item["type"] == "missing":
            message = "this setting is missing"
        problems.append(Problem(name, line_of(document, *path), f"{setting}: {message}" if setting else message))
    return problems


def _spoken(document: CommentedMap) -> dict[str, Any]:
    """The languages of a project without ``languages``: the one that Rasa's ``language`` names, else English."""
    code, shop = document.get("language") or "en", document.get("shop") or {}
    try:
        Locale.parse(code, sep="-")
    except (UnknownLocaleError, ValueError, TypeError):
        return {}  # such as Rasa's "xx", any language
    named = isinstance(shop, dict) and "default_language" not in shop
    return {"languages": [code]} | ({"shop": {**shop, "default_language": code}} if named else {})


def _overridden(settings: Settings, env: dict[str, str]) -> Settings:
    """The settings with what the environment says of the recogniser in place of what the file says."""
    own = settings.recognizer
    changes: dict[str, Any] = {}
    if engine := env.get("LINGUADESK_RECOGNIZER"):
        changes["engine"] = engine
    if url := env.get("LINGUADESK_RASA_URL"):
        changes["rasa"] = own.rasa.model_dump() | {"url": url}
    if not changes:
        return settings
    try:
        changed = RecognizerSettings.model_validate(own.model_dump() | changes)
    except ValidationError as error:
        names = {"engine": "LINGUADESK_RECOGNIZER", "rasa": "LINGUADESK_RASA_URL"}
        raise ConfigError(
            *(
                Problem("environment", 0, f"{names[str(item['loc'][0])]}: {item['msg'].removeprefix('Value error, ')}")
                for item in error.errors()
            )
        ) from None
    return settings.model_copy(update={"recognizer": changed})


def load_config(home: Path | None = None, data_dir: Path | None = None, env: dict[str, str] | None = None) -> Config:
    """Read and validate ``config.yml`` and the environment.

    Args:
        home: the folder with the project files; default :func:`find_home`.
        data_dir: where the program writes; default ``LINGUADESK_DATA_DIR``, then ``./data``.
        env: the environment; default the process's, completed by ``.env`` in ``home``.

    Raises:
        ConfigError: with one :class:`Problem` for each thing that is wrong.
    """
    home = home or find_home()
    if env is None:
        env = {key: value for key, value in dotenv_values(home / ".env").items() if value is not None} | dict(
            os.environ
        )
    document = load_yaml(home / "config.yml", "config.yml")
    if not isinstance(document, CommentedMap):
        raise ConfigError(Problem("config.yml", 1, "expected settings such as `shop:` and `languages:`"))
    own = {key: value for key, value in document.items() if key not in RASA_KEYS}
    try:
        settings = Settings.model_validate(own if "languages" in own else own | _spoken(document))
    except ValidationError as error:
        raise ConfigError(*_complaints(error, document, "config.yml")) from None
    folder = data_dir or Path(env.get("LINGUADESK_DATA_DIR") or "data")
    return Config(home=home, data_dir=folder.resolve(), settings=_overridden(settings, env), env=env)
