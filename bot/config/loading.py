"""Reading ``config.yml`` and the environment, with file and line in every complaint."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from babel import Locale, UnknownLocaleError
from dotenv import dotenv_values
from pydantic import Field, ValidationError, field_validator, model_validator
from ruamel.yaml.comments import CommentedMap

from bot.config.digests import Digest
from bot.config.links import ApiSettings, TranslationSettings, Webhook
from bot.config.people import HandoffSettings, Team
from bot.config.problems import ConfigError, Problem, line_of, load_yaml
from bot.config.sections import (
    DeliverySettings,
    DialogueSettings,
    OrderSettings,
    RecognizerSettings,
    Section,
    Shop,
    VerificationSettings,
    WebSettings,
    language_code,
)
from bot.config.surveys import FILE as SURVEYS
from bot.config.surveys import SurveySettings
from bot.config.tickets import CalendarSettings, ServiceLevels, TicketSettings, TopicSettings

# So many characters a secret has that an operator makes up.
MIN_SECRET = 16
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


class Settings(Section):
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
    calendars: dict[str, CalendarSettings] = Field(default_factory=dict)
    service_levels: ServiceLevels = Field(default_factory=ServiceLevels)
    teams: tuple[Team, ...] = ()
    topics: TopicSettings = Field(default_factory=TopicSettings)
    translation: TranslationSettings = Field(default_factory=TranslationSettings)
    webhooks: tuple[Webhook, ...] = ()
    digests: tuple[Digest, ...] = ()
    api: ApiSettings = Field(default_factory=ApiSettings)
    connectors: dict[str, dict[str, Any]] = Field(default_factory=dict)

    @field_validator("languages")
    @classmethod
    def _languages(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError("name at least one language, for example [en]")
        return tuple(map(language_code, value))

    @model_validator(mode="after")
    def _default_is_spoken(self) -> Settings:
        if self.shop.default_language not in self.languages:
            raise ValueError(
                f"shop.default_language is {self.shop.default_language!r}, which is not among `languages`; "
                f"choose one of {', '.join(self.languages)}"
            )
        return self

    @model_validator(mode="after")
    def _names_exist(self) -> Settings:
        used = [target.calendar for target in self.service_levels.targets] + [team.calendar for team in self.teams]
        for name in filter(None, used):
            if name not in self.calendars:
                known = ", ".join(self.calendars) or "none yet"
                raise ValueError(f"the calendar {name!r} is used, but not among `calendars` ({known})")
        names = [team.name for team in self.teams]
        others = {"webhooks": [hook.name for hook in self.webhooks], "digests": [item.name for item in self.digests]}
        for kind, given in {"teams": names, **others}.items():
            if twice := next((name for name in given if given.count(name) > 1), ""):
                raise ValueError(f"two of `{kind}` are called {twice!r}")
        for digest in self.digests:
            if wrong := next((name for name in digest.teams if name not in names), ""):
                raise ValueError(f"the digest {digest.name!r} is about {wrong!r}, which is not among `teams`")
        for team in self.teams:
            if team.next and team.next not in names:
                raise ValueError(f"the team {team.name!r} is followed by {team.next!r}, which is not among `teams`")
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

    def metrics_token(self) -> str:
        """What a scraper of ``/metrics`` must show; empty where there is no such page.

        Raises:
            ConfigError: it is too short to be a secret.
        """
        token = self.env.get("LINGUADESK_METRICS_TOKEN", "").strip()
        if token and len(token) < MIN_SECRET:
            raise ConfigError(_too_short("LINGUADESK_METRICS_TOKEN"))
        return token

    @property
    def translation_key(self) -> str:
        """The key for the translation server; empty if it asks for none."""
        return self.env.get("LIBRETRANSLATE_API_KEY", "").strip()

    def secret_key(self) -> str:
        """The key that signs cookies and links.

        ``LINGUADESK_SECRET_KEY``, or a random key made once and kept in the data folder, readable
        by its owner only.
        """
        if key := self.env.get("LINGUADESK_SECRET_KEY"):
            if len(key) < MIN_SECRET:
                raise ConfigError(_too_short("LINGUADESK_SECRET_KEY"))
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


def _too_short(name: str) -> Problem:
    hint = 'make one with: python3 -c "import secrets; print(secrets.token_urlsafe(32))"'
    return Problem("environment", 0, f"{name} is shorter than {MIN_SECRET} characters; {hint}")


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


def _surveys(home: Path, settings: Settings) -> SurveySettings:
    """What ``surveys.yml`` says; without the file, what holds by itself."""
    if not (home / SURVEYS).exists():
        return SurveySettings()
    document = load_yaml(home / SURVEYS, SURVEYS)
    if document is None:
        return SurveySettings()
    if not isinstance(document, CommentedMap):
        raise ConfigError(Problem(SURVEYS, 1, "expected settings such as `cooldown_days:` and `definitions:`"))
    try:
        found = SurveySettings.model_validate(document)
    except ValidationError as error:
        raise ConfigError(*_complaints(error, document, SURVEYS)) from None
    problems = []
    for index, item in enumerate(found.definitions):
        known = {"languages": settings.languages, "channels": tuple(settings.connectors)}
        for name, these in known.items():
            for wrong in [value for value in getattr(item.audience, name) if these and value not in these]:
                line = line_of(document, "definitions", index, "audience", name)
                message = f"definitions.{index}.audience.{name}: {wrong!r} is not among `{_WHERE[name]}` of config.yml"
                problems.append(Problem(SURVEYS, line, f"{message} ({', '.join(these)})"))
    if problems:
        raise ConfigError(*problems)
    return found


_WHERE = {"languages": "languages", "channels": "connectors"}


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
    if "surveys" in own:
        moved = f"surveys: these settings have their own file, {SURVEYS}, beside this one; see docs/surveys.md"
        raise ConfigError(Problem("config.yml", line_of(document, "surveys"), moved))
    try:
        settings = Settings.model_validate(own if "languages" in own else own | _spoken(document))
    except ValidationError as error:
        raise ConfigError(*_complaints(error, document, "config.yml")) from None
    settings = settings.model_copy(update={"surveys": _surveys(home, settings)})
    folder = data_dir or Path(env.get("LINGUADESK_DATA_DIR") or "data")
    return Config(home=home, data_dir=folder.resolve(), settings=_overridden(settings, env), env=env)
