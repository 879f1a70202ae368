""" "One moment, let me look for it": what customers say while they do what they were asked for.

The recogniser takes most of this for a "no", as nothing is answered; it is an answer that comes later.
"""

from __future__ import annotations

import re

# fmt: off
# What is said by itself, and what goes on with a few words of what is looked for.
_WAIT: tuple[tuple[str, str], ...] = (
    # English
    (r"wait|hold on|hang on|bear with me|brb|be right back"
     r"|(?:just )?(?:a|one|1) (?:sec|second|moment|min|minute)"
     r"|(?:wait |hold on |hang on |give me )(?:just )?(?:a|one|1) (?:sec|second|moment|min|minute|bit)"
     r"|(?:i'?m |im |i am )?(?:still )?(?:looking|searching|checking)",
     r"let me (?:just )?(?:check|look|search|see|find|get|grab)|i'?ll (?:just )?(?:check|look|find|get)"
     r"|(?:i'?m |i am )?(?:still )?looking for|(?:i'?m |i am )?getting"),
    # Spanish
    (r"esper[ae]d?|espérate|esperate|agu[aá]rd[ae]|dame|deme|déme"
     r"|un (?:momento|momentito|segundo|segundito|minuto|ratito)"
     r"|(?:esper[ae] |aguard[ae] |dame |deme |déme )un (?:momento|momentito|segundo|minuto|rato|poco)"
     r"|(?:ya |que )(?:lo|la) busco|(?:lo|la) estoy buscando",
     r"d[eé]j[ae]me (?:ver|mirar|buscar|comprobar|revisar)|(?:ahora |ya )?(?:lo|la) (?:busco|miro)"
     r"|voy a (?:buscar|mirar|ver)|estoy buscando|a ver si (?:lo|la) encuentro"),
    # French
    (r"attends|attendez|patientez|(?:un|une|1) (?:instant|moment|seconde|minute|petit instant|petite seconde)"
     r"|(?:attends|attendez|donnez[ -]moi|donne[ -]moi|juste) (?:un|une|1|deux|2) (?:instant|moment|secondes?|minutes?)"
     r"|je (?:cherche|regarde|vérifie|verifie)|je reviens|je vais voir",
     r"(?:laissez|laisse)[ -]moi (?:voir|regarder|chercher|vérifier|verifier)"
     r"|je (?:le |la )?(?:cherche|regarde|vérifie)|je vais (?:le |la )?(?:chercher|regarder|vérifier|verifier)"),
    # German
    (r"warte|warten sie|moment|momentchen|sekunde|augenblick"
     r"|(?:einen|eine|ein|nen|ne) (?:kleinen |kurzen )?(?:moment|augenblick|sekunde|minute|momentchen)"
     r"|moment mal|kleinen moment|bin gleich (?:zurück|da)"
     r"|(?:warte|warten sie) (?:mal|kurz|bitte|einen moment|eine sekunde)"
     r"|ich (?:suche|schaue|gucke|such|schau)(?: mal| kurz)*",
     r"ich (?:muss|suche?|schaue?|gucke?|hole?|sehe?)(?: es| sie| ihn)? (?:mal|kurz|eben|gerade|schnell|erst)"
     r"|lass(?:en sie)? mich (?:mal |kurz |eben )?(?:sehen|schauen|nachsehen|nachschauen|suchen)"
     r"|muss (?:kurz|erst|eben) "),
    # Portuguese
    (r"espere?|espera aí|espera ai|peraí|perai|pera|calma|aguarde?"
     r"|(?:só |so )?(?:um|1) (?:momento|momentinho|segundo|segundinho|minuto|minutinho|instante)"
     r"|(?:espere? |aguarde? |me d[êeá] |dê-me )(?:só )?(?:um|1) (?:moment(?:inh)?o|segundo|minut(?:inh)?o|pouco)"
     r"|já volto|ja volto|(?:estou|tô|to) (?:procurando|à procura)",
     r"deix[ae] eu (?:ver|procurar|olhar|conferir)|deix[ae]-me (?:ver|procurar)"
     r"|vou (?:procurar|ver|olhar|buscar|conferir)|(?:estou|tô|to) (?:procurando|a procurar|à procura)"),
    # Italian
    (r"aspett[aio]|aspetti|attenda|(?:un|1) (?:attimo|attimino|momento|momentino|secondo|minuto)"
     r"|(?:aspett[ai] |attenda |dammi |mi dia |solo )(?:un|1) (?:attimo|attimino|momento|secondo|minuto|po'?)"
     r"|torno subito|(?:lo|la) sto cercando|(?:lo|la) cerco",
     r"fammi (?:vedere|controllare|cercare)|mi faccia (?:vedere|controllare|cercare)"
     r"|(?:ora |adesso )?(?:lo|la) (?:cerco|guardo)|sto cercando|vado a (?:vedere|cercare|prendere)"
     r"|devo cercare"),
    # Dutch
    (r"wacht|momentje|ogenblikje|(?:een|1) (?:moment|momentje|ogenblik|ogenblikje|seconde|minuutje|minuut)"
     r"|wacht (?:even|effe|eventjes|een moment|een momentje)|even wachten|even geduld|effe wachten|ben zo terug"
     r"|even (?:zoeken|kijken)|ik (?:zoek|kijk)(?: het)? (?:even|effe)",
     r"even (?:kijken|zoeken|checken)|laat me (?:even )?(?:kijken|zoeken)"
     r"|ik (?:ga|moet|zoek|kijk|pak)(?: het| hem)? (?:even|effe|eerst)"),
    # Russian
    (r"подожд[иу]|подождите|погоди|погодите|минут[ку]у?|минуточку|секунд[ку]у?|секундочку|момент"
     r"|одну (?:минут[ку]у?|минуточку|секунд[ку]у?|секундочку)"
     r"|(?:подождите|подожди|погодите|погоди|дайте) (?:минут[ку]у?|минуточку|секунд[ку]у?|немного|пожалуйста)"
     r"|сейчас|щас|сек|ща|ищу|сейчас (?:найду|посмотрю|поищу|гляну)|щас (?:найду|посмотрю|гляну)",
     r"(?:сейчас |щас )(?:найду|посмотрю|поищу|гляну|проверю)|дайте (?:посмотрю|найду|посмотреть|поискать)"
     r"|надо (?:поискать|найти)"),
    # Turkish
    (r"bekle|bekleyin|bekler misiniz|dur|durun|(?:bir |bi |1 )?(?:dakika|dk|saniye|sn|dakka)|bir an"
     r"|(?:bir|bi|1) (?:dakika|saniye|dk) (?:bekle|bekleyin|lütfen)|hemen (?:bakıyorum|bakayım)|bakıyorum"
     r"|arıyorum",
     r"(?:bir |bi |hemen |dur )(?:bakayım|bakıyorum|arayayım|kontrol edeyim)"),
    # Arabic
    (r"لحظة|لحظه|ثانية|ثانيه|دقيقة|دقيقه|انتظر|انتظري|انتظروا|استنى|استني|اصبر"
     r"|(?:لحظة|لحظه|دقيقة|دقيقه|ثانية|ثانيه) (?:واحدة|واحده|وحدة|وحده|من فضلك|لو سمحت)"
     r"|انتظر (?:لحظة|دقيقة|قليلا|شوي)|ابحث عنه|أبحث عنه|بدور عليه|قاعد ادور",
     r"(?:خليني|دعني|خلني|سيبني) (?:أشوف|اشوف|أبحث|ابحث|أتأكد|اتاكد|أدور|ادور)"
     r"|(?:هشوف|بشوف|راح اشوف|سأبحث|سابحث)"),
    # Hindi, also in Latin letters
    (r"रुकिए|रुको|रुकें|ठहरिए|ठहरो|एक (?:मिनट|सेकंड|पल|सेकेंड)"
     r"|(?:एक मिनट|एक सेकंड|थोड़ा|ज़रा|जरा) (?:रुकिए|रुको|रुकें|दीजिए)|ढूंढ रह[ाी] हूँ|देख रह[ाी] हूँ|ruko"
     r"|rukiye|rukiyega|ek (?:minute|min|second|sec)(?: (?:ruko|rukiye|dijiye))?|(?:zara|thoda) (?:ruko|rukiye)"
     r"|dekh rah[ai] hu|dhundh rah[ai] hu",
     r"(?:मुझे )?(?:देखने|ढूंढने) दीजिए|अभी (?:देखता|देखती|ढूंढता|ढूंढती) हूँ|dekhta hu|dekhti hu|abhi dekhta"
     r"|abhi dekhti"),
    # Chinese
    (r"等等|等一下|等下|稍等|稍等一下|请稍等|請稍等|等会|等會|等会儿|等一会|等一會|等我一下"
     r"|等我(?:找|看|查)(?:找|看|查)?|别急|別急|马上|馬上|我(?:找|看|查)一下|我在找|正在找|(?:我)?找找|一会儿"
     r"|一會兒|等一等|稍等片刻|等我",
     r"(?:等一下|稍等|等等|等我|让我|讓我|我去|我先)(?:我)?(?:找|看|查|翻)"),
    # Japanese
    (r"(?:ちょっと|少々|少し|しばらく)?(?:待って|待ってて|お待ち|まって)(?:ください|下さい|くださいね|ね)?"
     r"|ちょっと待|少々お待ちを|探しています|探してます|探してる|今探|調べます|確認します|見てみます|今見ます",
     r"(?:今|いま|ちょっと)(?:探|調べ|確認|見)"),
    # Korean
    (r"잠시만|잠깐만|잠깐|잠시|기다려|기다려요|기다려주세요|기다려 주세요|기다리세요"
     r"|(?:잠시만|잠깐만|조금만|좀) (?:요|기다려요?|기다려 ?주세요)|(?:잠시만|잠깐만)요|찾고 있어요?"
     r"|찾는 중(?:이에요|입니다)?|확인해 ?볼게요|찾아 ?볼게요",
     r"(?:지금 |한번 |좀 )(?:찾|확인|보고)"),
)
_POLITE = (
    r"ok|okay|oh|ah|um|uh|hmm+|pls|plz|please|por favor|porfa|s'?il vous pla[iî]t|s'?il te pla[iî]t|svp|stp"
    r"|bitte|mal|kurz|se faz favor|pfv|per favore|per piacere|alsjeblieft|alstublieft|aub|пожалуйста|пж|lütfen"
    r"|من فضلك|لو سمحت|ممكن|कृपया|प्लीज़|प्लीज|please na|好|好的|请|請|はい|すみません|네|예|아|음"
)
# fmt: on
_SIGNS = re.compile(r"[^\w\s'\u0900-\u0963-]|_")
_UNSPACED = re.compile("[\u2e80-\u9fff\uac00-\ud7af]")
_ALONE = "|".join(alone for alone, _ in _WAIT)
_OPEN = "|".join(begun for _, begun in _WAIT)
_WORDS = 7
_SPACED = re.compile(
    rf"(?:(?:{_ALONE}|{_POLITE}) )*?(?:(?:{_ALONE}) |(?:{_OPEN})(?: \S+){{0,{_WORDS}}} )(?:(?:{_POLITE}) )*"
)
_JOINED = re.compile(rf"(?:{_POLITE}|{_ALONE})*?(?:{_ALONE}|(?:{_OPEN}).{{0,12}})(?:{_POLITE}|{_ALONE})*")
_LONGEST = 80


def asks_to_wait(text: str) -> bool:
    """Whether somebody says that the answer is still to come, and nothing more."""
    plain = " ".join(_SIGNS.sub(" ", text.casefold().replace("’", "'")).split())
    if not plain or len(plain) > _LONGEST or any(char.isdigit() for char in plain.replace("1", "")):
        return False
    if _UNSPACED.search(plain):
        return _JOINED.fullmatch(plain.replace(" ", "")) is not None or _SPACED.fullmatch(f"{plain} ") is not None
    return _SPACED.fullmatch(f"{plain} ") is not None
