"""Reports: the figures that test_quality does not cover, pages, comparison with the last one, cross-validation."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner

from bot.__main__ import cli
from bot.config import Config, ConfigError
from bot.contracts import Entity, LanguageGuess, Parse
from nlu.evaluate import Message, Report, cross_validate, evaluate, measure
from nlu.evaluation import measures, pictures
from nlu.evaluation.folds import assign
from nlu.evaluation.history import compare, compare_and_keep
from nlu.evaluation.messages import length_class
from nlu.evaluation.page import as_html
from nlu.evaluation.report import Mistake, Neighbour
from nlu.evaluation.similar import near_duplicates, nearest
from nlu.markup import Annotation
from nlu.training_data import Example
from tests.nlu.conftest import TINY, Project

EVAL = "intent\ttext\ngreet\tgood evening there\ntrack_order\twhere is parcel [77777](order_number)\n"


def small(project: Project, evil: str = "greet") -> Report:
    """A report on four messages, one of them wrong."""
    mark = Annotation("order_number", "77777", 16, 21)
    messages = [
        Message("where is parcel 77777", "track_order", "en", (mark,), seen=False, file="nlu/eval/en.tsv", line=2),
        Message("hi", "greet", "en", (), seen=False),
        Message("hola hola", evil, "es", (), seen=False),
        Message("qué tiempo hace", "out_of_scope", "es", (), seen=False),
    ]
    number = Entity("order_number", "77777", 16, 21)
    size = Entity("size", "7", 0, 1)

    def said(text: str, intent: str, sure: float, strange: float, language: str, *entities: Entity) -> Parse:
        ranking = ((intent, sure), ("out_of_scope", strange))
        return Parse(text, intent, sure, ranking, entities, LanguageGuess(language, 0.9))

    answers = {
        messages[0].text: said(messages[0].text, "track_order", 0.95, 0.01, "en", number, size),
        "hi": said("hi", "greet", 0.85, 0.02, ""),
        "hola hola": said("hola hola", "track_order", 0.45, 0.2, "es"),
        "qué tiempo hace": said("qué tiempo hace", "out_of_scope", 0.75, 0.75, "en"),
    }
    return measure(messages, answers.__getitem__, project(), {})


def test_tables_of_a_small_report(project: Project) -> None:
    """Confusion, bins, curve, lengths, entity groups and cells, by hand."""
    report = small(project)
    labels, table = report.confusion
    assert labels == ["greet", "out_of_scope", "track_order"]
    assert table == [[1, 0, 1], [0, 1, 0], [0, 0, 1]]
    assert [(row["right"], row["wrong"]) for row in report.confidence] == [
        *[(0, 0)] * 4,
        (0, 1),
        *[(0, 0)] * 2,
        (1, 0),
        (1, 0),
        (1, 0),
    ]
    assert report.roc[0] == (1.0, 0.0, 0.0)
    assert (0.75, 0.0, 1.0) in report.roc
    assert report.roc[-1][1:] == (1.0, 1.0)
    assert report.out_of_scope_auroc == 1.0
    assert report.language_by_length["1-3"] == {"messages": 3, "right": 0.3333, "wrong": 0.3333}
    assert report.language_by_length["4-8"] == {"messages": 1, "right": 1.0, "wrong": 0.0}
    assert report.entity_groups["pattern"] == {"precision": 1.0, "recall": 1.0, "f1": 1.0, "count": 1}
    assert report.entity_groups["learnt"]["precision"] == 0.0
    assert report.by_language_and_intent["es"]["greet"]["recall"] == 0.0
    assert report.by_language["en"]["calibration_error"] == 0.1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "1-3"),
        ("ok 👍", "1-3"),
        ("where is it", "1-3"),
        ("where is my order", "4-8"),
        ("one two three four five six seven eight nine", "9+"),
        ("退货", "1-3"),
        ("我想要退货", "1-3"),
        ("我想要退这双鞋子", "4-8"),
        ("注文した商品がまだ届いていません、どうなっていますか", "9+"),
        ("주문 어디까지 왔나요", "1-3"),
    ],
)
def test_lengths_are_counted_in_words(text: str, expected: str) -> None:
    """Two characters of a script without spaces are a word."""
    assert length_class(text) == expected


def test_the_roc_curve_agrees_with_its_area() -> None:
    """Trapezoids under the points give the AUROC; many scores stay few points."""
    pairs = [((i * 7919 % 1000) / 1000, i * 31 % 7 < 2 and i % 3 > 0) for i in range(1000)]
    points = measures.roc(pairs)
    assert len(points) <= 101
    area = sum(
        (b[1] - a[1]) * (a[2] + b[2]) / 2 for a, b in zip([(1, 0.0, 0.0), *points], [*points, points[-1]], strict=True)
    )
    assert abs(area - measures.auroc(pairs)) < 0.02
    assert measures.roc([(0.5, True)]) == []


def test_near_duplicates_and_neighbours() -> None:
    """Typos and other numbers are near, other words are not; the nearest comes first."""
    texts = ["where is my order 100234", "where is my order 555", "wheres my ordr 100234", "thanks a lot", ""]
    assert [(left, right) for left, right, _ in near_duplicates(texts)] == [(0, 1)]
    (found,) = nearest(["where is order 9 please"], texts, 2)
    assert {place for place, _ in found} == {0, 1}
    assert all(0 < likeness <= 1 for _, likeness in found)
    assert list(near_duplicates([])) == []
    assert nearest(["a"], [], 2) == [[]]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the tiny project's model is kept: the same examples need training once."""
    return tmp_path_factory.mktemp("models")


def with_evaluation(project: Project, lines: str = EVAL) -> Config:
    config = project(TINY)
    folder = config.home / "nlu" / "eval"
    folder.mkdir(parents=True)
    (folder / "en.tsv").write_text(lines, encoding="utf-8")
    return config


def test_the_whole_way_on_a_tiny_project(project: Project, models: Path) -> None:
    """Every language with messages is measured, those without are named, mistakes have neighbours."""
    config = replace(with_evaluation(project, EVAL + "greet\twhere is my parcel arriving\n"), data_dir=models)
    report = evaluate(config)
    assert (report.messages, list(report.by_language), report.without_messages) == (3, ["en"], ["es"])
    (mistake,) = report.mistakes
    assert (mistake.file, mistake.line, mistake.found) == ("nlu/eval/en.tsv", 4, "track_order")
    assert 1 <= len(mistake.nearest) <= 3
    assert mistake.nearest[0].intent == "track_order"
    assert mistake.nearest[0].file == "nlu/data/en/all.yml"
    assert "no evaluation messages for" in str(report)
    assert mistake.nearest[0].text in str(report)


class Page(HTMLParser):
    """What a browser would find: the words, and everything that would be fetched or run."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        # References within the page (#id) and the names of XML vocabularies fetch nothing.
        self.links += [
            value or ""
            for name, value in attrs
            if name in ("src", "href", "xlink:href", "data", "srcset") and not (value or "").startswith("#")
        ]

    def handle_data(self, data: str) -> None:
        self.words.append(data)


EVIL = "<script>alert('x')</script>&$a_b$"


def test_a_page_is_one_file_with_pictures_and_tables(project: Project) -> None:
    """Nothing is fetched, nothing runs, each picture has its numbers as text and as a table."""
    page = Page(as_html(small(project)))
    assert page.links == []
    assert not page.tags & {"script", "link", "img", "iframe", "image"}
    assert {"svg", "table"} <= page.tags
    words = [word.strip() for word in page.words]
    for title in (
        "Expected intent (rows) and found intent (columns)",
        "Confidence of right and wrong answers",
        "Reliability (expected calibration error 0.225)",
        "Telling what is out of scope (AUROC 1.000)",
        "Bins of confidence",
        "Most frequent confusions",
        "F1 by intent and language; below 0.8 underlined",
    ):
        assert title in words
    html = as_html(small(project))
    assert html.count('role="img"') == 4
    ids = re.findall(r'\bid="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    assert as_html(small(project)) == html


def test_a_page_escapes_whatever_stands_in_the_data(project: Project) -> None:
    """Names of intents, customers' words, names of files: text, in tables and in pictures."""
    report = small(project, EVIL)
    near = Neighbour(EVIL, EVIL, EVIL, 1, 0.5)
    report = replace(report, mistakes=[Mistake(EVIL, EVIL, EVIL, "", 0.4, EVIL, 1, (near,))], engine=EVIL)
    html = as_html(report)
    page = Page(html)
    assert "script" not in page.tags
    assert sum(EVIL in word for word in page.words) >= 8
    assert html.count("<script") == 0


def test_letters_of_all_scripts_are_drawn_as_text(project: Project) -> None:
    """Fonts of this machine do not matter."""
    assert "退货" in as_html(small(project, "退货"))


def test_a_matrix_of_very_many_intents_is_cut_to_the_confused_ones() -> None:
    """Those with mistakes are among those shown."""
    count = pictures.MOST_LABELS + 20
    table = [[int(row == column) for column in range(count)] for row in range(count)]
    table[3][count - 1] = 5
    shown = pictures.shown_labels([str(number) for number in range(count)], table)
    assert len(shown) == pictures.MOST_LABELS
    assert {3, count - 1} <= set(shown)
    assert shown == sorted(shown)


def test_without_the_extra_a_page_is_refused_before_the_work(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the extra; nothing has been measured or written."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    config = with_evaluation(project)
    code, output = invoke(config, "--html", str(config.home / "report.html"))
    assert (code, "linguadesk[reports]" in output) == (1, True)
    assert not (config.home / "report.html").exists()
    assert not config.models_dir.exists()


def invoke(config: Config, *arguments: str) -> tuple[int, str]:
    (config.home / "config.yml").write_text("languages: [en, es]\nrecognizer: {vectors: 'off'}\n", encoding="utf-8")
    env = {"LINGUADESK_HOME": str(config.home), "LINGUADESK_DATA_DIR": str(config.data_dir)}
    result = CliRunner().invoke(cli, ["nlu", "evaluate", *arguments], env=env)
    return result.exit_code, result.output


def test_the_command_writes_what_is_asked_for_and_remembers(project: Project, models: Path) -> None:
    """JSON to a file or to the terminal, a page, floors; the second run says what has changed."""
    config = replace(with_evaluation(project), data_dir=models)
    home = config.home
    files = [str(home / name) for name in ("a.json", "a.html", "floors.json")]
    code, output = invoke(config, "--json", files[0], "--html", files[1], "--write-floors", files[2])
    assert code == 0, output
    assert "out-of-scope AUROC" in output
    assert "Since the report" not in output
    assert json.loads(Path(files[0]).read_text(encoding="utf-8"))["messages"] == 2
    assert Path(files[1]).read_text(encoding="utf-8").startswith("<!doctype html>")
    assert "without vectors" in json.loads(Path(files[2]).read_text(encoding="utf-8"))
    code, output = invoke(config)
    assert "Nothing has changed since the report of 20" in output
    (home / "nlu/eval/en.tsv").write_text(EVAL + "greet\ttrack my parcel arrives\n", encoding="utf-8")
    code, output = invoke(config)
    assert re.search(r"language en accuracy\s+1\.000 → 0\.667\s+\(-0\.333\)", output)
    code, output = invoke(config, "--json", "-")
    assert json.loads(output)["changes"]["differences"] == []
    code, output = invoke(config, "--json")
    assert json.loads(output)["engine"] == "embedded"
    code, output = invoke(config, "--json", str(home))
    assert code == 1
    assert "cannot be written" in output


def test_comparison_names_what_got_better_and_worse(project: Project, tmp_path: Path) -> None:
    """By language, by intent and by entity; only figures that both reports have."""
    report = small(project)
    before = json.loads(json.dumps(report.to_json()))
    before["made"] = "2026-01-01T00:00:00+00:00"
    before["by_language"]["es"]["accuracy"] = 0.25
    before["by_intent"]["greet"]["f1"] = 1.0
    del before["by_intent"]["track_order"]
    found = {
        (item.kind, item.name, item.measure): (item.before, item.now) for item in compare(before, report).differences
    }
    assert found == {
        ("language", "es", "accuracy"): (0.25, 0.5),
        ("intent", "greet", "F1"): (1.0, 0.6667),
    }
    assert "2026-01-01" in str(compare(before, report))


def test_reports_of_other_languages_are_kept_apart(project: Project) -> None:
    """One language's report is not compared with all languages', and a damaged file is no report."""
    report, config = small(project), project()
    assert compare_and_keep(config, report, None) is None
    assert compare_and_keep(config, report, ["en"]) is None
    assert compare_and_keep(config, report, ["en"]) is not None
    for path in (config.data_dir / "reports").iterdir():
        path.write_text("{", encoding="utf-8")
    assert compare_and_keep(config, report, None) is None


def examples(count: int = 30) -> list[Example]:
    """Two intents in two languages, each text its own."""
    words = {"en": ("hello", "order"), "es": ("hola", "pedido")}
    return [
        Example(f"{words[language][kind]} {chr(97 + number % 26) * 5} {100000 + number}", intent, language, "f.yml", 1)
        for language in ("en", "es")
        for kind, intent in enumerate(("greet", "track_order"))
        for number in range(count)
    ]


def test_folds_are_balanced_and_keep_near_duplicates_together() -> None:
    """Each fold has its share of each intent of each language; variants of a text share a fold."""
    data = examples(30)
    texts = ("hello aaaaa 123456", "HELLO aaaaa 999999")
    variants = [Example(text, "greet", "en", "f.yml", 90) for text in texts]
    fold_of = assign([*data, *variants], 5)
    assert set(fold_of) == set(range(5))
    together = {fold_of[0], fold_of[26], *fold_of[len(data) :]}
    assert len(together) == 1
    for start in (30, 60, 90):
        sizes = [fold_of[start : start + 30].count(fold) for fold in range(5)]
        assert max(sizes) - min(sizes) <= 2
    assert assign(data, 5) == assign(data, 5)


CONTRARY = """\
version: "3.1"
nlu:
  - intent: greet
    examples: |
      - hello there friend
      - hi there everybody
      - good morning there
      - hey there you
      - hello dear people
      - where is my missing parcel zzyzx
  - intent: track_order
    examples: |
      - where is my order
      - where is my parcel today
      - where did my parcel go
      - track my parcel please
      - when does my parcel arrive
      - where is my package now
"""


def test_cross_validation_measures_with_models_that_have_not_seen_the_message(project: Project) -> None:
    """A line filed under the wrong intent is learnt by heart, and is found out here; all lines are measured."""
    config = project({"en/a.yml": CONTRARY}, ("en",))
    said: list[str] = []
    found = cross_validate(config, 3, progress=lambda _done, what: said.append(what))
    assert (found.folds, found.examples, len(found.accuracy_of_folds)) == (3, 12, 3)
    assert [what for what in said if what.startswith("Fold")] == ["Fold 1 of 3", "Fold 2 of 3", "Fold 3 of 3"]
    (contrary,) = [item for item in found.mistakes if "zzyzx" in item.text]
    assert (contrary.expected, contrary.found, contrary.file, contrary.line) == (
        "greet",
        "track_order",
        "nlu/data/en/a.yml",
        10,
    )
    assert found.by_language["en"]["messages"] == 12
    assert found.accuracy == round(1 - len(found.mistakes) / 12, 4)


def test_cross_validation_needs_no_evaluation_messages(project: Project) -> None:
    """A project without nlu/eval can be measured on its own examples; the page and the tables have them."""
    config = project({"en/a.yml": CONTRARY}, ("en",))
    report = evaluate(config, folds=2)
    assert report.messages == 0
    assert report.cross_validation is not None
    assert "2 folds of 12 training examples" in str(report)
    assert "<h2>Cross-validation</h2>" in as_html(report)
    assert "<h2>Overview</h2>" not in as_html(report)
    with pytest.raises(ConfigError, match="no evaluation messages"):
        evaluate(config)


def test_cross_validation_of_too_few_examples_is_refused(project: Project) -> None:
    """With a sentence, not a crash."""
    with pytest.raises(ConfigError, match="12 examples are too few for 10 folds"):
        cross_validate(project({"en/a.yml": CONTRARY}, ("en",)), 10)
