"""Settings and project files: what is wrong is said by file and line, with what to do."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest

from bot import catalogues
from bot.checkup import examine
from bot.config import Config, ConfigError, Gravity, TicketKind, load_config
from bot.domain import load_domain
from bot.storage.models import Severity, TicketType
from bot.texts import Texts

ROOT = Path(__file__).parents[2]
Edit = Callable[[str, str, str], None]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the shipped project files, which the commands find."""
    for name in ("config.yml", "domain.yml"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "knowledge", tmp_path / "knowledge")
    shutil.copytree(ROOT / "nlu" / "data", tmp_path / "nlu" / "data")
    monkeypatch.setenv("LINGUADESK_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def edit(project: Path) -> Edit:
    """Replaces words in a file of the project; they must be there."""

    def replace(name: str, old: str, new: str) -> None:
        path = project / name
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")

    return replace


def complaints(project: Path) -> list[str]:
    """What `linguadesk check` says, without its warnings."""
    return [str(problem) for problem in examine(project / "data") if not problem.warning]


def line(project: Path, name: str, words: str) -> int:
    """The line of a file that holds these words."""
    lines = (project / name).read_text(encoding="utf-8").splitlines()
    return next(number for number, text in enumerate(lines, 1) if words in text)


def test_the_shipped_project_is_in_order(project: Path) -> None:
    """Nothing to complain about out of the box."""
    assert complaints(project) == []


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("failed_turns: 2", "failed_turns: many", "dialogue.failed_turns"),
        ("failed_turns: 2", "failed_turms: 2", "dialogue.failed_turms: unknown setting"),
        ("timezone: Europe/Amsterdam", "timezone: Europe/Atlantis", "unknown time zone 'Europe/Atlantis'"),
        ("default_language: en", "default_language: pl", "shop.default_language is 'pl'"),
        ("threshold: 0.35             #", "threshold: 3             #", "recognizer.threshold"),
        ("country: NL", "country: Holland", "shop.country"),
        ("  telegram: {}", "  telegraph: {}", "no channel called 'telegraph'"),
    ],
)
def test_a_wrong_setting_is_named_with_its_line(project: Path, edit: Edit, old: str, new: str, words: str) -> None:
    """config.yml: the setting, the line, and what is allowed."""
    edit("config.yml", old, new)
    (complaint,) = complaints(project)
    assert words in complaint
    if "default_language" not in new:
        assert complaint.startswith(f"config.yml:{line(project, 'config.yml', new)}:")


@pytest.mark.parametrize(
    ("old", "new", "place", "words"),
    [
        ("reopen_days: 14", "reopen_days: 0", "reopen_days: 0", "tickets.reopen_days"),
        ("order_amount_at_least: 500", "order_amount_at_least: x", "order_amount_at_least: x", "severity_rules.2"),
        ("repeat_within_days: 30", "repeat_in_days: 30", "repeat_in_days", "repeat_in_days: unknown setting"),
        ("      repeat_within_days: 30\n", "", "name: Complains again", "severity_rules.4: a rule without a condition"),
        ("types: [damaged, ", "types: [broken, ", "types: [broken", "severity_rules.3.types.0: Input should be"),
        ("        es: [herid*,", "        spanish: [herid*,", "      words:", "'spanish' is not a language code"),
        (
            "        en: [injur*,",
            "        en: ['*',",
            "      words:",
            "the words of 'en' are missing, or one of them is empty",
        ),
        ("    - Packed wrongly", "    - Out of stock", "root_causes:", "the same words stand here twice"),
        ("    - Packed wrongly", "    - ' '", "root_causes:", "between 1 and 80 characters"),
    ],
)
def test_a_wrong_rule_for_tickets_is_named_with_its_line(
    project: Path, edit: Edit, old: str, new: str, place: str, words: str
) -> None:
    """What is below `tickets`: the setting, the nearest line, and what is allowed."""
    edit("config.yml", old, new)
    (complaint,) = complaints(project)
    assert words in complaint
    assert complaint.startswith(f"config.yml:{line(project, 'config.yml', place)}:")


def test_types_and_severities_are_those_of_tickets() -> None:
    """The settings know every type and severity that the database knows, and no other."""
    assert get_args(TicketKind) == tuple(TicketType)
    assert get_args(Gravity) == tuple(Severity)


@pytest.mark.parametrize("name", ["config.yml", "domain.yml", "knowledge/es.yml", "nlu/data/en/orders.yml"])
def test_broken_yaml_is_named_with_its_line(project: Path, name: str) -> None:
    """Every project file: the line where YAML ends to make sense."""
    path = project / name
    path.write_text(path.read_text(encoding="utf-8") + "\nbroken: [1, 2\n", encoding="utf-8")
    said = complaints(project)
    assert any(text.startswith(f"{name}:") and "not valid YAML" in text for text in said), said


@pytest.mark.parametrize("name", ["config.yml", "domain.yml", "knowledge/es.yml"])
def test_a_missing_file_is_named(project: Path, name: str) -> None:
    """And where it was expected."""
    (project / name).unlink()
    assert any(text.startswith(name) and "missing" in text for text in complaints(project))


def test_an_unknown_intent_in_the_data(project: Path, edit: Edit) -> None:
    """Training data for an intent that domain.yml does not have."""
    edit("nlu/data/en/orders.yml", "- intent: track_order", "- intent: trace_order")
    said = complaints(project)
    where = line(project, "nlu/data/en/orders.yml", "trace_order")
    assert any(text.startswith(f"nlu/data/en/orders.yml:{where}:") and "trace_order" in text for text in said), said


def test_an_intent_without_an_action(project: Path, edit: Edit) -> None:
    """An intent in domain.yml that nothing would answer."""
    edit("domain.yml", "  - track_order\n", "  - track_order\n  - sing_a_song\n")
    said = complaints(project)
    assert any("nothing answers the intent `sing_a_song`" in text for text in said), said


def test_a_form_with_an_unknown_slot(project: Path, edit: Edit) -> None:
    """A slot that nobody declared."""
    edit("domain.yml", "required_slots: [rating]", "required_slots: [stars]")
    assert any("asks for `stars`" in text and text.startswith("domain.yml:") for text in complaints(project))


def test_a_short_secret_is_refused(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And how to make a good one."""
    monkeypatch.setenv("LINGUADESK_SECRET_KEY", "short")
    assert any("LINGUADESK_SECRET_KEY is shorter" in text for text in complaints(project))


def test_a_channel_that_lacks_a_secret(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Slack switched on without a way to receive."""
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-1")
    assert any("SLACK_SIGNING_SECRET" in text for text in complaints(project))


def test_a_dotenv_file_is_read_and_the_environment_wins(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Secrets may stand in .env beside config.yml."""
    (project / ".env").write_text("LINGUADESK_DATA_DIR=/nowhere\nLINGUADESK_SECRET_KEY=from-the-file-123\n")
    monkeypatch.setenv("LINGUADESK_SECRET_KEY", "from-the-environment-1")
    config = load_config()
    assert config.secret_key() == "from-the-environment-1"
    assert config.data_dir == Path("/nowhere")


def test_the_kept_secret_is_private_and_stays(config: Config) -> None:
    """Made once, readable by its owner only."""
    key = config.secret_key()
    assert config.secret_key() == key
    assert (config.data_dir / "secret_key").stat().st_mode & 0o077 == 0


def test_secrets_do_not_show_in_representations(tmp_path: Path) -> None:
    """A configuration in a log or a traceback betrays nothing."""
    config = load_config(ROOT, tmp_path, env={"SLACK_BOT_TOKEN": "xoxb-secret"})
    assert "xoxb-secret" not in repr(config)


class TestTranslations:
    """Catalogues are complete, current and well-formed."""

    def test_shipped(self) -> None:
        """Every text in every configured language, none stale, none unknown, all braces right."""
        languages = load_config(ROOT, env={}).settings.languages
        assert [str(problem) for problem in catalogues.examine(load_domain(ROOT), languages)] == []

    def test_every_text_renders_in_every_language(self) -> None:
        """With parameters of the kinds the actions use, nothing is left in braces."""
        from datetime import UTC, datetime
        from decimal import Decimal

        from bot.contracts import Money

        config = load_config(ROOT, env={})
        domain = load_domain(ROOT)
        texts = Texts(domain, config.settings.languages, config.settings.shop)
        values = {
            "count": 3,
            "total": Money(Decimal("1234.5"), "EUR"),
            "placed": datetime(2026, 5, 1, tzinfo=UTC).date(),
            "lines": ["a", "b"],
        }
        for key, response in domain.responses.items():
            params = {name: values.get(name, "x") for name in response.placeholders - {"shop", "languages", "example"}}
            for language in texts.languages:
                assert "{" not in texts.text(key, language, params)

    def test_numbers_and_dates_are_formatted(self) -> None:
        """As each language writes them."""
        from datetime import date
        from decimal import Decimal

        from bot.contracts import Money

        config = load_config(ROOT, env={})
        texts = Texts(load_domain(ROOT), ("en", "es", "zh-Hans"), config.settings.shop)
        money = Money(Decimal("1234.5"), "EUR")
        assert texts.format(money, "en") == "€1,234.50"
        assert texts.format(money, "es").replace("\xa0", " ") == "1.234,50 €"
        assert texts.format(date(2026, 5, 3), "zh-Hans") == "2026年5月3日"

    def test_plurals(self) -> None:
        """One and many."""
        config = load_config(ROOT, env={})
        texts = Texts(load_domain(ROOT), ("en", "es", "zh-Hans"), config.settings.shop)
        one = texts.text("utter_orders_list", "en", {"count": 1, "lines": ["x"]})
        many = texts.text("utter_orders_list", "en", {"count": 4, "lines": ["x"]})
        assert "latest order:" in one and "4 orders" in many
        assert texts.text("utter_orders_list", "es", {"count": 1, "lines": ["x"]}) != texts.text(
            "utter_orders_list", "es", {"count": 4, "lines": ["x"]}
        )

    def test_right_to_left(self) -> None:
        """A Latin name in an Arabic sentence is isolated."""
        config = load_config(ROOT, env={})
        texts = Texts(load_domain(ROOT), ("en",), config.settings.shop)
        assert texts.format("CN-2024", "ar") == "\u2068CN-2024\u2069"
        assert texts.format("CN-2024", "en") == "CN-2024"

    def test_a_broken_catalogue_names_its_line(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """What a translator's slip does."""
        folder = tmp_path / "es" / "LC_MESSAGES"
        folder.mkdir(parents=True)
        (folder / "linguadesk.po").write_text('msgid "a"\nmsgstr "b"\nnonsense\n', encoding="utf-8")
        monkeypatch.setattr("bot.texts.LOCALES", tmp_path)
        config = load_config(ROOT, env={})
        with pytest.raises(ConfigError, match=r"bot/locales/es/LC_MESSAGES/linguadesk\.po:3"):
            Texts(load_domain(ROOT), ("en", "es"), config.settings.shop)


def test_every_setting_is_documented() -> None:
    """docs/configuration.md names each setting and each variable of the environment."""
    import re

    from bot.config import Settings

    text = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    for section, field in Settings.model_fields.items():
        inner = getattr(field.annotation, "model_fields", None)
        for name in [f"{section}.{key}" for key in inner] if inner else [section]:
            assert f"`{name}`" in text or name in ("connectors",), name
    files = [path for folder in ("bot", "connectors", "nlu") for path in (ROOT / folder).rglob("*.py")]
    code = "\n".join(path.read_text(encoding="utf-8") for path in files)
    for variable in set(re.findall(r'"((?:LINGUADESK|TELEGRAM|SLACK)_[A-Z_]+)"', code)) - {"LINGUADESK_TEST_CACHE"}:
        assert f"`{variable}`" in text, variable
