"""Everyday words that pattern entities need, in the product's languages.

Written for the fifteen languages that ship; a further language works without an entry here, its
dates, amounts and sizes are then learnt from its examples alone. Month, weekday and language names
come from CLDR (:mod:`nlu.calendar_words`, :mod:`nlu.language_names`).
"""

from __future__ import annotations

# Word lists read best in dense lines.
# fmt: off

NUMBERS: dict[int, tuple[str, ...]] = {
    0: ("zero", "cero", "zéro", "null", "nul", "ноль", "sıfır", "صفر", "零", "ゼロ", "영"),
    1: (
        "one", "a", "an", "un", "una", "uno", "une", "ein", "eine", "einem", "einer", "um", "uma", "een",
        "один", "одну", "bir", "واحد", "एक", "一", "한",
    ),
    2: (
        "two", "dos", "deux", "zwei", "dois", "duas", "due", "twee", "два", "две", "iki", "اثنان", "दो", "二",
        "两", "兩", "두",
    ),
    3: ("three", "tres", "trois", "drei", "três", "tre", "drie", "три", "üç", "ثلاثة", "तीन", "三", "세"),
    4: ("four", "cuatro", "quatre", "vier", "quatro", "quattro", "четыре", "dört", "أربعة", "चार", "四", "네"),
    5: ("five", "cinco", "cinq", "fünf", "cinque", "vijf", "пять", "beş", "خمسة", "पाँच", "पांच", "五", "다섯"),
    6: ("six", "seis", "sechs", "sei", "zes", "шесть", "altı", "ستة", "छह", "六", "여섯"),
    7: ("seven", "siete", "sept", "sieben", "sete", "sette", "zeven", "семь", "yedi", "سبعة", "सात", "七", "일곱"),
    8: ("eight", "ocho", "huit", "acht", "oito", "otto", "восемь", "sekiz", "ثمانية", "आठ", "八", "여덟"),
    9: ("nine", "nueve", "neuf", "neun", "nove", "negen", "девять", "dokuz", "تسعة", "नौ", "九", "아홉"),
    10: ("ten", "diez", "dix", "zehn", "dez", "dieci", "tien", "десять", "on", "عشرة", "दस", "十", "열"),
}

CURRENCY_SIGNS = {
    "€": "EUR", "£": "GBP", "¥": "CNY", "￥": "CNY", "₽": "RUB", "₺": "TRY", "₹": "INR", "₩": "KRW", "R$": "BRL",
    "US$": "USD", "MX$": "MXN", "AR$": "ARS", "CA$": "CAD", "C$": "CAD", "A$": "AUD", "AU$": "AUD", "HK$": "HKD",
    "NT$": "TWD", "S/": "PEN", "₴": "UAH", "zł": "PLN", "Fr.": "CHF", "kr": "SEK", "$": "$",
}
CURRENCY_CODES = (
    "EUR", "USD", "GBP", "CNY", "RMB", "JPY", "KRW", "INR", "RUB", "TRY", "BRL", "MXN", "ARS", "CLP", "COP",
    "PEN", "UYU", "CAD", "AUD", "NZD", "CHF", "SEK", "NOK", "DKK", "PLN", "CZK", "HUF", "RON", "HKD", "TWD",
    "SGD", "AED", "SAR", "EGP", "MAD", "ZAR", "ILS", "UAH", "THB", "VND", "IDR", "MYR", "PHP",
)
CURRENCY_WORDS: dict[str, tuple[str, ...]] = {
    "EUR": ("euro", "euros", "eur", "€uro", "эвро", "يوروهات", "ευρώ", "евро", "avro", "يورو", "यूरो", "欧元",
            "歐元", "欧", "歐", "ユーロ",
            "유로"),
    "USD": ("dollars americains", "us dollars", "美元", "美金", "美刀", "ドル", "米ドル", "달러", "bucks"),
    "GBP": ("pound", "pounds", "quid", "libra", "libras", "livres sterling", "pfund", "sterline", "pond", "фунтов",
            "sterlin", "جنيه استرليني", "पाउंड", "英镑", "英鎊", "ポンド", "파운드"),
    "CNY": ("yuan", "yuanes", "rmb", "renminbi", "юаней", "元", "块钱", "块", "人民币", "元人民币"),
    "TWD": ("塊錢", "塊", "台幣", "新台幣", "元新台幣"),
    "HKD": ("港币", "港幣", "蚊"),
    "JPY": ("yen", "yenes", "иен", "日元", "円", "엔"),
    "KRW": ("won", "원", "韩元"),
    "INR": ("rupee", "rupees", "rupias", "roupies", "रुपये", "रुपए", "रुपया", "रुपयों", "रु.", "रु", "卢比", "rupaye",
            "rupay", "rupaiya", "rupiya", "rs", "rs."),
    "RUB": ("ruble", "rubles", "rublos", "rubel", "рубль", "рубля", "рублей", "рублями", "руб", "руб.", "卢布"),
    "TRY": ("lira", "lirası", "lirayı", "liraya", "liralık", "liradan", "liras", "tl"),
    "BRL": ("reais", "real"),
    "PEN": ("soles",),
    "CHF": ("franken", "francs suisses", "francos suizos", "franchi", "stutz"),
    "AED": ("dirham", "dirhams", "درهم", "درهما", "دراهم"),
    "SAR": ("riyal", "riyals", "ريال", "ريالا", "ريالات"),
    "EGP": ("جنيه", "جنيها", "جنيهات", "جنيه مصري"),
    "KZT": ("тенге",),
    "UAH": ("гривен", "гривны", "грн"),
    "BYN": ("бел. руб.", "белорусских рублей"),
    "PLN": ("злотых", "zloty", "zlotych"),
    "$": ("dollar", "dollars", "dólar", "dólares", "dolares", "dolar", "dollari", "доллар", "доллара", "долларов",
    "دولار",
          "دولارا", "دولارات", "डॉलर", "刀"),
    "PESO": ("peso", "pesos"),
}
DOLLARS = {"US": "USD", "CA": "CAD", "AU": "AUD", "NZ": "NZD", "SG": "SGD", "HK": "HKD", "TW": "TWD", "MX": "MXN",
           "AR": "ARS", "CL": "CLP", "CO": "COP", "UY": "UYU"}
PESOS = {"MX": "MXN", "AR": "ARS", "CL": "CLP", "CO": "COP", "UY": "UYU", "PH": "PHP", "DO": "DOP", "CU": "CUP"}

STARS = ("star", "stars", "estrella", "estrellas", "étoile", "étoiles", "stern", "sterne", "sternen", "estrela",
         "estrelas", "stella", "stelle", "ster", "sterren", "звезда", "звезды", "звёзд", "звезд", "yıldız", "نجمة",
         "نجوم", "सितारा", "सितारे", "स्टार", "颗星", "顆星", "星", "つ星", "점", "별")
OUT_OF = ("out of", "/", "de", "sobre", "sur", "von", "su", "van", "из", "üzerinden", "من")
POINTS = ("分", "點分", "점")

SIZE_BEFORE = ("size", "sz", "uk", "eu", "us", "talla", "talle", "tallas", "taille", "pointure", "größe", "groesse",
               "grösse",
               "gr.", "tamanho", "taglia", "misura", "maat", "размер", "размера", "beden", "numara", "مقاس", "साइज",
               "साइज़", "尺码", "尺碼", "鞋码", "码数", "号码", "サイズ", "사이즈")
SIZE_AFTER = ("码", "碼", "号码", "號碼", "センチ", "号サイズ", "サイズ", "사이즈", "호", "beden", "numara")
SIZE_WORDS_SYSTEM = ("uk", "eu", "us")

PHONE_CONTEXT = ("phone", "tel", "mobile", "cell", "whatsapp", "call me", "call us", "ring me", "text me",
                 "reach me", "teléfono",
                 "telefono", "celular", "móvil", "movil", "llám", "llam", "marca", "téléphone", "portable",
                 "appelez", "appeler",
                 "rappel", "appelle", "telefon", "handy", "ruf mich", "rufen sie", "ruft", "anrufen", "ruckruf",
                 "telemóvel",
                 "ligue", "ligar", "liga me", "me liga", "liguem", "ligem", "cellulare", "chiama", "richiama",
                 "telefoon", "gsm",
                 "bel me", "bel mij", "bel ons", "bellen", "belt u", "belt me", "terugbel", "телефон", "мобильн",
                 "номер телефона", "позвон", "перезвон", "звоните", "наберите", "beni ara", "arayın", "arayabilir",
                 "arar mı",
                 "هاتف", "جوال", "موبايل", "اتصل", "كلمني", "كلموني", "دقوا", "رن علي", "تلفون", "फोन", "मोबाइल",
                 "कॉल", "call kar",
                 "call kijiye", "手机", "手機", "电话", "電話", "打给", "打給", "致电", "致電", "打我", "回电",
                 "回電", "携帯",
                 "전화", "휴대폰", "연락")
TICKET_CONTEXT = ("ticket", "tickets", "tiquet", "tíquet", "тикет", "тикета", "工单", "工單", "工单号", "チケット",
                  "티켓", "टिकट", "تذكرة",
                  "التذكرة", "تيكت")
CASE_CONTEXT = ("case", "complaint", "caso", "queja", "reclamo", "reclamación", "réclamation", "dossier", "fall",
                "vorgang",
                "beschwerde", "reklamation", "reclamação", "reclamo", "pratica", "klacht", "melding", "zaak",
                "обращение", "жалоба",
                "жалоба", "жалобу", "talep", "şikayet", "شكوى", "الشكوى", "शिकायत", "投诉", "投訴", "案件", "苦情",
                "문의", "민원", "불만")
"""Words before the number of a ticket: after :data:`CASE_CONTEXT` only a number with the zeros in front."""

TAX_CONTEXT = ("nif", "nie", "dni", "cif", "vat", "vat number", "btw", "btw-nummer", "kvk", "ust", "ust-id",
               "ust-idnr", "ust-id-nr", "ustid", "umsatzsteuer-id", "uid", "steuernummer",
               "steuer-id", "tva", "siret", "siren", "cnpj", "cpf", "nipc", "contribuinte", "p.iva", "p. iva",
               "partita iva",
               "codice fiscale", "инн", "огрн", "кпп", "vergi no", "vergi numarası", "vkn", "tckn", "tc kimlik",
               "gstin", "gst", "pan",
               "tax id", "tax number", "ruc", "rut", "rfc", "nit", "cuit", "税号", "税務號", "統一編號", "統編",
               "身份证", "法人番号",
               "登録番号", "사업자", "사업자등록번호", "الرقم الضريبي", "رقم ضريبي", "जीएसटी", "bsn", "ssn")
ORDER_CONTEXT = ("order", "orden", "pedido", "compra", "commande", "bestell", "auftrag", "encomenda", "ordine",
                 "заказ", "sipariş", "طلب", "ऑर्डर", "订单", "訂單", "单号", "注文", "주문", "#", "№")
TRACKING_CONTEXT = ("track", "parcel", "package", "courier", "carrier", "shipment", "waybill", "rastre", "seguim",
                    "guía", "guia", "envío", "envio", "paquete", "suivi", "colis", "sendung", "paket", "rastreio",
                    "spedizion", "tracciam", "pakket", "zending", "трек", "отправлен", "посылк", "kargo", "takip",
                    "تتبع", "شحن", "ट्रैक", "快递", "快遞", "运单", "運單", "物流", "单号", "追跡", "伝票", "송장",
                    "운송장", "택배", "소포", "배송 번호", "label", "barcode", "volg", "zendingscode",
                    "verzendcode", "etiket", "etiqueta",
                    "etichetta", "étiquette", "etikett", "pacco", "pacote", "remessa", "накладн", "ттн", "этикетк",
                    "koli", "بوليصة",
                    "طرد", "باقة الشحن", "पार्सल", "पर्ची", "कूरियर", "पैकेज", "包裹", "面单", "面單", "單號", "物流單",
                    "ラベル", "荷物",
                    "問い合わせ番号", "お問い合わせ番号", "小包")
POSTCODE_CONTEXT = ("postcode", "post code", "postal", "zip", "zip code", "postleitzahl", "cep", "c.a.p.",
                    "индекс", "posta kodu", "postakod", "الرمز البريدي", "पिन कोड", "पिनकोड", "pincode",
                    "pin code", "邮编", "邮政编码", "郵遞區號", "郵政編碼", "郵便番号", "우편번호")

COUNTRIES: dict[str, tuple[str, ...]] = {
    "en": ("GB", "US", "AU", "CA", "IE", "NZ", "ZA", "IN", "SG"),
    "es": ("ES", "MX", "AR", "CO", "CL", "PE", "EC", "UY", "VE"),
    "fr": ("FR", "BE", "CH", "CA", "LU", "MA"),
    "de": ("DE", "AT", "CH"),
    "pt": ("PT", "BR"),
    "it": ("IT", "CH"),
    "nl": ("NL", "BE"),
    "ru": ("RU", "KZ", "BY"),
    "tr": ("TR",),
    "ar": ("SA", "AE", "EG", "MA", "DZ", "IQ", "JO", "KW", "QA", "LB", "TN", "OM", "BH", "LY", "SD", "SY", "YE", "PS"),
    "hi": ("IN",),
    "zh": ("CN", "TW", "HK", "SG"),
    "zh-Hans": ("CN", "SG"),
    "zh-Hant": ("TW", "HK", "MO"),
    "ja": ("JP",),
    "ko": ("KR",),
}
"""Countries whose telephone numbers the speakers of a language write without a country code."""

LANGUAGE_WORDS: dict[str, tuple[str, ...]] = {
    "en": ("英文", "английском", "по-английски", "ingles", "engels", "inglese"),
    "es": ("castellano", "castilian", "испанском", "по-испански", "西文", "西班牙文", "西语", "espanol"),
    "fr": ("法文", "французском", "по-французски", "frances"),
    "de": ("德文", "немецком", "по-немецки", "aleman"),
    "pt": ("葡文", "葡语", "brazilian portuguese", "brazilian", "brasileiro", "portugues"),
    "it": ("意大利文", "意语", "итальянском"),
    "nl": ("荷兰文", "flemish", "vlaams", "holandés", "hollands", "голландском"),
    "ru": ("俄文", "русском", "по-русски"),
    "tr": ("土语", "土耳其文", "турецком"),
    "ar": ("阿语", "арабском"),
    "ja": ("日文", "日本语", "japones"),
    "ko": ("韩文", "韓文", "한국말"),
    "zh": ("中文", "汉语", "漢語", "华语", "華語", "普通话", "mandarin", "mandarín", "mandarim", "putonghua", "国语",
           "китайском", "по-китайски"),
    "zh-Hans": ("簡体字中国語", "簡体字", "간체", "간체 중국어", "简体中文", "简体", "简中",
                "chino simplificado", "simplified chinese"),
    "zh-Hant": ("繁体字中国語", "繁体字", "번체", "번체 중국어", "繁体中文", "繁體中文", "繁体", "繁體", "繁中",
                "chino tradicional", "traditional chinese"),
}
"""How languages are called besides their CLDR names."""

EVERYWHERE = (
    "no", "ok", "okay", "okey", "okk", "k", "kk", "oki", "okis", "hm", "hmm", "mm", "mmm", "ah", "oh", "eh", "haha",
    "hahaha", "jaja", "jajaja", "lol", "xd", "wow", "omg", "pls", "plz", "tracking", "email", "e-mail",
    "mail", "iban", "pin", "sms", "app", "pdf", "usb", "paypal", "visa", "mastercard", "dhl", "ups", "fedex",
    "gls", "tnt", "usps", "instagram", "facebook", "whatsapp", "telegram", "slack", "google", "amazon",
    "iphone", "ipad", "samsung", "pro", "max", "mini", "plus", "air", "online", "xs", "s", "m", "l", "xl",
    "xxl", "xxxl", "n", "x", "eur", "usd", "gbp", "cny", "eu", "uk", "us", "chat", "bot", "stop", "spam",
    "test", "id", "no.", "nr",
)
"""Said in every language of a chat, so they say nothing about which one it is."""
