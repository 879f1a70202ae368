"""`linguadesk nlu data check`: each kind of mistake is found where it is, and nothing else."""

from __future__ import annotations

import json
import time

import pytest
from click.testing import CliRunner

from bot.__main__ import cli
from bot.config import Config, ConfigError
from nlu import data_check
from nlu.data_check import Finding, check
from tests.nlu.conftest import Project

DOMAIN = "intents: [greet, thank, track_order, change_language, inform]\nentities: [order_number, email, phone]\n"


def nlu(**intents: list[str]) -> str:
    """A training file; the first example of the first intent is on line 5."""
    lines = ['version: "3.1"', "nlu:"]
    for intent, examples in intents.items():
        lines += [f"  - intent: {intent}", "    examples: |", *(f"      - {text}" for text in examples)]
    return "\n".join(lines) + "\n"


GREETINGS = [f"hello my friend number {name}" for name in ("one", "two", "three", "four", "five", "six", "seven")]


def checked(config: Config, kind: str, languages: tuple[str, ...] = ()) -> list[tuple[str, str, int]]:
    """Severity, file and line of the findings of one kind."""
    return [(item.severity, item.file, item.line) for item in check(config, languages) if item.kind == kind]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few examples are enough here."""
    monkeypatch.setattr(data_check, "ENOUGH", 2)


def test_good_data_has_no_findings(project: Project) -> None:
    """Different texts, enough of them, in the right letters."""
    files = {
        "en/a.yml": nlu(greet=GREETINGS[:3], thank=["thanks a lot", "cheers mate"]),
        "ru/a.yml": nlu(greet=["привет", "добрый день", "privet"], thank=["спасибо", "благодарю вас"]),
    }
    domain = "intents: [greet, thank]\nentities: []\n"
    assert check(project(files, ("en", "ru"), domain)) == []


def test_the_same_text_in_two_intents_is_an_error(project: Project) -> None:
    """Case and punctuation do not hide it; the same words in another language are no duplicate."""
    files = {
        "en/a.yml": nlu(greet=["hello there", "good day"], thank=["thank you", "Hello, there!"]),
        "es/a.yml": nlu(greet=["hola", "buenas"], thank=["gracias", "good day"]),
    }
    assert checked(project(files), "duplicate") == [("error", "nlu/data/en/a.yml", 10)]


def test_hindi_vowel_signs_make_different_words(project: Project) -> None:
    """Marks on letters are part of the word, not punctuation."""
    files = {"hi/a.yml": nlu(greet=["पता", "नमस्ते"], thank=["पिता", "धन्यवाद"])}
    assert checked(project(files, ("hi",)), "duplicate") == []


def test_nearly_the_same_text_in_two_intents_is_a_warning(project: Project) -> None:
    """A typo and another number make no other text; within one intent it is variety."""
    files = {
        "en/a.yml": nlu(
            track_order=["where is my order 100234 please tell me", "wheres my parcell that I have been waiting for"],
            greet=["where is my order 99881 please tel me", "where is my order 99881 please tell mee", "hi"],
        )
    }
    (first, second) = [item for item in check(project(files, ("en",))) if item.kind == "near-duplicate"]
    assert (first.severity, first.line, second.line) == ("warning", 9, 10)
    assert "nlu/data/en/a.yml:5" in first.message


def test_numbers_alone_are_not_near_duplicates(project: Project) -> None:
    """Two order numbers differ though all their digits count as one."""
    files = {"en/a.yml": nlu(inform=["100234", "200345"], track_order=["300456", "track it"])}
    assert checked(project(files, ("en",)), "near-duplicate") == []


def test_thin_intents_and_unbalanced_languages_are_warnings(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted by language; an intent that a language lacks altogether is thin as well."""
    monkeypatch.setattr(data_check, "ENOUGH", 3)
    files = {
        "en/a.yml": nlu(greet=GREETINGS, thank=["thanks", "thank you"]),
        "es/a.yml": nlu(greet=["hola", "buenas", "buenos días"]),
    }
    config = project(files)
    assert checked(config, "thin intent") == [
        ("warning", "nlu/data/en/a.yml", 14),
        ("warning", "nlu/data/es", 0),
    ]
    assert checked(config, "unbalanced language") == []
    (config.home / "nlu/data/en/b.yml").write_text(nlu(thank=[f"thanks {g}" for g in GREETINGS]), encoding="utf-8")
    assert checked(config, "unbalanced language") == [("warning", "nlu/data/es", 0)]


@pytest.mark.parametrize(
    ("language", "text", "wrong"),
    [
        ("fr", "где мой заказ", True),
        ("fr", "bonjour, où est mon colis", False),
        ("hi", "mera order kahan hai", False),
        ("ru", "gde moy zakaz", False),
        ("ru", "मेरा ऑर्डर कहाँ है", True),
        ("ja", "注文の状況を教えて", False),
        ("ja", "订单到哪里了", False),
        ("zh-Hans", "注文はどこですか", True),
        ("zh-Hans", "order 到哪了", False),
        ("ko", "주문 어디", False),
        ("ar", "وين طلبي order", False),
        ("en", "👍 100234", False),
    ],
)
def test_lines_in_wrong_letters(project: Project, language: str, text: str, wrong: bool) -> None:
    """Latin letters are at home everywhere; other letters only where the language is written in them."""
    files = {f"{language}/a.yml": nlu(greet=[text, "hello"], thank=["thanks", "merci"])}
    found = checked(project(files, (language,)), "wrong script")
    assert found == ([("error", f"nlu/data/{language}/a.yml", 5)] if wrong else [])


def test_asking_for_another_language_may_be_in_its_letters(project: Project) -> None:
    """A language's own name is right in any file."""
    files = {"fr/a.yml": nlu(change_language=["по-русски", "中文"], greet=["bonjour", "salut"])}
    assert checked(project(files, ("fr",)), "wrong script") == []


def test_unreadable_marks_and_unknown_names_are_errors(project: Project) -> None:
    """All of them in one go, with their lines."""
    files = {"en/a.yml": nlu(greet=["hi [you(name)", "hi [you](name)", "hello"], gret=["hey", "hiya"])}
    config = project(files, ("en",), DOMAIN)
    assert checked(config, "unreadable") == [("error", "nlu/data/en/a.yml", 5)]
    assert checked(config, "unknown name") == [("error", "nlu/data/en/a.yml", 6), ("error", "nlu/data/en/a.yml", 8)]


def test_marked_numbers_that_the_patterns_do_not_accept_are_warnings(project: Project) -> None:
    """Broken addresses and short numbers; good ones are left in peace."""
    files = {
        "en/a.yml": nlu(
            inform=[
                "[ana@example](email)",
                "[ana@example.com](email)",
                "order [100234](order_number)",
                "order [12](order_number)",
                "call [+31 6 1234 5678](phone)",
                "call [0000](phone)",
            ],
            greet=["hi", "hello"],
        )
    }
    found = checked(project(files, ("en",), DOMAIN), "entity value")
    assert found == [("warning", "nlu/data/en/a.yml", line) for line in (5, 8, 10)]


def with_evaluation(config: Config, lines: str) -> Config:
    folder = config.home / "nlu" / "eval"
    folder.mkdir(parents=True)
    (folder / "en.tsv").write_text(lines, encoding="utf-8")
    return config


def test_evaluation_lines_in_the_training_data_are_errors(project: Project) -> None:
    """With both places."""
    config = with_evaluation(project(), "intent\ttext\ngreet\tahoy\ngreet\tHELLO there!\n")
    (found,) = [item for item in check(config) if item.kind == "evaluation line in training"]
    assert (found.severity, found.file, found.line) == ("error", "nlu/eval/en.tsv", 3)
    assert "nlu/data/en/all.yml:5" in found.message


def test_an_unreadable_evaluation_file_is_an_error(project: Project) -> None:
    """It does not hide the other findings."""
    config = with_evaluation(project({"en/a.yml": nlu(greet=["hi", "hey"], thank=["hi", "ta"])}, ("en",)), "greet hi\n")
    kinds = {item.kind for item in check(config) if item.severity == "error"}
    assert kinds == {"unreadable", "duplicate"}


def test_one_language_can_be_checked_alone(project: Project) -> None:
    """What is wrong elsewhere is not shown; a language that is not configured is a mistake."""
    files = {
        "en/a.yml": nlu(greet=["hello", "hey [x(y)"], thank=["hello", "ta"]),
        "es/a.yml": nlu(greet=["hola", "buenas"], thank=["hola", "gracias"]),
    }
    config = project(files)
    assert {item.file for item in check(config, ["es"])} == {"nlu/data/es/a.yml"}
    with pytest.raises(ConfigError, match="'xx' is not among `languages`"):
        check(config, ["xx"])


def invoke(config: Config, *arguments: str) -> tuple[int, str]:
    (config.home / "config.yml").write_text("languages: [en, es]\n", encoding="utf-8")
    env = {"LINGUADESK_HOME": str(config.home), "LINGUADESK_DATA_DIR": str(config.data_dir)}
    result = CliRunner().invoke(cli, ["nlu", "data", "check", *arguments], env=env)
    return result.exit_code, result.output


def test_the_exit_code_tells_errors_from_warnings(project: Project) -> None:
    """1 with errors, 0 with warnings alone; brackets of the data survive the table."""
    config = project()
    code, output = invoke(config, "--format", "json")
    rows = json.loads(output)
    assert code == 0
    assert {row["severity"] for row in rows} <= {"warning"}
    assert set(rows[0]) == {"severity", "kind", "file", "line", "message"}
    path = config.home / "nlu/data/en/all.yml"
    path.write_text(path.read_text(encoding="utf-8").replace("- hi\n", "- hi [red]\n      - [x(y)\n"), encoding="utf-8")
    code, output = invoke(config, "--format", "csv")
    assert code == 1
    assert "error,unreadable,nlu/data/en/all.yml,7" in output
    assert invoke(config)[0] == 1


def test_findings_are_sorted_errors_first(project: Project) -> None:
    """Then by file and line."""
    files = {"en/a.yml": nlu(greet=["hello", "hey"], thank=["hello", "ta", "hey"], inform=["x"])}
    found = check(project(files, ("en",)))
    assert [item.severity for item in found] == sorted(item.severity for item in found)
    assert [item.line for item in found if item.severity == "error"] == [9, 11]
    assert found[0].row() == {
        "severity": "error",
        "kind": "duplicate",
        "file": "nlu/data/en/a.yml",
        "line": 9,
        "message": "“hello” stands under thank and, at nlu/data/en/a.yml:5, under greet; keep one of them",
    }
    assert isinstance(found[0], Finding)


def test_forty_thousand_lines_take_seconds(project: Project) -> None:
    """As many as fifteen languages have; the time allowed is for a busy machine."""
    words = ["order", "parcel", "refund", "address", "invoice", "late", "wrong", "broken", "shoes", "please", "where"]
    files = {}
    for number, language in enumerate(("en", "es", "fr", "de", "pt", "it", "nl", "tr")):
        lines = [
            f"{words[i % 11]} {words[i // 11 % 11]}{number} {words[i // 121 % 11]} {chr(97 + i % 26)}{i * 7919 % 5003}"
            for i in range(5000)
        ]
        files[f"{language}/a.yml"] = nlu(**{f"intent_{part}": lines[part::20] for part in range(20)})
    config = project(files, tuple(name.split("/")[0] for name in files))
    started = time.perf_counter()
    check(config)
    assert time.perf_counter() - started < 30
