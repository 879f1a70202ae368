""" "One moment, let me look for it": what customers say while they do what they were asked for.

The recogniser takes most of this for a "no", as nothing is answered; it is an answer that comes later.
"""

from __future__ import annotations

import re
import unicodedata


def _words(text: str) -> str:
    return "|".join(sorted(map(re.escape, text.split()), key=len, reverse=True))


# fmt: off
_COUNT = r"(?:\d{1,2}|[^\W\d]{1,7})"
# For each language: what is said by itself; what somebody is about to do; and the words that may follow that, as
# whoever goes on with any other word wants something else ("let me check another order").
_SPACED: tuple[tuple[str, str, str], ...] = (
    # English
    (r"wait|hold on|hang on|bear with me|brb|be right back|a (?:sec|second|moment|min|minute)"
     r"|(?:just |wait |hold on |hang on |give me )*(?:just )?(?:a|one|1|two|2|5|five|a few|\d) "
     r"(?:secs?|seconds?|moments?|mins?|minutes?|bit)"
     r"|(?:i'?m |i am )?(?:still )?(?:looking|searching|checking)(?: for it)?|while i look(?: for it)?",
     r"(?:let me|i'?ll|i will|i need to|i have to|gotta|while i)"
     r"(?: just| quickly)? (?:check|look|search|see|find|grab|pull)"
     r"|(?:i'?m |i am )?(?:still |just )?(?:looking|searching|checking)",
     "it them that the my a for in on up through into at where i have wrote down quickly first now again "
     "please mail mails "
     "email emails e-mail e-mails inbox number order confirmation receipt invoice phone app box package "
     "somewhere real quick"),
    # Spanish
    (r"esper[ae]d?|espérate|esperate|agu[aá]rd[ae]"
     r"|(?:esper[ae] |aguard[ae] |dame |deme |déme )*(?:un|1|dos|2|cinco|5|unos|\d) "
     r"(?:momento|momentito|segundo|segundito|minuto|ratito|rato|poco|minutos|segundos)"
     r"|(?:ya |que )?(?:lo|la) (?:busco|miro)|(?:lo|la) estoy buscando",
     r"d[eé]j[ae]me (?:ver|mirar|buscar|comprobar|revisar)|voy a (?:buscar|mirar|ver|revisar)(?:lo|la)?|estoy buscando"
     r"|(?:ya |ahora |que )?(?:lo|la) (?:busco|miro)|a ver si (?:lo|la) encuentro",
     "el la los las lo mi mis un en por de del correo correos email e-mail mail bandeja número numero pedido "
     "confirmación "
     "confirmacion factura recibo móvil movil teléfono telefono ahora primero aquí aqui dónde donde está esta"),
    # French
    (r"attends|attendez|patientez|je reviens|je vais voir|je (?:cherche|regarde|vérifie|verifie)"
     r"|(?:attends |attendez |donnez moi |donne moi |juste )*(?:un|une|1|deux|2|cinq|5|\d) "
     r"(?:petit |petite )?(?:instant|moment|secondes?|minutes?)",
     r"(?:laissez|laisse) moi (?:voir|regarder|chercher|vérifier|verifier)"
     r"|je (?:le |la )?(?:cherche|regarde|vérifie|verifie)"
     r"|je vais (?:le |la )?(?:chercher|regarder|vérifier|verifier|voir)"
     r"|le temps de (?:chercher|regarder|vérifier|verifier)",
     "le la les l mon ma mes un une ça ca dans sur de d du des mail mails e-mail e-mails email boîte boite "
     "numéro numero "
     "commande confirmation facture reçu recu téléphone telephone tout suite d'abord"),
    # German
    (r"warte|warten sie|moment|momentchen|sekunde|augenblick|moment mal|kleinen moment|bin gleich (?:zurück|da)"
     r"|(?:noch )?(?:einen|eine|ein|nen|ne|1|zwei|2|fünf|5|\d) (?:kleinen |kurzen )?"
     r"(?:moment|augenblick|sekunden?|minuten?|min|momentchen)"
     r"|(?:warte|warten sie) (?:mal|kurz|bitte|einen moment|eine sekunde)"
     r"|ich (?:suche?|schaue?|gucke?|hole?)(?: es| sie)?",
     r"ich (?:muss(?: erst| kurz| eben| mal)*|suche?|schaue?|gucke?|hole?|seh)|lass(?:en sie)? mich"
     r"|muss (?:kurz|erst|eben|mal)",
     "es sie ihn die der das den dem meine meiner meinen mein mal kurz eben gerade schnell erst jetzt nach in "
     "im auf mails mail "
     "e-mails e-mail postfach nummer bestellnummer bestellbestätigung bestätigung rechnung handy nachsehen "
     "nachschauen schauen "
     "sehen suchen heraussuchen raussuchen gucken holen"),
    # Portuguese
    (r"espere?|espera aí|espera ai|peraí|perai|pera|calma|aguarde?|já volto|ja volto"
     r"|(?:espere? |aguarde? |me d[êeá] |dê-me |só |so )*(?:um|1|dois|2|cinco|5|uns|\d) (?:moment"
     r"(?:inh)?os?|segund(?:inh)?os?|minut(?:inh)?os?|instante|pouco)"
     r"|(?:estou|tô|to) (?:procurando|à procura)",
     r"deix[ae] eu (?:ver|procurar|olhar|conferir)|deix[ae]-me (?:ver|procurar)"
     r"|vou (?:procurar|ver|olhar|buscar|conferir)"
     r"|(?:estou|tô|to) (?:procurando|a procurar|à procura)",
     "o a os as no na nos nas do da de meu minha um em email e-mail emails e-mails número numero pedido "
     "confirmação confirmacao "
     "fatura recibo nota celular telemóvel caixa entrada aqui agora primeiro rapidinho onde está"),
    # Italian
    (r"aspett[aio]|aspetti|attenda|torno subito|(?:lo|la) sto cercando|(?:lo|la) (?:cerco|guardo)"
     r"|(?:aspett[ai] |attenda |dammi |mi dia |solo )*(?:un|1|due|2|cinque|5|\d) "
     r"(?:attimo|attimino|momento|momentino|secondo|secondi|minuto|minuti|po'?)",
     r"fammi (?:vedere|controllare|cercare)|mi faccia (?:vedere|controllare|cercare)"
     r"|(?:ora |adesso )?(?:lo|la) (?:cerco|guardo)"
     r"|sto (?:cercando|guardando)|vado a (?:vedere|cercare|prendere)|devo cercare|cerco|controllo",
     "il lo la i le l un mio mia nella nelle nel sulla sul tra di del mail email e-mail posta numero ordine "
     "d'ordine conferma "
     "fattura ricevuta telefono subito prima adesso ora qui dove"),
    # Dutch
    (r"wacht|momentje|ogenblikje|even wachten|even geduld|effe wachten|ben zo terug|even (?:zoeken|kijken)"
     r"|(?:wacht |nog )*(?:een|1|twee|2|vijf|5|\d) "
     r"(?:moment|momentje|ogenblik|ogenblikje|seconde|seconden|minuutje|minuut|minuten)"
     r"|wacht (?:even|effe|eventjes)|ik (?:zoek|kijk)(?: het)?(?: even| effe)?",
     r"even (?:kijken|zoeken|checken)|laat me (?:even )?(?:kijken|zoeken)|ik (?:ga|moet|zoek|kijk|pak)",
     "het hem de mijn een even effe eerst op in naar zoeken kijken opzoeken pakken mail mails e-mail inbox "
     "nummer bestelnummer "
     "bevestiging factuur bon telefoon nu snel hoor"),
    # Russian
    (r"подожд[иу]|подождите|погоди|погодите|минутк[ау]|минуту|минуточку|секундк[ау]|секунду|секундочку|момент"
     r"|сейчас|щас|сек|ща|ищу"
     r"|(?:подождите |подожди |погодите |погоди |дайте )*(?:одну|1|две|2|пять|5|\d)?"
     r"(?: ?минут\w{0,4}| ?секунд\w{0,4}|немного)"
     r"|(?:сейчас |щас )?(?:найду|посмотрю|поищу|гляну)",
     r"(?:сейчас |щас )?(?:найду|посмотрю|поищу|гляну|проверю|ищу)"
     r"|дайте (?:посмотрю|найду|посмотреть|поискать|проверить)|надо (?:поискать|найти)",
     "его её ее мне в на по почте почту почта письмо номер заказа телефоне чек подтверждение сначала сейчас быстро"),
    # Turkish
    (r"bekle|bekleyin|bekler misiniz|dur|durun|bir an|hemen (?:bakıyorum|bakayım)|bakıyorum|arıyorum|bakayım"
     r"|(?:bir|bi|1|iki|2|beş|5|\d)? ?(?:dakika|dk|saniye|sn|dakka)(?: bekle| bekleyin| verin| ver)?",
     r"(?:bir |bi |hemen |dur )?(?:bakayım|bakıyorum|arıyorum|arayayım|kontrol edeyim)"
     r"|(?:numarayı|maili|e-postayı|faturayı|maile|e-postama|maillerime)",
     "hemen bir bi numarayı sipariş numarasını numarama maili maile mailime e-postayı e-postama faturayı "
     "bulayım bakayım "
     "bakıyorum arıyorum arayayım kontrol ediyorum edeyim şimdi"),
    # Arabic
    (r"لحظة|لحظه|لحظات|ثانية|ثانيه|ثواني|دقيقة|دقيقه|دقيقتين|دقائق|انتظر|انتظري|انتظروا|استنى|استني|اصبر"
     r"|انتظر (?:قليلا|شوي)"
     r"|(?:لحظة|لحظه|دقيقة|دقيقه|ثانية|ثانيه) (?:واحدة|واحده|وحدة|وحده)|بدور عليه|قاعد ادور|\d دقائق",
     r"(?:خليني|دعني|خلني|سيبني) (?:أشوف|اشوف|أبحث|ابحث|أتأكد|اتاكد|أدور|ادور)|هشوف|بشوف|راح اشوف|سأبحث|سابحث"
     r"|أبحث|ابحث|ادور|بدور",
     "عن على في الإيميل الايميل ايميلي بريدي البريد الرقم رقم الطلب عنه عليه الفاتورة الآن الان"),
    # Hindi, also in Latin letters
    (r"रुकिए|रुको|रुकें|ठहरिए|ठहरो|(?:एक|दो|पाँच|पांच|1|2|5|\d) (?:मिनट|सेकंड|पल|सेकेंड)(?: रुकिए| रुको| रुकें| दीजिए)?"
     r"|(?:थोड़ा|ज़रा|जरा) (?:रुकिए|रुको|रुकें)|(?:अभी )?(?:देखता|देखती|ढूंढता|ढूंढती) (?:हूँ|हूं)"
     r"|(?:ढूंढ|ढूँढ|देख) रह[ाी] (?:हूँ|हूं)"
     r"|ruko|rukiye|rukiyega|(?:ek|do|1|2|5|\d) (?:minute|min|second|sec)(?: ruko| rukiye| dijiye)?"
     r"|(?:zara|thoda) (?:ruko|rukiye)"
     r"|(?:abhi )?(?:dekhta|dekhti|dhundhta|dhundhti) (?:hu|hoon)|(?:dekh|dhundh) rah[ai] (?:hu|hoon)",
     r"(?:मुझे )?(?:देखने|ढूंढने) दीजिए|(?:नंबर|ईमेल|मेल|ऑर्डर नंबर)|(?:number|email|mail|order number)",
     "नंबर ईमेल मेल में अभी देखता देखती ढूंढता ढूंढती रहा रही हूँ हूं number email mail me mein abhi dekhta "
     "dekhti dhundhta "
     "dhundhti dekh dhundh raha rahi hu hoon"),
)
_ZH_LOOK = (
    r"(?:我|让我|讓我|等我|我先|我去|我来|我來)?(?:先|去|在|正在)?"
    r"(?:找|看|查|翻)(?:一下|下|一找|一看|一查|找|看|查|翻)?"
)
_ZH_WHAT = (
    r"(?:我的|一下)?(?:订单|訂單)?(?:号码|號碼|编号|編號|号|號|单号|單號"
    r"|邮件|郵件|邮箱|郵箱|信箱|发票|發票|手机|手機|短信|簡訊|记录|紀錄)?"
)
_JA_ALONE = (
    r"(?:ちょっと|少々|少し|しばらく)?(?:待って|待ってて|お待ち|まって)(?:ください|下さい)?(?:ね)?|ちょっと待"
    r"|少々お待ちを"
)
_JA_LOOK = (
    r"(?:今|いま|ちょっと|これから)?(?:注文番号|番号|メール|領収書|明細)?(?:を|で)?(?:今|ちょっと)?"
    r"(?:探して(?:い)?ます|探してる|探します|調べます|調べて(?:い)?ます|確認します|確認して"
    r"(?:い)?ます|確認してみます|見ます|見てみます|見てきます)"
)
_KO_ALONE = (
    r"(?:잠시만|잠깐만|잠깐|잠시|조금만|좀|몇분만)?(?:요)?(?:기다려(?:요|주세요)?|기다리세요)"
    r"|(?:잠시만|잠깐만|잠깐|잠시)(?:요)?"
)
_KO_LOOK = (
    r"(?:지금|한번|좀)?(?:제)?(?:주문번호|번호|메일|이메일|영수증|문자)?(?:를|을)?(?:좀|한번|지금)?"
    r"(?:찾고있어요?|찾는중(?:이에요|입니다|이요)?|찾을게요?|찾아볼게요?|찾아보겠습니다|확인해볼게요?|확인할게요?|확인하겠습니다|볼게요)"
    r""
)
_ZH_ALONE = (
    r"等等|等一下|等下|稍等|稍等一下|请稍等|請稍等|请等一下|請等一下|等会儿?|等會兒?|等一会儿?|等一會兒?"
    r"|等我一下|别急|別急|马上|馬上"
    r"|一会儿|一會兒|等一等|稍等片刻|等我|等我(?:\d|一|两|兩|五)分钟|等我(?:\d|一|两|兩|五)分鐘"
)
_POLITE = (
    "ok okay oh ah um uh hm hmm pls plz please por favor porfa s'il vous te plaît plait svp stp bitte mal "
    "kurz se faz pfv per "
    "favore piacere alsjeblieft alstublieft aub пожалуйста пж lütfen من فضلك لو سمحت ممكن कृपया प्लीज़ प्लीज"
)
_POLITE_EAST = "ok|好的?|请|請|はい|すみません|네|예|아|음"
# fmt: on
_SIGNS = re.compile(r"[^\w\s'\u0900-\u0963-]|_|(?<!\w)-|-(?!\w)")
_UNSPACED = re.compile("[\u2e80-\u9fff\uac00-\ud7af]")
_BEGUN = "|".join(rf"(?:{look})(?: (?:{_words(what)})){{0,8}}" for _, look, what in _SPACED)
_ALONE = "|".join(alone for alone, _, _ in _SPACED)
_EAST_ALONE = "|".join((_ZH_ALONE, _JA_ALONE, _KO_ALONE))
_EAST_BEGUN = "|".join((_ZH_LOOK + _ZH_WHAT, _JA_LOOK, _KO_LOOK))
_LONGEST = 80


def _whole(alone: str, polite: str, gap: str) -> re.Pattern[str]:
    return re.compile(rf"(?:(?:{polite}){gap})*(?:(?:{alone}){gap}(?:(?:{polite}){gap})*)+")


_PATTERNS = {
    (False, False): _whole(_ALONE, _words(_POLITE), " "),
    (False, True): _whole(f"{_ALONE}|{_BEGUN}", _words(_POLITE), " "),
    (True, False): _whole(_EAST_ALONE, _POLITE_EAST, ""),
    (True, True): _whole(f"{_EAST_ALONE}|{_EAST_BEGUN}", _POLITE_EAST, ""),
}


def asks_to_wait(text: str, *, begun: bool = True) -> bool:
    """Whether somebody says that the answer is still to come, and nothing more.

    Args:
        text: a message.
        begun: whether what somebody is about to do meanwhile counts too: "let me look for it". Where anything may be
            the answer, it may be part of one.
    """
    lowered = unicodedata.normalize("NFC", text).replace("İ", "i").casefold().replace("’", "'")
    plain = " ".join(_SIGNS.sub(" ", lowered).split())
    if not plain or len(plain) > _LONGEST:
        return False
    if _UNSPACED.search(plain) and _PATTERNS[True, begun].fullmatch(plain.replace(" ", "")):
        return True
    return _PATTERNS[False, begun].fullmatch(f"{plain} ") is not None
