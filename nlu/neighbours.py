"""Languages that are written like a supported one: told apart by letters and everyday words.

A script decides between languages only as far as one of them has it to itself. Ukrainian, Persian or
Nepali in a few words is like Russian, Arabic or Hindi to anybody who counts characters; what gives them
away are letters that the bigger language never uses, and its commonest words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Word lists read best in dense lines.
# fmt: off

_LETTERS: dict[str, dict[str, str]] = {
    "Cyrillic": {
        "uk": "іїєґ", "be": "ўі", "sr": "јљњђћџ", "mk": "ѓќѕјљњџ", "kk": "әғқңөұүһі", "ky": "ңөү", "mn": "өү",
        "tg": "ғӣқӯҳҷ",
    },
    "Arabic": {
        "ur": "ٹڈڑںےہۂۓھ", "ps": "ټډړږښڼځڅۍې", "ckb": "ێۆڕڵە", "ug": "ۇۆۈۋېەڭ", "sd": "ڪڳڦٿٺٽڏڌڊڃڄڻ",
    },
    "Devanagari": {"mr": "ळ"},
}
"""Letters of each language that the one after which the script is named here (``_OWN``) never uses."""

# Persian letters, which Arabic borrows for foreign sounds and Iraqi keyboards have in place of its own.
_BORROWED = re.compile("[پچژگکیڤ]")
_KEYBOARDS = str.maketrans("کی", "كي")

_OWN = {"Cyrillic": "ru", "Arabic": "ar", "Devanagari": "hi"}

_WORDS: dict[str, dict[str, str]] = {
    "Cyrillic": {
        "uk": """
        де моє моя мій моєї моїх замовлення замовити дякую будь ласка привіт вітаю коли прийде прийшло прийшла прийшов
        посилка посилку добрий доброго мені потрібно потрібна потрібен повернути повернення гроші взуття чому немає що
        це як ще або вже досі скасувати скасуйте обміняти допоможіть допомога розмір скільки коштує чи був отримав
        отримала нічого хто щоб треба тільки також якщо можна чекаю""",
        "be": """
        дзе калі дзякуй замова прывітанне добры дзень прыйшла прыйшло трэба грошы вярнуць чаму як што гэта мая маё
        яшчэ няма вітаю калi""",
        "bg": """
        къде кога поръчка поръчката поръчах пратка пратката моля искам няма съм сте са ще какво защо здравейте добър
        здрасти обувките върна върнете връщане парите колко струва нищо получих пристигне имам помогнете още моята
        моето закъснява доставката куриер човек ли благодаря ми е""",
        "sr": """
        где је моја моје моју мој када стиже молим хвала здраво добар дан желим поруџбина поруџбину наруџбина нисам
        добио добила пошиљка пошиљку хоћу вратим вратити ципеле новац колико зашто није шта још""",
        "mk": """
        каде нарачка нарачката благодарам пратката пратка мојата моја сакам кога здраво зошто колку чини не добив е
        вратам пари""",
        "kk": """қайда рахмет тапсырыс тапсырысым сәлем сәлеметсіз
            қашан қалай жоқ керек менің ақша сәлеметсізбе келеді""",
        "ky": """кайда рахмат саламатсызбы качан менин буюртмам келет канча кандай""",
        "mn": """захиалга миний хаана байна баярлалаа сайн уу хэзээ ирэх вэ""",
        "tg": """куҷо салом раҳмат фармоиш ман аст кай""",
    },
    "Arabic": {
        "fa": """
        سفارش سفارشم سفارشات است نیست را می که برای چرا لطفا لطفاً ممنون ممنونم متشکرم مرسی کجاست کجا چقدر چند خواهم
        میخوام میخواهم کنم کنید کردم نرسیده هنوز پول پولم کفش پس بدهید بدهم دارد دارم ندارم باید چطور کد پیگیری تومان
        هفته خرید شما خیلی خوب دوست آدرس""",
        "ur": """
        ہے ہیں میرا میری میرے کہاں کیا نہیں کے کو میں سے نے آپ یہ وہ شکریہ مجھے چاہیے آرڈر واپس کب کیوں ابھی تک گیا
        گئی ہوں ہو تھا کر دیں پیسے جوتے السلام پارسل اور بہت""",
        "ps": """زما چیرته مننه غواړم زه مرسته څنګه ولې لري پیسې راغلی ستاسو تاسو نه ده دی""",
        "ckb": """لە کوێیە سوپاس داواکاری نییە چۆن بۆ کەی ئێوە پارە ئەم""",
    },
    "Devanagari": {
        "mr": """
        आहे आहेत आहात माझी माझे माझा माझ्या कुठे नाही नाहीत काय आणि मला पाहिजे केव्हा कधी हवे हवी हवा आले आली मिळाले
        मिळाली मिळाला अजून परत नको तुम्ही आम्ही होते झाला झाली झाले कसे किती साठी येईल सांगा काही""",
        "ne": """
        छ छन् छैन छु मेरो कहिले कति मलाई तपाईं तपाईको तपाईंको भयो भएन गर्नु गर्ने गर्न लाग्छ आएको पाएको आएन किन फिर्ता
        चाहियो चाहिन्छ अहिले अहिलेसम्म पुग्छ हुन्छ गर्नुहोस् दिनुहोस् जुत्ता थियो पनि भने हाम्रो राम्रो""",
    },
}
"""The commonest words of a customer in each language."""

# Words of these lists that are words of the script's biggest language as well.
_OWN_TOO = {
    "Cyrillic": _words(
        "моя благодаря молим дан желим как здраво кайда ми где моей кай ман не е каде моля са пари доброго ли или что"
    ),
    "Arabic": _words("نه ده دی که شما را پس کو خوب هو نے السلام لە اور کر می کد چند باید کب تک گیا دارم دوست شما"),
    "Devanagari": _words("हवा कधी काय किन काही आली आले होते भने परत"),
}
# fmt: on


@dataclass(frozen=True, slots=True)
class _Script:
    own: str
    strange: re.Pattern[str]
    letters: dict[str, frozenset[str]]
    words: dict[str, frozenset[str]]


def _script(script: str) -> _Script:
    letters = {code: frozenset(found) for code, found in _LETTERS[script].items()}
    return _Script(
        _OWN[script],
        re.compile(f"[{''.join(sorted(frozenset().union(*letters.values())))}]"),
        letters,
        {code: frozenset(map(_plain, words.split())) for code, words in _WORDS[script].items()},
    )


def _plain(word: str) -> str:
    return word.casefold().translate(_KEYBOARDS)


_SCRIPTS = {script: _script(script) for script in _OWN}
_BOTH = {script: frozenset(map(_plain, words)) for script, words in _OWN_TOO.items()}


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A language that is not the biggest of its script.

    Attributes:
        language: its ISO 639 code.
        named: whether a word of it was found, not only letters.
        sure: whether there are two kinds of evidence, where one is not enough.
    """

    language: str
    named: bool
    sure: bool


def own_words(words: str, script: str) -> list[str]:
    """The words of a text as the examples of the script's biggest language spell them."""
    return [word.translate(_KEYBOARDS) for word in words.split()] if script == "Arabic" else words.split()


def neighbour(words: str, script: str, known: Callable[[Sequence[str]], Sequence[bool]]) -> Neighbour | None:
    """Which smaller language of a script a text is in, if there is evidence for one.

    Args:
        words: the words of a message.
        script: the script that they are in.
        known: which words, as :func:`own_words` spells them, the script's biggest language is known to use.
    """
    about = _SCRIPTS.get(script)
    if about is None:
        return None
    own = 0.0
    strange = 0.0
    scores: dict[str, float] = {}
    letters = named = its_own = False
    spelt = own_words(words, script)
    for word, plain, familiar in zip(words.casefold().split(), map(_plain, words.split()), known(spelt), strict=True):
        telling = frozenset(about.strange.findall(word))
        listed = [code for code, found in about.words.items() if plain in found]
        if not telling and not listed:
            own += familiar
            continue
        both = plain in _BOTH[script] and not telling
        weight = 0.5 if both else 1.0
        strange += weight
        own += 0.5 if both and familiar else 0.0
        letters = letters or bool(telling)
        named = named or bool(listed)
        its_own = its_own or not both
        for code in listed:
            scores[code] = scores.get(code, 0.0) + weight
        for code, found in about.letters.items():
            if telling and telling <= found:
                scores[code] = scores.get(code, 0.0) + weight / 2
    # Words of both languages are evidence only where there is nothing else.
    if not scores or strange < own or (not its_own and len(spelt) > 1):
        return None
    if script == "Arabic":
        letters = letters or len(frozenset(_BORROWED.findall(words))) > 1
    return Neighbour(max(scores, key=lambda code: scores[code]), named, script != "Arabic" or letters + named > 1)
