"""Entities that read their context: the language of a message, its tense, the words beside a number."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nlu.entities import Tables, ordinary_words
from nlu.markup import Annotation
from nlu.number_words import NumberWords
from nlu.patterns import card_is_valid, iban_is_valid
from nlu.phrases import fold_same_length
from nlu.training_data import Example, TrainingData
from tests.nlu.test_entities import extractor

LANGUAGES = ("en", "es", "fr", "de", "pt", "it", "nl", "ru", "tr", "ar", "hi", "zh-Hans", "zh-Hant", "ja", "ko")
TODAY = date(2026, 11, 22)  # a Sunday
EXTRACTOR = extractor(languages=LANGUAGES)


def found(text: str, language: str) -> list[tuple[str, str]]:
    """(entity, value) of a text."""
    return [(item.entity, item.value) for item in EXTRACTOR.extract(text, today=TODAY, language=language)]


def days(text: str, language: str) -> list[str]:
    """The values of the dates of a text."""
    return [value for entity, value in found(text, language) if entity == "date"]


@pytest.mark.parametrize(
    ("language", "text", "value"),
    [
        ("en", "monday", "2026-11-23"),
        ("en", "I ordered it on monday", "2026-11-16"),
        ("en", "last friday", "2026-11-20"),
        ("en", "it came last tuesday", "2026-11-17"),
        ("en", "tuesday last week", "2026-11-10"),
        ("en", "last week tuesday", "2026-11-10"),
        ("en", "the 20th", "2026-11-20"),
        ("en", "I bought it on the 25th", "2026-10-25"),
        ("en", "need it by the 20th", "2026-12-20"),
        ("en", "last week", "2026-11-15"),
        ("en", "3 days ago", "2026-11-19"),
        ("en", "in 3 days", "2026-11-25"),
        ("en", "a week ago", "2026-11-15"),
        ("en", "2 months ago", "2026-09-22"),
        ("en", "I bought it on 3 May", "2026-05-03"),
        ("en", "can you deliver on 3 May", "2027-05-03"),
        ("en", "3 May", "2027-05-03"),
        ("en", "a fortnight ago", "2026-11-08"),
        ("en", "next friday", "2026-11-27"),
        ("en", "the day before yesterday", "2026-11-20"),
        ("en", "3 days from now", "2026-11-25"),
        ("ru", "в прошлую пятницу", "2026-11-20"),
        ("ru", "заказал в понедельник", "2026-11-16"),
        ("ru", "на прошлой неделе", "2026-11-15"),
        ("ru", "во вторник на прошлой неделе", "2026-11-10"),
        ("ru", "3 дня назад", "2026-11-19"),
        ("ru", "неделю назад", "2026-11-15"),
        ("ru", "через 3 дня", "2026-11-25"),
        ("ru", "через неделю", "2026-11-29"),
        ("ru", "купил 3 мая", "2026-05-03"),
        ("ru", "получил 20-го", "2026-11-20"),
        ("ru", "20 числа", "2026-11-20"),
        ("ru", "два месяца назад", "2026-09-22"),
        ("ja", "先週の火曜日", "2026-11-10"),
        ("ja", "先週の火曜日に届いた", "2026-11-10"),
        ("ja", "来週の金曜日", "2026-11-27"),
        ("ja", "3日前", "2026-11-19"),
        ("ja", "3日後", "2026-11-25"),
        ("ja", "2週間前に頼んだ", "2026-11-08"),
        ("ja", "先週", "2026-11-15"),
        ("ja", "20日に届いた", "2026-11-20"),
        ("ja", "5月3日に買いました", "2026-05-03"),
        ("ja", "火曜日に届きました", "2026-11-17"),
        ("ja", "三日前", "2026-11-19"),
        ("ja", "一ヶ月前", "2026-10-22"),
        ("ja", "おととい", "2026-11-20"),
        ("ko", "지난주 화요일", "2026-11-10"),
        ("ko", "지난주 화요일에 주문했어요", "2026-11-10"),
        ("ko", "지난 금요일", "2026-11-20"),
        ("ko", "3일 전", "2026-11-19"),
        ("ko", "3일 전에요", "2026-11-19"),
        ("ko", "3일 후", "2026-11-25"),
        ("ko", "이틀 전", "2026-11-20"),
        ("ko", "일주일 전", "2026-11-15"),
        ("ko", "지난주", "2026-11-15"),
        ("ko", "20일에 샀어요", "2026-11-20"),
        ("ko", "5월 3일에 샀어요", "2026-05-03"),
        ("ko", "두 주 전", "2026-11-08"),
        ("ko", "월요일에 받았어요", "2026-11-16"),
        ("ko", "세 달 전", "2026-08-22"),
        ("zh-Hans", "上周二", "2026-11-10"),
        ("zh-Hans", "上周二买的", "2026-11-10"),
        ("zh-Hans", "上个星期五", "2026-11-13"),
        ("zh-Hans", "下周一", "2026-11-23"),
        ("zh-Hans", "3天前", "2026-11-19"),
        ("zh-Hans", "三天前", "2026-11-19"),
        ("zh-Hans", "3天后", "2026-11-25"),
        ("zh-Hans", "两周前", "2026-11-08"),
        ("zh-Hans", "上周", "2026-11-15"),
        ("zh-Hans", "20号买的", "2026-11-20"),
        ("zh-Hans", "25号收到的", "2026-10-25"),
        ("zh-Hans", "5月3号买的", "2026-05-03"),
        ("zh-Hans", "周五收到了", "2026-11-20"),
        ("zh-Hant", "上週二", "2026-11-10"),
        ("zh-Hant", "上禮拜二", "2026-11-10"),
        ("zh-Hant", "三個月前", "2026-08-22"),
        ("zh-Hant", "前天", "2026-11-20"),
        ("de", "am Montag bestellt", "2026-11-16"),
        ("de", "letzten Freitag", "2026-11-20"),
        ("de", "letzte Woche Dienstag", "2026-11-10"),
        ("de", "letzte Woche", "2026-11-15"),
        ("de", "vor 3 Tagen", "2026-11-19"),
        ("de", "in 3 Tagen", "2026-11-25"),
        ("de", "vor einer Woche", "2026-11-15"),
        ("de", "am 20.", "2026-11-20"),
        ("de", "am 3. Mai gekauft", "2026-05-03"),
        ("de", "vor zwei Monaten", "2026-09-22"),
        ("de", "vorgestern", "2026-11-20"),
        ("de", "am 14.06. bestellt", "2026-06-14"),
        ("de", "ich brauche es bis Freitag", "2026-11-27"),
        ("fr", "avant hier", "2026-11-20"),
        ("fr", "avant-hier", "2026-11-20"),
        ("fr", "hier", "2026-11-21"),
        ("fr", "vendredi dernier", "2026-11-20"),
        ("fr", "mardi de la semaine dernière", "2026-11-10"),
        ("fr", "la semaine dernière", "2026-11-15"),
        ("fr", "il y a 3 jours", "2026-11-19"),
        ("fr", "dans 3 jours", "2026-11-25"),
        ("fr", "il y a deux semaines", "2026-11-08"),
        ("fr", "je l'ai acheté le 3 mai", "2026-05-03"),
        ("fr", "reçu le 20", "2026-11-20"),
        ("fr", "commandé lundi", "2026-11-16"),
        ("es", "el viernes pasado", "2026-11-20"),
        ("es", "el martes de la semana pasada", "2026-11-10"),
        ("es", "la semana pasada", "2026-11-15"),
        ("es", "hace 3 días", "2026-11-19"),
        ("es", "hace como dos semanas", "2026-11-08"),
        ("es", "dentro de 3 días", "2026-11-25"),
        ("es", "en 3 días", "2026-11-25"),
        ("es", "lo compré el 3 de mayo", "2026-05-03"),
        ("es", "llegó el 20", "2026-11-20"),
        ("es", "el día 20", "2026-11-20"),
        ("es", "lo pedí el lunes", "2026-11-16"),
        ("es", "entregan los sábados", "sábados"),
        ("pt", "segunda-feira passada", "2026-11-16"),
        ("pt", "semana passada", "2026-11-15"),
        ("pt", "há 3 dias", "2026-11-19"),
        ("pt", "há seis dias", "2026-11-16"),
        ("pt", "daqui a 3 dias", "2026-11-25"),
        ("pt", "comprei dia 20", "2026-11-20"),
        ("pt", "comprei em 3 de maio", "2026-05-03"),
        ("pt", "3 semanas atrás", "2026-11-01"),
        ("pt", "anteontem", "2026-11-20"),
        ("it", "lunedì scorso", "2026-11-16"),
        ("it", "la settimana scorsa", "2026-11-15"),
        ("it", "3 giorni fa", "2026-11-19"),
        ("it", "tra 3 giorni", "2026-11-25"),
        ("it", "due settimane fa", "2026-11-08"),
        ("it", "comprato il 3 maggio", "2026-05-03"),
        ("it", "arrivato il 20", "2026-11-20"),
        ("it", "martedì della settimana scorsa", "2026-11-10"),
        ("nl", "afgelopen vrijdag", "2026-11-20"),
        ("nl", "vorige week dinsdag", "2026-11-10"),
        ("nl", "vorige week", "2026-11-15"),
        ("nl", "3 dagen geleden", "2026-11-19"),
        ("nl", "over 3 dagen", "2026-11-25"),
        ("nl", "op de 20e besteld", "2026-11-20"),
        ("nl", "op 3 mei gekocht", "2026-05-03"),
        ("nl", "eergisteren", "2026-11-20"),
        ("tr", "geçen cuma", "2026-11-20"),
        ("tr", "geçen hafta salı", "2026-11-10"),
        ("tr", "geçen hafta", "2026-11-15"),
        ("tr", "3 gün önce", "2026-11-19"),
        ("tr", "3 gün sonra", "2026-11-25"),
        ("tr", "iki hafta önce", "2026-11-08"),
        ("tr", "3 Mayıs'ta aldım", "2026-05-03"),
        ("tr", "ayın 20'sinde aldım", "2026-11-20"),
        ("tr", "pazartesi sipariş verdim", "2026-11-16"),
        ("ar", "الثلاثاء الماضي", "2026-11-17"),
        ("ar", "الأسبوع الماضي", "2026-11-15"),
        ("ar", "الثلاثاء الأسبوع الماضي", "2026-11-10"),
        ("ar", "قبل 3 أيام", "2026-11-19"),
        ("ar", "قبل ثلاثة أيام", "2026-11-19"),
        ("ar", "قبل أسبوعين", "2026-11-08"),
        ("ar", "منذ أسبوع", "2026-11-15"),
        ("ar", "بعد 3 أيام", "2026-11-25"),
        ("ar", "اشتريته يوم 20", "2026-11-20"),
        ("ar", "اشتريته في 3 مايو", "2026-05-03"),
        ("ar", "وصل يوم الاثنين", "2026-11-16"),
        ("ar", "أول أمس", "2026-11-20"),
        ("hi", "पिछले शुक्रवार", "2026-11-20"),
        ("hi", "पिछले हफ्ते मंगलवार", "2026-11-10"),
        ("hi", "पिछले हफ्ते", "2026-11-15"),
        ("hi", "3 दिन पहले", "2026-11-19"),
        ("hi", "तीन दिन पहले", "2026-11-19"),
        ("hi", "3 दिन बाद", "2026-11-25"),
        ("hi", "दो हफ्ते पहले", "2026-11-08"),
        ("hi", "3 मई को खरीदा था", "2026-05-03"),
        ("hi", "20 तारीख को मिला", "2026-11-20"),
        ("hi", "कल मिला था", "2026-11-21"),
        ("hi", "कल आएगा क्या", "2026-11-23"),
        ("hi", "सोमवार को मंगाया था", "2026-11-16"),
        ("", "gestern", "2026-11-21"),
        ("", "ayer", "2026-11-21"),
        ("", "昨天", "2026-11-21"),
    ],
)
def test_days_of_all_languages(language: str, text: str, value: str) -> None:
    """Relative days, weekdays, counted weeks and days without a year, as its speakers understand them."""
    assert days(text, language) == [value]


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "it broke in 3 days"),
        ("en", "size 9 1/2"),
        ("en", "9 1/2"),
        ("en", "my 3rd order"),
        ("en", "3 mars bars"),
        ("ja", "13号に交換"),
        ("zh-Hant", "換25號"),
        ("de", "hier"),
        ("de", "ich warte hier"),
        ("pt", "10 out of 10"),
        ("nl", "hier"),
        ("nl", "de 3e keer"),
        ("ru", "чёрная пятница"),
        ("tr", "hoşça kal"),
        ("ko", "배송 3일 걸려요"),
        ("ja", "配送は3日かかる"),
    ],
)
def test_what_is_no_day_in_this_language(language: str, text: str) -> None:
    """Words of other languages, sizes, counts of things and how long something took are no days."""
    assert days(text, language) == []


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("en", "order 100 234", [("order_number", "100234")]),
        ("en", "order 100.234", [("order_number", "100234")]),
        ("en", "order 100-234", [("order_number", "100234")]),
        ("es", "pedido 100 234", [("order_number", "100234")]),
        ("fr", "commande n° 100 234", [("order_number", "100234")]),
        ("de", "Bestellung 100.234", [("order_number", "100234")]),
        ("zh-Hans", "订单100 234", [("order_number", "100234")]),
        ("en", "order 2 100234", [("order_number", "100234")]),
        ("en", "orders 100234 100235", [("order_number", "100234"), ("order_number", "100235")]),
        ("en", "44-908172", [("order_number", "44-908172")]),
        ("nl", "06-12345678", [("phone", "+31612345678")]),
        ("en", "415-555-2671", [("phone", "+14155552671")]),
        ("nl", "bel me op 0612345678", [("phone", "+31612345678")]),
        ("en", "call me at 415 555 2671", [("phone", "+14155552671")]),
        ("en", "call me at 4155552671", [("phone", "+14155552671")]),
        ("de", "ruf mich an unter 0151 23456789", [("phone", "+4915123456789")]),
        ("en", "ticket 000042", [("ticket_number", "T-000042")]),
        ("de", "Ticket Nr. 000042", [("ticket_number", "T-000042")]),
        ("zh-Hans", "工单000042", [("ticket_number", "T-000042")]),
        ("en", "complaint 000042", [("ticket_number", "T-000042")]),
        ("zh-Hant", "0912345678", [("phone", "+886912345678")]),
        ("zh-Hant", "0912-345-678", [("phone", "+886912345678")]),
        ("zh-Hant", "02-2345-6789", [("phone", "+886223456789")]),
        ("en", "1Z999AA10123456784", [("tracking_number", "1Z999AA10123456784")]),
        ("en", "my tracking number is RR123456789NL", [("tracking_number", "RR123456789NL")]),
        ("en", "RR123456785CN", [("tracking_number", "RR123456785CN")]),
        ("en", "tracking number 80318845520917", [("tracking_number", "80318845520917")]),
        ("en", "I called about order 1002345", [("order_number", "1002345")]),
        ("en", "do you have it in L?", [("size", "L")]),
        ("en", "M", [("size", "M")]),
        ("en", "size 9 1/2", [("size", "9 1/2")]),
        ("zh-Hans", "五十块", [("amount", "50 CNY")]),
        ("ja", "三千円", [("amount", "3000 JPY")]),
        ("ko", "5만원", [("amount", "50000 KRW")]),
        ("ko", "오천 원", [("amount", "5000 KRW")]),
        ("ar", "خمسين ريال", [("amount", "50 SAR")]),
        ("ru", "пятьсот рублей", [("amount", "500 RUB")]),
        ("pt", "cinquenta reais", [("amount", "50 BRL")]),
        ("pt", "cem reais", [("amount", "100 BRL")]),
        ("fr", "cinquante euros", [("amount", "50 EUR")]),
        ("de", "fünfzig Euro", [("amount", "50 EUR")]),
        ("hi", "पाँच सौ रुपये", [("amount", "500 INR")]),
        ("hi", "Rs 500", [("amount", "500 INR")]),
        ("en", "50 quid", [("amount", "50 GBP")]),
        ("en", "fifty euros", [("amount", "50 EUR")]),
        ("it", "duecento euro", [("amount", "200 EUR")]),
        ("nl", "vijfentwintig euro", [("amount", "25 EUR")]),
        ("tr", "elli lira", [("amount", "50 TRY")]),
        ("es", "doscientos pesos", [("amount", "200 MXN")]),
        ("en", "order 100234 costs €50", [("order_number", "100234"), ("amount", "50 EUR")]),
        ("en", "chinese please", [("language", "zh-Hans")]),
        ("en", "can we speak German?", [("language", "de")]),
        ("en", "in french", [("language", "fr")]),
        ("ar", "رقم الشحنة LX209416683NL", [("tracking_number", "LX209416683NL")]),
        ("pt", "o telefone do pedido é (81) 99123-0455", [("phone", "+5581991230455")]),
    ],
)
def test_what_the_words_beside_a_number_make_of_it(language: str, text: str, expected: list[tuple[str, str]]) -> None:
    """Orders in groups, telephone numbers, tickets, sums in words: each with its value."""
    assert found(text, language) == expected


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("fr", "T-42"),
        ("es", "mi NIF es 12345678Z"),
        ("es", "12345678Z"),
        ("pt", "CNPJ 12.345.678/0001-95"),
        ("nl", "btw-nummer NL123456789B01"),
        ("de", "USt-IdNr. DE123456789"),
        ("en", "our VAT number is GB123456789"),
        ("en", "4111 1111 1111 1111"),
        ("en", "my card is 4111111111111111"),
        ("en", "378282246310005"),
        ("nl", "NL91ABNA0417164300"),
        ("de", "DE89 3704 0044 0532 0130 00 ist meine iban"),
        ("fr", "BE68539007547034"),
        ("en", "order BE68539007547034"),
        ("de", "Müller"),
        ("de", "Lübke"),
        ("fr", "M. Dupont"),
        ("fr", "Bonjour, je suis M. Dupont"),
        ("en", "12 years"),
        ("en", "nail polish"),
        ("en", "french press"),
        ("en", "chinese food"),
        ("en", "is that 12 years"),
        ("en", "leather jacket M"),
        ("es", "México"),
        ("pt", "Avenida Paulista, São Paulo"),
        ("tr", "numaram silinsin"),
        ("zh-Hans", "买一块手表"),
        ("ja", "いくら万円"),
        ("ko", "직원이 불친절해요"),
    ],
)
def test_what_is_nothing(language: str, text: str) -> None:
    """Initials, card, account and tax numbers, foods: no entity at all."""
    assert found(text, language) == []


@pytest.mark.parametrize(
    ("language", "text"), [("ar", "رقمي 0551234567"), ("ar", "0599123456"), ("zh-Hant", "我的電話 0912345678")]
)
def test_a_foreign_local_number_does_not_become_the_shops(language: str, text: str) -> None:
    """Whoever writes Arabic or Chinese gives a number of their own country, not of the shop's."""
    ((entity, value),) = found(text, language)
    assert entity == "phone"
    assert not value.startswith("+31")


def test_a_mistyped_tracking_number_is_less_sure() -> None:
    """A wrong check digit lowers the confidence, the more where no word says what the number is."""
    (alone,) = EXTRACTOR.extract("RR123456789NL", language="en")
    (wrong,) = EXTRACTOR.extract("my tracking number is RR123456789NL", language="en")
    (right,) = EXTRACTOR.extract("my tracking number is RR123456785NL", language="en")
    assert alone.confidence < wrong.confidence < right.confidence == 1.0


def test_check_digits_of_cards_and_accounts() -> None:
    """One digit more or less makes them something else."""
    assert card_is_valid("4111111111111111")
    assert not card_is_valid("4111111111111112")
    assert iban_is_valid("NL91ABNA0417164300")
    assert not iban_is_valid("NL91ABNA0417164301")


@pytest.mark.parametrize(
    ("language", "words", "value"),
    [
        ("de", "dreitausendvierhundertzwölf", 3412),
        ("nl", "tweeëntwintig", 22),
        ("it", "duemilatrecento", 2300),
        ("fr", "quatre-vingt-dix-neuf", 99),
        ("es", "doscientos cincuenta mil", 250000),
        ("ru", "две тысячи триста", 2300),
        ("tr", "yüz elli", 150),
        ("ar", "مئة وخمسة وعشرين", 125),
        ("hi", "ढाई हज़ार", 2500),
        ("zh-Hans", "二百五", 250),
        ("zh-Hant", "三百零五", 305),
        ("ja", "1.5万", 15000),
        ("ko", "9만 8천", 98000),
    ],
)
def test_numbers_in_words(language: str, words: str, value: int) -> None:
    """Whatever a language puts first, joins or leaves out."""
    folded = fold_same_length(words) + " "
    assert NumberWords(language).before(folded, len(folded)) == (0, Decimal(value))


def test_a_word_that_the_examples_use_otherwise_is_no_product() -> None:
    """A word counts as ordinary that stands outside of products often and is never one by itself."""
    texts = (
        ("en", "in black please", ""),
        ("en", "black is fine", ""),
        ("en", "not black", ""),
        ("en", "my lamp", "lamp"),
        ("en", "lamp lamp lamp", ""),
        ("en", "gonna gonna gonna", ""),
        ("it", "la gonna", "gonna"),
    )
    examples = tuple(
        Example(text, "inform", language, "x.yml", 1, (_product(text, word),) if word else ())
        for language, text, word in texts
    )
    words = ordinary_words(TrainingData(examples=examples))
    assert "black" in words["en"]
    assert "lamp" not in words["en"]
    assert "gonna" in words["en"]
    assert "gonna" not in words["it"] and "gonna" not in words[""]
    assert Tables.from_json(Tables(ordinary=words).to_json()).ordinary == words


def _product(text: str, word: str) -> Annotation:
    return Annotation("product", word, text.index(word), text.index(word) + len(word))


@pytest.mark.parametrize("language", ["", *LANGUAGES])
def test_dates_take_less_than_a_millisecond(language: str) -> None:
    """A message full of days stays cheap once its language has been met."""
    text = "Ich habe am 3. Mai, vor zwei Wochen und last friday bestellt, 先週の火曜日, 지난주 화요일, 14/06"
    folded = fold_same_length(text)
    finder = EXTRACTOR._dates
    list(finder.find(text, folded, TODAY, language))
    best = min(_seconds(lambda: list(finder.find(text, folded, TODAY, language))) for _ in range(10))
    assert best < (0.003 if not language else 0.001)


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


# fmt: off
PIECES = (
    "3", "20", "100", "234", "order", "订单", "tel", "last", "week", "friday", "先週", "の", "火曜日", "지난주",
    "월요일", "vor",
    "drei", "Wochen", "fünfzig", "euro", "€", "五十", "块", "5만", "원",
    "M", "L", "ü", "RR123456789NL", "4111", "1111",
    "06", "-", ".", "/", "NIF", "12345678Z", "ticket", "000042", "há", "dias", "قبل", "أسبوعين", "3月", "号", "日",
    "1/2",
    "french", "food", "월", "28일",
)
# fmt: on
WORDS = st.lists(st.sampled_from(PIECES), max_size=14).flatmap(
    lambda words: st.sampled_from([" ".join(words), "".join(words)])
)


@settings(max_examples=300, deadline=None)
@given(text=WORDS | st.text(max_size=60), language=st.sampled_from(["", *LANGUAGES]))
def test_spans_lie_in_the_text_in_every_language(text: str, language: str) -> None:
    """Whatever is written in whichever language: no exception, spans inside the text, values not empty, no overlap."""
    end = 0
    for item in EXTRACTOR.extract(text, today=TODAY, language=language):
        assert end <= item.start < item.end <= len(text)
        assert item.value
        end = item.end


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("tr", "İZ12345678901234 siparişim nerede", []),
        ("tr", "IBAN numaram TR33 0006 1005 1978 6457 8413 26 İade edin", []),
        ("de", "Das Paket ist nie angekommen: 100234", [("order_number", "100234")]),
        ("en", "I bought a pan, 100234", [("order_number", "100234")]),
        ("en", "my tracking number is 612345678912345", [("tracking_number", "612345678912345")]),
        ("en", "give it one try", []),
        ("en", "my 20 try", []),
        ("tr", "20 TRY", [("amount", "20 TRY")]),
    ],
)
def test_words_that_look_like_something_else(language: str, text: str, expected: list[tuple[str, str]]) -> None:
    """Capitals of one language only, everyday words that are short for a tax or a currency, numbers like a card's."""
    kinds = {"order_number", "tracking_number", "amount"}
    assert [item for item in found(text, language) if item[0] in kinds] == expected


@pytest.mark.parametrize("written", ["cet après midi", "cet apres midi", "cet-après-midi", "cet après-midi"])
def test_spaces_and_hyphens_are_alike_in_days(written: str) -> None:
    """However it is written, it is this day."""
    (day,) = EXTRACTOR.extract(f"livré {written}", language="fr", today=date(2026, 11, 22))
    assert day.value == "2026-11-22"


@pytest.mark.parametrize("language", ["", "de", "it", "tr", "zh-Hans"])
def test_a_long_number_before_a_sum_holds_nobody_up(language: str) -> None:
    """Its digits are one number, not all the ways in which they could be cut."""
    begun = time.process_time()
    EXTRACTOR.extract("1234567890" * 8 + " x 50 euro lira 元", language=language)
    assert time.process_time() - begun < 2
