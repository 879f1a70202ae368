"""Who takes part: the customers, by language and country, and the people of the desk."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from bot.config import CalendarSettings, Holidays, Team

CHANNELS = ("web", "whatsapp", "telegram", "slack")


@dataclass(frozen=True, slots=True)
class Place:
    """Where customers live: their share, language, clocks, the carrier there, and how they write on which channel."""

    share: float
    language: str
    country: str
    zone: str
    dial: str
    carrier: str
    channels: tuple[int, int, int, int]


# Shares of web, whatsapp, telegram, slack.
_MIXED, _PHONES, _DESKS = (52, 16, 18, 14), (36, 40, 20, 4), (66, 9, 15, 10)
PLACES = (
    Place(16, "en", "GB", "Europe/London", "+447700", "Royal Mail", _MIXED),
    Place(8, "en", "US", "America/New_York", "+120255", "UPS", _DESKS),
    Place(4, "en", "IE", "Europe/Dublin", "+353850", "An Post", _MIXED),
    Place(3, "en", "IN", "Asia/Kolkata", "+919810", "Blue Dart", _PHONES),
    Place(10, "es", "ES", "Europe/Madrid", "+346001", "Correos", _PHONES),
    Place(6, "es", "MX", "America/Mexico_City", "+525512", "Estafeta", _PHONES),
    Place(4, "es", "AR", "America/Argentina/Buenos_Aires", "+541145", "Andreani", _PHONES),
    Place(9, "fr", "FR", "Europe/Paris", "+336120", "Colissimo", _DESKS),
    Place(3, "fr", "BE", "Europe/Brussels", "+324701", "bpost", _DESKS),
    Place(11, "de", "DE", "Europe/Berlin", "+491512", "DHL", _DESKS),
    Place(3, "de", "AT", "Europe/Vienna", "+436641", "DHL", _DESKS),
    Place(7, "pt", "BR", "America/Sao_Paulo", "+551191", "Jadlog", _PHONES),
    Place(3, "pt", "PT", "Europe/Lisbon", "+351912", "CTT", _PHONES),
    Place(7, "zh-Hans", "CN", "Asia/Shanghai", "+861391", "SF Express", _DESKS),
    Place(4, "ja", "JP", "Asia/Tokyo", "+819012", "Yamato", _DESKS),
    Place(3, "ar", "AE", "Asia/Dubai", "+971501", "Aramex", _PHONES),
)
_NAMES = {
    "en": (
        "Amelia Harry Grace Jack Olivia George Isla Noah Ruby Callum Freya Dylan Priya Arjun Megan Sean Hannah Tyler",
        "Walsh Hughes Patel Reid Foster Murphy Cole Barnes Shah Doyle Price Grant Keane Marsh Rowe Nolan Webb Page",
    ),
    "es": (
        "Lucía Mateo Valentina Diego Carmen Javier Camila Andrés Elena Pablo Renata Tomás Irene Sergio Julieta Bruno",
        "García Romero Navarro Castillo Vega Molina Ortega Ríos Salas Prieto Campos Luna Ibarra Soto Nieto Rojas",
    ),
    "fr": (
        "Camille Hugo Chloé Louis Manon Jules Inès Théo Léa Adrien Zoé Nathan Margaux Antoine Élise Baptiste",
        "Lefèvre Girard Mercier Blanc Chevalier Fontaine Roussel Gauthier Perrin Masson Renard Dumas Colin Picard",
    ),
    "de": (
        "Anna Lukas Lena Felix Marie Jonas Clara Paul Emilia Max Johanna Moritz Greta Jan Sophie Tobias",
        "Schäfer Vogel Keller Brandt Lorenz Busch Winkler Haas Seidel Kuhn Böhm Arnold Pohl Graf Sommer Engel",
    ),
    "pt": (
        "Beatriz Rafael Larissa Thiago Mariana Gustavo Inês Duarte Fernanda Caio Leonor Vinícius Sofia Rodrigo",
        "Almeida Barbosa Cardoso Farias Moreira Pires Teixeira Antunes Lopes Ramos Freitas Nogueira Tavares Braga",
    ),
    "zh-Hans": ("伟 芳 娜 敏 静 磊 洋 艳 涛 明 超 霞 玲 鹏", "王 李 张 刘 陈 杨 赵 黄 周 吴 徐 孙 马 朱"),
    "ja": (
        "陽菜 蓮 葵 湊 結衣 大翔 凛 悠真 美咲 翔太 さくら 健太",
        "佐藤 鈴木 高橋 田中 伊藤 渡辺 山本 中村 小林 加藤 吉田 山田",
    ),
    "ar": (
        "فاطمة محمد مريم أحمد نورة خالد ليلى عمر هند يوسف سارة علي",
        "المنصوري الهاشمي الزعابي النعيمي الشامسي المرزوقي الكعبي العلي",
    ),
}
# Family names come first.
_FAMILY_FIRST = {"zh-Hans": "", "ja": " "}
TIERS = ("standard",) * 70 + ("silver",) * 20 + ("gold",) * 9 + ("vip",)


@dataclass(slots=True)
class Person:
    """A customer of the shop. ``bias`` is how kindly they judge, in points of a five-point scale."""

    number: int
    name: str
    first: str
    place: Place
    channel: str
    tier: str
    email: str
    phone: str
    bias: float
    answers: float
    chance: random.Random = field(repr=False)
    id: int = 0

    @property
    def language(self) -> str:
        """The language that they write."""
        return self.place.language


def customers(count: int, spoken: Sequence[str], seed: int) -> list[Person]:
    """So many customers, of the places whose language is spoken; the same for the same seed."""
    chance = random.Random(f"{seed}:cast")
    places = [place for place in PLACES if place.language in spoken]
    people = []
    for number in range(1, count + 1):
        (place,) = chance.choices(places, [item.share for item in places])
        given, family = (names.split() for names in _NAMES[place.language])
        first, last = chance.choice(given), chance.choice(family)
        glue = _FAMILY_FIRST.get(place.language)
        name = f"{first} {last}" if glue is None else f"{last}{glue}{first}"
        (channel,) = chance.choices(CHANNELS, place.channels)
        people.append(
            Person(
                number,
                name,
                first if glue is None else name,
                place,
                channel,
                chance.choice(TIERS),
                f"customer{number}@example.com",
                f"{place.dial}{100_000 + number}",
                chance.gauss(0, 0.3),
                chance.betavariate(3, 4) * 2,
                random.Random(f"{seed}:customer:{number}"),
            )
        )
    return people


# ------------------------------------------------------------------ the desk


@dataclass(frozen=True, slots=True)
class Colleague:
    """Somebody who works at the desk.

    ``pace`` multiplies the time they take, ``skill`` is how well they solve things (0.5 to 1), both get worse
    towards the end of a shift. ``hours`` and ``days`` (0 is Monday) are on the shop's clock.
    """

    username: str
    name: str
    speaks: tuple[str, ...]
    hours: tuple[float, float]
    days: frozenset[int]
    pace: float
    skill: float

    @property
    def first(self) -> str:
        """What they call themselves to customers."""
        return self.name.partition(" ")[0]


_WEEK, _LATE, _SATURDAY = frozenset(range(5)), frozenset(range(1, 6)), frozenset({0, 1, 2, 3, 5})
AGENT = "agent"
COLLEAGUES = (
    Colleague(AGENT, "Alex Moreau", ("en", "fr", "ar"), (8.0, 16.5), _WEEK, 1.0, 0.86),
    Colleague("hana", "Hana Weber", ("en", "de", "ja"), (11.0, 20.0), _SATURDAY, 0.75, 0.93),
    Colleague("tom", "Tom Baker", ("en", "de", "fr"), (8.5, 17.0), _WEEK, 1.4, 0.74),
    Colleague("ling", "Ling Chen", ("en", "zh-Hans", "ja"), (9.0, 18.0), _LATE, 0.8, 0.9),
    Colleague("rosa", "Rosa Almeida", ("es", "pt", "en"), (9.0, 18.0), _WEEK, 0.9, 0.91),
    Colleague("diego", "Diego Fuentes", ("es", "pt", "en"), (11.5, 20.0), _LATE, 1.2, 0.82),
)
CALENDAR = "desk"
TEAMS = (
    Team(
        name="Spanish & Portuguese",
        members=("rosa", "diego"),
        lead="rosa",
        languages=("es", "pt"),
        calendar=CALENDAR,
        assign="least_busy",
        next="Service",
    ),
    Team(
        name="Orders & delivery",
        members=("tom", "ling"),
        lead="ling",
        types=("damaged", "wrong_item", "missing_item", "not_delivered", "late"),
        calendar=CALENDAR,
        assign="round_robin",
        next="Service",
    ),
    Team(
        name="Service",
        members=(AGENT, "hana"),
        lead="hana",
        calendar=CALENDAR,
        capacity=6,
        next="Orders & delivery",
    ),
)


def desk_hours() -> CalendarSettings:
    """When the demonstration's teams are there."""
    return CalendarSettings(
        hours={"mon-fri": ("08:00-20:00",), "sat": ("09:00-18:00",)},
        holidays=Holidays(country="NL", dates=("12-24", "12-31")),
    )
