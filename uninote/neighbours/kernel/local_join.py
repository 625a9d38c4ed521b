"""Local joins: the neighbours of a row are likely neighbours of each other."""

from __future__ import annotations

import numpy as np

from uninote.neighbours.kernel.candidates import NO_ROW, Candidates, key_position
from uninote.neighbours.kernel.codes import Codes
from uninote.neighbours.kernel.leaves import Workspace, join_leaf
from uninote.neighbours.kernel.simd.vector_ir import borrowing, compiled

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # Fibonacci hashing: Knuth, TAOCP 3, 6.4


@compiled
def take_edges(keys: np.ndarray, forward: int) -> np.ndarray:
    """Return int32 (lists, forward): 2 * position + (1 where new) of each list's first entries, -1 where free.

    The entries taken are no longer new in `keys`.
    """
    edges = np.full((len(keys), forward), -1, dtype=np.int32)
    for row in range(len(keys)):
        for slot in range(forward):
            key = keys[row, slot]
            if key_position(key) == NO_ROW:
                break
            # NN-descent (Dong, Moses and Li, 2011): two old entries of a list have met before, so every pair
            # that is scored has a new one. The flag travels in the lowest bit, as in keys.
            edges[row, slot] = (key_position(key) << 1) | (key & 1)
            keys[row, slot] = key & ~1
    return edges


@compiled
def reverse_edges(edges: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (counts int32 (lists, 2), sources int32 (lists, 2, most)): the rows that have this one, by old and new.

    Where there are more than `most`, they are a sample that depends on the positions only.
    """
    counts = np.zeros((len(edges), 2), dtype=np.int32)
    sources = np.empty((len(edges), 2, most), dtype=np.int32)
    for row in range(len(edges)):
        for slot in range(edges.shape[1]):
            target = edges[row, slot] >> 1
            new = edges[row, slot] & 1
            if target < 0 or target >= len(edges):
                continue
            seen = counts[target, new]
            counts[target, new] += 1
            if seen < most:
                sources[target, new, seen] = row
            else:  # reservoir sampling, Vitter 1985, algorithm R, with a hash for the random number: no state to seed
                # Reservoir sampling (Vitter, 1985, algorithm R) with a hash for the random number: no state to seed,
                # and the same sample however rows are shared out.
                other = (np.uint64(row) * _GOLDEN >> np.uint64(33)) % np.uint64(seen + 1)
                if other < np.uint64(most):
                    sources[target, new, other] = row
    return np.minimum(counts, most), sources


@compiled
def join_neighbours(workspace: Workspace, codes: Codes, candidates: Candidates, forward: int, most: int) -> None:
    """Join, around each row, the rows it is joined to by a new edge with each other and with the old ones.

    An edge is one of the first `forward` entries of a list, followed either way; at most `most` rows meet, new ones
    first.
    """
    edges = take_edges(candidates.keys, forward)
    counts, sources = reverse_edges(edges, forward)
    met = np.full(
        len(candidates.limits), -1, dtype=np.int32
    )  # the row that met a position last: a set without clearing
    near = np.empty(most, dtype=np.int32)
    for row in range(len(edges)):
        count = 0
        fresh = 0
        met[row] = row
        # New edges first: where not all fit, it is the pairs that have not met which are scored.
        for new in (1, 0):
            for slot in range(forward):
                edge = edges[row, slot]
                if edge >= 0 and edge & 1 == new:
                    count = _add(near, count, met, edge >> 1, row)
            for slot in range(counts[row, new]):
                count = _add(near, count, met, sources[row, new, slot], row)
            if new == 1:
                fresh = count
        if fresh:
            join_leaf(workspace, codes, candidates, near, (count, fresh))


@borrowing
def _add(near: np.ndarray, count: int, met: np.ndarray, position: int, row: int) -> int:
    """Add a position to the first `count` of `near` unless `row` has met it or there is no room; return how many there are."""
    if met[position] == row or count == len(near):
        return count
    met[position] = row
    near[count] = position
    return count + 1
