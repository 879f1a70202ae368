"""A project with ten examples of an intent: how sure the recogniser is says how often it is right."""

from __future__ import annotations

import random
import zlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bot.config import load_config
from nlu.blocks import Kept
from nlu.classifier import Calibration
from nlu.evaluation.measures import calibration_error
from nlu.features import Floats
from nlu.fit import fit_classifier
from nlu.recognizers.embedded import EmbeddedRecognizer
from nlu.training_data import load_training_data

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def english(tmp_path_factory: pytest.TempPathFactory) -> tuple[EmbeddedRecognizer, list[tuple[str, str]]]:
    """A recogniser with ten of the shipped examples of each intent in English, and twenty others of each."""
    by_intent: dict[str, list[str]] = defaultdict(list)
    for example in load_training_data(load_config(ROOT, env={})).examples:
        if example.language == "en" and "\n" not in example.text:
            by_intent[example.intent].append(example.text)
    chance = random.Random(10)
    drawn = {intent: chance.sample(texts, 30) for intent, texts in by_intent.items()}
    home = tmp_path_factory.mktemp("few")
    (home / "nlu/data/en").mkdir(parents=True)
    (home / "config.yml").write_text("languages: [en]\nshop: {default_language: en}\n", encoding="utf-8")
    lines = ['version: "3.1"', "nlu:"]
    for intent, texts in drawn.items():
        lines += [f"  - intent: {intent}", "    examples: |", *(f"      - {text}" for text in texts[:10])]
    (home / "nlu/data/en/all.yml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    config = load_config(home, home / "out", env={})
    return EmbeddedRecognizer.load(config), [(text, intent) for intent, texts in drawn.items() for text in texts[10:]]


def test_how_sure_it_is_says_how_often_it_is_right(
    english: tuple[EmbeddedRecognizer, list[tuple[str, str]]],
) -> None:
    """And most is understood from so little."""
    recognizer, messages = english
    parsed = [(recognizer.parse_sync(text), intent) for text, intent in messages]
    found = [(parse.confidence, parse.intent == intent) for parse, intent in parsed]
    assert sum(right for _, right in found) / len(found) > 0.6
    assert calibration_error(found) < 0.1


@pytest.mark.parametrize("top", [(1.0, 0.0), (4.0, 2.0), (1.2, -1.0), (0.5, -3.0), (6.0, 8.0)])
def test_calibrating_the_most_probable_intent_changes_no_order(top: tuple[float, float]) -> None:
    """Whatever the slope and the intercept; probabilities still sum to one."""
    scores = np.random.default_rng(3).normal(size=(200, 7)).astype(np.float32)
    scores = np.vstack([scores, 20 * scores, np.eye(7, dtype=np.float32) * 1e-3])
    plain = Calibration(np.eye(7, dtype=np.float32), np.zeros(7, dtype=np.float32))
    before, after = plain.probabilities(scores), replace(plain, top=top).probabilities(scores)
    assert after.argmax(axis=1).tolist() == before.argmax(axis=1).tolist()
    assert after.sum(axis=1) == pytest.approx(np.ones(len(scores)), abs=1e-5)
    best, second = np.sort(after, axis=1)[:, -1], np.sort(after, axis=1)[:, -2]
    assert (best >= second).all()
    assert replace(plain, top=top).probabilities(scores[0]) == pytest.approx(after[0], abs=1e-6)


def _made_up(texts: Sequence[str]) -> Floats:
    """Vectors of two encoders that follow from the texts alone."""
    rows = [np.random.default_rng(zlib.crc32(text.encode())).normal(size=896) for text in texts]
    return np.array([np.concatenate([row[:512] / 22, row[512:] / 20 + 1]) for row in rows], dtype=np.float32)


def test_a_language_in_which_nothing_changed_is_not_learnt_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With two encoders too: one more English example leaves what was learnt of German as it was."""
    for module in ("nlu.blocks", "nlu.fit"):
        monkeypatch.setattr(f"{module}.LANDMARKS", 40)
    examples = [
        (f"{intent} {word} {number}", intent, language)
        for language, word in (("en", "please"), ("de", "bitte"))
        for intent in ("refund", "order")
        for number in range(520)
    ]

    def learn(given: list[tuple[str, str, str]]) -> set[str]:
        texts, intents, languages = zip(*given, strict=True)
        fit_classifier(texts, intents, languages, _made_up, kept=Kept(tmp_path, "this"))
        return {file.name for file in tmp_path.iterdir()}

    before = learn(examples)
    after = learn([*examples, ("refund it at once", "refund", "en")])
    assert (len(before), len(after), len(before & after)) == (2, 2, 1)
