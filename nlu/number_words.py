"""Numbers in words: "fünfundzwanzig", "三千", "пятьсот", "5만", in the product's languages."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from nlu.phrases import HANGUL, MARKS, UNSPACED, fold_same_length

# Word lists read best in dense lines.
# fmt: off


@dataclass(frozen=True)
class _Language:
    """One language: ``values`` as ``number=word|word``, multipliers apart, and what joins the parts.

    ``run_on``: parts follow each other without a space. ``shorthand``: a last digit continues the
    order before it (二百五 is 250).
    """

    values: str
    multipliers: str
    joints: str = ""
    run_on: bool = False
    shorthand: bool = False


_CJK = ("0=零|〇 1=一|壹 2=二|两|兩|貳|贰 3=三|叁|參 4=四|肆 5=五|伍 6=六|陆|陸 7=七|柒 8=八|捌 9=九|玖",
        "10=十|拾 100=百|佰 1000=千|仟 10000=万|萬 100000000=亿|億")

LANGUAGES: dict[str, _Language] = {
    "en": _Language(
        "0=zero 1=one 2=two 3=three 4=four 5=five 6=six 7=seven 8=eight 9=nine 10=ten 11=eleven 12=twelve 13=thirteen "
        "14=fourteen 15=fifteen 16=sixteen 17=seventeen 18=eighteen 19=nineteen 20=twenty 30=thirty 40=forty|fourty "
        "50=fifty "
        "60=sixty 70=seventy 80=eighty 90=ninety", "100=hundred|a hundred 1000=thousand|a thousand|grand", "and"),
    "es": _Language(
        "0=cero 1=un|uno|una 2=dos 3=tres 4=cuatro 5=cinco 6=seis 7=siete 8=ocho 9=nueve 10=diez 11=once 12=doce "
        "13=trece "
        "14=catorce 15=quince 16=dieciséis 17=diecisiete 18=dieciocho 19=diecinueve 20=veinte 21=veintiún|veintiuno|"
        "veintiuna "
        "22=veintidós 23=veintitrés 24=veinticuatro 25=veinticinco 26=veintiséis 27=veintisiete 28=veintiocho "
        "29=veintinueve "
        "30=treinta 40=cuarenta 50=cincuenta 60=sesenta 70=setenta 80=ochenta 90=noventa 100=cien|ciento "
        "200=doscientos|doscientas "
        "300=trescientos|trescientas 400=cuatrocientos|cuatrocientas 500=quinientos|quinientas 600=seiscientos|"
        "seiscientas "
        "700=setecientos|setecientas 800=ochocientos|ochocientas 900=novecientos|novecientas", "1000=mil", "y"),
    "fr": _Language(
        "0=zéro 1=un|une 2=deux 3=trois 4=quatre 5=cinq 6=six 7=sept 8=huit 9=neuf 10=dix 11=onze 12=douze 13=treize "
        "14=quatorze 15=quinze 16=seize 20=vingt 30=trente 40=quarante 50=cinquante 60=soixante 70=septante "
        "80=quatre-vingt|"
        "quatre-vingts|quatre vingt|quatre vingts|huitante|octante 90=nonante", "100=cent|cents 1000=mille", "et"),
    "de": _Language(
        "0=null 1=ein|eins|eine|einem|einer|einen 2=zwei|zwo 3=drei 4=vier 5=fünf|fuenf 6=sechs 7=sieben 8=acht "
        "9=neun 10=zehn "
        "11=elf 12=zwölf|zwoelf 13=dreizehn 14=vierzehn 15=fünfzehn|fuenfzehn 16=sechzehn 17=siebzehn 18=achtzehn "
        "19=neunzehn "
        "20=zwanzig 30=dreißig|dreissig 40=vierzig 50=fünfzig|fuenfzig 60=sechzig 70=siebzig 80=achtzig 90=neunzig",
        "100=hundert 1000=tausend", "und", run_on=True),
    "pt": _Language(
        "0=zero 1=um|uma 2=dois|duas 3=três 4=quatro 5=cinco 6=seis 7=sete 8=oito 9=nove 10=dez 11=onze 12=doze "
        "13=treze "
        "14=catorze|quatorze 15=quinze 16=dezesseis|dezasseis 17=dezessete|dezassete 18=dezoito 19=dezenove|"
        "dezanove 20=vinte "
        "30=trinta 40=quarenta 50=cinquenta 60=sessenta 70=setenta 80=oitenta 90=noventa 100=cem|cento 200=duzentos|"
        "duzentas "
        "300=trezentos|trezentas 400=quatrocentos|quatrocentas 500=quinhentos|quinhentas 600=seiscentos|seiscentas "
        "700=setecentos|setecentas 800=oitocentos|oitocentas 900=novecentos|novecentas", "1000=mil", "e"),
    "it": _Language(
        "0=zero 1=un|uno|una 2=due 3=tre 4=quattro 5=cinque 6=sei 7=sette 8=otto 9=nove 10=dieci 11=undici "
        "12=dodici 13=tredici "
        "14=quattordici 15=quindici 16=sedici 17=diciassette 18=diciotto 19=diciannove 20=venti|vent 30=trenta|trent "
        "40=quaranta|quarant 50=cinquanta|cinquant 60=sessanta|sessant 70=settanta|settant 80=ottanta|ottant "
        "90=novanta|novant",
        "100=cento 1000=mille|mila", "e", run_on=True),
    "nl": _Language(
        "0=nul 1=een|één 2=twee 3=drie 4=vier 5=vijf 6=zes 7=zeven 8=acht 9=negen 10=tien 11=elf 12=twaalf 13=dertien "
        "14=veertien 15=vijftien 16=zestien 17=zeventien 18=achttien 19=negentien 20=twintig 30=dertig 40=veertig "
        "50=vijftig "
        "60=zestig 70=zeventig 80=tachtig 90=negentig", "100=honderd 1000=duizend", "en|ën", run_on=True),
    "ru": _Language(
        "0=ноль 1=один|одна|одну|одного 2=два|две|двух 3=три|трех|трёх 4=четыре|четырех|четырёх 5=пять|пяти 6=шесть|"
        "шести "
        "7=семь|семи 8=восемь|восьми 9=девять|девяти 10=десять|десяти 11=одиннадцать 12=двенадцать|двенадцати "
        "13=тринадцать "
        "14=четырнадцать 15=пятнадцать|пятнадцати 16=шестнадцать 17=семнадцать 18=восемнадцать 19=девятнадцать "
        "20=двадцать|двадцати 30=тридцать|тридцати 40=сорок|сорока 50=пятьдесят|пятидесяти 60=шестьдесят|шестидесяти "
        "70=семьдесят|семидесяти 80=восемьдесят|восьмидесяти 90=девяносто|девяноста 100=сто|ста 200=двести|двухсот "
        "300=триста|трехсот|трёхсот 400=четыреста|четырехсот|четырёхсот 500=пятьсот|пятисот 600=шестьсот|шестисот "
        "700=семьсот|семисот 800=восемьсот|восьмисот 900=девятьсот|девятисот", "1000=тысяча|тысячи|тысячу|тысяч|тыс|"
        "тыщ"),
    "tr": _Language(
        "0=sıfır 1=bir 2=iki 3=üç 4=dört 5=beş 6=altı 7=yedi 8=sekiz 9=dokuz 10=on 20=yirmi 30=otuz 40=kırk 50=elli "
        "60=altmış "
        "70=yetmiş 80=seksen 90=doksan", "100=yüz 1000=bin", run_on=True),
    "ar": _Language(
        "0=صفر 1=واحد|واحدة 2=اثنان|اثنين|اثنتين|اتنين 3=ثلاثة|ثلاث|تلاتة|تلات 4=أربعة|أربع|اربعه 5=خمسة|خمس|خمسه "
        "6=ستة|ست|سته "
        "7=سبعة|سبع|سبعه 8=ثمانية|ثماني|ثمان|تمانية|تمن 9=تسعة|تسع|تسعه 10=عشرة|عشر|عشره 11=أحد عشر|إحدى عشرة|حداشر "
        "12=اثنا عشر|اثني عشر|اطناشر|اتناشر 15=خمسة عشر|خمستاشر|خمسطعش 20=عشرون|عشرين 30=ثلاثون|ثلاثين|تلاتين "
        "40=أربعون|أربعين 50=خمسون|خمسين 60=ستون|ستين 70=سبعون|سبعين 80=ثمانون|ثمانين|تمانين 90=تسعون|تسعين "
        "200=مئتين|مائتين|ميتين|مئتان|مائتان 300=ثلاثمئة|ثلاثمائة|تلتميه|تلتمية|ثلاثمية 400=أربعمئة|أربعمائة|ربعمية|"
        "أربعمية "
        "500=خمسمئة|خمسمائة|خمسمية|خمسميه 600=ستمئة|ستمائة|ستمية|ستميه 700=سبعمئة|سبعمائة|سبعمية 800=ثمانمئة|"
        "ثمانمائة|تمنمية "
        "900=تسعمئة|تسعمائة|تسعمية 2000=ألفين|ألفان",
        "100=مئة|مائة|مية|ميه 1000=ألف|آلاف|الاف", "و"),
    "hi": _Language(
        "0=शून्य 1.5=डेढ़|डेढ|dedh 2.5=ढाई|dhai 1=एक|ek 2=दो|do 3=तीन|teen 4=चार|char 5=पाँच|पांच|paanch|panch 6=छह|छः|छे|"
        "che 7=सात|saat 8=आठ|aath 9=नौ|nau 10=दस|das "
        "11=ग्यारह 12=बारह 13=तेरह 14=चौदह 15=पंद्रह|पन्द्रह|pandrah 16=सोलह 17=सत्रह 18=अठारह 19=उन्नीस 20=बीस|bees "
        "21=इक्कीस 22=बाईस 23=तेईस "
        "24=चौबीस 25=पच्चीस|pachees 26=छब्बीस 27=सत्ताईस 28=अट्ठाईस 29=उनतीस 30=तीस|tees 31=इकतीस 32=बत्तीस 33=तैंतीस "
        "34=चौंतीस 35=पैंतीस "
        "36=छत्तीस 37=सैंतीस 38=अड़तीस 39=उनतालीस 40=चालीस|chalis 41=इकतालीस 42=बयालीस 43=तैंतालीस 44=चौवालीस 45=पैंतालीस "
        "46=छियालीस "
        "47=सैंतालीस 48=अड़तालीस 49=उनचास 50=पचास|pachas 51=इक्यावन 52=बावन 53=तिरपन 54=चौवन 55=पचपन 56=छप्पन 57=सत्तावन "
        "58=अट्ठावन "
        "59=उनसठ 60=साठ|saath 61=इकसठ 62=बासठ 63=तिरसठ 64=चौंसठ 65=पैंसठ 66=छियासठ 67=सड़सठ 68=अड़सठ 69=उनहत्तर 70=सत्तर|"
        "sattar "
        "71=इकहत्तर 72=बहत्तर 73=तिहत्तर 74=चौहत्तर 75=पचहत्तर 76=छिहत्तर 77=सतहत्तर 78=अठहत्तर 79=उनासी 80=अस्सी|assi "
        "81=इक्यासी 82=बयासी "
        "83=तिरासी 84=चौरासी 85=पचासी 86=छियासी 87=सत्तासी 88=अट्ठासी 89=नवासी 90=नब्बे|nabbe 91=इक्यानवे 92=बानवे "
        "93=तिरानवे 94=चौरानवे "
        "95=पचानवे 96=छियानवे 97=सत्तानवे 98=अट्ठानवे 99=निन्यानवे",
        "100=सौ|sau 1000=हज़ार|हजार|hazaar|hazar|hajar 100000=लाख|lakh"),
    "zh": _Language(*_CJK, run_on=True, shorthand=True),
    "ja": _Language(*_CJK, run_on=True),
    "ko": _Language("0=영|공 1=일 2=이 3=삼 4=사 5=오 6=육 7=칠 8=팔 9=구", "10=십 100=백 1000=천 10000=만 "
          "100000000=억", run_on=True),
}

_COUNTED = {
    "en": "1=a|an", "ko": "1=한 2=두 3=세 4=네 5=다섯 6=여섯 7=일곱 8=여덟 9=아홉 10=열", "ja": "1=ひと",
          "ar": "3=ثلاثه|تلت",
}
"""Words that count things and are no part of longer numbers."""
# fmt: on

_SHORTHAND_FROM = 100
_UNITS = 10
_GREAT = 1000
_EAST_GREAT = 10000
_MOST = 120
_EAST = ("zh", "ja", "ko")
# From the first digit on: a number that could be cut anywhere is tried in all ways.
_DIGITS = r"(?<!\d)\d+(?:[.,]\d+)*"


def _pairs(text: str) -> dict[str, Decimal]:
    """The words of ``number=word|word number=…``; a word may contain a space."""
    found = {}
    for match in re.finditer(r"([\d.]+)=(.*?)(?=\s+[\d.]+=|$)", text):
        for word in match[2].split("|"):
            found[fold_same_length(word.strip())] = Decimal(match[1])
    return found


class NumberWords:
    """The numbers of one language in words."""

    def __init__(self, language: str) -> None:
        own = LANGUAGES.get(language) or LANGUAGES.get(language.split("-")[0]) or _Language("", "")
        base = language.split("-")[0]
        self._values = _pairs(own.values)
        self._multipliers = _pairs(own.multipliers)
        self._great = _EAST_GREAT if base in _EAST else _GREAT
        self._shorthand = own.shorthand
        values = {**self._values, **_pairs(_COUNTED.get(base, ""))}
        self.counts = {word: int(value) for word, value in values.items() if value == int(value)}
        """Single words that count things, such as "a" and "two"."""
        words = sorted({*self._values, *self._multipliers}, key=len, reverse=True)
        joints = [fold_same_length(word) for word in own.joints.split("|") if word]
        parts = "|".join(map(re.escape, words)) or r"(?!)"
        # Parts of languages with run-on words stand anywhere in a word, others are words.
        east = base in _EAST or own.run_on
        edge = rf"(?![^\W\d_{UNSPACED}{HANGUL}]|[{MARKS}])" if east else rf"(?![^\W\d_]|[{MARKS}])"
        self._part = re.compile(rf"{_DIGITS}|{parts}" if own.run_on else rf"{_DIGITS}|(?:{parts}){edge}")
        joint = "|".join(map(re.escape, joints))
        spaced = (
            rf"[\s-]*(?:(?:{joint})[\s-]*)?"
            if joint and (own.run_on or base == "ar")
            else (rf"[\s-]+(?:(?:{joint})[\s-]+)?" if joint else r"[\s-]*")
        )
        one = rf"(?:{self._part.pattern})"
        start = (rf"(?<![^\W{UNSPACED}])" if east else r"(?<!\w)") + r"(?<!\d[.,])"
        self._whole = re.compile(rf"{start}{one}(?:{spaced}{one})*\s*-?\s*$")

    def before(self, folded: str, end: int) -> tuple[int, Decimal] | None:
        """The number, with a word in it, that ends where a currency begins: (start, value)."""
        begin = max(0, end - _MOST)
        part = folded[begin:end]
        match = self._whole.search(part)
        if match is None or not any(not char.isdigit() and char not in " ,.-" for char in match[0]):
            return None
        if self._multipliers.get(match[0].strip(), 0) >= _EAST_GREAT:
            return None  # "how many tens of thousands" has no number
        value = self.value(match[0])
        return None if value is None else (begin + match.start(), value)

    def value(self, folded: str) -> Decimal | None:
        """The value of a number in words or digits and words; None if there is none."""
        total, section, unit = Decimal(0), Decimal(0), Decimal(0)
        last_multiplier, after, seen, zero = Decimal(0), False, False, False
        for match in self._part.finditer(folded):
            word = match[0]
            seen = True
            multiplier = self._multipliers.get(word)
            if multiplier is None:
                number = self._values[word] if word in self._values else _digits(word)
                if number is None:
                    return None
                zero, after = zero or number == 0, True
                unit += number
            elif multiplier >= self._great:
                total += (section + unit or Decimal(1)) * multiplier
                section, unit, last_multiplier, after, zero = Decimal(0), Decimal(0), multiplier, False, False
            else:
                section += (unit or Decimal(1)) * multiplier
                unit, last_multiplier, after, zero = Decimal(0), multiplier, False, False
        if self._shorthand and after and not zero and unit < _UNITS and last_multiplier >= _SHORTHAND_FROM:
            unit *= last_multiplier // 10
        return total + section + unit if seen else None

    def has_multiplier(self, folded: str) -> bool:
        """Whether a number in words has one of "hundred", "thousand" …, and so is hardly a word of another kind."""
        return any(match[0] in self._multipliers for match in self._part.finditer(folded))


def _digits(text: str) -> Decimal | None:
    """5.000, 5,5 or 12: three digits after a sign are thousands."""
    text = re.sub(r"[.,](?=\d{3}(?!\d))", "", text).replace(",", ".")
    try:
        return Decimal(text)
    except InvalidOperation:
        return None


def all_counts(languages: Iterable[str]) -> dict[str, int]:
    """The counting words of several languages; of a word with two values the first one counts."""
    found: dict[str, int] = {}
    for language in languages:
        for word, value in NumberWords(language).counts.items():
            found.setdefault(word, value)
    return found
