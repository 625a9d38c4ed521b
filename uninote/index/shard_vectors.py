"""The vectors of a shard, by which a search ranks again what the codes found: a .npy file that numpy maps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from uninote.index.files.stored_file import IndexDamagedError

STORED = np.dtype("<f2")
"""float16 cost at most 0.003 of recall@10 on the real sets of docs/index.md; int8 halves the bytes and cost up to 0.033."""

_BLOCK_ROWS = 10_000
# float16 rounds the length of a vector by less.
_LENGTH_ERROR = 0.01
# Of the candidates' vectors that are compared at once: for 4,000 queries all would take gigabytes.
_PAIR_BYTES = 64 << 20


def write_vectors(batches: Sequence[np.ndarray], order: np.ndarray, path: Path) -> None:
    """Write float16 (rows, width): the rows of `batches`, counted through all of them, in `order`.

    Block by block, since a second copy of a shard's vectors would be most of a task's memory.
    """
    starts = np.cumsum([0, *map(len, batches)])
    width = batches[0].shape[1]
    header = {"descr": STORED.str, "fortran_order": False, "shape": (len(order), width)}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for first in range(0, len(order), _BLOCK_ROWS):
            places = order[first : first + _BLOCK_ROWS]
            # Of each row: the batch that it came in.
            owners = np.searchsorted(starts, places, side="right") - 1
            block = np.empty((len(places), width), STORED)
            for owner in np.unique(owners):
                mine = owners == owner
                block[mine] = batches[owner][places[mine] - starts[owner]]
            file.write(block.tobytes())


def map_vectors(path: Path, rows: int, width: int) -> np.ndarray:
    """Return float16 (rows, width), mapped. Raises IndexDamagedError where the file holds anything else."""
    try:
        vectors = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError) as error:
        raise IndexDamagedError(f"{path} cannot be read as vectors: {error}; build the index again") from error
    if vectors.shape != (rows, width) or vectors.dtype != STORED:
        raise IndexDamagedError(
            f"{path} holds {vectors.dtype} {vectors.shape}, and its shard has {rows} rows of width {width} in float16; "
            "build the index again"
        )
    return np.asarray(vectors)


def scores_of(vectors: np.ndarray, places: np.ndarray, queries: np.ndarray, owners: np.ndarray) -> np.ndarray:
    """Return float32 (n,): products of `vectors[places[i]]` and `queries[owners[i]]`, float16 and float32 (any, width)."""
    scores = np.empty(len(places), np.float32)
    step = max(1, _PAIR_BYTES // (8 * queries.shape[1]))
    for first in range(0, len(places), step):
        part = slice(first, first + step)
        found = vectors[places[part]].astype(np.float32)
        scores[part] = np.einsum("nd,nd->n", found, queries[owners[part]])
    return scores


def have_unit_length(vectors: np.ndarray) -> bool:
    """Say whether all of `vectors`, float16 (rows, width), are of unit length, but for rounding."""
    for first in range(0, len(vectors), _BLOCK_ROWS):
        lengths = np.linalg.norm(vectors[first : first + _BLOCK_ROWS].astype(np.float32), axis=1)
        # NaN compares false, and so counts as wrong.
        if not (np.abs(lengths - 1) < _LENGTH_ERROR).all():
            return False
    return True
