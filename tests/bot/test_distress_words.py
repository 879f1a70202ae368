"""The words that ship for a cry for help: what is one, and what only sounds like it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.config import load_config
from bot.handovers import cries_for_help
from tests.conftest import ROOT

CRIES = [
    "I will kill myself",
    "mi voglio ammazzare",
    "mi voglio uccidere",
    "no tengo ganas de vivir",
    "سأقتل نفسي",
    "بقتل نفسي",
    "ابي اموت",
    "покончу с жизнью",
    "I am going to end it all",
    "im gonna kill my self",
    "ich bringe mich noch um",
    "我真的不想活了",
    "我不想活了",
    "quiero quitarme la vida",
    "je veux mourir",
    "ik wil niet meer leven",
    "intihar edeceğim",
    "죽고 싶어요",
    "자살하고 싶어요",
    "死にたいです",
    "मैं मरना चाहता हूँ",
    "आत्महत्या कर लूंगा",
    "मैं आत्महत्या करना चाहता हूँ",
    "Ich will nicht mehr leben",
    "quero me matar",
    "хочу умереть",
]
OTHERS = [
    "설치 혼자해도 되나요?",
    "혼자했는데 안돼요",
    "남자해외배송 되나요",
    "가입자해지 하고 싶어요",
    "모자살건데 재고 있나요",
    "의자살려고 하는데요",
    "감자살게요",
    "과자살래요",
    "모자 살 거예요",
    "aynı sorunu tekrar yaşamak istemiyorum",
    "kargo sıkıntısı yaşamak istemiyorum, iptal edin",
    "hayatıma son derece kolaylık kattı",
    "kendime zarar vermeden nasıl takarım",
    "搜尋短袖上衣",
    "这个暖宝宝能减轻生理痛吗",
    "可以減輕生理期疼痛嗎",
    "我来自残疾人家庭,有优惠吗",
    "我想去死海旅游,有防水手机袋吗",
    "我不想活动结束后才发货",
    "我想死你们家的面膜了",
    "自杀小队手办有货吗",
    "自殺突擊隊海報還有嗎",
    "わたしにたいしての対応がひどいです",
    "返しにたいへん困っている",
    "فرقة الانتحار بوستر",
    "non voglio più vivere un'esperienza simile",
    "voglio farla finita con questo reclamo",
    "je ne veux plus vivre ça",
    "j'ai failli me faire du mal avec cette chaise cassée",
    "no quiero vivir otra vez esta experiencia",
    "me quiero morir, me equivoqué de dirección",
    "não quero viver isso de novo",
    "quero morrer de rir",
    "не хочу жить в ожидании",
    "I don't want to harm myself with the broken glass",
    "I don't want to die waiting for this parcel",
    "I don't want to live without my phone for another week",
    "kan ik mezelf pijn doen aan die scherpe rand?",
    "der Akku will sterben",
    "do you have the Suicide Squad poster?",
    "meine Frau bringt mich um",
]


@pytest.mark.parametrize("text", CRIES)
def test_a_cry_for_help(text: str, tmp_path: Path) -> None:
    """In all languages that ship."""
    assert cries_for_help(load_config(ROOT, tmp_path, env={}).settings, text)


@pytest.mark.parametrize("text", OTHERS)
def test_what_only_sounds_like_it(text: str, tmp_path: Path) -> None:
    """Titles, figures of speech, words within words, and wishes not to live through something once more."""
    assert not cries_for_help(load_config(ROOT, tmp_path, env={}).settings, text)
