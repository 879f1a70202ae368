"""Training: found by content, written whole, repeatable, in a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bot.config import Config, ConfigError
from nlu import store
from nlu.recognizers import create, ensure_model
from nlu.recognizers.embedded import EmbeddedRecognizer
from nlu.train import TrainingError, main, train
from tests.nlu.conftest import ROOT, TINY, Project, with_settings


def edit(config_home: Path, old: str, new: str) -> None:
    path = config_home / "nlu/data/en/all.yml"
    path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")


def models_in(config: Config) -> list[str]:
    """The folders of models, without the tables that all models share."""
    folders = [item.name for item in config.models_dir.iterdir() if item.is_dir()]
    return sorted(name for name in folders if not name.startswith("detector-"))


def test_training_happens_once_for_the_same_files(project: Project) -> None:
    """The second call finds the first one's model and writes nothing."""
    config = project()
    said: list[str] = []
    first = train(config, lambda _done, what: said.append(what))
    written = (first / "model.json").stat().st_mtime_ns
    assert "Learning intents" in said
    said.clear()
    assert train(config, lambda _done, what: said.append(what)) == first
    assert said == ["Nothing has changed"]
    assert (first / "model.json").stat().st_mtime_ns == written


def test_a_changed_example_trains_anew(project: Project) -> None:
    """One changed word in one example makes another model, which knows it."""
    config = project()
    first = train(config)
    edit(config.home, "hey, good evening", "ahoy matey")
    second = train(config)
    assert second != first
    recognizer = EmbeddedRecognizer.load(config)
    assert recognizer.parse_sync("ahoy matey").intent == "greet"


@pytest.mark.parametrize("what", ["domain", "pattern", "languages", "rename"])
def test_everything_that_matters_is_part_of_the_name(project: Project, what: str) -> None:
    """domain.yml, recogniser settings, languages and file names decide which model is right."""
    config = project()
    before = store.content_hash(config)
    if what == "domain":
        (config.home / "domain.yml").write_text("intents: []\n", encoding="utf-8")
    elif what == "pattern":
        shop = config.settings.shop.model_copy(update={"order_number_pattern": r"\d{9}"})
        config = with_settings(config, shop=shop)
    elif what == "languages":
        config = with_settings(config, languages=("en",))
    else:
        path = config.home / "nlu/data/en/all.yml"
        path.rename(path.with_name("other.yml"))
    assert store.content_hash(config) != before


def test_thresholds_do_not_train_anew(project: Project) -> None:
    """Settings that only the dialogue reads leave the model as it is."""
    config = project()
    before = store.content_hash(config)
    recognizer = config.settings.recognizer.model_copy(update={"threshold": 0.9, "margin": 0.0})
    assert store.content_hash(with_settings(config, recognizer=recognizer)) == before


def test_training_is_deterministic(project: Project, tmp_path: Path) -> None:
    """The same files give the same answers to the last digit, and the same files on disk."""
    config = project()
    one = train(config)
    two = tmp_path / "again"
    one.rename(two)
    assert train(config) == one
    for name in ("arrays.bin", "entities.crfsuite"):
        assert (one / name).read_bytes() == (two / name).read_bytes()


def many(language: str, extra: str = "") -> str:
    """A file of six hundred examples of two intents; ``extra`` is one more."""
    words = [f"{language}{number:03}" for number in range(60)]
    lines: dict[str, list[str]] = {"greet": [], "track_order": [extra] if extra else []}
    for shift in range(10):
        intent = ("greet", "track_order")[shift % 2]
        lines[intent] += [f"{word} {words[(place * 7 + shift) % 60]} {intent}" for place, word in enumerate(words)]
    return 'version: "3.1"\nnlu:\n' + "".join(
        f"  - intent: {intent}\n    examples: |\n" + "".join(f"      - {line}\n" for line in found)
        for intent, found in lines.items()
    )


def test_only_the_language_that_has_changed_is_learnt_again(project: Project) -> None:
    """What is kept of the last training changes nothing but the time: the model is that of a training from nothing."""
    config = project({"en/all.yml": many("en"), "es/all.yml": many("es")})
    train(config)
    kept = {file.name: file.stat().st_mtime_ns for file in (config.models_dir / store.BLOCKS).iterdir()}
    (config.home / "nlu/data/es/all.yml").write_text(many("es", "por fin llega"), encoding="utf-8")
    path = train(config)
    now = {file.name for file in (config.models_dir / store.BLOCKS).iterdir()}
    assert len(kept) == len(now) == 2 and len(now & set(kept)) == 1
    incremental = (path / "arrays.bin").read_bytes()
    for folder in (path, config.models_dir / store.BLOCKS):
        shutil.rmtree(folder)
    assert (train(config) / "arrays.bin").read_bytes() == incremental


def test_a_damaged_block_is_learnt_again(project: Project) -> None:
    """What was cut off on the disk is no reason for another model, or for none."""
    config = project({"en/all.yml": many("en"), "es/all.yml": many("es")})
    path = train(config)
    whole = (path / "arrays.bin").read_bytes()
    shutil.rmtree(path)
    for file in (config.models_dir / store.BLOCKS).iterdir():
        file.write_bytes(file.read_bytes()[:1000])
    assert (train(config) / "arrays.bin").read_bytes() == whole


@pytest.mark.parametrize("damage", ["cut", "flip", "missing", "manifest", "format"])
def test_a_damaged_model_is_made_again(project: Project, damage: str) -> None:
    """A truncated, altered or missing file is noticed, and training repairs it."""
    config = project()
    path = train(config)
    arrays, manifest = path / "arrays.bin", path / "model.json"
    if damage == "cut":
        arrays.write_bytes(arrays.read_bytes()[:-100])
    elif damage == "flip":
        content = bytearray(arrays.read_bytes())
        content[len(content) // 2] ^= 0xFF
        arrays.write_bytes(content)
    elif damage == "missing":
        (path / "entities.crfsuite").unlink()
    elif damage == "manifest":
        manifest.write_text("{", encoding="utf-8")
    else:
        manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"format": 0}), encoding="utf-8")
    with pytest.raises(store.DamagedModelError):
        store.load(path)
    train(config)
    assert EmbeddedRecognizer(config, store.load(path)).parse_sync("where is my order").intent == "track_order"


def test_only_the_latest_models_are_kept(project: Project) -> None:
    """Two models stay, the one just made among them; foreign files are left alone."""
    config = project()
    paths = []
    for number in range(5):
        edit(config.home, "good morning" if not number else f"good day {number - 1}", f"good day {number}")
        paths.append(train(config))
        os.utime(paths[-1], (time.time() - 100 + number,) * 2)
    (config.models_dir / "notes.txt").write_text("mine", encoding="utf-8")
    assert models_in(config) == sorted(path.name for path in paths[-2:])


async def test_two_processes_training_at_once_make_one_sound_model(project: Project) -> None:
    """Both get the same whole model and leave nothing half-written."""
    config = project()
    paths = await asyncio.gather(ensure_model(config), ensure_model(config))
    assert paths[0] == paths[1]
    assert store.is_sound(store.model_path(config))
    assert models_in(config) == [store.model_path(config).name]


async def test_ensure_model_reports_progress_and_keeps_the_event_loop_free(project: Project) -> None:
    """Training runs elsewhere: this process goes on ticking and hears how far it is."""
    config = project()
    heard: list[tuple[float, str]] = []
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.02)
            ticks += 1

    ticking = asyncio.create_task(tick())
    path = await ensure_model(config, lambda done, what: heard.append((done, what)))
    ticking.cancel()
    assert path == store.model_path(config)
    assert heard[-1] == (1.0, "Trained")
    assert [done for done, _ in heard] == sorted(done for done, _ in heard)
    assert ticks > 5


async def test_ensure_model_tells_what_is_wrong_with_the_data(project: Project) -> None:
    """The other process's complaints arrive here with file and line."""
    config = project({**TINY, "en/bad.yml": "nlu:\n  - intent: greet\n    examples: |\n      - a [b(c)\n"})
    with pytest.raises(ConfigError) as raised:
        await ensure_model(config)
    assert [(item.file, item.line) for item in raised.value.problems] == [("nlu/data/en/bad.yml", 4)]


async def test_a_failing_training_process_is_reported(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that dies for another reason gives an error for the operator, not a hang."""
    config = project()
    config.models_dir.parent.mkdir(parents=True, exist_ok=True)
    config.models_dir.write_text("a file where the folder should be", encoding="utf-8")
    with pytest.raises(TrainingError, match="training the recogniser failed"):
        await ensure_model(config)


def test_create_trains_when_nothing_is_there(project: Project) -> None:
    """The product's door to recognition works from an empty data folder."""
    recognizer = create(project())
    assert isinstance(recognizer, EmbeddedRecognizer)
    assert recognizer.parse_sync("track my parcel please").intent == "track_order"


def test_a_language_of_many_examples_is_learnt_in_parts(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the size of a block the model rests on several that share landmarks, and still knows them all."""
    monkeypatch.setattr("nlu.blocks.BLOCK", 8)
    monkeypatch.setattr("nlu.blocks.LANDMARKS", 10)
    path = train(project())
    recognizer = EmbeddedRecognizer(project(), store.load(path))
    for text, intent in {"hello there": "greet", "hola": "greet", "where is my order": "track_order"}.items():
        assert recognizer.parse_sync(text).intent == intent
    assert recognizer.report["held_out_accuracy"]["all"] > 0.3


def test_one_intent_is_not_enough(project: Project) -> None:
    """Too little data is explained instead of failing inside a library."""
    config = project({"en/a.yml": "nlu:\n  - intent: greet\n    examples: |\n      - hi\n"}, languages=("en",))
    with pytest.raises(ConfigError, match="at least two intents"):
        train(config)


def test_the_command_line_trains_and_reports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`python -m nlu.train` reads config.yml itself; mistakes give exit code 1 and their place."""
    (tmp_path / "config.yml").write_text("languages: [en]\nrecognizer: {vectors: 'off'}\n", encoding="utf-8")
    data = tmp_path / "nlu/data/en/all.yml"
    data.parent.mkdir(parents=True)
    data.write_text(TINY["en/all.yml"], encoding="utf-8")
    arguments = ["--home", str(tmp_path), "--data-dir", str(tmp_path / "out")]
    assert main(arguments) == 0
    assert "The model is at" in capsys.readouterr().out
    data.write_text("nlu: {}\n", encoding="utf-8")
    assert main(arguments) == 1
    assert "nlu/data/en/all.yml:1:" in capsys.readouterr().out


def test_reading_messages_imports_neither_scikit_learn_nor_scipy(project: Project) -> None:
    """A server that serves from a cached model does not pay for the libraries of training."""
    config = project()
    train(config)
    code = (
        "import sys\nfrom pathlib import Path\nfrom bot.config import Config, Settings\n"
        "from nlu.recognizers import create\n"
        f"settings = Settings.model_validate_json({config.settings.model_dump_json()!r})\n"
        f"config = Config(Path({str(config.home)!r}), Path({str(config.data_dir)!r}), settings, {{}})\n"
        "recognizer = create(config)\n"
        "assert recognizer.parse_sync('where is my order 100234, hello there').intent == 'track_order'\n"
        "print(sorted({name.split('.')[0] for name in sys.modules} & {'sklearn', 'scipy', 'langdetect', 'pandas'}))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
