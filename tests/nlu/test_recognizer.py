"""Understanding messages: payloads, bad input, ranking, and the shape of the answer."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import date

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.config import load_config
from nlu.recognizers.embedded import EmbeddedRecognizer, parse_payload
from nlu.training_data import load_training_data
from tests.nlu.conftest import ROOT, Project

INTENTS = {"track_order", "affirm", "give_feedback"}


@pytest.mark.parametrize(
    ("text", "intent", "entities"),
    [
        ("/affirm", "affirm", []),
        ("/affirm{}", "affirm", []),
        ('/track_order{"order_number": "100234"}', "track_order", [("order_number", "100234")]),
        (
            '/track_order {"order_number": "100234", "email": "a@example.com"} ',
            "track_order",
            [("order_number", "100234"), ("email", "a@example.com")],
        ),
        ('/give_feedback{"rating": 5}', "give_feedback", [("rating", "5")]),
        ('/track_order@0.9{"order_number": ["1", "2"]}', "track_order", [("order_number", "1"), ("order_number", "2")]),
        ('/affirm{"x": null}', "affirm", []),
        ('/give_feedback{"rating": "五\\n"}', "give_feedback", [("rating", "五\n")]),
    ],
)
def test_payloads_are_read_exactly(text: str, intent: str, entities: list[tuple[str, str]]) -> None:
    """A button's payload gives its intent with certainty and its JSON's values as entities."""
    parse = parse_payload(text, INTENTS)
    assert parse is not None
    assert (parse.intent, parse.confidence, parse.ranking) == (intent, 1.0, ((intent, 1.0),))
    assert [(item.entity, item.value) for item in parse.entities] == entities
    assert all(json.loads(text[item.start : item.end]) for item in parse.entities)
    assert parse.language.language == ""


@pytest.mark.parametrize(
    "text",
    [
        "/unknown",
        "/",
        "affirm",
        "/affirm{",
        '/affirm{"a"}',
        "/affirm[]",
        "/affirm now",
        " /affirm",
        "/affirm{" + "[" * 5000 + "}",
    ],
)
def test_what_is_no_payload_is_ordinary_text(text: str) -> None:
    """An unknown intent, broken JSON or words after it are read as words."""
    assert parse_payload(text, INTENTS) is None


def test_the_recognizer_reads_payloads_of_intents_without_examples(project: Project) -> None:
    """Intents that only buttons use, declared in domain.yml, work as payloads."""
    config = project(domain="intents: [greet, track_order, ask_product, survey]\nentities: [product, order_number]\n")
    recognizer = EmbeddedRecognizer.load(config)
    parse = recognizer.parse_sync('/survey{"survey": "7"}')
    assert (parse.intent, parse.confidence, parse.values("survey")) == ("survey", 1.0, ("7",))


def test_the_ranking_is_a_distribution_with_the_answer_first(real: EmbeddedRecognizer) -> None:
    """Confidences are probabilities over all intents, best first."""
    parse = real.parse_sync("where is my parcel? it should be here by now")
    assert parse.ranking[0] == (parse.intent, parse.confidence)
    scores = [score for _, score in parse.ranking]
    assert scores == sorted(scores, reverse=True)
    assert sum(scores) == pytest.approx(1, abs=1e-3)
    assert len({name for name, _ in parse.ranking}) == len(scores) >= 33
    shape = parse.to_rasa()
    assert shape["intent"] == {"name": parse.intent, "confidence": parse.confidence}


@pytest.mark.parametrize("text", ["", " ", "\n\t", "\x00\x00\x07", "\u200b\u200d\ufeff", "\u202e\u202c", "\ud800"])
def test_nothing_to_read_gives_no_intent(real: EmbeddedRecognizer, text: str) -> None:
    """Empty, invisible or control characters alone: no intent, no confidence, no exception."""
    parse = real.parse_sync(text)
    assert (parse.text, parse.intent, parse.confidence, parse.entities) == (text, "", 0.0, ())
    assert parse.language.language == ""


@pytest.mark.parametrize("text", ["🦑🛸", "🎃" * 500, "∮∯", "¶§", "☃ ♞ ⌘"])
def test_signs_without_meaning_are_not_understood(real: EmbeddedRecognizer, text: str) -> None:
    """Emoji and signs that no example uses stay below the threshold of understanding."""
    parse = real.parse_sync(text)
    assert parse.confidence < 0.35
    assert parse.language.language == ""


def test_emoji_that_examples_use_are_understood(real: EmbeddedRecognizer) -> None:
    """A thumb up is a yes."""
    assert real.parse_sync("👍").intent == "affirm"


@pytest.mark.parametrize(
    "text",
    [
        "x" * 100_000,
        "where is my order 100234 " * 4_000,
        "我" * 100_000,
        "1" * 100_000,
        "a@" * 50_000,
        "(" * 100_000,
        "[" + "](" * 50_000,
        "+" + "1 " * 50_000,
        "\u202eabc שלום \u2066مرحبا 100234\u2069 hello\u202c",
        "ord\u200ber 10\u200b0234",
        bytes(range(256)).decode("latin-1"),
        "z̷̢̛a̸l̵g̶o̷" * 200,
    ],
)
def test_hostile_text_is_read_quickly_and_safely(real: EmbeddedRecognizer, text: str) -> None:
    """Very long, binary or mixed-direction text neither raises nor takes long."""
    started = time.perf_counter()
    parse = real.parse_sync(text)
    assert time.perf_counter() - started < 1.0
    assert parse.text == text
    assert all(0 <= item.start < item.end <= len(text) for item in parse.entities)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=120))
def test_any_text_is_safe(real: EmbeddedRecognizer, text: str) -> None:
    """No text raises; confidences stay probabilities; entities lie within the text."""
    parse = real.parse_sync(text)
    assert 0 <= parse.confidence <= 1
    assert all(0 <= item.start < item.end <= len(text) for item in parse.entities)


def test_unlike_anything_known_lowers_confidence(real: EmbeddedRecognizer) -> None:
    """Words that resemble no example do not pass for a confident request."""
    for text in ("blorp fnord quux", "Zxqv jklw", "ĝrblŝ ĥŭnĉo"):
        parse = real.parse_sync(text)
        assert parse.intent == "out_of_scope" or parse.confidence < 0.55


async def test_parsing_leaves_the_event_loop_free(real: EmbeddedRecognizer) -> None:
    """Many messages at once are all answered, each with its own text."""
    texts = [f"where is order {number}?" for number in range(100200, 100240)]
    parses = await asyncio.gather(*map(real.parse, texts))
    assert [parse.text for parse in parses] == texts
    assert all(parse.values("order_number") == (text[-7:-1],) for parse, text in zip(parses, texts, strict=True))


def test_relative_dates_refer_to_the_shops_day(real: EmbeddedRecognizer) -> None:
    """The caller's clock decides what yesterday is."""
    parse = real.parse_sync("it arrived yesterday", today=date(2024, 3, 1))
    assert parse.values("date") == ("2024-02-29",)


def test_shouting_is_understood_like_speaking(real: EmbeddedRecognizer) -> None:
    """Capitals do not change the intent."""
    assert real.parse_sync("MY CARD WAS CHARGED TWICE").intent == "payment_problem"


@pytest.mark.parametrize(
    ("text", "intent"),
    [
        ("where's my order 100234?", "track_order"),
        ("the box arrived crushed", "open_complaint"),
        ("let me talk to a real person", "talk_to_human"),
        ("hola, ¿dónde está mi pedido?", "track_order"),
        ("quiero que me devuelvan el dinero", "request_refund"),
        ("我的快递到哪了", "track_order"),
        ("我要投诉", "open_complaint"),
        ("what's the capital of Peru?", "out_of_scope"),
        ("Wo ist meine Bestellung?", "track_order"),
    ],
)
def test_plain_requests_are_understood_with_confidence(real: EmbeddedRecognizer, text: str, intent: str) -> None:
    """What customers most often ask is beyond doubt, even in a language without examples."""
    if intent == "track_order" and text.startswith("Wo") and not real.report["vectors"]:
        pytest.skip("needs sentence vectors")
    parse = real.parse_sync(text)
    assert parse.intent == intent
    assert parse.confidence > 0.55


@pytest.mark.parametrize(
    "text",
    [
        "hi there, the vase I got is in pieces",
        "buenos días, el jarrón que pedí ha llegado hecho pedazos",
        "bonjour, le vase est arrivé en mille morceaux",
        "hallo zusammen, die Lampe geht nicht an",
        "bom dia, o vaso chegou aos pedaços",
        "salve, la lampada non si accende",
        "goedemorgen, de vaas is in stukken aangekomen",
        "доброе утро, ваза приехала вдребезги",
        "günaydın, vazo paramparça geldi",
        "صباح الخير، المزهرية وصلت محطمة",
        "नमस्ते, फूलदान टुकड़े-टुकड़े होकर आया",
        "早上好，花瓶收到时已经碎成渣了",
        "您好，檯燈不會亮",
        "おはようございます、花瓶が粉々でした",
        "안녕하세요, 램프가 안 켜져요",
    ],
)
def test_a_greeting_does_not_hide_the_wish_behind_it(real: EmbeddedRecognizer, text: str) -> None:
    """Customers say hello first, in every language; none of the things they say here is in an example."""
    if not real.report["vectors"]:
        pytest.skip("needs sentence vectors")
    assert real.parse_sync(text).intent == "open_complaint"


def test_an_example_is_understood_as_what_it_is(real: EmbeddedRecognizer) -> None:
    """What stands in the training data word for word is no matter of guessing, however short it is."""
    examples = load_training_data(load_config(ROOT, env={})).examples
    short = [example for example in examples if len(example.text.split()) == 1]
    wrong = [
        (example.text, example.language, found)
        for example in short
        if (found := real.parse_sync(example.text, language=example.language).intent) != example.intent
    ]
    assert len(short) > 1000
    assert len(wrong) <= len(short) / 200, wrong[:20]


HOMONYMS = {
    "en/all.yml": """\
version: "3.1"
nlu:
  - intent: ask_product
    examples: |
      - gift
      - which gifts do you have
      - do you sell presents for children
      - show me your gift boxes
  - intent: track_order
    examples: |
      - where is my order
      - when will my parcel be here
      - has it been sent
      - tracking, please
""",
    "de/all.yml": """\
version: "3.1"
nlu:
  - intent: open_complaint
    examples: |
      - gift
      - das Spielzeug riecht nach Chemie
      - die Farbe ist giftig
      - ich beschwere mich über den Gestank
  - intent: track_order
    examples: |
      - wo ist mein Paket
      - wann kommt die Lieferung an
      - wurde es schon verschickt
      - bitte die Sendung verfolgen
""",
}


def test_the_conversations_language_tips_the_balance(project: Project) -> None:
    """A word of two languages means what it means in the one that is spoken; a sentence speaks for itself."""
    recognizer = EmbeddedRecognizer.load(project(HOMONYMS, languages=("en", "de")))
    assert recognizer.parse_sync("Gift!", language="en").intent == "ask_product"
    assert recognizer.parse_sync("Gift!", language="de").intent == "open_complaint"
    assert recognizer.parse_sync("wo ist mein Paket denn nun", language="en").intent == "track_order"


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("请问我昨天买的台灯什么时候能送到公司", "en"),
        ("注文した靴がまだ届いていないのですが", "es"),
        ("Wo bleibt denn mein Paket?", "fr"),
    ],
)
def test_a_sentence_speaks_for_itself(real: EmbeddedRecognizer, text: str, language: str) -> None:
    """What is clearly in another language than the conversation is understood as if there were none."""
    assert real.parse_sync(text, language=language).ranking == real.parse_sync(text).ranking


def test_an_example_counts_only_where_its_language_is_likely(project: Project) -> None:
    """A German example does not decide what an English sentence means that happens to be written alike."""
    both = {**HOMONYMS, "de/more.yml": HOMONYMS["de/all.yml"].replace("- gift\n", "- where is my order\n", 1)}
    recognizer = EmbeddedRecognizer.load(project(both, languages=("en", "de")))
    assert recognizer.parse_sync("where is my order").intent == "track_order"
