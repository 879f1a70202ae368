"""Reading nlu/data: what is understood, and what is said about mistakes."""

from __future__ import annotations

import pytest

from bot.config import ConfigError, Problem
from nlu.markup import Annotation, MarkupError, parse_markup
from nlu.training_data import load_training_data
from tests.nlu.conftest import Project


def nlu(body: str) -> str:
    return 'version: "3.1"\nnlu:\n' + body


def problems(project: Project, files: dict[str, str], **options: object) -> tuple[Problem, ...]:
    with pytest.raises(ConfigError) as raised:
        load_training_data(project(files, **options))
    return raised.value.problems


def test_examples_know_their_language_file_and_line(project: Project) -> None:
    """The folder is the language; files above it have none; lines are those an editor shows."""
    files = {
        "en/a.yml": nlu("  - intent: greet\n    examples: |\n      - hi\n\n      - hello\n"),
        "numbers.yml": nlu("  - intent: inform\n    examples: |\n      - 100234\n"),
    }
    data = load_training_data(project(files, languages=("en",)))
    found = {(item.text, item.language, item.file, item.line) for item in data.examples}
    assert found == {
        ("hi", "en", "nlu/data/en/a.yml", 5),
        ("hello", "en", "nlu/data/en/a.yml", 7),
        ("100234", "", "nlu/data/numbers.yml", 5),
    }
    assert data.languages == ("en",)
    assert data.intents == ("greet", "inform")


def test_list_form_with_metadata_is_read(project: Project) -> None:
    """Rasa's longer form, with `text:` and metadata, gives the same examples."""
    body = (
        "  - intent: greet\n    examples:\n      - text: |\n          hi there\n"
        "        metadata:\n          sentiment: neutral\n"
        "      - text: hello\n  - intent: bye\n    examples:\n      - goodbye\n"
    )
    data = load_training_data(project({"en/a.yml": nlu(body)}, languages=("en",)))
    assert [(item.intent, item.text, item.line) for item in data.examples] == [
        ("greet", "hi there", 6),
        ("greet", "hello", 9),
        ("bye", "goodbye", 12),
    ]


def test_synonyms_regexes_and_lookups_are_read(project: Project) -> None:
    """The other sections of the format come out under their names."""
    body = (
        "  - intent: greet\n    examples: |\n      - hi\n"
        "  - synonym: damaged\n    examples: |\n      - broken\n"
        "  - regex: sku\n    examples: |\n      - SKU\\d{4}\n"
        "  - lookup: color\n    examples: |\n      - red\n      - blue\n"
    )
    data = load_training_data(project({"en/a.yml": nlu(body)}, languages=("en",)))
    assert [(item.name, item.text) for item in data.synonyms] == [("damaged", "broken")]
    assert [(item.name, item.text) for item in data.regexes] == [("sku", r"SKU\d{4}")]
    assert [(item.name, item.text, item.line) for item in data.lookups] == [("color", "red", 14), ("color", "blue", 15)]


@pytest.mark.parametrize(
    ("raw", "text", "annotations"),
    [
        ("order [100234](order_number)!", "order 100234!", [Annotation("order_number", "100234", 6, 12)]),
        ('in [German]{"entity": "language", "value": "de"}', "in German", [Annotation("language", "de", 3, 9)]),
        (
            "[red](color:#f00) [shoes](product)",
            "red shoes",
            [Annotation("color", "#f00", 0, 3), Annotation("product", "shoes", 4, 9)],
        ),
        (
            '[NY][{"entity": "city"}, {"entity": "place", "value": "New York"}]',
            "NY",
            [Annotation("city", "NY", 0, 2), Annotation("place", "New York", 0, 2)],
        ),
        ("plain [sic] text", "plain [sic] text", []),
        (
            "把[鞋](product)换成[42](size)码",
            "把鞋换成42码",
            [Annotation("product", "鞋", 1, 2), Annotation("size", "42", 4, 6)],
        ),
    ],
)
def test_entity_marks(raw: str, text: str, annotations: list[Annotation]) -> None:
    """Every form of mark gives the plain text and spans that slice it."""
    assert parse_markup(raw) == (text, tuple(annotations))


@pytest.mark.parametrize(
    "raw",
    ["a [b(c)", "a b](c)", "[b]{entity: c}", '[b]{"value": "c"}', "[[b](c)", "[b](c d", "[](c)", '[b]{"entity": ""}'],
)
def test_broken_entity_marks_are_refused(raw: str) -> None:
    """A mark that cannot be read is an error, not silently part of the text."""
    with pytest.raises(MarkupError):
        parse_markup(raw)


def test_all_problems_of_all_files_are_reported_at_once(project: Project) -> None:
    """One error names every mistake with file, exact line and what to do."""
    files = {
        "en/a.yml": nlu(
            "  - intent: greet\n    examples: |\n      - hi\n      - hello [there(product)\n"
            "  - intent: empty\n    examples: |\n  - intent: nothing\n"
        ),
        "es/b.yml": nlu(
            "  - intent: greet\n    examples: |\n      - hola\n      buenas\n  - regex: x\n    examples: |\n      - (\n"
        ),
        "es/c.yml": "nlu: [\n",
    }
    found = [(item.file, item.line) for item in problems(project, files)]
    assert found == [
        ("nlu/data/en/a.yml", 6),
        ("nlu/data/en/a.yml", 7),
        ("nlu/data/en/a.yml", 9),
        ("nlu/data/es/b.yml", 6),
        ("nlu/data/es/b.yml", 9),
        ("nlu/data/es/c.yml", 2),
    ]


def test_names_are_compared_with_the_domain(project: Project) -> None:
    """An intent or entity that domain.yml does not declare is an error with its line."""
    files = {
        "en/a.yml": nlu(
            "  - intent: greet\n    examples: |\n      - hi [you](who)\n"
            "  - intent: gret\n    examples: |\n      - hey\n"
        )
    }
    domain = "intents:\n  - greet:\n      use_entities: []\n  - thank\nentities:\n  - product\n"
    found = problems(project, files, languages=("en",), domain=domain)
    assert [(item.line, item.warning) for item in found] == [(5, False), (6, False), (0, True)]
    assert "'who'" in found[0].message
    assert "'gret'" in found[1].message
    assert "'thank'" in found[2].message


def test_the_same_text_under_two_intents_is_a_warning(project: Project) -> None:
    """Ambiguous examples do not stop training; both places are named."""
    files = {
        "en/a.yml": nlu(
            "  - intent: yes\n    examples: |\n      - Sure\n"
            "  - intent: thanks\n    examples: |\n      - sure\n      - ta\n"
        )
    }
    (warning,) = load_training_data(project(files, languages=("en",))).warnings
    assert (warning.line, warning.warning) == (8, True)
    assert "nlu/data/en/a.yml:5" in warning.message


def test_a_language_without_a_folder_is_an_error(project: Project) -> None:
    """Naming a language in config.yml without training data says what to do."""
    config = project({"en/a.yml": nlu("  - intent: greet\n    examples: |\n      - hi\n")}, languages=("en", "fr"))
    with pytest.raises(ConfigError, match="nlu/data/fr: there is no training data for the language 'fr'"):
        load_training_data(config)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("- just a list\n", 1),
        ("nlu: text\n", 1),
        ("intents: {}\n", 1),
        ("nlu:\n  - examples: |\n      - hi\n", 2),
        ("nlu:\n  - intent:\n    examples: |\n      - hi\n", 2),
        ("nlu:\n  - intent: greet\n    examples: {}\n", 2),
        ("nlu:\n\t- intent: greet\n", 2),
    ],
)
def test_files_of_another_shape_are_explained(project: Project, text: str, line: int) -> None:
    """Anything that is not the expected structure is a problem with a line, never a crash."""
    assert problems(project, {"en/a.yml": text}, languages=("en",))[0].line == line


def test_a_file_that_is_not_text_is_explained(project: Project) -> None:
    """Bytes that are not UTF-8 are reported with the file's name."""
    config = project({}, languages=("en",))
    (config.home / "nlu/data/en").mkdir(parents=True)
    (config.home / "nlu/data/en/a.yml").write_bytes(b"nlu: \xff\xfe")
    with pytest.raises(ConfigError, match=r"nlu/data/en/a\.yml: the file is not UTF-8"):
        load_training_data(config)
