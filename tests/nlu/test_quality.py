"""How good the shipped model is, and that the figures mean what they say."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.config import Config, ConfigError, load_config
from bot.contracts import Entity, LanguageGuess, Parse
from nlu.evaluate import Message, Report, auroc, calibration_error, evaluate, load_messages, measure
from nlu.markup import Annotation
from nlu.vectors import installed_version
from tests.nlu.conftest import ROOT, TINY, Project

SHIPPED = load_config(ROOT, env={}).settings.languages
MEASURED = tuple(language for language in SHIPPED if (ROOT / "nlu/eval" / f"{language}.tsv").is_file())


@pytest.fixture(scope="module")
def report(real: object, model_dir: Path) -> Report:
    """The real recogniser, measured on the messages that training has not seen."""
    return evaluate(load_config(ROOT, model_dir, env={}))


@pytest.mark.parametrize("language", MEASURED)
def test_accuracy_of_each_language(report: Report, language: str) -> None:
    """A little under what was measured, so that a worse model or worse data is noticed."""
    floor = 0.92 if installed_version() else 0.85
    assert report.by_language[language]["accuracy"] >= floor
    assert report.by_language[language]["language"] >= 0.94


def test_overall_figures(report: Report) -> None:
    """Confidence means what it says, and what is out of scope scores as such."""
    assert report.macro_f1 >= 0.9
    assert report.calibration_error <= 0.08
    assert report.out_of_scope_auroc >= 0.95
    assert report.language_wrong <= 0.02
    assert report.fallback["in scope"] <= 0.05
    for entity, floor in {
        "order_number": 0.97,
        "tracking_number": 0.97,
        "ticket_number": 0.97,
        "email": 0.97,
        "phone": 0.9,
        "language": 0.95,
        "amount": 0.85,
        "date": 0.88,
        "product": 0.55,
    }.items():
        assert report.entities[entity]["f1"] >= floor, entity


def test_no_evaluation_message_is_in_the_training_data(report: Report) -> None:
    """Not even with other case, accents or punctuation: what was learnt by heart proves nothing."""
    messages = load_messages(load_config(ROOT, env={}))
    assert [message.text for message in messages if message.seen] == []
    assert (report.messages, report.seen) == (len(messages), 0)


def test_the_report_is_shown_and_exported(report: Report) -> None:
    """Tables for people, plain data for machines."""
    assert "out-of-scope AUROC" in str(report)
    data = report.to_json()
    assert data["accuracy"] == report.accuracy
    assert data["mistakes"] == [] or {"text", "expected", "found"} <= set(data["mistakes"][0])


def config_with(project: Project, lines: str, languages: tuple[str, ...] = ("en", "es")) -> Config:
    config = project(TINY, languages)
    folder = config.home / "nlu" / "eval"
    folder.mkdir(parents=True)
    (folder / "en.tsv").write_text(lines, encoding="utf-8")
    return config


def test_messages_are_read_with_marks_and_compared_with_training(project: Project) -> None:
    """Case, accents and punctuation do not hide that a message is known."""
    config = config_with(project, "intent\ttext\ngreet\tHELLO there!!\ntrack_order\twhere is [99999](order_number)\n")
    seen, fresh = load_messages(config)
    assert (seen.seen, fresh.seen) == (True, False)
    assert (fresh.text, fresh.language, fresh.annotations) == (
        "where is 99999",
        "en",
        (Annotation("order_number", "99999", 9, 14),),
    )


@pytest.mark.parametrize(
    ("lines", "line"), [("greet\thi\n", 1), ("intent\ttext\ngreet hi\n", 2), ("intent\ttext\n\ngreet\t[a(b)\n", 3)]
)
def test_broken_evaluation_files_are_explained(project: Project, lines: str, line: int) -> None:
    """File and line of what cannot be read."""
    with pytest.raises(ConfigError) as raised:
        load_messages(config_with(project, lines))
    assert [(item.file, item.line) for item in raised.value.problems] == [("nlu/eval/en.tsv", line)]


def test_a_language_without_messages_is_an_error_only_when_asked_for(project: Project) -> None:
    """By default what is there is measured; a language named by hand must be there."""
    config = config_with(project, "intent\ttext\ngreet\tahoy\n")
    assert len(load_messages(config)) == 1
    with pytest.raises(ConfigError, match="'es'"):
        load_messages(config, ["es"])


def test_measures_are_right_on_a_small_example(project: Project) -> None:
    """Accuracy, confusions and entity scores by hand."""
    mark = Annotation("size", "42", 0, 2)
    messages = [
        Message("42", "inform", "en", (mark,), seen=False),
        Message("hi", "greet", "en", (), seen=False),
        Message("yo", "greet", "es", (), seen=False),
        Message("hello", "greet", "en", (), seen=True),
    ]
    answers = {
        "42": Parse("42", "inform", 0.9, (("inform", 0.9),), (Entity("size", "42", 0, 2), Entity("date", "x", 0, 1))),
        "hi": Parse("hi", "greet", 0.8, (("greet", 0.8),), (), LanguageGuess("en", 0.9)),
        "yo": Parse("yo", "inform", 0.6, (("inform", 0.6),), (), LanguageGuess("en", 0.9)),
        "hello": Parse("hello", "greet", 1.0),
    }
    report = measure(messages, answers.__getitem__, project(), {})
    assert (report.messages, report.seen) == (3, 1)
    assert (report.accuracy, report.accuracy_all) == (0.6667, 0.75)
    assert report.confusions == [("greet", "inform", 1)]
    assert [item.text for item in report.mistakes] == ["yo"]
    assert report.entities["size"]["f1"] == 1.0
    assert report.entities["date"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "count": 0}
    assert (report.language_accuracy, report.language_wrong) == (0.3333, 0.3333)
    assert report.by_intent["greet"] == {"precision": 1.0, "recall": 0.5, "f1": 0.6667, "count": 2}


def test_calibration_error_and_auroc() -> None:
    """Both agree with their definitions."""
    assert calibration_error([(0.95, True)] * 19 + [(0.95, False)]) == 0.0
    assert calibration_error([(0.9, False)] * 4) == 0.9
    assert auroc([(0.9, True), (0.1, False), (0.5, False), (0.5, True)]) == 0.875
    assert auroc([(0.9, True)]) == 0.0
