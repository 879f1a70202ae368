"""Names and addresses: words that belong to no language, whatever language they come from.

"Giovanni" is no Italian, and "Keizersgracht 12, Amsterdam" no Dutch: a customer gives them in the
midst of any conversation. They show in that no word says anything, in capitals, in numbers beside words
for streets.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# fmt: off
_PARTICLES: dict[str, frozenset[str]] = {
    "en": _words("and of the st no nr n apt o"),
    "es": _words("de del la las los el y e san santa santo no n apto c"),
    "fr": _words("de du des le la les d l et en saint sainte"),
    "de": _words("von vom zu zum zur am im an in auf der den dem und"),
    "pt": _words("de da do dos das e o a as os são santa santo nº"),
    "it": _words("di da dal dalla de del della delle dei degli la lo d l e san santa santo"),
    "nl": _words("van de der den ten ter het t 's s en in aan sint"),
    "ar": _words("بن بنت ابن أبو ابو al el bin ibn abu"),
    "ru": _words("и на"),
}
_EVERY_PARTICLE = frozenset().union(*_PARTICLES.values())
_STREETS = _words("""
        rue avenue ave boulevard bd bld place allée allee impasse quai chemin route calle c avenida avda av plaza
        paseo camino carretera carrer piso puerta escalera colonia col via viale piazza piazzale corso largo vicolo
        strada scala interno str straße strasse platz weg gasse ring damm ufer hof straat laan gracht plein kade dijk
        steeg singel bus rua travessa praça praca alameda rodovia estrada bairro apto andar bloco street road lane
        drive court square close way flat apartment apt suite unit floor st rd ln dr blvd sokak sokağı sk cadde
        caddesi cad mahalle mahallesi mah bulvarı apartmanı daire kat ул улица пр проспект просп пер переулок бульвар
        шоссе наб набережная пл площадь дом д кв квартира корпус корп к г город обл область подъезд этаж شارع حي مدينة
        بناية عمارة شقة طريق منطقة ميدان برج الدور دور मार्ग रोड गली नगर मकान फ्लैट सेक्टर कॉलोनी""")
_STREET_ENDS = re.compile(
    r"(?:stra(?:ß|ss)e|str|platz|weg|allee|gasse|ring|damm|ufer|straat|laan|gracht|plein|kade|dijk|steeg|singel|markt)$"
)
_BRANDS = _words("""
        postnl dpd hermes correos bpost seur mrw brt sda colissimo chronopost ctt evri yodel mondial relay inpost
        nacex yurtiçi aras sürat ptt zalando ikea bol temu shein aliexpress mediamarkt decathlon zara nike adidas puma
        apple huawei xiaomi sony chatgpt netflix klarna ideal bizum pix revolut wise stripe northwind lotus""")
# Where nothing is capitalised names themselves tell best: the commonest given names, and surnames of some.
_PEOPLE = _words("""
        giovanni giuseppe francesco antonio alessandro andrea matteo lorenzo luca marco paolo stefano giulia chiara
        francesca martina federica alessia maria maría josé jose juan carlos luis miguel javier manuel pedro pablo
        alejandro diego fernando lucía lucia sofía sofia carmen ana laura elena isabel cristina joão joao tiago rafael
        gabriel mariana beatriz inês jean pierre michel philippe françois francois nicolas julien étienne camille
        hans jürgen juergen klaus wolfgang thomas andreas stefan matthias sabine petra anna katrin lukas johannes
        pieter jan kees wouter sanne femke joost anouk mehmet mustafa ahmet ali hüseyin huseyin hasan ayşe ayse fatma
        emine zeynep elif yusuf kemal john james michael david robert william sarah emily jessica jennifer daniel
        matthew andrew mohamed mohammed muhammad ahmed fatima omar khaled rahul amit priya
        иван дмитрий алексей сергей андрей александр владимир михаил ольга светлана наталья елена анна мария татьяна
        екатерина юлия ирина
        محمد أحمد احمد علي حسن حسين فاطمة فاطمه عمر خالد مريم عبدالله عبد الله الرحمن عبدالرحمن يوسف إبراهيم ابراهيم
        مصطفى محمود سارة ساره نورة نوره سلمان فهد سعد سعود ليلى زينب عائشة عايشة آمنة هدى منى كريم طارق ياسر سامي رامي
        بلال حمزة أنس الزهراء السيد جاسم عثمان إسماعيل اسماعيل राहुल शर्मा अमित कुमार सुनीता प्रिया सिंह गुप्ता वर्मा
        पटेल संजय राजेश सुरेश रमेश अनिल विजय पूजा नेहा अंजलि रवि मोहन दीपक मनोज विकास यादव मिश्रा पांडे तिवारी चौहान
        अग्रवाल जोशी रेड्डी खान देवी आरती किरण रोहित मोहित अजय अर्जुन सीता गीता कविता""")
_CHINESE_SURNAMES = frozenset(
    "王李张張刘劉陈陳杨楊赵趙黄黃周吴吳徐孙孫胡朱高林何郭马馬罗羅梁宋郑鄭谢謝韩韓唐冯馮于董萧蕭程曹袁邓鄧"
    "许許傅沈曾彭吕呂苏蘇卢盧蒋蔣蔡贾賈丁魏薛叶葉阎閻余潘杜戴夏钟鍾汪田任姜范方石姚谭譚廖邹鄒熊金陆陸郝孔"
    "白崔康毛邱秦江史顾顧侯邵孟龙龍万萬段钱錢汤湯尹黎易常武乔喬贺賀赖賴龚龔文"
)
_JAPANESE_SURNAMES = _words("""
    佐藤 鈴木 高橋 田中 伊藤 渡辺 渡邊 山本 中村 小林 加藤 吉田 山田 佐々木 山口 松本 井上 木村
    斎藤 清水 山崎 池田 橋本 阿部 石川 山下 中島 石井 小川 前田 岡田 長谷川 藤田 後藤 近藤 村上
    遠藤 青木 坂本 藤井 西村 福田 太田 三浦 藤原 岡本 松田""")
_KOREAN_SURNAMES = frozenset(
    "김이박최정강조윤장임한오서신권황안송류전홍고문양손배백허유남심노하곽성차주우구민진지엄채원천방공현함"
    "변염여추도소석선설"
)
# fmt: on
_NUMBER = re.compile(r"\d")
_EAST_ADDRESS = re.compile("[省市县縣区區路街道巷弄号號室楼樓栋棟层段村镇鎮乡鄉都府町丁目番地]")
_EAST_TALK = re.compile(
    r"[我你您他她请請的了吗嗎呢在到要不没沒有怎什么麼改换換送寄给給是\u3041-\u3096]|입니다|이에요|예요|주세요"
)
_KOREAN_ADDRESS = re.compile(r"(?:시|도|군|구|읍|면|동|리|로|길|호|층|번지|아파트|빌라)$")

# French pronouns that lean on a verb, which is then seldom among the examples: j'habite, c'est, qu'il.
_I_AM = re.compile("(?:[jcmnt]|qu)['’]", re.IGNORECASE)

_INTRODUCES = re.compile(
    r"\b(?:my name(?: is|['’]s)|(?:me llamo|mi nombre es)|(?:je m['’]appelle|mon (?:pré)?nom (?:est|c['’]est))"
    r"|(?:ich hei(?:ß|ss)e|mein name ist)|(?:(?:eu )?me chamo|chamo-me|(?:o )?meu nome é)"
    r"|(?:mi chiamo|il mio nome è)|(?:ik heet|mijn naam is)|(?:benim )?(?:adım|ismim)|mera naam"
    r"|меня зовут|мо[её] имя)\s",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"[^.!?…\n]+")
_SPELT = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")

_FEW = 3
_SOME = 6
_MANY = 12
_EAST_NAME = 4
_SHORTEST = 2


def is_name(
    text: str,
    words: Sequence[str],
    common: Callable[[str], float],
    *,
    language: str,
    usual: float,
    often: float,
    strict: bool,
) -> bool:
    """Whether the words of a message, in a script that has spaces between them, can be a name or an address.

    Args:
        text: the whole message.
        words: its words, as they are written.
        common: how often a word occurs in the language that the message seems to be in, for one of its messages.
        language: that language.
        usual: from there on it is a word of the language.
        often: from there on it is one that stands in many messages, capitals or not.
        strict: whether it takes capitals or a well-known name to be one. Who writes in another script than the
            rest of a conversation has mostly changed its language.
    """
    if not words or len(words) > _MANY or any(_I_AM.match(word) for word in words):
        return False
    people = {word for word in words if word.casefold() in _PEOPLE}
    if people and len(words) <= _FEW:
        limit = usual if strict else often
        if all(word in people or common(word) < limit for word in words):
            return True
    place = {word for word in words if word.casefold() in _STREETS or _STREET_ENDS.search(word.casefold())}
    brands = {word for word in words if word.casefold() in _BRANDS}
    own = _PARTICLES.get(language.split("-")[0], frozenset())
    telling = [
        word
        for word in words
        if len(word) > 1 and word.casefold() not in _EVERY_PARTICLE and word not in place and word not in brands
    ]
    if place and _NUMBER.search(text):
        limit = often if words[0] in place else usual
        return not any(common(word) >= limit for word in telling if not word[0].isupper() or word.isupper())
    if not telling:
        return len(words) <= _FEW and bool(brands)
    titled = len(words) > 1 and all(word[0].isupper() and not word.isupper() for word in telling)
    if titled and len(words) <= _SOME:
        # "Buenas Tardes" is said in capitals too; "El Corte Inglés" has but a word of the language.
        said = sum(common(word) >= often for word in telling)
        return 2 * said < len(telling) or (bool(brands) and said < _FEW - 1)
    if strict and not all(word[0].isupper() for word in telling):
        return False
    others = [word for word in words if word.casefold() not in own and word not in place and word not in brands]
    return len(words) <= _FEW and not any(common(word) >= usual for word in others)


def without_names(text: str, ordinary: Callable[[str], bool]) -> str:
    """A message without the names that somebody says of himself or others: "me llamo Giovanni Rossi".

    Args:
        text: the message as it was written.
        ordinary: whether a word is said in small letters in any language, as German nouns are in haste.

    Returns:
        What is left, or the whole message where there is no name in the midst of words.
    """
    small = not any(len(word) > 1 and word[0].isupper() for word in text.split()[1:])  # "I" is no name
    if small and _PEOPLE.isdisjoint(_SPELT.findall(text.casefold())) and not _INTRODUCES.search(text):
        return text
    gone: list[tuple[int, int]] = []
    left = 0
    for sentence in _SENTENCE.finditer(text):
        begun = _INTRODUCES.search(sentence[0])
        # Where a name that was announced goes on, and how many words of it there may still be.
        at, more = (sentence.start() + begun.end(), _FEW) if begun else (-1, 0)
        after_given = False
        for place, word in enumerate(_SPELT.finditer(text, sentence.start(), sentence.end())):
            titled = word[0][0].isupper() and not word[0].isupper()
            given = all(part.casefold() in _PEOPLE for part in re.split("[-’']", word[0]))
            name = given or (titled and place > 0 and not ordinary(word[0]))
            if more and word.start() >= at:
                # After a given name a surname may be an everyday word: "giovanni rossi".
                plain = (
                    not titled and not given and ordinary(word[0]) and (not after_given or len(word[0]) <= _SHORTEST)
                )
                over = plain or text[at : word.start()].strip()
                name, more, at = (name, 0, at) if over else (True, more - 1, word.end())
            after_given = given
            if name:
                gone.append(word.span())
            else:
                left += word[0].islower() or not place
    if not gone or left < _FEW - 1:
        return text
    kept, start = [], 0
    for first, last in gone:
        kept.append(text[start:first])
        start = last
    return "".join([*kept, text[start:]])


def is_east_asian_name(text: str, words: str, known: Sequence[bool]) -> bool:
    """The same for Chinese, Japanese and Korean, which do not always have spaces.

    Args:
        text: the whole message.
        words: its letters.
        known: for every two neighbouring characters, whether examples have them side by side.
    """
    letters = words.replace(" ", "")
    if _NUMBER.search(text) and not _EAST_TALK.search(letters):
        parts = words.split()
        korean = sum(bool(_KOREAN_ADDRESS.search(part)) for part in parts)
        if len(_EAST_ADDRESS.findall(letters)) > 1 or (korean > 1 and 2 * korean >= len(parts)):
            return True
    if not 0 < len(known) < _EAST_NAME or _NUMBER.search(text) or 2 * sum(known) >= len(known):
        return False
    if letters[0] in _KOREAN_SURNAMES:
        return len(letters) == _FEW
    return (letters[0] in _CHINESE_SURNAMES and len(letters) <= _FEW) or any(
        letters.startswith(surname) and len(letters) > len(surname) for surname in _JAPANESE_SURNAMES
    )
