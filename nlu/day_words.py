"""How the product's languages speak of days: written for the fifteen that ship.

A further language works without an entry here: its month and weekday names come from CLDR
(:mod:`nlu.calendar_words`), the rest is learnt from its examples.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from nlu.phrases import fold_same_length

# Word lists read best in dense lines.
# fmt: off


@dataclass(frozen=True)
class DayWords:
    """One language's words. Strings are lists with ``|`` between the words; accents and case do not count.

    ``days``: distance from today. ``weeks``, ``months``, ``years``: whole periods by distance, "last
    week". ``periods``: units, ``kind`` or ``kind:count`` for words that count themselves ("fortnight");
    ``uncounted``: those that mean one where no number stands ("неделю назад").
    ``last``/``next``/``this`` stand before a weekday, ``last_after``/``next_after`` after it.
    ``in_unsure`` also says how long something takes, so it is a date only when nothing is past.
    ``day_before``/``day_after`` stand around the number of a day. ``past``/``future`` are regular
    expressions (folded) for what tells that something has happened or will.
    """

    days: dict[int, str] = field(default_factory=dict)
    weeks: dict[int, str] = field(default_factory=dict)
    months: dict[int, str] = field(default_factory=dict)
    years: dict[int, str] = field(default_factory=dict)
    periods: dict[str, str] = field(default_factory=dict)
    ago_before: str = ""
    ago_after: str = ""
    in_before: str = ""
    in_unsure: str = ""
    in_after: str = ""
    about: str = ""
    uncounted: str = ""
    last: str = ""
    next: str = ""
    this: str = ""
    last_after: str = ""
    next_after: str = ""
    weekdays: dict[int, str] = field(default_factory=dict)
    short: dict[int, str] = field(default_factory=dict)
    link: str = ""
    day_before: str = ""
    day_after: str = ""
    not_after: str = ""
    dated: str = ""
    past: str = ""
    future: str = ""


WORDS: dict[str, DayWords] = {
    "en": DayWords(
        days={
            -2: "the day before yesterday|day before yesterday", -1: "yesterday|last night|yday",
            0: "today|tonight|this morning|this afternoon|this evening",
            1: "tomorrow|tmrw|tmr|tomorow", 2: "the day after tomorrow|day after tomorrow",
        },
        weeks={-2: "the week before last", -1: "last week", 1: "next week"},
        months={-1: "last month", 1: "next month"}, years={-1: "last year", 1: "next year"},
        periods={"day": "day|days", "week": "week|weeks|wk|wks", "month": "month|months", "year": "year|years",
                 "week:2": "fortnight"},
        ago_after="ago|back", in_unsure="in", in_after="from now|from today", about="about|around|roughly|almost|like",
        last="last|this past|past", next="next|the next", this="this|this coming|coming",
        weekdays={0: "monday", 1: "tuesday", 2: "wednesday|wensday", 3: "thursday", 4: "friday", 5: "saturday",
                  6: "sunday"},
        short={0: "mon", 1: "tue|tues", 2: "wed|weds", 3: "thu|thur|thurs", 4: "fri", 5: "sat", 6: "sun"},
        link="on|of|the|from", day_before="the|on the|by the", day_after="st|nd|rd|th",
        not_after="time|order|one|item|parcel|package|floor|day|week|pair|attempt|try|person|message|complaint|email|"
                  "delivery|street|st|avenue|ave|century|birthday|anniversary",
        dated="on|by|since|until|till|before|after|from|around|dated|date",
        past=r"bought|ordered|received|arrived|came|got|purchased|paid|placed|sent|returned|delivered|shipped|was|"
             r"were|did|"
             r"had|has|have|hasnt|hasn't|havent|haven't|been|broke|said|told|wrote|made|went|posted|charged|since|ago",
        future=r"will|'ll|won't|need|needs|going to|want|before|until|till|by|next|deadline|can you|could you|"
               r"arriving|expected|leaving|moving|party|wedding",
    ),
    "es": DayWords(
        days={-2: "anteayer|antier|antes de ayer|antes de anoche", -1: "ayer|anoche", 0: "hoy|esta mañana|"
              "esta tarde|esta noche",
              1: "mañana", 2: "pasado mañana"},
        weeks={-2: "la semana antepasada", -1: "la semana pasada|semana pasada|la pasada semana|la última semana",
               1: "la semana que viene|la próxima semana|la semana próxima|próxima semana|la semana entrante"},
        months={-1: "el mes pasado|mes pasado|el pasado mes", 1: "el mes que viene|el próximo mes|próximo mes"},
        years={-1: "el año pasado|año pasado", 1: "el año que viene|el próximo año"},
        periods={"day": "día|días", "week": "semana|semanas", "month": "mes|meses", "year": "año|años",
                 "day:15": "quincena"},
        ago_before="hace", ago_after="atrás", in_before="dentro de|de aquí a", in_unsure="en",
        about="como|unos|unas|casi|más o menos|aproximadamente|ya|cerca de|más de",
        last="el pasado|la pasada|el último|pasado|último", next="el próximo|la próxima|próximo|próxima",
        this="este|esta", last_after="pasado|pasada", next_after="próximo|que viene|próxima|siguiente",
        weekdays={0: "lunes", 1: "martes", 2: "miércoles", 3: "jueves", 4: "viernes", 5: "sábado", 6: "domingo"},
        link="el|la|de|del", day_before="el día|día|para el día",
        dated="el|del|al|desde el|hasta el|día|fecha|para el",
        past=r"compre|compramos|pedi|pedimos|ordene|recibi|recibimos|llego|llegaron|encargue|hice|pague|envie|"
             r"enviaron|devolvi|"
             r"compro|mande|mandaron|he comprado|he pedido|he recibido|ha llegado|fue|era|rompio|hace|desde|dijeron|"
             r"me dijo|puse",
        future=r"llegara|llega|necesito|va a|van a|vais a|voy a|para el|antes del?|hasta|quiero|podria[ns]?|pueden|"
               r"podeis|estara|"
               r"sera|tendre|proximo|boda|cumple",
    ),
    "fr": DayWords(
        days={-2: "avant-hier|avanthier", -1: "hier|hier soir", 0: "aujourd'hui|ce matin|ce soir|cet après-midi|"
              "aujourdhui",
              1: "demain", 2: "après-demain"},
        weeks={-1: "la semaine dernière|semaine dernière|la semaine passée|semaine passée",
               1: "la semaine prochaine|semaine prochaine"},
        months={-1: "le mois dernier|mois dernier|le mois passé", 1: "le mois prochain|mois prochain"},
        years={-1: "l'année dernière|l'an dernier|l'année passée", 1: "l'année prochaine|l'an prochain"},
        periods={"day": "jour|jours", "week": "semaine|semaines", "month": "mois", "year": "an|ans|année|années",
                 "day:15": "quinzaine de jours"},
        ago_before="il y a|y a|ya|ça fait", in_before="dans|d'ici", about="environ|à peu près|presque|quasi|bien|"
                   "déjà|plus de",
        last="dernier", next="prochain", this="ce", last_after="dernier|passé", next_after="prochain|qui vient",
        weekdays={0: "lundi", 1: "mardi", 2: "mercredi", 3: "jeudi", 4: "vendredi", 5: "samedi", 6: "dimanche"},
        link="le|de|du", dated="le|du|au|depuis le|jusqu'au|avant le|pour le|date", day_before="",
        past=r"achete|commande[se]?|recue?s?|arrivee?s?|paye|envoye|retourne|livree?s?|passe|j'ai|avons|ai|a ete|"
             r"etait|"
             r"depuis|casse|il y a|dit",
        future=r"arrivera|besoin|va|vont|allez|avant|pour le|jusqu|voudrais|veux|pouvez|sera|recevrai|prochain|"
               r"serai|mariage",
    ),
    "de": DayWords(
        days={-3: "vorvorgestern", -2: "vorgestern", -1: "gestern|gestern abend|gestern früh",
              0: "heute|heute morgen|heute abend|heute früh|heut", 1: "morgen|morgen früh", 2: "übermorgen"},
        weeks={-2: "vorletzte woche", -1: "letzte woche|vorige woche|vergangene woche|letzter woche|voriger woche",
               1: "nächste woche|kommende woche|nächster woche"},
        months={-1: "letzten monat|vorigen monat|vergangenen monat|letztem monat", 1: "nächsten monat|"
                "kommenden monat"},
        years={-1: "letztes jahr|voriges jahr|letzten jahr", 1: "nächstes jahr"},
        periods={"day": "tag|tage|tagen", "week": "woche|wochen", "month": "monat|monate|monaten", "year": "jahr|"
                 "jahre|jahren"},
        ago_before="vor", in_unsure="in", in_after="später",
        about="etwa|ca.|ca|circa|ungefähr|rund|fast|gut|gut und gerne|über|mehr als|knapp",
        last="letzten|letzte|letzter|letztem|vorigen|vergangenen|vergangener", this="diesen|dieser|diesem",
        next="nächsten|nächste|nächster|nächstem|kommenden|kommender|kommendem",
        weekdays={0: "montag", 1: "dienstag", 2: "mittwoch", 3: "donnerstag", 4: "freitag", 5: "samstag|sonnabend",
                  6: "sonntag"},
        short={0: "mo", 1: "di", 2: "mi", 3: "do", 4: "fr", 5: "sa", 6: "so"},
        link="am|der|in der|den", day_before="am|zum|vom|seit dem|bis zum|ab dem|den", day_after=".",
        dated="am|zum|vom|seit|bis|ab|den|bis zum|seit dem|datum",
        not_after="etage|stock|mal|bestellung|versuch|tag|paket|lieferung|januar|februar|märz|april|mai|juni|juli|"
                  "august|"
                  "september|oktober|november|dezember|woche|monat|artikel|teil",
        past=r"gekauft|bestellt|erhalten|bekommen|gekriegt|kam|kamen|angekommen|bezahlt|geliefert|verschickt|"
             r"zuruckgeschickt|war|"
             r"waren|hatte|habe?|hab|ist|wurde|seit|gesagt|geschrieben|aufgegeben|kaufte|bestellte|vor",
        future=r"brauche?|wird|werde[nt]?|wirst|bis|kommt|soll|sollte|will|mochte|konnte[nt]?|konnen|spatestens|"
               r"vorher|hochzeit|"
               r"umziehe|nachste[nrm]?",
    ),
    "pt": DayWords(
        days={-2: "anteontem|antes de ontem|antontem", -1: "ontem|ontem à noite", 0: "hoje|esta manhã|hj", 1: "amanhã",
              2: "depois de amanhã"},
        weeks={-2: "semana retrasada", -1: "semana passada|a semana passada|última semana",
               1: "semana que vem|próxima semana|para a semana|semana seguinte"},
        months={-1: "mês passado|no mês passado", 1: "mês que vem|próximo mês"},
        years={-1: "ano passado", 1: "ano que vem|próximo ano"},
        periods={"day": "dia|dias", "week": "semana|semanas", "month": "mês|meses", "year": "ano|anos"},
        ago_before="há|faz|a cerca de|tem", ago_after="atrás", in_before="daqui a|dentro de", in_unsure="em",
        about="uns|umas|cerca de|mais ou menos|quase|mais de|já",
        last="último|última|passado|passada", next="próximo|próxima", this="este|esta|nesta|neste|essa|nessa",
        last_after="passado|passada|retrasada", next_after="que vem|próxima|próximo",
        weekdays={0: "segunda-feira", 1: "terça-feira", 2: "quarta-feira", 3: "quinta-feira", 4: "sexta-feira",
                  5: "sábado",
                  6: "domingo"},
        short={0: "segunda", 1: "terça", 2: "quarta", 3: "quinta", 4: "sexta"},
        link="da|na|de|do", day_before="dia|no dia|até dia|pro dia|desde o dia|até o dia",
        dated="dia|em|de|até|desde|para|data|no dia",
        past=r"comprei|compramos|pedi|pedimos|encomendei|recebi|recebemos|chegou|chegaram|paguei|enviei|enviaram|"
             r"devolvi|fiz|veio|"
             r"foi|era|estava|ha|faz|desde|disseram|mandei|quebrou",
        future=r"chega|chegara|vai|vao|preciso|para o|antes d[aoe]|ate|quero|pode[nm]?|podem|proxim[ao]|vou|"
               r"casamento|sera|estarei",
    ),
    "it": DayWords(
        days={-2: "l'altro ieri|altro ieri|avantieri|ieri l'altro|avant'ieri", -1: "ieri|ieri sera",
              0: "oggi|stamattina|stasera|stamani", 1: "domani", 2: "dopodomani"},
        weeks={-1: "la settimana scorsa|settimana scorsa|la scorsa settimana|scorsa settimana",
               1: "la settimana prossima|settimana prossima|la prossima settimana|prossima settimana"},
        months={-1: "il mese scorso|mese scorso|lo scorso mese", 1: "il mese prossimo|mese prossimo|il prossimo mese"},
        years={-1: "l'anno scorso|anno scorso", 1: "l'anno prossimo|anno prossimo"},
        periods={"day": "giorno|giorni", "week": "settimana|settimane", "month": "mese|mesi", "year": "anno|anni"},
        ago_after="fa|or sono", in_before="fra|tra", in_unsure="in", about="circa|quasi|più di|oltre|ormai",
        last="scorso|scorsa|lo scorso|la scorsa|ultimo", next="prossimo|prossima|il prossimo|la prossima",
             this="questo|questa",
        last_after="scorso|scorsa|passato", next_after="prossimo|prossima|che viene",
        weekdays={0: "lunedì", 1: "martedì", 2: "mercoledì", 3: "giovedì", 4: "venerdì", 5: "sabato", 6: "domenica"},
        link="di|del|della|il", day_before="il giorno|giorno|per il giorno",
        dated="il|dal|al|del|entro il|giorno|data|per il",
        past=r"comprat[oaie]|ordinat[oaie]|ricevut[oaie]|arrivat[oaie]|pagat[oaie]|spedit[oaie]|restituit[oaie]|ho|"
             r"abbiamo|era|"
             r"e stat[oa]|consegnat[oaie]|fatto|fa|dal?|detto|rotto",
        future=r"arriva|arrivera|serve|mi serve|entro|prima d[ei]l?|voglio|vorrei|potete|puo|sara|devo|deve|"
               r"prossim[oa]|matrimonio",
    ),
    "nl": DayWords(
        days={-2: "eergisteren", -1: "gisteren|gisteravond|gister|gisterochtend|gistermiddag|gisternacht",
              0: "vandaag|vanochtend|vanmorgen|vanmiddag|vanavond", 1: "morgen|morgenochtend|morgenavond",
                 2: "overmorgen"},
        weeks={-1: "vorige week|afgelopen week|verleden week", 1: "volgende week|komende week"},
        months={-1: "vorige maand|afgelopen maand", 1: "volgende maand|komende maand"},
        years={-1: "vorig jaar|afgelopen jaar", 1: "volgend jaar|komend jaar"},
        periods={"day": "dag|dagen", "week": "week|weken", "month": "maand|maanden", "year": "jaar|jaren"},
        ago_after="geleden|terug", in_before="over", in_unsure="in", about="ongeveer|zo'n|ruim|bijna|al|circa",
        last="afgelopen|vorige|laatste|verleden", next="volgende|komende|aanstaande|eerstvolgende", this="deze",
        next_after="aanstaande",
        weekdays={0: "maandag", 1: "dinsdag", 2: "woensdag", 3: "donderdag", 4: "vrijdag", 5: "zaterdag", 6: "zondag"},
        link="op|van|de", day_before="op de|sinds de|vanaf de|tot de|de|voor de", day_after="e|ste|de",
        dated="op|sinds|vanaf|tot|voor|van|datum",
        not_after="keer|maal|dag|week|poging|bestelling|pakket|verdieping|etage|stuk|item|klacht|bericht|maand",
        past=r"gekocht|besteld|ontvangen|gekregen|aangekomen|kwam|kwamen|betaald|geleverd|verstuurd|teruggestuurd|"
             r"was|waren|heb|"
             r"hebben|had|kocht|bestelde|kreeg|geleden|sinds|gezegd|bezorgd|binnengekomen",
        future=r"nodig|komt|zal|zullen|wordt|gaat|voor|uiterlijk|wil|kan|kunnen|moet|volgende|bruiloft|verhuis",
    ),
    "ru": DayWords(
        days={-3: "позапозавчера", -2: "позавчера", -1: "вчера|вчера вечером|вчерашний", 0: "сегодня|сегодня утром|"
              "сегодня вечером",
              1: "завтра", 2: "послезавтра"},
        weeks={-2: "на позапрошлой неделе", -1: "на прошлой неделе|прошлая неделя|прошлой недели|прошлой неделе|"
               "на той неделе",
               1: "на следующей неделе|следующей неделе|на будущей неделе"},
        months={-1: "в прошлом месяце|прошлом месяце", 1: "в следующем месяце|следующем месяце"},
        years={-1: "в прошлом году|прошлом году", 1: "в следующем году"},
        periods={"day": "день|дня|дней|дн|сутки|суток", "week": "неделя|неделю|недели|недель|недельку",
                 "month": "месяц|месяца|месяцев",
                 "year": "год|года|лет", "month:6": "полгода"},
        ago_after="назад|тому назад", in_before="через|спустя", about="примерно|где-то|около|уже|почти",
                  uncounted="неделю|недельку|месяц|год",
        last="прошлый|прошлую|прошлое|прошлой|прошлого|прошедшую|прошедший|последний", this="этот|эту|это",
        next="следующий|следующую|следующее|следующей|следующего|ближайший|ближайшую|будущий|будущую",
        weekdays={0: "понедельник|понедельника|понедельнику", 1: "вторник|вторника|вторнику", 2: "среда|среду|среды|"
                  "среде",
                  3: "четверг|четверга|четвергу", 4: "пятница|пятницу|пятницы|пятнице", 5: "суббота|субботу|субботы|"
                     "субботе",
                  6: "воскресенье|воскресенья|воскресенью"},
        link="в|во|на", day_after="-го|го|числа|-го числа|-е|числа|-ого",
        dated="от|до|с|к|на|дата|числа",
        past=r"купил[аи]?|заказал[аи]?|получил[аи]?|приш[её]?л[аои]?|пришло|оплатил[аи]?|отправил[аи]?|вернул[аи]?|"
             r"был[аои]?|"
             r"доставил[аи]?|оформил[аи]?|сделал[аи]?|сказал[аи]?|обещал[аи]?|назад|с|приехал[аои]?|сломал\w*",
        future=r"буд[уеи]т?|нуж[енн]\w*|надо|до|к|придет|приедет|хочу|можно|можете|успе\w+|следующ\w+|свадьб\w+|"
               r"доставят|привезут",
    ),
    "tr": DayWords(
        days={-2: "evvelsi gün|önceki gün|evvelki gün", -1: "dün|dün akşam|dün gece", 0: "bugün|bu sabah|bu akşam|"
              "bu gece",
              1: "yarın", 2: "öbür gün|ertesi gün değil öbür gün|yarından sonra"},
        weeks={-1: "geçen hafta|geçtiğimiz hafta", 1: "gelecek hafta|önümüzdeki hafta|haftaya"},
        months={-1: "geçen ay|geçtiğimiz ay", 1: "gelecek ay|önümüzdeki ay"}, years={-1: "geçen yıl|geçen sene",
                                                                                   1: "gelecek yıl|seneye"},
        periods={"day": "gün", "week": "hafta", "month": "ay", "year": "yıl|sene"},
        ago_after="önce|evvel|öncesinde", in_after="sonra|sonraya", about="yaklaşık|aşağı yukarı",
        last="geçen|geçtiğimiz", next="gelecek|önümüzdeki|haftaya", this="bu",
        weekdays={0: "pazartesi|pazartesiye|pazartesiden", 1: "salı|salıya|salıdan", 2: "çarşamba|çarşambaya|"
                  "çarşambadan",
                  3: "perşembe|perşembeye|perşembeden", 4: "cuma|cumaya|cumadan", 5: "cumartesi|cumartesiye|"
                     "cumartesiden",
                  6: "pazar|pazara|pazar günü"},
        link="", day_before="ayın", day_after="'si|'sı|'ü|'u|'i|'ı|'sinde|'sında|'ünde|'unda|'inde|'ında|'una|'sine|"
             "'üne|'ine|sinde",
        dated="tarih|tarihi",
        past=r"\w+(?:[dt][ıiu][mk]|m[ıiu]st[ıiu][mk]?)|geldi|ulastı|aldı|verdi|once|gecen|oldu|yaptı|dedi|dediniz|"
             r"dediler|"
             r"gonderdi\w*|kırıldı|bozuldu",
        future=r"\w+(?:acak|ecek|acag|eceg)\w*|lazım|gerek|gelir mi|kadar|olur mu|istiyorum|yetisir\w*|sonra|dugun",
    ),
    "ar": DayWords(
        days={-2: "أول أمس|أول امبارح|أول البارحة|قبل امس|أول من أمس",
              -1: "أمس|امبارح|البارحة|مبارح|البارح|embare7|imbare7|embareh|imbareh|mbare7", 0: "اليوم|النهارده|"
                  "النهاردة|elyom|elnharda",
              1: "غدا|غدًا|غداً|بكرة|بكره|بكرا|bokra|bukra", 2: "بعد غد|بعد بكرة|بعد بكره|بعد الغد"},
        weeks={-1: "الأسبوع الماضي|الاسبوع اللي فات|الأسبوع المنصرم|الأسبوع الفائت", 1: "الأسبوع القادم|"
               "الأسبوع الجاي|الأسبوع المقبل"},
        months={-1: "الشهر الماضي|الشهر اللي فات|الشهر الفائت", 1: "الشهر القادم|الشهر الجاي|الشهر المقبل"},
        years={-1: "السنة الماضية|العام الماضي|السنة اللي فاتت", 1: "السنة القادمة|العام القادم|السنة الجاية"},
        periods={"day": "يوم|أيام|يوما|يومًا|ايام", "week": "أسبوع|أسابيع|اسبوع", "month": "شهر|أشهر|شهور",
                 "year": "سنة|سنوات|سنين|عام",
                 "day:2": "يومين|يومان", "week:2": "أسبوعين|أسبوعان", "month:2": "شهرين|شهران", "year:2": "سنتين|"
                 "عامين"},
        ago_before="منذ|قبل|من|من قبل", in_unsure="بعد", about="حوالي|تقريبا|نحو|شي", uncounted="أسبوع|شهر|سنة|عام",
        last="الماضي", next="القادم", this="هذا", last_after="الماضي|اللي فات|الفائت|المنصرم|اللي راح",
        next_after="القادم|الجاي|المقبل|اللي جاي",
        weekdays={0: "الاثنين|الإثنين|الاتنين", 1: "الثلاثاء|الثلاثا|التلات", 2: "الأربعاء|الاربعا|الأربع",
                  3: "الخميس", 4: "الجمعة|الجمعه",
                  5: "السبت", 6: "الأحد|الاحد|الحد"},
        link="من|يوم|في", day_before="يوم|بتاريخ|تاريخ", dated="يوم|بتاريخ|تاريخ|في",
        past=r"اشتريت\w*|طلبت\w*|وصل\w*|استلمت\w*|دفعت\w*|جاني|جالي|ارسلت\w*|رجعت\w*|كان\w*|منذ|من|قال\w*|وعد\w*|"
             r"شريت\w*|اخذت\w*|جات\w*",
        future=r"سوف|سي\w+|ست\w+|هي\w+|راح|بيوصل|يوصل|يصل|تصل|توصل|احتاج\w*|محتاج\w*|قبل يوم|حتى|ابي|اريد|القادم|"
               r"ممكن|عرس|زواج",
    ),
    "hi": DayWords(
        days={-1: "कल|kal|बीता कल|कल रात", 0: "आज|aaj|आज सुबह", -2: "परसों|parso|parson"},
        weeks={-1: "पिछले हफ्ते|पिछले हफ़्ते|पिछले सप्ताह|पिछला हफ्ता|pichle hafte|pichhle hafte",
               1: "अगले हफ्ते|अगले हफ़्ते|अगले सप्ताह|agle hafte"},
        months={-1: "पिछले महीने|pichle mahine|pichhle mahine", 1: "अगले महीने|agle mahine"},
        years={-1: "पिछले साल|pichle saal", 1: "अगले साल"},
        periods={"day": "दिन|दिनों|din", "week": "हफ्ते|हफ़्ते|हफ्ता|हफ़्ता|हफ्तों|सप्ताह|hafte|hafta", "month": "महीने|महीना|"
                 "महीनों|mahine|mahina",
                 "year": "साल|वर्ष|saal"},
        ago_after="पहले|पूर्व|pehle|pahle|phle", in_unsure="", in_after="बाद|में|baad|mein|me", about="करीब|लगभग|तकरीबन|"
                  "करीबन",
        last="पिछले|पिछला|गत|बीते|pichle|pichhle", next="अगले|अगला|आने वाले|agle", this="इस|is",
        weekdays={0: "सोमवार|somvar|somwar", 1: "मंगलवार|mangalvar|mangalwar", 2: "बुधवार|budhvar|budhwar",
                  3: "गुरुवार|बृहस्पतिवार|वीरवार|guruvar", 4: "शुक्रवार|shukravar|shukrawar", 5: "शनिवार|shanivar|shaniwar",
                  6: "रविवार|इतवार|संडे|ravivar|sunday"},
        link="को|के|ko", day_after="तारीख|तारीख़|tarikh|tareekh", dated="तारीख",
        past=r"था|थी|थे|लिया|किया|की थी|खरीदा|खरीदी|मंगाया|मँगाया|मंगवाया|मँगवाया|मिला|मिली|मिले|आया|आई|आए|पहुंचा|पहुँचा|भेजा|"
             r"दिया|दी|"
             r"हुआ|हुई|गया|गई|टूट\w*|कहा|पहले|से|tha|thi|the|kiya|liya|mila|mili|aaya|aayi|mangaya|kharida|diya|gaya|"
             r"gayi|hua|bheja",
        future=r"\w*(?:ूँगा|ूंगा|ूँगी|ूंगी|ेगा|ेगी|ेंगे|एगा|एगी)|चाहिए|तक|जाएगा|मिलेगा|आएगा|करूँगा|chahiye|tak|"
               r"\w*(?:ega|egi|enge|unga|ungi)",
    ),
    "zh": DayWords(
        days={-3: "大前天", -2: "前天|前日", -1: "昨天|昨日|昨晚|昨夜|尋日|琴日|噚日", 0: "今天|今日|今早|今晚|"
              "今朝", 1: "明天|明日|明早|明晚|聽日",
              2: "后天|後天|后日|後日", 3: "大后天|大後天"},
        weeks={-2: "上上周|上上週|上上个星期|上上個星期|上上个礼拜|上上個禮拜",
               -1: "上周|上週|上个星期|上個星期|上星期|上个礼拜|上個禮拜|上礼拜|上禮拜|上个周|上個週",
               1: "下周|下週|下个星期|下個星期|下星期|下个礼拜|下個禮拜|下礼拜|下禮拜"},
        months={-1: "上个月|上個月|上月", 1: "下个月|下個月|下月"}, years={-1: "去年", 1: "明年"},
        periods={"day": "天|日", "week": "周|週|个星期|個星期|星期|个礼拜|個禮拜|礼拜|禮拜|个周|個週",
                 "month": "个月|個月", "year": "年",
                 "day:15": "半个月|半個月", "month:6": "半年"},
        ago_after="前|之前|以前", in_after="后|後|之后|之後|以后|以後", about="大概|大约|大約|差不多",
        past=r"买了|買了|买的|買的|订的|訂的|下的|收到|到了|到的|下单|下單|订了|訂了|付了|寄了|了|过|過|嘅|咗",
        future=r"能|会|會|要|想|之前|前能|到吗|到嗎|可以|需要|希望|几时|幾時|結婚|结婚",
    ),
    "ja": DayWords(
        days={-3: "一昨々日|さきおととい", -2: "一昨日|おととい|おとつい", -1: "昨日|きのう|昨夜|昨晩|ゆうべ",
              0: "今日|きょう|本日|今朝|今夜|今晩",
              1: "明日|あした|あす|みょうにち", 2: "明後日|あさって", 3: "明々後日|しあさって"},
        weeks={-2: "先々週", -1: "先週", 0: "今週", 1: "来週", 2: "再来週"}, months={-2: "先々月", -1: "先月",
               1: "来月", 2: "再来月"},
        years={-2: "一昨年|おととし", -1: "去年|昨年", 1: "来年"},
        periods={"day": "日|日間", "week": "週間|週", "month": "ヶ月|か月|カ月|ケ月|箇月|ヵ月", "year": "年",
                 "day:2": "二日|ふつか", "day:3": "三日|みっか", "day:4": "四日", "day:5": "五日", "day:10": "十日",
                 "day:20": "二十日",
                 "month:1": "ひと月", "month:6": "半年"},
        ago_after="前|ほど前|くらい前|ぐらい前", in_after="後|ご|ほど後", about="約|だいたい",
        last="先週の|前の|この前の", next="来週の|次の|今度の", this="今週の|この",
        weekdays={0: "月曜日|月曜", 1: "火曜日|火曜", 2: "水曜日|水曜", 3: "木曜日|木曜", 4: "金曜日|金曜",
                  5: "土曜日|土曜", 6: "日曜日|日曜"},
        link="の",
        past=r"買った|買いました|頼んだ|頼みました|注文した|注文しました|届いた|届きました|受け取った|"
             r"受け取りました|届い|した|ました|だった|でした|"
             r"購入し|もらった|来た",
        future=r"までに|まで|届きますか|届けて|ほしい|欲しい|したい|お願い|来ますか|間に合|予定|たい|引っ越し|結婚",
    ),
    "ko": DayWords(
        days={-3: "그끄저께", -2: "그저께|그제|엊그제", -1: "어제|어젯밤|어저께", 0: "오늘|오늘 아침|오늘밤",
              1: "내일", 2: "모레|내일모레", 3: "글피"},
        weeks={-2: "지지난주|지지난 주|저저번 주", -1: "지난주|지난 주|저번주|저번 주", 0: "이번 주|이번주|금주",
               1: "다음 주|다음주|담주|내주", 2: "다다음 주|다다음주"},
        months={-1: "지난달|지난 달|저번 달|저번달", 1: "다음 달|다음달|담달"}, years={-1: "작년|지난해", 1: "내년"},
        periods={"day": "일", "week": "주|주일", "month": "개월|달", "year": "년",
                 "day:1": "하루", "day:2": "이틀", "day:3": "사흘", "day:4": "나흘", "day:5": "닷새",
                 "day:10": "열흘", "day:15": "보름",
                 "week:1": "일주일", "month:1": "한달"},
        ago_after="전", in_after="후|뒤|있다가", about="약|대략|한",
        last="지난|저번", next="다음|오는|돌아오는", this="이번",
        weekdays={0: "월요일", 1: "화요일", 2: "수요일", 3: "목요일", 4: "금요일", 5: "토요일", 6: "일요일"},
        past=r"샀\w*|주문했\w*|시켰\w*|시킨|주문한|받았\w*|받은|왔\w*|도착했\w*|산|결제했\w*|보냈\w*|했\w*|였\w*|"
             r"었\w*|\w*[했었았였왔]\w*",
        future=r"까지|올까요|오나요|받을|필요\w*|싶\w*|주세요|될까요|되나요|가능\w*|예정\w*|\w*[겠]\w*|이사|결혼",
    ),
}

NOT_A_DAY = (
    "la mañana", "una mañana", "las mañanas", "guten morgen", "am morgen", "n morgen", "goedemorgen", "goede morgen",
    "black friday", "cyber monday", "cyber lunes", "viernes negro", "черная пятница", "черную пятницу",
    "черной пятницы",
    "schwarzer freitag", "vendredi noir", "mars bar", "mars bars",
)
"""Phrases in which a word for a day means something else."""

ELSEWHERE: dict[str, str] = {
    "de": "hier|dun|an|on|due|mes|set|sei|fa", "nl": "hier|dun|an|on|mei|due|set",
    "en": "mars|on|due|set|fa|mes|ay|an|ya|dun", "fr": "mars", "es": "sera|ya", "it": "sera", "pt": "sera",
          "tr": "on|an|kal",
}
"""Words that another language has for a day, and that are everyday words of this one."""

TIME_UNITS = frozenset(
    word
    for words in WORDS.values()
    for spelled in words.periods.values()
    for word in fold_same_length(spelled).split("|")
    if len(word) > 1
)
"""Words for days, weeks, months and years, folded: a number of them is no sum of money."""
