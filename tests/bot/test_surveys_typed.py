"""Ratings that are typed: what is one, in every language, and what is none."""

from __future__ import annotations

import pytest

from bot.services.ratings import Rating, mentioned, read

FIVE = {
    "en": "five", "es": "cinco", "fr": "cinq", "de": "fünf", "pt": "cinco", "it": "cinque", "nl": "vijf", "ru": "пять",
    "tr": "beş", "ar": "خمسة", "hi": "पाँच", "zh-Hans": "五分", "zh-Hant": "五分", "ja": "五点", "ko": "다섯",
}  # fmt: skip
CSAT, NPS, CES = (1, 5), (0, 10), (1, 7)


@pytest.mark.parametrize(("language", "word"), FIVE.items())
def test_number_words(language: str, word: str) -> None:
    """ "Five" is five in each language, on each scale, in capitals and with an exclamation mark."""
    for said in (word, f" {word}!", word.upper(), f"«{word}»."):
        for scale in (CSAT, NPS, CES):
            assert read(said, *scale, language) == Rating(5), (said, scale)


@pytest.mark.parametrize("digit", ["4", "٤", "۴", "４", "४", "4️⃣", "④"])
@pytest.mark.parametrize("language", ["en", "ar", "ja", "hi"])
def test_digits_of_every_script(digit: str, language: str) -> None:
    """Arabic, Persian, full-width and Devanagari digits, a key's emoji, a circle."""
    assert read(digit, *CSAT, language) == Rating(4)


@pytest.mark.parametrize(
    ("text", "scale", "language", "score"),
    [
        ("10/10", CSAT, "en", 5),
        ("10 / 10", CES, "en", 7),
        ("5/5", CSAT, "en", 5),
        ("1/10", CSAT, "en", 1),
        ("8/10", CSAT, "en", 4),
        ("8/10", NPS, "en", 8),
        ("4/5", NPS, "en", 8),
        ("1/5", NPS, "en", 0),
        ("4 out of 5", CSAT, "en", 4),
        ("five out of five", CSAT, "en", 5),
        ("5 de 5", CSAT, "es", 5),
        ("5 sur 5", CSAT, "fr", 5),
        ("4 von 5", CSAT, "de", 4),
        ("5 из 5", CSAT, "ru", 5),
        ("خمسة من خمسة", CSAT, "ar", 5),
        ("4 stars", CSAT, "en", 4),
        ("cinque stelle", CSAT, "it", 5),
        ("5颗星", CSAT, "zh-Hans", 5),
        ("4つ星", CSAT, "ja", 4),
        ("⭐⭐⭐⭐", CSAT, "en", 4),
        ("★★★☆☆", CSAT, "ru", 3),
        ("⭐️ ⭐️", CSAT, "en", 2),
        ("⭐⭐⭐⭐⭐", NPS, "en", 10),
        ("0", NPS, "en", 0),
        ("10", NPS, "en", 10),
        ("🔟", NPS, "en", 10),
        ("zéro", NPS, "fr", 0),
        ("on", NPS, "tr", 10),
        ("10 üzerinden 8", NPS, "tr", 8),
        ("5点満点中4点", CSAT, "ja", 4),
        ("10점 만점에 8점", NPS, "ko", 8),
        ("5 में से 4", CSAT, "hi", 4),
        ("I'd give it a 4", CSAT, "en", 4),
        ("le doy un 5", CSAT, "es", 5),
        ("我给5分", CSAT, "zh-Hans", 5),
        ("5점이요", CSAT, "ko", 5),
        ("사점", CSAT, "ko", 4),
        ("5 please", CSAT, "en", 5),
        ("um", CSAT, "pt", 1),
    ],
)
def test_other_ways_to_say_it(text: str, scale: tuple[int, int], language: str, score: int) -> None:
    """Out of so many, stars, points, a few words around it; both ends of another scale are the ends of ours."""
    assert read(text, *scale, language) == Rating(score)


@pytest.mark.parametrize(
    ("text", "scale", "language"),
    [
        ("100234", NPS, "en"),
        ("my order 5", CSAT, "en"),
        ("order 10", NPS, "en"),
        ("5 days", CSAT, "en"),
        ("2 parcels are missing", CSAT, "en"),
        ("12/05", CSAT, "en"),
        ("1/2", CSAT, "en"),
        ("3/8", NPS, "en"),
        ("4.5", CSAT, "en"),
        ("6", CSAT, "en"),
        ("0", CSAT, "en"),
        ("8", CES, "en"),
        ("11", NPS, "en"),
        ("11/10", NPS, "en"),
        ("5%", NPS, "en"),
        ("$5", CSAT, "en"),
        ("5€", CSAT, "en"),
        ("#5", CSAT, "en"),
        ("👍", CSAT, "en"),
        ("👎", CSAT, "en"),
        ("um", CSAT, "en"),
        ("on", NPS, "en"),
        ("네", CSAT, "ko"),
        ("오", CSAT, "ko"),
        ("five o'clock", CSAT, "en"),
        ("3. where is my order?", CSAT, "en"),
        ("2 3", CSAT, "en"),
        ("", CSAT, "en"),
        ("☆☆☆", CSAT, "en"),
        ("+31 6 1234 5678", CSAT, "en"),
        ("ok", CSAT, "en"),
        ("5" * 2000, CSAT, "en"),
    ],
)
def test_what_is_no_rating(text: str, scale: tuple[int, int], language: str) -> None:
    """Orders, days, dates, prices, thumbs, half points, numbers beyond the scale, words of another language."""
    assert read(text, *scale, language) is None


def test_a_rating_with_a_comment() -> None:
    """What follows a comma or a dash is the comment, as it was written."""
    assert read("4, but it took LONG", *CSAT, "en") == Rating(4, "but it took LONG")
    assert read("5分，很好！", *CSAT, "zh-Hans") == Rating(5, "很好！")
    assert read("Five - thanks a lot", *CSAT, "en") == Rating(5, "thanks a lot")


def test_a_rating_within_a_sentence() -> None:
    """Only as so many out of so many."""
    assert mentioned("I'd rate you 8/10 overall", *CSAT, "en") == 4
    assert mentioned("it came on 12/05 with 3 parts", *CSAT, "en") is None


@pytest.mark.parametrize("text", ["5" + "," * 900 + "x", "a " * 450 + "5", "5" + " " * 900 + "!", "five " * 180])
def test_long_messages_are_read_quickly(text: str) -> None:
    """Nothing that is typed keeps the reader busy."""
    import time

    begun = time.process_time()
    for language in FIVE:
        read(text, *CSAT, language)
        mentioned(text, *CSAT, language)
    assert time.process_time() - begun < 2
