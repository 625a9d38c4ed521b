"""Local joins: the neighbours of a row are likely neighbours of each other."""

from __future__ import annotations

import numpy as np

from uninote.neighbours.kernel.candidates import NO_ROW, Lists, key_position
from uninote.neighbours.kernel.codes import Codes
from uninote.neighbours.kernel.leaves import Workspace, join_leaf
from uninote.neighbours.kernel.simd.vector_ir import compiled

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # Fibonacci hashing: Knuth, TAOCP 3, 6.4


@compiled
def take_edges(keys: np.ndarray, forward: int) -> np.ndarray:
    """Return int32 (members, forward): 2 * position + (1 where new) of each list's first entries, -1 where free.

    The entries taken are no longer new in `keys`.
    """
    edges = np.full((len(keys), forward), -1, dtype=np.int32)
    for row in range(len(keys)):
        for slot in range(forward):
            key = keys[row, slot]
            if key_position(key) == NO_ROW:
                break
            edges[row, slot] = (key_position(key) << 1) | (key & 1)
            keys[row, slot] = key & ~1
    return edges


@compiled
def reverse_edges(edges: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (counts int32 (members, 2), sources int32 (members, 2, most)): who has this row, by old and new.

    Where there are more than `most`, those kept are a sample that depends on the positions only.
    """
    counts = np.zeros((len(edges), 2), dtype=np.int32)
    sources = np.empty((len(edges), 2, most), dtype=np.int32)
    for row in range(len(edges)):
        for slot in range(edges.shape[1]):
            target, new = edges[row, slot] >> 1, edges[row, slot] & 1
            if target < 0 or target >= len(edges):
                continue
            seen = counts[target, new]
            counts[target, new] += 1
            if seen < most:
                sources[target, new, seen] = row
            else:  # reservoir sampling: Vitter 1985, algorithm R
                other = (np.uint64(row) * _GOLDEN >> np.uint64(33)) % np.uint64(seen + 1)
                if other < np.uint64(most):
                    sources[target, new, other] = row
    return np.minimum(counts, most), sources


@compiled
def join_neighbours(workspace: Workspace, codes: Codes, lists: Lists, forward: int, most: int) -> None:
    """Join, around each member, the rows it is joined to by a new edge with each other and with the old ones.

    An edge is one of the first `forward` entries of a list, followed either way; at most `most` rows meet, new ones
    first.
    """
    edges = take_edges(lists.keys, forward)
    counts, sources = reverse_edges(edges, forward)
    stamps, members = np.full(len(lists.limits), -1, dtype=np.int32), np.empty(most, dtype=np.int32)
    for row in range(len(edges)):
        count, fresh = 0, 0
        stamps[row] = row
        for new in (1, 0):
            for slot in range(forward):
                edge = edges[row, slot]
                if edge >= 0 and edge & 1 == new and stamps[edge >> 1] != row and count < most:
                    stamps[edge >> 1] = row
                    members[count] = edge >> 1
                    count += 1
            for slot in range(counts[row, new]):
                source = sources[row, new, slot]
                if stamps[source] != row and count < most:
                    stamps[source] = row
                    members[count] = source
                    count += 1
            if new == 1:
                fresh = count
        if fresh:
            join_leaf(workspace, codes, lists, members, (count, fresh))


@compiled
def share_within_reach(keys: np.ndarray, truth: np.ndarray, rows: int, forward: int, k: int) -> float:
    """Return the share of the best `k` of `truth`, keys of the first rows, that a local join would make known.

    Those are the rows in the list, and in the lists of the first `forward` entries of the list; joins at rows that
    have this row find a few more. `rows` counts all positions.
    """
    stamps = np.full(rows, -1, dtype=np.int32)
    found, wanted = 0, 0
    for row in range(len(truth)):
        for slot in range(keys.shape[1]):
            near = key_position(keys[row, slot])
            if near == NO_ROW:
                break
            stamps[near] = row
            if slot < forward and near < len(keys):
                for other in range(forward):
                    further = key_position(keys[near, other])
                    if further != NO_ROW:
                        stamps[further] = row
        for slot in range(k):
            position = key_position(truth[row, slot])
            if position != NO_ROW:
                found += stamps[position] == row
                wanted += 1
    return found / wanted if wanted else 1.0
