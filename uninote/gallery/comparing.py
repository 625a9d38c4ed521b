"""Exact scores of items against all parts of a gallery, block by block: one product of matrices a block, nothing else kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from uninote.gallery.entries import Entries

_BLOCK_SCORES = 4 << 20  # 16 MiB of float32: a block's scores are read again while they are in a cache
# float32 of two BLAS kernels may differ by so much where a score is the threshold.
ROUNDING = 1e-6


class Hits(NamedTuple):
    """Scores that reach the review threshold: `rows` of the items, `parts` of the gallery, int64, and `scores` float32."""

    rows: np.ndarray
    parts: np.ndarray
    scores: np.ndarray


class Block(NamedTuple):
    """What a block of items came to: `best` float32 (items, groups), each item's best score by group, and `hits`."""

    first: int
    best: np.ndarray
    hits: Hits


def compare(entries: Entries, vectors: np.ndarray, reviews: np.ndarray) -> Iterator[Block]:
    """Yield what each block of items comes to: `vectors` float32 (n, width), of one kind.

    `reviews` float64 (groups,): the least score that is a hit, infinite where none is.
    """
    rows = max(1, _BLOCK_SCORES // max(1, len(entries)))
    limits = reviews - ROUNDING
    for first in range(0, len(vectors), rows):
        scores = vectors[first : first + rows] @ entries.vectors.T
        best = np.maximum.reduceat(scores, entries.starts, axis=1)
        yield Block(first, best, _hits(entries, scores, best, limits))


def _hits(entries: Entries, scores: np.ndarray, best: np.ndarray, limits: np.ndarray) -> Hits:
    """Return the hits of a block; only items whose best score of a group is one are looked through again."""
    rows = [np.empty(0, np.int64)]
    parts = [np.empty(0, np.int64)]
    found = [np.empty(0, np.float32)]
    for group in np.flatnonzero((best >= limits).any(axis=0)).tolist():
        mine = np.flatnonzero(best[:, group] >= limits[group])
        span = entries.rows_of(group)
        of_group = scores[mine, span]
        row, part = np.nonzero(of_group >= limits[group])
        rows.append(mine[row])
        parts.append(part + span.start)
        found.append(of_group[row, part])
    return Hits(np.concatenate(rows), np.concatenate(parts), np.concatenate(found))
