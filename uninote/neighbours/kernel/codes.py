"""int8 codes of centred vectors, from which a join's products are computed, and what restores their scale.

With m the mean, <x, y> = <x-m, y-m> + <x-m, m> + <y-m, m> + <m, m>: the first term comes from the codes, the two next
are a bias for each row, and the last is the same for all pairs and left out. Each row has its own scale, so that a few
long rows do not cost the others their precision. Rows a hundred times shorter than the mean is long are all but one
point to it, though: lengths within a few orders of magnitude are expected, and those of embeddings are all but equal.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from uninote.errors import UninoteError
from uninote.neighbours.kernel.settings import code_width
from uninote.neighbours.kernel.simd.rows import widen_row
from uninote.neighbours.kernel.simd.tiles import TILE_ROWS, aligned_empty
from uninote.neighbours.kernel.simd.vector_ir import summing, summing_borrowed

MAX_WIDTH = 2**16  # a sum of products, each at most 127 * 127, stays an int32
# Scores of unit rows may be off by about as much: limits are lowered by it, and held exactly later.
CODE_ERROR = 0.01
_GREATEST = 127.0
_MAGNITUDE = np.int32(2**31 - 1)
_LARGEST = np.float32(3e37)  # with room for the sum of four such products
# Below, products are nothing in float32, and the factor would overflow.
_LEAST = np.float32(1e-30)


class CodesError(UninoteError):
    """The vectors cannot be coded."""


class Codes(NamedTuple):
    """Rows as int8 (n + 12, width), zeros after the n-th; `sums` int32 (n + 12,) = -128 * the row's sum; `meta`
    float32 (3, n + 12): scale, bias and the row's limit for `score_tile`; `squares` float32 (n,) = |x - m|^2, of
    what the codes keep; `lengths` float32 (n,) = |x|^2."""

    rows: np.ndarray
    sums: np.ndarray
    meta: np.ndarray
    squares: np.ndarray
    lengths: np.ndarray


def empty_codes(rows: int, width: int) -> Codes:
    """Return codes for `rows` rows whose padding, up to whole tiles, scores -inf against everything."""
    padded = rows + TILE_ROWS
    codes = aligned_empty((padded, width), np.int8)
    codes[rows:] = 0
    meta = np.zeros((3, padded), dtype=np.float32)
    meta[1, rows:] = -np.inf
    meta[2, rows:] = np.inf
    measures = np.zeros((2, rows), dtype=np.float32)
    return Codes(codes, np.zeros(padded, dtype=np.int32), meta, measures[0], measures[1])


def encode(vectors: np.ndarray) -> Codes:
    """Code `vectors`, (n, d), n >= 1: float32, or float16 viewed as uint16; rows side by side.

    CodesError names the first row that holds NaN, infinity, or values whose square overflows.
    """
    return encode_around(vectors, mean_of(vectors))


def encode_around(vectors: np.ndarray, mean: np.ndarray) -> Codes:
    """Code `vectors` as `encode` does, around any `mean`, float32 (d,): codes around the same one can be joined."""
    count, width = vectors.shape
    codes = empty_codes(count, code_width(width))
    codes.rows[:count, width:] = 0
    _encode_rows(vectors, mean, codes, np.empty(width, dtype=np.float32))
    wrong = np.flatnonzero(~(codes.lengths <= _LARGEST))  # NaN is not either
    if len(wrong):
        raise CodesError(f"row {wrong[0]} holds NaN, infinity or a value past 1e18; such rows belong in quarantine")
    return codes


@summing
def mean_of(vectors: np.ndarray) -> np.ndarray:
    """Return the mean, float32 (d,), of `vectors` as `encode` takes them."""
    count, width = vectors.shape
    total = np.zeros(width, dtype=np.float64)
    row = np.empty(width, dtype=np.float32)
    for i in range(count):
        widen_row(vectors, i, row)
        for j in range(width):
            total[j] += row[j]
    mean: np.ndarray = (total / count).astype(np.float32)
    return mean


@summing_borrowed
def _encode_rows(vectors: np.ndarray, mean: np.ndarray, codes: Codes, row: np.ndarray) -> None:
    count, width = vectors.shape
    for i in range(count):
        widen_row(vectors, i, row)
        bias = np.float32(0)
        length = np.float32(0)
        for j in range(width):
            length += row[j] * row[j]
        for j in range(width):
            row[j] -= mean[j]
            bias += row[j] * mean[j]
        codes.meta[1, i] = bias
        codes.lengths[i] = length
        encode_row(row, i, codes)


@summing_borrowed
def encode_row(row: np.ndarray, i: int, codes: Codes) -> None:
    """Write float32 (d,) as the i-th of `codes`: its bytes, their sum, scale and square. Leaves its codes in `row`."""
    bits = row.view(np.int32)
    out = codes.rows[i]
    greatest = np.int32(0)
    square = np.float32(0)
    total = np.float32(0)
    # Each loop does so little that all of it is done 16 at a time; one loop that does everything would not be.
    for j in range(len(row)):
        square += row[j] * row[j]
    for j in range(len(row)):
        # Floats without their sign order as their bits do. The greatest integer is found 16 at a time, the greatest
        # float one by one, as NaN would make its order matter.
        greatest = max(greatest, bits[j] & _MAGNITUDE)
    most = np.int32(greatest).view(np.float32)
    factor = np.float32(_GREATEST) / most if most > _LEAST else np.float32(0)
    for j in range(len(row)):
        row[j] = np.rint(row[j] * factor)
        # Exact: an integer below 2^24.
        total += row[j]
    for j in range(len(row)):
        out[j] = np.int32(row[j])
    codes.sums[i] = -128 * np.int32(total)
    codes.meta[0, i] = most / np.float32(_GREATEST)
    codes.squares[i] = square


def reordered(codes: Codes, order: np.ndarray) -> Codes:
    """Return the codes of the rows in `order`, int64 (n,)."""
    moved = empty_codes(len(order), codes.rows.shape[1])
    np.take(codes.rows, order, axis=0, out=moved.rows[: len(order)])
    moved.sums[: len(order)] = codes.sums[order]
    moved.meta[:, : len(order)] = codes.meta[:, order]
    moved.squares[:] = codes.squares[order]
    moved.lengths[:] = codes.lengths[order]
    return moved
