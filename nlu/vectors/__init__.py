"""Sentence vectors from the optional extras ``vectors`` and ``vectors-e5``.

The first encoder (:mod:`nlu.vectors.universal`) is quick, and alike across languages. The second
(:mod:`nlu.vectors.e5`) tells finer differences within a language and takes several times as long; it is asked for
messages of which the first is not sure. What either needs is unpacked once beside the trained models.
"""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import shutil
import zipfile
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from nlu.features import Floats
from nlu.vectors import e5, universal

log = logging.getLogger(__name__)

DIMENSIONS = universal.DIMENSIONS
"""Of the first encoder. Where both are used, the second one's numbers follow."""

LANGUAGES = frozenset(
    ("ar", "de", "en", "es", "fr", "it", "ja", "ko", "nl", "pl", "pt", "ru", "th", "tr", "zh", "zh-Hans", "zh-Hant")
)
"""Those that the first encoder was made for."""

FEW = 2000
"""With fewer examples the second encoder is used where it is installed: what few examples leave open it tells."""

_BOTH = "+"
_SEEN = "seen.npz"
_BATCH = 256


class Encoder(Protocol):
    """Turns texts into vectors."""

    def encode(self, texts: list[str]) -> Floats:
        """A unit vector for each text."""
        ...


class NoEncoderError(Exception):
    """The setting asks for an encoder that is not installed; the text says which and what to do."""


def installed_version() -> str:
    """The version of the installed first encoder, empty when the extra is not installed."""
    return _version(universal.MODULE, universal.PACKAGE) if importlib.util.find_spec("sentencepiece") else ""


def _version(module: str, package: str) -> str:
    if importlib.util.find_spec(module) is None:
        return ""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def wanted(setting: str, examples: int | None = None) -> str:
    """The encoders that ``recognizer.vectors`` asks for, with their versions; empty for none.

    Args:
        setting: its value.
        examples: how many the project has; None for the encoders that may be used, however many there are.

    Raises:
        NoEncoderError: it asks for both, and they are not both here.
    """
    first = installed_version() if setting != "off" else ""
    second = _version(e5.MODULE, e5.MODULE) if e5.installed() else ""
    if setting == "both" and not (first and second):
        raise NoEncoderError("`both` needs the extras vectors and vectors-e5; install them, or write `auto`")
    few = examples is None or examples < FEW
    return f"{first}{_BOTH}{second}-{_bits()}" if first and second and (setting == "both" or few) else first


def _bits() -> str:
    return "int8" if e5.eight_bits() else "int4"


def folder_names() -> tuple[str, ...]:
    """The names of the folders with what is unpacked of the installed versions."""
    return f"vectors-{installed_version()}-pieces", f"vectors-e5-{_version(e5.MODULE, e5.MODULE)}-{_bits()}"


def prepare(models_dir: Path, encoders: str) -> None:
    """Unpack what the encoders, as :func:`wanted` named them, need below ``models_dir``, unless it is there."""
    first, second = (models_dir / name for name in folder_names())
    universal.prepare(first)
    if _BOTH in encoders:
        _prepare_second(second)


def _prepare_second(folder: Path) -> None:
    if not e5.is_prepared(folder):
        # Of no use to a server, and 20 MB of it.
        from nlu.vectors import e5_graph

        e5_graph.prepare(folder, eight_bits=e5.eight_bits())


def load(models_dir: Path, encoders: str) -> tuple[Encoder, ...]:
    """The encoders, as :func:`wanted` named them, from what :func:`prepare` has made.

    What is missing or damaged is made anew.
    """
    first, second = (models_dir / name for name in folder_names())
    if _BOTH not in encoders:
        return (universal.load(first),)
    return universal.load(first), _load_second(second)


def _load_second(folder: Path) -> Encoder:
    _prepare_second(folder)
    try:
        return e5.E5(folder)
    except Exception as error:  # ONNX Runtime has exceptions of its own for each kind of damage
        log.warning("%s is damaged and made anew: %s", folder, error)
        shutil.rmtree(folder, ignore_errors=True)
        _prepare_second(folder)
        return e5.E5(folder)


def encode_all(
    models_dir: Path, encoders: str, texts: Sequence[str], progress: Callable[[float], None]
) -> npt.NDArray[np.float32]:
    """The vectors of many texts, a row for each: of the first encoder, then of the second.

    Those of the last call are remembered and not computed again. ``progress`` hears how much is done, from 0 to 1.
    """
    prepare(models_dir, encoders)
    loaded = load(models_dir, encoders)
    first = models_dir / folder_names()[0]
    seen = first / (f"seen-{encoders}.npz" if _BOTH in encoders else _SEEN)
    known = _recall(seen)
    missing = [text for text in dict.fromkeys(texts) if text not in known]
    for start in range(0, len(missing), _BATCH):
        progress(start / len(missing))
        batch = missing[start : start + _BATCH]
        rows = np.hstack([encoder.encode(batch) for encoder in loaded])
        # Half precision: of the first encoder, what was encoded before and what is encoded now are the same numbers.
        known |= zip(batch, rows.astype(np.float16), strict=True)
    if isinstance(loaded[0], universal.Mapped) and (missing or not universal.is_familiar(first)):
        loaded[0].get_to_know(texts)
    if missing:
        _remember(seen, {text: known[text] for text in texts})
    return np.array([known[text] for text in texts]).astype(np.float32)


def _recall(file: Path) -> dict[str, npt.NDArray[np.float16]]:
    try:
        with np.load(file, allow_pickle=False) as seen:
            texts = seen["texts"].tobytes().decode("utf-8").split("\0")
            return dict(zip(texts, seen["vectors"], strict=True))
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile):
        return {}


def _remember(file: Path, known: dict[str, npt.NDArray[np.float16]]) -> None:
    texts = np.frombuffer("\0".join(known).encode("utf-8"), dtype=np.uint8)
    work = file.with_suffix(f".{os.getpid()}.tmp")
    with contextlib.suppress(OSError):
        with work.open("wb") as stream:
            np.savez(stream, texts=texts, vectors=np.array(list(known.values())))
        work.replace(file)
