"""How customers sound: the rules in every language, the project's own words, and the measured quality."""

from __future__ import annotations

import json
import math
import time
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.config import ConfigError
from nlu.sentiment import NEGATIVE, POSITIVE, VERY_UNHAPPY, Sentiment, load
from nlu.sentiment.lexicon import COMMON, WORDS, read, shipped
from tests.conftest import ROOT

LANGUAGES = ("en", "es", "fr", "de", "pt", "it", "nl", "ru", "tr", "ar", "hi", "zh-Hans", "zh-Hant", "ja", "ko")
_ALL = load(LANGUAGES)
BLIND = ROOT / "nlu" / "eval" / "sentiment"
FLOORS = Path(__file__).parent / "sentiment_floors.json"
LABELS = ("negative", "neutral", "positive")

REPORTS = {
    "en": ("My parcel has not arrived.", "The cup is broken and the lid is missing"),
    "es": ("Mi paquete no ha llegado.", "La taza está rota y falta la tapa"),
    "fr": ("Mon colis n'est pas arrivé.", "La tasse est cassée"),
    "de": ("Mein Paket ist nicht angekommen.", "Die Tasse ist kaputt"),
    "pt": ("Minha encomenda não chegou.", "A xícara está quebrada"),
    "it": ("Il mio pacco non è arrivato.", "La tazza è rotta"),
    "nl": ("Mijn pakket is niet aangekomen.", "De beker is kapot"),
    "ru": ("Моя посылка не пришла.", "Чашка разбита"),
    "tr": ("Kargom gelmedi.", "Bardak kırık çıktı"),
    "ar": ("طردي لم يصل", "الكوب مكسور"),
    "hi": ("मेरा पार्सल नहीं आया", "कप टूटा हुआ है"),
    "zh-Hans": ("我的包裹还没到", "杯子碎了"),
    "zh-Hant": ("我的包裹還沒到", "杯子碎了"),
    "ja": ("荷物がまだ届いていません", "カップが割れていました"),
    "ko": ("택배가 아직 안 왔어요", "컵이 깨졌어요"),
}
FURIOUS = {
    "en": "If you don't refund me today I will sue you, you crooks",
    "es": "Sois unos estafadores, os voy a denunciar",
    "fr": "Bande de voleurs, je vais porter plainte",
    "de": "Das ist Betrug, ich gehe zum Anwalt",
    "pt": "Vocês são uns golpistas, vou processar vocês",
    "it": "Siete dei truffatori, vi denuncio",
    "nl": "Jullie zijn oplichters, ik schakel mijn advocaat in",
    "ru": "Вы мошенники, подам в суд",
    "tr": "Dolandırıcısınız, sizi mahkemeye vereceğim",
    "ar": "أنتم نصابين وسأقاضيكم",
    "hi": "तुम सब चोर हो, कोर्ट में केस करूंगा",
    "zh-Hans": "你们就是骗子，我要起诉",
    "zh-Hant": "你們就是騙子，我要提告",
    "ja": "詐欺だ、消費者センターに訴えます",
    "ko": "사기꾼들, 소비자원에 신고하겠습니다",
}
# A good word turned, then a bad one.
NEGATED = {
    "en": ("not good", "not bad"),
    "es": ("no es bueno", "no está mal"),
    "fr": ("ce n'est pas bon", "pas mal du tout"),
    "de": ("das ist nicht gut", "gar nicht schlecht"),
    "pt": ("não é bom", "nada mal"),
    "it": ("non è buono", "niente male"),
    "nl": ("dit is niet goed", "niet slecht"),
    "ru": ("не хорошо", "неплохо"),
    "tr": ("iyi değil", "fena değil"),
    "ar": ("ليس جيدا", "ليس سيئا"),
    "hi": ("अच्छा नहीं है", "बुरा नहीं है"),
    "zh-Hans": ("不满意", "还不错"),
    "zh-Hant": ("唔滿意", "還不錯"),
    "ja": ("満足していません", "悪くない"),
    "ko": ("친절하지 않았어요", "나쁘지 않아요"),
}
THANKS = {
    "en": "Thank you so much!",
    "es": "Muchas gracias",
    "fr": "Merci beaucoup !",
    "de": "Vielen Dank",
    "pt": "Muito obrigada",
    "it": "Grazie mille",
    "nl": "Hartelijk dank",
    "ru": "Спасибо большое",
    "tr": "Çok teşekkür ederim",
    "ar": "شكرا جزيلا",
    "hi": "बहुत बहुत धन्यवाद",
    "zh-Hans": "非常感谢",
    "zh-Hant": "非常感謝",
    "ja": "本当にありがとうございました",
    "ko": "정말 감사합니다",
}


@pytest.fixture(scope="module")
def sentiment() -> Sentiment:
    return _ALL


@pytest.mark.parametrize("language", LANGUAGES)
def test_reports_are_calm_and_anger_is_not(sentiment: Sentiment, language: str) -> None:
    """In every language a mere report stays above -0.35, threats and abuse are very unhappy."""
    for report in REPORTS[language]:
        assert -0.35 < sentiment.score(report, language) <= POSITIVE
    assert sentiment.score(FURIOUS[language], language) <= VERY_UNHAPPY


@pytest.mark.parametrize("language", LANGUAGES)
def test_negation_and_thanks(sentiment: Sentiment, language: str) -> None:
    """In every language "not good" is negative, "not bad" mildly positive, and thanks are positive."""
    not_good, not_bad = NEGATED[language]
    assert sentiment.score(not_good, language) < NEGATIVE
    assert 0 < sentiment.score(not_bad, language) < 0.5
    assert sentiment.score(THANKS[language], language) > POSITIVE


@pytest.mark.parametrize(
    ("weaker", "stronger"),
    [
        ("I am disappointed", "I am very disappointed"),
        ("I am a bit disappointed", "I am disappointed"),
        ("This is bad", "This is bad!!!"),
        ("This is bad", "This is BAD"),
        ("my order is late and that is bad", "MY ORDER IS LATE AND THAT IS BAD"),
        ("The shirt is bad but the delivery was quick", "The delivery was quick but the shirt is bad"),
        ("Can I return it if I am disappointed", "I am disappointed"),
        ("I am not angry", "I am angry"),
        ("Thanks", "Thanks for nothing"),
        ("Great, it works.", "Great, broken again."),
        ("soooo baaad", "so so baaaad 😡"),
    ],
)
def test_what_makes_a_text_worse(sentiment: Sentiment, weaker: str, stronger: str) -> None:
    """Emphasis, contrast, conditions, irony and emoji each move the score the right way."""
    assert sentiment.score(stronger, "en") < sentiment.score(weaker, "en")


def test_only_asking_is_neutral(sentiment: Sentiment) -> None:
    """A good word in a question, and the thanks that close a request, say nothing about the mood."""
    for text in ("Is the quality good?", "Where is my order? Thanks", "Please change my address, thanks in advance"):
        assert NEGATIVE <= sentiment.score(text, "en") <= POSITIVE
    assert sentiment.score("质量好吗", "zh-Hans") <= POSITIVE
    assert sentiment.score("品質は良いですか", "ja") <= POSITIVE


def test_hurried_writing_is_understood(sentiment: Sentiment) -> None:
    """Missing accents, drawn-out letters, other apostrophes and full-width letters change nothing."""
    assert sentiment.score("pesimo servicio", "es") == sentiment.score("pésimo servicio", "es") < VERY_UNHAPPY
    assert sentiment.score("bin enttaeuscht", "de") == sentiment.score("bin enttäuscht", "de") < NEGATIVE
    assert sentiment.score("Hic memnun degilim", "tr") == sentiment.score("Hiç memnun değilim", "tr") < NEGATIVE
    assert sentiment.score("I loooooove it", "en") == sentiment.score("I love it", "en") > POSITIVE
    assert sentiment.score("I don’t like it", "en") == sentiment.score("I don't like it", "en") < NEGATIVE
    assert sentiment.score("ＴＥＲＲＩＢＬＥ", "en") == sentiment.score("TERRIBLE", "en") < NEGATIVE


def test_words_within_words_do_not_count(sentiment: Sentiment) -> None:
    """A word counts whole: neither "hell" in "hello" nor a syllable of a harmless Korean or Chinese word."""
    for text, language in (
        ("The scrapbook and the assassin novel", "en"),
        ("안녕하세요, 전화나 이메일로 주세요", "ko"),
        ("你好，我想买一个垃圾桶", "zh-Hans"),
        ("カスタマーサービスはありますか", "ja"),
    ):
        assert NEGATIVE <= sentiment.score(text, language) <= POSITIVE, text


def test_reasons_name_the_words_as_written(sentiment: Sentiment) -> None:
    """The desk sees what counted, as the customer wrote it and in their order, with its direction."""
    reasons = sentiment.reasons("The delivery was FAST, but Déjà VU: a terrible shirt 😡", "en")
    assert [word for word, _ in reasons] == ["FAST", "terrible", "😡"]
    assert [value > 0 for _, value in reasons] == [True, False, False]
    assert sentiment.reasons("我非常失望", "zh-Hans")[0][0] == "失望"
    assert sentiment.reasons("Where is order 100234", "en") == ()


def test_nothing_said_is_zero(sentiment: Sentiment) -> None:
    """Empty input, plain facts, languages that were not loaded and absurd texts score 0; regions are accepted."""
    for text in ("", "   ", "100234", "\x00\ud800\u200b", "ـ", "a" * 10_000_000):
        assert sentiment.score(text, "en") == 0.0
        assert sentiment.score(text, "ar") == 0.0
    for language in ("", "xx", "pl", "../en", COMMON):
        assert sentiment.score("This is terrible 😡", language) == 0.0
    assert load(["pl", COMMON]).score("terrible 😡", "pl") == 0.0
    assert sentiment.score("péssimo", "pt-BR") == sentiment.score("péssimo", "pt") < NEGATIVE


def test_only_the_beginning_of_a_long_text_is_read(sentiment: Sentiment) -> None:
    """What stands behind thousands of characters is not looked at, and ten megabytes take no longer than a page."""
    padding = "word " * 2_000_000
    start = time.perf_counter()
    assert sentiment.score(padding + "terrible", "en") == 0.0
    assert time.perf_counter() - start < 0.5


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=120), st.sampled_from(LANGUAGES))
def test_any_text_has_a_score(text: str, language: str) -> None:
    """No text breaks it: the score is a finite number in [-1, 1]."""
    score = _ALL.score(text, language)
    assert math.isfinite(score) and -1 <= score <= 1
    assert all(word and math.isfinite(value) for word, value in _ALL.reasons(text, language))


@pytest.mark.parametrize("language", LANGUAGES)
def test_shipped_words(language: str) -> None:
    """Every language has at least 150 weighed words, on both sides, and the words that turn and colour them."""
    section = shipped(language)
    assert section is not None
    weights = [entry.weight for entry in section.entries.values() if entry.weight]
    assert len(weights) >= 150
    assert min(sum(weight > 0 for weight in weights), sum(weight < 0 for weight in weights)) >= 70
    names = {kind.name for entry in section.entries.values() for kind in entry.kind}
    assert {"POLITE", "INTENSIFIER", "WEAKENER", "BUT", "CONDITION", "QUESTION", "REQUEST"} <= names
    assert names & {"NEGATOR", "NEGATOR_AFTER"}


def _best(repeat: int, what: Callable[[], object]) -> float:
    """The shortest processor time of several runs, in seconds: what others do on the machine does not count."""
    times = []
    for _ in range(repeat):
        start = time.process_time()
        what()
        times.append(time.process_time() - start)
    return min(times)


def test_speed(sentiment: Sentiment) -> None:
    """A usual message takes under 0.2 ms in every language; a language's words are read in under 20 ms."""
    for language in LANGUAGES:
        text = " ".join((*REPORTS[language], FURIOUS[language]))
        assert _best(20, partial(sentiment.score, text, language)) < 0.0002

    def anew(language: str) -> None:
        read(WORDS / f"{language}.yml", language)
        load([language]).score("x", language)

    for language in ("ko", "ja", "zh-Hant"):  # the longest lists
        assert _best(15, partial(anew, language)) < 0.020


def _project(home: Path, **files: str) -> Path:
    folder = home / "sentiment"
    folder.mkdir()
    for name, text in files.items():
        (folder / f"{name}.yml").write_text(text, encoding="utf-8")
    return home


def test_a_project_adds_and_changes_words(tmp_path: Path) -> None:
    """The project's words lie over the shipped ones: added, weighed anew, silenced; also for a new language."""
    home = _project(
        tmp_path,
        en="words:\n  -3: [lumpy custard]\n  0: |\n    terrible\n  2: spiffing*, wizard\n",
        common="words:\n  -4: 🐌\n",
        pl="words:\n  -3: okropn*\nnegators: nie\n",
    )
    own = load(["en", "pl", "es"], home)
    assert own.score("lumpy custard", "en") <= VERY_UNHAPPY
    assert own.score("the Terrible", "en") == 0.0
    assert own.score("a spiffingly nice day", "en") > POSITIVE
    assert own.score("awful", "en") == load(["en"]).score("awful", "en") < NEGATIVE
    assert own.score("okropna obsługa 👎", "pl") < VERY_UNHAPPY
    assert own.score("🐌", "es") < VERY_UNHAPPY
    assert load(["en"], tmp_path / "nowhere").score("terrible", "en") < NEGATIVE


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("words:\n  -2: bad\nmoods: nice\n", 3, "unknown key 'moods'"),
        ("words:\n  -2: bad\n  heavy: worse\n", 3, "'heavy' is no weight"),
        ("words:\n  -9: bad\n", 2, "-9 is no weight"),
        ("words:\n  true: bad\n", 2, "True is no weight"),
        ("words: bad\n", 1, "`words` maps a weight"),
        ("words:\n  -2: |\n    bad,\n    worse, b*d\n", 4, "'b*d' is no word"),
        ("words:\n  -2:\n    - bad\n    - no\n    - 12\n", 5, "12 is no word"),
        ("words:\n  -2: bad\n  -3: |\n    worse\n    Bad\n", 5, "'Bad' stands in this file twice"),
        ("words:\n  -2:\n", 2, "needs words"),
        ("reach:\n  before: 50\n", 2, "`reach` holds"),
        ("reach: 3\n", 1, "`reach` holds"),
        ("- bad\n", 1, "expected a mapping"),
        ("words:\n  -2: [bad\n", 3, "not valid YAML"),
    ],
)
def test_mistakes_are_named_by_file_and_line(tmp_path: Path, text: str, line: int, message: str) -> None:
    """A file that cannot be used is refused when it is loaded, with its line."""
    with pytest.raises(ConfigError) as caught:
        load(["en"], _project(tmp_path, en=text))
    problem = caught.value.problems[0]
    assert (problem.file, problem.line) == ("sentiment/en.yml", line)
    assert message in problem.message


def test_files_that_would_not_be_read(tmp_path: Path) -> None:
    """A misspelt file name is refused; the words of a language that is off are left alone, mistakes and all."""
    home = _project(tmp_path, **{"zh-hans": "words:\n  -2: 烂\n", "fr": "nonsense: ["})
    with pytest.raises(ConfigError, match=r"sentiment/zh-hans\.yml: .*zh-Hans\.yml"):
        load(["zh-Hans"], home)
    assert load(["en"], home).score("bad", "en") < NEGATIVE


def _blind(language: str) -> list[tuple[str, str]]:
    rows = (BLIND / f"{language}.tsv").read_text(encoding="utf-8").splitlines()
    pairs = [tuple(row.split("\t", 1)) for row in rows if row.strip() and not row.startswith("#")]
    return [(label, text) for label, text in pairs if label != "label"]


def _macro_f1(pairs: Iterable[tuple[str, str]]) -> float:
    right: Counter[str] = Counter()
    wanted: Counter[str] = Counter()
    given_: Counter[str] = Counter()
    for want, got in pairs:
        wanted[want] += 1
        given_[got] += 1
        right[want] += want == got
    return sum(2 * right[label] / (wanted[label] + given_[label]) for label in LABELS) / len(LABELS)


def _label(score: float) -> str:
    return "negative" if score < NEGATIVE else "positive" if score > POSITIVE else "neutral"


def _floors() -> dict[str, dict[str, float]]:
    floors: dict[str, dict[str, float]] = json.loads(FLOORS.read_text(encoding="utf-8"))
    return floors


def _precision(scored: Iterable[tuple[str, float]]) -> tuple[float, int]:
    """How many of the texts called very unhappy are negative, and how many were called so. None called: none wrong."""
    called = [label for label, score in scored if score <= VERY_UNHAPPY]
    return (called.count("negative") / len(called) if called else 1.0), len(called)


@pytest.mark.parametrize("language", LANGUAGES)
def test_quality_on_texts_written_by_others(sentiment: Sentiment, language: str) -> None:
    """On texts that nobody tuned on, macro F1 and the precision of "very unhappy" stay above their floors."""
    pairs = _blind(language)
    assert {label for label, _ in pairs} == set(LABELS)
    scored = [(label, sentiment.score(text, language)) for label, text in pairs]
    floor = _floors()[language]
    assert _macro_f1((label, _label(score)) for label, score in scored) >= floor["macro_f1"]
    assert _precision(scored)[0] >= floor["very_unhappy_precision"]


def test_very_unhappy_is_rare_and_right(sentiment: Sentiment) -> None:
    """Over all languages "very unhappy" is nearly always right, and not so rare that it is of no use."""
    scored = [(label, sentiment.score(text, language)) for language in LANGUAGES for label, text in _blind(language)]
    precision, called = _precision(scored)
    floor = _floors()["all"]
    assert precision >= floor["very_unhappy_precision"]
    assert called / sum(label == "negative" for label, _ in scored) >= floor["very_unhappy_recall"]
