"""surveys.yml: what it may say, and what is said about mistakes, by file and line."""

from __future__ import annotations

import shutil
from datetime import time
from pathlib import Path

import pytest

from bot.config import Config, ConfigError, SurveySettings, load_config
from bot.domain import load_domain
from bot.questionnaire import examine, require

ROOT = Path(__file__).parents[2]
HEAD = "definitions:\n  - name: one\n    kind: csat\n    trigger: manual\n"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A project without surveys.yml."""
    for name in ("config.yml", "domain.yml"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def read(home: Path, text: str) -> Config:
    """The configuration with these settings of surveys."""
    (home / "surveys.yml").write_text(text, encoding="utf-8")
    return load_config(home, home / "data", env={})


def test_the_shipped_file(config: Config) -> None:
    """Each trigger once; its rules are those of the documentation."""
    shipped = load_config(ROOT, config.data_dir, env={}).settings.surveys
    assert {item.trigger for item in shipped.definitions} == {
        "ticket_resolved", "conversation_closed", "bot_closed", "order_delivered", "quarterly", "manual",
    }  # fmt: skip
    assert shipped.quiet == (time(21), time(9)) and (shipped.cooldown_days, shipped.change_minutes) == (14, 60)
    assert shipped.is_low("csat", 2) and shipped.is_low("nps", 6) and shipped.is_low("ces", 3)
    assert not (shipped.is_low("csat", 3) or shipped.is_low("nps", 7) or shipped.is_low("feedback", 1))


def test_without_the_file(home: Path) -> None:
    """CSAT after a ticket and after a person's conversation; an empty file means the same."""
    assert load_config(home, home / "data", env={}).settings.surveys == SurveySettings()
    assert [item.trigger for item in SurveySettings().definitions] == ["ticket_resolved", "conversation_closed"]
    assert read(home, "# nothing\n").settings.surveys == SurveySettings()


def test_the_old_place_says_where_it_went(home: Path) -> None:
    """`surveys:` in config.yml names the line and the new file."""
    text = (home / "config.yml").read_text(encoding="utf-8")
    (home / "config.yml").write_text(text + "\nsurveys:\n  cooldown_days: 3\n", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_config(home, home / "data", env={})
    (problem,) = caught.value.problems
    assert problem.file == "config.yml" and problem.line == len(text.splitlines()) + 2
    assert "surveys.yml" in problem.message


@pytest.mark.parametrize(
    ("text", "line", "part"),
    [
        ("cooldown_dais: 3\n", 1, "unknown setting"),
        ('min_cell: 5\nquiet_hours: "25:00-09:00"\n', 2, "two times"),
        (HEAD + "    kin: csat\n", 5, "unknown setting"),
        (HEAD.replace("csat", "stars"), 3, "'csat', 'nps' or 'ces'"),
        (HEAD.replace("manual", "sometimes"), 4, "ticket_resolved"),
        (HEAD + "    sampling: 2\n", 5, "less than or equal to 1"),
        (HEAD + "    reminder_hours: 80\n", 2, "reminder_hours must be less"),
        (HEAD.replace("one", "Bad Name"), 2, "pattern"),
        (HEAD + HEAD.removeprefix("definitions:\n"), 1, "called 'one'"),
        (HEAD + "    audience:\n      languages: [xq]\n", 6, "not a language code"),
        (HEAD + "    audience:\n      languages: [pl]\n", 6, "'pl' is not among `languages` of config.yml"),
        (HEAD + "    audience:\n      channels: [fax]\n", 6, "'fax' is not among `connectors` of config.yml"),
        (HEAD + "    audience:\n      types: [broken]\n", 6, "damaged"),
        (HEAD.replace("manual", "quarterly") + "    audience:\n      types: [late]\n", 2, "belong to tickets"),
        ("- one\n", 1, "expected settings"),
    ],
)
def test_mistakes_are_named_with_their_line(home: Path, text: str, line: int, part: str) -> None:
    """File, line and what to write instead."""
    with pytest.raises(ConfigError) as caught:
        read(home, text)
    found = [(problem.file, problem.line) for problem in caught.value.problems if part in problem.message]
    assert found == [("surveys.yml", line)], caught.value.problems


@pytest.mark.parametrize(
    ("key", "part"),
    [
        ("utter_survey_nothing", "there is no `utter_survey_nothing`"),
        ("utter_ask_rating", "buttons of its own"),
        ("utter_survey_changed", "the placeholder {rating}"),
    ],
)
def test_questions_must_have_words(home: Path, key: str, part: str) -> None:
    """A question that domain.yml does not have, or that cannot be put, is named with its line."""
    config = read(home, f"{HEAD}    question: {key}\n")
    domain = load_domain(home)
    (problem,) = examine(config, domain)
    assert (problem.file, problem.line) == ("surveys.yml", 5) and part in problem.message
    with pytest.raises(ConfigError):
        require(config, domain)
    assert examine(read(home, HEAD), domain) == []
