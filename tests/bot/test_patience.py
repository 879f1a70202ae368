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
    "hang on, looking",
    "give me a minute",
    "ok wait",
    "espera",
    "un momento por favor",
    "espera que lo busco",
    "déjame buscar el correo",
    "attendez",
    "une seconde svp",
    "je cherche",
    "un instant, je regarde mes mails",
    "Moment",
    "Moment bitte",
    "warte kurz",
    "einen Augenblick bitte",
    "ich muss kurz nachsehen",
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
    "bir dakika",
    "bir dakika lütfen",
    "bekle",
    "bir bakayım",
    "لحظة",
    "لحظة من فضلك",
    "خليني أشوف الإيميل",
    "एक मिनट",
    "एक मिनट रुकिए",
    "ek minute",
    "等一下",
    "稍等",
    "等我找一下",
    "等我看看郵件",
    "请稍等",
    "我找一下",
    "ちょっと待ってください",
    "少々お待ちください",
    "今探しています",
    "잠시만요",
    "잠깐만 기다려주세요",
    "찾아볼게요",
]
OTHERS = [
    "no",
    "wait, cancel it",
    "wait for the refund?",
    "how long do I have to wait",
    "let me speak to a person please now because I am really angry about this stuff",
    "100234",
    "moment 100234",
    "un momento, quiero cancelar el pedido",
    "I don't have it",
    "no lo tengo",
    "wait no, the other one",
    "nein",
    "warte seit 3 wochen",
    "ich warte schon seit drei wochen auf mein paket",
    "espero mi pedido desde hace semanas",
    "j'attends mon colis",
    "等了三个星期",
    "等了很久了",
    "まだ待っています",
    "기다리고 있는데 안 와요",
    "계속 기다려요 언제 와요",
    "dur iptal et",
    "aspetto da tre settimane il pacco",
    "now",
    "ok",
    "жду уже месяц",
    "please",
    "not yet",
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
