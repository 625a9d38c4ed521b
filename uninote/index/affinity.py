"""Which lists belong together: neighbouring lists form cells, neighbouring cells form shards, all of like weight."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from uninote.kmeans import fit_kmeans

Order = Callable[[np.ndarray], np.ndarray]


def group_lists(centroids: np.ndarray, list_rows: np.ndarray, num_cells: int, seed: int) -> np.ndarray:
    """Return int32 (nlist,): the cell of each list, every cell holding at least one.

    Cells are halved again and again, along the line between the two means of their centroids, where the rows of
    both halves balance: so cells are of like weight, as far as a list is not heavy by itself, and their numbers
    follow affinity. `list_rows` (nlist,) are counts of a sample.
    """

    def along_the_means(lists: np.ndarray) -> np.ndarray:
        first, second = fit_kmeans(centroids[lists], 2, seed)
        return lists[np.argsort(centroids[lists] @ (second - first), kind="stable")]

    return _number(_halve(np.arange(len(centroids)), list_rows, num_cells, along_the_means), len(centroids))


def pack_cells(cell_rows: np.ndarray, num_shards: int) -> np.ndarray:
    """Return int32 (num_cells,): the shard of each cell. A shard is a run of cells: their numbers follow affinity."""
    cells = np.arange(len(cell_rows))
    return _number(_halve(cells, cell_rows, num_shards, lambda members: members), len(cells))


def _halve(members: np.ndarray, rows: np.ndarray, parts: int, order: Order) -> list[np.ndarray]:
    if parts == 1:
        return [members]
    ordered = order(members)
    before = parts // 2
    cut = _balanced_cut(rows[ordered], before, parts)
    return _halve(ordered[:cut], rows, before, order) + _halve(ordered[cut:], rows, parts - before, order)


def _balanced_cut(rows: np.ndarray, before: int, parts: int) -> int:
    """Return how many entries come before the cut that gives `before` of `parts` shares of the rows to them."""
    seen = np.cumsum(rows)
    cut = 1 + int(np.argmin(np.abs(seen - seen[-1] * before / parts)))
    return min(max(cut, before), len(rows) - (parts - before))


def _number(groups: list[np.ndarray], size: int) -> np.ndarray:
    numbers = np.empty(size, dtype=np.int32)
    for number, members in enumerate(groups):
        numbers[members] = number
    return numbers
