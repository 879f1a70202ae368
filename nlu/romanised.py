"""Arabic and Russian in Latin letters, as people chat: "3ayez a3raf el order feen", "gde moy zakaz".

Where a language has no single way of being spelt, few of its words are ever among the examples. Digits
that stand for Arabic letters, and the commonest words in their usual spellings, tell more.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection

# A digit in the place of a letter: bta3y, 3ayez, sama7t, delwa2ty. Codes have more digits or fewer letters.
SPELT = re.compile(r"(?<![\w@#/.-])(?=(?:[^\W_]*[a-z]){3})[A-Za-z]?[a-z]*[235679][a-z]+(?:[2357][a-z]*)?(?![\w@-])")
_AT_THE_END = re.compile(r"(?<![\w@#/.-])[A-Za-z]?[a-z]{2,}[237](?![\w@-])")
_TOKENS = re.compile(r"[^\W_]+")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# fmt: off
_STRONG: dict[str, frozenset[str]] = {
    "ar": _words("""
        feen fein wein wain feeno bta3 bta3y bta3i bta3ty bta3ti msh mesh mish mafish mafeesh mfish ezay ezzay izzay
        keda kida delwa2ty dilwa2ti sama7t sama7ti samaht shokran shukran shokrn 7abibi 7abibty habibi momken mumkin
        3andi 3andy 3ndi 3ayez 3ayz 3ayza 3awez 3ayzin 3ayzeen shlon shlonkom shlonak abgha abgi abghi talabi talaby
        talabeyti talabia talabiya floos flous floosy floosi felousy emta imta lessa lesa leesa yalla inshallah kteer
        kter awi gedan giddan kwayes kwayyes la2 aywa aiwa na3am leih wallah walla fulus moshkela mushkila moshkila
        shi7na gazma jazma mawaselsh mawslsh wasal wesel weselny 3ala 3an salam salamu assalamu alaikom alaykom
        alaikum alaykum 3alaikom 3alaykom 3alaikum marhaba mar7aba ahlan sabah masa2 ba3ed ma3lesh maalesh ma3leish
        da7een hala2 halla2 shu shou kifak kifik bddi baddi biddi sho esh eish laish leish 7aga haga 7ad eshta tab3an
        ba3deen arja3 araga3 arga3 aragga3 a3mel a3raf 3aref akalem akallem elghi el8i elghy ma2as te2dar te2daro"""),
    "ru": _words("""
        privet zdravstvuyte zdravstvujte zdravstvuite zdrastvuyte zdraste zdrastvuite dobryy dobryj dobriy dobroe
        spasibo spasiba pozhaluysta pozhalusta pozhaluista pojaluista pojalusta posylka posylku posilka posilku zakaz
        zakaza zakazal zakazala moy gde kogda pochemu skolko hochu khochu xochu vernut vernite vernuli otmenit
        otmenite pomogite pomoshch dengi dengy oplata oplatoy oplatit oplatu dostavka dostavku dostavki pridet pridyot
        prishel prishla prishlo prishol prishyol prishli nuzhno nuzhna nuzhen mozhno mojno eshche esche eshe uzhe uje
        menya mne vopros razmer pomenyat obmenyat izmenit nichego cheloveka operatora pozovite zovut otvette otvet
        poluchil poluchila kupil kupila obuv krossovki vozvrat skidka skidki tovar podskazhite nalichii zhdu chto vsem
        kakoy kakaya"""),
}
_WEAK: dict[str, frozenset[str]] = {
    "ar": _words("""
        el ana fel fil bel law eh kam ya enta enti abi aby talab wel da di hal men min ma mn fi fe fih wen fen al wa
        bas lw"""),
    "ru": _words("ya ne u vas s moya moi moe adres kak est tak dolgo eto vse na i v za problema bolshoe stoit den"),
}
# Taken over by every language of a web shop, so they speak against none of them.
_SHOP = _words("""
        order orders refund cancel tracking delivery size account website number code item product exchange return
        card cash bank visa online status discount coupon model zara nike adidas problema shipping invoice link
        voucher sale promo support""")
# English chat, not Arabic.
_CHAT = _words("""
        gr8 l8r m8 w8 h8 str8 b4 some1 any1 every1 no1 4ever 4get 2day 2nite 2moro 2morrow 2night 4u in2 on2 b2b b2c
        p2p h2o mp3 mp4 cu2 thx2 me2 u2 f2f 5star 2nd 3rd 5th 6th 7th 9th 2way 3way 7eleven""")
# fmt: on

_MOST = 12
_ENOUGH = 3
_FEW = 2
_SURE, _LIKELY = 0.9, 0.82


def spelt_words(text: str) -> list[str]:
    """The words of a text in which a digit stands for a letter."""
    return [word for word in SPELT.findall(text) if word.lower() not in _CHAT]


def romanised(text: str, ordinary: Callable[[str], bool], everyday: Callable[[str, str], bool]) -> tuple[str, float]:
    """The language of a text that is Arabic or Russian in Latin letters, and how sure that is; or ``("", 0.0)``.

    Args:
        text: a cleaned message.
        ordinary: whether some language that is written in Latin letters uses this word every day.
        everyday: whether the examples of a language have this word often, in Latin letters too.
    """
    words = [token.lower() for token in _TOKENS.findall(text.replace("'", "")) if not token.isdigit()]
    spelt = {word.lower() for word in spelt_words(text)}
    spelt |= {word.lower() for word in _AT_THE_END.findall(text)} - _CHAT
    if not words or not (spelt or any(word in strong for word in words for strong in _STRONG.values())):
        return "", 0.0
    spelt = {word for word in spelt if not ordinary(word.strip("235679"))}
    best, most, telling = "", 0.0, 0
    for code in _STRONG:
        found, strong = _weigh(words, code, spelt if code == "ar" else (), ordinary, everyday)
        if found > most:
            best, most, telling = code, found, strong
    few = len(words) <= _FEW <= most
    if not telling or not (most >= _ENOUGH or few) or 2 * most < min(len(words), _MOST):
        return "", 0.0
    return best, _SURE if most > _ENOUGH else _LIKELY


def _weigh(
    words: Collection[str],
    code: str,
    spelt: Collection[str],
    ordinary: Callable[[str], bool],
    everyday: Callable[[str, str], bool],
) -> tuple[float, int]:
    score, strong = 0.0, 0
    for word in words:
        if word in _STRONG[code] or word in spelt:
            score, strong = score + 2, strong + 1
        elif word in _WEAK[code] or (everyday(word, code) and not ordinary(word)):
            score += 1
        elif ordinary(word) and word not in _SHOP:
            score -= 1
    return score, strong
