"""What customers say while they look for what they were asked for, in all languages that ship."""

from __future__ import annotations

import pytest

from bot.patience import asks_to_wait

WAITS = [
    "wait",
    "Wait!",
    "wait a sec",
    "hold on please",
    "one moment",
    "one moment please",
    "let me check",
    "wait, let me find the email",
    "wait - let me check",
    "give me 5 minutes",
    "hang on, looking",
    "give me a minute",
    "ok wait",
    "hold on a minute while i look for it",
    "let me pull up the email",
    "espera",
    "un momento por favor",
    "espera que lo busco",
    "déjame buscar el correo",
    "dame dos minutos",
    "attendez",
    "une seconde svp",
    "deux minutes",
    "je cherche",
    "un instant, je regarde mes mails",
    "Moment",
    "Moment bitte",
    "warte kurz",
    "einen Augenblick bitte",
    "ich muss kurz nachsehen",
    "Moment, ich suche die Nummer",
    "Moment, ich schaue in meinen Mails nach",
    "só um minutinho",
    "peraí",
    "deixa eu ver no email",
    "un attimo",
    "aspetta un attimo",
    "fammi controllare la mail",
    "momentje",
    "wacht even",
    "even kijken hoor",
    "минутку",
    "подождите пожалуйста",
    "сейчас найду",
    "подождите, ищу номер",
    "bir dakika",
    "BİR DAKİKA",
    "bir dakika lütfen",
    "bekle",
    "bir bakayım",
    "bekle bakayım",
    "لحظة",
    "لحظة من فضلك",
    "خليني أشوف الإيميل",
    "ثواني",
    "एक मिनट",
    "एक मिनट रुकिए",
    "एक मिनट, देखता हूँ",
    "ek minute",
    "等一下",
    "稍等",
    "等我找一下",
    "等我看看郵件",
    "请稍等",
    "我找一下",
    "我看一下邮箱",
    "请等一下,我在找订单号",
    "ちょっと待ってください",
    "少々お待ちください",
    "今探しています",
    "ちょっと待ってください、メールを見ます",
    "잠시만요",
    "잠깐만 기다려주세요",
    "찾아볼게요",
    "잠깐만요 주문번호 찾을게요",
]
OTHERS = [
    "no",
    "not yet",
    "wait, cancel it",
    "wait for the refund?",
    "how long do I have to wait",
    "let me speak to a person please",
    "let me see your manager",
    "let me get a refund",
    "let me check another order",
    "let me get someone else",
    "i'll get it from amazon",
    "I'll get the red one",
    "I'm getting an error",
    "100234",
    "moment 100234",
    "un momento, quiero cancelar el pedido",
    "I don't have it",
    "no lo tengo",
    "wait no, the other one",
    "nein",
    "warte seit 3 wochen",
    "ich warte schon seit drei wochen auf mein paket",
    "ich sehe mal keine",
    "ich hole es gerade ab",
    "espero mi pedido desde hace semanas",
    "voy a buscar otra tienda",
    "la busco en rojo",
    "estoy buscando un vestido rojo",
    "j'attends mon colis",
    "je cherche une robe rouge en taille M",
    "je cherche un conseiller",
    "vou procurar outra loja",
    "sto cercando un vestito rosso",
    "la cerco rossa",
    "devo cercare un altro",
    "laat me kijken naar mijn bestelling",
    "ik moet even annuleren",
    "надо найти посылку",
    "等了三个星期",
    "等了很久了",
    "我去找人工",
    "我想找红色的",
    "今確認してください",
    "いま調べてください",
    "ちょっと見てください",
    "まだ待っています",
    "좀 확인 부탁드려요",
    "기다리고 있는데 안 와요",
    "계속 기다려요 언제 와요",
    "dur iptal et",
    "aspetto da tre settimane il pacco",
    "now",
    "ok",
    "жду уже месяц",
    "please",
    "ek order",
    "number 5",
    "",
]


@pytest.mark.parametrize("text", WAITS)
def test_the_answer_is_still_to_come(text: str) -> None:
    """Alone, politely, or with what is being done meanwhile."""
    assert asks_to_wait(text)


@pytest.mark.parametrize("text", OTHERS)
def test_something_else_is_said(text: str) -> None:
    """Refusals, answers, other wishes, and complaints of having to wait."""
    assert not asks_to_wait(text)


@pytest.mark.parametrize(
    "text", ["let me check", "je cherche mon mail", "ich suche die Nummer", "我找一下", "찾아볼게요"]
)
def test_where_anything_may_be_the_answer(text: str) -> None:
    """What somebody is about to do may be part of what is told; a mere "one moment" is not."""
    assert asks_to_wait(text) and not asks_to_wait(text, begun=False)
    assert asks_to_wait("one moment", begun=False)
