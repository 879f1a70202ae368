"""A merchant's own Rasa 3 project, taken as it is: their intents, their words, their folders."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from bot.__main__ import cli
from bot.config import Config, Problem, load_config
from bot.domain import load_domain
from nlu import store
from nlu.data_check import check
from nlu.recognizers.embedded import EmbeddedRecognizer
from nlu.training_data import data_files, load_training_data

MERCHANT = Path(__file__).parent / "merchant"


def configured(home: Path, data_dir: Path) -> Config:
    """Their project as it is, without the sentence vectors, which take longer to load than this test."""
    config = load_config(home, data_dir, env={})
    recognizer = config.settings.recognizer.model_copy(update={"vectors": "off"})
    return replace(config, settings=config.settings.model_copy(update={"recognizer": recognizer}))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A copy to change."""
    shutil.copytree(MERCHANT, tmp_path / "project")
    return tmp_path / "project"


@pytest.fixture(scope="module")
def recognizer(tmp_path_factory: pytest.TempPathFactory) -> EmbeddedRecognizer:
    """Trained on their files, which nobody has touched."""
    return EmbeddedRecognizer.load(configured(MERCHANT, tmp_path_factory.mktemp("merchant")))


def warnings_of(config: Config) -> dict[tuple[str, int], str]:
    return {(item.file, item.line): item.message for item in load_training_data(config).warnings}


def test_the_language_is_the_one_that_their_configuration_names() -> None:
    """Rasa's `language` stands for `languages`, which their config.yml does not have."""
    settings = load_config(MERCHANT, env={}).settings
    assert settings.languages == ("de",)
    assert settings.shop.default_language == "de"


@pytest.mark.parametrize(("line", "expected"), [("", "en"), ("language: xx\n", "en"), ("language: pt\n", "pt")])
def test_a_missing_or_unknown_language_is_english(home: Path, line: str, expected: str) -> None:
    """Rasa's own default."""
    (home / "config.yml").write_text(f"recipe: default.v1\n{line}pipeline:\npolicies:\n", encoding="utf-8")
    assert load_config(home, env={}).settings.languages == (expected,)


@pytest.mark.parametrize(
    ("text", "intent"),
    [
        ("Hallo zusammen!", "begruessen"),
        ("kann ich ein Lastenrad in Leipzig mieten", "rad_mieten"),
        ("wie gebe ich das Rad zurück?", "rad_zurueckgeben"),
        ("die Bremse ist kaputt", "panne_melden"),
        ("wie lange habt ihr heute geöffnet", "faq"),
        ("ist eine Kaution fällig?", "faq"),
    ],
)
def test_their_intents_are_recognised(recognizer: EmbeddedRecognizer, text: str, intent: str) -> None:
    """Messages that stand in none of their files; a retrieval intent goes by the name their domain has."""
    parse = recognizer.parse_sync(text)
    assert parse.intent == intent
    assert parse.language.language == "de"


def test_their_entities_synonyms_lookups_and_patterns_work(recognizer: EmbeddedRecognizer) -> None:
    """A city of the lookup table, a number of the regular expression, a synonym's canonical value."""
    parse = recognizer.parse_sync("ein elektrorad in Bremen, Nummer HB-0042 bitte mieten, am liebsten ein e-bike")
    assert parse.values("stadt") == ("Bremen",)
    assert parse.values("radnummer") == ("HB-0042",)
    assert set(parse.values("radtyp")) == {"ebike"}


def test_buttons_of_their_domain_are_understood(recognizer: EmbeddedRecognizer) -> None:
    """A payload in Rasa's form presses exactly."""
    parse = recognizer.parse_sync('/rad_mieten{"stadt": "Kiel"}')
    assert (parse.intent, parse.values("stadt")) == ("rad_mieten", ("Kiel",))


def test_all_their_examples_are_read_wherever_they_are(tmp_path: Path) -> None:
    """Split files, sub-folders, the long form with metadata; stories and rules are left alone."""
    data = load_training_data(configured(MERCHANT, tmp_path))
    assert {intent: sum(item.intent == intent for item in data.examples) for intent in data.intents} == {
        "begruessen": 8,
        "faq": 12,
        "panne_melden": 8,
        "rad_mieten": 10,
        "rad_zurueckgeben": 8,
    }
    (brake,) = [item for item in data.examples if "bremse" in item.text]
    assert (brake.file, brake.line, brake.annotations[0].entity) == ("data/nlu/panne.yml", 10, "radnummer")


def test_what_is_not_supported_is_warned_about_by_file_and_line(tmp_path: Path) -> None:
    """Retrieval answers, roles, expressions that are only features, JSON: said, not silently dropped."""
    found = warnings_of(configured(MERCHANT, tmp_path))
    assert "'faq/oeffnungszeiten' is recognised as 'faq'" in found["data/faq.yml", 3]
    assert "roles and groups" in found["data/nlu/miete.yml", 23]
    assert "'hilferuf' names no entity" in found["data/woerter.yml", 19]
    assert "JSON" in found["data/alt.json", 0]
    assert len(found) == 4


def test_mistakes_in_their_files_are_warnings_too(home: Path, tmp_path: Path) -> None:
    """Rasa would have trained with these; so do we, and say where they are."""
    (home / "data" / "neu.yml").write_text(
        'version: "3.1"\nnlu:\n  - intent: neu\n    examples: |\n      - ganz [neu(stadt)\n      - auch neu hier\n'
        "  - intent: leer\n  - regex: stadt\n    examples: |\n      - (\n  - etwas: anderes\nsonstiges: 1\n",
        encoding="utf-8",
    )
    config = configured(home, tmp_path / "out")
    found = warnings_of(config)
    assert {line for file, line in found if file == "data/neu.yml"} == {3, 5, 7, 10, 11, 12}
    assert [item.text for item in load_training_data(config).examples if item.intent == "neu"] == ["auch neu hier"]


def test_a_broken_file_is_an_error_with_its_line(home: Path, tmp_path: Path) -> None:
    """What cannot be read at all cannot be trained on."""
    (home / "data" / "kaputt.yml").write_text("nlu:\n  - intent: [\n", encoding="utf-8")
    result = CliRunner().invoke(
        cli, ["nlu", "train", "--data-dir", str(tmp_path / "out")], env={"LINGUADESK_HOME": str(home)}
    )
    assert result.exit_code == 1
    assert "data/kaputt.yml:3: this is not valid YAML" in result.output


def test_a_domain_in_a_folder_is_read_and_its_changes_train_anew(home: Path, tmp_path: Path) -> None:
    """Rasa allows `domain/` in place of domain.yml; what it declares belongs to the model."""
    folder = home / "domain" / "mehr"
    folder.mkdir(parents=True)
    (home / "domain.yml").rename(home / "domain" / "haupt.yml")
    (folder / "extra.yml").write_text('version: "3.1"\nintents:\n  - nur_knopf\n', encoding="utf-8")
    config = configured(home, tmp_path / "out")
    assert warnings_of(config)["domain.yml", 0] == "the intent 'nur_knopf' has no example, so it is never recognised"
    before = store.content_hash(config)
    assert "nur_knopf" in load_training_data(config).domain_intents
    (folder / "extra.yml").write_text('version: "3.1"\nintents:\n  - anderer_knopf\n', encoding="utf-8")
    assert store.content_hash(config) != before


def test_a_folder_of_domain_files_is_one_domain(tmp_path: Path) -> None:
    """Names of all files together; a mistake is named with its file."""
    folder = tmp_path / "domain"
    folder.mkdir()
    (folder / "a.yml").write_text("intents: [greet]\nresponses:\n  utter_greet:\n    - text: hi\n", encoding="utf-8")
    (folder / "b.yaml").write_text("intents: [thank]\nentities: [city]\n", encoding="utf-8")
    domain = load_domain(tmp_path)
    assert (domain.intents, domain.entities, set(domain.responses)) == (("greet", "thank"), ("city",), {"utter_greet"})
    (folder / "b.yaml").write_text("intents: [thank, thank]\n", encoding="utf-8")
    with pytest.raises(Exception, match=r"domain/b\.yaml:1: `thank` stands twice"):
        load_domain(tmp_path)


def test_models_beside_their_data_are_not_taken_for_it(home: Path) -> None:
    """The data folder defaults to ./data, where Rasa keeps examples: one does not become the other."""
    config = configured(home, home / "data")
    stray = config.models_dir / "copy.yml"
    stray.parent.mkdir()
    stray.write_text("nlu:\n  - intent: stray\n    examples: |\n      - stray\n", encoding="utf-8")
    assert stray not in {path for path, _ in data_files(config)}
    assert "stray" not in load_training_data(config).intents


def test_files_in_a_folder_named_after_a_language_are_in_it(home: Path, tmp_path: Path) -> None:
    """A merchant who adds a language to `languages` puts its examples into data/<language>."""
    with (home / "config.yml").open("a", encoding="utf-8") as stream:
        stream.write("languages: [de, nl]\nshop: {default_language: de}\n")
    (home / "data" / "nl").mkdir()
    (home / "data" / "nl" / "nlu.yml").write_text(
        "nlu:\n  - intent: begruessen\n    examples: |\n      - goedemorgen\n", encoding="utf-8"
    )
    data = load_training_data(configured(home, tmp_path / "out"))
    assert [item.text for item in data.examples if item.language == "nl"] == ["goedemorgen"]
    assert data.languages == ("de", "nl")


def test_the_commands_work_on_their_project(home: Path, tmp_path: Path) -> None:
    """Pointed at it by LINGUADESK_HOME: messages in, their intents out; the data check names their files."""
    with (home / "config.yml").open("a", encoding="utf-8") as stream:
        stream.write("recognizer: {vectors: 'off'}\n")
    env = {"LINGUADESK_HOME": str(home), "LINGUADESK_DATA_DIR": str(tmp_path / "out")}
    result = CliRunner().invoke(cli, ["nlu", "parse"], input="ich möchte ein e-bike mieten\n", env=env)
    assert result.exit_code == 0, result.output
    assert json.loads(result.output)["intent"]["name"] == "rad_mieten"
    result = CliRunner().invoke(cli, ["nlu", "data", "check", "--format", "json"], env=env)
    assert result.exit_code == 0
    assert {"data/faq.yml", "data/alt.json"} <= {row["file"] for row in json.loads(result.output)}
    result = CliRunner().invoke(cli, ["check"], env=env)
    assert result.exit_code == 1
    assert "Traceback" not in result.output


def test_the_data_check_finds_their_thin_intents(tmp_path: Path) -> None:
    """Eight examples are few, and the first of them says where."""
    found = [item for item in check(configured(MERCHANT, tmp_path)) if item.kind == "thin intent"]
    assert ("data/nlu/miete.yml", 6) in {(item.file, item.line) for item in found}
    assert {item.severity for item in found} == {"warning"}


def test_problems_are_plain_sentences(tmp_path: Path) -> None:
    """Nothing of Python's own wording reaches the operator."""
    for problem in load_training_data(configured(MERCHANT, tmp_path)).warnings:
        assert isinstance(problem, Problem)
        assert "Error" not in problem.message
