"""Trained models on disk: found by the content they were made from, written whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import re
import shutil
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bot.config import Config, ConfigError, Problem, line_of, load_yaml
from nlu import detectors, vectors
from nlu.classifier import IntentClassifier
from nlu.entities import Tables
from nlu.language import LanguageModel
from nlu.sequence import Tagger
from nlu.training_data import data_files

FORMAT = 12
"""Raise it when training or the files of a model change, so that old models are made anew."""

KEPT = 2
BLOCKS = "blocks"
"""The folder beside the models with what a training may take over from the last one."""

_PACKAGES = ("babel", "numpy", "python-crfsuite", "scikit-learn")
_MANIFEST, _ARRAYS, _TAGGER = "model.json", "arrays.bin", "entities.crfsuite"
_ALIGNED = 64
_NAME = re.compile(r"^[0-9a-f]{64}$")


class DamagedModelError(Exception):
    """A stored model cannot be read; train again."""


@dataclass(frozen=True)
class Model:
    """Everything that training makes. ``report`` holds the figures measured while training."""

    classifier: IntentClassifier
    language: LanguageModel
    tables: Tables
    intents: tuple[str, ...]
    report: dict[str, Any]
    tagger: Tagger | None = None


def made_by() -> str:
    """What a training depends on besides its files and settings: the versions of this part and of libraries."""
    return json.dumps([FORMAT, {name: _version(name) for name in _PACKAGES}])


def encoders(config: Config, examples: int | None = None) -> str:
    """The sentence encoders that are wanted and installed, with their versions; empty for none.

    Args:
        config: the project.
        examples: how many it has; None for the encoders that may be used, however many there are.

    Raises:
        ConfigError: they are asked for by name and not there.
    """
    try:
        return vectors.wanted(config.settings.recognizer.vectors, examples)
    except vectors.NoEncoderError as error:
        file = config.home / "config.yml"
        line = line_of(load_yaml(file, "config.yml"), "recognizer", "vectors") if file.is_file() else 0
        raise ConfigError(Problem("config.yml", line, f"recognizer.vectors: {error}")) from None


def content_hash(config: Config) -> str:
    """The name of the model that belongs to the files as they are now; reads bytes, parses nothing.

    Raises:
        ConfigError: a configured language has no training data.
    """
    digest = hashlib.sha256()

    def add(name: str, content: bytes) -> None:
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)

    shop = config.settings.shop
    settings = {
        "made_by": made_by(),
        "languages": config.settings.languages,
        "order_number": [shop.order_number_pattern, shop.order_number_example],
        "country": shop.country,
        "vectors": [config.settings.recognizer.vectors, encoders(config)],
    }
    add("settings", json.dumps(settings, sort_keys=True).encode())
    domain = config.home / "domain.yml"
    add("domain.yml", domain.read_bytes() if domain.is_file() else b"")
    for path, _ in data_files(config):
        add(path.relative_to(config.home).as_posix(), path.read_bytes())
    return digest.hexdigest()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def model_path(config: Config) -> Path:
    """Where the model for the present files is, or will be."""
    return config.models_dir / content_hash(config)


@contextlib.contextmanager
def training_lock(models_dir: Path) -> Iterator[None]:
    """Held by the one process that trains; a second one waits, and then finds the model made."""
    models_dir.mkdir(parents=True, exist_ok=True)
    with (models_dir / ".lock").open("wb") as handle:
        try:
            import fcntl
        except ImportError:  # not a Unix: both train, and the second result is dropped
            yield
            return
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def save(model: Model, path: Path, tagger_file: Path | None) -> None:
    """Write a model beside its place and move it there; one that is there already stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix="tmp-", dir=path.parent))
    try:
        arrays: dict[str, Any] = {**model.classifier.arrays(), **model.language.arrays()}
        places = _write_arrays(work / _ARRAYS, arrays)
        if tagger_file is not None:
            shutil.move(tagger_file, work / _TAGGER)
        manifest = {
            "format": FORMAT,
            "labels": model.classifier.intents,
            "blocks": [block.language for block in model.classifier.blocks],
            "arrays": places,
            "intents": model.intents,
            "languages": model.language.languages,
            "tables": model.tables.to_json(),
            "report": model.report,
            "files": {file.name: [file.stat().st_size, _checksum(file)] for file in sorted(work.iterdir())},
        }
        (work / _MANIFEST).write_text(json.dumps(manifest, ensure_ascii=False), encoding="utf-8")
        try:
            work.rename(path)
        except OSError:
            if not path.is_dir():
                raise
    finally:
        shutil.rmtree(work, ignore_errors=True)
    _remove_old(path)


def _write_arrays(file: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> dict[str, Any]:
    """Write arrays one after another; where each is, as its type, shape and first byte."""
    places: dict[str, Any] = {}
    with file.open("wb") as stream:
        for name, array in arrays.items():
            stream.write(bytes(-stream.tell() % _ALIGNED))
            places[name] = [array.dtype.str, array.shape, stream.tell()]
            stream.write(np.ascontiguousarray(array).tobytes())
    return places


def _read_arrays(file: Path, places: Mapping[str, Any]) -> dict[str, npt.NDArray[Any]]:
    """The arrays, mapped into memory: what no message needs takes none, and processes share the rest."""
    whole = np.memmap(file, dtype=np.uint8, mode="r")
    found = {}
    for name, (kind, shape, start) in places.items():
        size = math.prod(shape) * np.dtype(kind).itemsize
        # A plain array: a memmap costs a microsecond more at every use.
        found[name] = np.asarray(whole[start : start + size]).view(np.ndarray).view(kind).reshape(shape)
    return found


def _checksum(file: Path) -> int:
    """Against damage, not against forgery: the folder is the operator's own."""
    value = 0
    with file.open("rb") as stream:
        while part := stream.read(1 << 20):
            value = zlib.crc32(part, value)
    return value


def _remove_old(newest: Path) -> None:
    """Keep the models used last; also clear away what a killed training left behind."""
    folders = [item for item in newest.parent.iterdir() if item.is_dir()]
    models = sorted(
        (item for item in folders if _NAME.match(item.name) and item != newest),
        key=lambda item: item.stat().st_mtime,
        reverse=True,
    )
    current = (*vectors.folder_names(), detectors.folder_name())
    stale = [item for item in folders if item.name.startswith(("vectors-", "detector-")) and item.name not in current]
    for item in [*models[KEPT - 1 :], *stale]:
        shutil.rmtree(item, ignore_errors=True)


def remove(path: Path) -> None:
    """Take a damaged model out of the way."""
    aside = path.with_name(f"tmp-damaged-{os.getpid()}-{path.name[:8]}")
    with contextlib.suppress(OSError):
        path.rename(aside)
    shutil.rmtree(aside, ignore_errors=True)


def is_sound(path: Path, *, thorough: bool = False) -> bool:
    """Whether a whole model is there; ``thorough`` reads every byte, as :func:`load` does."""
    try:
        _manifest(path, thorough=thorough)
    except DamagedModelError:
        return False
    return True


def _manifest(path: Path, *, thorough: bool) -> dict[str, Any]:
    try:
        manifest: dict[str, Any] = json.loads((path / _MANIFEST).read_text(encoding="utf-8"))
        files = manifest["files"]
        if manifest["format"] != FORMAT or _ARRAYS not in files:
            raise ValueError("made by another version")
        for name, (size, checksum) in files.items():
            file = path / name
            if file.stat().st_size != size or (thorough and _checksum(file) != checksum):
                raise ValueError(f"{name} has changed since it was written")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedModelError(f"{path.name[:12]}: {error}") from error
    return manifest


def load(path: Path) -> Model:
    """Read a model.

    Raises:
        DamagedModelError: it is missing, incomplete or changed.
    """
    manifest = _manifest(path, thorough=True)
    try:
        arrays = _read_arrays(path / _ARRAYS, manifest["arrays"])
        classifier = IntentClassifier.from_arrays(tuple(manifest["labels"]), manifest["blocks"], arrays)
        language = LanguageModel.from_arrays(tuple(manifest["languages"]), arrays)
        model = Model(
            classifier=classifier,
            language=language,
            tables=Tables.from_json(manifest["tables"]),
            intents=tuple(manifest["intents"]),
            report=dict(manifest["report"]),
            tagger=Tagger(path / _TAGGER) if _TAGGER in manifest["files"] else None,
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DamagedModelError(f"{path.name[:12]}: {error}") from error
    with contextlib.suppress(OSError):
        os.utime(path)
    return model
