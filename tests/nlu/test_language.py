"""Which language a message is in, and when that is better left open."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.config import load_config
from bot.contracts import LanguageGuess
from nlu.detectors import LangdetectDetector, StatisticalDetector, prepare
from nlu.language import (
    LanguageIdentifier,
    LanguageModel,
    letters_only,
    train_language_model,
)
from nlu.recognizers.embedded import EmbeddedRecognizer
from nlu.scripts import chinese_evidence, main_script
from nlu.training_data import load_training_data
from tests.nlu.conftest import ROOT, Project

SAMPLES = {
    "en": ["where is my order", "hello, I want to return the shoes", "thanks a lot"],
    "fr": ["où est ma commande", "bonjour, je veux rendre les chaussures", "merci beaucoup"],
    "ru": ["где мой заказ", "здравствуйте, хочу вернуть обувь", "спасибо"],
    "zh-Hans": ["我的订单在哪里", "你好，我要退这双鞋", "谢谢"],
    "zh-Hant": ["我的訂單在哪裡", "你好，我要退這雙鞋", "謝謝"],
    "ja": ["注文はどこですか", "こんにちは、靴を返品したい", "ありがとう"],
}
Identify = Callable[[str], LanguageGuess]


def identifier(*languages: str, alone: bool = False) -> LanguageIdentifier:
    pairs = [(text, language) for language in languages for text in SAMPLES[language]]
    model = train_language_model([text for text, _ in pairs], [language for _, language in pairs], languages)
    detector = LangdetectDetector() if alone else StatisticalDetector()
    return LanguageIdentifier(model, detector, detector_alone=alone)


@pytest.fixture(scope="module")
def identify(model_dir: Path) -> Identify:
    """A shop with three of the shipped languages: English, Spanish, simplified Chinese."""
    shipped = load_config(ROOT, model_dir, env={})
    languages = ["en", "es", "zh-Hans"]
    config = replace(shipped, settings=shipped.settings.model_copy(update={"languages": languages}))
    examples = load_training_data(config).examples
    model = train_language_model(
        [example.text for example in examples], [example.language for example in examples], languages
    )
    return LanguageIdentifier(model, StatisticalDetector()).identify


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("where is my parcel, it should have come yesterday", "en"),
        ("¿me pueden decir cuándo llega mi paquete?", "es"),
        ("je voudrais savoir où en est ma commande", "fr"),
        ("wann kommt denn endlich mein Paket an?", "de"),
        ("queria saber quando chega a minha encomenda", "pt"),
        ("quando arriva il mio ordine, per favore?", "it"),
        ("wanneer wordt mijn bestelling bezorgd?", "nl"),
        ("когда уже придёт моя посылка?", "ru"),
        ("siparişim ne zaman gelecek acaba?", "tr"),
        ("متى يوصل طلبي لو سمحت", "ar"),
        ("3ayez a3raf el order bta3y fen", "ar"),
        ("मेरा पार्सल कब तक आएगा", "hi"),
        ("mera parcel kab tak aayega bhai", "hi"),
        ("请问我的快递什么时候到", "zh-Hans"),
        ("請問我的包裹什麼時候會到", "zh-Hant"),
        ("荷物はいつ届きますか", "ja"),
        ("배송 언제쯤 도착하나요", "ko"),
    ],
)
def test_the_shipped_languages_are_told_apart(real: EmbeddedRecognizer, text: str, language: str) -> None:
    """All fifteen at once, Hindi and Arabic in Latin letters among them, and each clearly."""
    guess = real.identifier.identify(text)
    assert guess.language == language, guess
    assert guess.confidence >= 0.6


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("hola", "es"),
        ("gracias", "es"),
        ("buenas tardes", "es"),
        ("dónde está mi pedido", "es"),
        ("donde esta mi pedido 100234", "es"),
        ("quiero devolver esto", "es"),
        ("hello", "en"),
        ("thanks a lot", "en"),
        ("where is my order", "en"),
        ("i never got the parcel", "en"),
        ("你好", "zh-Hans"),
        ("我的订单100234到哪了", "zh-Hans"),
        ("tracking number在哪里看", "zh-Hans"),
        ("iPhone 15手机壳", "zh-Hans"),
    ],
)
def test_clear_messages_are_clear(identify: Identify, text: str, language: str) -> None:
    """Also short chat words of a configured language are enough to switch to it."""
    guess = identify(text)
    assert guess.language == language
    assert guess.confidence >= 0.8
    assert guess.foreign == ""
    assert guess.reason


@pytest.mark.parametrize(
    "text",
    [
        "ok",
        "OK!!",
        "okay",
        "100234",
        "CN-2024-88121",
        "T-000042",
        "RR123456785CN",
        "ana@example.com",
        "😀👍",
        "???",
        "",
        " ",
        "https://example.com/where/is/my/order",
        "XL",
        "42",
        "49,90 €",
        "PayPal",
        "lol",
        "jajaja",
        "+34 600 123 456",
    ],
)
def test_what_carries_no_language(identify: Identify, text: str) -> None:
    """Numbers, addresses, emoji and words of every language leave the question open."""
    guess = identify(text)
    assert (guess.language, guess.confidence, guess.foreign) == ("", 0.0, "")
    assert guess.reason


@pytest.mark.parametrize("text", ["total", "Maria Gonzalez", "John Smith", "Li Wei"])
def test_shared_words_and_names_switch_nothing(identify: Identify, text: str) -> None:
    """A word of two languages or a name stays below the threshold for changing the language."""
    guess = identify(text)
    assert guess.confidence < 0.8
    assert guess.foreign == ""


@pytest.mark.parametrize(
    ("text", "foreign"),
    [
        ("wo ist meine Bestellung?", "de"),
        ("Ich möchte meine Schuhe zurückgeben", "de"),
        ("gdzie jest moja paczka", "pl"),
        ("bonjour, où est ma commande ?", "fr"),
        ("onde está o meu pedido, por favor", "pt"),
        ("vorrei restituire le scarpe", "it"),
        ("Где мой заказ?", "ru"),
        ("注文した商品が届きません", "ja"),
        ("주문이 안 왔어요", "ko"),
        ("أين طلبي", "ar"),
        ("मेरा ऑर्डर कहाँ है", "hi"),
        ("που είναι η παραγγελία μου", "el"),
        ("สั่งซื้อของไปแล้ว", "th"),
    ],
)
def test_other_languages_are_named(identify: Identify, text: str, foreign: str) -> None:
    """A clear message in a language that is not configured says which one it is."""
    guess = identify(text)
    assert (guess.language, guess.foreign) == ("", foreign)


def test_traditional_chinese_is_served_in_simplified_where_that_is_all_there_is(identify: Identify) -> None:
    """A customer who writes traditional characters reads simplified ones better than English."""
    guess = identify("我的訂單在哪裡")
    assert guess.language == "zh-Hans"
    assert guess.confidence < identify("我的订单在哪里").confidence


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("我的訂單在哪裡", "zh-Hant"),
        ("我的订单在哪里", "zh-Hans"),
        ("請問什麼時候會到", "zh-Hant"),
        ("请问什么时候会到", "zh-Hans"),
        ("注文はどこですか", "ja"),
        ("返品したいです", "ja"),
        ("где мой заказ", "ru"),
        ("Здравствуйте, посылка не пришла", "ru"),
        ("merci beaucoup", "fr"),
        ("where is it", "en"),
    ],
)
def test_any_set_of_languages_works(text: str, language: str) -> None:
    """Nothing is tied to three languages: script and characters decide among those configured."""
    guess = identifier(*SAMPLES).identify(text)
    assert guess.language == language
    assert guess.confidence >= 0.8


def test_characters_of_both_chinese_scripts_leave_the_variant_open() -> None:
    """你好 is Chinese, but which kind nobody can tell."""
    guess = identifier("zh-Hans", "zh-Hant").identify("你好")
    assert guess.language in ("zh-Hans", "zh-Hant")
    assert guess.confidence < 0.8


def test_a_language_of_a_script_that_is_not_configured() -> None:
    """Where no Latin language is configured, English is foreign."""
    guess = identifier("ru", "ja").identify("hello, where is my order please")
    assert (guess.language, guess.foreign) == ("", "en")


@pytest.mark.parametrize(
    ("text", "language", "foreign"),
    [
        ("where is my order, it should have been here yesterday", "en", ""),
        ("我的订单在哪里，请帮我查一下", "zh-Hans", ""),
        ("wo ist meine Bestellung, sie sollte gestern da sein", "", "de"),
        ("100234", "", ""),
    ],
)
def test_langdetect_can_decide_alone(project: Project, text: str, language: str, foreign: str) -> None:
    """With `language_detector: langdetect` its answer counts, the same at every call."""
    alone = identifier("en", "zh-Hans", alone=True)
    guesses = {alone.identify(text) for _ in range(5)}
    assert {(guess.language, guess.foreign) for guess in guesses} == {(language, foreign)}
    assert len(guesses) == 1


def test_the_setting_chooses_the_detector(project: Project) -> None:
    """`recognizer.language_detector` in config.yml reaches the identifier."""
    recognizer = EmbeddedRecognizer.load(project(detector="langdetect"))
    assert recognizer.parse_sync("where is my order, it is late").language.reason.startswith("detector:")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("订单100234到哪了", "订单 到哪了"),
        ("my order CN-2024-88121 please", "my order please"),
        ("mail ana@example.com 😀!", "mail"),
        ("मेरा ऑर्डर", "मेरा ऑर्डर"),
        ("see https://example.com/a?b=c now", "see now"),
    ],
)
def test_only_words_are_judged(text: str, words: str) -> None:
    """Addresses, numbers and signs are left out before judging."""
    assert letters_only(text) == words


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("hello", "Latin"),
        ("order 到哪了", "Han"),
        ("注文の状況", "Kana"),
        ("привет", "Cyrillic"),
        ("", ""),
        ("ok спасибо", "Cyrillic"),
    ],
)
def test_scripts(text: str, script: str) -> None:
    """Latin words inside another script do not decide."""
    assert main_script(text) == script


def test_national_character_sets_tell_chinese_apart() -> None:
    """Characters of only one standard are evidence, shared ones are none."""
    assert chinese_evidence("订单") == (2, 0, 0)
    assert chinese_evidence("訂單") == (0, 2, 0)
    assert chinese_evidence("你好") == (0, 0, 0)


def test_the_model_survives_storage() -> None:
    """What is stored gives the same probabilities."""
    languages = tuple(SAMPLES)
    pairs = [(text, language) for language in languages for text in SAMPLES[language]]
    model = train_language_model([text for text, _ in pairs], [language for _, language in pairs], languages)
    again = LanguageModel.from_arrays(languages, model.arrays())
    assert again.probabilities("merci") == pytest.approx(model.probabilities("merci"), abs=1e-2)
    assert again.known_words(["merci", "xyz"])["fr"] == 0.5


def test_the_unpacked_detector_answers_as_the_packed_one(tmp_path: Path) -> None:
    """Mapping its tables from files changes no answer; damaged files are passed over."""
    prepare(tmp_path)
    prepare(tmp_path)
    texts = ["wo ist meine bestellung", "gdzie jest moja paczka", "我的订单在哪里", "x", ""]
    mapped, packed = StatisticalDetector(tmp_path), StatisticalDetector()
    assert [mapped.rank(text) for text in texts] == [packed.rank(text) for text in texts]
    (folder,) = tmp_path.iterdir()
    (folder / "moves.npy").write_bytes(b"damaged")
    assert StatisticalDetector(tmp_path).rank(texts[0]) == packed.rank(texts[0])


@settings(max_examples=150, deadline=None)
@given(text=st.text(max_size=80))
def test_any_text_gets_a_guess(text: str) -> None:
    """No text raises, and a guess is either a configured language or none."""
    guess = ANY.identify(text)
    assert guess.language in ("", *SAMPLES)
    assert 0 <= guess.confidence <= 1
    assert bool(guess.language) == bool(guess.confidence)
    assert not (guess.language and guess.foreign)


ANY = identifier(*SAMPLES)
