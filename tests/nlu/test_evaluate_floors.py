"""The regression gate: what the shipped recogniser must not fall below, and how the floors are kept."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bot.config import ConfigError, load_config
from nlu import store
from nlu.evaluate import Report, evaluate
from nlu.evaluation import floors
from tests.nlu.conftest import ROOT

FLOORS = Path(__file__).with_name("floors.json")


def test_nothing_has_fallen_below_its_floor(recognizer: object, model_dir: Path) -> None:
    """Each language's accuracy, each intent's F1, in all languages and in each.

    After an improvement: linguadesk nlu evaluate --write-floors tests/nlu/floors.json
    """
    config = load_config(ROOT, model_dir, env={})
    known = floors.load(FLOORS, floors.section(bool(store.encoders(config))))
    assert floors.below(known, evaluate(config)) == []


def test_there_are_floors_for_what_is_shipped() -> None:
    """A gate without a file would let everything pass."""
    languages = load_config(ROOT, env={}).settings.languages
    measured = {language for language in languages if (ROOT / "nlu/eval" / f"{language}.tsv").is_file()}
    for part in ("with vectors", "without vectors"):
        known = floors.load(FLOORS, part)
        assert measured <= set(known["languages"])
        assert len(known["intents"]) >= 33


def report(accuracy: float, f1: float, language: str = "en") -> Report:
    """A report with one language and one intent."""
    row = {"precision": f1, "recall": f1, "f1": f1, "count": 100}
    return Report(
        messages=100,
        seen=0,
        accuracy=accuracy,
        accuracy_all=accuracy,
        macro_f1=f1,
        by_language={language: {"messages": 100, "accuracy": accuracy, "macro_f1": f1, "language": 0.98}},
        by_intent={"greet": row, "unused": row | {"count": 0}},
        language_accuracy=0.98,
        language_wrong=0.0,
        entities={},
        calibration_error=0.0,
        out_of_scope_auroc=1.0,
        fallback={},
        held_out={},
        by_language_and_intent={language: {"greet": row}},
    )


def test_floors_are_raised_and_never_lowered(tmp_path: Path) -> None:
    """A better report raises them, a worse one leaves them, another language is added beside."""
    path = tmp_path / "floors.json"
    floors.write(path, "with vectors", report(0.9, 0.9))
    first = floors.load(path, "with vectors")
    assert first == {
        "intents": {"greet": 0.85},
        "languages": {"en": {"accuracy": 0.88, "language": 0.96, "intents": {"greet": 0.6}}},
    }
    floors.write(path, "with vectors", report(0.8, 0.7))
    assert floors.load(path, "with vectors") == first
    floors.write(path, "with vectors", report(0.95, 0.97))
    raised = floors.load(path, "with vectors")
    assert raised["languages"]["en"] == {"accuracy": 0.93, "language": 0.96, "intents": {"greet": 0.67}}
    floors.write(path, "with vectors", report(0.5, 0.5, "es"))
    assert floors.load(path, "with vectors")["languages"]["en"] == raised["languages"]["en"]
    floors.write(path, "without vectors", report(0.7, 0.7))
    assert floors.load(path, "with vectors")["intents"] == raised["intents"]


def test_what_is_below_is_named() -> None:
    """Language, intent and both; what is at its floor passes."""
    known = floors.raised({}, report(0.9, 0.9))
    assert floors.below(known, report(0.88, 0.85)) == []
    assert floors.below(known, report(0.87, 0.5)) == [
        "en: the accuracy is 0.870, the floor 0.880",
        "en: the F1 of greet is 0.500, the floor 0.600",
        "the F1 of greet is 0.500, the floor 0.850",
    ]


def test_a_language_without_floors_has_a_general_one() -> None:
    """A new language is held to the least that the product promises."""
    assert floors.below({}, report(0.84, 0.9, "xx")) == ["xx: the accuracy is 0.840, the floor 0.850"]
    assert floors.below({}, report(0.86, 0.9, "xx")) == []


@pytest.mark.parametrize("content", ["[", "[]", '{"with vectors": 3}'])
def test_a_file_of_something_else_is_not_overwritten(tmp_path: Path, content: str) -> None:
    """It is refused and stays as it was."""
    path = tmp_path / "floors.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError, match="not a file of floors"):
        floors.write(path, "with vectors", report(0.9, 0.9))
    assert path.read_text(encoding="utf-8") == content


def test_the_file_is_sorted_so_that_changes_are_small(tmp_path: Path) -> None:
    """Two writes in another order give the same file."""
    one, other = tmp_path / "a.json", tmp_path / "b.json"
    for path, order in ((one, ("en", "es")), (other, ("es", "en"))):
        for language in order:
            floors.write(path, "with vectors", report(0.9, 0.9, language))
    assert one.read_bytes() == other.read_bytes()
    assert json.loads(one.read_text(encoding="utf-8"))
