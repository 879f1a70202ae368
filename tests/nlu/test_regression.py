"""What has been put right stays right: the regression cases, and how corrections become such cases."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML
from sqlalchemy import select

from bot.__main__ import cli
from bot.config import Config, ConfigError, load_config
from bot.contracts import Author
from bot.services import corrections
from bot.storage import Database
from bot.storage.migrate import upgrade
from bot.storage.models import Conversation, Correction, Message, Role, User
from nlu import learning
from nlu.evaluation.messages import load_messages, normal_form
from nlu.learning import Lesson, case_file, failing, load_cases, plan, training_file, write
from nlu.recognizers.embedded import EmbeddedRecognizer
from nlu.training_data import read_training_data
from tests.nlu.conftest import ROOT, TINY, Project

SHIPPED = load_config(ROOT, env={})
DOMAIN = """\
version: "3.1"
intents: [greet, track_order, ask_product, goodbye]
entities: [order_number, email, phone, product, complaint_type, language, date]
"""
BYE = """\
version: "3.1"
nlu:
  - intent: goodbye
    examples: |
      - bye bye
      - see you later
      - farewell, see you
      - bye for now
"""
CONFIG = """\
recipe: default.v1
language: en
languages: [en, es]
shop: {default_language: en, country: NL}
recognizer: {vectors: 'off', language_detector: statistical}
"""


# ---- the product's own cases


@pytest.mark.parametrize("language", SHIPPED.settings.languages)
def test_every_case_of_a_language_is_still_understood(real: EmbeddedRecognizer, language: str) -> None:
    """Whatever is changed in data or code: what was right, and has been put right, stays so."""
    cases = [case for case in load_cases(SHIPPED) if case.language == language]
    assert cases, f"there is no case in nlu/regression/{language}.tsv"
    assert failing(real.parse_sync, cases) == []


def test_no_case_measures_the_recogniser() -> None:
    """Cases may be in the training data, evaluation messages may not: no text is both."""
    measured = {(item.language, normal_form(item.text)) for item in load_messages(SHIPPED)}
    cases = load_cases(SHIPPED)
    assert [case.text for case in cases if (case.language, normal_form(case.text)) in measured] == []
    intents = set(read_training_data(SHIPPED)[0].intents)
    assert {case.intent for case in cases} <= intents
    assert len({(case.language, normal_form(case.text)) for case in cases}) == len(cases)


# ---- a project of one's own


@pytest.fixture
def tiny(project: Project) -> Config:
    """A project in two languages that trains in a moment."""
    return project(TINY, domain=DOMAIN)


def cases_are(config: Config, text: str, language: str = "en") -> None:
    """Write a file of cases."""
    path = case_file(config, language)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_a_case_that_is_not_understood_fails(tiny: Config) -> None:
    """By file, line, and what was understood instead; one that is understood does not."""
    cases_are(tiny, "intent\ttext\ngreet\thello there\ntrack_order\thi good morning\n")
    verdict = learning.check(tiny)
    (wrong,) = verdict.failing
    assert wrong.startswith("nlu/regression/en.tsv:3: “hi good morning” is understood as greet")
    assert (verdict.cases, verdict.good, verdict.accuracy) == (2, False, None)


@pytest.mark.parametrize("text", ["greet\thi\n", "intent\ttext\ngreet hi\n", "intent\ttext\ngreet\t[a(b)\n"])
def test_a_broken_file_of_cases_is_explained(tiny: Config, text: str) -> None:
    """A file that cannot be read is not a file without failures."""
    cases_are(tiny, text)
    with pytest.raises(ConfigError, match=r"nlu/regression/en\.tsv:[12]"):
        load_cases(tiny)


def examples(config: Config, language: str) -> dict[str, list[str]]:
    """What the learnt file of a language holds, by intent, as Rasa reads it."""
    document = YAML(typ="safe").load(training_file(config, language).read_text(encoding="utf-8"))
    return {item["intent"]: item["examples"].splitlines() for item in document["nlu"]}


def test_a_lesson_becomes_an_example_and_a_case(tiny: Config) -> None:
    """Sure entities are marked; what was learnt by likeness is not; the reader takes the file as it is."""
    lessons = [
        Lesson(1, "did\u200b  100299 leave,\nmy mail is name@example.com", "track_order", "en"),
        Lesson(2, "nobody speaks Spanish [at all]", "ask_product", "en"),
        Lesson(3, "¡adiós!", "goodbye", "es"),
        Lesson(4, "bye then", "goodbye", "en"),
    ]
    write(tiny, plan(tiny, lessons))
    assert examples(tiny, "en") == {
        "track_order": ["- did [100299](order_number) leave, my mail is [name@example.com](email)"],
        "ask_product": ['- nobody speaks [Spanish]{"entity": "language", "value": "es"} (at all)'],
        "goodbye": ["- bye then"],
    }
    assert examples(tiny, "es") == {"goodbye": ["- ¡adiós!"]}
    assert case_file(tiny, "en").read_text(encoding="utf-8") == (
        "intent\ttext\n"
        "track_order\tdid 100299 leave, my mail is name@example.com\n"
        "ask_product\tnobody speaks Spanish (at all)\n"
        "goodbye\tbye then\n"
    )
    data, problems = read_training_data(tiny)
    assert not any(problems.values())
    assert ("did 100299 leave, my mail is name@example.com", "track_order") in {
        (item.text, item.intent) for item in data.examples
    }


def test_learning_twice_changes_nothing(tiny: Config) -> None:
    """The same text again, in other case or punctuation, is neither an example nor a case a second time."""
    lesson = Lesson(1, "did it leave already", "track_order", "en")
    again = [lesson, Lesson(2, "Did it leave, already?", "track_order", "en")]
    first = plan(tiny, again)
    assert first.learnt == [1, 2]
    write(tiny, first)
    before = training_file(tiny, "en").read_bytes(), case_file(tiny, "en").read_bytes()
    second = plan(tiny, again)
    assert second.learnt == [1, 2] and write(tiny, second) == []
    assert (training_file(tiny, "en").read_bytes(), case_file(tiny, "en").read_bytes()) == before
    write(tiny, plan(tiny, [Lesson(3, "has it left", "track_order", "en")]))
    assert examples(tiny, "en") == {"track_order": ["- did it leave already", "- has it left"]}


def test_what_training_has_already_becomes_a_case_alone(tiny: Config) -> None:
    """The sentence was not enough by itself; that it is understood is held from now on."""
    write(tiny, plan(tiny, [Lesson(1, "Where is my order?", "track_order", "en")]))
    assert not training_file(tiny, "en").exists()
    assert [case.text for case in load_cases(tiny)] == ["Where is my order?"]


def test_what_would_do_harm_is_refused_with_the_reason(tiny: Config) -> None:
    """Contradictions, unknown names, texts without words, and messages that the recogniser is measured on."""
    folder = tiny.home / "nlu" / "eval"
    folder.mkdir()
    (folder / "en.tsv").write_text("intent\ttext\ngreet\tahoy sailor\n", encoding="utf-8")
    cases_are(tiny, "intent\ttext\ngreet\tsalute\n")
    lessons = [
        Lesson(1, "HELLO there", "track_order", "en"),
        Lesson(2, "Ahoy, sailor!", "greet", "en"),
        Lesson(3, "salute", "goodbye", "en"),
        Lesson(4, "bonjour", "greet", "fr"),
        Lesson(5, "cheerio", "farewell", "en"),
        Lesson(6, " ?! ", "greet", "en"),
        Lesson(7, "so long", "goodbye", "en"),
        Lesson(8, "so long!", "greet", "en"),
    ]
    found = plan(tiny, lessons)
    assert found.learnt == [7]
    reasons = [reason for _, reason in found.refused]
    words = ("nlu/data/en/all.yml:5", "nlu/eval/en.tsv:2", "nlu/regression/en.tsv:2", "'fr'", "'farewell'", "no words",
             "another approved correction")  # fmt: skip
    assert all(word in reason for word, reason in zip(words, reasons, strict=True)), reasons


def test_a_file_edited_by_hand_keeps_what_stands_in_it(tiny: Config) -> None:
    """Comments, other sections and examples written as a list."""
    path = training_file(tiny, "en")
    path.write_text(
        '# ours\nversion: "3.1"\nnlu:\n  - intent: greet\n    examples:\n      - ahoi\n'
        "  - synonym: damaged\n    examples: |\n      - bust\n",
        encoding="utf-8",
    )
    write(tiny, plan(tiny, [Lesson(1, "howdy folks", "greet", "en"), Lesson(2, "ta-ta", "goodbye", "en")]))
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# ours") and "- bust" in text
    found = {(item.text, item.intent) for item in read_training_data(tiny)[0].examples}
    assert {("ahoi", "greet"), ("howdy folks", "greet"), ("ta-ta", "goodbye")} <= found


@settings(deadline=None, max_examples=60)
@given(st.lists(st.text(min_size=1, max_size=60), min_size=1, max_size=4))
def test_whatever_customers_write_the_files_can_be_read(texts: list[str]) -> None:
    """Any characters at all: what is written is what is read back, as the same intent."""
    lines = [Lesson(place, learning._normalised(f"say {text}"), "goodbye", "en") for place, text in enumerate(texts)]
    config = _Memory.config
    path = training_file(config, "en")
    path.unlink(missing_ok=True)
    case_file(config, "en").unlink(missing_ok=True)
    todo = plan(config, lines)
    write(config, todo)
    learnt = {normal_form(line.text) for line in todo.lines}
    data, problems = read_training_data(config)
    assert not problems["unreadable"]
    assert {normal_form(item.text) for item in data.examples if item.file.endswith("learned.yml")} == learnt
    assert {normal_form(case.text) for case in load_cases(config)} == learnt


class _Memory:
    """A project that all examples of a property share."""

    config: Config


@pytest.fixture(autouse=True, scope="module")
def shared_project(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The project for :class:`_Memory`."""
    home = tmp_path_factory.mktemp("shared")
    _written(home)
    _Memory.config = load_config(home, home / "out", env={})


def _written(home: Path) -> None:
    for name, text in (TINY | {"en/bye.yml": BYE}).items():
        path = home / "nlu" / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (home / "domain.yml").write_text(DOMAIN, encoding="utf-8")
    (home / "config.yml").write_text(CONFIG, encoding="utf-8")


# ---- the command


class Shop:
    """A project with a database, and the command in it."""

    def __init__(self, home: Path) -> None:
        _written(home)
        self.config = load_config(home, home / "out", env={})
        self.config.data_dir.mkdir()

    def work(self, do: Callable[[Any], Awaitable[Any]]) -> Any:
        """Do something in a transaction."""

        async def work() -> Any:
            database = Database(self.config.database_url)
            await upgrade(database)
            try:
                async with database.begin() as session:
                    return await do(session)
            finally:
                await database.close()

        return asyncio.run(work())

    def approved(self, *lessons: tuple[str, str, str]) -> None:
        """Corrections (text, intent, language) that a reviewer has approved."""

        async def do(session: Any) -> None:
            maya = await session.scalar(select(User))
            if maya is None:
                maya = User(username="maya", name="Maya", password_hash="x", role=Role.MANAGER, language="en")
                talk = Conversation(channel="web", address_key="a", chat="a", user="a")
                session.add_all([maya, talk])
                await session.flush()
            for text, intent, language in lessons:
                said = Message(
                    conversation_id=1, author=Author.CUSTOMER, text=text, language=language, parse={"intent": {}}
                )
                session.add(said)
                await session.flush()
                row = await corrections.suggest(session, said.id, intent, maya)
                await corrections.decide(
                    session, row.id, maya, approve=True, text=text, intent=intent, language=language
                )

        self.work(do)

    def statuses(self) -> list[str]:
        """The corrections' statuses, oldest first."""

        async def do(session: Any) -> list[str]:
            return list(await session.scalars(select(Correction.status).order_by(Correction.id)))

        found: list[str] = self.work(do)
        return found

    def learn(self, *options: str) -> Result:
        """Run the command."""
        env = {"LINGUADESK_HOME": str(self.config.home), "LINGUADESK_DATA_DIR": str(self.config.data_dir)}
        return CliRunner().invoke(cli, ["nlu", "learn", *options], env=env)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """A project with a database."""
    return Shop(tmp_path)


def test_one_command_teaches_what_was_approved(shop: Shop) -> None:
    """A sentence is read right afterwards, and is a case; what was done is said; once more it does nothing."""
    shop.approved(("any sign of the doodah yet", "track_order", "en"), ("bonjour", "greet", "fr"))
    dry = shop.learn("--dry-run")
    assert dry.exit_code == 0 and "1 to learn, 1 refused; nothing was written." in dry.output
    assert shop.statuses() == ["approved", "approved"] and not training_file(shop.config, "en").exists()
    done = shop.learn()
    assert done.exit_code == 0, done.output
    assert "en: track_order: any sign of the doodah yet" in done.output
    assert "Not learnt: “bonjour” as greet: 'fr' is not among `languages`" in done.output
    assert "Regression cases: 1, of which 0 fail." in done.output
    assert shop.statuses() == ["learnt", "approved"]
    recognizer = EmbeddedRecognizer.load(shop.config)
    try:
        assert recognizer.parse_sync("any sign of the doodah yet").intent == "track_order"
    finally:
        recognizer.close()
    before = training_file(shop.config, "en").read_bytes()
    assert shop.learn().exit_code == 0 and training_file(shop.config, "en").read_bytes() == before


def test_a_case_that_fails_ends_with_1_and_leaves_the_files(shop: Shop) -> None:
    """Whoever approved may have been wrong, or the data needs more: it is said which case it is."""
    cases_are(shop.config, "intent\ttext\ntrack_order\thi good morning\n")
    shop.approved(("see you later alligator", "goodbye", "en"))
    result = shop.learn()
    assert result.exit_code == 1
    assert "Regression cases: 2, of which 1 fail." in result.output and "“hi good morning”" in result.output
    assert training_file(shop.config, "en").exists() and shop.statuses() == ["learnt"]
    # Without anything new it is still what it is: a failure.
    assert shop.learn().exit_code == 1


def test_a_fallen_floor_ends_with_1(shop: Shop) -> None:
    """What was learnt must not cost what was known: the held-out figures decide."""
    folder = shop.config.home / "nlu" / "eval"
    folder.mkdir()
    shop.approved()
    lines = "".join(f"greet\t{text}\n" for text in ("zzz qqq", "where is my parcel order", "hi hello"))
    (folder / "en.tsv").write_text("intent\ttext\n" + lines, encoding="utf-8")
    result = shop.learn()
    assert result.exit_code == 1 and "en: the accuracy is" in result.output
    (shop.config.home / "nlu" / "floors.json").write_text(
        '{"without vectors": {"languages": {"en": {"accuracy": 0.1, "language": 0.0}}}}', encoding="utf-8"
    )
    assert shop.learn().exit_code == 0
