"""Entities: what is found where, with which value."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.config import Shop
from nlu.amounts import parse_number
from nlu.entities import OVERLAPPING, EntityExtractor, Tables, build_tables
from nlu.patterns import ups_is_valid, upu_is_valid
from nlu.recognizers.embedded import EmbeddedRecognizer
from nlu.text import align
from nlu.training_data import load_training_data
from tests.nlu.conftest import TINY, Project

LANGUAGES = ("en", "es", "zh-Hans")
TODAY = date(2024, 6, 12)  # a Wednesday


def extractor(country: str = "NL", languages: tuple[str, ...] = LANGUAGES, **shop: str) -> EntityExtractor:
    from nlu.calendar_words import calendar_words
    from nlu.language_names import CODES, language_names

    tables = Tables(names=language_names(languages), calendar=calendar_words(CODES))
    return EntityExtractor(Shop(country=country, **shop), languages, tables)


EXTRACTOR = extractor()


def found(text: str, among: EntityExtractor = EXTRACTOR, language: str = "") -> list[tuple[str, str, str]]:
    """(entity, value, words) of a text."""
    items = among.extract(text, today=TODAY, language=language)
    return [(item.entity, item.value, text[item.start : item.end]) for item in items]


@pytest.mark.parametrize(
    ("text", "value", "words"),
    [
        ("100234", "100234", "100234"),
        ("where is order 100234?", "100234", "100234"),
        ("订单100234到哪了", "100234", "100234"),
        ("我的订单号是CN-2024-88121。", "CN-2024-88121", "CN-2024-88121"),
        ("a1b2-3344 please", "A1B2-3344", "a1b2-3344"),
        ("#100234", "100234", "#100234"[1:]),
        ("order:100234.", "100234", "100234"),
        ("pedido-100234", "100234", "100234"),
        ("Order100234", "100234", "100234"),
        ("100234- thanks", "100234", "100234"),
        ("１００２３４号订单", "100234", "１００２３４"),
        ("طلبي رقم ١٠٠٢٣٤ أين هو", "100234", "١٠٠٢٣٤"),
        ("ऑर्डर १००२३४ कहाँ है", "100234", "१००२३४"),
        ("\u2067order 100\u200b234\u2069 x", "100234", "100\u200b234"),
        ("order 2024123456 has not come", "2024123456", "2024123456"),
        ("no, 100235", "100235", "100235"),
    ],
)
def test_order_numbers(text: str, value: str, words: str) -> None:
    """The merchant's pattern, with boundaries that hold in every script."""
    assert found(text) == [("order_number", value, words)]


def test_two_order_numbers_of_one_message() -> None:
    """Every number counts, also with just a comma between."""
    assert [item[1] for item in found("orders 100234,100235 and 100236")] == ["100234", "100235", "100236"]


@pytest.mark.parametrize(
    "text",
    [
        "ana100234@example.com",
        "https://shop.example.com/o/100234",
        "x100234567890123456",
        "version 1.100234",
        "12345",
        "100234.50",
        "abcdefgh",
    ],
)
def test_what_is_no_order_number(text: str) -> None:
    """Parts of addresses, longer numbers and shorter ones are not order numbers."""
    assert "order_number" not in [item[0] for item in found(text)]


def test_the_order_pattern_is_the_merchants() -> None:
    """Another pattern in the configuration finds other numbers and no longer the default's."""
    own = extractor(order_number_pattern=r"NW\d{5}", order_number_example="NW12345")
    assert found("orders nw55512 and 100234", own) == [("order_number", "NW55512", "nw55512")]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("RR123456785CN", "RR123456785CN"),
        ("track rr123456785cn pls", "RR123456785CN"),
        ("快递单号RR123456785CN到哪", "RR123456785CN"),
        ("1Z999AA10123456784", "1Z999AA10123456784"),
        ("1z 999 aa1 01 2345 6784", "1Z999AA10123456784"),
        ("9400110200881234567890", "9400110200881234567890"),
        ("tracking number 80318845520917", "80318845520917"),
        ("número de seguimiento: 1234567890", "1234567890"),
        ("SF1403829571160", "SF1403829571160"),
        ("00340434161094042557", "00340434161094042557"),
    ],
)
def test_tracking_numbers(text: str, value: str) -> None:
    """Carriers' forms, and digits that a word names or that are too long for an order number."""
    assert [item[:2] for item in found(text)] == [("tracking_number", value)]


def test_check_digits() -> None:
    """Check digits decide how sure a tracking number is."""
    assert upu_is_valid("RR123456785CN")
    assert not upu_is_valid("RR123456784CN")
    assert ups_is_valid("1Z999AA10123456784")
    assert not ups_is_valid("1Z999AA10123456785")
    sure, unsure = EXTRACTOR.extract("tracking RR123456785CN RR123456784CN")
    assert sure.confidence == 1.0 > unsure.confidence


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("T-000042", "T-000042"),
        ("any news on t-000042?", "T-000042"),
        ("工单T-000042处理了吗", "T-000042"),
        ("t000042", "T-000042"),
        ("T‑1234567", "T-1234567"),
    ],
)
def test_ticket_numbers(text: str, value: str) -> None:
    """This product's own numbers in any case, written in one way."""
    assert [item[:2] for item in found(text)] == [("ticket_number", value)]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("it's Ana@Example.com.", "ana@example.com"),
        ("邮箱是li.wei_88@mail.example.org谢谢", "li.wei_88@mail.example.org"),
        ("<o'neil+shop@sub.example.co.uk>", "o'neil+shop@sub.example.co.uk"),
        ("ａｎａ＠example.com", "ana@example.com"),
    ],
)
def test_emails(text: str, value: str) -> None:
    """Addresses, in lower case, without the punctuation around them."""
    assert [item[:2] for item in found(text)] == [("email", value)]


@pytest.mark.parametrize(
    ("text", "language", "value", "words"),
    [
        ("+34 600 123 456", "", "+34600123456", "+34 600 123 456"),
        ("call +1 (212) 555-0147 today", "", "+12125550147", "+1 (212) 555-0147"),
        ("0031612345678", "", "+31612345678", "0031612345678"),
        ("06 12345678", "", "+31612345678", "06 12345678"),
        ("mi móvil es 612 407 795", "es", "612407795", "612 407 795"),
        ("手机号13812345678", "zh-Hans", "+8613812345678", "13812345678"),
        ("13812345678", "zh-Hans", "+8613812345678", "13812345678"),
        ("my phone is 1234567", "en", "1234567", "1234567"),
        ("电话：010-6552 8841", "zh-Hans", "+861065528841", "010-6552 8841"),
        ("٠٦ ١٢٣٤٥٦٧٨", "", "+31612345678", "٠٦ ١٢٣٤٥٦٧٨"),
    ],
)
def test_phones(text: str, language: str, value: str, words: str) -> None:
    """Usual notations; international form where the country is certain, else the digits."""
    assert ("phone", value, words) in found(text, language=language)


@pytest.mark.parametrize(
    "text", ["100234", "order 612345678", "pedido 600123456", "tell me about 1002345", "cancel 1002345"]
)
def test_order_numbers_are_not_phones(text: str) -> None:
    """Digits in the form of an order number, or called one, are no telephone number."""
    assert [item[0] for item in found(text)] == ["order_number"]


@pytest.mark.parametrize(
    ("text", "value", "words"),
    [
        ("€49.90", "49.90 EUR", "€49.90"),
        ("49,90 € por favor", "49.90 EUR", "49,90 €"),
        ("200块", "200 CNY", "200块"),
        ("多扣了我30元", "30 CNY", "30元"),
        ("¥1580", "1580 CNY", "¥1580"),
        ("20 euros", "20 EUR", "20 euros"),
        ("20euros", "20 EUR", "20euros"),
        ("$1,240.50", "1240.50 USD", "$1,240.50"),
        ("1.234,56 EUR", "1234.56 EUR", "1.234,56 EUR"),
        ("USD 15", "15 USD", "USD 15"),
        ("85.000 pesos", "85000 MXN", "85.000 pesos"),
        ("15 dólares", "15 USD", "15 dólares"),
        ("５０元", "50 CNY", "５０元"),
        ("1500 рублей", "1500 RUB", "1500 рублей"),
        ("٢٥ يورو", "25 EUR", "٢٥ يورو"),
    ],
)
def test_amounts(text: str, value: str, words: str) -> None:
    """Signs, codes and words on either side; any country's way of writing numbers."""
    assert ("amount", value, words) in found(text)


def test_the_shops_country_decides_ambiguous_currencies() -> None:
    """A dollar in Canada is a Canadian one, a peso in Chile a Chilean one."""
    assert found("$20", extractor("CA"))[0][1] == "20 CAD"
    assert found("2000 pesos", extractor("CL"))[0][1] == "2000 CLP"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1,234", "1234"),
        ("1.234", "1234"),
        ("12,5", "12.5"),
        ("1'000.5", "1000.5"),
        ("1.000.000", "1000000"),
        ("0.99", "0.99"),
    ],
)
def test_numbers(text: str, value: str) -> None:
    """Grouping and decimal signs are told apart."""
    assert str(parse_number(text)) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("10/10", "10"),
        ("4/5 from me", "4"),
        ("4 stars", "4"),
        ("five stars", "5"),
        ("5 estrellas", "5"),
        ("cinco estrellas", "5"),
        ("五星好评", "5"),
        ("三颗星", "3"),
        ("4 out of 5", "4"),
        ("8分", "8"),
        ("4", "4"),
        ("10!", "10"),
        ("٤", "4"),
        ("별 5점", "5"),
        ("3 Sterne", "3"),
    ],
)
def test_ratings(text: str, value: str) -> None:
    """A number with its scale, a number of stars, or a small number alone."""
    assert ("rating", value) in [item[:2] for item in found(text)]


@pytest.mark.parametrize("text", ["11", "24/7", "you're a star", "一星期了", "5分钟", "11/10", "3/5/2024"])
def test_what_is_no_rating(text: str) -> None:
    """Numbers beyond ten, weeks, minutes and dates are no ratings."""
    assert "rating" not in [item[0] for item in found(text)]


@pytest.mark.parametrize(
    ("text", "value", "words"),
    [
        ("XL", "XL", "XL"),
        ("in size m please", "M", "m"),
        ("talla 42", "42", "42"),
        ("42码有货吗", "42", "42"),
        ("尺码是XXL", "XXL", "XXL"),
        ("UK 8", "UK 8", "UK 8"),
        ("Größe 38", "38", "38"),
        ("do you have it in L?", "L", "L"),
        ("taille 37,5", "37,5", "37,5"),
    ],
)
def test_sizes(text: str, value: str, words: str) -> None:
    """Letter sizes, and numbers that a word marks as a size."""
    assert found(text) == [("size", value, words)]


@pytest.mark.parametrize("text", ["I'M", "what size am I", "it's", "M&S voucher", "us 100"])
def test_what_is_no_size(text: str) -> None:
    """Letters that belong to words are no sizes."""
    assert "size" not in [item[0] for item in found(text)]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("can we speak German?", "de"),
        ("ALEMÁN", "de"),
        ("aleman por favor", "de"),
        ("用德语", "de"),
        ("Deutsch", "de"),
        ("中文", "zh-Hans"),
        ("in Chinese", "zh-Hans"),
        ("chino", "zh-Hans"),
        ("繁體中文", "zh-Hant"),
        ("Traditional Chinese", "zh-Hant"),
        ("日本語でお願いします", "ja"),
        ("한국어로 해주세요", "ko"),
        ("по-русски", "ru"),
        ("Türkçe", "tr"),
        ("العربية", "ar"),
        ("हिन्दी", "hi"),
        ("en français", "fr"),
        ("nederlands", "nl"),
        ("português", "pt"),
        ("inglese", "en"),
        ("castellano", "es"),
        ("italiano", "it"),
    ],
)
def test_language_names(text: str, value: str) -> None:
    """All shipped languages are known by their names in all of them."""
    assert [item[:2] for item in found(text)] == [("language", value)]


def test_chinese_is_the_variant_the_shop_speaks() -> None:
    """Where only traditional Chinese is configured, "Chinese" means that."""
    assert found("Chinese", extractor(languages=("en", "zh-Hant")))[0][1] == "zh-Hant"


@pytest.mark.parametrize(
    ("text", "value", "words"),
    [
        ("yesterday", "2024-06-11", "yesterday"),
        ("llegó ayer", "2024-06-11", "ayer"),
        ("昨天买的", "2024-06-11", "昨天"),
        ("大前天", "2024-06-09", "大前天"),
        ("the day after tomorrow", "2024-06-14", "the day after tomorrow"),
        ("mañana por la mañana", "2024-06-13", "mañana"),
        ("2024-06-01", "2024-06-01", "2024-06-01"),
        ("14/06/2024", "2024-06-14", "14/06/2024"),
        ("3.5.24", "2024-05-03", "3.5.24"),
        ("3 May", "2024-05-03", "3 May"),
        ("May 3rd, 2023", "2023-05-03", "May 3rd, 2023"),
        ("el 28 de diciembre", "2023-12-28", "28 de diciembre"),
        ("6月18号", "2024-06-18", "6月18号"),
        ("2024年6月1日", "2024-06-01", "2024年6月1日"),
        ("是3号", "2024-06-03", "3号"),
        ("last Tuesday", "2024-06-11", "last Tuesday"),
        ("next friday", "2024-06-14", "next friday"),
        ("el viernes pasado", "2024-06-07", "viernes pasado"),
        ("上周五", "2024-06-07", "上周五"),
        ("two weeks ago", "2024-05-29", "two weeks ago"),
        ("hace 3 días", "2024-06-09", "hace 3 días"),
        ("3天前", "2024-06-09", "3天前"),
        ("entregan los sábados", "sábados", "sábados"),
        ("vor 2 Tagen", "2024-06-10", "vor 2 Tagen"),
    ],
)
def test_dates(text: str, value: str, words: str) -> None:
    """ISO dates where today's date makes them computable, else the words."""
    assert found(text) == [("date", value, words)]


def test_american_shops_write_the_month_first() -> None:
    """4/5/2024 is April 5 for a shop in the United States."""
    assert found("04/05/2024", extractor("US"))[0][1] == "2024-04-05"


@pytest.mark.parametrize("text", ["may I ask", "black friday", "the sun", "toda la mañana", "31/31/2024", "第3号楼"])
def test_what_is_no_date(text: str) -> None:
    """Words that only look like days are left alone."""
    assert "date" not in [item[0] for item in found(text)]


def test_without_todays_date_relative_days_stay_words() -> None:
    """Nothing is computed from an unknown day."""
    (item,) = EXTRACTOR.extract("yesterday")
    assert item.value == "yesterday"


def test_lookups_and_synonyms_give_canonical_values(project: Project) -> None:
    """A lookup phrase is found as a word of its own, without regard to case and accents."""
    data = load_training_data(
        project(
            {
                **TINY,
                "es/all.yml": TINY["es/all.yml"]
                + "  - synonym: late\n    examples: |\n      - tardísimo\n      - tarde\n"
                + "  - lookup: complaint_type\n    examples: |\n      - tardísimo\n      - tarde\n",
            }
        )
    )
    tables = build_tables(data, ("en", "es"))
    own = EntityExtractor(Shop(), ("en", "es"), tables)
    assert found("It came BROKEN, unbroken things and heartbroken", own) == [("complaint_type", "damaged", "BROKEN")]
    assert [item[:2] for item in found("llegó tardisimo, buenas tardes", own)] == [("complaint_type", "late")]
    assert Tables.from_json(tables.to_json()) == tables


def test_regular_expressions_of_the_data_are_entities(project: Project) -> None:
    """A merchant's own `regex:` finds its entity and wins over the built-in patterns."""
    data = load_training_data(
        project({**TINY, "en/sku.yml": "nlu:\n  - regex: sku\n    examples: |\n      - SKU\\d{6}\n"})
    )
    own = EntityExtractor(Shop(), ("en",), build_tables(data, ("en",)))
    assert found("sku100234", own) == [("sku", "sku100234", "sku100234")]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("do you have the leather boots in 42?", "leather boots"),
        ("quiero devolver los zapatos", "zapatos"),
        ("我要退这双鞋子", "鞋子"),
    ],
)
def test_products_are_learnt_from_the_examples(real: EmbeddedRecognizer, text: str, value: str) -> None:
    """Products that no pattern could list are found by their place in the sentence."""
    assert value in real.parse_sync(text).values("product")


def test_complaint_types_lie_over_other_entities(real: EmbeddedRecognizer) -> None:
    """The kind of damage and the product are both found."""
    parse = real.parse_sync("the lamp arrived broken and I am furious")
    assert parse.values("complaint_type") == ("damaged",)
    assert parse.values("severity") == ("high",)


TEXTS = st.text(max_size=80) | st.lists(
    st.sampled_from(
        [
            "100234",
            "RR123456785CN",
            "ana@example.com",
            "+34 600 123 456",
            "€49.90",
            "五星",
            "42码",
            "XL",
            "German",
            "昨天",
            "3 May",
            "T-000042",
            " ",
            ", ",
            "。",
            "\u200b",
            "\u202e",
            "１２",
            "٣",
            "中",
            "a",
            "-",
            "/",
            ".",
            "@",
            "#",
            "'",
            "\n",
            "é",
            "क्ष",
            "😀",
        ]
    ),
    max_size=12,
).map("".join)


@settings(max_examples=300, deadline=None)
@given(text=TEXTS)
def test_offsets_always_slice_the_original(text: str) -> None:
    """Whatever is written: no exception, spans inside the text, no overlaps, values not empty."""
    items = EXTRACTOR.extract(text, today=TODAY)
    end = 0
    for item in items:
        assert 0 <= item.start < item.end <= len(text)
        assert item.value
        if item.entity not in OVERLAPPING:
            assert item.start >= end
            end = item.end
    assert items == EXTRACTOR.extract(text, today=TODAY)


@settings(max_examples=200, deadline=None)
@given(text=st.text(max_size=60))
def test_alignment_leads_back_to_the_original(text: str) -> None:
    """Every character of the prepared text knows where it came from."""
    aligned = align(text)
    for place in range(len(aligned.text)):
        start, end = aligned.span(place, place + 1)
        assert end == start + 1
        assert (
            aligned.text[place] == text[start]
            or text[start].isdecimal()
            or text[start] >= "\u007f"
            or text[start] < " "
        )
