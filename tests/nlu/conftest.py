"""A small project that trains in a moment, beside the real recogniser of the session."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bot.config import Config, RecognizerSettings, Settings, Shop
from nlu.recognizers.embedded import EmbeddedRecognizer
from tests.conftest import ROOT

TINY = {
    "en/all.yml": """\
version: "3.1"
nlu:
  - intent: greet
    examples: |
      - hello there
      - hi
      - good morning
      - hey, good evening
  - intent: track_order
    examples: |
      - where is my order
      - where is order [100234](order_number)
      - track my parcel please
      - when does my order arrive
  - intent: ask_product
    examples: |
      - do you have the [red dress](product)
      - is the [blue shirt](product) in stock
      - I like the [red dress](product)
      - show me the [blue shirt](product)
  - synonym: damaged
    examples: |
      - broken
  - lookup: complaint_type
    examples: |
      - broken
""",
    "es/all.yml": """\
version: "3.1"
nlu:
  - intent: greet
    examples: |
      - hola
      - buenos días
      - buenas tardes, hola
      - muy buenas
  - intent: track_order
    examples: |
      - dónde está mi pedido
      - cuándo llega mi pedido
      - quiero rastrear el pedido [100236](order_number)
      - mi paquete no llega
""",
}

Project = Callable[..., Config]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Writes a project folder: files below nlu/data by name, and settings that differ."""

    def make(
        files: dict[str, str] | None = None,
        languages: tuple[str, ...] = ("en", "es"),
        domain: str | None = None,
        detector: str = "statistical",
    ) -> Config:
        for name, text in (TINY if files is None else files).items():
            path = tmp_path / "nlu" / "data" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        if domain is not None:
            (tmp_path / "domain.yml").write_text(domain, encoding="utf-8")
        settings = Settings(
            languages=languages,
            shop=Shop(default_language=languages[0], country="NL"),
            recognizer=RecognizerSettings.model_validate({"vectors": "off", "language_detector": detector}),
        )
        return Config(home=tmp_path, data_dir=tmp_path / "out", settings=settings, env={})

    return make


@pytest.fixture(scope="session")
def real(recognizer: object) -> EmbeddedRecognizer:
    """The recogniser trained on the product's own files."""
    assert isinstance(recognizer, EmbeddedRecognizer)
    recognizer.identifier.warm_up()
    return recognizer


def with_settings(config: Config, **changes: object) -> Config:
    """The configuration with other settings at the top level."""
    return replace(config, settings=config.settings.model_copy(update=changes))


__all__ = ["ROOT", "TINY", "Project", "with_settings"]
